/* Moving bytes from one stream to another.
 *
 * A copy is a tap on `from` and the sink of `to`. It moves what is there as
 * long as `to` takes it, waits for `to` to drain, and leaves what it has not
 * moved where it was; so cancelling it, in whatever moment, loses nothing. */
#include "stream/stream-private.h"

#include <errno.h>

#include "base/check-private.h"
#include "base/mem-private.h"
#include "base/options-private.h"
#include "promise/watch-private.h"

struct copy {
    struct vetch__stream_tap tap;
    struct vetch__stream_sink sink;
    vetch_deferred *deferred; /* NULL once it is decided */
    vetch_stream *from, *to;  /* references of ours, and holds */
    uint64_t left;            /* of count_bytes */
    uint64_t room;            /* of limit_bytes */
    bool counts, keep_open;
    vetch_promise *draining; /* a watch, or NULL */
};

static void
heed_target(const struct copy *c, bool on)
{
    if (c->to->kind->heed != NULL && c->to->object.state != VETCH__S_OVER)
        c->to->kind->heed(c->to, on);
}

/* ---- the end of a copy ---- */

static void
detach_copy(struct copy *c)
{
    if (c->draining != NULL) {
        vetch__watch_forget(c->draining);
        c->draining = NULL;
    }
    if (c->to->sink == &c->sink) {
        c->to->sink = NULL;
        heed_target(c, false);
    }
    if (c->from->tap == &c->tap)
        vetch__stream_set_tap(c->from, NULL);
}

static void
free_copy(struct copy *c)
{
    vetch_deferred_unref(c->deferred);
    vetch__stream_let_go(c->from);
    vetch__stream_let_go(c->to);
    vetch__free(c);
}

static void
fail_copy(struct copy *c, vetch_error *error)
{
    detach_copy(c);
    vetch_deferred_reject(c->deferred, error);
    free_copy(c);
}

static void
finish_copy(struct copy *c)
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
    struct copy *c = ctx;

    detach_copy(c);
    vetch_deferred_cancel(d);
    free_copy(c);
}

static void
sink_is_broken(struct vetch__stream_sink *self, vetch_error *error)
{
    fail_copy(vetch__container(self, struct copy, sink), error);
}

static void
tap_was_refused(struct vetch__stream_tap *self, vetch_error *error)
{
    fail_copy(vetch__container(self, struct copy, tap), error);
}

/* ---- moving ---- */

static void
to_has_drained(void *ctx, vetch_promise *p)
{
    struct copy *c = ctx;

    vetch_promise_unref(p); /* a failure comes through the sink, too */
    if (c == NULL)
        return;
    c->draining = NULL;
    vetch__stream_tap_more(c->from);
}

/* Whether `to` takes more now; else the copy goes on when it does. */
static bool
to_takes_more(struct copy *c)
{
    vetch_promise *p;

    if (c->draining != NULL)
        return false;
    if (c->to->kind->pending(c->to) <= c->to->limits.high)
        return true;
    p = vetch_stream_drain(c->to);
    c->draining = vetch__watch(vetch__reactor, p, to_has_drained, c);
    if (c->draining == NULL) {
        vetch_promise_unref(p);
        fail_copy(c, NULL);
    }
    return false;
}

/* Move what may be moved at once; false if the copy has ended. */
static bool
move_bytes(struct copy *c, vetch_buffer *in)
{
    struct iovec iov = { .iov_base = (void *)(uintptr_t)vetch_buffer_data(in),
                         .iov_len = vetch_buffer_len(in) };

    if (c->counts && iov.iov_len > c->left)
        iov.iov_len = (size_t)c->left;
    if (iov.iov_len > c->room) {
        fail_copy(c, vetch_error_new(VETCH_ETOOLARGE,
                                     "copy from %s: more than allowed",
                                     vetch_stream_peer(c->from)));
        return false;
    }
    if (vetch__stream_queue(c->to, &iov, 1, iov.iov_len) < 0) {
        fail_copy(c, vetch__stream_cause(c->to));
        return false;
    }
    vetch_buffer_consume(in, iov.iov_len);
    c->from->bytes_read += iov.iov_len;
    c->left -= c->counts ? iov.iov_len : 0;
    c->room -= iov.iov_len;
    return true;
}

static void
from_has_no_more(struct copy *c)
{
    if (c->from->in == VETCH__HALF_BROKEN)
        fail_copy(c, vetch__stream_cause(c->from));
    else if (c->counts)
        fail_copy(c,
                  vetch_error_new(VETCH_EEOF, "copy from %s: %llu bytes less",
                                  vetch_stream_peer(c->from),
                                  (unsigned long long)c->left));
    else
        finish_copy(c);
}

static void
take_from(struct vetch__stream_tap *self, vetch_buffer *in)
{
    struct copy *c = vetch__container(self, struct copy, tap);

    while (!(c->counts && c->left == 0) &&
           (c->to->flags & VETCH__S_DISCARDS) == 0) {
        if (in == NULL || vetch_buffer_len(in) == 0) {
            if (c->from->in > VETCH__HALF_OPEN)
                from_has_no_more(c);
            return;
        }
        if (!to_takes_more(c) || !move_bytes(c, in))
            return;
    }
    finish_copy(c);
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
    struct copy *c;
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
    vetch__stream_set_tap(from, &c->tap);
    heed_target(c, true);
    vetch__stream_tap_more(from);
    return p;
}
