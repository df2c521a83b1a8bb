/* How long the turns of a reactor take. */
#include "support/harness.h"

#include <time.h>

VT_CASE("lag", vt_real_reactor_tcase);

static void
hold_the_loop(void *ms)
{
    struct timespec now, end;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_nsec += (long)(intptr_t)ms * 1000000;
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while (now.tv_sec < end.tv_sec ||
           (now.tv_sec - end.tv_sec) * 1000000000 + now.tv_nsec < end.tv_nsec);
}

VT_TEST(the_first_question_begins_to_measure)
{
    vetch_reactor_lag lag = VETCH_REACTOR_LAG_INIT;

    ck_assert_int_eq(vetch_call_soon(vt_count, &vt_n_run), 0);
    vetch_reactor_run_once(vt_reactor, 0);
    ck_assert_int_eq(vetch_reactor_get_lag(vt_reactor, &lag), 0);
    ck_assert_uint_eq(lag.n_turns, 0);
    ck_assert_double_eq(lag.max_seconds, 0);
    ck_assert_uint_eq(lag.size, sizeof(lag));
}

VT_TEST(a_callback_that_holds_the_loop_shows)
{
    vetch_reactor_lag lag = VETCH_REACTOR_LAG_INIT;

    ck_assert_int_eq(vetch_reactor_get_lag(vt_reactor, &lag), 0);
    for (int i = 0; i < 9; i++) {
        ck_assert_int_eq(vetch_call_soon(vt_count, &vt_n_run), 0);
        vetch_reactor_run_once(vt_reactor, 0);
    }
    ck_assert_int_eq(vetch_call_soon(hold_the_loop, (void *)(intptr_t)20), 0);
    vetch_reactor_run_once(vt_reactor, 0);
    ck_assert_int_eq(vetch_reactor_get_lag(vt_reactor, &lag), 0);
    ck_assert_uint_eq(lag.n_turns, 10);
    ck_assert_double_ge(lag.max_seconds, 0.02);
    ck_assert_double_ge(lag.p99_seconds, 0.02);
    ck_assert_double_le(lag.p99_seconds, lag.max_seconds);
    ck_assert_double_lt(lag.p50_seconds, 0.02);
    ck_assert_int_eq(vetch_reactor_get_lag(vt_reactor, &lag), 0);
    ck_assert_uint_eq(lag.n_turns, 0); /* since the last call */
}

VT_TEST(waiting_is_no_lag)
{
    vetch_reactor_lag lag = VETCH_REACTOR_LAG_INIT;

    ck_assert_int_eq(vetch_reactor_get_lag(vt_reactor, &lag), 0);
    vetch_run(vetch_sleep(0.05), NULL);
    ck_assert_int_eq(vetch_reactor_get_lag(vt_reactor, &lag), 0);
    ck_assert_uint_ge(lag.n_turns, 1);
    ck_assert_double_lt(lag.p50_seconds, 0.05);
}
