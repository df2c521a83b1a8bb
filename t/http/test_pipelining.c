/* Several requests on one connection at once: the order of responses, and what
 * bounds them. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "support/http_server_kit.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST(path, len, body)                                                  \
    "POST " path " HTTP/1.1\r\nHost: a\r\nContent-Length: " len "\r\n\r"       \
    "\n" body

/* Handlers that wait, in the order in which they were called. */
struct waiting {
    vetch_http_request *request;
    vetch_deferred *deferred;
    bool canceled;
};
static struct waiting waiting[100];
static unsigned n_waiting;

static void
note_cancel(vetch_deferred *d, void *ctx)
{
    ((struct waiting *)ctx)->canceled = true;
    vetch_deferred_cancel(d);
}

static vetch_promise *
wait_for_test(vetch_http_request *r, void *ctx)
{
    struct waiting *w = &waiting[n_waiting++];

    (void)ctx;
    w->request = r;
    w->deferred = vetch_deferred_new(note_cancel, w);
    return vetch_deferred_promise(w->deferred);
}

/* Answer with the path, and end. */
static void
reply(unsigned i)
{
    const char *path = vetch_http_request_path(waiting[i].request);

    ck_assert_int_eq(
        vetch_http_reply(waiting[i].request, 200, NULL, path, strlen(path)), 0);
    vetch_deferred_resolve(waiting[i].deferred, NULL, NULL);
    waiting[i].deferred = vetch_deferred_unref(waiting[i].deferred);
    vt_run_ready();
}

static vetch_promise *
say_path(vetch_http_request *r, void *ctx)
{
    const char *path = vetch_http_request_path(r);

    (void)ctx;
    vetch_http_reply(r, 200, NULL, path, strlen(path));
    return NULL;
}

static void
start(const vetch_http_server_options *options)
{
    n_waiting = 0;
    memset(waiting, 0, sizeof(waiting));
    hsk_start(options);
    hsk_route("*", "/now/*x", say_path, NULL);
    hsk_route("*", "/later/*x", wait_for_test, NULL);
}

static void
hear_path(struct hsk_client *t, const char *path)
{
    ck_assert_uint_eq(hsk_hear(t), 200);
    ck_assert_msg(hsk_body_is(t, path), "%.*s instead of %s", (int)t->n_body,
                  t->body, path);
}

static void
drop_waiting(void)
{
    unsigned i;

    for (i = 0; i < n_waiting; i++) {
        if (waiting[i].deferred != NULL)
            vetch_deferred_resolve(waiting[i].deferred, NULL, NULL);
        vetch_deferred_unref(waiting[i].deferred);
    }
    vt_run_ready();
}

VT_CASE("order", vt_reactor_tcase);

VT_TEST(requests_in_one_read_are_answered_in_order)
{
    struct hsk_client t;

    start(NULL);
    hsk_connect(&t);
    hsk_say(&t, GET("/now/1") POST("/now/2", "3", "abc") GET("/now/3")
                    GET("/nowhere") GET("/now/4"));
    hear_path(&t, "/now/1");
    hear_path(&t, "/now/2");
    hear_path(&t, "/now/3");
    ck_assert_uint_eq(hsk_hear(&t), 404);
    hear_path(&t, "/now/4");
    ck_assert(hsk_is_silent(&t));
    hsk_hang_up(&t);
    hsk_end();
}

/* CVE-2023-46137, CVE-2024-41671: responses out of order. */
VT_TEST(cve_2026_54273_responses_keep_the_order_of_requests)
{
    struct hsk_client t;

    start(NULL);
    hsk_connect(&t);
    hsk_say(&t, GET("/later/1") GET("/now/2") GET("/later/3") GET("/now/4"));
    ck_assert_uint_eq(n_waiting, 2);
    ck_assert(hsk_is_silent(&t));
    reply(1);
    ck_assert(hsk_is_silent(&t));
    reply(0);
    hear_path(&t, "/later/1");
    hear_path(&t, "/now/2");
    hear_path(&t, "/later/3");
    hear_path(&t, "/now/4");
    ck_assert(hsk_is_silent(&t));
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(large_responses_wait_for_their_turn)
{
    char *body = calloc(1, 300000);
    struct hsk_client t;

    start(NULL);
    hsk_connect(&t);
    hsk_say(&t, GET("/later/1") GET("/later/2"));
    ck_assert_int_eq(
        vetch_http_reply(waiting[1].request, 200, NULL, body, 300000), 0);
    ck_assert(hsk_is_silent(&t));
    reply(0);
    hear_path(&t, "/later/1");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_uint_eq(t.n_body, 300000);
    hsk_hang_up(&t);
    drop_waiting();
    free(body);
    hsk_end();
}

/* libevent #1350 #1466: the hard cap is the connection's, not each response's;
 * and a response that lost something cannot end. */
VT_TEST(held_responses_share_one_hard_cap)
{
    const size_t len = 6000000;
    char *body = calloc(1, len);
    struct hsk_client t;
    unsigned i;

    start(NULL);
    hsk_connect(&t);
    hsk_say(&t,
            GET("/later/1") GET("/later/2") GET("/later/3") GET("/later/4"));
    for (i = 3; i >= 2; i--)
        ck_assert_int_eq(
            vetch_http_reply(waiting[i].request, 200, NULL, body, len), 0);
    ck_assert_int_eq(vetch_http_reply(waiting[1].request, 200, NULL, body, len),
                     -1);
    ck_assert_int_eq(errno, ENOBUFS);
    ck_assert_int_eq(vetch_http_reply(waiting[1].request, 503, NULL, "", 0), 0);
    vetch_http_reply_begin(waiting[0].request, 200, NULL);
    while (vetch_stream_write(vetch_http_request_stream(waiting[0].request),
                              body, 100000) == 0)
        continue;
    ck_assert_int_eq(errno, ENOBUFS);
    ck_assert_uint_ge(vetch_stream_bytes_written(
                          vetch_http_request_stream(waiting[0].request)),
                      4000000);
    ck_assert_int_eq(hsk_reply_end(waiting[0].request), -1);
    ck_assert_int_eq(errno, ENOBUFS);
    hsk_hang_up(&t);
    drop_waiting();
    free(body);
    hsk_end();
}

/* RFC 9112, section 9.3.2: only safe methods may run side by side. */
VT_TEST(unsafe_requests_run_alone)
{
    struct hsk_client t;

    start(NULL);
    hsk_connect(&t);
    hsk_say(&t, GET("/later/1") POST("/later/2", "0", "") GET("/later/3"));
    ck_assert_uint_eq(n_waiting, 1);
    reply(0);
    hear_path(&t, "/later/1");
    ck_assert_uint_eq(n_waiting, 2);
    reply(1);
    hear_path(&t, "/later/2");
    ck_assert_uint_eq(n_waiting, 3);
    reply(2);
    hear_path(&t, "/later/3");
    hsk_hang_up(&t);
    hsk_end();
}

VT_CASE("limits", vt_reactor_tcase);

VT_TEST(no_more_requests_run_than_the_limit)
{
    struct hsk_client t;
    unsigned i;

    start(NULL);
    hsk_connect(&t);
    for (i = 0; i < 20; i++)
        hsk_get(&t, "/later/x");
    ck_assert_uint_eq(n_waiting, 8);
    for (i = 0; i < 20; i++) {
        ck_assert_uint_eq(n_waiting, i + 8 < 20 ? i + 8 : 20);
        reply(i);
        hear_path(&t, "/later/x");
    }
    ck_assert(hsk_is_silent(&t));
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(reading_pauses_while_the_limit_is_reached)
{
    vetch_http_server_options o = VETCH_HTTP_SERVER_OPTIONS_INIT;
    struct hsk_client t;
    size_t sent = 0;
    ssize_t n;
    char text[8000];

    o.max_pipelined = 2;
    start(&o);
    hsk_connect(&t);
    snprintf(text, sizeof(text),
             "GET /later/x HTTP/1.1\r\nHost: a\r\nA: %07000d\r\n\r\n", 0);
    /* More than the kernel and the server together may hold. */
    while (sent < ((size_t)64 << 20)) {
        n = send(t.fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n <= 0) {
            vt_run_ready();
            n = send(t.fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
        }
        if (n <= 0)
            break;
        sent += (size_t)n;
        if ((size_t)n < strlen(text))
            break;
    }
    ck_assert_uint_lt(sent, (size_t)2 << 20);
    ck_assert_uint_eq(n_waiting, 2);
    hsk_hang_up(&t);
    hsk_end(); /* cancels them */
    drop_waiting();
}

/* A client that asks and does not listen: mongoose #2574 #3077, libuv #1169.
 * (LESSONS 4) */
VT_TEST(a_client_that_does_not_listen_is_not_served_on)
{
    vetch_http_server_options o = VETCH_HTTP_SERVER_OPTIONS_INIT;
    struct hsk_client t;
    size_t sent = 0;

    o.max_requests = VETCH_NO_LIMIT;
    start(&o);
    hsk_connect(&t);
    for (;;) {
        static const char text[] = GET("/now/0123456789012345678901234567890"
                                       "12345678901234567890123456789012345");
        ssize_t n =
            send(t.fd, text, sizeof(text) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < (ssize_t)sizeof(text) - 1) {
            vt_run_ready();
            break;
        }
        sent++;
        if (sent % 100 == 0)
            vt_run_ready();
        ck_assert_uint_lt(sent, 100000);
    }
    /* Now it listens, and everything comes. */
    while (sent-- > 0)
        ck_assert_uint_eq(hsk_hear(&t), 200);
    hsk_hang_up(&t);
    hsk_end();
}

VT_CASE("order", vt_reactor_tcase);

VT_TEST(a_refused_request_is_answered_after_those_before_it)
{
    struct hsk_client t;

    start(NULL);
    hsk_connect(&t);
    hsk_say(&t, GET("/later/1") "BAD\r\n\r\n" GET("/now/2"));
    ck_assert(hsk_is_silent(&t));
    reply(0);
    hear_path(&t, "/later/1");
    ck_assert_uint_eq(hsk_hear(&t), 400);
    ck_assert(hsk_hear_end(&t));
    hsk_hang_up(&t);
    hsk_end();
}

VT_CASE("ends", vt_reactor_tcase);

VT_TEST(a_response_that_closes_cancels_what_is_behind_it)
{
    struct hsk_client t;

    start(NULL);
    hsk_connect(&t);
    hsk_say(&t, GET("/later/1") GET("/later/2"));
    vetch_stream_abort(vetch_http_request_stream(waiting[0].request));
    vt_run_ready();
    ck_assert(waiting[1].canceled);
    ck_assert(!waiting[0].canceled); /* it aborted by itself, and goes on */
    hsk_hear_end(&t);
    hsk_hang_up(&t);
    drop_waiting();
    hsk_end();
}

VT_TEST(all_are_cancelled_when_the_client_goes)
{
    struct hsk_client t;
    unsigned i;

    start(NULL);
    hsk_connect(&t);
    hsk_say(&t, GET("/later/1") GET("/now/2") GET("/later/3") GET("/later/4"));
    hsk_hang_up(&t);
    ck_assert_uint_eq(n_waiting, 3);
    for (i = 0; i < n_waiting; i++)
        ck_assert(waiting[i].canceled);
    drop_waiting();
    hsk_end();
}

VT_CASE("order", vt_reactor_tcase);

/* Responses leave in request order, exactly one for each, whatever the order in
 * which handlers end: random orders from a fixed seed. */
VT_TEST(random_orders_of_responses_come_out_in_order)
{
    unsigned seed = 1, round;

    start(NULL);
    for (round = 0; round < 200; round++) {
        struct hsk_client t;
        unsigned i, n = 1 + (unsigned)rand_r(&seed) % 8, left = n;
        char path[32];

        n_waiting = 0;
        hsk_connect(&t);
        for (i = 0; i < n; i++) {
            snprintf(path, sizeof(path), "/later/%u", i);
            hsk_get(&t, path);
        }
        ck_assert_uint_eq(n_waiting, n);
        while (left > 0) {
            i = (unsigned)rand_r(&seed) % n;
            if (waiting[i].deferred == NULL)
                continue;
            reply(i);
            left--;
        }
        for (i = 0; i < n; i++) {
            snprintf(path, sizeof(path), "/later/%u", i);
            hear_path(&t, path);
        }
        ck_assert(hsk_is_silent(&t));
        hsk_hang_up(&t);
    }
    hsk_end();
}
