/* The reactor's clock, and callbacks that hold the loop. */

#include "support/harness.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "reactor/reactor-private.h"

static uint64_t
real_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void
hold_20_ms(void *ctx)
{
    uint64_t until = real_ns() + 20000000;

    (void)ctx;
    while (real_ns() < until)
        ;
}

/* ---- the clock ---- */

VT_CASE("real", vt_real_reactor_tcase);

static void
check_same_time(void *ctx)
{
    double first = vetch_now();

    hold_20_ms(NULL);
    *(bool *)ctx = vetch_now() == first;
}

static void
check_later(vetch_timer *t, void *ctx)
{
    *(double *)ctx = vetch_now();
    vetch_timer_unref(t);
    vetch_reactor_stop(vt_reactor);
}

VT_TEST(clock_stands_still_during_a_turn_and_moves_between)
{
    double before = vetch_now(), after = 0;
    bool same = false;

    vetch_call_soon(check_same_time, &same);
    ck_assert_ptr_nonnull(vetch_timer_new(0.03, check_later, &after));
    ck_assert_int_eq(vetch_reactor_run(vt_reactor), 0);
    ck_assert(same);
    ck_assert_double_ge(after - before, 0.029);
}

VT_CASE("virtual", vt_reactor_tcase);

VT_TEST(clock_can_be_virtual)
{
    double before = vetch_now();

    hold_20_ms(NULL);
    ck_assert_double_eq(vetch_now(), before);
    vt_advance(3600);
    ck_assert_double_eq_tol(vetch_now() - before, 3600, 1e-6);
}

VT_CASE("alone", vt_tcase);

VT_TEST(clock_runs_without_a_reactor)
{
    double before = vetch_now();

    hold_20_ms(NULL);
    ck_assert_double_ge(vetch_now() - before, 0.0199);
}

/* ---- debugging ---- */

VT_CASE("real", vt_real_reactor_tcase);

static void
hold_and_stop(vetch_timer *t, void *ctx)
{
    hold_20_ms(ctx);
    vetch_timer_unref(t);
    vt_stop_reactor(ctx);
}

VT_TEST(slow_callback_is_named)
{
    const char *logged;

    vetch_reactor_set_debug(vt_reactor, true);
    vetch_reactor_set_slow_limit(vt_reactor, 0.01);
    vetch_call_soon(hold_20_ms, NULL);
    vetch_call_soon(vt_stop_reactor, NULL);
    vetch_reactor_run(vt_reactor);
    logged = vt_log_take();
    ck_assert_ptr_nonnull(strstr(logged, "slow callback: "));
    ck_assert_ptr_nonnull(strstr(logged, "slow callback: hold_20_ms held"));
    ck_assert_ptr_eq(strchr(logged, '\n'), strrchr(logged, '\n'));
}

VT_TEST(slow_timer_and_post_are_named)
{
    const char *logged;

    vetch_reactor_set_debug(vt_reactor, true);
    vetch_reactor_set_slow_limit(vt_reactor, 0.01);
    ck_assert_ptr_nonnull(vetch_timer_new(0.001, hold_and_stop, NULL));
    vetch_reactor_post(vt_reactor, hold_20_ms, NULL);
    vetch_reactor_run(vt_reactor);
    logged = strstr(vt_log_take(), "slow callback: ");
    ck_assert_ptr_nonnull(logged);
    ck_assert_ptr_nonnull(strstr(logged + 1, "slow callback: "));
}

VT_TEST(slow_callback_is_nobody_s_business_without_debug)
{
    vetch_reactor_set_slow_limit(vt_reactor, 0.01);
    vetch_call_soon(hold_20_ms, NULL);
    vetch_call_soon(vt_stop_reactor, NULL);
    vetch_reactor_run(vt_reactor);
    ck_assert_str_eq(vt_log_take(), "");
}

/* Read when the reactor is made. */
VT_TEST(slow_callback_is_named_when_the_environment_asks)
{
    vt_reactor = vetch_reactor_unref(vt_reactor);
    setenv("VETCH_DEBUG", "1", 1);
    vt_reactor = vetch_reactor_new();
    unsetenv("VETCH_DEBUG");
    vetch_reactor_set_slow_limit(vt_reactor, 0.01);
    vetch_call_soon(hold_20_ms, NULL);
    vetch_call_soon(vt_stop_reactor, NULL);
    vetch_reactor_run(vt_reactor);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "slow callback: "));
}

VT_TEST(slow_limit_is_a_tenth_of_a_second)
{
    vetch_reactor_set_debug(vt_reactor, true);
    vetch_call_soon(hold_20_ms, NULL);
    vetch_call_soon(vt_stop_reactor, NULL);
    vetch_reactor_run(vt_reactor);
    ck_assert_str_eq(vt_log_take(), "");
}
