/* Moving bytes from one stream to another.
 *
 * A copy is a tap on `from` and the sink of `to`. It moves what is there as
 * long as `to` takes it, waits for `to` to drain, and leaves what it has not
 * moved where it was; so cancelling it, in whatever moment, loses nothing. */
#include "stream/copy-private.h"

#include <errno.h>

#include "base/check-private.h"
#include "base/mem-private.h"
#include "base/options-private.h"
#include "promise/watch-private.h"

/* In pieces of at least this size, this much of them in a row is bulk: to set
 * up a way past our memory pays. */
#define LARGE_PIECE ((size_t)16384)
#define BULK        ((size_t)131072)

static void
heed_target(const struct vetch__copy *c, bool on)
{
    if (c->to->kind->heed != NULL && c->to->object.state != VETCH__S_OVER)
        c->to->kind->heed(c->to, on);
}

/* ---- the end of a copy ---- */

static void
detach_copy(struct vetch__copy *c)
{
    if (c->draining != NULL) {
        vetch__watch_forget(c->draining);
        c->draining = NULL;
    }
    if (c->to->sink == &c->sink) {
        c->to->sink = NULL;
        heed_target(c, false);
    }
    if (c->tap.direct)
        vetch__copy_leave_direct(c);
    if (c->from->tap == &c->tap)
        vetch__stream_set_tap(c->from, NULL);
}

static void
free_copy(struct vetch__copy *c)
{
    vetch_deferred_unref(c->deferred);
    vetch__stream_let_go(c->from);
    vetch__stream_let_go(c->to);
    vetch__free(c);
}

void
vetch__copy_fail(struct vetch__copy *c, vetch_error *error)
{
    detach_copy(c);
    vetch_deferred_reject(c->deferred, error);
    free_copy(c);
}

void
vetch__copy_finish(struct vetch__copy *c)
{
    detach_copy(c);
    if (c->keep_open)
        vetch_deferred_resolve(c->deferred, NULL, NULL);
    else
        vetch_deferred_follow(c->deferred, vetch__stream_end(c->to));
    free_copy(c);
}

static void
cancel_copy(vetch_deferred *d, void *ctx)
{
    struct vetch__copy *c = ctx;

    detach_copy(c);
    vetch_deferred_cancel(d);
    free_copy(c);
}

static void
sink_is_broken(struct vetch__stream_sink *self, vetch_error *error)
{
    vetch__copy_fail(vetch__container(self, struct vetch__copy, sink), error);
}

static void
tap_was_refused(struct vetch__stream_tap *self, vetch_error *error)
{
    vetch__copy_fail(vetch__container(self, struct vetch__copy, tap), error);
}

/* ---- moving ---- */

static void
copy_may_go_on(void *ctx, vetch_promise *p)
{
    struct vetch__copy *c = ctx;

    vetch_error *error = NULL;

    if (vetch_promise_state(p) == VETCH_REJECTED)
        error = vetch_error_ref(vetch_promise_error(p));
    vetch_promise_unref(p);
    if (c == NULL) {
        vetch_error_unref(error);
        return;
    }
    c->draining = NULL;
    if (error != NULL) {
        vetch__copy_fail(c, error);
        return;
    }
    c->tap.blocked = c->of_file;
    vetch__stream_tap_more(c->from);
}

void
vetch__copy_wait(struct vetch__copy *c, vetch_promise *p)
{
    c->draining = vetch__watch(vetch__reactor, p, copy_may_go_on, c);
    if (c->draining == NULL) {
        vetch_promise_unref(p);
        vetch__copy_fail(c, NULL);
    } else if (c->tap.direct) {
        c->tap.blocked = true;
        vetch__stream_balance(c->from);
    }
}

bool
vetch__copy_may_go_on(struct vetch__copy *c)
{
    if (c->draining != NULL)
        return false;
    if (c->to->kind->pending(c->to) <= c->to->limits.high)
        return true;
    vetch__copy_wait(c, vetch_stream_drain(c->to));
    return false;
}

bool
vetch__copy_is_allowed(struct vetch__copy *c, size_t n)
{
    if (n <= c->room)
        return true;
    vetch__copy_fail(c, vetch_error_new(VETCH_ETOOLARGE,
                                        "copy from %s: more than allowed",
                                        vetch_stream_peer(c->from)));
    return false;
}

void
vetch__copy_count(struct vetch__copy *c, size_t n)
{
    c->from->bytes_read += n;
    c->left -= c->counts ? n : 0;
    c->room -= n;
}

/* Move what may be moved at once; false if the copy has ended. */
static bool
move_bytes(struct vetch__copy *c, vetch_buffer *in)
{
    struct iovec iov = { .iov_base = (void *)(uintptr_t)vetch_buffer_data(in),
                         .iov_len = vetch_buffer_len(in) };

    if (c->counts && iov.iov_len > c->left)
        iov.iov_len = (size_t)c->left;
    if (!vetch__copy_is_allowed(c, iov.iov_len))
        return false;
    if (vetch__stream_queue(c->to, &iov, 1, iov.iov_len) < 0) {
        vetch__copy_fail(c, vetch__stream_cause(c->to));
        return false;
    }
    vetch_buffer_consume(in, iov.iov_len);
    vetch__copy_count(c, iov.iov_len);
    c->bulk = iov.iov_len >= LARGE_PIECE ? c->bulk + iov.iov_len : 0;
    return true;
}

void
vetch__copy_has_no_more(struct vetch__copy *c)
{
    if (c->from->in == VETCH__HALF_BROKEN)
        vetch__copy_fail(c, vetch__stream_cause(c->from));
    else if (c->counts)
        vetch__copy_fail(c, vetch_error_new(VETCH_EEOF,
                                            "copy from %s: %llu bytes less",
                                            vetch_stream_peer(c->from),
                                            (unsigned long long)c->left));
    else
        vetch__copy_finish(c);
}

static void
take_from(struct vetch__stream_tap *self, vetch_buffer *in)
{
    struct vetch__copy *c = vetch__container(self, struct vetch__copy, tap);

    while (!(c->counts && c->left == 0) &&
           (c->to->flags & VETCH__S_DISCARDS) == 0) {
        if (in == NULL || vetch_buffer_len(in) == 0) {
            if (c->from->in > VETCH__HALF_OPEN)
                vetch__copy_has_no_more(c);
            else if (c->bulk >= BULK)
                vetch__copy_look_for_splice(c);
            return;
        }
        if (!vetch__copy_may_go_on(c) || !move_bytes(c, in))
            return;
    }
    vetch__copy_finish(c);
}

/* ---- the calls ---- */

static vetch_promise *
check_copy(const vetch_stream *from, const vetch_stream *to)
{
    if (from->in == VETCH__HALF_NONE || to->out == VETCH__HALF_NONE)
        return vetch__failed(EBADF, "copy");
    if (vetch__stream_is_read(from))
        return vetch_rejected(vetch_error_new(
            VETCH_EMISUSE, "copy from %s: another read is pending",
            vetch_stream_peer(from)));
    if (to->sink != NULL)
        return vetch__failed(EBUSY, "copy: another one is running");
    if (from->flags & VETCH__S_CLOSED)
        return vetch_rejected(
            vetch_error_new(VETCH_ECLOSED, "the stream was closed"));
    if (to->out != VETCH__HALF_OPEN || to->flags & VETCH__S_LOST_WRITE)
        return to->error != NULL ? vetch_rejected(vetch__stream_cause(to))
                                 : vetch__failed(EPIPE, "copy");
    return NULL;
}

static const vetch_copy_options default_copy = VETCH_COPY_OPTIONS_INIT;

vetch_promise *
vetch_stream_copy(vetch_stream *from, vetch_stream *to,
                  const vetch_copy_options *options)
{
    vetch_copy_options o = default_copy;
    struct vetch__copy *c;
    vetch_promise *p;

    VETCH_CHECK(from != NULL && to != NULL, EINVAL, &vetch__misused);
    if (!vetch__stream_check_thread(from))
        return &vetch__misused;
    if (!vetch__options_read(&o, sizeof(o), options))
        return vetch__failed(EINVAL, "copy");
    p = check_copy(from, to);
    if (p != NULL)
        return p;
    c = vetch__calloc(1, sizeof(*c));
    if (c == NULL)
        return &vetch__no_memory;
    c->deferred = vetch_deferred_new(cancel_copy, c);
    if (c->deferred == NULL) {
        vetch__free(c);
        return vetch__failed(errno, "copy");
    }
    p = vetch_deferred_promise(c->deferred);
    VETCH__NAME(p, "copy from %s", vetch_stream_peer(from));
    vetch__stream_hold(from);
    vetch__stream_hold(to);
    c->from = from;
    c->to = to;
    c->counts = o.count_bytes != UINT64_MAX;
    c->left = o.count_bytes;
    c->room = o.limit_bytes;
    c->keep_open = o.keep_open;
    c->tap.fn = take_from;
    c->tap.refused = tap_was_refused;
    c->sink.broken = sink_is_broken;
    to->sink = &c->sink;
    vetch__copy_look_for_file(c);
    vetch__stream_set_tap(from, &c->tap);
    heed_target(c, true);
    vetch__stream_tap_more(from);
    return p;
}
