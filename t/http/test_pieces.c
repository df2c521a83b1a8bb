/* Responses in pieces, and how they wait for the client. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "support/http_server_kit.h"

static vetch_promise *
reply_in_pieces(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    ck_assert_int_eq(vetch_http_reply_begin(r, 200, "text/plain"), 0);
    ck_assert_int_eq(vetch_stream_write(vetch_http_request_stream(r), "ab", 2),
                     0);
    ck_assert_int_eq(vetch_stream_write(vetch_http_request_stream(r), "", 0),
                     0);
    ck_assert_int_eq(vetch_stream_write(vetch_http_request_stream(r), "cde", 3),
                     0);
    ck_assert_int_eq(hsk_reply_end(r), 0);
    ck_assert_int_eq(vetch_stream_write(vetch_http_request_stream(r), "x", 1),
                     -1);
    ck_assert_int_eq(errno, EPIPE);
    return NULL;
}

VT_CASE("pieces", vt_reactor_tcase);

VT_TEST(responses_in_pieces_are_chunked)
{
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", reply_in_pieces, NULL);
    hsk_connect(&t);
    hsk_get(&t, "/");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_str_eq(hsk_field(&t, "Transfer-Encoding"), "chunked");
    ck_assert_ptr_null(hsk_field(&t, "Content-Length"));
    ck_assert(hsk_body_is(&t, "abcde"));
    hsk_say(&t, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_uint_eq(hsk_hear_head(&t), 200);
    ck_assert(hsk_is_silent(&t));
    /* HTTP/1.0 knows no chunks, whatever it asks of the connection. */
    hsk_say(&t, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_ptr_null(hsk_field(&t, "Transfer-Encoding"));
    ck_assert_str_eq(hsk_field(&t, "Connection"), "close");
    ck_assert(hsk_body_is(&t, "abcde"));
    hsk_hang_up(&t);
    hsk_end();
}

static vetch_promise *
forget_to_end(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    vetch_http_reply_begin(r, 200, NULL);
    vetch_stream_write(vetch_http_request_stream(r), "ab", 2);
    return NULL;
}

VT_TEST(a_response_that_was_not_ended_is_cut_off)
{
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", forget_to_end, NULL);
    hsk_connect(&t);
    hsk_get(&t, "/");
    ck_assert_uint_eq(hsk_hear(&t), 0); /* nobody takes it for whole */
    hsk_hang_up(&t);
    hsk_end();
}

/* What a handler that streams much does: write, drain, write… */
struct flood {
    vetch_http_request *request;
    size_t left;
    unsigned drains;
};

static vetch_promise *
write_more(void *ctx)
{
    static const char block[50000];
    struct flood *f = ctx;

    if (f->left == 0) {
        hsk_reply_end(f->request);
        return vetch_resolved(f, NULL);
    }
    f->left--;
    f->drains++;
    ck_assert_int_eq(vetch_stream_write(vetch_http_request_stream(f->request),
                                        block, sizeof(block)),
                     0);
    return vetch_stream_drain(vetch_http_request_stream(f->request));
}

static vetch_promise *
flood(vetch_http_request *r, void *ctx)
{
    struct flood *f = ctx;

    f->request = r;
    vetch_http_reply_begin(r, 200, NULL);
    return vetch_repeat(write_more, f);
}

VT_TEST(drain_waits_for_the_client)
{
    struct flood f = { .left = 200 };
    struct hsk_client t;
    unsigned so_far;

    hsk_start(NULL);
    hsk_route("GET", "/", flood, &f);
    hsk_connect(&t);
    hsk_get(&t, "/");
    so_far = f.drains;
    ck_assert_uint_lt(so_far, 100); /* the kernel took some */
    vt_run_ready();
    ck_assert_uint_eq(f.drains, so_far);
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_uint_eq(t.n_body, 10000000);
    hsk_hang_up(&t);
    hsk_end();
}

/* Two responses at once: the second is held until the first has ended. */
static struct held {
    vetch_http_request *request;
    vetch_deferred *end;
} held[2];

static vetch_promise *
take_next(vetch_http_request *r, void *ctx)
{
    struct held *h = &held[held[0].request == NULL ? 0 : 1];

    (void)ctx;
    h->request = r;
    h->end = vetch_deferred_new(NULL, NULL);
    return vetch_deferred_promise(h->end);
}

static void
end_handler(struct held *h)
{
    vetch_deferred_resolve(h->end, NULL, NULL);
    h->end = vetch_deferred_unref(h->end);
    vt_run_ready();
}

static int
code_of(vetch_promise *p)
{
    int code = vetch_promise_state(p) == VETCH_REJECTED
                   ? vetch_error_code(vetch_promise_error(p))
                   : 0;

    vetch_promise_unref(p);
    return code;
}

VT_TEST(drain_waits_while_a_response_is_held)
{
    static const char block[70000];
    struct hsk_client t;
    vetch_promise *p;

    memset(held, 0, sizeof(held));
    hsk_start(NULL);
    hsk_route("GET", "/", take_next, NULL);
    hsk_connect(&t);
    hsk_get(&t, "/");
    hsk_get(&t, "/");
    ck_assert_int_eq(vetch_http_reply_begin(held[1].request, 200, NULL), 0);
    ck_assert_int_eq(
        code_of(vetch_stream_drain(vetch_http_request_stream(held[1].request))),
        0);
    vetch_stream_write(vetch_http_request_stream(held[1].request), block,
                       sizeof(block));
    p = vetch_stream_drain(vetch_http_request_stream(held[1].request));
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vetch_promise_cancel(p);
    vt_run_ready();
    ck_assert_int_eq(code_of(p), VETCH_ECANCELED);
    p = vetch_stream_drain(vetch_http_request_stream(held[1].request));
    vetch_http_reply(held[0].request, 200, NULL, "first", 5);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    vetch_promise_unref(p);
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert(hsk_body_is(&t, "first"));
    vetch_stream_write(vetch_http_request_stream(held[1].request), "x", 1);
    hsk_reply_end(held[1].request);
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_uint_eq(t.n_body, sizeof(block) + 1);
    end_handler(&held[0]);
    end_handler(&held[1]);
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(drain_ends_when_the_client_goes)
{
    struct flood f = { .left = 200 };
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", flood, &f);
    hsk_connect(&t);
    hsk_get(&t, "/");
    hsk_hang_up(&t);
    ck_assert_uint_gt(f.left, 0);
    hsk_end();
}

static vetch_promise *
write_without_end(vetch_http_request *r, void *ctx)
{
    static const char block[100000];
    unsigned *n = ctx;

    vetch_http_reply_begin(r, 200, NULL);
    while (vetch_stream_write(vetch_http_request_stream(r), block,
                              sizeof(block)) == 0)
        ++*n;
    ck_assert_int_eq(errno, ENOBUFS);
    ck_assert_int_eq(hsk_reply_end(r), -1);
    ck_assert_int_eq(errno, ENOBUFS);
    return NULL;
}

/* libuv #1169, libevent #1350 #1466, cpython #74116 #116279, node help #2350: a
 * hard cap that fails the write. (LESSONS 4) */
VT_TEST(writing_without_drain_meets_the_hard_cap)
{
    unsigned n = 0;
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", write_without_end, &n);
    hsk_connect(&t);
    hsk_get(&t, "/");
    ck_assert_uint_ge(n, 16 * 1048576 / 100100 - 1);
    ck_assert_uint_lt(n, 200);
    ck_assert_uint_eq(hsk_hear(&t), 0); /* nobody takes it for whole */
    hsk_hang_up(&t);
    hsk_end();
}
