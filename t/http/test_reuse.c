/* Connections used again: the race with a server that closes, the limits of
 * the pool on real connections, and cancels at every point. */

#include "support/harness.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "support/http_client_kit.h"

#define EMPTY OK("Content-Length: 0\r\n", "")

static const struct peer_response ok_then_close[] = { { EMPTY, 0, 0 },
                                                      { NULL, HOK_CLOSE, 0 },
                                                      { EMPTY, 0, 0 } };
static const struct peer_response ok_then_reset[] = { { EMPTY, 0, 0 },
                                                      { NULL, HOK_ABORT, 0 },
                                                      { EMPTY, 0, 0 } };
static const struct peer_response silence[] = { { NULL, 0, 0 } };

static void
cancel_and_check(vetch_promise *p)
{
    vetch_error *error;

    vetch_promise_cancel(p);
    error = hck_fail(p);
    ck_assert_int_eq(vetch_error_code(error), VETCH_ECANCELED);
    vetch_error_unref(error);
}

/* ---- the race ---- */

VT_CASE("race", vt_reactor_tcase);

/* node #20256 #35526 #47130 #52649 #59193, aiohttp #850 #9138 #10790, curl
 * #4246 #5884: the server closed while our request was on its way. */
VT_TEST(a_request_on_a_dead_connection_is_tried_again, .loops = 2)
{
    if (_i == 0)
        BEGIN(ok_then_close);
    else
        BEGIN(ok_then_reset);
    hck_get_ok("/1");
    hck_get_ok("/2");
    ck_assert_uint_eq(peer.n_requests, 3);
    ck_assert_uint_eq(peer.accepted, 2);
    ck_assert_uint_eq(hck_stats().opened, 2);
    ck_assert_uint_eq(hck_stats().requests, 3);
    hck_end();
}

VT_TEST(it_is_tried_again_once_only)
{
    static const struct peer_response responses[] = { { EMPTY, 0, 0 },
                                                      { NULL, HOK_CLOSE, 0 },
                                                      { NULL, HOK_CLOSE, 0 },
                                                      { EMPTY, 0, 0 } };

    BEGIN(responses);
    hck_get_ok("/");
    hck_fails(hck_start("/"), "/", VETCH_EEOF,
              "the connection ended without a response");
    ck_assert_uint_eq(peer.n_requests, 3);
    hck_end();
}

VT_TEST(a_fresh_connection_is_not_tried_again)
{
    static const struct peer_response responses[] = { { NULL, HOK_CLOSE, 0 },
                                                      { EMPTY, 0, 0 } };

    BEGIN(responses);
    hck_fails(hck_start("/"), "/", VETCH_EEOF,
              "the connection ended without a response");
    ck_assert_uint_eq(peer.n_requests, 1);
    hck_end();
}

VT_TEST(what_is_not_idempotent_is_not_tried_again)
{
    vetch_error *error;

    BEGIN(ok_then_close);
    hck_get_ok("/");
    error =
        hck_fail(vetch_http_post(client, hok_url(&peer, "/"), NULL, "x", 1));
    ck_assert_int_eq(vetch_error_code(error), VETCH_EEOF);
    vetch_error_unref(error);
    ck_assert_uint_eq(peer.n_requests, 2);
    hck_end();
}

VT_TEST(a_response_that_had_begun_is_not_tried_again)
{
    static const struct peer_response responses[] = { { EMPTY, 0, 0 },
                                                      { "H", HOK_CLOSE, 0 },
                                                      { EMPTY, 0, 0 } };

    BEGIN(responses);
    hck_get_ok("/");
    hck_fails(hck_start("/"), "/", VETCH_EEOF,
              "the connection ended in the middle of the head");
    ck_assert_uint_eq(peer.n_requests, 2);
    hck_end();
}

VT_TEST(trying_again_can_be_switched_off)
{
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;

    o.retry = false;
    BEGIN_WITH(ok_then_close, &o);
    hck_get_ok("/");
    hck_fails(hck_start("/"), "/", VETCH_EEOF,
              "the connection ended without a response");
    ck_assert_uint_eq(peer.n_requests, 2);
    hck_end();
}

VT_TEST(a_body_is_sent_again_with_its_request)
{
    vetch_http_call *call;
    const char *first, *second;

    BEGIN(ok_then_close);
    hck_get_ok("/");
    peer.requests_len = 0;
    call = vetch_http_call_new(client, "PUT", hok_url(&peer, "/p"));
    ck_assert_int_eq(vetch_http_call_set_body(call, "a/b", "content", 7), 0);
    vetch_http_response_unref(hck_run(vetch_http_call_send(call)));
    first = strstr(peer.requests, "\r\n\r\ncontent");
    ck_assert_ptr_nonnull(first);
    second = strstr(first + 1, "\r\n\r\ncontent");
    ck_assert_ptr_nonnull(second);
    hck_end();
}

VT_TEST(a_retry_can_be_cancelled)
{
    vetch_promise *p;

    BEGIN(ok_then_close);
    peer.n_responses = 2;
    hck_get_ok("/");
    p = hck_start("/");
    hok_until(peer.n_requests == 3);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    cancel_and_check(p);
    ck_assert_uint_eq(hck_stats().connections, 0);
    hck_end();
}

/* LESSONS 7 again: what came while nobody looked. */
VT_TEST(a_connection_that_was_closed_meanwhile_is_not_used, .loops = 2)
{
    static const struct peer_response responses[] = { { EMPTY, 0, 0 },
                                                      { EMPTY, 0, 0 } };

    BEGIN(responses);
    hck_get_ok("/");
    if (_i == 0)
        hok_close(&peer, 0);
    else
        hok_send(&peer, 0, "HTTP/1.1 408 Request Timeout\r\n\r\n");
    vt_run_ready();
    ck_assert_uint_eq(hck_stats().idle, 0);
    hck_get_ok("/");
    ck_assert_uint_eq(peer.n_requests, 2);
    ck_assert_uint_eq(peer.accepted, 2);
    hck_end();
}

/* The loop has not seen it yet: the look at the socket before reuse does. */
VT_TEST(a_close_that_was_not_noticed_yet_is_noticed, .loops = 2)
{
    static const struct peer_response responses[] = { { EMPTY, 0, 0 },
                                                      { EMPTY, 0, 0 } };

    BEGIN(responses);
    hck_get_ok("/");
    if (_i == 0)
        hok_close(&peer, 0);
    else
        hok_send(&peer, 0, "x");
    hok_turn(); /* it is on its way when this turn ends, not before */
    ck_assert_uint_eq(hck_stats().idle, 1);
    hck_get_ok("/");
    ck_assert_uint_eq(peer.n_requests, 2); /* not by trying again */
    ck_assert_uint_eq(peer.accepted, 2);
    hck_end();
}

static const struct peer_response close_silently[] = { { EMPTY, HOK_CLOSE, 0 },
                                                       { EMPTY, HOK_CLOSE, 0 },
                                                       { EMPTY, 0, 0 } };

static vetch_promise *
post(void)
{
    return vetch_http_post(client, hok_url(&peer, "/"), NULL, "x", 1);
}

static vetch_promise *
post_again(void *response, void *ctx)
{
    (void)response;
    (void)ctx;
    return post();
}

/* The end came with the response before, and nobody had time to notice it. A
 * POST is not tried again. */
VT_TEST(a_close_that_came_with_the_response_is_noticed)
{
    BEGIN(close_silently);
    vetch_http_response_unref(hck_run(
        vetch_then(vetch_then(post(), post_again, NULL), post_again, NULL)));
    ck_assert_uint_eq(peer.n_requests, 3);
    ck_assert_uint_eq(peer.accepted, 3);
    hck_end();
}

VT_TEST(who_waits_does_not_get_a_closed_connection)
{
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;
    vetch_promise *p[3];

    o.max_per_host = 1;
    BEGIN_WITH(close_silently, &o);
    for (int i = 0; i < 3; i++)
        p[i] = post();
    for (int i = 0; i < 3; i++)
        vetch_http_response_unref(hck_run(p[i]));
    ck_assert_uint_eq(peer.n_requests, 3);
    ck_assert_uint_eq(peer.accepted, 3);
    hck_end();
}

/* What nobody asked for answers nobody. */
VT_TEST(a_stray_response_is_not_taken_for_the_one_awaited, .loops = 2)
{
    static const struct peer_response responses[] = {
        { EMPTY "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", 0,
          0 },
        { EMPTY, 0, 0 }
    };
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;
    vetch_http_response *r;
    vetch_promise *p;

    o.max_per_host = 1;
    BEGIN_WITH(responses, &o);
    if (_i == 0) {
        p = vetch_then(post(), post_again, NULL);
    } else { /* it waits while the first is served */
        vetch_promise_unref(post());
        p = post();
    }
    r = hck_run(p);
    ck_assert_uint_eq(vetch_http_response_status(r), 200);
    ck_assert_uint_eq(peer.accepted, 2);
    vetch_http_response_unref(r);
    hck_end();
}

/* ---- limits ---- */

VT_CASE("limits", vt_reactor_tcase);

VT_TEST(a_host_gets_no_more_than_its_share)
{
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;
    vetch_promise *p[10];

    o.max_per_host = 3;
    BEGIN_WITH(silence, &o);
    for (int i = 0; i < 10; i++)
        p[i] = hck_start("/");
    ck_assert_uint_eq(hck_stats().connections, 3);
    ck_assert_uint_eq(hck_stats().waiting, 7);
    hok_until(peer.n_requests == 3);
    for (int i = 0; i < 10; i++) {
        cancel_and_check(p[i]);
        ck_assert_uint_le(hck_stats().connections, 3);
        ck_assert_uint_eq(hck_stats().waiting, i < 7 ? 6 - (size_t)i : 0);
    }
    ck_assert_uint_eq(hck_stats().connections, 0);
    hck_end();
}

VT_TEST(eight_for_a_host_and_a_hundred_in_all_by_default)
{
    enum { HOSTS = 13, EACH = 9 };
    static struct hok_origin hosts[HOSTS];
    vetch_promise *p[HOSTS][EACH];

    client = vetch_http_client_new(NULL);
    for (int i = 0; i < HOSTS; i++) {
        HOK_START(&hosts[i], silence);
        for (int k = 0; k < EACH; k++)
            p[i][k] = vetch_http_get(client, hok_url(&hosts[i], "/"));
        ck_assert_uint_eq(hck_stats().connections,
                          i < 12 ? 8 * (size_t)(i + 1) : 100);
    }
    ck_assert_uint_eq(hck_stats().waiting, HOSTS * EACH - 100);
    for (int i = 0; i < HOSTS; i++) {
        for (int k = 0; k < EACH; k++)
            cancel_and_check(p[i][k]);
        hok_stop(&hosts[i]);
    }
    client = vetch_http_client_unref(client);
}

static struct peer_response
echo_path(struct hok_origin *p, const char *request)
{
    static char text[128];
    int len = (int)strcspn(request + 4, " ");

    (void)p;
    snprintf(text, sizeof(text), OK("Content-Length: %d\r\n", "%.*s"), len, len,
             request + 4);
    return (struct peer_response){ text, HOK_KEEP, 0 };
}

VT_TEST(waiting_requests_are_served_in_order)
{
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;
    vetch_promise *p[20];
    const char *at;

    o.max_per_host = 1;
    hck_begin(NULL, 0, &o);
    peer.pick = echo_path;
    for (int i = 0; i < 20; i++) {
        char path[16];

        snprintf(path, sizeof(path), "/%02d", i);
        p[i] = hck_start(path);
    }
    vetch_promise_cancel(p[7]);
    for (int i = 0; i < 20; i++) {
        vetch_error *error = NULL;
        vetch_http_response *r = vetch_run(p[i], &error);

        ck_assert_int_eq(vetch_error_code(error), i == 7 ? VETCH_ECANCELED : 0);
        vetch_http_response_unref(r);
        vetch_error_unref(error);
    }
    at = peer.requests;
    for (int i = 0; i < 20; i++) {
        char want[16];

        if (i == 7)
            continue;
        snprintf(want, sizeof(want), "GET /%02d ", i);
        ck_assert_int_eq(strncmp(at, want, strlen(want)), 0);
        at = strstr(at, "\r\n\r\n") + 4;
    }
    ck_assert_uint_eq(peer.accepted, 1);
    hck_end();
}

VT_TEST(an_idle_connection_of_another_origin_gives_way)
{
    static const struct peer_response responses[] = { { EMPTY, 0, 0 } };
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;
    struct hok_origin other;
    vetch_promise *p;

    o.max_connections = 1;
    BEGIN_WITH(responses, &o);
    HOK_START(&other, responses);
    hck_get_ok("/");
    p = vetch_http_get(client, hok_url(&other, "/"));
    vetch_http_response_unref(hck_run(p));
    ck_assert_uint_eq(hck_stats().connections, 1);
    hok_until(peer.open == 0);
    client = vetch_http_client_unref(client);
    hok_stop(&other);
    hck_end();
}

/* Each request of a burst to a dead host fails, one after the other gets its
 * turn, and nothing hangs. */
VT_TEST(a_dead_host_fails_all_who_wait)
{
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;
    vetch_promise *p[30];
    char url[64];

    hck_begin(NULL, 0, NULL);
    strcpy(url, hok_url(&peer, "/"));
    hck_end();
    o.max_per_host = 2;
    client = vetch_http_client_new(&o);
    for (int i = 0; i < 30; i++)
        p[i] = vetch_http_get(client, url);
    for (int i = 0; i < 30; i++) {
        vetch_error *error = hck_fail(p[i]);

        ck_assert_int_eq(vetch_error_code(error), VETCH_ECONNECT);
        vetch_error_unref(error);
    }
    ck_assert_uint_eq(hck_stats().connections, 0);
    vetch_http_client_unref(client);
}

static void
raise_descriptor_limit(void)
{
    struct rlimit limit;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

VT_TEST(a_thousand_connections_at_once)
{
    static vetch_promise *p[1000];
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;

    o.max_connections = o.max_per_host = 1000;
    hck_begin(NULL, 0, &o);
    raise_descriptor_limit();
    for (int i = 0; i < 1000; i++)
        p[i] = hck_start("/");
    hok_until(peer.n_requests == 1000);
    ck_assert_uint_eq(peer.open, 1000);
    for (size_t i = 0; i < 1000; i++)
        hok_send(&peer, i, EMPTY);
    for (int i = 0; i < 1000; i++)
        vetch_http_response_unref(hck_run(p[i]));
    ck_assert_uint_eq(hck_stats().idle, 1000);
    hck_end();
}

/* ---- cancelling ---- */

VT_CASE("cancel", vt_reactor_tcase);

/* Settled means stopped: by then the client has no connection. */
VT_TEST(a_cancel_while_connecting_stops_the_connecting)
{
    unsigned port = hck_full_listener();
    char url[64];
    vetch_promise *p;

    client = vetch_http_client_new(NULL);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", port);
    p = vetch_http_get(client, url);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    cancel_and_check(p);
    ck_assert_uint_eq(hck_stats().connections, 0);
    vetch_http_client_unref(client);
    hck_close_full_listener();
}

VT_TEST(a_cancel_before_anything_happened)
{
    BEGIN(silence);
    cancel_and_check(hck_start("/"));
    ck_assert_uint_eq(hck_stats().connections, 0);
    hck_end();
}

VT_TEST(a_cancel_before_the_head)
{
    vetch_promise *p;

    BEGIN(silence);
    p = hck_start("/");
    hok_until(peer.n_requests == 1);
    cancel_and_check(p);
    ck_assert_uint_eq(hck_stats().connections, 0);
    hok_until(peer.open == 0);
    hck_end();
}

VT_TEST(a_cancel_in_the_middle_of_the_body)
{
    static const struct peer_response responses[] = {
        { OK("Content-Length: 10\r\n", "hello"), 0, 0 }
    };
    vetch_promise *p;

    BEGIN(responses);
    p = hck_start("/");
    hok_until(peer.n_requests == 1);
    vt_run_ready();
    cancel_and_check(p);
    ck_assert_uint_eq(hck_stats().connections, 0);
    hck_end();
}

VT_TEST(a_cancel_of_a_waiter_leaves_the_rest_alone)
{
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;
    vetch_promise *first, *second;

    o.max_per_host = 1;
    BEGIN_WITH(silence, &o);
    first = hck_start("/");
    second = hck_start("/");
    cancel_and_check(second);
    ck_assert_uint_eq(hck_stats().waiting, 0);
    ck_assert_int_eq(vetch_promise_state(first), VETCH_PENDING);
    cancel_and_check(first);
    hck_end();
}

/* A handler that asks again at once, and one that lets everything go. */
static vetch_promise *
ask_again(void *response, void *ctx)
{
    ck_assert_uint_eq(vetch_http_response_status(response), 200);
    if (--*(int *)ctx == 0)
        return NULL;
    return vetch_then(hck_start("/"), ask_again, ctx);
}

VT_CASE("inside", vt_reactor_tcase);

/* curl #3537 #3601 #5354 #8083 #8282, PR #22179: the client may be used from
 * what it calls. */
VT_TEST(a_handler_may_ask_again)
{
    int left = 50;
    vetch_error *error = NULL;

    hck_begin(NULL, 0, NULL);
    peer.pick = echo_path;
    vetch_run(vetch_then(hck_start("/"), ask_again, &left), &error);
    ck_assert_ptr_null(error);
    ck_assert_int_eq(left, 0);
    ck_assert_uint_eq(peer.accepted, 1);
    hck_end();
}

static void
drop_all(const vetch_error *error, void *result, void *ctx)
{
    ck_assert_ptr_null(error);
    client = vetch_http_client_unref(client);
    vetch_http_response_unref(result);
    *(bool *)ctx = true;
}

/* libevent #689 #712 #997 #1289 #1808: and freed there. */
VT_TEST(a_handler_may_let_the_client_go)
{
    bool done = false;

    hck_begin(NULL, 0, NULL);
    peer.pick = echo_path;
    vetch_callback(hck_start("/"), drop_all, &done);
    hok_until(done);
    hok_until(peer.open == 0);
    hck_end();
}

static vetch_promise *
cancel_other(void *response, void *ctx)
{
    (void)response;
    vetch_promise_cancel(ctx);
    return NULL;
}

VT_TEST(a_handler_may_cancel_another_request)
{
    static const struct peer_response responses[] = { { EMPTY, 0, 0 } };
    vetch_promise *first, *second;
    vetch_error *error;

    BEGIN(responses);
    first = hck_start("/");
    second = hck_start("/");
    vetch_run(vetch_then(first, cancel_other, second), NULL);
    error = hck_fail(second);
    ck_assert_int_eq(vetch_error_code(error), VETCH_ECANCELED);
    vetch_error_unref(error);
    hck_end();
}
