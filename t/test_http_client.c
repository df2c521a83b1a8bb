/* Requests of the client and what comes back: heads, bodies, framings, and
 * what is refused. */

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_client_kit.h"

/* The request fails like this. */
static void
check_failure(int code, const char *text)
{
    hc_fails(hc_start("/x"), "/x", code, text);
}

/* ---- basics ---- */

START_TEST(get_gives_the_whole_response)
{
    static const struct peer_answer answers[] = {
        { OK("Content-Type: text/plain\r\nX-Empty:\r\nContent-Length: 5\r\n",
             "hello"),
          0, 0 }
    };
    vetch_http_response *r;
    const char *name, *value;

    BEGIN(answers);
    r = hc_get("/a?b=c#d");
    ck_assert_uint_eq(vetch_http_response_status(r), 200);
    ck_assert_str_eq(vetch_http_response_header(r, "content-TYPE"),
                     "text/plain");
    ck_assert_str_eq(vetch_http_response_header(r, "X-Empty"), "");
    ck_assert_ptr_null(vetch_http_response_header(r, "X-Other"));
    ck_assert(vetch_http_response_header_at(r, 2, &name, &value));
    ck_assert_str_eq(name, "Content-Length");
    ck_assert_str_eq(value, "5");
    ck_assert(!vetch_http_response_header_at(r, 3, &name, &value));
    hc_body(r, "hello");
    vetch_http_response_unref(r);
    hc_end();
}
END_TEST

START_TEST(the_request_is_as_the_rfc_wants_it)
{
    static const struct peer_answer answers[] = {
        { OK("Content-Length: 0\r\n", ""), 0, 0 }
    };
    char want[512];

    BEGIN(answers);
    vetch_http_response_unref(hc_get("/a%20b?c=d#e"));
    snprintf(want, sizeof(want),
             "GET /a%%20b?c=d HTTP/1.1\r\n"
             "Host: %s\r\n"
             "Accept-Encoding: gzip, deflate\r\n"
             "User-Agent: vetch/%s\r\n"
             "\r\n",
             peer.host, vetch_version());
    ck_assert_str_eq(peer.requests, want);
    hc_end();
}
END_TEST

START_TEST(an_empty_path_is_a_slash)
{
    static const struct peer_answer answers[] = {
        { OK("Content-Length: 0\r\n", ""), 0, 0 },
        { OK("Content-Length: 0\r\n", ""), 0, 0 }
    };

    BEGIN(answers);
    vetch_http_response_unref(hc_get(""));
    ck_assert_ptr_nonnull(strstr(peer.requests, "GET / HTTP/1.1\r\n"));
    vetch_http_response_unref(hc_get("?q"));
    ck_assert_ptr_nonnull(strstr(peer.requests, "GET /?q HTTP/1.1\r\n"));
    hc_end();
}
END_TEST

START_TEST(a_second_request_uses_the_same_connection)
{
    static const struct peer_answer answers[] = {
        { OK("Content-Length: 1\r\n", "a"), 0, 0 },
        { OK("Content-Length: 1\r\n", "b"), 0, 0 }
    };
    vetch_http_client_stats stats;
    vetch_http_response *r;

    BEGIN(answers);
    vetch_http_response_unref(hc_get("/"));
    vetch_http_client_get_stats(client, &stats);
    ck_assert_uint_eq(stats.connections, 1);
    ck_assert_uint_eq(stats.idle, 1);
    r = hc_get("/");
    hc_body(r, "b");
    vetch_http_response_unref(r);
    vetch_http_client_get_stats(client, &stats);
    ck_assert_uint_eq(stats.opened, 1);
    ck_assert_uint_eq(stats.requests, 2);
    ck_assert_uint_eq(stats.waiting, 0);
    ck_assert_uint_eq(peer.accepted, 1);
    hc_end();
}
END_TEST

struct framing {
    struct peer_answer answer;
    const char *body;
    bool reused;
};

static const struct framing framings[] = {
    { { OK("Content-Length: 5\r\n", "hello"), PEER_KEEP, 0 }, "hello", true },
    { { OK("Content-Length: 0\r\n", ""), PEER_KEEP, 0 }, "", true },
    { { OK("Transfer-Encoding: chunked\r\n",
           "3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"),
        PEER_KEEP, 0 },
      "hello",
      true },
    { { OK("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\nX: y\r\n\r\n"),
        PEER_KEEP, 0 },
      "hello",
      true },
    { { OK("Connection: close\r\nContent-Length: 5\r\n", "hello"), PEER_CLOSE,
        0 },
      "hello",
      false },
    { { OK("", "hello"), PEER_CLOSE, 0 }, "hello", false },
    { { OK("", ""), PEER_CLOSE, 0 }, "", false },
    { { "HTTP/1.0 200 OK\r\n\r\nhello", PEER_CLOSE, 0 }, "hello", false },
    { { "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", PEER_CLOSE, 0 },
      "hello",
      false },
    { { "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n"
        "hello",
        PEER_KEEP, 0 },
      "hello",
      true },
    { { "HTTP/1.1 204 No Content\r\n\r\n", PEER_KEEP, 0 }, "", true },
    { { "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", PEER_KEEP,
        0 },
      "",
      true },
    { { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n"
        "\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        PEER_KEEP, 0 },
      "hello",
      true },
    { { "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", PEER_KEEP, 0 },
      "hello",
      true },
};

START_TEST(every_framing_gives_its_body)
{
    const struct framing *f = &framings[_i];
    const struct peer_answer answers[] = {
        f->answer, { OK("Content-Length: 0\r\n", ""), 0, 0 }
    };
    vetch_http_response *r;

    BEGIN(answers);
    r = hc_get("/");
    hc_body(r, f->body);
    vetch_http_response_unref(r);
    vetch_http_response_unref(hc_get("/"));
    ck_assert_uint_eq(peer.accepted, f->reused ? 1 : 2);
    hc_end();
}
END_TEST

START_TEST(a_response_may_come_byte_by_byte)
{
    const struct framing *f = &framings[_i];
    const struct peer_answer answers[] = { { NULL, 0, 0 } };
    vetch_error *error = NULL;
    vetch_http_response *r;
    vetch_promise *p;
    char one[2] = "";

    BEGIN(answers);
    p = vetch_http_get(client, peer_url(&peer, "/"));
    peer_until(peer.n_requests == 1);
    for (const char *at = f->answer.text; *at != '\0'; at++) {
        one[0] = *at;
        if (vetch_promise_state(p) == VETCH_PENDING)
            peer_send(&peer, 0, one);
        vt_run_ready();
    }
    if (f->answer.then == PEER_CLOSE && peer.conn[0] != NULL)
        peer_close(&peer, 0);
    r = vetch_run(p, &error);
    ck_assert_msg(error == NULL, "%s", vetch_error_text(error));
    hc_body(r, f->body);
    vetch_http_response_unref(r);
    hc_end();
}
END_TEST

START_TEST(head_gets_no_body)
{
    static const struct peer_answer answers[] = {
        { OK("Content-Length: 10000000000\r\n", ""), 0, 0 },
        { OK("Transfer-Encoding: chunked\r\n", ""), 0, 0 }
    };
    vetch_http_response *r;

    BEGIN(answers);
    for (int i = 0; i < 2; i++) {
        r = hc_run(vetch_http_head(client, peer_url(&peer, "/")));
        ck_assert_uint_eq(vetch_http_response_status(r), 200);
        hc_body(r, "");
        vetch_http_response_unref(r);
    }
    ck_assert_uint_eq(peer.accepted, 1);
    ck_assert_int_eq(strncmp(peer.requests, "HEAD / HTTP/1.1\r\n", 17), 0);
    hc_end();
}
END_TEST

START_TEST(post_sends_its_body)
{
    static const struct peer_answer answers[] = {
        { OK("Content-Length: 0\r\n", ""), 0, 0 },
        { OK("Content-Length: 0\r\n", ""), 0, 0 }
    };

    BEGIN(answers);
    vetch_http_response_unref(hc_run(vetch_http_post(
        client, peer_url(&peer, "/p"), "text/plain", "what to say", 11)));
    ck_assert_ptr_nonnull(strstr(peer.requests, "POST /p HTTP/1.1\r\n"));
    ck_assert_ptr_nonnull(
        strstr(peer.requests, "Content-Type: text/plain\r\n"));
    ck_assert_ptr_nonnull(
        strstr(peer.requests, "Content-Length: 11\r\n\r\nwhat to say"));
    vetch_http_response_unref(
        hc_run(vetch_http_post(client, peer_url(&peer, "/p"), NULL, NULL, 0)));
    ck_assert_ptr_nonnull(strstr(peer.requests, "Content-Length: 0\r\n\r\n"));
    hc_end();
}
END_TEST

static size_t big_length;

static struct peer_answer
count_body(struct peer *p, const char *request)
{
    const char *body = strstr(request, "\r\n\r\n") + 4;

    (void)p;
    big_length = strlen(body);
    return (struct peer_answer){ OK("Content-Length: 2\r\n", "ok"), 0, 0 };
}

START_TEST(a_long_body_arrives_whole)
{
    size_t len = 700000;
    char *body = malloc(len);

    memset(body, 'x', len);
    hc_begin(NULL, 0, NULL);
    peer.pick = count_body;
    vetch_http_response_unref(hc_run(vetch_http_post(
        client, peer_url(&peer, "/"), "text/plain", body, len)));
    free(body);
    ck_assert_uint_eq(big_length, len);
    hc_end();
}
END_TEST

START_TEST(fields_of_a_call_are_sent)
{
    static const struct peer_answer answers[] = {
        { OK("Content-Length: 0\r\n", ""), 0, 0 }
    };
    vetch_http_call *call;
    char want[512];

    BEGIN(answers);
    call = vetch_http_call_new(client, "PROPFIND", peer_url(&peer, "/x"));
    ck_assert_int_eq(vetch_http_call_set_header(call, "X-One", "1"), 0);
    ck_assert_int_eq(vetch_http_call_set_header(call, "X-Two", "2"), 0);
    ck_assert_int_eq(vetch_http_call_set_header(call, "x-one", "one"), 0);
    ck_assert_int_eq(vetch_http_call_set_header(call, "User-Agent", "me"), 0);
    ck_assert_int_eq(vetch_http_call_set_header(call, "Accept-Encoding", "br"),
                     0);
    ck_assert_int_eq(vetch_http_call_set_body(call, "a/b", "x", 1), 0);
    ck_assert_int_eq(vetch_http_call_set_body(call, "a/c", "yz", 2), 0);
    vetch_http_response_unref(hc_run(vetch_http_call_send(call)));
    snprintf(want, sizeof(want),
             "PROPFIND /x HTTP/1.1\r\nHost: %s\r\nX-Two: 2\r\nx-one: one\r\n"
             "User-Agent: me\r\nAccept-Encoding: br\r\nContent-Type: a/c\r\n"
             "Content-Length: 2\r\n\r\nyz",
             peer.host);
    ck_assert_str_eq(peer.requests, want);
    hc_end();
}
END_TEST

START_TEST(credentials_of_the_url_become_a_field)
{
    static const struct peer_answer answers[] = {
        { OK("Content-Length: 0\r\n", ""), 0, 0 },
        { OK("Content-Length: 0\r\n", ""), 0, 0 },
        { OK("Content-Length: 0\r\n", ""), 0, 0 }
    };
    char url[128];
    vetch_http_call *call;

    BEGIN(answers);
    snprintf(url, sizeof(url), "http://Aladdin:open%%20sesame@%s/", peer.host);
    vetch_http_response_unref(hc_run(vetch_http_get(client, url)));
    ck_assert_ptr_nonnull(
        strstr(peer.requests,
               "\r\nAuthorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"));
    snprintf(url, sizeof(url), "http://a@%s/", peer.host);
    vetch_http_response_unref(hc_run(vetch_http_get(client, url)));
    ck_assert_ptr_nonnull(
        strstr(peer.requests, "\r\nAuthorization: Basic YTo=\r\n"));
    call = vetch_http_call_new(client, "GET", url);
    ck_assert_int_eq(vetch_http_call_set_header(call, "Authorization", "mine"),
                     0);
    peer.requests_len = 0;
    vetch_http_response_unref(hc_run(vetch_http_call_send(call)));
    ck_assert_ptr_nonnull(strstr(peer.requests, "\r\nAuthorization: mine\r\n"));
    ck_assert_ptr_null(strstr(peer.requests, "Basic"));
    hc_end();
}
END_TEST

START_TEST(a_call_that_is_not_sent_can_be_freed)
{
    vetch_http_call *call;

    client = vetch_http_client_new();
    call = vetch_http_call_new(client, "GET", "http://h/");
    ck_assert_int_eq(vetch_http_call_set_header(call, "A", "b"), 0);
    ck_assert_int_eq(vetch_http_call_set_body(call, "a/b", "x", 1), 0);
    vetch_http_call_free(call);
    vetch_http_call_free(NULL);
    vetch_http_client_unref(client);
}
END_TEST

static void
note_result(const vetch_error *error, void *result, void *ctx)
{
    ck_assert_ptr_null(error);
    hc_body(result, "hello");
    vetch_http_response_unref(result);
    *(bool *)ctx = true;
}

START_TEST(the_callback_form_hands_the_response_over)
{
    static const struct peer_answer answers[] = {
        { OK("Content-Length: 5\r\n", "hello"), 0, 0 }
    };
    bool done = false;

    BEGIN(answers);
    vetch_callback(vetch_http_get(client, peer_url(&peer, "/")), note_result,
                   &done);
    ck_assert(!done);
    peer_until(done);
    hc_end();
}
END_TEST

START_TEST(a_response_that_nobody_takes_is_freed)
{
    static const struct peer_answer answers[] = {
        { OK("Content-Length: 5\r\n", "hello"), 0, 0 },
        { OK("Content-Length: 5\r\n", "hello"), 0, 0 }
    };

    BEGIN(answers);
    vetch_promise_unref(vetch_http_get(client, peer_url(&peer, "/")));
    peer_until(peer.n_requests == 1);
    vetch_http_response_unref(hc_get("/"));
    hc_end();
}
END_TEST

START_TEST(requests_keep_their_client_alive)
{
    static const struct peer_answer answers[] = {
        { OK("Content-Length: 5\r\n", "hello"), 0, 0 }
    };
    vetch_promise *p;

    BEGIN(answers);
    p = vetch_http_get(client, peer_url(&peer, "/"));
    client = vetch_http_client_unref(client);
    vetch_http_response_unref(hc_run(p));
    peer_until(peer.open == 0); /* and then its connection has closed */
    hc_end();
}
END_TEST

/* ---- what cannot be sent ---- */

/* CVE-2018-12116, CVE-2019-12387, CVE-2022-31150, CVE-2022-35948,
 * CVE-2023-49081: no setter lets a line be added to the head. */
START_TEST(setters_refuse_what_breaks_the_head)
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
                                          { "Upgrade", "x" },
                                          { "Expect", "100-continue" },
                                          { "Proxy-Connection", "x" } };
    vetch_http_call *call;

    client = vetch_http_client_new();
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
END_TEST

START_TEST(an_invalid_method_is_a_rejection)
{
    static const char *const bad[] = { "", "GE T", "GET\r\n", "CONNECT",
                                       "AMETHODTHATISLONGERTHANANYMETHODIS" };

    client = vetch_http_client_new();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        vetch_error *error = hc_fail(vetch_http_call_send(
            vetch_http_call_new(client, bad[i], "http://127.0.0.1:1/")));

        ck_assert_int_eq(vetch_error_code(error), EINVAL);
        vetch_error_unref(error);
    }
    vetch_http_client_unref(client);
}
END_TEST

START_TEST(an_invalid_url_is_a_rejection)
{
    vetch_error *error;

    client = vetch_http_client_new();
    error = hc_fail(vetch_http_get(client, "https://h/"));
    ck_assert_int_eq(vetch_error_code(error), VETCH_EURL);
    ck_assert_str_eq(vetch_error_text(error),
                     "GET https://h/: unsupported scheme, not http");
    vetch_error_unref(error);
    error = hc_fail(vetch_http_get(client, "http://me:secret@h:x/"));
    ck_assert_str_eq(vetch_error_text(error), "GET h:x/: malformed port");
    vetch_error_unref(error);
    vetch_http_client_unref(client);
}
END_TEST

START_TEST(a_call_that_could_not_be_made_is_a_rejection)
{
    vetch_error *error = hc_fail(vetch_http_call_send(NULL));

    ck_assert_int_eq(vetch_error_code(error), VETCH_ENOMEM);
    vetch_error_unref(error);
    error = hc_fail(vetch_http_call_stream(NULL));
    ck_assert_int_eq(vetch_error_code(error), VETCH_ENOMEM);
    vetch_error_unref(error);
}
END_TEST

START_TEST(credentials_stay_out_of_messages)
{
    static const struct peer_answer answers[] = { { NULL, PEER_CLOSE, 0 } };
    vetch_error *error;
    char url[128];

    BEGIN(answers);
    snprintf(url, sizeof(url), "http://me:secret@%s/", peer.host);
    error = hc_fail(vetch_http_get(client, url));
    ck_assert_ptr_null(strstr(vetch_error_text(error), "secret"));
    vetch_error_unref(error);
    hc_end();
}
END_TEST

START_TEST(options_that_make_no_sense_are_refused)
{
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;

    o.size = 1;
    ck_assert_ptr_null(vetch_http_client_new_with(&o));
    ck_assert_int_eq(errno, EINVAL);
    o = (vetch_http_client_options)VETCH_HTTP_CLIENT_OPTIONS_INIT;
    o.head_seconds = -1;
    ck_assert_ptr_null(vetch_http_client_new_with(&o));
    ck_assert_int_eq(errno, EINVAL);
    vt_log_take(); /* each was named there */
}
END_TEST

/* ---- what goes wrong ---- */

START_TEST(a_refused_connection_names_everything)
{
    vetch_error *error, *want;
    char url[64];

    hc_begin(NULL, 0, NULL);
    strcpy(url, peer_url(&peer, "/br.gif"));
    hc_end();
    client = vetch_http_client_new();
    error = hc_fail(vetch_http_get(client, url));
    want = vetch_error_from_errno(ECONNREFUSED, "GET %s: connect %.*s", url,
                                  (int)(strlen(url) - 14), url + 7);
    ck_assert_str_eq(vetch_error_text(error), vetch_error_text(want));
    vetch_error_unref(want);
    ck_assert_int_eq(vetch_error_code(error), ECONNREFUSED);
    vetch_error_unref(error);
    vetch_http_client_unref(client);
}
END_TEST

struct failure {
    struct peer_answer answer;
    int code;
    const char *text;
};

/* node #28172 #31054: a message that ends too early is never taken for whole.
 */
static const struct failure truncations[] = {
    { { OK("Content-Length: 10\r\n", "12345"), PEER_CLOSE, 0 },
      VETCH_ETRUNCATED,
      "the connection ended, 5 bytes of the body are missing" },
    { { OK("Content-Length: 10\r\n", ""), PEER_CLOSE, 0 },
      VETCH_ETRUNCATED,
      "the connection ended, 10 bytes of the body are missing" },
    { { OK("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n"), PEER_CLOSE, 0 },
      VETCH_ETRUNCATED,
      "the connection ended in the middle of the body" },
    { { OK("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n"), PEER_CLOSE,
        0 },
      VETCH_ETRUNCATED,
      "the connection ended in the middle of the body" },
    { { "HTTP/1.1 200 OK\r\nContent-", PEER_CLOSE, 0 },
      VETCH_EEOF,
      "the connection ended in the middle of the head" },
    { { NULL, PEER_CLOSE, 0 },
      VETCH_EEOF,
      "the connection ended without an answer" },
};

START_TEST(an_early_end_is_an_error)
{
    const struct failure *f = &truncations[_i];

    hc_begin(&f->answer, 1, NULL);
    check_failure(f->code, f->text);
    ck_assert_uint_eq(peer.n_requests, 1); /* a fresh one is not retried */
    hc_end();
}
END_TEST

START_TEST(a_reset_is_told_from_an_end)
{
    static const struct peer_answer answers[] = {
        { OK("Content-Length: 10\r\n", "12345"), 0, 0 }
    };
    vetch_error *error = NULL;
    vetch_promise *p;

    BEGIN(answers);
    p = vetch_http_get(client, peer_url(&peer, "/"));
    peer_until(peer.n_requests == 1);
    vt_run_ready();
    peer_abort(&peer, 0);
    ck_assert_ptr_null(vetch_run(p, &error));
    ck_assert_int_eq(vetch_error_code(error), VETCH_ETRUNCATED);
    ck_assert(vetch_error_is(error, ECONNRESET));
    vetch_error_unref(error);
    hc_end();
}
END_TEST

static const struct failure malformed[] = {
    { { "ICY 200 OK\r\n\r\n", 0, 0 }, VETCH_EPROTO_HTTP, NULL },
    { { "HTTP/2.0 200 OK\r\n\r\n", 0, 0 }, VETCH_EPROTO_HTTP, NULL },
    { { "HTTP/1.1 99 No\r\n\r\n", 0, 0 }, VETCH_EPROTO_HTTP, NULL },
    { { "HTTP/1.1 600 No\r\n\r\n", 0, 0 }, VETCH_EPROTO_HTTP, NULL },
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
    { { OK("A: b\r\n c\r\n", ""), 0, 0 }, VETCH_EPROTO_HTTP, NULL },
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
    { { OK("Content-Encoding: br\r\nContent-Length: 1\r\n", "x"), 0, 0 },
      VETCH_ECODING,
      "unknown content coding" },
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

START_TEST(malformed_answers_are_refused)
{
    const struct failure *f = &malformed[_i];
    vetch_error *error;

    hc_begin(&f->answer, 1, NULL);
    if (f->text != NULL) {
        check_failure(f->code, f->text);
    } else {
        error = hc_fail(vetch_http_get(client, peer_url(&peer, "/")));
        ck_assert_int_eq(vetch_error_code(error), f->code);
        vetch_error_unref(error);
    }
    hc_end();
}
END_TEST

START_TEST(twenty_informational_answers_are_enough)
{
    static char text[4096];
    struct peer_answer answer = { text, 0, 0 };

    text[0] = '\0';
    for (int i = 0; i < 20 + _i; i++)
        strcat(text, "HTTP/1.1 102 Processing\r\n\r\n");
    strcat(text, OK("Content-Length: 2\r\n", "ok"));
    hc_begin(&answer, 1, NULL);
    if (_i == 0) {
        vetch_http_response *r = hc_get("/");

        hc_body(r, "ok");
        vetch_http_response_unref(r);
    } else {
        check_failure(VETCH_EPROTO_HTTP, "too many informational responses");
    }
    hc_end();
}
END_TEST

START_TEST(bytes_behind_the_answer_end_the_connection)
{
    static const struct peer_answer answers[] = {
        { "HTTP/1.1 204 No Content\r\n\r\nx", 0, 0 },
        { OK("Content-Length: 0\r\n", ""), 0, 0 }
    };

    BEGIN(answers);
    vetch_http_response_unref(hc_get("/"));
    vetch_http_response_unref(hc_get("/"));
    ck_assert_uint_eq(peer.accepted, 2);
    hc_end();
}
END_TEST

/* What was announced is only a part, and nobody may take it for the whole. */
START_TEST(a_body_longer_than_announced_is_refused)
{
    static const struct peer_answer answers[] = {
        { OK("Content-Length: 3\r\n", "hello"), 0, 0 },
        { OK("Content-Length: 5\r\n", "helloHTTP/1.1 200 OK\r\n"), 0, 0 },
        { OK("Content-Length: 5\r\n", "hello"), 0, 0 }
    };
    vetch_http_response *r;

    BEGIN(answers);
    for (int i = 0; i < 2; i++)
        hc_fails(hc_start("/"), "/", VETCH_EPROTO_HTTP,
                 "the body is longer than its Content-Length");
    r = hc_get("/");
    hc_body(r, "hello");
    vetch_http_response_unref(r);
    ck_assert_uint_eq(peer.accepted, 3);
    hc_end();
}
END_TEST

/* ---- limits ---- */

START_TEST(a_long_body_is_refused_before_it_comes)
{
    static const struct peer_answer answers[] = {
        { OK("Content-Length: 10000000000\r\n", ""), 0, 0 }
    };

    BEGIN(answers);
    check_failure(VETCH_ETOOLARGE, "the body is larger than 16777216 bytes");
    hc_end();
}
END_TEST

static const struct peer_answer unannounced[] = {
    { OK("Transfer-Encoding: chunked\r\n",
         "8\r\n12345678\r\n8\r\n12345678\r\n"),
      0, 0 },
    { OK("", "1234567812345678"), 0, 0 },
    { OK("Content-Length: 11\r\n", "12345678123"), 0, 0 },
};

START_TEST(a_body_is_refused_as_soon_as_it_is_too_long)
{
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;

    o.max_body_bytes = 10;
    hc_begin(&unannounced[_i], 1, &o);
    check_failure(VETCH_ETOOLARGE, "the body is larger than 10 bytes");
    hc_end();
}
END_TEST

START_TEST(a_body_of_just_the_limit_is_taken)
{
    static const struct peer_answer answers[] = {
        { OK("Transfer-Encoding: chunked\r\n",
             "5\r\n12345\r\n5\r\n12345\r\n0\r\n\r\n"),
          0, 0 },
        { OK("Content-Length: 10\r\n", "1234512345"), 0, 0 }
    };
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;
    vetch_http_response *r;

    o.max_body_bytes = 10;
    hc_begin(answers, 2, &o);
    for (int i = 0; i < 2; i++) {
        r = hc_get("/");
        hc_body(r, "1234512345");
        vetch_http_response_unref(r);
    }
    hc_end();
}
END_TEST

/* CVE-2018-12121, CVE-2023-38039: the head is bounded. */
START_TEST(a_long_head_is_refused)
{
    static char text[40000];
    struct peer_answer answer = { text, 0, 0 };
    vetch_error *error;

    strcpy(text, "HTTP/1.1 200 OK\r\nX: ");
    memset(text + strlen(text), 'x', 20000);
    hc_begin(&answer, 1, NULL);
    error = hc_fail(vetch_http_get(client, peer_url(&peer, "/")));
    ck_assert_int_eq(vetch_error_code(error), VETCH_ETOOLARGE);
    vetch_error_unref(error);
    hc_end();
}
END_TEST

START_TEST(the_limit_of_the_head_can_be_raised)
{
    static char text[3000000];
    struct peer_answer answer = { text, 0, 0 };
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;
    vetch_http_response *r;

    o.max_head_bytes = 2500000;
    strcpy(text, "HTTP/1.1 200 OK\r\nX: ");
    memset(text + strlen(text), 'x', 2000000);
    strcat(text, "\r\nContent-Length: 2\r\n\r\nok");
    hc_begin(&answer, 1, &o);
    r = hc_get("/");
    ck_assert_uint_eq(strlen(vetch_http_response_header(r, "x")), 2000000);
    hc_body(r, "ok");
    vetch_http_response_unref(r);
    hc_end();
}
END_TEST

/* CVE-2022-32205: very many fields. */
START_TEST(the_number_of_fields_is_bounded)
{
    static char text[16000];
    struct peer_answer answer = { text, 0, 0 };
    vetch_error *error;

    strcpy(text, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 300; i++)
        strcat(text, "Set-Cookie: a=b\r\n");
    strcat(text, "Content-Length: 0\r\n\r\n");
    hc_begin(&answer, 1, NULL);
    error = hc_fail(vetch_http_get(client, peer_url(&peer, "/")));
    ck_assert_int_eq(vetch_error_code(error), VETCH_ETOOLARGE);
    vetch_error_unref(error);
    hc_end();
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("http_client");
    TCase *basics = vt_reactor_tcase("basics");
    TCase *errors = vt_reactor_tcase("errors");
    TCase *limits = vt_reactor_tcase("limits");
    const int n_framings = sizeof(framings) / sizeof(framings[0]);

    tcase_add_test(basics, get_gives_the_whole_response);
    tcase_add_test(basics, the_request_is_as_the_rfc_wants_it);
    tcase_add_test(basics, an_empty_path_is_a_slash);
    tcase_add_test(basics, a_second_request_uses_the_same_connection);
    tcase_add_loop_test(basics, every_framing_gives_its_body, 0, n_framings);
    tcase_add_loop_test(basics, a_response_may_come_byte_by_byte, 0,
                        n_framings);
    tcase_add_test(basics, head_gets_no_body);
    tcase_add_test(basics, post_sends_its_body);
    tcase_add_test(basics, a_long_body_arrives_whole);
    tcase_add_test(basics, fields_of_a_call_are_sent);
    tcase_add_test(basics, credentials_of_the_url_become_a_field);
    tcase_add_test(basics, a_call_that_is_not_sent_can_be_freed);
    tcase_add_test(basics, the_callback_form_hands_the_response_over);
    tcase_add_test(basics, a_response_that_nobody_takes_is_freed);
    tcase_add_test(basics, requests_keep_their_client_alive);
    tcase_add_test(errors, setters_refuse_what_breaks_the_head);
    tcase_add_test(errors, an_invalid_method_is_a_rejection);
    tcase_add_test(errors, an_invalid_url_is_a_rejection);
    tcase_add_test(errors, a_call_that_could_not_be_made_is_a_rejection);
    tcase_add_test(errors, credentials_stay_out_of_messages);
    vt_add_misuse_test(errors, options_that_make_no_sense_are_refused);
    tcase_add_test(errors, a_refused_connection_names_everything);
    tcase_add_loop_test(errors, an_early_end_is_an_error, 0,
                        sizeof(truncations) / sizeof(truncations[0]));
    tcase_add_test(errors, a_reset_is_told_from_an_end);
    tcase_add_loop_test(errors, malformed_answers_are_refused, 0,
                        sizeof(malformed) / sizeof(malformed[0]));
    tcase_add_loop_test(errors, twenty_informational_answers_are_enough, 0, 2);
    tcase_add_test(errors, bytes_behind_the_answer_end_the_connection);
    tcase_add_test(errors, a_body_longer_than_announced_is_refused);
    tcase_add_test(limits, a_long_body_is_refused_before_it_comes);
    tcase_add_loop_test(limits, a_body_is_refused_as_soon_as_it_is_too_long, 0,
                        3);
    tcase_add_test(limits, a_body_of_just_the_limit_is_taken);
    tcase_add_test(limits, a_long_head_is_refused);
    tcase_add_test(limits, the_limit_of_the_head_can_be_raised);
    tcase_add_test(limits, the_number_of_fields_is_bounded);
    suite_add_tcase(suite, basics);
    suite_add_tcase(suite, errors);
    suite_add_tcase(suite, limits);
    return vt_main(suite);
}
