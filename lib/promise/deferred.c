/* Deferreds: the producer's end of a promise. It is the promise's own node,
 * seen through its second header. */
#include "promise/promise-private.h"

#include <errno.h>

#include <vetch/error.h>

#include "base/check-private.h"
#include "base/error-private.h"

/* Settled, or bound to another promise's outcome. */
static bool
decided(const vetch_promise *p)
{
    return vetch__settled(p) || p->second.state > VETCH__K_JOINT;
}

/* Whether it can be settled, here. */
static bool
open_here(const vetch_promise *p)
{
    return vetch__promise_check_thread(p) && !decided(p);
}

vetch_deferred *
vetch_deferred_new(vetch_cancel_fn cancel, void *ctx)
{
    vetch_reactor *r = vetch__reactor;
    vetch_promise *p;

    if (r == NULL || r->ending) {
        errno = r == NULL ? EPERM : ECANCELED;
        return NULL;
    }
    p = vetch__promise_new(r, VETCH__K_PRODUCED);
    if (p == NULL)
        return NULL;
    p->object.refs = 0;
    p->second.flags = VETCH__HAS_DEFERRED;
    p->second.refs = 1;
    p->u.producer.cancel = cancel;
    p->u.producer.ctx = ctx;
    return (vetch_deferred *)&p->second;
}

vetch_deferred *
vetch__joint_start(struct vetch__joint *j, vetch_cancel_fn cancel,
                   vetch__next_input_fn next_input)
{
    j->deferred = vetch_deferred_new(cancel, j);
    if (j->deferred == NULL)
        return NULL;
    vetch__joint_begin(j, next_input);
    return j->deferred;
}

bool
vetch__only_input(vetch_promise *input, const void **cursor,
                  vetch_promise **ret_input)
{
    if (*cursor != NULL || input == NULL)
        return false;
    *cursor = *ret_input = input;
    return true;
}

bool
vetch__input_at(vetch_promise *const *inputs, size_t n, const void **cursor,
                vetch_promise **ret_input)
{
    vetch_promise *const *at = *cursor == NULL ? inputs : *cursor;

    if (at == inputs + n)
        return false;
    *ret_input = *at;
    *cursor = at + 1;
    return true;
}

vetch_promise *
vetch_deferred_promise(vetch_deferred *d)
{
    VETCH_CHECK(d != NULL, EINVAL, &vetch__misused);
    return vetch_promise_ref(vetch__deferred_node(d));
}

static void
release_value(void *value, vetch_free_fn free_value)
{
    if (free_value != NULL)
        free_value(value);
}

/* Apart, so that the usual way saves no register. */
static bool __attribute__((noinline))
resolve_watchfully(vetch_deferred *d, void *value, vetch_free_fn free_value)
{
    if (d == NULL) {
        vetch__misuse("vetch_deferred_resolve", "d != NULL");
    } else if (open_here(vetch__deferred_node(d))) {
        vetch__promise_fulfil(vetch__reactor, vetch__deferred_node(d), value,
                              free_value);
        return true;
    }
    release_value(value, free_value);
    return false;
}

bool
vetch_deferred_resolve(vetch_deferred *d, void *value, vetch_free_fn free_value)
{
    if (vetch__unlikely(d == NULL || !vetch__thread_is_trusted() ||
                        decided(vetch__deferred_node(d))))
        return resolve_watchfully(d, value, free_value);
    vetch__promise_fulfil(vetch__reactor, vetch__deferred_node(d), value,
                          free_value);
    return true;
}

bool
vetch_deferred_reject(vetch_deferred *d, vetch_error *error)
{
    vetch_promise *p;

    VETCH_CHECK_RELEASING(d != NULL, vetch_error_unref(error), EINVAL, false);
    p = vetch__deferred_node(d);
    if (!open_here(p)) {
        vetch_error_unref(error);
        return false;
    }
    vetch__promise_reject(vetch__reactor, p, error);
    return true;
}

bool
vetch__deferred_offer(vetch_deferred *d, const struct vetch__offer *offer)
{
    vetch_promise *p = vetch__deferred_node(d);

    if (!open_here(p)) {
        vetch__offer_refuse(offer);
        return false;
    }
    if (p->second.flags & VETCH__ASKED)
        vetch__cancel_withdraw(p); /* an offer needs its link */
    vetch__promise_offer(vetch__reactor, p, offer);
    return true;
}

bool
vetch_deferred_offer_owned(vetch_deferred *d, void *value,
                           vetch_free_fn free_value,
                           vetch_take_back_fn take_back, void *ctx,
                           vetch_free_fn free_ctx)
{
    struct vetch__offer offer = { value, free_value, take_back, ctx, free_ctx };

    VETCH_CHECK(value != NULL && take_back != NULL, EINVAL, false);
    VETCH_CHECK_RELEASING(d != NULL, vetch__offer_refuse(&offer), EINVAL,
                          false);
    return vetch__deferred_offer(d, &offer);
}

bool
vetch_deferred_offer(vetch_deferred *d, void *value, vetch_free_fn free_value,
                     vetch_take_back_fn take_back, void *ctx)
{
    return vetch_deferred_offer_owned(d, value, free_value, take_back, ctx,
                                      NULL);
}

bool
vetch_deferred_cancel(vetch_deferred *d)
{
    VETCH_CHECK(d != NULL, EINVAL, false);
    return vetch_deferred_reject(d, vetch_error_ref(&vetch__error_canceled));
}

bool
vetch_deferred_follow(vetch_deferred *d, vetch_promise *q)
{
    vetch_promise *p;

    q = VETCH__GIVEN(q);
    VETCH_CHECK_RELEASING(d != NULL, vetch__promise_stray(q), EINVAL, false);
    p = vetch__deferred_node(d);
    if (!open_here(p)) {
        vetch_promise_unref(q);
        return false;
    }
    if (p->second.flags & VETCH__ASKED)
        vetch__cancel_withdraw(p);
    vetch__promise_adopt(vetch__reactor, p, q, NULL);
    return true;
}

bool
vetch_deferred_is_canceled(const vetch_deferred *d)
{
    VETCH_CHECK(d != NULL, EINVAL, false);
    return vetch__deferred_node(d)->object.flags & VETCH__CANCELING;
}

vetch_deferred *
vetch_deferred_ref(vetch_deferred *d)
{
    if (d != NULL)
        vetch__deferred_node(d)->second.refs++;
    return d;
}

vetch_deferred *
vetch_deferred_unref(vetch_deferred *d)
{
    vetch_promise *p;

    if (d == NULL)
        return NULL;
    p = vetch__deferred_node(d);
    if (p->second.refs == 1 && !decided(p))
        vetch__promise_reject(
            vetch__reactor, p,
            vetch_error_new(VETCH_EABANDONED, "nobody is left to settle it"));
    if (--p->second.refs == 0)
        vetch__promise_unwanted(p);
    return NULL;
}

void
vetch__deferred_leak(vetch_deferred *d)
{
    vetch__deferred_node(d)->second.flags |= VETCH__LEAKED;
}

vetch_promise *
vetch__failed(int errnum, const char *what)
{
    if (errnum == ENOMEM)
        return &vetch__no_memory;
    if (errnum == ECANCELED)
        return &vetch__closed;
    return vetch_rejected(vetch_error_from_errno(errnum, "%s", what));
}
