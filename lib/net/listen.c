/* The socket of a listener, or one for datagrams that is bound: made from an
 * endpoint string, or taken over.
 *
 * A Unix socket's file outlives a process that crashed. It is replaced only if
 * it is a socket and nobody answers there, and removed at the end only if it is
 * still the file that was made here. */
#include "net/listen-private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem-private.h"
#include "net/activation-private.h"
#include "net/endpoint-private.h"

static void
close_quietly(int fd)
{
    int saved = errno;

    close(fd);
    errno = saved;
}

static int
set_flag(int fd, int level, int option)
{
    int one = 1;

    return setsockopt(fd, level, option, &one, sizeof(one));
}

static int
type_of(const struct vetch__endpoint *e)
{
    return e->kind == VETCH__ENDPOINT_UDP || e->kind == VETCH__ENDPOINT_UNIXGRAM
               ? SOCK_DGRAM
               : SOCK_STREAM;
}

static int
open_bound(int family, const struct vetch__endpoint *e)
{
    return socket(family, type_of(e) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Datagrams come in as soon as it is bound. */
static int
start_listening(int fd, const struct vetch__endpoint *e)
{
    if (type_of(e) == SOCK_DGRAM)
        return 0;
    return listen(fd, e->backlog > 0 ? (int)e->backlog : SOMAXCONN);
}

/* ---- TCP and UDP ---- */

static int
open_address(const union vetch__address *address, socklen_t len,
             const struct vetch__endpoint *e)
{
    int family = address->any.sa_family, zero = 0;
    int fd = open_bound(family, e);

    if (fd < 0)
        return -1;
    /* With datagrams SO_REUSEADDR would let anybody share the address.
     * [::] takes both families, whatever the system's default is. */
    if ((type_of(e) == SOCK_STREAM &&
         (set_flag(fd, SOL_SOCKET, SO_REUSEADDR) < 0 ||
          vetch__socket_set_options(fd, &e->socket) < 0)) ||
        (e->reuseport && set_flag(fd, SOL_SOCKET, SO_REUSEPORT) < 0) ||
        (family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) < 0) ||
        bind(fd, &address->any, len) < 0 || start_listening(fd, e) < 0) {
        close_quietly(fd);
        return -1;
    }
    return fd;
}

static int
open_host(const char *host, const struct vetch__endpoint *e)
{
    union vetch__address address;
    socklen_t len;

    if (!vetch__address_parse(&address, &len, host, e->port)) {
        errno = EINVAL; /* a name: an address to listen on must be plain */
        return -1;
    }
    return open_address(&address, len, e);
}

static int
open_inet(const struct vetch__endpoint *e)
{
    int fd;

    if (vetch__host_is_local(e->host))
        return open_host("127.0.0.1", e);
    if (strcmp(e->host, "*") != 0)
        return open_host(e->host, e);
    fd = open_host("::", e);
    if (fd < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
        fd = open_host("0.0.0.0", e);
    return fd;
}

/* ---- Unix ---- */

/* Whether there is a socket file at which nobody listens. Someone whose queue
 * is full (EAGAIN), or who is of another type (EPROTOTYPE), is somebody. */
static bool
is_stale(const union vetch__address *address, socklen_t len,
         const struct vetch__endpoint *e)
{
    struct stat st;
    bool stale;
    int fd;

    if (lstat(e->path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return false;
    fd = open_bound(AF_UNIX, e);
    if (fd < 0)
        return false;
    stale = connect(fd, &address->any, len) < 0 && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

static int
bind_unix(int fd, const struct vetch__endpoint *e)
{
    union vetch__address address;
    socklen_t len = vetch__address_unix(&address, e->path);

    if (bind(fd, &address.any, len) == 0)
        return 0;
    if (errno != EADDRINUSE)
        return -1;
    if (is_stale(&address, len, e) && unlink(e->path) == 0)
        return bind(fd, &address.any, len);
    errno = EADDRINUSE;
    return -1;
}

/* The path as it stays valid when the working directory changes; NULL and
 * errno. */
static char *
absolute_path(const char *path)
{
    char here[PATH_MAX], *text;
    size_t len;

    if (path[0] == '/')
        return vetch__strdup(path);
    if (getcwd(here, sizeof(here)) == NULL)
        return NULL;
    len = strlen(here) + 1 + strlen(path) + 1;
    text = vetch__malloc(len);
    if (text != NULL)
        snprintf(text, len, "%s/%s", here, path);
    return text;
}

/* Nobody can connect before it listens, so nobody sees other permissions. (A
 * datagram socket has the umask's for a moment.) */
static int
listen_unix(int fd, const struct vetch__endpoint *e)
{
    if (e->mode != 0 && chmod(e->path, (mode_t)e->mode) < 0)
        return -1;
    return start_listening(fd, e);
}

/* It has no file, and ends with its socket. */
static int
open_abstract(const struct vetch__endpoint *e)
{
    union vetch__address address;
    socklen_t len = vetch__address_unix(&address, e->path);
    int fd = open_bound(AF_UNIX, e);

    if (fd < 0)
        return -1;
    if (bind(fd, &address.any, len) == 0 && start_listening(fd, e) == 0)
        return fd;
    close_quietly(fd);
    return -1;
}

static int
open_path(struct vetch__listen_socket *s, const struct vetch__endpoint *e)
{
    const char *path = e->path;
    int fd = open_bound(AF_UNIX, e);
    struct stat st;

    if (fd < 0)
        return -1;
    s->path = absolute_path(path);
    if (s->path == NULL || bind_unix(fd, e) < 0) {
        close_quietly(fd);
        goto fail;
    }
    if (listen_unix(fd, e) < 0 || stat(path, &st) < 0) {
        close_quietly(fd);
        unlink(path);
        goto fail;
    }
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    return fd;
fail:
    vetch__free(s->path);
    s->path = NULL;
    return -1;
}

/* ---- a descriptor that somebody else opened ---- */

static int
take_fd(int fd, const struct vetch__endpoint *e, int type_wanted)
{
    int listening = 0, type = 0, flags;
    socklen_t len = sizeof(int);

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
        return -1;
    if (type != type_wanted || (type == SOCK_STREAM && !listening)) {
        errno = EINVAL;
        return -1;
    }
    flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return -1;
    vetch__socket_set_options(fd, &e->socket); /* fails if it is not TCP */
    return fd;
}

/* Its file, if it has one, belongs to systemd. */
static int
take_systemd(const struct vetch__endpoint *e, int type)
{
    int fd = vetch__activation_take(e->name), saved;

    if (fd < 0 || take_fd(fd, e, type) >= 0)
        return fd;
    saved = errno;
    vetch__activation_give_back(fd);
    errno = saved;
    return -1;
}

/* ---- all of them ---- */

static char *
unix_name(const char *kind, const char *path)
{
    char *text = vetch__malloc(strlen(kind) + 2 * strlen(path) + 1), *to;

    if (text == NULL)
        return NULL;
    to = stpcpy(text, kind);
    for (; *path != '\0'; path++) {
        if (*path == ',') /* it would begin an option */
            *to++ = ',';
        *to++ = *path;
    }
    *to = '\0';
    return text;
}

static int
name_it(struct vetch__listen_socket *s, const struct vetch__endpoint *e,
        int type)
{
    const char *unix_kind = type == SOCK_DGRAM ? "unixgram:" : "unix:";
    const char *inet_kind = type == SOCK_DGRAM ? "udp:"
                            : e->tls           ? "tls:"
                                               : "tcp:";
    union vetch__address address = { .any = { 0 } };
    socklen_t len = sizeof(address);
    char text[VETCH__ENDPOINT_NAME];

    if (s->path != NULL) {
        s->endpoint = unix_name(unix_kind, s->path);
        return s->endpoint != NULL ? 0 : -1;
    }

    if (getsockname(s->fd, &address.any, &len) < 0)
        return -1;
    vetch__address_endpoint(
        text, address.any.sa_family == AF_UNIX ? unix_kind : inet_kind,
        &address.any, len);
    s->port = vetch__address_port(&address.any);
    s->endpoint = vetch__strdup(text);
    return s->endpoint != NULL ? 0 : -1;
}

int
vetch__listen_open(struct vetch__listen_socket *s,
                   const struct vetch__endpoint *e, int type)
{
    s->fd = -1;
    if (e->kind != VETCH__ENDPOINT_FD && e->kind != VETCH__ENDPOINT_SYSTEMD &&
        type_of(e) != type) {
        errno = EPROTONOSUPPORT;
        return -1;
    }
    switch (e->kind) {
    case VETCH__ENDPOINT_TCP:
    case VETCH__ENDPOINT_UDP:
        s->fd = open_inet(e);
        break;
    case VETCH__ENDPOINT_UNIX:
    case VETCH__ENDPOINT_UNIXGRAM:
        s->fd = e->path[0] == '@' ? open_abstract(e) : open_path(s, e);
        break;
    case VETCH__ENDPOINT_FD:
        s->fd = take_fd(e->fd, e, type);
        s->lent = true;
        break;
    case VETCH__ENDPOINT_SYSTEMD:
        s->fd = take_systemd(e, type);
        s->lent = s->activated = true;
        break;
    default:
        errno = EPROTONOSUPPORT;
    }
    if (s->fd < 0)
        return -1;
    if (name_it(s, e, type) == 0)
        return 0;
    vetch__listen_done(s);
    return -1;
}

void
vetch__listen_close(struct vetch__listen_socket *s)
{
    int saved = errno;
    struct stat st;

    if (s->path != NULL && lstat(s->path, &st) == 0 && st.st_dev == s->dev &&
        st.st_ino == s->ino)
        unlink(s->path);
    vetch__free(s->path);
    s->path = NULL;
    if (s->fd >= 0 && !s->lent)
        close(s->fd);
    else if (s->fd >= 0 && s->activated)
        vetch__activation_give_back(s->fd);
    s->fd = -1;
    errno = saved;
}

void
vetch__listen_done(struct vetch__listen_socket *s)
{
    vetch__listen_close(s);
    vetch__free(s->endpoint);
    s->endpoint = NULL;
}
