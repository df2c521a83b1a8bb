/* Buffers and byte strings. */

#include "support/harness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <vetch/testing.h>

#define MODEL_SIZE 100000
#define STEPS      20000

static void
assert_content(const vetch_buffer *b, const char *expected)
{
    ck_assert_uint_eq(vetch_buffer_len(b), strlen(expected));
    ck_assert_mem_eq(vetch_buffer_data(b), expected, strlen(expected));
}

/* ---- basics ---- */

VT_CASE("basics", vt_tcase);

VT_TEST(buffer_starts_empty)
{
    vetch_buffer *b = vetch_buffer_new();

    ck_assert_uint_eq(vetch_buffer_len(b), 0);
    ck_assert_ptr_nonnull(vetch_buffer_data(b));
    vetch_buffer_free(b);
    vetch_buffer_free(NULL);
}

VT_TEST(buffer_append_and_consume)
{
    vetch_buffer *b = vetch_buffer_new();

    ck_assert_int_eq(vetch_buffer_append(b, "hello, ", 7), 0);
    ck_assert_int_eq(vetch_buffer_append(b, "world", 5), 0);
    assert_content(b, "hello, world");
    vetch_buffer_consume(b, 7);
    assert_content(b, "world");
    vetch_buffer_consume(b, 100);
    ck_assert_uint_eq(vetch_buffer_len(b), 0);
    ck_assert_ptr_nonnull(vetch_buffer_data(b));
    vetch_buffer_free(b);
}

VT_TEST(buffer_append_of_nothing_does_nothing)
{
    vetch_buffer *b = vetch_buffer_new();

    ck_assert_int_eq(vetch_buffer_append(b, NULL, 0), 0);
    ck_assert_uint_eq(vetch_buffer_len(b), 0);
    vetch_buffer_free(b);
}

VT_TEST(buffer_printf_appends)
{
    vetch_buffer *b = vetch_buffer_new();
    char *expected = malloc(2001);

    ck_assert_int_eq(vetch_buffer_printf(b, "%d-%s", 42, "x"), 0);
    assert_content(b, "42-x");
    vetch_buffer_clear(b);
    ck_assert_int_eq(vetch_buffer_printf(b, "%2000d", 7), 0);
    memset(expected, ' ', 1999);
    strcpy(expected + 1999, "7");
    assert_content(b, expected);
    free(expected);
    vetch_buffer_free(b);
}

/* Lengths around the room that is left, where an off-by-one would hide. */
VT_TEST(buffer_printf_at_each_fill)
{
    int fill;

    for (fill = 240; fill < 270; fill++) {
        vetch_buffer *b = vetch_buffer_new();

        ck_assert_int_eq(vetch_buffer_printf(b, "%*d", fill, 1), 0);
        ck_assert_int_eq(vetch_buffer_printf(b, "%s", "abc"), 0);
        ck_assert_uint_eq(vetch_buffer_len(b), (size_t)fill + 3);
        ck_assert_mem_eq(vetch_buffer_data(b) + fill - 1, "1abc", 4);
        vetch_buffer_free(b);
    }
}

VT_TEST(buffer_reserve_then_commit)
{
    vetch_buffer *b = vetch_buffer_new();
    char *to = vetch_buffer_reserve(b, 1000);

    ck_assert_ptr_nonnull(to);
    memcpy(to, "abc", 3);
    ck_assert_uint_eq(vetch_buffer_len(b), 0);
    vetch_buffer_commit(b, 3);
    assert_content(b, "abc");
    vetch_buffer_free(b);
}

VT_CASE("limits", vt_tcase);

VT_TEST(buffer_reserve_of_too_much_is_refused)
{
    vetch_buffer *b = vetch_buffer_new();

    ck_assert_int_eq(vetch_buffer_append(b, "abc", 3), 0);
    errno = 0;
    ck_assert_ptr_null(vetch_buffer_reserve(b, SIZE_MAX));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_ptr_null(vetch_buffer_reserve(b, SIZE_MAX / 2));
    assert_content(b, "abc");
    vetch_buffer_free(b);
}

/* ---- lines ---- */

VT_CASE("lines", vt_tcase);

VT_TEST(buffer_line_comes_with_its_lf)
{
    vetch_buffer *b = vetch_buffer_new();
    size_t len = 0;

    vetch_buffer_append(b, "one\ntw", 6);
    ck_assert_mem_eq(vetch_buffer_line(b, &len), "one\n", 4);
    ck_assert_uint_eq(len, 4);
    ck_assert_mem_eq(vetch_buffer_line(b, &len), "one\n", 4);
    vetch_buffer_consume(b, len);
    ck_assert_ptr_null(vetch_buffer_line(b, &len));
    vetch_buffer_append(b, "o\n\n", 3);
    ck_assert_mem_eq(vetch_buffer_line(b, &len), "two\n", 4);
    vetch_buffer_consume(b, len);
    ck_assert_mem_eq(vetch_buffer_line(b, &len), "\n", 1);
    ck_assert_uint_eq(len, 1);
    vetch_buffer_free(b);
}

VT_TEST(buffer_line_is_found_behind_a_partial_consume)
{
    vetch_buffer *b = vetch_buffer_new();
    size_t len = 0;

    vetch_buffer_append(b, "abcdef", 6);
    ck_assert_ptr_null(vetch_buffer_line(b, &len));
    vetch_buffer_consume(b, 3);
    vetch_buffer_append(b, "\n", 1);
    ck_assert_mem_eq(vetch_buffer_line(b, &len), "def\n", 4);
    ck_assert_uint_eq(len, 4);
    vetch_buffer_clear(b);
    vetch_buffer_append(b, "x\n", 2);
    ck_assert_mem_eq(vetch_buffer_line(b, &len), "x\n", 2);
    vetch_buffer_free(b);
}

/* Quadratic work would be 5 * 10^11 bytes: the test would time out. */
VT_TEST(buffer_line_that_comes_byte_by_byte_costs_linear_time)
{
    vetch_buffer *b = vetch_buffer_new();
    size_t len = 0, i, found = 0;

    for (i = 0; i < 1000000; i++) {
        vetch_buffer_append(b, "x", 1);
        found += vetch_buffer_line(b, &len) != NULL;
    }
    ck_assert_uint_eq(found, 0);
    vetch_buffer_append(b, "\n", 1);
    ck_assert_ptr_nonnull(vetch_buffer_line(b, &len));
    ck_assert_uint_eq(len, 1000001);
    vetch_buffer_free(b);
}

/* ---- against a model ---- */

VT_CASE("basics", vt_tcase);

static void
check_step(vetch_buffer *b, char *model, size_t *len, int choice)
{
    char bytes[700];
    size_t n = (size_t)(rand() % 700), i;

    if (choice < 5 && *len + n < MODEL_SIZE) {
        for (i = 0; i < n; i++)
            bytes[i] = (char)(rand() % 60 == 0 ? '\n' : 'a' + rand() % 26);
        ck_assert_int_eq(vetch_buffer_append(b, bytes, n), 0);
        memcpy(model + *len, bytes, n);
        *len += n;
    } else if (choice < 9) {
        n = n > *len ? *len : n;
        vetch_buffer_consume(b, n);
        memmove(model, model + n, *len - n);
        *len -= n;
    } else {
        size_t line_len = 0;
        const char *line = vetch_buffer_line(b, &line_len);
        const char *lf = memchr(model, '\n', *len);

        ck_assert(line == NULL ? lf == NULL
                               : line_len == (size_t)(lf - model) + 1);
    }
    ck_assert_uint_eq(vetch_buffer_len(b), *len);
    ck_assert_mem_eq(vetch_buffer_data(b), model, *len);
}

VT_TEST(buffer_behaves_like_a_plain_array)
{
    vetch_buffer *b = vetch_buffer_new();
    char *model = malloc(MODEL_SIZE);
    size_t len = 0;
    int i;

    srand(1);
    for (i = 0; i < STEPS; i++)
        check_step(b, model, &len, rand() % 10);
    free(model);
    vetch_buffer_free(b);
}

/* ---- out of memory ---- */

VT_CASE("limits", vt_tcase);

VT_TEST(buffer_is_unchanged_when_memory_is_out)
{
    vetch_buffer *b = vetch_buffer_new();
    char big[1000] = { 0 };

    vetch_buffer_append(b, "abc", 3);
    vetch_testing_fail_allocation(1, true);
    errno = 0;
    ck_assert_int_eq(vetch_buffer_append(b, big, sizeof(big)), -1);
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_int_eq(vetch_buffer_printf(b, "%1000d", 1), -1);
    ck_assert_ptr_null(vetch_buffer_reserve(b, 1000));
    ck_assert_ptr_null(vetch_buffer_new());
    ck_assert_ptr_null(vetch_bytes_new("x", 1));
    vetch_testing_fail_allocation(0, false);
    assert_content(b, "abc");
    vetch_buffer_free(b);
}

/* ---- byte strings ---- */

VT_CASE("bytes", vt_tcase);

VT_TEST(bytes_are_a_copy_with_a_nul_behind)
{
    char data[] = { 'a', '\0', 'b' };
    vetch_bytes *b = vetch_bytes_new(data, 3);

    data[0] = 'x';
    ck_assert_uint_eq(vetch_bytes_len(b), 3);
    ck_assert_mem_eq(vetch_bytes_data(b), "a\0b\0", 4);
    vetch_bytes_unref(b);
}

VT_TEST(bytes_may_be_empty)
{
    vetch_bytes *b = vetch_bytes_new(NULL, 0);

    ck_assert_uint_eq(vetch_bytes_len(b), 0);
    ck_assert_str_eq(vetch_bytes_data(b), "");
    vetch_bytes_unref(b);
}

VT_TEST(bytes_live_until_their_last_reference)
{
    vetch_bytes *b = vetch_bytes_new("abc", 3);

    ck_assert_ptr_eq(vetch_bytes_ref(b), b);
    ck_assert_ptr_null(vetch_bytes_unref(b));
    ck_assert_str_eq(vetch_bytes_data(b), "abc");
    vetch_bytes_unref(b);
    ck_assert_ptr_null(vetch_bytes_ref(NULL));
    ck_assert_ptr_null(vetch_bytes_unref(NULL));
}

VT_TEST(bytes_of_an_impossible_length_are_refused)
{
    errno = 0;
    ck_assert_ptr_null(vetch_bytes_new("x", SIZE_MAX - 4));
    ck_assert_int_eq(errno, ENOMEM);
}
