/* Bounding concurrency; see vetch_semaphore(3). Thread: reactor. */
#ifndef VETCH_SEMAPHORE_H
#define VETCH_SEMAPHORE_H

#include <vetch/promise.h>

VETCH_BEGIN_DECLS

/* `slots` of them may be held at once. Errors: NULL and errno: ENOMEM; EINVAL
 * for 0. A lock is a semaphore of 1. */
VETCH_EXPORT VETCH_NODISCARD vetch_semaphore *vetch_semaphore_new(size_t slots);

/* The promise of a vetch_slot, which goes back when the value is freed. Waiters
 * are served in order; a cancelled waiter leaves the queue. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_semaphore_acquire(vetch_semaphore *s);
/* Give a slot back, where it was handed over, and the turn to the next waiter.
 * NULL does nothing. vetch_unref() does the same. */
VETCH_EXPORT void vetch_slot_release(vetch_slot *slot);

/* How many slots are free, how many wait for one. */
VETCH_EXPORT size_t vetch_semaphore_available(const vetch_semaphore *s);
VETCH_EXPORT size_t vetch_semaphore_waiting(const vetch_semaphore *s);

/* Slots and waiters keep the semaphore alive. */
VETCH_EXPORT vetch_semaphore *vetch_semaphore_ref(vetch_semaphore *s);
VETCH_EXPORT vetch_semaphore *vetch_semaphore_unref(vetch_semaphore *s);

VETCH_END_DECLS

#endif
