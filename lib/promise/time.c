/* Promises and time: sleep, timeout and repeat. */
#include <vetch/combinators.h>

#include <errno.h>
#include <math.h>

#include <vetch/reactor.h>

#include "base/check-private.h"
#include "base/error-private.h"
#include "promise/promise-private.h"

/* ---- sleep ---- */

struct sleeper {
    struct vetch__timer timer;
    vetch_deferred *deferred;
};

static void
sleeper_end(struct sleeper *s)
{
    vetch_deferred_unref(s->deferred);
    vetch__free(s);
}

static void
awake(struct vetch__timer *timer)
{
    struct sleeper *s = vetch__container(timer, struct sleeper, timer);

    vetch_deferred_resolve(s->deferred, NULL, NULL);
    sleeper_end(s);
}

static void
cancel_sleep(vetch_deferred *d, void *ctx)
{
    struct sleeper *s = ctx;

    vetch__timer_stop(vetch__reactor, &s->timer);
    vetch_deferred_cancel(d);
    sleeper_end(s);
}

/* Infinity is no limit: nothing is started. */
static int
start_timer(struct vetch__timer *timer, double seconds,
            void (*fn)(struct vetch__timer *self))
{
    if (isinf(seconds))
        return 0;
    return vetch__timer_start(vetch__reactor, timer, vetch__seconds(seconds),
                              fn);
}

static bool
valid_seconds(double seconds)
{
    return seconds >= 0; /* false for NaN */
}

vetch_promise *
vetch_sleep(double seconds)
{
    struct sleeper *s;
    vetch_promise *p;

    if (!valid_seconds(seconds))
        return vetch__failed(EINVAL, "sleep");
    s = vetch__calloc(1, sizeof(*s));
    if (s == NULL)
        return &vetch__no_memory;
    s->deferred = vetch_deferred_new(cancel_sleep, s);
    if (s->deferred == NULL) {
        vetch__free(s);
        return vetch__failed(errno, "sleep");
    }
    p = vetch_deferred_promise(s->deferred);
    VETCH__NAME(p, "sleep of %g s", seconds);
    if (start_timer(&s->timer, seconds, awake) < 0) {
        vetch_deferred_reject(s->deferred, NULL);
        sleeper_end(s);
    }
    return p;
}

/* ---- timeout ---- */

struct timeout {
    struct vetch__joint joint;
    struct vetch__timer timer;
    vetch_promise *watch;
    double seconds;
    bool expired; /* the cancel that we sent is ours to convert */
};

static bool
is_canceled(vetch_promise *p)
{
    return vetch_promise_state(p) == VETCH_REJECTED &&
           vetch_error_code(vetch_promise_error(p)) == VETCH_ECANCELED;
}

static void
timed_settled(void *ctx, vetch_promise *p)
{
    struct timeout *t = ctx;
    vetch_deferred *d = t->joint.deferred;

    vetch__timer_stop(vetch__reactor, &t->timer);
    /* A value that comes after our cancel is one by now: rule 9. */
    if (t->expired && !vetch_deferred_is_canceled(d) && is_canceled(p)) {
        vetch_promise_unref(p);
        vetch_deferred_reject(d, vetch_error_new(VETCH_ETIMEDOUT,
                                                 "timed out after %g s",
                                                 t->seconds));
    } else {
        vetch_deferred_follow(d, p);
    }
    vetch__free(t);
    vetch_deferred_unref(d);
}

static void
expire(struct vetch__timer *timer)
{
    struct timeout *t = vetch__container(timer, struct timeout, timer);

    t->expired = true;
    vetch__promise_cancel_node(vetch__reactor, t->watch);
}

static void
cancel_timed(vetch_deferred *d, void *ctx)
{
    struct timeout *t = ctx;

    (void)d;
    vetch__promise_cancel_node(vetch__reactor, t->watch);
}

static bool
timed_input(const struct vetch__joint *j, const void **cursor,
            vetch_promise **ret_input)
{
    const struct timeout *t = vetch__container(j, struct timeout, joint);

    return vetch__only_input(t->watch, cursor, ret_input);
}

vetch_promise *
vetch_timeout(vetch_promise *p, double seconds)
{
    vetch_reactor *r = vetch__reactor;
    struct timeout *t;
    vetch_promise *timed;

    p = VETCH__GIVEN(p);
    if (!valid_seconds(seconds))
        return vetch__promises_stop(&p, 1, EINVAL);
    t = vetch__calloc(1, sizeof(*t));
    if (t == NULL)
        return vetch__promises_stop(&p, 1, ENOMEM);
    t->seconds = seconds;
    if (vetch__joint_start(&t->joint, cancel_timed, timed_input) == NULL) {
        vetch__free(t);
        return vetch__promises_stop(&p, 1, errno);
    }
    timed = vetch_deferred_promise(t->joint.deferred);
    VETCH__NAME(timed, "timeout of %g s", seconds);
    t->watch = vetch__join(r, p, timed_settled, t);
    if (t->watch == NULL || start_timer(&t->timer, seconds, expire) < 0)
        goto fail;
    return timed;
fail:
    if (t->watch == NULL) {
        vetch_deferred_follow(t->joint.deferred,
                              vetch__promises_stop(&p, 1, ENOMEM));
        vetch_deferred_unref(t->joint.deferred);
        vetch__free(t);
    } else { /* without a timer: stop, and say why when it has stopped */
        timed->object.flags |= VETCH__NO_MEMORY;
        vetch__promise_cancel_node(r, t->watch);
    }
    return timed;
}

vetch_promise *
vetch_deadline(vetch_promise *p, double when)
{
    double left = when - vetch_now();

    p = VETCH__GIVEN(p);
    return vetch_timeout(p, left < 0 ? 0 : left); /* which refuses NaN */
}

/* ---- repeat ---- */

struct repeat {
    struct vetch__joint joint;
    vetch_promise *watch; /* of the step that runs, or NULL */
    vetch_start_fn fn;
    void *ctx;
};

static void
repeat_end(struct repeat *rep, vetch_promise *outcome)
{
    vetch_deferred *d = rep->joint.deferred;

    vetch__free(rep);
    vetch_deferred_follow(d, outcome);
    vetch_deferred_unref(d);
}

static void step_settled(void *ctx, vetch_promise *p);

static void
step(struct repeat *rep)
{
    vetch_promise *p;

    rep->watch = NULL;
    p = rep->fn(rep->ctx);
    if (p == NULL)
        p = &vetch__nothing;
    p = vetch__unless_cycle(p, &rep->joint);
    rep->watch = vetch__join(vetch__reactor, p, step_settled, rep);
    if (rep->watch == NULL)
        repeat_end(rep, vetch__promises_stop(&p, 1, ENOMEM));
    else if (vetch_deferred_is_canceled(rep->joint.deferred))
        vetch__promise_cancel_node(vetch__reactor, rep->watch);
}

static void
step_settled(void *ctx, vetch_promise *p)
{
    struct repeat *rep = ctx;

    if (vetch_promise_state(p) == VETCH_REJECTED ||
        vetch__outcome(p)->u.value.data != NULL)
        repeat_end(rep, p);
    else if (vetch__reactor->finishing ||
             vetch_deferred_is_canceled(rep->joint.deferred))
        repeat_end(rep, &vetch__canceled);
    else {
        vetch_promise_unref(p);
        step(rep);
    }
}

static void
cancel_repeat(vetch_deferred *d, void *ctx)
{
    struct repeat *rep = ctx;

    (void)d;
    if (rep->watch != NULL)
        vetch__promise_cancel_node(vetch__reactor, rep->watch);
}

static bool
repeat_input(const struct vetch__joint *j, const void **cursor,
             vetch_promise **ret_input)
{
    const struct repeat *rep = vetch__container(j, struct repeat, joint);

    return vetch__only_input(rep->watch, cursor, ret_input);
}

vetch_promise *
vetch_repeat(vetch_start_fn fn, void *ctx)
{
    struct repeat *rep;
    vetch_promise *p;

    VETCH_CHECK(fn != NULL, EINVAL, &vetch__misused);
    rep = vetch__calloc(1, sizeof(*rep));
    if (rep == NULL)
        return &vetch__no_memory;
    rep->fn = fn;
    rep->ctx = ctx;
    if (vetch__joint_start(&rep->joint, cancel_repeat, repeat_input) == NULL) {
        vetch__free(rep);
        return vetch__failed(errno, "repeat");
    }
    p = vetch_deferred_promise(rep->joint.deferred);
    VETCH__NAME(p, "repeat");
    rep->watch =
        vetch__join(vetch__reactor, &vetch__nothing, step_settled, rep);
    if (rep->watch == NULL)
        repeat_end(rep, &vetch__no_memory);
    return p;
}
