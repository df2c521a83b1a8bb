/* The inside of a reactor, for the layers above.
 *
 * Every callback that libevent makes into vetch is bracketed by
 * vetch__reactor_enter() and vetch__reactor_leave(): the latter drains the
 * ready queue and then flushes what was written meanwhile, so that a promise
 * link costs no turn of the loop and the responses to all requests of one read
 * leave with one system call. */
#ifndef VETCH_REACTOR_PRIVATE_H
#define VETCH_REACTOR_PRIVATE_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include <vetch/reactor.h>

#include "base/list-private.h"
#include "base/mem-private.h"
#include "base/object-private.h"
#include "base/pool-private.h"
#include "base/symbols-private.h"
#include "reactor/owner-private.h"

/* Something on the ready queue: the head of a promise's node or of a call. */
struct vetch__ready {
    struct vetch__object object;
    struct vetch__object second; /* a promise's deferred */
    struct vetch__ready *next;
    const void *source; /* what a promise became ready by */
};

/* Work to be done once the ready queue is empty, before control goes back to
 * libevent: transports that have something to write or to tell. It may call
 * user code, make things ready and queue more work, itself included; that is
 * done in the same dispatch, up to a bound. */
struct vetch__flush {
    struct vetch__list link; /* all zero when not queued */
    void (*fn)(struct vetch__flush *self);
};

struct vetch__member;
struct vetch__dump; /* see dump-private.h */

/* What all objects of a kind have in common. */
struct vetch__member_class {
    const char *name; /* for reports: "listener" */
    /* Stop it at once; it may remove the member. */
    void (*end)(struct vetch__member *self);
    /* Whether something may happen by it; NULL: not by itself. */
    bool (*is_alive)(const struct vetch__member *self);
    /* Its lines of the dump; NULL: its name. */
    void (*dump)(const struct vetch__member *self, struct vetch__dump *d);
};

/* An object that has to be ended with its reactor: a transport, a listener, a
 * client… */
struct vetch__member {
    struct vetch__list link;
    const struct vetch__member_class *class;
    bool background; /* it does not keep a run going */
};

/* A timer inside another object. Equal delays cost O(1), others O(log n).
 * All zero is a valid, inactive timer. */
struct vetch__timer {
    uint64_t deadline; /* ns */
    void (*fn)(struct vetch__timer *self);
    struct vetch__lane *lane; /* where it waits; NULL: it is stopped */
    union {
        struct vetch__list link; /* among timers of equal delay, or due */
        size_t index;            /* in the heap */
    } u;
};

struct vetch__timers;  /* see timer-private.h */
struct vetch__mailbox; /* private to post.c */
struct vetch__lag;     /* see lag-private.h */
struct vetch__tasks;   /* private to task.c */
struct task;           /* the same */
struct vetch__sites;   /* private to debug.c */
struct vetch__signals; /* private to signal.c */
struct vetch__net;

struct vetch_reactor {
    struct vetch__object object;
    struct event_base *base;
    bool owns_base;
    bool debug;
    bool ending;     /* the last reference is gone; nothing new starts */
    bool finishing;  /* and only finally functions run any more */
    bool end_wanted; /* the same in a callback: ends when that has returned */
    bool draining;
    struct vetch__owner owner;

    /* The ready queue. */
    struct vetch__ready *ready_first, *ready_last;
    size_t drain_bound; /* entries per drain; 1 lets a test go step by step */
    struct vetch__list flushes;
    unsigned depth;           /* of enter/leave */
    uint64_t n_entries;       /* how often libevent called us */
    struct event drain_event; /* activated by a push from a foreign callback */
    struct event drain_timer; /* goes on after the bound, behind the I/O */
    bool drain_scheduled;
    const void *running; /* the function that holds the loop, or NULL */

    /* Time. */
    uint64_t now;        /* ns */
    bool now_is_known;   /* in this turn; see clock.c */
    bool virtual_clock;  /* now is moved by tests alone */
    uint64_t slow_limit; /* ns */
    struct vetch__timers *timers;
    struct vetch__lag *lag; /* while somebody wants to know */

    struct vetch__mailbox *mailbox;
    struct vetch__signals *signals;
    void (*signals_look)(vetch_reactor *r); /* both set by the first signal */
    void (*signals_done)(vetch_reactor *r);
    struct vetch__list members;
    size_t n_members;
    struct event end_event; /* ends it behind a callback of a foreign loop */

    /* The promise layer's. */
    struct vetch__pool *pool;
    vetch_promise *handler;       /* what the handler that runs was given */
    struct vetch__tasks *tasks;   /* made on first use */
    struct task *task;            /* that runs */
    struct vetch__sites *sites;   /* while debugging is on */
    vetch_executor *executor;     /* the reactor's own, made on first use */
    struct vetch__list executors; /* all; set up by the first one */
    void (*jobs_await)(vetch_reactor *r); /* the same */
    vetch_rejection_fn on_rejection;
    void *on_rejection_ctx;

    /* What tests make go wrong; see vetch_testing(3). 0: nothing. */
    struct {
        uint64_t shuffle;     /* the state of the generator */
        uint64_t connect_nth; /* which connect fails next */
        int connect_errno;
        size_t write_limit; /* bytes that one write takes; 0: as the kernel
                               likes */
    } faults;

    /* The transport layer's: made on first use, freed by net_done (if set) when
     * everything has ended, before the pool goes. */
    struct vetch__net *net;
    void (*net_done)(vetch_reactor *r);

    bool running_loop;
    atomic_bool stop_requested;
};

/* ---- ready.c ---- */
int vetch__ready_init(vetch_reactor *r);
void vetch__ready_done(vetch_reactor *r);
void vetch__reactor_enter(vetch_reactor *r);
void vetch__reactor_leave(vetch_reactor *r);
/* Make sure that a leave comes soon: for writes from foreign callbacks. */
void vetch__ready_wake(vetch_reactor *r);
/* Put a node at the end of the ready queue; never fails. */
static inline void
vetch__ready_push(vetch_reactor *r, struct vetch__ready *node)
{
    node->next = NULL;
    if (r->ready_last == NULL)
        r->ready_first = node;
    else
        r->ready_last->next = node;
    r->ready_last = node;
    if (vetch__unlikely(r->depth == 0))
        vetch__ready_wake(r);
}
/* Queue f once; its fn runs when the ready queue is empty. */
void vetch__flush_later(vetch_reactor *r, struct vetch__flush *f);
void vetch__flush_cancel(struct vetch__flush *f);
/* Run at most `limit` entries now, and return what is left of that. */
size_t vetch__ready_drain(vetch_reactor *r, size_t limit);
/* The same, with the flushes as well, which end only by themselves;
 * true if nothing is ready any more. */
bool vetch__ready_settle(vetch_reactor *r, size_t limit);
/* Run one entry of a kind that the reactor does not know: promise.c's. */
void vetch__promise_dispatch(vetch_reactor *r, struct vetch__ready *node);
/* The parts of the end of a reactor that the promise layer does. */
void vetch__promises_cancel_all(vetch_reactor *r);
void vetch__promises_finish(vetch_reactor *r);
/* Whether an operation is pending, other than the wait for a signal. */
bool vetch__promises_alive(vetch_reactor *r);

/* ---- run.c ---- */
/* Run the loop until *flag is true; -1 and errno on failure. Nested: EDEADLK.
 */
int vetch__reactor_run_until(vetch_reactor *r, const bool *flag);

/* ---- reactor.c ---- */
void vetch__reactor_end(vetch_reactor *r);
void vetch__member_add(vetch_reactor *r, struct vetch__member *m,
                       const struct vetch__member_class *class);
void vetch__member_remove(vetch_reactor *r, struct vetch__member *m);

/* Whether an object of r, if it has one still, came into this process by a
 * fork. Releasing it does nothing then: what it shares is the parent's. */
static inline bool
vetch__reactor_is_inherited(const vetch_reactor *r)
{
    return r != NULL && vetch__is_inherited(&r->owner);
}

/* ---- post.c ---- */
int vetch__mailbox_init(vetch_reactor *r);
/* Refuse what is posted from now on, and drop what waits. */
void vetch__mailbox_close(vetch_reactor *r);
void vetch__mailbox_done(vetch_reactor *r);
void vetch__mailbox_wake(vetch_reactor *r); /* Thread: any */
/* Whether nothing that was posted waits. */
bool vetch__mailbox_is_empty(vetch_reactor *r);

/* ---- clock.c ---- */
uint64_t vetch__clock_fresh(vetch_reactor *r); /* ns, read now */
uint64_t vetch__clock_now(vetch_reactor *r);   /* ns, once per turn */
/* A turn begins: what was known of the time is old. */
static inline void
vetch__clock_turn(vetch_reactor *r)
{
    r->now_is_known = false;
}
/* Name fn in a warning if it held the loop too long since `started`. */
void vetch__slow_check(vetch_reactor *r, const void *fn, uint64_t started);
/* The same in two steps, around a call; nothing with debugging off. */
static inline uint64_t
vetch__slow_start(vetch_reactor *r)
{
    return vetch__unlikely(r->debug) ? vetch__clock_fresh(r) : 0;
}
static inline void
vetch__slow_end(vetch_reactor *r, const void *fn, uint64_t started)
{
    if (vetch__unlikely(started != 0))
        vetch__slow_check(r, fn, started);
}
#define VETCH__SLOW_END(r, fn, started)                                        \
    vetch__slow_end(r, (const void *)(uintptr_t)(fn), started)

/* ---- timer_queue.c ---- */
int vetch__timers_init(vetch_reactor *r);
/* Stop all timers; public ones release what they hold. */
void vetch__timers_cancel_all(vetch_reactor *r);
void vetch__timers_done(vetch_reactor *r);
size_t vetch__timers_live(const vetch_reactor *r);
/* Whether a user's timer runs that keeps a run going. */
bool vetch__timers_alive(vetch_reactor *r);
/* When the next one is due, in ns; UINT64_MAX if none is running. */
uint64_t vetch__timers_next(vetch_reactor *r);
/* The clock was moved or replaced. */
void vetch__timers_clock_changed(vetch_reactor *r);
/* Start or restart t, `delay` ns from a fresh reading of the clock; never
 * early. -1 and ENOMEM; then it is stopped. */
int vetch__timer_start(vetch_reactor *r, struct vetch__timer *t, uint64_t delay,
                       void (*fn)(struct vetch__timer *self));
/* The same with the time of this turn, for deadlines that may be a little
 * early (idle timeouts). */
int vetch__timer_start_coarse(vetch_reactor *r, struct vetch__timer *t,
                              uint64_t delay,
                              void (*fn)(struct vetch__timer *self));
void vetch__timer_stop(vetch_reactor *r, struct vetch__timer *t);
static inline bool
vetch__timer_active(const struct vetch__timer *t)
{
    return t->lane != NULL;
}
/* A delay of 285 years, which is what INFINITY comes to, never ends. */
#define VETCH__FOREVER     UINT64_C(9000000000000000000)
#define VETCH__NO_DEADLINE ((uint64_t)INT64_MAX)
/* Seconds to ns, saturating, rounded up, because a timer must not be early;
 * what is negative or NaN is the caller's to refuse. */
static inline uint64_t
vetch__seconds(double seconds)
{
    double ns = seconds * 1e9;
    int64_t whole;

    if (ns >= 9e18)
        return VETCH__FOREVER;
    whole = (int64_t)ns;
    return (uint64_t)whole + ((double)whole < ns);
}
/* The point in time `delay` after `now`; one that never comes if that is for
 * ever. */
static inline uint64_t
vetch__deadline(uint64_t now, uint64_t delay)
{
    return delay < VETCH__FOREVER ? now + delay : VETCH__NO_DEADLINE;
}

#endif
