/* What a promise costs, in the units of the tests of other libraries: lines of
 * "test value unit".
 *
 *   promise_chain  N links on one promise: attached, then settled, run, freed
 *   promise_fan    N promises with one handler each
 *   …_10k          the same with 10,000 alive at a time
 *   await_ready    a task awaits settled promises
 *   await_pending  a task awaits promises that are settled meanwhile
 *   task_spawn     a task is started and ends
 *
 * The first round warms the pool and is not printed. */
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <vetch.h>

#define N     1000000
#define SMALL 10000

static size_t count;
static vetch_deferred *producers[N];

static double
now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static size_t
resident(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    size_t total = 0, pages = 0;

    if (f != NULL && fscanf(f, "%zu %zu", &total, &pages) != 2)
        pages = 0;
    if (f != NULL)
        fclose(f);
    return pages * 4096;
}

static vetch_promise *
plus_one(void *value, void *ctx)
{
    (void)ctx;
    return vetch_resolved((void *)((intptr_t)value + 1), NULL);
}

static vetch_promise *
just_count(void *value, void *ctx)
{
    (void)value;
    (void)ctx;
    count++;
    return NULL;
}

static void
fail(const char *what)
{
    fprintf(stderr, "promise: %s\n", what);
    exit(1);
}

struct times {
    double build, run;
};

static void *
run(vetch_promise *p)
{
    vetch_error *error;
    void *value = vetch_run(p, &error);

    if (error != NULL)
        fail(vetch_error_text(error));
    return value;
}

static struct times
chain(size_t n, vetch_value_fn fn)
{
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);
    vetch_promise *p = vetch_deferred_promise(d);
    struct times t;
    double start = now();
    intptr_t end;

    for (size_t i = 0; i < n; i++)
        p = vetch_then(p, fn, NULL);
    t.build = now() - start;
    start = now();
    vetch_deferred_resolve(d, NULL, NULL);
    vetch_deferred_unref(d);
    end = (intptr_t)run(p);
    t.run = now() - start;
    if (fn == plus_one && end != (intptr_t)n)
        fail("a chain lost its count");
    return t;
}

static struct times
fan(size_t n)
{
    struct times t;
    vetch_promise *last = NULL;
    double start = now();

    for (size_t i = 0; i < n; i++) {
        vetch_promise *p;

        producers[i] = vetch_deferred_new(NULL, NULL);
        p = vetch_deferred_promise(producers[i]);
        vetch_promise_unref(last);
        last = vetch_then(p, just_count, NULL);
    }
    t.build = now() - start;
    start = now();
    for (size_t i = 0; i < n; i++) {
        vetch_deferred_resolve(producers[i], NULL, NULL);
        vetch_deferred_unref(producers[i]);
    }
    run(last);
    t.run = now() - start;
    return t;
}

static void
bytes_per_link(void)
{
    size_t before = resident();
    vetch_promise *p = vetch_sleep(0);

    for (size_t i = 0; i < N; i++)
        p = vetch_then(p, just_count, NULL);
    printf("promise_bytes %.0f bytes\n", (double)(resident() - before) / N);
    run(p);
}

static void
report(const char *name, struct times t, double n)
{
    printf("%s_build %.2f ns\n%s_run %.2f ns\n%s_total %.2f ns\n", name,
           t.build / n, name, t.run / n, name, (t.build + t.run) / n);
}

static struct times many(struct times (*test)(size_t n))
{
    struct times sum = { 0, 0 };

    for (size_t i = 0; i < N / SMALL; i++) {
        struct times t = test(SMALL);

        sum.build += t.build;
        sum.run += t.run;
    }
    return sum;
}

static struct times
chain_of_none(size_t n)
{
    return chain(n, just_count);
}

static struct times
chain_of_values(size_t n)
{
    return chain(n, plus_one);
}

/* ---- tasks ---- */

static vetch_deferred *waited_for;

static void
settle_soon(void *ctx)
{
    vetch_deferred *d = waited_for;

    (void)ctx;
    waited_for = NULL;
    vetch_deferred_resolve(d, NULL, NULL);
    vetch_deferred_unref(d);
}

static vetch_promise *
await_ready(void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < N; i++)
        vetch_await(vetch_resolved((void *)1, NULL), NULL);
    return NULL;
}

/* Includes making the promise, and a call_soon to settle it from. */
static vetch_promise *
await_pending(void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < N; i++) {
        waited_for = vetch_deferred_new(NULL, NULL);
        vetch_call_soon(settle_soon, NULL);
        vetch_await(vetch_deferred_promise(waited_for), NULL);
    }
    return NULL;
}

static vetch_promise *
empty(void *ctx)
{
    (void)ctx;
    count++;
    return NULL;
}

static vetch_promise *
spawn_many(void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < N / 100; i++) {
        for (int j = 0; j < 99; j++)
            vetch_promise_unref(vetch_spawn(empty, NULL));
        vetch_await(vetch_spawn(empty, NULL), NULL);
    }
    return NULL;
}

static void
task_bench(const char *name, vetch_task_fn body)
{
    double start;

    run(vetch_spawn(body, NULL));
    start = now();
    run(vetch_spawn(body, NULL));
    printf("%s %.2f ns\n", name, (now() - start) / N);
}

int
main(void)
{
    vetch_reactor *reactor = vetch_reactor_new();

    if (reactor == NULL)
        fail("no reactor");
    bytes_per_link();
    fan(N);
    report("promise_chain", chain_of_none(N), N);
    report("promise_chain_values", chain_of_values(N), N);
    report("promise_fan", fan(N), N);
    report("promise_chain_10k", many(chain_of_none), N);
    report("promise_fan_10k", many(fan), N);
    task_bench("await_ready", await_ready);
    task_bench("await_pending", await_pending);
    task_bench("task_spawn", spawn_many);
    vetch_reactor_unref(reactor);
    return 0;
}
