/* Watching a file descriptor; see vetch_descriptor(3). */
#ifndef VETCH_DESCRIPTOR_H
#define VETCH_DESCRIPTOR_H

#include <vetch/types.h>

enum {
    VETCH_READABLE = 1, /* also at end of file and on an error */
    VETCH_WRITABLE = 2
};

/* Runs while the descriptor is ready (level-triggered), once for each event;
 * `d` is borrowed. */
typedef void (*vetch_descriptor_fn)(vetch_descriptor *d, unsigned events,
                                    void *ctx);

VETCH_BEGIN_DECLS

/* Watch `fd` for `events` (VETCH_READABLE | VETCH_WRITABLE, or 0 for later).
 *
 * Ownership: returns a new reference; the reactor keeps one while it watches.
 *            `fd` stays the caller's; cancel the watch before closing it.
 *            Borrows `ctx`; `_owned` hands it to `free_ctx` exactly once, after
 *            the watch is cancelled and the last reference is gone.
 * Errors:    NULL and errno: ENOMEM; EINVAL; EBADF; EPERM for a plain file or
 *            without a reactor; ECANCELED, the reactor is ending.
 * Thread:    reactor. */
VETCH_EXPORT VETCH_NODISCARD vetch_descriptor *
vetch_descriptor_new(int fd, unsigned events, vetch_descriptor_fn fn,
                     void *ctx);
VETCH_EXPORT VETCH_NODISCARD vetch_descriptor *
vetch_descriptor_new_owned(int fd, unsigned events, vetch_descriptor_fn fn,
                           void *ctx, vetch_free_fn free_ctx);

/* Change what is watched. Errors: -1 and errno; then it is as before. */
VETCH_EXPORT int vetch_descriptor_set_events(vetch_descriptor *d,
                                             unsigned events);

/* Stop watching for good. Idempotent; allowed in `fn`. */
VETCH_EXPORT void vetch_descriptor_cancel(vetch_descriptor *d);

/* Whether it does not keep vetch_reactor_run_until_idle() going. */
VETCH_EXPORT void vetch_descriptor_set_background(vetch_descriptor *d, bool on);

VETCH_EXPORT vetch_descriptor *vetch_descriptor_ref(vetch_descriptor *d);
VETCH_EXPORT vetch_descriptor *vetch_descriptor_unref(vetch_descriptor *d);

VETCH_END_DECLS

#endif
