/* Copies whose bytes stay in the kernel: rule S8 there, too. */
#include "support/file_kit.h"
#include "support/stream_kit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vetch/testing.h>

#include "net/net-private.h"

static vetch_stream *c, *d; /* a second pair: a -> b is copied to c -> d */
static char *much;
static size_t much_len;

static void
set_up(void)
{
    much_len = vt_on_valgrind() ? 8000000 : 16000000;
    much = malloc(much_len);
    ck_assert_ptr_nonnull(much);
    for (size_t i = 0; i < much_len; i++)
        much[i] = (char)(i * 7 + i / 251);
    fk_make();
}

/* At once: real sockets would linger over what nobody has read. */
static vetch_stream *
drop_stream(vetch_stream *s)
{
    if (s != NULL)
        vetch_stream_abort(s);
    return vetch_stream_unref(s);
}

static void
take_down(void)
{
    c = drop_stream(c);
    d = drop_stream(d);
    sk_a = drop_stream(sk_a);
    sk_b = drop_stream(sk_b);
    sk_close();
    fk_drop();
    free(much);
}

/* Sockets are the kinds that can do it. */
#define SOCKETS 2

static void
open_two(int i)
{
    sk_open(i + 1);
    c = sk_a;
    d = sk_b;
    sk_open(i + 1);
}

static unsigned
pipes_made(void)
{
    return vt_reactor->net->n_conduits;
}

/* The next bytes of `s` are these of what was sent. */
static void
expect_part(vetch_stream *s, size_t at, size_t len)
{
    vetch_bytes *bytes;

    if (len == 0)
        return;
    bytes = sk_value(vetch_stream_read_exactly(s, len));
    ck_assert_uint_eq(vetch_bytes_len(bytes), len);
    ck_assert_int_eq(memcmp(vetch_bytes_data(bytes), much + at, len), 0);
    vetch_bytes_unref(bytes);
}

static void
send_much(void)
{
    ck_assert_int_eq(vetch_stream_write(sk_a, much, much_len), 0);
}

/* Which of the two depends on who notices first. */
static void
expect_broken(vetch_promise *p)
{
    vetch_error *error;

    ck_assert_ptr_null(vetch_run(p, &error));
    ck_assert(vetch_error_is(error, EPIPE) ||
              vetch_error_is(error, ECONNRESET));
    vetch_error_unref(error);
}

VT_CASE("spliced", vt_reactor_tcase, .set_up = set_up, .take_down = take_down,
        .loops = SOCKETS);

VT_TEST(s8_bulk_goes_through_pipes_and_is_whole)
{
    vetch_promise *p;

    open_two(_i);
    p = vetch_stream_copy(sk_b, c, NULL);
    send_much();
    sk_end(sk_a);
    expect_part(d, 0, much_len);
    sk_expect_end(vetch_stream_read(d, 1));
    sk_expect_end(p);
    ck_assert_uint_gt(pipes_made(), 0);
    ck_assert_uint_eq(vetch_stream_bytes_read(sk_b), much_len);
    ck_assert_uint_eq(vetch_stream_bytes_written(c), much_len);
}

VT_TEST(s8_bulk_is_whole_though_every_write_is_short)
{
    vetch_promise *p;

    open_two(_i);
    p = vetch_stream_copy(sk_b, c, NULL);
    send_much();
    vt_run_ready();
    vetch_testing_short_writes(10007);
    sk_end(sk_a);
    expect_part(d, 0, much_len);
    sk_expect_end(p);
}

VT_TEST(s8_small_messages_are_not_spliced)
{
    vetch_promise *p;

    open_two(_i);
    p = vetch_stream_copy(sk_b, c, NULL);
    for (size_t at = 0; at < 1000000; at += 1000) {
        vetch_stream_write(sk_a, much + at, 1000);
        expect_part(d, at, 1000);
    }
    ck_assert_uint_eq(pipes_made(), 0);
    vetch_promise_cancel(p);
    sk_expect_error(p, VETCH_ECANCELED);
}

VT_TEST(s8_trickle_after_bulk_comes_at_once)
{
    vetch_promise *p;

    open_two(_i);
    p = vetch_stream_copy(sk_b, c, NULL);
    send_much();
    expect_part(d, 0, much_len);
    for (size_t at = 0; at < 10000; at += 100) {
        vetch_stream_write(sk_a, much + at, 100);
        expect_part(d, at, 100);
    }
    sk_end(sk_a);
    sk_expect_end(p);
}

VT_TEST(s8_copy_cancelled_amid_pipes_loses_nothing, .loops = SOCKETS * 8)
{
    size_t step = much_len / 10, read = step * (size_t)(_i / 2), got;
    vetch_promise *p;

    open_two(_i % 2);
    p = vetch_stream_copy(sk_b, c, NULL);
    send_much();
    expect_part(d, 0, read);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vetch_promise_cancel(p);
    sk_expect_error(p, VETCH_ECANCELED);
    got = (size_t)vetch_stream_bytes_written(c);
    ck_assert_uint_eq(vetch_stream_bytes_read(sk_b), got);
    expect_part(d, read, got - read);
    expect_part(sk_b, got, much_len - got);
    /* Both go on, and another copy, too. */
    p = vetch_stream_copy(sk_b, c, NULL);
    send_much();
    sk_end(sk_a);
    expect_part(d, 0, much_len);
    sk_expect_end(p);
}

VT_TEST(s8_count_ends_amid_bulk)
{
    vetch_copy_options o = VETCH_COPY_OPTIONS_INIT;
    vetch_promise *p;

    open_two(_i);
    o.count_bytes = much_len / 2 + 12345;
    p = vetch_stream_copy(sk_b, c, &o);
    send_much();
    expect_part(d, 0, (size_t)o.count_bytes);
    sk_expect_end(vetch_stream_read(d, 1));
    sk_expect_end(p);
    ck_assert_uint_gt(pipes_made(), 0);
    expect_part(sk_b, (size_t)o.count_bytes, much_len - (size_t)o.count_bytes);
}

VT_TEST(s8_limit_holds_amid_bulk)
{
    vetch_copy_options o = VETCH_COPY_OPTIONS_INIT;
    vetch_promise *p;
    size_t got;

    open_two(_i);
    o.limit_bytes = much_len / 2;
    p = vetch_stream_copy(sk_b, c, &o);
    send_much();
    while (vetch_promise_state(p) == VETCH_PENDING)
        expect_part(d, (size_t)vetch_stream_bytes_read(d), 1000);
    sk_expect_error(p, VETCH_ETOOLARGE);
    got = (size_t)vetch_stream_bytes_written(c);
    ck_assert_uint_le(got, o.limit_bytes);
    expect_part(d, (size_t)vetch_stream_bytes_read(d),
                got - (size_t)vetch_stream_bytes_read(d));
    expect_part(sk_b, got, much_len - got);
}

VT_TEST(s8_target_that_breaks_amid_bulk_ends_the_copy)
{
    vetch_promise *p;
    size_t got;

    open_two(_i);
    p = vetch_stream_copy(sk_b, c, NULL);
    send_much();
    expect_part(d, 0, much_len / 4);
    vetch_stream_abort(d);
    expect_broken(p);
    got = (size_t)vetch_stream_bytes_written(c);
    expect_part(sk_b, got, much_len - got);
}

VT_TEST(s8_source_that_breaks_amid_bulk_says_why)
{
    vetch_promise *p;

    open_two(_i);
    p = vetch_stream_copy(sk_b, c, NULL);
    send_much();
    expect_part(d, 0, much_len / 4);
    vetch_stream_abort(sk_a);
    if (_i == 1) { /* a Unix socket just ends */
        vetch_bytes_unref(sk_value(vetch_stream_read_all(d, VETCH_NO_LIMIT)));
        sk_expect_end(p);
        return;
    }
    while (vetch_promise_state(p) == VETCH_PENDING) {
        vetch_bytes_unref(sk_value(vetch_stream_read(d, 65536)));
        vt_run_ready();
    }
    sk_expect_error(p, ECONNRESET);
    sk_expect_end(vetch_stream_send(c, "x", 1));
}

VT_TEST(s8_bulk_is_echoed)
{
    vetch_promise *p;

    open_two(_i);
    p = vetch_stream_copy(sk_b, sk_b, NULL);
    send_much();
    sk_end(sk_a);
    expect_part(sk_a, 0, much_len);
    sk_expect_end(vetch_stream_read(sk_a, 1));
    sk_expect_end(p);
}

VT_TEST(s8_bulk_goes_both_ways_at_once)
{
    vetch_promise *p;

    open_two(_i);
    p = vetch_stream_join(sk_b, c);
    send_much();
    vetch_stream_write(d, much, much_len);
    expect_part(sk_a, 0, much_len);
    expect_part(d, 0, much_len);
    sk_end(sk_a);
    sk_end(d);
    sk_expect_end(p);
}

VT_TEST(s8_bulk_is_copied_where_pipes_are_not_to_be_had)
{
    vetch_promise *p;

    open_two(_i);
    vt_reactor->net->n_conduits += 100000;
    p = vetch_stream_copy(sk_b, c, NULL);
    send_much();
    sk_end(sk_a);
    expect_part(d, 0, much_len);
    sk_expect_end(p);
    vt_reactor->net->n_conduits -= 100000;
    ck_assert_uint_eq(pipes_made(), 0);
}

VT_TEST(s8_release_amid_bulk_leaves_nothing)
{
    vetch_promise *p;

    open_two(_i);
    p = vetch_stream_copy(sk_b, c, NULL);
    send_much();
    expect_part(d, 0, much_len / 4);
    c = vetch_stream_unref(c);
    sk_expect_error(p, ECONNABORTED);
}

VT_CASE("files", vt_reactor_tcase, .set_up = set_up, .take_down = take_down,
        .loops = SOCKETS);

static vetch_stream *file;

static void
open_file(size_t len, const vetch_file_options *options)
{
    fk_put("f", much, len);
    file = vetch_run(vetch_file_open(fk_path("f"), VETCH_FILE_READ, options),
                     NULL);
    ck_assert_ptr_nonnull(file);
}

static void
close_file(void)
{
    file = vetch_stream_unref(file);
}

VT_TEST(s8_file_goes_to_a_socket_whole)
{
    vetch_promise *p;

    sk_open(_i + 1);
    open_file(much_len, NULL);
    vetch_stream_write(sk_a, much, 10);
    p = vetch_stream_copy(file, sk_a, NULL);
    expect_part(sk_b, 0, 10);
    expect_part(sk_b, 0, much_len);
    sk_expect_end(vetch_stream_read(sk_b, 1));
    sk_expect_end(p);
    ck_assert_uint_eq(vetch_stream_bytes_read(file), much_len);
    sk_expect_end(vetch_stream_read(file, 1));
    close_file();
}

VT_TEST(s8_file_that_the_disk_has_to_fetch_is_whole)
{
    vetch_promise *p;
    int fd;

    sk_open(_i + 1);
    open_file(much_len, NULL);
    fd = open(fk_path("f"), O_RDONLY | O_CLOEXEC);
    fsync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
    p = vetch_stream_copy(file, sk_a, NULL);
    expect_part(sk_b, 0, much_len);
    sk_expect_end(p);
    close_file();
}

VT_TEST(s8_small_and_empty_files_go_to_a_socket)
{
    vetch_copy_options o = VETCH_COPY_OPTIONS_INIT;

    o.keep_open = true;
    sk_open(_i + 1);
    for (size_t len = 0; len < 70000; len = len * 3 + 1) {
        open_file(len, NULL);
        sk_expect_end(vetch_stream_copy(file, sk_a, &o));
        expect_part(sk_b, 0, len);
        close_file();
    }
}

VT_TEST(s8_part_of_a_file_goes_to_a_socket)
{
    vetch_file_options o = VETCH_FILE_OPTIONS_INIT;
    vetch_copy_options some = VETCH_COPY_OPTIONS_INIT;

    some.count_bytes = 50000;
    some.keep_open = true;
    o.offset_bytes = 1000;
    o.length_bytes = 100000;
    sk_open(_i + 1);
    open_file(1000000, &o);
    expect_part(file, 1000, 7); /* what was read ahead is no hindrance */
    sk_expect_end(vetch_stream_copy(file, sk_a, &some));
    expect_part(sk_b, 1007, 50000);
    expect_part(file, 51007, 3);
    sk_expect_end(vetch_stream_copy(file, sk_a, NULL));
    expect_part(sk_b, 51010, 49990);
    sk_expect_end(vetch_stream_read(sk_b, 1));
    ck_assert_int_eq(vetch_file_seek(file, 5), 0);
    expect_part(file, 5, 100);
    close_file();
}

VT_TEST(s8_file_of_unknown_length_goes_to_a_socket)
{
    vetch_bytes *bytes;

    sk_open(_i + 1);
    file = vetch_run(
        vetch_file_open("/proc/self/status", VETCH_FILE_READ, NULL), NULL);
    sk_expect_end(vetch_stream_copy(file, sk_a, NULL));
    bytes = sk_value(vetch_stream_read_all(sk_b, 100000));
    ck_assert_uint_gt(vetch_bytes_len(bytes), 100);
    vetch_bytes_unref(bytes);
    close_file();
}

VT_TEST(s8_file_that_is_too_short_says_so)
{
    vetch_copy_options o = VETCH_COPY_OPTIONS_INIT;

    o.count_bytes = 200001;
    sk_open(_i + 1);
    open_file(200000, NULL);
    sk_expect_error(vetch_stream_copy(file, sk_a, &o), VETCH_EEOF);
    expect_part(sk_b, 0, 200000);
    o.count_bytes = UINT64_MAX;
    o.limit_bytes = 100000;
    ck_assert_int_eq(vetch_file_seek(file, 0), 0);
    sk_expect_error(vetch_stream_copy(file, sk_a, &o), VETCH_ETOOLARGE);
    expect_part(file, 0, 200000);
    close_file();
}

VT_TEST(s8_cancelled_copy_of_a_file_loses_nothing)
{
    vetch_promise *p;
    size_t got;

    sk_open(_i + 1);
    open_file(much_len, NULL);
    p = vetch_stream_copy(file, sk_a, NULL); /* sends what the kernel takes */
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vetch_promise_cancel(p);
    sk_expect_error(p, VETCH_ECANCELED);
    got = (size_t)vetch_stream_bytes_written(sk_a);
    expect_part(file, got, much_len - got);
    vetch_stream_write(sk_a, "x", 1);
    expect_part(sk_b, 0, got);
    sk_expect_text(vetch_stream_read(sk_b, 10), "x");
    close_file();
}

VT_TEST(s8_copy_of_a_file_notices_that_nobody_listens)
{
    vetch_promise *p;

    sk_open(_i + 1);
    open_file(much_len, NULL);
    p = vetch_stream_copy(file, sk_a, NULL);
    expect_part(sk_b, 0, 100000);
    sk_b = vetch_stream_unref(sk_b);
    expect_broken(p);
    close_file();
}
