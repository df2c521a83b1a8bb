/* What handlers answer, and what the kinds of links see: rules 4 and 5 of the
 * contract. */

#include "support/promise_kit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <vetch/testing.h>

/* ---- rule 4: what a handler may return ---- */

VT_CASE("rule 4", pk_tcase);

VT_TEST(rule_04_null_is_done_with_no_value)
{
    struct pk_thing thing = { 0 };
    struct pk_link value = { 0 }, error = { 0 };
    vetch_promise *a = vetch_then(pk_value(&thing), pk_on_value, &value);
    vetch_promise *b = vetch_catch(pk_error(VETCH_EUSER), pk_on_error, &error);

    pk_expect_value(a, NULL);
    pk_expect_value(b, NULL);
    ck_assert_int_eq(error.code, VETCH_EUSER);
    pk_assert_freed(&thing);
}

VT_TEST(rule_04_rejected_turns_a_value_into_an_error)
{
    struct pk_thing thing = { 0 };
    struct pk_link link = { .answer = pk_error(VETCH_EUSER + 3) };
    vetch_promise *p = vetch_then(pk_value(&thing), pk_on_value, &link);

    pk_expect_error(p, VETCH_EUSER + 3);
    pk_assert_freed(&thing);
}

VT_TEST(rule_04_rejected_with_nothing_means_out_of_memory)
{
    struct pk_link link = { .answer = vetch_rejected(NULL) };

    pk_expect_error(vetch_then(vetch_resolved(NULL, NULL), pk_on_value, &link),
                    VETCH_ENOMEM);
}

VT_TEST(rule_04_rejected_replaces_an_error)
{
    struct pk_link link = { .answer = pk_error(VETCH_EUSER + 3) };
    vetch_promise *p = vetch_catch(pk_error(VETCH_EUSER), pk_on_error, &link);

    pk_expect_error(p, VETCH_EUSER + 3);
}

VT_TEST(rule_04_same_passes_a_value_on)
{
    struct pk_thing thing = { 0 };
    struct pk_link look = { .same = true };
    vetch_promise *p = vetch_then(pk_value(&thing), pk_on_value, &look);

    vt_run_ready();
    pk_assert_value(p, &thing);
    pk_assert_alive(&thing);
    vetch_promise_unref(p);
    pk_assert_freed(&thing);
}

VT_TEST(rule_04_same_passes_a_shared_value_on)
{
    struct pk_thing thing = { 0 };
    struct pk_link look = { .same = true };
    vetch_promise *source = pk_value(&thing);
    vetch_promise *p =
        vetch_then(vetch_promise_ref(source), pk_on_value, &look);

    vt_run_ready();
    pk_assert_value(p, &thing);
    pk_assert_value(source, &thing);
    vetch_promise_unref(source);
    pk_assert_alive(&thing);
    pk_assert_value(p, &thing);
    vetch_promise_unref(p);
    pk_assert_freed(&thing);
}

VT_TEST(rule_04_same_rethrows_an_error)
{
    struct pk_link caught = { .same = true }, handled = { .same = true };
    vetch_error *error = vetch_error_new(VETCH_EUSER + 4, "the one");
    vetch_promise *p = vetch_rejected(error);

    p = vetch_catch(p, pk_on_error, &caught);
    p = vetch_handle(p, pk_never_value, pk_on_error, &handled);
    vt_run_ready();
    ck_assert_int_eq(caught.code, VETCH_EUSER + 4);
    ck_assert_int_eq(handled.code, VETCH_EUSER + 4);
    pk_assert_error(p, VETCH_EUSER + 4);
    ck_assert_str_eq(vetch_error_text(vetch_promise_error(p)), "the one");
    vetch_promise_unref(p);
}

static vetch_promise *
link_to_same(void *value, void *ctx)
{
    (void)value;
    return vetch_then(vetch_same(), pk_on_value, ctx);
}

VT_TEST(rule_04_same_is_a_promise_like_any_other)
{
    struct pk_thing thing = { 0 };
    struct pk_link inner = { .same = true };
    vetch_promise *p = vetch_then(pk_value(&thing), link_to_same, &inner);

    vt_run_ready();
    ck_assert_uint_eq(inner.ran, 1);
    ck_assert_ptr_eq(inner.value, &thing);
    pk_assert_value(p, &thing);
    pk_assert_alive(&thing);
    vetch_promise_unref(p);
    pk_assert_freed(&thing);
}

static vetch_promise *
drop_same(void *value, void *ctx)
{
    (void)value;
    (void)ctx;
    vetch_promise_unref(vetch_same());
    return NULL;
}

VT_TEST(rule_04_same_may_be_dropped)
{
    struct pk_thing thing = { 0 };
    vetch_promise *p = vetch_then(pk_value(&thing), drop_same, NULL);

    pk_expect_value(p, NULL);
    pk_assert_freed(&thing);
}

VT_TEST(rule_04_same_outside_a_handler_is_misuse)
{
    pk_expect_error(vetch_same(), VETCH_EMISUSE);
}

static void
keep_same(void *ctx)
{
    *(vetch_promise **)ctx = vetch_same();
}

VT_TEST(rule_04_same_in_a_plain_callback_is_misuse)
{
    vetch_promise *p = NULL;

    ck_assert_int_eq(vetch_call_soon(keep_same, &p), 0);
    vt_run_ready();
    pk_expect_error(p, VETCH_EMISUSE);
}

VT_TEST(rule_04_pending_answer_is_adopted)
{
    struct pk_thing in = { 0 }, out = { 0 };
    struct pk_op op = { 0 };
    struct pk_link link = { .answer = pk_start(&op) }, next = { 0 };
    vetch_promise *p = vetch_then(pk_value(&in), pk_on_value, &link);

    p = vetch_then(p, pk_on_value, &next);
    pk_expect_pending(p);
    ck_assert_uint_eq(link.ran, 1);
    ck_assert_uint_eq(next.ran, 0);
    pk_resolve(&op, &out);
    ck_assert_uint_eq(next.ran, 0);
    pk_expect_value(p, NULL);
    ck_assert_ptr_eq(next.value, &out);
    pk_assert_freed(&in);
    pk_assert_freed(&out);
}

VT_TEST(rule_04_pending_answer_may_reject)
{
    struct pk_op op = { 0 };
    struct pk_link link = { .answer = pk_start(&op) }, caught = { 0 };
    vetch_promise *p =
        vetch_then(vetch_resolved(NULL, NULL), pk_on_value, &link);

    p = vetch_catch(p, pk_on_error, &caught);
    pk_expect_pending(p);
    pk_reject(&op, VETCH_EUSER + 5);
    pk_expect_value(p, NULL);
    ck_assert_int_eq(caught.code, VETCH_EUSER + 5);
}

VT_TEST(rule_04_error_handler_may_answer_with_an_operation)
{
    struct pk_op op = { 0 };
    struct pk_link retry = { .answer = pk_start(&op) };
    vetch_promise *p = vetch_catch(pk_error(VETCH_EUSER), pk_on_error, &retry);

    pk_expect_pending(p);
    pk_resolve_number(&op, 5);
    pk_expect_value(p, 5);
}

VT_TEST(rule_04_answer_that_others_hold_is_shared)
{
    struct pk_thing thing = { 0 };
    vetch_promise *held = pk_value(&thing);
    struct pk_link link = { .answer = vetch_promise_ref(held) };
    vetch_promise *p =
        vetch_then(vetch_resolved(NULL, NULL), pk_on_value, &link);

    vt_run_ready();
    pk_assert_value(p, &thing);
    vetch_promise_unref(held);
    pk_assert_alive(&thing);
    vetch_promise_unref(p);
    pk_assert_freed(&thing);
}

VT_TEST(rule_04_handle_takes_the_way_of_the_outcome)
{
    struct pk_link value = { .answer = pk_error(VETCH_EUSER) };
    struct pk_link error = { .answer = vetch_resolved(pk_int(9), NULL) };
    vetch_promise *p = vetch_resolved(pk_int(8), NULL);

    p = vetch_handle(p, pk_on_value, pk_never_error, &value);
    p = vetch_handle(p, pk_never_value, pk_on_error, &error);
    pk_expect_value(p, 9);
    ck_assert_ptr_eq(value.value, pk_int(8));
    ck_assert_int_eq(error.code, VETCH_EUSER);
}

/* ---- rule 5: what passes through, finally, catch and handle ---- */

VT_CASE("rule 5", pk_tcase);

VT_TEST(rule_05_missing_handlers_pass_a_value_through)
{
    struct pk_thing thing = { 0 };
    vetch_promise *p = pk_value(&thing);

    p = vetch_then(p, NULL, NULL);
    p = vetch_catch(p, NULL, NULL);
    p = vetch_handle(p, NULL, NULL, NULL);
    p = vetch_handle(p, NULL, pk_never_error, NULL);
    p = vetch_finally(p, NULL, NULL);
    p = vetch_catch(p, pk_never_error, NULL);
    vt_run_ready();
    pk_assert_value(p, &thing);
    pk_assert_alive(&thing);
    vetch_promise_unref(p);
    pk_assert_freed(&thing);
}

VT_TEST(rule_05_missing_handlers_pass_an_error_through)
{
    vetch_error *cause = vetch_error_new(VETCH_EUSER, "below");
    vetch_promise *p = vetch_rejected(vetch_error_wrap(cause, "above"));

    vetch_error_unref(cause);
    p = vetch_then(p, NULL, NULL);
    p = vetch_catch(p, NULL, NULL);
    p = vetch_handle(p, NULL, NULL, NULL);
    p = vetch_handle(p, pk_never_value, NULL, NULL);
    p = vetch_finally(p, NULL, NULL);
    p = vetch_then(p, pk_never_value, NULL);
    vt_run_ready();
    pk_assert_error(p, VETCH_EUSER);
    ck_assert_str_eq(vetch_error_text(vetch_promise_error(p)), "above: below");
    vetch_promise_unref(p);
}

VT_TEST(rule_05_finally_passes_a_value_through)
{
    struct pk_thing thing = { 0 };
    struct pk_link end = { 0 };
    vetch_promise *p = vetch_finally(pk_value(&thing), pk_on_end, &end);

    vt_run_ready();
    ck_assert_uint_eq(end.ran, 1);
    pk_assert_value(p, &thing);
    pk_assert_alive(&thing);
    vetch_promise_unref(p);
    pk_assert_freed(&thing);
}

VT_TEST(rule_05_finally_passes_an_error_through)
{
    struct pk_link end = { 0 };
    vetch_promise *p =
        vetch_finally(pk_error(VETCH_EUSER + 6), pk_on_end, &end);

    pk_expect_error(p, VETCH_EUSER + 6);
    ck_assert_uint_eq(end.ran, 1);
}

VT_TEST(rule_05_finally_passes_a_cancel_through)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    struct pk_link end = { 0 };
    vetch_promise *p = vetch_finally(pk_start(&op), pk_on_end, &end);

    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(end.ran, 1);
}

VT_TEST(rule_05_finally_runs_once_on_a_dropped_chain)
{
    struct pk_op op = { 0 };
    struct pk_link end = { 0 };
    vetch_promise *p = vetch_finally(pk_start(&op), pk_on_end, &end);

    vetch_promise_unref(p);
    vt_run_ready();
    ck_assert_uint_eq(end.ran, 0);
    pk_resolve_number(&op, 1);
    vt_run_ready();
    ck_assert_uint_eq(end.ran, 1);
}

VT_TEST(rule_05_finally_runs_once_when_the_operation_is_abandoned)
{
    struct pk_op op = { 0 };
    struct pk_link end = { 0 };
    vetch_promise *p = vetch_finally(pk_start(&op), pk_on_end, &end);

    pk_drop(&op);
    pk_expect_error(p, VETCH_EABANDONED);
    ck_assert_uint_eq(end.ran, 1);
}

VT_TEST(rule_05_finally_runs_once_out_of_memory)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    struct pk_link end = { 0 };
    vetch_promise *p = pk_start(&op);

    vetch_testing_fail_allocation(1, true);
    p = vetch_then(p, pk_never_value, NULL);
    p = vetch_finally(p, pk_on_end, &end);
    vetch_testing_fail_allocation(0, false);
    pk_expect_pending(p);
    ck_assert_uint_eq(end.ran, 0); /* the operation has not stopped yet */
    pk_stop(&op);
    pk_expect_error(p, VETCH_ENOMEM);
    ck_assert_uint_eq(end.ran, 1);
}

/* Even if the operation does not stop: then it is the only thing that runs. */
VT_TEST(rule_05_finally_runs_once_at_the_end_of_the_reactor)
{
    struct pk_op stops = { 0 }, runs_on = { .on_cancel = PK_NOTE };
    struct pk_link end = { 0 };
    vetch_promise *p = vetch_finally(pk_start(&stops), pk_on_end, &end);
    vetch_promise *q = vetch_then(pk_start(&runs_on), pk_never_value, NULL);

    q = vetch_handle(q, pk_never_value, pk_never_error, NULL);
    vetch_promise_unref(vetch_finally(p, pk_on_end, &end));
    vetch_promise_unref(vetch_finally(q, pk_on_end, &end));
    pk_end_reactor();
    ck_assert_uint_eq(end.ran, 3);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "did not stop"));
    pk_drop(&stops);
    pk_drop(&runs_on);
    ck_assert_uint_eq(end.ran, 3);
    ck_assert_uint_le(pk_reports(), 1); /* of what did not stop */
}

VT_TEST(rule_05_finally_attached_after_the_end_runs_at_once)
{
    struct pk_link end = { 0 };
    vetch_promise *p = vetch_resolved(pk_int(1), NULL);

    pk_end_reactor();
    vetch_promise_unref(vetch_finally(p, pk_on_end, &end));
    ck_assert_uint_eq(end.ran, 1);
}

VT_TEST(rule_05_finally_waits_for_what_was_adopted)
{
    struct pk_op op = { 0 };
    struct pk_link link = { .answer = pk_start(&op) }, end = { 0 };
    vetch_promise *p = vetch_resolved(NULL, NULL);

    p = vetch_finally(vetch_then(p, pk_on_value, &link), pk_on_end, &end);
    pk_expect_pending(p);
    ck_assert_uint_eq(end.ran, 0);
    pk_resolve_number(&op, 2);
    pk_expect_value(p, 2);
    ck_assert_uint_eq(end.ran, 1);
}

VT_TEST(rule_05_finally_runs_before_what_is_below_it)
{
    vetch_promise *p = vetch_resolved(NULL, NULL);

    p = vetch_then(p, pk_pass_value, pk_word("work"));
    p = vetch_finally(p, pk_note, pk_word("inner"));
    p = vetch_finally(p, pk_note, pk_word("outer"));
    p = vetch_then(p, pk_pass_value, pk_word("after"));
    pk_expect_trace("work inner outer after");
    vetch_promise_unref(p);
}

static vetch_promise *
check_text(void *value, void *ctx)
{
    (void)value;
    ck_assert_str_eq(ctx, "the context");
    return NULL;
}

VT_TEST(rule_05_finally_takes_free_for_the_context)
{
    char *ctx = strdup("the context");
    vetch_promise *p = vetch_resolved(NULL, NULL);

    ck_assert_ptr_nonnull(ctx);
    p = vetch_then(p, check_text, ctx);
    p = vetch_then(p, check_text, ctx);
    p = vetch_finally(p, free, ctx);
    pk_expect_value(p, NULL);
}

VT_TEST(rule_05_catch_does_not_see_a_value)
{
    pk_expect_value(
        vetch_catch(vetch_resolved(pk_int(3), NULL), pk_never_error, NULL), 3);
}

VT_TEST(rule_05_then_does_not_see_an_error)
{
    pk_expect_error(vetch_then(pk_error(VETCH_EUSER), pk_never_value, NULL),
                    VETCH_EUSER);
}

VT_TEST(rule_05_catch_recovers)
{
    struct pk_link caught = { .answer = vetch_resolved(pk_int(1), NULL) };
    struct pk_link next = { .same = true };
    vetch_promise *p = vetch_catch(pk_error(VETCH_EUSER), pk_on_error, &caught);

    p = vetch_then(p, pk_on_value, &next);
    pk_expect_value(p, 1);
    ck_assert_ptr_eq(next.value, pk_int(1));
}

/* Cancellation swallowed: cpython #81917 #86296 #114496, PR #28149;
 * twisted #4632 #11886, PR #1001. */
VT_TEST(rule_05_catch_does_not_see_a_cancel)
{
    vetch_promise *p =
        vetch_catch(pk_error(VETCH_ECANCELED), pk_never_error, NULL);

    p = vetch_then(p, pk_never_value, NULL);
    pk_expect_error(p, VETCH_ECANCELED);
}

VT_TEST(rule_05_catch_does_not_see_a_wrapped_cancel)
{
    vetch_error *cancel = vetch_error_new(VETCH_ECANCELED, "cancelled");
    vetch_promise *p = vetch_rejected(vetch_error_wrap(cancel, "fetch BR"));

    vetch_error_unref(cancel);
    pk_expect_error(vetch_catch(p, pk_never_error, NULL), VETCH_ECANCELED);
}

VT_TEST(rule_05_catch_sees_everything_else)
{
    static const int codes[] = { VETCH_ENOMEM,     VETCH_ETIMEDOUT,
                                 VETCH_EABANDONED, VETCH_ECLOSED,
                                 VETCH_ECYCLE,     ECONNREFUSED };
    size_t i;

    for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        struct pk_link caught = { 0 };

        pk_expect_value(vetch_catch(pk_error(codes[i]), pk_on_error, &caught),
                        NULL);
        ck_assert_int_eq(caught.code, codes[i]);
    }
}

VT_TEST(rule_05_handle_sees_a_cancel)
{
    struct pk_link handled = { 0 };
    vetch_promise *p = vetch_handle(pk_error(VETCH_ECANCELED), pk_never_value,
                                    pk_on_error, &handled);

    pk_expect_value(p, NULL);
    ck_assert_int_eq(handled.code, VETCH_ECANCELED);
}

VT_CASE("rule 4", pk_tcase);

VT_TEST(rule_04_same_is_misuse_again_after_a_handler)
{
    vetch_promise *p = NULL, *q;

    q = vetch_then(vetch_resolved(pk_int(1), NULL), pk_pass_value,
                   pk_word("ran"));
    ck_assert_int_eq(vetch_call_soon(keep_same, &p), 0);
    pk_expect_trace("ran");
    pk_expect_value(q, 1);
    pk_expect_error(p, VETCH_EMISUSE);
}
