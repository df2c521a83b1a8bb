/* The end of a reactor, at each state that a chain can be in.
 *
 * What pends is cancelled and the ready queue drains. Then what did not stop is
 * named, each finally that is left runs, and no other handler does. What the
 * user holds stays valid. Crashes at tear-down: libuv #2087 #2172 #2544 #3266;
 * libhv #496 #754. */

#include "support/promise_kit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- states times operations ---- */

VT_CASE("states", pk_tcase);

static struct {
    struct pk_op op[3];
    struct pk_thing value; /* borrowed by a handler that waits for op[0] */
    bool uses_value;
    vetch_semaphore *semaphore;
    vetch_completions *completions;
    vetch_promise *watched; /* by wait and as_completed */
    struct pk_link end;
    unsigned n_errors, n_values;
    bool over;
} world;

static vetch_promise *
op(int i)
{
    return pk_start(&world.op[i]);
}

/* Handlers may run while the reactor ends, but not when it has. */
static vetch_promise *
see_value(void *value, void *ctx)
{
    (void)value;
    (void)ctx;
    ck_assert(!world.over);
    world.n_values++;
    return vetch_same();
}

static vetch_promise *
see_error(const vetch_error *error, void *ctx)
{
    (void)error;
    (void)ctx;
    ck_assert(!world.over);
    world.n_errors++;
    return vetch_same();
}

static bool loop_runs; /* before the reactor ends */

static vetch_promise *
see_value_in_the_loop(void *value, void *ctx)
{
    (void)value;
    (void)ctx;
    ck_assert_msg(loop_runs, "a handler began while the reactor ended");
    return NULL;
}

static vetch_promise *
answer_op(void *value, void *ctx)
{
    (void)value;
    (void)ctx;
    return op(0);
}

static vetch_promise *
waiting(void)
{
    return vetch_then(op(0), see_value, NULL);
}

static vetch_promise *
queued(void)
{
    vetch_promise *p = op(0);

    world.uses_value = true;
    pk_resolve(&world.op[0], &world.value);
    return vetch_then(p, see_value_in_the_loop, NULL);
}

static vetch_promise *
adopted(void)
{
    vetch_promise *p = vetch_then(pk_value(&world.value), answer_op, NULL);

    world.uses_value = true;
    vt_run_ready();
    return p;
}

static vetch_promise *
adopted_chain(void)
{
    struct pk_link link = { 0 };
    vetch_promise *p;

    link.answer = vetch_then(op(0), see_value, NULL);
    p = vetch_then(pk_value(&world.value), pk_on_value, &link);
    world.uses_value = true;
    vt_run_ready();
    return p;
}

static vetch_promise *
following(void)
{
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);
    vetch_promise *p = vetch_deferred_promise(d);

    vetch_deferred_follow(d, op(0));
    vetch_deferred_unref(d);
    return p;
}

static vetch_promise *
shielded(void)
{
    return vetch_shield(op(0));
}

static vetch_promise *
three_in(vetch_promise *(*combine)(vetch_promise *const *promises, size_t n))
{
    vetch_promise *children[] = { op(0), op(1), op(2) };

    return combine(children, 3);
}

static vetch_promise *
in_all(void)
{
    return three_in(vetch_all);
}

static vetch_promise *
in_all_settled(void)
{
    return three_in(vetch_all_settled);
}

static vetch_promise *
in_race(void)
{
    return three_in(vetch_race);
}

static vetch_promise *
in_any(void)
{
    return three_in(vetch_any);
}

static vetch_promise *
in_decided_all(void)
{
    vetch_promise *children[] = { op(0), pk_error(VETCH_EUSER), op(1) };
    vetch_promise *p = vetch_all(children, 3);

    world.op[0].on_cancel = world.op[1].on_cancel = PK_NOTE;
    vt_run_ready(); /* decided: the two have been asked already */
    return p;
}

static vetch_promise *
start_ith(size_t i, void *ctx)
{
    (void)ctx;
    return op((int)i);
}

static vetch_promise *
in_map(void)
{
    vetch_promise *p = vetch_map(3, 2, start_ith, NULL);

    vt_run_ready();
    return p;
}

static vetch_promise *
in_map_not_begun(void)
{
    return vetch_map(3, 2, start_ith, NULL);
}

static vetch_promise *
start_round(void *ctx)
{
    (void)ctx;
    return op(0);
}

static vetch_promise *
in_repeat(void)
{
    vetch_promise *p = vetch_repeat(start_round, NULL);

    vt_run_ready();
    return p;
}

static vetch_promise *
in_timeout(void)
{
    return vetch_timeout(op(0), 10);
}

static vetch_promise *
timed_out(void)
{
    vetch_promise *p = vetch_timeout(op(0), 1);

    world.op[0].on_cancel = PK_NOTE;
    vt_advance(1); /* and waits for it to stop */
    return p;
}

static vetch_promise *
asleep(void)
{
    return vetch_sleep(10);
}

static vetch_promise *
holding_a_slot(void)
{
    vetch_promise *p;

    world.semaphore = vetch_semaphore_new(1);
    p = vetch_then(vetch_semaphore_acquire(world.semaphore), answer_op, NULL);
    vt_run_ready();
    return p;
}

static vetch_promise *
waiting_for_a_slot(void)
{
    vetch_promise_unref(holding_a_slot());
    return vetch_then(vetch_semaphore_acquire(world.semaphore), see_value,
                      NULL);
}

static vetch_promise *
in_wait(void)
{
    world.watched = op(0);
    return vetch_wait(&world.watched, 1, 10, VETCH_WAIT_ALL_COMPLETED);
}

static vetch_promise *
in_as_completed(void)
{
    world.watched = op(0);
    world.completions = vetch_as_completed(&world.watched, 1);
    return vetch_completions_next(world.completions);
}

static vetch_promise *
branched(void)
{
    world.watched = op(0);
    vetch_promise_unref(
        vetch_then(vetch_promise_ref(world.watched), see_value, NULL));
    return vetch_then(vetch_promise_ref(world.watched), see_value, NULL);
}

static vetch_promise *(*const states[])(void) = {
    waiting,
    queued,
    adopted,
    adopted_chain,
    following,
    shielded,
    in_all,
    in_all_settled,
    in_race,
    in_any,
    in_decided_all,
    in_map,
    in_map_not_begun,
    in_repeat,
    in_timeout,
    timed_out,
    asleep,
    holding_a_slot,
    waiting_for_a_slot,
    in_wait,
    in_as_completed,
    branched,
};

enum { N_POLICIES = PK_NONE + 1 };
enum { N_STATES = sizeof(states) / sizeof(states[0]) };

/* The chain of test number n: its state by n / N_POLICIES, and what its
 * operations do when they are cancelled by n % N_POLICIES. */
static vetch_promise *
build(int n)
{
    vetch_promise *p;

    memset(&world, 0, sizeof(world));
    for (int i = 0; i < 3; i++)
        world.op[i].on_cancel = (enum pk_cancel)(n % N_POLICIES);
    p = states[n / N_POLICIES]();
    p = vetch_then(p, see_value, NULL);
    p = vetch_handle(p, see_value, see_error, NULL);
    return vetch_finally(p, pk_on_end, &world.end);
}

/* After the end: what is held is valid, and what was not told to stop in time
 * may still try to settle. */
static void
let_go(void)
{
    for (int i = 0; i < 3; i++) {
        struct pk_thing late = { 0 };

        ck_assert_uint_le(world.op[i].canceled, 1);
        if (world.op[i].deferred == NULL)
            continue;
        ck_assert(
            !vetch_deferred_resolve(world.op[i].deferred, &late, pk_free));
        pk_assert_freed(&late);
        pk_drop(&world.op[i]);
    }
    if (world.watched != NULL) {
        ck_assert_int_ne(vetch_promise_state(world.watched), VETCH_PENDING);
        vetch_promise_unref(world.watched);
    }
    vetch_completions_free(world.completions);
    if (world.semaphore != NULL)
        ck_assert_uint_eq(vetch_semaphore_waiting(world.semaphore), 0);
    vetch_semaphore_unref(world.semaphore);
}

static void
check_after(void)
{
    world.over = true;
    ck_assert_uint_eq(world.end.ran, 1);
    ck_assert_uint_eq(world.value.freed, world.uses_value);
    let_go();
    ck_assert_uint_eq(world.end.ran, 1);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(world.op[i].late.freed,
                          world.op[i].on_cancel == PK_VALUE &&
                              world.op[i].canceled > 0);
    (void)pk_reports();  /* chains that ended with VETCH_ECLOSED */
    (void)vt_log_take(); /* what did not stop is named */
}

VT_TEST(reactor_end_runs_each_finally_once_on_a_dropped_chain,
        .loops = N_STATES * N_POLICIES)
{
    vetch_promise_unref(build(_i));
    pk_end_reactor();
    check_after();
}

VT_TEST(reactor_end_settles_what_is_held, .loops = N_STATES * N_POLICIES)
{
    vetch_promise *p = build(_i);

    pk_end_reactor();
    ck_assert_int_ne(vetch_promise_state(p), VETCH_PENDING);
    if (vetch_promise_state(p) == VETCH_REJECTED)
        ck_assert_ptr_nonnull(vetch_promise_error(p));
    ck_assert_ptr_eq(vetch_promise_ref(p), p);
    vetch_promise_cancel(p);
    vetch_promise_unref(p);
    vetch_promise_unref(p);
    check_after();
}

VT_TEST(reactor_end_calls_nothing_for_what_did_not_stop, .loops = N_STATES)
{
    unsigned n_before;

    vetch_promise_unref(build(_i * N_POLICIES + PK_NOTE));
    n_before = world.n_errors + world.n_values;
    pk_end_reactor();
    if (world.op[0].deferred != NULL && states[_i] != in_wait &&
        states[_i] != in_as_completed && states[_i] != waiting_for_a_slot) {
        ck_assert_uint_eq(world.n_errors + world.n_values, n_before);
        ck_assert_ptr_nonnull(strstr(vt_log_take(), "did not stop"));
    }
    check_after();
}

VT_TEST(reactor_end_tells_each_operation_to_stop, .loops = N_STATES)
{
    vetch_promise_unref(build(_i * N_POLICIES + PK_AGREE));
    pk_end_reactor();
    for (int i = 0; i < 3; i++) {
        if (world.op[i].on_cancel == PK_AGREE)
            ck_assert_ptr_null(world.op[i].deferred);
        ck_assert_int_eq(world.n_values, 0);
    }
    check_after();
}

VT_TEST(reactor_end_after_a_cancel_that_is_under_way,
        .loops = N_STATES * N_POLICIES)
{
    vetch_promise *p = build(_i);

    vetch_promise_cancel(p);
    vetch_promise_unref(p);
    pk_end_reactor();
    check_after();
}

static void
end_in_finally(void *ctx)
{
    pk_on_end(ctx);
    pk_end_reactor();
}

/* The last reference goes in a callback: the end waits until it has returned.
 */
VT_TEST(reactor_may_end_inside_a_finally, .loops = N_STATES * N_POLICIES)
{
    struct pk_link last = { 0 };
    vetch_reactor *r = vt_reactor;

    vetch_promise_unref(build(_i));
    vetch_promise_unref(
        vetch_finally(vetch_resolved(NULL, NULL), end_in_finally, &last));
    loop_runs = true;
    ck_assert_int_eq(vetch_reactor_run(r), 0);
    loop_runs = false;
    ck_assert_ptr_null(vetch_reactor_current());
    ck_assert_uint_eq(last.ran, 1);
    check_after();
}

/* ---- single claims ---- */

VT_CASE("claims", pk_tcase);

VT_TEST(reactor_end_with_a_callback_calls_it_at_most_once)
{
    struct pk_op stops = { .on_cancel = PK_AGREE };
    struct pk_op goes_on = { .on_cancel = PK_NOTE };
    struct pk_done told = { 0 }, not_told = { 0 };

    vetch_callback(pk_start(&stops), pk_on_done, &told);
    vetch_callback(pk_start(&goes_on), pk_on_done, &not_told);
    pk_end_reactor();
    ck_assert_uint_eq(told.ran, 1);
    ck_assert_int_eq(told.code, VETCH_ECANCELED);
    ck_assert_uint_eq(not_told.ran, 0);
    pk_drop(&goes_on);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "did not stop"));
}

VT_TEST(reactor_end_keeps_settled_promises)
{
    struct pk_thing thing = { 0 };
    vetch_promise *value = pk_value(&thing);
    vetch_promise *link = vetch_then(vetch_promise_ref(value), NULL, NULL);
    vetch_promise *error = pk_error(VETCH_EUSER + 1);

    ck_assert_ptr_nonnull(vetch_promise_error(error));
    vt_run_ready();
    pk_end_reactor();
    pk_assert_value(value, &thing);
    pk_assert_value(link, &thing);
    pk_assert_error(error, VETCH_EUSER + 1);
    vetch_promise_unref(value);
    pk_assert_alive(&thing);
    vetch_promise_unref(link);
    pk_assert_freed(&thing);
    vetch_promise_unref(error);
}

VT_TEST(reactor_end_keeps_results)
{
    struct pk_thing thing = { 0 };
    vetch_promise *child = pk_value(&thing);
    vetch_results *r = vetch_run(vetch_all(&child, 1), NULL);

    pk_end_reactor();
    ck_assert_ptr_eq(vetch_results_value(r, 0), &thing);
    pk_assert_alive(&thing);
    vetch_results_unref(r);
    pk_assert_freed(&thing);
}

VT_TEST(reactor_end_keeps_slots)
{
    vetch_semaphore *s = vetch_semaphore_new(1);
    void *slot = vetch_run(vetch_semaphore_acquire(s), NULL);
    vetch_promise *waiter = vetch_semaphore_acquire(s);

    pk_end_reactor();
    pk_assert_error(waiter, VETCH_ECANCELED);
    vetch_promise_unref(waiter);
    vetch_unref(slot);
    ck_assert_uint_eq(vetch_semaphore_available(s), 1);
    vetch_semaphore_unref(s);
}

static vetch_promise *
return_null(void *ctx)
{
    (void)ctx;
    return NULL;
}

#define assert_closed(expr)                                                    \
    do {                                                                       \
        vetch_promise *closed_ = (expr);                                       \
                                                                               \
        pk_assert_error(closed_, VETCH_ECLOSED);                               \
        vetch_promise_unref(closed_);                                          \
    } while (0)

/* Every operation, with nothing to run it. */
static void
assert_all_closed(vetch_promise *settled)
{
    vetch_promise *one[1];

    assert_closed(vetch_sleep(1));
    assert_closed(vetch_map(3, VETCH_NO_LIMIT, start_ith, NULL));
    assert_closed(vetch_repeat(return_null, NULL));
    assert_closed(vetch_timeout(vetch_promise_ref(settled), 1));
    one[0] = vetch_promise_ref(settled);
    assert_closed(vetch_all(one, 1));
    one[0] = vetch_promise_ref(settled);
    assert_closed(vetch_race(one, 1));
    one[0] = settled;
    assert_closed(vetch_wait(one, 1, 1, VETCH_WAIT_ALL_COMPLETED));
}

VT_TEST(reactor_end_closes_all_operations)
{
    struct pk_thing thing = { 0 };
    vetch_promise *held = vetch_resolved(pk_int(1), NULL);
    struct pk_link end = { 0 };

    pk_end_reactor();
    assert_all_closed(held);
    assert_closed(vetch_then(vetch_promise_ref(held), pk_never_value, NULL));
    assert_closed(vetch_handle(vetch_promise_ref(held), pk_never_value,
                               pk_never_error, NULL));
    assert_closed(vetch_shield(vetch_promise_ref(held)));
    assert_closed(vetch_finally(vetch_promise_ref(held), pk_on_end, &end));
    ck_assert_uint_eq(end.ran, 1); /* exactly once in every case */
    assert_closed(pk_value(&thing));
    pk_assert_freed(&thing);
    errno = 0;
    ck_assert_ptr_null(vetch_deferred_new(NULL, NULL));
    ck_assert_int_eq(errno, EPERM);
    errno = 0;
    ck_assert_ptr_null(vetch_as_completed(&held, 1));
    ck_assert_int_eq(errno, EPERM);
    errno = 0;
    ck_assert_int_eq(vetch_call_soon(pk_note, pk_word("never")), -1);
    ck_assert_int_eq(errno, EPERM);
    vetch_promise_unref(held);
}

static vetch_promise *
try_everything(const vetch_error *error, void *ctx)
{
    struct pk_link *end = ctx;
    vetch_promise *settled = vetch_resolved(pk_int(1), NULL);

    ck_assert_int_eq(vetch_error_code(error), VETCH_ECANCELED);
    assert_all_closed(settled);
    vetch_promise_unref(settled);
    errno = 0;
    ck_assert_ptr_null(vetch_deferred_new(NULL, NULL));
    ck_assert_int_eq(errno, ECANCELED);
    errno = 0;
    ck_assert_int_eq(vetch_call_soon(pk_note, pk_word("never")), -1);
    ck_assert_int_eq(errno, ECANCELED);
    pk_note(pk_word("tried"));
    return vetch_finally(vetch_sleep(1), pk_on_end, end);
}

VT_TEST(reactor_that_ends_closes_all_operations)
{
    struct pk_op stops = { .on_cancel = PK_AGREE };
    struct pk_link end = { 0 };
    vetch_promise *p =
        vetch_handle(pk_start(&stops), pk_never_value, try_everything, &end);

    pk_end_reactor();
    ck_assert_str_eq(pk_trace(), "tried");
    ck_assert_uint_eq(end.ran, 1);
    pk_assert_error(p, VETCH_ECLOSED);
    vetch_promise_unref(p);
    (void)pk_reports(); /* it was not yet looked at when its reactor ended */
}

VT_TEST(reactor_end_reports_no_cancel)
{
    struct pk_op stops = { .on_cancel = PK_AGREE };

    vetch_promise_unref(vetch_then(pk_start(&stops), NULL, NULL));
    vetch_promise_unref(vetch_sleep(1));
    pk_end_reactor();
    ck_assert_uint_eq(pk_reports(), 0);
}

VT_TEST(reactor_end_frees_the_contexts)
{
    for (int i = 0; i < 10; i++) {
        char *ctx = strdup("freed by finally");
        vetch_promise *p = vetch_then(vetch_sleep(i), pk_never_value, ctx);

        ck_assert_ptr_nonnull(ctx);
        vetch_promise_unref(vetch_finally(p, free, ctx));
    }
    pk_end_reactor();
}

static unsigned n_again;

static vetch_promise *
again(const vetch_error *error, void *ctx)
{
    vetch_promise *p = vetch_rejected(vetch_error_ref(error));

    n_again++;
    return vetch_handle(p, pk_never_value, again, ctx);
}

VT_TEST(reactor_end_comes_whatever_is_made_ready)
{
    struct pk_op stops = { .on_cancel = PK_AGREE };
    struct pk_link end = { 0 };
    vetch_promise *p =
        vetch_handle(pk_start(&stops), pk_never_value, again, NULL);

    vetch_promise_unref(vetch_finally(p, pk_on_end, &end));
    pk_end_reactor();
    ck_assert_uint_eq(end.ran, 1);
    ck_assert_uint_ge(n_again, 1000);
    ck_assert_uint_le(n_again, 10000);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "did not run"));
}

VT_TEST(reactor_end_lets_a_chain_of_clean_ups_run)
{
    struct pk_op stops = { .on_cancel = PK_AGREE };
    vetch_promise *p = pk_start(&stops);

    for (int i = 0; i < 5; i++) {
        p = vetch_handle(p, pk_never_value, pk_pass_error, pk_word("h"));
        p = vetch_finally(p, pk_note, pk_word("f"));
    }
    vetch_promise_unref(p);
    pk_end_reactor();
    ck_assert_str_eq(pk_trace(), "h f h f h f h f h f");
}

VT_TEST(reactor_ends_with_the_last_reference_only)
{
    struct pk_op op0 = { .on_cancel = PK_AGREE };
    vetch_promise *p = pk_start(&op0);

    vetch_reactor_ref(vt_reactor);
    vetch_reactor_unref(vt_reactor);
    ck_assert_uint_eq(op0.canceled, 0);
    pk_resolve_number(&op0, 1);
    pk_expect_value(p, 1);
}

VT_TEST(reactor_may_be_followed_by_another)
{
    struct pk_thing thing = { 0 };
    struct pk_op refuses = { .on_cancel = PK_NOTE };
    vetch_promise *old = pk_value(&thing), *p;
    vetch_promise *pending = pk_start(&refuses);

    pk_end_reactor();
    (void)vt_log_take();
    (void)pk_reports();
    vt_reactor = vetch_reactor_new();
    ck_assert_ptr_nonnull(vt_reactor);
    p = vetch_then(old, pk_pass_value, pk_word("old value, new reactor"));
    pk_expect_trace("old value, new reactor");
    pk_expect_value(p, &thing);
    pk_assert_freed(&thing);
    pk_drop(&refuses);
    pk_assert_error(pending, VETCH_ECLOSED);
    vetch_promise_unref(pending);
    pk_end_reactor();
}

static void
end_in_canceller(vetch_deferred *d, void *ctx)
{
    (void)ctx;
    pk_end_reactor();
    vetch_deferred_cancel(d);
}

VT_TEST(reactor_may_end_inside_a_canceller)
{
    vetch_deferred *d = vetch_deferred_new(end_in_canceller, NULL);
    struct pk_op other = { .on_cancel = PK_AGREE };
    struct pk_link end = { 0 };
    vetch_promise *p = vetch_deferred_promise(d);

    p = vetch_finally(p, pk_on_end, &end);
    vetch_promise_unref(vetch_finally(pk_start(&other), pk_on_end, &end));
    vetch_promise_cancel(p);
    ck_assert_uint_eq(end.ran, 2);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    vetch_promise_unref(p);
    vetch_deferred_unref(d);
    pk_drop(&other);
    (void)vt_log_take();
    (void)pk_reports();
}

static void
end_in_free(void *value)
{
    pk_free(value);
    pk_end_reactor();
}

VT_TEST(reactor_may_end_inside_a_free_function)
{
    struct pk_thing thing = { 0 }, other = { 0 };
    struct pk_link end = { 0 };
    vetch_promise *p = vetch_resolved(&thing, end_in_free);

    vetch_promise_unref(vetch_then(pk_value(&other), pk_never_value, NULL));
    vetch_promise_unref(vetch_finally(vetch_sleep(1), pk_on_end, &end));
    vetch_promise_unref(p);
    pk_assert_freed(&thing);
    pk_assert_freed(&other);
    ck_assert_uint_eq(end.ran, 1);
}
