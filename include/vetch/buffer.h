/* Byte buffers and byte strings; see vetch_buffer(3). */
#ifndef VETCH_BUFFER_H
#define VETCH_BUFFER_H

#include <vetch/types.h>

VETCH_BEGIN_DECLS

/* A buffer is a growing run of contiguous bytes, consumed from the front.
 * Thread: the one that made it. */

/* An empty buffer. Ownership: single owner, free with vetch_buffer_free().
 * Errors: NULL and ENOMEM. */
VETCH_EXPORT VETCH_NODISCARD vetch_buffer *vetch_buffer_new(void);
VETCH_EXPORT void vetch_buffer_free(vetch_buffer *b);

/* What is in it. The pointer is valid until the buffer is changed; not NULL,
 * even when empty. */
VETCH_EXPORT const char *vetch_buffer_data(const vetch_buffer *b);
VETCH_EXPORT size_t vetch_buffer_len(const vetch_buffer *b);

/* Append a copy. Errors: -1 and ENOMEM; then nothing has changed. */
VETCH_EXPORT int vetch_buffer_append(vetch_buffer *b, const void *data,
                                     size_t len);
/* Append formatted text. Errors: -1 and ENOMEM or EINVAL. */
VETCH_EXPORT int vetch_buffer_printf(vetch_buffer *b, const char *fmt, ...)
    VETCH_PRINTF(2, 3);
/* Make room for `len` more bytes and return where they go, or NULL and ENOMEM;
 * then vetch_buffer_commit() says how many were written there. */
VETCH_EXPORT void *vetch_buffer_reserve(vetch_buffer *b, size_t len);
VETCH_EXPORT void vetch_buffer_commit(vetch_buffer *b, size_t len);
/* Drop bytes from the front (at most what is there). */
VETCH_EXPORT void vetch_buffer_consume(vetch_buffer *b, size_t len);
VETCH_EXPORT void vetch_buffer_clear(vetch_buffer *b);

/* The first whole line with its LF, borrowed until the buffer is changed;
 * NULL if there is none yet. `*ret_len` counts the LF. A search resumes where
 * the last one ended, so that a line that comes byte by byte costs O(n). */
VETCH_EXPORT const char *vetch_buffer_line(vetch_buffer *b, size_t *ret_len);

/* A byte string: immutable, reference-counted, followed by a NUL that is not
 * counted. Made anywhere; handed over between threads, never shared.
 * Errors: NULL and ENOMEM. */
VETCH_EXPORT VETCH_NODISCARD vetch_bytes *vetch_bytes_new(const void *data,
                                                          size_t len);
VETCH_EXPORT vetch_bytes *vetch_bytes_ref(vetch_bytes *b);
VETCH_EXPORT vetch_bytes *vetch_bytes_unref(vetch_bytes *b);
VETCH_EXPORT const void *vetch_bytes_data(const vetch_bytes *b);
VETCH_EXPORT size_t vetch_bytes_len(const vetch_bytes *b);

VETCH_END_DECLS

#endif
