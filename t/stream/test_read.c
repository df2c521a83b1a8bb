/* Reading from streams of every kind: rules S1 to S4, S9 and S10. What is about
 * bytes that were received ahead is for the kinds that do so, the first three.
 */
#include "support/stream_kit.h"

#include <string.h>

VT_CASE("reading", vt_reactor_tcase, .take_down = sk_close, .loops = SK_KINDS);

VT_TEST(s3_read_gives_what_is_there)
{
    sk_open(_i);
    vetch_stream_write(sk_a, "some", 4);
    sk_expect_text(vetch_stream_read(sk_b, 100), "some");
}

VT_TEST(s3_read_gives_no_more_than_was_asked_for)
{
    sk_open(_i);
    vetch_stream_write(sk_a, "some", 4);
    sk_expect_text(vetch_stream_read(sk_b, 3), "som");
    sk_expect_text(vetch_stream_read(sk_b, 3), "e");
}

VT_TEST(s3_read_waits_until_something_comes)
{
    vetch_promise *p;

    sk_open(_i);
    p = vetch_stream_read(sk_b, 100);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vetch_stream_write(sk_a, "late", 4);
    sk_expect_text(p, "late");
}

VT_TEST(s3_orderly_end_is_no_value)
{
    sk_open(_i);
    sk_expect_end(vetch_stream_end(sk_a));
    sk_expect_end(vetch_stream_read(sk_b, 100));
    sk_expect_end(vetch_stream_read_line(sk_b, 100));
    sk_expect_end(vetch_stream_read_until(sk_b, "x", 100));
    sk_expect_text(vetch_stream_read_all(sk_b, 100), "");
}

VT_TEST(s3_what_came_before_the_end_is_read_first)
{
    sk_open(_i);
    vetch_stream_write(sk_a, "rest", 4);
    sk_end(sk_a);
    vt_run_ready();
    sk_expect_text(vetch_stream_read(sk_b, 100), "rest");
    sk_expect_end(vetch_stream_read(sk_b, 100));
}

VT_TEST(s3_reset_is_an_error)
{
    sk_open(_i);
    if (!sk_has_resets(_i))
        return;
    vetch_stream_abort(sk_a);
    sk_expect_error(vetch_stream_read(sk_b, 100), ECONNRESET);
    ck_assert(vetch_error_is(vetch_stream_error(sk_b), ECONNRESET));
}

VT_TEST(s3_read_exactly_waits_for_all)
{
    vetch_promise *p;

    sk_open(_i);
    p = vetch_stream_read_exactly(sk_b, 6);
    vetch_stream_write(sk_a, "abc", 3);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vetch_stream_write(sk_a, "defg", 4);
    sk_expect_text(p, "abcdef");
    sk_expect_text(vetch_stream_read(sk_b, 100), "g");
}

VT_TEST(s3_read_exactly_that_meets_the_end_leaves_what_is_there)
{
    sk_open(_i);
    vetch_stream_write(sk_a, "abc", 3);
    sk_end(sk_a);
    sk_expect_error(vetch_stream_read_exactly(sk_b, 4), VETCH_EEOF);
    sk_expect_text(vetch_stream_read_exactly(sk_b, 3), "abc");
    sk_expect_error(vetch_stream_read_exactly(sk_b, 1), VETCH_EEOF);
}

VT_TEST(s3_line_comes_without_its_end)
{
    sk_open(_i);
    vetch_stream_printf(sk_a, "one\ntwo\r\n\nlast");
    sk_end(sk_a);
    sk_expect_text(vetch_stream_read_line(sk_b, 100), "one");
    sk_expect_text(vetch_stream_read_line(sk_b, 100), "two");
    sk_expect_text(vetch_stream_read_line(sk_b, 100), "");
    sk_expect_text(vetch_stream_read_line(sk_b, 100), "last");
    sk_expect_end(vetch_stream_read_line(sk_b, 100));
}

VT_TEST(s3_until_comes_with_its_delimiter)
{
    sk_open(_i);
    vetch_stream_printf(sk_a, "a--b---c");
    sk_end(sk_a);
    sk_expect_text(vetch_stream_read_until(sk_b, "--", 100), "a--");
    sk_expect_text(vetch_stream_read_until(sk_b, "--", 100), "b--");
    sk_expect_text(vetch_stream_read_until(sk_b, "--", 100), "-c");
    sk_expect_end(vetch_stream_read_until(sk_b, "--", 100));
}

VT_TEST(s3_lines_are_found_however_they_are_split)
{
    static const char text[] = "ab\r\nc\n";

    sk_open(_i);
    for (size_t cut = 0; cut <= strlen(text); cut++) {
        vetch_promise *p = vetch_stream_read_line(sk_b, 100);

        vetch_stream_write(sk_a, text, cut);
        vt_run_ready();
        vetch_stream_write(sk_a, text + cut, strlen(text) - cut);
        sk_expect_text(p, "ab");
        sk_expect_text(vetch_stream_read_line(sk_b, 100), "c");
    }
}

VT_TEST(s3_delimiter_of_any_length_is_waited_for)
{
    static const char delimiter[] = "--a border of many bytes--";
    char text[sizeof(delimiter)];

    sk_open(_i);
    for (size_t n = 1; n < sizeof(delimiter); n++) {
        vetch_promise *p;

        memcpy(text, delimiter, n);
        text[n] = '\0';
        p = vetch_stream_read_until(sk_b, text, 100);
        memset(text, 'x', n); /* it is copied */
        vetch_stream_write(sk_a, delimiter, n);
        sk_expect_text(p, memcpy(text, delimiter, n));
    }
}

VT_TEST(s3_delimiter_is_found_however_it_is_split)
{
    static const char text[] = "x12-1234";

    sk_open(_i);
    for (size_t cut = 0; cut <= strlen(text); cut++) {
        vetch_promise *p = vetch_stream_read_until(sk_b, "1234", 100);

        vetch_stream_write(sk_a, text, cut);
        vt_run_ready();
        vetch_stream_write(sk_a, text + cut, strlen(text) - cut);
        sk_expect_text(p, text);
    }
}

VT_TEST(s4_line_beyond_its_limit_is_an_error_and_stays)
{
    sk_open(_i);
    vetch_stream_printf(sk_a, "12345\r\n");
    sk_expect_error(vetch_stream_read_line(sk_b, 4), VETCH_ETOOLARGE);
    sk_expect_text(vetch_stream_read_line(sk_b, 5), "12345");
}

VT_TEST(s4_line_that_does_not_end_is_an_error_in_time)
{
    vetch_promise *p;

    sk_open(_i);
    p = vetch_stream_read_line(sk_b, 4);
    vetch_stream_printf(sk_a, "123456");
    sk_expect_error(p, VETCH_ETOOLARGE);
    sk_expect_text(vetch_stream_read(sk_b, 100), "123456");
}

VT_TEST(s4_all_beyond_its_limit_is_an_error_and_stays)
{
    sk_open(_i);
    vetch_stream_printf(sk_a, "12345");
    sk_end(sk_a);
    sk_expect_error(vetch_stream_read_all(sk_b, 4), VETCH_ETOOLARGE);
    sk_expect_text(vetch_stream_read_all(sk_b, 5), "12345");
}

VT_TEST(s4_limit_of_zero_is_refused)
{
    sk_open(_i);
    sk_expect_error(vetch_stream_read(sk_b, 0), EINVAL);
    sk_expect_error(vetch_stream_read_until(sk_b, "", 10), EINVAL);
}

VT_TEST(s4_pending_read_gets_more_than_the_read_ahead)
{
    static char data[200000];
    vetch_promise *p;
    vetch_bytes *bytes;

    memset(data, 'x', sizeof(data));
    sk_open(_i);
    p = vetch_stream_read_exactly(sk_b, sizeof(data));
    vetch_stream_write(sk_a, data, sizeof(data));
    bytes = sk_value(p);
    ck_assert_uint_eq(vetch_bytes_len(bytes), sizeof(data));
    vetch_bytes_unref(bytes);
}

VT_TEST(s1_second_read_is_misuse)
{
    vetch_promise *p;

    sk_open(_i);
    p = vetch_stream_read(sk_b, 100);
    sk_expect_error(vetch_stream_read(sk_b, 100), VETCH_EMISUSE);
    vetch_stream_write(sk_a, "x", 1);
    sk_expect_text(p, "x");
}

VT_TEST(s1_reading_and_writing_do_not_touch)
{
    vetch_promise *p;

    if (sk_is_one_way(_i))
        return;
    sk_open(_i);
    p = vetch_stream_read(sk_a, 100);
    sk_expect_end(vetch_stream_send(sk_a, "to", 2));
    sk_expect_text(vetch_stream_read(sk_b, 100), "to");
    vetch_stream_write(sk_b, "fro", 3);
    sk_expect_text(p, "fro");
}

VT_TEST(s2_read_is_pending_until_its_value_was_delivered, .loops = 3)
{
    vetch_promise *p;

    sk_open(_i);
    vetch_stream_write(sk_a, "abc", 3);
    vt_run_ready();
    p = vetch_stream_read(sk_b, 100);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    sk_expect_error(vetch_stream_read(sk_b, 100), VETCH_EMISUSE);
    sk_expect_text(p, "abc");
}

VT_TEST(s2_bytes_of_a_dropped_read_come_first, .loops = 3)
{
    sk_open(_i);
    vetch_stream_write(sk_a, "abc", 3);
    vt_run_ready();
    vetch_promise_unref(vetch_stream_read(sk_b, 2));
    ck_assert_uint_eq(vetch_stream_bytes_read(sk_b), 0);
    vetch_stream_write(sk_a, "def", 3);
    vt_run_ready();
    sk_expect_text(vetch_stream_read_exactly(sk_b, 6), "abcdef");
    ck_assert_uint_eq(vetch_stream_bytes_read(sk_b), 6);
}

VT_TEST(s2_line_that_comes_back_has_its_end_again, .loops = 3)
{
    sk_open(_i);
    vetch_stream_printf(sk_a, "a\r\nb\n");
    vt_run_ready();
    vetch_promise_unref(vetch_stream_read_line(sk_b, 100));
    sk_expect_text(vetch_stream_read_until(sk_b, "\n", 100), "a\r\n");
    vetch_promise_unref(vetch_stream_read_line(sk_b, 100));
    sk_expect_text(vetch_stream_read_until(sk_b, "\n", 100), "b\n");
}

VT_TEST(s2_cancelled_read_loses_nothing)
{
    vetch_promise *p;

    sk_open(_i);
    p = vetch_stream_read_exactly(sk_b, 4);
    vetch_stream_write(sk_a, "abc", 3);
    vt_run_ready();
    vetch_promise_cancel(p);
    sk_expect_error(p, VETCH_ECANCELED);
    sk_expect_text(vetch_stream_read(sk_b, 100), "abc");
}

static vetch_promise *
pass(void *value, void *ctx)
{
    (void)value;
    (void)ctx;
    return vetch_same();
}

VT_TEST(s2_late_cancel_of_a_link_loses_nothing, .loops = 3)
{
    vetch_promise *p;

    sk_open(_i);
    vetch_stream_write(sk_a, "abc", 3);
    vt_run_ready();
    p = vetch_then(vetch_stream_read(sk_b, 100), pass, NULL);
    vetch_promise_cancel(p);
    sk_expect_error(p, VETCH_ECANCELED);
    sk_expect_text(vetch_stream_read(sk_b, 100), "abc");
}

VT_TEST(s2_race_that_a_read_loses_takes_nothing, .loops = 3)
{
    vetch_queue *q = vetch_queue_new(1);
    vetch_promise *both[2];

    sk_open(_i);
    vetch_stream_printf(sk_a, "line\n");
    vt_run_ready();
    sk_expect_end(vetch_queue_put(q, q, NULL));
    both[0] = vetch_queue_get(q);
    both[1] = vetch_stream_read_line(sk_b, 100);
    ck_assert_ptr_eq(sk_value(vetch_race(both, 2)), (void *)q);
    sk_expect_text(vetch_stream_read_line(sk_b, 100), "line");
    vetch_queue_unref(q);
}

VT_TEST(s9_stream_that_nobody_reads_stops_receiving)
{
    static char data[16000000];
    vetch_promise *p;

    sk_open(_i);
    p = vetch_stream_send(sk_a, data, sizeof(data));
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vetch_promise_cancel(p);
    sk_expect_error(p, VETCH_ECANCELED);
}

VT_TEST(s10_buffered_line_is_there_at_once, .loops = 3)
{
    vetch_promise *p;

    sk_open(_i);
    vetch_stream_printf(sk_a, "1\n2\n");
    sk_expect_text(vetch_stream_read_line(sk_b, 100), "1");
    p = vetch_stream_read_line(sk_b, 100);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    sk_expect_text(p, "2");
}
