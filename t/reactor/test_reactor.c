/* The reactor: making, running, ending. */

#include "support/harness.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vetch/testing.h>

#include "reactor/reactor-private.h"

/* ---- one per thread ---- */

VT_CASE("basics", vt_reactor_tcase);

VT_TEST(reactor_belongs_to_its_thread)
{
    ck_assert_ptr_eq(vetch_reactor_current(), vt_reactor);
    errno = 0;
    ck_assert_ptr_null(vetch_reactor_new());
    ck_assert_int_eq(errno, EBUSY);
}

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

VT_TEST(reactor_of_another_thread_is_another)
{
    pthread_t thread;
    void *result = NULL;

    pthread_create(&thread, NULL, use_own_reactor, &vt_n_run);
    pthread_join(thread, &result);
    ck_assert_ptr_eq(result, &vt_n_run);
}

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
VT_TEST(reactor_use_on_a_wrong_thread_is_refused_and_named, .misuse = true)
{
    pthread_t thread;
    int seen = 0;

    pthread_create(&thread, NULL, use_foreign_reactor, &seen);
    pthread_join(thread, NULL);
    ck_assert_int_eq(seen, EPERM);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "not its own"));
    vetch_reactor_set_debug(vt_reactor, true);
    pthread_create(&thread, NULL, use_foreign_reactor, &seen);
    pthread_join(thread, NULL);
    ck_assert_int_eq(seen, EPERM);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "not its own"));
}

VT_TEST(reactor_references_keep_it)
{
    ck_assert_ptr_eq(vetch_reactor_ref(vt_reactor), vt_reactor);
    ck_assert_ptr_null(vetch_reactor_unref(vt_reactor));
    ck_assert_ptr_eq(vetch_reactor_current(), vt_reactor);
    ck_assert_ptr_null(vetch_reactor_ref(NULL));
    ck_assert_ptr_null(vetch_reactor_unref(NULL));
}

VT_CASE("end", vt_reactor_tcase);

VT_TEST(reactor_can_be_made_again)
{
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_ptr_null(vetch_reactor_current());
    vt_reactor = vetch_reactor_new();
    ck_assert_ptr_nonnull(vt_reactor);
    ck_assert_ptr_eq(vetch_reactor_current(), vt_reactor);
}

/* ---- SIGPIPE ---- */

VT_CASE("alone", vt_tcase);

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
VT_TEST(reactor_outlives_sigpipe)
{
    vetch_reactor *r;

    signal(SIGPIPE, SIG_DFL);
    r = vetch_reactor_new();
    ck_assert_int_eq(write_to_nobody(), EPIPE);
    vetch_reactor_unref(r);
    ck_assert_int_eq(write_to_nobody(), EPIPE);
}

/* An ignored signal would be inherited; `yes | head` relies on dying. */
VT_TEST(an_executed_program_dies_of_sigpipe_as_ever)
{
    char name[] = "sh", option[] = "-c", script[] = "kill -PIPE $$";
    char *argv[] = { name, option, script, NULL };
    vetch_reactor *r;
    int status;
    pid_t pid;

    signal(SIGPIPE, SIG_DFL);
    r = vetch_reactor_new();
    ck_assert_int_eq(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ),
                     0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
    vetch_reactor_unref(r);
}

VT_TEST(reactor_leaves_a_sigpipe_handler_alone)
{
    vetch_reactor *r;

    signal(SIGPIPE, on_sigpipe);
    r = vetch_reactor_new();
    ck_assert_int_eq(write_to_nobody(), EPIPE);
    ck_assert_int_eq(n_sigpipe, 1);
    vetch_reactor_unref(r);
    signal(SIGPIPE, SIG_DFL);
}

/* ---- running ---- */

VT_CASE("basics", vt_reactor_tcase);

VT_TEST(reactor_runs_until_stopped)
{
    ck_assert_int_eq(vetch_call_soon(vt_count, &vt_n_run), 0);
    ck_assert_int_eq(vetch_call_soon(vt_stop_reactor, NULL), 0);
    ck_assert_int_eq(vetch_reactor_run(vt_reactor), 0);
    ck_assert_int_eq(vt_n_run, 1);
}

VT_TEST(reactor_stopped_before_it_runs_does_not_run)
{
    vetch_call_soon(vt_count, &vt_n_run);
    vetch_reactor_stop(vt_reactor);
    ck_assert_int_eq(vetch_reactor_run(vt_reactor), 0);
    ck_assert_int_eq(vt_n_run, 0);
    vetch_call_soon(vt_stop_reactor, NULL);
    ck_assert_int_eq(vetch_reactor_run(vt_reactor), 0); /* one run only */
    ck_assert_int_eq(vt_n_run, 1);
}

static void
run_nested(void *ctx)
{
    errno = 0;
    *(int *)ctx = vetch_reactor_run(vt_reactor) < 0 ? errno : 0;
    vetch_reactor_stop(vt_reactor);
}

VT_TEST(reactor_run_inside_a_callback_is_refused)
{
    int seen = 0;

    vetch_call_soon(run_nested, &seen);
    ck_assert_int_eq(vetch_reactor_run(vt_reactor), 0);
    ck_assert_int_eq(seen, EDEADLK);
}

static void
raise_flag(void *ctx)
{
    *(bool *)ctx = true;
}

VT_TEST(reactor_run_until_a_flag_is_up)
{
    bool flag = false;

    vetch_call_soon(raise_flag, &flag);
    ck_assert_int_eq(vetch__reactor_run_until(vt_reactor, &flag), 0);
    ck_assert(flag);
    ck_assert_int_eq(vetch__reactor_run_until(vt_reactor, &flag), 0);
}

VT_TEST(reactor_stop_does_not_end_waiting_for_a_flag)
{
    bool flag = false;

    vetch_call_soon(vt_stop_reactor, NULL);
    vetch_reactor_post(vt_reactor, vt_count, &vt_n_run);
    vetch_reactor_post(vt_reactor, raise_flag, &flag);
    ck_assert_int_eq(vetch__reactor_run_until(vt_reactor, &flag), 0);
    ck_assert(flag);
    ck_assert_int_eq(vetch_reactor_run(vt_reactor), 0); /* that is stopped */
}

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
    if (strstr(vt_log_take(),
               "in a child process, but belongs to the parent") == NULL)
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
VT_TEST(reactor_in_a_forked_child_is_refused, .misuse = true)
{
    int n[2] = { 0 }, fds[2], results[2], status, result = -1;
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
    result = read(results[0], &result, sizeof(result)) > 0 ? result : -1;
    close(results[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    if (WTERMSIG(status) == SIGABRT)
        abort(); /* as misuse does in a debug build */
    ck_assert_int_eq(result, 0);
    ck_assert_int_eq((int)write(fds[1], "x", 1), 1);
    vt_run_ready();
    ck_assert_int_eq(n[0], 1); /* the parent's watch is as it was */
    vetch_descriptor_cancel(d);
    vetch_descriptor_unref(d);
    close(fds[0]);
    close(fds[1]);
}

/* ---- the end ---- */

VT_CASE("end", vt_reactor_tcase);

VT_TEST(end_drains_the_ready_queue)
{
    vetch_call_soon_owned(vt_count, &vt_n_run, vt_count_freed);
    vetch_call_soon_owned(vt_count, &vt_n_run, vt_count_freed);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_eq(vt_n_run, 2);
    ck_assert_int_eq(vt_n_freed, 2);
}

VT_TEST(end_runs_ten_thousand_callbacks_at_most)
{
    int i;

    for (i = 0; i < 25000; i++)
        vetch_call_soon_owned(vt_count, &vt_n_run, vt_count_freed);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_eq(vt_n_run, 10000);
    ck_assert_int_eq(vt_n_freed, 25000);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "15000 callbacks"));
}

static int end_errno;

static void
try_call_soon(void *ctx)
{
    (void)ctx;
    errno = 0;
    if (vetch_call_soon(vt_count, &vt_n_run) < 0)
        end_errno = errno;
}

VT_TEST(end_refuses_new_operations)
{
    end_errno = 0;
    vetch_call_soon(try_call_soon, NULL);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_eq(end_errno, ECANCELED);
    ck_assert_int_eq(vt_n_run, 0);
}

static void
drop_reactor(void *ctx)
{
    (void)ctx;
    vetch_reactor_unref(vt_reactor);
    ck_assert_ptr_eq(vetch_reactor_current(), vt_reactor); /* not yet */
}

VT_TEST(end_inside_a_callback_waits_for_its_return)
{
    vetch_reactor *r = vt_reactor;

    vetch_call_soon(drop_reactor, NULL);
    vetch_call_soon_owned(vt_count, &vt_n_run, vt_count_freed);
    ck_assert_int_eq(vetch_reactor_run(r), 0);
    ck_assert_ptr_null(vetch_reactor_current());
    ck_assert_int_eq(vt_n_run, 1);
    ck_assert_int_eq(vt_n_freed, 1);
    vt_reactor = NULL;
}

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

static const struct vetch__member_class member_class = {
    .name = "member",
    .end = end_member,
};

/* Threads libuv #2544, #3266: what survives its loop is named. (LESSONS 1) */
VT_TEST(end_ends_members_and_names_those_that_stay)
{
    struct member one = { .stays = false }, two = { .stays = true };
    struct member gone = { .stays = false };
    vetch_reactor *r = vt_reactor;

    vetch__member_add(r, &one.member, &member_class);
    vetch__member_add(r, &two.member, &member_class);
    vetch__member_add(r, &gone.member, &member_class);
    ck_assert_uint_eq(vt_live_objects(), 3);
    vetch__member_remove(r, &gone.member);
    ck_assert_uint_eq(vt_live_objects(), 2);
    vt_log_from(VETCH_LOG_DEBUG);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_eq(one.ended, 1);
    ck_assert_int_eq(two.ended, 1);
    ck_assert_int_eq(gone.ended, 0);
    ck_assert_str_eq(vt_log_take(), "alive after its reactor: member\n");
    vetch__member_remove(r, &two.member); /* harmless now */
}

/* ---- out of memory ---- */

VT_CASE("alone", vt_tcase);

static void
make_and_use(bool unharmed)
{
    vetch_reactor *r = vetch_reactor_new();
    int accepted = 0;

    if (r == NULL) {
        ck_assert(!unharmed);
        ck_assert_int_eq(errno, ENOMEM);
        ck_assert_ptr_null(vetch_reactor_current());
        return;
    }
    vt_n_run = vt_n_freed = 0;
    accepted += vetch_call_soon_owned(vt_count, &vt_n_run, vt_count_freed) == 0;
    accepted +=
        vetch_reactor_post_owned(r, vt_count, &vt_n_run, vt_count_freed) == 0;
    vt_run_ready();
    ck_assert_int_eq(vt_n_run, accepted);
    vetch_reactor_unref(r);
    ck_assert_int_eq(vt_n_freed, accepted);
    ck_assert(!unharmed || accepted == 2);
}

VT_TEST(reactor_survives_each_failed_allocation)
{
    vt_sweep_allocations(make_and_use);
}
