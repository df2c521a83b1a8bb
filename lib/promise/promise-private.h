/* The inside of a promise, for the promise layer.
 *
 * One node of 64 bytes is the derived promise and its handler. What it means
 * depends on its phase:
 *
 *   waiting   it stands in the waiter list of its source (`next`, `prev`), and
 *             the union holds the handler (or what an adoption keeps)
 *   queued    it stands on the ready queue (`next`); `prev` is the settled
 *             source, to which it owns a reference
 *   running   its handler runs
 *   settled   the union holds the outcome, or leads to it (VETCH__FORWARD)
 *
 * A waiter list is circular and tagged: `tail` of the source is its last
 * waiter, whose `next` is the first, tagged; the first's `prev` is the source,
 * tagged. So every waiter can be taken out in constant time.
 *
 * An offered value (rule 14) is fulfilled with vetch__offer_mark as its free
 * function. How to take it back then lies where the waiters and the ready queue
 * had their links, so that an offer needs no memory of its own. Delivering it
 * makes it a plain value.
 *
 * References: object.refs counts the outside references, plus one while the
 * waiter list is not empty, plus one for each queued waiter once settled. A
 * node that waits, is queued or runs stays alive without a reference: dropping
 * a pending promise is fire and forget. A deferred is the same node, seen
 * through its second header, whose refs count the producer's references. */
#ifndef VETCH_PROMISE_PRIVATE_H
#define VETCH_PROMISE_PRIVATE_H

#include <assert.h>

#include "promise/watch-private.h"

enum vetch__kind {
    VETCH__K_PRODUCED, /* a deferred settles it */
    VETCH__K_JOINT,    /* the same, by what other promises end with */
    VETCH__K_LINK,     /* then, catch, handle */
    VETCH__K_FINALLY,
    VETCH__K_FOLLOW,  /* takes the outcome of its source */
    VETCH__K_SHIELD,  /* the same, but a cancel stops here */
    VETCH__K_WATCH,   /* calls into the library: see vetch__watch_fn */
    VETCH__K_INPUT,   /* a watch of a joint */
    VETCH__K_CALLBACK /* calls what the user gave to vetch_callback() */
};

/* In object.flags: the phase, and what concerns everyone. */
enum {
    VETCH__WAITING = 1,
    VETCH__QUEUED = 2,
    VETCH__RUNNING = 4,
    VETCH__CANCELING = 8,  /* its cancellation was asked for */
    VETCH__OBSERVED = 16,  /* a rejection is taken care of */
    VETCH__FORWARD = 32,   /* settled; the outcome is in u.forward */
    VETCH__NO_MEMORY = 64, /* ends as VETCH_ENOMEM, whatever comes */
    VETCH__SITED = 128     /* debug.c knows something of it */
};
#define VETCH__ACTIVE (VETCH__WAITING | VETCH__QUEUED | VETCH__RUNNING)

/* In second.flags: what concerns some kinds. Some bits mean one thing in one
 * kind and another in the others. */
enum {
    VETCH__HAS_DEFERRED = 1,
    VETCH__CANCEL_SENT = 2, /* the canceller was called, or is about to be */
    VETCH__CATCH = 4,       /* a link that does not see VETCH_ECANCELED */
    VETCH__ASKED = 4,       /* a producer on the list of cancellers to call */
    VETCH__INDEXED = 4,     /* a watch or an input that says which one it is */
    VETCH__EMBEDDED = 8,    /* not from the pool */
    VETCH__RESERVED = 16,   /* from the reserve */
    VETCH__INTERNAL = 32,   /* a link of ours: runs at the end, too */
    VETCH__LEAKED = 32,     /* a producer whose job cannot be stopped and uses
                               what its chain owns */
    VETCH__PASSED = 64,     /* a cancel went up from here, and nothing has begun
                               above since then */
    VETCH__SEEN = 128       /* by the walk of cycle.c that is under way */
};

/* A watch of one among several promises. */
typedef void (*vetch__watch_at_fn)(void *ctx, size_t index,
                                   vetch_promise *source);

struct vetch_promise {
    struct vetch__object object; /* state: vetch_state */
    struct vetch__object second; /* state: vetch__kind; refs: see above, or how
                                    deep a link's adoptions are stacked */
    union {
        vetch_promise *next;
        vetch_free_fn free_ctx; /* these three: once settled with an offer */
    };
    union {
        vetch_promise *prev;
        vetch_take_back_fn take_back;
    };
    union {
        vetch_promise *tail;
        void *take_back_ctx;
    };
    union {
        struct {
            vetch_value_fn on_value;
            vetch_error_fn on_error;
            void *ctx;
        } link;
        struct {
            vetch_call_fn fn;
            void *ctx;
        } finally;
        struct {
            vetch_promise *held; /* its value is still borrowed */
        } follow;
        struct {
            union {
                vetch__watch_fn fn;
                vetch__watch_at_fn fn_at; /* if VETCH__INDEXED */
            };
            void *ctx;
            size_t index;
        } watch;
        struct {
            vetch_done_fn done;
            void *ctx;
        } callback;
        struct {
            vetch_cancel_fn cancel;
            void *ctx;
        } producer;
        struct {
            void *data;
            vetch_free_fn free;         /* or vetch__offer_mark */
            vetch_free_fn free_offered; /* of an offer: once it is delivered */
        } value;
        vetch_error *error;
        vetch_promise *forward;
        struct {
            void *outcome[2];
            vetch_promise *next; /* among those that are about to be freed */
        } dead;
    } u;
};

static_assert(sizeof(struct vetch_promise) == VETCH__NODE_SIZE,
              "a promise is one cache line");
static_assert(sizeof(struct vetch__watch_room) ==
                      sizeof(struct vetch_promise) &&
                  _Alignof(struct vetch__watch_room) ==
                      _Alignof(struct vetch_promise),
              "there is room for a watch");
static_assert(offsetof(struct vetch_promise, next) ==
                      offsetof(struct vetch__ready, next) &&
                  offsetof(struct vetch_promise, prev) ==
                      offsetof(struct vetch__ready, source),
              "a promise can stand on the ready queue");

/* Where promises meet: an operation of ours that others decide, such as a
 * group, a timeout, a scope or a task. It is the ctx of its deferred, and what
 * it waits for are its inputs, so that one can walk from a promise through it,
 * both ways. */
struct vetch__joint;
/* Gives the inputs of a joint, one a call: false after the last. A place that
 * is empty gives NULL. `cursor` begins as NULL and is the function's own. */
typedef bool (*vetch__next_input_fn)(const struct vetch__joint *j,
                                     const void **cursor,
                                     vetch_promise **ret_input);
struct vetch__joint {
    vetch_deferred *deferred; /* first: see vetch__join() */
    vetch__next_input_fn next_input;
    struct vetch__joint *next; /* in a walk of cycle.c, */
    bool below;                /* which found it downstream */
};

static inline vetch_promise *
vetch__deferred_node(const vetch_deferred *d)
{
    return vetch__container(d, vetch_promise, second);
}

/* ---- the list of waiters ---- */
static inline bool
vetch__tagged(const vetch_promise *p)
{
    return (uintptr_t)p & 1;
}
static inline vetch_promise *
vetch__tag(vetch_promise *p)
{
    return (vetch_promise *)((uintptr_t)p | 1);
}
static inline vetch_promise *
vetch__untag(vetch_promise *p)
{
    return (vetch_promise *)((uintptr_t)p & ~(uintptr_t)1);
}
static inline vetch_promise *
vetch__first_waiter(const vetch_promise *p)
{
    return p->tail == NULL ? NULL : vetch__untag(p->tail->next);
}
static inline vetch_promise *
vetch__next_waiter(const vetch_promise *w)
{
    return vetch__tagged(w->next) ? NULL : w->next;
}

/* ---- promise.c ---- */
/* The node that holds the outcome of a settled promise. */
static inline vetch_promise *
vetch__outcome(vetch_promise *p)
{
    return p->object.flags & VETCH__FORWARD ? p->u.forward : p;
}
/* Whether p may be used on this thread. To find its owner costs a line of the
 * cache, so a thread that has a reactor is trusted unless it debugs. One that
 * has none always looks: it is the one that is most often wrong. */
bool vetch__promise_look_at_thread(const vetch_promise *p);
static inline bool
vetch__thread_is_trusted(void)
{
#ifdef VETCH_DEBUG_BUILD
    return false;
#else
    return vetch__reactor != NULL && !vetch__reactor->debug;
#endif
}
static inline bool
vetch__promise_check_thread(const vetch_promise *p)
{
    return vetch__likely(vetch__thread_is_trusted()) ||
           vetch__promise_look_at_thread(p);
}
/* A pending node with one reference. */
static inline void
vetch__promise_init(vetch_promise *p, enum vetch__kind kind, unsigned flags)
{
    p->object = (struct vetch__object){ .type = VETCH__PROMISE,
                                        .state = VETCH_PENDING,
                                        .refs = 1 };
    p->second = (struct vetch__object){ .type = VETCH__DEFERRED,
                                        .state = (uint8_t)kind,
                                        .flags = (uint8_t)flags };
    p->tail = NULL;
}
/* The same from the pool; NULL and ENOMEM. */
static inline vetch_promise *
vetch__promise_new(vetch_reactor *r, enum vetch__kind kind)
{
    vetch_promise *p = vetch__pool_alloc(r->pool, VETCH__PROMISE);

    if (vetch__likely(p != NULL))
        vetch__promise_init(p, kind, 0);
    return p;
}
static inline bool
vetch__settled(const vetch_promise *p)
{
    return p->object.state != VETCH_PENDING;
}
/* Let `link` wait for `source`, whose reference it consumes. */
void vetch__promise_attach(vetch_reactor *r, vetch_promise *link,
                           vetch_promise *source);
/* The source that a waiting node waits for. */
vetch_promise *vetch__promise_source(const vetch_promise *waiter);
/* Take a waiting node out of its source's list. The list's reference, if it was
 * the only waiter, is released. */
void vetch__promise_detach(vetch_promise *waiter);
/* Let `by`, which waits for nothing, wait in the place of `waiter`. */
void vetch__promise_replace(vetch_promise *waiter, vetch_promise *by);
/* The source of `waiter` if the others that wait for it only give something
 * back, else NULL. */
vetch_promise *vetch__promise_source_for_one(const vetch_promise *waiter);
/* The source of `waiter` if `waiter` is all that keeps it wanted, else NULL. */
vetch_promise *vetch__promise_sole_source(const vetch_promise *waiter);
/* Settle a pending node. `error` NULL means VETCH_ENOMEM. */
void vetch__promise_fulfil(vetch_reactor *r, vetch_promise *p, void *value,
                           vetch_free_fn free_value);
void vetch__promise_reject(vetch_reactor *r, vetch_promise *p,
                           vetch_error *error);
/* The same with a value that goes back if nobody gets it. */
void vetch__promise_offer(vetch_reactor *r, vetch_promise *p,
                          const struct vetch__offer *offer);
/* Whether the outcome that stands in this node is an offer. */
void vetch__offer_mark(void *value); /* never called */
static inline bool
vetch__promise_is_offered(const vetch_promise *from)
{
    return from->object.state == VETCH_FULFILLED &&
           from->u.value.free == vetch__offer_mark;
}
/* Somebody gets the offer that stands in this node: from now on it belongs to
 * its promise like any other value. Takes memory from nobody, but calls the
 * producer's free_ctx. */
void vetch__promise_deliver(vetch_promise *from);
/* The same, if `p` is fulfilled with an offer. */
static inline void
vetch__promise_get_offer(vetch_promise *p)
{
    vetch_promise *from = vetch__outcome(p);

    if (vetch__unlikely(vetch__promise_is_offered(from)))
        vetch__promise_deliver(from);
}
/* Nothing can hold the value: it goes back. */
static inline void
vetch__offer_refuse(const struct vetch__offer *offer)
{
    offer->take_back(offer->value, offer->ctx);
    if (offer->free_ctx != NULL)
        offer->free_ctx(offer->ctx);
}
/* Let a pending node that waits for nothing take the outcome of `q`, which it
 * consumes; a cycle rejects. */
void vetch__promise_adopt(vetch_reactor *r, vetch_promise *p, vetch_promise *q,
                          vetch_promise *held);
/* Free a node that nothing refers to any more. */
void vetch__promise_dispose(vetch_promise *p);
/* Whether freeing the node is all there is to do. */
static inline bool
vetch__promise_is_plain(const vetch_promise *p)
{
    return p->object.state == VETCH_FULFILLED &&
           !(p->object.flags & (VETCH__FORWARD | VETCH__SITED)) &&
           !(p->second.flags & (VETCH__EMBEDDED | VETCH__RESERVED)) &&
           p->u.value.free == NULL;
}
static inline void
vetch__promise_unwanted(vetch_promise *p)
{
    if (p->object.refs > 0 || p->object.flags & VETCH__ACTIVE ||
        (p->second.flags & VETCH__HAS_DEFERRED && p->second.refs > 0))
        return;
    if (vetch__likely(vetch__promise_is_plain(p)))
        vetch__pool_free(p);
    else
        vetch__promise_dispose(p);
}

static inline bool
vetch__promise_is_immortal(const vetch_promise *p)
{
    return p->object.refs == VETCH__IMMORTAL;
}

static inline vetch_promise *
vetch__promise_hold(vetch_promise *p)
{
    if (!vetch__promise_is_immortal(p))
        p->object.refs++;
    return p;
}

static inline void
vetch__promise_drop(vetch_promise *p)
{
    if (vetch__promise_is_immortal(p))
        return;
    assert(p->object.refs > 0);
    if (--p->object.refs == 0)
        vetch__promise_unwanted(p);
}

/* Whether the one reference that the caller has is the only one. */
static inline bool
vetch__promise_is_ours(const vetch_promise *p)
{
    return p->object.refs == 1 &&
           !(p->second.flags & VETCH__HAS_DEFERRED && p->second.refs > 0);
}

/* A pending node, with the reserve to fall back on. */
vetch_promise *vetch__promise_new_reserved(vetch_reactor *r,
                                           enum vetch__kind kind);
void vetch__promise_free_node(vetch_promise *p);

/* ---- chain.c ---- */
/* Rule 13: no memory is left for a link to `p`. What runs is stopped; what is
 * returned stands for the link, and ends as VETCH_ENOMEM. Consumes `p`. */
vetch_promise *vetch__promise_stop(vetch_reactor *r, vetch_promise *p);
/* What depends on these promises could not be made, for the reason `errnum`:
 * cancel them all. For ENOMEM return a promise that ends as VETCH_ENOMEM once
 * they have settled (at once, if even the reserve is used up); else as
 * vetch__failed(). Consumes the promises. */
vetch_promise *vetch__promises_stop(vetch_promise *const *promises, size_t n,
                                    int errnum);

/* Nobody will take `p`, which is consumed: cancel it. */
void vetch__promise_stray(vetch_promise *p);

/* A promise of its own with the outcome of `p`, which it consumes: cancelling
 * it leaves p alone while others wait. Out of memory it is `p` itself. */
vetch_promise *vetch__promise_follower(vetch_reactor *r, vetch_promise *p);

/* vetch__promise_take_any(), fast for a plain value. */
static inline bool
vetch__promise_take(vetch_promise *p, void **ret_value, vetch_error **ret_error)
{
    if (vetch__unlikely(!vetch__promise_is_plain(p)))
        return vetch__promise_take_any(p, ret_value, ret_error);
    *ret_value = p->u.value.data;
    *ret_error = NULL;
    vetch__promise_drop(p);
    return true;
}

/* ---- watch.c ---- */
/* As vetch__watch(), and fn gets the index, too. */
vetch_promise *vetch__watch_at(vetch_reactor *r, vetch_promise *p,
                               vetch__watch_at_fn fn, void *ctx, size_t index);
/* The same for an input of a joint: `ctx` begins with the deferred that waits
 * for it. */
vetch_promise *vetch__join(vetch_reactor *r, vetch_promise *p,
                           vetch__watch_fn fn, void *ctx);
vetch_promise *vetch__join_at(vetch_reactor *r, vetch_promise *p,
                              vetch__watch_at_fn fn, void *ctx, size_t index);
/* The same with memory of the caller's, that stays until fn is called. */
void vetch__join_in(vetch_reactor *r, vetch_promise *input, vetch_promise *p,
                    vetch__watch_fn fn, void *ctx);
static inline vetch_deferred *
vetch__input_owner(const vetch_promise *input)
{
    return *(vetch_deferred **)input->u.watch.ctx;
}

/* Dispatch what vetch_callback() has attached. */
void vetch__callback_run(vetch_reactor *r, vetch_promise *p,
                         vetch_promise *source);

/* Tell the reactor's hook of a rejection that nobody observed. */
void vetch__promise_report(vetch_promise *p);
/* The same for an error that has no promise any more; `r` may be NULL. */
void vetch__error_report(const vetch_reactor *r, const vetch_error *error);
/* The same, and release it. */
void vetch__error_refuse(vetch_error *error);
/* Hand an error over to a caller; one that it does not want is reported. */
static inline void
vetch__error_hand_over(vetch_error *error, vetch_error **ret_error)
{
    if (ret_error != NULL)
        *ret_error = error;
    else if (vetch__unlikely(error != NULL))
        vetch__error_refuse(error);
}

/* ---- cycle.c ---- */
/* Whether `q`, which is pending, waits for `p`, by whatever way. */
bool vetch__waits_by_detour(vetch_promise *q, vetch_promise *p);
static inline bool
vetch__waits_for(vetch_promise *q, vetch_promise *p)
{
    if (q == p)
        return true;
    /* Nobody waits for p, or q for nobody: most are one or the other. */
    if (p->tail == NULL || q->second.state == VETCH__K_PRODUCED)
        return false;
    /* One waits for p, and nobody for that one. */
    if (vetch__untag(p->tail->next) == p->tail && p->tail->tail == NULL &&
        p->tail->second.state != VETCH__K_INPUT)
        return p->tail == q;
    return vetch__waits_by_detour(q, p);
}
vetch_error *vetch__error_cycle(void);
/* Consumes `p`; returns what ends with VETCH_ECYCLE. */
vetch_promise *vetch__refuse_cycle(vetch_promise *p);
/* For a joint that begins to wait for `p`: p itself, or what stands for it. */
static inline vetch_promise *
vetch__unless_cycle(vetch_promise *p, const struct vetch__joint *j)
{
    vetch_promise *end = vetch__deferred_node(j->deferred);

    return !vetch__settled(p) && vetch__waits_for(p, end)
               ? vetch__refuse_cycle(p)
               : p;
}

/* ---- cancel.c ---- */
/* Something begins above `p`: the next request goes up again. */
void vetch__cancel_reopen_from(vetch_promise *p);
static inline void
vetch__cancel_reopen(vetch_promise *p)
{
    if (vetch__unlikely(p->second.flags & VETCH__PASSED))
        vetch__cancel_reopen_from(p);
}
/* Releases `held`, whose value was borrowed until `answer` settled. */
void vetch__give_back(void *held, vetch_promise *answer);
/* Whether that is all a waiter does. */
static inline bool
vetch__only_gives_back(const vetch_promise *waiter)
{
    return waiter->second.state == VETCH__K_WATCH &&
           waiter->u.watch.fn == vetch__give_back;
}
/* Take an ASKED producer, which is about to follow, off its list. */
void vetch__cancel_withdraw(vetch_promise *p);

/* ---- debug.c ---- */
/* The node is about to be freed. */
void vetch__site_forget(vetch_promise *p);
/* What is known of a promise: its name and site, or what kind it is. Valid
 * until the next call on this thread. */
const char *vetch__promise_describe(vetch_promise *p);
/* " (what it is at where)" for a report, or "" if nothing is known. */
const char *vetch__promise_origin(vetch_promise *p);
void vetch__sites_done(vetch_reactor *r);

/* ---- signal.c ---- */
/* The canceller of who waits for a signal. */
void vetch__signal_cancel(vetch_deferred *d, void *ctx);

/* ---- task.c ---- */
/* Name the tasks that did not end, run what they deferred, and settle them. */
void vetch__tasks_abandon(vetch_reactor *r);
/* Unmap all stacks. */
void vetch__tasks_done(vetch_reactor *r);
/* Around a call of a user's function in the middle of work of ours: it may not
 * wait there, and a try may not leave it, though it stands on a task's stack.
 * Returns what to step back into. */
static inline struct task *
vetch__task_step_out(void)
{
    vetch_reactor *r = vetch__reactor;
    struct task *t;

    if (r == NULL)
        return NULL;
    t = r->task;
    r->task = NULL;
    return t;
}
static inline void
vetch__task_step_in(struct task *t)
{
    if (vetch__unlikely(t != NULL))
        vetch__reactor->task = t;
}

/* ---- deferred.c ---- */
/* The work behind this deferred cannot be stopped and uses what its chain
 * owns: at the end of the reactor the chain is leaked, not ended. */
void vetch__deferred_leak(vetch_deferred *d);

/* A new pending promise that `j`, the ctx of `cancel`, decides. The canceller
 * is to pass the request on, and hears of each one: a later one may be for the
 * clean-up that the first one began. NULL and errno. */
vetch_deferred *vetch__joint_start(struct vetch__joint *j,
                                   vetch_cancel_fn cancel,
                                   vetch__next_input_fn next_input);
/* The same for a deferred that is there already and whose canceller takes `j`
 * as its ctx: until now it waited for nothing. */
static inline void
vetch__joint_begin(struct vetch__joint *j, vetch__next_input_fn next_input)
{
    vetch__deferred_node(j->deferred)->second.state = VETCH__K_JOINT;
    j->next_input = next_input;
    j->below = false;
}
/* For next_input functions: of a joint with one input, or none (NULL), */
bool vetch__only_input(vetch_promise *input, const void **cursor,
                       vetch_promise **ret_input);
/* and with n places. */
bool vetch__input_at(vetch_promise *const *inputs, size_t n,
                     const void **cursor, vetch_promise **ret_input);

#endif
