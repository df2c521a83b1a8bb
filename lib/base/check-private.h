/* Misuse of the public interface: logged, errno set, the call refused; a
 * build with --enable-debug aborts instead. */
#ifndef VETCH_CHECK_PRIVATE_H
#define VETCH_CHECK_PRIVATE_H

#include <errno.h>
#include <stdlib.h>

/* Log the call, or abort. */
void vetch__misuse(const char *function, const char *expression)
    __attribute__((cold));
/* What a call on a wrong thread comes to in a debug build. */
#ifdef VETCH_DEBUG_BUILD
#define VETCH__ABORT_IN_DEBUG_BUILD() abort()
#else
#define VETCH__ABORT_IN_DEBUG_BUILD() ((void)0)
#endif

#define VETCH_CHECK(expr, err, result)                                         \
    VETCH_CHECK_RELEASING(expr, (void)0, err, result)

/* The same where the call consumes something: `release` is done with it. */
#define VETCH_CHECK_RELEASING(expr, release, err, result)                      \
    do {                                                                       \
        if (__builtin_expect(!(expr), 0)) {                                    \
            vetch__misuse(__func__, #expr);                                    \
            release;                                                           \
            errno = (err);                                                     \
            return result;                                                     \
        }                                                                      \
    } while (0)

#endif
