/* Time: one precise monotonic clock, moved by hand in tests.
 *
 * It is read at the first question in a turn, and then known until the next
 * turn; where a timer needs to know exactly, it is read anew. A loop that
 * we run counts its own turns. One that somebody else runs does not tell when
 * it polls: there each dispatch into vetch counts as one. */

#include "reactor/reactor-private.h"

#include <time.h>

#include <vetch/log.h>

#include "base/check-private.h"

#define NS_PER_SECOND UINT64_C(1000000000)

static uint64_t
read_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail */
    return (uint64_t)t.tv_sec * NS_PER_SECOND + (uint64_t)t.tv_nsec;
}

uint64_t
vetch__clock_fresh(vetch_reactor *r)
{
    return vetch__unlikely(r->virtual_clock) ? r->now : read_clock();
}

uint64_t
vetch__clock_now(vetch_reactor *r)
{
    if (r->now_is_known || vetch__unlikely(r->virtual_clock))
        return r->now;
    r->now = read_clock();
    /* Outside any loop there are no turns. */
    r->now_is_known = r->depth > 0 || r->running_loop;
    return r->now;
}

double
vetch_now(void)
{
    uint64_t now = vetch__reactor != NULL ? vetch__clock_now(vetch__reactor)
                                          : read_clock();

    return (double)now / 1e9;
}

void
vetch_reactor_set_slow_limit(vetch_reactor *r, double seconds)
{
    VETCH_CHECK(r != NULL && seconds >= 0, EINVAL, );
    r->slow_limit = vetch__seconds(seconds);
}

void
vetch__slow_check(vetch_reactor *r, const void *fn, uint64_t started)
{
    uint64_t took = vetch__clock_fresh(r) - started;
    char name[VETCH__FUNCTION_NAME];

    /* 0: debugging was switched on by the callback itself. */
    if (started == 0 || took <= r->slow_limit)
        return;
    vetch_log(VETCH_LOG_WARNING, "slow callback: %s held the loop for %.0f ms",
              vetch__function_name(fn, name), (double)took / 1e6);
}
