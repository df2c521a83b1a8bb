/* What is set on a datagram socket, and multicast. */
#include "net/udp-private.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

#include "base/check-private.h"

#define MAX_BYTES ((size_t)1048576)

static int
set_int(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value));
}

/* Its number; 0: any of them; -1 and errno. */
static int
interface_index(const char *name)
{
    unsigned index;

    if (name == NULL)
        return 0;
    index = if_nametoindex(name);
    if (index == 0) {
        errno = ENODEV;
        return -1;
    }
    return (int)index;
}

/* ---- options ---- */

int
vetch__udp_options_check(const vetch_udp_options *o)
{
    if (o->max_bytes > 0 && o->max_bytes <= MAX_BYTES &&
        o->multicast_hops <= 255 && o->receive_buffer_bytes <= INT32_MAX &&
        o->send_buffer_bytes <= INT32_MAX &&
        o->max_descriptors <= VETCH__UDP_DESCRIPTORS_MAX)
        return 0;
    errno = EINVAL;
    return -1;
}

static int
set_common(int fd, const vetch_udp_options *o)
{
    if (o->receive_buffer_bytes > 0 &&
        set_int(fd, SOL_SOCKET, SO_RCVBUF, (int)o->receive_buffer_bytes) < 0)
        return -1;
    if (o->send_buffer_bytes > 0 &&
        set_int(fd, SOL_SOCKET, SO_SNDBUF, (int)o->send_buffer_bytes) < 0)
        return -1;
    return o->broadcast ? set_int(fd, SOL_SOCKET, SO_BROADCAST, 1) : 0;
}

static int
set_multicast4(int fd, const vetch_udp_options *o, int interface)
{
    struct ip_mreqn by = { .imr_ifindex = interface };

    if (set_int(fd, IPPROTO_IP, IP_MULTICAST_TTL, (int)o->multicast_hops) < 0 ||
        set_int(fd, IPPROTO_IP, IP_MULTICAST_LOOP, o->multicast_loop) < 0)
        return -1;
    return interface > 0
               ? setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &by, sizeof(by))
               : 0;
}

static int
set_multicast6(int fd, const vetch_udp_options *o, int interface)
{
    if (set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, (int)o->multicast_hops) <
            0 ||
        set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, o->multicast_loop) < 0)
        return -1;
    return interface > 0
               ? set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, interface)
               : 0;
}

static int
set_udp(int fd, int family, const vetch_udp_options *o)
{
    int interface = interface_index(o->multicast_interface);

    if (interface < 0)
        return -1;
    /* These are there or not: without the first, groups that others have joined
     * come in; without the second, datagrams come one by one. */
    set_int(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
    if (family == AF_INET6)
        set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
    set_int(fd, SOL_UDP, UDP_GRO, 1);
    /* A socket of both families sends to both. */
    if (family == AF_INET6)
        return set_multicast4(fd, o, interface) < 0 ||
                       set_multicast6(fd, o, interface) < 0
                   ? -1
                   : 0;
    return set_multicast4(fd, o, interface);
}

int
vetch__udp_options_set(int fd, int family, const vetch_udp_options *o)
{
    if (set_common(fd, o) < 0)
        return -1;
    if (family != AF_UNIX)
        return set_udp(fd, family, o);
    return o->credentials ? set_int(fd, SOL_SOCKET, SO_PASSCRED, 1) : 0;
}

/* ---- groups ---- */

static int
change_group(vetch_udp *u, int option, const char *group, const char *interface)
{
    struct group_req request = { 0 };
    union vetch__address address;
    int index;
    socklen_t len;

    if (!vetch__udp_check_thread(u))
        return -1;
    if (u->reactor == NULL || u->family == AF_UNIX || group == NULL ||
        !vetch__address_parse(&address, &len, group, 0)) {
        errno = u->reactor == NULL ? EPIPE : EINVAL;
        return -1;
    }
    index = interface_index(interface);
    if (index < 0)
        return -1;
    request.gr_interface = (uint32_t)index;
    memcpy(&request.gr_group, &address, len);
    return setsockopt(u->socket.fd,
                      address.any.sa_family == AF_INET6 ? IPPROTO_IPV6
                                                        : IPPROTO_IP,
                      option, &request, sizeof(request));
}

int
vetch_udp_join(vetch_udp *u, const char *group, const char *interface)
{
    VETCH_CHECK(u != NULL, EINVAL, -1);
    return change_group(u, MCAST_JOIN_GROUP, group, interface);
}

int
vetch_udp_leave(vetch_udp *u, const char *group, const char *interface)
{
    VETCH_CHECK(u != NULL, EINVAL, -1);
    return change_group(u, MCAST_LEAVE_GROUP, group, interface);
}
