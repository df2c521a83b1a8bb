/* DESIGN rule 14: what cannot be made again goes back. */

#include "support/promise_kit.h"

#include <vetch/testing.h>

#include "promise/promise-private.h"

/* A value on offer, and what became of it. */
struct crate {
    struct pk_thing thing;
    unsigned returned;
    unsigned released; /* the ctx was given to its free function */
    vetch_deferred *deferred;
};

static void
take_back(void *value, void *ctx)
{
    struct crate *c = ctx;

    ck_assert_ptr_eq(value, &c->thing);
    ck_assert_uint_eq(c->released, 0);
    c->returned++;
}

static void
release(void *ctx)
{
    ((struct crate *)ctx)->released++;
}

static vetch_promise *
start(struct crate *c)
{
    *c = (struct crate){ 0 };
    c->deferred = vetch_deferred_new(NULL, NULL);
    ck_assert_ptr_nonnull(c->deferred);
    return vetch_deferred_promise(c->deferred);
}

static void
offer(struct crate *c)
{
    ck_assert(vetch_deferred_offer_owned(c->deferred, &c->thing, pk_free,
                                         take_back, c, release));
    c->deferred = vetch_deferred_unref(c->deferred);
}

/* A promise that is fulfilled with an offer. */
static vetch_promise *
offered(struct crate *c)
{
    vetch_promise *p = start(c);

    offer(c);
    return p;
}

/* It has gone back, and was not freed. */
static void
assert_back(const struct crate *c)
{
    ck_assert_uint_eq(c->returned, 1);
    ck_assert_uint_eq(c->released, 1);
    pk_assert_alive(&c->thing);
}

/* Somebody has got it: it belongs to its promise, or to who took it. */
static void
assert_got(const struct crate *c)
{
    ck_assert_uint_eq(c->returned, 0);
    ck_assert_uint_eq(c->released, 1);
}

static void
assert_on_offer(const struct crate *c)
{
    ck_assert_uint_eq(c->returned, 0);
    ck_assert_uint_eq(c->released, 0);
    pk_assert_alive(&c->thing);
}

/* ---- who gets it ---- */

VT_CASE("rule 14", pk_tcase);

static vetch_promise *
expect_got(void *value, void *ctx)
{
    struct crate *c = ctx;

    ck_assert_ptr_eq(value, &c->thing);
    assert_got(c);
    pk_assert_alive(&c->thing);
    return NULL;
}

VT_TEST(rule_14_handler_gets_an_offer_as_it_begins)
{
    struct crate c;
    vetch_promise *p = vetch_then(offered(&c), expect_got, &c);

    assert_on_offer(&c);
    pk_expect_value(p, NULL);
    assert_got(&c);
    pk_assert_freed(&c.thing);
}

VT_TEST(rule_14_callback_gets_an_offer)
{
    struct crate c;
    struct pk_done done = { 0 };

    vetch_callback(offered(&c), pk_on_done, &done);
    assert_on_offer(&c);
    vt_run_ready();
    ck_assert_ptr_eq(done.result, &c.thing);
    assert_got(&c);
    pk_assert_alive(&c.thing);
}

VT_TEST(rule_14_run_returns_an_offer)
{
    struct crate c;
    vetch_error *error;

    ck_assert_ptr_eq(vetch_run(offered(&c), &error), &c.thing);
    ck_assert_ptr_null(error);
    assert_got(&c);
    pk_assert_alive(&c.thing);
}

static vetch_promise *
await_it(void *ctx)
{
    struct crate *c = ctx;
    vetch_error *error;
    void *value = vetch_await(start(c), &error);

    if (error == NULL) {
        ck_assert_ptr_eq(value, &c->thing);
        assert_got(c);
    }
    return vetch_finish(error);
}

VT_TEST(rule_14_await_returns_an_offer)
{
    struct crate c;
    vetch_promise *p = vetch_spawn(await_it, &c);

    vt_run_ready();
    offer(&c);
    assert_on_offer(&c);
    pk_expect_value(p, NULL);
    assert_got(&c);
    pk_assert_alive(&c.thing);
}

static vetch_promise *
await_what_is_settled(void *ctx)
{
    struct crate *c = ctx;
    vetch_error *error;

    ck_assert_ptr_eq(vetch_await(offered(c), &error), &c->thing);
    assert_got(c);
    return vetch_finish(error);
}

VT_TEST(rule_14_await_of_a_settled_promise_returns_an_offer)
{
    struct crate c;

    pk_expect_value(vetch_spawn(await_what_is_settled, &c), NULL);
    pk_assert_alive(&c.thing);
}

VT_TEST(rule_14_who_looks_at_an_offer_has_got_it)
{
    struct crate c;
    vetch_promise *p = offered(&c);

    ck_assert_ptr_eq(vetch_promise_value(p), &c.thing);
    assert_got(&c);
    vetch_promise_unref(p);
    pk_assert_freed(&c.thing);
}

VT_TEST(rule_14_asking_for_the_state_is_not_looking)
{
    struct crate c;
    vetch_promise *p = offered(&c);

    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    vetch_promise_unref(p);
    assert_back(&c);
}

/* ---- how it comes to go back ---- */

VT_TEST(rule_14_released_promise_gives_its_offer_back)
{
    struct crate c;

    vetch_promise_unref(offered(&c));
    assert_back(&c);
}

VT_TEST(rule_14_offer_to_nobody_goes_back)
{
    struct crate c;

    vetch_promise_unref(start(&c));
    offer(&c);
    assert_back(&c);
}

VT_TEST(rule_14_late_offer_goes_back)
{
    struct crate c;
    vetch_promise *p = start(&c);

    vetch_promise_cancel(p);
    ck_assert(!vetch_deferred_offer_owned(c.deferred, &c.thing, pk_free,
                                          take_back, &c, release));
    vetch_deferred_unref(c.deferred);
    assert_back(&c);
    pk_expect_error(p, VETCH_ECANCELED);
}

VT_TEST(rule_14_cancel_gives_an_offer_back_at_once)
{
    struct crate c;
    vetch_promise *p = vetch_then(offered(&c), pk_never_value, NULL);

    vetch_promise_cancel(p);
    assert_back(&c);
    pk_expect_error(p, VETCH_ECANCELED);
    assert_back(&c);
}

VT_TEST(rule_14_cancelled_await_gives_an_offer_back)
{
    struct crate c;
    vetch_promise *p = vetch_spawn(await_it, &c);

    vt_run_ready();
    offer(&c);
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    assert_back(&c);
}

VT_TEST(rule_14_refused_run_gives_an_offer_back)
{
    struct crate c;
    vetch_error *error;
    vetch_promise *p = offered(&c), *shared = vetch_promise_ref(p);

    vetch_run(p, &error); /* others hold it */
    ck_assert_int_eq(vetch_error_code(error), VETCH_EMISUSE);
    vetch_error_unref(error);
    assert_on_offer(&c);
    vetch_promise_unref(shared);
    assert_back(&c);
}

VT_TEST(rule_14_shared_offer_without_free_function_goes_to_all)
{
    struct crate c;
    vetch_promise *p = start(&c), *shared = vetch_promise_ref(p);
    vetch_error *error;

    vetch_deferred_offer(c.deferred, &c.thing, NULL, take_back, &c);
    vetch_deferred_unref(c.deferred);
    ck_assert_ptr_eq(vetch_run(p, &error), &c.thing);
    ck_assert_ptr_eq(vetch_run(shared, &error), &c.thing);
    ck_assert_uint_eq(c.returned, 0);
}

VT_TEST(rule_14_end_of_the_reactor_gives_an_offer_back)
{
    struct crate c;
    vetch_promise *p = vetch_then(offered(&c), pk_never_value, NULL);

    pk_end_reactor();
    assert_back(&c);
    vetch_promise_unref(p);
}

VT_TEST(rule_14_offer_goes_back_after_the_end_of_its_reactor)
{
    struct crate c;
    vetch_promise *p = offered(&c);

    pk_end_reactor();
    assert_on_offer(&c);
    vetch_promise_unref(p);
    assert_back(&c);
}

/* ---- passing on is not getting ---- */

static vetch_promise *
return_ctx(void *value, void *ctx)
{
    (void)value;
    return ctx;
}

/* Each way to pass a value on; `p` is consumed. */
static vetch_promise *
pass_on(int way, vetch_promise *p)
{
    vetch_promise *two[2] = { p, NULL };

    switch (way) {
    case 0:
        return vetch_then(p, NULL, NULL);
    case 1:
        return vetch_catch(p, pk_never_error, NULL);
    case 2:
        return vetch_finally(p, NULL, NULL);
    case 3:
        return vetch_shield(p);
    case 4:
        return vetch_timeout(p, 5);
    case 5: /* adoption */
        return vetch_then(vetch_resolved(NULL, NULL), return_ctx, p);
    case 6:
        two[1] = vetch_sleep(5);
        return vetch_race(two, 2);
    case 7:
        two[1] = vetch_sleep(5);
        return vetch_any(two, 2);
    default:
        return NULL;
    }
}
#define N_WAYS 8

VT_TEST(rule_14_offer_passed_on_is_still_on_offer, .loops = N_WAYS)
{
    struct crate c;
    vetch_promise *p = pass_on(_i, start(&c));

    vt_run_ready();
    offer(&c);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    assert_on_offer(&c);
    vetch_promise_unref(p);
    assert_back(&c);
}

VT_TEST(rule_14_offer_passed_on_while_shared_is_still_on_offer, .loops = N_WAYS)
{
    struct crate c;
    vetch_promise *held = start(&c);
    vetch_promise *p = pass_on(_i, vetch_promise_ref(held));

    vt_run_ready();
    offer(&c);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    vetch_promise_unref(held);
    assert_on_offer(&c);
    vetch_promise_unref(p);
    assert_back(&c);
}

VT_TEST(rule_14_offer_passed_on_is_got_at_the_end_of_the_way, .loops = N_WAYS)
{
    struct crate c;
    vetch_promise *p = vetch_then(pass_on(_i, start(&c)), expect_got, &c);

    vt_run_ready();
    offer(&c);
    pk_expect_value(p, NULL);
    pk_assert_freed(&c.thing);
}

VT_TEST(rule_14_offer_passed_on_goes_back_by_a_cancel, .loops = N_WAYS)
{
    struct crate c;
    vetch_promise *p = vetch_then(pass_on(_i, start(&c)), pk_never_value, NULL);

    vt_run_ready();
    offer(&c);
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    assert_back(&c);
}

VT_TEST(rule_14_repeat_ends_with_an_offer_that_is_still_one)
{
    struct crate c;
    vetch_promise *held = start(&c);
    vetch_promise *p = vetch_repeat((vetch_start_fn)vetch_promise_ref, held);

    vt_run_ready();
    offer(&c);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    vetch_promise_unref(held);
    assert_on_offer(&c);
    vetch_promise_unref(p);
    assert_back(&c);
}

VT_TEST(rule_14_scope_gives_back_what_its_children_are_offered)
{
    struct crate c;
    vetch_scope *scope = vetch_scope_new();

    vetch_scope_add(scope, offered(&c));
    pk_expect_value(vetch_scope_end(scope), NULL);
    vetch_scope_unref(scope);
    assert_back(&c);
}

VT_TEST(rule_14_task_passes_on_what_its_promise_is_offered)
{
    struct crate c;
    vetch_promise *p = vetch_spawn((vetch_task_fn)offered, &c);

    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    assert_on_offer(&c);
    vetch_promise_unref(p);
    assert_back(&c);
}

VT_TEST(rule_14_losers_of_a_race_give_their_offers_back)
{
    struct crate c[3];
    vetch_promise *p[3];
    vetch_promise *race;

    for (int i = 0; i < 3; i++)
        p[i] = offered(&c[i]);
    race = vetch_then(vetch_race(p, 3), expect_got, &c[0]);
    pk_expect_value(race, NULL);
    pk_assert_freed(&c[0].thing);
    assert_back(&c[1]);
    assert_back(&c[2]);
}

VT_TEST(rule_14_timeout_gives_an_offer_back_that_came_too_late)
{
    struct crate c;
    vetch_promise *p =
        vetch_then(vetch_timeout(start(&c), 1), pk_never_value, NULL);

    vt_run_ready();
    vetch_deferred_ref(c.deferred);
    vt_advance(1);
    ck_assert(!vetch_deferred_offer_owned(c.deferred, &c.thing, pk_free,
                                          take_back, &c, release));
    vetch_deferred_unref(c.deferred);
    vetch_deferred_unref(c.deferred);
    pk_expect_error(p, VETCH_ETIMEDOUT);
    assert_back(&c);
}

/* ---- two who want it ---- */

VT_TEST(rule_14_offer_that_one_of_two_got_does_not_go_back)
{
    struct crate c;
    vetch_promise *p = start(&c);
    vetch_promise *got = vetch_then(vetch_promise_ref(p), expect_got, &c);
    vetch_promise *lost = vetch_then(p, pk_never_value, NULL);

    offer(&c);
    vetch_promise_cancel(lost);
    assert_on_offer(&c);
    pk_expect_value(got, NULL);
    pk_expect_error(lost, VETCH_ECANCELED);
    assert_got(&c);
    pk_assert_freed(&c.thing);
}

VT_TEST(rule_14_offer_that_neither_of_two_got_goes_back_once)
{
    struct crate c;
    vetch_promise *p = start(&c);
    vetch_promise *a = vetch_then(vetch_promise_ref(p), pk_never_value, NULL);
    vetch_promise *b = vetch_then(p, pk_never_value, NULL);

    offer(&c);
    vetch_promise_cancel(a);
    assert_on_offer(&c);
    vetch_promise_cancel(b);
    assert_back(&c);
    pk_expect_error(a, VETCH_ECANCELED);
    pk_expect_error(b, VETCH_ECANCELED);
}

/* ---- results ---- */

static vetch_promise *
all_of(struct crate *c, size_t n)
{
    vetch_promise *p[3];

    for (size_t i = 0; i < n; i++)
        p[i] = offered(&c[i]);
    return vetch_all(p, n);
}

VT_TEST(rule_14_results_that_nobody_got_give_everything_back)
{
    struct crate c[2];
    vetch_promise *all = all_of(c, 2);

    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(all), VETCH_FULFILLED);
    assert_on_offer(&c[0]);
    vetch_promise_unref(all);
    assert_back(&c[0]);
    assert_back(&c[1]);
}

static vetch_promise *
keep_results(void *value, void *ctx)
{
    *(vetch_results **)ctx = vetch_results_ref(value);
    return NULL;
}

VT_TEST(rule_14_who_gets_results_has_got_what_is_in_them)
{
    struct crate c[2];
    vetch_results *results = NULL;

    pk_expect_value(vetch_then(all_of(c, 2), keep_results, &results), NULL);
    assert_got(&c[0]);
    assert_got(&c[1]);
    pk_assert_alive(&c[1].thing);
    vetch_results_unref(results);
    pk_assert_freed(&c[0].thing);
    pk_assert_freed(&c[1].thing);
}

VT_TEST(rule_14_results_in_results_go_back_together)
{
    struct crate c[2];
    vetch_promise *inner = all_of(c, 2);
    vetch_promise *outer = vetch_all_settled(&inner, 1);

    vt_run_ready();
    vetch_promise_unref(outer);
    assert_back(&c[0]);
    assert_back(&c[1]);
}

VT_TEST(rule_14_results_in_results_are_got_together)
{
    struct crate c[2];
    vetch_promise *inner = all_of(c, 2);
    vetch_results *results = NULL;

    pk_expect_value(
        vetch_then(vetch_all_settled(&inner, 1), keep_results, &results), NULL);
    assert_got(&c[0]);
    assert_got(&c[1]);
    vetch_results_unref(results);
    pk_assert_freed(&c[0].thing);
    pk_assert_freed(&c[1].thing);
}

VT_TEST(rule_14_all_that_fails_gives_back_what_it_had)
{
    struct crate c;
    vetch_promise *p[] = { offered(&c), pk_error(VETCH_EUSER) };

    pk_expect_error(vetch_all(p, 2), VETCH_EUSER);
    assert_back(&c);
}

static vetch_promise *
offered_by_index(size_t i, void *crates)
{
    return offered(&((struct crate *)crates)[i]);
}

VT_TEST(rule_14_cancelled_map_gives_back_what_it_had)
{
    struct crate c[3];
    vetch_promise *p = vetch_map(3, 2, offered_by_index, c);

    vt_run_ready();
    vetch_promise_unref(p);
    for (int i = 0; i < 3; i++)
        assert_back(&c[i]);
}

/* ---- without memory ---- */

static void
offer_through_a_chain(bool unharmed)
{
    struct crate c;
    struct pk_link link = { 0 };
    vetch_promise *p;

    c = (struct crate){ .deferred = vetch_deferred_new(NULL, NULL) };
    if (c.deferred == NULL)
        return;
    p = vetch_deferred_promise(c.deferred);
    p = vetch_timeout(vetch_then(p, NULL, NULL), 5);
    p = vetch_then(vetch_all(&p, 1), pk_on_value, &link);
    vetch_deferred_offer_owned(c.deferred, &c.thing, pk_free, take_back, &c,
                               release);
    vetch_deferred_unref(c.deferred);
    vt_run_ready();
    if (unharmed)
        ck_assert_uint_eq(link.ran, 1);
    vetch_promise_unref(p);
    ck_assert_uint_eq(c.released, 1);
    ck_assert_uint_eq(c.thing.freed, link.ran);
    ck_assert_uint_eq(c.returned, 1 - link.ran);
    pk_reports(); /* of the memory that was missing */
}

VT_TEST(rule_14_out_of_memory_an_offer_is_got_or_goes_back)
{
    vt_sweep_allocations(offer_through_a_chain);
}

VT_TEST(rule_14_deferred_cancel_needs_no_memory)
{
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);
    vetch_promise *p = vetch_deferred_promise(d);

    vetch_testing_fail_allocation(1, true);
    ck_assert(vetch_deferred_cancel(d));
    vetch_testing_fail_allocation(0, false);
    ck_assert(!vetch_deferred_cancel(d));
    vetch_deferred_unref(d);
    pk_expect_error(p, VETCH_ECANCELED);
}

/* ---- misuse, and vetch_finish ---- */

VT_TEST(rule_14_offer_without_a_way_back_is_refused, .misuse = true)
{
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);
    struct pk_thing thing = { 0 };

    vt_log_from(VETCH_LOG_ERROR);
    ck_assert(!vetch_deferred_offer(d, &thing, pk_free, NULL, NULL));
    ck_assert(!vetch_deferred_offer(d, NULL, pk_free, take_back, NULL));
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "vetch_deferred_offer"));
    pk_assert_alive(&thing);
    vetch_deferred_resolve(d, NULL, NULL);
    vetch_deferred_unref(d);
}

VT_TEST(finish_of_no_error_is_no_promise)
{
    ck_assert_ptr_null(vetch_finish(NULL));
}

VT_TEST(finish_of_an_error_is_a_rejection)
{
    pk_expect_error(vetch_finish(vetch_error_new(VETCH_EUSER, "no")),
                    VETCH_EUSER);
}
