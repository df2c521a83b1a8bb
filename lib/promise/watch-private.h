/* Promises as the layers above use them: how to wait for one, to offer a value,
 * and what to return when nothing can be started. What is inside a promise is
 * in promise-private.h, for the promise layer alone. */
#ifndef VETCH_WATCH_PRIVATE_H
#define VETCH_WATCH_PRIVATE_H

#ifndef VETCH_NO_SITES
#define VETCH_NO_SITES /* the functions themselves are meant here */
#endif
#include <vetch/debug.h>
#include <vetch/promise.h>

#include "base/pool-private.h"
#include "reactor/reactor-private.h"

/* Called from the ready queue when the source of a watch has settled. Owns
 * `source`; the watch is gone already. */
typedef void (*vetch__watch_fn)(void *ctx, vetch_promise *source);

/* Memory for a watch, so that it cannot fail for want of any. */
struct vetch__watch_room {
    _Alignas(void *) unsigned char node[VETCH__NODE_SIZE];
};
static inline vetch_promise *
vetch__room_watch(struct vetch__watch_room *room)
{
    return (vetch_promise *)(void *)room->node;
}

/* Call fn(ctx, source) once `p` has settled. Consumes `p`. The watch is valid
 * until then, to be cancelled with vetch__promise_cancel_node(). NULL: out of
 * memory, and `p` is as before. */
vetch_promise *vetch__watch(vetch_reactor *r, vetch_promise *p,
                            vetch__watch_fn fn, void *ctx);
/* The same in `room`, which stays until fn is called. */
void vetch__watch_in(vetch_reactor *r, struct vetch__watch_room *room,
                     vetch_promise *p, vetch__watch_fn fn, void *ctx);
/* End a watch without touching what it waits for. If it is queued already, fn
 * will still be called, with NULL as ctx. */
void vetch__watch_forget(vetch_promise *watch);
/* Ask what `p` waits for, or `p` itself, to stop. */
void vetch__promise_cancel_node(vetch_reactor *r, vetch_promise *p);

/* The value of a settled promise, for a caller that wants to own it. True: the
 * value is in *ret_value, or (with *ret_error set) it has none. False: it is
 * shared and cannot be handed over. Consumes `p`. */
bool vetch__promise_take_any(vetch_promise *p, void **ret_value,
                             vetch_error **ret_error);

/* Promises that are always there: they are never counted nor freed. */
extern vetch_promise vetch__canceled; /* VETCH_ECANCELED */
extern vetch_promise vetch__no_memory;
extern vetch_promise vetch__closed;
extern vetch_promise vetch__misused;
extern vetch_promise vetch__nothing; /* fulfilled without a value */
/* What a call that could not start returns: by errno, one of these or a
 * rejection with that errno. */
vetch_promise *vetch__failed(int errnum, const char *what);

/* What a NULL in place of a promise comes to: misuse that is named, and a
 * rejection like any other, so that handlers of the chain run. */
#define VETCH__GIVEN(p)                                                        \
    (vetch__likely((p) != NULL) ? (p) : vetch__promise_missing(__func__))
vetch_promise *vetch__promise_missing(const char *function)
    __attribute__((cold));

/* The same for an array: whether there is none although it should have
 * elements. */
bool vetch__promises_missing(const char *function,
                             vetch_promise *const *promises, size_t n);

/* What vetch_deferred_offer_owned() is given. */
struct vetch__offer {
    void *value;
    vetch_free_fn free_value;
    vetch_take_back_fn take_back;
    void *ctx;
    vetch_free_fn free_ctx; /* may be NULL */
};

/* What vetch_deferred_offer_owned() does. */
bool vetch__deferred_offer(vetch_deferred *d, const struct vetch__offer *offer);
/* A promise fulfilled with an offer; without memory the value goes back at
 * once. */
vetch_promise *vetch__offered(const struct vetch__offer *offer);

/* For a canceller that has not done all that it can: let it hear of the next
 * request, too. */
void vetch__deferred_hear_again(vetch_deferred *d);
/* What one of a scope's children is, for a report; valid until the next
 * call. */
const char *vetch__scope_example(const vetch_scope *s);

/* Name an operation of ours. */
#define VETCH__NAME(p, ...)                                                    \
    (vetch__unlikely(vetch__reactor->debug)                                    \
         ? (void)vetch_promise_name(p, __VA_ARGS__)                            \
         : (void)0)

#endif
