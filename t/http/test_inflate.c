/* Content codings: whatever the pieces, the same bytes come out; and nothing
 * that is malformed, cut or a bomb gets through. */

#include "support/harness.h"

#include <stdlib.h>
#include <string.h>
#include <vetch/testing.h>
#include <zlib.h>

#include "http/message/inflate-private.h"

enum { GZIP = 15 + 16, ZLIB = 15, RAW = -15 };

struct blob {
    unsigned char *data;
    size_t len;
};

/* Compress with zlib's window bits as the format. */
static struct blob
compress_as(int format, const void *data, size_t len)
{
    z_stream z = { 0 };
    struct blob b;

    ck_assert_int_eq(
        deflateInit2(&z, 6, Z_DEFLATED, format, 8, Z_DEFAULT_STRATEGY), Z_OK);
    b.len = deflateBound(&z, len) + 64;
    b.data = malloc(b.len);
    ck_assert_ptr_nonnull(b.data);
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)len;
    z.next_out = b.data;
    z.avail_out = (uInt)b.len;
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    b.len = z.total_out;
    deflateEnd(&z);
    return b;
}

/* Text that compresses, but not very well. */
static struct blob
make_text(size_t len)
{
    struct blob b = { malloc(len + 1), len };
    unsigned seed = 42;

    ck_assert_ptr_nonnull(b.data);
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1103515245 + 12345;
        b.data[i] = (unsigned char)"etaoin shrdlu\n"[(seed >> 16) % 14];
    }
    return b;
}

static struct vetch__inflate *
make(const char *encoding)
{
    struct vetch__codings c = { 0 };
    struct vetch__inflate *f;

    ck_assert_ptr_null(vetch__codings_add(&c, encoding, strlen(encoding)));
    f = vetch__inflate_new(&c);
    ck_assert_ptr_nonnull(f);
    return f;
}

struct outcome {
    struct blob made;
    size_t room;
    enum vetch__inflated result;
    const char *why;
    bool complete;
};

static void
feed(struct vetch__inflate *f, struct outcome *o, struct vetch__inflate_io *io,
     size_t out_step)
{
    do {
        if (o->room - o->made.len < out_step) {
            o->room = 2 * o->room + out_step;
            o->made.data = realloc(o->made.data, o->room);
            ck_assert_ptr_nonnull(o->made.data);
        }
        io->out = o->made.data + o->made.len;
        io->out_len = out_step;
        o->result = vetch__inflate_run(f, io);
        o->made.len += out_step - io->out_len;
    } while (o->result == VETCH__INFLATE_FULL);
}

/* Decode in pieces of in_step bytes with room for out_step at a time. */
static struct outcome
decode(const char *encoding, struct blob in, size_t in_step, size_t out_step)
{
    struct vetch__inflate *f = make(encoding);
    struct vetch__inflate_io io = { 0 };
    struct outcome o = { .result = VETCH__INFLATE_MORE };

    for (size_t at = 0; at < in.len && o.result == VETCH__INFLATE_MORE;
         at += in_step) {
        io.in = in.data + at;
        io.in_len = in.len - at < in_step ? in.len - at : in_step;
        feed(f, &o, &io, out_step);
    }
    o.why = io.why;
    o.complete = vetch__inflate_complete(f);
    vetch__inflate_free(f);
    return o;
}

static void
check_same(const char *encoding, struct blob in, struct blob want)
{
    static const size_t steps[][2] = { { 1, 1 },       { 1, 65536 },
                                       { 7, 3 },       { 4096, 100 },
                                       { 1 << 30, 1 }, { 1 << 30, 65536 } };

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct outcome o = decode(encoding, in, steps[i][0], steps[i][1]);

        ck_assert_int_eq(o.result, VETCH__INFLATE_MORE);
        ck_assert(o.complete);
        ck_assert_uint_eq(o.made.len, want.len);
        ck_assert(want.len == 0 ||
                  memcmp(o.made.data, want.data, want.len) == 0);
        free(o.made.data);
    }
}

struct format {
    const char *encoding;
    int first, second; /* as applied by the sender; 0: none */
};

static const struct format formats[] = {
    { "gzip", GZIP, 0 },          { "x-gzip", GZIP, 0 },
    { "GZip", GZIP, 0 },          { "deflate", ZLIB, 0 },
    { "deflate", RAW, 0 },        { "gzip, identity", GZIP, 0 },
    { "gzip, gzip", GZIP, GZIP }, { "deflate ,\tgzip", ZLIB, GZIP },
    { "gzip,deflate", GZIP, RAW }
};

static void
check_format(const struct format *f, size_t len)
{
    struct blob text = make_text(len);
    struct blob coded = compress_as(f->first, text.data, text.len);

    if (f->second != 0) {
        struct blob outer = compress_as(f->second, coded.data, coded.len);

        free(coded.data);
        coded = outer;
    }
    check_same(f->encoding, coded, text);
    free(coded.data);
    free(text.data);
}

VT_CASE("basics", vt_tcase);

VT_TEST(any_pieces_give_the_same_bytes, .loops = VT_COUNT_OF(formats))
{
    check_format(&formats[_i], 0);
    check_format(&formats[_i], 1);
    check_format(&formats[_i], 5000);
    check_format(&formats[_i], 150000);
}

VT_TEST(gzip_members_are_joined)
{
    struct blob a = compress_as(GZIP, "hello, ", 7);
    struct blob b = compress_as(GZIP, "world", 5);
    struct blob both = { malloc(a.len + b.len), a.len + b.len };
    struct blob want = { (unsigned char *)(uintptr_t) "hello, world", 12 };

    memcpy(both.data, a.data, a.len);
    memcpy(both.data + a.len, b.data, b.len);
    check_same("gzip", both, want);
    free(a.data);
    free(b.data);
    free(both.data);
}

VT_TEST(no_content_at_all_is_complete)
{
    struct blob none = { NULL, 0 };

    check_same("gzip", none, none);
    check_same("deflate", none, none);
    check_same("gzip, deflate", none, none);
}

VT_CASE("errors", vt_tcase);

/* Every cut of coded data is noticed. */
VT_TEST(cut_data_are_never_complete, .loops = VT_COUNT_OF(formats))
{
    const struct format *f = &formats[_i];
    struct blob text = make_text(300);
    struct blob coded = compress_as(f->first, text.data, text.len);

    if (f->second == 0)
        for (size_t len = 1; len < coded.len; len++) {
            struct blob cut = { coded.data, len };
            struct outcome o = decode(f->encoding, cut, 64, 64);

            ck_assert_int_eq(o.result, VETCH__INFLATE_MORE);
            ck_assert(!o.complete);
            free(o.made.data);
        }
    free(coded.data);
    free(text.data);
}

VT_TEST(bytes_behind_the_end_are_refused, .loops = 3)
{
    static const int kinds[] = { GZIP, ZLIB, RAW };
    struct blob coded = compress_as(kinds[_i], "hello", 5);
    struct outcome o;

    for (size_t step = 1; step < 100; step += 90) {
        coded.data[coded.len] = 'x'; /* compress_as() left room */
        coded.len++;
        o = decode(_i == 0 ? "gzip" : "deflate", coded, step, 64);
        coded.len--;
        free(o.made.data);
        /* A gzip member could begin with any byte but this one. */
        ck_assert(o.result == VETCH__INFLATE_BAD || !o.complete);
    }
    free(coded.data);
}

/* gzip(1) and browsers do the same: node 7502, curl 3796. */
VT_TEST(padding_behind_gzip_data_is_skipped)
{
    static const struct {
        const char *bytes;
        size_t len;
        bool good;
    } rows[] = {
        { "\0\0\0", 3, true },      { "\n", 1, true },   { "\0\n", 2, true },
        { "\0\x1f\x8b", 3, false }, { "\0 ", 2, false }, { "\r", 1, false },
    };
    struct blob coded = compress_as(GZIP, "hello", 5);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t step = 1; step < 100; step += 90) {
            struct outcome o;

            memcpy(coded.data + coded.len, rows[i].bytes, rows[i].len);
            coded.len += rows[i].len;
            o = decode("gzip", coded, step, 64);
            coded.len -= rows[i].len;
            ck_assert_int_eq(o.result == VETCH__INFLATE_MORE && o.complete,
                             rows[i].good);
            ck_assert_uint_eq(o.made.len, 5);
            free(o.made.data);
        }
    free(coded.data);
}

VT_TEST(damaged_data_are_refused)
{
    struct blob text = make_text(2000);
    struct blob coded = compress_as(GZIP, text.data, text.len);
    struct outcome o;

    coded.data[coded.len - 6] ^= 1; /* in the checksum */
    o = decode("gzip", coded, 100, 100);
    ck_assert_int_eq(o.result, VETCH__INFLATE_BAD);
    ck_assert_str_eq(o.why, "malformed gzip data");
    free(o.made.data);
    o = decode("gzip", text, 100, 100);
    ck_assert_int_eq(o.result, VETCH__INFLATE_BAD);
    free(o.made.data);
    o = decode("deflate", text, 1, 100);
    ck_assert_int_eq(o.result, VETCH__INFLATE_BAD);
    ck_assert_str_eq(o.why, "malformed deflate data");
    free(o.made.data);
    free(coded.data);
    free(text.data);
}

static const char *
why_not(const char *first, const char *second)
{
    struct vetch__codings c = { 0 };
    const char *why = vetch__codings_add(&c, first, strlen(first));

    if (why == NULL && second != NULL)
        why = vetch__codings_add(&c, second, strlen(second));
    return why;
}

/* curl #21143, CVE-2026-22036, CVE-2022-32206: chained encodings. */
VT_TEST(more_than_two_codings_are_refused)
{
    ck_assert_ptr_null(why_not("gzip, gzip", NULL));
    ck_assert_str_eq(why_not("gzip, gzip, gzip", NULL),
                     "more than two content codings");
    ck_assert_str_eq(why_not("gzip, gzip", "deflate"),
                     "more than two content codings");
    ck_assert_ptr_null(why_not("identity, identity, identity", "gzip"));
}

VT_TEST(unknown_codings_are_told_apart)
{
    static const struct {
        const char *value;
        bool unknown;
    } rows[] = {
        { "br", true },    { "gzip, zstd", true },   { "gzip2", true },
        { "gz ip", true }, { "UTF-8", true },        { "none", true },
        { "", false },     { " , gzip ,, ", false },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct vetch__codings c = { 0 };

        ck_assert_ptr_null(
            vetch__codings_add(&c, rows[i].value, strlen(rows[i].value)));
        ck_assert_int_eq(c.unknown, rows[i].unknown);
    }
}

static struct blob
make_bomb(const char *encoding, size_t len)
{
    struct blob zeros = { calloc(1, len), len }, coded, outer;

    ck_assert_ptr_nonnull(zeros.data);
    coded = compress_as(encoding[0] == 'g' ? GZIP : ZLIB, zeros.data, len);
    free(zeros.data);
    if (strchr(encoding, ',') == NULL)
        return coded;
    outer = compress_as(GZIP, coded.data, coded.len);
    free(coded.data);
    return outer;
}

VT_CASE("limits", vt_tcase);

/* CVE-2025-69223 (aiohttp), CVE-2023-23916, undici: zip bombs. */
VT_TEST(cve_2025_69223_a_bomb_is_refused_after_one_mebibyte, .loops = 3)
{
    static const char *const encodings[] = { "gzip", "deflate", "gzip, gzip" };
    struct blob bomb = make_bomb(encodings[_i], 20000000);
    struct outcome o = decode(encodings[_i], bomb, 1 << 30, 65536);

    ck_assert_int_eq(o.result, VETCH__INFLATE_BAD);
    ck_assert_str_eq(o.why, "expands more than 100 times");
    ck_assert_uint_ge(o.made.len, 1048576);
    ck_assert_uint_le(o.made.len, 100 * bomb.len + 1048576 + 65536);
    free(o.made.data);
    free(bomb.data);
}

VT_TEST(a_bomb_that_comes_slowly_stops_at_the_ratio)
{
    struct blob bomb = make_bomb("gzip", 20000000);
    struct outcome o = decode("gzip", bomb, 64, 65536);

    ck_assert_int_eq(o.result, VETCH__INFLATE_BAD);
    ck_assert_uint_le(o.made.len, 1048576 + 2 * 65536);
    free(o.made.data);
    free(bomb.data);
}

/* The middle of a chain expands a thousand times, its end not at all. */
VT_TEST(a_bomb_inside_a_chain_is_refused)
{
    struct blob member = compress_as(GZIP, "", 0);
    struct blob many = { malloc(member.len * 200000), member.len * 200000 };
    struct blob coded;
    struct outcome o;

    ck_assert_ptr_nonnull(many.data);
    for (size_t i = 0; i < 200000; i++)
        memcpy(many.data + i * member.len, member.data, member.len);
    coded = compress_as(GZIP, many.data, many.len);
    o = decode("gzip, gzip", coded, 1 << 30, 65536);
    ck_assert_int_eq(o.result, VETCH__INFLATE_BAD);
    ck_assert_str_eq(o.why, "expands more than 100 times");
    free(o.made.data);
    free(coded.data);
    free(many.data);
    free(member.data);
}

VT_TEST(small_data_may_expand_as_they_like)
{
    struct blob zeros = { calloc(1, 1000000), 1000000 };
    struct blob coded = compress_as(GZIP, zeros.data, zeros.len);
    struct outcome o = decode("gzip", coded, 1 << 30, 65536);

    ck_assert_int_eq(o.result, VETCH__INFLATE_MORE);
    ck_assert(o.complete);
    ck_assert_uint_eq(o.made.len, zeros.len);
    free(o.made.data);
    free(coded.data);
    free(zeros.data);
}

VT_CASE("errors", vt_tcase);

/* The n-th allocation fails, for each n until all succeed. */
VT_TEST(out_of_memory_is_an_outcome)
{
    struct blob text = make_text(100000);
    struct blob inner = compress_as(ZLIB, text.data, text.len);
    struct blob coded = compress_as(GZIP, inner.data, inner.len);
    struct vetch__codings c = { 0 };
    unsigned n = 0;
    bool failed;

    ck_assert_ptr_null(vetch__codings_add(&c, "deflate, gzip", 13));
    do {
        struct vetch__inflate_io io = { coded.data, coded.len, text.data,
                                        text.len, NULL };
        struct vetch__inflate *f;

        vetch_testing_fail_allocation(++n, false);
        f = vetch__inflate_new(&c);
        failed =
            f == NULL || vetch__inflate_run(f, &io) == VETCH__INFLATE_NOMEM;
        vetch_testing_fail_allocation(0, false);
        vetch__inflate_free(f);
    } while (failed);
    ck_assert_uint_ge(n, 6); /* itself, two states, the middle, windows */
    free(coded.data);
    free(inner.data);
    free(text.data);
}
