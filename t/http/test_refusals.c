/* What the server refuses, and how it says so. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vetch/error.h>

#include "support/http_server_kit.h"

static vetch_promise *
hello(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    vetch_http_reply(r, 200, "text/plain", "hello", 5);
    return NULL;
}

static vetch_promise *
own_options(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    vetch_http_reply_set_header(r, "Allow", "OPTIONS");
    vetch_http_reply(r, 204, NULL, NULL, 0);
    return NULL;
}

/* The Allow of a response to OPTIONS. */
static const char *
options_of(struct hsk_client *t, const char *target, unsigned status)
{
    char text[100];

    snprintf(text, sizeof(text), "OPTIONS %s HTTP/1.1\r\nHost: a\r\n\r\n",
             target);
    hsk_say(t, text);
    ck_assert_uint_eq(hsk_hear(t), status);
    ck_assert_uint_eq(t->n_body, 0);
    return hsk_field(t, "Allow");
}

VT_CASE("refusals", vt_reactor_tcase);

VT_TEST(options_are_told)
{
    struct hsk_client t;

    hsk_start(NULL);
    hsk_connect(&t);
    ck_assert_str_eq(options_of(&t, "*", 200), "OPTIONS");
    hsk_route("GET", "/a/:b", hello, NULL);
    hsk_route("DELETE", "/a/c", hello, NULL);
    hsk_route("OPTIONS", "/own", own_options, NULL);
    ck_assert_str_eq(options_of(&t, "*", 200), "DELETE, GET, HEAD, OPTIONS");
    ck_assert_str_eq(options_of(&t, "/a/b", 200), "GET, HEAD, OPTIONS");
    ck_assert_str_eq(options_of(&t, "/a/c", 200), "DELETE, GET, HEAD, OPTIONS");
    ck_assert_str_eq(options_of(&t, "/own", 204), "OPTIONS");
    hsk_say(&t, "OPTIONS /nothing HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_uint_eq(hsk_hear(&t), 404);
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(what_has_no_route_is_404_or_405)
{
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", hello, NULL);
    hsk_route("POST", "/", hello, NULL);
    hsk_connect(&t);
    hsk_get(&t, "/nowhere");
    ck_assert_uint_eq(hsk_hear(&t), 404);
    hsk_say(&t, "PUT / HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_uint_eq(hsk_hear(&t), 405);
    ck_assert_str_eq(hsk_field(&t, "Allow"), "GET, HEAD, POST, OPTIONS");
    hsk_get(&t, "/");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(cve_2024_27306_error_pages_do_not_echo)
{
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", hello, NULL);
    hsk_connect(&t);
    hsk_get(&t, "/%3Cscript%3E");
    ck_assert_uint_eq(hsk_hear(&t), 404);
    ck_assert(hsk_body_is(&t, "404 Not Found\n"));
    ck_assert_str_eq(hsk_field(&t, "Content-Type"), "text/plain");
    hsk_get(&t, "/<script>alert(1)</script>");
    ck_assert_uint_eq(hsk_hear(&t), 404);
    ck_assert(hsk_body_is(&t, "404 Not Found\n"));
    hsk_get(&t, "/<\x7f>");
    ck_assert_uint_eq(hsk_hear(&t), 400);
    ck_assert(hsk_body_is(&t, "400 Bad Request: control byte in the head\n"));
    hsk_hang_up(&t);
    hsk_end();
}

/* What is recycled must not remember the request before. */
VT_TEST(a_refusal_after_a_head_request_has_its_body)
{
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("*", "/", hello, NULL);
    hsk_connect(&t);
    hsk_say(&t, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_uint_eq(hsk_hear_head(&t), 200);
    hsk_say(&t, "GET / HTTP/1.1\r\nHost: a\r\n bad\r\n\r\n");
    ck_assert_uint_eq(hsk_hear(&t), 400);
    ck_assert(hsk_body_is(&t, "400 Bad Request: folded header line\n"));
    ck_assert(hsk_hear_end(&t));
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(a_refusal_of_a_head_request_has_no_body)
{
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("*", "/", hello, NULL);
    hsk_connect(&t);
    hsk_say(&t, "HEAD / HTTP/1.1\r\n\r\n");
    ck_assert_uint_eq(hsk_hear_head(&t), 400);
    ck_assert(hsk_hear_end(&t));
    ck_assert_uint_eq(t.n_in, 0);
    hsk_hang_up(&t);
    hsk_end();
}

static vetch_promise *
date_and_reject(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    ck_assert_int_eq(vetch_http_reply_set_header(r, "Date", "never"), 0);
    return vetch_rejected(vetch_error_new(VETCH_EUSER, "no"));
}

VT_TEST(an_error_has_a_date_of_its_own)
{
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", date_and_reject, NULL);
    hsk_connect(&t);
    vt_log_from(VETCH_LOG_ERROR);
    hsk_get(&t, "/");
    ck_assert_uint_eq(hsk_hear(&t), 500);
    ck_assert_ptr_nonnull(hsk_field(&t, "Date"));
    ck_assert_str_ne(hsk_field(&t, "Date"), "never");
    hsk_hang_up(&t);
    hsk_end();
}

static vetch_promise *
note_call(vetch_http_request *r, void *ctx)
{
    (void)r;
    *(bool *)ctx = true;
    return NULL;
}

VT_TEST(malformed_requests_never_reach_a_handler)
{
    static const struct {
        const char *text;
        unsigned status;
    } rows[] = {
        { "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501 },
        { "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505 },
        { "GET /\r\n\r\n", 400 },
        { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n\r\n", 400 },
        { "GET / HTTP/1.1\nHost: a\n\n", 400 },
        { "GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", 417 },
        { "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
        { "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
        { "GET /.. HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
          "Transfer-Encoding: chunked\r\n\r\n",
          400 },
        { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
          400 },
        { "POST / HTTP/1.1\r\nHost: a\r\n"
          "Transfer-Encoding: gzip, chunked\r\n\r\n",
          501 },
        { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
          "1 \r\n",
          400 },
    };
    bool called = false;
    size_t i;

    hsk_start(NULL);
    hsk_route("*", "/*rest", note_call, &called);
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct hsk_client t;

        hsk_connect(&t);
        hsk_say(&t, rows[i].text);
        ck_assert_msg(hsk_hear(&t) == rows[i].status, "%s gave %u",
                      rows[i].text, t.status);
        ck_assert_str_eq(hsk_field(&t, "Connection"), "close");
        ck_assert(hsk_hear_end(&t));
        hsk_hang_up(&t);
    }
    ck_assert(!called);
    hsk_end();
}
