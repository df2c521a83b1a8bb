/* Commands from start to end: rule P4. */
#include "support/process_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

VT_CASE("run", vt_reactor_tcase, .take_down = pp_done,
        .unless = vt_on_valgrind);

static vetch_process_options
script(const char *text)
{
    vetch_process_options o = pp_script(text);

    o.input = o.output = o.errors = VETCH_STDIO_DEFAULT;
    return o;
}

static vetch_promise *
run(const char *text, const char *input)
{
    vetch_process_options o = script(text);

    return vetch_process_run(&o, input, input != NULL ? strlen(input) : 0);
}

static void
expect_result(vetch_promise *p, int status, const char *output,
              const char *errors)
{
    vetch_process_result *r = (void *)sk_value(p);

    ck_assert_ptr_nonnull(r);
    ck_assert_int_eq(vetch_process_result_status(r), status);
    ck_assert_str_eq(vetch_bytes_data(vetch_process_result_output(r)), output);
    ck_assert_str_eq(vetch_bytes_data(vetch_process_result_errors(r)), errors);
    vetch_process_result_unref(r);
    vt_run_ready();
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(p4_status_output_and_errors_in_one_promise)
{
    expect_result(run("echo out; echo err >&2; exit 3", NULL), 3, "out\n",
                  "err\n");
}

VT_TEST(p4_death_by_a_signal_is_a_result)
{
    expect_result(run("kill -9 $$", NULL), -SIGKILL, "", "");
}

VT_TEST(p4_input_goes_through)
{
    expect_result(run("cat; echo >&2 end", "some input"), 0, "some input",
                  "end\n");
}

VT_TEST(p4_no_input_is_an_empty_one, .loops = 3)
{
    vetch_process_options o = script("cat");

    if (_i == 1)
        o.input = VETCH_STDIO_STREAM;
    expect_result(vetch_process_run(&o, _i == 2 ? "" : NULL, 0), 0, "", "");
}

VT_TEST(p4_much_goes_through_both_ways)
{
    vetch_process_options o = script("cat; cat /dev/null");
    size_t len = 5000000;
    char *data = malloc(len);
    vetch_process_result *r;

    memset(data, 'm', len);
    r = (void *)sk_value(vetch_process_run(&o, data, len));
    ck_assert_uint_eq(vetch_bytes_len(vetch_process_result_output(r)), len);
    vetch_process_result_unref(r);
    free(data);
}

VT_TEST(p4_input_that_is_not_read_is_no_error, .loops = 2)
{
    vetch_process_options o =
        script(_i == 0 ? "exit 2" : "exec <&-; sleep 0.05; exit 2");
    static char much[1000000];

    memset(much, 'm', sizeof(much));
    expect_result(vetch_process_run(&o, much, sizeof(much)), 2, "", "");
}

VT_TEST(p4_more_output_than_the_limit_stops_it, .loops = 2)
{
    vetch_process_options o = script(_i == 0 ? "exec yes" : "exec yes >&2");

    o.output_limit_bytes = o.errors_limit_bytes = 100000;
    sk_expect_error(vetch_process_run(&o, NULL, 0), VETCH_ETOOLARGE);
    pp_expect_no_child();
}

VT_TEST(p4_output_up_to_the_limit_is_none)
{
    vetch_process_options o = script("echo 123");

    o.output_limit_bytes = 4;
    expect_result(vetch_process_run(&o, NULL, 0), 0, "123\n", "");
}

VT_TEST(p4_output_that_is_held_open_is_awaited_for_a_moment)
{
    vetch_promise *p = run("sleep 1000 & echo hi", NULL);

    pp_until_no_child();
    vt_advance(0.9);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vt_advance(0.1);
    expect_result(p, 0, "hi\n", "");
}

VT_TEST(p4_no_time_to_drain_takes_what_is_there)
{
    vetch_process_options o = script("sleep 1000 & sleep 0.05");

    o.drain_seconds = 0;
    expect_result(vetch_process_run(&o, NULL, 0), 0, "", "");
}

VT_TEST(p4_what_goes_elsewhere_is_empty)
{
    vetch_process_options o = script("echo out; echo err >&2");
    int fds[2];
    char text[8] = "";

    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    o.output = VETCH_STDIO_NULL;
    o.errors = fds[1];
    expect_result(vetch_process_run(&o, NULL, 0), 0, "", "");
    ck_assert_int_eq(read(fds[0], text, sizeof(text)), 4);
    ck_assert_str_eq(text, "err\n");
    close(fds[0]);
    close(fds[1]);
}

VT_TEST(p4_what_cannot_be_started_rejects)
{
    static const char *const argv[] = { "there-is-no-such-program", NULL };
    vetch_process_options o = VETCH_PROCESS_OPTIONS_INIT;
    vetch_error *error;

    o.argv = argv;
    ck_assert_ptr_null(vetch_run(vetch_process_run(&o, "x", 1), &error));
    ck_assert_str_eq(vetch_error_text(error),
                     "there-is-no-such-program: no such file or directory");
    vetch_error_unref(error);
    o.argv = NULL;
    sk_expect_error(vetch_process_run(&o, NULL, 0), EINVAL);
    o = script("true");
    o.output_limit_bytes = 0;
    sk_expect_error(vetch_process_run(&o, NULL, 0), EINVAL);
}

VT_TEST(p4_cancel_stops_it_and_settles_when_reaped, .loops = 3)
{
    vetch_promise *p =
        run(_i == 0   ? "exec sleep 1000"
            : _i == 1 ? "trap '' TERM; echo; while :; do sleep 0.01; "
                        "done"
                      : "cat; exec sleep 1000",
            "input");

    if (_i > 0)
        for (int i = 0; i < 50; i++) {
            vt_run_ready();
            usleep(2000);
        }
    vetch_promise_cancel(p);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    if (_i == 1)
        vt_advance(5);
    sk_expect_error(p, VETCH_ECANCELED);
    pp_expect_no_child();
}

VT_TEST(p4_cancel_while_output_is_drained)
{
    vetch_promise *p = run("sleep 1000 & echo hi", NULL);

    pp_until_no_child();
    vetch_promise_cancel(p);
    sk_expect_error(p, VETCH_ECANCELED);
}

VT_TEST(p4_dropped_promise_lets_it_run)
{
    int fds[2];
    vetch_process_options o = script("echo done >&2");
    char text[8] = "";

    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    o.errors = fds[1];
    vetch_promise_unref(vetch_process_run(&o, NULL, 0));
    while (vt_live_objects() > 0) {
        vt_run_ready();
        usleep(1000);
    }
    ck_assert_int_eq(read(fds[0], text, sizeof(text)), 5);
    close(fds[0]);
    close(fds[1]);
}

VT_TEST(p4_end_of_the_reactor_stops_it)
{
    vetch_promise *p = run("exec sleep 1000", "input");

    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    vetch_promise_error(p);
    vetch_promise_unref(p);
    pp_expect_no_child();
}

VT_TEST(p4_foreign_wait_rejects)
{
    vetch_promise *p = run("exit 3", NULL);

    ck_assert_int_gt(waitpid(-1, NULL, 0), 0);
    sk_expect_error(p, ECHILD);
}

static void
try_run(bool unharmed)
{
    vetch_error *error = NULL;
    vetch_process_result *r =
        vetch_run(run("cat; echo err >&2", "input"), &error);

    ck_assert(r != NULL || !unharmed);
    if (r != NULL) {
        ck_assert_str_eq(vetch_bytes_data(vetch_process_result_output(r)),
                         "input");
        ck_assert_str_eq(vetch_bytes_data(vetch_process_result_errors(r)),
                         "err\n");
    }
    vetch_process_result_unref(r);
    vetch_error_unref(error);
    vt_advance(5); /* `cat` may have been left behind for a moment */
    pp_expect_no_child();
}

VT_TEST(p4_no_failing_allocation_loses_a_child)
{
    vt_log_from(VETCH_LOG_ERROR);
    vt_sweep_allocations(try_run);
    vt_log_take();
}

VT_TEST(p4_result_can_be_kept)
{
    vetch_process_result *r = (void *)sk_value(run("echo x", NULL));

    ck_assert_ptr_eq(vetch_process_result_ref(r), r);
    vetch_process_result_unref(r);
    ck_assert_str_eq(vetch_bytes_data(vetch_process_result_output(r)), "x\n");
    vetch_unref(r);
}
