/* Scopes: structured concurrency.
 *
 * A scope is open until vetch_scope_end(); from then on it ends when its last
 * child has settled. Each caller that asks for the end gets its own promise,
 * which follows the one in here. It is failing once an error or a cancel has
 * decided how it will end: from then on children are cancelled as they come.
 * The memory stays until the last reference and the last child are gone. */
#include <vetch/scope.h>

#include <errno.h>

#include <vetch/error.h>
#include <vetch/log.h>

#include "base/check-private.h"
#include "base/error-private.h"
#include "promise/promise-private.h"

struct child {
    vetch_deferred *end; /* first: the watch is an input of the scope */
    struct vetch__list link;
    vetch_scope *scope;
    vetch_promise *watch;
};

struct vetch_scope {
    struct vetch__object object;
    struct vetch__list children;
    size_t n_children;
    struct vetch__joint joint; /* the end */
    bool ending;               /* the end was asked for */
    bool ended;                /* the promise has settled */
    bool canceled;             /* from outside */
    bool no_memory;
    bool apart;
    vetch_scope_error_fn on_error;
    void *on_error_ctx;
    vetch_free_fn free_error_ctx;
    vetch_error **errors; /* the first is the one that decided */
    size_t n_errors, room;
};

static bool
scope_check_thread(const vetch_scope *s)
{
    return vetch__promise_check_thread(vetch__deferred_node(s->joint.deferred));
}

static bool
scope_is_failing(const vetch_scope *s)
{
    return s->canceled || s->no_memory || s->n_errors > 0;
}

static void
scope_cancel_children(vetch_scope *s)
{
    struct vetch__list *at = s->children.next;

    while (at != &s->children) {
        struct child *c = vetch__container(at, struct child, link);

        at = at->next;
        vetch__promise_cancel_node(vetch__reactor, c->watch);
    }
}

/* ---- how it ends ---- */

static vetch_error *
final_error(vetch_scope *s)
{
    if (s->n_errors > 1)
        return vetch_error_aggregate(s->errors[0],
                                     (const vetch_error *const *)s->errors + 1,
                                     s->n_errors - 1);
    if (s->n_errors == 1)
        return vetch_error_ref(s->errors[0]);
    if (s->no_memory)
        return vetch_error_ref(&vetch__error_no_memory);
    return vetch_error_ref(&vetch__error_canceled);
}

static void
end_if_empty(vetch_scope *s)
{
    if (!s->ending || s->ended || s->n_children > 0)
        return;
    s->ended = true;
    if (scope_is_failing(s))
        vetch_deferred_reject(s->joint.deferred, final_error(s));
    else
        vetch_deferred_resolve(s->joint.deferred, NULL, NULL);
}

static void
free_error_ctx(vetch_scope *s)
{
    if (s->free_error_ctx != NULL)
        s->free_error_ctx(s->on_error_ctx);
}

static void
scope_destroy(vetch_scope *s)
{
    free_error_ctx(s);
    for (size_t i = 0; i < s->n_errors; i++)
        vetch_error_unref(s->errors[i]);
    vetch__free(s->errors);
    vetch_deferred_unref(s->joint.deferred);
    vetch__free(s);
}

static void
destroy_if_unused(vetch_scope *s)
{
    if (s->object.refs == 0 && s->n_children == 0)
        scope_destroy(s);
}

/* Around calls into the program, which may release the scope: it stays until
 * let_go(), and is released then. */
static bool
scope_hold(vetch_scope *s)
{
    return s->object.refs++ > 0;
}

static void
let_go(vetch_scope *s, bool was_held)
{
    if (was_held) {
        vetch_scope_unref(s);
        return;
    }
    s->object.refs--;
    destroy_if_unused(s);
}

/* ---- children ---- */

static void
keep_error(vetch_scope *s, const vetch_error *error)
{
    if (s->n_errors == s->room) {
        size_t room = s->room == 0 ? 4 : 2 * s->room;
        vetch_error **errors =
            vetch__realloc(s->errors, room * sizeof(s->errors[0]));

        if (errors == NULL) {
            s->no_memory = true; /* at least the first one is kept */
            return;
        }
        s->errors = errors;
        s->room = room;
    }
    s->errors[s->n_errors++] = vetch_error_ref(error);
}

static void
child_failed(vetch_scope *s, const vetch_error *error)
{
    bool was_failing = scope_is_failing(s);

    if (vetch_error_code(error) == VETCH_ECANCELED)
        return;
    if (s->apart && s->on_error != NULL) {
        s->on_error(error, s->on_error_ctx);
    } else if (s->apart) {
        vetch_log(VETCH_LOG_WARNING, "in a scope: %s", vetch_error_text(error));
    } else {
        keep_error(s, error);
        if (!was_failing)
            scope_cancel_children(s);
    }
}

static void
scope_child_settled(void *ctx, vetch_promise *p)
{
    struct child *c = ctx;
    vetch_scope *s = c->scope;
    bool held = scope_hold(s);

    vetch__list_remove(&c->link);
    vetch__free(c);
    if (vetch_promise_state(p) == VETCH_REJECTED)
        child_failed(s, vetch_promise_error(p));
    vetch_promise_unref(p);
    s->n_children--;
    end_if_empty(s);
    let_go(s, held);
}

static int
watch_child(vetch_scope *s, vetch_promise *p)
{
    struct child *c = vetch__malloc(sizeof(*c));

    if (c == NULL)
        return -1;
    c->end = s->joint.deferred;
    c->scope = s;
    c->watch = vetch__join(vetch__reactor, p, scope_child_settled, c);
    if (c->watch == NULL) {
        vetch__free(c);
        return -1;
    }
    vetch__list_append(&s->children, &c->link);
    s->n_children++;
    if (scope_is_failing(s))
        vetch__promise_cancel_node(vetch__reactor, c->watch);
    return 0;
}

void
vetch_scope_add(vetch_scope *s, vetch_promise *p)
{
    p = VETCH__GIVEN(p);
    if (s == NULL) { /* such as that of a connection that is over */
        vetch__promise_stray(p);
        return;
    }
    if (!scope_check_thread(s))
        return; /* with p, of which not even a reference can be dropped here */
    if (s->ended) {
        vetch__promise_stray(p);
        return;
    }
    p = vetch__unless_cycle(p, &s->joint);
    if (watch_child(s, p) == 0)
        return;
    if (!scope_is_failing(s)) {
        s->no_memory = true;
        scope_cancel_children(s);
    }
    vetch__promise_stray(p);
}

void
vetch_scope_spawn(vetch_scope *s, vetch_task_fn body, void *ctx)
{
    vetch_scope_spawn_owned(s, body, ctx, NULL);
}

void
vetch_scope_spawn_owned(vetch_scope *s, vetch_task_fn body, void *ctx,
                        vetch_free_fn free_ctx)
{
    vetch_promise *task = vetch_spawn(body, ctx);

    if (free_ctx != NULL)
        task = vetch_finally(task, free_ctx, ctx);
    vetch_scope_add(s, task);
}

/* ---- the scope ---- */

static void
cancel_end(vetch_deferred *d, void *ctx)
{
    (void)d;
    vetch_scope_cancel(vetch__container(ctx, vetch_scope, joint));
}

static bool
scope_next_child(const struct vetch__joint *j, const void **cursor,
                 vetch_promise **ret_input)
{
    const vetch_scope *s = vetch__container(j, vetch_scope, joint);
    const struct vetch__list *at = *cursor;

    at = at == NULL ? s->children.next : at->next;
    if (at == &s->children)
        return false;
    *ret_input = vetch__container(at, struct child, link)->watch;
    *cursor = at;
    return true;
}

vetch_scope *
vetch_scope_new(void)
{
    vetch_scope *s = vetch__calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->object = (struct vetch__object){ .type = VETCH__SCOPE, .refs = 1 };
    vetch__list_init(&s->children);
    if (vetch__joint_start(&s->joint, cancel_end, scope_next_child) == NULL) {
        vetch__free(s);
        return NULL;
    }
    return s;
}

void
vetch_scope_keep_errors_apart(vetch_scope *s, vetch_scope_error_fn fn,
                              void *ctx)
{
    vetch_scope_keep_errors_apart_owned(s, fn, ctx, NULL);
}

void
vetch_scope_keep_errors_apart_owned(vetch_scope *s, vetch_scope_error_fn fn,
                                    void *ctx, vetch_free_fn free_ctx)
{
    VETCH_CHECK(s != NULL, EINVAL, );
    free_error_ctx(s);
    s->apart = true;
    s->on_error = fn;
    s->on_error_ctx = ctx;
    s->free_error_ctx = free_ctx;
}

void
vetch_scope_cancel(vetch_scope *s)
{
    bool held;

    VETCH_CHECK(s != NULL, EINVAL, );
    if (!scope_check_thread(s) || s->ended)
        return;
    s->canceled = true;
    held = scope_hold(s);
    scope_cancel_children(s);
    let_go(s, held);
}

vetch_promise *
vetch_scope_end(vetch_scope *s)
{
    vetch_promise *end;

    VETCH_CHECK(s != NULL, EINVAL, &vetch__misused);
    if (!scope_check_thread(s))
        return &vetch__misused;
    s->ending = true;
    end_if_empty(s);
    end = vetch_deferred_promise(s->joint.deferred);
    if (s->ended)
        return end;
    VETCH__NAME(end, "scope");
    return vetch__promise_follower(vetch__reactor, end);
}

size_t
vetch_scope_count(const vetch_scope *s)
{
    VETCH_CHECK(s != NULL, EINVAL, 0);
    return s->n_children;
}

vetch_scope *
vetch_scope_ref(vetch_scope *s)
{
    if (s != NULL)
        s->object.refs++;
    return s;
}

vetch_scope *
vetch_scope_unref(vetch_scope *s)
{
    if (s == NULL || --s->object.refs > 0)
        return NULL;
    s->object.refs++;
    s->ending = true;
    vetch_scope_cancel(s);
    end_if_empty(s);
    s->object.refs--;
    destroy_if_unused(s);
    return NULL;
}

const char *
vetch__scope_example(const vetch_scope *s)
{
    vetch_promise *watch;

    if (vetch__list_empty(&s->children))
        return "nothing";
    watch = vetch__container(s->children.next, struct child, link)->watch;
    return vetch__promise_describe(watch->object.flags & VETCH__WAITING
                                       ? vetch__promise_source(watch)
                                       : watch);
}
