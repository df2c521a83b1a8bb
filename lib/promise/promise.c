/* Promises: attaching, settling, dispatching, and the passing on of outcomes.
 *
 * Settling moves all waiters to the ready queue; each of them takes its outcome
 * when it is dispatched. Nothing here recurses: a chain of any length is
 * settled, passed on and freed from the ready queue or from a list. An outcome
 * is moved where the source has no other holder, and forwarded otherwise; a
 * forward always leads to the node that has the outcome, never to another
 * forward. promise-private.h explains the phases of a node. */
#include "promise/promise-private.h"

#include <errno.h>

#include <vetch/error.h>
#include <vetch/log.h>

#include "base/error-private.h"

#define DEEP_ADOPTION 1000

#define IMMORTAL(outcome, ...)                                                 \
    {                                                                          \
        .object = { VETCH__PROMISE, outcome, VETCH__OBSERVED,                  \
                    VETCH__IMMORTAL },                                         \
        .u = {                                                                 \
            __VA_ARGS__                                                        \
        }                                                                      \
    }
vetch_promise vetch__canceled =
    IMMORTAL(VETCH_REJECTED, .error = &vetch__error_canceled);
vetch_promise vetch__no_memory =
    IMMORTAL(VETCH_REJECTED, .error = &vetch__error_no_memory);
vetch_promise vetch__closed =
    IMMORTAL(VETCH_REJECTED, .error = &vetch__error_closed);
vetch_promise vetch__misused =
    IMMORTAL(VETCH_REJECTED, .error = &vetch__error_misuse);
vetch_promise vetch__nothing = IMMORTAL(VETCH_FULFILLED, .value = { 0 });

/* ---- references ---- */

static bool
immortal(const vetch_promise *p)
{
    return p->object.refs == VETCH__IMMORTAL;
}

static vetch_promise *
hold(vetch_promise *p)
{
    if (!immortal(p))
        p->object.refs++;
    return p;
}

static void
drop(vetch_promise *p)
{
    if (immortal(p))
        return;
    assert(p->object.refs > 0);
    if (--p->object.refs == 0)
        vetch__promise_unwanted(p);
}

/* Whether the one reference that the caller has is the only one. */
static bool
only_reference(const vetch_promise *p)
{
    return p->object.refs == 1 &&
           !(p->second.flags & VETCH__HAS_DEFERRED && p->second.refs > 0);
}

vetch_promise *
vetch_promise_ref(vetch_promise *p)
{
    return p == NULL ? NULL : hold(p);
}

vetch_promise *
vetch_promise_unref(vetch_promise *p)
{
    if (p != NULL)
        drop(p);
    return NULL;
}

/* ---- making and freeing nodes ---- */

/* A pending node, with the reserve to fall back on. */
static vetch_promise *
new_reserved(vetch_reactor *r, enum vetch__kind kind)
{
    vetch_promise *p = vetch__promise_new(r, kind);

    if (p != NULL)
        return p;
    p = vetch__pool_alloc_reserved(r->pool, VETCH__PROMISE);
    if (p != NULL)
        vetch__promise_init(p, kind, VETCH__RESERVED);
    return p;
}

static void
free_node(vetch_promise *p)
{
    if (vetch__unlikely(p->object.flags & VETCH__SITED))
        vetch__site_forget(p);
    if (p->second.flags & VETCH__EMBEDDED)
        return;
    if (p->second.flags & VETCH__RESERVED)
        vetch__pool_free_reserved(p);
    else
        vetch__pool_free(p);
}

void
vetch__promise_report(vetch_promise *p)
{
    const vetch_error *error = vetch__outcome(p)->u.error;
    vetch_reactor *r = vetch__pool_of(p)->owner;

    p->object.flags |= VETCH__OBSERVED;
    if (vetch_error_code(error) == VETCH_ECANCELED)
        return;
    if (r != NULL && r->on_rejection != NULL)
        r->on_rejection(error, r->on_rejection_ctx);
    else
        vetch_log(VETCH_LOG_ERROR, "unhandled rejection%s: %s",
                  vetch__promise_origin(p), vetch_error_text(error));
}

static void
destroy(vetch_promise *p)
{
    vetch_promise old = *p;

    if (old.object.state == VETCH_REJECTED &&
        !(old.object.flags & VETCH__OBSERVED))
        vetch__promise_report(p);
    free_node(p); /* first, so that the functions below may do anything */
    if (old.object.flags & VETCH__FORWARD)
        drop(old.u.forward);
    else if (old.object.state == VETCH_REJECTED)
        vetch_error_unref(old.u.error);
    else if (old.object.state == VETCH_FULFILLED && old.u.value.free != NULL)
        old.u.value.free(old.u.value.data);
}

/* What is freed may free other promises in turn: they wait in a list, so that
 * a chain of any length is freed without recursion. */
void
vetch__promise_dispose(vetch_promise *p)
{
    static __thread vetch_promise *first;
    static __thread bool busy;

    p->next = first;
    first = p;
    if (busy)
        return;
    busy = true;
    while ((p = first) != NULL) {
        first = p->next;
        destroy(p);
    }
    busy = false;
}

/* ---- waiter lists ---- */

static vetch_promise *
tag(vetch_promise *p)
{
    return (vetch_promise *)((uintptr_t)p | 1);
}

static vetch_promise *
untag(vetch_promise *p)
{
    return (vetch_promise *)((uintptr_t)p & ~(uintptr_t)1);
}

static bool
tagged(const vetch_promise *p)
{
    return (uintptr_t)p & 1;
}

static void
queue(vetch_reactor *r, vetch_promise *p, vetch_promise *source)
{
    p->object.flags |= VETCH__QUEUED;
    p->prev = source;
    vetch__ready_push(r, (struct vetch__ready *)p);
}

void
vetch__promise_attach(vetch_reactor *r, vetch_promise *link,
                      vetch_promise *source)
{
    vetch_promise *last = source->tail;

    if (!immortal(source))
        source->object.flags |= VETCH__OBSERVED;
    if (vetch__settled(source)) {
        queue(r, link, source);
        return;
    }
    if (last == NULL) { /* the list takes over the caller's reference */
        link->prev = tag(source);
        link->next = tag(link);
    } else {
        source->object.refs--;
        link->prev = last;
        link->next = last->next;
        last->next = link;
    }
    source->tail = link;
    link->object.flags |= VETCH__WAITING;
}

vetch_promise *
vetch__promise_source(const vetch_promise *waiter)
{
    const vetch_promise *last = waiter;

    if (tagged(waiter->prev))
        return untag(waiter->prev);
    while (!tagged(last->next))
        last = last->next;
    return untag(untag(last->next)->prev);
}

/* One who waits only to give back what a handler had borrowed. */
static bool
only_gives_back(const vetch_promise *waiter)
{
    return waiter->second.state == VETCH__K_WATCH &&
           waiter->u.watch.fn == vetch__give_back;
}

bool
vetch__promise_sole(const vetch_promise *waiter, const vetch_promise *source)
{
    const vetch_promise *w = source->tail;

    if (source->object.refs != 1)
        return false;
    do {
        if (w != waiter && !only_gives_back(w))
            return false;
        w = untag(w->next);
    } while (w != source->tail);
    return true;
}

void
vetch__promise_detach(vetch_promise *waiter)
{
    bool is_first = tagged(waiter->prev), is_last = tagged(waiter->next);
    vetch_promise *source, *first;

    waiter->object.flags &= (uint8_t)~VETCH__WAITING;
    if (is_first && is_last) {
        source = untag(waiter->prev);
        source->tail = NULL;
        drop(source);
    } else if (is_first) {
        source = untag(waiter->prev);
        waiter->next->prev = waiter->prev;
        source->tail->next = tag(waiter->next);
    } else if (is_last) {
        first = untag(waiter->next);
        source = untag(first->prev);
        source->tail = waiter->prev;
        waiter->prev->next = waiter->next;
    } else {
        waiter->prev->next = waiter->next;
        waiter->next->prev = waiter->prev;
    }
}

static void
wake_waiters(vetch_reactor *r, vetch_promise *p)
{
    vetch_promise *next = untag(p->tail->next), *w;

    p->tail = NULL;
    p->object.refs--; /* the list's; each waiter owns one from here on */
    do {
        w = next;
        next = w->next;
        w->object.flags &= (uint8_t)~VETCH__WAITING;
        p->object.refs++;
        queue(r, w, p);
    } while (!tagged(next));
}

/* ---- settling ---- */

/* The outcome stands in `p`. The common case is one waiter, which takes over
 * the reference of the list. */
static inline void
settled(vetch_reactor *r, vetch_promise *p)
{
    vetch_promise *w = p->tail;

    if (w == NULL) {
        vetch__promise_unwanted(p);
    } else if (vetch__likely(untag(w->next) == w)) {
        p->tail = NULL;
        w->object.flags ^= VETCH__WAITING;
        queue(r, w, p);
    } else {
        wake_waiters(r, p);
    }
}

void
vetch__promise_reject(vetch_reactor *r, vetch_promise *p, vetch_error *error)
{
    if (vetch__unlikely(error == NULL || p->object.flags & VETCH__NO_MEMORY)) {
        vetch_error_unref(error);
        error = &vetch__error_no_memory;
    }
    p->object.state = VETCH_REJECTED;
    p->u.error = error;
    settled(r, p);
}

void
vetch__promise_fulfil(vetch_reactor *r, vetch_promise *p, void *value,
                      vetch_free_fn free_value)
{
    if (vetch__unlikely(p->object.flags & VETCH__NO_MEMORY)) {
        vetch__promise_reject(r, p, NULL);
        if (free_value != NULL)
            free_value(value);
        return;
    }
    p->object.state = VETCH_FULFILLED;
    p->u.value.data = value;
    p->u.value.free = free_value;
    settled(r, p);
}

/* Take over the outcome of `source`, whose reference is consumed: by moving it
 * if nobody else can see it, else by leading to it. */
static void
pass(vetch_reactor *r, vetch_promise *p, vetch_promise *source)
{
    vetch_promise *from = vetch__outcome(source);

    if (from != source) {
        hold(from);
        drop(source);
    }
    if (vetch__unlikely(p->object.flags & VETCH__NO_MEMORY)) {
        drop(from);
        vetch__promise_reject(r, p, NULL);
        return;
    }
    p->object.state = from->object.state;
    if (only_reference(from)) {
        p->u = from->u;
        from->object.state = VETCH_FULFILLED;
        from->u.value.free = NULL;
        drop(from);
    } else {
        p->object.flags |= VETCH__FORWARD;
        p->u.forward = from;
    }
    settled(r, p);
}

/* ---- adoption ---- */

static bool
waits_for(const vetch_promise *q, const vetch_promise *p)
{
    while (q != p && q->object.flags & VETCH__WAITING)
        q = vetch__promise_source(q);
    return q == p;
}

/* A node that only hands on an outcome to one who holds nothing else of it. */
static bool
is_mere_step(const vetch_promise *p)
{
    return p->object.refs == 1 && !(p->second.flags & VETCH__HAS_DEFERRED) &&
           !(p->object.flags & (VETCH__NO_MEMORY | VETCH__CANCELING));
}

/* The follower that alone waits for `p`, or NULL. */
static vetch_promise *
only_follower(vetch_promise *p)
{
    vetch_promise *w = p->tail;

    if (w == NULL || untag(w->next) != w || w->second.state != VETCH__K_FOLLOW)
        return NULL;
    return w;
}

static void
count_depth(vetch_reactor *r, vetch_promise *p)
{
    vetch_promise *w = p->tail;

    if (p->second.flags & VETCH__HAS_DEFERRED || w == NULL ||
        w->second.state != VETCH__K_FOLLOW ||
        w->second.flags & VETCH__HAS_DEFERRED)
        return;
    p->second.refs = w->second.refs + 1;
    if (p->second.refs == DEEP_ADOPTION && r->debug)
        vetch_log(VETCH_LOG_WARNING,
                  "promises adopted %d deep: a loop by recursion keeps every "
                  "step in memory; see vetch_repeat()",
                  DEEP_ADOPTION);
}

/* Wait for what `q` waits for, if `q` is only a step on the way to it. */
static vetch_promise *
skip_steps(vetch_promise *q)
{
    while (q->second.state == VETCH__K_FOLLOW && q->tail == NULL &&
           q->object.flags & VETCH__WAITING && is_mere_step(q) &&
           q->u.follow.held == NULL) {
        vetch_promise *inner = hold(vetch__promise_source(q));

        vetch__promise_detach(q);
        drop(q);
        q = inner;
    }
    return q;
}

static void
follow(vetch_reactor *r, vetch_promise *p, vetch_promise *q,
       vetch_promise *held)
{
    vetch_promise *w = only_follower(p);

    q = skip_steps(q);
    if (held == NULL && w != NULL && is_mere_step(p)) {
        vetch__promise_detach(w); /* frees p */
        vetch__promise_attach(r, w, q);
        return;
    }
    count_depth(r, p);
    p->second.state = VETCH__K_FOLLOW;
    p->u.follow.held = held;
    vetch__promise_attach(r, p, q);
    if (p->object.flags & VETCH__CANCELING)
        vetch__promise_cancel_node(r, p);
}

void
vetch__promise_adopt(vetch_reactor *r, vetch_promise *p, vetch_promise *q,
                     vetch_promise *held)
{
    if (vetch__settled(q)) {
        if (held != NULL)
            drop(held);
        if (!immortal(q))
            q->object.flags |= VETCH__OBSERVED;
        pass(r, p, q);
    } else if (waits_for(q, p)) {
        drop(q);
        if (held != NULL)
            drop(held);
        vetch__promise_reject(
            r, p, vetch_error_new(VETCH_ECYCLE, "a promise waits for itself"));
    } else {
        follow(r, p, q, held);
    }
}

/* ---- dispatch ---- */

static bool
has_handler(const vetch_reactor *r, const vetch_promise *p,
            const vetch_promise *from)
{
    if (r->finishing && !(p->second.flags & VETCH__INTERNAL))
        return false;
    if (from->object.state == VETCH_FULFILLED)
        return p->u.link.on_value != NULL;
    return p->u.link.on_error != NULL &&
           !(p->second.flags & VETCH__CATCH &&
             vetch_error_code(from->u.error) == VETCH_ECANCELED);
}

static vetch_promise *
call_handler_timed(vetch_reactor *r, const vetch_promise *p,
                   const vetch_promise *from)
{
    uint64_t started = vetch__clock_fresh(r);
    vetch_value_fn on_value = p->u.link.on_value;
    vetch_error_fn on_error = p->u.link.on_error;
    vetch_promise *q;

    if (from->object.state == VETCH_FULFILLED) {
        q = on_value(from->u.value.data, p->u.link.ctx);
        vetch__slow_check(r, (const void *)(uintptr_t)on_value, started);
    } else {
        q = on_error(from->u.error, p->u.link.ctx);
        vetch__slow_check(r, (const void *)(uintptr_t)on_error, started);
    }
    return q;
}

static inline vetch_promise *
call_handler(vetch_reactor *r, vetch_promise *p, vetch_promise *source,
             const vetch_promise *from)
{
    vetch_promise *q;

    r->handler = source;
    if (vetch__unlikely(r->debug))
        q = call_handler_timed(r, p, from);
    else if (vetch__likely(from->object.state == VETCH_FULFILLED))
        q = p->u.link.on_value(from->u.value.data, p->u.link.ctx);
    else
        q = p->u.link.on_error(from->u.error, p->u.link.ctx);
    r->handler = NULL;
    return q;
}

static void
run_link(vetch_reactor *r, vetch_promise *p, vetch_promise *source)
{
    vetch_promise *from = vetch__outcome(source), *q;

    if (!has_handler(r, p, from)) {
        pass(r, p, source);
        return;
    }
    /* A cancel that was asked for before counts no more. */
    p->object.flags =
        (uint8_t)((p->object.flags & ~VETCH__CANCELING) | VETCH__RUNNING);
    q = call_handler(r, p, source, from);
    p->object.flags &= (uint8_t)~VETCH__RUNNING;
    if (vetch__likely(q == NULL)) {
        drop(source);
        vetch__promise_fulfil(r, p, NULL, NULL);
    } else if (q == source) { /* vetch_same() */
        drop(q);
        pass(r, p, source);
    } else if (!vetch__settled(q) && from->object.state == VETCH_FULFILLED &&
               from->u.value.free != NULL) {
        vetch__promise_adopt(r, p, q, source);
    } else {
        drop(source);
        vetch__promise_adopt(r, p, q, NULL);
    }
}

static void
run_finally(vetch_reactor *r, vetch_promise *p, vetch_promise *source)
{
    uint64_t started = r->debug ? vetch__clock_fresh(r) : 0;
    vetch_call_fn fn = p->u.finally.fn;

    p->object.flags |= VETCH__RUNNING;
    if (fn != NULL)
        fn(p->u.finally.ctx);
    p->object.flags &= (uint8_t)~VETCH__RUNNING;
    if (vetch__unlikely(r->debug))
        vetch__slow_check(r, (const void *)(uintptr_t)fn, started);
    pass(r, p, source);
}

static void
run_watch(vetch_reactor *r, vetch_promise *p, vetch_promise *source)
{
    vetch__watch_fn fn = p->u.watch.fn;
    void *ctx = p->u.watch.ctx;
    size_t index = p->u.watch.index;
    bool skip = r->finishing && !(p->second.flags & VETCH__INTERNAL);

    free_node(p);
    if (skip)
        drop(source);
    else
        fn(ctx, index, source);
}

static void
run_follow(vetch_reactor *r, vetch_promise *p, vetch_promise *source)
{
    vetch_promise *held = p->u.follow.held;

    pass(r, p, source);
    if (held != NULL)
        drop(held);
}

void
vetch__promise_dispatch(vetch_reactor *r, struct vetch__ready *node)
{
    vetch_promise *p = (vetch_promise *)node, *source = p->prev;

    p->object.flags &= (uint8_t)~VETCH__QUEUED;
    if (vetch__unlikely(p->object.flags & VETCH__CANCELING) &&
        source->object.state == VETCH_FULFILLED) {
        drop(source); /* the value that came all the same */
        source = &vetch__canceled;
    }
    switch ((enum vetch__kind)p->second.state) {
    case VETCH__K_LINK:
        run_link(r, p, source);
        break;
    case VETCH__K_FINALLY:
        run_finally(r, p, source);
        break;
    case VETCH__K_WATCH:
        run_watch(r, p, source);
        break;
    case VETCH__K_FOLLOW:
        run_follow(r, p, source);
        break;
    case VETCH__K_PRODUCED:
    case VETCH__K_SHIELD:
        pass(r, p, source);
        break;
    }
}

/* ---- attaching ---- */

/* Rule 13: no memory for a link. What runs is stopped, and `p` itself stands
 * for the link: it ends as VETCH_ENOMEM. */
static vetch_promise *
stop_without_link(vetch_reactor *r, vetch_promise *p)
{
    if (p->object.refs > 1 || p->tail != NULL) { /* others want it */
        drop(p);
        return &vetch__no_memory;
    }
    if (!vetch__settled(p)) {
        p->object.flags |= VETCH__NO_MEMORY;
        vetch__promise_cancel_node(r, p);
        return p;
    }
    drop(p);
    return &vetch__no_memory;
}

/* The step from one stopped promise to the next. */
static vetch_promise *
next_value(void *value, void *next)
{
    (void)value;
    return next;
}

static vetch_promise *
next_error(const vetch_error *error, void *next)
{
    (void)error;
    return next;
}

vetch_promise *
vetch__promises_stop(vetch_promise *const *promises, size_t n, int errnum)
{
    vetch_reactor *r = vetch__reactor;
    vetch_promise *all = NULL;

    for (size_t i = n; i-- > 0;) {
        vetch_promise *p = promises[i], *link;

        vetch_promise_cancel(p);
        link = errnum == ENOMEM && r != NULL ? new_reserved(r, VETCH__K_LINK)
                                             : NULL;
        if (link == NULL) {
            drop(p);
            continue;
        }
        link->u.link.on_value = all == NULL ? NULL : next_value;
        link->u.link.on_error = all == NULL ? NULL : next_error;
        link->u.link.ctx = all;
        link->second.flags |= VETCH__INTERNAL; /* owns its ctx */
        vetch__promise_attach(r, link, p);
        all = link;
    }
    if (all == NULL)
        return vetch__failed(errnum, "promise");
    all->object.flags |= VETCH__NO_MEMORY;
    return all;
}

static vetch_promise *
attach_link(vetch_promise *p, vetch_value_fn on_value, vetch_error_fn on_error,
            void *ctx, unsigned flags)
{
    vetch_reactor *r = vetch__reactor;
    vetch_promise *link;

    if (vetch__unlikely(r == NULL)) {
        drop(p);
        return &vetch__closed;
    }
    link = vetch__promise_new(r, VETCH__K_LINK);
    if (vetch__unlikely(link == NULL))
        return stop_without_link(r, p);
    link->second.flags = (uint8_t)flags;
    link->u.link.on_value = on_value;
    link->u.link.on_error = on_error;
    link->u.link.ctx = ctx;
    vetch__promise_attach(r, link, p);
    return link;
}

vetch_promise *
vetch_then(vetch_promise *p, vetch_value_fn on_value, void *ctx)
{
    return attach_link(p, on_value, NULL, ctx, 0);
}

vetch_promise *
vetch_catch(vetch_promise *p, vetch_error_fn on_error, void *ctx)
{
    return attach_link(p, NULL, on_error, ctx, VETCH__CATCH);
}

vetch_promise *
vetch_handle(vetch_promise *p, vetch_value_fn on_value, vetch_error_fn on_error,
             void *ctx)
{
    return attach_link(p, on_value, on_error, ctx, 0);
}

vetch_promise *
vetch_finally(vetch_promise *p, vetch_call_fn fn, void *ctx)
{
    vetch_reactor *r = vetch__reactor;
    vetch_promise *link;

    if (vetch__unlikely(r == NULL)) { /* its reactor has ended: all stands */
        drop(p);
        if (fn != NULL)
            fn(ctx);
        return &vetch__closed;
    }
    link = new_reserved(r, VETCH__K_FINALLY);
    if (vetch__unlikely(link == NULL)) {
        vetch_log(VETCH_LOG_ERROR, "out of memory: a finally is leaked");
        return stop_without_link(r, p);
    }
    link->u.finally.fn = fn;
    link->u.finally.ctx = ctx;
    vetch__promise_attach(r, link, p);
    return link;
}

/* ---- watching: how the library itself waits ---- */

static void
start_watch(vetch_reactor *r, vetch_promise *w, vetch_promise *p,
            vetch__watch_fn fn, void *ctx, size_t index)
{
    w->object.refs = 0; /* nobody's promise: it lives until it is called */
    w->u.watch.fn = fn;
    w->u.watch.ctx = ctx;
    w->u.watch.index = index;
    vetch__promise_attach(r, w, p);
}

vetch_promise *
vetch__watch(vetch_reactor *r, vetch_promise *p, vetch__watch_fn fn, void *ctx,
             size_t index)
{
    vetch_promise *w = new_reserved(r, VETCH__K_WATCH);

    if (w == NULL)
        return NULL;
    w->second.flags |= VETCH__INTERNAL;
    start_watch(r, w, p, fn, ctx, index);
    return w;
}

void
vetch__watch_embedded(vetch_reactor *r, vetch_promise *watch, vetch_promise *p,
                      vetch__watch_fn fn, void *ctx)
{
    vetch__promise_init(watch, VETCH__K_WATCH,
                        VETCH__EMBEDDED | VETCH__INTERNAL);
    start_watch(r, watch, p, fn, ctx, 0);
}

void
vetch__watch_forget(vetch_promise *watch)
{
    if (watch->object.flags & VETCH__WAITING) {
        vetch__promise_detach(watch);
        free_node(watch);
    } else {
        watch->u.watch.ctx = NULL;
    }
}

bool
vetch__promise_take(vetch_promise *p, void **ret_value, vetch_error **ret_error)
{
    vetch_promise *from = vetch__outcome(p);
    bool ours = true;

    *ret_value = NULL;
    *ret_error = NULL;
    if (!immortal(p))
        p->object.flags |= VETCH__OBSERVED;
    if (p->object.state == VETCH_REJECTED) {
        *ret_error = vetch_error_ref(from->u.error);
    } else if (from->u.value.free == NULL) {
        *ret_value = from->u.value.data;
    } else if (only_reference(p) && (from == p || only_reference(from))) {
        *ret_value = from->u.value.data;
        from->u.value.free = NULL;
    } else {
        ours = false;
    }
    drop(p);
    return ours;
}

/* ---- the ends of a chain ---- */

static void
call_done(void *ctx, size_t index, vetch_promise *source)
{
    vetch_done_fn done = (vetch_done_fn)index;
    vetch_error *error;
    void *value;

    if (!vetch__promise_take(source, &value, &error))
        error = vetch_error_ref(&vetch__error_shared);
    done(error, value, ctx);
    vetch_error_unref(error);
}

void
vetch_callback(vetch_promise *p, vetch_done_fn done, void *ctx)
{
    vetch_reactor *r = vetch__reactor;
    vetch_promise *w;

    if (r == NULL) {
        drop(p);
        return;
    }
    w = new_reserved(r, VETCH__K_WATCH);
    if (w == NULL) {
        vetch_log(VETCH_LOG_ERROR, "out of memory: a callback is leaked");
        vetch__promise_cancel_node(r, p);
        drop(p);
        return;
    }
    if (w->second.flags & VETCH__RESERVED)
        p = stop_without_link(r, p);
    start_watch(r, w, p, call_done, ctx, (size_t)done);
}

struct run {
    vetch_promise watch;
    vetch_promise *outcome;
    bool done;
};

static void
run_done(void *ctx, size_t index, vetch_promise *source)
{
    struct run *run = ctx;

    (void)index;
    run->outcome = source;
    run->done = true;
}

/* The loop could not run: take the watch, which is on the stack, back. */
static void
abandon_run(vetch_reactor *r, struct run *run)
{
    vetch__reactor_enter(r);
    if (run->watch.object.flags & VETCH__WAITING)
        vetch__promise_detach(&run->watch);
    while (run->watch.object.flags & VETCH__QUEUED)
        vetch__ready_drain(r, 1);
    vetch__reactor_leave(r);
    if (run->done)
        vetch_promise_unref(run->outcome);
}

static void *
run_refused(vetch_promise *p, vetch_error **ret_error)
{
    drop(p);
    if (ret_error != NULL)
        *ret_error = vetch_error_new(
            VETCH_EMISUSE, "vetch_run() needs a reactor that is not running");
    return NULL;
}

void *
vetch_run(vetch_promise *p, vetch_error **ret_error)
{
    vetch_reactor *r = vetch__reactor;
    struct run run = { .done = false };
    vetch_error *error = NULL;
    void *value = NULL;

    if (r == NULL || r->depth > 0 || r->running_loop)
        return run_refused(p, ret_error);
    vetch__watch_embedded(r, &run.watch, p, run_done, &run);
    if (vetch__reactor_run_until(r, &run.done) < 0) {
        error = vetch_error_from_errno(errno, "run");
        abandon_run(r, &run);
    } else if (!vetch__promise_take(run.outcome, &value, &error)) {
        error = vetch_error_ref(&vetch__error_shared);
    }
    if (ret_error != NULL)
        *ret_error = error;
    else
        vetch_error_unref(error);
    return value;
}

/* ---- looking, and ready-made outcomes ---- */

vetch_state
vetch_promise_state(const vetch_promise *p)
{
    return (vetch_state)p->object.state;
}

void *
vetch_promise_value(const vetch_promise *p)
{
    if (p->object.state != VETCH_FULFILLED) {
        errno = EINVAL;
        return NULL;
    }
    if (p->object.flags & VETCH__FORWARD)
        p = p->u.forward;
    return p->u.value.data;
}

const vetch_error *
vetch_promise_error(vetch_promise *p)
{
    if (p->object.state != VETCH_REJECTED) {
        errno = EINVAL;
        return NULL;
    }
    if (!immortal(p))
        p->object.flags |= VETCH__OBSERVED;
    return vetch__outcome(p)->u.error;
}

vetch_promise *
vetch_resolved(void *value, vetch_free_fn free_value)
{
    vetch_reactor *r = vetch__reactor;
    vetch_promise *p;

    if (value == NULL && free_value == NULL)
        return &vetch__nothing;
    p = r == NULL ? NULL : vetch__promise_new(r, VETCH__K_PRODUCED);
    if (p == NULL) {
        if (free_value != NULL)
            free_value(value);
        return r == NULL ? &vetch__closed : &vetch__no_memory;
    }
    p->object.state = VETCH_FULFILLED;
    p->u.value.data = value;
    p->u.value.free = free_value;
    return p;
}

vetch_promise *
vetch_rejected(vetch_error *error)
{
    vetch_reactor *r = vetch__reactor;
    vetch_promise *p;

    if (error == NULL)
        return &vetch__no_memory;
    p = r == NULL ? NULL : vetch__promise_new(r, VETCH__K_PRODUCED);
    if (p == NULL) {
        vetch_error_unref(error);
        return r == NULL ? &vetch__closed : &vetch__no_memory;
    }
    p->object.state = VETCH_REJECTED;
    p->u.error = error;
    return p;
}

vetch_promise *
vetch_same(void)
{
    vetch_reactor *r = vetch__reactor;

    if (r == NULL || r->handler == NULL)
        return &vetch__misused;
    return hold(r->handler);
}
