/* Receiving datagrams: a call that waits, a batch from the kernel, a queue of
 * what nobody has asked for yet. */
#include "net/udp-private.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <unistd.h>

#include <vetch/error.h>

#include "base/check-private.h"
#include "promise/watch-private.h"

/* ---- the queue ---- */

static vetch_datagram *
pop_datagram(vetch_udp *u)
{
    vetch_datagram *d = vetch__container(u->queue.next, vetch_datagram, link);

    vetch__list_remove(&d->link);
    u->n_queued--;
    return d;
}

static void
push_datagram(vetch_udp *u, vetch_datagram *d)
{
    vetch__list_append(&u->queue, &d->link);
    u->n_queued++;
}

/* Consumes it: the next one again, unless it has become too late for that. */
static void
return_datagram(vetch_udp *u, vetch_datagram *d)
{
    if (u->reactor == NULL) {
        vetch_datagram_unref(d);
        return;
    }
    vetch__list_append(u->queue.next, &d->link); /* before the first */
    u->n_queued++;
}

/* NULL and ENOMEM; then all are where they were. */
static vetch_datagrams *
pop_batch(vetch_udp *u, size_t max)
{
    size_t n = u->n_queued < max ? u->n_queued : max;
    vetch_datagrams *batch =
        vetch__malloc(sizeof(*batch) + n * sizeof(batch->at[0]));

    if (batch == NULL)
        return NULL;
    batch->object =
        (struct vetch__object){ .type = VETCH__DATAGRAMS, .refs = 1 };
    batch->n = n;
    for (size_t i = 0; i < n; i++)
        batch->at[i] = pop_datagram(u);
    return batch;
}

/* ---- offering ---- */

static void
take_datagram_back(void *value, void *ctx)
{
    return_datagram(ctx, value);
}

static void
take_batch_back(void *value, void *ctx)
{
    vetch_datagrams *batch = value;

    while (batch->n > 0)
        return_datagram(ctx, batch->at[--batch->n]);
    vetch_datagrams_unref(batch);
}

/* Somebody has got what was offered, or it has come back. */
static void
datagram_offer_is_over(void *ctx)
{
    vetch_udp *u = ctx;

    u->offered = false;
    vetch__udp_let_go(u);
}

/* What the queue has for one who wants `batch_max` (0: one alone). False: out
 * of memory. */
static bool
begin_datagram_offer(vetch_udp *u, size_t batch_max, struct vetch__offer *ret)
{
    *ret = (struct vetch__offer){ .free_value = vetch_unref,
                                  .ctx = u,
                                  .free_ctx = datagram_offer_is_over };
    if (batch_max == 0) {
        ret->value = pop_datagram(u);
        ret->take_back = take_datagram_back;
    } else {
        ret->value = pop_batch(u, batch_max);
        ret->take_back = take_batch_back;
        if (ret->value == NULL)
            return false;
    }
    u->offered = true;
    vetch__udp_hold(u);
    return true;
}

/* ---- who waits ---- */

static vetch_deferred *
forget_receive(vetch_udp *u)
{
    vetch_deferred *d = u->waiting;

    u->waiting = NULL;
    return d;
}

/* Consumes `error`; NULL is out of memory. */
static void
refuse_receive(vetch_udp *u, vetch_error *error)
{
    vetch_deferred *d = forget_receive(u);

    vetch_deferred_reject(d, error);
    vetch_deferred_unref(d);
}

static void
cancel_receive(vetch_deferred *d, void *ctx)
{
    forget_receive(ctx);
    vetch_deferred_cancel(d);
    vetch_deferred_unref(d);
}

static void
serve_receive(vetch_udp *u)
{
    struct vetch__offer offer;
    vetch_deferred *d;

    if (u->waiting == NULL || u->n_queued == 0)
        return;
    if (!begin_datagram_offer(u, u->batch_max, &offer)) {
        refuse_receive(u, NULL);
        return;
    }
    d = forget_receive(u);
    vetch__deferred_offer(d, &offer);
    vetch_deferred_unref(d);
}

/* ---- what comes along on a Unix socket ---- */

/* How many descriptors a message is about to give us, or has. */
static size_t
count_fds(const struct cmsghdr *c)
{
    return (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
}

static const struct cmsghdr *
find_control(struct msghdr *m, int level, int type)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL;
         c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == level && c->cmsg_type == type)
            return c;
    }
    return NULL;
}

static void
close_fds(const struct cmsghdr *rights)
{
    size_t n = rights != NULL ? count_fds(rights) : 0;
    int fd;

    for (size_t i = 0; i < n; i++) {
        memcpy(&fd, CMSG_DATA(rights) + i * sizeof(int), sizeof(int));
        close(fd);
    }
}

/* False: out of memory, and descriptors that came are closed. */
static bool
read_extras(struct msghdr *m, struct vetch__datagram_extras **ret)
{
    const struct cmsghdr *rights = find_control(m, SOL_SOCKET, SCM_RIGHTS);
    const struct cmsghdr *sender = find_control(m, SOL_SOCKET, SCM_CREDENTIALS);
    size_t n = rights != NULL ? count_fds(rights) : 0;
    struct vetch__datagram_extras *extras;
    struct ucred cred;

    *ret = NULL;
    if (rights == NULL && sender == NULL && (m->msg_flags & MSG_CTRUNC) == 0)
        return true;
    extras = vetch__datagram_extras_new(n);
    if (extras == NULL) {
        close_fds(rights);
        return false;
    }
    extras->lost_descriptors = (m->msg_flags & MSG_CTRUNC) != 0;
    if (n > 0)
        memcpy(extras->fds, CMSG_DATA(rights), n * sizeof(int));
    if (sender != NULL) {
        memcpy(&cred, CMSG_DATA(sender), sizeof(cred));
        extras->has_credentials = true;
        extras->pid = cred.pid;
        extras->uid = cred.uid;
        extras->gid = cred.gid;
    }
    *ret = extras;
    return true;
}

/* ---- from the kernel ---- */

/* Keep a datagram; without memory it counts as dropped. */
static vetch_datagram *
keep_datagram(vetch_udp *u, const struct msghdr *m, const char *data,
              size_t len)
{
    size_t kept = len < u->max_bytes ? len : u->max_bytes;
    vetch_datagram *d =
        vetch__datagram_new(m->msg_name, m->msg_namelen, data, kept);

    if (d == NULL) {
        u->dropped++;
        return NULL;
    }
    d->truncated = kept < len || (m->msg_flags & MSG_TRUNC) != 0;
    push_datagram(u, d);
    return d;
}

static void
keep_unix_datagram(vetch_udp *u, struct msghdr *m, size_t len)
{
    struct vetch__datagram_extras *extras;
    vetch_datagram *d;

    if (!read_extras(m, &extras)) {
        u->dropped++;
        return;
    }
    d = keep_datagram(u, m, m->msg_iov->iov_base, len);
    if (d != NULL)
        d->extras = extras;
    else
        vetch__datagram_extras_free(extras);
}

/* The kernel may have put many of one peer together: all of the same length,
 * the last one perhaps shorter. */
static size_t
segment_size(struct msghdr *m, size_t len)
{
    const struct cmsghdr *c =
        m->msg_controllen > 0 ? find_control(m, SOL_UDP, UDP_GRO) : NULL;
    int size = 0;

    if (c != NULL)
        memcpy(&size, CMSG_DATA(c), sizeof(size));
    return size > 0 && (size_t)size < len ? (size_t)size : len;
}

static void
keep_udp_datagrams(vetch_udp *u, struct msghdr *m, size_t len)
{
    const char *data = m->msg_iov->iov_base;
    size_t size = segment_size(m, len);

    do {
        size_t part = size < len ? size : len;

        keep_datagram(u, m, data, part);
        data += part;
        len -= part;
    } while (len > 0);
}

/* As much for what comes along as was asked for: what there is no room for is
 * closed by the kernel, which says so. */
static size_t
room_for_control(const vetch_udp *u)
{
    if (u->family != AF_UNIX)
        return CMSG_SPACE(sizeof(int));
    return (u->credentials ? CMSG_SPACE(sizeof(struct ucred)) : 0) +
           (u->max_descriptors > 0 ? CMSG_LEN(u->max_descriptors * sizeof(int))
                                   : 0);
}

static unsigned
prepare_slots(const vetch_udp *u, struct vetch__udp_area *area)
{
    size_t control = room_for_control(u), slot = VETCH__UDP_SLOT, n;

    if (u->family == AF_UNIX && u->max_bytes > slot)
        slot = u->max_bytes;
    n = sizeof(area->data) / slot;
    if (n > VETCH__UDP_SLOTS)
        n = VETCH__UDP_SLOTS;
    for (size_t i = 0; i < n; i++) {
        struct msghdr *m = &area->in[i].msg_hdr;

        area->in_vec[i].iov_base = area->data + i * slot;
        area->in_vec[i].iov_len = u->family == AF_UNIX ? u->max_bytes : slot;
        m->msg_name = &area->in_peer[i];
        m->msg_namelen = sizeof(area->in_peer[i]);
        m->msg_iov = &area->in_vec[i];
        m->msg_iovlen = 1;
        m->msg_control = control > 0 ? &area->in_control[i] : NULL;
        m->msg_controllen = control;
        m->msg_flags = 0;
    }
    return (unsigned)n;
}

/* An errno, or 0. */
static int
take_datagrams(vetch_udp *u, struct vetch__udp_area *area)
{
    unsigned n_slots = prepare_slots(u, area);
    int n = recvmmsg(u->socket.fd, area->in, n_slots,
                     MSG_DONTWAIT | MSG_CMSG_CLOEXEC, NULL);

    if (n < 0)
        return errno;
    for (int i = 0; i < n; i++) {
        struct msghdr *m = &area->in[i].msg_hdr;

        if (u->family == AF_UNIX)
            keep_unix_datagram(u, m, area->in[i].msg_len);
        else
            keep_udp_datagrams(u, m, area->in[i].msg_len);
    }
    return 0;
}

static void
unwatch_udp(vetch_udp *u)
{
    if (u->watching)
        event_del(&u->readable);
    u->watching = false;
}

static void
receive_some(vetch_udp *u)
{
    int wrong = take_datagrams(u, u->reactor->net->udp_area);

    /* On a socket that is not connected it is about some other peer. */
    if (wrong != 0 && u->on_error != NULL)
        vetch__udp_tell_errors(u);
    else if (wrong != 0 && wrong != EAGAIN && wrong != EINTR)
        refuse_receive(u, vetch_error_from_errno(wrong, "receive at %s",
                                                 u->socket.endpoint));
    else
        serve_receive(u);
}

static void
udp_on_readable(evutil_socket_t fd, short what, void *arg)
{
    vetch_udp *u = arg;
    vetch_reactor *r = u->reactor;

    (void)fd;
    (void)what;
    vetch__reactor_enter(r);
    vetch__udp_hold(u);
    if (u->waiting != NULL)
        receive_some(u);
    else
        unwatch_udp(u); /* until somebody asks again */
    vetch__udp_let_go(u);
    vetch__reactor_leave(r);
}

void
vetch__udp_receive_init(vetch_udp *u)
{
    event_assign(&u->readable, u->reactor->base, u->socket.fd,
                 EV_READ | EV_PERSIST, udp_on_readable, u);
}

void
vetch__udp_receive_end(vetch_udp *u)
{
    unwatch_udp(u);
    while (u->n_queued > 0)
        vetch_datagram_unref(pop_datagram(u));
    if (u->waiting != NULL)
        refuse_receive(u, vetch__udp_closed_error(u));
}

/* ---- the calls ---- */

static int
watch_udp(vetch_udp *u)
{
    if (u->watching)
        return 0;
    if (event_add(&u->readable, NULL) < 0) {
        errno = ENOMEM;
        return -1;
    }
    u->watching = true;
    return 0;
}

static vetch_promise *
wait_for_datagram(vetch_udp *u, size_t batch_max)
{
    vetch_promise *p;

    if (watch_udp(u) < 0)
        return vetch__failed(errno, "receive");
    u->waiting = vetch_deferred_new(cancel_receive, u);
    if (u->waiting == NULL)
        return vetch__failed(errno, "receive");
    u->batch_max = batch_max;
    p = vetch_deferred_promise(u->waiting);
    VETCH__NAME(p, "receive at %s", u->socket.endpoint);
    return p;
}

static vetch_promise *
start_receive(vetch_udp *u, size_t batch_max)
{
    struct vetch__offer offer;

    if (!vetch__udp_check_thread(u))
        return &vetch__misused;
    if (u->reactor == NULL)
        return vetch_rejected(vetch__udp_closed_error(u));
    if (u->waiting != NULL || u->offered)
        return vetch_rejected(
            vetch_error_new(VETCH_EMISUSE, "receive at %s: another is pending",
                            u->socket.endpoint));
    if (u->n_queued == 0)
        return wait_for_datagram(u, batch_max);
    if (!begin_datagram_offer(u, batch_max, &offer))
        return &vetch__no_memory;
    return vetch__offered(&offer);
}

vetch_promise *
vetch_udp_receive(vetch_udp *u)
{
    VETCH_CHECK(u != NULL, EINVAL, &vetch__misused);
    return start_receive(u, 0);
}

vetch_promise *
vetch_udp_receive_many(vetch_udp *u, size_t max)
{
    VETCH_CHECK(u != NULL, EINVAL, &vetch__misused);
    if (max == 0)
        return vetch__failed(EINVAL, "receive");
    return start_receive(u, max);
}
