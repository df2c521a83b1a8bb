/* How children are stopped: rule P3. */
#include "support/process_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define STUBBORN "trap '' TERM; echo ready; while :; do sleep 0.01; done"

VT_CASE("stopping", vt_reactor_tcase, .take_down = pp_done,
        .unless = vt_on_valgrind);

static void
until_it_says(const char *line)
{
    sk_expect_text(vetch_stream_read_line(vetch_process_output(pp_child), 100),
                   line);
}

static bool
is_running(int pid)
{
    return kill(pid, 0) == 0;
}

VT_TEST(p3_cancel_terminates_and_settles_when_reaped)
{
    vetch_promise *end;
    int pid;

    pp_start("exec sleep 1000");
    pid = vetch_process_id(pp_child);
    end = vetch_process_end(pp_child);
    vetch_promise_cancel(end);
    ck_assert_int_eq(vetch_promise_state(end), VETCH_PENDING);
    ck_assert(is_running(pid));
    sk_expect_error(end, VETCH_ECANCELED);
    ck_assert(!is_running(pid));
    pp_expect_status(-SIGTERM);
}

VT_TEST(p3_each_call_is_a_promise_of_its_own)
{
    vetch_promise *one, *two, *dropped;

    pp_start("exec sleep 1000");
    one = vetch_process_end(pp_child);
    two = vetch_process_end(pp_child);
    dropped = vetch_process_end(pp_child);
    vetch_promise_unref(dropped); /* stops nothing */
    vt_run_ready();
    ck_assert(is_running(vetch_process_id(pp_child)));
    vetch_promise_cancel(one);
    sk_expect_error(one, VETCH_ECANCELED);
    ck_assert_int_eq((int)(intptr_t)vetch_run(two, NULL), -SIGTERM);
}

VT_TEST(p3_whoever_refuses_is_killed_after_the_grace)
{
    vetch_promise *end;

    pp_start(STUBBORN);
    until_it_says("ready");
    end = vetch_process_end(pp_child);
    vetch_promise_cancel(end);
    vt_advance(4.9);
    ck_assert_int_eq(vetch_promise_state(end), VETCH_PENDING);
    ck_assert(is_running(vetch_process_id(pp_child)));
    vt_advance(0.1);
    sk_expect_error(end, VETCH_ECANCELED);
    pp_expect_status(-SIGKILL);
}

VT_TEST(p3_no_grace_kills_at_once)
{
    vetch_process_options o = pp_script(STUBBORN);
    vetch_promise *end;

    o.grace_seconds = 0;
    pp_start_with(&o);
    until_it_says("ready");
    end = vetch_process_end(pp_child);
    vetch_promise_cancel(end);
    sk_expect_error(end, VETCH_ECANCELED);
    pp_expect_status(-SIGKILL);
}

VT_TEST(p3_what_is_stopped_hears_sigterm)
{
    vetch_promise *end;

    pp_start("trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done");
    until_it_says("ready");
    ck_assert_int_eq(vetch_process_signal(pp_child, SIGSTOP), 0);
    end = vetch_process_end(pp_child);
    vetch_promise_cancel(end);
    sk_expect_error(end, VETCH_ECANCELED);
    pp_expect_status(5);
}

/* The leader goes, and leaves somebody behind who refuses. */
static void
start_stubborn_heir(void)
{
    pp_start("(trap '' TERM; echo ready; while :; do sleep 0.01; done) & wait");
    until_it_says("ready");
}

VT_TEST(p3_kill_stays_armed_when_the_leader_goes_first)
{
    vetch_promise *end, *output;

    start_stubborn_heir();
    end = vetch_process_end(pp_child);
    output = vetch_stream_read(vetch_process_output(pp_child), 100);
    vetch_promise_cancel(end);
    sk_expect_error(end, VETCH_ECANCELED);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(output), VETCH_PENDING);
    vt_advance(5);
    sk_expect_end(output);
}

VT_TEST(p3_kill_stays_armed_after_the_release)
{
    vetch_promise *end;

    start_stubborn_heir();
    end = vetch_process_end(pp_child);
    vetch_promise_cancel(end);
    sk_expect_error(end, VETCH_ECANCELED);
    ck_assert_uint_gt(vt_live_objects(), 0);
    pp_child = vetch_process_unref(pp_child);
    vt_advance(5);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(p3_nobody_left_disarms_it)
{
    vetch_promise *end;

    pp_start("exec sleep 1000");
    end = vetch_process_end(pp_child);
    vetch_promise_cancel(end);
    sk_expect_error(end, VETCH_ECANCELED);
    pp_child = vetch_process_unref(pp_child);
    vt_run_ready();
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(p3_cancel_after_the_exit_changes_nothing)
{
    vetch_promise *end;

    pp_start("exit 6");
    pp_expect_status(6);
    end = vetch_process_end(pp_child);
    vetch_promise_cancel(end);
    ck_assert_int_eq((int)(intptr_t)vetch_run(end, NULL), 6);
}

VT_TEST(p3_release_stops_it_and_reaps_it)
{
    vetch_promise *end;

    pp_start("exec sleep 1000");
    end = vetch_process_end(pp_child);
    pp_child = vetch_process_unref(pp_child);
    ck_assert_int_eq((int)(intptr_t)vetch_run(end, NULL), -SIGTERM);
    vt_run_ready();
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(p3_a_reference_more_keeps_it)
{
    pp_start("cat");
    vetch_process_ref(pp_child);
    vetch_process_unref(pp_child);
    sk_end(vetch_process_input(pp_child));
    pp_expect_status(0);
}

static vetch_promise *
release_child(void *status, void *ctx)
{
    (void)ctx;
    ck_assert_int_eq((int)(intptr_t)status, 3);
    pp_child = vetch_process_unref(pp_child);
    return NULL;
}

VT_TEST(p3_release_in_its_own_callback, .loops = 2)
{
    pp_start(_i == 0 ? "exit 3" : "sleep 1000 & exit 3");
    sk_expect_end(vetch_then(vetch_process_end(pp_child), release_child, NULL));
    ck_assert_ptr_null(pp_child);
}

VT_TEST(p3_time_limit_stops_it)
{
    vetch_promise *p;

    pp_start("exec sleep 1000");
    p = vetch_timeout(vetch_process_end(pp_child), 2);
    vt_advance(2);
    sk_expect_error(p, VETCH_ETIMEDOUT);
    pp_expect_status(-SIGTERM);
}

/* ---- the end of the reactor ---- */

VT_CASE("the end of the reactor", vt_reactor_tcase, .take_down = pp_done,
        .unless = vt_on_valgrind);

VT_TEST(p3_end_of_the_reactor_reaps, .loops = 2)
{
    pp_start("exec sleep 1000");
    if (_i == 0)
        pp_child = vetch_process_unref(pp_child);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    pp_expect_no_child();
}

VT_TEST(p3_end_of_the_reactor_settles_who_waits)
{
    vetch_promise *end;

    pp_start("exec sleep 1000");
    end = vetch_process_end(pp_child);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_eq(vetch_promise_state(end), VETCH_FULFILLED);
    ck_assert_int_eq((int)(intptr_t)vetch_promise_value(end), -SIGTERM);
    vetch_promise_unref(end);
}

/* The first ends only after the second. */
VT_TEST(p3_end_of_the_reactor_tells_all_before_it_waits)
{
    vetch_process_options o = pp_script("trap 'cat; exit 5' TERM; echo ready; "
                                        "while :; do sleep 0.01; done");
    vetch_process *first;
    vetch_promise *end;
    int fds[2];

    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    o.input = fds[0];
    o.errors = VETCH_STDIO_NULL;
    pp_start_with(&o);
    first = pp_child;
    until_it_says("ready");
    o = pp_script("exec sleep 1000");
    o.output = fds[1];
    pp_start_with(&o);
    close(fds[0]);
    close(fds[1]);
    end = vetch_process_end(first);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_eq((int)(intptr_t)vetch_promise_value(end), 5);
    vetch_promise_unref(end);
    vetch_process_unref(first);
}

VT_TEST(p3_end_of_the_reactor_kills_after_the_grace)
{
    vetch_process_options o = pp_script(STUBBORN);

    o.grace_seconds = 0.05;
    pp_start_with(&o);
    until_it_says("ready");
    vt_reactor = vetch_reactor_unref(vt_reactor);
    pp_expect_no_child();
}

VT_TEST(p3_end_of_the_reactor_kills_who_is_left, .loops = 2)
{
    vetch_promise *end;
    int fds[2];
    char c;
    vetch_process_options o = pp_script(
        "(trap '' TERM; echo ready; while :; do sleep 0.01; done) & wait");

    ck_assert_int_eq(pipe(fds), 0);
    o.output = fds[1];
    pp_start_with(&o);
    close(fds[1]);
    while (read(fds[0], &c, 1) == 1 && c != '\n')
        continue;
    if (_i == 0) { /* the leader is reaped, and SIGKILL armed */
        end = vetch_process_end(pp_child);
        vetch_promise_cancel(end);
        sk_expect_error(end, VETCH_ECANCELED);
    }
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_eq(read(fds[0], &c, 1), 0);
    close(fds[0]);
}

VT_TEST(p3_a_forked_child_stops_nothing)
{
    pid_t fork_pid;
    int status;

    pp_start("cat");
    fork_pid = fork();
    if (fork_pid == 0) {
        vetch_process_unref(pp_child);
        vetch_reactor_unref(vt_reactor);
        kill(getpid(), SIGKILL);
    }
    ck_assert_int_eq(waitpid(fork_pid, &status, 0), fork_pid);
    vt_run_ready();
    vetch_stream_write(vetch_process_input(pp_child), "alive", 5);
    sk_end(vetch_process_input(pp_child));
    pp_expect_output("alive");
    pp_expect_status(0);
}
