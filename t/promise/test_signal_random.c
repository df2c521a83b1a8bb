/* Signals at random: whatever is cancelled, dropped or late, and also past the
 * bound of the ready queue, each delivery is heard of or kept, and never both.
 *
 * VETCH_SEED in the environment repeats a run; a failure names the seed. */

#include "support/harness.h"

#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <vetch/combinators.h>

enum { ROUNDS = 3000, STEPS = 24, WAITERS = 6 };

/* Who waits: with a handler, or a bare promise that somebody may look at. */
struct waiter {
    vetch_promise *p;
    bool bare;
};

static uint64_t seed, dice;
static unsigned n_heard;
static struct waiter waiters[WAITERS];
static size_t n_waiters;

static unsigned
below(unsigned n)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (unsigned)((dice * UINT64_C(2685821657736338717) >> 16) % n);
}

static void
begin_round(unsigned nth)
{
    const char *text = getenv("VETCH_SEED");
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    if (text != NULL)
        seed = strtoull(text, NULL, 0) + nth;
    else if (nth == 0)
        seed = (uint64_t)ts.tv_sec * 1000003 + (uint64_t)ts.tv_nsec;
    else
        seed++;
    dice = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    n_heard = 0;
}

/* ---- those who wait ---- */

/* (The sleep that won a race gives NULL.) */
static vetch_promise *
hear(void *value, void *ctx)
{
    (void)ctx;
    n_heard += (intptr_t)value == SIGUSR1;
    return NULL;
}

static vetch_promise *
shrug(const vetch_error *error, void *ctx)
{
    (void)error;
    (void)ctx;
    return NULL;
}

static void
add_waiter(void)
{
    struct waiter *w = &waiters[n_waiters++];
    vetch_promise *both[2];

    *w = (struct waiter){ .p = vetch_signal(SIGUSR1) };
    switch (below(5)) {
    case 0:
        w->bare = true;
        return;
    case 1:
        w->p = vetch_timeout(w->p, (1 + below(8)) / 8.0);
        break;
    case 2:
        both[0] = w->p;
        both[1] = vetch_sleep((1 + below(8)) / 8.0);
        w->p = vetch_race(both, 2);
        break;
    case 3:
        w->p = vetch_then(w->p, NULL, NULL);
        break;
    default:
        break;
    }
    w->p = vetch_handle(w->p, hear, shrug, NULL);
}

static void
drop_waiter(size_t i)
{
    vetch_promise_unref(waiters[i].p);
    waiters[i] = waiters[--n_waiters];
}

/* A bare one that was fulfilled: looking at the value is to get it. */
static void
look_at_waiter(size_t i)
{
    struct waiter *w = &waiters[i];

    if (!w->bare || vetch_promise_state(w->p) != VETCH_FULFILLED)
        return;
    hear(vetch_promise_value(w->p), NULL);
    drop_waiter(i);
}

static void
do_something(void)
{
    unsigned what = below(100);
    size_t i = n_waiters > 0 ? below((unsigned)n_waiters) : 0;

    if (what < 40)
        vt_turn(1 + below(3));
    else if (what < 50)
        vt_let_time_pass(below(4) / 8.0);
    else if (n_waiters == 0)
        return;
    else if (what < 70)
        vetch_promise_cancel(waiters[i].p);
    else if (what < 85)
        look_at_waiter(i);
    else if (waiters[i].bare)
        drop_waiter(i);
}

static void
end_waiting(void)
{
    vt_run_ready();
    while (n_waiters > 0) {
        vetch_promise_cancel(waiters[0].p);
        drop_waiter(0);
    }
    vt_run_ready();
}

/* How many deliveries are kept; they are gone then. */
static unsigned
take_kept(void)
{
    unsigned n = 0;
    vetch_promise *p = vetch_signal(SIGUSR1);

    while (vetch_promise_state(p) == VETCH_FULFILLED) {
        ck_assert_int_eq((int)(intptr_t)vetch_promise_value(p), SIGUSR1);
        vetch_promise_unref(p);
        p = vetch_signal(SIGUSR1);
        n++;
    }
    vetch_promise_cancel(p);
    vetch_promise_unref(p);
    vt_run_ready();
    return n;
}

/* Those that were dropped while they waited still do; nobody hears a delivery
 * to them. */
static void
end_dropped_waiters(void)
{
    raise(SIGUSR1);
    vt_run_ready();
    ck_assert_uint_eq(take_kept(), 1);
}

/* ---- the runs ---- */

VT_CASE("random", vt_reactor_tcase, .seconds = 120);

VT_TEST(one_delivery_to_many_is_heard_or_kept)
{
    ck_assert_uint_eq(take_kept(), 0); /* and caught from now on */
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned when, kept;

        begin_round(round);
        when = below(STEPS / 2);
        for (unsigned step = 0; step < STEPS; step++) {
            if (step == when)
                raise(SIGUSR1);
            if (n_waiters < WAITERS && below(100) < 30)
                add_waiter();
            do_something();
        }
        end_waiting();
        kept = take_kept();
        ck_assert_msg((n_heard > 0) + kept == 1,
                      "heard by %u and kept %u times (VETCH_SEED=%" PRIu64 ")",
                      n_heard, kept, seed);
    }
    end_dropped_waiters();
}

/* With one waiter at a time, each delivery is heard of once. */
VT_TEST(many_deliveries_to_one_after_another_are_all_heard_or_kept)
{
    ck_assert_uint_eq(take_kept(), 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned raised = 0, kept;

        begin_round(round);
        for (unsigned step = 0; step < STEPS; step++) {
            if (below(100) < 30 && ++raised > 0)
                raise(SIGUSR1);
            if (n_waiters == 1 && !waiters[0].bare &&
                vetch_promise_state(waiters[0].p) != VETCH_PENDING)
                drop_waiter(0);
            if (n_waiters == 0 && below(100) < 60)
                add_waiter();
            do_something();
        }
        end_waiting();
        kept = take_kept();
        ck_assert_msg(n_heard + kept == raised,
                      "%u raised, %u heard, %u kept (VETCH_SEED=%" PRIu64 ")",
                      raised, n_heard, kept, seed);
    }
    end_dropped_waiters();
}
