/* The client when memory runs out at any point, and when its reactor ends at
 * any point: no crash, no leak, no promise that stays pending. */

#include "support/harness.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include <vetch/testing.h>

#include "support/http_remote_kit.h"

static struct hrk_remote server;
static char gzip_response[4096];

static struct http_process_response responses[] = {
    { "/plain", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 0, 0 },
    { "/chunked",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\nhello\r\n0\r\n\r\n",
      0, 0 },
    { "/close", "HTTP/1.1 200 OK\r\n\r\nhello", 0, 1 },
    { "/cut", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", 0, 1 },
    { "/gzip", gzip_response, 0, 0 },
};

static void
make_gzip_response(struct http_process_response *a)
{
    unsigned char coded[512];
    z_stream z = { 0 };
    int head;

    deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    z.next_in = (Bytef *)(uintptr_t) "hello";
    z.avail_in = 5;
    z.next_out = coded;
    z.avail_out = sizeof(coded);
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    head = sprintf(gzip_response,
                   "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
                   "Content-Length: %lu\r\n\r\n",
                   z.total_out);
    memcpy(gzip_response + head, coded, z.total_out);
    a->len = (size_t)head + z.total_out;
    deflateEnd(&z);
}

static void
start_server(void)
{
    size_t n = sizeof(responses) / sizeof(responses[0]);

    for (size_t i = 0; i < n; i++)
        responses[i].len = strlen(responses[i].text);
    make_gzip_response(&responses[n - 1]);
    server = hrk_start(responses, n);
}

static void
stop_server(void)
{
    hrk_stop(&server);
}

static const char *
url_of(const char *path)
{
    static char url[128];

    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", server.port, path);
    return url;
}

/* ---- memory ---- */

VT_CASE("memory", vt_reactor_tcase, .seconds = 120);

static const char *swept_path;

/* What failed, failed for want of memory. */
static void
check_error(vetch_error *error, bool unharmed)
{
    ck_assert_msg(error == NULL || !unharmed, "%s", vetch_error_text(error));
    if (error != NULL)
        ck_assert_msg(vetch_error_is(error, VETCH_ENOMEM), "%s (%d)",
                      vetch_error_text(error), vetch_error_code(error));
    vetch_error_unref(error);
}

static void
check_body(const vetch_http_response *r)
{
    size_t len;
    const char *body = vetch_http_response_body(r, &len);

    ck_assert_uint_eq(len, 5);
    ck_assert_str_eq(body, "hello");
}

static void
get_twice(bool unharmed)
{
    vetch_http_client *c = vetch_http_client_new(NULL);

    if (c == NULL) {
        ck_assert(!unharmed);
        return;
    }
    for (int i = 0; i < 2; i++) {
        vetch_error *error = NULL;
        vetch_http_response *r =
            vetch_run(vetch_http_get(c, url_of(swept_path)), &error);

        ck_assert_int_eq(r == NULL, error != NULL);
        if (r != NULL)
            check_body(r);
        vetch_http_response_unref(r);
        check_error(error, unharmed);
    }
    vetch_http_client_unref(c);
    vt_run_ready();
}

static void
sweep(const char *path, void (*step)(bool unharmed))
{
    start_server();
    swept_path = path;
    step(true); /* what is made on first use is made now */
    vt_sweep_allocations(step);
    stop_server();
}

VT_TEST(no_allocation_of_a_get_is_vital, .loops = 4)
{
    static const char *const paths[] = { "/plain", "/chunked", "/close",
                                         "/gzip" };

    sweep(paths[_i], get_twice);
}

static void
read_stream(bool unharmed)
{
    vetch_http_client *c = vetch_http_client_new(NULL);
    vetch_http_response *r = NULL;
    vetch_error *error = NULL;
    vetch_bytes *piece;
    size_t len = 0;

    if (c == NULL)
        return;
    r = vetch_run(vetch_http_call_stream(
                      vetch_http_call_new(c, "GET", url_of(swept_path))),
                  &error);
    while (r != NULL && error == NULL &&
           (piece = vetch_run(
                vetch_stream_read(vetch_http_response_stream(r), 65536),
                &error)) != NULL) {
        len += vetch_bytes_len(piece);
        vetch_bytes_unref(piece);
    }
    ck_assert(error != NULL || len == 5);
    vetch_http_response_unref(r);
    check_error(error, unharmed);
    vetch_http_client_unref(c);
    vt_run_ready();
}

VT_TEST(no_allocation_of_a_stream_is_vital, .loops = 4)
{
    static const char *const paths[] = { "/plain", "/chunked", "/close",
                                         "/gzip" };

    sweep(paths[_i], read_stream);
}

static void
post_with_fields(bool unharmed)
{
    vetch_http_client *c = vetch_http_client_new(NULL);
    vetch_http_response *r = NULL;
    vetch_http_call *call;
    vetch_error *error = NULL;
    bool set;

    if (c == NULL)
        return;
    call = vetch_http_call_new(c, "GET", url_of(swept_path));
    set = call != NULL &&
          vetch_http_call_set_header(call, "X-Field", "value") == 0 &&
          vetch_http_call_set_body(call, "a/b", "", 0) == 0;
    ck_assert(set || !unharmed);
    if (set)
        r = vetch_run(vetch_http_call_send(call), &error);
    else
        vetch_http_call_free(call);
    vetch_http_response_unref(r);
    check_error(error, unharmed);
    vetch_http_client_unref(c);
    vt_run_ready();
}

VT_TEST(no_allocation_of_a_call_is_vital)
{
    sweep("/plain", post_with_fields);
}

/* ---- the end of the reactor ---- */

VT_CASE("ends", vt_tcase, .seconds = 120);

static unsigned outcomes;

static void
note_outcome(const vetch_error *error, void *result, void *ctx)
{
    (void)ctx;
    ck_assert(error == NULL || vetch_error_code(error) == VETCH_ECANCELED ||
              vetch_error_code(error) == VETCH_ECLOSED);
    vetch_http_response_unref(result);
    outcomes++;
}

/* Run this many turns of the loop, or fewer if nothing is left to be done. */
static bool
turn(vetch_reactor *r, int turns, unsigned until)
{
    for (int i = 0; i < turns; i++) {
        if (outcomes == until)
            return true;
        event_base_loop(vetch_reactor_event_base(r), EVLOOP_ONCE);
    }
    return outcomes == until;
}

static bool
end_after(int turns, bool client_goes_first)
{
    vetch_reactor *r = vetch_reactor_new();
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;
    vetch_http_client *c;
    bool all;

    o.max_per_host = 2;
    c = vetch_http_client_new(&o);
    outcomes = 0;
    for (int i = 0; i < 4; i++)
        vetch_callback(vetch_http_get(c, url_of("/plain")), note_outcome, NULL);
    if (client_goes_first)
        c = vetch_http_client_unref(c);
    all = turn(r, turns, 4);
    vetch_reactor_unref(r);
    ck_assert_uint_eq(outcomes, 4); /* each heard of its end, once */
    vetch_http_client_unref(c);
    return all;
}

VT_TEST(the_reactor_may_end_at_every_step_of_a_get, .loops = 2)
{
    start_server();
    for (int turns = 0; !end_after(turns, _i == 1); turns++)
        ck_assert_int_lt(turns, 1000);
    stop_server();
}

static vetch_http_response *held;

static vetch_promise *
read_on(void *piece, void *ctx)
{
    if (piece == NULL)
        return NULL;
    return vetch_then(
        vetch_stream_read(vetch_http_response_stream(held), 65536), read_on,
        ctx);
}

static vetch_promise *
hold(void *response, void *ctx)
{
    held = vetch_http_response_ref(response);
    return vetch_then(
        vetch_stream_read(vetch_http_response_stream(held), 65536), read_on,
        ctx);
}

static bool
end_stream_after(int turns)
{
    vetch_reactor *r = vetch_reactor_new();
    vetch_http_client *c = vetch_http_client_new(NULL);
    bool all;

    outcomes = 0;
    held = NULL;
    vetch_callback(vetch_then(vetch_http_call_stream(vetch_http_call_new(
                                  c, "GET", url_of("/chunked"))),
                              hold, NULL),
                   note_outcome, NULL);
    all = turn(r, turns, 1);
    vetch_reactor_unref(r);
    ck_assert_uint_eq(outcomes, 1);
    /* Both stay valid without it. */
    if (held != NULL)
        ck_assert_uint_eq(vetch_http_response_status(held), 200);
    vetch_http_response_unref(held);
    vetch_http_client_unref(c);
    return all;
}

VT_TEST(the_reactor_may_end_at_every_step_of_a_stream)
{
    start_server();
    for (int turns = 0; !end_stream_after(turns); turns++)
        ck_assert_int_lt(turns, 1000);
    stop_server();
}

VT_TEST(a_client_without_reactor_refuses)
{
    vetch_reactor *r = vetch_reactor_new();
    vetch_http_client *c = vetch_http_client_new(NULL);
    vetch_promise *p;

    vetch_reactor_unref(r);
    p = vetch_http_get(c, "http://127.0.0.1:1/");
    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(p)), VETCH_ECLOSED);
    vetch_promise_unref(p);
    vetch_http_client_unref(c);
}

VT_TEST(a_client_needs_a_reactor)
{
    errno = 0;
    ck_assert_ptr_null(vetch_http_client_new(NULL));
    ck_assert_int_eq(errno, EPERM);
}
