/* What TCP sockets can be told. */
#include "net/socket_options-private.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* After the silence, a peer that is gone is noticed within the same time again:
 * so many probes do not come back. */
enum { PROBES = 4 };

static int
set_number(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value));
}

int
vetch__socket_set_nodelay(int fd, bool on)
{
    return set_number(fd, IPPROTO_TCP, TCP_NODELAY, on);
}

int
vetch__socket_set_keepalive(int fd, unsigned seconds)
{
    unsigned interval = seconds < PROBES ? 1 : seconds / PROBES;

    if (seconds == 0)
        return set_number(fd, SOL_SOCKET, SO_KEEPALIVE, 0);
    if (set_number(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)seconds) < 0 ||
        set_number(fd, IPPROTO_TCP, TCP_KEEPINTVL, (int)interval) < 0 ||
        set_number(fd, IPPROTO_TCP, TCP_KEEPCNT, PROBES) < 0)
        return -1;
    return set_number(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

int
vetch__socket_set_user_timeout(int fd, unsigned ms)
{
    return set_number(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)ms);
}

int
vetch__socket_set_options(int fd, const struct vetch__socket_options *o)
{
    if (vetch__socket_set_nodelay(fd, o->nodelay) < 0 ||
        (o->keepalive > 0 &&
         vetch__socket_set_keepalive(fd, o->keepalive) < 0) ||
        (o->user_timeout > 0 &&
         vetch__socket_set_user_timeout(fd, 1000 * o->user_timeout) < 0))
        return -1;
    return 0;
}
