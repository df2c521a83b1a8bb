/* The rules for names and values of fields, for hosts and for lists: pure
 * functions on bytes. Fields are found by a linear search: a table of at most
 * a hundred entries needs no hash, and so none can be flooded. */

#include "http/message/headers-private.h"

#include <errno.h>
#include <string.h>

#include "http/message/scan-private.h"

/* What a byte may be part of. */
enum {
    TOKEN = 1, /* tchar, RFC 9110, section 5.6.2 */
    HOST = 2   /* reg-name without pct-encoded, RFC 3986, section 3.2.2 */
};

#define T TOKEN
#define H HOST
#define B (TOKEN | HOST)
static const unsigned char classes[256] = {
    ['!'] = B, ['#'] = T, ['$'] = B, ['%'] = T, ['&'] = B, ['\''] = B,
    ['('] = H, [')'] = H, ['*'] = B, ['+'] = B, [','] = H, ['-'] = B,
    ['.'] = B, ['0'] = B, ['1'] = B, ['2'] = B, ['3'] = B, ['4'] = B,
    ['5'] = B, ['6'] = B, ['7'] = B, ['8'] = B, ['9'] = B, [';'] = H,
    ['='] = H, ['A'] = B, ['B'] = B, ['C'] = B, ['D'] = B, ['E'] = B,
    ['F'] = B, ['G'] = B, ['H'] = B, ['I'] = B, ['J'] = B, ['K'] = B,
    ['L'] = B, ['M'] = B, ['N'] = B, ['O'] = B, ['P'] = B, ['Q'] = B,
    ['R'] = B, ['S'] = B, ['T'] = B, ['U'] = B, ['V'] = B, ['W'] = B,
    ['X'] = B, ['Y'] = B, ['Z'] = B, ['^'] = T, ['_'] = B, ['`'] = T,
    ['a'] = B, ['b'] = B, ['c'] = B, ['d'] = B, ['e'] = B, ['f'] = B,
    ['g'] = B, ['h'] = B, ['i'] = B, ['j'] = B, ['k'] = B, ['l'] = B,
    ['m'] = B, ['n'] = B, ['o'] = B, ['p'] = B, ['q'] = B, ['r'] = B,
    ['s'] = B, ['t'] = B, ['u'] = B, ['v'] = B, ['w'] = B, ['x'] = B,
    ['y'] = B, ['z'] = B, ['|'] = T, ['~'] = B,
};
#undef T
#undef H
#undef B

bool
vetch__http_is_token(const char *s, size_t len)
{
    unsigned char all = TOKEN;
    size_t i;

    for (i = 0; i < len; i++)
        all &= classes[(unsigned char)s[i]];
    return len > 0 && all != 0;
}

bool
vetch__http_is_value(const char *s, size_t len)
{
    size_t i = 0;

    while ((i = vetch__scan_control(s, i, len)) < len)
        if (s[i++] != '\t')
            return false;
    return true;
}

bool
vetch__http_equal_bytes(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (a[i] != b[i] && vetch__http_lower(a[i]) != vetch__http_lower(b[i]))
            return false;
    return true;
}

int
vetch__http_field_find(const struct vetch__http_fields *f, const char *base,
                       const char *name, size_t from)
{
    size_t len = strlen(name);
    size_t i;

    for (i = from; i < f->n; i++) {
        const struct vetch__slice *s = &f->v[i].name;

        if (vetch__http_equal(base + s->at, s->len, name, len))
            return (int)i;
    }
    return -1;
}

bool
vetch__http_list_has(const char *value, size_t len, const char *member)
{
    size_t member_len = strlen(member);
    size_t i = 0;

    while (i < len) {
        size_t start, end;

        while (i < len && (vetch__is_blank(value[i]) || value[i] == ','))
            i++;
        start = i;
        while (i < len && value[i] != ',')
            i++;
        end = i;
        while (end > start && vetch__is_blank(value[end - 1]))
            end--;
        if (vetch__http_equal(value + start, end - start, member, member_len))
            return true;
    }
    return false;
}

/* Where the port begins (its colon), or len. */
static size_t
host_end(const char *s, size_t len)
{
    const char *end = NULL;

    if (len > 0 && s[0] == '[')
        end = memchr(s, ']', len);
    if (end == NULL)
        end = s;
    end = memchr(end, ':', len - (size_t)(end - s));
    return end == NULL ? len : (size_t)(end - s);
}

static bool
is_ip_literal(const char *s, size_t len)
{
    size_t i;

    if (len < 4 || s[0] != '[' || s[len - 1] != ']')
        return false;
    for (i = 1; i < len - 1; i++)
        if (vetch__http_hex(s[i]) < 0 && s[i] != ':' && s[i] != '.')
            return false;
    return true;
}

static bool
is_reg_name(const char *s, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        if (s[i] == '%') {
            if (len - i < 3 || vetch__http_hex_pair(s + i + 1) < 0)
                return false;
            i += 2;
        } else if ((classes[(unsigned char)s[i]] & HOST) == 0) {
            return false;
        }
    }
    return len > 0;
}

static bool
is_port(const char *s, size_t len)
{
    unsigned long port = 0;
    size_t i;

    for (i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        port = port * 10 + (unsigned long)(s[i] - '0');
        if (port > 65535)
            return false;
    }
    return true;
}

bool
vetch__http_is_host(const char *s, size_t len)
{
    size_t end = 0;

    while (end < len && (classes[(unsigned char)s[end]] & HOST) != 0)
        end++;
    if (end < len && s[end] != ':') { /* `[`, `%`, or nothing good */
        end = host_end(s, len);
        if (!is_ip_literal(s, end) && !is_reg_name(s, end))
            return false;
    }
    return end > 0 && (end == len || is_port(s + end + 1, len - end - 1));
}

/* The length without a port that says nothing. */
static size_t
without_default_port(const char *s, size_t len)
{
    size_t end = host_end(s, len);

    if (end + 1 == len || (len - end == 3 && memcmp(s + end, ":80", 3) == 0))
        return end;
    return len;
}

bool
vetch__http_host_equal(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return vetch__http_equal(a, without_default_port(a, a_len), b,
                             without_default_port(b, b_len));
}

static bool
is_one_of(const char *const *names, const char *name, size_t len)
{
    for (; *names != NULL; names++)
        if (vetch__http_equal(name, len, *names, strlen(*names)))
            return true;
    return false;
}

bool
vetch__http_is_own_field(const char *name, size_t len)
{
    static const char *const own[] = {
        "host",       "connection", "content-length", "transfer-encoding",
        "keep-alive", "te",         "trailer",        NULL,
    };

    return is_one_of(own, name, len);
}

/* Fields whose value is not a list (RFC 9110; RFC 6265, section 5.4; RFC 6797,
 * section 6.1; CORS). */
bool
vetch__http_is_single_field(const char *name, size_t len)
{
    static const char *const single[] = {
        "access-control-allow-origin",
        "age",
        "authorization",
        "content-disposition",
        "content-length",
        "content-location",
        "content-range",
        "content-type",
        "cookie",
        "date",
        "etag",
        "expires",
        "from",
        "host",
        "if-modified-since",
        "if-range",
        "if-unmodified-since",
        "last-modified",
        "location",
        "max-forwards",
        "origin",
        "proxy-authorization",
        "range",
        "referer",
        "retry-after",
        "server",
        "strict-transport-security",
        "user-agent",
        NULL,
    };

    return is_one_of(single, name, len);
}

bool
vetch__http_is_framing_field(const char *name, size_t len)
{
    return vetch__http_equal(name, len, "content-length", 14) ||
           vetch__http_equal(name, len, "transfer-encoding", 17);
}

bool
vetch__http_is_forbidden_trailer(const char *name, size_t len)
{
    static const char *const forbidden[] = {
        "authorization",
        "connection",
        "content-length",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "max-forwards",
        "proxy-authorization",
        "proxy-connection",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        NULL,
    };

    return is_one_of(forbidden, name, len);
}

int
vetch__http_check_field(const char *name, const char *value)
{
    size_t len;

    if (name == NULL || value == NULL)
        goto fail;
    len = strlen(name);
    if (vetch__http_is_token(name, len) &&
        !vetch__http_is_own_field(name, len) &&
        vetch__http_is_value(value, strlen(value)))
        return 0;
fail:
    errno = EINVAL;
    return -1;
}
