/* Starting TLS on a transport: for the layers above, which need not know of
 * OpenSSL. */
#ifndef VETCH_TLS_START_PRIVATE_H
#define VETCH_TLS_START_PRIVATE_H

#include <vetch/tls.h>
#include <vetch/transport.h>

/* The handshake is over. `error` (borrowed) NULL: it is done, and `t` can be
 * used; else `t` is over. Called once, by a dispatch. Nobody but those who have
 * taken a reference holds `t`. */
typedef void (*vetch__tls_done_fn)(vetch_transport *t, const vetch_error *error,
                                   void *ctx);

/* Put TLS over `inner`, which is NEW, or OPEN and whole. What that had, its
 * protocol, listener and limits, is the new transport's, which is returned: a
 * new reference. NULL and errno: ENOMEM; EINVAL, whom is a client to expect? */
vetch_transport *vetch__tls_put_over(vetch_transport *inner, vetch_tls *tls,
                                     const char *name, vetch__tls_done_fn done,
                                     void *ctx);
/* Whether it is for servers. */
bool vetch__tls_is_server(const vetch_tls *tls);

#endif
