/* Trying again: an operation is started until it succeeds.
 *
 * Either an attempt runs, and `watch` waits for it, or there is a pause, or
 * `fn` is being called; a second timer may run for the deadline of all. What
 * ends it frees all at once, so each way out is through retry_end(). */
#include <vetch/retry.h>

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <time.h>

#include <vetch/error.h>
#include <vetch/reactor.h>

#include "base/check-private.h"
#include "base/error-private.h"
#include "base/options-private.h"
#include "promise/promise-private.h"
#include "promise/retry-private.h"

#define EARLIER_MAX 8

struct retry {
    struct vetch__joint joint;
    vetch_promise *watch; /* of the attempt that runs, or NULL */
    struct vetch__timer pause;
    struct vetch__timer deadline;
    vetch_start_fn fn;
    void *ctx;
    vetch_retry_options options;
    double begun;                      /* when all began, and */
    double attempted;                  /* when the last attempt did */
    double next_seconds;               /* the next pause, before jitter */
    size_t n_attempts;                 /* since all began (anew) */
    vetch_error *earlier[EARLIER_MAX]; /* the oldest first */
    size_t n_earlier;
    bool pausing;
    bool expired;
};

/* ---- jitter ---- */

/* Spreads clients that failed together; nothing depends on its being secret.
 * SplitMix64. */
static double
random_fraction(void)
{
    static __thread uint64_t state;
    uint64_t z;

    if (state == 0) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        state = (uint64_t)t.tv_nsec ^ (uint64_t)t.tv_sec << 30 ^
                (uint64_t)(uintptr_t)&state << 16;
    }
    z = state += 0x9e3779b97f4a7c15U;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    z ^= z >> 31;
    return (double)(z >> 11) * 0x1p-53;
}

double (*vetch__retry_random)(void) = random_fraction;

static double
take_pause(struct retry *rt)
{
    const vetch_retry_options *o = &rt->options;
    double seconds = rt->next_seconds;

    rt->next_seconds = fmin(seconds * o->factor, o->max_seconds);
    return seconds * (1.0 + o->jitter * (2.0 * vetch__retry_random() - 1.0));
}

/* ---- the end ---- */

static void
forget_earlier(struct retry *rt)
{
    while (rt->n_earlier > 0)
        vetch_error_unref(rt->earlier[--rt->n_earlier]);
}

/* Takes `outcome`. */
static void
retry_end(struct retry *rt, vetch_promise *outcome)
{
    vetch_deferred *d = rt->joint.deferred;

    vetch__timer_stop(vetch__reactor, &rt->pause);
    vetch__timer_stop(vetch__reactor, &rt->deadline);
    forget_earlier(rt);
    vetch__free(rt);
    vetch_deferred_follow(d, outcome);
    vetch_deferred_unref(d);
}

/* With what went wrong before. Consumes `error`. */
static void
retry_fail(struct retry *rt, vetch_error *error)
{
    const vetch_error *const *earlier = (const vetch_error *const *)rt->earlier;
    vetch_error *whole = error;

    if (rt->n_earlier > 0) {
        whole = vetch_error_aggregate(error, earlier, rt->n_earlier);
        vetch_error_unref(error);
    }
    retry_end(rt, vetch_rejected(whole));
}

/* `last` may be NULL: not even one attempt ended. Consumes it. */
static void
retry_time_out(struct retry *rt, vetch_error *last)
{
    double seconds = rt->options.total_seconds;
    vetch_error *error;

    if (last == NULL && rt->n_earlier > 0)
        last = rt->earlier[--rt->n_earlier];
    if (last == NULL)
        error =
            vetch_error_new(VETCH_ETIMEDOUT, "not done within %g s", seconds);
    else
        error = vetch_error_wrap_code(last, VETCH_ETIMEDOUT,
                                      "not done within %g s", seconds);
    vetch_error_unref(last);
    retry_fail(rt, error);
}

/* ---- attempts ---- */

static void retry_attempt_settled(void *ctx, vetch_promise *p);

static void
attempt(struct retry *rt)
{
    vetch_promise *p;

    rt->watch = NULL;
    rt->attempted = vetch_now();
    rt->n_attempts++;
    p = rt->fn(rt->ctx);
    if (p == NULL)
        p = &vetch__nothing;
    p = vetch__unless_cycle(p, &rt->joint);
    rt->watch = vetch__join(vetch__reactor, p, retry_attempt_settled, rt);
    if (rt->watch == NULL)
        retry_end(rt, vetch__promises_stop(&p, 1, ENOMEM));
    else if (vetch_deferred_is_canceled(rt->joint.deferred))
        vetch__promise_cancel_node(vetch__reactor, rt->watch);
}

static void
pause_over(struct vetch__timer *timer)
{
    struct retry *rt = vetch__container(timer, struct retry, pause);

    rt->pausing = false;
    attempt(rt);
}

static void
remember(struct retry *rt, vetch_error *error)
{
    if (rt->n_earlier == EARLIER_MAX) {
        vetch_error_unref(rt->earlier[0]);
        for (size_t i = 1; i < EARLIER_MAX; i++)
            rt->earlier[i - 1] = rt->earlier[i];
        rt->n_earlier--;
    }
    rt->earlier[rt->n_earlier++] = error;
}

/* It did well for a while: what was before does not count. */
static void
begin_anew(struct retry *rt)
{
    rt->n_attempts = 0;
    rt->next_seconds = fmin(rt->options.first_seconds, rt->options.max_seconds);
    forget_earlier(rt);
}

/* After a failure that may be tried again. Consumes `error`. */
static void
try_again(struct retry *rt, vetch_error *error)
{
    const vetch_retry_options *o = &rt->options;
    double now = vetch_now(), seconds;

    if (now - rt->attempted >= o->reset_seconds)
        begin_anew(rt);
    if (rt->n_attempts >= o->attempts) {
        retry_fail(rt, error);
        return;
    }
    seconds = take_pause(rt);
    if (now + seconds - rt->begun >= o->total_seconds) {
        retry_time_out(rt, error);
        return;
    }
    remember(rt, error);
    rt->pausing = true;
    if (vetch__timer_start(vetch__reactor, &rt->pause, vetch__seconds(seconds),
                           pause_over) < 0)
        retry_end(rt, &vetch__no_memory);
}

static void
retry_attempt_settled(void *ctx, vetch_promise *p)
{
    struct retry *rt = ctx;
    vetch_error *error;

    rt->watch = NULL;
    if (vetch_promise_state(p) == VETCH_FULFILLED) {
        retry_end(rt, p);
        return;
    }
    error = vetch_error_ref(vetch_promise_error(p));
    if (rt->expired && vetch_error_code(error) == VETCH_ECANCELED &&
        !vetch_deferred_is_canceled(rt->joint.deferred)) {
        vetch_promise_unref(p);
        vetch_error_unref(error);
        retry_time_out(rt, NULL);
        return;
    }
    if (vetch_error_code(error) == VETCH_ECANCELED || vetch__reactor->ending ||
        vetch_deferred_is_canceled(rt->joint.deferred)) {
        vetch_error_unref(error);
        retry_end(rt, p);
        return;
    }
    vetch_promise_unref(p);
    if (rt->expired ||
        (rt->options.again != NULL && !rt->options.again(error, rt->ctx)))
        retry_fail(rt, error);
    else
        try_again(rt, error);
}

static void
retry_expire(struct vetch__timer *timer)
{
    struct retry *rt = vetch__container(timer, struct retry, deadline);

    rt->expired = true;
    if (rt->pausing)
        retry_time_out(rt, NULL);
    else
        vetch__promise_cancel_node(vetch__reactor, rt->watch);
}

static void
cancel_retry(vetch_deferred *d, void *ctx)
{
    struct retry *rt = ctx;

    (void)d;
    if (rt->watch != NULL)
        vetch__promise_cancel_node(vetch__reactor, rt->watch);
    else if (rt->pausing)
        retry_end(rt, &vetch__canceled);
}

static bool
retry_input(const struct vetch__joint *j, const void **cursor,
            vetch_promise **ret_input)
{
    const struct retry *rt = vetch__container(j, struct retry, joint);

    return vetch__only_input(rt->watch, cursor, ret_input);
}

/* ---- the call ---- */

static void
first_attempt(void *ctx, vetch_promise *nothing)
{
    struct retry *rt = ctx;

    (void)nothing; /* an immortal */
    if (vetch__reactor->finishing ||
        vetch_deferred_is_canceled(rt->joint.deferred))
        retry_end(rt, &vetch__canceled);
    else
        attempt(rt);
}

/* False for NaN. */
static bool
retry_options_are_valid(const vetch_retry_options *o)
{
    return o->attempts > 0 && o->first_seconds >= 0 &&
           isfinite(o->first_seconds) && o->factor >= 1 &&
           isfinite(o->factor) && o->max_seconds >= 0 && o->jitter >= 0 &&
           o->jitter <= 1 && o->reset_seconds >= 0 && o->total_seconds >= 0;
}

static int
start_retry(struct retry *rt)
{
    double seconds = rt->options.total_seconds;
    vetch_reactor *r = vetch__reactor;

    if (isfinite(seconds) &&
        vetch__timer_start(r, &rt->deadline, vetch__seconds(seconds),
                           retry_expire) < 0)
        return -1;
    rt->watch = vetch__join(r, &vetch__nothing, first_attempt, rt);
    return rt->watch == NULL ? -1 : 0;
}

vetch_promise *
vetch_retry(vetch_start_fn fn, void *ctx, const vetch_retry_options *options)
{
    struct retry *rt;
    vetch_promise *p;

    VETCH_CHECK(fn != NULL, EINVAL, &vetch__misused);
    rt = vetch__calloc(1, sizeof(*rt));
    if (rt == NULL)
        return &vetch__no_memory;
    rt->options = (vetch_retry_options)VETCH_RETRY_OPTIONS_INIT;
    if (!vetch__options_read(&rt->options, sizeof(rt->options), options) ||
        !retry_options_are_valid(&rt->options)) {
        vetch__free(rt);
        return vetch__failed(EINVAL, "retry");
    }
    rt->fn = fn;
    rt->ctx = ctx;
    if (vetch__joint_start(&rt->joint, cancel_retry, retry_input) == NULL) {
        vetch__free(rt);
        return vetch__failed(errno, "retry");
    }
    p = vetch_deferred_promise(rt->joint.deferred);
    VETCH__NAME(p, "retry");
    begin_anew(rt);
    rt->begun = vetch_now();
    if (start_retry(rt) < 0)
        retry_end(rt, &vetch__no_memory);
    return p;
}
