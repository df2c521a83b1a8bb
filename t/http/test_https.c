/* HTTP over TLS, on both sides. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/tls_kit.h"

static vetch_tls *trust, *secrets;
static vetch_http_server *server;
static vetch_http_client *client;
static char *big;

enum { BIG = 1000000 };

static vetch_promise *
say_hello(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    vetch_http_reply(r, 200, "text/plain", "hello", 5);
    return NULL;
}

static vetch_promise *
send_much(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    vetch_http_reply(r, 200, "text/plain", big, BIG);
    return NULL;
}

static void
open_https(void)
{
    vetch_http_server_options so = VETCH_HTTP_SERVER_OPTIONS_INIT;
    vetch_http_client_options co = VETCH_HTTP_CLIENT_OPTIONS_INIT;

    tlk_open();
    big = tk_pattern(BIG);
    so.tls = secrets = tlk_server("server");
    co.tls = trust = tlk_client();
    server = vetch_http_server_new("tcp:127.0.0.1:0", &so);
    client = vetch_http_client_new(&co);
    ck_assert(server != NULL && client != NULL);
    vetch_http_server_route(server, "GET", "/", say_hello, NULL, NULL);
    vetch_http_server_route(server, "GET", "/big", send_much, NULL, NULL);
}

static void
close_https(void)
{
    client = vetch_http_client_unref(client);
    if (server != NULL)
        vetch_stop_report_unref(
            vetch_run(vetch_http_server_stop(server, 5), NULL));
    server = vetch_http_server_unref(server);
    trust = vetch_tls_unref(trust);
    secrets = vetch_tls_unref(secrets);
    free(big);
    tlk_close();
    tk_until(vt_live_objects() == 0);
}

static const char *
url_of(const char *host, const char *path)
{
    static char url[128];

    snprintf(url, sizeof(url), "https://%s:%u%s", host,
             vetch_http_server_port(server), path);
    return url;
}

static vetch_http_response *
get(const char *host, const char *path)
{
    vetch_error *error = NULL;
    vetch_http_response *r =
        vetch_run(vetch_http_get(client, url_of(host, path)), &error);

    ck_assert_msg(r != NULL, "%s", vetch_error_text(error));
    ck_assert_uint_eq(vetch_http_response_status(r), 200);
    return r;
}

static vetch_error *
error_of_get(const char *url)
{
    vetch_error *error = NULL;

    ck_assert_ptr_null(vetch_run(vetch_http_get(client, url), &error));
    return error;
}

VT_CASE("https", vt_real_reactor_tcase, .set_up = open_https,
        .take_down = close_https);

VT_TEST(small_responses_come_over_one_connection)
{
    vetch_http_client_stats stats = VETCH_HTTP_CLIENT_STATS_INIT;

    for (int i = 0; i < 10; i++) {
        vetch_http_response *r = get("localhost", "/");
        size_t len;

        ck_assert_int_eq(memcmp(vetch_http_response_body(r, &len), "hello", 5),
                         0);
        vetch_http_response_unref(r);
    }
    vetch_http_client_get_stats(client, &stats);
    ck_assert_uint_eq(stats.opened, 1);
}

VT_TEST(a_large_body_comes_whole)
{
    vetch_http_response *r = get("127.0.0.1", "/big");
    size_t len;
    const char *body = vetch_http_response_body(r, &len);

    ck_assert_uint_eq(len, BIG);
    ck_assert_int_eq(memcmp(body, big, BIG), 0);
    vetch_http_response_unref(r);
}

VT_TEST(many_requests_at_once)
{
    enum { N = 40 };
    vetch_promise *p[N];
    vetch_error *error = NULL;

    for (int i = 0; i < N; i++)
        p[i] = vetch_http_get(client,
                              url_of("localhost", i % 4 == 0 ? "/big" : "/"));
    vetch_unref(vetch_run(vetch_all(p, N), &error));
    ck_assert_msg(error == NULL, "%s", vetch_error_text(error));
}

VT_TEST(the_certificate_has_to_be_the_hosts)
{
    vetch_http_client *other = vetch_http_client_new(NULL);
    vetch_error *error = NULL;

    ck_assert_ptr_null(
        vetch_run(vetch_http_get(other, url_of("localhost", "/")), &error));
    ck_assert(vetch_error_is(error, VETCH_ECERTIFICATE));
    ck_assert(vetch_error_is(error, VETCH_ECONNECT));
    ck_assert_int_eq(strncmp(vetch_error_text(error), "GET https://", 12), 0);
    vetch_error_unref(error);
    vetch_http_client_unref(other);
}

VT_TEST(plain_http_to_a_port_with_tls_fails)
{
    char url[64];
    vetch_error *error;

    snprintf(url, sizeof(url), "http://localhost:%u/",
             vetch_http_server_port(server));
    error = error_of_get(url);
    ck_assert_ptr_nonnull(error);
    vetch_error_unref(error);
}

VT_TEST(the_endpoint_of_a_server_can_ask_for_tls)
{
    char endpoint[400], url[64];
    vetch_http_server *other;
    vetch_http_response *r;

    snprintf(endpoint, sizeof(endpoint), "tls:127.0.0.1:0,cert=%s,key=%s",
             tlk_path("server"), tlk_path("server"));
    other = vetch_http_server_new(endpoint, NULL);
    ck_assert_ptr_nonnull(other);
    vetch_http_server_route(other, "GET", "/", say_hello, NULL, NULL);
    snprintf(url, sizeof(url), "https://127.0.0.1:%u/",
             vetch_http_server_port(other));
    r = vetch_run(vetch_http_get(client, url), NULL);
    ck_assert_ptr_nonnull(r);
    vetch_http_response_unref(r);
    vetch_stop_report_unref(vetch_run(vetch_http_server_stop(other, 5), NULL));
    vetch_http_server_unref(other);
}

/* ---- a server that sends so much, and ends ---- */

struct breaking {
    const char *response;
    size_t len; /* of it, before it breaks off */
};

static vetch_promise *
send_and_end(vetch_stream *s, void *ctx)
{
    const struct breaking *b = ctx;

    vetch_stream_write(s, b->response, b->len);
    return vetch_stream_drain(s);
}

static vetch_error *
get_broken(struct breaking *b, size_t *ret_len)
{
    vetch_stream_options options = VETCH_STREAM_OPTIONS_INIT;
    vetch_error *error = NULL;
    vetch_http_response *r;
    vetch_listener *l;
    char url[64];

    options.tls = secrets;
    l = vetch_stream_serve("tcp:127.0.0.1:0", send_and_end, b, &options);
    snprintf(url, sizeof(url), "https://localhost:%u/", vetch_listener_port(l));
    r = vetch_run(vetch_http_get(client, url), &error);
    if (r != NULL)
        vetch_http_response_body(r, ret_len);
    vetch_http_response_unref(r);
    vetch_stop_report_unref(vetch_run(vetch_listener_stop(l, 1), NULL));
    vetch_listener_unref(l);
    return error;
}

VT_TEST(an_announced_end_ends_a_body_without_length)
{
    struct breaking b = { "HTTP/1.1 200 OK\r\n\r\nbody", 23 };
    size_t len = 0;
    vetch_error *error = get_broken(&b, &len);

    ck_assert_msg(error == NULL, "%s", vetch_error_text(error));
    ck_assert_uint_eq(len, 4);
}
