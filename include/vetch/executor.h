/* Work on threads, for calls that block; see vetch_executor(3). */
#ifndef VETCH_EXECUTOR_H
#define VETCH_EXECUTOR_H

#include <vetch/promise.h>

/* Runs on a thread of the executor. Returns the value of the promise, or sets
 * `*ret_error` (handed over) to reject it. It must not call into the reactor,
 * except vetch_reactor_post(). */
typedef void *(*vetch_job_fn)(void *arg, vetch_error **ret_error);

typedef struct vetch_executor_options {
    size_t size;        /* set by VETCH_EXECUTOR_OPTIONS_INIT */
    unsigned n_threads; /* at most; started as needed. Default 4 */
    size_t queue_limit; /* jobs waiting for a thread, or VETCH_NO_LIMIT.
                           Default 65,536 */
} vetch_executor_options;
#define VETCH_EXECUTOR_OPTIONS_INIT                                            \
    {                                                                          \
        .size = sizeof(vetch_executor_options), .n_threads = 4,                \
        .queue_limit = 65536                                                   \
    }

VETCH_BEGIN_DECLS

/* Make an executor for this thread's reactor; NULL options mean the defaults.
 * Errors: NULL and errno: ENOMEM, EINVAL, EPERM (no reactor).
 * Thread: reactor. */
VETCH_EXPORT VETCH_NODISCARD vetch_executor *
vetch_executor_new(const vetch_executor_options *options);

/* Run fn(arg) on a thread; NULL is the reactor's own executor, made on first
 * use. The promise settles on the reactor's thread, and never before a job that
 * has begun has ended, so `arg` is borrowed until then. Cancelling takes a job
 * that has not begun out of the queue; one that runs ends first, and its result
 * is freed, but an error stays. (To give up on a stuck job: vetch_shield(),
 * with the form that owns `arg`.)
 *
 * Ownership: `free_result` frees the value (NULL: nothing to free).
 * Errors:    rejects with EAGAIN if the queue is full; VETCH_ECLOSED after
 *            close; EAGAIN if not even one thread can be started; VETCH_ENOMEM.
 * Thread:    reactor. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_executor_submit(vetch_executor *e, vetch_job_fn fn, void *arg,
                      vetch_free_fn free_result);
/* The same with an `arg` that the job owns: free_arg(arg) is called once, on
 * the reactor's thread, when the job has ended or when it could not begin. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_executor_submit_owned(vetch_executor *e, vetch_job_fn fn, void *arg,
                            vetch_free_fn free_arg, vetch_free_fn free_result);

/* Take no more jobs, let those submitted end, and end the threads. The promise
 * fulfils then; after `seconds` (INFINITY: no limit) what has not begun is
 * cancelled, and it rejects with VETCH_ETIMEDOUT, naming the jobs that still
 * run. Each call has a promise and a deadline of its own; cancelling it ends
 * that waiting alone, and the executor stays closed.
 *
 * Errors:    rejects with EINVAL if `seconds` is negative or NaN.
 * Thread:    reactor. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_executor_close(vetch_executor *e, double seconds);

VETCH_EXPORT vetch_executor *vetch_executor_ref(vetch_executor *e);
/* Dropping the last reference lets submitted jobs end, then its threads. */
VETCH_EXPORT vetch_executor *vetch_executor_unref(vetch_executor *e);

VETCH_END_DECLS

#endif
