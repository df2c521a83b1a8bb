/* A kit for testing programs that use vetch; see vetch_testing(3).
 * Everything here: Thread: reactor. */
#ifndef VETCH_TESTING_H
#define VETCH_TESTING_H

#include <vetch/types.h>

VETCH_BEGIN_DECLS

/* Put this thread's reactor on a virtual clock: time stands still until
 * vetch_testing_advance(). Errors: -1 and errno EPERM without a reactor. */
VETCH_EXPORT int vetch_testing_virtual_clock(void);

/* Move the virtual clock on: every timer that is due fires in order, each at
 * its own time, with the ready queue drained after each. */
VETCH_EXPORT void vetch_testing_advance(double seconds);

/* Run what is ready (callbacks, I/O that needs no waiting) until nothing is. */
VETCH_EXPORT void vetch_testing_run_ready(void);

/* Run what is ready in another order, decided by `seed` (0: in order again), as
 * far as the order is not promised: handlers of one promise, and calls of
 * vetch_call_soon(), stay in theirs. The same seed gives the same order.
 * Errors: -1 and errno EPERM without a reactor. */
VETCH_EXPORT int vetch_testing_shuffle(uint64_t seed);

/* Make the n-th connection attempt of this reactor from now on (1: the next)
 * fail at once with `errnum`; 0 ends it. Errors: -1 and errno: EPERM, EINVAL.
 */
VETCH_EXPORT int vetch_testing_fail_connect(uint64_t nth, int errnum);

/* Let every write of this reactor's connections take at most `limit_bytes`, as
 * a slow peer would; VETCH_NO_LIMIT ends it. Errors: -1 and errno: EPERM;
 * EINVAL for 0. */
VETCH_EXPORT int vetch_testing_short_writes(size_t limit_bytes);

/* Make the n-th allocation of the library from now on (1: the next) fail, and
 * with `and_after` each one after it; 0 ends it. Threads: all of the process
 * count. */
VETCH_EXPORT void vetch_testing_fail_allocation(uint64_t nth, bool and_after);
/* How many allocations there were from the last such call with `nth` above 0
 * until the call that ended it, or until now. */
VETCH_EXPORT uint64_t vetch_testing_allocations(void);
/* The library's allocator, to be given to libraries below (libevent, a JSON
 * library…), so that their allocations count and fail too. */
VETCH_EXPORT void *vetch_testing_malloc(size_t size);
VETCH_EXPORT void *vetch_testing_realloc(void *p, size_t size);
VETCH_EXPORT void vetch_testing_free(void *p);

VETCH_END_DECLS

#endif
