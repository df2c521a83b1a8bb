/* The heads of responses: the fields that the user sets, those that the server
 * adds, and how the body is framed: by its length, if that is known; in chunks;
 * or by the end of the connection, for HTTP/1.0 and CONNECT. */

#include "http/server/server-private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check-private.h"
#include "http/message/status-private.h"

/* What the head takes besides the type and the user's fields. */
#define HEAD_MAX ((size_t)320)

/* ---- the user's fields ---- */

static bool
is_named(const char *name, size_t len, const char *other)
{
    return vetch__http_equal(name, len, other, strlen(other));
}

/* Take the lines of that field out of the first `end` bytes of the fields;
 * whether there was one. */
static bool
remove_field(vetch_http_request *r, const char *name, size_t name_len,
             size_t end)
{
    char *data = r->fields.data + r->fields.start;
    size_t at = 0, found = 0;

    while (at < end) {
        char *line = data + at;
        const char *colon = memchr(line, ':', end - at);
        const char *next = (char *)memchr(line, '\n', end - at) + 1;
        size_t len = (size_t)(next - line);

        if (!vetch__http_equal(line, (size_t)(colon - line), name, name_len)) {
            at += len;
            continue;
        }
        memmove(line, next, vetch__buffer_len(&r->fields) - at - len);
        r->fields.end -= len;
        end -= len;
        found++;
    }
    return found > 0;
}

static bool
has_field(const vetch_http_request *r, const char *name, size_t name_len)
{
    const char *line = vetch_buffer_data(&r->fields);
    const char *end = line + vetch__buffer_len(&r->fields);

    while (line < end) {
        const char *colon = memchr(line, ':', (size_t)(end - line));

        if (vetch__http_equal(line, (size_t)(colon - line), name, name_len))
            return true;
        line = (const char *)memchr(colon, '\n', (size_t)(end - colon)) + 1;
    }
    return false;
}

/* The length of a body that is not sent: RFC 9110, section 8.6. */
static int
announce_length(vetch_http_request *r, const char *value)
{
    size_t digits = strspn(value, "0123456789");

    if (r->head.method != VETCH__HTTP_HEAD || digits == 0 || digits > 19 ||
        value[digits] != '\0') {
        errno = EINVAL;
        return -1;
    }
    r->announced = strtoull(value, NULL, 10);
    r->announces = true;
    return 0;
}

static int
append_field(vetch_http_request *r, const char *name, const char *value)
{
    if (vetch_buffer_printf(&r->fields, "%s: %s\r\n", name, value) < 0)
        return -1;
    if (is_named(name, strlen(name), "date"))
        r->own_date = true;
    else if (is_named(name, strlen(name), "content-type"))
        r->own_type = true;
    else if (is_named(name, strlen(name), "upgrade"))
        r->own_upgrade = true;
    return 0;
}

static int
check_early(const vetch_http_request *r)
{
    if (r->response == VETCH__RESPONSE_NONE)
        return 0;
    errno = EALREADY;
    return -1;
}

int
vetch_http_reply_set_header(vetch_http_request *r, const char *name,
                            const char *value)
{
    size_t before;

    VETCH_CHECK(r != NULL && name != NULL && value != NULL, EINVAL, -1);
    if (check_early(r) < 0)
        return -1;
    if (is_named(name, strlen(name), "content-length"))
        return announce_length(r, value);
    if (vetch__http_check_field(name, value) < 0)
        return -1;
    before = vetch__buffer_len(&r->fields);
    if (append_field(r, name, value) < 0)
        return -1;
    if (before > 0)
        remove_field(r, name, strlen(name), before);
    return 0;
}

int
vetch_http_reply_add_header(vetch_http_request *r, const char *name,
                            const char *value)
{
    bool is_length, exists;

    VETCH_CHECK(r != NULL && name != NULL && value != NULL, EINVAL, -1);
    if (check_early(r) < 0)
        return -1;
    is_length = is_named(name, strlen(name), "content-length");
    exists = is_length ? r->announces : has_field(r, name, strlen(name));
    if (exists && vetch__http_is_single_field(name, strlen(name))) {
        errno = EEXIST;
        return -1;
    }
    if (is_length)
        return announce_length(r, value);
    if (vetch__http_check_field(name, value) < 0)
        return -1;
    return append_field(r, name, value);
}

int
vetch_http_reply_set_length(vetch_http_request *r, uint64_t length)
{
    VETCH_CHECK(r != NULL, EINVAL, -1);
    if (check_early(r) < 0)
        return -1;
    r->announces = length != VETCH_HTTP_LENGTH_UNKNOWN;
    r->announced = length;
    return 0;
}

void
vetch__http_reply_forget_fields(vetch_http_request *r)
{
    vetch_buffer_clear(&r->fields);
    r->own_date = r->own_type = r->own_upgrade = r->announces = false;
}

/* ---- writing ---- */

static char *
head_put_bytes(char *to, const char *s, size_t len)
{
    memcpy(to, s, len);
    return to + len;
}

#define PUT(to, literal) head_put_bytes(to, literal, sizeof(literal) - 1)

static char *
put_number(char *to, uint64_t n)
{
    char digits[20];
    size_t i = sizeof(digits);

    do {
        digits[--i] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    return head_put_bytes(to, digits + i, sizeof(digits) - i);
}

static char *
put_status(char *to, unsigned status)
{
    const char *reason;

    if (vetch__likely(status == 200))
        return PUT(to, "HTTP/1.1 200 OK\r\n");
    reason = vetch__http_reason(status);
    to = PUT(to, "HTTP/1.1 ");
    to = put_number(to, status);
    *to++ = ' ';
    to = head_put_bytes(to, reason, strlen(reason));
    return PUT(to, "\r\n");
}

static char *
put_connection(char *to, const vetch_http_request *r, unsigned status)
{
    const vetch_http_server *s = r->server;

    if (vetch__unlikely(status == 101))
        return PUT(to, "Connection: Upgrade\r\n");
    if (vetch__unlikely(r->own_upgrade)) /* RFC 9110, section 7.8 */
        return PUT(to, "Connection: Upgrade, close\r\n");
    if (r->close)
        return PUT(to, "Connection: close\r\n");
    if (r->head.minor == 0)
        to = PUT(to, "Connection: keep-alive\r\n");
    return head_put_bytes(to, s->keep_alive, s->keep_alive_len);
}

/* Everything but what frames the body. */
static char *
put_fields(char *to, vetch_http_request *r, const struct vetch__reply_head *h)
{
    vetch_http_server *s = r->server;
    size_t own;
    uint64_t now = vetch__clock_now(s->reactor);

    if (vetch__unlikely(r->own_type) && h->type_len > 0) /* it replaces it */
        remove_field(r, "content-type", 12, vetch__buffer_len(&r->fields));
    own = vetch__buffer_len(&r->fields);
    if (vetch__likely(r->conn->phase == VETCH__C_IDLE))
        r->conn->since = now; /* from here the idle time counts */
    if (vetch__likely(!r->own_date))
        to = head_put_bytes(to, vetch__date_line(&s->date, now),
                            VETCH__DATE_LINE_LEN);
    if (h->type_len > 0) {
        to = PUT(to, "Content-Type: ");
        to = head_put_bytes(to, h->type, h->type_len);
        to = PUT(to, "\r\n");
    }
    if (vetch__unlikely(own > 0))
        to = head_put_bytes(to, vetch_buffer_data(&r->fields), own);
    return put_connection(to, r, h->status);
}

static char *
put_framing(char *to, const struct vetch__reply_head *h)
{
    if (h->framing == VETCH__BY_LENGTH) {
        to = PUT(to, "Content-Length: ");
        to = put_number(to, h->len);
        return PUT(to, "\r\n\r\n");
    }
    if (h->framing == VETCH__BY_CHUNKS)
        return PUT(to, "Transfer-Encoding: chunked\r\n\r\n");
    return PUT(to, "\r\n");
}

size_t
vetch__reply_head_bound(const vetch_http_request *r,
                        const struct vetch__reply_head *h)
{
    return HEAD_MAX + h->type_len + vetch__buffer_len(&r->fields);
}

char *
vetch__reply_head_put(char *to, vetch_http_request *r,
                      const struct vetch__reply_head *h)
{
    to = put_status(to, h->status);
    to = put_fields(to, r, h);
    return put_framing(to, h);
}

/* ---- deciding ---- */

/* RFC 9110, section 9.3.6: a 2xx response to CONNECT is not framed. */
static bool
is_tunnel(const vetch_http_request *r, unsigned status)
{
    return r->head.method == VETCH__HTTP_CONNECT && status < 300;
}

static enum vetch__framing
framing_of(const vetch_http_request *r, unsigned status,
           enum vetch__framing wanted)
{
    if (status == 101 || is_tunnel(r, status))
        return VETCH__BY_CLOSE;
    if (status == 204 || status == 304)
        return VETCH__BODILESS;
    if (r->announces && wanted == VETCH__BY_CHUNKS)
        return VETCH__BY_LENGTH;
    if (wanted == VETCH__BY_CHUNKS && r->head.method == VETCH__HTTP_HEAD)
        return VETCH__BODILESS;
    if (wanted == VETCH__BY_CHUNKS && r->head.minor == 0)
        return VETCH__BY_CLOSE;
    return wanted;
}

/* The connection cannot go on after this response if its end frames it, or if
 * the rest of the request's body would be taken for a request. */
void
vetch__reply_decide_close(vetch_http_request *r, enum vetch__framing framing)
{
    if (framing == VETCH__BY_CLOSE || !r->body_done || r->own_upgrade ||
        r->server->object.state != VETCH__SERVER_RUNNING)
        r->close = true;
    if (r->close)
        r->conn->last = true;
}

void
vetch__reply_head_init(struct vetch__reply_head *h, vetch_http_request *r,
                       unsigned status, const char *type,
                       enum vetch__framing wanted, uint64_t len)
{
    h->status = status;
    h->framing = framing_of(r, status, wanted);
    h->type = type;
    h->type_len = type != NULL ? strlen(type) : 0;
    /* A body that is there, and is sent, has its own length. */
    h->len = r->announces && (wanted == VETCH__BY_CHUNKS ||
                              r->head.method == VETCH__HTTP_HEAD)
                 ? r->announced
                 : len;
}
