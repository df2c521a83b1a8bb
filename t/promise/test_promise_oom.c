/* Out of memory is an outcome, wherever it happens: rule 13 of the contract.
 *
 * Each test builds and runs a graph of promises over and over, with the 1st,
 * 2nd, … allocation failing, and then with all from the 1st, 2nd, … on. In
 * every run each operation that began has ended before anything below it ran,
 * its finally ran exactly once, every value was freed exactly once, and nothing
 * is left. */

#include "support/promise_kit.h"

#include <string.h>
#include <vetch/testing.h>

/* ---- operations that take their time, even to stop ---- */

enum { MAX_WORK = 16 };

struct work {
    vetch_deferred *deferred;
    bool running;  /* still uses what it was given */
    bool asked;    /* to stop */
    unsigned ends; /* of the finally right below it */
    bool has_value;
    struct pk_thing value;
};

static struct work works[MAX_WORK];
static size_t n_works;
static bool reactor_ends; /* then a finally does not wait for ever */

static void
ask_work(vetch_deferred *d, void *ctx)
{
    struct work *w = ctx;

    (void)d;
    ck_assert(w->running && !w->asked);
    w->asked = true;
}

static void
work_ended(void *ctx)
{
    struct work *w = ctx;

    ck_assert_msg(!w->running || reactor_ends,
                  "a finally ran while its operation ran");
    w->ends++;
}

/* Below an operation, its handlers may look at it. */
static vetch_promise *
look_value(void *value, void *ctx)
{
    struct work *w = ctx;

    ck_assert_msg(!w->running, "a handler ran while its operation ran");
    ck_assert_ptr_eq(value, &w->value);
    pk_assert_alive(&w->value);
    return vetch_same();
}

static vetch_promise *
look_error(const vetch_error *error, void *ctx)
{
    struct work *w = ctx;

    (void)error;
    ck_assert_msg(!w->running, "a handler ran while its operation ran");
    return vetch_same();
}

static vetch_promise *
begin_work(struct work *w)
{
    w->deferred = vetch_deferred_new(ask_work, w);
    if (w->deferred == NULL)
        return vetch_rejected(NULL);
    w->running = true;
    return vetch_deferred_promise(w->deferred);
}

/* An operation with its handlers and its finally. */
static vetch_promise *
start_work(void)
{
    struct work *w = &works[n_works++];
    vetch_promise *p;

    ck_assert_uint_le(n_works, MAX_WORK);
    p = begin_work(w);
    p = vetch_then(p, look_value, w);
    p = vetch_handle(p, look_value, look_error, w);
    return vetch_finally(p, work_ended, w);
}

static vetch_promise *
start_work_as_handler(void *value, void *ctx)
{
    (void)value;
    (void)ctx;
    return start_work();
}

/* Let one operation end: with its value, or with the cancel it was asked for.
 */
static void
end_work(struct work *w)
{
    vetch_deferred *d = w->deferred;

    w->running = false;
    w->deferred = NULL;
    if (w->asked) {
        vetch_deferred_cancel(d);
    } else {
        w->has_value = true;
        vetch_deferred_resolve(d, &w->value, pk_free);
    }
    vetch_deferred_unref(d);
}

/* ---- one run ---- */

static vetch_promise *(*build)(void);
static void (*at_end)(bool unharmed);

/* Time goes by; operations end one after the other. Returns when p settled. */
static void
drive(vetch_promise *p)
{
    for (int second = 0; second < 100; second++) {
        size_t i = 0;

        vt_run_ready();
        while (i < n_works && !works[i].running)
            i++;
        if (i < n_works)
            end_work(&works[i]);
        else if (vetch_promise_state(p) != VETCH_PENDING)
            return;
        vt_run_ready();
        vt_advance(1);
    }
    ck_abort_msg("the promise did not settle");
}

static bool
may_be_the_outcome(vetch_promise *p)
{
    const vetch_error *error;

    if (vetch_promise_state(p) == VETCH_FULFILLED)
        return true;
    error = vetch_promise_error(p);
    return vetch_error_is(error, VETCH_ENOMEM) ||
           vetch_error_code(error) == VETCH_EAGGREGATE;
}

static void
check_works(void)
{
    for (size_t i = 0; i < n_works; i++) {
        ck_assert(!works[i].running);
        ck_assert_uint_eq(works[i].ends, 1);
        ck_assert_uint_eq(works[i].value.freed, works[i].has_value);
    }
}

static void
run_once(bool unharmed)
{
    vetch_promise *p;

    memset(works, 0, sizeof(works));
    n_works = 0;
    p = build();
    ck_assert_ptr_nonnull(p);
    drive(p);
    ck_assert_msg(may_be_the_outcome(p), "the outcome is %s",
                  vetch_error_text(vetch_promise_error(p)));
    if (unharmed)
        ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    vetch_promise_unref(p);
    vt_run_ready();
    vetch_testing_fail_allocation(0, false);
    check_works();
    if (at_end != NULL)
        at_end(unharmed);
    ck_assert_uint_eq(vt_live_objects(), 0);
    (void)pk_reports(); /* what was lost on the way may be reported */
}

/* vt_sweep_allocations() asks how many allocations there were: run_once() ends
 * the faults itself, but leaves the count. */
static void
sweep(vetch_promise *(*graph)(void))
{
    build = graph;
    vt_sweep_allocations(run_once);
}

/* ---- chains ---- */

VT_CASE("sweeps", pk_tcase);

static vetch_promise *
chain(void)
{
    vetch_promise *p = start_work();

    p = vetch_then(p, start_work_as_handler, NULL);
    p = vetch_then(p, NULL, NULL);
    return vetch_catch(p, look_error, &works[0]);
}

VT_TEST(rule_13_chain)
{
    sweep(chain);
}

static vetch_promise *
fail_on_purpose(void *value, void *ctx)
{
    vetch_error *cause = vetch_error_new(VETCH_EUSER, "on purpose");
    vetch_error *error = vetch_error_wrap(cause, "wrapped");

    (void)value;
    (void)ctx;
    vetch_error_unref(cause);
    return vetch_rejected(error);
}

static vetch_promise *
recover_from_user(const vetch_error *error, void *ctx)
{
    (void)ctx;
    if (vetch_error_code(error) != VETCH_EUSER)
        return vetch_same(); /* no memory: for this test, the end */
    return start_work();
}

static vetch_promise *
chain_with_errors(void)
{
    vetch_promise *p = start_work();

    p = vetch_then(p, fail_on_purpose, NULL);
    return vetch_catch(p, recover_from_user, NULL);
}

VT_TEST(rule_13_chain_that_fails_and_recovers)
{
    sweep(chain_with_errors);
}

static vetch_promise *
branches(void)
{
    vetch_promise *p = start_work();
    vetch_promise *left = vetch_then(vetch_promise_ref(p), NULL, NULL);
    vetch_promise *right = vetch_then(p, start_work_as_handler, NULL);
    vetch_promise *both[] = { left, right };

    return vetch_all(both, 2);
}

VT_TEST(rule_13_branches)
{
    sweep(branches);
}

static vetch_promise *
follower(void)
{
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);
    vetch_promise *p;

    if (d == NULL)
        return vetch_rejected(NULL);
    p = vetch_deferred_promise(d);
    vetch_deferred_follow(d, start_work());
    vetch_deferred_unref(d);
    return vetch_then(p, start_work_as_handler, NULL);
}

VT_TEST(rule_13_follower)
{
    sweep(follower);
}

static vetch_promise *
shielded(void)
{
    return vetch_then(vetch_shield(start_work()), NULL, NULL);
}

VT_TEST(rule_13_shield)
{
    sweep(shielded);
}

/* ---- combinators ---- */

typedef vetch_promise *(*combine_fn)(vetch_promise *const *promises, size_t n);
static const combine_fn combinators[] = { vetch_all, vetch_all_settled,
                                          vetch_race, vetch_any };
static combine_fn combine;

static vetch_promise *
three_in_one(void)
{
    vetch_promise *children[3];

    for (int i = 0; i < 3; i++)
        children[i] = start_work();
    return vetch_finally(combine(children, 3), NULL, NULL);
}

VT_TEST(rule_13_combinator, .loops = 4)
{
    combine = combinators[_i];
    sweep(three_in_one);
}

static vetch_promise *
start_ith(size_t i, void *ctx)
{
    (void)i;
    (void)ctx;
    return start_work();
}

static vetch_promise *
mapped(void)
{
    return vetch_map(5, 2, start_ith, NULL);
}

VT_TEST(rule_13_map)
{
    sweep(mapped);
}

static vetch_promise *
in_time(void)
{
    return vetch_timeout(start_work(), 1000);
}

VT_TEST(rule_13_timeout)
{
    sweep(in_time);
}

static vetch_promise *
expect_timeout(const vetch_error *error, void *ctx)
{
    (void)ctx;
    if (vetch_error_code(error) == VETCH_ETIMEDOUT)
        return NULL;
    return vetch_same();
}

static vetch_promise *
too_late(void)
{
    vetch_promise *p = vetch_timeout(start_work(), 0);

    return vetch_catch(p, expect_timeout, NULL);
}

VT_TEST(rule_13_timeout_that_expires)
{
    sweep(too_late);
}

static vetch_promise *
asleep(void)
{
    return vetch_then(vetch_sleep(3), start_work_as_handler, NULL);
}

VT_TEST(rule_13_sleep)
{
    sweep(asleep);
}

static unsigned rounds_left;

static vetch_promise *
forget_value(void *value, void *ctx)
{
    (void)value;
    (void)ctx;
    return NULL;
}

static vetch_promise *
go_round(void *ctx)
{
    (void)ctx;
    if (rounds_left == 0)
        return vetch_resolved(pk_int(1), NULL);
    rounds_left--;
    return vetch_then(start_work(), forget_value, NULL);
}

static vetch_promise *
repeated(void)
{
    rounds_left = 3;
    return vetch_repeat(go_round, NULL);
}

VT_TEST(rule_13_repeat)
{
    sweep(repeated);
}

static vetch_promise *
waited_for(void)
{
    vetch_promise *children[2], *w, *both[3];

    children[0] = start_work();
    children[1] = start_work();
    w = vetch_wait(children, 2, 10, VETCH_WAIT_ALL_COMPLETED);
    both[0] = w;
    both[1] = children[0];
    both[2] = children[1];
    return vetch_all(both, 3);
}

VT_TEST(rule_13_wait)
{
    sweep(waited_for);
}

static vetch_completions *completions;

static vetch_promise *
next_one(void *ctx)
{
    (void)ctx;
    return vetch_completions_next(completions);
}

static vetch_promise *
go_on_unless_last(void *value, void *ctx)
{
    (void)ctx;
    return value != NULL ? NULL : vetch_resolved(pk_int(1), NULL);
}

static vetch_promise *
next_step(void *ctx)
{
    return vetch_then(next_one(ctx), go_on_unless_last, NULL);
}

static void
free_completions(void *ctx)
{
    vetch_completions_free(ctx);
}

static vetch_promise *
one_by_one(void)
{
    vetch_promise *children[2], *p;

    children[0] = start_work();
    children[1] = start_work();
    completions = vetch_as_completed(children, 2);
    vetch_promise_unref(children[0]);
    vetch_promise_unref(children[1]);
    if (completions == NULL)
        return vetch_rejected(NULL);
    p = vetch_repeat(next_step, NULL);
    return vetch_finally(p, free_completions, completions);
}

VT_TEST(rule_13_as_completed)
{
    sweep(one_by_one);
}

/* ---- the semaphore ---- */

static vetch_semaphore *slots;

static vetch_promise *
with_slot(size_t i, void *ctx)
{
    (void)i;
    return vetch_then(vetch_semaphore_acquire(slots), start_work_as_handler,
                      ctx);
}

static vetch_promise *
with_semaphore(void)
{
    return vetch_map(4, VETCH_NO_LIMIT, with_slot, NULL);
}

static void
all_slots_are_back(bool unharmed)
{
    (void)unharmed;
    ck_assert_uint_eq(vetch_semaphore_available(slots), 2);
    ck_assert_uint_eq(vetch_semaphore_waiting(slots), 0);
}

VT_TEST(rule_13_semaphore)
{
    slots = vetch_semaphore_new(2);
    at_end = all_slots_are_back;
    sweep(with_semaphore);
    at_end = NULL;
    vetch_semaphore_unref(slots);
}

/* ---- the ends of a chain ---- */

static struct pk_done done;
static vetch_deferred *done_told;

static void
tell_done(const vetch_error *error, void *result, void *ctx)
{
    vetch_deferred *told = done_told;

    ck_assert(!works[0].running);
    pk_on_done(error, result, ctx);
    done_told = NULL;
    if (result != NULL)
        pk_free(result);
    if (error != NULL)
        vetch_deferred_reject(told, vetch_error_ref(error));
    else
        vetch_deferred_resolve(told, NULL, NULL);
    vetch_deferred_unref(told);
}

static vetch_promise *
called_back(void)
{
    vetch_promise *p;

    memset(&done, 0, sizeof(done));
    done_told = vetch_deferred_new(NULL, NULL);
    if (done_told == NULL)
        return vetch_rejected(NULL);
    p = vetch_deferred_promise(done_told);
    vetch_callback(start_work(), tell_done, &done);
    return p;
}

static void
called_once(bool unharmed)
{
    if (n_works > 0)
        ck_assert_uint_eq(done.ran, 1);
    if (unharmed)
        ck_assert_int_eq(done.code, 0);
}

VT_TEST(rule_13_callback)
{
    at_end = called_once;
    sweep(called_back);
    at_end = NULL;
}

static void
stop_works(void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < n_works; i++)
        if (works[i].running)
            end_work(&works[i]);
}

static void
run_to_the_end(bool unharmed)
{
    vetch_error *error = NULL;
    void *value;

    memset(works, 0, sizeof(works));
    n_works = 0;
    if (vetch_call_soon(stop_works, NULL) < 0)
        return;
    value = vetch_run(vetch_then(start_work(), NULL, NULL), &error);
    if (value != NULL)
        pk_free(value);
    else
        ck_assert_int_eq(vetch_error_code(error), VETCH_ENOMEM);
    if (unharmed)
        ck_assert_ptr_eq(value, &works[0].value);
    vetch_error_unref(error);
    vetch_testing_fail_allocation(0, false);
    check_works();
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(rule_13_run)
{
    vt_sweep_allocations(run_to_the_end);
}

/* ---- the whole life of a reactor ---- */

static void
live_and_die(bool unharmed)
{
    static unsigned lives;

    memset(works, 0, sizeof(works));
    n_works = 0;
    vt_reactor = vetch_reactor_new();
    if (vt_reactor == NULL) {
        ck_assert(!unharmed);
        return;
    }
    combine = combinators[lives++ % 4];
    vetch_promise_unref(three_in_one());
    vetch_promise_unref(chain());
    vetch_promise_unref(in_time());
    for (size_t i = 0; i < n_works; i++)
        if (works[i].running && i % 2 == 0)
            end_work(&works[i]);
    reactor_ends = true;
    pk_end_reactor(); /* the rest does not stop */
    reactor_ends = false;
    vetch_testing_fail_allocation(0, false);
    for (size_t i = 0; i < n_works; i++) {
        if (works[i].running)
            works[i].deferred = vetch_deferred_unref(works[i].deferred);
        ck_assert_uint_eq(works[i].value.freed, works[i].has_value);
        /* At the end it does run, whatever does not stop. */
        ck_assert_uint_eq(works[i].ends, 1);
    }
    (void)vt_log_take();
    (void)pk_reports();
}

VT_TEST(rule_13_reactor_that_ends_in_the_middle)
{
    pk_end_reactor();
    vt_sweep_allocations(live_and_die);
}
