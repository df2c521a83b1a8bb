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

/* What the thread's reactor keeps of lookups: at most `n_names` names (0:
 * none), their addresses for `seconds`, and for `negative_seconds` that a name
 * does not exist. The default is 256 names, 30 s and 5 s. Forgets what is kept.
 * Errors: -1 and errno: EINVAL, negative or NaN; EPERM, no reactor; ECANCELED,
 * it is ending; ENOMEM. */
VETCH_EXPORT int vetch_resolver_set_cache(size_t n_names, double seconds,
                                          double negative_seconds);
/* Forget what is kept, for instance on SIGHUP. */
VETCH_EXPORT void vetch_resolver_forget(void);

/* Whether to connect to this address, which `host` stands for (or is). */
typedef bool (*vetch_connect_filter_fn)(const char *host,
                                        const struct sockaddr *address,
                                        socklen_t len, void *ctx);
/* Ask `fn` about each IP address before the thread's reactor connects to it,
 * after the name was looked up, whoever connects: vetch_connect(), streams,
 * HTTP clients, vetch_udp_connect(). Those that are refused are left out; if
 * that is all of them, the cause of the failure is EACCES. NULL: connect to
 * all. Borrows `ctx`. Errors: -1 and errno: EPERM, no reactor; ECANCELED, it is
 * ending; ENOMEM. */
VETCH_EXPORT int vetch_connect_set_filter(vetch_connect_filter_fn fn,
                                          void *ctx);
/* Whether an address belongs to the public Internet: not to this machine, a
 * private or local network, a test or a group; IPv4 addresses inside of IPv6
 * ones are seen as what they are. Any thread. */
VETCH_EXPORT bool vetch_address_is_public(const struct sockaddr *address,
                                          socklen_t len);

VETCH_EXPORT size_t vetch_addresses_count(const vetch_addresses *a);
/* The i-th, borrowed. NULL past the last. */
VETCH_EXPORT const struct sockaddr *
vetch_addresses_get(const vetch_addresses *a, size_t i, socklen_t *ret_len);
VETCH_EXPORT vetch_addresses *vetch_addresses_ref(vetch_addresses *a);
VETCH_EXPORT vetch_addresses *vetch_addresses_unref(vetch_addresses *a);

VETCH_END_DECLS

#endif
