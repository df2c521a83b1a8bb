/* What a proxy told of a connection that it passed on; see vetch_proxy(3).
 * Thread: reactor. */
#ifndef VETCH_PROXY_H
#define VETCH_PROXY_H

#include <vetch/types.h>

/* Types of values, as the PROXY protocol (version 2) numbers them. Text does
 * not end with a NUL. */
enum {
    VETCH_PROXY_ALPN = 0x01,      /* the protocol that was agreed upon */
    VETCH_PROXY_AUTHORITY = 0x02, /* the host that the client named */
    VETCH_PROXY_UNIQUE_ID = 0x05,
    VETCH_PROXY_SSL = 0x20, /* flags, result, and the values that follow */
    VETCH_PROXY_SSL_VERSION = 0x21,
    VETCH_PROXY_SSL_CN = 0x22, /* of the client's certificate */
    VETCH_PROXY_SSL_CIPHER = 0x23,
    VETCH_PROXY_SSL_SIG_ALG = 0x24,
    VETCH_PROXY_SSL_KEY_ALG = 0x25,
    VETCH_PROXY_NETNS = 0x30
};

VETCH_BEGIN_DECLS

/* The proxy that passed a connection on, as an endpoint; its peer and local
 * names are then those that the proxy told. NULL: nobody did, or the proxy
 * spoke for itself. Borrowed from the transport. */
VETCH_EXPORT const char *vetch_transport_proxy(vetch_transport *t);
/* A value that the proxy told besides, the first of its type. NULL: none.
 * Borrowed from the transport. */
VETCH_EXPORT const void *
vetch_transport_proxy_value(vetch_transport *t, unsigned type, size_t *ret_len);

VETCH_END_DECLS

#endif
