/* Promises that take another one's outcome: rule 6 of the contract. */

#include "support/promise_kit.h"

#include <stdlib.h>

/* A deferred and its promise, for making followers. */
struct pair {
    vetch_deferred *deferred;
    vetch_promise *promise;
};

static struct pair
make_pair(void)
{
    struct pair pair;

    pair.deferred = vetch_deferred_new(NULL, NULL);
    ck_assert_ptr_nonnull(pair.deferred);
    pair.promise = vetch_deferred_promise(pair.deferred);
    return pair;
}

/* Let the pair's promise follow p, and give up the producer's end. */
static bool
follow(struct pair *pair, vetch_promise *p)
{
    bool first = vetch_deferred_follow(pair->deferred, p);

    pair->deferred = vetch_deferred_unref(pair->deferred);
    return first;
}

VT_CASE("outcomes", pk_tcase);

VT_TEST(rule_06_follower_takes_a_value)
{
    struct pk_thing thing = { 0 };
    struct pk_op op = { 0 };
    struct pair pair = make_pair();

    ck_assert(follow(&pair, pk_start(&op)));
    pk_expect_pending(pair.promise);
    pk_resolve(&op, &thing);
    vt_run_ready();
    pk_assert_value(pair.promise, &thing);
    pk_assert_alive(&thing);
    vetch_promise_unref(pair.promise);
    pk_assert_freed(&thing);
}

VT_TEST(rule_06_follower_takes_a_rejection)
{
    struct pk_op op = { 0 };
    struct pair pair = make_pair();

    ck_assert(follow(&pair, pk_start(&op)));
    pk_reject(&op, VETCH_EUSER + 1);
    pk_expect_error(pair.promise, VETCH_EUSER + 1);
}

VT_TEST(rule_06_follower_takes_a_settled_outcome)
{
    struct pk_thing thing = { 0 };
    struct pair good = make_pair(), bad = make_pair();

    ck_assert(follow(&good, pk_value(&thing)));
    ck_assert(follow(&bad, pk_error(VETCH_EUSER + 2)));
    pk_expect_value(good.promise, &thing);
    pk_expect_error(bad.promise, VETCH_EUSER + 2);
    pk_assert_freed(&thing);
}

VT_TEST(rule_06_letting_go_of_a_following_deferred_abandons_nothing)
{
    struct pk_op op = { 0 };
    struct pair pair = make_pair();

    ck_assert(follow(&pair, pk_start(&op)));
    pk_expect_pending(pair.promise);
    pk_resolve_number(&op, 4);
    pk_expect_value(pair.promise, 4);
}

VT_TEST(rule_06_handlers_of_a_follower_run_in_the_order_attached)
{
    struct pk_op op = { 0 };
    struct pair pair = make_pair();
    vetch_promise *a, *b, *c;

    a = vetch_then(vetch_promise_ref(pair.promise), pk_pass_value,
                   pk_word("a"));
    ck_assert(follow(&pair, pk_start(&op)));
    b = vetch_then(vetch_promise_ref(pair.promise), pk_pass_value,
                   pk_word("b"));
    vt_run_ready();
    c = vetch_then(pair.promise, pk_pass_value, pk_word("c"));
    pk_resolve_number(&op, 1);
    pk_expect_trace("a b c");
    vetch_promise_unref(a);
    vetch_promise_unref(b);
    vetch_promise_unref(c);
}

VT_TEST(rule_06_many_may_follow_one)
{
    struct pk_thing thing = { 0 };
    struct pk_op op = { 0 };
    struct pair one = make_pair(), two = make_pair();
    vetch_promise *p = pk_start(&op);

    ck_assert(follow(&one, vetch_promise_ref(p)));
    ck_assert(follow(&two, p));
    pk_resolve(&op, &thing);
    vt_run_ready();
    pk_assert_value(one.promise, &thing);
    pk_assert_value(two.promise, &thing);
    vetch_promise_unref(one.promise);
    pk_assert_alive(&thing);
    vetch_promise_unref(two.promise);
    pk_assert_freed(&thing);
}

VT_TEST(rule_06_followers_of_followers_get_the_outcome)
{
    struct pk_thing thing = { 0 };
    struct pk_op op = { 0 };
    struct pair pairs[50];
    size_t i, n = 50;

    for (i = 0; i < n; i++)
        pairs[i] = make_pair();
    /* Half of the ring is joined from the front, half from the back. */
    for (i = 0; i < n / 2; i++)
        ck_assert(follow(&pairs[i], vetch_promise_ref(pairs[i + 1].promise)));
    for (i = n - 2; i >= n / 2; i--)
        ck_assert(follow(&pairs[i], vetch_promise_ref(pairs[i + 1].promise)));
    ck_assert(follow(&pairs[n - 1], pk_start(&op)));
    pk_resolve(&op, &thing);
    vt_run_ready();
    for (i = 0; i < n; i++) {
        pk_assert_value(pairs[i].promise, &thing);
        pk_assert_alive(&thing);
        vetch_promise_unref(pairs[i].promise);
    }
    pk_assert_freed(&thing);
}

/* ---- flattening ---- */

struct depth {
    int left;
    struct pk_thing *thing;
    unsigned ended;
};

static void
count_end(void *ctx)
{
    ((struct depth *)ctx)->ended++;
}

static vetch_promise *
go_deeper(void *value, void *ctx)
{
    struct depth *depth = ctx;

    (void)value;
    if (depth->left-- == 0)
        return pk_value(depth->thing);
    return vetch_finally(vetch_then(vetch_resolved(NULL, NULL), go_deeper, ctx),
                         count_end, ctx);
}

VT_TEST(rule_06_chains_in_chains_are_flattened)
{
    struct pk_thing thing = { 0 };
    struct depth depth = { 20, &thing, 0 };
    vetch_promise *p =
        vetch_then(vetch_resolved(NULL, NULL), go_deeper, &depth);

    vt_run_ready();
    ck_assert_uint_eq(depth.ended, 20);
    pk_assert_value(p, &thing);
    pk_assert_alive(&thing);
    vetch_promise_unref(p);
    pk_assert_freed(&thing);
}

static vetch_promise *
fail_deeper(void *value, void *ctx)
{
    struct depth *depth = ctx;

    (void)value;
    if (depth->left-- == 0)
        return pk_error(VETCH_EUSER + 3);
    return vetch_finally(
        vetch_then(vetch_resolved(NULL, NULL), fail_deeper, ctx), count_end,
        ctx);
}

VT_TEST(rule_06_error_comes_up_through_all_levels)
{
    struct depth depth = { 20, NULL, 0 };
    vetch_promise *p =
        vetch_then(vetch_resolved(NULL, NULL), fail_deeper, &depth);

    pk_expect_error(p, VETCH_EUSER + 3);
    ck_assert_uint_eq(depth.ended, 20);
}

VT_TEST(rule_06_adopter_settles_with_what_it_adopted)
{
    struct pk_op op = { 0 };
    vetch_promise *inner = pk_start(&op);
    struct pk_link link = { .answer = vetch_promise_ref(inner) };
    vetch_promise *p =
        vetch_then(vetch_resolved(NULL, NULL), pk_on_value, &link);

    pk_expect_pending(p);
    pk_resolve_number(&op, 6);
    pk_expect_value(inner, 6);
    pk_expect_value(p, 6);
}

/* ---- cycles ---- */

VT_CASE("cycles", pk_tcase);

VT_TEST(rule_06_following_itself_is_a_cycle)
{
    struct pair pair = make_pair();

    follow(&pair, vetch_promise_ref(pair.promise));
    pk_expect_error(pair.promise, VETCH_ECYCLE);
}

VT_TEST(rule_06_two_that_follow_each_other_are_a_cycle)
{
    struct pair one = make_pair(), two = make_pair();

    follow(&one, vetch_promise_ref(two.promise));
    follow(&two, vetch_promise_ref(one.promise));
    pk_expect_error(one.promise, VETCH_ECYCLE);
    pk_expect_error(two.promise, VETCH_ECYCLE);
}

VT_TEST(rule_06_ring_of_a_thousand_is_a_cycle)
{
    enum { N = 1000 };
    struct pair *pairs = calloc(N, sizeof(*pairs));
    size_t i;

    ck_assert_ptr_nonnull(pairs);
    for (i = 0; i < N; i++)
        pairs[i] = make_pair();
    for (i = 0; i < N; i++)
        follow(&pairs[i], vetch_promise_ref(pairs[(i + 1) % N].promise));
    vt_run_ready();
    for (i = 0; i < N; i++)
        pk_expect_error(pairs[i].promise, VETCH_ECYCLE);
    free(pairs);
}

VT_TEST(rule_06_following_its_own_link_is_a_cycle)
{
    struct pk_link end = { 0 };
    struct pair pair = make_pair();
    vetch_promise *p = vetch_promise_ref(pair.promise);

    p = vetch_finally(vetch_then(p, pk_never_value, NULL), pk_on_end, &end);
    follow(&pair, p);
    pk_expect_error(pair.promise, VETCH_ECYCLE);
    ck_assert_uint_eq(end.ran, 1);
    /* The link's own rejection had nobody to see it. */
    ck_assert_uint_eq(pk_reports(), 1);
    ck_assert_int_eq(pk_report_code(), VETCH_ECYCLE);
}

VT_TEST(rule_06_following_its_own_long_chain_is_a_cycle)
{
    struct pair pair = make_pair();
    vetch_promise *p = vetch_promise_ref(pair.promise);
    int i;

    for (i = 0; i < 300; i++) {
        p = vetch_then(p, pk_never_value, NULL);
        p = vetch_catch(p, NULL, NULL);
        p = vetch_shield(p);
    }
    follow(&pair, vetch_promise_ref(p));
    pk_expect_error(pair.promise, VETCH_ECYCLE);
    pk_expect_error(p, VETCH_ECYCLE);
}

VT_TEST(rule_06_links_and_followers_together_are_a_cycle)
{
    struct pair one = make_pair(), two = make_pair();

    follow(&one,
           vetch_then(vetch_promise_ref(two.promise), pk_never_value, NULL));
    follow(&two, vetch_catch(vetch_promise_ref(one.promise), NULL, NULL));
    pk_expect_error(two.promise, VETCH_ECYCLE);
    pk_expect_error(one.promise, VETCH_ECYCLE);
    ck_assert_uint_eq(pk_reports(), 1); /* the catch, which nobody follows */
}

/* A handler that answers with a promise which it is told later. */
static vetch_promise *
answer_with(void *value, void *ctx)
{
    (void)value;
    return vetch_promise_ref(*(vetch_promise **)ctx);
}

VT_TEST(rule_06_handler_that_answers_with_its_own_promise_is_a_cycle)
{
    vetch_promise *p;

    p = vetch_then(vetch_resolved(NULL, NULL), answer_with, &p);
    pk_expect_error(p, VETCH_ECYCLE);
}

VT_TEST(rule_06_handler_that_answers_with_what_waits_for_it_is_a_cycle)
{
    vetch_promise *p, *below;

    p = vetch_then(vetch_resolved(NULL, NULL), answer_with, &below);
    below = vetch_then(vetch_promise_ref(p), pk_never_value, NULL);
    below = vetch_finally(below, pk_note, pk_word("end"));
    pk_expect_error(p, VETCH_ECYCLE);
    pk_expect_error(below, VETCH_ECYCLE);
    ck_assert_str_eq(pk_trace(), "end");
}

VT_TEST(rule_06_cycle_through_adoption_is_a_cycle)
{
    struct pk_link link = { 0 };
    struct pair pair = make_pair();
    vetch_promise *p;

    /* p has adopted the pair's promise when the pair comes to follow p. */
    link.answer = vetch_promise_ref(pair.promise);
    p = vetch_then(vetch_resolved(NULL, NULL), pk_on_value, &link);
    pk_expect_pending(p);
    follow(&pair, vetch_promise_ref(p));
    pk_expect_error(pair.promise, VETCH_ECYCLE);
    pk_expect_error(p, VETCH_ECYCLE);
}

VT_TEST(rule_06_cycle_lets_everything_go)
{
    struct pair pair = make_pair();
    vetch_promise *p = vetch_promise_ref(pair.promise);

    p = vetch_finally(p, pk_note, pk_word("end"));
    vetch_promise_unref(pair.promise);
    follow(&pair, p);
    pk_expect_trace("end");
    ck_assert_uint_eq(vt_live_objects(), 0);
    ck_assert_uint_eq(pk_reports(), 1);
    ck_assert_int_eq(pk_report_code(), VETCH_ECYCLE);
}

/* ---- what only looks like a cycle ---- */

VT_TEST(rule_06_answering_with_the_source_is_no_cycle)
{
    struct pk_thing thing = { 0 };
    vetch_promise *source = pk_value(&thing);
    vetch_promise *p =
        vetch_then(vetch_promise_ref(source), answer_with, &source);

    vt_run_ready();
    pk_assert_value(p, &thing);
    vetch_promise_unref(source);
    pk_assert_alive(&thing);
    vetch_promise_unref(p);
    pk_assert_freed(&thing);
}

VT_TEST(rule_06_following_a_sibling_is_no_cycle)
{
    struct pk_op op = { 0 };
    struct pair pair = make_pair();
    vetch_promise *p = pk_start(&op);
    vetch_promise *left =
        vetch_then(vetch_promise_ref(p), pk_pass_value, pk_word("left"));

    ck_assert(follow(&pair, vetch_then(p, answer_with, &left)));
    pk_resolve_number(&op, 5);
    pk_expect_trace("left");
    pk_expect_value(pair.promise, 5);
    vetch_promise_unref(left);
}

VT_TEST(rule_06_following_twice_by_two_ways_is_no_cycle)
{
    struct pk_op op = { 0 };
    struct pair top = make_pair(), one = make_pair(), two = make_pair();
    vetch_promise *both[2];

    ck_assert(follow(&one, vetch_promise_ref(top.promise)));
    ck_assert(follow(&two, vetch_promise_ref(top.promise)));
    both[0] = one.promise;
    both[1] = two.promise;
    ck_assert(follow(&top, pk_start(&op)));
    pk_resolve_number(&op, 5);
    vt_run_ready();
    pk_assert_value(top.promise, 5);
    vetch_promise_unref(top.promise);
    pk_expect_value(both[0], 5);
    pk_expect_value(both[1], 5);
}

/* ---- memory of promise recursion ---- */

VT_CASE("memory", pk_tcase);

struct loop {
    unsigned left;
    size_t most_live;
    struct pk_op op;
};

static void
watch_live(struct loop *loop)
{
    size_t live = vt_live_objects();

    if (live > loop->most_live)
        loop->most_live = live;
}

static vetch_promise *
recurse_at_once(void *value, void *ctx)
{
    struct loop *loop = ctx;

    (void)value;
    watch_live(loop);
    if (--loop->left == 0)
        return vetch_resolved(pk_int(42), NULL);
    return vetch_then(vetch_resolved(NULL, NULL), recurse_at_once, ctx);
}

VT_TEST(rule_06_recursion_over_ready_promises_takes_constant_memory)
{
    struct loop loop = { .left = 100000 };
    vetch_promise *p =
        vetch_then(vetch_resolved(NULL, NULL), recurse_at_once, &loop);

    pk_expect_value(p, 42);
    ck_assert_uint_eq(loop.left, 0);
    ck_assert_uint_lt(loop.most_live, 20);
}

static void
settle_loop(void *ctx)
{
    pk_resolve_number(&((struct loop *)ctx)->op, 0);
}

static vetch_promise *
recurse_later(void *value, void *ctx)
{
    struct loop *loop = ctx;
    vetch_promise *p;

    (void)value;
    watch_live(loop);
    if (--loop->left == 0)
        return vetch_resolved(pk_int(42), NULL);
    p = pk_start(&loop->op);
    ck_assert_int_eq(vetch_call_soon(settle_loop, loop), 0);
    return vetch_then(p, recurse_later, ctx);
}

VT_TEST(rule_06_recursion_over_pending_promises_takes_constant_memory)
{
    struct loop loop = { .left = 100000 };
    vetch_promise *p =
        vetch_then(vetch_resolved(NULL, NULL), recurse_later, &loop);

    pk_expect_value(p, 42);
    ck_assert_uint_eq(loop.left, 0);
    ck_assert_uint_lt(loop.most_live, 20);
}

VT_TEST(rule_06_dropped_recursion_takes_constant_memory)
{
    struct loop loop = { .left = 100000 };

    vetch_promise_unref(
        vetch_then(vetch_resolved(NULL, NULL), recurse_later, &loop));
    vt_run_ready();
    ck_assert_uint_eq(loop.left, 0);
    ck_assert_uint_lt(loop.most_live, 20);
}

/* Each level borrows a value until the level below has settled: this kind of
 * recursion must keep all of them. */
struct keeper {
    unsigned left, n, seen_alive;
    struct pk_thing *things;
};

static vetch_promise *
recurse_with_values(void *value, void *ctx)
{
    struct keeper *keeper = ctx;

    (void)value;
    if (keeper->left == 0) {
        for (unsigned i = 0; i < keeper->n; i++)
            keeper->seen_alive += keeper->things[i].freed == 0;
        return NULL;
    }
    keeper->left--;
    return vetch_then(pk_value(&keeper->things[keeper->left]),
                      recurse_with_values, ctx);
}

VT_TEST(rule_06_recursion_keeps_the_values_that_it_borrows)
{
    enum { N = 500 };
    struct pk_thing *things = calloc(N, sizeof(*things));
    struct keeper keeper = { N, N, 0, things };
    vetch_promise *p;

    ck_assert_ptr_nonnull(things);
    p = vetch_then(vetch_resolved(NULL, NULL), recurse_with_values, &keeper);
    pk_expect_value(p, NULL);
    ck_assert_uint_eq(keeper.seen_alive, N);
    for (int i = 0; i < N; i++)
        pk_assert_freed(&things[i]);
    free(things);
}
