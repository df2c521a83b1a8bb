/* What all timers wait in, and the one event that wakes the loop for them.
 *
 * A timer is in the heap, in a lane, or among those that are due. A timerfd is
 * set to the earliest deadline, because libevent counts on a coarse clock and
 * waits for whole milliseconds: a timer would come 4 ms late. It is set anew
 * only if the earliest deadline got earlier or it has fired, so timers that are
 * started and cancelled all the time, such as the deadlines of a server, cost
 * no system call. What is due at once needs none either: a timer of libevent
 * with zero delay comes behind the I/O.
 *
 * A dispatch first moves what is due, at most BATCH, to a list and then works
 * through it, so that what a callback arms waits for the next turn, behind the
 * I/O. Each deadline is compared with a fresh reading: none fires early. */

#include "reactor/timer-private.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define BATCH 256

/* Where a timer waits, if not in a lane. */
static struct vetch__lane in_heap, in_due;

/* ---- waking the loop ---- */

static void
timers_set_fd(const struct vetch__timers *ts, uint64_t deadline)
{
    struct itimerspec when = { .it_value = {
                                   .tv_sec = (time_t)(deadline / 1000000000),
                                   .tv_nsec = (long)(deadline % 1000000000) } };

    timerfd_settime(ts->fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void
timers_wake_now(struct vetch__timers *ts)
{
    static const struct timeval zero = { 0, 0 };

    ts->waking = true;
    /* Out of memory: look again in this turn. */
    if (event_add(&ts->now_event, &zero) < 0)
        event_active(&ts->now_event, EV_TIMEOUT, 0);
}

/* In virtual time a test comes back when it has moved the clock; in a child
 * process the timerfd is the parent's. */
static void
timers_wake_at(struct vetch__timers *ts, uint64_t deadline)
{
    const vetch_reactor *r = ts->reactor;

    if (r->virtual_clock || vetch__is_inherited(&r->owner))
        return;
    ts->armed = deadline;
    timers_set_fd(ts, deadline);
}

static void
timers_arm(struct vetch__timers *ts, uint64_t now)
{
    uint64_t deadline;

    if (ts->heap.n == 0 || ts->waking)
        return;
    deadline = ts->heap.entries[0].deadline;
    if (vetch__likely(deadline >= ts->armed))
        return;
    if (deadline <= now)
        timers_wake_now(ts);
    else
        timers_wake_at(ts, deadline);
}

static void
timers_arm_next(struct vetch__timers *ts)
{
    while (ts->heap.n > 0 && !vetch__lane_settle(ts))
        ;
    timers_arm(ts, vetch__clock_fresh(ts->reactor));
}

/* ---- starting and stopping ---- */

static void
timer_detach(struct vetch__timers *ts, struct vetch__timer *t)
{
    struct vetch__lane *lane = t->lane;

    t->lane = NULL;
    if (lane == &in_heap) {
        vetch__timer_heap_remove(&ts->heap, t->u.index);
        return;
    }
    vetch__list_remove(&t->u.link);
    if (lane != &in_due)
        vetch__lane_unused(lane);
}

static void
timer_insert(struct vetch__timers *ts, struct vetch__timer *t)
{
    t->lane = &in_heap;
    vetch__timer_heap_insert(
        &ts->heap, (struct vetch__timer_entry){ t->deadline, (uintptr_t)t });
}

/* The usual case in a crowd, in a few instructions: the delay has a lane that
 * is in the heap, so that nothing but the list changes. */
static bool
timer_join_lane(struct vetch__timers *ts, struct vetch__timer *t, uint64_t now,
                uint64_t delay, void (*fn)(struct vetch__timer *self))
{
    struct vetch__lane *lane = vetch__lane_join(ts, delay);

    if (lane == NULL)
        return false;
    if (t->lane == lane)
        vetch__list_remove(&t->u.link);
    else if (t->lane != NULL)
        timer_detach(ts, t);
    t->fn = fn;
    t->deadline = vetch__deadline(now, delay);
    vetch__lane_append(ts, lane, t);
    return true;
}

static int
timer_start(vetch_reactor *r, struct vetch__timer *t, uint64_t now,
            uint64_t delay, void (*fn)(struct vetch__timer *self))
{
    struct vetch__timers *ts = r->timers;
    struct vetch__lane *lane;

    if (timer_join_lane(ts, t, now, delay, fn))
        return 0;
    if (t->lane != NULL)
        timer_detach(ts, t);
    if (vetch__timer_heap_reserve(&ts->heap) < 0)
        return -1;
    t->fn = fn;
    t->deadline = vetch__deadline(now, delay);
    lane = vetch__lane_vote(ts, delay);
    if (lane != NULL)
        vetch__lane_append(ts, lane, t);
    else
        timer_insert(ts, t);
    timers_arm(ts, now);
    return 0;
}

int
vetch__timer_start(vetch_reactor *r, struct vetch__timer *t, uint64_t delay,
                   void (*fn)(struct vetch__timer *self))
{
    return timer_start(r, t, vetch__clock_fresh(r), delay, fn);
}

int
vetch__timer_start_coarse(vetch_reactor *r, struct vetch__timer *t,
                          uint64_t delay, void (*fn)(struct vetch__timer *self))
{
    return timer_start(r, t, vetch__clock_now(r), delay, fn);
}

void
vetch__timer_start_at(vetch_reactor *r, struct vetch__timer *t,
                      uint64_t deadline, void (*fn)(struct vetch__timer *self))
{
    t->fn = fn;
    t->deadline = deadline;
    timer_insert(r->timers, t);
    timers_arm(r->timers, vetch__clock_fresh(r));
}

void
vetch__timer_stop(vetch_reactor *r, struct vetch__timer *t)
{
    if (t->lane == NULL)
        return;
    timer_detach(r->timers, t); /* memory goes back when next a timer fires */
}

/* ---- firing ---- */

/* Move the first timer to the list of those that are due, if it is. */
static bool
timers_collect_one(struct vetch__timers *ts, uint64_t now)
{
    struct vetch__timer *t;
    struct vetch__lane *lane;

    while (ts->heap.n > 0 && ts->heap.entries[0].deadline <= now) {
        if (!vetch__lane_settle(ts))
            continue;
        lane = vetch__entry_lane(&ts->heap.entries[0]);
        t = lane != NULL ? vetch__lane_first(lane)
                         : (struct vetch__timer *)ts->heap.entries[0].who;
        timer_detach(ts, t);
        t->lane = &in_due;
        vetch__list_append(&ts->due, &t->u.link);
        return true;
    }
    return false;
}

static void
timers_fire_due(struct vetch__timers *ts)
{
    while (!vetch__list_empty(&ts->due)) {
        struct vetch__timer *t =
            vetch__container(ts->due.next, struct vetch__timer, u.link);

        timer_detach(ts, t);
        t->fn(t); /* may free it, or stop others of the list */
    }
}

static void
timers_fire(vetch_reactor *r)
{
    struct vetch__timers *ts = r->timers;
    /* In virtual time what each timer makes ready runs before the next. */
    int left = r->virtual_clock ? 1 : BATCH;
    uint64_t now = vetch__clock_fresh(r);

    vetch__reactor_enter(r);
    while (left-- > 0 && timers_collect_one(ts, now))
        ;
    timers_fire_due(ts);
    vetch__reactor_leave(r);
    vetch__timer_heap_shrink(&ts->heap);
    timers_arm_next(ts);
}

static void
timers_on_fd(evutil_socket_t fd, short what, void *arg)
{
    vetch_reactor *r = arg;
    uint64_t ticks;

    (void)what;
    if (!r->timers->by_edge && read(fd, &ticks, sizeof(ticks)) < 0)
        return; /* it has been set anew meanwhile */
    r->timers->armed = VETCH__NEVER;
    timers_fire(r);
}

static void
timers_on_now(evutil_socket_t fd, short what, void *arg)
{
    vetch_reactor *r = arg;

    (void)fd;
    (void)what;
    r->timers->waking = false;
    timers_fire(r);
}

uint64_t
vetch__timers_next(vetch_reactor *r)
{
    struct vetch__timers *ts = r->timers;

    while (ts->heap.n > 0 && !vetch__lane_settle(ts))
        ;
    return ts->heap.n > 0 ? ts->heap.entries[0].deadline : VETCH__NEVER;
}

void
vetch__timers_clock_changed(vetch_reactor *r)
{
    struct vetch__timers *ts = r->timers;

    event_del(&ts->now_event);
    ts->waking = false;
    if (ts->armed != VETCH__NEVER)
        timers_set_fd(ts, 0); /* off */
    ts->armed = VETCH__NEVER;
    timers_arm_next(ts);
}

/* ---- the whole ---- */

static int
timers_watch_fd(vetch_reactor *r, struct vetch__timers *ts)
{
    short what = EV_READ | EV_PERSIST;

    ts->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (ts->fd < 0)
        return -1;
    ts->by_edge = (event_base_get_features(r->base) & EV_FEATURE_ET) != 0;
    if (ts->by_edge)
        what |= EV_ET;
    event_assign(&ts->event, r->base, ts->fd, what, timers_on_fd, r);
    errno = ENOMEM;
    return event_add(&ts->event, NULL);
}

int
vetch__timers_init(vetch_reactor *r)
{
    struct vetch__timers *ts = vetch__calloc(1, sizeof(*ts));

    if (ts == NULL)
        return -1;
    ts->reactor = r;
    ts->armed = VETCH__NEVER;
    vetch__list_init(&ts->due);
    evtimer_assign(&ts->now_event, r->base, timers_on_now, r);
    r->timers = ts;
    return timers_watch_fd(r, ts);
}

void
vetch__timers_cancel_all(vetch_reactor *r)
{
    struct vetch__timers *ts = r->timers;

    while (timers_collect_one(ts, VETCH__NEVER)) {
        struct vetch__timer *t =
            vetch__container(ts->due.prev, struct vetch__timer, u.link);

        timer_detach(ts, t);
        vetch__timer_canceled(t);
    }
}

static void
timers_free_if_unused(struct vetch__timers *ts)
{
    if (ts->reactor == NULL && ts->n_objects == 0)
        vetch__free(ts);
}

void
vetch__timers_done(vetch_reactor *r)
{
    struct vetch__timers *ts = r->timers;

    vetch__timers_cancel_all(r);
    event_del(&ts->now_event);
    if (ts->fd >= 0) {
        event_del(&ts->event);
        close(ts->fd);
    }
    vetch__lanes_done(ts);
    vetch__free(ts->heap.entries);
    ts->heap.entries = NULL;
    ts->reactor = NULL;
    r->timers = NULL;
    timers_free_if_unused(ts);
}

size_t
vetch__timers_live(const vetch_reactor *r)
{
    return r->timers->n_objects;
}

static void
timers_each_of_list(const struct vetch__list *list,
                    void (*fn)(const struct vetch__timer *t, void *ctx),
                    void *ctx)
{
    for (const struct vetch__list *at = list->next; at != list; at = at->next)
        fn(vetch__container(at, const struct vetch__timer, u.link), ctx);
}

void
vetch__timers_each(vetch_reactor *r,
                   void (*fn)(const struct vetch__timer *t, void *ctx),
                   void *ctx)
{
    const struct vetch__timer_heap *h = &r->timers->heap;

    timers_each_of_list(&r->timers->due, fn, ctx);
    for (size_t i = 0; i < h->n; i++) {
        const struct vetch__lane *lane = vetch__entry_lane(&h->entries[i]);

        if (lane != NULL)
            timers_each_of_list(&lane->timers, fn, ctx);
        else
            fn((const struct vetch__timer *)h->entries[i].who, ctx);
    }
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
    timers_free_if_unused(ts);
}
