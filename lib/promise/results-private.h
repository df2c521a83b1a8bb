/* What all, all_settled and map fulfil with. */
#ifndef VETCH_RESULTS_PRIVATE_H
#define VETCH_RESULTS_PRIVATE_H

#include <vetch/combinators.h>

#include "base/object-private.h"

/* Settled promises by index; a NULL stands for one that never was. */
struct vetch_results {
    struct vetch__object object;
    size_t n;
    vetch_promise *promises[];
};

/* Results of n promises that are yet to come, or NULL. */
vetch_results *vetch__results_new(size_t n);
/* Fulfil `d` with results, whose reference is consumed. If there are offers
 * among them, the results are one, too. */
void vetch__results_give(vetch_results *r, vetch_deferred *d);

#endif
