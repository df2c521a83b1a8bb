/* A stream seen through a filter.
 *
 * It is the tap of the stream inside while somebody wants to read, and its sink
 * all the time. What is read goes through on its way in, as much at a time as
 * there is room for; the rest stays inside. What is written is kept as it is
 * until the end of the dispatch; then it goes through, as fast as the stream
 * inside drains.
 *
 * OPEN and CLOSING it holds a reference to the stream inside; it is OVER as
 * soon as it lets go of it. The filter goes first: with its end, or before that
 * moment. It is called from the stream's turn and from its tap only. */
#include <vetch/descriptor.h>
#include <vetch/filter.h>

#include "stream/stream-private.h"

#include <assert.h>
#include <errno.h>

#include "base/check-private.h"
#include "base/mem-private.h"
#include "promise/watch-private.h"

enum { ROUND_BYTES = 65536 };

struct filter_stream {
    vetch_stream s;       /* first */
    vetch_stream *inner;  /* NULL once it is OVER */
    vetch_filter *filter; /* NULL once it has ended */
    unsigned direction;
    bool passed;  /* something has gone into the filter */
    bool fed;     /* and since then it was not flushed */
    bool full;    /* it may hold more, for want of room */
    bool busy;    /* it runs */
    bool closing; /* after all was written, `inner` is to be closed */
    vetch_reactor *reactor;
    struct vetch__flush turn;
    struct vetch__member member;
    struct vetch__stream_tap tap;
    struct vetch__stream_sink sink;
    vetch_buffer waiting;     /* written, not yet given to `inner` */
    vetch_buffer made;        /* by the filter; empty between its calls */
    vetch_promise *draining;  /* watches on `inner`, or NULL */
    vetch_promise *finishing; /* its end or its close */
};

static struct filter_stream *
filter_of(const vetch_stream *s)
{
    return (struct filter_stream *)(uintptr_t)s;
}

static bool
filters(const struct filter_stream *f, unsigned direction)
{
    return f->filter != NULL && f->direction == direction;
}

static void
attend_filter_later(struct filter_stream *f)
{
    vetch__flush_later(f->reactor, &f->turn);
}

/* ---- the filter itself ---- */

static void
end_filter(struct filter_stream *f)
{
    vetch_filter *filter = f->filter;

    if (filter == NULL || f->busy)
        return;
    f->filter = NULL;
    f->fed = f->full = false;
    filter->class_->free(filter);
}

/* Let `in` go through, to `made`. -1: the stream is over. */
static int
run_filter(struct filter_stream *f, vetch_buffer *in, vetch_filter_mode mode)
{
    vetch_error *error = NULL;
    int result;

    f->busy = true;
    result =
        f->filter->class_->transform(f->filter, in, &f->made, mode, &error);
    f->busy = false;
    if (f->inner == NULL) { /* the user has ended it from inside */
        if (result < 0)
            vetch_error_unref(error);
        end_filter(f);
        return -1;
    }
    f->full = vetch__buffer_len(&f->made) >= ROUND_BYTES;
    if (result == 0 && !f->full && vetch__buffer_len(in) > 0) {
        error = vetch_error_new(VETCH_EMISUSE, "a filter left bytes behind");
        result = -1;
    } else if (result < 0 && error == NULL) {
        error = vetch_error_new(VETCH_ENOMEM, "filter");
    }
    if (result == 0)
        return 0;
    if (f->direction == VETCH_READABLE && vetch__buffer_len(&f->made) > 0)
        vetch__stream_received(&f->s, &f->made); /* what was good of it */
    vetch__stream_break(&f->s, error);
    return -1;
}

/* ---- the stream inside ---- */

static void
forget_watch(vetch_promise **watch)
{
    if (*watch != NULL)
        vetch__watch_forget(*watch);
    *watch = NULL;
}

static void
untap_inner(struct filter_stream *f)
{
    if (f->inner->tap == &f->tap)
        vetch__stream_set_tap(f->inner, NULL);
}

/* Nothing of ours refers to it any more; the reference is the caller's. */
static vetch_stream *
detach_inner(struct filter_stream *f)
{
    vetch_stream *inner = f->inner;

    forget_watch(&f->draining);
    forget_watch(&f->finishing);
    untap_inner(f);
    if (inner->sink == &f->sink)
        inner->sink = NULL;
    f->inner = NULL;
    vetch__member_remove(f->reactor, &f->member);
    vetch__flush_cancel(&f->turn);
    end_filter(f);
    vetch__buffer_done(&f->waiting);
    return inner;
}

/* It is OVER; `reason` is borrowed. */
static void
filter_is_over(struct filter_stream *f, const vetch_error *reason)
{
    vetch__stream_over(&f->s, reason);
    vetch__stream_let_go(&f->s);
}

static bool
inner_is_full(const struct filter_stream *f)
{
    return f->inner->kind->pending(f->inner) > f->inner->limits.high;
}

static void
inner_has_drained(void *ctx, vetch_promise *p)
{
    struct filter_stream *f = ctx;

    vetch_promise_unref(p); /* a failure comes through the sink, too */
    if (f == NULL)
        return;
    f->draining = NULL;
    attend_filter_later(f);
}

/* Watch what the stream inside was asked for; without memory break. */
static void
watch_inner(struct filter_stream *f, vetch_promise **at, vetch_promise *p,
            vetch__watch_fn fn)
{
    *at = vetch__watch(f->reactor, p, fn, f);
    if (*at != NULL)
        return;
    vetch_promise_unref(p);
    vetch__stream_break(&f->s, vetch_error_new(VETCH_ENOMEM, "filter"));
}

static void
wait_for_inner(struct filter_stream *f)
{
    if (f->draining == NULL)
        watch_inner(f, &f->draining, vetch_stream_drain(f->inner),
                    inner_has_drained);
}

/* ---- reading ---- */

static bool
is_wanted(const struct filter_stream *f)
{
    return f->inner != NULL && (f->s.flags & VETCH__S_WANTING) != 0 &&
           f->s.in == VETCH__HALF_OPEN;
}

static void
deliver_made(struct filter_stream *f)
{
    if (vetch__buffer_len(&f->made) > 0)
        vetch__stream_received(&f->s, &f->made);
    vetch_buffer_clear(&f->made);
}

static void
pass_input(struct filter_stream *f, vetch_buffer *in)
{
    vetch_buffer view = *in;
    size_t len = vetch__buffer_len(in);

    f->inner->bytes_read += len;
    vetch__stream_received(&f->s, &view);
    if (f->inner != NULL) /* else `in` may be gone as well */
        vetch_buffer_consume(in, len);
}

static void
filter_input(struct filter_stream *f, vetch_buffer *in)
{
    do {
        size_t before = vetch__buffer_len(in);

        f->passed = f->fed = true;
        if (run_filter(f, in, VETCH_FILTER_MORE) < 0)
            return;
        f->inner->bytes_read += before - vetch__buffer_len(in);
        deliver_made(f);
    } while (is_wanted(f) && (f->full || vetch__buffer_len(in) > 0));
    if (f->inner != NULL)
        attend_filter_later(f);
}

/* Call the filter without input until it has no more, or nobody wants it. Its
 * mode's work is done if that is true. */
static bool
squeeze_filter(struct filter_stream *f, vetch_filter_mode mode)
{
    vetch_buffer nothing = { .data = NULL };

    do {
        if (run_filter(f, &nothing, mode) < 0)
            return false;
        deliver_made(f);
    } while (f->full && is_wanted(f));
    return f->inner != NULL && !f->full;
}

static bool
flush_input(struct filter_stream *f)
{
    if (f->fed && !squeeze_filter(f, VETCH_FILTER_FLUSH))
        return false;
    f->fed = false;
    return true;
}

static void
inner_gives_no_more(struct filter_stream *f)
{
    bool filtered = filters(f, VETCH_READABLE);

    if (f->inner->in == VETCH__HALF_BROKEN) {
        if (!filtered || flush_input(f))
            vetch__stream_break(&f->s, vetch__stream_cause(f->inner));
        return;
    }
    if (filtered && !squeeze_filter(f, VETCH_FILTER_END))
        return;
    if (filtered)
        end_filter(f);
    vetch__stream_ended(&f->s);
}

static void
take_from_inner(struct vetch__stream_tap *self, vetch_buffer *in)
{
    struct filter_stream *f = vetch__container(self, struct filter_stream, tap);
    vetch_buffer nothing = { .data = NULL };

    if (in == NULL)
        in = &nothing;
    vetch__stream_hold(&f->s);
    if (!filters(f, VETCH_READABLE) && vetch__buffer_len(in) > 0)
        pass_input(f, in);
    else if (filters(f, VETCH_READABLE) &&
             (vetch__buffer_len(in) > 0 ||
              (f->full && f->inner->in == VETCH__HALF_OPEN)))
        filter_input(f, in);
    if (is_wanted(f) && f->inner->in > VETCH__HALF_OPEN &&
        vetch__buffer_len(in) == 0)
        inner_gives_no_more(f);
    vetch__stream_let_go(&f->s);
}

static void
filter_turn_to_read(struct filter_stream *f)
{
    if (!is_wanted(f))
        return;
    if (f->inner->tap != &f->tap)
        vetch__stream_set_tap(f->inner, &f->tap);
    if (!is_wanted(f)) /* it broke, or has given all that is wanted */
        return;
    if (vetch__stream_available(f->inner) > 0 || f->full ||
        f->inner->in > VETCH__HALF_OPEN)
        vetch__stream_tap_more(f->inner);
    if (filters(f, VETCH_READABLE) && is_wanted(f))
        flush_input(f);
}

static void
inner_was_refused(struct vetch__stream_tap *self, vetch_error *error)
{
    struct filter_stream *f = vetch__container(self, struct filter_stream, tap);

    vetch__stream_break(&f->s, error);
}

/* What can still be read inside can still be read here. */
static void
inner_is_broken(struct vetch__stream_sink *self, vetch_error *error)
{
    struct filter_stream *f =
        vetch__container(self, struct filter_stream, sink);

    f->inner->sink = NULL;
    if (vetch__stream_available(f->inner) > 0 || f->full)
        vetch__stream_break_half(&f->s, VETCH_WRITABLE, error);
    else
        vetch__stream_break(&f->s, error);
}

/* ---- writing ---- */

/* -1: the stream is over. */
static int
give_to_inner(struct filter_stream *f, vetch_buffer *from, size_t len)
{
    struct iovec iov = { from->data + from->start, len };

    if (len == 0)
        return 0;
    if (vetch__stream_queue(f->inner, &iov, 1, len) < 0) {
        vetch__stream_break(&f->s, vetch__stream_cause(f->inner));
        return -1;
    }
    vetch_buffer_consume(from, len);
    return 0;
}

/* What waits goes through the filter; false: the stream is over. */
static bool
filter_output(struct filter_stream *f)
{
    bool end = f->s.out == VETCH__HALF_ENDING;

    if (run_filter(f, &f->waiting,
                   end ? VETCH_FILTER_END : VETCH_FILTER_FLUSH) < 0 ||
        give_to_inner(f, &f->made, vetch__buffer_len(&f->made)) < 0)
        return false;
    if (f->full)
        return true;
    f->fed = false;
    if (end)
        end_filter(f);
    return true;
}

/* What waits goes on as it is. */
static bool
pass_output(struct filter_stream *f)
{
    size_t len = vetch__buffer_len(&f->waiting);

    return give_to_inner(f, &f->waiting,
                         len < ROUND_BYTES ? len : ROUND_BYTES) == 0;
}

static bool
has_output(const struct filter_stream *f)
{
    if (filters(f, VETCH_WRITABLE))
        return f->fed || f->full || f->s.out == VETCH__HALF_ENDING;
    return vetch__buffer_len(&f->waiting) > 0;
}

/* Whether all of it is on the stream inside. */
static bool
pump_output(struct filter_stream *f)
{
    while (has_output(f)) {
        if (inner_is_full(f)) {
            wait_for_inner(f);
            return false;
        }
        if (!(filters(f, VETCH_WRITABLE) ? filter_output(f) : pass_output(f)))
            return false;
    }
    if (vetch__buffer_len(&f->waiting) == 0)
        vetch__buffer_done(&f->waiting);
    return true;
}

static void
inner_has_ended(void *ctx, vetch_promise *p)
{
    struct filter_stream *f = ctx;
    vetch_error *error =
        vetch_error_ref((vetch_error *)(uintptr_t)vetch_promise_error(p));

    vetch_promise_unref(p);
    if (f == NULL) {
        vetch_error_unref(error);
        return;
    }
    f->finishing = NULL;
    if (error != NULL) {
        vetch__stream_break(&f->s, error);
        return;
    }
    vetch__stream_hold(&f->s);
    vetch__stream_end_done(&f->s);
    if (f->inner != NULL)
        attend_filter_later(f);
    vetch__stream_let_go(&f->s);
}

static void
inner_has_closed(void *ctx, vetch_promise *p)
{
    struct filter_stream *f = ctx;

    if (f != NULL) {
        f->finishing = NULL;
        vetch_stream_unref(detach_inner(f));
        filter_is_over(f, vetch_promise_error(p));
    }
    vetch_promise_unref(p);
}

static void
close_inner(struct filter_stream *f)
{
    untap_inner(f);
    if (f->inner->sink == &f->sink)
        f->inner->sink = NULL;
    watch_inner(f, &f->finishing, vetch_stream_close(f->inner),
                inner_has_closed);
}

static void
filter_turn_to_write(struct filter_stream *f)
{
    if (!pump_output(f) || f->finishing != NULL)
        return;
    if ((f->s.flags & VETCH__S_DRAINING) != 0 && inner_is_full(f))
        wait_for_inner(f);
    else if ((f->s.flags & VETCH__S_DRAINING) != 0)
        vetch__stream_drained(&f->s);
    if (f->s.out == VETCH__HALF_ENDING)
        watch_inner(f, &f->finishing, vetch__stream_end(f->inner),
                    inner_has_ended);
    else if (f->closing)
        close_inner(f);
}

static void
filter_turn(struct vetch__flush *self)
{
    struct filter_stream *f =
        vetch__container(self, struct filter_stream, turn);

    vetch__stream_hold(&f->s);
    filter_turn_to_write(f);
    filter_turn_to_read(f);
    vetch__stream_let_go(&f->s);
}

/* ---- what the stream asks ---- */

static void
filter_attend(vetch_stream *s)
{
    attend_filter_later(filter_of(s));
}

static void
filter_enough(vetch_stream *s)
{
    if (filter_of(s)->inner != NULL)
        untap_inner(filter_of(s));
}

static int
filter_write(vetch_stream *s, const struct iovec *iov, size_t n, size_t total)
{
    struct filter_stream *f = filter_of(s);

    if (!filters(f, VETCH_WRITABLE))
        return vetch__stream_queue(f->inner, iov, n, total);
    if (vetch_buffer_reserve(&f->waiting, total) == NULL)
        return -1;
    for (size_t i = 0; i < n; i++)
        vetch_buffer_append(&f->waiting, iov[i].iov_base, iov[i].iov_len);
    f->passed = f->fed = true;
    attend_filter_later(f);
    return 0;
}

static uint64_t
filter_pending(const vetch_stream *s)
{
    const struct filter_stream *f = filter_of(s);
    uint64_t waiting = vetch__buffer_len(&f->waiting);

    return f->inner == NULL ? waiting
                            : waiting + f->inner->kind->pending(f->inner);
}

static void
filter_close(vetch_stream *s)
{
    struct filter_stream *f = filter_of(s);

    if (f->inner == NULL) /* it broke while others were told */
        return;
    f->closing = true;
    untap_inner(f);
    if (f->direction == VETCH_READABLE)
        end_filter(f);
    attend_filter_later(f);
}

static void
filter_abort(vetch_stream *s)
{
    struct filter_stream *f = filter_of(s);
    vetch_stream *inner;

    if (f->inner == NULL) /* one that is told has done it */
        return;
    inner = detach_inner(f);
    vetch_stream_abort(inner);
    vetch_stream_unref(inner);
    filter_is_over(f, s->error);
}

/* Nobody holds the stream that is being closed, and the filter must go: what it
 * makes of the rest waits in its place. */
static void
filter_all_output(struct filter_stream *f)
{
    vetch_buffer rest = { .data = NULL };

    do {
        size_t len;

        if (run_filter(f, &f->waiting, VETCH_FILTER_END) < 0)
            return;
        len = vetch__buffer_len(&f->made);
        if (len > 0 &&
            vetch_buffer_append(&rest, vetch_buffer_data(&f->made), len) < 0) {
            vetch__buffer_done(&rest);
            vetch__stream_break(&f->s, vetch_error_new(VETCH_ENOMEM, "filter"));
            return;
        }
        vetch_buffer_clear(&f->made);
    } while (f->full);
    vetch__buffer_done(&f->waiting);
    f->waiting = rest;
    end_filter(f);
}

/* What was read ahead through no filter goes back. */
static int
give_input_to_inner(struct filter_stream *f)
{
    size_t len = vetch__stream_available(&f->s);

    if (len == 0 || filters(f, VETCH_READABLE))
        return 0;
    return vetch__stream_return_input(&f->s, f->inner);
}

static void
filter_release(vetch_stream *s)
{
    struct filter_stream *f = filter_of(s);
    vetch_error *e;
    vetch_stream *inner;
    bool broken;

    if (s->object.state != VETCH__S_OPEN) {
        if (filters(f, VETCH_WRITABLE))
            filter_all_output(f);
        return;
    }
    e = vetch_error_from_errno(ECONNABORTED, "the stream was released");
    broken = f->filter != NULL && f->passed;
    if (f->direction == VETCH_WRITABLE && give_input_to_inner(f) < 0)
        vetch__stream_break_half(f->inner, VETCH_READABLE, vetch_error_ref(e));
    inner = detach_inner(f);
    if (broken && f->direction == VETCH_READABLE)
        vetch__stream_drop_input(inner); /* it begins in the middle */
    if (broken)
        vetch__stream_break_half(inner, f->direction, vetch_error_ref(e));
    vetch_stream_unref(inner);
    filter_is_over(f, e);
    vetch_error_unref(e);
}

static const char *
filter_name_of(const vetch_stream *s, bool peer)
{
    const vetch_stream *inner = filter_of(s)->inner;

    if (inner == NULL)
        return "";
    return peer ? vetch_stream_peer(inner) : vetch_stream_local(inner);
}

static void
filter_stream_free(vetch_stream *s)
{
    struct filter_stream *f = filter_of(s);

    assert(f->inner == NULL && f->filter == NULL);
    vetch__buffer_done(&f->waiting);
    vetch__buffer_done(&f->made);
    vetch__free(f);
}

static const struct vetch__stream_kind filter_kind = {
    .want = filter_attend,
    .enough = filter_enough,
    .write = filter_write,
    .pending = filter_pending,
    .tell_drained = filter_attend,
    .end = filter_attend,
    .close = filter_close,
    .abort = filter_abort,
    .release = filter_release,
    .name_of = filter_name_of,
    .free = filter_stream_free,
};

/* ---- making one ---- */

static void
end_filter_with_reactor(struct vetch__member *self)
{
    struct filter_stream *f =
        vetch__container(self, struct filter_stream, member);

    vetch__stream_break(
        &f->s, vetch_error_new(VETCH_ECLOSED, "the reactor has ended"));
}

static const struct vetch__member_class filter_members = {
    .name = "filter",
    .end = end_filter_with_reactor,
};

/* 0, or the errno that says why `inner` gets no filter. */
static int
why_no_filter(const vetch_stream *inner, unsigned direction)
{
    if (vetch__reactor == NULL || vetch__reactor->ending)
        return EPERM;
    if (direction != VETCH_READABLE && direction != VETCH_WRITABLE)
        return EINVAL;
    if (inner->sink != NULL || vetch__stream_is_read(inner))
        return EBUSY;
    if ((direction == VETCH_READABLE ? inner->in : inner->out) ==
            VETCH__HALF_NONE ||
        (inner->flags & VETCH__S_CLOSED) != 0)
        return EBADF;
    if (direction == VETCH_WRITABLE && inner->out != VETCH__HALF_OPEN)
        return EPIPE;
    return 0;
}

static vetch_stream *
put_filter(vetch_stream *inner, unsigned direction, vetch_filter *filter)
{
    vetch_reactor *r = vetch__reactor;
    struct filter_stream *f = vetch__calloc(1, sizeof(*f));

    if (f == NULL)
        return NULL;
    vetch__stream_init(&f->s, r, &filter_kind, &inner->limits);
    f->s.flags |= VETCH__S_LAZY;
    f->s.in =
        inner->in == VETCH__HALF_NONE ? VETCH__HALF_NONE : VETCH__HALF_OPEN;
    f->s.out =
        inner->out == VETCH__HALF_ENDING ? VETCH__HALF_ENDED : inner->out;
    f->reactor = r;
    f->inner = vetch_stream_ref(inner);
    f->filter = filter;
    f->direction = direction;
    f->turn.fn = filter_turn;
    f->tap.fn = take_from_inner;
    f->tap.refused = inner_was_refused;
    f->sink.broken = inner_is_broken;
    if (inner->out == VETCH__HALF_OPEN)
        inner->sink = &f->sink;
    vetch__member_add(r, &f->member, &filter_members);
    return &f->s;
}

vetch_stream *
vetch_stream_filter(vetch_stream *inner, unsigned direction,
                    vetch_filter *filter)
{
    vetch_stream *s = NULL;
    int errnum = ENOMEM;

    if (inner != NULL && filter != NULL) {
        if (!vetch__stream_check_thread(inner))
            errnum = EPERM;
        else
            errnum = why_no_filter(inner, direction);
        if (errnum == 0) {
            s = put_filter(inner, direction, filter);
            errnum = ENOMEM;
        }
    }
    if (s == NULL) {
        if (filter != NULL)
            filter->class_->free(filter);
        errno = errnum;
    }
    return s;
}
