/* Each limit on time, crossed on the virtual clock while the peer is silent;
 * and not crossed by what is slow, but not silent. */

#include "support/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/http_client_kit.h"

static const struct peer_response silence[] = { { NULL, 0, 0 } };
static const struct peer_response half_body[] = {
    { OK("Content-Length: 10\r\n", "12345"), 0, 0 }
};

/* Still pending a little before `seconds` have passed, rejected after. */
static void
expires(vetch_promise *p, double seconds, const char *text)
{
    vt_run_ready();
    vt_advance(seconds - 0.01);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vt_advance(0.02);
    hck_fails(p, "/", VETCH_ETIMEDOUT, text);
    ck_assert_uint_eq(hck_stats().connections, 0);
}

VT_CASE("limits", vt_reactor_tcase);

VT_TEST(no_response_within_the_time_for_a_head)
{
    vetch_promise *p;

    BEGIN(silence);
    p = hck_start("/");
    hok_until(peer.n_requests == 1);
    expires(p, 30, "no response within 30 s");
    hck_end();
}

VT_TEST(a_head_in_pieces_must_be_whole_in_time)
{
    static const char head[] = "HTTP/1.1 200 OK\r\n";
    vetch_promise *p;
    char one[2] = "";

    BEGIN(silence);
    p = hck_start("/");
    hok_until(peer.n_requests == 1);
    for (int i = 0; i < 15; i++) {
        one[0] = head[i];
        hok_send(&peer, 0, one);
        vt_run_ready();
        vt_advance(1.9);
    }
    expires(p, 30 - 15 * 1.9, "no response within 30 s");
    hck_end();
}

VT_TEST(an_informational_response_renews_the_time)
{
    vetch_promise *p;

    BEGIN(silence);
    p = hck_start("/");
    hok_until(peer.n_requests == 1);
    for (int i = 0; i < 5; i++) {
        hok_send(&peer, 0, "HTTP/1.1 102 Processing\r\n\r\n");
        vt_run_ready();
        vt_advance(29);
        ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    }
    hok_send(&peer, 0, "HTTP/1.1 102 Processing\r\n\r\n");
    expires(p, 30, "no response within 30 s");
    hck_end();
}

VT_TEST(a_body_may_not_stop_coming)
{
    vetch_promise *p;

    BEGIN(half_body);
    p = hck_start("/");
    hok_until(peer.n_requests == 1);
    expires(p, 30, "no more of the body within 30 s");
    hck_end();
}

VT_TEST(a_slow_body_is_not_a_silent_one)
{
    vetch_promise *p;
    vetch_http_response *r;

    BEGIN(half_body);
    p = hck_start("/");
    hok_until(peer.n_requests == 1);
    for (int i = 0; i < 5; i++) {
        vt_run_ready();
        vt_advance(29);
        ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
        hok_send(&peer, 0, "x");
    }
    r = hck_run(p);
    hck_body(r, "12345xxxxx");
    vetch_http_response_unref(r);
    hck_end();
}

VT_TEST(after_a_slow_piece_the_time_runs_anew)
{
    vetch_promise *p;

    BEGIN(half_body);
    p = hck_start("/");
    hok_until(peer.n_requests == 1);
    vt_run_ready();
    vt_advance(20);
    hok_send(&peer, 0, "x");
    expires(p, 30, "no more of the body within 30 s");
    hck_end();
}

VT_TEST(the_whole_request_is_limited_on_demand)
{
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;
    vetch_promise *p;

    o.total_seconds = 50;
    BEGIN_WITH(half_body, &o);
    p = hck_start("/");
    hok_until(peer.n_requests == 1);
    vt_run_ready();
    vt_advance(25);
    hok_send(&peer, 0, "x");
    expires(p, 25, "not done within 50 s");
    hck_end();
}

/* Waiting for a connection counts, and so ends (aiohttp #2189). */
VT_TEST(waiting_for_a_connection_is_part_of_the_whole)
{
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;
    vetch_promise *first, *second;
    vetch_error *error;

    o.total_seconds = 5;
    o.max_per_host = 1;
    BEGIN_WITH(silence, &o);
    first = hck_start("/");
    vt_advance(1);
    second = hck_start("/second");
    hok_until(peer.n_requests == 1);
    ck_assert_uint_eq(hck_stats().waiting, 1);
    vt_advance(4.5);
    error = hck_fail(first);
    ck_assert_int_eq(vetch_error_code(error), VETCH_ETIMEDOUT);
    vetch_error_unref(error);
    hok_until(peer.n_requests == 2);
    vt_advance(1);
    hck_fails(second, "/second", VETCH_ETIMEDOUT, "not done within 5 s");
    hck_end();
}

VT_TEST(infinity_means_no_limit)
{
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;
    vetch_http_response *r;
    vetch_promise *p;

    o.connect_seconds = o.head_seconds = o.body_idle_seconds = INFINITY;
    o.idle_seconds = o.total_seconds = INFINITY;
    BEGIN_WITH(silence, &o);
    p = hck_start("/");
    hok_until(peer.n_requests == 1);
    vt_advance(1e6);
    hok_send(&peer, 0, OK("Content-Length: 2\r\n", "o"));
    vt_run_ready();
    vt_advance(1e6);
    hok_send(&peer, 0, "k");
    r = hck_run(p);
    hck_body(r, "ok");
    vetch_http_response_unref(r);
    vt_advance(1e6);
    ck_assert_uint_eq(hck_stats().idle, 1);
    hck_end();
}

/* A large request on its way to a slow reader is no silent server. */
VT_TEST(sending_is_not_waiting_for_a_response)
{
    static const struct peer_response responses[] = {
        { OK("Content-Length: 2\r\n", "ok"), 0, 0 }
    };
    size_t len = 30000000;
    char *body = calloc(1, len);
    vetch_promise *p;
    vetch_http_response *r;

    BEGIN(responses);
    peer.deaf = true;
    p = vetch_http_post(client, hok_url(&peer, "/"), NULL, body, len);
    free(body);
    hok_until(peer.accepted == 1);
    for (int i = 0; i < 4; i++) {
        vt_advance(29);
        ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
        hok_resume(&peer, 0);
        for (int k = 0; k < 50; k++)
            hok_poll();
        hok_pause(&peer, 0);
        vt_run_ready();
    }
    hok_resume(&peer, 0);
    r = hck_run(p);
    hck_body(r, "ok");
    vetch_http_response_unref(r);
    hck_end();
}

static vetch_promise *
post_much(size_t len)
{
    char *body = calloc(1, len);
    vetch_promise *p;

    p = vetch_http_post(client, hok_url(&peer, "/"), NULL, body, len);
    free(body);
    hok_until(peer.accepted == 1);
    vt_run_ready();
    return p;
}

/* undici 645, reqwest 2784, request 2006: the time spent on sending is not
 * taken from that for the response. */
VT_TEST(the_time_for_a_head_begins_with_the_last_byte_sent)
{
    vetch_promise *p;
    vetch_error *error;

    BEGIN(silence);
    peer.deaf = true;
    p = post_much(30000000);
    vt_advance(20);
    hok_resume(&peer, 0);
    hok_until(peer.n_requests == 1);
    vt_advance(29.9);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vt_advance(0.2);
    error = hck_fail(p);
    ck_assert_ptr_nonnull(
        strstr(vetch_error_text(error), "no response within"));
    vetch_error_unref(error);
    hck_end();
}

VT_TEST(a_request_that_cannot_be_sent_fails_in_time)
{
    vetch_promise *p;
    vetch_error *error;

    BEGIN(silence);
    peer.deaf = true;
    p = post_much(30000000);
    vt_advance(29.9);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vt_advance(0.2);
    error = hck_fail(p);
    ck_assert_ptr_nonnull(strstr(vetch_error_text(error),
                                 "nothing of the request could be sent"));
    ck_assert_int_eq(vetch_error_code(error), VETCH_ETIMEDOUT);
    vetch_error_unref(error);
    hck_end();
}

/* A server may answer first and read then. */
VT_TEST(a_body_is_not_due_while_the_request_is_sent)
{
    vetch_http_response *r;
    vetch_promise *p;

    BEGIN(silence);
    peer.deaf = true;
    p = post_much(30000000);
    hok_send(&peer, 0, OK("Content-Length: 2\r\n", "o"));
    vt_run_ready();
    for (int i = 0; i < 4; i++) {
        vt_advance(29);
        ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
        hok_resume(&peer, 0);
        for (int k = 0; k < 50; k++)
            hok_poll();
        hok_pause(&peer, 0);
        vt_run_ready();
    }
    hok_send(&peer, 0, "k");
    r = hck_run(p);
    hck_body(r, "ok");
    vetch_http_response_unref(r);
    hck_end();
}

/* A listener whose queue is full answers nothing at all: the client may not
 * wait for ever. */
VT_TEST(no_connection_within_the_time_to_connect, .loops = 2)
{
    const double seconds = _i == 0 ? 10 : 3; /* the default, and another */
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;
    unsigned port = hck_full_listener();
    vetch_promise *p;
    vetch_error *error;
    char url[64], want[256];

    if (_i > 0)
        o.connect_seconds = seconds;
    client = vetch_http_client_new(&o);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", port);
    p = vetch_http_get(client, url);
    vt_run_ready();
    vt_advance(seconds - 0.1);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vt_advance(0.2);
    error = hck_fail(p);
    snprintf(want, sizeof(want),
             "GET %s: connect 127.0.0.1:%u: no connection within %g s", url,
             port, seconds);
    ck_assert_str_eq(vetch_error_text(error), want);
    ck_assert_int_eq(vetch_error_code(error), VETCH_ECONNECT);
    ck_assert(vetch_error_is(error, VETCH_ETIMEDOUT));
    vetch_error_unref(error);
    vetch_http_client_unref(client);
    hck_close_full_listener();
}

/* ---- idle connections ---- */

VT_CASE("idle", vt_reactor_tcase);

VT_TEST(an_idle_connection_closes_after_its_time)
{
    static const struct peer_response responses[] = {
        { OK("Content-Length: 0\r\n", ""), 0, 0 }
    };

    BEGIN(responses);
    hck_get_ok("/");
    vt_advance(9.9);
    ck_assert_uint_eq(hck_stats().idle, 1);
    vt_advance(0.2);
    ck_assert_uint_eq(hck_stats().idle, 0);
    hok_until(peer.open == 0);
    ck_assert_uint_eq(hck_stats().connections, 0);
    hck_end();
}

/* node #20256 #35526 #47130 #52649 #59193, aiohttp #850 #9138 #10790: we close
 * before the server does. */
VT_TEST(an_announced_time_is_undercut)
{
    static const struct peer_response responses[] = {
        { OK("Keep-Alive: timeout=5, max=100\r\nContent-Length: 0\r\n", ""), 0,
          0 }
    };

    BEGIN(responses);
    hck_get_ok("/");
    vt_advance(3.9);
    ck_assert_uint_eq(hck_stats().idle, 1);
    vt_advance(0.2);
    ck_assert_uint_eq(hck_stats().idle, 0);
    hck_end();
}

VT_TEST(an_announced_time_does_not_stretch_ours)
{
    static const struct peer_response responses[] = {
        { OK("Keep-Alive: max=3,timeout=500\r\nContent-Length: 0\r\n", ""), 0,
          0 }
    };

    BEGIN(responses);
    hck_get_ok("/");
    vt_advance(10.1);
    ck_assert_uint_eq(hck_stats().idle, 0);
    hck_end();
}

VT_TEST(an_announced_second_is_too_short_to_keep)
{
    static const struct peer_response responses[] = {
        { OK("Keep-Alive: timeout=1\r\nContent-Length: 0\r\n", ""), 0, 0 },
        { OK("Keep-Alive: timeout=\r\nContent-Length: 0\r\n", ""), 0, 0 },
        { OK("Keep-Alive: timeout=x\r\nContent-Length: 0\r\n", ""), 0, 0 }
    };

    BEGIN(responses);
    hck_get_ok("/");
    ck_assert_uint_eq(hck_stats().idle, 0);
    hck_get_ok("/");
    ck_assert_uint_eq(hck_stats().idle, 1); /* announces nothing */
    hck_get_ok("/");
    ck_assert_uint_eq(hck_stats().idle, 1);
    hck_end();
}

/* libevent #1781: no timer of an earlier state ends a connection in use. */
VT_TEST(a_timer_of_one_state_spares_the_next)
{
    static const struct peer_response responses[] = {
        { OK("Content-Length: 0\r\n", ""), 0, 0 },
        { NULL, 0, 0 },
        { OK("Content-Length: 0\r\n", ""), 0, 0 }
    };
    vetch_promise *p;

    BEGIN(responses);
    hck_get_ok("/");
    vt_advance(9);
    p = hck_start("/");
    hok_until(peer.n_requests == 2);
    vt_advance(25); /* past connect, idle */
    hok_send(&peer, 0, OK("Content-Length: 3\r\n", ""));
    vt_run_ready();
    vt_advance(25); /* past head */
    hok_send(&peer, 0, "abc");
    vetch_http_response_unref(hck_run(p));
    vt_advance(9); /* past body */
    hck_get_ok("/");
    ck_assert_uint_eq(peer.accepted, 1);
    hck_end();
}
