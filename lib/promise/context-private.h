/* Switching between stacks. On x86-64 and aarch64 a few instructions of our
 * own, elsewhere (or with VETCH_UCONTEXT) ucontext, which makes a system call
 * each time. */
#ifndef VETCH_CONTEXT_PRIVATE_H
#define VETCH_CONTEXT_PRIVATE_H

#include <stddef.h>

#include <config.h>

#if !defined(VETCH_UCONTEXT) && !defined(__x86_64__) && !defined(__aarch64__)
#define VETCH_UCONTEXT 1
#endif

#ifdef VETCH_UCONTEXT
#include <ucontext.h>
struct vetch__context {
    ucontext_t ucontext;
};
#else
struct vetch__context {
    void *sp;
};
#endif

/* Prepare a context that, when first switched to, calls entry(arg) on the stack
 * [low, top). entry must not return. `top` is 16-byte aligned. */
void vetch__context_make(struct vetch__context *c, void *low, void *top,
                         void (*entry)(void *arg), void *arg);

/* Prepare a context that has finished its work in entry(arg), and waits in there
 * for more, to go on with the floating-point modes of who calls this. It may
 * also begin anew. */
void vetch__context_renew(struct vetch__context *c, void *low, void *top,
                          void (*entry)(void *arg), void *arg);

/* A switch preserves what a function call does, floating-point modes among
 * it. */
#ifdef VETCH_UCONTEXT
static inline void
vetch__context_switch(struct vetch__context *from, struct vetch__context *to)
{
    swapcontext(&from->ucontext, &to->ucontext);
}
#else
void vetch__context_swap(void **from_sp, void *to_sp);
static inline void
vetch__context_switch(struct vetch__context *from, struct vetch__context *to)
{
    vetch__context_swap(&from->sp, to->sp);
}
#endif

#endif
