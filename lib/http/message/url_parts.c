/* URLs split and judged (RFC 3986), for the objects of url.c and for the
 * client.
 *
 * Strict on purpose: what two programs could read in two ways is refused, not
 * repaired.  What RFC 3986 forbids, but browsers and curl take in paths and
 * queries (quotes, angle and other brackets, `|`, `^`), can be read in one way
 * only: it is percent-encoded before it is sent.  A backslash is such a
 * character in a query; in a path some take it for a slash.  This keeps control
 * bytes, spaces and CRLF out of request lines (a URL often comes from somebody
 * else), backslashes and second `@`s out of the question which host is meant,
 * and a NUL out of host names.  A host that is too long for DNS is refused
 * here, never cut. */

#include "http/message/url-private.h"

#include <stdint.h>
#include <string.h>

#include "http/message/headers-private.h"

/* `%25` and the name of an interface. */
enum { ZONE_MAX = 3 + 64 };

/* What a byte may be, as bits. */
enum {
    HOST = 1,     /* a letter, digit, `-`, `.` or `_` of a host name */
    USERINFO = 2, /* unreserved, sub-delims or `:` */
    TARGET = 4,   /* pchar, `/` or `?` */
    HEX = 16,
    RAW = 32,       /* not allowed in a target, but sent nevertheless */
    RAW_QUERY = 64, /* the same, in queries */
    ZONE = 128      /* unreserved */
};

static const uint8_t classes[256] = {
    ['0' ... '9'] = ZONE | HOST | USERINFO | TARGET | HEX,
    ['a' ... 'f'] = ZONE | HOST | USERINFO | TARGET | HEX,
    ['A' ... 'F'] = ZONE | HOST | USERINFO | TARGET | HEX,
    ['g' ... 'z'] = ZONE | HOST | USERINFO | TARGET,
    ['G' ... 'Z'] = ZONE | HOST | USERINFO | TARGET,
    ['-'] = ZONE | HOST | USERINFO | TARGET,
    ['.'] = ZONE | HOST | USERINFO | TARGET,
    ['_'] = ZONE | HOST | USERINFO | TARGET,
    ['~'] = ZONE | USERINFO | TARGET,
    ['!'] = USERINFO | TARGET,
    ['$'] = USERINFO | TARGET,
    ['&'] = USERINFO | TARGET,
    ['\''] = USERINFO | TARGET,
    ['('] = USERINFO | TARGET,
    [')'] = USERINFO | TARGET,
    ['*'] = USERINFO | TARGET,
    ['+'] = USERINFO | TARGET,
    [','] = USERINFO | TARGET,
    [';'] = USERINFO | TARGET,
    ['='] = USERINFO | TARGET,
    [':'] = USERINFO | TARGET,
    ['@'] = TARGET,
    ['/'] = TARGET,
    ['?'] = TARGET,
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

/* ---- splitting ---- */

static struct vetch__url_part
part_of(const char *from, const char *to)
{
    return (struct vetch__url_part){ from, (size_t)(to - from) };
}

static bool
is_scheme(const char *s, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        char lower = (char)vetch__http_lower(s[i]);
        bool letter = lower >= 'a' && lower <= 'z';

        if (!letter && (i == 0 || strchr("0123456789+-.", s[i]) == NULL))
            return false;
    }
    return i > 0;
}

static const char *
split_authority(struct vetch__url_parts *p, const char *text, const char *end)
{
    const char *at = memrchr(text, '@', (size_t)(end - text)), *colon, *host;

    host = at != NULL ? at + 1 : text;
    if (at != NULL)
        p->userinfo = part_of(text, at);
    if (host < end && *host == '[') {
        colon = memchr(host, ']', (size_t)(end - host));
        if (colon == NULL || (++colon < end && *colon != ':'))
            return "malformed IPv6 address";
    } else {
        colon = memchr(host, ':', (size_t)(end - host));
        if (colon == NULL)
            colon = end;
    }
    p->host = part_of(host, colon);
    if (colon < end)
        p->port = part_of(colon + 1, end);
    return NULL;
}

/* Appendix B. */
const char *
vetch__url_split(struct vetch__url_parts *p, const char *text)
{
    const char *at = text + strcspn(text, ":/?#"), *end;
    const char *why = NULL;

    *p = (struct vetch__url_parts){ .scheme = { NULL, 0 } };
    if (strnlen(text, VETCH__URL_MAX + 1) > VETCH__URL_MAX)
        return "longer than 8192 bytes";
    if (*at == ':' && is_scheme(text, (size_t)(at - text))) {
        p->scheme = part_of(text, at);
        text = at + 1;
    }
    if (text[0] == '/' && text[1] == '/') {
        end = text + 2 + strcspn(text + 2, "/?#");
        why = split_authority(p, text + 2, end);
        text = end;
    }
    end = text + strcspn(text, "?#");
    p->path = part_of(text, end);
    if (*end == '?') {
        text = end + 1;
        end = text + strcspn(text, "#");
        p->query = part_of(text, end);
    }
    if (*end == '#')
        p->fragment = part_of(end + 1, end + strlen(end));
    return why;
}

/* ---- judging ---- */

bool
vetch__url_scheme_is(const struct vetch__url_parts *p, const char *scheme)
{
    return vetch__http_equal(p->scheme.at, p->scheme.len, scheme,
                             strlen(scheme));
}

static unsigned
default_port(const struct vetch__url_parts *p)
{
    if (vetch__url_scheme_is(p, "http") || vetch__url_scheme_is(p, "ws"))
        return 80;
    if (vetch__url_scheme_is(p, "https") || vetch__url_scheme_is(p, "wss"))
        return 443;
    return 0;
}

/* `*ret` stays if there are no digits (section 3.2.3). */
static bool
parse_port(struct vetch__url_part port, unsigned *ret)
{
    unsigned n = 0;

    if (port.len > 5)
        return false;
    for (size_t i = 0; i < port.len; i++) {
        if (port.at[i] < '0' || port.at[i] > '9')
            return false;
        n = n * 10 + (unsigned)(port.at[i] - '0');
    }
    if (port.len > 0)
        *ret = n;
    return port.len == 0 || (n > 0 && n <= 65535);
}

/* What is no zone stays a part of the address, and that is refused. */
size_t
vetch__url_find_zone(const char *address, size_t len)
{
    const char *percent = memchr(address, '%', len);
    size_t at = percent != NULL ? (size_t)(percent - address) : len;

    if (len - at <= 3 || len - at > ZONE_MAX || memcmp(percent, "%25", 3) != 0)
        return len;
    for (size_t i = at + 3; i < len; i++)
        if (!is_class(address[i], ZONE))
            return len;
    return at;
}

static const char *
judge_host(const struct vetch__url_parts *p)
{
    const char *text = p->host.at;
    char host[VETCH__URL_HOST_MAX], *end;
    size_t len = p->host.len;

    if (len == 0)
        return default_port(p) != 0 ? "no host" : NULL;
    if (len > sizeof(host))
        return "host name too long";
    if (text[0] != '[')
        return vetch__http_is_host(text, len)
                   ? NULL
                   : "host name with a forbidden character";
    end = mempcpy(host, text, 1 + vetch__url_find_zone(text + 1, len - 2));
    *end++ = ']';
    return vetch__http_is_host(host, (size_t)(end - host))
               ? NULL
               : "malformed IPv6 address";
}

const char *
vetch__url_judge(const struct vetch__url_parts *p, unsigned *ret_port)
{
    const char *why;

    *ret_port = default_port(p);
    if (p->host.at == NULL && *ret_port != 0)
        return "no host";
    if (p->host.at != NULL) {
        why = judge_host(p);
        if (why != NULL)
            return why;
        if (!parse_port(p->port, ret_port))
            return "malformed port";
        if (!all_of(p->userinfo.at, p->userinfo.len, USERINFO))
            return "credentials with a forbidden character";
    }
    if (!all_of(p->path.at, p->path.len, TARGET | RAW) ||
        !all_of(p->query.at, p->query.len, TARGET | RAW | RAW_QUERY) ||
        !all_of(p->fragment.at, p->fragment.len, TARGET | RAW | RAW_QUERY))
        return "a character that must be percent-encoded";
    return NULL;
}

/* ---- encoding ---- */

size_t
vetch__url_count_raw(const char *s, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += is_class(s[i], RAW | RAW_QUERY);
    return n;
}

char *
vetch__url_put_encoded(char *to, const char *s, size_t len)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        if (!is_class(s[i], RAW | RAW_QUERY)) {
            *to++ = s[i];
            continue;
        }
        *to++ = '%';
        *to++ = digits[c >> 4];
        *to++ = digits[c & 15];
    }
    return to;
}

size_t
vetch__url_decode(char *text, size_t len)
{
    size_t from = 0, to = 0;

    while (from < len) {
        if (text[from] == '%' && len - from >= 3) {
            text[to++] = (char)vetch__http_hex_pair(text + from + 1);
            from += 3;
        } else {
            text[to++] = text[from++];
        }
    }
    return to;
}
