/* What becomes of each call when there is no memory: rule 13 of the contract,
 * claim by claim. test_promise_oom.c has whole graphs. */

#include "support/promise_kit.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <vetch/testing.h>

static void
no_memory_at_all(void)
{
    vetch_testing_fail_allocation(1, true);
}

static void
memory_again(void)
{
    vetch_testing_fail_allocation(0, false);
}

static vetch_promise *
never_start(void *ctx)
{
    (void)ctx;
    ck_abort_msg("nothing was to be started");
    return NULL;
}

static vetch_promise *
never_start_ith(size_t i, void *ctx)
{
    (void)i;
    return never_start(ctx);
}

#define assert_no_memory(constructed)                                          \
    do {                                                                       \
        errno = 0;                                                             \
        ck_assert_ptr_null(constructed);                                       \
        ck_assert_int_eq(errno, ENOMEM);                                       \
    } while (0)

VT_CASE("claims", pk_tcase);

VT_TEST(rule_13_constructors_return_null_and_errno)
{
    no_memory_at_all();
    assert_no_memory(vetch_deferred_new(NULL, NULL));
    assert_no_memory(vetch_as_completed(NULL, 0));
    assert_no_memory(vetch_scope_new());
    assert_no_memory(vetch_semaphore_new(1));
    assert_no_memory(vetch_event_new());
    assert_no_memory(vetch_queue_new(1));
    assert_no_memory(vetch_executor_new(NULL));
    memory_again();
}

VT_TEST(rule_13_operation_that_cannot_start_is_a_rejection)
{
    struct pk_thing thing = { 0 };

    no_memory_at_all();
    pk_expect_error(vetch_resolved(&thing, pk_free), VETCH_ENOMEM);
    pk_assert_freed(&thing);
    pk_expect_error(vetch_rejected(vetch_error_new(VETCH_EUSER, "x")),
                    VETCH_ENOMEM);
    pk_expect_error(vetch_sleep(1), VETCH_ENOMEM);
    pk_expect_error(vetch_map(3, VETCH_NO_LIMIT, never_start_ith, NULL),
                    VETCH_ENOMEM);
    pk_expect_error(vetch_repeat(never_start, NULL), VETCH_ENOMEM);
    pk_expect_error(vetch_spawn(never_start, NULL), VETCH_ENOMEM);
    memory_again();
}

VT_TEST(rule_13_operations_that_cannot_start_share_an_immortal_promise)
{
    vetch_semaphore *semaphore = vetch_semaphore_new(1);
    vetch_event *event = vetch_event_new();
    vetch_queue *queue = vetch_queue_new(1);
    vetch_promise *p;

    no_memory_at_all();
    p = vetch_sleep(1);
    ck_assert_ptr_eq(vetch_semaphore_acquire(semaphore), p);
    ck_assert_ptr_eq(vetch_event_wait(event), p);
    ck_assert_ptr_eq(vetch_queue_get(queue), p);
    ck_assert_ptr_eq(vetch_repeat(never_start, NULL), p);
    ck_assert_ptr_eq(vetch_spawn(never_start, NULL), p);
    memory_again();
    for (int i = 0; i < 10; i++) /* one time for each, and more */
        vetch_promise_unref(p);
    vetch_promise_cancel(p);
    pk_expect_error(vetch_then(p, pk_never_value, NULL), VETCH_ENOMEM);
    ck_assert_uint_eq(vetch_semaphore_available(semaphore), 1);
    vetch_semaphore_unref(semaphore);
    vetch_event_unref(event);
    vetch_queue_unref(queue);
}

VT_TEST(rule_13_link_that_cannot_be_made_cancels_and_returns_its_promise)
{
    struct pk_thing thing = { 0 };
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *p = pk_start(&op), *link;

    no_memory_at_all();
    link = vetch_then(p, pk_never_value, NULL);
    memory_again();
    ck_assert_ptr_eq(link, p);
    pk_expect_pending(link);
    ck_assert_uint_eq(op.canceled, 1);
    pk_resolve(&op, &thing); /* even if it succeeds all the same */
    pk_expect_error(link, VETCH_ENOMEM);
    pk_assert_freed(&thing);
}

typedef vetch_promise *(*combine_fn)(vetch_promise *const *promises, size_t n);
static const combine_fn combinators[] = { vetch_all, vetch_all_settled,
                                          vetch_race, vetch_any };

VT_TEST(rule_13_combinator_that_cannot_be_made_stops_its_children, .loops = 4)
{
    struct pk_op ops[3] = { { .on_cancel = PK_NOTE },
                            { .on_cancel = PK_NOTE },
                            { .on_cancel = PK_NOTE } };
    vetch_promise *children[3], *p;

    for (int i = 0; i < 3; i++)
        children[i] = pk_start(&ops[i]);
    no_memory_at_all();
    p = combinators[_i](children, 3);
    memory_again();
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(ops[i].canceled, 1);
    pk_resolve_number(&ops[0], 1); /* all the same */
    pk_stop(&ops[2]);
    pk_expect_pending(p); /* until all have stopped */
    pk_stop(&ops[1]);
    pk_expect_error(p, VETCH_ENOMEM);
}

VT_TEST(rule_13_timeout_that_cannot_be_made_stops_the_work, .loops = 4)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *p = pk_start(&op);

    vetch_testing_fail_allocation((uint64_t)_i + 1, true);
    p = vetch_timeout(p, 1000);
    memory_again();
    ck_assert_uint_eq(op.canceled, 1);
    pk_expect_pending(p);
    pk_stop(&op);
    pk_expect_error(p, VETCH_ENOMEM);
}

VT_TEST(rule_13_link_to_a_settled_promise_fails_at_once)
{
    struct pk_thing thing = { 0 };
    vetch_promise *p = pk_value(&thing);

    no_memory_at_all();
    p = vetch_then(p, pk_never_value, NULL);
    memory_again();
    pk_assert_error(p, VETCH_ENOMEM);
    vetch_promise_unref(p);
    pk_assert_freed(&thing);
}

VT_TEST(rule_13_scope_that_cannot_take_a_child_cancels_the_others)
{
    struct pk_op ops[2] = { { .on_cancel = PK_NOTE },
                            { .on_cancel = PK_NOTE } };
    vetch_scope *scope = vetch_scope_new();
    vetch_promise *p = pk_start(&ops[1]), *end;

    vetch_scope_add(scope, pk_start(&ops[0]));
    no_memory_at_all();
    vetch_scope_add(scope, p);
    memory_again();
    ck_assert_uint_eq(ops[0].canceled, 1);
    ck_assert_uint_eq(ops[1].canceled, 1);
    end = vetch_scope_end(scope);
    pk_stop(&ops[1]);
    pk_expect_pending(end);
    pk_stop(&ops[0]);
    pk_expect_error(end, VETCH_ENOMEM);
    vetch_scope_unref(scope);
}

VT_TEST(rule_13_callback_without_memory_stops_the_work)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    struct pk_done done = { 0 };
    vetch_promise *p = pk_start(&op);

    no_memory_at_all();
    vetch_callback(p, pk_on_done, &done);
    memory_again();
    vt_run_ready();
    ck_assert_uint_eq(op.canceled, 1);
    ck_assert_uint_eq(done.ran, 0);
    pk_resolve_number(&op, 1); /* even if it succeeds all the same */
    vt_run_ready();
    ck_assert_uint_eq(done.ran, 1);
    ck_assert_int_eq(done.code, VETCH_ENOMEM);
}

VT_TEST(rule_13_nothing_below_runs_before_the_work_has_stopped)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *p = pk_start(&op);
    struct pk_link caught = { 0 };

    no_memory_at_all();
    p = vetch_then(p, pk_never_value, NULL);
    memory_again();
    p = vetch_catch(p, pk_on_error, &caught);
    p = vetch_finally(p, pk_note, pk_word("end"));
    pk_expect_trace("");
    ck_assert_uint_eq(caught.ran, 0);
    pk_stop(&op);
    pk_expect_trace("end");
    ck_assert_int_eq(caught.code, VETCH_ENOMEM); /* which catch does see */
    pk_expect_value(p, NULL);
}

VT_TEST(rule_13_shared_promise_is_left_alone)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *held = pk_start(&op), *link;

    no_memory_at_all();
    link = vetch_then(vetch_promise_ref(held), pk_never_value, NULL);
    memory_again();
    pk_expect_error(link, VETCH_ENOMEM);
    ck_assert_uint_eq(op.canceled, 0);
    pk_resolve_number(&op, 2);
    pk_expect_value(held, 2);
}

VT_TEST(rule_13_branched_promise_is_left_alone)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *p = pk_start(&op), *link, *branch;

    branch = vetch_then(vetch_promise_ref(p), NULL, NULL);
    no_memory_at_all();
    link = vetch_then(p, pk_never_value, NULL);
    memory_again();
    pk_expect_error(link, VETCH_ENOMEM);
    ck_assert_uint_eq(op.canceled, 0);
    pk_resolve_number(&op, 2);
    pk_expect_value(branch, 2);
}

VT_TEST(rule_13_finally_is_made_from_the_reserve)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *p = pk_start(&op);
    struct pk_link end = { 0 };

    no_memory_at_all();
    p = vetch_finally(p, pk_on_end, &end);
    ck_assert_uint_eq(op.canceled, 0); /* nothing went wrong */
    pk_resolve_number(&op, 3);
    pk_expect_value(p, 3);
    memory_again();
    ck_assert_uint_eq(end.ran, 1);
}

VT_TEST(rule_13_finally_that_cannot_be_made_is_leaked_and_told)
{
    enum { MANY = 1000 };
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *p = pk_start(&op);
    struct pk_link ends[MANY] = { { 0 } };
    unsigned ran = 0;

    no_memory_at_all();
    for (int i = 0; i < MANY; i++)
        p = vetch_finally(p, pk_on_end, &ends[i]);
    vt_run_ready();
    for (int i = 0; i < MANY; i++)
        ck_assert_uint_eq(ends[i].ran, 0); /* never early */
    ck_assert_uint_eq(op.canceled, 1);
    pk_stop(&op);
    pk_expect_error(p, VETCH_ENOMEM);
    memory_again();
    for (int i = 0; i < MANY; i++)
        ran += ends[i].ran;
    ck_assert_uint_gt(ran, 0);
    ck_assert_uint_lt(ran, MANY);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "finally"));
}

/* ---- when even the reserve is used up ---- */

static struct pk_op greedy;
static struct pk_link ignored;

/* A chain that holds all of it. */
static vetch_promise *
use_up_the_reserve(void)
{
    vetch_promise *p, *next;

    greedy = (struct pk_op){ .on_cancel = PK_NOTE };
    next = pk_start(&greedy);
    no_memory_at_all();
    do {
        p = next;
        next = vetch_finally(p, pk_on_end, &ignored);
    } while (next != p);
    memory_again();
    return p;
}

static void
give_it_back(vetch_promise *p)
{
    pk_stop(&greedy);
    pk_expect_error(p, VETCH_ENOMEM);
    (void)vt_log_take(); /* that a finally was leaked */
}

VT_TEST(rule_13_child_that_cannot_be_watched_is_told_to_stop)
{
    vetch_promise *p, *reserve = use_up_the_reserve();
    struct pk_op ops[2] = { { .on_cancel = PK_NOTE },
                            { .on_cancel = PK_NOTE } };
    vetch_promise *children[] = { pk_start(&ops[0]), pk_start(&ops[1]) };

    vetch_testing_fail_allocation(4, true); /* the first watch's */
    p = vetch_all(children, 2);
    memory_again();
    ck_assert_uint_eq(ops[0].canceled, 1);
    ck_assert_uint_eq(ops[1].canceled, 1);
    pk_expect_error(p, VETCH_ENOMEM);
    pk_stop(&ops[0]);
    pk_stop(&ops[1]);
    give_it_back(reserve);
}

VT_TEST(rule_13_timeout_that_cannot_watch_is_rejected_at_once)
{
    vetch_promise *p, *reserve = use_up_the_reserve();
    struct pk_op op = { .on_cancel = PK_NOTE };

    p = pk_start(&op);
    vetch_testing_fail_allocation(3, true); /* the watch's */
    p = vetch_timeout(p, 1000);
    memory_again();
    ck_assert_uint_eq(op.canceled, 1);
    pk_expect_error(p, VETCH_ENOMEM);
    pk_stop(&op);
    give_it_back(reserve);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(rule_13_wait_that_cannot_look_leaves_its_promises_alone)
{
    vetch_promise *p, *w, *reserve = use_up_the_reserve();
    struct pk_op op = { .on_cancel = PK_NOTE };

    p = pk_start(&op);
    vetch_testing_fail_allocation(3, true); /* the watch's */
    w = vetch_wait(&p, 1, INFINITY, VETCH_WAIT_ALL_COMPLETED);
    pk_assert_error(w, VETCH_ENOMEM);
    vetch_testing_fail_allocation(2, true);
    assert_no_memory(vetch_as_completed(&p, 1));
    memory_again();
    ck_assert_uint_eq(op.canceled, 0);
    pk_resolve_number(&op, 1);
    pk_expect_value(p, 1);
    vetch_promise_unref(w);
    give_it_back(reserve);
}

VT_TEST(rule_13_callback_that_cannot_be_made_is_leaked_and_told)
{
    vetch_promise *p, *reserve = use_up_the_reserve();
    struct pk_op op = { .on_cancel = PK_NOTE };
    struct pk_done done = { 0 };

    p = pk_start(&op);
    (void)vt_log_take();
    no_memory_at_all();
    vetch_callback(p, pk_on_done, &done);
    memory_again();
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "a callback is leaked"));
    ck_assert_uint_eq(op.canceled, 1);
    pk_stop(&op);
    give_it_back(reserve);
    ck_assert_uint_eq(done.ran, 0);
}

/* A cancel would have to see to it that the value stays until the answer, which
 * others want, has settled. */
VT_TEST(rule_13_cancel_without_memory_waits_for_a_shared_answer)
{
    vetch_promise *reserve = use_up_the_reserve();
    struct pk_thing thing = { 0 };
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *answer = pk_start(&op), *p;
    struct pk_link link = { .answer = vetch_promise_ref(answer) };

    p = vetch_then(pk_value(&thing), pk_on_value, &link);
    vt_run_ready();
    no_memory_at_all();
    vetch_promise_cancel(p);
    pk_expect_pending(p);
    memory_again();
    pk_assert_alive(&thing);
    ck_assert_uint_eq(op.canceled, 0);
    pk_resolve_number(&op, 1);
    pk_expect_error(p, VETCH_ECANCELED);
    pk_assert_freed(&thing);
    pk_expect_value(answer, 1);
    give_it_back(reserve);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(rule_13_reserve_comes_back)
{
    for (int round = 0; round < 10; round++) {
        struct pk_op op = { 0 };
        vetch_promise *p = pk_start(&op);
        struct pk_link ends[100] = { { 0 } };

        no_memory_at_all();
        for (int i = 0; i < 100; i++)
            p = vetch_finally(p, pk_on_end, &ends[i]);
        pk_resolve_number(&op, 3);
        pk_expect_value(p, 3);
        memory_again();
        for (int i = 0; i < 100; i++)
            ck_assert_uint_eq(ends[i].ran, 1);
    }
}

VT_TEST(rule_13_error_without_memory_is_an_error)
{
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);
    vetch_promise *p = vetch_deferred_promise(d);

    no_memory_at_all();
    ck_assert(vetch_deferred_reject(d, vetch_error_new(VETCH_EUSER, "lost")));
    vetch_deferred_unref(d);
    memory_again();
    pk_expect_error(p, VETCH_ENOMEM);
}
