/* A pool of 64-byte nodes in slabs aligned to their own size.
 *
 * The free list is last in, first out, so that the node used next is the one
 * most likely in the cache. Slabs are kept until the pool goes: the first touch
 * of a fresh page costs more than a hundred promises. A free node has the type
 * VETCH__FREED, which is how a walk tells it from a live one. */
#include "base/pool-private.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem-private.h"

#define NODES_PER_SLAB (VETCH__SLAB_SIZE / VETCH__NODE_SIZE)

static_assert(sizeof(struct vetch__slab) <= VETCH__NODE_SIZE,
              "the first node of a slab holds its header");
static_assert(sizeof(struct vetch__pool_free) <= VETCH__NODE_SIZE,
              "a free node holds the link of the free list");

static void *
slab_node(struct vetch__slab *slab, size_t i)
{
    return (char *)slab + i * VETCH__NODE_SIZE;
}

static void
pool_put(struct vetch__pool_free **list, void *node)
{
    struct vetch__pool_free *f = node;

    f->object.type = VETCH__FREED;
    f->next = *list;
    *list = f;
    VETCH__POOL_HIDE(f);
}

/* Nodes enter the free list from the last to the first, so that a fresh slab
 * is used in the order of its addresses. */
int
vetch__pool_grow(struct vetch__pool *pool)
{
    struct vetch__slab *slab;

    slab = aligned_alloc(VETCH__SLAB_SIZE, VETCH__SLAB_SIZE);
    if (slab == NULL)
        return -1;
    slab->pool = pool;
    slab->next = pool->slabs;
    pool->slabs = slab;
    for (size_t i = NODES_PER_SLAB - 1; i > 0; i--)
        pool_put(&pool->free, slab_node(slab, i));
    return 0;
}

void
vetch__pool_destroy(struct vetch__pool *pool)
{
    struct vetch__slab *slab, *next;

    for (slab = pool->slabs; slab != NULL; slab = next) {
        next = slab->next;
        free(slab);
    }
    vetch__free(pool);
}

struct vetch__pool *
vetch__pool_new(void *owner)
{
    struct vetch__pool *pool = vetch__calloc(1, sizeof(*pool));

    if (pool == NULL)
        return NULL;
    pool->owner = owner;
    if (vetch__fault() || vetch__pool_grow(pool) < 0) {
        vetch__free(pool);
        return NULL;
    }
    for (int i = 0; i < VETCH__POOL_RESERVE; i++) {
        struct vetch__pool_free *f = pool->free;

        pool->free = f->next;
        pool_put(&pool->reserve, f);
    }
    return pool;
}

void
vetch__pool_release(struct vetch__pool *pool)
{
    pool->owner = NULL;
    if (pool->live == 0)
        vetch__pool_destroy(pool);
}

void *
vetch__pool_alloc_reserved(struct vetch__pool *pool, enum vetch__type type)
{
    struct vetch__pool_free *f = pool->reserve;

    if (f == NULL)
        return NULL;
    pool->reserve = f->next;
    pool->live++;
    VETCH__POOL_SHOW(f);
    f->object.type = (uint16_t)type;
    return f;
}

void
vetch__pool_free_reserved(void *node)
{
    struct vetch__pool *pool = vetch__pool_of(node);

    pool_put(&pool->reserve, node);
    if (--pool->live == 0 && pool->owner == NULL)
        vetch__pool_destroy(pool);
}

bool
vetch__pool_any(struct vetch__pool *pool, bool (*fn)(void *node))
{
    for (struct vetch__slab *s = pool->slabs; s != NULL; s = s->next) {
        for (size_t i = 1; i < NODES_PER_SLAB; i++) {
            struct vetch__object *object = slab_node(s, i);

            if (object->type != VETCH__FREED && fn(object))
                return true;
        }
    }
    return false;
}

void
vetch__pool_walk(struct vetch__pool *pool, void (*fn)(void *node, void *ctx),
                 void *ctx)
{
    for (struct vetch__slab *s = pool->slabs; s != NULL; s = s->next) {
        for (size_t i = 1; i < NODES_PER_SLAB; i++) {
            struct vetch__object *object = slab_node(s, i);

            if (object->type != VETCH__FREED)
                fn(object, ctx);
        }
    }
}
