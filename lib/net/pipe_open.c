/* What transports of descriptors are made of.
 *
 * O_NONBLOCK belongs to the open file description, which others may share: the
 * standard input of a shell is that of the programs that it runs. So standard
 * input and output, if they are pipes or terminals, are opened once more, which
 * gives a description of our own. Where that cannot be had the flag is put back
 * in the end.
 *
 * A pipe's other side learns of an end when the last copy of the descriptor is
 * closed, number 0 or 1 too. /dev/null takes its place, so that nothing else
 * ever gets that number. */
#include "net/pipe-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/check-private.h"

static const struct vetch__pipe_end no_end = {
    .fd = -1,
    .original = -1,
    .flags = -1,
};

/* ---- giving back ---- */

static void
put_null_at(int fd)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0)
        return;
    dup2(null, fd);
    close(null);
}

void
vetch__pipe_give_back(struct vetch__pipe_end *e)
{
    if (e->fd >= 0 && e->flags >= 0)
        fcntl(e->fd, F_SETFL, e->flags);
    if (e->fd >= 0 && e->owned)
        close(e->fd);
    e->fd = -1;
    if (e->original >= 0)
        put_null_at(e->original);
    e->original = -1;
}

/* ---- looking at a descriptor ---- */

/* Whether it is open in the direction it is meant for. */
static int
check_access(int fd, bool to_write)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return -1;
    if ((flags & O_PATH) != 0 ||
        (flags & O_ACCMODE) == (to_write ? O_RDONLY : O_WRONLY)) {
        errno = EBADF;
        return -1;
    }
    return 0;
}

/* Whether epoll takes it, which it does not with files, /dev/null and such;
 * libevent would print a warning. -1 and errno. */
static int
can_be_polled(int fd, const struct stat *st)
{
    struct epoll_event event = { .events = 0 };
    int epoll, result;

    if (S_ISFIFO(st->st_mode) || S_ISSOCK(st->st_mode))
        return 1;
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        return -1;
    result = epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
    close(epoll);
    return result;
}

/* Where what is open can be opened again. The master of a pseudo-terminal
 * would be another one. */
static bool
can_be_reopened(const struct stat *st)
{
    return S_ISFIFO(st->st_mode) ||
           (S_ISCHR(st->st_mode) && st->st_rdev != makedev(5, 2));
}

static int
make_unblocking(struct vetch__pipe_end *e)
{
    int flags = fcntl(e->fd, F_GETFL);

    if (flags < 0)
        return -1;
    if ((flags & O_NONBLOCK) != 0)
        return 0;
    if (fcntl(e->fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -1;
    e->flags = flags;
    return 0;
}

/* ---- descriptors of the user's ---- */

/* One end: pollable, and in the right direction. -1 and errno; then nothing was
 * changed. */
static int
open_end(struct vetch__pipe_end *e, int fd, bool to_write)
{
    struct stat st;
    int pollable;

    *e = no_end;
    if (fd < 0)
        return 0;
    if (check_access(fd, to_write) < 0 || fstat(fd, &st) < 0)
        return -1;
    pollable = can_be_polled(fd, &st);
    if (pollable == 0)
        errno = EPERM;
    if (pollable <= 0)
        return -1;
    e->fd = fd;
    e->owned = true;
    return make_unblocking(e);
}

/* Leave the descriptors with whoever has them. */
static void
close_ends(struct vetch__pipe_end *in, struct vetch__pipe_end *out, int errnum)
{
    in->owned = out->owned = false;
    in->original = out->original = -1;
    vetch__pipe_give_back(out);
    vetch__pipe_give_back(in);
    errno = errnum;
}

static bool
is_socket(int fd)
{
    struct stat st;

    return fd >= 0 && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* A connected socket is what other transports are made of, too. */
static vetch_transport *
transport_of_socket(vetch_reactor *r, int fd)
{
    struct vetch__pipe_end e;
    struct sockaddr_storage peer = { .ss_family = AF_UNSPEC };
    socklen_t len = sizeof(peer);
    int type = 0;
    socklen_t type_len = sizeof(type);
    vetch_transport *t;

    if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) < 0)
        return NULL;
    if (type != SOCK_STREAM) {
        errno = ESOCKTNOSUPPORT;
        return NULL;
    }
    if (open_end(&e, fd, false) < 0)
        return NULL;
    t = vetch__socket_transport_new(r, fd, (struct sockaddr *)&peer, len);
    if (t == NULL) {
        e.owned = false;
        vetch__pipe_give_back(&e);
        errno = ENOMEM;
    }
    return t;
}

static vetch_transport *
transport_of_ends(vetch_reactor *r, int in, int out)
{
    struct vetch__pipe_end ends[2] = { no_end, no_end };
    vetch_transport *t;

    if (open_end(&ends[0], in, false) < 0 || open_end(&ends[1], out, true) < 0)
        goto fail;
    if (in == out)
        ends[1].owned = false;
    t = vetch__pipe_make(r, &ends[0], &ends[1], false);
    if (t != NULL)
        return t;
fail:
    close_ends(&ends[0], &ends[1], errno);
    return NULL;
}

static bool
reactor_can_begin(const vetch_reactor *r)
{
    if (r != NULL && !r->ending)
        return true;
    errno = r == NULL ? EPERM : ECANCELED;
    return false;
}

vetch_transport *
vetch_transport_from_fds(int in, int out)
{
    vetch_reactor *r = vetch__reactor;

    if (!reactor_can_begin(r))
        return NULL;
    if (in < 0 && out < 0) {
        errno = EBADF;
        return NULL;
    }
    if (in == out && is_socket(in))
        return transport_of_socket(r, in);
    return transport_of_ends(r, in, out);
}

/* ---- standard input and output ---- */

static int
reopen(int fd, bool to_write)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, (to_write ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_NOCTTY |
                          O_CLOEXEC);
}

/* What this program was executed with, and not what has got the number of a
 * closed one since: that closes on exec, as all does that we open. */
static bool
is_inherited(int fd)
{
    int flags = fcntl(fd, F_GETFD);

    return flags >= 0 && (flags & FD_CLOEXEC) == 0;
}

/* A direction that there is not is none. */
static int
open_stdio_end(struct vetch__pipe_end *e, int fd, bool to_write)
{
    struct stat st;
    int pollable;

    *e = no_end;
    if (!is_inherited(fd) || check_access(fd, to_write) < 0)
        return 0;
    if (fstat(fd, &st) < 0)
        return -1;
    pollable = can_be_polled(fd, &st);
    if (pollable < 0)
        return -1;
    e->fd = fd;
    e->by_thread = pollable == 0;
    if (e->by_thread)
        return 0;
    if (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))
        e->original = fd;
    if (can_be_reopened(&st))
        e->fd = reopen(fd, to_write);
    if (e->fd >= 0 && e->fd != fd) {
        e->owned = true;
        return 0;
    }
    e->fd = fd;
    return make_unblocking(e);
}

vetch_transport *
vetch__stdio_transport_new(vetch_reactor *r, int in, int out)
{
    struct vetch__pipe_end ends[2] = { no_end, no_end };
    vetch_transport *t = NULL;

    if (open_stdio_end(&ends[0], in, false) == 0 &&
        open_stdio_end(&ends[1], out, true) == 0)
        t = vetch__pipe_make(r, &ends[0], &ends[1], true);
    if (t == NULL) {
        int saved = errno;

        ends[0].original = ends[1].original = -1;
        vetch__pipe_give_back(&ends[1]);
        vetch__pipe_give_back(&ends[0]);
        errno = saved;
    }
    return t;
}

vetch_transport *
vetch_transport_stdio(void)
{
    vetch_reactor *r = vetch__reactor;

    if (!reactor_can_begin(r))
        return NULL;
    return vetch__stdio_transport_new(r, STDIN_FILENO, STDOUT_FILENO);
}
