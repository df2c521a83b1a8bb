/* Events: a flag to wait for. */
#include <vetch/event.h>

#include <errno.h>

#include <vetch/error.h>

#include "base/check-private.h"
#include "promise/promise-private.h"
#include "promise/waiters-private.h"

struct vetch_event {
    struct vetch__object object;
    struct vetch__owner owner;
    bool set;
    struct vetch__list waiters;
};

vetch_event *
vetch_event_new(void)
{
    vetch_event *e = vetch__malloc(sizeof(*e));

    if (e == NULL)
        return NULL;
    e->object = (struct vetch__object){ .type = VETCH__EVENT, .refs = 1 };
    e->owner = vetch__owner_here();
    e->set = false;
    vetch__list_init(&e->waiters);
    return e;
}

vetch_event *
vetch_event_ref(vetch_event *e)
{
    if (e != NULL)
        e->object.refs++;
    return e;
}

vetch_event *
vetch_event_unref(vetch_event *e)
{
    struct vetch__waiter *w;

    if (e == NULL || --e->object.refs > 0)
        return NULL;
    while ((w = vetch__waiter_pop(&e->waiters)) != NULL)
        vetch__waiter_refuse(
            w, vetch_error_new(VETCH_EABANDONED, "the event was released"));
    vetch__free(e);
    return NULL;
}

void
vetch_event_set(vetch_event *e)
{
    struct vetch__waiter *w;

    VETCH_CHECK(e != NULL, EINVAL, );
    if (!vetch__check_thread(&e->owner, "an event"))
        return;
    e->set = true;
    while ((w = vetch__waiter_pop(&e->waiters)) != NULL)
        vetch__waiter_serve(w, NULL, NULL);
}

void
vetch_event_clear(vetch_event *e)
{
    VETCH_CHECK(e != NULL, EINVAL, );
    if (vetch__check_thread(&e->owner, "an event"))
        e->set = false;
}

bool
vetch_event_is_set(const vetch_event *e)
{
    VETCH_CHECK(e != NULL, EINVAL, false);
    return e->set;
}

vetch_promise *
vetch_event_wait(vetch_event *e)
{
    struct vetch__waiter *w;
    vetch_promise *p;

    VETCH_CHECK(e != NULL, EINVAL, &vetch__misused);
    if (!vetch__check_thread(&e->owner, "an event"))
        return &vetch__misused;
    if (e->set)
        return vetch_resolved(NULL, NULL);
    w = vetch__malloc(sizeof(*w));
    if (w == NULL)
        return &vetch__no_memory;
    w->canceled = NULL;
    p = vetch__waiter_add(&e->waiters, w);
    if (p == NULL) {
        int errnum = errno;

        vetch__free(w);
        return vetch__failed(errnum, "event");
    }
    VETCH__NAME(p, "event");
    return p;
}
