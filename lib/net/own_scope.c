/* The scope of what runs for a connection, or for a listener. */
#include "net/own_scope-private.h"

vetch_scope *
vetch__own_scope_get(struct vetch__own_scope **at, vetch_scope_error_fn failed,
                     void *owner)
{
    struct vetch__own_scope *s = *at;

    if (s != NULL)
        return s->scope;
    s = vetch__calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->scope = vetch_scope_new();
    if (s->scope == NULL) {
        vetch__free(s);
        return NULL;
    }
    vetch_scope_keep_errors_apart(s->scope, failed, owner);
    s->owner = owner;
    *at = s;
    return s->scope;
}

static void
own_scope_ended(void *ctx, vetch_promise *end)
{
    struct vetch__own_scope *s = ctx;

    vetch_promise_unref(end);
    s->ended = true;
    s->over(s->owner);
}

bool
vetch__own_scope_end(struct vetch__own_scope *s, vetch_reactor *r,
                     void (*over)(void *owner))
{
    if (s == NULL || s->ended)
        return true;
    if (s->ending)
        return false;
    s->ending = true;
    s->over = over;
    vetch_scope_cancel(s->scope);
    vetch__watch_in(r, &s->watch, vetch_scope_end(s->scope), own_scope_ended,
                    s);
    return false;
}

size_t
vetch__own_scope_count(const struct vetch__own_scope *s)
{
    return s != NULL ? vetch_scope_count(s->scope) : 0;
}

const char *
vetch__own_scope_example(const struct vetch__own_scope *s)
{
    return vetch__scope_example(s->scope);
}

struct vetch__own_scope *
vetch__own_scope_free(struct vetch__own_scope *s)
{
    if (s != NULL)
        vetch_scope_unref(s->scope);
    vetch__free(s);
    return NULL;
}
