/* Listeners: endpoints, limits, running out of descriptors, stopping. */
#include "net_probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/net-private.h"
#include "reactor/reactor-private.h"

#define MANY 32

/* A server for a test: its listener and the connections it has seen. */
struct server {
    vetch_listener *l;
    struct probe probes[MANY];
    size_t n_made;
    size_t refuse; /* the first so many are refused */
    int freed;
    void (*on_make)(struct server *s);
    void (*act)(struct probe *p, char event);
    int n_errors, error;
};

static vetch_protocol *
make(void *ctx)
{
    struct server *s = ctx;
    struct probe *p;

    if (s->on_make != NULL)
        s->on_make(s);
    if (s->refuse > 0) {
        s->refuse--;
        return NULL;
    }
    ck_assert_uint_lt(s->n_made, MANY);
    p = &s->probes[s->n_made++];
    np_init(p);
    p->act = s->act;
    p->arg = s;
    return &p->protocol;
}

static void
on_error(vetch_listener *l, const vetch_error *error, void *ctx)
{
    struct server *s = ctx;

    ck_assert_ptr_eq(l, s->l);
    s->n_errors++;
    s->error = vetch_error_code(error);
}

static void
serve(struct server *s, const char *endpoint)
{
    memset(s, 0, sizeof(*s));
    s->l = vetch_listener_new(endpoint, make, s);
    ck_assert_msg(s->l != NULL, "%s: %s", endpoint, strerror(errno));
}

static void
stop(struct server *s)
{
    vetch_error *error;

    vetch_run(vetch_listener_stop(s->l, 0), &error);
    ck_assert_ptr_null(error);
    vetch_listener_unref(s->l);
    for (size_t i = 0; i < s->n_made; i++)
        np_done(&s->probes[i]);
}

/* How many of its connections have begun, have ended. */
static size_t
count(const struct server *s, char event)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_made; i++)
        n += np_has(&s->probes[i], event);
    return n;
}

/* A client without vetch: a socket that connects to a port of 127.0.0.1. */
static int
raw_socket(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static void
raw_connect(int fd, unsigned port)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };

    if (connect(fd, (struct sockaddr *)&in, sizeof(in)) < 0)
        ck_assert_int_eq(errno, EINPROGRESS);
}

static int
client(const struct server *s)
{
    int fd = raw_socket();

    raw_connect(fd, vetch_listener_port(s->l));
    return fd;
}

/* Whether the other side has closed this one. */
static bool
is_closed(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_PEEK) == 0 ||
           (errno != EAGAIN && errno != ENOTCONN);
}

/* A folder of the test's own. */
static char dir[32], path[64], endpoint[80];

static void
make_dir(void)
{
    strcpy(dir, "/tmp/vetch-test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/s", dir);
    snprintf(endpoint, sizeof(endpoint), "unix:%s", path);
}

static void
remove_dir(void)
{
    unlink(path);
    ck_assert_int_eq(rmdir(dir), 0);
}

/* ---- endpoints ---- */

START_TEST(says_where_it_listens)
{
    static const char *const where[] = { "tcp:127.0.0.1:0", "tcp:localhost:0",
                                         "tcp:[::1]:0",     "tcp:*:0",
                                         "tcp:0.0.0.0:0",   "tcp:[::]:0" };
    struct server s;

    for (size_t i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
        vetch_transport *t;
        vetch_error *error;

        memset(&s, 0, sizeof(s));
        s.l = vetch_listener_new(where[i], make, &s);
        if (s.l == NULL) { /* a machine without IPv6 */
            ck_assert(errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL);
            continue;
        }
        ck_assert_uint_ne(vetch_listener_port(s.l), 0);
        t = vetch_run(vetch_connect(vetch_listener_endpoint(s.l)), &error);
        ck_assert_msg(t != NULL, "%s: %s", vetch_listener_endpoint(s.l),
                      vetch_error_text(error));
        np_until(count(&s, NP_CONNECTED) == 1);
        ck_assert_uint_eq(vetch_listener_connections(s.l), 1);
        ck_assert_str_eq(vetch_transport_peer(s.probes[0].t),
                         vetch_transport_local(t));
        vetch_transport_unref(t);
        np_until(count(&s, NP_FREED) == 1);
        ck_assert_uint_eq(vetch_listener_connections(s.l), 0);
        stop(&s);
    }
}
END_TEST

START_TEST(all_addresses_take_both_families)
{
    struct server s;
    char v4[64];
    vetch_error *error;
    vetch_transport *t;

    serve(&s, "tcp:*:0");
    snprintf(v4, sizeof(v4), "tcp:127.0.0.1:%u", vetch_listener_port(s.l));
    t = vetch_run(vetch_connect(v4), &error);
    ck_assert_ptr_nonnull(t);
    np_until(count(&s, NP_CONNECTED) == 1);
    ck_assert_int_eq(
        strncmp(vetch_transport_peer(s.probes[0].t), "tcp:127.0.0.1:", 14), 0);
    vetch_transport_unref(t);
    stop(&s);
}
END_TEST

START_TEST(what_cannot_be_listened_at_is_refused)
{
    static const char *const bad[] = {
        "",      "tcp:127.0.0.1", "tcp:example:80", "tcp:127.0.0.1:x",
        "unix:", "fd:x",          "http://x/"
    };
    struct server s;
    char same[64];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_ptr_null(vetch_listener_new(bad[i], make, NULL));
        ck_assert_int_eq(errno, EINVAL);
    }
    ck_assert_ptr_null(vetch_listener_new("fd:1000000", make, NULL));
    ck_assert_int_eq(errno, EBADF);
    ck_assert_ptr_null(vetch_listener_new("tcp:192.0.2.1:0", make, NULL));
    ck_assert_int_eq(errno, EADDRNOTAVAIL);
    serve(&s, "tcp:127.0.0.1:0");
    strcpy(same, vetch_listener_endpoint(s.l));
    ck_assert_ptr_null(vetch_listener_new(same, make, NULL));
    ck_assert_int_eq(errno, EADDRINUSE);
    stop(&s);
}
END_TEST

/* libuv #386 #1229. */
START_TEST(a_port_can_be_shared_if_both_say_so)
{
    struct server a, b;
    char same[80];

    serve(&a, "tcp:127.0.0.1:0:reuseport");
    snprintf(same, sizeof(same), "%s:reuseport", vetch_listener_endpoint(a.l));
    serve(&b, same);
    ck_assert_uint_eq(vetch_listener_port(a.l), vetch_listener_port(b.l));
    stop(&a);
    stop(&b);
}
END_TEST

START_TEST(a_unix_socket_is_made_and_removed)
{
    struct server s;
    struct stat st;
    vetch_transport *t;
    vetch_error *error;

    make_dir();
    serve(&s, endpoint);
    ck_assert_str_eq(vetch_listener_endpoint(s.l), endpoint);
    ck_assert_uint_eq(vetch_listener_port(s.l), 0);
    t = vetch_run(vetch_connect(endpoint), &error);
    ck_assert_ptr_nonnull(t);
    np_until(count(&s, NP_CONNECTED) == 1);
    ck_assert_str_eq(vetch_transport_local(s.probes[0].t), endpoint);
    ck_assert_str_eq(vetch_transport_peer(s.probes[0].t), "unix:");
    vetch_transport_unref(t);
    stop(&s);
    ck_assert_int_lt(stat(path, &st), 0);
    remove_dir();
}
END_TEST

START_TEST(a_stale_socket_file_is_replaced)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    struct server s;
    int crashed = socket(AF_UNIX, SOCK_STREAM, 0);

    make_dir();
    strcpy(un.sun_path, path);
    ck_assert_int_eq(bind(crashed, (struct sockaddr *)&un, sizeof(un)), 0);
    ck_assert_int_eq(listen(crashed, 1), 0);
    ck_assert_ptr_null(vetch_listener_new(endpoint, make, NULL));
    ck_assert_int_eq(errno, EADDRINUSE); /* it lives */
    close(crashed);
    serve(&s, endpoint);
    stop(&s);
    remove_dir();
}
END_TEST

START_TEST(what_is_no_socket_is_not_replaced)
{
    struct stat st;
    int fd;

    make_dir();
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_ptr_null(vetch_listener_new(endpoint, make, NULL));
    ck_assert_int_eq(errno, EADDRINUSE);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert(S_ISREG(st.st_mode));
    remove_dir();
}
END_TEST

START_TEST(another_ones_socket_file_is_not_removed)
{
    struct server s, next;
    struct stat st;

    make_dir();
    serve(&s, endpoint);
    unlink(path); /* as an administrator may do */
    serve(&next, endpoint);
    stop(&s);
    ck_assert_int_eq(stat(path, &st), 0);
    stop(&next);
    ck_assert_int_lt(stat(path, &st), 0);
    remove_dir();
}
END_TEST

/* mongoose #2913: taking over a listening descriptor. */
START_TEST(a_listening_descriptor_is_taken)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    struct server s;
    char text[32];
    int fd = socket(AF_INET, SOCK_STREAM, 0), c;

    snprintf(text, sizeof(text), "fd:%d", fd);
    ck_assert_ptr_null(vetch_listener_new(text, make, NULL));
    ck_assert_int_eq(errno, EINVAL); /* it does not listen, and stays ours */
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    ck_assert_int_eq(listen(fd, 5), 0);
    serve(&s, text);
    ck_assert_int_eq(strncmp(vetch_listener_endpoint(s.l), "tcp:127.", 8), 0);
    ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    c = client(&s);
    np_until(count(&s, NP_CONNECTED) == 1);
    close(c);
    stop(&s);
    ck_assert_int_lt(fcntl(fd, F_GETFD), 0);
}
END_TEST

/* ---- accepting ---- */

START_TEST(many_connections_are_accepted)
{
    struct server s;
    int c[MANY];

    serve(&s, "tcp:127.0.0.1:0");
    for (int i = 0; i < MANY; i++)
        c[i] = client(&s);
    np_until(count(&s, NP_CONNECTED) == MANY);
    ck_assert_uint_eq(vetch_listener_connections(s.l), MANY);
    for (int i = 0; i < MANY; i++)
        close(c[i]);
    np_until(count(&s, NP_FREED) == MANY);
    ck_assert_uint_eq(vetch_listener_connections(s.l), 0);
    stop(&s);
}
END_TEST

START_TEST(a_refused_connection_is_closed)
{
    struct server s;
    int a, b;

    serve(&s, "tcp:127.0.0.1:0");
    s.refuse = 1;
    a = client(&s);
    np_until(is_closed(a));
    b = client(&s);
    np_until(count(&s, NP_CONNECTED) == 1);
    ck_assert(!is_closed(b));
    close(a);
    close(b);
    stop(&s);
}
END_TEST

START_TEST(above_the_limit_accepting_waits)
{
    struct server s;
    int c[4];

    serve(&s, "tcp:127.0.0.1:0");
    vetch_listener_set_limit(s.l, 2);
    for (int i = 0; i < 4; i++)
        c[i] = client(&s);
    np_until(count(&s, NP_CONNECTED) == 2);
    vt_run_ready();
    ck_assert_uint_eq(s.n_made, 2);
    close(c[0]);
    np_until(count(&s, NP_CONNECTED) == 3);
    vt_run_ready();
    ck_assert_uint_eq(s.n_made, 3);
    vetch_listener_set_limit(s.l, 0);
    np_until(count(&s, NP_CONNECTED) == 4);
    for (int i = 1; i < 4; i++)
        close(c[i]);
    stop(&s);
}
END_TEST

/* ---- running out of descriptors ---- */

static rlim_t
set_descriptors(rlim_t n)
{
    struct rlimit limit;
    rlim_t before;

    getrlimit(RLIMIT_NOFILE, &limit);
    before = limit.rlim_cur;
    limit.rlim_cur = n;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return before;
}

/* The number after the highest descriptor in use. */
static rlim_t
descriptors_in_use(void)
{
    int fd = dup(STDIN_FILENO), highest = fd;

    for (int i = 0; i < 1024; i++)
        if (fcntl(i, F_GETFD) >= 0 && i > highest)
            highest = i;
    close(fd);
    return (rlim_t)highest + (highest == fd ? 0 : 1);
}

/* A server whose next accept lacks a descriptor, one connection open, one
 * waiting. Gaps below the highest descriptor are filled. */
struct shortage {
    struct server s;
    int open, waiting;
    int gaps[1024];
    size_t n_gaps;
    rlim_t before;
};

static void
run_short(struct shortage *sh)
{
    int fd;

    memset(sh, 0, sizeof(*sh));
    serve(&sh->s, "tcp:127.0.0.1:0");
    vetch_listener_set_error_fn(sh->s.l, on_error, &sh->s);
    sh->waiting = raw_socket();
    sh->open = client(&sh->s);
    np_until(count(&sh->s, NP_CONNECTED) == 1);
    sh->before = set_descriptors(descriptors_in_use());
    while ((fd = dup(STDIN_FILENO)) >= 0)
        sh->gaps[sh->n_gaps++] = fd;
    ck_assert_int_eq(errno, EMFILE);
    raw_connect(sh->waiting, vetch_listener_port(sh->s.l));
    np_until(sh->s.n_errors > 0);
}

static void
end_shortage(struct shortage *sh)
{
    set_descriptors(sh->before);
    for (size_t i = 0; i < sh->n_gaps; i++)
        close(sh->gaps[i]);
    close(sh->open);
    close(sh->waiting);
    stop(&sh->s);
}

/* libevent #71 #1089; joyent/libuv #315 #690 #1189; node #45242; bun #32705;
 * libmill #182: accepting either took all the CPU or stopped for good.
 * (LESSONS 10) */
START_TEST(without_descriptors_it_looks_away_for_longer_and_longer)
{
    static const double times[] = { 0.1, 0.2, 0.4, 0.8 };
    struct shortage sh;

    run_short(&sh);
    ck_assert_int_eq(sh.s.error, EMFILE);
    ck_assert_int_eq(sh.s.n_errors, 1);
    for (int i = 0; i < 4; i++) {
        vt_advance(times[i] - 0.001);
        ck_assert_int_eq(sh.s.n_errors, i + 1);
        vt_advance(0.001);
        ck_assert_int_eq(sh.s.n_errors, i + 2);
    }
    ck_assert(!is_closed(sh.waiting));
    set_descriptors(sh.before);
    vt_advance(1);
    np_until(count(&sh.s, NP_CONNECTED) == 2);
    end_shortage(&sh);
}
END_TEST

START_TEST(it_goes_on_as_soon_as_a_connection_ends)
{
    struct shortage sh;

    run_short(&sh);
    vetch_transport_abort(sh.s.probes[0].t);
    np_until(count(&sh.s, NP_CONNECTED) == 2); /* the clock stands still */
    ck_assert_int_eq(sh.s.n_errors, 1);
    end_shortage(&sh);
}
END_TEST

START_TEST(a_descriptor_to_spare_does_not_lift_the_limit)
{
    struct shortage sh;

    run_short(&sh);
    vetch_listener_set_limit(sh.s.l, 1);
    set_descriptors(sh.before);
    vetch__net_descriptor_closed(vt_reactor->net); /* that of another one */
    vt_advance(1);
    ck_assert_uint_eq(vetch_listener_connections(sh.s.l), 1);
    vetch_transport_abort(sh.s.probes[0].t);
    np_until(count(&sh.s, NP_CONNECTED) == 2);
    end_shortage(&sh);
}
END_TEST

START_TEST(after_a_second_in_vain_those_who_wait_are_refused)
{
    struct shortage sh;

    run_short(&sh);
    vt_advance(0.1 + 0.2 + 0.4 + 0.8);
    vt_run_ready();
    ck_assert(!is_closed(sh.waiting));
    vt_advance(1);
    np_until(is_closed(sh.waiting));
    ck_assert_uint_eq(sh.s.n_made, 1);
    end_shortage(&sh);
}
END_TEST

START_TEST(by_default_the_log_hears_of_it_once_a_second)
{
    struct shortage sh;
    const char *lines;

    run_short(&sh);
    vetch_listener_set_error_fn(sh.s.l, NULL, NULL);
    vt_advance(0.75);
    lines = vt_log_take();
    ck_assert_ptr_nonnull(strstr(lines, "accept on tcp:127.0.0.1:"));
    ck_assert_ptr_eq(strchr(lines, '\n'), lines + strlen(lines) - 1);
    vt_advance(2);
    ck_assert_str_ne(vt_log_take(), "");
    end_shortage(&sh);
}
END_TEST

START_TEST(a_starved_listener_can_be_stopped)
{
    struct shortage sh;

    run_short(&sh);
    end_shortage(&sh);
}
END_TEST

/* ---- stopping ---- */

/* node #2642, aiohttp #1221: a stop that never ends. */
START_TEST(stop_lets_connections_end_and_cuts_the_rest)
{
    struct server s;
    int c[3];
    vetch_promise *p;

    serve(&s, "tcp:127.0.0.1:0");
    for (int i = 0; i < 3; i++)
        c[i] = client(&s);
    np_until(count(&s, NP_CONNECTED) == 3);
    p = vetch_listener_stop(s.l, 5);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    close(c[0]);
    np_until(count(&s, NP_FREED) == 1);
    vt_advance(4.99);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vt_advance(0.01);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    ck_assert_int_eq((intptr_t)vetch_promise_value(p), 2);
    ck_assert_int_eq(s.probes[2].lost_code, VETCH_ECLOSED);
    np_until(is_closed(c[1]) && is_closed(c[2]));
    vetch_promise_unref(p);
    close(c[1]);
    close(c[2]);
    stop(&s);
}
END_TEST

START_TEST(stop_without_connections_ends_at_once)
{
    struct server s;
    vetch_promise *p;
    int c;

    serve(&s, "tcp:127.0.0.1:0");
    p = vetch_listener_stop(s.l, 60);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    ck_assert_ptr_null(vetch_promise_value(p));
    vetch_promise_unref(p);
    c = client(&s);
    np_until(is_closed(c)); /* refused */
    close(c);
    stop(&s);
}
END_TEST

START_TEST(a_second_stop_can_only_be_earlier)
{
    struct server s;
    vetch_promise *a, *b, *c;
    int fd;

    serve(&s, "tcp:127.0.0.1:0");
    fd = client(&s);
    np_until(count(&s, NP_CONNECTED) == 1);
    a = vetch_listener_stop(s.l, 5);
    b = vetch_listener_stop(s.l, 2);
    c = vetch_listener_stop(s.l, 9);
    vt_advance(1.99);
    ck_assert_int_eq(vetch_promise_state(a), VETCH_PENDING);
    vt_advance(0.01);
    ck_assert_int_eq((intptr_t)vetch_promise_value(a), 1);
    ck_assert_int_eq((intptr_t)vetch_promise_value(b), 1);
    ck_assert_int_eq((intptr_t)vetch_promise_value(c), 1);
    vetch_promise_unref(a);
    vetch_promise_unref(b);
    vetch_promise_unref(c);
    close(fd);
    stop(&s);
}
END_TEST

START_TEST(cancelling_a_stop_cuts_now)
{
    struct server s;
    vetch_promise *p;
    int fd;

    serve(&s, "tcp:127.0.0.1:0");
    fd = client(&s);
    np_until(count(&s, NP_CONNECTED) == 1);
    p = vetch_timeout(vetch_listener_stop(s.l, 60), 1);
    vt_advance(1);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(p)), VETCH_ETIMEDOUT);
    ck_assert_uint_eq(count(&s, NP_FREED), 1);
    vetch_promise_unref(p);
    close(fd);
    stop(&s);
}
END_TEST

static void
stop_now(struct server *s)
{
    vetch_promise_unref(vetch_listener_stop(s->l, 0));
}

static void
stop_when(struct probe *p, char event)
{
    struct server *s = p->arg;

    if (event == NP_CONNECTED || event == NP_LOST || event == NP_FREED)
        stop_now(s);
}

/* libuv #2087, curl #3537: from inside its own callbacks. */
START_TEST(it_may_be_stopped_from_inside)
{
    for (int inside = 0; inside < 2; inside++) {
        struct server s;
        int a, b;

        serve(&s, "tcp:127.0.0.1:0");
        s.on_make = inside == 0 ? stop_now : NULL;
        s.act = stop_when;
        a = client(&s);
        b = client(&s);
        np_until(count(&s, NP_FREED) == 1);
        ck_assert_uint_eq(s.n_made, 1);
        np_until(is_closed(a) && is_closed(b));
        close(a);
        close(b);
        stop(&s);
    }
}
END_TEST

static void
release(struct server *s)
{
    s->l = vetch_listener_unref(s->l);
}

START_TEST(a_released_listener_goes_on)
{
    struct server s;
    vetch_listener *l;
    int a, b;

    serve(&s, "tcp:127.0.0.1:0");
    l = vetch_listener_ref(s.l);
    vetch_listener_unref(l);
    a = client(&s);
    b = client(&s);
    l = s.l;
    s.on_make = release; /* the last reference but the reactor's */
    np_until(count(&s, NP_CONNECTED) >= 1);
    s.on_make = NULL;
    np_until(count(&s, NP_CONNECTED) == 2);
    close(a);
    close(b);
    np_until(count(&s, NP_FREED) == 2);
    s.l = vetch_listener_ref(l);
    stop(&s);
}
END_TEST

static void
count_free(void *ctx)
{
    ((struct server *)ctx)->freed++;
}

START_TEST(an_owned_ctx_is_freed_once_when_it_has_ended)
{
    struct server s;
    int c;
    vetch_promise *p;

    memset(&s, 0, sizeof(s));
    ck_assert_ptr_null(vetch_listener_new_owned("x", make, &s, count_free));
    ck_assert_int_eq(s.freed, 0); /* it stays the caller's */
    s.l = vetch_listener_new_owned("tcp:127.0.0.1:0", make, &s, count_free);
    c = client(&s);
    np_until(count(&s, NP_CONNECTED) == 1);
    p = vetch_listener_stop(s.l, 1);
    ck_assert_int_eq(s.freed, 0);
    vt_advance(1);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    ck_assert_int_eq(s.freed, 1);
    vetch_promise_unref(p);
    close(c);
    stop(&s);
    ck_assert_int_eq(s.freed, 1);
}
END_TEST

START_TEST(the_end_of_the_reactor_ends_it)
{
    struct server s, with_one;
    vetch_promise *p;
    struct stat st;
    int c;

    make_dir();
    serve(&s, endpoint);
    serve(&with_one, "tcp:127.0.0.1:0");
    c = client(&with_one);
    np_until(count(&with_one, NP_CONNECTED) == 1);
    p = vetch_listener_stop(with_one.l, 60);
    vetch_promise_unref(vetch_catch(p, NULL, NULL));
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_lt(stat(path, &st), 0);
    ck_assert_str_eq(with_one.probes[0].trace, "clf");
    ck_assert_int_eq(with_one.probes[0].lost_code, VETCH_ECLOSED);
    ck_assert_uint_eq(vetch_listener_connections(s.l), 0);
    ck_assert_str_eq(vetch_listener_endpoint(s.l), endpoint);
    vetch_listener_set_limit(s.l, 3);
    vetch_listener_unref(s.l);
    vetch_listener_unref(with_one.l);
    np_done(&with_one.probes[0]);
    close(c);
    remove_dir();
    vt_log_take(); /* that the stop was rejected */
}
END_TEST

START_TEST(without_a_reactor_there_is_none)
{
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_ptr_null(vetch_listener_new("tcp:127.0.0.1:0", make, NULL));
    ck_assert_int_eq(errno, EPERM);
}
END_TEST

/* ---- out of memory ---- */

static void
ignore_error(vetch_listener *l, const vetch_error *error, void *ctx)
{
    (void)l;
    (void)error;
    (void)ctx;
}

static void
serve_once(bool unharmed)
{
    struct server s;
    vetch_promise *p;
    int c;

    memset(&s, 0, sizeof(s));
    s.l = vetch_listener_new("tcp:127.0.0.1:0", make, &s);
    if (s.l == NULL) {
        ck_assert_int_eq(errno, ENOMEM);
        ck_assert(!unharmed);
        return;
    }
    vetch_listener_set_error_fn(s.l, ignore_error, NULL);
    c = client(&s);
    vt_run_ready();
    if (unharmed)
        ck_assert_uint_eq(s.n_made, 1);
    p = vetch_listener_stop(s.l, 1);
    vt_advance(3);
    if (unharmed)
        ck_assert_int_eq((intptr_t)vetch_promise_value(p), 1);
    ck_assert_int_ne(vetch_promise_state(p), VETCH_PENDING);
    if (vetch_promise_state(p) == VETCH_REJECTED)
        ck_assert_int_eq(vetch_error_code(vetch_promise_error(p)),
                         VETCH_ENOMEM);
    vetch_promise_unref(p);
    vetch_listener_unref(s.l);
    for (size_t i = 0; i < s.n_made; i++)
        np_done(&s.probes[i]);
    close(c);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

/* A high number, for which libevent's table has to grow. */
static int
high_listening_descriptor(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), high;

    ck_assert_int_eq(listen(fd, 5), 0);
    high = fcntl(fd, F_DUPFD, 500);
    close(fd);
    return high;
}

static void
take_descriptor(bool unharmed)
{
    int fd = high_listening_descriptor();
    vetch_listener *l;
    char text[32];

    snprintf(text, sizeof(text), "fd:%d", fd);
    l = vetch_listener_new(text, make, NULL);
    ck_assert(!unharmed || l != NULL);
    if (l == NULL) {
        ck_assert_int_eq(close(fd), 0);
        return;
    }
    vetch_promise_unref(vetch_listener_stop(l, 0));
    vetch_listener_unref(l);
    ck_assert_int_lt(fcntl(fd, F_GETFD), 0);
}

START_TEST(out_of_memory_a_descriptor_stays_the_caller_s)
{
    vt_sweep_allocations(take_descriptor);
}
END_TEST

START_TEST(no_failing_allocation_leaks_or_crashes)
{
    vt_sweep_allocations(serve_once);
}
END_TEST

static TCase *
shortage_tcase(void)
{
    TCase *tc = vt_reactor_tcase("shortage");

    tcase_add_test(tc, without_descriptors_it_looks_away_for_longer_and_longer);
    tcase_add_test(tc, it_goes_on_as_soon_as_a_connection_ends);
    tcase_add_test(tc, a_descriptor_to_spare_does_not_lift_the_limit);
    tcase_add_test(tc, after_a_second_in_vain_those_who_wait_are_refused);
    tcase_add_test(tc, by_default_the_log_hears_of_it_once_a_second);
    tcase_add_test(tc, a_starved_listener_can_be_stopped);
    return tc;
}

int
main(void)
{
    Suite *s = suite_create("listener");
    TCase *tc = vt_reactor_tcase("basics");

    tcase_add_test(tc, says_where_it_listens);
    tcase_add_test(tc, all_addresses_take_both_families);
    tcase_add_test(tc, what_cannot_be_listened_at_is_refused);
    tcase_add_test(tc, a_port_can_be_shared_if_both_say_so);
    tcase_add_test(tc, a_unix_socket_is_made_and_removed);
    tcase_add_test(tc, a_stale_socket_file_is_replaced);
    tcase_add_test(tc, what_is_no_socket_is_not_replaced);
    tcase_add_test(tc, another_ones_socket_file_is_not_removed);
    tcase_add_test(tc, a_listening_descriptor_is_taken);
    tcase_add_test(tc, many_connections_are_accepted);
    tcase_add_test(tc, a_refused_connection_is_closed);
    suite_add_tcase(s, tc);

    tc = vt_reactor_tcase("limits");
    tcase_add_test(tc, above_the_limit_accepting_waits);
    suite_add_tcase(s, tc);

    /* valgrind's own accept takes a connection and drops it where the kernel's
     * leaves it waiting. */
    if (!vt_on_valgrind())
        suite_add_tcase(s, shortage_tcase());

    tc = vt_reactor_tcase("stop");
    tcase_add_test(tc, stop_lets_connections_end_and_cuts_the_rest);
    tcase_add_test(tc, stop_without_connections_ends_at_once);
    tcase_add_test(tc, a_second_stop_can_only_be_earlier);
    tcase_add_test(tc, cancelling_a_stop_cuts_now);
    suite_add_tcase(s, tc);

    tc = vt_reactor_tcase("lifetime");
    tcase_add_test(tc, it_may_be_stopped_from_inside);
    tcase_add_test(tc, a_released_listener_goes_on);
    tcase_add_test(tc, an_owned_ctx_is_freed_once_when_it_has_ended);
    tcase_add_test(tc, the_end_of_the_reactor_ends_it);
    tcase_add_test(tc, without_a_reactor_there_is_none);
    tcase_add_test(tc, out_of_memory_a_descriptor_stays_the_caller_s);
    tcase_add_test(tc, no_failing_allocation_leaks_or_crashes);
    suite_add_tcase(s, tc);
    return vt_main(s);
}
