/* Cancelling where the way up is shared or shielded: rule 9 of the contract. */

#include "support/promise_kit.h"

/* ---- shared upstream ---- */

VT_CASE("shared", pk_tcase);

VT_TEST(rule_09_shared_upstream_is_left_alone)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    struct pk_thing thing = { 0 };
    struct pk_link link = { .same = true };
    vetch_promise *source = pk_start(&op);
    vetch_promise *left =
        vetch_then(vetch_promise_ref(source), pk_never_value, NULL);
    vetch_promise *right = vetch_then(source, pk_on_value, &link);

    vetch_promise_cancel(left);
    pk_assert_error(left, VETCH_ECANCELED); /* at once */
    vetch_promise_unref(left);
    pk_expect_pending(right);
    ck_assert_uint_eq(op.canceled, 0);
    pk_resolve(&op, &thing);
    pk_expect_value(right, &thing);
    pk_assert_freed(&thing);
}

VT_TEST(rule_09_link_next_to_the_shared_promise_rejects_at_once)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *held =
        vetch_then(pk_start(&op), pk_pass_value, pk_word("upper"));
    vetch_promise *p = vetch_promise_ref(held);

    p = vetch_then(p, pk_never_value, NULL);
    p = vetch_finally(p, pk_note, pk_word("lower"));
    vetch_promise_cancel(p);
    pk_expect_trace("lower");
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(op.canceled, 0);
    pk_resolve_number(&op, 3);
    pk_expect_trace("upper");
    pk_expect_value(held, 3);
}

VT_TEST(rule_09_finally_on_a_shared_promise_runs_once)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    struct pk_link end = { 0 };
    vetch_promise *held = pk_start(&op);
    vetch_promise *p = vetch_finally(vetch_promise_ref(held), pk_on_end, &end);

    vetch_promise_cancel(p);
    ck_assert_uint_eq(end.ran, 0); /* handlers never run inside a call */
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(end.ran, 1);
    pk_resolve_number(&op, 3);
    pk_expect_value(held, 3);
    ck_assert_uint_eq(end.ran, 1);
}

VT_TEST(rule_09_error_handler_on_a_shared_promise_hears_of_the_cancel)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    struct pk_link next = { .same = true };
    vetch_promise *held = pk_start(&op);
    vetch_promise *p =
        vetch_then(vetch_promise_ref(held), pk_never_value, NULL);

    p = vetch_handle(p, pk_never_value, pk_on_error, &next);
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_int_eq(next.code, VETCH_ECANCELED);
    pk_resolve_number(&op, 3);
    vetch_promise_unref(held);
}

enum { N_BRANCHES = 4, N_ORDERS = 4 * 3 * 2 };

/* The order of that number in which all branches can be taken. */
static void
make_order(int number, int order[N_BRANCHES])
{
    for (int i = 0; i < N_BRANCHES; i++)
        order[i] = i;
    for (int i = 0; i < N_BRANCHES - 1; i++) {
        int left = N_BRANCHES - i, at = i + number % left, taken = order[at];

        number /= left;
        order[at] = order[i];
        order[i] = taken;
    }
}

VT_TEST(rule_09_branches_are_cancelled_in_any_order, .loops = N_ORDERS)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    vetch_promise *p = pk_start(&op), *branches[N_BRANCHES];
    int order[N_BRANCHES];

    make_order(_i, order);
    for (int i = 0; i < N_BRANCHES; i++)
        branches[i] = vetch_then(vetch_promise_ref(p), pk_never_value, NULL);
    vetch_promise_unref(p);
    for (int i = 0; i < N_BRANCHES; i++) {
        ck_assert_uint_eq(op.canceled, 0);
        pk_assert_pending(branches[order[i]]);
        vetch_promise_cancel(branches[order[i]]);
        pk_expect_error(branches[order[i]], VETCH_ECANCELED);
    }
    ck_assert_uint_eq(op.canceled, 1); /* by the last one */
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(rule_09_error_handler_next_to_a_shared_promise_hears_it_soon)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    struct pk_link handled = { .same = true };
    vetch_promise *held = pk_start(&op);
    vetch_promise *p = vetch_handle(vetch_promise_ref(held), pk_never_value,
                                    pk_on_error, &handled);

    vetch_promise_cancel(p);
    ck_assert_uint_eq(handled.ran, 0); /* handlers run from the ready queue */
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_int_eq(handled.code, VETCH_ECANCELED);
    pk_resolve_number(&op, 3);
    pk_expect_value(held, 3);
}

static unsigned n_ends;

static void
count_end(void *ctx)
{
    ck_assert_ptr_null(ctx);
    n_ends++;
}

VT_TEST(rule_09_finally_without_a_context_on_a_shared_promise_runs_once)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *held = pk_start(&op);
    vetch_promise *p = vetch_finally(vetch_promise_ref(held), count_end, NULL);

    n_ends = 0;
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    pk_resolve_number(&op, 3);
    pk_expect_value(held, 3);
    ck_assert_uint_eq(n_ends, 1);
}

VT_TEST(rule_09_reference_that_is_gone_does_not_share)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    vetch_promise *source = pk_start(&op);
    vetch_promise *p =
        vetch_then(vetch_promise_ref(source), pk_never_value, NULL);

    vetch_promise_unref(source);
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(op.canceled, 1);
}

VT_TEST(rule_09_last_branch_reaches_the_operation)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    vetch_promise *source = pk_start(&op);
    vetch_promise *left =
        vetch_then(vetch_promise_ref(source), pk_never_value, NULL);
    vetch_promise *right = vetch_then(source, pk_never_value, NULL);

    vetch_promise_cancel(left);
    pk_expect_error(left, VETCH_ECANCELED);
    ck_assert_uint_eq(op.canceled, 0);
    vetch_promise_cancel(right);
    pk_expect_error(right, VETCH_ECANCELED);
    ck_assert_uint_eq(op.canceled, 1);
}

VT_TEST(rule_09_dropped_branch_still_shares)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    struct pk_link link = { 0 };
    vetch_promise *source = pk_start(&op);
    vetch_promise *p;

    /* Fire and forget: nobody holds it, but its handler is to run. */
    vetch_promise_unref(
        vetch_then(vetch_promise_ref(source), pk_on_value, &link));
    p = vetch_then(source, pk_never_value, NULL);
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(op.canceled, 0);
    pk_resolve_number(&op, 1);
    vt_run_ready();
    ck_assert_uint_eq(link.ran, 1);
}

/* ---- shield ---- */

VT_TEST(rule_09_shield_passes_outcomes_through)
{
    struct pk_thing thing = { 0 };
    struct pk_op good = { 0 }, bad = { 0 };
    vetch_promise *a = vetch_shield(pk_start(&good));
    vetch_promise *b = vetch_shield(pk_start(&bad));

    pk_resolve(&good, &thing);
    pk_reject(&bad, VETCH_EUSER);
    pk_expect_value(a, &thing);
    pk_expect_error(b, VETCH_EUSER);
    pk_assert_freed(&thing);
}

VT_TEST(rule_09_shield_rejects_at_once_and_the_rest_runs_on)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    struct pk_thing thing = { 0 };
    struct pk_link link = { .same = true };
    vetch_promise *p =
        vetch_shield(vetch_then(pk_start(&op), pk_on_value, &link));

    vetch_promise_cancel(p);
    pk_assert_error(p, VETCH_ECANCELED);
    vt_run_ready();
    ck_assert_uint_eq(op.canceled, 0);
    pk_resolve(&op, &thing);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(link.ran, 1);
    pk_assert_freed(&thing);
}

VT_TEST(rule_09_shield_stops_a_request_from_below)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *p = pk_start(&op);

    p = vetch_then(p, pk_pass_value, pk_word("above"));
    p = vetch_shield(p);
    p = vetch_then(p, pk_never_value, NULL);
    p = vetch_finally(p, pk_note, pk_word("below"));
    vetch_promise_cancel(p);
    pk_expect_trace("below");
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(op.canceled, 0);
    pk_resolve_number(&op, 1);
    pk_expect_trace("above");
}

VT_TEST(rule_09_shield_does_not_stop_a_request_from_above)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    vetch_promise *source = pk_start(&op);
    vetch_promise *p = vetch_shield(vetch_promise_ref(source));

    vetch_promise_cancel(source);
    pk_expect_error(p, VETCH_ECANCELED);
    pk_expect_error(source, VETCH_ECANCELED);
    ck_assert_uint_eq(op.canceled, 1);
}
