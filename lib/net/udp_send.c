/* Sending datagrams, many with one system call.
 *
 * A run of datagrams of equal length to one peer is one message, which the
 * kernel or the network card cuts up (UDP_SEGMENT). Where that does not work,
 * because the card cannot or the segments are longer than the route lets
 * through, it is found out by trying, and remembered for the route.
 *
 * sendmmsg(2) tells how many messages went, and the errno of the first that did
 * not only when it is asked to send that one alone: so it is asked. */
#include "net/udp-private.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

#include <vetch/error.h>

#include "base/check-private.h"
#include "promise/watch-private.h"

/* As the kernel has it: UDP_MAX_SEGMENTS of old, and the longest packet with
 * the headers of IPv6. */
enum { SEGMENTS_MAX = 64 };
#define RUN_BYTES_MAX ((size_t)65487)

/* The messages of a call; their size is that of the caller's library. */
struct messages {
    const char *first;
    size_t size;
    size_t n;
};

static const vetch_udp_message *
message_at(const struct messages *messages, size_t i)
{
    return (const vetch_udp_message *)(const void *)(messages->first +
                                                     i * messages->size);
}

/* ---- routes ---- */

static struct in6_addr
host_of(const vetch_udp_message *m)
{
    struct in6_addr host = IN6ADDR_ANY_INIT;

    if (m->to == NULL)
        return host;
    if (m->to->sa_family == AF_INET6 &&
        m->to_len >= sizeof(struct sockaddr_in6)) {
        memcpy(&host,
               (const char *)m->to + offsetof(struct sockaddr_in6, sin6_addr),
               sizeof(host));
    } else if (m->to_len >= sizeof(struct sockaddr_in)) {
        host.s6_addr[10] = host.s6_addr[11] = 0xff;
        memcpy(&host.s6_addr[12],
               (const char *)m->to + offsetof(struct sockaddr_in, sin_addr), 4);
    }
    return host;
}

static struct vetch__udp_route *
find_udp_route(vetch_udp *u, const vetch_udp_message *m)
{
    unsigned n =
        u->n_routes < VETCH__UDP_ROUTES ? u->n_routes : VETCH__UDP_ROUTES;
    struct in6_addr host;

    if (n == 0)
        return NULL;
    host = host_of(m);
    for (unsigned i = 0; i < n; i++) {
        if (memcmp(&u->routes[i].host, &host, sizeof(host)) == 0)
            return &u->routes[i];
    }
    return NULL;
}

/* Segments that are as long as those of `m` do not go that way, or (no_card)
 * none do. */
static void
remember_route(vetch_udp *u, const vetch_udp_message *m, bool no_card)
{
    struct vetch__udp_route *route = find_udp_route(u, m);

    if (route == NULL) {
        route = &u->routes[u->n_routes++ % VETCH__UDP_ROUTES];
        route->host = host_of(m);
    }
    route->limit = no_card ? 0 : m->len;
}

static bool
may_be_cut_up(vetch_udp *u, const vetch_udp_message *m)
{
    const struct vetch__udp_route *route;

    if (u->family == AF_UNIX || m->len == 0)
        return false;
    route = find_udp_route(u, m);
    return route == NULL || m->len < route->limit;
}

/* ---- runs ---- */

static bool
go_to_the_same(const vetch_udp_message *a, const vetch_udp_message *b)
{
    if (a->to == b->to)
        return a->to_len == b->to_len;
    return a->to != NULL && b->to != NULL && a->to_len == b->to_len &&
           memcmp(a->to, b->to, a->to_len) == 0;
}

/* How many from the i-th on may be one message. */
static size_t
run_at(vetch_udp *u, const struct messages *messages, size_t i, size_t room)
{
    const vetch_udp_message *first = message_at(messages, i);
    size_t n = 1, bytes = first->len;

    if (room > SEGMENTS_MAX)
        room = SEGMENTS_MAX;
    if (i + 1 == messages->n || !may_be_cut_up(u, first))
        return 1;
    while (n < room && i + n < messages->n) {
        const vetch_udp_message *next = message_at(messages, i + n);

        bytes += next->len;
        if (next->len == 0 || next->len > first->len || bytes > RUN_BYTES_MAX ||
            !go_to_the_same(first, next))
            break;
        n++;
        if (next->len < first->len) /* only the last may be shorter */
            break;
    }
    return n;
}

/* ---- messages for the kernel ---- */

static void
add_control(struct msghdr *m, union vetch__udp_control *room, int level,
            int type, const void *data, size_t len)
{
    struct cmsghdr *c = &room->align;

    memset(room, 0, CMSG_SPACE(len)); /* there is padding */
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(c), data, len);
    m->msg_control = room;
    m->msg_controllen = CMSG_SPACE(len);
}

static void
build_one(struct vetch__udp_area *area, size_t h, struct iovec *vec,
          const struct messages *messages, size_t i)
{
    const vetch_udp_message *first = message_at(messages, i);
    struct msghdr *m = &area->out[h].msg_hdr;
    uint16_t segment = (uint16_t)first->len;
    size_t n = area->out_count[h];

    for (size_t k = 0; k < n; k++) {
        const vetch_udp_message *message = message_at(messages, i + k);

        vec[k].iov_base = (void *)(uintptr_t)message->data;
        vec[k].iov_len = message->len;
    }
    m->msg_name = (void *)(uintptr_t)first->to;
    m->msg_namelen = first->to != NULL ? first->to_len : 0;
    m->msg_iov = vec;
    m->msg_iovlen = n;
    m->msg_control = NULL;
    m->msg_controllen = 0;
    m->msg_flags = 0;
    if (n > 1)
        add_control(m, &area->out_control[h], SOL_UDP, UDP_SEGMENT, &segment,
                    sizeof(segment));
    else if (first->n_descriptors > 0)
        add_control(m, &area->out_control[h], SOL_SOCKET, SCM_RIGHTS,
                    first->descriptors, first->n_descriptors * sizeof(int));
}

static bool
has_too_many(const vetch_udp_message *m)
{
    return m->n_descriptors > VETCH__UDP_DESCRIPTORS_MAX;
}

/* How many messages were built of those from the i-th on. */
static unsigned
build_messages(vetch_udp *u, struct vetch__udp_area *area,
               const struct messages *messages, size_t i)
{
    size_t h = 0, v = 0;

    while (h < VETCH__UDP_HEADERS && v < VETCH__UDP_VECS && i < messages->n &&
           !has_too_many(message_at(messages, i))) {
        area->out_count[h] = run_at(u, messages, i, VETCH__UDP_VECS - v);
        build_one(area, h, &area->out_vec[v], messages, i);
        v += area->out_count[h];
        i += area->out_count[h];
        h++;
    }
    return (unsigned)h;
}

/* ---- sending ---- */

/* After a failure: whether the same is worth another try. */
static bool
may_try_again(vetch_udp *u, const struct vetch__udp_area *area,
              const vetch_udp_message *first, bool *tried)
{
    if (errno == EINTR)
        return true;
    if (area->out_count[0] > 1 &&
        (errno == EIO || errno == EINVAL || errno == EMSGSIZE)) {
        remember_route(u, first, errno == EIO);
        return true;
    }
    /* What the kernel says may be about what some other peer was sent, which
     * it says once: the error function hears of that. */
    if (u->on_error == NULL || errno == EAGAIN || *tried)
        return false;
    *tried = true;
    return true;
}

static size_t
send_all(vetch_udp *u, struct vetch__udp_area *area,
         const struct messages *messages)
{
    size_t sent = 0;
    bool tried = false;

    while (sent < messages->n) {
        unsigned n = build_messages(u, area, messages, sent);
        int gone;

        if (n == 0) {
            errno = EINVAL;
            break;
        }
        gone =
            sendmmsg(u->socket.fd, area->out, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        for (int h = 0; h < gone; h++)
            sent += area->out_count[h];
        if (gone <= 0 &&
            !may_try_again(u, area, message_at(messages, sent), &tried))
            break;
    }
    return sent;
}

size_t
vetch_udp_send(vetch_udp *u, const vetch_udp_message *messages, size_t n)
{
    struct messages all = { .first = (const char *)messages, .n = n };

    VETCH_CHECK(u != NULL, EINVAL, 0);
    VETCH_CHECK(n == 0 || (messages != NULL &&
                           messages->size >= sizeof(vetch_udp_message)),
                EINVAL, 0);
    if (!vetch__udp_check_thread(u))
        return 0;
    if (u->reactor == NULL) {
        errno = EPIPE;
        return 0;
    }
    all.size = n > 0 ? messages->size : 0;
    return send_all(u, u->reactor->net->udp_area, &all);
}

/* ---- waiting for room ---- */

struct drain {
    struct vetch__list link;
    vetch_udp *udp;
    vetch_deferred *deferred;
};

static vetch_deferred *
forget_drain(struct drain *drain)
{
    vetch_deferred *d = drain->deferred;

    vetch__list_remove(&drain->link);
    vetch__free(drain);
    return d;
}

static void
cancel_udp_drain(vetch_deferred *d, void *ctx)
{
    struct drain *drain = ctx;
    vetch_udp *u = drain->udp;

    forget_drain(drain);
    if (vetch__list_empty(&u->drains))
        event_del(&u->writable);
    vetch_deferred_cancel(d);
    vetch_deferred_unref(d);
}

static struct drain *
first_drain(const vetch_udp *u)
{
    return vetch__list_empty(&u->drains)
               ? NULL
               : vetch__container(u->drains.next, struct drain, link);
}

static void
udp_on_writable(evutil_socket_t fd, short what, void *arg)
{
    vetch_udp *u = arg;
    vetch_reactor *r = u->reactor;
    struct drain *drain;

    (void)fd;
    (void)what;
    vetch__reactor_enter(r);
    while ((drain = first_drain(u)) != NULL) {
        vetch_deferred *d = forget_drain(drain);

        vetch_deferred_resolve(d, NULL, NULL);
        vetch_deferred_unref(d);
    }
    vetch__reactor_leave(r);
}

void
vetch__udp_send_init(vetch_udp *u)
{
    event_assign(&u->writable, u->reactor->base, u->socket.fd, EV_WRITE,
                 udp_on_writable, u);
}

void
vetch__udp_send_end(vetch_udp *u)
{
    struct drain *drain;

    event_del(&u->writable);
    while ((drain = first_drain(u)) != NULL) {
        vetch_deferred *d = forget_drain(drain);

        vetch_deferred_reject(d, vetch__udp_closed_error(u));
        vetch_deferred_unref(d);
    }
}

/* NULL and ENOMEM. */
static struct drain *
drain_new(vetch_udp *u)
{
    struct drain *drain = vetch__calloc(1, sizeof(*drain));

    if (drain == NULL)
        return NULL;
    drain->udp = u;
    drain->deferred = vetch_deferred_new(cancel_udp_drain, drain);
    if (drain->deferred != NULL && event_add(&u->writable, NULL) == 0)
        return drain;
    vetch_deferred_unref(drain->deferred);
    vetch__free(drain);
    errno = ENOMEM;
    return NULL;
}

vetch_promise *
vetch_udp_drain(vetch_udp *u)
{
    struct drain *drain;
    vetch_promise *p;

    VETCH_CHECK(u != NULL, EINVAL, &vetch__misused);
    if (!vetch__udp_check_thread(u))
        return &vetch__misused;
    if (u->reactor == NULL)
        return vetch_rejected(vetch__udp_closed_error(u));
    drain = drain_new(u);
    if (drain == NULL)
        return vetch__failed(errno, "drain");
    vetch__list_append(&u->drains, &drain->link);
    p = vetch_deferred_promise(drain->deferred);
    VETCH__NAME(p, "room to send from %s", u->socket.endpoint);
    return p;
}
