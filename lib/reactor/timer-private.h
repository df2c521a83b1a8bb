/* The parts of the timers: a heap (timer_heap.c), lanes for delays that come up
 * often (timer_lanes.c), the queue on top of both that starts, stops and fires
 * (timer_queue.c), and the users' timers (timer.c). */
#ifndef VETCH_TIMER_PRIVATE_H
#define VETCH_TIMER_PRIVATE_H

#include "reactor/reactor-private.h"

#define VETCH__NEVER UINT64_MAX

/* ---- timer_heap.c ---- */

struct vetch__timer_entry {
    uint64_t deadline;
    uintptr_t who; /* a timer, or a lane with the lowest bit set */
};

struct vetch__timer_heap {
    struct vetch__timer_entry *entries;
    size_t n, capacity;
};

int vetch__timer_heap_grow(struct vetch__timer_heap *h);
/* Make sure that the next insert has room. -1 and ENOMEM. */
static inline int
vetch__timer_heap_reserve(struct vetch__timer_heap *h)
{
    return vetch__likely(h->n < h->capacity) ? 0 : vetch__timer_heap_grow(h);
}
/* There is room. */
void vetch__timer_heap_insert(struct vetch__timer_heap *h,
                              struct vetch__timer_entry e);
void vetch__timer_heap_remove(struct vetch__timer_heap *h, size_t i);
/* The first entry is due later than it says. */
void vetch__timer_heap_postpone(struct vetch__timer_heap *h, uint64_t deadline);
/* Give memory back after a burst. */
void vetch__timer_heap_shrink(struct vetch__timer_heap *h);

/* ---- timer_lanes.c ---- */

#define VETCH__LANE_BITS 6 /* sets of two delays */

/* A candidate for a lane. */
struct vetch__timer_delay {
    uint64_t delay;
    unsigned votes;
    struct vetch__lane *lane; /* or NULL */
};

struct vetch__lane {
    struct vetch__list timers;
    struct vetch__timer_delay
        *candidate; /* NULL when it lost its place there */
    size_t index;
    bool in_heap;
};

static inline struct vetch__timer_entry
vetch__lane_entry(struct vetch__lane *lane, uint64_t deadline)
{
    return (struct vetch__timer_entry){ deadline, (uintptr_t)lane | 1 };
}

/* The lane behind an entry, or NULL: it is a timer's. */
static inline struct vetch__lane *
vetch__entry_lane(const struct vetch__timer_entry *e)
{
    return (e->who & 1) != 0 ? (struct vetch__lane *)(e->who & ~(uintptr_t)1)
                             : NULL;
}

static inline struct vetch__timer *
vetch__lane_first(const struct vetch__lane *lane)
{
    return vetch__container(lane->timers.next, struct vetch__timer, u.link);
}

/* The lane in which this delay may wait without a change of the heap, after a
 * vote for it; NULL if there is none. */
struct vetch__lane *vetch__lane_join(struct vetch__timers *ts, uint64_t delay);
/* Vote for a delay: its lane, or NULL, which means the heap. */
struct vetch__lane *vetch__lane_vote(struct vetch__timers *ts, uint64_t delay);
/* Put a timer at the end; there is room in the heap. */
void vetch__lane_append(struct vetch__timers *ts, struct vetch__lane *lane,
                        struct vetch__timer *t);
/* Free it if nothing needs it: no timer, no entry, no candidate. */
void vetch__lane_unused(struct vetch__lane *lane);
/* Set the first entry of the heap right if it is a lane's and too early. True
 * if it now is what it says it is. */
bool vetch__lane_settle(struct vetch__timers *ts);
void vetch__lanes_done(struct vetch__timers *ts);

/* ---- timer_queue.c ---- */

/* Public timers hold on to this and not to the reactor, which may end before
 * them. */
struct vetch__timers {
    vetch_reactor *reactor; /* NULL when it has ended */
    size_t n_objects;       /* public timers, which keep this alive */
    struct vetch__timer_heap heap;
    struct vetch__list due;
    struct vetch__timer_delay table[1 << VETCH__LANE_BITS][2];
    uint64_t armed; /* for what deadline; VETCH__NEVER if it is not */
    int fd;         /* a timerfd */
    bool by_edge;   /* it need not be read */
    struct event event;
    bool waking;            /* the next event is waited for */
    struct event now_event; /* what is due already, behind the I/O */
};

/* Start a stopped timer at a point in time; there is room in the heap. */
void vetch__timer_start_at(vetch_reactor *r, struct vetch__timer *t,
                           uint64_t deadline,
                           void (*fn)(struct vetch__timer *self));
struct vetch__timers *vetch__timers_ref(vetch_reactor *r);
void vetch__timers_unref(struct vetch__timers *ts);

/* ---- timer.c ---- */

/* The end of the reactor stopped it. */
void vetch__timer_canceled(struct vetch__timer *t);

#endif
