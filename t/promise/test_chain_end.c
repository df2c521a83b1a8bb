/* What ends a chain hands its value over: rule 7 of the contract, for
 * vetch_callback(), vetch_run() and vetch_await(). */

#include "support/promise_kit.h"

#include <errno.h>
#include <event2/event.h>

/* ---- vetch_callback ---- */

VT_CASE("callback", pk_tcase);

VT_TEST(rule_07_callback_hands_the_value_over)
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

VT_TEST(rule_07_callback_hands_a_later_value_over)
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

VT_TEST(rule_07_callback_hands_an_adopted_value_over)
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

VT_TEST(rule_07_callback_gets_the_error)
{
    struct pk_done done = { .result = &done };

    vetch_callback(pk_error(VETCH_EUSER + 1), pk_on_done, &done);
    vt_run_ready();
    ck_assert_uint_eq(done.ran, 1);
    ck_assert_int_eq(done.code, VETCH_EUSER + 1);
}

VT_TEST(rule_07_callback_gets_a_cancel)
{
    struct pk_done done = { 0 };

    vetch_callback(pk_error(VETCH_ECANCELED), pk_on_done, &done);
    vt_run_ready();
    ck_assert_uint_eq(done.ran, 1);
    ck_assert_int_eq(done.code, VETCH_ECANCELED);
}

VT_TEST(rule_07_callback_on_a_shared_promise_is_misuse)
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

VT_TEST(rule_07_callback_on_a_branch_is_misuse)
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

VT_TEST(rule_07_callback_on_a_value_shared_above_is_misuse)
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

VT_TEST(rule_07_callback_on_a_follower_of_a_shared_promise_is_misuse)
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

VT_TEST(rule_07_callback_counts_who_holds_it_at_the_end)
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

VT_TEST(rule_07_shared_value_without_free_function_is_handed_over)
{
    struct pk_done done = { 0 };
    vetch_promise *p = vetch_resolved(pk_int(5), NULL);

    vetch_callback(vetch_promise_ref(p), pk_on_done, &done);
    vt_run_ready();
    ck_assert_int_eq(done.code, 0);
    ck_assert_ptr_eq(done.result, pk_int(5));
    pk_expect_value(p, 5);
}

VT_TEST(rule_07_shared_error_goes_to_everybody)
{
    struct pk_done one = { 0 }, two = { 0 };
    vetch_promise *p = pk_error(VETCH_EUSER + 8);

    vetch_callback(vetch_promise_ref(p), pk_on_done, &one);
    vetch_callback(p, pk_on_done, &two);
    vt_run_ready();
    ck_assert_int_eq(one.code, VETCH_EUSER + 8);
    ck_assert_int_eq(two.code, VETCH_EUSER + 8);
}

static void
free_result(const vetch_error *error, void *result, void *ctx)
{
    (void)error;
    (void)ctx;
    pk_free(result);
}

VT_TEST(rule_07_callback_may_free_at_once)
{
    struct pk_thing thing = { 0 };

    vetch_callback(vetch_then(pk_value(&thing), NULL, NULL), free_result, NULL);
    vt_run_ready();
    pk_assert_freed(&thing);
}

VT_TEST(rule_07_callback_after_the_end_of_the_reactor_frees_the_value)
{
    struct pk_thing thing = { 0 };
    vetch_promise *p = pk_value(&thing);
    struct pk_done done = { 0 };

    pk_end_reactor();
    vetch_callback(p, pk_on_done, &done);
    ck_assert_uint_eq(done.ran, 0); /* nothing is there to call it */
    pk_assert_freed(&thing);
}

/* ---- vetch_run ---- */

VT_CASE("run", pk_tcase);

VT_TEST(rule_07_run_hands_the_value_over)
{
    struct pk_thing thing = { 0 };
    vetch_error *error = (vetch_error *)&thing;

    ck_assert_ptr_eq(vetch_run(pk_value(&thing), &error), &thing);
    ck_assert_ptr_null(error);
    pk_assert_alive(&thing);
    ck_assert_ptr_eq(vetch_run(pk_value(&thing), NULL), &thing);
    pk_assert_alive(&thing);
}

VT_TEST(rule_07_run_hands_the_error_over)
{
    vetch_error *error = NULL;

    ck_assert_ptr_null(vetch_run(pk_error(VETCH_EUSER + 2), &error));
    ck_assert_int_eq(vetch_error_code(error), VETCH_EUSER + 2);
    vetch_error_unref(error);
}

static void
resolve_soon(void *op)
{
    pk_resolve_number(op, 11);
}

VT_TEST(rule_07_run_runs_the_reactor_until_settled)
{
    struct pk_op op = { 0 };
    struct pk_link look = { .same = true };
    vetch_promise *p = vetch_then(pk_start(&op), pk_on_value, &look);

    ck_assert_int_eq(vetch_call_soon(resolve_soon, &op), 0);
    ck_assert_ptr_eq(vetch_run(p, NULL), pk_int(11));
    ck_assert_uint_eq(look.ran, 1);
}

VT_TEST(rule_07_run_on_a_shared_promise_is_misuse)
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

VT_TEST(rule_07_run_on_a_shared_number_is_allowed)
{
    vetch_promise *p = vetch_resolved(pk_int(5), NULL);
    vetch_error *error = NULL;

    ck_assert_ptr_eq(vetch_run(vetch_promise_ref(p), &error), pk_int(5));
    ck_assert_ptr_null(error);
    pk_expect_value(p, 5);
}

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

VT_TEST(rule_07_run_inside_a_handler_is_refused)
{
    struct pk_thing thing = { 0 };
    vetch_promise *p;

    p = vetch_then(vetch_resolved(NULL, NULL), run_inside, &thing);
    pk_expect_error(p, VETCH_EMISUSE);
    pk_assert_freed(&thing); /* the promise is released all the same */
}

struct foreign {
    vetch_promise *promise;
    int code;
};

static void
run_in_foreign(int fd, short events, void *ctx)
{
    struct foreign *foreign = ctx;
    vetch_error *error = NULL;

    (void)fd;
    (void)events;
    ck_assert_ptr_null(vetch_run(foreign->promise, &error));
    foreign->code = vetch_error_code(error);
    vetch_error_unref(error);
}

static void
run_below_a_foreign_loop(vetch_promise *p)
{
    struct event_base *base = vetch_reactor_event_base(vt_reactor);
    struct foreign foreign = { .promise = p };

    ck_assert_int_eq(
        event_base_once(base, -1, EV_TIMEOUT, run_in_foreign, &foreign, NULL),
        0);
    ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
    ck_assert_int_eq(foreign.code, EDEADLK);
}

/* The loop runs, but it was not the reactor that runs it. */
VT_TEST(rule_07_run_below_a_foreign_loop_lets_go_of_its_promise)
{
    struct pk_thing settled = { 0 }, later = { 0 };
    struct pk_op op = { 0 };

    run_below_a_foreign_loop(pk_value(&settled));
    pk_assert_freed(&settled);
    run_below_a_foreign_loop(pk_start(&op));
    pk_resolve(&op, &later);
    vt_run_ready();
    pk_assert_freed(&later);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

/* ---- vetch_await ---- */

VT_CASE("await", pk_tcase);

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

VT_TEST(rule_07_await_hands_the_value_over)
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

VT_TEST(rule_07_await_hands_the_error_over)
{
    struct await await = { .promise = pk_error(VETCH_EUSER + 4) };

    run_await(&await);
    ck_assert_ptr_null(await.value);
    ck_assert_int_eq(vetch_error_code(await.error), VETCH_EUSER + 4);
    vetch_error_unref(await.error);
}

VT_TEST(rule_07_await_on_a_shared_promise_is_misuse)
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
