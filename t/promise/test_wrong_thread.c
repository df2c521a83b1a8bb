/* Objects used on a thread that is not their own: the call does nothing and
 * says so, instead of a crash that comes later and elsewhere. (Threads libuv
 * #1595 #4907, libwebsockets #314, mongoose #2532 #3253; LESSONS 14) */

#include "support/promise_kit.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

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

VT_CASE("refused", vt_reactor_tcase);

static void *
settle_elsewhere(void *deferred)
{
    ck_assert(!vetch_deferred_resolve(deferred, &vt_n_freed, vt_count_freed));
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
VT_TEST(a_deferred_is_not_settled_by_a_thread_without_reactor, .misuse = true)
{
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);
    vetch_promise *p = vetch_deferred_promise(d);

    on_another_thread(settle_elsewhere, d);
    ck_assert_int_eq(vt_n_freed, 1);
    assert_named("a promise was used on a thread that is not its own");
    settle_here(d, p);
}

static void *
settle_with_a_reactor(void *deferred)
{
    vetch_reactor *r = vetch_reactor_new();

    vetch_reactor_set_debug(r, true);
    settle_elsewhere(deferred);
    vetch_reactor_unref(r);
    return NULL;
}

VT_TEST(with_debugging_on_another_reactor_s_thread_is_refused_too,
        .misuse = true)
{
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);
    vetch_promise *p = vetch_deferred_promise(d);

    vetch_reactor_set_debug(vt_reactor, true);
    on_another_thread(settle_with_a_reactor, d);
    ck_assert_int_eq(vt_n_freed, 1);
    assert_named("a promise was used on a thread that is not its own");
    settle_here(d, p);
}

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
    assert_refused(vetch_finally(promise, vt_count_freed, NULL), VETCH_EMISUSE);
    assert_refused(vetch_shield(promise), VETCH_EMISUSE);
    vetch_callback(promise, never_done, NULL);
    vetch_promise_cancel(promise);
    return NULL;
}

VT_TEST(a_link_made_elsewhere_is_refused, .misuse = true)
{
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);
    vetch_promise *p = vetch_deferred_promise(d);

    on_another_thread(link_elsewhere, p);
    ck_assert_int_eq(vt_n_freed, 0);
    assert_named("a promise was used on a thread that is not its own");
    settle_here(d, p);
}

/* ---- what promises wait for ---- */

struct things {
    vetch_scope *scope;
    vetch_semaphore *semaphore;
    vetch_event *event;
    vetch_queue *queue;
};

static void *
wait_elsewhere(void *ctx)
{
    const struct things *t = ctx;

    assert_refused(vetch_semaphore_acquire(t->semaphore), VETCH_EMISUSE);
    assert_named("a semaphore was used on a thread that is not its own");
    assert_refused(vetch_event_wait(t->event), VETCH_EMISUSE);
    assert_refused(vetch_queue_get(t->queue), VETCH_EMISUSE);
    assert_refused(vetch_scope_end(t->scope), VETCH_EMISUSE);
    return NULL;
}

static void *
change_elsewhere(void *ctx)
{
    const struct things *t = ctx;

    vetch_event_set(t->event);
    assert_named("an event was used on a thread that is not its own");
    assert_refused(vetch_queue_put(t->queue, &vt_n_freed, vt_count_freed),
                   VETCH_EMISUSE);
    vetch_queue_close(t->queue);
    assert_named("a queue was used on a thread that is not its own");
    vetch_scope_cancel(t->scope);
    return NULL;
}

static void
set_up_things(struct things *t)
{
    t->scope = vetch_scope_new();
    t->semaphore = vetch_semaphore_new(1);
    t->event = vetch_event_new();
    t->queue = vetch_queue_new(1);
}

/* They are as they were before. */
static void
drop_things(struct things *t)
{
    vetch_promise *end = vetch_scope_end(t->scope);

    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(end), VETCH_FULFILLED);
    vetch_promise_unref(end);
    ck_assert_uint_eq(vetch_semaphore_available(t->semaphore), 1);
    ck_assert(!vetch_event_is_set(t->event));
    ck_assert_uint_eq(vetch_queue_count(t->queue), 0);
    vetch_scope_unref(t->scope);
    vetch_semaphore_unref(t->semaphore);
    vetch_event_unref(t->event);
    vetch_queue_unref(t->queue);
}

VT_TEST(a_wait_from_elsewhere_is_refused, .misuse = true)
{
    struct things t;

    set_up_things(&t);
    on_another_thread(wait_elsewhere, &t);
    vt_log_take();
    drop_things(&t);
}

VT_TEST(a_change_from_elsewhere_is_refused, .misuse = true)
{
    struct things t;

    set_up_things(&t);
    on_another_thread(change_elsewhere, &t);
    vt_log_take();
    ck_assert_int_eq(vt_n_freed, 1);
    drop_things(&t);
}

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

VT_TEST(a_job_from_elsewhere_is_refused, .misuse = true)
{
    vetch_executor *e = vetch_executor_new(NULL);

    on_another_thread(submit_elsewhere, e);
    assert_named("an executor was used on a thread that is not its own");
    ck_assert_ptr_eq(
        vetch_run(vetch_executor_submit(e, do_nothing, e, NULL), NULL), e);
    vetch_executor_unref(e);
}

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

VT_TEST(a_listener_is_not_stopped_from_elsewhere, .misuse = true)
{
    vetch_listener *l =
        vetch_listener_new("tcp:127.0.0.1:0", refuse, NULL, NULL);

    on_another_thread(stop_elsewhere, l);
    assert_named("a listener was used on a thread that is not its own");
    ck_assert_uint_eq(vt_live_objects(), 1);
    vetch_promise_unref(vetch_listener_stop(l, 0));
    vetch_listener_unref(l);
}
