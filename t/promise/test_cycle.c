/* Circular waits: a promise that comes to wait for itself rejects with
 * VETCH_ECYCLE, whatever the detour. (Through chains alone: test_adoption.) */

#include "support/promise_kit.h"

#include <math.h>
#include <string.h>

#include "reactor/reactor-private.h"

/* What the handlers and tasks below come to wait for. */
static vetch_promise *whole;
static vetch_scope *scope;

static vetch_promise *
whole_after_value(void *value, void *ctx)
{
    (void)value;
    (void)ctx;
    return vetch_promise_ref(whole);
}

static vetch_promise *
scope_end_after_value(void *value, void *ctx)
{
    (void)value;
    (void)ctx;
    return vetch_scope_end(scope);
}

/* A chain that is about to wait for `whole`. */
static vetch_promise *
closing_link(void)
{
    return vetch_then(vetch_sleep(1), whole_after_value, NULL);
}

static void
expect_whole_fails(int code)
{
    vt_advance(1);
    pk_expect_error(whole, code);
    whole = NULL;
    (void)pk_reports();
}

/* ---- through what combines ---- */

VT_CASE("combining", pk_tcase);

VT_TEST(rule_06_cycle_through_a_timeout)
{
    whole = vetch_timeout(closing_link(), 60);
    expect_whole_fails(VETCH_ECYCLE);
    ck_assert_uint_eq(vetch__timers_live(vt_reactor), 0);
}

VT_TEST(rule_06_cycle_through_a_timeout_without_limit)
{
    whole = vetch_timeout(closing_link(), INFINITY);
    expect_whole_fails(VETCH_ECYCLE);
}

typedef vetch_promise *(*combine_fn)(vetch_promise *const *promises, size_t n);

static void
close_cycle_through(combine_fn combine, int code)
{
    vetch_promise *children[] = { vetch_sleep(5), closing_link() };

    whole = combine(children, 2);
    expect_whole_fails(code);
}

VT_TEST(rule_06_cycle_through_all)
{
    close_cycle_through(vetch_all, VETCH_ECYCLE);
}

VT_TEST(rule_06_cycle_through_race)
{
    close_cycle_through(vetch_race, VETCH_ECYCLE);
}

VT_TEST(rule_06_cycle_through_all_settled_is_one_of_its_results)
{
    vetch_promise *child = closing_link();
    vetch_results *results;

    whole = vetch_all_settled(&child, 1);
    vt_advance(1);
    ck_assert_int_eq(vetch_promise_state(whole), VETCH_FULFILLED);
    results = vetch_promise_value(whole);
    ck_assert_int_eq(vetch_error_code(vetch_results_error(results, 0)),
                     VETCH_ECYCLE);
    vetch_promise_unref(whole);
}

VT_TEST(rule_06_cycle_through_any_is_one_of_its_errors)
{
    vetch_promise *child = closing_link();
    const vetch_error *error;

    whole = vetch_any(&child, 1);
    vt_advance(1);
    error = vetch_promise_error(whole);
    ck_assert_int_eq(vetch_error_code(error), VETCH_EAGGREGATE);
    ck_assert_int_eq(vetch_error_code(vetch_error_suppressed(error, 0)),
                     VETCH_ECYCLE);
    vetch_promise_unref(whole);
}

static vetch_promise *
start_closing_link(size_t i, void *ctx)
{
    (void)ctx;
    return i == 0 ? vetch_sleep(9) : closing_link();
}

static vetch_promise *
start_whole(size_t i, void *ctx)
{
    (void)ctx;
    return i == 0 ? vetch_sleep(9) : vetch_promise_ref(whole);
}

VT_TEST(rule_06_cycle_through_a_map)
{
    whole = vetch_map(3, 2, start_closing_link, NULL);
    vt_run_ready();
    expect_whole_fails(VETCH_ECYCLE);
}

VT_TEST(rule_06_map_that_starts_what_waits_for_it)
{
    whole = vetch_map(3, 2, start_whole, NULL);
    expect_whole_fails(VETCH_ECYCLE);
}

static vetch_promise *
step_with_closing_link(void *ctx)
{
    (void)ctx;
    return closing_link();
}

static vetch_promise *
step_with_whole(void *ctx)
{
    (void)ctx;
    return vetch_promise_ref(whole);
}

VT_TEST(rule_06_cycle_through_a_repeat)
{
    whole = vetch_repeat(step_with_closing_link, NULL);
    vt_run_ready();
    expect_whole_fails(VETCH_ECYCLE);
}

VT_TEST(rule_06_repeat_of_what_waits_for_it)
{
    whole = vetch_repeat(step_with_whole, NULL);
    expect_whole_fails(VETCH_ECYCLE);
}

VT_TEST(rule_06_cycle_through_a_wait_without_limit)
{
    vetch_promise *child = closing_link();

    whole = vetch_wait(&child, 1, INFINITY, VETCH_WAIT_ALL_COMPLETED);
    vt_advance(1);
    pk_expect_value(whole, 1);
    pk_expect_error(child, VETCH_ECYCLE);
}

VT_TEST(rule_06_wait_with_a_limit_may_wait_for_itself)
{
    vetch_promise *child = closing_link();

    whole = vetch_wait(&child, 1, 5, VETCH_WAIT_ALL_COMPLETED);
    vt_advance(1);
    pk_assert_pending(child);
    vt_advance(4);
    pk_expect_value(whole, 0);
    pk_expect_value(child, 0);
}

/* ---- through tasks ---- */

VT_CASE("tasks_and_scopes", pk_tcase);

static int await_code;

static vetch_promise *
end_with(vetch_error *error)
{
    return error == NULL ? NULL : vetch_rejected(error);
}

static vetch_promise *
await_whole(void *ctx)
{
    vetch_error *error;

    (void)ctx;
    vetch_await(vetch_promise_ref(whole), &error);
    await_code = vetch_error_code(error);
    return end_with(error);
}

VT_TEST(rule_06_task_that_awaits_itself)
{
    whole = vetch_spawn(await_whole, NULL);
    pk_expect_error(whole, VETCH_ECYCLE);
    ck_assert_int_eq(await_code, VETCH_ECYCLE);
}

VT_TEST(rule_06_task_that_awaits_what_waits_for_it)
{
    whole = vetch_timeout(vetch_spawn(await_whole, NULL), 60);
    pk_expect_error(whole, VETCH_ECYCLE);
}

static vetch_promise *two_tasks[2];

static vetch_promise *
await_other(void *other)
{
    vetch_error *error;

    vetch_await(vetch_promise_ref(two_tasks[(intptr_t)other]), &error);
    return end_with(error);
}

VT_TEST(rule_06_tasks_that_await_each_other)
{
    two_tasks[0] = vetch_spawn(await_other, (void *)1);
    two_tasks[1] = vetch_spawn(await_other, (void *)0);
    pk_expect_error(two_tasks[0], VETCH_ECYCLE);
    pk_expect_error(two_tasks[1], VETCH_ECYCLE);
}

static vetch_promise *
await_sleep(void *ctx)
{
    vetch_error *error;

    (void)ctx;
    vetch_await(vetch_sleep(1), &error);
    return end_with(error);
}

VT_TEST(rule_06_await_of_another_s_work_is_no_cycle)
{
    vetch_promise *children[] = { vetch_spawn(await_sleep, NULL),
                                  vetch_sleep(1) };
    vetch_promise *race = vetch_race(children, 2);

    whole = vetch_timeout(vetch_promise_ref(race), 60);
    two_tasks[1] = vetch_then(vetch_promise_ref(race), NULL, NULL);
    two_tasks[0] = vetch_timeout(vetch_spawn(await_other, (void *)1), 60);
    vt_run_ready();
    vt_advance(1);
    pk_expect_value(two_tasks[0], NULL);
    vetch_promise_unref(two_tasks[1]);
    vetch_promise_unref(whole);
    vetch_promise_unref(race);
}

/* ---- through scopes ---- */

static vetch_promise *
await_scope(void *ctx)
{
    vetch_error *error;

    (void)ctx;
    vetch_await(vetch_scope_end(scope), &error);
    await_code = vetch_error_code(error);
    return end_with(error);
}

VT_TEST(rule_06_child_that_awaits_the_end_of_its_scope)
{
    scope = vetch_scope_new();
    vetch_scope_spawn(scope, await_scope, NULL);
    vt_run_ready();
    ck_assert_int_eq(await_code, VETCH_ECYCLE);
    pk_expect_error(vetch_scope_end(scope), VETCH_ECYCLE);
    vetch_scope_unref(scope);
    (void)pk_reports(); /* of the end that the child asked for */
}

VT_TEST(rule_06_child_whose_handler_answers_with_the_end_of_its_scope)
{
    scope = vetch_scope_new();
    vetch_scope_add(scope,
                    vetch_then(vetch_sleep(1), scope_end_after_value, NULL));
    vt_advance(1);
    pk_expect_error(vetch_scope_end(scope), VETCH_ECYCLE);
    vetch_scope_unref(scope);
    (void)pk_reports(); /* of the end that the handler asked for */
}

VT_TEST(rule_06_scope_that_is_given_what_waits_for_its_end)
{
    struct pk_op op = { .on_cancel = PK_AGREE };

    scope = vetch_scope_new();
    vetch_scope_add(scope, pk_start(&op));
    vetch_scope_add(scope, vetch_timeout(vetch_scope_end(scope), 60));
    vt_run_ready();
    ck_assert_uint_eq(op.canceled, 1);
    pk_expect_error(vetch_scope_end(scope), VETCH_ECYCLE);
    pk_drop(&op);
    vetch_scope_unref(scope);
    (void)pk_reports();
}

VT_TEST(rule_06_scopes_that_wait_for_each_other)
{
    vetch_scope *other = vetch_scope_new();

    scope = vetch_scope_new();
    vetch_scope_add(scope, vetch_sleep(1));
    vetch_scope_add(other, vetch_scope_end(scope));
    vetch_scope_add(scope, vetch_scope_end(other));
    pk_expect_error(vetch_scope_end(scope), VETCH_ECYCLE);
    pk_expect_error(vetch_scope_end(other), VETCH_ECYCLE);
    vetch_scope_unref(scope);
    vetch_scope_unref(other);
    (void)pk_reports();
}

VT_TEST(scopes_that_nest_are_no_cycle)
{
    vetch_scope *outer = vetch_scope_new();
    vetch_promise *end = vetch_scope_end(outer);

    await_code = 0;
    scope = vetch_scope_new();
    vetch_scope_add(scope, vetch_spawn(await_sleep, NULL));
    vetch_scope_add(outer, vetch_spawn(await_scope, NULL));
    vetch_scope_add(outer, vetch_scope_end(scope));
    vetch_scope_unref(vetch_scope_ref(scope));
    vt_run_ready();
    vt_advance(1);
    vt_run_ready();
    vetch_promise_unref(end);
    ck_assert_uint_eq(vetch_scope_count(outer), 0);
    ck_assert_int_eq(await_code, 0);
    vetch_scope_unref(scope);
    vetch_scope_unref(outer);
}

/* ---- what cannot be seen ends all the same ---- */

VT_CASE("unseen", pk_tcase);

static void
cancel_whole(vetch_deferred *d, void *ctx)
{
    (void)d;
    (void)ctx;
    vetch_promise_cancel(whole);
}

static void
settle_other(const vetch_error *error, void *result, void *d)
{
    (void)error;
    vetch_deferred_resolve(d, result, NULL);
}

/* A deferred that the test settles by a callback is beyond what the library
 * sees. Its canceller goes round as well. */
static vetch_deferred *
close_unseen_cycle(void)
{
    vetch_deferred *d = vetch_deferred_new(cancel_whole, NULL);

    whole = vetch_timeout(vetch_deferred_promise(d), 60);
    vetch_callback(vetch_promise_ref(whole), settle_other, d);
    return d;
}

VT_TEST(cancel_of_an_unseen_cycle_comes_to_an_end)
{
    vetch_deferred *d = close_unseen_cycle();

    vetch_promise_cancel(whole);
    pk_expect_pending(whole);
    vetch_deferred_reject(d, vetch_error_new(VETCH_EUSER, "enough"));
    pk_expect_error(whole, VETCH_EUSER);
    vetch_deferred_unref(d);
}

VT_TEST(end_of_a_reactor_with_an_unseen_cycle_comes_to_an_end)
{
    vetch_deferred *d = close_unseen_cycle();

    pk_end_reactor();
    ck_assert_int_eq(vetch_promise_state(whole), VETCH_REJECTED);
    vetch_promise_unref(whole);
    vetch_deferred_unref(d);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "2 operations"));
}
