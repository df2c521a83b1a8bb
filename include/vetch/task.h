/* Tasks: sequential code that awaits promises; see vetch_task(3).
 * Thread: reactor. */
#ifndef VETCH_TASK_H
#define VETCH_TASK_H

#include <vetch/promise.h>

/* The body of a task: its outcome is what a handler may return. */
typedef vetch_promise *(*vetch_task_fn)(void *ctx);

VETCH_BEGIN_DECLS

/* Start `body` from the ready queue, on a stack of its own, and return a
 * promise of its outcome. Cancelling that promise makes the task's current (or
 * next) await fail with VETCH_ECANCELED; the task may clean up, or carry on. A
 * task that has not begun is rejected without being called.
 *
 * Ownership: borrows `ctx` until settled.
 * Errors:    rejects with VETCH_ENOMEM; VETCH_ECLOSED, the reactor is ending;
 *            EAGAIN, no more stacks can be had. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_spawn(vetch_task_fn body,
                                                        void *ctx);

/* Suspend this task, never the loop, until `p` settles; consumes `p`. Returns
 * its value, handed over, and sets `*ret_error` to NULL; or returns NULL and
 * hands over the error there (with NULL it is reported as one that nobody
 * observed). May be called from any depth of functions. `p` may be NULL, as
 * what a handler returns: done, no value. Outside a task, and for a value that
 * others hold too, the error is VETCH_EMISUSE. */
VETCH_EXPORT void *vetch_await(vetch_promise *p, vetch_error **ret_error);

/* Await `p` and return its value; or, if it rejects, end the task here: its
 * frames do not return, what vetch_defer() registered runs, and the task's
 * promise rejects with the error. In a deferred function it ends that function;
 * the others run, and the error becomes the task's, or is suppressed by the one
 * that the task has already. Consumes `p`, as vetch_await().
 * Errors: outside a task NULL and errno EPERM. */
VETCH_EXPORT void *vetch_try(vetch_promise *p);

/* Call `fn(arg)` when this task is over: when its body has returned and what it
 * returned has settled, when a try ends it, or when it loses its stack at the
 * end of the reactor; before its promise settles. What was registered last runs
 * first. `fn` runs in the task and may await. No local variable lives so long:
 * `arg` must not point to one.
 *
 * Errors: out of memory fn(arg) is called at once, and the task ends here with
 *         VETCH_ENOMEM. Outside a task nothing is registered; errno EPERM. */
VETCH_EXPORT void vetch_defer(vetch_call_fn fn, void *arg);

/* Whether this code runs in a task. */
VETCH_EXPORT bool vetch_in_task(void);

/* Name this task in reports. `name` is static; without it, a task goes by the
 * name of its function. Does nothing outside a task. */
VETCH_EXPORT void vetch_task_set_name(const char *name);

/* The size in bytes of the stacks of tasks spawned from now on, rounded up to
 * whole pages; default 64 KiB. All stacks of a reactor have one size: set it
 * before the first spawn.
 * Errors: -1 and errno: EINVAL below 16 KiB or above 1 GiB; EBUSY, after the
 *         first spawn; EPERM, no reactor. */
VETCH_EXPORT int vetch_task_set_stack_size(size_t bytes);

VETCH_END_DECLS

#endif
