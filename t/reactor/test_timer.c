/* Timers: when they fire, when they must not, and what happens to what they
 * hold. */

#include "support/harness.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "reactor/timer-private.h"

struct tk_probe {
    int fired;
    int freed;
    vetch_timer *timer;
    vetch_timer *other;
};

static void
count(vetch_timer *t, void *ctx)
{
    struct tk_probe *p = ctx;

    (void)t;
    p->fired++;
}

static void
count_free(void *ctx)
{
    struct tk_probe *p = ctx;

    p->freed++;
}

static void
stop_loop(vetch_timer *t, void *ctx)
{
    (void)t;
    (void)ctx;
    vetch_reactor_stop(vt_reactor);
}

static uint64_t
real_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void
hold_the_loop(double seconds)
{
    uint64_t until = real_ns() + (uint64_t)(seconds * 1e9);

    while (real_ns() < until)
        ;
}

/* ---- basics ---- */

VT_CASE("basics", vt_reactor_tcase);

VT_TEST(timer_fires_once_when_its_time_has_come)
{
    struct tk_probe p = { 0 };
    vetch_timer *t = vetch_timer_new(1.5, count, &p);

    ck_assert(vetch_timer_is_active(t));
    vt_advance(1.499999999);
    ck_assert_int_eq(p.fired, 0);
    vt_advance(0.000000001);
    ck_assert_int_eq(p.fired, 1);
    ck_assert(!vetch_timer_is_active(t));
    vt_advance(100);
    ck_assert_int_eq(p.fired, 1);
    vetch_timer_unref(t);
}

static void
note_time(vetch_timer *t, void *ctx)
{
    (void)t;
    *(double *)ctx = vetch_now();
}

VT_TEST(timer_sees_its_own_time_when_time_jumps)
{
    double start = vetch_now(), first = 0, second = 0;

    vetch_timer_unref(vetch_timer_new(2, note_time, &second));
    vetch_timer_unref(vetch_timer_new(1, note_time, &first));
    vt_advance(10);
    ck_assert_double_eq_tol(first - start, 1, 1e-6);
    ck_assert_double_eq_tol(second - start, 2, 1e-6);
    ck_assert_double_eq_tol(vetch_now() - start, 10, 1e-6);
}

VT_TEST(timer_released_still_fires)
{
    struct tk_probe p = { 0 };

    vetch_timer_unref(vetch_timer_new(1, count, &p));
    vt_advance(1);
    ck_assert_int_eq(p.fired, 1);
}

VT_TEST(timer_cancelled_does_not_fire)
{
    struct tk_probe p = { 0 };
    vetch_timer *t = vetch_timer_new(1, count, &p);

    vetch_timer_cancel(t);
    ck_assert(!vetch_timer_is_active(t));
    vetch_timer_cancel(t);
    vt_advance(10);
    ck_assert_int_eq(p.fired, 0);
    vetch_timer_unref(t);
}

VT_TEST(timer_of_no_delay_fires_when_the_loop_runs)
{
    struct tk_probe p = { 0 };

    vetch_timer_unref(vetch_timer_new(0, count, &p));
    ck_assert_int_eq(p.fired, 0);
    vt_run_ready();
    ck_assert_int_eq(p.fired, 1);
}

VT_TEST(timer_delay_must_make_sense)
{
    static const double wrong[] = { -1e-9, -1, NAN, -INFINITY };
    struct tk_probe p = { 0 };
    vetch_timer *t = vetch_timer_new(1, count, &p);
    size_t i;

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        errno = 0;
        ck_assert_ptr_null(vetch_timer_new(wrong[i], count, &p));
        ck_assert_int_eq(errno, EINVAL);
        errno = 0;
        ck_assert_int_eq(vetch_timer_restart(t, wrong[i]), -1);
        ck_assert_int_eq(errno, EINVAL);
    }
    ck_assert_ptr_null(vetch_timer_new_periodic(0, count, &p));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert(vetch_timer_is_active(t)); /* as it was */
    vetch_timer_cancel(t);
    vetch_timer_unref(t);
}

VT_TEST(timer_may_be_thirty_years_away)
{
    struct tk_probe p = { 0 };
    vetch_timer *t = vetch_timer_new(1e9, count, &p);

    vt_advance(999999999);
    ck_assert_int_eq(p.fired, 0);
    vt_advance(1);
    ck_assert_int_eq(p.fired, 1);
    vetch_timer_unref(t);
}

/* A deadline that is never there, as those who set none write it. */
VT_TEST(timer_of_infinite_seconds_never_fires)
{
    struct tk_probe p = { 0 };
    vetch_timer *once = vetch_timer_new(INFINITY, count, &p);
    vetch_timer *periodic = vetch_timer_new_periodic(INFINITY, count, &p);

    ck_assert_ptr_nonnull(once);
    ck_assert_ptr_nonnull(periodic);
    vt_advance(1e9);
    vt_advance(INFINITY);
    ck_assert_int_eq(p.fired, 0);
    ck_assert(vetch_timer_is_active(once));
    ck_assert_int_eq(vetch_timer_restart(once, INFINITY), 0);
    vetch_timer_cancel(once);
    vetch_timer_cancel(periodic);
    vetch_timer_unref(once);
    vetch_timer_unref(periodic);
}

VT_CASE("alone", vt_tcase);

VT_TEST(timer_needs_a_reactor)
{
    struct tk_probe p = { 0 };

    errno = 0;
    ck_assert_ptr_null(vetch_timer_new(1, count, &p));
    ck_assert_int_eq(errno, EPERM);
}

/* ---- restarting ---- */

VT_CASE("basics", vt_reactor_tcase);

VT_TEST(timer_restart_puts_off_a_running_one)
{
    struct tk_probe p = { 0 };
    vetch_timer *t = vetch_timer_new(1, count, &p);

    vt_advance(0.9);
    ck_assert_int_eq(vetch_timer_restart(t, 1), 0);
    vt_advance(0.9);
    ck_assert_int_eq(p.fired, 0);
    vt_advance(0.1);
    ck_assert_int_eq(p.fired, 1);
    vetch_timer_unref(t);
}

VT_TEST(timer_restart_revives_what_expired_or_was_cancelled)
{
    struct tk_probe p = { 0 };
    vetch_timer *t = vetch_timer_new(1, count, &p);

    vt_advance(1);
    ck_assert_int_eq(vetch_timer_restart(t, 2), 0);
    vetch_timer_cancel(t);
    ck_assert_int_eq(vetch_timer_restart(t, 3), 0);
    ck_assert(vetch_timer_is_active(t));
    vetch_timer_unref(t); /* the running timer holds itself */
    vt_advance(2.9);
    ck_assert_int_eq(p.fired, 1);
    vt_advance(0.1);
    ck_assert_int_eq(p.fired, 2);
}

static void
restart_twice(vetch_timer *t, void *ctx)
{
    struct tk_probe *p = ctx;

    if (++p->fired < 3)
        ck_assert_int_eq(vetch_timer_restart(t, 1), 0);
}

/* Thread libhv #424: calling the API from the own callback (LESSONS 31). */
VT_TEST(timer_restart_in_its_own_callback)
{
    struct tk_probe p = { 0 };
    vetch_timer *t = vetch_timer_new(1, restart_twice, &p);

    vt_advance(2);
    ck_assert_int_eq(p.fired, 2);
    vt_advance(10);
    ck_assert_int_eq(p.fired, 3);
    vetch_timer_unref(t);
}

/* ---- periodic ---- */

VT_TEST(timer_periodic_fires_again_and_again)
{
    struct tk_probe p = { 0 };
    vetch_timer *t = vetch_timer_new_periodic(0.1, count, &p);

    vt_advance(1.05);
    ck_assert_int_eq(p.fired, 10);
    vetch_timer_cancel(t);
    vt_advance(1);
    ck_assert_int_eq(p.fired, 10);
    vetch_timer_unref(t);
}

struct drift {
    uint64_t start, interval;
    int fired;
    bool exact;
};

static void
check_phase(vetch_timer *t, void *ctx)
{
    struct drift *d = ctx;

    (void)t;
    d->fired++;
    d->exact = d->exact &&
               vt_reactor->now == d->start + (uint64_t)d->fired * d->interval;
}

/* Threads libuv #181, #1068: the n-th expiry is n intervals after the start,
 * to the nanosecond, however often. (LESSONS 13) */
VT_TEST(timer_periodic_does_not_drift)
{
    struct drift d = { vt_reactor->now, 33333333, 0, true };
    vetch_timer *t = vetch_timer_new_periodic(0.033333333, check_phase, &d);

    vt_advance(100);
    ck_assert_int_eq(d.fired, 3000);
    ck_assert(d.exact);
    vetch_timer_cancel(t);
    vetch_timer_unref(t);
}

VT_TEST(timer_periodic_skips_what_it_missed)
{
    struct tk_probe p = { 0 };
    vetch_timer *t = vetch_timer_new_periodic(1, count, &p);

    vt_reactor->now += 3500000000; /* as if a callback had held the loop */
    vetch__timers_clock_changed(vt_reactor);
    vt_run_ready();
    ck_assert_int_eq(p.fired, 1);
    vt_advance(0.4);
    ck_assert_int_eq(p.fired, 1);
    vt_advance(0.1);
    ck_assert_int_eq(p.fired, 2);
    vetch_timer_cancel(t);
    vetch_timer_unref(t);
}

VT_TEST(timer_periodic_takes_a_new_period_when_restarted)
{
    struct tk_probe p = { 0 };
    vetch_timer *t = vetch_timer_new_periodic(1, count, &p);

    ck_assert_int_eq(vetch_timer_restart(t, 5), 0);
    vt_advance(10);
    ck_assert_int_eq(p.fired, 2);
    errno = 0;
    ck_assert_int_eq(vetch_timer_restart(t, 0), -1);
    ck_assert_int_eq(errno, EINVAL);
    vt_advance(5);
    ck_assert_int_eq(p.fired, 3);
    vetch_timer_cancel(t);
    vetch_timer_unref(t);
}

static void
cancel_self(vetch_timer *t, void *ctx)
{
    struct tk_probe *p = ctx;

    if (++p->fired == 3)
        vetch_timer_cancel(t);
}

VT_TEST(timer_periodic_cancelled_in_its_own_callback)
{
    struct tk_probe p = { 0 };
    vetch_timer *t = vetch_timer_new_periodic(1, cancel_self, &p);

    vt_advance(100);
    ck_assert_int_eq(p.fired, 3);
    vetch_timer_unref(t);
}

/* ---- lifetime ---- */

VT_CASE("lifetime", vt_reactor_tcase);

static void
unref_self(vetch_timer *t, void *ctx)
{
    struct tk_probe *p = ctx;

    p->fired++;
    p->timer = vetch_timer_unref(t);
}

/* Threads libuv #2087, libevent #689: freed in its own callback (LESSONS 1,
 * 2). */
VT_TEST(timer_unref_inside_its_own_callback)
{
    struct tk_probe p = { 0 };

    p.timer = vetch_timer_new(0.25, unref_self, &p);
    vt_advance(0.25);
    ck_assert_int_eq(p.fired, 1);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

static void
drop_self(vetch_timer *t, void *ctx)
{
    struct tk_probe *p = ctx;

    p->fired++;
    vetch_timer_cancel(t);
    vetch_timer_unref(t);
}

VT_TEST(timer_periodic_cancel_and_unref_inside_its_own_callback)
{
    struct tk_probe p = { 0 };

    p.timer = vetch_timer_new_periodic(1, drop_self, &p);
    vt_advance(5);
    ck_assert_int_eq(p.fired, 1);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(timer_owned_ctx_is_freed_after_expiry_and_release)
{
    struct tk_probe p = { 0 };
    vetch_timer *t = vetch_timer_new_owned(1, count, &p, count_free);

    vt_advance(1);
    ck_assert_int_eq(p.fired, 1);
    ck_assert_int_eq(p.freed, 0); /* it could be restarted */
    vetch_timer_unref(t);
    ck_assert_int_eq(p.freed, 1);
}

VT_TEST(timer_owned_ctx_is_freed_after_release_and_expiry)
{
    struct tk_probe p = { 0 };

    vetch_timer_unref(vetch_timer_new_owned(1, count, &p, count_free));
    ck_assert_int_eq(p.freed, 0);
    vt_advance(1);
    ck_assert_int_eq(p.fired, 1);
    ck_assert_int_eq(p.freed, 1);
}

VT_TEST(timer_owned_ctx_is_freed_after_cancel)
{
    struct tk_probe p = { 0 };
    vetch_timer *t = vetch_timer_new_owned(1, count, &p, count_free);

    vetch_timer_cancel(t);
    vetch_timer_unref(t);
    ck_assert_int_eq(p.fired, 0);
    ck_assert_int_eq(p.freed, 1);
}

VT_TEST(timer_owned_ctx_of_a_periodic_one_is_freed_after_cancel)
{
    struct tk_probe p = { 0 };
    vetch_timer *t = vetch_timer_new_periodic_owned(1, count, &p, count_free);

    vt_advance(2);
    ck_assert_int_eq(p.fired, 2);
    vetch_timer_cancel(t);
    ck_assert_int_eq(p.freed, 0);
    vetch_timer_unref(t);
    ck_assert_int_eq(p.freed, 1);
}

VT_TEST(timer_owned_ctx_stays_the_caller_s_on_failure)
{
    struct tk_probe p = { 0 };

    ck_assert_ptr_null(
        vetch_timer_new_periodic_owned(-1, count, &p, count_free));
    ck_assert_ptr_null(vetch_timer_new_owned(-1, count, &p, count_free));
    ck_assert_int_eq(p.freed, 0);
}

VT_TEST(timer_owned_ctx_is_freed_when_the_reactor_ends)
{
    struct tk_probe p = { 0 };

    vetch_timer_unref(vetch_timer_new_owned(1, count, &p, count_free));
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_eq(p.fired, 0);
    ck_assert_int_eq(p.freed, 1);
}

VT_TEST(timer_outlives_its_reactor)
{
    struct tk_probe p = { 0 };
    vetch_timer *t = vetch_timer_new_owned(1, count, &p, count_free);
    vetch_timer *expired = vetch_timer_new(0, count, &p);

    vt_run_ready();
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert(!vetch_timer_is_active(t));
    errno = 0;
    ck_assert_int_eq(vetch_timer_restart(t, 1), -1);
    ck_assert_int_eq(errno, ECANCELED);
    vetch_timer_cancel(t);
    ck_assert_int_eq(p.freed, 0);
    vetch_timer_unref(t);
    ck_assert_int_eq(p.freed, 1);
    vetch_timer_unref(expired);
    ck_assert_int_eq(p.fired, 1);
}

static int wrong_at_the_end;

static void
start_another(void *ctx)
{
    errno = 0;
    if (vetch_timer_new(1, count, ctx) != NULL || errno != ECANCELED)
        wrong_at_the_end++;
    if (vetch_timer_restart(((struct tk_probe *)ctx)->timer, 1) == 0)
        wrong_at_the_end++;
    ((struct tk_probe *)ctx)->freed++;
}

VT_TEST(timer_cannot_be_started_while_the_reactor_ends)
{
    struct tk_probe p = { 0 };

    wrong_at_the_end = 0;
    p.timer = vetch_timer_new(5, count, &p);
    vetch_timer_unref(vetch_timer_new_owned(1, count, &p, start_another));
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_eq(p.freed, 1);
    ck_assert_int_eq(wrong_at_the_end, 0);
    vetch_timer_unref(p.timer);
}

/* ---- coarse deadlines, for the layers above ---- */

VT_CASE("real", vt_real_reactor_tcase);

static int coarse_fired;

static void
count_coarse(struct vetch__timer *t)
{
    (void)t;
    coarse_fired++;
}

static struct vetch__timer mixed[4];

static void
start_mixed(void *ctx)
{
    int i;

    (void)ctx;
    vetch_now(); /* from here on the turn has a time */
    for (i = 0; i < 4; i++) {
        hold_the_loop(0.002);
        ck_assert_int_eq(
            (i % 2 == 0 ? vetch__timer_start : vetch__timer_start_coarse)(
                vt_reactor, &mixed[i], 1000000, count_coarse),
            0);
    }
}

/* The coarse clock is behind the exact one; the order of arming stays. */
VT_TEST(timer_coarse_starts_share_a_lane_with_exact_ones)
{
    int i;

    coarse_fired = 0;
    vetch_call_soon(start_mixed, NULL);
    vetch_timer_unref(vetch_timer_new(0.02, stop_loop, NULL));
    ck_assert_int_eq(vetch_reactor_run(vt_reactor), 0);
    for (i = 2; i < 4; i++) /* the first was alone, without a lane */
        ck_assert_uint_ge(mixed[i].deadline, mixed[i - 1].deadline);
    ck_assert_int_eq(coarse_fired, 4);
    ck_assert(!vetch__timer_active(&mixed[0]));
}

/* The next delay after `delay` that competes with it for a lane. */
static uint64_t
rival(uint64_t delay)
{
    uint64_t set =
        delay * UINT64_C(0x9e3779b97f4a7c15) >> (64 - VETCH__LANE_BITS);

    do
        delay++;
    while (delay * UINT64_C(0x9e3779b97f4a7c15) >> (64 - VETCH__LANE_BITS) !=
           set);
    return delay;
}

VT_TEST(timer_lane_of_a_crowd_outlives_strangers)
{
    struct vetch__timer t[28] = { 0 };
    uint64_t crowd = 1000000000, delay = rival(crowd);

    for (int i = 0; i < 28; i++) {
        if (i > 23 && i < 27)
            delay = rival(delay);
        ck_assert_int_eq(vetch__timer_start(vt_reactor, &t[i],
                                            i < 20 || i == 27 ? crowd : delay,
                                            count_coarse),
                         0);
    }
    ck_assert_ptr_eq(t[27].lane, t[19].lane);
    for (int i = 0; i < 28; i++)
        vetch__timer_stop(vt_reactor, &t[i]);
}

VT_CASE("alone", vt_tcase);

VT_TEST(timer_delays_are_rounded_up)
{
    ck_assert_uint_eq(vetch__seconds(0), 0);
    ck_assert_uint_eq(vetch__seconds(1e-10), 1);
    ck_assert_uint_eq(vetch__seconds(0.25), 250000000);
    ck_assert_uint_eq(vetch__seconds(1.0000000005), 1000000001);
    ck_assert_uint_eq(vetch__seconds(1e9), 1000000000000000000);
    ck_assert_uint_eq(vetch__seconds(1e300), 9000000000000000000u);
}

/* ---- a wrong thread ---- */

VT_CASE("basics", vt_reactor_tcase);

static void *
use_on_another_thread(void *arg)
{
    struct tk_probe *p = arg;

    errno = 0;
    p->freed = vetch_timer_restart(p->timer, 1) < 0 ? errno : 0;
    vetch_timer_cancel(p->timer);
    return NULL;
}

/* Thread libuv #1595. (LESSONS 14) */
VT_TEST(timer_use_on_a_wrong_thread_is_refused, .misuse = true)
{
    struct tk_probe p = { 0 };
    pthread_t thread;

    p.timer = vetch_timer_new(1, count, &p);
    pthread_create(&thread, NULL, use_on_another_thread, &p);
    pthread_join(thread, NULL);
    ck_assert_int_eq(p.freed, EPERM);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "not its own"));
    vt_advance(1);
    ck_assert_int_eq(p.fired, 1);
    vetch_timer_unref(p.timer);
}

/* ---- out of memory ---- */

VT_CASE("alone", vt_tcase);

static void
make_some(bool unharmed)
{
    vetch_timer *timers[200];
    struct tk_probe p = { 0 };
    int i, made = 0;

    vetch_reactor *r = vetch_reactor_new();

    if (r == NULL) {
        ck_assert_int_eq(errno, ENOMEM);
        return;
    }
    for (i = 0; i < 200; i++) {
        errno = 0;
        timers[i] = vetch_timer_new_owned(i % 7, count, &p, count_free);
        made += timers[i] != NULL;
        ck_assert(timers[i] != NULL || errno == ENOMEM);
    }
    for (i = 0; i < 200; i += 3) {
        if (timers[i] != NULL && vetch_timer_restart(timers[i], i) < 0)
            ck_assert(vetch_timer_is_active(timers[i])); /* as it was */
    }
    for (i = 0; i < 200; i++)
        vetch_timer_unref(timers[i]);
    vetch_reactor_unref(r);
    ck_assert_int_eq(p.freed, made);
    ck_assert(!unharmed || made == 200);
}

VT_TEST(timer_survives_each_failed_allocation)
{
    vt_sweep_allocations(make_some);
}
