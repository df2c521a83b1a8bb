/* Many timers at once: their order, and what they leave to others. */

#include "support/harness.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "reactor/reactor-private.h"

#define MODEL_TIMERS 200
#define MODEL_STEPS  30000
#define MANY         100000

struct tk_probe {
    int fired;
    int freed;
    vetch_timer *timer;
    vetch_timer *other;
};

static void
stop_loop(vetch_timer *t, void *ctx)
{
    (void)t;
    (void)ctx;
    vetch_reactor_stop(vt_reactor);
}

static uint64_t
real_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void
hold_the_loop(double seconds)
{
    uint64_t until = real_ns() + (uint64_t)(seconds * 1e9);

    while (real_ns() < until)
        ;
}

struct drift {
    uint64_t start, interval;
    int fired;
    bool exact;
};

/* ---- many ---- */

VT_CASE("order", vt_reactor_tcase);

static int order_seen[64], n_order;

static void
note_order(vetch_timer *t, void *ctx)
{
    (void)t;
    order_seen[n_order++] = (int)(intptr_t)ctx;
}

VT_TEST(timer_equal_delays_fire_in_the_order_of_arming)
{
    int i;

    n_order = 0;
    for (i = 0; i < 50; i++)
        vetch_timer_unref(vetch_timer_new(1, note_order, (void *)(intptr_t)i));
    vt_advance(1);
    ck_assert_int_eq(n_order, 50);
    for (i = 0; i < 50; i++)
        ck_assert_int_eq(order_seen[i], i);
}

static uint64_t latest_expiry;
static int n_expired, n_out_of_order;

static void
check_order(struct vetch__timer *t)
{
    n_out_of_order += t->deadline < latest_expiry;
    latest_expiry = t->deadline;
    n_expired++;
}

/* Lanes (a few popular delays) and the heap (the rest), mixed. */
VT_TEST(timer_100000_fire_in_order)
{
    struct vetch__timer *all = calloc(MANY, sizeof(*all));
    int i;

    srand(1);
    latest_expiry = 0;
    for (i = 0; i < MANY; i++) {
        uint64_t delay = rand() % 3 == 0 ? (uint64_t)(rand() % 20) * 500000000
                                         : (uint64_t)rand();

        vt_reactor->now += (uint64_t)(rand() % 100);
        ck_assert_int_eq(
            vetch__timer_start(vt_reactor, &all[i], delay, check_order), 0);
    }
    vt_advance(60);
    ck_assert_int_eq(n_expired, MANY);
    ck_assert_int_eq(n_out_of_order, 0);
    free(all);
}

/* ---- against a model ---- */

struct modelled {
    vetch_timer *timer;
    uint64_t deadline; /* 0: not running */
    bool wrong;
};

static struct modelled model[MODEL_TIMERS];
static int model_fired;

static void
fire_modelled(vetch_timer *t, void *ctx)
{
    struct modelled *m = ctx;

    if (m->timer != t || m->deadline != vt_reactor->now)
        m->wrong = true;
    m->deadline = 0;
    model_fired++;
    if (rand() % 8 == 0 && vetch_timer_restart(t, 0.001) == 0)
        m->deadline = vt_reactor->now + 1000000;
    if (rand() % 8 == 0) { /* cancel somebody else */
        struct modelled *other = &model[rand() % MODEL_TIMERS];

        vetch_timer_cancel(other->timer);
        other->deadline = 0;
    }
}

/* Random or popular delays, in whole microseconds so that doubles are exact
 * enough. */
static uint64_t
random_delay(void)
{
    static const uint64_t popular[] = { 0, 1000, 1000000, 5000000, 75000 };

    return rand() % 2 == 0 ? popular[rand() % 5] : (uint64_t)(rand() % 9000000);
}

static void
model_step(void)
{
    struct modelled *m = &model[rand() % MODEL_TIMERS];
    uint64_t us = random_delay();

    switch (rand() % 4) {
    case 0:
    case 1:
        ck_assert_int_eq(vetch_timer_restart(m->timer, (double)us / 1e6), 0);
        m->deadline = vt_reactor->now + vetch__seconds((double)us / 1e6);
        break;
    case 2:
        vetch_timer_cancel(m->timer);
        m->deadline = 0;
        break;
    default:
        vt_advance((double)(rand() % 50000) / 1e6);
        break;
    }
}

static int
count_wrong(void)
{
    int i, wrong = 0;

    for (i = 0; i < MODEL_TIMERS; i++) {
        struct modelled *m = &model[i];

        wrong += m->wrong ||
                 (m->deadline != 0 && m->deadline < vt_reactor->now) ||
                 vetch_timer_is_active(m->timer) != (m->deadline != 0);
    }
    return wrong;
}

VT_TEST(timer_behaves_like_a_list_of_deadlines)
{
    unsigned seed = (unsigned)real_ns();
    int i;

    srand(seed);
    memset(model, 0, sizeof(model));
    model_fired = 0;
    for (i = 0; i < MODEL_TIMERS; i++) {
        model[i].timer = vetch_timer_new(1, fire_modelled, &model[i]);
        model[i].deadline = vt_reactor->now + 1000000000;
    }
    for (i = 0; i < MODEL_STEPS; i++) {
        model_step();
        if (i % 100 == 0)
            ck_assert_msg(count_wrong() == 0, "seed %u, step %d", seed, i);
    }
    ck_assert_int_gt(model_fired, MODEL_STEPS / 20);
    for (i = 0; i < MODEL_TIMERS; i++) {
        vetch_timer_cancel(model[i].timer);
        vetch_timer_unref(model[i].timer);
    }
}

/* ---- on the real clock ---- */

VT_CASE("real", vt_real_reactor_tcase);

struct early {
    uint64_t armed;
    double delay;
    int *left;
    int early;
};

static void
check_early(vetch_timer *t, void *ctx)
{
    struct early *e = ctx;

    e->early += real_ns() < e->armed + (uint64_t)(e->delay * 1e9);
    vetch_timer_unref(t);
    if (--*e->left == 0)
        vetch_reactor_stop(vt_reactor);
}

static struct early earlies[300];

static void
arm_late_in_the_turn(vetch_timer *t, void *ctx)
{
    int i;

    for (i = 0; i < 300; i++) {
        struct early *e = &earlies[i];

        if (i % 50 == 0)
            hold_the_loop(0.003); /* libevent's idea of now grows old */
        e->delay = (double)(i * 7919 % 20000) / 1e6;
        e->left = ctx;
        e->armed = real_ns();
        ck_assert_ptr_nonnull(vetch_timer_new(e->delay, check_early, e));
    }
    vetch_timer_unref(t);
}

/* Threads libuv #181 #1068 #4773 #4889, PR #1381; libevent #958 #1080;
 * libwebsockets #274: never early, not even by what the clock of the turn is
 * behind. (LESSONS 13) */
VT_TEST(timer_is_never_early)
{
    int left = 300, i;

    ck_assert_ptr_nonnull(vetch_timer_new(0, arm_late_in_the_turn, &left));
    ck_assert_int_eq(vetch_reactor_run(vt_reactor), 0);
    for (i = 0; i < 300; i++)
        ck_assert_int_eq(earlies[i].early, 0);
}

static void
cancel_other(vetch_timer *t, void *ctx)
{
    struct tk_probe *p = ctx;

    (void)t;
    p->fired++;
    vetch_timer_cancel(p->other);
    vetch_timer_cancel(p->timer);
}

/* Both are due in the same dispatch; whichever runs first stops the other. */
VT_TEST(timer_cancelled_by_another_that_is_due_with_it)
{
    struct tk_probe p = { 0 };
    vetch_timer *last;

    p.timer = vetch_timer_new(0.001, cancel_other, &p);
    p.other = vetch_timer_new(0.002, cancel_other, &p);
    last = vetch_timer_new(0.003, stop_loop, NULL);
    hold_the_loop(0.005);
    ck_assert_int_eq(vetch_reactor_run(vt_reactor), 0);
    ck_assert_int_eq(p.fired, 1);
    vetch_timer_unref(p.timer);
    vetch_timer_unref(p.other);
    vetch_timer_unref(last);
}

struct greedy {
    int fired;
    int fds[2];
    int fired_before_io;
};

static void
restart_at_once(vetch_timer *t, void *ctx)
{
    struct greedy *g = ctx;

    if (g->fired_before_io < 0 && ++g->fired < 100000)
        ck_assert_int_eq(vetch_timer_restart(t, 0), 0);
}

static void
note_io(vetch_descriptor *d, unsigned events, void *ctx)
{
    struct greedy *g = ctx;

    (void)events;
    g->fired_before_io = g->fired;
    vetch_descriptor_cancel(d);
    vetch_reactor_stop(vt_reactor);
}

/* A timer that starts itself again without delay waits for the next turn. */
VT_TEST(timer_of_no_delay_does_not_starve_descriptors)
{
    struct greedy g = { .fired_before_io = -1 };
    vetch_timer *t = vetch_timer_new(0, restart_at_once, &g);
    vetch_descriptor *d;

    ck_assert_int_eq(pipe(g.fds), 0);
    ck_assert_int_eq((int)write(g.fds[1], "x", 1), 1);
    d = vetch_descriptor_new(g.fds[0], VETCH_READABLE, note_io, &g);
    ck_assert_int_eq(vetch_reactor_run(vt_reactor), 0);
    ck_assert_int_lt(g.fired_before_io, 5);
    vetch_timer_cancel(t);
    vetch_timer_unref(t);
    vetch_descriptor_unref(d);
    close(g.fds[0]);
    close(g.fds[1]);
}

struct crowd {
    int fired, fired_before_io;
    int fds[2];
};

static void
count_and_write(vetch_timer *t, void *ctx)
{
    struct crowd *c = ctx;

    (void)t;
    if (c->fired++ == 0)
        ck_assert_int_eq((int)write(c->fds[1], "x", 1), 1);
    if (c->fired == 2000)
        vetch_reactor_stop(vt_reactor);
}

static void
note_io_in_crowd(vetch_descriptor *d, unsigned events, void *ctx)
{
    struct crowd *c = ctx;

    (void)events;
    c->fired_before_io = c->fired;
    vetch_descriptor_cancel(d);
}

/* What is due is worked off in portions. */
VT_TEST(timer_crowd_lets_descriptors_in)
{
    struct crowd c = { .fired_before_io = 2000 };
    vetch_descriptor *d;
    int i;

    ck_assert_int_eq(pipe(c.fds), 0);
    for (i = 0; i < 2000; i++)
        vetch_timer_unref(vetch_timer_new(0, count_and_write, &c));
    d = vetch_descriptor_new(c.fds[0], VETCH_READABLE, note_io_in_crowd, &c);
    ck_assert_int_eq(vetch_reactor_run(vt_reactor), 0);
    ck_assert_int_eq(c.fired, 2000);
    ck_assert_int_lt(c.fired_before_io, 1000);
    vetch_descriptor_unref(d);
    close(c.fds[0]);
    close(c.fds[1]);
}

static void
hold_40_ms(vetch_timer *t, void *ctx)
{
    struct drift *d = ctx;
    uint64_t intervals = (real_ns() - d->start) / d->interval;

    d->exact = d->exact && (uint64_t)++d->fired <= intervals;
    if (d->fired == 1)
        hold_the_loop(0.040);
    if (d->fired == 4) {
        vetch_timer_cancel(t);
        vetch_reactor_stop(vt_reactor);
    }
}

VT_TEST(timer_periodic_does_not_make_up_for_a_busy_loop)
{
    struct drift d = { real_ns(), 10000000, 0, true };
    vetch_timer *t = vetch_timer_new_periodic(0.010, hold_40_ms, &d);

    ck_assert_int_eq(vetch_reactor_run(vt_reactor), 0);
    ck_assert(d.exact);
    ck_assert_int_ge((int)((real_ns() - d.start) / 1000000), 70);
    vetch_timer_unref(t);
}
