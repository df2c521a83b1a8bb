/* Cancelling, and the promises' part in the end of a reactor.
 *
 * A request walks upstream in a loop, as long as each node holds the only
 * reference to what it waits for, and marks the nodes that it passes: a value
 * that comes nevertheless does not get past a marked node. What it finds at the
 * top is a producer, whose canceller is called from a list, so that cancellers
 * that cancel other promises do not nest. */
#include "promise/promise-private.h"

#include <stdio.h>

#include <vetch/error.h>
#include <vetch/log.h>

#include "base/check-private.h"
#include "base/error-private.h"

#define NAMES_SIZE 512

/* Producers whose canceller has to be called; the list owns a reference to each
 * deferred. `next` and `prev` are free in a producer. */
static __thread vetch_promise *asked_first, *asked_last;
static __thread bool asking;

static void
asked_append(vetch_promise *p)
{
    p->second.refs++;
    p->second.flags |= VETCH__ASKED;
    p->next = NULL;
    p->prev = asked_last;
    if (asked_last == NULL)
        asked_first = p;
    else
        asked_last->next = p;
    asked_last = p;
}

/* The caller has its reference from now on. */
static void
asked_remove(vetch_promise *p)
{
    if (p->prev == NULL)
        asked_first = p->next;
    else
        p->prev->next = p->next;
    if (p->next == NULL)
        asked_last = p->prev;
    else
        p->next->prev = p->prev;
    p->second.flags &= (uint8_t)~VETCH__ASKED;
}

static void
call_cancellers(void)
{
    vetch_promise *p;
    struct task *task;

    if (asking)
        return;
    asking = true;
    task = vetch__task_step_out();
    while ((p = asked_first) != NULL) {
        vetch_deferred *d = (vetch_deferred *)&p->second;

        asked_remove(p);
        if (!vetch__settled(p))
            p->u.producer.cancel(d, p->u.producer.ctx);
        vetch_deferred_unref(d);
    }
    vetch__task_step_in(task);
    asking = false;
}

static void
ask_producer(vetch_reactor *r, vetch_promise *p)
{
    if (p->second.flags & (VETCH__CANCEL_SENT | VETCH__ASKED))
        return;
    if (p->second.state == VETCH__K_PRODUCED)
        p->second.flags |= VETCH__CANCEL_SENT;
    if (p->u.producer.cancel == NULL) {
        vetch__promise_reject(r, p, vetch_error_ref(&vetch__error_canceled));
        return;
    }
    asked_append(p);
    call_cancellers();
}

void
vetch__cancel_withdraw(vetch_promise *p)
{
    asked_remove(p);
    p->second.refs--; /* the caller has one as well */
}

void
vetch__give_back(void *held, vetch_promise *answer)
{
    vetch_promise_unref(answer);
    vetch_promise_unref(held);
}

/* If it was the last to take note, a failure from here on is seen by nobody. */
static void
look_away(const vetch_promise *waiter)
{
    vetch_promise *source = vetch__promise_source_for_one(waiter);

    if (source != NULL)
        source->object.flags &= (uint8_t)~VETCH__OBSERVED;
}

/* Wait no more. A handler borrows its value until its answer has settled, even
 * when the link gives up waiting for an answer that others want, too. False:
 * there is no memory to see to it. */
static bool
stop_waiting(vetch_reactor *r, vetch_promise *p)
{
    vetch_promise *watch;

    if (p->second.state != VETCH__K_FOLLOW || p->u.follow.held == NULL) {
        look_away(p);
        vetch__promise_detach(p);
        return true;
    }
    watch = vetch__promise_new_reserved(r, VETCH__K_WATCH);
    if (watch == NULL)
        return false;
    watch->object.refs = 0;
    watch->u.watch.fn = vetch__give_back;
    watch->u.watch.ctx = p->u.follow.held;
    p->u.follow.held = NULL;
    look_away(p);
    vetch__promise_replace(p, watch);
    return true;
}

/* Whether something is to be called when `p` is cancelled: that happens from
 * the ready queue only. */
static bool
hears_of_cancel(const vetch_promise *p)
{
    if (p->second.state == VETCH__K_LINK)
        return p->u.link.on_error != NULL && !(p->second.flags & VETCH__CATCH);
    return p->second.state == VETCH__K_FINALLY ||
           p->second.state == VETCH__K_WATCH ||
           p->second.state == VETCH__K_CALLBACK ||
           p->second.state == VETCH__K_INPUT;
}

/* The outcome is on its way to `p`, whose handler has not begun. An offer goes
 * back now, before another waiter gets what came after it; for all else the
 * mark is enough. */
static void
refuse_offer(vetch_promise *p)
{
    vetch_promise *source = p->prev;

    if (!vetch__promise_is_offered(vetch__outcome(source)))
        return;
    p->prev = &vetch__canceled;
    vetch__promise_drop(source);
}

/* Let go of a source that others want, or that is shielded. */
static void
leave_source(vetch_reactor *r, vetch_promise *p)
{
    if (!stop_waiting(r, p)) {
        vetch__cancel_reopen(p); /* and wait as if nothing had been asked */
        return;
    }
    if (hears_of_cancel(p))
        vetch__promise_attach(r, p, &vetch__canceled);
    else
        vetch__promise_reject(r, p, vetch_error_ref(&vetch__error_canceled));
}

/* A request that has gone up is not repeated until something begins above: so
 * many requests cost no more than one, and none goes in circles. */
void
vetch__promise_cancel_node(vetch_reactor *r, vetch_promise *p)
{
    while (!vetch__settled(p) && !(p->second.flags & VETCH__PASSED)) {
        vetch_promise *source;

        p->object.flags |= VETCH__CANCELING;
        p->second.flags |= VETCH__PASSED;
        if (p->second.state <= VETCH__K_JOINT) {
            ask_producer(r, p);
            return;
        }
        if (!(p->object.flags & VETCH__WAITING)) {
            if (p->object.flags & VETCH__QUEUED)
                refuse_offer(p);
            return;
        }
        source = p->second.state == VETCH__K_SHIELD
                     ? NULL
                     : vetch__promise_sole_source(p);
        if (source == NULL) {
            leave_source(r, p);
            return;
        }
        p = source;
    }
}

/* The one waiter by which a request may have come. Later ones had no part in
 * it, and those that only give something back never ask. */
static vetch_promise *
asking_waiter(const vetch_promise *p)
{
    vetch_promise *w = vetch__first_waiter(p);

    while (w != NULL && vetch__only_gives_back(w))
        w = vetch__next_waiter(w);
    return w;
}

void
vetch__cancel_reopen_from(vetch_promise *p)
{
    while (p != NULL && p->second.flags & VETCH__PASSED) {
        p->second.flags &= (uint8_t)~VETCH__PASSED;
        p = p->second.state == VETCH__K_INPUT
                ? vetch__deferred_node(vetch__input_owner(p))
                : asking_waiter(p);
    }
}

void
vetch__deferred_hear_again(vetch_deferred *d)
{
    vetch_promise *p = vetch__deferred_node(d);

    p->second.flags &= (uint8_t)~VETCH__CANCEL_SENT;
    vetch__cancel_reopen(p);
}

void
vetch_promise_cancel(vetch_promise *p)
{
    VETCH_CHECK(p != NULL, EINVAL, );
    if (vetch__promise_check_thread(p) && vetch__reactor != NULL)
        vetch__promise_cancel_node(vetch__reactor, p);
}

vetch_promise *
vetch_shield(vetch_promise *p)
{
    vetch_reactor *r = vetch__reactor;
    vetch_promise *shield;

    p = VETCH__GIVEN(p);
    if (!vetch__promise_check_thread(p))
        return &vetch__misused;
    if (r == NULL) {
        vetch_promise_unref(p);
        return &vetch__closed;
    }
    shield = vetch__promise_new(r, VETCH__K_SHIELD);
    if (shield == NULL) { /* p runs on, as it would under a shield */
        vetch_promise_unref(p);
        return &vetch__no_memory;
    }
    vetch__promise_attach(r, shield, p);
    return shield;
}

/* ---- the end of a reactor ---- */

static vetch_promise *
pending_promise(void *node)
{
    vetch_promise *p = node;

    if (p->object.type != VETCH__PROMISE || vetch__settled(p))
        return NULL;
    return p;
}

static void
mark(void *node, void *ctx)
{
    vetch_promise *p = pending_promise(node);

    (void)ctx;
    if (p != NULL)
        p->object.flags |= VETCH__CANCELING;
}

static void
cancel_produced(void *node, void *ctx)
{
    vetch_promise *p = pending_promise(node);

    if (p != NULL && p->second.state <= VETCH__K_JOINT)
        vetch__promise_cancel_node(ctx, p);
}

/* Everything is marked first, so that no further on_value runs; then every
 * producer is asked, even if others hold its promise. */
void
vetch__promises_cancel_all(vetch_reactor *r)
{
    vetch__pool_walk(r->pool, mark, NULL);
    vetch__pool_walk(r->pool, cancel_produced, r);
}

struct names {
    size_t n;
    size_t len;
    bool full;
    char text[NAMES_SIZE]; /* of as many as have room */
};

static void
name_pending(void *node, void *ctx)
{
    struct names *names = ctx;
    vetch_promise *p = pending_promise(node);
    size_t room = NAMES_SIZE - names->len;
    int n;

    if (p == NULL || p->second.state > VETCH__K_JOINT ||
        p->second.flags & VETCH__LEAKED) /* those were named already */
        return;
    names->n++;
    if (names->full)
        return;
    n = snprintf(names->text + names->len, room, "%s%s",
                 names->n == 1 ? "" : ", ", vetch__promise_describe(p));
    if (n > 0 && (size_t)n < room)
        names->len += (size_t)n;
    else
        names->full = true;
    names->text[names->len] = '\0';
}

static void
close_produced(void *node, void *ctx)
{
    vetch_promise *p = pending_promise(node);

    if (p == NULL || p->second.state > VETCH__K_JOINT ||
        p->second.flags & VETCH__LEAKED)
        return;
    p->object.flags |= VETCH__OBSERVED;
    vetch__promise_reject(ctx, p, vetch_error_ref(&vetch__error_closed));
}

static void
report_held(void *node, void *ctx)
{
    vetch_promise *p = node;

    (void)ctx;
    if (p->object.type == VETCH__PROMISE && p->object.state == VETCH_REJECTED &&
        !(p->object.flags & VETCH__OBSERVED))
        vetch__promise_report(p);
}

/* Every chain hangs from a producer: rejecting those, with handlers switched
 * off, runs what is left of the finally functions. */
void
vetch__promises_finish(vetch_reactor *r)
{
    struct names names = { .text = "" };

    vetch__pool_walk(r->pool, name_pending, &names);
    if (names.n > 0)
        vetch_log(VETCH_LOG_WARNING,
                  "the reactor ends with %zu operations that did not stop: %s",
                  names.n, names.text);
    r->finishing = true;
    vetch__ready_drain(r, SIZE_MAX);
    vetch__tasks_abandon(r);
    vetch__pool_walk(r->pool, close_produced, r);
    vetch__ready_drain(r, SIZE_MAX);
    vetch__pool_walk(r->pool, report_held, NULL);
    vetch__tasks_done(r);
    vetch__sites_done(r);
}
