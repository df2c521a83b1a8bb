/* Scopes: structured concurrency.
 *
 * A scope is open until vetch_scope_end(); from then on it ends when its last
 * child has settled. It is failing once an error or a cancel has decided how it
 * will end: from then on children are cancelled as they come. The memory stays
 * until the last reference and the last child are gone. */
#include <vetch/scope.h>

#include <errno.h>

#include <vetch/error.h>
#include <vetch/log.h>

#include "base/error-private.h"
#include "promise/promise-private.h"

struct child {
    struct vetch__list link;
    vetch_scope *scope;
    vetch_promise *watch;
};

struct vetch_scope {
    struct vetch__object object;
    struct vetch__list children;
    size_t n_children;
    vetch_deferred *deferred; /* of the end */
    bool ending;              /* somebody asked for the end */
    bool ended;               /* the promise has settled */
    bool canceled;            /* from outside */
    bool no_memory;
    bool apart;
    vetch_scope_error_fn on_error;
    void *on_error_ctx;
    vetch_error **errors; /* the first is the one that decided */
    size_t n_errors, room;
};

static bool
scope_check_thread(const vetch_scope *s)
{
    return vetch__promise_check_thread(vetch__deferred_node(s->deferred));
}

static bool
failing(const vetch_scope *s)
{
    return s->canceled || s->no_memory || s->n_errors > 0;
}

static void
cancel_children(vetch_scope *s)
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
    if (failing(s))
        vetch_deferred_reject(s->deferred, final_error(s));
    else
        vetch_deferred_resolve(s->deferred, NULL, NULL);
}

static void
destroy(vetch_scope *s)
{
    for (size_t i = 0; i < s->n_errors; i++)
        vetch_error_unref(s->errors[i]);
    vetch__free(s->errors);
    vetch_deferred_unref(s->deferred);
    vetch__free(s);
}

static void
destroy_if_unused(vetch_scope *s)
{
    if (s->object.refs == 0 && s->n_children == 0)
        destroy(s);
}

/* Around calls of the user's, who may release the scope: it stays until
 * let_go(), and is released then. */
static bool
hold(vetch_scope *s)
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
    bool was_failing = failing(s);

    if (vetch_error_code(error) == VETCH_ECANCELED)
        return;
    if (s->apart && s->on_error != NULL) {
        s->on_error(error, s->on_error_ctx);
    } else if (s->apart) {
        vetch_log(VETCH_LOG_WARNING, "in a scope: %s", vetch_error_text(error));
    } else {
        keep_error(s, error);
        if (!was_failing)
            cancel_children(s);
    }
}

static void
child_settled(void *ctx, size_t index, vetch_promise *p)
{
    struct child *c = ctx;
    vetch_scope *s = c->scope;
    bool held = hold(s);

    (void)index;
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
    c->scope = s;
    c->watch = vetch__watch(vetch__reactor, p, child_settled, c, 0);
    if (c->watch == NULL) {
        vetch__free(c);
        return -1;
    }
    vetch__list_append(&s->children, &c->link);
    s->n_children++;
    if (failing(s))
        vetch__promise_cancel_node(vetch__reactor, c->watch);
    return 0;
}

void
vetch_scope_add(vetch_scope *s, vetch_promise *p)
{
    if (!scope_check_thread(s))
        return; /* with p, of which not even a reference can be dropped here */
    if (!s->ended && watch_child(s, p) == 0)
        return;
    if (!s->ended && !failing(s)) {
        s->no_memory = true;
        cancel_children(s);
    }
    vetch_promise_cancel(p);
    vetch_promise_unref(p);
}

void
vetch_scope_spawn(vetch_scope *s, vetch_task_fn body, void *ctx)
{
    vetch_scope_add(s, vetch_spawn(body, ctx));
}

/* ---- the scope ---- */

static void
cancel_end(vetch_deferred *d, void *ctx)
{
    vetch__deferred_hear_again(d);
    vetch_scope_cancel(ctx);
}

vetch_scope *
vetch_scope_new(void)
{
    vetch_scope *s = vetch__calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->object = (struct vetch__object){ .type = VETCH__SCOPE, .refs = 1 };
    vetch__list_init(&s->children);
    s->deferred = vetch_deferred_new(cancel_end, s);
    if (s->deferred == NULL) {
        vetch__free(s);
        return NULL;
    }
    return s;
}

void
vetch_scope_keep_errors_apart(vetch_scope *s, vetch_scope_error_fn fn,
                              void *ctx)
{
    s->apart = true;
    s->on_error = fn;
    s->on_error_ctx = ctx;
}

void
vetch_scope_cancel(vetch_scope *s)
{
    bool held;

    if (!scope_check_thread(s) || s->ended)
        return;
    s->canceled = true;
    held = hold(s);
    cancel_children(s);
    let_go(s, held);
}

vetch_promise *
vetch_scope_end(vetch_scope *s)
{
    if (!scope_check_thread(s))
        return &vetch__misused;
    s->ending = true;
    end_if_empty(s);
    VETCH__NAME(vetch__deferred_node(s->deferred), "scope");
    return vetch_deferred_promise(s->deferred);
}

size_t
vetch_scope_count(const vetch_scope *s)
{
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

vetch_deferred *
vetch__scope_of_watch(const vetch_promise *watch)
{
    const struct child *c = watch->u.watch.ctx;

    return watch->u.watch.fn == child_settled ? c->scope->deferred : NULL;
}
