/* The executor: what a no-op job costs from submit to the promise's handler,
 * with 1 and with 64 jobs in flight on 4 threads.  Lines "test value unit". */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <vetch.h>

static vetch_executor *executor;
static long left, to_submit;

static void *
no_op(void *arg, vetch_error **ret_error)
{
    (void)ret_error;
    return arg;
}

static void submit(void);

static void
done(const vetch_error *error, void *result, void *ctx)
{
    (void)result;
    (void)ctx;
    if (error != NULL)
        abort();
    if (to_submit > 0) {
        to_submit--;
        submit();
    }
    if (--left == 0)
        vetch_reactor_stop(vetch_reactor_current());
}

static void
submit(void)
{
    vetch_callback(vetch_executor_submit(executor, no_op, NULL, NULL), done,
                   NULL);
}

static double
now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void
run(int in_flight, long n, int report)
{
    double start = now();
    int i;

    left = n;
    to_submit = n - in_flight;
    for (i = 0; i < in_flight; i++)
        submit();
    vetch_reactor_run(vetch_reactor_current());
    if (report)
        printf("pool_%d_in_flight %.0f ns\n", in_flight,
               (now() - start) / (double)n);
}

int
main(void)
{
    vetch_reactor *r = vetch_reactor_new();

    if (r == NULL)
        return EXIT_FAILURE;
    executor = vetch_executor_new(NULL);
    if (executor == NULL)
        return EXIT_FAILURE;
    run(64, 1000, 0); /* warms up, starts the threads */
    run(1, 100000, 1);
    run(64, 500000, 1);
    vetch_executor_unref(executor);
    vetch_reactor_unref(r);
    return EXIT_SUCCESS;
}
