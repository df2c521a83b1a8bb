/* One content coding undone, in pieces as small as the caller likes, with a
 * bound on expansion. No I/O. */
#ifndef VETCH_INFLATER_PRIVATE_H
#define VETCH_INFLATER_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

enum vetch__coding { VETCH__GZIP = 1, VETCH__DEFLATE };

struct vetch__inflater {
    z_stream z;
    uint64_t in, out;
    uint8_t coding;
    uint8_t held[2]; /* deflate: the first bytes, until both are there */
    uint8_t n_held;
    bool begun;
    bool ended;
    bool padded; /* behind its end: no further member may follow */
};

/* For z_stream: memory of the library's. */
void *vetch__zlib_alloc(void *opaque, uInt n, uInt size);
void vetch__zlib_free(void *opaque, void *p);

/* zlib counts in uInt. */
static inline uInt
vetch__zlib_clamp(size_t n)
{
    return n < 1u << 30 ? (uInt)n : 1u << 30;
}

/* `s` is all zero. -1 and ENOMEM. */
int vetch__inflater_init(struct vetch__inflater *s, uint8_t coding);
/* From input to output, all pointers moved on, until one of them is used up:
 * Z_OK, or Z_DATA_ERROR and why, as a static string, or Z_MEM_ERROR. */
int vetch__inflater_pass(struct vetch__inflater *s, const void **in,
                         size_t *in_len, void **out, size_t *out_len,
                         const char **ret_why);
/* Whether the data have come to their end. */
bool vetch__inflater_complete(const struct vetch__inflater *s);
void vetch__inflater_done(struct vetch__inflater *s);

#endif
