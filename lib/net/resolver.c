/* Name resolution. */
#include <vetch/resolver.h>

#include <errno.h>
#include <string.h>

#include <vetch/error.h>

#include "net/endpoint-private.h"
#include "net/resolver-private.h"
#include "promise/promise-private.h"

static void
release_addresses(void *addresses)
{
    vetch_addresses_unref(addresses);
}

/* Copy a host without its brackets; false if it cannot be one. */
static bool
copy_host(char to[VETCH__HOST_MAX + 2], const char *host)
{
    size_t len = strlen(host);
    bool bracketed = len >= 2 && host[0] == '[' && host[len - 1] == ']';

    if (bracketed) {
        host++;
        len -= 2;
    }
    if (len == 0 || len > VETCH__HOST_MAX + 1)
        return false;
    memcpy(to, host, len);
    to[len] = '\0';
    return !bracketed || strchr(to, ':') != NULL;
}

vetch_promise *
vetch_resolve(const char *host, unsigned port)
{
    char name[VETCH__HOST_MAX + 2];
    vetch_addresses *known;

    if (vetch__reactor == NULL || vetch__reactor->ending)
        return vetch__failed(vetch__reactor == NULL ? EPERM : ECANCELED,
                             "resolve");
    if (host == NULL || port > 65535 || !copy_host(name, host))
        return vetch_rejected(
            vetch_error_new(EINVAL, "resolve: not a host and a port"));
    known = vetch__addresses_known(name, port);
    if (known != NULL)
        return vetch_resolved(known, release_addresses);
    if (errno == ENOMEM)
        return &vetch__no_memory;
    if (!vetch__host_is_name(name))
        return vetch_rejected(
            vetch_error_new(EINVAL, "resolve %s: not a host name", name));
    return vetch_rejected(
        vetch_error_new(VETCH_ERESOLVE, "resolve %s: no resolver", name));
}
