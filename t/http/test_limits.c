/* The limits of the server: each is crossed here, and just not crossed. Time
 * is virtual. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "http/server/server-private.h"
#include "support/http_server_kit.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n"

static vetch_promise *
hello(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    vetch_http_reply(r, 200, NULL, "hello", 5);
    return NULL;
}

static void
start(const vetch_http_server_options *options)
{
    hsk_start(options);
    hsk_route("*", "/", hello, NULL);
    hsk_route("*", "/*rest", hello, NULL);
}

static char *
repeat(const char *what, size_t n)
{
    size_t len = strlen(what), i;
    char *s = malloc(len * n + 1);

    ck_assert_ptr_nonnull(s);
    for (i = 0; i < n; i++)
        memcpy(s + i * len, what, len);
    s[len * n] = '\0';
    return s;
}

/* The status of a request made of three parts. */
static unsigned
status_of(const char *before, const char *what, size_t n, const char *after)
{
    char *middle = repeat(what, n);
    struct hsk_client t;
    unsigned status;

    hsk_connect(&t);
    hsk_say(&t, before);
    hsk_say(&t, middle);
    hsk_say(&t, after);
    status = hsk_hear(&t);
    if (status >= 400)
        ck_assert(hsk_hear_end(&t));
    hsk_hang_up(&t);
    free(middle);
    return status;
}

/* ---- sizes ---- */

VT_CASE("sizes", vt_reactor_tcase);

VT_TEST(a_request_line_of_8_kib_is_414)
{
    start(NULL);
    ck_assert_uint_eq(
        status_of("GET /", "t", 8178, " HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    ck_assert_uint_eq(
        status_of("GET /", "t", 8179, " HTTP/1.1\r\nHost: a\r\n\r\n"), 414);
    hsk_end();
}

/* node 24692, 25605, 27645: limits are known, adjustable, with the right
 * status. */
VT_TEST(a_header_block_of_16_kib_is_431)
{
    vetch_http_server_options o = VETCH_HTTP_SERVER_OPTIONS_INIT;

    start(NULL);
    ck_assert_uint_eq(status_of(GET "A: ", "v", 16368, "\r\n\r\n"), 200);
    ck_assert_uint_eq(status_of(GET "A: ", "v", 16369, "\r\n\r\n"), 431);
    hsk_end();
    o.max_head_bytes = 100;
    start(&o);
    ck_assert_uint_eq(status_of(GET "A: ", "v", 84, "\r\n\r\n"), 200);
    ck_assert_uint_eq(status_of(GET "A: ", "v", 85, "\r\n\r\n"), 431);
    hsk_end();
    o.max_head_bytes = VETCH_NO_LIMIT;
    start(&o);
    ck_assert_uint_eq(status_of(GET "A: ", "v", 1000000, "\r\n\r\n"), 200);
    hsk_end();
}

VT_TEST(more_than_100_fields_are_431)
{
    vetch_http_server_options o = VETCH_HTTP_SERVER_OPTIONS_INIT;

    start(NULL);
    ck_assert_uint_eq(status_of(GET, "A: b\r\n", 99, "\r\n"), 200);
    ck_assert_uint_eq(status_of(GET, "A: b\r\n", 100, "\r\n"), 431);
    hsk_end();
    o.max_fields = VETCH_NO_LIMIT;
    start(&o);
    ck_assert_uint_eq(status_of(GET, "A:\r\n", 4000, "\r\n"), 200);
    hsk_end();
}

/* What is kept in memory is bounded while it comes. */
VT_TEST(cve_2025_69228_bodies_of_more_than_1_mib_are_413)
{
    vetch_http_server_options o = VETCH_HTTP_SERVER_OPTIONS_INIT;

    start(NULL);
    ck_assert_uint_eq(status_of("POST / HTTP/1.1\r\nHost: a\r\n"
                                "Content-Length: 1048576\r\n\r\n",
                                "b", 1048576, ""),
                      200);
    ck_assert_uint_eq(status_of("POST / HTTP/1.1\r\nHost: a\r\n"
                                "Content-Length: 1048577\r\n\r\n",
                                "", 0, ""),
                      413);
    ck_assert_uint_eq(status_of("POST / HTTP/1.1\r\nHost: a\r\n"
                                "Content-Length: 9999999999999999999\r\n\r\n",
                                "", 0, ""),
                      413);
    hsk_end();
    o.max_body_bytes = VETCH_NO_LIMIT;
    start(&o);
    ck_assert_uint_eq(status_of("POST / HTTP/1.1\r\nHost: a\r\n"
                                "Content-Length: 3000000\r\n\r\n",
                                "b", 3000000, ""),
                      200);
    hsk_end();
}

VT_TEST(a_chunked_body_is_counted_as_it_comes)
{
    char *chunk = repeat("b", 1024);
    char text[1100];

    snprintf(text, sizeof(text), "400\r\n%s\r\n", chunk);
    start(NULL);
    ck_assert_uint_eq(status_of("POST / HTTP/1.1\r\nHost: a\r\n"
                                "Transfer-Encoding: chunked\r\n\r\n",
                                text, 1024, "0\r\n\r\n"),
                      200);
    ck_assert_uint_eq(status_of("POST / HTTP/1.1\r\nHost: a\r\n"
                                "Transfer-Encoding: chunked\r\n\r\n",
                                text, 1024, "1\r\nb\r\n"),
                      413);
    hsk_end();
    free(chunk);
}

VT_TEST(a_route_may_have_a_limit_of_its_own)
{
    vetch_http_route_options o = VETCH_HTTP_ROUTE_OPTIONS_INIT;

    start(NULL);
    o.max_body_bytes = 10;
    ck_assert_int_eq(
        vetch_http_server_route(hsk_server, "POST", "/small", hello, NULL, &o),
        0);
    ck_assert_uint_eq(status_of("POST /small HTTP/1.1\r\nHost: a\r\n"
                                "Content-Length: 10\r\n\r\n",
                                "b", 10, ""),
                      200);
    ck_assert_uint_eq(status_of("POST /small HTTP/1.1\r\nHost: a\r\n"
                                "Content-Length: 11\r\n\r\n",
                                "b", 11, ""),
                      413);
    hsk_end();
}

VT_TEST(extensions_and_trailers_are_bounded)
{
#define CHUNKED                                                                \
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    start(NULL);
    ck_assert_uint_eq(status_of(CHUNKED "1;", "e", 256, "\r\nx\r\n0\r\n\r\n"),
                      200);
    ck_assert_uint_eq(status_of(CHUNKED "1;", "e", 257, "\r\nx\r\n0\r\n\r\n"),
                      400);
    ck_assert_uint_eq(status_of(CHUNKED "0\r\n", "X: y\r\n", 16, "\r\n"), 200);
    ck_assert_uint_eq(status_of(CHUNKED "0\r\n", "X: y\r\n", 17, "\r\n"), 431);
    ck_assert_uint_eq(status_of(CHUNKED "0\r\nX: ", "y", 4089, "\r\n\r\n"),
                      200);
    ck_assert_uint_eq(status_of(CHUNKED "0\r\nX: ", "y", 4090, "\r\n\r\n"),
                      431);
    hsk_end();
}

VT_TEST(a_connection_serves_so_many_requests)
{
    vetch_http_server_options o = VETCH_HTTP_SERVER_OPTIONS_INIT;
    struct hsk_client t;

    o.max_requests = 3;
    start(&o);
    hsk_connect(&t);
    hsk_say(&t, GET "\r\n" GET "\r\n" GET "\r\n" GET "\r\n");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_ptr_null(hsk_field(&t, "Connection"));
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_str_eq(hsk_field(&t, "Connection"), "close");
    ck_assert(hsk_hear_end(&t));
    ck_assert_uint_eq(t.n_in, 0);
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(a_connection_serves_a_thousand_requests_by_default)
{
    struct hsk_client t;
    unsigned i;

    start(NULL);
    hsk_connect(&t);
    for (i = 1; i <= 1000; i++) {
        hsk_say(&t, GET "\r\n");
        ck_assert_uint_eq(hsk_hear(&t), 200);
        ck_assert((hsk_field(&t, "Connection") != NULL) == (i == 1000));
    }
    ck_assert(hsk_hear_end(&t));
    hsk_hang_up(&t);
    hsk_end();
}

/* ---- times ---- */

VT_CASE("times", vt_reactor_tcase);

/* node 13449, libevent 1577, CVE-2018-12122: the whole head has a deadline,
 * however steadily its bytes come. */
VT_TEST(cve_2018_12122_slow_heads_are_408)
{
    struct hsk_client t;
    int i;

    start(NULL);
    hsk_connect(&t);
    vt_advance(60); /* idle before the first byte */
    hsk_say(&t, GET "A: ");
    for (i = 0; i < 9; i++) {
        vt_advance(1);
        hsk_say(&t, "b");
    }
    ck_assert(hsk_is_silent(&t));
    vt_advance(0.999);
    ck_assert(hsk_is_silent(&t));
    vt_advance(0.002);
    ck_assert_uint_eq(hsk_hear(&t), 408);
    ck_assert_str_eq(hsk_field(&t, "Connection"), "close");
    ck_assert(hsk_hear_end(&t));
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(each_head_has_a_deadline_of_its_own)
{
    struct hsk_client t;

    start(NULL);
    hsk_connect(&t);
    hsk_say(&t, "GET");
    vt_advance(9);
    hsk_say(&t, " / HTTP/1.1\r\nHost: a\r\n\r\nGET"); /* and the next begins */
    ck_assert_uint_eq(hsk_hear(&t), 200);
    vt_advance(9);
    hsk_say(&t, " / HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    vt_advance(50);
    ck_assert(hsk_is_silent(&t));
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(idle_connections_close_after_75_seconds)
{
    struct hsk_client t;
    int i;

    start(NULL);
    hsk_connect(&t);
    for (i = 0; i < 3; i++) {
        vt_advance(74.9);
        hsk_get(&t, "/");
        ck_assert_uint_eq(hsk_hear(&t), 200);
    }
    vt_advance(74.9);
    ck_assert(hsk_is_silent(&t));
    vt_advance(0.2);
    ck_assert(hsk_hear_end(&t));
    ck_assert_uint_eq(t.n_in, 0); /* without a word */
    hsk_hang_up(&t);
    hsk_end();
}

/* libevent 1781: a timer that was left over closes a healthy connection. */
VT_TEST(deadlines_of_one_phase_do_not_outlive_it)
{
    struct hsk_client t;
    int i;

    start(NULL);
    hsk_connect(&t);
    for (i = 0; i < 20; i++) {
        hsk_say(&t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Le");
        vt_advance(i % 9);
        hsk_say(&t, "ngth: 3\r\n\r\na");
        vt_advance(i % 4);
        hsk_say(&t, "bc");
        ck_assert_uint_eq(hsk_hear(&t), 200);
        vt_advance(i * 3);
        ck_assert(hsk_is_silent(&t));
    }
    hsk_hang_up(&t);
    hsk_end();
}

VT_CASE("sizes", vt_reactor_tcase);

/* The opposite of no limit. */
VT_TEST(a_limit_of_zero_bytes_refuses_every_body)
{
    vetch_http_server_options server = VETCH_HTTP_SERVER_OPTIONS_INIT;
    vetch_http_route_options route = VETCH_HTTP_ROUTE_OPTIONS_INIT;

    server.max_body_bytes = 0;
    start(&server);
    route.max_body_bytes = VETCH_NO_LIMIT;
    ck_assert_int_eq(vetch_http_server_route(hsk_server, "POST", "/any", hello,
                                             NULL, &route),
                     0);
    ck_assert_uint_eq(status_of("POST / HTTP/1.1\r\nHost: a\r\n"
                                "Content-Length: 1\r\n\r\n",
                                "", 0, ""),
                      413);
    ck_assert_uint_eq(status_of("POST / HTTP/1.1\r\nHost: a\r\n"
                                "Content-Length: 0\r\n\r\n",
                                "", 0, ""),
                      200);
    ck_assert_uint_eq(status_of("POST /any HTTP/1.1\r\nHost: a\r\n"
                                "Content-Length: 3000000\r\n\r\n",
                                "b", 3000000, ""),
                      200);
    hsk_end();
}

VT_CASE("times", vt_reactor_tcase);

VT_TEST(limits_of_time_can_be_switched_off)
{
    vetch_http_server_options o = VETCH_HTTP_SERVER_OPTIONS_INIT;
    struct hsk_client t;

    o.head_seconds = o.idle_seconds = o.rate_grace_seconds = INFINITY;
    start(&o);
    hsk_connect(&t);
    vt_advance(100000);
    hsk_say(&t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Le");
    vt_advance(100000);
    hsk_say(&t, "ngth: 1\r\n\r\n");
    vt_advance(100000);
    hsk_say(&t, "a");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_ptr_null(hsk_field(&t, "Keep-Alive"));
    hsk_hang_up(&t);
    hsk_end();
}

/* libwebsockets 2154, seastar 3148: a minimum rate for bodies. */
VT_TEST(slow_bodies_are_408)
{
    struct hsk_client t;
    char *part = repeat("b", 250);
    int i;

    start(NULL);
    hsk_connect(&t);
    hsk_say(&t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    for (i = 0; i < 60; i++) { /* fast enough: 250 B/s */
        hsk_say(&t, part);
        vt_advance(1);
        ck_assert(hsk_is_silent(&t));
    }
    for (i = 0; i < 10 && hsk_is_silent(&t); i++) { /* 10 B/s */
        hsk_say_bytes(&t, part, 10);
        vt_advance(1);
    }
    ck_assert_int_ge(i, 5); /* the grace */
    ck_assert_uint_eq(hsk_hear(&t), 408);
    ck_assert(hsk_hear_end(&t));
    hsk_hang_up(&t);
    free(part);
    hsk_end();
}

struct stream {
    vetch_http_request *request;
    vetch_deferred *deferred;
    int error;
    unsigned canceled;
};

static void
note_error(const vetch_error *error, void *result, void *ctx)
{
    ((struct stream *)ctx)->error = vetch_error_code(error);
    vetch_bytes_unref(result);
}

static void
note_cancel(vetch_deferred *d, void *ctx)
{
    ((struct stream *)ctx)->canceled++;
    vetch_deferred_cancel(d);
}

static vetch_promise *
take_stream(vetch_http_request *r, void *ctx)
{
    struct stream *s = ctx;

    s->request = r;
    s->deferred = vetch_deferred_new(note_cancel, s);
    return vetch_deferred_promise(s->deferred);
}

VT_TEST(slow_streams_are_408_but_slow_readers_are_not)
{
    struct stream s = { 0 };
    struct hsk_client t;

    start(NULL);
    hsk_stream_route("POST", "/stream", take_stream, &s);
    hsk_connect(&t);
    hsk_say(&t, "POST /stream HTTP/1.1\r\nHost: a\r\n"
                "Content-Length: 1000\r\n\r\n");
    vt_advance(1000); /* nobody reads: not the client's fault */
    ck_assert(hsk_is_silent(&t));
    vetch_callback(
        vetch_stream_read(vetch_http_request_stream(s.request), 65536),
        note_error, &s);
    vt_advance(5.1);
    ck_assert_int_eq(s.error, VETCH_ETIMEDOUT);
    ck_assert_uint_eq(s.canceled, 1);
    ck_assert_uint_eq(hsk_hear(&t), 408);
    ck_assert(hsk_hear_end(&t));
    hsk_hang_up(&t);
    vetch_deferred_unref(s.deferred);
    hsk_end();
}

static vetch_promise *
reply_much(vetch_http_request *r, void *ctx)
{
    char *body = calloc(1, 10000000);

    (void)ctx;
    vetch_http_reply(r, 200, NULL, body, 10000000);
    free(body);
    return NULL;
}

/* A client that does not read its response. */
VT_TEST(slow_readers_are_cut_off)
{
    struct hsk_client t;
    int i;

    start(NULL);
    hsk_route("GET", "/much", reply_much, NULL);
    hsk_connect(&t);
    hsk_get(&t, "/much");
    for (i = 0; i < 30; i++) { /* reads something each second: it stays */
        char area[65536];

        vt_advance(1);
        ck_assert_int_gt(recv(t.fd, area, 8192, 0), 0);
    }
    vt_advance(20); /* reads nothing: cut */
    hsk_hear_end(&t);
    ck_assert_uint_lt(t.n_in, 9000000);
    hsk_hang_up(&t);
    hsk_end();
}

/* ---- numbers of connections ---- */

VT_CASE("connections", vt_reactor_tcase);

/* node #20256: a request that comes while its connection is closed. */
VT_TEST(a_connection_with_a_request_on_its_way_is_not_idle)
{
    static const char request[] = GET "\r\n";
    struct hsk_client t[2];

    start(NULL);
    hsk_connect(&t[0]);
    vt_advance(1);
    hsk_connect(&t[1]);
    ck_assert_int_eq(send(t[0].fd, request, sizeof(request) - 1, MSG_NOSIGNAL),
                     sizeof(request) - 1);
    vetch__http_evict(hsk_server);
    ck_assert_uint_eq(hsk_hear(&t[0]), 200);
    ck_assert(hsk_hear_end(&t[1]));
    hsk_hang_up(&t[0]);
    hsk_hang_up(&t[1]);
    hsk_end();
}

VT_TEST(the_longest_idle_connection_makes_room)
{
    vetch_http_server_options o = VETCH_HTTP_SERVER_OPTIONS_INIT;
    struct hsk_client t[4];
    int i;

    o.max_connections = 4;
    start(&o);
    for (i = 0; i < 3; i++) {
        hsk_connect(&t[i]);
        vt_advance(1);
    }
    hsk_get(&t[0], "/"); /* now the second is idle for longest */
    ck_assert_uint_eq(hsk_hear(&t[0]), 200);
    vt_advance(1);
    hsk_connect(&t[3]);
    ck_assert(hsk_hear_end(&t[1]));
    for (i = 0; i < 4; i++) {
        if (i == 1)
            continue;
        hsk_get(&t[i], "/");
        ck_assert_uint_eq(hsk_hear(&t[i]), 200);
    }
    for (i = 0; i < 4; i++)
        hsk_hang_up(&t[i]);
    hsk_end();
}

VT_TEST(connections_beyond_the_limit_wait)
{
    vetch_http_server_options o = VETCH_HTTP_SERVER_OPTIONS_INIT;
    struct stream s[3];
    struct hsk_client t[3];
    int i;

    o.max_connections = 2;
    start(&o);
    memset(s, 0, sizeof(s));
    hsk_stream_route("POST", "/0", take_stream, &s[0]);
    hsk_stream_route("POST", "/1", take_stream, &s[1]);
    hsk_stream_route("POST", "/2", take_stream, &s[2]);
    for (i = 0; i < 3; i++) { /* busy: none of them makes room */
        char text[64];

        hsk_connect(&t[i]);
        snprintf(text, sizeof(text), "POST /%d HTTP/1.1\r\nHost: a\r\n\r\n", i);
        hsk_say(&t[i], text);
    }
    ck_assert_ptr_nonnull(s[1].request);
    ck_assert_ptr_null(s[2].request);
    hsk_hang_up(&t[0]);
    ck_assert_ptr_nonnull(s[2].request);
    hsk_hang_up(&t[1]);
    hsk_hang_up(&t[2]);
    for (i = 0; i < 3; i++)
        vetch_deferred_unref(s[i].deferred);
    hsk_end();
}

/* ---- lingering ---- */

/* node 9085, 12339, libevent 321: the client sends on, and still hears 413
 * instead of a reset. */
VT_TEST(an_early_refusal_reaches_a_client_that_sends_on)
{
    char *part = repeat("b", 65536);
    struct hsk_client t;
    int i;

    hsk_start_tcp(NULL);
    hsk_route("POST", "/", hello, NULL);
    hsk_connect(&t);
    hsk_say(&t,
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n");
    for (i = 0; i < 3; i++)
        hsk_say_bytes(&t, part, 65536);
    ck_assert_uint_eq(hsk_hear(&t), 413);
    ck_assert(hsk_hear_end(&t));
    hsk_hang_up(&t);
    free(part);
    hsk_end();
}

VT_TEST(lingering_is_bounded)
{
    vetch_http_server_options o = VETCH_HTTP_SERVER_OPTIONS_INIT;
    char *part = repeat("b", 65536);
    struct hsk_client t;
    size_t i;

    o.linger_bytes = 100000;
    hsk_start(&o);
    hsk_route("POST", "/", hello, NULL);
    hsk_connect(&t);
    hsk_say(&t,
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n");
    for (i = 0; i < 100; i++)
        if (send(t.fd, part, 65536, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            vt_run_ready();
    ck_assert_int_lt(send(t.fd, part, 65536, MSG_NOSIGNAL | MSG_DONTWAIT), 0);
    hsk_hang_up(&t);
    /* In time as well: a client that does nothing is left after 2 s. */
    hsk_connect(&t);
    hsk_say(&t,
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n");
    ck_assert_uint_eq(hsk_hear(&t), 413);
    ck_assert_int_gt(send(t.fd, part, 100, MSG_NOSIGNAL), 0);
    vt_advance(2.1);
    ck_assert_int_lt(send(t.fd, part, 100, MSG_NOSIGNAL), 0);
    hsk_hang_up(&t);
    free(part);
    hsk_end();
}
