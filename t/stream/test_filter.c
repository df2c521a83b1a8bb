/* Streams through filters: rule S11, also with one that fails at each call. */
#include "support/stream_kit.h"

#include <stdlib.h>
#include <string.h>

/* Doubles each byte, and counts what is done to it. */
static struct {
    vetch_filter filter;
    int n_calls, n_flushes, n_ends, n_frees;
    int fail;      /* the n-th call; 0: none */
    bool stubborn; /* leaves its input */
    bool suicidal; /* releases its stream */
    bool hoards;   /* holds back what it was not told to flush */
    char hoard[1000];
    size_t n_hoarded;
} twice;

static vetch_stream *pair[2];

static int
twice_transform(vetch_filter *f, vetch_buffer *in, vetch_buffer *out,
                vetch_filter_mode mode, vetch_error **ret_error)
{
    ck_assert_ptr_eq(f, &twice.filter);
    twice.n_calls++;
    twice.n_flushes += mode == VETCH_FILTER_FLUSH;
    twice.n_ends += mode == VETCH_FILTER_END;
    if (twice.suicidal)
        sk_a = vetch_stream_unref(sk_a);
    if (twice.n_calls == twice.fail) {
        *ret_error = vetch_error_new(VETCH_EUSER, "trouble");
        return -1;
    }
    while (!twice.stubborn && vetch_buffer_len(in) > 0 &&
           vetch_buffer_len(out) < 65536) {
        const char *c = vetch_buffer_data(in);

        if (twice.hoards) {
            ck_assert_uint_lt(twice.n_hoarded, sizeof(twice.hoard));
            twice.hoard[twice.n_hoarded++] = *c;
        } else {
            vetch_buffer_append(out, c, 1);
        }
        vetch_buffer_append(out, c, twice.hoards ? 0 : 1);
        vetch_buffer_consume(in, 1);
    }
    if (mode != VETCH_FILTER_MORE) {
        vetch_buffer_append(out, twice.hoard, twice.n_hoarded);
        twice.n_hoarded = 0;
    }
    return 0;
}

static void
twice_free(vetch_filter *f)
{
    ck_assert_ptr_eq(f, &twice.filter);
    twice.n_frees++;
}

static const vetch_filter_class twice_class = {
    .size = sizeof(twice_class),
    .transform = twice_transform,
    .free = twice_free,
};

static vetch_filter *
twice_new(void)
{
    twice.filter.class_ = &twice_class;
    return &twice.filter;
}

/* sk_a is pair[0] through the filter; sk_b is pair[1]. */
static void
open_filtered(unsigned direction)
{
    ck_assert_int_eq(vetch_stream_pair(pair), 0);
    sk_a = vetch_stream_filter(pair[0], direction, twice_new());
    ck_assert_ptr_nonnull(sk_a);
    sk_b = vetch_stream_ref(pair[1]);
}

static void
forget_twice(void)
{
    memset(&twice, 0, sizeof(twice));
    pair[0] = pair[1] = NULL;
}

static void
close_filtered(void)
{
    pair[0] = vetch_stream_unref(pair[0]);
    pair[1] = vetch_stream_unref(pair[1]);
    sk_close();
    ck_assert_int_eq(twice.n_frees, 1);
}

VT_CASE("filter", vt_reactor_tcase, .set_up = forget_twice,
        .take_down = close_filtered);

VT_TEST(s11_what_is_written_goes_through)
{
    open_filtered(VETCH_WRITABLE);
    vetch_stream_write(sk_a, "abc", 3);
    sk_expect_text(vetch_stream_read(sk_b, 100), "aabbcc");
    vetch_stream_write(sk_b, "plain", 5);
    sk_expect_text(vetch_stream_read(sk_a, 100), "plain");
}

VT_TEST(s11_what_is_read_goes_through)
{
    open_filtered(VETCH_READABLE);
    vetch_stream_write(sk_b, "abc", 3);
    sk_expect_text(vetch_stream_read(sk_a, 100), "aabbcc");
    vetch_stream_write(sk_a, "plain", 5);
    sk_expect_text(vetch_stream_read(sk_b, 100), "plain");
}

VT_TEST(s11_is_flushed_at_the_end_of_each_dispatch)
{
    twice.hoards = true;
    open_filtered(VETCH_WRITABLE);
    vetch_stream_write(sk_a, "ab", 2);
    vetch_stream_write(sk_a, "cd", 2);
    ck_assert_int_eq(twice.n_calls, 0); /* nobody calls it before */
    vt_run_ready();
    ck_assert_int_eq(twice.n_flushes, 1);
    sk_expect_text(vetch_stream_read(sk_b, 100), "abcd");
}

VT_TEST(s11_what_is_held_back_of_input_is_flushed)
{
    twice.hoards = true;
    open_filtered(VETCH_READABLE);
    vetch_stream_write(sk_b, "ab", 2);
    sk_expect_text(vetch_stream_read(sk_a, 100), "ab");
}

VT_TEST(s11_end_goes_through_and_on)
{
    open_filtered(VETCH_WRITABLE);
    vetch_stream_write(sk_a, "x", 1);
    sk_expect_end(vetch_stream_end(sk_a));
    ck_assert_int_eq(twice.n_ends, 1);
    ck_assert_int_eq(twice.n_frees, 1);
    sk_expect_text(vetch_stream_read_all(sk_b, 10), "xx");
}

VT_TEST(s11_end_of_input_goes_through)
{
    twice.hoards = true;
    open_filtered(VETCH_READABLE);
    vetch_stream_write(sk_b, "x", 1);
    sk_end(sk_b);
    sk_expect_text(vetch_stream_read_all(sk_a, 10), "x");
    ck_assert_int_eq(twice.n_ends, 1);
    ck_assert_int_eq(twice.n_frees, 1);
}

VT_TEST(s11_close_flushes_and_closes_what_is_inside)
{
    vetch_promise *p;

    open_filtered(VETCH_WRITABLE);
    vetch_stream_write(sk_a, "x", 1);
    p = vetch_stream_close(sk_a);
    sk_expect_text(vetch_stream_read_all(sk_b, 10), "xx");
    sk_expect_end(vetch_stream_close(sk_b));
    sk_expect_end(p);
    sk_expect_error(vetch_stream_read(pair[0], 1), VETCH_ECLOSED);
}

VT_TEST(s11_filter_is_free_when_abort_returns)
{
    open_filtered(VETCH_WRITABLE);
    vetch_stream_write(sk_a, "x", 1);
    vetch_stream_abort(sk_a);
    ck_assert_int_eq(twice.n_frees, 1);
    sk_expect_error(vetch_stream_drain(pair[0]), ECONNABORTED);
}

VT_TEST(s11_filter_is_free_when_the_release_returns, .loops = 2)
{
    open_filtered(_i == 0 ? VETCH_READABLE : VETCH_WRITABLE);
    sk_a = vetch_stream_unref(sk_a);
    ck_assert_int_eq(twice.n_frees, 1);
}

VT_TEST(s11_filter_is_free_when_a_closing_stream_is_released)
{
    vetch_promise *p;

    open_filtered(VETCH_WRITABLE);
    vetch_stream_write(sk_a, "last", 4);
    p = vetch_stream_close(sk_a);
    sk_a = vetch_stream_unref(sk_a);
    ck_assert_int_eq(twice.n_frees, 1);
    sk_expect_text(vetch_stream_read_all(sk_b, 10), "llaasstt");
    sk_expect_end(vetch_stream_close(sk_b));
    sk_expect_end(p);
}

VT_TEST(s11_release_before_anything_passed_harms_nothing)
{
    open_filtered(VETCH_WRITABLE);
    vetch_stream_write(sk_b, "ab", 2);
    sk_expect_text(vetch_stream_read(sk_a, 1), "a");
    sk_a = vetch_stream_unref(sk_a);
    sk_expect_text(vetch_stream_read(pair[0], 10), "b");
    vetch_stream_write(pair[0], "plain", 5);
    sk_expect_text(vetch_stream_read(sk_b, 100), "plain");
}

VT_TEST(s11_release_after_something_passed_breaks_that_direction)
{
    open_filtered(VETCH_WRITABLE);
    vetch_stream_write(sk_a, "x", 1);
    vt_run_ready();
    sk_a = vetch_stream_unref(sk_a);
    sk_expect_error(vetch_stream_end(pair[0]), ECONNABORTED);
    vetch_stream_write(sk_b, "still", 5);
    sk_expect_text(vetch_stream_read(pair[0], 100), "still");
}

VT_TEST(s11_release_after_input_passed_breaks_reading)
{
    open_filtered(VETCH_READABLE);
    vetch_stream_write(sk_b, "x", 1);
    sk_expect_text(vetch_stream_read(sk_a, 1), "x");
    sk_a = vetch_stream_unref(sk_a);
    sk_expect_error(vetch_stream_read(pair[0], 1), ECONNABORTED);
    vetch_stream_write(pair[0], "still", 5);
    sk_expect_text(vetch_stream_read(sk_b, 100), "still");
}

VT_TEST(s11_release_after_the_end_harms_nothing)
{
    open_filtered(VETCH_READABLE);
    vetch_stream_write(sk_b, "x", 1);
    sk_end(sk_b);
    sk_expect_text(vetch_stream_read_all(sk_a, 10), "xx");
    sk_a = vetch_stream_unref(sk_a);
    sk_expect_end(vetch_stream_read(pair[0], 1));
    vetch_stream_write(pair[0], "x", 1);
    sk_expect_end(vetch_stream_end(pair[0]));
}

VT_TEST(inner_stream_is_not_to_be_used_meanwhile)
{
    vetch_promise *p;

    open_filtered(VETCH_READABLE);
    p = vetch_stream_read(sk_a, 1);
    vt_run_ready();
    sk_expect_error(vetch_stream_read(pair[0], 1), VETCH_EMISUSE);
    ck_assert_int_eq(vetch_stream_write(pair[0], "x", 1), -1);
    ck_assert_int_eq(errno, EBUSY);
    vetch_promise_cancel(p);
    sk_expect_error(p, VETCH_ECANCELED);
}

VT_TEST(inner_stream_that_is_closed_breaks_the_outer, .loops = 2)
{
    vetch_promise *p, *close;

    open_filtered(_i == 0 ? VETCH_READABLE : VETCH_WRITABLE);
    p = vetch_stream_read(sk_a, 1);
    vt_run_ready();
    close = vetch_stream_close(pair[0]);
    sk_expect_error(p, VETCH_ECLOSED);
    sk_expect_error(close, ECONNABORTED);
    ck_assert_int_eq(twice.n_frees, 1);
}

/* Both ways, whichever call it is. */
static void
use_filter(void)
{
    vetch_promise *p = vetch_stream_send(sk_a, "abc", 3);

    vt_run_ready();
    vetch_stream_write(sk_b, "abc", 3);
    vetch_promise_unref(vetch_stream_end(sk_b));
    vetch_unref(vetch_run(vetch_stream_read(sk_a, 100), NULL));
    vetch_unref(vetch_run(vetch_stream_read_all(sk_a, 100), NULL));
    vetch_promise_unref(p);
    vetch_unref(vetch_run(vetch_stream_end(sk_a), NULL));
    (void)vt_log_take();
}

VT_TEST(s11_filter_that_fails_breaks_the_stream_at_each_call, .loops = 6)
{
    vetch_error *error = NULL;

    twice.fail = _i / 2 + 1;
    open_filtered(_i % 2 == 0 ? VETCH_READABLE : VETCH_WRITABLE);
    use_filter();
    if (twice.n_calls < twice.fail) /* it was not called so often */
        return;
    ck_assert_int_eq(twice.n_calls, twice.fail);
    ck_assert_int_eq(twice.n_frees, 1);
    vetch_unref(vetch_run(vetch_stream_drain(sk_a), &error));
    ck_assert(vetch_error_is(error, VETCH_EUSER));
    vetch_error_unref(error);
    sk_expect_error(vetch_stream_drain(pair[0]), ECONNABORTED);
}

VT_TEST(filter_that_leaves_its_input_breaks_the_stream, .loops = 2)
{
    twice.stubborn = true;
    open_filtered(_i == 0 ? VETCH_READABLE : VETCH_WRITABLE);
    use_filter();
    sk_expect_error(vetch_stream_drain(sk_a), VETCH_EMISUSE);
}

VT_TEST(filter_may_release_its_stream, .loops = 2)
{
    vetch_promise *p;

    twice.suicidal = true;
    open_filtered(_i == 0 ? VETCH_READABLE : VETCH_WRITABLE);
    if (_i == 1)
        vetch_stream_write(sk_a, "abc", 3);
    vetch_stream_write(sk_b, "abc", 3);
    p = vetch_stream_read_exactly(sk_a, 100);
    sk_expect_error(p, ECONNABORTED);
    vt_run_ready();
    ck_assert_ptr_null(sk_a);
    ck_assert_int_eq(twice.n_frees, 1);
}

VT_TEST(s11_expanding_filter_keeps_the_bounds)
{
    static char data[1000000];
    vetch_promise *p;
    vetch_bytes *bytes;

    memset(data, 'x', sizeof(data));
    open_filtered(VETCH_READABLE);
    p = vetch_stream_send(sk_b, data, sizeof(data));
    vetch_promise_unref(vetch_stream_end(sk_b));
    sk_expect_text(vetch_stream_read(sk_a, 1), "x");
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    bytes = sk_value(vetch_stream_read_all(sk_a, VETCH_NO_LIMIT));
    ck_assert_uint_eq(vetch_bytes_len(bytes), 2 * sizeof(data) - 1);
    vetch_bytes_unref(bytes);
    sk_expect_end(p);
}

VT_TEST(end_of_the_reactor_ends_a_filter)
{
    vetch_promise *p;

    open_filtered(VETCH_READABLE);
    p = vetch_stream_read(sk_a, 1);
    vt_run_ready();
    vetch_promise_unref(p);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_eq(twice.n_frees, 1);
    (void)vt_log_take();
}

VT_TEST(filter_that_cannot_be_put_on_is_freed, .loops = 5)
{
    vetch_promise *p = NULL;
    static const int why[] = { EINVAL, EBUSY, EBUSY, EPIPE, EBADF };

    ck_assert_int_eq(vetch_stream_pair(pair), 0);
    if (_i == 1)
        p = vetch_stream_read(pair[0], 1);
    if (_i == 2)
        p = vetch_stream_copy(pair[1], pair[0], NULL);
    if (_i == 3)
        p = vetch_stream_end(pair[0]);
    if (_i == 4)
        p = vetch_stream_close(pair[0]);
    ck_assert_ptr_null(vetch_stream_filter(
        pair[0], _i == 0 ? 3 : VETCH_WRITABLE, twice_new()));
    ck_assert_int_eq(errno, why[_i]);
    ck_assert_int_eq(twice.n_frees, 1);
    if (p != NULL) {
        vetch_stream_abort(pair[0]);
        vetch_unref(vetch_run(p, NULL));
        (void)vt_log_take();
    }
}
