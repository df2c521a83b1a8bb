/* Which request gets which connection. The pool counts and queues; it knows
 * neither sockets nor HTTP, so that a test can drive it with made-up
 * connections.
 *
 * A connection holds a slot of its origin from the moment it is begun to be
 * opened until it is gone. A slot is held (the connection is in use), idle,
 * or closing. Rules:
 *
 *   - never more slots than the two limits allow, closing ones counted;
 *   - the waiters of an origin are served in order; when the limit on all
 *     connections is what they wait for, the oldest of all origins is first;
 *   - a connection stays idle only if nobody waits for it, and gives way, the
 *     longest idle first, when another origin waits for a slot. */
#ifndef VETCH_HTTP_POOL_PRIVATE_H
#define VETCH_HTTP_POOL_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list-private.h"

struct vetch__http_pool;

struct vetch__http_origin {
    struct vetch__http_origin *next; /* of equal hash */
    struct vetch__list waiters;      /* the oldest first */
    struct vetch__list idle;         /* the longest idle first */
    struct vetch__list starved;      /* among those that lack only a slot */
    size_t n_slots;
    size_t n_waiters;
    uint32_t hash;
    uint32_t len;
    char endpoint[]; /* the key, NUL-terminated */
};

/* Inside a request. All zero: waits for nothing. */
struct vetch__http_waiter {
    struct vetch__list link;
    struct vetch__http_origin *origin; /* NULL when it does not wait */
    uint64_t turn;
};

enum vetch__http_slot_state {
    VETCH__SLOT_NONE = 0,
    VETCH__SLOT_HELD,
    VETCH__SLOT_IDLE,
    VETCH__SLOT_CLOSING
};

/* Inside a connection. */
struct vetch__http_slot {
    struct vetch__list of_origin; /* when idle */
    struct vetch__list of_pool;   /* when idle */
    struct vetch__http_origin *origin;
    uint8_t state;
};

/* What the pool asks for. None of these may call into the pool. */
struct vetch__http_pool_class {
    /* Begin to open a connection to the origin, for `w`; its slot, held, is
     * returned. NULL: it cannot even begin; then `fail` is called. */
    struct vetch__http_slot *(*open)(struct vetch__http_pool *pool,
                                     struct vetch__http_origin *origin,
                                     struct vetch__http_waiter *w);
    void (*fail)(struct vetch__http_waiter *w);
    /* Use the connection for `w`. */
    void (*serve)(struct vetch__http_slot *slot, struct vetch__http_waiter *w);
    /* Nobody needs it now. */
    void (*idle)(struct vetch__http_slot *slot);
    /* Whether a connection that was used can be used again, now. */
    bool (*usable)(struct vetch__http_slot *slot);
    /* Close a connection that was idle, or was about to be; when it has
     * closed, _gone() is to be called. */
    void (*close)(struct vetch__http_slot *slot);
};

struct vetch__http_pool {
    const struct vetch__http_pool_class *class;
    size_t max_slots;
    size_t max_per_origin;
    size_t n_slots;
    size_t n_idle;
    size_t n_closing;
    size_t n_waiters;
    uint64_t turns;
    struct vetch__list idle; /* of all origins, the longest idle first */
    struct vetch__list starved;
    struct vetch__http_origin **buckets;
    size_t n_buckets; /* a power of two, or 0 */
    size_t n_origins;
    struct vetch__http_origin *recent; /* the last one found */
    uint32_t seed;
    bool ended; /* opens and serves nothing any more */
};

void vetch__http_pool_init(struct vetch__http_pool *pool,
                           const struct vetch__http_pool_class *class,
                           size_t max_slots, size_t max_per_origin);
/* Nothing is left in it by then. */
void vetch__http_pool_done(struct vetch__http_pool *pool);

/* Ask for a connection to `endpoint`: `serve` or `open` is called for `w`, now
 * or later, or `fail`. -1 and ENOMEM: none of them. */
int vetch__http_pool_acquire(struct vetch__http_pool *pool,
                             const char *endpoint, size_t len,
                             struct vetch__http_waiter *w);
/* `w` waits no longer. */
void vetch__http_pool_leave(struct vetch__http_pool *pool,
                            struct vetch__http_waiter *w);

/* Its holder is through with the connection, and it can be used again. */
void vetch__http_pool_release(struct vetch__http_pool *pool,
                              struct vetch__http_slot *slot);
/* It is being closed or will be; _gone() follows. Idempotent. */
void vetch__http_pool_closing(struct vetch__http_pool *pool,
                              struct vetch__http_slot *slot);
/* It has closed, or could not be opened. */
void vetch__http_pool_gone(struct vetch__http_pool *pool,
                           struct vetch__http_slot *slot);
/* The same, but `w`, which was its user, gets its slot for a new connection,
 * before anybody else. */
void vetch__http_pool_replace(struct vetch__http_pool *pool,
                              struct vetch__http_slot *slot,
                              struct vetch__http_waiter *w);

/* Close all idle connections. */
void vetch__http_pool_close_idle(struct vetch__http_pool *pool);
/* Serve nobody from now on: idle connections close, `fail` for all waiters. */
void vetch__http_pool_end(struct vetch__http_pool *pool);

#endif
