/* Waiting until something has happened; see vetch_event(3). Thread: reactor. */
#ifndef VETCH_EVENT_H
#define VETCH_EVENT_H

#include <vetch/promise.h>

VETCH_BEGIN_DECLS

/* An event is set or not; it starts out unset. Errors: NULL and ENOMEM. */
VETCH_EXPORT VETCH_NODISCARD vetch_event *vetch_event_new(void);

/* Set it: all waiters go on, in the order in which they came. */
VETCH_EXPORT void vetch_event_set(vetch_event *e);
/* Unset it: a wait from now on is for the next set. */
VETCH_EXPORT void vetch_event_clear(vetch_event *e);
VETCH_EXPORT bool vetch_event_is_set(const vetch_event *e);

/* Fulfils, without a value, at once if the event is set, else when it is. The
 * event may be released before: then nobody can set it any more, and the
 * promise rejects with VETCH_EABANDONED. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_event_wait(vetch_event *e);

VETCH_EXPORT vetch_event *vetch_event_ref(vetch_event *e);
VETCH_EXPORT vetch_event *vetch_event_unref(vetch_event *e);

VETCH_END_DECLS

#endif
