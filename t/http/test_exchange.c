/* Our client and our server, and streams between them: uploads, responses,
 * other protocols. */
#include "support/http_server_kit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static vetch_http_client *client;
static vetch_http_response *response;
static vetch_stream *source[2]; /* what goes into one comes out of the other */

/* ---- handlers ---- */

static vetch_promise *
echo(vetch_http_request *r, void *ctx)
{
    vetch_stream *s = vetch_http_request_stream(r);
    char length[32];

    (void)ctx;
    snprintf(length, sizeof(length), "%lld",
             (long long)vetch_http_request_length(r));
    vetch_http_reply_set_header(r, "X-Length", length);
    vetch_http_reply_set_length(r, vetch_http_request_length(r));
    if (vetch_http_reply_begin(r, 200, NULL) < 0)
        return vetch_rejected(vetch_error_from_errno(errno, "begin"));
    return vetch_stream_copy(s, s, NULL);
}

static vetch_promise *
reply_bytes(void *bytes, void *ctx)
{
    vetch_http_reply(ctx, 200, NULL, vetch_bytes_data(bytes),
                     vetch_bytes_len(bytes));
    return NULL;
}

static vetch_promise *
read_first(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    return vetch_then(vetch_stream_read_all(vetch_http_request_stream(r), 1000),
                      reply_bytes, r);
}

static vetch_promise *
refuse(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    vetch_http_reply(r, 403, NULL, "no", 2);
    return NULL;
}

static vetch_promise *
never(vetch_http_request *r, void *ctx)
{
    (void)r;
    (void)ctx;
    return vetch_sleep(1e6);
}

static vetch_promise *
upgrade(vetch_http_request *r, void *ctx)
{
    vetch_stream *s = vetch_http_request_stream(r);

    (void)ctx;
    vetch_http_reply_set_header(r, "Upgrade", "echo");
    if (vetch_http_reply_begin(r, 101, NULL) < 0)
        return vetch_rejected(vetch_error_from_errno(errno, "begin"));
    vetch_stream_write(s, "hello ", 6);
    return vetch_stream_copy(s, s, NULL);
}

static vetch_promise *
break_off(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    vetch_http_reply_set_length(r, 100);
    vetch_http_reply_begin(r, 200, NULL);
    vetch_stream_write(vetch_http_request_stream(r), "only this", 9);
    return vetch_then(vetch_sleep(1), NULL, NULL);
}

/* ---- around each test ---- */

static void
start(void)
{
    hsk_start_tcp(NULL);
    hsk_stream_route("*", "/echo", echo, NULL);
    hsk_stream_route("*", "/read", read_first, NULL);
    hsk_stream_route("*", "/refuse", refuse, NULL);
    hsk_stream_route("*", "/never", never, NULL);
    hsk_stream_route("GET", "/upgrade", upgrade, NULL);
    hsk_stream_route("GET", "/break", break_off, NULL);
    client = vetch_http_client_new(NULL);
    ck_assert_ptr_nonnull(client);
    ck_assert_int_eq(vetch_stream_pair(source), 0);
    response = NULL;
}

static void
stop(void)
{
    response = vetch_http_response_unref(response);
    source[0] = vetch_stream_unref(source[0]);
    source[1] = vetch_stream_unref(source[1]);
    if (vt_reactor == NULL) /* the test has ended it */
        return;
    vt_run_ready();
    client = vetch_http_client_unref(client);
    hsk_end();
}

static vetch_http_call *
call(const char *method, const char *path)
{
    char url[100];

    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s",
             vetch_http_server_port(hsk_server), path);
    return vetch_http_call_new(client, method, url);
}

static vetch_http_call *
upload(const char *path, uint64_t length)
{
    vetch_http_call *c = call("POST", path);

    ck_assert_int_eq(
        vetch_http_call_set_body_stream(c, "text/plain", source[1], length), 0);
    return c;
}

static void
expect_text(vetch_promise *p, const char *text)
{
    vetch_bytes *bytes = vt_value(p);

    ck_assert_ptr_nonnull(bytes);
    ck_assert_str_eq(vetch_bytes_data(bytes), text);
    vetch_bytes_unref(bytes);
}

static void
expect_body(const char *text)
{
    size_t len;

    ck_assert_uint_eq(vetch_http_response_status(response), 200);
    ck_assert_str_eq(vetch_http_response_body(response, &len), text);
    ck_assert_uint_eq(len, strlen(text));
}

static size_t
connections(void)
{
    vetch_http_client_stats stats = VETCH_HTTP_CLIENT_STATS_INIT;

    vetch_http_client_get_stats(client, &stats);
    return stats.connections;
}

/* ---- uploads ---- */

VT_CASE("uploads", vt_reactor_tcase, .set_up = start, .take_down = stop);

VT_TEST(body_comes_from_a_stream_in_chunks)
{
    vetch_promise *p =
        vetch_http_call_send(upload("/echo", VETCH_HTTP_LENGTH_UNKNOWN));

    vetch_stream_write(source[0], "from ", 5);
    vt_run_ready();
    vetch_stream_write(source[0], "a stream", 8);
    vetch_promise_unref(vetch_stream_end(source[0]));
    response = vt_value(p);
    expect_body("from a stream");
    ck_assert_str_eq(vetch_http_response_header(response, "X-Length"), "-1");
    ck_assert_uint_eq(vetch_http_response_length(response),
                      VETCH_HTTP_LENGTH_UNKNOWN);
}

VT_TEST(connection_is_kept_after_an_upload)
{
    vetch_promise *p =
        vetch_http_call_send(upload("/read", VETCH_HTTP_LENGTH_UNKNOWN));

    vetch_stream_write(source[0], "all", 3);
    vetch_promise_unref(vetch_stream_end(source[0]));
    response = vt_value(p);
    expect_body("all");
    ck_assert_uint_eq(connections(), 1);
}

VT_TEST(body_of_known_length_leaves_the_rest)
{
    vetch_promise *p = vetch_http_call_send(upload("/echo", 4));

    vetch_stream_write(source[0], "fourmore", 8);
    response = vt_value(p);
    expect_body("four");
    ck_assert_str_eq(vetch_http_response_header(response, "X-Length"), "4");
    ck_assert_uint_eq(vetch_http_response_length(response), 4);
    expect_text(vetch_stream_read(source[1], 10), "more");
}

VT_TEST(empty_body_needs_no_byte, .loops = 2)
{
    vetch_promise *p = vetch_http_call_send(
        upload("/echo", _i == 0 ? 0 : VETCH_HTTP_LENGTH_UNKNOWN));

    if (_i == 1)
        vetch_promise_unref(vetch_stream_end(source[0]));
    response = vt_value(p);
    expect_body("");
}

VT_TEST(reference_to_the_stream_is_the_calls)
{
    vetch_promise *p =
        vetch_http_call_send(upload("/echo", VETCH_HTTP_LENGTH_UNKNOWN));

    source[1] = vetch_stream_unref(source[1]);
    vetch_stream_write(source[0], "x", 1);
    vetch_promise_unref(vetch_stream_end(source[0]));
    response = vt_value(p);
    expect_body("x");
}

VT_TEST(nothing_is_read_before_there_is_a_connection)
{
    vetch_http_call *c =
        vetch_http_call_new(client, "PUT", "http://127.0.0.1:1/x");

    vetch_stream_write(source[0], "still here", 10);
    ck_assert_int_eq(vetch_http_call_set_body_stream(c, NULL, source[1], 10),
                     0);
    vt_expect_error(vetch_http_call_send(c), VETCH_ECONNECT);
    expect_text(vetch_stream_read(source[1], 100), "still here");
}

VT_TEST(body_that_ends_early_fails_the_call)
{
    vetch_promise *p = vetch_http_call_send(upload("/echo", 10));

    vetch_stream_write(source[0], "short", 5);
    vetch_promise_unref(vetch_stream_end(source[0]));
    vt_expect_error(p, VETCH_ETRUNCATED);
    ck_assert_uint_eq(connections(), 0);
}

VT_TEST(stream_that_breaks_fails_the_call_with_its_cause)
{
    vetch_promise *p =
        vetch_http_call_send(upload("/echo", VETCH_HTTP_LENGTH_UNKNOWN));

    vetch_stream_write(source[0], "x", 1);
    vt_run_ready();
    vetch_stream_abort(source[0]);
    vt_expect_error(p, ECONNRESET);
}

VT_TEST(stream_that_is_closed_fails_the_call)
{
    vetch_promise *close,
        *p = vetch_http_call_send(upload("/never", VETCH_HTTP_LENGTH_UNKNOWN));

    for (int i = 0; i < 100 && connections() == 0; i++)
        vt_run_ready();
    vt_run_ready();
    close = vetch_stream_close(source[1]);
    vetch_stream_abort(source[0]);
    vt_expect_error(p, VETCH_ECLOSED);
    vetch_unref(vetch_run(close, NULL));
    (void)vt_log_take();
}

VT_TEST(stream_that_is_read_elsewhere_fails_the_call)
{
    vetch_promise *read = vetch_stream_read(source[1], 1);

    vt_expect_error(vetch_http_call_send(upload("/echo", 1)), VETCH_EMISUSE);
    vetch_stream_write(source[0], "x", 1);
    expect_text(read, "x");
}

VT_TEST(cancelled_upload_leaves_what_was_not_sent)
{
    vetch_promise *p =
        vetch_http_call_send(upload("/never", VETCH_HTTP_LENGTH_UNKNOWN));

    vt_run_ready();
    vetch_promise_cancel(p);
    vt_expect_error(p, VETCH_ECANCELED);
    vetch_stream_write(source[0], "x", 1);
    expect_text(vetch_stream_read(source[1], 1), "x");
}

VT_TEST(early_response_ends_the_upload)
{
    vetch_promise *p =
        vetch_http_call_send(upload("/refuse", VETCH_HTTP_LENGTH_UNKNOWN));

    response = vt_value(p);
    ck_assert_uint_eq(vetch_http_response_status(response), 403);
    vetch_stream_write(source[0], "mine", 4);
    expect_text(vetch_stream_read(source[1], 10), "mine");
    vt_run_ready();
    ck_assert_uint_eq(connections(), 0); /* half a request is on it */
}

/* What the server does not read the client does not take from its stream. */
VT_TEST(s9_upload_waits_for_the_server)
{
    static char block[100000];
    vetch_promise *send = NULL;
    vetch_promise *p =
        vetch_http_call_send(upload("/never", VETCH_HTTP_LENGTH_UNKNOWN));
    size_t written = 0;

    do {
        vetch_promise_unref(send);
        send = vetch_stream_send(source[0], block, sizeof(block));
        written += sizeof(block);
        for (int i = 0; i < 20; i++)
            vt_run_ready();
        ck_assert_uint_lt(written, 20000000);
    } while (vetch_promise_state(send) != VETCH_PENDING);
    vt_advance(20); /* the head's time has not begun */
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vetch_promise_cancel(p);
    vt_expect_error(p, VETCH_ECANCELED);
    vetch_promise_cancel(send);
    vetch_unref(vetch_run(send, NULL));
    vetch_stream_abort(source[0]);
}

VT_TEST(upload_and_response_flow_together)
{
    vetch_stream *s;

    response = vt_value(
        vetch_http_call_stream(upload("/echo", VETCH_HTTP_LENGTH_UNKNOWN)));
    s = vetch_http_response_stream(response);
    for (int i = 0; i < 3; i++) {
        vetch_stream_printf(source[0], "ping %d\n", i);
        vetch_bytes_unref(vt_value(vetch_stream_read_line(s, 100)));
    }
    vetch_promise_unref(vetch_stream_end(source[0]));
    ck_assert_ptr_null(vt_value(vetch_stream_read_line(s, 100)));
    ck_assert_uint_eq(vetch_stream_bytes_read(s), 21);
}

VT_TEST(upload_through_a_filter)
{
    vetch_stream *zip, *plain;
    char text[50000];

    memset(text, 'z', sizeof(text));
    zip = vetch_stream_filter(source[0], VETCH_WRITABLE, vetch_gzip_new(9));
    response = vt_value(
        vetch_http_call_stream(upload("/echo", VETCH_HTTP_LENGTH_UNKNOWN)));
    plain = vetch_stream_filter(vetch_http_response_stream(response),
                                VETCH_READABLE, vetch_gunzip_new());
    vetch_stream_write(zip, text, sizeof(text));
    vetch_promise_unref(vetch_stream_end(zip));
    vetch_bytes_unref(vt_value(vetch_stream_read_exactly(plain, sizeof(text))));
    ck_assert_ptr_null(vt_value(vetch_stream_read(plain, 1)));
    vetch_stream_unref(plain);
    vetch_stream_unref(zip);
}

VT_TEST(bodies_replace_one_another)
{
    vetch_http_call *c = upload("/echo", 5);

    ck_assert_int_eq(vetch_http_call_set_body(c, NULL, "plain", 5), 0);
    response = vt_value(vetch_http_call_send(c));
    expect_body("plain");
    vetch_http_call_free(upload("/echo", 5));
    c = call("POST", "/echo");
    ck_assert_int_eq(vetch_http_call_set_body_stream(c, "a\nb", source[1], 1),
                     -1);
    ck_assert_int_eq(errno, EINVAL);
    vetch_http_call_free(c);
}

/* ---- responses ---- */

VT_CASE("responses", vt_reactor_tcase, .set_up = start, .take_down = stop);

VT_TEST(s3_truncated_response_is_told_after_what_came)
{
    vetch_stream *s;

    response = vt_value(vetch_http_call_stream(call("GET", "/break")));
    ck_assert_uint_eq(vetch_http_response_length(response), 100);
    s = vetch_http_response_stream(response);
    expect_text(vetch_stream_read_exactly(s, 9), "only this");
    vt_advance(2);
    vt_expect_error(vetch_stream_read(s, 1), VETCH_ETRUNCATED);
    ck_assert_int_eq(vetch_stream_write(s, "x", 1), -1);
    ck_assert_int_eq(errno, EBADF);
}

VT_TEST(s7_release_of_a_response_ends_its_stream)
{
    vetch_promise *p;
    vetch_stream *s;

    response = vt_value(vetch_http_call_stream(call("GET", "/break")));
    s = vetch_stream_ref(vetch_http_response_stream(response));
    vetch_bytes_unref(vt_value(vetch_stream_read_exactly(s, 9)));
    p = vetch_stream_read(s, 1);
    response = vetch_http_response_unref(response);
    vt_expect_error(p, ECONNABORTED);
    vt_expect_error(vetch_stream_read(s, 1), VETCH_ECLOSED);
    ck_assert_str_eq(vetch_stream_peer(s), "");
    vetch_stream_unref(s);
    vt_run_ready();
    ck_assert_uint_eq(connections(), 0);
}

VT_TEST(abort_of_its_stream_breaks_a_response_off, .loops = 2)
{
    vetch_stream *s;

    response = vt_value(vetch_http_call_stream(call("GET", "/break")));
    s = vetch_http_response_stream(response);
    if (_i == 0)
        vetch_stream_abort(s);
    else
        ck_assert_ptr_null(vt_value(vetch_stream_close(s)));
    vt_expect_error(vetch_stream_read(s, 1),
                    _i == 0 ? ECONNABORTED : VETCH_ECLOSED);
    vt_run_ready();
    ck_assert_uint_eq(connections(), 0);
}

VT_TEST(stream_outlives_the_reactor)
{
    vetch_stream *s;

    response = vt_value(vetch_http_call_stream(call("GET", "/break")));
    s = vetch_http_response_stream(response);
    vetch_promise_unref(vetch_stream_read_exactly(s, 50));
    vt_reactor = vetch_reactor_unref(vt_reactor);
    response = vetch_http_response_unref(response);
    source[0] = vetch_stream_unref(source[0]);
    source[1] = vetch_stream_unref(source[1]);
    client = vetch_http_client_unref(client);
    hsk_server = vetch_http_server_unref(hsk_server);
    (void)vt_log_take();
}

/* ---- other protocols ---- */

VT_CASE("upgrades", vt_reactor_tcase, .set_up = start, .take_down = stop);

static vetch_stream *
begin_upgrade(void)
{
    vetch_http_call *c = call("GET", "/upgrade");

    ck_assert_int_eq(vetch_http_call_set_header(c, "Upgrade", "echo"), 0);
    response = vt_value(vetch_http_call_stream(c));
    ck_assert_uint_eq(vetch_http_response_status(response), 101);
    return vetch_http_response_stream(response);
}

VT_TEST(upgrade_gives_the_connection_both_ways)
{
    vetch_stream *s = begin_upgrade();

    vetch_stream_write(s, "you", 3);
    expect_text(vetch_stream_read_exactly(s, 9), "hello you");
    vt_advance(1000); /* no limit on time */
    vetch_stream_write(s, "late", 4);
    expect_text(vetch_stream_read(s, 10), "late");
    vetch_unref(vt_value(vetch_stream_end(s)));
    ck_assert_ptr_null(vt_value(vetch_stream_read(s, 1)));
    vt_run_ready();
    ck_assert_uint_eq(connections(), 0);
}

VT_TEST(upgraded_connection_can_be_closed)
{
    vetch_stream *s = begin_upgrade();

    vetch_stream_write(s, "bye", 3);
    vetch_unref(vt_value(vetch_stream_close(s)));
    vt_run_ready();
    ck_assert_uint_eq(connections(), 0);
}

VT_TEST(upgraded_connection_goes_with_its_response)
{
    vetch_stream *s = begin_upgrade();
    vetch_promise *p;

    vetch_bytes_unref(vt_value(vetch_stream_read_exactly(s, 6)));
    p = vetch_stream_read(s, 1);
    response = vetch_http_response_unref(response);
    vt_expect_error(p, ECONNABORTED);
    vt_run_ready();
    ck_assert_uint_eq(connections(), 0);
}

VT_TEST(much_flows_through_an_upgraded_connection)
{
    size_t len = vt_on_valgrind() ? 1000000 : 20000000;
    char *data = malloc(len);
    vetch_stream *s = begin_upgrade();
    vetch_promise *all;
    vetch_bytes *bytes;

    for (size_t i = 0; i < len; i++)
        data[i] = (char)(i * 7 + i / 251);
    vetch_bytes_unref(vt_value(vetch_stream_read_exactly(s, 6)));
    all = vetch_stream_read_exactly(s, len);
    ck_assert_int_eq(vetch_stream_write(s, data, len), 0);
    bytes = vt_value(all);
    ck_assert_int_eq(memcmp(vetch_bytes_data(bytes), data, len), 0);
    vetch_bytes_unref(bytes);
    free(data);
}

VT_TEST(upgrade_that_is_declined_is_a_response)
{
    vetch_http_call *c = call("GET", "/refuse");

    vetch_http_call_set_header(c, "Upgrade", "echo");
    response = vt_value(vetch_http_call_stream(c));
    ck_assert_uint_eq(vetch_http_response_status(response), 403);
}

/* ---- without memory ---- */

VT_CASE("memory", vt_reactor_tcase, .seconds = 120);

static int what;

static vetch_promise *
use_body(void *value, void *ctx)
{
    vetch_stream *s = vetch_http_response_stream(value);

    (void)ctx;
    if (what == 1 && vetch_stream_write(s, "x", 1) < 0)
        return vetch_rejected(NULL); /* nobody will answer */
    return vetch_stream_read_exactly(s, 7);
}

/* One exchange, whatever fails in it: what was begun ends. */
static void
exchange_without_memory(bool unharmed)
{
    vetch_stream *pair[2];
    vetch_http_call *c;
    vetch_promise *p;

    if (vetch_stream_pair(pair) < 0)
        return;
    c = call(what == 0 ? "POST" : "GET", what == 0 ? "/echo" : "/upgrade");
    if (c != NULL &&
        ((what == 0 && vetch_http_call_set_body_stream(
                           c, NULL, pair[1], VETCH_HTTP_LENGTH_UNKNOWN) < 0) ||
         (what == 1 && vetch_http_call_set_header(c, "Upgrade", "echo") < 0))) {
        vetch_http_call_free(c);
        c = NULL;
    }
    vetch_stream_write(pair[0], "echo it", 7);
    vetch_promise_unref(vetch_stream_end(pair[0]));
    p = vetch_then(vetch_http_call_stream(c), use_body, NULL);
    for (int i = 0; i < 200 && vetch_promise_state(p) == VETCH_PENDING; i++) {
        vt_run_ready();
        if (i > 100) /* a connection that could not be accepted, and such */
            vt_advance(10);
    }
    ck_assert_int_ne(vetch_promise_state(p), VETCH_PENDING);
    if (unharmed)
        ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    if (vetch_promise_state(p) == VETCH_REJECTED)
        ck_assert_ptr_nonnull(vetch_promise_error(p));
    vetch_promise_unref(p);
    vetch_stream_unref(pair[0]);
    vetch_stream_unref(pair[1]);
    vt_run_ready();
    (void)vt_log_take();
}

VT_TEST(exchanges_survive_each_failed_allocation, .loops = 2)
{
    what = _i;
    start();
    vt_sweep_allocations(exchange_without_memory);
    stop();
    (void)vt_log_take();
}
