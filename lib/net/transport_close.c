/* How a transport ends: in good order, late, or at once.
 *
 * Closing flushes what is queued, tells the peer, and then reads on for a
 * while: a socket that is closed with unread input resets the connection, and
 * the peer may lose what the kernel has accepted for it.
 *
 * Time is measured in progress. A peer that takes what it is sent at the
 * minimum rate or faster gets all of it, however long that takes; one that does
 * not is given up when the close timeout has passed since the last look. What
 * counts is what the peer's kernel has confirmed. Looks cost a system call and
 * are taken by the timer alone, so a connection whose bytes leave at once is
 * never looked at:
 *
 *   CLOSING    not all was handed to the kernel: looked at once per timeout
 *   LINGERING  all was, and the end of the stream too. The first look, after
 *              the time for lingering, mostly finds everything confirmed, and
 *              the descriptor is closed; otherwise (WATCHED) the peer is looked
 *              at once per timeout until it is, and lingered for once more
 *
 * A descriptor is closed with a reset only when the peer is too slow, on an
 * abort, and after errors. */
#include "net/transport-private.h"

#include <errno.h>

#include "base/check-private.h"

/* In `mark`: nobody has looked yet. */
#define NOT_LOOKED UINT64_MAX

/* ---- over ---- */

/* Whether bytes or operations go down with it. */
static bool
loses_something(vetch_transport *t)
{
    return vetch__transport_pending(t) > 0 ||
           vetch__own_scope_count(t->scope) > 0 || t->kind->unsent(t);
}

static void
drop_output(vetch_transport *t)
{
    if (vetch__transport_pending(t) > 0)
        t->flags |= VETCH__T_LOST_OUTPUT;
    vetch__output_clear(t->reactor, &t->output);
}

void
vetch__transport_over(vetch_transport *t, vetch_error *reason, bool reset)
{
    if (vetch__transport_state(t) >= VETCH__T_OVER) {
        vetch_error_unref(reason);
        return;
    }
    if (t->reason == NULL)
        t->reason = reason;
    else
        vetch_error_unref(reason);
    if (t->reason != NULL && t->listener != NULL &&
        vetch__listener_is_stopping(t->listener) && loses_something(t))
        t->flags |= VETCH__T_CUT;
    t->object.state = VETCH__T_OVER;
    t->in = VETCH__IN_ENDED;
    if (t->out != VETCH__OUT_ENDED)
        t->out = VETCH__OUT_BROKEN;
    vetch__timer_stop(t->reactor, &t->timer);
    t->kind->stop(t, reset);
    vetch__transport_attend_later(t);
    drop_output(t); /* last: it frees things */
}

void
vetch__transport_write_failed(vetch_transport *t, int errnum)
{
    vetch_error *e =
        vetch_error_from_errno(errnum, "write to %s", vetch_transport_peer(t));
    bool tells =
        t->protocol != NULL && t->protocol->class_->write_failed != NULL;

    /* The peer may have answered before it went away: read that first, if
     * somebody reads or knows that there is only that left. */
    if ((errnum != EPIPE && errnum != ECONNRESET) ||
        vetch__transport_state(t) > VETCH__T_OPEN || t->in == VETCH__IN_ENDED ||
        ((t->flags & VETCH__T_PAUSED) != 0 && !tells)) {
        vetch__transport_over(t, e, false);
        return;
    }
    t->reason = e;
    t->out = VETCH__OUT_BROKEN;
    if (tells) {
        t->flags |= VETCH__T_TELL_BROKEN;
        vetch__transport_attend_later(t);
    }
    drop_output(t);
}

void
vetch__transport_file_failed(vetch_transport *t, int errnum)
{
    vetch_error *e =
        errnum != 0
            ? vetch_error_from_errno(errnum, "read what was to be sent to %s",
                                     vetch_transport_peer(t))
            : vetch_error_new(VETCH_ETRUNCATED,
                              "a file is shorter than what was to be sent of "
                              "it");

    vetch__transport_over(t, e, true);
}

/* ---- looking at the peer ---- */

static void look_at_peer(struct vetch__timer *timer);

/* Look again after `ns`. Without a timer nobody would. */
static void
look_after(vetch_transport *t, uint64_t ns)
{
    if (vetch__timer_start(t->reactor, &t->timer, ns, look_at_peer) < 0)
        vetch__transport_over(t, vetch_error_new(VETCH_ENOMEM, "close"), true);
}

/* Whether the peer has taken enough in the time of a look. The kernel counts
 * its own overhead as well, so that what is underway may even grow. */
static bool
keeps_up(vetch_transport *t, uint64_t underway)
{
    double seconds = (double)t->limits->close_ns / 1e9;

    return underway < t->mark &&
           (double)(t->mark - underway) >= t->limits->min_rate * seconds;
}

/* A timeout has passed since the last look. */
static void
judge_peer(vetch_transport *t)
{
    uint64_t underway = vetch__transport_underway(t);

    if (keeps_up(t, underway)) {
        t->mark = underway;
        look_after(t, t->limits->close_ns);
        return;
    }
    vetch__transport_over(
        t,
        vetch_error_new(VETCH_ETIMEDOUT,
                        "close %s: the peer is too slow, %llu bytes are left",
                        vetch_transport_peer(t), (unsigned long long)underway),
        true);
}

static uint64_t
linger_time(const vetch_transport *t)
{
    const struct vetch__limits *l = t->limits;

    return l->linger_ns < l->close_ns ? l->linger_ns : l->close_ns;
}

static void
look_at_lingering(vetch_transport *t)
{
    bool watched = (t->flags & VETCH__T_WATCHED) != 0;

    if (t->kind->unsent(t)) {
        t->flags |= VETCH__T_WATCHED;
        if (watched) {
            judge_peer(t);
        } else {
            t->mark = vetch__transport_underway(t);
            look_after(t, t->limits->close_ns);
        }
    } else if (watched && t->in == VETCH__IN_OPEN &&
               (t->flags & VETCH__T_PAUSED) == 0) {
        t->flags &= (uint16_t)~VETCH__T_WATCHED;
        look_after(t, linger_time(t));
    } else {
        vetch__transport_over(t, NULL, false);
    }
}

static void
look_at_peer(struct vetch__timer *timer)
{
    vetch_transport *t = vetch__container(timer, vetch_transport, timer);

    if (vetch__transport_state(t) == VETCH__T_LINGERING)
        look_at_lingering(t);
    else
        judge_peer(t);
}

/* ---- closing ---- */

/* All is with the kernel. If the peer can send no more, or nobody waits for it
 * to end, the kernel does the rest; but not as long as input, which would
 * reset the connection, could overtake what it has accepted. */
static void
linger_for_peer(vetch_transport *t)
{
    bool wait = (t->flags & VETCH__T_PAUSED) == 0 && linger_time(t) > 0;

    t->object.state = VETCH__T_LINGERING;
    if (t->in == VETCH__IN_ENDED || t->out == VETCH__OUT_BROKEN ||
        t->limits->close_ns == 0 || t->kind->parts)
        vetch__transport_over(t, NULL, false);
    else if (wait)
        look_after(t, linger_time(t));
    else
        look_at_lingering(t);
}

void
vetch__transport_close_goes_on(vetch_transport *t)
{
    if (t->out >= VETCH__OUT_ENDED)
        linger_for_peer(t);
    else if (t->mark == NOT_LOOKED)
        t->mark = vetch__transport_underway(t);
}

void
vetch__transport_drop_input(vetch_transport *t, vetch_buffer *shared)
{
    size_t len = vetch_buffer_len(shared);

    vetch_buffer_clear(shared);
    if (len <= t->limits->linger_bytes &&
        t->dropped <= t->limits->linger_bytes - len) {
        t->dropped += (uint32_t)len;
        return;
    }
    t->flags |= VETCH__T_PAUSED;
    if (vetch__transport_state(t) == VETCH__T_LINGERING &&
        (t->flags & VETCH__T_WATCHED) == 0)
        look_at_lingering(t);
}

void
vetch_transport_close(vetch_transport *t)
{
    VETCH_CHECK(t != NULL, EINVAL, );
    if (!vetch__transport_check_thread(t) ||
        vetch__transport_state(t) >= VETCH__T_CLOSING)
        return;
    if ((t->flags & VETCH__T_ACTIVE) == 0) {
        t->flags |= VETCH__T_ACTIVE;
        vetch_transport_ref(t);
    }
    t->object.state = VETCH__T_CLOSING;
    t->flags &= (uint16_t)~VETCH__T_PAUSED;
    t->mark = NOT_LOOKED;
    if (t->out == VETCH__OUT_OPEN)
        t->out = VETCH__OUT_ENDING;
    vetch__transport_give_input_back(t);
    look_after(t, t->limits->close_ns);
    if (vetch__transport_state(t) < VETCH__T_OVER)
        vetch__transport_attend_later(t);
}

int
vetch_transport_end(vetch_transport *t)
{
    VETCH_CHECK(t != NULL, EINVAL, -1);
    if (!vetch__transport_check_thread(t))
        return -1;
    if (t->out != VETCH__OUT_OPEN) {
        errno = EPIPE;
        return -1;
    }
    t->out = VETCH__OUT_ENDING;
    vetch__transport_attend_later(t);
    return 0;
}

/* ---- at once ---- */

void
vetch_transport_abort(vetch_transport *t)
{
    VETCH_CHECK(t != NULL, EINVAL, );
    if (!vetch__transport_check_thread(t) ||
        vetch__transport_state(t) >= VETCH__T_OVER)
        return;
    vetch_transport_ref(t);
    vetch__transport_over(
        t, vetch_error_from_errno(ECONNABORTED, "%s", vetch_transport_peer(t)),
        true);
    vetch_transport_unref(t);
}

void
vetch__transport_cut(vetch_transport *t)
{
    if (vetch__transport_state(t) >= VETCH__T_OVER)
        return;
    if (vetch__transport_state(t) == VETCH__T_LINGERING) {
        vetch__transport_over(t, NULL, false); /* the kernel does the rest */
        return;
    }
    t->flags |= VETCH__T_CUT;
    vetch__transport_over(
        t, vetch_error_new(VETCH_ECLOSED, "the listener has stopped"), true);
}
