/* What all connections of one reactor share: the area that sockets are read
 * into, recycled memory, the descriptor kept in reserve, the resolver. It is
 * made on first use and freed when the reactor has ended. */
#ifndef VETCH_NET_PRIVATE_H
#define VETCH_NET_PRIVATE_H

#include <vetch/resolver.h>

#include "base/buffer-private.h"
#include "reactor/reactor-private.h"

struct vetch__chunk;
struct vetch__udp_area; /* see udp-private.h */
struct vetch__conduit;

/* How much one read takes at most. */
#define VETCH__INPUT_SIZE ((size_t)65536)

/* The most that one TLS record holds; how much of a file is read for them. */
#define VETCH__RECORD_SIZE  ((size_t)16384)
#define VETCH__RECORDS_SIZE (4 * VETCH__RECORD_SIZE)

enum { VETCH__SPARE_BUFFERS = 32 };

struct vetch__net {
    /* Every read goes here first: what a protocol leaves is copied away, so
     * that an idle connection holds no buffer. */
    vetch_buffer input;

    struct vetch__name_cache *names; /* made on first use */
    struct vetch__list lookups;      /* that somebody waits for */
    vetch_connect_filter_fn filter;  /* NULL: all addresses are welcome */
    void *filter_ctx;

    struct vetch__chunk *spare_chunks;
    unsigned n_spare_chunks;
    vetch_buffer *spare_buffers[VETCH__SPARE_BUFFERS];
    unsigned n_spare_buffers;

    struct vetch__conduit *spare_conduits;
    unsigned n_conduits, n_spare_conduits; /* all; of them, those */

    int reserve_fd; /* given up for a moment to refuse connections; or -1 */
    struct vetch__list starved; /* listeners that wait for a descriptor */
    void (*wake_starved)(struct vetch__net *net);

    struct vetch__udp_area *udp_area; /* made by the first datagram socket */

    vetch_executor *resolver; /* threads of its own, made on first use */
    vetch_executor *files;    /* the same, of the stream layer */

    /* What connections with TLS share. */
    vetch_buffer spare_input;       /* for what is decoded out of `input` */
    char *records;                  /* VETCH__RECORDS_SIZE, made on first use */
    struct vetch_tls *usual_client; /* of endpoints without options */
};

/* This reactor's; NULL and ENOMEM. */
struct vetch__net *vetch__net_get(vetch_reactor *r);

/* Its threads for files, which are made on first use; NULL and errno. */
vetch_executor *vetch__net_files(vetch_reactor *r);

/* A buffer for input that a protocol left, and back. */
vetch_buffer *vetch__net_take_buffer(struct vetch__net *net);
void vetch__net_give_buffer(struct vetch__net *net, vetch_buffer *b);

/* ---- conduit.c ---- */
/* A pipe for bytes that go from one descriptor to another and need not be
 * looked at. */
struct vetch__conduit {
    struct vetch__conduit *next;
    int from, to;    /* the end to read, the end to write */
    size_t capacity; /* bytes, at most */
};
/* An empty one. NULL: there are enough already, or there is none. */
struct vetch__conduit *vetch__conduit_take(struct vetch__net *net);
void vetch__conduit_give(struct vetch__net *net, struct vetch__conduit *pipe,
                         bool empty);
void vetch__conduits_done(struct vetch__net *net);

/* A descriptor was closed: listeners that lack one may go on. */
static inline void
vetch__net_descriptor_closed(struct vetch__net *net)
{
    if (vetch__unlikely(!vetch__list_empty(&net->starved)))
        net->wake_starved(net);
}

#endif
