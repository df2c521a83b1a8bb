/* A process that forks while much is going on. The child lets go of all of it,
 * and the parent must not feel that. (Threads libuv #3185 #3483, PR #846;
 * libevent #307 #319; LESSONS 12) */

#include "support/harness.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BODY_SIZE ((size_t)4 << 20)

static struct {
    vetch_timer *timer;
    vetch_descriptor *watch, *idle_watch;
    int pipe[2];
    vetch_executor *executor;
    vetch_semaphore *semaphore;
    vetch_promise *sleep;
    vetch_listener *listener;
    vetch_udp *udp;
    vetch_http_server *server;
    vetch_http_client *client;
    vetch_http_response *stream;
    int n_readable;
} all;

static char body[BODY_SIZE];

/* ---- what goes on ---- */

static void
ignore_timer(vetch_timer *t, void *ctx)
{
    (void)t;
    (void)ctx;
}

static void
count_readable(vetch_descriptor *d, unsigned events, void *ctx)
{
    char c;

    (void)d;
    (void)events;
    (void)ctx;
    all.n_readable += read(all.pipe[0], &c, 1) == 1;
}

static void *
do_nothing(void *arg, vetch_error **ret_error)
{
    (void)ret_error;
    return arg;
}

static vetch_protocol *
make_nothing(void *ctx)
{
    (void)ctx;
    return NULL;
}

static vetch_promise *
reply(vetch_http_request *r, void *ctx)
{
    size_t size = *(size_t *)ctx;

    vetch_http_reply(r, 200, "text/plain", body, size);
    return NULL;
}

static const char *
url(const char *path)
{
    static char text[64];

    snprintf(text, sizeof(text), "http://127.0.0.1:%u%s",
             vetch_http_server_port(all.server), path);
    return text;
}

static void
run_job(void)
{
    vetch_promise *p =
        vetch_executor_submit(all.executor, do_nothing, &all, NULL);

    ck_assert_ptr_eq(vetch_run(p, NULL), &all);
}

static void
begin_http(void)
{
    static size_t small = 5, large = BODY_SIZE;

    all.server = vetch_http_server_new("tcp:127.0.0.1:0", NULL);
    vetch_http_server_route(all.server, "GET", "/small", reply, &small, NULL);
    vetch_http_server_route(all.server, "GET", "/large", reply, &large, NULL);
    all.client = vetch_http_client_new(NULL);
    all.stream = vetch_run(vetch_http_call_stream(vetch_http_call_new(
                               all.client, "GET", url("/large"))),
                           NULL);
    vetch_unref(vetch_run(vetch_http_get(all.client, url("/small")), NULL));
}

static void
begin(void)
{
    ck_assert_int_eq(pipe(all.pipe), 0);
    all.n_readable = 0;
    all.timer = vetch_timer_new(3600, ignore_timer, NULL);
    all.watch =
        vetch_descriptor_new(all.pipe[0], VETCH_READABLE, count_readable, NULL);
    all.idle_watch = vetch_descriptor_new(all.pipe[1], 0, count_readable, NULL);
    all.executor = vetch_executor_new(NULL);
    run_job();
    all.semaphore = vetch_semaphore_new(1);
    all.sleep = vetch_sleep(3600);
    all.listener =
        vetch_listener_new("unix:test_fork.socket", make_nothing, NULL, NULL);
    ck_assert_ptr_nonnull(all.listener);
    all.udp = vetch_udp_new("udp:127.0.0.1:0", NULL);
    begin_http();
}

static void
let_go_of_all(void)
{
    vetch_timer_unref(all.timer);
    vetch_descriptor_unref(all.watch);
    vetch_descriptor_unref(all.idle_watch);
    vetch_executor_unref(all.executor);
    vetch_semaphore_unref(all.semaphore);
    vetch_promise_unref(all.sleep);
    vetch_listener_unref(all.listener);
    vetch_udp_unref(all.udp);
    vetch_http_response_unref(all.stream);
    vetch_http_client_unref(all.client);
    vetch_http_server_unref(all.server);
}

static size_t
read_stream(void)
{
    size_t n = 0;
    vetch_bytes *piece;

    while (
        (piece = vetch_run(
             vetch_stream_read(vetch_http_response_stream(all.stream), 65536),
             NULL)) != NULL) {
        n += vetch_bytes_len(piece);
        vetch_bytes_unref(piece);
    }
    return n;
}

static void
assert_datagrams_go_on(void)
{
    vetch_udp *u =
        vetch_run(vetch_udp_connect(vetch_udp_endpoint(all.udp), NULL), NULL);
    vetch_udp_message message = { .size = sizeof(message),
                                  .data = "x",
                                  .len = 1 };

    ck_assert_uint_eq(vetch_udp_send(u, &message, 1), 1);
    vetch_unref(vetch_run(vetch_udp_receive(all.udp), NULL));
    vetch_udp_unref(u);
}

static void
assert_all_goes_on(void)
{
    assert_datagrams_go_on();
    ck_assert_int_eq((int)write(all.pipe[1], "x", 1), 1);
    vetch_run(vetch_sleep(0.001), NULL);
    ck_assert_int_eq(all.n_readable, 1);
    ck_assert(vetch_timer_is_active(all.timer));
    ck_assert_int_eq(vetch_promise_state(all.sleep), VETCH_PENDING);
    run_job();
    ck_assert_int_eq(access("test_fork.socket", F_OK), 0);
    vetch_unref(vetch_run(vetch_http_get(all.client, url("/small")), NULL));
    ck_assert_uint_eq(read_stream(), BODY_SIZE);
}

static void
finish(void)
{
    vetch_timer_cancel(all.timer);
    vetch_descriptor_cancel(all.watch);
    vetch_promise_cancel(all.sleep);
    vetch_promise_unref(vetch_listener_stop(all.listener, 0));
    vetch_promise_unref(vetch_http_server_stop(all.server, 0));
    let_go_of_all();
    vetch_run(vetch_sleep(0.01), NULL);
    close(all.pipe[0]);
    close(all.pipe[1]);
}

/* Without a trace: a leak checker would find what the child let go. */
static void
leave(int fd, int result)
{
    if (write(fd, &result, sizeof(result)) == sizeof(result))
        kill(getpid(), SIGKILL);
    abort();
}

/* What fn returns in a child. Where misuse aborts the child, so does the test.
 */
static int
in_child(int (*fn)(void))
{
    int status, results[2], result = -1;
    pid_t pid;

    ck_assert_int_eq(pipe(results), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        leave(results[1], fn());
    close(results[1]);
    if (read(results[0], &result, sizeof(result)) < 0)
        result = -1;
    close(results[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    if (WTERMSIG(status) == SIGABRT)
        abort();
    return result;
}

/* ---- the tests ---- */

VT_CASE("fork", vt_real_reactor_tcase);

static int
let_go_and_begin_anew(void)
{
    let_go_of_all();
    vetch_reactor_unref(vt_reactor);
    if (vt_log_take()[0] != '\0')
        return 1;
    vt_reactor = vetch_reactor_new();
    if (vt_reactor == NULL)
        return 2;
    begin_http();
    vetch_unref(vetch_run(vetch_http_get(all.client, url("/small")), NULL));
    return 0;
}

VT_TEST(a_child_lets_go_of_everything_and_the_parent_goes_on)
{
    begin();
    ck_assert_int_eq(in_child(let_go_and_begin_anew), 0);
    assert_all_goes_on();
    finish();
}

/* How many sockets and so on a program has that a child executes. */
static int
count_inherited(void)
{
    int fds[2];
    char count[16] = "";
    ssize_t n;
    pid_t pid;

    if (pipe(fds) < 0)
        return -1;
    pid = fork();
    if (pid == 0) {
        dup2(fds[1], 1);
        execl("/bin/sh", "sh", "-c",
              "ls -l /proc/$$/fd | grep -c -e anon_inode: -e socket:", NULL);
        _exit(127);
    }
    close(fds[1]);
    n = read(fds[0], count, sizeof(count) - 1);
    close(fds[0]);
    waitpid(pid, NULL, 0);
    return n > 0 ? atoi(count) : -1;
}

VT_TEST(what_a_child_executes_inherits_nothing_of_it)
{
    int before = count_inherited();

    ck_assert_int_ge(before, 0);
    begin();
    ck_assert_int_eq(count_inherited(), before);
    assert_all_goes_on();
    finish();
}

static int
is_refused(const char *what)
{
    const char *logged = vt_log_take();

    return strstr(logged, what) != NULL &&
           strstr(logged, "in a child process, but belongs to the parent") !=
               NULL;
}

static int
use_all(void)
{
    errno = 0;
    if (vetch_timer_restart(all.timer, 0) == 0 || errno != EPERM ||
        !is_refused("a timer"))
        return 1;
    vetch_descriptor_cancel(all.watch);
    if (!is_refused("a descriptor"))
        return 2;
    vetch_promise_cancel(all.sleep);
    if (!is_refused("a promise"))
        return 3;
    vetch_unref(vetch_semaphore_acquire(all.semaphore));
    if (!is_refused("a semaphore"))
        return 4;
    vetch_promise_unref(vetch_listener_stop(all.listener, 0));
    if (!is_refused("a listener"))
        return 5;
    vetch_promise_unref(
        vetch_executor_submit(all.executor, do_nothing, NULL, NULL));
    if (!is_refused("an executor"))
        return 6;
    if (vetch_reactor_post(vt_reactor, vt_count, &all.n_readable) == 0 ||
        !is_refused("a reactor"))
        return 7;
    vetch_udp_close(all.udp);
    if (!is_refused("a datagram socket"))
        return 8;
    if (vetch_reactor_run_once(vt_reactor, 0) != -1 || errno != EPERM ||
        !is_refused("a reactor"))
        return 9;
    return 0;
}

VT_TEST(what_a_child_does_to_it_all_is_refused_and_named, .misuse = true)
{
    begin();
    ck_assert_int_eq(in_child(use_all), 0);
    assert_all_goes_on();
    finish();
}

static int n_called;

static void
fork_and_return(void *ctx)
{
    *(pid_t *)ctx = fork();
    vetch_call_soon(vt_count, &n_called);
}

static void
stop(void *ctx)
{
    (void)ctx;
    n_called++;
    vetch_reactor_stop(vt_reactor);
}

VT_TEST(a_callback_that_forks_returns_to_one_loop_only)
{
    int result, in_child = -1, results[2];
    pid_t pid = -1;

    n_called = 0;
    ck_assert_int_eq(pipe(results), 0);
    vetch_call_soon(fork_and_return, &pid);
    vetch_call_soon(stop, NULL);
    result = vetch_reactor_run(vt_reactor);
    if (pid == 0)
        leave(results[1], result == -1 && errno == EPERM ? n_called : -1);
    close(results[1]);
    ck_assert_int_eq((int)read(results[0], &in_child, sizeof(in_child)),
                     (int)sizeof(in_child));
    close(results[0]);
    waitpid(pid, NULL, 0);
    ck_assert_int_eq(in_child, 0);
    ck_assert_int_eq(result, 0);
    ck_assert_int_eq(n_called, 2);
}
