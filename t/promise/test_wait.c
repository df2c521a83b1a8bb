/* wait and as_completed, which only look: rule 10 of the contract. */

#include "support/promise_kit.h"

#include <math.h>

struct three {
    struct pk_op op[3];
    vetch_promise *promise[3];
};

static void
start_three(struct three *three)
{
    for (int i = 0; i < 3; i++) {
        three->op[i] = (struct pk_op){ .on_cancel = PK_NOTE };
        three->promise[i] = pk_start(&three->op[i]);
    }
}

/* Settle what is left and let go, so that nothing is left over. */
static void
end_three(struct three *three)
{
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(three->op[i].canceled, 0); /* nothing cancels */
        if (three->op[i].deferred != NULL)
            pk_resolve_number(&three->op[i], i);
        if (vetch_promise_state(three->promise[i]) == VETCH_REJECTED)
            (void)vetch_promise_error(three->promise[i]);
        vetch_promise_unref(three->promise[i]);
    }
}

/* ---- wait ---- */

VT_CASE("wait", pk_tcase);

VT_TEST(rule_10_wait_for_the_first_completed)
{
    struct three t;
    vetch_promise *w;

    start_three(&t);
    w = vetch_wait(t.promise, 3, INFINITY, VETCH_WAIT_FIRST_COMPLETED);
    pk_expect_pending(w);
    pk_resolve_number(&t.op[1], 1);
    pk_expect_value(w, 1);
    end_three(&t);
}

VT_TEST(rule_10_wait_for_the_first_completed_takes_an_error)
{
    struct three t;
    vetch_promise *w;

    start_three(&t);
    w = vetch_wait(t.promise, 3, INFINITY, VETCH_WAIT_FIRST_COMPLETED);
    pk_reject(&t.op[2], VETCH_EUSER);
    pk_expect_value(w, 1);
    end_three(&t);
}

VT_TEST(rule_10_wait_for_the_first_error)
{
    struct three t;
    vetch_promise *w;

    start_three(&t);
    w = vetch_wait(t.promise, 3, INFINITY, VETCH_WAIT_FIRST_ERROR);
    pk_resolve_number(&t.op[0], 1);
    pk_expect_pending(w);
    pk_reject(&t.op[1], VETCH_EUSER);
    pk_expect_value(w, 2);
    end_three(&t);
}

VT_TEST(rule_10_wait_for_an_error_that_does_not_come_is_for_all)
{
    struct three t;
    vetch_promise *w;

    start_three(&t);
    w = vetch_wait(t.promise, 3, INFINITY, VETCH_WAIT_FIRST_ERROR);
    for (int i = 0; i < 3; i++) {
        pk_expect_pending(w);
        pk_resolve_number(&t.op[i], 1);
    }
    pk_expect_value(w, 3);
    end_three(&t);
}

VT_TEST(rule_10_wait_for_all_completed)
{
    struct three t;
    vetch_promise *w;

    start_three(&t);
    w = vetch_wait(t.promise, 3, INFINITY, VETCH_WAIT_ALL_COMPLETED);
    pk_reject(&t.op[1], VETCH_EUSER);
    pk_expect_pending(w);
    pk_resolve_number(&t.op[0], 1);
    pk_expect_pending(w);
    pk_resolve_number(&t.op[2], 1);
    pk_expect_value(w, 3);
    end_three(&t);
}

VT_TEST(rule_10_wait_ends_with_its_time)
{
    struct three t;
    vetch_promise *w;

    start_three(&t);
    w = vetch_wait(t.promise, 3, 2, VETCH_WAIT_ALL_COMPLETED);
    pk_resolve_number(&t.op[1], 1);
    vt_advance(1.9);
    pk_expect_pending(w);
    vt_advance(0.1);
    pk_expect_value(w, 1); /* how many have settled so far */
    end_three(&t);
}

VT_TEST(rule_10_wait_of_no_time_counts)
{
    struct three t;
    vetch_promise *w;

    start_three(&t);
    pk_resolve_number(&t.op[0], 1);
    pk_resolve_number(&t.op[2], 1);
    w = vetch_wait(t.promise, 3, 0, VETCH_WAIT_ALL_COMPLETED);
    vt_advance(0);
    pk_expect_value(w, 2);
    end_three(&t);
}

VT_TEST(rule_10_wait_for_settled_ones_is_over_soon)
{
    struct three t;

    start_three(&t);
    for (int i = 0; i < 3; i++)
        pk_resolve_number(&t.op[i], i);
    pk_expect_value(
        vetch_wait(t.promise, 3, INFINITY, VETCH_WAIT_ALL_COMPLETED), 3);
    end_three(&t);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(rule_10_wait_for_nothing_is_over_soon)
{
    pk_expect_value(vetch_wait(NULL, 0, INFINITY, VETCH_WAIT_ALL_COMPLETED), 0);
    pk_expect_value(vetch_wait(NULL, 0, 9, VETCH_WAIT_FIRST_COMPLETED), 0);
}

VT_TEST(rule_10_wait_for_a_nonsense_time_is_invalid)
{
    struct three t;

    start_three(&t);
    pk_expect_error(vetch_wait(t.promise, 3, NAN, VETCH_WAIT_ALL_COMPLETED),
                    EINVAL);
    pk_expect_error(vetch_wait(t.promise, 3, -1, VETCH_WAIT_ALL_COMPLETED),
                    EINVAL);
    end_three(&t);
}

VT_TEST(rule_10_cancelled_wait_cancels_nothing_else)
{
    struct three t;
    vetch_promise *w;

    start_three(&t);
    w = vetch_wait(t.promise, 3, 5, VETCH_WAIT_ALL_COMPLETED);
    vetch_promise_cancel(w);
    pk_expect_error(w, VETCH_ECANCELED);
    vt_advance(10);
    end_three(&t);
}

VT_TEST(rule_10_wait_borrows)
{
    struct pk_thing thing = { 0 };
    struct three t;
    vetch_promise *w;

    start_three(&t);
    w = vetch_wait(t.promise, 3, INFINITY, VETCH_WAIT_FIRST_COMPLETED);
    pk_resolve(&t.op[0], &thing);
    pk_expect_value(w, 1);
    pk_assert_value(t.promise[0], &thing); /* still the owner's */
    pk_assert_alive(&thing);
    end_three(&t);
    pk_assert_freed(&thing);
}

VT_TEST(rule_10_wait_keeps_what_its_owner_drops)
{
    struct three t;
    vetch_promise *w;

    start_three(&t);
    w = vetch_wait(t.promise, 3, INFINITY, VETCH_WAIT_ALL_COMPLETED);
    for (int i = 0; i < 3; i++)
        vetch_promise_unref(t.promise[i]);
    for (int i = 0; i < 3; i++)
        pk_resolve_number(&t.op[i], i);
    pk_expect_value(w, 3);
}

VT_TEST(rule_10_wait_cancels_nothing_that_its_owner_dropped)
{
    struct three t;
    vetch_promise *w;

    start_three(&t);
    w = vetch_wait(t.promise, 3, 1, VETCH_WAIT_ALL_COMPLETED);
    for (int i = 0; i < 3; i++)
        vetch_promise_unref(t.promise[i]);
    vt_advance(1);
    pk_expect_value(w, 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(t.op[i].canceled, 0);
        pk_resolve_number(&t.op[i], i);
    }
}

VT_TEST(rule_10_wait_leaves_observed_what_was)
{
    struct pk_op op = { 0 };
    struct pk_link caught = { 0 };
    vetch_promise *p = pk_start(&op), *w;

    vetch_promise_unref(
        vetch_catch(vetch_promise_ref(p), pk_on_error, &caught));
    w = vetch_wait(&p, 1, INFINITY, VETCH_WAIT_ALL_COMPLETED);
    pk_reject(&op, VETCH_EUSER);
    pk_expect_value(w, 1);
    ck_assert_int_eq(caught.code, VETCH_EUSER);
    vetch_promise_unref(p);
    ck_assert_uint_eq(pk_reports(), 0);
}

VT_TEST(rule_10_wait_without_a_time_does_not_end_by_itself)
{
    struct three t;
    vetch_promise *w;

    start_three(&t);
    w = vetch_wait(t.promise, 3, INFINITY, VETCH_WAIT_FIRST_COMPLETED);
    vt_advance(1e6);
    pk_expect_pending(w);
    pk_resolve_number(&t.op[0], 1);
    pk_expect_value(w, 1);
    end_three(&t);
}

VT_TEST(rule_10_wait_lets_go_of_those_that_settle_together)
{
    struct three t;
    vetch_promise *w;

    start_three(&t);
    w = vetch_wait(t.promise, 3, INFINITY, VETCH_WAIT_FIRST_COMPLETED);
    for (int i = 0; i < 3; i++)
        pk_resolve_number(&t.op[i], i);
    pk_expect_value(w, 1);
    end_three(&t);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

/* The place of a watch is used again as soon as its promise has settled. */
VT_TEST(rule_10_wait_forgets_what_has_settled)
{
    struct three t;
    struct pk_link links[3] = { { 0 } };
    vetch_promise *w;

    start_three(&t);
    w = vetch_wait(t.promise, 3, 1, VETCH_WAIT_ALL_COMPLETED);
    pk_resolve_number(&t.op[1], 1);
    pk_expect_pending(w);
    for (int i = 0; i < 3; i++)
        vetch_promise_unref(vetch_then(vetch_promise_ref(t.promise[0]),
                                       pk_on_value, &links[i]));
    vt_advance(1);
    pk_expect_value(w, 1);
    pk_resolve_number(&t.op[0], 1);
    vt_run_ready();
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(links[i].ran, 1);
    end_three(&t);
}

VT_TEST(rule_10_wait_that_has_ended_shares_nothing)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    vetch_promise *p = pk_start(&op);

    pk_expect_pending(p);
    vetch_promise_unref(vetch_wait(&p, 1, 1, VETCH_WAIT_ALL_COMPLETED));
    vetch_completions_free(vetch_as_completed(&p, 1));
    vt_advance(1);
    p = vetch_then(p, pk_never_value, NULL);
    vetch_promise_cancel(p);
    ck_assert_uint_eq(op.canceled, 1); /* the link alone wants it */
    pk_expect_error(p, VETCH_ECANCELED);
}

VT_TEST(rule_10_wait_does_not_look_at_errors_for_you)
{
    struct pk_op op = { 0 };
    vetch_promise *p = pk_start(&op);
    vetch_promise *w = vetch_wait(&p, 1, INFINITY, VETCH_WAIT_ALL_COMPLETED);

    pk_reject(&op, VETCH_EUSER);
    pk_expect_value(w, 1);
    ck_assert_uint_eq(pk_reports(), 0);
    vetch_promise_unref(p);
    ck_assert_uint_eq(pk_reports(), 1);
}

VT_TEST(rule_10_several_may_wait_for_the_same)
{
    struct three t;
    vetch_promise *all, *first;

    start_three(&t);
    all = vetch_wait(t.promise, 3, INFINITY, VETCH_WAIT_ALL_COMPLETED);
    first = vetch_wait(t.promise, 3, INFINITY, VETCH_WAIT_FIRST_COMPLETED);
    pk_resolve_number(&t.op[0], 1);
    pk_expect_value(first, 1);
    pk_expect_pending(all);
    pk_resolve_number(&t.op[1], 1);
    pk_resolve_number(&t.op[2], 1);
    pk_expect_value(all, 3);
    end_three(&t);
}

/* ---- as_completed ---- */

VT_CASE("as_completed", pk_tcase);

/* The next one, which has to be there by now; borrowed from *ret_next. */
static vetch_promise *
next_now(vetch_completions *c, vetch_promise **ret_next)
{
    *ret_next = vetch_completions_next(c);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(*ret_next), VETCH_FULFILLED);
    return vetch_promise_value(*ret_next);
}

#define expect_next(c, expected)                                               \
    do {                                                                       \
        vetch_promise *next_;                                                  \
                                                                               \
        ck_assert_ptr_eq(next_now(c, &next_), expected);                       \
        vetch_promise_unref(next_);                                            \
    } while (0)

VT_TEST(rule_10_completions_come_in_the_order_of_settling)
{
    struct three t;
    vetch_completions *c;

    start_three(&t);
    c = vetch_as_completed(t.promise, 3);
    ck_assert_ptr_nonnull(c);
    pk_resolve_number(&t.op[2], 1);
    expect_next(c, t.promise[2]);
    pk_reject(&t.op[0], VETCH_EUSER);
    pk_resolve_number(&t.op[1], 1);
    expect_next(c, t.promise[0]);
    expect_next(c, t.promise[1]);
    expect_next(c, NULL);
    expect_next(c, NULL);
    vetch_completions_free(c);
    end_three(&t);
}

VT_TEST(rule_10_completion_may_be_waited_for)
{
    struct three t;
    vetch_completions *c;
    vetch_promise *next;

    start_three(&t);
    c = vetch_as_completed(t.promise, 3);
    next = vetch_completions_next(c);
    pk_expect_pending(next);
    pk_resolve_number(&t.op[1], 1);
    pk_expect_value(next, t.promise[1]);
    vetch_completions_free(c);
    end_three(&t);
}

VT_TEST(rule_10_completions_of_settled_ones_come_in_the_array_s_order)
{
    struct three t;
    vetch_completions *c;

    start_three(&t);
    for (int i = 2; i >= 0; i--)
        pk_resolve_number(&t.op[i], i);
    c = vetch_as_completed(t.promise, 3);
    for (int i = 0; i < 3; i++)
        expect_next(c, t.promise[i]);
    expect_next(c, NULL);
    vetch_completions_free(c);
    end_three(&t);
}

VT_TEST(rule_10_completions_of_nothing_end_at_once)
{
    vetch_completions *c = vetch_as_completed(NULL, 0);

    ck_assert_ptr_nonnull(c);
    expect_next(c, NULL);
    vetch_completions_free(c);
}

VT_TEST(rule_10_completion_is_a_reference)
{
    struct pk_thing thing = { 0 };
    vetch_promise *p = pk_value(&thing), *next, *kept;
    vetch_completions *c = vetch_as_completed(&p, 1);

    vetch_promise_unref(p); /* the iterator holds its own */
    kept = vetch_promise_ref(next_now(c, &next));
    vetch_promise_unref(next);
    vetch_completions_free(c);
    pk_assert_alive(&thing);
    pk_expect_value(kept, &thing);
    pk_assert_freed(&thing);
}

VT_TEST(rule_10_iterator_holds_what_was_not_fetched)
{
    struct pk_thing thing = { 0 };
    vetch_promise *p = pk_value(&thing);
    vetch_completions *c = vetch_as_completed(&p, 1);

    vetch_promise_unref(p);
    vt_run_ready();
    pk_assert_alive(&thing);
    vetch_completions_free(c);
    vt_run_ready();
    pk_assert_freed(&thing);
}

VT_TEST(rule_10_freeing_an_iterator_ends_the_wait)
{
    struct three t;
    vetch_completions *c;
    vetch_promise *next;

    start_three(&t);
    c = vetch_as_completed(t.promise, 3);
    next = vetch_completions_next(c);
    vt_run_ready();
    vetch_completions_free(c);
    pk_expect_error(next, VETCH_ECLOSED);
    end_three(&t);
}

VT_TEST(rule_10_freeing_an_iterator_cancels_nothing)
{
    struct three t;

    start_three(&t);
    pk_resolve_number(&t.op[1], 1); /* on its way already */
    vetch_completions_free(vetch_as_completed(t.promise, 3));
    vt_run_ready();
    vetch_completions_free(NULL);
    end_three(&t);
}

VT_TEST(rule_10_cancelled_next_loses_no_completion)
{
    struct three t;
    vetch_completions *c;
    vetch_promise *next;

    start_three(&t);
    c = vetch_as_completed(t.promise, 3);
    next = vetch_completions_next(c);
    vetch_promise_cancel(next);
    pk_expect_error(next, VETCH_ECANCELED);
    pk_resolve_number(&t.op[0], 1);
    expect_next(c, t.promise[0]);
    vetch_completions_free(c);
    end_three(&t);
}

/* Re-entrancy: curl #3537 #3601 #5354 #8083 #8282, PR #22179; libhv #424. */
static vetch_promise *
free_iterator(void *value, void *ctx)
{
    ck_assert_ptr_nonnull(value);
    vetch_completions_free(*(vetch_completions **)ctx);
    *(vetch_completions **)ctx = NULL;
    pk_note(pk_word("freed"));
    return NULL;
}

VT_TEST(rule_10_iterator_forgets_what_has_settled)
{
    struct three t;
    struct pk_link links[3] = { { 0 } };
    vetch_completions *c;

    start_three(&t);
    c = vetch_as_completed(t.promise, 3);
    pk_resolve_number(&t.op[1], 1);
    vt_run_ready();
    for (int i = 0; i < 3; i++)
        vetch_promise_unref(vetch_then(vetch_promise_ref(t.promise[0]),
                                       pk_on_value, &links[i]));
    vetch_completions_free(c);
    pk_resolve_number(&t.op[0], 1);
    vt_run_ready();
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(links[i].ran, 1);
    end_three(&t);
}

VT_TEST(rule_10_one_completion_is_waited_for_at_a_time)
{
    struct three t;
    vetch_completions *c;
    vetch_promise *next;

    start_three(&t);
    c = vetch_as_completed(t.promise, 3);
    next = vetch_completions_next(c);
    pk_expect_error(vetch_completions_next(c), VETCH_EMISUSE);
    pk_resolve_number(&t.op[2], 1);
    pk_expect_value(next, t.promise[2]);
    vetch_completions_free(c);
    end_three(&t);
}

VT_TEST(rule_10_iterator_may_be_freed_in_a_handler)
{
    struct three t;
    vetch_completions *c;
    vetch_promise *p;

    start_three(&t);
    c = vetch_as_completed(t.promise, 3);
    p = vetch_then(vetch_completions_next(c), free_iterator, &c);
    for (int i = 0; i < 3; i++)
        pk_resolve_number(&t.op[i], i);
    pk_expect_trace("freed");
    pk_expect_value(p, NULL);
    end_three(&t);
}

/* ---- rule 14 ---- */

VT_CASE("rule 14", pk_tcase);

static vetch_completions *
three_completions(vetch_promise **p)
{
    for (int i = 0; i < 3; i++)
        p[i] = vetch_resolved(pk_int(i + 1), NULL);
    return vetch_as_completed(p, 3);
}

static void
release_three(vetch_promise **p)
{
    for (int i = 0; i < 3; i++)
        vetch_promise_unref(p[i]);
}

VT_TEST(rule_14_completion_that_nobody_got_comes_again)
{
    vetch_promise *p[3];
    vetch_completions *c = three_completions(p);

    vt_run_ready();
    vetch_promise_unref(vetch_completions_next(c));
    for (int i = 0; i < 3; i++)
        expect_next(c, p[i]);
    expect_next(c, NULL);
    vetch_completions_free(c);
    release_three(p);
}

VT_TEST(rule_14_completions_come_back_to_their_old_places)
{
    vetch_promise *p[3], *a, *b;
    vetch_completions *c = three_completions(p);

    vt_run_ready();
    a = vetch_completions_next(c);
    b = vetch_completions_next(c);
    vetch_promise_unref(a);
    vetch_promise_unref(b);
    for (int i = 0; i < 3; i++)
        expect_next(c, p[i]);
    vetch_completions_free(c);
    release_three(p);
}

VT_TEST(rule_14_completions_end_when_none_can_come_back)
{
    vetch_promise *p[3], *last, *end;
    vetch_completions *c = three_completions(p);

    vt_run_ready();
    expect_next(c, p[0]);
    expect_next(c, p[1]);
    last = vetch_completions_next(c);
    end = vetch_completions_next(c);
    pk_expect_pending(end);
    pk_expect_value(last, p[2]);
    pk_expect_value(end, NULL);
    vetch_completions_free(c);
    release_three(p);
}

VT_TEST(rule_14_completion_that_comes_back_goes_to_who_waits)
{
    vetch_promise *p = vetch_resolved(pk_int(1), NULL), *lost, *next;
    vetch_completions *c = vetch_as_completed(&p, 1);

    vt_run_ready();
    lost = vetch_completions_next(c);
    next = vetch_completions_next(c);
    vetch_promise_unref(lost);
    pk_expect_value(next, p);
    vetch_completions_free(c);
    vetch_promise_unref(p);
}

VT_TEST(rule_14_completion_may_come_back_to_an_iterator_that_was_freed)
{
    struct pk_thing thing = { 0 };
    vetch_promise *p = pk_value(&thing), *next;
    vetch_completions *c = vetch_as_completed(&p, 1);

    vt_run_ready();
    next = vetch_completions_next(c);
    vetch_completions_free(c);
    vetch_promise_unref(p);
    pk_assert_alive(&thing);
    vetch_promise_unref(next);
    pk_assert_freed(&thing);
}
