/* The switch between two stacks: void vetch__context_swap(void **from_sp, void
 * *to_sp). What a function call must preserve is saved on the stack that is
 * left: registers, and the control words of the floating-point units.
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

/* System V ABI: rbx, rbp, r12-r15, rsp, MXCSR and the x87 control word are the
 * callee's to preserve. Loading the last two is slow, so that is done only if
 * they differ. The way back is an indirect jump and not a return: the
 * processor's return predictor would miss each time. */
        .text
        .globl  vetch__context_swap
        .hidden vetch__context_swap
        .type   vetch__context_swap, @function
        .p2align 4
vetch__context_swap:
        .cfi_startproc
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset r15, 0
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        stmxcsr (%rsp)
        fnstcw  4(%rsp)
        movl    (%rsp), %eax
        movl    4(%rsp), %ecx
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp
        cmpl    (%rsp), %eax
        jne     2f
1:      cmpw    4(%rsp), %cx
        jne     3f
4:      .cfi_remember_state
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore rbp
        popq    %rcx
        .cfi_adjust_cfa_offset -8
        .cfi_register rip, rcx
        jmpq    *%rcx
        .cfi_restore_state
2:      ldmxcsr (%rsp)
        jmp     1b
3:      fldcw   4(%rsp)
        jmp     4b
        .cfi_endproc
        .size   vetch__context_swap, . - vetch__context_swap

/* The first switch to a context comes here: the entry is in r12, its argument
 * in r13. */
        .globl  vetch__context_start
        .hidden vetch__context_start
        .type   vetch__context_start, @function
        .p2align 4
vetch__context_start:
        .cfi_startproc
        .cfi_undefined rip
        movq    %r13, %rdi
        callq   *%r12
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
