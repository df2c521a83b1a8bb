/* Streams, as far as they are all alike: the states of the whole, references,
 * and how a stream ends. stream-private.h explains the states. */
#include "stream/stream-private.h"

#include <assert.h>
#include <errno.h>

#include <vetch/descriptor.h>

#include "base/check-private.h"
#include "base/error-private.h"
#include "base/mem-private.h"
#include "promise/watch-private.h"

void
vetch__stream_init(vetch_stream *s, vetch_reactor *r,
                   const struct vetch__stream_kind *kind,
                   const struct vetch__stream_limits *limits)
{
    s->object = (struct vetch__object){ .type = VETCH__STREAM,
                                        .state = VETCH__S_OPEN,
                                        .refs = 1 };
    s->holds = 1;
    s->kind = kind;
    s->reactor = r;
    s->limits = *limits;
    vetch__list_init(&s->waiters);
}

bool
vetch__stream_check_thread(const vetch_stream *s)
{
    return s->reactor == NULL ||
           vetch__check_thread(&s->reactor->owner, "a stream");
}

static void
free_stream(vetch_stream *s)
{
    assert(vetch__list_empty(&s->waiters) && s->read.deferred == NULL);
    vetch__stream_drop_input(s);
    vetch_error_unref(s->error);
    s->kind->free(s);
}

void
vetch__stream_let_go(vetch_stream *s)
{
    assert(s->holds > 0);
    if (--s->holds == 0 && s->object.refs == 0)
        free_stream(s);
}

void
vetch__stream_set_error(vetch_stream *s, vetch_error *error)
{
    if (s->error == NULL)
        s->error = error;
    else
        vetch_error_unref(error);
}

vetch_error *
vetch__stream_cause(const vetch_stream *s)
{
    if (s->error != NULL)
        return vetch_error_ref(s->error);
    return vetch_error_from_errno(ECONNABORTED, "%s", vetch_stream_peer(s));
}

/* ---- what the kind has to tell ---- */

static void
break_half(uint8_t *half)
{
    if (*half < VETCH__HALF_ENDED)
        *half = VETCH__HALF_BROKEN;
}

static void
end_half(uint8_t *half)
{
    if (*half < VETCH__HALF_ENDED)
        *half = VETCH__HALF_ENDED;
}

/* Those who wait for the writing half hear what has become of it. */
static void
wake_writers(vetch_stream *s)
{
    bool lost =
        s->out == VETCH__HALF_BROKEN || (s->flags & VETCH__S_LOST_WRITE) != 0;

    if (!lost && s->out < VETCH__HALF_ENDED)
        return;
    if (s->sink != NULL && lost)
        s->sink->broken(s->sink, vetch__stream_cause(s));
    vetch__stream_wake(s, VETCH__WAIT_DRAIN, lost ? s->error : NULL);
    vetch__stream_wake(s, VETCH__WAIT_END, lost ? s->error : NULL);
}

void
vetch__stream_ended(vetch_stream *s)
{
    end_half(&s->in);
    vetch__stream_moved(s);
    vetch__stream_try_read(s, s->input);
}

void
vetch__stream_end_done(vetch_stream *s)
{
    vetch__stream_moved(s);
    if (s->out != VETCH__HALF_ENDING)
        return;
    s->out = VETCH__HALF_ENDED;
    wake_writers(s);
}

void
vetch__stream_write_failed(vetch_stream *s, const vetch_error *reason)
{
    vetch__stream_set_error(s, vetch_error_ref(reason));
    break_half(&s->out);
    wake_writers(s);
}

void
vetch__stream_drained(vetch_stream *s)
{
    s->flags &= (uint8_t)~VETCH__S_DRAINING;
    vetch__stream_moved(s);
    vetch__stream_wake(s, VETCH__WAIT_DRAIN, NULL);
}

void
vetch__stream_over(vetch_stream *s, const vetch_error *reason)
{
    if (s->object.state == VETCH__S_OVER)
        return;
    s->object.state = VETCH__S_OVER;
    if (reason != NULL) {
        vetch__stream_set_error(s, vetch_error_ref(reason));
        break_half(&s->in);
        break_half(&s->out);
    } else {
        end_half(&s->in);
        end_half(&s->out);
    }
    vetch__stream_idle_free(s);
    s->reactor = NULL; /* which may end before what was received is read */
    vetch__stream_try_read(s, s->input);
    wake_writers(s);
    vetch__stream_wake(s, VETCH__WAIT_CLOSE, s->error);
}

/* ---- ending ---- */

void
vetch__stream_break(vetch_stream *s, vetch_error *error)
{
    if (s->object.state == VETCH__S_OVER) {
        vetch_error_unref(error);
        return;
    }
    vetch__stream_hold(s);
    vetch__stream_set_error(s, error);
    break_half(&s->in);
    break_half(&s->out);
    s->object.state = VETCH__S_CLOSING;
    vetch__stream_try_read(s, s->input);
    wake_writers(s);
    s->kind->abort(s);
    vetch__stream_let_go(s);
}

void
vetch__stream_break_half(vetch_stream *s, unsigned direction,
                         vetch_error *error)
{
    vetch__stream_hold(s);
    vetch__stream_set_error(s, error);
    if (direction == VETCH_READABLE) {
        if (s->in <= VETCH__HALF_BROKEN)
            s->in = VETCH__HALF_BROKEN;
        vetch__stream_try_read(s, s->input);
    } else {
        break_half(&s->out);
        s->flags |= VETCH__S_LOST_WRITE;
        wake_writers(s);
    }
    vetch__stream_let_go(s);
}

void
vetch_stream_abort(vetch_stream *s)
{
    VETCH_CHECK(s != NULL, EINVAL, );
    if (!vetch__stream_check_thread(s) || s->object.state == VETCH__S_OVER)
        return;
    vetch__stream_hold(s);
    vetch__stream_drop_input(s);
    if (s->in == VETCH__HALF_ENDED)
        s->in = VETCH__HALF_BROKEN;
    vetch__stream_break(
        s, vetch_error_from_errno(ECONNABORTED, "%s", vetch_stream_peer(s)));
    vetch__stream_let_go(s);
}

/* Nothing will be read any more: what is pending ends with `error`, which is
 * consumed. Flush what is queued, unless something that
 * should have been queued before it was lost: then the other side must not
 * take what it got for the whole. */
static void
start_closing(vetch_stream *s, vetch_error *error)
{
    s->object.state = VETCH__S_CLOSING;
    s->flags |= VETCH__S_CLOSED;
    end_half(&s->in);
    if (s->sink != NULL)
        s->sink->broken(s->sink, vetch_error_ref(error));
    vetch__stream_refuse_read(s, error);
    vetch__stream_drop_input(s);
    if (s->flags & VETCH__S_LOST_WRITE) {
        s->kind->abort(s);
        return;
    }
    if (s->out == VETCH__HALF_OPEN)
        s->out = VETCH__HALF_ENDING;
    s->kind->close(s);
}

vetch_promise *
vetch_stream_close(vetch_stream *s)
{
    vetch_promise *p;

    VETCH_CHECK(s != NULL, EINVAL, &vetch__misused);
    if (!vetch__stream_check_thread(s))
        return &vetch__misused;
    if (s->object.state == VETCH__S_OVER)
        return s->error == NULL ? vetch_resolved(NULL, NULL)
                                : vetch_rejected(vetch__stream_cause(s));
    vetch__stream_hold(s);
    if (s->object.state == VETCH__S_OPEN)
        start_closing(s,
                      vetch_error_new(VETCH_ECLOSED, "the stream was closed"));
    if (s->object.state == VETCH__S_OVER)
        p = vetch_stream_close(s);
    else
        p = vetch__stream_wait(s, VETCH__WAIT_CLOSE);
    vetch__stream_let_go(s);
    return p;
}

vetch_stream *
vetch_stream_ref(vetch_stream *s)
{
    if (s != NULL)
        s->object.refs++;
    return s;
}

/* Nobody holds it any more, and nobody has closed it. */
static void
release_open_stream(vetch_stream *s)
{
    vetch_error *e;

    if (s->out < VETCH__HALF_ENDED && s->kind->pending(s) > 0) {
        vetch_stream_abort(s);
        return;
    }
    e = vetch_error_from_errno(ECONNABORTED, "the stream was released");
    vetch__stream_wake(s, VETCH__WAIT_DRAIN, e);
    vetch__stream_wake(s, VETCH__WAIT_END, e);
    start_closing(s, e);
}

vetch_stream *
vetch_stream_unref(vetch_stream *s)
{
    if (s == NULL || --s->object.refs > 0)
        return NULL;
    vetch__stream_hold(s);
    if (s->object.state != VETCH__S_OVER && s->kind->release != NULL)
        s->kind->release(s);
    else if (s->object.state == VETCH__S_OPEN)
        release_open_stream(s);
    vetch__stream_let_go(s);
    return NULL;
}

/* ---- looking ---- */

uint64_t
vetch_stream_bytes_read(const vetch_stream *s)
{
    VETCH_CHECK(s != NULL, EINVAL, 0);
    return s->bytes_read;
}

uint64_t
vetch_stream_bytes_written(const vetch_stream *s)
{
    VETCH_CHECK(s != NULL, EINVAL, 0);
    return s->bytes_written;
}

const vetch_error *
vetch_stream_error(const vetch_stream *s)
{
    VETCH_CHECK(s != NULL, EINVAL, NULL);
    return s->error;
}

const char *
vetch_stream_peer(const vetch_stream *s)
{
    VETCH_CHECK(s != NULL, EINVAL, "");
    return s->kind->name_of != NULL ? s->kind->name_of(s, true) : "";
}

const char *
vetch_stream_local(const vetch_stream *s)
{
    VETCH_CHECK(s != NULL, EINVAL, "");
    return s->kind->name_of != NULL ? s->kind->name_of(s, false) : "";
}
