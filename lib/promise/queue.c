/* Queues with a capacity.
 *
 * Items lie in a ring that is allocated whole, so that moving one never fails.
 * Either getters wait (then the ring is empty) or putters (then it is full): an
 * item goes to the first getter directly, and an item taken out makes room for
 * the first putter's. */
#include <vetch/queue.h>

#include <errno.h>

#include <vetch/error.h>

#include "base/error-private.h"
#include "promise/promise-private.h"
#include "promise/waiters-private.h"

struct item {
    void *data;
    vetch_free_fn free;
};

struct putter {
    struct vetch__waiter waiter;
    struct item item;
};

struct vetch_queue {
    struct vetch__object object;
    struct vetch__owner owner;
    bool closed;
    size_t capacity;
    size_t first, count;
    struct vetch__list putters, getters;
    struct item ring[];
};

static void
free_item(const struct item *item)
{
    if (item->free != NULL)
        item->free(item->data);
}

static void
push(vetch_queue *q, struct item item)
{
    q->ring[(q->first + q->count++) % q->capacity] = item;
}

static struct item
pop(vetch_queue *q)
{
    struct item item = q->ring[q->first];

    q->first = (q->first + 1) % q->capacity;
    q->count--;
    return item;
}

vetch_queue *
vetch_queue_new(size_t capacity)
{
    vetch_queue *q;

    if (capacity == 0 ||
        capacity > (SIZE_MAX - sizeof(*q)) / sizeof(q->ring[0])) {
        errno = capacity == 0 ? EINVAL : ENOMEM;
        return NULL;
    }
    q = vetch__malloc(sizeof(*q) + capacity * sizeof(q->ring[0]));
    if (q == NULL)
        return NULL;
    q->object = (struct vetch__object){ .type = VETCH__QUEUE, .refs = 1 };
    q->owner = vetch__owner_here();
    q->closed = false;
    q->capacity = capacity;
    q->first = q->count = 0;
    vetch__list_init(&q->putters);
    vetch__list_init(&q->getters);
    return q;
}

vetch_queue *
vetch_queue_ref(vetch_queue *q)
{
    if (q != NULL)
        q->object.refs++;
    return q;
}

static vetch_error *
closed_error(void)
{
    return vetch_error_new(VETCH_ECLOSED, "the queue is closed");
}

static void
free_putters_item(struct vetch__waiter *w)
{
    free_item(&((struct putter *)w)->item);
}

static void
turn_away(vetch_queue *q)
{
    struct vetch__waiter *w;

    q->closed = true;
    while ((w = vetch__waiter_pop(&q->putters)) != NULL) {
        free_putters_item(w);
        vetch__waiter_refuse(w, closed_error());
    }
    while ((w = vetch__waiter_pop(&q->getters)) != NULL)
        vetch__waiter_serve(w, NULL, NULL);
}

vetch_queue *
vetch_queue_unref(vetch_queue *q)
{
    if (q == NULL || --q->object.refs > 0)
        return NULL;
    turn_away(q);
    while (q->count > 0) {
        struct item item = pop(q);

        free_item(&item);
    }
    vetch__free(q);
    return NULL;
}

void
vetch_queue_close(vetch_queue *q)
{
    if (!vetch__check_thread(&q->owner, "a queue"))
        return;
    vetch_queue_ref(q); /* freeing an item may release the queue */
    turn_away(q);
    vetch_queue_unref(q);
}

size_t
vetch_queue_count(const vetch_queue *q)
{
    return q->count;
}

static vetch_promise *
wait_to_put(vetch_queue *q, struct item item)
{
    struct putter *w = vetch__malloc(sizeof(*w));
    vetch_promise *p = NULL;

    if (w != NULL) {
        w->waiter.canceled = free_putters_item;
        w->item = item;
        p = vetch__waiter_add(&q->putters, &w->waiter);
    }
    if (p == NULL) {
        int errnum = errno;

        vetch__free(w);
        free_item(&item);
        return vetch__failed(errnum, "queue");
    }
    VETCH__NAME(p, "room in a queue");
    return p;
}

vetch_promise *
vetch_queue_put(vetch_queue *q, void *data, vetch_free_fn free_data)
{
    struct item item = { data, free_data };
    struct vetch__waiter *getter;

    if (data == NULL)
        return vetch__failed(EINVAL, "put nothing into a queue");
    if (!vetch__check_thread(&q->owner, "a queue")) {
        free_item(&item);
        return &vetch__misused;
    }
    if (q->closed) {
        free_item(&item);
        return vetch_rejected(closed_error());
    }
    getter = vetch__waiter_pop(&q->getters);
    if (getter != NULL)
        vetch__waiter_serve(getter, data, free_data);
    else if (q->count < q->capacity)
        push(q, item);
    else
        return wait_to_put(q, item);
    return vetch_resolved(NULL, NULL);
}

static vetch_promise *
wait_to_get(vetch_queue *q)
{
    struct vetch__waiter *w = vetch__malloc(sizeof(*w));
    vetch_promise *p = NULL;

    if (w != NULL) {
        w->canceled = NULL;
        p = vetch__waiter_add(&q->getters, w);
    }
    if (p == NULL) {
        int errnum = errno;

        vetch__free(w);
        return vetch__failed(errnum, "queue");
    }
    VETCH__NAME(p, "item of a queue");
    return p;
}

vetch_promise *
vetch_queue_get(vetch_queue *q)
{
    struct vetch__waiter *w;
    struct item item;

    if (!vetch__check_thread(&q->owner, "a queue"))
        return &vetch__misused;
    if (q->count == 0)
        return q->closed ? vetch_resolved(NULL, NULL) : wait_to_get(q);
    item = pop(q);
    w = vetch__waiter_pop(&q->putters);
    if (w != NULL) {
        push(q, ((struct putter *)w)->item);
        vetch__waiter_serve(w, NULL, NULL);
    }
    return vetch_resolved(item.data, item.free);
}
