/* Bodies read in pieces: order, end, errors, back-pressure, and what becomes of
 * the connection. */

#include "support/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "support/http_client_kit.h"

static const struct peer_response hello[] = {
    { OK("Content-Length: 5\r\n", "hello"), 0, 0 },
    { OK("Content-Length: 5\r\n", "hello"), 0, 0 }
};
static const struct peer_response beginning[] = {
    { OK("Content-Length: 10\r\n", "hello"), 0, 0 },
    { OK("Content-Length: 5\r\n", "hello"), 0, 0 }
};

static vetch_http_response *
open_stream(const char *path)
{
    vetch_http_call *call =
        vetch_http_call_new(client, "GET", hok_url(&peer, path));

    return hck_run(vetch_http_call_stream(call));
}

/* The next piece, to be freed by the caller; NULL at the end. */
static vetch_bytes *
read_piece(vetch_http_response *r)
{
    vetch_error *error = NULL;
    vetch_bytes *piece = vetch_run(
        vetch_stream_read(vetch_http_response_stream(r), 65536), &error);

    ck_assert_msg(error == NULL, "%s", vetch_error_text(error));
    return piece;
}

static void
expect_piece(vetch_http_response *r, const char *want)
{
    vetch_bytes *piece = read_piece(r);

    ck_assert_ptr_nonnull(piece);
    ck_assert_str_eq(vetch_bytes_data(piece), want);
    vetch_bytes_unref(piece);
}

/* Read to the end; the length, and whether all bytes are as expected. */
static size_t
read_all(vetch_http_response *r, char (*at)(size_t i))
{
    vetch_bytes *piece;
    size_t total = 0;

    while ((piece = read_piece(r)) != NULL) {
        const char *data = vetch_bytes_data(piece);
        size_t len = vetch_bytes_len(piece);

        ck_assert_uint_gt(len, 0);
        for (size_t i = 0; i < len; i++)
            if (data[i] != at(total + i))
                ck_abort_msg("byte %zu is wrong", total + i);
        total += len;
        vetch_bytes_unref(piece);
    }
    return total;
}

static char
pattern(size_t i)
{
    return (char)('a' + i % 23);
}

VT_CASE("basics", vt_reactor_tcase);

VT_TEST(a_stream_begins_with_its_head)
{
    vetch_http_response *r;
    size_t len = 1;

    BEGIN(beginning);
    r = open_stream("/");
    ck_assert_uint_eq(vetch_http_response_status(r), 200);
    ck_assert_str_eq(vetch_http_response_header(r, "Content-Length"), "10");
    ck_assert_str_eq(vetch_http_response_body(r, &len), "");
    ck_assert_uint_eq(len, 0);
    expect_piece(r, "hello");
    hok_send(&peer, 0, "world");
    expect_piece(r, "world");
    ck_assert_ptr_null(read_piece(r));
    ck_assert_ptr_null(read_piece(r)); /* and again */
    vetch_http_response_unref(r);
    hck_end();
}

VT_TEST(a_stream_without_body_ends_at_once)
{
    static const struct peer_response responses[] = {
        { "HTTP/1.1 204 No Content\r\n\r\n", 0, 0 },
        { OK("Content-Length: 0\r\n", ""), 0, 0 }
    };

    BEGIN(responses);
    for (int i = 0; i < 2; i++) {
        vetch_http_response *r = open_stream("/");

        ck_assert_ptr_null(read_piece(r));
        vetch_http_response_unref(r);
    }
    ck_assert_uint_eq(peer.accepted, 1);
    hck_end();
}

VT_TEST(a_stream_read_to_its_end_gives_its_connection_back)
{
    vetch_http_response *r;

    BEGIN(hello);
    r = open_stream("/");
    expect_piece(r, "hello");
    ck_assert_uint_eq(hck_stats().idle, 1); /* all had come already */
    ck_assert_ptr_null(read_piece(r));
    vetch_http_response_unref(r);
    hck_get_ok("/");
    ck_assert_uint_eq(peer.accepted, 1);
    hck_end();
}

/* aiohttp #253 #3296, node #5699, undici PR #4364: a body that is not read does
 * not keep its connection from others. */
VT_TEST(an_unread_stream_closes_its_connection)
{
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;
    vetch_http_response *r;
    vetch_promise *next;

    o.max_per_host = 1;
    BEGIN_WITH(beginning, &o);
    r = open_stream("/");
    next = hck_start("/next");
    ck_assert_uint_eq(hck_stats().waiting, 1);
    vetch_http_response_unref(r);
    vetch_http_response_unref(hck_run(next));
    ck_assert_uint_eq(peer.accepted, 2);
    ck_assert_uint_eq(peer.most_open, 1);
    hck_end();
}

VT_TEST(a_stream_that_nobody_takes_closes_its_connection)
{
    BEGIN(beginning);
    vetch_promise_unref(vetch_http_call_stream(
        vetch_http_call_new(client, "GET", hok_url(&peer, "/"))));
    hok_until(peer.accepted == 1 && peer.open == 0);
    ck_assert_uint_eq(hck_stats().connections, 0);
    hck_end();
}

VT_CASE("errors", vt_reactor_tcase);

VT_TEST(one_read_at_a_time)
{
    vetch_http_response *r;
    vetch_promise *first;
    vetch_error *error;

    BEGIN(beginning);
    r = open_stream("/");
    expect_piece(r, "hello");
    first = vetch_stream_read(vetch_http_response_stream(r), 65536);
    error = hck_fail(vetch_stream_read(vetch_http_response_stream(r), 65536));
    ck_assert_int_eq(vetch_error_code(error), VETCH_EMISUSE);
    vetch_error_unref(error);
    hok_send(&peer, 0, "world");
    vetch_bytes_unref(vetch_run(first, NULL));
    vetch_http_response_unref(r);
    hck_end();
}

VT_TEST(a_whole_response_can_be_read_as_well)
{
    vetch_http_response *r;

    BEGIN(hello);
    r = hck_get("/");
    expect_piece(r, "hello");
    ck_assert_ptr_null(read_piece(r));
    ck_assert_uint_eq(vetch_http_response_length(r), 5);
    vetch_http_response_unref(r);
    hck_end();
}

VT_CASE("basics", vt_reactor_tcase);

VT_TEST(a_read_can_be_cancelled_and_repeated)
{
    vetch_http_response *r;
    vetch_promise *p;
    vetch_error *error;

    BEGIN(beginning);
    r = open_stream("/");
    expect_piece(r, "hello");
    p = vetch_stream_read(vetch_http_response_stream(r), 65536);
    vetch_promise_cancel(p);
    error = hck_fail(p);
    ck_assert_int_eq(vetch_error_code(error), VETCH_ECANCELED);
    vetch_error_unref(error);
    hok_send(&peer, 0, "world");
    vt_run_ready();
    expect_piece(r, "world"); /* nothing was lost */
    vetch_http_response_unref(r);
    hck_end();
}

VT_TEST(a_stream_outlives_its_client)
{
    vetch_http_response *r;

    BEGIN(beginning);
    r = open_stream("/");
    client = vetch_http_client_unref(client);
    expect_piece(r, "hello");
    hok_send(&peer, 0, "world");
    expect_piece(r, "world");
    ck_assert_ptr_null(read_piece(r));
    vetch_http_response_unref(r);
    hck_end();
}

VT_CASE("errors", vt_reactor_tcase);

/* node #28172: what came is given first, then the truth. */
VT_TEST(a_stream_that_breaks_says_so_after_what_came)
{
    vetch_http_response *r;

    BEGIN(beginning);
    r = open_stream("/");
    hok_close(&peer, 0);
    vt_run_ready();
    expect_piece(r, "hello");
    for (int i = 0; i < 2; i++)
        hck_fails(vetch_stream_read(vetch_http_response_stream(r), 65536), "/",
                  VETCH_ETRUNCATED,
                  "the connection ended, 5 bytes of the body are missing");
    ck_assert_uint_eq(hck_stats().connections, 0);
    vetch_http_response_unref(r);
    hck_end();
}

VT_TEST(a_waiting_read_hears_of_a_break)
{
    vetch_http_response *r;
    vetch_promise *p;

    BEGIN(beginning);
    r = open_stream("/");
    expect_piece(r, "hello");
    p = vetch_stream_read(vetch_http_response_stream(r), 65536);
    vt_run_ready();
    hok_abort(&peer, 0);
    hck_fails(p, "/", VETCH_ETRUNCATED, NULL);
    vetch_http_response_unref(r);
    hck_end();
}

VT_TEST(a_waiting_read_times_out)
{
    vetch_http_response *r;
    vetch_promise *p;

    BEGIN(beginning);
    r = open_stream("/");
    expect_piece(r, "hello");
    p = vetch_stream_read(vetch_http_response_stream(r), 65536);
    vt_run_ready();
    vt_advance(29.9);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vt_advance(0.2);
    hck_fails(p, "/", VETCH_ETIMEDOUT, "no more of the body within 30 s");
    vetch_http_response_unref(r);
    hck_end();
}

VT_TEST(a_reader_that_takes_its_time_is_no_silent_peer)
{
    vetch_http_response *r;

    BEGIN(beginning);
    r = open_stream("/");
    vt_run_ready();
    vt_advance(1000);
    expect_piece(r, "hello");
    hok_send(&peer, 0, "world");
    vt_run_ready();
    vt_advance(1000);
    expect_piece(r, "world");
    ck_assert_ptr_null(read_piece(r));
    vetch_http_response_unref(r);
    hck_end();
}

VT_TEST(the_limit_on_the_whole_holds_for_streams)
{
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;
    vetch_http_response *r;

    o.total_seconds = 20;
    BEGIN_WITH(beginning, &o);
    r = open_stream("/");
    expect_piece(r, "hello");
    vt_advance(20.1);
    vt_run_ready();
    hck_fails(vetch_stream_read(vetch_http_response_stream(r), 65536), "/",
              VETCH_ETIMEDOUT, "not done within 20 s");
    vetch_http_response_unref(r);
    hck_end();
}

/* ---- long bodies ---- */

VT_CASE("basics", vt_reactor_tcase);

enum { LONG = 9000000 };

static char *long_response;

static struct peer_response
respond_long(struct hok_origin *p, const char *request)
{
    char *at;

    (void)p;
    (void)request;
    long_response = malloc(LONG + 100);
    at = long_response +
         sprintf(long_response, OK("Content-Length: %d\r\n", ""), LONG);
    for (size_t i = 0; i < LONG; i++)
        at[i] = pattern(i);
    return (struct peer_response){ long_response, 0,
                                   (size_t)(at - long_response) + LONG };
}

/* libevent #694 #1211, libuv #1169: what nobody reads is not received. */
VT_TEST(what_is_not_read_is_not_received)
{
    vetch_http_response *r;
    size_t unsent;

    hck_begin(NULL, 0, NULL);
    peer.pick = respond_long;
    r = open_stream("/");
    for (int i = 0; i < 20; i++)
        vt_run_ready();
    unsent = hok_unsent(&peer, 0);
    ck_assert_uint_gt(unsent, 0); /* more than all buffers of the kernel */
    for (int i = 0; i < 20; i++)
        vt_run_ready();
    ck_assert_uint_eq(hok_unsent(&peer, 0), unsent);
    ck_assert_uint_eq(read_all(r, pattern), LONG);
    ck_assert_uint_eq(hck_stats().idle, 1);
    vetch_http_response_unref(r);
    free(long_response);
    hck_end();
}

/* Much longer than a whole body may be. */
VT_TEST(streams_have_no_limit_on_their_length)
{
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;
    vetch_http_response *r;

    o.max_body_bytes = 1000;
    hck_begin(NULL, 0, &o);
    peer.pick = respond_long;
    r = open_stream("/");
    ck_assert_uint_eq(read_all(r, pattern), LONG);
    vetch_http_response_unref(r);
    free(long_response);
    hck_end();
}

/* ---- coded bodies ---- */

VT_CASE("codings", vt_reactor_tcase);

static char coded_text[400000];

/* A response whose body is `len` bytes of make(i), as gzip. */
static struct peer_response
coded_response(size_t len, char (*make)(size_t i), size_t cut)
{
    unsigned char *plain = malloc(len), *coded = malloc(len + 1000);
    z_stream z = { 0 };
    struct peer_response response = { coded_text, 0, 0 };
    int head;

    for (size_t i = 0; i < len; i++)
        plain[i] = (unsigned char)make(i);
    deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    z.next_in = plain;
    z.avail_in = (uInt)len;
    z.next_out = coded;
    z.avail_out = (uInt)len + 1000;
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    z.total_out -= cut;
    head = sprintf(coded_text,
                   OK("Content-Encoding: gzip\r\nContent-Length: %lu\r\n", ""),
                   z.total_out);
    ck_assert_uint_lt((size_t)head + z.total_out, sizeof(coded_text));
    memcpy(coded_text + head, coded, z.total_out);
    response.len = (size_t)head + z.total_out;
    deflateEnd(&z);
    free(coded);
    free(plain);
    return response;
}

static char
noise(size_t i)
{
    return (char)((i * 2654435761u >> 13) % 16 + 'a');
}

static char
zero(size_t i)
{
    (void)i;
    return 0;
}

VT_TEST(a_coded_body_is_decoded_whole)
{
    struct peer_response response = coded_response(300000, noise, 0);
    vetch_http_response *r;
    const char *body;
    size_t len;

    hck_begin(&response, 1, NULL);
    r = hck_get("/");
    body = vetch_http_response_body(r, &len);
    ck_assert_uint_eq(len, 300000);
    for (size_t i = 0; i < len; i++)
        if (body[i] != noise(i))
            ck_abort_msg("byte %zu is wrong", i);
    ck_assert_int_eq(body[len], 0);
    vetch_http_response_unref(r);
    hck_end();
}

VT_TEST(a_coded_body_is_decoded_in_pieces)
{
    struct peer_response response = coded_response(300000, noise, 0);
    vetch_http_response *r;

    hck_begin(&response, 1, NULL);
    r = open_stream("/");
    ck_assert_uint_eq(read_all(r, noise), 300000);
    ck_assert_uint_eq(hck_stats().idle, 1);
    vetch_http_response_unref(r);
    hck_end();
}

VT_TEST(a_cut_coded_body_is_an_error_at_its_end)
{
    struct peer_response response = coded_response(1000, noise, 4);
    vetch_http_response *r;
    vetch_bytes *piece;

    hck_begin(&response, 1, NULL);
    r = open_stream("/");
    piece = read_piece(r);
    ck_assert_uint_eq(vetch_bytes_len(piece), 1000);
    vetch_bytes_unref(piece);
    hck_fails(vetch_stream_read(vetch_http_response_stream(r), 65536), "/",
              VETCH_ECODING, "the coded body ends early");
    ck_assert_uint_eq(hck_stats().idle, 1); /* the framing was in order */
    vetch_http_response_unref(r);
    hck_end();
}

VT_TEST(who_asks_for_codings_gets_them)
{
    struct peer_response response = coded_response(1000, noise, 0);
    vetch_http_call *call;
    vetch_http_response *r;
    const unsigned char *body;
    size_t len;

    hck_begin(&response, 1, NULL);
    call = vetch_http_call_new(client, "GET", hok_url(&peer, "/"));
    ck_assert_int_eq(
        vetch_http_call_set_header(call, "Accept-Encoding", "gzip"), 0);
    r = hck_run(vetch_http_call_send(call));
    body = vetch_http_response_body(r, &len);
    ck_assert_uint_lt(len, 1000);
    ck_assert_uint_eq(body[0], 0x1f);
    vetch_http_response_unref(r);
    hck_end();
}

VT_TEST(decoding_can_be_switched_off)
{
    struct peer_response response = coded_response(1000, noise, 0);
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;
    vetch_http_response *r;
    const unsigned char *body;
    size_t len;

    o.decompress = false;
    hck_begin(&response, 1, &o);
    r = hck_get("/");
    ck_assert_ptr_null(strstr(peer.requests, "Accept-Encoding"));
    body = vetch_http_response_body(r, &len);
    ck_assert_uint_eq(body[0], 0x1f);
    vetch_http_response_unref(r);
    hck_end();
}

/* CVE-2025-69223, CVE-2026-22036, curl #21143 and PR #21581. */
VT_TEST(a_bomb_is_refused)
{
    struct peer_response responses[2] = { coded_response(10000000, zero, 0) };
    vetch_http_response *r;
    vetch_bytes *piece;
    vetch_error *error = NULL;
    size_t total = 0;

    responses[1] = responses[0];
    hck_begin(responses, 2, NULL);
    hck_fails(hck_start("/"), "/", VETCH_ECODING,
              "expands more than 100 times");
    r = open_stream("/");
    while ((piece = vetch_run(
                vetch_stream_read(vetch_http_response_stream(r), 65536),
                &error)) != NULL) {
        ck_assert_uint_le(vetch_bytes_len(piece), 65536);
        total += vetch_bytes_len(piece);
        vetch_bytes_unref(piece);
    }
    ck_assert_int_eq(vetch_error_code(error), VETCH_ECODING);
    vetch_error_unref(error);
    ck_assert_uint_le(total, 1048576 + 65536);
    vetch_http_response_unref(r);
    hck_end();
}

VT_TEST(the_limit_on_a_body_counts_what_comes_out)
{
    struct peer_response response = coded_response(300000, noise, 0);
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;

    o.max_body_bytes = 299999;
    hck_begin(&response, 1, &o);
    hck_fails(hck_start("/"), "/", VETCH_ETOOLARGE,
              "the body is larger than 299999 bytes");
    hck_end();
}
