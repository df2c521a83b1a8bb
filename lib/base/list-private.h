/* A doubly linked list through links inside its members. */
#ifndef VETCH_LIST_PRIVATE_H
#define VETCH_LIST_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

struct vetch__list {
    struct vetch__list *next, *prev;
};

#define vetch__container(ptr, type, member)                                    \
    ((type *)((char *)(ptr)-offsetof(type, member)))

static inline void
vetch__list_init(struct vetch__list *head)
{
    head->next = head->prev = head;
}

static inline bool
vetch__list_empty(const struct vetch__list *head)
{
    return head->next == head;
}

static inline void
vetch__list_append(struct vetch__list *head, struct vetch__list *link)
{
    link->next = head;
    link->prev = head->prev;
    head->prev->next = link;
    head->prev = link;
}

/* Leaves the link pointing to itself, so that removing it again is harmless. */
static inline void
vetch__list_remove(struct vetch__list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = link->prev = link;
}

#endif
