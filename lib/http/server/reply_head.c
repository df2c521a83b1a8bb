/* The heads of responses: the fields that the user sets, those that the server
 * adds, and how the body is framed: by its length, if that is known; in chunks;
 * or by the end of the connection, for HTTP/1.0 and CONNECT. */

#include "http/server/server-private.h"

#include <errno.h>
#include <string.h>

#include "base/check-private.h"
#include "http/message/status-private.h"

/* What the head takes besides the type and the user's fields. */
#define HEAD_MAX ((size_t)320)

/* ---- the user's fields ---- */

int
vetch_http_reply_set_header(vetch_http_request *r, const char *name,
                            const char *value)
{
    VETCH_CHECK(r != NULL, EINVAL, -1);
    if (r->response != VETCH__RESPONSE_NONE) {
        errno = EALREADY;
        return -1;
    }
    if (vetch__http_check_field(name, value) < 0)
        return -1;
    if (vetch_buffer_printf(&r->fields, "%s: %s\r\n", name, value) < 0)
        return -1;
    if (vetch__http_equal(name, strlen(name), "date", 4))
        r->own_date = true;
    return 0;
}

void
vetch__http_reply_forget_fields(vetch_http_request *r)
{
    vetch_buffer_clear(&r->fields);
    r->own_date = false;
}

/* ---- writing ---- */

static char *
put_bytes(char *to, const char *s, size_t len)
{
    memcpy(to, s, len);
    return to + len;
}

#define PUT(to, literal) put_bytes(to, literal, sizeof(literal) - 1)

static char *
put_number(char *to, uint64_t n)
{
    char digits[20];
    size_t i = sizeof(digits);

    do {
        digits[--i] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    return put_bytes(to, digits + i, sizeof(digits) - i);
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
    to = put_bytes(to, reason, strlen(reason));
    return PUT(to, "\r\n");
}

static char *
put_connection(char *to, const vetch_http_request *r)
{
    const vetch_http_server *s = r->server;

    if (r->close)
        return PUT(to, "Connection: close\r\n");
    if (r->head.minor == 0)
        to = PUT(to, "Connection: keep-alive\r\n");
    return put_bytes(to, s->keep_alive, s->keep_alive_len);
}

/* Everything but what frames the body. */
static char *
put_fields(char *to, vetch_http_request *r, const struct vetch__reply_head *h)
{
    vetch_http_server *s = r->server;
    size_t own = vetch__buffer_len(&r->fields);
    uint64_t now = vetch__clock_now(s->reactor);

    if (vetch__likely(r->conn->phase == VETCH__C_IDLE))
        r->conn->since = now; /* from here the idle time counts */
    if (vetch__likely(!r->own_date))
        to = put_bytes(to, vetch__date_line(&s->date, now),
                       VETCH__DATE_LINE_LEN);
    if (h->type_len > 0) {
        to = PUT(to, "Content-Type: ");
        to = put_bytes(to, h->type, h->type_len);
        to = PUT(to, "\r\n");
    }
    if (vetch__unlikely(own > 0))
        to = put_bytes(to, vetch_buffer_data(&r->fields), own);
    return put_connection(to, r);
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
    if (is_tunnel(r, status))
        return VETCH__BY_CLOSE;
    if (status == 204 || status == 304)
        return VETCH__BODILESS;
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
    if (framing == VETCH__BY_CLOSE || !r->body_done ||
        r->server->object.state != VETCH__S_RUNNING)
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
    h->len = len;
}
