/* Tasks that end in the middle, and what they defer. */

#include "support/harness.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <vetch/testing.h>

#include "promise/executor-private.h"

/* A letter, as a ctx. */
#define MARK(c) ((void *)(intptr_t)(c))

static char order[64];

static void
note(void *ctx)
{
    size_t len = strlen(order);

    ck_assert_uint_lt(len, sizeof(order) - 1);
    order[len] = (char)(intptr_t)ctx;
    order[len + 1] = '\0';
}

static void
forget_order(void)
{
    order[0] = '\0';
}

static vetch_promise *
number(intptr_t n)
{
    return vetch_resolved((void *)n, NULL);
}

static vetch_promise *
failure(const char *text)
{
    return vetch_rejected(vetch_error_new(VETCH_EUSER, "%s", text));
}

/* Runs until `p` rejects; the caller releases the error. */
static vetch_error *
run_error(vetch_promise *p)
{
    vetch_error *error;

    ck_assert_ptr_null(vetch_run(p, &error));
    ck_assert_ptr_nonnull(error);
    return error;
}

static int
run_code(vetch_promise *p)
{
    vetch_error *error = run_error(p);
    int code = vetch_error_code(error);

    vetch_error_unref(error);
    return code;
}

/* ---- try ---- */

VT_CASE("basics", vt_reactor_tcase, .set_up = forget_order);

static vetch_promise *
try_a_value(void *ctx)
{
    return vetch_resolved(vetch_try(ctx), free);
}

VT_TEST(try_returns_the_value_handed_over)
{
    char *value = vetch_run(
        vetch_spawn(try_a_value, vetch_resolved(strdup("mine"), free)), NULL);

    ck_assert_str_eq(value, "mine");
    free(value);
}

static void
fail_deep(int depth)
{
    volatile char frame[128];

    frame[0] = (char)depth;
    if (depth == 0)
        vetch_try(vetch_then(vetch_sleep(1), NULL, NULL));
    else
        fail_deep(depth - 1);
    if (depth == 0)
        vetch_try(failure("deep"));
    frame[1] = frame[0];
    note(MARK('x'));
}

static vetch_promise *
body_that_fails_deep(void *ctx)
{
    vetch_defer(note, MARK('d'));
    fail_deep((int)(intptr_t)ctx);
    note(MARK('x'));
    return number(1);
}

VT_TEST(try_of_a_rejection_ends_the_task_at_any_depth)
{
    vetch_promise *p = vetch_spawn(body_that_fails_deep, (void *)20);
    vetch_error *error;

    vt_advance(1);
    error = run_error(p);
    ck_assert_str_eq(order, "d");
    ck_assert_int_eq(vetch_error_code(error), VETCH_EUSER);
    ck_assert_str_eq(vetch_error_text(error), "deep");
    vetch_error_unref(error);
}

static vetch_promise *
try_nothing(void *ctx)
{
    vetch_error *error;

    (void)ctx;
    ck_assert_ptr_null(vetch_try(NULL));
    ck_assert_ptr_null(vetch_await(NULL, &error));
    ck_assert_ptr_null(error);
    return number(1);
}

VT_TEST(try_and_await_take_null_for_done)
{
    ck_assert_int_eq((intptr_t)vetch_run(vetch_spawn(try_nothing, NULL), NULL),
                     1);
}

static vetch_promise *
try_given(void *ctx)
{
    vetch_defer(note, MARK('d'));
    vetch_try(vetch_promise_ref(ctx));
    note(MARK('x'));
    return NULL;
}

VT_TEST(try_of_a_shared_value_ends_the_task_with_misuse)
{
    vetch_promise *shared = vetch_resolved(malloc(1), free);

    ck_assert_int_eq(run_code(vetch_spawn(try_given, shared)), VETCH_EMISUSE);
    ck_assert_str_eq(order, "d");
    vetch_promise_unref(shared);
}

VT_TEST(a_cancelled_task_ends_at_its_try)
{
    vetch_promise *pending = vetch_sleep(10);
    vetch_promise *p = vetch_spawn(try_given, pending);

    vt_run_ready();
    vetch_promise_cancel(p);
    ck_assert_int_eq(run_code(p), VETCH_ECANCELED);
    ck_assert_str_eq(order, "d");
    vetch_promise_cancel(pending);
    vetch_promise_unref(pending);
}

static vetch_promise *
use_much_stack_and_fail(void *ctx)
{
    char frame[8192];

    memset(frame, (int)(intptr_t)ctx, sizeof(frame));
    vetch_defer(free, malloc(16));
    vetch_try(vetch_sleep(0.001));
    fail_deep(frame[100] & 7);
    return NULL;
}

/* Whoever gets the stack next finds it as if it were new; the sanitizers look
 * at that. */
VT_TEST(a_stack_that_was_left_serves_the_next_task)
{
    for (int i = 0; i < 500; i++) {
        vetch_promise *p =
            vetch_spawn(use_much_stack_and_fail, (void *)(intptr_t)i);

        vt_advance(0.001);
        vt_advance(1);
        ck_assert_int_eq(run_code(p), VETCH_EUSER);
    }
}

/* ---- defer ---- */

VT_CASE("defer", vt_reactor_tcase, .set_up = forget_order);

static vetch_promise *
defer_three(void *ctx)
{
    vetch_defer(note, MARK('1'));
    vetch_defer(note, MARK('2'));
    vetch_defer(note, MARK('3'));
    note(MARK('b'));
    return ctx;
}

VT_TEST(what_was_deferred_last_runs_first)
{
    ck_assert_int_eq(
        (intptr_t)vetch_run(vetch_spawn(defer_three, number(7)), NULL), 7);
    ck_assert_str_eq(order, "b321");
}

VT_TEST(what_was_deferred_runs_when_the_body_returns_an_error)
{
    ck_assert_int_eq(run_code(vetch_spawn(defer_three, failure("no"))),
                     VETCH_EUSER);
    ck_assert_str_eq(order, "b321");
}

VT_TEST(what_was_deferred_runs_before_the_promise_settles)
{
    vetch_promise *p = vetch_spawn(defer_three, NULL);

    vetch_run(vetch_finally(p, note, MARK('f')), NULL);
    ck_assert_str_eq(order, "b321f");
}

VT_TEST(what_was_deferred_runs_once_what_the_body_returned_has_settled)
{
    vetch_promise *p = vetch_spawn(
        defer_three, vetch_finally(vetch_sleep(1), note, MARK('s')));

    vt_run_ready();
    ck_assert_str_eq(order, "b");
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vt_advance(1);
    ck_assert_str_eq(order, "bs321");
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    vetch_promise_unref(p);
}

VT_TEST(a_cancel_reaches_what_the_body_returned)
{
    vetch_promise *p = vetch_spawn(
        defer_three, vetch_finally(vetch_sleep(1), note, MARK('s')));

    vt_run_ready();
    vetch_promise_cancel(p);
    ck_assert_int_eq(run_code(p), VETCH_ECANCELED);
    ck_assert_str_eq(order, "bs321");
}

enum { MANY = 1000 };
static int n_run;

static void
count_down(void *ctx)
{
    n_run++;
    ck_assert_int_eq((int)(intptr_t)ctx, MANY - n_run);
}

static vetch_promise *
defer_many(void *ctx)
{
    for (intptr_t i = 0; i < MANY; i++)
        vetch_defer(count_down, (void *)i);
    vetch_try(ctx);
    return NULL;
}

VT_TEST(a_thousand_functions_are_deferred)
{
    n_run = 0;
    ck_assert_int_eq(run_code(vetch_spawn(defer_many, failure("no"))),
                     VETCH_EUSER);
    ck_assert_int_eq(n_run, MANY);
}

static void
defer_two_more(void *ctx)
{
    note(ctx);
    vetch_defer(note, MARK('m'));
    vetch_defer(note, MARK('n'));
}

static vetch_promise *
defer_nested(void *ctx)
{
    vetch_defer(note, MARK('1'));
    vetch_defer(defer_two_more, MARK('2'));
    return ctx;
}

VT_TEST(a_deferred_function_may_defer)
{
    vetch_run(vetch_spawn(defer_nested, NULL), NULL);
    ck_assert_str_eq(order, "2nm1");
}

/* ---- inside a deferred function ---- */

VT_CASE("inside", vt_reactor_tcase, .set_up = forget_order);

static void
take_time(void *ctx)
{
    vetch_error *error;

    ck_assert(vetch_in_task());
    vetch_await(vetch_sleep(1), &error);
    if (vetch_error_code(error) == VETCH_ECANCELED)
        note(MARK('c'));
    vetch_error_unref(error);
    note(ctx);
}

static vetch_promise *
defer_what_takes_time(void *ctx)
{
    vetch_defer(note, MARK('1'));
    vetch_defer(take_time, MARK('2'));
    vetch_try(ctx);
    return number(5);
}

VT_TEST(a_deferred_function_may_await)
{
    vetch_promise *p = vetch_spawn(defer_what_takes_time, NULL);

    vt_run_ready();
    ck_assert_str_eq(order, "");
    vt_advance(1);
    ck_assert_str_eq(order, "21");
    ck_assert_int_eq((intptr_t)vetch_run(p, NULL), 5);
}

VT_TEST(a_cancel_is_delivered_to_the_await_of_a_deferred_function)
{
    vetch_promise *p = vetch_spawn(defer_what_takes_time, failure("first"));

    vt_run_ready();
    vetch_promise_cancel(p);
    ck_assert_int_eq(run_code(p), VETCH_EUSER); /* what ended it stays */
    ck_assert_str_eq(order, "c21");
}

static void
fail_deferred(void *ctx)
{
    note(ctx);
    vetch_try(failure((char[]){ (char)(intptr_t)ctx, '\0' }));
    note(MARK('x'));
}

static vetch_promise *
defer_what_fails(void *ctx)
{
    vetch_defer(note, MARK('1'));
    vetch_defer(fail_deferred, MARK('2'));
    vetch_defer(note, MARK('3'));
    vetch_defer(fail_deferred, MARK('4'));
    return ctx;
}

VT_TEST(a_try_ends_a_deferred_function_and_the_others_run)
{
    vetch_error *error = run_error(
        vetch_spawn(defer_what_fails, vetch_resolved(malloc(1), free)));

    ck_assert_str_eq(order, "4321");
    ck_assert_str_eq(vetch_error_text(error), "4");
    ck_assert_str_eq(vetch_error_text(vetch_error_suppressed(error, 0)), "2");
    vetch_error_unref(error);
}

VT_TEST(the_error_that_the_task_has_suppresses_that_of_a_deferred_function)
{
    vetch_error *error =
        run_error(vetch_spawn(defer_what_fails, failure("first")));

    ck_assert_str_eq(vetch_error_text(error), "first");
    ck_assert_str_eq(vetch_error_text(vetch_error_suppressed(error, 0)), "4");
    ck_assert_str_eq(vetch_error_text(vetch_error_suppressed(error, 1)), "2");
    vetch_error_unref(error);
}

static void
fail_with_a_large_frame(void *ctx)
{
    volatile char frame[4096];

    ++*(int *)ctx;
    frame[0] = 1;
    vetch_try(failure("no"));
    frame[1] = frame[0];
}

static vetch_promise *
defer_many_that_fail(void *ctx)
{
    for (int i = 0; i < MANY; i++)
        vetch_defer(fail_with_a_large_frame, ctx);
    return NULL;
}

VT_TEST(deferred_functions_that_fail_do_not_pile_up_on_the_stack)
{
    n_run = 0;
    ck_assert_int_eq(run_code(vetch_spawn(defer_many_that_fail, &n_run)),
                     VETCH_EUSER);
    ck_assert_int_eq(n_run, MANY);
}

/* ---- errors ---- */

VT_CASE("errors", vt_reactor_tcase, .set_up = forget_order);

static bool harmed;

static void
count_run(void *ctx)
{
    (void)ctx;
    n_run++;
}

static vetch_promise *
defer_twenty(void *ctx)
{
    for (int i = 1; i <= 20; i++) {
        *(int *)ctx = i;
        vetch_defer(count_run, NULL);
    }
    return NULL;
}

static void
defer_with_faults(bool unharmed)
{
    int n_deferred = 0;
    vetch_error *error;

    n_run = 0;
    vetch_run(vetch_spawn(defer_twenty, &n_deferred), &error);
    ck_assert_int_eq(n_run, n_deferred);
    if (unharmed)
        ck_assert_int_eq(n_deferred, 20);
    if (n_deferred > 0 && n_deferred < 20) {
        ck_assert_int_eq(vetch_error_code(error), VETCH_ENOMEM);
        harmed = true;
    }
    vetch_error_unref(error);
}

VT_TEST(without_memory_what_is_deferred_runs_at_once_and_the_task_ends)
{
    harmed = false;
    vt_sweep_allocations(defer_with_faults);
    ck_assert(harmed);
}

VT_TEST(try_outside_a_task_is_misuse, .misuse = true)
{
    errno = 0;
    ck_assert_ptr_null(vetch_try(number(1)));
    ck_assert_int_eq(errno, EPERM);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "vetch_try"));
}

VT_TEST(defer_outside_a_task_is_misuse, .misuse = true)
{
    errno = 0;
    vetch_defer(note, MARK('x'));
    ck_assert_int_eq(errno, EPERM);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "vetch_defer"));
    ck_assert_str_eq(order, "");
}

static void
try_in_callback(void *ctx)
{
    (void)ctx;
    ck_assert_ptr_null(vetch_try(number(1)));
    note(MARK('c'));
}

static vetch_promise *
sleep_meanwhile(void *ctx)
{
    (void)ctx;
    vetch_try(vetch_sleep(1));
    return number(3);
}

VT_TEST(try_in_a_callback_is_misuse, .misuse = true)
{
    vetch_promise *p = vetch_spawn(sleep_meanwhile, NULL);

    vt_run_ready();
    vetch_call_soon(try_in_callback, NULL);
    vt_run_ready();
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "vetch_try"));
    ck_assert_str_eq(order, "c");
    vt_advance(1);
    ck_assert_int_eq((intptr_t)vetch_run(p, NULL), 3);
}

static void
canceller_that_tries(vetch_deferred *d, void *ctx)
{
    try_in_callback(ctx);
    vetch_deferred_reject(d, vetch_error_new(VETCH_ECANCELED, "gone"));
    vetch_deferred_unref(d);
}

/* Called while the task runs, and still not a part of it. */
static vetch_promise *
cancel_something(void *ctx)
{
    vetch_deferred *d = vetch_deferred_new(canceller_that_tries, ctx);
    vetch_promise *p = vetch_deferred_promise(d);

    vetch_promise_cancel(p);
    ck_assert(vetch_in_task());
    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    vetch_promise_unref(p);
    return number(3);
}

VT_TEST(try_in_a_canceller_that_a_task_calls_is_misuse, .misuse = true)
{
    ck_assert_int_eq(
        (intptr_t)vetch_run(vetch_spawn(cancel_something, NULL), NULL), 3);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "vetch_try"));
    ck_assert_str_eq(order, "c");
}

static vetch_promise *
drop_something(void *ctx)
{
    vetch_promise_unref(vetch_resolved(ctx, try_in_callback));
    ck_assert(vetch_in_task());
    return number(3);
}

VT_TEST(try_in_a_free_function_that_a_task_calls_is_misuse, .misuse = true)
{
    ck_assert_int_eq(
        (intptr_t)vetch_run(vetch_spawn(drop_something, &n_run), NULL), 3);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "vetch_try"));
    ck_assert_str_eq(order, "c");
}

/* ---- the end of the reactor ---- */

VT_CASE("lifetime", vt_reactor_tcase, .set_up = forget_order);

VT_TEST(the_end_of_the_reactor_ends_a_task_at_its_try)
{
    vetch_promise *p = vetch_spawn(defer_what_takes_time, vetch_sleep(100));

    p = vetch_finally(p, note, MARK('f'));
    vt_run_ready();
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_str_eq(order, "21f"); /* the sleep in 2 fails at once */
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(p)), VETCH_ECANCELED);
    vetch_promise_unref(p);
}

static void
ignore_cancel(vetch_deferred *d, void *ctx)
{
    (void)d;
    (void)ctx;
}

static vetch_deferred *never;

static void
await_too_late(void *ctx)
{
    vetch_error *error;

    ck_assert(vetch_in_task());
    vetch_await(vetch_deferred_promise(never), &error);
    ck_assert_int_eq(vetch_error_code(error), VETCH_ECLOSED);
    vetch_error_unref(error);
    ck_assert_int_eq((intptr_t)vetch_await(number(4), NULL), 4);
    note(ctx);
}

static void
try_too_late(void *ctx)
{
    note(ctx);
    vetch_try(vetch_deferred_promise(never));
    note(MARK('x'));
}

static vetch_promise *
stubborn(void *ctx)
{
    vetch_defer(note, ctx);
    vetch_defer(try_too_late, MARK('t'));
    vetch_defer(await_too_late, MARK('a'));
    for (;;)
        vetch_await(vetch_deferred_promise(never), NULL);
    return NULL;
}

VT_TEST(a_task_that_loses_its_stack_runs_what_it_deferred)
{
    vetch_promise *older, *younger;

    never = vetch_deferred_new(ignore_cancel, NULL);
    older = vetch_finally(vetch_spawn(stubborn, MARK('1')), note, MARK('f'));
    younger = vetch_finally(vetch_spawn(stubborn, MARK('2')), note, MARK('g'));
    vt_run_ready();
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "did not end"));
    /* The younger first, and all before what releases their contexts. */
    ck_assert_str_eq(order, "at2at1gf");
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(older)),
                     VETCH_ECLOSED);
    vetch_promise_unref(older);
    vetch_promise_unref(younger);
    vetch_deferred_unref(never);
}

static vetch_promise *
return_what_never_settles(void *ctx)
{
    vetch_defer(note, ctx);
    return vetch_deferred_promise(never);
}

VT_TEST(a_task_whose_outcome_never_settles_runs_what_it_deferred)
{
    vetch_promise *p;

    never = vetch_deferred_new(ignore_cancel, NULL);
    p = vetch_finally(vetch_spawn(return_what_never_settles, MARK('1')), note,
                      MARK('f'));
    vt_run_ready();
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "did not end"));
    ck_assert_str_eq(order, "1f");
    vetch_promise_unref(p);
    vetch_deferred_unref(never);
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool at_gate;

static void *
pass_gate(void *arg, vetch_error **ret_error)
{
    (void)ret_error;
    atomic_store(&at_gate, true);
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    *(char *)arg = 'j'; /* which is still there */
    return NULL;
}

static vetch_promise *
await_job(void *ctx)
{
    char local[64] = "";

    vetch_defer(note, MARK('x'));
    vetch_try(vetch_executor_submit(ctx, pass_gate, local, NULL));
    return NULL;
}

static void
close_gate(void)
{
    forget_order();
    pthread_mutex_lock(&gate);
    vetch__jobs_patience_ms = 30;
}

static void
open_gate(void)
{
    pthread_mutex_unlock(&gate);
}

VT_CASE("stuck", vt_reactor_tcase, .set_up = close_gate);

/* Settled means stopped, and this has not. */
VT_TEST(what_a_stuck_job_uses_is_not_released_by_what_is_deferred)
{
    unsigned before = vt_threads();

    vt_forgive_descriptors(1); /* the executor's */
    vetch_promise_unref(vetch_spawn(await_job, NULL));
    vt_run_ready();
    while (!atomic_load(&at_gate))
        sched_yield();
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "is leaked: "));
    ck_assert_str_eq(order, "");
    open_gate();
    while (vt_threads() > before)
        sched_yield();
}
