/* What the sanitizers and valgrind have to be told about stacks. Empty where
 * there is neither. */
#ifndef VETCH_SANITIZER_PRIVATE_H
#define VETCH_SANITIZER_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

#include <config.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VETCH__ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define VETCH__TSAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define VETCH__ASAN 1
#endif
#ifdef __SANITIZE_THREAD__
#define VETCH__TSAN 1
#endif

/* Instrumented code needs more stack. */
#if defined(VETCH__ASAN) || defined(VETCH__TSAN)
#define VETCH__SANITIZED_FACTOR 4
#else
#define VETCH__SANITIZED_FACTOR 1
#endif

#ifdef VETCH__ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define VETCH__STACK_UNPOISON(low, size) ASAN_UNPOISON_MEMORY_REGION(low, size)
#else
#define VETCH__STACK_UNPOISON(low, size) ((void)0)
#endif
#ifdef VETCH__TSAN
#include <sanitizer/tsan_interface.h>
#endif

#ifdef HAVE_VALGRIND_VALGRIND_H
#include <valgrind/memcheck.h>
#include <valgrind/valgrind.h>
#define VETCH__STACK_UNDEFINE(low, size)                                       \
    ((void)VALGRIND_MAKE_MEM_UNDEFINED(low, size))
#define VETCH__STACK_REGISTER(low, top) VALGRIND_STACK_REGISTER(low, top)
#define VETCH__STACK_DEREGISTER(id)     VALGRIND_STACK_DEREGISTER(id)
/* Around a look below the stack pointer, where nobody else may. */
#define VETCH__PEEK_BEGIN() VALGRIND_DISABLE_ERROR_REPORTING
#define VETCH__PEEK_END()   VALGRIND_ENABLE_ERROR_REPORTING
#else
#define VETCH__STACK_UNDEFINE(low, size) ((void)0)
#define VETCH__STACK_REGISTER(low, top)  0
#define VETCH__STACK_DEREGISTER(id)      ((void)(id))
#define VETCH__PEEK_BEGIN()              ((void)0)
#define VETCH__PEEK_END()                ((void)0)
#endif

/* A stack, as the address or the thread sanitizer sees it. */
struct vetch__fiber {
#ifdef VETCH__ASAN
    void *fake_stack;
    const void *low;
    size_t size;
#endif
#ifdef VETCH__TSAN
    void *tsan;
#endif
    char unused;
};

/* The frames on a stack are no more, though they have not returned. */
static inline void
vetch__stack_forget_frames(const void *low, const void *top)
{
    size_t size = (size_t)((const char *)top - (const char *)low);

    (void)size;
    VETCH__STACK_UNPOISON(low, size);
    VETCH__STACK_UNDEFINE(low, size);
}

/* Begin a stack: `f` is as the last user of the stack
 * left it, or zero. */
static inline void
vetch__fiber_new(struct vetch__fiber *f, const void *low, const void *top)
{
    (void)f;
    (void)low;
    (void)top;
#ifdef VETCH__ASAN
    f->fake_stack = NULL;
    f->low = low;
    f->size = (size_t)((const char *)top - (const char *)low);
#endif
#ifdef VETCH__TSAN
    if (f->tsan != NULL)
        __tsan_destroy_fiber(f->tsan);
    f->tsan = __tsan_create_fiber(0);
#endif
}

/* Just before a switch away. */
static inline void
vetch__fiber_leave(struct vetch__fiber *from, struct vetch__fiber *to)
{
    (void)from;
    (void)to;
#ifdef VETCH__ASAN
    __sanitizer_start_switch_fiber(&from->fake_stack, to->low, to->size);
#endif
#ifdef VETCH__TSAN
    from->tsan = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
}

/* The same, when the frames of `from` will never return. */
static inline void
vetch__fiber_leave_for_good(struct vetch__fiber *from, struct vetch__fiber *to)
{
    (void)from;
    (void)to;
#ifdef VETCH__ASAN
    __sanitizer_start_switch_fiber(NULL, to->low, to->size);
#endif
#ifdef VETCH__TSAN
    from->tsan = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
}

/* Just after the switch, on the new stack. `from` learns what the stack that
 * was left looks like (NULL: it is known). */
static inline void
vetch__fiber_arrive(struct vetch__fiber *here, struct vetch__fiber *from)
{
    (void)here;
    (void)from;
#ifdef VETCH__ASAN
    const void *low;
    size_t size;

    __sanitizer_finish_switch_fiber(here->fake_stack, &low, &size);
    if (from != NULL) {
        from->low = low;
        from->size = size;
    }
#endif
}

#endif
