/* Queues: rule 11 of the contract. */

#include "support/promise_kit.h"

#include <errno.h>

#include <vetch/testing.h>

static vetch_queue *queue;
static struct pk_thing things[4];

static void
set_up(void)
{
    queue = vetch_queue_new(2);
    ck_assert_ptr_nonnull(queue);
    for (size_t i = 0; i < 4; i++)
        things[i] = (struct pk_thing){ .number = (int)i };
}

static void
tear_down(void)
{
    queue = vetch_queue_unref(queue);
}

static vetch_promise *
put(size_t i)
{
    return vetch_queue_put(queue, &things[i], pk_free);
}

static void
put_now(size_t i)
{
    pk_expect_value(put(i), NULL);
}

VT_CASE("queue", pk_tcase, .set_up = set_up, .take_down = tear_down);

VT_TEST(rule_11_queue_without_capacity_is_refused)
{
    ck_assert_ptr_null(vetch_queue_new(0));
    ck_assert_int_eq(errno, EINVAL);
}

VT_TEST(rule_11_queue_gives_items_in_order)
{
    put_now(0);
    put_now(1);
    ck_assert_uint_eq(vetch_queue_count(queue), 2);
    pk_expect_value(vetch_queue_get(queue), &things[0]);
    pk_expect_value(vetch_queue_get(queue), &things[1]);
    ck_assert_uint_eq(vetch_queue_count(queue), 0);
    pk_assert_freed(&things[0]);
    pk_assert_freed(&things[1]);
}

VT_TEST(rule_11_queue_put_waits_while_it_is_full)
{
    vetch_promise *third;

    put_now(0);
    put_now(1);
    third = put(2);
    pk_expect_pending(third);
    pk_expect_value(vetch_queue_get(queue), &things[0]);
    pk_expect_value(third, NULL);
    pk_expect_value(vetch_queue_get(queue), &things[1]);
    pk_expect_value(vetch_queue_get(queue), &things[2]);
}

VT_TEST(rule_11_queue_get_waits_while_it_is_empty)
{
    vetch_promise *a = vetch_queue_get(queue), *b = vetch_queue_get(queue);

    pk_expect_pending(a);
    put_now(0);
    put_now(1);
    pk_expect_value(a, &things[0]);
    pk_expect_value(b, &things[1]);
}

VT_TEST(rule_11_queue_cancelled_get_gives_its_turn_to_the_next)
{
    vetch_promise *a = vetch_queue_get(queue), *b = vetch_queue_get(queue);

    vetch_promise_cancel(a);
    pk_expect_error(a, VETCH_ECANCELED);
    put_now(0);
    pk_expect_value(b, &things[0]);
}

VT_TEST(rule_11_queue_cancelled_put_frees_its_item)
{
    vetch_promise *third, *fourth;

    put_now(0);
    put_now(1);
    third = put(2);
    fourth = put(3);
    vetch_promise_cancel(third);
    pk_expect_error(third, VETCH_ECANCELED);
    pk_assert_freed(&things[2]);
    pk_expect_value(vetch_queue_get(queue), &things[0]);
    pk_expect_value(fourth, NULL);
    pk_expect_value(vetch_queue_get(queue), &things[1]);
    pk_expect_value(vetch_queue_get(queue), &things[3]);
}

VT_TEST(rule_11_queue_close_lets_items_out_and_then_ends)
{
    put_now(0);
    vetch_queue_close(queue);
    vetch_queue_close(queue);
    pk_expect_value(vetch_queue_get(queue), &things[0]);
    pk_expect_value(vetch_queue_get(queue), NULL);
}

VT_TEST(rule_11_queue_close_ends_waiting_gets)
{
    vetch_promise *p = vetch_queue_get(queue);

    pk_expect_pending(p);
    vetch_queue_close(queue);
    pk_expect_value(p, NULL);
}

VT_TEST(rule_11_queue_close_refuses_waiting_puts)
{
    vetch_promise *third;

    put_now(0);
    put_now(1);
    third = put(2);
    vetch_queue_close(queue);
    pk_expect_error(third, VETCH_ECLOSED);
    pk_assert_freed(&things[2]);
    pk_assert_alive(&things[0]);
}

VT_TEST(rule_11_queue_put_after_close_frees_the_item)
{
    vetch_queue_close(queue);
    pk_expect_error(put(0), VETCH_ECLOSED);
    pk_assert_freed(&things[0]);
}

VT_TEST(rule_11_queue_put_of_nothing_is_refused)
{
    pk_expect_error(vetch_queue_put(queue, NULL, NULL), EINVAL);
}

VT_TEST(rule_11_queue_try_put_refuses_when_it_is_full)
{
    ck_assert_int_eq(vetch_queue_try_put(queue, &things[0], pk_free), 0);
    ck_assert_int_eq(vetch_queue_try_put(queue, &things[1], pk_free), 0);
    ck_assert_int_eq(vetch_queue_try_put(queue, &things[2], pk_free), -1);
    ck_assert_int_eq(errno, EAGAIN);
    pk_assert_alive(&things[2]);
    pk_expect_value(vetch_queue_get(queue), &things[0]);
    ck_assert_int_eq(vetch_queue_try_put(queue, &things[2], pk_free), 0);
}

VT_TEST(rule_11_queue_try_put_serves_who_waits)
{
    vetch_promise *p = vetch_queue_get(queue);

    ck_assert_int_eq(vetch_queue_try_put(queue, &things[0], pk_free), 0);
    pk_expect_value(p, &things[0]);
}

VT_TEST(rule_11_queue_try_put_into_a_closed_queue_is_refused)
{
    vetch_queue_close(queue);
    ck_assert_int_eq(vetch_queue_try_put(queue, &things[0], pk_free), -1);
    ck_assert_int_eq(errno, EPIPE);
    pk_assert_alive(&things[0]);
}

VT_TEST(rule_11_queue_try_put_of_nothing_is_refused)
{
    ck_assert_int_eq(vetch_queue_try_put(queue, NULL, NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
}

VT_TEST(rule_11_queue_without_limit_is_never_full)
{
    vetch_queue *q = vetch_queue_new(VETCH_NO_LIMIT);

    for (int i = 1; i <= 1000; i++)
        ck_assert_int_eq(vetch_queue_try_put(q, pk_int(i), NULL), 0);
    for (int i = 1; i <= 1000; i++)
        pk_expect_value(vetch_queue_get(q), i);
    vetch_queue_unref(q);
}

VT_TEST(rule_11_queue_released_frees_its_items)
{
    put_now(0);
    put_now(1);
    queue = vetch_queue_unref(queue);
    pk_assert_freed(&things[0]);
    pk_assert_freed(&things[1]);
}

static void
release_queue(void *item)
{
    (void)item;
    queue = vetch_queue_unref(queue);
}

/* LESSONS 2: what is freed may release the queue that it was in. */
VT_TEST(rule_11_queue_may_be_released_by_the_free_function_of_an_item)
{
    vetch_promise *refused, *other;

    put_now(0);
    put_now(1);
    refused = vetch_queue_put(queue, &things[2], release_queue);
    other = put(3);
    vetch_queue_close(queue);
    pk_assert_freed(&things[0]);
    pk_assert_freed(&things[1]);
    pk_assert_freed(&things[3]);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(refused)),
                     VETCH_ECLOSED);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(other)),
                     VETCH_ECLOSED);
    vetch_promise_unref(refused);
    vetch_promise_unref(other);
}

/* A producer and a consumer as tasks: the page's example. */
static vetch_promise *
produce(void *ctx)
{
    (void)ctx;
    for (intptr_t i = 1; i <= 100; i++)
        vetch_await(vetch_queue_put(queue, pk_int(i), NULL), NULL);
    vetch_queue_close(queue);
    return NULL;
}

static vetch_promise *
consume(void *ctx)
{
    intptr_t item, sum = 0;

    (void)ctx;
    while ((item = (intptr_t)vetch_await(vetch_queue_get(queue), NULL)) != 0)
        sum += item;
    return vetch_resolved(pk_int(sum), NULL);
}

VT_TEST(rule_11_queue_works_between_tasks)
{
    vetch_promise *producer = vetch_spawn(produce, NULL);

    pk_expect_value(vetch_spawn(consume, NULL), 5050);
    vetch_promise_unref(producer);
}

static void
put_and_get(bool unharmed)
{
    vetch_promise *p[6];

    for (size_t i = 0; i < 3; i++) {
        things[i].freed = 0;
        p[i] = put(i);
    }
    for (size_t i = 3; i < 6; i++)
        p[i] = vetch_queue_get(queue);
    vt_run_ready();
    for (size_t i = 0; i < 6; i++) {
        if (unharmed)
            ck_assert_int_eq(vetch_promise_state(p[i]), VETCH_FULFILLED);
        vetch_promise_unref(p[i]);
    }
    queue = vetch_queue_unref(queue);
    vt_run_ready();
    for (size_t i = 0; i < 3; i++)
        pk_assert_freed(&things[i]);
    while (queue == NULL)
        queue = vetch_queue_new(2);
}

VT_TEST(rule_11_queue_without_memory_loses_nothing)
{
    uint64_t n = 0, allocations;

    do {
        vetch_testing_fail_allocation(++n, false);
        put_and_get(false);
        allocations = vetch_testing_allocations();
        vetch_testing_fail_allocation(0, false);
    } while (n <= allocations);
    put_and_get(true);
}
