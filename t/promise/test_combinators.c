/* all and all_settled, and what they have in common with race and any: rule 10
 * of the contract. */

#include "support/promise_kit.h"

#include <stdlib.h>

static const vetch_results *
results_of(vetch_promise *p)
{
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    return vetch_promise_value(p);
}

#define assert_result_value(r, i, v)                                           \
    do {                                                                       \
        ck_assert_int_eq(vetch_results_state(r, i), VETCH_FULFILLED);          \
        ck_assert_ptr_eq(vetch_results_value(r, i), (void *)(intptr_t)(v));    \
        ck_assert_ptr_null(vetch_results_error(r, i));                         \
    } while (0)
#define assert_result_error(r, i, c)                                           \
    do {                                                                       \
        ck_assert_int_eq(vetch_results_state(r, i), VETCH_REJECTED);           \
        ck_assert_ptr_null(vetch_results_value(r, i));                         \
        ck_assert_int_eq(vetch_error_code(vetch_results_error(r, i)), c);      \
    } while (0)

/* ---- all ---- */

VT_CASE("all", pk_tcase);

VT_TEST(rule_10_all_of_nothing_fulfils_with_empty_results)
{
    vetch_promise *p = vetch_all(NULL, 0);

    ck_assert_uint_eq(vetch_results_count(results_of(p)), 0);
    vetch_promise_unref(p);
}

VT_TEST(rule_10_all_gives_values_by_index)
{
    struct pk_thing things[3] = { { 0 } };
    struct pk_three t;
    vetch_promise *p;
    const vetch_results *r;

    pk_start_three(&t, PK_NOTE);
    p = vetch_all(t.promise, 3);
    pk_resolve(&t.op[2], &things[2]);
    pk_resolve(&t.op[0], &things[0]);
    pk_expect_pending(p);
    pk_resolve(&t.op[1], &things[1]);
    r = results_of(p);
    ck_assert_uint_eq(vetch_results_count(r), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_result_value(r, i, &things[i]);
        pk_assert_alive(&things[i]);
    }
    vetch_promise_unref(p);
    for (size_t i = 0; i < 3; i++)
        pk_assert_freed(&things[i]);
}

VT_TEST(rule_10_all_takes_settled_children)
{
    struct pk_thing thing = { 0 };
    vetch_promise *children[] = { vetch_resolved(pk_int(1), NULL),
                                  vetch_resolved(NULL, NULL),
                                  pk_value(&thing) };
    vetch_promise *p = vetch_all(children, 3);
    const vetch_results *r;

    pk_assert_pending(p); /* combinators, too, settle from the queue */
    r = results_of(p);
    assert_result_value(r, 0, 1);
    assert_result_value(r, 1, NULL);
    assert_result_value(r, 2, &thing);
    vetch_promise_unref(p);
    pk_assert_freed(&thing);
}

VT_TEST(rule_10_all_copies_the_array)
{
    struct pk_three t;
    vetch_promise *p;
    const vetch_results *r;

    pk_start_three(&t, PK_NOTE);
    p = vetch_all(t.promise, 3);
    for (int i = 0; i < 3; i++)
        t.promise[i] = NULL;
    for (int i = 0; i < 3; i++)
        pk_resolve_number(&t.op[i], i + 10);
    r = results_of(p);
    for (int i = 0; i < 3; i++)
        assert_result_value(r, (size_t)i, i + 10);
    vetch_promise_unref(p);
}

VT_TEST(rule_10_results_outlive_their_promise_by_reference)
{
    struct pk_thing thing = { 0 };
    vetch_promise *child = pk_value(&thing);
    vetch_promise *p = vetch_all(&child, 1);
    vetch_results *r;

    vt_run_ready();
    r = vetch_results_ref(vetch_promise_value(p));
    vetch_promise_unref(p);
    pk_assert_alive(&thing);
    assert_result_value(r, 0, &thing);
    ck_assert_ptr_null(vetch_results_unref(r));
    pk_assert_freed(&thing);
    ck_assert_ptr_null(vetch_results_ref(NULL));
    ck_assert_ptr_null(vetch_results_unref(NULL));
}

VT_TEST(rule_10_results_past_the_end_are_nothing)
{
    vetch_promise *child = vetch_resolved(pk_int(1), NULL);
    vetch_promise *p = vetch_all(&child, 1);
    const vetch_results *r = results_of(p);

    ck_assert_ptr_null(vetch_results_value(r, 1));
    ck_assert_ptr_null(vetch_results_error(r, 1));
    vetch_promise_unref(p);
}

VT_TEST(rule_10_results_can_be_handed_over)
{
    struct pk_thing thing = { 0 };
    vetch_promise *child = pk_value(&thing);
    vetch_results *r = vetch_run(vetch_all(&child, 1), NULL);

    ck_assert_ptr_nonnull(r);
    assert_result_value(r, 0, &thing);
    vetch_unref(r);
    pk_assert_freed(&thing);
}

VT_TEST(rule_10_all_rejects_with_the_first_error_and_stops_the_rest)
{
    struct pk_three t;
    vetch_promise *p;

    pk_start_three(&t, PK_NOTE);
    p = vetch_all(t.promise, 3);
    pk_reject(&t.op[1], VETCH_EUSER + 1);
    pk_expect_pending(p); /* no child outlives its combinator */
    ck_assert_uint_eq(t.op[0].canceled, 1);
    ck_assert_uint_eq(t.op[2].canceled, 1);
    pk_stop(&t.op[2]);
    pk_expect_pending(p);
    pk_stop(&t.op[0]);
    pk_expect_error(p, VETCH_EUSER + 1);
}

VT_TEST(rule_10_all_waits_for_the_finally_of_its_children)
{
    struct pk_three t;
    vetch_promise *p;

    pk_start_three(&t, PK_AGREE);
    t.promise[0] = vetch_finally(t.promise[0], pk_note, pk_word("end"));
    p = vetch_all(t.promise, 3);
    p = vetch_handle(p, pk_never_value, pk_pass_error, pk_word("all"));
    pk_reject(&t.op[1], VETCH_EUSER + 1);
    pk_expect_trace("end all");
    pk_expect_error(p, VETCH_EUSER + 1);
}

VT_TEST(rule_10_all_with_a_rejected_child_stops_the_rest)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *children[] = { pk_start(&op), pk_error(VETCH_EUSER + 1) };
    vetch_promise *p = vetch_all(children, 2);

    pk_expect_pending(p);
    ck_assert_uint_eq(op.canceled, 1);
    pk_stop(&op);
    pk_expect_error(p, VETCH_EUSER + 1);
}

VT_TEST(rule_10_all_keeps_the_first_error)
{
    struct pk_three t;
    vetch_promise *p;

    pk_start_three(&t, PK_ERROR);
    p = vetch_all(t.promise, 3);
    pk_reject(&t.op[2], VETCH_EUSER + 1);
    pk_expect_error(p, VETCH_EUSER + 1);
    ck_assert_uint_eq(t.op[0].canceled, 1);
    ck_assert_uint_eq(pk_reports(), 0);
}

VT_TEST(rule_10_all_frees_the_values_it_cannot_give)
{
    struct pk_thing thing = { 0 };
    struct pk_three t;
    vetch_promise *p;

    pk_start_three(&t, PK_VALUE);
    p = vetch_all(t.promise, 3);
    pk_resolve(&t.op[0], &thing);
    vt_run_ready();
    pk_reject(&t.op[1], VETCH_EUSER + 1);
    pk_expect_error(p, VETCH_EUSER + 1);
    pk_assert_freed(&thing);
    pk_assert_freed(&t.op[2].late);
}

VT_TEST(rule_10_all_with_a_cancelled_child_is_cancelled)
{
    struct pk_three t;
    vetch_promise *p;

    pk_start_three(&t, PK_AGREE);
    vetch_promise_cancel(t.promise[1]);
    p = vetch_catch(vetch_all(t.promise, 3), pk_never_error, NULL);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(t.op[0].canceled, 1);
    ck_assert_uint_eq(t.op[2].canceled, 1);
}

VT_TEST(rule_10_cancelled_all_stops_every_child_and_waits)
{
    struct pk_three t;
    vetch_promise *p;

    pk_start_three(&t, PK_NOTE);
    p = vetch_then(vetch_all(t.promise, 3), pk_never_value, NULL);
    pk_resolve_number(&t.op[1], 1);
    vt_run_ready();
    vetch_promise_cancel(p);
    vetch_promise_cancel(p);
    pk_expect_pending(p);
    ck_assert_uint_eq(t.op[0].canceled, 1);
    ck_assert_uint_eq(t.op[2].canceled, 1);
    pk_stop(&t.op[0]);
    pk_expect_pending(p);
    pk_stop(&t.op[2]);
    pk_expect_error(p, VETCH_ECANCELED);
}

VT_TEST(rule_10_cancelled_all_of_settled_children_is_cancelled)
{
    struct pk_thing thing = { 0 };
    vetch_promise *child = pk_value(&thing);
    vetch_promise *p = vetch_then(vetch_all(&child, 1), pk_never_value, NULL);

    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    pk_assert_freed(&thing);
}

VT_TEST(rule_10_shared_child_is_neither_stopped_nor_waited_for)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *held = pk_start(&op);
    vetch_promise *children[] = { vetch_promise_ref(held),
                                  pk_error(VETCH_EUSER + 1) };
    vetch_promise *p = vetch_all(children, 2);

    pk_expect_error(p, VETCH_EUSER + 1);
    ck_assert_uint_eq(op.canceled, 0);
    pk_resolve_number(&op, 8);
    pk_expect_value(held, 8);
}

VT_TEST(rule_10_shielded_child_is_neither_stopped_nor_waited_for)
{
    struct pk_thing thing = { 0 };
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *children[] = { vetch_shield(pk_start(&op)),
                                  pk_error(VETCH_EUSER + 1) };
    vetch_promise *p = vetch_all(children, 2);

    pk_expect_error(p, VETCH_EUSER + 1);
    ck_assert_uint_eq(op.canceled, 0);
    pk_resolve(&op, &thing);
    vt_run_ready();
    pk_assert_freed(&thing);
}

VT_TEST(rule_10_value_of_a_shared_child_lives_with_the_results)
{
    struct pk_thing thing = { 0 };
    vetch_promise *held = pk_value(&thing);
    vetch_promise *child = vetch_promise_ref(held);
    vetch_promise *p = vetch_all(&child, 1);

    assert_result_value(results_of(p), 0, &thing);
    vetch_promise_unref(held);
    pk_assert_alive(&thing);
    assert_result_value(results_of(p), 0, &thing);
    vetch_promise_unref(p);
    pk_assert_freed(&thing);
}

VT_TEST(rule_10_child_may_come_twice)
{
    struct pk_op op = { 0 };
    vetch_promise *child = pk_start(&op);
    vetch_promise *children[] = { vetch_promise_ref(child), child };
    vetch_promise *p = vetch_all(children, 2);

    pk_resolve_number(&op, 4);
    assert_result_value(results_of(p), 0, 4);
    assert_result_value(results_of(p), 1, 4);
    vetch_promise_unref(p);
}

VT_TEST(rule_10_combinators_nest)
{
    struct pk_three one, two;
    vetch_promise *both[2], *p;

    pk_start_three(&one, PK_AGREE);
    pk_start_three(&two, PK_NOTE);
    both[0] = vetch_all(one.promise, 3);
    both[1] = vetch_all(two.promise, 3);
    p = vetch_all(both, 2);
    pk_reject(&one.op[0], VETCH_EUSER + 2);
    pk_expect_pending(p);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(two.op[i].canceled, 1);
        pk_stop(&two.op[i]);
    }
    pk_expect_error(p, VETCH_EUSER + 2);
}

VT_TEST(rule_10_all_takes_many_children)
{
    enum { N = 10000 };
    vetch_promise **children = calloc(N, sizeof(*children));
    struct pk_op *ops = calloc(N, sizeof(*ops));
    vetch_promise *p;
    const vetch_results *r;

    ck_assert(children != NULL && ops != NULL);
    for (size_t i = 0; i < N; i++)
        children[i] = pk_start(&ops[i]);
    p = vetch_all(children, N);
    for (size_t i = N; i-- > 0;)
        pk_resolve_number(&ops[i], (intptr_t)i);
    r = results_of(p);
    for (size_t i = 0; i < N; i++)
        assert_result_value(r, i, i);
    vetch_promise_unref(p);
    free(children);
    free(ops);
}

/* ---- all_settled ---- */

VT_TEST(rule_10_all_settled_of_nothing_fulfils_with_empty_results)
{
    vetch_promise *p = vetch_all_settled(NULL, 0);

    ck_assert_uint_eq(vetch_results_count(results_of(p)), 0);
    vetch_promise_unref(p);
}

VT_TEST(rule_10_all_settled_gives_every_outcome)
{
    struct pk_thing thing = { 0 };
    struct pk_three t;
    vetch_promise *p;
    const vetch_results *r;

    pk_start_three(&t, PK_AGREE);
    vetch_promise_cancel(t.promise[2]);
    p = vetch_all_settled(t.promise, 3);
    pk_reject(&t.op[0], VETCH_EUSER + 3);
    pk_expect_pending(p);
    ck_assert_uint_eq(t.op[1].canceled, 0);
    pk_resolve(&t.op[1], &thing);
    r = results_of(p);
    ck_assert_uint_eq(vetch_results_count(r), 3);
    assert_result_error(r, 0, VETCH_EUSER + 3);
    assert_result_value(r, 1, &thing);
    assert_result_error(r, 2, VETCH_ECANCELED);
    pk_assert_alive(&thing);
    vetch_promise_unref(p);
    pk_assert_freed(&thing);
}

VT_TEST(rule_10_cancelled_all_settled_stops_every_child)
{
    struct pk_three t;
    vetch_promise *p;

    pk_start_three(&t, PK_NOTE);
    p = vetch_all_settled(t.promise, 3);
    vetch_promise_cancel(p);
    pk_expect_pending(p);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(t.op[i].canceled, 1);
        pk_stop(&t.op[i]);
    }
    pk_expect_error(p, VETCH_ECANCELED);
}

/* ---- what all have in common ---- */

typedef vetch_promise *(*combine_fn)(vetch_promise *const *promises, size_t n);
static const combine_fn combinators[] = { vetch_all, vetch_all_settled,
                                          vetch_race, vetch_any };

VT_CASE("each of them", pk_tcase, .loops = VT_COUNT_OF(combinators));

VT_TEST(rule_10_combinator_consumes_its_children)
{
    struct pk_three t;

    pk_start_three(&t, PK_AGREE);
    vetch_promise_unref(combinators[_i](t.promise, 3));
    for (int i = 0; i < 3; i++)
        if (t.op[i].deferred != NULL)
            pk_resolve_number(&t.op[i], 1);
    vt_run_ready();
    ck_assert_uint_eq(vt_live_objects(), 0);
}

/* cpython #81917 #86296 #114496, PR #28149; twisted #4632 #11886, PR #1001 */
VT_TEST(rule_10_cancel_of_a_combinator_is_not_swallowed)
{
    struct pk_three t;
    vetch_promise *p;

    pk_start_three(&t, PK_VALUE); /* each ends with a value all the same */
    p = vetch_then(combinators[_i](t.promise, 3), pk_never_value, NULL);
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(t.op[i].canceled, 1);
        pk_assert_freed(&t.op[i].late);
    }
}

VT_TEST(rule_10_cancel_of_a_combinator_leaves_shared_children)
{
    struct pk_three t;
    vetch_promise *p;

    pk_start_three(&t, PK_NOTE);
    for (int i = 0; i < 3; i++)
        vetch_promise_ref(t.promise[i]);
    p = combinators[_i](t.promise, 3);
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(t.op[i].canceled, 0);
        pk_resolve_number(&t.op[i], i);
        pk_expect_value(t.promise[i], i);
    }
}

/* Each child is an operation and its clean-up, which both take their time. */
VT_TEST(rule_10_second_request_reaches_the_clean_up_of_the_children)
{
    struct pk_op clean_up[3];
    struct pk_link handled[3] = { { 0 } };
    struct pk_three t;
    vetch_promise *p;

    pk_start_three(&t, PK_AGREE);
    for (int i = 0; i < 3; i++) {
        clean_up[i] = (struct pk_op){ .on_cancel = PK_AGREE };
        handled[i].answer = pk_start(&clean_up[i]);
        t.promise[i] = vetch_handle(t.promise[i], pk_never_value, pk_on_error,
                                    &handled[i]);
    }
    p = combinators[_i](t.promise, 3);
    vetch_promise_cancel(p);
    pk_expect_pending(p);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(handled[i].ran, 1);
        ck_assert_uint_eq(clean_up[i].canceled, 0);
    }
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(clean_up[i].canceled, 1);
}
