/* Transports over one or two descriptors that are no connected socket: pipes,
 * terminals, standard input and output. */
#ifndef VETCH_PIPE_PRIVATE_H
#define VETCH_PIPE_PRIVATE_H

#include "net/transport-private.h"

/* One direction. */
struct vetch__pipe_end {
    int fd;         /* -1: there is no such direction, or no more */
    int original;   /* what `fd` was opened anew from and null takes the place
                       of, once this direction has ended; or -1 */
    int flags;      /* to be given back to the open file description; or -1 */
    bool owned;     /* `fd` is to be closed */
    bool by_thread; /* epoll refuses it: a thread reads or writes it */
    bool watched;   /* `event` is on */
    bool ended;     /* by thread: the end was read */
    struct event event;
    vetch_promise *job; /* by thread: the watch of what runs; or NULL */
    vetch_bytes *bytes; /* by thread: read and not delivered yet */
};

struct vetch__pipe {
    vetch_transport t; /* first */
    struct vetch__pipe_end in, out;
    struct event hangup;      /* of what is written to */
    bool is_socket;           /* what is written to is */
    bool is_pipe;             /* it is, and only written to */
    bool watches_hangup;      /* `hangup` is on */
    struct vetch__flush pull; /* by thread: deliver what was read */
    size_t under_way;         /* by thread: bytes that are being written */
};

static inline struct vetch__pipe *
vetch__pipe_of(vetch_transport *t)
{
    return (struct vetch__pipe *)t;
}

/* ---- pipe.c ---- */

/* Takes the descriptors, -1 for a direction that there is not, both
 * non-blocking; `name`, which is copied, or NULL. NULL and ENOMEM. */
vetch_transport *vetch__pipe_transport_new(vetch_reactor *r, int in, int out,
                                           const char *name);
/* Takes what `in` and `out` say, which is complete but for the events. */
vetch_transport *vetch__pipe_make(vetch_reactor *r,
                                  const struct vetch__pipe_end *in,
                                  const struct vetch__pipe_end *out,
                                  bool is_stdio);
/* A transport that was made of descriptors shall leave them alone: whoever
 * wanted it has failed. */
void vetch__pipe_disown(vetch_transport *t);

/* ---- pipe_open.c ---- */

/* Give a direction's descriptor back as it was found. */
void vetch__pipe_give_back(struct vetch__pipe_end *e);
/* Standard input and output, which are `in` and `out` in a test. NULL and
 * errno. */
vetch_transport *vetch__stdio_transport_new(vetch_reactor *r, int in, int out);

/* ---- pipe_thread.c ---- */

void vetch__pipe_thread_init(struct vetch__pipe *p);
void vetch__pipe_thread_read(struct vetch__pipe *p);
void vetch__pipe_thread_write(struct vetch__pipe *p);
/* Forget what runs: it uses nothing of the transport's. */
void vetch__pipe_thread_stop(struct vetch__pipe *p);

#endif
