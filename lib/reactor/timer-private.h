/* Between the timers' heap (timer.c) and their objects (timer_object.c). */
#ifndef VETCH_TIMER_PRIVATE_H
#define VETCH_TIMER_PRIVATE_H

#include "reactor/reactor-private.h"

#define TABLE_BITS 6 /* sets of two delays */

struct vetch__timer_entry {
    uint64_t deadline;
    uintptr_t who; /* a timer, or a lane with the lowest bit set */
};

/* A candidate for a lane. */
struct vetch__timer_delay {
    uint64_t delay;
    unsigned votes;
    struct vetch__lane *lane; /* or NULL */
};

/* Public timers hold on to this and not to the reactor, which may end before
 * them. */
struct vetch__timers {
    vetch_reactor *reactor; /* NULL when it has ended */
    size_t n_objects;       /* public timers, which keep this alive */
    struct vetch__timer_entry *heap;
    size_t n, capacity;
    struct vetch__list due;
    uint64_t armed; /* for what deadline; UINT64_MAX if it is not */
    struct event event;
    struct vetch__timer_delay table[1 << TABLE_BITS][2];
};

int vetch__timer_grow(struct vetch__timers *ts);
/* Make sure that the next start cannot fail. -1 and ENOMEM. */
static inline int
vetch__timer_reserve(struct vetch__timers *ts)
{
    return vetch__likely(ts->n < ts->capacity) ? 0 : vetch__timer_grow(ts);
}
/* Start a stopped timer at a point in time; there is room (reserve). */
void vetch__timer_start_at(vetch_reactor *r, struct vetch__timer *t,
                           uint64_t deadline,
                           void (*fn)(struct vetch__timer *self));
/* The end of the reactor stopped it. */
void vetch__timer_cancelled(struct vetch__timer *t);

struct vetch__timers *vetch__timers_ref(vetch_reactor *r);
void vetch__timers_unref(struct vetch__timers *ts);

#endif
