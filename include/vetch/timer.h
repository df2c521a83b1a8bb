/* Timers; see vetch_timer(3). vetch_sleep() is the promise of one. */
#ifndef VETCH_TIMER_H
#define VETCH_TIMER_H

#include <vetch/types.h>

/* Runs on the reactor's thread at each expiry; `timer` is borrowed. */
typedef void (*vetch_timer_fn)(vetch_timer *timer, void *ctx);

VETCH_BEGIN_DECLS

/* Start a one-shot timer on this thread's reactor; it expires no earlier than
 * `seconds` from now, whatever the loop is doing, and never if that is
 * INFINITY.
 *
 * Ownership: returns a new reference. References keep memory, not activity: a
 *            released timer still fires; vetch_timer_cancel() stops it. Borrows
 *            `ctx` until expiry or cancel; `_owned` hands it to `free_ctx`
 *            exactly once, when the timer can no longer fire and its last
 *            reference is gone.
 * Errors:    NULL and errno: ENOMEM; EINVAL, `seconds` is negative or NaN;
 *            EPERM, no reactor; ECANCELED, the reactor is ending.
 * Thread:    reactor. */
VETCH_EXPORT VETCH_NODISCARD vetch_timer *
vetch_timer_new(double seconds, vetch_timer_fn fn, void *ctx);
VETCH_EXPORT VETCH_NODISCARD vetch_timer *
vetch_timer_new_owned(double seconds, vetch_timer_fn fn, void *ctx,
                      vetch_free_fn free_ctx);

/* The same, but it fires every `seconds` (above 0), without drift: the n-th
 * expiry is n * seconds after the start; expiries that were missed because the
 * loop was busy are skipped, not made up for. */
VETCH_EXPORT VETCH_NODISCARD vetch_timer *
vetch_timer_new_periodic(double seconds, vetch_timer_fn fn, void *ctx);
VETCH_EXPORT VETCH_NODISCARD vetch_timer *
vetch_timer_new_periodic_owned(double seconds, vetch_timer_fn fn, void *ctx,
                               vetch_free_fn free_ctx);

/* Start it anew, `seconds` from now, whether it is running or not; these are
 * from then on the period of a periodic one.
 * Errors: -1 and errno: EINVAL, ECANCELED, ENOMEM, EPERM (a wrong thread);
 * then it is as before. */
VETCH_EXPORT int vetch_timer_restart(vetch_timer *t, double seconds);

/* Stop it: `fn` is not called again. Idempotent; allowed in `fn`. */
VETCH_EXPORT void vetch_timer_cancel(vetch_timer *t);

/* Whether it will still fire. */
VETCH_EXPORT bool vetch_timer_is_active(const vetch_timer *t);

/* Whether it does not keep vetch_reactor_run_until_idle() going. */
VETCH_EXPORT void vetch_timer_set_background(vetch_timer *t, bool on);

VETCH_EXPORT vetch_timer *vetch_timer_ref(vetch_timer *t);
VETCH_EXPORT vetch_timer *vetch_timer_unref(vetch_timer *t);

VETCH_END_DECLS

#endif
