/* URIs as objects: split, check and put together again, all by RFC 3986.
 *
 * A URI is one block: the object, its text, and each part as a string of its
 * own behind that. It never changes. */

#include <vetch/url.h>

#include <errno.h>
#include <string.h>

#include <vetch/buffer.h>

#include "base/buffer-private.h"
#include "base/check-private.h"
#include "base/mem-private.h"
#include "base/object-private.h"
#include "http/message/headers-private.h"
#include "http/message/url-private.h"

struct part {
    const char *at; /* NULL: there is none */
    size_t len;
};

struct parts {
    struct part scheme, userinfo, host, port, path, query, fragment;
};

struct vetch_url {
    struct vetch__object object;
    unsigned port;
    const char *scheme, *userinfo, *host, *path, *query, *fragment;
    char text[];
};

static struct part
part_of(const char *from, const char *to)
{
    return (struct part){ from, (size_t)(to - from) };
}

/* ---- taking apart ---- */

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
split_authority(struct parts *p, const char *text, const char *end)
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
static const char *
split_parts(struct parts *p, const char *text)
{
    const char *at = text + strcspn(text, ":/?#"), *end;
    const char *why = NULL;

    *p = (struct parts){ .scheme = { NULL, 0 } };
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

/* ---- putting together ---- */

/* Section 5.2.4, on absolute paths and relative ones; the new length. */
static size_t
remove_dots(char *to, const char *s, size_t len)
{
    size_t i = 0, n = 0;

    while (i < len) {
        size_t slash = s[i] == '/', next = i + slash;
        const char *stop = memchr(s + next, '/', len - next);
        size_t segment = (stop != NULL ? (size_t)(stop - s) : len) - next;
        bool one = segment == 1 && s[next] == '.';
        bool two = segment == 2 && s[next] == '.' && s[next + 1] == '.';

        if (two)
            while (n > 0 && to[--n] != '/')
                ;
        if (!one && !two) {
            memcpy(to + n, s + i, slash + segment);
            n += slash + segment;
        }
        i = next + segment;
        if ((one || two) && i == len && slash)
            to[n++] = '/';
    }
    return n;
}

static int
put_part(vetch_buffer *b, const char *before, struct part p, bool lower)
{
    size_t room = strlen(before) + 3 * p.len + 1;
    char *to, *at;

    if (p.at == NULL)
        return 0;
    to = vetch_buffer_reserve(b, room);
    if (to == NULL)
        return -1;
    at = mempcpy(to, before, strlen(before));
    at = vetch__url_put_target(at, p.at, p.len);
    if (lower)
        for (char *c = to; c < at; c++)
            *c = (char)vetch__http_lower(*c);
    vetch_buffer_commit(b, (size_t)(at - to));
    return 0;
}

static int
put_host(vetch_buffer *b, const struct parts *p)
{
    size_t at = vetch__buffer_len(b);

    if (p->host.at == NULL)
        return 0;
    if (vetch_buffer_append(b, p->host.at, p->host.len) < 0)
        return -1;
    for (char *c = b->data + b->start + at; c < b->data + b->end; c++)
        *c = (char)vetch__http_lower(*c);
    return put_part(b, ":", p->port, false);
}

static int
put_all(vetch_buffer *b, const struct parts *p)
{
    static const struct part nothing = { "", 0 };

    if (put_part(b, "", p->scheme, true) < 0 ||
        put_part(b, ":", nothing, false) < 0)
        return -1;
    if (p->host.at != NULL &&
        (vetch_buffer_append(b, "//", 2) < 0 ||
         put_part(b, "", p->userinfo, false) < 0 ||
         (p->userinfo.at != NULL && vetch_buffer_append(b, "@", 1) < 0)))
        return -1;
    if (put_host(b, p) < 0 || put_part(b, "", p->path, false) < 0 ||
        put_part(b, "?", p->query, false) < 0)
        return -1;
    return put_part(b, "#", p->fragment, false);
}

/* ---- checking ---- */

static unsigned
default_port(struct part scheme)
{
    if (vetch__http_equal(scheme.at, scheme.len, "http", 4) ||
        vetch__http_equal(scheme.at, scheme.len, "ws", 2))
        return 80;
    if (vetch__http_equal(scheme.at, scheme.len, "https", 5) ||
        vetch__http_equal(scheme.at, scheme.len, "wss", 3))
        return 443;
    return 0;
}

static bool
parse_port(struct part port, unsigned *ret)
{
    unsigned n = 0;

    for (size_t i = 0; i < port.len; i++) {
        if (port.at[i] < '0' || port.at[i] > '9')
            return false;
        n = n * 10 + (unsigned)(port.at[i] - '0');
        if (n > 65535)
            return false;
    }
    if (port.len > 0)
        *ret = n;
    return true;
}

static const char *
judge_host(const struct parts *p)
{
    char host[VETCH__URL_HOST_MAX];
    size_t len = p->host.len;

    if (len == 0)
        return default_port(p->scheme) != 0 ? "no host" : NULL;
    if (len > sizeof(host))
        return "host name too long";
    if (p->host.at[0] == '[')
        len = (size_t)(vetch__url_put_host(host, p->host.at, len) - host);
    else
        memcpy(host, p->host.at, len);
    return vetch__http_is_host(host, len)
               ? NULL
               : "host name with a forbidden character";
}

/* NULL, or what is wrong with it. */
static const char *
judge_parts(const struct parts *p, unsigned *ret_port)
{
    const char *why;

    *ret_port = default_port(p->scheme);
    if (p->host.at == NULL && *ret_port != 0)
        return "no host";
    if (p->host.at != NULL) {
        why = judge_host(p);
        if (why != NULL)
            return why;
        if (!parse_port(p->port, ret_port))
            return "malformed port";
        if (!vetch__url_is_userinfo(p->userinfo.at, p->userinfo.len))
            return "credentials with a forbidden character";
    }
    if (!vetch__url_is_path(p->path.at, p->path.len) ||
        !vetch__url_is_query(p->query.at, p->query.len) ||
        !vetch__url_is_query(p->fragment.at, p->fragment.len))
        return "a character that must be percent-encoded";
    return NULL;
}

/* ---- objects ---- */

static const char *
copy_part(char **to, struct part p)
{
    char *start = *to;

    if (p.at == NULL)
        return NULL;
    memcpy(start, p.at, p.len);
    start[p.len] = '\0';
    *to = start + p.len + 1;
    return start;
}

/* From text that is as it shall be. */
static vetch_url *
make_url(const char *text, size_t len, unsigned port)
{
    vetch_url *u = vetch__malloc(sizeof(*u) + 2 * len + 9);
    struct parts p;
    char *at;

    if (u == NULL)
        return NULL;
    u->object = (struct vetch__object){ .type = VETCH__URL, .refs = 1 };
    u->port = port;
    at = mempcpy(u->text, text, len);
    *at++ = '\0';
    split_parts(&p, u->text);
    u->scheme = copy_part(&at, p.scheme);
    u->userinfo = copy_part(&at, p.userinfo);
    u->host = copy_part(&at, p.host);
    u->path = copy_part(&at, p.path);
    u->query = copy_part(&at, p.query);
    u->fragment = copy_part(&at, p.fragment);
    return u;
}

static vetch_url *
url_of_parts(const struct parts *p, const char **ret_why)
{
    vetch_buffer b = { .data = NULL };
    vetch_url *u = NULL;
    unsigned port;
    const char *why = judge_parts(p, &port);

    if (why != NULL) {
        if (ret_why != NULL)
            *ret_why = why;
        errno = EINVAL;
        return NULL;
    }
    if (put_all(&b, p) == 0)
        u = make_url(vetch_buffer_data(&b), vetch__buffer_len(&b), port);
    vetch__buffer_done(&b);
    if (u == NULL)
        errno = ENOMEM;
    return u;
}

static vetch_url *
refuse_url(const char *why, const char **ret_why)
{
    if (ret_why != NULL)
        *ret_why = why;
    errno = EINVAL;
    return NULL;
}

vetch_url *
vetch_url_parse(const char *text, const char **ret_why)
{
    struct parts p;
    const char *why;

    VETCH_CHECK(text != NULL, EINVAL, NULL);
    if (strnlen(text, VETCH__URL_MAX + 1) > VETCH__URL_MAX)
        return refuse_url("longer than 8192 bytes", ret_why);
    why = split_parts(&p, text);
    if (why == NULL && p.scheme.at == NULL)
        why = "not an absolute URL";
    return why != NULL ? refuse_url(why, ret_why) : url_of_parts(&p, ret_why);
}

/* Section 5.2.3, and dots removed; `to` has room for both paths. */
static struct part
merge_paths(const struct parts *base, struct part path, char *to)
{
    const char *slash = memrchr(base->path.at, '/', base->path.len);
    char merged[2 * VETCH__URL_MAX + 2], *at = merged;

    if (path.len > 0 && path.at[0] == '/')
        slash = NULL;
    else if (base->host.at != NULL && base->path.len == 0)
        *at++ = '/';
    if (slash != NULL)
        at = mempcpy(at, base->path.at, (size_t)(slash + 1 - base->path.at));
    at = mempcpy(at, path.at, path.len);
    return (struct part){ to, remove_dots(to, merged, (size_t)(at - merged)) };
}

vetch_url *
vetch_url_join(const vetch_url *base, const char *reference,
               const char **ret_why)
{
    char path[2 * VETCH__URL_MAX + 2];
    struct parts b, r;
    const char *why;

    VETCH_CHECK(base != NULL && reference != NULL, EINVAL, NULL);
    if (strnlen(reference, VETCH__URL_MAX + 1) > VETCH__URL_MAX ||
        strnlen(base->text, VETCH__URL_MAX + 1) > VETCH__URL_MAX)
        return refuse_url("longer than 8192 bytes", ret_why);
    split_parts(&b, base->text);
    why = split_parts(&r, reference);
    if (why != NULL)
        return refuse_url(why, ret_why);
    if (r.scheme.at == NULL && r.host.at == NULL) {
        if (r.path.len == 0 && r.query.at == NULL)
            r.query = b.query;
        if (r.path.len == 0)
            r.path = b.path;
        else
            r.path = merge_paths(&b, r.path, path);
        r.userinfo = b.userinfo;
        r.host = b.host;
        r.port = b.port;
    } else {
        r.path.len = remove_dots(path, r.path.at, r.path.len);
        r.path.at = path;
    }
    if (r.scheme.at == NULL)
        r.scheme = b.scheme;
    return url_of_parts(&r, ret_why);
}

/* ---- comparing ---- */

static bool
is_unreserved(char c)
{
    char lower = (char)vetch__http_lower(c);

    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '.' || c == '_' || c == '~';
}

/* Section 6.2.2: escapes in capital letters, and only where needed. */
static int
put_normal(vetch_buffer *b, const char *s)
{
    char *to = vetch_buffer_reserve(b, strlen(s) + 1), *at = to;

    if (to == NULL)
        return -1;
    for (; *s != '\0'; s++) {
        int value = -1;

        if (*s == '%') /* what was parsed has two digits behind it */
            value = vetch__http_hex(s[1]) << 4 | vetch__http_hex(s[2]);
        if (value >= 0 && is_unreserved((char)value)) {
            *at++ = (char)value;
            s += 2;
        } else if (value >= 0) {
            *at++ = '%';
            *at++ = "0123456789ABCDEF"[value >> 4];
            *at++ = "0123456789ABCDEF"[value & 15];
            s += 2;
        } else {
            *at++ = *s;
        }
    }
    vetch_buffer_commit(b, (size_t)(at - to));
    return 0;
}

static int
normalise(vetch_buffer *b, const vetch_url *u)
{
    const char *parts[] = { u->scheme, u->userinfo, u->host, u->query,
                            u->fragment };
    vetch_buffer path = { .data = NULL };
    int result = put_normal(&path, u->path);
    char *to = NULL;

    for (size_t i = 0; result == 0 && i < sizeof(parts) / sizeof(parts[0]); i++)
        if (vetch_buffer_append(b, parts[i] != NULL ? "+" : "-", 1) < 0 ||
            (parts[i] != NULL && put_normal(b, parts[i]) < 0))
            result = -1;
    if (result == 0)
        to = vetch_buffer_reserve(b, vetch__buffer_len(&path) + 2);
    if (to != NULL) {
        size_t len = remove_dots(to + 1, vetch_buffer_data(&path),
                                 vetch__buffer_len(&path));

        *to = ' ';
        if (len == 0 && u->host != NULL)
            to[++len] = '/';
        vetch_buffer_commit(b, len + 1);
    }
    vetch__buffer_done(&path);
    return to != NULL ? 0 : -1;
}

bool
vetch_url_equal(const vetch_url *a, const vetch_url *b)
{
    vetch_buffer na = { .data = NULL }, nb = { .data = NULL };
    bool equal;

    VETCH_CHECK(a != NULL && b != NULL, EINVAL, false);
    equal = a->port == b->port && normalise(&na, a) == 0 &&
            normalise(&nb, b) == 0 &&
            vetch__buffer_len(&na) == vetch__buffer_len(&nb) &&
            memcmp(vetch_buffer_data(&na), vetch_buffer_data(&nb),
                   vetch__buffer_len(&na)) == 0;
    vetch__buffer_done(&na);
    vetch__buffer_done(&nb);
    return equal;
}

/* ---- components ---- */

int
vetch_url_encode(vetch_buffer *to, const void *data, size_t len)
{
    const char *s = data;
    char *start, *at;

    VETCH_CHECK(to != NULL && (data != NULL || len == 0), EINVAL, -1);
    start = len <= SIZE_MAX / 4 ? vetch_buffer_reserve(to, 3 * len + 1) : NULL;
    if (start == NULL) {
        errno = ENOMEM;
        return -1;
    }
    at = start;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        if (is_unreserved(s[i])) {
            *at++ = s[i];
            continue;
        }
        *at++ = '%';
        *at++ = "0123456789ABCDEF"[c >> 4];
        *at++ = "0123456789ABCDEF"[c & 15];
    }
    vetch_buffer_commit(to, (size_t)(at - start));
    return 0;
}

int
vetch_url_decode(vetch_buffer *to, const char *text, size_t len)
{
    char *start;

    VETCH_CHECK(to != NULL && (text != NULL || len == 0), EINVAL, -1);
    for (size_t i = 0; i < len; i++)
        if (text[i] == '%' &&
            (len - i < 3 || vetch__http_hex(text[i + 1]) < 0 ||
             vetch__http_hex(text[i + 2]) < 0)) {
            errno = EINVAL;
            return -1;
        }
    start = vetch_buffer_reserve(to, len + 1);
    if (start == NULL)
        return -1;
    memcpy(start, text, len);
    vetch_buffer_commit(to, vetch__url_decode(start, len));
    return 0;
}

/* ---- looking at one ---- */

#define URL_GETTER(part)                                                       \
    const char *vetch_url_##part(const vetch_url *u)                           \
    {                                                                          \
        VETCH_CHECK(u != NULL, EINVAL, NULL);                                  \
        return u->part;                                                        \
    }

URL_GETTER(text)
URL_GETTER(scheme)
URL_GETTER(userinfo)
URL_GETTER(host)
URL_GETTER(path)
URL_GETTER(query)
URL_GETTER(fragment)

unsigned
vetch_url_port(const vetch_url *u)
{
    VETCH_CHECK(u != NULL, EINVAL, 0);
    return u->port;
}

vetch_url *
vetch_url_ref(vetch_url *u)
{
    if (u != NULL)
        u->object.refs++;
    return u;
}

vetch_url *
vetch_url_unref(vetch_url *u)
{
    if (u != NULL && --u->object.refs == 0)
        vetch__free(u);
    return NULL;
}
