/* Clients that have sent everything and end their side: they still want their
 * responses (http-core 431). Only those that have gone do not. */

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "support/http_talk.h"

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
    ht_start(NULL);
    ht_route("*", "/soon/:name", soon, NULL);
    ht_route("*", "/wait", wait_for_test, &waiting);
}

static void
end_writing(struct talk *t)
{
    ck_assert_int_eq(shutdown(t->fd, SHUT_WR), 0);
    vt_run_ready();
}

static void
expect(struct talk *t, const char *body)
{
    ck_assert_uint_eq(ht_hear(t), 200);
    ck_assert_msg(ht_body_is(t, body), "%.*s instead of %s", (int)t->n_body,
                  t->body, body);
}

static void
expect_end(struct talk *t)
{
    ck_assert(ht_hear_end(t));
    ht_hang_up(t);
    ht_end();
}

VT_CASE("half_close", vt_reactor_tcase);

VT_TEST(all_that_came_before_the_end_is_answered_in_order)
{
    struct talk t;

    start();
    ht_connect(&t);
    ht_say(&t, GET("/wait") GET("/soon/b") POST("/soon/c") GET("/soon/d"));
    end_writing(&t);
    ck_assert(ht_is_silent(&t));
    finish(&waiting, "a");
    expect(&t, "a");
    expect(&t, "b");
    expect(&t, "c");
    expect(&t, "d");
    expect_end(&t);
}

VT_TEST(however_many_there_are)
{
    struct talk t;
    int i;

    start();
    ht_connect(&t);
    for (i = 0; i < 300; i++)
        ht_say(&t, i % 3 == 0 ? POST("/soon/x") : GET("/soon/x"));
    end_writing(&t);
    for (i = 0; i < 300; i++)
        expect(&t, "x");
    expect_end(&t);
}

VT_TEST(a_handler_runs_on)
{
    struct talk t;

    start();
    ht_connect(&t);
    ht_say(&t, GET("/wait"));
    end_writing(&t);
    vt_advance(1000);
    ck_assert_uint_eq(waiting.canceled, 0);
    finish(&waiting, "late");
    expect(&t, "late");
    ck_assert_str_eq(ht_field(&t, "Connection"), "close");
    expect_end(&t);
}

VT_TEST(a_response_in_pieces_goes_on)
{
    struct talk t;
    char *much = calloc(1, 1000000);

    start();
    ht_connect(&t);
    ht_say(&t, GET("/wait"));
    vetch_http_reply_begin(waiting.request, 200, NULL);
    end_writing(&t);
    vetch_http_reply_write(waiting.request, much, 1000000);
    vetch_http_reply_end(waiting.request);
    vetch_deferred_resolve(waiting.deferred, NULL, NULL);
    vetch_deferred_unref(waiting.deferred);
    ck_assert_uint_eq(ht_hear(&t), 200);
    ck_assert_uint_eq(t.n_body, 1000000);
    ck_assert(ht_hear_end(&t));
    ht_hang_up(&t);
    ht_end();
    free(much);
}

VT_TEST(a_route_may_cancel_instead)
{
    vetch_http_route_options o = VETCH_HTTP_ROUTE_OPTIONS_INIT;
    struct handler poll = { 0 };
    struct talk t;

    start();
    o.cancel_at_half_close = true;
    ck_assert_int_eq(vetch_http_server_route(ht_server, "GET", "/poll",
                                             wait_for_test, &poll, &o),
                     0);
    ht_connect(&t);
    ht_say(&t, GET("/poll") GET("/soon/next"));
    end_writing(&t);
    ck_assert_uint_eq(poll.canceled, 1);
    vetch_deferred_unref(poll.deferred);
    ck_assert_uint_eq(ht_hear(&t), 500); /* it did not answer */
    expect(&t, "next");
    expect_end(&t);
}

VT_TEST(a_body_that_is_cut_short_is_400)
{
    struct talk t;

    start();
    ht_connect(&t);
    ht_say(&t, "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab");
    end_writing(&t);
    ck_assert_ptr_null(waiting.request);
    ck_assert_uint_eq(ht_hear(&t), 400);
    expect_end(&t);
}

VT_TEST(half_a_head_is_dropped)
{
    struct talk t;

    start();
    ht_connect(&t);
    ht_say(&t, GET("/wait") "GET /so");
    end_writing(&t);
    finish(&waiting, "a");
    expect(&t, "a");
    expect_end(&t);
}

/* ---- those who have gone ---- */

VT_CASE("gone", vt_reactor_tcase);

VT_TEST(a_full_hang_up_cancels)
{
    struct talk t;

    start();
    ht_connect(&t);
    ht_say(&t, GET("/wait"));
    ht_hang_up(&t);
    ck_assert_uint_eq(waiting.canceled, 1);
    vetch_deferred_unref(waiting.deferred);
    ht_end();
}

VT_TEST(a_hang_up_after_the_half_close_cancels)
{
    struct talk t;

    start();
    ht_connect(&t);
    ht_say(&t, GET("/wait"));
    end_writing(&t);
    ck_assert_uint_eq(waiting.canceled, 0);
    ht_hang_up(&t);
    ck_assert_uint_eq(waiting.canceled, 1);
    vetch_deferred_unref(waiting.deferred);
    ht_end();
}

VT_TEST(a_reset_after_the_half_close_cancels)
{
    struct talk t;

    memset(&waiting, 0, sizeof(waiting));
    ht_start_tcp(NULL);
    ht_route("*", "/wait", wait_for_test, &waiting);
    ht_connect(&t);
    ht_say(&t, GET("/wait"));
    while (waiting.request == NULL)
        vt_run_ready();
    end_writing(&t);
    ck_assert(ht_is_silent(&t));
    ck_assert_uint_eq(waiting.canceled, 0);
    ht_reset(&t);
    while (waiting.canceled == 0)
        vt_run_ready();
    vetch_deferred_unref(waiting.deferred);
    ht_end();
}

/* The watch for the hang-up and that for room take turns. */
VT_TEST(a_hang_up_after_much_was_written_cancels)
{
    struct talk t;
    char *much = calloc(1, 1000000);

    start();
    ht_connect(&t);
    ht_say(&t, GET("/wait"));
    end_writing(&t);
    vetch_http_reply_begin(waiting.request, 200, NULL);
    vetch_http_reply_write(waiting.request, much, 1000000);
    vt_run_ready();
    while (t.n_in < 1000000)
        ht_is_silent(&t);
    ck_assert_uint_eq(waiting.canceled, 0);
    ht_hang_up(&t);
    ck_assert_uint_eq(waiting.canceled, 1);
    vetch_deferred_unref(waiting.deferred);
    ht_end();
    free(much);
}
