/* Switching between stacks: only what a function call must preserve is saved,
 * on the stack that is left. The way back is an indirect jump and not a return:
 * the processor's return predictor would miss each time.
 *
 * The control words of the floating-point units are not switched: a task that
 * changes the rounding mode changes it for its thread. */
#include "promise/context-private.h"

#include <stdint.h>
#include <stdlib.h>

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

#elif defined(__x86_64__)

/* System V ABI: rbx, rbp, r12-r15 and rsp are the callee's to preserve. */
__asm__(".text\n"
        ".globl vetch__context_swap\n"
        ".hidden vetch__context_swap\n"
        ".type vetch__context_swap, @function\n"
        ".p2align 4\n"
        "vetch__context_swap:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    popq %rcx\n"
        "    jmpq *%rcx\n"
        ".size vetch__context_swap, . - vetch__context_swap\n"
        /* The first switch to a context comes here: the entry is in r12, its
         * argument in r13; rbp is 0, where unwinding ends. */
        ".type vetch__context_start, @function\n"
        ".hidden vetch__context_start\n"
        ".globl vetch__context_start\n"
        "vetch__context_start:\n"
        "    movq %r13, %rdi\n"
        "    callq *%r12\n"
        "    hlt\n"
        ".size vetch__context_start, . - vetch__context_start\n"
        ".section .note.GNU-stack,\"\",@progbits\n"
        ".text\n");

void vetch__context_start(void);

void
vetch__context_make(struct vetch__context *c, void *low, void *top,
                    void (*entry)(void *arg), void *arg)
{
    uintptr_t *sp = top;

    (void)low;
    *--sp = 0; /* keeps the stack aligned at the call */
    *--sp = 0;
    *--sp = (uintptr_t)vetch__context_start;
    *--sp = 0;                /* rbp */
    *--sp = 0;                /* rbx */
    *--sp = (uintptr_t)entry; /* r12 */
    *--sp = (uintptr_t)arg;   /* r13 */
    *--sp = 0;                /* r14 */
    *--sp = 0;                /* r15 */
    c->sp = sp;
}

#elif defined(__aarch64__)

/* AAPCS64: x19-x30, sp and d8-d15 are the callee's to preserve. */
__asm__(".text\n"
        ".globl vetch__context_swap\n"
        ".hidden vetch__context_swap\n"
        ".type vetch__context_swap, %function\n"
        ".p2align 4\n"
        "vetch__context_swap:\n"
        "    stp x29, x30, [sp, #-160]!\n"
        "    stp x19, x20, [sp, #16]\n"
        "    stp x21, x22, [sp, #32]\n"
        "    stp x23, x24, [sp, #48]\n"
        "    stp x25, x26, [sp, #64]\n"
        "    stp x27, x28, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x19, x20, [sp, #16]\n"
        "    ldp x21, x22, [sp, #32]\n"
        "    ldp x23, x24, [sp, #48]\n"
        "    ldp x25, x26, [sp, #64]\n"
        "    ldp x27, x28, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    ldp x29, x30, [sp], #160\n"
        "    br x30\n"
        ".size vetch__context_swap, . - vetch__context_swap\n"
        /* The entry is in x19, its argument in x20. */
        ".type vetch__context_start, %function\n"
        ".hidden vetch__context_start\n"
        ".globl vetch__context_start\n"
        "vetch__context_start:\n"
        "    mov x0, x20\n"
        "    mov x29, #0\n"
        "    mov x30, #0\n"
        "    blr x19\n"
        "    brk #0\n"
        ".size vetch__context_start, . - vetch__context_start\n"
        ".section .note.GNU-stack,\"\",%progbits\n"
        ".text\n");

void vetch__context_start(void);

void
vetch__context_make(struct vetch__context *c, void *low, void *top,
                    void (*entry)(void *arg), void *arg)
{
    uintptr_t *sp = (uintptr_t *)top - 20;

    (void)low;
    for (int i = 0; i < 20; i++)
        sp[i] = 0;
    sp[1] = (uintptr_t)vetch__context_start; /* x30 */
    sp[2] = (uintptr_t)entry;                /* x19 */
    sp[3] = (uintptr_t)arg;                  /* x20 */
    c->sp = sp;
}

#endif
