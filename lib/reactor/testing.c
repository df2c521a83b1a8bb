/* The virtual clock and running until nothing is ready; see vetch_testing(3).
 * (The allocations that fail are counted in base/mem.c.) */

#include <vetch/testing.h>

#include <errno.h>

#include <vetch/log.h>

#include "base/check-private.h"
#include "reactor/reactor-private.h"

/* Something that makes itself ready again for ever is named, not obeyed. */
#define TURNS_MAX 100000

int
vetch_testing_virtual_clock(void)
{
    vetch_reactor *r = vetch__reactor;

    if (r == NULL) {
        errno = EPERM;
        return -1;
    }
    r->now = vetch__clock_fresh(r);
    r->virtual_clock = true;
    vetch__timers_clock_changed(r);
    return 0;
}

/* One look at everything, without waiting; true if something ran. */
static bool
turn(vetch_reactor *r)
{
    uint64_t before = r->n_entries;

    event_base_loop(r->base, EVLOOP_NONBLOCK);
    return r->n_entries != before;
}

void
vetch_testing_run_ready(void)
{
    vetch_reactor *r = vetch__reactor;
    int turns = 0;

    VETCH_CHECK(r != NULL && r->depth == 0 && !r->running_loop, EPERM, );
    while (turn(r)) {
        if (++turns == TURNS_MAX) {
            vetch_log(VETCH_LOG_WARNING,
                      "vetch_testing_run_ready: still busy after %d turns",
                      turns);
            return;
        }
    }
}

static void
set_time(vetch_reactor *r, uint64_t now)
{
    if (now > r->now)
        r->now = now;
    vetch__timers_clock_changed(r);
}

void
vetch_testing_advance(double seconds)
{
    vetch_reactor *r = vetch__reactor;
    uint64_t target, next;

    VETCH_CHECK(r != NULL && r->depth == 0 && !r->running_loop, EPERM, );
    VETCH_CHECK(r->virtual_clock && seconds >= 0, EINVAL, );
    target = vetch__deadline(r->now, vetch__seconds(seconds));
    if (target >= VETCH__NO_DEADLINE)
        target = VETCH__NO_DEADLINE - 1;
    vetch_testing_run_ready();
    while ((next = vetch__timers_next(r)) <= target) {
        set_time(r, next);
        vetch_testing_run_ready();
    }
    set_time(r, target);
    vetch_testing_run_ready();
}

/* ---- what goes wrong ---- */

int
vetch_testing_shuffle(uint64_t seed)
{
    VETCH_CHECK(vetch__reactor != NULL, EPERM, -1);
    vetch__reactor->faults.shuffle = seed;
    return 0;
}

int
vetch_testing_fail_connect(uint64_t nth, int errnum)
{
    VETCH_CHECK(vetch__reactor != NULL, EPERM, -1);
    VETCH_CHECK(nth == 0 || errnum > 0, EINVAL, -1);
    vetch__reactor->faults.connect_nth = nth;
    vetch__reactor->faults.connect_errno = errnum;
    return 0;
}

int
vetch_testing_short_writes(size_t limit_bytes)
{
    VETCH_CHECK(vetch__reactor != NULL, EPERM, -1);
    VETCH_CHECK(limit_bytes > 0, EINVAL, -1);
    vetch__reactor->faults.write_limit =
        limit_bytes != VETCH_NO_LIMIT ? limit_bytes : 0;
    return 0;
}
