/* Serving and connecting: where streams over the network come from.
 *
 * A connection is served by one call of the handler. Its promise is a child of
 * the listener's scope, so that a stop waits for it; the server holds the
 * stream until it has settled. */
#include "stream/transport-private.h"

#include <errno.h>

#include <vetch/log.h>

#include "base/check-private.h"
#include "base/mem-private.h"
#include "promise/watch-private.h"

struct stream_server {
    vetch_stream_fn handler;
    void *ctx;
    vetch_free_fn free_ctx;
    vetch_stream_options options;
    struct vetch__stream_limits limits;
    struct vetch__limits net_limits;
    vetch_listener *listener; /* borrowed: it owns us */
};

/* ---- one connection ---- */

static struct stream_server *
server_of(const vetch_stream *s)
{
    return ((const struct transport_stream *)(const void *)s)->server;
}

static vetch_promise *
call_stream_handler(void *ctx)
{
    vetch_stream *s = ctx;
    struct stream_server *server = server_of(s);

    return server->handler(s, server->ctx);
}

static vetch_promise *
finish_stream(void *value, void *ctx)
{
    (void)value;
    return vetch_stream_close(ctx);
}

/* Whether the handler only passes on what the connection has told it: of that
 * a log would be full. */
static bool
comes_from_stream(const vetch_stream *s, const vetch_error *error)
{
    for (; error != NULL && s->error != NULL; error = vetch_error_cause(error))
        if (error == s->error)
            return true;
    return false;
}

static vetch_promise *
fail_stream(const vetch_error *error, void *ctx)
{
    vetch_stream *s = ctx;
    bool own = !comes_from_stream(s, error) &&
               vetch_error_code(error) != VETCH_ECANCELED;

    if (!own)
        vetch_log(VETCH_LOG_DEBUG, "stream: %s", vetch_error_text(error));
    vetch_stream_abort(s);
    return own ? vetch_same() : NULL;
}

static void
release_stream(void *ctx)
{
    vetch_stream_unref(ctx);
}

static void
start_handler(struct transport_stream *ts, vetch_transport *t)
{
    vetch_stream *s = &ts->s;
    struct stream_server *server = ts->server;
    vetch_scope *scope = vetch_listener_scope(server->listener);
    vetch_promise *p;

    ts->t = vetch_transport_ref(t);
    vetch__transport_set_limits(t, &server->net_limits);
    if (scope == NULL ||
        vetch_stream_set_idle(s, server->options.idle_seconds) < 0) {
        vetch_stream_abort(s);
        vetch_stream_unref(s);
        return;
    }
    p = server->options.task ? vetch_spawn(call_stream_handler, s)
                             : call_stream_handler(s);
    p = p != NULL ? p : vetch_resolved(NULL, NULL);
    p = vetch_handle(p, finish_stream, fail_stream, s);
    vetch_scope_add(scope, vetch_finally(p, release_stream, s));
}

static vetch_protocol *
make_stream(void *ctx)
{
    struct stream_server *server = ctx;
    struct transport_stream *s = vetch__calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    vetch__transport_stream_init(s, vetch__reactor, &server->limits);
    s->connected = start_handler;
    s->server = server;
    return &s->protocol;
}

/* ---- the listener ---- */

static void
free_server(void *ctx)
{
    struct stream_server *server = ctx;

    if (server->free_ctx != NULL)
        server->free_ctx(server->ctx);
    vetch__free(server);
}

static struct stream_server *
make_server(vetch_stream_fn handler, void *ctx,
            const vetch_stream_options *options)
{
    struct stream_server *server = vetch__calloc(1, sizeof(*server));

    if (server == NULL)
        return NULL;
    if (vetch__stream_options_get(options, &server->options) < 0) {
        vetch__free(server);
        errno = EINVAL;
        return NULL;
    }
    server->handler = handler;
    server->ctx = ctx;
    vetch__stream_limits_of(&server->options, &server->limits);
    server->net_limits = vetch__default_limits;
    server->net_limits.low_bytes = server->options.low_bytes;
    server->net_limits.high_bytes = server->options.high_bytes;
    server->net_limits.cap_bytes = SIZE_MAX;
    server->net_limits.close_ns = vetch__seconds(server->options.close_seconds);
    return server;
}

vetch_listener *
vetch_stream_serve_owned(const char *endpoint, vetch_stream_fn handler,
                         void *ctx, vetch_free_fn free_ctx,
                         const vetch_stream_options *options)
{
    vetch_listener_options o = VETCH_LISTENER_OPTIONS_INIT;
    struct stream_server *server;
    vetch_listener *l;

    VETCH_CHECK(handler != NULL, EINVAL, NULL);
    server = make_server(handler, ctx, options);
    if (server == NULL)
        return NULL;
    o.max_connections = server->options.max_connections;
    o.tls = server->options.tls;
    l = vetch_listener_new_owned(endpoint, make_stream, server, free_server,
                                 &o);
    if (l == NULL) {
        vetch__free(server);
        return NULL;
    }
    server->free_ctx = free_ctx;
    server->listener = l;
    return l;
}

vetch_listener *
vetch_stream_serve(const char *endpoint, vetch_stream_fn handler, void *ctx,
                   const vetch_stream_options *options)
{
    return vetch_stream_serve_owned(endpoint, handler, ctx, NULL, options);
}

/* ---- connecting ---- */

static vetch_promise *
make_connected(void *value, void *ctx)
{
    vetch_stream *s = vetch_stream_over(value, ctx);

    if (s == NULL)
        return vetch__failed(errno, "connect");
    return vetch_resolved(s, vetch_unref);
}

vetch_promise *
vetch_stream_connect(const char *endpoint, const vetch_stream_options *options)
{
    vetch_stream_options *o;

    VETCH_CHECK(endpoint != NULL, EINVAL, &vetch__misused);
    o = vetch__malloc(sizeof(*o));
    if (o == NULL)
        return &vetch__no_memory;
    if (vetch__stream_options_get(options, o) < 0) {
        vetch__free(o);
        return vetch__failed(EINVAL, "connect");
    }
    return vetch_finally(
        vetch_then(vetch__connect(endpoint, o->tls, o->tls_name),
                   make_connected, o),
        vetch__free, o);
}
