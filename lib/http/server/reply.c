/* Answers. The bytes of the writer's answer go straight to the transport, all
 * others' into `held`. A small answer is written once, head and body, where
 * the transport will send it from.
 *
 * How an answer is framed: by its length, if that is known; in chunks; or by
 * the end of the connection, for HTTP/1.0 and CONNECT. */

#include "http/server/server-private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <vetch/error.h>

#include "base/check-private.h"
#include "http/message/status-private.h"

enum framing { BY_LENGTH, BY_CHUNKS, BY_CLOSE, BODILESS };

/* What the head takes besides the type and the user's fields. */
#define HEAD_MAX ((size_t)320)
/* A chunk's size line and its last CRLF. */
#define CHUNK_FRAMING ((size_t)16 + 2 + 2)

/* ---- where bytes go ---- */

static bool
is_writer(const vetch_http_request *r)
{
    return vetch__http_writer(r->conn) == r;
}

/* What waits to be sent to the client, in the transport and held. */
static size_t
waiting_bytes(const struct vetch__http_conn *c)
{
    size_t n = vetch_transport_buffered(c->transport);
    const struct vetch__list *link;

    if (vetch__likely(c->n_in_flight == 1))
        return n;
    for (link = c->requests.next; link != &c->requests; link = link->next)
        n += vetch__buffer_len(
            &vetch__container(link, vetch_http_request, link)->held);
    return n;
}

/* Whether `n` more bytes are within the hard cap; else -1 and ENOBUFS. So what
 * is held can always be given to the transport when its turn comes. */
static int
check_cap(const vetch_http_request *r, size_t n)
{
    size_t cap = r->server->limits.cap_bytes;
    size_t used = waiting_bytes(r->conn);

    if (n <= cap && used <= cap - n)
        return 0;
    errno = ENOBUFS;
    return -1;
}

/* A write that cannot be taken back has failed. -1 and ENOMEM; or 0 if the
 * transport cannot send any more, because then the client has gone. */
static int
write_failed(vetch_http_request *r)
{
    int saved = errno;

    vetch__http_conn_abort(r->conn);
    if (saved == EPIPE)
        return 0;
    errno = saved;
    return -1;
}

/* Room for `n` bytes, to be committed. */
static char *
reserve(vetch_http_request *r, size_t n, bool *ret_direct)
{
    *ret_direct = n <= VETCH__CHUNK_ROOM && is_writer(r);
    if (vetch__likely(*ret_direct))
        return vetch__transport_reserve(r->conn->transport, n);
    return vetch_buffer_reserve(&r->held, n);
}

static int
commit(vetch_http_request *r, size_t n, bool direct)
{
    if (vetch__likely(direct)) {
        vetch__transport_commit(r->conn->transport, n);
        r->conn->queued += n;
        return 0;
    }
    vetch_buffer_commit(&r->held, n);
    return is_writer(r) ? vetch__http_reply_flush(r) : 0;
}

static int
write_pieces(vetch_http_request *r, const struct iovec *iov, size_t n)
{
    size_t i, total = 0;

    for (i = 0; i < n; i++)
        total += iov[i].iov_len;
    if (is_writer(r)) {
        if (vetch_transport_writev(r->conn->transport, iov, n) < 0)
            return -1;
        r->conn->queued += total;
        return 0;
    }
    if (vetch_buffer_reserve(&r->held, total) == NULL)
        return -1;
    for (i = 0; i < n; i++)
        vetch_buffer_append(&r->held, iov[i].iov_base, iov[i].iov_len);
    return 0;
}

static int
flush_file(vetch_http_request *r)
{
    struct vetch__http_conn *c = r->conn;
    int fd = r->held_fd;

    if (fd < 0)
        return 0;
    r->held_fd = -1;
    if (vetch_transport_sendfile(c->transport, fd, 0, r->held_len) < 0) {
        close(fd);
        write_failed(r);
        return -1;
    }
    c->queued += r->held_len;
    return 0;
}

int
vetch__http_reply_flush(vetch_http_request *r)
{
    struct vetch__http_conn *c = r->conn;
    size_t len = vetch__buffer_len(&r->held);

    if (vetch__unlikely(len > 0)) {
        if (vetch_transport_write(c->transport, vetch_buffer_data(&r->held),
                                  len) < 0) {
            write_failed(r);
            return -1;
        }
        c->queued += len;
        vetch__buffer_done(&r->held);
        vetch__http_reply_drained(r);
    }
    return flush_file(r);
}

/* ---- heads ---- */

static char *
put(char *to, const char *s, size_t len)
{
    memcpy(to, s, len);
    return to + len;
}

#define PUT(to, literal) put(to, literal, sizeof(literal) - 1)

static char *
put_number(char *to, uint64_t n)
{
    char digits[20];
    size_t i = sizeof(digits);

    do {
        digits[--i] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    return put(to, digits + i, sizeof(digits) - i);
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
    to = put(to, reason, strlen(reason));
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
    return put(to, s->keep_alive, s->keep_alive_len);
}

/* Everything but what frames the body. */
static char *
put_fields(char *to, vetch_http_request *r, const char *type, size_t type_len)
{
    vetch_http_server *s = r->server;
    size_t own = vetch__buffer_len(&r->fields);
    uint64_t now = vetch__clock_now(s->reactor);

    if (vetch__likely(r->conn->phase == VETCH__C_IDLE))
        r->conn->since = now; /* from here the idle time counts */
    if (vetch__likely(!r->own_date))
        to = put(to, vetch__date_line(&s->date, now), VETCH__DATE_LINE_LEN);
    if (type_len > 0) {
        to = PUT(to, "Content-Type: ");
        to = put(to, type, type_len);
        to = PUT(to, "\r\n");
    }
    if (vetch__unlikely(own > 0))
        to = put(to, vetch_buffer_data(&r->fields), own);
    return put_connection(to, r);
}

static char *
put_framing(char *to, enum framing framing, uint64_t len)
{
    if (framing == BY_LENGTH) {
        to = PUT(to, "Content-Length: ");
        to = put_number(to, len);
        return PUT(to, "\r\n\r\n");
    }
    if (framing == BY_CHUNKS)
        return PUT(to, "Transfer-Encoding: chunked\r\n\r\n");
    return PUT(to, "\r\n");
}

static size_t
head_bound(const vetch_http_request *r, size_t type_len)
{
    return HEAD_MAX + type_len + vetch__buffer_len(&r->fields);
}

static char *
put_head(char *to, vetch_http_request *r, unsigned status, const char *type,
         size_t type_len, enum framing framing, uint64_t len)
{
    to = put_status(to, status);
    to = put_fields(to, r, type, type_len);
    return put_framing(to, framing, len);
}

/* ---- what may be answered ---- */

static bool
has_no_body(const vetch_http_request *r, unsigned status)
{
    return status == 204 || status == 304 || r->head.method == VETCH__HTTP_HEAD;
}

/* RFC 9110, section 9.3.6: a 2xx answer to CONNECT is not framed. */
static bool
is_tunnel(const vetch_http_request *r, unsigned status)
{
    return r->head.method == VETCH__HTTP_CONNECT && status < 300;
}

static enum framing
framing_of(const vetch_http_request *r, unsigned status, enum framing wanted)
{
    if (is_tunnel(r, status))
        return BY_CLOSE;
    if (status == 204 || status == 304)
        return BODILESS;
    if (wanted == BY_CHUNKS && r->head.method == VETCH__HTTP_HEAD)
        return BODILESS;
    if (wanted == BY_CHUNKS && r->head.minor == 0)
        return BY_CLOSE;
    return wanted;
}

/* The connection cannot go on after this answer if its end frames it, or if
 * the rest of the request's body would be taken for a request. */
static void
decide_close(vetch_http_request *r, enum framing framing)
{
    if (framing == BY_CLOSE || !r->body_done ||
        r->server->object.state != VETCH__S_RUNNING)
        r->close = true;
    if (r->close)
        r->conn->last = true;
}

static int
check_answer(const vetch_http_request *r, unsigned status, const char *type,
             uint64_t len)
{
    if (r->answer != VETCH__A_NONE) {
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

/* ---- whole answers ---- */

int
vetch_http_reply_set_header(vetch_http_request *r, const char *name,
                            const char *value)
{
    VETCH_CHECK(r != NULL, EINVAL, -1);
    if (r->answer != VETCH__A_NONE) {
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

/* A head that announces `length` bytes, and the body behind it if it fits;
 * *ret_rest tells if it did not. */
static int
reply_together(vetch_http_request *r, unsigned status, const char *type,
               uint64_t length, const struct iovec *body, bool *ret_rest)
{
    enum framing framing = framing_of(r, status, BY_LENGTH);
    size_t type_len = type != NULL ? strlen(type) : 0;
    size_t bound = head_bound(r, type_len);
    bool direct;
    char *start, *end;

    if (check_cap(r, bound + body->iov_len) < 0)
        return -1;
    *ret_rest =
        bound > VETCH__CHUNK_ROOM || body->iov_len > VETCH__CHUNK_ROOM - bound;
    start = reserve(r, *ret_rest ? bound : bound + body->iov_len, &direct);
    if (start == NULL)
        return write_failed(r);
    decide_close(r, framing);
    end = put_head(start, r, status, type, type_len, framing, length);
    if (!*ret_rest && body->iov_len > 0)
        end = put(end, body->iov_base, body->iov_len);
    return commit(r, (size_t)(end - start), direct);
}

int
vetch_http_reply(vetch_http_request *r, unsigned status, const char *type,
                 const void *body, size_t len)
{
    struct iovec iov = { (void *)(uintptr_t)body, len };
    bool rest = false;

    VETCH_CHECK(r != NULL && (body != NULL || len == 0), EINVAL, -1);
    if (check_answer(r, status, type, len) < 0)
        return -1;
    if (r->conn == NULL) {
        r->answer = VETCH__A_ENDED;
        return 0;
    }
    if (has_no_body(r, status))
        iov.iov_len = 0;
    if (reply_together(r, status, type, len, &iov, &rest) < 0)
        return -1;
    if (r->conn != NULL && rest && write_pieces(r, &iov, 1) < 0 &&
        write_failed(r) < 0)
        return -1;
    vetch__http_answer_ended(r);
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
    if (write_pieces(r, &iov, 1) < 0)
        write_failed(r);
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
    if (result < 0 || r->conn == NULL || has_no_body(r, 200) || len == 0) {
        int saved = errno;

        close(fd);
        errno = saved;
        fd = -1;
    }
    if (result < 0)
        return -1;
    r->held_fd = fd;
    r->held_len = len;
    vetch__http_answer_ended(r);
    return 0;
}

int
vetch__http_reply_small_file(vetch_http_request *r, const char *type, int fd,
                             size_t len)
{
    char body[VETCH__SMALL_FILE];
    size_t done = 0;

    while (done < len) {
        ssize_t n = pread(fd, body + done, len - done, (off_t)done);

        if (n <= 0) {
            if (n < 0 && errno == EINTR)
                continue;
            errno = n < 0 ? errno : EIO;
            return -1;
        }
        done += (size_t)n;
    }
    return vetch_http_reply(r, 200, type, body, len);
}

/* ---- answers in pieces ---- */

int
vetch_http_reply_begin(vetch_http_request *r, unsigned status, const char *type)
{
    size_t type_len = type != NULL ? strlen(type) : 0;
    enum framing framing;
    char *start, *end;
    bool direct;

    VETCH_CHECK(r != NULL, EINVAL, -1);
    if (check_answer(r, status, type, 0) < 0 ||
        (r->conn != NULL && check_cap(r, head_bound(r, type_len)) < 0))
        return -1;
    r->answer = VETCH__A_BEGUN;
    r->continued = true; /* a 100 would stand in the middle of the answer */
    framing = framing_of(r, status, BY_CHUNKS);
    r->chunked = framing == BY_CHUNKS;
    r->bodiless = has_no_body(r, status);
    if (r->conn == NULL)
        return 0;
    start = reserve(r, head_bound(r, type_len), &direct);
    if (start == NULL)
        return write_failed(r);
    decide_close(r, framing);
    end = put_head(start, r, status, type, type_len, framing, 0);
    return commit(r, (size_t)(end - start), direct);
}

static int
check_begun(const vetch_http_request *r)
{
    if (r->answer == VETCH__A_BEGUN)
        return 0;
    errno = r->answer == VETCH__A_NONE ? EINVAL : EALREADY;
    return -1;
}

static int
write_chunk(vetch_http_request *r, const void *data, size_t len)
{
    char size[CHUNK_FRAMING];
    struct iovec iov[3] = {
        { size, 0 },
        { (void *)(uintptr_t)data, len },
        { (void *)(uintptr_t) "\r\n", 2 },
    };

    iov[0].iov_len = (size_t)snprintf(size, sizeof(size), "%zx\r\n", len);
    return write_pieces(r, iov, 3);
}

int
vetch_http_reply_write(vetch_http_request *r, const void *data, size_t len)
{
    struct iovec iov = { (void *)(uintptr_t)data, len };
    int result;

    VETCH_CHECK(r != NULL && (data != NULL || len == 0), EINVAL, -1);
    if (check_begun(r) < 0)
        return -1;
    if (r->conn == NULL || r->bodiless || len == 0)
        return 0;
    if (check_cap(r, len + CHUNK_FRAMING) < 0)
        return -1;
    result = r->chunked ? write_chunk(r, data, len) : write_pieces(r, &iov, 1);
    return result < 0 ? write_failed(r) : 0;
}

int
vetch_http_reply_end(vetch_http_request *r)
{
    struct iovec iov = { (void *)(uintptr_t) "0\r\n\r\n", 5 };

    VETCH_CHECK(r != NULL, EINVAL, -1);
    if (check_begun(r) < 0)
        return -1;
    if (r->conn != NULL && r->chunked && write_pieces(r, &iov, 1) < 0 &&
        write_failed(r) < 0)
        return -1;
    vetch__http_answer_ended(r);
    return 0;
}

void
vetch_http_reply_abort(vetch_http_request *r)
{
    VETCH_CHECK(r != NULL, EINVAL, );
    r->answer = VETCH__A_SENT; /* and the handler goes on */
    if (r->conn != NULL)
        vetch__http_conn_abort(r->conn);
}

/* ---- back-pressure ---- */

static bool
is_full(const vetch_http_request *r)
{
    if (!is_writer(r))
        return vetch__buffer_len(&r->held) > r->server->limits.high_bytes;
    return vetch__transport_is_full(r->conn->transport);
}

void
vetch__http_reply_drained(vetch_http_request *r)
{
    vetch_deferred *d = r->drainer;

    r->drainer = NULL;
    if (d != NULL)
        vetch_deferred_resolve(d, NULL, NULL);
    vetch_deferred_unref(d);
}

static void
cancel_drain(vetch_deferred *d, void *ctx)
{
    vetch_http_request *r = ctx;

    r->drainer = NULL;
    vetch_deferred_cancel(d);
    vetch_deferred_unref(d);
}

vetch_promise *
vetch_http_reply_drain(vetch_http_request *r)
{
    if (r == NULL)
        return vetch__failed(EINVAL, "drain");
    if (r->drainer != NULL)
        return vetch_rejected(
            vetch_error_new(VETCH_EMISUSE, "another drain is pending"));
    if (r->conn == NULL || !is_full(r))
        return vetch_resolved(NULL, NULL);
    r->drainer = vetch_deferred_new(cancel_drain, r);
    if (r->drainer == NULL)
        return vetch__failed(errno, "drain");
    return vetch_deferred_promise(r->drainer);
}
