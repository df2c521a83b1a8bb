/* The doors from other threads: post and stop. To be run under the thread
 * sanitizer, too. */

#include "support/harness.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include <vetch/testing.h>

#define THREADS     4
#define PER_THREAD  5000
#define QUEUE_LIMIT 65536

/* What a thread posts: its number and a running number. */
struct letter {
    int thread, number;
};

static int next_number[THREADS];
static int n_run, n_out_of_order, n_wrong_thread;
static atomic_int n_freed;
static pthread_t reactor_thread;

static void
start_counting(void)
{
    int i;

    for (i = 0; i < THREADS; i++)
        next_number[i] = 0;
    n_run = n_out_of_order = n_wrong_thread = 0;
    atomic_store(&n_freed, 0);
    reactor_thread = pthread_self();
}

static void
run_letter(void *ctx)
{
    struct letter *l = ctx;

    n_run++;
    n_out_of_order += l->number != next_number[l->thread]++;
    n_wrong_thread += !pthread_equal(pthread_self(), reactor_thread);
    if (n_run == THREADS * PER_THREAD)
        vetch_reactor_stop(vt_reactor);
}

static void
free_letter(void *ctx)
{
    atomic_fetch_add(&n_freed, 1);
    free(ctx);
}

static void
count_freed(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&n_freed, 1);
}

static void
do_nothing(void *ctx)
{
    (void)ctx;
}

/* ---- one thread ---- */

VT_CASE("basics", vt_reactor_tcase, .set_up = start_counting);

static void
note_number(void *ctx)
{
    n_out_of_order += (int)(intptr_t)ctx != n_run++;
}

VT_TEST(post_runs_in_the_order_posted)
{
    int i;

    for (i = 0; i < 1000; i++)
        ck_assert_int_eq(vetch_reactor_post_owned(vt_reactor, note_number,
                                                  (void *)(intptr_t)i,
                                                  count_freed),
                         0);
    ck_assert_int_eq(n_run, 0); /* never inside the call */
    vt_run_ready();
    ck_assert_int_eq(n_run, 1000);
    ck_assert_int_eq(n_out_of_order, 0);
    ck_assert_int_eq(n_freed, 1000);
}

static void
post_again(void *ctx)
{
    if (++*(int *)ctx < 10)
        ck_assert_int_eq(
            vetch_reactor_post_owned(vt_reactor, post_again, ctx, count_freed),
            0);
}

VT_TEST(post_from_a_posted_callback)
{
    int n = 0;

    ck_assert_int_eq(
        vetch_reactor_post_owned(vt_reactor, post_again, &n, count_freed), 0);
    vt_run_ready();
    ck_assert_int_eq(n, 10);
    ck_assert_int_eq(n_freed, 10);
}

VT_TEST(post_is_refused_when_the_queue_is_full)
{
    int i;

    for (i = 0; i < QUEUE_LIMIT; i++) {
        if (vetch_reactor_post_owned(vt_reactor, vt_count, &n_run,
                                     count_freed) < 0)
            break;
    }
    ck_assert_int_eq(i, QUEUE_LIMIT);
    errno = 0;
    ck_assert_int_eq(
        vetch_reactor_post_owned(vt_reactor, vt_count, &n_run, count_freed),
        -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(n_freed, 0); /* on failure it stays the caller's */
    vt_run_ready();
    ck_assert_int_eq(n_run, QUEUE_LIMIT);
    ck_assert_int_eq(n_freed, QUEUE_LIMIT);
    ck_assert_int_eq(
        vetch_reactor_post_owned(vt_reactor, vt_count, &n_run, count_freed), 0);
    vt_run_ready();
    ck_assert_int_eq(n_run, QUEUE_LIMIT + 1);
}

static void
note_readable(vetch_descriptor *d, unsigned events, void *ctx)
{
    (void)events;
    *(int *)ctx = n_run;
    vetch_descriptor_cancel(d);
}

VT_TEST(post_flood_lets_descriptors_in)
{
    int fds[2], run_before = -1, i;
    vetch_descriptor *d;

    ck_assert_int_eq(pipe(fds), 0);
    for (i = 0; i < 10000; i++)
        vetch_reactor_post(vt_reactor, vt_count, &n_run);
    d = vetch_descriptor_new(fds[1], VETCH_WRITABLE, note_readable,
                             &run_before);
    vt_run_ready();
    ck_assert_int_eq(n_run, 10000);
    ck_assert_int_ge(run_before, 0);
    ck_assert_int_lt(run_before, 1000);
    vetch_descriptor_unref(d);
    close(fds[0]);
    close(fds[1]);
}

VT_TEST(post_ctx_is_freed_if_the_reactor_ends_first)
{
    int i;

    for (i = 0; i < 10; i++)
        vetch_reactor_post_owned(vt_reactor, vt_count, &n_run, count_freed);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_eq(n_run, 0);
    ck_assert_int_eq(n_freed, 10);
}

static int late_errno;

static void
post_late(void *ctx)
{
    errno = 0;
    ck_assert_int_eq(
        vetch_reactor_post_owned(ctx, do_nothing, NULL, count_freed), -1);
    late_errno = errno;
}

VT_TEST(post_is_refused_while_the_reactor_ends)
{
    vetch_reactor_post_owned(vt_reactor, do_nothing, vt_reactor, post_late);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_eq(late_errno, ECANCELED);
    ck_assert_int_eq(n_freed, 0);
}

VT_TEST(post_without_memory_is_refused)
{
    vetch_testing_fail_allocation(1, false);
    errno = 0;
    ck_assert_int_eq(
        vetch_reactor_post_owned(vt_reactor, vt_count, &n_run, count_freed),
        -1);
    ck_assert_int_eq(errno, ENOMEM);
    vetch_testing_fail_allocation(0, false);
    vt_run_ready();
    ck_assert_int_eq(n_run + n_freed, 0);
}

/* ---- several threads ---- */

VT_CASE("threads", vt_real_reactor_tcase, .set_up = start_counting);

static void *
post_many(void *arg)
{
    int number = 0;

    while (number < PER_THREAD) {
        struct letter *l = malloc(sizeof(*l));

        l->thread = *(int *)arg;
        l->number = number;
        if (vetch_reactor_post_owned(vt_reactor, run_letter, l, free_letter) ==
            0)
            number++;
        else
            free(l); /* the queue is full; the reactor is working on it */
    }
    return NULL;
}

/* Threads libuv #1595, libwebsockets #314, libhv #679: the one door that is
 * safe, with back-pressure. (LESSONS 14) */
VT_TEST(post_from_four_threads_loses_nothing)
{
    pthread_t threads[THREADS];
    int numbers[THREADS], i;

    for (i = 0; i < THREADS; i++) {
        numbers[i] = i;
        pthread_create(&threads[i], NULL, post_many, &numbers[i]);
    }
    ck_assert_int_eq(vetch_reactor_run(vt_reactor), 0);
    for (i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(n_run, THREADS * PER_THREAD);
    ck_assert_int_eq(n_out_of_order, 0);
    ck_assert_int_eq(n_wrong_thread, 0);
    ck_assert_int_eq(n_freed, THREADS * PER_THREAD);
}

static atomic_bool keep_posting;

static void *
post_until_told(void *arg)
{
    int *accepted = arg;

    while (atomic_load(&keep_posting)) {
        if (vetch_reactor_post_owned(vt_reactor, vt_count, &n_run,
                                     count_freed) == 0)
            ++*accepted;
    }
    return NULL;
}

static void
stop_later(vetch_timer *t, void *ctx)
{
    (void)ctx;
    vetch_timer_unref(t);
    vetch_reactor_stop(vt_reactor);
}

/* What is in the queue when the reactor ends is freed, what is refused is not:
 * each ctx exactly once. */
VT_TEST(post_against_the_end_frees_each_ctx_once)
{
    pthread_t threads[THREADS];
    int accepted[THREADS] = { 0 }, total = 0, i;

    atomic_store(&keep_posting, true);
    for (i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, post_until_told, &accepted[i]);
    ck_assert_ptr_nonnull(vetch_timer_new(0.02, stop_later, NULL));
    ck_assert_int_eq(vetch_reactor_run(vt_reactor), 0);
    atomic_store(&keep_posting, false);
    for (i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        total += accepted[i];
    }
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_gt(total, 0);
    ck_assert_int_eq(n_freed, total);
    ck_assert_int_le(n_run, total);
}

static void *
stop_it(void *arg)
{
    (void)arg;
    vetch_reactor_stop(vt_reactor);
    return NULL;
}

static void
start_stopper(void *ctx)
{
    pthread_create(ctx, NULL, stop_it, NULL);
}

/* By then the loop runs and has nothing else to wake up for. */
VT_TEST(stop_from_another_thread_ends_a_waiting_loop)
{
    pthread_t thread;

    ck_assert_int_eq(vetch_call_soon(start_stopper, &thread), 0);
    ck_assert_int_eq(vetch_reactor_run(vt_reactor), 0);
    pthread_join(thread, NULL);
}

VT_TEST(stop_from_four_threads_ends_the_run)
{
    pthread_t threads[THREADS];
    int i, round;

    for (round = 0; round < 50; round++) {
        for (i = 0; i < THREADS; i++)
            pthread_create(&threads[i], NULL, stop_it, NULL);
        ck_assert_int_eq(vetch_reactor_run(vt_reactor), 0);
        for (i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        /* Those that came too late stop the next run. */
    }
}
