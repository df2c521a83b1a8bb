/* A set is a list of ranges, because the big ones are: the hundred thousand
 * ideographs are some twenty ranges, and finding them costs no more than
 * finding twenty characters. */
#include "codes.h"

#include <stdlib.h>

static int
append_range(struct codes *set, struct code_range range)
{
    if (set->n_ranges == set->room) {
        size_t room = set->room > 0 ? 2 * set->room : 4;
        struct code_range *more =
            realloc(set->ranges, room * sizeof(set->ranges[0]));

        if (more == NULL)
            return -1;
        set->ranges = more;
        set->room = room;
    }
    set->ranges[set->n_ranges++] = range;
    return 0;
}

int
codes_append(struct codes *set, uint32_t code)
{
    if (set->n_ranges > 0) {
        struct code_range *end = &set->ranges[set->n_ranges - 1];

        if (code == end->last)
            return 0; /* a name may say a word twice */
        if (code == end->last + 1) {
            end->last = code;
            return 0;
        }
    }
    return append_range(set, (struct code_range){ code, code });
}

int
codes_intersect(struct codes *into, const struct codes *a,
                const struct codes *b)
{
    size_t i = 0, j = 0;

    while (i < a->n_ranges && j < b->n_ranges) {
        struct code_range x = a->ranges[i], y = b->ranges[j];
        struct code_range both = { x.first > y.first ? x.first : y.first,
                                   x.last < y.last ? x.last : y.last };

        if (both.first <= both.last && append_range(into, both) < 0)
            return -1;
        if (x.last < y.last)
            i++;
        else
            j++;
    }
    return 0;
}

size_t
codes_count(const struct codes *set)
{
    size_t n = 0;

    for (size_t i = 0; i < set->n_ranges; i++)
        n += set->ranges[i].last - set->ranges[i].first + 1;
    return n;
}

void
codes_clear(struct codes *set)
{
    free(set->ranges);
    *set = (struct codes){ 0 };
}

struct codes_walk
codes_page(const struct codes *set, size_t start, size_t stop)
{
    struct codes_walk walk = { .set = set,
                               .left = stop > start ? stop - start : 0 };

    for (; walk.range < set->n_ranges; walk.range++) {
        struct code_range range = set->ranges[walk.range];
        size_t n = range.last - range.first + 1;

        if (start < n)
            break;
        start -= n;
    }
    walk.offset = (uint32_t)start;
    return walk;
}

bool
codes_next(struct codes_walk *walk, uint32_t *ret_code)
{
    struct code_range range;

    if (walk->left == 0 || walk->range == walk->set->n_ranges)
        return false;
    range = walk->set->ranges[walk->range];
    *ret_code = range.first + walk->offset++;
    walk->left--;
    if (*ret_code == range.last) {
        walk->range++;
        walk->offset = 0;
    }
    return true;
}
