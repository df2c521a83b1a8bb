/* Streams of a program's own class, also of one that fails at each call. */
#include "support/stream_kit.h"

#include <string.h>

/* What the class below does, and what was done to it. */
static struct {
    const char *text; /* what reads give, a piece each */
    size_t piece;
    int fail_read, fail_write; /* the n-th call rejects; 0: none */
    bool fail_end, fail_close;
    bool stuck; /* calls stay pending until they are cancelled */
    char written[1000];
    int n_reads, n_writes, n_ends, n_closes, n_aborts, n_frees;
    int pending;
} own;

static vetch_promise *
trouble(void)
{
    return vetch_rejected(vetch_error_new(VETCH_EUSER, "trouble"));
}

static void
cancel_stuck(vetch_deferred *d, void *ctx)
{
    (void)ctx;
    own.pending--;
    vetch_deferred_cancel(d);
    vetch_deferred_unref(d);
}

static vetch_promise *
stay_pending(void)
{
    own.pending++;
    return vetch_deferred_promise(vetch_deferred_new(cancel_stuck, NULL));
}

static vetch_promise *
do_read(void *self, size_t max_bytes)
{
    size_t len = strlen(own.text);

    ck_assert_ptr_eq(self, &own);
    if (++own.n_reads == own.fail_read)
        return trouble();
    if (own.stuck)
        return stay_pending();
    if (len == 0)
        return NULL;
    len = own.piece != 0 && len > own.piece ? own.piece : len;
    ck_assert_uint_le(len, max_bytes);
    own.text += len;
    return vetch_resolved(vetch_bytes_new(own.text - len, len), vetch_unref);
}

static vetch_promise *
do_write(void *self, vetch_bytes *bytes)
{
    ck_assert_ptr_eq(self, &own);
    if (++own.n_writes == own.fail_write)
        return trouble();
    if (own.stuck)
        return stay_pending();
    strncat(own.written, vetch_bytes_data(bytes), vetch_bytes_len(bytes));
    return NULL;
}

static vetch_promise *
do_end(void *self)
{
    (void)self;
    own.n_ends++;
    return own.fail_end ? trouble() : NULL;
}

static vetch_promise *
do_close(void *self)
{
    (void)self;
    own.n_closes++;
    return own.fail_close ? trouble() : NULL;
}

static void
do_abort(void *self)
{
    (void)self;
    own.n_aborts++;
}

static void
do_free(void *self)
{
    (void)self;
    ck_assert_int_eq(own.pending, 0);
    own.n_frees++;
}

static const vetch_stream_class class = {
    .size = sizeof(class),
    .read = do_read,
    .write = do_write,
    .end = do_end,
    .close = do_close,
    .abort = do_abort,
    .free = do_free,
};

static void
open_own(const char *text)
{
    own.text = text;
    sk_a = vetch_stream_new(&class, &own, NULL);
    ck_assert_ptr_nonnull(sk_a);
}

static void
forget_all(void)
{
    memset(&own, 0, sizeof(own));
}

static void
close_own(void)
{
    sk_close();
    ck_assert_int_eq(own.n_frees, 1);
}

VT_CASE("own", vt_reactor_tcase, .set_up = forget_all, .take_down = close_own);

VT_TEST(class_is_asked_only_when_somebody_reads)
{
    open_own("text");
    vt_run_ready();
    ck_assert_int_eq(own.n_reads, 0);
    sk_expect_text(vetch_stream_read(sk_a, 100), "text");
    ck_assert_int_eq(own.n_reads, 1);
}

VT_TEST(class_is_never_called_from_inside_a_call)
{
    vetch_promise *p;

    open_own("text");
    p = vetch_stream_read(sk_a, 100);
    vetch_stream_write(sk_a, "x", 1);
    ck_assert_int_eq(own.n_reads + own.n_writes, 0);
    sk_expect_text(p, "text");
}

VT_TEST(lines_are_made_of_pieces)
{
    own.piece = 3;
    open_own("first\r\nsecond\nthird");
    sk_expect_text(vetch_stream_read_line(sk_a, 100), "first");
    sk_expect_text(vetch_stream_read_line(sk_a, 100), "second");
    sk_expect_text(vetch_stream_read_line(sk_a, 100), "third");
    sk_expect_end(vetch_stream_read_line(sk_a, 100));
}

VT_TEST(end_and_close_follow_what_was_written)
{
    open_own("");
    vetch_stream_printf(sk_a, "one ");
    vetch_stream_printf(sk_a, "two");
    sk_expect_end(vetch_stream_close(sk_a));
    ck_assert_str_eq(own.written, "one two");
    ck_assert_int_eq(own.n_ends, 1);
    ck_assert_int_eq(own.n_closes, 1);
    ck_assert_int_eq(own.n_aborts, 0);
}

VT_TEST(failed_read_breaks_the_stream_after_what_came)
{
    own.piece = 3;
    own.fail_read = 2;
    open_own("abcdef");
    sk_expect_text(vetch_stream_read(sk_a, 3), "abc");
    sk_expect_error(vetch_stream_read(sk_a, 3), VETCH_EUSER);
    sk_expect_error(vetch_stream_read(sk_a, 3), VETCH_EUSER);
    sk_expect_error(vetch_stream_drain(sk_a), VETCH_EUSER);
    ck_assert_int_eq(own.n_aborts, 1);
}

VT_TEST(failed_write_rejects_all_who_wait_for_it)
{
    vetch_promise *end;

    own.fail_write = 2;
    open_own("");
    vetch_stream_write(sk_a, "a", 1);
    vt_run_ready();
    vetch_stream_write(sk_a, "b", 1);
    vetch_stream_write(sk_a, "c", 1);
    end = vetch_stream_end(sk_a);
    sk_expect_error(end, VETCH_EUSER);
    ck_assert_str_eq(own.written, "a");
    ck_assert_int_eq(own.n_ends, 0);
    sk_expect_error(vetch_stream_close(sk_a), VETCH_EUSER);
}

VT_TEST(small_pieces_that_wait_go_together)
{
    open_own("");
    for (int i = 0; i < 100; i++)
        vetch_stream_printf(sk_a, "%d,", i % 10);
    sk_expect_end(vetch_stream_end(sk_a));
    ck_assert_int_eq(own.n_writes, 2); /* 64 at most */
    ck_assert_uint_eq(strlen(own.written), 200);
    ck_assert_int_eq(strncmp(own.written + 190, "5,6,7,8,9,", 10), 0);
}

VT_TEST(failed_end_rejects_the_close)
{
    own.fail_end = true;
    open_own("");
    sk_expect_error(vetch_stream_close(sk_a), VETCH_EUSER);
    ck_assert_int_eq(own.n_closes, 0);
}

VT_TEST(failed_close_is_told)
{
    own.fail_close = true;
    open_own("");
    sk_expect_error(vetch_stream_close(sk_a), VETCH_EUSER);
}

VT_TEST(abort_cancels_what_is_pending_and_waits_for_it)
{
    vetch_promise *p;

    own.stuck = true;
    open_own("");
    p = vetch_stream_read(sk_a, 1);
    vetch_stream_write(sk_a, "x", 1);
    vt_run_ready();
    ck_assert_int_eq(own.pending, 2);
    vetch_stream_abort(sk_a);
    ck_assert_int_eq(own.n_aborts, 0); /* not from inside the call */
    sk_expect_error(p, ECONNABORTED);
    vt_run_ready();
    ck_assert_int_eq(own.pending, 0);
    ck_assert_int_eq(own.n_aborts, 1);
    ck_assert_int_eq(own.n_frees, 1);
}

VT_TEST(close_ends_a_read_that_is_stuck)
{
    vetch_promise *p;

    own.stuck = true;
    open_own("");
    p = vetch_stream_read(sk_a, 1);
    vt_run_ready();
    sk_expect_end(vetch_stream_close(sk_a));
    sk_expect_error(p, VETCH_ECLOSED);
    ck_assert_int_eq(own.pending, 0);
}

static void
note_code(const vetch_error *error, void *result, void *ctx)
{
    ck_assert_ptr_null(result);
    *(int *)ctx = vetch_error_code(error);
}

VT_TEST(end_of_the_reactor_ends_the_stream)
{
    int code = 0;

    own.stuck = true;
    open_own("");
    vetch_callback(vetch_stream_read(sk_a, 1), note_code, &code);
    vt_run_ready();
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_eq(own.n_frees, 1);
    ck_assert_int_eq(code, VETCH_ECLOSED);
    sk_a = vetch_stream_unref(sk_a);
}

VT_TEST(missing_direction_is_refused)
{
    static const vetch_stream_class one_way = {
        .size = sizeof(one_way),
        .read = do_read,
        .free = do_free,
    };

    own.text = "in";
    sk_a = vetch_stream_new(&one_way, &own, NULL);
    ck_assert_int_eq(vetch_stream_write(sk_a, "x", 1), -1);
    ck_assert_int_eq(errno, EBADF);
    sk_expect_error(vetch_stream_end(sk_a), EBADF);
    sk_expect_error(vetch_stream_copy(sk_a, sk_a, NULL), EBADF);
    sk_expect_text(vetch_stream_read_all(sk_a, 10), "in");
    sk_expect_end(vetch_stream_close(sk_a));
}

/* ---- without memory ---- */

static vetch_promise *
talk(void *ctx)
{
    vetch_stream *s = ctx;

    vetch_stream_printf(s, "question\n");
    vetch_bytes_unref(vetch_try(vetch_stream_read_line(s, 100)));
    vetch_bytes_unref(vetch_try(vetch_stream_read_all(s, 100)));
    return vetch_stream_close(s);
}

static int kind;

static void
talk_without_memory(bool unharmed)
{
    vetch_stream *pair[2] = { NULL, NULL };
    vetch_promise *p;

    (void)unharmed;
    if (kind == 0 && vetch_stream_pair(pair) < 0)
        return;
    own.text = "answer\nand more";
    if (kind == 1)
        pair[0] = vetch_stream_new(&class, &own, NULL);
    if (pair[0] == NULL)
        return;
    if (kind == 0) {
        vetch_stream_printf(pair[1], "answer\nand more");
        vetch_promise_unref(vetch_stream_close(pair[1]));
        vetch_stream_unref(pair[1]);
    }
    p = vetch_finally(vetch_spawn(talk, pair[0]), vetch_unref, pair[0]);
    vt_run_ready();
    vt_advance(100);
    ck_assert_int_ne(vetch_promise_state(p), VETCH_PENDING);
    if (vetch_promise_state(p) == VETCH_REJECTED)
        ck_assert_ptr_nonnull(vetch_promise_error(p));
    vetch_promise_unref(p);
    (void)vt_log_take();
}

VT_CASE("memory", vt_reactor_tcase, .set_up = forget_all);

VT_TEST(streams_survive_each_failed_allocation, .loops = 2)
{
    kind = _i;
    vt_sweep_allocations(talk_without_memory);
    own.n_frees = 1;
}
