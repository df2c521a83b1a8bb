/* Endpoint strings and socket addresses as text. */
#include "net/endpoint-private.h"

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
endpoint_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The decimal number at `text`, at most `max`; NULL or where it ends. */
static const char *
parse_number(const char *text, unsigned max, unsigned *ret)
{
    unsigned value = 0;

    if (!endpoint_is_digit(*text))
        return NULL;
    for (; endpoint_is_digit(*text); text++) {
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
        if (!endpoint_is_digit(label[i]))
            return false;
    }
    return true;
}

static size_t
label_length(const char *label)
{
    size_t n = 0;

    while (is_letter(label[n]) || endpoint_is_digit(label[n]) ||
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
    const char *end = parse_number(zone, INT32_MAX, &number);

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

    memset(ret, 0, sizeof(*ret));
    un->sun_family = AF_UNIX;
    /* vetch__endpoint_parse() saw to its length. */
    memcpy(un->sun_path, path, strlen(path) + 1);
    return sizeof(*un);
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

static void
format_unix(char *to, const struct sockaddr_un *un, socklen_t len)
{
    size_t n = 0;

    /* The kernel need not end the path with a NUL. */
    if (len > offsetof(struct sockaddr_un, sun_path))
        n = strnlen(un->sun_path, len - offsetof(struct sockaddr_un, sun_path));
    snprintf(to, VETCH__ADDRESS_TEXT, "%.*s", (int)n, un->sun_path);
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

/* ---- endpoint strings ---- */

/* Copy the host at `text` and return where it ended, behind a bracket; NULL if
 * it is malformed. */
static const char *
parse_host(struct vetch__endpoint *e, const char *text)
{
    bool bracket = *text == '[';
    const char *end;
    size_t len;

    if (bracket)
        text++;
    end = text + strcspn(text, bracket ? "]" : ":");
    len = (size_t)(end - text);
    if (len == 0 || len >= sizeof(e->host) || (bracket && *end != ']'))
        return NULL;
    memcpy(e->host, text, len);
    e->host[len] = '\0';
    return bracket ? end + 1 : end;
}

static bool
valid_host(const struct vetch__endpoint *e, bool bracket)
{
    union vetch__address address;
    socklen_t len;

    if (vetch__address_parse(&address, &len, e->host, 0))
        return (address.any.sa_family == AF_INET6) == bracket;
    return !bracket &&
           (strcmp(e->host, "*") == 0 || vetch__host_is_name(e->host));
}

static const char *
parse_tcp(struct vetch__endpoint *e, const char *text)
{
    const char *end = parse_host(e, text);

    if (end == NULL || !valid_host(e, *text == '['))
        return "malformed host";
    if (*end != ':')
        return "no port";
    end = parse_number(end + 1, 65535, &e->port);
    if (end == NULL)
        return "malformed port";
    if (strcmp(end, ":reuseport") == 0)
        e->reuseport = true;
    else if (*end != '\0')
        return "unknown option";
    return NULL;
}

static const char *
parse_unix(struct vetch__endpoint *e, const char *text)
{
    size_t len = strlen(text);

    if (len == 0)
        return "no path";
    if (len >= sizeof(e->path))
        return "the path is too long";
    memcpy(e->path, text, len + 1);
    return NULL;
}

static const char *
parse_fd(struct vetch__endpoint *e, const char *text)
{
    unsigned fd;
    const char *end = parse_number(text, 1u << 24, &fd);

    if (end == NULL || *end != '\0')
        return "malformed descriptor";
    e->fd = (int)fd;
    return NULL;
}

const char *
vetch__endpoint_parse(struct vetch__endpoint *ret, const char *text)
{
    static const struct {
        const char *prefix;
        size_t len;
        const char *(*parse)(struct vetch__endpoint *, const char *);
    } kinds[] = { [VETCH__ENDPOINT_TCP] = { "tcp:", 4, parse_tcp },
                  [VETCH__ENDPOINT_UNIX] = { "unix:", 5, parse_unix },
                  [VETCH__ENDPOINT_FD] = { "fd:", 3, parse_fd } };

    memset(ret, 0, sizeof(*ret));
    ret->fd = -1;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strncmp(text, kinds[i].prefix, kinds[i].len) == 0) {
            ret->kind = (enum vetch__endpoint_kind)i;
            return kinds[i].parse(ret, text + kinds[i].len);
        }
    }
    return "unknown kind of endpoint";
}
