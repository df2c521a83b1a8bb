/* Queues with a capacity.
 *
 * Items stand in a list in the order of their numbers, which they get when they
 * are put. Either getters wait (then the list is empty) or putters (then it is
 * full): an item goes to the first getter directly, and an item taken out makes
 * room for the first putter's.
 *
 * A getter is offered its item (rule 14). Until its getter has got it, the item
 * is on its way, and its number leads it back to its place; the room it left
 * may be taken by then, so the list can become longer than the capacity. What
 * is on its way keeps the memory of the queue, and those who wait at a closed
 * queue wait for it. */
#include <vetch/queue.h>

#include <errno.h>

#include <vetch/error.h>

#include "base/check-private.h"
#include "promise/promise-private.h"
#include "promise/waiters-private.h"

/* Kept for the next puts; more is given back to malloc. */
#define MAX_SPARE 64

struct item {
    struct vetch__list link;
    vetch_queue *queue;
    void *data;
    vetch_free_fn free;
    uint64_t number;
    bool came_back; /* from the offer that is about to be over */
};

struct putter {
    struct vetch__waiter waiter;
    struct item *item;
};

struct vetch_queue {
    struct vetch__object object;
    struct vetch__owner owner;
    bool closed;
    bool released; /* only what is on its way keeps the memory */
    size_t capacity;
    uint64_t next_number;
    struct vetch__list items, spare;
    size_t n_items, n_spare;
    size_t n_on_way; /* offered to a getter */
    size_t n_taken;  /* got, and not yet said to be done */
    struct item
        *returned; /* the last one that came back, if it is still here */
    struct vetch__list putters, getters, drained;
};

static void serve_getters(vetch_queue *q);

/* ---- items ---- */

static struct item *
item_of(struct vetch__list *link)
{
    return vetch__container(link, struct item, link);
}

/* A new item with the next number, or NULL. */
static struct item *
item_new(vetch_queue *q, void *data, vetch_free_fn item_free_data)
{
    struct item *item;

    if (vetch__list_empty(&q->spare)) {
        item = vetch__malloc(sizeof(*item));
        if (item == NULL)
            return NULL;
    } else {
        item = item_of(q->spare.next);
        vetch__list_remove(&item->link);
        q->n_spare--;
    }
    item->queue = q;
    item->data = data;
    item->free = item_free_data;
    item->number = q->next_number++;
    item->came_back = false;
    return item;
}

static void
item_recycle(vetch_queue *q, struct item *item)
{
    if (q->n_spare == MAX_SPARE) {
        vetch__free(item);
        return;
    }
    vetch__list_append(&q->spare, &item->link);
    q->n_spare++;
}

static void
item_free_data(void *data, vetch_free_fn free_it)
{
    if (free_it != NULL)
        free_it(data);
}

/* Nobody will get it. The queue stays. */
static void
item_drop(vetch_queue *q, struct item *item)
{
    void *data = item->data;
    vetch_free_fn free_it = item->free;

    item_recycle(q, item);
    item_free_data(data, free_it);
}

static struct item *
pop_item(vetch_queue *q)
{
    struct item *item = item_of(q->items.next);

    vetch__list_remove(&item->link);
    q->n_items--;
    if (q->returned == item)
        q->returned = NULL;
    return item;
}

static void
push_item(vetch_queue *q, struct item *item)
{
    vetch__list_append(&q->items, &item->link);
    q->n_items++;
}

/* Put an item back into its old place. Many come back in order, or in the
 * opposite one: the search begins where the last one was put. */
static void
return_item(vetch_queue *q, struct item *item)
{
    struct vetch__list *at =
        q->returned != NULL ? &q->returned->link : q->items.next;

    while (at != &q->items && item_of(at)->number < item->number)
        at = at->next;
    while (at->prev != &q->items && item_of(at->prev)->number > item->number)
        at = at->prev;
    vetch__list_append(at, &item->link); /* before it */
    q->n_items++;
    q->returned = item;
}

/* ---- the end of a queue ---- */

static void
queue_free(vetch_queue *q)
{
    while (!vetch__list_empty(&q->spare)) {
        struct item *item = item_of(q->spare.next);

        vetch__list_remove(&item->link);
        vetch__free(item);
    }
    vetch__free(q);
}

static void
queue_free_if_unused(vetch_queue *q)
{
    if (q->object.refs == 0 && q->n_on_way == 0)
        queue_free(q);
}

static vetch_error *
queue_closed_error(void)
{
    return vetch_error_new(VETCH_ECLOSED, "the queue is closed");
}

static void
end_getters_if_over(vetch_queue *q)
{
    struct vetch__waiter *w;

    if (!q->closed || q->n_items > 0 || q->n_on_way > 0)
        return;
    while ((w = vetch__waiter_pop(&q->getters)) != NULL)
        vetch__waiter_serve(w, NULL, NULL);
}

static void
drop_putters_item(struct vetch__waiter *w)
{
    struct item *item = ((struct putter *)w)->item;

    item_drop(item->queue, item);
}

static void
refuse_putters(vetch_queue *q)
{
    struct vetch__waiter *w;

    q->closed = true;
    while ((w = vetch__waiter_pop(&q->putters)) != NULL) {
        drop_putters_item(w);
        vetch__waiter_refuse(w, queue_closed_error());
    }
}

/* ---- on the way to a getter ---- */

/* Nobody got it. item_offer_is_over() decides who is next. */
static void
item_comes_back(void *data, void *ctx)
{
    struct item *item = ctx;
    vetch_queue *q = item->queue;

    item->came_back = true;
    if (q->released)
        item_free_data(data, item->free);
    else
        return_item(q, item);
}

static void
item_offer_is_over(void *ctx)
{
    struct item *item = ctx;
    vetch_queue *q = item->queue;

    q->n_on_way--;
    if (!item->came_back)
        q->n_taken++;
    if (!item->came_back || q->released)
        item_recycle(q, item);
    else
        item->came_back = false;
    serve_getters(q);
    end_getters_if_over(q);
    queue_free_if_unused(q);
}

static struct vetch__offer
item_begin_offer(struct item *item)
{
    item->queue->n_on_way++;
    return (struct vetch__offer){ item->data, item->free, item_comes_back, item,
                                  item_offer_is_over };
}

static void
item_offer_to(struct vetch__waiter *getter, struct item *item)
{
    struct vetch__offer offer = item_begin_offer(item);

    vetch__waiter_offer(getter, &offer);
}

static void
serve_getters(vetch_queue *q)
{
    while (q->n_items > 0 && !vetch__list_empty(&q->getters)) {
        struct item *item = pop_item(q);

        item_offer_to(vetch__waiter_pop(&q->getters), item);
    }
}

static void
serve_putters(vetch_queue *q)
{
    while (q->n_items < q->capacity && !vetch__list_empty(&q->putters)) {
        struct vetch__waiter *w = vetch__waiter_pop(&q->putters);

        push_item(q, ((struct putter *)w)->item);
        vetch__waiter_serve(w, NULL, NULL);
    }
}

/* ---- the queue ---- */

vetch_queue *
vetch_queue_new(size_t capacity)
{
    vetch_queue *q;

    if (capacity == 0) {
        errno = EINVAL;
        return NULL;
    }
    q = vetch__calloc(1, sizeof(*q));
    if (q == NULL)
        return NULL;
    q->object = (struct vetch__object){ .type = VETCH__QUEUE, .refs = 1 };
    q->owner = vetch__owner_here();
    q->capacity = capacity;
    vetch__list_init(&q->items);
    vetch__list_init(&q->spare);
    vetch__list_init(&q->putters);
    vetch__list_init(&q->getters);
    vetch__list_init(&q->drained);
    return q;
}

vetch_queue *
vetch_queue_ref(vetch_queue *q)
{
    if (q != NULL)
        q->object.refs++;
    return q;
}

vetch_queue *
vetch_queue_unref(vetch_queue *q)
{
    struct vetch__waiter *w;

    if (q == NULL || --q->object.refs > 0)
        return NULL;
    q->object.refs = 1; /* freeing an item may do anything */
    q->released = true;
    refuse_putters(q);
    while (q->n_items > 0)
        item_drop(q, pop_item(q));
    while ((w = vetch__waiter_pop(&q->getters)) != NULL)
        vetch__waiter_serve(w, NULL, NULL);
    while ((w = vetch__waiter_pop(&q->drained)) != NULL)
        vetch__waiter_refuse(w, queue_closed_error());
    q->object.refs = 0;
    queue_free_if_unused(q);
    return NULL;
}

void
vetch_queue_close(vetch_queue *q)
{
    VETCH_CHECK(q != NULL, EINVAL, );
    if (!vetch__check_thread(&q->owner, "a queue"))
        return;
    vetch_queue_ref(q); /* freeing an item may release the queue */
    refuse_putters(q);
    end_getters_if_over(q);
    vetch_queue_unref(q);
}

size_t
vetch_queue_count(const vetch_queue *q)
{
    VETCH_CHECK(q != NULL, EINVAL, 0);
    return q->n_items;
}

/* ---- putting ---- */

/* A waiter at the end of a list, with `size` bytes that begin with it. NULL:
 * what *ret_promise says is the outcome. */
static void *
queue_wait_in(struct vetch__list *list, size_t size,
              void (*canceled)(struct vetch__waiter *),
              vetch_promise **ret_promise)
{
    struct vetch__waiter *w = vetch__calloc(1, size);
    int errnum;

    *ret_promise = NULL;
    if (w != NULL) {
        w->canceled = canceled;
        *ret_promise = vetch__waiter_add(list, w);
    }
    if (*ret_promise != NULL)
        return w;
    errnum = errno;
    vetch__free(w);
    *ret_promise = vetch__failed(errnum, "queue");
    return NULL;
}

static vetch_promise *
wait_to_put(vetch_queue *q, struct item *item)
{
    vetch_promise *p;
    struct putter *w =
        queue_wait_in(&q->putters, sizeof(*w), drop_putters_item, &p);

    if (w == NULL) {
        item_drop(q, item);
        return p;
    }
    w->item = item;
    VETCH__NAME(p, "room in a queue");
    return p;
}

static bool
queue_has_room(const vetch_queue *q)
{
    return q->n_items < q->capacity || !vetch__list_empty(&q->getters);
}

/* There is room for it. */
static void
put_item(vetch_queue *q, struct item *item)
{
    struct vetch__waiter *getter = vetch__waiter_pop(&q->getters);

    if (getter != NULL)
        item_offer_to(getter, item);
    else
        push_item(q, item);
}

vetch_promise *
vetch_queue_put(vetch_queue *q, void *data, vetch_free_fn free_it)
{
    struct item *item;

    VETCH_CHECK_RELEASING(q != NULL, item_free_data(data, free_it), EINVAL,
                          &vetch__misused);
    if (data == NULL)
        return vetch__failed(EINVAL, "put nothing into a queue");
    if (!vetch__check_thread(&q->owner, "a queue")) {
        item_free_data(data, free_it);
        return &vetch__misused;
    }
    if (q->closed) {
        item_free_data(data, free_it);
        return vetch_rejected(queue_closed_error());
    }
    item = item_new(q, data, free_it);
    if (item == NULL) {
        item_free_data(data, free_it);
        return &vetch__no_memory;
    }
    if (!queue_has_room(q))
        return wait_to_put(q, item);
    put_item(q, item);
    return &vetch__nothing;
}

/* What is in the way of putting something at once, as errno has it; or 0. */
static int
queue_cannot_put(const vetch_queue *q, const void *data)
{
    if (data == NULL)
        return EINVAL;
    if (q->closed)
        return EPIPE;
    return queue_has_room(q) ? 0 : EAGAIN;
}

int
vetch_queue_try_put(vetch_queue *q, void *data, vetch_free_fn free_it)
{
    struct item *item;
    int wrong;

    VETCH_CHECK(q != NULL, EINVAL, -1);
    if (!vetch__check_thread(&q->owner, "a queue"))
        return -1;
    wrong = queue_cannot_put(q, data);
    if (wrong != 0) {
        errno = wrong;
        return -1;
    }
    item = item_new(q, data, free_it);
    if (item == NULL)
        return -1;
    put_item(q, item);
    return 0;
}

/* ---- getting ---- */

static vetch_promise *
wait_to_get(vetch_queue *q)
{
    vetch_promise *p;

    if (queue_wait_in(&q->getters, sizeof(struct vetch__waiter), NULL, &p) !=
        NULL)
        VETCH__NAME(p, "item of a queue");
    return p;
}

vetch_promise *
vetch_queue_get(vetch_queue *q)
{
    struct vetch__offer offer;

    VETCH_CHECK(q != NULL, EINVAL, &vetch__misused);
    if (!vetch__check_thread(&q->owner, "a queue"))
        return &vetch__misused;
    if (q->n_items == 0)
        return q->closed && q->n_on_way == 0 ? &vetch__nothing : wait_to_get(q);
    offer = item_begin_offer(pop_item(q));
    serve_putters(q);
    return vetch__offered(&offer);
}

/* ---- until all has been worked off ---- */

static bool
queue_is_drained(const vetch_queue *q)
{
    return q->n_items == 0 && q->n_on_way == 0 && q->n_taken == 0;
}

void
vetch_queue_done(vetch_queue *q)
{
    struct vetch__waiter *w;

    VETCH_CHECK(q != NULL, EINVAL, );
    if (!vetch__check_thread(&q->owner, "a queue"))
        return;
    VETCH_CHECK(q->n_taken > 0, EINVAL, );
    q->n_taken--;
    if (!queue_is_drained(q))
        return;
    while ((w = vetch__waiter_pop(&q->drained)) != NULL)
        vetch__waiter_serve(w, NULL, NULL);
}

vetch_promise *
vetch_queue_drained(vetch_queue *q)
{
    vetch_promise *p;

    VETCH_CHECK(q != NULL, EINVAL, &vetch__misused);
    if (!vetch__check_thread(&q->owner, "a queue"))
        return &vetch__misused;
    if (queue_is_drained(q))
        return &vetch__nothing;
    if (queue_wait_in(&q->drained, sizeof(struct vetch__waiter), NULL, &p) !=
        NULL)
        VETCH__NAME(p, "the end of the work in a queue");
    return p;
}
