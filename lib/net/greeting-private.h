/* What comes before a connection is handed over: a PROXY header, a TLS
 * handshake. */
#ifndef VETCH_GREETING_PRIVATE_H
#define VETCH_GREETING_PRIVATE_H

#include "net/endpoint-private.h"
#include "net/tls_hooks-private.h"
#include "reactor/reactor-private.h"

/* Of a listener. */
struct vetch__greeter {
    bool proxy;
    struct vetch__network proxies[VETCH__ENDPOINT_PROXIES_MAX];
    size_t n_proxies;      /* 0: this machine */
    struct vetch_tls *tls; /* or NULL: none */
    struct vetch__list greetings;
};

/* What an endpoint asks for: *ret is NULL if that is nothing. With `tls`, TLS
 * is done by that. -1 and errno. */
int vetch__greeter_new(struct vetch__greeter **ret,
                       const struct vetch__endpoint *e, struct vetch_tls *tls);
/* There are no greetings. NULL is accepted, and returned. */
struct vetch__greeter *vetch__greeter_free(struct vetch__greeter *g);
/* Take fd, a connection that l has counted. It goes to vetch__accept_serve() in
 * time, or to vetch__accept_lost(). -1 and ENOMEM: nothing was taken. */
int vetch__greeting_start(vetch_listener *l, int fd,
                          const struct sockaddr *peer, socklen_t len);
/* Give all of them up. Some may need time for that. */
void vetch__greetings_drop(vetch_listener *l);

#endif
