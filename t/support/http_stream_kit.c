/* Streams of HTTP messages, for the suite of stream_kit.h: a server and a
 * client of ours in one loop, and an exchange for each pair. */
#include "support/http_stream_kit.h"

#include <stdio.h>

#include "reactor/reactor-private.h"
#include "support/harness.h"

enum { EXCHANGES = 2 }; /* at once, in one test */

struct exchange {
    vetch_http_request *request;
    vetch_deferred *handler;
    vetch_promise *call; /* an upload that is not answered */
    vetch_http_response *response;
};

static vetch_http_server *server;
static vetch_http_client *client;
static struct exchange exchanges[EXCHANGES];
static size_t n_exchanges;

/* ---- the server's side: a handler ends with its test ---- */

static void
cancel_handler(vetch_deferred *d, void *ctx)
{
    (void)ctx;
    vetch_deferred_cancel(d);
}

static vetch_promise *
take_request(vetch_http_request *r, void *ctx)
{
    struct exchange *e = &exchanges[n_exchanges - 1];

    if (ctx != NULL)
        vetch_http_reply_set_header(r, "Upgrade", "raw");
    ck_assert_int_eq(vetch_http_reply_begin(r, ctx != NULL ? 101 : 200, NULL),
                     0);
    e->request = r;
    e->handler = vetch_deferred_new(cancel_handler, NULL);
    return vetch_deferred_promise(e->handler);
}

static vetch_promise *
take_upload(vetch_http_request *r, void *ctx)
{
    struct exchange *e = &exchanges[n_exchanges - 1];

    (void)ctx;
    e->request = r;
    e->handler = vetch_deferred_new(cancel_handler, NULL);
    return vetch_deferred_promise(e->handler);
}

static void
add_route(const char *method, const char *path, vetch_http_handler_fn fn,
          void *ctx)
{
    vetch_http_route_options o = VETCH_HTTP_ROUTE_OPTIONS_INIT;

    o.stream = true;
    ck_assert_int_eq(vetch_http_server_route(server, method, path, fn, ctx, &o),
                     0);
}

static void
begin_once(void)
{
    if (server != NULL)
        return;
    server = vetch_http_server_new("tcp:127.0.0.1:0", NULL);
    client = vetch_http_client_new(NULL);
    ck_assert(server != NULL && client != NULL);
    add_route("GET", "/body", take_request, NULL);
    add_route("GET", "/raw", take_request, server);
    add_route("POST", "/upload", take_upload, NULL);
}

/* ---- exchanges ---- */

static vetch_http_call *
new_call(const char *method, const char *path)
{
    char url[100];

    begin_once();
    ck_assert_uint_lt(n_exchanges, EXCHANGES);
    exchanges[n_exchanges++] = (struct exchange){ .request = NULL };
    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s",
             vetch_http_server_port(server), path);
    return vetch_http_call_new(client, method, url);
}

static struct exchange *
open_response(vetch_http_call *call)
{
    struct exchange *e = &exchanges[n_exchanges - 1];

    e->response = vetch_run(vetch_http_call_stream(call), NULL);
    ck_assert_ptr_nonnull(e->response);
    return e;
}

void
hstk_open_tunnel(vetch_stream **ret_client, vetch_stream **ret_server)
{
    vetch_http_call *call = new_call("GET", "/raw");
    struct exchange *e;

    vetch_http_call_set_header(call, "Upgrade", "raw");
    e = open_response(call);
    *ret_client = vetch_stream_ref(vetch_http_response_stream(e->response));
    *ret_server = vetch_stream_ref(vetch_http_request_stream(e->request));
}

void
hstk_open_download(vetch_stream **ret_server, vetch_stream **ret_client)
{
    struct exchange *e = open_response(new_call("GET", "/body"));

    *ret_server = vetch_stream_ref(vetch_http_request_stream(e->request));
    *ret_client = vetch_stream_ref(vetch_http_response_stream(e->response));
}

void
hstk_open_upload(vetch_stream **ret_source, vetch_stream **ret_server)
{
    vetch_http_call *call = new_call("POST", "/upload");
    struct exchange *e = &exchanges[n_exchanges - 1];
    vetch_stream *pair[2];

    ck_assert_int_eq(vetch_stream_pair(pair), 0);
    ck_assert_int_eq(vetch_http_call_set_body_stream(call, NULL, pair[1],
                                                     VETCH_HTTP_LENGTH_UNKNOWN),
                     0);
    vetch_stream_unref(pair[1]);
    e->call = vetch_http_call_send(call);
    while (e->request == NULL)
        vt_run_ready();
    *ret_source = pair[0];
    *ret_server = vetch_stream_ref(vetch_http_request_stream(e->request));
}

static void
end_exchange(struct exchange *e)
{
    if (e->handler != NULL)
        vetch_deferred_resolve(e->handler, NULL, NULL);
    vetch_deferred_unref(e->handler);
    if (e->call != NULL) {
        vetch_promise_cancel(e->call);
        vetch_unref(vetch_run(e->call, NULL));
    }
    vetch_http_response_unref(e->response);
}

void
hstk_close(void)
{
    vetch_promise *p;

    if (server == NULL)
        return;
    while (n_exchanges > 0)
        end_exchange(&exchanges[--n_exchanges]);
    client = vetch_http_client_unref(client);
    p = vetch_http_server_stop(server, 0);
    while (vetch_promise_state(p) == VETCH_PENDING) {
        vt_run_ready();
        if (vt_reactor->virtual_clock)
            vt_advance(0.1);
        else
            vetch_run(vetch_sleep(0.01), NULL);
    }
    vetch_promise_unref(p);
    server = vetch_http_server_unref(server);
    vt_run_ready();
    (void)vt_log_take(); /* of what was cut off, or never answered */
}
