/* What can be set on a transport, and its names. Limits are shared until they
 * are changed for one transport alone. */
#include "net/transport-private.h"

#include <errno.h>
#include <math.h>

#include <vetch/proxy.h>

#include "base/check-private.h"
#include "net/proxy_header-private.h"
#include "net/socket_options-private.h"

#define SECOND UINT64_C(1000000000)

const struct vetch__limits vetch__default_limits = {
    .low_bytes = 16384,
    .high_bytes = 65536,
    .cap_bytes = 16777216,
    .input_bytes = 1048576,
    .close_ns = 5 * SECOND,
    .min_rate = 240,
    .linger_ns = 2 * SECOND,
    .linger_bytes = 262144,
};

void
vetch__transport_set_limits(vetch_transport *t,
                            const struct vetch__limits *limits)
{
    if ((t->flags & VETCH__T_OWN_LIMITS) != 0)
        vetch__free((void *)(uintptr_t)t->limits);
    t->flags &= (uint16_t)~VETCH__T_OWN_LIMITS;
    t->limits = limits;
}

/* Limits that may be changed for this transport alone; NULL and ENOMEM. */
static struct vetch__limits *
own_limits(vetch_transport *t)
{
    struct vetch__limits *own;

    if ((t->flags & VETCH__T_OWN_LIMITS) != 0)
        return (struct vetch__limits *)(uintptr_t)t->limits;
    own = vetch__malloc(sizeof(*own));
    if (own == NULL)
        return NULL;
    *own = *t->limits;
    t->limits = own;
    t->flags |= VETCH__T_OWN_LIMITS;
    return own;
}

int
vetch_transport_set_write_marks(vetch_transport *t, size_t low_bytes,
                                size_t high_bytes, size_t cap_bytes)
{
    struct vetch__limits *own;

    VETCH_CHECK(t != NULL, EINVAL, -1);
    if (low_bytes > high_bytes || high_bytes > cap_bytes) {
        errno = EINVAL;
        return -1;
    }
    own = vetch__transport_check_thread(t) ? own_limits(t) : NULL;
    if (own == NULL)
        return -1;
    own->low_bytes = low_bytes;
    own->high_bytes = high_bytes;
    own->cap_bytes = cap_bytes;
    if (vetch__transport_state(t) < VETCH__T_OVER)
        vetch__transport_attend_later(t);
    return 0;
}

int
vetch_transport_set_input_limit(vetch_transport *t, size_t limit_bytes)
{
    struct vetch__limits *own;

    VETCH_CHECK(t != NULL, EINVAL, -1);
    own = vetch__transport_check_thread(t) ? own_limits(t) : NULL;
    if (own == NULL)
        return -1;
    own->input_bytes = limit_bytes;
    return 0;
}

int
vetch_transport_set_close_timeout(vetch_transport *t, double seconds)
{
    struct vetch__limits *own;

    VETCH_CHECK(t != NULL, EINVAL, -1);
    if (isnan(seconds) || seconds < 0) {
        errno = EINVAL;
        return -1;
    }
    own = vetch__transport_check_thread(t) ? own_limits(t) : NULL;
    if (own == NULL)
        return -1;
    own->close_ns = vetch__seconds(seconds);
    return 0;
}

/* ---- TCP ---- */

/* A time for the socket below, in `unit`s of a second, rounded up: INFINITY is
 * 0. -1 and errno. */
static int
socket_for(vetch_transport *t, double seconds, double unit, unsigned *ret)
{
    if (!vetch__transport_check_thread(t))
        return -1;
    if (!(seconds > 0) ||
        (seconds > VETCH__SOCKET_SECONDS_MAX && !isinf(seconds))) {
        errno = EINVAL;
        return -1;
    }
    *ret = isinf(seconds) ? 0 : (unsigned)ceil(seconds * unit);
    return vetch__transport_tcp_socket(t);
}

int
vetch_transport_set_keepalive(vetch_transport *t, double seconds)
{
    unsigned time = 0;
    int fd;

    VETCH_CHECK(t != NULL, EINVAL, -1);
    fd = socket_for(t, seconds, 1, &time);
    return fd >= 0 ? vetch__socket_set_keepalive(fd, time) : -1;
}

int
vetch_transport_set_user_timeout(vetch_transport *t, double seconds)
{
    unsigned time = 0;
    int fd;

    VETCH_CHECK(t != NULL, EINVAL, -1);
    fd = socket_for(t, seconds, 1000, &time);
    return fd >= 0 ? vetch__socket_set_user_timeout(fd, time) : -1;
}

int
vetch_transport_set_nodelay(vetch_transport *t, bool on)
{
    int fd;

    VETCH_CHECK(t != NULL, EINVAL, -1);
    fd = vetch__transport_check_thread(t) ? vetch__transport_tcp_socket(t) : -1;
    return fd >= 0 ? vetch__socket_set_nodelay(fd, on) : -1;
}

/* ---- names ---- */

static const char *
name_of(vetch_transport *t, bool peer)
{
    char **name = peer ? &t->peer_name : &t->local_name;

    if (*name == NULL)
        *name = t->kind->name_of(t, peer);
    return *name != NULL ? *name : t->kind->name;
}

const char *
vetch_transport_peer(vetch_transport *t)
{
    VETCH_CHECK(t != NULL, EINVAL, "");
    return name_of(t, true);
}

const char *
vetch_transport_proxy(vetch_transport *t)
{
    struct vetch__proxied *p;

    VETCH_CHECK(t != NULL, EINVAL, NULL);
    p = vetch__transport_proxied(t);
    if (p == NULL)
        return NULL;
    t = vetch__transport_lowest(t);
    if (p->proxy == NULL)
        p->proxy = t->kind->name_of(t, true);
    return p->proxy != NULL ? p->proxy : t->kind->name;
}

const void *
vetch_transport_proxy_value(vetch_transport *t, unsigned type, size_t *ret_len)
{
    const struct vetch__proxied *p;

    VETCH_CHECK(t != NULL && ret_len != NULL, EINVAL, NULL);
    p = vetch__transport_proxied(t);
    return p != NULL ? vetch__proxy_tlv(p->tlvs, p->n_tlvs, type, ret_len)
                     : NULL;
}

const char *
vetch_transport_local(vetch_transport *t)
{
    VETCH_CHECK(t != NULL, EINVAL, "");
    return name_of(t, false);
}
