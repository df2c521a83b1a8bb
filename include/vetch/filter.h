/* Filters of streams: what changes bytes on their way, without doing any I/O;
 * see vetch_filter(3). Thread: reactor. */
#ifndef VETCH_FILTER_H
#define VETCH_FILTER_H

#include <vetch/buffer.h>
#include <vetch/error.h>
#include <vetch/stream.h>

typedef enum vetch_filter_mode {
    VETCH_FILTER_MORE,  /* more may follow at once */
    VETCH_FILTER_FLUSH, /* hold nothing back */
    VETCH_FILTER_END    /* that is all */
} vetch_filter_mode;

/* What a filter is made of. */
typedef struct vetch_filter_class {
    size_t size; /* sizeof(vetch_filter_class) */
    /* Take all of `in` and append what comes of it to `out`; or stop once `out`
     * has 64 KiB, to be called again for the rest. It must not touch the
     * stream. -1 and an error (which is taken; NULL: VETCH_ENOMEM) break it. */
    int (*transform)(vetch_filter *filter, vetch_buffer *in, vetch_buffer *out,
                     vetch_filter_mode mode, vetch_error **ret_error);
    /* Called once: after the end, or before an abort or the release of the
     * stream returns. */
    void (*free)(vetch_filter *filter);
} vetch_filter_class;

/* The first member of the user's object. */
struct vetch_filter {
    const vetch_filter_class *class_;
};

VETCH_BEGIN_DECLS

/* `inner` with `filter` in one direction: on what is read (VETCH_READABLE) or
 * on what is written (VETCH_WRITABLE). The other passes through; end, close and
 * abort go on to `inner`, which must not be used meanwhile. What was written
 * and is held back is flushed at the end of each dispatch. Released before its
 * end it lets go of `inner`, and breaks that direction of it if anything has
 * passed through the filter.
 *
 * Ownership: new reference; keeps one to `inner`; consumes `filter`.
 * Errors:    NULL and errno: ENOMEM, also if `inner` or `filter` is NULL;
 *            EINVAL; EBADF, there is no such direction; EBUSY, `inner` is in
 *            use; EPIPE, it cannot be written any more; EPERM. */
VETCH_EXPORT VETCH_NODISCARD vetch_stream *
vetch_stream_filter(vetch_stream *inner, unsigned direction,
                    vetch_filter *filter);

/* Compress; `level` from 0 to 9, -1: zlib's default.
 * Errors: NULL and errno: EINVAL, ENOMEM. */
VETCH_EXPORT VETCH_NODISCARD vetch_filter *vetch_gzip_new(int level);
/* Decompress gzip data of one member or several. It fails with VETCH_ETRUNCATED
 * when they end early, with VETCH_ECODING when they are malformed or expand
 * more than 100 times, past 1 MiB. Errors: NULL and ENOMEM. */
VETCH_EXPORT VETCH_NODISCARD vetch_filter *vetch_gunzip_new(void);

VETCH_END_DECLS

#endif
