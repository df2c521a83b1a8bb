/* The allocator of the library and of those below that are given the
 * vetch_testing_… functions. While a test counts, each allocation takes a
 * number, and those that the test chose fail. The counter is one for the whole
 * process, because an allocation may be made on any thread. */

#include "base/mem-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <vetch/testing.h>

atomic_bool vetch__fault_armed;

static atomic_uint_fast64_t n_allocations;
static atomic_uint_fast64_t fail_at;
static atomic_bool fail_after;

bool
vetch__fault_hit(void)
{
    uint64_t n = atomic_fetch_add(&n_allocations, 1) + 1;
    uint64_t at = atomic_load(&fail_at);

    if (n != at && (n < at || !atomic_load(&fail_after)))
        return false;
    errno = ENOMEM;
    return true;
}

void
vetch_testing_fail_allocation(uint64_t nth, bool and_after)
{
    atomic_store(&vetch__fault_armed, false);
    if (nth == 0)
        return;
    atomic_store(&n_allocations, 0);
    atomic_store(&fail_at, nth);
    atomic_store(&fail_after, and_after);
    atomic_store(&vetch__fault_armed, true);
}

uint64_t
vetch_testing_allocations(void)
{
    return atomic_load(&n_allocations);
}

void *
vetch__malloc(size_t size)
{
    if (vetch__fault())
        return NULL;
    return malloc(size);
}

void *
vetch__calloc(size_t n, size_t size)
{
    if (vetch__fault())
        return NULL;
    return calloc(n, size);
}

void *
vetch__realloc(void *p, size_t size)
{
    if (vetch__fault())
        return NULL;
    return realloc(p, size);
}

char *
vetch__strndup(const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *copy = vetch__malloc(len + 1);

    if (copy == NULL)
        return NULL;
    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *
vetch__strdup(const char *s)
{
    return vetch__strndup(s, strlen(s));
}

void
vetch__free(void *p)
{
    int saved = errno; /* older C libraries change it in free() */

    free(p);
    errno = saved;
}

void *
vetch_testing_malloc(size_t size)
{
    return vetch__malloc(size);
}

void *
vetch_testing_realloc(void *p, size_t size)
{
    return vetch__realloc(p, size);
}

void
vetch_testing_free(void *p)
{
    vetch__free(p);
}
