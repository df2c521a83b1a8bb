/* Executors: jobs on threads, as promises. To be run under the thread
 * sanitizer, too. */

#include "support/executor_kit.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <vetch/testing.h>

#include "promise/executor-private.h"
#include "reactor/reactor-private.h"

#define MANY 20000

static void *
fail_to_save(void *arg, vetch_error **ret_error)
{
    *ret_error = vetch_error_from_errno(ENOSPC, "save %s", (char *)arg);
    return NULL;
}

/* ---- basics ---- */

VT_CASE("basics", vt_reactor_tcase, .set_up = ek_close_gate,
        .take_down = ek_open_gate);

VT_TEST(executor_value_of_a_job_is_the_promise_s)
{
    struct ek_outcome o = ek_outcome_of(
        vetch_executor_submit(NULL, ek_add_one, (void *)41, NULL));

    ck_assert_int_eq((int)(intptr_t)o.value, 42);
    ck_assert_int_eq(o.code, 0);
}

VT_TEST(executor_error_of_a_job_rejects)
{
    char name[] = "br.gif";
    struct ek_outcome o =
        ek_outcome_of(vetch_executor_submit(NULL, fail_to_save, name, NULL));

    ck_assert_int_eq(o.code, ENOSPC);
    ck_assert_str_eq(o.text, "save br.gif: no space left on device");
}

static void *
note_thread(void *arg, vetch_error **ret_error)
{
    (void)ret_error;
    *(pthread_t *)arg = pthread_self();
    return (void *)vetch_reactor_current();
}

VT_TEST(executor_runs_on_another_thread_without_reactor)
{
    pthread_t thread = pthread_self();
    struct ek_outcome o =
        ek_outcome_of(vetch_executor_submit(NULL, note_thread, &thread, NULL));

    ck_assert(!pthread_equal(thread, pthread_self()));
    ck_assert_ptr_null(o.value);
}

VT_TEST(executor_does_not_run_inside_the_call)
{
    vetch_promise *p = vetch_executor_submit(NULL, ek_add_one, NULL, NULL);

    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    ck_assert_int_eq((int)(intptr_t)ek_outcome_of(p).value, 1);
}

VT_TEST(executor_threads_are_started_as_needed)
{
    unsigned before = vt_threads();
    vetch_executor *e = ek_new(3, 100);
    vetch_promise *jobs[3];
    int i;

    ck_assert_uint_eq(vt_threads(), before);
    jobs[0] = vetch_executor_submit(e, ek_wait_at_gate, NULL, NULL);
    vt_run_ready();
    ek_await_at_gate(1);
    ck_assert_uint_eq(vt_threads(), before + 1);
    for (i = 1; i < 3; i++)
        jobs[i] = vetch_executor_submit(e, ek_wait_at_gate, NULL, NULL);
    vt_run_ready();
    ek_await_at_gate(3); /* all at once: nobody waits for anybody */
    ck_assert_uint_eq(vt_threads(), before + 3);
    ek_open_gate();
    ck_assert_int_eq(ek_code_of_all(jobs, 3), 0);
    vetch_executor_unref(e);
}

static void
block_three(vetch_executor *e)
{
    vetch_promise *jobs[3];
    int i;

    ek_close_gate();
    for (i = 0; i < 3; i++)
        jobs[i] = vetch_executor_submit(e, ek_wait_at_gate, NULL, NULL);
    vt_run_ready();
    ek_await_at_gate(3);
    ek_open_gate();
    ck_assert_int_eq(ek_code_of_all(jobs, 3), 0);
}

/* Those that sleep all wake up, although one wake-up is given. */
VT_TEST(executor_idle_threads_wake_for_jobs_given_together)
{
    vetch_executor *e = ek_new(3, 100);
    int round;

    for (round = 0; round < 20; round++)
        block_three(e);
    vetch_executor_unref(e);
}

VT_TEST(executor_idle_thread_is_used_again)
{
    unsigned before = vt_threads();
    vetch_executor *e = ek_new(4, 100);
    int i;

    for (i = 0; i < 20; i++)
        ek_outcome_of(vetch_executor_submit(e, ek_add_one, NULL, NULL));
    ck_assert_uint_eq(vt_threads(), before + 1);
    vetch_executor_unref(e);
}

VT_TEST(executor_one_thread_runs_jobs_in_order)
{
    vetch_executor *e = ek_new(1, 1000);
    vetch_promise *jobs[500];
    vetch_results *results;
    int i;

    for (i = 0; i < 500; i++)
        jobs[i] =
            vetch_executor_submit(e, ek_add_one, (void *)(intptr_t)i, NULL);
    results = vetch_run(vetch_all(jobs, 500), NULL);
    for (i = 0; i < 500; i++)
        ck_assert_int_eq((int)(intptr_t)vetch_results_value(results, (size_t)i),
                         i + 1);
    vetch_results_unref(results);
    vt_run_ready();
    vetch_executor_unref(e);
}

struct flood {
    int left, in_flight;
    intptr_t sum;
    bool done;
};

static void flood_on(struct flood *f);

static void
flood_done(const vetch_error *error, void *result, void *ctx)
{
    struct flood *f = ctx;

    ck_assert_ptr_null(error);
    f->sum += (intptr_t)result;
    f->in_flight--;
    flood_on(f);
    f->done = f->in_flight == 0;
}

static void
flood_on(struct flood *f)
{
    while (f->in_flight < 64 && f->left > 0) {
        f->left--;
        f->in_flight++;
        vetch_callback(vetch_executor_submit(NULL, ek_add_one,
                                             (void *)(intptr_t)f->left, NULL),
                       flood_done, f);
    }
}

VT_TEST(executor_loses_none_of_many_jobs)
{
    struct flood f = { .left = MANY };

    flood_on(&f);
    ek_run_until(&f.done);
    ck_assert_int_eq((int)f.sum, MANY / 2 * (MANY + 1));
    ck_assert_int_eq(ek_n_begun, MANY);
}

static void *
check_signals(void *arg, vetch_error **ret_error)
{
    sigset_t set;

    (void)ret_error;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    *(bool *)arg = sigismember(&set, SIGINT) && sigismember(&set, SIGTERM) &&
                   sigismember(&set, SIGUSR1) && !sigismember(&set, SIGSEGV);
    return NULL;
}

VT_TEST(executor_threads_block_signals)
{
    bool blocked = false;
    sigset_t set;

    ek_outcome_of(vetch_executor_submit(NULL, check_signals, &blocked, NULL));
    ck_assert(blocked);
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    ck_assert(!sigismember(&set, SIGINT)); /* ours is as it was */
}

static void *
post_from_job(void *arg, vetch_error **ret_error)
{
    (void)ret_error;
    if (vetch_reactor_post(vt_reactor, vt_count, arg) < 0)
        *ret_error = vetch_error_from_errno(errno, "post");
    return NULL;
}

VT_TEST(executor_job_may_post)
{
    int n = 0;

    ck_assert_int_eq(
        ek_outcome_of(vetch_executor_submit(NULL, post_from_job, &n, NULL))
            .code,
        0);
    vt_run_ready();
    ck_assert_int_eq(n, 1);
}

/* ---- values ---- */

VT_TEST(executor_result_that_nobody_takes_is_freed)
{
    vetch_executor *e = ek_new(1, 10);
    bool is_done = false;

    vetch_promise_unref(
        vetch_executor_submit(e, ek_add_one, NULL, ek_count_result_freed));
    /* The one behind it tells when the first has ended. */
    vetch_callback(vetch_executor_submit(e, ek_add_one, NULL, NULL), ek_done,
                   &(struct ek_outcome){ 0 });
    is_done = ek_outcome_of(vetch_executor_close(e, INFINITY)).settled;
    ck_assert(is_done);
    vt_run_ready();
    ck_assert_int_eq(ek_n_result_freed, 1);
    vetch_executor_unref(e);
}

static void *
return_both(void *arg, vetch_error **ret_error)
{
    *ret_error = vetch_error_new(VETCH_EUSER, "half done");
    return arg;
}

VT_TEST(executor_error_wins_over_a_value_which_is_freed)
{
    int value;
    struct ek_outcome o = ek_outcome_of(vetch_executor_submit(
        NULL, return_both, &value, ek_count_result_freed));

    ck_assert_int_eq(o.code, VETCH_EUSER);
    ck_assert_int_eq(ek_n_result_freed, 1);
}

/* ---- limits ---- */

VT_CASE("limits", vt_reactor_tcase, .set_up = ek_close_gate,
        .take_down = ek_open_gate);

VT_TEST(executor_full_queue_refuses)
{
    vetch_executor *e = ek_new(2, 3);
    vetch_promise *jobs[5];
    struct ek_outcome o;
    int i;

    for (i = 0; i < 5; i++)
        jobs[i] = vetch_executor_submit(e, ek_wait_at_gate, NULL, NULL);
    o = ek_outcome_of(vetch_executor_submit(e, ek_add_one, NULL, NULL));
    ck_assert_int_eq(o.code, EAGAIN);
    ck_assert_int_eq(ek_n_begun, 0);
    ek_open_gate();
    ck_assert_int_eq(ek_code_of_all(jobs, 5), 0);
    ck_assert_int_eq(
        ek_outcome_of(vetch_executor_submit(e, ek_add_one, NULL, NULL)).code,
        0);
    vetch_executor_unref(e);
}

VT_TEST(executor_options_must_make_sense)
{
    vetch_executor_options options = VETCH_EXECUTOR_OPTIONS_INIT;

    options.n_threads = 0;
    errno = 0;
    ck_assert_ptr_null(vetch_executor_new(&options));
    ck_assert_int_eq(errno, EINVAL);
    options.n_threads = 1000000;
    ck_assert_ptr_null(vetch_executor_new(&options));
    ck_assert_int_eq(errno, EINVAL);
}

/* A program built with an older header knows fewer options. */
VT_TEST(executor_options_may_be_shorter)
{
    vetch_executor_options options = VETCH_EXECUTOR_OPTIONS_INIT;
    vetch_executor *e;

    options.size = offsetof(vetch_executor_options, queue_limit);
    options.n_threads = 1;
    options.queue_limit = 0; /* beyond the size: not read */
    e = vetch_executor_new(&options);
    ck_assert_ptr_nonnull(e);
    vetch_promise_unref(vetch_executor_submit(e, ek_add_one, NULL, NULL));
    ck_assert_int_eq(
        ek_outcome_of(vetch_executor_submit(e, ek_add_one, NULL, NULL)).code,
        0);
    vetch_executor_unref(e);
}

VT_CASE("alone", vt_tcase, .set_up = ek_close_gate, .take_down = ek_open_gate);

VT_TEST(executor_needs_a_reactor)
{
    vetch_promise *p;

    errno = 0;
    ck_assert_ptr_null(vetch_executor_new(NULL));
    ck_assert_int_eq(errno, EPERM);
    p = vetch_executor_submit(NULL, ek_add_one, NULL, NULL);
    ck_assert_ptr_nonnull(vetch_promise_error(p));
    vetch_promise_unref(p);
}

VT_CASE("limits", vt_reactor_tcase, .set_up = ek_close_gate,
        .take_down = ek_open_gate);

VT_TEST(executor_without_a_single_thread_refuses)
{
    vetch_executor *e = ek_new(4, 10);
    struct ek_outcome o;

    vetch_testing_fail_allocation(2, false); /* 1: the thread's record */
    o = ek_outcome_of(vetch_executor_submit(e, ek_add_one, NULL, NULL));
    vetch_testing_fail_allocation(0, false);
    ck_assert_int_eq(o.code, EAGAIN);
    ck_assert_int_eq(ek_n_begun, 0);
    o = ek_outcome_of(vetch_executor_submit(e, ek_add_one, NULL, NULL));
    ck_assert_int_eq(o.code, 0);
    vetch_executor_unref(e);
}

VT_TEST(executor_makes_do_with_the_threads_that_it_gets)
{
    vetch_executor *e = ek_new(4, 10);
    vetch_promise *jobs[3];
    int i;

    for (i = 0; i < 3; i++)
        jobs[i] = vetch_executor_submit(e, ek_add_one, NULL, NULL);
    vetch_testing_fail_allocation(1, true); /* no second thread */
    vt_run_ready();
    vetch_testing_fail_allocation(0, false);
    ck_assert_int_eq(ek_code_of_all(jobs, 3), 0);
    vetch_executor_unref(e);
}

/* ---- out of memory ---- */

VT_CASE("alone", vt_tcase, .set_up = ek_close_gate, .take_down = ek_open_gate);

/* Without memory even for a callback's link what it was for is reported. */
static void
ignore_rejection(const vetch_error *error, void *ctx)
{
    (void)ctx;
    ck_assert_int_eq(vetch_error_code(error), VETCH_ENOMEM);
}

static void
submit_some(bool unharmed)
{
    vetch_reactor *r = vetch_reactor_new();
    struct ek_outcome own = { 0 }, other = { 0 }, closed = { 0 };
    vetch_executor *e;

    if (r == NULL)
        return;
    vt_reactor = r;
    vetch_reactor_set_rejection_hook(r, ignore_rejection, NULL);
    e = vetch_executor_new(NULL);
    ck_assert(e != NULL || !unharmed);
    vetch_callback(vetch_executor_submit(NULL, ek_add_one, NULL, NULL), ek_done,
                   &own);
    ek_run_until(&own.settled);
    if (e != NULL) {
        vetch_callback(vetch_executor_submit(e, ek_add_one, NULL, NULL),
                       ek_done, &other);
        ek_run_until(&other.settled);
        vetch_callback(vetch_executor_close(e, 1), ek_done, &closed);
        vetch_executor_unref(e);
    }
    ck_assert(!unharmed || (own.code == 0 && other.code == 0));
    vetch_reactor_unref(r);
    vt_reactor = NULL;
}

VT_TEST(executor_survives_each_failed_allocation)
{
    vt_sweep_allocations(submit_some);
}
