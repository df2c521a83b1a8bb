/* Sets of code points: what a word stands for, and what a query finds. */
#ifndef DEMOS_CHARFINDER_CODES_H
#define DEMOS_CHARFINDER_CODES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From `first` to `last`, both included. */
struct code_range {
    uint32_t first, last;
};

/* Ranges in ascending order, with a gap between any two. Zeroed is empty. */
struct codes {
    struct code_range *ranges;
    size_t n_ranges, room;
};

/* Add a code point above all that are there already (or again the last one).
 * -1 and errno ENOMEM. */
int codes_append(struct codes *set, uint32_t code);
/* Make `into`, which is empty, what is in both. -1 and errno ENOMEM. */
int codes_intersect(struct codes *into, const struct codes *a,
                    const struct codes *b);
size_t codes_count(const struct codes *set);
void codes_clear(struct codes *set);

/* A walk over a part of a set, which is borrowed. */
struct codes_walk {
    const struct codes *set;
    size_t range;
    uint32_t offset; /* in that range */
    size_t left;
};

/* From the `start`th code point, from 0, up to before the `stop`th. */
struct codes_walk codes_page(const struct codes *set, size_t start,
                             size_t stop);
/* False at the end. */
bool codes_next(struct codes_walk *walk, uint32_t *ret_code);

#endif
