/* Writing to streams of every kind, and how they end: rules S1, S4 to S7. */
#include "support/stream_kit.h"

#include <string.h>

static char much[16000000];

VT_CASE("writing", vt_reactor_tcase, .take_down = sk_close, .loops = SK_KINDS);

VT_TEST(s5_write_queues_in_order)
{
    char c[] = "c", de[] = "de";
    struct iovec iov[2] = { { c, 1 }, { de, 2 } };
    vetch_bytes *bytes = vetch_bytes_new("f", 1);

    sk_open(_i);
    ck_assert_int_eq(vetch_stream_write(sk_a, "a", 1), 0);
    ck_assert_int_eq(vetch_stream_printf(sk_a, "%c", 'b'), 0);
    ck_assert_int_eq(vetch_stream_writev(sk_a, iov, 2), 0);
    ck_assert_int_eq(vetch_stream_write_bytes(sk_a, bytes), 0);
    vetch_bytes_unref(bytes);
    ck_assert_uint_eq(vetch_stream_bytes_written(sk_a), 6);
    sk_expect_text(vetch_stream_read_exactly(sk_b, 6), "abcdef");
}

VT_TEST(s5_bytes_are_not_copied_and_need_no_reference)
{
    vetch_bytes *bytes, *got;

    memset(much, 'm', sizeof(much));
    bytes = vetch_bytes_new(much, 100000);
    sk_open(_i);
    ck_assert_int_eq(vetch_stream_write_bytes(sk_a, bytes), 0);
    vetch_bytes_unref(bytes);
    got = sk_value(vetch_stream_read_exactly(sk_b, 100000));
    ck_assert_int_eq(memcmp(vetch_bytes_data(got), much, 100000), 0);
    vetch_bytes_unref(got);
}

VT_TEST(s5_long_text_is_printed_whole)
{
    char text[2000];

    memset(text, 't', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    sk_open(_i);
    ck_assert_int_eq(vetch_stream_printf(sk_a, "%s", text), 0);
    sk_expect_text(vetch_stream_read_exactly(sk_b, strlen(text)), text);
}

VT_TEST(s5_failed_write_is_remembered)
{
    sk_open(_i);
    ck_assert_int_eq(vetch_stream_write_bytes(sk_a, NULL), -1);
    ck_assert_int_eq(errno, ENOMEM);
    sk_expect_error(vetch_stream_drain(sk_a), VETCH_ENOMEM);
    sk_expect_error(vetch_stream_send(sk_a, "x", 1), VETCH_ENOMEM);
    sk_expect_error(vetch_stream_end(sk_a), VETCH_ENOMEM);
    sk_expect_error(vetch_stream_close(sk_a), VETCH_ENOMEM);
}

VT_TEST(s4_one_piece_may_be_larger_than_the_cap)
{
    vetch_stream_options o = VETCH_STREAM_OPTIONS_INIT;

    o.low_bytes = 1000;
    o.high_bytes = 2000;
    o.cap_bytes = 3000;
    if (sk_is_borrowed(_i))
        return;
    sk_open_with(_i, &o);
    ck_assert_int_eq(vetch_stream_write(sk_a, much, sizeof(much)), 0);
    ck_assert_int_eq(vetch_stream_write(sk_a, "x", 1), -1);
    ck_assert_int_eq(errno, ENOBUFS);
    sk_expect_error(vetch_stream_drain(sk_a), ENOBUFS);
}

VT_TEST(s1_any_number_may_drain)
{
    vetch_promise *one, *two, *all;

    sk_open(_i);
    ck_assert_int_eq(vetch_stream_write(sk_a, much, sizeof(much)), 0);
    one = vetch_stream_drain(sk_a);
    two = vetch_stream_drain(sk_a);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(one), VETCH_PENDING);
    all = vetch_stream_read_exactly(sk_b, sizeof(much));
    sk_expect_end(one);
    sk_expect_end(two);
    vetch_bytes_unref(sk_value(all));
}

VT_TEST(s6_cancelled_drain_stops_waiting_only)
{
    vetch_promise *one, *two;

    sk_open(_i);
    ck_assert_int_eq(vetch_stream_write(sk_a, much, sizeof(much)), 0);
    one = vetch_stream_drain(sk_a);
    two = vetch_stream_drain(sk_a);
    vetch_promise_cancel(one);
    sk_expect_error(one, VETCH_ECANCELED);
    vetch_bytes_unref(sk_value(vetch_stream_read_exactly(sk_b, sizeof(much))));
    sk_expect_end(two);
}

VT_TEST(s6_end_leaves_the_other_direction_open)
{
    if (sk_is_one_way(_i))
        return;
    sk_open(_i);
    vetch_stream_write(sk_a, "q", 1);
    sk_end(sk_a);
    sk_end(sk_a);
    sk_expect_text(vetch_stream_read_all(sk_b, 10), "q");
    vetch_stream_write(sk_b, "r", 1);
    sk_end(sk_b);
    sk_expect_text(vetch_stream_read_all(sk_a, 10), "r");
}

VT_TEST(s6_write_after_end_fails)
{
    sk_open(_i);
    sk_expect_end(vetch_stream_end(sk_a));
    ck_assert_int_eq(vetch_stream_write(sk_a, "x", 1), -1);
    ck_assert_int_eq(errno, EPIPE);
}

VT_TEST(s6_end_waits_until_all_has_gone_out)
{
    vetch_promise *p;

    if (_i == SK_DOWNLOAD) /* what is left to send is the server's work (H4) */
        return;
    sk_open(_i);
    vetch_stream_write(sk_a, much, sizeof(much));
    p = vetch_stream_end(sk_a);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vetch_bytes_unref(sk_value(vetch_stream_read_exactly(sk_b, sizeof(much))));
    sk_expect_end(p);
    sk_expect_end(vetch_stream_read(sk_b, 1));
}

VT_TEST(s6_close_flushes_first)
{
    vetch_promise *p;

    if (_i == SK_UPLOAD) /* its far side belongs to a call */
        return;
    sk_open(_i);
    vetch_stream_write(sk_a, "last words", 10);
    p = vetch_stream_close(sk_a);
    sk_expect_text(vetch_stream_read_all(sk_b, 100), "last words");
    sk_expect_end(vetch_stream_close(sk_b));
    sk_expect_end(p);
    sk_expect_end(vetch_stream_close(sk_a)); /* of what is over */
}

VT_TEST(s6_close_ends_a_pending_read)
{
    vetch_promise *read, *close;

    if (sk_is_one_way(_i))
        return;
    sk_open(_i);
    read = vetch_stream_read(sk_a, 10);
    close = vetch_stream_close(sk_a);
    sk_expect_error(read, VETCH_ECLOSED);
    sk_expect_error(vetch_stream_read(sk_a, 10), VETCH_ECLOSED);
    sk_expect_end(vetch_stream_close(sk_b));
    sk_expect_end(close);
}

VT_TEST(s6_cancelled_close_aborts)
{
    vetch_promise *p;

    if (sk_is_one_way(_i)) /* H4; and a request goes with its handler */
        return;
    sk_open(_i);
    vetch_stream_write(sk_a, much, sizeof(much));
    p = vetch_stream_close(sk_a);
    vetch_promise_cancel(p);
    sk_expect_error(p, VETCH_ECANCELED);
    vt_run_ready();
    if (sk_has_resets(_i))
        sk_expect_error(vetch_stream_read_all(sk_b, VETCH_NO_LIMIT),
                        ECONNRESET);
}

VT_TEST(s6_abort_rejects_all_that_is_pending)
{
    vetch_promise *read, *drain, *end;

    if (sk_is_one_way(_i))
        return;
    sk_open(_i);
    vetch_stream_write(sk_a, much, sizeof(much));
    read = vetch_stream_read(sk_a, 10);
    drain = vetch_stream_drain(sk_a);
    end = vetch_stream_end(sk_a);
    vetch_stream_abort(sk_a);
    vetch_stream_abort(sk_a);
    sk_expect_error(read, ECONNABORTED);
    sk_expect_error(drain, ECONNABORTED);
    sk_expect_error(end, ECONNABORTED);
    sk_expect_error(vetch_stream_read(sk_a, 10), ECONNABORTED);
    sk_expect_error(vetch_stream_close(sk_a), ECONNABORTED);
}

VT_TEST(s7_released_stream_without_queue_ends)
{
    if (sk_is_borrowed(_i))
        return;
    sk_open(_i);
    vetch_stream_write(sk_a, "x", 1);
    vt_run_ready();
    sk_expect_text(vetch_stream_read(sk_b, 1), "x");
    sk_a = vetch_stream_unref(sk_a);
    if (_i == SK_GZIP) /* the data have no end, and that shows */
        sk_expect_error(vetch_stream_read(sk_b, 1), ECONNRESET);
    else
        sk_expect_end(vetch_stream_read(sk_b, 1));
}

VT_TEST(s7_released_stream_with_a_queue_aborts)
{
    if (sk_is_borrowed(_i))
        return;
    sk_open(_i);
    vetch_stream_write(sk_a, much, sizeof(much));
    vt_run_ready();
    sk_a = vetch_stream_unref(sk_a);
    vt_run_ready();
    if (sk_has_resets(_i))
        sk_expect_error(vetch_stream_read_all(sk_b, VETCH_NO_LIMIT),
                        ECONNRESET);
}

VT_TEST(s7_release_rejects_a_pending_read)
{
    vetch_promise *p;

    if (sk_is_borrowed(_i))
        return;
    sk_open(_i);
    p = vetch_stream_read(sk_a, 10);
    sk_a = vetch_stream_unref(sk_a);
    sk_expect_error(p, ECONNABORTED);
}

VT_TEST(s7_closing_needs_no_reference)
{
    vetch_promise *p;

    if (sk_is_borrowed(_i))
        return;
    sk_open(_i);
    vetch_stream_write(sk_a, "x", 1);
    p = vetch_stream_close(sk_a);
    sk_a = vetch_stream_unref(sk_a);
    sk_expect_text(vetch_stream_read_all(sk_b, 10), "x");
    sk_expect_end(vetch_stream_close(sk_b));
    sk_expect_end(p);
}

VT_TEST(s7_stream_can_be_released_with_an_undelivered_read, .loops = 3)
{
    vetch_promise *p;

    sk_open(_i);
    vetch_stream_write(sk_b, "abc", 3);
    vt_run_ready();
    p = vetch_stream_read(sk_a, 10);
    sk_a = vetch_stream_unref(sk_a);
    vt_run_ready();
    sk_expect_text(p, "abc");
}

VT_TEST(idle_stream_breaks_while_somebody_waits)
{
    vetch_promise *p;

    if (sk_is_one_way(_i))
        return;
    sk_open(_i);
    ck_assert_int_eq(vetch_stream_set_idle(sk_a, 2), 0);
    vt_advance(5); /* nobody waits */
    p = vetch_stream_read(sk_a, 10);
    vt_advance(1.5);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vt_advance(3);
    sk_expect_error(p, VETCH_ETIMEDOUT);
}

VT_TEST(idle_counts_from_what_moved_last)
{
    vetch_promise *p;

    if (sk_is_one_way(_i))
        return;
    sk_open(_i);
    ck_assert_int_eq(vetch_stream_set_idle(sk_a, 2), 0);
    p = vetch_stream_read_exactly(sk_a, 4);
    for (int i = 0; i < 4; i++) {
        vt_advance(1.5);
        vetch_stream_write(sk_b, "x", 1);
        vt_run_ready();
    }
    sk_expect_text(p, "xxxx");
}
