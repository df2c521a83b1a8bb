/* Transports on stream sockets: TCP and Unix.
 *
 * One event watches for input as long as the connection is open: a read costs
 * one system call, and a second one only if it filled the whole area. Output
 * is sent at once; only when the kernel takes no more is the second event made,
 * kept for the next time, and switched on. */
#include "net/transport-private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "base/check-private.h"
#include "net/proxy_header-private.h"

enum { MAX_PIECES = 64 };

/* One turn of one connection sends no more: others want to be served too. */
#define TURN_MAX ((size_t)1048576)

struct socket_transport {
    vetch_transport t;
    struct event event;     /* input */
    struct event *writable; /* made when first needed */
    int fd;
    bool waiting;        /* `writable` is on */
    bool watches_hangup; /* `event` does, after the peer's end */
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } peer; /* not of Unix sockets, whose kernel keeps it */
};

static struct socket_transport *
socket_of(vetch_transport *t)
{
    return (struct socket_transport *)t;
}

/* ---- input ---- */

static void
read_once(struct socket_transport *s)
{
    vetch_buffer *input = &s->t.reactor->net->input;
    ssize_t n = recv(s->fd, input->data, VETCH__INPUT_SIZE, 0);

    if (vetch__likely(n > 0)) {
        input->end = (size_t)n;
        vetch__transport_received(&s->t);
    } else if (n == 0) {
        vetch__transport_ended(&s->t);
    } else if (errno != EAGAIN && errno != EINTR) {
        vetch__transport_over(
            &s->t,
            vetch_error_from_errno(errno, "read from %s",
                                   vetch_transport_peer(&s->t)),
            false);
    }
}

static void
socket_read_off(vetch_transport *t)
{
    if ((t->flags & VETCH__T_READING) == 0)
        return;
    t->flags &= (uint16_t)~VETCH__T_READING;
    event_del(&socket_of(t)->event);
}

static void
socket_readable(evutil_socket_t fd, short what, void *arg)
{
    struct socket_transport *s = arg;
    vetch_reactor *r = s->t.reactor;

    (void)fd;
    (void)what;
    vetch__reactor_enter(r);
    vetch_transport_ref(&s->t);
    if (vetch__likely(vetch__transport_wants_input(&s->t))) {
        if (vetch__unlikely(s->t.object.flags & VETCH__T_RAW) &&
            vetch__transport_is_open(&s->t))
            vetch__transport_input_waits(&s->t);
        else
            read_once(s);
    } else {
        socket_read_off(&s->t);
        vetch__transport_input_off(&s->t);
    }
    vetch_transport_unref(&s->t);
    vetch__reactor_leave(r);
}

static void unwatch_hangup(struct socket_transport *s);

static void
socket_read_on(vetch_transport *t)
{
    if ((t->flags & VETCH__T_READING) != 0)
        return;
    unwatch_hangup(socket_of(t));
    t->flags |= VETCH__T_READING;
    if (event_add(&socket_of(t)->event, NULL) < 0) {
        t->flags &= (uint16_t)~VETCH__T_READING;
        vetch__transport_over(t, vetch_error_new(VETCH_ENOMEM, "watch"), true);
    }
}

/* ---- the time after the peer's end ---- */

static bool
has_hung_up(const struct socket_transport *s)
{
    struct pollfd p = { .fd = s->fd };

    return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)) != 0;
}

static void
on_hangup(evutil_socket_t fd, short what, void *arg)
{
    struct socket_transport *s = arg;
    vetch_reactor *r = s->t.reactor;

    (void)fd;
    (void)what;
    vetch__reactor_enter(r);
    if (has_hung_up(s))
        vetch__transport_hung_up(&s->t);
    vetch__reactor_leave(r);
}

/* The end makes the descriptor readable for good: only changes are of interest,
 * and libevent wants all events of a descriptor to be of one kind. */
static void
watch_hangup(struct socket_transport *s)
{
    if (s->watches_hangup || s->waiting || (s->t.flags & VETCH__T_READING) != 0)
        return;
    event_assign(&s->event, s->t.reactor->base, s->fd,
                 EV_READ | EV_ET | EV_PERSIST, on_hangup, s);
    s->watches_hangup = event_add(&s->event, NULL) == 0;
}

static void
unwatch_hangup(struct socket_transport *s)
{
    if (!s->watches_hangup)
        return;
    event_del(&s->event);
    s->watches_hangup = false;
    event_assign(&s->event, s->t.reactor->base, s->fd, EV_READ | EV_PERSIST,
                 socket_readable, s);
}

static bool
socket_listens(vetch_transport *t)
{
    if (has_hung_up(socket_of(t)))
        return false;
    watch_hangup(socket_of(t));
    return true;
}

/* ---- output ---- */

static void
socket_writable(evutil_socket_t fd, short what, void *arg)
{
    struct socket_transport *s = arg;
    vetch_reactor *r = s->t.reactor;

    (void)fd;
    (void)what;
    vetch__reactor_enter(r);
    vetch__transport_writable(&s->t);
    vetch__reactor_leave(r);
}

static void
wait_until_writable(struct socket_transport *s)
{
    s->t.flags |= VETCH__T_BLOCKED;
    if (s->waiting)
        return;
    unwatch_hangup(s); /* whatever happens makes it writable, too */
    if (s->writable == NULL) {
        s->writable = vetch__malloc(sizeof(*s->writable));
        if (s->writable == NULL)
            goto fail;
        event_assign(s->writable, s->t.reactor->base, s->fd,
                     EV_WRITE | EV_PERSIST, socket_writable, s);
    }
    if (event_add(s->writable, NULL) < 0)
        goto fail;
    s->waiting = true;
    return;
fail:
    vetch__transport_over(&s->t, vetch_error_new(VETCH_ENOMEM, "watch"), true);
}

/* After a failed call: whether to go on at once. */
static bool
send_failed(struct socket_transport *s, int errnum)
{
    if (errnum == EINTR)
        return true;
    if (errnum == EAGAIN)
        wait_until_writable(s);
    else
        vetch__transport_write_failed(&s->t, errnum);
    return false;
}

/* Send bytes from memory, up to the next part of a file; whether to go on. */
static bool
send_memory(struct socket_transport *s, size_t *budget)
{
    struct iovec iov[MAX_PIECES];
    struct msghdr msg = { .msg_iov = iov };
    size_t total, limit = s->t.reactor->faults.write_limit;
    bool more;
    ssize_t sent;
    int flags;

    msg.msg_iovlen =
        vetch__output_gather(&s->t.output, iov, MAX_PIECES, &total, &more);
    flags = more ? MSG_NOSIGNAL | MSG_MORE : MSG_NOSIGNAL;
    if (vetch__unlikely(limit > 0)) /* for a test */
        sent = send(s->fd, iov[0].iov_base,
                    limit < iov[0].iov_len ? limit : iov[0].iov_len, flags);
    else if (vetch__likely(msg.msg_iovlen == 1))
        sent = send(s->fd, iov[0].iov_base, total, flags);
    else
        sent = sendmsg(s->fd, &msg, flags);
    if (sent < 0)
        return send_failed(s, errno);
    vetch__output_consume(s->t.reactor, &s->t.output, (uint64_t)sent);
    if ((size_t)sent < total) { /* the kernel has enough: asking is futile */
        wait_until_writable(s);
        return false;
    }
    *budget -= total < *budget ? total : *budget;
    return true;
}

static bool
send_file(struct socket_transport *s, size_t *budget)
{
    struct vetch__chunk *c = s->t.output.first;
    off_t offset = (off_t)c->at.offset;
    size_t want = c->len < TURN_MAX ? (size_t)c->len : TURN_MAX;
    size_t limit = s->t.reactor->faults.write_limit;
    ssize_t sent;

    if (vetch__unlikely(limit > 0 && limit < want)) /* for a test */
        want = limit;
    sent = sendfile(s->fd, c->of.fd, &offset, want);

    if (sent < 0)
        return send_failed(s, errno);
    if (sent == 0) {
        vetch__transport_file_failed(&s->t, 0);
        return false;
    }
    vetch__output_consume(s->t.reactor, &s->t.output, (uint64_t)sent);
    *budget -= (size_t)sent < *budget ? (size_t)sent : *budget;
    return true;
}

static bool
send_pipe(struct socket_transport *s, size_t *budget)
{
    struct vetch__chunk *c = s->t.output.first;
    size_t want = (size_t)c->len, limit = s->t.reactor->faults.write_limit;
    unsigned flags = SPLICE_F_NONBLOCK | SPLICE_F_MOVE;
    ssize_t sent;

    if (vetch__unlikely(limit > 0 && limit < want)) /* for a test */
        want = limit;
    if (c->next != NULL)
        flags |= SPLICE_F_MORE;
    sent = splice(c->of.conduit->from, NULL, s->fd, NULL, want, flags);
    if (sent < 0)
        return send_failed(s, errno);
    vetch__output_consume(s->t.reactor, &s->t.output, (uint64_t)sent);
    *budget -= (size_t)sent < *budget ? (size_t)sent : *budget;
    return true;
}

static void
socket_send(vetch_transport *t)
{
    struct socket_transport *s = socket_of(t);
    size_t budget = TURN_MAX;
    bool go_on = true;

    while (go_on && t->output.first != NULL) {
        if (vetch__likely(t->output.first->object.state < VETCH__CHUNK_FILE))
            go_on = send_memory(s, &budget);
        else if (t->output.first->object.state == VETCH__CHUNK_FILE)
            go_on = send_file(s, &budget);
        else
            go_on = send_pipe(s, &budget);
        if (go_on && budget == 0 && t->output.first != NULL) {
            wait_until_writable(s);
            go_on = false;
        }
    }
    if (vetch__unlikely(s->waiting) && t->output.first == NULL) {
        s->waiting = false;
        event_del(s->writable);
        if ((t->in == VETCH__IN_ENDED || (t->flags & VETCH__T_HEEDED) != 0) &&
            vetch__transport_is_open(t))
            watch_hangup(s);
    }
}

static bool
socket_shut(vetch_transport *t)
{
    shutdown(socket_of(t)->fd, SHUT_WR); /* reading tells if it has failed */
    return true;
}

/* ---- the rest ---- */

static void
socket_stop(vetch_transport *t, bool reset)
{
    static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    struct socket_transport *s = socket_of(t);

    if (vetch__is_inherited(&t->reactor->owner)) {
        close(s->fd); /* the connection is the parent's */
        s->fd = -1;
        return;
    }
    socket_read_off(t);
    unwatch_hangup(s);
    if (s->waiting)
        event_del(s->writable);
    s->waiting = false;
    vetch__free(s->writable);
    s->writable = NULL;
    if (reset && s->fd >= 0)
        setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    vetch__net_descriptor_closed(t->reactor->net);
}

static bool
socket_unsent(vetch_transport *t)
{
    struct socket_transport *s = socket_of(t);
    int n = 0;

    /* A Unix socket's bytes are the peer's as soon as they are sent. The FIN
     * counts as one byte, and its confirmation does not matter. */
    return s->peer.any.sa_family != AF_UNSPEC &&
           ioctl(s->fd, SIOCOUTQ, &n) == 0 && n > 1;
}

static uint64_t
socket_underway(vetch_transport *t)
{
    int n = 0;

    return ioctl(socket_of(t)->fd, SIOCOUTQ, &n) == 0 && n > 0 ? (uint64_t)n
                                                               : 0;
}

static bool
socket_quiet(vetch_transport *t)
{
    char byte;

    return recv(socket_of(t)->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           errno == EAGAIN;
}

static ssize_t
socket_splice(vetch_transport *t, int to, size_t max)
{
    ssize_t n;

    do
        n = splice(socket_of(t)->fd, NULL, to, NULL, max,
                   SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    while (n < 0 && errno == EINTR);
    return n;
}

static char *
socket_name_of(vetch_transport *t, bool peer)
{
    struct socket_transport *s = socket_of(t);
    union vetch__address address = { .any = { .sa_family = AF_UNSPEC } };
    socklen_t len = sizeof(address);
    char text[VETCH__ENDPOINT_NAME];

    if (peer && s->peer.any.sa_family != AF_UNSPEC) {
        vetch__address_endpoint(text, t->kind->name, &s->peer.any,
                                sizeof(s->peer));
        return vetch__strdup(text);
    }
    if (s->fd < 0 || (peer ? getpeername(s->fd, &address.any, &len)
                           : getsockname(s->fd, &address.any, &len)) < 0)
        return NULL;
    vetch__address_endpoint(text, t->kind->name, &address.any, len);
    return vetch__strdup(text);
}

static void
socket_disown(vetch_transport *t)
{
    socket_of(t)->fd = -1;
}

/* What a proxy told stands behind the transport. */
static struct vetch__proxied *
proxied_of(struct socket_transport *s)
{
    return (struct vetch__proxied *)(s + 1);
}

static void
socket_free(vetch_transport *t)
{
    if ((t->flags & VETCH__T_PROXIED) != 0)
        vetch__free(proxied_of(socket_of(t))->proxy);
    vetch__free(t);
}

#define SOCKET_KIND(name_)                                                     \
    {                                                                          \
        .name = name_, .read_on = socket_read_on, .read_off = socket_read_off, \
        .send = socket_send, .shut = socket_shut, .stop = socket_stop,         \
        .unsent = socket_unsent, .underway = socket_underway,                  \
        .quiet = socket_quiet, .listens = socket_listens,                      \
        .name_of = socket_name_of, .disown = socket_disown,                    \
        .splice = socket_splice, .free = socket_free                           \
    }

static const struct vetch__transport_kind tcp_kind = SOCKET_KIND("tcp:");
static const struct vetch__transport_kind unix_kind = SOCKET_KIND("unix:");

/* ---- making one ---- */

static struct socket_transport *
new_socket_transport(vetch_reactor *r, int fd, const struct sockaddr *peer,
                     socklen_t peer_len, size_t more)
{
    struct socket_transport *s;
    bool inet = peer->sa_family == AF_INET || peer->sa_family == AF_INET6;

    if (vetch__net_get(r) == NULL)
        return NULL;
    s = vetch__calloc(1, sizeof(*s) + more);
    if (s == NULL)
        return NULL;
    event_assign(&s->event, r->base, fd, EV_READ | EV_PERSIST, socket_readable,
                 s);
    s->fd = fd;
    if (inet)
        memcpy(&s->peer, peer,
               peer_len < sizeof(s->peer) ? peer_len : sizeof(s->peer));
    vetch__transport_init(&s->t, r, inet ? &tcp_kind : &unix_kind);
    return s;
}

vetch_transport *
vetch__socket_transport_new(vetch_reactor *r, int fd,
                            const struct sockaddr *peer, socklen_t peer_len)
{
    struct socket_transport *s = new_socket_transport(r, fd, peer, peer_len, 0);

    return s != NULL ? &s->t : NULL;
}

static char *
proxied_name(const union vetch__address *address, socklen_t len)
{
    char text[VETCH__ENDPOINT_NAME];
    bool is_unix = address->any.sa_family == AF_UNIX;

    vetch__address_endpoint(text, is_unix ? "unix:" : "tcp:", &address->any,
                            len);
    return vetch__strdup(text);
}

/* Takes the names. */
static void
take_over_header(struct socket_transport *s,
                 const struct vetch__proxy_header *h, char *const names[2])
{
    struct vetch__proxied *p = proxied_of(s);

    s->t.flags |= VETCH__T_PROXIED;
    s->t.peer_name = names[0];
    s->t.local_name = names[1];
    p->client = h->source;
    p->n_tlvs = h->tlvs > 0 ? h->len - h->tlvs : 0;
    memcpy(p->tlvs, h->bytes + h->tlvs, p->n_tlvs);
}

vetch_transport *
vetch__socket_transport_new_for(vetch_reactor *r, int fd,
                                const struct sockaddr *peer, socklen_t peer_len,
                                const struct vetch__proxy_header *h)
{
    struct socket_transport *s = NULL;
    char *names[2];

    if (h == NULL || !h->proxied)
        return vetch__socket_transport_new(r, fd, peer, peer_len);
    names[0] = proxied_name(&h->source, h->source_len);
    names[1] = proxied_name(&h->destination, h->destination_len);
    if (names[0] != NULL && names[1] != NULL)
        s = new_socket_transport(r, fd, peer, peer_len,
                                 sizeof(struct vetch__proxied) + h->len);
    if (s == NULL) {
        vetch__free(names[0]);
        vetch__free(names[1]);
        return NULL;
    }
    take_over_header(s, h, names);
    return &s->t;
}

struct vetch__proxied *
vetch__transport_proxied(vetch_transport *t)
{
    t = vetch__transport_lowest(t);
    return (t->flags & VETCH__T_PROXIED) != 0 ? proxied_of(socket_of(t)) : NULL;
}

const struct sockaddr *
vetch__transport_client(vetch_transport *t)
{
    static const struct sockaddr none = { .sa_family = AF_UNSPEC };
    const struct vetch__proxied *p = vetch__transport_proxied(t);

    if (p != NULL)
        return &p->client.any;
    t = vetch__transport_lowest(t);
    return t->kind == &tcp_kind ? &socket_of(t)->peer.any : &none;
}

/* The socket that it comes down to, of this kind; -1 and errno. */
static int
lowest_socket(vetch_transport *t, const struct vetch__transport_kind *kind)
{
    t = vetch__transport_lowest(t);
    if (t->kind != kind) {
        errno = EOPNOTSUPP;
        return -1;
    }
    if (socket_of(t)->fd < 0)
        errno = ENOTCONN;
    return socket_of(t)->fd;
}

int
vetch__transport_tcp_socket(vetch_transport *t)
{
    return lowest_socket(t, &tcp_kind);
}

int
vetch_transport_peer_credentials(vetch_transport *t, int *ret_pid,
                                 unsigned *ret_uid, unsigned *ret_gid)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);
    int fd;

    VETCH_CHECK(t != NULL, EINVAL, -1);
    fd = vetch__transport_check_thread(t) ? lowest_socket(t, &unix_kind) : -1;
    if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        return -1;
    if (ret_pid != NULL)
        *ret_pid = cred.pid;
    if (ret_uid != NULL)
        *ret_uid = cred.uid;
    if (ret_gid != NULL)
        *ret_gid = cred.gid;
    return 0;
}
