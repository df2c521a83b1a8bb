/* Requests by which other servers were confused: one test for each class of
 * mistakes, named after its first identifier. Each input runs at once and in
 * steps of 1, 2, 3 and 7 bytes, with the same outcome: what a parser sees must
 * not depend on how the bytes were cut (CVE-2023-37276). */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/harness.h"
#include "support/http_parser_kit.h"

#define H "Host: a\r\n"

static const struct hpk_feed server = { .limits = { 8192, 16384 } };

#define EXPECT_ROWS(...) HPK_ROWS(server, __VA_ARGS__)
#define CHUNKED          "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"

static void
expect(const char *input, const char *outcome)
{
    ck_assert(hpk_gives(server, input, strlen(input), outcome));
}

static void
expect_repeated(const char *before, const char *what, size_t n,
                const char *after, const char *outcome)
{
    ck_assert(hpk_repeated_gives(server, before, what, n, after, outcome));
}

static void
expect_bytes(const char *input, size_t len, const char *outcome)
{
    ck_assert(hpk_gives(server, input, len, outcome));
}

/* ---- one test for each class of mistakes made elsewhere ---- */

VT_CASE("regressions", vt_tcase);

VT_TEST(cve_2019_15605_malformed_transfer_encoding)
{
    EXPECT_ROWS(
        { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n"
          "Transfer-Encoding: chunked\r\n\r\n",
          "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n"
          "Transfer-Encoding: identity\r\n\r\n",
          "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n chunked\r\n\r\n",
          "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunkedchunked\r\n\r\n",
          "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n",
          "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chun ked\r\n\r\n",
          "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: \x0b"
          "chunked\r\n\r\n",
          "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Transfer-Encoding : chunked\r\n\r\n",
          "!400\n" }, );
}

VT_TEST(cve_2020_10108_length_with_coding_or_twice)
{
    EXPECT_ROWS({ "POST / HTTP/1.1\r\n" H "Content-Length: 4\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                  "!400\n" },
                { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n"
                  "Content-Length: 4\r\n\r\n0\r\n\r\n",
                  "!400\n" },
                { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: x\r\n"
                  "Content-Length: 0\r\n\r\n",
                  "!400\n" },
                { "POST / HTTP/1.1\r\n" H "Content-Length: 1\r\n"
                  "content-length: 2\r\n\r\nab",
                  "!400\n" }, );
}

VT_TEST(cve_2022_24801_lenient_integers)
{
    EXPECT_ROWS(
        { "POST / HTTP/1.1\r\n" H "Content-Length: +1\r\n\r\na", "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\na", "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 0x1\r\n\r\na", "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 1_0\r\n\r\na", "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 1.0\r\n\r\na", "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Content-Length: \xd9\xa1\r\n\r\na",
          "!400\n" },
        { "POST / HTTP/1.1\r\n" H
          "Content-Length: 99999999999999999999\r\n\r\n",
          "!400\n" },
        { CHUNKED "+1\r\na\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "-1\r\na\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "0x1\r\na\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "0_1\r\na\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED " 1\r\na\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "1 \r\na\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "\t1\r\na\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "\r\na\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED ";x\r\na\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "G\r\na\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "10000000000000001\r\na\r\n0\r\n\r\n",
          "POST / keep [!400\n" },
        { CHUNKED "FFFFFFFFFFFFFFFF\r\na", "POST / keep [a...\n" }, );
}

VT_TEST(cve_2020_8287_copies_of_a_header)
{
    EXPECT_ROWS({ "GET / HTTP/1.1\r\nHost: a\r\nhost: evil\r\n\r\n", "!400\n" },
                { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n"
                  "Transfer-Encoding: chunked-false\r\n\r\n",
                  "!400\n" },
                { "GET / HTTP/1.1\r\n" H "Connection: keep-alive\r\n"
                  "Connection: close\r\n\r\n",
                  "GET / close []\n" }, );
}

VT_TEST(cve_2021_22959_space_before_the_colon)
{
    EXPECT_ROWS(
        { "POST / HTTP/1.1\r\n" H "Content-Length : 1\r\n\r\na", "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Content-Length\t: 1\r\n\r\na", "!400\n" },
        { "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "!400\n" },
        { "GET / HTTP/1.1\r\n" H "Content\rLength: 1\r\n\r\n", "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 1  \r\n\r\na",
          "POST / keep [a]\n" }, );
}

VT_TEST(cve_2022_32214_line_ends_other_than_crlf)
{
    EXPECT_ROWS({ "GET / HTTP/1.1\n" H "\n", "!400\n" },
                { "GET / HTTP/1.1\r\n" H "A: b\nC: d\r\n\r\n", "!400\n" },
                { "GET / HTTP/1.1\r\n" H "A: b\rC: d\r\n\r\n", "!400\n" },
                { "GET / HTTP/1.1\r" H "\r\r", "!400\n" },
                { "GET / HTTP/1.1\r\r\n" H "\r\n", "!400\n" },
                { "GET / HTTP/1.1\r\n" H "\n\r\n", "!400\n" },
                { "GET / HTTP/1.1\r\n" H "\r\r\n", "!400\n" },
                { CHUNKED "1\na\r\n0\r\n\r\n", "POST / keep [!400\n" },
                { CHUNKED "1\r\na\n0\r\n\r\n", "POST / keep [a!400\n" },
                { CHUNKED "1\ra\r\n0\r\n\r\n", "POST / keep [!400\n" },
                { CHUNKED "0\r\n\n", "POST / keep [!400\n" },
                { CHUNKED "0\r\nX: y\n\r\n", "POST / keep [!400\n" },
                { CHUNKED "0\r\nX: y\rZ\r\n\r\n", "POST / keep [!400\n" },
                { CHUNKED "0\r\n\r\r\n", "POST / keep [!400\n" }, );
}

VT_TEST(cve_2024_27982_folded_lines)
{
    EXPECT_ROWS(
        { "POST / HTTP/1.1\r\n" H "A: b\r\n Content-Length: 1\r\n\r\na",
          "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Content-Length:\r\n 1\r\n\r\na", "!400\n" },
        { "GET / HTTP/1.1\r\n " H "\r\n", "!400\n" },
        { "GET / HTTP/1.1\r\n" H " \r\n\r\n", "!400\n" },
        { CHUNKED "0\r\nX: y\r\n z\r\n\r\n", "POST / keep [!400\n" }, );
}

VT_TEST(cve_2021_22960_chunk_extensions)
{
    EXPECT_ROWS(
        { CHUNKED "1;a\r\nx\r\n0;b\r\n\r\n", "POST / keep [x]\n" },
        { CHUNKED "1;a\nx\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "1;a\rb\r\nx\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "1;a=\"a\r\nb\"\r\nx\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "1;\x01\r\nx\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "1;\x80\r\nx\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "1;a", "POST / keep [...\n" }, );
    expect_repeated(CHUNKED "1;", "e", 256, "\r\nx\r\n0\r\n\r\n",
                    "POST / keep [x]\n");
    expect_repeated(CHUNKED "1;", "e", 257, "\r\nx\r\n0\r\n\r\n",
                    "POST / keep [!400\n");
}

VT_TEST(cve_2024_22019_extensions_of_a_whole_message)
{
    char *ext = hpk_repeat("e", 256);
    char chunk[4096];
    char *outcome = hpk_repeat("x", 64);
    char text[128];

    /* 64 times 256 bytes is the limit; payload keeps the overhead low. */
    snprintf(chunk, sizeof(chunk), "1;%s\r\nx\r\n", ext);
    snprintf(text, sizeof(text), "POST / keep [%s!400\n", outcome);
    expect_repeated(CHUNKED, chunk, 65, "0\r\n\r\n", text);
    free(ext);
    free(outcome);
}

VT_TEST(cve_2025_43859_chunk_data_without_crlf)
{
    EXPECT_ROWS({ CHUNKED "1\r\na\r0\r\n\r\n", "POST / keep [a!400\n" },
                { CHUNKED "1\r\na\n\r0\r\n\r\n", "POST / keep [a!400\n" },
                { CHUNKED "1\r\nabc\r\n0\r\n\r\n", "POST / keep [a!400\n" },
                { CHUNKED "1\r\naxx0\r\n\r\n", "POST / keep [a!400\n" }, );
}

VT_TEST(cve_2025_53643_trailers_are_no_headers)
{
    EXPECT_ROWS(
        { CHUNKED "0\r\nX: y\r\n\r\nGET /2 HTTP/1.1\r\n" H "\r\n",
          "POST / keep []\nGET /2 keep []\n" },
        { CHUNKED "0\r\nTransfer-Encoding: chunked\r\n\r\n",
          "POST / keep [!400\n" },
        { CHUNKED "0\r\nHost: b\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "0\r\ncookie: b\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "0\r\nSet-Cookie: b\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "0\r\nAuthorization: b\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "0\r\nConnection: close\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "0\r\nX-Forwarded-For: b\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "0\r\n: b\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "0\r\nb\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "0\r\na b: c\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "0\r\nA:\tb\r\n\r\n", "POST / keep []\n" },
        { CHUNKED "0\r\nA: \x01\r\n\r\n", "POST / keep [!400\n" }, );
}

VT_TEST(cve_2023_47627_control_bytes)
{
    static const char with_nul[] = "GET / HTTP/1.1\r\n" H "A: b\0c\r\n\r\n";
    static const char in_name[] = "GET / HTTP/1.1\r\n" H "A\0b: c\r\n\r\n";
    static const char in_line[] = "GET /\0x HTTP/1.1\r\n" H "\r\n";
    static const char in_trailer[] = CHUNKED "0\r\nA: b\0c\r\n\r\n";
    int c;

    expect_bytes(with_nul, sizeof(with_nul) - 1, "!400\n");
    expect_bytes(in_name, sizeof(in_name) - 1, "!400\n");
    expect_bytes(in_line, sizeof(in_line) - 1, "!400\n");
    expect_bytes(in_trailer, sizeof(in_trailer) - 1, "POST / keep [!400\n");
    for (c = 1; c < 0x21; c++) {
        char input[64];
        bool blank = c == '\t' || c == ' ';

        snprintf(input, sizeof(input), "GET / HTTP/1.1\r\n" H "A: b%cc\r\n\r\n",
                 c);
        expect(input, blank ? "GET / keep []\n" : "!400\n");
    }
    expect("GET / HTTP/1.1\r\n" H "A: b\x7f\r\n\r\n", "!400\n");
}

VT_TEST(libevent_1686_empty_header_names)
{
    EXPECT_ROWS(
        { "GET / HTTP/1.1\r\n:\r\n" H "\r\n", "!400\n" },
        { "GET / HTTP/1.1\r\n" H ": Content-Length: 5\r\n\r\n", "!400\n" },
        { CHUNKED "0\r\n:x\r\n\r\n", "POST / keep [!400\n" }, );
}

VT_TEST(cve_2026_54277_line_limit_over_segments)
{
    /* "GET " + target + " HTTP/1.1" is 8,192 bytes at most. */
    char *target = hpk_repeat("t", 8192 - 14);
    char *outcome;

    ck_assert_int_ge(asprintf(&outcome, "GET /%s keep []\n", target), 0);
    expect_repeated("GET /", "t", 8192 - 14, " HTTP/1.1\r\n" H "\r\n", outcome);
    expect_repeated("GET /", "t", 8192 - 13, " HTTP/1.1\r\n" H "\r\n",
                    "!414\n");
    expect_repeated("GET /", "t", 9000, "", "!414\n");
    free(outcome);
    free(target);
}

VT_TEST(cve_2018_12121_large_and_many_headers)
{
    /* The block, its last CRLF included, is 16,384 bytes at most. */
    expect_repeated("GET / HTTP/1.1\r\n" H "A: ", "v", 16384 - 9 - 7,
                    "\r\n\r\n", "GET / keep []\n");
    expect_repeated("GET / HTTP/1.1\r\n" H "A: ", "v", 16384 - 9 - 6,
                    "\r\n\r\n", "!431\n");
    expect_repeated("GET / HTTP/1.1\r\n" H "A: ", "v", 20000, "", "!431\n");
    expect_repeated("GET / HTTP/1.1\r\n" H, "A: b\r\n", 99, "\r\n",
                    "GET / keep []\n");
    expect_repeated("GET / HTTP/1.1\r\n" H, "A: b\r\n", 100, "\r\n", "!431\n");
}

VT_TEST(cve_2026_21710_names_that_look_special)
{
    expect("GET / HTTP/1.1\r\n" H "__proto__: x\r\nconstructor: y\r\n"
           "hasOwnProperty: z\r\n\r\n",
           "GET / keep []\n");
}

VT_TEST(cve_2014_6272_lengths_near_the_end_of_the_range)
{
    EXPECT_ROWS(
        { "POST / HTTP/1.1\r\n" H
          "Content-Length: 9999999999999999999\r\n\r\na",
          "POST / keep [a...\n" },
        { CHUNKED "8000000000000000\r\na", "POST / keep [a...\n" },
        { CHUNKED "1\r\na\r\nFFFFFFFFFFFFFFFF\r\nb", "POST / keep [ab...\n" },
        { CHUNKED "0000000000000001\r\na\r\n0\r\n\r\n",
          "POST / keep [a]\n" }, );
}

VT_TEST(cve_2025_69229_very_many_tiny_chunks)
{
    /* One byte in a chunk line that is as long as its digits allow: 20 bytes
     * of framing for each byte of content. */
    char *chunks = hpk_repeat("0000000000000001\r\nx\r\n", 3000);
    char *input;
    struct hpk_feed f = { .limits = server.limits };
    char *got;

    ck_assert_int_ge(asprintf(&input, CHUNKED "%s0\r\n\r\n", chunks), 0);
    got = hpk_run(&f, input, strlen(input));
    ck_assert_ptr_nonnull(strstr(got, "!400"));
    ck_assert_str_eq(f.why, "chunks too small");
    free(got);
    free(input);
    free(chunks);
    /* Chunks of one byte in ordinary lines are odd, but within the bound. */
    chunks = hpk_repeat("1\r\nx\r\n", 10000);
    ck_assert_int_ge(asprintf(&input, CHUNKED "%s0\r\n\r\n", chunks), 0);
    got = hpk_run(&f, input, strlen(input));
    ck_assert_ptr_null(strchr(got, '!'));
    free(got);
    free(input);
    free(chunks);
}

VT_TEST(cve_2021_32640_no_quadratic_cost)
{
    /* 16 KiB byte by byte: the gate looks at each byte a few times at most.
     * (With a restart at each byte this would be 134 million looks.) */
    struct vetch__http_gate gate = { 0 };
    struct vetch__http_limits limits = { VETCH_NO_LIMIT, VETCH_NO_LIMIT };
    struct vetch__http_refusal refusal;
    char *input = hpk_repeat("A: b\r\n", 3000);
    size_t ret, i, looked = 0;

    for (i = 1; i <= strlen(input); i++) {
        looked += i - gate.scanned;
        ck_assert_int_eq(
            vetch__http_gate(&gate, &limits, input, i, &ret, &refusal),
            VETCH__HTTP_MORE);
    }
    ck_assert_uint_lt(looked, 4 * strlen(input));
    free(input);
}

/* What a parser sees must not depend on how the bytes were cut, nor on which
 * build of llhttp is behind the gate. */
VT_TEST(cve_2023_37276_one_outcome_however_bytes_come)
{
    static const char *const inputs[] = {
        "GET /a HTTP/1.1\r\n" H "\r\nGET /b HTTP/1.1\r\n" H "\r\n",
        CHUNKED "3;x=y\r\nabc\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n",
        "POST / HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabcGET",
        CHUNKED "0\r\n\r\rX",
        "GET / HTTP/1.1\r\n" H "A: b\r\n c\r\n\r\n",
        "GET / HTTP/1.1\r\n" H "Transfer-Encoding:\x0b"
        "chunked\r\n\r\n",
        CHUNKED "2\r\na\r\n\r\n0\r\n\r\n",
    };
    size_t i;

    for (i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
        struct hpk_feed f = server;
        char *whole = hpk_run(&f, inputs[i], strlen(inputs[i]));

        for (f.step = 1; f.step <= strlen(inputs[i]); f.step++) {
            char *cut = hpk_run(&f, inputs[i], strlen(inputs[i]));

            ck_assert_str_eq(cut, whole);
            free(cut);
        }
        free(whole);
    }
}

/* An invariant that only an assertion held was gone in releases, and a loop
 * went on for ever: here each step takes bytes or ends, whatever they are. */
VT_TEST(cve_2025_69227_each_step_makes_progress)
{
    static const char bytes[] = "0019afAF;;\r\n\r\n\r\n: x\t\x01";
    struct vetch__http_head head = { .framing = VETCH__HTTP_CHUNKED };
    unsigned round;

    srandom(1);
    for (round = 0; round < 20000; round++) {
        struct vetch__http_body body;
        struct vetch__http_piece piece;
        enum vetch__http_verdict verdict;
        char input[64];
        size_t i, at = 0, steps = 0;

        for (i = 0; i < sizeof(input); i++)
            input[i] = bytes[(size_t)random() % sizeof(bytes)];
        vetch__http_body_init(&body, &head);
        do {
            verdict = vetch__http_body_next(&body, input + at,
                                            sizeof(input) - at, &piece);
            at += piece.used;
            ck_assert_uint_le(++steps, sizeof(input));
        } while (verdict == VETCH__HTTP_PIECE);
    }
}
