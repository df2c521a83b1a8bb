/* The library's allocator: malloc(3) with a point where a test can make the
 * nth allocation fail. Thread: any. */
#ifndef VETCH_MEM_PRIVATE_H
#define VETCH_MEM_PRIVATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define vetch__likely(x)   __builtin_expect(!!(x), 1)
#define vetch__unlikely(x) __builtin_expect(!!(x), 0)

/* True while a test counts allocations; see vetch_testing(3). */
extern atomic_bool vetch__fault_armed;

/* Count one allocation; true if it has to fail (errno is ENOMEM then). */
bool vetch__fault_hit(void);

static inline bool
vetch__fault_is_armed(void)
{
    return vetch__unlikely(
        atomic_load_explicit(&vetch__fault_armed, memory_order_relaxed));
}

/* The check in front of every allocation, pooled ones included. */
static inline bool
vetch__fault(void)
{
    return vetch__fault_is_armed() && vetch__fault_hit();
}

void *vetch__malloc(size_t size);
void *vetch__calloc(size_t n, size_t size);
void *vetch__realloc(void *p, size_t size);
char *vetch__strdup(const char *s);
char *vetch__strndup(const char *s, size_t n);
void vetch__free(void *p); /* keeps errno */

#endif
