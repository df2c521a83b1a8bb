/* The inside of a buffer, for structures that embed one. All zero is an empty
 * one. */
#ifndef VETCH_BUFFER_PRIVATE_H
#define VETCH_BUFFER_PRIVATE_H

#include <vetch/buffer.h>

struct vetch_buffer {
    char *data; /* NULL until something was reserved */
    size_t capacity;
    size_t start, end; /* what is in it */
    size_t scanned;    /* bytes after start known to hold no LF */
};

static inline size_t
vetch__buffer_len(const vetch_buffer *b)
{
    return b->end - b->start;
}

void vetch__buffer_init(vetch_buffer *b);
/* Give its memory back; it is empty then and may be used again. */
void vetch__buffer_done(vetch_buffer *b);

#endif
