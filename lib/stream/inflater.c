/* gzip and deflate undone, by zlib.
 *
 * What came out may not exceed a hundred times what went in, once that is more
 * than 1 MiB. zlib allocates through the library's allocator, so that tests can
 * make it fail.
 *
 * Behind the last member of gzip data some writers pad with NULs or end a line;
 * that is skipped, as gzip(1) does it, and nothing else.
 *
 * `deflate` means the zlib format (RFC 9110, section 8.4.1.2), but enough
 * servers send the bare format of RFC 1951 under that name that both are taken:
 * the first two bytes tell them apart. */
#include "stream/inflater-private.h"

#include "base/mem-private.h"

enum { RATIO = 100, RATIO_FROM_BYTES = 1048576 };

void *
vetch__zlib_alloc(void *opaque, uInt n, uInt size)
{
    (void)opaque;
    return vetch__calloc(n, size);
}

void
vetch__zlib_free(void *opaque, void *p)
{
    (void)opaque;
    vetch__free(p);
}

int
vetch__inflater_init(struct vetch__inflater *s, uint8_t coding)
{
    s->coding = coding;
    s->z.zalloc = vetch__zlib_alloc;
    s->z.zfree = vetch__zlib_free;
    /* 16 more than the window bits: the gzip format. */
    return inflateInit2(&s->z, coding == VETCH__GZIP ? 15 + 16 : 15) == Z_OK
               ? 0
               : -1;
}

/* Whether two bytes are the header of the zlib format (RFC 1950). */
static bool
is_zlib_header(const uint8_t *b)
{
    return (b[0] & 15) == 8 && b[0] >> 4 <= 7 && (b[0] << 8 | b[1]) % 31 == 0;
}

/* Hand zlib what is at z.next_in, or what was held back. */
static int
call_zlib(struct vetch__inflater *s)
{
    uInt avail_in = s->z.avail_in, avail_out = s->z.avail_out;
    int result = inflate(&s->z, Z_NO_FLUSH);

    s->in += avail_in - s->z.avail_in;
    s->out += avail_out - s->z.avail_out;
    return result;
}

/* Collect the first two bytes of `deflate`; when they are there, choose the
 * format and feed them. Two bytes of input make no output yet: a header, or the
 * begin of a block. */
static int
begin_deflate(struct vetch__inflater *s)
{
    Bytef *next_in;
    uInt avail_in;
    int result;

    while (s->n_held < 2 && s->z.avail_in > 0) {
        s->held[s->n_held++] = *s->z.next_in++;
        s->z.avail_in--;
    }
    if (s->n_held < 2)
        return Z_OK;
    if (!is_zlib_header(s->held) && inflateReset2(&s->z, -15) != Z_OK)
        return Z_STREAM_ERROR;
    s->begun = true;
    next_in = s->z.next_in;
    avail_in = s->z.avail_in;
    s->z.next_in = s->held;
    s->z.avail_in = 2;
    result = call_zlib(s); /* takes both: no data end before the second */
    s->z.next_in = next_in;
    s->z.avail_in = avail_in;
    return result;
}

static void
skip_padding(struct vetch__inflater *s)
{
    while (s->coding == VETCH__GZIP && s->z.avail_in > 0 &&
           (*s->z.next_in == '\0' || *s->z.next_in == '\n')) {
        s->z.next_in++;
        s->z.avail_in--;
        s->padded = true;
    }
}

/* A new gzip member begins, or something goes on where nothing may follow. */
static bool
begin_again(struct vetch__inflater *s)
{
    if (s->coding != VETCH__GZIP || s->padded || inflateReset(&s->z) != Z_OK)
        return false;
    s->ended = false;
    return true;
}

/* Let one stage work: Z_OK, or Z_DATA_ERROR, Z_MEM_ERROR. */
static int
run_inflater(struct vetch__inflater *s, const char **ret_why)
{
    int result = Z_OK;

    *ret_why = s->coding == VETCH__GZIP ? "malformed gzip data"
                                        : "malformed deflate data";
    do {
        if (s->ended)
            skip_padding(s);
        if (s->ended && s->z.avail_in == 0)
            return Z_OK;
        if (s->ended && !begin_again(s))
            return Z_DATA_ERROR;
        if (s->coding == VETCH__DEFLATE && !s->begun)
            result = begin_deflate(s);
        if (result == Z_OK && (s->begun || s->coding == VETCH__GZIP)) {
            s->begun = s->begun || s->z.avail_in > 0;
            result = call_zlib(s);
        }
        if (s->out > RATIO_FROM_BYTES && s->out / RATIO > s->in) {
            *ret_why = "expands more than 100 times";
            return Z_DATA_ERROR;
        }
        if (result == Z_STREAM_END)
            s->ended = true;
        else if (result != Z_OK && result != Z_BUF_ERROR)
            return result == Z_MEM_ERROR ? Z_MEM_ERROR : Z_DATA_ERROR;
        result = Z_OK;
    } while (s->ended && s->z.avail_in > 0 && s->z.avail_out > 0);
    return Z_OK;
}

/* One stage from its input to its output, all pointers moved on. */
int
vetch__inflater_pass(struct vetch__inflater *s, const void **in, size_t *in_len,
                     void **out, size_t *out_len, const char **ret_why)
{
    uInt avail_in = vetch__zlib_clamp(*in_len);
    uInt avail_out = vetch__zlib_clamp(*out_len);
    int result;

    s->z.next_in = (Bytef *)(uintptr_t)*in; /* zlib does not write there */
    s->z.avail_in = avail_in;
    s->z.next_out = *out;
    s->z.avail_out = avail_out;
    result = run_inflater(s, ret_why);
    *in = s->z.next_in;
    *in_len -= avail_in - s->z.avail_in;
    *out = s->z.next_out;
    *out_len -= avail_out - s->z.avail_out;
    return result;
}

bool
vetch__inflater_complete(const struct vetch__inflater *s)
{
    return s->ended;
}

void
vetch__inflater_done(struct vetch__inflater *s)
{
    inflateEnd(&s->z);
}
