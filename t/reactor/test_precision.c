/* How well time is kept, and what that costs in system calls. The machine may
 * be busy, so the best quarter of many tries is what counts. */

#include "support/harness.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define N_TRIES 61

/* Checked programs are slow. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PATIENCE 4
#else
#define PATIENCE 1
#endif

static double
real_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- sleeps ---- */

VT_CASE("precision", vt_real_reactor_tcase);

struct tries {
    double seconds, began;
    double took[N_TRIES];
    int n, early;
    void (*stop)(void);
};

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void
next_try(vetch_timer *t, void *ctx)
{
    struct tries *tries = ctx;
    double took = real_seconds() - tries->began;

    tries->early += took < tries->seconds;
    tries->took[tries->n++] = took;
    if (tries->n == N_TRIES) {
        tries->stop();
        return;
    }
    tries->began = real_seconds();
    vetch_timer_restart(t, tries->seconds);
}

/* Sleep often in a loop that run() runs and stop() stops. */
static void
assert_sleeps(double seconds, double at_most, void (*run)(void),
              void (*stop)(void))
{
    struct tries tries = { .seconds = seconds, .stop = stop };
    vetch_timer *t;

    tries.began = real_seconds();
    t = vetch_timer_new(seconds, next_try, &tries);
    run();
    vetch_timer_unref(t);
    ck_assert_int_eq(tries.n, N_TRIES);
    ck_assert_int_eq(tries.early, 0);
    qsort(tries.took, N_TRIES, sizeof(double), compare);
    ck_assert_double_le(tries.took[N_TRIES / 4],
                        at_most * PATIENCE * (vt_on_valgrind() ? 10 : 1));
}

static void
run_reactor(void)
{
    ck_assert_int_eq(vetch_reactor_run(vt_reactor), 0);
}

static void
stop_reactor(void)
{
    vetch_reactor_stop(vt_reactor);
}

VT_TEST(a_sleep_of_a_millisecond_takes_little_more)
{
    assert_sleeps(0.001, 0.0013, run_reactor, stop_reactor);
}

VT_TEST(a_sleep_of_a_tenth_of_a_millisecond_is_not_a_millisecond)
{
    assert_sleeps(0.0001, 0.0004, run_reactor, stop_reactor);
}

/* ---- a loop of somebody else ---- */

VT_CASE("adopted", vt_tcase);

static struct event_base *base;

static void
run_base(void)
{
    event_base_dispatch(base);
}

static void
stop_base(void)
{
    event_base_loopbreak(base);
}

static void
assert_sleeps_on_base(void)
{
    ck_assert_ptr_nonnull(base);
    vt_reactor = vetch_reactor_adopt(base);
    assert_sleeps(0.001, 0.0013, run_base, stop_base);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    event_base_free(base);
}

VT_TEST(an_adopted_loop_sleeps_as_well)
{
    base = event_base_new();
    assert_sleeps_on_base();
}

VT_TEST(an_adopted_loop_that_polls_sleeps_as_well)
{
    struct event_config *config = event_config_new();

    event_config_avoid_method(config, "epoll");
    base = event_base_new_with_config(config);
    event_config_free(config);
    assert_sleeps_on_base();
}

/* ---- the clock ---- */

VT_CASE("precision", vt_real_reactor_tcase);

struct turns {
    double last;
    int n, n_stood_still;
};

static void
note_turn(vetch_descriptor *d, unsigned events, void *ctx)
{
    struct turns *turns = ctx;
    double now = vetch_now();

    (void)d;
    (void)events;
    turns->n_stood_still += now <= turns->last;
    turns->last = now;
    if (++turns->n == 1000)
        vetch_reactor_stop(vt_reactor);
}

VT_TEST(the_clock_moves_from_turn_to_turn)
{
    struct turns turns = { 0 };
    vetch_descriptor *d;
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq((int)write(fds[1], "x", 1), 1);
    d = vetch_descriptor_new(fds[0], VETCH_READABLE, note_turn, &turns);
    run_reactor();
    ck_assert_int_eq(turns.n_stood_still, 0);
    ck_assert_double_le(real_seconds() - vetch_now(), 0.5);
    vetch_descriptor_cancel(d);
    vetch_descriptor_unref(d);
    close(fds[0]);
    close(fds[1]);
}

/* ---- system calls ---- */

static int n_settings;

/* In place of the C library's. */
int
timerfd_settime(int fd, int flags, const struct itimerspec *new,
                struct itimerspec *old)
{
    n_settings++;
    return (int)syscall(SYS_timerfd_settime, fd, flags, new, old);
}

static void
begin_and_cancel(vetch_descriptor *d, unsigned events, void *ctx)
{
    vetch_timer *t = vetch_timer_new(30, next_try, NULL);

    (void)d;
    (void)events;
    vetch_timer_cancel(t);
    vetch_timer_unref(t);
    if (++*(int *)ctx == 1000)
        vetch_reactor_stop(vt_reactor);
}

VT_TEST(deadlines_that_are_met_cost_no_system_call)
{
    vetch_descriptor *d;
    int fds[2], n = 0;

    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq((int)write(fds[1], "x", 1), 1);
    d = vetch_descriptor_new(fds[0], VETCH_READABLE, begin_and_cancel, &n);
    n_settings = 0;
    run_reactor();
    ck_assert_int_eq(n, 1000);
    ck_assert_int_eq(n_settings, 1);
    vetch_descriptor_cancel(d);
    vetch_descriptor_unref(d);
    close(fds[0]);
    close(fds[1]);
}

VT_TEST(a_sleep_costs_one_system_call_beside_the_wait)
{
    n_settings = 0;
    assert_sleeps(0.001, 1, run_reactor, stop_reactor);
    ck_assert_int_eq(n_settings, N_TRIES);
}

VT_TEST(what_is_due_at_once_costs_no_system_call)
{
    n_settings = 0;
    assert_sleeps(0, 1, run_reactor, stop_reactor);
    ck_assert_int_eq(n_settings, 0);
}
