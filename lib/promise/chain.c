/* Chains: attaching links, and what becomes of a chain that cannot get one. */
#include "promise/promise-private.h"

#include <errno.h>

#include <vetch/error.h>
#include <vetch/log.h>

#include "base/check-private.h"
#include "base/error-private.h"

/* Rule 13: no memory for a link. What runs is stopped, and `p` itself stands
 * for the link: it ends as VETCH_ENOMEM. */
vetch_promise *
vetch__promise_stop(vetch_reactor *r, vetch_promise *p)
{
    if (p->object.refs > 1) { /* others want it */
        vetch__promise_drop(p);
        return &vetch__no_memory;
    }
    if (!vetch__settled(p)) {
        p->object.flags |= VETCH__NO_MEMORY;
        vetch__promise_cancel_node(r, p);
        return p;
    }
    vetch__promise_drop(p);
    return &vetch__no_memory;
}

/* The step from one stopped promise to the next. */
static vetch_promise *
next_value(void *value, void *next)
{
    (void)value;
    return next;
}

static vetch_promise *
next_error(const vetch_error *error, void *next)
{
    (void)error;
    return next;
}

vetch_promise *
vetch__promises_stop(vetch_promise *const *promises, size_t n, int errnum)
{
    vetch_reactor *r = vetch__reactor;
    vetch_promise *all = NULL;

    for (size_t i = n; i-- > 0;) {
        vetch_promise *p = promises[i] != NULL ? promises[i] : &vetch__misused;
        vetch_promise *link;

        vetch_promise_cancel(p);
        link = errnum == ENOMEM && r != NULL
                   ? vetch__promise_new_reserved(r, VETCH__K_LINK)
                   : NULL;
        if (link == NULL) {
            vetch__promise_drop(p);
            continue;
        }
        link->u.link.on_value = all == NULL ? NULL : next_value;
        link->u.link.on_error = all == NULL ? NULL : next_error;
        link->u.link.ctx = all;
        link->second.flags |= VETCH__INTERNAL; /* owns its ctx */
        vetch__promise_attach(r, link, p);
        all = link;
    }
    if (all == NULL)
        return vetch__failed(errnum, "promise");
    all->object.flags |= VETCH__NO_MEMORY;
    return all;
}

void
vetch__promise_stray(vetch_promise *p)
{
    vetch_promise_cancel(p);
    vetch_promise_unref(p);
}

vetch_promise *
vetch__promise_follower(vetch_reactor *r, vetch_promise *p)
{
    vetch_promise *follower = vetch__promise_new_reserved(r, VETCH__K_FOLLOW);

    if (follower == NULL)
        return p;
    follower->u.follow.held = NULL;
    vetch__promise_attach(r, follower, p);
    return follower;
}

static inline vetch_promise *
attach(vetch_reactor *r, vetch_promise *link, vetch_promise *p,
       vetch_value_fn on_value, vetch_error_fn on_error, void *ctx,
       unsigned flags)
{
    vetch__promise_init(link, VETCH__K_LINK, flags);
    link->u.link.on_value = on_value;
    link->u.link.on_error = on_error;
    link->u.link.ctx = ctx;
    vetch__promise_attach(r, link, p);
    return link;
}

static const char *
link_name(vetch_error_fn on_error, unsigned flags)
{
    if (flags & VETCH__CATCH)
        return "vetch_catch";
    return on_error != NULL ? "vetch_handle" : "vetch_then";
}

/* What else can be: apart, so that the usual way makes no call before it has
 * used its arguments, and saves no register. */
static vetch_promise *__attribute__((noinline))
attach_watchfully(vetch_promise *p, vetch_value_fn on_value,
                  vetch_error_fn on_error, void *ctx, unsigned flags)
{
    vetch_reactor *r = vetch__reactor;
    vetch_promise *link;

    if (p == NULL)
        p = vetch__promise_missing(link_name(on_error, flags));
    if (!vetch__promise_check_thread(p))
        return &vetch__misused;
    if (r == NULL) {
        vetch__promise_drop(p);
        return &vetch__closed;
    }
    link = vetch__pool_alloc(r->pool, VETCH__PROMISE);
    if (link == NULL)
        return vetch__promise_stop(r, p);
    return attach(r, link, p, on_value, on_error, ctx, flags);
}

static vetch_promise *
attach_link(vetch_promise *p, vetch_value_fn on_value, vetch_error_fn on_error,
            void *ctx, unsigned flags)
{
    vetch_reactor *r = vetch__reactor;

    if (vetch__unlikely(p == NULL || !vetch__thread_is_trusted() ||
                        !vetch__pool_is_warm(r->pool)))
        return attach_watchfully(p, on_value, on_error, ctx, flags);
    return attach(r, vetch__pool_pop(r->pool, VETCH__PROMISE), p, on_value,
                  on_error, ctx, flags);
}

vetch_promise *
vetch_then(vetch_promise *p, vetch_value_fn on_value, void *ctx)
{
    return attach_link(p, on_value, NULL, ctx, 0);
}

vetch_promise *
vetch_catch(vetch_promise *p, vetch_error_fn on_error, void *ctx)
{
    return attach_link(p, NULL, on_error, ctx, VETCH__CATCH);
}

vetch_promise *
vetch_handle(vetch_promise *p, vetch_value_fn on_value, vetch_error_fn on_error,
             void *ctx)
{
    return attach_link(p, on_value, on_error, ctx, 0);
}

vetch_promise *
vetch_finally(vetch_promise *p, vetch_call_fn fn, void *ctx)
{
    vetch_reactor *r = vetch__reactor;
    vetch_promise *link;

    p = VETCH__GIVEN(p);
    if (vetch__unlikely(!vetch__promise_check_thread(p)))
        return &vetch__misused;
    if (vetch__unlikely(r == NULL)) { /* its reactor has ended: all stands */
        vetch__promise_drop(p);
        if (fn != NULL)
            fn(ctx);
        return &vetch__closed;
    }
    link = vetch__promise_new_reserved(r, VETCH__K_FINALLY);
    if (vetch__unlikely(link == NULL)) {
        vetch_log(VETCH_LOG_ERROR, "out of memory: a finally is leaked");
        return vetch__promise_stop(r, p);
    }
    link->u.finally.fn = fn;
    link->u.finally.ctx = ctx;
    vetch__promise_attach(r, link, p);
    return link;
}
