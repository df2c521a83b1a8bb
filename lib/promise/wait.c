/* wait and as_completed: looking at promises that stay their owner's.
 *
 * Both watch through references of their own, and leave a rejection as
 * unobserved as it was: looking at the outcome is the owner's. */
#include <vetch/combinators.h>

#include <errno.h>
#include <math.h>

#include "base/error-private.h"
#include "promise/promise-private.h"

/* Watch without taking part: the promise is neither consumed nor observed. */
static vetch_promise *
look(vetch_promise *p, vetch__watch_fn fn, void *ctx, size_t index, bool joins)
{
    bool observed = p->object.flags & VETCH__OBSERVED;
    vetch_promise *w;

    vetch_promise_ref(p);
    if (joins)
        w = vetch__join(vetch__reactor, p, fn, ctx, index);
    else
        w = vetch__watch(vetch__reactor, p, fn, ctx, index);
    if (w == NULL)
        vetch_promise_unref(p);
    if (!observed)
        p->object.flags &= (uint8_t)~VETCH__OBSERVED;
    return w;
}

static void
look_away(vetch_promise **watches, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (watches[i] != NULL)
            vetch__watch_forget(watches[i]);
}

/* ---- wait ---- */

struct wait {
    struct vetch__joint joint;
    struct vetch__timer timer;
    vetch_wait_mode mode;
    size_t n, n_settled;
    vetch_promise *watches[];
};

static void
wait_end(struct wait *w, vetch_error *error)
{
    vetch_deferred *d = w->joint.deferred;
    size_t n_settled = w->n_settled;

    vetch__timer_stop(vetch__reactor, &w->timer);
    look_away(w->watches, w->n);
    vetch__free(w);
    if (error != NULL)
        vetch_deferred_reject(d, error);
    else
        vetch_deferred_resolve(d, (void *)(intptr_t)n_settled, NULL);
    vetch_deferred_unref(d);
}

static bool
wait_is_over(const struct wait *w, const vetch_promise *settled)
{
    if (w->n_settled == w->n)
        return true;
    if (w->mode == VETCH_WAIT_FIRST_COMPLETED)
        return true;
    return w->mode == VETCH_WAIT_FIRST_ERROR &&
           vetch_promise_state(settled) == VETCH_REJECTED;
}

static void
one_settled(void *ctx, size_t index, vetch_promise *p)
{
    struct wait *w = ctx;
    bool over;

    if (w == NULL) { /* nobody waits any more */
        vetch_promise_unref(p);
        return;
    }
    w->watches[index] = NULL;
    w->n_settled++;
    over = wait_is_over(w, p);
    vetch_promise_unref(p);
    if (over)
        wait_end(w, NULL);
}

static void
wait_expired(struct vetch__timer *timer)
{
    wait_end(vetch__container(timer, struct wait, timer), NULL);
}

static void
cancel_wait(vetch_deferred *d, void *ctx)
{
    (void)d;
    wait_end(ctx, vetch_error_ref(&vetch__error_canceled));
}

static bool
wait_next(const struct vetch__joint *j, const void **cursor,
          vetch_promise **ret_input)
{
    const struct wait *w = vetch__container(j, struct wait, joint);

    return vetch__input_at(w->watches, w->n, cursor, ret_input);
}

static int
wait_begin(struct wait *w, vetch_promise *const *promises, double seconds)
{
    /* Without a limit it may wait for ever, and for itself. */
    bool joins = isinf(seconds);

    for (size_t i = 0; i < w->n; i++) {
        w->watches[i] = look(promises[i], one_settled, w, i, joins);
        if (w->watches[i] == NULL)
            return -1;
    }
    if (joins)
        return 0;
    return vetch__timer_start(vetch__reactor, &w->timer,
                              vetch__seconds(seconds), wait_expired);
}

vetch_promise *
vetch_wait(vetch_promise *const *promises, size_t n, double seconds,
           vetch_wait_mode mode)
{
    struct wait *w;
    vetch_promise *p;

    if (!(seconds >= 0)) /* NaN, too */
        return vetch__failed(EINVAL, "wait");
    if (n == 0)
        return vetch_resolved(NULL, NULL);
    w = vetch__calloc(1, sizeof(*w) + n * sizeof(w->watches[0]));
    if (w == NULL)
        return &vetch__no_memory;
    w->n = n;
    w->mode = mode;
    if (vetch__joint_start(&w->joint, cancel_wait, wait_next) == NULL) {
        vetch__free(w);
        return vetch__failed(errno, "wait");
    }
    p = vetch_deferred_promise(w->joint.deferred);
    if (wait_begin(w, promises, seconds) < 0)
        wait_end(w, vetch_error_ref(&vetch__error_no_memory));
    return p;
}

/* ---- as_completed ---- */

struct vetch_completions {
    vetch_deferred *waiting; /* of the pending `next`, or NULL */
    size_t n;
    size_t n_settled;
    size_t n_given;
    vetch_promise **watches;
    vetch_promise *settled[]; /* in the order in which they settled */
};

static void
give(vetch_completions *c)
{
    vetch_deferred *d = c->waiting;
    vetch_promise *p = c->settled[c->n_given];

    c->settled[c->n_given++] = NULL;
    c->waiting = NULL;
    vetch_deferred_resolve(d, p, vetch_unref);
    vetch_deferred_unref(d);
}

static void
one_completed(void *ctx, size_t index, vetch_promise *p)
{
    vetch_completions *c = ctx;

    if (c == NULL) {
        vetch_promise_unref(p);
        return;
    }
    c->watches[index] = NULL;
    c->settled[c->n_settled++] = p;
    if (c->waiting != NULL)
        give(c);
}

vetch_completions *
vetch_as_completed(vetch_promise *const *promises, size_t n)
{
    vetch_completions *c;

    if (vetch__reactor == NULL) {
        errno = EPERM;
        return NULL;
    }
    c = vetch__calloc(1, sizeof(*c) + 2 * n * sizeof(c->settled[0]));
    if (c == NULL)
        return NULL;
    c->n = n;
    c->watches = c->settled + n;
    for (size_t i = 0; i < n; i++) {
        c->watches[i] = look(promises[i], one_completed, c, i, false);
        if (c->watches[i] == NULL) {
            vetch_completions_free(c);
            errno = ENOMEM;
            return NULL;
        }
    }
    return c;
}

static void
cancel_next(vetch_deferred *d, void *ctx)
{
    vetch_completions *c = ctx;

    c->waiting = NULL;
    vetch_deferred_cancel(d);
    vetch_deferred_unref(d);
}

vetch_promise *
vetch_completions_next(vetch_completions *c)
{
    vetch_promise *p;

    if (c->waiting != NULL)
        return vetch_rejected(vetch_error_new(
            VETCH_EMISUSE, "one completion is waited for already"));
    if (c->n_given == c->n)
        return vetch_resolved(NULL, NULL);
    c->waiting = vetch_deferred_new(cancel_next, c);
    if (c->waiting == NULL)
        return vetch__failed(errno, "next completion");
    p = vetch_deferred_promise(c->waiting);
    if (c->n_given < c->n_settled)
        give(c);
    return p;
}

void
vetch_completions_free(vetch_completions *c)
{
    vetch_deferred *d;

    if (c == NULL)
        return;
    d = c->waiting;
    if (vetch__reactor != NULL)
        look_away(c->watches, c->n);
    for (size_t i = c->n_given; i < c->n_settled; i++)
        vetch_promise_unref(c->settled[i]);
    vetch__free(c);
    if (d != NULL) {
        vetch_deferred_reject(
            d, vetch_error_new(VETCH_ECLOSED, "the iteration has ended"));
        vetch_deferred_unref(d);
    }
}
