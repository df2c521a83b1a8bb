/* Moving bytes between streams of every kind: rule S8. */
#include "support/stream_kit.h"

#include <string.h>

static vetch_stream *c, *d; /* a second pair: a -> b is copied to c -> d */
static char much[16000000];

static void
open_two(int kind)
{
    sk_open(kind);
    c = sk_a;
    d = sk_b;
    sk_open(kind);
    for (size_t i = 0; i < sizeof(much); i++)
        much[i] = (char)(i * 7 + i / 251);
}

static void
close_two(void)
{
    c = vetch_stream_unref(c);
    d = vetch_stream_unref(d);
    sk_close();
}

VT_CASE("copy", vt_reactor_tcase, .take_down = close_two, .loops = SK_KINDS);

VT_TEST(s8_copy_moves_all_and_ends_the_other)
{
    vetch_promise *p;

    open_two(_i);
    p = vetch_stream_copy(sk_b, c, NULL);
    vetch_stream_write(sk_a, "all of it", 9);
    sk_expect_end(vetch_stream_end(sk_a));
    sk_expect_text(vetch_stream_read_all(d, 100), "all of it");
    sk_expect_end(p);
}

VT_TEST(s8_copy_of_much_waits_for_a_slow_reader)
{
    vetch_promise *p;
    vetch_bytes *bytes;

    open_two(_i);
    p = vetch_stream_copy(sk_b, c, NULL);
    vetch_stream_write(sk_a, much, sizeof(much));
    vetch_promise_unref(vetch_stream_end(sk_a));
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    bytes = sk_value(vetch_stream_read_all(d, VETCH_NO_LIMIT));
    ck_assert_uint_eq(vetch_bytes_len(bytes), sizeof(much));
    ck_assert_int_eq(memcmp(vetch_bytes_data(bytes), much, sizeof(much)), 0);
    vetch_bytes_unref(bytes);
    sk_expect_end(p);
}

VT_TEST(s8_copy_keeps_the_other_open_on_request)
{
    vetch_copy_options o = VETCH_COPY_OPTIONS_INIT;

    open_two(_i);
    o.keep_open = true;
    vetch_stream_write(sk_a, "1", 1);
    sk_end(sk_a);
    sk_expect_end(vetch_stream_copy(sk_b, c, &o));
    ck_assert_int_eq(vetch_stream_write(c, "2", 1), 0);
    sk_expect_text(vetch_stream_read_exactly(d, 2), "12");
}

VT_TEST(s8_copy_of_a_count_leaves_the_rest)
{
    vetch_copy_options o = VETCH_COPY_OPTIONS_INIT;
    vetch_promise *p;

    open_two(_i);
    o.count_bytes = 3;
    vetch_stream_write(sk_a, "abcdef", 6);
    p = vetch_stream_copy(sk_b, c, &o);
    sk_expect_text(vetch_stream_read_all(d, 10), "abc");
    sk_expect_end(p);
    sk_expect_text(vetch_stream_read_exactly(sk_b, 3), "def");
}

VT_TEST(s8_copy_of_nothing_moves_nothing)
{
    vetch_copy_options o = VETCH_COPY_OPTIONS_INIT;

    open_two(_i);
    o.count_bytes = 0;
    o.keep_open = true;
    sk_expect_end(vetch_stream_copy(sk_b, c, &o));
    vetch_stream_write(sk_a, "a", 1);
    sk_expect_text(vetch_stream_read(sk_b, 1), "a");
}

VT_TEST(s8_copy_that_finds_less_says_so)
{
    vetch_copy_options o = VETCH_COPY_OPTIONS_INIT;

    open_two(_i);
    o.count_bytes = 5;
    vetch_stream_write(sk_a, "abc", 3);
    sk_end(sk_a);
    sk_expect_error(vetch_stream_copy(sk_b, c, &o), VETCH_EEOF);
    sk_expect_text(vetch_stream_read_exactly(d, 3), "abc");
}

VT_TEST(s8_copy_stops_at_its_limit)
{
    vetch_copy_options o = VETCH_COPY_OPTIONS_INIT;

    open_two(_i);
    o.limit_bytes = 3;
    vetch_stream_write(sk_a, "abcd", 4);
    sk_expect_error(vetch_stream_copy(sk_b, c, &o), VETCH_ETOOLARGE);
    sk_expect_text(vetch_stream_read(sk_b, 10), "abcd");
}

VT_TEST(s8_cancelled_copy_loses_nothing)
{
    vetch_promise *p;
    vetch_bytes *bytes;
    size_t got;

    open_two(_i);
    p = vetch_stream_copy(sk_b, c, NULL);
    vetch_stream_write(sk_a, much, sizeof(much));
    vetch_promise_unref(vetch_stream_end(sk_a));
    vt_run_ready();
    vetch_promise_cancel(p);
    sk_expect_error(p, VETCH_ECANCELED);
    got = (size_t)vetch_stream_bytes_written(c);
    ck_assert_uint_lt(got, sizeof(much));
    bytes = sk_value(vetch_stream_read_exactly(d, got));
    ck_assert_int_eq(memcmp(vetch_bytes_data(bytes), much, got), 0);
    vetch_bytes_unref(bytes);
    bytes = sk_value(vetch_stream_read_all(sk_b, VETCH_NO_LIMIT));
    ck_assert_uint_eq(vetch_bytes_len(bytes), sizeof(much) - got);
    ck_assert_int_eq(
        memcmp(vetch_bytes_data(bytes), much + got, sizeof(much) - got), 0);
    vetch_bytes_unref(bytes);
    /* Both go on. */
    ck_assert_int_eq(vetch_stream_write(c, "x", 1), 0);
    sk_expect_text(vetch_stream_read(d, 1), "x");
}

VT_TEST(s8_copy_keeps_others_from_reading_and_writing)
{
    vetch_promise *p;

    open_two(_i);
    p = vetch_stream_copy(sk_b, c, NULL);
    sk_expect_error(vetch_stream_read(sk_b, 1), VETCH_EMISUSE);
    ck_assert_int_eq(vetch_stream_write(c, "x", 1), -1);
    ck_assert_int_eq(errno, EBUSY);
    sk_expect_error(vetch_stream_copy(sk_b, c, NULL), VETCH_EMISUSE);
    sk_expect_error(vetch_stream_end(c), EBUSY);
    vetch_promise_cancel(p);
    sk_expect_error(p, VETCH_ECANCELED);
    sk_expect_end(vetch_stream_send(c, "y", 1)); /* nothing is sticky */
}

VT_TEST(s8_copy_with_a_read_pending_is_misuse)
{
    vetch_promise *p;

    open_two(_i);
    p = vetch_stream_read(sk_b, 1);
    sk_expect_error(vetch_stream_copy(sk_b, c, NULL), VETCH_EMISUSE);
    vetch_stream_write(sk_a, "x", 1);
    sk_expect_text(p, "x");
}

VT_TEST(s8_copy_takes_what_was_read_ahead)
{
    vetch_promise *p;

    open_two(_i);
    vetch_stream_printf(sk_a, "head\nbody");
    sk_expect_text(vetch_stream_read_line(sk_b, 10), "head");
    if (_i < 3)
        vetch_promise_unref(vetch_stream_read(sk_b, 2)); /* comes back */
    sk_end(sk_a);
    p = vetch_stream_copy(sk_b, c, NULL);
    sk_expect_text(vetch_stream_read_all(d, 10), "body");
    sk_expect_end(p);
}

VT_TEST(s8_copy_notices_that_the_target_broke)
{
    vetch_promise *p;

    if (_i == SK_UPLOAD) /* its call lets go of what it reads */
        return;
    open_two(_i);
    if (!sk_has_resets(_i))
        return;
    p = vetch_stream_copy(sk_b, c, NULL);
    vt_run_ready();
    vetch_stream_abort(d);
    vt_run_ready();
    if (_i == 3) /* which only hears of it when it writes */
        vetch_stream_write(sk_a, "x", 1);
    sk_expect_error(p, _i == 3 ? EPIPE : ECONNRESET);
    if (_i == 3)
        return;
    vetch_stream_write(sk_a, "x", 1);
    sk_expect_text(vetch_stream_read(sk_b, 1), "x");
}

/* Kinds that hear of a peer that goes, without writing. */
#define NOTICING 3

VT_TEST(s8_broken_target_is_noticed_though_its_input_is_full, .loops = NOTICING)
{
    vetch_promise *p;

    if (sk_is_one_way(_i))
        return;
    open_two(_i);
    vetch_stream_write(d, much, sizeof(much)); /* nobody reads it */
    p = vetch_stream_copy(sk_b, c, NULL);
    vt_run_ready();
    vetch_stream_abort(d);
    sk_expect_error(p, EPIPE);
    ck_assert_int_eq(vetch_stream_write(c, "x", 1), -1);
    sk_expect_error(vetch_stream_drain(c), EPIPE);
    vetch_stream_write(sk_a, "x", 1);
    sk_expect_text(vetch_stream_read(sk_b, 1), "x");
}

VT_TEST(s8_broken_target_is_noticed_when_the_copy_begins, .loops = NOTICING)
{
    if (sk_is_one_way(_i))
        return;
    open_two(_i);
    vetch_stream_write(d, much, sizeof(much));
    vt_run_ready();
    vetch_stream_abort(d);
    vt_run_ready();
    sk_expect_error(vetch_stream_copy(sk_b, c, NULL), EPIPE);
}

VT_TEST(s8_broken_target_is_noticed_after_its_end, .loops = NOTICING)
{
    vetch_promise *p;

    if (sk_is_one_way(_i))
        return;
    open_two(_i);
    p = vetch_stream_copy(sk_b, c, NULL);
    vetch_stream_write(d, "last words", 10);
    sk_expect_end(vetch_stream_end(d));
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vetch_stream_abort(d);
    sk_expect_error(p, EPIPE);
    sk_expect_text(vetch_stream_read_all(c, 80), "last words");
}

VT_TEST(s8_copy_waits_for_a_peer_that_only_does_not_read, .loops = NOTICING)
{
    vetch_promise *p;

    if (sk_is_one_way(_i))
        return;
    open_two(_i);
    vetch_stream_write(d, much, sizeof(much));
    p = vetch_stream_copy(sk_b, c, NULL);
    vt_run_ready();
    vt_advance(1000);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vetch_bytes_unref(sk_value(vetch_stream_read_exactly(c, sizeof(much))));
    vetch_stream_write(sk_a, "x", 1);
    sk_expect_text(vetch_stream_read(d, 1), "x");
    vetch_promise_cancel(p);
    sk_expect_error(p, VETCH_ECANCELED);
}

VT_TEST(s8_copy_passes_on_why_the_source_broke)
{
    vetch_promise *p;

    open_two(_i);
    if (!sk_has_resets(_i))
        return;
    p = vetch_stream_copy(sk_b, c, NULL);
    vetch_stream_abort(sk_a);
    sk_expect_error(p, ECONNRESET);
    sk_expect_end(vetch_stream_send(c, "x", 1));
}

VT_TEST(s8_abort_of_either_ends_the_copy)
{
    vetch_promise *p;

    if (sk_is_one_way(_i))
        return;
    open_two(_i);
    p = vetch_stream_copy(sk_b, c, NULL);
    vetch_stream_abort(c);
    sk_expect_error(p, ECONNABORTED);
    p = vetch_stream_copy(sk_b, sk_b, NULL);
    vetch_stream_abort(sk_b);
    sk_expect_error(p, ECONNABORTED);
}

VT_TEST(s8_release_of_either_ends_the_copy)
{
    vetch_promise *p;

    if (sk_is_borrowed(_i))
        return;
    open_two(_i);
    p = vetch_stream_copy(sk_b, c, NULL);
    sk_b = vetch_stream_unref(sk_b);
    sk_expect_error(p, ECONNABORTED);
    p = vetch_stream_copy(d, c, NULL);
    c = vetch_stream_unref(c);
    sk_expect_error(p, ECONNABORTED);
}

VT_TEST(s8_copy_onto_itself_is_an_echo)
{
    vetch_promise *p;

    if (sk_is_one_way(_i))
        return;
    open_two(_i);
    p = vetch_stream_copy(sk_b, sk_b, NULL);
    vetch_stream_write(sk_a, "echo", 4);
    sk_expect_text(vetch_stream_read_exactly(sk_a, 4), "echo");
    sk_expect_end(vetch_stream_end(sk_a));
    sk_expect_end(vetch_stream_read(sk_a, 1));
    sk_expect_end(p);
}

VT_TEST(s8_copy_of_what_has_ended_or_failed_ends_at_once)
{
    if (sk_is_one_way(_i))
        return;
    open_two(_i);
    sk_expect_end(vetch_stream_end(sk_a));
    vt_run_ready();
    sk_expect_end(vetch_stream_copy(sk_b, c, NULL));
    vetch_stream_abort(sk_b);
    sk_expect_error(vetch_stream_copy(sk_b, d, NULL), ECONNABORTED);
    sk_expect_error(vetch_stream_copy(d, sk_b, NULL), ECONNABORTED);
}

VT_TEST(s8_join_passes_both_ways)
{
    vetch_promise *p;

    if (sk_is_one_way(_i))
        return;
    open_two(_i);
    p = vetch_stream_join(sk_b, c);
    vetch_stream_write(sk_a, "there", 5);
    sk_expect_text(vetch_stream_read_exactly(d, 5), "there");
    vetch_stream_write(d, "back", 4);
    sk_expect_text(vetch_stream_read_exactly(sk_a, 4), "back");
    sk_expect_end(vetch_stream_end(sk_a));
    sk_expect_end(vetch_stream_read(d, 1));
    vetch_stream_write(d, "late", 4);
    sk_expect_end(vetch_stream_end(d));
    sk_expect_text(vetch_stream_read_all(sk_a, 10), "late");
    sk_expect_end(p);
}

VT_TEST(s8_join_that_fails_aborts_both)
{
    vetch_promise *p;

    if (sk_is_one_way(_i))
        return;
    open_two(_i);
    if (!sk_has_resets(_i))
        return;
    p = vetch_stream_join(sk_b, c);
    vetch_stream_abort(sk_a);
    sk_expect_error(p, ECONNRESET);
    sk_expect_error(vetch_stream_read(d, 1), ECONNRESET);
}

VT_TEST(s8_join_passes_on_what_was_said_before_hanging_up, .loops = NOTICING)
{
    vetch_promise *p;
    vetch_bytes *bytes;

    if (sk_is_one_way(_i))
        return;
    open_two(_i);
    p = vetch_stream_join(sk_b, c);
    vetch_stream_write(sk_a, "question", 8);
    sk_expect_text(vetch_stream_read_exactly(d, 8), "question");
    vetch_stream_write(d, much, sizeof(much));
    vetch_promise_unref(vetch_stream_close(d));
    vt_run_ready();
    bytes = sk_value(vetch_stream_read_all(sk_a, VETCH_NO_LIMIT));
    ck_assert_uint_eq(vetch_bytes_len(bytes), sizeof(much));
    ck_assert_int_eq(memcmp(vetch_bytes_data(bytes), much, sizeof(much)), 0);
    vetch_bytes_unref(bytes);
    sk_expect_end(vetch_stream_end(sk_a));
    sk_expect_end(p);
}

VT_TEST(s8_cancelled_join_aborts_both)
{
    vetch_promise *p;

    if (sk_is_one_way(_i))
        return;
    open_two(_i);
    p = vetch_stream_join(sk_b, c);
    vetch_promise_cancel(p);
    sk_expect_error(p, VETCH_ECANCELED);
    sk_expect_error(vetch_stream_read(sk_b, 1), ECONNABORTED);
    sk_expect_error(vetch_stream_read(c, 1), ECONNABORTED);
}
