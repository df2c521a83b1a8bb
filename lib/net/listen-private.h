/* Opening and closing the socket of a listener, or one for datagrams. */
#ifndef VETCH_LISTEN_PRIVATE_H
#define VETCH_LISTEN_PRIVATE_H

#include <stdbool.h>
#include <sys/types.h>

struct vetch__endpoint;

struct vetch__listen_socket {
    int fd;         /* -1: none */
    bool lent;      /* and it still belongs to its opener */
    bool activated; /* which is systemd */
    char *endpoint; /* where it listens; NULL: not opened */
    unsigned port;  /* TCP, UDP */
    char *path;     /* of a Unix socket's file, which is ours to remove:
                       absolute, for the working directory may change */
    dev_t dev;
    ino_t ino;
};

/* Open what the endpoint says, which has to be for what `type` is: SOCK_STREAM
 * or SOCK_DGRAM. `s` begins as zeroes. -1 and errno. A descriptor that somebody
 * else opened is `lent` until that is cleared, when nothing can fail any more.
 */
int vetch__listen_open(struct vetch__listen_socket *s,
                       const struct vetch__endpoint *e, int type);
/* Close it, and remove the file if it is still the same. The text stays. */
void vetch__listen_close(struct vetch__listen_socket *s);
void vetch__listen_done(struct vetch__listen_socket *s);

#endif
