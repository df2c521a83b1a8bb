/* Who owns a value, and for how long: rule 7 of the contract. */

#include "support/promise_kit.h"

#include <stdlib.h>

/* ---- a handler borrows until its answer has settled ---- */

VT_CASE("borrowing", pk_tcase);

VT_TEST(rule_07_value_is_borrowed_until_the_answer_fulfils)
{
    struct pk_thing thing = { 0 };
    struct pk_op op = { 0 };
    struct pk_link link = { .answer = pk_start(&op) };
    vetch_promise *p = vetch_then(pk_value(&thing), pk_on_value, &link);

    pk_expect_pending(p);
    ck_assert_ptr_eq(link.value, &thing);
    pk_assert_alive(&thing);
    pk_resolve_number(&op, 1);
    pk_expect_value(p, 1);
    pk_assert_freed(&thing);
}

VT_TEST(rule_07_value_is_borrowed_until_the_answer_rejects)
{
    struct pk_thing thing = { 0 };
    struct pk_op op = { 0 };
    struct pk_link link = { .answer = pk_start(&op) };
    vetch_promise *p = vetch_then(pk_value(&thing), pk_on_value, &link);

    pk_expect_pending(p);
    pk_assert_alive(&thing);
    pk_reject(&op, VETCH_EUSER);
    pk_expect_error(p, VETCH_EUSER);
    pk_assert_freed(&thing);
}

VT_TEST(rule_07_value_is_borrowed_until_the_answer_has_stopped)
{
    struct pk_thing thing = { 0 };
    struct pk_op op = { .on_cancel = PK_NOTE };
    struct pk_link link = { .answer = pk_start(&op) };
    vetch_promise *p = vetch_then(pk_value(&thing), pk_on_value, &link);

    vt_run_ready();
    vetch_promise_cancel(p);
    pk_expect_pending(p);
    ck_assert_uint_eq(op.canceled, 1);
    pk_assert_alive(&thing); /* the operation may still use it */
    pk_stop(&op);
    pk_expect_error(p, VETCH_ECANCELED);
    pk_assert_freed(&thing);
}

VT_TEST(rule_07_value_is_borrowed_until_the_answer_is_abandoned)
{
    struct pk_thing thing = { 0 };
    struct pk_op op = { 0 };
    struct pk_link link = { .answer = pk_start(&op) };
    vetch_promise *p = vetch_then(pk_value(&thing), pk_on_value, &link);

    pk_expect_pending(p);
    pk_assert_alive(&thing);
    pk_drop(&op);
    pk_expect_error(p, VETCH_EABANDONED);
    pk_assert_freed(&thing);
}

VT_TEST(rule_07_value_is_borrowed_through_the_whole_answer)
{
    struct pk_thing thing = { 0 };
    struct pk_op first = { 0 }, second = { 0 };
    struct pk_link inner = { .answer = pk_start(&second) }, outer = { 0 };
    vetch_promise *p;

    outer.answer = vetch_then(pk_start(&first), pk_on_value, &inner);
    p = vetch_then(pk_value(&thing), pk_on_value, &outer);
    pk_expect_pending(p);
    pk_resolve_number(&first, 1);
    pk_expect_pending(p);
    ck_assert_uint_eq(inner.ran, 1);
    pk_assert_alive(&thing);
    pk_resolve_number(&second, 2);
    pk_expect_value(p, 2);
    pk_assert_freed(&thing);
}

VT_TEST(rule_07_value_is_borrowed_by_an_answer_that_is_adopted_later)
{
    struct pk_thing thing = { 0 };
    struct pk_op op = { 0 };
    struct pk_link inner = { .answer = pk_start(&op) }, outer = { 0 };
    vetch_promise *p;

    outer.answer = vetch_then(pk_value(&thing), pk_on_value, &inner);
    vt_run_ready(); /* the answer waits for the operation already */
    p = vetch_then(vetch_resolved(NULL, NULL), pk_on_value, &outer);
    pk_expect_pending(p);
    ck_assert_uint_eq(outer.ran, 1);
    pk_assert_alive(&thing);
    pk_resolve_number(&op, 2);
    pk_expect_value(p, 2);
    pk_assert_freed(&thing);
}

VT_TEST(rule_07_value_is_borrowed_on_a_dropped_chain)
{
    struct pk_thing thing = { 0 };
    struct pk_op op = { 0 };
    struct pk_link link = { .answer = pk_start(&op) };

    vetch_promise_unref(vetch_then(pk_value(&thing), pk_on_value, &link));
    vt_run_ready();
    ck_assert_uint_eq(link.ran, 1);
    pk_assert_alive(&thing);
    pk_resolve_number(&op, 1);
    vt_run_ready();
    pk_assert_freed(&thing);
}

VT_TEST(rule_07_each_branch_borrows_for_itself)
{
    struct pk_thing thing = { 0 };
    struct pk_op one = { 0 }, two = { 0 };
    struct pk_link left = { .answer = pk_start(&one) };
    struct pk_link right = { .answer = pk_start(&two) };
    vetch_promise *p = pk_value(&thing);
    vetch_promise *l = vetch_then(vetch_promise_ref(p), pk_on_value, &left);
    vetch_promise *r = vetch_then(p, pk_on_value, &right);

    vt_run_ready();
    pk_resolve_number(&one, 1);
    pk_expect_value(l, 1);
    pk_assert_alive(&thing);
    pk_resolve_number(&two, 2);
    pk_expect_value(r, 2);
    pk_assert_freed(&thing);
}

VT_TEST(rule_07_value_that_is_passed_on_is_borrowed_below)
{
    struct pk_thing thing = { 0 };
    struct pk_op op = { 0 };
    struct pk_link look = { .same = true }, end = { 0 };
    struct pk_link use = { .answer = pk_start(&op) };
    vetch_promise *p = pk_value(&thing);

    p = vetch_then(p, pk_on_value, &look);
    p = vetch_finally(p, pk_on_end, &end);
    p = vetch_catch(p, pk_never_error, NULL);
    p = vetch_then(p, pk_on_value, &use);
    pk_expect_pending(p);
    ck_assert_ptr_eq(use.value, &thing);
    ck_assert_uint_eq(end.ran, 1);
    pk_assert_alive(&thing);
    pk_resolve_number(&op, 1);
    pk_expect_value(p, 1);
    pk_assert_freed(&thing);
}

VT_TEST(rule_07_reading_borrows_from_the_promise)
{
    struct pk_thing thing = { 0 };
    vetch_promise *p = pk_value(&thing);

    ck_assert_ptr_eq(vetch_promise_value(p), &thing);
    ck_assert_ptr_eq(vetch_promise_value(p), &thing);
    pk_assert_alive(&thing);
    vetch_promise_unref(p);
    pk_assert_freed(&thing);
}

/* ---- otherwise it is freed exactly once ---- */

VT_CASE("freeing", pk_tcase);

VT_TEST(rule_07_value_nobody_listens_for_is_freed)
{
    struct pk_thing before = { 0 }, after = { 0 };
    struct pk_op op = { 0 };

    vetch_promise_unref(pk_value(&before));
    vetch_promise_unref(pk_start(&op));
    pk_resolve(&op, &after);
    vt_run_ready();
    pk_assert_freed(&before);
    pk_assert_freed(&after);
}

VT_TEST(rule_07_value_under_an_error_handler_is_freed)
{
    struct pk_thing thing = { 0 };

    vetch_promise_unref(vetch_catch(pk_value(&thing), pk_never_error, NULL));
    vt_run_ready();
    pk_assert_freed(&thing);
}

VT_TEST(rule_07_value_is_freed_when_the_handler_fails)
{
    struct pk_thing thing = { 0 };
    struct pk_link link = { .answer = pk_error(VETCH_EUSER) };

    pk_expect_error(vetch_then(pk_value(&thing), pk_on_value, &link),
                    VETCH_EUSER);
    pk_assert_freed(&thing);
}

VT_TEST(rule_07_number_travels_without_a_free_function)
{
    struct pk_link link = { .same = true };
    vetch_promise *p = vetch_resolved(pk_int(-7), NULL);

    p = vetch_then(p, pk_on_value, &link);
    pk_expect_value(p, -7);
    ck_assert_int_eq((intptr_t)link.value, -7);
}

static unsigned order_of_frees;

struct ordered {
    unsigned place;
};

static void
free_in_order(void *value)
{
    ((struct ordered *)value)->place = ++order_of_frees;
}

static vetch_promise *
answer_ordered(void *value, void *ctx)
{
    (void)value;
    return vetch_resolved(ctx, free_in_order);
}

VT_TEST(rule_07_values_of_a_chain_are_freed_in_its_order)
{
    struct ordered values[3] = { { 0 } };
    vetch_promise *p = vetch_resolved(&values[0], free_in_order);

    p = vetch_then(p, answer_ordered, &values[1]);
    p = vetch_then(p, answer_ordered, &values[2]);
    vt_run_ready();
    ck_assert_uint_eq(values[0].place, 1);
    ck_assert_uint_eq(values[1].place, 2);
    ck_assert_uint_eq(values[2].place, 0);
    vetch_promise_unref(p);
    ck_assert_uint_eq(values[2].place, 3);
}

/* A value may own promises and deferreds of its own. */
struct owner {
    vetch_promise *promise;
    vetch_deferred *deferred;
    unsigned freed;
};

static void
free_owner(void *value)
{
    struct owner *owner = value;

    owner->freed++;
    vetch_promise_cancel(owner->promise);
    owner->promise = vetch_promise_unref(owner->promise);
    if (owner->deferred != NULL)
        vetch_deferred_resolve(owner->deferred, pk_int(3), NULL);
    owner->deferred = vetch_deferred_unref(owner->deferred);
}

/* Re-entrancy: curl #3537 #3601 #5354 #8083 #8282, PR #22179; libhv #424. */
VT_TEST(rule_07_free_function_may_call_the_library)
{
    struct owner owner = { 0 };
    struct pk_op op = { .on_cancel = PK_AGREE };
    vetch_promise *told;

    owner.promise = pk_start(&op);
    owner.deferred = vetch_deferred_new(NULL, NULL);
    told = vetch_deferred_promise(owner.deferred);
    vetch_promise_unref(
        vetch_then(vetch_resolved(&owner, free_owner), NULL, NULL));
    pk_expect_value(told, 3);
    ck_assert_uint_eq(owner.freed, 1);
    ck_assert_uint_eq(op.canceled, 1);
}

/* ---- errors ---- */

VT_TEST(rule_07_error_outlives_its_promise_by_reference)
{
    vetch_promise *p = pk_error(VETCH_EUSER + 3);
    vetch_error *error = vetch_error_ref(vetch_promise_error(p));

    vetch_promise_unref(p);
    ck_assert_int_eq(vetch_error_code(error), VETCH_EUSER + 3);
    vetch_error_unref(error);
}

static vetch_promise *
wrap_error(const vetch_error *error, void *ctx)
{
    return vetch_rejected(vetch_error_wrap(error, "%s", (const char *)ctx));
}

VT_TEST(rule_07_error_tells_its_chain_of_causes)
{
    vetch_promise *p =
        vetch_rejected(vetch_error_new(VETCH_EUSER, "connection refused"));
    const vetch_error *error;

    p = vetch_catch(p, wrap_error, pk_word("connect 127.0.0.1:8001"));
    p = vetch_catch(p, wrap_error, pk_word("fetch BR"));
    vt_run_ready();
    pk_assert_error(p, VETCH_EUSER);
    error = vetch_promise_error(p);
    ck_assert_str_eq(vetch_error_text(error),
                     "fetch BR: connect 127.0.0.1:8001: connection refused");
    ck_assert(vetch_error_is(error, VETCH_EUSER));
    vetch_promise_unref(p);
}
