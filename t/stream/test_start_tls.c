/* Streams with TLS: from the start, by an endpoint, and in the middle. */
#include <stdio.h>
#include <string.h>

#include "support/stream_kit.h"
#include "support/tls_kit.h"

static vetch_tls *client, *server;

static void
open_streams(void)
{
    tlk_open();
    client = tlk_client();
    server = tlk_server("server");
    sk_open(0);
}

static void
close_streams(void)
{
    sk_close();
    vt_run_ready();
    client = vetch_tls_unref(client);
    server = vetch_tls_unref(server);
    tlk_close();
}

static void
start_both(void)
{
    vetch_promise *a = vetch_stream_start_tls(sk_a, client, "localhost");

    sk_expect_end(vetch_stream_start_tls(sk_b, server, NULL));
    sk_expect_end(a);
}

VT_CASE("start", vt_reactor_tcase, .set_up = open_streams,
        .take_down = close_streams);

VT_TEST(s12_what_was_written_before_leaves_in_the_clear)
{
    vetch_stream_write(sk_b, "go ahead\n", 9);
    ck_assert_ptr_null(vetch_stream_tls(sk_b));
    vetch_promise_unref(vetch_stream_start_tls(sk_b, server, NULL));
    vetch_stream_write(sk_b, "secret\n", 7);
    sk_expect_text(vetch_stream_read_line(sk_a, 100), "go ahead");
    sk_expect_end(vetch_stream_start_tls(sk_a, client, "localhost"));
    sk_expect_text(vetch_stream_read_line(sk_a, 100), "secret");
    ck_assert_str_eq(vetch_stream_tls(sk_a)->subject, "CN=server");
    ck_assert_str_eq(vetch_stream_tls(sk_b)->protocol, "TLSv1.3");
}

VT_TEST(s12_a_pending_read_forbids_it_and_nothing_happens)
{
    vetch_promise *read = vetch_stream_read(sk_a, 10), *copy;

    sk_expect_error(vetch_stream_start_tls(sk_a, client, "localhost"),
                    VETCH_EMISUSE);
    copy = vetch_stream_copy(sk_b, sk_b, NULL);
    sk_expect_error(vetch_stream_start_tls(sk_b, server, NULL), VETCH_EMISUSE);
    vetch_stream_write(sk_a, "echo", 4);
    sk_expect_text(read, "echo");
    vetch_promise_cancel(copy);
    vetch_promise_unref(copy);
    vt_run_ready();
    start_both();
}

VT_TEST(s12_a_server_refuses_plain_bytes_that_are_left)
{
    vetch_stream_write(sk_a, "STARTTLS\r\nRCPT TO:<me>\r\n", 24);
    sk_expect_text(vetch_stream_read_line(sk_b, 100), "STARTTLS");
    sk_expect_error(vetch_stream_start_tls(sk_b, server, NULL), VETCH_ETLS);
    sk_expect_error(vetch_stream_read(sk_b, 100), VETCH_ETLS);
}

VT_TEST(s12_a_client_feeds_what_is_left_to_tls)
{
    vetch_stream_write(sk_b, "go ahead\n\x15\x03\x03", 12);
    sk_expect_text(vetch_stream_read_line(sk_a, 100), "go ahead");
    vt_run_ready();
    /* It is half an alert, and the other half ends the handshake. */
    vetch_stream_write(sk_b, "\x00\x02\x02\x28", 4);
    sk_expect_error(vetch_stream_start_tls(sk_a, client, "localhost"),
                    VETCH_ETLS);
    ck_assert_ptr_nonnull(strstr(vetch_error_text(vetch_stream_error(sk_a)),
                                 "the peer says: handshake failure"));
}

VT_TEST(s12_a_cancelled_start_breaks_the_stream)
{
    vetch_promise *p = vetch_stream_start_tls(sk_a, client, "localhost");

    vt_run_ready();
    vetch_promise_cancel(p);
    sk_expect_error(p, VETCH_ECANCELED);
    ck_assert_int_eq(vetch_stream_write(sk_a, "x", 1), -1);
    sk_expect_error(vetch_stream_read(sk_a, 1), VETCH_ECANCELED);
}

VT_TEST(s12_a_failed_start_breaks_the_stream_with_the_reason)
{
    vetch_promise *b = vetch_stream_start_tls(sk_b, server, NULL);

    sk_expect_error(vetch_stream_start_tls(sk_a, client, "elsewhere"),
                    VETCH_ECERTIFICATE);
    sk_expect_error(vetch_stream_read(sk_a, 1), VETCH_ECERTIFICATE);
    sk_expect_error(b, VETCH_ETLS);
}

VT_TEST(a_stream_that_is_closed_cannot_start)
{
    vetch_promise *close = vetch_stream_close(sk_b);

    sk_expect_error(vetch_stream_start_tls(sk_b, server, NULL), VETCH_ECLOSED);
    sk_end(sk_a);
    sk_expect_end(close);
}

VT_TEST(a_broken_stream_cannot_start)
{
    vetch_stream_abort(sk_a);
    sk_expect_error(vetch_stream_start_tls(sk_a, client, "localhost"),
                    ECONNABORTED);
}

VT_TEST(a_start_without_a_name_changes_nothing)
{
    sk_expect_error(vetch_stream_start_tls(sk_a, client, NULL), EINVAL);
    start_both();
}

VT_TEST(closing_during_the_handshake_ends_it)
{
    vetch_promise *p = vetch_stream_start_tls(sk_a, client, "localhost");

    vetch_promise_unref(vetch_stream_close(sk_a));
    sk_a = vetch_stream_unref(sk_a);
    vetch_promise_unref(vetch_stream_close(sk_b));
    sk_expect_error(p, VETCH_ECLOSED);
}

VT_TEST(an_end_during_the_handshake_comes_after_it)
{
    vetch_promise *a = vetch_stream_start_tls(sk_a, client, "localhost");
    vetch_promise *end = vetch_stream_end(sk_a);

    sk_expect_end(vetch_stream_start_tls(sk_b, server, NULL));
    sk_expect_end(a);
    sk_expect_end(end);
    sk_expect_end(vetch_stream_read(sk_b, 1));
    vetch_stream_write(sk_b, "x", 1);
    sk_expect_text(vetch_stream_read(sk_a, 1), "x");
}

/* Its bytes wait, so that nobody would read that it is gone. */
VT_TEST(s8_copy_notices_that_a_target_with_tls_broke)
{
    vetch_transport *ends[2];
    vetch_stream *to, *peer;
    vetch_promise *copy;

    tlk_shake(TK_TCP, client, "localhost", server, ends);
    to = vetch_stream_over(ends[0], NULL);
    peer = vetch_stream_over(ends[1], NULL);
    for (int i = 0; i < 300; i++)
        vetch_stream_printf(peer, "%01000d", i);
    copy = vetch_stream_copy(sk_b, to, NULL);
    for (int i = 0; i < 20; i++)
        vt_turn(VETCH_NO_LIMIT);
    ck_assert_int_eq(vetch_promise_state(copy), VETCH_PENDING);
    vetch_stream_abort(peer);
    for (int i = 0; i < 20; i++)
        vt_turn(VETCH_NO_LIMIT);
    ck_assert_int_eq(vetch_promise_state(copy), VETCH_REJECTED);
    sk_expect_error(copy, EPIPE);
    ck_assert_uint_eq(vetch_stream_bytes_read(to), 0);
    vetch_bytes_unref(sk_value(vetch_stream_read(to, 1000)));
    vetch_stream_unref(to);
    vetch_stream_unref(peer);
    vetch_transport_unref(ends[0]);
    vetch_transport_unref(ends[1]);
    vt_run_ready();
}

VT_TEST(tls_inside_tls)
{
    start_both();
    start_both();
    vetch_stream_write(sk_a, "deep\n", 5);
    sk_expect_text(vetch_stream_read_line(sk_b, 10), "deep");
}

VT_TEST(s3_an_end_that_is_not_announced_is_a_truncation)
{
    vetch_transport *pair[2], *t;
    vetch_promise *p;

    ck_assert_int_eq(vetch_transport_pair(pair), 0);
    p = vetch_tls_start(pair[1], server, NULL);
    t = vetch_run(vetch_tls_start(pair[0], client, "localhost"), NULL);
    vetch_stream_unref(sk_a);
    sk_a = vetch_stream_over(t, NULL);
    vetch_transport_unref(t);
    t = vetch_run(p, NULL);
    ck_assert_int_eq(vetch_transport_write(t, "half a l", 8), 0);
    vt_run_ready();
    vetch_transport_end(pair[1]); /* below TLS */
    sk_expect_error(vetch_stream_read_line(sk_a, 100), VETCH_ETRUNCATED);
    sk_expect_text(vetch_stream_read(sk_a, 100), "half a l");
    sk_expect_error(vetch_stream_read(sk_a, 100), VETCH_ETRUNCATED);
    vetch_transport_unref(t);
    vetch_transport_unref(pair[0]);
    vetch_transport_unref(pair[1]);
}

/* ---- over the network ---- */

VT_CASE("network", vt_real_reactor_tcase, .set_up = tlk_open,
        .take_down = tlk_close);

static vetch_promise *
greet(vetch_stream *s, void *ctx)
{
    (void)ctx;
    ck_assert_ptr_nonnull(vetch_stream_tls(s));
    vetch_stream_printf(s, "hello, %s\n",
                        vetch_stream_tls(s)->subject != NULL
                            ? vetch_stream_tls(s)->subject
                            : "stranger");
    return NULL;
}

static void
expect_greeting(const char *endpoint, const vetch_stream_options *options,
                const char *text)
{
    vetch_error *error = NULL;
    vetch_stream *s =
        vetch_run(vetch_stream_connect(endpoint, options), &error);

    ck_assert_msg(s != NULL, "%s: %s", endpoint, vetch_error_text(error));
    sk_expect_text(vetch_stream_read_all(s, 1000), text);
    sk_expect_end(vetch_stream_close(s));
    vetch_stream_unref(s);
}

static void
stop_listener(vetch_listener *l)
{
    vetch_stop_report_unref(vetch_run(vetch_listener_stop(l, 5), NULL));
    vetch_listener_unref(l);
    tk_until(vt_live_objects() == 0); /* what is below TLS ends, too */
}

VT_TEST(a_server_and_a_client_by_options)
{
    vetch_stream_options options = VETCH_STREAM_OPTIONS_INIT;
    vetch_listener *l;
    char endpoint[64];

    options.tls = server = tlk_server("server");
    l = vetch_stream_serve("tcp:127.0.0.1:0", greet, NULL, &options);
    ck_assert_ptr_nonnull(l);
    ck_assert_int_eq(strncmp(vetch_listener_endpoint(l), "tls:127", 7), 0);
    options.tls = client = tlk_client();
    snprintf(endpoint, sizeof(endpoint), "tcp:localhost:%u",
             vetch_listener_port(l));
    expect_greeting(endpoint, &options, "hello, stranger\n");
    options.tls_name = "a.example.org";
    expect_greeting(vetch_listener_endpoint(l), &options, "hello, stranger\n");
    options.tls_name = "elsewhere";
    sk_expect_error(vetch_stream_connect(endpoint, &options),
                    VETCH_ECERTIFICATE);
    stop_listener(l);
    client = vetch_tls_unref(client);
    server = vetch_tls_unref(server);
}

VT_TEST(a_server_and_a_client_by_endpoints)
{
    char endpoint[512];
    vetch_listener *l;

    snprintf(endpoint, sizeof(endpoint), "tls:127.0.0.1:0,cert=%s,key=%s,ca=%s",
             tlk_path("server"), tlk_path("server"), tlk_path("ca"));
    l = vetch_stream_serve(endpoint, greet, NULL, NULL);
    ck_assert_msg(l != NULL, "%s: %s", endpoint, strerror(errno));
    snprintf(endpoint, sizeof(endpoint), "%s,ca=%s,cert=%s,key=%s",
             vetch_listener_endpoint(l), tlk_path("ca"), tlk_path("client"),
             tlk_path("client"));
    expect_greeting(endpoint, NULL, "hello, CN=client\n");
    /* By the authorities of the system nobody knows this server. */
    sk_expect_error(vetch_stream_connect(vetch_listener_endpoint(l), NULL),
                    VETCH_ECERTIFICATE);
    stop_listener(l);
}

VT_TEST(a_unix_socket_can_have_tls)
{
    char endpoint[512];
    vetch_listener *l;

    snprintf(endpoint, sizeof(endpoint), "unix:%s,tls,cert=%s,key=%s",
             tlk_path("socket"), tlk_path("server"), tlk_path("server"));
    l = vetch_stream_serve(endpoint, greet, NULL, NULL);
    ck_assert_msg(l != NULL, "%s: %s", endpoint, strerror(errno));
    snprintf(endpoint, sizeof(endpoint), "unix:%s,tls,name=localhost,ca=%s",
             tlk_path("socket"), tlk_path("ca"));
    expect_greeting(endpoint, NULL, "hello, stranger\n");
    stop_listener(l);
}

VT_TEST(connections_with_tls_count_for_their_address_until_they_end)
{
    char endpoint[512], target[128];
    vetch_listener *l;

    snprintf(endpoint, sizeof(endpoint),
             "tls:127.0.0.1:0,cert=%s,key=%s,max_per_address=3",
             tlk_path("server"), tlk_path("server"));
    l = vetch_stream_serve(endpoint, greet, NULL, NULL);
    ck_assert_msg(l != NULL, "%s: %s", endpoint, strerror(errno));
    snprintf(target, sizeof(target), "%s,ca=%s", vetch_listener_endpoint(l),
             tlk_path("ca"));
    for (int i = 0; i < 8; i++)
        expect_greeting(target, NULL, "hello, stranger\n");
    stop_listener(l);
}

static vetch_promise *
tell_peer(vetch_stream *s, void *ctx)
{
    (void)ctx;
    vetch_stream_printf(s, "%s", vetch_stream_peer(s));
    return NULL;
}

VT_TEST(a_proxy_tells_for_whom_before_tls)
{
    static const char header[] = "PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n";
    char endpoint[512], target[64];
    vetch_transport *plain, *t;
    vetch_listener *l;

    snprintf(endpoint, sizeof(endpoint), "tls:127.0.0.1:0,cert=%s,key=%s,proxy",
             tlk_path("server"), tlk_path("server"));
    l = vetch_stream_serve(endpoint, tell_peer, NULL, NULL);
    ck_assert_msg(l != NULL, "%s: %s", endpoint, strerror(errno));
    snprintf(target, sizeof(target), "tcp:127.0.0.1:%u",
             vetch_listener_port(l));
    plain = vetch_run(vetch_connect(target), NULL);
    ck_assert_int_eq(vetch_transport_write(plain, header, strlen(header)), 0);
    client = tlk_client();
    t = vetch_run(vetch_tls_start(plain, client, "localhost"), NULL);
    ck_assert_ptr_nonnull(t);
    sk_a = vetch_stream_over(t, NULL);
    vetch_transport_unref(t);
    vetch_transport_unref(plain);
    sk_expect_text(vetch_stream_read_all(sk_a, 1000), "tcp:192.0.2.7:4711");
    sk_expect_end(vetch_stream_close(sk_a));
    sk_a = vetch_stream_unref(sk_a);
    stop_listener(l);
    client = vetch_tls_unref(client);
}

VT_TEST(the_wrong_side_is_refused)
{
    vetch_stream_options options = VETCH_STREAM_OPTIONS_INIT;

    options.tls = server = tlk_server("server");
    sk_expect_error(vetch_stream_connect("tcp:127.0.0.1:1", &options), EINVAL);
    server = vetch_tls_unref(server);
}

VT_TEST(a_stop_does_not_wait_for_handshakes_longer_than_its_deadline)
{
    vetch_stream_options options = VETCH_STREAM_OPTIONS_INIT;
    vetch_listener *l;
    vetch_stream *s;
    char endpoint[64];

    options.tls = server = tlk_server("server");
    l = vetch_stream_serve("tcp:127.0.0.1:0", greet, NULL, &options);
    snprintf(endpoint, sizeof(endpoint), "tcp:127.0.0.1:%u",
             vetch_listener_port(l));
    s = vetch_run(vetch_stream_connect(endpoint, NULL), NULL);
    ck_assert_ptr_nonnull(s);
    while (vetch_listener_connections(l) == 0)
        tk_turn();
    vetch_stop_report_unref(vetch_run(vetch_listener_stop(l, 0.05), NULL));
    vetch_listener_unref(l);
    vetch_stream_unref(s);
    tk_until(vt_live_objects() == 0);
    server = vetch_tls_unref(server);
}
