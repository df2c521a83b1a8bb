/* gzip and gunzip as filters, by zlib. */
#include <vetch/filter.h>

#include <errno.h>

#include "base/check-private.h"
#include "base/mem-private.h"
#include "stream/inflater-private.h"

enum {
    ROUND_BYTES = 65536, /* a call ends once it has made so many */
    ROOM_BYTES = 16384,
    GZIP_BITS = 15 + 16, /* 16 more than the window bits: the gzip format */
    MEMORY_LEVEL = 8
};

/* ---- gzip ---- */

struct gzip {
    vetch_filter filter;
    z_stream z;
};

/* One round of zlib: its result, or Z_MEM_ERROR. */
static int
gzip_once(struct gzip *g, vetch_buffer *in, vetch_buffer *out, int flush)
{
    uInt len = vetch__zlib_clamp(vetch_buffer_len(in));
    int result;

    g->z.next_out = vetch_buffer_reserve(out, ROOM_BYTES);
    if (g->z.next_out == NULL)
        return Z_MEM_ERROR;
    g->z.avail_out = ROOM_BYTES;
    g->z.next_in = (Bytef *)(uintptr_t)vetch_buffer_data(in);
    g->z.avail_in = len;
    result = deflate(&g->z, flush);
    vetch_buffer_commit(out, ROOM_BYTES - g->z.avail_out);
    vetch_buffer_consume(in, len - g->z.avail_in);
    return result;
}

static int
gzip_transform(vetch_filter *filter, vetch_buffer *in, vetch_buffer *out,
               vetch_filter_mode mode, vetch_error **ret_error)
{
    static const int flush[] = { Z_NO_FLUSH, Z_SYNC_FLUSH, Z_FINISH };
    struct gzip *g = (struct gzip *)filter;
    int result;

    do {
        result = gzip_once(g, in, out, flush[mode]);
        if (result == Z_MEM_ERROR) {
            *ret_error = vetch_error_new(VETCH_ENOMEM, "gzip");
            return -1;
        }
    } while (result != Z_STREAM_END &&
             (g->z.avail_out == 0 || vetch_buffer_len(in) > 0) &&
             vetch_buffer_len(out) < ROUND_BYTES);
    return 0;
}

static void
gzip_free(vetch_filter *filter)
{
    struct gzip *g = (struct gzip *)filter;

    deflateEnd(&g->z);
    vetch__free(g);
}

static const vetch_filter_class gzip_class = {
    .size = sizeof(gzip_class),
    .transform = gzip_transform,
    .free = gzip_free,
};

vetch_filter *
vetch_gzip_new(int level)
{
    struct gzip *g;

    if (level < -1 || level > 9) {
        errno = EINVAL;
        return NULL;
    }
    g = vetch__calloc(1, sizeof(*g));
    if (g == NULL)
        return NULL;
    g->filter.class_ = &gzip_class;
    g->z.zalloc = vetch__zlib_alloc;
    g->z.zfree = vetch__zlib_free;
    if (deflateInit2(&g->z, level, Z_DEFLATED, GZIP_BITS, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        vetch__free(g);
        errno = ENOMEM;
        return NULL;
    }
    return &g->filter;
}

/* ---- gunzip ---- */

struct gunzip {
    vetch_filter filter;
    struct vetch__inflater inflater;
};

/* One round: 1 if there may be more; 0; -1 and an error. */
static int
gunzip_once(struct gunzip *g, vetch_buffer *in, vetch_buffer *out,
            vetch_error **ret_error)
{
    const void *from = vetch_buffer_data(in);
    size_t left = vetch_buffer_len(in), room = ROOM_BYTES;
    void *to = vetch_buffer_reserve(out, room);
    const char *why = NULL;
    int result = Z_MEM_ERROR;

    if (to != NULL)
        result =
            vetch__inflater_pass(&g->inflater, &from, &left, &to, &room, &why);
    if (result == Z_MEM_ERROR)
        *ret_error = vetch_error_new(VETCH_ENOMEM, "gunzip");
    else if (result != Z_OK)
        *ret_error = vetch_error_new(VETCH_ECODING, "gunzip: %s", why);
    if (result == Z_MEM_ERROR)
        return -1;
    vetch_buffer_commit(out, ROOM_BYTES - room);
    vetch_buffer_consume(in, vetch_buffer_len(in) - left);
    if (result != Z_OK)
        return -1;
    return room == 0 || left > 0;
}

static int
gunzip_transform(vetch_filter *filter, vetch_buffer *in, vetch_buffer *out,
                 vetch_filter_mode mode, vetch_error **ret_error)
{
    struct gunzip *g = (struct gunzip *)filter;
    int more;

    do
        more = gunzip_once(g, in, out, ret_error);
    while (more > 0 && vetch_buffer_len(out) < ROUND_BYTES);
    if (more != 0)
        return more < 0 ? -1 : 0;
    if (mode != VETCH_FILTER_END || vetch__inflater_complete(&g->inflater))
        return 0;
    *ret_error =
        vetch_error_new(VETCH_ETRUNCATED, "gunzip: the data end early");
    return -1;
}

static void
gunzip_free(vetch_filter *filter)
{
    struct gunzip *g = (struct gunzip *)filter;

    vetch__inflater_done(&g->inflater);
    vetch__free(g);
}

static const vetch_filter_class gunzip_class = {
    .size = sizeof(gunzip_class),
    .transform = gunzip_transform,
    .free = gunzip_free,
};

vetch_filter *
vetch_gunzip_new(void)
{
    struct gunzip *g = vetch__calloc(1, sizeof(*g));

    if (g == NULL)
        return NULL;
    g->filter.class_ = &gunzip_class;
    if (vetch__inflater_init(&g->inflater, VETCH__GZIP) < 0) {
        vetch__free(g);
        errno = ENOMEM;
        return NULL;
    }
    return &g->filter;
}
