/* Files, as a whole and as streams. */
#include "support/file_kit.h"
#include "support/stream_kit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <signal.h>

#include "stream/file-private.h"
#include "stream/stream-private.h"

static char much[1000000];

static void
set_up(void)
{
    fk_make();
    umask(022);
    for (size_t i = 0; i < sizeof(much); i++)
        much[i] = (char)(i * 7 + i / 251);
}

static void
take_down(void)
{
    vetch__file_without_tmpfile = false;
    sk_close();
    fk_drop();
}

static void
open_file(const char *name, unsigned flags)
{
    sk_a = vetch_run(vetch_file_open(fk_path(name), flags, NULL), NULL);
    ck_assert_ptr_nonnull(sk_a);
}

VT_CASE("whole", vt_reactor_tcase, .set_up = set_up, .take_down = take_down);

VT_TEST(whole_file_is_read)
{
    vetch_bytes *bytes;

    fk_put("f", much, sizeof(much));
    bytes = sk_value(vetch_file_read(fk_path("f"), VETCH_NO_LIMIT));
    ck_assert_uint_eq(vetch_bytes_len(bytes), sizeof(much));
    ck_assert_int_eq(memcmp(vetch_bytes_data(bytes), much, sizeof(much)), 0);
    vetch_bytes_unref(bytes);
}

VT_TEST(empty_file_is_no_bytes_but_not_null)
{
    fk_put("f", "", 0);
    sk_expect_text(vetch_file_read(fk_path("f"), 1), "");
}

VT_TEST(file_may_be_as_long_as_the_limit_and_no_longer)
{
    fk_put("f", "12345", 5);
    sk_expect_text(vetch_file_read(fk_path("f"), 5), "12345");
    sk_expect_error(vetch_file_read(fk_path("f"), 4), VETCH_ETOOLARGE);
    sk_expect_error(vetch_file_read(fk_path("f"), 0), EINVAL);
    fk_put("f", much, 100000);
    sk_expect_error(vetch_file_read(fk_path("f"), 99999), VETCH_ETOOLARGE);
    vetch_bytes_unref(sk_value(vetch_file_read(fk_path("f"), 100000)));
}

VT_TEST(file_that_does_not_know_its_length_is_read)
{
    vetch_bytes *bytes =
        sk_value(vetch_file_read("/proc/self/status", VETCH_NO_LIMIT));

    ck_assert_uint_gt(vetch_bytes_len(bytes), 100);
    ck_assert_int_eq(strncmp(vetch_bytes_data(bytes), "Name:", 5), 0);
    vetch_bytes_unref(bytes);
    sk_expect_error(vetch_file_read("/proc/self/status", 10), VETCH_ETOOLARGE);
}

VT_TEST(what_is_no_regular_file_is_refused_and_never_waited_for)
{
    fk_put_fifo("fifo");
    sk_expect_error(vetch_file_read(fk_path("fifo"), 100), EINVAL);
    sk_expect_error(vetch_file_read("/dev/zero", 100), EINVAL);
    sk_expect_error(vetch_file_read(fk_path(""), 100), EISDIR);
    for (unsigned flags = VETCH_FILE_READ; flags <= VETCH_FILE_REPLACE;
         flags *= 2) {
        sk_expect_error(vetch_file_open(fk_path("fifo"), flags, NULL), EINVAL);
        sk_expect_error(vetch_file_open("/dev/null", flags, NULL), EINVAL);
        sk_expect_error(vetch_file_open(fk_path(""), flags, NULL), EISDIR);
    }
    sk_expect_error(vetch_file_write(fk_path("fifo"), "x", 1, 0), EINVAL);
}

VT_TEST(errors_name_the_file)
{
    vetch_error *error;

    ck_assert_ptr_null(vetch_run(vetch_file_read("/no/such", 1), &error));
    ck_assert_int_eq(vetch_error_code(error), ENOENT);
    ck_assert_str_eq(vetch_error_text(error),
                     "/no/such: no such file or directory");
    vetch_error_unref(error);
}

VT_TEST(whole_file_is_written)
{
    sk_expect_end(vetch_file_write(fk_path("f"), much, sizeof(much), 0));
    fk_expect("f", much, sizeof(much));
    ck_assert_uint_eq(fk_mode("f"), 0644);
    sk_expect_end(vetch_file_write(fk_path("f"), "new", 3, VETCH_FILE_SYNC));
    fk_expect("f", "new", 3);
    sk_expect_end(vetch_file_write(fk_path("f"), NULL, 0, 0));
    fk_expect("f", "", 0);
    ck_assert_int_eq(fk_count(), 1);
}

VT_TEST(written_where_files_need_a_name_from_the_start)
{
    vetch__file_without_tmpfile = true;
    sk_expect_end(vetch_file_write(fk_path("f"), "1", 1, 0));
    sk_expect_end(vetch_file_write(fk_path("f"), "22", 2, VETCH_FILE_SYNC));
    fk_expect("f", "22", 2);
    sk_expect_error(
        vetch_file_write(fk_path("f"), "3", 1, VETCH_FILE_EXCLUSIVE), EEXIST);
    sk_expect_end(vetch_file_write(fk_path("g"), "3", 1, VETCH_FILE_EXCLUSIVE));
    fk_expect("g", "3", 1);
    ck_assert_int_eq(fk_count(), 2);
}

VT_TEST(replaced_file_keeps_its_mode_unless_it_becomes_private)
{
    fk_put("f", "old", 3);
    ck_assert_int_eq(chmod(fk_path("f"), 0640), 0);
    sk_expect_end(vetch_file_write(fk_path("f"), "new", 3, 0));
    ck_assert_uint_eq(fk_mode("f"), 0640);
    sk_expect_end(vetch_file_write(fk_path("f"), "own", 3, VETCH_FILE_PRIVATE));
    ck_assert_uint_eq(fk_mode("f"), 0600);
}

VT_TEST(link_is_replaced_and_not_followed)
{
    fk_put("f", "old", 3);
    ck_assert_int_eq(symlink("f", fk_path("link")), 0);
    sk_expect_end(vetch_file_write(fk_path("link"), "new", 3, 0));
    fk_expect("f", "old", 3);
    fk_expect("link", "new", 3);
}

VT_TEST(exclusive_write_makes_a_new_file_only)
{
    sk_expect_end(vetch_file_write(fk_path("f"), "1", 1, VETCH_FILE_EXCLUSIVE));
    sk_expect_error(
        vetch_file_write(fk_path("f"), "2", 1, VETCH_FILE_EXCLUSIVE), EEXIST);
    fk_expect("f", "1", 1);
}

VT_TEST(flags_that_contradict_one_another_are_refused)
{
    static const unsigned bad[] = { 0,
                                    VETCH_FILE_SYNC,
                                    VETCH_FILE_READ | VETCH_FILE_WRITE,
                                    VETCH_FILE_READ | VETCH_FILE_SYNC,
                                    VETCH_FILE_APPEND | VETCH_FILE_REPLACE,
                                    VETCH_FILE_READ | 128 };
    vetch_file_options o = VETCH_FILE_OPTIONS_INIT;

    for (int i = 0; i < VT_COUNT_OF(bad); i++)
        sk_expect_error(vetch_file_open(fk_path("f"), bad[i], NULL), EINVAL);
    sk_expect_error(vetch_file_write(fk_path("f"), "", 0, VETCH_FILE_APPEND),
                    EINVAL);
    o.offset_bytes = 1;
    sk_expect_error(vetch_file_open(fk_path("f"), VETCH_FILE_WRITE, &o),
                    EINVAL);
    ck_assert_int_eq(fk_count(), 0);
}

VT_TEST(cancelled_before_it_began_it_does_nothing)
{
    vetch_promise *p = vetch_file_write(fk_path("f"), "x", 1, 0);

    vetch_promise_cancel(p);
    sk_expect_error(p, VETCH_ECANCELED);
    p = vetch_file_open(fk_path("f"), VETCH_FILE_WRITE, NULL);
    vetch_promise_cancel(p);
    sk_expect_error(p, VETCH_ECANCELED);
    ck_assert_int_eq(fk_count(), 0);
}

VT_TEST(opened_file_that_nobody_took_is_closed)
{
    vetch_promise_unref(
        vetch_file_open(fk_path("f"), VETCH_FILE_REPLACE, NULL));
    fk_put("g", "x", 1);
    vetch_promise_unref(vetch_file_open(fk_path("g"), VETCH_FILE_READ, NULL));
}

VT_CASE("reading", vt_reactor_tcase, .set_up = set_up, .take_down = take_down);

VT_TEST(lines_of_a_file_are_read)
{
    fk_put("f", "one\ntwo\r\nthree", 14);
    open_file("f", VETCH_FILE_READ);
    ck_assert_str_eq(vetch_stream_peer(sk_a), fk_path("f"));
    sk_expect_text(vetch_stream_read_line(sk_a, 80), "one");
    sk_expect_text(vetch_stream_read_line(sk_a, 80), "two");
    sk_expect_text(vetch_stream_read_line(sk_a, 80), "three");
    sk_expect_end(vetch_stream_read_line(sk_a, 80));
    sk_expect_end(vetch_stream_read(sk_a, 80));
}

VT_TEST(s1_second_read_is_misuse)
{
    vetch_promise *p;

    fk_put("f", "text", 4);
    open_file("f", VETCH_FILE_READ);
    p = vetch_stream_read(sk_a, 4);
    sk_expect_error(vetch_stream_read(sk_a, 4), VETCH_EMISUSE);
    sk_expect_text(p, "text");
}

VT_TEST(s2_cancelled_read_loses_nothing)
{
    vetch_promise *p;

    fk_put("f", much, sizeof(much));
    open_file("f", VETCH_FILE_READ);
    for (size_t at = 0; at < 300000; at += 1000) {
        vetch_bytes *bytes;

        p = vetch_stream_read_exactly(sk_a, 1000);
        if (at % 3000 == 0)
            vt_run_ready();
        vetch_promise_cancel(p);
        vetch_promise_unref(p);
        vt_run_ready();
        vetch_promise_unref(vetch_stream_read_exactly(sk_a, 10)); /* dropped */
        vt_run_ready();
        while (vetch_stream_bytes_read(sk_a) != at ||
               vetch__stream_is_read(sk_a))
            ck_assert_ptr_null(vetch_run(vetch_sleep(0), NULL));
        bytes = sk_value(vetch_stream_read_exactly(sk_a, 1000));
        ck_assert_int_eq(memcmp(vetch_bytes_data(bytes), much + at, 1000), 0);
        vetch_bytes_unref(bytes);
    }
}

VT_TEST(s3_end_that_comes_too_early_leaves_what_is_there)
{
    fk_put("f", "text", 4);
    open_file("f", VETCH_FILE_READ);
    sk_expect_error(vetch_stream_read_exactly(sk_a, 5), VETCH_EEOF);
    sk_expect_text(vetch_stream_read(sk_a, 80), "text");
}

VT_TEST(s4_reads_are_bounded)
{
    fk_put("f", "a long line\n", 12);
    open_file("f", VETCH_FILE_READ);
    sk_expect_error(vetch_stream_read_line(sk_a, 5), VETCH_ETOOLARGE);
    sk_expect_error(vetch_stream_read_all(sk_a, 5), VETCH_ETOOLARGE);
    sk_expect_text(vetch_stream_read_line(sk_a, 11), "a long line");
}

VT_TEST(s5_nothing_can_be_written_to_a_file_that_is_read)
{
    fk_put("f", "text", 4);
    open_file("f", VETCH_FILE_READ);
    ck_assert_int_eq(vetch_stream_write(sk_a, "x", 1), -1);
    ck_assert_int_eq(errno, EBADF);
    sk_expect_error(vetch_stream_end(sk_a), EBADF);
    sk_expect_text(vetch_stream_read_all(sk_a, 80), "text");
}

VT_TEST(s7_release_with_a_read_pending_ends_it, .loops = 2)
{
    vetch_promise *p;

    fk_put("f", "text", 4);
    open_file("f", VETCH_FILE_READ);
    p = vetch_stream_read_exactly(sk_a, 5);
    if (_i == 1)
        vt_run_ready(); /* a thread may be at it */
    if (vetch_promise_state(p) == VETCH_PENDING) {
        sk_a = vetch_stream_unref(sk_a);
        sk_expect_error(p, ECONNABORTED);
    } else {
        sk_expect_error(p, VETCH_EEOF); /* it was faster */
    }
}

VT_TEST(part_of_a_file_is_read)
{
    vetch_file_options o = VETCH_FILE_OPTIONS_INIT;

    fk_put("f", "0123456789", 10);
    o.offset_bytes = 3;
    o.length_bytes = 4;
    sk_a = vetch_run(vetch_file_open(fk_path("f"), VETCH_FILE_READ, &o), NULL);
    sk_expect_text(vetch_stream_read_all(sk_a, 80), "3456");
    vetch_stream_unref(sk_a);
    o.length_bytes = 400;
    sk_a = vetch_run(vetch_file_open(fk_path("f"), VETCH_FILE_READ, &o), NULL);
    sk_expect_text(vetch_stream_read_all(sk_a, 80), "3456789");
    vetch_stream_unref(sk_a);
    o.offset_bytes = UINT64_MAX;
    sk_a = vetch_run(vetch_file_open(fk_path("f"), VETCH_FILE_READ, &o), NULL);
    sk_expect_end(vetch_stream_read(sk_a, 80));
}

VT_TEST(file_is_read_from_anywhere)
{
    vetch_promise *p;

    fk_put("f", "0123456789", 10);
    open_file("f", VETCH_FILE_READ);
    sk_expect_text(vetch_stream_read_all(sk_a, 80), "0123456789");
    ck_assert_int_eq(vetch_file_seek(sk_a, 7), 0);
    sk_expect_text(vetch_stream_read(sk_a, 2), "78");
    ck_assert_int_eq(vetch_file_seek(sk_a, 1), 0);
    sk_expect_text(vetch_stream_read_exactly(sk_a, 2), "12");
    ck_assert_int_eq(vetch_file_seek(sk_a, 100), 0);
    sk_expect_end(vetch_stream_read(sk_a, 2));
    ck_assert_int_eq(vetch_file_seek(sk_a, 9), 0);
    p = vetch_stream_read(sk_a, 2);
    ck_assert_int_eq(vetch_file_seek(sk_a, 0), -1);
    ck_assert_int_eq(errno, EBUSY);
    sk_expect_text(p, "9");
}

VT_TEST(seek_forgets_what_a_thread_is_reading)
{
    fk_put("f", "0123456789", 10);
    open_file("f", VETCH_FILE_READ);
    for (int i = 0; i < 100; i++) {
        vetch_promise *p;

        ck_assert_int_eq(vetch_file_seek(sk_a, 0), 0);
        p = vetch_stream_read(sk_a, 5);
        if (i % 2 == 0)
            vt_run_ready();
        vetch_promise_cancel(p);
        vetch_promise_unref(p);
        vt_run_ready();
        ck_assert_int_eq(vetch_file_seek(sk_a, 5), 0);
        sk_expect_text(vetch_stream_read(sk_a, 5), "56789");
    }
}

VT_TEST(seek_is_for_files_that_are_read)
{
    vetch_file_info info = VETCH_FILE_INFO_INIT;

    open_file("f", VETCH_FILE_WRITE);
    ck_assert_int_eq(vetch_file_seek(sk_a, 0), -1);
    ck_assert_int_eq(errno, EINVAL);
    vetch_stream_unref(sk_a);
    sk_open(0);
    ck_assert_int_eq(vetch_file_seek(sk_a, 0), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(vetch_file_get_info(sk_a, &info), -1);
    ck_assert_int_eq(errno, EINVAL);
}

VT_TEST(file_can_be_asked_what_it_is)
{
    vetch_file_info info = VETCH_FILE_INFO_INIT;
    struct stat st;

    fk_put("f", "0123456789", 10);
    open_file("f", VETCH_FILE_READ);
    ck_assert_int_eq(stat(fk_path("f"), &st), 0);
    ck_assert_int_eq(vetch_file_get_info(sk_a, &info), 0);
    ck_assert_uint_eq(info.length_bytes, 10);
    ck_assert_uint_eq(info.inode, st.st_ino);
    ck_assert_uint_eq(info.device, st.st_dev);
    ck_assert_double_eq_tol(
        info.modified_seconds,
        (double)st.st_mtim.tv_sec + (double)st.st_mtim.tv_nsec / 1e9, 1e-6);
}

VT_CASE("writing", vt_reactor_tcase, .set_up = set_up, .take_down = take_down);

VT_TEST(file_is_written_in_many_pieces)
{
    open_file("f", VETCH_FILE_WRITE);
    for (size_t at = 0; at < sizeof(much); at += 1000)
        ck_assert_int_eq(vetch_stream_write(sk_a, much + at, 1000), 0);
    sk_expect_end(vetch_stream_end(sk_a));
    fk_expect("f", much, sizeof(much));
    sk_expect_end(vetch_stream_close(sk_a));
}

VT_TEST(close_writes_what_is_queued)
{
    open_file("f", VETCH_FILE_WRITE);
    vetch_stream_write(sk_a, "text", 4);
    sk_expect_end(vetch_stream_close(sk_a));
    fk_expect("f", "text", 4);
}

VT_TEST(what_was_there_is_cut_off_or_stays_in_front)
{
    fk_put("f", "a long text", 11);
    open_file("f", VETCH_FILE_WRITE | VETCH_FILE_SYNC);
    vetch_stream_write(sk_a, "one", 3);
    sk_expect_end(vetch_stream_close(sk_a));
    fk_expect("f", "one", 3);
    vetch_stream_unref(sk_a);
    open_file("f", VETCH_FILE_APPEND);
    vetch_stream_write(sk_a, "two", 3);
    sk_expect_end(vetch_stream_close(sk_a));
    fk_expect("f", "onetwo", 6);
}

VT_TEST(exclusive_file_has_to_be_new)
{
    fk_put("f", "old", 3);
    for (unsigned how = VETCH_FILE_WRITE; how <= VETCH_FILE_REPLACE; how *= 2) {
        sk_expect_error(
            vetch_file_open(fk_path("f"), how | VETCH_FILE_EXCLUSIVE, NULL),
            EEXIST);
        open_file("new", how | VETCH_FILE_EXCLUSIVE);
        vetch_stream_write(sk_a, "x", 1);
        sk_expect_end(vetch_stream_end(sk_a));
        sk_a = vetch_stream_unref(sk_a);
        fk_expect("new", "x", 1);
        unlink(fk_path("new"));
    }
}

VT_TEST(exclusive_replacement_loses_the_race_and_says_so)
{
    open_file("f", VETCH_FILE_REPLACE | VETCH_FILE_EXCLUSIVE);
    vetch_stream_write(sk_a, "mine", 4);
    fk_put("f", "theirs", 6);
    sk_expect_error(vetch_stream_end(sk_a), EEXIST);
    fk_expect("f", "theirs", 6);
    ck_assert_int_eq(fk_count(), 1);
}

VT_TEST(private_file_is_its_owners_alone)
{
    fk_put("f", "old", 3);
    for (unsigned how = VETCH_FILE_WRITE; how <= VETCH_FILE_REPLACE; how *= 2) {
        open_file("f", how | VETCH_FILE_PRIVATE);
        sk_expect_end(vetch_stream_end(sk_a));
        sk_a = vetch_stream_unref(sk_a);
        ck_assert_uint_eq(fk_mode("f"), 0600);
        chmod(fk_path("f"), 0644);
    }
}

/* How one can come to the end of a stream without an end. */
static void
abandon(int i)
{
    switch (i) {
    case 0:
        vetch_stream_abort(sk_a);
        break;
    case 1:
        sk_a = vetch_stream_unref(sk_a);
        break;
    case 2:
        sk_expect_error(vetch_stream_close(sk_a), VETCH_ECANCELED);
        break;
    default:
        vt_run_ready(); /* a thread may be writing */
        sk_a = vetch_stream_unref(sk_a);
        break;
    }
}

VT_TEST(replacement_that_has_no_end_leaves_nothing, .loops = 8)
{
    vetch__file_without_tmpfile = _i >= 4;
    fk_put("f", "old", 3);
    open_file("f", VETCH_FILE_REPLACE);
    if (_i < 4)
        ck_assert_int_eq(fk_count(), 1); /* a crash would leave no more */
    vetch_stream_write(sk_a, much, sizeof(much));
    abandon(_i % 4);
    sk_close();
    ck_assert_ptr_null(vetch_run(
        vetch_executor_close(vetch__file_executor(vt_reactor), 10), NULL));
    ck_assert_int_eq(fk_count(), 1);
    fk_expect("f", "old", 3);
}

VT_TEST(replacement_has_its_name_when_the_end_fulfils)
{
    vetch_promise *p;

    fk_put("f", "old", 3);
    open_file("f", VETCH_FILE_REPLACE | VETCH_FILE_SYNC);
    vetch_stream_write(sk_a, "new", 3);
    vt_run_ready();
    fk_expect("f", "old", 3);
    p = vetch_stream_end(sk_a);
    sk_expect_end(vetch_stream_close(sk_a)); /* which waits for the end */
    sk_expect_end(p);
    fk_expect("f", "new", 3);
    ck_assert_int_eq(fk_count(), 1);
}

VT_TEST(nothing_written_and_closed_is_no_failure)
{
    open_file("f", VETCH_FILE_REPLACE);
    sk_expect_end(vetch_stream_close(sk_a));
    ck_assert_int_eq(fk_count(), 0);
}

static void
limit_files(rlim_t bytes)
{
    struct rlimit limit;

    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, bytes == RLIM_INFINITY ? SIG_DFL : SIG_IGN);
}

VT_TEST(s5_full_disk_is_told_to_whoever_asks)
{
    fk_put("f", "old", 3);
    open_file("f", VETCH_FILE_REPLACE);
    limit_files(5000);
    vetch_stream_write(sk_a, much, 10000);
    sk_expect_error(vetch_stream_send(sk_a, much, 100000), EFBIG);
    sk_expect_error(vetch_stream_drain(sk_a), EFBIG);
    sk_expect_error(vetch_stream_end(sk_a), EFBIG);
    ck_assert_str_eq(vetch_stream_peer(sk_a), fk_path("f"));
    sk_expect_error(vetch_stream_close(sk_a), EFBIG);
    sk_expect_error(vetch_file_write(fk_path("f"), much, 10000, 0), EFBIG);
    limit_files(RLIM_INFINITY);
    fk_expect("f", "old", 3);
}

VT_CASE("copies", vt_reactor_tcase, .set_up = set_up, .take_down = take_down);

VT_TEST(s8_file_is_copied_to_a_file)
{
    fk_put("f", much, sizeof(much));
    open_file("f", VETCH_FILE_READ);
    sk_b = vetch_run(vetch_file_open(fk_path("g"), VETCH_FILE_REPLACE, NULL),
                     NULL);
    sk_expect_end(vetch_stream_copy(sk_a, sk_b, NULL));
    fk_expect("g", much, sizeof(much));
}

VT_TEST(s8_cancelled_copy_to_a_file_loses_nothing)
{
    vetch_promise *p;
    vetch_bytes *bytes;
    size_t got;

    fk_put("f", much, sizeof(much));
    open_file("f", VETCH_FILE_READ);
    sk_b =
        vetch_run(vetch_file_open(fk_path("g"), VETCH_FILE_WRITE, NULL), NULL);
    p = vetch_stream_copy(sk_a, sk_b, NULL);
    while (vetch_stream_bytes_written(sk_b) == 0)
        ck_assert_ptr_null(vetch_run(vetch_sleep(0), NULL));
    vetch_promise_cancel(p);
    sk_expect_error(p, VETCH_ECANCELED);
    got = (size_t)vetch_stream_bytes_written(sk_b);
    bytes = sk_value(vetch_stream_read_all(sk_a, VETCH_NO_LIMIT));
    ck_assert_uint_eq(vetch_bytes_len(bytes), sizeof(much) - got);
    vetch_stream_write_bytes(sk_b, bytes);
    vetch_bytes_unref(bytes);
    sk_expect_end(vetch_stream_end(sk_b));
    fk_expect("g", much, sizeof(much));
}

VT_TEST(s8_failed_copy_to_a_replacement_leaves_the_old_file)
{
    vetch_copy_options o = VETCH_COPY_OPTIONS_INIT;

    fk_put("f", much, sizeof(much));
    fk_put("g", "old", 3);
    open_file("f", VETCH_FILE_READ);
    sk_b = vetch_run(vetch_file_open(fk_path("g"), VETCH_FILE_REPLACE, NULL),
                     NULL);
    o.limit_bytes = 100000;
    sk_expect_error(vetch_stream_copy(sk_a, sk_b, &o), VETCH_ETOOLARGE);
    sk_b = vetch_stream_unref(sk_b);
    fk_expect("g", "old", 3);
}

/* Everything that can fail for want of memory, at each of its allocations. */

VT_CASE("memory", vt_reactor_tcase, .set_up = set_up, .take_down = take_down,
        .seconds = 200);

static void
step_write_and_read(bool unharmed)
{
    vetch_error *error = NULL;
    vetch_bytes *bytes;

    vetch_run(vetch_file_write(fk_path("f"), "text", 4, 0), &error);
    ck_assert(error == NULL || !unharmed);
    vetch_error_unref(error);
    bytes = vetch_run(vetch_file_read(fk_path("f"), 10), &error);
    ck_assert(error == NULL || !unharmed);
    vetch_error_unref(error);
    vetch_bytes_unref(bytes);
}

VT_TEST(whole_files_survive_a_lack_of_memory)
{
    vt_sweep_allocations(step_write_and_read);
}

static void
step_stream(bool unharmed)
{
    vetch_error *error = NULL;
    vetch_stream *s = vetch_run(
        vetch_file_open(fk_path("f"), VETCH_FILE_REPLACE, NULL), &error);

    if (s != NULL) {
        vetch_stream_write(s, "text", 4);
        vetch_run(vetch_stream_end(s), &error);
        vetch_stream_unref(s);
    }
    ck_assert(error == NULL || !unharmed);
    vetch_error_unref(error);
    ck_assert_int_le(fk_count(), 1);
}

VT_TEST(streams_over_files_survive_a_lack_of_memory)
{
    vt_sweep_allocations(step_stream);
}

VT_CASE("end", vt_reactor_tcase, .set_up = set_up, .take_down = take_down);

VT_TEST(reactor_ends_with_files_open_and_busy)
{
    vetch_stream *r, *w;

    fk_put("f", much, sizeof(much));
    open_file("f", VETCH_FILE_READ);
    r = sk_a;
    open_file("g", VETCH_FILE_REPLACE);
    w = sk_a;
    sk_a = NULL;
    vetch_promise_unref(vetch_stream_copy(r, w, NULL));
    vetch_promise_unref(vetch_file_write(fk_path("h"), much, 1000, 0));
    vt_run_ready();
    vt_reactor = vetch_reactor_unref(vt_reactor);
    vetch_stream_unref(r);
    vetch_stream_unref(w);
    vt_log_take();
}
