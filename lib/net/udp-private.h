/* Datagram sockets, from the inside.
 *
 * What waits to be received waits in the kernel: it has a bound, and counts
 * what it drops. Only when somebody asks, and nothing is left of what was read
 * before, one call takes as much as it gives, and what nobody has asked for yet
 * stands in `queue`. So a turn reads once, and the queue is bounded by that.
 *
 * References are the user's; the last one closes. What is on its way to a
 * receiver (rule 14), and a dispatch, are holds, which keep the memory. */
#ifndef VETCH_UDP_PRIVATE_H
#define VETCH_UDP_PRIVATE_H

#include <netinet/in.h>
#include <stdint.h>

#include <vetch/udp.h>

#include "net/listen-private.h"
#include "net/net-private.h"
#include "net/sockaddr-private.h"

/* How many routes without segmentation offload a socket remembers. */
enum { VETCH__UDP_ROUTES = 8 };
/* As the kernel has it: SCM_MAX_FD. */
enum { VETCH__UDP_DESCRIPTORS_MAX = 253 };

/* ---- datagrams ---- */

/* What only Unix sockets have. */
struct vetch__datagram_extras {
    bool has_credentials;
    bool lost_descriptors;
    int pid;
    unsigned uid, gid;
    size_t next, n; /* descriptors that were not taken: from next to n */
    int fds[];
};

struct vetch_datagram {
    struct vetch__object object;
    struct vetch__list link;               /* in a socket's queue */
    struct vetch__datagram_extras *extras; /* or NULL */
    size_t len;
    uint16_t peer_len;
    bool truncated;
    _Alignas(8) unsigned char room[]; /* the peer, then the data */
};

struct vetch_datagrams {
    struct vetch__object object;
    size_t n;
    vetch_datagram *at[];
};

/* NULL and ENOMEM. */
vetch_datagram *vetch__datagram_new(const struct sockaddr *peer,
                                    socklen_t peer_len, const void *data,
                                    size_t len);
/* Without extras one needs none; NULL and ENOMEM. */
struct vetch__datagram_extras *vetch__datagram_extras_new(size_t n_fds);
/* Close what was not taken, and free them; NULL does nothing. */
void vetch__datagram_extras_free(struct vetch__datagram_extras *extras);

/* ---- sockets ---- */

/* Where segments of `limit` bytes and more are not left to the kernel. */
struct vetch__udp_route {
    struct in6_addr host; /* IPv4 as mapped; all zero: the connected peer */
    size_t limit;
};

struct vetch_udp {
    struct vetch__object object;
    unsigned holds;
    vetch_reactor *reactor; /* NULL once it is closed */
    struct vetch__member member;
    struct vetch__listen_socket socket;
    int family;
    bool connected;
    bool credentials;
    size_t max_bytes, max_descriptors;

    struct event readable;
    bool watching;
    bool offered;            /* what was received is on its way */
    vetch_deferred *waiting; /* a receive that waits, or NULL */
    size_t batch_max;        /* of that: 0: it wants a single one */
    struct vetch__list queue;
    size_t n_queued;
    uint64_t dropped; /* here, or by the kernel before it was closed */

    vetch_udp_error_fn on_error;
    void *on_error_ctx;

    struct event writable;
    struct vetch__list drains; /* those that wait for room */

    struct vetch__udp_route routes[VETCH__UDP_ROUTES];
    unsigned n_routes; /* remembered so far: the oldest gives way */
};

/* ---- udp.c ---- */
bool vetch__udp_check_thread(const vetch_udp *u);
void vetch__udp_hold(vetch_udp *u);
void vetch__udp_let_go(vetch_udp *u);
vetch_error *vetch__udp_closed_error(const vetch_udp *u);

/* ---- udp_options.c ---- */
/* Whether they make sense; -1 and EINVAL. */
int vetch__udp_options_check(const vetch_udp_options *o);
/* Set them on a socket; -1 and errno. */
int vetch__udp_options_set(int fd, int family, const vetch_udp_options *o);

/* ---- udp_receive.c ---- */
void vetch__udp_receive_init(vetch_udp *u);
/* It is being closed: nothing comes any more. */
void vetch__udp_receive_end(vetch_udp *u);

/* ---- udp_errors.c ---- */
/* Tell all that the kernel has. */
void vetch__udp_tell_errors(vetch_udp *u);

/* ---- udp_send.c ---- */
void vetch__udp_send_init(vetch_udp *u);
void vetch__udp_send_end(vetch_udp *u);

/* ---- udp_area.c ---- */

enum { VETCH__UDP_SLOTS = 32, VETCH__UDP_HEADERS = 64, VETCH__UDP_VECS = 1024 };

/* A datagram of UDP, and many that the kernel has put together, fit in. */
#define VETCH__UDP_SLOT ((size_t)65536)

union vetch__udp_control {
    struct cmsghdr align;
    char room[CMSG_SPACE(sizeof(int) * VETCH__UDP_DESCRIPTORS_MAX) +
              CMSG_SPACE(3 * sizeof(int))];
};

/* What one call takes or sends. All sockets of a reactor share it; pages that
 * nothing comes to are never touched. */
struct vetch__udp_area {
    struct mmsghdr in[VETCH__UDP_SLOTS];
    struct iovec in_vec[VETCH__UDP_SLOTS];
    union vetch__address in_peer[VETCH__UDP_SLOTS];
    union vetch__udp_control in_control[VETCH__UDP_SLOTS];

    struct mmsghdr out[VETCH__UDP_HEADERS];
    size_t out_count[VETCH__UDP_HEADERS]; /* how many datagrams each is */
    struct iovec out_vec[VETCH__UDP_VECS];
    union vetch__udp_control out_control[VETCH__UDP_HEADERS];

    char data[VETCH__UDP_SLOTS * VETCH__UDP_SLOT];
};

/* This reactor's; NULL and ENOMEM. */
struct vetch__udp_area *vetch__udp_area_get(struct vetch__net *net);

#endif
