/* wait and as_completed: looking at promises that stay their owner's.
 *
 * Both watch through references of their own, and leave a rejection as
 * unobserved as it was: looking at the outcome is the owner's. */
#include <vetch/combinators.h>

#include <errno.h>
#include <math.h>

#include "base/check-private.h"
#include "base/error-private.h"
#include "promise/promise-private.h"

/* Watch without taking part: the promise is neither consumed nor observed. */
static vetch_promise *
watch_borrowed(vetch_promise *p, vetch__watch_at_fn fn, void *ctx, size_t index,
               bool joins)
{
    bool observed = p->object.flags & VETCH__OBSERVED;
    vetch_promise *w;

    vetch_promise_ref(p);
    if (joins)
        w = vetch__join_at(vetch__reactor, p, fn, ctx, index);
    else
        w = vetch__watch_at(vetch__reactor, p, fn, ctx, index);
    if (w == NULL)
        vetch_promise_unref(p);
    if (!observed)
        p->object.flags &= (uint8_t)~VETCH__OBSERVED;
    return w;
}

static void
forget_watches(vetch_promise **watches, size_t n)
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
    forget_watches(w->watches, w->n);
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
        vetch_promise *p = promises[i];

        if (p == NULL)
            p = vetch__promise_missing("vetch_wait");
        w->watches[i] = watch_borrowed(p, one_settled, w, i, joins);
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

    if (vetch__promises_missing(__func__, promises, n))
        return &vetch__misused;
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

/* One that has settled, until somebody has got it from `next`. */
struct completion {
    vetch_completions *list;
    vetch_promise *p; /* NULL while it is on its way, and when it was got */
};

/* A completion is offered (rule 14): what nobody got comes back to its place
 * among the others, so `first` may go down again. */
struct vetch_completions {
    vetch_deferred *waiting; /* of the pending `next`, or NULL */
    bool freed;              /* only what is on its way keeps the memory */
    size_t n;
    size_t n_settled;
    size_t n_on_way;
    size_t n_got;
    size_t first; /* there is none to be had before this one */
    vetch_promise **watches;
    struct completion settled[]; /* in the order in which they settled */
};

static void completions_serve(vetch_completions *c);

static void
completion_comes_back(void *value, void *ctx)
{
    struct completion *completion = ctx;
    vetch_completions *c = completion->list;
    size_t i = (size_t)(completion - c->settled);

    completion->p = value;
    if (i < c->first)
        c->first = i;
}

static void
completion_offer_is_over(void *ctx)
{
    struct completion *completion = ctx;
    vetch_completions *c = completion->list;

    c->n_on_way--;
    if (completion->p == NULL)
        c->n_got++;
    if (!c->freed) {
        completions_serve(c);
        return;
    }
    completion->p = vetch_promise_unref(completion->p);
    if (c->n_on_way == 0)
        vetch__free(c);
}

/* The oldest that can be had, or NULL. */
static struct completion *
completions_first(vetch_completions *c)
{
    while (c->first < c->n_settled && c->settled[c->first].p == NULL)
        c->first++;
    return c->first < c->n_settled ? &c->settled[c->first] : NULL;
}

static void
completions_serve(vetch_completions *c)
{
    struct completion *completion;
    vetch_deferred *d = c->waiting;
    struct vetch__offer offer;

    if (d == NULL)
        return;
    completion = completions_first(c);
    if (completion == NULL && c->n_got < c->n)
        return;
    c->waiting = NULL;
    if (completion == NULL) {
        vetch_deferred_resolve(d, NULL, NULL);
    } else {
        offer = (struct vetch__offer){ completion->p, vetch_unref,
                                       completion_comes_back, completion,
                                       completion_offer_is_over };
        completion->p = NULL;
        c->n_on_way++;
        vetch__deferred_offer(d, &offer);
    }
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
    c->settled[c->n_settled++] = (struct completion){ c, p };
    completions_serve(c);
}

vetch_completions *
vetch_as_completed(vetch_promise *const *promises, size_t n)
{
    vetch_completions *c;

    if (vetch__promises_missing(__func__, promises, n))
        return NULL;
    if (vetch__reactor == NULL) {
        errno = EPERM;
        return NULL;
    }
    c = vetch__calloc(1, sizeof(*c) + n * sizeof(c->settled[0]) +
                             n * sizeof(c->watches[0]));
    if (c == NULL)
        return NULL;
    c->n = n;
    c->watches = (vetch_promise **)(c->settled + n);
    for (size_t i = 0; i < n; i++) {
        c->watches[i] = watch_borrowed(VETCH__GIVEN(promises[i]), one_completed,
                                       c, i, false);
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

    VETCH_CHECK(c != NULL, EINVAL, &vetch__misused);
    if (c->waiting != NULL)
        return vetch_rejected(vetch_error_new(
            VETCH_EMISUSE, "one completion is waited for already"));
    c->waiting = vetch_deferred_new(cancel_next, c);
    if (c->waiting == NULL)
        return vetch__failed(errno, "next completion");
    p = vetch_deferred_promise(c->waiting);
    completions_serve(c);
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
        forget_watches(c->watches, c->n);
    c->freed = true;
    c->waiting = NULL;
    c->n_on_way++; /* what is released may drop what is on its way */
    for (size_t i = c->first; i < c->n_settled; i++)
        c->settled[i].p = vetch_promise_unref(c->settled[i].p);
    if (--c->n_on_way == 0)
        vetch__free(c);
    if (d != NULL) {
        vetch_deferred_reject(
            d, vetch_error_new(VETCH_ECLOSED, "the iteration has ended"));
        vetch_deferred_unref(d);
    }
}
