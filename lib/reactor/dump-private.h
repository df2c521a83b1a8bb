/* The text of a dump; see vetch_reactor_dump(3). */
#ifndef VETCH_DUMP_PRIVATE_H
#define VETCH_DUMP_PRIVATE_H

#include <vetch/buffer.h>

#include "reactor/reactor-private.h"

struct vetch__dump {
    vetch_buffer *out;
    size_t n_lines; /* of the section */
    bool failed;    /* out of memory */
};

/* Begin a section; the one before says how many lines were left out. */
void vetch__dump_section(struct vetch__dump *d, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* A line in it, `depth` steps to the right. */
void vetch__dump_line(struct vetch__dump *d, size_t depth, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The last section is over. */
void vetch__dump_end(struct vetch__dump *d);

/* The sections of this layer. */
void vetch__dump_members(const vetch_reactor *r, struct vetch__dump *d);
void vetch__dump_timers(vetch_reactor *r, struct vetch__dump *d);

#endif
