/* Serving streams, with handlers that return a promise or run as tasks. */
#include "support/stream_kit.h"

#include <string.h>

static vetch_listener *listener;
static vetch_promise *(*body)(vetch_stream *s);
static int n_begun, n_ended;

static vetch_promise *
count_end(void *value, void *ctx)
{
    (void)value;
    (void)ctx;
    n_ended++;
    return vetch_same();
}

static vetch_promise *
count_error(const vetch_error *error, void *ctx)
{
    (void)error;
    (void)ctx;
    n_ended++;
    return vetch_same();
}

static vetch_promise *
handler(vetch_stream *s, void *ctx)
{
    vetch_promise *p;

    (void)ctx;
    n_begun++;
    p = body(s);
    return vetch_handle(p != NULL ? p : vetch_resolved(NULL, NULL), count_end,
                        count_error, NULL);
}

static void
serve(int as_task, vetch_promise *(*fn)(vetch_stream *s))
{
    vetch_stream_options o = VETCH_STREAM_OPTIONS_INIT;

    o.task = as_task != 0;
    body = fn;
    n_begun = n_ended = 0;
    listener = vetch_stream_serve("tcp:127.0.0.1:0", handler, NULL, &o);
    ck_assert_ptr_nonnull(listener);
    sk_a = (void *)sk_value(
        vetch_stream_connect(vetch_listener_endpoint(listener), NULL));
    ck_assert_ptr_nonnull(sk_a);
}

static void
stop(void)
{
    sk_close();
    if (listener != NULL)
        vetch_unref(sk_value(vetch_listener_stop(listener, 1)));
    listener = vetch_listener_unref(listener);
    vt_run_ready();
}

/* Each test runs with a handler and with a task. */
VT_CASE("serving", vt_reactor_tcase, .take_down = stop, .loops = 2);

static vetch_promise *
greet(vetch_stream *s)
{
    vetch_stream_printf(s, "hello");
    return NULL;
}

VT_TEST(what_was_written_is_flushed_when_the_handler_ends)
{
    serve(_i, greet);
    sk_expect_text(vetch_stream_read_all(sk_a, 100), "hello");
    ck_assert_int_eq(n_begun, 1);
    ck_assert_int_eq(n_ended, 1);
}

static vetch_promise *
echo_line(void *line, void *ctx)
{
    if (line == NULL)
        return vetch_resolved(ctx, NULL);
    vetch_stream_printf(ctx, "%s\n", (const char *)vetch_bytes_data(line));
    return vetch_stream_drain(ctx);
}

static vetch_promise *
one_line(void *ctx)
{
    return vetch_then(vetch_stream_read_line(ctx, 100), echo_line, ctx);
}

static vetch_promise *
echo(vetch_stream *s)
{
    return vetch_repeat(one_line, s);
}

VT_TEST(lines_are_echoed_until_the_end)
{
    serve(_i, echo);
    vetch_stream_printf(sk_a, "one\r\ntwo\nthree");
    sk_expect_end(vetch_stream_end(sk_a));
    sk_expect_text(vetch_stream_read_all(sk_a, 100), "one\ntwo\nthree\n");
}

static vetch_promise *
make_trouble(void *value, void *ctx)
{
    (void)value;
    (void)ctx;
    return vetch_rejected(vetch_error_new(VETCH_EUSER, "own trouble"));
}

static vetch_promise *
break_off(vetch_stream *s)
{
    return vetch_then(vetch_stream_read(s, 1), make_trouble, NULL);
}

VT_TEST(rejection_aborts_and_is_reported)
{
    serve(_i, break_off);
    vetch_stream_write(sk_a, "x", 1);
    sk_expect_error(vetch_stream_read_all(sk_a, 100), ECONNRESET);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "own trouble"));
}

static vetch_promise *
read_on(vetch_stream *s)
{
    return vetch_stream_read_all(s, 100);
}

VT_TEST(reset_of_the_peer_rejects_the_read_and_is_not_reported)
{
    serve(_i, read_on);
    vt_run_ready();
    vetch_stream_abort(sk_a);
    vt_run_ready();
    ck_assert_int_eq(n_begun, 1);
    ck_assert_int_eq(n_ended, 1);
    ck_assert_str_eq(vt_log_take(), "");
}

static vetch_promise *
wait_long(vetch_stream *s)
{
    (void)s;
    return vetch_sleep(1000);
}

VT_TEST(end_of_the_peer_does_not_cancel_the_handler)
{
    serve(_i, wait_long);
    sk_expect_end(vetch_stream_end(sk_a));
    vt_run_ready();
    ck_assert_int_eq(n_ended, 0);
    vt_advance(1001);
    ck_assert_int_eq(n_ended, 1);
}

VT_TEST(stop_cancels_handlers_at_its_deadline_and_waits_for_them)
{
    vetch_promise *p;

    serve(_i, wait_long);
    vt_run_ready();
    p = vetch_listener_stop(listener, 3);
    vt_advance(2.9);
    ck_assert_int_eq(n_ended, 0);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vt_advance(0.2);
    vetch_unref(sk_value(p));
    ck_assert_int_eq(n_ended, 1);
}

VT_TEST(stop_lets_a_handler_that_ends_in_time_finish)
{
    vetch_promise *p;

    serve(_i, echo);
    vetch_stream_printf(sk_a, "x\n");
    sk_expect_text(vetch_stream_read_line(sk_a, 10), "x");
    p = vetch_listener_stop(listener, 3);
    vetch_stream_printf(sk_a, "y\n");
    sk_expect_end(vetch_stream_end(sk_a));
    sk_expect_text(vetch_stream_read_all(sk_a, 10), "y\n");
    sk_a = vetch_stream_unref(sk_a);
    vetch_unref(sk_value(p));
    ck_assert_int_eq(n_ended, 1);
}
