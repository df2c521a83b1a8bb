/* The reactor: one event loop per thread; see vetch_reactor(3). */
#ifndef VETCH_REACTOR_H
#define VETCH_REACTOR_H

#include <vetch/types.h>

/* A rejection that nobody observed; `error` is borrowed. */
typedef void (*vetch_rejection_fn)(const vetch_error *error, void *ctx);

VETCH_BEGIN_DECLS

/* Make a reactor with a loop of its own and bind it to the calling thread.
 * From then on SIGPIPE does nothing, unless the program has set it up; in what
 * the program executes, SIGPIPE kills as usual.
 *
 * Ownership: returns a new reference; see vetch_reactor_unref().
 * Errors:    NULL and errno: EBUSY if the thread has one already; ENOMEM,
 *            EMFILE, … from the system.
 * Thread:    the caller's becomes the reactor's. */
VETCH_EXPORT VETCH_NODISCARD vetch_reactor *vetch_reactor_new(void);

/* The same on a libevent loop that another part of the program owns and runs.
 * The loop must outlive the reactor. vetch_reactor_run() may be used, or the
 * owner's event_base_dispatch(). */
VETCH_EXPORT VETCH_NODISCARD vetch_reactor *
vetch_reactor_adopt(struct event_base *base);

/* The calling thread's reactor, borrowed, or NULL. Thread: any. */
VETCH_EXPORT vetch_reactor *vetch_reactor_current(void);

/* Take or release a reference. Releasing the last one ends the reactor: new
 * operations are rejected with VETCH_ECLOSED, what is pending is cancelled,
 * the ready queue drains, running jobs are awaited (5 s at most), and what is
 * left is named in the log. Objects the caller still holds stay valid. Inside a
 * callback this waits until it has returned. In a forked child nothing ends:
 * the thread merely lets go of the parent's reactor. */
VETCH_EXPORT vetch_reactor *vetch_reactor_ref(vetch_reactor *r);
VETCH_EXPORT vetch_reactor *vetch_reactor_unref(vetch_reactor *r);

/* The loop below, borrowed: for libraries that have libevent adapters. One of
 * vetch_reactor_new() is to be run by vetch_reactor_run() and vetch_run() only;
 * a program that wants to run a loop itself makes it, and has it adopted. */
VETCH_EXPORT struct event_base *vetch_reactor_event_base(vetch_reactor *r);

/* Run until vetch_reactor_stop().
 * Errors: -1 and errno: EDEADLK inside a callback; EPERM on a wrong thread;
 *         or the loop's. Thread: reactor. */
VETCH_EXPORT int vetch_reactor_run(vetch_reactor *r);

/* The same, but it also returns when nothing is left that keeps it going: no
 * operation is pending (the wait for a signal does not count), no timer runs,
 * no descriptor is watched, there is no connection, no listener and no child
 * process, but for those that were set to be background. */
VETCH_EXPORT int vetch_reactor_run_until_idle(vetch_reactor *r);

/* Run one turn: wait until there is something to do, for at most `seconds` (0:
 * do not wait; INFINITY: as long as it takes), and do what there is to do. For
 * programs that have a loop of their own. A stop makes it return, too.
 * Returns 1, something was done; 0, there was nothing to do; -1 and errno, as
 * vetch_reactor_run(); EINVAL, negative or NaN. */
VETCH_EXPORT int vetch_reactor_run_once(vetch_reactor *r, double seconds);

/* Make the current (or else the next) vetch_reactor_run() return, and its
 * relatives above; vetch_run() is not concerned. Thread: any, while the reactor
 * lives. */
VETCH_EXPORT void vetch_reactor_stop(vetch_reactor *r);

/* Run `fn` on the reactor's thread, in the order posted.
 *
 * Ownership: borrows `ctx` until `fn` has run, or the reactor has ended first.
 *            `_owned` hands it to `free_ctx` exactly once, after `fn` or
 * instead of it; on failure it stays the caller's. Errors:    -1 and errno:
 * EAGAIN, the queue is full (65,536); ENOMEM; ECANCELED, the reactor is ending.
 * Thread:    any, while the reactor lives. */
VETCH_EXPORT int vetch_reactor_post(vetch_reactor *r, vetch_call_fn fn,
                                    void *ctx);
VETCH_EXPORT int vetch_reactor_post_owned(vetch_reactor *r, vetch_call_fn fn,
                                          void *ctx, vetch_free_fn free_ctx);

/* Run `fn` from the ready queue of this thread's reactor: after the caller has
 * returned to the loop, in the order of the calls.
 *
 * Ownership: borrows `ctx` until `fn` has run; `_owned` hands it over to
 *            `free_ctx`, as vetch_reactor_post_owned().
 * Errors:    -1 and errno: ENOMEM; ECANCELED, the reactor is ending; EPERM,
 *            the thread has no reactor.
 * Thread:    reactor. */
VETCH_EXPORT int vetch_call_soon(vetch_call_fn fn, void *ctx);
VETCH_EXPORT int vetch_call_soon_owned(vetch_call_fn fn, void *ctx,
                                       vetch_free_fn free_ctx);

/* Seconds on the reactor's monotonic clock, read once per turn of the loop;
 * its zero has no meaning. Thread: reactor. */
VETCH_EXPORT double vetch_now(void);

/* The function that hears of rejections that nobody observed; NULL restores the
 * default, one log line with the chain of causes. Ownership: borrows `ctx`. */
VETCH_EXPORT void vetch_reactor_set_rejection_hook(vetch_reactor *r,
                                                   vetch_rejection_fn fn,
                                                   void *ctx);

/* Debugging aids on or off (off by default, on with VETCH_DEBUG=1 in the
 * environment): slow callbacks are named, and promises that another reactor's
 * thread uses. Thread: reactor. */
VETCH_EXPORT void vetch_reactor_set_debug(vetch_reactor *r, bool on);

/* How long a callback may hold the loop before it is named in a warning, when
 * debugging is on. Default 0.1; INFINITY: for ever. Negative or NaN is misuse.
 */
VETCH_EXPORT void vetch_reactor_set_slow_limit(vetch_reactor *r,
                                               double seconds);

/* How long turns of the loop took, from the first callback to the last: so much
 * later than it came what came meanwhile was dealt with. */
typedef struct vetch_reactor_lag {
    size_t size; /* set by VETCH_REACTOR_LAG_INIT */
    uint64_t n_turns;
    double p50_seconds; /* half of the turns took no longer */
    double p99_seconds;
    double max_seconds;
} vetch_reactor_lag;
#define VETCH_REACTOR_LAG_INIT                                                 \
    {                                                                          \
        .size = sizeof(vetch_reactor_lag), .n_turns = 0, .p50_seconds = 0,     \
        .p99_seconds = 0, .max_seconds = 0,                                    \
    }

/* Tell of the turns since the last call. The first call begins to measure, and
 * tells nothing. Errors: -1 and errno: ENOMEM; EPERM, a wrong thread. Thread:
 * reactor. */
VETCH_EXPORT int vetch_reactor_get_lag(vetch_reactor *r,
                                       vetch_reactor_lag *ret);

/* How many objects of the library (promises, timers, connections, …) live on
 * the reactor: for tests and for finding leaks. */
VETCH_EXPORT size_t vetch_reactor_live_objects(const vetch_reactor *r);

VETCH_END_DECLS

#endif
