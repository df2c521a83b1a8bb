/* NULL in place of an object is misuse that is named, never a crash. Every
 * exported function that takes an object stands here; t/tree/nulls.sh looks. */

#include "support/promise_kit.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <vetch/testing.h>

static void
assert_names(const char *function)
{
    const char *log = vt_log_take();

    ck_assert_msg(strstr(log, function) != NULL &&
                      strstr(log, "wrong use") != NULL,
                  "%s is not named: %s", function, log);
}

/* The call, with NULL in place of its object, is refused and named. */
#define REFUSES(function, ...)                                                 \
    VT_TEST(function##_refuses_null, .misuse = true)                           \
    {                                                                          \
        __VA_ARGS__;                                                           \
        assert_names(#function);                                               \
    }
/* NULL means something, or that there is nothing to do. */
#define ACCEPTS(function, ...)                                                 \
    VT_TEST(function##_accepts_null)                                           \
    {                                                                          \
        __VA_ARGS__;                                                           \
    }

/* What a call comes to. */
#define MISUSE(p) pk_expect_error(p, VETCH_EMISUSE)
#define FAILS(call)                                                            \
    do {                                                                       \
        errno = 0;                                                             \
        ck_assert_int_eq(call, -1);                                            \
        ck_assert_int_eq(errno, EINVAL);                                       \
    } while (0)
#define IS_NULL(call)  ck_assert_ptr_null(call)
#define IS_ZERO(call)  ck_assert_uint_eq(call, 0)
#define IS_FALSE(call) ck_assert(!(call))
#define IS_EMPTY(call) ck_assert_str_eq(call, "")

static int something;
static const char *text, *other_text;
static size_t length;
static socklen_t address_length;
static vetch_promise *const nulls[] = { NULL, NULL };

static void
never_called(void *ctx)
{
    (void)ctx;
    ck_abort_msg("called");
}

static void
never_told(const vetch_error *error, void *ctx)
{
    (void)error;
    (void)ctx;
    ck_abort_msg("called");
}

static void
ignore_done(const vetch_error *error, void *result, void *ctx)
{
    (void)error;
    (void)result;
    (void)ctx;
}

static void
take_back(void *value, void *counter)
{
    (void)value;
    ++*(int *)counter;
}

static vetch_promise *
never_begun(void *ctx)
{
    (void)ctx;
    ck_abort_msg("called");
}

static vetch_promise *
never_handled(vetch_http_request *request, void *ctx)
{
    (void)request;
    (void)ctx;
    ck_abort_msg("called");
}

static int vprintf_to_null(const char *fmt, ...) VETCH_PRINTF(1, 2);
static int
vprintf_to_null(const char *fmt, ...)
{
    va_list args;
    int result;

    va_start(args, fmt);
    result = vetch_transport_vprintf(NULL, fmt, args);
    va_end(args);
    return result;
}

static int vprintf_to_null_stream(const char *fmt, ...) VETCH_PRINTF(1, 2);
static int
vprintf_to_null_stream(const char *fmt, ...)
{
    va_list args;
    int result;

    va_start(args, fmt);
    result = vetch_stream_vprintf(NULL, fmt, args);
    va_end(args);
    return result;
}

VT_CASE("base", vt_reactor_tcase);

ACCEPTS(vetch_buffer_free, vetch_buffer_free(NULL))
REFUSES(vetch_buffer_append, FAILS(vetch_buffer_append(NULL, "x", 1)))
REFUSES(vetch_buffer_clear, vetch_buffer_clear(NULL))
REFUSES(vetch_buffer_commit, vetch_buffer_commit(NULL, 1))
REFUSES(vetch_buffer_consume, vetch_buffer_consume(NULL, 1))
REFUSES(vetch_buffer_data, IS_EMPTY(vetch_buffer_data(NULL)))
REFUSES(vetch_buffer_len, IS_ZERO(vetch_buffer_len(NULL)))
REFUSES(vetch_buffer_line, IS_NULL(vetch_buffer_line(NULL, &length)))
REFUSES(vetch_buffer_printf, FAILS(vetch_buffer_printf(NULL, "%d", 1)))
REFUSES(vetch_buffer_reserve, IS_NULL(vetch_buffer_reserve(NULL, 1)))
REFUSES(vetch_bytes_new, IS_NULL(vetch_bytes_new(NULL, 1)))
ACCEPTS(vetch_bytes_ref, IS_NULL(vetch_bytes_ref(NULL)))
ACCEPTS(vetch_bytes_unref, IS_NULL(vetch_bytes_unref(NULL)))
REFUSES(vetch_bytes_data, IS_NULL(vetch_bytes_data(NULL)))
REFUSES(vetch_bytes_len, IS_ZERO(vetch_bytes_len(NULL)))

/* NULL is the error of what went well, and one for which there was no memory
 * where an error is consumed. */
ACCEPTS(vetch_error_ref, IS_NULL(vetch_error_ref(NULL)))
ACCEPTS(vetch_error_unref, IS_NULL(vetch_error_unref(NULL)))
ACCEPTS(vetch_error_code, IS_ZERO(vetch_error_code(NULL)))
ACCEPTS(vetch_error_is, IS_FALSE(vetch_error_is(NULL, ENOENT)))
ACCEPTS(vetch_error_message, (void)strlen(vetch_error_message(NULL)))
ACCEPTS(vetch_error_text, (void)strlen(vetch_error_text(NULL)))
ACCEPTS(vetch_error_cause, IS_NULL(vetch_error_cause(NULL)))
ACCEPTS(vetch_error_suppressed, IS_NULL(vetch_error_suppressed(NULL, 0)))
ACCEPTS(vetch_error_wrap, vetch_error_unref(vetch_error_wrap(NULL, "x")))
ACCEPTS(vetch_error_wrap_code,
        vetch_error_unref(vetch_error_wrap_code(NULL, 1, "x")))
ACCEPTS(vetch_error_aggregate,
        vetch_error_unref(vetch_error_aggregate(NULL, NULL, 0)))
ACCEPTS(vetch_log_set_hook, vetch_log_set_hook(NULL, NULL))
ACCEPTS(vetch_unref, vetch_unref(NULL))

VT_CASE("reactor", vt_reactor_tcase);

REFUSES(vetch_reactor_adopt, IS_NULL(vetch_reactor_adopt(NULL)))
ACCEPTS(vetch_reactor_ref, IS_NULL(vetch_reactor_ref(NULL)))
ACCEPTS(vetch_reactor_unref, IS_NULL(vetch_reactor_unref(NULL)))
REFUSES(vetch_reactor_event_base, IS_NULL(vetch_reactor_event_base(NULL)))
REFUSES(vetch_reactor_run_until_idle, FAILS(vetch_reactor_run_until_idle(NULL)))
REFUSES(vetch_reactor_run_once, FAILS(vetch_reactor_run_once(NULL, 0)))
REFUSES(vetch_reactor_get_lag, vetch_reactor_lag lag = VETCH_REACTOR_LAG_INIT;
        FAILS(vetch_reactor_get_lag(NULL, &lag)))
REFUSES(vetch_reactor_run, FAILS(vetch_reactor_run(NULL)))
REFUSES(vetch_reactor_stop, vetch_reactor_stop(NULL))
REFUSES(vetch_reactor_post, FAILS(vetch_reactor_post(NULL, never_called, NULL)))
REFUSES(vetch_reactor_post_owned,
        FAILS(vetch_reactor_post_owned(NULL, never_called, NULL, never_called)))
REFUSES(vetch_reactor_set_rejection_hook,
        vetch_reactor_set_rejection_hook(NULL, never_told, NULL))
REFUSES(vetch_reactor_set_debug, vetch_reactor_set_debug(NULL, true))
REFUSES(vetch_reactor_set_slow_limit, vetch_reactor_set_slow_limit(NULL, 1))
REFUSES(vetch_reactor_live_objects, IS_ZERO(vetch_reactor_live_objects(NULL)))
REFUSES(vetch_reactor_dump, FAILS(vetch_reactor_dump(NULL, STDOUT_FILENO)))
REFUSES(vetch_reactor_dump_on_signal,
        FAILS(vetch_reactor_dump_on_signal(NULL, SIGUSR2)))
REFUSES(vetch_call_soon, FAILS(vetch_call_soon(NULL, NULL)))
REFUSES(vetch_call_soon_owned,
        FAILS(vetch_call_soon_owned(NULL, NULL, never_called)))

REFUSES(vetch_timer_new, IS_NULL(vetch_timer_new(1, NULL, NULL)))
REFUSES(vetch_timer_new_owned,
        IS_NULL(vetch_timer_new_owned(1, NULL, NULL, never_called)))
REFUSES(vetch_timer_new_periodic,
        IS_NULL(vetch_timer_new_periodic(1, NULL, NULL)))
REFUSES(vetch_timer_new_periodic_owned,
        IS_NULL(vetch_timer_new_periodic_owned(1, NULL, NULL, never_called)))
REFUSES(vetch_timer_restart, FAILS(vetch_timer_restart(NULL, 1)))
REFUSES(vetch_timer_cancel, vetch_timer_cancel(NULL))
REFUSES(vetch_timer_set_background, vetch_timer_set_background(NULL, true))
REFUSES(vetch_timer_is_active, IS_FALSE(vetch_timer_is_active(NULL)))
ACCEPTS(vetch_timer_ref, IS_NULL(vetch_timer_ref(NULL)))
ACCEPTS(vetch_timer_unref, IS_NULL(vetch_timer_unref(NULL)))

REFUSES(vetch_descriptor_new,
        IS_NULL(vetch_descriptor_new(0, VETCH_READABLE, NULL, NULL)))
REFUSES(vetch_descriptor_new_owned,
        IS_NULL(vetch_descriptor_new_owned(0, VETCH_READABLE, NULL, NULL,
                                           never_called)))
REFUSES(vetch_descriptor_set_events,
        FAILS(vetch_descriptor_set_events(NULL, VETCH_READABLE)))
REFUSES(vetch_descriptor_set_background,
        vetch_descriptor_set_background(NULL, true))
REFUSES(vetch_descriptor_cancel, vetch_descriptor_cancel(NULL))
ACCEPTS(vetch_descriptor_ref, IS_NULL(vetch_descriptor_ref(NULL)))
ACCEPTS(vetch_descriptor_unref, IS_NULL(vetch_descriptor_unref(NULL)))

VT_CASE("deferreds", pk_tcase);

ACCEPTS(vetch_deferred_ref, IS_NULL(vetch_deferred_ref(NULL)))
ACCEPTS(vetch_deferred_unref, IS_NULL(vetch_deferred_unref(NULL)))
REFUSES(vetch_deferred_promise, MISUSE(vetch_deferred_promise(NULL)))
REFUSES(vetch_deferred_resolve,
        IS_FALSE(vetch_deferred_resolve(NULL, &something, vt_count_freed)))
REFUSES(vetch_deferred_reject,
        IS_FALSE(vetch_deferred_reject(NULL, vetch_error_new(1, "x"))))
REFUSES(vetch_deferred_cancel, IS_FALSE(vetch_deferred_cancel(NULL)))
REFUSES(vetch_deferred_offer,
        IS_FALSE(vetch_deferred_offer(NULL, &something, NULL, take_back,
                                      &vt_n_run)))
REFUSES(vetch_deferred_offer_owned,
        IS_FALSE(vetch_deferred_offer_owned(NULL, &something, NULL, take_back,
                                            &vt_n_run, NULL)))
REFUSES(vetch_deferred_follow,
        IS_FALSE(vetch_deferred_follow(NULL, vetch_sleep(1))))
REFUSES(vetch_deferred_is_canceled, IS_FALSE(vetch_deferred_is_canceled(NULL)))

VT_TEST(value_of_a_deferred_that_is_null_is_freed, .misuse = true)
{
    vetch_deferred_resolve(NULL, &something, vt_count_freed);
    ck_assert_int_eq(vt_n_freed, 1);
    assert_names("vetch_deferred_resolve");
}

VT_TEST(offer_to_a_deferred_that_is_null_is_taken_back, .misuse = true)
{
    vetch_deferred_offer(NULL, &something, NULL, take_back, &vt_n_run);
    ck_assert_int_eq(vt_n_run, 1);
    assert_names("vetch_deferred_offer");
}

VT_TEST(promise_for_a_deferred_that_is_null_is_cancelled, .misuse = true)
{
    struct pk_op op = { .on_cancel = PK_AGREE };

    vetch_deferred_follow(NULL, pk_start(&op));
    ck_assert_uint_eq(op.canceled, 1);
    pk_drop(&op);
    assert_names("vetch_deferred_follow");
}

VT_TEST(deferred_that_follows_null_is_rejected, .misuse = true)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    vetch_promise *p = pk_start(&op);

    ck_assert(vetch_deferred_follow(op.deferred, NULL));
    pk_drop(&op);
    MISUSE(p);
    assert_names("vetch_deferred_follow");
}

VT_CASE("promises", pk_tcase);

ACCEPTS(vetch_promise_ref, IS_NULL(vetch_promise_ref(NULL)))
ACCEPTS(vetch_promise_unref, IS_NULL(vetch_promise_unref(NULL)))
REFUSES(vetch_promise_at, IS_NULL(vetch_promise_at(NULL, "here")))
REFUSES(vetch_promise_name, IS_NULL(vetch_promise_name(NULL, "x")))
REFUSES(vetch_promise_cancel, vetch_promise_cancel(NULL))
REFUSES(vetch_promise_state,
        ck_assert_int_eq(vetch_promise_state(NULL), VETCH_REJECTED))
REFUSES(vetch_promise_value, IS_NULL(vetch_promise_value(NULL)))
REFUSES(vetch_promise_error,
        ck_assert(vetch_error_is(vetch_promise_error(NULL), VETCH_EMISUSE)))
REFUSES(vetch_then, MISUSE(vetch_then(NULL, pk_never_value, NULL)))
REFUSES(vetch_catch, MISUSE(vetch_catch(NULL, NULL, NULL)))
REFUSES(vetch_handle,
        MISUSE(vetch_handle(NULL, pk_never_value, pk_pass_error, pk_word("x"))))
REFUSES(vetch_finally, MISUSE(vetch_finally(NULL, NULL, NULL)))
REFUSES(vetch_shield, MISUSE(vetch_shield(NULL)))
REFUSES(vetch_callback, vetch_callback(NULL, ignore_done, NULL); vt_run_ready())
REFUSES(vetch_run, vetch_error *error; IS_NULL(vetch_run(NULL, &error));
        ck_assert(vetch_error_is(error, VETCH_EMISUSE));
        vetch_error_unref(error))
ACCEPTS(vetch_resolved, pk_expect_value(vetch_resolved(NULL, NULL), 0))
ACCEPTS(vetch_rejected, pk_expect_error(vetch_rejected(NULL), VETCH_ENOMEM))
ACCEPTS(vetch_finish, IS_NULL(vetch_finish(NULL)))

VT_TEST(handler_of_a_promise_that_is_null_gets_the_error, .misuse = true)
{
    struct pk_link link = { .same = true };

    MISUSE(vetch_catch(NULL, pk_on_error, &link));
    ck_assert_uint_eq(link.ran, 1);
    ck_assert_int_eq(link.code, VETCH_EMISUSE);
    assert_names("vetch_catch");
}

VT_TEST(finally_of_a_promise_that_is_null_runs_once, .misuse = true)
{
    MISUSE(vetch_finally(NULL, vt_count, &vt_n_run));
    ck_assert_int_eq(vt_n_run, 1);
    assert_names("vetch_finally");
}

VT_TEST(callback_of_a_promise_that_is_null_is_called_once, .misuse = true)
{
    struct pk_done done = { .ran = 0 };

    vetch_callback(NULL, pk_on_done, &done);
    vt_run_ready();
    ck_assert_uint_eq(done.ran, 1);
    ck_assert_int_eq(done.code, VETCH_EMISUSE);
    assert_names("vetch_callback");
}

VT_TEST(promise_is_cancelled_if_its_callback_is_null, .misuse = true)
{
    struct pk_op op = { .on_cancel = PK_AGREE };

    vetch_callback(pk_start(&op), NULL, NULL);
    ck_assert_uint_eq(op.canceled, 1);
    pk_drop(&op);
    assert_names("vetch_callback");
}

VT_CASE("combinators", pk_tcase);

REFUSES(vetch_all, MISUSE(vetch_all(NULL, 2)))
REFUSES(vetch_all_settled, MISUSE(vetch_all_settled(NULL, 2)))
REFUSES(vetch_race, MISUSE(vetch_race(NULL, 2)))
REFUSES(vetch_any, MISUSE(vetch_any(NULL, 2)))
REFUSES(vetch_wait,
        MISUSE(vetch_wait(NULL, 2, INFINITY, VETCH_WAIT_ALL_COMPLETED)))
REFUSES(vetch_as_completed, IS_NULL(vetch_as_completed(NULL, 2)))
REFUSES(vetch_completions_next, MISUSE(vetch_completions_next(NULL)))
ACCEPTS(vetch_completions_free, vetch_completions_free(NULL))
REFUSES(vetch_map, MISUSE(vetch_map(2, 1, NULL, NULL)))
REFUSES(vetch_repeat, MISUSE(vetch_repeat(NULL, NULL)))
REFUSES(vetch_deadline, MISUSE(vetch_deadline(NULL, vetch_now())))
REFUSES(vetch_retry, MISUSE(vetch_retry(NULL, NULL, NULL)))
REFUSES(vetch_timeout, MISUSE(vetch_timeout(NULL, 1)))
ACCEPTS(vetch_results_ref, IS_NULL(vetch_results_ref(NULL)))
ACCEPTS(vetch_results_unref, IS_NULL(vetch_results_unref(NULL)))
REFUSES(vetch_results_count, IS_ZERO(vetch_results_count(NULL)))
REFUSES(vetch_results_state,
        ck_assert_int_eq(vetch_results_state(NULL, 0), VETCH_PENDING))
REFUSES(vetch_results_value, IS_NULL(vetch_results_value(NULL, 0)))
REFUSES(vetch_results_error, IS_NULL(vetch_results_error(NULL, 0)))

VT_TEST(all_of_null_and_others_cancels_the_others, .misuse = true)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    vetch_promise *both[] = { pk_start(&op), NULL };

    MISUSE(vetch_all(both, 2));
    ck_assert_uint_eq(op.canceled, 1);
    pk_drop(&op);
    assert_names("vetch_all");
}

VT_TEST(race_that_null_takes_part_in_is_lost, .misuse = true)
{
    MISUSE(vetch_race(nulls, 2));
    assert_names("vetch_race");
}

VT_TEST(any_of_nulls_fails_with_all_errors, .misuse = true)
{
    pk_expect_error(vetch_any(nulls, 2), VETCH_EAGGREGATE);
    assert_names("vetch_any");
}

VT_TEST(null_among_all_settled_is_a_rejection, .misuse = true)
{
    vetch_promise *p = vetch_all_settled(nulls, 2);

    vt_run_ready();
    ck_assert_int_eq(vetch_results_state(vetch_promise_value(p), 1),
                     VETCH_REJECTED);
    vetch_promise_unref(p);
    assert_names("vetch_all_settled");
}

VT_TEST(wait_takes_null_for_one_that_has_settled, .misuse = true)
{
    pk_expect_value(vetch_wait(nulls, 2, INFINITY, VETCH_WAIT_ALL_COMPLETED),
                    2);
    assert_names("vetch_wait");
}

VT_TEST(null_is_completed_as_others_are, .misuse = true)
{
    vetch_completions *c = vetch_as_completed(nulls, 2);
    vetch_promise *next = vetch_completions_next(c);

    vt_run_ready();
    MISUSE(vetch_promise_ref(vetch_promise_value(next)));
    vetch_promise_unref(next);
    vetch_completions_free(c);
    assert_names("vetch_as_completed");
}

VT_TEST(null_among_others_is_harmless_without_memory, .misuse = true)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    vetch_promise *both[] = { NULL, pk_start(&op) }, *p;

    vetch_testing_fail_allocation(1, true);
    p = vetch_all(both, 2);
    vetch_testing_fail_allocation(0, false);
    pk_expect_error(p, VETCH_ENOMEM);
    ck_assert_uint_eq(op.canceled, 1);
    pk_drop(&op);
    vt_log_take();
    vetch_promise_state(NULL); /* where a debug build is meant to abort */
    assert_names("vetch_promise_state");
}

VT_CASE("objects to wait for", pk_tcase);

ACCEPTS(vetch_event_ref, IS_NULL(vetch_event_ref(NULL)))
ACCEPTS(vetch_event_unref, IS_NULL(vetch_event_unref(NULL)))
REFUSES(vetch_event_set, vetch_event_set(NULL))
REFUSES(vetch_event_clear, vetch_event_clear(NULL))
REFUSES(vetch_event_is_set, IS_FALSE(vetch_event_is_set(NULL)))
REFUSES(vetch_event_wait, MISUSE(vetch_event_wait(NULL)))

ACCEPTS(vetch_semaphore_ref, IS_NULL(vetch_semaphore_ref(NULL)))
ACCEPTS(vetch_semaphore_unref, IS_NULL(vetch_semaphore_unref(NULL)))
REFUSES(vetch_semaphore_acquire, MISUSE(vetch_semaphore_acquire(NULL)))
REFUSES(vetch_semaphore_available, IS_ZERO(vetch_semaphore_available(NULL)))
ACCEPTS(vetch_slot_release, vetch_slot_release(NULL))
REFUSES(vetch_semaphore_waiting, IS_ZERO(vetch_semaphore_waiting(NULL)))

ACCEPTS(vetch_queue_ref, IS_NULL(vetch_queue_ref(NULL)))
ACCEPTS(vetch_queue_unref, IS_NULL(vetch_queue_unref(NULL)))
REFUSES(vetch_queue_put,
        MISUSE(vetch_queue_put(NULL, &something, vt_count_freed));
        ck_assert_int_eq(vt_n_freed, 1))
REFUSES(vetch_queue_try_put,
        FAILS(vetch_queue_try_put(NULL, &something, never_called)))
REFUSES(vetch_queue_get, MISUSE(vetch_queue_get(NULL)))
REFUSES(vetch_queue_close, vetch_queue_close(NULL))
REFUSES(vetch_queue_count, IS_ZERO(vetch_queue_count(NULL)))
REFUSES(vetch_queue_done, vetch_queue_done(NULL))
REFUSES(vetch_queue_drained, MISUSE(vetch_queue_drained(NULL)))

VT_CASE("scopes, tasks, executors", pk_tcase);

ACCEPTS(vetch_scope_ref, IS_NULL(vetch_scope_ref(NULL)))
ACCEPTS(vetch_scope_unref, IS_NULL(vetch_scope_unref(NULL)))
/* It may be that of a connection that is over: what is added is cancelled. */
ACCEPTS(vetch_scope_add, vetch_scope_add(NULL, vetch_sleep(1)))
ACCEPTS(vetch_scope_spawn, vetch_scope_spawn(NULL, never_begun, NULL);
        vt_run_ready())
ACCEPTS(vetch_scope_spawn_owned,
        vetch_scope_spawn_owned(NULL, never_begun, NULL, vt_count_freed);
        vt_run_ready(); ck_assert_int_eq(vt_n_freed, 1))
REFUSES(vetch_scope_keep_errors_apart,
        vetch_scope_keep_errors_apart(NULL, never_told, NULL))
REFUSES(vetch_scope_keep_errors_apart_owned,
        vetch_scope_keep_errors_apart_owned(NULL, never_told, NULL, NULL))
REFUSES(vetch_scope_cancel, vetch_scope_cancel(NULL))
REFUSES(vetch_scope_end, MISUSE(vetch_scope_end(NULL)))
REFUSES(vetch_scope_count, IS_ZERO(vetch_scope_count(NULL)))

VT_TEST(scope_fails_with_a_child_that_is_null, .misuse = true)
{
    vetch_scope *s = vetch_scope_new();

    vetch_scope_add(s, NULL);
    MISUSE(vetch_scope_end(s));
    vetch_scope_unref(s);
    assert_names("vetch_scope_add");
}

REFUSES(vetch_spawn, MISUSE(vetch_spawn(NULL, NULL)))
REFUSES(vetch_defer, vetch_defer(NULL, NULL))

/* As a handler's, an answer of NULL is that there is no value. */
static vetch_promise *
await_null(void *ctx)
{
    vetch_error *error;

    (void)ctx;
    ck_assert_ptr_null(vetch_await(NULL, &error));
    ck_assert_ptr_null(error);
    ck_assert_ptr_null(vetch_try(NULL));
    vetch_task_set_name(NULL);
    return NULL;
}
ACCEPTS(vetch_await, pk_expect_value(vetch_spawn(await_null, NULL), 0))
ACCEPTS(vetch_try, pk_expect_value(vetch_spawn(await_null, NULL), 0))

static void *
do_nothing(void *arg, vetch_error **ret_error)
{
    (void)arg;
    (void)ret_error;
    return NULL;
}
static void
run_to_its_end(vetch_promise *p)
{
    vetch_error *error;

    ck_assert_ptr_null(vetch_run(p, &error));
    ck_assert_ptr_null(error);
}

/* The executor is the reactor's own then. */
ACCEPTS(vetch_executor_submit,
        run_to_its_end(vetch_executor_submit(NULL, do_nothing, NULL, NULL)))
ACCEPTS(vetch_executor_submit_owned,
        run_to_its_end(vetch_executor_submit_owned(NULL, do_nothing, NULL,
                                                   vt_count_freed, NULL)))
ACCEPTS(vetch_executor_new, vetch_executor_unref(vetch_executor_new(NULL)))
ACCEPTS(vetch_executor_ref, IS_NULL(vetch_executor_ref(NULL)))
ACCEPTS(vetch_executor_unref, IS_NULL(vetch_executor_unref(NULL)))
REFUSES(vetch_executor_close, MISUSE(vetch_executor_close(NULL, 1)))

VT_CASE("net", vt_reactor_tcase);

ACCEPTS(vetch_addresses_ref, IS_NULL(vetch_addresses_ref(NULL)))
ACCEPTS(vetch_addresses_unref, IS_NULL(vetch_addresses_unref(NULL)))
REFUSES(vetch_addresses_count, IS_ZERO(vetch_addresses_count(NULL)))
REFUSES(vetch_addresses_get,
        IS_NULL(vetch_addresses_get(NULL, 0, &address_length)))
REFUSES(vetch_resolve, MISUSE(vetch_resolve(NULL, 80)))
REFUSES(vetch_connect, MISUSE(vetch_connect(NULL)))

ACCEPTS(vetch_transport_ref, IS_NULL(vetch_transport_ref(NULL)))
ACCEPTS(vetch_transport_unref, IS_NULL(vetch_transport_unref(NULL)))
REFUSES(vetch_transport_attach, FAILS(vetch_transport_attach(NULL, NULL)))
REFUSES(vetch_transport_pair, FAILS(vetch_transport_pair(NULL)))
REFUSES(vetch_transport_write, FAILS(vetch_transport_write(NULL, "x", 1)))
REFUSES(vetch_transport_write_owned,
        FAILS(vetch_transport_write_owned(NULL, "x", 1, never_called, NULL)))
REFUSES(vetch_transport_writev, FAILS(vetch_transport_writev(NULL, NULL, 0)))
REFUSES(vetch_transport_sendfile,
        FAILS(vetch_transport_sendfile(NULL, STDIN_FILENO, 0, 1)))
REFUSES(vetch_transport_printf, FAILS(vetch_transport_printf(NULL, "%d", 1)))
REFUSES(vetch_transport_vprintf, FAILS(vprintf_to_null("%d", 1)))
REFUSES(vetch_transport_set_background,
        vetch_transport_set_background(NULL, true))
REFUSES(vetch_transport_pause, vetch_transport_pause(NULL))
REFUSES(vetch_transport_resume, vetch_transport_resume(NULL))
REFUSES(vetch_transport_set_write_marks,
        FAILS(vetch_transport_set_write_marks(NULL, 1, 2, 3)))
REFUSES(vetch_transport_set_input_limit,
        FAILS(vetch_transport_set_input_limit(NULL, 1)))
REFUSES(vetch_transport_set_close_timeout,
        FAILS(vetch_transport_set_close_timeout(NULL, 1)))
REFUSES(vetch_transport_buffered, IS_ZERO(vetch_transport_buffered(NULL)))
REFUSES(vetch_transport_close, vetch_transport_close(NULL))
REFUSES(vetch_transport_abort, vetch_transport_abort(NULL))
REFUSES(vetch_transport_end, FAILS(vetch_transport_end(NULL)))
REFUSES(vetch_transport_scope, IS_NULL(vetch_transport_scope(NULL)))
REFUSES(vetch_transport_peer_credentials,
        FAILS(vetch_transport_peer_credentials(NULL, NULL, NULL, NULL)))
REFUSES(vetch_transport_peer, IS_EMPTY(vetch_transport_peer(NULL)))
REFUSES(vetch_transport_local, IS_EMPTY(vetch_transport_local(NULL)))
REFUSES(vetch_transport_set_keepalive,
        FAILS(vetch_transport_set_keepalive(NULL, 1)))
REFUSES(vetch_transport_set_user_timeout,
        FAILS(vetch_transport_set_user_timeout(NULL, 1)))
REFUSES(vetch_transport_set_nodelay,
        FAILS(vetch_transport_set_nodelay(NULL, true)))
REFUSES(vetch_transport_proxy, IS_NULL(vetch_transport_proxy(NULL)))
REFUSES(vetch_transport_proxy_value,
        IS_NULL(vetch_transport_proxy_value(NULL, 1, NULL)))

ACCEPTS(vetch_listener_ref, IS_NULL(vetch_listener_ref(NULL)))
ACCEPTS(vetch_listener_unref, IS_NULL(vetch_listener_unref(NULL)))
REFUSES(vetch_listener_new,
        IS_NULL(vetch_listener_new("tcp:127.0.0.1:0", NULL, NULL, NULL)))
REFUSES(vetch_listener_new_owned,
        IS_NULL(vetch_listener_new_owned("tcp:127.0.0.1:0", NULL, NULL,
                                         never_called, NULL)))
REFUSES(vetch_listener_endpoint, IS_EMPTY(vetch_listener_endpoint(NULL)))
REFUSES(vetch_listener_port, IS_ZERO(vetch_listener_port(NULL)))
REFUSES(vetch_listener_set_limit, vetch_listener_set_limit(NULL, 1))
REFUSES(vetch_listener_pause, vetch_listener_pause(NULL))
REFUSES(vetch_listener_resume, vetch_listener_resume(NULL))
REFUSES(vetch_listener_set_background,
        vetch_listener_set_background(NULL, true))
REFUSES(vetch_listener_connections, IS_ZERO(vetch_listener_connections(NULL)))
REFUSES(vetch_listener_each, vetch_listener_each(NULL, NULL, NULL))
REFUSES(vetch_listener_set_error_fn,
        vetch_listener_set_error_fn(NULL, NULL, NULL))
REFUSES(vetch_listener_scope, IS_NULL(vetch_listener_scope(NULL)))
REFUSES(vetch_listener_stop, MISUSE(vetch_listener_stop(NULL, 1)))
ACCEPTS(vetch_stop_report_ref, IS_NULL(vetch_stop_report_ref(NULL)))
ACCEPTS(vetch_stop_report_unref, IS_NULL(vetch_stop_report_unref(NULL)))
REFUSES(vetch_stop_report_ended, IS_ZERO(vetch_stop_report_ended(NULL)))
REFUSES(vetch_stop_report_canceled, IS_ZERO(vetch_stop_report_canceled(NULL)))
REFUSES(vetch_stop_report_cut, IS_ZERO(vetch_stop_report_cut(NULL)))

VT_CASE("tls", vt_reactor_tcase);

ACCEPTS(vetch_tls_ref, IS_NULL(vetch_tls_ref(NULL)))
ACCEPTS(vetch_tls_unref, IS_NULL(vetch_tls_unref(NULL)))
ACCEPTS(vetch_tls_client_new, vetch_tls_unref(vetch_tls_client_new(NULL, NULL)))
ACCEPTS(vetch_tls_server_new, IS_NULL(vetch_tls_server_new(NULL, NULL)))
REFUSES(vetch_tls_add_certificate,
        FAILS(vetch_tls_add_certificate(NULL, "a", "b", NULL, NULL)))
REFUSES(vetch_tls_reload, MISUSE(vetch_tls_reload(NULL)))
REFUSES(vetch_tls_set_ticket_keys,
        FAILS(vetch_tls_set_ticket_keys(NULL, "", 1)))
REFUSES(vetch_tls_start, MISUSE(vetch_tls_start(NULL, NULL, NULL)))
REFUSES(vetch_transport_tls, IS_NULL(vetch_transport_tls(NULL)))

VT_CASE("datagrams", vt_reactor_tcase);

ACCEPTS(vetch_udp_ref, IS_NULL(vetch_udp_ref(NULL)))
ACCEPTS(vetch_udp_unref, IS_NULL(vetch_udp_unref(NULL)))
REFUSES(vetch_udp_new, IS_NULL(vetch_udp_new(NULL, NULL)))
REFUSES(vetch_udp_connect, MISUSE(vetch_udp_connect(NULL, NULL)))
REFUSES(vetch_udp_endpoint, IS_EMPTY(vetch_udp_endpoint(NULL)))
REFUSES(vetch_udp_port, IS_ZERO(vetch_udp_port(NULL)))
REFUSES(vetch_udp_receive, MISUSE(vetch_udp_receive(NULL)))
REFUSES(vetch_udp_receive_many, MISUSE(vetch_udp_receive_many(NULL, 1)))
REFUSES(vetch_udp_dropped, IS_ZERO(vetch_udp_dropped(NULL)))
REFUSES(vetch_udp_set_error_fn, FAILS(vetch_udp_set_error_fn(NULL, NULL, NULL)))
REFUSES(vetch_udp_send, IS_ZERO(vetch_udp_send(NULL, NULL, 0)))
REFUSES(vetch_udp_drain, MISUSE(vetch_udp_drain(NULL)))
REFUSES(vetch_udp_join, FAILS(vetch_udp_join(NULL, "239.1.2.3", NULL)))
REFUSES(vetch_udp_leave, FAILS(vetch_udp_leave(NULL, "239.1.2.3", NULL)))
REFUSES(vetch_udp_close, vetch_udp_close(NULL))
ACCEPTS(vetch_datagram_ref, IS_NULL(vetch_datagram_ref(NULL)))
ACCEPTS(vetch_datagram_unref, IS_NULL(vetch_datagram_unref(NULL)))
REFUSES(vetch_datagram_data, IS_EMPTY(vetch_datagram_data(NULL, &length)))
REFUSES(vetch_datagram_peer,
        IS_NULL(vetch_datagram_peer(NULL, &address_length)))
REFUSES(vetch_datagram_is_truncated,
        IS_FALSE(vetch_datagram_is_truncated(NULL)))
REFUSES(vetch_datagram_credentials,
        IS_FALSE(vetch_datagram_credentials(NULL, NULL, NULL, NULL)))
REFUSES(vetch_datagram_descriptors, IS_ZERO(vetch_datagram_descriptors(NULL)))
REFUSES(vetch_datagram_take_descriptor,
        FAILS(vetch_datagram_take_descriptor(NULL)))
REFUSES(vetch_datagram_has_lost_descriptors,
        IS_FALSE(vetch_datagram_has_lost_descriptors(NULL)))
ACCEPTS(vetch_datagrams_ref, IS_NULL(vetch_datagrams_ref(NULL)))
ACCEPTS(vetch_datagrams_unref, IS_NULL(vetch_datagrams_unref(NULL)))
REFUSES(vetch_datagrams_count, IS_ZERO(vetch_datagrams_count(NULL)))
REFUSES(vetch_datagrams_get, IS_NULL(vetch_datagrams_get(NULL, 0)))

VT_CASE("streams", vt_reactor_tcase);

ACCEPTS(vetch_stream_ref, IS_NULL(vetch_stream_ref(NULL)))
ACCEPTS(vetch_stream_unref, IS_NULL(vetch_stream_unref(NULL)))
REFUSES(vetch_stream_serve,
        IS_NULL(vetch_stream_serve("tcp:127.0.0.1:0", NULL, NULL, NULL)))
REFUSES(vetch_stream_serve_owned,
        IS_NULL(vetch_stream_serve_owned("tcp:127.0.0.1:0", NULL, NULL,
                                         never_called, NULL)))
REFUSES(vetch_stream_connect, MISUSE(vetch_stream_connect(NULL, NULL)))
REFUSES(vetch_stream_over, IS_NULL(vetch_stream_over(NULL, NULL)))
REFUSES(vetch_stream_pair, FAILS(vetch_stream_pair(NULL)))
REFUSES(vetch_stream_new, IS_NULL(vetch_stream_new(NULL, NULL, NULL)))
REFUSES(vetch_stream_read, MISUSE(vetch_stream_read(NULL, 1)))
REFUSES(vetch_stream_read_exactly, MISUSE(vetch_stream_read_exactly(NULL, 1)))
REFUSES(vetch_stream_read_until,
        MISUSE(vetch_stream_read_until(NULL, "x", VETCH_NO_LIMIT)))
REFUSES(vetch_stream_read_line, MISUSE(vetch_stream_read_line(NULL, 80)))
REFUSES(vetch_stream_read_all, MISUSE(vetch_stream_read_all(NULL, 80)))
REFUSES(vetch_stream_write, FAILS(vetch_stream_write(NULL, "x", 1)))
REFUSES(vetch_stream_write_bytes, FAILS(vetch_stream_write_bytes(NULL, NULL)))
REFUSES(vetch_stream_writev, FAILS(vetch_stream_writev(NULL, NULL, 0)))
REFUSES(vetch_stream_printf, FAILS(vetch_stream_printf(NULL, "%d", 1)))
REFUSES(vetch_stream_vprintf, FAILS(vprintf_to_null_stream("%d", 1)))
REFUSES(vetch_stream_drain, MISUSE(vetch_stream_drain(NULL)))
REFUSES(vetch_stream_send, MISUSE(vetch_stream_send(NULL, "x", 1)))
REFUSES(vetch_stream_end, MISUSE(vetch_stream_end(NULL)))
REFUSES(vetch_stream_close, MISUSE(vetch_stream_close(NULL)))
REFUSES(vetch_stream_abort, vetch_stream_abort(NULL))
REFUSES(vetch_stream_copy, MISUSE(vetch_stream_copy(NULL, NULL, NULL)))
REFUSES(vetch_stream_join, MISUSE(vetch_stream_join(NULL, NULL)))
REFUSES(vetch_stream_bytes_read, IS_ZERO(vetch_stream_bytes_read(NULL)))
REFUSES(vetch_stream_bytes_written, IS_ZERO(vetch_stream_bytes_written(NULL)))
REFUSES(vetch_stream_error, IS_NULL(vetch_stream_error(NULL)))
REFUSES(vetch_stream_peer, IS_EMPTY(vetch_stream_peer(NULL)))
REFUSES(vetch_stream_local, IS_EMPTY(vetch_stream_local(NULL)))
REFUSES(vetch_stream_start_tls, MISUSE(vetch_stream_start_tls(NULL, NULL, "a")))
REFUSES(vetch_stream_tls, IS_NULL(vetch_stream_tls(NULL)))
REFUSES(vetch_stream_set_idle, FAILS(vetch_stream_set_idle(NULL, 1)))
REFUSES(vetch_file_open, MISUSE(vetch_file_open(NULL, VETCH_FILE_READ, NULL)))
REFUSES(vetch_file_get_info, FAILS(vetch_file_get_info(NULL, NULL)))
REFUSES(vetch_file_seek, FAILS(vetch_file_seek(NULL, 0)))
REFUSES(vetch_file_read, MISUSE(vetch_file_read(NULL, 1)))
REFUSES(vetch_file_write, MISUSE(vetch_file_write(NULL, "x", 1, 0)))
ACCEPTS(vetch_stream_filter, IS_NULL(vetch_stream_filter(NULL, 1, NULL));
        ck_assert_int_eq(errno, ENOMEM))

VT_CASE("processes", vt_reactor_tcase);

REFUSES(vetch_process_start, IS_NULL(vetch_process_start(NULL)))
REFUSES(vetch_process_input, IS_NULL(vetch_process_input(NULL)))
REFUSES(vetch_process_output, IS_NULL(vetch_process_output(NULL)))
REFUSES(vetch_process_errors, IS_NULL(vetch_process_errors(NULL)))
REFUSES(vetch_process_end, MISUSE(vetch_process_end(NULL)))
REFUSES(vetch_process_signal, FAILS(vetch_process_signal(NULL, 15)))
REFUSES(vetch_process_id, FAILS(vetch_process_id(NULL)))
ACCEPTS(vetch_process_ref, IS_NULL(vetch_process_ref(NULL)))
ACCEPTS(vetch_process_unref, IS_NULL(vetch_process_unref(NULL)))
REFUSES(vetch_process_run, MISUSE(vetch_process_run(NULL, NULL, 0)))
REFUSES(vetch_process_result_status, FAILS(vetch_process_result_status(NULL)))
REFUSES(vetch_process_result_output, IS_NULL(vetch_process_result_output(NULL)))
REFUSES(vetch_process_result_errors, IS_NULL(vetch_process_result_errors(NULL)))
ACCEPTS(vetch_process_result_ref, IS_NULL(vetch_process_result_ref(NULL)))
ACCEPTS(vetch_process_result_unref, IS_NULL(vetch_process_result_unref(NULL)))

VT_CASE("endpoints", vt_reactor_tcase);

REFUSES(vetch_address_is_public, IS_FALSE(vetch_address_is_public(NULL, 0)))

REFUSES(vetch_endpoint_check,
        vetch_error_unref(vetch_endpoint_check(NULL, VETCH_ENDPOINT_CONNECT)))

VT_CASE("URLs", vt_reactor_tcase);

ACCEPTS(vetch_url_ref, IS_NULL(vetch_url_ref(NULL)))
ACCEPTS(vetch_url_unref, IS_NULL(vetch_url_unref(NULL)))
REFUSES(vetch_url_parse, IS_NULL(vetch_url_parse(NULL, &text)))
REFUSES(vetch_url_join, IS_NULL(vetch_url_join(NULL, "x", &text)))
REFUSES(vetch_url_equal, IS_FALSE(vetch_url_equal(NULL, NULL)))
REFUSES(vetch_url_text, (void)vetch_url_text(NULL))
REFUSES(vetch_url_scheme, (void)vetch_url_scheme(NULL))
REFUSES(vetch_url_userinfo, (void)vetch_url_userinfo(NULL))
REFUSES(vetch_url_host, (void)vetch_url_host(NULL))
REFUSES(vetch_url_path, (void)vetch_url_path(NULL))
REFUSES(vetch_url_query, (void)vetch_url_query(NULL))
REFUSES(vetch_url_fragment, (void)vetch_url_fragment(NULL))
REFUSES(vetch_url_port, IS_ZERO(vetch_url_port(NULL)))
REFUSES(vetch_url_encode, FAILS(vetch_url_encode(NULL, "x", 1)))
REFUSES(vetch_url_decode, FAILS(vetch_url_decode(NULL, "x", 1)))

VT_CASE("http client", vt_reactor_tcase);

ACCEPTS(vetch_http_client_new,
        vetch_http_client_unref(vetch_http_client_new(NULL)))
ACCEPTS(vetch_http_client_ref, IS_NULL(vetch_http_client_ref(NULL)))
ACCEPTS(vetch_http_client_unref, IS_NULL(vetch_http_client_unref(NULL)))
REFUSES(vetch_http_client_get_stats,
        vetch_http_client_stats stats = VETCH_HTTP_CLIENT_STATS_INIT;
        vetch_http_client_get_stats(NULL, &stats))
REFUSES(vetch_http_get, MISUSE(vetch_http_get(NULL, "http://localhost/")))
REFUSES(vetch_http_head, MISUSE(vetch_http_head(NULL, "http://localhost/")))
REFUSES(vetch_http_post,
        MISUSE(vetch_http_post(NULL, "http://localhost/", NULL, "x", 1)))
REFUSES(vetch_http_call_new,
        IS_NULL(vetch_http_call_new(NULL, "GET", "http://localhost/")))
ACCEPTS(vetch_http_call_free, vetch_http_call_free(NULL))
/* From a call for which there was no memory. */
ACCEPTS(vetch_http_call_send,
        pk_expect_error(vetch_http_call_send(NULL), VETCH_ENOMEM))
ACCEPTS(vetch_http_call_stream,
        pk_expect_error(vetch_http_call_stream(NULL), VETCH_ENOMEM))
REFUSES(vetch_http_call_set_header,
        FAILS(vetch_http_call_set_header(NULL, "A", "b")))
REFUSES(vetch_http_call_add_header,
        FAILS(vetch_http_call_add_header(NULL, "A", "b")))
REFUSES(vetch_http_call_set_body,
        FAILS(vetch_http_call_set_body(NULL, NULL, "x", 1)))
ACCEPTS(vetch_http_response_ref, IS_NULL(vetch_http_response_ref(NULL)))
ACCEPTS(vetch_http_response_unref, IS_NULL(vetch_http_response_unref(NULL)))
REFUSES(vetch_http_response_status, IS_ZERO(vetch_http_response_status(NULL)))
REFUSES(vetch_http_response_header,
        IS_NULL(vetch_http_response_header(NULL, "A")))
REFUSES(vetch_http_response_header_at,
        IS_FALSE(vetch_http_response_header_at(NULL, 0, &text, &other_text)))
REFUSES(vetch_http_response_body,
        IS_EMPTY((const char *)vetch_http_response_body(NULL, &length)))
REFUSES(vetch_http_response_length, IS_ZERO(vetch_http_response_length(NULL)))
REFUSES(vetch_http_response_stream, IS_NULL(vetch_http_response_stream(NULL)))
REFUSES(vetch_http_call_set_body_stream,
        FAILS(vetch_http_call_set_body_stream(NULL, NULL, NULL, 1)))

VT_CASE("http server", vt_reactor_tcase);

ACCEPTS(vetch_http_server_ref, IS_NULL(vetch_http_server_ref(NULL)))
ACCEPTS(vetch_http_server_unref, IS_NULL(vetch_http_server_unref(NULL)))
REFUSES(vetch_http_server_new, IS_NULL(vetch_http_server_new(NULL, NULL)))
REFUSES(vetch_http_server_endpoint, IS_EMPTY(vetch_http_server_endpoint(NULL)))
REFUSES(vetch_http_server_port, IS_ZERO(vetch_http_server_port(NULL)))
REFUSES(vetch_http_server_route,
        FAILS(vetch_http_server_route(NULL, "GET", "/", never_handled, NULL,
                                      NULL)))
REFUSES(vetch_http_server_route_owned,
        FAILS(vetch_http_server_route_owned(NULL, "GET", "/", never_handled,
                                            NULL, never_called, NULL)))
REFUSES(vetch_http_server_files, FAILS(vetch_http_server_files(NULL, "/", ".")))
REFUSES(vetch_http_server_scope, IS_NULL(vetch_http_server_scope(NULL)))
REFUSES(vetch_http_server_stop, MISUSE(vetch_http_server_stop(NULL, 1)))

REFUSES(vetch_http_request_method, IS_EMPTY(vetch_http_request_method(NULL)))
REFUSES(vetch_http_request_target, IS_EMPTY(vetch_http_request_target(NULL)))
REFUSES(vetch_http_request_path, IS_EMPTY(vetch_http_request_path(NULL)))
REFUSES(vetch_http_request_query, (void)vetch_http_request_query(NULL))
REFUSES(vetch_http_request_param, IS_NULL(vetch_http_request_param(NULL, "a")))
REFUSES(vetch_http_request_header,
        IS_NULL(vetch_http_request_header(NULL, "A")))
REFUSES(vetch_http_request_header_at,
        IS_FALSE(vetch_http_request_header_at(NULL, 0, &text, &other_text)))
REFUSES(vetch_http_request_peer, IS_EMPTY(vetch_http_request_peer(NULL)))
REFUSES(vetch_http_request_body,
        IS_EMPTY((const char *)vetch_http_request_body(NULL, &length)))
REFUSES(vetch_http_request_length, IS_ZERO(vetch_http_request_length(NULL)))
REFUSES(vetch_http_request_stream, IS_NULL(vetch_http_request_stream(NULL)))

REFUSES(vetch_http_reply_set_header,
        FAILS(vetch_http_reply_set_header(NULL, "A", "b")))
REFUSES(vetch_http_reply_add_header,
        FAILS(vetch_http_reply_add_header(NULL, "A", "b")))
REFUSES(vetch_http_reply, FAILS(vetch_http_reply(NULL, 200, NULL, "x", 1)))
REFUSES(vetch_http_reply_begin, FAILS(vetch_http_reply_begin(NULL, 200, NULL)))
REFUSES(vetch_http_reply_set_length,
        FAILS(vetch_http_reply_set_length(NULL, 1)))
