/* Nothing fails silently: rule 8 of the contract.
 *
 * Unobserved rejections: node #830 #12010, PR #33021; seastar #250 #573 #683.
 * Fire and forget: cpython #88831 #117379 #155502. */

#include "support/promise_kit.h"

#include <string.h>

/* ---- what is reported ---- */

VT_CASE("reported", pk_tcase);

/* node #830 #12010, PR #33021; seastar #250 #573 #683 */
VT_TEST(rule_08_rejection_that_nobody_observed_is_reported_once)
{
    vetch_promise_unref(pk_error(VETCH_EUSER + 1));
    ck_assert_uint_eq(pk_reports(), 1);
    ck_assert_int_eq(pk_report_code(), VETCH_EUSER + 1);
}

VT_TEST(rule_08_rejection_is_not_reported_while_it_is_held)
{
    vetch_promise *p = pk_error(VETCH_EUSER + 1);

    ck_assert_uint_eq(pk_reports(), 0);
    vetch_promise_ref(p);
    vetch_promise_unref(p);
    ck_assert_uint_eq(pk_reports(), 0);
    vetch_promise_unref(p);
    ck_assert_uint_eq(pk_reports(), 1);
}

VT_TEST(rule_08_rejection_after_the_drop_is_reported)
{
    struct pk_op op = { 0 };

    vetch_promise_unref(pk_start(&op));
    ck_assert_uint_eq(pk_reports(), 0);
    pk_reject(&op, VETCH_EUSER + 2);
    ck_assert_uint_eq(pk_reports(), 1);
    ck_assert_int_eq(pk_report_code(), VETCH_EUSER + 2);
}

VT_TEST(rule_08_rejection_at_the_end_of_a_chain_is_reported_once)
{
    struct pk_link end = { 0 };
    vetch_promise *p = pk_error(VETCH_EUSER + 3);

    p = vetch_then(p, pk_never_value, NULL);
    p = vetch_finally(p, pk_on_end, &end);
    p = vetch_catch(p, pk_pass_error, pk_word("seen"));
    p = vetch_handle(p, NULL, NULL, NULL);
    vetch_promise_unref(p);
    ck_assert_uint_eq(pk_reports(), 1);
    ck_assert_int_eq(pk_report_code(), VETCH_EUSER + 3);
    ck_assert_uint_eq(end.ran, 1);
    ck_assert_str_eq(pk_trace(), "seen");
}

VT_TEST(rule_08_error_made_by_a_handler_is_reported)
{
    struct pk_link link = { .answer = pk_error(VETCH_EUSER + 4) };

    vetch_promise_unref(
        vetch_then(vetch_resolved(NULL, NULL), pk_on_value, &link));
    ck_assert_uint_eq(pk_reports(), 1);
    ck_assert_int_eq(pk_report_code(), VETCH_EUSER + 4);
}

VT_TEST(rule_08_each_unobserved_branch_is_reported)
{
    vetch_promise *p = pk_error(VETCH_EUSER + 5);

    vetch_promise_unref(vetch_then(vetch_promise_ref(p), NULL, NULL));
    vetch_promise_unref(vetch_then(p, NULL, NULL));
    ck_assert_uint_eq(pk_reports(), 2);
}

VT_TEST(rule_08_looking_at_the_state_does_not_observe)
{
    vetch_promise *p = pk_error(VETCH_EUSER + 6);

    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    vetch_promise_unref(p);
    ck_assert_uint_eq(pk_reports(), 1);
}

VT_TEST(rule_08_abandoned_operation_rejects_and_is_reported)
{
    struct pk_op op = { 0 };

    vetch_promise_unref(pk_start(&op));
    pk_drop(&op);
    ck_assert_uint_eq(pk_reports(), 1);
    ck_assert_int_eq(pk_report_code(), VETCH_EABANDONED);
}

VT_TEST(rule_08_refused_rejection_is_not_reported)
{
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);
    vetch_promise *p = vetch_deferred_promise(d);

    ck_assert(vetch_deferred_resolve(d, NULL, NULL));
    ck_assert(!vetch_deferred_reject(d, vetch_error_new(VETCH_EUSER, "late")));
    vetch_deferred_unref(d);
    pk_expect_value(p, NULL);
    ck_assert_uint_eq(pk_reports(), 0);
}

/* ---- what is not ---- */

VT_CASE("observed", pk_tcase);

/* Cancellation is asked for, so nobody needs to be told. */
VT_TEST(rule_08_cancel_is_never_reported)
{
    struct pk_op op = { 0 };
    vetch_promise *p = vetch_then(pk_start(&op), pk_never_value, NULL);

    vetch_promise_unref(pk_error(VETCH_ECANCELED));
    vetch_promise_cancel(p);
    vetch_promise_unref(p);
    ck_assert_uint_eq(pk_reports(), 0);
}

VT_TEST(rule_08_link_that_recovers_observes)
{
    struct pk_link caught = { 0 }, handled = { 0 };

    vetch_promise_unref(
        vetch_catch(pk_error(VETCH_EUSER), pk_on_error, &caught));
    vetch_promise_unref(
        vetch_handle(pk_error(VETCH_EUSER), NULL, pk_on_error, &handled));
    ck_assert_uint_eq(pk_reports(), 0);
    ck_assert_uint_eq(caught.ran, 1);
    ck_assert_uint_eq(handled.ran, 1);
}

VT_TEST(rule_08_link_observes_for_all_holders)
{
    struct pk_link caught = { 0 };
    vetch_promise *p = pk_error(VETCH_EUSER);

    vetch_promise_unref(
        vetch_catch(vetch_promise_ref(p), pk_on_error, &caught));
    vetch_promise_unref(p);
    ck_assert_uint_eq(pk_reports(), 0);
    ck_assert_uint_eq(caught.ran, 1);
}

VT_TEST(rule_08_link_may_come_after_the_rejection)
{
    struct pk_link caught = { 0 };
    vetch_promise *p = pk_error(VETCH_EUSER);

    vt_run_ready();
    vetch_promise_unref(vetch_catch(p, pk_on_error, &caught));
    ck_assert_uint_eq(pk_reports(), 0);
    ck_assert_uint_eq(caught.ran, 1);
}

VT_TEST(rule_08_combinator_observes)
{
    vetch_promise *child = pk_error(VETCH_EUSER);
    vetch_promise *p = vetch_all_settled(&child, 1);

    vetch_promise_unref(p);
    ck_assert_uint_eq(pk_reports(), 0);
}

VT_TEST(rule_08_loser_that_fails_behind_a_value_is_reported)
{
    vetch_promise *children[] = { vetch_resolved(pk_int(1), NULL),
                                  pk_error(VETCH_EUSER) };

    pk_expect_value(vetch_race(children, 2), 1);
    ck_assert_uint_eq(pk_reports(), 1);
    ck_assert_int_eq(pk_report_code(), VETCH_EUSER);
}

VT_TEST(rule_08_loser_that_fails_is_suppressed_by_the_error_that_decided)
{
    vetch_promise *children[] = { pk_error(VETCH_EUSER + 1),
                                  pk_error(VETCH_EUSER + 2) };
    vetch_promise *race = vetch_race(children, 2);
    const vetch_error *error;

    vt_run_ready();
    error = vetch_promise_error(race);
    ck_assert_int_eq(vetch_error_code(error), VETCH_EUSER + 1);
    ck_assert_int_eq(vetch_error_code(vetch_error_suppressed(error, 0)),
                     VETCH_EUSER + 2);
    vetch_promise_unref(race);
    ck_assert_uint_eq(pk_reports(), 0);
}

VT_TEST(rule_08_sibling_that_fails_late_is_suppressed_by_the_first)
{
    struct pk_op op = { .on_cancel = PK_ERROR };
    vetch_promise *children[] = { pk_start(&op), pk_error(VETCH_EUSER) };
    vetch_promise *all = vetch_all(children, 2);
    const vetch_error *error;

    vt_run_ready();
    error = vetch_promise_error(all);
    ck_assert_int_eq(vetch_error_code(error), VETCH_EUSER);
    ck_assert_int_eq(vetch_error_code(vetch_error_suppressed(error, 0)),
                     VETCH_EUSER + 9);
    vetch_promise_unref(all);
    pk_drop(&op);
}

VT_TEST(rule_08_failures_before_any_has_its_value_are_no_news)
{
    vetch_promise *children[] = { pk_error(VETCH_EUSER),
                                  vetch_resolved(pk_int(1), NULL) };

    pk_expect_value(vetch_any(children, 2), 1);
    ck_assert_uint_eq(pk_reports(), 0);
}

VT_TEST(rule_08_child_that_fails_when_its_group_is_cancelled_is_reported)
{
    struct pk_op op = { .on_cancel = PK_ERROR };
    vetch_promise *child = pk_start(&op);
    vetch_promise *all = vetch_all(&child, 1);

    vetch_promise_cancel(all);
    pk_expect_error(all, VETCH_ECANCELED);
    ck_assert_uint_eq(pk_reports(), 1);
    ck_assert_int_eq(pk_report_code(), VETCH_EUSER + 9);
    pk_drop(&op);
}

VT_TEST(rule_08_failure_behind_a_shield_that_was_given_up_is_reported)
{
    struct pk_op op = { 0 };
    vetch_promise *p = vetch_timeout(vetch_shield(pk_start(&op)), 1);

    vt_advance(1);
    pk_expect_error(p, VETCH_ETIMEDOUT);
    pk_reject(&op, VETCH_EUSER);
    vt_run_ready();
    ck_assert_uint_eq(pk_reports(), 1);
    ck_assert_int_eq(pk_report_code(), VETCH_EUSER);
}

VT_TEST(rule_08_failure_that_a_second_waiter_sees_is_not_reported)
{
    struct pk_op op = { 0 };
    vetch_promise *p = pk_start(&op);
    vetch_promise *other = vetch_then(vetch_promise_ref(p), NULL, NULL);
    vetch_promise *shield = vetch_shield(p);

    vetch_promise_cancel(shield);
    pk_expect_error(shield, VETCH_ECANCELED);
    pk_reject(&op, VETCH_EUSER);
    pk_expect_error(other, VETCH_EUSER);
    ck_assert_uint_eq(pk_reports(), 0);
}

static vetch_promise *
answer_with_held(void *value, void *held)
{
    (void)value;
    return vetch_promise_ref(held);
}

/* The first to leave leaves something behind: its handler borrows a value. */
VT_TEST(rule_08_failure_that_all_waiters_left_is_reported)
{
    struct pk_op op = { 0 };
    vetch_promise *held = pk_start(&op);
    vetch_promise *p =
        vetch_then(vetch_resolved(pk_int(1), NULL), answer_with_held, held);
    vetch_promise *q;

    vt_run_ready();
    q = vetch_then(vetch_promise_ref(held), NULL, NULL);
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    vetch_promise_cancel(q);
    pk_expect_error(q, VETCH_ECANCELED);
    pk_reject(&op, VETCH_EUSER);
    vt_run_ready();
    vetch_promise_unref(held);
    vt_run_ready();
    ck_assert_uint_eq(pk_reports(), 1);
    ck_assert_int_eq(pk_report_code(), VETCH_EUSER);
}

VT_TEST(rule_08_combinator_s_own_rejection_is_reported)
{
    vetch_promise *children[] = { pk_error(VETCH_EUSER + 1),
                                  pk_error(VETCH_EUSER + 2) };

    vetch_promise_unref(vetch_all(children, 2));
    ck_assert_uint_eq(pk_reports(), 1);
    ck_assert_int_eq(pk_report_code(), VETCH_EUSER + 1);
}

VT_TEST(rule_08_callback_observes)
{
    struct pk_done done = { 0 };

    vetch_callback(pk_error(VETCH_EUSER), pk_on_done, &done);
    ck_assert_uint_eq(pk_reports(), 0);
    ck_assert_int_eq(done.code, VETCH_EUSER);
}

VT_TEST(rule_08_run_observes)
{
    vetch_error *error;

    ck_assert_ptr_null(vetch_run(pk_error(VETCH_EUSER), &error));
    ck_assert_uint_eq(pk_reports(), 0);
    vetch_error_unref(error);
}

VT_TEST(rule_08_run_reports_an_error_that_nobody_takes)
{
    ck_assert_ptr_null(vetch_run(pk_error(VETCH_EUSER), NULL));
    ck_assert_uint_eq(pk_reports(), 1);
    ck_assert_ptr_null(vetch_run(pk_error(VETCH_ECANCELED), NULL));
    ck_assert_uint_eq(pk_reports(), 0);
}

static vetch_promise *
await_it(void *p)
{
    vetch_error *error;

    vetch_await(p, &error);
    vetch_error_unref(error);
    return NULL;
}

static vetch_promise *
await_it_carelessly(void *p)
{
    vetch_await(p, NULL);
    return NULL;
}

VT_TEST(rule_08_await_reports_an_error_that_nobody_takes)
{
    vetch_promise_unref(
        vetch_spawn(await_it_carelessly, pk_error(VETCH_EUSER)));
    vt_run_ready();
    ck_assert_uint_eq(pk_reports(), 1);
}

VT_TEST(rule_08_await_observes)
{
    struct pk_op op = { 0 };

    vetch_promise_unref(vetch_spawn(await_it, pk_error(VETCH_EUSER)));
    ck_assert_uint_eq(pk_reports(), 0);
    vetch_promise_unref(vetch_spawn(await_it, pk_start(&op)));
    vt_run_ready();
    pk_reject(&op, VETCH_EUSER);
    ck_assert_uint_eq(pk_reports(), 0);
}

VT_TEST(rule_08_reading_the_error_observes)
{
    vetch_promise *p = pk_error(VETCH_EUSER);

    ck_assert_int_eq(vetch_error_code(vetch_promise_error(p)), VETCH_EUSER);
    vetch_promise_unref(p);
    ck_assert_uint_eq(pk_reports(), 0);
}

VT_TEST(rule_08_adoption_observes)
{
    struct pk_link link = { .answer = pk_error(VETCH_EUSER + 1) };
    struct pk_link caught = { 0 };
    vetch_promise *p = vetch_resolved(NULL, NULL);

    p = vetch_then(p, pk_on_value, &link);
    vetch_promise_unref(vetch_catch(p, pk_on_error, &caught));
    ck_assert_uint_eq(pk_reports(), 0);
    ck_assert_int_eq(caught.code, VETCH_EUSER + 1);
}

VT_TEST(rule_08_adoption_observes_for_all_holders)
{
    vetch_promise *held = pk_error(VETCH_EUSER + 1);
    struct pk_link link = { .answer = vetch_promise_ref(held) };
    struct pk_link caught = { 0 };
    vetch_promise *p = vetch_resolved(NULL, NULL);

    p = vetch_then(p, pk_on_value, &link);
    vetch_promise_unref(vetch_catch(p, pk_on_error, &caught));
    vt_run_ready();
    ck_assert_int_eq(caught.code, VETCH_EUSER + 1);
    vetch_promise_unref(held);
    ck_assert_uint_eq(pk_reports(), 0);
}

VT_TEST(rule_08_later_adoption_observes)
{
    struct pk_op op = { 0 };
    struct pk_link link = { .answer = pk_start(&op) };
    struct pk_link caught = { 0 };
    vetch_promise *p = vetch_resolved(NULL, NULL);

    p = vetch_then(p, pk_on_value, &link);
    vetch_promise_unref(vetch_catch(p, pk_on_error, &caught));
    vt_run_ready();
    pk_reject(&op, VETCH_EUSER + 2);
    ck_assert_uint_eq(pk_reports(), 0);
    ck_assert_int_eq(caught.code, VETCH_EUSER + 2);
}

/* ---- the hook ---- */

VT_CASE("reported", pk_tcase);

/* node #830 #12010, PR #33021; seastar #250 #573 #683 */
VT_TEST(rule_08_default_report_is_one_log_line_with_the_causes)
{
    vetch_error *cause = vetch_error_new(VETCH_EUSER, "connection refused");

    vetch_reactor_set_rejection_hook(vt_reactor, NULL, NULL);
    vetch_promise_unref(vetch_rejected(vetch_error_wrap(cause, "fetch BR")));
    vetch_error_unref(cause);
    vt_run_ready();
    ck_assert_str_eq(vt_log_take(),
                     "unhandled rejection: fetch BR: connection refused\n");
}

static void
check_ctx(const vetch_error *error, void *ctx)
{
    ck_assert_int_eq(vetch_error_code(error), VETCH_EUSER + 7);
    ++*(unsigned *)ctx;
}

VT_TEST(rule_08_hook_gets_its_own_context)
{
    unsigned ran = 0;

    vetch_reactor_set_rejection_hook(vt_reactor, check_ctx, &ran);
    vetch_promise_unref(pk_error(VETCH_EUSER + 7));
    vt_run_ready();
    ck_assert_uint_eq(ran, 1);
}

static void
start_another(const vetch_error *error, void *ctx)
{
    unsigned *left = ctx;

    (void)error;
    if (*left > 0) {
        --*left;
        vetch_promise_unref(pk_error(VETCH_EUSER));
    }
}

/* Re-entrancy: curl #3537 #3601 #5354 #8083 #8282, PR #22179; libhv #424. */
VT_TEST(rule_08_hook_may_call_the_library)
{
    unsigned left = 1000;

    vetch_reactor_set_rejection_hook(vt_reactor, start_another, &left);
    vetch_promise_unref(pk_error(VETCH_EUSER));
    vt_run_ready();
    ck_assert_uint_eq(left, 0);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(rule_08_rejection_held_at_the_end_of_its_reactor_is_reported)
{
    vetch_promise *p = pk_error(VETCH_EUSER + 8);

    pk_end_reactor();
    vetch_promise_unref(p);
    ck_assert_uint_eq(pk_reports(), 1);
    ck_assert_int_eq(pk_report_code(), VETCH_EUSER + 8);
}

VT_TEST(rule_08_operation_that_does_not_stop_is_named_and_not_reported)
{
    struct pk_op op = { .on_cancel = PK_NOTE };

    vetch_promise_unref(pk_start(&op));
    pk_end_reactor();
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "did not stop"));
    pk_drop(&op);
    ck_assert_uint_eq(pk_reports(), 0);
}

/* ---- fire and forget ---- */

VT_CASE("fire and forget", pk_tcase);

/* cpython #88831 #117379 #155502 */
VT_TEST(rule_08_dropped_pending_chain_still_runs)
{
    struct pk_op op = { 0 };
    vetch_promise *p = pk_start(&op);

    p = vetch_then(p, pk_pass_value, pk_word("then"));
    p = vetch_finally(p, pk_note, pk_word("finally"));
    vetch_promise_unref(p);
    pk_expect_trace("");
    ck_assert_uint_eq(op.canceled, 0);
    pk_resolve_number(&op, 1);
    pk_expect_trace("then finally");
}

/* cpython #88831 #117379 #155502 */
VT_TEST(rule_08_dropped_sleep_still_wakes)
{
    vetch_promise *p = vetch_sleep(2.5);

    p = vetch_then(p, pk_pass_value, pk_word("awake"));
    vetch_promise_unref(p);
    vt_advance(2.0);
    pk_expect_trace("");
    vt_advance(0.5);
    pk_expect_trace("awake");
}

/* cpython #88831 #117379 #155502 */
VT_TEST(rule_08_dropped_adopter_still_runs)
{
    struct pk_op op = { 0 };
    struct pk_link link = { .answer = pk_start(&op) }, next = { 0 };
    vetch_promise *p = vetch_resolved(NULL, NULL);

    p = vetch_then(p, pk_on_value, &link);
    p = vetch_then(p, pk_on_value, &next);
    vetch_promise_unref(p);
    vt_run_ready();
    ck_assert_uint_eq(link.ran, 1);
    pk_resolve_number(&op, 3);
    vt_run_ready();
    ck_assert_uint_eq(next.ran, 1);
    ck_assert_ptr_eq(next.value, pk_int(3));
}

/* cpython #88831 #117379 #155502 */
VT_TEST(rule_08_dropped_combinator_still_runs)
{
    struct pk_op op = { 0 };
    vetch_promise *children[2];
    vetch_promise *p;

    children[0] = vetch_then(pk_start(&op), pk_pass_value, pk_word("child"));
    children[1] = vetch_resolved(NULL, NULL);
    p = vetch_all(children, 2);
    p = vetch_then(p, pk_pass_value, pk_word("all"));
    vetch_promise_unref(p);
    pk_expect_trace("");
    pk_resolve_number(&op, 1);
    pk_expect_trace("child all");
}

VT_TEST(rule_08_dropping_is_not_cancelling)
{
    struct pk_op op = { .on_cancel = PK_NOTE };

    vetch_promise_unref(vetch_shield(vetch_then(pk_start(&op), NULL, NULL)));
    vt_run_ready();
    ck_assert_uint_eq(op.canceled, 0);
    pk_resolve_number(&op, 1);
    vt_run_ready();
    ck_assert_uint_eq(op.canceled, 0);
}

/* ---- abandoned operations ---- */

VT_TEST(rule_08_abandoned_deferred_rejects_its_promise)
{
    struct pk_op op = { 0 };
    struct pk_link caught = { 0 };
    vetch_promise *p = vetch_catch(pk_start(&op), pk_on_error, &caught);

    pk_drop(&op);
    pk_expect_value(p, NULL);
    ck_assert_int_eq(caught.code, VETCH_EABANDONED);
}

VT_TEST(rule_08_abandoned_only_with_the_last_reference)
{
    struct pk_op op = { 0 };
    vetch_promise *p = pk_start(&op);
    vetch_deferred *other = vetch_deferred_ref(op.deferred);

    pk_drop(&op);
    pk_expect_pending(p);
    vetch_deferred_unref(other);
    pk_expect_error(p, VETCH_EABANDONED);
}

VT_TEST(rule_08_settled_deferred_is_not_abandoned)
{
    struct pk_op op = { 0 };
    vetch_promise *p = pk_start(&op);

    pk_resolve_number(&op, 1);
    pk_expect_value(p, 1);
    ck_assert_uint_eq(pk_reports(), 0);
}
