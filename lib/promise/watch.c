/* How the library itself waits for a promise, and the ends of a chain that
 * stand on that: vetch_callback() and vetch_run(). */
#include "promise/promise-private.h"

#include <errno.h>

#include <vetch/error.h>
#include <vetch/log.h>

#include "base/check-private.h"
#include "base/error-private.h"

static void
watch_start(vetch_reactor *r, vetch_promise *w, vetch_promise *p,
            vetch__watch_fn fn, void *ctx)
{
    w->object.refs = 0; /* nobody's promise: it lives until it is called */
    w->u.watch.fn = fn;
    w->u.watch.ctx = ctx;
    vetch__promise_attach(r, w, p);
}

static void
watch_start_at(vetch_reactor *r, vetch_promise *w, vetch_promise *p,
               vetch__watch_at_fn fn, void *ctx, size_t index)
{
    w->object.refs = 0;
    w->second.flags |= VETCH__INDEXED;
    w->u.watch.fn_at = fn;
    w->u.watch.ctx = ctx;
    w->u.watch.index = index;
    vetch__promise_attach(r, w, p);
}

static vetch_promise *
watch_new(vetch_reactor *r, enum vetch__kind kind, vetch_promise *p,
          vetch__watch_fn fn, void *ctx)
{
    vetch_promise *w = vetch__promise_new_reserved(r, kind);

    if (w != NULL)
        watch_start(r, w, p, fn, ctx);
    return w;
}

static vetch_promise *
watch_new_at(vetch_reactor *r, enum vetch__kind kind, vetch_promise *p,
             vetch__watch_at_fn fn, void *ctx, size_t index)
{
    vetch_promise *w = vetch__promise_new_reserved(r, kind);

    if (w != NULL)
        watch_start_at(r, w, p, fn, ctx, index);
    return w;
}

vetch_promise *
vetch__watch(vetch_reactor *r, vetch_promise *p, vetch__watch_fn fn, void *ctx)
{
    return watch_new(r, VETCH__K_WATCH, p, fn, ctx);
}

vetch_promise *
vetch__watch_at(vetch_reactor *r, vetch_promise *p, vetch__watch_at_fn fn,
                void *ctx, size_t index)
{
    return watch_new_at(r, VETCH__K_WATCH, p, fn, ctx, index);
}

vetch_promise *
vetch__join(vetch_reactor *r, vetch_promise *p, vetch__watch_fn fn, void *ctx)
{
    return watch_new(r, VETCH__K_INPUT, p, fn, ctx);
}

vetch_promise *
vetch__join_at(vetch_reactor *r, vetch_promise *p, vetch__watch_at_fn fn,
               void *ctx, size_t index)
{
    return watch_new_at(r, VETCH__K_INPUT, p, fn, ctx, index);
}

void
vetch__watch_in(vetch_reactor *r, struct vetch__watch_room *room,
                vetch_promise *p, vetch__watch_fn fn, void *ctx)
{
    vetch_promise *w = vetch__room_watch(room);

    vetch__promise_init(w, VETCH__K_WATCH, VETCH__EMBEDDED);
    watch_start(r, w, p, fn, ctx);
}

void
vetch__join_in(vetch_reactor *r, vetch_promise *input, vetch_promise *p,
               vetch__watch_fn fn, void *ctx)
{
    vetch__promise_init(input, VETCH__K_INPUT, VETCH__EMBEDDED);
    watch_start(r, input, p, fn, ctx);
}

void
vetch__watch_forget(vetch_promise *watch)
{
    if (watch->object.flags & VETCH__WAITING) {
        vetch__promise_detach(watch);
        vetch__promise_free_node(watch);
    } else {
        watch->u.watch.ctx = NULL;
    }
}

/* The value of a fulfilled promise, taken out of it; false: others hold what
 * must be freed once. */
static bool
take_value(vetch_promise *p, vetch_promise *from, void **ret_value)
{
    bool ours = vetch__promise_is_ours(p) &&
                (from == p || vetch__promise_is_ours(from));

    if (vetch__unlikely(vetch__promise_is_offered(from)) &&
        (ours || from->u.value.free_offered == NULL))
        vetch__promise_deliver(from);
    if (from->u.value.free != NULL) {
        if (!ours)
            return false;
        from->u.value.free = NULL;
    }
    *ret_value = from->u.value.data;
    return true;
}

bool
vetch__promise_take_any(vetch_promise *p, void **ret_value,
                        vetch_error **ret_error)
{
    vetch_promise *from = vetch__outcome(p);
    bool taken = true;

    *ret_value = NULL;
    *ret_error = NULL;
    if (!vetch__promise_is_immortal(p))
        p->object.flags |= VETCH__OBSERVED;
    if (p->object.state == VETCH_REJECTED)
        *ret_error = vetch_error_ref(from->u.error);
    else
        taken = take_value(p, from, ret_value);
    vetch__promise_drop(p);
    return taken;
}

/* ---- the ends of a chain ---- */

void
vetch__callback_run(vetch_reactor *r, vetch_promise *p, vetch_promise *source)
{
    vetch_done_fn done = p->u.callback.done;
    void *ctx = p->u.callback.ctx;
    vetch_error *error;
    void *value;

    vetch__promise_free_node(p);
    if (r->finishing) {
        vetch__promise_drop(source);
        return;
    }
    if (!vetch__promise_take(source, &value, &error))
        error = vetch_error_ref(&vetch__error_shared);
    done(error, value, ctx);
    vetch_error_unref(error);
}

void
vetch_callback(vetch_promise *p, vetch_done_fn done, void *ctx)
{
    vetch_reactor *r = vetch__reactor;
    vetch_promise *w;

    p = VETCH__GIVEN(p);
    VETCH_CHECK_RELEASING(done != NULL, vetch__promise_stray(p), EINVAL, );
    if (!vetch__promise_check_thread(p))
        return;
    if (r == NULL) {
        vetch__promise_drop(p);
        return;
    }
    w = vetch__promise_new_reserved(r, VETCH__K_CALLBACK);
    if (w == NULL) {
        vetch_log(VETCH_LOG_ERROR, "out of memory: a callback is leaked");
        vetch__promise_cancel_node(r, p);
        vetch__promise_drop(p);
        return;
    }
    if (w->second.flags & VETCH__RESERVED)
        p = vetch__promise_stop(r, p);
    w->object.refs = 0; /* as a watch */
    w->u.callback.done = done;
    w->u.callback.ctx = ctx;
    vetch__promise_attach(r, w, p);
}

struct run {
    struct vetch__watch_room watch;
    vetch_promise *outcome;
    bool done;
};

static void
run_done(void *ctx, vetch_promise *source)
{
    struct run *run = ctx;

    run->outcome = source;
    run->done = true;
}

/* The loop could not run: take the watch, which is on the stack, back. */
static void
abandon_run(vetch_reactor *r, struct run *run)
{
    vetch_promise *watch = vetch__room_watch(&run->watch);

    vetch__reactor_enter(r);
    if (watch->object.flags & VETCH__WAITING)
        vetch__promise_detach(watch);
    while (watch->object.flags & VETCH__QUEUED)
        vetch__ready_drain(r, 1);
    vetch__reactor_leave(r);
    if (run->done)
        vetch_promise_unref(run->outcome);
}

static void *
run_refused(vetch_promise *p, vetch_error **ret_error)
{
    vetch__promise_drop(p);
    vetch__error_hand_over(
        vetch_error_new(VETCH_EMISUSE,
                        "vetch_run() needs a reactor that is not running"),
        ret_error);
    return NULL;
}

void *
vetch_run(vetch_promise *p, vetch_error **ret_error)
{
    vetch_reactor *r = vetch__reactor;
    struct run run = { .done = false };
    vetch_error *error = NULL;
    void *value = NULL;

    p = VETCH__GIVEN(p);
    if (r == NULL || r->depth > 0 || r->running_loop)
        return run_refused(p, ret_error);
    vetch__watch_in(r, &run.watch, p, run_done, &run);
    if (vetch__reactor_run_until(r, &run.done) < 0) {
        error = vetch_error_from_errno(errno, "run");
        abandon_run(r, &run);
    } else if (!vetch__promise_take(run.outcome, &value, &error)) {
        error = vetch_error_ref(&vetch__error_shared);
    }
    vetch__error_hand_over(error, ret_error);
    return value;
}
