/* Cancelling a chain: rule 9 of the contract. Shared promises and shields are
 * in test_cancel_shared.c, requests from inside a callback in
 * test_cancel_inside.c, and combinators in a test of their own.
 *
 * Cancellation swallowed, doubled or misdelivered: cpython #81917 #86296
 * #114496, PR #28149; twisted #4632 #11886, PR #1001. */

#include "support/promise_kit.h"

/* ---- the request goes up, the outcome comes down ---- */

VT_CASE("request", pk_tcase);

VT_TEST(rule_09_cancel_reaches_the_operation_once)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    vetch_promise *p = pk_start(&op);

    p = vetch_then(p, pk_never_value, NULL);
    p = vetch_catch(p, pk_never_error, NULL);
    p = vetch_finally(p, pk_note, pk_word("end"));
    p = vetch_then(p, pk_never_value, NULL);
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(op.canceled, 1);
    ck_assert_str_eq(pk_trace(), "end");
}

VT_TEST(rule_09_cancelled_promise_settles_when_the_operation_has_stopped)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *p = pk_start(&op);

    p = vetch_finally(p, pk_note, pk_word("end"));
    p = vetch_then(p, pk_never_value, NULL);
    vetch_promise_cancel(p);
    pk_expect_pending(p);
    ck_assert_uint_eq(op.canceled, 1);
    ck_assert_str_eq(pk_trace(), "");
    vt_advance(60);
    pk_expect_pending(p);
    pk_stop(&op);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_str_eq(pk_trace(), "end");
}

VT_TEST(rule_09_operation_is_told)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *p = pk_start(&op);

    ck_assert(!vetch_deferred_is_canceled(op.deferred));
    vetch_promise_cancel(p);
    vt_run_ready();
    ck_assert(vetch_deferred_is_canceled(op.deferred));
    pk_stop(&op);
    pk_expect_error(p, VETCH_ECANCELED);
}

VT_TEST(rule_09_asking_twice_tells_the_operation_once)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *p = vetch_then(pk_start(&op), pk_never_value, NULL);

    vetch_promise_cancel(p);
    vetch_promise_cancel(p);
    vt_run_ready();
    vetch_promise_cancel(p);
    pk_expect_pending(p);
    ck_assert_uint_eq(op.canceled, 1);
    pk_stop(&op);
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
}

VT_TEST(rule_09_asking_at_two_places_tells_the_operation_once)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *source = pk_start(&op);
    vetch_promise *p =
        vetch_then(vetch_promise_ref(source), pk_never_value, NULL);

    vetch_promise_cancel(source);
    vetch_promise_cancel(source);
    vt_run_ready();
    ck_assert_uint_eq(op.canceled, 1);
    pk_stop(&op);
    pk_expect_error(p, VETCH_ECANCELED);
    pk_expect_error(source, VETCH_ECANCELED);
}

VT_TEST(rule_09_operation_without_canceller_rejects_at_once)
{
    struct pk_op op = { .on_cancel = PK_NONE };
    struct pk_thing late = { 0 };
    vetch_promise *p = pk_start(&op);

    vetch_promise_cancel(p);
    pk_assert_error(p, VETCH_ECANCELED);
    ck_assert(!vetch_deferred_resolve(op.deferred, &late, pk_free));
    pk_assert_freed(&late);
    pk_drop(&op);
    vetch_promise_unref(p);
}

VT_TEST(rule_09_outcome_of_a_cancel_flows_down_like_any_other)
{
    struct pk_op op = { .on_cancel = PK_NONE };
    vetch_promise *p = pk_start(&op);

    p = vetch_finally(p, pk_note, pk_word("1"));
    p = vetch_handle(p, pk_never_value, pk_pass_error, pk_word("2"));
    p = vetch_catch(p, pk_never_error, NULL);
    p = vetch_finally(p, pk_note, pk_word("3"));
    vetch_promise_cancel(p);
    ck_assert_str_eq(pk_trace(), "");
    pk_expect_trace("1 2 3");
    pk_expect_error(p, VETCH_ECANCELED);
    pk_drop(&op);
}

VT_TEST(rule_09_operation_may_end_with_another_error)
{
    struct pk_op op = { .on_cancel = PK_ERROR };
    struct pk_link caught = { .same = true };
    vetch_promise *p = pk_start(&op);

    p = vetch_then(p, pk_never_value, NULL);
    p = vetch_catch(p, pk_on_error, &caught);
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_EUSER + 9);
    ck_assert_uint_eq(caught.ran, 1);
}

VT_TEST(rule_09_cancel_of_a_promise_that_others_hold_reaches_the_operation)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    vetch_promise *p = vetch_then(pk_start(&op), pk_never_value, NULL);
    vetch_promise *other = vetch_promise_ref(p);
    vetch_promise *below =
        vetch_then(vetch_promise_ref(p), pk_never_value, NULL);

    vetch_promise_cancel(p);
    vt_run_ready();
    ck_assert_uint_eq(op.canceled, 1);
    pk_expect_error(p, VETCH_ECANCELED);
    pk_expect_error(other, VETCH_ECANCELED);
    pk_expect_error(below, VETCH_ECANCELED);
}

VT_TEST(rule_09_end_of_a_chain_hears_of_the_cancel)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    struct pk_done done = { 0 };
    vetch_promise *p = pk_start(&op);

    vetch_callback(vetch_promise_ref(p), pk_on_done, &done);
    vetch_promise_cancel(p);
    vt_run_ready();
    ck_assert_uint_eq(done.ran, 1);
    ck_assert_int_eq(done.code, VETCH_ECANCELED);
    vetch_promise_unref(p);
}

/* ---- a value all the same ---- */

VT_CASE("values and links", pk_tcase);

VT_TEST(rule_09_late_value_is_freed_by_the_first_link_below)
{
    struct pk_op op = { .on_cancel = PK_VALUE };
    vetch_promise *p = vetch_then(pk_start(&op), pk_never_value, NULL);

    p = vetch_then(p, pk_never_value, NULL);
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(op.canceled, 1);
    pk_assert_freed(&op.late);
}

VT_TEST(rule_09_value_that_comes_later_is_freed_as_well)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    struct pk_thing thing = { 0 };
    vetch_promise *p = vetch_then(pk_start(&op), pk_never_value, NULL);

    vetch_promise_cancel(p);
    pk_expect_pending(p);
    pk_resolve(&op, &thing);
    pk_expect_error(p, VETCH_ECANCELED);
    pk_assert_freed(&thing);
}

VT_TEST(rule_09_late_value_does_not_pass_an_error_handler)
{
    struct pk_op op = { .on_cancel = PK_VALUE };
    vetch_promise *p = vetch_catch(pk_start(&op), pk_never_error, NULL);

    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    pk_assert_freed(&op.late);
}

VT_TEST(rule_09_late_value_does_not_pass_a_finally)
{
    struct pk_op op = { .on_cancel = PK_VALUE };
    struct pk_link end = { 0 };
    vetch_promise *p = vetch_finally(pk_start(&op), pk_on_end, &end);

    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    pk_assert_freed(&op.late);
    ck_assert_uint_eq(end.ran, 1);
}

VT_TEST(rule_09_late_value_does_not_pass_an_adoption)
{
    struct pk_op op = { .on_cancel = PK_VALUE };
    struct pk_link link = { .answer = pk_start(&op) };
    vetch_promise *p =
        vetch_then(vetch_resolved(NULL, NULL), pk_on_value, &link);

    vt_run_ready();
    ck_assert_uint_eq(link.ran, 1);
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(op.canceled, 1);
    pk_assert_freed(&op.late);
}

VT_TEST(rule_09_operation_s_own_promise_may_end_with_its_value)
{
    struct pk_op op = { .on_cancel = PK_VALUE };
    vetch_promise *p = pk_start(&op);

    vetch_promise_cancel(p);
    pk_expect_value(p, &op.late);
    pk_assert_freed(&op.late);
}

/* ---- links that have not begun ---- */

VT_TEST(rule_09_link_that_is_queued_does_not_run)
{
    struct pk_thing thing = { 0 };
    vetch_promise *p = vetch_then(pk_value(&thing), pk_never_value, NULL);

    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    pk_assert_freed(&thing);
}

VT_TEST(rule_09_links_below_one_that_is_queued_do_not_run)
{
    struct pk_thing thing = { 0 };
    struct pk_link end = { 0 };
    vetch_promise *p = pk_value(&thing);

    p = vetch_then(p, pk_never_value, NULL);
    p = vetch_finally(p, pk_on_end, &end);
    p = vetch_then(p, pk_never_value, NULL);
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(end.ran, 1);
    pk_assert_freed(&thing);
}

VT_TEST(rule_09_link_that_was_cancelled_does_not_run_after_a_recovery)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    struct pk_thing thing = { 0 };
    struct pk_link recover = { .answer = pk_value(&thing) };
    vetch_promise *p = pk_start(&op);

    p = vetch_handle(p, pk_never_value, pk_on_error, &recover);
    p = vetch_then(p, pk_never_value, NULL);
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_int_eq(recover.code, VETCH_ECANCELED);
    pk_assert_freed(&thing);
}

VT_TEST(rule_09_link_may_recover_from_its_own_cancel)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    struct pk_link recover = { .answer = vetch_resolved(pk_int(4), NULL) };
    struct pk_link next = { .same = true };
    vetch_promise *p = pk_start(&op), *below;

    p = vetch_handle(p, pk_never_value, pk_on_error, &recover);
    below = vetch_then(vetch_promise_ref(p), pk_on_value, &next);
    vetch_promise_cancel(p); /* what is below was not asked to stop */
    pk_expect_value(p, 4);
    pk_expect_value(below, 4);
    ck_assert_uint_eq(next.ran, 1);
}

/* ---- adopted operations ---- */

VT_CASE("adopted", pk_tcase);

VT_TEST(rule_09_cancel_reaches_an_adopted_operation)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    struct pk_link link = { .answer = pk_start(&op) };
    vetch_promise *p = vetch_resolved(NULL, NULL);

    p = vetch_then(p, pk_on_value, &link);
    p = vetch_then(p, pk_never_value, NULL);
    vt_run_ready();
    vetch_promise_cancel(p);
    pk_expect_pending(p);
    ck_assert_uint_eq(op.canceled, 1);
    pk_stop(&op);
    pk_expect_error(p, VETCH_ECANCELED);
}

VT_TEST(rule_09_cancel_reaches_the_operation_of_an_adopted_chain)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    struct pk_link link = { 0 };
    vetch_promise *p;

    link.answer = vetch_then(pk_start(&op), pk_never_value, NULL);
    link.answer = vetch_finally(link.answer, pk_note, pk_word("inner"));
    p = vetch_then(vetch_resolved(NULL, NULL), pk_on_value, &link);
    p = vetch_finally(p, pk_note, pk_word("outer"));
    vt_run_ready();
    vetch_promise_cancel(p);
    pk_expect_trace("inner outer");
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(op.canceled, 1);
}

VT_TEST(rule_09_cancel_goes_through_a_follower)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);
    vetch_promise *p = vetch_deferred_promise(d);

    ck_assert(vetch_deferred_follow(d, pk_start(&op)));
    vetch_deferred_unref(d);
    vt_run_ready();
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(op.canceled, 1);
}

VT_TEST(rule_09_adopted_operation_that_others_hold_is_left_alone)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *held = pk_start(&op);
    struct pk_link link = { .answer = vetch_promise_ref(held) };
    vetch_promise *p =
        vetch_then(vetch_resolved(NULL, NULL), pk_on_value, &link);

    vt_run_ready();
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(op.canceled, 0);
    pk_resolve_number(&op, 6);
    pk_expect_value(held, 6);
}

VT_TEST(rule_09_clean_up_after_a_cancel_may_take_its_time)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    struct pk_op clean_up = { .on_cancel = PK_NOTE };
    struct pk_link handled = { .answer = pk_start(&clean_up) };
    vetch_promise *p =
        vetch_handle(pk_start(&op), pk_never_value, pk_on_error, &handled);

    p = vetch_finally(p, pk_note, pk_word("end"));
    vetch_promise_cancel(p);
    pk_expect_pending(p);
    ck_assert_uint_eq(handled.ran, 1);
    ck_assert_uint_eq(clean_up.canceled, 0);
    ck_assert_str_eq(pk_trace(), "");
    pk_reject(&clean_up, VETCH_ECANCELED);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_str_eq(pk_trace(), "end");
}

VT_TEST(rule_09_second_request_reaches_the_clean_up)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    struct pk_op clean_up = { .on_cancel = PK_AGREE };
    struct pk_link handled = { .answer = pk_start(&clean_up) };
    vetch_promise *p =
        vetch_handle(pk_start(&op), pk_never_value, pk_on_error, &handled);

    vetch_promise_cancel(p);
    pk_expect_pending(p);
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(op.canceled, 1);
    ck_assert_uint_eq(clean_up.canceled, 1);
}

/* ---- settled promises ---- */

VT_CASE("request", pk_tcase);

VT_TEST(rule_09_cancelling_a_settled_promise_changes_nothing)
{
    struct pk_thing thing = { 0 };
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *value = pk_start(&op);
    vetch_promise *nothing = vetch_sleep(0);
    vetch_promise *error = pk_error(VETCH_EUSER);

    vt_advance(0);
    pk_resolve(&op, &thing);
    vetch_promise_cancel(value);
    vetch_promise_cancel(nothing);
    vetch_promise_cancel(error);
    pk_expect_value(value, &thing);
    pk_expect_value(nothing, NULL);
    pk_expect_error(error, VETCH_EUSER);
    ck_assert_uint_eq(op.canceled, 0);
}

VT_TEST(rule_09_cancel_after_the_handler_ran_changes_nothing)
{
    struct pk_link link = { .same = true };
    vetch_promise *p =
        vetch_then(vetch_resolved(pk_int(2), NULL), pk_on_value, &link);

    vt_run_ready();
    vetch_promise_cancel(p);
    pk_expect_value(p, 2);
    ck_assert_uint_eq(link.ran, 1);
}

VT_TEST(rule_09_cancel_of_the_source_leaves_its_settled_value)
{
    struct pk_link link = { .same = true };
    vetch_promise *source = vetch_resolved(pk_int(2), NULL);
    vetch_promise *p =
        vetch_then(vetch_promise_ref(source), pk_on_value, &link);

    vetch_promise_cancel(source);
    pk_expect_value(p, 2);
    pk_expect_value(source, 2);
}

/* ---- cancel and settle in the same turn ---- */

VT_CASE("values and links", pk_tcase);

VT_TEST(rule_09_value_settled_just_before_the_cancel_is_freed)
{
    struct pk_thing thing = { 0 };
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *p = vetch_then(pk_start(&op), pk_never_value, NULL);

    pk_resolve(&op, &thing);
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(op.canceled, 0);
    pk_assert_freed(&thing);
}

VT_CASE("request", pk_tcase);

VT_TEST(rule_09_abandoned_after_a_cancel_still_settles)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    struct pk_link end = { 0 };
    vetch_promise *p = vetch_finally(pk_start(&op), pk_on_end, &end);

    vetch_promise_cancel(p);
    pk_expect_pending(p);
    pk_drop(&op);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    ck_assert_ptr_nonnull(vetch_promise_error(p));
    ck_assert_uint_eq(end.ran, 1);
    vetch_promise_unref(p);
}

/* "Each cancel ends in a settled promise within one turn after the producer
 * agrees." */
static void
stop_op(void *op)
{
    pk_stop(op);
}

VT_TEST(rule_09_producer_may_agree_later)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *p = vetch_then(pk_start(&op), pk_never_value, NULL);

    vetch_promise_cancel(p);
    ck_assert_int_eq(vetch_call_soon(stop_op, &op), 0);
    pk_expect_error(p, VETCH_ECANCELED);
}

VT_TEST(rule_09_cancelled_sleep_stops_at_once)
{
    vetch_promise *p = vetch_then(vetch_sleep(1000), pk_never_value, NULL);

    vt_run_ready();
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(vt_live_objects(), 0);
    vt_advance(2000);
}

VT_CASE("adopted", pk_tcase);

/* A handler started an operation on its value and kept a share of it: the
 * value stays, although the link has given up waiting. */
VT_TEST(rule_09_value_is_borrowed_while_a_shared_answer_runs)
{
    struct pk_thing thing = { 0 };
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *held = pk_start(&op);
    struct pk_link link = { .answer = vetch_promise_ref(held) };
    vetch_promise *p = vetch_then(pk_value(&thing), pk_on_value, &link);

    vt_run_ready();
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    pk_assert_alive(&thing);
    pk_resolve_number(&op, 6);
    pk_expect_value(held, 6);
    pk_assert_freed(&thing);
}

VT_TEST(rule_09_borrowed_value_does_not_keep_an_operation_from_a_cancel)
{
    struct pk_thing thing = { 0 };
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *p = pk_start(&op), *other;
    struct pk_link link = { .answer = vetch_promise_ref(p) };

    other = vetch_then(p, pk_never_value, NULL);
    p = vetch_then(pk_value(&thing), pk_on_value, &link);
    vt_run_ready();
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(op.canceled, 0);
    vetch_promise_cancel(other); /* now nobody wants it any more */
    ck_assert_uint_eq(op.canceled, 1);
    pk_expect_pending(other);
    pk_assert_alive(&thing);
    pk_stop(&op);
    pk_expect_error(other, VETCH_ECANCELED);
    pk_assert_freed(&thing);
}
