/* Semaphores: a bound on how many hold a slot at once.
 *
 * A slot is an object of its own, because it travels as a promise's value and
 * gives itself back when that value is freed. A slot that comes back goes
 * straight to the first waiter, so that nobody can overtake it. Slots and
 * waiters hold references to the semaphore. */
#include <vetch/semaphore.h>

#include <errno.h>

#include "base/check-private.h"
#include "base/error-private.h"
#include "promise/promise-private.h"
#include "promise/waiters-private.h"

struct vetch_semaphore {
    struct vetch__object object;
    struct vetch__owner owner;
    size_t n_free;
    size_t n_waiting;
    struct vetch__list waiters;
};

struct vetch_slot {
    struct vetch__object object;
    vetch_semaphore *semaphore;
};

struct waiter {
    struct vetch__waiter waiter;
    vetch_semaphore *semaphore;
    vetch_slot *slot; /* made beforehand: a hand-over cannot fail */
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
    s->owner = vetch__owner_here();
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
    VETCH_CHECK(s != NULL, EINVAL, 0);
    return s->n_free;
}

size_t
vetch_semaphore_waiting(const vetch_semaphore *s)
{
    VETCH_CHECK(s != NULL, EINVAL, 0);
    return s->n_waiting;
}

static vetch_slot *
slot_new(vetch_semaphore *s)
{
    vetch_slot *slot = vetch__malloc(sizeof(*slot));

    if (slot == NULL)
        return NULL;
    slot->object = (struct vetch__object){ .type = VETCH__SLOT, .refs = 1 };
    slot->semaphore = vetch_semaphore_ref(s);
    return slot;
}

static void
slot_free(vetch_slot *slot)
{
    vetch_semaphore_unref(slot->semaphore);
    vetch__free(slot);
}

/* The waiter's part in the semaphore ends: served or not. */
static void
acquirer_leave(struct vetch__waiter *base)
{
    struct waiter *w = (struct waiter *)base;
    vetch_semaphore *s = w->semaphore;

    s->n_waiting--;
    slot_free(w->slot);
    vetch_semaphore_unref(s);
}

static void
slot_release_value(void *slot)
{
    vetch_slot_release(slot);
}

void
vetch_slot_release(vetch_slot *slot)
{
    struct vetch__waiter *w;
    vetch_semaphore *s;

    if (slot == NULL)
        return;
    s = slot->semaphore;
    w = vetch__waiter_pop(&s->waiters);
    if (w == NULL) {
        s->n_free++;
        slot_free(slot);
        return;
    }
    acquirer_leave(w);
    vetch__waiter_serve(w, slot, slot_release_value);
}

static vetch_promise *
wait_for_slot(vetch_semaphore *s, vetch_slot *slot)
{
    struct waiter *w = vetch__malloc(sizeof(*w));
    vetch_promise *p;

    if (w == NULL)
        return NULL;
    w->waiter.canceled = acquirer_leave;
    w->semaphore = s;
    w->slot = slot;
    p = vetch__waiter_add(&s->waiters, &w->waiter);
    if (p == NULL) {
        vetch__free(w);
        return NULL;
    }
    vetch_semaphore_ref(s);
    s->n_waiting++;
    VETCH__NAME(p, "slot of a semaphore");
    return p;
}

vetch_promise *
vetch_semaphore_acquire(vetch_semaphore *s)
{
    vetch_slot *slot;
    vetch_promise *p;

    VETCH_CHECK(s != NULL, EINVAL, &vetch__misused);
    if (!vetch__check_thread(&s->owner, "a semaphore"))
        return &vetch__misused;
    slot = slot_new(s);
    if (slot == NULL)
        return vetch__failed(ENOMEM, "semaphore");
    if (s->n_free > 0) {
        s->n_free--; /* goes back by itself if there is no memory */
        return vetch_resolved(slot, slot_release_value);
    }
    p = wait_for_slot(s, slot);
    if (p == NULL) {
        int errnum = errno;

        slot_free(slot);
        return vetch__failed(errnum, "semaphore");
    }
    return p;
}
