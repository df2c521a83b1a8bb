/* Stopping the server: node 2642, 51677, 60617; aiohttp 1221, 3638, 7718;
 * cpython 79033, 104344: it must not hang on idle connections, on WebSockets
 * or on handlers that are stuck, and says what it had to cut. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/http_server_kit.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

struct handler {
    vetch_http_request *request;
    vetch_deferred *deferred;
    unsigned canceled;
    bool stubborn;
};

static void
on_cancel(vetch_deferred *d, void *ctx)
{
    struct handler *h = ctx;

    h->canceled++;
    if (!h->stubborn)
        vetch_deferred_cancel(d);
}

static vetch_promise *
wait_for_test(vetch_http_request *r, void *ctx)
{
    struct handler *h = ctx;

    h->request = r;
    h->deferred = vetch_deferred_new(on_cancel, h);
    return vetch_deferred_promise(h->deferred);
}

static void
finish(struct handler *h, unsigned status)
{
    if (status != 0)
        vetch_http_reply(h->request, status, NULL, NULL, 0);
    vetch_deferred_resolve(h->deferred, NULL, NULL);
    h->deferred = vetch_deferred_unref(h->deferred);
    vt_run_ready();
}

static vetch_promise *
hello(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    vetch_http_reply(r, 200, NULL, "hello", 5);
    return NULL;
}

static vetch_promise *
stop(double seconds)
{
    vetch_promise *p = vetch_http_server_stop(hsk_server, seconds);

    vt_run_ready();
    return p;
}

/* Assert what the report says; the server is released. */
static void
expect_report(vetch_promise *p, size_t ended, size_t canceled, size_t cut)
{
    const vetch_stop_report *report;

    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    report = vetch_promise_value(p);
    ck_assert_uint_eq(vetch_stop_report_ended(report), ended);
    ck_assert_uint_eq(vetch_stop_report_canceled(report), canceled);
    ck_assert_uint_eq(vetch_stop_report_cut(report), cut);
    vetch_promise_unref(p);
    hsk_server = vetch_http_server_unref(hsk_server);
    vt_run_ready();
}

VT_CASE("graceful", vt_reactor_tcase);

VT_TEST(a_server_without_connections_stops_at_once)
{
    hsk_start(NULL);
    expect_report(stop(10), 0, 0, 0);
}

VT_TEST(idle_connections_do_not_keep_it)
{
    struct hsk_client t[3];
    vetch_promise *p;
    int i;

    hsk_start(NULL);
    hsk_route("GET", "/", hello, NULL);
    for (i = 0; i < 3; i++)
        hsk_connect(&t[i]);
    hsk_say(&t[0], GET);
    ck_assert_uint_eq(hsk_hear(&t[0]), 200);
    p = stop(10);
    for (i = 0; i < 3; i++) {
        ck_assert(hsk_hear_end(&t[i]));
        hsk_hang_up(&t[i]);
    }
    expect_report(p, 0, 0, 0);
}

VT_TEST(clients_that_do_not_close_do_not_keep_it)
{
    struct hsk_client t;
    vetch_promise *p;

    hsk_start(NULL);
    hsk_connect(&t);
    p = stop(10);
    ck_assert(hsk_hear_end(&t));
    vt_advance(2.1); /* lingering */
    expect_report(p, 0, 0, 0);
    hsk_hang_up(&t);
}

VT_TEST(nothing_is_accepted_any_more)
{
    char endpoint[200];
    struct handler h = { 0 };
    struct hsk_client t;
    vetch_promise *p, *again;

    hsk_start_tcp(NULL);
    hsk_route("GET", "/", wait_for_test, &h);
    hsk_connect(&t);
    hsk_say(&t, GET);
    while (h.request == NULL)
        vt_run_ready();
    snprintf(endpoint, sizeof(endpoint), "%s",
             vetch_http_server_endpoint(hsk_server));
    p = stop(10);
    again = vetch_connect(endpoint);
    while (vetch_promise_state(again) == VETCH_PENDING)
        vt_run_ready();
    ck_assert(vetch_error_is(vetch_promise_error(again), ECONNREFUSED));
    vetch_promise_unref(again);
    finish(&h, 200);
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert(hsk_hear_end(&t));
    hsk_hang_up(&t);
    while (vetch_promise_state(p) == VETCH_PENDING)
        vt_run_ready();
    expect_report(p, 1, 0, 0);
}

VT_TEST(requests_in_flight_end_with_close)
{
    struct handler h = { 0 };
    struct hsk_client t;
    vetch_promise *p;

    hsk_start(NULL);
    hsk_route("GET", "/", wait_for_test, &h);
    hsk_connect(&t);
    hsk_say(&t, GET);
    p = stop(10);
    vt_advance(9);
    ck_assert_uint_eq(h.canceled, 0);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    finish(&h, 200);
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_str_eq(hsk_field(&t, "Connection"), "close");
    ck_assert(hsk_hear_end(&t));
    hsk_hang_up(&t);
    expect_report(p, 1, 0, 0);
}

VT_TEST(a_request_on_its_way_is_still_served)
{
    struct hsk_client t;
    vetch_promise *p;

    hsk_start(NULL);
    hsk_route("GET", "/", hello, NULL);
    hsk_connect(&t);
    hsk_say(&t, "GET / HTTP/1.1\r\nHo");
    p = stop(10);
    ck_assert(hsk_is_silent(&t));
    hsk_say(&t, "st: a\r\n\r\n");
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert_str_eq(hsk_field(&t, "Connection"), "close");
    ck_assert(hsk_hear_end(&t));
    hsk_hang_up(&t);
    expect_report(p, 1, 0, 0);
}

VT_CASE("deadline", vt_reactor_tcase);

VT_TEST(handlers_are_cancelled_at_the_deadline)
{
    struct handler h = { 0 };
    struct hsk_client t;
    vetch_promise *p;

    hsk_start(NULL);
    hsk_route("GET", "/", wait_for_test, &h);
    hsk_connect(&t);
    hsk_say(&t, GET);
    p = stop(10);
    vt_advance(9.9);
    ck_assert_uint_eq(h.canceled, 0);
    vt_log_from(VETCH_LOG_WARNING);
    vt_advance(0.2);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "handlers had to be cancelled: "
                                                "1, such as that of GET /"));
    ck_assert_uint_eq(h.canceled, 1);
    ck_assert_uint_eq(hsk_hear(&t), 500); /* it did not answer */
    ck_assert(hsk_hear_end(&t));
    hsk_hang_up(&t);
    vetch_deferred_unref(h.deferred);
    expect_report(p, 1, 1, 0);
}

VT_TEST(what_does_not_stop_is_cut_a_second_later)
{
    struct handler h = { .stubborn = true };
    struct hsk_client t;
    vetch_promise *p;

    hsk_start(NULL);
    hsk_route("GET", "/", wait_for_test, &h);
    hsk_connect(&t);
    hsk_say(&t, GET);
    p = stop(10);
    vt_log_from(VETCH_LOG_WARNING);
    vt_advance(10.1);
    ck_assert_uint_eq(h.canceled, 1);
    vt_advance(1);
    hsk_hear_end(&t);
    hsk_hang_up(&t);
    /* But it may use what the program will free: only its end is the end. */
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    ck_assert_int_eq(vetch_http_reply(h.request, 200, NULL, "x", 1), 0);
    finish(&h, 0);
    expect_report(p, 0, 1, 1);
    vt_log_take();
}

VT_TEST(handlers_that_refuse_are_named_every_ten_seconds)
{
    struct handler h[2] = { { .stubborn = true }, { .stubborn = true } };
    vetch_promise *p;
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/one", wait_for_test, &h[0]);
    hsk_route("GET", "/two", wait_for_test, &h[1]);
    hsk_connect(&t);
    hsk_get(&t, "/one");
    hsk_get(&t, "/two");
    p = stop(5);
    vt_log_from(VETCH_LOG_WARNING);
    vt_advance(9);
    vt_log_take();
    vt_advance(1);
    ck_assert_ptr_nonnull(strstr(vt_log_take(),
                                 "handlers have not ended: 2, such as that of "
                                 "GET /"));
    finish(&h[0], 0);
    vt_advance(9);
    ck_assert_str_eq(vt_log_take(), "");
    vt_advance(1);
    ck_assert_ptr_nonnull(strstr(vt_log_take(),
                                 "handlers have not ended: 1, such as that of "
                                 "GET /two"));
    finish(&h[1], 0);
    hsk_hang_up(&t);
    expect_report(p, 0, 2, 1);
}

VT_TEST(the_handler_of_a_client_that_left_is_waited_for)
{
    struct handler h = { .stubborn = true };
    vetch_promise *p;
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", wait_for_test, &h);
    hsk_connect(&t);
    hsk_say(&t, GET);
    hsk_hang_up(&t);
    ck_assert_uint_eq(h.canceled, 1);
    p = stop(10);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    finish(&h, 0);
    expect_report(p, 0, 0, 0);
}

VT_TEST(a_handler_that_runs_on_after_its_response_is_waited_for)
{
    struct handler h = { 0 };
    vetch_promise *p;
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", wait_for_test, &h);
    hsk_connect(&t);
    hsk_say(&t, "GET / HTTP/1.0\r\n\r\n");
    vetch_http_reply(h.request, 200, NULL, "x", 1);
    ck_assert_uint_eq(hsk_hear(&t), 200);
    ck_assert(hsk_hear_end(&t));
    hsk_hang_up(&t);
    p = stop(10);
    vt_advance(9);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    ck_assert_uint_eq(h.canceled, 0);
    vt_log_from(VETCH_LOG_WARNING);
    vt_advance(1.1);
    ck_assert_uint_eq(h.canceled, 1);
    vt_log_take();
    vetch_deferred_unref(h.deferred);
    expect_report(p, 0, 1, 0);
}

static vetch_promise *
wait_for_own_stop(vetch_http_request *r, void *ctx)
{
    (void)r;
    (void)ctx;
    return vetch_http_server_stop(hsk_server, 10);
}

VT_TEST(a_handler_that_awaits_its_own_stop_ends_at_the_deadline)
{
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", wait_for_own_stop, NULL);
    hsk_connect(&t);
    hsk_say(&t, GET);
    vt_advance(9.9);
    ck_assert(hsk_is_silent(&t));
    vt_log_from(VETCH_LOG_WARNING);
    vt_advance(0.2);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "such as that of GET /"));
    ck_assert_uint_eq(hsk_hear(&t), 500);
    hsk_hang_up(&t);
    expect_report(stop(0), 1, 1, 0);
}

VT_TEST(each_call_has_a_promise_of_its_own)
{
    struct handler h = { 0 };
    vetch_promise *first, *second;
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", wait_for_test, &h);
    hsk_connect(&t);
    hsk_say(&t, GET);
    first = stop(100);
    second = stop(100);
    vetch_promise_cancel(first);
    vt_run_ready();
    ck_assert(vetch_error_is(vetch_promise_error(first), VETCH_ECANCELED));
    vetch_promise_unref(first);
    ck_assert_uint_eq(h.canceled, 0);
    ck_assert_int_eq(vetch_promise_state(second), VETCH_PENDING);
    finish(&h, 200);
    ck_assert_uint_eq(hsk_hear(&t), 200);
    hsk_hang_up(&t);
    expect_report(second, 1, 0, 0);
}

VT_TEST(slow_clients_are_cut_too)
{
    struct hsk_client body, head;
    vetch_promise *p;

    hsk_start(NULL);
    hsk_route("POST", "/", hello, NULL);
    hsk_connect(&body);
    hsk_connect(&head);
    hsk_say(&body, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
    hsk_say(&head, "POST");
    p = stop(2);
    vt_advance(3.1);
    hsk_hear_end(&body);
    hsk_hear_end(&head);
    hsk_hang_up(&body);
    hsk_hang_up(&head);
    expect_report(p, 0, 0, 2);
}

VT_TEST(a_stop_of_no_time_cuts_within_a_second)
{
    struct handler h = { .stubborn = true };
    struct hsk_client busy, idle;
    vetch_promise *p;

    hsk_start(NULL);
    hsk_route("GET", "/", wait_for_test, &h);
    hsk_connect(&busy);
    hsk_connect(&idle);
    hsk_say(&busy, GET);
    p = stop(0);
    vt_advance(0.001);
    ck_assert_uint_eq(h.canceled, 1);
    vt_advance(1.001);
    hsk_hang_up(&busy);
    hsk_hang_up(&idle);
    finish(&h, 0);
    expect_report(p, 0, 1, 1);
}

VT_TEST(the_earliest_deadline_counts)
{
    struct handler h = { 0 };
    vetch_promise *first, *second;
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", wait_for_test, &h);
    hsk_connect(&t);
    hsk_say(&t, GET);
    first = stop(100);
    second = stop(1);
    vt_log_from(VETCH_LOG_WARNING);
    vt_advance(1.1);
    vt_log_take();
    ck_assert_uint_eq(h.canceled, 1);
    ck_assert_uint_eq(hsk_hear(&t), 500);
    hsk_hang_up(&t);
    vetch_deferred_unref(h.deferred);
    ck_assert_int_eq(vetch_promise_state(second), VETCH_FULFILLED);
    vetch_promise_unref(second);
    second = stop(5); /* it has stopped: the same report */
    ck_assert_int_eq(vetch_promise_state(second), VETCH_FULFILLED);
    vetch_promise_unref(second);
    expect_report(first, 1, 1, 0);
}

VT_TEST(cancelling_the_stop_cuts_at_once)
{
    struct handler h = { 0 };
    vetch_promise *p;
    struct hsk_client t;

    hsk_start(NULL);
    hsk_route("GET", "/", wait_for_test, &h);
    hsk_connect(&t);
    hsk_say(&t, GET);
    p = stop(100);
    vetch_promise_cancel(p);
    vt_run_ready();
    ck_assert_uint_eq(h.canceled, 1);
    ck_assert_int_ne(vetch_promise_state(p), VETCH_PENDING);
    vetch_promise_unref(p);
    vetch_deferred_unref(h.deferred);
    hsk_hang_up(&t);
    hsk_server = vetch_http_server_unref(hsk_server);
    vt_run_ready();
}

VT_TEST(a_bad_deadline_is_refused)
{
    vetch_promise *p;

    hsk_start(NULL);
    p = vetch_http_server_stop(hsk_server, -1);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(p)), EINVAL);
    vetch_promise_unref(p);
    hsk_end();
}
