/* Timers: 1,000,000 of them started, restarted and cancelled, with random
 * delays and with one delay for all, from inside a callback.  They exist
 * beforehand, as an embedded event would: what is measured is arming.  Lines
 * "test value unit".  With the argument `libevent` the same by its events. */

#include <event2/event.h>
#include <event2/event_struct.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <vetch.h>

#define N 1000000

static vetch_timer *all[N];

static double
now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void
never(vetch_timer *t, void *ctx)
{
    (void)t;
    (void)ctx;
    abort();
}

static void
make(void)
{
    struct mallinfo2 before = mallinfo2(), after;
    int i;

    for (i = 0; i < N; i++) {
        all[i] = vetch_timer_new(3600, never, NULL);
        if (all[i] == NULL)
            abort();
        vetch_timer_cancel(all[i]);
    }
    after = mallinfo2();
    printf("timer_bytes %.0f bytes\n",
           (double)(after.uordblks - before.uordblks) / N);
}

static struct event *events;

static void
arm(int i, double delay)
{
    if (vetch_timer_restart(all[i], delay) < 0)
        abort();
}

static void
arm_event(int i, const struct timeval *delay)
{
    if (event_add(&events[i], delay) < 0)
        abort();
}

static double
arm_all(int range_ms)
{
    double start = now();

    for (int i = 0; i < N; i++)
        arm(i, range_ms > 0 ? (1000 + rand() % range_ms) / 1000.0 : 61.0);
    return (now() - start) / N;
}

static double
arm_all_events(int range_ms)
{
    struct timeval tv = { 61, 0 };
    double start = now();

    for (int i = 0; i < N; i++) {
        if (range_ms > 0) {
            int ms = 1000 + rand() % range_ms;

            tv = (struct timeval){ ms / 1000, ms % 1000 * 1000 };
        }
        arm_event(i, &tv);
    }
    return (now() - start) / N;
}

static double
cancel_all(int unused)
{
    double start = now();

    (void)unused;
    for (int i = 0; i < N; i++)
        vetch_timer_cancel(all[i]);
    return (now() - start) / N;
}

static double
cancel_all_events(int unused)
{
    double start = now();

    (void)unused;
    for (int i = 0; i < N; i++)
        event_del(&events[i]);
    return (now() - start) / N;
}

/* What is compared: ns for each timer to be armed, in a random or the same
 * delay (0), and to be stopped. */
struct way {
    double (*arm_all)(int range_ms);
    double (*cancel_all)(int unused);
};

static const struct way ours = { arm_all, cancel_all };
static const struct way libevents = { arm_all_events, cancel_all_events };

static void
run(const struct way *way, const char *name, int range_ms)
{
    double insert, again, stop;

    srand(1);
    insert = way->arm_all(range_ms);
    again = way->arm_all(range_ms);
    stop = way->cancel_all(0);
    if (name != NULL)
        printf("timer_%s_insert %.2f ns\ntimer_%s_rearm %.2f ns\n"
               "timer_%s_cancel %.2f ns\n",
               name, insert, name, again, name, stop);
}

static void
measure(const struct way *way)
{
    run(way, NULL, 60000); /* warms the heap */
    run(way, "random", 60000);
    run(way, "same", 0);
}

static void
measure_ours(void *ctx)
{
    make();
    measure(&ours);
    for (int i = 0; i < N; i++)
        vetch_timer_unref(all[i]);
    vetch_reactor_stop(ctx);
}

static void
never_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    abort();
}

static void
measure_events(void *ctx)
{
    struct event_base *base = vetch_reactor_event_base(ctx);

    events = malloc(N * sizeof(*events));
    if (events == NULL)
        abort();
    for (int i = 0; i < N; i++)
        evtimer_assign(&events[i], base, never_event, NULL);
    measure(&libevents);
    free(events);
    vetch_reactor_stop(ctx);
}

int
main(int argc, char *argv[])
{
    bool of_libevent = argc > 1 && strcmp(argv[1], "libevent") == 0;
    vetch_reactor *r = vetch_reactor_new();

    if (r == NULL ||
        vetch_call_soon(of_libevent ? measure_events : measure_ours, r) < 0)
        return EXIT_FAILURE;
    vetch_reactor_run(r);
    vetch_reactor_unref(r);
    return EXIT_SUCCESS;
}
