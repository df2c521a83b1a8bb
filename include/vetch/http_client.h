/* The HTTP/1.1 client (RFC 9110, RFC 9112); see vetch_http_client(3).
 * Thread: reactor. */
#ifndef VETCH_HTTP_CLIENT_H
#define VETCH_HTTP_CLIENT_H

#include <math.h>

#include <vetch/stream.h>

/* The length of a body of which only the end will tell. */
#define VETCH_HTTP_LENGTH_UNKNOWN UINT64_MAX

/* Sizes in bytes, times in seconds. No limit: VETCH_NO_LIMIT, INFINITY. */
typedef struct vetch_http_client_options {
    size_t size; /* set by VETCH_HTTP_CLIENT_OPTIONS_INIT */
    size_t max_connections;
    size_t max_per_host;
    double idle_seconds;    /* how long an unused connection is kept; 0: not */
    double connect_seconds; /* resolving and connecting */
    double head_seconds;    /* from the last byte sent to the head received */
    double body_idle_seconds; /* between two pieces of the body */
    double total_seconds;     /* the whole request, waiting included */
    size_t max_head_bytes;
    size_t max_body_bytes; /* whole bodies, after decoding; not streams;
                              0: only empty ones */
    bool decompress;       /* ask for gzip and deflate, and decode them */
    bool retry;            /* once, idempotent, on a dead reused connection */
    vetch_tls *tls;        /* for https, kept; NULL: a client that trusts the
                              authorities of the system */
} vetch_http_client_options;
#define VETCH_HTTP_CLIENT_OPTIONS_INIT                                         \
    {                                                                          \
        .size = sizeof(vetch_http_client_options), .max_connections = 100,     \
        .max_per_host = 8, .idle_seconds = 10.0, .connect_seconds = 10.0,      \
        .head_seconds = 30.0, .body_idle_seconds = 30.0,                       \
        .total_seconds = INFINITY, .max_head_bytes = 16384,                    \
        .max_body_bytes = 16777216, .decompress = true, .retry = true,         \
        .tls = NULL,                                                           \
    }

typedef struct vetch_http_client_stats {
    size_t size;        /* set by VETCH_HTTP_CLIENT_STATS_INIT */
    size_t connections; /* open or being opened */
    size_t idle;        /* of them, unused */
    size_t waiting;     /* requests that wait for a connection */
    uint64_t opened;    /* connections opened so far */
    uint64_t requests;  /* requests sent so far */
} vetch_http_client_stats;
#define VETCH_HTTP_CLIENT_STATS_INIT                                           \
    {                                                                          \
        .size = sizeof(vetch_http_client_stats),                               \
    }

VETCH_BEGIN_DECLS

/* A client with a pool of keep-alive connections per origin. NULL options: the
 * defaults above.
 * Ownership: returns a new reference; requests in flight keep it alive; idle
 *            connections close with the last reference.
 * Errors:    NULL and errno: ENOMEM; EINVAL; EPERM, no reactor; ECANCELED. */
VETCH_EXPORT VETCH_NODISCARD vetch_http_client *
vetch_http_client_new(const vetch_http_client_options *options);
VETCH_EXPORT vetch_http_client *vetch_http_client_ref(vetch_http_client *c);
VETCH_EXPORT vetch_http_client *vetch_http_client_unref(vetch_http_client *c);
/* How things are; `ret` was set up with VETCH_HTTP_CLIENT_STATS_INIT. */
VETCH_EXPORT void vetch_http_client_get_stats(const vetch_http_client *c,
                                              vetch_http_client_stats *ret);

/* Whole exchanges: fulfil with a vetch_http_response whose body is complete,
 * whatever its status. All strings are copied before the call returns.
 * Errors (all wrapped as "GET URL: …"): VETCH_EURL; those of vetch_connect();
 * VETCH_ETIMEDOUT; VETCH_EPROTO_HTTP; VETCH_ETRUNCATED, the body is shorter
 * than announced; VETCH_ETOOLARGE; VETCH_ECODING; VETCH_EEOF; VETCH_ECLOSED. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_http_get(vetch_http_client *c,
                                                           const char *url);
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_http_head(vetch_http_client *c, const char *url);
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_http_post(vetch_http_client *c, const char *url, const char *type,
                const void *body, size_t len);

/* Any exchange: make a call, set it up, send it once.
 * Ownership: single owner; _send and _stream consume it, else _free.
 * Errors:    NULL and ENOMEM if it cannot be made. An invalid method (EINVAL)
 *            or URL (VETCH_EURL) is reported by _send. */
VETCH_EXPORT VETCH_NODISCARD vetch_http_call *
vetch_http_call_new(vetch_http_client *c, const char *method, const char *url);
/* Set a field, in place of all of that name; or add one.
 * Errors: -1 and errno: EINVAL, an invalid name, a value with control
 *         characters (RFC 9110, section 5.5), or a field that belongs to the
 *         library (Host, Expect and the framing fields); EEXIST, _add: the
 *         field is there and may be there only once; ENOMEM. */
VETCH_EXPORT int vetch_http_call_set_header(vetch_http_call *call,
                                            const char *name,
                                            const char *value);
VETCH_EXPORT int vetch_http_call_add_header(vetch_http_call *call,
                                            const char *name,
                                            const char *value);
/* The body, which is copied; a `type` that is not NULL sets Content-Type.
 * Errors: -1 and errno: EINVAL, an invalid type; ENOMEM. */
VETCH_EXPORT int vetch_http_call_set_body(vetch_http_call *call,
                                          const char *type, const void *body,
                                          size_t len);
/* The body as `length` bytes that are read from a stream while they are sent;
 * VETCH_HTTP_LENGTH_UNKNOWN: in chunks, up to its end. Nothing is read before
 * there is a connection; once something was, the call is not tried again. If
 * the stream fails or ends early, so does the call.
 * Ownership: keeps a reference to `stream` until the call is over: answered,
 *            and the response read to its end or released.
 * Errors:    -1 and errno: EINVAL, an invalid type; ENOMEM. */
VETCH_EXPORT int vetch_http_call_set_body_stream(vetch_http_call *call,
                                                 const char *type,
                                                 vetch_stream *stream,
                                                 uint64_t length);
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_http_call_send(vetch_http_call *call);
/* As _send, but fulfils when the head has come; the body is read from
 * vetch_http_response_stream(). NULL `call` (from a failed _new) is a rejection
 * with VETCH_ENOMEM in both. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_http_call_stream(vetch_http_call *call);
VETCH_EXPORT void vetch_http_call_free(vetch_http_call *call);

/* What came back. Borrowed results live as long as the response. */
VETCH_EXPORT unsigned vetch_http_response_status(const vetch_http_response *r);
/* The value of the first field of that name, in any case of letters; NULL if
 * there is none. */
VETCH_EXPORT const char *
vetch_http_response_header(const vetch_http_response *r, const char *name);
/* All fields in order; false past the last. */
VETCH_EXPORT bool vetch_http_response_header_at(const vetch_http_response *r,
                                                size_t i, const char **ret_name,
                                                const char **ret_value);
/* The whole body, followed by a NUL that is not counted; never NULL. Empty for
 * a stream. */
VETCH_EXPORT const void *vetch_http_response_body(const vetch_http_response *r,
                                                  size_t *ret_len);
/* The length of the body, as far as it is known: what the head announces (also
 * of a response to HEAD), unless it is decoded. */
VETCH_EXPORT uint64_t vetch_http_response_length(const vetch_http_response *r);
/* The body as a stream, also one that came whole. What is not read is not
 * received: back-pressure to the peer. After 101, which is accepted if Upgrade
 * was set and vetch_http_call_stream() sent it, the stream is the connection,
 * both ways.
 *
 * Ownership: borrowed as `r` is; with a reference it outlives `r` as a stream
 *            that has failed with VETCH_ECLOSED.
 * Errors:    without memory it is a stream that has failed with VETCH_ENOMEM.
 */
VETCH_EXPORT vetch_stream *vetch_http_response_stream(vetch_http_response *r);
/* Releasing a response whose stream was not read to its end closes its
 * connection and rejects a pending read; otherwise the connection has gone back
 * to the pool. */
VETCH_EXPORT vetch_http_response *
vetch_http_response_ref(vetch_http_response *r);
VETCH_EXPORT vetch_http_response *
vetch_http_response_unref(vetch_http_response *r);

VETCH_END_DECLS

#endif
