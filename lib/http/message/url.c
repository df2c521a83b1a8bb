/* Parsing of http URLs.
 *
 * Strict on purpose: what two programs could read in two ways is refused, not
 * repaired.  What RFC 3986 forbids, but browsers and curl take in paths and
 * queries (quotes, angle and other brackets, `|`, `^`), can be read in one way
 * only: it is percent-encoded before it is sent.  A backslash is such a
 * character in a query; in a path some take it for a slash.  This keeps control
 * bytes, spaces and CRLF out of request lines (a URL often comes from somebody
 * else), backslashes and second `@`s out of the question which host is meant,
 * and a NUL or percent sign out of host names.  A host that is too long for DNS
 * is refused here, never cut. */

#include "http/message/url-private.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

/* `%25` and the name of an interface. */
enum { ZONE_MAX = 3 + 64 };

/* What a byte may be, as bits. */
enum {
    HOST = 1,     /* a letter, digit, `-`, `.` or `_` of a host name */
    USERINFO = 2, /* unreserved, sub-delims or `:` */
    TARGET = 4,   /* pchar, `/` or `?` */
    FRAGMENT = 8, /* as TARGET */
    HEX = 16,
    RAW = 32,       /* not allowed in a target, but sent nevertheless */
    RAW_QUERY = 64, /* the same, in queries */
    ZONE = 128      /* unreserved */
};

static const uint8_t classes[256] = {
    ['0' ... '9'] = ZONE | HOST | USERINFO | TARGET | FRAGMENT | HEX,
    ['a' ... 'f'] = ZONE | HOST | USERINFO | TARGET | FRAGMENT | HEX,
    ['A' ... 'F'] = ZONE | HOST | USERINFO | TARGET | FRAGMENT | HEX,
    ['g' ... 'z'] = ZONE | HOST | USERINFO | TARGET | FRAGMENT,
    ['G' ... 'Z'] = ZONE | HOST | USERINFO | TARGET | FRAGMENT,
    ['-'] = ZONE | HOST | USERINFO | TARGET | FRAGMENT,
    ['.'] = ZONE | HOST | USERINFO | TARGET | FRAGMENT,
    ['_'] = ZONE | HOST | USERINFO | TARGET | FRAGMENT,
    ['~'] = ZONE | USERINFO | TARGET | FRAGMENT,
    ['!'] = USERINFO | TARGET | FRAGMENT,
    ['$'] = USERINFO | TARGET | FRAGMENT,
    ['&'] = USERINFO | TARGET | FRAGMENT,
    ['\''] = USERINFO | TARGET | FRAGMENT,
    ['('] = USERINFO | TARGET | FRAGMENT,
    [')'] = USERINFO | TARGET | FRAGMENT,
    ['*'] = USERINFO | TARGET | FRAGMENT,
    ['+'] = USERINFO | TARGET | FRAGMENT,
    [','] = USERINFO | TARGET | FRAGMENT,
    [';'] = USERINFO | TARGET | FRAGMENT,
    ['='] = USERINFO | TARGET | FRAGMENT,
    [':'] = USERINFO | TARGET | FRAGMENT,
    ['@'] = TARGET | FRAGMENT,
    ['/'] = TARGET | FRAGMENT,
    ['?'] = TARGET | FRAGMENT,
    ['"'] = RAW,
    ['<'] = RAW,
    ['>'] = RAW,
    ['['] = RAW,
    [']'] = RAW,
    ['^'] = RAW,
    ['`'] = RAW,
    ['{'] = RAW,
    ['|'] = RAW,
    ['}'] = RAW,
    ['\\'] = RAW_QUERY,
};

static bool
is_class(char c, unsigned class)
{
    return (classes[(unsigned char)c] & class) != 0;
}

/* Whether all bytes are of the class or well-formed percent triplets. */
static bool
all_of(const char *s, size_t len, unsigned class)
{
    size_t i = 0;

    while (i < len) {
        if (s[i] == '%') {
            if (len - i < 3 || !is_class(s[i + 1], HEX) ||
                !is_class(s[i + 2], HEX))
                return false;
            i += 3;
        } else if (is_class(s[i], class)) {
            i++;
        } else {
            return false;
        }
    }
    return true;
}

bool
vetch__url_is_userinfo(const char *s, size_t len)
{
    return all_of(s, len, USERINFO);
}

bool
vetch__url_is_path(const char *s, size_t len)
{
    return all_of(s, len, TARGET | RAW);
}

bool
vetch__url_is_query(const char *s, size_t len)
{
    return all_of(s, len, TARGET | RAW | RAW_QUERY);
}

/* The port of `:PORT` (`text` begins behind the colon); 80 if there are no
 * digits (RFC 3986, section 3.2.3), 0 if it is none. */
static unsigned
parse_port(const char *text, size_t len)
{
    unsigned port = 0;

    if (len == 0)
        return 80;
    if (len > 5)
        return 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    return port <= 65535 ? port : 0;
}

/* Where the zone of an address begins (`%25`, RFC 6874), or its end; what is no
 * zone stays a part of the address, and that is refused. */
static size_t
find_zone(const char *text, size_t len)
{
    const char *percent = memchr(text, '%', len);
    size_t at = percent != NULL ? (size_t)(percent - text) : len;

    if (len - at <= 3 || len - at > ZONE_MAX || memcmp(percent, "%25", 3) != 0)
        return len;
    for (size_t i = at + 3; i < len; i++)
        if (!is_class(text[i], ZONE))
            return len;
    return at;
}

/* Writes "[ADDRESS]" or "[ADDRESS%ZONE]", the address in the one text form of
 * RFC 5952, behind "tcp:". */
static const char *
put_ipv6(struct vetch__url *url, const char *text, size_t whole)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr binary;
    char *out = url->endpoint + 4, *start = out;
    size_t len = find_zone(text, whole);
    const char *zone = text + len;

    if (len >= sizeof(address))
        return "malformed IPv6 address";
    memcpy(address, text, len);
    address[len] = '\0';
    if (inet_pton(AF_INET6, address, &binary) != 1 ||
        inet_ntop(AF_INET6, &binary, address, sizeof(address)) == NULL)
        return "malformed IPv6 address";
    len = strlen(address);
    *out++ = '[';
    memcpy(out, address, len);
    out += len;
    if (zone < text + whole) {
        *out++ = '%';
        len = (size_t)(text + whole - zone) - 3;
        memcpy(out, zone + 3, len);
        out += len;
    }
    *out++ = ']';
    url->host_len = (size_t)(out - start);
    return NULL;
}

/* Writes the name in small letters behind "tcp:". */
static const char *
put_name(struct vetch__url *url, const char *text, size_t len)
{
    char *out = url->endpoint + 4;

    if (len == 0)
        return "no host";
    if (len > VETCH__URL_HOST_MAX)
        return "host name too long";
    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (!is_class(c, HOST))
            return "host name with a forbidden character";
        out[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    url->host_len = len;
    return NULL;
}

static const char *
parse_host_and_port(struct vetch__url *url, const char *text, size_t len)
{
    const char *end = text + len, *colon, *why;

    if (len > 0 && *text == '[') {
        const char *bracket = memchr(text, ']', len);

        if (bracket == NULL)
            return "malformed IPv6 address";
        why = put_ipv6(url, text + 1, (size_t)(bracket - text) - 1);
        colon = bracket + 1;
        if (colon < end && *colon != ':')
            return "malformed IPv6 address";
    } else {
        colon = memchr(text, ':', len);
        if (colon == NULL)
            colon = end;
        why = put_name(url, text, (size_t)(colon - text));
    }
    if (why != NULL)
        return why;
    url->port =
        colon < end ? parse_port(colon + 1, (size_t)(end - colon) - 1) : 80;
    return url->port == 0 ? "malformed port" : NULL;
}

/* Writes ":PORT" and a NUL; the length without that. */
static size_t
put_port(char *to, unsigned port)
{
    char digits[5];
    size_t n = 0, len = 0;

    do {
        digits[n++] = (char)('0' + port % 10);
        port /= 10;
    } while (port > 0);
    to[len++] = ':';
    while (n > 0)
        to[len++] = digits[--n];
    to[len] = '\0';
    return len;
}

/* Completes `endpoint` and finds the Host value in it. */
static void
finish_names(struct vetch__url *url)
{
    size_t at = 4 + url->host_len;

    memcpy(url->endpoint, "tcp:", 4);
    url->endpoint_len = at + put_port(url->endpoint + at, url->port);
    url->host = url->endpoint + 4;
    if (url->port != 80)
        url->host_len = url->endpoint_len - 4;
}

static const char *
parse_authority(struct vetch__url *url, const char *text, size_t len)
{
    /* The last one: all_of() refuses others. */
    const char *at = memrchr(text, '@', len);

    url->userinfo = NULL;
    url->userinfo_len = 0;
    if (at != NULL) {
        url->userinfo = text;
        url->userinfo_len = (size_t)(at - text);
        if (!all_of(text, url->userinfo_len, USERINFO))
            return "credentials with a forbidden character";
        len -= url->userinfo_len + 1;
        text = at + 1;
    }
    url->shown = text;
    return parse_host_and_port(url, text, len);
}

static size_t
count_raw(const char *s, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += is_class(s[i], RAW | RAW_QUERY);
    return n;
}

char *
vetch__url_put_target(char *to, const char *target, size_t len)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)target[i];

        if (!is_class(target[i], RAW | RAW_QUERY)) {
            *to++ = target[i];
            continue;
        }
        *to++ = '%';
        *to++ = digits[c >> 4];
        *to++ = digits[c & 15];
    }
    return to;
}

char *
vetch__url_put_host(char *to, const char *host, size_t len)
{
    const char *zone = memchr(host, '%', len), *rest = host + len;

    if (zone == NULL)
        zone = rest;
    else
        rest = memchr(zone, ']', (size_t)(rest - zone));
    to = mempcpy(to, host, (size_t)(zone - host));
    return mempcpy(to, rest, (size_t)(host + len - rest));
}

const char *
vetch__url_parse(struct vetch__url *ret, const char *text)
{
    size_t len = strnlen(text, VETCH__URL_MAX + 1);
    const char *end = text + len, *path, *query, *fragment, *why;

    if (len > VETCH__URL_MAX)
        return "longer than 8192 bytes";
    if (strncasecmp(text, "http://", 7) != 0)
        return strstr(text, "://") != NULL ? "unsupported scheme, not http"
                                           : "not an absolute http URL";
    text += 7;
    path = text + strcspn(text, "/?#");
    why = parse_authority(ret, text, (size_t)(path - text));
    if (why != NULL)
        return why;
    fragment = memchr(path, '#', (size_t)(end - path));
    if (fragment == NULL)
        fragment = end;
    else if (!all_of(fragment + 1, (size_t)(end - fragment) - 1,
                     FRAGMENT | RAW | RAW_QUERY))
        return "fragment with a forbidden character";
    ret->target = path;
    ret->target_len = (size_t)(fragment - path);
    ret->needs_slash = ret->target_len == 0 || *path != '/';
    query = memchr(path, '?', ret->target_len);
    if (query == NULL)
        query = fragment;
    if (!all_of(path, (size_t)(query - path), TARGET | RAW) ||
        !all_of(query, (size_t)(fragment - query), TARGET | RAW | RAW_QUERY))
        return "path or query with a character that must be percent-encoded";
    ret->n_raw = count_raw(path, ret->target_len);
    ret->shown_len = (size_t)(fragment - ret->shown);
    finish_names(ret);
    return NULL;
}

static unsigned
hex_value(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 32) - 'a' + 10);
}

size_t
vetch__url_decode(char *text, size_t len)
{
    size_t from = 0, to = 0;

    while (from < len) {
        if (text[from] == '%' && len - from >= 3) {
            text[to++] = (char)(hex_value(text[from + 1]) << 4 |
                                hex_value(text[from + 2]));
            from += 3;
        } else {
            text[to++] = text[from++];
        }
    }
    return to;
}
