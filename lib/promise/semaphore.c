/* Semaphores: a bound on how many hold a slot at once.
 *
 * A slot is an object of its own, because it travels as a promise's value and
 * gives itself back when that value is freed. A slot that comes back goes
 * straight to the first waiter, so that nobody can overtake it. Slots and
 * waiters hold references to the semaphore. */
#include <vetch/semaphore.h>

#include <errno.h>

#include "base/error-private.h"
#include "promise/promise-private.h"
#include "promise/semaphore-private.h"

struct vetch_semaphore {
    struct vetch__object object;
    size_t n_free;
    size_t n_waiting;
    struct vetch__list waiters;
};

struct slot {
    struct vetch__object object;
    vetch_semaphore *semaphore;
};

struct waiter {
    struct vetch__list link;
    vetch_semaphore *semaphore;
    vetch_deferred *deferred;
    struct slot *slot; /* made beforehand: a hand-over cannot fail */
};

vetch_semaphore *
vetch_semaphore_new(size_t slots)
{
    vetch_semaphore *s;

    if (slots == 0) {
        errno = EINVAL;
        return NULL;
    }
    s = vetch__malloc(sizeof(*s));
    if (s == NULL)
        return NULL;
    s->object = (struct vetch__object){ .type = VETCH__SEMAPHORE, .refs = 1 };
    s->n_free = slots;
    s->n_waiting = 0;
    vetch__list_init(&s->waiters);
    return s;
}

vetch_semaphore *
vetch_semaphore_ref(vetch_semaphore *s)
{
    if (s != NULL)
        s->object.refs++;
    return s;
}

vetch_semaphore *
vetch_semaphore_unref(vetch_semaphore *s)
{
    if (s != NULL && --s->object.refs == 0)
        vetch__free(s);
    return NULL;
}

size_t
vetch_semaphore_available(const vetch_semaphore *s)
{
    return s->n_free;
}

size_t
vetch_semaphore_waiting(const vetch_semaphore *s)
{
    return s->n_waiting;
}

static struct slot *
slot_new(vetch_semaphore *s)
{
    struct slot *slot = vetch__malloc(sizeof(*slot));

    if (slot == NULL)
        return NULL;
    slot->object = (struct vetch__object){ .type = VETCH__SLOT, .refs = 1 };
    slot->semaphore = vetch_semaphore_ref(s);
    return slot;
}

static void
slot_free(struct slot *slot)
{
    vetch_semaphore_unref(slot->semaphore);
    vetch__free(slot);
}

static void
waiter_leave(struct waiter *w)
{
    vetch__list_remove(&w->link);
    w->semaphore->n_waiting--;
}

static void
waiter_free(struct waiter *w)
{
    vetch_semaphore_unref(w->semaphore);
    vetch__free(w);
}

void
vetch__slot_release(void *arg)
{
    struct slot *slot = arg;
    vetch_semaphore *s = slot->semaphore;
    struct waiter *w;

    if (vetch__list_empty(&s->waiters)) {
        s->n_free++;
        slot_free(slot);
        return;
    }
    w = vetch__container(s->waiters.next, struct waiter, link);
    waiter_leave(w);
    slot_free(w->slot);
    vetch_deferred_resolve(w->deferred, slot, vetch__slot_release);
    vetch_deferred_unref(w->deferred);
    waiter_free(w);
}

static void
cancel_waiter(vetch_deferred *d, void *ctx)
{
    struct waiter *w = ctx;

    waiter_leave(w);
    slot_free(w->slot);
    vetch_deferred_reject(d, vetch_error_ref(&vetch__error_canceled));
    vetch_deferred_unref(w->deferred);
    waiter_free(w);
}

static vetch_promise *
wait_for_slot(vetch_semaphore *s, struct slot *slot)
{
    struct waiter *w = vetch__malloc(sizeof(*w));

    if (w == NULL)
        return NULL;
    w->deferred = vetch_deferred_new(cancel_waiter, w);
    if (w->deferred == NULL) {
        vetch__free(w);
        return NULL;
    }
    w->slot = slot;
    w->semaphore = vetch_semaphore_ref(s);
    vetch__list_append(&s->waiters, &w->link);
    s->n_waiting++;
    return vetch_deferred_promise(w->deferred);
}

vetch_promise *
vetch_semaphore_acquire(vetch_semaphore *s)
{
    struct slot *slot = slot_new(s);
    vetch_promise *p;

    if (slot == NULL)
        return vetch__failed(ENOMEM, "semaphore");
    if (s->n_free > 0) {
        s->n_free--; /* goes back by itself if there is no memory */
        return vetch_resolved(slot, vetch__slot_release);
    }
    p = wait_for_slot(s, slot);
    if (p == NULL) {
        int errnum = errno;

        slot_free(slot);
        return vetch__failed(errnum, "semaphore");
    }
    return p;
}
