/* ICMP errors on sockets that are not connected: the kernel queues them apart,
 * with the address that the datagram was for. */
#include "net/udp-private.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <string.h>

#include <vetch/error.h>

#include "base/check-private.h"

/* In one turn; more wait. */
enum { ERRORS_PER_TURN = 64 };

static bool
is_error_report(const struct cmsghdr *c)
{
    return (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
           (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR);
}

static int
errno_of_report(struct msghdr *m)
{
    struct sock_extended_err report = { 0 };

    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL;
         c = CMSG_NXTHDR(m, c)) {
        if (is_error_report(c))
            memcpy(&report, CMSG_DATA(c), sizeof(report));
    }
    return (int)report.ee_errno;
}

static void
tell_error(vetch_udp *u, const union vetch__address *to, socklen_t len,
           int errnum)
{
    char text[VETCH__ADDRESS_TEXT];
    vetch_error *e;

    vetch__address_format(text, &to->any, len);
    e = vetch_error_from_errno(errnum, "%s", text);
    u->on_error(u, e, &to->any, len, u->on_error_ctx);
    vetch_error_unref(e);
}

/* False: there is none. */
static bool
tell_next_error(vetch_udp *u)
{
    union vetch__address to;
    union vetch__udp_control control;
    struct msghdr m = { .msg_name = &to,
                        .msg_namelen = sizeof(to),
                        .msg_control = &control,
                        .msg_controllen = sizeof(control) };
    int errnum;

    if (recvmsg(u->socket.fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
        return false;
    errnum = errno_of_report(&m);
    if (errnum != 0)
        tell_error(u, &to, m.msg_namelen, errnum);
    return true;
}

void
vetch__udp_tell_errors(vetch_udp *u)
{
    for (int n = 0; n < ERRORS_PER_TURN && u->on_error != NULL &&
                    u->reactor != NULL && tell_next_error(u);
         n++)
        continue;
}

static int
set_reports(const vetch_udp *u, int on)
{
    if (setsockopt(u->socket.fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)) < 0)
        return -1;
    if (u->family == AF_INET6)
        return setsockopt(u->socket.fd, IPPROTO_IPV6, IPV6_RECVERR, &on,
                          sizeof(on));
    return 0;
}

int
vetch_udp_set_error_fn(vetch_udp *u, vetch_udp_error_fn fn, void *ctx)
{
    VETCH_CHECK(u != NULL, EINVAL, -1);
    if (!vetch__udp_check_thread(u))
        return -1;
    if (u->reactor == NULL || u->family == AF_UNIX || u->connected) {
        errno = u->reactor == NULL ? EPIPE : EINVAL;
        return -1;
    }
    if (set_reports(u, fn != NULL) < 0)
        return -1;
    u->on_error = fn;
    u->on_error_ctx = ctx;
    return 0;
}
