/* Kinds of streams of ours that are made of a class, as a program's are. */
#ifndef VETCH_OWN_PRIVATE_H
#define VETCH_OWN_PRIVATE_H

#include "stream/stream-private.h"

/* As vetch_stream_new(); `name`, of which a copy is made, is its peer's. */
vetch_stream *vetch__own_stream_new(const vetch_stream_class *class, void *self,
                                    const vetch_stream_options *options,
                                    const char *name);
/* What a stream of this class is made of; NULL: it is none, or over. */
void *vetch__own_stream_self(const vetch_stream *s,
                             const vetch_stream_class *class);
/* Whether its end was asked for: a close alone is not an end. */
bool vetch__own_stream_was_ended(const vetch_stream *s);
/* What was read goes nowhere, nor does what is being read: it begins anew. The
 * stream is open, and nobody reads it. */
void vetch__own_stream_restart(vetch_stream *s);

#endif
