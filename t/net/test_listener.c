/* Listeners: where they listen, and what they accept. */
#include "support/listener_kit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Whether a client's socket is connected by now. */
static bool
is_connected(int fd)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);

    return getpeername(fd, (struct sockaddr *)&peer, &len) == 0;
}

/* ---- endpoints ---- */

VT_CASE("basics", vt_reactor_tcase);

VT_TEST(says_where_it_listens)
{
    static const char *const where[] = { "tcp:127.0.0.1:0", "tcp:localhost:0",
                                         "tcp:[::1]:0",     "tcp:*:0",
                                         "tcp:0.0.0.0:0",   "tcp:[::]:0" };
    struct lk_server s;

    for (size_t i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
        vetch_transport *t;
        vetch_error *error;

        memset(&s, 0, sizeof(s));
        s.l = vetch_listener_new(where[i], lk_make, &s, NULL);
        if (s.l == NULL) { /* a machine without IPv6 */
            ck_assert(errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL);
            continue;
        }
        ck_assert_uint_ne(vetch_listener_port(s.l), 0);
        t = vetch_run(vetch_connect(vetch_listener_endpoint(s.l)), &error);
        ck_assert_msg(t != NULL, "%s: %s", vetch_listener_endpoint(s.l),
                      vetch_error_text(error));
        tk_until(lk_count(&s, TK_CONNECTED) == 1);
        ck_assert_uint_eq(vetch_listener_connections(s.l), 1);
        ck_assert_str_eq(vetch_transport_peer(s.probes[0].t),
                         vetch_transport_local(t));
        vetch_transport_unref(t);
        tk_until(lk_count(&s, TK_FREED) == 1);
        ck_assert_uint_eq(vetch_listener_connections(s.l), 0);
        lk_stop(&s);
    }
}

VT_TEST(all_addresses_take_both_families)
{
    struct lk_server s;
    char v4[64];
    vetch_error *error;
    vetch_transport *t;

    lk_serve(&s, "tcp:*:0");
    snprintf(v4, sizeof(v4), "tcp:127.0.0.1:%u", vetch_listener_port(s.l));
    t = vetch_run(vetch_connect(v4), &error);
    ck_assert_ptr_nonnull(t);
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    ck_assert_int_eq(
        strncmp(vetch_transport_peer(s.probes[0].t), "tcp:127.0.0.1:", 14), 0);
    vetch_transport_unref(t);
    lk_stop(&s);
}

VT_TEST(what_cannot_be_listened_at_is_refused)
{
    static const char *const bad[] = {
        "",      "tcp:127.0.0.1", "tcp:example:80", "tcp:127.0.0.1:x",
        "unix:", "fd:x",          "http://x/"
    };
    struct lk_server s;
    char same[64];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_ptr_null(vetch_listener_new(bad[i], lk_make, NULL, NULL));
        ck_assert_int_eq(errno, EINVAL);
    }
    ck_assert_ptr_null(vetch_listener_new("fd:1000000", lk_make, NULL, NULL));
    ck_assert_int_eq(errno, EBADF);
    ck_assert_ptr_null(
        vetch_listener_new("tcp:192.0.2.1:0", lk_make, NULL, NULL));
    ck_assert_int_eq(errno, EADDRNOTAVAIL);
    lk_serve(&s, "tcp:127.0.0.1:0");
    strcpy(same, vetch_listener_endpoint(s.l));
    ck_assert_ptr_null(vetch_listener_new(same, lk_make, NULL, NULL));
    ck_assert_int_eq(errno, EADDRINUSE);
    lk_stop(&s);
}

/* libuv #386 #1229. */
VT_TEST(a_port_can_be_shared_if_both_say_so)
{
    struct lk_server a, b;
    char same[80];

    lk_serve(&a, "tcp:127.0.0.1:0,reuseport");
    snprintf(same, sizeof(same), "%s,reuseport", vetch_listener_endpoint(a.l));
    lk_serve(&b, same);
    ck_assert_uint_eq(vetch_listener_port(a.l), vetch_listener_port(b.l));
    lk_stop(&a);
    lk_stop(&b);
}

VT_TEST(a_unix_socket_is_made_and_removed)
{
    struct lk_server s;
    struct stat st;
    vetch_transport *t;
    vetch_error *error;

    lk_make_folder();
    lk_serve(&s, lk_endpoint);
    ck_assert_str_eq(vetch_listener_endpoint(s.l), lk_endpoint);
    ck_assert_uint_eq(vetch_listener_port(s.l), 0);
    t = vetch_run(vetch_connect(lk_endpoint), &error);
    ck_assert_ptr_nonnull(t);
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    ck_assert_str_eq(vetch_transport_local(s.probes[0].t), lk_endpoint);
    ck_assert_str_eq(vetch_transport_peer(s.probes[0].t), "unix:");
    vetch_transport_unref(t);
    lk_stop(&s);
    ck_assert_int_lt(stat(lk_path, &st), 0);
    lk_remove_folder();
}

VT_TEST(an_abstract_name_needs_no_file)
{
    char where[64];
    struct lk_server s;
    vetch_transport *t;
    vetch_error *error;

    snprintf(where, sizeof(where), "unix:@vetch,,%d", (int)getpid());
    lk_serve(&s, where);
    ck_assert_str_eq(vetch_listener_endpoint(s.l), where);
    ck_assert_ptr_null(vetch_listener_new(where, lk_make, NULL, NULL));
    ck_assert_int_eq(errno, EADDRINUSE);
    t = vetch_run(vetch_connect(where), &error);
    ck_assert_ptr_nonnull(t);
    ck_assert_str_eq(vetch_transport_peer(t), where);
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    ck_assert_str_eq(vetch_transport_local(s.probes[0].t), where);
    vetch_transport_unref(t);
    lk_stop(&s);
    t = vetch_run(vetch_connect(where), &error);
    ck_assert_ptr_null(t);
    ck_assert(vetch_error_is(error, ECONNREFUSED));
    vetch_error_unref(error);
}

VT_TEST(a_comma_in_a_path_is_doubled_in_its_endpoint)
{
    char where[sizeof(lk_endpoint) + 8];
    struct lk_server s;
    vetch_transport *t;
    vetch_error *error;

    lk_make_folder();
    snprintf(where, sizeof(where), "%s,,x", lk_endpoint);
    lk_serve(&s, where);
    ck_assert_str_eq(vetch_listener_endpoint(s.l), where);
    t = vetch_run(vetch_connect(where), &error);
    ck_assert_ptr_nonnull(t);
    ck_assert_str_eq(vetch_transport_peer(t), where);
    vetch_transport_unref(t);
    lk_stop(&s);
    lk_remove_folder();
}

/* A clients' queue of one takes two. */
VT_TEST(the_backlog_bounds_how_many_wait)
{
    struct lk_server s;
    int fds[4];

    lk_serve(&s, "tcp:127.0.0.1:0,backlog=1");
    for (int i = 0; i < 4; i++) {
        fds[i] = lk_raw_socket();
        ck_assert_int_eq(fcntl(fds[i], F_SETFL, O_NONBLOCK), 0);
        lk_raw_connect(fds[i], vetch_listener_port(s.l));
    }
    ck_assert(is_connected(fds[0]) && is_connected(fds[1]));
    ck_assert(!is_connected(fds[3]));
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    tk_until(lk_count(&s, TK_FREED) >= 2);
    lk_stop(&s);
}

static int
option_of(int fd, int level, int option)
{
    int value = -1;
    socklen_t len = sizeof(value);

    ck_assert_int_eq(getsockopt(fd, level, option, &value, &len), 0);
    return value;
}

/* The other end of a client's connection, which is in this process, too. */
static int
other_end(int client)
{
    struct sockaddr_in own, peer;
    socklen_t len = sizeof(own);

    ck_assert_int_eq(getsockname(client, (struct sockaddr *)&own, &len), 0);
    for (int fd = 3; fd < 1024; fd++) {
        len = sizeof(peer);
        if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 &&
            peer.sin_family == AF_INET && peer.sin_port == own.sin_port)
            return fd;
    }
    return -1;
}

VT_TEST(options_reach_the_socket_of_each_connection)
{
    struct lk_server s;
    int client, fd;

    lk_serve(&s, "tcp:127.0.0.1:0,keepalive=60,user_timeout=20,nodelay=no");
    client = lk_client(&s);
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    fd = other_end(client);
    ck_assert_int_eq(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
    ck_assert_int_eq(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), 60);
    ck_assert_int_eq(option_of(fd, IPPROTO_TCP, TCP_KEEPINTVL), 15);
    ck_assert_int_eq(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 20000);
    ck_assert_int_eq(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 0);
    close(client);
    tk_until(lk_count(&s, TK_FREED) == 1);
    lk_stop(&s);
}

VT_TEST(a_stale_socket_file_is_replaced)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    struct lk_server s;
    int crashed = socket(AF_UNIX, SOCK_STREAM, 0);

    lk_make_folder();
    strcpy(un.sun_path, lk_path);
    ck_assert_int_eq(bind(crashed, (struct sockaddr *)&un, sizeof(un)), 0);
    ck_assert_int_eq(listen(crashed, 1), 0);
    ck_assert_ptr_null(vetch_listener_new(lk_endpoint, lk_make, NULL, NULL));
    ck_assert_int_eq(errno, EADDRINUSE); /* it lives */
    close(crashed);
    lk_serve(&s, lk_endpoint);
    lk_stop(&s);
    lk_remove_folder();
}

VT_TEST(what_is_no_socket_is_not_replaced)
{
    struct stat st;
    int fd;

    lk_make_folder();
    fd = open(lk_path, O_CREAT | O_WRONLY, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_ptr_null(vetch_listener_new(lk_endpoint, lk_make, NULL, NULL));
    ck_assert_int_eq(errno, EADDRINUSE);
    ck_assert_int_eq(stat(lk_path, &st), 0);
    ck_assert(S_ISREG(st.st_mode));
    lk_remove_folder();
}

VT_TEST(another_ones_socket_file_is_not_removed)
{
    struct lk_server s, next;
    struct stat st;

    lk_make_folder();
    lk_serve(&s, lk_endpoint);
    unlink(lk_path); /* as an administrator may do */
    lk_serve(&next, lk_endpoint);
    lk_stop(&s);
    ck_assert_int_eq(stat(lk_path, &st), 0);
    lk_stop(&next);
    ck_assert_int_lt(stat(lk_path, &st), 0);
    lk_remove_folder();
}

/* mongoose #2913: taking over a listening descriptor. */
VT_TEST(a_listening_descriptor_is_taken)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    struct lk_server s;
    char text[32];
    int fd = socket(AF_INET, SOCK_STREAM, 0), c;

    snprintf(text, sizeof(text), "fd:%d", fd);
    ck_assert_ptr_null(vetch_listener_new(text, lk_make, NULL, NULL));
    ck_assert_int_eq(errno, EINVAL); /* it does not listen, and stays ours */
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    ck_assert_int_eq(listen(fd, 5), 0);
    lk_serve(&s, text);
    ck_assert_int_eq(strncmp(vetch_listener_endpoint(s.l), "tcp:127.", 8), 0);
    ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    c = lk_client(&s);
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    close(c);
    lk_stop(&s);
    ck_assert_int_lt(fcntl(fd, F_GETFD), 0);
}

/* ---- accepting ---- */

VT_TEST(many_connections_are_accepted)
{
    struct lk_server s;
    int c[MANY];

    lk_serve(&s, "tcp:127.0.0.1:0");
    for (int i = 0; i < MANY; i++)
        c[i] = lk_client(&s);
    tk_until(lk_count(&s, TK_CONNECTED) == MANY);
    ck_assert_uint_eq(vetch_listener_connections(s.l), MANY);
    for (int i = 0; i < MANY; i++)
        close(c[i]);
    tk_until(lk_count(&s, TK_FREED) == MANY);
    ck_assert_uint_eq(vetch_listener_connections(s.l), 0);
    lk_stop(&s);
}

VT_TEST(a_refused_connection_is_closed)
{
    struct lk_server s;
    int a, b;

    lk_serve(&s, "tcp:127.0.0.1:0");
    s.refuse = 1;
    a = lk_client(&s);
    tk_until(lk_is_closed(a));
    b = lk_client(&s);
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    ck_assert(!lk_is_closed(b));
    close(a);
    close(b);
    lk_stop(&s);
}

VT_CASE("limits", vt_reactor_tcase);

VT_TEST(above_the_limit_accepting_waits)
{
    struct lk_server s;
    int c[4];

    lk_serve(&s, "tcp:127.0.0.1:0");
    vetch_listener_set_limit(s.l, 2);
    for (int i = 0; i < 4; i++)
        c[i] = lk_client(&s);
    tk_until(lk_count(&s, TK_CONNECTED) == 2);
    vt_run_ready();
    ck_assert_uint_eq(s.n_made, 2);
    close(c[0]);
    tk_until(lk_count(&s, TK_CONNECTED) == 3);
    vt_run_ready();
    ck_assert_uint_eq(s.n_made, 3);
    vetch_listener_set_limit(s.l, VETCH_NO_LIMIT);
    tk_until(lk_count(&s, TK_CONNECTED) == 4);
    for (int i = 1; i < 4; i++)
        close(c[i]);
    lk_stop(&s);
}

VT_TEST(the_limit_can_be_set_from_the_start_and_zero_means_zero)
{
    vetch_listener_options o = VETCH_LISTENER_OPTIONS_INIT;
    struct lk_server s;
    int c;

    memset(&s, 0, sizeof(s));
    o.max_connections = 0;
    s.l = vetch_listener_new("tcp:127.0.0.1:0", lk_make, &s, &o);
    c = lk_client(&s);
    vt_run_ready();
    vt_run_ready();
    ck_assert_uint_eq(s.n_made, 0);
    vetch_listener_set_limit(s.l, 1);
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    close(c);
    lk_stop(&s);
}

VT_TEST(options_must_be_initialised_and_valid, .misuse = true)
{
    vetch_listener_options none = { 0 }, o = VETCH_LISTENER_OPTIONS_INIT;

    ck_assert_ptr_null(
        vetch_listener_new("tcp:127.0.0.1:0", lk_make, NULL, &none));
    ck_assert_int_eq(errno, EINVAL);
    o.unix_mode = 01777;
    ck_assert_ptr_null(
        vetch_listener_new("tcp:127.0.0.1:0", lk_make, NULL, &o));
    vt_log_take();
}

/* ---- all connections ---- */

static size_t n_seen;

static void
say_goodbye(vetch_transport *t, vetch_protocol *p, void *ctx)
{
    struct lk_server *s = ctx;

    ck_assert_ptr_eq(((struct tk_probe *)p)->t, t);
    ck_assert_ptr_eq(((struct tk_probe *)p)->arg, s);
    tk_write_all(t, "bye");
    vetch_transport_close(t);
    n_seen++;
}

VT_TEST(each_open_connection_can_be_told_goodbye)
{
    struct lk_server s;
    char text[8];
    int c[3];

    lk_serve(&s, "tcp:127.0.0.1:0");
    for (int i = 0; i < 3; i++)
        c[i] = lk_client(&s);
    tk_until(lk_count(&s, TK_CONNECTED) == 3);
    n_seen = 0;
    vetch_listener_each(s.l, say_goodbye, &s);
    ck_assert_uint_eq(n_seen, 3);
    vetch_listener_each(s.l, say_goodbye, &s); /* they are closed */
    ck_assert_uint_eq(n_seen, 3);
    vt_run_ready();
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(recv(c[i], text, sizeof(text), 0), 3);
        close(c[i]);
    }
    tk_until(lk_count(&s, TK_FREED) == 3);
    vetch_listener_each(s.l, say_goodbye, &s);
    ck_assert_uint_eq(n_seen, 3);
    lk_stop(&s);
}

/* Ends all connections from inside the walk, by running the loop. */
static void
end_all(vetch_transport *t, vetch_protocol *p, void *ctx)
{
    struct lk_server *s = ctx;

    (void)t;
    (void)p;
    n_seen++;
    for (size_t i = 0; i < s->n_made; i++)
        vetch_transport_abort(s->probes[i].t);
    vt_run_ready();
    ck_assert_uint_eq(lk_count(s, TK_FREED), s->n_made);
    vetch_listener_each(s->l, end_all, s);
}

VT_TEST(connections_may_end_while_they_are_walked_over)
{
    struct lk_server s;
    int c[3];

    lk_serve(&s, "tcp:127.0.0.1:0");
    for (int i = 0; i < 3; i++)
        c[i] = lk_client(&s);
    tk_until(lk_count(&s, TK_CONNECTED) == 3);
    n_seen = 0;
    vetch_listener_each(s.l, end_all, &s);
    ck_assert_uint_eq(n_seen, 1);
    for (int i = 0; i < 3; i++)
        close(c[i]);
    lk_stop(&s);
}

/* ---- out of memory ---- */

VT_CASE("errors", vt_reactor_tcase);

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
    struct lk_server s;
    vetch_promise *p;
    int c;

    memset(&s, 0, sizeof(s));
    s.l = vetch_listener_new("tcp:127.0.0.1:0", lk_make, &s, NULL);
    if (s.l == NULL) {
        ck_assert_int_eq(errno, ENOMEM);
        ck_assert(!unharmed);
        return;
    }
    vetch_listener_set_error_fn(s.l, ignore_error, NULL);
    c = lk_client(&s);
    vt_run_ready();
    if (unharmed)
        ck_assert_uint_eq(s.n_made, 1);
    p = vetch_listener_stop(s.l, 1);
    vt_advance(3);
    if (unharmed)
        ck_assert_uint_eq(vetch_stop_report_cut(vetch_promise_value(p)), 1);
    lk_end_short_of_memory(&s, p);
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
    l = vetch_listener_new(text, lk_make, NULL, NULL);
    ck_assert(!unharmed || l != NULL);
    if (l == NULL) {
        ck_assert_int_eq(close(fd), 0);
        return;
    }
    vetch_promise_unref(vetch_listener_stop(l, 0));
    vetch_listener_unref(l);
    ck_assert_int_lt(fcntl(fd, F_GETFD), 0);
}

VT_TEST(out_of_memory_a_descriptor_stays_the_caller_s)
{
    vt_sweep_allocations(take_descriptor);
}

VT_TEST(no_failing_allocation_leaks_or_crashes)
{
    vt_sweep_allocations(serve_once);
}
