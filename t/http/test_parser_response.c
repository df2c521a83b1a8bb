/* Responses through the gate, the parser and the body reader, as a client
 * reads them. Each input runs at once and in steps of 1, 2, 3 and 7 bytes,
 * with the same outcome. */

#include <string.h>

#include "support/harness.h"
#include "support/http_parser_kit.h"

/* The peer keeps the connection open, or closes it; responses to HEAD. */
#define NO_LIMITS .limits = { VETCH_NO_LIMIT, VETCH_NO_LIMIT }

static const struct hpk_feed open_end = { NO_LIMITS, .response = true };
static const struct hpk_feed closed_end = { NO_LIMITS, .response = true,
                                            .eof = true };
static const struct hpk_feed to_head = { NO_LIMITS, .response = true,
                                         .to_head = true };

#define OK  "HTTP/1.1 200 OK\r\n"
#define LEN "Content-Length: "
#define TE  "Transfer-Encoding: "

VT_CASE("basics", vt_tcase);

VT_TEST(plain_responses_are_understood)
{
    HPK_ROWS(open_end, { OK LEN "2\r\n\r\nab", "200 keep [ab]\n" },
             { OK LEN "0\r\n\r\n", "200 keep []\n" },
             { "HTTP/1.1 404 Not Found\r\n" LEN "0\r\n\r\n", "404 keep []\n" },
             { "HTTP/1.1 200 \r\n" LEN "0\r\n\r\n", "200 keep []\n" },
             { "HTTP/1.1 200\r\n" LEN "0\r\n\r\n", "200 keep []\n" },
             { "HTTP/1.0 200 OK\r\n" LEN "1\r\n\r\na", "200 close [a]\n" },
             { "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" LEN "1\r\n\r\na",
               "200 keep [a]\n" },
             { OK "Connection: close\r\n" LEN "1\r\n\r\na", "200 close [a]\n" },
             { OK TE "chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n",
               "200 keep [abc]\n" },
             { OK LEN "1\r\n\r\na" OK LEN "1\r\n\r\nb",
               "200 keep [a]\n200 keep [b]\n" }, );
}

VT_CASE("refusals", vt_tcase);

VT_TEST(status_lines_are_exact)
{
    HPK_ROWS(
        open_end, { "HTTP/1.1 99 x\r\n" LEN "0\r\n\r\n", "!400\n" },
        { "HTTP/1.1 099 x\r\n" LEN "0\r\n\r\n", "!400\n" },
        { "HTTP/1.1 2000 x\r\n" LEN "0\r\n\r\n", "!400\n" },
        { "HTTP/1.1 +20 x\r\n" LEN "0\r\n\r\n", "!400\n" },
        { "HTTP/1.1  200 x\r\n" LEN "0\r\n\r\n", "!400\n" },
        { "HTTP/1.1\t200 x\r\n" LEN "0\r\n\r\n", "!400\n" },
        { "HTTP/2.0 200 x\r\n" LEN "0\r\n\r\n", "!400\n" },
        { "HTTP/0.9 200 x\r\n" LEN "0\r\n\r\n", "!400\n" },
        { "http/1.1 200 x\r\n" LEN "0\r\n\r\n", "!400\n" },
        { "HTTP/1.10 200 x\r\n" LEN "0\r\n\r\n", "!400\n" },
        { "HTTP/1.1 200\tx\r\n" LEN "0\r\n\r\n", "!400\n" },
        { "HTTP/1.1 20\r\n" LEN "0\r\n\r\n", "!400\n" },
        { "ICY 200 OK\r\n" LEN "0\r\n\r\n", "!400\n" },
        { "<html>\r\n\r\n", "!400\n" },
        { "HTTP/1.1 200 OK\n" LEN "0\r\n\r\n", "!400\n" },
        { "\r\n" OK LEN "0\r\n\r\n", "!400\n" },
        { "HTTP/1.1 200 caf\xc3\xa9\r\n" LEN "0\r\n\r\n", "200 keep []\n" }, );
}

VT_CASE("basics", vt_tcase);

/* RFC 9110, section 15; curl 17446. */
VT_TEST(statuses_beyond_599_are_understood)
{
    HPK_ROWS(open_end,
             { "HTTP/1.1 600 x\r\n" LEN "0\r\n\r\n", "600 keep []\n" },
             { "HTTP/1.1 999 x\r\n" LEN "1\r\n\r\na", "999 keep [a]\n" }, );
}

/* RFC 9112, section 4. */
VT_TEST(a_reason_may_have_tabs)
{
    HPK_ROWS(open_end,
             { "HTTP/1.1 200 O\tK\r\n" LEN "0\r\n\r\n", "200 keep []\n" },
             { "HTTP/1.1 200 \t\r\n" LEN "0\r\n\r\n", "200 keep []\n" }, );
}

VT_TEST(later_minor_versions_are_read_as_1_1)
{
    HPK_ROWS(open_end,
             { "HTTP/1.2 200 x\r\n" LEN "1\r\n\r\na", "200 keep [a]\n" }, );
}

VT_CASE("refusals", vt_tcase);

VT_TEST(conflicting_lengths_are_refused)
{
    HPK_ROWS(open_end, { OK LEN "1\r\n" LEN "2\r\n\r\nab", "!400\n" },
             { OK LEN "1, 2\r\n\r\na", "!400\n" },
             { OK LEN "1\r\n" LEN "x\r\n\r\na", "!400\n" },
             { OK LEN "-1\r\n\r\na", "!400\n" },
             { OK LEN "\r\n\r\na", "!400\n" },
             { OK LEN ",\r\n\r\na", "!400\n" },
             { OK LEN "1\r\n" TE "chunked\r\n\r\n0\r\n\r\n", "!400\n" },
             { OK TE "chunked\r\n" LEN "1\r\n\r\n0\r\n\r\n", "!400\n" },
             { OK TE "chunked\r\n" TE "chunked\r\n\r\n0\r\n\r\n", "!400\n" }, );
}

VT_CASE("basics", vt_tcase);

/* RFC 9112, section 6.3; beast 1880, dart-sdk 45679. */
VT_TEST(equal_lengths_are_one)
{
    HPK_ROWS(open_end, { OK LEN "1\r\n" LEN "1\r\n\r\na", "200 keep [a]\n" },
             { OK LEN "1, 1\r\n\r\na", "200 keep [a]\n" },
             { OK LEN "1\r\nA: b\r\n" LEN "01,1\r\n\r\na", "200 keep [a]\n" },
             { OK LEN "\t1 \t\r\n\r\na", "200 keep [a]\n" }, );
}

VT_TEST(some_statuses_have_no_body)
{
    HPK_ROWS(open_end,
             { "HTTP/1.1 204 x\r\n" LEN "3\r\n\r\n" OK LEN "0\r\n\r\n",
               "204 keep []\n200 keep []\n" },
             { "HTTP/1.1 304 x\r\n" LEN "3\r\n\r\n", "304 keep []\n" },
             { "HTTP/1.1 304 x\r\n" TE "chunked\r\n\r\n", "304 keep []\n" },
             { "HTTP/1.1 100 Continue\r\n\r\n" OK LEN "1\r\n\r\na",
               "100 keep []\n200 keep [a]\n" },
             { "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" OK LEN "1\r\n\r\na",
               "103 keep []\n200 keep [a]\n" }, );
}

VT_TEST(where_no_body_can_come_framing_is_no_matter)
{
    HPK_ROWS(to_head, { OK LEN "3\r\n\r\n", "200 keep []\n" },
             { OK TE "chunked\r\n\r\n", "200 keep []\n" },
             { OK "\r\n", "200 keep []\n" },
             { OK LEN "5\r\n" TE "chunked\r\n\r\n", "200 keep []\n" },
             { OK TE "gzip\r\n\r\n", "200 keep []\n" }, );
    HPK_ROWS(open_end,
             { "HTTP/1.1 204 x\r\n" LEN "5\r\n" TE "chunked\r\n\r\n",
               "204 keep []\n" },
             { "HTTP/1.1 304 x\r\n" TE "chunked\r\n" LEN "5\r\n\r\n",
               "304 keep []\n" }, );
}

VT_TEST(without_framing_the_end_of_the_connection_ends_the_body)
{
    HPK_ROWS(closed_end, { OK "\r\nabc", "200 close [abc]\n" },
             { OK "\r\n", "200 close []\n" },
             { "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nabc",
               "200 close [abc]\n" }, );
    HPK_ROWS(open_end, { OK "\r\nabc", "200 close [abc...\n" }, );
}

VT_CASE("refusals", vt_tcase);

/* Node threads 28172 and 31054: a premature end is an error. */
VT_TEST(a_premature_end_is_told_apart)
{
    HPK_ROWS(closed_end, { OK LEN "5\r\n\r\nabc", "200 keep [abc...\n" },
             { OK TE "chunked\r\n\r\n3\r\nabc\r\n", "200 keep [abc...\n" },
             { OK TE "chunked\r\n\r\n3\r\nabc\r\n0\r\n", "200 keep [abc...\n" },
             { OK LEN "5\r\n", "...\n" }, );
}

/* Coded bytes must not be taken for a body. */
VT_TEST(transfer_codings_that_are_not_understood_are_refused)
{
    HPK_ROWS(closed_end,
             { OK TE "chunked, identity\r\n\r\n0\r\n\r\n", "!400\n" },
             { OK TE "gzip\r\n\r\nabc", "!400\n" },
             { OK TE "xchunked\r\n\r\nabc", "!400\n" },
             { OK TE "chunked;q=1\r\n\r\n0\r\n\r\n", "!400\n" },
             { OK TE "chunked, gzip\r\n\r\n0\r\n\r\n", "!400\n" },
             { OK TE "gzip, chunked\r\n\r\n0\r\n\r\n", "!400\n" },
             { OK TE "chunked, chunked\r\n\r\n0\r\n\r\n", "!400\n" },
             { OK TE "\r\n\r\n0\r\n\r\n", "!400\n" }, );
}

VT_CASE("basics", vt_tcase);

VT_TEST(empty_members_of_a_list_say_nothing)
{
    HPK_ROWS(open_end,
             { OK TE "chunked,\r\n\r\n1\r\na\r\n0\r\n\r\n", "200 keep [a]\n" },
             { OK TE ", ,Chunked\t,\r\n\r\n0\r\n\r\n", "200 keep []\n" }, );
}

/* undici PR 5286, akka-http 1812, fasthttp 34. */
VT_TEST(blanks_behind_a_chunk_size_are_tolerated)
{
    HPK_ROWS(
        open_end,
        { OK TE "chunked\r\n\r\n1  \r\na\r\n0\t\r\n\r\n", "200 keep [a]\n" },
        { OK TE "chunked\r\n\r\n1;a=b \r\na\r\n0;a \r\n\r\n",
          "200 keep [a]\n" },
        { OK TE "chunked\r\n\r\n1 ; a=b\r\na\r\n0\r\n\r\n", "200 keep [a]\n" },
        { OK TE "chunked\r\n\r\n1;\r\na\r\n0\r\n\r\n", "200 keep [!400\n" },
        { OK TE "chunked\r\n\r\n1 1\r\na\r\n0\r\n\r\n", "200 keep [!400\n" }, );
}

/* They are dropped, so only those that frame could do harm. */
VT_TEST(trailers_are_dropped_unless_they_frame)
{
    HPK_ROWS(
        open_end,
        { OK TE "chunked\r\n\r\n0\r\nContent-MD5: x\r\nDate: y\r\n"
                "Set-Cookie: z\r\nVia: v\r\n\r\n",
          "200 keep []\n" },
        { OK TE "chunked\r\n\r\n0\r\nA: b\r\n c\r\n\r\n", "200 keep []\n" },
        { OK TE "chunked\r\n\r\n0\r\n" LEN "1\r\n\r\n", "200 keep [!400\n" },
        { OK TE "chunked\r\n\r\n0\r\n" TE "x\r\n\r\n", "200 keep [!400\n" },
        { OK TE "chunked\r\n\r\n0\r\n c\r\n\r\n", "200 keep [!400\n" }, );
}

/* RFC 9112, section 5.2. */
VT_TEST(folded_lines_are_joined)
{
    static const char *const heads[] = {
        OK "A: b\r\n c\r\n" LEN "\r\n\t1\r\n\r\na",
        OK LEN "1\r\n \r\n\t\r\n\r\na",
    };
    struct vetch__http_limits limits = { 100, 200 };
    struct vetch__http_gate gate = { 0 };
    struct vetch__http_field table[2];
    struct vetch__http_head h = { .fields = { table, 0, 2 } };
    struct vetch__http_refusal refusal;
    char text[] = OK "A: b\r\n\tc\r\n\r\n";
    size_t len;

    for (size_t i = 0; i < 2; i++)
        ck_assert(
            hpk_gives(open_end, heads[i], strlen(heads[i]), "200 keep [a]\n"));
    HPK_ROWS(open_end, { OK " c\r\n" LEN "0\r\n\r\n", "!400\n" }, );
    ck_assert_int_eq(vetch__http_gate_response(&gate, &limits, text,
                                               strlen(text), &len, &refusal),
                     VETCH__HTTP_DONE);
    ck_assert_int_eq(vetch__http_parse_response(&h, text, len, false),
                     VETCH__HTTP_DONE);
    ck_assert_uint_eq(table[0].value.len, 5);
    ck_assert_mem_eq(text + table[0].value.at, "b  \tc", 5);
}

VT_TEST(http_1_0_with_chunked_is_not_reused)
{
    HPK_ROWS(open_end,
             { "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" TE
               "chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
               "200 close [a]\n" }, );
}

VT_CASE("refusals", vt_tcase);

VT_TEST(malformed_fields_are_refused)
{
    HPK_ROWS(
        open_end, { OK "A: b\n" LEN "0\r\n\r\n", "!400\n" },
        { OK "A: b\rC: d\r\n" LEN "0\r\n\r\n", "!400\n" },
        { OK "A : b\r\n" LEN "0\r\n\r\n", "!400\n" },
        { OK ": b\r\n" LEN "0\r\n\r\n", "!400\n" },
        { OK "A: \x01\r\n" LEN "0\r\n\r\n", "!400\n" },
        { OK TE "chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", "200 keep [a!400\n" },
        { OK TE "chunked\r\n\r\n0\r\n" LEN "1\r\n\r\n", "200 keep [!400\n" }, );
}

VT_CASE("basics", vt_tcase);

VT_TEST(upgrades_do_not_stop_the_parser)
{
    HPK_ROWS(open_end,
             { OK "Connection: upgrade\r\nUpgrade: h2c\r\n" LEN "1\r\n\r\na",
               "200 keep [a]\n" },
             { "HTTP/1.1 101 x\r\nConnection: upgrade\r\n"
               "Upgrade: x\r\n\r\n",
               "101 keep []\n" }, );
}

VT_TEST(twenty_informational_responses_are_enough)
{
    unsigned count = 0, i;

    for (i = 0; i < 20; i++)
        ck_assert(vetch__http_informational(&count));
    ck_assert(!vetch__http_informational(&count));
}
