/* Options begin with their size: a program that was built with an older or a
 * newer library has a shorter or a longer structure than ours. */
#ifndef VETCH_OPTIONS_PRIVATE_H
#define VETCH_OPTIONS_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Read what both sides know over the defaults in `to`; NULL changes nothing.
 * False: `from` was not initialised. */
static inline bool
vetch__options_read(void *to, size_t room, const void *from)
{
    size_t size = room;

    if (from == NULL)
        return true;
    memcpy(&size, from, sizeof(size));
    if (size < sizeof(size))
        return false;
    memcpy(to, from, size < room ? size : room);
    return true;
}

#endif
