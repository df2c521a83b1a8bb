/* Making contexts: what a stack must look like for the first switch to it. The
 * switch itself is in context_switch.S. */
#include "promise/context-private.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef VETCH_UCONTEXT

/* makecontext() passes ints: a pointer takes two. */
static void
start(unsigned entry_low, unsigned entry_high, unsigned arg_low,
      unsigned arg_high)
{
    uintptr_t entry = entry_low | (uintptr_t)entry_high << 16 << 16;
    uintptr_t arg = arg_low | (uintptr_t)arg_high << 16 << 16;

    ((void (*)(void *))entry)((void *)arg);
    abort();
}

void
vetch__context_make(struct vetch__context *c, void *low, void *top,
                    void (*entry)(void *arg), void *arg)
{
    uintptr_t e = (uintptr_t)entry, a = (uintptr_t)arg;

    getcontext(&c->ucontext);
    c->ucontext.uc_stack.ss_sp = low;
    c->ucontext.uc_stack.ss_size = (size_t)((char *)top - (char *)low);
    c->ucontext.uc_link = NULL;
    makecontext(&c->ucontext, (void (*)(void))start, 4, (unsigned)e,
                (unsigned)(e >> 16 >> 16), (unsigned)a,
                (unsigned)(a >> 16 >> 16));
}

void
vetch__context_renew(struct vetch__context *c, void *low, void *top,
                     void (*entry)(void *arg), void *arg)
{
    vetch__context_make(c, low, top, entry, arg);
}

#else

void vetch__context_start(void);

#ifdef __x86_64__

static void
set_modes(struct vetch__context *c)
{
    uint16_t control;

    __asm__("stmxcsr %0" : "=m"(c->mxcsr));
    __asm__("fnstcw %0" : "=m"(control));
    c->x87_control = control;
}

/* What vetch__context_start finds on the stack; the last two keep it
 * aligned. */
static void
set_start(struct vetch__context *c, void *top, void (*entry)(void *arg),
          void *arg)
{
    void **sp = (void **)top - 2;

    sp[0] = arg;
    sp[1] = (void *)(uintptr_t)entry;
    c->sp = sp;
    c->bp = NULL;
    c->ip = (void *)(uintptr_t)vetch__context_start;
}

#else

struct frame {
    uintptr_t x29, x30, x19, x20, x21_28[8];
    uint64_t d8_15[8];
    uint64_t fpcr, unused;
};

/* Of a context that waits in vetch__context_swap. */
static void
set_modes(struct vetch__context *c)
{
    struct frame *f = c->sp;

    __asm__("mrs %0, fpcr" : "=r"(f->fpcr));
}

static void
set_start(struct vetch__context *c, void *top, void (*entry)(void *arg),
          void *arg)
{
    struct frame *f = (struct frame *)top - 1;

    memset(f, 0, sizeof(*f));
    c->sp = f;
    f->x30 = (uintptr_t)vetch__context_start;
    f->x19 = (uintptr_t)entry;
    f->x20 = (uintptr_t)arg;
}

#endif

void
vetch__context_make(struct vetch__context *c, void *low, void *top,
                    void (*entry)(void *arg), void *arg)
{
    (void)low;
    set_start(c, top, entry, arg);
    set_modes(c);
}

void
vetch__context_renew(struct vetch__context *c, void *low, void *top,
                     void (*entry)(void *arg), void *arg)
{
    (void)low;
    (void)top;
    (void)entry;
    (void)arg;
    set_modes(c);
}

#endif
