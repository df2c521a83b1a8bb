/* A bounded queue between producers and consumers; see vetch_queue(3).
 * Thread: reactor. */
#ifndef VETCH_QUEUE_H
#define VETCH_QUEUE_H

#include <vetch/promise.h>

VETCH_BEGIN_DECLS

/* A queue that holds at most `capacity` items. Errors: NULL and errno: EINVAL
 * for 0; ENOMEM. */
VETCH_EXPORT VETCH_NODISCARD vetch_queue *vetch_queue_new(size_t capacity);

/* Put an item in. Fulfils, without a value, when there was room: back-pressure
 * for the producer. Those who wait are served in order.
 *
 * Ownership: takes over `item` (not NULL), to be given to `free_item` (NULL:
 *            nothing to free) if nobody gets it: the put is cancelled or
 *            refused, or the queue is released with the item in it.
 * Errors:    VETCH_ECLOSED after close; EINVAL for NULL; VETCH_ENOMEM. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_queue_put(vetch_queue *q, void *item, vetch_free_fn free_item);

/* Take the oldest item out: the value of the promise, freed with it. Waits
 * while the queue is empty; NULL once it is closed and empty. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_queue_get(vetch_queue *q);

/* No more puts: those that wait are refused with VETCH_ECLOSED, what is in the
 * queue can still be taken out, and those that wait for an item get NULL.
 * Idempotent. */
VETCH_EXPORT void vetch_queue_close(vetch_queue *q);

/* How many items are in the queue. */
VETCH_EXPORT size_t vetch_queue_count(const vetch_queue *q);

VETCH_EXPORT vetch_queue *vetch_queue_ref(vetch_queue *q);
/* Releasing the last reference closes the queue and frees its items. */
VETCH_EXPORT vetch_queue *vetch_queue_unref(vetch_queue *q);

VETCH_END_DECLS

#endif
