/* Listeners behind a proxy: connections that begin with a PROXY header. */
#include "support/listener_kit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define V1 "PROXY TCP4 192.0.2.1 198.51.100.2 51000 443\r\n"
/* The same addresses, in binary, and a name, a checksum, and a TLS version. */
#define V2_BEGIN     "\r\n\r\n\0\r\nQUIT\n\x21\x11"
#define V2_ADDRESSES "\xc0\0\2\1\xc6\x33\x64\2\xc7\x38\1\xbb"
static const char v2[] = V2_BEGIN "\0\x26" V2_ADDRESSES "\2\0\7example"
                                  "\x20\0\x0d\1\0\0\0\0\x21\0\5TLSv1";
static const char local[] = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

static struct lk_server s;

static void
serve_behind_proxy(const char *endpoint)
{
    lk_serve(&s, endpoint);
    vetch_listener_set_error_fn(s.l, lk_on_error, &s);
}

static void
send_bytes(int fd, const void *bytes, size_t len)
{
    ck_assert_int_eq(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* A client of the listener that has sent this. */
static int
client_with(const void *bytes, size_t len)
{
    int fd = lk_client(&s);

    send_bytes(fd, bytes, len);
    return fd;
}

static void
assert_passed_on(const char *data)
{
    struct tk_probe *p = &s.probes[0];

    ck_assert_str_eq(vetch_transport_peer(p->t), "tcp:192.0.2.1:51000");
    ck_assert_str_eq(vetch_transport_local(p->t), "tcp:198.51.100.2:443");
    ck_assert_int_eq(strncmp(vetch_transport_proxy(p->t), "tcp:127.0.0.1:", 14),
                     0);
    tk_until(p->n_data == strlen(data));
    tk_assert_data(p, data);
}

static void
end_client(int fd)
{
    close(fd);
    tk_until(lk_count(&s, TK_FREED) == s.n_made);
    lk_stop(&s);
}

/* ---- what is told ---- */

VT_CASE("headers", vt_reactor_tcase);

/* aiohttp PR #1712, h2o PR #386, mongoose PR #2939. */
VT_TEST(a_line_gives_a_connection_its_names)
{
    int fd;

    serve_behind_proxy("tcp:127.0.0.1:0,proxy");
    fd = client_with(V1 "hello", sizeof(V1 "hello") - 1);
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    assert_passed_on("hello");
    end_client(fd);
}

VT_TEST(a_header_may_come_byte_by_byte)
{
    int fd;

    serve_behind_proxy("tcp:127.0.0.1:0,proxy");
    fd = lk_client(&s);
    for (size_t i = 0; i < sizeof(V1) - 1; i++) {
        ck_assert_uint_eq(s.n_made, 0);
        send_bytes(fd, &V1[i], 1);
        tk_until(vetch_listener_connections(s.l) == 1);
    }
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    send_bytes(fd, "x", 1);
    assert_passed_on("x");
    end_client(fd);
}

VT_TEST(values_can_be_asked_for)
{
    vetch_transport *t;
    const void *value;
    size_t len = 0;
    int fd;

    serve_behind_proxy("tcp:127.0.0.1:0,proxy");
    fd = client_with(v2, sizeof(v2) - 1);
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    assert_passed_on("");
    t = s.probes[0].t;
    value = vetch_transport_proxy_value(t, VETCH_PROXY_AUTHORITY, &len);
    ck_assert_uint_eq(len, 7);
    ck_assert_int_eq(memcmp(value, "example", 7), 0);
    value = vetch_transport_proxy_value(t, VETCH_PROXY_SSL_VERSION, &len);
    ck_assert_uint_eq(len, 5);
    ck_assert_int_eq(memcmp(value, "TLSv1", 5), 0);
    ck_assert_ptr_null(vetch_transport_proxy_value(t, VETCH_PROXY_ALPN, &len));
    end_client(fd);
}

VT_TEST(a_proxy_that_speaks_for_itself_has_its_own_names)
{
    size_t len;
    int fd;

    serve_behind_proxy("tcp:127.0.0.1:0,proxy");
    fd = client_with(local, sizeof(local) - 1);
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    ck_assert_int_eq(
        strncmp(vetch_transport_peer(s.probes[0].t), "tcp:127.0.0.1:", 14), 0);
    ck_assert_str_eq(vetch_transport_local(s.probes[0].t),
                     vetch_listener_endpoint(s.l));
    ck_assert_ptr_null(vetch_transport_proxy(s.probes[0].t));
    ck_assert_ptr_null(vetch_transport_proxy_value(
        s.probes[0].t, VETCH_PROXY_AUTHORITY, &len));
    end_client(fd);
}

VT_TEST(a_connection_without_proxy_says_so)
{
    struct tk_probe ends[2];

    tk_connect(TK_TCP, ends);
    ck_assert_ptr_null(vetch_transport_proxy(ends[0].t));
    tk_finish(ends);
    tk_connect(TK_MEMORY, ends);
    ck_assert_ptr_null(vetch_transport_proxy(ends[0].t));
    tk_finish(ends);
}

VT_TEST(a_unix_socket_may_have_a_proxy_before_it)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    char where[100];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    lk_make_folder();
    snprintf(where, sizeof(where), "%s,proxy", lk_endpoint);
    serve_behind_proxy(where);
    ck_assert_str_eq(vetch_listener_endpoint(s.l), lk_endpoint);
    strcpy(un.sun_path, lk_path);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    send_bytes(fd, V1, sizeof(V1) - 1);
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    ck_assert_str_eq(vetch_transport_peer(s.probes[0].t),
                     "tcp:192.0.2.1:51000");
    ck_assert_str_eq(vetch_transport_proxy(s.probes[0].t), "unix:");
    end_client(fd);
    lk_remove_folder();
}

/* ---- what is refused ---- */

VT_CASE("refusals", vt_reactor_tcase);

static void
assert_refused(int fd)
{
    tk_until(lk_is_closed(fd));
    ck_assert_uint_eq(s.n_made, 0);
    ck_assert_uint_eq(vetch_listener_connections(s.l), 0);
    end_client(fd);
}

VT_TEST(a_connection_without_header_is_closed)
{
    int fd;

    serve_behind_proxy("tcp:127.0.0.1:0,proxy");
    fd = client_with("GET / HTTP/1.1\r\n\r\n", 18);
    tk_until(s.n_errors == 1);
    ck_assert_int_eq(s.error, VETCH_EPROXY);
    assert_refused(fd);
}

VT_TEST(what_is_wrong_is_logged_with_the_peer)
{
    const char *text;
    int fd;

    lk_serve(&s, "tcp:127.0.0.1:0,proxy");
    vt_log_from(VETCH_LOG_WARNING);
    fd = client_with("GET / HTTP/1.1\r\n\r\n", 18);
    tk_until(lk_is_closed(fd));
    text = vt_log_take();
    ck_assert_ptr_nonnull(strstr(text, "accept on tcp:127.0.0.1:"));
    ck_assert_ptr_nonnull(strstr(text, ": no PROXY header\n"));
    assert_refused(fd);
}

VT_TEST(a_header_has_to_come_in_time)
{
    int fd;

    serve_behind_proxy("tcp:127.0.0.1:0,proxy");
    fd = client_with("PROXY ", 6);
    tk_until(vetch_listener_connections(s.l) == 1);
    vt_advance(4.9);
    ck_assert_int_eq(s.n_errors, 0);
    send_bytes(fd, "T", 1); /* every byte counts, and none gains time */
    vt_advance(0.2);
    ck_assert_int_eq(s.n_errors, 1);
    ck_assert_int_eq(s.error, VETCH_EPROXY);
    assert_refused(fd);
}

/* HAProxy looks in this way whether a server is there. */
VT_TEST(a_look_and_no_more_is_no_error)
{
    int fd;

    serve_behind_proxy("tcp:127.0.0.1:0,proxy");
    fd = lk_client(&s);
    tk_until(vetch_listener_connections(s.l) == 1);
    close(fd);
    tk_until(vetch_listener_connections(s.l) == 0);
    ck_assert_int_eq(s.n_errors, 0);
    lk_stop(&s);
}

VT_TEST(half_a_header_is_an_error)
{
    int fd;

    serve_behind_proxy("tcp:127.0.0.1:0,proxy");
    fd = client_with("PROXY TCP4", 10);
    shutdown(fd, SHUT_WR);
    tk_until(s.n_errors == 1);
    ck_assert_int_eq(s.error, VETCH_EPROXY);
    assert_refused(fd);
}

VT_TEST(only_the_named_networks_may_be_proxies)
{
    int fd;

    serve_behind_proxy("tcp:127.0.0.1:0,proxy=192.0.2.0/24");
    fd = client_with(V1, sizeof(V1) - 1);
    tk_until(s.n_errors == 1);
    ck_assert_int_eq(s.error, VETCH_EPROXY);
    assert_refused(fd);
    serve_behind_proxy("tcp:127.0.0.1:0,proxy=192.0.2.0/24,proxy=127.0.0.1");
    fd = client_with(V1, sizeof(V1) - 1);
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    assert_passed_on("");
    end_client(fd);
}

/* ---- limits and ends ---- */

VT_CASE("ends", vt_reactor_tcase);

VT_TEST(one_that_sends_its_header_counts_as_a_connection)
{
    int first, second;

    serve_behind_proxy("tcp:127.0.0.1:0,proxy");
    vetch_listener_set_limit(s.l, 1);
    first = lk_client(&s);
    tk_until(vetch_listener_connections(s.l) == 1);
    second = client_with(V1, sizeof(V1) - 1);
    for (int i = 0; i < 5; i++)
        vt_turn(VETCH_NO_LIMIT);
    ck_assert_uint_eq(vetch_listener_connections(s.l), 1);
    ck_assert_uint_eq(s.n_made, 0);
    close(first);
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    end_client(second);
}

VT_TEST(a_stop_at_once_drops_it)
{
    vetch_stop_report *report;
    int fd;

    serve_behind_proxy("tcp:127.0.0.1:0,proxy");
    fd = client_with("PROXY", 5);
    tk_until(vetch_listener_connections(s.l) == 1);
    report = vetch_run(vetch_listener_stop(s.l, 0), NULL);
    ck_assert_uint_eq(vetch_stop_report_cut(report), 1);
    vetch_stop_report_unref(report);
    ck_assert(lk_is_closed(fd));
    ck_assert_int_eq(s.n_errors, 0);
    end_client(fd);
}

VT_TEST(a_stop_with_time_lets_it_go_on)
{
    vetch_promise *p;
    int fd;

    serve_behind_proxy("tcp:127.0.0.1:0,proxy");
    fd = client_with("PROXY", 5);
    tk_until(vetch_listener_connections(s.l) == 1);
    p = vetch_listener_stop(s.l, 10);
    send_bytes(fd, &V1[5], sizeof(V1) - 6);
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    close(fd);
    tk_until(vetch_promise_state(p) == VETCH_FULFILLED);
    ck_assert_uint_eq(vetch_stop_report_ended(vetch_promise_value(p)), 1);
    vetch_promise_unref(p);
    lk_stop(&s);
}

VT_TEST(the_end_of_the_reactor_drops_it)
{
    int fd;

    serve_behind_proxy("tcp:127.0.0.1:0,proxy");
    fd = client_with("PROXY", 5);
    tk_until(vetch_listener_connections(s.l) == 1);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert(lk_is_closed(fd));
    ck_assert_uint_eq(s.n_made, 0);
    vetch_listener_unref(s.l);
    close(fd);
}

VT_TEST(a_factory_may_refuse_what_was_passed_on)
{
    int fd;

    serve_behind_proxy("tcp:127.0.0.1:0,proxy");
    s.refuse = 1;
    fd = client_with(V1, sizeof(V1) - 1);
    assert_refused(fd);
}

/* ---- running out of memory ---- */

VT_CASE("memory", vt_reactor_tcase);

static void
pass_one_on(bool unharmed)
{
    vetch_promise *p;
    int fd;

    memset(&s, 0, sizeof(s));
    s.l = vetch_listener_new("tcp:127.0.0.1:0,proxy", lk_make, &s, NULL);
    if (s.l == NULL) {
        ck_assert_int_eq(errno, ENOMEM);
        ck_assert(!unharmed);
        return;
    }
    vetch_listener_set_error_fn(s.l, lk_on_error, &s);
    fd = client_with(v2, sizeof(v2) - 1);
    for (int i = 0; i < 4; i++)
        vt_run_ready();
    ck_assert_uint_le(s.n_made, 1);
    if (unharmed)
        assert_passed_on("");
    p = vetch_listener_stop(s.l, 0);
    vt_advance(3);
    lk_end_short_of_memory(&s, p);
    close(fd);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(running_out_of_memory_refuses_a_connection_at_most)
{
    vt_sweep_allocations(pass_one_on);
}
