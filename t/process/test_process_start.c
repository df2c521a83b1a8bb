/* How children start: rule P1. */
#include "support/process_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

VT_CASE("start", vt_reactor_tcase, .take_down = pp_done,
        .unless = vt_on_valgrind);

static void
expect_start_error(const vetch_process_options *o, int errnum)
{
    unsigned fds = vt_open_fds();

    errno = 0;
    ck_assert_ptr_null(vetch_process_start(o));
    ck_assert_int_eq(errno, errnum);
    if (vt_reactor != NULL)
        vt_run_ready(); /* streams that were made for it go */
    ck_assert_uint_eq(vt_open_fds(), fds);
    pp_expect_no_child();
}

VT_TEST(p1_what_cannot_be_executed_is_an_errno)
{
    static const struct {
        const char *argv[2];
        int errnum;
    } wrong[] = {
        { { "there-is-no-such-program", NULL }, ENOENT },
        { { "/there/is/none", NULL }, ENOENT },
        { { "/", NULL }, EACCES },
        { { "/etc/passwd", NULL }, EACCES },
        { { "/etc/passwd/x", NULL }, ENOTDIR },
    };

    for (int i = 0; i < VT_COUNT_OF(wrong); i++) {
        vetch_process_options o = pp_program(wrong[i].argv);

        expect_start_error(&o, wrong[i].errnum);
    }
}

VT_TEST(p1_text_is_no_program)
{
    char path[] = "/tmp/vetch-text-XXXXXX";
    const char *argv[] = { path, NULL };
    vetch_process_options o = pp_program(argv);
    int fd = mkostemp(path, O_CLOEXEC);

    ck_assert_int_eq(write(fd, "no program\n", 11), 11);
    ck_assert_int_eq(fchmod(fd, 0700), 0);
    close(fd);
    expect_start_error(&o, ENOEXEC);
    unlink(path);
}

VT_TEST(p1_options_are_checked)
{
    static const char *const none[] = { NULL };
    vetch_process_options o = pp_script("true"), broken = o;

    broken.argv = NULL;
    expect_start_error(&broken, EINVAL);
    broken.argv = none;
    expect_start_error(&broken, EINVAL);
    broken = o;
    broken.size = 1;
    expect_start_error(&broken, EINVAL);
    broken = o;
    broken.grace_seconds = -1;
    expect_start_error(&broken, EINVAL);
    broken.grace_seconds = NAN;
    expect_start_error(&broken, EINVAL);
    broken = o;
    broken.drain_seconds = NAN;
    expect_start_error(&broken, EINVAL);
    broken = o;
    broken.output = -1; /* what open(2) gave */
    expect_start_error(&broken, EBADF);
    broken.output = 9999;
    expect_start_error(&broken, EBADF);
    broken = o;
    broken.directory = "/there/is/none";
    expect_start_error(&broken, ENOENT);
}

VT_TEST(p1_environment_and_directory_are_its_own)
{
    static const char *const env[] = { "X=of its own", NULL };
    vetch_process_options o = pp_script("echo $X; pwd");

    o.env = env;
    o.directory = "/usr";
    pp_start_with(&o);
    pp_expect_output("of its own\n/usr\n");
    pp_expect_status(0);
}

VT_TEST(p1_environment_is_ours_by_default)
{
    setenv("VETCH_X", "ours", 1);
    pp_start("echo $VETCH_X");
    unsetenv("VETCH_X");
    pp_expect_output("ours\n");
    pp_expect_status(0);
}

/* `ls` has opened the fourth itself. */
VT_TEST(p1_no_descriptor_is_inherited_that_is_not_listed)
{
    static const char *const argv[] = { "ls", "/proc/self/fd", NULL };
    vetch_process_options o = pp_program(argv);
    int pipe_fds[2], file;

    ck_assert_int_eq(pipe(pipe_fds), 0); /* without O_CLOEXEC */
    file = fcntl(pipe_fds[0], F_DUPFD, 500);
    pp_start_with(&o);
    pp_expect_output("0\n1\n2\n3\n");
    pp_expect_status(0);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    close(file);
}

/* Of those that a program can use: the C library ignores two of its own. */
VT_TEST(p1_signals_are_as_by_default)
{
    static const char *const argv[] = { "grep", "-E", "^Sig(Blk|Ign)",
                                        "/proc/self/status", NULL };
    const unsigned long long internal = 0x180000000;
    vetch_process_options o = pp_program(argv);
    struct sigaction kept, ignored = { .sa_handler = SIG_IGN };
    unsigned long long is_blocked = 1, is_ignored = 1;
    sigset_t blocked, before;
    vetch_bytes *got;

    sigfillset(&blocked);
    sigaction(SIGPIPE, &ignored, &kept);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    pp_start_with(&o);
    sigprocmask(SIG_SETMASK, &before, NULL);
    sigaction(SIGPIPE, &kept, NULL);
    got = sk_value(vetch_stream_read_all(vetch_process_output(pp_child), 1000));
    ck_assert_int_eq(sscanf(vetch_bytes_data(got),
                            "SigBlk:\t%llx\nSigIgn:\t%llx", &is_blocked,
                            &is_ignored),
                     2);
    vetch_bytes_unref(got);
    ck_assert(is_blocked == 0);
    ck_assert((is_ignored & ~internal) == 0);
    pp_expect_status(0);
}

VT_TEST(p1_group_is_its_own)
{
    static const char *const argv[] = { "cut", "-d ", "-f5", "/proc/self/stat",
                                        NULL };
    vetch_process_options o = pp_program(argv);
    char expected[64];

    pp_start_with(&o);
    snprintf(expected, sizeof(expected), "%d\n", vetch_process_id(pp_child));
    pp_expect_output(expected);
    pp_expect_status(0);
}

VT_TEST(p1_descriptors_are_borrowed)
{
    vetch_process_options o = pp_script("cat; echo errors >&2");
    int in[2], out[2];
    char text[32] = "";

    ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    ck_assert_int_eq(write(in[1], "input\n", 6), 6);
    close(in[1]);
    o.input = in[0];
    o.output = o.errors = out[1];
    pp_start_with(&o);
    ck_assert_ptr_null(vetch_process_input(pp_child));
    ck_assert_ptr_null(vetch_process_output(pp_child));
    ck_assert_ptr_null(vetch_process_errors(pp_child));
    close(in[0]);
    close(out[1]);
    pp_expect_status(0);
    ck_assert_int_eq(read(out[0], text, sizeof(text)), 13);
    ck_assert_str_eq(text, "input\nerrors\n");
    close(out[0]);
}

/* ---- numbers 0 to 2 of ours ---- */

static int kept_fds[3];

static void
keep_stdio(void)
{
    fflush(stdout);
    fflush(stderr);
    for (int i = 0; i < 3; i++)
        kept_fds[i] = fcntl(i, F_DUPFD_CLOEXEC, 100);
}

static void
restore_stdio(void)
{
    for (int i = 0; i < 3; i++) {
        if (kept_fds[i] >= 0)
            dup2(kept_fds[i], i);
        else
            close(i);
        if (kept_fds[i] >= 0)
            close(kept_fds[i]);
    }
}

VT_TEST(p1_descriptors_may_change_places)
{
    vetch_process_options o = pp_script("echo out; echo err >&2");
    int pipes[2][2];
    char text[2][8] = { "", "" };

    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pipe2(pipes[i], O_CLOEXEC), 0);
    o.input = VETCH_STDIO_NULL;
    o.output = 2;
    o.errors = 1;
    keep_stdio();
    dup2(pipes[0][1], 1);
    dup2(pipes[1][1], 2);
    pp_child = vetch_process_start(&o);
    restore_stdio();
    ck_assert_ptr_nonnull(pp_child);
    pp_expect_status(0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(read(pipes[i][0], text[i], sizeof(text[i])), 4);
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
    ck_assert_str_eq(text[0], "err\n");
    ck_assert_str_eq(text[1], "out\n");
}

/* Pipes that were made got the numbers 0 to 2, and the child none of them. */
VT_TEST(p1_ours_may_be_closed)
{
    static const char *const argv[] = { "cat", NULL };
    vetch_process_options o = pp_program(argv);
    bool closed;

    keep_stdio();
    for (int i = 0; i < 3; i++)
        close(i);
    pp_child = vetch_process_start(&o);
    closed =
        fcntl(0, F_GETFD) < 0 && fcntl(1, F_GETFD) < 0 && fcntl(2, F_GETFD) < 0;
    restore_stdio();
    ck_assert_ptr_nonnull(pp_child);
    ck_assert(closed);
    vetch_stream_write(vetch_process_input(pp_child), "through", 7);
    sk_end(vetch_process_input(pp_child));
    pp_expect_output("through");
    pp_expect_status(0);
}

VT_TEST(p1_what_is_closed_is_inherited_as_dev_null)
{
    vetch_process_options o = pp_script("readlink /proc/self/fd/0");

    o.input = VETCH_STDIO_INHERIT;
    keep_stdio();
    close(0);
    pp_child = vetch_process_start(&o);
    restore_stdio();
    ck_assert_ptr_nonnull(pp_child);
    pp_expect_output("/dev/null\n");
    pp_expect_status(0);
}

VT_TEST(p1_what_is_open_is_inherited_unless_it_closes_on_exec, .loops = 2)
{
    vetch_process_options o = pp_script("echo inherited");
    int fds[2];
    char text[16] = "";

    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    o.output = VETCH_STDIO_DEFAULT;
    keep_stdio();
    dup3(fds[1], 1, _i == 1 ? O_CLOEXEC : 0);
    pp_child = vetch_process_start(&o);
    restore_stdio();
    ck_assert_ptr_nonnull(pp_child);
    close(fds[1]);
    pp_expect_status(0);
    ck_assert_int_eq(read(fds[0], text, sizeof(text)), _i == 0 ? 10 : 0);
    ck_assert_str_eq(text, _i == 0 ? "inherited\n" : "");
    close(fds[0]);
}

/* ---- shortage ---- */

static vetch_process_options swept;

static void
try_to_start(bool unharmed)
{
    vetch_process *p = vetch_process_start(&swept);
    vetch_error *error = NULL;
    vetch_promise *end;

    if (p == NULL) {
        ck_assert(!unharmed);
        ck_assert_int_eq(errno, ENOMEM);
        vt_run_ready();
        pp_expect_no_child();
        return;
    }
    end = vetch_process_end(p);
    vetch_process_unref(p);
    vetch_run(end, &error);
    ck_assert(error == NULL || !unharmed);
    vetch_error_unref(error);
    vt_run_ready();
    pp_until_no_child(); /* `end` may have had no memory */
}

VT_TEST(no_failing_allocation_loses_a_child)
{
    swept = pp_script("exec sleep 1000");
    vt_log_from(VETCH_LOG_ERROR);
    vt_sweep_allocations(try_to_start);
    vt_log_take();
}

VT_TEST(no_lack_of_descriptors_loses_a_child)
{
    vetch_process_options o = pp_script("true");
    struct rlimit before, few;
    rlim_t n = 4;
    unsigned fds = vt_open_fds();
    int failures = 0;

    getrlimit(RLIMIT_NOFILE, &before);
    for (vetch_process *p = NULL; p == NULL; n++) {
        few = before;
        few.rlim_cur = n;
        setrlimit(RLIMIT_NOFILE, &few);
        p = vetch_process_start(&o);
        setrlimit(RLIMIT_NOFILE, &before);
        vt_run_ready();
        if (p == NULL) {
            failures++;
            pp_expect_no_child();
            ck_assert_uint_eq(vt_open_fds(), fds);
        }
        pp_child = p;
    }
    ck_assert_int_ge(failures, 4);
    pp_expect_status(0);
}

VT_TEST(p1_start_needs_a_reactor)
{
    vetch_process_options o = pp_script("true");

    vt_reactor = vetch_reactor_unref(vt_reactor);
    expect_start_error(&o, EPERM);
}
