/* Who owns a value, and for how long: rule 7 of the contract. */

#include "promise_kit.h"

#include <stdlib.h>

/* ---- a handler borrows until its answer has settled ---- */

START_TEST(rule_07_value_is_borrowed_until_the_answer_fulfils)
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
END_TEST

START_TEST(rule_07_value_is_borrowed_until_the_answer_rejects)
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
END_TEST

START_TEST(rule_07_value_is_borrowed_until_the_answer_has_stopped)
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
END_TEST

START_TEST(rule_07_value_is_borrowed_until_the_answer_is_abandoned)
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
END_TEST

START_TEST(rule_07_value_is_borrowed_through_the_whole_answer)
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
END_TEST

START_TEST(rule_07_value_is_borrowed_by_an_answer_that_is_adopted_later)
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
END_TEST

START_TEST(rule_07_value_is_borrowed_on_a_dropped_chain)
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
END_TEST

START_TEST(rule_07_each_branch_borrows_for_itself)
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
END_TEST

START_TEST(rule_07_value_that_is_passed_on_is_borrowed_below)
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
END_TEST

START_TEST(rule_07_reading_borrows_from_the_promise)
{
    struct pk_thing thing = { 0 };
    vetch_promise *p = pk_value(&thing);

    ck_assert_ptr_eq(vetch_promise_value(p), &thing);
    ck_assert_ptr_eq(vetch_promise_value(p), &thing);
    pk_assert_alive(&thing);
    vetch_promise_unref(p);
    pk_assert_freed(&thing);
}
END_TEST

/* ---- otherwise it is freed exactly once ---- */

START_TEST(rule_07_value_nobody_listens_for_is_freed)
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
END_TEST

START_TEST(rule_07_value_under_an_error_handler_is_freed)
{
    struct pk_thing thing = { 0 };

    vetch_promise_unref(vetch_catch(pk_value(&thing), pk_never_error, NULL));
    vt_run_ready();
    pk_assert_freed(&thing);
}
END_TEST

START_TEST(rule_07_value_is_freed_when_the_handler_fails)
{
    struct pk_thing thing = { 0 };
    struct pk_link link = { .answer = pk_error(VETCH_EUSER) };

    pk_expect_error(vetch_then(pk_value(&thing), pk_on_value, &link),
                    VETCH_EUSER);
    pk_assert_freed(&thing);
}
END_TEST

START_TEST(rule_07_number_travels_without_a_free_function)
{
    struct pk_link link = { .same = true };
    vetch_promise *p = vetch_resolved(pk_int(-7), NULL);

    p = vetch_then(p, pk_on_value, &link);
    pk_expect_value(p, -7);
    ck_assert_int_eq((intptr_t)link.value, -7);
}
END_TEST

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

START_TEST(rule_07_values_of_a_chain_are_freed_in_its_order)
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
END_TEST

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
START_TEST(rule_07_free_function_may_call_the_library)
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
END_TEST

/* ---- what ends a chain hands over ---- */

START_TEST(rule_07_callback_hands_the_value_over)
{
    struct pk_thing thing = { 0 };
    struct pk_done done = { 0 };

    vetch_callback(pk_value(&thing), pk_on_done, &done);
    ck_assert_uint_eq(done.ran, 0);
    vt_run_ready();
    ck_assert_uint_eq(done.ran, 1);
    ck_assert_ptr_eq(done.result, &thing);
    ck_assert_int_eq(done.code, 0);
    pk_assert_alive(&thing);
}
END_TEST

START_TEST(rule_07_callback_hands_a_later_value_over)
{
    struct pk_thing thing = { 0 };
    struct pk_done done = { 0 };
    struct pk_link look = { .same = true }, end = { 0 };
    struct pk_op op = { 0 };
    vetch_promise *p = vetch_then(pk_start(&op), pk_on_value, &look);

    vetch_callback(vetch_finally(p, pk_on_end, &end), pk_on_done, &done);
    vt_run_ready();
    ck_assert_uint_eq(done.ran, 0);
    pk_resolve(&op, &thing);
    vt_run_ready();
    ck_assert_uint_eq(done.ran, 1);
    ck_assert_ptr_eq(done.result, &thing);
    pk_assert_alive(&thing);
}
END_TEST

START_TEST(rule_07_callback_hands_an_adopted_value_over)
{
    struct pk_thing in = { 0 }, out = { 0 };
    struct pk_done done = { 0 };
    struct pk_op op = { 0 };
    struct pk_link link = { .answer = pk_start(&op) };

    vetch_callback(vetch_then(pk_value(&in), pk_on_value, &link), pk_on_done,
                   &done);
    vt_run_ready();
    pk_resolve(&op, &out);
    vt_run_ready();
    ck_assert_ptr_eq(done.result, &out);
    pk_assert_alive(&out);
    pk_assert_freed(&in);
}
END_TEST

START_TEST(rule_07_callback_gets_the_error)
{
    struct pk_done done = { .result = &done };

    vetch_callback(pk_error(VETCH_EUSER + 1), pk_on_done, &done);
    vt_run_ready();
    ck_assert_uint_eq(done.ran, 1);
    ck_assert_int_eq(done.code, VETCH_EUSER + 1);
}
END_TEST

START_TEST(rule_07_callback_gets_a_cancel)
{
    struct pk_done done = { 0 };

    vetch_callback(pk_error(VETCH_ECANCELED), pk_on_done, &done);
    vt_run_ready();
    ck_assert_uint_eq(done.ran, 1);
    ck_assert_int_eq(done.code, VETCH_ECANCELED);
}
END_TEST

START_TEST(rule_07_callback_on_a_shared_promise_is_misuse)
{
    struct pk_thing thing = { 0 };
    struct pk_done done = { 0 };
    vetch_promise *p = pk_value(&thing);

    vetch_callback(vetch_promise_ref(p), pk_on_done, &done);
    vt_run_ready();
    ck_assert_uint_eq(done.ran, 1);
    ck_assert_int_eq(done.code, VETCH_EMISUSE);
    pk_assert_alive(&thing);
    pk_expect_value(p, &thing);
    pk_assert_freed(&thing);
}
END_TEST

START_TEST(rule_07_callback_on_a_branch_is_misuse)
{
    struct pk_thing thing = { 0 };
    struct pk_done done = { 0 };
    struct pk_op op = { 0 };
    struct pk_link link = { .answer = pk_start(&op) };
    vetch_promise *p = pk_value(&thing);
    vetch_promise *branch =
        vetch_then(vetch_promise_ref(p), pk_on_value, &link);

    vetch_callback(p, pk_on_done, &done);
    vt_run_ready();
    ck_assert_int_eq(done.code, VETCH_EMISUSE);
    pk_assert_alive(&thing); /* the branch still borrows it */
    pk_resolve_number(&op, 1);
    pk_expect_value(branch, 1);
    pk_assert_freed(&thing);
}
END_TEST

START_TEST(rule_07_callback_on_a_value_shared_above_is_misuse)
{
    struct pk_thing thing = { 0 };
    struct pk_link look = { .same = true };
    struct pk_done done = { 0 };
    vetch_promise *source = pk_value(&thing);
    vetch_promise *p =
        vetch_then(vetch_promise_ref(source), pk_on_value, &look);

    vetch_callback(p, pk_on_done, &done);
    vt_run_ready();
    ck_assert_uint_eq(done.ran, 1);
    ck_assert_int_eq(done.code, VETCH_EMISUSE);
    pk_assert_alive(&thing);
    pk_expect_value(source, &thing);
    pk_assert_freed(&thing);
}
END_TEST

START_TEST(rule_07_callback_on_a_follower_of_a_shared_promise_is_misuse)
{
    struct pk_thing thing = { 0 };
    struct pk_done done = { 0 };
    vetch_promise *source = pk_value(&thing);
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);

    vetch_callback(vetch_deferred_promise(d), pk_on_done, &done);
    ck_assert(vetch_deferred_follow(d, vetch_promise_ref(source)));
    vetch_deferred_unref(d);
    vt_run_ready();
    ck_assert_int_eq(done.code, VETCH_EMISUSE);
    pk_assert_alive(&thing);
    pk_expect_value(source, &thing);
    pk_assert_freed(&thing);
}
END_TEST

START_TEST(rule_07_callback_counts_who_holds_it_at_the_end)
{
    struct pk_thing thing = { 0 };
    struct pk_done done = { 0 };
    struct pk_op op = { 0 };
    vetch_promise *p = pk_start(&op);

    vetch_callback(vetch_promise_ref(p), pk_on_done, &done);
    vt_run_ready();
    vetch_promise_unref(p);
    pk_resolve(&op, &thing);
    vt_run_ready();
    ck_assert_int_eq(done.code, 0);
    ck_assert_ptr_eq(done.result, &thing);
    pk_assert_alive(&thing);
}
END_TEST

START_TEST(rule_07_shared_value_without_free_function_is_handed_over)
{
    struct pk_done done = { 0 };
    vetch_promise *p = vetch_resolved(pk_int(5), NULL);

    vetch_callback(vetch_promise_ref(p), pk_on_done, &done);
    vt_run_ready();
    ck_assert_int_eq(done.code, 0);
    ck_assert_ptr_eq(done.result, pk_int(5));
    pk_expect_value(p, 5);
}
END_TEST

START_TEST(rule_07_shared_error_goes_to_everybody)
{
    struct pk_done one = { 0 }, two = { 0 };
    vetch_promise *p = pk_error(VETCH_EUSER + 8);

    vetch_callback(vetch_promise_ref(p), pk_on_done, &one);
    vetch_callback(p, pk_on_done, &two);
    vt_run_ready();
    ck_assert_int_eq(one.code, VETCH_EUSER + 8);
    ck_assert_int_eq(two.code, VETCH_EUSER + 8);
}
END_TEST

static void
free_result(const vetch_error *error, void *result, void *ctx)
{
    (void)error;
    (void)ctx;
    pk_free(result);
}

START_TEST(rule_07_callback_may_free_at_once)
{
    struct pk_thing thing = { 0 };

    vetch_callback(vetch_then(pk_value(&thing), NULL, NULL), free_result, NULL);
    vt_run_ready();
    pk_assert_freed(&thing);
}
END_TEST

/* ---- vetch_run ---- */

START_TEST(rule_07_run_hands_the_value_over)
{
    struct pk_thing thing = { 0 };
    vetch_error *error = (vetch_error *)&thing;

    ck_assert_ptr_eq(vetch_run(pk_value(&thing), &error), &thing);
    ck_assert_ptr_null(error);
    pk_assert_alive(&thing);
    ck_assert_ptr_eq(vetch_run(pk_value(&thing), NULL), &thing);
    pk_assert_alive(&thing);
}
END_TEST

START_TEST(rule_07_run_hands_the_error_over)
{
    vetch_error *error = NULL;

    ck_assert_ptr_null(vetch_run(pk_error(VETCH_EUSER + 2), &error));
    ck_assert_int_eq(vetch_error_code(error), VETCH_EUSER + 2);
    vetch_error_unref(error);
    ck_assert_ptr_null(vetch_run(pk_error(VETCH_EUSER + 2), NULL));
}
END_TEST

static void
resolve_soon(void *op)
{
    pk_resolve_number(op, 11);
}

START_TEST(rule_07_run_runs_the_reactor_until_settled)
{
    struct pk_op op = { 0 };
    struct pk_link look = { .same = true };
    vetch_promise *p = vetch_then(pk_start(&op), pk_on_value, &look);

    ck_assert_int_eq(vetch_call_soon(resolve_soon, &op), 0);
    ck_assert_ptr_eq(vetch_run(p, NULL), pk_int(11));
    ck_assert_uint_eq(look.ran, 1);
}
END_TEST

START_TEST(rule_07_run_on_a_shared_promise_is_misuse)
{
    struct pk_thing thing = { 0 };
    vetch_promise *p = pk_value(&thing);
    vetch_error *error = NULL;

    ck_assert_ptr_null(vetch_run(vetch_promise_ref(p), &error));
    ck_assert_int_eq(vetch_error_code(error), VETCH_EMISUSE);
    vetch_error_unref(error);
    pk_assert_alive(&thing);
    pk_expect_value(p, &thing);
    pk_assert_freed(&thing);
}
END_TEST

START_TEST(rule_07_run_on_a_shared_number_is_allowed)
{
    vetch_promise *p = vetch_resolved(pk_int(5), NULL);
    vetch_error *error = NULL;

    ck_assert_ptr_eq(vetch_run(vetch_promise_ref(p), &error), pk_int(5));
    ck_assert_ptr_null(error);
    pk_expect_value(p, 5);
}
END_TEST

static vetch_promise *
run_inside(void *value, void *ctx)
{
    struct pk_thing *thing = ctx;
    vetch_error *error = NULL;

    (void)value;
    ck_assert_ptr_null(vetch_run(pk_value(thing), &error));
    ck_assert_int_eq(vetch_error_code(error), VETCH_EMISUSE);
    return vetch_rejected(error);
}

START_TEST(rule_07_run_inside_a_handler_is_refused)
{
    struct pk_thing thing = { 0 };
    vetch_promise *p;

    p = vetch_then(vetch_resolved(NULL, NULL), run_inside, &thing);
    pk_expect_error(p, VETCH_EMISUSE);
    pk_assert_freed(&thing); /* the promise is released all the same */
}
END_TEST

/* ---- vetch_await ---- */

/* What a task awaits, and what it got. */
struct await {
    vetch_promise *promise;
    void *value;
    vetch_error *error;
};

static vetch_promise *
await_it(void *ctx)
{
    struct await *await = ctx;

    await->value = vetch_await(await->promise, &await->error);
    return NULL;
}

static void
run_await(struct await *await)
{
    ck_assert_ptr_null(vetch_run(vetch_spawn(await_it, await), NULL));
}

START_TEST(rule_07_await_hands_the_value_over)
{
    struct pk_thing thing = { 0 };
    struct await ready = { .promise = pk_value(&thing) };
    struct await later = { 0 };

    run_await(&ready);
    ck_assert_ptr_eq(ready.value, &thing);
    ck_assert_ptr_null(ready.error);
    pk_assert_alive(&thing);
    later.promise = vetch_finally(pk_value(&thing), NULL, NULL);
    run_await(&later);
    ck_assert_ptr_eq(later.value, &thing);
    pk_assert_alive(&thing);
}
END_TEST

START_TEST(rule_07_await_hands_the_error_over)
{
    struct await await = { .promise = pk_error(VETCH_EUSER + 4) };

    run_await(&await);
    ck_assert_ptr_null(await.value);
    ck_assert_int_eq(vetch_error_code(await.error), VETCH_EUSER + 4);
    vetch_error_unref(await.error);
}
END_TEST

START_TEST(rule_07_await_on_a_shared_promise_is_misuse)
{
    struct pk_thing thing = { 0 };
    vetch_promise *p = pk_value(&thing);
    struct await await = { .promise = vetch_promise_ref(p) };

    run_await(&await);
    ck_assert_ptr_null(await.value);
    ck_assert_int_eq(vetch_error_code(await.error), VETCH_EMISUSE);
    vetch_error_unref(await.error);
    pk_assert_alive(&thing);
    pk_expect_value(p, &thing);
    pk_assert_freed(&thing);
}
END_TEST

/* ---- errors ---- */

START_TEST(rule_07_error_outlives_its_promise_by_reference)
{
    vetch_promise *p = pk_error(VETCH_EUSER + 3);
    vetch_error *error = vetch_error_ref(vetch_promise_error(p));

    vetch_promise_unref(p);
    ck_assert_int_eq(vetch_error_code(error), VETCH_EUSER + 3);
    vetch_error_unref(error);
}
END_TEST

static vetch_promise *
wrap_error(const vetch_error *error, void *ctx)
{
    return vetch_rejected(vetch_error_wrap(error, "%s", (const char *)ctx));
}

START_TEST(rule_07_error_tells_its_chain_of_causes)
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
END_TEST

static void
add_borrowing(Suite *suite)
{
    TCase *tc = pk_tcase("borrowing");

    tcase_add_test(tc, rule_07_value_is_borrowed_until_the_answer_fulfils);
    tcase_add_test(tc, rule_07_value_is_borrowed_until_the_answer_rejects);
    tcase_add_test(tc, rule_07_value_is_borrowed_until_the_answer_has_stopped);
    tcase_add_test(tc, rule_07_value_is_borrowed_until_the_answer_is_abandoned);
    tcase_add_test(tc, rule_07_value_is_borrowed_through_the_whole_answer);
    tcase_add_test(
        tc, rule_07_value_is_borrowed_by_an_answer_that_is_adopted_later);
    tcase_add_test(tc, rule_07_value_is_borrowed_on_a_dropped_chain);
    tcase_add_test(tc, rule_07_each_branch_borrows_for_itself);
    tcase_add_test(tc, rule_07_value_that_is_passed_on_is_borrowed_below);
    tcase_add_test(tc, rule_07_reading_borrows_from_the_promise);
    suite_add_tcase(suite, tc);
}

static void
add_freeing(Suite *suite)
{
    TCase *tc = pk_tcase("freeing");

    tcase_add_test(tc, rule_07_value_nobody_listens_for_is_freed);
    tcase_add_test(tc, rule_07_value_under_an_error_handler_is_freed);
    tcase_add_test(tc, rule_07_value_is_freed_when_the_handler_fails);
    tcase_add_test(tc, rule_07_number_travels_without_a_free_function);
    tcase_add_test(tc, rule_07_values_of_a_chain_are_freed_in_its_order);
    tcase_add_test(tc, rule_07_free_function_may_call_the_library);
    tcase_add_test(tc, rule_07_error_outlives_its_promise_by_reference);
    tcase_add_test(tc, rule_07_error_tells_its_chain_of_causes);
    suite_add_tcase(suite, tc);
}

static void
add_callback(Suite *suite)
{
    TCase *tc = pk_tcase("callback");

    tcase_add_test(tc, rule_07_callback_hands_the_value_over);
    tcase_add_test(tc, rule_07_callback_hands_a_later_value_over);
    tcase_add_test(tc, rule_07_callback_hands_an_adopted_value_over);
    tcase_add_test(tc, rule_07_callback_gets_the_error);
    tcase_add_test(tc, rule_07_callback_gets_a_cancel);
    tcase_add_test(tc, rule_07_callback_on_a_shared_promise_is_misuse);
    tcase_add_test(tc, rule_07_callback_on_a_branch_is_misuse);
    tcase_add_test(tc, rule_07_callback_on_a_value_shared_above_is_misuse);
    tcase_add_test(
        tc, rule_07_callback_on_a_follower_of_a_shared_promise_is_misuse);
    tcase_add_test(tc, rule_07_callback_counts_who_holds_it_at_the_end);
    tcase_add_test(tc,
                   rule_07_shared_value_without_free_function_is_handed_over);
    tcase_add_test(tc, rule_07_shared_error_goes_to_everybody);
    tcase_add_test(tc, rule_07_callback_may_free_at_once);
    suite_add_tcase(suite, tc);
}

static void
add_run(Suite *suite)
{
    TCase *tc = pk_tcase("run");

    tcase_add_test(tc, rule_07_run_hands_the_value_over);
    tcase_add_test(tc, rule_07_run_hands_the_error_over);
    tcase_add_test(tc, rule_07_run_runs_the_reactor_until_settled);
    tcase_add_test(tc, rule_07_run_on_a_shared_promise_is_misuse);
    tcase_add_test(tc, rule_07_run_on_a_shared_number_is_allowed);
    tcase_add_test(tc, rule_07_run_inside_a_handler_is_refused);
    suite_add_tcase(suite, tc);
}

static void
add_await(Suite *suite)
{
    TCase *tc = pk_tcase("await");

    tcase_add_test(tc, rule_07_await_hands_the_value_over);
    tcase_add_test(tc, rule_07_await_hands_the_error_over);
    tcase_add_test(tc, rule_07_await_on_a_shared_promise_is_misuse);
    suite_add_tcase(suite, tc);
}

int
main(void)
{
    Suite *suite = suite_create("ownership");

    add_borrowing(suite);
    add_freeing(suite);
    add_callback(suite);
    add_run(suite);
    add_await(suite);
    return vt_main(suite);
}
