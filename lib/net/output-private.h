/* The queue of bytes that wait to be written: copied bytes in recycled chunks,
 * bytes that somebody else owns, parts of files, and pipes with bytes that the
 * kernel keeps. No I/O. */
#ifndef VETCH_OUTPUT_PRIVATE_H
#define VETCH_OUTPUT_PRIVATE_H

#include <sys/uio.h>

#include "net/net-private.h"

#define VETCH__CHUNK_SIZE ((size_t)16384)

enum vetch__chunk_kind {
    VETCH__CHUNK_COPY,  /* bytes follow the chunk */
    VETCH__CHUNK_OWNED, /* bytes are elsewhere */
    VETCH__CHUNK_FILE,  /* from here on, bytes are the kernel's */
    VETCH__CHUNK_PIPE
};

struct vetch__chunk {
    struct vetch__object object; /* state: its kind */
    struct vetch__chunk *next;
    union {
        char *data;      /* the first byte that was not written yet */
        uint64_t offset; /* in the file */
    } at;
    uint64_t len;          /* bytes that wait */
    size_t room;           /* COPY: free bytes behind them */
    vetch_free_fn free_fn; /* OWNED, FILE; NULL in a FILE: `fd` is closed */
    void *free_arg;
    union {
        int fd; /* FILE */
        struct vetch__conduit *conduit;
    } of;
    char bytes[]; /* COPY */
};

#define VETCH__CHUNK_ROOM (VETCH__CHUNK_SIZE - sizeof(struct vetch__chunk))

struct vetch__output {
    struct vetch__chunk *first, *last;
    size_t buffered; /* bytes that wait, those of files not counted */
    uint64_t files;  /* those of files and pipes */
};

/* Room for `len` bytes at the end, all in one piece (at most
 * VETCH__CHUNK_ROOM); NULL and ENOMEM. */
char *vetch__output_extend(vetch_reactor *r, struct vetch__output *q,
                           size_t len);
static inline char *
vetch__output_reserve(vetch_reactor *r, struct vetch__output *q, size_t len)
{
    struct vetch__chunk *c = q->last;

    if (vetch__likely(c != NULL && c->room >= len))
        return c->at.data + c->len;
    return vetch__output_extend(r, q, len);
}
static inline void
vetch__output_commit(struct vetch__output *q, size_t len)
{
    q->last->len += len;
    q->last->room -= len;
    q->buffered += len;
}

/* All or nothing; -1 and ENOMEM. */
int vetch__output_append(vetch_reactor *r, struct vetch__output *q,
                         const struct iovec *iov, size_t n, size_t total);
int vetch__output_append_owned(vetch_reactor *r, struct vetch__output *q,
                               const void *data, size_t len,
                               vetch_free_fn free_fn, void *free_arg);
int vetch__output_append_file(vetch_reactor *r, struct vetch__output *q, int fd,
                              uint64_t offset, uint64_t len,
                              vetch_free_fn free_fn, void *free_arg);

/* Bytes of a piece of a file: how many, 0 if it is shorter now; -1 and errno.
 */
ssize_t vetch__output_read_file(const struct vetch__chunk *c, char *to,
                                size_t max);
/* A piece made of a pipe, which it takes; NULL and ENOMEM, and the pipe is
 * given back. Later it is queued with what is in the pipe, or freed. */
struct vetch__chunk *vetch__output_pipe_new(vetch_reactor *r,
                                            struct vetch__conduit *pipe);
void vetch__output_pipe_append(struct vetch__output *q, struct vetch__chunk *c,
                               uint64_t len);
void vetch__output_pipe_free(vetch_reactor *r, struct vetch__chunk *c);

/* Up to `max` pieces of memory from the front, none of a file; `*ret_total` is
 * what they hold, `*ret_more` says that something follows them. */
size_t vetch__output_gather(const struct vetch__output *q, struct iovec *iov,
                            size_t max, size_t *ret_total, bool *ret_more);
/* Drop `len` bytes from the front; chunks that are used up go back. */
void vetch__output_consume(vetch_reactor *r, struct vetch__output *q,
                           uint64_t len);
/* Drop everything. */
void vetch__output_clear(vetch_reactor *r, struct vetch__output *q);

#endif
