/* Watching descriptors. */

#include "support/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vetch/testing.h>

struct tk_probe {
    int called;
    unsigned events;
    int freed;
    vetch_descriptor *d;
    vetch_descriptor *other;
};

static int fds[2];

static void
open_pair(void)
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds),
                     0);
}

static void
close_pair(void)
{
    close(fds[0]);
    if (fds[1] >= 0)
        close(fds[1]);
}

static void
note(vetch_descriptor *d, unsigned events, void *ctx)
{
    struct tk_probe *p = ctx;
    char c;

    p->called++;
    p->events |= events;
    if ((events & VETCH_READABLE) != 0 && read(fds[0], &c, 1) <= 0)
        vetch_descriptor_cancel(d);
    if ((events & VETCH_WRITABLE) != 0)
        vetch_descriptor_set_events(d, VETCH_READABLE);
}

static void
count_free(void *ctx)
{
    ((struct tk_probe *)ctx)->freed++;
}

static void
send_byte(void)
{
    ck_assert_int_eq((int)write(fds[1], "x", 1), 1);
}

/* ---- basics ---- */

VT_CASE("basics", vt_reactor_tcase, .set_up = open_pair,
        .take_down = close_pair);

VT_TEST(descriptor_tells_when_there_is_something_to_read)
{
    struct tk_probe p = { 0 };
    vetch_descriptor *d =
        vetch_descriptor_new(fds[0], VETCH_READABLE, note, &p);

    vt_run_ready();
    ck_assert_int_eq(p.called, 0);
    send_byte();
    vt_run_ready();
    ck_assert_int_eq(p.called, 1);
    ck_assert_uint_eq(p.events, VETCH_READABLE);
    vetch_descriptor_cancel(d);
    vetch_descriptor_unref(d);
}

VT_TEST(descriptor_tells_when_it_can_be_written)
{
    struct tk_probe p = { 0 };
    vetch_descriptor *d =
        vetch_descriptor_new(fds[0], VETCH_WRITABLE, note, &p);

    vt_run_ready();
    ck_assert_uint_eq(p.events, VETCH_WRITABLE);
    ck_assert_int_eq(p.called, 1);
    vetch_descriptor_cancel(d);
    vetch_descriptor_unref(d);
}

/* Level-triggered: what is left is told again. */
VT_TEST(descriptor_tells_again_what_was_left)
{
    struct tk_probe p = { 0 };
    vetch_descriptor *d =
        vetch_descriptor_new(fds[0], VETCH_READABLE, note, &p);

    send_byte();
    send_byte();
    send_byte();
    vt_run_ready();
    ck_assert_int_eq(p.called, 3);
    vetch_descriptor_cancel(d);
    vetch_descriptor_unref(d);
}

VT_TEST(descriptor_end_of_file_is_readable)
{
    struct tk_probe p = { 0 };
    vetch_descriptor *d =
        vetch_descriptor_new(fds[0], VETCH_READABLE, note, &p);

    close(fds[1]);
    fds[1] = -1;
    vt_run_ready();
    ck_assert_uint_eq(p.events, VETCH_READABLE);
    ck_assert_int_eq(p.called, 1); /* it cancelled itself */
    vetch_descriptor_unref(d);
}

VT_TEST(descriptor_interest_can_be_changed)
{
    struct tk_probe p = { 0 };
    vetch_descriptor *d = vetch_descriptor_new(fds[0], 0, note, &p);

    send_byte();
    vt_run_ready();
    ck_assert_int_eq(p.called, 0);
    ck_assert_int_eq(vetch_descriptor_set_events(d, VETCH_READABLE), 0);
    ck_assert_int_eq(vetch_descriptor_set_events(d, VETCH_READABLE), 0);
    vt_run_ready();
    ck_assert_int_eq(p.called, 1);
    ck_assert_int_eq(
        vetch_descriptor_set_events(d, VETCH_READABLE | VETCH_WRITABLE), 0);
    vt_run_ready();
    ck_assert_uint_eq(p.events, VETCH_READABLE | VETCH_WRITABLE);
    ck_assert_int_eq(vetch_descriptor_set_events(d, 0), 0);
    p.called = 0;
    send_byte();
    vt_run_ready();
    ck_assert_int_eq(p.called, 0);
    vetch_descriptor_cancel(d);
    vetch_descriptor_unref(d);
}

VT_TEST(descriptor_cancelled_tells_nothing)
{
    struct tk_probe p = { 0 };
    vetch_descriptor *d =
        vetch_descriptor_new(fds[0], VETCH_READABLE, note, &p);

    send_byte();
    vetch_descriptor_cancel(d);
    vetch_descriptor_cancel(d);
    vt_run_ready();
    ck_assert_int_eq(p.called, 0);
    errno = 0;
    ck_assert_int_eq(vetch_descriptor_set_events(d, VETCH_READABLE), -1);
    ck_assert_int_eq(errno, ECANCELED);
    vetch_descriptor_unref(d);
}

/* The same number may come back for another file. */
VT_TEST(descriptor_number_can_be_watched_again_after_a_close)
{
    struct tk_probe p = { 0 }, q = { 0 };
    vetch_descriptor *d =
        vetch_descriptor_new(fds[0], VETCH_READABLE, note, &p);
    vetch_descriptor *e;

    vetch_descriptor_cancel(d);
    close_pair();
    open_pair();
    e = vetch_descriptor_new(fds[0], VETCH_READABLE, note, &q);
    ck_assert_ptr_nonnull(e);
    send_byte();
    vt_run_ready();
    ck_assert_int_eq(p.called, 0);
    ck_assert_int_eq(q.called, 1);
    vetch_descriptor_cancel(e);
    vetch_descriptor_unref(d);
    vetch_descriptor_unref(e);
}

VT_TEST(descriptor_released_is_still_watched)
{
    struct tk_probe p = { 0 };

    vetch_descriptor_unref(vetch_descriptor_new_owned(fds[0], VETCH_READABLE,
                                                      note, &p, count_free));
    send_byte();
    vt_run_ready();
    ck_assert_int_eq(p.called, 1);
    ck_assert_int_eq(p.freed, 0);
    close(fds[1]); /* makes note() cancel it */
    fds[1] = -1;
    vt_run_ready();
    ck_assert_int_eq(p.freed, 1);
}

/* ---- errors ---- */

VT_CASE("errors", vt_reactor_tcase, .set_up = open_pair,
        .take_down = close_pair);

VT_TEST(descriptor_must_be_open)
{
    struct tk_probe p = { 0 };
    int fd = dup(fds[0]);

    close(fd);
    errno = 0;
    ck_assert_ptr_null(vetch_descriptor_new(fd, VETCH_READABLE, note, &p));
    ck_assert_int_eq(errno, EBADF);
    ck_assert_ptr_null(vetch_descriptor_new(-1, 0, note, &p));
    ck_assert_int_eq(errno, EBADF);
}

VT_TEST(descriptor_of_a_plain_file_is_refused)
{
    struct tk_probe p = { 0 };
    FILE *file = tmpfile();

    ck_assert_ptr_nonnull(file);
    errno = 0;
    ck_assert_ptr_null(
        vetch_descriptor_new(fileno(file), VETCH_READABLE, note, &p));
    ck_assert_int_eq(errno, EPERM);
    errno = 0;
    ck_assert_ptr_null(vetch_descriptor_new(fileno(file), 0, note, &p));
    ck_assert_int_eq(errno, EPERM); /* and not only when it is watched */
    fclose(file);
}

VT_TEST(descriptor_events_must_be_known)
{
    struct tk_probe p = { 0 };
    vetch_descriptor *d = vetch_descriptor_new(fds[0], 0, note, &p);

    errno = 0;
    ck_assert_ptr_null(vetch_descriptor_new(fds[0], 4, note, &p));
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_int_eq(vetch_descriptor_set_events(d, 8), -1);
    ck_assert_int_eq(errno, EINVAL);
    vetch_descriptor_unref(d);
}

VT_CASE("alone", vt_tcase);

VT_TEST(descriptor_needs_a_reactor)
{
    struct tk_probe p = { 0 };

    open_pair();
    errno = 0;
    ck_assert_ptr_null(vetch_descriptor_new(fds[0], VETCH_READABLE, note, &p));
    ck_assert_int_eq(errno, EPERM);
    close_pair();
}

/* ---- lifetime ---- */

VT_CASE("lifetime", vt_reactor_tcase, .set_up = open_pair,
        .take_down = close_pair);

static void
drop_self(vetch_descriptor *d, unsigned events, void *ctx)
{
    struct tk_probe *p = ctx;

    (void)events;
    p->called++;
    vetch_descriptor_cancel(d);
    p->d = vetch_descriptor_unref(p->d);
}

/* Threads libuv #2172, libevent #712, #997: freed in its own callback.
 * (LESSONS 1, 2) */
VT_TEST(descriptor_freed_in_its_own_callback)
{
    struct tk_probe p = { 0 };

    p.d = vetch_descriptor_new_owned(fds[0], VETCH_READABLE | VETCH_WRITABLE,
                                     drop_self, &p, count_free);
    send_byte();
    vt_run_ready();
    ck_assert_int_eq(p.called, 1); /* although both were ready */
    ck_assert_int_eq(p.freed, 1);
}

static void
drop_other(vetch_descriptor *d, unsigned events, void *ctx)
{
    struct tk_probe *p = ctx;

    (void)events;
    p->called++;
    vetch_descriptor_cancel(p->other);
    p->other = vetch_descriptor_unref(p->other);
    vetch_descriptor_cancel(d);
}

/* Both are ready in the same turn: the second must not be called any more. */
VT_TEST(descriptor_freed_in_the_callback_of_another)
{
    struct tk_probe p = { 0 }, q = { 0 };

    p.d = vetch_descriptor_new(fds[0], VETCH_WRITABLE, drop_other, &p);
    q.d = vetch_descriptor_new(fds[1], VETCH_WRITABLE, drop_other, &q);
    p.other = vetch_descriptor_ref(q.d);
    q.other = vetch_descriptor_ref(p.d);
    vt_run_ready();
    ck_assert_int_eq(p.called + q.called, 1);
    vetch_descriptor_unref(p.other);
    vetch_descriptor_unref(q.other);
    vetch_descriptor_unref(p.d);
    vetch_descriptor_unref(q.d);
}

VT_TEST(descriptor_ctx_is_freed_when_the_reactor_ends)
{
    struct tk_probe p = { 0 };

    vetch_descriptor_unref(vetch_descriptor_new_owned(fds[0], VETCH_READABLE,
                                                      note, &p, count_free));
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_eq(p.freed, 1);
}

VT_TEST(descriptor_outlives_its_reactor)
{
    struct tk_probe p = { 0 };
    vetch_descriptor *d = vetch_descriptor_new_owned(fds[0], VETCH_READABLE,
                                                     note, &p, count_free);

    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_eq(p.freed, 0);
    ck_assert_int_eq(vetch_descriptor_set_events(d, VETCH_READABLE), -1);
    vetch_descriptor_cancel(d);
    vetch_descriptor_unref(d);
    ck_assert_int_eq(p.freed, 1);
    ck_assert_int_eq(p.called, 0);
}

VT_TEST(descriptor_ctx_stays_the_caller_s_on_failure)
{
    struct tk_probe p = { 0 };

    ck_assert_ptr_null(
        vetch_descriptor_new_owned(fds[0], 4, note, &p, count_free));
    ck_assert_int_eq(p.freed, 0);
}

/* ---- out of memory ---- */

VT_CASE("memory", vt_tcase, .set_up = open_pair, .take_down = close_pair);

static void
watch_once(bool unharmed)
{
    struct tk_probe p = { 0 };
    vetch_descriptor *d = NULL;
    vetch_reactor *r = vetch_reactor_new();

    if (r == NULL) {
        ck_assert_int_eq(errno, ENOMEM);
        return;
    }
    errno = 0;
    d = vetch_descriptor_new_owned(fds[0], VETCH_READABLE | VETCH_WRITABLE,
                                   note, &p, count_free);
    ck_assert(d != NULL || errno == ENOMEM);
    ck_assert(d != NULL || !unharmed);
    if (d != NULL) {
        vt_run_ready();
        ck_assert_uint_eq(p.events, VETCH_WRITABLE);
        vetch_descriptor_cancel(d);
        vetch_descriptor_unref(d);
        ck_assert_int_eq(p.freed, 1);
    }
    vetch_reactor_unref(r);
}

VT_TEST(descriptor_survives_each_failed_allocation)
{
    vt_sweep_allocations(watch_once);
}
