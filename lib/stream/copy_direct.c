/* Ways to move bytes that do not lead through our memory.
 *
 * A file goes to a socket by sendfile(2), piece by piece, as fast as the socket
 * takes it. The loop does not wait for the disk: what is not in memory is
 * fetched there by a thread first. Small pieces are read and written instead,
 * which costs less and lets them leave together with what was queued before.
 *
 * From socket to socket bytes go through a pipe (splice(2)) once they have
 * come in large pieces for a while; when they trickle again they are copied, as
 * that is cheaper then. Whatever else happens (the end, an error, a limit near
 * by, no pipe to be had) is left to the ordinary way, which finds it again.
 *
 * Either way what has been taken from `from` is queued on `to` at once, so that
 * a copy can end at any time and nothing is lost in between. */
#include "stream/copy-private.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "promise/watch-private.h"
#include "stream/file-private.h"
#include "stream/transport-private.h"

enum { FILE_PIECE = 1048576, SMALL_FILE_PIECE = 16384, SPLICE_PIECE = 1048576 };

/* Less than this is a trickle. */
#define TRICKLE ((ssize_t)8192)
/* Nearer to the end of what may be moved the ordinary way is taken. */
#define SPLICE_LEAST ((uint64_t)65536)

/* ---- from a file ---- */

/* How much there is from `at` on, as far as that is of interest. What does not
 * know its length is taken in small pieces. */
static uint64_t
count_file_ahead(const struct vetch__copy *c, int fd, uint64_t at, uint64_t end)
{
    uint64_t n = end > at ? end - at : 0;
    struct stat st;

    if (c->counts && c->left < n)
        n = c->left;
    if (n <= SMALL_FILE_PIECE)
        return n;
    if (fstat(fd, &st) < 0 || st.st_size <= 0)
        return SMALL_FILE_PIECE;
    if ((uint64_t)st.st_size <= at)
        return 0;
    return (uint64_t)st.st_size - at < n ? (uint64_t)st.st_size - at : n;
}

static void
file_has_ended(struct vetch__copy *c)
{
    c->from->in = VETCH__HALF_ENDED;
    vetch__copy_has_no_more(c);
}

static void
count_of_file(struct vetch__copy *c, size_t n)
{
    vetch__copy_count(c, n);
    vetch__file_moved(c->from, n);
}

/* These return false if the copy has to wait or has ended. */

static bool
move_small_piece(struct vetch__copy *c, int fd, uint64_t at, size_t len)
{
    char data[SMALL_FILE_PIECE];
    ssize_t n = pread(fd, data, len, (off_t)at);
    struct iovec iov = { data, n > 0 ? (size_t)n : 0 };

    if (n < 0) {
        vetch__copy_fail(
            c, vetch_error_from_errno(errno, "%s", vetch_stream_peer(c->from)));
        return false;
    }
    if (n == 0) {
        file_has_ended(c);
        return false;
    }
    if (!vetch__copy_is_allowed(c, iov.iov_len))
        return false;
    if (vetch__stream_queue(c->to, &iov, 1, iov.iov_len) < 0) {
        vetch__copy_fail(c, vetch__stream_cause(c->to));
        return false;
    }
    count_of_file(c, iov.iov_len);
    return true;
}

static bool
move_large_piece(struct vetch__copy *c, int fd, uint64_t at, size_t len)
{
    struct vetch__file *f;

    if (!vetch__copy_is_allowed(c, len))
        return false;
    f = vetch__file_share(c->from);
    if (vetch__transport_send_part(vetch__stream_transport(c->to), fd, at, len,
                                   vetch__file_release_shared, f) < 0) {
        vetch__stream_lose_write(c->to, errno);
        vetch__file_release(f);
        vetch__copy_fail(c, vetch__stream_cause(c->to));
        return false;
    }
    c->to->bytes_written += len;
    count_of_file(c, len);
    return true;
}

/* Whether the copy has to wait until a thread has brought these bytes into
 * memory. */
static bool
file_is_awaited(struct vetch__copy *c, uint64_t at, size_t len)
{
    vetch_promise *p = vetch__file_fetch(c->from, at, len);

    if (p != NULL)
        vetch__copy_wait(c, p);
    return p != NULL;
}

static void
move_file(struct vetch__stream_tap *self)
{
    struct vetch__copy *c = vetch__container(self, struct vetch__copy, tap);
    bool goes_on = true;

    while (goes_on && !(c->counts && c->left == 0)) {
        uint64_t at, end, len;
        int fd = vetch__file_position(c->from, &at, &end);

        len = count_file_ahead(c, fd, at, end);
        if (len == 0) {
            file_has_ended(c);
            return;
        }
        if (len > FILE_PIECE)
            len = FILE_PIECE;
        if (!vetch__copy_may_go_on(c) || file_is_awaited(c, at, (size_t)len))
            return;
        if (len <= SMALL_FILE_PIECE)
            goes_on = move_small_piece(c, fd, at, (size_t)len);
        else
            goes_on = move_large_piece(c, fd, at, (size_t)len);
    }
    if (goes_on)
        vetch__copy_finish(c);
}

void
vetch__copy_look_for_file(struct vetch__copy *c)
{
    const vetch_transport *t = vetch__stream_transport(c->to);

    if (t == NULL || t->kind->splice == NULL || !vetch__file_begin(c->from))
        return;
    c->of_file = true;
    c->tap.direct = true;
    c->tap.blocked = true;
    c->tap.ready = move_file;
}

/* ---- from socket to socket ---- */

static size_t
count_for_splice(const struct vetch__copy *c)
{
    uint64_t n = c->counts && c->left < c->room ? c->left : c->room;

    if (n < SPLICE_LEAST)
        return 0;
    return n < SPLICE_PIECE ? (size_t)n : SPLICE_PIECE;
}

static void
move_spliced(struct vetch__stream_tap *self)
{
    struct vetch__copy *c = vetch__container(self, struct vetch__copy, tap);
    vetch_transport *from = vetch__stream_transport(c->from);
    vetch_transport *to = vetch__stream_transport(c->to);
    size_t max = count_for_splice(c);
    ssize_t n = -1;

    if (!vetch__copy_may_go_on(c))
        return;
    if (max > 0 && vetch__transport_can_splice(from, to))
        n = vetch__transport_splice(from, to, max);
    if (n > 0) {
        c->to->bytes_written += (size_t)n;
        vetch__copy_count(c, (size_t)n);
        vetch__stream_moved(c->to);
    }
    if (n < 0 || (n > 0 && n < TRICKLE))
        vetch__copy_leave_direct(c);
    else
        vetch__copy_may_go_on(c);
}

void
vetch__copy_look_for_splice(struct vetch__copy *c)
{
    vetch_transport *from = vetch__stream_transport(c->from);
    const vetch_transport *to = vetch__stream_transport(c->to);

    if (from == NULL || to == NULL || !vetch__transport_can_splice(from, to) ||
        count_for_splice(c) == 0 || vetch__stream_available(c->from) > 0)
        return;
    c->tap.direct = true;
    c->tap.ready = move_spliced;
    vetch__transport_set_raw(from, true);
}

void
vetch__copy_leave_direct(struct vetch__copy *c)
{
    vetch_transport *from = vetch__stream_transport(c->from);

    c->tap.direct = false;
    c->tap.blocked = false;
    c->bulk = 0;
    if (from != NULL)
        vetch__transport_set_raw(from, false);
}
