/* Clients that have sent everything and end their side: they still want their
 * responses (http-core 431). Only those that have gone do not. */

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "support/http_server_kit.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST(path)                                                             \
    "POST " path " HTTP/1.1\r\nHost: a\r\n"                                    \
    "Content-Length: 2\r\n\r\nhi"

struct handler {
    vetch_http_request *request;
    vetch_deferred *deferred;
    unsigned canceled;
};

static void
on_cancel(vetch_deferred *d, void *ctx)
{
    ((struct handler *)ctx)->canceled++;
    vetch_deferred_cancel(d);
}

static vetch_promise *
wait_for_test(vetch_http_request *r, void *ctx)
{
    struct handler *h = ctx;

    h->request = r;
    h->deferred = vetch_deferred_new(on_cancel, h);
    return vetch_deferred_promise(h->deferred);
}

static void
finish(struct handler *h, const char *text)
{
    vetch_http_reply(h->request, 200, NULL, text, strlen(text));
    vetch_deferred_resolve(h->deferred, NULL, NULL);
    h->deferred = vetch_deferred_unref(h->deferred);
    vt_run_ready();
}

static vetch_promise *
reply_with_name(void *value, void *ctx)
{
    const char *name = vetch_http_request_param(ctx, "name");

    (void)value;
    vetch_http_reply(ctx, 200, NULL, name, strlen(name));
    return NULL;
}

/* Not before the next turn. */
static vetch_promise *
soon(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    return vetch_then(vetch_resolved(NULL, NULL), reply_with_name, r);
}

static struct handler waiting;

static void
start(void)
{
    memset(&waiting, 0, sizeof(waiting));
    hsk_start(NULL);
    hsk_route("*", "/soon/:name", soon, NULL);
    hsk_route("*", "/wait", wait_for_test, &waiting);
}

static void
end_writing(struct hsk_client *t)
{
    ck_assert_int_eq(shutdown(t->fd, SHUT_WR), 0);
    vt_run_ready();
}

static void
expect(struct hsk_client *t, const char *body)
{
    ck_assert_uint_eq(hsk_hear(t), 200);
    ck_assert_msg(hsk_body_is(t, body), "%.*s instead of %s", (int)t->n_body,
                  t->body, body);
}

static void
expect_end(struct hsk_client *t)
{
    ck_assert(hsk_hear_end(t));
    hsk_hang_up(t);
    hsk_end();
}

VT_CASE("half_close", vt_reactor_tcase);

VT_TEST(all_that_came_before_the_end_is_answered_in_order)
{
    struct hsk_client t;

    start();
    hsk_connect(&t);
    hsk_say(&t, GET("/wait") GET("/soon/b") POST("/soon/c") GET("/soon/d"));
    end_writing(&t);
    ck_assert(hsk_is_silent(&t));
    finish(&waiting, "a");
    expect(&t, "a");
    expect(&t, "b");
    expect(&t, "c");
    expect(&t, "d");
    expect_end(&t);
}

VT_TEST(however_many_there_are)
{
    struct hsk_client t;
    int i;

    start();
    hsk_connect(&t);
    for (i = 0; i < 300; i++)
        hsk_say(&t, i % 3 == 0 ? POST("/soon/x") : GET("/soon/x"));
    end_writing(&t);
    for (i = 0; i < 300; i++)
        expect(&t, "x");
    expect_end(&t);
}

VT_TEST(a_handler_runs_on)
{
    struct hsk_client t;

    start();
    hsk_connect(&t);
    hsk_say(&t, GET("/wait"));
    end_writing(&t);
    vt_advance(1000);
    ck_assert_uint_eq(waiting.canceled, 0);
    finish(&waiting, "late");
    expect(&t, "late");
    ck_assert_str_eq(hsk_field(&t, "Connection"), "close");
    expect_end(&t);
}

VT_TEST(a_response_in_pieces_goes_on)
{
    struct hsk_client t;
    char *much = calloc(1, 1000000);

    start();
    hsk_connect(&t);
    hsk_say(&t, GET("/wait"));
    vetch_http_reply_begin(waiting.request, 200, NULL);
    end_writing(&t);
    vetch_stream_write(vetch_http_request_stream(waiting.request), much,
                       1000000);
    hsk_reply_end(waiting.request);
    vetch_deferred_resolve(waiting.deferred, NULL, NULL);
    vetch_deferred_unref(waiting.deferred);
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_uint_eq(t.n_body, 1000000);
    ck_assert(hsk_hear_end(&t));
    hsk_hang_up(&t);
    hsk_end();
    free(much);
}

VT_TEST(a_route_may_cancel_instead)
{
    vetch_http_route_options o = VETCH_HTTP_ROUTE_OPTIONS_INIT;
    struct handler poll = { 0 };
    struct hsk_client t;

    start();
    o.cancel_at_half_close = true;
    ck_assert_int_eq(vetch_http_server_route(hsk_server, "GET", "/poll",
                                             wait_for_test, &poll, &o),
                     0);
    hsk_connect(&t);
    hsk_say(&t, GET("/poll") GET("/soon/next"));
    end_writing(&t);
    ck_assert_uint_eq(poll.canceled, 1);
    vetch_deferred_unref(poll.deferred);
    ck_assert_uint_eq(hsk_hear(&t), 500); /* it did not answer */
    expect(&t, "next");
    expect_end(&t);
}

VT_TEST(a_body_that_is_cut_short_is_400)
{
    struct hsk_client t;

    start();
    hsk_connect(&t);
    hsk_say(&t,
            "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab");
    end_writing(&t);
    ck_assert_ptr_null(waiting.request);
    ck_assert_uint_eq(hsk_hear(&t), 400);
    expect_end(&t);
}

VT_TEST(half_a_head_is_dropped)
{
    struct hsk_client t;

    start();
    hsk_connect(&t);
    hsk_say(&t, GET("/wait") "GET /so");
    end_writing(&t);
    finish(&waiting, "a");
    expect(&t, "a");
    expect_end(&t);
}

/* ---- those who have gone ---- */

VT_CASE("gone", vt_reactor_tcase);

VT_TEST(a_full_hang_up_cancels)
{
    struct hsk_client t;

    start();
    hsk_connect(&t);
    hsk_say(&t, GET("/wait"));
    hsk_hang_up(&t);
    ck_assert_uint_eq(waiting.canceled, 1);
    vetch_deferred_unref(waiting.deferred);
    hsk_end();
}

VT_TEST(a_hang_up_after_the_half_close_cancels)
{
    struct hsk_client t;

    start();
    hsk_connect(&t);
    hsk_say(&t, GET("/wait"));
    end_writing(&t);
    ck_assert_uint_eq(waiting.canceled, 0);
    hsk_hang_up(&t);
    ck_assert_uint_eq(waiting.canceled, 1);
    vetch_deferred_unref(waiting.deferred);
    hsk_end();
}

VT_TEST(a_reset_after_the_half_close_cancels)
{
    struct hsk_client t;

    memset(&waiting, 0, sizeof(waiting));
    hsk_start_tcp(NULL);
    hsk_route("*", "/wait", wait_for_test, &waiting);
    hsk_connect(&t);
    hsk_say(&t, GET("/wait"));
    while (waiting.request == NULL)
        vt_run_ready();
    end_writing(&t);
    ck_assert(hsk_is_silent(&t));
    ck_assert_uint_eq(waiting.canceled, 0);
    hsk_reset(&t);
    while (waiting.canceled == 0)
        vt_run_ready();
    vetch_deferred_unref(waiting.deferred);
    hsk_end();
}

/* The watch for the hang-up and that for room take turns. */
VT_TEST(a_hang_up_after_much_was_written_cancels)
{
    struct hsk_client t;
    char *much = calloc(1, 1000000);

    start();
    hsk_connect(&t);
    hsk_say(&t, GET("/wait"));
    end_writing(&t);
    vetch_http_reply_begin(waiting.request, 200, NULL);
    vetch_stream_write(vetch_http_request_stream(waiting.request), much,
                       1000000);
    vt_run_ready();
    while (t.n_in < 1000000)
        hsk_is_silent(&t);
    ck_assert_uint_eq(waiting.canceled, 0);
    hsk_hang_up(&t);
    ck_assert_uint_eq(waiting.canceled, 1);
    vetch_deferred_unref(waiting.deferred);
    hsk_end();
    free(much);
}
