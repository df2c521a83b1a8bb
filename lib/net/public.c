/* Which addresses belong to the public Internet: those that the registries of
 * IANA for special purposes (RFC 6890) do not list as something else. */
#include <vetch/resolver.h>

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/check-private.h"
#include "net/sockaddr-private.h"

#define V4(a, b, c, d, bits)                                                   \
    {                                                                          \
        { [10] = 0xff, 0xff, a, b, c, d }, 96 + (bits)                         \
    }

static const struct vetch__network not_public[] = {
    V4(0, 0, 0, 0, 8),       /* this network */
    V4(10, 0, 0, 0, 8),      /* private */
    V4(100, 64, 0, 0, 10),   /* behind a carrier's translator */
    V4(127, 0, 0, 0, 8),     /* this machine */
    V4(169, 254, 0, 0, 16),  /* link-local; clouds tell secrets there */
    V4(172, 16, 0, 0, 12),   /* private */
    V4(192, 0, 0, 0, 24),    /* protocols */
    V4(192, 0, 2, 0, 24),    /* documentation */
    V4(192, 88, 99, 0, 24),  /* relays to IPv6, abandoned */
    V4(192, 168, 0, 0, 16),  /* private */
    V4(198, 18, 0, 0, 15),   /* benchmarks */
    V4(198, 51, 100, 0, 24), /* documentation */
    V4(203, 0, 113, 0, 24),  /* documentation */
    V4(224, 0, 0, 0, 3),     /* groups, reserved, broadcast */
    /* Of what is left of IPv6: */
    { { 0x20, 0x01 }, 23 },             /* protocols, Teredo */
    { { 0x20, 0x01, 0x0d, 0xb8 }, 32 }, /* documentation */
    { { 0x20, 0x02 }, 16 },             /* 6to4: anything may be inside */
    { { 0x3f, 0xff }, 20 },             /* documentation */
};

/* All that is assigned as unicast, and IPv4. */
static const struct vetch__network global = { { 0x20 }, 3 };
static const struct vetch__network mapped = V4(0, 0, 0, 0, 0);
/* RFC 6052: an IPv4 address stands behind it. */
static const struct vetch__network translated = { { 0x00, 0x64, 0xff, 0x9b },
                                                  96 };

/* What a translator makes of an address. */
static void
untranslate(struct sockaddr_in *to, const struct sockaddr *address)
{
    const struct sockaddr_in6 *in6 = (const void *)address;

    *to = (struct sockaddr_in){ .sin_family = AF_INET };
    memcpy(&to->sin_addr, &in6->sin6_addr.s6_addr[12], 4);
}

static bool
is_public(const struct sockaddr *address)
{
    if (!vetch__network_has(&global, address) &&
        !vetch__network_has(&mapped, address))
        return false;
    for (size_t i = 0; i < sizeof(not_public) / sizeof(not_public[0]); i++) {
        if (vetch__network_has(&not_public[i], address))
            return false;
    }
    return true;
}

static bool
is_whole(const struct sockaddr *address, socklen_t len)
{
    return (address->sa_family == AF_INET &&
            len >= sizeof(struct sockaddr_in)) ||
           (address->sa_family == AF_INET6 &&
            len >= sizeof(struct sockaddr_in6));
}

bool
vetch_address_is_public(const struct sockaddr *address, socklen_t len)
{
    struct sockaddr_in in;

    VETCH_CHECK(address != NULL, EINVAL, false);
    if (len < sizeof(address->sa_family) || !is_whole(address, len))
        return false;
    if (!vetch__network_has(&translated, address))
        return is_public(address);
    untranslate(&in, address);
    return is_public((const struct sockaddr *)&in);
}
