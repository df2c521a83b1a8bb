/* Streams: one vocabulary for every flow of bytes; see vetch_stream(3).
 *
 * A stream is asked, where a protocol is called: every wait is a promise. A
 * connection, one end of a pair, a body, a child's output and what a program
 * makes itself are all streams.
 *
 * Everything here: Thread: reactor. */
#ifndef VETCH_STREAM_H
#define VETCH_STREAM_H

#include <stdarg.h>
#include <sys/uio.h>

#include <vetch/listener.h>
#include <vetch/promise.h>
#include <vetch/tls.h>

/* Serves one connection. `s` is borrowed until the promise settles; then what
 * was written is flushed and the connection closed or, if it rejects, aborted.
 * The peer's end does not cancel the handler: its next read tells. */
typedef vetch_promise *(*vetch_stream_fn)(vetch_stream *s, void *ctx);

/* Sizes in bytes, times in seconds (INFINITY: no limit). */
typedef struct vetch_stream_options {
    size_t size;             /* set by VETCH_STREAM_OPTIONS_INIT */
    size_t max_connections;  /* of a server; above it accepting waits */
    size_t read_ahead_bytes; /* received before anybody has asked */
    size_t low_bytes;        /* the marks of what waits to be written */
    size_t high_bytes;
    size_t cap_bytes;
    double idle_seconds;  /* see vetch_stream_set_idle() */
    double close_seconds; /* without progress, once it is being closed */
    bool task;            /* of a server: the handler runs as a task */
    vetch_tls *tls; /* the connection has TLS; NULL: as the endpoint says */
    const char *tls_name; /* whom to expect; NULL: the endpoint's host */
} vetch_stream_options;
#define VETCH_STREAM_OPTIONS_INIT                                              \
    {                                                                          \
        .size = sizeof(vetch_stream_options), .max_connections = 10000,        \
        .read_ahead_bytes = 65536, .low_bytes = 16384, .high_bytes = 65536,    \
        .cap_bytes = 16777216, .idle_seconds = __builtin_inf(),                \
        .close_seconds = 5.0, .task = false, .tls = NULL, .tls_name = NULL     \
    }

typedef struct vetch_copy_options {
    size_t size;          /* set by VETCH_COPY_OPTIONS_INIT */
    uint64_t count_bytes; /* exactly these, VETCH_EEOF if there are fewer;
                             UINT64_MAX: up to the end */
    uint64_t limit_bytes; /* VETCH_ETOOLARGE if more comes; UINT64_MAX: none */
    bool keep_open;       /* do not end `to` after the last byte */
} vetch_copy_options;
#define VETCH_COPY_OPTIONS_INIT                                                \
    {                                                                          \
        .size = sizeof(vetch_copy_options), .count_bytes = UINT64_MAX,         \
        .limit_bytes = UINT64_MAX, .keep_open = false                          \
    }

/* What a program's own stream is made of. It is asked for pieces and given
 * pieces; lines, limits, marks and putting back are the library's. Each of the
 * functions that return a promise has one call pending at a time, and is
 * cancelled by abort only. NULL: there is no such direction, or nothing to do.
 */
typedef struct vetch_stream_class {
    size_t size; /* sizeof(vetch_stream_class) */
    /* The next bytes, as vetch_bytes of at most `max_bytes`; NULL at the end.
     */
    vetch_promise *(*read)(void *self, size_t max_bytes);
    /* Settles when more may come. `bytes` are borrowed until then. */
    vetch_promise *(*write)(void *self, vetch_bytes *bytes);
    /* After the last write: tell the other side. */
    vetch_promise *(*end)(void *self);
    /* After `end`: give back what is left. */
    vetch_promise *(*close)(void *self);
    /* At once; what is pending is cancelled next. */
    void (*abort)(void *self);
    /* Nothing is pending any more, and nobody will call again. */
    void (*free)(void *self);
} vetch_stream_class;

VETCH_BEGIN_DECLS

/* ---- making ---- */

/* Listen as vetch_listener_new() does, and call `handler` for each connection.
 * NULL options: the defaults. Borrows `ctx` until the listener has stopped;
 * `_owned` hands it to `free_ctx`. */
VETCH_EXPORT VETCH_NODISCARD vetch_listener *
vetch_stream_serve(const char *endpoint, vetch_stream_fn handler, void *ctx,
                   const vetch_stream_options *options);
VETCH_EXPORT VETCH_NODISCARD vetch_listener *
vetch_stream_serve_owned(const char *endpoint, vetch_stream_fn handler,
                         void *ctx, vetch_free_fn free_ctx,
                         const vetch_stream_options *options);
/* As vetch_connect(), but fulfils with a vetch_stream. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_stream_connect(const char *endpoint, const vetch_stream_options *options);
/* The stream over a transport that has no protocol yet.
 * Ownership: new reference; keeps one to `t`.
 * Errors:    NULL and errno: EBUSY, ENOTCONN, ENOMEM. */
VETCH_EXPORT VETCH_NODISCARD vetch_stream *
vetch_stream_over(vetch_transport *t, const vetch_stream_options *options);
/* A stream over descriptors, as vetch_transport_from_fds() takes them, and over
 * standard input and output.
 * Ownership: new reference; takes the descriptors.
 * Errors:    NULL and errno: theirs; EINVAL. */
VETCH_EXPORT VETCH_NODISCARD vetch_stream *
vetch_stream_from_fds(int in, int out, const vetch_stream_options *options);
VETCH_EXPORT VETCH_NODISCARD vetch_stream *
vetch_stream_stdio(const vetch_stream_options *options);
/* Two streams joined in memory. Errors: -1 and errno ENOMEM, EPERM. */
VETCH_EXPORT int vetch_stream_pair(vetch_stream *ret_pair[2]);
/* A stream of one's own. Ownership: new reference; takes `self`.
 * Errors: NULL and errno: ENOMEM, EINVAL, EPERM. */
VETCH_EXPORT VETCH_NODISCARD vetch_stream *
vetch_stream_new(const vetch_stream_class *class_, void *self,
                 const vetch_stream_options *options);

/* ---- reading: each fulfils with vetch_bytes, or NULL at the orderly end ----
 *
 * A read is pending until its value was delivered to a handler, an await, a run
 * or a callback: cancelled or dropped before, its bytes are the first of the
 * next read. Limits are in bytes, above 0; VETCH_NO_LIMIT: none.
 *
 * Errors: what broke the stream; VETCH_ETRUNCATED, the other side broke off;
 * VETCH_ETOOLARGE and VETCH_EEOF, which leave the bytes where they are;
 * VETCH_EMISUSE, another read or copy is pending; VETCH_ECLOSED after close;
 * EBADF, nothing can be read here; EINVAL; VETCH_ENOMEM. */

/* What is there, at least one byte and at most `max_bytes`. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_stream_read(vetch_stream *s,
                                                              size_t max_bytes);
/* Exactly `len` bytes; VETCH_EEOF if the end comes first, even at once. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_stream_read_exactly(vetch_stream *s, size_t len);
/* Up to and with `delimiter`, of which a copy is made; what is left before the
 * end comes without it. VETCH_ETOOLARGE if that is longer than the limit. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_stream_read_until(vetch_stream *s, const char *delimiter,
                        size_t limit_bytes);
/* A line, without its LF or CRLF; the last one may have none. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_stream_read_line(vetch_stream *s, size_t limit_bytes);
/* All up to the end; never NULL. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_stream_read_all(vetch_stream *s, size_t limit_bytes);

/* ---- writing ----
 *
 * These queue and return, all or nothing. A failure is sticky, as in stdio:
 * drain, send, end, close and copy then reject with its cause, so that the
 * result may be left unchecked where one of them follows.
 *
 * Errors: -1 and errno: ENOBUFS, more than the hard cap waits already; ENOMEM;
 * EPIPE, after end, close or a failure; EBADF, nothing can be written here;
 * EBUSY, a copy into it is running (not sticky: nothing is lost). */
VETCH_EXPORT int vetch_stream_write(vetch_stream *s, const void *data,
                                    size_t len);
/* Not copied: takes a reference of its own. NULL `bytes` is ENOMEM. */
VETCH_EXPORT int vetch_stream_write_bytes(vetch_stream *s, vetch_bytes *bytes);
VETCH_EXPORT int vetch_stream_writev(vetch_stream *s, const struct iovec *iov,
                                     size_t n);
VETCH_EXPORT int vetch_stream_printf(vetch_stream *s, const char *fmt, ...)
    VETCH_PRINTF(2, 3);
VETCH_EXPORT int vetch_stream_vprintf(vetch_stream *s, const char *fmt,
                                      va_list args) VETCH_PRINTF(2, 0);
/* Fulfils, without a value, when at most the high mark waits to go out; rejects
 * with the cause once the stream is broken. Any number may wait. Cancelling
 * ends the wait. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_stream_drain(vetch_stream *s);
/* Write and drain: fulfilled means "go on", not "it has gone out". */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_stream_send(vetch_stream *s, const void *data, size_t len);

/* ---- ending ---- */

/* No more writing: fulfils when all has gone out and the other side was told;
 * rejects if bytes were lost. Cancelling ends the wait. A second call is
 * another wait for the same. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_stream_end(vetch_stream *s);
/* Flush and close both directions: fulfils when it is over; rejects with the
 * cause if bytes were lost. Pending reads reject with VETCH_ECLOSED at once.
 * Cancelling aborts. The stream needs no reference any more. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_stream_close(vetch_stream *s);
/* End it now and drop what is queued: what is pending rejects with
 * ECONNABORTED. Idempotent. */
VETCH_EXPORT void vetch_stream_abort(vetch_stream *s);
VETCH_EXPORT vetch_stream *vetch_stream_ref(vetch_stream *s);
/* Releasing the last reference ends the stream, also while something is
 * pending, which then rejects with ECONNABORTED: with nothing queued the other
 * side sees the end, otherwise a reset. After vetch_stream_close() it changes
 * nothing. */
VETCH_EXPORT vetch_stream *vetch_stream_unref(vetch_stream *s);

/* ---- moving ---- */

/* Move everything from one stream to another, then end `to` and fulfil, without
 * a value, when that has been done. Rejects with the first cause, also if `to`
 * breaks while `from` is silent. Borrows both until settled; they may be the
 * same (an echo). In every outcome each byte is on `to` or can still be read
 * from `from`. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_stream_copy(vetch_stream *from, vetch_stream *to,
                  const vetch_copy_options *options);
/* Both ways, half-closes passed on. Settles when both directions have; the
 * failure of one cancels the other and aborts both. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_stream_join(vetch_stream *a,
                                                              vetch_stream *b);

/* ---- TLS ---- */

/* TLS from here on: fulfils, without a value, when the handshake is done.
 * Client or server by `tls`; `name` is whom a client expects. What was written
 * before leaves in the clear, what is written from now on when TLS stands. What
 * was received and not read is taken for TLS by a client; a server refuses it.
 * If it fails or is cancelled the stream is broken.
 * Errors: those of vetch_tls_start(); VETCH_EMISUSE, a read or copy is pending;
 * VETCH_ECLOSED, one of the directions has ended; EBADF, it is no connection:
 * these change nothing. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_stream_start_tls(vetch_stream *s, vetch_tls *tls, const char *name);
/* As vetch_transport_tls(). */
VETCH_EXPORT const vetch_tls_info *vetch_stream_tls(const vetch_stream *s);

/* ---- looking, settings ---- */

/* What was handed out, what was queued so far. */
VETCH_EXPORT uint64_t vetch_stream_bytes_read(const vetch_stream *s);
VETCH_EXPORT uint64_t vetch_stream_bytes_written(const vetch_stream *s);
/* What broke it, borrowed, or NULL. */
VETCH_EXPORT const vetch_error *vetch_stream_error(const vetch_stream *s);
/* Names as endpoint strings; "" for what has none. Borrowed, never NULL. */
VETCH_EXPORT const char *vetch_stream_peer(const vetch_stream *s);
VETCH_EXPORT const char *vetch_stream_local(const vetch_stream *s);
/* Break the stream with VETCH_ETIMEDOUT when somebody waits for it and nothing
 * has moved for so long. INFINITY: never. Errors: -1 and errno: EINVAL, zero,
 * negative or NaN; ENOMEM. */
VETCH_EXPORT int vetch_stream_set_idle(vetch_stream *s, double seconds);

VETCH_END_DECLS

#endif
