/* What a deep or wide graph costs to cancel, to settle, to drop and to end with
 * its reactor grows with its size, not with the square: four times as many may
 * take ten times as long, for the sake of caches and of a busy machine. */

#include "support/promise_kit.h"

#include <stdlib.h>
#include <time.h>
#include <vetch/testing.h>

enum { SMALL = 5000, LARGE = 4 * SMALL, RUNS = 3, SLACK_NS = 20000000 };

/* What the graphs below hang on. */
static vetch_deferred *last_op;

static void
agree(vetch_deferred *d, void *ctx)
{
    (void)ctx;
    vetch_deferred_cancel(d);
}

static vetch_promise *
operation(void)
{
    vetch_promise *p;

    vetch_deferred_unref(last_op);
    last_op = vetch_deferred_new(agree, NULL);
    p = vetch_deferred_promise(last_op);
    return p;
}

static void
let_operation_go(void *d)
{
    vetch_deferred_unref(d);
}

/* One that holds its producer's end until it has settled. */
static vetch_promise *
sibling(void)
{
    vetch_deferred *d = vetch_deferred_new(agree, NULL);

    return vetch_finally(vetch_deferred_promise(d), let_operation_go, d);
}

/* ---- graphs ---- */

typedef vetch_promise *(*combine_fn)(vetch_promise *const *promises, size_t n);

static vetch_promise *
nest_timeouts(size_t n)
{
    vetch_promise *p = operation();

    while (n-- > 0)
        p = vetch_timeout(p, 60);
    return p;
}

static vetch_promise *
nest(combine_fn combine, size_t n)
{
    vetch_promise *pair[2] = { operation(), NULL };

    while (n-- > 0) {
        pair[1] = sibling();
        pair[0] = combine(pair, 2);
    }
    return pair[0];
}

static vetch_promise *
nest_all(size_t n)
{
    return nest(vetch_all, n);
}

static vetch_promise *
nest_race(size_t n)
{
    return nest(vetch_race, n);
}

static vetch_promise *
nest_any(size_t n)
{
    return nest(vetch_any, n);
}

static vetch_promise *
nest_shields(size_t n)
{
    vetch_promise *p = operation();

    while (n-- > 0)
        p = vetch_shield(p);
    return p;
}

static void
nothing(void *ctx)
{
    (void)ctx;
}

static vetch_promise *
nest_finally(size_t n)
{
    vetch_promise *p = operation();

    while (n-- > 0)
        p = vetch_finally(p, nothing, NULL);
    return p;
}

static void
release_scope(void *s)
{
    vetch_scope_unref(s);
}

static vetch_promise *
nest_scopes(size_t n)
{
    vetch_promise *p = operation();

    while (n-- > 0) {
        vetch_scope *s = vetch_scope_new();

        vetch_scope_add(s, p);
        p = vetch_finally(vetch_scope_end(s), release_scope, s);
    }
    return p;
}

static vetch_promise *
wide_all(size_t n)
{
    vetch_promise **children = calloc(n, sizeof(*children)), *all;

    for (size_t i = 0; i < n; i++)
        children[i] = sibling();
    all = vetch_all(children, n);
    free(children);
    vetch_promise_unref(operation());
    return all;
}

static vetch_promise *
wide_scope(size_t n)
{
    vetch_scope *s = vetch_scope_new();

    while (n-- > 0)
        vetch_scope_add(s, sibling());
    vetch_promise_unref(operation());
    return vetch_finally(vetch_scope_end(s), release_scope, s);
}

/* Branches of one promise, cancelled in an order that is neither the first nor
 * the last way round. */
static vetch_promise *
canceled_branches(size_t n)
{
    vetch_promise *p = operation(), **branches = calloc(n, sizeof(*branches));

    for (size_t i = 0; i < n; i++)
        branches[i] = vetch_then(vetch_promise_ref(p), NULL, NULL);
    for (size_t i = 0; i < n; i++)
        vetch_promise_cancel(branches[i * 7919 % n]);
    for (size_t i = 0; i < n; i++)
        vetch_promise_unref(branches[i]);
    free(branches);
    return p;
}

/* Each takes the end of the chain so far as its handler's answer. */
static vetch_promise *
take_tail(void *value, void *tail)
{
    (void)value;
    return tail;
}

static vetch_promise *
chain_by_answers(size_t n)
{
    vetch_promise *p = operation();

    while (n-- > 0) {
        vetch_promise *next =
            vetch_then(vetch_resolved(NULL, NULL), take_tail, p);

        p = vetch_timeout(next, 60);
        vt_run_ready();
    }
    return p;
}

static const struct graph {
    const char *name;
    vetch_promise *(*build)(size_t n);
} graphs[] = {
    { "timeouts", nest_timeouts },   { "all", nest_all },
    { "race", nest_race },           { "any", nest_any },
    { "shields", nest_shields },     { "finally", nest_finally },
    { "scopes", nest_scopes },       { "a wide all", wide_all },
    { "a wide scope", wide_scope },  { "branches", canceled_branches },
    { "answers", chain_by_answers },
};

/* ---- what is done to them ---- */

static void
cancel(vetch_promise *p)
{
    vetch_promise_cancel(p);
    vetch_promise_cancel(p);
    vetch_testing_run_ready();
}

static void
reject(vetch_promise *p)
{
    (void)p;
    vetch_deferred_reject(last_op, vetch_error_new(VETCH_EUSER, "no"));
    vetch_testing_run_ready();
}

static void
expire(vetch_promise *p)
{
    (void)p;
    vt_advance(60);
}

static void
nothing_more(vetch_promise *p)
{
    (void)p;
}

static void
drop_report(const vetch_error *error, void *ctx)
{
    (void)error;
    (void)ctx;
}

static uint64_t
cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t
cost_once(const struct graph *graph, void (*act)(vetch_promise *p), size_t n)
{
    uint64_t began = cpu_ns();
    vetch_promise *p;

    vt_reactor = vetch_reactor_new();
    ck_assert_int_eq(vetch_testing_virtual_clock(), 0);
    vetch_reactor_set_rejection_hook(vt_reactor, drop_report, NULL);
    p = graph->build(n);
    act(p);
    vetch_promise_unref(p);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    last_op = vetch_deferred_unref(last_op);
    (void)vt_log_take();
    return cpu_ns() - began;
}

static uint64_t
cost(const struct graph *graph, void (*act)(vetch_promise *p), size_t n)
{
    uint64_t least = UINT64_MAX;

    for (int i = 0; i < RUNS; i++) {
        uint64_t ns = cost_once(graph, act, n);

        if (ns < least)
            least = ns;
    }
    return least;
}

static void
expect_linear(const struct graph *graph, void (*act)(vetch_promise *p))
{
    uint64_t small, large;

    vt_reactor = vetch_reactor_unref(vt_reactor);
    small = cost(graph, act, SMALL);
    large = cost(graph, act, LARGE);
    ck_assert_msg(large < 10 * small + SLACK_NS,
                  "%s: %d take %.3f s, %d take %.3f s", graph->name, SMALL,
                  (double)small / 1e9, LARGE, (double)large / 1e9);
}

VT_CASE("linear", vt_reactor_tcase, .loops = VT_COUNT_OF(graphs),
        .seconds = 120);

VT_TEST(end_of_a_reactor_grows_with_what_is_pending)
{
    expect_linear(&graphs[_i], nothing_more);
}

VT_TEST(cancel_grows_with_what_it_reaches)
{
    expect_linear(&graphs[_i], cancel);
}

VT_TEST(rejection_grows_with_what_it_passes)
{
    expect_linear(&graphs[_i], reject);
}

VT_TEST(limits_that_expire_together_grow_with_their_number)
{
    expect_linear(&graphs[_i], expire);
}
