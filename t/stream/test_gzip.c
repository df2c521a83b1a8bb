/* gzip and gunzip as filters. */
#include "support/stream_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static vetch_stream *inner[2];

/* sk_a writes plain text and reads what it says; sk_b sees the bytes. */
static void
open_zip(vetch_filter *in, vetch_filter *out)
{
    ck_assert_int_eq(vetch_stream_pair(inner), 0);
    sk_a = in != NULL ? vetch_stream_filter(inner[0], VETCH_READABLE, in)
                      : vetch_stream_filter(inner[0], VETCH_WRITABLE, out);
    ck_assert_ptr_nonnull(sk_a);
    sk_b = vetch_stream_ref(inner[1]);
}

static void
close_zip(void)
{
    inner[0] = vetch_stream_unref(inner[0]);
    inner[1] = vetch_stream_unref(inner[1]);
    sk_close();
}

VT_CASE("gzip", vt_reactor_tcase, .take_down = close_zip);

/* What compress2 would give, in the gzip format. */
static size_t
zip(const void *data, size_t len, unsigned char *to, size_t room)
{
    z_stream z;

    memset(&z, 0, sizeof(z));
    ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY),
                     Z_OK);
    z.next_in = (Bytef *)(uintptr_t)data;
    z.avail_in = (uInt)len;
    z.next_out = to;
    z.avail_out = (uInt)room;
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

static const char text[] = "Vetch twines around what stands. ";

VT_TEST(gzip_gives_what_zlib_reads)
{
    vetch_bytes *bytes;
    unsigned char plain[1000];
    z_stream z;

    open_zip(NULL, vetch_gzip_new(-1));
    for (int i = 0; i < 20; i++)
        vetch_stream_write(sk_a, text, strlen(text));
    sk_end(sk_a);
    bytes = sk_value(vetch_stream_read_all(sk_b, 1000));
    ck_assert_uint_lt(vetch_bytes_len(bytes), 100);
    memset(&z, 0, sizeof(z));
    ck_assert_int_eq(inflateInit2(&z, 31), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)vetch_bytes_data(bytes);
    z.avail_in = (uInt)vetch_bytes_len(bytes);
    z.next_out = plain;
    z.avail_out = sizeof(plain);
    ck_assert_int_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
    ck_assert_uint_eq(z.total_out, 20 * strlen(text));
    inflateEnd(&z);
    vetch_bytes_unref(bytes);
}

VT_TEST(gunzip_reads_members_in_any_pieces)
{
    unsigned char data[1000];
    char twice[200];
    size_t one = zip(text, strlen(text), data, sizeof(data));
    size_t len = one + zip(text, strlen(text), data + one, sizeof(data) - one);

    snprintf(twice, sizeof(twice), "%s%s", text, text);
    for (size_t step = 1; step <= len; step++) {
        open_zip(vetch_gunzip_new(), NULL);
        for (size_t at = 0; at < len; at += step) {
            vetch_stream_write(sk_b, data + at,
                               len - at < step ? len - at : step);
            vt_run_ready();
        }
        sk_end(sk_b);
        sk_expect_text(vetch_stream_read_all(sk_a, 1000), twice);
        close_zip();
    }
}

VT_TEST(each_dispatch_can_be_read_at_once)
{
    vetch_stream *far;

    open_zip(NULL, vetch_gzip_new(9));
    far = vetch_stream_filter(sk_b, VETCH_READABLE, vetch_gunzip_new());
    vetch_stream_printf(sk_a, "event 1\n");
    sk_expect_text(vetch_stream_read_line(far, 100), "event 1");
    vetch_stream_printf(sk_a, "event 2\n");
    sk_expect_text(vetch_stream_read_line(far, 100), "event 2");
    vetch_stream_unref(far);
}

VT_TEST(gunzip_tells_truncation_at_each_byte)
{
    unsigned char data[1000];
    size_t len = zip(text, strlen(text), data, sizeof(data));

    for (size_t cut = 0; cut < len; cut++) {
        open_zip(vetch_gunzip_new(), NULL);
        vetch_stream_write(sk_b, data, cut);
        sk_end(sk_b);
        sk_expect_error(vetch_stream_read_all(sk_a, 1000), VETCH_ETRUNCATED);
        close_zip();
    }
}

VT_TEST(gunzip_gives_what_came_before_the_damage)
{
    unsigned char data[1000];
    size_t len = zip(text, strlen(text), data, sizeof(data));

    data[len - 1] ^= 1; /* of the length at the end */
    open_zip(vetch_gunzip_new(), NULL);
    vetch_stream_write(sk_b, data, len);
    sk_expect_text(vetch_stream_read(sk_a, 1000), text);
    sk_expect_error(vetch_stream_read(sk_a, 1000), VETCH_ECODING);
}

VT_TEST(gunzip_refuses_what_is_no_gzip)
{
    open_zip(vetch_gunzip_new(), NULL);
    vetch_stream_printf(sk_b, "no gzip at all");
    sk_expect_error(vetch_stream_read(sk_a, 10), VETCH_ECODING);
}

VT_TEST(gunzip_refuses_a_bomb)
{
    static unsigned char zeros[4000000], data[20000];
    size_t len = zip(zeros, sizeof(zeros), data, sizeof(data));

    open_zip(vetch_gunzip_new(), NULL);
    vetch_stream_write(sk_b, data, len);
    sk_expect_error(vetch_stream_read_all(sk_a, VETCH_NO_LIMIT), VETCH_ECODING);
    ck_assert_uint_lt(vetch_stream_bytes_read(inner[0]), 20000);
}

VT_TEST(much_goes_through_both)
{
    size_t len = vt_on_valgrind() ? 1000000 : 20000000;
    unsigned *data = malloc(len), x = 1;
    vetch_stream *far;
    vetch_bytes *bytes;

    for (size_t i = 0; i < len / sizeof(*data); i++)
        data[i] = (x = x * 1664525 + 1013904223) & 0xff00ff;
    open_zip(NULL, vetch_gzip_new(1));
    far = vetch_stream_filter(sk_b, VETCH_READABLE, vetch_gunzip_new());
    vetch_stream_write(sk_a, data, len);
    sk_end(sk_a);
    bytes = sk_value(vetch_stream_read_all(far, VETCH_NO_LIMIT));
    ck_assert_uint_eq(vetch_bytes_len(bytes), len);
    ck_assert_int_eq(memcmp(vetch_bytes_data(bytes), data, len), 0);
    ck_assert_uint_lt(vetch_stream_bytes_written(inner[0]), len * 3 / 4);
    vetch_bytes_unref(bytes);
    vetch_stream_unref(far);
    free(data);
}

VT_TEST(strange_levels_are_refused)
{
    ck_assert_ptr_null(vetch_gzip_new(10));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_ptr_null(vetch_gzip_new(-2));
}

static vetch_promise *
talk_zipped(void *ctx)
{
    vetch_stream *s = ctx;

    vetch_stream_printf(s, "question\n");
    vetch_bytes_unref(vetch_try(vetch_stream_read_line(s, 100)));
    return vetch_stream_close(s);
}

static void
talk_without_memory(bool unharmed)
{
    vetch_stream *pair[2], *out, *in;
    vetch_promise *p;

    (void)unharmed;
    if (vetch_stream_pair(pair) < 0)
        return;
    out = vetch_stream_filter(pair[0], VETCH_WRITABLE, vetch_gzip_new(1));
    in = vetch_stream_filter(out, VETCH_READABLE, vetch_gunzip_new());
    vetch_stream_unref(out);
    vetch_stream_unref(pair[0]);
    if (in != NULL) {
        p = vetch_finally(vetch_spawn(talk_zipped, in), vetch_unref, in);
        vetch_promise_unref(vetch_stream_copy(pair[1], pair[1], NULL));
        vt_run_ready();
        vetch_stream_abort(pair[1]); /* without memory nobody may answer */
        vt_run_ready();
        vt_advance(100);
        ck_assert_int_ne(vetch_promise_state(p), VETCH_PENDING);
        vetch_promise_unref(p);
    }
    vetch_stream_unref(pair[1]);
    vt_run_ready();
    vt_advance(100);
    (void)vt_log_take();
}

VT_CASE("memory", vt_reactor_tcase);

VT_TEST(filters_survive_each_failed_allocation)
{
    vt_sweep_allocations(talk_without_memory);
}
