/* Lists of waiters. */
#include "promise/waiters-private.h"

#include "base/error-private.h"
#include "base/mem-private.h"

static void
waiter_cancel(vetch_deferred *d, void *ctx)
{
    struct vetch__waiter *w = ctx;

    (void)d;
    vetch__list_remove(&w->link);
    if (w->canceled != NULL)
        w->canceled(w);
    vetch__waiter_refuse(w, vetch_error_ref(&vetch__error_canceled));
}

vetch_promise *
vetch__waiter_add(struct vetch__list *waiters, struct vetch__waiter *w)
{
    w->deferred = vetch_deferred_new(waiter_cancel, w);
    if (w->deferred == NULL)
        return NULL;
    vetch__list_append(waiters, &w->link);
    return vetch_deferred_promise(w->deferred);
}

struct vetch__waiter *
vetch__waiter_pop(struct vetch__list *waiters)
{
    struct vetch__waiter *w;

    if (vetch__list_empty(waiters))
        return NULL;
    w = vetch__container(waiters->next, struct vetch__waiter, link);
    vetch__list_remove(&w->link);
    return w;
}

void
vetch__waiter_serve(struct vetch__waiter *w, void *value,
                    vetch_free_fn free_value)
{
    vetch_deferred *d = w->deferred;

    vetch__free(w);
    vetch_deferred_resolve(d, value, free_value);
    vetch_deferred_unref(d);
}

void
vetch__waiter_offer(struct vetch__waiter *w, const struct vetch__offer *offer)
{
    vetch_deferred *d = w->deferred;

    vetch__free(w);
    vetch__deferred_offer(d, offer);
    vetch_deferred_unref(d);
}

void
vetch__waiter_refuse(struct vetch__waiter *w, vetch_error *error)
{
    vetch_deferred *d = w->deferred;

    vetch__free(w);
    vetch_deferred_reject(d, error);
    vetch_deferred_unref(d);
}
