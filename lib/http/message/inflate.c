/* gzip and deflate by zlib.
 *
 * One stage per coding; two stages are joined by a small buffer, so memory does
 * not depend on what is in the data.  What a stage made may not exceed a
 * hundred times what it was given, once that is more than 1 MiB; each stage is
 * watched, because a chain can hide its bomb in the middle.  zlib allocates
 * through the library's allocator, so that tests can make it fail.
 *
 * Behind the last member of gzip data some servers pad with NULs or end a line;
 * that is skipped, as gzip(1) does it, and nothing else.
 *
 * `deflate` means the zlib format (RFC 9110, section 8.4.1.2), but enough
 * servers send the bare format of RFC 1951 under that name that both are taken:
 * the first two bytes tell them apart. */

#include "http/message/inflate-private.h"

#include <string.h>
#include <zlib.h>

#include "base/mem-private.h"
#include "http/message/headers-private.h"
#include "http/message/scan-private.h"

enum coding { GZIP = 1, DEFLATE };

enum { MIDDLE_BYTES = 16384, RATIO = 100, RATIO_FROM_BYTES = 1048576 };

struct stage {
    z_stream z;
    uint64_t in, out;
    uint8_t coding;
    uint8_t held[2]; /* deflate: the first bytes, until both are there */
    uint8_t n_held;
    bool begun;
    bool ended;
    bool padded; /* behind its end: no further member may follow */
};

struct vetch__inflate {
    unsigned n;
    struct stage stage[2]; /* in the order of undoing */
    unsigned char *middle; /* between the stages, if there are two */
    size_t middle_at, middle_len;
    bool middle_was_full; /* stage 0 may hold more output */
};

static uint8_t
coding_by_name(const char *name, size_t len)
{
    if (vetch__http_equal(name, len, "gzip", 4) ||
        vetch__http_equal(name, len, "x-gzip", 6))
        return GZIP;
    if (vetch__http_equal(name, len, "deflate", 7))
        return DEFLATE;
    return 0;
}

const char *
vetch__codings_add(struct vetch__codings *c, const char *value, size_t len)
{
    const char *end = value + len;

    while (value < end) {
        const char *comma = memchr(value, ',', (size_t)(end - value));
        const char *stop = comma != NULL ? comma : end, *next = stop + 1;
        uint8_t coding;

        while (value < stop && vetch__is_blank(*value))
            value++;
        while (stop > value && vetch__is_blank(stop[-1]))
            stop--;
        len = (size_t)(stop - value);
        coding = coding_by_name(value, len);
        if (coding != 0 && c->n == 2)
            return "more than two content codings";
        if (coding != 0)
            c->v[c->n++] = coding;
        else if (len > 0 && !vetch__http_equal(value, len, "identity", 8))
            c->unknown = true;
        value = next;
    }
    return NULL;
}

static void *
zlib_alloc(void *opaque, uInt n, uInt size)
{
    (void)opaque;
    return vetch__calloc(n, size);
}

static void
zlib_free(void *opaque, void *p)
{
    (void)opaque;
    vetch__free(p);
}

static int
stage_init(struct stage *s, uint8_t coding)
{
    s->coding = coding;
    s->z.zalloc = zlib_alloc;
    s->z.zfree = zlib_free;
    /* 16 more than the window bits: the gzip format. */
    return inflateInit2(&s->z, coding == GZIP ? 15 + 16 : 15) == Z_OK ? 0 : -1;
}

struct vetch__inflate *
vetch__inflate_new(const struct vetch__codings *c)
{
    struct vetch__inflate *f = vetch__calloc(1, sizeof(*f));

    if (f == NULL)
        return NULL;
    for (; f->n < c->n; f->n++)
        if (stage_init(&f->stage[f->n], c->v[c->n - 1 - f->n]) < 0)
            goto fail;
    if (f->n == 2) {
        f->middle = vetch__malloc(MIDDLE_BYTES);
        if (f->middle == NULL)
            goto fail;
    }
    return f;
fail:
    vetch__inflate_free(f); /* keeps errno */
    return NULL;
}

void
vetch__inflate_free(struct vetch__inflate *f)
{
    if (f == NULL)
        return;
    while (f->n > 0)
        inflateEnd(&f->stage[--f->n].z);
    vetch__free(f->middle);
    vetch__free(f);
}

/* Whether two bytes are the header of the zlib format (RFC 1950). */
static bool
is_zlib_header(const uint8_t *b)
{
    return (b[0] & 15) == 8 && b[0] >> 4 <= 7 && (b[0] << 8 | b[1]) % 31 == 0;
}

/* Hand zlib what is at z.next_in, or what was held back. */
static int
call_zlib(struct stage *s)
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
begin_deflate(struct stage *s)
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
skip_padding(struct stage *s)
{
    while (s->coding == GZIP && s->z.avail_in > 0 &&
           (*s->z.next_in == '\0' || *s->z.next_in == '\n')) {
        s->z.next_in++;
        s->z.avail_in--;
        s->padded = true;
    }
}

/* A new gzip member begins, or something goes on where nothing may follow. */
static bool
begin_again(struct stage *s)
{
    if (s->coding != GZIP || s->padded || inflateReset(&s->z) != Z_OK)
        return false;
    s->ended = false;
    return true;
}

/* Let one stage work: Z_OK, or Z_DATA_ERROR, Z_MEM_ERROR. */
static int
stage_run(struct stage *s, const char **ret_why)
{
    int result = Z_OK;

    *ret_why =
        s->coding == GZIP ? "malformed gzip data" : "malformed deflate data";
    do {
        if (s->ended)
            skip_padding(s);
        if (s->ended && s->z.avail_in == 0)
            return Z_OK;
        if (s->ended && !begin_again(s))
            return Z_DATA_ERROR;
        if (s->coding == DEFLATE && !s->begun)
            result = begin_deflate(s);
        if (result == Z_OK && (s->begun || s->coding == GZIP)) {
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

/* zlib counts in uInt. */
static uInt
clamp(size_t n)
{
    return n < 1u << 30 ? (uInt)n : 1u << 30;
}

/* One stage from its input to its output, all pointers moved on. */
static int
stage_pass(struct stage *s, const void **in, size_t *in_len, void **out,
           size_t *out_len, const char **ret_why)
{
    uInt avail_in = clamp(*in_len), avail_out = clamp(*out_len);
    int result;

    s->z.next_in = (Bytef *)(uintptr_t)*in; /* zlib does not write there */
    s->z.avail_in = avail_in;
    s->z.next_out = *out;
    s->z.avail_out = avail_out;
    result = stage_run(s, ret_why);
    *in = s->z.next_in;
    *in_len -= avail_in - s->z.avail_in;
    *out = s->z.next_out;
    *out_len -= avail_out - s->z.avail_out;
    return result;
}

/* The first of two stages fills the middle, when that is empty. */
static int
fill_middle(struct vetch__inflate *f, struct vetch__inflate_io *io)
{
    void *out = f->middle;
    size_t room = MIDDLE_BYTES;
    int result =
        stage_pass(&f->stage[0], &io->in, &io->in_len, &out, &room, &io->why);

    f->middle_at = 0;
    f->middle_len = MIDDLE_BYTES - room;
    f->middle_was_full = room == 0;
    return result;
}

static int
run_two(struct vetch__inflate *f, struct vetch__inflate_io *io)
{
    const void *in;
    int result;

    do {
        if (f->middle_len == 0) {
            result = fill_middle(f, io);
            if (result != Z_OK)
                return result;
        }
        in = f->middle + f->middle_at;
        f->middle_at += f->middle_len;
        result = stage_pass(&f->stage[1], &in, &f->middle_len, &io->out,
                            &io->out_len, &io->why);
        f->middle_at -= f->middle_len;
        if (result != Z_OK)
            return result;
    } while (io->out_len > 0 &&
             (f->middle_len > 0 || f->middle_was_full || io->in_len > 0));
    return Z_OK;
}

enum vetch__inflated
vetch__inflate_run(struct vetch__inflate *f, struct vetch__inflate_io *io)
{
    int result;

    if (f->n == 2)
        result = run_two(f, io);
    else
        result = stage_pass(&f->stage[0], &io->in, &io->in_len, &io->out,
                            &io->out_len, &io->why);
    if (result == Z_MEM_ERROR)
        return VETCH__INFLATE_NOMEM;
    if (result != Z_OK)
        return VETCH__INFLATE_BAD;
    return io->out_len == 0 || io->in_len > 0 ? VETCH__INFLATE_FULL
                                              : VETCH__INFLATE_MORE;
}

bool
vetch__inflate_complete(const struct vetch__inflate *f)
{
    const struct stage *first = &f->stage[0], *last = &f->stage[f->n - 1];

    /* No byte at all is what responses without content have. */
    if (!first->begun && first->n_held == 0)
        return true;
    return first->ended && f->middle_len == 0 && last->ended;
}
