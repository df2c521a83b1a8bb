/* A request as a stream: reading gives its body, writing takes its response
 * once that was begun. After 101, or 2xx to CONNECT, it is the connection.
 *
 * It is made when it is asked for, and belongs to the request: when the handler
 * has ended, or the client has gone, it is OVER, whoever may still hold it.
 * What nobody reads stays in the connection, which then pauses. */
#include "http/server/server-private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include <vetch/descriptor.h>
#include <vetch/error.h>

#include "base/check-private.h"
#include "base/error-private.h"
#include "base/mem-private.h"

enum {
    READ_AHEAD = 65536,
    CHUNK_SIZE_ROOM = 20, /* a chunk's size line */
    FEW_PIECES = 6        /* that leave in one go with what frames them */
};

struct vetch__request_stream {
    vetch_stream s;              /* first */
    vetch_http_request *request; /* NULL once the handler has ended */
    struct vetch__flush turn;
};

static vetch_http_request *
request_of(const vetch_stream *s)
{
    return ((const struct vetch__request_stream *)(uintptr_t)s)->request;
}

static bool
is_next_to_send(const vetch_http_request *r)
{
    return vetch__http_writer(r->conn) == r;
}

/* ---- reading ---- */

static void
request_want(vetch_stream *s)
{
    struct vetch__request_stream *rs =
        (struct vetch__request_stream *)(uintptr_t)s;

    vetch__flush_later(rs->request->server->reactor, &rs->turn);
}

/* At the end of the dispatch: bytes are to come. */
static void
request_turn(struct vetch__flush *self)
{
    vetch_http_request *r =
        vetch__container(self, struct vetch__request_stream, turn)->request;

    if (r->conn != NULL && !r->continued && r->conn->left == 0 &&
        vetch__request_stream_wants(r))
        vetch__http_reply_continue(r);
    if (r->conn != NULL) /* else nobody was there to be told */
        vetch__http_conn_settle(r->conn);
}

static void
request_enough(vetch_stream *s)
{
    (void)s; /* what comes next is not taken */
}

/* ---- writing ---- */

static int
put_chunk(vetch_http_request *r, const struct iovec *iov, size_t n,
          size_t total)
{
    char size[CHUNK_SIZE_ROOM];
    struct iovec all[FEW_PIECES + 2];

    all[0].iov_base = size;
    all[0].iov_len = (size_t)snprintf(size, sizeof(size), "%zx\r\n", total);
    all[n <= FEW_PIECES ? n + 1 : 1] =
        (struct iovec){ (void *)(uintptr_t) "\r\n", 2 };
    if (n <= FEW_PIECES) {
        for (size_t i = 0; i < n; i++)
            all[i + 1] = iov[i];
        return vetch__reply_write(r, all, n + 2);
    }
    if (vetch__reply_write(r, &all[0], 1) < 0 ||
        vetch__reply_write(r, iov, n) < 0)
        return -1;
    return vetch__reply_write(r, &all[1], 1);
}

static int
request_write(vetch_stream *s, const struct iovec *iov, size_t n, size_t total)
{
    vetch_http_request *r = request_of(s);

    if (r->bodiless)
        return 0;
    if (r->measured && total > r->body_left) {
        errno = EMSGSIZE;
        return -1;
    }
    if (vetch__reply_check_room(r) < 0)
        return -1;
    if ((r->chunked ? put_chunk(r, iov, n, total)
                    : vetch__reply_write(r, iov, n)) < 0)
        return -1; /* it cannot end any more: its handler's end cuts it off */
    r->body_left -= r->measured ? total : 0;
    return 0;
}

static uint64_t
request_pending(const vetch_stream *s)
{
    const vetch_http_request *r = request_of(s);

    if (r == NULL || r->conn == NULL)
        return 0;
    if (is_next_to_send(r))
        return vetch__transport_pending(r->conn->transport);
    return vetch__buffer_len(&r->held);
}

static void
request_tell_drained(vetch_stream *s)
{
    vetch_http_request *r = request_of(s);

    /* Else it is told when its turn comes. */
    if (r->conn != NULL && is_next_to_send(r))
        vetch__transport_tell_resumed(r->conn->transport);
}

/* ---- ending ---- */

/* What is missing shows when the handler ends: a response that was begun, and
 * cannot end, is cut off. */
static int
lose_response(vetch_http_request *r, vetch_error *error)
{
    vetch__stream_set_error(&r->stream->s, error);
    r->stream->s.flags |= VETCH__S_LOST_WRITE;
    return -1;
}

/* The response is complete; -1: it cannot be. */
static int
complete_body(vetch_http_request *r)
{
    struct iovec last = { (void *)(uintptr_t) "0\r\n\r\n", 5 };

    if (r->measured && !r->bodiless && r->body_left > 0)
        return lose_response(
            r, vetch_error_new(VETCH_ETRUNCATED,
                               "the response is %llu bytes too short",
                               (unsigned long long)r->body_left));
    if (r->chunked && !r->bodiless && vetch__reply_write(r, &last, 1) < 0)
        return lose_response(
            r, vetch_error_from_errno(errno, "the end of a response"));
    vetch__http_response_ended(r);
    return 0;
}

/* What remains to be sent is the server's work. */
static void
request_end(vetch_stream *s)
{
    vetch_http_request *r = request_of(s);

    if (r->tunnel)
        vetch_transport_end(r->conn->transport); /* write_ended follows */
    else if (complete_body(r) == 0)
        vetch__stream_end_done(s);
}

static void
request_close(vetch_stream *s)
{
    vetch_http_request *r = request_of(s);

    if (r->tunnel && r->conn != NULL) {
        if (r->response == VETCH__RESPONSE_BEGUN)
            vetch__http_response_ended(r); /* closes; `lost` follows */
        return;
    }
    if (r->response != VETCH__RESPONSE_BEGUN || complete_body(r) == 0)
        vetch__stream_over(s, NULL);
    else
        vetch__stream_over(s, s->error);
}

/* Reset the connection, as a crash would; a response that is complete needs
 * none any more. The handler goes on. */
static void
request_abort(vetch_stream *s)
{
    vetch_http_request *r = request_of(s);

    if (r->response < VETCH__RESPONSE_ENDED) {
        r->response = VETCH__RESPONSE_SENT;
        if (r->conn != NULL)
            vetch__http_conn_abort(r->conn);
    }
    vetch__stream_over(s, s->error);
}

static const char *
request_name_of(const vetch_stream *s, bool peer)
{
    const vetch_http_request *r = request_of(s);

    if (r == NULL)
        return "";
    if (peer)
        return vetch_http_request_peer(r);
    return r->conn != NULL ? vetch_transport_local(r->conn->transport) : "";
}

static void
request_stream_free(vetch_stream *s)
{
    vetch__free((struct vetch__request_stream *)(uintptr_t)s);
}

static const struct vetch__stream_kind request_kind = {
    .want = request_want,
    .enough = request_enough,
    .write = request_write,
    .pending = request_pending,
    .tell_drained = request_tell_drained,
    .end = request_end,
    .close = request_close,
    .abort = request_abort,
    .name_of = request_name_of,
    .free = request_stream_free,
};

/* ---- for the server ---- */

bool
vetch__request_stream_wants(const vetch_http_request *r)
{
    return r->stream != NULL && (r->stream->s.flags & VETCH__S_WANTING) != 0;
}

void
vetch__request_stream_received(vetch_http_request *r, const void *data,
                               size_t len)
{
    vetch_buffer view = { .data = (char *)(uintptr_t)data, .end = len };

    if (len > 0)
        vetch__stream_received(&r->stream->s, &view);
}

void
vetch__request_stream_ended(vetch_http_request *r)
{
    if (r->stream != NULL)
        vetch__stream_ended(&r->stream->s);
}

void
vetch__request_stream_fail(vetch_http_request *r, vetch_error *error)
{
    if (r->stream == NULL || r->stream->s.in != VETCH__HALF_OPEN)
        vetch_error_unref(error);
    else
        vetch__stream_break_half(&r->stream->s, VETCH_READABLE, error);
}

void
vetch__request_stream_write_ended(vetch_http_request *r)
{
    if (r->stream != NULL)
        vetch__stream_end_done(&r->stream->s);
}

void
vetch__request_stream_drained(vetch_http_request *r)
{
    if (r->stream != NULL)
        vetch__stream_drained(&r->stream->s);
}

void
vetch__request_stream_open(vetch_http_request *r)
{
    vetch_stream *s = r->stream != NULL ? &r->stream->s : NULL;

    if (s == NULL || s->object.state != VETCH__S_OPEN)
        return;
    s->out = VETCH__HALF_OPEN;
    if (r->bodiless)
        s->flags |= VETCH__S_DISCARDS;
    if (r->tunnel)
        s->in = r->peer_ended ? VETCH__HALF_ENDED : VETCH__HALF_OPEN;
}

static vetch_error *
why_gone(const vetch_http_request *r, const vetch_error *reason)
{
    if (reason != NULL)
        return vetch_error_wrap(reason, "the client of a request");
    if (!r->body_done)
        return vetch_error_new(VETCH_ETRUNCATED,
                               "the client ended the connection");
    return vetch_error_from_errno(EPIPE, "the client has gone");
}

void
vetch__request_stream_gone(vetch_http_request *r, const vetch_error *reason)
{
    vetch_stream *s = r->stream != NULL ? &r->stream->s : NULL;
    vetch_error *e;

    if (s == NULL || s->object.state == VETCH__S_OVER)
        return;
    if (reason == NULL && r->tunnel &&
        (r->peer_ended || s->object.state == VETCH__S_CLOSING)) {
        vetch__stream_over(s, NULL);
        return;
    }
    if (s->out == VETCH__HALF_NONE && r->response < VETCH__RESPONSE_ENDED)
        s->out = VETCH__HALF_OPEN; /* what is written now has a cause to fail */
    e = why_gone(r, reason);
    vetch__stream_over(s, e);
    vetch_error_unref(e);
}

bool
vetch__request_stream_failed(const vetch_http_request *r)
{
    return r->stream != NULL && (r->stream->s.flags & VETCH__S_LOST_WRITE) != 0;
}

void
vetch__request_stream_leave(vetch_http_request *r)
{
    struct vetch__request_stream *rs = r->stream;

    if (rs == NULL)
        return;
    if (rs->s.out == VETCH__HALF_NONE)
        rs->s.out = VETCH__HALF_OPEN; /* not missing: it has failed as well */
    vetch__stream_over(&rs->s, &vetch__error_closed);
    rs->s.flags |= VETCH__S_CLOSED;
    vetch__stream_drop_input(&rs->s);
    vetch__flush_cancel(&rs->turn);
    rs->request = NULL;
    r->stream = NULL;
    vetch__stream_let_go(&rs->s);
    vetch_stream_unref(&rs->s);
}

/* ---- for the user ---- */

/* How the body stands when the stream is made. */
static void
begin_input(vetch_http_request *r, vetch_stream *s)
{
    const char *data = r->slice;
    size_t len = r->slice_len;

    if (r->tunnel) {
        s->in = r->peer_ended ? VETCH__HALF_ENDED : VETCH__HALF_OPEN;
        return;
    }
    if (!r->route->stream) {
        if (data == NULL) {
            data = vetch_buffer_data(&r->content);
            len = vetch__buffer_len(&r->content);
        }
        vetch__request_stream_received(r, data, len);
        vetch__stream_ended(s);
    } else if (r->body_done) {
        s->in = VETCH__HALF_ENDED;
    } else if (r->conn == NULL || r->conn->reading != r) {
        vetch__stream_set_error(
            s, vetch_error_new(VETCH_ETRUNCATED, "the connection has ended"));
        s->in = VETCH__HALF_BROKEN;
    }
}

static void
begin_output(vetch_http_request *r, vetch_stream *s)
{
    s->out = VETCH__HALF_NONE;
    if (r->conn == NULL)
        vetch__request_stream_gone(r, NULL);
    else if (r->response == VETCH__RESPONSE_BEGUN)
        vetch__request_stream_open(r);
}

vetch_stream *
vetch_http_request_stream(vetch_http_request *r)
{
    struct vetch__stream_limits limits;
    struct vetch__request_stream *rs;

    VETCH_CHECK(r != NULL, EINVAL, NULL);
    if (r->stream != NULL)
        return &r->stream->s;
    rs = vetch__calloc(1, sizeof(*rs));
    if (rs == NULL)
        return vetch__stream_no_memory();
    limits =
        (struct vetch__stream_limits){ .read_ahead = READ_AHEAD,
                                       .high = r->server->limits.high_bytes,
                                       .cap = r->server->cap_bytes };
    vetch__stream_init(&rs->s, r->server->reactor, &request_kind, &limits);
    rs->s.flags |= VETCH__S_LAZY;
    rs->request = r;
    rs->turn.fn = request_turn;
    r->stream = rs;
    begin_input(r, &rs->s);
    begin_output(r, &rs->s);
    return &rs->s;
}

uint64_t
vetch_http_request_length(const vetch_http_request *r)
{
    VETCH_CHECK(r != NULL, EINVAL, 0);
    if (r->head.framing == VETCH__HTTP_NO_BODY)
        return 0;
    if (r->head.framing == VETCH__HTTP_LENGTH)
        return r->head.content_length;
    return r->route->stream ? VETCH_HTTP_LENGTH_UNKNOWN : r->body.payload;
}
