/* The life of streams of every kind: all that is written arrives, once and in
 * order; one may be ended in any of its handlers; what nobody reads costs no
 * time, and what was a burst no memory. */
#include "support/stream_kit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "stream/stream-private.h"

/* The kinds that come before those whose bytes go one way only. */
enum { TWO_WAY = SK_DOWNLOAD };

/* ---- bytes ---- */

enum { PERIOD = 65521, PIECE_MAX = 100000 };

static char pattern[PERIOD + PIECE_MAX];
static uint64_t n_all, n_written, n_read;
static unsigned seed;

static size_t
some(void)
{
    size_t n = (size_t)rand_r(&seed);

    return 1 + n % (n % 3 == 0 ? PIECE_MAX : 300);
}

static vetch_promise *
write_piece(void *ctx)
{
    size_t n = some();

    if (n_written == n_all)
        return vetch_resolved(ctx, NULL);
    n = n < n_all - n_written ? n : (size_t)(n_all - n_written);
    n_written += n;
    return vetch_stream_send(sk_a, pattern + (n_written - n) % PERIOD, n);
}

static vetch_promise *
check_piece(void *value, void *ctx)
{
    size_t n = value != NULL ? vetch_bytes_len(value) : 0;

    if (value == NULL)
        return vetch_resolved(ctx, NULL);
    ck_assert_uint_le(n, PIECE_MAX);
    ck_assert_int_eq(
        memcmp(vetch_bytes_data(value), pattern + n_read % PERIOD, n), 0);
    n_read += n;
    return NULL;
}

static vetch_promise *
read_piece(void *ctx)
{
    return vetch_then(vetch_stream_read(sk_a, some()), check_piece, ctx);
}

static vetch_promise *
end_writing(void *value, void *ctx)
{
    (void)value;
    (void)ctx;
    return vetch_stream_end(sk_a);
}

VT_CASE("bytes", vt_reactor_tcase, .take_down = sk_close, .loops = TWO_WAY,
        .seconds = 200);

/* libuv #3449, node #36180: data that was written before an end was lost. */
VT_TEST(s3_s8_all_bytes_come_back_in_order_whatever_the_pieces)
{
    vetch_promise *all[3];
    int one;

    seed = 7;
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] =
            (char)(i < PERIOD ? rand_r(&seed) >> 8 : pattern[i - PERIOD]);
    n_all = vt_on_valgrind() ? 1000000 : 100000000;
    n_written = n_read = 0;
    sk_open(_i);
    all[0] = vetch_stream_copy(sk_b, sk_b, NULL);
    all[1] = vetch_then(vetch_repeat(write_piece, &one), end_writing, NULL);
    all[2] = vetch_repeat(read_piece, &one);
    vetch_unref((void *)sk_value(vetch_all(all, 3)));
    ck_assert_uint_eq(n_read, n_all);
    ck_assert_uint_eq(vetch_stream_bytes_read(sk_a), n_all);
    ck_assert_uint_eq(vetch_stream_bytes_written(sk_b), n_all);
}

/* ---- ends ---- */

static vetch_promise *
shrug(const vetch_error *error, void *ctx)
{
    (void)error;
    (void)ctx;
    return NULL;
}

/* However it ends. */
static void
forget(vetch_promise *p)
{
    vetch_promise_unref(vetch_catch(p, shrug, NULL));
}

static void (*act)(void);
static int n_acted;

static void
act_abort(void)
{
    vetch_stream_abort(sk_a);
}

static void
act_close(void)
{
    forget(vetch_stream_close(sk_a));
}

static void
act_release(void)
{
    sk_a = vetch_stream_unref(sk_a);
}

static void
act_abort_and_release(void)
{
    act_abort();
    act_release();
}

static void
act_close_and_release(void)
{
    act_close();
    act_release();
}

static void (*const acts[])(void) = { act_abort, act_close, act_release,
                                      act_abort_and_release,
                                      act_close_and_release };

static vetch_promise *
act_on_value(void *value, void *ctx)
{
    (void)value;
    (void)ctx;
    n_acted++;
    act();
    return NULL;
}

static vetch_promise *
act_on_error(const vetch_error *error, void *ctx)
{
    (void)error;
    return act_on_value(NULL, ctx);
}

static char much[1000000];

static vetch_promise *
wait_read(void)
{
    vetch_stream_write(sk_b, "line\nmore", 9);
    return vetch_stream_read_line(sk_a, 100);
}

static vetch_promise *
wait_end_of_input(void)
{
    forget(vetch_stream_end(sk_b));
    return vetch_stream_read(sk_a, 100);
}

static vetch_promise *
wait_too_large(void)
{
    vetch_stream_write(sk_b, "a long line", 11);
    return vetch_stream_read_line(sk_a, 3);
}

static vetch_promise *
wait_peer_gone(void)
{
    vetch_stream_abort(sk_b);
    return vetch_stream_read(sk_a, 100);
}

static vetch_promise *
wait_drain(void)
{
    vetch_stream_write(sk_a, much, sizeof(much));
    forget(vetch_stream_read_exactly(sk_b, sizeof(much)));
    return vetch_stream_drain(sk_a);
}

static vetch_promise *
wait_end(void)
{
    vetch_stream_write(sk_a, "x", 1);
    forget(vetch_stream_read(sk_b, 100));
    return vetch_stream_end(sk_a);
}

static vetch_promise *
wait_close(void)
{
    vetch_stream_write(sk_a, "x", 1);
    forget(vetch_stream_read(sk_b, 100));
    forget(vetch_stream_end(sk_b));
    return vetch_stream_close(sk_a);
}

static vetch_promise *
wait_copy(void)
{
    vetch_stream_write(sk_b, "x", 1);
    forget(vetch_stream_end(sk_b));
    forget(vetch_stream_read(sk_b, 100));
    return vetch_stream_copy(sk_a, sk_a, NULL);
}

static vetch_promise *(*const waits[])(void) = {
    wait_read,  wait_end_of_input, wait_too_large, wait_peer_gone,
    wait_drain, wait_end,          wait_close,     wait_copy
};

VT_CASE("ends", vt_reactor_tcase, .take_down = sk_close, .loops = TWO_WAY,
        .seconds = 60);

/* libuv #2087 #2172, libevent #689 #712 #997, curl #3537 #5354: what ends or
 * frees an object inside its own callbacks. */
VT_TEST(s7_stream_may_end_in_any_of_its_handlers)
{
    size_t n_waits = sizeof(waits) / sizeof(waits[0]);

    for (size_t i = 0; i < n_waits * sizeof(acts) / sizeof(acts[0]); i++) {
        n_acted = 0;
        act = acts[i / n_waits];
        sk_open(_i);
        vetch_unref((void *)sk_value(vetch_handle(
            waits[i % n_waits](), act_on_value, act_on_error, NULL)));
        ck_assert_int_eq(n_acted, 1);
        sk_close();
    }
}

/* libuv #3034, node #32487: the peer's end ended the connection; cpython
 * #74116: so did writing after it. */
VT_TEST(s1_answer_leaves_after_the_end_of_the_question)
{
    sk_open(_i);
    vetch_stream_write(sk_a, "question", 8);
    sk_end(sk_a);
    sk_expect_text(vetch_stream_read_all(sk_b, 100), "question");
    vetch_stream_write(sk_b, "answer", 6);
    sk_end(sk_b);
    sk_expect_text(vetch_stream_read_all(sk_a, 100), "answer");
}

/* What is under way comes to where it can. */
static void
go_around(void)
{
    for (int i = 0; i < 20; i++)
        vt_turn(4096);
}

/* libuv #3449: what had come before was lost. Both directions have ended while
 * bytes wait to be read, which to poll(2) looks like a hang-up. */
VT_TEST(s3_end_of_both_directions_leaves_what_was_not_read)
{
    vetch_stream *source[2];
    vetch_promise *copy;
    vetch_bytes *bytes;
    size_t len = 150000; /* the kernel takes what is not read ahead */

    ck_assert_int_eq(vetch_stream_pair(source), 0);
    sk_open(_i);
    copy = vetch_stream_copy(source[1], sk_a, NULL);
    vetch_stream_write(sk_b, much, len);
    go_around();
    sk_end(source[0]);
    sk_expect_end(vetch_stream_read(sk_b, 1));
    forget(vetch_stream_end(sk_b));
    go_around();
    bytes = sk_value(vetch_stream_read_exactly(sk_a, len));
    ck_assert_uint_eq(vetch_bytes_len(bytes), len);
    vetch_bytes_unref(bytes);
    sk_expect_end(vetch_stream_read(sk_a, 1));
    sk_expect_end(copy);
    vetch_stream_unref(source[0]);
    vetch_stream_unref(source[1]);
}

/* ---- costs ---- */

static long
cpu_us(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
           u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

VT_CASE("cost", vt_real_reactor_tcase, .take_down = sk_close, .loops = TWO_WAY,
        .seconds = 60);

/* libevent #891: reading spun, or stalled, once its mark was reached. */
VT_TEST(s9_stream_that_is_full_and_not_read_uses_no_cpu)
{
    vetch_bytes *bytes;
    long before;

    sk_open(_i);
    vetch_stream_write(sk_b, much, sizeof(much));
    vetch_run(vetch_sleep(0.05), NULL);
    before = cpu_us();
    vetch_run(vetch_sleep(0.3), NULL);
    ck_assert_int_lt(cpu_us() - before, vt_on_valgrind() ? 200000 : 100000);
    bytes = sk_value(vetch_stream_read_exactly(sk_a, sizeof(much)));
    ck_assert_uint_eq(vetch_bytes_len(bytes), sizeof(much));
    vetch_bytes_unref(bytes);
}

/* libevent #862: memory stayed taken after a burst. */
VT_TEST(s4_burst_leaves_nothing_behind)
{
    sk_open(_i);
    for (int i = 0; i < 20; i++) {
        vetch_stream_write(sk_b, much, sizeof(much));
        vetch_bytes_unref(
            sk_value(vetch_stream_read_exactly(sk_a, sizeof(much))));
    }
    ck_assert_ptr_null(sk_a->input);
    ck_assert_ptr_null(sk_a->returned);
}
