/* Host names and socket addresses as text, and networks. */
#include "net/sockaddr-private.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Not isalpha() and friends: those depend on the locale. */
static bool
address_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

const char *
vetch__parse_number(const char *text, unsigned max, unsigned *ret)
{
    unsigned value = 0;

    if (!address_is_digit(*text))
        return NULL;
    for (; address_is_digit(*text); text++) {
        unsigned digit = (unsigned)(*text - '0');

        if (digit > max || value > (max - digit) / 10)
            return NULL;
        value = value * 10 + digit;
    }
    *ret = value;
    return text;
}

/* ---- host names ---- */

static bool
is_number_label(const char *label, size_t len)
{
    if (len >= 2 && label[0] == '0' && (label[1] | 0x20) == 'x')
        return true;
    for (size_t i = 0; i < len; i++) {
        if (!address_is_digit(label[i]))
            return false;
    }
    return true;
}

static size_t
label_length(const char *label)
{
    size_t n = 0;

    while (is_letter(label[n]) || address_is_digit(label[n]) ||
           label[n] == '-' || label[n] == '_')
        n++;
    return n;
}

bool
vetch__host_is_name(const char *host)
{
    const char *label = host;
    size_t total = strlen(host);

    if (total > 0 && host[total - 1] == '.')
        total--;
    if (total > VETCH__HOST_MAX)
        return false;
    for (;;) {
        size_t len = label_length(label);
        const char *end = label + len;

        if (len == 0 || len > 63 || label[0] == '-')
            return false;
        if (end[0] == '\0' || (end[0] == '.' && end[1] == '\0'))
            return !is_number_label(label, len);
        if (*end != '.')
            return false;
        label = end + 1;
    }
}

bool
vetch__host_is_local(const char *host)
{
    static const char local[] = "localhost";
    size_t len = strlen(host), n = sizeof(local) - 1;

    if (len > 0 && host[len - 1] == '.')
        len--;
    if (len < n || strncasecmp(host + len - n, local, n) != 0)
        return false;
    return len == n || host[len - n - 1] == '.';
}

/* ---- addresses ---- */

static bool
parse_zone(const char *zone, uint32_t *ret)
{
    unsigned number;
    const char *end = vetch__parse_number(zone, INT32_MAX, &number);

    *ret = end != NULL && *end == '\0' ? number : if_nametoindex(zone);
    return *ret != 0;
}

static bool
parse_ipv6(struct sockaddr_in6 *in6, const char *host)
{
    char bare[INET6_ADDRSTRLEN];
    const char *percent = strchr(host, '%');
    size_t len = percent != NULL ? (size_t)(percent - host) : strlen(host);

    if (len >= sizeof(bare))
        return false;
    memcpy(bare, host, len);
    bare[len] = '\0';
    if (inet_pton(AF_INET6, bare, &in6->sin6_addr) != 1)
        return false;
    in6->sin6_family = AF_INET6;
    return percent == NULL || parse_zone(percent + 1, &in6->sin6_scope_id);
}

bool
vetch__address_parse(union vetch__address *ret, socklen_t *ret_len,
                     const char *host, unsigned port)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&ret->storage;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret->storage;

    memset(ret, 0, sizeof(*ret));
    if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons((uint16_t)port);
        *ret_len = sizeof(*in);
        return true;
    }
    memset(ret, 0, sizeof(*ret));
    if (!parse_ipv6(in6, host))
        return false;
    in6->sin6_port = htons((uint16_t)port);
    *ret_len = sizeof(*in6);
    return true;
}

socklen_t
vetch__address_unix(union vetch__address *ret, const char *path)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&ret->storage;
    size_t len = strlen(path);

    memset(ret, 0, sizeof(*ret));
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, len);
    if (path[0] != '@')
        return sizeof(*un);
    un->sun_path[0] = '\0'; /* the length says where the name ends */
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

static void
format_ipv6(char *to, const struct sockaddr_in6 *in6)
{
    char text[INET6_ADDRSTRLEN];
    unsigned port = ntohs(in6->sin6_port);

    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
        inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], text, sizeof(text));
        snprintf(to, VETCH__ADDRESS_TEXT, "%s:%u", text, port);
        return;
    }
    inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
    if (in6->sin6_scope_id != 0)
        snprintf(to, VETCH__ADDRESS_TEXT, "[%s%%%u]:%u", text,
                 (unsigned)in6->sin6_scope_id, port);
    else
        snprintf(to, VETCH__ADDRESS_TEXT, "[%s]:%u", text, port);
}

/* A path, or an abstract name, in which every NUL becomes "@". */
static void
format_unix(char *to, const struct sockaddr_un *un, socklen_t len)
{
    size_t room = len > offsetof(struct sockaddr_un, sun_path)
                      ? len - offsetof(struct sockaddr_un, sun_path)
                      : 0;
    bool abstract = room > 0 && un->sun_path[0] == '\0';
    /* The kernel need not end a path with a NUL. */
    size_t n = abstract ? room : strnlen(un->sun_path, room);

    memcpy(to, un->sun_path, n);
    to[n] = '\0';
    for (size_t i = 0; i < n; i++) {
        if (to[i] == '\0')
            to[i] = '@';
    }
}

void
vetch__address_format(char to[VETCH__ADDRESS_TEXT],
                      const struct sockaddr *address, socklen_t len)
{
    const struct sockaddr_in *in = (const void *)address;
    char text[INET_ADDRSTRLEN];

    switch (address->sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
        snprintf(to, VETCH__ADDRESS_TEXT, "%s:%u", text,
                 (unsigned)ntohs(in->sin_port));
        break;
    case AF_INET6:
        format_ipv6(to, (const void *)address);
        break;
    case AF_UNIX:
        format_unix(to, (const void *)address, len);
        break;
    default:
        to[0] = '\0';
    }
}

void
vetch__address_endpoint(char to[VETCH__ENDPOINT_NAME], const char *kind,
                        const struct sockaddr *address, socklen_t len)
{
    char text[VETCH__ADDRESS_TEXT];

    vetch__address_format(text, address, len);
    to = stpcpy(to, kind);
    for (const char *from = text; *from != '\0'; from++) {
        if (*from == ',') /* it would begin an option */
            *to++ = ',';
        *to++ = *from;
    }
    *to = '\0';
}

unsigned
vetch__address_port(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ntohs(
            ((const struct sockaddr_in *)(const void *)address)->sin_port);
    if (address->sa_family == AF_INET6)
        return ntohs(
            ((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
    return 0;
}

/* ---- networks ---- */

bool
vetch__address_bytes(uint8_t to[16], const struct sockaddr *address)
{
    const struct sockaddr_in *in = (const void *)address;
    const struct sockaddr_in6 *in6 = (const void *)address;

    if (address->sa_family == AF_INET6) {
        memcpy(to, &in6->sin6_addr, 16);
        return true;
    }
    if (address->sa_family != AF_INET)
        return false;
    memset(to, 0, 10);
    memset(to + 10, 0xff, 2);
    memcpy(to + 12, &in->sin_addr, 4);
    return true;
}

bool
vetch__address_is_mapped(const uint8_t bytes[16])
{
    static const uint8_t mapped[12] = { [10] = 0xff, 0xff };

    return memcmp(bytes, mapped, sizeof(mapped)) == 0;
}

static bool
same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    return memcmp(a, b, whole) == 0 &&
           (rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0);
}

bool
vetch__network_parse(struct vetch__network *ret, const char *text)
{
    union vetch__address address;
    char host[INET6_ADDRSTRLEN];
    size_t len = strcspn(text, "/");
    unsigned own, bits;
    socklen_t ignored;

    if (len >= sizeof(host))
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    if (strchr(host, '%') != NULL ||
        !vetch__address_parse(&address, &ignored, host, 0))
        return false;
    own = bits = address.any.sa_family == AF_INET ? 32 : 128;
    if (text[len] == '/') {
        const char *end = vetch__parse_number(text + len + 1, own, &bits);

        if (end == NULL || *end != '\0')
            return false;
    }
    vetch__address_bytes(ret->bytes, &address.any);
    ret->bits = (uint8_t)(bits + 128 - own);
    for (unsigned i = ret->bits; i < 128; i++) {
        if ((ret->bytes[i / 8] & (0x80 >> (i % 8))) != 0)
            return false;
    }
    return true;
}

bool
vetch__network_has(const struct vetch__network *n,
                   const struct sockaddr *address)
{
    uint8_t bytes[16];

    return vetch__address_bytes(bytes, address) &&
           same_bits(bytes, n->bytes, n->bits);
}
