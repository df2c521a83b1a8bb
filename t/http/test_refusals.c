/* What the server refuses, and how it says so. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vetch/error.h>

#include "support/http_talk.h"

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
options_of(struct talk *t, const char *target, unsigned status)
{
    char text[100];

    snprintf(text, sizeof(text), "OPTIONS %s HTTP/1.1\r\nHost: a\r\n\r\n",
             target);
    ht_say(t, text);
    ck_assert_uint_eq(ht_hear(t), status);
    ck_assert_uint_eq(t->n_body, 0);
    return ht_field(t, "Allow");
}

VT_CASE("refusals", vt_reactor_tcase);

VT_TEST(options_are_told)
{
    struct talk t;

    ht_start(NULL);
    ht_connect(&t);
    ck_assert_str_eq(options_of(&t, "*", 200), "OPTIONS");
    ht_route("GET", "/a/:b", hello, NULL);
    ht_route("DELETE", "/a/c", hello, NULL);
    ht_route("OPTIONS", "/own", own_options, NULL);
    ck_assert_str_eq(options_of(&t, "*", 200), "DELETE, GET, HEAD, OPTIONS");
    ck_assert_str_eq(options_of(&t, "/a/b", 200), "GET, HEAD, OPTIONS");
    ck_assert_str_eq(options_of(&t, "/a/c", 200), "DELETE, GET, HEAD, OPTIONS");
    ck_assert_str_eq(options_of(&t, "/own", 204), "OPTIONS");
    ht_say(&t, "OPTIONS /nothing HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_uint_eq(ht_hear(&t), 404);
    ht_hang_up(&t);
    ht_end();
}

VT_TEST(what_has_no_route_is_404_or_405)
{
    struct talk t;

    ht_start(NULL);
    ht_route("GET", "/", hello, NULL);
    ht_route("POST", "/", hello, NULL);
    ht_connect(&t);
    ht_get(&t, "/nowhere");
    ck_assert_uint_eq(ht_hear(&t), 404);
    ht_say(&t, "PUT / HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_uint_eq(ht_hear(&t), 405);
    ck_assert_str_eq(ht_field(&t, "Allow"), "GET, HEAD, POST, OPTIONS");
    ht_get(&t, "/");
    ck_assert_uint_eq(ht_hear(&t), 200);
    ht_hang_up(&t);
    ht_end();
}

VT_TEST(cve_2024_27306_error_pages_do_not_echo)
{
    struct talk t;

    ht_start(NULL);
    ht_route("GET", "/", hello, NULL);
    ht_connect(&t);
    ht_get(&t, "/%3Cscript%3E");
    ck_assert_uint_eq(ht_hear(&t), 404);
    ck_assert(ht_body_is(&t, "404 Not Found\n"));
    ck_assert_str_eq(ht_field(&t, "Content-Type"), "text/plain");
    ht_get(&t, "/<script>alert(1)</script>");
    ck_assert_uint_eq(ht_hear(&t), 404);
    ck_assert(ht_body_is(&t, "404 Not Found\n"));
    ht_get(&t, "/<\x7f>");
    ck_assert_uint_eq(ht_hear(&t), 400);
    ck_assert(ht_body_is(&t, "400 Bad Request: control byte in the head\n"));
    ht_hang_up(&t);
    ht_end();
}

/* What is recycled must not remember the request before. */
VT_TEST(a_refusal_after_a_head_request_has_its_body)
{
    struct talk t;

    ht_start(NULL);
    ht_route("*", "/", hello, NULL);
    ht_connect(&t);
    ht_say(&t, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_uint_eq(ht_hear_head(&t), 200);
    ht_say(&t, "GET / HTTP/1.1\r\nHost: a\r\n bad\r\n\r\n");
    ck_assert_uint_eq(ht_hear(&t), 400);
    ck_assert(ht_body_is(&t, "400 Bad Request: folded header line\n"));
    ck_assert(ht_hear_end(&t));
    ht_hang_up(&t);
    ht_end();
}

VT_TEST(a_refusal_of_a_head_request_has_no_body)
{
    struct talk t;

    ht_start(NULL);
    ht_route("*", "/", hello, NULL);
    ht_connect(&t);
    ht_say(&t, "HEAD / HTTP/1.1\r\n\r\n");
    ck_assert_uint_eq(ht_hear_head(&t), 400);
    ck_assert(ht_hear_end(&t));
    ck_assert_uint_eq(t.n_in, 0);
    ht_hang_up(&t);
    ht_end();
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
    struct talk t;

    ht_start(NULL);
    ht_route("GET", "/", date_and_reject, NULL);
    ht_connect(&t);
    vt_log_from(VETCH_LOG_ERROR);
    ht_get(&t, "/");
    ck_assert_uint_eq(ht_hear(&t), 500);
    ck_assert_ptr_nonnull(ht_field(&t, "Date"));
    ck_assert_str_ne(ht_field(&t, "Date"), "never");
    ht_hang_up(&t);
    ht_end();
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

    ht_start(NULL);
    ht_route("*", "/*rest", note_call, &called);
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct talk t;

        ht_connect(&t);
        ht_say(&t, rows[i].text);
        ck_assert_msg(ht_hear(&t) == rows[i].status, "%s gave %u", rows[i].text,
                      t.status);
        ck_assert_str_eq(ht_field(&t, "Connection"), "close");
        ck_assert(ht_hear_end(&t));
        ht_hang_up(&t);
    }
    ck_assert(!called);
    ht_end();
}
