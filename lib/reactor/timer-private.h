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

/* Vote for a delay: its lane, or NULL, which means the heap. */
struct vetch__lane *vetch__lane_vote(struct vetch__timers *ts, uint64_t delay);
/* Free it if nothing needs it: no timer, no entry, no candidate. */
void vetch__lane_unused(struct vetch__lane *lane);
/* Set the first entry of the heap right if it is a lane's and too early. True
 * if it now is what it says it is. */
bool vetch__lane_settle(struct vetch__timers *ts);
void vetch__lanes_done(struct vetch__timers *ts);

/* ---- what is in all of them ---- */

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

/* ---- the quick way into a lane ---- */

#define VETCH__LANE_VOTES 16 /* at most */

static inline struct vetch__timer_delay *
vetch__lane_candidates(struct vetch__timers *ts, uint64_t delay)
{
    uint64_t hash = delay * UINT64_C(0x9e3779b97f4a7c15);

    return ts->table[hash >> (64 - VETCH__LANE_BITS)];
}

static inline struct vetch__timer_delay *
vetch__lane_candidate(struct vetch__timers *ts, uint64_t delay)
{
    struct vetch__timer_delay *c = vetch__lane_candidates(ts, delay);

    if (c->delay != delay || c->votes == 0)
        c++;
    return c->delay == delay && c->votes > 0 ? c : NULL;
}

static inline void
vetch__lane_vote_for(struct vetch__timer_delay *c)
{
    if (c->votes < VETCH__LANE_VOTES)
        c->votes++;
}

/* The lane in which this delay may wait without a change of the heap, or NULL.
 * A vote for it, too, or strangers would drive it out. */
static inline struct vetch__lane *
vetch__lane_join(struct vetch__timers *ts, uint64_t delay)
{
    struct vetch__timer_delay *c = vetch__lane_candidate(ts, delay);

    if (c == NULL || c->lane == NULL || !c->lane->in_heap)
        return NULL;
    vetch__lane_vote_for(c);
    return c->lane;
}

/* Put a timer at the end; there is room in the heap. */
static inline void
vetch__lane_append(struct vetch__timers *ts, struct vetch__lane *lane,
                   struct vetch__timer *t)
{
    if (!vetch__list_empty(&lane->timers)) {
        struct vetch__timer *last =
            vetch__container(lane->timers.prev, struct vetch__timer, u.link);

        /* A coarse start reads an older clock than the exact one before. */
        if (t->deadline < last->deadline)
            t->deadline = last->deadline;
    }
    t->lane = lane;
    vetch__list_append(&lane->timers, &t->u.link);
    if (lane->in_heap)
        return;
    lane->in_heap = true;
    vetch__timer_heap_insert(&ts->heap, vetch__lane_entry(lane, t->deadline));
}

/* ---- timer_queue.c ---- */

/* Start a stopped timer at a point in time; there is room in the heap. */
void vetch__timer_start_at(vetch_reactor *r, struct vetch__timer *t,
                           uint64_t deadline,
                           void (*fn)(struct vetch__timer *self));
/* Call fn with each timer that runs. */
void vetch__timers_each(vetch_reactor *r,
                        void (*fn)(const struct vetch__timer *t, void *ctx),
                        void *ctx);
struct vetch__timers *vetch__timers_ref(vetch_reactor *r);
void vetch__timers_unref(struct vetch__timers *ts);

/* ---- timer.c ---- */

/* The end of the reactor stopped it. */
void vetch__timer_canceled(struct vetch__timer *t);
/* What it calls: of a user's timer the user's function. */
const void *vetch__timer_function(const struct vetch__timer *t);

#endif
