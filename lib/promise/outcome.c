/* The outcomes of promises: looking at them, and promises that are made with
 * one. */
#include "promise/promise-private.h"

#include <errno.h>

#include <vetch/error.h>

/* ---- looking ---- */

vetch_state
vetch_promise_state(const vetch_promise *p)
{
    return (vetch_state)VETCH__GIVEN(p)->object.state;
}

void *
vetch_promise_value(vetch_promise *p)
{
    p = VETCH__GIVEN(p);
    if (p->object.state != VETCH_FULFILLED) {
        errno = EINVAL;
        return NULL;
    }
    vetch__promise_get_offer(p);
    return vetch__outcome(p)->u.value.data;
}

const vetch_error *
vetch_promise_error(vetch_promise *p)
{
    p = VETCH__GIVEN(p);
    if (p->object.state != VETCH_REJECTED) {
        errno = EINVAL;
        return NULL;
    }
    if (!vetch__promise_is_immortal(p))
        p->object.flags |= VETCH__OBSERVED;
    return vetch__outcome(p)->u.error;
}

/* ---- ready-made ---- */

vetch_promise *
vetch_resolved(void *value, vetch_free_fn free_value)
{
    vetch_reactor *r = vetch__reactor;
    vetch_promise *p;

    if (value == NULL && free_value == NULL)
        return &vetch__nothing;
    p = r == NULL ? NULL : vetch__promise_new(r, VETCH__K_PRODUCED);
    if (p == NULL) {
        if (free_value != NULL)
            free_value(value);
        return r == NULL ? &vetch__closed : &vetch__no_memory;
    }
    p->object.state = VETCH_FULFILLED;
    p->u.value.data = value;
    p->u.value.free = free_value;
    return p;
}

vetch_promise *
vetch_rejected(vetch_error *error)
{
    vetch_reactor *r = vetch__reactor;
    vetch_promise *p;

    if (error == NULL)
        return &vetch__no_memory;
    p = r == NULL ? NULL : vetch__promise_new(r, VETCH__K_PRODUCED);
    if (p == NULL) {
        vetch_error_unref(error);
        return r == NULL ? &vetch__closed : &vetch__no_memory;
    }
    p->object.state = VETCH_REJECTED;
    p->u.error = error;
    return p;
}

vetch_promise *
vetch_finish(vetch_error *error)
{
    return error == NULL ? NULL : vetch_rejected(error);
}

vetch_promise *
vetch_same(void)
{
    vetch_reactor *r = vetch__reactor;

    if (r == NULL || r->handler == NULL)
        return &vetch__misused;
    return vetch__promise_hold(r->handler);
}
