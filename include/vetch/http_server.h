/* The HTTP/1.1 server (RFC 9110, RFC 9112); see vetch_http_server(3).
 * Thread: reactor. */
#ifndef VETCH_HTTP_SERVER_H
#define VETCH_HTTP_SERVER_H

#include <vetch/stream.h>

/* The length of a body of which only the end will tell. */
#define VETCH_HTTP_LENGTH_UNKNOWN UINT64_MAX

/* Answers a request: at once with vetch_http_reply(), or returns a promise by
 * whose end it has done so. Fulfilled without a reply: 500; rejected: 500 and a
 * log line. `request` is borrowed until that promise settles; if the client
 * goes, the promise is cancelled and a late reply does nothing. A client that
 * half-closes has not gone: it gets its responses, unless the route's options
 * say that it cancels. Requests of one connection run side by side only if all
 * are GET, HEAD, OPTIONS or TRACE without a body. */
typedef vetch_promise *(*vetch_http_handler_fn)(vetch_http_request *request,
                                                void *ctx);

/* Sizes in bytes, times in seconds. No limit is VETCH_NO_LIMIT and INFINITY;
 * 0 means zero where a comment says so, and is EINVAL elsewhere. */
typedef struct vetch_http_server_options {
    size_t size; /* set by VETCH_HTTP_SERVER_OPTIONS_INIT */
    size_t max_connections;
    size_t max_request_line;     /* 414 */
    size_t max_head_bytes;       /* 431 */
    size_t max_fields;           /* 431 */
    size_t max_body_bytes;       /* 413, unless a route says otherwise;
                                    0: no bodies */
    size_t max_pipelined;        /* held before reading pauses */
    size_t max_requests;         /* per connection, then it closes */
    double head_seconds;         /* a whole head, from its first byte: 408 */
    double idle_seconds;         /* between requests */
    double rate_grace_seconds;   /* between two looks at the rate */
    double min_bytes_per_second; /* of both bodies; 0: no minimum */
    double linger_seconds; /* reading on after an early response; 0: not */
    size_t linger_bytes;   /* the same; 0: not */
    vetch_tls *tls;        /* https, kept; NULL: as the endpoint says */
} vetch_http_server_options;
#define VETCH_HTTP_SERVER_OPTIONS_INIT                                         \
    {                                                                          \
        .size = sizeof(vetch_http_server_options), .max_connections = 10000,   \
        .max_request_line = 8192, .max_head_bytes = 16384, .max_fields = 100,  \
        .max_body_bytes = 1048576, .max_pipelined = 8, .max_requests = 1000,   \
        .head_seconds = 10.0, .idle_seconds = 75.0, .rate_grace_seconds = 5.0, \
        .min_bytes_per_second = 240.0, .linger_seconds = 2.0,                  \
        .linger_bytes = 262144, .tls = NULL,                                   \
    }

/* For a route: the limit that the server has. */
#define VETCH_HTTP_SERVER_LIMIT (VETCH_NO_LIMIT - 1)

/* How a route treats requests. */
typedef struct vetch_http_route_options {
    size_t size;           /* set by VETCH_HTTP_ROUTE_OPTIONS_INIT */
    size_t max_body_bytes; /* 0: no bodies */
    bool stream;           /* call the handler at the end of the head; it reads
                              the body, without limit on its size */
    bool cancel_at_half_close; /* for long polls and streams: see above */
} vetch_http_route_options;
#define VETCH_HTTP_ROUTE_OPTIONS_INIT                                          \
    {                                                                          \
        .size = sizeof(vetch_http_route_options),                              \
        .max_body_bytes = VETCH_HTTP_SERVER_LIMIT, .stream = false,            \
        .cancel_at_half_close = false,                                         \
    }

VETCH_BEGIN_DECLS

/* Serve on an endpoint (see vetch_listener(3)). NULL options: the defaults.
 *
 * Ownership: returns a new reference; the reactor keeps one until stopped.
 * Errors:    NULL and errno, as vetch_listener_new(). */
VETCH_EXPORT VETCH_NODISCARD vetch_http_server *
vetch_http_server_new(const char *endpoint,
                      const vetch_http_server_options *options);
VETCH_EXPORT const char *vetch_http_server_endpoint(const vetch_http_server *s);
VETCH_EXPORT unsigned vetch_http_server_port(const vetch_http_server *s);

/* Call `handler` for `method` ("*": any) and `path`. In a path a segment
 * `:name` matches one segment that is not empty, and `*name` at the end matches
 * the rest, which may be empty; both are read with vetch_http_request_param().
 * Literal segments win over `:name`, that over `*name`. HEAD falls back to
 * GET's route, without body. No route: 404; none for the method: 405 with
 * Allow; OPTIONS, also for `*`, is answered with Allow unless a route has it.
 * NULL options: the defaults.
 *
 * Ownership: copies strings and options; borrows `ctx` until the server is
 *            gone. `_owned` takes it: `free_ctx` (NULL: nothing) gets it once,
 *            after its last use.
 * Errors:    -1 and errno: EINVAL, malformed; EEXIST; ENOMEM. */
VETCH_EXPORT int
vetch_http_server_route(vetch_http_server *s, const char *method,
                        const char *path, vetch_http_handler_fn handler,
                        void *ctx, const vetch_http_route_options *options);
VETCH_EXPORT int
vetch_http_server_route_owned(vetch_http_server *s, const char *method,
                              const char *path, vetch_http_handler_fn handler,
                              void *ctx, vetch_free_fn free_ctx,
                              const vetch_http_route_options *options);

/* Serve the regular files below `directory` under `prefix` ("/flags/"), with
 * sendfile, types by suffix, Last-Modified; no listing, no dot files, nothing
 * outside the directory: symbolic links are not followed. Files are opened on
 * the loop.
 * Errors: -1 and errno: EINVAL, ENOTDIR, ENOENT, ENOMEM, … */
VETCH_EXPORT int vetch_http_server_files(vetch_http_server *s,
                                         const char *prefix,
                                         const char *directory);

/* The scope of what runs for the server as a whole, borrowed: that of its
 * listener (see vetch_listener_scope()). Errors of its children are logged and
 * end nothing else; the stop cancels it once the last connection is gone, and
 * waits until it is empty. */
VETCH_EXPORT vetch_scope *vetch_http_server_scope(vetch_http_server *s);

/* Stop: accept no more, close idle connections, let requests end (each response
 * says `Connection: close`) and their responses go out; after `seconds`
 * (INFINITY: never) cancel the handlers, a second later abort what is left.
 * Fulfils with a vetch_stop_report (requests that ended, handlers that were
 * cancelled, connections that were cut) when every connection is gone and every
 * handler has ended, those of clients that left included. Handlers that do not
 * end after they were cancelled are named in the log, each 10 s.
 *
 * Calls again and cancels are those of vetch_listener_stop(); so are errors. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_http_server_stop(vetch_http_server *s, double seconds);

VETCH_EXPORT vetch_http_server *vetch_http_server_ref(vetch_http_server *s);
VETCH_EXPORT vetch_http_server *vetch_http_server_unref(vetch_http_server *s);

/* ---- the request: borrowed results live as long as the request ---- */

VETCH_EXPORT const char *vetch_http_request_method(const vetch_http_request *r);
/* The target of the request line, exactly as it came: what a proxy passes on.
 */
VETCH_EXPORT const char *vetch_http_request_target(const vetch_http_request *r);
/* The path: split at its slashes, without `.` and `..` segments, each segment
 * percent-decoded (so a slash may be data: see the page); and the raw query
 * without `?`, "" if there is none. */
VETCH_EXPORT const char *vetch_http_request_path(const vetch_http_request *r);
VETCH_EXPORT const char *vetch_http_request_query(const vetch_http_request *r);
/* What `:name` or `*name` of the route matched, decoded (`a/b` for `a%2Fb`);
 * NULL if none. */
VETCH_EXPORT const char *vetch_http_request_param(const vetch_http_request *r,
                                                  const char *name);
VETCH_EXPORT const char *vetch_http_request_header(const vetch_http_request *r,
                                                   const char *name);
VETCH_EXPORT bool vetch_http_request_header_at(const vetch_http_request *r,
                                               size_t i, const char **ret_name,
                                               const char **ret_value);
VETCH_EXPORT const char *vetch_http_request_peer(const vetch_http_request *r);
/* The whole body; empty on a streaming route. */
VETCH_EXPORT const void *vetch_http_request_body(const vetch_http_request *r,
                                                 size_t *ret_len);
/* The length of the body, if it is known. */
VETCH_EXPORT uint64_t vetch_http_request_length(const vetch_http_request *r);
/* The request as a stream: reading gives the body, on a streaming route as it
 * comes; writing takes the response, from vetch_http_reply_begin() on (EBADF
 * before). `100 Continue` is sent when the first read finds nothing yet. `end`
 * ends the response, and fulfils at once: sending what is left is the server's
 * work. `abort` breaks it off: the connection is reset. After 101, or 2xx to
 * CONNECT, the stream is the connection, both ways, until the handler ends.
 *
 * Ownership: borrowed as `r` is; with a reference it outlives `r` as a stream
 *            that has failed with VETCH_ECLOSED.
 * Errors:    without memory it is a stream that has failed with VETCH_ENOMEM.
 *            Once the client has gone it fails with the cause. */
VETCH_EXPORT vetch_stream *vetch_http_request_stream(vetch_http_request *r);

/* ---- the response ---- */

/* Give the response a field, before it is begun: set replaces those of that
 * name, add appends one. The type that a reply is given replaces a Content-Type
 * that was set. Content-Length can be set on a response to HEAD only, whose
 * body is not sent; see vetch_http_reply_set_length() for others.
 * Errors: -1 and errno: EINVAL, as vetch_http_call_set_header(); EEXIST, the
 *         field is there and can be there only once (add); EALREADY, too late;
 *         ENOMEM. */
VETCH_EXPORT int vetch_http_reply_set_header(vetch_http_request *r,
                                             const char *name,
                                             const char *value);
VETCH_EXPORT int vetch_http_reply_add_header(vetch_http_request *r,
                                             const char *name,
                                             const char *value);
/* The whole response. `body` is copied; `type` may be NULL. A HEAD request gets
 * the head alone.
 * Errors: -1 and errno: EALREADY, there was a reply; EINVAL; ENOBUFS, the hard
 *         cap of the connection would be crossed; ENOMEM (then the connection
 *         is closed). If the client has gone: 0, and nothing. */
VETCH_EXPORT int vetch_http_reply(vetch_http_request *r, unsigned status,
                                  const char *type, const void *body,
                                  size_t len);
/* Begin a response whose body is written to vetch_http_request_stream(): in
 * chunks, or to the end of the connection for HTTP/1.0. 101 only if the request
 * asks for an upgrade; set Upgrade, Connection is the server's.
 * Errors: as above. */
VETCH_EXPORT int vetch_http_reply_begin(vetch_http_request *r, unsigned status,
                                        const char *type);
/* Before that: the body will have exactly this length. More is refused
 * (EMSGSIZE); at an end that comes too early the connection is reset.
 * VETCH_HTTP_LENGTH_UNKNOWN takes it back.
 * Errors: -1 and EALREADY, too late. */
VETCH_EXPORT int vetch_http_reply_set_length(vetch_http_request *r,
                                             uint64_t length);

VETCH_END_DECLS

#endif
