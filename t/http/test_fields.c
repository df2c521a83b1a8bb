/* The fields of responses: tiny-http 134, falcon 80, armeria 5949 (a field that
 * must be single, twice). */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support/http_server_kit.h"

/* How often a field stands in the last response. */
static unsigned
count(const struct hsk_client *t, const char *name)
{
    const char *line = strstr(t->head, "\r\n");
    size_t len = strlen(name);
    unsigned n = 0;

    for (; line != NULL; line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':')
            n++;
    return n;
}

/* Ask `handler` by GET or HEAD. */
static void
ask(struct hsk_client *t, const char *method, vetch_http_handler_fn handler)
{
    char text[64];

    hsk_start(NULL);
    hsk_route("*", "/", handler, NULL);
    hsk_connect(t);
    snprintf(text, sizeof(text), "%s / HTTP/1.1\r\nHost: a\r\n\r\n", method);
    hsk_say(t, text);
    ck_assert_uint_ne(
        strcmp(method, "HEAD") == 0 ? hsk_hear_head(t) : hsk_hear(t), 0);
}

static void
end(struct hsk_client *t)
{
    ck_assert(hsk_is_silent(t));
    hsk_hang_up(t);
    hsk_end();
}

static vetch_promise *
set_twice(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    ck_assert_int_eq(vetch_http_reply_set_header(r, "X-A", "1"), 0);
    ck_assert_int_eq(vetch_http_reply_add_header(r, "x-a", "2"), 0);
    ck_assert_int_eq(vetch_http_reply_set_header(r, "X-B", "kept"), 0);
    ck_assert_int_eq(vetch_http_reply_set_header(r, "X-a", "3"), 0);
    ck_assert_int_eq(vetch_http_reply_set_header(r, "X-B", "kept too"), 0);
    vetch_http_reply(r, 200, NULL, NULL, 0);
    return NULL;
}

VT_CASE("fields", vt_reactor_tcase);

VT_TEST(setting_replaces_all_of_that_name)
{
    struct hsk_client t;

    ask(&t, "GET", set_twice);
    ck_assert_uint_eq(count(&t, "X-A"), 1);
    ck_assert_str_eq(hsk_field(&t, "X-A"), "3");
    ck_assert_uint_eq(count(&t, "X-B"), 1);
    ck_assert_str_eq(hsk_field(&t, "X-B"), "kept too");
    end(&t);
}

static vetch_promise *
add_cookies(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    ck_assert_int_eq(vetch_http_reply_add_header(r, "Set-Cookie", "a=1"), 0);
    ck_assert_int_eq(vetch_http_reply_add_header(r, "set-cookie", "b=2"), 0);
    vetch_http_reply(r, 204, NULL, NULL, 0);
    return NULL;
}

VT_TEST(adding_appends)
{
    struct hsk_client t;

    ask(&t, "GET", add_cookies);
    ck_assert_ptr_nonnull(strstr(t.head, "Set-Cookie: a=1\r\n"));
    ck_assert_ptr_nonnull(strstr(t.head, "set-cookie: b=2\r\n"));
    ck_assert_ptr_null(hsk_field(&t, "Content-Length"));
    end(&t);
}

static vetch_promise *
add_single_ones(vetch_http_request *r, void *ctx)
{
    static const char *const names[] = { "Location", "ETag", "Content-Type" };

    (void)ctx;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        ck_assert_int_eq(vetch_http_reply_add_header(r, names[i], "a/b"), 0);
        ck_assert_int_eq(vetch_http_reply_add_header(r, names[i], "c/d"), -1);
        ck_assert_int_eq(errno, EEXIST);
    }
    vetch_http_reply(r, 200, NULL, NULL, 0);
    return NULL;
}

VT_TEST(a_second_one_of_a_single_field_is_refused)
{
    struct hsk_client t;

    ask(&t, "GET", add_single_ones);
    ck_assert_uint_eq(count(&t, "Location"), 1);
    ck_assert_uint_eq(count(&t, "ETag"), 1);
    ck_assert_uint_eq(count(&t, "Content-Type"), 1);
    ck_assert_str_eq(hsk_field(&t, "Content-Type"), "a/b");
    end(&t);
}

static vetch_promise *
type_twice(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    vetch_http_reply_set_header(r, "X-Before", "1");
    vetch_http_reply_set_header(r, "Content-Type", "application/json");
    vetch_http_reply_set_header(r, "X-Behind", "2");
    vetch_http_reply(r, 200, "text/plain", "{}", 2);
    return NULL;
}

VT_TEST(the_type_of_the_call_replaces_the_one_that_was_set)
{
    struct hsk_client t;

    ask(&t, "GET", type_twice);
    ck_assert_uint_eq(count(&t, "Content-Type"), 1);
    ck_assert_str_eq(hsk_field(&t, "Content-Type"), "text/plain");
    ck_assert_str_eq(hsk_field(&t, "X-Before"), "1");
    ck_assert_str_eq(hsk_field(&t, "X-Behind"), "2");
    end(&t);
}

static vetch_promise *
own_date(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    vetch_http_reply_set_header(r, "Date", "Thu, 01 Jan 1970 00:00:00 GMT");
    vetch_http_reply(r, 200, NULL, NULL, 0);
    return NULL;
}

VT_TEST(a_date_that_was_set_is_the_only_one)
{
    struct hsk_client t;

    ask(&t, "GET", own_date);
    ck_assert_uint_eq(count(&t, "Date"), 1);
    ck_assert_str_eq(hsk_field(&t, "Date"), "Thu, 01 Jan 1970 00:00:00 GMT");
    end(&t);
}

/* ---- the length of what is not sent ---- */

VT_CASE("length", vt_reactor_tcase);

static vetch_promise *
announce(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    ck_assert_int_eq(vetch_http_reply_set_header(r, "Content-Length", "x"), -1);
    ck_assert_int_eq(vetch_http_reply_set_header(r, "Content-Length", "-1"),
                     -1);
    ck_assert_int_eq(vetch_http_reply_set_header(r, "content-length", "12345"),
                     0);
    ck_assert_int_eq(vetch_http_reply_add_header(r, "Content-Length", "6"), -1);
    ck_assert_int_eq(errno, EEXIST);
    ck_assert_int_eq(vetch_http_reply_add_header(r, "ETag", "\"a\""), 0);
    vetch_http_reply(r, 200, "text/plain", NULL, 0);
    return NULL;
}

static vetch_promise *
announce_and_begin(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    vetch_http_reply_set_header(r, "Content-Length", "12345");
    vetch_http_reply_begin(r, 200, NULL);
    vetch_stream_write(vetch_http_request_stream(r), "dropped", 7);
    hsk_reply_end(r);
    return NULL;
}

VT_TEST(a_response_to_head_may_announce_a_length)
{
    static const vetch_http_handler_fn handlers[] = { announce,
                                                      announce_and_begin };
    struct hsk_client t;

    for (size_t i = 0; i < 2; i++) {
        ask(&t, "HEAD", handlers[i]);
        ck_assert_uint_eq(count(&t, "Content-Length"), 1);
        ck_assert_str_eq(hsk_field(&t, "Content-Length"), "12345");
        ck_assert_ptr_null(hsk_field(&t, "Transfer-Encoding"));
        end(&t);
    }
}

static vetch_promise *
announce_nothing(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    vetch_http_reply_set_header(r, "Content-Length", "12345");
    vetch_http_reply(r, 204, NULL, NULL, 0);
    return NULL;
}

VT_TEST(but_not_with_a_status_that_has_no_content)
{
    struct hsk_client t;

    ask(&t, "HEAD", announce_nothing);
    ck_assert_ptr_null(hsk_field(&t, "Content-Length"));
    end(&t);
}

static vetch_promise *
announce_to_get(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    ck_assert_int_eq(vetch_http_reply_set_header(r, "Content-Length", "1"), -1);
    ck_assert_int_eq(errno, EINVAL);
    vetch_http_reply(r, 200, NULL, "four", 4);
    return NULL;
}

VT_TEST(where_a_body_is_sent_its_length_is_the_librarys)
{
    struct hsk_client t;

    ask(&t, "GET", announce_to_get);
    ck_assert(hsk_body_is(&t, "four"));
    end(&t);
}
