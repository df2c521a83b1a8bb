/* What stands in line, in the randomised test: for a slot, for an item or room
 * of the queue, for the event. All of it stands in the graph as the source of a
 * chain. The lines are known exactly: who is served when, and with what. */

#include "promise/model/world.h"

#include <string.h>

void
pw_join(struct waiting_line *line, struct model_node *n)
{
    line->nodes[line->n++] = n;
}

struct model_node *
pw_first(struct waiting_line *line)
{
    while (line->first < line->n && line->nodes[line->first]->done)
        line->first++;
    return line->first < line->n ? line->nodes[line->first] : NULL;
}

size_t
pw_waiting(struct waiting_line *line)
{
    size_t waiting = 0;

    for (size_t i = line->first; i < line->n; i++)
        waiting += !line->nodes[i]->done;
    return waiting;
}

/* ---- the semaphore ---- */

struct cursor
pw_new_acquire(void)
{
    struct model_node *n = model_new(M_ACQUIRE, false);

    if (vetch_semaphore_available(world.semaphore) > 0)
        n->timed = true; /* it is ready, but with a slot that we do not know */
    else
        pw_join(&world.acquirers, n);
    return (struct cursor){ vetch_semaphore_acquire(world.semaphore), n };
}

static void
check_semaphore(void)
{
    size_t waiting = pw_waiting(&world.acquirers);

    MODEL_CHECK(vetch_semaphore_waiting(world.semaphore) == waiting,
                "a waiter was lost");
    MODEL_CHECK(waiting == 0 || vetch_semaphore_available(world.semaphore) == 0,
                "a slot is free while somebody waits");
}

/* ---- the queue ---- */

static void *
pop_item(void)
{
    void *item = world.items[0];

    memmove(world.items, world.items + 1, --world.n_items * sizeof(item));
    return item;
}

/* Whether it is done at once. */
static bool
put(struct model_node *n)
{
    struct model_node *getter = pw_first(&world.getters);

    if (getter != NULL) {
        model_settle(getter, model_fulfilled(n->item));
        return true;
    }
    if (world.n_items < ROOM) {
        world.items[world.n_items++] = n->item;
        return true;
    }
    pw_join(&world.putters, n);
    return false;
}

struct cursor
pw_new_put(void)
{
    struct model_node *n = model_new(M_PUT, false);

    n->item = pw_value_new();
    if (put(n))
        model_settle(n, model_fulfilled(NULL));
    return (struct cursor){
        vetch_queue_put(world.queue, n->item, pw_value_free), n
    };
}

struct cursor
pw_new_get(void)
{
    struct model_node *n = model_new(M_GET, false);
    struct model_node *putter;

    if (world.n_items == 0) {
        pw_join(&world.getters, n);
        return (struct cursor){ vetch_queue_get(world.queue), n };
    }
    model_settle(n, model_fulfilled(pop_item()));
    putter = pw_first(&world.putters);
    if (putter != NULL) {
        world.items[world.n_items++] = putter->item;
        model_settle(putter, model_fulfilled(NULL));
    }
    return (struct cursor){ vetch_queue_get(world.queue), n };
}

void
pw_close_queue(void)
{
    struct model_node *n;

    while ((n = pw_first(&world.putters)) != NULL)
        model_settle(n, model_rejected(VETCH_ECLOSED));
    while ((n = pw_first(&world.getters)) != NULL)
        model_settle(n, model_fulfilled(NULL));
    vetch_queue_close(world.queue);
    vetch_queue_unref(world.queue);
    while (world.n_items > 0)
        MODEL_CHECK(((struct value *)pop_item())->state == FREED,
                    "an item was kept");
    world.queue = vetch_queue_new(ROOM);
    MODEL_CHECK(world.queue != NULL, "no memory");
}

static void
check_queue(void)
{
    MODEL_CHECK(vetch_queue_count(world.queue) == world.n_items,
                "the queue has lost count");
    for (size_t i = 0; i < world.n_items; i++)
        pw_check_alive(world.items[i]);
    for (size_t i = world.putters.first; i < world.putters.n; i++) {
        const struct model_node *n = world.putters.nodes[i];
        const struct value *item = n->item;

        if (!n->done)
            pw_check_alive(item);
        else if (n->outcome.state == VETCH_REJECTED)
            MODEL_CHECK(item->state == FREED, "a refused item was kept");
    }
}

/* ---- the event ---- */

struct cursor
pw_new_event_wait(void)
{
    struct model_node *n = model_new(M_EVENT, false);

    if (vetch_event_is_set(world.event))
        model_settle(n, model_fulfilled(NULL));
    else
        pw_join(&world.sleepers, n);
    return (struct cursor){ vetch_event_wait(world.event), n };
}

void
pw_turn_event(void)
{
    struct model_node *n;

    if (vetch_event_is_set(world.event)) {
        vetch_event_clear(world.event);
        return;
    }
    while ((n = pw_first(&world.sleepers)) != NULL)
        model_settle(n, model_fulfilled(NULL));
    vetch_event_set(world.event);
}

/* ---- all of them ---- */

void
pw_lines_begin(void)
{
    world.semaphore = vetch_semaphore_new(SLOTS);
    world.queue = vetch_queue_new(ROOM);
    world.event = vetch_event_new();
    MODEL_CHECK(world.semaphore != NULL && world.queue != NULL &&
                    world.event != NULL,
                "no memory");
}

void
pw_check_lines(void)
{
    check_semaphore();
    check_queue();
}

void
pw_lines_end(void)
{
    MODEL_CHECK(vetch_semaphore_available(world.semaphore) == SLOTS,
                "a slot was lost");
    vetch_semaphore_unref(world.semaphore);
    vetch_queue_unref(world.queue);
    vetch_event_unref(world.event);
}
