/* Cancelling from inside a handler or a canceller: rule 9 of the contract.
 *
 * Cancellation swallowed, doubled or misdelivered: cpython #81917 #86296
 * #114496, PR #28149; twisted #4632 #11886, PR #1001. */

#include "support/promise_kit.h"

/* ---- cancelling from inside ---- */

VT_CASE("from inside", pk_tcase);

struct inside {
    vetch_promise *target;
    struct pk_op op;
    unsigned ran;
    bool answer_op;
    vetch_promise *op_promise;
};

static vetch_promise *
cancel_target(void *value, void *ctx)
{
    struct inside *inside = ctx;

    (void)value;
    inside->ran++;
    vetch_promise_cancel(inside->target);
    if (inside->answer_op)
        return pk_start(&inside->op);
    return NULL;
}

/* cpython #81917 #86296 #114496, PR #28149; twisted #4632 #11886, PR #1001 */
VT_TEST(rule_09_cancel_of_its_own_link_reaches_the_answer)
{
    struct inside inside = { .answer_op = true };

    inside.target =
        vetch_then(vetch_resolved(NULL, NULL), cancel_target, &inside);
    pk_expect_error(inside.target, VETCH_ECANCELED);
    ck_assert_uint_eq(inside.ran, 1);
    ck_assert_uint_eq(inside.op.canceled, 1);
}

/* cpython #81917 #86296 #114496, PR #28149; twisted #4632 #11886, PR #1001 */
VT_TEST(rule_09_cancel_from_a_handler_stops_what_is_below)
{
    struct inside inside = { .answer_op = true };
    vetch_promise *p =
        vetch_then(vetch_resolved(NULL, NULL), cancel_target, &inside);

    inside.target = vetch_then(p, pk_never_value, NULL);
    pk_expect_error(inside.target, VETCH_ECANCELED);
    ck_assert_uint_eq(inside.ran, 1);
    ck_assert_uint_eq(inside.op.canceled, 1);
}

VT_TEST(rule_09_cancel_from_a_handler_that_answers_at_once_stops_the_rest)
{
    struct inside inside = { 0 };
    vetch_promise *p =
        vetch_then(vetch_resolved(NULL, NULL), cancel_target, &inside);

    inside.target = vetch_then(p, pk_never_value, NULL);
    pk_expect_error(inside.target, VETCH_ECANCELED);
    ck_assert_uint_eq(inside.ran, 1);
}

VT_TEST(rule_09_cancel_of_a_sibling_from_a_handler)
{
    struct inside inside = { 0 };
    vetch_promise *source = vetch_resolved(pk_int(1), NULL);
    vetch_promise *p =
        vetch_then(vetch_promise_ref(source), cancel_target, &inside);

    /* The sibling is on the ready queue already, right behind. */
    inside.target = vetch_then(source, pk_never_value, NULL);
    pk_expect_error(inside.target, VETCH_ECANCELED);
    pk_expect_value(p, NULL);
}

static void
cancel_again(vetch_deferred *d, void *ctx)
{
    struct inside *inside = ctx;

    inside->ran++;
    vetch_promise_cancel(inside->target);
    inside->op_promise = vetch_promise_unref(inside->op_promise);
    vetch_deferred_cancel(d);
    vetch_promise_cancel(inside->target);
}

/* Re-entrancy: curl #3537 #3601 #5354 #8083 #8282, PR #22179; libhv #424. */
VT_TEST(rule_09_cancel_inside_a_canceller_is_no_second_one)
{
    struct inside inside = { 0 };
    vetch_deferred *d = vetch_deferred_new(cancel_again, &inside);

    inside.target = vetch_then(vetch_deferred_promise(d), pk_never_value, NULL);
    vetch_promise_cancel(inside.target);
    vetch_deferred_unref(d);
    pk_expect_error(inside.target, VETCH_ECANCELED);
    ck_assert_uint_eq(inside.ran, 1);
}

static void
release_all(vetch_deferred *d, void *ctx)
{
    struct inside *inside = ctx;

    inside->ran++;
    inside->target = vetch_promise_unref(inside->target);
    vetch_deferred_resolve(d, NULL, NULL);
    vetch_deferred_unref(d); /* the last reference but the library's own */
}

/* Re-entrancy: curl #3537 #3601 #5354 #8083 #8282, PR #22179; libhv #424. */
VT_TEST(rule_09_canceller_may_release_everything)
{
    struct inside inside = { 0 };
    vetch_deferred *d = vetch_deferred_new(release_all, &inside);

    inside.target = vetch_then(vetch_deferred_promise(d), pk_never_value, NULL);
    vetch_promise_cancel(inside.target);
    vt_run_ready();
    ck_assert_uint_eq(inside.ran, 1);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

struct chain_of_cancels {
    vetch_promise *next;
    unsigned ran;
};

static void
cancel_next(vetch_deferred *d, void *ctx)
{
    struct chain_of_cancels *chain = ctx;

    chain->ran++;
    vetch_promise_cancel(chain->next);
    vetch_deferred_cancel(d);
}

VT_TEST(rule_09_canceller_may_cancel_other_promises)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    struct chain_of_cancels chain = { pk_start(&op), 0 };
    vetch_deferred *d = vetch_deferred_new(cancel_next, &chain);
    vetch_promise *p = vetch_deferred_promise(d);

    vetch_promise_cancel(p);
    vetch_deferred_unref(d);
    pk_expect_error(p, VETCH_ECANCELED);
    pk_expect_error(chain.next, VETCH_ECANCELED);
    ck_assert_uint_eq(chain.ran, 1);
    ck_assert_uint_eq(op.canceled, 1);
}

struct detour {
    vetch_promise *other;     /* borrowed */
    vetch_deferred *deferred; /* of other */
    struct pk_op op;
};

static void
cancel_and_divert(vetch_deferred *d, void *ctx)
{
    struct detour *detour = ctx;

    vetch_promise_cancel(detour->other); /* is told when we have returned */
    ck_assert(vetch_deferred_follow(detour->deferred, pk_start(&detour->op)));
    detour->deferred = vetch_deferred_unref(detour->deferred);
    vetch_deferred_cancel(d);
}

static void
never_told(vetch_deferred *d, void *ctx)
{
    (void)d;
    (void)ctx;
    ck_abort_msg("a canceller ran that has nothing to stop any more");
}

/* Re-entrancy: curl #3537 #3601 #5354 #8083 #8282, PR #22179; libhv #424. */
VT_TEST(rule_09_operation_may_follow_another_while_a_request_is_under_way)
{
    struct detour detour = { .op = { .on_cancel = PK_NOTE } };
    struct pk_op last = { .on_cancel = PK_AGREE };
    vetch_deferred *d = vetch_deferred_new(cancel_and_divert, &detour);
    vetch_promise *children[3], *p;

    detour.deferred = vetch_deferred_new(never_told, NULL);
    detour.other = vetch_deferred_promise(detour.deferred);
    children[0] = vetch_deferred_promise(d);
    children[1] = detour.other;
    children[2] = pk_start(&last);
    p = vetch_all_settled(children, 3);
    vetch_promise_cancel(p);
    vetch_deferred_unref(d);
    pk_expect_pending(p);
    ck_assert_uint_eq(detour.op.canceled, 1);
    ck_assert_uint_eq(last.canceled, 1);
    pk_stop(&detour.op);
    pk_expect_error(p, VETCH_ECANCELED);
}

enum { N_ASKED = 4 };

struct asked {
    vetch_promise *promises[N_ASKED]; /* borrowed */
    vetch_deferred *deferred;         /* of one of the first three */
    struct pk_op detour;
};

static void
ask_and_divert(vetch_deferred *d, void *ctx)
{
    struct asked *asked = ctx;

    for (int i = 0; i < N_ASKED - 1; i++)
        vetch_promise_cancel(asked->promises[i]);
    ck_assert(vetch_deferred_follow(asked->deferred, pk_start(&asked->detour)));
    asked->deferred = vetch_deferred_unref(asked->deferred);
    vetch_promise_cancel(asked->promises[N_ASKED - 1]);
    vetch_deferred_cancel(d);
}

/* Whichever it is of those that wait to be told: the others still are. */
VT_TEST(rule_09_one_of_several_that_were_asked_may_follow_another,
        .loops = N_ASKED - 1)
{
    struct asked asked = { .detour = { .on_cancel = PK_NOTE } };
    struct pk_op ops[N_ASKED] = { { 0 } }; /* which agree */
    vetch_deferred *d = vetch_deferred_new(ask_and_divert, &asked);
    vetch_promise *first = vetch_deferred_promise(d);

    asked.deferred = vetch_deferred_new(never_told, NULL);
    for (int i = 0; i < N_ASKED; i++)
        asked.promises[i] = i == _i ? vetch_deferred_promise(asked.deferred)
                                    : pk_start(&ops[i]);
    vetch_promise_cancel(first);
    vetch_deferred_unref(d);
    pk_expect_error(first, VETCH_ECANCELED);
    ck_assert_uint_eq(asked.detour.canceled, 1);
    pk_stop(&asked.detour);
    for (int i = 0; i < N_ASKED; i++) {
        ck_assert_uint_eq(ops[i].canceled, i != _i);
        pk_expect_error(asked.promises[i], VETCH_ECANCELED);
    }
}

struct settled_meanwhile {
    vetch_promise *other;     /* borrowed */
    vetch_deferred *deferred; /* of other */
};

static void
cancel_and_settle(vetch_deferred *d, void *ctx)
{
    struct settled_meanwhile *meanwhile = ctx;

    vetch_promise_cancel(meanwhile->other); /* is told when we have returned */
    ck_assert(vetch_deferred_resolve(meanwhile->deferred, pk_int(4), NULL));
    vetch_deferred_cancel(d);
}

VT_TEST(rule_09_operation_that_settles_before_it_is_told_is_not_told)
{
    struct settled_meanwhile meanwhile;
    vetch_deferred *d = vetch_deferred_new(cancel_and_settle, &meanwhile);
    vetch_promise *p = vetch_deferred_promise(d);

    meanwhile.deferred = vetch_deferred_new(never_told, NULL);
    meanwhile.other = vetch_deferred_promise(meanwhile.deferred);
    vetch_promise_cancel(p);
    vetch_deferred_unref(d);
    vetch_deferred_unref(meanwhile.deferred);
    pk_expect_error(p, VETCH_ECANCELED);
    pk_expect_value(meanwhile.other, 4);
}
