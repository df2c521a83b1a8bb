/* What keeps a run going, and what does not: listeners and connections. */
#include "support/listener_kit.h"

#include <unistd.h>

/* On the real clock: something in the background ends a run that does not end
 * by itself. */
VT_CASE("background", vt_real_reactor_tcase);

static bool stopped;

static void
stop_run(vetch_timer *t, void *ctx)
{
    (void)t;
    (void)ctx;
    stopped = true;
    vetch_reactor_stop(vt_reactor);
}

static bool
ends_by_itself(void)
{
    vetch_timer *t = vetch_timer_new(0.02, stop_run, NULL);

    stopped = false;
    vetch_timer_set_background(t, true);
    ck_assert_int_eq(vetch_reactor_run_until_idle(vt_reactor), 0);
    vetch_timer_cancel(t);
    vetch_timer_unref(t);
    return !stopped;
}

VT_TEST(a_listener_keeps_a_run_going_unless_in_the_background)
{
    struct lk_server s;

    lk_serve(&s, "tcp:127.0.0.1:0");
    ck_assert(!ends_by_itself());
    vetch_listener_set_background(s.l, true);
    ck_assert(ends_by_itself());
    lk_stop(&s);
    ck_assert(ends_by_itself());
}

VT_TEST(connections_keep_a_run_going_whatever_their_listener_does)
{
    struct lk_server s;
    int client;

    lk_serve(&s, "tcp:127.0.0.1:0");
    vetch_listener_set_background(s.l, true);
    client = lk_client(&s);
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    ck_assert(!ends_by_itself());
    vetch_transport_set_background(s.probes[0].t, true);
    ck_assert(ends_by_itself());
    vetch_transport_set_background(s.probes[0].t, false);
    close(client); /* the connection ends, and with it the run */
    ck_assert(ends_by_itself());
    lk_stop(&s);
}

VT_TEST(a_datagram_socket_that_nobody_asks_keeps_nothing_going)
{
    vetch_udp *u = vetch_udp_new("udp:127.0.0.1:0", NULL);
    vetch_promise *p;

    ck_assert(ends_by_itself());
    p = vetch_udp_receive(u);
    ck_assert(!ends_by_itself());
    vetch_promise_cancel(p);
    vetch_promise_unref(p);
    vetch_udp_unref(u);
}
