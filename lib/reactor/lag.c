/* How late things are: the time that a turn of the loop takes, from its first
 * callback to its last, is what the next event may have had to wait.
 *
 * Nothing is measured until somebody asks for the first time; then a turn costs
 * two readings of the clock. Times are counted in buckets, eight to a power of
 * two, so that what is told is at most an eighth too long. */
#include "reactor/lag-private.h"

#include <errno.h>
#include <string.h>

#include "base/check-private.h"

#define STEP_BITS 3
#define STEPS     (1u << STEP_BITS)
#define N_BUCKETS (64 * STEPS)

struct vetch__lag {
    bool working;
    uint64_t began;
    uint64_t n, max;
    uint32_t buckets[N_BUCKETS];
};

/* The bucket of a time, and where one ends. */
static unsigned
lag_bucket_of(uint64_t ns)
{
    unsigned bits;

    if (ns < STEPS)
        return (unsigned)ns;
    bits = 63 - (unsigned)__builtin_clzll(ns);
    return ((bits - STEP_BITS + 1) << STEP_BITS) +
           (unsigned)((ns >> (bits - STEP_BITS)) & (STEPS - 1));
}

static uint64_t
bucket_end(unsigned i)
{
    unsigned shift = i >> STEP_BITS;

    if (shift == 0)
        return i;
    return ((uint64_t)(STEPS + (i & (STEPS - 1)) + 1) << (shift - 1)) - 1;
}

void
vetch__lag_work_begins(vetch_reactor *r)
{
    if (r->lag->working)
        return;
    r->lag->working = true;
    r->lag->began = vetch__clock_fresh(r);
}

void
vetch__lag_turn_over(vetch_reactor *r)
{
    struct vetch__lag *lag = r->lag;
    uint64_t took;

    if (!lag->working)
        return;
    lag->working = false;
    took = vetch__clock_fresh(r) - lag->began;
    lag->n++;
    lag->buckets[lag_bucket_of(took)]++;
    if (took > lag->max)
        lag->max = took;
}

void
vetch__lag_done(vetch_reactor *r)
{
    vetch__free(r->lag);
    r->lag = NULL;
}

/* What `share` of all turns did not exceed, in seconds. */
static double
lag_quantile(const struct vetch__lag *lag, double share)
{
    uint64_t rank = (uint64_t)(share * (double)lag->n), seen = 0, end;
    unsigned i = 0;

    if (lag->n == 0)
        return 0;
    while (i < N_BUCKETS - 1 && (seen += lag->buckets[i]) <= rank)
        i++;
    end = bucket_end(i);
    return (double)(end < lag->max ? end : lag->max) / 1e9;
}

int
vetch_reactor_get_lag(vetch_reactor *r, vetch_reactor_lag *ret)
{
    vetch_reactor_lag all = VETCH_REACTOR_LAG_INIT;
    struct vetch__lag *lag;
    size_t size;

    VETCH_CHECK(r != NULL, EINVAL, -1);
    VETCH_CHECK(ret != NULL && ret->size >= sizeof(size_t), EINVAL, -1);
    if (!vetch__check_thread(&r->owner, "a reactor"))
        return -1;
    if (r->lag == NULL)
        r->lag = vetch__calloc(1, sizeof(*r->lag));
    lag = r->lag;
    if (lag == NULL)
        return -1;
    all.n_turns = lag->n;
    all.p50_seconds = lag_quantile(lag, 0.5);
    all.p99_seconds = lag_quantile(lag, 0.99);
    all.max_seconds = (double)lag->max / 1e9;
    lag->n = lag->max = 0;
    memset(lag->buckets, 0, sizeof(lag->buckets));
    size = ret->size < sizeof(all) ? ret->size : sizeof(all);
    all.size = ret->size;
    memcpy(ret, &all, size);
    return 0;
}
