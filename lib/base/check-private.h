/* Misuse of the public interface: logged, errno set, the call refused; a
 * build with --enable-debug aborts instead. */
#ifndef VETCH_CHECK_PRIVATE_H
#define VETCH_CHECK_PRIVATE_H

#include <errno.h>

/* Log the call, or abort. */
void vetch__misuse(const char *function, const char *expression);

#define VETCH_CHECK(expr, err, result)                                         \
    do {                                                                       \
        if (__builtin_expect(!(expr), 0)) {                                    \
            vetch__misuse(__func__, #expr);                                    \
            errno = (err);                                                     \
            return result;                                                     \
        }                                                                      \
    } while (0)

#endif
