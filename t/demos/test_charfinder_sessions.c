/* Sessions of the character finder, as promises and as a task: what they say,
 * what ends them, and what a client costs that does not read. */
#include <stdlib.h>
#include <string.h>

#include "../demos/charfinder/index.h"
#include "../demos/charfinder/session.h"
#include "demos/charfinder/sessions.h"
#include "support/stream_kit.h"

static struct char_index *shared_index;
static vetch_promise *session;
static bool in_task;

static vetch_promise *
run_task(void *server_end)
{
    return converse_in_task(server_end, shared_index);
}

static vetch_promise *
start_session(vetch_stream *server_end)
{
    return in_task ? vetch_spawn(run_task, server_end)
                   : converse_by_promises(server_end, shared_index);
}

/* Each test runs with both. The client has sk_a, the server sk_b. */
static void
open_session(int i)
{
    in_task = i == 1;
    shared_index = index_build();
    ck_assert_ptr_nonnull(shared_index);
    sk_open(0);
    session = start_session(sk_b);
}

/* The session has ended in good order. */
static void
expect_end_of_session(void)
{
    vetch_error *error;

    vetch_run(session, &error);
    ck_assert_ptr_null(error);
    session = NULL;
}

static void
take_down(void)
{
    if (sk_a != NULL)
        vetch_stream_abort(sk_a);
    if (session != NULL)
        vetch_promise_cancel(session);
    vt_run_ready();
    vetch_promise_unref(session);
    sk_close();
    vt_run_ready();
    index_free(shared_index);
}

static void
say(const char *line)
{
    ck_assert_int_eq(vetch_stream_printf(sk_a, "%s", line), 0);
}

static void
hear(const char *text)
{
    sk_expect_text(vetch_stream_read_exactly(sk_a, strlen(text)), text);
}

VT_CASE("sessions", vt_reactor_tcase, .take_down = take_down, .loops = 2);

VT_TEST(a_query_is_answered_in_rows_and_a_status)
{
    open_session(_i);
    hear("?> ");
    say("rook white turned\r\n");
    hear("U+1FA20\t🨠\tWHITE CHESS TURNED ROOK\r\n"
         "1 match for 'rook white turned'\r\n?> ");
    say("no such thing\n");
    hear("No match for 'no such thing'\r\n?> ");
}

VT_TEST(a_blank_line_is_asked_again)
{
    open_session(_i);
    say("\r\n  \n");
    hear("?> ?> ?> ");
}

VT_TEST(the_end_of_input_ends_a_session)
{
    open_session(_i);
    say("registered"); /* a last line without its end is one */
    sk_expect_end(vetch_stream_end(sk_a));
    expect_end_of_session();
    hear("?> U+00AE \t®\tREGISTERED SIGN\r\n1 match for 'registered'\r\n?> ");
}

VT_TEST(a_control_character_ends_a_session)
{
    open_session(_i);
    say("\003\r\n");
    expect_end_of_session();
    hear("?> ");
}

VT_TEST(what_is_no_utf8_ends_a_session)
{
    open_session(_i);
    say("caf\xe9\r\n");
    expect_end_of_session();
    hear("?> ");
}

VT_TEST(a_line_too_long_fails_a_session)
{
    char line[QUERY_SIZE + 1];

    open_session(_i);
    memset(line, 'x', sizeof(line));
    ck_assert_int_eq(vetch_stream_write(sk_a, line, sizeof(line)), 0);
    sk_expect_error(session, VETCH_ETOOLARGE);
    session = NULL;
}

VT_TEST(a_client_that_goes_fails_a_session)
{
    open_session(_i);
    say("cjk\n");
    vt_run_ready();
    vetch_stream_abort(sk_a);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(session), VETCH_REJECTED);
    ck_assert_ptr_nonnull(vetch_promise_error(session));
}

VT_TEST(a_session_can_be_cancelled_at_every_wait)
{
    open_session(_i);
    say(_i % 2 == 0 ? "cjk\n" : "\n");
    vt_run_ready();
    vetch_promise_cancel(session);
    sk_expect_error(session, VETCH_ECANCELED);
    session = NULL;
}

/* ---- a client that does not read ---- */

/* How much the server may have written that the client has not read: the high
 * mark and a piece, and as much as the pair takes for the client unasked; twice
 * that while the client's reads are on their way. */
#define HELD_MAX (65536 + PIECE_SIZE + 65536)

VT_TEST(a_client_that_does_not_read_costs_the_high_mark)
{
    open_session(_i);
    say("cjk\n");
    vt_run_ready();
    ck_assert_uint_gt(vetch_stream_bytes_written(sk_b), 65536);
    ck_assert_uint_le(vetch_stream_bytes_written(sk_b), HELD_MAX);
}

VT_TEST(a_client_that_does_not_read_delays_nobody)
{
    vetch_stream *pair[2];
    vetch_promise *other;

    open_session(_i);
    say("cjk\n");
    vt_run_ready();
    ck_assert_int_eq(vetch_stream_pair(pair), 0);
    other = start_session(pair[1]);
    vetch_stream_printf(pair[0], "registered\n");
    sk_expect_end(vetch_stream_end(pair[0]));
    vt_run_ready(); /* the clock stands still */
    ck_assert_int_eq(vetch_promise_state(other), VETCH_FULFILLED);
    vetch_promise_unref(other);
    vetch_stream_unref(pair[1]);
    sk_expect_text(vetch_stream_read_all(pair[0], 1024),
                   "?> U+00AE \t®\tREGISTERED SIGN\r\n"
                   "1 match for 'registered'\r\n?> ");
    vetch_stream_unref(pair[0]);
}

VT_TEST(a_slow_client_gets_every_row)
{
    size_t n_rows = 0;
    vetch_bytes *line;
    char row[512] = "";

    open_session(_i);
    say(vt_on_valgrind() ? "hangul\n" : "cjk\n");
    hear("?> ");
    while (strstr(row, "matches for") == NULL) {
        line = sk_value(vetch_stream_read_line(sk_a, sizeof(row) - 1));
        ck_assert_ptr_nonnull(line);
        memcpy(row, vetch_bytes_data(line), vetch_bytes_len(line));
        row[vetch_bytes_len(line)] = '\0';
        vetch_bytes_unref(line);
        n_rows++;
        ck_assert_uint_le(vetch_stream_bytes_written(sk_b),
                          vetch_stream_bytes_read(sk_a) + 2 * HELD_MAX);
    }
    ck_assert_uint_eq(n_rows - 1, strtoul(row, NULL, 10));
    ck_assert_uint_gt(n_rows, vt_on_valgrind() ? 11000 : 75000);
}

/* ---- out of memory ---- */

static void
step_session(bool unharmed)
{
    vetch_stream *pair[2];
    vetch_promise *p;

    if (vetch_stream_pair(pair) < 0) {
        ck_assert(!unharmed);
        return;
    }
    p = start_session(pair[1]);
    vetch_stream_printf(pair[0], "black chess\n\nregistered\n");
    vetch_promise_unref(vetch_stream_end(pair[0]));
    vt_run_ready();
    if (unharmed)
        ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    vetch_stream_abort(pair[0]); /* without memory nothing may have arrived */
    vt_run_ready();
    ck_assert_int_ne(vetch_promise_state(p), VETCH_PENDING);
    vetch_promise_unref(p);
    vetch_stream_unref(pair[0]);
    vetch_stream_unref(pair[1]);
    vt_run_ready();
    (void)vt_log_take();
}

VT_TEST(sessions_survive_a_lack_of_memory)
{
    open_session(_i);
    vt_sweep_allocations(step_session);
}
