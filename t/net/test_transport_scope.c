/* The scope of a connection: what runs for it ends with it. */

#include "support/promise_kit.h"
#include "support/transport_kit.h"

#include <errno.h>
#include <string.h>

#include <vetch/testing.h>

#define KIND ((enum tk_kind)_i)

static struct tk_probe ends[2];
static struct pk_op op;

static void
set_up(void)
{
    memset(&op, 0, sizeof(op));
}

static void
finish(void)
{
    tk_until(tk_has(&ends[0], TK_FREED) && tk_has(&ends[1], TK_FREED));
    tk_done(&ends[0]);
    tk_done(&ends[1]);
}

/* A child on the first end's connection. */
static void
connect_with_child(enum tk_kind kind, enum pk_cancel on_cancel)
{
    tk_connect(kind, ends);
    op.on_cancel = on_cancel;
    vetch_scope_add(vetch_transport_scope(ends[0].t), pk_start(&op));
}

VT_CASE("scope", pk_tcase, .set_up = set_up, .loops = TK_KINDS);

VT_TEST(the_scope_is_one_for_each_connection)
{
    tk_connect(KIND, ends);
    ck_assert_ptr_nonnull(vetch_transport_scope(ends[0].t));
    ck_assert_ptr_eq(vetch_transport_scope(ends[0].t),
                     vetch_transport_scope(ends[0].t));
    ck_assert_ptr_ne(vetch_transport_scope(ends[0].t),
                     vetch_transport_scope(ends[1].t));
    vetch_transport_close(ends[0].t);
    finish();
}

VT_TEST(the_end_of_the_connection_cancels_its_children)
{
    connect_with_child(KIND, PK_AGREE);
    vetch_transport_abort(ends[1].t);
    tk_until(tk_has(&ends[0], TK_LOST));
    ck_assert_uint_eq(op.canceled, 1);
    pk_drop(&op);
    finish();
}

VT_TEST(lost_waits_until_the_children_have_stopped)
{
    connect_with_child(KIND, PK_NOTE);
    vetch_transport_abort(ends[0].t);
    tk_until(tk_has(&ends[1], TK_LOST));
    ck_assert_uint_eq(op.canceled, 1);
    ck_assert(!tk_has(&ends[0], TK_LOST));
    pk_stop(&op);
    tk_until(tk_has(&ends[0], TK_LOST));
    finish();
}

VT_TEST(a_child_that_fails_ends_the_connection)
{
    connect_with_child(KIND, PK_AGREE);
    pk_reject(&op, VETCH_EUSER);
    tk_until(tk_has(&ends[0], TK_LOST));
    ck_assert_int_eq(ends[0].lost_code, VETCH_EUSER);
    finish();
}

VT_TEST(a_child_that_ends_well_changes_nothing)
{
    connect_with_child(KIND, PK_AGREE);
    pk_resolve_number(&op, 1);
    vt_run_ready();
    ck_assert(!tk_has(&ends[0], TK_LOST));
    vetch_transport_close(ends[0].t);
    finish();
    ck_assert_int_eq(ends[0].lost_code, 0);
}

VT_TEST(a_connection_that_is_over_has_no_scope)
{
    tk_connect(KIND, ends);
    vetch_transport_abort(ends[0].t);
    ck_assert_ptr_null(vetch_transport_scope(ends[0].t));
    ck_assert_int_eq(errno, ENOTCONN);
    finish();
}

VT_TEST(without_any_memory_lost_waits_all_the_same)
{
    struct pk_op other = { 0 };
    vetch_promise *p;

    connect_with_child(KIND, PK_NOTE);
    p = pk_start(&other);
    vetch_testing_fail_allocation(1, true);
    for (int i = 0; i < 200; i++) /* takes the reactor's reserve, too */
        vetch_promise_unref(vetch_finally(vetch_promise_ref(p), NULL, NULL));
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "out of memory"));
    vetch_transport_abort(ends[0].t);
    vt_run_ready();
    ck_assert_uint_eq(op.canceled, 1);
    ck_assert(!tk_has(&ends[0], TK_LOST));
    vetch_testing_fail_allocation(0, false);
    pk_stop(&op);
    tk_until(tk_has(&ends[0], TK_LOST));
    pk_resolve_number(&other, 1);
    vetch_promise_unref(p);
    finish();
}

/* As the connection of vetch_connect() that nobody takes. */
VT_TEST(a_connection_that_nobody_takes_waits_for_its_children)
{
    vetch_transport *pair[2];

    tk_pair(KIND, pair);
    op.on_cancel = PK_NOTE;
    vetch_scope_add(vetch_transport_scope(pair[0]), pk_start(&op));
    vetch_transport_unref(pair[0]);
    vetch_transport_unref(pair[1]);
    vt_run_ready();
    ck_assert_uint_eq(op.canceled, 1);
    ck_assert_uint_gt(vt_live_objects(), 0);
    pk_stop(&op);
    vt_run_ready();
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(the_end_of_the_reactor_ends_the_scope)
{
    connect_with_child(KIND, PK_AGREE);
    pk_end_reactor();
    ck_assert_uint_eq(op.canceled, 1);
    ck_assert(tk_has(&ends[0], TK_FREED));
    pk_drop(&op);
    tk_done(&ends[0]);
    tk_done(&ends[1]);
}
