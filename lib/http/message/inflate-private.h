/* Content codings undone: gzip and deflate, at most two on top of each other,
 * in pieces as small as the caller likes, with a bound on expansion. No I/O. */
#ifndef VETCH_HTTP_INFLATE_PRIVATE_H
#define VETCH_HTTP_INFLATE_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Codings in the order applied. All zero: none. */
struct vetch__codings {
    uint8_t n;
    uint8_t v[2];
    bool unknown; /* there is one besides: leave the body as it is */
};

/* Add what the value of a Content-Encoding field names (RFC 9110, section
 * 8.4). NULL, or why it is refused, as a static string. */
const char *vetch__codings_add(struct vetch__codings *c, const char *value,
                               size_t len);

enum vetch__inflated {
    VETCH__INFLATE_MORE, /* all input is used, all output is out */
    VETCH__INFLATE_FULL, /* call again with new room, there may be more */
    VETCH__INFLATE_BAD,  /* see io->why; not to be called again */
    VETCH__INFLATE_NOMEM
};

struct vetch__inflate_io {
    const void *in; /* moved on */
    size_t in_len;
    void *out; /* moved on */
    size_t out_len;
    const char *why; /* static */
};

struct vetch__inflate;

/* NULL and ENOMEM. `c->n` is not 0. */
struct vetch__inflate *vetch__inflate_new(const struct vetch__codings *c);
enum vetch__inflated vetch__inflate_run(struct vetch__inflate *f,
                                        struct vetch__inflate_io *io);
/* Whether the coded data have come to their end, or have not begun. */
bool vetch__inflate_complete(const struct vetch__inflate *f);
void vetch__inflate_free(struct vetch__inflate *f);

#endif
