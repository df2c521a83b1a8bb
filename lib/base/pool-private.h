/* A pool of nodes of one cache line. Nodes come from slabs that are aligned to
 * their own size, so that a node's slab, and by it the pool and the reactor,
 * is found by masking its address; walking the slabs finds every live node. */
#ifndef VETCH_POOL_PRIVATE_H
#define VETCH_POOL_PRIVATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/mem-private.h"
#include "base/object-private.h"

#define VETCH__NODE_SIZE ((size_t)64)
#define VETCH__SLAB_SIZE ((size_t)65536)

struct vetch__pool {
    struct vetch__pool_free *free;    /* the free node used last comes first */
    struct vetch__pool_free *reserve; /* for what must not fail */
    struct vetch__slab *slabs;
    size_t live; /* nodes handed out */
    void *owner; /* the reactor; NULL when it has ended */
};

struct vetch__pool_free {
    struct vetch__object object; /* type VETCH__FREED */
    struct vetch__pool_free *next;
};

struct vetch__slab {
    struct vetch__slab *next;
    struct vetch__pool *pool;
};

struct vetch__pool *vetch__pool_new(void *owner);
/* Free the pool once its last node has come back. */
void vetch__pool_release(struct vetch__pool *pool);
/* Make more free nodes; -1 and ENOMEM. */
int vetch__pool_grow(struct vetch__pool *pool);
/* The last node of a pool without owner came back. */
void vetch__pool_destroy(struct vetch__pool *pool);

/* Under the address sanitizer nobody may touch a free node, but for what the
 * pool itself keeps in it. */
#if defined(__SANITIZE_ADDRESS__)
#define VETCH__POOL_ASAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VETCH__POOL_ASAN
#endif
#endif
#ifdef VETCH__POOL_ASAN
#include <sanitizer/asan_interface.h>
#define VETCH__POOL_HIDE(node)                                                 \
    ASAN_POISON_MEMORY_REGION(                                                 \
        (char *)(node) + sizeof(struct vetch__pool_free),                      \
        VETCH__NODE_SIZE - sizeof(struct vetch__pool_free))
#define VETCH__POOL_SHOW(node)                                                 \
    ASAN_UNPOISON_MEMORY_REGION(node, VETCH__NODE_SIZE)
#else
#define VETCH__POOL_HIDE(node) ((void)0)
#define VETCH__POOL_SHOW(node) ((void)0)
#endif

static inline struct vetch__pool *
vetch__pool_of(const void *node)
{
    uintptr_t slab = (uintptr_t)node & ~(uintptr_t)(VETCH__SLAB_SIZE - 1);

    return ((struct vetch__slab *)slab)->pool;
}

/* Whether a node can be had without a call. */
static inline bool
vetch__pool_is_warm(const struct vetch__pool *pool)
{
    return vetch__likely(pool->free != NULL && !vetch__fault_is_armed());
}

static inline void *
vetch__pool_pop(struct vetch__pool *pool, enum vetch__type type)
{
    struct vetch__pool_free *f = pool->free;

    pool->free = f->next;
    pool->live++;
    VETCH__POOL_SHOW(f);
    f->object.type = (uint16_t)type;
    return f;
}

/* A node with undefined content but its type; NULL and ENOMEM. Inline, as those
 * around it: they are a good part of what a promise costs. */
static inline void *
vetch__pool_alloc(struct vetch__pool *pool, enum vetch__type type)
{
    if (vetch__fault())
        return NULL;
    if (vetch__unlikely(pool->free == NULL) && vetch__pool_grow(pool) < 0)
        return NULL;
    return vetch__pool_pop(pool, type);
}

static inline void
vetch__pool_free(void *node)
{
    struct vetch__pool *pool = vetch__pool_of(node);
    struct vetch__pool_free *f = node;

    f->object.type = VETCH__FREED;
    f->next = pool->free;
    pool->free = f;
    VETCH__POOL_HIDE(f);
    if (vetch__unlikely(--pool->live == 0) && pool->owner == NULL)
        vetch__pool_destroy(pool);
}

/* The same from a reserve of VETCH__POOL_RESERVE nodes that was set aside when
 * the pool was made; NULL if all of them are in use. */
#define VETCH__POOL_RESERVE 128
void *vetch__pool_alloc_reserved(struct vetch__pool *pool,
                                 enum vetch__type type);
void vetch__pool_free_reserved(void *node);

/* Call fn for each node handed out; fn may free nodes and make new ones, which
 * it may or may not be shown. */
void vetch__pool_walk(struct vetch__pool *pool,
                      void (*fn)(void *node, void *ctx), void *ctx);
/* Whether fn is true of one of them. */
bool vetch__pool_any(struct vetch__pool *pool, bool (*fn)(void *node));

#endif
