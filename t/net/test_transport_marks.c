/* What waits to be written or read is bounded: over TCP, over a Unix socket and
 * over the pair in memory (the loop variable of a test is the kind). */

#include "support/transport_kit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "net/transport-private.h"

#define KIND ((enum tk_kind)_i)

static void
pause_when_received(struct tk_probe *p, char event)
{
    if (event == TK_RECEIVED)
        vetch_transport_pause(p->t);
}

VT_CASE("limits", vt_reactor_tcase, .loops = TK_KINDS);

/* libuv #1169, help #29; libevent #694 #1211 #1350 #1466; mongoose #2574 #3077;
 * cpython #74116 #116279; node help #2350: writing faster than the peer reads.
 * (LESSONS 4) With the pair in memory nothing but the queue holds bytes, so the
 * marks show exactly. */
VT_TEST(paused_above_the_high_mark_resumed_at_the_low_one, .loops = 1)
{
    struct tk_probe ends[2];
    char *data = tk_pattern(1000);

    tk_connect(TK_MEMORY, ends);
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
    tk_finish(ends);
}

/* A pull takes 64 KiB: what is left then is the low mark, or one more. */
VT_TEST(the_low_mark_is_exact, .loops = 1)
{
    for (size_t above = 0; above < 2; above++) {
        struct tk_probe ends[2];
        char *data = tk_pattern(65536 + 100 + above);

        tk_connect(TK_MEMORY, ends);
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
        tk_finish(ends);
    }
}

VT_TEST(a_slow_reader_pauses_and_resumes_the_writer)
{
    struct tk_probe ends[2];
    size_t written = 0;
    char *data = tk_pattern(100000);

    tk_connect(KIND, ends);
    vetch_transport_pause(ends[1].t);
    while (!tk_has(&ends[0], TK_PAUSED)) {
        ck_assert_int_eq(vetch_transport_write(ends[0].t, data, 100000), 0);
        written += 100000;
        vt_run_ready();
    }
    vetch_transport_resume(ends[1].t);
    tk_until(ends[1].n_data == written);
    tk_until(tk_has(&ends[0], TK_RESUMED));
    ck_assert_str_eq(ends[0].trace, "cpu");
    for (size_t i = 0; i < written; i += 100000)
        ck_assert_int_eq(memcmp(ends[1].data + i, data, 100000), 0);
    free(data);
    tk_finish(ends);
}

VT_TEST(the_hard_cap_refuses_and_queues_nothing)
{
    struct tk_probe ends[2];
    char *data = tk_pattern(1001);
    struct iovec iov[2] = { { data, 500 }, { data, 501 } };
    size_t written = 0, buffered;

    tk_connect(KIND, ends);
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
    tk_until(ends[1].n_data == written);
    free(data);
    tk_finish(ends);
}

VT_TEST(marks_have_to_be_in_order)
{
    struct tk_probe ends[2];

    tk_connect(KIND, ends);
    ck_assert_int_eq(vetch_transport_set_write_marks(ends[0].t, 2, 1, 3), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(vetch_transport_set_write_marks(ends[0].t, 1, 3, 2), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(vetch_transport_set_close_timeout(ends[0].t, -1), -1);
    ck_assert_int_eq(errno, EINVAL);
    tk_finish(ends);
}

VT_TEST(input_that_nobody_consumes_is_bounded)
{
    struct tk_probe ends[2];
    char *data = tk_pattern(200000);

    tk_connect(KIND, ends);
    ends[1].keep = SIZE_MAX;
    ck_assert_int_eq(vetch_transport_set_input_limit(ends[1].t, 100000), 0);
    ck_assert_int_eq(vetch_transport_write(ends[0].t, data, 200000), 0);
    tk_until(tk_has(&ends[1], TK_FREED));
    ck_assert_int_eq(ends[1].lost_code, VETCH_ETOOLARGE);
    ck_assert_uint_gt(ends[1].n_left, 100000);
    ck_assert_uint_le(ends[1].n_left, 100000 + 65536);
    tk_until(tk_has(&ends[0], TK_FREED));
    ck_assert_int_ne(ends[0].lost_code, 0);
    free(data);
    tk_finish(ends);
}

VT_CASE("cpu", vt_real_reactor_tcase);

/* libevent #891: a reader paused while bytes wait must not spin. */
VT_TEST(a_paused_reader_uses_no_cpu, .loops = TK_KINDS)
{
    struct tk_probe ends[2];
    struct rusage before, after;
    vetch_error *error;
    long used;

    tk_connect(KIND, ends);
    vetch_transport_pause(ends[1].t);
    tk_write_all(ends[0].t, "waiting");
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
    tk_until(ends[1].n_data == 7);
    tk_finish(ends);
}
