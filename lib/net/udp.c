/* Datagram sockets: how one is made, connected and closed. udp-private.h says
 * how what belongs to it hangs together. */
#include "net/udp-private.h"

#include <assert.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include <vetch/error.h>

#include "base/check-private.h"
#include "base/error-private.h"
#include "base/options-private.h"
#include "net/endpoint-private.h"
#include "net/resolver-private.h"
#include "promise/watch-private.h"
#include "reactor/dump-private.h"

/* ---- what all of a reactor share ---- */

struct vetch__udp_area *
vetch__udp_area_get(struct vetch__net *net)
{
    struct vetch__udp_area *area = net->udp_area;

    if (area != NULL)
        return area;
    area = vetch__malloc(sizeof(*area)); /* not cleared: most is never used */
    if (area == NULL)
        return NULL;
    memset(area->in, 0, sizeof(area->in));
    memset(area->out, 0, sizeof(area->out));
    net->udp_area = area;
    return area;
}

/* ---- memory ---- */

static void
free_udp(vetch_udp *u)
{
    vetch__listen_done(&u->socket);
    vetch__free(u);
}

void
vetch__udp_hold(vetch_udp *u)
{
    u->holds++;
}

void
vetch__udp_let_go(vetch_udp *u)
{
    if (--u->holds == 0 && u->object.refs == 0)
        free_udp(u);
}

bool
vetch__udp_check_thread(const vetch_udp *u)
{
    return u->reactor == NULL ||
           vetch__check_thread(&u->reactor->owner, "a datagram socket");
}

vetch_error *
vetch__udp_closed_error(const vetch_udp *u)
{
    return vetch_error_new(VETCH_ECLOSED, "%s was closed", u->socket.endpoint);
}

/* ---- the end ---- */

static uint64_t
dropped_by_kernel(const vetch_udp *u)
{
    uint32_t info[SK_MEMINFO_VARS] = { 0 };
    socklen_t len = sizeof(info);

    if (getsockopt(u->socket.fd, SOL_SOCKET, SO_MEMINFO, info, &len) < 0)
        return 0;
    return info[SK_MEMINFO_DROPS];
}

static void
close_udp(vetch_udp *u)
{
    vetch_reactor *r = u->reactor;

    if (r == NULL)
        return;
    vetch__udp_hold(u);
    u->dropped += dropped_by_kernel(u);
    u->reactor = NULL;
    vetch__udp_receive_end(u);
    vetch__udp_send_end(u);
    vetch__listen_close(&u->socket);
    vetch__member_remove(r, &u->member);
    vetch__net_descriptor_closed(r->net);
    vetch__udp_let_go(u);
}

static void
udp_end_with_reactor(struct vetch__member *member)
{
    close_udp(vetch__container(member, vetch_udp, member));
}

/* What it waits for, it waits for by promises. */
static void
udp_dump(const struct vetch__member *member, struct vetch__dump *d)
{
    const vetch_udp *u = vetch__container(member, const vetch_udp, member);

    vetch__dump_line(d, 0, "datagram socket %s, %zu read ahead",
                     u->socket.endpoint, u->n_queued);
}

static const struct vetch__member_class udp_members = {
    .name = "datagram socket",
    .end = udp_end_with_reactor,
    .dump = udp_dump,
};

void
vetch_udp_close(vetch_udp *u)
{
    VETCH_CHECK(u != NULL, EINVAL, );
    if (vetch__udp_check_thread(u))
        close_udp(u);
}

vetch_udp *
vetch_udp_ref(vetch_udp *u)
{
    if (u != NULL)
        u->object.refs++;
    return u;
}

vetch_udp *
vetch_udp_unref(vetch_udp *u)
{
    if (u == NULL || --u->object.refs > 0 ||
        vetch__reactor_is_inherited(u->reactor))
        return NULL;
    vetch__udp_hold(u);
    close_udp(u);
    vetch__udp_let_go(u);
    return NULL;
}

/* ---- making one ---- */

static int
family_of(int fd)
{
    union vetch__address address = { .any = { .sa_family = AF_UNSPEC } };
    socklen_t len = sizeof(address);

    getsockname(fd, &address.any, &len);
    return address.any.sa_family;
}

static vetch_udp *
udp_alloc(vetch_reactor *r)
{
    struct vetch__net *net = vetch__net_get(r);
    vetch_udp *u;

    if (net == NULL || vetch__udp_area_get(net) == NULL)
        return NULL;
    u = vetch__calloc(1, sizeof(*u));
    if (u == NULL)
        return NULL;
    u->object = (struct vetch__object){ .type = VETCH__UDP, .refs = 1 };
    u->socket.fd = -1;
    vetch__list_init(&u->queue);
    vetch__list_init(&u->drains);
    return u;
}

/* It has its socket; what can still fail is setting it up. */
static int
udp_set_up(vetch_udp *u, vetch_reactor *r, const vetch_udp_options *o)
{
    u->family = family_of(u->socket.fd);
    if (vetch__udp_options_set(u->socket.fd, u->family, o) < 0)
        return -1;
    u->credentials = o->credentials;
    u->max_bytes = o->max_bytes;
    u->max_descriptors = o->max_descriptors;
    u->socket.lent = false;
    u->reactor = r;
    vetch__udp_receive_init(u);
    vetch__udp_send_init(u);
    vetch__member_add(r, &u->member, &udp_members);
    return 0;
}

vetch_udp *
vetch_udp_new(const char *endpoint, const vetch_udp_options *options)
{
    vetch_udp_options o = VETCH_UDP_OPTIONS_INIT;
    vetch_reactor *r = vetch__reactor;
    struct vetch__endpoint e;
    vetch_udp *u;

    VETCH_CHECK(endpoint != NULL, EINVAL, NULL);
    VETCH_CHECK(vetch__options_read(&o, sizeof(o), options), EINVAL, NULL);
    if (vetch__udp_options_check(&o) < 0)
        return NULL;
    if (r == NULL || r->ending) {
        errno = r == NULL ? EPERM : ECANCELED;
        return NULL;
    }
    if (vetch__endpoint_parse(&e, endpoint, VETCH__TO_LISTEN) != NULL) {
        errno = EINVAL;
        return NULL;
    }
    if (e.tls || e.proxy) {
        errno = EPROTONOSUPPORT;
        return NULL;
    }
    u = udp_alloc(r);
    if (u == NULL)
        return NULL;
    if (vetch__listen_open(&u->socket, &e, SOCK_DGRAM) < 0 ||
        udp_set_up(u, r, &o) < 0) {
        free_udp(u);
        return NULL;
    }
    return u;
}

/* ---- connecting ---- */

struct udp_connecting {
    vetch_udp_options options;
    char interface[IF_NAMESIZE];
    char host[VETCH__HOST_MAX + 2];
    char target[VETCH__HOST_MAX + 16];
};

/* A Unix socket without a name would get no answer. */
static int
udp_connect_to(int fd, const struct sockaddr *to, socklen_t len)
{
    struct sockaddr any = { .sa_family = AF_UNIX };

    if (to->sa_family == AF_UNIX && bind(fd, &any, sizeof(sa_family_t)) < 0)
        return -1;
    return connect(fd, to, len);
}

/* What it calls itself: where the peer sees it. */
static int
name_connected(vetch_udp *u)
{
    union vetch__address address = { .any = { .sa_family = AF_UNSPEC } };
    socklen_t len = sizeof(address);
    char text[VETCH__ENDPOINT_NAME];

    if (getsockname(u->socket.fd, &address.any, &len) < 0)
        return -1;
    vetch__address_endpoint(
        text,
        address.any.sa_family == AF_UNIX ? "unixgram:" : "udp:", &address.any,
        len);
    u->socket.port = vetch__address_port(&address.any);
    u->socket.endpoint = vetch__strdup(text);
    return u->socket.endpoint != NULL ? 0 : -1;
}

/* `host` as the endpoint has it; NULL: a Unix socket. NULL and errno. */
static vetch_udp *
udp_connected_to(const char *host, const struct sockaddr *to, socklen_t len,
                 const vetch_udp_options *o)
{
    vetch_reactor *r = vetch__reactor;
    vetch_udp *u;

    if (host != NULL && !vetch__connect_allows(r, host, to, len)) {
        errno = EACCES;
        return NULL;
    }
    u = udp_alloc(r);
    if (u == NULL)
        return NULL;
    u->connected = true;
    u->socket.fd =
        socket(to->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (u->socket.fd < 0 || udp_connect_to(u->socket.fd, to, len) < 0 ||
        name_connected(u) < 0 || udp_set_up(u, r, o) < 0) {
        free_udp(u);
        return NULL;
    }
    return u;
}

/* Consumes `cause`. */
static vetch_promise *
udp_connect_failed(const char *target, vetch_error *cause)
{
    vetch_error *e =
        vetch_error_wrap_code(cause, VETCH_ECONNECT, "connect %s", target);

    vetch_error_unref(cause);
    return vetch_rejected(e);
}

static vetch_promise *
udp_connect_outcome(vetch_udp *u, const char *target)
{
    if (u == NULL)
        return udp_connect_failed(target,
                                  vetch_error_from_errno(errno, "%s", ""));
    return vetch_resolved(u, vetch_unref);
}

/* The first address that there is a route to. */
static vetch_promise *
udp_host_found(void *addresses, void *ctx)
{
    const struct udp_connecting *c = ctx;
    size_t n = vetch_addresses_count(addresses);
    vetch_udp *u = NULL;

    assert(c != NULL);
    for (size_t i = 0; u == NULL && i < n; i++) {
        socklen_t len;
        const struct sockaddr *to = vetch_addresses_get(addresses, i, &len);

        u = udp_connected_to(c->host, to, len, &c->options);
    }
    return udp_connect_outcome(u, c->target);
}

static vetch_promise *
udp_host_not_found(const vetch_error *error, void *ctx)
{
    const struct udp_connecting *c = ctx;

    return udp_connect_failed(c->target, vetch_error_ref(error));
}

static vetch_promise *
udp_look_up(const struct vetch__endpoint *e, const vetch_udp_options *o)
{
    struct udp_connecting *c = vetch__calloc(1, sizeof(*c));
    vetch_promise *p;

    if (c == NULL)
        return &vetch__no_memory;
    c->options = *o;
    if (o->multicast_interface != NULL) {
        strncpy(c->interface, o->multicast_interface, sizeof(c->interface) - 1);
        c->options.multicast_interface = c->interface;
    }
    snprintf(c->host, sizeof(c->host), "%s", e->host);
    vetch__endpoint_target(e, c->target);
    p = vetch_resolve(e->host, e->port);
    p = vetch_catch(p, udp_host_not_found, c);
    p = vetch_then(p, udp_host_found, c);
    return vetch_finally(p, vetch__free, c);
}

/* The address, if that needs no look-up. Whoever listens at localhost listens
 * at 127.0.0.1, and no other would say that it is not the one. */
static bool
udp_known_address(const struct vetch__endpoint *e, union vetch__address *ret,
                  socklen_t *ret_len)
{
    if (e->kind == VETCH__ENDPOINT_UNIXGRAM) {
        *ret_len = vetch__address_unix(ret, e->path);
        return true;
    }
    return vetch__address_parse(
        ret, ret_len, vetch__host_is_local(e->host) ? "127.0.0.1" : e->host,
        e->port);
}

vetch_promise *
vetch_udp_connect(const char *endpoint, const vetch_udp_options *options)
{
    vetch_udp_options o = VETCH_UDP_OPTIONS_INIT;
    union vetch__address address;
    char target[VETCH__HOST_MAX + 16];
    struct vetch__endpoint e;
    const char *why;
    socklen_t len;

    VETCH_CHECK(endpoint != NULL, EINVAL, &vetch__misused);
    VETCH_CHECK(vetch__options_read(&o, sizeof(o), options), EINVAL,
                &vetch__misused);
    if (vetch__udp_options_check(&o) < 0)
        return vetch__failed(errno, "connect");
    if (vetch__reactor == NULL || vetch__reactor->ending)
        return vetch__failed(vetch__reactor == NULL ? EPERM : ECANCELED,
                             "connect");
    why = vetch__endpoint_parse(&e, endpoint, VETCH__TO_CONNECT);
    if (why == NULL && e.kind != VETCH__ENDPOINT_UDP &&
        e.kind != VETCH__ENDPOINT_UNIXGRAM)
        why = "it is not for datagrams";
    if (why != NULL)
        return udp_connect_failed(endpoint,
                                  vetch_error_new(VETCH_EENDPOINT, "%s", why));
    if (!udp_known_address(&e, &address, &len))
        return udp_look_up(&e, &o);
    vetch__endpoint_target(&e, target);
    return udp_connect_outcome(udp_connected_to(e.host, &address.any, len, &o),
                               target);
}

/* ---- looking at one ---- */

const char *
vetch_udp_endpoint(const vetch_udp *u)
{
    VETCH_CHECK(u != NULL, EINVAL, "");
    return u->socket.endpoint;
}

unsigned
vetch_udp_port(const vetch_udp *u)
{
    VETCH_CHECK(u != NULL, EINVAL, 0);
    return u->socket.port;
}

uint64_t
vetch_udp_dropped(const vetch_udp *u)
{
    VETCH_CHECK(u != NULL, EINVAL, 0);
    return u->dropped + (u->reactor != NULL ? dropped_by_kernel(u) : 0);
}
