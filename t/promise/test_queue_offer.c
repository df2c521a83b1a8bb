/* Queues: rule 14 of the contract. No item is lost or overtaken, whatever
 * becomes of the get that it was given to. */

#include "support/promise_kit.h"

#include <string.h>

#define N_THINGS 6

static vetch_queue *queue;
static struct pk_thing things[N_THINGS];

static void
set_up(void)
{
    queue = vetch_queue_new(3);
    ck_assert_ptr_nonnull(queue);
    for (size_t i = 0; i < N_THINGS; i++)
        things[i] = (struct pk_thing){ .number = (int)i };
}

static void
tear_down(void)
{
    queue = vetch_queue_unref(queue);
}

static void
put(size_t i)
{
    ck_assert_int_eq(vetch_queue_try_put(queue, &things[i], pk_free), 0);
}

static void
put_all(size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(i);
}

/* Take out what is there: it must be the things from `first` to `last`. */
static void
expect_things(size_t first, size_t last)
{
    for (size_t i = first; i <= last; i++)
        pk_expect_value(vetch_queue_get(queue), &things[i]);
    ck_assert_uint_eq(vetch_queue_count(queue), 0);
}

static vetch_promise *
get_and_never(void)
{
    return vetch_then(vetch_queue_get(queue), pk_never_value, NULL);
}

/* ---- back to the old place ---- */

VT_CASE("rule 14", pk_tcase, .set_up = set_up, .take_down = tear_down);

VT_TEST(rule_14_queue_cancelled_get_gives_its_item_back)
{
    vetch_promise *p;

    put_all(2);
    p = get_and_never();
    ck_assert_uint_eq(vetch_queue_count(queue), 1);
    vetch_promise_cancel(p);
    ck_assert_uint_eq(vetch_queue_count(queue), 2);
    pk_expect_error(p, VETCH_ECANCELED);
    expect_things(0, 1);
}

VT_TEST(rule_14_queue_released_get_gives_its_item_back)
{
    put_all(2);
    vetch_promise_unref(vetch_queue_get(queue));
    expect_things(0, 1);
}

VT_TEST(rule_14_queue_get_that_timed_out_gives_its_item_back)
{
    vetch_promise *p = vetch_timeout(vetch_queue_get(queue), 1);

    vt_advance(1);
    pk_expect_error(p, VETCH_ETIMEDOUT);
    put(0);
    expect_things(0, 0);
}

VT_TEST(rule_14_queue_losing_get_gives_its_item_back)
{
    vetch_promise *both[2];

    put_all(2);
    both[0] = vetch_resolved(pk_int(7), NULL);
    both[1] = vetch_queue_get(queue);
    pk_expect_value(vetch_race(both, 2), 7);
    expect_things(0, 1);
}

VT_TEST(rule_14_queue_items_come_back_in_order_from_cancels_in_any_order,
        .loops = 6)
{
    static const int orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
                                      { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
    vetch_promise *p[3];

    put_all(3);
    for (int i = 0; i < 3; i++)
        p[i] = get_and_never();
    put(3);
    for (int i = 0; i < 3; i++)
        vetch_promise_cancel(p[orders[_i][i]]);
    for (int i = 0; i < 3; i++)
        pk_expect_error(p[i], VETCH_ECANCELED);
    expect_things(0, 3);
}

VT_TEST(rule_14_queue_many_items_come_back_in_order)
{
    enum { N = 1000 };
    vetch_queue *q = vetch_queue_new(VETCH_NO_LIMIT);
    vetch_promise *p[N];

    for (int i = 0; i < N; i++)
        ck_assert_int_eq(vetch_queue_try_put(q, pk_int(i + 1), NULL), 0);
    for (int i = 0; i < N; i++)
        p[i] = vetch_queue_get(q);
    for (int i = 0; i < N; i++) /* 7 and 1000 have no common factor */
        vetch_promise_unref(p[i * 7 % N]);
    for (int i = 0; i < N; i++)
        pk_expect_value(vetch_queue_get(q), i + 1);
    vetch_queue_unref(q);
}

static vetch_promise *
cancel_other(void *item, void *other)
{
    ck_assert_ptr_eq(item, &things[0]);
    vetch_promise_cancel(*(vetch_promise **)other);
    return NULL;
}

VT_TEST(rule_14_queue_handler_may_cancel_the_get_that_is_dispatched_next)
{
    vetch_promise *first, *second;

    put_all(2);
    first = vetch_then(vetch_queue_get(queue), cancel_other, &second);
    second = get_and_never();
    pk_expect_value(first, NULL);
    pk_expect_error(second, VETCH_ECANCELED);
    expect_things(1, 1);
}

/* ---- to somebody else ---- */

VT_TEST(rule_14_queue_item_that_comes_back_goes_to_who_waits)
{
    vetch_promise *p, *next;

    put(0);
    p = get_and_never();
    next = vetch_queue_get(queue);
    pk_assert_pending(next);
    vetch_promise_cancel(p);
    pk_expect_value(next, &things[0]);
    pk_expect_error(p, VETCH_ECANCELED);
}

VT_TEST(rule_14_queue_get_that_nobody_holds_swallows_no_item)
{
    vetch_promise *p;

    for (int i = 0; i < 10000; i++) /* however many: no deep stack */
        vetch_promise_unref(vetch_queue_get(queue));
    p = vetch_queue_get(queue);
    put(0);
    pk_expect_value(p, &things[0]);
}

VT_TEST(rule_14_queue_get_that_nobody_holds_leaves_the_item_in_the_queue)
{
    vetch_promise_unref(vetch_queue_get(queue));
    put_all(2);
    expect_things(0, 1);
}

/* ---- into a full queue ---- */

VT_TEST(rule_14_queue_takes_items_back_when_it_is_full)
{
    vetch_promise *p, *waiting;

    put_all(3);
    p = get_and_never();
    put(3);
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(vetch_queue_count(queue), 4);
    waiting = vetch_queue_put(queue, &things[4], pk_free);
    pk_expect_value(vetch_queue_get(queue), &things[0]);
    pk_expect_pending(waiting);
    pk_expect_value(vetch_queue_get(queue), &things[1]);
    pk_expect_value(waiting, NULL);
    expect_things(2, 4);
}

/* ---- at the end ---- */

VT_TEST(rule_14_queue_that_is_closed_takes_items_back)
{
    vetch_promise *p;

    put_all(2);
    p = get_and_never();
    vetch_queue_close(queue);
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    expect_things(0, 1);
    pk_expect_value(vetch_queue_get(queue), NULL);
}

VT_TEST(rule_14_queue_that_is_closed_ends_when_nothing_can_come_back)
{
    vetch_promise *p, *waiting, *late;

    put(0);
    p = vetch_queue_get(queue);
    waiting = vetch_queue_get(queue);
    vetch_queue_close(queue);
    late = vetch_queue_get(queue);
    pk_expect_pending(waiting);
    pk_expect_pending(late);
    pk_expect_value(p, &things[0]);
    pk_expect_value(waiting, NULL);
    pk_expect_value(late, NULL);
}

VT_TEST(rule_14_queue_that_is_closed_gives_what_comes_back_to_who_waits)
{
    vetch_promise *p, *waiting, *next;

    put(0);
    p = vetch_queue_get(queue);
    waiting = vetch_queue_get(queue);
    next = vetch_queue_get(queue);
    vetch_queue_close(queue);
    vetch_promise_unref(p);
    pk_expect_value(waiting, &things[0]);
    pk_expect_value(next, NULL);
}

VT_TEST(rule_14_queue_that_is_released_frees_what_comes_back)
{
    vetch_promise *p[2];

    put_all(2);
    p[0] = vetch_queue_get(queue);
    p[1] = vetch_queue_get(queue);
    queue = vetch_queue_unref(queue);
    vetch_promise_unref(p[0]);
    pk_assert_freed(&things[0]);
    pk_assert_alive(&things[1]);
    pk_expect_value(p[1], &things[1]);
    pk_assert_freed(&things[1]);
}

VT_TEST(rule_14_queue_is_as_it_was_after_the_end_of_its_reactor)
{
    vetch_promise *held, *chained;

    put_all(2);
    held = vetch_queue_get(queue);
    chained = get_and_never();
    pk_end_reactor();
    ck_assert_uint_eq(vetch_queue_count(queue), 1);
    vetch_promise_unref(held);
    vetch_promise_unref(chained);
    ck_assert_uint_eq(vetch_queue_count(queue), 2);
    pk_assert_alive(&things[0]);
    pk_assert_alive(&things[1]);
}

static void
get_without_memory(bool unharmed)
{
    vetch_queue *q = vetch_queue_new(3);
    vetch_promise *p;
    bool got;

    things[0].freed = 0;
    if (q == NULL || vetch_queue_try_put(q, &things[0], pk_free) < 0) {
        vetch_queue_unref(q);
        return;
    }
    p = vetch_timeout(vetch_queue_get(q), 1);
    vt_run_ready();
    got = vetch_promise_state(p) == VETCH_FULFILLED &&
          vetch_promise_value(p) != NULL;
    ck_assert(got || !unharmed);
    vetch_promise_unref(p);
    ck_assert_uint_eq(things[0].freed, got);
    ck_assert_uint_eq(vetch_queue_count(q), !got);
    vetch_queue_unref(q);
    pk_assert_freed(&things[0]);
    pk_reports();
}

VT_TEST(rule_14_queue_keeps_its_item_when_a_get_has_no_memory)
{
    vt_sweep_allocations(get_without_memory);
}

/* ---- until all has been worked off ---- */

VT_CASE("drained", pk_tcase, .set_up = set_up, .take_down = tear_down);

VT_TEST(queue_into_which_nothing_was_put_is_drained)
{
    pk_expect_value(vetch_queue_drained(queue), NULL);
}

VT_TEST(queue_is_drained_when_each_item_was_done)
{
    vetch_promise *drained;

    put_all(2);
    drained = vetch_queue_drained(queue);
    expect_things(0, 1);
    pk_expect_pending(drained);
    vetch_queue_done(queue);
    pk_expect_pending(drained);
    vetch_queue_done(queue);
    pk_expect_value(drained, NULL);
    pk_expect_value(vetch_queue_drained(queue), NULL);
}

VT_TEST(queue_is_not_drained_while_an_item_is_on_its_way)
{
    vetch_promise *p, *drained;

    put(0);
    p = vetch_queue_get(queue);
    drained = vetch_queue_drained(queue);
    pk_expect_pending(drained);
    vetch_promise_unref(p); /* it went back: nobody has to say done */
    pk_expect_pending(drained);
    expect_things(0, 0);
    vetch_queue_done(queue);
    pk_expect_value(drained, NULL);
}

VT_TEST(queue_is_not_drained_while_a_put_waits)
{
    vetch_promise *waiting, *drained;

    put_all(3);
    waiting = vetch_queue_put(queue, &things[3], pk_free);
    drained = vetch_queue_drained(queue);
    for (size_t i = 0; i < 4; i++) {
        pk_expect_pending(drained);
        pk_expect_value(vetch_queue_get(queue), &things[i]);
        vetch_queue_done(queue);
    }
    pk_expect_value(drained, NULL);
    pk_expect_value(waiting, NULL);
}

VT_TEST(queue_may_be_closed_before_it_is_drained)
{
    vetch_promise *drained;

    put(0);
    drained = vetch_queue_drained(queue);
    vetch_queue_close(queue);
    expect_things(0, 0);
    pk_expect_pending(drained);
    vetch_queue_done(queue);
    pk_expect_value(drained, NULL);
}

VT_TEST(queue_that_is_released_refuses_who_waits_for_its_drain)
{
    vetch_promise *drained;

    put(0);
    drained = vetch_queue_drained(queue);
    queue = vetch_queue_unref(queue);
    pk_expect_error(drained, VETCH_ECLOSED);
}

VT_TEST(queue_drain_may_be_cancelled_by_one_who_waits)
{
    vetch_promise *one, *other;

    put(0);
    one = vetch_queue_drained(queue);
    other = vetch_queue_drained(queue);
    vetch_promise_cancel(one);
    pk_expect_error(one, VETCH_ECANCELED);
    expect_things(0, 0);
    vetch_queue_done(queue);
    pk_expect_value(other, NULL);
}

VT_TEST(queue_done_more_often_than_items_were_got_is_misuse, .misuse = true)
{
    vt_log_from(VETCH_LOG_ERROR);
    put(0);
    vetch_queue_done(queue);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "vetch_queue_done"));
    expect_things(0, 0);
    vetch_queue_done(queue);
}
