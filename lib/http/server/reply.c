/* Responses as handlers give them: whole, in pieces, or from a file. A small
 * one is written once, head and body, where the transport will send it from. */

#include "http/server/server-private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <vetch/error.h>

#include "base/check-private.h"
#include "http/message/status-private.h"

static int
check_response(const vetch_http_request *r, unsigned status, const char *type,
               uint64_t len)
{
    if (r->response != VETCH__RESPONSE_NONE) {
        errno = EALREADY;
        return -1;
    }
    if (status < 200 || status > 599 ||
        ((status == 204 || status == 205 || status == 304) && len > 0) ||
        (type != NULL && !vetch__http_is_value(type, strlen(type)))) {
        errno = EINVAL;
        return -1;
    }
    return 0;
}

/* ---- whole responses ---- */

/* A head that announces `length` bytes, and the body behind it if it fits;
 * *ret_rest tells if it did not. */
static int
reply_together(vetch_http_request *r, unsigned status, const char *type,
               uint64_t length, const struct iovec *body, bool *ret_rest)
{
    struct vetch__reply_head h;
    size_t bound;
    bool direct;
    char *start, *end;

    vetch__reply_head_init(&h, r, status, type, VETCH__BY_LENGTH, length);
    bound = vetch__reply_head_bound(r, &h);
    if (vetch__reply_check_cap(r, bound + body->iov_len) < 0)
        return -1;
    *ret_rest =
        bound > VETCH__CHUNK_ROOM || body->iov_len > VETCH__CHUNK_ROOM - bound;
    start = vetch__reply_reserve(r, *ret_rest ? bound : bound + body->iov_len,
                                 &direct);
    if (start == NULL)
        return vetch__reply_write_failed(r);
    vetch__reply_decide_close(r, h.framing);
    end = vetch__reply_head_put(start, r, &h);
    if (!*ret_rest && body->iov_len > 0) {
        memcpy(end, body->iov_base, body->iov_len);
        end += body->iov_len;
    }
    return vetch__reply_commit(r, (size_t)(end - start), direct);
}

int
vetch_http_reply(vetch_http_request *r, unsigned status, const char *type,
                 const void *body, size_t len)
{
    struct iovec iov = { (void *)(uintptr_t)body, len };
    bool rest = false;

    VETCH_CHECK(r != NULL && (body != NULL || len == 0), EINVAL, -1);
    if (check_response(r, status, type, len) < 0)
        return -1;
    if (r->conn == NULL) {
        r->response = VETCH__RESPONSE_ENDED;
        return 0;
    }
    if (!vetch__http_has_body(r, status))
        iov.iov_len = 0;
    if (reply_together(r, status, type, len, &iov, &rest) < 0)
        return -1;
    if (r->conn != NULL && rest && vetch__reply_write(r, &iov, 1) < 0 &&
        vetch__reply_write_failed(r) < 0)
        return -1;
    vetch__http_response_ended(r);
    return 0;
}

void
vetch__http_reply_error(vetch_http_request *r, unsigned status, const char *why)
{
    char text[256];
    int len = snprintf(text, sizeof(text), "%u %s%s%s\n", status,
                       vetch__http_reason(status), why != NULL ? ": " : "",
                       why != NULL ? why : "");
    struct vetch__http_conn *c = r->conn;

    if (vetch_http_reply(r, status, "text/plain", text, (size_t)len) < 0)
        vetch__http_conn_abort(c);
}

void
vetch__http_reply_continue(vetch_http_request *r)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct iovec iov = { (void *)(uintptr_t)text, sizeof(text) - 1 };

    r->continued = true;
    if (vetch__reply_write(r, &iov, 1) < 0)
        vetch__reply_write_failed(r);
}

/* ---- files ---- */

int
vetch__http_reply_file(vetch_http_request *r, const char *type, int fd,
                       uint64_t len)
{
    static const struct iovec nothing = { NULL, 0 };
    bool rest;
    int result = 0;

    if (r->conn != NULL)
        result = reply_together(r, 200, type, len, &nothing, &rest);
    if (result < 0 || r->conn == NULL || !vetch__http_has_body(r, 200) ||
        len == 0) {
        int saved = errno;

        close(fd);
        errno = saved;
        fd = -1;
    }
    if (result < 0)
        return -1;
    r->held_fd = fd;
    r->held_len = len;
    vetch__http_response_ended(r);
    return 0;
}

/* ---- responses in pieces ---- */

/* Whether what follows the head is no body, but whatever the two sides like:
 * after 101, and after 2xx to CONNECT (RFC 9110, sections 7.8 and 9.3.6). */
static bool
begins_tunnel(const vetch_http_request *r, unsigned status)
{
    return status == 101 ||
           (r->head.method == VETCH__HTTP_CONNECT && status < 300);
}

static int
check_reply_begin(const vetch_http_request *r, unsigned status,
                  const char *type)
{
    if (status != 101)
        return check_response(r, status, type, 0);
    if (!r->head.upgrade || !r->body_done || type != NULL) {
        errno = EINVAL;
        return -1;
    }
    return check_response(r, 200, NULL, 0); /* as any other */
}

static void
set_begun(vetch_http_request *r, const struct vetch__reply_head *h)
{
    r->response = VETCH__RESPONSE_BEGUN;
    r->continued = true; /* a 100 would stand in the middle of the response */
    r->chunked = h->framing == VETCH__BY_CHUNKS;
    r->measured = h->framing == VETCH__BY_LENGTH;
    r->body_left = h->len;
    r->tunnel = begins_tunnel(r, h->status) && r->body_done;
    r->bodiless = !r->tunnel && !vetch__http_has_body(r, h->status);
}

/* The head has been given. */
static void
begin_tunnel(vetch_http_request *r)
{
    struct vetch__http_conn *c = r->conn;

    c->tunnel = c->last = r->close = true;
    c->reading = r;
    vetch__request_stream_open(r);
    vetch__http_conn_settle(c);
}

int
vetch_http_reply_begin(vetch_http_request *r, unsigned status, const char *type)
{
    struct vetch__reply_head h;
    char *start, *end;
    bool direct;

    VETCH_CHECK(r != NULL, EINVAL, -1);
    if (check_reply_begin(r, status, type) < 0)
        return -1;
    vetch__reply_head_init(&h, r, status, type, VETCH__BY_CHUNKS, 0);
    if (r->conn != NULL &&
        vetch__reply_check_cap(r, vetch__reply_head_bound(r, &h)) < 0)
        return -1;
    set_begun(r, &h);
    if (r->conn == NULL)
        return 0;
    start = vetch__reply_reserve(r, vetch__reply_head_bound(r, &h), &direct);
    if (start == NULL)
        return vetch__reply_write_failed(r);
    vetch__reply_decide_close(r, h.framing);
    end = vetch__reply_head_put(start, r, &h);
    if (vetch__reply_commit(r, (size_t)(end - start), direct) < 0)
        return -1;
    if (r->conn != NULL && r->tunnel)
        begin_tunnel(r);
    else if (r->conn != NULL)
        vetch__request_stream_open(r);
    return 0;
}
