/* What comes before a connection is handed over.
 *
 *   HEADER     -> HANDSHAKE -> served
 *     its bytes    TLS
 *
 * either of which may be left out. The header is read from the socket before
 * there is a transport, and not a byte more of it: what is there is looked at,
 * and as much of it taken as belongs to the header. A greeting exists until it
 * is served or lost, and the listener counts it as a connection. */
#include "net/greeting-private.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vetch/error.h>
#include <vetch/log.h>

#include "base/error-private.h"
#include "net/listener-private.h"
#include "net/proxy_header-private.h"
#include "promise/watch-private.h"

/* A proxy sends its header at once. */
#define HEADER_DEADLINE UINT64_C(5000000000)

struct greeting {
    struct vetch__list link;
    vetch_listener *listener;
    int fd; /* until there is a transport */
    struct event event;
    struct vetch__timer deadline;
    union vetch__address peer;
    socklen_t peer_len;
    struct vetch__proxy_header *header;
    struct vetch__watch_room watch; /* of the handshake */
    bool handshaking;
    bool counted; /* for its address: the client's, if there is a header */
};

/* ---- the greeter ---- */

/* The context that the endpoint asks for; NULL and errno. What is wrong with
 * its files would be lost in that. */
static struct vetch_tls *
tls_of_endpoint(const struct vetch__endpoint *e)
{
    vetch_error *error = NULL;
    struct vetch_tls *tls = vetch__tls_hooks->context(e, true, &error);

    if (tls != NULL)
        return tls;
    vetch_log(VETCH_LOG_ERROR, "%s", vetch_error_text(error));
    errno = vetch_error_code(error) == VETCH_ENOMEM ? ENOMEM : EINVAL;
    vetch_error_unref(error);
    return NULL;
}

int
vetch__greeter_new(struct vetch__greeter **ret, const struct vetch__endpoint *e,
                   struct vetch_tls *tls)
{
    struct vetch__greeter *g;

    *ret = NULL;
    if (!e->tls && !e->proxy)
        return 0;
    if (e->tls && vetch__tls_hooks == NULL) {
        errno = EPROTONOSUPPORT;
        return -1;
    }
    g = vetch__calloc(1, sizeof(*g));
    if (g == NULL)
        return -1;
    vetch__list_init(&g->greetings);
    g->proxy = e->proxy;
    g->n_proxies = e->n_proxies;
    memcpy(g->proxies, e->proxies, sizeof(g->proxies));
    if (e->tls) {
        g->tls = tls != NULL ? vetch__tls_hooks->ref(tls) : tls_of_endpoint(e);
        if (g->tls == NULL) {
            vetch__free(g);
            return -1;
        }
    }
    *ret = g;
    return 0;
}

struct vetch__greeter *
vetch__greeter_free(struct vetch__greeter *g)
{
    if (g == NULL)
        return NULL;
    if (g->tls != NULL)
        vetch__tls_hooks->unref(g->tls);
    vetch__free(g);
    return NULL;
}

static bool
is_this_machine(const struct sockaddr *peer)
{
    static const struct vetch__network loopback[] = {
        { { [10] = 0xff, 0xff, 127 }, 104 },
        { { [15] = 1 }, 128 },
    };

    return peer->sa_family == AF_UNIX ||
           vetch__network_has(&loopback[0], peer) ||
           vetch__network_has(&loopback[1], peer);
}

/* Whether this peer may speak for others; also if nobody does. */
static bool
trusts_peer(const struct vetch__greeter *g, const struct sockaddr *peer)
{
    if (!g->proxy)
        return true;
    if (g->n_proxies == 0)
        return is_this_machine(peer);
    for (size_t i = 0; i < g->n_proxies; i++) {
        if (vetch__network_has(&g->proxies[i], peer))
            return true;
    }
    return peer->sa_family == AF_UNIX;
}

/* ---- the end of one ---- */

static void
stop_reading_header(struct greeting *g)
{
    event_del(&g->event);
    vetch__timer_stop(g->listener->reactor, &g->deadline);
}

/* Give up what it holds; fd stays open. */
static vetch_listener *
free_greeting(struct greeting *g)
{
    vetch_listener *l = g->listener;

    vetch__list_remove(&g->link);
    if (g->header != NULL)
        stop_reading_header(g);
    vetch__free(g->header);
    vetch__free(g);
    return l;
}

static const struct sockaddr *
greeted_client(const struct greeting *g)
{
    return g->header != NULL && g->header->proxied ? &g->header->source.any
                                                   : &g->peer.any;
}

/* Consumes `error`; NULL: nothing worth telling. */
static void
fail_greeting(struct greeting *g, vetch_error *error)
{
    /* Anybody can let a handshake fail; a proxy that is trusted cannot. */
    vetch_log_level level =
        g->handshaking ? VETCH_LOG_DEBUG : VETCH_LOG_WARNING;

    if (g->counted && g->listener->counts != NULL)
        vetch__address_counts_drop(g->listener->counts, greeted_client(g));
    if (g->fd >= 0) {
        close(g->fd);
        vetch__net_descriptor_closed(g->listener->reactor->net);
    }
    vetch__accept_lost(free_greeting(g), level, error);
}

/* Consumes t. */
static void
serve_greeted(struct greeting *g, vetch_transport *t)
{
    vetch__accept_serve(free_greeting(g), t);
    vetch_transport_unref(t);
}

/* ---- TLS ---- */

static void
greeting_handshaken(void *ctx, vetch_promise *p)
{
    struct greeting *g = ctx;

    if (vetch_promise_state(p) == VETCH_FULFILLED)
        serve_greeted(g, vetch_transport_ref(vetch_promise_value(p)));
    else
        fail_greeting(g, vetch_error_ref(vetch_promise_error(p)));
    vetch_promise_unref(p);
}

/* Consumes t. */
static void
begin_handshake(struct greeting *g, vetch_transport *t)
{
    vetch_listener *l = g->listener;

    g->handshaking = true;
    vetch__watch_in(l->reactor, &g->watch,
                    vetch__tls_hooks->handshake(l->greeter->tls, t, NULL),
                    greeting_handshaken, g);
}

/* The socket becomes a transport. */
static void
continue_greeting(struct greeting *g)
{
    vetch_listener *l = g->listener;
    struct vetch__proxy_header *header = g->header;
    vetch_transport *t;

    t = vetch__socket_transport_new_for(l->reactor, g->fd, &g->peer.any,
                                        g->peer_len, header);
    if (t == NULL) {
        fail_greeting(g, vetch_error_ref(&vetch__error_no_memory));
        return;
    }
    g->fd = -1;
    if (l->greeter->tls == NULL)
        serve_greeted(g, t);
    else
        begin_handshake(g, t);
}

/* ---- the header ---- */

static vetch_error *
header_error(const struct greeting *g, const char *why)
{
    char name[VETCH__ADDRESS_TEXT];

    vetch__address_format(name, &g->peer.any, g->peer_len);
    return vetch_error_new(VETCH_EPROXY, "%s: %s", name, why);
}

/* A proxy that looks whether we are there connects and goes. */
static vetch_error *
no_header(const struct greeting *g)
{
    return g->header->len > 0 ? header_error(g, "the PROXY header is cut")
                              : NULL;
}

/* Whether the header is done; else it has failed, or waits for more. */
static bool
read_header(struct greeting *g)
{
    char *room = g->listener->reactor->net->input.data;
    const char *why;
    ssize_t n, took;
    size_t taken;

    n = recv(g->fd, room, VETCH__PROXY_MAX, MSG_PEEK);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        fail_greeting(g, no_header(g));
        return false;
    }
    why = vetch__proxy_header_feed(g->header, room, (size_t)n, &taken);
    took = recv(g->fd, room, taken, 0);
    if (why == NULL && took != (ssize_t)taken)
        why = "its input was taken from under us";
    if (why != NULL)
        fail_greeting(g, header_error(g, why));
    return why == NULL && g->header->done;
}

/* Now one knows who it is; false: it has too many, and this one is lost. */
static bool
count_client(struct greeting *g)
{
    bool proxied = g->header->proxied;

    g->counted =
        vetch__accept_count(g->listener, greeted_client(g),
                            proxied ? g->header->source_len : g->peer_len) == 0;
    if (g->counted)
        return true;
    fail_greeting(g, errno == ENOMEM ? vetch_error_ref(&vetch__error_no_memory)
                                     : NULL);
    return false;
}

static void
on_header(evutil_socket_t fd, short what, void *arg)
{
    struct greeting *g = arg;
    vetch_reactor *r = g->listener->reactor;

    (void)fd;
    (void)what;
    vetch__reactor_enter(r);
    if (read_header(g) && count_client(g)) {
        stop_reading_header(g); /* the socket will be the transport's */
        continue_greeting(g);
    }
    vetch__reactor_leave(r);
}

static void
header_is_late(struct vetch__timer *timer)
{
    struct greeting *g = vetch__container(timer, struct greeting, deadline);

    fail_greeting(g, header_error(g, "no PROXY header in time"));
}

static int
await_header(struct greeting *g)
{
    vetch_reactor *r = g->listener->reactor;

    g->header = vetch__calloc(1, sizeof(*g->header));
    if (g->header == NULL)
        return -1;
    event_assign(&g->event, r->base, g->fd, EV_READ | EV_PERSIST, on_header, g);
    if (event_add(&g->event, NULL) < 0)
        return -1;
    return vetch__timer_start(r, &g->deadline, HEADER_DEADLINE, header_is_late);
}

/* ---- beginning, and giving up ---- */

int
vetch__greeting_start(vetch_listener *l, int fd, const struct sockaddr *peer,
                      socklen_t len)
{
    struct greeting *g = vetch__calloc(1, sizeof(*g));

    if (g == NULL)
        return -1;
    g->listener = l;
    g->fd = fd;
    memcpy(&g->peer, peer, len);
    g->peer_len = len;
    g->counted = !l->greeter->proxy;
    vetch__list_append(&l->greeter->greetings, &g->link);
    if (!trusts_peer(l->greeter, peer)) {
        fail_greeting(g, header_error(g, "nobody who may be a proxy"));
        return 0;
    }
    if (!l->greeter->proxy) {
        continue_greeting(g);
        return 0;
    }
    if (await_header(g) == 0)
        return 0;
    free_greeting(g);
    errno = ENOMEM;
    return -1;
}

void
vetch__greetings_drop(vetch_listener *l)
{
    struct vetch__list *at, *next;

    if (l->greeter == NULL)
        return;
    vetch_listener_ref(l);
    for (at = l->greeter->greetings.next; at != &l->greeter->greetings;
         at = next) {
        struct greeting *g = vetch__container(at, struct greeting, link);

        next = at->next;
        if (g->handshaking)
            vetch__promise_cancel_node(l->reactor,
                                       vetch__room_watch(&g->watch));
        else
            fail_greeting(g, NULL);
    }
    vetch_listener_unref(l);
}
