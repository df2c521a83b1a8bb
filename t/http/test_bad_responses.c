/* The client and responses that are wrong, or too large. */

#include "support/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/http_client_kit.h"

/* The request fails like this. */
static void
check_failure(int code, const char *text)
{
    hck_fails(hck_start("/x"), "/x", code, text);
}

/* ---- what goes wrong ---- */

VT_CASE("errors", vt_reactor_tcase);

VT_TEST(a_refused_connection_names_everything)
{
    vetch_error *error, *want;
    char url[64];

    hck_begin(NULL, 0, NULL);
    strcpy(url, hok_url(&peer, "/br.gif"));
    hck_end();
    client = vetch_http_client_new(NULL);
    error = hck_fail(vetch_http_get(client, url));
    want = vetch_error_from_errno(ECONNREFUSED, "GET %s: connect %.*s", url,
                                  (int)(strlen(url) - 14), url + 7);
    ck_assert_str_eq(vetch_error_text(error), vetch_error_text(want));
    vetch_error_unref(want);
    ck_assert_int_eq(vetch_error_code(error), VETCH_ECONNECT);
    ck_assert(vetch_error_is(error, ECONNREFUSED));
    vetch_error_unref(error);
    vetch_http_client_unref(client);
}

struct failure {
    struct peer_response response;
    int code;
    const char *text;
};

/* node #28172 #31054: a message that ends too early is never taken for whole.
 */
static const struct failure truncations[] = {
    { { OK("Content-Length: 10\r\n", "12345"), HOK_CLOSE, 0 },
      VETCH_ETRUNCATED,
      "the connection ended, 5 bytes of the body are missing" },
    { { OK("Content-Length: 10\r\n", ""), HOK_CLOSE, 0 },
      VETCH_ETRUNCATED,
      "the connection ended, 10 bytes of the body are missing" },
    { { OK("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n"), HOK_CLOSE, 0 },
      VETCH_ETRUNCATED,
      "the connection ended in the middle of the body" },
    { { OK("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n"), HOK_CLOSE,
        0 },
      VETCH_ETRUNCATED,
      "the connection ended in the middle of the body" },
    { { "HTTP/1.1 200 OK\r\nContent-", HOK_CLOSE, 0 },
      VETCH_EEOF,
      "the connection ended in the middle of the head" },
    { { NULL, HOK_CLOSE, 0 },
      VETCH_EEOF,
      "the connection ended without a response" },
};

VT_TEST(an_early_end_is_an_error, .loops = VT_COUNT_OF(truncations))
{
    const struct failure *f = &truncations[_i];

    hck_begin(&f->response, 1, NULL);
    check_failure(f->code, f->text);
    ck_assert_uint_eq(peer.n_requests, 1); /* a fresh one is not retried */
    hck_end();
}

VT_TEST(a_reset_is_told_from_an_end)
{
    static const struct peer_response responses[] = {
        { OK("Content-Length: 10\r\n", "12345"), 0, 0 }
    };
    vetch_error *error = NULL;
    vetch_promise *p;

    BEGIN(responses);
    p = vetch_http_get(client, hok_url(&peer, "/"));
    hok_until(peer.n_requests == 1);
    vt_run_ready();
    hok_abort(&peer, 0);
    ck_assert_ptr_null(vetch_run(p, &error));
    ck_assert_int_eq(vetch_error_code(error), VETCH_ETRUNCATED);
    ck_assert(vetch_error_is(error, ECONNRESET));
    vetch_error_unref(error);
    hck_end();
}

static const struct failure malformed[] = {
    { { "ICY 200 OK\r\n\r\n", 0, 0 }, VETCH_EPROTO_HTTP, NULL },
    { { "HTTP/2.0 200 OK\r\n\r\n", 0, 0 }, VETCH_EPROTO_HTTP, NULL },
    { { "HTTP/1.1 99 No\r\n\r\n", 0, 0 }, VETCH_EPROTO_HTTP, NULL },
    { { "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", 0, 0 },
      VETCH_EPROTO_HTTP,
      NULL },
    { { OK("Content-Length: 1\r\nContent-Length: 2\r\n", "ab"), 0, 0 },
      VETCH_EPROTO_HTTP,
      NULL },
    { { OK("Content-Length: +1\r\n", "a"), 0, 0 }, VETCH_EPROTO_HTTP, NULL },
    { { OK("Content-Length: 99999999999999999999\r\n", "a"), 0, 0 },
      VETCH_EPROTO_HTTP,
      NULL },
    { { OK("Transfer-Encoding: gzip\r\n", "x"), HOK_CLOSE, 0 },
      VETCH_EPROTO_HTTP,
      "unknown transfer coding" },
    { { OK("Content-Length: 5\r\nX Y: 1\r\n", "hello"), 0, 0 },
      VETCH_EPROTO_HTTP,
      "malformed field name" },
    { { OK(": b\r\n", ""), 0, 0 }, VETCH_EPROTO_HTTP, NULL },
    { { OK("A b: c\r\n", ""), 0, 0 }, VETCH_EPROTO_HTTP, NULL },
    { { OK("Transfer-Encoding: chunked\r\n", "x\r\n"), 0, 0 },
      VETCH_EPROTO_HTTP,
      NULL },
    { { OK("Transfer-Encoding: chunked\r\n", "1\r\nabc\r\n"), 0, 0 },
      VETCH_EPROTO_HTTP,
      NULL },
    { { "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", 0, 0 },
      VETCH_EPROTO_HTTP,
      "an upgrade that nobody asked for" },
    { { OK("Content-Encoding: gzip, gzip\r\nContent-Encoding: gzip\r\n"
           "Content-Length: 1\r\n",
           "x"),
        0, 0 },
      VETCH_ECODING,
      "more than two content codings" },
    { { OK("Content-Encoding: gzip\r\nContent-Length: 5\r\n", "hello"), 0, 0 },
      VETCH_ECODING,
      "malformed gzip data" },
    { { OK("Content-Encoding: gzip\r\nContent-Length: 2\r\n", "\x1f\x8b"), 0,
        0 },
      VETCH_ECODING,
      "the coded body ends early" },
};

VT_TEST(malformed_responses_are_refused, .loops = VT_COUNT_OF(malformed))
{
    const struct failure *f = &malformed[_i];
    vetch_error *error;

    hck_begin(&f->response, 1, NULL);
    if (f->text != NULL) {
        check_failure(f->code, f->text);
    } else {
        error = hck_fail(vetch_http_get(client, hok_url(&peer, "/")));
        ck_assert_int_eq(vetch_error_code(error), f->code);
        vetch_error_unref(error);
    }
    hck_end();
}

VT_TEST(twenty_informational_responses_are_enough, .loops = 2)
{
    static char text[4096];
    struct peer_response response = { text, 0, 0 };

    text[0] = '\0';
    for (int i = 0; i < 20 + _i; i++)
        strcat(text, "HTTP/1.1 102 Processing\r\n\r\n");
    strcat(text, OK("Content-Length: 2\r\n", "ok"));
    hck_begin(&response, 1, NULL);
    if (_i == 0) {
        vetch_http_response *r = hck_get("/");

        hck_body(r, "ok");
        vetch_http_response_unref(r);
    } else {
        check_failure(VETCH_EPROTO_HTTP, "too many informational responses");
    }
    hck_end();
}

VT_TEST(bytes_behind_the_response_end_the_connection)
{
    static const struct peer_response responses[] = {
        { "HTTP/1.1 204 No Content\r\n\r\nx", 0, 0 },
        { OK("Content-Length: 0\r\n", ""), 0, 0 }
    };

    BEGIN(responses);
    vetch_http_response_unref(hck_get("/"));
    vetch_http_response_unref(hck_get("/"));
    ck_assert_uint_eq(peer.accepted, 2);
    hck_end();
}

/* In one segment or in two: what is behind a response is no part of it. */
VT_TEST(a_body_ends_where_it_was_announced_to_end)
{
    static const struct peer_response responses[] = {
        { OK("Content-Length: 3\r\n", "hello"), 0, 0 },
        { OK("Content-Length: 5\r\n", "helloHTTP/1.1 200 OK\r\n"), 0, 0 },
        { OK("Content-Length: 5\r\n", "hello"), 0, 0 }
    };
    static const char *const bodies[] = { "hel", "hello", "hello" };

    BEGIN(responses);
    for (int i = 0; i < 3; i++) {
        vetch_http_response *r = hck_get("/");

        hck_body(r, bodies[i]);
        vetch_http_response_unref(r);
    }
    ck_assert_uint_eq(peer.accepted, 3);
    hck_end();
}

/* ---- limits ---- */

VT_CASE("limits", vt_reactor_tcase);

VT_TEST(a_long_body_is_refused_before_it_comes)
{
    static const struct peer_response responses[] = {
        { OK("Content-Length: 10000000000\r\n", ""), 0, 0 }
    };

    BEGIN(responses);
    check_failure(VETCH_ETOOLARGE, "the body is larger than 16777216 bytes");
    hck_end();
}

static const struct peer_response unannounced[] = {
    { OK("Transfer-Encoding: chunked\r\n",
         "8\r\n12345678\r\n8\r\n12345678\r\n"),
      0, 0 },
    { OK("", "1234567812345678"), 0, 0 },
    { OK("Content-Length: 11\r\n", "12345678123"), 0, 0 },
};

VT_TEST(a_body_is_refused_as_soon_as_it_is_too_long, .loops = 3)
{
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;

    o.max_body_bytes = 10;
    hck_begin(&unannounced[_i], 1, &o);
    check_failure(VETCH_ETOOLARGE, "the body is larger than 10 bytes");
    hck_end();
}

VT_TEST(a_body_of_just_the_limit_is_taken)
{
    static const struct peer_response responses[] = {
        { OK("Transfer-Encoding: chunked\r\n",
             "5\r\n12345\r\n5\r\n12345\r\n0\r\n\r\n"),
          0, 0 },
        { OK("Content-Length: 10\r\n", "1234512345"), 0, 0 }
    };
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;
    vetch_http_response *r;

    o.max_body_bytes = 10;
    hck_begin(responses, 2, &o);
    for (int i = 0; i < 2; i++) {
        r = hck_get("/");
        hck_body(r, "1234512345");
        vetch_http_response_unref(r);
    }
    hck_end();
}

/* CVE-2018-12121, CVE-2023-38039: the head is bounded. */
VT_TEST(a_long_head_is_refused)
{
    static char text[40000];
    struct peer_response response = { text, 0, 0 };
    vetch_error *error;

    strcpy(text, "HTTP/1.1 200 OK\r\nX: ");
    memset(text + strlen(text), 'x', 20000);
    hck_begin(&response, 1, NULL);
    error = hck_fail(vetch_http_get(client, hok_url(&peer, "/")));
    ck_assert_int_eq(vetch_error_code(error), VETCH_ETOOLARGE);
    vetch_error_unref(error);
    hck_end();
}

VT_TEST(the_limit_of_the_head_can_be_raised)
{
    static char text[3000000];
    struct peer_response response = { text, 0, 0 };
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;
    vetch_http_response *r;

    o.max_head_bytes = 2500000;
    strcpy(text, "HTTP/1.1 200 OK\r\nX: ");
    memset(text + strlen(text), 'x', 2000000);
    strcat(text, "\r\nContent-Length: 2\r\n\r\nok");
    hck_begin(&response, 1, &o);
    r = hck_get("/");
    ck_assert_uint_eq(strlen(vetch_http_response_header(r, "x")), 2000000);
    hck_body(r, "ok");
    vetch_http_response_unref(r);
    hck_end();
}

/* CVE-2022-32205: very many fields. */
VT_TEST(cve_2022_32205_the_number_of_fields_is_bounded)
{
    static char text[16000];
    struct peer_response response = { text, 0, 0 };
    vetch_error *error;

    strcpy(text, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 300; i++)
        strcat(text, "Set-Cookie: a=b\r\n");
    strcat(text, "Content-Length: 0\r\n\r\n");
    hck_begin(&response, 1, NULL);
    error = hck_fail(vetch_http_get(client, hok_url(&peer, "/")));
    ck_assert_int_eq(vetch_error_code(error), VETCH_ETOOLARGE);
    vetch_error_unref(error);
    hck_end();
}
