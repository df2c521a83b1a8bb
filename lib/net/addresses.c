/* Lists of addresses: what a host name stands for. */
#include "net/resolver-private.h"

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <string.h>

#include "base/check-private.h"
#include "base/mem-private.h"
#include "net/endpoint-private.h"

static vetch_addresses *
new_addresses(size_t n)
{
    vetch_addresses *a = vetch__calloc(1, sizeof(*a) + n * sizeof(*a->address));

    if (a == NULL)
        return NULL;
    a->object = (struct vetch__object){ .type = VETCH__ADDRESSES, .refs = 1 };
    return a;
}

static void
add_address(vetch_addresses *a, const void *address, size_t len)
{
    memcpy(&a->address[a->n++], address, len);
}

vetch_addresses *
vetch__addresses_known(const char *host, unsigned port)
{
    static const char *const loopback[] = { "::1", "127.0.0.1" };
    union vetch__address address;
    bool local = vetch__host_is_local(host);
    vetch_addresses *a;
    socklen_t len;

    if (!local && !vetch__address_parse(&address, &len, host, port)) {
        errno = ENOENT;
        return NULL;
    }
    a = new_addresses(2);
    if (a == NULL)
        return NULL;
    for (size_t i = 0; local && i < 2; i++) {
        vetch__address_parse(&address, &len, loopback[i], port);
        add_address(a, &address, len);
    }
    if (!local)
        add_address(a, &address, len);
    return a;
}

/* ---- from the system's answer ---- */

static bool
is_usable(const struct addrinfo *info)
{
    return (info->ai_family == AF_INET &&
            info->ai_addrlen == sizeof(struct sockaddr_in)) ||
           (info->ai_family == AF_INET6 &&
            info->ai_addrlen == sizeof(struct sockaddr_in6));
}

/* The first entry from `info` on that is of this family, or (`same` is false)
 * that is of another one. */
static const struct addrinfo *
find_family(const struct addrinfo *info, int family, bool same)
{
    while (info != NULL &&
           !(is_usable(info) && (info->ai_family == family) == same))
        info = info->ai_next;
    return info;
}

static void
set_port(union vetch__inet_address *a, unsigned port)
{
    if (a->any.sa_family == AF_INET)
        a->in.sin_port = htons((uint16_t)port);
    else
        a->in6.sin6_port = htons((uint16_t)port);
}

static void
add_with_port(vetch_addresses *a, const struct addrinfo *info, unsigned port)
{
    add_address(a, info->ai_addr, info->ai_addrlen);
    set_port(&a->address[a->n - 1], port);
}

vetch_addresses *
vetch__addresses_found(const struct addrinfo *list, unsigned port)
{
    const struct addrinfo *next[2];
    vetch_addresses *a = new_addresses(VETCH__ADDRESSES_MAX);
    int family;

    if (a == NULL)
        return NULL;
    while (list != NULL && !is_usable(list))
        list = list->ai_next;
    if (list == NULL)
        return a;
    /* The system's order decides which family is first. */
    family = list->ai_family;
    next[0] = list;
    next[1] = find_family(list, family, false);
    for (int turn = 0; next[0] != NULL || next[1] != NULL; turn = !turn) {
        if (next[turn] == NULL)
            continue;
        if (a->n == VETCH__ADDRESSES_MAX)
            break;
        add_with_port(a, next[turn], port);
        next[turn] = find_family(next[turn]->ai_next, family, turn == 0);
    }
    return a;
}

vetch_addresses *
vetch__addresses_with_port(vetch_addresses *a, unsigned port)
{
    vetch_addresses *copy;

    if (a->n == 0 || vetch__address_port(&a->address[0].any) == port)
        return vetch_addresses_ref(a);
    copy = new_addresses(a->n);
    if (copy == NULL)
        return NULL;
    copy->n = a->n;
    memcpy(copy->address, a->address, a->n * sizeof(a->address[0]));
    for (size_t i = 0; i < copy->n; i++)
        set_port(&copy->address[i], port);
    return copy;
}

/* ---- looking at them ---- */

socklen_t
vetch__address_length(const union vetch__inet_address *a)
{
    return a->any.sa_family == AF_INET ? sizeof(a->in) : sizeof(a->in6);
}

size_t
vetch_addresses_count(const vetch_addresses *a)
{
    VETCH_CHECK(a != NULL, EINVAL, 0);
    return a->n;
}

const struct sockaddr *
vetch_addresses_get(const vetch_addresses *a, size_t i, socklen_t *ret_len)
{
    VETCH_CHECK(a != NULL && ret_len != NULL, EINVAL, NULL);
    if (i >= a->n)
        return NULL;
    *ret_len = vetch__address_length(&a->address[i]);
    return &a->address[i].any;
}

vetch_addresses *
vetch_addresses_ref(vetch_addresses *a)
{
    if (a != NULL)
        a->object.refs++;
    return a;
}

vetch_addresses *
vetch_addresses_unref(vetch_addresses *a)
{
    if (a != NULL && --a->object.refs == 0)
        vetch__free(a);
    return NULL;
}
