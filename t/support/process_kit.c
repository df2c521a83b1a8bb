/* Children for tests. */
#include "support/process_kit.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

vetch_process *pp_child;

vetch_process_options
pp_program(const char *const *argv)
{
    vetch_process_options o = VETCH_PROCESS_OPTIONS_INIT;

    o.argv = argv;
    o.input = o.output = o.errors = VETCH_STDIO_STREAM;
    return o;
}

vetch_process_options
pp_script(const char *script)
{
    static const char *argv[] = { "sh", "-c", NULL, NULL };

    argv[2] = script;
    return pp_program(argv);
}

void
pp_start_with(const vetch_process_options *options)
{
    pp_child = vetch_process_start(options);
    ck_assert_msg(pp_child != NULL, "%s", strerror(errno));
}

void
pp_start(const char *script)
{
    vetch_process_options o = pp_script(script);

    pp_start_with(&o);
}

void
pp_expect_status(int status)
{
    vetch_error *error;
    void *value = vetch_run(vetch_process_end(pp_child), &error);

    ck_assert_msg(error == NULL, "%s", vetch_error_text(error));
    ck_assert_int_eq((int)(intptr_t)value, status);
}

void
pp_expect_output(const char *text)
{
    sk_expect_text(
        vetch_stream_read_all(vetch_process_output(pp_child), VETCH_NO_LIMIT),
        text);
}

void
pp_expect_no_child(void)
{
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
}

void
pp_until_no_child(void)
{
    siginfo_t info;

    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
        vt_run_ready();
        usleep(1000);
    }
    vt_run_ready();
}

void
pp_done(void)
{
    vetch_promise *end;
    vetch_error *error;

    if (pp_child != NULL && vt_reactor != NULL) {
        end = vetch_process_end(pp_child);
        vetch_process_signal(pp_child, 9);
        vetch_run(end, &error);
        vetch_error_unref(error);
    }
    pp_child = vetch_process_unref(pp_child);
    if (vt_reactor != NULL)
        vt_advance(6); /* others of its group may have needed a moment */
    pp_expect_no_child();
}
