/* Circular waits of the randomised test: rings of random detours, closed by a
 * handler that answers with what waits for it. They stand beside the graph of
 * the model, on the same reactor, and share its turns, its clock and its end.
 * Whatever is done to a ring, it comes to an end, and a value is not how. */

#include "promise/model/world.h"

struct ring {
    vetch_promise *whole; /* what the closing handler answers with */
    vetch_deferred *op;   /* begins it, when it is settled */
    vetch_scope *scopes[PW_RING_LAYERS];
    unsigned n_scopes;
    /* For those who may be cancelled before they take it. */
    vetch_promise *given[PW_RING_LAYERS];
    unsigned n_given;
    bool cut; /* nobody is to close it any more */
};

static struct ring rings[PW_RINGS];
static size_t n_rings;

static void
stop_op(vetch_deferred *d, void *ctx)
{
    (void)ctx;
    vetch_deferred_cancel(d);
}

static vetch_promise *
close_ring(void *value, void *ctx)
{
    const struct ring *ring = ctx;

    (void)value;
    return ring->cut ? NULL : vetch_promise_ref(ring->whole);
}

static vetch_promise *
take(vetch_promise **given)
{
    vetch_promise *p = *given;

    *given = NULL;
    return p;
}

static vetch_promise *
await_given(void *given)
{
    vetch_error *error;

    vetch_unref(vetch_await(take(given), &error)); /* results, or nothing */
    return vetch_finish(error);
}

static vetch_promise *
start_given(size_t i, void *given)
{
    (void)i;
    return take(given);
}

static vetch_promise **
give(struct ring *ring, vetch_promise *p)
{
    ring->given[ring->n_given] = p;
    return &ring->given[ring->n_given++];
}

static void
nothing(void *ctx)
{
    (void)ctx;
}

static vetch_promise *
through_scope(struct ring *ring, vetch_promise *p)
{
    vetch_scope *s = vetch_scope_new();

    MODEL_CHECK(s != NULL, "no memory");
    ring->scopes[ring->n_scopes++] = s;
    vetch_scope_add(s, p);
    return vetch_scope_end(s);
}

/* One more detour below p. */
static vetch_promise *
detour(struct ring *ring, vetch_promise *p)
{
    vetch_promise *pair[] = { p, NULL };

    switch (pw_below(10)) {
    case 0:
        return vetch_timeout(p, 1 + pw_below(9));
    case 1:
        pair[1] = vetch_sleep(1 + pw_below(9));
        return vetch_all(pair, 2);
    case 2:
        return vetch_race(pair, 1);
    case 3:
        return vetch_any(pair, 1);
    case 4:
        return through_scope(ring, p);
    case 5:
        return vetch_spawn(await_given, give(ring, p));
    case 6:
        return vetch_map(1, 1, start_given, give(ring, p));
    case 7:
        return vetch_shield(p);
    case 8:
        return vetch_finally(p, nothing, NULL);
    default:
        return vetch_then(p, NULL, NULL);
    }
}

void
pw_start_ring(void)
{
    struct ring *ring = &rings[n_rings];
    vetch_promise *p;

    if (n_rings == PW_RINGS)
        return;
    n_rings++;
    *ring = (struct ring){ .op = vetch_deferred_new(stop_op, NULL) };
    MODEL_CHECK(ring->op != NULL, "no memory");
    p = vetch_then(vetch_deferred_promise(ring->op), close_ring, ring);
    for (unsigned n = 1 + pw_below(PW_RING_LAYERS - 1); n > 0; n--)
        p = detour(ring, p);
    ring->whole = p;
}

void
pw_touch_ring(void)
{
    struct ring *ring;

    if (n_rings == 0)
        return;
    ring = &rings[pw_below((unsigned)n_rings)];
    if (pw_chance(40))
        vetch_promise_cancel(ring->whole);
    else
        vetch_deferred_resolve(ring->op, NULL, NULL);
}

void
pw_close_rings(void)
{
    for (size_t i = 0; i < n_rings; i++)
        vetch_deferred_resolve(rings[i].op, NULL, NULL);
}

void
pw_check_rings(void)
{
    for (size_t i = 0; i < n_rings; i++) {
        struct ring *ring = &rings[i];

        MODEL_CHECK(vetch_promise_state(ring->whole) == VETCH_REJECTED,
                    "a ring is in state %d", vetch_promise_state(ring->whole));
        (void)vetch_promise_error(ring->whole);
        ring->cut = true;
        vetch_promise_unref(ring->whole);
        vetch_deferred_unref(ring->op);
        for (unsigned k = 0; k < ring->n_scopes; k++)
            vetch_scope_unref(ring->scopes[k]);
        for (unsigned k = 0; k < ring->n_given; k++)
            vetch_promise_unref(ring->given[k]);
    }
    n_rings = 0;
}
