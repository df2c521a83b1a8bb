/* The public timers. While one is running the reactor holds a reference to
 * it, so that it fires whether or not its owner still cares. */

#include "reactor/timer-private.h"

#include <errno.h>

#include <vetch/log.h>
#include <vetch/timer.h>

#include "base/check-private.h"

/* In object.flags. */
enum { BACKGROUND = 1 };

struct vetch_timer {
    struct vetch__object object;
    struct vetch__timer timer;
    struct vetch__timers *timers;
    uint64_t interval; /* ns; 0: once */
    vetch_timer_fn fn;
    void *ctx;
    vetch_free_fn free_ctx;
};

static void timer_fire(struct vetch__timer *timer);

static vetch_timer *
timer_object(struct vetch__timer *timer)
{
    return vetch__container(timer, vetch_timer, timer);
}

/* The first of n * interval, counted from the expiry that was due, that is
 * still to come. */
static uint64_t
timer_next_expiry(const vetch_timer *t, uint64_t now)
{
    uint64_t next = t->timer.deadline + t->interval;

    if (next <= now)
        next += ((now - next) / t->interval + 1) * t->interval;
    return next;
}

/* There is room in the heap, which it has just left, unless others took it. */
static void
timer_fire_again(vetch_reactor *r, vetch_timer *t, uint64_t now)
{
    if (vetch__timer_heap_reserve(&r->timers->heap) < 0) {
        vetch_log(VETCH_LOG_ERROR, "a periodic timer stops: out of memory");
        return;
    }
    vetch_timer_ref(t);
    vetch__timer_start_at(r, &t->timer, timer_next_expiry(t, now), timer_fire);
}

static void
timer_fire(struct vetch__timer *timer)
{
    vetch_timer *t = timer_object(timer);
    vetch_reactor *r = t->timers->reactor;
    const void *fn = (const void *)(uintptr_t)t->fn;
    uint64_t now = vetch__clock_fresh(r);

    if (t->interval > 0) /* first, so that fn can cancel or restart it */
        timer_fire_again(r, t, now);
    t->fn(t, t->ctx);
    if (r->debug)
        vetch__slow_check(r, fn, now);
    vetch_timer_unref(t); /* of the running timer that this was */
}

void
vetch__timer_canceled(struct vetch__timer *timer)
{
    if (timer->fn == timer_fire)
        vetch_timer_unref(timer_object(timer));
}

const void *
vetch__timer_function(const struct vetch__timer *t)
{
    if (t->fn != timer_fire)
        return (const void *)(uintptr_t)t->fn;
    return (const void *)(uintptr_t)vetch__container(t, const vetch_timer,
                                                     timer)
        ->fn;
}

static void
look_whether_alive(const struct vetch__timer *t, void *ctx)
{
    bool *alive = ctx;

    if (t->fn == timer_fire &&
        vetch__container(t, const vetch_timer, timer)->object.flags !=
            BACKGROUND)
        *alive = true;
}

bool
vetch__timers_alive(vetch_reactor *r)
{
    bool alive = false;

    vetch__timers_each(r, look_whether_alive, &alive);
    return alive;
}

static inline int
timer_check_start(const vetch_reactor *r, double seconds)
{
    if (r == NULL || !vetch__check_thread(&r->owner, "a timer"))
        return EPERM;
    if (!(seconds >= 0)) /* true for NaN, too */
        return EINVAL;
    return r->ending ? ECANCELED : 0;
}

static vetch_timer *
timer_make(double seconds, uint64_t interval, vetch_timer_fn fn, void *ctx,
           vetch_free_fn free_ctx)
{
    vetch_reactor *r = vetch__reactor;
    vetch_timer *t;
    int wrong = timer_check_start(r, seconds);

    if (wrong != 0) {
        errno = wrong;
        return NULL;
    }
    t = vetch__calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    if (vetch__timer_start(r, &t->timer, vetch__seconds(seconds), timer_fire) <
        0) {
        vetch__free(t);
        return NULL;
    }
    t->object = (struct vetch__object){ .type = VETCH__TIMER, .refs = 2 };
    t->timers = vetch__timers_ref(r);
    t->interval = interval;
    t->fn = fn;
    t->ctx = ctx;
    t->free_ctx = free_ctx;
    return t;
}

vetch_timer *
vetch_timer_new(double seconds, vetch_timer_fn fn, void *ctx)
{
    return vetch_timer_new_owned(seconds, fn, ctx, NULL);
}

vetch_timer *
vetch_timer_new_owned(double seconds, vetch_timer_fn fn, void *ctx,
                      vetch_free_fn free_ctx)
{
    VETCH_CHECK(fn != NULL, EINVAL, NULL);
    return timer_make(seconds, 0, fn, ctx, free_ctx);
}

vetch_timer *
vetch_timer_new_periodic(double seconds, vetch_timer_fn fn, void *ctx)
{
    return vetch_timer_new_periodic_owned(seconds, fn, ctx, NULL);
}

vetch_timer *
vetch_timer_new_periodic_owned(double seconds, vetch_timer_fn fn, void *ctx,
                               vetch_free_fn free_ctx)
{
    VETCH_CHECK(fn != NULL, EINVAL, NULL);
    if (seconds == 0) {
        errno = EINVAL;
        return NULL;
    }
    return timer_make(seconds, vetch__seconds(seconds), fn, ctx, free_ctx);
}

int
vetch_timer_restart(vetch_timer *t, double seconds)
{
    vetch_reactor *r;
    int wrong;

    VETCH_CHECK(t != NULL, EINVAL, -1);
    r = t->timers->reactor;
    wrong = r == NULL ? ECANCELED : timer_check_start(r, seconds);
    if (wrong == 0 && t->interval > 0 && seconds == 0)
        wrong = EINVAL;
    if (wrong != 0) {
        errno = wrong;
        return -1;
    }
    if (vetch__timer_heap_reserve(&r->timers->heap) < 0)
        return -1;
    if (!vetch__timer_active(&t->timer))
        vetch_timer_ref(t);
    if (t->interval > 0)
        t->interval = vetch__seconds(seconds);
    return vetch__timer_start(r, &t->timer, vetch__seconds(seconds),
                              timer_fire);
}

void
vetch_timer_cancel(vetch_timer *t)
{
    vetch_reactor *r;

    VETCH_CHECK(t != NULL, EINVAL, );
    if (!vetch__timer_active(&t->timer))
        return;
    r = t->timers->reactor;
    if (!vetch__check_thread(&r->owner, "a timer"))
        return;
    vetch__timer_stop(r, &t->timer);
    vetch_timer_unref(t);
}

void
vetch_timer_set_background(vetch_timer *t, bool on)
{
    VETCH_CHECK(t != NULL, EINVAL, );
    t->object.flags = on ? BACKGROUND : 0;
}

bool
vetch_timer_is_active(const vetch_timer *t)
{
    VETCH_CHECK(t != NULL, EINVAL, false);
    return vetch__timer_active(&t->timer);
}

vetch_timer *
vetch_timer_ref(vetch_timer *t)
{
    if (t != NULL)
        t->object.refs++;
    return t;
}

vetch_timer *
vetch_timer_unref(vetch_timer *t)
{
    if (t == NULL || --t->object.refs > 0 ||
        vetch__reactor_is_inherited(t->timers->reactor))
        return NULL;
    vetch__timers_unref(t->timers);
    if (t->free_ctx != NULL)
        t->free_ctx(t->ctx);
    vetch__free(t);
    return NULL;
}
