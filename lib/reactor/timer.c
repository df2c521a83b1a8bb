/* Timers.
 *
 * A heap with four children per node holds what is due next; its entries carry
 * the deadline, so that a comparison touches no timer. Delays that come up
 * often (one connection timeout, thousands of times) get a lane: a list in the
 * order of arming, which is the order of expiry, whose first timer alone is
 * represented in the heap. Arming and cancelling there is O(1).
 *
 * Which delays get a lane is decided by votes: a small table, indexed by a hash
 * of the delay, with two candidates in each place. Each arming votes for its
 * delay, or else against the weaker of the two; the second vote makes the lane.
 * So random delays cannot drive a popular one out. A lane that lost its place
 * lives until it is empty.
 *
 * A lane's entry in the heap may be too early (its first timers were
 * cancelled), never too late; it is set right when it comes up.
 *
 * One event of libevent stands for all timers. It is armed anew only if the
 * earliest deadline got earlier or it fired; that it may fire a little early,
 * because libevent counts from the start of a turn on a coarse clock, is why
 * each expiry is compared with a fresh reading of ours.
 *
 * A dispatch first moves what is due, at most BATCH, to a list and then works
 * through it, so that what a callback arms waits for the next turn, behind the
 * I/O. */

#include "reactor/timer-private.h"

#include <errno.h>
#include <string.h>

#include "base/check-private.h"

#define BATCH         256
#define FIRST_ENTRIES ((size_t)64)
#define VOTES_MAX     16
#define NEVER         UINT64_MAX

struct vetch__lane {
    struct vetch__list timers;
    struct vetch__timer_delay
        *candidate; /* NULL when it lost its place there */
    size_t index;
    bool in_heap;
};

/* Where a timer waits, if not in a lane. */
static struct vetch__lane in_heap, in_due;

/* ---- the heap ---- */

static struct vetch__timer_entry
timer_entry(struct vetch__timer *t)
{
    return (struct vetch__timer_entry){ t->deadline, (uintptr_t)t };
}

static struct vetch__timer_entry
lane_entry(struct vetch__lane *lane, uint64_t deadline)
{
    return (struct vetch__timer_entry){ deadline, (uintptr_t)lane | 1 };
}

static struct vetch__lane *
entry_lane(const struct vetch__timer_entry *e)
{
    return (e->who & 1) != 0 ? (struct vetch__lane *)(e->who & ~(uintptr_t)1)
                             : NULL;
}

static void
place(struct vetch__timers *ts, size_t i, struct vetch__timer_entry e)
{
    struct vetch__lane *lane = entry_lane(&e);

    ts->heap[i] = e;
    if (lane != NULL)
        lane->index = i;
    else
        ((struct vetch__timer *)e.who)->u.index = i;
}

static void
sift_up(struct vetch__timers *ts, size_t i, struct vetch__timer_entry e)
{
    while (i > 0) {
        size_t parent = (i - 1) / 4;

        if (ts->heap[parent].deadline <= e.deadline)
            break;
        place(ts, i, ts->heap[parent]);
        i = parent;
    }
    place(ts, i, e);
}

static size_t
earliest_child(const struct vetch__timers *ts, size_t i)
{
    size_t child = 4 * i + 1, best = child;
    size_t end = child + 4 < ts->n ? child + 4 : ts->n;

    while (++child < end) {
        if (ts->heap[child].deadline < ts->heap[best].deadline)
            best = child;
    }
    return best;
}

static void
sift_down(struct vetch__timers *ts, size_t i, struct vetch__timer_entry e)
{
    while (4 * i + 1 < ts->n) {
        size_t child = earliest_child(ts, i);

        if (e.deadline <= ts->heap[child].deadline)
            break;
        place(ts, i, ts->heap[child]);
        i = child;
    }
    place(ts, i, e);
}

/* Put e where the entry at i was. */
static void
replace(struct vetch__timers *ts, size_t i, struct vetch__timer_entry e)
{
    if (i > 0 && e.deadline < ts->heap[(i - 1) / 4].deadline)
        sift_up(ts, i, e);
    else
        sift_down(ts, i, e);
}

static void
heap_remove(struct vetch__timers *ts, size_t i)
{
    struct vetch__timer_entry last = ts->heap[--ts->n];

    if (i < ts->n)
        replace(ts, i, last);
}

static int
resize(struct vetch__timers *ts, size_t capacity)
{
    struct vetch__timer_entry *heap =
        vetch__realloc(ts->heap, capacity * sizeof(struct vetch__timer_entry));

    if (heap == NULL)
        return -1;
    ts->heap = heap;
    ts->capacity = capacity;
    return 0;
}

int
vetch__timer_grow(struct vetch__timers *ts)
{
    return resize(ts, ts->capacity > 0 ? ts->capacity * 2 : FIRST_ENTRIES);
}

/* Memory goes back when a burst is over; the gap keeps it from swinging. */
static void
shrink(struct vetch__timers *ts)
{
    int saved = errno;

    if (vetch__likely(ts->n >= ts->capacity / 8) ||
        ts->capacity <= 16 * FIRST_ENTRIES)
        return;
    resize(ts, ts->capacity / 4);
    errno = saved;
}

/* ---- lanes ---- */

static struct vetch__timer *
lane_first(const struct vetch__lane *lane)
{
    return vetch__container(lane->timers.next, struct vetch__timer, u.link);
}

static struct vetch__lane *
make_lane(struct vetch__timer_delay *c)
{
    int saved = errno;
    struct vetch__lane *lane = vetch__calloc(1, sizeof(*lane));

    errno = saved; /* without one, there is the heap */
    if (lane == NULL)
        return NULL;
    vetch__list_init(&lane->timers);
    lane->candidate = c;
    c->lane = lane;
    return lane;
}

/* A lane is needed by its timers, its entry in the heap and its candidate. */
static void
free_unused_lane(struct vetch__lane *lane)
{
    if (!lane->in_heap && lane->candidate == NULL &&
        vetch__list_empty(&lane->timers))
        vetch__free(lane);
}

static void
forget_lane(struct vetch__timer_delay *c)
{
    struct vetch__lane *lane = c->lane;

    c->lane = NULL;
    if (lane == NULL)
        return;
    lane->candidate = NULL;
    free_unused_lane(lane);
}

static struct vetch__lane *
vote_for(struct vetch__timer_delay *c)
{
    if (c->votes < VOTES_MAX)
        c->votes++;
    return c->lane != NULL ? c->lane : make_lane(c);
}

static void
vote_against(struct vetch__timer_delay *c, uint64_t newcomer)
{
    if (c->votes > 1) {
        c->votes--;
        return;
    }
    forget_lane(c);
    c->delay = newcomer;
    c->votes = 1;
}

static struct vetch__timer_delay *
set_of(struct vetch__timers *ts, uint64_t delay)
{
    uint64_t hash = delay * UINT64_C(0x9e3779b97f4a7c15);

    return ts->table[hash >> (64 - TABLE_BITS)];
}

static struct vetch__timer_delay *
find_candidate(struct vetch__timers *ts, uint64_t delay)
{
    struct vetch__timer_delay *c = set_of(ts, delay);

    if (c->delay != delay || c->votes == 0)
        c++;
    return c->delay == delay && c->votes > 0 ? c : NULL;
}

/* The lane for this delay, or NULL: then the heap. */
static struct vetch__lane *
vote(struct vetch__timers *ts, uint64_t delay)
{
    struct vetch__timer_delay *set = set_of(ts, delay);
    struct vetch__timer_delay *c = find_candidate(ts, delay);

    if (c != NULL)
        return vote_for(c);
    vote_against(&set[set[1].votes < set[0].votes], delay);
    return NULL;
}

static void
append_to_lane(struct vetch__timers *ts, struct vetch__lane *lane,
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
    sift_up(ts, ts->n++, lane_entry(lane, t->deadline));
}

/* Set the first entry right if it is a lane's and too early. True if it now is
 * what it says it is. */
static bool
settle_top(struct vetch__timers *ts)
{
    struct vetch__lane *lane = entry_lane(&ts->heap[0]);
    uint64_t deadline;

    if (lane == NULL)
        return true;
    if (vetch__list_empty(&lane->timers)) {
        heap_remove(ts, 0);
        lane->in_heap = false;
        free_unused_lane(lane);
        return false;
    }
    deadline = lane_first(lane)->deadline;
    if (deadline == ts->heap[0].deadline)
        return true;
    sift_down(ts, 0, lane_entry(lane, deadline));
    return false;
}

/* ---- libevent's one timer ---- */

static void
arm(struct vetch__timers *ts, uint64_t now)
{
    uint64_t wait = 0;
    struct timeval tv;

    if (ts->n == 0 || ts->heap[0].deadline >= ts->armed)
        return;
    if (ts->heap[0].deadline > now) {
        if (ts->reactor->virtual_clock)
            return; /* a test moves time */
        wait = ts->heap[0].deadline - now;
    }
    ts->armed = ts->heap[0].deadline;
    tv.tv_sec = (time_t)(wait / 1000000000);
    tv.tv_usec = (suseconds_t)((wait % 1000000000 + 999) / 1000);
    if (tv.tv_usec == 1000000) {
        tv.tv_sec++;
        tv.tv_usec = 0;
    }
    /* Out of memory: look again in the next turn. */
    if (event_add(&ts->event, &tv) < 0)
        event_active(&ts->event, EV_TIMEOUT, 0);
}

static void
arm_next(struct vetch__timers *ts)
{
    while (ts->n > 0 && !settle_top(ts))
        ;
    arm(ts, vetch__clock_fresh(ts->reactor));
}

/* ---- starting and stopping ---- */

static void
detach(struct vetch__timers *ts, struct vetch__timer *t)
{
    struct vetch__lane *lane = t->lane;

    t->lane = NULL;
    if (lane == &in_heap) {
        heap_remove(ts, t->u.index);
        return;
    }
    vetch__list_remove(&t->u.link);
    if (lane != &in_due)
        free_unused_lane(lane);
}

static void
insert_heap(struct vetch__timers *ts, struct vetch__timer *t)
{
    t->lane = &in_heap;
    sift_up(ts, ts->n++, timer_entry(t));
}

static uint64_t
deadline_of(uint64_t now, uint64_t delay)
{
    return delay < NEVER - now ? now + delay : NEVER - 1;
}

/* The usual case in a crowd, in a few instructions: the delay has a lane that
 * is in the heap, so that nothing but the list changes. */
static bool
join_lane(struct vetch__timers *ts, struct vetch__timer *t, uint64_t now,
          uint64_t delay, void (*fn)(struct vetch__timer *self))
{
    struct vetch__timer_delay *c = find_candidate(ts, delay);
    struct vetch__lane *lane = c != NULL ? c->lane : NULL;

    if (lane == NULL || !lane->in_heap)
        return false;
    if (t->lane == lane)
        vetch__list_remove(&t->u.link);
    else if (t->lane != NULL)
        return false;
    vote_for(c); /* or strangers would drive it out */
    t->fn = fn;
    t->deadline = deadline_of(now, delay);
    append_to_lane(ts, lane, t);
    return true;
}

static int
start(vetch_reactor *r, struct vetch__timer *t, uint64_t now, uint64_t delay,
      void (*fn)(struct vetch__timer *self))
{
    struct vetch__timers *ts = r->timers;
    struct vetch__lane *lane;

    if (join_lane(ts, t, now, delay, fn))
        return 0;
    if (t->lane != NULL)
        detach(ts, t);
    if (vetch__timer_reserve(ts) < 0)
        return -1;
    t->fn = fn;
    t->deadline = deadline_of(now, delay);
    lane = vote(ts, delay);
    if (lane != NULL)
        append_to_lane(ts, lane, t);
    else
        insert_heap(ts, t);
    arm(ts, now);
    return 0;
}

int
vetch__timer_start(vetch_reactor *r, struct vetch__timer *t, uint64_t delay,
                   void (*fn)(struct vetch__timer *self))
{
    return start(r, t, vetch__clock_fresh(r), delay, fn);
}

int
vetch__timer_start_coarse(vetch_reactor *r, struct vetch__timer *t,
                          uint64_t delay, void (*fn)(struct vetch__timer *self))
{
    return start(r, t, vetch__clock_now(r), delay, fn);
}

void
vetch__timer_start_at(vetch_reactor *r, struct vetch__timer *t,
                      uint64_t deadline, void (*fn)(struct vetch__timer *self))
{
    t->fn = fn;
    t->deadline = deadline;
    insert_heap(r->timers, t);
    arm(r->timers, vetch__clock_fresh(r));
}

void
vetch__timer_stop(vetch_reactor *r, struct vetch__timer *t)
{
    if (t->lane == NULL)
        return;
    detach(r->timers, t); /* memory goes back when next a timer fires */
}

/* ---- firing ---- */

/* Move the first timer to the list of those that are due, if it is. */
static bool
collect_one(struct vetch__timers *ts, uint64_t now)
{
    struct vetch__timer *t;
    struct vetch__lane *lane;

    while (ts->n > 0 && ts->heap[0].deadline <= now) {
        if (!settle_top(ts))
            continue;
        lane = entry_lane(&ts->heap[0]);
        t = lane != NULL ? lane_first(lane)
                         : (struct vetch__timer *)ts->heap[0].who;
        detach(ts, t);
        t->lane = &in_due;
        vetch__list_append(&ts->due, &t->u.link);
        return true;
    }
    return false;
}

static void
fire_due(struct vetch__timers *ts)
{
    while (!vetch__list_empty(&ts->due)) {
        struct vetch__timer *t =
            vetch__container(ts->due.next, struct vetch__timer, u.link);

        detach(ts, t);
        t->fn(t); /* may free it, or stop others of the list */
    }
}

static void
on_timeout(evutil_socket_t fd, short what, void *arg)
{
    vetch_reactor *r = arg;
    struct vetch__timers *ts = r->timers;
    /* In virtual time what each timer makes ready runs before the next. */
    int left = r->virtual_clock ? 1 : BATCH;
    uint64_t now = vetch__clock_fresh(r);

    (void)fd;
    (void)what;
    ts->armed = NEVER;
    vetch__reactor_enter(r);
    while (left-- > 0 && collect_one(ts, now))
        ;
    fire_due(ts);
    vetch__reactor_leave(r);
    shrink(ts);
    arm_next(ts);
}

uint64_t
vetch__timers_next(vetch_reactor *r)
{
    struct vetch__timers *ts = r->timers;

    while (ts->n > 0 && !settle_top(ts))
        ;
    return ts->n > 0 ? ts->heap[0].deadline : NEVER;
}

void
vetch__timers_clock_changed(vetch_reactor *r)
{
    event_del(&r->timers->event);
    r->timers->armed = NEVER;
    arm_next(r->timers);
}

/* ---- the whole ---- */

int
vetch__timers_init(vetch_reactor *r)
{
    struct vetch__timers *ts = vetch__calloc(1, sizeof(*ts));

    if (ts == NULL)
        return -1;
    ts->reactor = r;
    ts->armed = NEVER;
    vetch__list_init(&ts->due);
    evtimer_assign(&ts->event, r->base, on_timeout, r);
    r->timers = ts;
    return 0;
}

void
vetch__timers_cancel_all(vetch_reactor *r)
{
    struct vetch__timers *ts = r->timers;

    while (collect_one(ts, NEVER)) {
        struct vetch__timer *t =
            vetch__container(ts->due.prev, struct vetch__timer, u.link);

        detach(ts, t);
        vetch__timer_cancelled(t);
    }
}

static void
free_if_unused(struct vetch__timers *ts)
{
    if (ts->reactor == NULL && ts->n_objects == 0)
        vetch__free(ts);
}

void
vetch__timers_done(vetch_reactor *r)
{
    struct vetch__timers *ts = r->timers;
    size_t i;

    vetch__timers_cancel_all(r);
    event_del(&ts->event);
    for (i = 0; i < (size_t)2 << TABLE_BITS; i++)
        forget_lane(&ts->table[i / 2][i % 2]);
    vetch__free(ts->heap);
    ts->heap = NULL;
    ts->reactor = NULL;
    r->timers = NULL;
    free_if_unused(ts);
}

size_t
vetch__timers_live(const vetch_reactor *r)
{
    return r->timers->n_objects;
}

struct vetch__timers *
vetch__timers_ref(vetch_reactor *r)
{
    r->timers->n_objects++;
    return r->timers;
}

void
vetch__timers_unref(struct vetch__timers *ts)
{
    ts->n_objects--;
    free_if_unused(ts);
}
