/* Requests, streams and cancels at random, against peers that answer, hang,
 * break off and reset at random: limits hold at every moment, every request
 * ends, and nothing is left.
 *
 * VETCH_SEED repeats a run. */

#include "support/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "support/http_origin_kit.h"

#define OK(headers, body) "HTTP/1.1 200 OK\r\n" headers "\r\n" body

enum { PEERS = 3, REQUESTS = 40, STEPS = 10000 };

/* A slot of the test: at most one request at a time. */
struct request {
    vetch_promise *p;       /* a GET, or a read of the stream */
    vetch_http_response *r; /* a stream that is being read */
    bool is_stream;
};

static struct hok_origin peers[PEERS];
static struct request requests[REQUESTS];
static vetch_http_client *client;
static size_t n_started, n_ok, n_failed, n_canceled;

static struct peer_response
respond_at_random(struct hok_origin *peer, const char *request)
{
    static const struct peer_response some[] = {
        { OK("Content-Length: 5\r\n", "hello"), HOK_KEEP, 0 },
        { OK("Content-Length: 5\r\n", "hello"), HOK_KEEP, 0 },
        { OK("Content-Length: 5\r\n", "hello"), HOK_KEEP, 0 },
        { OK("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
          HOK_KEEP, 0 },
        { OK("Connection: close\r\nContent-Length: 5\r\n", "hello"), HOK_CLOSE,
          0 },
        { OK("", "hello"), HOK_CLOSE, 0 },
        { OK("Content-Length: 5\r\n", "hel"), HOK_CLOSE, 0 },
        { OK("Content-Length: 5\r\n", "hel"), HOK_ABORT, 0 },
        { OK("Content-Length: 5\r\n", "hel"), HOK_KEEP, 0 },
        { OK("Content-Length: 5\r\n", "helloHTTP"), HOK_KEEP, 0 },
        { "HTTP/1.1 ", HOK_KEEP, 0 },
        { "nonsense\r\n\r\n", HOK_KEEP, 0 },
        { NULL, HOK_KEEP, 0 },
        { NULL, HOK_CLOSE, 0 },
        { NULL, HOK_ABORT, 0 },
    };

    (void)peer;
    (void)request;
    return some[(size_t)random() % (sizeof(some) / sizeof(some[0]))];
}

static void
start(struct request *q)
{
    const char *url = hok_url(&peers[random() % PEERS], "/x");

    q->is_stream = random() % 3 == 0;
    q->p = q->is_stream
               ? vetch_http_call_stream(vetch_http_call_new(client, "GET", url))
               : vetch_http_get(client, url);
    n_started++;
}

static void
finish(struct request *q)
{
    q->r = vetch_http_response_unref(q->r);
    q->is_stream = false;
}

static void
check_whole(const vetch_http_response *r)
{
    size_t len;
    const char *body = vetch_http_response_body(r, &len);

    ck_assert_uint_eq(len, 5);
    ck_assert_str_eq(body, "hello");
}

/* The promise of the slot has settled. */
static void
take(struct request *q)
{
    vetch_error *error = NULL;
    void *value = vetch_run(q->p, &error);

    q->p = NULL;
    if (error != NULL) {
        n_canceled += vetch_error_code(error) == VETCH_ECANCELED;
        n_failed += vetch_error_code(error) != VETCH_ECANCELED;
        vetch_error_unref(error);
        finish(q);
    } else if (!q->is_stream) {
        check_whole(value);
        vetch_http_response_unref(value);
        n_ok++;
    } else if (q->r == NULL) {
        q->r = value; /* and now its body */
    } else if (value == NULL) {
        finish(q);
        n_ok++;
    } else {
        vetch_bytes_unref(value);
    }
}

static void
step(struct request *q)
{
    if (q->p != NULL) {
        if (vetch_promise_state(q->p) != VETCH_PENDING)
            take(q);
        else if (random() % 6 == 0)
            vetch_promise_cancel(q->p);
    } else if (q->r != NULL) {
        if (random() % 5 == 0)
            finish(q); /* unread */
        else
            q->p = vetch_stream_read(vetch_http_response_stream(q->r), 65536);
    } else {
        start(q);
    }
}

static void
check_limits(size_t max, size_t per_host)
{
    vetch_http_client_stats stats = VETCH_HTTP_CLIENT_STATS_INIT;
    size_t busy = 0;

    vetch_http_client_get_stats(client, &stats);
    for (int i = 0; i < REQUESTS; i++)
        busy += requests[i].p != NULL || requests[i].r != NULL;
    if (stats.connections > max || stats.connections > PEERS * per_host ||
        stats.idle > stats.connections || stats.waiting > busy)
        ck_abort_msg("connections %zu, idle %zu, waiting %zu, busy %zu",
                     stats.connections, stats.idle, stats.waiting, busy);
}

static void
end_all(void)
{
    for (int rounds = 0, left = 1; left > 0; rounds++) {
        ck_assert_int_lt(rounds, 1000);
        left = 0;
        for (int i = 0; i < REQUESTS; i++) {
            struct request *q = &requests[i];

            if (q->p != NULL && vetch_promise_state(q->p) != VETCH_PENDING)
                take(q);
            else if (q->p != NULL)
                vetch_promise_cancel(q->p);
            else if (q->r != NULL)
                finish(q);
            left += q->p != NULL || q->r != NULL;
        }
        vt_run_ready();
    }
}

static unsigned
choose_seed(void)
{
    const char *given = getenv("VETCH_SEED");

    return given != NULL ? (unsigned)strtoul(given, NULL, 0)
                         : (unsigned)time(NULL) * 31 + (unsigned)getpid();
}

VT_CASE("chance", vt_reactor_tcase, .seconds = 120);

/* aiohttp #253 #1623 #2189 #3296 #3845 #4936 #6490, node #5699 #9530: nothing
 * that happens to a request keeps its connection from the next. */
VT_TEST(whatever_happens_the_pool_stays_whole, .loops = 6)
{
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;
    vetch_http_client_stats stats = VETCH_HTTP_CLIENT_STATS_INIT;
    unsigned seed = choose_seed();

    printf("client: VETCH_SEED=%u\n", seed);
    srandom(seed);
    for (int i = 0; i < PEERS; i++) {
        hok_start(&peers[i], NULL, 0);
        peers[i].pick = respond_at_random;
    }
    o.max_connections = 1 + (size_t)random() % 10;
    o.max_per_host = 1 + (size_t)random() % 5;
    o.total_seconds = random() % 2 == 0 ? (double)INFINITY : 45.0;
    client = vetch_http_client_new(&o);
    for (int i = 0; i < STEPS; i++) {
        step(&requests[random() % REQUESTS]);
        check_limits(o.max_connections, o.max_per_host);
        if (random() % 3 == 0)
            vt_run_ready();
        if (random() % 50 == 0)
            vt_advance((double)(random() % 20));
        check_limits(o.max_connections, o.max_per_host);
    }
    end_all();
    vetch_http_client_get_stats(client, &stats);
    ck_assert_uint_eq(stats.connections, stats.idle);
    ck_assert_uint_eq(stats.waiting, 0);
    ck_assert_uint_gt(n_ok, 10);
    ck_assert_uint_gt(n_failed, 10);
    ck_assert_uint_gt(n_canceled, 10);
    client = vetch_http_client_unref(client);
    for (int i = 0; i < PEERS; i++)
        hok_stop(&peers[i]);
}
