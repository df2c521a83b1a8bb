/* A proxy in a few lines: bodies stream through it both ways, held back by who
 * is slow, in constant memory. */
#include "support/http_server_kit.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static vetch_http_client *client;
static vetch_http_server *origin;
static uint64_t much;        /* bytes of a body */
static size_t heap, highest; /* in use at the start, and at most */

/* ---- bytes that can be checked, without end ---- */

struct pattern {
    uint64_t at, end;
};

static char
byte_at(uint64_t i)
{
    return (char)(i * 7 + i / 251);
}

static vetch_promise *
read_pattern(void *self, size_t max_bytes)
{
    struct pattern *p = self;
    char block[65536];
    size_t len = max_bytes < sizeof(block) ? max_bytes : sizeof(block);

    if (len > p->end - p->at)
        len = (size_t)(p->end - p->at);
    for (size_t i = 0; i < len; i++)
        block[i] = byte_at(p->at + i);
    p->at += len;
    return len > 0 ? vetch_resolved(vetch_bytes_new(block, len), vetch_unref)
                   : NULL;
}

/* What is written is checked; `end` says how much it was. */
static vetch_promise *
write_pattern(void *self, vetch_bytes *bytes)
{
    struct pattern *p = self;
    const char *data = vetch_bytes_data(bytes);
    size_t len = vetch_bytes_len(bytes);
    struct mallinfo2 now = mallinfo2();

    if (now.uordblks > highest)
        highest = now.uordblks;
    for (size_t i = 0; i < len; i++)
        if (data[i] != byte_at(p->at + i))
            ck_abort_msg("byte %llu is wrong", (unsigned long long)p->at + i);
    p->at += len;
    return NULL;
}

static vetch_stream *
pattern_source(uint64_t len)
{
    static const vetch_stream_class source_class = {
        .size = sizeof(source_class),
        .read = read_pattern,
        .free = free,
    };
    struct pattern *p = calloc(1, sizeof(*p));

    p->end = len;
    return vetch_stream_new(&source_class, p, NULL);
}

static vetch_stream *
pattern_sink(void)
{
    static const vetch_stream_class sink_class = {
        .size = sizeof(sink_class),
        .write = write_pattern,
        .free = free,
    };

    return vetch_stream_new(&sink_class, calloc(1, sizeof(struct pattern)),
                            NULL);
}

/* ---- the proxy ---- */

struct forward {
    vetch_http_request *request;
    const char *base;
};

static void
copy_type(vetch_http_request *r, const vetch_http_response *response)
{
    const char *type = vetch_http_response_header(response, "Content-Type");

    if (type != NULL)
        vetch_http_reply_set_header(r, "Content-Type", type);
}

static vetch_http_response *
ask_origin(const struct forward *f, vetch_error **ret_error)
{
    vetch_http_request *r = f->request;
    uint64_t length = vetch_http_request_length(r);
    char url[200];
    vetch_http_call *call;

    snprintf(url, sizeof(url), "%s%s", f->base, vetch_http_request_target(r));
    call = vetch_http_call_new(client, vetch_http_request_method(r), url);
    if (call != NULL && length > 0 &&
        vetch_http_call_set_body_stream(
            call, NULL, vetch_http_request_stream(r), length) < 0) {
        vetch_http_call_free(call);
        call = NULL;
    }
    return vetch_await(vetch_http_call_stream(call), ret_error);
}

static vetch_promise *
forward_as_task(void *ctx)
{
    struct forward *f = ctx;
    vetch_http_request *r = f->request;
    vetch_error *error = NULL;
    vetch_http_response *response = ask_origin(f, &error);

    if (response == NULL && vetch_error_is(error, VETCH_ECONNECT)) {
        vetch_error_unref(error);
        vetch_http_reply(r, 502, NULL, NULL, 0);
        return NULL;
    }
    if (response == NULL)
        return vetch_finish(error);
    copy_type(r, response);
    vetch_http_reply_set_length(r, vetch_http_response_length(response));
    if (vetch_http_reply_begin(r, vetch_http_response_status(response), NULL) <
        0)
        error = vetch_error_from_errno(errno, "begin");
    else
        vetch_await(vetch_stream_copy(vetch_http_response_stream(response),
                                      vetch_http_request_stream(r), NULL),
                    &error);
    vetch_http_response_unref(response);
    return vetch_finish(error);
}

static vetch_promise *
forward(vetch_http_request *r, void *ctx)
{
    struct forward *f = malloc(sizeof(*f));

    f->request = r;
    f->base = ctx;
    return vetch_finally(vetch_spawn(forward_as_task, f), free, f);
}

/* ---- the origin ---- */

static vetch_promise *
give_much(vetch_http_request *r, void *ctx)
{
    vetch_stream *source = pattern_source(much);

    if (ctx != NULL)
        vetch_http_reply_set_length(r, much);
    vetch_http_reply_begin(r, 200, "application/x-pattern");
    return vetch_finally(
        vetch_stream_copy(source, vetch_http_request_stream(r), NULL),
        vetch_unref, source);
}

static vetch_promise *
reply_count(void *value, void *ctx)
{
    vetch_stream *s = vetch_http_request_stream(ctx);
    char text[32];

    (void)value;
    snprintf(text, sizeof(text), "%llu",
             (unsigned long long)vetch_stream_bytes_read(s));
    vetch_http_reply(ctx, 200, NULL, text, strlen(text));
    return NULL;
}

static vetch_promise *
take_much(vetch_http_request *r, void *ctx)
{
    vetch_stream *sink = pattern_sink();
    vetch_promise *p =
        vetch_stream_copy(vetch_http_request_stream(r), sink, NULL);

    (void)ctx;
    return vetch_finally(vetch_then(p, reply_count, r), vetch_unref, sink);
}

static vetch_promise *
break_off(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    vetch_http_reply_set_length(r, 100);
    vetch_http_reply_begin(r, 200, NULL);
    vetch_stream_write(vetch_http_request_stream(r), "half", 4);
    return vetch_then(vetch_sleep(1), NULL, NULL);
}

/* ---- around each test ---- */

static char base[64];

static void
route(vetch_http_server *s, const char *method, const char *path,
      vetch_http_handler_fn handler, void *ctx)
{
    vetch_http_route_options o = VETCH_HTTP_ROUTE_OPTIONS_INIT;

    o.stream = true;
    ck_assert_int_eq(vetch_http_server_route(s, method, path, handler, ctx, &o),
                     0);
}

static void
start(void)
{
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;

    o.decompress = false;
    client = vetch_http_client_new(&o);
    origin = vetch_http_server_new("tcp:127.0.0.1:0", NULL);
    ck_assert(client != NULL && origin != NULL);
    route(origin, "GET", "/measured", give_much, base);
    route(origin, "GET", "/chunked", give_much, NULL);
    route(origin, "PUT", "/take", take_much, NULL);
    route(origin, "GET", "/break", break_off, NULL);
    snprintf(base, sizeof(base), "http://127.0.0.1:%u",
             vetch_http_server_port(origin));
    hsk_start_tcp(NULL);
    route(hsk_server, "*", "/*rest", forward, base);
    much = vt_on_valgrind() ? 3000000 : 100000000;
    highest = 0;
}

static void
stop(void)
{
    vetch_http_server *s = hsk_server;

    hsk_server = origin;
    hsk_end();
    hsk_server = s;
    hsk_end();
    client = vetch_http_client_unref(client);
    vt_run_ready();
}

static vetch_http_call *
call(const char *method, const char *path)
{
    char url[100];

    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s",
             vetch_http_server_port(hsk_server), path);
    heap = mallinfo2().uordblks;
    return vetch_http_call_new(client, method, url);
}

VT_CASE("proxy", vt_reactor_tcase, .set_up = start, .take_down = stop,
        .seconds = 120);

VT_TEST(download_streams_through, .loops = 2)
{
    vetch_http_response *r = vt_value(vetch_http_call_stream(
        call("GET", _i == 0 ? "/measured" : "/chunked")));
    vetch_stream *sink = pattern_sink();
    vetch_stream *body = vetch_http_response_stream(r);

    ck_assert_str_eq(vetch_http_response_header(r, "Content-Type"),
                     "application/x-pattern");
    ck_assert(vetch_http_response_length(r) ==
              (_i == 0 ? much : VETCH_HTTP_LENGTH_UNKNOWN));
    vt_value(vetch_stream_copy(body, sink, NULL));
    ck_assert(vetch_stream_bytes_read(body) == much);
    ck_assert_uint_lt(highest, heap + 2000000);
    vetch_stream_unref(sink);
    vetch_http_response_unref(r);
}

VT_TEST(upload_streams_through, .loops = 2)
{
    vetch_http_call *c = call("PUT", "/take");
    vetch_stream *source = pattern_source(much);
    vetch_http_response *r;

    vetch_http_call_set_body_stream(c, NULL, source,
                                    _i == 0 ? much : VETCH_HTTP_LENGTH_UNKNOWN);
    r = vt_value(vetch_http_call_send(c));
    ck_assert_uint_eq(strtoull(vetch_http_response_body(r, NULL), NULL, 10),
                      much);
    ck_assert_uint_lt(highest, heap + 2000000);
    vetch_stream_unref(source);
    vetch_http_response_unref(r);
}

/* The client reads nothing: the origin is made to wait. */
VT_TEST(s9_back_pressure_reaches_the_origin)
{
    vetch_http_response *r =
        vt_value(vetch_http_call_stream(call("GET", "/measured")));
    vetch_stream *body = vetch_http_response_stream(r);

    much = UINT64_MAX - 1; /* whoever does not wait runs out of memory */
    for (int i = 0; i < 300; i++)
        vt_run_ready();
    ck_assert_uint_lt(mallinfo2().uordblks, heap + 4000000);
    vetch_bytes_unref(vt_value(vetch_stream_read_exactly(body, 1000000)));
    vetch_http_response_unref(r);
}

VT_TEST(body_that_breaks_off_is_broken_off)
{
    vetch_http_response *r =
        vt_value(vetch_http_call_stream(call("GET", "/break")));
    vetch_stream *body = vetch_http_response_stream(r);
    vetch_error *error;

    vetch_bytes_unref(vt_value(vetch_stream_read_exactly(body, 4)));
    vt_log_from(VETCH_LOG_WARNING);
    vt_advance(2);
    vetch_unref(vetch_run(vetch_stream_read(body, 1), &error));
    ck_assert(vetch_error_is(error, VETCH_ETRUNCATED));
    vetch_error_unref(error);
    (void)vt_log_take();
    vetch_http_response_unref(r);
}

VT_TEST(head_is_answered_without_a_body)
{
    vetch_http_response *r =
        vt_value(vetch_http_call_send(call("HEAD", "/measured")));

    ck_assert(vetch_http_response_length(r) == much);
    vetch_http_response_unref(r);
}

VT_TEST(client_that_leaves_ends_the_exchange)
{
    vetch_http_response *r =
        vt_value(vetch_http_call_stream(call("GET", "/measured")));
    vetch_http_client_stats stats = VETCH_HTTP_CLIENT_STATS_INIT;

    vetch_http_response_unref(r);
    do { /* until the proxy has let go of the origin */
        vt_run_ready();
        vetch_http_client_get_stats(client, &stats);
    } while (stats.connections > 0);
}
