/* What was found out about host names, for a while: bounded, without I/O. */
#ifndef VETCH_NAME_CACHE_PRIVATE_H
#define VETCH_NAME_CACHE_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vetch/error.h>
#include <vetch/resolver.h>

struct vetch__name_cache;

/* At most `max` names, their addresses for `ttl` and that there is no such name
 * for `negative_ttl` nanoseconds. NULL and ENOMEM. */
struct vetch__name_cache *vetch__name_cache_new(size_t max, uint64_t ttl,
                                                uint64_t negative_ttl);
/* NULL is accepted, and returned. */
struct vetch__name_cache *vetch__name_cache_free(struct vetch__name_cache *c);
/* Forget all names. */
void vetch__name_cache_clear(struct vetch__name_cache *c);

/* What is known now, borrowed: one of the two is set; false: nothing. */
bool vetch__name_cache_find(struct vetch__name_cache *c, const char *host,
                            uint64_t now, vetch_addresses **ret_addresses,
                            vetch_error **ret_error);
/* Keep one of the two, instead of what was known; the name that was not asked
 * for for the longest time goes. Borrows. Without memory nothing is kept. */
void vetch__name_cache_put(struct vetch__name_cache *c, const char *host,
                           uint64_t now, vetch_addresses *addresses,
                           vetch_error *error);

#endif
