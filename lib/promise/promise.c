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
#include <stdlib.h>

#include <vetch/error.h>
#include <vetch/log.h>

#include "base/check-private.h"
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

/* ---- whose it is ---- */

bool
vetch__promise_look_at_thread(const vetch_promise *p)
{
    const vetch_reactor *owner = NULL;

    VETCH_CHECK(p->object.type == VETCH__PROMISE, EINVAL, false);
    if (!vetch__promise_is_immortal(p) && !(p->second.flags & VETCH__EMBEDDED))
        owner = vetch__pool_of(p)->owner;
    return owner == NULL || vetch__check_thread(&owner->owner, "a promise");
}

vetch_promise *
vetch__promise_missing(const char *function)
{
    vetch__misuse(function, "p != NULL");
    return &vetch__misused;
}

bool
vetch__promises_missing(const char *function, vetch_promise *const *promises,
                        size_t n)
{
    if (vetch__likely(promises != NULL || n == 0))
        return false;
    vetch__misuse(function, "promises != NULL");
    errno = EINVAL;
    return true;
}

/* ---- references ---- */

vetch_promise *
vetch_promise_ref(vetch_promise *p)
{
    return p == NULL ? NULL : vetch__promise_hold(p);
}

vetch_promise *
vetch_promise_unref(vetch_promise *p)
{
    if (p != NULL)
        vetch__promise_drop(p);
    return NULL;
}

/* ---- making and freeing nodes ---- */

vetch_promise *
vetch__promise_new_reserved(vetch_reactor *r, enum vetch__kind kind)
{
    vetch_promise *p = vetch__promise_new(r, kind);

    if (p != NULL)
        return p;
    p = vetch__pool_alloc_reserved(r->pool, VETCH__PROMISE);
    if (p != NULL)
        vetch__promise_init(p, kind, VETCH__RESERVED);
    return p;
}

void
vetch__promise_free_node(vetch_promise *p)
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

/* `p` is where it comes from, or NULL. A cancel is not news. */
static void
report(const vetch_reactor *r, const vetch_error *error, vetch_promise *p)
{
    if (vetch_error_code(error) == VETCH_ECANCELED)
        return;
    if (r != NULL && r->on_rejection != NULL)
        r->on_rejection(error, r->on_rejection_ctx);
    else
        vetch_log(VETCH_LOG_ERROR, "unhandled rejection%s: %s",
                  p == NULL ? "" : vetch__promise_origin(p),
                  vetch_error_text(error));
}

void
vetch__promise_report(vetch_promise *p)
{
    p->object.flags |= VETCH__OBSERVED;
    report(vetch__pool_of(p)->owner, vetch__outcome(p)->u.error, p);
}

void
vetch__error_report(const vetch_reactor *r, const vetch_error *error)
{
    report(r, error, NULL);
}

void
vetch__error_refuse(vetch_error *error)
{
    vetch__error_report(vetch__reactor, error);
    vetch_error_unref(error);
}

/* Never called: its address marks an offer. */
void
vetch__offer_mark(void *value)
{
    (void)value;
    abort();
}

static void
offer_returns(const vetch_promise *from)
{
    from->take_back(from->u.value.data, from->take_back_ctx);
    if (from->free_ctx != NULL)
        from->free_ctx(from->take_back_ctx);
}

void
vetch__promise_deliver(vetch_promise *from)
{
    vetch_free_fn free_ctx = from->free_ctx;

    from->u.value.free = from->u.value.free_offered;
    if (free_ctx != NULL)
        free_ctx(from->take_back_ctx);
}

static void
destroy(vetch_promise *p)
{
    vetch_promise old = *p;

    if (old.object.state == VETCH_REJECTED &&
        !(old.object.flags & VETCH__OBSERVED))
        vetch__promise_report(p);
    vetch__promise_free_node(
        p); /* first, so that the functions below may do anything */
    if (old.object.flags & VETCH__FORWARD)
        vetch__promise_drop(old.u.forward);
    else if (old.object.state == VETCH_REJECTED)
        vetch_error_unref(old.u.error);
    else if (vetch__promise_is_offered(&old))
        offer_returns(&old);
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
    struct task *task;

    p->u.dead.next = first;
    first = p;
    if (busy)
        return;
    busy = true;
    task = vetch__task_step_out();
    while ((p = first) != NULL) {
        first = p->u.dead.next;
        destroy(p);
    }
    vetch__task_step_in(task);
    busy = false;
}

/* ---- waiter lists ---- */

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

    if (!vetch__promise_is_immortal(source))
        source->object.flags |= VETCH__OBSERVED;
    if (vetch__settled(source)) {
        queue(r, link, source);
        return;
    }
    if (last == NULL) { /* the list takes over the caller's reference */
        link->prev = vetch__tag(source);
        link->next = vetch__tag(link);
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

    if (vetch__tagged(waiter->prev))
        return vetch__untag(waiter->prev);
    while (!vetch__tagged(last->next))
        last = last->next;
    return vetch__untag(vetch__untag(last->next)->prev);
}

/* Seen from its neighbours, which takes no search for the source. */
static bool
stands_between_others(const vetch_promise *waiter)
{
    return (!vetch__tagged(waiter->prev) &&
            !vetch__only_gives_back(waiter->prev)) ||
           (!vetch__tagged(waiter->next) &&
            !vetch__only_gives_back(waiter->next));
}

vetch_promise *
vetch__promise_source_for_one(const vetch_promise *waiter)
{
    vetch_promise *source;

    if (stands_between_others(waiter))
        return NULL;
    source = vetch__promise_source(waiter);
    for (const vetch_promise *w = vetch__first_waiter(source); w != NULL;
         w = vetch__next_waiter(w))
        if (w != waiter && !vetch__only_gives_back(w))
            return NULL;
    return source;
}

vetch_promise *
vetch__promise_sole_source(const vetch_promise *waiter)
{
    vetch_promise *source = vetch__promise_source_for_one(waiter);

    return source != NULL && source->object.refs == 1 ? source : NULL;
}

void
vetch__promise_replace(vetch_promise *waiter, vetch_promise *by)
{
    by->prev = waiter->prev;
    by->next = waiter->next;
    if (vetch__tagged(by->next)) /* the last one */
        vetch__untag(vetch__untag(by->next)->prev)->tail = by;
    else
        by->next->prev = by;
    if (vetch__tagged(by->prev)) /* the first one */
        vetch__untag(by->prev)->tail->next = vetch__tag(by);
    else
        by->prev->next = by;
    waiter->object.flags &= (uint8_t)~VETCH__WAITING;
    by->object.flags |= VETCH__WAITING;
}

void
vetch__promise_detach(vetch_promise *waiter)
{
    bool is_first = vetch__tagged(waiter->prev),
         is_last = vetch__tagged(waiter->next);
    vetch_promise *source, *first;

    waiter->object.flags &= (uint8_t)~VETCH__WAITING;
    if (is_first && is_last) {
        source = vetch__untag(waiter->prev);
        source->tail = NULL;
        vetch__promise_drop(source);
    } else if (is_first) {
        source = vetch__untag(waiter->prev);
        waiter->next->prev = waiter->prev;
        source->tail->next = vetch__tag(waiter->next);
    } else if (is_last) {
        first = vetch__untag(waiter->next);
        source = vetch__untag(first->prev);
        source->tail = waiter->prev;
        waiter->prev->next = waiter->next;
    } else {
        waiter->prev->next = waiter->next;
        waiter->next->prev = waiter->prev;
    }
}

static void
wake_all(vetch_reactor *r, vetch_promise *p, const vetch_promise *last)
{
    vetch_promise *next = vetch__untag(last->next), *w;

    p->object.refs--; /* the list's; each waiter owns one from here on */
    do {
        w = next;
        next = w->next;
        w->object.flags &= (uint8_t)~VETCH__WAITING;
        p->object.refs++;
        queue(r, w, p);
    } while (!vetch__tagged(next));
}

/* ---- settling ---- */

/* The outcome stands in `p`, for which those up to `last` have waited. The
 * common case is one waiter, which takes over the reference of the list. */
static inline void
wake_waiters(vetch_reactor *r, vetch_promise *p, vetch_promise *last)
{
    if (last == NULL) {
        vetch__promise_unwanted(p);
    } else if (vetch__likely(vetch__untag(last->next) == last)) {
        last->object.flags ^= VETCH__WAITING;
        queue(r, last, p);
    } else {
        wake_all(r, p, last);
    }
}

static inline void
settled(vetch_reactor *r, vetch_promise *p)
{
    vetch_promise *last = p->tail;

    p->tail = NULL;
    wake_waiters(r, p, last);
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

static vetch_promise *
put_offer(vetch_promise *p, const struct vetch__offer *offer)
{
    vetch_promise *last = p->tail;

    p->object.state = VETCH_FULFILLED;
    p->u.value.data = offer->value;
    p->u.value.free = vetch__offer_mark;
    p->u.value.free_offered = offer->free_value;
    p->take_back = offer->take_back;
    p->take_back_ctx = offer->ctx;
    p->free_ctx = offer->free_ctx;
    return last;
}

void
vetch__promise_offer(vetch_reactor *r, vetch_promise *p,
                     const struct vetch__offer *offer)
{
    if (vetch__unlikely(p->object.flags & VETCH__NO_MEMORY)) {
        vetch__promise_reject(r, p, NULL);
        vetch__offer_refuse(offer);
        return;
    }
    wake_waiters(r, p, put_offer(p, offer));
}

vetch_promise *
vetch__offered(const struct vetch__offer *offer)
{
    vetch_reactor *r = vetch__reactor;
    vetch_promise *p;

    p = r == NULL ? NULL : vetch__promise_new(r, VETCH__K_PRODUCED);
    if (p == NULL) {
        vetch__offer_refuse(offer);
        return r == NULL ? &vetch__closed : &vetch__no_memory;
    }
    put_offer(p, offer);
    return p;
}

/* Apart, since hardly any outcome that is passed on is an offer. */
static void __attribute__((noinline))
move_offer(vetch_reactor *r, vetch_promise *p, vetch_promise *from)
{
    vetch_promise *last = p->tail;

    p->object.state = VETCH_FULFILLED;
    p->u = from->u;
    p->take_back = from->take_back;
    p->take_back_ctx = from->take_back_ctx;
    p->free_ctx = from->free_ctx;
    from->u.value.free = NULL;
    vetch__promise_drop(from);
    wake_waiters(r, p, last);
}

/* Take over the outcome of `source`, whose reference is consumed: by moving it
 * if nobody else can see it, else by leading to it. */
static void
pass(vetch_reactor *r, vetch_promise *p, vetch_promise *source)
{
    vetch_promise *from = vetch__outcome(source);

    if (from != source) {
        vetch__promise_hold(from);
        vetch__promise_drop(source);
    }
    if (vetch__unlikely(p->object.flags & VETCH__NO_MEMORY)) {
        vetch__promise_drop(from);
        vetch__promise_reject(r, p, NULL);
        return;
    }
    if (vetch__promise_is_ours(from)) {
        if (vetch__unlikely(vetch__promise_is_offered(from))) {
            move_offer(r, p, from);
            return;
        }
        p->object.state = from->object.state;
        p->u = from->u;
        from->object.state = VETCH_FULFILLED;
        from->u.value.free = NULL;
        vetch__promise_drop(from);
    } else {
        p->object.state = from->object.state;
        p->object.flags |= VETCH__FORWARD;
        p->u.forward = from;
    }
    settled(r, p);
}

/* ---- adoption ---- */

/* A node that only passes an outcome on to a waiter that holds nothing else of
 * it. */
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

    if (w == NULL || vetch__untag(w->next) != w ||
        w->second.state != VETCH__K_FOLLOW)
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
        vetch_promise *inner = vetch__promise_hold(vetch__promise_source(q));

        vetch__promise_detach(q);
        vetch__promise_drop(q);
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
    if (p->object.flags & VETCH__CANCELING) {
        vetch__cancel_reopen(p);
        vetch__promise_cancel_node(r, p);
    }
}

void
vetch__promise_adopt(vetch_reactor *r, vetch_promise *p, vetch_promise *q,
                     vetch_promise *held)
{
    if (vetch__settled(q)) {
        if (held != NULL)
            vetch__promise_drop(held);
        if (!vetch__promise_is_immortal(q))
            q->object.flags |= VETCH__OBSERVED;
        pass(r, p, q);
    } else if (vetch__waits_for(q, p)) {
        vetch__promise_drop(q);
        if (held != NULL)
            vetch__promise_drop(held);
        vetch__promise_reject(r, p, vetch__error_cycle());
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
    if (vetch__unlikely(vetch__promise_is_offered(from)))
        vetch__promise_deliver(from);
    q = call_handler(r, p, source, from);
    p->object.flags &= (uint8_t)~VETCH__RUNNING;
    if (vetch__likely(q == NULL)) {
        vetch__promise_drop(source);
        vetch__promise_fulfil(r, p, NULL, NULL);
    } else if (q == source) { /* vetch_same() */
        vetch__promise_drop(q);
        pass(r, p, source);
    } else if (!vetch__settled(q) && from->object.state == VETCH_FULFILLED &&
               from->u.value.free != NULL) {
        vetch__promise_adopt(r, p, q, source);
    } else {
        vetch__promise_drop(source);
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
run_watch(vetch_promise *p, vetch_promise *source)
{
    void *ctx = p->u.watch.ctx;

    if (p->second.flags & VETCH__INDEXED) {
        vetch__watch_at_fn fn = p->u.watch.fn_at;
        size_t index = p->u.watch.index;

        vetch__promise_free_node(p);
        fn(ctx, index, source);
    } else {
        vetch__watch_fn fn = p->u.watch.fn;

        vetch__promise_free_node(p);
        fn(ctx, source);
    }
}

static void
run_follow(vetch_reactor *r, vetch_promise *p, vetch_promise *source)
{
    vetch_promise *held = p->u.follow.held;

    pass(r, p, source);
    if (held != NULL)
        vetch__promise_drop(held);
}

/* What a waiter that was asked to stop gets: never a value that came late. */
static vetch_promise *__attribute__((noinline))
source_of_canceled(vetch_promise *p, vetch_promise *source)
{
    vetch__cancel_reopen(p);
    if (source->object.state != VETCH_FULFILLED)
        return source;
    vetch__promise_drop(source);
    return &vetch__canceled;
}

void
vetch__promise_dispatch(vetch_reactor *r, struct vetch__ready *node)
{
    vetch_promise *p = (vetch_promise *)node, *source = p->prev;
    enum vetch__kind kind = p->second.state;

    p->object.flags &= (uint8_t)~VETCH__QUEUED;
    if (vetch__unlikely(p->object.flags & VETCH__CANCELING))
        source = source_of_canceled(p, source);
    if (vetch__likely(kind == VETCH__K_LINK)) { /* past the jump table */
        run_link(r, p, source);
        return;
    }
    switch (kind) {
    case VETCH__K_LINK: /* seen to above */
        break;
    case VETCH__K_FINALLY:
        run_finally(r, p, source);
        break;
    case VETCH__K_WATCH:
    case VETCH__K_INPUT:
        run_watch(p, source);
        break;
    case VETCH__K_CALLBACK:
        vetch__callback_run(r, p, source);
        break;
    case VETCH__K_FOLLOW:
        run_follow(r, p, source);
        break;
    case VETCH__K_PRODUCED:
    case VETCH__K_JOINT:
    case VETCH__K_SHIELD:
        pass(r, p, source);
        break;
    }
}
