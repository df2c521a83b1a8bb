/* Requests through the gate, the parser and the body reader: what RFC 9112
 * forbids and what has gone wrong in other servers. Each input runs at once
 * and in steps of 1, 2, 3 and 7 bytes, with the same outcome. */

#include <errno.h>
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

/* ---- what must be understood ---- */

VT_CASE("basics", vt_tcase);

VT_TEST(plain_requests_are_understood)
{
    EXPECT_ROWS(
        { "GET / HTTP/1.1\r\n" H "\r\n", "GET / keep []\n" },
        { "GET /a/b?c=d HTTP/1.1\r\n" H "\r\n", "GET /a/b?c=d keep []\n" },
        { "GET /?? HTTP/1.1\r\n" H "\r\n", "GET /?? keep []\n" },
        { "HEAD /x HTTP/1.0\r\n\r\n", "HEAD /x close []\n" },
        { "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
          "GET / keep []\n" },
        { "GET / HTTP/1.1\r\n" H "Connection: x, CLOSE\r\n\r\n",
          "GET / close []\n" },
        { "GET / HTTP/1.1\r\n" H "Connection: upgrade\r\nUpgrade: y\r\n\r\n",
          "GET / keep []\n" },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc",
          "POST / keep [abc]\n" },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n",
          "POST / keep []\n" },
        { "GET / HTTP/1.1\r\n" H "Content-Length: 0002\r\n\r\nab",
          "GET / keep [ab]\n" },
        { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
          "3\r\nabc\r\nA;x=\"y z\"\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
          "POST / keep [abc0123456789]\n" },
        { "POST / HTTP/1.1\r\n" H "transfer-ENCODING: \t Chunked \t\r\n\r\n"
          "000\r\n\r\n",
          "POST / keep []\n" },
        { "POST / HTTP/1.1\r\n" H "Content-Length: \t 2\t \r\n\r\nab",
          "POST / keep [ab]\n" },
        { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: , chunked ,,\r\n\r\n"
          "0\r\n\r\n",
          "POST / keep []\n" },
        { "GET / HTTP/1.1\r\n" H "A:\r\nB: \r\nC:\t\tx y\t \r\n\r\n",
          "GET / keep []\n" },
        { "GET / HTTP/1.1\r\n" H "A: caf\xc3\xa9\r\n\r\n",
          "GET / keep []\n" }, );
}

VT_TEST(every_known_method_is_understood)
{
    int i;

    for (i = 0; i < VETCH__HTTP_METHODS; i++) {
        const char *name = vetch__http_method_name((uint8_t)i);
        char input[100], outcome[100];

        if (i == VETCH__HTTP_CONNECT)
            continue;
        snprintf(input, sizeof(input), "%s /m HTTP/1.1\r\n" H "\r\n", name);
        snprintf(outcome, sizeof(outcome), "%s /m keep []\n", name);
        expect(input, outcome);
        ck_assert_int_eq(vetch__http_method_find(name, strlen(name)), i);
    }
    ck_assert_ptr_null(vetch__http_method_name(VETCH__HTTP_METHODS));
}

VT_TEST(pipelined_requests_are_told_apart)
{
    expect("GET /1 HTTP/1.1\r\n" H "\r\n"
           "POST /2 HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\nxy"
           "POST /3 HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
           "1\r\nz\r\n0\r\n\r\n"
           "\r\nGET /4 HTTP/1.1\r\n" H "\r\n",
           "GET /1 keep []\nPOST /2 keep [xy]\nPOST /3 keep [z]\n"
           "GET /4 keep []\n");
}

VT_TEST(one_empty_line_before_a_request_is_skipped)
{
    EXPECT_ROWS({ "\r\nGET / HTTP/1.1\r\n" H "\r\n", "GET / keep []\n" },
                { "\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", "!400\n" },
                { "\nGET / HTTP/1.1\r\n" H "\r\n", "!400\n" }, { "\r\n", "" },
                { "\r", "...\n" }, );
}

VT_TEST(unfinished_requests_wait)
{
    EXPECT_ROWS({ "GET / HTTP/1.1\r\n" H, "...\n" },
                { "GET / HTTP/1.1\r\n" H "\r", "...\n" },
                { "POST / HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nab",
                  "POST / keep [ab...\n" },
                { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
                  "1\r\na\r\n0\r\n",
                  "POST / keep [a...\n" }, );
}

/* ---- section by section: what is refused ---- */

VT_CASE("refusals", vt_tcase);

VT_TEST(other_major_versions_are_505)
{
    EXPECT_ROWS({ "GET / HTTP/2.0\r\n" H "\r\n", "!505\n" },
                { "GET / HTTP/0.9\r\n" H "\r\n", "!505\n" },
                { "GET / HTTP/3.0\r\n" H "\r\n", "!505\n" },
                { "BREW / HTTP/2.0\r\n" H "\r\n", "!505\n" }, );
}

/* RFC 9110, section 2.5. */
VT_TEST(later_minor_versions_are_served_as_1_1)
{
    EXPECT_ROWS({ "GET / HTTP/1.2\r\n" H "\r\n", "GET / keep []\n" },
                { "GET / HTTP/1.9\r\n" H "\r\n", "GET / keep []\n" },
                { "GET / HTTP/1.2\r\n\r\n", "!400\n" },
                { "POST / HTTP/1.2\r\n" H
                  "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
                  "POST / keep [a]\n" }, );
}

/* RFC 9112, section 2.3: the name in capital letters, one digit each. */
VT_TEST(malformed_versions_are_400)
{
    EXPECT_ROWS({ "GET / HTTP/1.10\r\n" H "\r\n", "!400\n" },
                { "GET / HTTP/01.01\r\n" H "\r\n", "!400\n" },
                { "GET / http/1.1\r\n" H "\r\n", "!400\n" },
                { "GET / RTSP/1.0\r\n" H "\r\n", "!400\n" },
                { "GET / ICE/1.0\r\n" H "\r\n", "!400\n" },
                { "GET / HTTP/1.\r\n" H "\r\n", "!400\n" },
                { "GET / HTTP/x.1\r\n" H "\r\n", "!400\n" },
                { "GET / HTTP/1,1\r\n" H "\r\n", "!400\n" },
                { "GET / HTTP/11\r\n" H "\r\n", "!400\n" },
                { "GET / HTTP\r\n" H "\r\n", "!400\n" }, );
}

VT_TEST(a_missing_version_is_400)
{
    EXPECT_ROWS({ "GET /\r\n" H "\r\n", "!400\n" },
                { "GET / \r\n" H "\r\n", "!400\n" },
                { "GET\r\n" H "\r\n", "!400\n" },
                { "GET / HTTP/1.1 \r\n" H "\r\n", "!400\n" }, );
}

VT_TEST(the_http_2_preface_is_400)
{
    expect("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "!400\n");
    expect("PRI * HTTP/1.1\r\n" H "\r\n", "!400\n");
}

VT_TEST(odd_blanks_in_the_request_line_are_400)
{
    EXPECT_ROWS({ "GET  / HTTP/1.1\r\n" H "\r\n", "!400\n" },
                { "GET /  HTTP/1.1\r\n" H "\r\n", "!400\n" },
                { "GET\t/ HTTP/1.1\r\n" H "\r\n", "!400\n" },
                { "GET /\tHTTP/1.1\r\n" H "\r\n", "!400\n" },
                { "GET / HTTP/1.1\t\r\n" H "\r\n", "!400\n" },
                { " GET / HTTP/1.1\r\n" H "\r\n", "!400\n" },
                { "GET /a b HTTP/1.1\r\n" H "\r\n", "!400\n" }, );
}

VT_TEST(odd_bytes_in_the_target_are_400)
{
    EXPECT_ROWS({ "GET /#x HTTP/1.1\r\n" H "\r\n", "!400\n" },
                { "GET /a?b#c HTTP/1.1\r\n" H "\r\n", "!400\n" },
                { "GET /\x01 HTTP/1.1\r\n" H "\r\n", "!400\n" },
                { "GET /\x7f HTTP/1.1\r\n" H "\r\n", "!400\n" },
                { "GET /\x80 HTTP/1.1\r\n" H "\r\n", "!400\n" },
                { "GET /caf\xc3\xa9 HTTP/1.1\r\n" H "\r\n", "!400\n" },
                { "GET /a\\#b HTTP/1.1\r\n" H "\r\n", "!400\n" }, );
}

/* curl and browsers send these as they are: qore 4361, cpprestsdk 625,
 * gatling 1981. */
VT_TEST(bytes_that_browsers_leave_bare_are_let_through)
{
    expect("GET /a|b?ids[]=1&j={\"a\":<1>}^`\\ HTTP/1.1\r\n" H "\r\n",
           "GET /a|b?ids[]=1&j={\"a\":<1>}^`\\ keep []\n");
    expect("GET /\"<>[]{}|^` HTTP/1.1\r\n" H "\r\n",
           "GET /\"<>[]{}|^` keep []\n");
}

VT_TEST(the_form_of_the_target_fits_the_method)
{
    EXPECT_ROWS(
        { "OPTIONS * HTTP/1.1\r\n" H "\r\n", "OPTIONS * keep []\n" },
        { "GET * HTTP/1.1\r\n" H "\r\n", "!400\n" },
        { "OPTIONS ** HTTP/1.1\r\n" H "\r\n", "!400\n" },
        { "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n",
          "CONNECT b:443 close []\n" },
        { "CONNECT [::1]:443 HTTP/1.1\r\nHost: b:443\r\n\r\n",
          "CONNECT [::1]:443 close []\n" },
        { "CONNECT / HTTP/1.1\r\n" H "\r\n", "!400\n" },
        { "CONNECT b HTTP/1.1\r\n" H "\r\n", "!400\n" },
        { "CONNECT b: HTTP/1.1\r\n" H "\r\n", "!400\n" },
        { "CONNECT :443 HTTP/1.1\r\n" H "\r\n", "!400\n" },
        { "CONNECT u@b:443 HTTP/1.1\r\n" H "\r\n", "!400\n" },
        { "GET b:443 HTTP/1.1\r\n" H "\r\n", "!400\n" },
        { "GET a HTTP/1.1\r\n" H "\r\n", "!400\n" },
        { "GET ?x HTTP/1.1\r\n" H "\r\n", "!400\n" },
        { "GET ftp://a/ HTTP/1.1\r\n" H "\r\n", "!400\n" },
        { "GET http:/a/ HTTP/1.1\r\n" H "\r\n", "!400\n" },
        { "GET http:///b HTTP/1.1\r\n" H "\r\n", "!400\n" },
        { "GET http://u@a/ HTTP/1.1\r\n" H "\r\n", "!400\n" },
        { "GET http://a HTTP/1.1\r\n" H "\r\n", "GET / keep []\n" },
        { "GET http://a?q HTTP/1.1\r\n" H "\r\n", "GET /?q keep []\n" },
        { "GET http://a/b?q HTTP/1.1\r\n" H "\r\n", "GET /b?q keep []\n" },
        { "GET HTTP://A:80/b HTTP/1.1\r\n" H "\r\n", "GET /b keep []\n" },
        { "GET https://a/b HTTP/1.1\r\n" H "\r\n", "GET /b keep []\n" },
        { "GET http://a/b HTTP/1.0\r\n\r\n", "GET /b close []\n" }, );
}

VT_TEST(a_target_of_another_host_is_400)
{
    EXPECT_ROWS({ "GET http://b/ HTTP/1.1\r\n" H "\r\n", "!400\n" },
                { "GET http://a:81/ HTTP/1.1\r\n" H "\r\n", "!400\n" },
                { "GET http://a/ HTTP/1.1\r\nHost: a:8080\r\n\r\n", "!400\n" },
                { "GET http://a.b/ HTTP/1.1\r\n" H "\r\n", "!400\n" }, );
}

VT_TEST(unknown_methods_are_501_if_they_are_tokens)
{
    EXPECT_ROWS({ "BREW / HTTP/1.1\r\n" H "\r\n", "!501\n" },
                { "get / HTTP/1.1\r\n" H "\r\n", "!501\n" },
                { "GETX / HTTP/1.1\r\n" H "\r\n", "!501\n" },
                { "GE / HTTP/1.1\r\n" H "\r\n", "!501\n" },
                { "DESCRIBE / HTTP/1.1\r\n" H "\r\n", "!501\n" },
                { "X!#$ / HTTP/1.1\r\n" H "\r\n", "!501\n" },
                { "G@T / HTTP/1.1\r\n" H "\r\n", "!400\n" },
                { "G(T) / HTTP/1.1\r\n" H "\r\n", "!400\n" },
                { "BREW / HTTP/2.0\r\n" H "\r\n", "!505\n" }, );
}

VT_TEST(host_is_there_once_and_well_formed)
{
    EXPECT_ROWS(
        { "GET / HTTP/1.1\r\n\r\n", "!400\n" },
        { "GET / HTTP/1.1\r\n" H H "\r\n", "!400\n" },
        { "GET / HTTP/1.0\r\n" H "hOST: b\r\n\r\n", "!400\n" },
        { "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "!400\n" },
        { "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "!400\n" },
        { "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "!400\n" },
        { "GET / HTTP/1.1\r\nHost: a:x\r\n\r\n", "!400\n" },
        { "GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n", "!400\n" },
        { "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", "!400\n" },
        { "GET / HTTP/1.1\r\nHost: a:-1\r\n\r\n", "!400\n" },
        { "GET / HTTP/1.1\r\nHost:\r\n\r\n", "!400\n" },
        { "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", "!400\n" },
        { "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "!400\n" },
        { "GET / HTTP/1.1\r\nHost: [g]\r\n\r\n", "!400\n" },
        { "GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", "!400\n" },
        { "GET / HTTP/1.1\r\nHost: %zz\r\n\r\n", "!400\n" },
        { "GET / HTTP/1.1\r\nHost: a\\b\r\n\r\n", "!400\n" },
        { "GET / HTTP/1.1\r\nHost: caf\xc3\xa9\r\n\r\n", "!400\n" },
        { "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", "GET / keep []\n" },
        { "GET / HTTP/1.1\r\nHost: 127.0.0.1:65535\r\n\r\n",
          "GET / keep []\n" },
        { "GET / HTTP/1.1\r\nHost: a_b.c%41:\r\n\r\n", "GET / keep []\n" }, );
}

VT_TEST(field_names_are_tokens)
{
    EXPECT_ROWS({ "GET / HTTP/1.1\r\n" H "a b: c\r\n\r\n", "!400\n" },
                { "GET / HTTP/1.1\r\n" H "a(b): c\r\n\r\n", "!400\n" },
                { "GET / HTTP/1.1\r\n" H "a\x80: c\r\n\r\n", "!400\n" },
                { "GET / HTTP/1.1\r\n" H "a\r\n\r\n", "!400\n" },
                { "GET / HTTP/1.1\r\n" H "a@b: c\r\n\r\n", "!400\n" },
                { "GET / HTTP/1.1\r\n" H "!#$%&'*+-.^_`|~1: c\r\n\r\n",
                  "GET / keep []\n" }, );
}

VT_TEST(content_length_is_digits_once)
{
    EXPECT_ROWS(
        { "POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Content-Length: x\r\n\r\n", "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 1 2\r\n\r\n", "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 1, 1\r\n\r\n", "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 1,\r\n\r\n", "!400\n" },
        { "POST / HTTP/1.1\r\n" H
          "Content-Length: 00000000000000000001\r\n\r\n",
          "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 1\r\n"
          "Content-Length: 1\r\n\r\na",
          "!400\n" }, );
}

/* RFC 9112, section 6.1: not understood, but framed. */
VT_TEST(unknown_transfer_codings_before_chunked_are_501)
{
    EXPECT_ROWS(
        { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n",
          "!501\n" },
        { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: x;y=z,chunked\r\n\r\n",
          "!501\n" }, );
}

/* Section 6.3: then nobody knows where the body ends. */
VT_TEST(a_final_coding_other_than_chunked_is_400)
{
    EXPECT_ROWS(
        { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n", "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n",
          "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, gzip\r\n\r\n",
          "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n",
          "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n",
          "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n", "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: ,\r\n\r\n", "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: \"chunked\"\r\n\r\n",
          "!400\n" },
        { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked;q=1\r\n\r\n",
          "!400\n" }, );
}

VT_TEST(transfer_encoding_is_not_for_http_1_0)
{
    expect("POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
           "0\r\n\r\n",
           "!400\n");
}

/* Not what happens to stand before it. */
VT_TEST(the_verdict_names_what_is_wrong)
{
    static const char *const rows[][2] = {
        { "POST / HTTP/1.1\r\n" H "Content-Length: 0\r\nX Y: 1\r\n\r\n",
          "malformed field name" },
        { "POST / HTTP/1.1\r\n" H
          "Transfer-Encoding: chunked\r\nX Y: 1\r\n\r\n",
          "malformed field name" },
        { "POST / HTTP/1.1\r\n" H "Content-Length: 1x\r\nX: 1\r\n\r\n",
          "malformed Content-Length" },
        { "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
          "malformed field name" },
        { "G@T / HTTP/1.1\r\n" H "\r\n", "malformed method" },
        { "GET /\x80 HTTP/1.1\r\nX Y: 1\r\n\r\n",
          "forbidden byte in the target" },
        { "GET / HTTP/2.0\r\nX Y: 1\r\n\r\n", "HTTP version not supported" },
    };
    struct hpk_feed f = server;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        free(hpk_run(&f, rows[i][0], strlen(rows[i][0])));
        ck_assert_str_eq(f.why, rows[i][1]);
    }
}

/* RFC 9112, section 7.1.1: BWS before and after `;` and `=`. */
VT_TEST(blanks_may_stand_before_chunk_extensions)
{
    EXPECT_ROWS(
        { CHUNKED "1 ;a\r\nx\r\n0\r\n\r\n", "POST / keep [x]\n" },
        { CHUNKED "1\t; a \t= \tb ; c\r\nx\r\n0\r\n\r\n", "POST / keep [x]\n" },
        { CHUNKED "1;a = \"b\\\"\t\xc3\xa9;\" ;c=d\r\nx\r\n0 ;e\r\n\r\n",
          "POST / keep [x]\n" }, );
}

VT_TEST(malformed_chunk_extensions_are_400)
{
    EXPECT_ROWS(
        { CHUNKED "1;\r\nx\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "1; \r\nx\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "1;;a\r\nx\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "1;a=\r\nx\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "1;a==b\r\nx\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "1;a b\r\nx\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "1;=b\r\nx\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "1;bad[=x\r\nx\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "1;a=\"b\r\nx\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "1;a=\"b\"c\r\nx\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "1;a=\"\x7f\"\r\nx\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "1 \r\nx\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "1 2\r\nx\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "1;a \r\nx\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "1;a=b \r\nx\r\n0\r\n\r\n", "POST / keep [!400\n" }, );
}

VT_TEST(trailers_that_only_describe_are_dropped)
{
    EXPECT_ROWS(
        { CHUNKED "0\r\nContent-Digest: x\r\n\r\n", "POST / keep []\n" },
        { CHUNKED "0\r\nAuthentication-Info: x\r\nDate: y\r\n\r\n",
          "POST / keep []\n" }, );
}

VT_TEST(other_expectations_are_417)
{
    EXPECT_ROWS(
        { "POST / HTTP/1.1\r\n" H "Expect: 100-Continue\r\n"
          "Content-Length: 1\r\n\r\na",
          "POST / keep [a]\n" },
        { "POST / HTTP/1.1\r\n" H "Expect: wonders\r\n\r\n", "!417\n" },
        { "POST / HTTP/1.1\r\n" H "Expect: 100-continue, x\r\n\r\n", "!417\n" },
        { "POST / HTTP/1.1\r\n" H "Expect: \r\n\r\n", "!417\n" }, );
}

VT_TEST(the_trailer_section_is_bounded)
{
    expect_repeated(CHUNKED "0\r\n", "X: y\r\n", 16, "\r\n",
                    "POST / keep []\n");
    expect_repeated(CHUNKED "0\r\n", "X: y\r\n", 17, "\r\n",
                    "POST / keep [!431\n");
    expect_repeated(CHUNKED "0\r\nX: ", "y", 4096 - 7, "\r\n\r\n",
                    "POST / keep []\n");
    expect_repeated(CHUNKED "0\r\nX: ", "y", 4096 - 6, "\r\n\r\n",
                    "POST / keep [!431\n");
}

/* ---- what llhttp 8.1.0 lets through, in one build or in all ---- */

VT_TEST(inputs_that_llhttp_accepts_are_refused)
{
    EXPECT_ROWS(
        { "GET / HTTP/1.1\r\n" H "A: b\rTransfer-Encoding: chunked\r\n\r\n",
          "!400\n" },
        { "GET / HTTP/1.1\r\n" H "\r\n\rX", "GET / keep []\n!400\n" },
        { "GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n", "!400\n" },
        { CHUNKED "5\r\r;ABCD\r\nabcde\r\n0\r\n\r\n", "POST / keep [!400\n" },
        { CHUNKED "1\r\naX\r\n0\r\n\r\n", "POST / keep [a!400\n" },
        { CHUNKED "1\r\na0\r\n\r\n", "POST / keep [a!400\n" },
        { "GET / HTTP/1.1\r\n" H "Con tent: x\r\n\r\n", "!400\n" },
        { "GET /\xff HTTP/1.1\r\n" H "\r\n", "!400\n" },
        { "GET / HTTP/1.1\r\n" H "A: b\r\n c\r\n\r\n", "!400\n" },
        { "GET / HTTP/1.1\r\n" H "A: b\r\n\tc\r\n\r\n", "!400\n" },
        { "GET / HTTP/1.1\r\n" H "A: b\n\n", "!400\n" },
        { "GET / HTTP/1.1\r\n" H "A: b\r\n\n", "!400\n" },
        { "GET / HTTP/1.1\n" H "\r\n", "!400\n" },
        { "GET / HTTP/1.1\r\n" H ": x\r\n\r\n", "!400\n" },
        { "GET / HTTP/1.1\r\n: x\r\n" H "\r\n", "!400\n" },
        { CHUNKED "0\r\nContent-Length: 5\r\n\r\n", "POST / keep [!400\n" },
        { "GET / HTTP/1.1\r\n\r\n", "!400\n" },
        { "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "!400\n" },
        { "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "!400\n" },
        { "GET / HTTP/2.0\r\n" H "\r\n", "!505\n" },
        { "GET / HTTP/0.9\r\n" H "\r\n", "!505\n" },
        { "GET /\r\n\r\n", "!400\n" },
        { "GET  / HTTP/1.1\r\n" H "\r\n", "!400\n" },
        { "GET /a#b HTTP/1.1\r\n" H "\r\n", "!400\n" },
        { "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "!400\n" },
        { CHUNKED "00000000000000001\r\na\r\n0\r\n\r\n",
          "POST / keep [!400\n" }, );
}

/* ---- names, values, hosts ---- */

VT_CASE("fields", vt_tcase);

VT_TEST(fields_that_may_be_set)
{
    ck_assert_int_eq(vetch__http_check_field("X-Y", "a b\tc"), 0);
    ck_assert_int_eq(vetch__http_check_field("X", ""), 0);
    ck_assert_int_eq(vetch__http_check_field("X", "caf\xc3\xa9"), 0);
}

VT_TEST(cve_2018_12116_fields_that_may_not_be_set)
{
    static const char *const rows[][2] = {
        { "X", "a\r\nSet-Cookie: b" },
        { "X", "a\n" },
        { "X", "a\r" },
        { "X", "\x01" },
        { "X", "\x7f" },
        { "X\r\n", "a" },
        { "X:", "a" },
        { "", "a" },
        { "X Y", "a" },
        { "Host", "a" },
        { "content-length", "1" },
        { "Transfer-Encoding", "chunked" },
        { "CONNECTION", "close" },
        { "Keep-Alive", "x" },
        { "Trailer", "x" },
        { "TE", "x" },
        { NULL, "a" },
        { "X", NULL },
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        errno = 0;
        ck_assert_int_eq(vetch__http_check_field(rows[i][0], rows[i][1]), -1);
        ck_assert_int_eq(errno, EINVAL);
    }
}

VT_TEST(fields_that_are_no_lists_are_single)
{
    static const char *const single[] = { "Content-Type", "LOCATION", "etag",
                                          "User-Agent", "Cookie" };
    static const char *const many[] = { "Set-Cookie", "Vary",     "Link",
                                        "X-Y",        "Content-", "" };
    size_t i;

    for (i = 0; i < sizeof(single) / sizeof(single[0]); i++)
        ck_assert(vetch__http_is_single_field(single[i], strlen(single[i])));
    for (i = 0; i < sizeof(many) / sizeof(many[0]); i++)
        ck_assert(!vetch__http_is_single_field(many[i], strlen(many[i])));
}

VT_TEST(members_of_lists_are_found)
{
    static const struct {
        const char *value;
        bool has;
    } rows[] = {
        { "close", true },     { "Close", true },      { "a, close", true },
        { "a,close,b", true }, { " close\t,", true },  { ",,close", true },
        { "closed", false },   { "enclose", false },   { "", false },
        { "a close", false },  { "close;q=1", false },
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert_msg(vetch__http_list_has(rows[i].value, strlen(rows[i].value),
                                           "close") == rows[i].has,
                      "%s", rows[i].value);
}

/* A slice of no bytes lies where its field does, so that it may be ended. */
VT_TEST(empty_values_lie_behind_their_names)
{
    static const char head[] = "GET / HTTP/1.1\r\nHost: a\r\nA:\r\nB: \t\r\n"
                               "C: c\r\n\r\n";
    struct vetch__http_field table[4];
    struct vetch__http_head h = { .fields = { table, 0, 4 } };
    size_t i;

    ck_assert_int_eq(vetch__http_parse_request(&h, head, sizeof(head) - 1),
                     VETCH__HTTP_DONE);
    for (i = 1; i < 3; i++) {
        ck_assert_uint_eq(table[i].value.len, 0);
        ck_assert_uint_eq(table[i].value.at, table[i].name.at + 1);
    }
}

VT_TEST(fields_are_found_in_any_case_of_letters)
{
    static const char head[] = "GET / HTTP/1.1\r\nHost: a\r\nX-Y: 1\r\n"
                               "x-y: 2\r\n\r\n";
    struct vetch__http_field table[4];
    struct vetch__http_head h = { .fields = { table, 0, 4 } };
    int first, second;

    ck_assert_int_eq(vetch__http_parse_request(&h, head, sizeof(head) - 1),
                     VETCH__HTTP_DONE);
    first = vetch__http_field_find(&h.fields, head, "x-Y", 0);
    second = vetch__http_field_find(&h.fields, head, "x-Y", (size_t)first + 1);
    ck_assert_int_eq(first, 1);
    ck_assert_int_eq(second, 2);
    ck_assert_mem_eq(head + table[second].value.at, "2", 1);
    ck_assert_int_eq(vetch__http_field_find(&h.fields, head, "x", 0), -1);
}
