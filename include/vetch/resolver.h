/* Name resolution that never blocks the loop; see vetch_resolve(3).
 * Thread: reactor. */
#ifndef VETCH_RESOLVER_H
#define VETCH_RESOLVER_H

#include <sys/socket.h>

#include <vetch/promise.h>

VETCH_BEGIN_DECLS

/* Look up the addresses of `host` (a name, or a numeric address with or without
 * brackets) with `port`. Fulfils with vetch_addresses, ordered for RFC 8305
 * (families alternate, IPv6 first where the system prefers it). Numeric
 * addresses and `localhost` (RFC 6761, section 6.3) need no lookup. A lookup
 * takes at most 10 s. Cancelling settles at once.
 * Errors: VETCH_ENOTFOUND, VETCH_ERESOLVE, VETCH_ETIMEDOUT, EINVAL, EAGAIN (too
 * many lookups wait). */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_resolve(const char *host,
                                                          unsigned port);

VETCH_EXPORT size_t vetch_addresses_count(const vetch_addresses *a);
/* The i-th, borrowed. NULL past the last. */
VETCH_EXPORT const struct sockaddr *
vetch_addresses_get(const vetch_addresses *a, size_t i, socklen_t *ret_len);
VETCH_EXPORT vetch_addresses *vetch_addresses_ref(vetch_addresses *a);
VETCH_EXPORT vetch_addresses *vetch_addresses_unref(vetch_addresses *a);

VETCH_END_DECLS

#endif
