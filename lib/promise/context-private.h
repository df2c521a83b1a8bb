/* Switching between stacks. On x86-64 and aarch64 a few instructions of our
 * own, elsewhere (or with VETCH_UCONTEXT) ucontext, which makes a system call
 * each time. */
#ifndef VETCH_CONTEXT_PRIVATE_H
#define VETCH_CONTEXT_PRIVATE_H

#include <stddef.h>
#include <stdint.h>

#include <config.h>

#if !defined(VETCH_UCONTEXT) && !defined(__x86_64__) && !defined(__aarch64__)
#define VETCH_UCONTEXT 1
#endif

#ifdef VETCH_UCONTEXT
#include <ucontext.h>
struct vetch__context {
    ucontext_t ucontext;
};
#elif defined(__x86_64__)
struct vetch__context {
    void *sp, *bp, *ip;
    uint32_t mxcsr;
    uint32_t x87_control;
};
#else
struct vetch__context {
    void *sp; /* the registers are on the stack */
};
#endif

/* Prepare a context that, when first switched to, calls entry(arg) on the stack
 * [low, top). entry must not return. `top` is 16-byte aligned. */
void vetch__context_make(struct vetch__context *c, void *low, void *top,
                         void (*entry)(void *arg), void *arg);

/* Prepare a context that has finished its work in entry(arg), and waits in
 * there for more, to go on with the floating-point modes of its caller. It
 * may also begin anew. */
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
#elif defined(__x86_64__)
/* In line, and by a jump: the processor predicts a return by the call before
 * it, which was made on the other stack, so each call and return around a
 * switch costs as much as the switch. System V ABI: rbx, rbp, r12-r15, rsp,
 * MXCSR and the x87 control word are the callee's to preserve; the compiler
 * saves those registers that it uses. Loading the modes is slow, so that is
 * done only if they differ. */
static inline void
vetch__context_switch(struct vetch__context *from, struct vetch__context *to)
{
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rsp, 0(%0)\n\t"
                     "movq %%rbp, 8(%0)\n\t"
                     "movq %%rax, 16(%0)\n\t"
                     "stmxcsr 24(%0)\n\t"
                     "fnstcw 28(%0)\n\t"
                     "movq 0(%1), %%rsp\n\t"
                     "movq 8(%1), %%rbp\n\t"
                     "movl 24(%0), %%eax\n\t"
                     "cmpl 24(%1), %%eax\n\t"
                     "je 2f\n\t"
                     "ldmxcsr 24(%1)\n"
                     "2:\tmovzwl 28(%0), %%eax\n\t"
                     "cmpw 28(%1), %%ax\n\t"
                     "je 3f\n\t"
                     "fldcw 28(%1)\n"
                     "3:\tjmpq *16(%1)\n"
                     "1:"
                     : "+D"(from), "+S"(to)
                     :
                     : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11",
                       "r12", "r13", "r14", "r15", "xmm0", "xmm1", "xmm2",
                       "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                       "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15",
                       "cc", "memory");
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
