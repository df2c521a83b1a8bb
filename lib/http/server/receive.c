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

void
vetch__http_body_fail(vetch_http_request *r, vetch_error *error)
{
    vetch_deferred *d = r->reader;

    r->reader = NULL;
    if (d != NULL)
        vetch_deferred_reject(d, error);
    else
        vetch_error_unref(error);
    vetch_deferred_unref(d);
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
    vetch__http_body_fail(r, error);
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

/* A piece that was read cannot be read again: it is offered, and one that
 * nobody got comes back here, for the next read. The request may be gone by
 * then, so what is on its way holds this instead. */
struct vetch__read_slot {
    size_t refs;
    vetch_http_request *request; /* NULL: it is gone */
    vetch_bytes *returned;
    bool offered; /* somebody may still get it, or return it */
};

static void
slot_unref(struct vetch__read_slot *slot)
{
    if (--slot->refs > 0)
        return;
    vetch_bytes_unref(slot->returned);
    vetch__free(slot);
}

void
vetch__http_read_slot_leave(vetch_http_request *r)
{
    if (r->slot == NULL)
        return;
    r->slot->request = NULL;
    slot_unref(r->slot);
    r->slot = NULL;
}

static void
request_take_piece_back(void *bytes, void *ctx)
{
    struct vetch__read_slot *slot = ctx;

    if (slot->request != NULL)
        slot->returned = bytes;
    else
        vetch_bytes_unref(bytes);
}

static void
piece_is_settled(void *ctx)
{
    struct vetch__read_slot *slot = ctx;

    slot->offered = false;
    slot_unref(slot);
}

/* Every read needs it; -1 and ENOMEM. */
static int
make_slot(vetch_http_request *r)
{
    if (r->slot != NULL)
        return 0;
    r->slot = vetch__calloc(1, sizeof(*r->slot));
    if (r->slot == NULL)
        return -1;
    r->slot->refs = 1;
    r->slot->request = r;
    return 0;
}

static void
offer_piece(struct vetch__read_slot *slot, vetch_deferred *d,
            vetch_bytes *bytes)
{
    slot->refs++;
    slot->offered = true;
    vetch_deferred_offer_owned(d, bytes, vetch_unref, request_take_piece_back,
                               slot, piece_is_settled);
    vetch_deferred_unref(d);
}

static void
give_piece(vetch_http_request *r, vetch_bytes *bytes)
{
    vetch_deferred *d = r->reader;

    r->reader = NULL;
    offer_piece(r->slot, d, bytes);
}

static void
give_end(vetch_http_request *r)
{
    vetch_deferred *d = r->reader;

    r->reader = NULL;
    vetch_deferred_resolve(d, NULL, NULL);
    vetch_deferred_unref(d);
}

/* Collect what there is, up to PIECE_MAX, so that tiny chunks do not cost a
 * promise each. */
static enum vetch__http_verdict
collect_piece(vetch_http_request *r, vetch_buffer *input)
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
            vetch__http_body_fail(r, NULL);
            vetch__http_conn_abort(r->conn);
            return VETCH__HTTP_REFUSED;
        }
        vetch_buffer_consume(input, piece.used);
    } while (verdict == VETCH__HTTP_PIECE &&
             vetch__buffer_len(&r->content) < PIECE_MAX);
    return verdict;
}

static bool
feed_stream(vetch_http_request *r, vetch_buffer *input)
{
    struct vetch__http_conn *c = r->conn;
    enum vetch__http_verdict verdict;
    vetch_bytes *bytes;

    if (r->reader == NULL)
        return false;
    verdict = collect_piece(r, input);
    if (r->conn == NULL) /* aborted */
        return true;
    if (vetch__buffer_len(&r->content) > 0) {
        bytes = vetch_bytes_new(vetch_buffer_data(&r->content),
                                vetch__buffer_len(&r->content));
        if (bytes == NULL) {
            vetch__http_body_fail(r, NULL);
            vetch__http_conn_abort(c);
            return true;
        }
        give_piece(r, bytes);
    }
    if (verdict == VETCH__HTTP_REFUSED && r->reader != NULL)
        body_malformed(r); /* else the next read meets it again */
    if (verdict == VETCH__HTTP_MORE)
        return false;
    if (verdict == VETCH__HTTP_DONE) {
        body_finished(r);
        if (r->reader != NULL)
            give_end(r);
    }
    return true;
}

/* ---- for the connection ---- */

bool
vetch__http_body_feed(vetch_http_request *r, vetch_buffer *input)
{
    return r->route->stream ? feed_stream(r, input) : feed_whole(r, input);
}

bool
vetch__http_body_wanted(const vetch_http_request *r)
{
    return !r->route->stream || r->reader != NULL;
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

/* ---- for the user ---- */

static void
cancel_request_read(vetch_deferred *d, void *ctx)
{
    vetch_http_request *r = ctx;

    r->reader = NULL;
    vetch_deferred_cancel(d);
    vetch_deferred_unref(d);
    if (r->conn != NULL)
        vetch__http_conn_settle(r->conn);
}

static vetch_promise *
read_refused(int code, const char *why)
{
    return vetch_rejected(vetch_error_new(code, "read the body: %s", why));
}

/* What came back is the next piece. */
static vetch_promise *
read_returned(struct vetch__read_slot *slot)
{
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);
    vetch_bytes *bytes = slot->returned;
    vetch_promise *p;

    if (d == NULL)
        return vetch__failed(errno, "read the body");
    p = vetch_deferred_promise(d);
    slot->returned = NULL;
    offer_piece(slot, d, bytes);
    return p;
}

vetch_promise *
vetch_http_request_read(vetch_http_request *r)
{
    vetch_promise *p;

    VETCH_CHECK(r != NULL, EINVAL, &vetch__misused);
    if (r->route == NULL || !r->route->stream)
        return read_refused(VETCH_EMISUSE, "not a streaming route");
    if (r->reader != NULL || (r->slot != NULL && r->slot->offered))
        return read_refused(VETCH_EMISUSE, "another read is pending");
    if (r->slot != NULL && r->slot->returned != NULL)
        return read_returned(r->slot);
    if (r->body_done)
        return vetch_resolved(NULL, NULL);
    if (r->conn == NULL || r->conn->reading != r)
        return read_refused(VETCH_ETRUNCATED, "the connection has ended");
    if (make_slot(r) == 0)
        r->reader = vetch_deferred_new(cancel_request_read, r);
    if (r->reader == NULL)
        return vetch__failed(errno, "read the body");
    p = vetch_deferred_promise(r->reader);
    if (!r->continued && r->conn->left == 0)
        vetch__http_reply_continue(r);
    if (r->conn != NULL) /* else nobody was there to be told */
        vetch__http_conn_settle(r->conn);
    return p;
}
