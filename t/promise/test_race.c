/* DESIGN rule 10: race and any. */

#include "support/promise_kit.h"

/* ---- race ---- */

VT_CASE("rule 10", pk_tcase);

VT_TEST(rule_10_race_of_nothing_is_invalid)
{
    pk_expect_error(vetch_race(NULL, 0), EINVAL);
}

VT_TEST(rule_10_race_takes_the_first_value_and_stops_the_rest)
{
    struct pk_thing thing = { 0 };
    struct pk_three t;
    vetch_promise *p;

    pk_start_three(&t, PK_NOTE);
    p = vetch_race(t.promise, 3);
    pk_resolve(&t.op[1], &thing);
    pk_expect_pending(p);
    ck_assert_uint_eq(t.op[0].canceled, 1);
    ck_assert_uint_eq(t.op[2].canceled, 1);
    pk_assert_alive(&thing);
    pk_stop(&t.op[0]);
    pk_stop(&t.op[2]);
    vt_run_ready();
    pk_assert_value(p, &thing);
    pk_assert_alive(&thing);
    vetch_promise_unref(p);
    pk_assert_freed(&thing);
}

VT_TEST(rule_10_race_takes_the_first_error_and_stops_the_rest)
{
    struct pk_three t;
    vetch_promise *p;

    pk_start_three(&t, PK_AGREE);
    p = vetch_race(t.promise, 3);
    pk_reject(&t.op[2], VETCH_EUSER + 4);
    pk_expect_error(p, VETCH_EUSER + 4);
    ck_assert_uint_eq(t.op[0].canceled, 1);
    ck_assert_uint_eq(t.op[1].canceled, 1);
}

VT_TEST(rule_10_race_frees_what_the_losers_bring)
{
    struct pk_thing thing = { 0 };
    struct pk_three t;
    vetch_promise *p;

    pk_start_three(&t, PK_VALUE);
    p = vetch_race(t.promise, 3);
    pk_resolve(&t.op[0], &thing);
    vt_run_ready();
    pk_assert_value(p, &thing);
    pk_assert_freed(&t.op[1].late);
    pk_assert_freed(&t.op[2].late);
    vetch_promise_unref(p);
    pk_assert_freed(&thing);
}

VT_TEST(rule_10_race_of_settled_children_takes_the_first_of_the_array)
{
    struct pk_thing things[2] = { { 0 } };
    vetch_promise *children[] = { pk_value(&things[0]), pk_value(&things[1]) };
    vetch_promise *p = vetch_race(children, 2);

    vt_run_ready();
    pk_assert_value(p, &things[0]);
    pk_assert_freed(&things[1]);
    vetch_promise_unref(p);
    pk_assert_freed(&things[0]);
}

VT_TEST(rule_10_value_of_a_race_can_be_handed_over)
{
    struct pk_thing thing = { 0 };
    struct pk_done done = { 0 };
    struct pk_three t;

    pk_start_three(&t, PK_AGREE);
    vetch_callback(vetch_race(t.promise, 3), pk_on_done, &done);
    pk_resolve(&t.op[1], &thing);
    vt_run_ready();
    ck_assert_int_eq(done.code, 0);
    ck_assert_ptr_eq(done.result, &thing);
    pk_assert_alive(&thing);
}

VT_TEST(rule_10_shared_loser_runs_on)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *held = pk_start(&op);
    vetch_promise *children[] = { vetch_promise_ref(held),
                                  vetch_resolved(pk_int(1), NULL) };

    pk_expect_value(vetch_race(children, 2), 1);
    ck_assert_uint_eq(op.canceled, 0);
    pk_resolve_number(&op, 2);
    pk_expect_value(held, 2);
}

VT_TEST(rule_10_cancelled_race_stops_every_child)
{
    struct pk_three t;
    vetch_promise *p;

    pk_start_three(&t, PK_NOTE);
    p = vetch_race(t.promise, 3);
    vetch_promise_cancel(p);
    for (int i = 0; i < 3; i++) {
        pk_expect_pending(p);
        ck_assert_uint_eq(t.op[i].canceled, 1);
        pk_stop(&t.op[i]);
    }
    pk_expect_error(p, VETCH_ECANCELED);
}

/* ---- any ---- */

VT_TEST(rule_10_any_takes_the_first_value_and_stops_the_rest)
{
    struct pk_thing thing = { 0 };
    struct pk_three t;
    vetch_promise *p;

    pk_start_three(&t, PK_NOTE);
    p = vetch_any(t.promise, 3);
    pk_reject(&t.op[0], VETCH_EUSER + 1);
    pk_expect_pending(p);
    ck_assert_uint_eq(t.op[2].canceled, 0);
    pk_resolve(&t.op[1], &thing);
    pk_expect_pending(p);
    ck_assert_uint_eq(t.op[2].canceled, 1);
    pk_stop(&t.op[2]);
    vt_run_ready();
    pk_assert_value(p, &thing);
    pk_assert_alive(&thing);
    vetch_promise_unref(p);
    pk_assert_freed(&thing);
}

VT_TEST(rule_10_any_that_fails_carries_all_errors)
{
    struct pk_three t;
    vetch_promise *p;
    const vetch_error *error;

    pk_start_three(&t, PK_NOTE);
    p = vetch_any(t.promise, 3);
    pk_reject(&t.op[2], VETCH_EUSER + 2);
    pk_reject(&t.op[0], VETCH_EUSER + 0);
    pk_reject(&t.op[1], VETCH_EUSER + 1);
    vt_run_ready();
    pk_assert_error(p, VETCH_EAGGREGATE);
    error = vetch_promise_error(p);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(
            vetch_error_code(vetch_error_suppressed(error, (size_t)i)),
            VETCH_EUSER + i);
    ck_assert_ptr_null(vetch_error_suppressed(error, 3));
    vetch_promise_unref(p);
}

VT_TEST(rule_10_any_of_nothing_fails)
{
    vetch_promise *p = vetch_any(NULL, 0);

    vt_run_ready();
    pk_assert_error(p, VETCH_EAGGREGATE);
    ck_assert_ptr_null(vetch_error_suppressed(vetch_promise_error(p), 0));
    vetch_promise_unref(p);
}

VT_TEST(rule_10_any_counts_a_cancelled_child_as_failed)
{
    struct pk_three t;
    vetch_promise *p;

    pk_start_three(&t, PK_AGREE);
    vetch_promise_cancel(t.promise[0]);
    p = vetch_any(t.promise, 3);
    pk_reject(&t.op[1], VETCH_EUSER);
    pk_expect_pending(p);
    pk_resolve_number(&t.op[2], 6);
    pk_expect_value(p, 6);
}

VT_TEST(rule_10_cancelled_any_is_cancelled)
{
    struct pk_three t;
    vetch_promise *p;

    pk_start_three(&t, PK_AGREE);
    p = vetch_any(t.promise, 3);
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED); /* and not all the errors */
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(t.op[i].canceled, 1);
}
