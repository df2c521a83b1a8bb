/* A limit on how long a stream may stand still while somebody waits for it.
 *
 * What moves stores the time; one timer looks now and then whether that was too
 * long ago. Of output the kind says only how much is left: if that has changed
 * since the last look, it has moved. */
#include "stream/stream-private.h"

#include <errno.h>
#include <math.h>

#include "base/check-private.h"
#include "base/mem-private.h"

struct vetch__stream_idle {
    struct vetch__timer timer;
    vetch_stream *stream;
    uint64_t limit; /* ns */
    uint64_t moved; /* when */
    uint64_t pending;
};

void
vetch__stream_idle_free(vetch_stream *s)
{
    if (s->idle == NULL)
        return;
    vetch__timer_stop(s->reactor, &s->idle->timer);
    vetch__free(s->idle);
    s->idle = NULL;
}

void
vetch__stream_moved_now(vetch_stream *s)
{
    s->idle->moved = vetch__clock_now(s->reactor);
}

static bool
idle_somebody_waits(const vetch_stream *s)
{
    return s->read.deferred != NULL || s->tap != NULL || s->sink != NULL ||
           !vetch__list_empty(&s->waiters);
}

static void look_at_idle(struct vetch__timer *timer);

static void
look_again(struct vetch__stream_idle *idle, uint64_t ns)
{
    vetch_stream *s = idle->stream;

    if (vetch__timer_start(s->reactor, &idle->timer, ns, look_at_idle) < 0)
        vetch__stream_break(s, vetch_error_new(VETCH_ENOMEM, "idle timer"));
}

static void
look_at_idle(struct vetch__timer *timer)
{
    struct vetch__stream_idle *idle =
        vetch__container(timer, struct vetch__stream_idle, timer);
    vetch_stream *s = idle->stream;
    uint64_t now = vetch__clock_now(s->reactor), pending = s->kind->pending(s);

    if (pending != idle->pending || !idle_somebody_waits(s))
        idle->moved = now;
    idle->pending = pending;
    if (now - idle->moved < idle->limit)
        look_again(idle, idle->limit - (now - idle->moved));
    else
        vetch__stream_break(s, vetch_error_new(VETCH_ETIMEDOUT,
                                               "%s: nothing moved for %g s",
                                               vetch_stream_peer(s),
                                               (double)idle->limit / 1e9));
}

int
vetch_stream_set_idle(vetch_stream *s, double seconds)
{
    struct vetch__stream_idle *idle;

    VETCH_CHECK(s != NULL, EINVAL, -1);
    if (!vetch__stream_check_thread(s))
        return -1;
    if (!(seconds > 0)) {
        errno = EINVAL;
        return -1;
    }
    vetch__stream_idle_free(s);
    if (seconds > 1e9 || s->object.state == VETCH__S_OVER)
        return 0;
    idle = vetch__calloc(1, sizeof(*idle));
    if (idle == NULL)
        return -1;
    idle->stream = s;
    idle->limit = (uint64_t)(seconds * 1e9);
    idle->moved = vetch__clock_now(s->reactor);
    if (vetch__timer_start(s->reactor, &idle->timer, idle->limit,
                           look_at_idle) < 0) {
        vetch__free(idle);
        return -1;
    }
    s->idle = idle;
    return 0;
}
