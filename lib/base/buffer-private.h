/* The inside of a buffer, for structures that embed one. All zero is an empty
 * one. */
#ifndef VETCH_BUFFER_PRIVATE_H
#define VETCH_BUFFER_PRIVATE_H

#include <sys/uio.h>

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

/* Put bytes back in front of what is in it: `data`, then `more`. -1 and ENOMEM.
 */
int vetch__buffer_put_back(vetch_buffer *b, const void *data, size_t len,
                           const void *more, size_t more_len);
/* A byte string of several pieces, `total` bytes in all; NULL and ENOMEM. */
vetch_bytes *vetch__bytes_of_vectors(const struct iovec *iov, size_t n,
                                     size_t total);
/* A byte string that is still being made: give it `len` bytes, new ones
 * undefined. NULL `b` makes one; NULL and ENOMEM: `b` is as before. */
vetch_bytes *vetch__bytes_resize(vetch_bytes *b, size_t len);
char *vetch__bytes_room(vetch_bytes *b);
void vetch__buffer_init(vetch_buffer *b);
/* Give its memory back; it is empty then and may be used again. */
void vetch__buffer_done(vetch_buffer *b);

#endif
