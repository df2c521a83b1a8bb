/* TLS when things go wrong, or are unusual. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <vetch/testing.h>

#include "support/tls_kit.h"
#include "tls/tls-private.h"

/* The OpenSSL below a transport with TLS. */
static SSL *
ssl_of(vetch_transport *t)
{
    return ((struct vetch__tls_transport *)t)->ssl;
}

static vetch_transport *
inner_of(vetch_transport *t)
{
    return ((struct vetch__tls_transport *)t)->inner;
}

VT_CASE("records", vt_reactor_tcase, .set_up = tlk_open,
        .take_down = tlk_close);

/* After one read OpenSSL may hold the rest of a record while nothing more
 * comes from below. */
VT_TEST(a_record_is_read_in_small_pieces_without_more_traffic)
{
    vetch_transport *pair[2];
    struct tk_probe from;
    vetch_stream *s;
    char *data = tk_pattern(16384);

    tk_init(&from);
    tlk_pair(TK_MEMORY, pair);
    ck_assert_int_eq(vetch_transport_attach(pair[0], &from.protocol), 0);
    s = vetch_stream_over(pair[1], NULL);
    vetch_transport_write(pair[0], data, 16384);
    for (size_t at = 0; at < 16384; at += 1024) {
        vetch_bytes *b = vetch_run(vetch_stream_read_exactly(s, 1024), NULL);

        ck_assert_int_eq(memcmp(vetch_bytes_data(b), data + at, 1024), 0);
        vetch_bytes_unref(b);
    }
    vetch_stream_abort(s);
    vetch_stream_unref(s);
    vetch_transport_unref(pair[0]);
    vetch_transport_unref(pair[1]);
    vt_run_ready();
    tk_done(&from);
    free(data);
}

static void
pause_there(struct tk_probe *p, char event)
{
    if (event == TK_RECEIVED)
        vetch_transport_pause(p->t);
}

/* The end, told by close_notify or not, has come with the bytes before it. */
VT_TEST(s9_what_is_left_by_one_who_pauses_comes_before_the_end, .loops = 2)
{
    struct tk_probe ends[2];

    tlk_connect(TK_MEMORY, ends);
    ends[1].keep = 5;
    ends[1].act = pause_there;
    tk_write_all(ends[0].t, "hello");
    if (_i == 1)
        vt_run_ready();
    ck_assert_int_eq(
        vetch_transport_end(_i == 0 ? ends[0].t : inner_of(ends[0].t)), 0);
    for (int i = 0; i < 5; i++)
        vt_run_ready();
    ck_assert_uint_eq(ends[1].n_left, 5);
    ck_assert(!tk_has(&ends[1], TK_ENDED));
    ck_assert_int_eq(ends[1].lost_code, -1);
    ends[1].keep = 0;
    ends[1].act = NULL;
    vetch_transport_resume(ends[1].t);
    tk_until(tk_has(&ends[1], _i == 0 ? TK_ENDED : TK_LOST));
    ck_assert_uint_eq(ends[1].n_data, 5);
    if (_i == 1)
        ck_assert_int_eq(ends[1].lost_code, VETCH_ETRUNCATED);
    tk_finish(ends);
}

/* openssl #10888: a key update that the peer asks for makes reading write. */
VT_TEST(a_peer_that_asks_for_key_updates_and_does_not_read_is_not_read_from)
{
    struct tk_probe ends[2];
    size_t sent = 0, waits = 0;

    tlk_connect(TK_MEMORY, ends);
    vetch_transport_pause(inner_of(ends[0].t));
    /* Until it takes no more; one that sends on would block itself. */
    for (; waits < 60000; sent++) {
        SSL_key_update(ssl_of(ends[0].t), SSL_KEY_UPDATE_REQUESTED);
        ck_assert_int_eq(SSL_do_handshake(ssl_of(ends[0].t)), 1);
        if (sent % 100 == 0)
            vt_run_ready();
        waits = vetch_transport_buffered(inner_of(ends[0].t));
    }
    vt_run_ready();
    ck_assert_uint_gt(sent, 4000);
    ck_assert_uint_lt(vetch_transport_buffered(inner_of(ends[1].t)), 200000);
    vetch_transport_resume(inner_of(ends[0].t));
    tk_write_all(ends[0].t, "still here");
    tk_until(ends[1].n_data == 10);
    tk_write_all(ends[1].t, "so am I");
    tk_until(ends[0].n_data == 7);
    tk_finish(ends);
}

VT_TEST(keys_are_updated_in_the_middle_of_a_large_transfer)
{
    struct tk_probe ends[2];
    char *data = tk_pattern(1000000);

    tlk_connect(TK_MEMORY, ends);
    for (int i = 0; i < 10; i++) {
        vetch_transport_write(ends[0].t, data + i * 100000, 100000);
        vetch_transport_write(ends[1].t, data + i * 100000, 100000);
        SSL_key_update(ssl_of(ends[0].t), SSL_KEY_UPDATE_REQUESTED);
        vt_run_ready();
    }
    tk_until(ends[0].n_data == 1000000 && ends[1].n_data == 1000000);
    ck_assert_int_eq(memcmp(ends[0].data, data, 1000000), 0);
    ck_assert_int_eq(memcmp(ends[1].data, data, 1000000), 0);
    tk_finish(ends);
    free(data);
}

/* openssl #5299: what is tried again has to be the same bytes. */
VT_TEST(writes_of_every_size_reach_a_slow_reader)
{
    static const size_t sizes[] = { 1,     2,     5,     100,   4095, 4096,
                                    16383, 16384, 16385, 65536, 3 };
    struct tk_probe ends[2];
    char *data = tk_pattern(200000);
    size_t at = 0;

    tlk_connect(TK_MEMORY, ends);
    vetch_testing_short_writes(1000);
    for (int i = 0; i < VT_COUNT_OF(sizes); i++) {
        ck_assert_int_eq(vetch_transport_write(ends[0].t, data + at, sizes[i]),
                         0);
        at += sizes[i];
        if (i % 3 == 0)
            vt_run_ready();
    }
    tk_until(ends[1].n_data == at);
    ck_assert_int_eq(memcmp(ends[1].data, data, at), 0);
    vetch_testing_short_writes(VETCH_NO_LIMIT);
    tk_finish(ends);
    free(data);
}

VT_CASE("errors", vt_reactor_tcase, .set_up = tlk_open, .take_down = tlk_close);

/* pistache PR #996: an error that one connection left behind kills another. */
VT_TEST(a_failing_connection_does_not_harm_the_one_beside_it)
{
    struct tk_probe good[2], bad[2];

    tlk_connect(TK_MEMORY, good);
    for (int i = 0; i < 5; i++) {
        tlk_connect(TK_MEMORY, bad);
        /* Below TLS: no record. */
        ck_assert_int_eq(
            vetch_transport_write(inner_of(bad[0].t), "garbage", 7), 0);
        tk_write_all(good[0].t, "a");
        tk_write_all(good[1].t, "b");
        tk_until(tk_has(&bad[1], TK_FREED));
        ck_assert_int_eq(bad[1].lost_code, VETCH_ETLS);
        tk_until(tk_has(&bad[0], TK_FREED));
        ck_assert_int_eq(bad[0].lost_code, VETCH_ETLS);
        tk_done(&bad[0]);
        tk_done(&bad[1]);
    }
    tk_until(good[0].n_data == 5 && good[1].n_data == 5);
    tk_finish(good);
}

static void
forget_reasons(struct tk_probe *p, char event)
{
    (void)p;
    if (event == TK_RECEIVED)
        ERR_clear_error();
}

/* What came before the fault is delivered first, and its receiver may have to
 * do with OpenSSL, too. */
VT_TEST(t2_reason_survives_what_its_last_input_causes)
{
    static const char forged[] = "\x17\x03\x03\x00\x20"
                                 "no record of this connection, ...";
    struct tk_probe ends[2];

    tlk_connect(TK_MEMORY, ends);
    ends[1].act = forget_reasons;
    ck_assert_int_eq(SSL_write(ssl_of(ends[0].t), "good", 4), 4);
    ck_assert_int_eq(vetch_transport_write(inner_of(ends[0].t), forged, 5 + 32),
                     0);
    tk_until(tk_has(&ends[1], TK_FREED));
    ck_assert_uint_eq(ends[1].n_data, 4);
    ck_assert_int_eq(ends[1].lost_code, VETCH_ETLS);
    ck_assert_msg(strstr(ends[1].lost_text, "bad record mac") != NULL, "%s",
                  ends[1].lost_text);
    tk_until(tk_has(&ends[0], TK_FREED));
    tk_done(&ends[0]);
    tk_done(&ends[1]);
}

static size_t cut_at;

/* Let only so many bytes of what it has queued go on, then break off. */
static void
cut_off(vetch_transport *inner, bool reset)
{
    char bytes[4096];
    struct iovec iov[4];
    size_t total, n = 0, k;
    bool more;

    k = vetch__output_gather(&inner->output, iov, 4, &total, &more);
    for (size_t i = 0; i < k && n < cut_at; i++) {
        size_t len = iov[i].iov_len < cut_at - n ? iov[i].iov_len : cut_at - n;

        memcpy(bytes + n, iov[i].iov_base, len);
        n += len;
    }
    vetch__output_clear(inner->reactor, &inner->output);
    if (n > 0)
        ck_assert_int_eq(vetch_transport_write(inner, bytes, n), 0);
    if (reset) {
        vt_run_ready();
        vetch_transport_abort(inner);
    } else {
        vetch_transport_end(inner);
    }
}

/* However many bytes of a message and its end arrive: only all of them are an
 * orderly end. */
VT_TEST(a_peer_that_dies_at_any_byte_is_a_truncation, .loops = 2)
{
    size_t step = vt_on_valgrind() ? 13 : 1;
    bool whole = false;

    for (cut_at = 0; !whole; cut_at += step) {
        struct tk_probe ends[2];
        size_t all;

        tlk_connect(TK_MEMORY, ends);
        vt_run_ready();
        vetch_transport_pause(inner_of(ends[1].t));
        tk_write_all(ends[0].t, "message");
        vt_run_ready();
        SSL_shutdown(ssl_of(ends[0].t));
        all = vetch_transport_buffered(inner_of(ends[0].t));
        ck_assert_uint_gt(all, 0);
        whole = cut_at >= all;
        cut_off(inner_of(ends[0].t), _i == 1 && !whole);
        vetch_transport_resume(inner_of(ends[1].t));
        tk_until(tk_has(&ends[1], TK_FREED));
        if (whole)
            ck_assert_int_eq(ends[1].lost_code, 0);
        else
            ck_assert(ends[1].lost_code == VETCH_ETRUNCATED ||
                      ends[1].lost_code == ECONNRESET);
        ck_assert(ends[1].n_data == 0 || ends[1].n_data == 7);
        if (ends[0].t != NULL)
            vetch_transport_abort(ends[0].t);
        vt_advance(10);
        tk_done(&ends[0]);
        tk_done(&ends[1]);
    }
}

VT_CASE("ends", vt_reactor_tcase, .set_up = tlk_open, .take_down = tlk_close,
        .seconds = 120);

static char abort_at;

static void
abort_there(struct tk_probe *p, char event)
{
    if (event == abort_at && p->t != NULL)
        vetch_transport_abort(p->t);
}

VT_TEST(aborting_in_any_callback_is_safe)
{
    static const char events[] = { TK_CONNECTED, TK_RECEIVED, TK_ENDED,
                                   TK_PAUSED,    TK_RESUMED,  TK_LOST };

    for (size_t i = 0; i < sizeof(events); i++) {
        char *data = tk_pattern(300000);
        vetch_transport *pair[2];
        struct tk_probe ends[2];

        abort_at = events[i];
        tlk_pair(TK_MEMORY, pair);
        for (int j = 0; j < 2; j++) {
            tk_init(&ends[j]);
            ends[j].act = abort_there;
            vetch_transport_write(pair[j], data, 300000);
            ck_assert_int_eq(vetch_transport_attach(pair[j], &ends[j].protocol),
                             0);
            vetch_transport_close(pair[j]);
            vetch_transport_unref(pair[j]);
        }
        vt_advance(20);
        tk_until(tk_has(&ends[0], TK_FREED) && tk_has(&ends[1], TK_FREED));
        tk_done(&ends[0]);
        tk_done(&ends[1]);
        free(data);
    }
}

/* DETAILS of closing: the alert, the end, a bounded wait, nothing left. */
VT_TEST(thousands_of_closings_against_a_peer_that_never_answers)
{
    int n = vt_on_valgrind() ? 50 : 10000, at_once = 100;
    vetch_tls *client = tlk_client(), *server = tlk_server("server");

    for (int i = 0; i < n; i += at_once) {
        struct tk_probe ends[100][2];

        for (int j = 0; j < at_once; j++) {
            vetch_transport *pair[2];

            tlk_shake(TK_MEMORY, client, "localhost", server, pair);
            ck_assert(pair[0] != NULL && pair[1] != NULL);
            for (int k = 0; k < 2; k++) {
                tk_init(&ends[j][k]);
                ck_assert_int_eq(
                    vetch_transport_attach(pair[k], &ends[j][k].protocol), 0);
                vetch_transport_unref(pair[k]);
            }
        }
        vt_run_ready();
        for (int j = 0; j < at_once; j++) {
            vetch_transport_pause(inner_of(ends[j][1].t));
            vetch_transport_close(ends[j][0].t);
        }
        vt_advance(20);
        for (int j = 0; j < at_once; j++) {
            ck_assert(tk_has(&ends[j][0], TK_FREED));
            vetch_transport_abort(ends[j][1].t);
        }
        vt_run_ready();
        for (int j = 0; j < at_once; j++) {
            tk_done(&ends[j][0]);
            tk_done(&ends[j][1]);
        }
        ck_assert_uint_eq(vt_live_objects(), 0);
    }
    vetch_tls_unref(client);
    vetch_tls_unref(server);
}

VT_TEST(before_tls_1_3_the_end_of_one_side_is_the_end_of_both)
{
    vetch_tls *client = tlk_client(), *server = tlk_server("server");
    vetch_transport *pair[2];
    struct tk_probe ends[2];

    SSL_CTX_set_max_proto_version(server->material->ctx, TLS1_2_VERSION);
    tlk_shake(TK_MEMORY, client, "localhost", server, pair);
    ck_assert_ptr_nonnull(pair[0]);
    ck_assert_str_eq(vetch_transport_tls(pair[0])->protocol, "TLSv1.2");
    for (int i = 0; i < 2; i++) {
        tk_init(&ends[i]);
        ends[i].stay_open = true;
        ck_assert_int_eq(vetch_transport_attach(pair[i], &ends[i].protocol), 0);
        vetch_transport_unref(pair[i]);
    }
    vt_run_ready();
    tk_write_all(ends[1].t, "rest");
    vetch_transport_end(ends[0].t);
    tk_until(tk_has(&ends[0], TK_FREED) && tk_has(&ends[1], TK_FREED));
    ck_assert_int_eq(ends[0].lost_code, 0);
    ck_assert_int_eq(ends[1].lost_code, 0);
    tk_assert_data(&ends[0], "rest");
    tk_done(&ends[0]);
    tk_done(&ends[1]);
    vetch_tls_unref(client);
    vetch_tls_unref(server);
}

/* ---- a peer of another make: openssl(1) ---- */

VT_CASE("openssl", vt_real_reactor_tcase, .set_up = tlk_open,
        .take_down = tlk_close, .unless = vt_on_valgrind);

static vetch_promise *
echo_lines(vetch_stream *s, void *ctx)
{
    (void)ctx;
    return vetch_stream_copy(s, s, NULL);
}

/* What a command prints; the loop runs meanwhile. */
static void
run_command(const char *command, char *to, size_t size)
{
    FILE *f = popen(command, "r");
    int fd = fileno(f);
    size_t len = 0;

    for (;;) {
        struct timeval moment = { 0, 1000 };
        fd_set set;
        ssize_t n;

        event_base_loop(vetch_reactor_event_base(vt_reactor),
                        EVLOOP_ONCE | EVLOOP_NONBLOCK);
        FD_ZERO(&set);
        FD_SET(fd, &set);
        if (select(fd + 1, &set, NULL, NULL, &moment) <= 0)
            continue;
        n = read(fd, to + len, size - 1 - len);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    to[len] = '\0';
    pclose(f);
}

static const char *const client_arguments[] = { "-tls1_3", "-tls1_2",
                                                "-tls1_3 -no_ticket" };

VT_TEST(s_client_talks_to_our_server, .loops = VT_COUNT_OF(client_arguments))
{
    char command[512], out[16384];
    vetch_stream_options options = VETCH_STREAM_OPTIONS_INIT;
    vetch_listener *l;

    options.tls = tlk_server("server");
    l = vetch_stream_serve("tcp:127.0.0.1:0", echo_lines, NULL, &options);
    /* R would renegotiate in TLS 1.2, K and k ask for a key update in 1.3. */
    snprintf(command, sizeof(command),
             "{ echo one; sleep 0.1; echo %s; sleep 0.1; echo two; sleep 0.1; "
             "echo Q; } | timeout 10 openssl s_client -connect 127.0.0.1:%u "
             "-CAfile %s -verify_return_error -servername localhost %s 2>&1",
             _i == 1 ? "three" : "K", vetch_listener_port(l), tlk_path("ca"),
             client_arguments[_i]);
    run_command(command, out, sizeof(out));
    ck_assert_msg(strstr(out, "\none\n") != NULL, "%s", out);
    ck_assert_msg(strstr(out, "\ntwo\n") != NULL, "%s", out);
    vetch_stop_report_unref(vetch_run(vetch_listener_stop(l, 1), NULL));
    vetch_listener_unref(l);
    vetch_tls_unref(options.tls);
    tk_until(vt_live_objects() == 0);
}

/* An s_server that sends each line back, turned round; its port. */
static unsigned
start_s_server(pid_t *ret_pid, int *ret_out)
{
    char line[128] = "";
    unsigned port = 0;
    int out[2];
    FILE *f;

    ck_assert_int_eq(pipe(out), 0);
    *ret_pid = fork();
    if (*ret_pid == 0) {
        dup2(out[1], 1);
        execlp("openssl", "openssl", "s_server", "-accept", "127.0.0.1:0",
               "-rev", "-cert", tlk_path("server"), "-key", tlk_path("server"),
               (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    f = fdopen(out[0], "r");
    while (port == 0 && fgets(line, sizeof(line), f) != NULL)
        sscanf(line, "ACCEPT 127.0.0.1:%u", &port);
    *ret_out = dup(out[0]);
    fclose(f);
    ck_assert_uint_gt(port, 0);
    return port;
}

VT_TEST(our_client_talks_to_s_server)
{
    vetch_stream_options options = VETCH_STREAM_OPTIONS_INIT;
    vetch_error *error = NULL;
    vetch_bytes *line;
    vetch_stream *s;
    char endpoint[64];
    pid_t pid;
    int out;

    snprintf(endpoint, sizeof(endpoint), "tls:localhost:%u",
             start_s_server(&pid, &out));
    options.tls = tlk_client();
    for (int i = 0; i < 3; i++) {
        s = vetch_run(vetch_stream_connect(endpoint, &options), &error);
        ck_assert_msg(s != NULL, "%s", vetch_error_text(error));
        ck_assert(vetch_stream_tls(s)->resumed == (i > 0));
        vetch_stream_printf(s, "hello\n");
        line = vetch_run(vetch_stream_read_line(s, 100), &error);
        ck_assert_msg(line != NULL, "%s", vetch_error_text(error));
        ck_assert_str_eq(vetch_bytes_data(line), "olleh");
        vetch_bytes_unref(line);
        vetch_promise_unref(vetch_stream_close(s));
        vetch_stream_unref(s);
    }
    vetch_tls_unref(options.tls);
    tk_until(vt_live_objects() == 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(out);
}
