/* Scopes, whose children end before they do: rule 10 of the contract. */

#include "support/promise_kit.h"

#include <string.h>

#include <vetch/testing.h>

static vetch_scope *scope;
static struct pk_op ops[3];

static void
set_up(void)
{
    memset(ops, 0, sizeof(ops));
    scope = vetch_scope_new();
    ck_assert_ptr_nonnull(scope);
}

static void
tear_down(void)
{
    scope = vetch_scope_unref(scope);
}

static void
add(size_t i, enum pk_cancel on_cancel)
{
    ops[i].on_cancel = on_cancel;
    vetch_scope_add(scope, pk_start(&ops[i]));
}

VT_CASE("scope", pk_tcase, .set_up = set_up, .take_down = tear_down);

VT_TEST(rule_10_scope_without_children_ends_at_once)
{
    pk_expect_value(vetch_scope_end(scope), NULL);
}

VT_TEST(rule_10_scope_ends_after_its_last_child)
{
    vetch_promise *end;

    add(0, PK_AGREE);
    add(1, PK_AGREE);
    end = vetch_scope_end(scope);
    ck_assert_uint_eq(vetch_scope_count(scope), 2);
    pk_resolve_number(&ops[1], 1);
    pk_expect_pending(end);
    pk_resolve_number(&ops[0], 1);
    pk_expect_value(end, NULL);
}

VT_TEST(rule_10_scope_frees_the_values_of_its_children)
{
    struct pk_thing thing = { 0 };

    vetch_scope_add(scope, pk_value(&thing));
    vt_run_ready();
    pk_assert_freed(&thing);
}

VT_TEST(rule_10_scope_takes_children_until_it_has_ended)
{
    vetch_promise *end;

    add(0, PK_AGREE);
    end = vetch_scope_end(scope);
    add(1, PK_AGREE);
    pk_resolve_number(&ops[0], 1);
    pk_expect_pending(end);
    pk_resolve_number(&ops[1], 1);
    pk_expect_value(end, NULL);
}

VT_TEST(rule_10_scope_that_has_ended_cancels_what_is_added)
{
    pk_expect_value(vetch_scope_end(scope), NULL);
    add(0, PK_AGREE);
    ck_assert_uint_eq(ops[0].canceled, 1);
    pk_drop(&ops[0]);
}

VT_TEST(rule_10_scope_first_error_cancels_the_siblings)
{
    vetch_promise *end;

    add(0, PK_AGREE);
    add(1, PK_NOTE);
    end = vetch_scope_end(scope);
    vetch_scope_add(scope, pk_error(VETCH_EUSER));
    vt_run_ready();
    ck_assert_uint_eq(ops[0].canceled, 1);
    ck_assert_uint_eq(ops[1].canceled, 1);
    pk_drop(&ops[0]);
    pk_expect_pending(end); /* one child has not stopped yet */
    pk_stop(&ops[1]);
    pk_expect_error(end, VETCH_EUSER);
}

VT_TEST(rule_10_scope_that_fails_asks_its_children_once)
{
    struct pk_op clean_up = { .on_cancel = PK_NOTE };
    struct pk_link handled = { .answer = pk_start(&clean_up) };
    vetch_promise *end;

    vetch_scope_add(
        scope, vetch_handle(pk_start(&ops[0]), NULL, pk_on_error, &handled));
    add(1, PK_NOTE);
    end = vetch_scope_end(scope);
    vetch_scope_add(scope, pk_error(VETCH_EUSER));
    vt_run_ready();
    ck_assert_int_eq(handled.code, VETCH_ECANCELED);
    pk_reject(&ops[1], VETCH_EUSER + 1);
    pk_expect_pending(end);
    ck_assert_uint_eq(clean_up.canceled, 0); /* it takes its time */
    pk_resolve_number(&clean_up, 1);
    pk_expect_error(end, VETCH_EUSER);
}

VT_TEST(rule_10_scope_carries_later_errors_as_suppressed)
{
    vetch_promise *end;
    const vetch_error *error;

    add(0, PK_ERROR);
    end = vetch_scope_end(scope);
    vetch_scope_add(scope, pk_error(VETCH_EUSER));
    vt_run_ready();
    pk_drop(&ops[0]);
    pk_assert_error(end, VETCH_EUSER);
    error = vetch_promise_error(end);
    ck_assert_int_eq(vetch_error_code(vetch_error_suppressed(error, 0)),
                     VETCH_EUSER + 9);
    ck_assert_ptr_null(vetch_error_suppressed(error, 1));
    vetch_promise_unref(end);
}

VT_TEST(rule_10_scope_that_failed_cancels_what_is_added)
{
    vetch_promise *end;

    vetch_scope_add(scope, pk_error(VETCH_EUSER));
    vt_run_ready();
    add(0, PK_NOTE);
    ck_assert_uint_eq(ops[0].canceled, 1);
    end = vetch_scope_end(scope);
    pk_expect_pending(end);
    pk_stop(&ops[0]);
    pk_expect_error(end, VETCH_EUSER);
}

VT_TEST(rule_10_scope_child_cancelled_by_itself_is_no_failure)
{
    vetch_promise *child;

    ops[0].on_cancel = PK_AGREE;
    child = pk_start(&ops[0]);
    vetch_scope_add(scope, vetch_promise_ref(child));
    vetch_promise_cancel(child);
    vetch_promise_unref(child);
    pk_drop(&ops[0]);
    pk_expect_value(vetch_scope_end(scope), NULL);
}

VT_TEST(rule_10_scope_cancel_ends_as_cancelled_when_all_have_stopped)
{
    vetch_promise *end;

    add(0, PK_NOTE);
    end = vetch_scope_end(scope);
    vetch_scope_cancel(scope);
    vetch_scope_cancel(scope);
    ck_assert_uint_eq(ops[0].canceled, 1);
    pk_expect_pending(end);
    pk_stop(&ops[0]);
    pk_expect_error(end, VETCH_ECANCELED);
}

VT_TEST(rule_10_scope_is_cancelled_through_its_end)
{
    vetch_promise *end;

    add(0, PK_AGREE);
    end = vetch_then(vetch_scope_end(scope), pk_never_value, NULL);
    vetch_promise_cancel(end);
    ck_assert_uint_eq(ops[0].canceled, 1);
    pk_drop(&ops[0]);
    pk_expect_error(end, VETCH_ECANCELED);
}

VT_TEST(rule_10_scope_nests)
{
    vetch_scope *inner = vetch_scope_new();
    vetch_promise *end;

    ops[0].on_cancel = PK_AGREE;
    vetch_scope_add(scope, vetch_scope_end(inner)); /* empty: ends at once */
    vetch_scope_unref(inner);
    inner = vetch_scope_new();
    vetch_scope_add(inner, pk_start(&ops[0]));
    vetch_scope_add(scope, vetch_scope_end(inner));
    end = vetch_scope_end(scope);
    pk_expect_pending(end);
    vetch_scope_cancel(scope);
    ck_assert_uint_eq(ops[0].canceled, 1);
    pk_drop(&ops[0]);
    pk_expect_error(end, VETCH_ECANCELED);
    vetch_scope_unref(inner);
}

VT_TEST(rule_10_scope_error_of_an_inner_one_reaches_the_outer)
{
    vetch_scope *inner = vetch_scope_new();
    vetch_promise *end;

    add(0, PK_AGREE);
    vetch_scope_add(inner, pk_error(VETCH_EUSER));
    vetch_scope_add(scope, vetch_scope_end(inner));
    end = vetch_scope_end(scope);
    vt_run_ready();
    ck_assert_uint_eq(ops[0].canceled, 1);
    pk_drop(&ops[0]);
    pk_expect_error(end, VETCH_EUSER);
    vetch_scope_unref(inner);
}

static void
keep_code(const vetch_error *error, void *ctx)
{
    *(int *)ctx = vetch_error_code(error);
}

VT_TEST(rule_10_scope_that_keeps_errors_apart_goes_on)
{
    int code = 0;

    vetch_scope_keep_errors_apart(scope, keep_code, &code);
    add(0, PK_AGREE);
    vetch_scope_add(scope, pk_error(VETCH_EUSER));
    vt_run_ready();
    ck_assert_int_eq(code, VETCH_EUSER);
    ck_assert_uint_eq(ops[0].canceled, 0);
    pk_resolve_number(&ops[0], 1);
    pk_expect_value(vetch_scope_end(scope), NULL);
}

VT_TEST(rule_10_scope_that_keeps_errors_apart_logs_them)
{
    vetch_scope_keep_errors_apart(scope, NULL, NULL);
    vetch_scope_add(scope, pk_error(VETCH_EUSER));
    vt_run_ready();
    ck_assert_str_ne(vt_log_take(), "");
    pk_expect_value(vetch_scope_end(scope), NULL);
}

VT_TEST(rule_10_scope_released_cancels_what_is_left)
{
    add(0, PK_NOTE);
    scope = vetch_scope_unref(scope);
    ck_assert_uint_eq(ops[0].canceled, 1);
    pk_stop(&ops[0]); /* the memory was kept for this */
    vt_run_ready();
}

static void
release_scope(const vetch_error *error, void *ctx)
{
    (void)error;
    (void)ctx;
    scope = vetch_scope_unref(scope);
}

/* Re-entrancy: curl #3537 #3601 #5354 #8083 #8282, PR #22179; libhv #424. */
VT_TEST(rule_10_scope_released_by_its_error_function_cancels_the_rest)
{
    vetch_scope_keep_errors_apart(scope, release_scope, NULL);
    add(0, PK_NOTE);
    vetch_scope_add(scope, pk_error(VETCH_EUSER));
    vt_run_ready();
    ck_assert_ptr_null(scope);
    ck_assert_uint_eq(ops[0].canceled, 1);
    pk_stop(&ops[0]);
    ck_assert_uint_eq(pk_reports(), 0);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

static void
release_and_agree(vetch_deferred *d, void *ctx)
{
    (void)ctx;
    scope = vetch_scope_unref(scope);
    vetch_deferred_cancel(d);
}

/* Re-entrancy: curl #3537 #3601 #5354 #8083 #8282, PR #22179; libhv #424. */
VT_TEST(rule_10_scope_may_be_released_by_a_canceller)
{
    vetch_deferred *d = vetch_deferred_new(release_and_agree, NULL);

    vetch_scope_add(scope, vetch_deferred_promise(d));
    add(0, PK_NOTE);
    vetch_scope_cancel(scope);
    vetch_deferred_unref(d);
    ck_assert_ptr_null(scope);
    ck_assert_uint_eq(ops[0].canceled, 1);
    pk_stop(&ops[0]);
    ck_assert_uint_eq(pk_reports(), 0);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(rule_10_second_request_reaches_the_clean_up_through_a_scope)
{
    struct pk_op clean_up = { .on_cancel = PK_AGREE };
    struct pk_link handled = { .answer = pk_start(&clean_up) };
    vetch_promise *end;

    vetch_scope_add(
        scope, vetch_handle(pk_start(&ops[0]), NULL, pk_on_error, &handled));
    end = vetch_scope_end(scope);
    vetch_promise_cancel(end);
    pk_expect_pending(end);
    ck_assert_uint_eq(clean_up.canceled, 0);
    vetch_promise_cancel(end);
    ck_assert_uint_eq(clean_up.canceled, 1);
    pk_expect_error(end, VETCH_ECANCELED);
}

static vetch_promise *
spawn_a_child(void *ctx)
{
    if (ctx != NULL)
        vetch_scope_spawn(scope, spawn_a_child, NULL);
    vetch_await(vetch_sleep(1), NULL);
    pk_note(pk_word("done"));
    return NULL;
}

VT_TEST(rule_10_scope_tasks_may_add_others)
{
    vetch_promise *end;

    vetch_scope_spawn(scope, spawn_a_child, scope);
    end = vetch_scope_end(scope);
    vt_run_ready();
    vt_advance(1);
    pk_expect_trace("done done");
    pk_expect_value(end, NULL);
}

VT_TEST(rule_10_scope_error_that_nobody_asks_for_is_reported)
{
    vetch_scope_add(scope, pk_error(VETCH_EUSER));
    vt_run_ready();
    scope = vetch_scope_unref(scope);
    vt_run_ready();
    ck_assert_uint_eq(pk_reports(), 1);
}

VT_TEST(rule_10_scope_ends_with_the_reactor)
{
    vetch_promise *end;

    add(0, PK_AGREE);
    end = vetch_scope_end(scope);
    pk_end_reactor();
    ck_assert_uint_eq(ops[0].canceled, 1);
    ck_assert_int_eq(vetch_promise_state(end), VETCH_REJECTED);
    pk_drop(&ops[0]);
    vetch_promise_unref(end);
}

static void
two_children(bool unharmed)
{
    vetch_scope *s = vetch_scope_new();
    vetch_promise *end;

    if (s == NULL)
        return;
    vetch_scope_add(s, vetch_sleep(1));
    vetch_scope_add(s, vetch_sleep(2));
    end = vetch_scope_end(s);
    vt_advance(2);
    if (unharmed)
        ck_assert_int_eq(vetch_promise_state(end), VETCH_FULFILLED);
    else
        ck_assert_int_ne(vetch_promise_state(end), VETCH_PENDING);
    if (vetch_promise_state(end) == VETCH_REJECTED)
        ck_assert_int_eq(vetch_error_code(vetch_promise_error(end)),
                         VETCH_ENOMEM);
    vetch_promise_unref(end);
    vetch_scope_unref(s);
}

VT_TEST(rule_10_scope_without_memory_fails_as_a_whole)
{
    vt_sweep_allocations(two_children);
}

/* ---- its end is everybody's own ---- */

VT_TEST(rule_10_scope_end_is_a_promise_of_each_caller)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    vetch_scope *s = vetch_scope_new();
    vetch_promise *one, *other;

    vetch_scope_add(s, pk_start(&op));
    one = vetch_scope_end(s);
    other = vetch_scope_end(s);
    vetch_promise_cancel(one);
    pk_expect_error(one, VETCH_ECANCELED);
    ck_assert_uint_eq(op.canceled, 0);
    pk_resolve_number(&op, 1);
    pk_expect_value(other, NULL);
    vetch_scope_unref(s);
}

VT_TEST(rule_10_scope_is_cancelled_through_the_last_of_its_ends)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    vetch_scope *s = vetch_scope_new();
    vetch_promise *one, *other;

    vetch_scope_add(s, pk_start(&op));
    one = vetch_scope_end(s);
    other = vetch_scope_end(s);
    vetch_promise_cancel(other);
    vetch_promise_cancel(one);
    ck_assert_uint_eq(op.canceled, 1);
    pk_drop(&op);
    pk_expect_error(one, VETCH_ECANCELED);
    pk_expect_error(other, VETCH_ECANCELED);
    vetch_scope_unref(s);
}

VT_TEST(scope_that_is_null_cancels_what_is_added)
{
    struct pk_op op = { .on_cancel = PK_AGREE };

    vetch_scope_add(NULL, pk_start(&op));
    ck_assert_uint_eq(op.canceled, 1);
    pk_drop(&op);
}

/* ---- what it owns ---- */

static unsigned n_freed;

static void
count_free(void *ctx)
{
    ck_assert_str_eq(ctx, "ctx");
    n_freed++;
}

static vetch_promise *
look_at_ctx(void *ctx)
{
    ck_assert_str_eq(ctx, "ctx");
    ck_assert_uint_eq(n_freed, 0);
    return NULL;
}

static vetch_promise *
never_begin(void *ctx)
{
    ck_abort_msg("a task of no scope began");
    return ctx;
}

VT_TEST(scope_frees_the_ctx_of_a_task_after_it)
{
    vetch_scope *s = vetch_scope_new();

    n_freed = 0;
    vetch_scope_spawn_owned(s, look_at_ctx, (void *)"ctx", count_free);
    ck_assert_uint_eq(n_freed, 0);
    vt_run_ready();
    ck_assert_uint_eq(n_freed, 1);
    vetch_scope_unref(s);
}

VT_TEST(scope_frees_the_ctx_of_a_task_that_never_began)
{
    n_freed = 0;
    vetch_scope_spawn_owned(NULL, never_begin, (void *)"ctx", count_free);
    vt_run_ready();
    ck_assert_uint_eq(n_freed, 1);
}

static void
never_fails(const vetch_error *error, void *ctx)
{
    (void)ctx;
    ck_abort_msg("%s", vetch_error_text(error));
}

VT_TEST(scope_frees_the_ctx_of_its_error_function_once)
{
    vetch_scope *s = vetch_scope_new();

    n_freed = 0;
    vetch_scope_keep_errors_apart_owned(s, never_fails, (void *)"ctx",
                                        count_free);
    vetch_scope_keep_errors_apart_owned(s, never_fails, (void *)"ctx",
                                        count_free);
    ck_assert_uint_eq(n_freed, 1);
    vetch_scope_unref(s);
    ck_assert_uint_eq(n_freed, 2);
}
