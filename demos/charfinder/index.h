/* The words of the names of Unicode's characters, and where they occur. */
#ifndef DEMOS_CHARFINDER_INDEX_H
#define DEMOS_CHARFINDER_INDEX_H

#include "codes.h"

/* Never changes once it is made, so threads may share it. */
struct char_index;

/* Of the characters that ICU knows. NULL and errno: ENOMEM; EIO, ICU cannot
 * tell names. */
struct char_index *index_build(void);
/* Of what index_image() gave, maybe to an earlier run; `image` is only read
 * here. Whatever is in it, nothing but a whole index of this machine and of
 * ICU's version of Unicode is accepted. NULL and errno: EINVAL, ENOMEM. */
struct char_index *index_load(const void *image, size_t len);
/* The index as bytes, to be kept in a file. Borrowed. */
const void *index_image(const struct char_index *index, size_t *ret_len);
/* NULL is accepted. */
void index_free(void *index);

size_t index_words(const struct char_index *index);

/* The characters in whose names every word of `query` occurs; none for a query
 * without words. `found` is empty before, and to be cleared. -1 and errno
 * ENOMEM. */
int index_search(const struct char_index *index, const char *query,
                 struct codes *found);

#endif
