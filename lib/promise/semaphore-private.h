/* What vetch_unref() needs to know of a semaphore's slot. */
#ifndef VETCH_SEMAPHORE_PRIVATE_H
#define VETCH_SEMAPHORE_PRIVATE_H

/* Give the slot back and the turn to the next waiter. */
void vetch__slot_release(void *slot);

#endif
