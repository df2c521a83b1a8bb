/* The part of the character finder that does no I/O: sets of code points, the
 * index and its image, queries and what is printed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unicode/uchar.h>

#include "../demos/charfinder/index.h"
#include "../demos/charfinder/text.h"
#include "support/harness.h"

static struct codes
codes_of(const uint32_t *list, size_t n)
{
    struct codes set = { 0 };

    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(codes_append(&set, list[i]), 0);
    return set;
}

#define CODES(...)                                                             \
    codes_of((uint32_t[]){ __VA_ARGS__ },                                      \
             sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

/* Takes `set`; the rest is what it is to have. */
static void
expect_page(struct codes set, size_t start, size_t stop, const char *expected)
{
    struct codes_walk walk = codes_page(&set, start, stop);
    char text[256] = "";
    uint32_t code;

    while (codes_next(&walk, &code))
        sprintf(text + strlen(text), "%x ", (unsigned)code);
    ck_assert_str_eq(text, expected);
    codes_clear(&set);
}

VT_CASE("codes", vt_tcase);

VT_TEST(neighbours_become_one_range)
{
    struct codes set = CODES(1, 2, 2, 3, 7, 9, 10);

    ck_assert_uint_eq(set.n_ranges, 3);
    ck_assert_uint_eq(codes_count(&set), 6);
    expect_page(set, 0, SIZE_MAX, "1 2 3 7 9 a ");
}

VT_TEST(an_intersection_has_what_is_in_both)
{
    struct codes a = CODES(1, 2, 3, 4, 8, 9, 12), both = { 0 },
                 b = CODES(2, 4, 5, 9, 10, 11, 12, 13);

    ck_assert_int_eq(codes_intersect(&both, &a, &b), 0);
    codes_clear(&a);
    codes_clear(&b);
    expect_page(both, 0, SIZE_MAX, "2 4 9 c ");
}

VT_TEST(an_intersection_with_nothing_is_empty)
{
    struct codes a = CODES(1, 2), none = { 0 }, both = { 0 };

    ck_assert_int_eq(codes_intersect(&both, &a, &none), 0);
    codes_clear(&a);
    expect_page(both, 0, SIZE_MAX, "");
}

VT_TEST(a_page_begins_and_stops_anywhere)
{
    expect_page(CODES(1, 2, 3, 7, 8), 0, 2, "1 2 ");
    expect_page(CODES(1, 2, 3, 7, 8), 2, 4, "3 7 ");
    expect_page(CODES(1, 2, 3, 7, 8), 3, SIZE_MAX, "7 8 ");
    expect_page(CODES(1, 2, 3, 7, 8), 4, 5, "8 ");
}

VT_TEST(a_page_outside_is_empty)
{
    expect_page(CODES(1, 2, 3), 3, 9, "");
    expect_page(CODES(1, 2, 3), 2, 1, "");
    expect_page(CODES(1, 2, 3), SIZE_MAX, SIZE_MAX, "");
    expect_page((struct codes){ 0 }, 0, SIZE_MAX, "");
}

/* ---- text ---- */

static void
expect_words(const char *text, const char *expected)
{
    char words[256] = "", word[WORD_SIZE];

    while (next_word(&text, word))
        strcat(strcat(words, word), "|");
    ck_assert_str_eq(words, expected);
}

static void
expect_query(const char *line, size_t len, const char *expected, bool farewell)
{
    struct query query;

    ck_assert_int_eq(read_query(&query, line, len), 0);
    ck_assert_int_eq(query.farewell, farewell);
    if (!farewell) {
        ck_assert_str_eq(query.text, expected);
        ck_assert_uint_eq(query.len, strlen(expected));
    }
}
#define QUERY(line, expected) expect_query(line, sizeof(line) - 1, expected, 0)

static void
expect_repr(const char *text, size_t len, const char *expected)
{
    char repr[REPR_SIZE];

    print_repr(text, len, repr);
    ck_assert_str_eq(repr, expected);
}
#define REPR(text, expected) expect_repr(text, sizeof(text) - 1, expected)

VT_CASE("text", vt_tcase);

VT_TEST(words_are_letters_digits_and_underscores)
{
    expect_words("cat face", "CAT|FACE|");
    expect_words("  SMALL-CAPITAL_x 12,(q)", "SMALL|CAPITAL_X|12|Q|");
    expect_words("straße ελ", "STRAßE|ΕΛ|");
    expect_words("... -", "");
    expect_words("", "");
}

VT_TEST(a_word_too_long_is_cut)
{
    char text[200] = "", word[WORD_SIZE];
    const char *at = text;

    memset(text, 'x', 150);
    strcpy(text + 150, " y");
    ck_assert(next_word(&at, word));
    ck_assert_uint_eq(strlen(word), WORD_SIZE - 1);
    ck_assert(next_word(&at, word));
    ck_assert_str_eq(word, "Y");
}

VT_TEST(a_query_has_no_white_space_around_it)
{
    QUERY("cat face", "cat face");
    QUERY(" \t cat\tface \r", "cat\tface");
    QUERY("\xc2\xa0\xe3\x80\x80x\xe3\x80\x80", "x");
    QUERY("cat\r\0", "cat"); /* telnet's CR */
    QUERY("", "");
    QUERY(" \r", "");
}

VT_TEST(control_characters_are_a_farewell)
{
    for (char c = 0; c < ' '; c++) {
        char line[] = { 'a', c, 'b', '\0' };

        expect_query(line, 3, line, c != '\t');
        if (c < '\t' || c > '\r') /* not white space at the edge */
            expect_query(line + 1, 2, "", true);
    }
}

VT_TEST(what_is_no_utf8_is_a_farewell)
{
    static const char *const lines[] = {
        "\xff",     "a\x80",        "a\xc3",
        "\xc0\xaf", "\xed\xa0\x80", "\xff\xf4\xff\xfd\x06"
    };

    for (int i = 0; i < VT_COUNT_OF(lines); i++)
        expect_query(lines[i], strlen(lines[i]), "", true);
}

VT_TEST(a_query_is_bounded)
{
    char line[QUERY_SIZE + 1];
    struct query query;

    memset(line, 'x', sizeof(line));
    ck_assert_int_eq(read_query(&query, line, QUERY_SIZE - 1), 0);
    ck_assert_uint_eq(query.len, QUERY_SIZE - 1);
    ck_assert_int_eq(read_query(&query, line, QUERY_SIZE), -1);
}

VT_TEST(a_repr_is_pythons)
{
    REPR("cat face", "'cat face'");
    REPR("", "''");
    REPR("o'clock", "\"o'clock\"");
    REPR("'\"", "'\\'\"'");
    REPR("a\\b\"", "'a\\\\b\"'");
    REPR("\t\r\n\x01\x7f\0", "'\\t\\r\\n\\x01\\x7f\\x00'");
    REPR("é♚\U0001F431", "'é♚\U0001F431'");
    REPR("\xc2\xa0\xe2\x80\xa8\xf3\xa0\x80\x81", "'\\xa0\\u2028\\U000e0001'");
    REPR("a\xff\xc3", "'a\\xff\\xc3'");
}

VT_TEST(the_longest_repr_fits)
{
    char text[QUERY_SIZE - 1], repr[REPR_SIZE];

    memset(text, 0x01, sizeof(text));
    print_repr(text, sizeof(text), repr);
    ck_assert_uint_eq(strlen(repr), 4 * sizeof(text) + 2);
}

VT_TEST(a_status_counts)
{
    char status[STATUS_SIZE];

    print_status("cat face", 10, status);
    ck_assert_str_eq(status, "10 matches for 'cat face'");
    print_status("registered", 1, status);
    ck_assert_str_eq(status, "1 match for 'registered'");
    print_status("x", 0, status);
    ck_assert_str_eq(status, "No match for 'x'");
}

VT_TEST(rows_come_in_pieces_that_fit)
{
    struct codes set = CODES(0x24, 0x265a, 0x4e00, 0x1f431);
    struct codes_walk walk = codes_page(&set, 0, SIZE_MAX);
    char text[1024], piece[ROW_SIZE];
    size_t len = 0, n;

    while ((n = print_rows(&walk, "\r\n", piece, sizeof(piece))) > 0) {
        memcpy(text + len, piece, n);
        len += n;
    }
    text[len] = '\0';
    ck_assert_str_eq(text, "U+0024 \t$\tDOLLAR SIGN\r\n"
                           "U+265A \t♚\tBLACK CHESS KING\r\n"
                           "U+4E00 \t一\tCJK UNIFIED IDEOGRAPH-4E00\r\n"
                           "U+1F431\t🐱\tCAT FACE\r\n");
    codes_clear(&set);
}

/* ---- the index ---- */

static struct char_index *built;

static void
build(void)
{
    built = index_build();
    ck_assert_ptr_nonnull(built);
}

static void
drop(void)
{
    index_free(built);
}

static size_t
count_found(const struct char_index *index, const char *query)
{
    struct codes found = { 0 };
    size_t n;

    ck_assert_int_eq(index_search(index, query, &found), 0);
    n = codes_count(&found);
    codes_clear(&found);
    return n;
}

static bool
finds(const char *query, uint32_t wanted)
{
    struct codes found = { 0 };
    bool there = false;

    ck_assert_int_eq(index_search(built, query, &found), 0);
    for (size_t i = 0; i < found.n_ranges; i++)
        there |=
            found.ranges[i].first <= wanted && wanted <= found.ranges[i].last;
    codes_clear(&found);
    return there;
}

VT_CASE("index", vt_tcase, .set_up = build, .take_down = drop);

VT_TEST(every_word_has_to_occur)
{
    ck_assert(finds("cat face", 0x1f431));
    ck_assert(finds("FACE, Cat", 0x1f431));
    ck_assert(!finds("cat face chess", 0x1f431));
    ck_assert(!finds("ca", 0x1f431));
    ck_assert_uint_ge(count_found(built, "cat face"), 10);
    ck_assert_uint_eq(count_found(built, "registered"), 1);
    ck_assert_uint_eq(count_found(built, "cat zzz"), 0);
}

VT_TEST(what_is_found_is_in_order_of_code_points)
{
    struct codes found = { 0 };
    struct codes_walk walk;
    uint32_t code, before = 0;

    ck_assert_int_eq(index_search(built, "letter", &found), 0);
    walk = codes_page(&found, 0, SIZE_MAX);
    while (codes_next(&walk, &code)) {
        ck_assert_uint_gt(code, before);
        before = code;
    }
    codes_clear(&found);
}

VT_TEST(a_query_without_words_finds_nothing)
{
    ck_assert_uint_eq(count_found(built, ""), 0);
    ck_assert_uint_eq(count_found(built, " - "), 0);
}

VT_TEST(ideographs_are_under_their_words_alone)
{
    ck_assert(finds("cjk unified ideograph", 0x4e00));
    ck_assert(finds("cjk compatibility ideograph", 0xf900));
    ck_assert(finds("cjk compatibility ideograph", 0x2f800));
    ck_assert(!finds("4E00", 0x4e00));
    ck_assert(!finds("F900", 0xf900));
    ck_assert_uint_gt(count_found(built, "cjk"), 75000);
}

VT_TEST(other_names_are_under_all_their_words)
{
    ck_assert(finds("hangul syllable ga", 0xac00));
    ck_assert(finds("1B170", 0x1b170)); /* NUSHU CHARACTER-1B170 */
}

/* The enumeration by which it was built is not trusted either. */
VT_TEST(each_character_is_under_each_word_of_its_name)
{
    uint32_t step = vt_on_valgrind() ? 4099 : 97;
    char name[NAME_SIZE];

    for (uint32_t code = 0x20; code <= UCHAR_MAX_VALUE; code += step) {
        char_name(code, name);
        if (strncmp(name, "CJK ", 4) == 0 && strrchr(name, '-') != NULL)
            *strrchr(name, '-') = '\0';
        ck_assert_msg(name[0] == '\0' || finds(name, code), "%s", name);
    }
}

/* ---- its image ---- */

/* Offsets in the image. */
enum { CHECKSUM = 8, LEN = 16, FORMAT = 24, UNICODE = 28, N_WORDS = 32 };
enum { WORDS = 40 }; /* each: text, text_len, range, n_ranges */

static char *image;
static size_t image_len;

static void
copy_image(void)
{
    const void *whole;

    build();
    whole = index_image(built, &image_len);
    image = malloc(image_len);
    ck_assert_ptr_nonnull(image);
    memcpy(image, whole, image_len);
}

static void
drop_image(void)
{
    free(image);
    drop();
}

static uint32_t
get(size_t at)
{
    uint32_t value;

    memcpy(&value, image + at, sizeof(value));
    return value;
}

/* Put a number there, and make the checksum right. */
static void
forge(size_t at, uint32_t value)
{
    uint64_t hash = 0xcbf29ce484222325u;

    memcpy(image + at, &value, sizeof(value));
    for (size_t i = LEN; i < image_len; i++)
        hash = (hash ^ (unsigned char)image[i]) * 0x100000001b3u;
    memcpy(image + CHECKSUM, &hash, sizeof(hash));
}

static void
expect_refusal(size_t len)
{
    struct char_index *loaded;

    errno = 0;
    loaded = index_load(image, len);
    ck_assert_ptr_null(loaded);
    ck_assert_int_eq(errno, EINVAL);
}

static void
expect_forgery_refused(size_t at, uint32_t value)
{
    uint32_t before = get(at);

    forge(at, value);
    expect_refusal(image_len);
    forge(at, before);
}

VT_CASE("image", vt_tcase, .set_up = copy_image, .take_down = drop_image,
        .seconds = 300);

VT_TEST(a_loaded_index_finds_the_same)
{
    struct char_index *loaded = index_load(image, image_len);

    ck_assert_ptr_nonnull(loaded);
    ck_assert_uint_eq(index_words(loaded), index_words(built));
    ck_assert_uint_eq(count_found(loaded, "cjk"), count_found(built, "cjk"));
    ck_assert_uint_eq(count_found(loaded, "black chess"),
                      count_found(built, "black chess"));
    index_free(loaded);
}

VT_TEST(a_torn_image_is_refused)
{
    for (size_t len = 0; len < 200; len++)
        expect_refusal(len);
    for (size_t len = 200; len < image_len; len += image_len / 20)
        expect_refusal(len);
    expect_refusal(image_len - 1);
}

VT_TEST(a_changed_byte_is_refused)
{
    size_t step = image_len / (vt_on_valgrind() ? 5 : 100);

    for (size_t at = 0; at < image_len; at += at < WORDS ? 1 : step) {
        image[at] ^= 0x20;
        expect_refusal(image_len);
        image[at] ^= 0x20;
    }
}

VT_TEST(another_format_or_unicode_is_refused)
{
    expect_forgery_refused(0, 0);
    expect_forgery_refused(FORMAT, get(FORMAT) + 1);
    expect_forgery_refused(UNICODE, get(UNICODE) + 1);
}

/* Whoever can write the file can compute the checksum, too. */
VT_TEST(forged_numbers_are_refused)
{
    uint32_t n_words = get(N_WORDS), n_ranges = get(N_WORDS + 4);
    size_t ranges = WORDS + (size_t)n_words * 16;

    expect_forgery_refused(N_WORDS, UINT32_MAX);
    expect_forgery_refused(N_WORDS, n_words + 1);
    expect_forgery_refused(N_WORDS + 4, UINT32_MAX);
    expect_forgery_refused(WORDS, UINT32_MAX);     /* text */
    expect_forgery_refused(WORDS + 4, UINT32_MAX); /* its length */
    expect_forgery_refused(WORDS + 8, n_ranges);   /* ranges */
    expect_forgery_refused(WORDS + 8, UINT32_MAX);
    expect_forgery_refused(WORDS + 12, n_ranges + 1); /* how many */
    expect_forgery_refused(WORDS, get(ranges - 16));  /* the last one's text */
    expect_forgery_refused(ranges + 4, UCHAR_MAX_VALUE + 1);
    expect_forgery_refused(ranges, get(ranges + 4) + 1);
}

VT_TEST(ranges_out_of_order_are_refused)
{
    size_t ranges = WORDS + (size_t)get(N_WORDS) * 16;

    for (size_t w = WORDS;; w += 16)
        if (get(w + 12) > 1) { /* the first word with two ranges */
            expect_forgery_refused(ranges + 8 * ((size_t)get(w + 8) + 1), 0);
            break;
        }
}
