/* Trying again. */

#include "support/harness.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "promise/retry-private.h"

enum { ATTEMPTS_MAX = 64 };

/* An operation that fails a number of times; each attempt is noted. */
struct flaky {
    int failures; /* that are left */
    int code;
    double takes; /* seconds */
    int n_attempts;
    double at[ATTEMPTS_MAX]; /* seconds after the test began */
};

static double begin;

static double
middle(void)
{
    return 0.5; /* no jitter */
}

static double (*usual_source)(void);

static void
note_begin(void)
{
    begin = vetch_now();
    usual_source = vetch__retry_random;
    vetch__retry_random = middle;
}

static vetch_promise *
end_attempt(void *nothing, void *ctx)
{
    struct flaky *f = ctx;

    (void)nothing;
    if (f->failures-- > 0)
        return vetch_rejected(
            vetch_error_new(f->code, "failure %d", f->n_attempts));
    return vetch_resolved((void *)42, NULL);
}

static vetch_promise *
flaky_start(void *ctx)
{
    struct flaky *f = ctx;

    ck_assert_int_lt(f->n_attempts, ATTEMPTS_MAX);
    f->at[f->n_attempts++] = vetch_now() - begin;
    if (f->takes > 0)
        return vetch_then(vetch_sleep(f->takes), end_attempt, f);
    return end_attempt(NULL, f);
}

static int
rejected_code(vetch_promise *p)
{
    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    return vetch_error_code(vetch_promise_error(p));
}

static void
check_value(vetch_promise *p)
{
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    ck_assert_int_eq((intptr_t)vetch_promise_value(p), 42);
    vetch_promise_unref(p);
}

static bool
about(double a, double b)
{
    return fabs(a - b) < 1e-6;
}

static void
restore_source(void)
{
    vetch__retry_random = usual_source;
}

/* ---- attempts and pauses ---- */

VT_CASE("basics", vt_reactor_tcase, .set_up = note_begin,
        .take_down = restore_source);

VT_TEST(the_first_success_is_the_outcome)
{
    struct flaky f = { .failures = 2, .code = ECONNREFUSED };
    vetch_promise *p = vetch_retry(flaky_start, &f, NULL);

    ck_assert_int_eq(f.n_attempts, 0); /* from the ready queue */
    vt_run_ready();
    ck_assert_int_eq(f.n_attempts, 1);
    vt_advance(1);
    ck_assert_int_eq(f.n_attempts, 3);
    check_value(p);
}

VT_TEST(pauses_grow_by_the_factor_up_to_the_longest)
{
    struct flaky f = { .failures = 6, .code = EUSERS };
    vetch_retry_options o = VETCH_RETRY_OPTIONS_INIT;
    vetch_promise *p;

    o.attempts = VETCH_NO_LIMIT;
    o.first_seconds = 1;
    o.factor = 3;
    o.max_seconds = 10;
    p = vetch_retry(flaky_start, &f, &o);
    vt_advance(100);
    check_value(p);
    ck_assert_int_eq(f.n_attempts, 7);
    for (int i = 0; i < 7; i++)
        ck_assert(about(f.at[i], (double[]){ 0, 1, 4, 13, 23, 33, 43 }[i]));
}

static double fraction;

static double
given_fraction(void)
{
    return fraction;
}

VT_TEST(jitter_shortens_or_lengthens_each_pause_by_its_share)
{
    vetch_retry_options o = VETCH_RETRY_OPTIONS_INIT;

    vetch__retry_random = given_fraction;
    o.first_seconds = 10;
    o.jitter = 0.2;
    for (int i = 0; i <= 4; i++) {
        struct flaky f = { .failures = 1, .code = EUSERS };
        vetch_promise *p;

        fraction = i / 4.0;
        begin = vetch_now();
        p = vetch_retry(flaky_start, &f, &o);
        vt_advance(100);
        check_value(p);
        ck_assert(about(f.at[1], 8.0 + i));
    }
}

VT_TEST(the_source_of_jitter_spreads_over_the_whole_range)
{
    int buckets[10] = { 0 };

    for (int i = 0; i < 10000; i++) {
        double x = usual_source();

        ck_assert(x >= 0 && x < 1);
        buckets[(int)(x * 10)]++;
    }
    for (int i = 0; i < 10; i++) {
        ck_assert_int_gt(buckets[i], 800);
        ck_assert_int_lt(buckets[i], 1200);
    }
}

VT_TEST(the_last_error_is_the_outcome_and_earlier_ones_are_suppressed)
{
    struct flaky f = { .failures = 100, .code = EUSERS };
    vetch_promise *p = vetch_retry(flaky_start, &f, NULL);
    const vetch_error *error;

    vt_advance(100);
    ck_assert_int_eq(f.n_attempts, 5);
    ck_assert_int_eq(rejected_code(p), EUSERS);
    error = vetch_promise_error(p);
    ck_assert_str_eq(vetch_error_text(error), "failure 5");
    ck_assert_str_eq(vetch_error_text(vetch_error_suppressed(error, 0)),
                     "failure 1");
    ck_assert_str_eq(vetch_error_text(vetch_error_suppressed(error, 3)),
                     "failure 4");
    ck_assert_ptr_null(vetch_error_suppressed(error, 4));
    vetch_promise_unref(p);
}

VT_TEST(at_most_the_last_eight_earlier_errors_are_kept)
{
    struct flaky f = { .failures = 100, .code = EUSERS };
    vetch_retry_options o = VETCH_RETRY_OPTIONS_INIT;
    const vetch_error *error;
    vetch_promise *p;

    o.attempts = 20;
    p = vetch_retry(flaky_start, &f, &o);
    vt_advance(1000);
    ck_assert_int_eq(f.n_attempts, 20);
    ck_assert_int_eq(rejected_code(p), EUSERS);
    error = vetch_promise_error(p);
    ck_assert_str_eq(vetch_error_text(error), "failure 20");
    ck_assert_str_eq(vetch_error_text(vetch_error_suppressed(error, 0)),
                     "failure 12");
    ck_assert_str_eq(vetch_error_text(vetch_error_suppressed(error, 7)),
                     "failure 19");
    ck_assert_ptr_null(vetch_error_suppressed(error, 8));
    vetch_promise_unref(p);
}

VT_TEST(one_attempt_is_one_attempt)
{
    struct flaky f = { .failures = 1, .code = EUSERS };
    vetch_retry_options o = VETCH_RETRY_OPTIONS_INIT;
    vetch_promise *p;

    o.attempts = 1;
    p = vetch_retry(flaky_start, &f, &o);
    vt_run_ready();
    ck_assert_int_eq(rejected_code(p), EUSERS);
    vetch_promise_unref(p);
}

static vetch_promise *
do_nothing(void *ctx)
{
    (void)ctx;
    return NULL;
}

VT_TEST(an_operation_that_returns_nothing_has_succeeded)
{
    vetch_promise *p = vetch_retry(do_nothing, NULL, NULL);

    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    ck_assert_ptr_null(vetch_promise_value(p));
    vetch_promise_unref(p);
}

VT_TEST(an_attempt_that_lasted_starts_all_anew)
{
    struct flaky f = { .failures = 100, .code = EUSERS };
    vetch_retry_options o = VETCH_RETRY_OPTIONS_INIT;
    const vetch_error *error;
    vetch_promise *p;

    o.attempts = 3;
    o.first_seconds = 1;
    o.reset_seconds = 60;
    p = vetch_retry(flaky_start, &f, &o);
    vt_advance(1);
    ck_assert_int_eq(f.n_attempts, 2);
    f.takes = 60; /* the third one is the last, but lasts */
    vt_advance(2);
    f.takes = 0;
    vt_advance(60);
    ck_assert_int_eq(f.n_attempts, 3);
    vt_advance(1); /* the pauses are short again */
    ck_assert_int_eq(f.n_attempts, 4);
    vt_advance(100);
    ck_assert_int_eq(f.n_attempts, 6);
    ck_assert_int_eq(rejected_code(p), EUSERS);
    error = vetch_promise_error(p);
    ck_assert_str_eq(vetch_error_text(vetch_error_suppressed(error, 0)),
                     "failure 3"); /* what was before is forgotten */
    vetch_promise_unref(p);
}

/* ---- what is not tried again ---- */

VT_CASE("limits", vt_reactor_tcase, .set_up = note_begin,
        .take_down = restore_source);

VT_TEST(a_cancelled_attempt_is_not_tried_again)
{
    struct flaky f = { .failures = 1, .code = VETCH_ECANCELED };
    vetch_promise *p = vetch_retry(flaky_start, &f, NULL);

    vt_advance(100);
    ck_assert_int_eq(f.n_attempts, 1);
    ck_assert_int_eq(rejected_code(p), VETCH_ECANCELED);
    vetch_promise_unref(p);
}

static bool
only_refused(const vetch_error *error, void *ctx)
{
    struct flaky *f = ctx;

    ck_assert_int_ne(vetch_error_code(error), VETCH_ECANCELED);
    ck_assert_int_gt(f->n_attempts, 0);
    return vetch_error_is(error, ECONNREFUSED);
}

VT_TEST(the_predicate_decides_after_each_error)
{
    struct flaky f = { .failures = 100, .code = ECONNREFUSED };
    vetch_retry_options o = VETCH_RETRY_OPTIONS_INIT;
    vetch_promise *p;

    o.again = only_refused;
    p = vetch_retry(flaky_start, &f, &o);
    vt_run_ready();
    f.code = EUSERS;
    vt_advance(100);
    ck_assert_int_eq(f.n_attempts, 2);
    ck_assert_int_eq(rejected_code(p), EUSERS);
    ck_assert_ptr_nonnull(vetch_error_suppressed(vetch_promise_error(p), 0));
    vetch_promise_unref(p);
}

VT_TEST(the_predicate_is_not_asked_about_a_cancel)
{
    struct flaky f = { .failures = 1, .code = VETCH_ECANCELED };
    vetch_retry_options o = VETCH_RETRY_OPTIONS_INIT;
    vetch_promise *p;

    o.again = only_refused;
    p = vetch_retry(flaky_start, &f, &o);
    vt_run_ready();
    ck_assert_int_eq(rejected_code(p), VETCH_ECANCELED);
    vetch_promise_unref(p);
}

/* ---- the deadline ---- */

VT_CASE("deadline", vt_reactor_tcase, .set_up = note_begin,
        .take_down = restore_source);

VT_TEST(the_deadline_cancels_the_attempt_that_runs)
{
    struct flaky f = { .failures = 100, .code = EUSERS, .takes = 3 };
    vetch_retry_options o = VETCH_RETRY_OPTIONS_INIT;
    const vetch_error *error;
    vetch_promise *p;

    o.first_seconds = 1;
    o.total_seconds = 6;
    p = vetch_retry(flaky_start, &f, &o);
    vt_advance(5.9);
    ck_assert_int_eq(f.n_attempts, 2);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vt_advance(0.1);
    ck_assert_int_eq(rejected_code(p), VETCH_ETIMEDOUT);
    error = vetch_promise_error(p);
    ck_assert_str_eq(vetch_error_text(error), "not done within 6 s: failure 1");
    vetch_promise_unref(p);
}

VT_TEST(a_deadline_in_the_first_attempt_has_no_cause)
{
    struct flaky f = { .failures = 100, .code = EUSERS, .takes = 3 };
    vetch_retry_options o = VETCH_RETRY_OPTIONS_INIT;
    vetch_promise *p;

    o.total_seconds = 2;
    p = vetch_retry(flaky_start, &f, &o);
    vt_advance(2);
    ck_assert_int_eq(rejected_code(p), VETCH_ETIMEDOUT);
    ck_assert_ptr_null(vetch_error_cause(vetch_promise_error(p)));
    vetch_promise_unref(p);
}

VT_TEST(no_pause_is_begun_that_would_reach_the_deadline)
{
    struct flaky f = { .failures = 100, .code = EUSERS };
    vetch_retry_options o = VETCH_RETRY_OPTIONS_INIT;
    vetch_promise *p;

    o.first_seconds = 4;
    o.total_seconds = 10;
    p = vetch_retry(flaky_start, &f, &o);
    vt_advance(4);
    ck_assert_int_eq(f.n_attempts, 2);
    ck_assert_int_eq(rejected_code(p), VETCH_ETIMEDOUT);
    ck_assert(vetch_error_is(vetch_promise_error(p), EUSERS));
    vetch_promise_unref(p);
}

/* ---- cancelling, and the end ---- */

VT_CASE("lifetime", vt_reactor_tcase, .set_up = note_begin,
        .take_down = restore_source);

VT_TEST(a_cancel_ends_the_attempt_that_runs)
{
    struct flaky f = { .failures = 1, .code = EUSERS, .takes = 5 };
    vetch_promise *p = vetch_retry(flaky_start, &f, NULL);

    vt_advance(1);
    vetch_promise_cancel(p);
    vt_advance(100);
    ck_assert_int_eq(f.n_attempts, 1);
    ck_assert_int_eq(rejected_code(p), VETCH_ECANCELED);
    vetch_promise_unref(p);
}

VT_TEST(a_cancel_ends_a_pause_at_once)
{
    struct flaky f = { .failures = 1, .code = EUSERS };
    vetch_promise *p = vetch_retry(flaky_start, &f, NULL);

    vt_run_ready();
    vetch_promise_cancel(p);
    vt_run_ready();
    ck_assert_int_eq(rejected_code(p), VETCH_ECANCELED);
    vt_advance(100);
    ck_assert_int_eq(f.n_attempts, 1);
    vetch_promise_unref(p);
}

VT_TEST(a_cancel_before_the_first_attempt_means_none)
{
    struct flaky f = { 0 };
    vetch_promise *p = vetch_retry(flaky_start, &f, NULL);

    vetch_promise_cancel(p);
    vt_run_ready();
    ck_assert_int_eq(f.n_attempts, 0);
    ck_assert_int_eq(rejected_code(p), VETCH_ECANCELED);
    vetch_promise_unref(p);
}

static vetch_promise *itself;

static vetch_promise *
cancel_itself(void *ctx)
{
    vetch_promise_cancel(itself);
    return flaky_start(ctx);
}

VT_TEST(a_cancel_from_the_operation_itself_reaches_it)
{
    struct flaky f = { .takes = 5 };

    itself = vetch_retry(cancel_itself, &f, NULL);
    vt_run_ready();
    ck_assert_int_eq(rejected_code(itself), VETCH_ECANCELED);
    vetch_promise_unref(itself);
}

VT_TEST(the_end_of_the_reactor_ends_it_wherever_it_is)
{
    struct flaky running = { .takes = 5 };
    struct flaky pausing = { .failures = 1, .code = EUSERS };
    struct flaky unbegun = { 0 };
    vetch_promise *all[3];

    all[0] = vetch_retry(flaky_start, &running, NULL);
    all[1] = vetch_retry(flaky_start, &pausing, NULL);
    vt_run_ready();
    all[2] = vetch_retry(flaky_start, &unbegun, NULL);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(rejected_code(all[i]), VETCH_ECANCELED);
        vetch_promise_unref(all[i]);
    }
    ck_assert_int_eq(unbegun.n_attempts, 0);
}

VT_TEST(dropping_the_promise_lets_it_go_on)
{
    struct flaky f = { .failures = 2, .code = EUSERS };

    vetch_promise_unref(vetch_retry(flaky_start, &f, NULL));
    vt_advance(10);
    ck_assert_int_eq(f.n_attempts, 3);
}

/* ---- errors ---- */

VT_CASE("errors", vt_reactor_tcase, .set_up = note_begin,
        .take_down = restore_source);

static void
check_refused(const vetch_retry_options *o)
{
    struct flaky f = { 0 };
    vetch_promise *p = vetch_retry(flaky_start, &f, o);

    ck_assert_int_eq(rejected_code(p), EINVAL);
    vetch_promise_unref(p);
}

VT_TEST(options_that_make_no_sense_are_refused)
{
    static const struct {
        size_t offset;
        double value;
    } wrong[] = {
        { offsetof(vetch_retry_options, first_seconds), -1 },
        { offsetof(vetch_retry_options, first_seconds), INFINITY },
        { offsetof(vetch_retry_options, factor), 0.5 },
        { offsetof(vetch_retry_options, factor), NAN },
        { offsetof(vetch_retry_options, max_seconds), -1 },
        { offsetof(vetch_retry_options, jitter), 1.1 },
        { offsetof(vetch_retry_options, jitter), -0.1 },
        { offsetof(vetch_retry_options, reset_seconds), NAN },
        { offsetof(vetch_retry_options, total_seconds), -1 },
    };
    vetch_retry_options o = VETCH_RETRY_OPTIONS_INIT;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        o = (vetch_retry_options)VETCH_RETRY_OPTIONS_INIT;
        memcpy((char *)&o + wrong[i].offset, &wrong[i].value, sizeof(double));
        check_refused(&o);
    }
    o = (vetch_retry_options)VETCH_RETRY_OPTIONS_INIT;
    o.attempts = 0;
    check_refused(&o);
    o = (vetch_retry_options){ 0 };
    check_refused(&o);
}

static void
retry_with_faults(bool unharmed)
{
    struct flaky f = { .failures = 3, .code = EUSERS };
    vetch_retry_options o = VETCH_RETRY_OPTIONS_INIT;
    vetch_promise *p;

    o.total_seconds = 50;
    p = vetch_retry(flaky_start, &f, &o);
    vt_advance(100);
    if (unharmed)
        ck_assert_int_eq((intptr_t)vetch_promise_value(p), 42);
    else
        ck_assert_int_ne(vetch_promise_state(p), VETCH_PENDING);
    if (vetch_promise_state(p) == VETCH_REJECTED)
        ck_assert(vetch_promise_error(p) != NULL);
    vetch_promise_unref(p);
}

VT_TEST(no_memory_is_an_outcome)
{
    vt_sweep_allocations(retry_with_faults);
}
