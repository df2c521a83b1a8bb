/* Transports: what TCP can be told about a connection. */
#include "support/transport_kit.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static int fds[2];
static vetch_transport *t;

static void
adopt_one(void)
{
    tk_tcp_fds(fds);
    t = tk_adopt(fds[0]);
}

static void
release_both(void)
{
    vetch_transport_unref(t);
    close(fds[1]);
}

static int
option_of(int level, int option)
{
    int value = -1;
    socklen_t len = sizeof(value);

    ck_assert_int_eq(getsockopt(fds[0], level, option, &value, &len), 0);
    return value;
}

VT_CASE("settings", vt_reactor_tcase, .set_up = adopt_one,
        .take_down = release_both);

/* aiohttp #961 #2309: a peer that has vanished was not noticed. */
VT_TEST(keepalive_asks_a_silent_peer)
{
    ck_assert_int_eq(vetch_transport_set_keepalive(t, 39.5), 0);
    ck_assert_int_eq(option_of(SOL_SOCKET, SO_KEEPALIVE), 1);
    ck_assert_int_eq(option_of(IPPROTO_TCP, TCP_KEEPIDLE), 40);
    ck_assert_int_eq(option_of(IPPROTO_TCP, TCP_KEEPINTVL), 10);
    ck_assert_int_eq(option_of(IPPROTO_TCP, TCP_KEEPCNT), 4);
    ck_assert_int_eq(vetch_transport_set_keepalive(t, 0.1), 0);
    ck_assert_int_eq(option_of(IPPROTO_TCP, TCP_KEEPIDLE), 1);
    ck_assert_int_eq(option_of(IPPROTO_TCP, TCP_KEEPINTVL), 1);
    ck_assert_int_eq(vetch_transport_set_keepalive(t, INFINITY), 0);
    ck_assert_int_eq(option_of(SOL_SOCKET, SO_KEEPALIVE), 0);
}

/* aiohttp #4153 #5766. */
VT_TEST(user_timeout_bounds_what_is_unconfirmed)
{
    ck_assert_int_eq(vetch_transport_set_user_timeout(t, 1.5), 0);
    ck_assert_int_eq(option_of(IPPROTO_TCP, TCP_USER_TIMEOUT), 1500);
    ck_assert_int_eq(vetch_transport_set_user_timeout(t, INFINITY), 0);
    ck_assert_int_eq(option_of(IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
}

VT_TEST(nodelay_can_be_switched)
{
    ck_assert_int_eq(vetch_transport_set_nodelay(t, true), 0);
    ck_assert_int_ne(option_of(IPPROTO_TCP, TCP_NODELAY), 0);
    ck_assert_int_eq(vetch_transport_set_nodelay(t, false), 0);
    ck_assert_int_eq(option_of(IPPROTO_TCP, TCP_NODELAY), 0);
}

VT_TEST(what_is_no_time_is_refused)
{
    static const double bad[] = { 0, -1, NAN, -INFINITY, 86401 };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        errno = 0;
        ck_assert_int_eq(vetch_transport_set_keepalive(t, bad[i]), -1);
        ck_assert_int_eq(errno, EINVAL);
        errno = 0;
        ck_assert_int_eq(vetch_transport_set_user_timeout(t, bad[i]), -1);
        ck_assert_int_eq(errno, EINVAL);
    }
    ck_assert_int_eq(vetch_transport_set_keepalive(t, 32767), 0);
}

VT_TEST(an_ended_connection_has_no_socket)
{
    vetch_transport_abort(t);
    vt_run_ready();
    ck_assert_int_eq(vetch_transport_set_keepalive(t, 1), -1);
    ck_assert_int_eq(errno, ENOTCONN);
    ck_assert_int_eq(vetch_transport_set_nodelay(t, true), -1);
    ck_assert_int_eq(errno, ENOTCONN);
}

VT_CASE("other kinds", vt_reactor_tcase);

VT_TEST(what_is_not_tcp_says_so, .loops = 2)
{
    vetch_transport *pair[2];

    tk_pair(_i == 0 ? TK_UNIX : TK_MEMORY, pair);
    ck_assert_int_eq(vetch_transport_set_keepalive(pair[0], 1), -1);
    ck_assert_int_eq(errno, EOPNOTSUPP);
    ck_assert_int_eq(vetch_transport_set_user_timeout(pair[0], 1), -1);
    ck_assert_int_eq(errno, EOPNOTSUPP);
    ck_assert_int_eq(vetch_transport_set_nodelay(pair[0], true), -1);
    ck_assert_int_eq(errno, EOPNOTSUPP);
    vetch_transport_unref(pair[0]);
    vetch_transport_unref(pair[1]);
}
