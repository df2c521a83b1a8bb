/* Transports, attached and open: every behaviour over TCP, over a Unix socket
 * and over the pair in memory (the loop variable of a test is the kind). */
#include "support/transport_kit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/transport-private.h"

#define KIND ((enum tk_kind)_i)

/* ---- basics ---- */

VT_CASE("basics", vt_reactor_tcase, .loops = TK_KINDS);

VT_TEST(connected_is_first_and_never_inside_attach)
{
    vetch_transport *pair[2];
    struct tk_probe p;

    tk_pair(KIND, pair);
    tk_init(&p);
    ck_assert_int_eq(vetch_transport_attach(pair[0], &p.protocol), 0);
    ck_assert_str_eq(p.trace, "");
    vt_run_ready();
    ck_assert_str_eq(p.trace, "c");
    ck_assert_ptr_eq(p.t, pair[0]);
    vetch_transport_abort(pair[0]);
    ck_assert_str_eq(p.trace, "c");
    vt_run_ready();
    ck_assert_str_eq(p.trace, "clf");
    vetch_transport_unref(pair[0]);
    vetch_transport_unref(pair[1]);
    vt_run_ready(); /* what is below it ends, too */
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(bytes_arrive_in_order)
{
    struct tk_probe ends[2];
    const size_t sizes[] = { 1, 2, 100, 16000, 16384, 70000, 3, 300000 };
    size_t total = 0;
    char *data = tk_pattern(500000);

    tk_connect(KIND, ends);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        ck_assert_int_eq(
            vetch_transport_write(ends[0].t, data + total, sizes[i]), 0);
        total += sizes[i];
    }
    ck_assert_uint_eq(ends[1].n_data, 0);
    tk_until(ends[1].n_data == total);
    ck_assert_int_eq(memcmp(ends[1].data, data, total), 0);
    ck_assert_uint_eq(vetch_transport_buffered(ends[0].t), 0);
    free(data);
    tk_finish(ends);
}

VT_TEST(both_directions_work_at_once)
{
    struct tk_probe ends[2];

    tk_connect(KIND, ends);
    tk_write_all(ends[0].t, "ping");
    tk_write_all(ends[1].t, "pong");
    tk_until(ends[0].n_data == 4 && ends[1].n_data == 4);
    tk_assert_data(&ends[0], "pong");
    tk_assert_data(&ends[1], "ping");
    tk_finish(ends);
}

VT_TEST(what_was_written_before_attach_arrives)
{
    vetch_transport *pair[2];
    struct tk_probe ends[2];

    tk_pair(KIND, pair);
    tk_write_all(pair[0], "early");
    vt_run_ready();
    for (int i = 0; i < 2; i++) {
        tk_init(&ends[i]);
        ck_assert_int_eq(vetch_transport_attach(pair[i], &ends[i].protocol), 0);
        vetch_transport_unref(pair[i]);
    }
    tk_until(ends[1].n_data == 5);
    tk_assert_data(&ends[1], "early");
    ck_assert_str_eq(ends[1].trace, "cr");
    tk_finish(ends);
}

VT_TEST(what_is_left_comes_again_with_more)
{
    struct tk_probe ends[2];

    tk_connect(KIND, ends);
    ends[1].keep = 3;
    tk_write_all(ends[0].t, "abcde");
    tk_until(ends[1].n_calls == 1);
    tk_assert_data(&ends[1], "ab");
    tk_write_all(ends[0].t, "fg");
    tk_until(ends[1].n_calls == 2);
    ck_assert_uint_eq(ends[1].n_left, 5);
    tk_assert_data(&ends[1], "abcd");
    ends[1].keep = 0;
    tk_write_all(ends[0].t, "h");
    tk_until(ends[1].n_calls == 3);
    tk_assert_data(&ends[1], "abcdefgh");
    tk_finish(ends);
}

static void
pause_when_received(struct tk_probe *p, char event)
{
    if (event == TK_RECEIVED)
        vetch_transport_pause(p->t);
}

VT_TEST(what_was_left_at_a_pause_comes_again_at_the_resume)
{
    struct tk_probe ends[2];

    tk_connect(KIND, ends);
    ends[1].keep = 3;
    ends[1].act = pause_when_received;
    tk_write_all(ends[0].t, "abcde");
    tk_until(ends[1].n_calls == 1);
    ends[1].keep = 0;
    ends[1].act = NULL;
    vetch_transport_resume(ends[1].t);
    ck_assert_uint_eq(ends[1].n_calls, 1);
    tk_until(ends[1].n_calls == 2);
    tk_assert_data(&ends[1], "abcde");
    tk_finish(ends);
}

VT_TEST(pieces_of_all_kinds_keep_their_order)
{
    struct tk_probe ends[2];
    FILE *f = tmpfile();
    int fd, freed = 0;

    ck_assert_int_gt(fprintf(f, "0123456789"), 0);
    fflush(f);
    tk_connect(KIND, ends);
    fd = dup(fileno(f));
    tk_write_all(ends[0].t, "<");
    ck_assert_int_eq(
        vetch_transport_write_owned(ends[0].t, "owned", 5, vt_count, &freed),
        0);
    ck_assert_int_eq(vetch_transport_sendfile(ends[0].t, fd, 2, 5), 0);
    ck_assert_int_eq(
        vetch_transport_writev(
            ends[0].t,
            (struct iovec[]){ { (char *)"[", 1 }, { (char *)"]", 1 } }, 2),
        0);
    tk_write_all(ends[0].t, ">");
    ck_assert_uint_eq(vetch_transport_buffered(ends[0].t), 9);
    ck_assert_int_eq(freed, 0);
    tk_until(ends[1].n_data == 14);
    tk_assert_data(&ends[1], "<owned23456[]>");
    ck_assert_int_eq(freed, 1);
    fclose(f);
    tk_finish(ends);
}

VT_TEST(a_unix_socket_tells_who_is_at_the_other_end)
{
    vetch_transport *ends[2];
    unsigned uid, gid;
    int pid;

    tk_pair(TK_UNIX, ends);
    ck_assert_int_eq(
        vetch_transport_peer_credentials(ends[0], &pid, &uid, &gid), 0);
    ck_assert_int_eq(pid, getpid());
    ck_assert_uint_eq(uid, getuid());
    ck_assert_uint_eq(gid, getgid());
    ck_assert_int_eq(
        vetch_transport_peer_credentials(ends[0], NULL, NULL, NULL), 0);
    vetch_transport_abort(ends[0]);
    ck_assert_int_eq(
        vetch_transport_peer_credentials(ends[0], NULL, NULL, NULL), -1);
    ck_assert_int_eq(errno, ENOTCONN);
    vetch_transport_unref(ends[0]);
    vetch_transport_unref(ends[1]);
    tk_pair(TK_TCP, ends);
    ck_assert_int_eq(
        vetch_transport_peer_credentials(ends[0], NULL, NULL, NULL), -1);
    ck_assert_int_eq(errno, EOPNOTSUPP);
    vetch_transport_unref(ends[0]);
    vetch_transport_unref(ends[1]);
}

VT_TEST(a_file_shorter_than_promised_ends_the_connection)
{
    struct tk_probe ends[2];
    FILE *f = tmpfile();

    ck_assert_int_gt(fprintf(f, "0123456789"), 0);
    fflush(f);
    tk_connect(KIND, ends);
    ck_assert_int_eq(vetch_transport_sendfile(ends[0].t, dup(fileno(f)), 5, 10),
                     0);
    tk_until(tk_has(&ends[0], TK_FREED));
    ck_assert_int_eq(ends[0].lost_code, VETCH_ETRUNCATED);
    fclose(f);
    tk_finish(ends);
}

VT_TEST(empty_writes_are_fine)
{
    struct tk_probe ends[2];
    int freed = 0;

    tk_connect(KIND, ends);
    ck_assert_int_eq(vetch_transport_write(ends[0].t, "", 0), 0);
    ck_assert_int_eq(
        vetch_transport_write_owned(ends[0].t, "", 0, vt_count, &freed), 0);
    ck_assert_int_eq(freed, 1);
    ck_assert_int_eq(
        vetch_transport_sendfile(ends[0].t, dup(STDIN_FILENO), 0, 0), 0);
    ck_assert_uint_eq(vetch_transport_buffered(ends[0].t), 0);
    tk_finish(ends);
}

VT_TEST(names_are_endpoints)
{
    static const char *const prefix[] = { "tcp:127.0.0.1:", "unix:", "memory:",
                                          "pipe", "memory:" };
    struct tk_probe ends[2];

    tk_connect(KIND, ends);
    for (int i = 0; i < 2; i++) {
        const char *peer = vetch_transport_peer(ends[i].t);

        ck_assert_int_eq(strncmp(peer, prefix[KIND], strlen(prefix[KIND])), 0);
        ck_assert_str_eq(peer, vetch_transport_local(ends[1 - i].t));
    }
    tk_finish(ends);
}

VT_TEST(an_idle_connection_holds_no_buffer)
{
    struct tk_probe ends[2];

    ck_assert_uint_le(sizeof(vetch_transport), 232);
    tk_connect(KIND, ends);
    ends[1].keep = 1;
    tk_write_all(ends[0].t, "ab");
    tk_until(ends[1].n_calls == 1);
    ck_assert_ptr_nonnull(ends[1].t->input);
    ends[1].keep = 0;
    tk_write_all(ends[0].t, "c");
    tk_until(ends[1].n_calls == 2);
    ck_assert_ptr_null(ends[1].t->input);
    ck_assert_ptr_null(ends[0].t->output.first);
    tk_finish(ends);
}

/* Each message on the other side is one system call here. */
VT_TEST(what_one_dispatch_writes_leaves_with_one_call, .loops = 1)
{
    struct tk_probe p;
    vetch_transport *t;
    char answer[64];
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX,
                                SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC,
                                0, fds),
                     0);
    tk_init(&p);
    t = tk_adopt(fds[0]);
    ck_assert_int_eq(vetch_transport_attach(t, &p.protocol), 0);
    vt_run_ready();
    for (int i = 0; i < 16; i++)
        tk_write_all(t, "ab");
    ck_assert_int_eq(vetch_transport_write_owned(t, "owned", 5, NULL, NULL), 0);
    tk_write_all(t, "cd");
    ck_assert_int_lt(recv(fds[1], answer, sizeof(answer), 0), 0);
    vt_run_ready();
    ck_assert_int_eq(recv(fds[1], answer, sizeof(answer), 0), 39);
    vetch_transport_abort(t);
    vetch_transport_unref(t);
    vt_run_ready();
    close(fds[1]);
}

/* ---- debugging ---- */

VT_CASE("debugging", vt_real_reactor_tcase);

static void
hold_2_ms(struct tk_probe *p, char event)
{
    uint64_t until = vetch__clock_fresh(vt_reactor) + 2000000;

    (void)p;
    (void)event;
    while (vetch__clock_fresh(vt_reactor) < until)
        continue;
}

static int
count_lines(const char *lines, const char *with)
{
    int n = 0;

    while ((lines = strstr(lines, with)) != NULL) {
        lines++;
        n++;
    }
    return n;
}

VT_TEST(a_callback_that_holds_the_loop_is_named, .loops = TK_KINDS)
{
    char *data = tk_pattern(400000);
    vetch_transport *pair[2];
    struct tk_probe ends[2];

    vetch_reactor_set_debug(vt_reactor, true);
    vetch_reactor_set_slow_limit(vt_reactor, 0.001);
    tk_pair(KIND, pair);
    for (int i = 0; i < 2; i++) {
        tk_init(&ends[i]);
        ends[i].act = i == 0 ? hold_2_ms : NULL;
        ck_assert_int_eq(vetch_transport_attach(pair[i], &ends[i].protocol), 0);
    }
    vt_run_ready();
    ck_assert_int_ge(count_lines(vt_log_take(), "slow callback: "), 1);
    vetch_transport_pause(pair[1]);
    vetch_transport_write(pair[0], data, 400000);
    vetch_transport_write(pair[0], data, 400000);
    tk_until(tk_has(&ends[0], TK_PAUSED));
    ck_assert_int_ge(count_lines(vt_log_take(), "slow callback: "), 1);
    vetch_transport_resume(pair[1]);
    tk_until(tk_has(&ends[0], TK_RESUMED));
    ck_assert_int_ge(count_lines(vt_log_take(), "slow callback: "), 1);
    tk_write_all(pair[1], "x");
    tk_until(ends[0].n_data == 1);
    ck_assert_int_ge(count_lines(vt_log_take(), "slow callback: "), 1);
    vetch_transport_unref(pair[0]);
    vetch_transport_close(pair[1]);
    vetch_transport_unref(pair[1]);
    tk_until(tk_has(&ends[0], TK_LOST));
    ck_assert_int_ge(count_lines(vt_log_take(), "slow callback: "), 2);
    tk_finish(ends);
    free(data);
}

/* ---- out of memory ---- */

VT_CASE("errors", vt_reactor_tcase);

static enum tk_kind swept;

static void
live_and_die(bool unharmed)
{
    struct tk_probe ends[2];
    vetch_transport *pair[2];
    char *data = tk_pattern(60000);
    int freed = 0, attached = 0, queued = 0;

    tk_pair(swept, pair);
    for (int i = 0; i < 2; i++) {
        tk_init(&ends[i]);
        ends[i].keep = 10;
        if (pair[i] != NULL &&
            vetch_transport_attach(pair[i], &ends[i].protocol) == 0)
            attached++;
        vetch_transport_unref(pair[i]);
    }
    vt_run_ready();
    if (ends[0].t != NULL && vetch_transport_write(ends[0].t, data, 60000) == 0)
        queued++;
    if (ends[0].t != NULL && vetch_transport_write_owned(ends[0].t, data, 60000,
                                                         vt_count, &freed) == 0)
        queued++;
    if (ends[1].t != NULL)
        vetch_transport_set_input_limit(ends[1].t, 100);
    vt_run_ready();
    if (ends[0].t != NULL)
        vetch_transport_close(ends[0].t);
    vt_run_ready();
    if (ends[1].t != NULL)
        vetch_transport_close(ends[1].t);
    vt_advance(10);
    for (int i = 0; i < 2; i++) {
        if (ends[i].n_trace > 0)
            ck_assert_str_eq(ends[i].trace + ends[i].n_trace - 2, "lf");
        tk_done(&ends[i]);
    }
    ck_assert(freed <= 1);
    if (unharmed) {
        ck_assert_int_eq(attached, 2);
        ck_assert_int_eq(queued, 2);
        ck_assert_int_eq(freed, 1);
    }
    free(data);
    ck_assert_uint_eq(vt_live_objects(), 0);
    vt_log_take();
}

VT_TEST(no_failing_allocation_leaks_or_crashes, .loops = TK_KINDS)
{
    swept = KIND;
    vt_sweep_allocations(live_and_die);
}

VT_CASE("calls", vt_reactor_tcase);

/* ---- before `connected` ---- */

static void
write_three(struct tk_probe *p, char event)
{
    if (event == TK_CONNECTED)
        tk_write_all(p->t, "three");
}

VT_TEST(what_is_written_before_connected_leaves_first, .loops = TK_KINDS)
{
    vetch_transport *pair[2];
    struct tk_probe ends[2];

    tk_pair(KIND, pair);
    tk_init(&ends[0]);
    tk_init(&ends[1]);
    ends[0].act = write_three;
    tk_write_all(pair[0], "one ");
    ck_assert_int_eq(vetch_transport_attach(pair[0], &ends[0].protocol), 0);
    tk_write_all(pair[0], "two ");
    ck_assert_uint_eq(ends[0].n_trace, 0);
    ck_assert_int_eq(vetch_transport_attach(pair[1], &ends[1].protocol), 0);
    tk_until(ends[1].n_data == strlen("one two three"));
    tk_assert_data(&ends[1], "one two three");
    vetch_transport_unref(pair[0]);
    vetch_transport_unref(pair[1]);
    tk_finish(ends);
}

VT_TEST(connected_is_called_even_if_it_was_closed_or_aborted_before,
        .loops = TK_KINDS)
{
    vetch_transport *pair[2];
    struct tk_probe ends[2];

    tk_pair(KIND, pair);
    for (int i = 0; i < 2; i++) {
        tk_init(&ends[i]);
        ck_assert_int_eq(vetch_transport_attach(pair[i], &ends[i].protocol), 0);
    }
    tk_write_all(pair[0], "last words");
    vetch_transport_close(pair[0]);
    tk_until(tk_has(&ends[0], TK_FREED) && tk_has(&ends[1], TK_FREED));
    ck_assert_str_eq(ends[0].trace, "clf");
    tk_assert_data(&ends[1], "last words");
    tk_done(&ends[1]);
    vetch_transport_unref(pair[0]);
    vetch_transport_unref(pair[1]);

    tk_pair(KIND, pair);
    tk_init(&ends[0]);
    ck_assert_int_eq(vetch_transport_attach(pair[0], &ends[0].protocol), 0);
    vetch_transport_abort(pair[0]);
    vetch_transport_unref(pair[0]);
    vetch_transport_unref(pair[1]);
    tk_until(tk_has(&ends[0], TK_FREED));
    ck_assert_str_eq(ends[0].trace, "clf");
}

/* ---- printf ---- */

VT_TEST(text_is_formatted_into_the_queue, .loops = TK_KINDS)
{
    struct tk_probe ends[2];
    char *longer = malloc(5001);

    memset(longer, 'x', 5000);
    longer[5000] = '\0';
    tk_connect(KIND, ends);
    ck_assert_int_eq(vetch_transport_printf(ends[0].t, "%d %s\n", 42, "is"), 0);
    ck_assert_int_eq(vetch_transport_printf(ends[0].t, "%s", ""), 0);
    ck_assert_int_eq(vetch_transport_printf(ends[0].t, "%s%d", longer, 7), 0);
    tk_until(ends[1].n_data == 6 + 5001);
    ck_assert_int_eq(memcmp(ends[1].data, "42 is\n", 6), 0);
    ck_assert_int_eq(memcmp(ends[1].data + 6, longer, 5000), 0);
    ck_assert_int_eq(ends[1].data[6 + 5000], '7');
    vetch_transport_end(ends[0].t);
    ck_assert_int_eq(vetch_transport_printf(ends[0].t, "late"), -1);
    ck_assert_int_eq(errno, EPIPE);
    free(longer);
    tk_finish(ends);
}

VT_TEST(text_that_crosses_the_cap_is_not_queued)
{
    struct tk_probe ends[2];

    tk_connect(TK_MEMORY, ends);
    vetch_transport_set_write_marks(ends[0].t, 1, 2, 9);
    ck_assert_int_eq(vetch_transport_printf(ends[0].t, "%s", "0123456789"), -1);
    ck_assert_int_eq(errno, ENOBUFS);
    ck_assert_uint_eq(vetch_transport_buffered(ends[0].t), 0);
    tk_finish(ends);
}
