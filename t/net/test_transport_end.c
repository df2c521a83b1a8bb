/* How connections end, in one direction or in both: over TCP, over a Unix
 * socket and over the pair in memory (the loop variable of a test is the kind).
 */

#include "support/transport_kit.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/transport-private.h"

#define KIND ((enum tk_kind)_i)

VT_CASE("ends", vt_reactor_tcase, .loops = TK_KINDS);

/* libuv #3034, node #32487: the peer's end is not the connection's. */
VT_TEST(half_closed_still_writes)
{
    struct tk_probe ends[2];

    tk_connect(KIND, ends);
    ends[1].stay_open = true;
    tk_write_all(ends[0].t, "question");
    ck_assert_int_eq(vetch_transport_end(ends[0].t), 0);
    ck_assert_int_eq(vetch_transport_write(ends[0].t, "x", 1), -1);
    ck_assert_int_eq(errno, EPIPE);
    ck_assert_int_eq(vetch_transport_end(ends[0].t), -1);
    ck_assert_int_eq(errno, EPIPE);
    tk_until(tk_has(&ends[1], TK_ENDED));
    ck_assert_str_eq(ends[1].trace, "cre");
    tk_assert_data(&ends[1], "question");
    tk_write_all(ends[1].t, "answer");
    tk_until(ends[0].n_data == 6);
    ck_assert_str_eq(ends[0].trace, "cr");
    ck_assert_int_eq(vetch_transport_end(ends[1].t), 0);
    tk_until(tk_has(&ends[0], TK_FREED) && tk_has(&ends[1], TK_FREED));
    ck_assert_str_eq(ends[0].trace, "crelf");
    ck_assert_str_eq(ends[1].trace, "crelf");
    ck_assert_int_eq(ends[0].lost_code, 0);
    ck_assert_int_eq(ends[1].lost_code, 0);
    tk_finish(ends);
}

VT_TEST(write_ended_is_told_once_when_all_has_gone_out)
{
    struct tk_probe ends[2];
    char *data = tk_pattern(8000000);

    tk_connect(KIND, ends);
    ends[0].hears_sent = true;
    vetch_transport_pause(ends[1].t);
    vetch_transport_write(ends[0].t, data, 8000000);
    vetch_transport_end(ends[0].t);
    vt_run_ready();
    ck_assert(!tk_has(&ends[0], TK_SENT));
    vetch_transport_resume(ends[1].t);
    tk_until(tk_has(&ends[0], TK_SENT));
    tk_until(tk_has(&ends[0], TK_FREED) && tk_has(&ends[1], TK_FREED));
    ck_assert_uint_eq(ends[1].n_data, 8000000);
    ck_assert_ptr_null(strchr(strchr(ends[0].trace, TK_SENT) + 1, TK_SENT));
    free(data);
    tk_finish(ends);
}

VT_TEST(write_ended_is_not_told_after_an_abort)
{
    struct tk_probe ends[2];

    tk_connect(KIND, ends);
    ends[0].hears_sent = true;
    tk_write_all(ends[0].t, "lost");
    vetch_transport_abort(ends[0].t);
    tk_until(tk_has(&ends[0], TK_FREED) && tk_has(&ends[1], TK_FREED));
    ck_assert(!tk_has(&ends[0], TK_SENT));
    tk_finish(ends);
}

VT_TEST(the_peers_end_closes_by_default_after_flushing)
{
    struct tk_probe ends[2];
    char *data = tk_pattern(200000);

    tk_connect(KIND, ends);
    ends[1].stay_open = false;
    ends[0].stay_open = true;
    ck_assert_int_eq(vetch_transport_write(ends[1].t, data, 200000), 0);
    ck_assert_int_eq(vetch_transport_end(ends[0].t), 0);
    tk_until(tk_has(&ends[0], TK_FREED) && tk_has(&ends[1], TK_FREED));
    ck_assert_uint_eq(ends[0].n_data, 200000);
    ck_assert_int_eq(memcmp(ends[0].data, data, 200000), 0);
    ck_assert_str_eq(ends[1].trace + ends[1].n_trace - 3, "elf");
    ck_assert_int_eq(ends[0].lost_code, 0);
    ck_assert_int_eq(ends[1].lost_code, 0);
    free(data);
    tk_finish(ends);
}

/* libuv #3449: a reset looked like a clean end of the stream. A Unix socket
 * knows no reset; it reports one only if bytes were not read. A pipe knows none
 * at all. */
VT_TEST(reset_is_not_the_end_of_the_stream, .loops = TK_PIPE)
{
    struct tk_probe ends[2];

    tk_connect(KIND, ends);
    vetch_transport_pause(ends[0].t);
    tk_write_all(ends[1].t, "never read");
    vt_run_ready();
    vetch_transport_abort(ends[0].t);
    tk_until(tk_has(&ends[0], TK_FREED) && tk_has(&ends[1], TK_FREED));
    ck_assert_int_eq(ends[0].lost_code, ECONNABORTED);
    ck_assert_int_eq(ends[1].lost_code, ECONNRESET);
    ck_assert(!tk_has(&ends[1], TK_ENDED));
    tk_finish(ends);
}

VT_TEST(reset_without_anything_unread_is_seen_too)
{
    struct tk_probe ends[2];

    tk_connect(KIND, ends);
    vetch_transport_abort(ends[0].t);
    tk_until(tk_has(&ends[0], TK_FREED) && tk_has(&ends[1], TK_FREED));
    if (KIND == TK_UNIX || KIND == TK_PIPE) {
        ck_assert_str_eq(ends[1].trace, "celf");
        ck_assert_int_eq(ends[1].lost_code, 0);
    } else {
        ck_assert_str_eq(ends[1].trace, "clf");
        ck_assert_int_eq(ends[1].lost_code, ECONNRESET);
        ck_assert_ptr_nonnull(strstr(ends[1].lost_text, "read from "));
    }
    tk_finish(ends);
}

/* node #36180: data sent before the shutdown was lost. */
VT_TEST(everything_is_received_before_the_end)
{
    struct tk_probe ends[2];
    char *data = tk_pattern(1000000);

    tk_connect(KIND, ends);
    ck_assert_int_eq(vetch_transport_write(ends[0].t, data, 1000000), 0);
    vetch_transport_close(ends[0].t);
    tk_until(tk_has(&ends[1], TK_FREED));
    ck_assert_str_eq(ends[1].trace, "crelf");
    ck_assert_uint_eq(ends[1].n_data, 1000000);
    ck_assert_int_eq(memcmp(ends[1].data, data, 1000000), 0);
    ck_assert_int_eq(ends[0].lost_code, 0);
    ck_assert_str_eq(ends[0].trace, "clf");
    free(data);
    tk_finish(ends);
}

/* libevent #321, node #9085: closing with unread input resets the connection,
 * and the peer loses the answer. */
VT_TEST(close_with_unread_input_is_no_reset)
{
    struct tk_probe ends[2];
    char *data = tk_pattern(100000);

    tk_connect(KIND, ends);
    vetch_transport_pause(ends[0].t);
    ck_assert_int_eq(vetch_transport_write(ends[1].t, data, 100000), 0);
    vt_run_ready();
    ck_assert_int_eq(vetch_transport_write(ends[0].t, data, 100000), 0);
    vetch_transport_close(ends[0].t);
    tk_until(tk_has(&ends[0], TK_FREED) && tk_has(&ends[1], TK_FREED));
    ck_assert_uint_eq(ends[0].n_data, 0);
    ck_assert_uint_eq(ends[1].n_data, 100000);
    ck_assert_int_eq(memcmp(ends[1].data, data, 100000), 0);
    ck_assert_int_eq(ends[0].lost_code, 0);
    /* A pipe tells a writer that nobody reads. */
    ck_assert_int_eq(ends[1].lost_code, KIND == TK_PIPE ? EPIPE : 0);
    free(data);
    tk_finish(ends);
}

static void
write_on(struct tk_probe *p, char event)
{
    static char junk[65536];

    if (event == TK_RESUMED || event == TK_ENDED)
        for (int i = 0; i < 5; i++)
            (void)!vetch_transport_write(p->t, junk, sizeof(junk));
}

VT_TEST(lingering_is_bounded_in_bytes)
{
    struct tk_probe ends[2];

    tk_connect(KIND, ends);
    ends[1].stay_open = true;
    ends[1].act = write_on;
    write_on(&ends[1], TK_RESUMED);
    vetch_transport_close(ends[0].t);
    tk_until(tk_has(&ends[0], TK_FREED));
    while (!tk_has(&ends[1], TK_FREED)) { /* only writing tells it now */
        write_on(&ends[1], TK_RESUMED);
        vt_run_ready();
    }
    ck_assert_int_eq(ends[0].lost_code, 0);
    ck_assert_int_ne(ends[1].lost_code, 0);
    ck_assert_uint_eq(ends[0].n_data, 0);
    tk_finish(ends);
}

VT_TEST(lingering_is_bounded_in_time, .loops = TK_PIPE)
{
    struct tk_probe ends[2];

    tk_connect(KIND, ends);
    ends[1].stay_open = true;
    vetch_transport_close(ends[0].t);
    tk_until(tk_has(&ends[1], TK_ENDED));
    vt_advance(1.99);
    ck_assert_str_eq(ends[0].trace, "c");
    vt_advance(0.01);
    ck_assert_str_eq(ends[0].trace, "clf");
    ck_assert_int_eq(ends[0].lost_code, 0);
    tk_finish(ends);
}

VT_TEST(close_gives_up_after_its_deadline)
{
    struct tk_probe ends[2];
    int freed = 0;
    char *data = tk_pattern(2000000);

    tk_connect(KIND, ends);
    vetch_transport_pause(ends[1].t);
    ck_assert_int_eq(
        vetch_transport_write_owned(ends[0].t, data, 2000000, vt_count, &freed),
        0);
    vetch_transport_close(ends[0].t);
    if (KIND == TK_TLS)
        vt_advance(5); /* a paused reader below still took a first piece */
    vt_advance(4.99);
    ck_assert_str_eq(ends[0].trace, "c");
    vt_advance(0.01);
    ck_assert_str_eq(ends[0].trace, "clf");
    ck_assert_int_eq(ends[0].lost_code, VETCH_ETIMEDOUT);
    ck_assert_int_eq(freed, 1);
    vetch_transport_resume(ends[1].t);
    tk_until(tk_has(&ends[1], TK_FREED));
    free(data);
    tk_finish(ends);
}

VT_TEST(the_deadline_of_close_can_be_set)
{
    struct tk_probe ends[2];

    tk_connect(KIND, ends);
    ends[1].stay_open = true;
    ck_assert_int_eq(vetch_transport_set_close_timeout(ends[0].t, 0.5), 0);
    vetch_transport_close(ends[0].t);
    tk_until(tk_has(&ends[1], TK_ENDED));
    vt_advance(0.5);
    ck_assert_str_eq(ends[0].trace, "clf");
    tk_finish(ends);
}

VT_TEST(nothing_is_received_after_close)
{
    struct tk_probe ends[2];

    tk_connect(KIND, ends);
    vetch_transport_close(ends[0].t);
    tk_write_all(ends[1].t, "too late");
    tk_until(tk_has(&ends[0], TK_FREED));
    ck_assert_str_eq(ends[0].trace, "clf");
    ck_assert_uint_eq(ends[0].n_calls, 0);
    tk_finish(ends);
}

/* The answer that a server sends before it resets is read first. */
VT_TEST(the_answer_is_read_although_writing_failed, .loops = 1)
{
    struct tk_probe p;
    vetch_transport *t;
    char junk[1000] = { 0 };
    int fds[2];

    tk_tcp_fds(fds);
    tk_init(&p);
    t = tk_adopt(fds[0]);
    ck_assert_int_eq(vetch_transport_attach(t, &p.protocol), 0);
    vetch_transport_unref(t);
    vt_run_ready();
    tk_write_all(t, "a body that nobody reads");
    vt_run_ready();
    ck_assert_int_eq(send(fds[1], "413", 3, 0), 3);
    close(fds[1]); /* with unread input: a reset */
    ck_assert_int_eq(vetch_transport_write(t, junk, sizeof(junk)), 0);
    tk_until(tk_has(&p, TK_FREED));
    tk_assert_data(&p, "413");
    ck_assert_str_eq(p.trace, "crlf");
    ck_assert_int_ne(p.lost_code, 0);
    tk_done(&p);
}

/* libuv #45 #1013 #3044, joyent/libuv #1244 #1535: SIGPIPE, also where the
 * program wants it to kill. (LESSONS 11) */
VT_TEST(a_broken_connection_raises_no_sigpipe, .loops = 1)
{
    struct tk_probe p;
    vetch_transport *t;
    int fds[2];

    signal(SIGPIPE, SIG_DFL);
    ck_assert_int_eq(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
        0);
    tk_init(&p);
    t = tk_adopt(fds[0]);
    ck_assert_int_eq(vetch_transport_attach(t, &p.protocol), 0);
    vetch_transport_unref(t);
    vt_run_ready();
    close(fds[1]);
    tk_write_all(t, "to nobody");
    tk_until(tk_has(&p, TK_FREED));
    ck_assert_int_eq(p.lost_code, EPIPE);
    tk_done(&p);
}
