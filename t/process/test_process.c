/* Children that run: their streams, their exit, rule P2. */
#include "support/process_kit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

VT_CASE("running", vt_reactor_tcase, .take_down = pp_done,
        .unless = vt_on_valgrind);

VT_TEST(streams_go_through_the_child)
{
    static const char *const argv[] = { "cat", NULL };
    vetch_process_options o = pp_program(argv);

    pp_start_with(&o);
    ck_assert_str_eq(vetch_stream_peer(vetch_process_input(pp_child)),
                     "process:cat");
    sk_expect_end(vetch_stream_send(vetch_process_input(pp_child), "one\n", 4));
    sk_expect_text(vetch_stream_read_line(vetch_process_output(pp_child), 100),
                   "one");
    sk_expect_end(vetch_stream_end(vetch_process_input(pp_child)));
    pp_expect_output("");
    pp_expect_status(0);
}

VT_TEST(directions_are_one_way)
{
    pp_start("cat");
    ck_assert_int_eq(vetch_stream_write(vetch_process_output(pp_child), "x", 1),
                     -1);
    ck_assert_int_eq(errno, EBADF);
    sk_expect_error(vetch_stream_read(vetch_process_input(pp_child), 1), EBADF);
    sk_end(vetch_process_input(pp_child));
    pp_expect_status(0);
}

VT_TEST(much_is_copied_through_two_children)
{
    static const char *const argv[] = { "cat", NULL };
    vetch_process_options o = pp_program(argv);
    size_t len = 10000000;
    char *data = malloc(len);
    vetch_process *second;
    vetch_promise *copied, *written;
    vetch_bytes *got;

    memset(data, 'c', len);
    pp_start_with(&o);
    second = vetch_process_start(&o);
    ck_assert_ptr_nonnull(second);
    copied = vetch_stream_copy(vetch_process_output(pp_child),
                               vetch_process_input(second), NULL);
    vetch_stream_write(vetch_process_input(pp_child), data, len);
    written = vetch_stream_end(vetch_process_input(pp_child));
    got = sk_value(
        vetch_stream_read_all(vetch_process_output(second), VETCH_NO_LIMIT));
    ck_assert_uint_eq(vetch_bytes_len(got), len);
    ck_assert_int_eq(memcmp(vetch_bytes_data(got), data, len), 0);
    vetch_bytes_unref(got);
    sk_expect_end(copied);
    sk_expect_end(written);
    pp_expect_status(0);
    ck_assert_ptr_null(vetch_run(vetch_process_end(second), NULL));
    vetch_process_unref(second);
    free(data);
}

VT_TEST(p2_status_is_the_exit_status_or_minus_the_signal, .loops = 3)
{
    static const char *const scripts[] = { "true", "exit 7", "kill -9 $$" };
    static const int statuses[] = { 0, 7, -SIGKILL };

    pp_start(scripts[_i]);
    pp_expect_status(statuses[_i]);
    pp_expect_status(statuses[_i]); /* also afterwards */
}

VT_TEST(p2_exit_is_not_the_end_of_output)
{
    vetch_stream *output;
    vetch_promise *end;

    /* `cat` has the pipe until its own input ends. */
    pp_start("exec 3<&0; cat <&3 & echo hi");
    output = vetch_process_output(pp_child);
    pp_expect_status(0);
    sk_expect_text(vetch_stream_read_line(output, 100), "hi");
    end = vetch_stream_read_line(output, 100);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(end), VETCH_PENDING);
    sk_end(vetch_process_input(pp_child));
    sk_expect_end(end);
}

VT_TEST(p2_end_of_output_is_not_the_exit)
{
    vetch_promise *end;

    pp_start("exec >&- 2>&-; cat >/dev/null");
    end = vetch_process_end(pp_child);
    pp_expect_output("");
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(end), VETCH_PENDING);
    sk_end(vetch_process_input(pp_child));
    ck_assert_ptr_null(vetch_run(end, NULL));
}

VT_TEST(p2_two_hundred_run_at_once)
{
    static const char *const argv[] = { "cat", NULL };
    enum { N = 200 };
    vetch_process_options o = pp_program(argv);
    vetch_process *all[N];
    vetch_promise *ends[N];

    o.errors = VETCH_STDIO_NULL;
    for (int i = 0; i < N; i++) {
        all[i] = vetch_process_start(&o);
        ck_assert_ptr_nonnull(all[i]);
        ends[i] = vetch_process_end(all[i]);
    }
    for (int i = 0; i < N; i++) {
        vetch_stream_printf(vetch_process_input(all[i]), "%d", i);
        sk_end(vetch_process_input(all[i]));
    }
    for (int i = 0; i < N; i++) {
        vetch_bytes *got =
            sk_value(vetch_stream_read_all(vetch_process_output(all[i]), 100));

        ck_assert_int_eq(atoi(vetch_bytes_data(got)), i);
        vetch_bytes_unref(got);
    }
    vetch_unref(vetch_run(vetch_all(ends, N), NULL));
    for (int i = 0; i < N; i++)
        vetch_process_unref(all[i]);
}

VT_TEST(p2_status_that_somebody_took_is_an_error_and_no_hang, .loops = 2)
{
    vetch_promise *end;
    int status;

    pp_start("exit 3");
    if (_i == 0) { /* unnoticed so far */
        ck_assert_int_eq(waitpid(-1, &status, 0), vetch_process_id(pp_child));
        sk_expect_error(vetch_process_end(pp_child), ECHILD);
    } else {
        end = vetch_process_end(pp_child);
        ck_assert_int_eq(waitpid(-1, &status, 0), vetch_process_id(pp_child));
        sk_expect_error(end, ECHILD);
    }
    sk_expect_error(vetch_process_end(pp_child), ECHILD);
    ck_assert_int_eq(vetch_process_signal(pp_child, SIGTERM), -1);
    ck_assert_int_eq(errno, ESRCH);
}

VT_TEST(p2_ignored_sigchld_is_an_error_and_no_hang)
{
    struct sigaction kept, ignored = { .sa_handler = SIG_IGN };

    sigaction(SIGCHLD, &ignored, &kept);
    pp_start("exit 3");
    sk_expect_error(vetch_process_end(pp_child), ECHILD);
    sigaction(SIGCHLD, &kept, NULL);
}

static volatile sig_atomic_t n_sigchld;

static void
count_sigchld(int signum)
{
    (void)signum;
    n_sigchld++;
}

VT_TEST(p2_sigchld_and_other_children_are_left_alone)
{
    struct sigaction kept, now, counting = { .sa_handler = count_sigchld };
    pid_t other;
    int status;

    n_sigchld = 0;
    sigaction(SIGCHLD, &counting, &kept);
    other = fork();
    if (other == 0)
        kill(getpid(), SIGKILL);
    pp_start("exit 3");
    pp_expect_status(3);
    sigaction(SIGCHLD, NULL, &now);
    ck_assert(now.sa_handler == count_sigchld);
    ck_assert_int_eq(waitpid(other, &status, 0), other);
    sigaction(SIGCHLD, &kept, NULL);
    ck_assert_int_ge(n_sigchld, 1);
}

VT_TEST(signals_go_to_the_whole_group)
{
    pp_start("trap 'exit 4' USR1; (trap 'echo got; exit' USR1; echo ready; "
             "while :; do sleep 0.01; done) & while :; do sleep 0.01; done");
    sk_expect_text(vetch_stream_read_line(vetch_process_output(pp_child), 100),
                   "ready");
    ck_assert_int_eq(vetch_process_signal(pp_child, SIGUSR1), 0);
    pp_expect_status(4);
    ck_assert_int_eq(vetch_process_signal(pp_child, SIGUSR1), -1);
    ck_assert_int_eq(errno, ESRCH);
    pp_expect_output("got\n");
}

VT_TEST(a_signal_that_there_is_not_is_refused)
{
    pp_start("cat");
    ck_assert_int_eq(vetch_process_signal(pp_child, 1000), -1);
    ck_assert_int_eq(errno, EINVAL);
}

VT_TEST(s7_streams_fail_when_the_process_is_released)
{
    vetch_stream *input, *output;
    vetch_promise *read;

    pp_start("cat");
    input = vetch_stream_ref(vetch_process_input(pp_child));
    output = vetch_stream_ref(vetch_process_output(pp_child));
    read = vetch_stream_read(output, 10);
    pp_child = vetch_process_unref(pp_child);
    sk_expect_error(read, VETCH_ECLOSED);
    sk_expect_error(vetch_stream_drain(input), VETCH_ECLOSED);
    ck_assert_int_eq(vetch_stream_write(input, "x", 1), -1);
    ck_assert_int_eq(errno, EPIPE);
    vetch_stream_unref(input);
    vetch_stream_unref(output);
    pp_until_no_child();
}

VT_TEST(s8_copy_notices_that_a_child_reads_no_more)
{
    vetch_stream *silent[2];

    pp_start("read line; exec <&-; echo closed; exec sleep 1000");
    ck_assert_int_eq(vetch_stream_pair(silent), 0);
    vetch_stream_write(silent[1], "line\n", 5);
    sk_expect_error(
        vetch_stream_copy(silent[0], vetch_process_input(pp_child), NULL),
        EPIPE);
    vetch_stream_unref(silent[0]);
    vetch_stream_unref(silent[1]);
}

VT_TEST(a_child_that_does_not_read_breaks_its_input)
{
    static char much[1000000];

    pp_start("exec <&-; cat >/dev/null; echo done");
    pp_expect_output("done\n");
    vetch_stream_write(vetch_process_input(pp_child), much, sizeof(much));
    sk_expect_error(vetch_stream_end(vetch_process_input(pp_child)), EPIPE);
    pp_expect_status(0);
}

/* ---- on the reactor ---- */

VT_CASE("reactor", vt_reactor_tcase, .take_down = pp_done,
        .unless = vt_on_valgrind);

VT_TEST(a_child_keeps_a_run_going_until_it_ends)
{
    static const char *const argv[] = { "true", NULL };
    vetch_process_options o = pp_program(argv);

    o.input = o.output = o.errors = VETCH_STDIO_NULL;
    pp_start_with(&o);
    ck_assert_int_eq(vetch_reactor_run_until_idle(vt_reactor), 0);
    pp_expect_status(0);
}

VT_TEST(a_child_is_in_the_dump)
{
    static const char *const argv[] = { "cat", NULL };
    vetch_process_options o = pp_program(argv);
    char text[1024], line[64];
    FILE *f = tmpfile();

    pp_start_with(&o);
    snprintf(line, sizeof(line), "  process %d, cat\n",
             vetch_process_id(pp_child));
    ck_assert_int_eq(vetch_reactor_dump(vt_reactor, fileno(f)), 0);
    rewind(f);
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    ck_assert_msg(strstr(text, line) != NULL, "no \"%s\" in:\n%s", line, text);
    sk_end(vetch_process_input(pp_child));
    pp_expect_status(0);
}
