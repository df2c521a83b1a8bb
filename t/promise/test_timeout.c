/* sleep and timeout: rule 10 of the contract. */

#include "support/promise_kit.h"

#include <math.h>

/* ---- sleep ---- */

VT_CASE("sleep", pk_tcase);

VT_TEST(rule_10_sleep_is_never_early)
{
    vetch_promise *p = vetch_sleep(1.5);

    vt_advance(1.499);
    pk_expect_pending(p);
    vt_advance(0.001);
    pk_expect_value(p, NULL);
}

VT_TEST(rule_10_sleepers_wake_in_order)
{
    vetch_promise *a = vetch_finally(vetch_sleep(3), pk_note, pk_word("3"));
    vetch_promise *b = vetch_finally(vetch_sleep(1), pk_note, pk_word("1"));
    vetch_promise *c = vetch_finally(vetch_sleep(2), pk_note, pk_word("2"));
    vetch_promise *d = vetch_finally(vetch_sleep(1), pk_note, pk_word("1b"));

    vt_advance(10);
    pk_expect_trace("1 1b 2 3");
    pk_expect_value(a, NULL);
    pk_expect_value(b, NULL);
    pk_expect_value(c, NULL);
    pk_expect_value(d, NULL);
}

VT_TEST(rule_10_sleep_of_nothing_takes_a_turn)
{
    vetch_promise *p = vetch_sleep(0);

    pk_assert_pending(p);
    vt_advance(0);
    pk_expect_value(p, NULL);
}

VT_TEST(rule_10_sleep_of_nonsense_is_invalid)
{
    pk_expect_error(vetch_sleep(-1), EINVAL);
    pk_expect_error(vetch_sleep(NAN), EINVAL);
    pk_expect_error(vetch_sleep(-INFINITY), EINVAL);
}

VT_TEST(rule_10_timeout_without_limit_never_expires)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    vetch_promise *p = vetch_timeout(pk_start(&op), INFINITY);

    vt_advance(1e9);
    pk_assert_pending(p);
    pk_resolve_number(&op, 7);
    pk_expect_value(p, 7);
}

VT_TEST(rule_10_sleep_of_infinite_seconds_ends_by_a_cancel_only)
{
    vetch_promise *p = vetch_sleep(INFINITY);

    vt_advance(1e9);
    vt_advance(INFINITY);
    pk_assert_pending(p);
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
}

VT_TEST(rule_10_cancelled_sleep_leaves_no_timer)
{
    vetch_promise *p = vetch_sleep(5);

    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(vt_live_objects(), 0);
    vt_advance(10);
}

/* ---- timeout: in time ---- */

VT_CASE("timeout", pk_tcase);

VT_TEST(rule_10_timeout_passes_a_value)
{
    struct pk_thing thing = { 0 };
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *p = vetch_timeout(pk_start(&op), 5);

    vt_advance(4.9);
    pk_resolve(&op, &thing);
    vt_run_ready();
    pk_assert_value(p, &thing);
    vt_advance(10);
    ck_assert_uint_eq(op.canceled, 0);
    pk_assert_value(p, &thing);
    pk_assert_alive(&thing);
    vetch_promise_unref(p);
    pk_assert_freed(&thing);
}

VT_TEST(rule_10_timeout_passes_an_error)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *p = vetch_timeout(pk_start(&op), 5);

    pk_reject(&op, VETCH_EUSER + 1);
    pk_expect_error(p, VETCH_EUSER + 1);
    ck_assert_uint_eq(vt_live_objects(), 0); /* the timer is gone, too */
}

VT_TEST(rule_10_timeout_passes_settled_outcomes)
{
    pk_expect_value(vetch_timeout(vetch_resolved(pk_int(1), NULL), 0), 1);
    pk_expect_error(vetch_timeout(pk_error(VETCH_EUSER), 5), VETCH_EUSER);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(rule_10_value_in_time_can_be_handed_over)
{
    struct pk_thing thing = { 0 };
    struct pk_done done = { 0 };
    struct pk_op op = { .on_cancel = PK_NOTE };

    vetch_callback(vetch_timeout(pk_start(&op), 5), pk_on_done, &done);
    pk_resolve(&op, &thing);
    vt_run_ready();
    ck_assert_int_eq(done.code, 0);
    ck_assert_ptr_eq(done.result, &thing);
    pk_assert_alive(&thing);
}

/* ---- timeout: too late ---- */

VT_TEST(rule_10_timeout_cancels_and_waits)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *p = pk_start(&op);

    p = vetch_finally(p, pk_note, pk_word("end"));
    p = vetch_timeout(p, 5);
    vt_advance(4.999);
    ck_assert_uint_eq(op.canceled, 0);
    vt_advance(0.001);
    ck_assert_uint_eq(op.canceled, 1);
    pk_expect_pending(p); /* it settles when the work has stopped */
    pk_expect_trace("");
    pk_stop(&op);
    pk_expect_trace("end");
    pk_expect_error(p, VETCH_ETIMEDOUT);
}

VT_TEST(rule_10_late_value_is_freed_and_timed_out)
{
    struct pk_op op = { .on_cancel = PK_VALUE };
    vetch_promise *p = vetch_timeout(pk_start(&op), 5);

    vt_advance(5);
    pk_expect_error(p, VETCH_ETIMEDOUT);
    pk_assert_freed(&op.late);
}

VT_TEST(rule_10_error_after_the_timeout_is_told)
{
    struct pk_op op = { .on_cancel = PK_ERROR };
    vetch_promise *p = vetch_timeout(pk_start(&op), 5);

    vt_advance(5);
    pk_expect_error(p, VETCH_EUSER + 9);
}

VT_TEST(rule_10_catch_sees_a_timeout)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    struct pk_link caught = { 0 };
    vetch_promise *p = vetch_timeout(pk_start(&op), 5);

    p = vetch_catch(p, pk_on_error, &caught);
    vt_advance(5);
    pk_expect_value(p, NULL);
    ck_assert_int_eq(caught.code, VETCH_ETIMEDOUT);
}

VT_TEST(rule_10_dropped_timeout_still_cancels)
{
    struct pk_op op = { .on_cancel = PK_AGREE };

    vetch_promise_unref(vetch_timeout(pk_start(&op), 5));
    vt_advance(5);
    ck_assert_uint_eq(op.canceled, 1);
    ck_assert_uint_eq(pk_reports(), 1);
    ck_assert_int_eq(pk_report_code(), VETCH_ETIMEDOUT);
}

VT_TEST(rule_10_shared_promise_times_out_alone)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *held = pk_start(&op);
    vetch_promise *p = vetch_timeout(vetch_promise_ref(held), 5);

    vt_advance(5);
    pk_expect_error(p, VETCH_ETIMEDOUT);
    ck_assert_uint_eq(op.canceled, 0);
    pk_resolve_number(&op, 3);
    pk_expect_value(held, 3);
}

VT_TEST(rule_10_shielded_promise_times_out_alone)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    struct pk_thing thing = { 0 };
    vetch_promise *p = vetch_timeout(vetch_shield(pk_start(&op)), 5);

    vt_advance(5);
    pk_expect_error(p, VETCH_ETIMEDOUT);
    ck_assert_uint_eq(op.canceled, 0);
    pk_resolve(&op, &thing);
    vt_run_ready();
    pk_assert_freed(&thing);
}

VT_TEST(rule_10_timeout_of_nonsense_is_invalid_and_stops_the_work)
{
    struct pk_op op = { .on_cancel = PK_AGREE };

    pk_expect_error(vetch_timeout(pk_start(&op), -1), EINVAL);
    ck_assert_uint_eq(op.canceled, 1);
    pk_expect_error(vetch_timeout(vetch_resolved(NULL, NULL), NAN), EINVAL);
}

/* ---- a timeout converts its own cancel only ----
 *
 * cpython #81917 #86296 #114496, PR #28149; twisted #4632 #11886, PR #1001 */

VT_CASE("whose cancel", pk_tcase);

VT_TEST(rule_10_cancel_before_the_timeout_stays_a_cancel)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    vetch_promise *p = vetch_timeout(pk_start(&op), 5);

    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(op.canceled, 1);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(rule_10_cancel_that_takes_longer_than_the_timeout_stays_a_cancel)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *p = vetch_timeout(pk_start(&op), 5);

    vetch_promise_cancel(p);
    vt_advance(60);
    ck_assert_uint_eq(op.canceled, 1);
    pk_stop(&op);
    pk_expect_error(p, VETCH_ECANCELED);
}

VT_TEST(rule_10_cancel_while_the_timeout_waits_stays_a_cancel)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *p = vetch_timeout(pk_start(&op), 5);

    vt_advance(5);
    vetch_promise_cancel(p);
    pk_expect_pending(p);
    ck_assert_uint_eq(op.canceled, 1);
    pk_stop(&op);
    pk_expect_error(p, VETCH_ECANCELED);
}

VT_TEST(rule_10_cancel_from_inside_stays_a_cancel)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *p = vetch_timeout(pk_start(&op), 5);

    pk_stop(&op); /* somebody else cancelled the operation */
    pk_expect_error(p, VETCH_ECANCELED);
}

VT_TEST(rule_10_inner_timeout_is_told_through_the_outer_one)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    struct pk_link caught = { 0 };
    vetch_promise *p = pk_start(&op);

    p = vetch_catch(vetch_timeout(p, 1), pk_on_error, &caught);
    p = vetch_timeout(p, 2);
    vt_advance(3);
    pk_expect_value(p, NULL);
    ck_assert_int_eq(caught.code, VETCH_ETIMEDOUT);
}

VT_TEST(rule_10_outer_timeout_is_a_cancel_for_the_inner_one)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    struct pk_link inner = { .same = true };
    vetch_promise *p = vetch_timeout(pk_start(&op), 2);

    p = vetch_handle(p, pk_never_value, pk_on_error, &inner);
    p = vetch_timeout(p, 1);
    vt_advance(5); /* the inner one is due as well by now */
    ck_assert_uint_eq(op.canceled, 1);
    pk_stop(&op);
    pk_expect_error(p, VETCH_ETIMEDOUT);
    ck_assert_int_eq(inner.code, VETCH_ECANCELED);
}

VT_TEST(rule_10_timeouts_at_the_same_moment_are_one_timeout)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *p = vetch_timeout(vetch_timeout(pk_start(&op), 1), 1);

    vt_advance(1);
    ck_assert_uint_eq(op.canceled, 1);
    pk_stop(&op);
    pk_expect_error(p, VETCH_ETIMEDOUT);
}

VT_TEST(rule_10_timeout_over_a_combinator_stops_all_of_it)
{
    struct pk_op ops[2] = { { .on_cancel = PK_NOTE },
                            { .on_cancel = PK_NOTE } };
    vetch_promise *children[] = { pk_start(&ops[0]), pk_start(&ops[1]) };
    vetch_promise *p = vetch_timeout(vetch_all(children, 2), 2);

    vt_advance(2);
    ck_assert_uint_eq(ops[0].canceled, 1);
    ck_assert_uint_eq(ops[1].canceled, 1);
    pk_stop(&ops[1]);
    pk_expect_pending(p);
    pk_stop(&ops[0]);
    pk_expect_error(p, VETCH_ETIMEDOUT);
}

VT_TEST(rule_10_timeout_of_a_child_is_an_error_of_the_group)
{
    struct pk_op ops[2] = { { .on_cancel = PK_AGREE },
                            { .on_cancel = PK_AGREE } };
    vetch_promise *children[] = { vetch_timeout(pk_start(&ops[0]), 1),
                                  pk_start(&ops[1]) };
    vetch_promise *p = vetch_all(children, 2);

    vt_advance(1);
    pk_expect_error(p, VETCH_ETIMEDOUT);
    ck_assert_uint_eq(ops[1].canceled, 1);
}

VT_TEST(rule_10_second_request_reaches_the_clean_up_through_a_timeout)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    struct pk_op clean_up = { .on_cancel = PK_AGREE };
    struct pk_link handled = { .answer = pk_start(&clean_up) };
    vetch_promise *p =
        vetch_handle(pk_start(&op), pk_never_value, pk_on_error, &handled);

    p = vetch_timeout(p, 1000);
    vetch_promise_cancel(p);
    pk_expect_pending(p);
    ck_assert_uint_eq(clean_up.canceled, 0);
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(clean_up.canceled, 1);
}

/* ---- deadline ---- */

VT_CASE("deadline", pk_tcase);

VT_TEST(rule_10_deadline_is_a_point_in_time)
{
    double when = vetch_now() + 3;
    vetch_promise *early = vetch_deadline(vetch_sleep(2.5), when);
    vetch_promise *late = vetch_deadline(vetch_sleep(100), when), *later;

    vt_advance(2);
    later = vetch_deadline(vetch_sleep(100), when);
    vt_advance(0.9);
    ck_assert_int_eq(vetch_promise_state(early), VETCH_FULFILLED);
    ck_assert_int_eq(vetch_promise_state(late), VETCH_PENDING);
    ck_assert_int_eq(vetch_promise_state(later), VETCH_PENDING);
    vt_advance(0.1);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(late)),
                     VETCH_ETIMEDOUT);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(later)),
                     VETCH_ETIMEDOUT);
    vetch_promise_unref(early);
    vetch_promise_unref(late);
    vetch_promise_unref(later);
}

VT_TEST(rule_10_deadline_that_has_passed_ends_what_is_pending)
{
    vetch_promise *pending = vetch_deadline(vetch_sleep(100), -INFINITY);
    vetch_promise *settled =
        vetch_deadline(vetch_resolved((void *)4, NULL), vetch_now() - 1);

    vt_advance(0);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(pending)),
                     VETCH_ETIMEDOUT);
    ck_assert_int_eq((intptr_t)vetch_promise_value(settled), 4);
    vetch_promise_unref(pending);
    vetch_promise_unref(settled);
}

VT_TEST(rule_10_deadline_of_infinity_never_comes)
{
    vetch_promise *p = vetch_deadline(vetch_sleep(1e8), INFINITY);

    vt_advance(1e8 - 1);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vt_advance(1);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    vetch_promise_unref(p);
}

VT_TEST(rule_10_deadline_of_nonsense_is_invalid_and_stops_the_work)
{
    vetch_promise *p = vetch_deadline(vetch_sleep(1), NAN);

    vt_run_ready();
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(p)), EINVAL);
    vetch_promise_unref(p);
}
