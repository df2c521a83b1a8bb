/* Datagram sockets: cancelling, closing, releasing, errors and shortages at
 * every step. Rules U1 and 14. */
#include "support/promise_kit.h"
#include "support/udp_kit.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static vetch_udp *server, *client;

static void
open_pair(void)
{
    server = uk_bound(UK_UDP, NULL);
    client = uk_connected(server, NULL);
}

static void
close_pair(void)
{
    vetch_udp_unref(client);
    vetch_udp_unref(server);
}

/* Give the kernel's datagrams time to be read. */
static void
settle(vetch_promise *p)
{
    for (int i = 0; i < 100 && vetch_promise_state(p) == VETCH_PENDING; i++)
        vt_run_ready();
    ck_assert_int_ne(vetch_promise_state(p), VETCH_PENDING);
}

/* ---- cancelling: nothing is lost ---- */

VT_CASE("cancel", pk_tcase, .set_up = open_pair, .take_down = close_pair);

VT_TEST(rule_14_a_cancelled_receive_takes_nothing)
{
    vetch_promise *p = vetch_udp_receive(server);

    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    uk_send(client, "1");
    uk_expect(server, "1");
}

VT_TEST(rule_14_a_datagram_that_nobody_got_is_the_next_one, .loops = 3)
{
    vetch_promise *p;

    uk_send(client, "1");
    uk_send(client, "2");
    p = vetch_udp_receive(server);
    settle(p); /* it is on its way */
    if (_i == 1)
        p = vetch_then(p, pk_never_value, NULL);
    if (_i == 2)
        p = vetch_timeout(p, 1);
    if (_i > 0)
        vetch_promise_cancel(p);
    vetch_promise_unref(p);
    vt_run_ready();
    uk_expect(server, "1");
    uk_expect(server, "2");
}

VT_TEST(rule_14_a_batch_that_nobody_got_goes_back_in_order)
{
    vetch_promise *p;

    uk_send(client, "1");
    uk_send(client, "2");
    uk_send(client, "3");
    p = vetch_udp_receive_many(server, 2);
    settle(p);
    vetch_promise_unref(p);
    uk_expect(server, "1");
    uk_expect(server, "2");
    uk_expect(server, "3");
}

VT_TEST(rule_14_a_lost_race_loses_no_datagram)
{
    vetch_queue *queue = vetch_queue_new(1);
    vetch_promise *both[2];
    vetch_promise *p;

    uk_send(client, "1");
    both[0] = vetch_queue_get(queue);
    both[1] = vetch_udp_receive(server);
    settle(both[1]);
    vetch_promise_unref(vetch_queue_put(queue, &server, NULL));
    p = vetch_race(both, 2);
    ck_assert_ptr_eq(vetch_run(p, NULL), &server);
    uk_expect(server, "1");
    vetch_queue_unref(queue);
}

VT_TEST(u1_a_second_receive_is_misuse)
{
    vetch_promise *p = vetch_udp_receive(server);

    pk_expect_error(vetch_udp_receive(server), VETCH_EMISUSE);
    pk_expect_error(vetch_udp_receive_many(server, 2), VETCH_EMISUSE);
    uk_send(client, "1");
    settle(p);
    pk_expect_error(vetch_udp_receive(server), VETCH_EMISUSE); /* on its way */
    vetch_promise_unref(p);
    uk_expect(server, "1");
}

static vetch_promise *
receive_again(void *value, void *ctx)
{
    uk_assert_text(value, "1");
    return vetch_udp_receive(ctx);
}

/* The handler has got it, so the next may be asked for. */
VT_TEST(u1_a_handler_may_receive)
{
    vetch_datagram *d;

    uk_send(client, "1");
    uk_send(client, "2");
    d = vetch_run(vetch_then(vetch_udp_receive(server), receive_again, server),
                  NULL);
    uk_assert_text(d, "2");
    vetch_datagram_unref(d);
}

/* ---- closing ---- */

VT_CASE("close", pk_tcase, .set_up = open_pair, .take_down = close_pair);

VT_TEST(close_ends_what_is_pending)
{
    vetch_promise *p = vetch_udp_receive(server);
    vetch_promise *q = vetch_udp_drain(server);

    vetch_udp_close(server);
    vetch_udp_close(server);
    pk_expect_error(p, VETCH_ECLOSED);
    pk_expect_error(q, VETCH_ECLOSED);
}

VT_TEST(after_close_nothing_goes)
{
    vetch_udp_message message = uk_message("x");

    vetch_udp_close(client);
    ck_assert_uint_eq(vetch_udp_send(client, &message, 1), 0);
    ck_assert_int_eq(errno, EPIPE);
    pk_expect_error(vetch_udp_receive(client), VETCH_ECLOSED);
    pk_expect_error(vetch_udp_receive_many(client, 2), VETCH_ECLOSED);
    pk_expect_error(vetch_udp_drain(client), VETCH_ECLOSED);
    ck_assert_int_eq(vetch_udp_join(client, "239.1.2.3", NULL), -1);
    ck_assert_int_eq(errno, EPIPE);
    ck_assert_int_eq(vetch_udp_set_error_fn(client, NULL, NULL), -1);
    ck_assert_int_eq(errno, EPIPE);
    ck_assert_ptr_nonnull(strstr(vetch_udp_endpoint(client), "udp:127.0.0.1:"));
}

VT_TEST(the_last_release_closes)
{
    vetch_promise *p = vetch_udp_receive(server);

    vetch_udp_unref(vetch_udp_ref(server));
    pk_assert_pending(p);
    server = vetch_udp_unref(server);
    pk_expect_error(p, VETCH_ECLOSED);
}

VT_TEST(a_datagram_on_its_way_outlives_its_socket, .loops = 2)
{
    vetch_promise *p;
    vetch_datagram *d;

    uk_send(client, "1");
    p = vetch_udp_receive(server);
    settle(p);
    server = vetch_udp_unref(server);
    if (_i == 0) { /* and nobody wants it */
        vetch_promise_unref(p);
        return;
    }
    d = vetch_run(p, NULL);
    uk_assert_text(d, "1");
    vetch_datagram_unref(d);
}

static vetch_promise *
release_both(void *value, void *ctx)
{
    (void)value;
    (void)ctx;
    server = vetch_udp_unref(server);
    client = vetch_udp_unref(client);
    return NULL;
}

VT_TEST(a_socket_may_be_released_in_its_own_handler)
{
    vetch_promise *p =
        vetch_then(vetch_udp_receive(server), release_both, NULL);

    uk_send(client, "1");
    vetch_run(p, NULL);
    ck_assert_ptr_null(server);
}

VT_TEST(a_reactor_s_end_closes)
{
    vetch_promise *p = vetch_udp_receive(server);
    vetch_promise *q = vetch_udp_drain(client);

    pk_end_reactor();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    ck_assert_ptr_nonnull(vetch_promise_error(p));
    ck_assert_int_eq(vetch_promise_state(q), VETCH_REJECTED);
    ck_assert_ptr_nonnull(vetch_promise_error(q));
    ck_assert_uint_eq(pk_reports(), 2); /* nobody had looked by then */
    vetch_promise_unref(p);
    vetch_promise_unref(q);
}

/* ---- room ---- */

VT_CASE("drain", pk_tcase);

VT_TEST(u1_drain_waits_until_there_is_room)
{
    vetch_udp_message message = uk_message("fill it up");
    size_t n = 0;
    vetch_promise *p, *q, *canceled;

    server = uk_bound(UK_UNIX, NULL);
    client = uk_connected(server, NULL);
    while (vetch_udp_send(client, &message, 1) == 1)
        n++;
    ck_assert_int_eq(errno, EAGAIN);
    p = vetch_udp_drain(client);
    q = vetch_udp_drain(client);
    canceled = vetch_udp_drain(client);
    vetch_promise_cancel(canceled);
    pk_expect_error(canceled, VETCH_ECANCELED);
    pk_assert_pending(p);
    for (; n > 0; n--)
        uk_expect(server, "fill it up");
    ck_assert_ptr_null(vetch_run(p, NULL));
    ck_assert_ptr_null(vetch_run(q, NULL));
    uk_send(client, "more");
    uk_expect(server, "more");
    close_pair();
}

/* ---- ICMP ---- */

VT_CASE("icmp", pk_tcase);

VT_TEST(u1_a_connected_socket_hears_that_nobody_is_there)
{
    vetch_udp_message message = uk_message("anybody?");

    open_pair();
    server = vetch_udp_unref(server);
    uk_send(client, "anybody?");
    uk_expect_error(client, ECONNREFUSED);
    uk_send(client, "anybody?"); /* it goes on */
    ck_assert_uint_eq(vetch_udp_send(client, &message, 1), 0);
    ck_assert_int_eq(errno, ECONNREFUSED);
    close_pair();
}

struct told {
    int n, code;
    unsigned port;
    bool close;
};

static void
note_error(vetch_udp *u, const vetch_error *error, const struct sockaddr *to,
           socklen_t to_len, void *ctx)
{
    struct told *told = ctx;

    told->n++;
    told->code = vetch_error_code(error);
    ck_assert_uint_eq(to_len, sizeof(struct sockaddr_in));
    told->port =
        ntohs(((const struct sockaddr_in *)(const void *)to)->sin_port);
    if (told->close)
        vetch_udp_close(u);
}

/* A datagram to a port where nobody is; its number. */
static unsigned
send_to_nobody(vetch_udp *u)
{
    vetch_udp *gone = uk_bound(UK_UDP, NULL);
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)vetch_udp_port(gone)),
        .sin_addr = { htonl(INADDR_LOOPBACK) },
    };
    vetch_udp_message message = uk_message("anybody?");

    vetch_udp_unref(gone);
    message.to = (const struct sockaddr *)&to;
    message.to_len = sizeof(to);
    ck_assert_uint_eq(vetch_udp_send(u, &message, 1), 1);
    return ntohs(to.sin_port);
}

/* One client that has gone is no failure of a server's receive. */
VT_TEST(u1_a_bound_socket_hears_of_it_by_its_error_function)
{
    struct told told = { 0 };
    vetch_promise *p;
    unsigned port;

    open_pair();
    ck_assert_int_eq(vetch_udp_set_error_fn(server, note_error, &told), 0);
    port = send_to_nobody(server);
    p = vetch_udp_receive(server);
    for (int i = 0; i < 100 && told.n == 0; i++)
        vt_run_ready();
    ck_assert_int_eq(told.n, 1);
    ck_assert_int_eq(told.code, ECONNREFUSED);
    ck_assert_uint_eq(told.port, port);
    pk_assert_pending(p);
    uk_send(client, "1");
    settle(p);
    vetch_promise_unref(p);
    uk_expect(server, "1");
    close_pair();
}

/* What the kernel says about one peer does not hinder what goes to another. */
VT_TEST(u1_an_error_of_another_peer_does_not_hinder_a_send)
{
    struct told told = { 0 };

    open_pair();
    ck_assert_int_eq(vetch_udp_set_error_fn(server, note_error, &told), 0);
    send_to_nobody(server);
    send_to_nobody(server);
    ck_assert_int_eq(vetch_udp_set_error_fn(server, NULL, NULL), 0);
    close_pair();
}

VT_TEST(u1_an_error_function_may_close)
{
    struct told told = { .close = true };
    vetch_promise *p;

    open_pair();
    ck_assert_int_eq(vetch_udp_set_error_fn(server, note_error, &told), 0);
    send_to_nobody(server);
    send_to_nobody(server);
    p = vetch_udp_receive(server);
    settle(p);
    pk_expect_error(p, VETCH_ECLOSED);
    ck_assert_int_eq(told.n, 1);
    close_pair();
}

VT_TEST(u1_without_an_error_function_a_bound_socket_hears_nothing)
{
    vetch_promise *p;

    open_pair();
    send_to_nobody(server);
    p = vetch_udp_receive(server);
    vt_run_ready();
    pk_assert_pending(p);
    vetch_promise_cancel(p);
    vetch_promise_unref(p);
    ck_assert_int_eq(vetch_udp_set_error_fn(client, note_error, NULL), -1);
    ck_assert_int_eq(errno, EINVAL); /* it is connected */
    close_pair();
}

/* ---- shortages ---- */

VT_CASE("shortages", vt_reactor_tcase);

static void
send_and_receive(bool unharmed)
{
    vetch_udp *a = vetch_udp_new("unixgram:@vetch-test-sweep", NULL);
    vetch_udp *b = NULL;
    vetch_error *error = NULL;
    vetch_datagram *d;
    vetch_datagrams *batch;
    vetch_udp_message messages[2] = { uk_message("1"), uk_message("2") };

    if (a != NULL)
        b = vetch_run(vetch_udp_connect(vetch_udp_endpoint(a), NULL), &error);
    if (b != NULL) {
        ck_assert_uint_eq(vetch_udp_send(b, messages, 2), 2);
        d = vetch_run(vetch_timeout(vetch_udp_receive(a), 0), NULL);
        batch = vetch_run(vetch_timeout(vetch_udp_receive_many(a, 2), 0), NULL);
        if (unharmed) {
            uk_assert_text(d, "1");
            ck_assert_uint_eq(vetch_datagrams_count(batch), 1);
        }
        vetch_datagram_unref(d);
        vetch_datagrams_unref(batch);
        vetch_run(vetch_udp_drain(b), NULL);
    }
    ck_assert(!unharmed || b != NULL);
    vetch_error_unref(error);
    vetch_udp_unref(b);
    vetch_udp_unref(a);
    vt_run_ready();
    ck_assert_uint_eq(vt_live_objects(), 0);
    vt_log_take();
}

VT_TEST(no_failing_allocation_leaks_or_crashes)
{
    vt_sweep_allocations(send_and_receive);
}

VT_TEST(without_descriptors_it_is_refused)
{
    struct rlimit before, none;
    vetch_error *error;

    server = uk_bound(UK_UDP, NULL);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_ptr_null(vetch_udp_new("udp:127.0.0.1:0", NULL));
    ck_assert_int_eq(errno, EMFILE);
    ck_assert_ptr_null(
        vetch_run(vetch_udp_connect(vetch_udp_endpoint(server), NULL), &error));
    ck_assert(vetch_error_is(error, EMFILE));
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    vetch_error_unref(error);
    vetch_udp_unref(server);
}

VT_TEST(without_a_reactor_it_is_refused)
{
    vetch_promise *p;

    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_ptr_null(vetch_udp_new("udp:127.0.0.1:0", NULL));
    ck_assert_int_eq(errno, EPERM);
    p = vetch_udp_connect("udp:127.0.0.1:1", NULL);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    ck_assert_ptr_nonnull(vetch_promise_error(p));
    vetch_promise_unref(p);
}
