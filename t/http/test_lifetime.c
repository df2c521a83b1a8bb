/* The server when things end in the middle: the client at each byte and at
 * each step, the reactor at each step, memory at each allocation. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vetch/testing.h>

#include "support/http_server_kit.h"

#define POST "POST /later HTTP/1.1\r\nHost: a\r\n"

/* ---- one server with everything ---- */

static vetch_promise *
now(vetch_http_request *r, void *ctx)
{
    const char *value = vetch_http_request_header(r, "x-y");

    (void)ctx;
    vetch_http_reply_set_header(r, "X-Y", value != NULL ? value : "none");
    vetch_http_reply(r, 200, "text/plain", "now", 3);
    return NULL;
}

struct later {
    vetch_http_request *request;
};

static vetch_promise *
reply_later(void *value, void *ctx)
{
    struct later *l = ctx;
    size_t len;
    const void *body = vetch_http_request_body(l->request, &len);

    (void)value;
    vetch_http_reply(l->request, 200, NULL, body, len);
    return NULL;
}

/* Sleeps, then replies with the body: the shape of most handlers. */
static vetch_promise *
later(vetch_http_request *r, void *ctx)
{
    struct later *l = malloc(sizeof(*l));

    (void)ctx;
    l->request = r;
    return vetch_finally(vetch_then(vetch_sleep(1), reply_later, l), free, l);
}

struct copy {
    vetch_http_request *request;
};

static vetch_promise *
copy_piece(void *bytes, void *ctx)
{
    struct copy *c = ctx;

    if (bytes == NULL) {
        hsk_reply_end(c->request);
        return vetch_resolved(c, NULL);
    }
    if (vetch_stream_write(vetch_http_request_stream(c->request),
                           vetch_bytes_data(bytes), vetch_bytes_len(bytes)) < 0)
        return vetch_rejected(NULL);
    return vetch_stream_drain(vetch_http_request_stream(c->request));
}

static vetch_promise *
copy_next(void *ctx)
{
    struct copy *c = ctx;

    return vetch_then(
        vetch_stream_read(vetch_http_request_stream(c->request), 65536),
        copy_piece, c);
}

/* Streams the body back, piece by piece. */
static vetch_promise *
copy(vetch_http_request *r, void *ctx)
{
    struct copy *c = malloc(sizeof(*c));

    (void)ctx;
    c->request = r;
    if (vetch_http_reply_begin(r, 200, NULL) < 0) {
        free(c);
        return vetch_rejected(NULL);
    }
    return vetch_finally(vetch_repeat(copy_next, c), free, c);
}

static const char *const scripts[] = {
    "GET /now HTTP/1.1\r\nHost: a\r\nX-Y: z\r\n\r\n",
    "GET /now HTTP/1.1\r\nHost: a\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: a\r\n"
    "\r\nGET /%6eow HTTP/1.1\r\nHost: a\r\n\r\n",
    POST "Content-Length: 5\r\n\r\nhello",
    POST "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
    "GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET /now HTTP/1.1\r\nHost: a\r\n\r\n"
    "GET /later HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /copy HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\nGET /now HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /copy HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
    "Content-Length: 4\r\n\r\nabcd",
    "GET /etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
    "BAD\r\n\r\n",
};
#define N_SCRIPTS (sizeof(scripts) / sizeof(scripts[0]))

static bool
add_routes(void)
{
    vetch_http_route_options o = VETCH_HTTP_ROUTE_OPTIONS_INIT;

    o.stream = true;
    return vetch_http_server_route(hsk_server, "GET", "/now", now, NULL,
                                   NULL) == 0 &&
           vetch_http_server_route(hsk_server, "*", "/later", later, NULL,
                                   NULL) == 0 &&
           vetch_http_server_route(hsk_server, "POST", "/copy", copy, NULL,
                                   &o) == 0 &&
           vetch_http_server_files(hsk_server, "/etc/", "/etc") == 0;
}

static void
hear_all(struct hsk_client *t)
{
    int i;

    for (i = 0; i < 4; i++) {
        vt_advance(0.6);
        while (!hsk_is_silent(t) && !t->ended && t->n_in > 0)
            t->n_in = 0;
    }
}

/* ---- the client goes ---- */

VT_CASE("clients", vt_reactor_tcase);

/* libevent #689 #712 #997 #1289 #1808, PR #77 #182 #218: use after free in the
 * HTTP layer. (LESSONS 2) */
VT_TEST(a_client_may_go_after_each_byte)
{
    size_t i, n;

    hsk_start(NULL);
    ck_assert(add_routes());
    for (i = 0; i < N_SCRIPTS; i++) {
        for (n = 0; n <= strlen(scripts[i]); n++) {
            struct hsk_client t;

            hsk_connect(&t);
            hsk_say_bytes(&t, scripts[i], n);
            hsk_hang_up(&t);
        }
    }
    vt_advance(5);
    hsk_end();
}

VT_TEST(a_client_may_reset_after_each_byte)
{
    size_t i, n;

    hsk_start_tcp(NULL);
    ck_assert(add_routes());
    for (i = 0; i < N_SCRIPTS; i++) {
        for (n = 0; n <= strlen(scripts[i]); n += 7) {
            struct hsk_client t;

            hsk_connect(&t);
            hsk_say_bytes(&t, scripts[i], n);
            hsk_reset(&t);
        }
    }
    vt_advance(5);
    hsk_end();
}

VT_TEST(a_client_may_go_at_each_moment)
{
    size_t i;
    int tenths;

    hsk_start(NULL);
    ck_assert(add_routes());
    for (i = 0; i < N_SCRIPTS; i++) {
        for (tenths = 0; tenths < 30; tenths += 3) {
            struct hsk_client t;
            int j;

            hsk_connect(&t);
            hsk_say(&t, scripts[i]);
            for (j = 0; j < tenths; j++)
                vt_advance(0.1);
            hsk_hang_up(&t);
        }
    }
    vt_advance(5);
    hsk_end();
}

/* ---- the reactor ends ---- */

VT_CASE("reactors", vt_reactor_tcase);

static void
end_reactor(void)
{
    vt_reactor = vetch_reactor_unref(vt_reactor);
}

/* After so many steps of a script: bytes first, then tenths of a second. */
static void
end_after(const char *script, size_t bytes, int tenths)
{
    struct hsk_client t;
    int i;

    vt_reactor = vetch_reactor_new();
    ck_assert_ptr_nonnull(vt_reactor);
    vetch_testing_virtual_clock();
    hsk_start(NULL);
    ck_assert(add_routes());
    hsk_connect(&t);
    hsk_say_bytes(&t, script, bytes);
    for (i = 0; i < tenths; i++)
        vt_advance(0.1);
    end_reactor();
    close(t.fd);
    free(t.in);
    hsk_server = vetch_http_server_unref(hsk_server);
}

VT_TEST(the_reactor_may_end_at_each_step)
{
    size_t i, n;
    int tenths;

    end_reactor(); /* that of the fixture */
    for (i = 0; i < N_SCRIPTS; i++) {
        for (n = 0; n < strlen(scripts[i]); n += 5)
            end_after(scripts[i], n, 0);
        for (tenths = 0; tenths < 30; tenths += 4)
            end_after(scripts[i], strlen(scripts[i]), tenths);
    }
}

VT_TEST(the_reactor_may_end_while_the_server_stops)
{
    struct hsk_client t;
    vetch_promise *p;

    end_reactor();
    vt_reactor = vetch_reactor_new();
    vetch_testing_virtual_clock();
    hsk_start(NULL);
    ck_assert(add_routes());
    hsk_connect(&t);
    hsk_say(&t, scripts[2]);
    p = vetch_http_server_stop(hsk_server, 10);
    vt_run_ready();
    vt_log_from(VETCH_LOG_WARNING);
    end_reactor();
    ck_assert_str_eq(vt_log_take(),
                     "unhandled rejection: the reactor has ended\n");
    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(p)), VETCH_ECLOSED);
    vetch_promise_unref(p);
    close(t.fd);
    free(t.in);
    hsk_server = vetch_http_server_unref(hsk_server);
}

/* ---- memory ends ---- */

VT_CASE("memory", vt_reactor_tcase);

static const char *script; /* of the sweep */

static void
serve_one(bool unharmed)
{
    struct hsk_client t;
    char endpoint[64];

    snprintf(endpoint, sizeof(endpoint), "tcp:127.0.0.1:0");
    hsk_server = vetch_http_server_new(endpoint, NULL);
    if (hsk_server == NULL) {
        ck_assert(!unharmed);
        return;
    }
    if (add_routes()) {
        hsk_connect(&t);
        hsk_say(&t, script);
        vt_advance(2);
        if (unharmed)
            ck_assert_uint_ne(hsk_hear(&t), 0);
        hear_all(&t);
        hsk_hang_up(&t);
    } else {
        ck_assert(!unharmed);
    }
    vetch_promise_unref(vetch_http_server_stop(hsk_server, 0));
    hsk_server = vetch_http_server_unref(hsk_server);
    vt_advance(10);
    vt_advance(10);
}

VT_TEST(serving_survives_failing_allocations, .loops = N_SCRIPTS)
{
    vt_log_from(VETCH_LOG_WARNING); /* it may complain */
    script = scripts[_i];
    vt_sweep_allocations(serve_one);
    vt_log_take();
}
