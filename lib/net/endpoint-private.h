/* Endpoint strings: no I/O, no memory. See vetch_endpoint(7) for what they
 * look like. */
#ifndef VETCH_ENDPOINT_PRIVATE_H
#define VETCH_ENDPOINT_PRIVATE_H

#include "net/sockaddr-private.h"
#include "net/socket_options-private.h"

/* An endpoint string is shorter than this. */
#define VETCH__ENDPOINT_TEXT ((size_t)2048)

enum { VETCH__ENDPOINT_ALPN_MAX = 8, VETCH__ENDPOINT_PROXIES_MAX = 16 };

enum vetch__endpoint_kind {
    VETCH__ENDPOINT_TCP, /* also of tls:HOST:PORT */
    VETCH__ENDPOINT_UNIX,
    VETCH__ENDPOINT_FD,
    VETCH__ENDPOINT_SYSTEMD,
    VETCH__ENDPOINT_UDP,
    VETCH__ENDPOINT_UNIXGRAM
};

/* What it is to be used for. Datagram sockets that are bound listen. */
enum vetch__endpoint_use { VETCH__TO_CONNECT = 1, VETCH__TO_LISTEN = 2 };

/* Its pointers point into itself: it is not to be copied. */
struct vetch__endpoint {
    enum vetch__endpoint_kind kind;
    const char *host; /* TCP, UDP: without brackets; or "*" */
    unsigned port;
    const char *path; /* UNIX, UNIXGRAM; an abstract name has its "@" */
    int fd;           /* FD */
    const char *name; /* SYSTEMD */

    bool reuseport;
    unsigned backlog;         /* 0: as long as the system allows */
    unsigned mode;            /* of a Unix socket's file; 0: by the umask */
    unsigned max_per_address; /* connections; 0: any number */
    struct vetch__socket_options socket;

    bool proxy; /* connections begin with a PROXY header */
    struct vetch__network proxies[VETCH__ENDPOINT_PROXIES_MAX];
    size_t n_proxies; /* who may send one; 0: this machine */

    bool tls;
    const char *cert, *key, *ca; /* files; or NULL */
    const char *tls_name;        /* whom a client expects; NULL: the host */
    const char *alpn[VETCH__ENDPOINT_ALPN_MAX + 1]; /* ends with NULL */

    char why[256];
    char text[VETCH__ENDPOINT_TEXT];
};

/* NULL, or what is wrong with `text`: one line, kept in `ret`. */
const char *vetch__endpoint_parse(struct vetch__endpoint *ret, const char *text,
                                  enum vetch__endpoint_use use);
/* How messages call it: "localhost:80", "[::1]:80", "/run/x", "@x". */
void vetch__endpoint_target(const struct vetch__endpoint *e,
                            char to[VETCH__HOST_MAX + 16]);

#endif
