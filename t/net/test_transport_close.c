/* Closing towards peers that take their time: nothing that they would still
 * read is lost, and nobody waits for those who do not read. */

#include "support/listener_kit.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/transport-private.h"

/* Where the bytes wait while the peer reads slowly (the loop variable): mostly
 * in the transport's queue, or all of them in the kernel. */
enum place { IN_QUEUE, IN_KERNEL, PLACES };
#define PLACE ((enum place)_i)

static struct tk_probe probe;
static int peer; /* a socket without vetch */
static char *sent;
static size_t n_read;

static void
set_up_peer(int fds[2], enum place place)
{
    int size = place == IN_KERNEL ? 4194304 : 32768;
    vetch_transport *t;

    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    peer = fds[1];
    n_read = 0;
    tk_init(&probe);
    t = tk_adopt(fds[0]);
    ck_assert_int_eq(vetch_transport_attach(t, &probe.protocol), 0);
    vetch_transport_unref(t);
    vt_run_ready();
}

/* Write `len` bytes to a peer over TCP. */
static void
send_to_peer(enum place place, size_t len)
{
    int fds[2];

    tk_tcp_fds(fds);
    set_up_peer(fds, place);
    sent = tk_pattern(len);
    ck_assert_int_eq(
        vetch_transport_write_owned(probe.t, sent, len, NULL, NULL), 0);
}

/* The peer reads at most `max` bytes; false at the end of the stream. */
static bool
read_some(size_t max)
{
    static char piece[65536];

    while (max > 0) {
        ssize_t n = recv(peer, piece, max < sizeof(piece) ? max : sizeof(piece),
                         MSG_DONTWAIT);

        if (n == 0)
            return false;
        if (n < 0) {
            ck_assert_int_eq(errno, EAGAIN);
            return true;
        }
        ck_assert_int_eq(memcmp(piece, sent + n_read, (size_t)n), 0);
        n_read += (size_t)n;
        max -= (size_t)n;
        vt_run_ready();
    }
    return true;
}

/* The peer reads `max` bytes every `seconds`, to the end. */
static void
read_slowly(size_t max, double seconds)
{
    while (read_some(max))
        vt_advance(seconds);
}

static void
finish_peer(void)
{
    close(peer);
    tk_until(tk_has(&probe, TK_FREED));
    tk_done(&probe);
    free(sent);
    sent = NULL;
}

VT_CASE("slow peers", vt_reactor_tcase);

VT_TEST(a_slow_reader_gets_everything, .loops = PLACES)
{
    send_to_peer(PLACE, 200000);
    vetch_transport_close(probe.t);
    read_slowly(20000, 1);
    ck_assert_uint_eq(n_read, 200000);
    finish_peer();
    ck_assert_int_eq(probe.lost_code, 0);
}

VT_TEST(a_slow_reader_of_a_unix_socket_gets_everything)
{
    int fds[2];

    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
        0);
    set_up_peer(fds, IN_QUEUE);
    sent = tk_pattern(200000);
    ck_assert_int_eq(
        vetch_transport_write_owned(probe.t, sent, 200000, NULL, NULL), 0);
    vetch_transport_close(probe.t);
    read_slowly(20000, 1);
    ck_assert_uint_eq(n_read, 200000);
    finish_peer();
    ck_assert_int_eq(probe.lost_code, 0);
}

VT_TEST(a_download_that_takes_longer_than_the_timeout_is_whole, .loops = PLACES)
{
    send_to_peer(PLACE, 15000000);
    vetch_transport_close(probe.t);
    read_slowly(200000, 0.1); /* 2 MB/s */
    ck_assert_uint_eq(n_read, 15000000);
    finish_peer();
    ck_assert_int_eq(probe.lost_code, 0);
}

VT_TEST(a_peer_that_reads_nothing_is_given_up, .loops = PLACES)
{
    send_to_peer(PLACE, 500000);
    vetch_transport_close(probe.t);
    vt_advance(4.99);
    ck_assert(!tk_has(&probe, TK_LOST));
    vt_advance(2.01); /* what the kernel holds is looked at after 2 s first */
    ck_assert_int_eq(probe.lost_code, VETCH_ETIMEDOUT);
    ck_assert_ptr_nonnull(strstr(probe.lost_text, "the peer is too slow"));
    finish_peer();
}

VT_TEST(a_peer_that_stops_reading_is_given_up, .loops = PLACES)
{
    send_to_peer(PLACE, 500000);
    vetch_transport_close(probe.t);
    for (int i = 0; i < 8; i++) {
        ck_assert(read_some(20000));
        vt_advance(1);
    }
    ck_assert(!tk_has(&probe, TK_LOST));
    vt_advance(5);
    vt_advance(5);
    ck_assert_int_eq(probe.lost_code, VETCH_ETIMEDOUT);
    finish_peer();
}

/* A peer that sends on and on is not read for ever; but closing the descriptor
 * would reset the connection before the peer has got what is on its way. */
VT_TEST(a_peer_that_sends_too_much_gets_everything_all_the_same)
{
    static char junk[65536];
    size_t n_sent = 0;

    send_to_peer(IN_KERNEL, 200000);
    vetch_transport_close(probe.t);
    vt_run_ready();
    while (n_sent < 262144 + 65536) { /* more than is read and dropped */
        ssize_t n = send(peer, junk, sizeof(junk), MSG_NOSIGNAL | MSG_DONTWAIT);

        n_sent += n > 0 ? (size_t)n : 0;
        vt_run_ready();
    }
    read_slowly(50000, 1);
    ck_assert_uint_eq(n_read, 200000);
    /* The kernel, whose window is closed, confirms it with the next probe. */
    while (probe.t != NULL && vetch__transport_underway(probe.t) > 1)
        poll(NULL, 0, 1);
    vt_advance(5);
    ck_assert(tk_has(&probe, TK_FREED)); /* and nobody waits for its end */
    ck_assert_int_eq(probe.lost_code, 0);
    finish_peer();
}

VT_TEST(without_a_timeout_a_peer_may_take_for_ever, .loops = PLACES)
{
    send_to_peer(PLACE, 500000);
    ck_assert_int_eq(vetch_transport_set_close_timeout(probe.t, INFINITY), 0);
    vetch_transport_close(probe.t);
    vt_advance(100000);
    ck_assert(!tk_has(&probe, TK_LOST));
    read_slowly(500000, 0);
    ck_assert_uint_eq(n_read, 500000);
    finish_peer();
    ck_assert_int_eq(probe.lost_code, 0);
}

/* ---- while a listener stops ---- */

VT_CASE("stop", vt_reactor_tcase);

static struct lk_server server;

static void
write_and_close(struct tk_probe *p, char event)
{
    if (event != TK_CONNECTED)
        return;
    ck_assert_int_eq(
        vetch_transport_write_owned(p->t, sent, 5000000, NULL, NULL), 0);
    vetch_transport_close(p->t);
}

/* Five megabytes are on their way when the listener is asked to stop. */
static vetch_promise *
stop_under_way(double seconds)
{
    int size = 32768;

    n_read = 0;
    sent = tk_pattern(5000000);
    lk_serve(&server, "tcp:127.0.0.1:0");
    server.act = write_and_close;
    peer = lk_raw_socket();
    setsockopt(peer, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    lk_raw_connect(peer, vetch_listener_port(server.l));
    tk_until(lk_count(&server, TK_CONNECTED) == 1);
    return vetch_listener_stop(server.l, seconds);
}

static void
finish_stop(vetch_promise *p)
{
    vetch_promise_unref(p);
    close(peer);
    lk_stop(&server);
    free(sent);
    sent = NULL;
}

VT_TEST(a_stop_lets_a_connection_use_its_time)
{
    vetch_promise *p = stop_under_way(60);

    read_slowly(200000, 1); /* 25 s */
    ck_assert_uint_eq(n_read, 5000000);
    close(peer);
    peer = -1;
    tk_until(vetch_promise_state(p) != VETCH_PENDING);
    ck_assert_uint_eq(vetch_stop_report_ended(vetch_promise_value(p)), 1);
    ck_assert_uint_eq(vetch_stop_report_cut(vetch_promise_value(p)), 0);
    finish_stop(p);
}

VT_TEST(a_stop_counts_what_its_deadline_cuts)
{
    vetch_promise *p = stop_under_way(3);

    for (int i = 0; i < 3; i++) {
        ck_assert(read_some(200000));
        vt_advance(1);
    }
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    ck_assert_uint_eq(vetch_stop_report_cut(vetch_promise_value(p)), 1);
    finish_stop(p);
}

VT_TEST(a_stop_counts_a_peer_that_was_given_up)
{
    vetch_promise *p = stop_under_way(60);

    vt_advance(5);
    vt_advance(5);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    ck_assert_uint_eq(vetch_stop_report_cut(vetch_promise_value(p)), 1);
    ck_assert_uint_eq(vetch_stop_report_ended(vetch_promise_value(p)), 0);
    ck_assert_int_eq(server.probes[0].lost_code, VETCH_ETIMEDOUT);
    finish_stop(p);
}
