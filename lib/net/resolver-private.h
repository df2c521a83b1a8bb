/* Lists of addresses, and what is private between the resolver and its users.
 */
#ifndef VETCH_RESOLVER_PRIVATE_H
#define VETCH_RESOLVER_PRIVATE_H

#include <netinet/in.h>
#include <stdbool.h>

#include <vetch/resolver.h>

#include "base/object-private.h"

/* More addresses of one name are not looked at. */
enum { VETCH__ADDRESSES_MAX = 64 };

union vetch__inet_address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

struct vetch_addresses {
    struct vetch__object object;
    size_t n;
    union vetch__inet_address address[];
};

struct addrinfo;

/* ---- addresses.c ---- */
/* The addresses of a host that needs no lookup: numeric (without brackets) or
 * local. NULL and errno: ENOENT, it needs one; ENOMEM. */
vetch_addresses *vetch__addresses_known(const char *host, unsigned port);
/* What getaddrinfo(3) found, ordered for RFC 8305, section 4: the families take
 * turns. Any thread. NULL and ENOMEM. */
vetch_addresses *vetch__addresses_found(const struct addrinfo *list,
                                        unsigned port);
/* The same addresses with this port, perhaps the very same object: a reference.
 * NULL and ENOMEM. */
vetch_addresses *vetch__addresses_with_port(vetch_addresses *a, unsigned port);
/* Whether the program lets this reactor connect to an address of a host. Calls
 * its filter. */
bool vetch__connect_allows(vetch_reactor *r, const char *host,
                           const struct sockaddr *address, socklen_t len);
socklen_t vetch__address_length(const union vetch__inet_address *a);

/* ---- resolver.c ---- */
/* Give back what the resolver holds. */
struct vetch__net;
void vetch__resolver_done(struct vetch__net *net);
/* What asks the system; tests put their own here. Runs on threads. */
extern int (*vetch__getaddrinfo)(const char *host, const char *service,
                                 const struct addrinfo *hints,
                                 struct addrinfo **ret_list);

#endif
