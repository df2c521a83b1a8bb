/* Listeners: how many connections they accept, of whom, and when. */
#include "support/listener_kit.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct lk_server s;
static vetch_listener_options options;

static void
default_options(void)
{
    options = (vetch_listener_options)VETCH_LISTENER_OPTIONS_INIT;
}

static void
serve_with_options(const char *endpoint)
{
    memset(&s, 0, sizeof(s));
    s.l = vetch_listener_new(endpoint, lk_make, &s, &options);
    ck_assert_ptr_nonnull(s.l);
    vetch_listener_set_error_fn(s.l, lk_on_error, &s);
}

static void
end_clients(int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        close(fds[i]);
    tk_until(lk_count(&s, TK_FREED) == s.n_made);
    lk_stop(&s);
}

/* ---- per address ---- */

VT_CASE("addresses", vt_reactor_tcase, .set_up = default_options);

VT_TEST(an_address_has_a_limit_of_its_own, .loops = 2)
{
    int fds[4];

    if (_i == 0)
        options.max_per_address = 2;
    serve_with_options(_i == 0 ? "tcp:127.0.0.1:0"
                               : "tcp:127.0.0.1:0,max_per_address=2");
    for (int i = 0; i < 3; i++)
        fds[i] = lk_client(&s);
    tk_until(s.n_errors == 1);
    ck_assert_int_eq(s.error, EUSERS);
    tk_until(lk_is_closed(fds[2]));
    ck_assert_uint_eq(vetch_listener_connections(s.l), 2);
    ck_assert_uint_eq(s.n_made, 2);
    close(fds[0]);
    tk_until(lk_count(&s, TK_FREED) == 1);
    fds[0] = lk_client(&s); /* there is room again */
    tk_until(lk_count(&s, TK_CONNECTED) == 3);
    end_clients(fds, 3);
}

VT_TEST(the_options_of_the_program_win)
{
    int fds[2];

    options.max_per_address = 5;
    serve_with_options("tcp:127.0.0.1:0,max_per_address=1");
    fds[0] = lk_client(&s);
    fds[1] = lk_client(&s);
    tk_until(lk_count(&s, TK_CONNECTED) == 2);
    end_clients(fds, 2);
}

VT_TEST(what_the_factory_refuses_does_not_count)
{
    int fds[3];

    options.max_per_address = 1;
    serve_with_options("tcp:127.0.0.1:0");
    s.refuse = 2;
    for (int i = 0; i < 2; i++) {
        fds[i] = lk_client(&s);
        tk_until(lk_is_closed(fds[i]));
    }
    fds[2] = lk_client(&s);
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    ck_assert_int_eq(s.n_errors, 0);
    end_clients(fds, 3);
}

VT_TEST(behind_a_proxy_its_clients_are_counted)
{
    static const char one[] = "PROXY TCP4 192.0.2.1 192.0.2.9 1 2\r\n";
    static const char two[] = "PROXY TCP4 192.0.2.2 192.0.2.9 1 2\r\n";
    int fds[3];

    options.max_per_address = 1;
    serve_with_options("tcp:127.0.0.1:0,proxy");
    for (int i = 0; i < 3; i++) {
        fds[i] = lk_client(&s);
        ck_assert_int_gt(send(fds[i], i < 2 ? one : two, sizeof(one) - 1, 0),
                         0);
        tk_until(s.n_made + (size_t)s.n_errors == (size_t)i + 1);
    }
    ck_assert_int_eq(s.error, EUSERS);
    ck_assert(lk_is_closed(fds[1]));
    ck_assert_uint_eq(s.n_made, 2);
    close(fds[0]);
    tk_until(lk_count(&s, TK_FREED) == 1);
    fds[0] = lk_client(&s);
    ck_assert_int_gt(send(fds[0], one, sizeof(one) - 1, 0), 0);
    tk_until(s.n_made == 3);
    end_clients(fds, 3);
}

VT_TEST(unix_peers_have_no_address)
{
    int fds[3];

    options.max_per_address = 1;
    lk_make_folder();
    serve_with_options(lk_endpoint);
    for (int i = 0; i < 3; i++) {
        struct sockaddr_un un = { .sun_family = AF_UNIX };

        fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        strcpy(un.sun_path, lk_path);
        ck_assert_int_eq(connect(fds[i], (struct sockaddr *)&un, sizeof(un)),
                         0);
    }
    tk_until(lk_count(&s, TK_CONNECTED) == 3);
    end_clients(fds, 3);
    lk_remove_folder();
}

VT_TEST(a_limit_of_nothing_is_refused, .misuse = true)
{
    vt_log_from(VETCH_LOG_ERROR);
    options.max_per_address = 0;
    ck_assert_ptr_null(
        vetch_listener_new("tcp:127.0.0.1:0", lk_make, NULL, &options));
    ck_assert_int_eq(errno, EINVAL);
    default_options();
    options.accept_budget = 0;
    ck_assert_ptr_null(
        vetch_listener_new("tcp:127.0.0.1:0", lk_make, NULL, &options));
    ck_assert_int_eq(errno, EINVAL);
    vt_log_take();
}

/* ---- pausing ---- */

VT_CASE("pausing", vt_reactor_tcase, .set_up = default_options);

VT_TEST(a_paused_listener_accepts_nothing_until_resumed)
{
    int fds[2];

    serve_with_options("tcp:127.0.0.1:0");
    fds[0] = lk_client(&s);
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    vetch_listener_pause(s.l);
    fds[1] = lk_client(&s);
    for (int i = 0; i < 5; i++)
        vt_turn(VETCH_NO_LIMIT);
    ck_assert_uint_eq(s.n_made, 1);
    tk_write_all(s.probes[0].t, "those that are there go on");
    vetch_listener_set_limit(s.l, 1); /* nothing of this resumes */
    vetch_listener_set_limit(s.l, 10);
    vt_turn(VETCH_NO_LIMIT);
    ck_assert_uint_eq(s.n_made, 1);
    vetch_listener_resume(s.l);
    tk_until(lk_count(&s, TK_CONNECTED) == 2);
    end_clients(fds, 2);
}

static void
pause_there(struct lk_server *server)
{
    vetch_listener_pause(server->l);
}

VT_TEST(pausing_holds_at_once_even_within_a_batch)
{
    int fds[3];

    serve_with_options("tcp:127.0.0.1:0");
    s.on_make = pause_there;
    for (int i = 0; i < 3; i++)
        fds[i] = lk_client(&s);
    tk_until(s.n_made == 1);
    for (int i = 0; i < 5; i++)
        vt_turn(VETCH_NO_LIMIT);
    ck_assert_uint_eq(s.n_made, 1);
    s.on_make = NULL;
    vetch_listener_resume(s.l);
    tk_until(lk_count(&s, TK_CONNECTED) == 3);
    end_clients(fds, 3);
}

VT_TEST(resuming_does_not_lift_a_limit)
{
    int fds[2];

    options.max_connections = 1;
    serve_with_options("tcp:127.0.0.1:0");
    fds[0] = lk_client(&s);
    fds[1] = lk_client(&s);
    tk_until(s.n_made == 1);
    vetch_listener_pause(s.l);
    vetch_listener_resume(s.l);
    for (int i = 0; i < 5; i++)
        vt_turn(VETCH_NO_LIMIT);
    ck_assert_uint_eq(s.n_made, 1);
    end_clients(fds, 2);
}

VT_TEST(a_stopped_listener_cannot_be_resumed)
{
    serve_with_options("tcp:127.0.0.1:0");
    vetch_listener_pause(s.l);
    lk_stop(&s);
    serve_with_options("tcp:127.0.0.1:0");
    vetch_listener_ref(s.l);
    lk_stop(&s);
    vetch_listener_pause(s.l);
    vetch_listener_resume(s.l);
    vetch_listener_unref(s.l);
}

/* ---- the budget ---- */

VT_CASE("budget", vt_reactor_tcase, .set_up = default_options);

/* What one process does not take in its turn is another one's to take. */
VT_TEST(a_turn_accepts_no_more_than_its_budget)
{
    int fds[5];

    options.accept_budget = 2;
    serve_with_options("tcp:127.0.0.1:0");
    for (int i = 0; i < 5; i++)
        fds[i] = lk_client(&s);
    vt_turn(VETCH_NO_LIMIT);
    ck_assert_uint_eq(s.n_made, 2);
    vt_turn(VETCH_NO_LIMIT);
    ck_assert_uint_eq(s.n_made, 4);
    tk_until(lk_count(&s, TK_CONNECTED) == 5);
    end_clients(fds, 5);
}
