/* Accepting goes on while three things hold: the listener was not stopped, it
 * has fewer connections than its limit, and the process has descriptors. When
 * those run out, the kernel goes on reporting the same connection, so the
 * listener looks away for a while: 100 ms, doubled each time up to a second, or
 * until a connection of this reactor closes. After a second without success the
 * descriptor kept in reserve is given up for a moment, to refuse those waiting
 * instead of leaving them in the dark. */
#include "net/listener-private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vetch/error.h>
#include <vetch/log.h>

#include "net/greeting-private.h"

#define BACKOFF_FIRST UINT64_C(100000000) /* ns */
#define BACKOFF_LAST  UINT64_C(1000000000)
#define LOG_INTERVAL  UINT64_C(1000000000)

enum { REFUSE_BATCH = 64 };

/* ---- watching, and looking away ---- */

void
vetch__accept_unwatch(vetch_listener *l)
{
    if (l->watching)
        event_del(&l->event);
    l->watching = false;
}

static void end_of_backoff(struct vetch__timer *timer);

static void
look_away_from_listener(vetch_listener *l)
{
    vetch__accept_unwatch(l);
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
void
vetch__accept_watch(vetch_listener *l)
{
    if (l->watching || l->stopping || l->paused ||
        !vetch__list_empty(&l->starved) || l->n_connections >= l->limit)
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
    vetch__accept_watch(l);
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
        vetch__accept_watch(l);
    }
}

/* ---- accepting ---- */

/* Consumes `error`. */
static void
report_to_listener(vetch_listener *l, vetch_log_level level, vetch_error *error)
{
    uint64_t now = vetch__clock_now(l->reactor);

    if (l->on_error != NULL) {
        l->on_error(l, error, l->on_error_ctx);
    } else if (l->logged == 0 || now - l->logged >= LOG_INTERVAL ||
               level == VETCH_LOG_DEBUG) {
        if (level != VETCH_LOG_DEBUG)
            l->logged = now;
        vetch_log(level, "%s", vetch_error_text(error));
    }
    vetch_error_unref(error);
}

static void
report_accept_error(vetch_listener *l, int errnum)
{
    report_to_listener(
        l, VETCH_LOG_WARNING,
        vetch_error_from_errno(errnum, "accept on %s", l->socket.endpoint));
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
    while (n < REFUSE_BATCH && (fd = accept(l->socket.fd, NULL, NULL)) >= 0) {
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
        vetch__accept_unwatch(l);
        report_accept_error(l, errnum);
        return false;
    default: /* that connection's own trouble: the next one may be well */
        return true;
    }
}

/* ---- what becomes of a connection ---- */

void
vetch__accept_uncount(vetch_listener *l, vetch_transport *t)
{
    if (l->counts != NULL)
        vetch__address_counts_drop(l->counts, vetch__transport_client(t));
}

void
vetch__accept_serve(vetch_listener *l, vetch_transport *t)
{
    uint64_t started = vetch__slow_start(l->reactor);
    vetch_reactor *r = l->reactor;
    vetch_protocol *p;

    /* What was greeted may be over by now. */
    p = vetch__transport_state(t) == VETCH__T_NEW ? l->make(l->ctx) : NULL;
    VETCH__SLOW_END(r, l->make, started);
    if (p == NULL) {
        vetch__transport_over(t, NULL, false);
        vetch__accept_uncount(l, t);
        vetch__listener_one_less(l);
        return;
    }
    t->listener = l;
    vetch__list_remove(&t->member.link);
    vetch__list_append(&l->connections, &t->member.link);
    vetch__transport_attach_now(t, p);
    if (l->stop.hurried)
        vetch__transport_cut(t);
    else if (l->n_connections >= l->limit)
        vetch__accept_unwatch(l);
}

void
vetch__accept_lost(vetch_listener *l, vetch_log_level level, vetch_error *error)
{
    if (l->stopping)
        l->stop.report->cut++;
    if (error != NULL && vetch_error_code(error) != VETCH_ECANCELED)
        report_to_listener(
            l, level,
            vetch_error_wrap(error, "accept on %s", l->socket.endpoint));
    vetch_error_unref(error);
    vetch__listener_one_less(l);
}

int
vetch__accept_count(vetch_listener *l, const struct sockaddr *client,
                    socklen_t len)
{
    char name[VETCH__ADDRESS_TEXT];

    if (l->counts == NULL || vetch__address_counts_add(l->counts, client) == 0)
        return 0;
    if (errno != EUSERS)
        return -1;
    vetch__address_format(name, client, len);
    report_to_listener(
        l, VETCH_LOG_WARNING,
        vetch_error_new(EUSERS, "accept on %s: %s has too many connections",
                        l->socket.endpoint, name));
    errno = EUSERS;
    return -1;
}

/* A socket gets its transport and its protocol. -1 and ENOMEM. */
static int
serve_socket(vetch_listener *l, int fd, const union vetch__address *peer,
             socklen_t len)
{
    vetch_transport *t =
        vetch__socket_transport_new(l->reactor, fd, &peer->any, len);

    if (t == NULL)
        return -1;
    vetch__accept_serve(l, t);
    vetch_transport_unref(t);
    return 0;
}

static int
greet_or_serve(vetch_listener *l, int fd, const union vetch__address *peer,
               socklen_t len)
{
    if (vetch__likely(l->greeter == NULL))
        return serve_socket(l, fd, peer, len);
    if (vetch__greeting_start(l, fd, &peer->any, len) < 0)
        return -1;
    if (l->n_connections >= l->limit)
        vetch__accept_unwatch(l);
    return 0;
}

static void
refuse_socket(vetch_listener *l, int fd)
{
    static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
    vetch__net_descriptor_closed(l->reactor->net);
}

/* An accepted socket. -1 and ENOMEM. */
static int
take_connection(vetch_listener *l, int fd, const union vetch__address *peer,
                socklen_t len)
{
    /* A proxy tells later who the client is. */
    bool counts =
        l->counts != NULL && (l->greeter == NULL || !l->greeter->proxy);

    if (vetch__unlikely(counts) &&
        vetch__accept_count(l, &peer->any, len) < 0) {
        if (errno == ENOMEM)
            return -1;
        refuse_socket(l, fd);
        return 0;
    }
    l->n_connections++; /* first: `make` may stop the listener */
    if (vetch__likely(greet_or_serve(l, fd, peer, len) == 0))
        return 0;
    l->n_connections--;
    if (counts)
        vetch__address_counts_drop(l->counts, &peer->any);
    return -1;
}

/* Whether to go on. */
static bool
accept_one(vetch_listener *l)
{
    union vetch__address address = { .any = { .sa_family = AF_UNSPEC } };
    socklen_t len = sizeof(address);
    int fd;

    fd =
        accept4(l->socket.fd, &address.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return accept_failed(l, errno);
    l->backoff = 0;
    keep_reserve(l->reactor->net);
    if (take_connection(l, fd, &address, len) < 0) {
        close(fd);
        starve_listener(l, ENOMEM);
        return false;
    }
    return true;
}

static void
on_acceptable(evutil_socket_t fd, short what, void *arg)
{
    vetch_listener *l = arg;
    vetch_reactor *r = l->reactor;
    unsigned n = 0;

    (void)fd;
    (void)what;
    vetch__reactor_enter(r);
    vetch_listener_ref(l);
    while (l->watching && n++ < l->budget && accept_one(l))
        continue;
    vetch_listener_unref(l);
    vetch__reactor_leave(r);
}

/* ---- beginning and ending ---- */

struct vetch__net *
vetch__accept_prepare(vetch_reactor *r)
{
    struct vetch__net *net = vetch__net_get(r);

    if (net == NULL)
        return NULL;
    net->wake_starved = wake_starved;
    keep_reserve(net);
    return net;
}

int
vetch__accept_start(vetch_listener *l)
{
    event_assign(&l->event, l->reactor->base, l->socket.fd,
                 EV_READ | EV_PERSIST, on_acceptable, l);
    if (event_add(&l->event, NULL) < 0)
        return -1;
    l->watching = true;
    return 0;
}

void
vetch__accept_stop(vetch_listener *l)
{
    vetch__accept_unwatch(l);
    vetch__timer_stop(l->reactor, &l->backoff_timer);
    vetch__list_remove(&l->starved);
}
