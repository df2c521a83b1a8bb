/* A copy, for the ways in which it can move bytes. */
#ifndef VETCH_COPY_PRIVATE_H
#define VETCH_COPY_PRIVATE_H

#include "stream/stream-private.h"

struct vetch__copy {
    struct vetch__stream_tap tap;
    struct vetch__stream_sink sink;
    vetch_deferred *deferred; /* NULL once it is decided */
    vetch_stream *from, *to;  /* references of ours, and holds */
    uint64_t left;            /* of count_bytes */
    uint64_t room;            /* of limit_bytes */
    bool counts, keep_open;
    bool of_file;            /* `from` is one, and is not read */
    vetch_promise *draining; /* a watch, or NULL */
    size_t bulk;             /* bytes that came in large pieces, in a row */
};

/* ---- copy.c ---- */
/* These end the copy, which is freed. `error` is consumed. */
void vetch__copy_fail(struct vetch__copy *c, vetch_error *error);
void vetch__copy_finish(struct vetch__copy *c);
void vetch__copy_has_no_more(struct vetch__copy *c);
/* Whether `to` takes more now; else the copy goes on when it does, or has
 * ended. */
bool vetch__copy_may_go_on(struct vetch__copy *c);
/* Go on when `p` has settled. Consumes `p`. */
void vetch__copy_wait(struct vetch__copy *c, vetch_promise *p);
void vetch__copy_count(struct vetch__copy *c, size_t n);
/* False, and it has ended: more came than is allowed. */
bool vetch__copy_is_allowed(struct vetch__copy *c, size_t n);

/* ---- copy_direct.c ---- */
/* Look for a way past our memory: before a copy begins, and when it has moved
 * so much that it is worth it. */
void vetch__copy_look_for_file(struct vetch__copy *c);
void vetch__copy_look_for_splice(struct vetch__copy *c);
/* Back to the ordinary way. */
void vetch__copy_leave_direct(struct vetch__copy *c);

#endif
