/* Transports: every behaviour over TCP, over a Unix socket and over the pair in
 * memory (the loop variable of a test is the kind). */
#include "net_probe.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/transport-private.h"

#define KIND ((enum np_kind)_i)

/* Close what is open and see that everything ended. */
static void
finish(struct probe ends[2])
{
    for (int i = 0; i < 2; i++) {
        if (ends[i].t != NULL)
            vetch_transport_close(ends[i].t);
    }
    np_until(ends[0].n_trace > 0 && np_has(&ends[0], NP_FREED) &&
             np_has(&ends[1], NP_FREED));
    np_done(&ends[0]);
    np_done(&ends[1]);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

static void
write_all(vetch_transport *t, const char *text)
{
    ck_assert_int_eq(vetch_transport_write(t, text, strlen(text)), 0);
}

static void
assert_data(const struct probe *p, const char *text)
{
    ck_assert_uint_eq(p->n_data, strlen(text));
    ck_assert_int_eq(memcmp(p->data, text, p->n_data), 0);
}

/* ---- basics ---- */

START_TEST(connected_is_first_and_never_inside_attach)
{
    vetch_transport *pair[2];
    struct probe p;

    np_pair(KIND, pair);
    np_init(&p);
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
    ck_assert_uint_eq(vt_live_objects(), 0);
}
END_TEST

START_TEST(bytes_arrive_in_order)
{
    struct probe ends[2];
    const size_t sizes[] = { 1, 2, 100, 16000, 16384, 70000, 3, 300000 };
    size_t total = 0;
    char *data = np_pattern(500000);

    np_connect(KIND, ends);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        ck_assert_int_eq(
            vetch_transport_write(ends[0].t, data + total, sizes[i]), 0);
        total += sizes[i];
    }
    ck_assert_uint_eq(ends[1].n_data, 0);
    np_until(ends[1].n_data == total);
    ck_assert_int_eq(memcmp(ends[1].data, data, total), 0);
    ck_assert_uint_eq(vetch_transport_buffered(ends[0].t), 0);
    free(data);
    finish(ends);
}
END_TEST

START_TEST(both_directions_work_at_once)
{
    struct probe ends[2];

    np_connect(KIND, ends);
    write_all(ends[0].t, "ping");
    write_all(ends[1].t, "pong");
    np_until(ends[0].n_data == 4 && ends[1].n_data == 4);
    assert_data(&ends[0], "pong");
    assert_data(&ends[1], "ping");
    finish(ends);
}
END_TEST

START_TEST(what_was_written_before_attach_arrives)
{
    vetch_transport *pair[2];
    struct probe ends[2];

    np_pair(KIND, pair);
    write_all(pair[0], "early");
    vt_run_ready();
    for (int i = 0; i < 2; i++) {
        np_init(&ends[i]);
        ck_assert_int_eq(vetch_transport_attach(pair[i], &ends[i].protocol), 0);
        vetch_transport_unref(pair[i]);
    }
    np_until(ends[1].n_data == 5);
    assert_data(&ends[1], "early");
    ck_assert_str_eq(ends[1].trace, "cr");
    finish(ends);
}
END_TEST

START_TEST(what_is_left_comes_again_with_more)
{
    struct probe ends[2];

    np_connect(KIND, ends);
    ends[1].keep = 3;
    write_all(ends[0].t, "abcde");
    np_until(ends[1].n_calls == 1);
    assert_data(&ends[1], "ab");
    write_all(ends[0].t, "fg");
    np_until(ends[1].n_calls == 2);
    ck_assert_uint_eq(ends[1].n_left, 5);
    assert_data(&ends[1], "abcd");
    ends[1].keep = 0;
    write_all(ends[0].t, "h");
    np_until(ends[1].n_calls == 3);
    assert_data(&ends[1], "abcdefgh");
    finish(ends);
}
END_TEST

static void
pause_when_received(struct probe *p, char event)
{
    if (event == NP_RECEIVED)
        vetch_transport_pause(p->t);
}

START_TEST(what_was_left_at_a_pause_comes_again_at_the_resume)
{
    struct probe ends[2];

    np_connect(KIND, ends);
    ends[1].keep = 3;
    ends[1].act = pause_when_received;
    write_all(ends[0].t, "abcde");
    np_until(ends[1].n_calls == 1);
    ends[1].keep = 0;
    ends[1].act = NULL;
    vetch_transport_resume(ends[1].t);
    ck_assert_uint_eq(ends[1].n_calls, 1);
    np_until(ends[1].n_calls == 2);
    assert_data(&ends[1], "abcde");
    finish(ends);
}
END_TEST

START_TEST(pieces_of_all_kinds_keep_their_order)
{
    struct probe ends[2];
    FILE *f = tmpfile();
    int fd, freed = 0;

    ck_assert_int_gt(fprintf(f, "0123456789"), 0);
    fflush(f);
    np_connect(KIND, ends);
    fd = dup(fileno(f));
    write_all(ends[0].t, "<");
    ck_assert_int_eq(
        vetch_transport_write_owned(ends[0].t, "owned", 5, vt_count, &freed),
        0);
    ck_assert_int_eq(vetch_transport_sendfile(ends[0].t, fd, 2, 5), 0);
    ck_assert_int_eq(
        vetch_transport_writev(
            ends[0].t,
            (struct iovec[]){ { (char *)"[", 1 }, { (char *)"]", 1 } }, 2),
        0);
    write_all(ends[0].t, ">");
    ck_assert_uint_eq(vetch_transport_buffered(ends[0].t), 9);
    ck_assert_int_eq(freed, 0);
    np_until(ends[1].n_data == 14);
    assert_data(&ends[1], "<owned23456[]>");
    ck_assert_int_eq(freed, 1);
    fclose(f);
    finish(ends);
}
END_TEST

START_TEST(a_file_shorter_than_promised_ends_the_connection)
{
    struct probe ends[2];
    FILE *f = tmpfile();

    ck_assert_int_gt(fprintf(f, "0123456789"), 0);
    fflush(f);
    np_connect(KIND, ends);
    ck_assert_int_eq(vetch_transport_sendfile(ends[0].t, dup(fileno(f)), 5, 10),
                     0);
    np_until(np_has(&ends[0], NP_FREED));
    ck_assert_int_eq(ends[0].lost_code, VETCH_ETRUNCATED);
    fclose(f);
    finish(ends);
}
END_TEST

START_TEST(empty_writes_are_fine)
{
    struct probe ends[2];
    int freed = 0;

    np_connect(KIND, ends);
    ck_assert_int_eq(vetch_transport_write(ends[0].t, "", 0), 0);
    ck_assert_int_eq(
        vetch_transport_write_owned(ends[0].t, "", 0, vt_count, &freed), 0);
    ck_assert_int_eq(freed, 1);
    ck_assert_int_eq(
        vetch_transport_sendfile(ends[0].t, dup(STDIN_FILENO), 0, 0), 0);
    ck_assert_uint_eq(vetch_transport_buffered(ends[0].t), 0);
    finish(ends);
}
END_TEST

START_TEST(names_are_endpoints)
{
    static const char *const prefix[] = { "tcp:127.0.0.1:", "unix:",
                                          "memory:" };
    struct probe ends[2];

    np_connect(KIND, ends);
    for (int i = 0; i < 2; i++) {
        const char *peer = vetch_transport_peer(ends[i].t);

        ck_assert_int_eq(strncmp(peer, prefix[KIND], strlen(prefix[KIND])), 0);
        ck_assert_str_eq(peer, vetch_transport_local(ends[1 - i].t));
    }
    finish(ends);
}
END_TEST

START_TEST(an_idle_connection_holds_no_buffer)
{
    struct probe ends[2];

    ck_assert_uint_le(sizeof(vetch_transport), 224);
    np_connect(KIND, ends);
    ends[1].keep = 1;
    write_all(ends[0].t, "ab");
    np_until(ends[1].n_calls == 1);
    ck_assert_ptr_nonnull(ends[1].t->input);
    ends[1].keep = 0;
    write_all(ends[0].t, "c");
    np_until(ends[1].n_calls == 2);
    ck_assert_ptr_null(ends[1].t->input);
    ck_assert_ptr_null(ends[0].t->output.first);
    finish(ends);
}
END_TEST

/* Each message on the other side is one system call here. */
START_TEST(what_one_dispatch_writes_leaves_with_one_call)
{
    struct probe p;
    vetch_transport *t;
    char answer[64];
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX,
                                SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC,
                                0, fds),
                     0);
    np_init(&p);
    t = np_adopt(fds[0]);
    ck_assert_int_eq(vetch_transport_attach(t, &p.protocol), 0);
    vt_run_ready();
    for (int i = 0; i < 16; i++)
        write_all(t, "ab");
    ck_assert_int_eq(vetch_transport_write_owned(t, "owned", 5, NULL, NULL), 0);
    write_all(t, "cd");
    ck_assert_int_lt(recv(fds[1], answer, sizeof(answer), 0), 0);
    vt_run_ready();
    ck_assert_int_eq(recv(fds[1], answer, sizeof(answer), 0), 39);
    vetch_transport_abort(t);
    vetch_transport_unref(t);
    vt_run_ready();
    close(fds[1]);
}
END_TEST

/* ---- the end of one direction, or of both ---- */

/* libuv #3034, node #32487: the peer's end is not the connection's. */
START_TEST(half_closed_still_writes)
{
    struct probe ends[2];

    np_connect(KIND, ends);
    ends[1].stay_open = true;
    write_all(ends[0].t, "question");
    ck_assert_int_eq(vetch_transport_end(ends[0].t), 0);
    ck_assert_int_eq(vetch_transport_write(ends[0].t, "x", 1), -1);
    ck_assert_int_eq(errno, EPIPE);
    ck_assert_int_eq(vetch_transport_end(ends[0].t), -1);
    ck_assert_int_eq(errno, EPIPE);
    np_until(np_has(&ends[1], NP_ENDED));
    ck_assert_str_eq(ends[1].trace, "cre");
    assert_data(&ends[1], "question");
    write_all(ends[1].t, "answer");
    np_until(ends[0].n_data == 6);
    ck_assert_str_eq(ends[0].trace, "cr");
    ck_assert_int_eq(vetch_transport_end(ends[1].t), 0);
    np_until(np_has(&ends[0], NP_FREED) && np_has(&ends[1], NP_FREED));
    ck_assert_str_eq(ends[0].trace, "crelf");
    ck_assert_str_eq(ends[1].trace, "crelf");
    ck_assert_int_eq(ends[0].lost_code, 0);
    ck_assert_int_eq(ends[1].lost_code, 0);
    finish(ends);
}
END_TEST

START_TEST(the_peers_end_closes_by_default_after_flushing)
{
    struct probe ends[2];
    char *data = np_pattern(200000);

    np_connect(KIND, ends);
    ends[1].stay_open = false;
    ends[0].stay_open = true;
    ck_assert_int_eq(vetch_transport_write(ends[1].t, data, 200000), 0);
    ck_assert_int_eq(vetch_transport_end(ends[0].t), 0);
    np_until(np_has(&ends[0], NP_FREED) && np_has(&ends[1], NP_FREED));
    ck_assert_uint_eq(ends[0].n_data, 200000);
    ck_assert_int_eq(memcmp(ends[0].data, data, 200000), 0);
    ck_assert_str_eq(ends[1].trace + ends[1].n_trace - 3, "elf");
    ck_assert_int_eq(ends[0].lost_code, 0);
    ck_assert_int_eq(ends[1].lost_code, 0);
    free(data);
    finish(ends);
}
END_TEST

/* libuv #3449: a reset looked like a clean end of the stream. A Unix socket
 * knows no reset; it reports one only if bytes were not read. */
START_TEST(reset_is_not_the_end_of_the_stream)
{
    struct probe ends[2];

    np_connect(KIND, ends);
    vetch_transport_pause(ends[0].t);
    write_all(ends[1].t, "never read");
    vt_run_ready();
    vetch_transport_abort(ends[0].t);
    np_until(np_has(&ends[0], NP_FREED) && np_has(&ends[1], NP_FREED));
    ck_assert_int_eq(ends[0].lost_code, ECONNABORTED);
    ck_assert_int_eq(ends[1].lost_code, ECONNRESET);
    ck_assert(!np_has(&ends[1], NP_ENDED));
    finish(ends);
}
END_TEST

START_TEST(reset_without_anything_unread_is_seen_too)
{
    struct probe ends[2];

    np_connect(KIND, ends);
    vetch_transport_abort(ends[0].t);
    np_until(np_has(&ends[0], NP_FREED) && np_has(&ends[1], NP_FREED));
    if (KIND == NP_UNIX) {
        ck_assert_str_eq(ends[1].trace, "celf");
        ck_assert_int_eq(ends[1].lost_code, 0);
    } else {
        ck_assert_str_eq(ends[1].trace, "clf");
        ck_assert_int_eq(ends[1].lost_code, ECONNRESET);
        ck_assert_ptr_nonnull(strstr(ends[1].lost_text, "read from "));
    }
    finish(ends);
}
END_TEST

/* node #36180: data sent before the shutdown was lost. */
START_TEST(everything_is_received_before_the_end)
{
    struct probe ends[2];
    char *data = np_pattern(1000000);

    np_connect(KIND, ends);
    ck_assert_int_eq(vetch_transport_write(ends[0].t, data, 1000000), 0);
    vetch_transport_close(ends[0].t);
    np_until(np_has(&ends[1], NP_FREED));
    ck_assert_str_eq(ends[1].trace, "crelf");
    ck_assert_uint_eq(ends[1].n_data, 1000000);
    ck_assert_int_eq(memcmp(ends[1].data, data, 1000000), 0);
    ck_assert_int_eq(ends[0].lost_code, 0);
    ck_assert_str_eq(ends[0].trace, "clf");
    free(data);
    finish(ends);
}
END_TEST

/* libevent #321, node #9085: closing with unread input resets the connection,
 * and the peer loses the answer. */
START_TEST(close_with_unread_input_is_no_reset)
{
    struct probe ends[2];
    char *data = np_pattern(100000);

    np_connect(KIND, ends);
    vetch_transport_pause(ends[0].t);
    ck_assert_int_eq(vetch_transport_write(ends[1].t, data, 100000), 0);
    vt_run_ready();
    ck_assert_int_eq(vetch_transport_write(ends[0].t, data, 100000), 0);
    vetch_transport_close(ends[0].t);
    np_until(np_has(&ends[0], NP_FREED) && np_has(&ends[1], NP_FREED));
    ck_assert_uint_eq(ends[0].n_data, 0);
    ck_assert_uint_eq(ends[1].n_data, 100000);
    ck_assert_int_eq(memcmp(ends[1].data, data, 100000), 0);
    ck_assert_int_eq(ends[0].lost_code, 0);
    ck_assert_int_eq(ends[1].lost_code, 0);
    free(data);
    finish(ends);
}
END_TEST

static void
write_on(struct probe *p, char event)
{
    static char junk[65536];

    if (event == NP_RESUMED || event == NP_ENDED)
        for (int i = 0; i < 5; i++)
            (void)!vetch_transport_write(p->t, junk, sizeof(junk));
}

START_TEST(lingering_is_bounded_in_bytes)
{
    struct probe ends[2];

    np_connect(KIND, ends);
    ends[1].stay_open = true;
    ends[1].act = write_on;
    write_on(&ends[1], NP_RESUMED);
    vetch_transport_close(ends[0].t);
    np_until(np_has(&ends[0], NP_FREED));
    while (!np_has(&ends[1], NP_FREED)) { /* only writing tells it now */
        write_on(&ends[1], NP_RESUMED);
        vt_run_ready();
    }
    ck_assert_int_eq(ends[0].lost_code, 0);
    ck_assert_int_ne(ends[1].lost_code, 0);
    ck_assert_uint_eq(ends[0].n_data, 0);
    finish(ends);
}
END_TEST

START_TEST(lingering_is_bounded_in_time)
{
    struct probe ends[2];

    np_connect(KIND, ends);
    ends[1].stay_open = true;
    vetch_transport_close(ends[0].t);
    np_until(np_has(&ends[1], NP_ENDED));
    vt_advance(1.99);
    ck_assert_str_eq(ends[0].trace, "c");
    vt_advance(0.01);
    ck_assert_str_eq(ends[0].trace, "clf");
    ck_assert_int_eq(ends[0].lost_code, 0);
    finish(ends);
}
END_TEST

START_TEST(close_gives_up_after_its_deadline)
{
    struct probe ends[2];
    int freed = 0;
    char *data = np_pattern(2000000);

    np_connect(KIND, ends);
    vetch_transport_pause(ends[1].t);
    ck_assert_int_eq(
        vetch_transport_write_owned(ends[0].t, data, 2000000, vt_count, &freed),
        0);
    vetch_transport_close(ends[0].t);
    vt_advance(4.99);
    ck_assert_str_eq(ends[0].trace, "c");
    vt_advance(0.01);
    ck_assert_str_eq(ends[0].trace, "clf");
    ck_assert_int_eq(ends[0].lost_code, VETCH_ETIMEDOUT);
    ck_assert_int_eq(freed, 1);
    vetch_transport_resume(ends[1].t);
    np_until(np_has(&ends[1], NP_FREED));
    free(data);
    finish(ends);
}
END_TEST

START_TEST(the_deadline_of_close_can_be_set)
{
    struct probe ends[2];

    np_connect(KIND, ends);
    ends[1].stay_open = true;
    ck_assert_int_eq(vetch_transport_set_close_timeout(ends[0].t, 0.5), 0);
    vetch_transport_close(ends[0].t);
    np_until(np_has(&ends[1], NP_ENDED));
    vt_advance(0.5);
    ck_assert_str_eq(ends[0].trace, "clf");
    finish(ends);
}
END_TEST

START_TEST(nothing_is_received_after_close)
{
    struct probe ends[2];

    np_connect(KIND, ends);
    vetch_transport_close(ends[0].t);
    write_all(ends[1].t, "too late");
    np_until(np_has(&ends[0], NP_FREED));
    ck_assert_str_eq(ends[0].trace, "clf");
    ck_assert_uint_eq(ends[0].n_calls, 0);
    finish(ends);
}
END_TEST

/* The answer that a server sends before it resets is read first. */
START_TEST(the_answer_is_read_although_writing_failed)
{
    struct probe p;
    vetch_transport *t;
    char junk[1000] = { 0 };
    int fds[2];

    np_tcp_fds(fds);
    np_init(&p);
    t = np_adopt(fds[0]);
    ck_assert_int_eq(vetch_transport_attach(t, &p.protocol), 0);
    vetch_transport_unref(t);
    vt_run_ready();
    write_all(t, "a body that nobody reads");
    vt_run_ready();
    ck_assert_int_eq(send(fds[1], "413", 3, 0), 3);
    close(fds[1]); /* with unread input: a reset */
    ck_assert_int_eq(vetch_transport_write(t, junk, sizeof(junk)), 0);
    np_until(np_has(&p, NP_FREED));
    assert_data(&p, "413");
    ck_assert_str_eq(p.trace, "crlf");
    ck_assert_int_ne(p.lost_code, 0);
    np_done(&p);
}
END_TEST

/* libuv #45 #1013 #3044, joyent/libuv #1244 #1535: SIGPIPE, also where the
 * program wants it to kill. (LESSONS 11) */
START_TEST(a_broken_connection_raises_no_sigpipe)
{
    struct probe p;
    vetch_transport *t;
    int fds[2];

    signal(SIGPIPE, SIG_DFL);
    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
        0);
    np_init(&p);
    t = np_adopt(fds[0]);
    ck_assert_int_eq(vetch_transport_attach(t, &p.protocol), 0);
    vetch_transport_unref(t);
    vt_run_ready();
    close(fds[1]);
    write_all(t, "to nobody");
    np_until(np_has(&p, NP_FREED));
    ck_assert_int_eq(p.lost_code, EPIPE);
    np_done(&p);
}
END_TEST

/* ---- marks ---- */

/* libuv #1169, help #29; libevent #694 #1211 #1350 #1466; mongoose #2574 #3077;
 * cpython #74116 #116279; node help #2350: writing faster than the peer reads.
 * (LESSONS 4) With the pair in memory nothing but the queue holds bytes, so the
 * marks show exactly. */
START_TEST(paused_above_the_high_mark_resumed_at_the_low_one)
{
    struct probe ends[2];
    char *data = np_pattern(1000);

    np_connect(NP_MEMORY, ends);
    ck_assert_int_eq(vetch_transport_set_write_marks(ends[0].t, 10, 100, 1000),
                     0);
    vetch_transport_pause(ends[1].t);
    ck_assert_int_eq(vetch_transport_write(ends[0].t, data, 100), 0);
    vt_run_ready();
    ck_assert_str_eq(ends[0].trace, "c");
    ck_assert_int_eq(vetch_transport_write(ends[0].t, data, 1), 0);
    ck_assert_str_eq(ends[0].trace, "c");
    vt_run_ready();
    ck_assert_str_eq(ends[0].trace, "cp");
    ck_assert_uint_eq(vetch_transport_buffered(ends[0].t), 101);
    vetch_transport_resume(ends[1].t);
    vt_run_ready();
    ck_assert_str_eq(ends[0].trace, "cpu");
    ck_assert_uint_eq(ends[1].n_data, 101);
    free(data);
    finish(ends);
}
END_TEST

/* A pull takes 64 KiB: what is left then is the low mark, or one more. */
START_TEST(the_low_mark_is_exact)
{
    for (size_t above = 0; above < 2; above++) {
        struct probe ends[2];
        char *data = np_pattern(65536 + 100 + above);

        np_connect(NP_MEMORY, ends);
        ck_assert_int_eq(
            vetch_transport_set_write_marks(ends[0].t, 100, 1000, 100000), 0);
        vetch_transport_pause(ends[1].t);
        ck_assert_int_eq(
            vetch_transport_write(ends[0].t, data, 65536 + 100 + above), 0);
        vt_run_ready();
        ck_assert_str_eq(ends[0].trace, "cp");
        ends[1].act = pause_when_received;
        vetch_transport_resume(ends[1].t);
        vt_run_ready();
        ck_assert_uint_eq(vetch_transport_buffered(ends[0].t), 100 + above);
        ck_assert_str_eq(ends[0].trace, above == 0 ? "cpu" : "cp");
        ends[1].act = NULL;
        vetch_transport_resume(ends[1].t);
        vt_run_ready();
        ck_assert_str_eq(ends[0].trace, "cpu");
        free(data);
        finish(ends);
    }
}
END_TEST

START_TEST(a_slow_reader_pauses_and_resumes_the_writer)
{
    struct probe ends[2];
    size_t written = 0;
    char *data = np_pattern(100000);

    np_connect(KIND, ends);
    vetch_transport_pause(ends[1].t);
    while (!np_has(&ends[0], NP_PAUSED)) {
        ck_assert_int_eq(vetch_transport_write(ends[0].t, data, 100000), 0);
        written += 100000;
        vt_run_ready();
    }
    vetch_transport_resume(ends[1].t);
    np_until(ends[1].n_data == written);
    np_until(np_has(&ends[0], NP_RESUMED));
    ck_assert_str_eq(ends[0].trace, "cpu");
    for (size_t i = 0; i < written; i += 100000)
        ck_assert_int_eq(memcmp(ends[1].data + i, data, 100000), 0);
    free(data);
    finish(ends);
}
END_TEST

START_TEST(the_hard_cap_refuses_and_queues_nothing)
{
    struct probe ends[2];
    char *data = np_pattern(1001);
    struct iovec iov[2] = { { data, 500 }, { data, 501 } };
    size_t written = 0, buffered;

    np_connect(KIND, ends);
    ck_assert_int_eq(vetch_transport_set_write_marks(ends[0].t, 0, 1000, 1000),
                     0);
    ck_assert_int_eq(vetch_transport_write(ends[0].t, data, 1001), -1);
    ck_assert_int_eq(errno, ENOBUFS);
    ck_assert_int_eq(vetch_transport_writev(ends[0].t, iov, 2), -1);
    ck_assert_int_eq(errno, ENOBUFS);
    ck_assert_uint_eq(vetch_transport_buffered(ends[0].t), 0);
    vetch_transport_pause(ends[1].t);
    while (vetch_transport_write(ends[0].t, data, 7) == 0) {
        written += 7;
        if (written % 700 == 0)
            vt_run_ready();
    }
    ck_assert_int_eq(errno, ENOBUFS);
    buffered = vetch_transport_buffered(ends[0].t);
    ck_assert_uint_gt(buffered, 993);
    ck_assert_uint_le(buffered, 1000);
    ck_assert_int_eq(
        vetch_transport_write_owned(ends[0].t, data, 7, free, data), -1);
    vetch_transport_resume(ends[1].t);
    np_until(ends[1].n_data == written);
    free(data);
    finish(ends);
}
END_TEST

START_TEST(marks_have_to_be_in_order)
{
    struct probe ends[2];

    np_connect(KIND, ends);
    ck_assert_int_eq(vetch_transport_set_write_marks(ends[0].t, 2, 1, 3), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(vetch_transport_set_write_marks(ends[0].t, 1, 3, 2), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(vetch_transport_set_close_timeout(ends[0].t, -1), -1);
    ck_assert_int_eq(errno, EINVAL);
    finish(ends);
}
END_TEST

START_TEST(input_that_nobody_consumes_is_bounded)
{
    struct probe ends[2];
    char *data = np_pattern(200000);

    np_connect(KIND, ends);
    ends[1].keep = SIZE_MAX;
    ck_assert_int_eq(vetch_transport_set_input_limit(ends[1].t, 100000), 0);
    ck_assert_int_eq(vetch_transport_write(ends[0].t, data, 200000), 0);
    np_until(np_has(&ends[1], NP_FREED));
    ck_assert_int_eq(ends[1].lost_code, VETCH_ETOOLARGE);
    ck_assert_uint_gt(ends[1].n_left, 100000);
    ck_assert_uint_le(ends[1].n_left, 100000 + 65536);
    np_until(np_has(&ends[0], NP_FREED));
    ck_assert_int_ne(ends[0].lost_code, 0);
    free(data);
    finish(ends);
}
END_TEST

/* libevent #891: a reader paused while bytes wait must not spin. */
START_TEST(a_paused_reader_uses_no_cpu)
{
    struct probe ends[2];
    struct rusage before, after;
    vetch_error *error;
    long used;

    np_connect(KIND, ends);
    vetch_transport_pause(ends[1].t);
    write_all(ends[0].t, "waiting");
    getrusage(RUSAGE_SELF, &before);
    vetch_run(vetch_sleep(0.3), &error);
    getrusage(RUSAGE_SELF, &after);
    used = (after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 +
           after.ru_utime.tv_usec - before.ru_utime.tv_usec +
           (after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1000000 +
           after.ru_stime.tv_usec - before.ru_stime.tv_usec;
    ck_assert_int_lt(used, 30000);
    ck_assert_uint_eq(ends[1].n_data, 0);
    vetch_transport_resume(ends[1].t);
    np_until(ends[1].n_data == 7);
    finish(ends);
}
END_TEST

/* ---- lifetime ---- */

enum action {
    DO_ABORT,
    DO_CLOSE,
    DO_END,
    DO_UNREF,
    DO_PAUSE_AND_RESUME,
    DO_WRITE,
    DO_ALL,
    ACTIONS
};

static const char events[] = { NP_CONNECTED, NP_RECEIVED, NP_ENDED, NP_PAUSED,
                               NP_RESUMED,   NP_LOST,     NP_FREED };

struct plan {
    char event;
    enum action action;
    vetch_transport *held; /* a reference to be dropped */
    int done;
};

static void
carry_out(struct probe *p, char event)
{
    struct plan *plan = p->arg;
    vetch_transport *t = plan->held;

    if (event != plan->event || plan->done++ > 0)
        return;
    if (plan->action == DO_END || plan->action == DO_ALL)
        (void)!vetch_transport_end(t);
    if (plan->action == DO_PAUSE_AND_RESUME || plan->action == DO_ALL) {
        vetch_transport_pause(t);
        vetch_transport_resume(t);
    }
    if (plan->action == DO_WRITE || plan->action == DO_ALL)
        (void)!vetch_transport_write(t, "from inside", 11);
    if (plan->action == DO_CLOSE || plan->action == DO_ALL)
        vetch_transport_close(t);
    if (plan->action == DO_ABORT || plan->action == DO_ALL)
        vetch_transport_abort(t);
    if (plan->action == DO_UNREF || plan->action == DO_ALL)
        plan->held = vetch_transport_unref(t);
}

/* Lead a connection through every event there is. */
static void
exercise(struct probe ends[2], const char *data)
{
    if (ends[0].t != NULL) /* write_paused, unless the plan was at work */
        (void)!vetch_transport_write(ends[0].t, data, 400000);
    if (ends[1].t != NULL)
        (void)!vetch_transport_write(ends[1].t, data, 1000);
    vt_run_ready();
    if (ends[1].t != NULL)
        vetch_transport_resume(ends[1].t);
    while (!(np_has(&ends[0], NP_RESUMED) || np_has(&ends[0], NP_LOST) ||
             ends[0].t->out != VETCH__OUT_OPEN || ends[1].t == NULL))
        np_turn();
    if (ends[1].t != NULL)
        vetch_transport_close(ends[1].t);
    if (ends[0].t != NULL && np_has(&ends[0], NP_ENDED))
        vetch_transport_close(ends[0].t);
}

/* libuv #2172 #2544, libhv #496, libevent #997 #1289 #1808, curl #3537 #5354:
 * whatever a callback does to its own connection is fine, and the order of
 * events holds. */
START_TEST(anything_may_be_done_in_any_callback)
{
    char *data = np_pattern(400000);

    for (size_t e = 0; e < sizeof(events); e++) {
        for (int a = 0; a < ACTIONS; a++) {
            struct plan plan = { events[e], (enum action)a, NULL, 0 };
            vetch_transport *pair[2];
            struct probe ends[2];

            np_pair(KIND, pair);
            np_init(&ends[0]);
            np_init(&ends[1]);
            ends[0].act = carry_out;
            ends[0].arg = &plan;
            plan.held = vetch_transport_ref(pair[0]);
            vetch_transport_pause(pair[1]);
            for (int i = 0; i < 2; i++) {
                ck_assert_int_eq(
                    vetch_transport_attach(pair[i], &ends[i].protocol), 0);
                vetch_transport_unref(pair[i]);
            }
            vt_run_ready();
            exercise(ends, data);
            vt_run_ready();
            if (ends[0].t != NULL)
                vetch_transport_close(ends[0].t);
            np_until(np_has(&ends[0], NP_FREED) && np_has(&ends[1], NP_FREED));
            ck_assert_int_eq(ends[0].trace[0], NP_CONNECTED);
            ck_assert_str_eq(ends[0].trace + ends[0].n_trace - 2, "lf");
            plan.held = vetch_transport_unref(plan.held);
            np_done(&ends[0]);
            np_done(&ends[1]);
            ck_assert_uint_eq(vt_live_objects(), 0);
        }
    }
    free(data);
}
END_TEST

START_TEST(closing_and_aborting_again_changes_nothing)
{
    struct probe ends[2];
    vetch_transport *t;

    np_connect(KIND, ends);
    t = vetch_transport_ref(ends[0].t);
    vetch_transport_close(t);
    vetch_transport_close(t);
    vetch_transport_abort(t);
    vetch_transport_abort(t);
    vetch_transport_close(t);
    np_until(np_has(&ends[0], NP_FREED));
    ck_assert_str_eq(ends[0].trace, "clf");
    vetch_transport_close(t);
    vetch_transport_abort(t);
    vetch_transport_unref(t);
    finish(ends);
}
END_TEST

START_TEST(a_reference_outlives_the_connection)
{
    struct probe ends[2];
    vetch_transport *t;

    np_connect(KIND, ends);
    t = vetch_transport_ref(ends[0].t);
    vetch_transport_abort(t);
    np_until(np_has(&ends[0], NP_FREED));
    ck_assert_int_eq(vetch_transport_write(t, "x", 1), -1);
    ck_assert_int_eq(errno, EPIPE);
    ck_assert_int_eq(vetch_transport_end(t), -1);
    ck_assert_int_eq(errno, EPIPE);
    ck_assert_int_eq(vetch_transport_attach(t, &ends[0].protocol), -1);
    ck_assert_int_eq(errno, ENOTCONN);
    vetch_transport_pause(t);
    vetch_transport_resume(t);
    ck_assert_int_eq(vetch_transport_set_input_limit(t, 1), 0);
    ck_assert_uint_eq(vetch_transport_buffered(t), 0);
    ck_assert_ptr_nonnull(vetch_transport_peer(t));
    ck_assert_ptr_nonnull(vetch_transport_local(t));
    vetch_transport_unref(t);
    finish(ends);
}
END_TEST

START_TEST(dropped_without_a_protocol_it_is_aborted)
{
    vetch_transport *pair[2];
    struct probe p;

    np_pair(KIND, pair);
    np_init(&p);
    ck_assert_int_eq(vetch_transport_attach(pair[0], &p.protocol), 0);
    vetch_transport_unref(pair[0]);
    vt_run_ready();
    write_all(pair[1], "dropped as well");
    vetch_unref(pair[1]);
    np_until(np_has(&p, NP_FREED));
    if (KIND != NP_UNIX)
        ck_assert_int_eq(p.lost_code, ECONNRESET);
    np_done(&p);
    ck_assert_uint_eq(vt_live_objects(), 0);
}
END_TEST

START_TEST(closed_without_a_protocol_it_still_flushes)
{
    vetch_transport *pair[2];
    struct probe p;

    np_pair(KIND, pair);
    np_init(&p);
    ck_assert_int_eq(vetch_transport_attach(pair[0], &p.protocol), 0);
    vetch_transport_unref(pair[0]);
    write_all(pair[1], "last words");
    vetch_transport_close(pair[1]);
    vetch_transport_unref(pair[1]);
    np_until(np_has(&p, NP_FREED));
    assert_data(&p, "last words");
    ck_assert_int_eq(p.lost_code, 0);
    np_done(&p);
    vt_run_ready();
    ck_assert_uint_eq(vt_live_objects(), 0);
}
END_TEST

START_TEST(a_transport_has_one_protocol)
{
    struct probe ends[2], other;

    np_connect(KIND, ends);
    np_init(&other);
    ck_assert_int_eq(vetch_transport_attach(ends[0].t, &other.protocol), -1);
    ck_assert_int_eq(errno, EBUSY);
    finish(ends);
    ck_assert_str_eq(other.trace, "");
}
END_TEST

START_TEST(every_function_of_a_class_may_be_missing)
{
    static const vetch_protocol_class nothing = { .size = sizeof(nothing) };
    vetch_protocol p = { &nothing };
    vetch_transport *pair[2];
    struct probe probe;

    np_pair(KIND, pair);
    np_init(&probe);
    ck_assert_int_eq(vetch_transport_attach(pair[0], &probe.protocol), 0);
    ck_assert_int_eq(vetch_transport_attach(pair[1], &p), 0);
    vetch_transport_unref(pair[0]);
    vetch_transport_unref(pair[1]);
    write_all(pair[0], "nobody listens");
    vt_run_ready();
    vetch_transport_close(pair[0]);
    np_until(np_has(&probe, NP_FREED));
    ck_assert_int_eq(probe.lost_code, 0);
    np_done(&probe);
    vt_run_ready();
    ck_assert_uint_eq(vt_live_objects(), 0);
}
END_TEST

/* libuv #3266, libhv #754: what is open when the loop goes. */
START_TEST(the_end_of_the_reactor_ends_connections)
{
    struct probe ends[2];
    vetch_transport *held[2], *unattached[2];
    char *data = np_pattern(1000);
    int freed = 0;

    np_connect(KIND, ends);
    np_pair(KIND, unattached);
    vetch_transport_pause(ends[1].t);
    ck_assert_int_eq(
        vetch_transport_write_owned(ends[0].t, data, 1000, vt_count, &freed),
        0);
    vetch_transport_close(ends[0].t);
    for (int i = 0; i < 2; i++)
        held[i] = vetch_transport_ref(ends[i].t);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    for (int i = 0; i < 2; i++) {
        ck_assert_str_eq(ends[i].trace + ends[i].n_trace - 2, "lf");
        ck_assert_int_ne(ends[i].lost_code, 0);
        ck_assert_int_eq(vetch_transport_write(held[i], "x", 1), -1);
        vetch_transport_abort(held[i]);
        vetch_transport_unref(held[i]);
        ck_assert_int_eq(vetch_transport_write(unattached[i], "x", 1), -1);
        vetch_transport_unref(unattached[i]);
        np_done(&ends[i]);
    }
    ck_assert_int_eq(freed, 1);
    free(data);
}
END_TEST

START_TEST(a_pair_needs_a_reactor)
{
    vetch_transport *pair[2];

    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_eq(vetch_transport_pair(pair), -1);
    ck_assert_int_eq(errno, EPERM);
}
END_TEST

/* Two ends that answer each other without end leave room for the rest. */
static void
answer(struct probe *p, char event)
{
    if (event == NP_RECEIVED && p->n_data < 2000000)
        (void)!vetch_transport_write(p->t, "x", 1);
}

START_TEST(a_chatty_pair_does_not_starve_the_loop)
{
    struct probe ends[2];
    int fired = 0;

    np_connect(NP_MEMORY, ends);
    ends[0].act = ends[1].act = answer;
    write_all(ends[0].t, "x");
    np_turn();
    ck_assert_int_eq(vetch_call_soon(vt_count, &fired), 0);
    np_turn();
    np_turn();
    ck_assert_int_eq(fired, 1);
    ck_assert_uint_lt(ends[0].n_data, 2000000);
    finish(ends);
}
END_TEST

/* ---- debugging ---- */

static void
hold_2_ms(struct probe *p, char event)
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

START_TEST(a_callback_that_holds_the_loop_is_named)
{
    char *data = np_pattern(400000);
    vetch_transport *pair[2];
    struct probe ends[2];

    vetch_reactor_set_debug(vt_reactor, true);
    vetch_reactor_set_slow_limit(vt_reactor, 0.001);
    np_pair(KIND, pair);
    for (int i = 0; i < 2; i++) {
        np_init(&ends[i]);
        ends[i].act = i == 0 ? hold_2_ms : NULL;
        ck_assert_int_eq(vetch_transport_attach(pair[i], &ends[i].protocol), 0);
    }
    vt_run_ready();
    ck_assert_int_ge(count_lines(vt_log_take(), "slow callback: "), 1);
    vetch_transport_pause(pair[1]);
    vetch_transport_write(pair[0], data, 400000);
    vetch_transport_write(pair[0], data, 400000);
    np_until(np_has(&ends[0], NP_PAUSED));
    ck_assert_int_ge(count_lines(vt_log_take(), "slow callback: "), 1);
    vetch_transport_resume(pair[1]);
    np_until(np_has(&ends[0], NP_RESUMED));
    ck_assert_int_ge(count_lines(vt_log_take(), "slow callback: "), 1);
    write_all(pair[1], "x");
    np_until(ends[0].n_data == 1);
    ck_assert_int_ge(count_lines(vt_log_take(), "slow callback: "), 1);
    vetch_transport_unref(pair[0]);
    vetch_transport_close(pair[1]);
    vetch_transport_unref(pair[1]);
    np_until(np_has(&ends[0], NP_LOST));
    ck_assert_int_ge(count_lines(vt_log_take(), "slow callback: "), 2);
    finish(ends);
    free(data);
}
END_TEST

/* ---- out of memory ---- */

static enum np_kind swept;

static void
live_and_die(bool unharmed)
{
    struct probe ends[2];
    vetch_transport *pair[2];
    char *data = np_pattern(60000);
    int freed = 0, attached = 0, queued = 0;

    np_pair(swept, pair);
    for (int i = 0; i < 2; i++) {
        np_init(&ends[i]);
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
        np_done(&ends[i]);
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

START_TEST(no_failing_allocation_leaks_or_crashes)
{
    swept = KIND;
    vt_sweep_allocations(live_and_die);
}
END_TEST

/* ---- the suite ---- */

#define ADD(tc, test) tcase_add_loop_test(tc, test, 0, NP_KINDS)

static void
add_basics(Suite *s)
{
    TCase *tc = vt_reactor_tcase("basics");

    ADD(tc, connected_is_first_and_never_inside_attach);
    ADD(tc, bytes_arrive_in_order);
    ADD(tc, both_directions_work_at_once);
    ADD(tc, what_was_written_before_attach_arrives);
    ADD(tc, what_is_left_comes_again_with_more);
    ADD(tc, what_was_left_at_a_pause_comes_again_at_the_resume);
    ADD(tc, pieces_of_all_kinds_keep_their_order);
    ADD(tc, a_file_shorter_than_promised_ends_the_connection);
    ADD(tc, empty_writes_are_fine);
    ADD(tc, names_are_endpoints);
    ADD(tc, an_idle_connection_holds_no_buffer);
    tcase_add_test(tc, what_one_dispatch_writes_leaves_with_one_call);
    suite_add_tcase(s, tc);
}

static void
add_ends(Suite *s)
{
    TCase *tc = vt_reactor_tcase("ends");

    ADD(tc, half_closed_still_writes);
    ADD(tc, the_peers_end_closes_by_default_after_flushing);
    ADD(tc, reset_is_not_the_end_of_the_stream);
    ADD(tc, reset_without_anything_unread_is_seen_too);
    ADD(tc, everything_is_received_before_the_end);
    ADD(tc, close_with_unread_input_is_no_reset);
    ADD(tc, lingering_is_bounded_in_bytes);
    ADD(tc, lingering_is_bounded_in_time);
    ADD(tc, close_gives_up_after_its_deadline);
    ADD(tc, the_deadline_of_close_can_be_set);
    ADD(tc, nothing_is_received_after_close);
    tcase_add_test(tc, the_answer_is_read_although_writing_failed);
    tcase_add_test(tc, a_broken_connection_raises_no_sigpipe);
    suite_add_tcase(s, tc);
}

static void
add_limits(Suite *s)
{
    TCase *tc = vt_reactor_tcase("limits");

    tcase_add_test(tc, paused_above_the_high_mark_resumed_at_the_low_one);
    tcase_add_test(tc, the_low_mark_is_exact);
    ADD(tc, a_slow_reader_pauses_and_resumes_the_writer);
    ADD(tc, the_hard_cap_refuses_and_queues_nothing);
    ADD(tc, marks_have_to_be_in_order);
    ADD(tc, input_that_nobody_consumes_is_bounded);
    suite_add_tcase(s, tc);

    tc = vt_real_reactor_tcase("cpu");
    ADD(tc, a_paused_reader_uses_no_cpu);
    suite_add_tcase(s, tc);
}

static void
add_lifetime(Suite *s)
{
    TCase *tc = vt_reactor_tcase("lifetime");

    ADD(tc, anything_may_be_done_in_any_callback);
    ADD(tc, closing_and_aborting_again_changes_nothing);
    ADD(tc, a_reference_outlives_the_connection);
    ADD(tc, dropped_without_a_protocol_it_is_aborted);
    ADD(tc, closed_without_a_protocol_it_still_flushes);
    ADD(tc, a_transport_has_one_protocol);
    ADD(tc, every_function_of_a_class_may_be_missing);
    ADD(tc, the_end_of_the_reactor_ends_connections);
    tcase_add_test(tc, a_pair_needs_a_reactor);
    tcase_add_test(tc, a_chatty_pair_does_not_starve_the_loop);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);

    tc = vt_real_reactor_tcase("debugging");
    ADD(tc, a_callback_that_holds_the_loop_is_named);
    suite_add_tcase(s, tc);
}

static void
add_errors(Suite *s)
{
    TCase *tc = vt_reactor_tcase("errors");

    ADD(tc, no_failing_allocation_leaks_or_crashes);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
}

int
main(void)
{
    Suite *s = suite_create("transport");

    add_basics(s);
    add_ends(s);
    add_limits(s);
    add_lifetime(s);
    add_errors(s);
    return vt_main(s);
}
