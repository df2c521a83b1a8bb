/* The body of a response as a stream; after 101, the connection.
 *
 * Before the stream is asked for, and while the body is still coded or in
 * chunks, what has come lies in `raw`. That is never more than the connection
 * reads at once, because it pauses while something is left there, or while the
 * stream has bytes and nobody wants more. The stream is made when it is asked
 * for, belongs to the response, and is OVER when that goes. */
#include "http/client/client-private.h"

#include <errno.h>

#include <vetch/descriptor.h>

#include "base/check-private.h"
#include "base/error-private.h"
#include "base/mem-private.h"

enum {
    DECODED_PIECE = 16384,
    READ_AHEAD = 65536,
    HIGH_BYTES = 65536, /* of what waits to go out through a tunnel */
    CAP_BYTES = 16777216
};

struct vetch__response_stream {
    vetch_stream s;                /* first */
    vetch_http_response *response; /* valid until it is OVER */
    struct vetch__flush turn;
    struct vetch__member member;
    vetch_reactor *reactor; /* also once it is OVER */
};

static struct vetch__response_stream *
response_stream_of(const vetch_stream *s)
{
    return (struct vetch__response_stream *)(uintptr_t)s;
}

static vetch_transport *
tunnel_of(const vetch_stream *s)
{
    const vetch_http_response *r = response_stream_of(s)->response;

    return r != NULL && r->tunnel && r->conn != NULL ? r->conn->transport
                                                     : NULL;
}

/* ---- what comes ---- */

static bool
has_leftover(const vetch_http_response *r)
{
    return vetch_buffer_len(&r->raw) > 0 || r->more_coded;
}

/* Whether the stream takes more: somebody waits, or nothing is there for who
 * comes next. */
static bool
takes_more(const vetch_stream *s)
{
    return s->object.state == VETCH__S_OPEN && s->in == VETCH__HALF_OPEN &&
           ((s->flags & VETCH__S_WANTING) != 0 ||
            vetch__stream_available(s) == 0);
}

static void
give_plain(vetch_http_response *r)
{
    vetch_buffer all = r->raw;

    vetch__buffer_init(&r->raw);
    vetch__stream_received(&r->stream->s, &all);
    vetch__buffer_done(&all);
}

/* Decode a piece; NULL, or what is wrong with it. */
static vetch_error *
give_decoded(vetch_http_response *r)
{
    struct vetch__inflate_io io = { .in = vetch_buffer_data(&r->raw),
                                    .in_len = vetch_buffer_len(&r->raw) };
    enum vetch__inflated result;
    vetch_buffer view;

    if (r->body == NULL && vetch__http_response_grow(r, DECODED_PIECE) < 0)
        return &vetch__error_no_memory;
    io.out = r->body;
    io.out_len = DECODED_PIECE;
    result = vetch__inflate_run(r->inflate, &io);
    vetch_buffer_consume(&r->raw, vetch_buffer_len(&r->raw) - io.in_len);
    r->more_coded = result == VETCH__INFLATE_FULL;
    view = (vetch_buffer){ .data = r->body, .end = DECODED_PIECE - io.out_len };
    if (vetch_buffer_len(&view) > 0)
        vetch__stream_received(&r->stream->s, &view);
    if (result == VETCH__INFLATE_BAD || result == VETCH__INFLATE_NOMEM)
        return vetch__http_coding_error(result, io.why);
    return NULL;
}

static vetch_error *
label_error(const vetch_http_response *r, vetch_error *error)
{
    vetch_error *labelled;

    if (vetch_error_code(error) == VETCH_ECANCELED ||
        vetch_error_code(error) == VETCH_ENOMEM)
        return error;
    labelled = vetch_error_wrap(error, "%s", r->label);
    vetch_error_unref(error);
    return labelled;
}

/* The body cannot be read on, for a reason of its own. */
static void
spoil_body(vetch_http_response *r, vetch_error *error)
{
    vetch_buffer_clear(&r->raw);
    r->more_coded = false;
    if (r->conn != NULL)
        vetch__client_conn_stop(r->conn, error); /* and _detach() follows */
    else if (r->error == NULL)
        r->error = label_error(r, error);
    else
        vetch_error_unref(error);
}

/* Nothing is left in front of the end: tell it. */
static void
tell_end(vetch_http_response *r, vetch_stream *s)
{
    if (r->ended && r->error == NULL && !r->tunnel) {
        vetch_error *error = vetch__http_response_check(r);

        if (error != NULL)
            spoil_body(r, error);
    }
    if (r->error != NULL)
        vetch__stream_break_half(s, VETCH_READABLE, vetch_error_ref(r->error));
    else if (r->ended)
        vetch__stream_ended(s);
}

bool
vetch__http_response_pump(vetch_http_response *r)
{
    vetch_stream *s = r->stream != NULL ? &r->stream->s : NULL;
    vetch_error *error;
    bool more;

    if (s == NULL)
        return !has_leftover(r);
    vetch__stream_hold(s); /* filters of the user's may run */
    vetch_http_response_ref(r);
    while (r->stream != NULL && has_leftover(r) && takes_more(s)) {
        error = NULL;
        if (r->inflate != NULL)
            error = give_decoded(r);
        else
            give_plain(r);
        if (error != NULL)
            spoil_body(r, error);
    }
    if (r->stream != NULL && !has_leftover(r) && s->in == VETCH__HALF_OPEN)
        tell_end(r, s);
    more = !has_leftover(r) && takes_more(s);
    vetch_http_response_unref(r);
    vetch__stream_let_go(s);
    return more;
}

vetch_error *
vetch__response_stream_feed(vetch_http_response *r, const char *data,
                            size_t len)
{
    vetch_buffer view = { .data = (char *)(uintptr_t)data, .end = len };

    if (r->stream == NULL || has_leftover(r) || r->inflate != NULL ||
        r->conn->body.framing == VETCH__HTTP_CHUNKED)
        return vetch_buffer_append(&r->raw, data, len) < 0
                   ? &vetch__error_no_memory
                   : NULL;
    vetch__stream_received(&r->stream->s, &view);
    return NULL;
}

void
vetch__http_response_detach(vetch_http_response *r, vetch_error *error)
{
    vetch_stream *s = r->stream != NULL ? &r->stream->s : NULL;

    r->conn = NULL;
    if (error != NULL)
        r->error = label_error(r, error);
    else
        r->ended = true;
    if (s == NULL)
        return;
    vetch__stream_hold(s);
    vetch__http_response_pump(r);
    if (r->tunnel)
        vetch__stream_over(s, r->error);
    vetch__stream_let_go(s);
}

void
vetch__response_stream_ended(vetch_http_response *r)
{
    r->ended = true;
    vetch__http_response_pump(r);
}

void
vetch__response_stream_write_ended(vetch_http_response *r)
{
    if (r->stream != NULL)
        vetch__stream_end_done(&r->stream->s);
}

void
vetch__response_stream_drained(vetch_http_response *r)
{
    if (r->stream != NULL)
        vetch__stream_drained(&r->stream->s);
}

/* ---- what the stream asks ---- */

static void
response_want(vetch_stream *s)
{
    struct vetch__response_stream *rs = response_stream_of(s);

    vetch__flush_later(rs->reactor, &rs->turn);
}

static void
response_enough(vetch_stream *s)
{
    (void)s; /* what comes next stays in `raw`, and then outside */
}

static void
response_turn(struct vetch__flush *self)
{
    struct vetch__response_stream *rs =
        vetch__container(self, struct vetch__response_stream, turn);
    vetch_http_response *r = rs->response;

    if (r == NULL)
        return;
    vetch_http_response_ref(r);
    if (vetch__http_response_pump(r) && r->conn != NULL)
        vetch__client_conn_resume(r->conn);
    vetch_http_response_unref(r);
}

static int
response_write(vetch_stream *s, const struct iovec *iov, size_t n, size_t total)
{
    vetch_transport *t = tunnel_of(s);

    (void)total;
    if (t == NULL) {
        errno = EPIPE;
        return -1;
    }
    return vetch_transport_writev(t, iov, n);
}

static uint64_t
response_pending(const vetch_stream *s)
{
    vetch_transport *t = tunnel_of(s);

    return t != NULL ? vetch__transport_pending(t) : 0;
}

static void
response_tell_drained(vetch_stream *s)
{
    if (tunnel_of(s) != NULL)
        vetch__transport_tell_resumed(tunnel_of(s));
}

static void
response_end(vetch_stream *s)
{
    if (tunnel_of(s) != NULL)
        vetch_transport_end(tunnel_of(s));
}

/* What is not read is not wanted; a tunnel flushes first. */
static void
response_close(vetch_stream *s)
{
    vetch_http_response *r = response_stream_of(s)->response;

    if (tunnel_of(s) != NULL) {
        vetch_transport_close(tunnel_of(s)); /* `lost` follows */
        return;
    }
    if (r->conn != NULL)
        vetch__client_conn_stop(r->conn, vetch_error_ref(&vetch__error_closed));
    vetch__stream_over(s, NULL);
}

static void
response_abort(vetch_stream *s)
{
    vetch_http_response *r = response_stream_of(s)->response;

    if (r->conn != NULL)
        vetch__client_conn_stop(r->conn, vetch_error_ref(s->error));
    vetch__stream_over(s, s->error);
}

static const char *
response_name_of(const vetch_stream *s, bool peer)
{
    const vetch_http_response *r = response_stream_of(s)->response;

    if (r == NULL)
        return "";
    if (r->conn == NULL)
        return peer && r->label != NULL ? r->label : "";
    return peer ? vetch_transport_peer(r->conn->transport)
                : vetch_transport_local(r->conn->transport);
}

static void
response_stream_free(vetch_stream *s)
{
    vetch__free(response_stream_of(s));
}

static const struct vetch__stream_kind response_kind = {
    .want = response_want,
    .enough = response_enough,
    .write = response_write,
    .pending = response_pending,
    .tell_drained = response_tell_drained,
    .end = response_end,
    .close = response_close,
    .abort = response_abort,
    .name_of = response_name_of,
    .free = response_stream_free,
};

/* ---- making one, and its end ---- */

/* Nothing comes from the reactor any more; what has come can be read. */
static void
end_response_with_reactor(struct vetch__member *self)
{
    struct vetch__response_stream *rs =
        vetch__container(self, struct vetch__response_stream, member);

    vetch__member_remove(rs->reactor, &rs->member);
    vetch__flush_cancel(&rs->turn);
    rs->reactor = NULL;
    vetch__stream_over(&rs->s, &vetch__error_closed);
}

static const struct vetch__member_class response_members = {
    .name = "body of a response",
    .end = end_response_with_reactor,
};

void
vetch__response_stream_leave(vetch_http_response *r)
{
    struct vetch__response_stream *rs = r->stream;
    vetch_error *e;

    if (rs == NULL)
        return;
    if (rs->reactor != NULL) {
        vetch__member_remove(rs->reactor, &rs->member);
        vetch__flush_cancel(&rs->turn);
    }
    e = vetch_error_from_errno(ECONNABORTED, "the response was released");
    if (r->label != NULL)
        e = label_error(r, e);
    if (rs->s.out == VETCH__HALF_NONE)
        rs->s.out = VETCH__HALF_OPEN; /* not missing: it has failed as well */
    vetch__stream_over(&rs->s, e);
    vetch_error_unref(e);
    rs->s.flags |= VETCH__S_CLOSED;
    vetch__stream_drop_input(&rs->s);
    rs->response = NULL;
    r->stream = NULL;
    vetch__stream_let_go(&rs->s);
    vetch_stream_unref(&rs->s);
}

/* A body that came whole. */
static void
give_whole(vetch_http_response *r, vetch_stream *s)
{
    vetch_buffer view = { .data = r->body, .end = r->body_len };

    if (r->body_len > 0)
        vetch__stream_received(s, &view);
    vetch__stream_ended(s);
}

vetch_stream *
vetch_http_response_stream(vetch_http_response *r)
{
    static const struct vetch__stream_limits limits = {
        .read_ahead = READ_AHEAD, .high = HIGH_BYTES, .cap = CAP_BYTES
    };
    struct vetch__response_stream *rs;

    VETCH_CHECK(r != NULL, EINVAL, NULL);
    if (r->stream != NULL)
        return &r->stream->s;
    rs = vetch__reactor != NULL ? vetch__calloc(1, sizeof(*rs)) : NULL;
    if (rs == NULL)
        return vetch__stream_no_memory();
    vetch__stream_init(&rs->s, vetch__reactor, &response_kind, &limits);
    rs->s.flags |= VETCH__S_LAZY;
    rs->s.out = r->tunnel ? VETCH__HALF_OPEN : VETCH__HALF_NONE;
    rs->response = r;
    rs->reactor = vetch__reactor;
    rs->turn.fn = response_turn;
    vetch__member_add(rs->reactor, &rs->member, &response_members);
    r->stream = rs;
    if (!r->streamed)
        give_whole(r, &rs->s);
    else
        vetch__http_response_pump(r);
    return &rs->s;
}
