/* Objects used on a thread that is not their own: the call does nothing and
 * says so, instead of a crash that comes later and elsewhere. (Threads libuv
 * #1595 #4907, libwebsockets #314, mongoose #2532 #3253; LESSONS 14) */

#include "promise_kit.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

static int n_freed;

static void
set_up(void)
{
    n_freed = 0;
}

static void
count_freed(void *value)
{
    (void)value;
    n_freed++;
}

static void
on_another_thread(void *(*fn)(void *arg), void *arg)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, fn, arg), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

/* The promise with which a call was refused. */
static void
assert_refused(vetch_promise *p, int code)
{
    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(p)), code);
    vetch_promise_unref(p);
}

static void
assert_named(const char *what)
{
    ck_assert_ptr_nonnull(strstr(vt_log_take(), what));
}

/* ---- promises ---- */

static void *
settle_elsewhere(void *deferred)
{
    ck_assert(!vetch_deferred_resolve(deferred, &n_freed, count_freed));
    ck_assert(
        !vetch_deferred_reject(deferred, vetch_error_new(VETCH_EUSER, "no")));
    ck_assert(!vetch_deferred_follow(deferred, vetch_resolved(NULL, NULL)));
    return NULL;
}

static void
settle_here(vetch_deferred *d, vetch_promise *p)
{
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    ck_assert(vetch_deferred_resolve(d, NULL, NULL));
    vetch_deferred_unref(d);
    vetch_promise_unref(p);
}

/* Thread libuv #4907: said at once, not by a crash far away, and without
 * debugging, too. The mistake that everybody makes once. (LESSONS 14) */
START_TEST(a_deferred_is_not_settled_by_a_thread_without_reactor)
{
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);
    vetch_promise *p = vetch_deferred_promise(d);

    on_another_thread(settle_elsewhere, d);
    ck_assert_int_eq(n_freed, 1);
    assert_named("a promise was used on a thread that is not its own");
    settle_here(d, p);
}
END_TEST

static void *
settle_with_a_reactor(void *deferred)
{
    vetch_reactor *r = vetch_reactor_new();

    vetch_reactor_set_debug(r, true);
    settle_elsewhere(deferred);
    vetch_reactor_unref(r);
    return NULL;
}

START_TEST(with_debugging_on_another_reactor_s_thread_is_refused_too)
{
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);
    vetch_promise *p = vetch_deferred_promise(d);

    vetch_reactor_set_debug(vt_reactor, true);
    on_another_thread(settle_with_a_reactor, d);
    ck_assert_int_eq(n_freed, 1);
    assert_named("a promise was used on a thread that is not its own");
    settle_here(d, p);
}
END_TEST

static void
never_done(const vetch_error *error, void *result, void *ctx)
{
    (void)error;
    (void)result;
    (void)ctx;
    ck_abort_msg("a callback was taken on a wrong thread");
}

static void *
link_elsewhere(void *promise)
{
    assert_refused(vetch_then(promise, NULL, NULL), VETCH_EMISUSE);
    assert_refused(vetch_finally(promise, count_freed, NULL), VETCH_EMISUSE);
    assert_refused(vetch_shield(promise), VETCH_EMISUSE);
    vetch_callback(promise, never_done, NULL);
    vetch_promise_cancel(promise);
    return NULL;
}

START_TEST(a_link_made_elsewhere_is_refused)
{
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);
    vetch_promise *p = vetch_deferred_promise(d);

    on_another_thread(link_elsewhere, p);
    ck_assert_int_eq(n_freed, 0);
    assert_named("a promise was used on a thread that is not its own");
    settle_here(d, p);
}
END_TEST

/* ---- what has a reactor ---- */

static void *
do_nothing(void *arg, vetch_error **ret_error)
{
    (void)ret_error;
    return arg;
}

static void *
submit_elsewhere(void *executor)
{
    vetch_reactor *r = vetch_reactor_new();

    assert_refused(vetch_executor_submit(executor, do_nothing, NULL, NULL),
                   EPERM);
    assert_refused(vetch_executor_close(executor, 0), EPERM);
    vetch_reactor_unref(r);
    return NULL;
}

START_TEST(a_job_from_elsewhere_is_refused)
{
    vetch_executor *e = vetch_executor_new(NULL);

    vetch_reactor_set_debug(vt_reactor, true);
    on_another_thread(submit_elsewhere, e);
    assert_named("a reactor was used on a thread that is not its own");
    ck_assert_ptr_eq(
        vetch_run(vetch_executor_submit(e, do_nothing, e, NULL), NULL), e);
    vetch_executor_unref(e);
}
END_TEST

static vetch_protocol *
refuse(void *ctx)
{
    (void)ctx;
    return NULL;
}

static void *
stop_elsewhere(void *listener)
{
    vetch_reactor *r = vetch_reactor_new();

    vetch_listener_set_limit(listener, 1);
    assert_refused(vetch_listener_stop(listener, 0), EPERM);
    vetch_reactor_unref(r);
    return NULL;
}

START_TEST(a_listener_is_not_stopped_from_elsewhere)
{
    vetch_listener *l = vetch_listener_new("tcp:127.0.0.1:0", refuse, NULL);

    on_another_thread(stop_elsewhere, l);
    ck_assert_uint_eq(vt_live_objects(), 1);
    vetch_promise_unref(vetch_listener_stop(l, 0));
    vetch_listener_unref(l);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("wrong_thread");
    TCase *tc = vt_reactor_tcase("refused");

    tcase_add_checked_fixture(tc, set_up, NULL);
    vt_add_misuse_test(tc,
                       a_deferred_is_not_settled_by_a_thread_without_reactor);
    vt_add_misuse_test(
        tc, with_debugging_on_another_reactor_s_thread_is_refused_too);
    vt_add_misuse_test(tc, a_link_made_elsewhere_is_refused);
    vt_add_misuse_test(tc, a_job_from_elsewhere_is_refused);
    vt_add_misuse_test(tc, a_listener_is_not_stopped_from_elsewhere);
    suite_add_tcase(suite, tc);
    return vt_main(suite);
}
