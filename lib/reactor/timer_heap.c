/* A heap with four children per node. Its entries carry the deadline, so that a
 * comparison touches neither timer nor lane; those know where their entry is,
 * so that it can be taken out. */

#include "reactor/timer-private.h"

#include <errno.h>

#define FIRST_ENTRIES ((size_t)64)

static void
heap_place(struct vetch__timer_heap *h, size_t i, struct vetch__timer_entry e)
{
    struct vetch__lane *lane = vetch__entry_lane(&e);

    h->entries[i] = e;
    if (lane != NULL)
        lane->index = i;
    else
        ((struct vetch__timer *)e.who)->u.index = i;
}

static void
heap_sift_up(struct vetch__timer_heap *h, size_t i, struct vetch__timer_entry e)
{
    while (i > 0) {
        size_t parent = (i - 1) / 4;

        if (h->entries[parent].deadline <= e.deadline)
            break;
        heap_place(h, i, h->entries[parent]);
        i = parent;
    }
    heap_place(h, i, e);
}

static size_t
heap_earliest_child(const struct vetch__timer_heap *h, size_t i)
{
    size_t child = 4 * i + 1, best = child;
    size_t end = child + 4 < h->n ? child + 4 : h->n;

    while (++child < end) {
        if (h->entries[child].deadline < h->entries[best].deadline)
            best = child;
    }
    return best;
}

static void
heap_sift_down(struct vetch__timer_heap *h, size_t i,
               struct vetch__timer_entry e)
{
    while (4 * i + 1 < h->n) {
        size_t child = heap_earliest_child(h, i);

        if (e.deadline <= h->entries[child].deadline)
            break;
        heap_place(h, i, h->entries[child]);
        i = child;
    }
    heap_place(h, i, e);
}

/* Put e where the entry at i was. */
static void
heap_replace(struct vetch__timer_heap *h, size_t i, struct vetch__timer_entry e)
{
    if (i > 0 && e.deadline < h->entries[(i - 1) / 4].deadline)
        heap_sift_up(h, i, e);
    else
        heap_sift_down(h, i, e);
}

void
vetch__timer_heap_insert(struct vetch__timer_heap *h,
                         struct vetch__timer_entry e)
{
    heap_sift_up(h, h->n++, e);
}

void
vetch__timer_heap_remove(struct vetch__timer_heap *h, size_t i)
{
    struct vetch__timer_entry last = h->entries[--h->n];

    if (i < h->n)
        heap_replace(h, i, last);
}

void
vetch__timer_heap_postpone(struct vetch__timer_heap *h, uint64_t deadline)
{
    struct vetch__timer_entry e = { deadline, h->entries[0].who };

    heap_sift_down(h, 0, e);
}

static int
heap_resize(struct vetch__timer_heap *h, size_t capacity)
{
    struct vetch__timer_entry *entries = vetch__realloc(
        h->entries, capacity * sizeof(struct vetch__timer_entry));

    if (entries == NULL)
        return -1;
    h->entries = entries;
    h->capacity = capacity;
    return 0;
}

int
vetch__timer_heap_grow(struct vetch__timer_heap *h)
{
    return heap_resize(h, h->capacity > 0 ? h->capacity * 2 : FIRST_ENTRIES);
}

/* The gap between growing and shrinking keeps it from swinging. */
void
vetch__timer_heap_shrink(struct vetch__timer_heap *h)
{
    int saved = errno;

    if (vetch__likely(h->n >= h->capacity / 8) ||
        h->capacity <= 16 * FIRST_ENTRIES)
        return;
    heap_resize(h, h->capacity / 4);
    errno = saved;
}
