/* Whether something is still expected to happen: an operation that is pending
 * keeps a run going. The wait for a signal does not, or a program that can be
 * told to stop would never end by itself. */
#include "promise/promise-private.h"

static bool
is_operation(void *node)
{
    const vetch_promise *p = node;

    return p->object.type == VETCH__PROMISE && !vetch__settled(p) &&
           p->second.state == VETCH__K_PRODUCED &&
           p->u.producer.cancel != vetch__signal_cancel;
}

bool
vetch__promises_alive(vetch_reactor *r)
{
    return vetch__pool_any(r->pool, is_operation);
}
