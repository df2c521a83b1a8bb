/* Stacks for tasks.
 *
 * They are mapped in slabs of 64. A guard below each stops an overflow: by
 * MADV_GUARD_INSTALL where the kernel has it (Linux 6.13), which costs no
 * mapping of its own; else by mprotect(), which costs two, and since a process
 * has only so many (65,530 by default) its number of stacks is bounded then.
 *
 * A guard is much larger than a page: a function whose frame is large may touch
 * its far end first. What it costs is page tables, 2 KiB for each MiB, and the
 * time to fill them in; so where there are thousands of stacks, further ones
 * have smaller guards. A guard is installed when its stack is first taken, lest
 * the first task pays for all of the slab.
 *
 * What is free is used last in, first out; beyond a cap a free stack gives its
 * pages back, down to the one that its user keeps. The tops differ by 64-byte
 * steps, because stacks that all begin at the same offset of a page fight for
 * the same cache sets. */
#include "promise/stack-private.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem-private.h"
#include "promise/sanitizer-private.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#define STACKS_PER_SLAB 64
#define COLOURS         ((size_t)24)
#define LINE            ((size_t)64)
#define DEFAULT_MAPS    ((size_t)65530)
/* Where addresses are scarce, the large guard is smaller. */
#define LARGE_GUARD     ((size_t)(UINTPTR_MAX > UINT32_MAX ? 1048576 : 65536))
#define SMALL_GUARD     (LARGE_GUARD / 4)
#define LARGE_GUARDS    ((size_t)4096) /* so many have it */
#define MAPS_FOR_OTHERS ((size_t)4096)

enum guards {
    UNKNOWN, /* until there is one */
    INSTALLED,
    MAPPED
};

struct slab {
    struct slab *next;
    char *base;
    size_t guard_bytes; /* below each stack */
    unsigned valgrind_ids[STACKS_PER_SLAB];
};

struct vetch__stacks {
    struct vetch__stacks *next; /* of those that are leaked */
    struct slab *slabs;
    struct vetch__stack *free;
    size_t n_free, n_stacks;
    enum guards guards;
    size_t page;
    size_t stack_bytes;
    size_t user_bytes;
};

bool vetch__stacks_guard_by_mapping;

/* Stacks of the whole process whose guards cost mappings. */
static atomic_size_t n_mapped;

/* Not forgotten, so that leak detectors see that this is on purpose. */
static _Atomic(struct vetch__stacks *) leaked;

struct vetch__stacks *
vetch__stacks_new(size_t stack_bytes, size_t user_bytes)
{
    struct vetch__stacks *s = vetch__calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->page = (size_t)sysconf(_SC_PAGESIZE);
    s->stack_bytes = (stack_bytes + s->page - 1) / s->page * s->page;
    s->user_bytes = (user_bytes + LINE - 1) / LINE * LINE;
    return s;
}

/* From one stack of a slab to the next. */
static size_t
stride(const struct vetch__stacks *s, const struct slab *slab)
{
    return slab->guard_bytes + s->stack_bytes;
}

static char *
low_end(const struct vetch__stacks *s, const struct slab *slab, size_t i)
{
    return slab->base + i * stride(s, slab) + slab->guard_bytes;
}

void
vetch__stacks_free(struct vetch__stacks *s)
{
    struct slab *slab;

    while ((slab = s->slabs) != NULL) {
        size_t bytes = stride(s, slab) * STACKS_PER_SLAB;

        s->slabs = slab->next;
        for (size_t i = 0; i < STACKS_PER_SLAB; i++)
            VETCH__STACK_DEREGISTER(slab->valgrind_ids[i]);
        /* In one go, for which the address sanitizer drops its pages instead
         * of writing them. */
        VETCH__STACK_UNPOISON(slab->base, bytes);
        munmap(slab->base, bytes);
        vetch__free(slab);
    }
    if (s->guards == MAPPED)
        atomic_fetch_sub(&n_mapped, s->n_stacks);
    vetch__free(s);
}

void
vetch__stacks_leak(struct vetch__stacks *s)
{
    s->next = atomic_load(&leaked);
    while (!atomic_compare_exchange_weak(&leaked, &s->next, s))
        ;
}

/* ---- guards ---- */

static size_t
bound_of_mapped(void)
{
    FILE *f = fopen("/proc/sys/vm/max_map_count", "re");
    size_t maps = DEFAULT_MAPS;

    if (f != NULL) {
        if (fscanf(f, "%zu", &maps) != 1)
            maps = DEFAULT_MAPS;
        fclose(f);
    }
    if (maps > 2 * MAPS_FOR_OTHERS)
        return (maps - MAPS_FOR_OTHERS) / 2;
    return maps / 4;
}

/* The first guard of all tells what the kernel can do. */
static enum guards
kind_of_guards(const struct vetch__stacks *s, char *at)
{
    if (vetch__stacks_guard_by_mapping ||
        madvise(at, s->page, MADV_GUARD_INSTALL) < 0)
        return MAPPED;
    return INSTALLED;
}

static int
guard_stack(const struct vetch__stacks *s, struct vetch__stack *stack)
{
    size_t bytes = stack->unguarded_bytes;
    char *at = stack->low - bytes;
    int failed;

    if (s->guards == INSTALLED)
        failed = madvise(at, bytes, MADV_GUARD_INSTALL);
    else
        failed = mprotect(at, bytes, PROT_NONE);
    if (failed) {
        errno = EAGAIN;
        return -1;
    }
    stack->unguarded_bytes = 0;
    return 0;
}

/* Whether the process can have the guards of one slab more. */
static bool
reserve_guards(struct vetch__stacks *s, char *base)
{
    size_t before;

    if (s->guards == UNKNOWN)
        s->guards = kind_of_guards(s, base);
    if (s->guards == INSTALLED)
        return true;
    before = atomic_fetch_add(&n_mapped, STACKS_PER_SLAB);
    if (before + STACKS_PER_SLAB <= bound_of_mapped())
        return true;
    atomic_fetch_sub(&n_mapped, STACKS_PER_SLAB);
    return false;
}

/* ---- slabs ---- */

static char *
map_slab(struct vetch__stacks *s, size_t bytes)
{
    char *base =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

    if (base == MAP_FAILED)
        return NULL;
    madvise(base, bytes, MADV_NOHUGEPAGE);
    if (!reserve_guards(s, base)) {
        munmap(base, bytes);
        errno = EAGAIN;
        return NULL;
    }
    return base;
}

static void
stack_put(struct vetch__stacks *s, struct vetch__stack *stack)
{
    stack->next = s->free;
    s->free = stack;
    s->n_free++;
}

static size_t
next_guard_bytes(const struct vetch__stacks *s)
{
    if (s->guards == INSTALLED && s->n_stacks >= LARGE_GUARDS)
        return SMALL_GUARD;
    return LARGE_GUARD;
}

static int
stacks_grow(struct vetch__stacks *s)
{
    struct slab *slab;

    slab = vetch__malloc(sizeof(*slab));
    if (slab == NULL)
        return -1;
    slab->guard_bytes = next_guard_bytes(s);
    slab->base = map_slab(s, stride(s, slab) * STACKS_PER_SLAB);
    if (slab->base == NULL) {
        vetch__free(slab);
        return -1;
    }
    slab->next = s->slabs;
    s->slabs = slab;
    for (size_t i = STACKS_PER_SLAB; i-- > 0;) {
        char *low = low_end(s, slab, i);
        char *top = low + s->stack_bytes;
        size_t colour = (s->n_stacks + i) % COLOURS * LINE;
        struct vetch__stack *stack =
            (struct vetch__stack *)(top - s->user_bytes - colour);

        slab->valgrind_ids[i] = VETCH__STACK_REGISTER(low, top);
        stack->low = low;
        stack->unguarded_bytes = slab->guard_bytes;
        stack->fresh = true;
        stack_put(s, stack);
    }
    s->n_stacks += STACKS_PER_SLAB;
    return 0;
}

struct vetch__stack *
vetch__stack_take(struct vetch__stacks *s)
{
    struct vetch__stack *stack;

    if (vetch__fault())
        return NULL;
    if (s->free == NULL && stacks_grow(s) < 0)
        return NULL;
    stack = s->free;
    if (vetch__unlikely(stack->unguarded_bytes > 0) &&
        guard_stack(s, stack) < 0)
        return NULL;
    s->free = stack->next;
    s->n_free--;
    return stack;
}

/* All pages but the topmost ones, which the user's data is on. */
static void
give_pages_back(struct vetch__stacks *s, struct vetch__stack *stack)
{
    uintptr_t end = (uintptr_t)stack & ~(uintptr_t)(s->page - 1);

    if ((char *)end > stack->low)
        madvise(stack->low, (size_t)((char *)end - stack->low), MADV_DONTNEED);
    stack->fresh = true;
}

void
vetch__stack_give(struct vetch__stacks *s, struct vetch__stack *stack)
{
    if (s->n_free >= VETCH__WARM_STACKS)
        give_pages_back(s, stack);
    stack_put(s, stack);
}

size_t
vetch__stack_used(const struct vetch__stack *stack)
{
    const uint64_t *at = (const uint64_t *)(const void *)stack->low;
    const uint64_t *end = (const uint64_t *)(const void *)stack;

    VETCH__PEEK_BEGIN();
    while (at < end && *at == 0)
        at++;
    VETCH__PEEK_END();
    return (size_t)((const char *)end - (const char *)at);
}
