/* Outgoing connections: resolve, then race the addresses as RFC 8305 says.
 *
 * The addresses are tried in their order. The next attempt starts when one has
 * failed, or 250 ms after the last one began; those under way go on, so that a
 * slow network is not taken for a dead one. The first to succeed wins.
 *
 * A connecting exists until its promise has settled, and that is never before
 * every descriptor but the winner's is closed. */
#include <vetch/transport.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <vetch/error.h>

#include "base/check-private.h"
#include "base/error-private.h"
#include "net/endpoint-private.h"
#include "net/resolver-private.h"
#include "net/tls_hooks-private.h"
#include "net/transport-private.h"
#include "promise/watch-private.h"

/* RFC 8305, section 5: the connection attempt delay. */
#define ATTEMPT_DELAY UINT64_C(250000000)

struct connecting {
    vetch_deferred *deferred;
    vetch_reactor *reactor;
    vetch_promise *waiting; /* the watch of the lookup or handshake, or NULL */
    vetch_addresses *addresses; /* NULL for a Unix socket */
    struct vetch__list attempts;
    struct vetch__timer timer;
    struct vetch__socket_options options;
    struct vetch_tls *tls; /* or NULL: none was asked for */
    size_t next;           /* the address to be tried next */
    uint64_t refused; /* those that the program does not want: a bit for each */
    bool filtering;   /* it is being asked */
    size_t n_failed;
    vetch_error *failures[VETCH__ADDRESSES_MAX];
    char target[VETCH__HOST_MAX + 16]; /* "localhost:80", "/run/x" */
    char host[VETCH__HOST_MAX + 2];    /* of an IP endpoint */
    char name[VETCH__HOST_MAX + 2];    /* whom TLS shall meet there */
};

struct attempt {
    struct vetch__list link;
    struct connecting *c;
    struct event event;
    int fd;
    union vetch__address address;
    socklen_t len;
};

/* ---- the end ---- */

static void
drop_attempt(struct attempt *a)
{
    vetch__list_remove(&a->link);
    event_del(&a->event);
    if (a->fd >= 0) {
        close(a->fd);
        vetch__net_descriptor_closed(a->c->reactor->net);
    }
    vetch__free(a);
}

static void
drop_attempts(struct connecting *c)
{
    while (!vetch__list_empty(&c->attempts))
        drop_attempt(vetch__container(c->attempts.next, struct attempt, link));
    vetch__timer_stop(c->reactor, &c->timer);
}

/* Stop everything and give up the memory; what is left is to settle. */
static vetch_deferred *
stop_connecting(struct connecting *c)
{
    vetch_deferred *d = c->deferred;

    drop_attempts(c);
    vetch_addresses_unref(c->addresses);
    if (c->tls != NULL)
        vetch__tls_hooks->unref(c->tls);
    for (size_t i = 0; i < c->n_failed; i++)
        vetch_error_unref(c->failures[i]);
    vetch__free(c);
    return d;
}

static void
reject_connect(struct connecting *c, vetch_error *error)
{
    vetch_deferred *d = stop_connecting(c);

    vetch_deferred_reject(d, error);
    vetch_deferred_unref(d);
}

/* ---- what went wrong ---- */

static void
note_failure(struct connecting *c, const union vetch__address *address,
             socklen_t len, int errnum)
{
    char text[VETCH__ADDRESS_TEXT];

    vetch__address_format(text, &address->any, len);
    c->failures[c->n_failed++] = vetch_error_from_errno(errnum, "%s", text);
}

static void
note_refusal(struct connecting *c, const struct sockaddr *address,
             socklen_t len)
{
    char text[VETCH__ADDRESS_TEXT];

    vetch__address_format(text, address, len);
    c->failures[c->n_failed++] =
        vetch_error_new(EACCES, "%s: not allowed by the program", text);
}

/* That this machine lacks a way there says less than what a peer answered. */
static bool
is_local_failure(int errnum)
{
    return errnum == ENETUNREACH || errnum == EADDRNOTAVAIL ||
           errnum == EAFNOSUPPORT || errnum == EHOSTUNREACH;
}

static int
telling_code(const struct connecting *c)
{
    for (size_t i = 0; i < c->n_failed; i++) {
        int code = vetch_error_code(c->failures[i]);

        if (!is_local_failure(code))
            return code;
    }
    return vetch_error_code(c->failures[0]);
}

/* What is behind a target: not a byte was sent, so anything may be tried again.
 * Consumes `cause`. */
static vetch_error *
connect_error(const char *target, vetch_error *cause)
{
    vetch_error *e =
        vetch_error_wrap_code(cause, VETCH_ECONNECT, "connect %s", target);

    vetch_error_unref(cause);
    return e;
}

/* The one address failed: say it without repeating the target. */
static vetch_error *
only_failure(const struct connecting *c)
{
    const vetch_error *e = c->failures[0];
    const char *text = vetch_error_text(e);
    size_t len = strlen(c->target);

    if (strncmp(text, c->target, len) == 0 && strncmp(text + len, ": ", 2) == 0)
        return vetch_error_new(vetch_error_code(e), "%s", text + len + 2);
    return vetch_error_ref(e);
}

/* All addresses and their causes in one line, and each as an error. */
static vetch_error *
all_failures(struct connecting *c)
{
    char text[1024] = "";
    size_t len = 0;
    vetch_error *primary, *e;

    if (c->n_failed == 1)
        return connect_error(c->target, only_failure(c));
    for (size_t i = 0; i < c->n_failed && len < sizeof(text); i++) {
        int n = snprintf(text + len, sizeof(text) - len, "%s%s",
                         i > 0 ? "; " : "", vetch_error_text(c->failures[i]));

        len += n > 0 ? (size_t)n : 0;
    }
    primary =
        connect_error(c->target, vetch_error_new(telling_code(c), "%s", text));
    e = vetch_error_aggregate(primary, (const vetch_error *const *)c->failures,
                              c->n_failed);
    vetch_error_unref(primary);
    return e;
}

/* ---- success ---- */

static void
release_transport(void *t)
{
    vetch_transport_unref(t);
}

/* Consumes t. */
static void
resolve_connect(struct connecting *c, vetch_transport *t)
{
    vetch_deferred *d = stop_connecting(c);

    vetch_deferred_resolve(d, t, release_transport);
    vetch_deferred_unref(d);
}

/* What a promise that it waited for says: whether it is to go on. */
static bool
goes_on(struct connecting *c, vetch_promise *p)
{
    c->waiting = NULL;
    if (vetch_promise_state(p) == VETCH_REJECTED) {
        const vetch_error *e = vetch_promise_error(p);

        reject_connect(c, vetch_error_code(e) == VETCH_ECANCELED
                              ? vetch_error_ref(e)
                              : connect_error(c->target, vetch_error_ref(e)));
        return false;
    }
    if (vetch_deferred_is_canceled(c->deferred)) {
        reject_connect(c, vetch_error_ref(&vetch__error_canceled));
        return false;
    }
    return true;
}

/* Wait for it; consumes `p`. */
static void
wait_for(struct connecting *c, vetch_promise *p, vetch__watch_fn settled)
{
    c->waiting = vetch__watch(c->reactor, p, settled, c);
    if (c->waiting != NULL)
        return;
    vetch_promise_cancel(p);
    vetch_promise_unref(p);
    reject_connect(c, NULL);
}

static void
handshake_settled(void *ctx, vetch_promise *p)
{
    struct connecting *c = ctx;

    if (goes_on(c, p))
        resolve_connect(c, vetch_transport_ref(vetch_promise_value(p)));
    vetch_promise_unref(p);
}

static void
attempt_succeeded(struct attempt *a)
{
    struct connecting *c = a->c;
    vetch_transport *t =
        vetch__socket_transport_new(c->reactor, a->fd, &a->address.any, a->len);

    if (t == NULL) {
        reject_connect(c, NULL);
        return;
    }
    a->fd = -1; /* the transport's */
    if (c->tls == NULL) {
        resolve_connect(c, t);
        return;
    }
    drop_attempts(c);
    wait_for(c, vetch__tls_hooks->handshake(c->tls, t, c->name),
             handshake_settled);
}

/* ---- attempts ---- */

static void try_next_address(struct connecting *c);

/* A connection to an ephemeral port of this machine may meet itself when nobody
 * listens there (RFC 9293, section 3.5: simultaneous open). */
static bool
met_itself(const struct attempt *a)
{
    union vetch__address own;
    socklen_t len = sizeof(own);

    return a->address.any.sa_family != AF_UNIX &&
           getsockname(a->fd, &own.any, &len) == 0 && len == a->len &&
           memcmp(&own, &a->address, len) == 0;
}

static void
connect_attempt_settled(evutil_socket_t fd, short what, void *arg)
{
    struct attempt *a = arg;
    struct connecting *c = a->c;
    vetch_reactor *r = c->reactor;
    int errnum = 0;
    socklen_t len = sizeof(errnum);

    (void)what;
    vetch__reactor_enter(r);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &len) < 0)
        errnum = errno;
    if (errnum == 0 && met_itself(a))
        errnum = ECONNREFUSED;
    if (errnum == 0) {
        attempt_succeeded(a);
    } else {
        note_failure(c, &a->address, a->len, errnum);
        drop_attempt(a);
        try_next_address(c);
    }
    vetch__reactor_leave(r);
}

static int
open_socket(const struct connecting *c, int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd >= 0 && family != AF_UNIX)
        vetch__socket_set_options(fd, &c->options);
    return fd;
}

/* The failure that a test has ordered for this attempt, or 0. */
static int
ordered_failure(vetch_reactor *r)
{
    if (vetch__likely(r->faults.connect_nth == 0) ||
        --r->faults.connect_nth > 0)
        return 0;
    return r->faults.connect_errno;
}

/* Begin an attempt; 0, or why it failed at once. It is in the list, or gone. */
static int
begin_attempt(struct attempt *a)
{
    int errnum = ordered_failure(a->c->reactor);

    if (errnum != 0)
        return errnum;
    a->fd = open_socket(a->c, a->address.any.sa_family);
    if (a->fd < 0)
        return errno;
    event_assign(&a->event, a->c->reactor->base, a->fd, EV_WRITE,
                 connect_attempt_settled, a);
    /* Also one that is connected at once is told by the loop. */
    if (connect(a->fd, &a->address.any, a->len) < 0 && errno != EINPROGRESS)
        errnum = errno;
    else
        errnum = event_add(&a->event, NULL) < 0 ? ENOMEM : 0;
    return errnum;
}

static struct attempt *
new_attempt(struct connecting *c)
{
    struct attempt *a = vetch__calloc(1, sizeof(*a));

    if (a == NULL)
        return NULL;
    a->c = c;
    a->fd = -1;
    vetch__list_append(&c->attempts, &a->link);
    return a;
}

/* Start an attempt; false if it has failed already. */
static bool
start_attempt(struct connecting *c, const union vetch__address *address,
              socklen_t len)
{
    struct attempt *a = new_attempt(c);
    int errnum;

    if (a == NULL) {
        note_failure(c, address, len, ENOMEM);
        return false;
    }
    memcpy(&a->address, address, len);
    a->len = len;
    event_assign(&a->event, c->reactor->base, -1, 0, connect_attempt_settled,
                 a);
    errnum = begin_attempt(a);
    if (errnum == 0)
        return true;
    note_failure(c, address, len, errnum);
    drop_attempt(a);
    return false;
}

_Static_assert(VETCH__ADDRESSES_MAX <= 64, "a bit for each address");

static bool
is_refused(const struct connecting *c, size_t i)
{
    return (c->refused >> i & 1) != 0;
}

/* Ask the program about each address. What it does meanwhile, such as
 * cancelling this, waits until it is done. */
static void
filter_addresses(struct connecting *c)
{
    c->filtering = true;
    for (size_t i = 0; i < c->addresses->n; i++) {
        const union vetch__inet_address *a = &c->addresses->address[i];
        socklen_t len = vetch__address_length(a);

        if (vetch__connect_allows(c->reactor, c->host, &a->any, len))
            continue;
        c->refused |= UINT64_C(1) << i;
        note_refusal(c, &a->any, len);
    }
    c->filtering = false;
}

static void
try_addresses(struct connecting *c)
{
    filter_addresses(c);
    if (vetch_deferred_is_canceled(c->deferred))
        reject_connect(c, vetch_error_ref(&vetch__error_canceled));
    else
        try_next_address(c);
}

static void
attempt_delay_is_over(struct vetch__timer *timer)
{
    try_next_address(vetch__container(timer, struct connecting, timer));
}

/* Start the next attempt, if there is one; the end, if there is none and none
 * is under way. */
static void
try_next_address(struct connecting *c)
{
    size_t n = c->addresses != NULL ? c->addresses->n : 0;

    while (c->next < n) {
        const union vetch__inet_address *next =
            &c->addresses->address[c->next++];
        union vetch__address address;

        if (is_refused(c, c->next - 1))
            continue;
        memcpy(&address, next, sizeof(*next));
        if (!start_attempt(c, &address, vetch__address_length(next)))
            continue;
        /* Without a timer the next one starts when this one has failed. */
        if (c->next < n)
            vetch__timer_start(c->reactor, &c->timer, ATTEMPT_DELAY,
                               attempt_delay_is_over);
        return;
    }
    if (vetch__list_empty(&c->attempts))
        reject_connect(c, all_failures(c));
}

/* ---- starting ---- */

static void
connect_resolved(void *ctx, vetch_promise *p)
{
    struct connecting *c = ctx;

    if (goes_on(c, p)) {
        c->addresses = vetch_addresses_ref(vetch_promise_value(p));
        try_addresses(c);
    }
    vetch_promise_unref(p);
}

static void
cancel_connect(vetch_deferred *d, void *ctx)
{
    struct connecting *c = ctx;

    (void)d;
    if (c->waiting != NULL)
        vetch__promise_cancel_node(c->reactor, c->waiting);
    else if (!c->filtering)
        reject_connect(c, vetch_error_ref(&vetch__error_canceled));
}

static void
start_tcp(struct connecting *c, const struct vetch__endpoint *e)
{
    c->addresses = vetch__addresses_known(e->host, e->port);
    if (c->addresses != NULL)
        try_addresses(c);
    else
        wait_for(c, vetch_resolve(e->host, e->port), connect_resolved);
}

static void
start_unix(struct connecting *c, const struct vetch__endpoint *e)
{
    union vetch__address address;
    socklen_t len = vetch__address_unix(&address, e->path);

    if (!start_attempt(c, &address, len))
        reject_connect(c, all_failures(c));
}

/* False: it has failed. */
static bool
prepare_tls(struct connecting *c, const struct vetch__endpoint *e,
            struct vetch_tls *tls)
{
    vetch_error *error = NULL;

    c->tls = tls != NULL ? vetch__tls_hooks->ref(tls)
                         : vetch__tls_hooks->context(e, false, &error);
    if (c->tls == NULL)
        reject_connect(c, connect_error(c->target, error));
    return c->tls != NULL;
}

/* NULL, or why one cannot connect to `endpoint`. */
static const char *
why_not(struct vetch__endpoint *e, const char *endpoint)
{
    const char *why = vetch__endpoint_parse(e, endpoint, VETCH__TO_CONNECT);

    if (why != NULL)
        return why;
    if (e->kind != VETCH__ENDPOINT_TCP && e->kind != VETCH__ENDPOINT_UNIX)
        return "it is for datagrams";
    if (e->tls && vetch__tls_hooks == NULL)
        return "built without TLS";
    return NULL;
}

static struct connecting *
new_connecting(vetch_reactor *r, const struct vetch__endpoint *e,
               const char *name)
{
    struct connecting *c = vetch__calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->reactor = r;
    if (e->host != NULL)
        snprintf(c->host, sizeof(c->host), "%s", e->host);
    vetch__list_init(&c->attempts);
    c->options = e->socket;
    vetch__endpoint_target(e, c->target);
    name = name != NULL ? name : e->tls_name;
    name = name != NULL ? name : e->host;
    if (name != NULL)
        snprintf(c->name, sizeof(c->name), "%s", name);
    c->deferred = vetch_deferred_new(cancel_connect, c);
    if (c->deferred == NULL) {
        vetch__free(c);
        return NULL;
    }
    return c;
}

vetch_promise *
vetch__connect(const char *endpoint, struct vetch_tls *tls, const char *name)
{
    vetch_reactor *r = vetch__reactor;
    struct vetch__endpoint e;
    struct connecting *c;
    vetch_promise *p;
    const char *why;

    if (r == NULL || r->ending)
        return vetch__failed(r == NULL ? EPERM : ECANCELED, "connect");
    if (!vetch__tls_fits(tls, false))
        return vetch__failed(EINVAL, "connect: TLS for a server");
    why = why_not(&e, endpoint);
    if (why != NULL)
        return vetch_rejected(connect_error(
            endpoint, vetch_error_new(VETCH_EENDPOINT, "%s", why)));
    if (vetch__net_get(r) == NULL)
        return &vetch__no_memory;
    c = new_connecting(r, &e, name);
    if (c == NULL)
        return vetch__failed(errno, "connect");
    p = vetch_deferred_promise(c->deferred);
    if ((e.tls || tls != NULL) && !prepare_tls(c, &e, tls))
        return p;
    if (e.kind == VETCH__ENDPOINT_UNIX)
        start_unix(c, &e);
    else
        start_tcp(c, &e);
    return p;
}

vetch_promise *
vetch_connect(const char *endpoint)
{
    VETCH_CHECK(endpoint != NULL, EINVAL, &vetch__misused);
    return vetch__connect(endpoint, NULL, NULL);
}
