/* The scope of what runs for a connection, or for a listener. It is made when
 * it is asked for, and ends with its owner: then it is cancelled, and the
 * owner goes on only when nothing runs there any more, so that what did could
 * use the owner to the last. */
#ifndef VETCH_OWN_SCOPE_PRIVATE_H
#define VETCH_OWN_SCOPE_PRIVATE_H

#include <vetch/scope.h>

#include "promise/watch-private.h"

struct vetch__own_scope {
    vetch_scope *scope;
    struct vetch__watch_room
        watch; /* of its end: waiting for that takes no memory */
    void *owner;
    void (*over)(void *owner);
    bool ending; /* it was cancelled */
    bool ended;
};

/* The scope at `*at`, made on first use; its children's errors are told to
 * failed(error, owner). NULL and ENOMEM. */
vetch_scope *vetch__own_scope_get(struct vetch__own_scope **at,
                                  vetch_scope_error_fn failed, void *owner);
/* The owner ends. True: nothing runs (any more; NULL is a scope that nobody
 * asked for). False: what runs was cancelled, and over(owner) will be called
 * when it has stopped. */
bool vetch__own_scope_end(struct vetch__own_scope *s, vetch_reactor *r,
                          void (*over)(void *owner));
/* How many operations run. */
size_t vetch__own_scope_count(const struct vetch__own_scope *s);
/* What one of them is; valid until the next call. */
const char *vetch__own_scope_example(const struct vetch__own_scope *s);
/* NULL is accepted, and returned. */
struct vetch__own_scope *vetch__own_scope_free(struct vetch__own_scope *s);

#endif
