/* The server: routes, what a handler learns, what it may reply. */

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/http_server_kit.h"

/* ---- handlers ---- */

static vetch_promise *
hello(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    ck_assert_int_eq(vetch_http_reply(r, 200, "text/plain", "hello", 5), 0);
    return NULL;
}

static vetch_promise *
tell_request(vetch_http_request *r, void *ctx)
{
    char text[2048];
    const char *x = vetch_http_request_param(r, "x");
    const char *y = vetch_http_request_param(r, "y");
    const char *h = vetch_http_request_header(r, "x-test");
    size_t n;

    (void)ctx;
    n = (size_t)snprintf(
        text, sizeof(text), "%s %s ?%s x=%s y=%s h=%s",
        vetch_http_request_method(r), vetch_http_request_path(r),
        vetch_http_request_query(r), x ? x : "-", y ? y : "-", h ? h : "-");
    vetch_http_reply(r, 200, "text/plain", text, n);
    return NULL;
}

static vetch_promise *
say_nothing(vetch_http_request *r, void *ctx)
{
    (void)r;
    (void)ctx;
    return NULL;
}

static vetch_promise *
fulfil_without_reply(vetch_http_request *r, void *ctx)
{
    (void)r;
    (void)ctx;
    return vetch_resolved(NULL, NULL);
}

static vetch_promise *
reject(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    vetch_http_reply_set_header(r, "X-Secret", "1");
    return vetch_rejected(vetch_error_new(VETCH_EUSER, "it broke"));
}

/* A handler that waits; the test decides how it goes on. */
struct pending {
    vetch_http_request *request;
    vetch_deferred *deferred;
    unsigned canceled;
};

static void
count_cancel(vetch_deferred *d, void *ctx)
{
    struct pending *p = ctx;

    p->canceled++;
    vetch_deferred_cancel(d);
}

static vetch_promise *
wait_for_test(vetch_http_request *r, void *ctx)
{
    struct pending *p = ctx;

    p->request = r;
    p->deferred = vetch_deferred_new(count_cancel, p);
    return vetch_deferred_promise(p->deferred);
}

static void
let_go(struct pending *p)
{
    vetch_deferred_resolve(p->deferred, NULL, NULL);
    p->deferred = vetch_deferred_unref(p->deferred);
    vt_run_ready();
}

/* ---- basics ---- */

VT_CASE("basics", vt_reactor_tcase);

VT_TEST(a_handler_replies)
{
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", hello, NULL);
    hsk_connect(&t);
    hsk_get(&t, "/");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert(hsk_body_is(&t, "hello"));
    ck_assert_str_eq(hsk_field(&t, "Content-Type"), "text/plain");
    ck_assert_str_eq(hsk_field(&t, "Content-Length"), "5");
    ck_assert_uint_eq(strlen(hsk_field(&t, "Date")), 29);
    ck_assert_str_eq(hsk_field(&t, "Keep-Alive"), "timeout=75");
    ck_assert_ptr_null(hsk_field(&t, "Connection"));
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(it_replies_over_tcp_too)
{
    struct hsk_client t;

    hsk_start_tcp(NULL);
    ck_assert_uint_ne(vetch_http_server_port(hsk_server), 0);
    hsk_route("GET", "/", hello, NULL);
    hsk_connect(&t);
    hsk_get(&t, "/");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    hsk_get(&t, "/");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(a_connection_serves_many_requests)
{
    struct hsk_client t;
    int i;

    hsk_start(NULL);
    hsk_route("GET", "/", hello, NULL);
    hsk_connect(&t);
    for (i = 0; i < 100; i++) {
        hsk_get(&t, "/");
        ck_assert_uint_eq(hsk_hear(&t), 200);
    }
    ck_assert(hsk_is_silent(&t));
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(requests_may_come_byte_by_byte)
{
    static const char text[] = "GET /a?b HTTP/1.1\r\nHost: a\r\nX-Test:  1 \r\n"
                               "\r\n";
    struct hsk_client t;
    size_t i;

    hsk_start(NULL);
    hsk_route("GET", "/:x", tell_request, NULL);
    hsk_connect(&t);
    for (i = 0; i < sizeof(text) - 1; i++) {
        ck_assert(hsk_is_silent(&t));
        hsk_say_bytes(&t, text + i, 1);
    }
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert(hsk_body_is(&t, "GET /a ?b x=a y=- h=1"));
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(a_handler_learns_what_was_asked)
{
    static const char *const rows[][2] = {
        { "GET /p/1/q/2", "GET /p/1/q/2 ? x=1 y=2 h=v w" },
        { "GET /p/1/q/2?a=b&c", "GET /p/1/q/2 ?a=b&c x=1 y=2 h=v w" },
        { "GET /p/a%20b/q/%2e?", "GET /p/a b/q/ ? x=a b y=- h=v w" },
        { "GET /p/./x/../1/q/2", "GET /p/1/q/2 ? x=1 y=2 h=v w" },
        { "GET http://a/p/1/q/2?z", "GET /p/1/q/2 ?z x=1 y=2 h=v w" },
        { "GET http://a?z", "GET / ?z x=- y=- h=v w" },
        { "PUT /p/1/q/2", "PUT /p/1/q/2 ? x=1 y=2 h=v w" },
        { "OPTIONS *", "OPTIONS * ? x=- y=- h=v w" },
    };
    struct hsk_client t;
    size_t i;

    hsk_start(NULL);
    hsk_route("*", "/p/:x/q/:y", tell_request, NULL);
    hsk_route("*", "/p/:x/q/", tell_request, NULL);
    hsk_route("*", "/*rest", tell_request, NULL);
    hsk_connect(&t);
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        hsk_say(&t, rows[i][0]);
        hsk_say(&t, " HTTP/1.1\r\nHost: a\r\nX-TEST:\t v w \r\n\r\n");
        ck_assert_uint_eq(hsk_hear(&t), 200);
        ck_assert_msg(hsk_body_is(&t, rows[i][1]), "%s gave %.*s", rows[i][0],
                      (int)t.n_body, t.body);
    }
    hsk_hang_up(&t);
    hsk_end();
}

static vetch_promise *
tell_fields(vetch_http_request *r, void *ctx)
{
    char text[1024] = "";
    const char *name, *value;
    size_t i;

    for (i = 0; vetch_http_request_header_at(r, i, &name, &value); i++) {
        strcat(text, name);
        strcat(text, "=");
        strcat(text, value);
        strcat(text, ";");
    }
    *(const char **)ctx = vetch_http_request_peer(r);
    ck_assert_ptr_null(vetch_http_request_header(r, "nothing"));
    ck_assert_ptr_null(vetch_http_request_param(r, "nothing"));
    vetch_http_reply(r, 200, NULL, text, strlen(text));
    return NULL;
}

VT_TEST(a_handler_sees_all_fields_and_the_peer)
{
    const char *peer = NULL;
    struct hsk_client t;

    hsk_start_tcp(NULL);
    hsk_route("GET", "/", tell_fields, &peer);
    hsk_connect(&t);
    hsk_say(&t, "GET / HTTP/1.1\r\nHost: a\r\nB:\r\nb: 2 \r\n\r\n");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert(hsk_body_is(&t, "Host=a;B=;b=2;"));
    ck_assert_ptr_null(hsk_field(&t, "Content-Type"));
    ck_assert(strncmp(peer, "tcp:127.0.0.1:", 14) == 0);
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(head_is_answered_without_body)
{
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", hello, NULL);
    hsk_connect(&t);
    hsk_say(&t, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_uint_eq(hsk_hear_head(&t), 200);
    ck_assert_str_eq(hsk_field(&t, "Content-Length"), "5");
    ck_assert(hsk_is_silent(&t));
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(http_1_0_is_understood)
{
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", hello, NULL);
    hsk_connect(&t);
    hsk_say(&t, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_str_eq(hsk_field(&t, "Connection"), "keep-alive");
    hsk_say(&t, "GET / HTTP/1.0\r\n\r\n");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_str_eq(hsk_field(&t, "Connection"), "close");
    ck_assert(hsk_hear_end(&t));
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(connection_close_is_obeyed_and_later_bytes_dropped)
{
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", hello, NULL);
    hsk_connect(&t);
    hsk_say(&t, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
                "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_str_eq(hsk_field(&t, "Connection"), "close");
    ck_assert(hsk_hear_end(&t));
    ck_assert_uint_eq(t.n_in, 0);
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(connect_ends_the_connection)
{
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("*", "/*rest", hello, NULL);
    hsk_connect(&t);
    hsk_say(&t, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\nGET / HTTP/1.1"
                "\r\nHost: a\r\n\r\n");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_ptr_null(hsk_field(&t, "Content-Length"));
    ck_assert(hsk_body_is(&t, "hello"));
    ck_assert(hsk_hear_end(&t));
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(date_follows_the_clock)
{
    char date[64];
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", hello, NULL);
    hsk_connect(&t);
    hsk_get(&t, "/");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    strcpy(date, hsk_field(&t, "Date"));
    ck_assert_str_eq(date + 25, " GMT");
    ck_assert_int_eq(date[3], ',');
    hsk_hang_up(&t);
    hsk_end();
}

/* ---- how handlers end ---- */

VT_CASE("handlers", vt_reactor_tcase);

VT_TEST(no_reply_is_500)
{
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/nothing", say_nothing, NULL);
    hsk_route("GET", "/fulfilled", fulfil_without_reply, NULL);
    hsk_connect(&t);
    hsk_get(&t, "/nothing");
    ck_assert_uint_eq(hsk_hear(&t), 500);
    ck_assert(hsk_body_is(&t, "500 Internal Server Error\n"));
    hsk_get(&t, "/fulfilled");
    ck_assert_uint_eq(hsk_hear(&t), 500);
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(a_rejection_is_500_and_a_log_line)
{
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", reject, NULL);
    hsk_connect(&t);
    vt_log_from(VETCH_LOG_WARNING);
    hsk_get(&t, "/");
    ck_assert_uint_eq(hsk_hear(&t), 500);
    ck_assert_ptr_null(hsk_field(&t, "X-Secret"));
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "GET /: it broke"));
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(a_handler_may_reply_later)
{
    struct pending p = { 0 };
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/:x", wait_for_test, &p);
    hsk_connect(&t);
    hsk_say(&t, "GET /b?c HTTP/1.1\r\nHost: a\r\nX-Y: z\r\n\r\n");
    ck_assert(hsk_is_silent(&t));
    vt_advance(1000); /* a handler takes its time */
    ck_assert(hsk_is_silent(&t));
    ck_assert_str_eq(vetch_http_request_path(p.request), "/b");
    ck_assert_str_eq(vetch_http_request_query(p.request), "c");
    ck_assert_str_eq(vetch_http_request_param(p.request, "x"), "b");
    ck_assert_str_eq(vetch_http_request_header(p.request, "x-y"), "z");
    ck_assert_int_eq(vetch_http_reply(p.request, 201, NULL, "late", 4), 0);
    let_go(&p);
    ck_assert_uint_eq(hsk_hear(&t), 201);
    ck_assert(hsk_body_is(&t, "late"));
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(a_response_leaves_before_the_handler_ends)
{
    struct pending p = { 0 };
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", wait_for_test, &p);
    hsk_connect(&t);
    hsk_get(&t, "/");
    ck_assert_int_eq(vetch_http_reply(p.request, 200, NULL, "x", 1), 0);
    ck_assert_uint_eq(hsk_hear(&t), 200);
    hsk_hang_up(&t);
    ck_assert_uint_eq(p.canceled, 0);
    let_go(&p);
    hsk_end();
}

VT_TEST(there_is_one_response)
{
    struct pending p = { 0 };
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", wait_for_test, &p);
    hsk_connect(&t);
    hsk_get(&t, "/");
    ck_assert_int_eq(vetch_http_reply(p.request, 200, NULL, "x", 1), 0);
    ck_assert_int_eq(vetch_http_reply(p.request, 200, NULL, "y", 1), -1);
    ck_assert_int_eq(errno, EALREADY);
    ck_assert_int_eq(vetch_http_reply_begin(p.request, 200, NULL), -1);
    ck_assert_int_eq(errno, EALREADY);
    ck_assert_int_eq(vetch_http_reply_set_header(p.request, "a", "b"), -1);
    ck_assert_int_eq(errno, EALREADY);
    ck_assert_int_eq(hsk_reply_end(p.request), -1);
    let_go(&p);
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert(hsk_body_is(&t, "x"));
    ck_assert(hsk_is_silent(&t));
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(a_client_that_goes_cancels_the_handler)
{
    struct pending p = { 0 };
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", wait_for_test, &p);
    hsk_connect(&t);
    hsk_get(&t, "/");
    ck_assert_uint_eq(p.canceled, 0);
    hsk_hang_up(&t);
    ck_assert_uint_eq(p.canceled, 1);
    vetch_deferred_unref(p.deferred);
    hsk_end();
}

static void
go_on_when_canceled(vetch_deferred *d, void *ctx)
{
    (void)d;
    ((struct pending *)ctx)->canceled++;
}

static vetch_promise *
wait_stubbornly(vetch_http_request *r, void *ctx)
{
    struct pending *p = ctx;

    p->request = r;
    p->deferred = vetch_deferred_new(go_on_when_canceled, p);
    return vetch_deferred_promise(p->deferred);
}

/* The request stays valid until the handler's promise has settled. */
VT_TEST(a_late_response_does_nothing)
{
    struct pending p = { 0 };
    struct hsk_client t;

    hsk_start_tcp(NULL);
    hsk_route("GET", "/:x", wait_stubbornly, &p);
    hsk_connect(&t);
    hsk_get(&t, "/b");
    while (p.request == NULL)
        vt_run_ready();
    hsk_reset(&t);
    while (p.canceled == 0)
        vt_run_ready();
    ck_assert_str_eq(vetch_http_request_path(p.request), "/b");
    ck_assert_str_eq(vetch_http_request_param(p.request, "x"), "b");
    ck_assert(strncmp(vetch_http_request_peer(p.request), "tcp:", 4) == 0);
    ck_assert_int_eq(vetch_http_reply_set_header(p.request, "a", "b"), 0);
    ck_assert_int_eq(vetch_http_reply_begin(p.request, 200, NULL), 0);
    ck_assert_int_eq(
        vetch_stream_write(vetch_http_request_stream(p.request), "x", 1), -1);
    ck_assert_int_eq(errno, EPIPE);
    ck_assert_int_eq(hsk_reply_end(p.request), -1);
    ck_assert_int_eq(vetch_http_reply(p.request, 200, NULL, "x", 1), -1);
    ck_assert_int_eq(errno, EALREADY);
    let_go(&p);
    hsk_end();
}

/* ---- what may be replied ---- */

VT_CASE("responses", vt_reactor_tcase);

static vetch_promise *
reply_badly(vetch_http_request *r, void *ctx)
{
    static const char *const rows[][2] = {
        { "X", "a\r\nB: c" },
        { "X\n", "a" },
        { "", "a" },
        { "Host", "a" },
        { "Content-Length", "1" },
        { "Connection", "close" },
    };
    size_t i;

    (void)ctx;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        errno = 0;
        ck_assert_int_eq(vetch_http_reply_set_header(r, rows[i][0], rows[i][1]),
                         -1);
        ck_assert_int_eq(errno, EINVAL);
    }
    ck_assert_int_eq(vetch_http_reply(r, 200, "a\r\nb: c", "", 0), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(vetch_http_reply(r, 199, NULL, "", 0), -1);
    ck_assert_int_eq(vetch_http_reply(r, 600, NULL, "", 0), -1);
    ck_assert_int_eq(vetch_http_reply(r, 204, NULL, "x", 1), -1);
    ck_assert_int_eq(vetch_http_reply(r, 304, NULL, "x", 1), -1);
    ck_assert_int_eq(vetch_stream_write(vetch_http_request_stream(r), "x", 1),
                     -1);
    ck_assert_int_eq(errno, EBADF);
    vetch_http_reply(r, 200, NULL, "ok", 2);
    return NULL;
}

/* CVE-2018-12116 class: nothing that a handler sets can break the framing. */
VT_TEST(bad_responses_are_refused_on_the_spot)
{
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", reply_badly, NULL);
    hsk_connect(&t);
    hsk_get(&t, "/");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert(hsk_body_is(&t, "ok"));
    ck_assert_ptr_null(hsk_field(&t, "X"));
    hsk_hang_up(&t);
    hsk_end();
}

static vetch_promise *
reply_much(vetch_http_request *r, void *ctx)
{
    size_t len = *(size_t *)ctx;
    char *body = malloc(len);

    memset(body, 'm', len);
    ck_assert_int_eq(vetch_http_reply(r, 200, NULL, body, len), 0);
    free(body);
    return NULL;
}

VT_TEST(bodies_of_any_size_arrive)
{
    static const size_t sizes[] = { 1,     15000,  16000,   16320,   16384,
                                    65536, 100000, 1000000, 10000000 };
    size_t i, len;
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", reply_much, &len);
    hsk_connect(&t);
    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        len = sizes[i];
        hsk_get(&t, "/");
        ck_assert_uint_eq(hsk_hear(&t), 200);
        ck_assert_uint_eq(t.n_body, len);
    }
    hsk_hang_up(&t);
    hsk_end();
}

static vetch_promise *
reply_too_much(vetch_http_request *r, void *ctx)
{
    size_t len = (size_t)17 << 20;
    char *body = calloc(1, len);

    (void)ctx;
    ck_assert_int_eq(vetch_http_reply(r, 200, NULL, body, len), -1);
    ck_assert_int_eq(errno, ENOBUFS);
    free(body);
    vetch_http_reply(r, 507, NULL, NULL, 0);
    return NULL;
}

/* libuv 1169, libevent 694 1211: what waits to be written is bounded. */
VT_TEST(a_body_beyond_the_hard_cap_is_refused)
{
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", reply_too_much, NULL);
    hsk_connect(&t);
    hsk_get(&t, "/");
    ck_assert_uint_eq(hsk_hear(&t), 507);
    hsk_hang_up(&t);
    hsk_end();
}

/* ---- references ---- */

VT_CASE("lifetime", vt_reactor_tcase);

static void
count_free(void *ctx)
{
    ++*(int *)ctx;
}

VT_TEST(the_context_of_a_route_is_freed_with_the_server)
{
    int freed = 0;

    hsk_start(NULL);
    ck_assert_int_eq(vetch_http_server_route_owned(hsk_server, "GET", "/",
                                                   hello, &freed, count_free,
                                                   NULL),
                     0);
    ck_assert_int_eq(vetch_http_server_route_owned(hsk_server, "GET", "/",
                                                   hello, &freed, count_free,
                                                   NULL),
                     -1);
    ck_assert_int_eq(errno, EEXIST);
    ck_assert_int_eq(freed, 0);
    hsk_end();
    ck_assert_int_eq(freed, 1);
}

VT_TEST(a_server_that_was_released_serves_on)
{
    vetch_http_server *s;
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", hello, NULL);
    hsk_connect(&t);
    s = hsk_server;
    vetch_unref(vetch_http_server_ref(s));
    vetch_http_server_unref(s); /* the reactor's remains */
    hsk_get(&t, "/");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    hsk_hang_up(&t);
    hsk_server = vetch_http_server_ref(s);
    hsk_end();
}

/* Options with one member changed. */
#define BUT(...)                                                               \
    {                                                                          \
        .size = sizeof(vetch_http_server_options), .max_connections = 1,       \
        .max_request_line = 1, .max_head_bytes = 1, .max_fields = 1,           \
        .max_pipelined = 1, .max_requests = 1, .head_seconds = 1,              \
        .idle_seconds = 1, .rate_grace_seconds = 1, __VA_ARGS__                \
    }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
static const vetch_http_server_options bad[] = {
    BUT(.max_connections = 0),
    BUT(.max_request_line = 0),
    BUT(.max_head_bytes = 0),
    BUT(.max_fields = 0),
    BUT(.max_pipelined = 0),
    BUT(.max_requests = 0),
    BUT(.head_seconds = 0),
    BUT(.idle_seconds = 0),
    BUT(.rate_grace_seconds = 0),
    BUT(.rate_grace_seconds = NAN),
    BUT(.min_bytes_per_second = INFINITY),
    BUT(.linger_seconds = -1),
};
#pragma GCC diagnostic pop

VT_TEST(bad_options_and_endpoints_are_refused, .misuse = true)
{
    vetch_http_server_options o = VETCH_HTTP_SERVER_OPTIONS_INIT;

    ck_assert_ptr_null(vetch_http_server_new("tcp:nowhere", NULL));
    ck_assert_int_eq(errno, EINVAL);
    vt_log_from(VETCH_LOG_ERROR);
    o.idle_seconds = -1;
    ck_assert_ptr_null(vetch_http_server_new("tcp:127.0.0.1:0", &o));
    ck_assert_int_eq(errno, EINVAL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        errno = 0;
        ck_assert_ptr_null(vetch_http_server_new("tcp:127.0.0.1:0", &bad[i]));
        ck_assert_int_eq(errno, EINVAL);
    }
    memset(&o, 0, sizeof(o)); /* without _INIT it says nothing of itself */
    errno = 0;
    ck_assert_ptr_null(vetch_http_server_new("tcp:127.0.0.1:0", &o));
    ck_assert_int_eq(errno, EINVAL);
    vt_log_take();
}
