/* Bodies of requests, whole and in pieces. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "http/server/server-private.h"
#include "support/http_server_kit.h"

#define POST "POST / HTTP/1.1\r\nHost: a\r\n"

/* ---- whole bodies ---- */

VT_CASE("whole", vt_reactor_tcase);

static vetch_promise *
echo(vetch_http_request *r, void *ctx)
{
    size_t len;
    const void *body = vetch_http_request_body(r, &len);

    (void)ctx;
    vetch_http_reply(r, 200, NULL, body, len);
    return NULL;
}

static void
start_echo(void)
{
    hsk_start(NULL);
    hsk_route("POST", "/", echo, NULL);
}

VT_TEST(bodies_are_whole_when_the_handler_is_called)
{
    static const char *const rows[] = {
        POST "Content-Length: 5\r\n\r\nhello",
        POST "Content-Length: 0005\r\n\r\nhello",
        POST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        POST "Transfer-Encoding: chunked\r\n\r\n1\r\nh\r\n4;x=y\r\nello\r\n"
             "0\r\nX: y\r\n\r\n",
    };
    size_t i, j;

    start_echo();
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct hsk_client t;

        hsk_connect(&t);
        hsk_say(&t, rows[i]);
        ck_assert_uint_eq(hsk_hear(&t), 200);
        ck_assert(hsk_body_is(&t, "hello"));
        for (j = 0; j < strlen(rows[i]); j++) {
            ck_assert(hsk_is_silent(&t));
            hsk_say_bytes(&t, rows[i] + j, 1);
        }
        ck_assert_uint_eq(hsk_hear(&t), 200);
        ck_assert(hsk_body_is(&t, "hello"));
        hsk_hang_up(&t);
    }
    hsk_end();
}

VT_TEST(a_body_without_bytes_is_empty)
{
    struct hsk_client t;

    start_echo();
    hsk_connect(&t);
    hsk_say(&t, POST "\r\n" POST "Content-Length: 0\r\n\r\n" POST
                     "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_uint_eq(t.n_body, 0);
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_uint_eq(t.n_body, 0);
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_uint_eq(t.n_body, 0);
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(large_bodies_are_echoed)
{
    size_t len = 1048576, i;
    char *body = malloc(len);
    struct hsk_client t;

    for (i = 0; i < len; i++)
        body[i] = (char)(i * 7 + i / 256);
    start_echo();
    hsk_connect(&t);
    hsk_say(&t, POST "Content-Length: 1048576\r\n\r\n");
    hsk_say_bytes(&t, body, len);
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_uint_eq(t.n_body, len);
    ck_assert_mem_eq(t.body, body, len);
    hsk_hang_up(&t);
    free(body);
    hsk_end();
}

VT_TEST(continue_is_said_when_the_client_waits_for_it)
{
    struct hsk_client t;

    start_echo();
    hsk_connect(&t);
    hsk_say(&t, POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    ck_assert_uint_eq(hsk_hear(&t), 100);
    ck_assert(hsk_is_silent(&t));
    hsk_say(&t, "ab");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert(hsk_body_is(&t, "ab"));
    /* Not if the body is there already, nor without one. */
    hsk_say(&t, POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nab");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    hsk_say(&t, POST "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    hsk_say(&t, "POST / HTTP/1.0\r\nExpect: 100-continue\r\n"
                "Content-Length: 2\r\n\r\nab");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert(hsk_hear_end(&t));
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(a_refused_expectation_is_answered_at_once)
{
    struct hsk_client t;

    start_echo();
    hsk_connect(&t);
    hsk_say(&t, POST "Expect: 100-continue\r\nContent-Length: 2000000\r\n\r\n");
    ck_assert_uint_eq(hsk_hear(&t), 413);
    ck_assert(hsk_hear_end(&t));
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(an_error_without_reading_the_body_closes)
{
    struct hsk_client t;

    start_echo();
    hsk_connect(&t);
    hsk_say(&t,
            "POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n"
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_uint_eq(hsk_hear(&t), 404);
    ck_assert_str_eq(hsk_field(&t, "Connection"), "close");
    ck_assert(hsk_hear_end(&t));
    ck_assert_uint_eq(t.n_in, 0);
    hsk_hang_up(&t);
    hsk_end();
}

/* ---- streams ---- */

VT_CASE("streams", vt_reactor_tcase);

struct stream {
    vetch_http_request *request;
    vetch_deferred *end;
    char *data;
    size_t len;
    unsigned pieces;
    bool over;
    int error; /* code of the rejection */
};

static void
got_piece(const vetch_error *error, void *result, void *ctx)
{
    struct stream *s = ctx;

    if (error != NULL) {
        s->error = vetch_error_code(error);
        return;
    }
    if (result == NULL) {
        s->over = true;
        return;
    }
    s->pieces++;
    s->data = realloc(s->data, s->len + vetch_bytes_len(result));
    memcpy(s->data + s->len, vetch_bytes_data(result), vetch_bytes_len(result));
    s->len += vetch_bytes_len(result);
    vetch_bytes_unref(result);
}

static void
read_piece(struct stream *s)
{
    vetch_callback(
        vetch_stream_read(vetch_http_request_stream(s->request), 65536),
        got_piece, s);
    vt_run_ready();
}

static void
cancel_stream(vetch_deferred *d, void *ctx)
{
    (void)ctx;
    vetch_deferred_cancel(d);
}

static vetch_promise *
take_stream(vetch_http_request *r, void *ctx)
{
    struct stream *s = ctx;

    s->request = r;
    s->end = vetch_deferred_new(cancel_stream, s);
    return vetch_deferred_promise(s->end);
}

static void
start_stream(struct stream *s)
{
    memset(s, 0, sizeof(*s));
    hsk_start(NULL);
    hsk_stream_route("POST", "/", take_stream, s);
    hsk_route("GET", "/", echo, NULL);
}

static void
end_stream(struct stream *s)
{
    vetch_deferred_resolve(s->end, NULL, NULL);
    s->end = vetch_deferred_unref(s->end);
    vt_run_ready();
    free(s->data);
    s->data = NULL;
}

VT_TEST(a_stream_is_read_piece_by_piece)
{
    struct stream s;
    struct hsk_client t;

    start_stream(&s);
    hsk_connect(&t);
    hsk_say(&t, POST "Content-Length: 6\r\n\r\nab");
    ck_assert_ptr_nonnull(s.request);
    read_piece(&s);
    ck_assert_uint_eq(s.len, 2);
    read_piece(&s);
    ck_assert_uint_eq(s.len, 2);
    hsk_say(&t, "cd");
    ck_assert_uint_eq(s.len, 4);
    hsk_say(&t, "ef");
    read_piece(&s);
    ck_assert_uint_eq(s.len, 6);
    read_piece(&s);
    ck_assert(s.over);
    ck_assert_mem_eq(s.data, "abcdef", 6);
    vetch_http_reply(s.request, 200, NULL, "x", 1);
    end_stream(&s);
    ck_assert_uint_eq(hsk_hear(&t), 200);
    hsk_get(&t, "/"); /* the connection goes on */
    ck_assert_uint_eq(hsk_hear(&t), 200);
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(tiny_chunks_come_together)
{
    struct stream s;
    struct hsk_client t;

    start_stream(&s);
    hsk_connect(&t);
    hsk_say(&t, POST "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n"
                     "1\r\nc\r\n0\r\n\r\n");
    read_piece(&s);
    ck_assert_uint_eq(s.pieces, 1);
    ck_assert_uint_eq(s.len, 3);
    read_piece(&s);
    ck_assert(s.over);
    vetch_http_reply(s.request, 200, NULL, NULL, 0);
    end_stream(&s);
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_ptr_null(hsk_field(&t, "Connection"));
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(the_end_of_a_stream_may_come_late)
{
    struct stream s;
    struct hsk_client t;

    start_stream(&s);
    hsk_connect(&t);
    hsk_say(&t, POST "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    read_piece(&s);
    ck_assert_uint_eq(s.len, 1);
    read_piece(&s);
    hsk_say(&t, "0\r\nX: y\r\n");
    ck_assert(!s.over);
    hsk_say(&t, "\r\n");
    ck_assert(s.over);
    read_piece(&s); /* and it stays the end */
    ck_assert_int_eq(s.error, 0);
    vetch_http_reply(s.request, 200, NULL, NULL, 0);
    end_stream(&s);
    ck_assert_uint_eq(hsk_hear(&t), 200);
    hsk_hang_up(&t);
    hsk_end();
}

/* node 10487, libevent 483: the handler starts at the end of the head, and
 * the client is told to go on when it first reads. */
VT_TEST(continue_is_said_at_the_first_read)
{
    struct stream s;
    struct hsk_client t;

    start_stream(&s);
    hsk_connect(&t);
    hsk_say(&t, POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    ck_assert_ptr_nonnull(s.request);
    ck_assert(hsk_is_silent(&t));
    read_piece(&s);
    ck_assert_uint_eq(hsk_hear(&t), 100);
    hsk_say(&t, "ab");
    ck_assert_uint_eq(s.len, 2);
    vetch_http_reply(s.request, 200, NULL, NULL, 0);
    end_stream(&s);
    ck_assert_uint_eq(hsk_hear(&t), 200);
    hsk_hang_up(&t);
    hsk_end();
}

/* The client has gone, and the server is about to be told. */
VT_TEST(continue_to_nobody_rejects_the_read)
{
    struct stream s;
    struct hsk_client t;

    start_stream(&s);
    hsk_connect(&t);
    hsk_say(&t, POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    vetch_transport_abort(s.request->conn->transport);
    read_piece(&s);
    ck_assert_int_eq(s.error, ECONNABORTED);
    hsk_hang_up(&t);
    vetch_deferred_unref(s.end);
    hsk_end();
}

/* libevent 588, 634: refuse early, without reading. */
VT_TEST(an_early_response_closes_but_arrives)
{
    struct stream s;
    struct hsk_client t;

    start_stream(&s);
    hsk_connect(&t);
    hsk_say(&t, POST "Content-Length: 1000000\r\n\r\nab");
    vetch_http_reply(s.request, 403, NULL, "no", 2);
    end_stream(&s);
    ck_assert_uint_eq(hsk_hear(&t), 403);
    ck_assert_str_eq(hsk_field(&t, "Connection"), "close");
    ck_assert(hsk_hear_end(&t));
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(what_is_not_read_is_not_received)
{
    struct stream s;
    struct hsk_client t;
    size_t sent = 0;
    char *much = calloc(1, 65536);
    ssize_t n;

    start_stream(&s);
    hsk_connect(&t);
    hsk_say(&t, POST "Content-Length: 100000000\r\n\r\n");
    do {
        n = send(t.fd, much, 65536, MSG_DONTWAIT | MSG_NOSIGNAL);
        vt_run_ready();
        if (n < 0)
            n = send(t.fd, much, 65536, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        ck_assert_uint_lt(sent, 4 << 20);
    } while (n > 0);
    while (s.len < sent)
        read_piece(&s);
    ck_assert_uint_eq(s.len, sent);
    hsk_hang_up(&t);
    free(s.data);
    vetch_deferred_unref(s.end);
    free(much);
    hsk_end();
}

/* node 28172, 31054: a premature end is an error. */
VT_TEST(a_truncated_stream_rejects_the_read)
{
    struct stream s;
    struct hsk_client t;

    start_stream(&s);
    hsk_connect(&t);
    hsk_say(&t, POST "Content-Length: 6\r\n\r\nab");
    read_piece(&s);
    read_piece(&s);
    hsk_hang_up(&t);
    ck_assert_int_eq(s.error, VETCH_ETRUNCATED);
    free(s.data);
    vetch_deferred_unref(s.end);
    hsk_end();
}

VT_TEST(a_malformed_stream_rejects_the_read_and_is_400)
{
    struct stream s;
    struct hsk_client t;

    start_stream(&s);
    hsk_connect(&t);
    hsk_say(&t, POST "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n");
    read_piece(&s);
    ck_assert_uint_eq(s.len, 1);
    read_piece(&s);
    ck_assert_int_eq(s.error, VETCH_EPROTO_HTTP);
    ck_assert_uint_eq(hsk_hear(&t), 400);
    ck_assert(hsk_hear_end(&t));
    hsk_hang_up(&t);
    free(s.data);
    vetch_deferred_unref(s.end);
    hsk_end();
}

/* What a first piece hides must not slip through with the next: the verdict on
 * a body is final. */
VT_TEST(a_malformed_stream_stays_malformed)
{
    static const char *const bodies[] = {
        "1\r\na\r\n00000000000000001\r\nb\r\n0\r\n\r\n", /* 17 digits */
        "1\r\na\r\ng\r\nb\r\n0\r\n\r\n",
        "1\r\na\r\n1\nb\r\n0\r\n\r\n",
    };
    size_t i;

    for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct stream s;
        struct hsk_client t;

        start_stream(&s);
        hsk_connect(&t);
        hsk_say(&t, POST "Transfer-Encoding: chunked\r\n\r\n");
        hsk_say(&t, bodies[i]);
        read_piece(&s);
        ck_assert_uint_eq(s.len, 1);
        read_piece(&s);
        ck_assert_uint_eq(s.len, 1);
        ck_assert_int_eq(s.error, VETCH_EPROTO_HTTP);
        ck_assert_uint_eq(hsk_hear(&t), 400);
        ck_assert(hsk_hear_end(&t));
        hsk_hang_up(&t);
        free(s.data);
        vetch_deferred_unref(s.end);
        hsk_end();
    }
}

VT_TEST(chunks_that_are_too_small_end_a_stream_for_good)
{
    char *body = malloc(64 * 1024);
    size_t len = 0;
    struct stream s;
    struct hsk_client t;

    while (len < 60 * 1024) /* 20 bytes of framing for each of content */
        len += (size_t)sprintf(body + len, "0000000000000001\r\nx\r\n");
    start_stream(&s);
    hsk_connect(&t);
    hsk_say(&t, POST "Transfer-Encoding: chunked\r\n\r\n");
    hsk_say_bytes(&t, body, len);
    while (s.error == 0 && s.len < 60 * 1024 / 21)
        read_piece(&s);
    ck_assert_int_eq(s.error, VETCH_EPROTO_HTTP);
    ck_assert_ptr_null(memchr(s.data, '\n', s.len));
    ck_assert_uint_eq(hsk_hear(&t), 400);
    hsk_hang_up(&t);
    free(body);
    free(s.data);
    vetch_deferred_unref(s.end);
    hsk_end();
}

/* A 100 behind the head of the response would be part of its body. */
VT_TEST(continue_is_not_said_once_the_response_has_begun)
{
    struct stream s;
    struct hsk_client t;

    start_stream(&s);
    hsk_connect(&t);
    hsk_say(&t, POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    ck_assert_int_eq(vetch_http_reply_begin(s.request, 200, NULL), 0);
    read_piece(&s);
    hsk_say(&t, "ab");
    ck_assert_uint_eq(s.len, 2);
    ck_assert_int_eq(
        vetch_stream_write(vetch_http_request_stream(s.request), s.data, s.len),
        0);
    ck_assert_int_eq(hsk_reply_end(s.request), 0);
    end_stream(&s);
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert(hsk_body_is(&t, "ab"));
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(reads_may_be_cancelled_and_repeated)
{
    struct stream s;
    struct hsk_client t;
    vetch_promise *p;

    start_stream(&s);
    hsk_connect(&t);
    hsk_say(&t, POST "Content-Length: 2\r\n\r\n");
    p = vetch_stream_read(vetch_http_request_stream(s.request), 65536);
    vetch_promise_cancel(p);
    vt_run_ready();
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(p)), VETCH_ECANCELED);
    vetch_promise_unref(p);
    hsk_say(&t, "ab");
    p = vetch_stream_read(vetch_http_request_stream(s.request), 65536);
    vt_run_ready();
    ck_assert_uint_eq(vetch_bytes_len(vetch_promise_value(p)), 2);
    vetch_promise_unref(p);
    vetch_http_reply(s.request, 200, NULL, NULL, 0);
    end_stream(&s);
    ck_assert_uint_eq(hsk_hear(&t), 200);
    hsk_hang_up(&t);
    hsk_end();
}

static vetch_promise *
must_not_run(void *value, void *ctx)
{
    (void)value;
    (void)ctx;
    ck_abort_msg("a cancelled link was called");
}

/* The read has its piece, but nobody got it. */
static vetch_promise *
read_in_vain(struct stream *s)
{
    vetch_promise *p =
        vetch_stream_read(vetch_http_request_stream(s->request), 65536);

    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    return p;
}

VT_TEST(a_piece_that_nobody_got_is_read_again)
{
    struct stream s;
    struct hsk_client t;
    vetch_promise *p;

    start_stream(&s);
    hsk_connect(&t);
    hsk_say(&t, POST "Content-Length: 6\r\n\r\nab");
    vetch_promise_unref(read_in_vain(&s)); /* released */
    p = vetch_then(read_in_vain(&s), must_not_run, NULL);
    vetch_promise_cancel(p); /* late */
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    vetch_promise_unref(p);
    vetch_promise_unref(vetch_timeout(read_in_vain(&s), 1));
    vt_run_ready();
    hsk_say(&t, "cdef");
    read_piece(&s);
    ck_assert_uint_eq(s.len, 2);
    read_piece(&s);
    ck_assert_uint_eq(s.len, 6);
    ck_assert_mem_eq(s.data, "abcdef", 6);
    read_piece(&s);
    ck_assert(s.over);
    vetch_http_reply(s.request, 200, NULL, NULL, 0);
    end_stream(&s);
    ck_assert_uint_eq(hsk_hear(&t), 200);
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(a_read_is_pending_until_its_piece_was_got)
{
    struct stream s;
    struct hsk_client t;
    vetch_promise *first, *second;

    start_stream(&s);
    hsk_connect(&t);
    hsk_say(&t, POST "Content-Length: 4\r\n\r\nab");
    first = read_in_vain(&s);
    second = vetch_stream_read(vetch_http_request_stream(s.request), 65536);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(second)),
                     VETCH_EMISUSE);
    vetch_promise_unref(second);
    ck_assert_uint_eq(vetch_bytes_len(vetch_promise_value(first)), 2);
    vetch_promise_unref(first);
    hsk_say(&t, "cd");
    read_piece(&s);
    ck_assert_mem_eq(s.data, "cd", 2);
    vetch_http_reply(s.request, 200, NULL, NULL, 0);
    end_stream(&s);
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(a_piece_may_come_back_after_its_request)
{
    struct stream s;
    struct hsk_client t;
    vetch_promise *p;

    start_stream(&s);
    hsk_connect(&t);
    hsk_say(&t, POST "Content-Length: 2\r\n\r\nab");
    p = read_in_vain(&s);
    vetch_http_reply(s.request, 200, NULL, NULL, 0);
    end_stream(&s);
    ck_assert_uint_eq(hsk_hear(&t), 200);
    hsk_hang_up(&t);
    hsk_end();
    vetch_promise_unref(p);
}

VT_TEST(one_read_at_a_time)
{
    struct stream s;
    struct hsk_client t;
    vetch_promise *second;

    start_stream(&s);
    hsk_connect(&t);
    hsk_say(&t, POST "Content-Length: 2\r\n\r\n");
    read_piece(&s);
    second = vetch_stream_read(vetch_http_request_stream(s.request), 65536);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(second)),
                     VETCH_EMISUSE);
    vetch_promise_unref(second);
    hsk_hang_up(&t);
    ck_assert_int_eq(s.error, VETCH_ETRUNCATED);
    vetch_deferred_unref(s.end);
    hsk_end();
}

static vetch_promise *
reply_what_is_read(void *bytes, void *ctx)
{
    vetch_http_reply(ctx, 200, NULL, vetch_bytes_data(bytes),
                     vetch_bytes_len(bytes));
    return NULL;
}

static vetch_promise *
read_whole_body(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    return vetch_then(vetch_stream_read_all(vetch_http_request_stream(r), 100),
                      reply_what_is_read, r);
}

VT_TEST(whole_bodies_can_be_read_as_streams)
{
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("POST", "/", read_whole_body, NULL);
    hsk_connect(&t);
    hsk_say(&t, POST "Content-Length: 2\r\n\r\na");
    hsk_say(&t, "b");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert(hsk_body_is(&t, "ab"));
    hsk_say(&t, POST "Content-Length: 3\r\n\r\nxyz");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert(hsk_body_is(&t, "xyz"));
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(nothing_is_read_after_the_client_has_gone)
{
    struct stream s;
    struct hsk_client t;

    start_stream(&s);
    hsk_connect(&t);
    hsk_say(&t, POST "Content-Length: 2\r\n\r\n");
    vetch_http_reply(s.request, 200, NULL, NULL, 0); /* it goes on */
    ck_assert_uint_eq(hsk_hear(&t), 200);
    hsk_hang_up(&t);
    read_piece(&s);
    ck_assert_int_eq(s.error, VETCH_ETRUNCATED);
    end_stream(&s);
    hsk_end();
}
