/* What lib/net asks of the layer above it for endpoints with TLS. */
#ifndef VETCH_TLS_HOOKS_PRIVATE_H
#define VETCH_TLS_HOOKS_PRIVATE_H

#include <stdbool.h>

#include <vetch/error.h>
#include <vetch/transport.h>

struct vetch_tls;
struct vetch__endpoint;

struct vetch__tls_hooks {
    /* The context that an endpoint's options (cert, key, ca, alpn) ask for: a
     * reference; NULL and *ret_error. */
    struct vetch_tls *(*context)(const struct vetch__endpoint *e, bool server,
                                 vetch_error **ret_error);
    struct vetch_tls *(*ref)(struct vetch_tls *tls);
    struct vetch_tls *(*unref)(struct vetch_tls *tls);
    bool (*is_server)(const struct vetch_tls *tls);
    /* Fulfils, after the handshake, with a transport over `inner`, which it
     * consumes: a transport that has no protocol, and from which nothing was
     * read. Client or server by `tls`; `name` is whom a client expects.
     * Cancelled, it aborts. Never NULL. */
    vetch_promise *(*handshake)(struct vetch_tls *tls, vetch_transport *inner,
                                const char *name);
};

/* A seam: lib/tls defines it. NULL: built without TLS. */
extern const struct vetch__tls_hooks *const vetch__tls_hooks;

/* Whether it is one for this side; NULL is for both. */
static inline bool
vetch__tls_fits(const struct vetch_tls *tls, bool server)
{
    return tls == NULL || (vetch__tls_hooks != NULL &&
                           vetch__tls_hooks->is_server(tls) == server);
}

#endif
