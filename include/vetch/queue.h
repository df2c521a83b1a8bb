/* A bounded queue between producers and consumers; see vetch_queue(3).
 * Thread: reactor. */
#ifndef VETCH_QUEUE_H
#define VETCH_QUEUE_H

#include <vetch/promise.h>

VETCH_BEGIN_DECLS

/* A queue that holds at most `capacity` items; VETCH_NO_LIMIT: any number.
 * Errors: NULL and errno: EINVAL for 0; ENOMEM. */
VETCH_EXPORT VETCH_NODISCARD vetch_queue *vetch_queue_new(size_t capacity);

/* Put an item in. Fulfils, without a value, when there was room: back-pressure
 * for the producer. Waiters are served in order.
 *
 * Ownership: takes over `item` (not NULL), to be given to `free_item` (NULL:
 *            nothing to free) if nobody gets it: the put is cancelled or
 *            refused, or the queue is released with the item in it.
 * Errors:    VETCH_ECLOSED after close; EINVAL for NULL; VETCH_ENOMEM. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_queue_put(vetch_queue *q, void *item, vetch_free_fn free_item);

/* Put an item in if there is room for it now.
 *
 * Ownership: takes `item` on success; on failure it stays the caller's.
 * Errors:    -1 and errno: EAGAIN, the queue is full; EPIPE, it is closed;
 *            EINVAL for NULL; ENOMEM. */
VETCH_EXPORT VETCH_NODISCARD int vetch_queue_try_put(vetch_queue *q, void *item,
                                                     vetch_free_fn free_item);

/* Take the oldest item out: the value of the promise, freed with it. Waits
 * while the queue is empty; NULL once it is closed and empty.
 *
 * The item is offered: if nobody gets it (the get is cancelled or loses a race,
 * its promise is released), it goes back to its old place, even into a queue
 * that is full or closed. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_queue_get(vetch_queue *q);

/* No more puts: those that wait are refused with VETCH_ECLOSED, what is in the
 * queue can still be taken out, and those that wait for an item get NULL once
 * no item can come back any more. Idempotent. */
VETCH_EXPORT void vetch_queue_close(vetch_queue *q);

/* How many items are in the queue. Those on their way to a waiter are
 * not. */
VETCH_EXPORT size_t vetch_queue_count(const vetch_queue *q);

/* An item that was got has been dealt with: to be called once for each, if
 * vetch_queue_drained() is used. More often is misuse. */
VETCH_EXPORT void vetch_queue_done(vetch_queue *q);

/* Fulfils, without a value, when all that was put has been worked off: the
 * queue is empty, nothing is on its way, and each item that was got has been
 * reported by vetch_queue_done(). At once if that is so now. Rejects with
 * VETCH_ECLOSED if the queue is released before. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_queue_drained(vetch_queue *q);

VETCH_EXPORT vetch_queue *vetch_queue_ref(vetch_queue *q);
/* Releasing the last reference closes the queue and frees its items. */
VETCH_EXPORT vetch_queue *vetch_queue_unref(vetch_queue *q);

VETCH_END_DECLS

#endif
