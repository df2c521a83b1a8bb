/* Between the timers' heap (timer.c) and their objects (timer_object.c). */
#ifndef VETCH_TIMER_PRIVATE_H
#define VETCH_TIMER_PRIVATE_H

#include "reactor/reactor-private.h"

/* Make sure that the next start cannot fail. -1 and ENOMEM. */
int vetch__timer_reserve(vetch_reactor *r);
/* Start a stopped timer at a point in time; there is room (reserve). */
void vetch__timer_start_at(vetch_reactor *r, struct vetch__timer *t,
                           uint64_t deadline,
                           void (*fn)(struct vetch__timer *self));
/* The end of the reactor stopped it. */
void vetch__timer_cancelled(struct vetch__timer *t);

/* Public timers hold on to the heap and not to the reactor, which may end
 * before them: then the heap's reactor is NULL. */
struct vetch__timers *vetch__timers_ref(vetch_reactor *r);
void vetch__timers_unref(struct vetch__timers *ts);
vetch_reactor *vetch__timers_reactor(const struct vetch__timers *ts);

#endif
