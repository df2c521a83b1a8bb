/* Random graphs of promises against a simple model.
 *
 * Each step does something at random: starts chains, branches, combinators,
 * timeouts, sleeps, semaphore users; settles, cancels, drops; lets time go by;
 * runs what is ready. So do handlers. The model (promise_model.h) says what may
 * be called, when, and with what. Besides:
 *
 *  - a chain's ctx is poisoned by its finally, and its handlers, operations and
 *    cancellers look at it;
 *  - a value borrowed by a handler is looked at by the operation that the
 *    handler began, until that has ended;
 *  - an offered value comes back if nobody got it, and only then;
 *  - each value else is freed exactly once, each finally runs exactly once,
 * each rejection that nobody saw is reported once, and nothing is left over.
 *
 * A second run acts in the middle of what is ready, as a program does that has
 * reached the bound of the ready queue; see promise_model.h on rough runs.
 *
 * VETCH_SEED and VETCH_STEPS in the environment repeat or prolong a run. */

#include "promise/model/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <vetch/testing.h>

enum { DEFAULT_STEPS = 1000000, DEFAULT_ROUGH_STEPS = 250000 };

/* ---- time ---- */

static void
drain(void)
{
    model.n_drains++;
    model.draining = true;
    vetch_testing_run_ready();
    model.draining = false;
    MODEL_CHECK(world.depth == 0, "a handler did not return");
    model_check_quiet();
    pw_check_lines();
}

static struct model_node *
next_timer(void)
{
    struct model_node *next = NULL;

    for (size_t i = 0; i < model.n_nodes; i++) {
        struct model_node *n = &model.nodes[i];

        if (n->deadline == 0 || n->done || n->expired)
            continue;
        if (next == NULL || n->deadline < next->deadline)
            next = n;
    }
    return next;
}

static void
advance_to(uint64_t tick)
{
    double seconds = pw_seconds_until(tick);

    world.now = tick;
    model.n_drains++;
    model.draining = true;
    vetch_testing_advance(seconds);
    model.draining = false;
    model_check_quiet();
    pw_check_lines();
}

/* One turn of the loop, which leaves most of what is ready on the queue. */
static void
drain_a_little(void)
{
    model.n_drains++;
    model.draining = true;
    vt_turn(1 + pw_below(6));
    model.draining = false;
    MODEL_CHECK(world.depth == 0, "a handler did not return");
}

/* Timers expire while what was ready before them still waits. */
static void
jump(void)
{
    uint64_t ticks = 1 + pw_below(2 * TICKS);

    vt_let_time_pass((double)ticks / TICKS);
    world.now += ticks;
    for (size_t i = 0; i < model.n_nodes; i++)
        if (model.nodes[i].deadline <= world.now)
            model.nodes[i].expired = true;
    drain_a_little();
}

/* From one timer to the next, so that the model can keep up. */
static void
advance(uint64_t ticks)
{
    uint64_t target = world.now + ticks;
    struct model_node *n;

    drain();
    while ((n = next_timer()) != NULL && n->deadline <= target) {
        n->expired = true;
        if (n->kind == M_SLEEP)
            model_settle(n, model_fulfilled(NULL));
        else
            model_cancel_child(n, 0);
        advance_to(n->deadline);
    }
    if (world.now < target)
        advance_to(target);
}

/* ---- an epoch: one reactor, one graph ---- */

static void
count_report(const vetch_error *error, void *ctx)
{
    (void)ctx;
    MODEL_CHECK(vetch_error_code(error) != VETCH_ECANCELED,
                "a cancel was reported");
    MODEL_CHECK(world.n_reported < MODEL_NODES, "too many");
    world.reported[world.n_reported++] = vetch_error_code(error);
}

static void
begin_epoch(uint64_t seed, bool rough)
{
    memset(&world, 0, sizeof(world));
    world.random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    if (world.random == 0)
        world.random = 1;
    world.now = 1;
    model_begin(seed, rough);
    vt_reactor = vetch_reactor_new();
    MODEL_CHECK(vt_reactor != NULL && vetch_testing_virtual_clock() == 0,
                "no reactor");
    vetch_reactor_set_rejection_hook(vt_reactor, count_report, NULL);
    pw_lines_begin();
}

static void
end_epoch(void)
{
    for (size_t i = 0; i < world.n_chains; i++) {
        MODEL_CHECK(world.chains[i].ended == 1, "a finally ran %u times",
                    world.chains[i].ended);
        free(world.chains[i].ctx);
    }
    for (size_t i = 0; i < world.n_values; i++) {
        const struct value *v = &world.values[i];

        MODEL_CHECK(v->state == FREED || v->state == RETURNED,
                    "a value was not freed");
        MODEL_CHECK(v->over == v->offered, "an offer is not over");
    }
}

static void
close_queue(void)
{
    drain();
    pw_close_queue();
}

static void
random_step(void)
{
    unsigned what = pw_below(100);

    if (pw_is_full())
        what = 30 + pw_below(70);
    if (what < 22)
        pw_start_something();
    else if (what < 30)
        pw_branch_off();
    else if (what < 54)
        pw_settle_random_op();
    else if (what < 62)
        pw_cancel_something();
    else if (what < 71)
        pw_release_something();
    else if (what < 74)
        pw_hold_something();
    else if (what < 78)
        advance(pw_below(3 * TICKS));
    else if (what < 80)
        pw_turn_event();
    else if (what < 81)
        close_queue();
    else if (!model.rough || pw_chance(10))
        drain();
    else if (pw_chance(80))
        drain_a_little();
    else
        jump();
    if (what > 95)
        pw_add_to_scope();
    if (pw_chance(6))
        pw_start_ring();
    if (pw_chance(6))
        pw_touch_ring();
    if (world.n_ops > 100)
        pw_settle_random_op();
    if (world.n_held > 60)
        pw_release_something();
}

/* Some look at what they hold, which is to have observed it. */
static void
look_around(void)
{
    for (size_t i = 0; i < world.n_held; i++) {
        struct model_node *n = world.held[i];

        if (!pw_chance(5) || vetch_promise_state(n->promise) != VETCH_REJECTED)
            continue;
        MODEL_CHECK(vetch_promise_error(n->promise) != NULL, "no error");
        n->observed = true;
    }
}

static bool
somebody_waits(void)
{
    return pw_waiting(&world.getters) > 0 || pw_waiting(&world.putters) > 0 ||
           pw_waiting(&world.sleepers) > 0;
}

static bool
a_chain_runs(void)
{
    for (size_t i = 0; i < world.n_chains; i++)
        if (world.chains[i].ended == 0)
            return true;
    return false;
}

/* Let everything come to its end by itself. */
static void
run_out(void)
{
    unsigned rounds = 0;
    size_t n_nodes;

    do {
        n_nodes = model.n_nodes;
        while (world.n_ops > 0)
            pw_settle_random_op();
        close_queue();
        pw_turn_event();
        pw_close_rings();
        advance(30 * TICKS);
        MODEL_CHECK(rounds++ < 1000, "it never ends");
    } while (world.n_ops > 0 || next_timer() != NULL ||
             (model.rough ? a_chain_runs() : somebody_waits()) ||
             model.n_nodes > n_nodes);
    look_around();
    drain();
    pw_check_rings();
    while (world.n_held > 0)
        pw_release(0);
    drain();
    model_check_reports(world.reported, world.n_reported);
    pw_release_scopes();
    pw_lines_end();
    MODEL_CHECK(vetch_reactor_live_objects(vt_reactor) == 0,
                "something is left");
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_str_eq(vt_log_take(), "");
}

/* End the reactor in the middle of it all. */
static void
cut_off(void)
{
    model.ending = true;
    vt_reactor = vetch_reactor_unref(vt_reactor);
    world.over = true;
    (void)vt_log_take();
    pw_check_rings();
    while (world.n_held > 0) {
        MODEL_CHECK(vetch_promise_state(world.held[0]->promise) !=
                        VETCH_PENDING,
                    "a promise is pending after the end");
        pw_release(0);
    }
    while (world.n_ops > 0)
        vetch_deferred_unref(world.ops[--world.n_ops]->deferred);
    pw_release_scopes();
    pw_lines_end();
}

static void
run_epoch(uint64_t seed, unsigned n_steps, bool rough)
{
    begin_epoch(seed, rough);
    for (unsigned i = 0; i < n_steps; i++) {
        random_step();
        if (i % 16 == 0)
            look_around();
    }
    if (pw_chance(70))
        run_out();
    else
        cut_off();
    end_epoch();
}

/* ---- the run ---- */

static uint64_t
number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);

    return text == NULL ? otherwise : strtoull(text, NULL, 0);
}

static uint64_t
any_seed(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000003 + (uint64_t)ts.tv_nsec;
}

/* The harness' own reactor is not wanted, but its log is. */
static void
without_reactor(void)
{
    vt_reactor = vetch_reactor_unref(vt_reactor);
}

/* Each epoch has a seed of its own, so that one alone can be repeated. */
static void
run_all(bool rough)
{
    uint64_t seed = number_from("VETCH_SEED", any_seed());
    uint64_t steps =
        number_from("VETCH_STEPS", rough ? DEFAULT_ROUGH_STEPS : DEFAULT_STEPS);

    printf("%" PRIu64 " steps from VETCH_SEED=%" PRIu64 "\n", steps, seed);
    fflush(stdout);
    for (uint64_t done = 0; done < steps; done += EPOCH_STEPS)
        run_epoch(seed++, EPOCH_STEPS, rough);
}

VT_CASE("model", vt_reactor_tcase, .set_up = without_reactor,
        .seconds = INFINITY);

VT_TEST(promises_do_what_the_model_says)
{
    run_all(false);
}

VT_CASE("rough", vt_reactor_tcase, .set_up = without_reactor,
        .seconds = INFINITY);

VT_TEST(nothing_is_lost_past_the_bound_of_the_ready_queue)
{
    run_all(true);
}
