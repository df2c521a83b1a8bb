/* Buffers and byte strings.
 *
 * A buffer is one block: free room that was consumed, the content, free room
 * at the end. The content moves to the front only when the room at the end
 * does not suffice and at least half of the block is free in front, so that
 * each byte is moved O(1) times on average. */

#include "base/buffer-private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check-private.h"
#include "base/mem-private.h"
#include "base/object-private.h"

#define SMALLEST ((size_t)256)

void
vetch__buffer_init(vetch_buffer *b)
{
    memset(b, 0, sizeof(*b));
}

void
vetch__buffer_done(vetch_buffer *b)
{
    vetch__free(b->data);
    vetch__buffer_init(b);
}

vetch_buffer *
vetch_buffer_new(void)
{
    return vetch__calloc(1, sizeof(vetch_buffer));
}

void
vetch_buffer_free(vetch_buffer *b)
{
    if (b == NULL)
        return;
    vetch__free(b->data);
    vetch__free(b);
}

const char *
vetch_buffer_data(const vetch_buffer *b)
{
    VETCH_CHECK(b != NULL, EINVAL, "");
    return b->data != NULL ? b->data + b->start : "";
}

size_t
vetch_buffer_len(const vetch_buffer *b)
{
    VETCH_CHECK(b != NULL, EINVAL, 0);
    return b->end - b->start;
}

static int
buffer_grow(vetch_buffer *b, size_t needed)
{
    size_t capacity = b->capacity > 0 ? b->capacity : SMALLEST;
    size_t len = b->end - b->start;
    char *data;

    while (capacity < needed)
        capacity *= 2; /* needed is at most half of SIZE_MAX */
    data = vetch__malloc(capacity);
    if (data == NULL)
        return -1;
    if (b->data != NULL)
        memcpy(data, b->data + b->start, len);
    vetch__free(b->data);
    b->data = data;
    b->capacity = capacity;
    b->start = 0;
    b->end = len;
    return 0;
}

void *
vetch_buffer_reserve(vetch_buffer *b, size_t len)
{
    size_t used;

    VETCH_CHECK(b != NULL, EINVAL, NULL);
    used = b->end - b->start;
    if (b->data != NULL && b->capacity - b->end >= len)
        return b->data + b->end;
    if (len > SIZE_MAX / 2 - used) {
        errno = ENOMEM;
        return NULL;
    }
    if (b->data != NULL && b->start >= b->capacity / 2 &&
        b->capacity - used >= len) {
        memmove(b->data, b->data + b->start, used);
        b->start = 0;
        b->end = used;
    } else if (buffer_grow(b, used + len) < 0) {
        return NULL;
    }
    return b->data + b->end;
}

void
vetch_buffer_commit(vetch_buffer *b, size_t len)
{
    VETCH_CHECK(b != NULL && len <= b->capacity - b->end, EINVAL, );
    b->end += len;
}

int
vetch_buffer_append(vetch_buffer *b, const void *data, size_t len)
{
    void *to;

    VETCH_CHECK(b != NULL && (data != NULL || len == 0), EINVAL, -1);
    if (len == 0)
        return 0;
    to = vetch_buffer_reserve(b, len);
    if (to == NULL)
        return -1;
    memcpy(to, data, len);
    b->end += len;
    return 0;
}

static int
buffer_append_formatted(vetch_buffer *b, const char *fmt, va_list args,
                        va_list again)
{
    size_t room = b->capacity - b->end;
    int n =
        vsnprintf(b->data != NULL ? b->data + b->end : NULL, room, fmt, args);

    if (n < 0) {
        errno = EINVAL;
        return -1;
    }
    if ((size_t)n >= room) {
        char *to = vetch_buffer_reserve(b, (size_t)n + 1);

        if (to == NULL)
            return -1;
        vsnprintf(to, (size_t)n + 1, fmt, again);
    }
    b->end += (size_t)n;
    return 0;
}

int
vetch_buffer_printf(vetch_buffer *b, const char *fmt, ...)
{
    va_list args, again;
    int result;

    VETCH_CHECK(b != NULL, EINVAL, -1);
    va_start(args, fmt);
    va_copy(again, args);
    result = buffer_append_formatted(b, fmt, args, again);
    va_end(again);
    va_end(args);
    return result;
}

void
vetch_buffer_consume(vetch_buffer *b, size_t len)
{
    VETCH_CHECK(b != NULL, EINVAL, );
    if (len >= b->end - b->start) {
        vetch_buffer_clear(b);
        return;
    }
    b->start += len;
    b->scanned = b->scanned > len ? b->scanned - len : 0;
}

void
vetch_buffer_clear(vetch_buffer *b)
{
    VETCH_CHECK(b != NULL, EINVAL, );
    b->start = b->end = b->scanned = 0;
}

int
vetch__buffer_put_back(vetch_buffer *b, const void *data, size_t len,
                       const void *more, size_t more_len)
{
    size_t total = len + more_len;

    if (b->start < total) {
        size_t kept = b->end - b->start;

        if (vetch_buffer_reserve(b, total) == NULL)
            return -1;
        memmove(b->data + b->start + total, b->data + b->start, kept);
        b->end += total;
    } else {
        b->start -= total;
    }
    if (len > 0)
        memcpy(b->data + b->start, data, len);
    if (more_len > 0)
        memcpy(b->data + b->start + len, more, more_len);
    b->scanned = 0;
    return 0;
}

const char *
vetch_buffer_line(vetch_buffer *b, size_t *ret_len)
{
    const char *data, *lf = NULL;
    size_t len;

    VETCH_CHECK(b != NULL && ret_len != NULL, EINVAL, NULL);
    data = vetch_buffer_data(b);
    len = vetch_buffer_len(b);
    if (len > b->scanned)
        lf = memchr(data + b->scanned, '\n', len - b->scanned);
    if (lf == NULL) {
        b->scanned = len;
        return NULL;
    }
    b->scanned = (size_t)(lf - data);
    *ret_len = b->scanned + 1;
    return data;
}

struct vetch_bytes {
    struct vetch__object object;
    size_t len;
    char data[];
};

vetch_bytes *
vetch_bytes_new(const void *data, size_t len)
{
    vetch_bytes *b;

    VETCH_CHECK(data != NULL || len == 0, EINVAL, NULL);
    if (len > SIZE_MAX - sizeof(*b) - 1) {
        errno = ENOMEM;
        return NULL;
    }
    b = vetch__malloc(sizeof(*b) + len + 1);
    if (b == NULL)
        return NULL;
    b->object = (struct vetch__object){ .type = VETCH__BYTES, .refs = 1 };
    b->len = len;
    if (len > 0)
        memcpy(b->data, data, len);
    b->data[len] = '\0';
    return b;
}

vetch_bytes *
vetch_bytes_ref(vetch_bytes *b)
{
    if (b != NULL)
        b->object.refs++;
    return b;
}

vetch_bytes *
vetch_bytes_unref(vetch_bytes *b)
{
    if (b != NULL && --b->object.refs == 0)
        vetch__free(b);
    return NULL;
}

const void *
vetch_bytes_data(const vetch_bytes *b)
{
    VETCH_CHECK(b != NULL, EINVAL, NULL);
    return b->data;
}

size_t
vetch_bytes_len(const vetch_bytes *b)
{
    VETCH_CHECK(b != NULL, EINVAL, 0);
    return b->len;
}

vetch_bytes *
vetch__bytes_of_vectors(const struct iovec *iov, size_t n, size_t total)
{
    vetch_bytes *b = vetch__malloc(sizeof(*b) + total + 1);
    size_t at = 0;

    if (b == NULL)
        return NULL;
    b->object = (struct vetch__object){ .type = VETCH__BYTES, .refs = 1 };
    b->len = total;
    for (size_t i = 0; i < n; i++) {
        if (iov[i].iov_len > 0)
            memcpy(b->data + at, iov[i].iov_base, iov[i].iov_len);
        at += iov[i].iov_len;
    }
    b->data[total] = '\0';
    return b;
}

vetch_bytes *
vetch__bytes_resize(vetch_bytes *b, size_t len)
{
    vetch_bytes *resized;

    if (b != NULL && b->len == len)
        return b;
    if (len > SIZE_MAX - sizeof(*b) - 1) {
        errno = ENOMEM;
        return NULL;
    }
    resized = vetch__realloc(b, sizeof(*b) + len + 1);
    if (resized == NULL)
        return NULL;
    resized->object = (struct vetch__object){ .type = VETCH__BYTES, .refs = 1 };
    resized->len = len;
    resized->data[len] = '\0';
    return resized;
}

char *
vetch__bytes_room(vetch_bytes *b)
{
    return b->data;
}
