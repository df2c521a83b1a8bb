/* Writing to a transport: what is queued leaves at the end of the dispatch. */
#include "net/transport-private.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/check-private.h"

enum { PRINTF_ROOM = 1024 };

static int
check_write(const vetch_transport *t, size_t len)
{
    size_t cap = t->limits->cap_bytes;

    if (!vetch__transport_check_thread(t))
        return -1;
    if (t->out != VETCH__OUT_OPEN) {
        errno = EPIPE;
        return -1;
    }
    if (len > cap || t->output.buffered > cap - len) {
        errno = ENOBUFS;
        return -1;
    }
    return 0;
}

/* Something was queued. Much of it leaves at once, so that a single dispatch
 * does not pile up more than the peer cannot take. */
static void
queued(vetch_transport *t)
{
    vetch__flush_later(t->reactor, &t->turn);
    if (t->output.buffered > t->limits->high_bytes)
        vetch__transport_sent_much(t);
}

void
vetch__transport_sent_much(vetch_transport *t)
{
    if ((t->flags & VETCH__T_BLOCKED) != 0 || t->reactor->ending)
        return;
    vetch_transport_ref(t);
    t->kind->send(t);
    vetch_transport_unref(t);
}

void
vetch__transport_send_now(vetch_transport *t)
{
    vetch__flush_later(t->reactor, &t->turn);
    vetch__transport_sent_much(t);
}

char *
vetch__transport_reserve_slowly(vetch_transport *t, size_t len)
{
    if (check_write(t, len) < 0)
        return NULL;
    return vetch__output_reserve(t->reactor, &t->output, len);
}

int
vetch_transport_write(vetch_transport *t, const void *data, size_t len)
{
    struct iovec iov = { (void *)(uintptr_t)data, len };

    return vetch_transport_writev(t, &iov, 1);
}

int
vetch_transport_writev(vetch_transport *t, const struct iovec *iov, size_t n)
{
    size_t total = 0;

    VETCH_CHECK(t != NULL && (iov != NULL || n == 0), EINVAL, -1);
    for (size_t i = 0; i < n; i++) {
        VETCH_CHECK(iov[i].iov_base != NULL || iov[i].iov_len == 0, EINVAL, -1);
        if (iov[i].iov_len > SIZE_MAX - total) {
            errno = ENOBUFS;
            return -1;
        }
        total += iov[i].iov_len;
    }
    if (check_write(t, total) < 0)
        return -1;
    if (total == 0)
        return 0;
    if (vetch__output_append(t->reactor, &t->output, iov, n, total) < 0)
        return -1;
    queued(t);
    return 0;
}

int
vetch_transport_printf(vetch_transport *t, const char *fmt, ...)
{
    va_list args;
    int result;

    VETCH_CHECK(t != NULL && fmt != NULL, EINVAL, -1);
    va_start(args, fmt);
    result = vetch_transport_vprintf(t, fmt, args);
    va_end(args);
    return result;
}

static int write_long(vetch_transport *t, size_t len, const char *fmt,
                      va_list args) VETCH_PRINTF(3, 0);

/* What does not fit into the caller's buffer. */
static int
write_long(vetch_transport *t, size_t len, const char *fmt, va_list args)
{
    char *text = vetch__malloc(len + 1);
    int result;

    if (text == NULL)
        return -1;
    vsnprintf(text, len + 1, fmt, args);
    result = vetch_transport_write(t, text, len);
    vetch__free(text);
    return result;
}

int
vetch_transport_vprintf(vetch_transport *t, const char *fmt, va_list args)
{
    char text[PRINTF_ROOM];
    va_list again;
    int len, result;

    VETCH_CHECK(t != NULL && fmt != NULL, EINVAL, -1);
    if (check_write(t, 0) < 0)
        return -1;
    va_copy(again, args);
    len = vsnprintf(text, sizeof(text), fmt, args);
    if (len < 0)
        result = -1;
    else if ((size_t)len < sizeof(text))
        result = vetch_transport_write(t, text, (size_t)len);
    else
        result = write_long(t, (size_t)len, fmt, again);
    va_end(again);
    return result;
}

int
vetch_transport_write_owned(vetch_transport *t, const void *data, size_t len,
                            vetch_free_fn free_fn, void *free_arg)
{
    VETCH_CHECK(t != NULL && (data != NULL || len == 0), EINVAL, -1);
    if (check_write(t, len) < 0)
        return -1;
    if (len == 0) {
        if (free_fn != NULL)
            free_fn(free_arg);
        return 0;
    }
    if (vetch__output_append_owned(t->reactor, &t->output, data, len, free_fn,
                                   free_arg) < 0)
        return -1;
    queued(t);
    return 0;
}

int
vetch_transport_sendfile(vetch_transport *t, int fd, uint64_t offset,
                         uint64_t len)
{
    VETCH_CHECK(t != NULL && fd >= 0, EINVAL, -1);
    if (offset > INT64_MAX || len > INT64_MAX - offset) {
        errno = EINVAL;
        return -1;
    }
    if (check_write(t, 0) < 0)
        return -1;
    if (len == 0) {
        close(fd);
        return 0;
    }
    if (vetch__output_append_file(t->reactor, &t->output, fd, offset, len, NULL,
                                  NULL) < 0)
        return -1;
    queued(t);
    return 0;
}

int
vetch__transport_send_part(vetch_transport *t, int fd, uint64_t offset,
                           uint64_t len, vetch_free_fn free_fn, void *free_arg)
{
    if (check_write(t, 0) < 0 ||
        vetch__output_append_file(t->reactor, &t->output, fd, offset, len,
                                  free_fn, free_arg) < 0)
        return -1;
    vetch__transport_send_now(t);
    return 0;
}

size_t
vetch_transport_buffered(const vetch_transport *t)
{
    VETCH_CHECK(t != NULL, EINVAL, 0);
    return t->output.buffered;
}
