/* Stacks for tasks: pooled, each with a guard below it. */
#ifndef VETCH_STACK_PRIVATE_H
#define VETCH_STACK_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

/* Free stacks that keep their pages. */
#define VETCH__WARM_STACKS ((size_t)4096)

/* For tests: do as on a kernel without MADV_GUARD_INSTALL. */
extern bool vetch__stacks_guard_by_mapping;

/* All stacks of one reactor. */
struct vetch__stacks;

/* What every stack begins with, at its top: the user of the stack puts this
 * first into what it keeps there, and leaves it alone. */
struct vetch__stack {
    struct vetch__stack *next; /* while it is free */
    char *low;                 /* the other end, above the guard */
    size_t unguarded_bytes;    /* of the guard that is to be installed */
    bool fresh;                /* nothing has run on it yet */
};

/* `user_bytes` is how much its user keeps at the top of each stack. */
struct vetch__stacks *vetch__stacks_new(size_t stack_bytes, size_t user_bytes);
/* Unmaps all of them, even those in use. */
void vetch__stacks_free(struct vetch__stacks *s);
/* Leave them all as they are: something that cannot be stopped uses one. */
void vetch__stacks_leak(struct vetch__stacks *s);

/* A stack that is not in use, as its last user left it; below the address
 * returned it is free to run on. NULL and errno: ENOMEM; EAGAIN, the process
 * cannot have more of them. */
struct vetch__stack *vetch__stack_take(struct vetch__stacks *s);
void vetch__stack_give(struct vetch__stacks *s, struct vetch__stack *stack);
/* How many bytes of a stack were ever touched: a walk from its low end. */
size_t vetch__stack_used(const struct vetch__stack *stack);

#endif
