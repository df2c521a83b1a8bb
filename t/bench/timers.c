/* Timers: 1,000,000 of them started, then cancelled, with random delays and
 * with one delay for all, from inside a callback.  They exist beforehand, as
 * an embedded event would: what is measured is arming.  Lines "test value
 * unit". */

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
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

static void
run(const char *name, int range_ms)
{
    double start, armed;
    int i;

    srand(1);
    start = now();
    for (i = 0; i < N; i++) {
        double delay =
            range_ms > 0 ? (1000 + rand() % range_ms) / 1000.0 : 61.0;

        if (vetch_timer_restart(all[i], delay) < 0)
            abort();
    }
    armed = now();
    for (i = 0; i < N; i++)
        vetch_timer_cancel(all[i]);
    if (name != NULL)
        printf("timer_%s_insert %.2f ns\ntimer_%s_cancel %.2f ns\n", name,
               (armed - start) / N, name, (now() - armed) / N);
}

static void
measure(void *ctx)
{
    (void)ctx;
    make();
    run(NULL, 60000); /* warms the heap */
    run("random", 60000);
    run("same", 0);
    vetch_reactor_stop(vetch_reactor_current());
}

int
main(void)
{
    vetch_reactor *r = vetch_reactor_new();
    int i;

    if (r == NULL || vetch_call_soon(measure, NULL) < 0)
        return EXIT_FAILURE;
    vetch_reactor_run(r);
    for (i = 0; i < N; i++)
        vetch_timer_unref(all[i]);
    vetch_reactor_unref(r);
    return EXIT_SUCCESS;
}
