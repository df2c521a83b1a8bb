/* Lanes. Delays that come up often (one connection timeout, thousands of times)
 * get a lane: a list in the order of arming, which is the order of expiry,
 * whose first timer alone is represented in the heap. Arming and cancelling
 * there is O(1).
 *
 * Which delays get a lane is decided by votes: a small table, indexed by a hash
 * of the delay, with two candidates in each place. Each arming votes for its
 * delay, or else against the weaker of the two; the second vote makes the lane.
 * So random delays cannot drive a popular one out. A lane that lost its place
 * lives until it is empty.
 *
 * A lane's entry in the heap may be too early (its first timers were
 * cancelled), never too late; it is set right when it comes up. */

#include "reactor/timer-private.h"

#include <errno.h>

static struct vetch__lane *
lane_new(struct vetch__timer_delay *c)
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

void
vetch__lane_unused(struct vetch__lane *lane)
{
    if (!lane->in_heap && lane->candidate == NULL &&
        vetch__list_empty(&lane->timers))
        vetch__free(lane);
}

static void
candidate_lose_lane(struct vetch__timer_delay *c)
{
    struct vetch__lane *lane = c->lane;

    c->lane = NULL;
    if (lane == NULL)
        return;
    lane->candidate = NULL;
    vetch__lane_unused(lane);
}

static struct vetch__lane *
vote_for(struct vetch__timer_delay *c)
{
    vetch__lane_vote_for(c);
    return c->lane != NULL ? c->lane : lane_new(c);
}

static void
vote_against(struct vetch__timer_delay *c, uint64_t newcomer)
{
    if (c->votes > 1) {
        c->votes--;
        return;
    }
    candidate_lose_lane(c);
    c->delay = newcomer;
    c->votes = 1;
}

struct vetch__lane *
vetch__lane_vote(struct vetch__timers *ts, uint64_t delay)
{
    struct vetch__timer_delay *set = vetch__lane_candidates(ts, delay);
    struct vetch__timer_delay *c = vetch__lane_candidate(ts, delay);

    if (c != NULL)
        return vote_for(c);
    vote_against(&set[set[1].votes < set[0].votes], delay);
    return NULL;
}

bool
vetch__lane_settle(struct vetch__timers *ts)
{
    struct vetch__timer_entry *first = &ts->heap.entries[0];
    struct vetch__lane *lane = vetch__entry_lane(first);
    uint64_t deadline;

    if (lane == NULL)
        return true;
    if (vetch__list_empty(&lane->timers)) {
        vetch__timer_heap_remove(&ts->heap, 0);
        lane->in_heap = false;
        vetch__lane_unused(lane);
        return false;
    }
    deadline = vetch__lane_first(lane)->deadline;
    if (deadline == first->deadline)
        return true;
    vetch__timer_heap_postpone(&ts->heap, deadline);
    return false;
}

void
vetch__lanes_done(struct vetch__timers *ts)
{
    for (size_t i = 0; i < (size_t)1 << VETCH__LANE_BITS; i++) {
        candidate_lose_lane(&ts->table[i][0]);
        candidate_lose_lane(&ts->table[i][1]);
    }
}
