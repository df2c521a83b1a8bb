/* Executors: jobs on threads, as promises. To be run under the thread
 * sanitizer, too. */

#include "support/harness.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <vetch/testing.h>

#include "promise/executor-private.h"
#include "reactor/reactor-private.h"

#define MANY 20000

struct outcome {
    bool settled;
    void *value;
    int code;
    char text[256];
};

static void
done(const vetch_error *error, void *result, void *ctx)
{
    struct outcome *o = ctx;

    o->settled = true;
    o->value = result;
    o->code = vetch_error_code(error);
    snprintf(o->text, sizeof(o->text), "%s", vetch_error_text(error));
}

static void
run_until(const bool *flag)
{
    ck_assert_int_eq(vetch__reactor_run_until(vt_reactor, flag), 0);
}

static struct outcome
outcome_of(vetch_promise *p)
{
    struct outcome o = { 0 };

    vetch_callback(p, done, &o);
    run_until(&o.settled);
    return o;
}

static int
code_of_all(vetch_promise *const *promises, size_t n)
{
    struct outcome o = outcome_of(vetch_all(promises, n));

    vetch_results_unref(o.value);
    return o.code;
}

static vetch_executor *
make_executor(unsigned n_threads, size_t queue_limit)
{
    vetch_executor_options options = VETCH_EXECUTOR_OPTIONS_INIT;
    vetch_executor *e;

    options.n_threads = n_threads;
    options.queue_limit = queue_limit;
    e = vetch_executor_new(&options);
    ck_assert_ptr_nonnull(e);
    return e;
}

/* ---- a gate, to hold jobs where a test wants them ---- */

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moved = PTHREAD_COND_INITIALIZER;
static bool gate_open;
static int n_at_gate;
static atomic_int n_begun, n_result_freed;

static void
close_gate(void)
{
    gate_open = false;
    n_at_gate = 0;
    atomic_store(&n_begun, 0);
    atomic_store(&n_result_freed, 0);
}

static void
open_gate(void)
{
    pthread_mutex_lock(&gate_lock);
    gate_open = true;
    pthread_cond_broadcast(&gate_moved);
    pthread_mutex_unlock(&gate_lock);
}

static void *
wait_at_gate(void *arg, vetch_error **ret_error)
{
    (void)ret_error;
    pthread_mutex_lock(&gate_lock);
    n_at_gate++;
    pthread_cond_broadcast(&gate_moved);
    while (!gate_open)
        pthread_cond_wait(&gate_moved, &gate_lock);
    n_at_gate--;
    pthread_mutex_unlock(&gate_lock);
    return arg;
}

static void
await_at_gate(int n)
{
    pthread_mutex_lock(&gate_lock);
    while (n_at_gate < n)
        pthread_cond_wait(&gate_moved, &gate_lock);
    pthread_mutex_unlock(&gate_lock);
}

/* ---- jobs ---- */

static void *
add_one(void *arg, vetch_error **ret_error)
{
    (void)ret_error;
    atomic_fetch_add(&n_begun, 1);
    return (void *)((intptr_t)arg + 1);
}

static void *
fail_to_save(void *arg, vetch_error **ret_error)
{
    *ret_error = vetch_error_from_errno(ENOSPC, "save %s", (char *)arg);
    return NULL;
}

static void
count_result_freed(void *result)
{
    (void)result;
    atomic_fetch_add(&n_result_freed, 1);
}

/* ---- basics ---- */

VT_CASE("basics", vt_reactor_tcase, .set_up = close_gate,
        .take_down = open_gate);

VT_TEST(executor_value_of_a_job_is_the_promise_s)
{
    struct outcome o =
        outcome_of(vetch_executor_submit(NULL, add_one, (void *)41, NULL));

    ck_assert_int_eq((int)(intptr_t)o.value, 42);
    ck_assert_int_eq(o.code, 0);
}

VT_TEST(executor_error_of_a_job_rejects)
{
    char name[] = "br.gif";
    struct outcome o =
        outcome_of(vetch_executor_submit(NULL, fail_to_save, name, NULL));

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
    struct outcome o =
        outcome_of(vetch_executor_submit(NULL, note_thread, &thread, NULL));

    ck_assert(!pthread_equal(thread, pthread_self()));
    ck_assert_ptr_null(o.value);
}

VT_TEST(executor_does_not_run_inside_the_call)
{
    vetch_promise *p = vetch_executor_submit(NULL, add_one, NULL, NULL);

    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    ck_assert_int_eq((int)(intptr_t)outcome_of(p).value, 1);
}

VT_TEST(executor_threads_are_started_as_needed)
{
    unsigned before = vt_threads();
    vetch_executor *e = make_executor(3, 100);
    vetch_promise *jobs[3];
    int i;

    ck_assert_uint_eq(vt_threads(), before);
    jobs[0] = vetch_executor_submit(e, wait_at_gate, NULL, NULL);
    vt_run_ready();
    await_at_gate(1);
    ck_assert_uint_eq(vt_threads(), before + 1);
    for (i = 1; i < 3; i++)
        jobs[i] = vetch_executor_submit(e, wait_at_gate, NULL, NULL);
    vt_run_ready();
    await_at_gate(3); /* all at once: nobody waits for anybody */
    ck_assert_uint_eq(vt_threads(), before + 3);
    open_gate();
    ck_assert_int_eq(code_of_all(jobs, 3), 0);
    vetch_executor_unref(e);
}

static void
block_three(vetch_executor *e)
{
    vetch_promise *jobs[3];
    int i;

    close_gate();
    for (i = 0; i < 3; i++)
        jobs[i] = vetch_executor_submit(e, wait_at_gate, NULL, NULL);
    vt_run_ready();
    await_at_gate(3);
    open_gate();
    ck_assert_int_eq(code_of_all(jobs, 3), 0);
}

/* Those that sleep all wake up, although one wake-up is given. */
VT_TEST(executor_idle_threads_wake_for_jobs_given_together)
{
    vetch_executor *e = make_executor(3, 100);
    int round;

    for (round = 0; round < 20; round++)
        block_three(e);
    vetch_executor_unref(e);
}

VT_TEST(executor_idle_thread_is_used_again)
{
    unsigned before = vt_threads();
    vetch_executor *e = make_executor(4, 100);
    int i;

    for (i = 0; i < 20; i++)
        outcome_of(vetch_executor_submit(e, add_one, NULL, NULL));
    ck_assert_uint_eq(vt_threads(), before + 1);
    vetch_executor_unref(e);
}

VT_TEST(executor_one_thread_runs_jobs_in_order)
{
    vetch_executor *e = make_executor(1, 1000);
    vetch_promise *jobs[500];
    vetch_results *results;
    int i;

    for (i = 0; i < 500; i++)
        jobs[i] = vetch_executor_submit(e, add_one, (void *)(intptr_t)i, NULL);
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
        vetch_callback(vetch_executor_submit(NULL, add_one,
                                             (void *)(intptr_t)f->left, NULL),
                       flood_done, f);
    }
}

VT_TEST(executor_loses_none_of_many_jobs)
{
    struct flood f = { .left = MANY };

    flood_on(&f);
    run_until(&f.done);
    ck_assert_int_eq((int)f.sum, MANY / 2 * (MANY + 1));
    ck_assert_int_eq(n_begun, MANY);
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

    outcome_of(vetch_executor_submit(NULL, check_signals, &blocked, NULL));
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
        outcome_of(vetch_executor_submit(NULL, post_from_job, &n, NULL)).code,
        0);
    vt_run_ready();
    ck_assert_int_eq(n, 1);
}

/* ---- values ---- */

VT_TEST(executor_result_that_nobody_takes_is_freed)
{
    vetch_executor *e = make_executor(1, 10);
    bool is_done = false;

    vetch_promise_unref(
        vetch_executor_submit(e, add_one, NULL, count_result_freed));
    /* The one behind it tells when the first has ended. */
    vetch_callback(vetch_executor_submit(e, add_one, NULL, NULL), done,
                   &(struct outcome){ 0 });
    is_done = outcome_of(vetch_executor_close(e, INFINITY)).settled;
    ck_assert(is_done);
    vt_run_ready();
    ck_assert_int_eq(n_result_freed, 1);
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
    struct outcome o = outcome_of(
        vetch_executor_submit(NULL, return_both, &value, count_result_freed));

    ck_assert_int_eq(o.code, VETCH_EUSER);
    ck_assert_int_eq(n_result_freed, 1);
}

/* ---- limits ---- */

VT_CASE("limits", vt_reactor_tcase, .set_up = close_gate,
        .take_down = open_gate);

VT_TEST(executor_full_queue_refuses)
{
    vetch_executor *e = make_executor(2, 3);
    vetch_promise *jobs[5];
    struct outcome o;
    int i;

    for (i = 0; i < 5; i++)
        jobs[i] = vetch_executor_submit(e, wait_at_gate, NULL, NULL);
    o = outcome_of(vetch_executor_submit(e, add_one, NULL, NULL));
    ck_assert_int_eq(o.code, EAGAIN);
    ck_assert_int_eq(n_begun, 0);
    open_gate();
    ck_assert_int_eq(code_of_all(jobs, 5), 0);
    ck_assert_int_eq(
        outcome_of(vetch_executor_submit(e, add_one, NULL, NULL)).code, 0);
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
    vetch_promise_unref(vetch_executor_submit(e, add_one, NULL, NULL));
    ck_assert_int_eq(
        outcome_of(vetch_executor_submit(e, add_one, NULL, NULL)).code, 0);
    vetch_executor_unref(e);
}

VT_CASE("alone", vt_tcase, .set_up = close_gate, .take_down = open_gate);

VT_TEST(executor_needs_a_reactor)
{
    vetch_promise *p;

    errno = 0;
    ck_assert_ptr_null(vetch_executor_new(NULL));
    ck_assert_int_eq(errno, EPERM);
    p = vetch_executor_submit(NULL, add_one, NULL, NULL);
    ck_assert_ptr_nonnull(vetch_promise_error(p));
    vetch_promise_unref(p);
}

VT_CASE("limits", vt_reactor_tcase, .set_up = close_gate,
        .take_down = open_gate);

VT_TEST(executor_without_a_single_thread_refuses)
{
    vetch_executor *e = make_executor(4, 10);
    struct outcome o;

    vetch_testing_fail_allocation(2, false); /* 1: the thread's record */
    o = outcome_of(vetch_executor_submit(e, add_one, NULL, NULL));
    vetch_testing_fail_allocation(0, false);
    ck_assert_int_eq(o.code, EAGAIN);
    ck_assert_int_eq(n_begun, 0);
    o = outcome_of(vetch_executor_submit(e, add_one, NULL, NULL));
    ck_assert_int_eq(o.code, 0);
    vetch_executor_unref(e);
}

VT_TEST(executor_makes_do_with_the_threads_that_it_gets)
{
    vetch_executor *e = make_executor(4, 10);
    vetch_promise *jobs[3];
    int i;

    for (i = 0; i < 3; i++)
        jobs[i] = vetch_executor_submit(e, add_one, NULL, NULL);
    vetch_testing_fail_allocation(1, true); /* no second thread */
    vt_run_ready();
    vetch_testing_fail_allocation(0, false);
    ck_assert_int_eq(code_of_all(jobs, 3), 0);
    vetch_executor_unref(e);
}

/* ---- cancelling ---- */

VT_CASE("stopping", vt_reactor_tcase, .set_up = close_gate,
        .take_down = open_gate);

/* Threads cpython #82448 #111358, joyent/libuv #630: what has not begun can be
 * taken back.
 * (LESSONS 24) */
VT_TEST(executor_queued_job_is_cancelled_at_once)
{
    vetch_executor *e = make_executor(1, 10);
    vetch_promise *busy = vetch_executor_submit(e, wait_at_gate, NULL, NULL);
    vetch_promise *queued = vetch_executor_submit(e, add_one, NULL, NULL);
    vetch_promise *waiting;

    vt_run_ready();
    await_at_gate(1);
    waiting = vetch_executor_submit(e, add_one, NULL, NULL);
    vetch_promise_cancel(queued);
    vetch_promise_cancel(waiting);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(queued)),
                     VETCH_ECANCELED);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(waiting)),
                     VETCH_ECANCELED);
    vetch_promise_unref(queued);
    vetch_promise_unref(waiting);
    open_gate();
    ck_assert_int_eq(outcome_of(busy).code, 0);
    ck_assert_int_eq(
        outcome_of(vetch_executor_submit(e, add_one, NULL, NULL)).code, 0);
    ck_assert_int_eq(n_begun, 1); /* neither of the cancelled ones */
    vetch_executor_unref(e);
}

/* Settled means stopped: the job uses `arg` until it ends. */
VT_TEST(executor_running_job_settles_when_it_has_ended)
{
    vetch_executor *e = make_executor(1, 10);
    int arg;
    vetch_promise *p =
        vetch_executor_submit(e, wait_at_gate, &arg, count_result_freed);
    struct outcome o = { 0 };

    vetch_callback(vetch_promise_ref(p), done, &o);
    vetch_promise_unref(p);
    p = vetch_executor_submit(e, wait_at_gate, &arg, count_result_freed);
    vt_run_ready();
    await_at_gate(1);
    vetch_promise_cancel(p); /* queued: at once */
    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    vetch_promise_unref(p);
    open_gate();
    run_until(&o.settled);
    ck_assert_int_eq(o.code, 0);
    vetch_executor_unref(e);
}

/* Which of them have begun is the threads' to say, and asking is no race. */
VT_TEST(executor_jobs_may_be_cancelled_while_others_begin)
{
    vetch_executor *e = make_executor(2, 500);
    vetch_promise *p[500];

    for (intptr_t i = 0; i < 500; i++)
        p[i] = vetch_executor_submit(e, add_one, (void *)i, NULL);
    vt_run_ready();
    for (int i = 0; i < 500; i++)
        vetch_promise_cancel(p[i]);
    for (int i = 0; i < 500; i++) {
        struct outcome o = outcome_of(p[i]);

        ck_assert(o.code == 0 || o.code == VETCH_ECANCELED);
    }
    vetch_executor_unref(e);
}

VT_TEST(executor_running_job_that_is_cancelled_loses_its_result)
{
    int arg;
    vetch_promise *p =
        vetch_executor_submit(NULL, wait_at_gate, &arg, count_result_freed);
    struct outcome o = { 0 };

    vt_run_ready();
    await_at_gate(1);
    vetch_promise_cancel(p);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    ck_assert_int_eq(n_result_freed, 0);
    vetch_callback(p, done, &o);
    open_gate();
    run_until(&o.settled);
    ck_assert_int_eq(o.code, VETCH_ECANCELED);
    ck_assert_int_eq(n_result_freed, 1);
}

VT_TEST(executor_stuck_job_can_be_given_up_with_a_shield)
{
    vetch_promise *job = vetch_executor_submit(NULL, wait_at_gate, NULL, NULL);
    vetch_promise *p = vetch_timeout(vetch_shield(vetch_promise_ref(job)), 1);
    struct outcome o = { 0 };

    vetch_callback(p, done, &o);
    vt_run_ready();
    await_at_gate(1);
    vt_advance(1);
    ck_assert(o.settled);
    ck_assert_int_eq(o.code, VETCH_ETIMEDOUT);
    ck_assert_int_eq(vetch_promise_state(job), VETCH_PENDING);
    open_gate();
    ck_assert_int_eq(outcome_of(job).code, 0);
}

/* ---- closing ---- */

VT_TEST(executor_close_lets_jobs_end_and_ends_the_threads)
{
    unsigned before = vt_threads();
    vetch_executor *e = make_executor(2, 100);
    vetch_promise *jobs[20], *closed;
    int i;

    for (i = 0; i < 20; i++)
        jobs[i] = vetch_executor_submit(e, add_one, NULL, NULL);
    closed = vetch_executor_close(e, INFINITY);
    ck_assert_int_eq(vetch_promise_state(closed), VETCH_PENDING);
    ck_assert_int_eq(outcome_of(closed).code, 0);
    ck_assert_int_eq(n_begun, 20);
    while (vt_threads() > before)
        sched_yield(); /* the kernel may still list what was joined */
    ck_assert_int_eq(code_of_all(jobs, 20), 0);
    vetch_executor_unref(e);
}

VT_TEST(executor_closed_takes_no_jobs)
{
    vetch_executor *e = make_executor(2, 100);
    vetch_promise *busy = vetch_executor_submit(e, wait_at_gate, NULL, NULL);
    vetch_promise *closed = vetch_executor_close(e, INFINITY);
    vetch_promise *again = vetch_executor_close(e, INFINITY);

    ck_assert_int_eq(
        outcome_of(vetch_executor_submit(e, add_one, NULL, NULL)).code,
        VETCH_ECLOSED);
    open_gate();
    ck_assert_int_eq(outcome_of(closed).code, 0);
    ck_assert_int_eq(outcome_of(again).code, 0);
    ck_assert_int_eq(outcome_of(busy).code, 0);
    ck_assert_int_eq(
        outcome_of(vetch_executor_submit(e, add_one, NULL, NULL)).code,
        VETCH_ECLOSED);
    ck_assert_int_eq(outcome_of(vetch_executor_close(e, INFINITY)).code, 0);
    vetch_executor_unref(e);
}

/* Threads cpython #111358, libuv #4976: closing with a deadline, naming what
 * is stuck. (LESSONS 24) */
VT_TEST(executor_close_with_a_deadline_names_what_is_stuck)
{
    vetch_executor *e = make_executor(1, 100);
    vetch_promise *busy = vetch_executor_submit(e, wait_at_gate, NULL, NULL);
    vetch_promise *queued = vetch_executor_submit(e, add_one, NULL, NULL);
    struct outcome o = { 0 };

    vt_run_ready();
    await_at_gate(1);
    vetch_callback(vetch_executor_close(e, 2), done, &o);
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
    open_gate();
    ck_assert_int_eq(outcome_of(busy).code, 0);
    ck_assert_int_eq(n_begun, 0);
}

/* The second caller loses interest; the first one does not. */
VT_TEST(executor_close_is_a_promise_of_each_caller)
{
    vetch_executor *e = make_executor(1, 100);
    vetch_promise *busy = vetch_executor_submit(e, wait_at_gate, NULL, NULL);
    vetch_promise *first, *second;

    vt_run_ready();
    await_at_gate(1);
    first = vetch_executor_close(e, 5);
    second = vetch_executor_close(e, 5);
    vetch_promise_cancel(second);
    ck_assert_int_eq(outcome_of(second).code, VETCH_ECANCELED);
    ck_assert_int_eq(vetch_promise_state(first), VETCH_PENDING);
    open_gate();
    ck_assert_int_eq(outcome_of(first).code, 0);
    ck_assert_int_eq(outcome_of(busy).code, 0);
    vetch_executor_unref(e);
}

VT_TEST(executor_close_has_a_deadline_for_each_caller)
{
    vetch_executor *e = make_executor(1, 100);
    vetch_promise *busy = vetch_executor_submit(e, wait_at_gate, NULL, NULL);
    vetch_promise *queued = vetch_executor_submit(e, add_one, NULL, NULL);
    vetch_promise *patient, *hasty;

    vt_run_ready();
    await_at_gate(1);
    patient = vetch_executor_close(e, 60);
    hasty = vetch_executor_close(e, 1);
    vt_advance(1);
    ck_assert_int_eq(outcome_of(hasty).code, VETCH_ETIMEDOUT);
    ck_assert_int_eq(outcome_of(queued).code, VETCH_ECANCELED);
    ck_assert_int_eq(vetch_promise_state(patient), VETCH_PENDING);
    open_gate();
    ck_assert_int_eq(outcome_of(patient).code, 0);
    ck_assert_int_eq(outcome_of(busy).code, 0);
    vetch_executor_unref(e);
}

VT_TEST(executor_close_within_a_nonsense_time_is_invalid)
{
    vetch_executor *e = make_executor(1, 100);

    ck_assert_int_eq(outcome_of(vetch_executor_close(e, -1)).code, EINVAL);
    ck_assert_int_eq(outcome_of(vetch_executor_close(e, NAN)).code, EINVAL);
    ck_assert_int_eq(
        outcome_of(vetch_executor_submit(e, add_one, NULL, NULL)).code, 0);
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
    p = vetch_executor_submit_owned(NULL, wait_at_gate, arg, free_arg, NULL);
    vt_run_ready();
    await_at_gate(1);
    ck_assert_int_eq(n_arg_freed, 0);
    open_gate();
    ck_assert_ptr_eq(outcome_of(p).value, arg);
    ck_assert_int_eq(n_arg_freed, 1);
}

VT_TEST(executor_frees_the_arg_of_a_job_that_it_refuses)
{
    static char arg[] = "arg";
    vetch_executor *e = make_executor(1, 100);

    n_arg_freed = 0;
    ck_assert_int_eq(outcome_of(vetch_executor_close(e, INFINITY)).code, 0);
    ck_assert_int_eq(
        outcome_of(vetch_executor_submit_owned(e, add_one, arg, free_arg, NULL))
            .code,
        VETCH_ECLOSED);
    ck_assert_int_eq(n_arg_freed, 1);
    vetch_executor_unref(e);
}

static void *
fail_at_gate(void *arg, vetch_error **ret_error)
{
    wait_at_gate(arg, ret_error);
    *ret_error = vetch_error_new(VETCH_EUSER, "too late");
    return NULL;
}

VT_TEST(executor_job_that_fails_when_cancelled_says_so)
{
    vetch_promise *p = vetch_executor_submit(NULL, fail_at_gate, NULL, NULL);

    vt_run_ready();
    await_at_gate(1);
    vetch_promise_cancel(p);
    open_gate();
    ck_assert_int_eq(outcome_of(p).code, VETCH_EUSER);
}

VT_TEST(executor_close_can_be_cancelled)
{
    vetch_executor *e = make_executor(1, 100);
    vetch_promise *busy = vetch_executor_submit(e, wait_at_gate, NULL, NULL);
    vetch_promise *closed = vetch_executor_close(e, 5);

    vetch_promise_cancel(closed);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(closed)),
                     VETCH_ECANCELED);
    vetch_promise_unref(closed);
    open_gate();
    ck_assert_int_eq(outcome_of(busy).code, 0);
    vetch_executor_unref(e);
}

VT_TEST(executor_released_finishes_its_jobs)
{
    unsigned before = vt_threads();
    vetch_executor *e = make_executor(2, 100);
    vetch_promise *jobs[10];
    int i;

    for (i = 0; i < 10; i++)
        jobs[i] = vetch_executor_submit(e, add_one, NULL, NULL);
    vetch_executor_unref(e);
    ck_assert_int_eq(code_of_all(jobs, 10), 0);
    ck_assert_int_eq(n_begun, 10);
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

    dropped = make_executor(1, 10);
    vetch_promise *p =
        vetch_executor_submit(dropped, wait_at_gate, &arg, drop_executor);

    vt_run_ready();
    await_at_gate(1);
    vetch_promise_cancel(p);
    open_gate();
    ck_assert_int_eq(outcome_of(p).code, VETCH_ECANCELED);
    ck_assert_ptr_null(dropped);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

/* ---- the end of the reactor ---- */

static void
open_gate_later(void *ctx)
{
    (void)ctx;
    open_gate();
}

/* The queued job is cancelled; what follows lets the running one go on. */
VT_TEST(executor_reactor_end_waits_for_running_jobs)
{
    struct outcome running = { 0 }, queued = { 0 };
    vetch_executor *e = make_executor(1, 10);

    vetch_callback(
        vetch_executor_submit(e, wait_at_gate, NULL, count_result_freed), done,
        &running);
    vetch_callback(vetch_finally(vetch_executor_submit(e, add_one, NULL, NULL),
                                 open_gate_later, NULL),
                   done, &queued);
    vt_run_ready();
    await_at_gate(1);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert(running.settled);
    ck_assert(queued.settled);
    ck_assert_int_eq(queued.code, VETCH_ECANCELED);
    ck_assert_int_eq(n_begun, 0);
    vetch_executor_unref(e);
}

VT_TEST(executor_outlives_its_reactor)
{
    vetch_executor *e = make_executor(1, 10);
    vetch_promise *p;

    outcome_of(vetch_executor_submit(e, add_one, NULL, NULL));
    vt_reactor = vetch_reactor_unref(vt_reactor);
    p = vetch_executor_submit(e, add_one, NULL, NULL);
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
    p = vetch_executor_submit(NULL, wait_at_gate, &arg, NULL);
    p = vetch_finally(p, count_finally, NULL);
    vetch_promise_unref(p);
    p = vetch_finally(vetch_executor_submit(NULL, add_one, NULL, NULL),
                      count_finally, NULL);
    vt_run_ready();
    await_at_gate(1);
    outcome_of(p);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    logged = vt_log_take();
    ck_assert_ptr_nonnull(strstr(logged, "1 jobs run"));
    ck_assert_ptr_nonnull(strstr(logged, "wait_at_gate"));
    ck_assert_int_eq(n_finally, 1); /* not that of the stuck one */
}

VT_CASE("stuck", vt_reactor_tcase, .set_up = close_gate,
        .take_down = open_gate);

VT_TEST(executor_stuck_job_is_leaked_and_named)
{
    unsigned before = vt_threads();

    vt_forgive_descriptors(1); /* the crew's */
    end_with_a_stuck_job();
    open_gate(); /* it ends after all, and touches nothing that is gone */
    while (vt_threads() > before)
        sched_yield();
}

/* ---- out of memory ---- */

VT_CASE("alone", vt_tcase, .set_up = close_gate, .take_down = open_gate);

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
    struct outcome own = { 0 }, other = { 0 }, closed = { 0 };
    vetch_executor *e;

    if (r == NULL)
        return;
    vt_reactor = r;
    vetch_reactor_set_rejection_hook(r, ignore_rejection, NULL);
    e = vetch_executor_new(NULL);
    ck_assert(e != NULL || !unharmed);
    vetch_callback(vetch_executor_submit(NULL, add_one, NULL, NULL), done,
                   &own);
    run_until(&own.settled);
    if (e != NULL) {
        vetch_callback(vetch_executor_submit(e, add_one, NULL, NULL), done,
                       &other);
        run_until(&other.settled);
        vetch_callback(vetch_executor_close(e, 1), done, &closed);
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
