/* Datagrams over UDP and over Unix sockets; see vetch_udp(3) and
 * vetch_datagram(3). Thread: reactor. */
#ifndef VETCH_UDP_H
#define VETCH_UDP_H

#include <sys/socket.h>

#include <vetch/promise.h>

typedef struct vetch_udp_options {
    size_t size;      /* set by VETCH_UDP_OPTIONS_INIT */
    size_t max_bytes; /* of a datagram that comes; what is longer is cut */
    /* What the kernel keeps until it is asked for, and what it takes to be
     * sent; 0: as much as the system has set. */
    size_t receive_buffer_bytes, send_buffer_bytes;
    bool broadcast; /* sending to broadcast addresses is allowed */
    /* Multicast that is sent: how far, whether this machine hears it too, and
     * by which interface, such as "eth0" (NULL: as the system routes it). */
    unsigned multicast_hops;
    bool multicast_loop;
    const char *multicast_interface;
    /* Unix: what comes with a datagram: who sent it, and so many descriptors.
     */
    bool credentials;
    size_t max_descriptors;
} vetch_udp_options;
#define VETCH_UDP_OPTIONS_INIT                                                 \
    {                                                                          \
        .size = sizeof(vetch_udp_options), .max_bytes = 65536,                 \
        .receive_buffer_bytes = 0, .send_buffer_bytes = 0, .broadcast = false, \
        .multicast_hops = 1, .multicast_loop = true,                           \
        .multicast_interface = NULL, .credentials = false,                     \
        .max_descriptors = 0,                                                  \
    }

/* A datagram to be sent; nothing in it is kept. */
typedef struct vetch_udp_message {
    size_t size; /* sizeof(vetch_udp_message), in the first of an array */
    const void *data;
    size_t len;
    const struct sockaddr *to; /* NULL: the connected peer */
    socklen_t to_len;
    const int *descriptors; /* Unix: copies go along; at most 253 */
    size_t n_descriptors;
} vetch_udp_message;

/* An ICMP error: what was sent to `to` did not arrive. `error` and `to` are
 * borrowed. */
typedef void (*vetch_udp_error_fn)(vetch_udp *u, const vetch_error *error,
                                   const struct sockaddr *to, socklen_t to_len,
                                   void *ctx);

VETCH_BEGIN_DECLS

/* ---- sockets ---- */

/* Send and receive at `udp:HOST:PORT` (port 0: the kernel's choice),
 * `unixgram:PATH` or `unixgram:@NAME`, or with a datagram socket that somebody
 * else has made, `fd:N`; see vetch_endpoint(7). NULL options: the defaults.
 *
 * Ownership: returns a new reference.
 * Errors:    NULL and errno: EINVAL, malformed endpoint or options (ask
 *            vetch_endpoint_check()); EADDRINUSE, EACCES, …; ENODEV, no such
 *            interface; EPROTONOSUPPORT; ENOMEM; EPERM, no reactor; ECANCELED,
 *            the reactor is ending. */
VETCH_EXPORT VETCH_NODISCARD vetch_udp *
vetch_udp_new(const char *endpoint, const vetch_udp_options *options);

/* Fulfils with a vetch_udp that talks to `endpoint` alone, from an address that
 * the kernel chose: only what that peer sends comes in, and its ICMP errors.
 * Nothing is sent. Freed, it is closed.
 * Errors: VETCH_ECONNECT around the cause. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_udp_connect(const char *endpoint, const vetch_udp_options *options);

/* Where it receives, with the port that the kernel gave: usable for
 * vetch_udp_connect(). Borrowed. */
VETCH_EXPORT const char *vetch_udp_endpoint(const vetch_udp *u);
/* The UDP port, 0 for other kinds. */
VETCH_EXPORT unsigned vetch_udp_port(const vetch_udp *u);

/* ---- receiving ---- */

/* The next datagram, a vetch_datagram: offered, so one that nobody got is the
 * next one again. One call of these two at a time.
 * Errors: what the peer of a connected socket has made of what was sent
 * (ECONNREFUSED), after which it goes on; VETCH_EMISUSE, another one is
 * pending; VETCH_ECLOSED. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_udp_receive(vetch_udp *u);
/* What is there, at least one and at most `max`: vetch_datagrams. Errors: the
 * same; EINVAL for 0. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_udp_receive_many(vetch_udp *u,
                                                                   size_t max);
/* How many datagrams came and were dropped, because more waited than there is
 * room for, or for want of memory. */
VETCH_EXPORT uint64_t vetch_udp_dropped(const vetch_udp *u);

/* Hear of ICMP errors on a socket that is not connected; NULL: no more. They
 * come while a receive is pending. Borrows `ctx`. Errors: -1 and errno: EINVAL,
 * not UDP, or connected. */
VETCH_EXPORT int vetch_udp_set_error_fn(vetch_udp *u, vetch_udp_error_fn fn,
                                        void *ctx);

/* ---- sending ---- */

/* Send `n` datagrams: how many have gone out. If fewer, errno is of the first
 * that has not: EAGAIN, there is no room (see vetch_udp_drain(); nothing is
 * queued here); EMSGSIZE, it is too long; ECONNREFUSED, what was sent before
 * did not arrive, and this has not been tried; EPIPE, closed; …
 * Runs of equal length to one peer are cut up by the kernel, where it can. */
VETCH_EXPORT size_t vetch_udp_send(vetch_udp *u,
                                   const vetch_udp_message *messages, size_t n);
/* Fulfils, without value, when the kernel has room again. Any number may wait.
 * Errors: VETCH_ECLOSED. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_udp_drain(vetch_udp *u);

/* ---- multicast ---- */

/* Receive what is sent to `group`, an address, and comes by `interface` (NULL:
 * as the system routes it); no more. Errors: -1 and errno: EINVAL, no address;
 * ENODEV, no such interface; EADDRINUSE, joined already; EADDRNOTAVAIL, not
 * joined; … */
VETCH_EXPORT int vetch_udp_join(vetch_udp *u, const char *group,
                                const char *interface);
VETCH_EXPORT int vetch_udp_leave(vetch_udp *u, const char *group,
                                 const char *interface);

/* ---- the end ---- */

/* Stop: what is pending rejects with VETCH_ECLOSED, and what nobody asked for
 * is dropped. Idempotent. */
VETCH_EXPORT void vetch_udp_close(vetch_udp *u);
VETCH_EXPORT vetch_udp *vetch_udp_ref(vetch_udp *u);
/* The last one closes it. */
VETCH_EXPORT vetch_udp *vetch_udp_unref(vetch_udp *u);

/* ---- what came ---- */

VETCH_EXPORT const void *vetch_datagram_data(const vetch_datagram *d,
                                             size_t *ret_len);
/* Who sent it, borrowed; NULL: a Unix socket without a name. */
VETCH_EXPORT const struct sockaddr *vetch_datagram_peer(const vetch_datagram *d,
                                                        socklen_t *ret_len);
/* Whether it was longer than `max_bytes`, and the rest is lost. */
VETCH_EXPORT bool vetch_datagram_is_truncated(const vetch_datagram *d);
/* The process that sent it, as the kernel says; false: it does not, or was not
 * asked to. */
VETCH_EXPORT bool vetch_datagram_credentials(const vetch_datagram *d,
                                             int *ret_pid, unsigned *ret_uid,
                                             unsigned *ret_gid);
/* How many descriptors are left to be taken. */
VETCH_EXPORT size_t vetch_datagram_descriptors(const vetch_datagram *d);
/* The next descriptor, close-on-exec, which is the caller's then; what nobody
 * takes is closed with the datagram. Errors: -1 and errno ENOENT, no more. */
VETCH_EXPORT int vetch_datagram_take_descriptor(vetch_datagram *d);
/* Whether descriptors were lost: there were more than `max_descriptors`, or
 * than the process may have. */
VETCH_EXPORT bool vetch_datagram_has_lost_descriptors(const vetch_datagram *d);
VETCH_EXPORT vetch_datagram *vetch_datagram_ref(vetch_datagram *d);
VETCH_EXPORT vetch_datagram *vetch_datagram_unref(vetch_datagram *d);

VETCH_EXPORT size_t vetch_datagrams_count(const vetch_datagrams *batch);
/* The i-th, borrowed. NULL past the last. */
VETCH_EXPORT vetch_datagram *vetch_datagrams_get(const vetch_datagrams *batch,
                                                 size_t i);
VETCH_EXPORT vetch_datagrams *vetch_datagrams_ref(vetch_datagrams *batch);
VETCH_EXPORT vetch_datagrams *vetch_datagrams_unref(vetch_datagrams *batch);

VETCH_END_DECLS

#endif
