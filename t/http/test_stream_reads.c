/* Reads of a body that are cancelled, raced or left: no byte is lost, and none
 * comes out of its order. */

#include "support/harness.h"

#include <errno.h>
#include <string.h>

#include "support/http_client_kit.h"

#define GZIPPED                                                                \
    OK("Content-Encoding: gzip\r\nContent-Length: 25\r\n",                     \
       "\x1f\x8b\x08\0\0\0\0\0\x02\x03\xcb\x48\xcd\xc9\xc9\x07\0\x86\xa6"      \
       "\x10\x36\x05\0\0\0")

static const struct peer_response hello = {
    OK("Content-Length: 10\r\n", "hello"), 0, 0
};
static const struct peer_response gzipped = { GZIPPED, 0, sizeof(GZIPPED) - 1 };

VT_CASE("reads", vt_reactor_tcase);

static vetch_http_response *response;

static void
begin_stream(const struct peer_response *given)
{
    vetch_http_call *call;

    hck_begin(given, 1, NULL);
    call = vetch_http_call_new(client, "GET", hok_url(&peer, "/"));
    response = hck_run(vetch_http_call_stream(call));
}

static void
end_stream(void)
{
    response = vetch_http_response_unref(response);
    hck_end();
}

static void
expect_piece(const char *want)
{
    vetch_error *error = NULL;
    vetch_bytes *piece = vetch_run(
        vetch_stream_read(vetch_http_response_stream(response), 65536), &error);

    ck_assert_ptr_null(error);
    ck_assert_ptr_nonnull(piece);
    ck_assert_str_eq(vetch_bytes_data(piece), want);
    vetch_bytes_unref(piece);
}

static vetch_promise *
not_called(void *piece, void *ctx)
{
    (void)piece;
    (void)ctx;
    ck_abort_msg("a handler was called");
    return NULL;
}

static void
expect_code(vetch_promise *p, int code)
{
    vetch_error *error = hck_fail(p);

    ck_assert_int_eq(vetch_error_code(error), code);
    vetch_error_unref(error);
}

/* A read that has its piece, but whose handler has not run. */
static vetch_promise *
ready_read(void)
{
    vetch_promise *p =
        vetch_stream_read(vetch_http_response_stream(response), 65536);

    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    return p;
}

VT_TEST(a_late_cancel_gives_the_piece_to_the_next_read)
{
    vetch_promise *p;

    begin_stream(&hello);
    vt_run_ready();
    p = vetch_then(ready_read(), not_called, NULL);
    vetch_promise_cancel(p);
    expect_code(p, VETCH_ECANCELED);
    expect_piece("hello");
    end_stream();
}

VT_TEST(a_piece_of_a_released_promise_is_not_lost)
{
    begin_stream(&hello);
    vt_run_ready();
    vetch_promise_unref(ready_read());
    expect_piece("hello");
    end_stream();
}

VT_TEST(a_lost_race_loses_no_piece)
{
    char first[] = "first";
    vetch_promise *two[2];
    vetch_error *error = NULL;

    begin_stream(&hello);
    vt_run_ready();
    two[0] = vetch_resolved(first, NULL);
    two[1] = vetch_stream_read(vetch_http_response_stream(response), 65536);
    ck_assert_str_eq(vetch_run(vetch_race(two, 2), &error), "first");
    expect_piece("hello");
    hok_send(&peer, 0, "world");
    expect_piece("world");
    end_stream();
}

/* What came back stands before what came later. */
VT_TEST(pieces_keep_their_order)
{
    vetch_promise *p;

    begin_stream(&hello);
    vt_run_ready();
    p = ready_read();
    hok_send(&peer, 0, "world");
    vt_run_ready();
    hok_poll();
    vetch_promise_unref(p);
    expect_piece("hello");
    expect_piece("world");
    end_stream();
}

VT_TEST(a_decoded_piece_is_not_lost_either)
{
    begin_stream(&gzipped);
    vt_run_ready();
    for (int i = 0; i < 3; i++)
        vetch_promise_unref(ready_read());
    expect_piece("hello");
    end_stream();
}

/* Else the second read could overtake a piece that comes back. */
VT_TEST(a_read_is_pending_until_its_piece_is_delivered)
{
    vetch_promise *p;

    begin_stream(&hello);
    vt_run_ready();
    p = ready_read();
    expect_code(vetch_stream_read(vetch_http_response_stream(response), 65536),
                VETCH_EMISUSE);
    vetch_bytes_unref(vetch_run(p, NULL));
    p = vetch_stream_read(vetch_http_response_stream(response), 65536);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vetch_promise_cancel(p);
    expect_code(p, VETCH_ECANCELED);
    end_stream();
}

/* Release means release. */
VT_TEST(a_release_rejects_the_pending_read_and_goes)
{
    vetch_promise *p;
    vetch_error *error;

    begin_stream(&hello);
    expect_piece("hello");
    p = vetch_stream_read(vetch_http_response_stream(response), 65536);
    response = vetch_http_response_unref(response);
    error = hck_fail(p);
    ck_assert_int_eq(vetch_error_code(error), ECONNABORTED);
    ck_assert_ptr_nonnull(strstr(vetch_error_text(error), "was released"));
    vetch_error_unref(error);
    vt_run_ready();
    ck_assert_uint_eq(hck_stats().connections, 0);
    hck_end();
}

VT_TEST(a_piece_on_offer_outlives_its_response, .loops = 2)
{
    vetch_promise *p;
    vetch_bytes *piece;

    begin_stream(&hello);
    vt_run_ready();
    p = ready_read();
    response = vetch_http_response_unref(response);
    if (_i == 0) {
        piece = vetch_run(p, NULL);
        ck_assert_str_eq(vetch_bytes_data(piece), "hello");
        vetch_bytes_unref(piece);
    } else {
        vetch_promise_unref(p);
    }
    vt_run_ready();
    ck_assert_uint_eq(hck_stats().connections, 0);
    hck_end();
}
