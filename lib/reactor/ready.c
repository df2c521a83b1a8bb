/* The ready queue: what runs next, in the order in which it became ready.
 *
 * It is drained at the end of every dispatch from libevent into vetch, so that
 * a promise link costs no turn of the loop. Three rules keep it honest:
 *
 *   - A push from outside (main() before the loop runs, a foreign callback on
 *     an adopted loop) activates one event, which drains in the same turn.
 *   - One drain runs at most DRAIN_BOUND entries (and FLUSH_BOUND flushes: two
 *     ends of a pair in memory can talk for ever). What is left waits behind
 *     the I/O: it is resumed by a timer of zero delay and not by an activation,
 *     because libevent polls only when nothing is active.
 *   - When the queue is empty, the flush list runs: transports send what was
 *     written meanwhile, all of it with one system call each. A flush may make
 *     things ready again, so the two alternate until both are empty. */
#include "reactor/reactor-private.h"

#include <assert.h>
#include <errno.h>

#include "base/check-private.h"
#include "reactor/lag-private.h"

#define DRAIN_BOUND    ((size_t)4096)
#define SHUFFLE_WINDOW 16
#define FLUSH_BOUND    ((size_t)1024)

struct call {
    struct vetch__ready ready; /* type VETCH__CALL; no source */
    vetch_call_fn fn;
    void *ctx;
    vetch_free_fn free_ctx;
};

static_assert(sizeof(struct call) <= VETCH__NODE_SIZE, "calls are pooled");

static void
call_finish(struct call *call)
{
    vetch_free_fn free_ctx = call->free_ctx;
    void *ctx = call->ctx;

    vetch__pool_free(call);
    if (free_ctx != NULL)
        free_ctx(ctx);
}

static void
call_run(vetch_reactor *r, struct call *call)
{
    uint64_t started = r->debug ? vetch__clock_fresh(r) : 0;

    if (!r->finishing)
        call->fn(call->ctx);
    if (r->debug)
        vetch__slow_check(r, (const void *)(uintptr_t)call->fn, started);
    call_finish(call);
}

/* Whether the contract says that a runs before b, which came after it: handlers
 * of one promise, and calls, run in the order in which they came. */
static bool
ready_are_ordered(const struct vetch__ready *a, const struct vetch__ready *b)
{
    return a->object.type == b->object.type && a->source == b->source;
}

static uint64_t
next_random(uint64_t *state)
{
    uint64_t x = *state; /* xorshift: any seed but 0 will do */

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

/* For tests: put one of the first entries in front, as the seed says, without
 * breaking an order that is promised. */
static void
ready_shuffle(vetch_reactor *r)
{
    struct vetch__ready *at[SHUFFLE_WINDOW], *node = r->ready_first;
    size_t n = 0, chosen;

    for (; node != NULL && n < SHUFFLE_WINDOW; node = node->next)
        at[n++] = node;
    chosen = next_random(&r->faults.shuffle) % n;
    for (size_t i = 0; i < chosen; i++)
        if (ready_are_ordered(at[i], at[chosen]))
            chosen = i;
    if (chosen == 0)
        return;
    at[chosen - 1]->next = at[chosen]->next;
    if (r->ready_last == at[chosen])
        r->ready_last = at[chosen - 1];
    at[chosen]->next = r->ready_first;
    r->ready_first = at[chosen];
}

static struct vetch__ready *
ready_pop(vetch_reactor *r)
{
    struct vetch__ready *node;

    if (vetch__unlikely(r->faults.shuffle != 0))
        ready_shuffle(r);
    node = r->ready_first;

    r->ready_first = node->next;
    if (r->ready_first == NULL)
        r->ready_last = NULL;
    else
        __builtin_prefetch(r->ready_first->next);
    return node;
}

/* What is left of the limit; the list is empty if that is not 0. */
static size_t
flushes_run(vetch_reactor *r, size_t limit)
{
    while (!vetch__list_empty(&r->flushes) && limit > 0) {
        struct vetch__flush *f =
            vetch__container(r->flushes.next, struct vetch__flush, link);

        limit--;
        vetch__flush_cancel(f);
        f->fn(f);
    }
    return limit;
}

static bool
ready_is_idle(const vetch_reactor *r)
{
    return r->ready_first == NULL && vetch__list_empty(&r->flushes);
}

size_t
vetch__ready_drain(vetch_reactor *r, size_t limit)
{
    while (r->ready_first != NULL && limit > 0) {
        struct vetch__ready *node = ready_pop(r);

        limit--;
        if (node->object.type == VETCH__CALL)
            call_run(r, (struct call *)node);
        else
            vetch__promise_dispatch(r, node);
    }
    return limit;
}

/* Go on behind the I/O that is waiting. Should the timer not be had, an
 * activation at least keeps the work going. */
static void
ready_continue_later(vetch_reactor *r)
{
    static const struct timeval zero = { 0, 0 };

    r->drain_scheduled = true;
    if (evtimer_add(&r->drain_timer, &zero) < 0)
        event_active(&r->drain_event, EV_TIMEOUT, 0);
}

static void
ready_drain_turn(vetch_reactor *r)
{
    size_t entries = r->drain_bound, flushes = FLUSH_BOUND;

    do {
        entries = vetch__ready_drain(r, entries);
        flushes = flushes_run(r, flushes);
    } while (!ready_is_idle(r) && entries > 0 && flushes > 0);
    if (!ready_is_idle(r))
        ready_continue_later(r);
}

bool
vetch__ready_settle(vetch_reactor *r, size_t limit)
{
    do {
        limit = vetch__ready_drain(r, limit);
        flushes_run(r, SIZE_MAX);
    } while (!ready_is_idle(r) && limit > 0);
    return ready_is_idle(r);
}

void
vetch__reactor_enter(vetch_reactor *r)
{
    if (r->depth++ == 0 && !r->running_loop)
        vetch__clock_turn(r);
    if (vetch__unlikely(r->lag != NULL))
        vetch__lag_work_begins(r);
    r->n_entries++;
}

void
vetch__reactor_leave(vetch_reactor *r)
{
    if (r->depth == 1) {
        if (r->drain_scheduled) /* the bound was reached in this turn */
            flushes_run(r, FLUSH_BOUND);
        else if (!ready_is_idle(r))
            ready_drain_turn(r);
    }
    if (--r->depth == 0 && !r->running_loop) {
        vetch__clock_turn(r);
        if (vetch__unlikely(r->lag != NULL))
            vetch__lag_turn_over(r);
    }
}

static void
ready_on_event(evutil_socket_t fd, short what, void *arg)
{
    vetch_reactor *r = arg;

    (void)fd;
    (void)what;
    r->drain_scheduled = false;
    vetch__reactor_enter(r);
    vetch__reactor_leave(r);
}

void
vetch__ready_wake(vetch_reactor *r)
{
    if (r->depth > 0 || r->drain_scheduled || r->ending)
        return;
    r->drain_scheduled = true;
    event_active(&r->drain_event, EV_TIMEOUT, 0);
}

void
vetch__flush_later(vetch_reactor *r, struct vetch__flush *f)
{
    if (f->link.next != NULL)
        return;
    vetch__list_append(&r->flushes, &f->link);
    if (vetch__unlikely(r->depth == 0))
        vetch__ready_wake(r);
}

void
vetch__flush_cancel(struct vetch__flush *f)
{
    if (f->link.next == NULL)
        return;
    vetch__list_remove(&f->link);
    f->link.next = NULL;
}

int
vetch__ready_init(vetch_reactor *r)
{
    r->drain_bound = DRAIN_BOUND;
    vetch__list_init(&r->flushes);
    r->pool = vetch__pool_new(r);
    if (r->pool == NULL)
        return -1;
    if (event_assign(&r->drain_event, r->base, -1, 0, ready_on_event, r) < 0 ||
        evtimer_assign(&r->drain_timer, r->base, ready_on_event, r) < 0) {
        vetch__pool_release(r->pool);
        r->pool = NULL;
        return -1;
    }
    return 0;
}

/* Calls that never ran still give their ctx back. */
void
vetch__ready_done(vetch_reactor *r)
{
    while (r->ready_first != NULL) {
        struct vetch__ready *node = ready_pop(r);

        if (node->object.type == VETCH__CALL)
            call_finish((struct call *)node);
    }
    event_del(&r->drain_event);
    event_del(&r->drain_timer);
    vetch__pool_release(r->pool);
    r->pool = NULL;
}

int
vetch_call_soon(vetch_call_fn fn, void *ctx)
{
    return vetch_call_soon_owned(fn, ctx, NULL);
}

int
vetch_call_soon_owned(vetch_call_fn fn, void *ctx, vetch_free_fn free_ctx)
{
    vetch_reactor *r = vetch__reactor;
    struct call *call;

    VETCH_CHECK(fn != NULL, EINVAL, -1);
    if (r == NULL) {
        errno = EPERM;
        return -1;
    }
    if (r->ending) {
        errno = ECANCELED;
        return -1;
    }
    call = vetch__pool_alloc(r->pool, VETCH__CALL);
    if (call == NULL)
        return -1;
    call->ready.source = NULL;
    call->fn = fn;
    call->ctx = ctx;
    call->free_ctx = free_ctx;
    vetch__ready_push(r, &call->ready);
    return 0;
}
