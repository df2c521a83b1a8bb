/* The bodies of requests.
 *
 * A whole body is collected up to the route's limit before the handler is
 * called; if all of it came with the head, it stays where it is. On a
 * streaming route the handler is called at once and takes piece by piece: what
 * it does not ask for is not read from the connection. */

#include "http/server/server-private.h"

#include <errno.h>
#include <vetch/error.h>

#include "base/check-private.h"
#include "base/mem-private.h"

#define PIECE_MAX ((size_t)65536)

/* ---- ends ---- */

static void
body_finished(vetch_http_request *r)
{
    r->body_done = true;
    if (r->conn != NULL && r->conn->reading == r)
        r->conn->reading = NULL;
}

/* Nothing good comes from this client any more. */
static void
refuse_request_body(vetch_http_request *r, unsigned status, const char *why,
                    vetch_error *error)
{
    struct vetch__http_conn *c = r->conn;

    c->last = true;
    c->reading = NULL;
    r->close = true;
    vetch__request_stream_fail(r, error);
    if (r->response == VETCH__RESPONSE_BEGUN) {
        vetch__http_conn_abort(c);
        return;
    }
    if (r->life == VETCH__R_HEARD)
        r->life = VETCH__R_OVER; /* there will be no handler */
    else
        vetch__http_request_cancel(r);
    vetch__http_reply_forget_fields(r);
    if (r->conn != NULL && r->response == VETCH__RESPONSE_NONE)
        vetch__http_reply_error(r, status, why);
}

void
vetch__http_body_cut_short(vetch_http_request *r)
{
    refuse_request_body(
        r, 400, "the body is cut short",
        vetch_error_new(VETCH_ETRUNCATED, "the body is cut short"));
}

void
vetch__http_body_too_slow(vetch_http_request *r)
{
    refuse_request_body(
        r, 408, NULL,
        vetch_error_new(VETCH_ETIMEDOUT, "the client sends too slowly"));
}

static void
body_malformed(vetch_http_request *r)
{
    const struct vetch__http_refusal *refusal = &r->body.refusal;

    refuse_request_body(
        r, refusal->status, refusal->why,
        vetch_error_new(VETCH_EPROTO_HTTP, "body: %s", refusal->why));
}

/* ---- whole bodies ---- */

static size_t
request_body_limit(const vetch_http_request *r)
{
    return r->route->max_body_bytes == VETCH_HTTP_SERVER_LIMIT
               ? r->server->max_body_bytes
               : r->route->max_body_bytes;
}

static void
body_too_large(vetch_http_request *r)
{
    refuse_request_body(r, 413, NULL,
                        vetch_error_new(VETCH_ETOOLARGE, "body too large"));
}

static bool
feed_whole(vetch_http_request *r, vetch_buffer *input)
{
    struct vetch__http_conn *c = r->conn;
    struct vetch__http_piece piece;
    enum vetch__http_verdict verdict;

    for (;;) {
        verdict = vetch__http_body_next(&r->body, vetch_buffer_data(input),
                                        vetch__buffer_len(input), &piece);
        if (verdict != VETCH__HTTP_PIECE)
            break;
        if (r->body.payload > request_body_limit(r)) {
            body_too_large(r);
            return true;
        }
        if (vetch_buffer_append(&r->content, piece.data, piece.len) < 0) {
            vetch__http_conn_abort(c);
            return true;
        }
        vetch_buffer_consume(input, piece.used);
    }
    vetch_buffer_consume(input, piece.used);
    if (verdict == VETCH__HTTP_REFUSED) {
        body_malformed(r);
        return true;
    }
    if (verdict == VETCH__HTTP_MORE)
        return false;
    body_finished(r);
    vetch__http_call_handler(r);
    return true;
}

/* ---- streams ---- */

/* Collect chunks, up to PIECE_MAX, so that tiny ones do not cost a promise
 * each. */
static enum vetch__http_verdict
collect_chunks(vetch_http_request *r, vetch_buffer *input)
{
    enum vetch__http_verdict verdict;
    struct vetch__http_piece piece;

    vetch_buffer_clear(&r->content);
    do {
        size_t len = vetch__buffer_len(input);

        verdict =
            vetch__http_body_next(&r->body, vetch_buffer_data(input),
                                  len < PIECE_MAX ? len : PIECE_MAX, &piece);
        if (verdict == VETCH__HTTP_PIECE &&
            vetch_buffer_append(&r->content, piece.data, piece.len) < 0) {
            vetch__request_stream_fail(r, NULL);
            vetch__http_conn_abort(r->conn);
            return VETCH__HTTP_REFUSED;
        }
        vetch_buffer_consume(input, piece.used);
    } while (verdict == VETCH__HTTP_PIECE &&
             vetch__buffer_len(&r->content) < PIECE_MAX);
    vetch__request_stream_received(r, vetch_buffer_data(&r->content),
                                   vetch__buffer_len(&r->content));
    return verdict;
}

/* A body of known length goes from where it was received to who reads it. */
static enum vetch__http_verdict
pass_piece(vetch_http_request *r, vetch_buffer *input)
{
    enum vetch__http_verdict verdict;
    struct vetch__http_piece piece;

    verdict = vetch__http_body_next(&r->body, vetch_buffer_data(input),
                                    vetch__buffer_len(input), &piece);
    vetch_buffer_consume(input, piece.used);
    if (verdict != VETCH__HTTP_PIECE)
        return verdict;
    if (r->body.left == 0)
        verdict = VETCH__HTTP_DONE;
    vetch__request_stream_received(r, piece.data, piece.len);
    return verdict;
}

static bool
feed_stream(vetch_http_request *r, vetch_buffer *input)
{
    struct vetch__http_conn *c = r->conn;
    enum vetch__http_verdict verdict = VETCH__HTTP_PIECE;

    while (verdict == VETCH__HTTP_PIECE) {
        if (!vetch__request_stream_wants(r))
            return false;
        verdict = r->body.framing == VETCH__HTTP_LENGTH
                      ? pass_piece(r, input)
                      : collect_chunks(r, input);
        if (r->conn == NULL || c->reading != r) /* what came ended it */
            return true;
    }
    if (verdict == VETCH__HTTP_REFUSED && vetch__request_stream_wants(r))
        body_malformed(r); /* else the next read meets it again */
    if (verdict == VETCH__HTTP_DONE) {
        body_finished(r);
        vetch__request_stream_ended(r);
    }
    return verdict != VETCH__HTTP_MORE;
}

/* All that comes is the handler's. */
static bool
feed_tunnel(vetch_http_request *r, vetch_buffer *input)
{
    const char *data = vetch_buffer_data(input);
    size_t len = vetch__buffer_len(input);

    if (!vetch__request_stream_wants(r))
        return false;
    vetch_buffer_consume(input, len);
    vetch__request_stream_received(r, data, len);
    return true;
}

/* ---- for the connection ---- */

bool
vetch__http_body_feed(vetch_http_request *r, vetch_buffer *input)
{
    if (r->tunnel)
        return feed_tunnel(r, input);
    return r->route->stream ? feed_stream(r, input) : feed_whole(r, input);
}

bool
vetch__http_body_wanted(const vetch_http_request *r)
{
    return (!r->route->stream && !r->tunnel) || vetch__request_stream_wants(r);
}

/* The whole of it came with the head: leave it there. */
static bool
is_at_hand(const vetch_http_request *r, const vetch_buffer *input)
{
    return r->head.framing == VETCH__HTTP_LENGTH &&
           r->head.content_length <= vetch__buffer_len(input);
}

static void
begin_whole(vetch_http_request *r, vetch_buffer *input)
{
    if (r->head.framing == VETCH__HTTP_LENGTH &&
        r->head.content_length > request_body_limit(r)) {
        body_too_large(r);
        return;
    }
    if (is_at_hand(r, input)) {
        r->slice = vetch_buffer_data(input);
        r->slice_len = (size_t)r->head.content_length;
        r->body_done = true;
        vetch_buffer_consume(input, r->slice_len);
        vetch__http_call_handler(r);
        return;
    }
    if (vetch__http_request_keep(r) < 0) {
        vetch__http_conn_abort(r->conn);
        return;
    }
    r->conn->reading = r;
    if (!r->continued && vetch__buffer_len(input) == 0)
        vetch__http_reply_continue(r);
}

void
vetch__http_body_begin(vetch_http_request *r, vetch_buffer *input)
{
    r->continued = !r->head.expect_continue;
    if (vetch__likely(r->head.framing == VETCH__HTTP_NO_BODY)) {
        r->body_done = true;
        vetch__http_call_handler(r);
        return;
    }
    vetch__http_body_init(&r->body, &r->head);
    if (!r->route->stream) {
        begin_whole(r, input);
        return;
    }
    r->conn->reading = r;
    r->conn->left = vetch__buffer_len(input);
    vetch__http_call_handler(r);
}
