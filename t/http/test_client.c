/* Requests of the client and what comes back: heads, bodies, framings, and
 * what is refused. */

#include "support/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/http_client_kit.h"

/* ---- basics ---- */

VT_CASE("basics", vt_reactor_tcase);

VT_TEST(get_gives_the_whole_response)
{
    static const struct peer_response responses[] = {
        { OK("Content-Type: text/plain\r\nX-Empty:\r\nContent-Length: 5\r\n",
             "hello"),
          0, 0 }
    };
    vetch_http_response *r;
    const char *name, *value;

    BEGIN(responses);
    r = hck_get("/a?b=c#d");
    ck_assert_uint_eq(vetch_http_response_status(r), 200);
    ck_assert_str_eq(vetch_http_response_header(r, "content-TYPE"),
                     "text/plain");
    ck_assert_str_eq(vetch_http_response_header(r, "X-Empty"), "");
    ck_assert_ptr_null(vetch_http_response_header(r, "X-Other"));
    ck_assert(vetch_http_response_header_at(r, 2, &name, &value));
    ck_assert_str_eq(name, "Content-Length");
    ck_assert_str_eq(value, "5");
    ck_assert(!vetch_http_response_header_at(r, 3, &name, &value));
    hck_body(r, "hello");
    vetch_http_response_unref(r);
    hck_end();
}

VT_TEST(the_request_is_as_the_rfc_wants_it)
{
    static const struct peer_response responses[] = {
        { OK("Content-Length: 0\r\n", ""), 0, 0 }
    };
    char want[512];

    BEGIN(responses);
    vetch_http_response_unref(hck_get("/a%20b?c=d#e"));
    snprintf(want, sizeof(want),
             "GET /a%%20b?c=d HTTP/1.1\r\n"
             "Host: %s\r\n"
             "Accept-Encoding: gzip, deflate\r\n"
             "User-Agent: vetch/%s\r\n"
             "\r\n",
             peer.host, vetch_version());
    ck_assert_str_eq(peer.requests, want);
    hck_end();
}

VT_TEST(an_empty_path_is_a_slash)
{
    static const struct peer_response responses[] = {
        { OK("Content-Length: 0\r\n", ""), 0, 0 },
        { OK("Content-Length: 0\r\n", ""), 0, 0 }
    };

    BEGIN(responses);
    vetch_http_response_unref(hck_get(""));
    ck_assert_ptr_nonnull(strstr(peer.requests, "GET / HTTP/1.1\r\n"));
    vetch_http_response_unref(hck_get("?q"));
    ck_assert_ptr_nonnull(strstr(peer.requests, "GET /?q HTTP/1.1\r\n"));
    hck_end();
}

VT_TEST(a_second_request_uses_the_same_connection)
{
    static const struct peer_response responses[] = {
        { OK("Content-Length: 1\r\n", "a"), 0, 0 },
        { OK("Content-Length: 1\r\n", "b"), 0, 0 }
    };
    vetch_http_client_stats stats = VETCH_HTTP_CLIENT_STATS_INIT;
    vetch_http_response *r;

    BEGIN(responses);
    vetch_http_response_unref(hck_get("/"));
    vetch_http_client_get_stats(client, &stats);
    ck_assert_uint_eq(stats.connections, 1);
    ck_assert_uint_eq(stats.idle, 1);
    r = hck_get("/");
    hck_body(r, "b");
    vetch_http_response_unref(r);
    vetch_http_client_get_stats(client, &stats);
    ck_assert_uint_eq(stats.opened, 1);
    ck_assert_uint_eq(stats.requests, 2);
    ck_assert_uint_eq(stats.waiting, 0);
    ck_assert_uint_eq(peer.accepted, 1);
    hck_end();
}

struct framing {
    struct peer_response response;
    const char *body;
    bool reused;
};

static const struct framing framings[] = {
    { { OK("Content-Length: 5\r\n", "hello"), HOK_KEEP, 0 }, "hello", true },
    { { OK("Content-Length: 0\r\n", ""), HOK_KEEP, 0 }, "", true },
    { { OK("Transfer-Encoding: chunked\r\n",
           "3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"),
        HOK_KEEP, 0 },
      "hello",
      true },
    { { OK("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\nX: y\r\n\r\n"),
        HOK_KEEP, 0 },
      "hello",
      true },
    { { OK("Connection: close\r\nContent-Length: 5\r\n", "hello"), HOK_CLOSE,
        0 },
      "hello",
      false },
    { { OK("", "hello"), HOK_CLOSE, 0 }, "hello", false },
    { { OK("", ""), HOK_CLOSE, 0 }, "", false },
    { { "HTTP/1.0 200 OK\r\n\r\nhello", HOK_CLOSE, 0 }, "hello", false },
    { { "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", HOK_CLOSE, 0 },
      "hello",
      false },
    { { "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n"
        "hello",
        HOK_KEEP, 0 },
      "hello",
      true },
    { { "HTTP/1.1 204 No Content\r\n\r\n", HOK_KEEP, 0 }, "", true },
    { { "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", HOK_KEEP, 0 },
      "",
      true },
    { { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n"
        "\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        HOK_KEEP, 0 },
      "hello",
      true },
    { { "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", HOK_KEEP, 0 },
      "hello",
      true },
};

VT_TEST(every_framing_gives_its_body, .loops = VT_COUNT_OF(framings))
{
    const struct framing *f = &framings[_i];
    const struct peer_response responses[] = {
        f->response, { OK("Content-Length: 0\r\n", ""), 0, 0 }
    };
    vetch_http_response *r;

    BEGIN(responses);
    r = hck_get("/");
    hck_body(r, f->body);
    vetch_http_response_unref(r);
    vetch_http_response_unref(hck_get("/"));
    ck_assert_uint_eq(peer.accepted, f->reused ? 1 : 2);
    hck_end();
}

VT_TEST(a_response_may_come_byte_by_byte, .loops = VT_COUNT_OF(framings))
{
    const struct framing *f = &framings[_i];
    const struct peer_response responses[] = { { NULL, 0, 0 } };
    vetch_error *error = NULL;
    vetch_http_response *r;
    vetch_promise *p;
    char one[2] = "";

    BEGIN(responses);
    p = vetch_http_get(client, hok_url(&peer, "/"));
    hok_until(peer.n_requests == 1);
    for (const char *at = f->response.text; *at != '\0'; at++) {
        one[0] = *at;
        if (vetch_promise_state(p) == VETCH_PENDING)
            hok_send(&peer, 0, one);
        vt_run_ready();
    }
    if (f->response.then == HOK_CLOSE && peer.conn[0] != NULL)
        hok_close(&peer, 0);
    r = vetch_run(p, &error);
    ck_assert_msg(error == NULL, "%s", vetch_error_text(error));
    hck_body(r, f->body);
    vetch_http_response_unref(r);
    hck_end();
}

/* Browsers give such a body as it is. */
VT_TEST(a_body_of_unknown_coding_is_left_as_it_is)
{
    static const char *const codings[] = { "UTF-8", "none", "br", "gzip, br",
                                           "br, gzip" };
    static char texts[5][128];
    struct peer_response responses[5] = { { NULL, 0, 0 } };

    for (int i = 0; i < 5; i++) {
        snprintf(texts[i], sizeof(texts[i]),
                 OK("Content-Encoding: %s\r\nContent-Length: 5\r\n", "hello"),
                 codings[i]);
        responses[i].text = texts[i];
    }
    BEGIN(responses);
    for (int i = 0; i < 5; i++) {
        vetch_http_response *r = hck_get("/");

        hck_body(r, "hello");
        ck_assert_str_eq(vetch_http_response_header(r, "content-encoding"),
                         codings[i]);
        vetch_http_response_unref(r);
    }
    hck_end();
}

/* A part of coded bytes cannot be decoded: none is asked for, and one that
 * comes all the same stays as it is. */
VT_TEST(a_range_is_not_coded)
{
    static const struct peer_response responses[] = {
        { "HTTP/1.1 206 Partial Content\r\nContent-Encoding: gzip\r\n"
          "Content-Range: bytes 2-4/9\r\nContent-Length: 3\r\n\r\nabc",
          0, 0 }
    };
    vetch_http_response *r;
    vetch_http_call *call;

    BEGIN(responses);
    call = vetch_http_call_new(client, "GET", hok_url(&peer, "/"));
    ck_assert_int_eq(vetch_http_call_set_header(call, "Range", "bytes=2-4"), 0);
    r = hck_run(vetch_http_call_send(call));
    hck_body(r, "abc");
    vetch_http_response_unref(r);
    ck_assert_ptr_null(strstr(peer.requests, "Accept-Encoding"));
    hck_end();
}

VT_TEST(head_gets_no_body)
{
    static const struct peer_response responses[] = {
        { OK("Content-Length: 10000000000\r\n", ""), 0, 0 },
        { OK("Transfer-Encoding: chunked\r\n", ""), 0, 0 }
    };
    vetch_http_response *r;

    BEGIN(responses);
    for (int i = 0; i < 2; i++) {
        r = hck_run(vetch_http_head(client, hok_url(&peer, "/")));
        ck_assert_uint_eq(vetch_http_response_status(r), 200);
        hck_body(r, "");
        vetch_http_response_unref(r);
    }
    ck_assert_uint_eq(peer.accepted, 1);
    ck_assert_int_eq(strncmp(peer.requests, "HEAD / HTTP/1.1\r\n", 17), 0);
    hck_end();
}

VT_TEST(post_sends_its_body)
{
    static const struct peer_response responses[] = {
        { OK("Content-Length: 0\r\n", ""), 0, 0 },
        { OK("Content-Length: 0\r\n", ""), 0, 0 }
    };

    BEGIN(responses);
    vetch_http_response_unref(hck_run(vetch_http_post(
        client, hok_url(&peer, "/p"), "text/plain", "what to say", 11)));
    ck_assert_ptr_nonnull(strstr(peer.requests, "POST /p HTTP/1.1\r\n"));
    ck_assert_ptr_nonnull(
        strstr(peer.requests, "Content-Type: text/plain\r\n"));
    ck_assert_ptr_nonnull(
        strstr(peer.requests, "Content-Length: 11\r\n\r\nwhat to say"));
    vetch_http_response_unref(
        hck_run(vetch_http_post(client, hok_url(&peer, "/p"), NULL, NULL, 0)));
    ck_assert_ptr_nonnull(strstr(peer.requests, "Content-Length: 0\r\n\r\n"));
    hck_end();
}

static size_t big_length;

static struct peer_response
count_body(struct hok_origin *p, const char *request)
{
    const char *body = strstr(request, "\r\n\r\n") + 4;

    (void)p;
    big_length = strlen(body);
    return (struct peer_response){ OK("Content-Length: 2\r\n", "ok"), 0, 0 };
}

VT_TEST(a_long_body_arrives_whole)
{
    size_t len = 700000;
    char *body = malloc(len);

    memset(body, 'x', len);
    hck_begin(NULL, 0, NULL);
    peer.pick = count_body;
    vetch_http_response_unref(hck_run(
        vetch_http_post(client, hok_url(&peer, "/"), "text/plain", body, len)));
    free(body);
    ck_assert_uint_eq(big_length, len);
    hck_end();
}

VT_TEST(fields_of_a_call_are_sent)
{
    static const struct peer_response responses[] = {
        { OK("Content-Length: 0\r\n", ""), 0, 0 }
    };
    vetch_http_call *call;
    char want[512];

    BEGIN(responses);
    call = vetch_http_call_new(client, "PROPFIND", hok_url(&peer, "/x"));
    ck_assert_int_eq(vetch_http_call_set_header(call, "X-One", "1"), 0);
    ck_assert_int_eq(vetch_http_call_set_header(call, "X-Two", "2"), 0);
    ck_assert_int_eq(vetch_http_call_set_header(call, "x-one", "one"), 0);
    ck_assert_int_eq(vetch_http_call_set_header(call, "User-Agent", "me"), 0);
    ck_assert_int_eq(vetch_http_call_set_header(call, "Accept-Encoding", "br"),
                     0);
    ck_assert_int_eq(vetch_http_call_set_body(call, "a/b", "x", 1), 0);
    ck_assert_int_eq(vetch_http_call_set_body(call, "a/c", "yz", 2), 0);
    vetch_http_response_unref(hck_run(vetch_http_call_send(call)));
    snprintf(want, sizeof(want),
             "PROPFIND /x HTTP/1.1\r\nHost: %s\r\nX-Two: 2\r\nx-one: one\r\n"
             "User-Agent: me\r\nAccept-Encoding: br\r\nContent-Type: a/c\r\n"
             "Content-Length: 2\r\n\r\nyz",
             peer.host);
    ck_assert_str_eq(peer.requests, want);
    hck_end();
}

VT_TEST(setting_replaces_and_adding_appends)
{
    static const struct peer_response responses[] = {
        { OK("Content-Length: 0\r\n", ""), 0, 0 }
    };
    vetch_http_call *call;

    BEGIN(responses);
    call = vetch_http_call_new(client, "GET", hok_url(&peer, "/"));
    ck_assert_int_eq(vetch_http_call_add_header(call, "X-Two", "1"), 0);
    ck_assert_int_eq(vetch_http_call_add_header(call, "x-two", "2"), 0);
    ck_assert_int_eq(vetch_http_call_add_header(call, "X-Both", "1"), 0);
    ck_assert_int_eq(vetch_http_call_set_header(call, "X-One", "1"), 0);
    ck_assert_int_eq(vetch_http_call_add_header(call, "x-both", "2"), 0);
    ck_assert_int_eq(vetch_http_call_set_header(call, "X-Two", "3"), 0);
    vetch_http_response_unref(hck_run(vetch_http_call_send(call)));
    ck_assert_ptr_nonnull(strstr(peer.requests, "\r\nX-Both: 1\r\nX-One: 1\r\n"
                                                "x-both: 2\r\nX-Two: 3\r\n"));
    ck_assert_ptr_null(strstr(peer.requests, "wo: 1"));
    ck_assert_ptr_null(strstr(peer.requests, "wo: 2"));
    hck_end();
}

VT_TEST(a_single_field_is_not_there_twice)
{
    static const struct peer_response responses[] = {
        { OK("Content-Length: 0\r\n", ""), 0, 0 }
    };
    vetch_http_call *call;
    const char *type;

    BEGIN(responses);
    call = vetch_http_call_new(client, "POST", hok_url(&peer, "/"));
    ck_assert_int_eq(vetch_http_call_add_header(call, "content-type", "a/a"),
                     0);
    ck_assert_int_eq(vetch_http_call_add_header(call, "Content-Type", "a/b"),
                     -1);
    ck_assert_int_eq(errno, EEXIST);
    ck_assert_int_eq(vetch_http_call_set_body(call, "a/c", "x", 1), 0);
    vetch_http_response_unref(hck_run(vetch_http_call_send(call)));
    type = strcasestr(peer.requests, "content-type:");
    ck_assert_int_eq(strncmp(type, "Content-Type: a/c\r\n", 19), 0);
    ck_assert_ptr_null(strcasestr(type + 1, "content-type:"));
    hck_end();
}

VT_TEST(targets_are_encoded_on_their_way)
{
    static const struct peer_response responses[] = {
        { OK("Content-Length: 0\r\n", ""), 0, 0 }
    };

    BEGIN(responses);
    hck_get_ok("/a|b?ids[]=1#x");
    ck_assert_int_eq(
        strncmp(peer.requests, "GET /a%7Cb?ids%5B%5D=1 HTTP/1.1\r\n", 33), 0);
    hck_end();
}

VT_TEST(credentials_of_the_url_become_a_field)
{
    static const struct peer_response responses[] = {
        { OK("Content-Length: 0\r\n", ""), 0, 0 },
        { OK("Content-Length: 0\r\n", ""), 0, 0 },
        { OK("Content-Length: 0\r\n", ""), 0, 0 }
    };
    char url[128];
    vetch_http_call *call;

    BEGIN(responses);
    snprintf(url, sizeof(url), "http://Aladdin:open%%20sesame@%s/", peer.host);
    vetch_http_response_unref(hck_run(vetch_http_get(client, url)));
    ck_assert_ptr_nonnull(
        strstr(peer.requests,
               "\r\nAuthorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"));
    snprintf(url, sizeof(url), "http://a@%s/", peer.host);
    vetch_http_response_unref(hck_run(vetch_http_get(client, url)));
    ck_assert_ptr_nonnull(
        strstr(peer.requests, "\r\nAuthorization: Basic YTo=\r\n"));
    call = vetch_http_call_new(client, "GET", url);
    ck_assert_int_eq(vetch_http_call_set_header(call, "Authorization", "mine"),
                     0);
    peer.requests_len = 0;
    vetch_http_response_unref(hck_run(vetch_http_call_send(call)));
    ck_assert_ptr_nonnull(strstr(peer.requests, "\r\nAuthorization: mine\r\n"));
    ck_assert_ptr_null(strstr(peer.requests, "Basic"));
    hck_end();
}

VT_TEST(a_call_that_is_not_sent_can_be_freed)
{
    vetch_http_call *call;

    client = vetch_http_client_new(NULL);
    call = vetch_http_call_new(client, "GET", "http://h/");
    ck_assert_int_eq(vetch_http_call_set_header(call, "A", "b"), 0);
    ck_assert_int_eq(vetch_http_call_set_body(call, "a/b", "x", 1), 0);
    vetch_http_call_free(call);
    vetch_http_call_free(NULL);
    vetch_http_client_unref(client);
}

static void
note_result(const vetch_error *error, void *result, void *ctx)
{
    ck_assert_ptr_null(error);
    hck_body(result, "hello");
    vetch_http_response_unref(result);
    *(bool *)ctx = true;
}

VT_TEST(the_callback_form_hands_the_response_over)
{
    static const struct peer_response responses[] = {
        { OK("Content-Length: 5\r\n", "hello"), 0, 0 }
    };
    bool done = false;

    BEGIN(responses);
    vetch_callback(vetch_http_get(client, hok_url(&peer, "/")), note_result,
                   &done);
    ck_assert(!done);
    hok_until(done);
    hck_end();
}

VT_TEST(a_response_that_nobody_takes_is_freed)
{
    static const struct peer_response responses[] = {
        { OK("Content-Length: 5\r\n", "hello"), 0, 0 },
        { OK("Content-Length: 5\r\n", "hello"), 0, 0 }
    };

    BEGIN(responses);
    vetch_promise_unref(vetch_http_get(client, hok_url(&peer, "/")));
    hok_until(peer.n_requests == 1);
    vetch_http_response_unref(hck_get("/"));
    hck_end();
}

VT_TEST(requests_keep_their_client_alive)
{
    static const struct peer_response responses[] = {
        { OK("Content-Length: 5\r\n", "hello"), 0, 0 }
    };
    vetch_promise *p;

    BEGIN(responses);
    p = vetch_http_get(client, hok_url(&peer, "/"));
    client = vetch_http_client_unref(client);
    vetch_http_response_unref(hck_run(p));
    hok_until(peer.open == 0); /* and then its connection has closed */
    hck_end();
}

/* ---- what cannot be sent ---- */

VT_CASE("errors", vt_reactor_tcase);

/* CVE-2018-12116, CVE-2019-12387, CVE-2022-31150, CVE-2022-35948,
 * CVE-2023-49081: no setter lets a line be added to the head. */
VT_TEST(setters_refuse_what_breaks_the_head)
{
    static const char *const bad[][2] = { { "", "v" },
                                          { "a b", "v" },
                                          { "a:", "v" },
                                          { "a\r\nb", "v" },
                                          { "a\nb", "v" },
                                          { "\x80", "v" },
                                          { "n", "a\r\nb: c" },
                                          { "n", "a\nb" },
                                          { "n", "a\rb" },
                                          { "n", "\x7f" },
                                          { "n", "\x01" },
                                          { "Host", "x" },
                                          { "host", "x" },
                                          { "Connection", "close" },
                                          { "Content-Length", "1" },
                                          { "Transfer-Encoding", "chunked" },
                                          { "Keep-Alive", "x" },
                                          { "TE", "x" },
                                          { "Trailer", "x" },
                                          { "Expect", "100-continue" },
                                          { "Proxy-Connection", "x" } };
    vetch_http_call *call;

    client = vetch_http_client_new(NULL);
    call = vetch_http_call_new(client, "GET", "http://h/");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        errno = 0;
        ck_assert_msg(vetch_http_call_set_header(call, bad[i][0], bad[i][1]) <
                          0,
                      "accepted: %s: %s", bad[i][0], bad[i][1]);
        ck_assert_int_eq(errno, EINVAL);
    }
    ck_assert_int_eq(vetch_http_call_set_body(call, "a/b\r\nc: d", "x", 1), -1);
    vetch_http_call_free(call);
    vetch_http_client_unref(client);
}

VT_TEST(an_invalid_method_is_a_rejection)
{
    static const char *const bad[] = { "", "GE T", "GET\r\n", "CONNECT",
                                       "AMETHODTHATISLONGERTHANANYMETHODIS" };

    client = vetch_http_client_new(NULL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        vetch_error *error = hck_fail(vetch_http_call_send(
            vetch_http_call_new(client, bad[i], "http://127.0.0.1:1/")));

        ck_assert_int_eq(vetch_error_code(error), EINVAL);
        vetch_error_unref(error);
    }
    vetch_http_client_unref(client);
}

VT_TEST(an_invalid_url_is_a_rejection)
{
    vetch_error *error;

    client = vetch_http_client_new(NULL);
    error = hck_fail(vetch_http_get(client, "ftp://h/"));
    ck_assert_int_eq(vetch_error_code(error), VETCH_EURL);
    ck_assert_str_eq(
        vetch_error_text(error),
        "GET ftp://h/: unsupported scheme, neither http nor https");
    vetch_error_unref(error);
    error = hck_fail(vetch_http_get(client, "http://me:secret@h:x/"));
    ck_assert_str_eq(vetch_error_text(error), "GET h:x/: malformed port");
    vetch_error_unref(error);
    vetch_http_client_unref(client);
}

VT_TEST(a_call_that_could_not_be_made_is_a_rejection)
{
    vetch_error *error = hck_fail(vetch_http_call_send(NULL));

    ck_assert_int_eq(vetch_error_code(error), VETCH_ENOMEM);
    vetch_error_unref(error);
    error = hck_fail(vetch_http_call_stream(NULL));
    ck_assert_int_eq(vetch_error_code(error), VETCH_ENOMEM);
    vetch_error_unref(error);
}

VT_TEST(credentials_stay_out_of_messages)
{
    static const struct peer_response responses[] = { { NULL, HOK_CLOSE, 0 } };
    vetch_error *error;
    char url[128];

    BEGIN(responses);
    snprintf(url, sizeof(url), "http://me:secret@%s/", peer.host);
    error = hck_fail(vetch_http_get(client, url));
    ck_assert_ptr_null(strstr(vetch_error_text(error), "secret"));
    vetch_error_unref(error);
    hck_end();
}

VT_TEST(options_that_make_no_sense_are_refused, .misuse = true)
{
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;

    o.size = 1;
    ck_assert_ptr_null(vetch_http_client_new(&o));
    ck_assert_int_eq(errno, EINVAL);
    vt_log_take(); /* each is named there */
    for (int i = 0; i < 8; i++) {
        o = (vetch_http_client_options)VETCH_HTTP_CLIENT_OPTIONS_INIT;
        *(i == 0   ? &o.head_seconds
          : i == 1 ? &o.connect_seconds
          : i == 2 ? &o.body_idle_seconds
          : i == 3 ? &o.total_seconds
                   : &o.idle_seconds) = i < 4    ? 0
                                        : i == 4 ? -1
                                                 : 5;
        o.max_connections = i == 5 ? 0 : 1;
        o.max_per_host = i == 6 ? 0 : 1;
        o.max_head_bytes = i == 7 ? 0 : 1;
        errno = 0;
        ck_assert_ptr_null(vetch_http_client_new(&o));
        ck_assert_int_eq(errno, EINVAL);
    }
    o = (vetch_http_client_options)VETCH_HTTP_CLIENT_OPTIONS_INIT;
    o.total_seconds = NAN;
    ck_assert_ptr_null(vetch_http_client_new(&o));
    vt_log_take();
}

VT_TEST(no_idle_time_keeps_no_connection)
{
    static const struct peer_response responses[] = {
        { OK("Content-Length: 0\r\n", ""), 0, 0 },
        { OK("Content-Length: 0\r\n", ""), 0, 0 }
    };
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;

    o.idle_seconds = 0;
    BEGIN_WITH(responses, &o);
    hck_get_ok("/");
    ck_assert_uint_eq(hck_stats().idle, 0);
    hck_get_ok("/");
    ck_assert_uint_eq(peer.accepted, 2);
    hck_end();
}

VT_TEST(no_room_for_a_body_takes_only_empty_ones)
{
    static const struct peer_response responses[] = {
        { OK("Content-Length: 0\r\n", ""), 0, 0 },
        { OK("Content-Length: 1\r\n", "x"), 0, 0 }
    };
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;

    o.max_body_bytes = 0;
    BEGIN_WITH(responses, &o);
    hck_get_ok("/");
    hck_fails(hck_start("/"), "/", VETCH_ETOOLARGE,
              "the body is larger than 0 bytes");
    hck_end();
}

/* A program built with an earlier library knows fewer of them. */
VT_TEST(statistics_may_be_shorter)
{
    vetch_http_client_stats stats = VETCH_HTTP_CLIENT_STATS_INIT;

    hck_begin(NULL, 0, NULL);
    stats.size = offsetof(vetch_http_client_stats, requests);
    stats.requests = 42;
    vetch_http_client_get_stats(client, &stats);
    ck_assert_uint_eq(stats.connections, 0);
    ck_assert_uint_eq(stats.requests, 42);
    hck_end();
}

/* A program built with an earlier or a later library. */
VT_TEST(options_may_be_shorter_or_longer)
{
    struct {
        vetch_http_client_options ours;
        double unknown;
    } later = { VETCH_HTTP_CLIENT_OPTIONS_INIT, -1 };
    vetch_http_client_options earlier = VETCH_HTTP_CLIENT_OPTIONS_INIT;
    vetch_http_client *c;

    later.ours.size = sizeof(later);
    c = vetch_http_client_new(&later.ours);
    ck_assert_ptr_nonnull(c);
    vetch_http_client_unref(c);
    earlier.size = offsetof(vetch_http_client_options, total_seconds);
    earlier.total_seconds = -1;
    c = vetch_http_client_new(&earlier);
    ck_assert_ptr_nonnull(c);
    vetch_http_client_unref(c);
}
