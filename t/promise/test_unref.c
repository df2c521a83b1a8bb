/* vetch_unref() releases every kind of object by its own function. */

#include "support/harness.h"

#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <vetch/testing.h>

static void
ignore_timer(vetch_timer *t, void *ctx)
{
    (void)t;
    (void)ctx;
}

static void
ignore_descriptor(vetch_descriptor *d, unsigned events, void *ctx)
{
    (void)d;
    (void)events;
    (void)ctx;
}

VT_CASE("basics", vt_reactor_tcase);

VT_TEST(unref_of_null_does_nothing)
{
    vetch_unref(NULL);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

/* What is left would show as a leak under the sanitizer. */
VT_TEST(unref_releases_errors_and_byte_strings)
{
    vetch_error *e = vetch_error_new(1, "x");
    vetch_bytes *b = vetch_bytes_new("x", 1);

    vetch_unref(vetch_error_ref(e));
    vetch_unref(vetch_bytes_ref(b));
    ck_assert_str_eq(vetch_error_text(e), "x");
    ck_assert_uint_eq(vetch_bytes_len(b), 1);
    vetch_unref(e);
    vetch_unref(b);
}

VT_TEST(unref_releases_timers)
{
    vetch_timer *t =
        vetch_timer_new_owned(1, ignore_timer, NULL, vt_count_freed);

    vetch_timer_cancel(t);
    vetch_unref(t);
    ck_assert_int_eq(vt_n_freed, 1);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(unref_releases_descriptors)
{
    int fds[2];
    vetch_descriptor *d;

    ck_assert_int_eq(pipe(fds), 0);
    d = vetch_descriptor_new_owned(fds[0], VETCH_READABLE, ignore_descriptor,
                                   NULL, vt_count_freed);
    vetch_descriptor_cancel(d);
    vetch_unref(d);
    ck_assert_int_eq(vt_n_freed, 1);
    ck_assert_uint_eq(vt_live_objects(), 0);
    close(fds[0]);
    close(fds[1]);
}

VT_TEST(unref_releases_promises_and_deferreds)
{
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);
    vetch_promise *p = vetch_deferred_promise(d);

    vetch_deferred_resolve(d, &vt_n_freed, vt_count_freed);
    vetch_unref(d);
    ck_assert_int_eq(vt_n_freed, 0);
    vetch_unref(p);
    ck_assert_int_eq(vt_n_freed, 1);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(unref_of_a_slot_gives_it_back)
{
    vetch_semaphore *s = vetch_semaphore_new(1);
    void *slot = vetch_run(vetch_semaphore_acquire(s), NULL);

    ck_assert_ptr_nonnull(slot);
    ck_assert_uint_eq(vetch_semaphore_available(s), 0);
    vetch_unref(slot);
    ck_assert_uint_eq(vetch_semaphore_available(s), 1);
    vetch_unref(s);
    vt_run_ready();
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(unref_releases_results)
{
    vetch_promise *one = vetch_resolved(&vt_n_freed, vt_count_freed);
    void *results = vetch_run(vetch_all(&one, 1), NULL);

    ck_assert_ptr_nonnull(results);
    ck_assert_int_eq(vt_n_freed, 0);
    vetch_unref(results);
    ck_assert_int_eq(vt_n_freed, 1);
    vt_run_ready();
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(unref_releases_executors)
{
    vetch_unref(vetch_executor_new(NULL));
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(unref_fits_as_free_function)
{
    vetch_bytes *b = vetch_bytes_new("x", 1);
    vetch_promise *p = vetch_resolved(vetch_bytes_ref(b), vetch_unref);

    vetch_unref(p);
    ck_assert_str_eq(vetch_bytes_data(b), "x");
    vetch_unref(b);
}

VT_TEST(unref_releases_the_reactor)
{
    vetch_unref(vt_reactor);
    vt_reactor = NULL;
    ck_assert_ptr_null(vetch_reactor_current());
}

#ifndef VETCH_DEBUG_BUILD /* there it aborts */
VT_TEST(unref_of_something_else_is_logged)
{
    uint64_t not_ours[2] = { 0x1234, 0 };

    vetch_unref(not_ours);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "vetch_unref: wrong use"));
}
#endif
