/* Scopes: groups of operations that end together; see vetch_scope(3).
 * Thread: reactor. */
#ifndef VETCH_SCOPE_H
#define VETCH_SCOPE_H

#include <vetch/promise.h>
#include <vetch/task.h>

/* Hears of the failure of one child; `error` is borrowed. */
typedef void (*vetch_scope_error_fn)(const vetch_error *error, void *ctx);

VETCH_BEGIN_DECLS

/* A scope owns a growing group of operations, its children. The first of them
 * that fails cancels the others. Errors: NULL and errno: ENOMEM; EPERM, no
 * reactor; ECANCELED, the reactor is ending. */
VETCH_EXPORT VETCH_NODISCARD vetch_scope *vetch_scope_new(void);

/* Keep errors apart: a child's failure is told to `fn` (NULL: one log line) and
 * ends only that child, as a server's connections want it. Borrows `ctx`. */
VETCH_EXPORT void vetch_scope_keep_errors_apart(vetch_scope *s,
                                                vetch_scope_error_fn fn,
                                                void *ctx);
/* The same with a `ctx` that the scope owns: free_ctx(ctx) is called once, with
 * the end of the scope's memory or when another call takes its place. */
VETCH_EXPORT void vetch_scope_keep_errors_apart_owned(vetch_scope *s,
                                                      vetch_scope_error_fn fn,
                                                      void *ctx,
                                                      vetch_free_fn free_ctx);

/* Make `p` a child: consumes and observes it. Its value is freed; a child that
 * was cancelled by itself is not a failure. In a scope that was cancelled or
 * has failed, the child is cancelled at once, and awaited as the others. After
 * the scope's promise has settled `p` is cancelled and released, and so it is
 * where `s` is NULL. A `p` that waits for the end of this scope fails with
 * VETCH_ECYCLE. */
VETCH_EXPORT void vetch_scope_add(vetch_scope *s, vetch_promise *p);
/* The same for a task. */
VETCH_EXPORT void vetch_scope_spawn(vetch_scope *s, vetch_task_fn body,
                                    void *ctx);
/* The same with a `ctx` that the task owns: free_ctx(ctx) is called once the
 * task has ended, or when it could not start. */
VETCH_EXPORT void vetch_scope_spawn_owned(vetch_scope *s, vetch_task_fn body,
                                          void *ctx, vetch_free_fn free_ctx);

/* Cancel all children, those there are and those to come. */
VETCH_EXPORT void vetch_scope_cancel(vetch_scope *s);

/* The end of the scope: from this call on it ends when it has no child left
 * (children may still add others until then), and this promise settles, never
 * before all children have. It fulfils without a value; rejects with the first
 * error, which carries the others as suppressed ones; or with VETCH_ECANCELED
 * if the scope was cancelled. Each call returns a promise of its own:
 * cancelling the only one that is pending cancels the scope, cancelling one of
 * several ends only that waiting. Scopes nest by adding the end of one to
 * another. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_scope_end(vetch_scope *s);

/* How many children have not settled. */
VETCH_EXPORT size_t vetch_scope_count(const vetch_scope *s);

VETCH_EXPORT vetch_scope *vetch_scope_ref(vetch_scope *s);
/* Releasing the last reference cancels what is left: without somebody to end
 * it, nothing may run on. Children keep the memory until they have settled. */
VETCH_EXPORT vetch_scope *vetch_scope_unref(vetch_scope *s);

VETCH_END_DECLS

#endif
