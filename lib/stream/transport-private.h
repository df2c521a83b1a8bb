/* A stream over a transport: for those who make one. */
#ifndef VETCH_STREAM_TRANSPORT_PRIVATE_H
#define VETCH_STREAM_TRANSPORT_PRIVATE_H

#include "stream/stream-private.h"

struct transport_stream {
    vetch_stream s; /* first */
    vetch_protocol protocol;
    vetch_transport *t;
    /* Called once, when the transport is there; or NULL. */
    void (*connected)(struct transport_stream *s, vetch_transport *t);
    void *server; /* who made it; or NULL */
};

/* The transport below, if the stream is over one and nothing else. */
vetch_transport *vetch__stream_transport(const vetch_stream *s);

void vetch__transport_stream_init(struct transport_stream *s, vetch_reactor *r,
                                  const struct vetch__stream_limits *limits);
/* Takes `t`, which was made of descriptors; NULL is passed on. NULL and errno:
 * `t` is gone, and the descriptors are the caller's again. */
vetch_stream *
vetch__stream_over_descriptors(vetch_transport *t,
                               const vetch_stream_options *options);
/* The defaults with what was given; -1 and EINVAL. */
int vetch__stream_options_get(const vetch_stream_options *given,
                              vetch_stream_options *ret);
void vetch__stream_limits_of(const vetch_stream_options *o,
                             struct vetch__stream_limits *ret);

#endif
