/* Ways to run a reactor: one turn, and until nothing keeps it going. */
#include "support/harness.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <unistd.h>

static void
count_timer(vetch_timer *t, void *ctx)
{
    (void)t;
    vt_count(ctx);
}

static void
read_byte(vetch_descriptor *d, unsigned events, void *ctx)
{
    char c;
    int *fds = ctx;

    (void)d;
    (void)events;
    vt_n_run += read(fds[0], &c, 1) == 1;
}

/* ---- one turn ---- */

VT_CASE("once", vt_reactor_tcase);

VT_TEST(a_turn_without_work_does_nothing)
{
    ck_assert_int_eq(vetch_reactor_run_once(vt_reactor, 0), 0);
    ck_assert_int_eq(vetch_reactor_run_once(vt_reactor, 0.001), 0);
}

VT_TEST(a_turn_does_what_there_is_to_do)
{
    int n = 0;

    ck_assert_int_eq(vetch_call_soon(vt_count, &n), 0);
    ck_assert_int_eq(vetch_reactor_run_once(vt_reactor, 0), 1);
    ck_assert_int_eq(n, 1);
    ck_assert_int_eq(vetch_reactor_run_once(vt_reactor, 0), 0);
}

VT_TEST(a_turn_waits_for_something_to_do, .loops = 2)
{
    int fds[2];
    vetch_descriptor *d;

    ck_assert_int_eq(pipe(fds), 0);
    d = vetch_descriptor_new(fds[0], VETCH_READABLE, read_byte, fds);
    ck_assert_int_eq(vetch_reactor_run_once(vt_reactor, 0), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    ck_assert_int_eq(vetch_reactor_run_once(vt_reactor, _i ? INFINITY : 60), 1);
    ck_assert_int_eq(vt_n_run, 1);
    vetch_descriptor_cancel(d);
    vetch_descriptor_unref(d);
    close(fds[0]);
    close(fds[1]);
}

VT_TEST(a_stop_ends_one_turn)
{
    int n = 0;

    vetch_reactor_stop(vt_reactor);
    ck_assert_int_eq(vetch_call_soon(vt_count, &n), 0);
    ck_assert_int_eq(vetch_reactor_run_once(vt_reactor, INFINITY), 0);
    ck_assert_int_eq(n, 0);
    ck_assert_int_eq(vetch_reactor_run_once(vt_reactor, 0), 1);
    ck_assert_int_eq(n, 1);
}

static void
run_nested(void *ctx)
{
    int *wrong = ctx;

    *wrong = vetch_reactor_run_once(vt_reactor, 0) < 0 && errno == EDEADLK &&
             vetch_reactor_run_until_idle(vt_reactor) < 0 && errno == EDEADLK;
}

VT_TEST(no_turn_inside_a_turn)
{
    int refused = 0;

    ck_assert_int_eq(vetch_call_soon(run_nested, &refused), 0);
    ck_assert_int_eq(vetch_reactor_run_once(vt_reactor, 0), 1);
    ck_assert(refused);
}

VT_TEST(a_time_to_wait_is_a_time)
{
    ck_assert_int_eq(vetch_reactor_run_once(vt_reactor, -1), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(vetch_reactor_run_once(vt_reactor, NAN), -1);
    ck_assert_int_eq(errno, EINVAL);
}

static void
release_reactor(void *ctx)
{
    (void)ctx;
    vt_reactor = vetch_reactor_unref(vt_reactor);
}

VT_TEST(a_turn_may_release_the_reactor)
{
    ck_assert_int_eq(vetch_call_soon(release_reactor, NULL), 0);
    ck_assert_int_eq(vetch_reactor_run_once(vt_reactor, 0), 1);
    ck_assert_ptr_null(vetch_reactor_current());
}

/* ---- until nothing keeps it going ---- */

VT_CASE("until idle", vt_real_reactor_tcase);

VT_TEST(nothing_to_do_is_idle)
{
    ck_assert_int_eq(vetch_reactor_run_until_idle(vt_reactor), 0);
}

VT_TEST(what_is_ready_or_posted_is_done)
{
    int n = 0;

    ck_assert_int_eq(vetch_call_soon(vt_count, &n), 0);
    ck_assert_int_eq(vetch_reactor_post(vt_reactor, vt_count, &n), 0);
    ck_assert_int_eq(vetch_reactor_run_until_idle(vt_reactor), 0);
    ck_assert_int_eq(n, 2);
}

VT_TEST(a_timer_keeps_it_going)
{
    int n = 0;

    vetch_timer_unref(vetch_timer_new(0.001, count_timer, &n));
    ck_assert_int_eq(vetch_reactor_run_until_idle(vt_reactor), 0);
    ck_assert_int_eq(n, 1);
}

VT_TEST(a_timer_in_the_background_does_not)
{
    int n = 0, m = 0;
    vetch_timer *t = vetch_timer_new_periodic(0.001, count_timer, &n);
    vetch_timer *once = vetch_timer_new(0.05, count_timer, &m);

    vetch_timer_set_background(t, true);
    ck_assert_int_eq(vetch_reactor_run_until_idle(vt_reactor), 0);
    ck_assert_int_eq(m, 1);
    ck_assert_int_gt(n, 1); /* it ran as long as there was a reason */
    ck_assert(vetch_timer_is_active(t));
    vetch_timer_set_background(t, false);
    ck_assert_int_eq(vetch_timer_restart(once, 0.01), 0);
    vetch_timer_cancel(t);
    vetch_timer_cancel(once);
    vetch_timer_unref(once);
    vetch_timer_unref(t);
}

VT_TEST(a_pending_operation_keeps_it_going)
{
    vetch_promise *p = vetch_sleep(0.001);

    ck_assert_int_eq(vetch_reactor_run_until_idle(vt_reactor), 0);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    vetch_promise_unref(p);
}

static void *
do_nothing(void *arg, vetch_error **ret_error)
{
    (void)ret_error;
    return arg;
}

VT_TEST(a_job_keeps_it_going)
{
    int value;
    vetch_executor *e = vetch_executor_new(NULL);
    vetch_promise *p = vetch_executor_submit(e, do_nothing, &value, NULL);

    ck_assert_int_eq(vetch_reactor_run_until_idle(vt_reactor), 0);
    ck_assert_ptr_eq(vetch_run(p, NULL), &value);
    vetch_run(vetch_executor_close(e, INFINITY), NULL);
    vetch_executor_unref(e);
}

/* Or no program that can be told to stop would end by itself. */
VT_TEST(the_wait_for_a_signal_does_not)
{
    vetch_promise *p = vetch_signal(SIGUSR1);

    ck_assert_int_eq(vetch_reactor_run_until_idle(vt_reactor), 0);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vetch_promise_cancel(p);
    vetch_promise_unref(p);
}

static vetch_descriptor *watch;

static void
cancel_watch(vetch_timer *t, void *ctx)
{
    (void)t;
    vt_count(ctx);
    vetch_descriptor_cancel(watch);
}

VT_TEST(a_watched_descriptor_keeps_it_going)
{
    int fds[2], n = 0;
    vetch_timer *t;

    ck_assert_int_eq(pipe(fds), 0);
    watch = vetch_descriptor_new(fds[0], VETCH_READABLE, read_byte, fds);
    vetch_descriptor_set_background(watch, true);
    ck_assert_int_eq(vetch_reactor_run_until_idle(vt_reactor), 0);
    vetch_descriptor_set_background(watch, false);
    t = vetch_timer_new(0.001, cancel_watch, &n);
    vetch_timer_set_background(t, true);
    ck_assert_int_eq(vetch_reactor_run_until_idle(vt_reactor), 0);
    ck_assert_int_eq(n, 1);
    vetch_timer_unref(t);
    vetch_descriptor_unref(watch);
    close(fds[0]);
    close(fds[1]);
}

VT_TEST(a_stop_ends_it_before)
{
    vetch_timer *t = vetch_timer_new(1000, count_timer, &vt_n_run);

    ck_assert_int_eq(vetch_call_soon(vt_stop_reactor, NULL), 0);
    ck_assert_int_eq(vetch_reactor_run_until_idle(vt_reactor), 0);
    ck_assert_int_eq(vt_n_run, 0);
    vetch_timer_cancel(t);
    vetch_timer_unref(t);
}
