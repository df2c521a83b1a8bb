/* The server: options, routes, the listener. How it stops is in stop.c. */

#include "http/server/server-private.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <vetch/error.h>

#include "base/check-private.h"
#include "base/error-private.h"
#include "base/mem-private.h"
#include "base/options-private.h"

/* ---- options ---- */

/* Whether a time may be that; some may not be zero. */
static bool
is_time(double seconds)
{
    return !isnan(seconds) && seconds >= 0;
}

static bool
is_some_time(double seconds)
{
    return !isnan(seconds) && seconds > 0;
}

static bool
check_options(const vetch_http_server_options *o)
{
    return o->max_connections > 0 && o->max_request_line > 0 &&
           o->max_head_bytes > 0 && o->max_fields > 0 && o->max_pipelined > 0 &&
           o->max_requests > 0 && is_some_time(o->head_seconds) &&
           is_some_time(o->idle_seconds) &&
           is_some_time(o->rate_grace_seconds) &&
           is_time(o->min_bytes_per_second) &&
           !isinf(o->min_bytes_per_second) && is_time(o->linger_seconds);
}

static size_t
at_most(size_t n, size_t max)
{
    return n < max ? n : max;
}

static void
set_head_limits(vetch_http_server *s, const vetch_http_server_options *o)
{
    size_t head = at_most(o->max_head_bytes, VETCH__HTTP_HEAD_MAX);
    size_t line = at_most(o->max_request_line, VETCH__HTTP_HEAD_MAX);

    s->head_limits.head_bytes = head;
    s->head_limits.line_bytes = line;
    /* A field takes four bytes at least: `a:` and its line end. */
    s->max_fields =
        (unsigned)at_most(o->max_fields, at_most(head / 4 + 1, UINT16_MAX));
    /* What may be left in the buffer: less than a head, and all of one read
     * behind it. */
    s->limits.input_bytes = line + head + 2 * VETCH__INPUT_SIZE;
}

/* In nanoseconds; 0 stands for no limit. */
static uint64_t
or_never(double seconds)
{
    return isinf(seconds) ? 0 : vetch__seconds(seconds);
}

static void
announce_keep_alive(vetch_http_server *s, double seconds)
{
    if (seconds >= 1 && !isinf(seconds))
        s->keep_alive_len = (size_t)snprintf(
            s->keep_alive, sizeof(s->keep_alive), "Keep-Alive: timeout=%u\r\n",
            seconds < 1e6 ? (unsigned)seconds : 1000000);
}

static void
set_options(vetch_http_server *s, const vetch_http_server_options *o)
{
    s->limits = vetch__default_limits;
    s->cap_bytes = s->limits.cap_bytes;
    s->limits.cap_bytes = SIZE_MAX; /* what waits is counted here */
    s->limits.min_rate = o->min_bytes_per_second;
    s->limits.linger_ns = vetch__seconds(o->linger_seconds);
    s->limits.linger_bytes = (uint32_t)at_most(o->linger_bytes, UINT32_MAX);
    set_head_limits(s, o);
    s->max_connections = o->max_connections;
    s->max_body_bytes = o->max_body_bytes;
    s->max_requests = o->max_requests;
    s->max_pipelined = (unsigned)at_most(o->max_pipelined, UINT32_MAX);
    s->head_ns = or_never(o->head_seconds);
    s->idle_ns = or_never(o->idle_seconds);
    s->grace_ns = or_never(o->rate_grace_seconds);
    s->min_bytes_per_second = o->min_bytes_per_second;
    announce_keep_alive(s, o->idle_seconds);
}

/* ---- making one ---- */

static void
end_server_with_reactor(struct vetch__member *self)
{
    vetch_http_server *s = vetch__container(self, vetch_http_server, member);

    if (s->object.state == VETCH__SERVER_STOPPING)
        return; /* the listener's promise tells */
    s->object.state = VETCH__SERVER_OVER;
    vetch__member_remove(s->reactor, &s->member);
    vetch_http_server_unref(s);
}

static const struct vetch__member_class server_members = {
    .name = "HTTP server",
    .end = end_server_with_reactor,
};

static vetch_http_server *
server_new(const vetch_http_server_options *options)
{
    vetch_http_server *s = vetch__calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->object = (struct vetch__object){ .type = VETCH__HTTP_SERVER,
                                        .state = VETCH__SERVER_RUNNING,
                                        .refs = 1 };
    s->reactor = vetch__reactor;
    vetch__list_init(&s->connections);
    vetch__list_init(&s->orphans);
    vetch__list_init(&s->leaving);
    s->leaving_flush.fn = vetch__http_cancel_leaving;
    set_options(s, options);
    if (vetch__stop_init(&s->stop, s->reactor, &vetch__http_stop_class, "") <
        0) {
        vetch__free(s);
        return NULL;
    }
    return s;
}

vetch_http_server *
vetch_http_server_new(const char *endpoint,
                      const vetch_http_server_options *options)
{
    vetch_http_server_options o = VETCH_HTTP_SERVER_OPTIONS_INIT;
    vetch_listener_options listening = VETCH_LISTENER_OPTIONS_INIT;
    vetch_http_server *s;

    VETCH_CHECK(endpoint != NULL, EINVAL, NULL);
    VETCH_CHECK(vetch__options_read(&o, sizeof(o), options) &&
                    check_options(&o),
                EINVAL, NULL);
    s = server_new(&o);
    if (s == NULL)
        return NULL;
    listening.max_connections = s->max_connections;
    listening.tls = o.tls;
    s->listener =
        vetch_listener_new(endpoint, vetch__http_conn_new, s, &listening);
    if (s->listener == NULL) {
        int saved = errno;

        vetch_http_server_unref(s);
        errno = saved;
        return NULL;
    }
    s->stop.where = vetch_listener_endpoint(s->listener);
    vetch__member_add(s->reactor, &s->member, &server_members);
    return vetch_http_server_ref(s); /* the other reference is the reactor's */
}

const char *
vetch_http_server_endpoint(const vetch_http_server *s)
{
    VETCH_CHECK(s != NULL, EINVAL, "");
    return vetch_listener_endpoint(s->listener);
}

unsigned
vetch_http_server_port(const vetch_http_server *s)
{
    VETCH_CHECK(s != NULL, EINVAL, 0);
    return vetch_listener_port(s->listener);
}

/* ---- routes ---- */

int
vetch_http_server_route_owned(vetch_http_server *s, const char *method,
                              const char *path, vetch_http_handler_fn handler,
                              void *ctx, vetch_free_fn free_ctx,
                              const vetch_http_route_options *options)
{
    vetch_http_route_options o = VETCH_HTTP_ROUTE_OPTIONS_INIT;
    struct vetch__route route;

    VETCH_CHECK(s != NULL && method != NULL && path != NULL && handler != NULL,
                EINVAL, -1);
    VETCH_CHECK(vetch__options_read(&o, sizeof(o), options), EINVAL, -1);
    route = (struct vetch__route){
        .handler = handler,
        .ctx = ctx,
        .free_ctx = free_ctx,
        .max_body_bytes = o.max_body_bytes,
        .stream = o.stream,
        .cancel_at_half_close = o.cancel_at_half_close,
    };
    return vetch__router_add(&s->router, method, path, &route);
}

int
vetch_http_server_route(vetch_http_server *s, const char *method,
                        const char *path, vetch_http_handler_fn handler,
                        void *ctx, const vetch_http_route_options *options)
{
    return vetch_http_server_route_owned(s, method, path, handler, ctx, NULL,
                                         options);
}

/* ---- its scope ---- */

vetch_scope *
vetch_http_server_scope(vetch_http_server *s)
{
    VETCH_CHECK(s != NULL, EINVAL, NULL);
    return vetch_listener_scope(s->listener);
}

/* ---- references ---- */

vetch_http_server *
vetch_http_server_ref(vetch_http_server *s)
{
    if (s != NULL)
        s->object.refs++;
    return s;
}

vetch_http_server *
vetch_http_server_unref(vetch_http_server *s)
{
    if (s == NULL || --s->object.refs > 0 ||
        (s->object.state != VETCH__SERVER_OVER &&
         vetch__reactor_is_inherited(s->reactor)))
        return NULL;
    vetch_listener_unref(s->listener);
    vetch__http_request_free_spare(s);
    vetch__router_done(&s->router);
    vetch__stop_done(&s->stop);
    vetch__free(s);
    return NULL;
}
