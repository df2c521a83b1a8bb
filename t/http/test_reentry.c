/* Calling the server from inside its own callbacks: curl 3537, 3601, 5354,
 * 8083; libhv 424; libevent 712, 997. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vetch/testing.h>

#include "support/http_server_kit.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static vetch_promise *
hello(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    vetch_http_reply(r, 200, NULL, "hello", 5);
    return NULL;
}

/* ---- the server, from a handler ---- */

VT_CASE("reentry", vt_reactor_tcase);

static vetch_promise *
stop_first(vetch_http_request *r, void *ctx)
{
    *(vetch_promise **)ctx = vetch_http_server_stop(hsk_server, 10);
    return hello(r, NULL);
}

VT_TEST(a_handler_may_stop_the_server)
{
    vetch_promise *p = NULL;
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", stop_first, &p);
    hsk_connect(&t);
    hsk_say(&t, GET("/"));
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_str_eq(hsk_field(&t, "Connection"), "close");
    ck_assert(hsk_hear_end(&t));
    hsk_hang_up(&t);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    vetch_promise_unref(p);
    hsk_server = vetch_http_server_unref(hsk_server);
}

static vetch_promise *
release_first(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    vetch_promise_unref(vetch_http_server_stop(hsk_server, 10));
    hsk_server = vetch_http_server_unref(hsk_server);
    return hello(r, NULL);
}

VT_TEST(a_handler_may_release_the_server)
{
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", release_first, NULL);
    hsk_connect(&t);
    hsk_say(&t, GET("/") GET("/"));
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert(hsk_hear_end(&t));
    hsk_hang_up(&t);
}

static vetch_promise *
add_route(vetch_http_request *r, void *ctx)
{
    char path[32];
    int *n = ctx;

    snprintf(path, sizeof(path), "/%d", (*n)++);
    hsk_route("GET", path, hello, NULL);
    vetch_http_reply(r, 201, NULL, vetch_http_request_path(r), 1);
    return NULL;
}

VT_TEST(a_handler_may_add_routes)
{
    struct hsk_client t;
    int n = 0, i;

    hsk_start(NULL);
    hsk_route("GET", "/add", add_route, &n);
    hsk_connect(&t);
    for (i = 0; i < 50; i++) {
        char path[32];

        hsk_say(&t, GET("/add"));
        ck_assert_uint_eq(hsk_hear(&t), 201);
        snprintf(path, sizeof(path), "/%d", i);
        hsk_get(&t, path);
        ck_assert_uint_eq(hsk_hear(&t), 200);
    }
    hsk_hang_up(&t);
    hsk_end();
}

/* ---- one request from another's callbacks ---- */

struct pending {
    vetch_http_request *request;
    vetch_deferred *deferred;
};
static struct pending pending[8];
static unsigned n_pending;

static void
resolve(unsigned i)
{
    vetch_deferred_resolve(pending[i].deferred, NULL, NULL);
    pending[i].deferred = vetch_deferred_unref(pending[i].deferred);
}

/* On cancel, answer every request there is, and end all handlers. */
static void
reply_to_all(vetch_deferred *d, void *ctx)
{
    unsigned i;

    (void)d;
    (void)ctx;
    for (i = 0; i < n_pending; i++) {
        if (pending[i].deferred == NULL)
            continue;
        vetch_http_reply(pending[i].request, 503, NULL, NULL, 0);
        resolve(i);
    }
}

static vetch_promise *
wait_for_test(vetch_http_request *r, void *ctx)
{
    struct pending *p = &pending[n_pending++];

    (void)ctx;
    p->request = r;
    p->deferred = vetch_deferred_new(reply_to_all, NULL);
    return vetch_deferred_promise(p->deferred);
}

static vetch_promise *
reply_to_the_other(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    vetch_http_reply(pending[0].request, 202, NULL, NULL, 0);
    resolve(0);
    return hello(r, NULL);
}

static void
start(void)
{
    n_pending = 0;
    memset(pending, 0, sizeof(pending));
    hsk_start(NULL);
    hsk_route("GET", "/wait", wait_for_test, NULL);
    hsk_route("GET", "/other", reply_to_the_other, NULL);
    hsk_route("GET", "/", hello, NULL);
}

VT_TEST(a_handler_may_reply_to_another_request)
{
    struct hsk_client t;

    start();
    hsk_connect(&t);
    hsk_say(&t, GET("/wait") GET("/other") GET("/"));
    ck_assert_uint_eq(hsk_hear(&t), 202);
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_uint_eq(hsk_hear(&t), 200);
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(a_handler_may_reply_to_a_request_of_another_connection)
{
    struct hsk_client a, b;

    start();
    hsk_connect(&a);
    hsk_connect(&b);
    hsk_say(&a, GET("/wait"));
    hsk_say(&b, GET("/other"));
    ck_assert_uint_eq(hsk_hear(&a), 202);
    ck_assert_uint_eq(hsk_hear(&b), 200);
    hsk_hang_up(&a);
    hsk_hang_up(&b);
    hsk_end();
}

static void
ignore_cancel(vetch_deferred *d, void *ctx)
{
    (void)d;
    (void)ctx;
}

/* Ends its own connection, by the response to the request before it, and goes
 * on. */
static vetch_promise *
outlive_the_connection(vetch_http_request *r, void *ctx)
{
    struct pending *p = &pending[n_pending++];

    *(vetch_promise **)ctx = vetch_http_server_stop(hsk_server, 10);
    vetch_http_reply(pending[0].request, 202, NULL, NULL, 0);
    resolve(0);
    p->request = r;
    p->deferred = vetch_deferred_new(ignore_cancel, NULL);
    return vetch_deferred_promise(p->deferred);
}

/* libevent 712, 997: what a request says stays, whenever its client goes. */
VT_TEST(a_handler_that_outlives_its_connection_keeps_its_request)
{
    vetch_promise *stopped = NULL;
    struct hsk_client t, other;
    char noise[512];

    memset(noise, 'z', sizeof(noise));
    start();
    hsk_route("GET", "/outlive", outlive_the_connection, &stopped);
    hsk_connect(&other);
    hsk_say(&other, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    hsk_connect(&t);
    hsk_say(&t, GET("/wait") GET("/outlive?query"));
    ck_assert_uint_eq(n_pending, 2);
    hsk_say_bytes(&other, noise, sizeof(noise)); /* where the head was */
    ck_assert_str_eq(vetch_http_request_path(pending[1].request), "/outlive");
    ck_assert_str_eq(vetch_http_request_query(pending[1].request), "query");
    ck_assert_str_eq(vetch_http_request_header(pending[1].request, "host"),
                     "a");
    ck_assert_uint_eq(hsk_hear(&t), 202);
    ck_assert(hsk_hear_end(&t));
    resolve(1);
    hsk_hang_up(&t);
    hsk_hang_up(&other);
    while (vetch_promise_state(stopped) == VETCH_PENDING)
        vt_run_ready();
    vetch_promise_unref(stopped);
    hsk_server = vetch_http_server_unref(hsk_server);
}

/* From here on nothing can be copied. */
static vetch_promise *
take_all_memory(vetch_http_request *r, void *ctx)
{
    struct pending *p = &pending[n_pending++];

    (void)ctx;
    p->request = r;
    p->deferred = vetch_deferred_new(ignore_cancel, NULL);
    vetch_testing_fail_allocation(1, true);
    return vetch_deferred_promise(p->deferred);
}

VT_TEST(a_request_that_was_not_kept_says_nothing)
{
    struct hsk_client t;

    start();
    hsk_route("GET", "/memory/:name", take_all_memory, NULL);
    hsk_connect(&t);
    hsk_say(&t, GET("/memory/none?query"));
    vetch_testing_fail_allocation(0, false);
    ck_assert_uint_eq(n_pending, 1);
    ck_assert_str_eq(vetch_http_request_path(pending[0].request), "");
    ck_assert_str_eq(vetch_http_request_query(pending[0].request), "");
    ck_assert_ptr_null(vetch_http_request_header(pending[0].request, "host"));
    ck_assert_ptr_null(vetch_http_request_param(pending[0].request, "name"));
    resolve(0);
    hsk_hang_up(&t);
    hsk_end();
}

/* Cancellers run while the connection's list is being emptied. */
VT_TEST(a_canceller_may_reply_to_all_requests)
{
    struct hsk_client t;

    start();
    hsk_connect(&t);
    hsk_say(&t, GET("/wait") GET("/wait") GET("/wait") GET("/wait"));
    ck_assert_uint_eq(n_pending, 4);
    hsk_hang_up(&t);
    ck_assert_ptr_null(pending[0].deferred);
    ck_assert_ptr_null(pending[3].deferred);
    hsk_end();
}

VT_TEST(a_canceller_may_reply_at_the_deadline_of_a_stop)
{
    vetch_promise *p;
    struct hsk_client t;

    start();
    hsk_connect(&t);
    hsk_say(&t, GET("/wait") GET("/wait"));
    p = vetch_http_server_stop(hsk_server, 3);
    vt_log_from(VETCH_LOG_WARNING);
    vt_advance(3.1);
    vt_log_take();
    ck_assert_uint_eq(hsk_hear(&t), 503);
    ck_assert_str_eq(hsk_field(&t, "Connection"), "close");
    ck_assert(hsk_hear_end(&t));
    hsk_hang_up(&t);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    vetch_promise_unref(p);
    hsk_server = vetch_http_server_unref(hsk_server);
    vt_run_ready();
}

/* ---- a request in its own handler ---- */

static vetch_promise *
reply_and_abort(vetch_http_request *r, void *ctx)
{
    vetch_http_reply(r, 200, NULL, "x", 1);
    vetch_stream_abort(vetch_http_request_stream(r));
    vetch_stream_abort(vetch_http_request_stream(r));
    return ctx != NULL ? vetch_sleep(1) : NULL;
}

static vetch_promise *
abort_and_reply(vetch_http_request *r, void *ctx)
{
    vetch_http_reply_begin(r, 200, NULL);
    vetch_stream_abort(vetch_http_request_stream(r));
    ck_assert_int_eq(vetch_stream_write(vetch_http_request_stream(r), "x", 1),
                     -1);
    ck_assert_int_eq(vetch_http_reply(r, 200, NULL, "x", 1), -1);
    return ctx != NULL ? vetch_sleep(1) : NULL;
}

VT_TEST(a_handler_may_abort_its_own_connection)
{
    static const char *const paths[] = { "/1", "/2", "/3", "/4" };
    struct hsk_client t;
    size_t i;

    hsk_start(NULL);
    hsk_route("GET", "/1", reply_and_abort, NULL);
    hsk_route("GET", "/2", reply_and_abort, &t);
    hsk_route("GET", "/3", abort_and_reply, NULL);
    hsk_route("GET", "/4", abort_and_reply, &t);
    for (i = 0; i < 4; i++) {
        hsk_connect(&t);
        hsk_get(&t, paths[i]);
        vt_advance(2);
        /* A response that is complete needs no reset. */
        ck_assert_uint_eq(hsk_hear(&t), i < 2 ? 200 : 0);
        hsk_hang_up(&t);
    }
    hsk_end();
}

static vetch_promise *
settled_already(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    vetch_http_reply(r, 200, NULL, "x", 1);
    return vetch_resolved(r, NULL);
}

static vetch_promise *
in_a_task(void *ctx)
{
    vetch_error *error = NULL;

    vetch_await(vetch_sleep(0.5), &error);
    ck_assert_ptr_null(error);
    vetch_http_reply(ctx, 200, NULL, "task", 4);
    return NULL;
}

static vetch_promise *
spawn(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    return vetch_spawn(in_a_task, r);
}

VT_TEST(handlers_return_promises_of_all_kinds)
{
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/settled", settled_already, NULL);
    hsk_route("GET", "/task", spawn, NULL);
    hsk_connect(&t);
    hsk_say(&t, GET("/settled") GET("/task") GET("/settled"));
    ck_assert_uint_eq(hsk_hear(&t), 200);
    vt_advance(1);
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert(hsk_body_is(&t, "task"));
    ck_assert_uint_eq(hsk_hear(&t), 200);
    hsk_hang_up(&t);
    hsk_end();
}

/* A promise that others hold too: the request is over when the link is, and
 * the work goes on. */
static vetch_promise *
share(vetch_http_request *r, void *ctx)
{
    (void)r;
    return vetch_promise_ref(*(vetch_promise **)ctx);
}

VT_TEST(a_shared_promise_is_left_alone_when_the_client_goes)
{
    vetch_promise *shared = vetch_sleep(10);
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", share, &shared);
    hsk_connect(&t);
    hsk_say(&t, GET("/"));
    hsk_hang_up(&t);
    hsk_end();
    ck_assert_int_eq(vetch_promise_state(shared), VETCH_PENDING);
    vt_advance(11);
    ck_assert_int_eq(vetch_promise_state(shared), VETCH_FULFILLED);
    vetch_promise_unref(shared);
}

/* ---- what a call of the user's may not set off at once ---- */

struct canceled {
    vetch_http_request *request;
    vetch_deferred *deferred;
    bool in_call;
    unsigned n;
};

static void
not_in_a_call(vetch_deferred *d, void *ctx)
{
    struct canceled *c = ctx;

    ck_assert(!c->in_call);
    c->n++;
    vetch_deferred_cancel(d);
}

static vetch_promise *
wait_for_cancel(vetch_http_request *r, void *ctx)
{
    struct canceled *c = ctx;

    c->request = r;
    c->deferred = vetch_deferred_new(not_in_a_call, c);
    return vetch_deferred_promise(c->deferred);
}

/* The reset is on its way, but the server has not looked yet. */
static void
reset_unnoticed(struct hsk_client *t)
{
    struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

    setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(t->fd);
    free(t->in);
}

VT_TEST(a_write_that_fails_does_not_call_the_canceller)
{
    static char block[1000000];
    struct canceled c = { 0 };
    struct hsk_client t;
    int i;

    hsk_start_tcp(NULL);
    hsk_route("GET", "/", wait_for_cancel, &c);
    hsk_connect(&t);
    hsk_say(&t, GET("/"));
    while (c.request == NULL)
        vt_run_ready();
    vetch_http_reply_begin(c.request, 200, NULL);
    vt_run_ready();
    reset_unnoticed(&t);
    c.in_call = true;
    for (i = 0; i < 10; i++)
        vetch_stream_write(vetch_http_request_stream(c.request), block,
                           sizeof(block));
    c.in_call = false;
    while (c.n == 0)
        vt_run_ready();
    vetch_deferred_unref(c.deferred);
    hsk_end();
}

static vetch_promise *
read_and_forget(vetch_http_request *r, void *ctx)
{
    *(vetch_promise **)ctx =
        vetch_stream_read(vetch_http_request_stream(r), 65536);
    vetch_http_reply(r, 200, NULL, NULL, 0);
    return NULL;
}

VT_TEST(a_read_that_was_forgotten_ends_with_its_request)
{
    vetch_promise *p = NULL;
    struct hsk_client t;

    hsk_start(NULL);
    hsk_stream_route("POST", "/", read_and_forget, &p);
    hsk_connect(&t);
    hsk_say(&t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(p)),
                     VETCH_ETRUNCATED);
    vetch_promise_unref(p);
    hsk_hang_up(&t);
    hsk_end();
}
