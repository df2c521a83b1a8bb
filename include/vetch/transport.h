/* Transports and protocols: the two sides of a connection; see
 * vetch_transport(3) and vetch_protocol(3). Thread: reactor. */
#ifndef VETCH_TRANSPORT_H
#define VETCH_TRANSPORT_H

#include <stdarg.h>
#include <sys/uio.h>

#include <vetch/promise.h>
#include <vetch/scope.h>

/* What happens on a connection, told to the user's protocol object. No call
 * into a transport calls back before it returns. Order: `connected` first and
 * once; `lost` exactly once and last; then `free`. Nothing is received after
 * vetch_transport_close(), _abort() or `ended`. Every member but `size` may be
 * NULL. */
typedef struct vetch_protocol_class {
    size_t size; /* sizeof(vetch_protocol_class) */
    /* `t` is borrowed until `lost` returns. */
    void (*connected)(vetch_protocol *p, vetch_transport *t);
    /* What the protocol does not consume comes again, with more, up to the
     * transport's input limit (then the connection is aborted with
     * VETCH_ETOOLARGE). */
    void (*received)(vetch_protocol *p, vetch_buffer *input);
    /* The peer half-closed, after everything it sent was received. True: stay
     * open for writing; false (and NULL): flush and close. */
    bool (*ended)(vetch_protocol *p);
    /* What waits to be written rose above the high mark, fell to the low. */
    void (*write_paused)(vetch_protocol *p);
    void (*write_resumed)(vetch_protocol *p);
    /* After vetch_transport_end() or _close(): all has gone out, and the peer
     * was told that no more comes. */
    void (*write_ended)(vetch_protocol *p);
    /* What was queued is lost, and no more can be written; but what the peer
     * has sent can still be received. Borrowed. */
    void (*write_failed)(vetch_protocol *p, const vetch_error *reason);
    /* The connection is over. `reason` is NULL after a clean close (ours or the
     * peer's end of stream), else says why: ECONNRESET and the like from the
     * system, ECONNABORTED after vetch_transport_abort(), VETCH_ETIMEDOUT (once
     * closed, the peer was too slow), VETCH_ETOOLARGE (input limit),
     * VETCH_ECLOSED (the reactor or the listener ended). Borrowed. */
    void (*lost)(vetch_protocol *p, const vetch_error *reason);
    void (*free)(vetch_protocol *p);
} vetch_protocol_class;

/* The first member of the user's object. */
struct vetch_protocol {
    const vetch_protocol_class *class_;
};

VETCH_BEGIN_DECLS

/* Connect to an endpoint: `tcp:HOST:PORT`, `tcp:[::1]:PORT`, `tls:HOST:PORT`,
 * `unix:PATH`, `unix:@NAME`, with options; see vetch_endpoint(7). Names are
 * resolved without blocking; the addresses are raced as RFC 8305 says.
 * Fulfils with a vetch_transport that reads nothing until a protocol is
 * attached; freed without one, it is aborted.
 * Errors: VETCH_ECONNECT, whose cause is VETCH_EENDPOINT, one of
 * vetch_resolve() or of the system: where several addresses failed, the code is
 * that of the first which says more than that there is no way, and each error
 * is a suppressed one. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_connect(const char *endpoint);

/* Give a transport its protocol; `connected` is called soon, when nothing of
 * the caller's runs. A transport can be written to, ended, closed and aborted
 * before that, and before it has a protocol: what was queued leaves first, and
 * `connected` is called in every case.
 * Takes `p`: its class's `free` is called after `lost`, and the transport then
 * lives until it is lost.
 * Errors: -1 and errno: EBUSY, it has one; ENOTCONN, it is over. */
VETCH_EXPORT int vetch_transport_attach(vetch_transport *t, vetch_protocol *p);

/* Two transports joined in memory, for tests: the same calls, the same
 * callbacks, no system call. Errors: -1 and errno ENOMEM, EPERM. */
VETCH_EXPORT int vetch_transport_pair(vetch_transport *ret_pair[2]);

/* A transport over descriptors that are open already: pipes, a FIFO, a
 * terminal; or, given twice, a connected stream socket, which is then as if
 * vetch_connect() had made it. `in` is read and `out` written to; -1: there is
 * no such direction. The other side of `out` is told of the end by closing it.
 * The descriptors become non-blocking, and pipes and terminals what they were
 * before when they are closed.
 * Takes both. Errors: NULL and errno: EBADF, not open for that; EPERM, a file
 * or something else that is always ready, or no reactor; ENOTCONN,
 * ESOCKTNOSUPPORT, EMFILE, ENOMEM. */
VETCH_EXPORT VETCH_NODISCARD vetch_transport *vetch_transport_from_fds(int in,
                                                                       int out);
/* A transport over standard input and output, whatever they are, files and
 * /dev/null too (read and written by a thread). Pipes and terminals are opened
 * anew, so that no other process that has them finds them non-blocking. A pipe
 * is closed when its direction ends, and /dev/null takes its place.
 * Errors: NULL and errno: EMFILE, ENOMEM, EPERM (no reactor). */
VETCH_EXPORT VETCH_NODISCARD vetch_transport *vetch_transport_stdio(void);

/* Queue bytes to be written, in order; they leave at the end of the current
 * dispatch, all queued bytes with one system call (at once, if they rise above
 * the high mark).
 *
 * _write copies. _write_owned takes: the bytes stay in place until written or
 * dropped, then `free_fn(free_arg)` is called (NULL: the bytes are static).
 * _writev copies and is all or nothing. _sendfile takes `fd` and closes it when
 * done.
 *
 * Errors: -1 and errno: ENOBUFS, the hard cap would be crossed; ENOMEM; EPIPE,
 *         after close, end, abort or lost. Then nothing was queued. */
VETCH_EXPORT int vetch_transport_write(vetch_transport *t, const void *data,
                                       size_t len);
VETCH_EXPORT int vetch_transport_write_owned(vetch_transport *t,
                                             const void *data, size_t len,
                                             vetch_free_fn free_fn,
                                             void *free_arg);
VETCH_EXPORT int vetch_transport_writev(vetch_transport *t,
                                        const struct iovec *iov, size_t n);
VETCH_EXPORT int vetch_transport_sendfile(vetch_transport *t, int fd,
                                          uint64_t offset, uint64_t len);

/* Queue text, as printf(3) makes it. Errors: as above, and those of
 * vsnprintf(3). */
VETCH_EXPORT int vetch_transport_printf(vetch_transport *t, const char *fmt,
                                        ...) VETCH_PRINTF(2, 3);
VETCH_EXPORT int vetch_transport_vprintf(vetch_transport *t, const char *fmt,
                                         va_list args) VETCH_PRINTF(2, 0);

/* Stop and resume reading: back-pressure towards the peer. After a resume from
 * outside of `received`, what the protocol left there comes again. */
VETCH_EXPORT void vetch_transport_pause(vetch_transport *t);
VETCH_EXPORT void vetch_transport_resume(vetch_transport *t);

/* Marks in bytes. Defaults: low 16 KiB, high 64 KiB, hard cap 16 MiB (sendfile
 * does not count), input limit 1 MiB. Errors: -1 and errno: EINVAL unless
 * low <= high <= cap; ENOMEM. */
VETCH_EXPORT int vetch_transport_set_write_marks(vetch_transport *t,
                                                 size_t low_bytes,
                                                 size_t high_bytes,
                                                 size_t cap_bytes);
VETCH_EXPORT int vetch_transport_set_input_limit(vetch_transport *t,
                                                 size_t limit_bytes);
/* Bytes that wait to be written. */
VETCH_EXPORT size_t vetch_transport_buffered(const vetch_transport *t);

/* Flush what is queued, then close. A peer that reads at least 240 bytes per
 * second gets everything, however long that takes. One that is slower during a
 * close timeout (default 5 s) is given up: what is left is dropped, and `lost`
 * says VETCH_ETIMEDOUT. When all is sent, the peer is told, and what it still
 * sends is dropped until it closes too (for 2 s, 256 KiB): otherwise the kernel
 * would reset the connection, and the peer might lose our last bytes.
 * Idempotent. */
VETCH_EXPORT void vetch_transport_close(vetch_transport *t);
/* How long a peer may take without progress (INFINITY: for ever).
 * Errors: -1 and errno: EINVAL, negative or NaN; ENOMEM. */
VETCH_EXPORT int vetch_transport_set_close_timeout(vetch_transport *t,
                                                   double seconds);
/* Close at once; queued bytes are dropped, and the peer sees a reset (on a Unix
 * socket, the end). `lost` says ECONNABORTED. */
VETCH_EXPORT void vetch_transport_abort(vetch_transport *t);
/* Half-close: flush, then tell the peer that no more comes; reading goes on.
 * Errors: -1 and errno EPIPE. */
VETCH_EXPORT int vetch_transport_end(vetch_transport *t);

/* How TCP watches over a connection, also one with TLS over it. An endpoint can
 * say the same for each connection; see vetch_endpoint(7).
 * _set_keepalive: after so long a silence the peer is asked whether it is still
 * there, and given up when twice that time has passed (INFINITY: never).
 * _set_user_timeout: how long bytes may stay unconfirmed (INFINITY: as long as
 * the system allows). Then `lost` says ETIMEDOUT.
 * _set_nodelay: send small pieces at once (the default), or let the kernel
 * collect them.
 * Errors: -1 and errno: EINVAL, not a time of up to a day; EOPNOTSUPP, it is
 * not TCP; ENOTCONN, it is over. */
VETCH_EXPORT int vetch_transport_set_keepalive(vetch_transport *t,
                                               double seconds);
VETCH_EXPORT int vetch_transport_set_user_timeout(vetch_transport *t,
                                                  double seconds);
VETCH_EXPORT int vetch_transport_set_nodelay(vetch_transport *t, bool on);

/* The scope of what runs for this connection, borrowed; made on first use. It
 * is cancelled when the connection ends, and `lost` waits until it is empty, so
 * that its children may use the protocol. A child that fails ends the
 * connection, with its error as the reason.
 * Errors: NULL and errno: ENOTCONN, the connection is over; ENOMEM. */
VETCH_EXPORT vetch_scope *vetch_transport_scope(vetch_transport *t);

/* Names as endpoint strings (`tcp:127.0.0.1:8001`), borrowed from the
 * transport; never NULL. */
VETCH_EXPORT const char *vetch_transport_peer(vetch_transport *t);
VETCH_EXPORT const char *vetch_transport_local(vetch_transport *t);
/* The process at the other end of a Unix socket, as it was when it connected or
 * began to listen; each may be NULL. Errors: -1 and errno: EOPNOTSUPP, another
 * kind of connection; ENOTCONN. */
VETCH_EXPORT int vetch_transport_peer_credentials(vetch_transport *t,
                                                  int *ret_pid,
                                                  unsigned *ret_uid,
                                                  unsigned *ret_gid);

/* Whether it does not keep vetch_reactor_run_until_idle() going. */
VETCH_EXPORT void vetch_transport_set_background(vetch_transport *t, bool on);

VETCH_EXPORT vetch_transport *vetch_transport_ref(vetch_transport *t);
VETCH_EXPORT vetch_transport *vetch_transport_unref(vetch_transport *t);

VETCH_END_DECLS

#endif
