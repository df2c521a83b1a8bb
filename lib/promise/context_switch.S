/* What cannot be C of switching between stacks: where a context begins, and on
 * aarch64 the switch, void vetch__context_swap(void **from_sp, void *to_sp),
 * which saves on the stack that is left what a function call must preserve:
 * registers, and the control word of the floating-point unit.
 *
 * This is a file of assembler, and not of C with assembler in it, because a
 * compiler that is told to use shadow stacks (-fcf-protection) marks its objects
 * as fit for them. A switch by hand is not. Without the mark in one object the
 * linker leaves it out of the library, and the system does not turn shadow
 * stacks on in a process that has loaded it.
 *
 * The directives tell debuggers and unwinders how to go on: a backtrace of a
 * task ends at vetch__context_start. */

#ifndef VETCH_UCONTEXT

#if defined(__x86_64__)

/* The switch itself is in line, see context-private.h. The first one to a
 * context comes here: on the stack are the entry's argument and the entry. */
        .text
        .globl  vetch__context_start
        .hidden vetch__context_start
        .type   vetch__context_start, @function
        .p2align 4
vetch__context_start:
        .cfi_startproc
        .cfi_undefined rip
        popq    %rdi
        popq    %rax
        callq   *%rax
        hlt
        .cfi_endproc
        .size   vetch__context_start, . - vetch__context_start

#elif defined(__aarch64__)

/* AAPCS64: x19-x30, sp, d8-d15 and FPCR are the callee's to preserve. Writing
 * FPCR is slow, so that is done only if it differs. The way back is a return:
 * after any other branch, where branch targets are enforced, it would have to
 * be marked as one. */
        .text
        .globl  vetch__context_swap
        .hidden vetch__context_swap
        .type   vetch__context_swap, %function
        .p2align 4
vetch__context_swap:
        .cfi_startproc
        stp     x29, x30, [sp, #-176]!
        .cfi_def_cfa_offset 176
        .cfi_rel_offset x29, 0
        .cfi_rel_offset x30, 8
        stp     x19, x20, [sp, #16]
        .cfi_rel_offset x19, 16
        .cfi_rel_offset x20, 24
        stp     x21, x22, [sp, #32]
        .cfi_rel_offset x21, 32
        .cfi_rel_offset x22, 40
        stp     x23, x24, [sp, #48]
        .cfi_rel_offset x23, 48
        .cfi_rel_offset x24, 56
        stp     x25, x26, [sp, #64]
        .cfi_rel_offset x25, 64
        .cfi_rel_offset x26, 72
        stp     x27, x28, [sp, #80]
        .cfi_rel_offset x27, 80
        .cfi_rel_offset x28, 88
        stp     d8, d9, [sp, #96]
        stp     d10, d11, [sp, #112]
        stp     d12, d13, [sp, #128]
        stp     d14, d15, [sp, #144]
        mrs     x10, fpcr
        str     x10, [sp, #160]
        mov     x9, sp
        str     x9, [x0]
        mov     sp, x1
        ldr     x9, [sp, #160]
        cmp     x9, x10
        b.eq    1f
        msr     fpcr, x9
1:      ldp     x19, x20, [sp, #16]
        ldp     x21, x22, [sp, #32]
        ldp     x23, x24, [sp, #48]
        ldp     x25, x26, [sp, #64]
        ldp     x27, x28, [sp, #80]
        ldp     d8, d9, [sp, #96]
        ldp     d10, d11, [sp, #112]
        ldp     d12, d13, [sp, #128]
        ldp     d14, d15, [sp, #144]
        ldp     x29, x30, [sp], #176
        .cfi_def_cfa_offset 0
        .cfi_restore x19
        .cfi_restore x20
        .cfi_restore x21
        .cfi_restore x22
        .cfi_restore x23
        .cfi_restore x24
        .cfi_restore x25
        .cfi_restore x26
        .cfi_restore x27
        .cfi_restore x28
        .cfi_restore x29
        .cfi_restore x30
        ret
        .cfi_endproc
        .size   vetch__context_swap, . - vetch__context_swap

/* The entry is in x19, its argument in x20. */
        .globl  vetch__context_start
        .hidden vetch__context_start
        .type   vetch__context_start, %function
        .p2align 4
vetch__context_start:
        .cfi_startproc
        .cfi_undefined x30
        mov     x0, x20
        mov     x29, #0
        mov     x30, #0
        blr     x19
        brk     #0
        .cfi_endproc
        .size   vetch__context_start, . - vetch__context_start

#endif
#endif

        .section .note.GNU-stack, "", %progbits
