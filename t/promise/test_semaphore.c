/* Semaphores: rule 11 of the contract. */

#include "support/promise_kit.h"

#include <errno.h>

VT_CASE("slots", pk_tcase);

VT_TEST(rule_11_semaphore_of_nothing_is_invalid)
{
    errno = 0;
    ck_assert_ptr_null(vetch_semaphore_new(0));
    ck_assert_int_eq(errno, EINVAL);
}

VT_TEST(rule_11_slots_are_counted)
{
    vetch_semaphore *s = vetch_semaphore_new(2);
    vetch_promise *a, *b, *c;

    ck_assert_uint_eq(vetch_semaphore_available(s), 2);
    a = vetch_semaphore_acquire(s);
    b = vetch_semaphore_acquire(s);
    ck_assert_uint_eq(vetch_semaphore_available(s), 0);
    c = vetch_semaphore_acquire(s);
    ck_assert_uint_eq(vetch_semaphore_waiting(s), 1);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(a), VETCH_FULFILLED);
    ck_assert_int_eq(vetch_promise_state(b), VETCH_FULFILLED);
    pk_assert_pending(c);
    vetch_promise_unref(b);
    vt_run_ready();
    ck_assert_uint_eq(vetch_semaphore_waiting(s), 0);
    ck_assert_int_eq(vetch_promise_state(c), VETCH_FULFILLED);
    vetch_promise_unref(a);
    vetch_promise_unref(c);
    vt_run_ready();
    ck_assert_uint_eq(vetch_semaphore_available(s), 2);
    vetch_semaphore_unref(s);
}

VT_TEST(rule_11_dropped_slot_goes_back)
{
    vetch_semaphore *s = vetch_semaphore_new(1);

    for (int i = 0; i < 5; i++) {
        vetch_promise_unref(vetch_semaphore_acquire(s));
        vt_run_ready();
        ck_assert_uint_eq(vetch_semaphore_available(s), 1);
    }
    vetch_semaphore_unref(s);
}

VT_TEST(rule_11_slot_that_was_handed_over_is_given_back_by_hand)
{
    vetch_semaphore *s = vetch_semaphore_new(1);
    vetch_slot *slot = vetch_run(vetch_semaphore_acquire(s), NULL);

    ck_assert_ptr_nonnull(slot);
    ck_assert_uint_eq(vetch_semaphore_available(s), 0);
    vetch_slot_release(slot);
    vetch_slot_release(NULL);
    ck_assert_uint_eq(vetch_semaphore_available(s), 1);
    vetch_semaphore_unref(s);
}

/* ---- "with semaphore" is one line ---- */

VT_TEST(rule_11_then_holds_the_slot_while_its_answer_is_pending)
{
    vetch_semaphore *s = vetch_semaphore_new(1);
    struct pk_op op = { 0 };
    struct pk_link link = { .answer = pk_start(&op) };
    vetch_promise *p =
        vetch_then(vetch_semaphore_acquire(s), pk_on_value, &link);

    pk_expect_pending(p);
    ck_assert_uint_eq(link.ran, 1);
    ck_assert_uint_eq(vetch_semaphore_available(s), 0);
    pk_resolve_number(&op, 1);
    pk_expect_value(p, 1);
    ck_assert_uint_eq(vetch_semaphore_available(s), 1);
    vetch_semaphore_unref(s);
}

VT_TEST(rule_11_slot_goes_back_when_the_answer_rejects)
{
    vetch_semaphore *s = vetch_semaphore_new(1);
    struct pk_op op = { 0 };
    struct pk_link link = { .answer = pk_start(&op) };
    vetch_promise *p =
        vetch_then(vetch_semaphore_acquire(s), pk_on_value, &link);

    vt_run_ready();
    pk_reject(&op, VETCH_EUSER);
    pk_expect_error(p, VETCH_EUSER);
    ck_assert_uint_eq(vetch_semaphore_available(s), 1);
    vetch_semaphore_unref(s);
}

VT_TEST(rule_11_slot_goes_back_when_the_cancelled_answer_has_stopped)
{
    vetch_semaphore *s = vetch_semaphore_new(1);
    struct pk_op op = { .on_cancel = PK_NOTE };
    struct pk_link link = { .answer = pk_start(&op) };
    vetch_promise *p =
        vetch_then(vetch_semaphore_acquire(s), pk_on_value, &link);

    vt_run_ready();
    vetch_promise_cancel(p);
    vt_run_ready();
    ck_assert_uint_eq(vetch_semaphore_available(s), 0);
    pk_stop(&op);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(vetch_semaphore_available(s), 1);
    vetch_semaphore_unref(s);
}

VT_TEST(rule_11_slot_goes_back_when_the_handler_did_not_run)
{
    vetch_semaphore *s = vetch_semaphore_new(1);
    vetch_promise *p =
        vetch_then(vetch_semaphore_acquire(s), pk_never_value, NULL);

    vetch_promise_cancel(p); /* it has its slot, but has not begun */
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(vetch_semaphore_available(s), 1);
    vetch_semaphore_unref(s);
}

struct crowd {
    vetch_semaphore *s;
    size_t inside, most, served;
};

static void
leave(void *ctx)
{
    ((struct crowd *)ctx)->inside--;
}

static vetch_promise *
enter(void *slot, void *ctx)
{
    struct crowd *crowd = ctx;

    ck_assert_ptr_nonnull(slot);
    crowd->served++;
    if (++crowd->inside > crowd->most)
        crowd->most = crowd->inside;
    return vetch_finally(vetch_sleep(1), leave, crowd);
}

VT_TEST(rule_11_no_more_than_the_slots_are_inside)
{
    struct crowd crowd = { vetch_semaphore_new(4), 0, 0, 0 };

    for (int i = 0; i < 30; i++)
        vetch_promise_unref(
            vetch_then(vetch_semaphore_acquire(crowd.s), enter, &crowd));
    vt_run_ready();
    ck_assert_uint_eq(crowd.inside, 4);
    vt_advance(7.5);
    ck_assert_uint_eq(crowd.served, 30);
    vt_advance(1);
    ck_assert_uint_eq(crowd.most, 4);
    ck_assert_uint_eq(crowd.inside, 0);
    ck_assert_uint_eq(vetch_semaphore_available(crowd.s), 4);
    vetch_semaphore_unref(crowd.s);
}

/* ---- order, and cancelling ---- */

VT_CASE("waiters", pk_tcase);

static vetch_promise *
note_turn(void *slot, void *word)
{
    ck_assert_ptr_nonnull(slot);
    pk_note(word);
    return NULL;
}

VT_TEST(rule_11_waiters_are_served_in_order)
{
    vetch_semaphore *s = vetch_semaphore_new(1);
    vetch_promise *first = vetch_semaphore_acquire(s);
    vetch_promise *a =
        vetch_then(vetch_semaphore_acquire(s), note_turn, pk_word("a"));
    vetch_promise *b =
        vetch_then(vetch_semaphore_acquire(s), note_turn, pk_word("b"));
    vetch_promise *c =
        vetch_then(vetch_semaphore_acquire(s), note_turn, pk_word("c"));

    pk_expect_trace("");
    vetch_promise_unref(first);
    pk_expect_trace("a b c");
    vetch_promise_unref(a);
    vetch_promise_unref(b);
    vetch_promise_unref(c);
    vetch_semaphore_unref(s);
}

VT_TEST(rule_11_newcomer_does_not_overtake)
{
    vetch_semaphore *s = vetch_semaphore_new(1);
    vetch_promise *first = vetch_semaphore_acquire(s);
    vetch_promise *waiting =
        vetch_then(vetch_semaphore_acquire(s), note_turn, pk_word("waiting"));
    vetch_promise *late;

    vetch_promise_unref(first); /* nothing runs between this … */
    late = vetch_then(vetch_semaphore_acquire(s), note_turn, pk_word("late"));
    ck_assert_uint_eq(vetch_semaphore_waiting(s), 1);
    pk_expect_trace("waiting late"); /* … and this */
    vetch_promise_unref(waiting);
    vetch_promise_unref(late);
    vetch_semaphore_unref(s);
}

VT_TEST(rule_11_cancelled_waiter_leaves_the_queue)
{
    vetch_semaphore *s = vetch_semaphore_new(1);
    vetch_promise *first = vetch_semaphore_acquire(s);
    vetch_promise *a =
        vetch_then(vetch_semaphore_acquire(s), note_turn, pk_word("a"));
    vetch_promise *b =
        vetch_then(vetch_semaphore_acquire(s), note_turn, pk_word("b"));

    vetch_promise_cancel(a);
    ck_assert_uint_eq(vetch_semaphore_waiting(s), 1);
    pk_expect_error(a, VETCH_ECANCELED);
    vetch_promise_unref(first);
    pk_expect_trace("b");
    vetch_promise_unref(b);
    vt_run_ready();
    ck_assert_uint_eq(vetch_semaphore_available(s), 1);
    vetch_semaphore_unref(s);
}

VT_TEST(rule_11_cancelled_waiter_gives_its_turn_to_the_next)
{
    vetch_semaphore *s = vetch_semaphore_new(1);
    vetch_promise *first = vetch_semaphore_acquire(s);
    vetch_promise *a =
        vetch_then(vetch_semaphore_acquire(s), pk_never_value, NULL);
    vetch_promise *b =
        vetch_then(vetch_semaphore_acquire(s), note_turn, pk_word("b"));

    vetch_promise_unref(first); /* the slot is a's now, … */
    vetch_promise_cancel(a);    /* … who does not want it any more */
    pk_expect_error(a, VETCH_ECANCELED);
    pk_expect_trace("b");
    vetch_promise_unref(b);
    vt_run_ready();
    ck_assert_uint_eq(vetch_semaphore_available(s), 1);
    vetch_semaphore_unref(s);
}

VT_TEST(rule_11_waiters_in_the_middle_and_at_the_end_may_leave)
{
    vetch_semaphore *s = vetch_semaphore_new(1);
    vetch_promise *first = vetch_semaphore_acquire(s);
    vetch_promise *p[5];
    static const char *const words[] = { "0", "1", "2", "3", "4" };

    for (int i = 0; i < 5; i++)
        p[i] = vetch_then(vetch_semaphore_acquire(s), note_turn,
                          pk_word(words[i]));
    vetch_promise_cancel(p[2]);
    vetch_promise_cancel(p[4]);
    ck_assert_uint_eq(vetch_semaphore_waiting(s), 3);
    vetch_promise_unref(first);
    pk_expect_trace("0 1 3");
    pk_expect_error(p[2], VETCH_ECANCELED);
    pk_expect_error(p[4], VETCH_ECANCELED);
    vetch_promise_unref(p[0]);
    vetch_promise_unref(p[1]);
    vetch_promise_unref(p[3]);
    vetch_semaphore_unref(s);
}

VT_TEST(rule_11_dropped_waiter_keeps_its_place)
{
    vetch_semaphore *s = vetch_semaphore_new(1);
    vetch_promise *first = vetch_semaphore_acquire(s);

    vetch_promise_unref(
        vetch_then(vetch_semaphore_acquire(s), note_turn, pk_word("dropped")));
    vetch_promise_unref(first);
    pk_expect_trace("dropped");
    ck_assert_uint_eq(vetch_semaphore_available(s), 1);
    vetch_semaphore_unref(s);
}

VT_TEST(rule_11_timeout_while_waiting_gives_the_turn_up)
{
    vetch_semaphore *s = vetch_semaphore_new(1);
    vetch_promise *first = vetch_semaphore_acquire(s);
    vetch_promise *p = vetch_timeout(vetch_semaphore_acquire(s), 2);

    vt_advance(2);
    pk_expect_error(p, VETCH_ETIMEDOUT);
    ck_assert_uint_eq(vetch_semaphore_waiting(s), 0);
    vetch_promise_unref(first);
    vt_run_ready();
    ck_assert_uint_eq(vetch_semaphore_available(s), 1);
    vetch_semaphore_unref(s);
}

/* ---- lifetime ---- */

VT_TEST(rule_11_waiters_and_slots_keep_the_semaphore)
{
    vetch_semaphore *s = vetch_semaphore_new(1);
    vetch_promise *first = vetch_semaphore_acquire(s);
    vetch_promise *a =
        vetch_then(vetch_semaphore_acquire(s), note_turn, pk_word("a"));

    ck_assert_ptr_null(vetch_semaphore_unref(s));
    pk_expect_trace("");
    vetch_promise_unref(first);
    pk_expect_trace("a");
    vetch_promise_unref(a);
}

VT_TEST(rule_11_semaphore_references_are_counted)
{
    vetch_semaphore *s = vetch_semaphore_new(3);

    ck_assert_ptr_eq(vetch_semaphore_ref(s), s);
    vetch_unref(s);
    ck_assert_uint_eq(vetch_semaphore_available(s), 3);
    ck_assert_ptr_null(vetch_semaphore_unref(s));
    ck_assert_ptr_null(vetch_semaphore_ref(NULL));
    ck_assert_ptr_null(vetch_semaphore_unref(NULL));
}

VT_CASE("slots", pk_tcase);

VT_TEST(rule_11_slots_pass_through_a_million_hands)
{
    enum { N = 1000000 };
    vetch_semaphore *s = vetch_semaphore_new(1);
    vetch_promise *last = vetch_semaphore_acquire(s);
    size_t done = 0;

    for (int i = 0; i < N; i += 1000) {
        for (int k = 0; k < 1000; k++)
            vetch_promise_unref(vetch_semaphore_acquire(s));
        last = vetch_promise_unref(last); /* all go through one another */
        vt_run_ready();
        ck_assert_uint_eq(vetch_semaphore_available(s), 1);
        last = vetch_semaphore_acquire(s);
        done += 1000;
    }
    ck_assert_uint_eq(done, N);
    vetch_promise_unref(last);
    vetch_semaphore_unref(s);
}
