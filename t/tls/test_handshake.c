/* How a handshake goes, and ends. */
#include "support/tls_kit.h"

#include <stdio.h>
#include <string.h>

static vetch_tls *client, *server;

static void
open_both(void)
{
    tlk_open();
    client = tlk_client();
    server = tlk_server("server");
}

static void
close_both(void)
{
    client = vetch_tls_unref(client);
    server = vetch_tls_unref(server);
    tlk_close();
}

static void
release_ends(vetch_transport *ends[2])
{
    vetch_transport_unref(ends[0]);
    vetch_transport_unref(ends[1]);
    vt_run_ready();
}

VT_CASE("start", vt_reactor_tcase, .set_up = open_both,
        .take_down = close_both);

VT_TEST(both_sides_know_what_was_agreed_on)
{
    vetch_transport *ends[2];
    const vetch_tls_info *info;

    tlk_shake(TK_MEMORY, client, "localhost", server, ends);
    for (int i = 0; i < 2; i++) {
        info = vetch_transport_tls(ends[i]);
        ck_assert_str_eq(info->protocol, "TLSv1.3");
        ck_assert_ptr_nonnull(info->cipher);
        ck_assert_ptr_null(info->alpn);
        ck_assert(!info->resumed);
    }
    release_ends(ends);
}

VT_TEST(a_transport_without_tls_knows_nothing_of_it)
{
    vetch_transport *pair[2];

    ck_assert_int_eq(vetch_transport_pair(pair), 0);
    ck_assert_ptr_null(vetch_transport_tls(pair[0]));
    release_ends(pair);
}

VT_TEST(a_transport_with_a_protocol_is_refused)
{
    vetch_transport *pair[2];
    struct tk_probe probe;
    vetch_error *error = NULL;

    tk_init(&probe);
    ck_assert_int_eq(vetch_transport_pair(pair), 0);
    ck_assert_int_eq(vetch_transport_attach(pair[0], &probe.protocol), 0);
    vetch_run(vetch_tls_start(pair[0], client, "localhost"), &error);
    ck_assert_int_eq(vetch_error_code(error), EBUSY);
    vetch_error_unref(error);
    release_ends(pair);
    tk_done(&probe);
}

VT_TEST(the_names_are_those_of_the_transport_below)
{
    vetch_transport *ends[2];

    tlk_shake(TK_MEMORY, client, "localhost", server, ends);
    ck_assert_str_eq(vetch_transport_peer(ends[0]), "memory:");
    release_ends(ends);
}

VT_TEST(a_cancelled_handshake_ends_the_connection)
{
    vetch_transport *pair[2];
    struct tk_probe probe;
    vetch_promise *p;
    vetch_error *error = NULL;

    tk_init(&probe);
    ck_assert_int_eq(vetch_transport_pair(pair), 0);
    p = vetch_tls_start(pair[0], client, "localhost");
    ck_assert_int_eq(vetch_transport_attach(pair[1], &probe.protocol), 0);
    vt_run_ready();
    vetch_promise_cancel(p);
    vetch_run(p, &error);
    ck_assert_int_eq(vetch_error_code(error), VETCH_ECANCELED);
    vetch_error_unref(error);
    tk_until(tk_has(&probe, TK_FREED));
    release_ends(pair);
    tk_done(&probe);
}

VT_TEST(a_dropped_handshake_goes_on_and_its_connection_is_aborted)
{
    vetch_transport *pair[2], *peer;
    vetch_error *error = NULL;

    ck_assert_int_eq(vetch_transport_pair(pair), 0);
    vetch_promise_unref(vetch_tls_start(pair[0], client, "localhost"));
    peer = vetch_run(vetch_tls_start(pair[1], server, NULL), &error);
    vetch_transport_unref(peer);
    vetch_error_unref(error);
    vt_run_ready();
    ck_assert_uint_eq(vt_live_objects(), 0);
    release_ends(pair);
}

VT_CASE("ends", vt_reactor_tcase, .set_up = open_both, .take_down = close_both);

static vetch_error *
error_of(vetch_promise *p)
{
    vetch_error *error = NULL;
    void *value = vetch_run(p, &error);

    ck_assert_ptr_null(value);
    ck_assert_ptr_nonnull(error);
    return error;
}

VT_TEST(a_peer_that_says_nothing_is_given_up_after_ten_seconds)
{
    for (int i = 0; i < 2; i++) {
        vetch_transport *pair[2];
        vetch_promise *p;
        vetch_error *error;

        ck_assert_int_eq(vetch_transport_pair(pair), 0);
        p = vetch_tls_start(pair[0], i == 0 ? client : server, "localhost");
        vt_advance(9.9);
        ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
        vt_advance(0.2);
        error = error_of(p);
        ck_assert_int_eq(vetch_error_code(error), VETCH_ETIMEDOUT);
        vetch_error_unref(error);
        release_ends(pair);
    }
}

VT_TEST(a_peer_that_speaks_something_else_is_refused)
{
    vetch_transport *pair[2];
    vetch_promise *p;
    vetch_error *error;

    ck_assert_int_eq(vetch_transport_pair(pair), 0);
    p = vetch_tls_start(pair[0], server, NULL);
    tk_write_all(pair[1], "GET / HTTP/1.1\r\n\r\n");
    error = error_of(p);
    ck_assert_int_eq(vetch_error_code(error), VETCH_ETLS);
    ck_assert_ptr_nonnull(strstr(vetch_error_message(error), "http request"));
    vetch_error_unref(error);
    release_ends(pair);
}

VT_TEST(a_peer_that_hangs_up_is_named)
{
    vetch_transport *pair[2];
    vetch_promise *p;
    vetch_error *error;

    ck_assert_int_eq(vetch_transport_pair(pair), 0);
    p = vetch_tls_start(pair[0], client, "localhost");
    vetch_transport_close(pair[1]);
    error = error_of(p);
    ck_assert_int_eq(vetch_error_code(error), VETCH_ETLS);
    ck_assert_ptr_nonnull(strstr(vetch_error_text(error), "hung up"));
    vetch_error_unref(error);
    release_ends(pair);
}

VT_TEST(an_old_version_is_refused)
{
    vetch_tls_options new_only = VETCH_TLS_OPTIONS_INIT;
    vetch_transport *ends[2];
    vetch_tls *strict;

    new_only.min_version = VETCH_TLS_1_3;
    strict = tlk_server_with(new_only);
    tlk_shake(TK_MEMORY, client, "localhost", strict, ends);
    ck_assert_ptr_nonnull(ends[0]);
    release_ends(ends);
    vetch_tls_unref(strict);
}

VT_CASE("bounds", vt_reactor_tcase, .set_up = tlk_open, .take_down = tlk_close);

VT_TEST(only_so_many_handshakes_run_at_once)
{
    vetch_tls_options one = VETCH_TLS_OPTIONS_INIT;
    vetch_transport *first[2], *second[2], *t;
    vetch_promise *p[4];
    vetch_error *error = NULL;

    one.max_handshakes = 1;
    client = tlk_client();
    server = tlk_server_with(one);
    ck_assert_int_eq(vetch_transport_pair(first), 0);
    ck_assert_int_eq(vetch_transport_pair(second), 0);
    p[0] = vetch_tls_start(first[1], server, NULL);
    tk_write_all(first[0], "\x16"); /* the first byte, and then nothing */
    vt_run_ready();
    p[1] = vetch_tls_start(second[1], server, NULL);
    p[2] = vetch_tls_start(second[0], client, "localhost");
    vt_advance(5);
    ck_assert_int_eq(vetch_promise_state(p[2]), VETCH_PENDING);
    vetch_transport_abort(first[0]);
    vetch_error_unref(error_of(p[0]));
    t = vetch_run(p[2], &error);
    ck_assert_msg(t != NULL, "%s", vetch_error_text(error));
    vetch_transport_unref(t);
    t = vetch_run(p[1], &error);
    vetch_transport_unref(t);
    release_ends(first);
    release_ends(second);
    client = vetch_tls_unref(client);
    server = vetch_tls_unref(server);
}

VT_TEST(who_waits_for_a_handshake_waits_no_longer_than_its_time)
{
    vetch_tls_options one = VETCH_TLS_OPTIONS_INIT;
    vetch_transport *first[2], *second[2];
    vetch_promise *p[2];

    one.max_handshakes = 1;
    client = tlk_client_with(one);
    ck_assert_int_eq(vetch_transport_pair(first), 0);
    ck_assert_int_eq(vetch_transport_pair(second), 0);
    p[0] = vetch_tls_start(first[0], client, "localhost");
    p[1] = vetch_tls_start(second[0], client, "localhost");
    vt_advance(10.1);
    vetch_error_unref(error_of(p[0]));
    vetch_error_unref(error_of(p[1]));
    release_ends(first);
    release_ends(second);
    client = vetch_tls_unref(client);
}

/* Two that are cancelled at once: the turn that the first passes to the second
 * is for the third. */
VT_TEST(a_turn_that_comes_too_late_for_one_goes_to_the_next)
{
    vetch_tls_options one = VETCH_TLS_OPTIONS_INIT;
    vetch_transport *pairs[3][2];
    vetch_promise *p[4];

    one.max_handshakes = 1;
    client = tlk_client_with(one);
    server = tlk_server("server");
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(vetch_transport_pair(pairs[i]), 0);
        p[i] = vetch_tls_start(pairs[i][0], client, "localhost");
    }
    p[3] = vetch_tls_start(pairs[2][1], server, NULL);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p[2]), VETCH_PENDING);
    vetch_promise_cancel(p[0]);
    vetch_promise_cancel(p[1]);
    vetch_error_unref(error_of(p[0]));
    vetch_error_unref(error_of(p[1]));
    for (int i = 0; i < 20; i++)
        vt_run_ready();
    for (int i = 2; i < 4; i++) {
        ck_assert_int_eq(vetch_promise_state(p[i]), VETCH_FULFILLED);
        vetch_promise_unref(p[i]);
    }
    for (int i = 0; i < 3; i++)
        release_ends(pairs[i]);
    client = vetch_tls_unref(client);
    server = vetch_tls_unref(server);
}

VT_CASE("protocols", vt_reactor_tcase, .set_up = tlk_open,
        .take_down = tlk_close);

static void
agree_on(const char *ours, const char *theirs, const char *agreed)
{
    vetch_tls_options options = VETCH_TLS_OPTIONS_INIT;
    vetch_transport *ends[2];

    options.alpn = ours;
    client = tlk_client_with(options);
    options.alpn = theirs;
    server = tlk_server_with(options);
    tlk_shake(TK_MEMORY, client, "localhost", server, ends);
    for (int i = 0; i < 2 && ends[i] != NULL; i++) {
        if (agreed != NULL)
            ck_assert_str_eq(vetch_transport_tls(ends[i])->alpn, agreed);
        else
            ck_assert_ptr_null(vetch_transport_tls(ends[i])->alpn);
    }
    release_ends(ends);
    client = vetch_tls_unref(client);
    server = vetch_tls_unref(server);
}

VT_TEST(the_servers_favourite_among_what_the_client_offers_is_agreed_on)
{
    agree_on("h2,http/1.1", "http/1.1,h2", "http/1.1");
    agree_on("h2", "http/1.1,h2", "h2");
    agree_on(NULL, "http/1.1", NULL);
    agree_on("h2", NULL, NULL);
    ck_assert_ptr_null(tlk_error[0]);
}

VT_TEST(without_a_common_protocol_the_handshake_fails)
{
    agree_on("h2", "http/1.1", NULL);
    ck_assert_ptr_nonnull(tlk_error[0]);
    ck_assert_ptr_nonnull(
        strstr(vetch_error_text(tlk_error[0]), "no application protocol"));
}

VT_CASE("sessions", vt_reactor_tcase, .set_up = tlk_open,
        .take_down = tlk_close);

/* A connection on which each side has said something: tickets have come. */
static bool
is_resumed(vetch_tls *with, const char *name)
{
    struct tk_probe ends[2];
    vetch_transport *pair[2];
    bool resumed;

    tlk_shake(TK_MEMORY, client, name, with, pair);
    ck_assert_msg(pair[0] != NULL, "%s", vetch_error_text(tlk_error[0]));
    resumed = vetch_transport_tls(pair[0])->resumed;
    ck_assert(vetch_transport_tls(pair[1])->resumed == resumed);
    for (int i = 0; i < 2; i++) {
        tk_init(&ends[i]);
        ck_assert_int_eq(vetch_transport_attach(pair[i], &ends[i].protocol), 0);
        vetch_transport_unref(pair[i]);
    }
    tk_until(ends[0].t != NULL && ends[1].t != NULL);
    tk_write_all(ends[1].t, "x");
    tk_until(ends[0].n_data == 1);
    for (int i = 0; i < 2; i++)
        vetch_transport_close(ends[i].t);
    tk_until(tk_has(&ends[0], TK_FREED) && tk_has(&ends[1], TK_FREED));
    tk_done(&ends[0]);
    tk_done(&ends[1]);
    return resumed;
}

VT_TEST(a_session_is_resumed_with_the_same_name_only)
{
    client = tlk_client();
    server = tlk_server("server");
    ck_assert(!is_resumed(server, "localhost"));
    ck_assert(is_resumed(server, "localhost"));
    ck_assert(is_resumed(server, "localhost"));
    ck_assert(!is_resumed(server, "a.example.org"));
    client = vetch_tls_unref(client);
    server = vetch_tls_unref(server);
}

VT_TEST(a_client_keeps_a_bounded_number_of_sessions)
{
    vetch_tls_options options = VETCH_TLS_OPTIONS_INIT;

    options.max_sessions = 2;
    client = tlk_client_with(options);
    server = tlk_server("server");
    is_resumed(server, "a.example.org");
    is_resumed(server, "b.example.org");
    is_resumed(server, "c.example.org");
    ck_assert(!is_resumed(server, "a.example.org"));
    ck_assert(is_resumed(server, "c.example.org"));
    client = vetch_tls_unref(client);
    options.max_sessions = 0;
    client = tlk_client_with(options);
    is_resumed(server, "a.example.org");
    ck_assert(!is_resumed(server, "a.example.org"));
    client = vetch_tls_unref(client);
    server = vetch_tls_unref(server);
}

VT_TEST(servers_that_share_ticket_keys_resume_each_others_sessions)
{
    unsigned char keys[2 * VETCH_TLS_TICKET_KEY_BYTES];
    vetch_tls *other = tlk_server("server");

    for (size_t i = 0; i < sizeof(keys); i++)
        keys[i] = (unsigned char)(i * 7);
    client = tlk_client();
    server = tlk_server("server");
    ck_assert(!is_resumed(server, "localhost"));
    ck_assert(!is_resumed(other, "localhost"));
    ck_assert_int_eq(vetch_tls_set_ticket_keys(server, keys, 1), 0);
    /* The other one has a newer key as well, and still opens the older. */
    memmove(keys + VETCH_TLS_TICKET_KEY_BYTES, keys,
            VETCH_TLS_TICKET_KEY_BYTES);
    memset(keys, 'n', VETCH_TLS_TICKET_KEY_BYTES);
    ck_assert_int_eq(vetch_tls_set_ticket_keys(other, keys, 2), 0);
    is_resumed(server, "localhost");
    ck_assert(is_resumed(other, "localhost"));
    ck_assert(!is_resumed(server, "localhost")); /* it lacks the newer */
    ck_assert_int_eq(vetch_tls_set_ticket_keys(server, keys, 17), -1);
    ck_assert_int_eq(vetch_tls_set_ticket_keys(client, keys, 1), -1);
    vetch_tls_unref(other);
    client = vetch_tls_unref(client);
    server = vetch_tls_unref(server);
}

VT_TEST(a_session_does_not_get_a_client_past_a_demand_for_a_certificate)
{
    static const unsigned char key[VETCH_TLS_TICKET_KEY_BYTES] = { 1 };
    vetch_tls_options options = VETCH_TLS_OPTIONS_INIT;
    vetch_transport *ends[2];
    vetch_tls *strict;

    options.authorities_file = tlk_path("ca");
    options.require_certificate = true;
    strict = tlk_server_with(options);
    client = tlk_client();
    server = tlk_server("server");
    vetch_tls_set_ticket_keys(server, key, 1);
    vetch_tls_set_ticket_keys(strict, key, 1);
    is_resumed(server, "localhost");
    tlk_shake(TK_MEMORY, client, "localhost", strict, ends);
    ck_assert_ptr_null(ends[1]);
    release_ends(ends);
    vetch_tls_unref(strict);
    client = vetch_tls_unref(client);
    server = vetch_tls_unref(server);
}

VT_TEST(keys_are_logged_on_request)
{
    vetch_tls_options options = VETCH_TLS_OPTIONS_INIT;
    vetch_transport *ends[2];
    char line[64] = "";
    FILE *f;

    options.key_log_file = tlk_path("keys");
    client = tlk_client_with(options);
    server = tlk_server("server");
    tlk_shake(TK_MEMORY, client, "localhost", server, ends);
    release_ends(ends);
    f = fopen(tlk_path("keys"), "r");
    ck_assert_ptr_nonnull(fgets(line, sizeof(line), f));
    ck_assert_ptr_nonnull(strstr(line, "SECRET"));
    fclose(f);
    client = vetch_tls_unref(client);
    server = vetch_tls_unref(server);
}
