/* Writing to a stream, and waiting for what was written. A failed write is
 * remembered: who waits for the rest to go out hears of it. */
#include "stream/stream-private.h"

#include <errno.h>
#include <stdio.h>

#include "base/check-private.h"
#include "base/mem-private.h"
#include "promise/waiters-private.h"
#include "promise/watch-private.h"

struct stream_waiter {
    struct vetch__waiter waiter;
    vetch_stream *stream;
    enum vetch__stream_wait wait;
};

/* ---- waiting ---- */

/* Who cancels the close wants the end now. */
static void
waiter_canceled(struct vetch__waiter *w)
{
    struct stream_waiter *waiter = (struct stream_waiter *)w;

    if (waiter->wait == VETCH__WAIT_CLOSE)
        vetch_stream_abort(waiter->stream);
}

vetch_promise *
vetch__stream_wait(vetch_stream *s, enum vetch__stream_wait wait)
{
    static const char *const names[] = { "room in %s", "end of %s",
                                         "close of %s" };
    struct stream_waiter *w = vetch__malloc(sizeof(*w));
    vetch_promise *p = NULL;

    if (w != NULL) {
        w->waiter.canceled = waiter_canceled;
        w->stream = s;
        w->wait = wait;
        p = vetch__waiter_add(&s->waiters, &w->waiter);
    }
    if (p == NULL) {
        int errnum = errno;

        vetch__free(w);
        return vetch__failed(errnum, "stream");
    }
    VETCH__NAME(p, names[wait], vetch_stream_peer(s));
    vetch__stream_moved(s); /* the wait begins */
    return p;
}

void
vetch__stream_wake(vetch_stream *s, enum vetch__stream_wait wait,
                   const vetch_error *error)
{
    struct vetch__list *at = s->waiters.next, *next;

    for (; at != &s->waiters; at = next) {
        struct stream_waiter *w =
            vetch__container(at, struct stream_waiter, waiter.link);

        next = at->next;
        if (w->wait != wait)
            continue;
        vetch__list_remove(at);
        if (error != NULL)
            vetch__waiter_refuse(&w->waiter, vetch_error_ref(error));
        else
            vetch__waiter_serve(&w->waiter, NULL, NULL);
    }
}

/* ---- queueing ---- */

int
vetch__stream_lose_write(vetch_stream *s, int errnum)
{
    if (s->error == NULL)
        s->error =
            vetch_error_from_errno(errnum, "write to %s", vetch_stream_peer(s));
    s->flags |= VETCH__S_LOST_WRITE;
    errno = errnum;
    return -1;
}

static int
stream_check_write(vetch_stream *s)
{
    if (!vetch__stream_check_thread(s))
        return -1;
    if (s->out == VETCH__HALF_NONE) {
        errno = EBADF;
        return -1;
    }
    if (s->sink != NULL) {
        errno = EBUSY;
        return -1;
    }
    if (s->out != VETCH__HALF_OPEN)
        return vetch__stream_lose_write(s, EPIPE);
    return 0;
}

int
vetch__stream_queue(vetch_stream *s, const struct iovec *iov, size_t n,
                    size_t total)
{
    if (s->out != VETCH__HALF_OPEN)
        return vetch__stream_lose_write(s, EPIPE);
    if (s->kind->pending(s) > s->limits.cap)
        return vetch__stream_lose_write(s, ENOBUFS);
    if (s->kind->write(s, iov, n, total) < 0)
        return vetch__stream_lose_write(s, errno);
    s->bytes_written += total;
    return 0;
}

int
vetch_stream_writev(vetch_stream *s, const struct iovec *iov, size_t n)
{
    size_t total = 0;

    VETCH_CHECK(s != NULL && (iov != NULL || n == 0), EINVAL, -1);
    if (stream_check_write(s) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (iov[i].iov_len > SIZE_MAX - total)
            return vetch__stream_lose_write(s, ENOBUFS);
        total += iov[i].iov_len;
    }
    return total > 0 ? vetch__stream_queue(s, iov, n, total) : 0;
}

int
vetch_stream_write(vetch_stream *s, const void *data, size_t len)
{
    struct iovec iov = { (void *)(uintptr_t)data, len };

    return vetch_stream_writev(s, &iov, 1);
}

int
vetch_stream_write_bytes(vetch_stream *s, vetch_bytes *bytes)
{
    struct iovec iov;

    VETCH_CHECK(s != NULL, EINVAL, -1);
    if (stream_check_write(s) < 0)
        return -1;
    if (bytes == NULL)
        return vetch__stream_lose_write(s, ENOMEM);
    iov.iov_base = (void *)(uintptr_t)vetch_bytes_data(bytes);
    iov.iov_len = vetch_bytes_len(bytes);
    if (iov.iov_len == 0)
        return 0;
    if (s->kind->write_bytes == NULL ||
        iov.iov_len < VETCH__STREAM_WORTH_OWNING)
        return vetch__stream_queue(s, &iov, 1, iov.iov_len);
    if (s->kind->pending(s) > s->limits.cap)
        return vetch__stream_lose_write(s, ENOBUFS);
    if (s->kind->write_bytes(s, bytes) < 0)
        return vetch__stream_lose_write(s, errno);
    s->bytes_written += iov.iov_len;
    return 0;
}

int
vetch_stream_vprintf(vetch_stream *s, const char *fmt, va_list args)
{
    char small[512], *text = small;
    va_list again;
    int len, result;

    VETCH_CHECK(s != NULL && fmt != NULL, EINVAL, -1);
    va_copy(again, args);
    len = vsnprintf(small, sizeof(small), fmt, args);
    if (len >= (int)sizeof(small)) {
        text = vetch__malloc((size_t)len + 1);
        if (text != NULL)
            vsnprintf(text, (size_t)len + 1, fmt, again);
    }
    va_end(again);
    if (len < 0 || text == NULL)
        return vetch__stream_lose_write(s, len < 0 ? EINVAL : ENOMEM);
    result = vetch_stream_write(s, text, (size_t)len);
    if (text != small)
        vetch__free(text);
    return result;
}

int
vetch_stream_printf(vetch_stream *s, const char *fmt, ...)
{
    va_list args;
    int result;

    VETCH_CHECK(s != NULL && fmt != NULL, EINVAL, -1);
    va_start(args, fmt);
    result = vetch_stream_vprintf(s, fmt, args);
    va_end(args);
    return result;
}

/* ---- waiting for what was queued ---- */

static bool
writing_has_failed(const vetch_stream *s)
{
    return (s->flags & VETCH__S_LOST_WRITE) != 0 ||
           s->out == VETCH__HALF_BROKEN;
}

vetch_promise *
vetch_stream_drain(vetch_stream *s)
{
    VETCH_CHECK(s != NULL, EINVAL, &vetch__misused);
    if (!vetch__stream_check_thread(s))
        return &vetch__misused;
    if (writing_has_failed(s))
        return vetch_rejected(vetch__stream_cause(s));
    if (s->out >= VETCH__HALF_ENDED || s->kind->pending(s) <= s->limits.high)
        return vetch_resolved(NULL, NULL);
    if ((s->flags & VETCH__S_DRAINING) == 0) {
        s->flags |= VETCH__S_DRAINING;
        s->kind->tell_drained(s);
    }
    return vetch__stream_wait(s, VETCH__WAIT_DRAIN);
}

vetch_promise *
vetch_stream_send(vetch_stream *s, const void *data, size_t len)
{
    int errnum;

    VETCH_CHECK(s != NULL, EINVAL, &vetch__misused);
    if (vetch_stream_write(s, data, len) == 0 || writing_has_failed(s))
        return vetch_stream_drain(s);
    errnum = errno;
    return vetch__failed(errnum, "send");
}

vetch_promise *
vetch_stream_end(vetch_stream *s)
{
    VETCH_CHECK(s != NULL, EINVAL, &vetch__misused);
    if (!vetch__stream_check_thread(s))
        return &vetch__misused;
    if (s->out == VETCH__HALF_NONE)
        return vetch__failed(EBADF, "end: nothing can be written here");
    if (s->sink != NULL)
        return vetch__failed(EBUSY, "end: a copy is running");
    return vetch__stream_end(s);
}

vetch_promise *
vetch__stream_end(vetch_stream *s)
{
    if (writing_has_failed(s))
        return vetch_rejected(vetch__stream_cause(s));
    if (s->out == VETCH__HALF_OPEN) {
        s->out = VETCH__HALF_ENDING;
        s->kind->end(s);
    }
    if (writing_has_failed(s))
        return vetch_rejected(vetch__stream_cause(s));
    if (s->out == VETCH__HALF_ENDED)
        return vetch_resolved(NULL, NULL);
    return vetch__stream_wait(s, VETCH__WAIT_END);
}
