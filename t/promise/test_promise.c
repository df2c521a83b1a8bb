/* Promises and their links: rules 1 to 3 of the contract. */

#include "support/promise_kit.h"

#include <errno.h>
#include <string.h>

#include "base/object-private.h"

/* ---- rule 1: a promise settles once ---- */

VT_CASE("rule 1", pk_tcase);

VT_TEST(rule_01_new_promise_is_pending)
{
    struct pk_op op = { 0 };
    vetch_promise *p = pk_start(&op);

    pk_expect_pending(p);
    pk_resolve_number(&op, 1);
    pk_expect_value(p, 1);
}

VT_TEST(rule_01_resolve_shows_at_once)
{
    struct pk_thing thing = { 0 };
    struct pk_op op = { 0 };
    vetch_promise *p = pk_start(&op);

    pk_resolve(&op, &thing);
    pk_assert_value(p, &thing);
    pk_assert_alive(&thing);
    vetch_promise_unref(p);
    pk_assert_freed(&thing);
}

VT_TEST(rule_01_reject_shows_at_once)
{
    struct pk_op op = { 0 };
    vetch_promise *p = pk_start(&op);

    pk_reject(&op, VETCH_EUSER + 1);
    pk_assert_error(p, VETCH_EUSER + 1);
    vetch_promise_unref(p);
}

VT_TEST(rule_01_second_resolve_is_refused_and_freed)
{
    struct pk_thing first = { 0 }, second = { 0 };
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);
    vetch_promise *p = vetch_deferred_promise(d);

    ck_assert(vetch_deferred_resolve(d, &first, pk_free));
    ck_assert(!vetch_deferred_resolve(d, &second, pk_free));
    pk_assert_freed(&second);
    pk_assert_alive(&first);
    vetch_deferred_unref(d);
    pk_expect_value(p, &first);
    pk_assert_freed(&first);
}

VT_TEST(rule_01_reject_after_resolve_changes_nothing)
{
    struct pk_thing thing = { 0 };
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);
    vetch_promise *p = vetch_deferred_promise(d);

    ck_assert(vetch_deferred_resolve(d, &thing, pk_free));
    ck_assert(!vetch_deferred_reject(d, vetch_error_new(VETCH_EUSER, "late")));
    vetch_deferred_unref(d);
    pk_expect_value(p, &thing);
    pk_assert_freed(&thing);
}

VT_TEST(rule_01_resolve_after_reject_changes_nothing)
{
    struct pk_thing thing = { 0 };
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);
    vetch_promise *p = vetch_deferred_promise(d);

    ck_assert(vetch_deferred_reject(d, vetch_error_new(VETCH_EUSER, "no")));
    ck_assert(!vetch_deferred_resolve(d, &thing, pk_free));
    pk_assert_freed(&thing);
    ck_assert(!vetch_deferred_reject(d, vetch_error_new(VETCH_EUSER + 1, "2")));
    vetch_deferred_unref(d);
    pk_expect_error(p, VETCH_EUSER);
}

/* How many references there are to an error. */
static unsigned
error_refs(const vetch_error *error)
{
    return ((const struct vetch__object *)error)->refs;
}

VT_TEST(rule_01_error_that_comes_too_late_is_released)
{
    vetch_error *late = vetch_error_new(VETCH_EUSER, "late");
    vetch_deferred *settled = vetch_deferred_new(NULL, NULL);
    vetch_deferred *following = vetch_deferred_new(NULL, NULL);

    ck_assert(vetch_deferred_resolve(settled, NULL, NULL));
    ck_assert(!vetch_deferred_reject(settled, vetch_error_ref(late)));
    ck_assert(vetch_deferred_follow(following, vetch_resolved(NULL, NULL)));
    ck_assert(!vetch_deferred_reject(following, vetch_error_ref(late)));
    ck_assert_uint_eq(error_refs(late), 1);
    vetch_error_unref(late);
    vetch_deferred_unref(settled);
    vetch_deferred_unref(following);
}

VT_TEST(rule_01_error_is_released_with_its_promise)
{
    vetch_error *error = vetch_error_new(VETCH_EUSER, "mine");
    vetch_promise *p = vetch_rejected(vetch_error_ref(error));

    p = vetch_finally(vetch_then(p, NULL, NULL), NULL, NULL);
    pk_expect_error(p, VETCH_EUSER);
    ck_assert_uint_eq(error_refs(error), 1);
    vetch_error_unref(error);
}

VT_TEST(rule_01_settling_what_follows_is_refused_and_freed)
{
    struct pk_thing thing = { 0 };
    struct pk_op op = { 0 };
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);
    vetch_promise *p = vetch_deferred_promise(d);

    ck_assert(vetch_deferred_follow(d, pk_start(&op)));
    ck_assert(!vetch_deferred_resolve(d, &thing, pk_free));
    pk_assert_freed(&thing);
    ck_assert(!vetch_deferred_reject(d, vetch_error_new(VETCH_EUSER, "late")));
    pk_expect_pending(p);
    pk_resolve_number(&op, 7);
    vetch_deferred_unref(d);
    pk_expect_value(p, 7);
}

VT_TEST(rule_01_following_when_settled_is_refused_and_released)
{
    struct pk_thing first = { 0 }, second = { 0 };
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);
    vetch_promise *p = vetch_deferred_promise(d);

    ck_assert(vetch_deferred_resolve(d, &first, pk_free));
    ck_assert(!vetch_deferred_follow(d, pk_value(&second)));
    vt_run_ready();
    pk_assert_freed(&second);
    vetch_deferred_unref(d);
    pk_expect_value(p, &first);
}

VT_TEST(rule_01_following_twice_is_refused_and_released)
{
    struct pk_thing second = { 0 };
    struct pk_op op = { 0 };
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);
    vetch_promise *p = vetch_deferred_promise(d);

    ck_assert(vetch_deferred_follow(d, pk_start(&op)));
    ck_assert(!vetch_deferred_follow(d, pk_value(&second)));
    vt_run_ready();
    pk_assert_freed(&second);
    pk_resolve_number(&op, 1);
    vetch_deferred_unref(d);
    pk_expect_value(p, 1);
}

VT_TEST(rule_01_rejecting_with_no_error_is_out_of_memory)
{
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);
    vetch_promise *p = vetch_deferred_promise(d);

    ck_assert(vetch_deferred_reject(d, NULL));
    vetch_deferred_unref(d);
    pk_expect_error(p, VETCH_ENOMEM);
    pk_expect_error(vetch_rejected(NULL), VETCH_ENOMEM);
}

VT_TEST(rule_01_ready_made_outcomes_are_settled)
{
    struct pk_thing thing = { 0 };
    vetch_promise *value = pk_value(&thing);
    vetch_promise *error = pk_error(VETCH_EUSER + 2);

    pk_assert_value(value, &thing);
    pk_assert_error(error, VETCH_EUSER + 2);
    vetch_promise_unref(value);
    vetch_promise_unref(error);
    pk_assert_freed(&thing);
}

VT_TEST(rule_01_null_is_a_value)
{
    struct pk_link link = { .value = &link };
    vetch_promise *p =
        vetch_then(vetch_resolved(NULL, NULL), pk_on_value, &link);

    pk_expect_value(p, NULL);
    ck_assert_uint_eq(link.ran, 1);
    ck_assert_ptr_null(link.value);
}

static unsigned freed_nulls;

static void
count_null(void *value)
{
    ck_assert_ptr_null(value);
    freed_nulls++;
}

VT_TEST(rule_01_free_function_is_called_at_most_once_for_null)
{
    vetch_promise_unref(vetch_resolved(NULL, count_null));
    vt_run_ready();
    ck_assert_uint_le(freed_nulls, 1);
}

VT_TEST(rule_01_value_of_a_promise_nobody_took_is_freed)
{
    struct pk_thing thing = { 0 };
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);

    ck_assert(vetch_deferred_resolve(d, &thing, pk_free));
    vetch_deferred_unref(d);
    vt_run_ready();
    pk_assert_freed(&thing);
}

VT_TEST(rule_01_promise_may_be_taken_after_settling)
{
    struct pk_thing thing = { 0 };
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);
    vetch_promise *one, *two;

    ck_assert(vetch_deferred_resolve(d, &thing, pk_free));
    vt_run_ready();
    pk_assert_alive(&thing);
    one = vetch_deferred_promise(d);
    two = vetch_deferred_promise(d);
    vetch_deferred_unref(d);
    pk_expect_value(one, &thing);
    pk_assert_alive(&thing);
    pk_expect_value(two, &thing);
    pk_assert_freed(&thing);
}

VT_TEST(rule_01_deferred_survives_its_promise)
{
    struct pk_thing thing = { 0 };
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);

    vetch_promise_unref(vetch_deferred_promise(d));
    vt_run_ready();
    ck_assert(vetch_deferred_resolve(d, &thing, pk_free));
    vetch_deferred_unref(d);
    vt_run_ready();
    pk_assert_freed(&thing);
}

VT_TEST(rule_01_deferred_references_are_counted)
{
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);
    vetch_promise *p = vetch_deferred_promise(d);

    ck_assert_ptr_eq(vetch_deferred_ref(d), d);
    ck_assert_ptr_null(vetch_deferred_unref(d));
    pk_expect_pending(p);
    ck_assert(vetch_deferred_resolve(d, NULL, NULL));
    vetch_unref(d);
    ck_assert_ptr_null(vetch_deferred_ref(NULL));
    ck_assert_ptr_null(vetch_deferred_unref(NULL));
    pk_expect_value(p, NULL);
}

VT_TEST(rule_01_value_that_is_not_there_is_a_checked_error)
{
    struct pk_op op = { 0 };
    vetch_promise *pending = pk_start(&op);
    vetch_promise *rejected = pk_error(VETCH_EUSER);

    errno = 0;
    ck_assert_ptr_null(vetch_promise_value(pending));
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_ptr_null(vetch_promise_value(rejected));
    ck_assert_int_eq(errno, EINVAL);
    pk_expect_error(rejected, VETCH_EUSER);
    pk_resolve_number(&op, 0);
    vetch_promise_unref(pending);
}

VT_TEST(rule_01_error_that_is_not_there_is_a_checked_error)
{
    struct pk_op op = { 0 };
    vetch_promise *pending = pk_start(&op);
    vetch_promise *fulfilled = vetch_resolved(NULL, NULL);

    errno = 0;
    ck_assert_ptr_null(vetch_promise_error(pending));
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_ptr_null(vetch_promise_error(fulfilled));
    ck_assert_int_eq(errno, EINVAL);
    vetch_promise_unref(fulfilled);
    pk_resolve_number(&op, 0);
    vetch_promise_unref(pending);
}

/* ---- rule 2: handlers run from the ready queue, in order ---- */

VT_CASE("rule 2", pk_tcase);

VT_TEST(rule_02_attaching_to_a_fulfilled_promise_runs_nothing_yet)
{
    struct pk_link link = { 0 };
    vetch_promise *p =
        vetch_then(vetch_resolved(NULL, NULL), pk_on_value, &link);

    ck_assert_uint_eq(link.ran, 0);
    pk_assert_pending(p);
    pk_expect_value(p, NULL);
    ck_assert_uint_eq(link.ran, 1);
}

VT_TEST(rule_02_attaching_to_a_rejected_promise_runs_nothing_yet)
{
    struct pk_link caught = { 0 }, handled = { 0 };
    vetch_promise *a = vetch_catch(pk_error(VETCH_EUSER), pk_on_error, &caught);
    vetch_promise *b = vetch_handle(pk_error(VETCH_EUSER), pk_never_value,
                                    pk_on_error, &handled);

    ck_assert_uint_eq(caught.ran + handled.ran, 0);
    pk_expect_value(a, NULL);
    pk_expect_value(b, NULL);
    ck_assert_uint_eq(caught.ran, 1);
    ck_assert_uint_eq(handled.ran, 1);
}

VT_TEST(rule_02_finally_and_callback_run_nothing_yet)
{
    struct pk_link end = { 0 };
    struct pk_done done = { 0 };
    vetch_promise *p =
        vetch_finally(vetch_resolved(NULL, NULL), pk_on_end, &end);

    vetch_callback(vetch_resolved(NULL, NULL), pk_on_done, &done);
    ck_assert_uint_eq(end.ran + done.ran, 0);
    pk_expect_value(p, NULL);
    ck_assert_uint_eq(end.ran, 1);
    ck_assert_uint_eq(done.ran, 1);
}

VT_TEST(rule_02_settling_runs_nothing_yet)
{
    struct pk_link value = { 0 }, error = { 0 };
    struct pk_op good = { 0 }, bad = { 0 };
    vetch_promise *a = vetch_then(pk_start(&good), pk_on_value, &value);
    vetch_promise *b = vetch_catch(pk_start(&bad), pk_on_error, &error);

    pk_resolve_number(&good, 1);
    pk_reject(&bad, VETCH_EUSER);
    ck_assert_uint_eq(value.ran + error.ran, 0);
    pk_expect_value(a, NULL);
    pk_expect_value(b, NULL);
    ck_assert_uint_eq(value.ran, 1);
    ck_assert_uint_eq(error.ran, 1);
}

VT_TEST(rule_02_handlers_run_in_the_order_attached)
{
    struct pk_op op = { 0 };
    vetch_promise *p = pk_start(&op);
    vetch_promise *a, *b, *c, *d;

    a = vetch_then(vetch_promise_ref(p), pk_pass_value, pk_word("a"));
    b = vetch_finally(vetch_promise_ref(p), pk_note, pk_word("b"));
    c = vetch_handle(vetch_promise_ref(p), pk_pass_value, NULL, pk_word("c"));
    d = vetch_then(p, pk_pass_value, pk_word("d"));
    pk_resolve_number(&op, 1);
    pk_expect_trace("a b c d");
    pk_expect_value(b, 1);
    pk_expect_value(d, 1);
    pk_expect_value(a, 1);
    pk_expect_value(c, 1);
}

VT_TEST(rule_02_what_is_attached_after_settling_comes_after_what_was)
{
    struct pk_op op = { 0 };
    vetch_promise *p = pk_start(&op);
    vetch_promise *a, *b;

    a = vetch_then(vetch_promise_ref(p), pk_pass_value, pk_word("a"));
    pk_resolve_number(&op, 1);
    b = vetch_then(p, pk_pass_value, pk_word("b"));
    pk_expect_trace("a b");
    vetch_promise_unref(a);
    vetch_promise_unref(b);
}

VT_TEST(rule_02_promises_are_served_in_the_order_settled)
{
    struct pk_op one = { 0 }, two = { 0 }, three = { 0 };
    vetch_promise *a = vetch_then(pk_start(&one), pk_pass_value, pk_word("a"));
    vetch_promise *b = vetch_then(pk_start(&two), pk_pass_value, pk_word("b"));
    vetch_promise *c =
        vetch_then(pk_start(&three), pk_pass_value, pk_word("c"));

    pk_resolve_number(&two, 1);
    pk_resolve_number(&three, 1);
    pk_resolve_number(&one, 1);
    pk_expect_trace("b c a");
    vetch_promise_unref(a);
    vetch_promise_unref(b);
    vetch_promise_unref(c);
}

VT_TEST(rule_02_two_chains_advance_in_turns)
{
    vetch_promise *p = vetch_resolved(NULL, NULL);
    vetch_promise *q = vetch_resolved(NULL, NULL);

    p = vetch_then(p, pk_pass_value, pk_word("a1"));
    p = vetch_then(p, pk_pass_value, pk_word("a2"));
    p = vetch_then(p, pk_pass_value, pk_word("a3"));
    q = vetch_then(q, pk_pass_value, pk_word("b1"));
    q = vetch_then(q, pk_pass_value, pk_word("b2"));
    q = vetch_then(q, pk_pass_value, pk_word("b3"));
    pk_expect_trace("a1 b1 a2 b2 a3 b3");
    vetch_promise_unref(p);
    vetch_promise_unref(q);
}

VT_TEST(rule_02_links_share_one_queue_with_call_soon)
{
    vetch_promise *a, *b;

    ck_assert_int_eq(vetch_call_soon(pk_note, pk_word("1")), 0);
    a = vetch_then(vetch_resolved(NULL, NULL), pk_pass_value, pk_word("2"));
    ck_assert_int_eq(vetch_call_soon(pk_note, pk_word("3")), 0);
    b = vetch_finally(vetch_resolved(NULL, NULL), pk_note, pk_word("4"));
    pk_expect_trace("1 2 3 4");
    vetch_promise_unref(a);
    vetch_promise_unref(b);
}

/* A handler that attaches and settles; what it causes must not run in it. */
struct nest {
    struct pk_op op;
    bool inside;
    unsigned later;
    vetch_promise *attached[2];
};

static vetch_promise *
count_outside(void *value, void *ctx)
{
    struct nest *nest = ctx;

    (void)value;
    ck_assert_msg(!nest->inside, "a handler ran inside another one");
    nest->later++;
    return NULL;
}

static vetch_promise *
attach_and_settle(void *value, void *ctx)
{
    struct nest *nest = ctx;

    (void)value;
    nest->inside = true;
    nest->attached[0] =
        vetch_then(vetch_resolved(NULL, NULL), count_outside, nest);
    pk_resolve_number(&nest->op, 1);
    nest->attached[1] = vetch_then(vetch_same(), count_outside, nest);
    nest->inside = false;
    return NULL;
}

/* Re-entrancy: curl #3537 #3601 #5354 #8083 #8282, PR #22179; libhv #424. */
VT_TEST(rule_02_handlers_never_nest)
{
    struct nest nest = { 0 };
    vetch_promise *p = vetch_then(pk_start(&nest.op), count_outside, &nest);
    vetch_promise *q =
        vetch_then(vetch_resolved(NULL, NULL), attach_and_settle, &nest);

    vt_run_ready();
    ck_assert_uint_eq(nest.later, 3);
    vetch_promise_unref(p);
    vetch_promise_unref(q);
    vetch_promise_unref(nest.attached[0]);
    vetch_promise_unref(nest.attached[1]);
}

struct self {
    vetch_promise *source, *link;
    vetch_deferred *deferred;
    unsigned ran;
};

static vetch_promise *
release_everything(void *value, void *ctx)
{
    struct self *self = ctx;

    self->ran++;
    self->source = vetch_promise_unref(self->source);
    self->link = vetch_promise_unref(self->link);
    self->deferred = vetch_deferred_unref(self->deferred);
    /* The value is still borrowed. */
    pk_assert_alive((struct pk_thing *)value);
    return NULL;
}

/* Re-entrancy: curl #3537 #3601 #5354 #8083 #8282, PR #22179; libhv #424. */
VT_TEST(rule_02_handler_may_release_all_that_it_runs_for)
{
    struct pk_thing thing = { 0 };
    struct self self = { 0 };

    self.deferred = vetch_deferred_new(NULL, NULL);
    self.source = vetch_deferred_promise(self.deferred);
    self.link =
        vetch_then(vetch_promise_ref(self.source), release_everything, &self);
    ck_assert(vetch_deferred_resolve(self.deferred, &thing, pk_free));
    vt_run_ready();
    ck_assert_uint_eq(self.ran, 1);
    pk_assert_freed(&thing);
}

static vetch_promise *
call_it_all(void *value, void *ctx)
{
    struct self *self = ctx;
    struct pk_thing late = { 0 };

    (void)value;
    self->ran++;
    ck_assert(!vetch_deferred_resolve(self->deferred, &late, pk_free));
    pk_assert_freed(&late);
    ck_assert(!vetch_deferred_reject(self->deferred, NULL));
    vetch_promise_cancel(self->source);
    ck_assert_int_eq(vetch_promise_state(self->source), VETCH_FULFILLED);
    pk_assert_pending(self->link);
    vetch_promise_unref(
        vetch_finally(vetch_promise_ref(self->link), pk_note, pk_word("link")));
    vetch_promise_unref(vetch_finally(vetch_promise_ref(self->source), pk_note,
                                      pk_word("source")));
    pk_note(pk_word("handler"));
    return NULL;
}

/* Re-entrancy: curl #3537 #3601 #5354 #8083 #8282, PR #22179; libhv #424. */
VT_TEST(rule_02_handler_may_call_everything_on_its_own_promises)
{
    struct self self = { 0 };

    self.deferred = vetch_deferred_new(NULL, NULL);
    self.source = vetch_deferred_promise(self.deferred);
    self.link = vetch_then(vetch_promise_ref(self.source), call_it_all, &self);
    ck_assert(vetch_deferred_resolve(self.deferred, pk_int(1), NULL));
    pk_expect_trace("handler source link");
    ck_assert_uint_eq(self.ran, 1);
    vetch_deferred_unref(self.deferred);
    vetch_promise_unref(self.source);
    pk_expect_value(self.link, NULL);
}

/* ---- rule 3: links consume ---- */

VT_CASE("rule 3", pk_tcase);

VT_TEST(rule_03_then_consumes_its_promise)
{
    struct pk_thing thing = { 0 };
    vetch_promise *p = vetch_then(pk_value(&thing), NULL, NULL);

    p = vetch_then(p, NULL, NULL);
    vetch_promise_unref(p);
    vt_run_ready();
    pk_assert_freed(&thing);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(rule_03_every_link_consumes_its_promise)
{
    struct pk_thing thing = { 0 };
    struct pk_link link = { 0 };
    struct pk_done done = { 0 };
    vetch_promise *p = pk_value(&thing);

    p = vetch_catch(p, pk_never_error, NULL);
    p = vetch_finally(p, pk_on_end, &link);
    p = vetch_handle(p, pk_on_value, pk_never_error, &link);
    p = vetch_shield(p);
    vetch_callback(p, pk_on_done, &done);
    vt_run_ready();
    pk_assert_freed(&thing);
    ck_assert_uint_eq(done.ran, 1);
    ck_assert_uint_eq(link.ran, 2);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(rule_03_link_is_the_promise_of_its_handler_s_outcome)
{
    struct pk_thing in = { 0 }, out = { 0 };
    struct pk_link link = { .answer = pk_value(&out) };
    vetch_promise *p = vetch_then(pk_value(&in), pk_on_value, &link);

    pk_assert_pending(p);
    vt_run_ready();
    ck_assert_ptr_eq(link.value, &in);
    pk_assert_value(p, &out);
    pk_assert_freed(&in);
    pk_assert_alive(&out);
    vetch_promise_unref(p);
    pk_assert_freed(&out);
}

VT_TEST(rule_03_a_reference_taken_first_makes_a_branch)
{
    struct pk_thing thing = { 0 };
    struct pk_link left = { 0 }, right = { 0 };
    struct pk_op op = { 0 };
    vetch_promise *p = pk_start(&op);
    vetch_promise *l = vetch_then(vetch_promise_ref(p), pk_on_value, &left);
    vetch_promise *r = vetch_then(p, pk_on_value, &right);

    pk_resolve(&op, &thing);
    pk_expect_value(l, NULL);
    pk_expect_value(r, NULL);
    ck_assert_ptr_eq(left.value, &thing);
    ck_assert_ptr_eq(right.value, &thing);
    pk_assert_freed(&thing);
}

VT_TEST(rule_03_branches_go_their_own_ways)
{
    struct pk_link left = { .answer = pk_error(VETCH_EUSER + 1) };
    struct pk_link right = { .answer = vetch_resolved(pk_int(2), NULL) };
    vetch_promise *p = vetch_resolved(pk_int(1), NULL);
    vetch_promise *l = vetch_then(vetch_promise_ref(p), pk_on_value, &left);
    vetch_promise *r = vetch_then(vetch_promise_ref(p), pk_on_value, &right);

    pk_expect_error(l, VETCH_EUSER + 1);
    pk_expect_value(r, 2);
    pk_expect_value(p, 1);
}

VT_TEST(rule_03_branches_may_all_pass_the_outcome_on)
{
    struct pk_thing thing = { 0 };
    struct pk_link look = { .same = true };
    vetch_promise *p = pk_value(&thing);
    vetch_promise *l = vetch_finally(vetch_promise_ref(p), NULL, NULL);
    vetch_promise *r = vetch_then(p, pk_on_value, &look);

    pk_expect_value(l, &thing);
    pk_assert_alive(&thing);
    pk_expect_value(r, &thing);
    pk_assert_freed(&thing);
}

VT_TEST(rule_03_references_are_counted)
{
    struct pk_thing thing = { 0 };
    vetch_promise *p = pk_value(&thing);

    ck_assert_ptr_eq(vetch_promise_ref(p), p);
    ck_assert_ptr_null(vetch_promise_unref(p));
    pk_assert_alive(&thing);
    vetch_unref(p);
    pk_assert_freed(&thing);
    ck_assert_ptr_null(vetch_promise_ref(NULL));
    ck_assert_ptr_null(vetch_promise_unref(NULL));
}

VT_TEST(rule_03_long_chain_owns_nothing_by_hand)
{
    struct pk_thing thing = { 0 };
    struct pk_op op = { 0 };
    vetch_promise *p = pk_start(&op);
    int i;

    for (i = 0; i < 100; i++) {
        p = vetch_then(p, pk_pass_value, pk_word("."));
        p = vetch_catch(p, pk_never_error, NULL);
        p = vetch_finally(p, pk_note, pk_word(","));
    }
    vetch_promise_unref(p);
    pk_resolve(&op, &thing);
    vt_run_ready();
    pk_assert_freed(&thing);
    ck_assert_uint_eq(strlen(pk_trace()), 100 * 4 - 1);
}
