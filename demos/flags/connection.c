/* The socket does not block, the functions do: each wait is a poll(2) for the
 * socket, for the deadline and for the signal that ends the program. */

#include "connection.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "flags.h"
#include "stop.h"

static vetch_error *
wait_for(struct connection *c, short events)
{
    struct pollfd fds[] = { { .fd = c->fd, .events = events },
                            { .fd = stop_descriptor(), .events = POLLIN } };

    for (;;) {
        double left = c->deadline - monotonic_seconds();
        int n;

        if (stop_signal() != 0)
            return vetch_error_new(VETCH_ECANCELED, "cancelled");
        if (left <= 0.0)
            return vetch_error_new(VETCH_ETIMEDOUT, "timed out after %g s",
                                   c->timeout);
        n = poll(fds, 2, left > 3600.0 ? 3600000 : (int)(left * 1e3) + 1);
        if (n < 0 && errno != EINTR)
            return vetch_error_from_errno(errno, "poll");
        if (n > 0 && fds[0].revents != 0)
            return NULL;
    }
}

void
open_connection(struct connection *c, double timeout)
{
    c->timeout = timeout;
    c->fd = -1;
    c->begin = c->end = 0;
}

void
hang_up(struct connection *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->begin = c->end = 0;
}

static vetch_error *
connect_to(struct connection *c, const struct addrinfo *address)
{
    vetch_error *error;
    int failure = 0, on = 1;
    socklen_t size = sizeof(failure);

    c->fd = socket(address->ai_family,
                   SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return vetch_error_from_errno(errno, "socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(c->fd, address->ai_addr, address->ai_addrlen) == 0)
        return NULL;
    if (errno != EINPROGRESS)
        return vetch_error_from_errno(errno, "connect %s:%s", c->origin.host,
                                      c->origin.port);
    error = wait_for(c, POLLOUT);
    if (error != NULL)
        return error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &failure, &size);
    if (failure == 0)
        return NULL;
    return vetch_error_from_errno(failure, "connect %s:%s", c->origin.host,
                                  c->origin.port);
}

vetch_error *
dial(struct connection *c)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
    vetch_error *error = NULL;
    int failure = getaddrinfo(c->origin.host, c->origin.port, &hints, &list);

    if (failure != 0)
        return vetch_error_new(VETCH_ERESOLVE, "resolve %s: %s", c->origin.host,
                               gai_strerror(failure));
    for (struct addrinfo *a = list; a != NULL; a = a->ai_next) {
        vetch_error_unref(error);
        error = connect_to(c, a);
        if (error == NULL)
            break;
        hang_up(c);
        if (vetch_error_is(error, VETCH_ECANCELED))
            break;
    }
    freeaddrinfo(list);
    return error;
}

vetch_error *
send_all(struct connection *c, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);
        vetch_error *error = NULL;

        if (n >= 0) {
            data += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            error = wait_for(c, POLLOUT);
        } else if (errno != EINTR) {
            error = vetch_error_from_errno(errno, "send");
        }
        if (error != NULL)
            return error;
    }
    return NULL;
}

vetch_error *
receive(struct connection *c)
{
    if (c->begin > 0) {
        memmove(c->in, c->in + c->begin, c->end - c->begin);
        c->end -= c->begin;
        c->begin = 0;
    }
    for (;;) {
        ssize_t n = recv(c->fd, c->in + c->end, sizeof(c->in) - c->end, 0);
        vetch_error *error = NULL;

        if (n > 0) {
            c->heard = true;
            c->end += (size_t)n;
            return NULL;
        }
        if (n == 0)
            return vetch_error_new(VETCH_EEOF, "the server hung up");
        if (errno == EAGAIN)
            error = wait_for(c, POLLIN);
        else if (errno != EINTR)
            error = vetch_error_from_errno(errno, "receive");
        if (error != NULL)
            return error;
    }
}
