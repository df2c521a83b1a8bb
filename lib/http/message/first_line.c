/* First lines, read from the raw bytes: method, target and version of a
 * request, version and status of a response. What is wrong with a line is
 * said in the order in which it stands there. */

#include "http/message/first_line-private.h"

#include <llhttp.h>
#include <string.h>

enum vetch__http_verdict
vetch__http_refuse_head(struct vetch__http_head *h, unsigned status,
                        const char *why)
{
    h->refusal.status = (uint16_t)status;
    h->refusal.why = why;
    return VETCH__HTTP_REFUSED;
}

/* ---- versions ---- */

static bool
line_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* HTTP-version = "HTTP/" DIGIT "." DIGIT, in this case of letters (RFC 9112,
 * section 2.3). */
static bool
is_version(const char *s, size_t len)
{
    return len == 8 && memcmp(s, "HTTP/", 5) == 0 && line_is_digit(s[5]) &&
           s[6] == '.' && line_is_digit(s[7]);
}

/* The minor version by which to treat a message of HTTP/1.x: a later one is
 * compatible with 1.1 (RFC 9110, section 2.5). */
static uint8_t
minor_of(const char *version)
{
    return version[7] == '0' ? 0 : 1;
}

/* ---- targets ---- */

/* Bytes that a target must not have. Others that RFC 3986 does not allow are
 * let through, because browsers and curl send them. */
static const char *
judge_target_bytes(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c <= ' ' || c >= 0x7f)
            return "forbidden byte in the target";
        if (c == '#')
            return "fragment in the target";
    }
    return NULL;
}

/* Split path and query; `at` is where the path begins. */
static void
split_path(struct vetch__http_head *h, const char *data, uint32_t at)
{
    uint32_t end = h->target.at + h->target.len;
    uint32_t i;

    h->plain_path = true;
    for (i = at; i < end && data[i] != '?'; i++) {
        if (data[i] == '%')
            h->plain_path = false;
        if (data[i] == '/' && i + 1 < end &&
            (data[i + 1] == '/' || data[i + 1] == '.'))
            h->plain_path = false;
    }
    h->path = (struct vetch__slice){ at, i - at };
    if (i < end)
        i++;
    h->query = (struct vetch__slice){ i, end - i };
}

static bool
judge_authority_form(struct vetch__http_head *h, const char *data)
{
    const char *s = data + h->target.at;
    size_t len = h->target.len;
    size_t digits = 0;

    h->form = VETCH__HTTP_AUTHORITY;
    h->path = h->target;
    h->plain_path = true;
    while (digits < len && line_is_digit(s[len - 1 - digits]))
        digits++;
    return digits > 0 && digits < len && s[len - 1 - digits] == ':' &&
           vetch__http_is_host(s, len);
}

/* `http://host[:port][/path][?query]`: the authority goes into ret. */
static bool
judge_absolute_form(struct vetch__http_head *h, const char *data,
                    struct vetch__slice *ret)
{
    const char *s = data + h->target.at;
    size_t len = h->target.len;
    size_t at, end;

    h->form = VETCH__HTTP_ABSOLUTE;
    if (len > 7 && vetch__http_equal(s, 7, "http://", 7))
        at = 7;
    else if (len > 8 && vetch__http_equal(s, 8, "https://", 8))
        at = 8;
    else
        return false;
    for (end = at; end < len && s[end] != '/' && s[end] != '?'; end++)
        ;
    *ret = (struct vetch__slice){ h->target.at + (uint32_t)at,
                                  (uint32_t)(end - at) };
    split_path(h, data, h->target.at + (uint32_t)end);
    if (end == len || s[end] != '/') {
        /* An empty path is "/": there is one before the authority. */
        h->path = (struct vetch__slice){ h->target.at + (uint32_t)at - 1, 1 };
        h->plain_path = true;
    }
    return vetch__http_is_host(s + at, end - at);
}

/* RFC 9112, section 3.2. */
static enum vetch__http_verdict
judge_target(struct vetch__http_head *h, const char *data,
             struct vetch__slice *ret_authority)
{
    const char *s = data + h->target.at;
    const char *why = judge_target_bytes(s, h->target.len);

    if (why != NULL)
        return vetch__http_refuse_head(h, 400, why);
    if (h->method == VETCH__HTTP_CONNECT) {
        if (!judge_authority_form(h, data))
            return vetch__http_refuse_head(h, 400, "CONNECT needs host:port");
    } else if (s[0] == '/') {
        h->form = VETCH__HTTP_ORIGIN;
        split_path(h, data, h->target.at);
    } else if (h->target.len == 1 && s[0] == '*') {
        if (h->method != VETCH__HTTP_OPTIONS)
            return vetch__http_refuse_head(h, 400, "target * without OPTIONS");
        h->form = VETCH__HTTP_ASTERISK;
        h->path = h->target;
        h->plain_path = true;
    } else if (!judge_absolute_form(h, data, ret_authority)) {
        return vetch__http_refuse_head(h, 400, "malformed target");
    }
    return VETCH__HTTP_DONE;
}

/* ---- methods ---- */

const char *
vetch__http_method_name(uint8_t method)
{
    if (method >= VETCH__HTTP_METHODS)
        return NULL;
    return llhttp_method_name((llhttp_method_t)method);
}

int
vetch__http_method_find(const char *name, size_t len)
{
    if (len == 3 && memcmp(name, "GET", 3) == 0)
        return VETCH__HTTP_GET;
    for (unsigned i = 0; i < VETCH__HTTP_METHODS; i++) {
        const char *known = vetch__http_method_name((uint8_t)i);

        if (strlen(known) == len && memcmp(known, name, len) == 0)
            return (int)i;
    }
    return -1;
}

static enum vetch__http_verdict
judge_method(struct vetch__http_head *h, const char *name, size_t len)
{
    int method = vetch__http_method_find(name, len);

    if (method >= 0) {
        h->method = (uint8_t)method;
        return VETCH__HTTP_DONE;
    }
    if (!vetch__http_is_token(name, len))
        return vetch__http_refuse_head(h, 400, "malformed method");
    return vetch__http_refuse_head(h, 501, "unknown method");
}

/* ---- lines ---- */

static enum vetch__http_verdict
refuse_space(struct vetch__http_head *h)
{
    return vetch__http_refuse_head(h, 400,
                                   "misplaced space in the request line");
}

static enum vetch__http_verdict
judge_version(struct vetch__http_head *h, const char *s, size_t len)
{
    if (!is_version(s, len)) {
        if (len == 0 || memchr(s, ' ', len) != NULL)
            return refuse_space(h);
        return vetch__http_refuse_head(h, 400, "malformed HTTP version");
    }
    if (s[5] != '1')
        return vetch__http_refuse_head(h, 505, "HTTP version not supported");
    h->minor = minor_of(s);
    return VETCH__HTTP_DONE;
}

enum vetch__http_verdict
vetch__http_request_line(struct vetch__http_head *h, const char *data,
                         size_t len, struct vetch__slice *ret_authority)
{
    const char *end = data + len, *target, *version;

    target = memchr(data, ' ', len);
    if (target == NULL || target == data)
        return vetch__http_refuse_head(h, 400, "malformed request line");
    if (target == data + 3 && memcmp(data, "PRI", 3) == 0)
        return vetch__http_refuse_head(h, 400, "HTTP/2 preface");
    version = memchr(target + 1, ' ', (size_t)(end - target - 1));
    if (version == NULL)
        return vetch__http_refuse_head(h, 400, "request line without version");
    if (version == target + 1)
        return refuse_space(h);
    h->target = (struct vetch__slice){ (uint32_t)(target + 1 - data),
                                       (uint32_t)(version - target - 1) };
    /* The version first: what another one's methods are is not known. */
    if (judge_version(h, version + 1, (size_t)(end - version - 1)) ==
            VETCH__HTTP_REFUSED ||
        judge_method(h, data, (size_t)(target - data)) == VETCH__HTTP_REFUSED)
        return VETCH__HTTP_REFUSED;
    return judge_target(h, data, ret_authority);
}

/* `HTTP/1.x SP 3DIGIT`, then a reason or nothing. Any status from 100 on is
 * understood (RFC 9110, section 15), and a reason may have tabs (RFC 9112,
 * section 4). */
enum vetch__http_verdict
vetch__http_status_line(struct vetch__http_head *h, const char *data,
                        size_t len)
{
    const char *s = data + 9;

    if (len < 12 || !is_version(data, 8) || data[5] != '1' || data[8] != ' ' ||
        s[0] < '1' || !line_is_digit(s[0]) || !line_is_digit(s[1]) ||
        !line_is_digit(s[2]) || (len > 12 && s[3] != ' '))
        return vetch__http_refuse_head(h, 400, "malformed status line");
    h->minor = minor_of(data);
    h->status = (uint16_t)((s[0] - '0') * 100 + (s[1] - '0') * 10 + s[2] - '0');
    if (len > 13)
        h->reason = (struct vetch__slice){ 13, (uint32_t)len - 13 };
    return VETCH__HTTP_DONE;
}
