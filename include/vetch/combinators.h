/* Combining promises; see vetch_combinators(3).
 *
 * all, all_settled, race, any, map and timeout consume and observe their
 * children. Once decided they cancel the rest, and they settle when the rest
 * has settled: no child outlives its combinator unless it is shared or
 * shielded. wait and as_completed borrow, and cancel nothing.
 *
 * Everything here: Thread: reactor. Out of memory: the children are cancelled
 * and the promise returned ends with VETCH_ENOMEM when they have settled. */
#ifndef VETCH_COMBINATORS_H
#define VETCH_COMBINATORS_H

#include <vetch/promise.h>

/* Starts the i-th operation of a map. */
typedef vetch_promise *(*vetch_map_fn)(size_t i, void *ctx);
/* Starts one more operation of a repeat. */
typedef vetch_promise *(*vetch_start_fn)(void *ctx);

typedef enum vetch_wait_mode {
    VETCH_WAIT_FIRST_COMPLETED,
    VETCH_WAIT_FIRST_ERROR,
    VETCH_WAIT_ALL_COMPLETED
} vetch_wait_mode;

VETCH_BEGIN_DECLS

/* Fulfils with vetch_results once all children have fulfilled, or rejects with
 * the first error. The array is copied. n = 0 fulfils with empty results. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_all(vetch_promise *const *promises, size_t n);
/* Fulfils with vetch_results once all children have settled, however. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_all_settled(vetch_promise *const *promises, size_t n);
/* Takes the outcome of the first child that settles. n = 0: EINVAL. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_race(vetch_promise *const *promises, size_t n);
/* Takes the value of the first child that fulfils; if none does, rejects with
 * VETCH_EAGGREGATE, which carries all errors as suppressed ones. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_any(vetch_promise *const *promises, size_t n);

/* Call fn(0…n-1, ctx), with at most `limit` (VETCH_NO_LIMIT; 0: EINVAL) of the
 * promises it returns pending at once; fulfils with vetch_results, or rejects
 * with the first error, as vetch_all(). `fn` runs from the ready queue and may
 * return what a handler may. Borrows `ctx` until settled. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_map(size_t n, size_t limit, vetch_map_fn fn, void *ctx);

/* Call `fn` again each time its promise fulfils with NULL; ends with the first
 * other value or rejection. Constant memory. `fn` returning NULL counts as
 * fulfilled with NULL. Borrows `ctx` until settled. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_repeat(vetch_start_fn fn,
                                                         void *ctx);

/* The outcome of `p`, or VETCH_ETIMEDOUT once `p` was cancelled after `seconds`
 * and has stopped (a value that comes then is freed; another error than the
 * cancel stays). A cancel from elsewhere stays VETCH_ECANCELED. INFINITY is no
 * limit; negative or NaN: EINVAL. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_timeout(vetch_promise *p,
                                                          double seconds);
/* The same at a point in time on the clock of vetch_now(), for what several
 * operations have to be done by: at once if that has passed. INFINITY: never.
 */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_deadline(vetch_promise *p,
                                                           double when);
/* Fulfils, with no value, no earlier than `seconds` from now. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_sleep(double seconds);

/* Fulfils, with the number settled as (intptr_t), when `mode` is reached or
 * `seconds` (INFINITY: no limit; negative or NaN: EINVAL) have passed. Takes
 * references of its own while it waits; observes errors only in the sense that
 * you will look. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_wait(vetch_promise *const *promises, size_t n, double seconds,
           vetch_wait_mode mode);

/* Iterate over promises in the order in which they settle. The iterator holds
 * references until freed. Errors: NULL and ENOMEM. */
VETCH_EXPORT VETCH_NODISCARD vetch_completions *
vetch_as_completed(vetch_promise *const *promises, size_t n);
/* A promise of the next settled one: its value is a vetch_promise, a reference
 * freed with the value; NULL after the last. One that nobody got comes again.
 */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_completions_next(vetch_completions *c);
/* Ends the iteration; a pending `next` rejects with VETCH_ECLOSED. */
VETCH_EXPORT void vetch_completions_free(vetch_completions *c);

/* ---- results of all, all_settled and map ---- */

VETCH_EXPORT size_t vetch_results_count(const vetch_results *r);
VETCH_EXPORT vetch_state vetch_results_state(const vetch_results *r, size_t i);
/* Borrowed from the results; NULL where there is none. */
VETCH_EXPORT void *vetch_results_value(const vetch_results *r, size_t i);
VETCH_EXPORT const vetch_error *vetch_results_error(const vetch_results *r,
                                                    size_t i);
VETCH_EXPORT vetch_results *vetch_results_ref(vetch_results *r);
VETCH_EXPORT vetch_results *vetch_results_unref(vetch_results *r);

VETCH_END_DECLS

#endif
