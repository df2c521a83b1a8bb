/* URIs as objects: joined, compared and put together by RFC 3986; url_parts.c
 * splits and judges them.
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

struct vetch_url {
    struct vetch__object object;
    unsigned port;
    const char *scheme, *userinfo, *host, *path, *query, *fragment;
    char text[];
};

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
        if ((one || two) && i < len && !slash) /* "./" and "../" in front */
            i++;
    }
    return n;
}

static int
put_part(vetch_buffer *b, const char *before, struct vetch__url_part p,
         bool lower)
{
    size_t room = strlen(before) + 3 * p.len + 1;
    char *to, *at;

    if (p.at == NULL)
        return 0;
    to = vetch_buffer_reserve(b, room);
    if (to == NULL)
        return -1;
    at = mempcpy(to, before, strlen(before));
    at = vetch__url_put_encoded(at, p.at, p.len);
    if (lower)
        for (char *c = to; c < at; c++)
            *c = (char)vetch__http_lower(*c);
    vetch_buffer_commit(b, (size_t)(at - to));
    return 0;
}

static int
put_host(vetch_buffer *b, const struct vetch__url_parts *p)
{
    size_t at = vetch__buffer_len(b);

    if (p->host.at == NULL)
        return 0;
    if (vetch_buffer_append(b, p->host.at, p->host.len) < 0)
        return -1;
    /* The names of interfaces tell their letters' cases apart. */
    for (char *c = b->data + b->start + at;
         c < b->data + b->end && (*p->host.at != '[' || *c != '%'); c++)
        *c = (char)vetch__http_lower(*c);
    return put_part(b, ":", p->port, false);
}

static int
put_all(vetch_buffer *b, const struct vetch__url_parts *p)
{
    static const struct vetch__url_part nothing = { "", 0 };
    /* Without a host, `//` in front would be taken for one. */
    bool misleading = p->host.at == NULL && p->path.len > 1 &&
                      memcmp(p->path.at, "//", 2) == 0;

    if (put_part(b, "", p->scheme, true) < 0 ||
        put_part(b, ":", nothing, false) < 0)
        return -1;
    if (p->host.at != NULL &&
        (vetch_buffer_append(b, "//", 2) < 0 ||
         put_part(b, "", p->userinfo, false) < 0 ||
         (p->userinfo.at != NULL && vetch_buffer_append(b, "@", 1) < 0)))
        return -1;
    if (put_host(b, p) < 0 ||
        put_part(b, misleading ? "/." : "", p->path, false) < 0 ||
        put_part(b, "?", p->query, false) < 0)
        return -1;
    return put_part(b, "#", p->fragment, false);
}

/* ---- objects ---- */

static const char *
copy_part(char **to, struct vetch__url_part p)
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
    struct vetch__url_parts p;
    char *at;

    if (u == NULL)
        return NULL;
    u->object = (struct vetch__object){ .type = VETCH__URL, .refs = 1 };
    u->port = port;
    at = mempcpy(u->text, text, len);
    *at++ = '\0';
    vetch__url_split(&p, u->text);
    u->scheme = copy_part(&at, p.scheme);
    u->userinfo = copy_part(&at, p.userinfo);
    u->host = copy_part(&at, p.host);
    u->path = copy_part(&at, p.path);
    u->query = copy_part(&at, p.query);
    u->fragment = copy_part(&at, p.fragment);
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

static vetch_url *
url_of_parts(const struct vetch__url_parts *p, const char **ret_why)
{
    vetch_buffer b = { .data = NULL };
    vetch_url *u = NULL;
    unsigned port;
    const char *why = vetch__url_judge(p, &port);
    bool fits = false;

    if (why != NULL)
        return refuse_url(why, ret_why);
    if (put_all(&b, p) == 0) {
        fits = vetch__buffer_len(&b) <= VETCH__URL_MAX;
        if (fits)
            u = make_url(vetch_buffer_data(&b), vetch__buffer_len(&b), port);
        else
            refuse_url("longer than 8192 bytes", ret_why);
    }
    vetch__buffer_done(&b);
    return u;
}

vetch_url *
vetch_url_parse(const char *text, const char **ret_why)
{
    struct vetch__url_parts p;
    const char *why;

    VETCH_CHECK(text != NULL, EINVAL, NULL);
    why = vetch__url_split(&p, text);
    if (why == NULL && p.scheme.at == NULL)
        why = "not an absolute URL";
    return why != NULL ? refuse_url(why, ret_why) : url_of_parts(&p, ret_why);
}

/* Section 5.2.3, and dots removed; `to` has room for both paths. */
static struct vetch__url_part
merge_paths(const struct vetch__url_parts *base, struct vetch__url_part path,
            char *to)
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
    return (struct vetch__url_part){ to, remove_dots(to, merged,
                                                     (size_t)(at - merged)) };
}

vetch_url *
vetch_url_join(const vetch_url *base, const char *reference,
               const char **ret_why)
{
    char path[2 * VETCH__URL_MAX + 2];
    struct vetch__url_parts b, r;
    const char *why;

    VETCH_CHECK(base != NULL && reference != NULL, EINVAL, NULL);
    vetch__url_split(&b, base->text);
    why = vetch__url_split(&r, reference);
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
put_normal(vetch_buffer *b, const char *s, bool lower)
{
    char *to = vetch_buffer_reserve(b, strlen(s) + 1), *at = to;

    if (to == NULL)
        return -1;
    for (; *s != '\0'; s++) {
        int value = -1;

        if (*s == '%') /* what was parsed has two digits behind it */
            value = vetch__http_hex_pair(s + 1);
        if (value >= 0 && is_unreserved((char)value)) {
            *at++ = (char)(lower ? vetch__http_lower((char)value) : value);
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

/* The parts apart from one another by bytes that no part can hold. */
static int
normalise(vetch_buffer *b, const vetch_url *u)
{
    const char *parts[] = { u->scheme, u->userinfo, u->host, u->query,
                            u->fragment };
    vetch_buffer path = { .data = NULL };
    int result = put_normal(&path, u->path, false);
    char *to = NULL;

    for (size_t i = 0; result == 0 && i < sizeof(parts) / sizeof(parts[0]); i++)
        if (vetch_buffer_append(b, parts[i] != NULL ? "\n" : "\t", 1) < 0 ||
            (parts[i] != NULL &&
             put_normal(b, parts[i], parts[i] == u->host) < 0))
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
            (len - i < 3 || vetch__http_hex_pair(text + i + 1) < 0)) {
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
