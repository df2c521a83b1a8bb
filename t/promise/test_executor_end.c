/* The executor: cancelling jobs, closing, and the end of its reactor. */

#include "support/executor_kit.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <string.h>

#include "promise/executor-private.h"

/* ---- cancelling ---- */

VT_CASE("stopping", vt_reactor_tcase, .set_up = ek_close_gate,
        .take_down = ek_open_gate);

/* Threads cpython #82448 #111358, joyent/libuv #630: what has not begun can be
 * taken back.
 * (LESSONS 24) */
VT_TEST(executor_queued_job_is_cancelled_at_once)
{
    vetch_executor *e = ek_new(1, 10);
    vetch_promise *busy = vetch_executor_submit(e, ek_wait_at_gate, NULL, NULL);
    vetch_promise *queued = vetch_executor_submit(e, ek_add_one, NULL, NULL);
    vetch_promise *waiting;

    vt_run_ready();
    ek_await_at_gate(1);
    waiting = vetch_executor_submit(e, ek_add_one, NULL, NULL);
    vetch_promise_cancel(queued);
    vetch_promise_cancel(waiting);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(queued)),
                     VETCH_ECANCELED);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(waiting)),
                     VETCH_ECANCELED);
    vetch_promise_unref(queued);
    vetch_promise_unref(waiting);
    ek_open_gate();
    ck_assert_int_eq(ek_outcome_of(busy).code, 0);
    ck_assert_int_eq(
        ek_outcome_of(vetch_executor_submit(e, ek_add_one, NULL, NULL)).code,
        0);
    ck_assert_int_eq(ek_n_begun, 1); /* neither of the cancelled ones */
    vetch_executor_unref(e);
}

/* Settled means stopped: the job uses `arg` until it ends. */
VT_TEST(executor_running_job_settles_when_it_has_ended)
{
    vetch_executor *e = ek_new(1, 10);
    int arg;
    vetch_promise *p =
        vetch_executor_submit(e, ek_wait_at_gate, &arg, ek_count_result_freed);
    struct ek_outcome o = { 0 };

    vetch_callback(vetch_promise_ref(p), ek_done, &o);
    vetch_promise_unref(p);
    p = vetch_executor_submit(e, ek_wait_at_gate, &arg, ek_count_result_freed);
    vt_run_ready();
    ek_await_at_gate(1);
    vetch_promise_cancel(p); /* queued: at once */
    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    vetch_promise_unref(p);
    ek_open_gate();
    ek_run_until(&o.settled);
    ck_assert_int_eq(o.code, 0);
    vetch_executor_unref(e);
}

/* Which of them have begun is the threads' to say, and asking is no race. */
VT_TEST(executor_jobs_may_be_cancelled_while_others_begin)
{
    vetch_executor *e = ek_new(2, 500);
    vetch_promise *p[500];

    for (intptr_t i = 0; i < 500; i++)
        p[i] = vetch_executor_submit(e, ek_add_one, (void *)i, NULL);
    vt_run_ready();
    for (int i = 0; i < 500; i++)
        vetch_promise_cancel(p[i]);
    for (int i = 0; i < 500; i++) {
        struct ek_outcome o = ek_outcome_of(p[i]);

        ck_assert(o.code == 0 || o.code == VETCH_ECANCELED);
    }
    vetch_executor_unref(e);
}

VT_TEST(executor_running_job_that_is_cancelled_loses_its_result)
{
    int arg;
    vetch_promise *p = vetch_executor_submit(NULL, ek_wait_at_gate, &arg,
                                             ek_count_result_freed);
    struct ek_outcome o = { 0 };

    vt_run_ready();
    ek_await_at_gate(1);
    vetch_promise_cancel(p);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    ck_assert_int_eq(ek_n_result_freed, 0);
    vetch_callback(p, ek_done, &o);
    ek_open_gate();
    ek_run_until(&o.settled);
    ck_assert_int_eq(o.code, VETCH_ECANCELED);
    ck_assert_int_eq(ek_n_result_freed, 1);
}

VT_TEST(executor_stuck_job_can_be_given_up_with_a_shield)
{
    vetch_promise *job =
        vetch_executor_submit(NULL, ek_wait_at_gate, NULL, NULL);
    vetch_promise *p = vetch_timeout(vetch_shield(vetch_promise_ref(job)), 1);
    struct ek_outcome o = { 0 };

    vetch_callback(p, ek_done, &o);
    vt_run_ready();
    ek_await_at_gate(1);
    vt_advance(1);
    ck_assert(o.settled);
    ck_assert_int_eq(o.code, VETCH_ETIMEDOUT);
    ck_assert_int_eq(vetch_promise_state(job), VETCH_PENDING);
    ek_open_gate();
    ck_assert_int_eq(ek_outcome_of(job).code, 0);
}

/* ---- closing ---- */

VT_TEST(executor_close_lets_jobs_end_and_ends_the_threads)
{
    unsigned before = vt_threads();
    vetch_executor *e = ek_new(2, 100);
    vetch_promise *jobs[20], *closed;
    int i;

    for (i = 0; i < 20; i++)
        jobs[i] = vetch_executor_submit(e, ek_add_one, NULL, NULL);
    closed = vetch_executor_close(e, INFINITY);
    ck_assert_int_eq(vetch_promise_state(closed), VETCH_PENDING);
    ck_assert_int_eq(ek_outcome_of(closed).code, 0);
    ck_assert_int_eq(ek_n_begun, 20);
    while (vt_threads() > before)
        sched_yield(); /* the kernel may still list what was joined */
    ck_assert_int_eq(ek_code_of_all(jobs, 20), 0);
    vetch_executor_unref(e);
}

VT_TEST(executor_closed_takes_no_jobs)
{
    vetch_executor *e = ek_new(2, 100);
    vetch_promise *busy = vetch_executor_submit(e, ek_wait_at_gate, NULL, NULL);
    vetch_promise *closed = vetch_executor_close(e, INFINITY);
    vetch_promise *again = vetch_executor_close(e, INFINITY);

    ck_assert_int_eq(
        ek_outcome_of(vetch_executor_submit(e, ek_add_one, NULL, NULL)).code,
        VETCH_ECLOSED);
    ek_open_gate();
    ck_assert_int_eq(ek_outcome_of(closed).code, 0);
    ck_assert_int_eq(ek_outcome_of(again).code, 0);
    ck_assert_int_eq(ek_outcome_of(busy).code, 0);
    ck_assert_int_eq(
        ek_outcome_of(vetch_executor_submit(e, ek_add_one, NULL, NULL)).code,
        VETCH_ECLOSED);
    ck_assert_int_eq(ek_outcome_of(vetch_executor_close(e, INFINITY)).code, 0);
    vetch_executor_unref(e);
}

/* Threads cpython #111358, libuv #4976: closing with a deadline, naming what
 * is stuck. (LESSONS 24) */
VT_TEST(executor_close_with_a_deadline_names_what_is_stuck)
{
    vetch_executor *e = ek_new(1, 100);
    vetch_promise *busy = vetch_executor_submit(e, ek_wait_at_gate, NULL, NULL);
    vetch_promise *queued = vetch_executor_submit(e, ek_add_one, NULL, NULL);
    struct ek_outcome o = { 0 };

    vt_run_ready();
    ek_await_at_gate(1);
    vetch_callback(vetch_executor_close(e, 2), ek_done, &o);
    vt_advance(1.9);
    ck_assert(!o.settled);
    ck_assert_int_eq(vetch_promise_state(queued), VETCH_PENDING);
    vt_advance(0.1);
    ck_assert(o.settled);
    ck_assert_int_eq(o.code, VETCH_ETIMEDOUT);
    ck_assert_ptr_nonnull(strstr(o.text, "1 jobs still run after 2 s: "));
    ck_assert_ptr_nonnull(strstr(o.text, "wait_at_gate"));
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(queued)),
                     VETCH_ECANCELED);
    vetch_promise_unref(queued);
    vetch_executor_unref(e);
    ek_open_gate();
    ck_assert_int_eq(ek_outcome_of(busy).code, 0);
    ck_assert_int_eq(ek_n_begun, 0);
}

/* The second caller loses interest; the first one does not. */
VT_TEST(executor_close_is_a_promise_of_each_caller)
{
    vetch_executor *e = ek_new(1, 100);
    vetch_promise *busy = vetch_executor_submit(e, ek_wait_at_gate, NULL, NULL);
    vetch_promise *first, *second;

    vt_run_ready();
    ek_await_at_gate(1);
    first = vetch_executor_close(e, 5);
    second = vetch_executor_close(e, 5);
    vetch_promise_cancel(second);
    ck_assert_int_eq(ek_outcome_of(second).code, VETCH_ECANCELED);
    ck_assert_int_eq(vetch_promise_state(first), VETCH_PENDING);
    ek_open_gate();
    ck_assert_int_eq(ek_outcome_of(first).code, 0);
    ck_assert_int_eq(ek_outcome_of(busy).code, 0);
    vetch_executor_unref(e);
}

VT_TEST(executor_close_has_a_deadline_for_each_caller)
{
    vetch_executor *e = ek_new(1, 100);
    vetch_promise *busy = vetch_executor_submit(e, ek_wait_at_gate, NULL, NULL);
    vetch_promise *queued = vetch_executor_submit(e, ek_add_one, NULL, NULL);
    vetch_promise *patient, *hasty;

    vt_run_ready();
    ek_await_at_gate(1);
    patient = vetch_executor_close(e, 60);
    hasty = vetch_executor_close(e, 1);
    vt_advance(1);
    ck_assert_int_eq(ek_outcome_of(hasty).code, VETCH_ETIMEDOUT);
    ck_assert_int_eq(ek_outcome_of(queued).code, VETCH_ECANCELED);
    ck_assert_int_eq(vetch_promise_state(patient), VETCH_PENDING);
    ek_open_gate();
    ck_assert_int_eq(ek_outcome_of(patient).code, 0);
    ck_assert_int_eq(ek_outcome_of(busy).code, 0);
    vetch_executor_unref(e);
}

VT_TEST(executor_close_within_a_nonsense_time_is_invalid)
{
    vetch_executor *e = ek_new(1, 100);

    ck_assert_int_eq(ek_outcome_of(vetch_executor_close(e, -1)).code, EINVAL);
    ck_assert_int_eq(ek_outcome_of(vetch_executor_close(e, NAN)).code, EINVAL);
    ck_assert_int_eq(
        ek_outcome_of(vetch_executor_submit(e, ek_add_one, NULL, NULL)).code,
        0);
    vetch_executor_unref(e);
}

static int n_arg_freed;

static void
free_arg(void *arg)
{
    ck_assert_str_eq(arg, "arg");
    n_arg_freed++;
}

VT_TEST(executor_frees_the_arg_of_a_job_after_it)
{
    static char arg[] = "arg";
    vetch_promise *p;

    n_arg_freed = 0;
    p = vetch_executor_submit_owned(NULL, ek_wait_at_gate, arg, free_arg, NULL);
    vt_run_ready();
    ek_await_at_gate(1);
    ck_assert_int_eq(n_arg_freed, 0);
    ek_open_gate();
    ck_assert_ptr_eq(ek_outcome_of(p).value, arg);
    ck_assert_int_eq(n_arg_freed, 1);
}

VT_TEST(executor_frees_the_arg_of_a_job_that_it_refuses)
{
    static char arg[] = "arg";
    vetch_executor *e = ek_new(1, 100);

    n_arg_freed = 0;
    ck_assert_int_eq(ek_outcome_of(vetch_executor_close(e, INFINITY)).code, 0);
    ck_assert_int_eq(ek_outcome_of(vetch_executor_submit_owned(
                                       e, ek_add_one, arg, free_arg, NULL))
                         .code,
                     VETCH_ECLOSED);
    ck_assert_int_eq(n_arg_freed, 1);
    vetch_executor_unref(e);
}

static void *
fail_at_gate(void *arg, vetch_error **ret_error)
{
    ek_wait_at_gate(arg, ret_error);
    *ret_error = vetch_error_new(VETCH_EUSER, "too late");
    return NULL;
}

VT_TEST(executor_job_that_fails_when_cancelled_says_so)
{
    vetch_promise *p = vetch_executor_submit(NULL, fail_at_gate, NULL, NULL);

    vt_run_ready();
    ek_await_at_gate(1);
    vetch_promise_cancel(p);
    ek_open_gate();
    ck_assert_int_eq(ek_outcome_of(p).code, VETCH_EUSER);
}

VT_TEST(executor_close_can_be_cancelled)
{
    vetch_executor *e = ek_new(1, 100);
    vetch_promise *busy = vetch_executor_submit(e, ek_wait_at_gate, NULL, NULL);
    vetch_promise *closed = vetch_executor_close(e, 5);

    vetch_promise_cancel(closed);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(closed)),
                     VETCH_ECANCELED);
    vetch_promise_unref(closed);
    ek_open_gate();
    ck_assert_int_eq(ek_outcome_of(busy).code, 0);
    vetch_executor_unref(e);
}

VT_TEST(executor_released_finishes_its_jobs)
{
    unsigned before = vt_threads();
    vetch_executor *e = ek_new(2, 100);
    vetch_promise *jobs[10];
    int i;

    for (i = 0; i < 10; i++)
        jobs[i] = vetch_executor_submit(e, ek_add_one, NULL, NULL);
    vetch_executor_unref(e);
    ck_assert_int_eq(ek_code_of_all(jobs, 10), 0);
    ck_assert_int_eq(ek_n_begun, 10);
    while (vt_threads() > before)
        sched_yield();
    ck_assert_uint_eq(vt_live_objects(), 0);
}

static vetch_executor *dropped;

static void
drop_executor(void *result)
{
    (void)result;
    dropped = vetch_executor_unref(dropped);
}

VT_TEST(executor_released_while_a_result_of_it_is_freed)
{
    int arg;

    dropped = ek_new(1, 10);
    vetch_promise *p =
        vetch_executor_submit(dropped, ek_wait_at_gate, &arg, drop_executor);

    vt_run_ready();
    ek_await_at_gate(1);
    vetch_promise_cancel(p);
    ek_open_gate();
    ck_assert_int_eq(ek_outcome_of(p).code, VETCH_ECANCELED);
    ck_assert_ptr_null(dropped);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

/* ---- the end of the reactor ---- */

static void
open_gate_later(void *ctx)
{
    (void)ctx;
    ek_open_gate();
}

/* The queued job is cancelled; what follows lets the running one go on. */
VT_TEST(executor_reactor_end_waits_for_running_jobs)
{
    struct ek_outcome running = { 0 }, queued = { 0 };
    vetch_executor *e = ek_new(1, 10);

    vetch_callback(
        vetch_executor_submit(e, ek_wait_at_gate, NULL, ek_count_result_freed),
        ek_done, &running);
    vetch_callback(
        vetch_finally(vetch_executor_submit(e, ek_add_one, NULL, NULL),
                      open_gate_later, NULL),
        ek_done, &queued);
    vt_run_ready();
    ek_await_at_gate(1);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert(running.settled);
    ck_assert(queued.settled);
    ck_assert_int_eq(queued.code, VETCH_ECANCELED);
    ck_assert_int_eq(ek_n_begun, 0);
    vetch_executor_unref(e);
}

VT_TEST(executor_outlives_its_reactor)
{
    vetch_executor *e = ek_new(1, 10);
    vetch_promise *p;

    ek_outcome_of(vetch_executor_submit(e, ek_add_one, NULL, NULL));
    vt_reactor = vetch_reactor_unref(vt_reactor);
    p = vetch_executor_submit(e, ek_add_one, NULL, NULL);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    vetch_promise_unref(p);
    p = vetch_executor_close(e, 1);
    ck_assert_int_ne(vetch_promise_state(p), VETCH_PENDING);
    vetch_promise_unref(p);
    vetch_executor_unref(e);
}

static int n_finally;

static void
count_finally(void *ctx)
{
    (void)ctx;
    n_finally++;
}

/* Threads cpython #82448, libuv #1726: the end does not hang, and says what it
 * leaves. Nothing is freed that the job uses. (LESSONS 24) */
static void
end_with_a_stuck_job(void)
{
    static int arg;
    const char *logged;
    vetch_promise *p;

    n_finally = 0;
    vetch__jobs_patience_ms = 30;
    p = vetch_executor_submit(NULL, ek_wait_at_gate, &arg, NULL);
    p = vetch_finally(p, count_finally, NULL);
    vetch_promise_unref(p);
    p = vetch_finally(vetch_executor_submit(NULL, ek_add_one, NULL, NULL),
                      count_finally, NULL);
    vt_run_ready();
    ek_await_at_gate(1);
    ek_outcome_of(p);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    logged = vt_log_take();
    ck_assert_ptr_nonnull(strstr(logged, "1 jobs run"));
    ck_assert_ptr_nonnull(strstr(logged, "wait_at_gate"));
    ck_assert_int_eq(n_finally, 1); /* not that of the stuck one */
}

VT_CASE("stuck", vt_reactor_tcase, .set_up = ek_close_gate,
        .take_down = ek_open_gate);

VT_TEST(executor_stuck_job_is_leaked_and_named)
{
    unsigned before = vt_threads();

    vt_forgive_descriptors(1); /* the crew's */
    end_with_a_stuck_job();
    ek_open_gate(); /* it ends after all, and touches nothing that is gone */
    while (vt_threads() > before)
        sched_yield();
}
