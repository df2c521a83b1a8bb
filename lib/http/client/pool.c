/* The pool of connections: counts, queues, and whose turn it is.
 *
 * An origin exists while it has a slot or a waiter.  It is in the list of the
 * starved while it has a waiter and may have one more slot: as long as that
 * list is not empty, all slots of the pool are taken, or are about to be by a
 * loop further up the stack.  The list is short (one entry per origin), and
 * what has to be found in it is the oldest waiter.
 *
 * Nothing here calls anything that may call back: the functions of the class
 * begin things, and what they began reports later. */

#include "http/client/pool-private.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/mem-private.h"

enum { FIRST_BUCKETS = 16 };

void
vetch__http_pool_init(struct vetch__http_pool *pool,
                      const struct vetch__http_pool_class *class,
                      size_t max_slots, size_t max_per_origin)
{
    memset(pool, 0, sizeof(*pool));
    pool->class = class;
    pool->max_slots = max_slots;
    pool->max_per_origin = max_per_origin;
    vetch__list_init(&pool->idle);
    vetch__list_init(&pool->starved);
    /* Where memory lies differs from run to run: enough to keep somebody who
     * chooses names from choosing their buckets. */
    pool->seed = (uint32_t)((uintptr_t)pool >> 4) * 2654435761u;
}

void
vetch__http_pool_done(struct vetch__http_pool *pool)
{
    assert(pool->n_origins == 0 && pool->n_slots == 0);
    vetch__free(pool->buckets);
    pool->buckets = NULL;
}

/* ---- origins ---- */

static uint32_t
hash_of(const struct vetch__http_pool *pool, const char *key, size_t len)
{
    uint32_t h = pool->seed ^ 2166136261u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)key[i]) * 16777619u;
    return h ^ h >> 15;
}

static bool
is_key(const struct vetch__http_origin *o, const char *key, size_t len)
{
    return o->len == len && memcmp(o->endpoint, key, len) == 0;
}

static struct vetch__http_origin **
bucket_of(struct vetch__http_pool *pool, uint32_t hash)
{
    return &pool->buckets[hash & (pool->n_buckets - 1)];
}

/* Without memory for more buckets the chains grow instead. */
static void
grow_buckets(struct vetch__http_pool *pool)
{
    size_t n = pool->n_buckets == 0 ? FIRST_BUCKETS : 2 * pool->n_buckets;
    size_t n_old = pool->n_buckets;
    struct vetch__http_origin **old = pool->buckets, *o, **bucket;
    struct vetch__http_origin **new =
        vetch__calloc(n, sizeof(struct vetch__http_origin *));

    if (new == NULL)
        return;
    pool->buckets = new;
    pool->n_buckets = n;
    for (size_t i = 0; i < n_old; i++)
        while ((o = old[i]) != NULL) {
            old[i] = o->next;
            bucket = bucket_of(pool, o->hash);
            o->next = *bucket;
            *bucket = o;
        }
    vetch__free(old);
}

static struct vetch__http_origin *
origin_new(struct vetch__http_pool *pool, uint32_t hash, const char *key,
           size_t len)
{
    struct vetch__http_origin *o, **bucket;

    if (pool->n_origins >= pool->n_buckets)
        grow_buckets(pool);
    if (pool->n_buckets == 0)
        return NULL;
    o = vetch__calloc(1, sizeof(*o) + len + 1);
    if (o == NULL)
        return NULL;
    vetch__list_init(&o->waiters);
    vetch__list_init(&o->idle);
    vetch__list_init(&o->starved);
    o->hash = hash;
    o->len = (uint32_t)len;
    memcpy(o->endpoint, key, len);
    bucket = bucket_of(pool, hash);
    o->next = *bucket;
    *bucket = o;
    pool->n_origins++;
    return o;
}

static struct vetch__http_origin *
origin_get(struct vetch__http_pool *pool, const char *key, size_t len)
{
    struct vetch__http_origin *o = pool->recent;
    uint32_t hash;

    if (o != NULL && is_key(o, key, len))
        return o;
    hash = hash_of(pool, key, len);
    o = pool->n_buckets > 0 ? *bucket_of(pool, hash) : NULL;
    while (o != NULL && (o->hash != hash || !is_key(o, key, len)))
        o = o->next;
    if (o == NULL)
        o = origin_new(pool, hash, key, len);
    pool->recent = o;
    return o;
}

/* After each change of an origin: is it starved, is it needed? */
static void
origin_update(struct vetch__http_pool *pool, struct vetch__http_origin *o)
{
    struct vetch__http_origin **p;
    bool listed = !vetch__list_empty(&o->starved);
    bool starved = o->n_waiters > 0 && o->n_slots < pool->max_per_origin;

    if (starved && !listed)
        vetch__list_append(&pool->starved, &o->starved);
    else if (!starved && listed)
        vetch__list_remove(&o->starved);
    if (o->n_waiters > 0 || o->n_slots > 0)
        return;
    for (p = bucket_of(pool, o->hash); *p != o; p = &(*p)->next)
        ;
    *p = o->next;
    pool->n_origins--;
    if (pool->recent == o)
        pool->recent = NULL;
    vetch__free(o);
}

/* ---- waiters ---- */

static struct vetch__http_waiter *
first_waiter(const struct vetch__http_origin *o)
{
    return vetch__container(o->waiters.next, struct vetch__http_waiter, link);
}

static void
remove_waiter(struct vetch__http_pool *pool, struct vetch__http_waiter *w)
{
    vetch__list_remove(&w->link);
    w->origin->n_waiters--;
    w->origin = NULL;
    pool->n_waiters--;
}

/* The starved origin whose first waiter is the oldest, or NULL. */
static struct vetch__http_origin *
oldest_starved(const struct vetch__http_pool *pool)
{
    struct vetch__http_origin *best = NULL, *o;

    for (struct vetch__list *l = pool->starved.next; l != &pool->starved;
         l = l->next) {
        o = vetch__container(l, struct vetch__http_origin, starved);
        if (best == NULL || first_waiter(o)->turn < first_waiter(best)->turn)
            best = o;
    }
    return best;
}

/* Whether more requests lack a slot than slots are coming back. */
static bool
needs_room(const struct vetch__http_pool *pool)
{
    size_t needed = 0;

    for (struct vetch__list *l = pool->starved.next; l != &pool->starved;
         l = l->next) {
        struct vetch__http_origin *o =
            vetch__container(l, struct vetch__http_origin, starved);
        size_t room = pool->max_per_origin - o->n_slots;

        needed += o->n_waiters < room ? o->n_waiters : room;
        if (needed > pool->n_closing)
            return true;
    }
    return false;
}

/* ---- slots ---- */

static void
take_from_idle(struct vetch__http_pool *pool, struct vetch__http_slot *slot,
               enum vetch__http_slot_state state)
{
    vetch__list_remove(&slot->of_origin);
    vetch__list_remove(&slot->of_pool);
    pool->n_idle--;
    slot->state = (uint8_t)state;
    if (state == VETCH__SLOT_CLOSING)
        pool->n_closing++;
}

static void
close_idle(struct vetch__http_pool *pool, struct vetch__http_slot *slot)
{
    take_from_idle(pool, slot, VETCH__SLOT_CLOSING);
    pool->class->close(slot);
}

/* The connection of the origin that was used last (it is the least likely to
 * have been closed by the server), if one can be used; it is held then. */
static struct vetch__http_slot *
take_idle(struct vetch__http_pool *pool, struct vetch__http_origin *o)
{
    while (!vetch__list_empty(&o->idle)) {
        struct vetch__http_slot *slot =
            vetch__container(o->idle.prev, struct vetch__http_slot, of_origin);

        if (pool->class->usable(slot)) {
            take_from_idle(pool, slot, VETCH__SLOT_HELD);
            return slot;
        }
        close_idle(pool, slot);
    }
    return NULL;
}

/* Open a connection for a waiter that has left the queue. The slot was counted
 * by the caller; if there will be no connection it is given back. */
static bool
open_slot(struct vetch__http_pool *pool, struct vetch__http_origin *o,
          struct vetch__http_waiter *w)
{
    struct vetch__http_slot *slot = pool->class->open(pool, o, w);

    if (slot == NULL) {
        o->n_slots--;
        pool->n_slots--;
        pool->class->fail(w);
        return false;
    }
    vetch__list_init(&slot->of_origin);
    vetch__list_init(&slot->of_pool);
    slot->origin = o;
    slot->state = VETCH__SLOT_HELD;
    return true;
}

/* A free slot for the oldest waiter that needs one, as long as there are. */
static void
fill_free_slots(struct vetch__http_pool *pool)
{
    struct vetch__http_origin *o;

    while (!pool->ended && pool->n_slots < pool->max_slots &&
           (o = oldest_starved(pool)) != NULL) {
        struct vetch__http_waiter *w = first_waiter(o);

        remove_waiter(pool, w);
        o->n_slots++;
        pool->n_slots++;
        open_slot(pool, o, w);
        origin_update(pool, o);
    }
}

/* Let the longest idle connections go where their slots are needed. */
static void
make_room(struct vetch__http_pool *pool)
{
    while (!vetch__list_empty(&pool->idle) && needs_room(pool))
        close_idle(pool, vetch__container(pool->idle.next,
                                          struct vetch__http_slot, of_pool));
}

int
vetch__http_pool_acquire(struct vetch__http_pool *pool, const char *endpoint,
                         size_t len, struct vetch__http_waiter *w)
{
    struct vetch__http_origin *o = origin_get(pool, endpoint, len);
    struct vetch__http_slot *slot;

    if (o == NULL)
        return -1;
    w->turn = pool->turns++;
    w->origin = NULL;
    /* An idle connection means that nobody else waits for it. */
    slot = take_idle(pool, o);
    if (slot != NULL) {
        pool->class->serve(slot, w);
        return 0;
    }
    w->origin = o;
    vetch__list_append(&o->waiters, &w->link);
    o->n_waiters++;
    pool->n_waiters++;
    origin_update(pool, o);
    fill_free_slots(pool);
    make_room(pool);
    return 0;
}

void
vetch__http_pool_leave(struct vetch__http_pool *pool,
                       struct vetch__http_waiter *w)
{
    struct vetch__http_origin *o = w->origin;

    if (o == NULL)
        return;
    remove_waiter(pool, w);
    origin_update(pool, o);
}

/* Whether the connection must go because another waiter has waited longer for
 * a slot than the next one for this connection. */
static bool
must_give_way(struct vetch__http_pool *pool, struct vetch__http_origin *o)
{
    struct vetch__http_origin *other = oldest_starved(pool);

    return other != NULL && other != o &&
           (o->n_waiters == 0 ||
            first_waiter(other)->turn < first_waiter(o)->turn) &&
           needs_room(pool);
}

void
vetch__http_pool_release(struct vetch__http_pool *pool,
                         struct vetch__http_slot *slot)
{
    struct vetch__http_origin *o = slot->origin;

    assert(slot->state == VETCH__SLOT_HELD);
    if (pool->ended || must_give_way(pool, o) ||
        (o->n_waiters > 0 && !pool->class->usable(slot))) {
        vetch__http_pool_closing(pool, slot);
        pool->class->close(slot);
    } else if (o->n_waiters > 0) {
        struct vetch__http_waiter *w = first_waiter(o);

        remove_waiter(pool, w);
        origin_update(pool, o);
        pool->class->serve(slot, w);
    } else {
        slot->state = VETCH__SLOT_IDLE;
        vetch__list_append(&o->idle, &slot->of_origin);
        vetch__list_append(&pool->idle, &slot->of_pool);
        pool->n_idle++;
        pool->class->idle(slot);
    }
}

void
vetch__http_pool_closing(struct vetch__http_pool *pool,
                         struct vetch__http_slot *slot)
{
    if (slot->state == VETCH__SLOT_IDLE) {
        take_from_idle(pool, slot, VETCH__SLOT_CLOSING);
    } else if (slot->state == VETCH__SLOT_HELD) {
        slot->state = VETCH__SLOT_CLOSING;
        pool->n_closing++;
    }
}

/* Take the slot from its connection; it stays counted. */
static struct vetch__http_origin *
slot_detach(struct vetch__http_pool *pool, struct vetch__http_slot *slot)
{
    struct vetch__http_origin *o = slot->origin;

    vetch__http_pool_closing(pool, slot);
    assert(slot->state == VETCH__SLOT_CLOSING);
    pool->n_closing--;
    slot->state = VETCH__SLOT_NONE;
    slot->origin = NULL;
    return o;
}

void
vetch__http_pool_gone(struct vetch__http_pool *pool,
                      struct vetch__http_slot *slot)
{
    struct vetch__http_origin *o = slot_detach(pool, slot);

    o->n_slots--;
    pool->n_slots--;
    origin_update(pool, o);
    fill_free_slots(pool);
    make_room(pool);
}

void
vetch__http_pool_replace(struct vetch__http_pool *pool,
                         struct vetch__http_slot *slot,
                         struct vetch__http_waiter *w)
{
    struct vetch__http_origin *o = slot_detach(pool, slot);

    if (pool->ended) {
        o->n_slots--;
        pool->n_slots--;
        pool->class->fail(w);
    } else {
        open_slot(pool, o, w);
    }
    origin_update(pool, o);
    fill_free_slots(pool);
}

void
vetch__http_pool_close_idle(struct vetch__http_pool *pool)
{
    while (!vetch__list_empty(&pool->idle))
        close_idle(pool, vetch__container(pool->idle.next,
                                          struct vetch__http_slot, of_pool));
}

static void
fail_waiters(struct vetch__http_pool *pool, struct vetch__http_origin *o)
{
    while (o->n_waiters > 0) {
        struct vetch__http_waiter *w = first_waiter(o);

        remove_waiter(pool, w);
        pool->class->fail(w);
    }
}

void
vetch__http_pool_end(struct vetch__http_pool *pool)
{
    struct vetch__http_origin *o, *next;

    pool->ended = true;
    vetch__http_pool_close_idle(pool);
    for (size_t i = 0; i < pool->n_buckets; i++)
        for (o = pool->buckets[i]; o != NULL; o = next) {
            next = o->next;
            fail_waiters(pool, o);
            origin_update(pool, o);
        }
}
