/* What TCP sockets can be told. */
#ifndef VETCH_SOCKET_OPTIONS_PRIVATE_H
#define VETCH_SOCKET_OPTIONS_PRIVATE_H

#include <stdbool.h>

struct vetch__socket_options {
    bool nodelay;
    unsigned keepalive;    /* seconds of silence, then the peer is probed; 0:
                              never */
    unsigned user_timeout; /* seconds that bytes may be unconfirmed; 0: the
                              system's default */
};

/* A day: no time that is set on a socket makes sense beyond. */
#define VETCH__SOCKET_SECONDS_MAX 86400

/* Set them on a TCP socket; accepted ones inherit them. -1 and errno. */
int vetch__socket_set_options(int fd, const struct vetch__socket_options *o);
int vetch__socket_set_nodelay(int fd, bool on);
int vetch__socket_set_keepalive(int fd, unsigned seconds);
int vetch__socket_set_user_timeout(int fd, unsigned ms);

#endif
