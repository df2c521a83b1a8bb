/* Readers that are slow, but not too slow, get all of a response, whatever the
 * reason for which its connection ends with it. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "support/http_server_kit.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

enum { LEN = 1000000, PER_SECOND = 20000 };

static vetch_promise *
much(vetch_http_request *r, void *ctx)
{
    char *body = calloc(1, LEN);

    (void)ctx;
    vetch_http_reply(r, 200, NULL, body, LEN);
    free(body);
    return NULL;
}

/* 0, or the error that ends the connection; the bytes are counted. */
static int
read_slowly(struct hsk_client *t, size_t *total)
{
    char area[PER_SECOND];
    ssize_t n;

    *total = t->n_in; /* it was read while we spoke */
    for (;;) {
        n = recv(t->fd, area, sizeof(area), MSG_DONTWAIT);
        if (n == 0)
            return 0;
        if (n < 0 && errno != EAGAIN)
            return errno;
        *total += n > 0 ? (size_t)n : 0;
        vt_advance(1);
    }
}

static void
start(const vetch_http_server_options *options, struct hsk_client *t)
{
    hsk_start(options);
    hsk_route("GET", "/", much, NULL);
    hsk_connect(t);
}

static void
expect_all(struct hsk_client *t)
{
    size_t total;

    ck_assert_int_eq(read_slowly(t, &total), 0);
    ck_assert_uint_gt(total, LEN);
}

VT_CASE("slow", vt_reactor_tcase);

VT_TEST(connection_close_cuts_nothing)
{
    struct hsk_client t;

    start(NULL, &t);
    hsk_say(&t, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    expect_all(&t);
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(http_1_0_cuts_nothing)
{
    struct hsk_client t;

    start(NULL, &t);
    hsk_say(&t, "GET / HTTP/1.0\r\n\r\n");
    expect_all(&t);
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(the_last_request_of_a_connection_cuts_nothing)
{
    vetch_http_server_options o = VETCH_HTTP_SERVER_OPTIONS_INIT;
    struct hsk_client t;

    o.max_requests = 1;
    start(&o, &t);
    hsk_say(&t, GET);
    expect_all(&t);
    hsk_hang_up(&t);
    hsk_end();
}

VT_TEST(a_half_closed_client_loses_nothing)
{
    struct hsk_client t;

    start(NULL, &t);
    hsk_say(&t, GET);
    ck_assert_int_eq(shutdown(t.fd, SHUT_WR), 0);
    expect_all(&t);
    hsk_hang_up(&t);
    hsk_end();
}

static void
expect_report(vetch_promise *p, size_t ended, size_t cut)
{
    const vetch_stop_report *report;

    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    report = vetch_promise_value(p);
    ck_assert_uint_eq(vetch_stop_report_ended(report), ended);
    ck_assert_uint_eq(vetch_stop_report_cut(report), cut);
    vetch_promise_unref(p);
    hsk_server = vetch_http_server_unref(hsk_server);
    vt_run_ready();
}

VT_TEST(a_stop_leaves_a_response_its_time)
{
    struct hsk_client t, new_one;
    vetch_promise *p;

    start(NULL, &t);
    hsk_connect(&new_one);
    hsk_say(&new_one, "GET /");
    hsk_say(&t, GET);
    p = vetch_http_server_stop(hsk_server, 60);
    hsk_say(&new_one, " HTTP/1.1\r\nHost: a\r\n\r\n");
    expect_all(&new_one);
    hsk_hang_up(&t); /* this one did not read at all */
    hsk_hang_up(&new_one);
    expect_report(p, 1, 1);
}

VT_TEST(a_stop_counts_what_it_cuts)
{
    struct hsk_client t;
    vetch_promise *p;
    size_t total;

    start(NULL, &t);
    hsk_say(&t, "GET / HTTP/1.0\r\n\r\n");
    p = vetch_http_server_stop(hsk_server, 10);
    read_slowly(&t, &total);
    ck_assert_uint_lt(total, LEN);
    hsk_hang_up(&t);
    expect_report(p, 0, 1);
}

VT_TEST(who_does_not_read_at_all_is_given_up)
{
    struct hsk_client t;
    size_t total;

    start(NULL, &t);
    hsk_say(&t, "GET / HTTP/1.0\r\n\r\n");
    vt_advance(30);
    read_slowly(&t, &total);
    ck_assert_uint_lt(total, LEN);
    hsk_hang_up(&t);
    hsk_end();
}
