/* Transports over pipes, FIFOs and terminals: one descriptor for each
 * direction, or one for both.
 *
 * The directions know nothing of one another. Each has one event; that of the
 * writing one is on only while the kernel takes no more. The other side is told
 * of the end by closing what was written to. What has been written stays in the
 * pipe, whatever becomes of us, so nothing lingers after a close, and there is
 * no way to reset. */
#include "net/pipe-private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_VECTORS = 64, FILE_PIECE = 16384 };

/* One turn sends no more: others want to be served too. */
#define PIPE_TURN_MAX ((size_t)1048576)

/* ---- input ---- */

/* The master of a terminal says EIO once nobody has the other side open. */
static void
pipe_read_once(struct vetch__pipe *p)
{
    vetch_buffer *input = &p->t.reactor->net->input;
    ssize_t n = read(p->in.fd, input->data, VETCH__INPUT_SIZE);

    if (n > 0) {
        input->end = (size_t)n;
        vetch__transport_received(&p->t);
    } else if (n == 0 || errno == EIO) {
        vetch__transport_ended(&p->t);
    } else if (errno != EAGAIN && errno != EINTR) {
        vetch__transport_over(
            &p->t,
            vetch_error_from_errno(errno, "read from %s",
                                   vetch_transport_peer(&p->t)),
            false);
    }
}

static void
pipe_read_off(vetch_transport *t)
{
    struct vetch__pipe_end *in = &vetch__pipe_of(t)->in;

    t->flags &= (uint16_t)~VETCH__T_READING;
    if (in->watched)
        event_del(&in->event);
    in->watched = false;
}

static void
pipe_readable(evutil_socket_t fd, short what, void *arg)
{
    struct vetch__pipe *p = arg;
    vetch_reactor *r = p->t.reactor;

    (void)fd;
    (void)what;
    vetch__reactor_enter(r);
    vetch_transport_ref(&p->t);
    if (vetch__transport_wants_input(&p->t))
        pipe_read_once(p);
    else
        pipe_read_off(&p->t);
    vetch_transport_unref(&p->t);
    vetch__reactor_leave(r);
}

/* On failure the transport is over. */
static bool
watch_pipe(struct vetch__pipe *p, struct vetch__pipe_end *e)
{
    e->watched = e->watched || event_add(&e->event, NULL) == 0;
    if (!e->watched)
        vetch__transport_over(&p->t, vetch_error_new(VETCH_ENOMEM, "watch"),
                              false);
    return e->watched;
}

static void
pipe_read_on(vetch_transport *t)
{
    struct vetch__pipe *p = vetch__pipe_of(t);

    if ((t->flags & VETCH__T_READING) != 0)
        return;
    t->flags |= VETCH__T_READING;
    if (p->in.by_thread)
        vetch__pipe_thread_read(p);
    else if (!watch_pipe(p, &p->in))
        t->flags &= (uint16_t)~VETCH__T_READING;
}

/* ---- output ---- */

static void
pipe_writable(evutil_socket_t fd, short what, void *arg)
{
    struct vetch__pipe *p = arg;
    vetch_reactor *r = p->t.reactor;

    (void)fd;
    (void)what;
    vetch__reactor_enter(r);
    vetch__transport_writable(&p->t);
    vetch__reactor_leave(r);
}

static void
wait_until_pipe_writable(struct vetch__pipe *p)
{
    p->t.flags |= VETCH__T_BLOCKED;
    watch_pipe(p, &p->out);
}

static ssize_t
write_pipe_memory(struct vetch__pipe *p, size_t *ret_want)
{
    size_t limit = p->t.reactor->faults.write_limit;
    struct iovec iov[MAX_VECTORS];
    bool more;
    size_t n =
        vetch__output_gather(&p->t.output, iov, MAX_VECTORS, ret_want, &more);

    if (limit == 0)
        return writev(p->out.fd, iov, (int)n);
    if (limit > iov[0].iov_len) /* for a test */
        limit = iov[0].iov_len;
    return write(p->out.fd, iov[0].iov_base, limit);
}

/* What sendfile(2) does not do is done by hand. */
static ssize_t
write_pipe_file(struct vetch__pipe *p, size_t *ret_want)
{
    const struct vetch__chunk *c = p->t.output.first;
    off_t offset = (off_t)c->at.offset;
    size_t want = c->len < PIPE_TURN_MAX ? (size_t)c->len : PIPE_TURN_MAX;
    char piece[FILE_PIECE];
    ssize_t n = sendfile(p->out.fd, c->of.fd, &offset, want);

    *ret_want = want;
    if (n >= 0 || errno != EINVAL)
        return n;
    *ret_want = want < sizeof(piece) ? want : sizeof(piece);
    n = pread(c->of.fd, piece, *ret_want, offset);
    return n > 0 ? write(p->out.fd, piece, (size_t)n) : n;
}

/* After a call that did not write; whether to go on at once. */
static bool
pipe_write_failed(struct vetch__pipe *p, ssize_t written, int errnum)
{
    if (written == 0)
        vetch__transport_file_failed(&p->t, 0);
    else if (errnum == EAGAIN)
        wait_until_pipe_writable(p);
    else if (errnum != EINTR)
        vetch__transport_write_failed(&p->t, errnum);
    return written < 0 && errnum == EINTR;
}

/* Whether to go on. */
static bool
write_pipe(struct vetch__pipe *p, size_t *budget)
{
    struct vetch__output *q = &p->t.output;
    bool is_file = q->first->object.state == VETCH__CHUNK_FILE;
    size_t want;
    ssize_t n =
        is_file ? write_pipe_file(p, &want) : write_pipe_memory(p, &want);

    if (n <= 0)
        return pipe_write_failed(p, n, errno);
    vetch__output_consume(p->t.reactor, q, (uint64_t)n);
    *budget -= (size_t)n < *budget ? (size_t)n : *budget;
    if (q->first != NULL && ((size_t)n < want || *budget == 0)) {
        wait_until_pipe_writable(p);
        return false;
    }
    return true;
}

static void
pipe_send(vetch_transport *t)
{
    struct vetch__pipe *p = vetch__pipe_of(t);
    size_t budget = PIPE_TURN_MAX;

    if (p->out.by_thread) {
        vetch__pipe_thread_write(p);
        return;
    }
    while (t->output.first != NULL && write_pipe(p, &budget))
        ;
    if (p->out.watched && t->output.first == NULL) {
        event_del(&p->out.event);
        p->out.watched = false;
    }
}

/* ---- a reader that goes ---- */

static bool
reader_has_gone(const struct vetch__pipe *p)
{
    struct pollfd fd = { .fd = p->out.fd };

    return poll(&fd, 1, 0) > 0 && (fd.revents & POLLERR) != 0;
}

static void
unwatch_reader(struct vetch__pipe *p)
{
    if (p->watches_hangup)
        event_del(&p->hangup);
    p->watches_hangup = false;
}

static void
pipe_hung_up(evutil_socket_t fd, short what, void *arg)
{
    struct vetch__pipe *p = arg;
    vetch_reactor *r = p->t.reactor;

    (void)fd;
    (void)what;
    vetch__reactor_enter(r);
    unwatch_reader(p);
    vetch__transport_hung_up(&p->t);
    vetch__reactor_leave(r);
}

/* What a pipe is written to by is readable only once nobody reads it. */
static bool
pipe_listens(vetch_transport *t)
{
    struct vetch__pipe *p = vetch__pipe_of(t);

    if (!p->is_pipe || p->out.fd < 0)
        return true;
    if (reader_has_gone(p))
        return false;
    if (!p->watches_hangup) {
        event_assign(&p->hangup, t->reactor->base, p->out.fd,
                     EV_READ | EV_PERSIST, pipe_hung_up, p);
        p->watches_hangup = event_add(&p->hangup, NULL) == 0;
    }
    return true;
}

/* ---- the rest ---- */

static void
unwatch_output(struct vetch__pipe *p)
{
    if (p->out.watched)
        event_del(&p->out.event);
    p->out.watched = false;
    unwatch_reader(p);
}

static bool
pipe_shut(vetch_transport *t)
{
    struct vetch__pipe *p = vetch__pipe_of(t);

    unwatch_output(p);
    if (p->is_socket)
        shutdown(p->out.fd, SHUT_WR);
    vetch__pipe_give_back(&p->out);
    return true;
}

static void
pipe_stop(vetch_transport *t, bool reset)
{
    struct vetch__pipe *p = vetch__pipe_of(t);

    (void)reset;
    if (vetch__is_inherited(&t->reactor->owner)) {
        p->in.original = p->out.original = -1;
        p->in.flags = p->out.flags = -1; /* the descriptions are the parent's */
    } else {
        pipe_read_off(t);
        unwatch_output(p);
        vetch__pipe_thread_stop(p);
    }
    vetch__pipe_give_back(&p->out); /* first: both may be one description */
    vetch__pipe_give_back(&p->in);
    vetch__net_descriptor_closed(t->reactor->net);
}

static bool
pipe_unsent(vetch_transport *t)
{
    (void)t;
    return false;
}

static bool
pipe_quiet(vetch_transport *t)
{
    (void)t;
    return true;
}

static char *
pipe_name_of(vetch_transport *t, bool peer)
{
    (void)t;
    (void)peer;
    return NULL;
}

static void
pipe_free(vetch_transport *t)
{
    vetch__free(t);
}

#define PIPE_KIND(name_)                                                       \
    {                                                                          \
        .name = name_, .parts = true, .read_on = pipe_read_on,                 \
        .read_off = pipe_read_off, .send = pipe_send, .shut = pipe_shut,       \
        .stop = pipe_stop, .listens = pipe_listens, .unsent = pipe_unsent,     \
        .quiet = pipe_quiet, .name_of = pipe_name_of,                          \
        .disown = vetch__pipe_disown, .free = pipe_free                        \
    }

static const struct vetch__transport_kind pipe_kind = PIPE_KIND("pipe");
static const struct vetch__transport_kind stdio_kind = PIPE_KIND("stdio");

void
vetch__pipe_disown(vetch_transport *t)
{
    struct vetch__pipe *p = vetch__pipe_of(t);

    p->in.owned = p->out.owned = false;
}

static void
look_at_output(struct vetch__pipe *p)
{
    struct stat st;

    if (p->out.fd < 0 || fstat(p->out.fd, &st) < 0)
        return;
    p->is_socket = S_ISSOCK(st.st_mode);
    p->is_pipe = S_ISFIFO(st.st_mode) &&
                 (fcntl(p->out.fd, F_GETFL) & O_ACCMODE) == O_WRONLY;
}

static void
assign_pipe_events(struct vetch__pipe *p)
{
    struct event_base *base = p->t.reactor->base;

    if (p->in.fd >= 0)
        event_assign(&p->in.event, base, p->in.fd, EV_READ | EV_PERSIST,
                     pipe_readable, p);
    if (p->out.fd >= 0)
        event_assign(&p->out.event, base, p->out.fd, EV_WRITE | EV_PERSIST,
                     pipe_writable, p);
}

vetch_transport *
vetch__pipe_make(vetch_reactor *r, const struct vetch__pipe_end *in,
                 const struct vetch__pipe_end *out, bool is_stdio)
{
    struct vetch__pipe *p;

    if (vetch__net_get(r) == NULL)
        return NULL;
    p = vetch__calloc(1, sizeof(*p));
    if (p == NULL)
        return NULL;
    vetch__transport_init(&p->t, r, is_stdio ? &stdio_kind : &pipe_kind);
    p->in = *in;
    p->out = *out;
    if (in->fd < 0)
        p->t.in = VETCH__IN_ENDED;
    if (out->fd < 0)
        p->t.out = VETCH__OUT_ENDED;
    look_at_output(p);
    assign_pipe_events(p);
    vetch__pipe_thread_init(p);
    return &p->t;
}

vetch_transport *
vetch__pipe_transport_new(vetch_reactor *r, int in, int out, const char *name)
{
    struct vetch__pipe_end ends[2] = {
        { .fd = in, .original = -1, .flags = -1, .owned = true },
        { .fd = out, .original = -1, .flags = -1, .owned = true },
    };
    vetch_transport *t = vetch__pipe_make(r, &ends[0], &ends[1], false);

    if (t != NULL && name != NULL)
        t->peer_name = vetch__strdup(name); /* or it is a mere "pipe:" */
    return t;
}
