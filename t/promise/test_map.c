/* map and repeat: of the rules 10 and 12 of the contract. */

#include "support/promise_kit.h"

#include <stdlib.h>

/* ---- map ---- */

VT_CASE("map", pk_tcase);

enum { N_OPS = 10 };

struct job {
    struct pk_op ops[N_OPS];
    size_t n_started, n_pending, most_pending;
    size_t order[N_OPS];
    size_t fail_at; /* this call answers with an error at once */
    bool fails;
    vetch_promise *map; /* borrowed; the second call cancels it, if set */
    bool inside;
};

static void
ended(void *ctx)
{
    ((struct job *)ctx)->n_pending--;
}

static vetch_promise *
start_op(size_t i, void *ctx)
{
    struct job *job = ctx;

    ck_assert_uint_lt(i, N_OPS);
    job->order[job->n_started++] = i;
    if (job->fails && i == job->fail_at)
        return pk_error(VETCH_EUSER + (int)i);
    if (++job->n_pending > job->most_pending)
        job->most_pending = job->n_pending;
    if (job->map != NULL && i == 1)
        vetch_promise_cancel(job->map);
    return vetch_finally(pk_start(&job->ops[i]), ended, job);
}

static vetch_promise *
never_start(size_t i, void *ctx)
{
    (void)i;
    (void)ctx;
    ck_abort_msg("the function of a map ran that must not");
    return NULL;
}

VT_TEST(rule_10_map_of_nothing_fulfils_with_empty_results)
{
    vetch_promise *p = vetch_map(0, 3, never_start, NULL);

    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    ck_assert_uint_eq(vetch_results_count(vetch_promise_value(p)), 0);
    vetch_promise_unref(p);
}

VT_TEST(rule_10_map_that_may_start_nothing_is_invalid)
{
    pk_expect_error(vetch_map(3, 0, never_start, NULL), EINVAL);
}

VT_TEST(rule_10_map_starts_from_the_ready_queue_and_in_order)
{
    struct job job = { 0 };
    vetch_promise *p = vetch_map(N_OPS, VETCH_NO_LIMIT, start_op, &job);

    ck_assert_uint_eq(job.n_started, 0);
    pk_expect_pending(p);
    ck_assert_uint_eq(job.n_started, N_OPS); /* 0: no limit */
    for (size_t i = 0; i < N_OPS; i++) {
        ck_assert_uint_eq(job.order[i], i);
        pk_resolve_number(&job.ops[i], 1);
    }
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    vetch_promise_unref(p);
}

VT_TEST(rule_10_map_respects_its_limit)
{
    struct job job = { 0 };
    vetch_promise *p = vetch_map(N_OPS, 3, start_op, &job);

    vt_run_ready();
    ck_assert_uint_eq(job.n_started, 3);
    pk_resolve_number(&job.ops[1], 1); /* any of them makes room */
    vt_run_ready();
    ck_assert_uint_eq(job.n_started, 4);
    pk_resolve_number(&job.ops[0], 1);
    pk_resolve_number(&job.ops[2], 1);
    vt_run_ready();
    ck_assert_uint_eq(job.n_started, 6);
    for (size_t i = 3; i < N_OPS; i++) {
        pk_expect_pending(p);
        pk_resolve_number(&job.ops[i], 1);
    }
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    ck_assert_uint_eq(job.most_pending, 3);
    vetch_promise_unref(p);
}

VT_TEST(rule_10_map_with_limit_1_goes_one_by_one)
{
    struct job job = { 0 };
    vetch_promise *p = vetch_map(N_OPS, 1, start_op, &job);

    for (size_t i = 0; i < N_OPS; i++) {
        pk_expect_pending(p);
        ck_assert_uint_eq(job.n_started, i + 1);
        pk_resolve_number(&job.ops[i], 1);
    }
    vt_run_ready();
    ck_assert_uint_eq(job.most_pending, 1);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    vetch_promise_unref(p);
}

VT_TEST(rule_10_map_gives_results_by_index)
{
    struct pk_thing things[N_OPS] = { { 0 } };
    struct job job = { 0 };
    vetch_promise *p = vetch_map(N_OPS, VETCH_NO_LIMIT, start_op, &job);
    const vetch_results *r;

    vt_run_ready();
    for (size_t i = N_OPS; i-- > 0;)
        pk_resolve(&job.ops[i], &things[i]);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    r = vetch_promise_value(p);
    ck_assert_uint_eq(vetch_results_count(r), N_OPS);
    for (size_t i = 0; i < N_OPS; i++) {
        ck_assert_ptr_eq(vetch_results_value(r, i), &things[i]);
        pk_assert_alive(&things[i]);
    }
    vetch_promise_unref(p);
    for (size_t i = 0; i < N_OPS; i++)
        pk_assert_freed(&things[i]);
}

static vetch_promise *
start_null(size_t i, void *ctx)
{
    (void)i;
    ++*(size_t *)ctx;
    return NULL;
}

VT_TEST(rule_10_map_takes_null_for_done)
{
    size_t n = 0;
    vetch_promise *p = vetch_map(5, 2, start_null, &n);

    vt_run_ready();
    ck_assert_uint_eq(n, 5);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    ck_assert_int_eq(vetch_results_state(vetch_promise_value(p), 4),
                     VETCH_FULFILLED);
    vetch_promise_unref(p);
}

static vetch_promise *
start_ready(size_t i, void *ctx)
{
    ++*(size_t *)ctx;
    return vetch_resolved(pk_int(i), NULL);
}

VT_TEST(rule_10_map_takes_many_ready_answers)
{
    size_t n = 0;
    vetch_promise *p = vetch_map(100000, 7, start_ready, &n);

    vt_run_ready();
    ck_assert_uint_eq(n, 100000);
    ck_assert_ptr_eq(vetch_results_value(vetch_promise_value(p), 99999),
                     pk_int(99999));
    vetch_promise_unref(p);
}

VT_TEST(rule_10_error_in_a_map_starts_no_more_and_stops_the_rest)
{
    struct job job = { 0 };
    vetch_promise *p = vetch_map(N_OPS, 3, start_op, &job);

    job.ops[0].on_cancel = job.ops[2].on_cancel = PK_NOTE;
    vt_run_ready();
    pk_reject(&job.ops[1], VETCH_EUSER + 5);
    pk_expect_pending(p);
    ck_assert_uint_eq(job.n_started, 3);
    ck_assert_uint_eq(job.ops[0].canceled, 1);
    ck_assert_uint_eq(job.ops[2].canceled, 1);
    pk_stop(&job.ops[2]);
    pk_expect_pending(p);
    pk_stop(&job.ops[0]);
    pk_expect_error(p, VETCH_EUSER + 5);
    ck_assert_uint_eq(job.n_started, 3);
    ck_assert_uint_eq(job.n_pending, 0);
}

struct cleaning {
    struct job job;
    struct pk_op op;
    struct pk_link handled; /* the cancel of child 0 */
};

static vetch_promise *
start_cleaning(size_t i, void *ctx)
{
    struct cleaning *c = ctx;
    vetch_promise *p = start_op(i, &c->job);

    return i == 0 ? vetch_handle(p, NULL, pk_on_error, &c->handled) : p;
}

VT_TEST(rule_10_decided_map_asks_its_children_once)
{
    struct cleaning c = { .op = { .on_cancel = PK_NOTE } };
    vetch_promise *p = vetch_map(3, VETCH_NO_LIMIT, start_cleaning, &c);

    c.job.ops[1].on_cancel = PK_NOTE;
    c.handled.answer = pk_start(&c.op);
    vt_run_ready();
    pk_reject(&c.job.ops[2], VETCH_EUSER);
    pk_expect_pending(p);
    ck_assert_int_eq(c.handled.code, VETCH_ECANCELED);
    pk_stop(&c.job.ops[1]);
    pk_expect_pending(p);
    ck_assert_uint_eq(c.op.canceled, 0); /* the clean-up takes its time */
    pk_resolve_number(&c.op, 1);
    pk_expect_error(p, VETCH_EUSER);
    pk_drop(&c.job.ops[0]);
}

VT_TEST(rule_10_error_on_the_spot_ends_a_map)
{
    struct job job = { .fails = true, .fail_at = 2 };
    vetch_promise *p = vetch_map(N_OPS, 2, start_op, &job);

    vt_run_ready();
    pk_resolve_number(&job.ops[0], 1); /* makes room for the one that fails */
    pk_expect_error(p, VETCH_EUSER + 2);
    ck_assert_uint_eq(job.n_started, 3);
    ck_assert_uint_eq(job.ops[1].canceled, 1);
    ck_assert_uint_eq(job.n_pending, 0);
}

VT_TEST(rule_10_map_cancelled_before_it_begins_starts_nothing)
{
    vetch_promise *p = vetch_map(3, VETCH_NO_LIMIT, never_start, NULL);

    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
}

VT_TEST(rule_10_cancelled_map_starts_no_more_and_waits)
{
    struct job job = { 0 };
    vetch_promise *p = vetch_map(N_OPS, 2, start_op, &job);

    job.ops[0].on_cancel = job.ops[1].on_cancel = PK_NOTE;
    vt_run_ready();
    vetch_promise_cancel(p);
    pk_expect_pending(p);
    pk_stop(&job.ops[0]);
    pk_expect_pending(p);
    pk_resolve_number(&job.ops[1], 1); /* all the same */
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(job.n_started, 2);
}

/* Re-entrancy: curl #3537 #3601 #5354 #8083 #8282, PR #22179; libhv #424. */
VT_TEST(rule_10_map_may_be_cancelled_by_its_own_function)
{
    struct job job = { 0 };

    job.map = vetch_map(N_OPS, VETCH_NO_LIMIT, start_op, &job);
    pk_expect_error(job.map, VETCH_ECANCELED);
    ck_assert_uint_eq(job.n_started, 2);
    ck_assert_uint_eq(job.ops[0].canceled, 1);
    ck_assert_uint_eq(job.ops[1].canceled, 1);
    ck_assert_uint_eq(job.n_pending, 0);
}

VT_TEST(rule_10_dropped_map_runs_on)
{
    struct job job = { 0 };

    vetch_promise_unref(vetch_map(N_OPS, 4, start_op, &job));
    for (size_t i = 0; i < N_OPS; i++) {
        vt_run_ready();
        pk_resolve_number(&job.ops[i], 1);
    }
    vt_run_ready();
    ck_assert_uint_eq(job.n_started, N_OPS);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(rule_10_context_of_a_map_is_free_when_it_has_settled)
{
    struct job *job = calloc(1, sizeof(*job));
    vetch_promise *p;

    ck_assert_ptr_nonnull(job);
    job->fails = true;
    p = vetch_finally(vetch_map(N_OPS, 3, start_op, job), free, job);
    pk_expect_error(p, VETCH_EUSER);
}

/* ---- repeat ---- */

VT_CASE("repeat", pk_tcase);

struct loop {
    unsigned left, ran;
    void *result;
    int code;
    bool wait; /* answer with an operation each time */
    struct pk_op op;
    vetch_promise *self; /* borrowed; cancelled by the last round, if set */
};

static vetch_promise *
go_round(void *ctx)
{
    struct loop *loop = ctx;

    loop->ran++;
    if (--loop->left > 0)
        return loop->wait ? pk_start(&loop->op) : NULL;
    if (loop->self != NULL) {
        vetch_promise_cancel(loop->self);
        return loop->wait ? pk_start(&loop->op) : NULL;
    }
    if (loop->code != 0)
        return pk_error(loop->code);
    return vetch_resolved(loop->result, NULL);
}

static vetch_promise *
never_round(void *ctx)
{
    (void)ctx;
    ck_abort_msg("the function of a repeat ran that must not");
    return NULL;
}

VT_TEST(rule_12_repeat_ends_with_the_first_value)
{
    struct loop loop = { .left = 10, .result = pk_int(3) };
    vetch_promise *p = vetch_repeat(go_round, &loop);

    ck_assert_uint_eq(loop.ran, 0); /* from the ready queue */
    pk_expect_value(p, 3);
    ck_assert_uint_eq(loop.ran, 10);
}

VT_TEST(rule_12_repeat_ends_with_the_first_rejection)
{
    struct loop loop = { .left = 10, .code = VETCH_EUSER + 1 };

    pk_expect_error(vetch_repeat(go_round, &loop), VETCH_EUSER + 1);
    ck_assert_uint_eq(loop.ran, 10);
}

VT_TEST(rule_12_repeat_waits_for_each_round)
{
    struct loop loop = { .left = 4, .wait = true, .result = pk_int(8) };
    vetch_promise *p = vetch_repeat(go_round, &loop);

    for (unsigned i = 1; i < 4; i++) {
        pk_expect_pending(p);
        ck_assert_uint_eq(loop.ran, i);
        pk_resolve_number(&loop.op, 0);
    }
    pk_expect_value(p, 8);
}

VT_TEST(rule_12_value_of_a_repeat_can_be_handed_over)
{
    struct pk_thing thing = { 0 };
    struct pk_done done = { 0 };
    struct loop loop = { .left = 2, .wait = true };

    vetch_callback(vetch_repeat(go_round, &loop), pk_on_done, &done);
    vt_run_ready();
    pk_resolve(&loop.op, &thing);
    vt_run_ready();
    ck_assert_ptr_eq(done.result, &thing);
    ck_assert_int_eq(done.code, 0);
    pk_assert_alive(&thing);
    ck_assert_uint_eq(loop.ran, 1);
}

static void
stop_loop(void *ctx)
{
    ((struct loop *)ctx)->left = 1;
}

static void
stop_loop_later(void *ctx)
{
    ck_assert_int_eq(vetch_call_soon(stop_loop, ctx), 0);
}

VT_TEST(rule_12_repeat_lets_others_run)
{
    struct loop loop = { .left = 1000000000, .result = pk_int(1) };
    vetch_promise *p = vetch_repeat(go_round, &loop);

    ck_assert_int_eq(vetch_call_soon(stop_loop_later, &loop), 0);
    pk_expect_value(p, 1);
    ck_assert_uint_lt(loop.ran, 10);
}

VT_TEST(rule_12_cancelled_repeat_stops_the_round)
{
    struct loop loop = { .left = 4, .wait = true };
    vetch_promise *p = vetch_repeat(go_round, &loop);

    loop.op.on_cancel = PK_NOTE;
    vt_run_ready();
    vetch_promise_cancel(p);
    pk_expect_pending(p);
    ck_assert_uint_eq(loop.op.canceled, 1);
    pk_stop(&loop.op);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(loop.ran, 1);
}

VT_TEST(rule_12_cancelled_repeat_does_not_go_on_after_a_late_end)
{
    struct loop loop = { .left = 4, .wait = true };
    vetch_promise *p = vetch_repeat(go_round, &loop);

    loop.op.on_cancel = PK_NOTE;
    vt_run_ready();
    vetch_promise_cancel(p);
    pk_resolve_number(&loop.op, 0); /* done, no value: as if to go on */
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(loop.ran, 1);
}

VT_TEST(rule_12_repeat_cancelled_before_it_begins_does_nothing)
{
    vetch_promise *p = vetch_repeat(never_round, NULL);

    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
}

/* Re-entrancy: curl #3537 #3601 #5354 #8083 #8282, PR #22179; libhv #424. */
VT_TEST(rule_12_repeat_may_be_cancelled_by_its_own_function)
{
    struct loop loop = { .left = 3 };

    loop.self = vetch_repeat(go_round, &loop);
    pk_expect_error(loop.self, VETCH_ECANCELED);
    ck_assert_uint_eq(loop.ran, 3);
}

VT_TEST(rule_12_repeat_cancelled_inside_stops_what_that_round_began)
{
    struct loop loop = { .left = 1, .wait = true };

    loop.self = vetch_repeat(go_round, &loop);
    pk_expect_error(loop.self, VETCH_ECANCELED);
    ck_assert_uint_eq(loop.ran, 1);
    ck_assert_uint_eq(loop.op.canceled, 1);
}

struct bystander {
    vetch_promise *self, *other; /* the first is borrowed */
    struct pk_op op;
};

static vetch_promise *
cancel_beside_another(void *ctx)
{
    struct bystander *b = ctx;

    b->other = pk_start(&b->op);
    vetch_promise_cancel(b->self);
    return NULL;
}

/* The place of the last round's watch is free, and used again at once. */
VT_TEST(rule_12_repeat_cancelled_inside_leaves_others_alone)
{
    struct bystander b = { .op = { .on_cancel = PK_NOTE } };

    b.self = vetch_repeat(cancel_beside_another, &b);
    pk_expect_error(b.self, VETCH_ECANCELED);
    ck_assert_uint_eq(b.op.canceled, 0);
    pk_resolve_number(&b.op, 1);
    pk_expect_value(b.other, 1);
}

static vetch_promise *
clean_round(void *ctx)
{
    return start_cleaning(0, ctx);
}

VT_TEST(rule_12_second_request_reaches_the_clean_up_through_a_repeat)
{
    struct cleaning c = { .op = { .on_cancel = PK_AGREE } };
    vetch_promise *p = vetch_repeat(clean_round, &c);

    c.handled.answer = pk_start(&c.op);
    vt_run_ready();
    vetch_promise_cancel(p);
    pk_expect_pending(p);
    ck_assert_uint_eq(c.op.canceled, 0);
    vetch_promise_cancel(p);
    ck_assert_uint_eq(c.op.canceled, 1);
    pk_expect_error(p, VETCH_ECANCELED);
}
