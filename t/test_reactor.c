/* The reactor: making, running, ending; the ready queue; loops of others. */

#include "harness.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <vetch/testing.h>

#include "reactor/reactor-private.h"

static int n_run, n_freed;

static void
reset(void)
{
    n_run = n_freed = 0;
}

static void
count_freed(void *ctx)
{
    (void)ctx;
    n_freed++;
}

static void
stop(void *ctx)
{
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
hold_20_ms(void *ctx)
{
    uint64_t until = real_ns() + 20000000;

    (void)ctx;
    while (real_ns() < until)
        ;
}

/* ---- one per thread ---- */

START_TEST(reactor_belongs_to_its_thread)
{
    ck_assert_ptr_eq(vetch_reactor_current(), vt_reactor);
    errno = 0;
    ck_assert_ptr_null(vetch_reactor_new());
    ck_assert_int_eq(errno, EBUSY);
}
END_TEST

static void *
use_own_reactor(void *arg)
{
    vetch_reactor *r;
    int n = 0;

    if (vetch_reactor_current() != NULL)
        return NULL;
    r = vetch_reactor_new();
    if (r == NULL || r == vt_reactor || vetch_reactor_current() != r)
        return NULL;
    vetch_testing_virtual_clock();
    if (vetch_call_soon(vt_count, &n) == 0)
        vetch_testing_run_ready();
    vetch_reactor_unref(r);
    return n == 1 && vetch_reactor_current() == NULL ? arg : NULL;
}

START_TEST(reactor_of_another_thread_is_another)
{
    pthread_t thread;
    void *result = NULL;

    pthread_create(&thread, NULL, use_own_reactor, &n_run);
    pthread_join(thread, &result);
    ck_assert_ptr_eq(result, &n_run);
}
END_TEST

static void *
use_foreign_reactor(void *arg)
{
    errno = 0;
    *(int *)arg = vetch_reactor_run(vt_reactor) < 0 ? errno : 0;
    return NULL;
}

/* Threads libuv #1595 #4907, help #117; libwebsockets #2510 #2549; mongoose
 * #2532 #3253; libhv #679: said at once, not by a crash far away. (LESSONS 14)
 */
START_TEST(reactor_use_on_a_wrong_thread_is_refused_and_named)
{
    pthread_t thread;
    int seen = 0;

    pthread_create(&thread, NULL, use_foreign_reactor, &seen);
    pthread_join(thread, NULL);
    ck_assert_int_eq(seen, EPERM);
    ck_assert_str_eq(vt_log_take(), "");
    vetch_reactor_set_debug(vt_reactor, true);
    pthread_create(&thread, NULL, use_foreign_reactor, &seen);
    pthread_join(thread, NULL);
    ck_assert_int_eq(seen, EPERM);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "not its own"));
}
END_TEST

START_TEST(reactor_references_keep_it)
{
    ck_assert_ptr_eq(vetch_reactor_ref(vt_reactor), vt_reactor);
    ck_assert_ptr_null(vetch_reactor_unref(vt_reactor));
    ck_assert_ptr_eq(vetch_reactor_current(), vt_reactor);
    ck_assert_ptr_null(vetch_reactor_ref(NULL));
    ck_assert_ptr_null(vetch_reactor_unref(NULL));
}
END_TEST

START_TEST(reactor_can_be_made_again)
{
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_ptr_null(vetch_reactor_current());
    vt_reactor = vetch_reactor_new();
    ck_assert_ptr_nonnull(vt_reactor);
    ck_assert_ptr_eq(vetch_reactor_current(), vt_reactor);
}
END_TEST

/* ---- SIGPIPE ---- */

static volatile sig_atomic_t n_sigpipe;

static void
on_sigpipe(int signum)
{
    (void)signum;
    n_sigpipe++;
}

static int
write_to_nobody(void)
{
    int fds[2], result;

    ck_assert_int_eq(pipe(fds), 0);
    close(fds[0]);
    errno = 0;
    result = write(fds[1], "x", 1) < 0 ? errno : 0;
    close(fds[1]);
    return result;
}

/* Threads libuv #45 #1013 #3044, joyent/libuv #1244 #1535: a broken pipe is an
 * error, not death. (LESSONS 11) */
START_TEST(reactor_ignores_sigpipe)
{
    vetch_reactor *r;

    signal(SIGPIPE, SIG_DFL);
    r = vetch_reactor_new();
    ck_assert_int_eq(write_to_nobody(), EPIPE);
    vetch_reactor_unref(r);
    ck_assert_int_eq(write_to_nobody(), EPIPE);
}
END_TEST

START_TEST(reactor_leaves_a_sigpipe_handler_alone)
{
    vetch_reactor *r;

    signal(SIGPIPE, on_sigpipe);
    r = vetch_reactor_new();
    ck_assert_int_eq(write_to_nobody(), EPIPE);
    ck_assert_int_eq(n_sigpipe, 1);
    vetch_reactor_unref(r);
    signal(SIGPIPE, SIG_DFL);
}
END_TEST

/* ---- running ---- */

START_TEST(reactor_runs_until_stopped)
{
    ck_assert_int_eq(vetch_call_soon(vt_count, &n_run), 0);
    ck_assert_int_eq(vetch_call_soon(stop, NULL), 0);
    ck_assert_int_eq(vetch_reactor_run(vt_reactor), 0);
    ck_assert_int_eq(n_run, 1);
}
END_TEST

START_TEST(reactor_stopped_before_it_runs_does_not_run)
{
    vetch_call_soon(vt_count, &n_run);
    vetch_reactor_stop(vt_reactor);
    ck_assert_int_eq(vetch_reactor_run(vt_reactor), 0);
    ck_assert_int_eq(n_run, 0);
    vetch_call_soon(stop, NULL);
    ck_assert_int_eq(vetch_reactor_run(vt_reactor), 0); /* one run only */
    ck_assert_int_eq(n_run, 1);
}
END_TEST

static void
run_nested(void *ctx)
{
    errno = 0;
    *(int *)ctx = vetch_reactor_run(vt_reactor) < 0 ? errno : 0;
    vetch_reactor_stop(vt_reactor);
}

START_TEST(reactor_run_inside_a_callback_is_refused)
{
    int seen = 0;

    vetch_call_soon(run_nested, &seen);
    ck_assert_int_eq(vetch_reactor_run(vt_reactor), 0);
    ck_assert_int_eq(seen, EDEADLK);
}
END_TEST

static void
raise_flag(void *ctx)
{
    *(bool *)ctx = true;
}

START_TEST(reactor_run_until_a_flag_is_up)
{
    bool flag = false;

    vetch_call_soon(raise_flag, &flag);
    ck_assert_int_eq(vetch__reactor_run_until(vt_reactor, &flag), 0);
    ck_assert(flag);
    ck_assert_int_eq(vetch__reactor_run_until(vt_reactor, &flag), 0);
}
END_TEST

START_TEST(reactor_stop_does_not_end_waiting_for_a_flag)
{
    bool flag = false;

    vetch_call_soon(stop, NULL);
    vetch_reactor_post(vt_reactor, vt_count, &n_run, NULL);
    vetch_reactor_post(vt_reactor, raise_flag, &flag, NULL);
    ck_assert_int_eq(vetch__reactor_run_until(vt_reactor, &flag), 0);
    ck_assert(flag);
    ck_assert_int_eq(vetch_reactor_run(vt_reactor), 0); /* that is stopped */
}
END_TEST

/* ---- the ready queue ---- */

static int order[64], n_order;

static void
note(void *ctx)
{
    order[n_order++] = (int)(intptr_t)ctx;
}

START_TEST(call_soon_runs_in_order_and_not_inside_the_call)
{
    int i;

    n_order = 0;
    for (i = 0; i < 50; i++)
        ck_assert_int_eq(vetch_call_soon(note, (void *)(intptr_t)i), 0);
    ck_assert_int_eq(n_order, 0);
    vt_run_ready();
    ck_assert_int_eq(n_order, 50);
    for (i = 0; i < 50; i++)
        ck_assert_int_eq(order[i], i);
}
END_TEST

START_TEST(call_soon_owned_ctx_is_freed_after_the_call)
{
    vetch_call_soon_owned(vt_count, &n_run, count_freed);
    ck_assert_int_eq(n_freed, 0);
    vt_run_ready();
    ck_assert_int_eq(n_run, 1);
    ck_assert_int_eq(n_freed, 1);
}
END_TEST

START_TEST(call_soon_needs_a_reactor)
{
    errno = 0;
    ck_assert_int_eq(vetch_call_soon(vt_count, &n_run), -1);
    ck_assert_int_eq(errno, EPERM);
}
END_TEST

static int nesting, deepest;

static void note_nested_timer(vetch_timer *t, void *ctx);

static void
note_nested(void *ctx)
{
    int *left = ctx;

    deepest = ++nesting > deepest ? nesting : deepest;
    if (--*left > 0) {
        vetch_call_soon(note_nested, left);
        vetch_reactor_post(vt_reactor, note_nested, left, NULL);
        vetch_timer_unref(vetch_timer_new(0, note_nested_timer, left));
    }
    nesting--;
}

static void
note_nested_timer(vetch_timer *t, void *ctx)
{
    (void)t;
    note_nested(ctx);
}

/* Threads curl #3537, #5354, libhv #424: the API may be called from each
 * callback, and none runs inside another. (LESSONS 31) */
START_TEST(callbacks_never_nest)
{
    int left = 1000;

    deepest = 0;
    vetch_call_soon(note_nested, &left);
    vt_run_ready();
    ck_assert_int_le(left, 0);
    ck_assert_int_eq(deepest, 1);
}
END_TEST

struct chain {
    int left;
    int io_calls;
    int io_calls_at_end;
};

static void
chain_on(void *ctx)
{
    struct chain *c = ctx;

    if (--c->left > 0)
        vetch_call_soon(chain_on, c);
    else
        c->io_calls_at_end = c->io_calls;
}

static void
count_io(vetch_descriptor *d, unsigned events, void *ctx)
{
    struct chain *c = ctx;

    (void)events;
    c->io_calls++;
    if (c->left <= 0)
        vetch_descriptor_cancel(d);
}

static void
run_beside_a_descriptor(struct chain *c)
{
    vetch_descriptor *d;
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    d = vetch_descriptor_new(fds[1], VETCH_WRITABLE, count_io, c);
    vt_run_ready();
    vetch_descriptor_unref(d);
    close(fds[0]);
    close(fds[1]);
}

static struct chain
run_chain(int length)
{
    struct chain c = { .left = length };

    vetch_call_soon(chain_on, &c);
    run_beside_a_descriptor(&c);
    return c;
}

START_TEST(call_soon_chain_does_not_starve_descriptors)
{
    struct chain c = run_chain(100000);

    ck_assert_int_le(c.left, 0);
    ck_assert_int_ge(c.io_calls_at_end, 10);
}
END_TEST

/* A hundred calls, then a flush, which makes the next hundred, and so on. */
struct relay {
    struct vetch__flush flush;
    struct chain chain;
    int in_round;
};

static void
relay_on(void *ctx)
{
    struct relay *relay = ctx;

    if (--relay->chain.left == 0)
        relay->chain.io_calls_at_end = relay->chain.io_calls;
    if (--relay->in_round == 0 && relay->chain.left > 0)
        vetch__flush_later(vt_reactor, &relay->flush);
}

static void
relay_round(struct vetch__flush *flush)
{
    struct relay *relay = vetch__container(flush, struct relay, flush);

    for (relay->in_round = 0; relay->in_round < 100; relay->in_round++)
        vetch_call_soon(relay_on, relay);
}

START_TEST(flushes_that_make_calls_do_not_starve_descriptors)
{
    struct relay relay = { .flush.fn = relay_round, .chain.left = 100000 };

    vetch__flush_later(vt_reactor, &relay.flush);
    run_beside_a_descriptor(&relay.chain);
    ck_assert_int_eq(relay.chain.left, 0);
    ck_assert_int_ge(relay.chain.io_calls_at_end, 10);
}
END_TEST

/* The descriptor is always ready: each poll would show. */
START_TEST(call_soon_below_the_bound_costs_no_poll)
{
    struct chain c = run_chain(1000);

    ck_assert_int_le(c.left, 0);
    ck_assert_int_le(c.io_calls_at_end, 1);
}
END_TEST

/* ---- the clock ---- */

static void
check_same_time(void *ctx)
{
    double first = vetch_now();

    hold_20_ms(NULL);
    *(bool *)ctx = vetch_now() == first;
}

static void
check_later(vetch_timer *t, void *ctx)
{
    *(double *)ctx = vetch_now();
    vetch_timer_unref(t);
    vetch_reactor_stop(vt_reactor);
}

START_TEST(clock_stands_still_during_a_turn_and_moves_between)
{
    double before = vetch_now(), after = 0;
    bool same = false;

    vetch_call_soon(check_same_time, &same);
    ck_assert_ptr_nonnull(vetch_timer_new(0.03, check_later, &after));
    ck_assert_int_eq(vetch_reactor_run(vt_reactor), 0);
    ck_assert(same);
    ck_assert_double_ge(after - before, 0.029);
}
END_TEST

START_TEST(clock_can_be_virtual)
{
    double before = vetch_now();

    hold_20_ms(NULL);
    ck_assert_double_eq(vetch_now(), before);
    vt_advance(3600);
    ck_assert_double_eq_tol(vetch_now() - before, 3600, 1e-6);
}
END_TEST

START_TEST(clock_runs_without_a_reactor)
{
    double before = vetch_now();

    hold_20_ms(NULL);
    ck_assert_double_ge(vetch_now() - before, 0.0199);
}
END_TEST

/* ---- debugging ---- */

static void
hold_and_stop(vetch_timer *t, void *ctx)
{
    hold_20_ms(ctx);
    vetch_timer_unref(t);
    stop(ctx);
}

START_TEST(slow_callback_is_named)
{
    const char *logged;

    vetch_reactor_set_debug(vt_reactor, true);
    vetch_reactor_set_slow_limit(vt_reactor, 0.01);
    vetch_call_soon(hold_20_ms, NULL);
    vetch_call_soon(stop, NULL);
    vetch_reactor_run(vt_reactor);
    logged = vt_log_take();
    ck_assert_ptr_nonnull(strstr(logged, "slow callback: "));
    ck_assert_ptr_nonnull(strstr(logged, "test_reactor"));
    ck_assert_ptr_eq(strchr(logged, '\n'), strrchr(logged, '\n'));
}
END_TEST

START_TEST(slow_timer_and_post_are_named)
{
    const char *logged;

    vetch_reactor_set_debug(vt_reactor, true);
    vetch_reactor_set_slow_limit(vt_reactor, 0.01);
    ck_assert_ptr_nonnull(vetch_timer_new(0.001, hold_and_stop, NULL));
    vetch_reactor_post(vt_reactor, hold_20_ms, NULL, NULL);
    vetch_reactor_run(vt_reactor);
    logged = strstr(vt_log_take(), "slow callback: ");
    ck_assert_ptr_nonnull(logged);
    ck_assert_ptr_nonnull(strstr(logged + 1, "slow callback: "));
}
END_TEST

START_TEST(slow_callback_is_nobody_s_business_without_debug)
{
    vetch_reactor_set_slow_limit(vt_reactor, 0.01);
    vetch_call_soon(hold_20_ms, NULL);
    vetch_call_soon(stop, NULL);
    vetch_reactor_run(vt_reactor);
    ck_assert_str_eq(vt_log_take(), "");
}
END_TEST

/* Read when the reactor is made. */
START_TEST(slow_callback_is_named_when_the_environment_asks)
{
    vt_reactor = vetch_reactor_unref(vt_reactor);
    setenv("VETCH_DEBUG", "1", 1);
    vt_reactor = vetch_reactor_new();
    unsetenv("VETCH_DEBUG");
    vetch_reactor_set_slow_limit(vt_reactor, 0.01);
    vetch_call_soon(hold_20_ms, NULL);
    vetch_call_soon(stop, NULL);
    vetch_reactor_run(vt_reactor);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "slow callback: "));
}
END_TEST

START_TEST(slow_limit_is_a_tenth_of_a_second)
{
    vetch_reactor_set_debug(vt_reactor, true);
    vetch_call_soon(hold_20_ms, NULL);
    vetch_call_soon(stop, NULL);
    vetch_reactor_run(vt_reactor);
    ck_assert_str_eq(vt_log_take(), "");
}
END_TEST

START_TEST(function_names_are_those_of_the_dynamic_linker)
{
    char name[VETCH__FUNCTION_NAME];

    vetch__function_name((const void *)(uintptr_t)strtol, name);
    ck_assert_ptr_nonnull(strstr(name, "strtol"));
    vetch__function_name((const void *)(uintptr_t)hold_20_ms, name);
    ck_assert_ptr_nonnull(strstr(name, "test_reactor+0x"));
}
END_TEST

/* ---- fork ---- */

static void
watch_and_count(vetch_descriptor *d, unsigned events, void *ctx)
{
    char c;
    int *n = ctx;

    (void)d;
    (void)events;
    *n += read(n[1], &c, 1) == 1;
}

/* In the child nothing may touch the loop, which the parent shares. */
static int
misuse_in_child(void)
{
    vt_log_take();
    vetch_reactor_set_debug(vt_reactor, true);
    if (vetch_reactor_run(vt_reactor) != -1 || errno != EPERM)
        return 1;
    if (strstr(vt_log_take(), "forked") == NULL)
        return 2;
    vt_log_from(VETCH_LOG_DEBUG);
    vetch_reactor_unref(vt_reactor);
    if (strstr(vt_log_take(), "left alone") == NULL)
        return 3;
    return vetch_reactor_current() == NULL ? 0 : 4;
}

/* Threads libuv #3185 #3483, PR #846; libevent #307 #319: a reactor stays with
 * the process that made it; its use in the child is said, and hurts nobody.
 * (LESSONS 12) */
START_TEST(reactor_in_a_forked_child_is_refused)
{
    int n[2] = { 0 }, fds[2], results[2], result = -1;
    vetch_descriptor *d;
    pid_t pid;

    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(pipe(results), 0);
    n[1] = fds[0];
    d = vetch_descriptor_new(fds[0], VETCH_READABLE, watch_and_count, n);
    pid = fork();
    if (pid == 0) {
        result = misuse_in_child();
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
    ck_assert_int_eq((int)write(fds[1], "x", 1), 1);
    vt_run_ready();
    ck_assert_int_eq(n[0], 1); /* the parent's watch is as it was */
    vetch_descriptor_cancel(d);
    vetch_descriptor_unref(d);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

/* ---- the end ---- */

START_TEST(end_drains_the_ready_queue)
{
    vetch_call_soon_owned(vt_count, &n_run, count_freed);
    vetch_call_soon_owned(vt_count, &n_run, count_freed);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_eq(n_run, 2);
    ck_assert_int_eq(n_freed, 2);
}
END_TEST

START_TEST(end_runs_ten_thousand_callbacks_at_most)
{
    int i;

    for (i = 0; i < 25000; i++)
        vetch_call_soon_owned(vt_count, &n_run, count_freed);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_eq(n_run, 10000);
    ck_assert_int_eq(n_freed, 25000);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "15000 callbacks"));
}
END_TEST

static int end_errno;

static void
try_call_soon(void *ctx)
{
    (void)ctx;
    errno = 0;
    if (vetch_call_soon(vt_count, &n_run) < 0)
        end_errno = errno;
}

START_TEST(end_refuses_new_operations)
{
    end_errno = 0;
    vetch_call_soon(try_call_soon, NULL);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_eq(end_errno, ECANCELED);
    ck_assert_int_eq(n_run, 0);
}
END_TEST

static void
drop_reactor(void *ctx)
{
    (void)ctx;
    vetch_reactor_unref(vt_reactor);
    ck_assert_ptr_eq(vetch_reactor_current(), vt_reactor); /* not yet */
}

START_TEST(end_inside_a_callback_waits_for_its_return)
{
    vetch_reactor *r = vt_reactor;

    vetch_call_soon(drop_reactor, NULL);
    vetch_call_soon_owned(vt_count, &n_run, count_freed);
    ck_assert_int_eq(vetch_reactor_run(r), 0);
    ck_assert_ptr_null(vetch_reactor_current());
    ck_assert_int_eq(n_run, 1);
    ck_assert_int_eq(n_freed, 1);
    vt_reactor = NULL;
}
END_TEST

struct member {
    struct vetch__member member;
    int ended;
    bool stays;
};

static void
end_member(struct vetch__member *self)
{
    struct member *m = vetch__container(self, struct member, member);

    m->ended++;
    if (!m->stays)
        vetch__member_remove(vetch__reactor, self);
}

/* Threads libuv #2544, #3266: what survives its loop is named. (LESSONS 1) */
START_TEST(end_ends_members_and_names_those_that_stay)
{
    struct member one = { .stays = false }, two = { .stays = true };
    struct member gone = { .stays = false };
    vetch_reactor *r = vt_reactor;

    vetch__member_add(r, &one.member, "listener", end_member);
    vetch__member_add(r, &two.member, "client", end_member);
    vetch__member_add(r, &gone.member, "server", end_member);
    ck_assert_uint_eq(vt_live_objects(), 3);
    vetch__member_remove(r, &gone.member);
    ck_assert_uint_eq(vt_live_objects(), 2);
    vt_log_from(VETCH_LOG_DEBUG);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_eq(one.ended, 1);
    ck_assert_int_eq(two.ended, 1);
    ck_assert_int_eq(gone.ended, 0);
    ck_assert_str_eq(vt_log_take(), "alive after its reactor: client\n");
    vetch__member_remove(r, &two.member); /* harmless now */
}
END_TEST

/* ---- a loop that somebody else owns ---- */

static struct event_base *base;

static void
adopt(void)
{
    reset();
    base = event_base_new();
    ck_assert_ptr_nonnull(base);
    vt_reactor = vetch_reactor_adopt(base);
    ck_assert_ptr_nonnull(vt_reactor);
}

static void
give_back(void)
{
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_ptr_null(vetch_reactor_current());
    event_base_free(base);
}

static void
break_loop(void *ctx)
{
    (void)ctx;
    event_base_loopbreak(base);
}

START_TEST(adopted_loop_is_the_one_loop)
{
    ck_assert_ptr_eq(vetch_reactor_event_base(vt_reactor), base);
    errno = 0;
    ck_assert_ptr_null(vetch_reactor_adopt(base));
    ck_assert_int_eq(errno, EBUSY);
}
END_TEST

START_TEST(adopted_loop_may_be_run_by_its_owner)
{
    vetch_call_soon(vt_count, &n_run);
    vetch_reactor_post(vt_reactor, vt_count, &n_run, NULL);
    vetch_reactor_post(vt_reactor, break_loop, NULL, NULL);
    ck_assert_int_eq(event_base_dispatch(base), 0);
    ck_assert_int_eq(n_run, 2);
}
END_TEST

START_TEST(adopted_loop_may_be_run_by_the_reactor)
{
    vetch_call_soon(vt_count, &n_run);
    vetch_call_soon(stop, NULL);
    ck_assert_int_eq(vetch_reactor_run(vt_reactor), 0);
    ck_assert_int_eq(n_run, 1);
}
END_TEST

static void
call_soon_twice(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    vetch_call_soon(vt_count, &n_run);
    vetch_call_soon(vt_count, &n_run);
    ck_assert_int_eq(n_run, 0);
}

START_TEST(adopted_loop_runs_what_a_foreign_callback_queues_in_the_same_turn)
{
    struct event *foreign = event_new(base, -1, 0, call_soon_twice, NULL);

    event_active(foreign, EV_TIMEOUT, 1);
    event_base_loop(base, EVLOOP_ONCE);
    ck_assert_int_eq(n_run, 2);
    event_free(foreign);
}
END_TEST

static void
run_inside(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    errno = 0;
    *(int *)arg = vetch_reactor_run(vt_reactor) < 0 ? errno : 0;
}

START_TEST(adopted_loop_is_not_run_inside_itself)
{
    int seen = 0;
    struct event *foreign = event_new(base, -1, 0, run_inside, &seen);

    event_active(foreign, EV_TIMEOUT, 1);
    event_base_loop(base, EVLOOP_ONCE);
    ck_assert_int_eq(seen, EDEADLK);
    event_free(foreign);
}
END_TEST

static void
fire_timer(vetch_timer *t, void *ctx)
{
    (void)t;
    ++*(int *)ctx;
    event_base_loopbreak(base);
}

START_TEST(adopted_loop_fires_timers)
{
    vetch_timer *t = vetch_timer_new(0.001, fire_timer, &n_run);

    ck_assert_int_eq(event_base_dispatch(base), 0);
    ck_assert_int_eq(n_run, 1);
    vetch_timer_unref(t);
}
END_TEST

static void
count_foreign(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    ++*(int *)arg;
}

static void
drop_adopted(void *ctx)
{
    (void)ctx;
    vetch_reactor_unref(vt_reactor);
    vt_reactor = NULL;
}

/* The end comes while the owner's loop runs, which then goes on. */
START_TEST(adopted_loop_goes_on_after_the_reactor)
{
    struct event *foreign = event_new(base, -1, 0, count_foreign, &n_run);

    vetch_call_soon(drop_adopted, NULL);
    vetch_timer_unref(
        vetch_timer_new_owned(1, fire_timer, &n_run, count_freed));
    event_base_loop(base, EVLOOP_NONBLOCK);
    ck_assert_ptr_null(vetch_reactor_current());
    ck_assert_int_eq(n_freed, 1);
    event_active(foreign, EV_TIMEOUT, 1);
    event_base_loop(base, EVLOOP_ONCE);
    ck_assert_int_eq(n_run, 1);
    event_free(foreign);
}
END_TEST

/* ---- out of memory ---- */

static void
make_and_use(bool unharmed)
{
    vetch_reactor *r = vetch_reactor_new();
    int accepted = 0;

    reset();
    if (r == NULL) {
        ck_assert(!unharmed);
        ck_assert_int_eq(errno, ENOMEM);
        ck_assert_ptr_null(vetch_reactor_current());
        return;
    }
    accepted += vetch_call_soon_owned(vt_count, &n_run, count_freed) == 0;
    accepted += vetch_reactor_post(r, vt_count, &n_run, count_freed) == 0;
    vt_run_ready();
    ck_assert_int_eq(n_run, accepted);
    vetch_reactor_unref(r);
    ck_assert_int_eq(n_freed, accepted);
    ck_assert(!unharmed || accepted == 2);
}

START_TEST(reactor_survives_each_failed_allocation)
{
    vt_sweep_allocations(make_and_use);
}
END_TEST

static void
add_virtual(TCase *tc)
{
    tcase_add_test(tc, reactor_belongs_to_its_thread);
    tcase_add_test(tc, reactor_of_another_thread_is_another);
    vt_add_misuse_test(tc, reactor_use_on_a_wrong_thread_is_refused_and_named);
    tcase_add_test(tc, reactor_references_keep_it);
    tcase_add_test(tc, reactor_runs_until_stopped);
    tcase_add_test(tc, reactor_stopped_before_it_runs_does_not_run);
    tcase_add_test(tc, reactor_run_inside_a_callback_is_refused);
    tcase_add_test(tc, reactor_run_until_a_flag_is_up);
    tcase_add_test(tc, reactor_stop_does_not_end_waiting_for_a_flag);
    tcase_add_test(tc, call_soon_runs_in_order_and_not_inside_the_call);
    tcase_add_test(tc, call_soon_owned_ctx_is_freed_after_the_call);
    tcase_add_test(tc, callbacks_never_nest);
    tcase_add_test(tc, call_soon_chain_does_not_starve_descriptors);
    tcase_add_test(tc, flushes_that_make_calls_do_not_starve_descriptors);
    tcase_add_test(tc, call_soon_below_the_bound_costs_no_poll);
    tcase_add_test(tc, clock_can_be_virtual);
    tcase_add_test(tc, reactor_in_a_forked_child_is_refused);
}

static void
add_end(TCase *tc)
{
    tcase_add_test(tc, reactor_can_be_made_again);
    tcase_add_test(tc, end_drains_the_ready_queue);
    tcase_add_test(tc, end_runs_ten_thousand_callbacks_at_most);
    tcase_add_test(tc, end_refuses_new_operations);
    tcase_add_test(tc, end_inside_a_callback_waits_for_its_return);
    tcase_add_test(tc, end_ends_members_and_names_those_that_stay);
}

static void
add_real(TCase *tc)
{
    tcase_add_test(tc, clock_stands_still_during_a_turn_and_moves_between);
    tcase_add_test(tc, slow_callback_is_named);
    tcase_add_test(tc, slow_timer_and_post_are_named);
    tcase_add_test(tc, slow_callback_is_nobody_s_business_without_debug);
    tcase_add_test(tc, slow_callback_is_named_when_the_environment_asks);
    tcase_add_test(tc, slow_limit_is_a_tenth_of_a_second);
    tcase_add_test(tc, function_names_are_those_of_the_dynamic_linker);
}

static void
add_adopted(TCase *tc)
{
    tcase_add_checked_fixture(tc, adopt, give_back);
    tcase_add_test(tc, adopted_loop_is_the_one_loop);
    tcase_add_test(tc, adopted_loop_may_be_run_by_its_owner);
    tcase_add_test(tc, adopted_loop_may_be_run_by_the_reactor);
    tcase_add_test(
        tc, adopted_loop_runs_what_a_foreign_callback_queues_in_the_same_turn);
    tcase_add_test(tc, adopted_loop_is_not_run_inside_itself);
    tcase_add_test(tc, adopted_loop_fires_timers);
    tcase_add_test(tc, adopted_loop_goes_on_after_the_reactor);
}

int
main(void)
{
    Suite *suite = suite_create("reactor");
    TCase *basics = vt_reactor_tcase("basics");
    TCase *end = vt_reactor_tcase("end");
    TCase *real = vt_real_reactor_tcase("real");
    TCase *adopted = vt_tcase("adopted");
    TCase *alone = vt_tcase("alone");

    tcase_add_checked_fixture(basics, reset, NULL);
    tcase_add_checked_fixture(end, reset, NULL);
    add_virtual(basics);
    add_end(end);
    add_real(real);
    add_adopted(adopted);
    tcase_add_test(alone, reactor_ignores_sigpipe);
    tcase_add_test(alone, reactor_leaves_a_sigpipe_handler_alone);
    tcase_add_test(alone, call_soon_needs_a_reactor);
    tcase_add_test(alone, clock_runs_without_a_reactor);
    tcase_add_test(alone, reactor_survives_each_failed_allocation);
    suite_add_tcase(suite, basics);
    suite_add_tcase(suite, end);
    suite_add_tcase(suite, real);
    suite_add_tcase(suite, adopted);
    suite_add_tcase(suite, alone);
    return vt_main(suite);
}
