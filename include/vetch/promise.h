/* Promises and deferreds; see vetch_promise(3) and vetch_deferred(3).
 *
 * Settled means stopped: when a promise has settled, nothing that was started
 * for it alone still runs or still uses what it was given.
 *
 * Everything here: Thread: reactor. */
#ifndef VETCH_PROMISE_H
#define VETCH_PROMISE_H

#include <vetch/types.h>

typedef enum vetch_state {
    VETCH_PENDING,
    VETCH_FULFILLED,
    VETCH_REJECTED
} vetch_state;

/* Handlers run from the ready queue, never inside the call that attaches or
 * settles. `value` is borrowed until the promise that the handler returned has
 * settled; `error` during the call. They return NULL for "done, no value",
 * vetch_resolved(), vetch_rejected(), vetch_same(), or any promise, which is
 * consumed and adopted. */
typedef vetch_promise *(*vetch_value_fn)(void *value, void *ctx);
typedef vetch_promise *(*vetch_error_fn)(const vetch_error *error, void *ctx);

/* The end of a chain in Node's style. Exactly one of `error` (borrowed) and
 * `result` (handed over; may be NULL as a value) is meaningful. */
typedef void (*vetch_done_fn)(const vetch_error *error, void *result,
                              void *ctx);

/* Asks the producer to stop. It settles `d` (borrowed), at once or later, when
 * it no longer uses what it was given; normally with VETCH_ECANCELED. */
typedef void (*vetch_cancel_fn)(vetch_deferred *d, void *ctx);

/* Puts an offered value that nobody got back to where it came from; see
 * vetch_deferred_offer(). It must not fail, and runs inside whatever call
 * dropped the value: it may settle deferreds, but should call nothing that is
 * not the producer's. */
typedef void (*vetch_take_back_fn)(void *value, void *ctx);

VETCH_BEGIN_DECLS

/* ---- the producer's end ---- */

/* Make a pending promise's producer end. Without `cancel` a cancel request
 * rejects the promise at once.
 *
 * Ownership: returns a new reference; borrows `ctx` until settled. Releasing
 *            the last reference unsettled rejects with VETCH_EABANDONED.
 * Errors:    NULL and errno: ENOMEM; EPERM, no reactor; ECANCELED, the reactor
 *            is ending. */
VETCH_EXPORT VETCH_NODISCARD vetch_deferred *
vetch_deferred_new(vetch_cancel_fn cancel, void *ctx);

/* A new reference to the promise it settles. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_deferred_promise(vetch_deferred *d);

/* Settle. False if it was settled (or following) already: then what was given
 * has been freed. `_resolve` takes over `value`, to be given to `free_value`
 * (NULL: nothing to free). `_reject` consumes `error` (NULL means
 * VETCH_ENOMEM). `_follow` consumes `p`: the promise takes its outcome; with
 * itself, at any depth, it rejects with VETCH_ECYCLE. */
VETCH_EXPORT bool vetch_deferred_resolve(vetch_deferred *d, void *value,
                                         vetch_free_fn free_value);
VETCH_EXPORT bool vetch_deferred_reject(vetch_deferred *d, vetch_error *error);
VETCH_EXPORT bool vetch_deferred_follow(vetch_deferred *d, vetch_promise *p);

/* Fulfil with a value that cannot be made again. If it is dropped before a
 * handler began with it, an await or run returned it, a callback got it or
 * somebody looked at it (a cancel, a timeout, a lost race, a released promise,
 * the end of the reactor), it goes to `take_back` instead of `free_value`.
 * Links, adoption and combinators pass an offer on; that is not getting it.
 * False if it was settled already: then it has been taken back.
 *
 * Ownership: takes over `value` (not NULL) until it is taken back. `ctx` is
 * borrowed until the value was got or taken back; `_owned` gives it to
 * `free_ctx` then, exactly once. Errors:    false and EINVAL without `value` or
 * `take_back`: nothing was done. */
VETCH_EXPORT bool vetch_deferred_offer(vetch_deferred *d, void *value,
                                       vetch_free_fn free_value,
                                       vetch_take_back_fn take_back, void *ctx);
VETCH_EXPORT bool vetch_deferred_offer_owned(vetch_deferred *d, void *value,
                                             vetch_free_fn free_value,
                                             vetch_take_back_fn take_back,
                                             void *ctx, vetch_free_fn free_ctx);

/* Reject with VETCH_ECANCELED, as a canceller does once its operation has
 * stopped. Needs no memory. False if it was settled already. */
VETCH_EXPORT bool vetch_deferred_cancel(vetch_deferred *d);

/* Whether it was asked to cancel. */
VETCH_EXPORT bool vetch_deferred_is_canceled(const vetch_deferred *d);

VETCH_EXPORT vetch_deferred *vetch_deferred_ref(vetch_deferred *d);
VETCH_EXPORT vetch_deferred *vetch_deferred_unref(vetch_deferred *d);

/* ---- ready-made outcomes ---- */

/* A promise fulfilled with `value`, which it owns from now on; out of memory
 * `value` is freed and the promise is rejected with VETCH_ENOMEM. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_resolved(void *value, vetch_free_fn free_value);
/* A rejected promise. Consumes `error`; NULL means VETCH_ENOMEM. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_rejected(vetch_error *error);
/* How a task or a handler ends that has an error or none: NULL for NULL, else
 * vetch_rejected(). Consumes `error`. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_finish(vetch_error *error);
/* In a handler: the outcome that it was given (look and pass on; rethrow).
 * Elsewhere a promise rejected with VETCH_EMISUSE. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_same(void);

/* ---- chains ---- */

/* Each of these consumes `p`, borrows `ctx` until the handler can no longer
 * run, and returns the promise of the handler's outcome. To branch, take a
 * reference to `p` first. A missing handler (NULL) passes the outcome through.
 *
 * A `p` that is NULL is misuse, and stands for a promise rejected with
 * VETCH_EMISUSE, here and wherever promises are taken.
 *
 * `_catch` does not see VETCH_ECANCELED; `_handle` sees every rejection.
 * `_finally` sees and changes nothing, and `fn` runs exactly once in every
 * case: value, error, cancel, out of memory, end of the reactor.
 *
 * Errors: out of memory cancels `p` and returns `p` itself, which then ends as
 * VETCH_ENOMEM once its work has stopped. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_then(vetch_promise *p, vetch_value_fn on_value, void *ctx);
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_catch(vetch_promise *p, vetch_error_fn on_error, void *ctx);
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_handle(vetch_promise *p, vetch_value_fn on_value, vetch_error_fn on_error,
             void *ctx);
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_finally(vetch_promise *p, vetch_call_fn fn, void *ctx);

/* End a chain with a callback in Node's style: consumes `p`, calls `done`
 * exactly once from the ready queue and hands it the value. If others still
 * hold `p` and its value has a free function, `done` gets VETCH_EMISUSE.
 * Out of memory `p` is cancelled and `done` gets VETCH_ENOMEM when it ends. */
VETCH_EXPORT void vetch_callback(vetch_promise *p, vetch_done_fn done,
                                 void *ctx);

/* Run this thread's reactor until `p` settles; consumes `p`. Returns its value,
 * handed over, and sets `*ret_error` to NULL; or returns NULL and hands over
 * the error there (`ret_error` may be NULL). For main(): in a callback it is
 * refused with VETCH_EMISUSE and `p` is released. A value that others hold too
 * is VETCH_EMISUSE, as in vetch_callback(). */
VETCH_EXPORT void *vetch_run(vetch_promise *p, vetch_error **ret_error);

/* ---- looking at one ---- */

VETCH_EXPORT vetch_state vetch_promise_state(const vetch_promise *p);
/* The value, borrowed from the promise; NULL and errno EINVAL if it is not
 * fulfilled. Looking at an offered value gets it. */
VETCH_EXPORT void *vetch_promise_value(vetch_promise *p);
/* The error, borrowed; this observes the rejection. NULL and errno EINVAL if
 * it is not rejected. */
VETCH_EXPORT const vetch_error *vetch_promise_error(vetch_promise *p);

VETCH_EXPORT vetch_promise *vetch_promise_ref(vetch_promise *p);
/* Dropping a pending promise is fire and forget. */
VETCH_EXPORT vetch_promise *vetch_promise_unref(vetch_promise *p);

/* ---- cancelling ---- */

/* Ask for `p` to be cancelled (borrows it). The request goes upstream, as long
 * as each link holds the only reference to what it passes, to the operation
 * that is waited for; `p` settles last, normally with VETCH_ECANCELED. A
 * settled promise is not changed. */
VETCH_EXPORT void vetch_promise_cancel(vetch_promise *p);

/* Consumes `p` and returns a promise of the same outcome; cancelling that one
 * rejects it at once, and `p` runs on. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_shield(vetch_promise *p);

VETCH_END_DECLS

#endif
