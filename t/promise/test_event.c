/* Events: rule 11 of the contract. */

#include "support/promise_kit.h"

#include <vetch/testing.h>

static vetch_event *event;

static void
set_up(void)
{
    event = vetch_event_new();
    ck_assert_ptr_nonnull(event);
}

static void
tear_down(void)
{
    event = vetch_event_unref(event);
}

static vetch_promise *
wait_and_note(const char *word)
{
    return vetch_then(vetch_event_wait(event), pk_pass_value, pk_word(word));
}

VT_CASE("event", pk_tcase, .set_up = set_up, .take_down = tear_down);

VT_TEST(rule_11_event_starts_unset)
{
    ck_assert(!vetch_event_is_set(event));
}

VT_TEST(rule_11_event_set_lets_all_waiters_go_in_order)
{
    vetch_promise *a = wait_and_note("a"), *b = wait_and_note("b");

    pk_expect_pending(a);
    vetch_event_set(event);
    ck_assert(vetch_event_is_set(event));
    pk_expect_trace("a b");
    vetch_promise_unref(a);
    vetch_promise_unref(b);
}

VT_TEST(rule_11_event_that_is_set_makes_nobody_wait)
{
    vetch_event_set(event);
    pk_expect_value(vetch_event_wait(event), NULL);
}

VT_TEST(rule_11_event_clear_makes_the_next_one_wait)
{
    vetch_promise *p;

    vetch_event_set(event);
    vetch_event_clear(event);
    p = vetch_event_wait(event);
    pk_expect_pending(p);
    vetch_event_set(event);
    pk_expect_value(p, NULL);
}

VT_TEST(rule_11_event_set_and_cleared_at_once_still_lets_waiters_go)
{
    vetch_promise *p = vetch_event_wait(event);

    vetch_event_set(event);
    vetch_event_clear(event);
    pk_expect_value(p, NULL);
}

VT_TEST(rule_11_event_waiter_can_be_cancelled)
{
    vetch_promise *a = wait_and_note("a"), *b = wait_and_note("b");

    vetch_promise_cancel(a);
    pk_expect_error(a, VETCH_ECANCELED);
    vetch_event_set(event);
    pk_expect_trace("b");
    vetch_promise_unref(b);
}

VT_TEST(rule_11_event_released_rejects_its_waiters)
{
    vetch_promise *p = vetch_event_wait(event);

    vetch_event_ref(event);
    vetch_event_unref(event);
    pk_expect_pending(p);
    event = vetch_event_unref(event);
    pk_expect_error(p, VETCH_EABANDONED);
}

VT_TEST(rule_11_event_wait_ends_with_the_reactor)
{
    vetch_promise *p = vetch_event_wait(event);

    pk_end_reactor();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    vetch_promise_unref(p);
}

static void
wait_and_set(bool unharmed)
{
    vetch_promise *p = vetch_event_wait(event);

    vetch_event_set(event);
    vt_run_ready();
    if (unharmed)
        ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    else
        ck_assert_int_ne(vetch_promise_state(p), VETCH_PENDING);
    vetch_promise_unref(p);
    vetch_event_clear(event);
}

VT_TEST(rule_11_event_wait_without_memory_is_a_rejection)
{
    vt_sweep_allocations(wait_and_set);
}
