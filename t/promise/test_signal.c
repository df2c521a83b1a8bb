/* vetch_signal(): deliveries as promises, with real signals. */

#include "support/harness.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vetch/testing.h>

struct outcome {
    int settled;
    intptr_t signum;
    int code;
};

static void
done(const vetch_error *error, void *result, void *ctx)
{
    struct outcome *o = ctx;

    o->settled++;
    o->signum = (intptr_t)result;
    o->code = vetch_error_code(error);
}

static struct outcome
outcome_of(vetch_promise *p)
{
    struct outcome o = { 0 };

    vetch_callback(p, done, &o);
    vt_run_ready();
    return o;
}

/* ---- basics ---- */

VT_CASE("basics", vt_reactor_tcase);

VT_TEST(signal_fulfils_with_its_number)
{
    struct outcome o = { 0 };

    vetch_callback(vetch_signal(SIGUSR1), done, &o);
    vt_run_ready();
    ck_assert_int_eq(o.settled, 0);
    raise(SIGUSR1);
    vt_run_ready();
    ck_assert_int_eq(o.settled, 1);
    ck_assert_int_eq((int)o.signum, SIGUSR1);
    ck_assert_int_eq(o.code, 0);
}

VT_TEST(signal_between_two_calls_is_kept)
{
    struct outcome o = { 0 };

    vetch_callback(vetch_signal(SIGUSR1), done, &o);
    raise(SIGUSR1);
    vt_run_ready();
    raise(SIGUSR1);
    vt_run_ready();
    raise(SIGUSR1);
    vt_run_ready();
    ck_assert_int_eq(o.settled, 1);
    ck_assert_int_eq((int)outcome_of(vetch_signal(SIGUSR1)).signum, SIGUSR1);
    ck_assert_int_eq((int)outcome_of(vetch_signal(SIGUSR1)).signum, SIGUSR1);
    vetch_callback(vetch_signal(SIGUSR1), done, &o);
    vt_run_ready();
    ck_assert_int_eq(o.settled, 1); /* there were two only */
    raise(SIGUSR1);
    vt_run_ready();
    ck_assert_int_eq(o.settled, 2);
}

VT_TEST(signal_reaches_all_that_wait_for_it)
{
    struct outcome one = { 0 }, two = { 0 }, other = { 0 };
    vetch_promise *usr2 = vetch_signal(SIGUSR2);

    vetch_callback(vetch_signal(SIGUSR1), done, &one);
    vetch_callback(vetch_signal(SIGUSR1), done, &two);
    vetch_callback(vetch_promise_ref(usr2), done, &other);
    raise(SIGUSR1);
    vt_run_ready();
    ck_assert_int_eq(one.settled, 1);
    ck_assert_int_eq(two.settled, 1);
    ck_assert_int_eq(other.settled, 0);
    vetch_promise_cancel(usr2);
    vt_run_ready();
    vetch_promise_unref(usr2);
}

VT_TEST(signal_flood_keeps_a_thousand)
{
    struct outcome o = { 0 };
    vetch_promise *p = vetch_signal(SIGUSR1);
    int i;

    raise(SIGUSR1);
    vt_run_ready();
    vetch_promise_unref(p);
    for (i = 0; i < 1100; i++) {
        raise(SIGUSR1);
        vt_run_ready();
    }
    for (i = 0; i < 1000; i++)
        ck_assert_int_eq((int)outcome_of(vetch_signal(SIGUSR1)).settled, 1);
    p = vetch_signal(SIGUSR1);
    vetch_callback(vetch_promise_ref(p), done, &o);
    vt_run_ready();
    ck_assert_int_eq(o.settled, 0);
    vetch_promise_cancel(p);
    vetch_promise_unref(p);
    vt_run_ready();
}

/* ---- errors ---- */

VT_CASE("errors", vt_reactor_tcase);

VT_TEST(signal_must_be_one_that_can_be_caught)
{
    static const int wrong[] = { 0, -1, NSIG, 100000, SIGKILL, SIGSTOP };
    size_t i;

    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ck_assert_int_eq(outcome_of(vetch_signal(wrong[i])).code, EINVAL);
}

static void *
ask_on_another_thread(void *arg)
{
    vetch_reactor *r = vetch_reactor_new();
    vetch_promise *p = vetch_signal(SIGUSR2);

    *(int *)arg = vetch_error_code(vetch_promise_error(p));
    vetch_promise_unref(p);
    vetch_reactor_unref(r);
    return NULL;
}

VT_TEST(signals_belong_to_one_reactor)
{
    vetch_promise *p = vetch_signal(SIGUSR1);
    pthread_t thread;
    int code = 0;

    pthread_create(&thread, NULL, ask_on_another_thread, &code);
    pthread_join(thread, NULL);
    ck_assert_int_eq(code, EBUSY);
    vetch_promise_cancel(p);
    vetch_promise_unref(p);
    vt_run_ready();
}

VT_TEST(signals_are_free_again_when_their_reactor_has_ended)
{
    vetch_promise *p = vetch_signal(SIGUSR1);
    pthread_t thread;
    int code = -1;

    vetch_promise_cancel(p);
    vetch_promise_unref(p);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    pthread_create(&thread, NULL, ask_on_another_thread, &code);
    pthread_join(thread, NULL);
    ck_assert_int_eq(code, 0);
}

/* The child's own reactor gets the signal, the parent's does not. */
static int
use_in_child(void)
{
    struct outcome o = { 0 };

    vetch_reactor_unref(vt_reactor);
    if (vetch_reactor_new() == NULL)
        return 1;
    vetch_callback(vetch_signal(SIGUSR1), done, &o);
    raise(SIGUSR1);
    vt_run_ready();
    return o.settled == 1 && o.signum == SIGUSR1 ? 0 : 2;
}

/* Thread libuv PR #846: delivered to both. (LESSONS 12) */
VT_TEST(signals_of_a_forked_child_are_its_own)
{
    struct outcome o = { 0 };
    vetch_promise *p = vetch_signal(SIGUSR1);
    int result = -1, results[2];
    pid_t pid;

    vetch_callback(vetch_promise_ref(p), done, &o);
    ck_assert_int_eq(pipe(results), 0);
    pid = fork();
    if (pid == 0) {
        result = use_in_child();
        if (write(results[1], &result, sizeof(result)) < 0)
            abort();
        kill(getpid(), SIGKILL); /* a leak checker would find what it left */
    }
    close(results[1]);
    ck_assert_int_eq((int)read(results[0], &result, sizeof(result)),
                     (int)sizeof(result));
    close(results[0]);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_int_eq(result, 0);
    vt_run_ready();
    ck_assert_int_eq(o.settled, 0);
    raise(SIGUSR1);
    vt_run_ready();
    ck_assert_int_eq(o.settled, 1);
    vetch_promise_unref(p);
}

/* ---- cancelling ---- */

VT_CASE("cancel", vt_reactor_tcase);

VT_TEST(signal_cancelled_leaves_nothing)
{
    struct outcome o = { 0 };
    vetch_promise *p = vetch_signal(SIGUSR1);

    vetch_callback(vetch_promise_ref(p), done, &o);
    vetch_promise_unref(p);
    ck_assert_uint_gt(vt_live_objects(), 0);
    p = vetch_signal(SIGUSR1);
    vetch_promise_cancel(p);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(p)), VETCH_ECANCELED);
    vetch_promise_unref(p);
    raise(SIGUSR1);
    vt_run_ready();
    ck_assert_int_eq(o.settled, 1);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

/* The way programs use it: work until Ctrl-C. */
VT_TEST(signal_in_a_race_that_it_loses_leaves_nothing)
{
    vetch_promise *race[] = { vetch_sleep(1), vetch_signal(SIGINT) };
    struct outcome o = { 0 };

    vetch_callback(vetch_race(race, 2), done, &o);
    vt_advance(1);
    ck_assert_int_eq(o.settled, 1);
    ck_assert_int_eq(o.code, 0);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(signal_in_a_race_that_it_wins_cancels_the_work)
{
    vetch_promise *race[] = { vetch_sleep(1), vetch_signal(SIGINT) };
    struct outcome o = { 0 };

    vetch_callback(vetch_race(race, 2), done, &o);
    raise(SIGINT);
    vt_run_ready();
    ck_assert_int_eq(o.settled, 1);
    ck_assert_int_eq((int)o.signum, SIGINT);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(signal_pending_at_the_end_is_cancelled)
{
    struct outcome o = { 0 };

    vetch_callback(vetch_signal(SIGUSR1), done, &o);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_eq(o.settled, 1);
    ck_assert_int_ne(o.code, 0);
}

static void
on_usr1(int signum)
{
    (void)signum;
}

/* As nohup(1) leaves SIGHUP: a program that asks for it wants it. */
VT_TEST(signal_that_was_ignored_is_caught_until_the_reactor_ends)
{
    struct outcome o = { 0 };
    struct sigaction after;

    signal(SIGUSR1, SIG_IGN);
    vetch_callback(vetch_signal(SIGUSR1), done, &o);
    raise(SIGUSR1);
    vt_run_ready();
    ck_assert_int_eq((int)o.signum, SIGUSR1);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    sigaction(SIGUSR1, NULL, &after);
    ck_assert(after.sa_handler == SIG_IGN);
    raise(SIGUSR1);
    signal(SIGUSR1, SIG_DFL);
}

VT_TEST(signal_acts_as_before_when_the_reactor_has_ended)
{
    struct sigaction before;
    vetch_promise *p;

    signal(SIGUSR1, on_usr1);
    p = vetch_signal(SIGUSR1);
    sigaction(SIGUSR1, NULL, &before);
    ck_assert(before.sa_handler != on_usr1);
    vetch_promise_cancel(p);
    vetch_promise_unref(p);
    vt_run_ready();
    vt_reactor = vetch_reactor_unref(vt_reactor);
    sigaction(SIGUSR1, NULL, &before);
    ck_assert(before.sa_handler == on_usr1);
    signal(SIGUSR1, SIG_DFL);
}

static void *
raise_many(void *arg)
{
    int i;

    for (i = 0; i < 500; i++)
        kill(getpid(), SIGUSR1);
    return arg;
}

/* Under the thread sanitizer, too. */
VT_TEST(signal_that_was_ignored_is_delivered_and_ignored_again)
{
    struct sigaction now;

    signal(SIGHUP, SIG_IGN);
    vetch_promise_unref(vetch_signal(SIGHUP));
    raise(SIGHUP);
    vt_run_ready();
    raise(SIGHUP);
    vt_run_ready();
    ck_assert_int_eq((int)outcome_of(vetch_signal(SIGHUP)).signum, SIGHUP);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    sigaction(SIGHUP, NULL, &now);
    ck_assert(now.sa_handler == SIG_IGN);
}

VT_CASE("basics", vt_reactor_tcase);

VT_TEST(signals_caught_on_other_threads_arrive)
{
    struct outcome o = { 0 };
    vetch_promise *p = vetch_signal(SIGUSR1);
    pthread_t threads[4];
    int i, n = 0;

    raise(SIGUSR1);
    for (i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, raise_many, NULL);
    for (i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    vetch_callback(p, done, &o);
    vt_run_ready();
    for (i = 0; i < 3000; i++) {
        vetch_promise *again = vetch_signal(SIGUSR1);

        vetch_promise_cancel(again); /* the one that is pending */
        n += vetch_promise_value(again) != NULL;
        vetch_promise_unref(again);
    }
    ck_assert_int_eq(o.settled, 1);
    ck_assert_int_ge(n, 1); /* the kernel merges those that are pending */
    ck_assert_int_le(n, 1000);
    vt_run_ready();
}

/* ---- out of memory ---- */

VT_CASE("memory", vt_tcase);

static void
ask_twice(bool unharmed)
{
    vetch_reactor *r = vetch_reactor_new();
    struct outcome one = { 0 }, two = { 0 };

    if (r == NULL)
        return;
    vetch_callback(vetch_signal(SIGUSR1), done, &one);
    vetch_callback(vetch_signal(SIGUSR1), done, &two);
    vt_run_ready();
    vetch_reactor_unref(r);
    ck_assert_int_eq(one.settled, 1);
    ck_assert_int_eq(two.settled, 1);
    ck_assert_int_ne(one.code, 0);
    ck_assert(!unharmed || one.code == VETCH_ECANCELED);
}

VT_TEST(signal_survives_each_failed_allocation)
{
    vt_sweep_allocations(ask_twice);
}

/* ---- rule 14: a delivery that nobody got is delivered again ---- */

VT_CASE("rule 14", vt_reactor_tcase);

static struct outcome
kept_signal(void)
{
    return outcome_of(vetch_signal(SIGUSR1));
}

static void
expect_nothing_kept(void)
{
    vetch_promise *p = vetch_signal(SIGUSR1);

    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vetch_promise_cancel(p);
    vetch_promise_unref(p);
}

VT_TEST(rule_14_signal_that_was_kept_is_kept_again)
{
    struct outcome o = { 0 };

    vetch_callback(vetch_signal(SIGUSR1), done, &o);
    raise(SIGUSR1);
    vt_run_ready();
    raise(SIGUSR1);
    vt_run_ready();
    vetch_promise_unref(vetch_signal(SIGUSR1));
    ck_assert_int_eq((int)kept_signal().signum, SIGUSR1);
    expect_nothing_kept();
}

VT_TEST(rule_14_signal_to_a_promise_that_nobody_holds_is_kept)
{
    vetch_promise_unref(vetch_signal(SIGUSR1));
    raise(SIGUSR1);
    vt_run_ready();
    ck_assert_int_eq((int)kept_signal().signum, SIGUSR1);
}

VT_TEST(rule_14_signal_is_kept_if_none_of_those_that_waited_got_it)
{
    struct outcome o = { 0 };
    vetch_promise *one = vetch_signal(SIGUSR1), *two = vetch_signal(SIGUSR1);

    raise(SIGUSR1);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(one), VETCH_FULFILLED);
    vetch_promise_unref(one);
    vetch_callback(vetch_signal(SIGUSR1), done, &o);
    vt_run_ready();
    ck_assert_int_eq(o.settled, 0); /* the other may still get it */
    vetch_promise_unref(two);
    vt_run_ready();
    ck_assert_int_eq((int)o.signum, SIGUSR1);
}

VT_TEST(rule_14_signal_is_over_if_one_of_those_that_waited_got_it)
{
    vetch_promise *one = vetch_signal(SIGUSR1), *two = vetch_signal(SIGUSR1);

    raise(SIGUSR1);
    vt_run_ready();
    ck_assert_int_eq((int)(intptr_t)vetch_promise_value(two), SIGUSR1);
    vetch_promise_unref(two);
    vetch_promise_unref(one);
    expect_nothing_kept();
}

VT_TEST(rule_14_signal_may_be_dropped_after_the_end_of_its_reactor)
{
    vetch_promise *p = vetch_signal(SIGUSR1);

    raise(SIGUSR1);
    vt_run_ready();
    vetch_reactor_unref(vt_reactor);
    vt_reactor = NULL;
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    vetch_promise_unref(p);
}
