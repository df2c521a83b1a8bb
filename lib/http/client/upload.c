/* The body of a call that comes from a stream.
 *
 * An upload is the tap of that stream while its call is on a connection and the
 * transport has room. What has not been written is still in the stream, so one
 * from which nothing was taken can be sent again elsewhere. */
#include "http/client/client-private.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/mem-private.h"

struct vetch__upload {
    struct vetch__stream_tap tap;
    vetch_stream *stream; /* a reference */
    struct vetch__client_conn *conn;
    uint64_t left; /* of what has a length */
    bool counts;
    bool touched;
    bool complete;
    bool full; /* the transport */
};

/* ---- the tap ---- */

void
vetch__upload_stop(struct vetch__upload *u)
{
    if (u == NULL || u->conn == NULL)
        return;
    u->conn = NULL;
    if (u->stream->tap == &u->tap)
        vetch__stream_set_tap(u->stream, NULL);
}

static void
fail_upload(struct vetch__upload *u, vetch_error *error)
{
    struct vetch__client_conn *c = u->conn;
    vetch_error *e = vetch_error_wrap(error, "the body of the request");

    vetch_error_unref(error);
    vetch__client_conn_stop(c, e); /* which stops it */
}

static void
upload_was_refused(struct vetch__stream_tap *self, vetch_error *error)
{
    fail_upload(vetch__container(self, struct vetch__upload, tap), error);
}

/* -1: the server takes no more. What it has to say may still come. */
static int
write_upload(struct vetch__upload *u, const void *data, size_t len)
{
    vetch_transport *t = u->conn->transport;
    char size[20];
    struct iovec iov[3] = {
        { size, 0 },
        { (void *)(uintptr_t)data, len },
        { (void *)(uintptr_t) "\r\n", 2 },
    };

    if (!u->counts)
        iov[0].iov_len = (size_t)snprintf(size, sizeof(size), "%zx\r\n", len);
    if (vetch_transport_writev(t, u->counts ? iov + 1 : iov,
                               u->counts ? 1 : 3) == 0)
        return 0;
    if (errno == EPIPE)
        vetch__upload_stop(u);
    else
        fail_upload(u, vetch_error_from_errno(errno, "write"));
    return -1;
}

/* All of it was read. */
static void
finish_upload(struct vetch__upload *u)
{
    vetch_transport *t = u->conn->transport;

    u->complete = true;
    vetch__upload_stop(u);
    if (!u->counts)
        (void)vetch_transport_write(t, "0\r\n\r\n", 5); /* fails: it is lost */
}

static void
upload_has_ended(struct vetch__upload *u)
{
    if (u->stream->in == VETCH__HALF_BROKEN)
        fail_upload(u, vetch__stream_cause(u->stream));
    else if (u->counts)
        fail_upload(u,
                    vetch_error_new(VETCH_ETRUNCATED,
                                    "%" PRIu64 " bytes are missing", u->left));
    else
        finish_upload(u);
}

static bool
has_room(struct vetch__upload *u)
{
    vetch_transport *t = u->conn->transport;

    u->full = vetch__transport_is_high(t);
    if (u->full)
        vetch__transport_tell_resumed(t);
    return !u->full;
}

static void
take_upload(struct vetch__stream_tap *self, vetch_buffer *in)
{
    struct vetch__upload *u = vetch__container(self, struct vetch__upload, tap);
    size_t len;

    while (!(u->counts && u->left == 0)) {
        len = in != NULL ? vetch_buffer_len(in) : 0;
        if (len == 0 && u->stream->in > VETCH__HALF_OPEN)
            upload_has_ended(u);
        if (len == 0 || !has_room(u))
            return;
        if (u->counts && len > u->left)
            len = (size_t)u->left;
        u->touched = true;
        if (write_upload(u, vetch_buffer_data(in), len) < 0)
            return;
        vetch_buffer_consume(in, len);
        u->stream->bytes_read += len;
        u->left -= u->counts ? len : 0;
    }
    finish_upload(u);
}

/* ---- for the call and its connection ---- */

void
vetch__upload_start(struct vetch__upload *u, struct vetch__client_conn *c)
{
    if (u == NULL || u->complete)
        return;
    u->conn = c;
    u->full = false;
    if (u->counts && u->left == 0) {
        finish_upload(u);
    } else if (vetch__stream_is_read(u->stream) ||
               u->stream->in == VETCH__HALF_NONE) {
        fail_upload(
            u, vetch_error_new(VETCH_EMISUSE, "its stream cannot be read"));
    } else {
        vetch__stream_hold(u->stream);
        vetch__stream_set_tap(u->stream, &u->tap);
        vetch__stream_tap_more(u->stream);
        vetch__stream_let_go(u->stream);
    }
}

void
vetch__upload_go_on(struct vetch__upload *u)
{
    if (u != NULL && u->conn != NULL)
        vetch__stream_tap_more(u->stream);
}

bool
vetch__upload_is_waiting(const struct vetch__upload *u)
{
    return u != NULL && u->conn != NULL && !u->full;
}

bool
vetch__upload_is_complete(const struct vetch__upload *u)
{
    return u == NULL || u->complete;
}

bool
vetch__upload_is_untouched(const struct vetch__upload *u)
{
    return u == NULL || !u->touched;
}

char *
vetch__upload_put_framing(char *to, const struct vetch__upload *u)
{
    if (!u->counts)
        return to + sprintf(to, "Transfer-Encoding: chunked\r\n");
    return to + sprintf(to, "Content-Length: %" PRIu64 "\r\n", u->left);
}

struct vetch__upload *
vetch__upload_new(vetch_stream *stream, uint64_t length)
{
    struct vetch__upload *u = vetch__calloc(1, sizeof(*u));

    if (u == NULL)
        return NULL;
    u->stream = vetch_stream_ref(stream);
    u->counts = length != VETCH_HTTP_LENGTH_UNKNOWN;
    u->left = length;
    u->tap.fn = take_upload;
    u->tap.refused = upload_was_refused;
    return u;
}

void
vetch__upload_free(struct vetch__upload *u)
{
    if (u == NULL)
        return;
    vetch__upload_stop(u);
    vetch_stream_unref(u->stream);
    vetch__free(u);
}
