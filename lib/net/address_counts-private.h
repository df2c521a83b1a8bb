/* How many connections each address has. */
#ifndef VETCH_ADDRESS_COUNTS_PRIVATE_H
#define VETCH_ADDRESS_COUNTS_PRIVATE_H

#include "net/sockaddr-private.h"

struct vetch__address_counts;

/* `limit` for each address; an IPv6 address stands for its network of 64 bits,
 * which whoever has one has all of. NULL and ENOMEM. */
struct vetch__address_counts *vetch__address_counts_new(size_t limit);
/* NULL is accepted, and returned. */
struct vetch__address_counts *
vetch__address_counts_free(struct vetch__address_counts *c);
/* One more; what is no IP address is not counted. -1 and errno: EUSERS, it has
 * as many as it may; ENOMEM. */
int vetch__address_counts_add(struct vetch__address_counts *c,
                              const struct sockaddr *address);
/* One less, which was added. */
void vetch__address_counts_drop(struct vetch__address_counts *c,
                                const struct sockaddr *address);
/* How many addresses there are. */
size_t vetch__address_counts_size(const struct vetch__address_counts *c);

#endif
