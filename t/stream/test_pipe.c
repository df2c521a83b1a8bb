/* Streams over descriptors, standard input and output among them: what is taken
 * and refused, how it is left, and what is not alike for a connection. (What is
 * alike, the suite of all kinds tests.) */
#include "support/stream_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/pipe-private.h"

static int fds[2]; /* a pipe, closed by the test or by what took it */

static void
open_pipe(void)
{
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
}

static bool
is_blocking(int fd)
{
    return (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
}

static bool
is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* What open(2) gives, of a file that is gone when it is closed. */
static int
open_file(const char *content)
{
    char path[] = "/tmp/vetch-pipe-XXXXXX";
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    unlink(path);
    ck_assert_int_eq(write(fd, content, strlen(content)),
                     (ssize_t)strlen(content));
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* Two descriptors as if they were numbers 0 and 1. */
static vetch_transport *
stdio_transport(int in, int out)
{
    fcntl(in, F_SETFD, 0);
    fcntl(out, F_SETFD, 0);
    return vetch__stdio_transport_new(vt_reactor, in, out);
}

static vetch_stream *
stdio_over(int in, int out)
{
    vetch_transport *t = stdio_transport(in, out);
    vetch_stream *s = vetch_stream_over(t, NULL);

    vetch_transport_unref(t);
    return s;
}

static void
expect_refusal(int in, int out, int errnum)
{
    errno = 0;
    ck_assert_ptr_null(vetch_stream_from_fds(in, out, NULL));
    ck_assert_int_eq(errno, errnum);
}

/* ---- descriptors ---- */

VT_CASE("descriptors", vt_reactor_tcase, .take_down = sk_close);

VT_TEST(files_are_refused)
{
    int file = open_file("x"), null = open("/dev/null", O_RDWR | O_CLOEXEC);

    expect_refusal(file, -1, EPERM);
    expect_refusal(-1, file, EPERM);
    expect_refusal(null, -1, EPERM);
    close(file);
    close(null);
}

VT_TEST(what_is_not_open_for_that_is_refused)
{
    open_pipe();
    expect_refusal(-1, -1, EBADF);
    expect_refusal(fds[1], -1, EBADF);
    expect_refusal(-1, fds[0], EBADF);
    expect_refusal(fds[0], 9999, EBADF);
    ck_assert(is_blocking(fds[0]));
    close(fds[0]);
    close(fds[1]);
}

VT_TEST(sockets_that_are_no_connected_stream_are_refused)
{
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), pair[2];

    expect_refusal(listening, listening, ENOTCONN);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair),
                     0);
    expect_refusal(pair[0], pair[0], ESOCKTNOSUPPORT);
    close(listening);
    close(pair[0]);
    close(pair[1]);
}

VT_TEST(options_are_checked_and_descriptors_stay_with_the_caller)
{
    vetch_stream_options o = VETCH_STREAM_OPTIONS_INIT;
    int pair[2];

    o.read_ahead_bytes = 0;
    open_pipe();
    ck_assert_ptr_null(vetch_stream_from_fds(fds[0], fds[1], &o));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert(is_blocking(fds[0]) && is_blocking(fds[1]));
    close(fds[0]);
    close(fds[1]);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair),
                     0);
    ck_assert_ptr_null(vetch_stream_from_fds(pair[0], pair[0], &o));
    ck_assert(is_open(pair[0]));
    close(pair[0]);
    close(pair[1]);
}

VT_TEST(one_descriptor_is_one_direction)
{
    open_pipe();
    sk_a = vetch_stream_from_fds(fds[0], -1, NULL);
    sk_b = vetch_stream_from_fds(-1, fds[1], NULL);
    ck_assert_str_eq(vetch_stream_peer(sk_a), "pipe");
    ck_assert_int_eq(vetch_stream_write(sk_a, "x", 1), -1);
    ck_assert_int_eq(errno, EBADF);
    sk_expect_error(vetch_stream_read(sk_b, 1), EBADF);
    ck_assert_int_eq(vetch_stream_write(sk_b, "one way", 7), 0);
    sk_expect_end(vetch_stream_end(sk_b));
    sk_expect_text(vetch_stream_read_all(sk_a, 100), "one way");
}

VT_TEST(closing_what_is_read_ends_the_writer)
{
    open_pipe();
    sk_a = vetch_stream_from_fds(fds[0], -1, NULL);
    sk_b = vetch_stream_from_fds(-1, fds[1], NULL);
    vetch_stream_write(sk_b, "unread", 6);
    vt_run_ready();
    sk_expect_end(vetch_stream_close(sk_a));
    vetch_stream_write(sk_b, "x", 1);
    sk_expect_error(vetch_stream_end(sk_b), EPIPE);
}

/* Its input is a pipe of its own, and tells nothing of that. */
VT_TEST(s8_copy_notices_that_nobody_reads)
{
    vetch_stream *silent[2];
    vetch_promise *p;
    int other[2];

    open_pipe();
    ck_assert_int_eq(pipe2(other, O_CLOEXEC), 0);
    sk_a = vetch_stream_from_fds(other[0], fds[1], NULL);
    ck_assert_int_eq(vetch_stream_pair(silent), 0);
    p = vetch_stream_copy(silent[0], sk_a, NULL);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    close(fds[0]);
    sk_expect_error(p, EPIPE);
    sk_expect_error(vetch_stream_copy(silent[0], sk_a, NULL), EPIPE);
    vetch_stream_unref(silent[0]);
    vetch_stream_unref(silent[1]);
    close(other[1]);
}

VT_TEST(one_socket_given_twice_is_a_connection)
{
    int pair[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair),
                     0);
    sk_a = vetch_stream_from_fds(pair[0], pair[0], NULL);
    sk_b = vetch_stream_from_fds(pair[1], pair[1], NULL);
    vetch_stream_write(sk_a, "?", 1);
    sk_end(sk_a);
    sk_expect_text(vetch_stream_read_all(sk_b, 10), "?");
    vetch_stream_write(sk_b, "!", 1);
    sk_end(sk_b);
    sk_expect_text(vetch_stream_read_all(sk_a, 10), "!");
}

VT_TEST(two_sockets_half_close, .loops = 2)
{
    int pair[2], other;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair),
                     0);
    other = fcntl(pair[0], F_DUPFD_CLOEXEC, 0);
    sk_a = _i == 0 ? vetch_stream_from_fds(pair[0], other, NULL)
                   : stdio_over(pair[0], other);
    sk_b = vetch_stream_from_fds(pair[1], pair[1], NULL);
    vetch_stream_write(sk_a, "?", 1);
    sk_end(sk_a);
    sk_expect_text(vetch_stream_read_all(sk_b, 10), "?");
    vetch_stream_write(sk_b, "!", 1);
    sk_end(sk_b);
    sk_expect_text(vetch_stream_read_all(sk_a, 10), "!");
    sk_close();
    if (_i == 1) {
        close(pair[0]);
        close(other);
    }
}

VT_TEST(a_terminal_that_hangs_up_has_ended)
{
    int master, slave;

    ck_assert_int_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
    sk_a = vetch_stream_from_fds(master, master, NULL);
    ck_assert_ptr_nonnull(sk_a);
    ck_assert_int_eq(write(slave, "bye", 3), 3);
    close(slave);
    sk_expect_text(vetch_stream_read_all(sk_a, 10), "bye");
}

static int shared_errno;

static void
try_from_fds(bool unharmed)
{
    vetch_stream *s;

    open_pipe();
    s = vetch_stream_from_fds(fds[0], fds[1], NULL);
    if (s == NULL) {
        ck_assert(!unharmed);
        shared_errno = errno;
        ck_assert_int_eq(shared_errno, ENOMEM);
        ck_assert(is_blocking(fds[0]));
        close(fds[0]);
        close(fds[1]);
        return;
    }
    vetch_stream_write(s, "x", 1);
    vt_run_ready();
    vetch_stream_abort(s);
    vetch_stream_unref(s);
    vt_run_ready();
}

VT_TEST(no_failing_allocation_takes_the_descriptors)
{
    vt_log_from(VETCH_LOG_ERROR);
    vt_sweep_allocations(try_from_fds);
    vt_log_take();
}

/* ---- how they are left ---- */

VT_CASE("as found", vt_reactor_tcase, .take_down = sk_close);

VT_TEST(a_shared_description_is_blocking_again_in_the_end)
{
    int kept;

    open_pipe();
    kept = fcntl(fds[0], F_DUPFD_CLOEXEC, 0); /* the same description */
    sk_a = vetch_stream_from_fds(fds[0], -1, NULL);
    ck_assert(!is_blocking(kept));
    sk_a = vetch_stream_unref(sk_a);
    vt_run_ready();
    ck_assert(is_blocking(kept));
    close(kept);
    close(fds[1]);
}

VT_TEST(pipes_of_stdio_never_become_non_blocking)
{
    int other[2];

    open_pipe();
    ck_assert_int_eq(pipe2(other, O_CLOEXEC), 0);
    sk_a = stdio_over(fds[0], other[1]);
    ck_assert_str_eq(vetch_stream_peer(sk_a), "stdio");
    ck_assert(is_blocking(fds[0]));
    ck_assert(is_blocking(other[1]));
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    sk_expect_text(vetch_stream_read(sk_a, 1), "x");
    sk_close();
    for (int i = 0; i < 2; i++) {
        close(fds[i]);
        close(other[i]);
    }
}

VT_TEST(the_end_of_stdio_closes_pipes_but_not_their_numbers)
{
    struct sigaction kept;
    int other[2];
    char byte;

    open_pipe();
    ck_assert_int_eq(pipe2(other, O_CLOEXEC), 0);
    sigaction(SIGPIPE, NULL, &kept);
    sk_a = stdio_over(fds[0], other[1]);
    vetch_stream_write(sk_a, "x", 1);
    sk_expect_end(vetch_stream_close(sk_a));
    ck_assert_int_eq(read(other[0], &byte, 1), 1);
    ck_assert_int_eq(read(other[0], &byte, 1), 0);
    ck_assert_int_eq(write(fds[1], "x", 1), -1);
    ck_assert_int_eq(errno, EPIPE);
    ck_assert_int_eq(read(fds[0], &byte, 1), 0); /* they are /dev/null now */
    ck_assert_int_eq(write(other[1], "x", 1), 1);
    for (int i = 0; i < 2; i++) {
        close(fds[i]);
        close(other[i]);
    }
}

VT_TEST(a_terminal_stays_as_it_was)
{
    int master, slave, kept;
    char line[8];

    ck_assert_int_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
    kept = fcntl(slave, F_DUPFD_CLOEXEC, 0);
    sk_a = stdio_over(slave, slave);
    ck_assert_int_eq(write(master, "a line\n", 7), 7);
    sk_expect_text(vetch_stream_read_line(sk_a, 100), "a line");
    ck_assert(is_blocking(kept));
    sk_expect_end(vetch_stream_close(sk_a));
    ck_assert_int_eq(write(master, "b\n", 2), 2);
    ck_assert_int_eq(read(kept, line, sizeof(line)), 2); /* a later reader */
    close(kept);
    close(slave);
    close(master);
}

static bool
cannot_fork(void)
{
    return vt_on_valgrind();
}

/* As under a shell, which would find its terminal non-blocking. */
VT_TEST(a_killed_program_leaves_a_blocking_terminal, .unless = cannot_fork)
{
    int master, slave, status;
    pid_t child;
    char byte;

    ck_assert_int_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
    open_pipe();
    child = fork();
    if (child == 0) {
        vetch_reactor *own;

        vetch_reactor_unref(vt_reactor); /* it is the parent's */
        own = vetch_reactor_new();
        if (dup2(slave, 0) < 0 || dup2(slave, 1) < 0 || own == NULL ||
            vetch_stream_stdio(NULL) == NULL)
            _exit(1);
        (void)!write(fds[1], "x", 1);
        for (;;)
            pause();
    }
    ck_assert_int_eq(read(fds[0], &byte, 1), 1);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status));
    ck_assert(is_blocking(slave));
    close(master);
    close(slave);
    close(fds[0]);
    close(fds[1]);
}

/* ---- files in place of pipes ---- */

/* What a thread has begun ends by itself. */
static void
close_redirected(void)
{
    sk_close();
    while (vt_reactor != NULL && vt_live_objects() > 0) {
        vt_run_ready();
        usleep(100);
    }
}

VT_CASE("redirected", vt_reactor_tcase, .take_down = close_redirected);

VT_TEST(stdio_can_be_files)
{
    int in = open_file("first\nsecond\n"), out = open_file("");
    char text[16] = "";

    sk_a = stdio_over(in, out);
    sk_expect_text(vetch_stream_read_line(sk_a, 100), "first");
    sk_expect_text(vetch_stream_read_line(sk_a, 100), "second");
    sk_expect_end(vetch_stream_read_line(sk_a, 100));
    vetch_stream_write(sk_a, "written", 7);
    sk_expect_end(vetch_stream_end(sk_a));
    ck_assert_int_eq(pread(out, text, sizeof(text), 0), 7);
    ck_assert_str_eq(text, "written");
    ck_assert(is_open(in) && is_open(out));
    sk_close();
    close(in);
    close(out);
}

VT_TEST(a_long_file_is_read_and_written_in_pieces)
{
    size_t len = 1000000;
    char *data = malloc(len + 1), *copy = malloc(len);
    int in, out = open_file("");

    memset(data, 'd', len);
    data[len] = '\0';
    in = open_file(data);
    sk_a = stdio_over(in, out);
    sk_expect_end(vetch_stream_copy(sk_a, sk_a, NULL));
    ck_assert_int_eq(pread(out, copy, len, 0), (ssize_t)len);
    ck_assert_int_eq(memcmp(data, copy, len), 0);
    sk_close();
    close(in);
    close(out);
    free(data);
    free(copy);
}

VT_TEST(a_part_of_a_file_is_sent_to_a_file_and_to_a_terminal, .loops = 2)
{
    int file = open_file("0123456789"), in = open_file(""), master = -1, out;
    char text[16] = "";
    vetch_transport *t;

    if (_i == 0)
        out = open_file("");
    else
        ck_assert_int_eq(openpty(&master, &out, NULL, NULL, NULL), 0);
    t = stdio_transport(in, out);
    ck_assert_int_eq(vetch_transport_sendfile(t, file, 2, 5), 0);
    sk_a = vetch_stream_over(t, NULL);
    vetch_transport_unref(t);
    sk_expect_end(vetch_stream_end(sk_a));
    if (_i == 0)
        ck_assert_int_eq(pread(out, text, sizeof(text), 0), 5);
    else
        ck_assert_int_eq(read(master, text, sizeof(text)), 5);
    ck_assert_str_eq(text, "23456");
    sk_close();
    if (master >= 0)
        close(master);
    close(in);
    close(out);
}

VT_TEST(stdio_can_be_dev_null)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    sk_a = stdio_over(null, null);
    sk_expect_end(vetch_stream_read(sk_a, 100));
    vetch_stream_write(sk_a, "nowhere", 7);
    sk_expect_end(vetch_stream_end(sk_a));
    close(null);
}

VT_TEST(a_full_disk_is_an_error)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int full = open("/dev/full", O_RDWR | O_CLOEXEC);

    sk_a = stdio_over(null, full);
    vetch_stream_write(sk_a, "too much", 8);
    sk_expect_error(vetch_stream_end(sk_a), ENOSPC);
    close(null);
    close(full);
}

VT_TEST(a_directory_cannot_be_read)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int directory = open("/", O_RDONLY | O_CLOEXEC);

    sk_a = stdio_over(directory, null);
    sk_expect_error(vetch_stream_read(sk_a, 100), EISDIR);
    close(null);
    close(directory);
}

VT_TEST(what_a_thread_read_waits_for_a_reader)
{
    vetch_stream_options o = VETCH_STREAM_OPTIONS_INIT;
    int in = open_file("0123456789"), null = open("/dev/null", O_RDWR);
    vetch_transport *t = stdio_transport(in, null);

    o.read_ahead_bytes = 1;
    sk_a = vetch_stream_over(t, &o);
    vetch_transport_unref(t);
    sk_expect_text(vetch_stream_read(sk_a, 3), "012");
    sk_expect_text(vetch_stream_read_all(sk_a, 100), "3456789");
    sk_close();
    close(in);
    close(null);
}

VT_TEST(stdio_can_be_aborted_while_a_thread_works, .loops = 2)
{
    vetch_error *error;
    vetch_promise *p;
    int in = open_file("text"), out = open_file("");

    sk_a = stdio_over(in, out);
    vetch_stream_write(sk_a, "text", 4);
    p = vetch_stream_read(sk_a, 100);
    vt_run_ready();
    if (_i == 0)
        vetch_stream_abort(sk_a);
    else
        sk_a = vetch_stream_unref(sk_a);
    vetch_bytes_unref(vetch_run(p, &error)); /* the thread may be faster */
    vetch_error_unref(error);
    sk_close();
    vt_reactor = vetch_reactor_unref(vt_reactor);
    close(in);
    close(out);
}

static void
try_files(bool unharmed)
{
    int in = open_file("text"), out = open_file("");
    vetch_transport *t = stdio_transport(in, out);
    vetch_stream *s = t != NULL ? vetch_stream_over(t, NULL) : NULL;
    vetch_error *error = NULL;

    ck_assert(s != NULL || !unharmed);
    vetch_transport_unref(t);
    if (s != NULL) {
        vetch_bytes_unref(vetch_run(vetch_stream_read_all(s, 100), &error));
        vetch_error_unref(error);
        vetch_stream_write(s, "text", 4);
        vetch_run(vetch_stream_end(s), &error);
        ck_assert(error == NULL || !unharmed);
        vetch_error_unref(error);
    }
    vetch_stream_unref(s);
    vt_run_ready();
    close(in);
    close(out);
}

VT_TEST(no_failing_allocation_hangs_a_thread)
{
    vt_log_from(VETCH_LOG_ERROR);
    vt_sweep_allocations(try_files);
    vt_log_take();
}

VT_TEST(what_is_closed_is_no_direction)
{
    open_pipe();
    sk_a = stdio_over(fds[0], 9999);
    sk_expect_end(vetch_stream_close(sk_a));
    close(fds[0]);
    close(fds[1]);
}

/* It may be the reactor's own epoll. */
VT_TEST(what_closes_on_exec_is_no_direction)
{
    vetch_transport *t;

    open_pipe();
    t = vetch__stdio_transport_new(vt_reactor, fds[0], fds[1]);
    ck_assert_ptr_nonnull(t);
    ck_assert_int_eq(vetch_transport_write(t, "x", 1), -1);
    ck_assert_int_eq(errno, EPIPE);
    vetch_transport_unref(t);
    close(fds[0]);
    close(fds[1]);
}

VT_TEST(stdio_needs_a_reactor)
{
    vt_reactor = vetch_reactor_unref(vt_reactor);
    errno = 0;
    ck_assert_ptr_null(vetch_stream_stdio(NULL));
    ck_assert_int_eq(errno, EPERM);
    expect_refusal(0, 1, EPERM);
}
