/* The scope of a listener, which is a server's: what runs for all of it. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "support/http_server_kit.h"
#include "support/transport_kit.h"

static struct tk_probe probe;

static vetch_protocol *
make(void *ctx)
{
    (void)ctx;
    tk_init(&probe);
    return &probe.protocol;
}

static vetch_listener *
serve(void)
{
    vetch_listener *l = vetch_listener_new("tcp:127.0.0.1:0", make, NULL, NULL);

    ck_assert_ptr_nonnull(l);
    return l;
}

/* An operation that says when it was asked to stop, and stops when told. */
struct op {
    vetch_deferred *deferred;
    bool asked;
};

static void
note_cancel(vetch_deferred *d, void *ctx)
{
    (void)d;
    ((struct op *)ctx)->asked = true;
}

static vetch_promise *
begin(struct op *op)
{
    op->asked = false;
    op->deferred = vetch_deferred_new(note_cancel, op);
    return vetch_deferred_promise(op->deferred);
}

static void
finish(struct op *op)
{
    vetch_deferred_cancel(op->deferred);
    op->deferred = vetch_deferred_unref(op->deferred);
    vt_run_ready();
}

VT_CASE("scope", vt_reactor_tcase);

VT_TEST(a_stop_waits_for_what_runs_for_the_listener)
{
    vetch_listener *l = serve();
    vetch_promise *p;
    struct op op;

    vetch_scope_add(vetch_listener_scope(l), begin(&op));
    vt_run_ready();
    ck_assert(!op.asked);
    p = vetch_listener_stop(l, 5);
    vt_run_ready();
    ck_assert(op.asked);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    finish(&op);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    vetch_promise_unref(p);
    vetch_listener_unref(l);
}

VT_TEST(it_is_cancelled_after_the_last_connection)
{
    vetch_listener *l = serve();
    vetch_promise *connection = vetch_connect(vetch_listener_endpoint(l)), *p;
    struct op op;

    vetch_scope_add(vetch_listener_scope(l), begin(&op));
    tk_until(vetch_listener_connections(l) == 1 &&
             vetch_promise_state(connection) == VETCH_FULFILLED);
    p = vetch_listener_stop(l, 1000);
    vt_run_ready();
    ck_assert(!op.asked);
    vetch_promise_unref(connection); /* aborts it */
    tk_until(vetch_listener_connections(l) == 0);
    vt_run_ready();
    ck_assert(op.asked);
    finish(&op);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    vetch_promise_unref(p);
    vetch_listener_unref(l);
    tk_done(&probe);
}

static int told;

static void
on_error(vetch_listener *l, const vetch_error *error, void *ctx)
{
    (void)ctx;
    told = vetch_error_code(error);
    vetch_listener_unref(vetch_listener_ref(l));
}

VT_TEST(an_error_is_told_and_ends_nothing_else)
{
    vetch_listener *l = serve();
    struct op op;

    vetch_scope_add(vetch_listener_scope(l), begin(&op));
    vetch_scope_add(vetch_listener_scope(l),
                    vetch_rejected(vetch_error_new(VETCH_EUSER, "unlucky")));
    vt_run_ready();
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "unlucky"));
    vetch_listener_set_error_fn(l, on_error, NULL);
    vetch_scope_add(vetch_listener_scope(l),
                    vetch_rejected(vetch_error_new(VETCH_EUSER + 1, "again")));
    vt_run_ready();
    ck_assert_int_eq(told, VETCH_EUSER + 1);
    ck_assert(!op.asked);
    vetch_promise_unref(vetch_listener_stop(l, 0));
    finish(&op);
    vetch_listener_unref(l);
}

VT_TEST(a_listener_that_has_ended_has_none)
{
    vetch_listener *l = serve();

    vetch_promise_unref(vetch_listener_stop(l, 0));
    vt_run_ready();
    errno = 0;
    ck_assert_ptr_null(vetch_listener_scope(l));
    ck_assert_int_eq(errno, ECANCELED);
    vetch_listener_unref(l);
}

VT_TEST(a_released_listener_keeps_its_scope_until_it_ends)
{
    vetch_listener *l = serve();
    vetch_promise *p;
    struct op op;

    vetch_scope_add(vetch_listener_scope(l), begin(&op));
    p = vetch_listener_stop(l, 0);
    vetch_listener_unref(l);
    finish(&op);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    vetch_promise_unref(p);
}

VT_TEST(it_ends_with_the_reactor)
{
    vetch_listener *l = serve();

    vetch_scope_add(vetch_listener_scope(l), vetch_sleep(1000));
    vt_run_ready();
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_ptr_null(vetch_listener_scope(l));
    vetch_listener_unref(l);
}

VT_TEST(the_stop_of_an_http_server_waits_for_its_scope)
{
    struct op op;
    vetch_promise *p;

    hsk_start(NULL);
    vetch_scope_add(vetch_http_server_scope(hsk_server), begin(&op));
    p = vetch_http_server_stop(hsk_server, 5);
    vt_run_ready();
    ck_assert(op.asked);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    finish(&op);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    vetch_promise_unref(p);
    hsk_server = vetch_http_server_unref(hsk_server);
}

/* ---- what does not end ---- */

static vetch_promise *
await_the_stop(void *listener)
{
    vetch_error *error;

    vetch_stop_report_unref(
        vetch_await(vetch_listener_stop(listener, 5), &error));
    return error != NULL ? vetch_rejected(error) : NULL;
}

static vetch_promise *
connect_to(vetch_listener *l)
{
    vetch_promise *connection = vetch_connect(vetch_listener_endpoint(l));

    tk_until(vetch_listener_connections(l) == 1 && probe.t != NULL &&
             vetch_promise_state(connection) == VETCH_FULFILLED);
    return connection;
}

/* The stop waits for the connection, that for its scope, that for its child,
 * and the child for the stop: no promise waits for itself there. */
VT_TEST(a_child_that_awaits_the_stop_ends_at_the_deadline)
{
    vetch_listener *l = serve();
    vetch_promise *connection = connect_to(l), *p;

    vetch_scope_spawn(vetch_transport_scope(probe.t), await_the_stop, l);
    vt_run_ready();
    p = vetch_listener_stop(l, 1000);
    vt_advance(4.99);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vt_advance(0.01);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    ck_assert_uint_eq(vetch_stop_report_canceled(vetch_promise_value(p)), 1);
    ck_assert_uint_eq(vetch_stop_report_cut(vetch_promise_value(p)), 1);
    ck_assert_ptr_nonnull(
        strstr(vt_log_take(), "operations of tcp:127.0.0.1:"));
    vetch_promise_unref(p);
    vetch_promise_unref(connection);
    vetch_listener_unref(l);
    tk_done(&probe);
}

VT_TEST(a_child_that_alone_awaits_the_stop_ends_as_well)
{
    vetch_listener *l = serve();
    vetch_promise *connection = connect_to(l);

    vetch_scope_spawn(vetch_transport_scope(probe.t), await_the_stop, l);
    vt_advance(5);
    ck_assert(tk_has(&probe, TK_LOST));
    ck_assert_ptr_null(vetch_listener_scope(l)); /* it has ended */
    vt_log_take();
    vetch_promise_unref(connection);
    vetch_listener_unref(l);
    tk_done(&probe);
}

VT_TEST(what_runs_for_the_listener_may_await_the_stop)
{
    vetch_listener *l = serve();

    vetch_scope_spawn(vetch_listener_scope(l), await_the_stop, l);
    vt_run_ready();
    ck_assert_ptr_null(vetch_listener_scope(l));
    vetch_listener_unref(l);
}

VT_TEST(what_does_not_end_is_named_every_ten_seconds)
{
    vetch_listener *l = serve();
    vetch_promise *connection = connect_to(l), *p;
    struct op of_connection, of_listener;

    vetch_scope_add(vetch_transport_scope(probe.t), begin(&of_connection));
    vetch_scope_add(vetch_listener_scope(l), begin(&of_listener));
    vt_run_ready();
    p = vetch_listener_stop(l, INFINITY);
    vt_advance(10);
    ck_assert_str_eq(vt_log_take(), ""); /* nothing was asked to end */
    vetch_promise_unref(connection);     /* aborts it */
    tk_until(of_connection.asked);
    vt_advance(10);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "operations of tcp:"));
    finish(&of_connection);
    vt_run_ready();
    vt_advance(10);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "operations of the listener"));
    vt_advance(10);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "operations of the listener"));
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    finish(&of_listener);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    ck_assert_uint_eq(vetch_stop_report_canceled(vetch_promise_value(p)), 1);
    ck_assert_uint_eq(vetch_stop_report_cut(vetch_promise_value(p)), 1);
    vetch_promise_unref(p);
    vetch_listener_unref(l);
    tk_done(&probe);
}

static void
scope_and_stop(bool unharmed)
{
    vetch_listener *l = vetch_listener_new("tcp:127.0.0.1:0", make, NULL, NULL);
    vetch_scope *scope = l == NULL ? NULL : vetch_listener_scope(l);

    if (unharmed)
        ck_assert_ptr_nonnull(scope);
    if (scope != NULL)
        vetch_scope_add(scope, vetch_sleep(1000));
    if (l != NULL)
        vetch_promise_unref(vetch_listener_stop(l, 0));
    vetch_listener_unref(l);
    vt_run_ready();
    (void)vt_log_take();
}

VT_TEST(no_failing_allocation_leaks_or_crashes)
{
    vt_sweep_allocations(scope_and_stop);
}
