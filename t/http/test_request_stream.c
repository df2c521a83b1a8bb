/* Requests as streams: bodies, responses and tunnels. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/http_server_kit.h"

#define HEAD(line) line " HTTP/1.1\r\nHost: a\r\n"

static struct hsk_client t;
static vetch_http_request *request;
static vetch_stream *stream;
static vetch_deferred *handler;
static int canceled;

static void
note_cancel(vetch_deferred *d, void *ctx)
{
    (void)ctx;
    canceled++;
    vetch_deferred_cancel(d);
}

static vetch_promise *
take_request(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    request = r;
    stream = vetch_http_request_stream(r);
    handler = vetch_deferred_new(note_cancel, NULL);
    return vetch_deferred_promise(handler);
}

static void
end_handler(void)
{
    vetch_deferred_resolve(handler, NULL, NULL);
    handler = vetch_deferred_unref(handler);
    vt_run_ready();
}

static void
start(void)
{
    canceled = 0;
    handler = NULL;
    hsk_start(NULL);
    hsk_stream_route("*", "/*rest", take_request, NULL);
    hsk_connect(&t);
}

static void
stop(void)
{
    vetch_deferred_unref(handler);
    hsk_hang_up(&t);
    hsk_end();
}

static int
code_of(vetch_promise *p)
{
    int code = 0;

    vt_run_ready();
    ck_assert_int_ne(vetch_promise_state(p), VETCH_PENDING);
    if (vetch_promise_state(p) == VETCH_REJECTED)
        code = vetch_error_code(vetch_promise_error(p));
    vetch_promise_unref(p);
    return code;
}

static bool
gives(vetch_promise *p, const char *text)
{
    vetch_bytes *bytes = vetch_run(p, NULL);
    bool same = bytes != NULL && vetch_bytes_len(bytes) == strlen(text) &&
                memcmp(vetch_bytes_data(bytes), text, strlen(text)) == 0;

    vetch_bytes_unref(bytes);
    return same;
}

VT_CASE("bodies", vt_reactor_tcase, .set_up = start, .take_down = stop);

VT_TEST(body_is_read_in_lines)
{
    vetch_promise *p;

    hsk_say(&t, HEAD("POST /") "Content-Length: 9\r\n\r\none\nt");
    ck_assert_uint_eq(vetch_http_request_length(request), 9);
    ck_assert(gives(vetch_stream_read_line(stream, 100), "one"));
    p = vetch_stream_read_line(stream, 100);
    hsk_say(&t, "wo\nx");
    ck_assert(gives(p, "two"));
    ck_assert(gives(vetch_stream_read_line(stream, 100), "x"));
    ck_assert_ptr_null(vetch_run(vetch_stream_read(stream, 1), NULL));
    vetch_http_reply(request, 200, NULL, NULL, 0);
    end_handler();
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_ptr_null(hsk_field(&t, "Connection")); /* it goes on */
}

VT_TEST(chunked_body_has_no_known_length)
{
    hsk_say(&t, HEAD("POST /") "Transfer-Encoding: chunked\r\n\r\n"
                               "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
    ck_assert(vetch_http_request_length(request) == VETCH_HTTP_LENGTH_UNKNOWN);
    ck_assert(gives(vetch_stream_read_all(stream, 100), "abc"));
    ck_assert_uint_eq(vetch_stream_bytes_read(stream), 3);
    vetch_http_reply(request, 200, NULL, NULL, 0);
    end_handler();
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_ptr_null(hsk_field(&t, "Connection"));
}

VT_TEST(body_that_is_not_there_has_ended)
{
    hsk_get(&t, "/");
    ck_assert_uint_eq(vetch_http_request_length(request), 0);
    ck_assert_ptr_null(vetch_run(vetch_stream_read(stream, 1), NULL));
    end_handler();
    ck_assert_uint_eq(hsk_hear(&t), 500);
}

VT_TEST(s3_truncated_body_is_told_from_its_end)
{
    vetch_promise *p;

    hsk_say(&t, HEAD("POST /") "Content-Length: 9\r\n\r\none");
    p = vetch_stream_read_all(stream, 100);
    hsk_hang_up(&t);
    ck_assert_int_eq(code_of(p), VETCH_ETRUNCATED);
}

VT_TEST(response_needs_a_beginning)
{
    hsk_get(&t, "/");
    ck_assert_int_eq(vetch_stream_write(stream, "x", 1), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(code_of(vetch_stream_end(stream)), EBADF);
    ck_assert_int_eq(vetch_http_reply_begin(request, 200, NULL), 0);
    ck_assert_int_eq(vetch_stream_write(stream, "x", 1), 0); /* not sticky */
    ck_assert_int_eq(code_of(vetch_stream_end(stream)), 0);
    end_handler();
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert(hsk_body_is(&t, "x"));
}

VT_TEST(many_pieces_make_one_chunk)
{
    struct iovec iov[20];
    char letters[] = "abcdefghijklmnopqrst";

    for (int i = 0; i < 20; i++)
        iov[i] = (struct iovec){ letters + i, 1 };
    hsk_get(&t, "/");
    vetch_http_reply_begin(request, 200, NULL);
    ck_assert_int_eq(vetch_stream_writev(stream, iov, 20), 0);
    ck_assert_int_eq(hsk_reply_end(request), 0);
    end_handler();
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert(hsk_body_is(&t, letters));
}

VT_TEST(length_frames_the_response)
{
    hsk_get(&t, "/");
    ck_assert_int_eq(vetch_http_reply_set_length(request, 5), 0);
    vetch_http_reply_begin(request, 200, NULL);
    ck_assert_int_eq(vetch_http_reply_set_length(request, 6), -1);
    ck_assert_int_eq(errno, EALREADY);
    vetch_stream_write(stream, "hel", 3);
    vetch_stream_write(stream, "lo", 2);
    ck_assert_int_eq(hsk_reply_end(request), 0);
    end_handler();
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_str_eq(hsk_field(&t, "Content-Length"), "5");
    ck_assert_ptr_null(hsk_field(&t, "Transfer-Encoding"));
    ck_assert(hsk_body_is(&t, "hello"));
}

VT_TEST(unknown_length_is_chunked_again)
{
    hsk_get(&t, "/");
    vetch_http_reply_set_length(request, 5);
    vetch_http_reply_set_length(request, VETCH_HTTP_LENGTH_UNKNOWN);
    vetch_http_reply_begin(request, 200, NULL);
    hsk_reply_end(request);
    end_handler();
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_str_eq(hsk_field(&t, "Transfer-Encoding"), "chunked");
}

VT_TEST(more_than_the_length_is_refused_and_cut_off)
{
    hsk_get(&t, "/");
    vetch_http_reply_set_length(request, 5);
    vetch_http_reply_begin(request, 200, NULL);
    ck_assert_int_eq(vetch_stream_write(stream, "hello!", 6), -1);
    ck_assert_int_eq(errno, EMSGSIZE);
    ck_assert_int_eq(code_of(vetch_stream_end(stream)), EMSGSIZE);
    end_handler();
    ck_assert_uint_eq(hsk_hear(&t), 0);
}

VT_TEST(less_than_the_length_is_cut_off)
{
    hsk_get(&t, "/");
    vetch_http_reply_set_length(request, 5);
    vetch_http_reply_begin(request, 200, NULL);
    vetch_stream_write(stream, "hell", 4);
    ck_assert_int_eq(code_of(vetch_stream_end(stream)), VETCH_ETRUNCATED);
    end_handler();
    ck_assert_uint_eq(hsk_hear(&t), 0);
}

VT_TEST(whole_responses_have_their_own_length)
{
    hsk_get(&t, "/");
    vetch_http_reply_set_length(request, 5);
    vetch_http_reply(request, 200, NULL, "ab", 2);
    end_handler();
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert(hsk_body_is(&t, "ab"));
}

VT_TEST(copy_to_head_ends_at_once)
{
    vetch_stream *pair[2];

    ck_assert_int_eq(vetch_stream_pair(pair), 0);
    vetch_stream_write(pair[0], "unread", 6);
    hsk_say(&t, HEAD("HEAD /") "\r\n");
    vetch_http_reply_set_length(request, 1000000);
    vetch_http_reply_begin(request, 200, NULL);
    ck_assert_int_eq(vetch_stream_write(stream, "dropped", 7), 0);
    ck_assert_int_eq(code_of(vetch_stream_copy(pair[1], stream, NULL)), 0);
    ck_assert_uint_eq(vetch_stream_bytes_read(pair[1]), 0);
    end_handler();
    ck_assert_uint_eq(hsk_hear_head(&t), 200);
    ck_assert_str_eq(hsk_field(&t, "Content-Length"), "1000000");
    ck_assert(hsk_is_silent(&t));
    vetch_stream_unref(pair[0]);
    vetch_stream_unref(pair[1]);
}

VT_TEST(s8_body_can_be_echoed_as_it_comes)
{
    static char block[100000];
    vetch_promise *p;
    struct hsk_client *c = &t;

    hsk_say(&t, HEAD("POST /") "Content-Length: 1000000\r\n\r\n");
    vetch_http_reply_set_length(request, vetch_http_request_length(request));
    vetch_http_reply_begin(request, 200, NULL);
    p = vetch_stream_copy(stream, stream, NULL);
    for (int i = 0; i < 10; i++)
        hsk_say_bytes(&t, block, sizeof(block));
    ck_assert_uint_eq(hsk_hear(c), 200);
    ck_assert_uint_eq(t.n_body, 1000000);
    ck_assert_int_eq(code_of(p), 0);
    end_handler();
}

VT_TEST(h4_what_was_ended_arrives_after_its_handler)
{
    static char block[1000000];

    hsk_get(&t, "/");
    vetch_http_reply_begin(request, 200, NULL);
    vetch_stream_write(stream, block, sizeof(block));
    ck_assert_int_eq(code_of(vetch_stream_end(stream)), 0);
    end_handler();
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_uint_eq(t.n_body, sizeof(block));
}

VT_TEST(h4_a_filter_around_it_flushes_first)
{
    vetch_stream *zip;
    char text[100000];
    vetch_promise *p;

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)rand();
    hsk_get(&t, "/");
    vetch_http_reply_begin(request, 200, NULL);
    zip = vetch_stream_filter(stream, VETCH_WRITABLE, vetch_gzip_new(0));
    vetch_stream_write(zip, text, sizeof(text));
    p = vetch_stream_end(zip);
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_uint_gt(t.n_body, sizeof(text));
    ck_assert_int_eq(code_of(p), 0);
    vetch_stream_unref(zip);
    end_handler();
}

VT_TEST(h4_a_filter_around_it_hears_that_it_is_too_short)
{
    vetch_stream *zip;

    hsk_get(&t, "/");
    vetch_http_reply_set_length(request, 1000);
    vetch_http_reply_begin(request, 200, NULL);
    zip = vetch_stream_filter(stream, VETCH_WRITABLE, vetch_gzip_new(0));
    vetch_stream_write(zip, "short", 5);
    ck_assert_int_eq(code_of(vetch_stream_end(zip)), VETCH_ETRUNCATED);
    vetch_stream_unref(zip);
    end_handler();
    ck_assert_uint_eq(hsk_hear(&t), 0);
}

VT_TEST(s6_close_ends_the_response)
{
    hsk_say(&t, HEAD("POST /") "Content-Length: 9\r\n\r\none");
    vetch_http_reply_begin(request, 200, NULL);
    vetch_stream_write(stream, "early", 5);
    ck_assert_int_eq(code_of(vetch_stream_close(stream)), 0);
    ck_assert_int_eq(code_of(vetch_stream_read(stream, 1)), VETCH_ECLOSED);
    end_handler();
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert(hsk_body_is(&t, "early"));
    ck_assert_str_eq(hsk_field(&t, "Connection"), "close");
}

VT_TEST(s7_stream_that_is_kept_longer_has_failed)
{
    vetch_promise *p, *q;
    vetch_stream *kept;

    hsk_say(&t, HEAD("POST /") "Content-Length: 9\r\n\r\none");
    kept = vetch_stream_ref(stream);
    p = vetch_stream_read_all(stream, 100);
    vetch_http_reply_begin(request, 200, NULL);
    vetch_stream_write(stream, "x", 1);
    q = vetch_stream_copy(stream, stream, NULL);
    ck_assert_int_eq(code_of(q), VETCH_EMISUSE);
    end_handler();
    ck_assert_int_eq(code_of(p), VETCH_ECLOSED);
    ck_assert_int_eq(code_of(vetch_stream_read(kept, 1)), VETCH_ECLOSED);
    ck_assert_int_eq(vetch_stream_write(kept, "x", 1), -1);
    ck_assert_int_eq(code_of(vetch_stream_drain(kept)), VETCH_ECLOSED);
    ck_assert_str_eq(vetch_stream_peer(kept), "");
    vetch_stream_abort(kept);
    vetch_stream_unref(kept);
    ck_assert_uint_eq(hsk_hear(&t), 0);
}

VT_TEST(s7_stream_of_an_answered_request_has_failed_as_well)
{
    vetch_stream *kept;

    hsk_get(&t, "/");
    kept = vetch_stream_ref(stream);
    vetch_http_reply(request, 200, NULL, NULL, 0);
    end_handler();
    ck_assert_int_eq(code_of(vetch_stream_read(kept, 1)), VETCH_ECLOSED);
    ck_assert_int_eq(code_of(vetch_stream_copy(kept, kept, NULL)),
                     VETCH_ECLOSED);
    vetch_stream_unref(kept);
    ck_assert_uint_eq(hsk_hear(&t), 200);
}

VT_TEST(idle_stream_breaks_the_connection)
{
    vetch_promise *p;

    hsk_say(&t, HEAD("POST /") "Content-Length: 9\r\n\r\none");
    ck_assert_int_eq(vetch_stream_set_idle(stream, 2), 0);
    p = vetch_stream_read_all(stream, 100);
    vt_advance(3);
    ck_assert_int_eq(code_of(p), VETCH_ETIMEDOUT);
    ck_assert_uint_eq(hsk_hear(&t), 0);
}

/* ---- tunnels ---- */

#define UPGRADE HEAD("GET /") "Connection: Upgrade\r\nUpgrade: echo\r\n\r\n"

VT_CASE("tunnels", vt_reactor_tcase, .set_up = start, .take_down = stop);

/* Wait until that has come, behind what came before. */
static void
hear_bytes(const char *text)
{
    for (int i = 0; i < 100 && t.n_in < strlen(text); i++)
        hsk_is_silent(&t);
    ck_assert_uint_eq(t.n_in, strlen(text));
    ck_assert_int_eq(memcmp(t.in, text, strlen(text)), 0);
    t.n_in = 0;
}

static void
open_tunnel(const char *left_over)
{
    char text[200];

    snprintf(text, sizeof(text), "%s%s", UPGRADE, left_over);
    hsk_say(&t, text);
    ck_assert_int_eq(vetch_http_reply_set_header(request, "Upgrade", "echo"),
                     0);
    ck_assert_int_eq(vetch_http_reply_begin(request, 101, NULL), 0);
    vt_run_ready();
}

VT_TEST(request_that_upgrades_becomes_the_connection)
{
    vetch_promise *p;

    open_tunnel("");
    ck_assert_uint_eq(hsk_hear_head(&t), 101);
    ck_assert_str_eq(hsk_field(&t, "Connection"), "Upgrade");
    ck_assert_str_eq(hsk_field(&t, "Upgrade"), "echo");
    ck_assert_ptr_null(hsk_field(&t, "Transfer-Encoding"));
    p = vetch_stream_read(stream, 100);
    hsk_say(&t, "raw");
    ck_assert(gives(p, "raw"));
    vetch_stream_write(stream, "bytes", 5);
    hear_bytes("bytes");
    vt_advance(1000); /* nothing is too slow here */
    hsk_say(&t, "late");
    ck_assert(gives(vetch_stream_read(stream, 100), "late"));
    end_handler();
    ck_assert(hsk_hear_end(&t));
    ck_assert_int_eq(canceled, 0);
}

VT_TEST(what_came_behind_the_head_comes_first)
{
    open_tunnel("first");
    ck_assert(gives(vetch_stream_read(stream, 100), "first"));
    hsk_say(&t, "GET /");
    ck_assert(gives(vetch_stream_read(stream, 100), "GET /"));
    end_handler();
}

VT_TEST(half_close_does_not_end_a_tunnel)
{
    open_tunnel("");
    ck_assert_uint_eq(hsk_hear_head(&t), 101);
    shutdown(t.fd, SHUT_WR);
    ck_assert_ptr_null(vetch_run(vetch_stream_read(stream, 1), NULL));
    ck_assert_int_eq(canceled, 0);
    vetch_stream_write(stream, "still", 5);
    hear_bytes("still");
    ck_assert_int_eq(code_of(vetch_stream_end(stream)), 0);
    ck_assert(hsk_hear_end(&t));
    ck_assert_int_eq(canceled, 0); /* it is the handler's to end */
    ck_assert_int_eq(vetch_stream_write(stream, "x", 1), -1);
    end_handler();
}

VT_TEST(our_half_close_leaves_the_other_open)
{
    open_tunnel("");
    ck_assert_uint_eq(hsk_hear_head(&t), 101);
    ck_assert_int_eq(code_of(vetch_stream_end(stream)), 0);
    ck_assert(hsk_hear_end(&t));
    hsk_say(&t, "on");
    ck_assert(gives(vetch_stream_read(stream, 100), "on"));
    end_handler();
}

VT_TEST(closed_tunnel_flushes_first)
{
    static char block[3000000];
    vetch_promise *p;
    size_t got = 0;

    open_tunnel("");
    ck_assert_uint_eq(hsk_hear_head(&t), 101);
    vetch_stream_write(stream, block, sizeof(block));
    p = vetch_stream_close(stream);
    while (got < sizeof(block)) {
        hsk_is_silent(&t);
        got += t.n_in;
        t.n_in = 0;
    }
    ck_assert_uint_eq(got, sizeof(block));
    ck_assert(hsk_hear_end(&t));
    hsk_hang_up(&t);
    ck_assert_int_eq(code_of(p), 0);
    end_handler();
}

VT_TEST(aborted_tunnel_is_reset)
{
    vetch_promise *p;

    open_tunnel("");
    ck_assert_uint_eq(hsk_hear_head(&t), 101);
    p = vetch_stream_read(stream, 1);
    vetch_stream_abort(stream);
    ck_assert_int_eq(code_of(p), ECONNABORTED);
    hsk_hear_end(&t);
    end_handler();
}

VT_TEST(tunnel_that_nobody_reads_stops_receiving)
{
    static char block[65536];
    size_t sent = 0;
    ssize_t n;

    open_tunnel("");
    while ((n = send(t.fd, block, sizeof(block), MSG_DONTWAIT)) > 0) {
        sent += (size_t)n;
        vt_run_ready();
        ck_assert_uint_lt(sent, 4000000);
    }
    vetch_unref(vetch_run(vetch_stream_read_exactly(stream, sent), NULL));
    end_handler();
}

VT_TEST(connect_makes_a_tunnel_too)
{
    hsk_say(&t, "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\nhello");
    vetch_http_reply_begin(request, 200, NULL);
    ck_assert(gives(vetch_stream_read(stream, 100), "hello"));
    end_handler();
}

VT_TEST(upgrade_that_nobody_asked_for_is_refused)
{
    hsk_get(&t, "/");
    ck_assert_int_eq(vetch_http_reply_begin(request, 101, NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
    vetch_http_reply(request, 200, NULL, NULL, 0);
    end_handler();
    ck_assert_uint_eq(hsk_hear(&t), 200);
}

VT_TEST(request_that_asks_for_an_upgrade_runs_alone)
{
    hsk_say(&t, UPGRADE HEAD("GET /2") "\r\n");
    ck_assert_str_eq(vetch_http_request_path(request), "/");
    vetch_http_reply(request, 200, NULL, NULL, 0);
    end_handler();
    ck_assert_str_eq(vetch_http_request_path(request), "/2");
    vetch_http_reply(request, 200, NULL, NULL, 0);
    end_handler();
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_uint_eq(hsk_hear(&t), 200);
}
