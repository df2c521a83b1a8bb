/* Waiters in a queue: what semaphores, events and queues share.
 *
 * A waiter is a deferred in a list. It is served from the front; cancelled, it
 * leaves the list and tells its owner. */
#ifndef VETCH_WAITERS_PRIVATE_H
#define VETCH_WAITERS_PRIVATE_H

#include <vetch/promise.h>

#include "base/list-private.h"
#include "promise/watch-private.h"

/* The first member of what an owner keeps for each waiter, from
 * vetch__malloc(). */
struct vetch__waiter {
    struct vetch__list link;
    vetch_deferred *deferred;
    /* It was cancelled, and has left the list: release what belongs to it, but
     * not `self`. */
    void (*canceled)(struct vetch__waiter *self);
};

/* Put `w` at the end of the list and return its promise; NULL and errno, and
 * nothing has changed. */
vetch_promise *vetch__waiter_add(struct vetch__list *waiters,
                                 struct vetch__waiter *w);
/* Take the first waiter of a list out, or NULL. It is to be served with
 * vetch__waiter_serve() next. */
struct vetch__waiter *vetch__waiter_pop(struct vetch__list *waiters);
/* Settle a waiter that was taken out, and free it. */
void vetch__waiter_serve(struct vetch__waiter *w, void *value,
                         vetch_free_fn free_value);
void vetch__waiter_offer(struct vetch__waiter *w,
                         const struct vetch__offer *offer);
void vetch__waiter_refuse(struct vetch__waiter *w, vetch_error *error);

#endif
