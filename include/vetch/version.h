/* The version of the header at compile time and of the library at run time. */

#ifndef VETCH_VERSION_H
#define VETCH_VERSION_H

#include <vetch/export.h>

#define VETCH_VERSION_MAJOR 0
#define VETCH_VERSION_MINOR 1
#define VETCH_VERSION_PATCH 0
#define VETCH_VERSION       "0.1.0"

VETCH_BEGIN_DECLS

/* The version of the library that the program runs with, as VETCH_VERSION.
 *
 * Ownership: returns a constant.
 * Errors:    none.
 * Thread:    any. */
VETCH_EXPORT const char *vetch_version(void);

VETCH_END_DECLS

#endif
