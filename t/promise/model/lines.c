/* What stands in line, in the randomised test: for a slot, for an item or room
 * of the queue, for the event. All of it stands in the graph as the source of a
 * chain. The lines are known exactly: who is served when, and with what. */

#include "promise/model/world.h"

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
    size_t waiting = vetch_semaphore_waiting(world.semaphore);

    MODEL_CHECK(model.rough || waiting == pw_waiting(&world.acquirers),
                "a waiter was lost");
    MODEL_CHECK(waiting == 0 || vetch_semaphore_available(world.semaphore) == 0,
                "a slot is free while somebody waits");
}

/* ---- the queue ---- */

/* Which item a get takes is not known: one may come back from a get that was
 * cancelled. What is known is in which order they were put, who got one, and
 * that all others are in the queue when nothing is ready. */

void
pw_note_put(struct value *item)
{
    item->put = item->put || item->state == ALIVE;
}

struct cursor
pw_new_put(void)
{
    struct model_node *n = model_new(M_PUT, false);
    vetch_promise *p;

    n->item = pw_value_new();
    world.items[world.n_items++] = n->item;
    p = vetch_queue_put(world.queue, n->item, pw_value_free);
    if (vetch_promise_state(p) == VETCH_FULFILLED) {
        pw_note_put(n->item);
        model_settle(n, model_fulfilled(NULL));
    } else {
        pw_join(&world.putters, n);
    }
    return (struct cursor){ p, n };
}

/* An item is about to be taken out: there may be room then for who waits. */
static void
let_a_putter_in(void)
{
    struct model_node *putter = pw_first(&world.putters);

    if (putter != NULL && vetch_queue_count(world.queue) <= ROOM)
        model_settle(putter, model_fulfilled(NULL));
}

/* (What becomes of a loose one cannot be foretold.) */
struct cursor
pw_new_get(bool loose)
{
    struct model_node *n = model_new(M_GET, loose);

    if (vetch_queue_count(world.queue) > 0) {
        let_a_putter_in();
        n->timed = true;
    } else if (!loose) {
        pw_join(&world.getters, n);
    }
    return (struct cursor){ vetch_queue_get(world.queue), n };
}

/* What is in the queue, and what those have who wait to put. */
static size_t
count_items(void)
{
    size_t n = 0;

    for (size_t i = 0; i < world.n_items; i++) {
        const struct value *item = world.items[i];

        n += item->state == ALIVE && !item->seen;
    }
    return n;
}

/* Nothing is ready. */
static void
take_all_out(void)
{
    const void *last = NULL, *item;
    vetch_promise *p;

    while (vetch_queue_count(world.queue) > 0) {
        let_a_putter_in();
        p = vetch_queue_get(world.queue);
        item = vetch_promise_value(p);
        MODEL_CHECK(item > last, "items were put in another order");
        pw_seen(item);
        last = item;
        vetch_promise_unref(p);
    }
}

/* Nothing is ready. */
void
pw_close_queue(void)
{
    struct model_node *n;

    if (pw_chance(50))
        take_all_out();
    while ((n = pw_first(&world.putters)) != NULL)
        model_settle(n, model_rejected(VETCH_ECLOSED));
    while ((n = pw_first(&world.getters)) != NULL)
        model_settle(n, model_fulfilled(NULL));
    world.closing = true;
    vetch_queue_close(world.queue);
    vetch_queue_unref(world.queue);
    world.closing = false;
    MODEL_CHECK(count_items() == 0, "an item was kept");
    world.n_items = 0;
    world.queue = vetch_queue_new(ROOM);
    MODEL_CHECK(world.queue != NULL, "no memory");
}

static void
check_queue(void)
{
    size_t count = vetch_queue_count(world.queue);

    if (model.rough) {
        MODEL_CHECK(count <= count_items(), "an item is there twice");
        return;
    }
    MODEL_CHECK(count + pw_waiting(&world.putters) == count_items(),
                "the queue has lost count");
    MODEL_CHECK(count == 0 || pw_waiting(&world.getters) == 0,
                "an item was not given to who waits");
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
    world.closing = true;
    vetch_queue_unref(world.queue);
    vetch_event_unref(world.event);
}
