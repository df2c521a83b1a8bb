/* Listeners.
 *
 * Accepting goes on while three things hold: the listener was not stopped, it
 * has fewer connections than its limit, and the process has descriptors. When
 * those run out, the kernel goes on reporting the same connection, so the
 * listener looks away for a while: 100 ms, doubled each time up to a second, or
 * until a connection of this reactor closes. After a second without success the
 * descriptor kept in reserve is given up for a moment, to refuse those waiting
 * instead of leaving them in the dark.
 *
 * The reactor holds a reference until the listener was stopped and its last
 * connection is lost. */
#include <vetch/listener.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <vetch/error.h>
#include <vetch/log.h>

#include "base/check-private.h"
#include "base/error-private.h"
#include "base/options-private.h"
#include "net/endpoint-private.h"
#include "net/listen-private.h"
#include "net/own_scope-private.h"
#include "net/stop-private.h"
#include "net/transport-private.h"
#include "promise/watch-private.h"

#define BACKOFF_FIRST UINT64_C(100000000) /* ns */
#define BACKOFF_LAST  UINT64_C(1000000000)
#define LOG_INTERVAL  UINT64_C(1000000000)

enum { ACCEPT_BATCH = 64 };

struct vetch_listener {
    struct vetch__object object;
    vetch_reactor *reactor; /* NULL once it has ended */
    struct vetch__member member;
    struct vetch__listen_socket socket;
    struct event event;
    bool watching;
    bool stopping;

    vetch_protocol_fn make;
    void *ctx;
    vetch_free_fn free_ctx;
    vetch_listener_error_fn on_error;
    void *on_error_ctx;
    uint64_t logged; /* when, for one line a second */

    struct vetch__list connections; /* by transport's member */
    size_t n_connections, limit;
    struct vetch__list starved; /* among those without descriptors */
    struct vetch__timer backoff_timer;
    uint64_t backoff; /* ns; 0: none */

    struct vetch__stop stop;
    struct vetch__own_scope *scope;
};

/* ---- watching, and looking away ---- */

static void
unwatch_listener(vetch_listener *l)
{
    if (l->watching)
        event_del(&l->event);
    l->watching = false;
}

static void end_of_backoff(struct vetch__timer *timer);

static void
look_away_from_listener(vetch_listener *l)
{
    unwatch_listener(l);
    l->backoff = l->backoff == 0 ? BACKOFF_FIRST : 2 * l->backoff;
    if (l->backoff > BACKOFF_LAST)
        l->backoff = BACKOFF_LAST;
    vetch__list_remove(&l->starved);
    vetch__list_append(&l->reactor->net->starved, &l->starved);
    /* Should that fail, it goes on when a connection closes. */
    vetch__timer_start(l->reactor, &l->backoff_timer, l->backoff,
                       end_of_backoff);
}

/* Accept, if nothing speaks against it. */
static void
watch_listener(vetch_listener *l)
{
    if (l->watching || l->stopping || !vetch__list_empty(&l->starved) ||
        l->n_connections >= l->limit)
        return;
    if (event_add(&l->event, NULL) < 0)
        look_away_from_listener(l);
    else
        l->watching = true;
}

static void
end_of_backoff(struct vetch__timer *timer)
{
    vetch_listener *l = vetch__container(timer, vetch_listener, backoff_timer);

    vetch__list_remove(&l->starved);
    watch_listener(l);
}

/* Each of them once: one that cannot go on joins the list again. */
static void
wake_starved(struct vetch__net *net)
{
    struct vetch__list woken;

    vetch__list_init(&woken);
    vetch__list_append(&net->starved, &woken);
    vetch__list_remove(&net->starved); /* its elements stay with the other */
    while (!vetch__list_empty(&woken)) {
        vetch_listener *l =
            vetch__container(woken.next, vetch_listener, starved);

        vetch__list_remove(&l->starved);
        vetch__timer_stop(l->reactor, &l->backoff_timer);
        watch_listener(l);
    }
}

/* ---- accepting ---- */

static void
report_accept_error(vetch_listener *l, int errnum)
{
    vetch_error *e =
        vetch_error_from_errno(errnum, "accept on %s", l->socket.endpoint);
    uint64_t now = vetch__clock_now(l->reactor);

    if (l->on_error != NULL) {
        l->on_error(l, e, l->on_error_ctx);
    } else if (l->logged == 0 || now - l->logged >= LOG_INTERVAL) {
        l->logged = now;
        vetch_log(VETCH_LOG_WARNING, "%s", vetch_error_text(e));
    }
    vetch_error_unref(e);
}

/* It may be missing: another thread was quicker to take the descriptor. */
static void
keep_reserve(struct vetch__net *net)
{
    if (vetch__unlikely(net->reserve_fd < 0))
        net->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Make room for one descriptor, and use it to send those waiting away. */
static void
refuse_those_who_wait(vetch_listener *l)
{
    struct vetch__net *net = l->reactor->net;
    int n = 0, fd;

    if (net->reserve_fd < 0)
        return;
    close(net->reserve_fd);
    while (n < ACCEPT_BATCH && (fd = accept(l->socket.fd, NULL, NULL)) >= 0) {
        close(fd);
        n++;
    }
    net->reserve_fd = -1;
    keep_reserve(net);
}

/* Something is missing that may come back. */
static void
starve_listener(vetch_listener *l, int errnum)
{
    if (l->backoff == BACKOFF_LAST && (errnum == EMFILE || errnum == ENFILE))
        refuse_those_who_wait(l);
    look_away_from_listener(l);
    report_accept_error(l, errnum);
}

/* accept(2) wants a descriptor before it looks for a connection. */
static bool
somebody_waits(const vetch_listener *l)
{
    struct pollfd p = { .fd = l->socket.fd, .events = POLLIN };

    return poll(&p, 1, 0) > 0;
}

/* After a failed accept: whether to go on at once. */
static bool
accept_failed(vetch_listener *l, int errnum)
{
    switch (errnum) {
    case EAGAIN:
        return false;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        if (somebody_waits(l))
            starve_listener(l, errnum);
        return false;
    case EBADF:
    case EINVAL:
    case ENOTSOCK:
    case EOPNOTSUPP: /* the socket was taken from under us */
        unwatch_listener(l);
        report_accept_error(l, errnum);
        return false;
    default: /* that connection's own trouble: the next one may be well */
        return true;
    }
}

static void one_less(vetch_listener *l);

static void
serve_connection(vetch_listener *l, vetch_transport *t)
{
    uint64_t started = vetch__slow_start(l->reactor);
    vetch_reactor *r = l->reactor;
    vetch_protocol *p;

    l->n_connections++; /* first: `make` may stop the listener */
    p = l->make(l->ctx);
    VETCH__SLOW_END(r, l->make, started);
    if (p == NULL) {
        vetch__transport_over(t, NULL, false);
        one_less(l);
        return;
    }
    t->listener = l;
    vetch__list_remove(&t->member.link);
    vetch__list_append(&l->connections, &t->member.link);
    vetch__transport_attach_now(t, p);
    if (l->stop.hurried)
        vetch__transport_cut(t);
    else if (l->n_connections >= l->limit)
        unwatch_listener(l);
}

/* Whether to go on. */
static bool
accept_one(vetch_listener *l)
{
    union vetch__address address = { .any = { .sa_family = AF_UNSPEC } };
    socklen_t len = sizeof(address);
    vetch_transport *t;
    int fd;

    fd =
        accept4(l->socket.fd, &address.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return accept_failed(l, errno);
    l->backoff = 0;
    keep_reserve(l->reactor->net);
    t = vetch__socket_transport_new(l->reactor, fd, &address.any, len);
    if (t == NULL) {
        close(fd);
        starve_listener(l, ENOMEM);
        return false;
    }
    serve_connection(l, t);
    vetch_transport_unref(t);
    return true;
}

static void
on_acceptable(evutil_socket_t fd, short what, void *arg)
{
    vetch_listener *l = arg;
    vetch_reactor *r = l->reactor;
    int n = 0;

    (void)fd;
    (void)what;
    vetch__reactor_enter(r);
    vetch_listener_ref(l);
    while (l->watching && n++ < ACCEPT_BATCH && accept_one(l))
        continue;
    vetch_listener_unref(l);
    vetch__reactor_leave(r);
}

/* ---- the end ---- */

static void
listener_over(vetch_listener *l)
{
    vetch_free_fn free_ctx = l->free_ctx;

    l->scope = vetch__own_scope_free(l->scope);
    vetch__stop_settle(&l->stop, NULL);
    vetch__member_remove(l->reactor, &l->member);
    l->reactor = NULL;
    l->free_ctx = NULL;
    if (free_ctx != NULL)
        free_ctx(l->ctx);
    vetch_listener_unref(l);
}

static void
listener_scope_ended(void *listener)
{
    listener_over(listener);
}

/* After the last connection, what runs for the listener itself has to stop. */
static void
end_if_idle(vetch_listener *l)
{
    if (!l->stopping || l->n_connections > 0 || l->reactor == NULL)
        return;
    vetch__stop_hurried(&l->stop);
    if (vetch__own_scope_end(l->scope, l->reactor, listener_scope_ended))
        listener_over(l);
}

static void
one_less(vetch_listener *l)
{
    l->n_connections--;
    watch_listener(l);
    end_if_idle(l);
}

/* ---- the scope ---- */

static void
listener_child_failed(const vetch_error *error, void *ctx)
{
    vetch_listener *l = ctx;

    if (l->on_error != NULL)
        l->on_error(l, error, l->on_error_ctx);
    else
        vetch_log(VETCH_LOG_WARNING, "%s: %s", l->socket.endpoint,
                  vetch_error_text(error));
}

vetch_scope *
vetch_listener_scope(vetch_listener *l)
{
    VETCH_CHECK(l != NULL, EINVAL, NULL);
    if (l->reactor == NULL) {
        errno = ECANCELED;
        return NULL;
    }
    return vetch__own_scope_get(&l->scope, listener_child_failed, l);
}

/* ---- its connections ---- */

/* The connection behind `place`, which is moved behind it; NULL: that was the
 * last. `place` is a member of the list without a function, so that whatever
 * happens to connections meanwhile, the walk does not lose its way. */
static vetch_transport *
next_connection(vetch_listener *l, struct vetch__member *place)
{
    struct vetch__list *at;

    while ((at = place->link.next) != &l->connections) {
        struct vetch__member *m =
            vetch__container(at, struct vetch__member, link);

        vetch__list_remove(&place->link);
        vetch__list_append(at->next, &place->link);
        if (m->end != NULL)
            return vetch__container(m, vetch_transport, member);
    }
    vetch__list_remove(&place->link);
    return NULL;
}

static void
first_place(vetch_listener *l, struct vetch__member *place)
{
    *place = (struct vetch__member){ .name = "place" };
    vetch__list_append(l->connections.next, &place->link);
}

void
vetch_listener_each(vetch_listener *l, vetch_connection_fn fn, void *ctx)
{
    struct vetch__member place;
    vetch_transport *t;

    VETCH_CHECK(l != NULL && fn != NULL, EINVAL, );
    if (l->reactor == NULL ||
        !vetch__check_thread(&l->reactor->owner, "a listener"))
        return;
    vetch_listener_ref(l);
    first_place(l, &place);
    while ((t = next_connection(l, &place)) != NULL) {
        if (vetch__transport_is_open(t))
            fn(t, t->protocol, ctx);
    }
    vetch_listener_unref(l);
}

bool
vetch__listener_is_stopping(const vetch_listener *l)
{
    return l->stopping;
}

void
vetch__listener_canceled(vetch_listener *l, size_t n)
{
    if (l->stopping)
        l->stop.report->canceled += n;
}

void
vetch__listener_lost_one(vetch_listener *l, vetch_transport *t)
{
    t->listener = NULL;
    if (l->stopping && (t->flags & VETCH__T_CUT) != 0)
        l->stop.report->cut++;
    else if (l->stopping)
        l->stop.report->ended++;
    one_less(l);
}

/* ---- how it ends ---- */

static void
stop_accepting(vetch_listener *l)
{
    if (l->stopping)
        return;
    l->stopping = true;
    unwatch_listener(l);
    vetch__timer_stop(l->reactor, &l->backoff_timer);
    vetch__list_remove(&l->starved);
    vetch__listen_close(&l->socket);
}

static void
listener_end_with_reactor(struct vetch__member *self)
{
    vetch_listener *l = vetch__container(self, vetch_listener, member);
    struct vetch__member place;
    vetch_transport *t;

    vetch_listener_ref(l);
    stop_accepting(l);
    vetch__stop_settle(&l->stop, &vetch__error_closed);
    first_place(l, &place);
    while ((t = next_connection(l, &place)) != NULL)
        t->member.end(&t->member);
    end_if_idle(l);
    vetch_listener_unref(l);
}

static void
cut_connections(struct vetch__stop *stop, bool at_once)
{
    vetch_listener *l = vetch__container(stop, vetch_listener, stop);
    struct vetch__member place;
    vetch_transport *t;

    (void)at_once;
    first_place(l, &place);
    while ((t = next_connection(l, &place)) != NULL)
        vetch__transport_cut(t);
}

static void
name_operations(const vetch_listener *l, const char *whose,
                const struct vetch__own_scope *s)
{
    vetch_log(VETCH_LOG_WARNING,
              "stop of %s: operations of %s have not ended: %zu, such as %s",
              l->socket.endpoint, whose, vetch__own_scope_count(s),
              vetch__own_scope_example(s));
}

/* What runs for connections that are over, and for the listener after its last
 * one, was asked to end. */
static void
name_left(struct vetch__stop *stop)
{
    vetch_listener *l = vetch__container(stop, vetch_listener, stop);
    struct vetch__member place;
    vetch_transport *t;

    first_place(l, &place);
    while ((t = next_connection(l, &place)) != NULL) {
        if (vetch__transport_state(t) == VETCH__T_OVER &&
            vetch__own_scope_count(t->scope) > 0)
            name_operations(l, vetch_transport_peer(t), t->scope);
    }
    if (l->scope != NULL && l->scope->ending)
        name_operations(l, "the listener", l->scope);
}

static const struct vetch__stop_class stop_class = {
    .hurry = cut_connections,
    .name_left = name_left,
};

vetch_promise *
vetch_listener_stop(vetch_listener *l, double seconds)
{
    vetch_promise *p;

    VETCH_CHECK(l != NULL, EINVAL, &vetch__misused);
    if (!vetch__stop_is_time(seconds))
        return vetch__failed(EINVAL, "stop");
    if (l->reactor == NULL)
        return vetch__stop_again(&l->stop);
    if (!vetch__check_thread(&l->reactor->owner, "a listener"))
        return vetch__failed(EPERM, "stop");
    vetch_listener_ref(l);
    stop_accepting(l);
    p = vetch__stop_ask(&l->stop, seconds);
    end_if_idle(l);
    vetch_listener_unref(l);
    return p;
}

/* ---- making one ---- */

vetch_listener *
vetch_listener_new(const char *endpoint, vetch_protocol_fn make, void *ctx,
                   const vetch_listener_options *options)
{
    return vetch_listener_new_owned(endpoint, make, ctx, NULL, options);
}

/* What all listeners of a reactor share. */
static struct vetch__net *
prepare(vetch_reactor *r)
{
    struct vetch__net *net = vetch__net_get(r);

    if (net == NULL)
        return NULL;
    net->wake_starved = wake_starved;
    keep_reserve(net);
    return net;
}

vetch_listener *
vetch_listener_new_owned(const char *endpoint, vetch_protocol_fn make,
                         void *ctx, vetch_free_fn free_ctx,
                         const vetch_listener_options *options)
{
    vetch_listener_options o = VETCH_LISTENER_OPTIONS_INIT;
    vetch_reactor *r = vetch__reactor;
    vetch_listener *l;

    VETCH_CHECK(endpoint != NULL && make != NULL, EINVAL, NULL);
    VETCH_CHECK(vetch__options_read(&o, sizeof(o), options) &&
                    o.unix_mode <= 0777,
                EINVAL, NULL);
    if (r == NULL || r->ending) {
        errno = r == NULL ? EPERM : ECANCELED;
        return NULL;
    }
    if (prepare(r) == NULL)
        return NULL;
    l = vetch__calloc(1, sizeof(*l));
    if (l == NULL)
        return NULL;
    if (vetch__listen_open(&l->socket, endpoint, o.unix_mode) < 0 ||
        vetch__stop_init(&l->stop, r, &stop_class, l->socket.endpoint) < 0)
        goto fail;
    event_assign(&l->event, r->base, l->socket.fd, EV_READ | EV_PERSIST,
                 on_acceptable, l);
    if (event_add(&l->event, NULL) < 0)
        goto fail;
    l->socket.lent = false;
    l->watching = true;
    l->object = (struct vetch__object){ .type = VETCH__LISTENER, .refs = 2 };
    l->reactor = r;
    l->make = make;
    l->ctx = ctx;
    l->free_ctx = free_ctx;
    l->limit = o.max_connections;
    vetch__list_init(&l->starved);
    vetch__list_init(&l->connections);
    if (l->limit == 0)
        unwatch_listener(l);
    vetch__member_add(r, &l->member, "listener", listener_end_with_reactor);
    return l;
fail:
    vetch__listen_done(&l->socket);
    vetch__stop_done(&l->stop);
    vetch__free(l);
    return NULL;
}

/* ---- looking at one, references ---- */

const char *
vetch_listener_endpoint(const vetch_listener *l)
{
    VETCH_CHECK(l != NULL, EINVAL, "");
    return l->socket.endpoint;
}

unsigned
vetch_listener_port(const vetch_listener *l)
{
    VETCH_CHECK(l != NULL, EINVAL, 0);
    return l->socket.port;
}

void
vetch_listener_set_limit(vetch_listener *l, size_t limit)
{
    VETCH_CHECK(l != NULL, EINVAL, );
    if (l->reactor != NULL &&
        !vetch__check_thread(&l->reactor->owner, "a listener"))
        return;
    l->limit = limit;
    if (l->reactor == NULL)
        return;
    if (l->n_connections >= limit)
        unwatch_listener(l);
    else
        watch_listener(l);
}

size_t
vetch_listener_connections(const vetch_listener *l)
{
    VETCH_CHECK(l != NULL, EINVAL, 0);
    return l->n_connections;
}

void
vetch_listener_set_error_fn(vetch_listener *l, vetch_listener_error_fn fn,
                            void *ctx)
{
    VETCH_CHECK(l != NULL, EINVAL, );
    l->on_error = fn;
    l->on_error_ctx = ctx;
}

vetch_listener *
vetch_listener_ref(vetch_listener *l)
{
    if (l != NULL)
        l->object.refs++;
    return l;
}

vetch_listener *
vetch_listener_unref(vetch_listener *l)
{
    if (l != NULL && --l->object.refs == 0 &&
        !vetch__reactor_is_inherited(l->reactor)) {
        vetch__listen_done(&l->socket);
        vetch__stop_done(&l->stop);
        vetch__free(l);
    }
    return NULL;
}
