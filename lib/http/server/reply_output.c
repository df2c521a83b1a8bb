/* Where the bytes of responses go: those of the writer straight to the
 * transport, all others' into `held`, until it is their turn. */

#include "http/server/server-private.h"

#include <errno.h>
#include <unistd.h>

#include <vetch/error.h>

#include "base/check-private.h"

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

int
vetch__reply_check_cap(const vetch_http_request *r, size_t n)
{
    size_t cap = r->server->cap_bytes;
    size_t used = waiting_bytes(r->conn);

    if (n <= cap && used <= cap - n)
        return 0;
    errno = ENOBUFS;
    return -1;
}

int
vetch__reply_check_room(const vetch_http_request *r)
{
    return vetch__reply_check_cap(r, 0);
}

int
vetch__reply_write_failed(vetch_http_request *r)
{
    int saved = errno;

    vetch__http_conn_abort(r->conn);
    if (saved == EPIPE)
        return 0;
    errno = saved;
    return -1;
}

char *
vetch__reply_reserve(vetch_http_request *r, size_t n, bool *ret_direct)
{
    *ret_direct = n <= VETCH__CHUNK_ROOM && is_writer(r);
    if (vetch__likely(*ret_direct))
        return vetch__transport_reserve(r->conn->transport, n);
    return vetch_buffer_reserve(&r->held, n);
}

int
vetch__reply_commit(vetch_http_request *r, size_t n, bool direct)
{
    if (vetch__likely(direct)) {
        vetch__transport_commit(r->conn->transport, n);
        r->conn->queued += n;
        return 0;
    }
    vetch_buffer_commit(&r->held, n);
    return is_writer(r) ? vetch__http_reply_flush(r) : 0;
}

int
vetch__reply_write(vetch_http_request *r, const struct iovec *iov, size_t n)
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
        vetch__reply_write_failed(r);
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
            vetch__reply_write_failed(r);
            return -1;
        }
        c->queued += len;
        vetch__buffer_done(&r->held);
        vetch__request_stream_drained(r);
    }
    return flush_file(r);
}
