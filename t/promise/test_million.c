/* Chains of a million links in a stack of 64 KiB: rule 12 of the contract. */

#include "support/promise_kit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <vetch/testing.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_SIZE (4 * 65536) /* their frames are several times as large */
#else
#define STACK_SIZE 65536
#endif

enum { MILLION = 1000000 };

/* ---- a thread with a small stack and a reactor of its own ---- */

static unsigned reports, n_values, n_ends;
static size_t live_before, most_live;

static void
count_report(const vetch_error *error, void *ctx)
{
    (void)error;
    (void)ctx;
    reports++;
}

static size_t
live(void)
{
    return vetch_reactor_live_objects(vetch_reactor_current()) - live_before;
}

static void
watch_live(void)
{
    if (live() > most_live)
        most_live = live();
}

static void *
run_body(void *body)
{
    vetch_reactor *r = vetch_reactor_new();

    ck_assert_ptr_nonnull(r);
    ck_assert_int_eq(vetch_testing_virtual_clock(), 0);
    vetch_reactor_set_rejection_hook(r, count_report, NULL);
    live_before = vetch_reactor_live_objects(r);
    (*(void (**)(void))body)();
    vt_run_ready();
    ck_assert_uint_eq(live(), 0);
    vetch_reactor_unref(vetch_reactor_current());
    return NULL;
}

static void
in_a_small_stack(void (*body)(void))
{
    pthread_attr_t attr;
    pthread_t thread;

    reports = n_values = n_ends = 0;
    most_live = 0;
    ck_assert_int_eq(pthread_attr_init(&attr), 0);
    ck_assert_int_eq(pthread_attr_setstacksize(&attr, STACK_SIZE), 0);
    ck_assert_int_eq(pthread_create(&thread, &attr, run_body, &body), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attr);
}

/* ---- chains ---- */

VT_CASE("chains", vt_tcase, .seconds = 120);

static vetch_promise *
count_value(void *value, void *ctx)
{
    (void)value;
    (void)ctx;
    n_values++;
    return vetch_same();
}

static void
count_end(void *ctx)
{
    (void)ctx;
    n_ends++;
}

/* A million links below p: in turn then, catch, finally and a missing one. */
static vetch_promise *
long_chain(vetch_promise *p)
{
    for (int i = 0; i < MILLION; i += 4) {
        p = vetch_then(p, count_value, NULL);
        p = vetch_catch(p, pk_never_error, NULL);
        p = vetch_finally(p, count_end, NULL);
        p = vetch_then(p, NULL, NULL);
    }
    return p;
}

static void
resolve_chain(void)
{
    struct pk_thing thing = { 0 };
    struct pk_op op = { 0 };
    vetch_promise *p = long_chain(pk_start(&op));

    pk_resolve(&op, &thing);
    vt_run_ready();
    pk_assert_value(p, &thing);
    ck_assert_uint_eq(n_values, MILLION / 4);
    ck_assert_uint_eq(n_ends, MILLION / 4);
    pk_assert_alive(&thing);
    vetch_promise_unref(p);
    pk_assert_freed(&thing);
}

VT_TEST(rule_12_million_links_are_resolved)
{
    in_a_small_stack(resolve_chain);
}

static void
reject_chain(void)
{
    struct pk_op op = { 0 };
    vetch_promise *p = pk_start(&op);

    for (int i = 0; i < MILLION; i += 2) {
        p = vetch_then(p, pk_never_value, NULL);
        p = vetch_finally(p, count_end, NULL);
    }
    pk_reject(&op, VETCH_EUSER);
    pk_expect_error(p, VETCH_EUSER);
    ck_assert_uint_eq(n_ends, MILLION / 2);
}

VT_TEST(rule_12_million_links_are_rejected)
{
    in_a_small_stack(reject_chain);
}

static void
cancel_chain(void)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    vetch_promise *p = long_chain(pk_start(&op));

    vetch_promise_cancel(p);
    ck_assert_uint_eq(op.canceled, 1);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(n_values, 0);
    ck_assert_uint_eq(n_ends, MILLION / 4);
}

VT_TEST(rule_12_million_links_are_cancelled)
{
    in_a_small_stack(cancel_chain);
}

static void
cancel_late_chain(void)
{
    struct pk_thing thing = { 0 };
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *p = long_chain(pk_start(&op));

    vetch_promise_cancel(p);
    vetch_promise_cancel(p);
    pk_expect_pending(p);
    pk_resolve(&op, &thing);
    pk_expect_error(p, VETCH_ECANCELED);
    pk_assert_freed(&thing);
    ck_assert_uint_eq(n_ends, MILLION / 4);
}

VT_TEST(rule_12_million_links_are_cancelled_and_get_a_value)
{
    in_a_small_stack(cancel_late_chain);
}

static void
drop_chain(void)
{
    struct pk_thing thing = { 0 };
    struct pk_op op = { 0 };

    vetch_promise_unref(long_chain(pk_start(&op)));
    vt_run_ready();
    pk_resolve(&op, &thing);
    vt_run_ready();
    ck_assert_uint_eq(n_values, MILLION / 4);
    ck_assert_uint_eq(n_ends, MILLION / 4);
    pk_assert_freed(&thing);
}

VT_TEST(rule_12_million_links_are_dropped)
{
    in_a_small_stack(drop_chain);
}

static void
abandon_chain(void)
{
    struct pk_op op = { 0 };
    vetch_promise *p = pk_start(&op);

    for (int i = 0; i < MILLION; i++)
        p = vetch_then(p, pk_never_value, NULL);
    vetch_promise_unref(p);
    pk_drop(&op);
    vt_run_ready();
    ck_assert_uint_eq(reports, 1);
}

VT_TEST(rule_12_million_links_are_abandoned)
{
    in_a_small_stack(abandon_chain);
}

static void
end_chain(void)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_reactor *r = vetch_reactor_current();

    vetch_promise_unref(long_chain(pk_start(&op)));
    vetch_reactor_unref(r);
    ck_assert_uint_eq(op.canceled, 1);
    ck_assert_uint_eq(n_values, 0);
    ck_assert_uint_eq(n_ends, MILLION / 4);
    pk_drop(&op);
    /* Another one, which the frame around this test can end. */
    r = vetch_reactor_new();
    ck_assert_ptr_nonnull(r);
    live_before = vetch_reactor_live_objects(r);
}

static void
ignore_line(vetch_log_level level, const char *line, void *ctx)
{
    (void)level;
    (void)line;
    (void)ctx;
}

VT_TEST(rule_12_million_links_end_with_their_reactor)
{
    vetch_log_set_hook(ignore_line, NULL); /* it says what did not stop */
    in_a_small_stack(end_chain);
    vetch_log_set_hook(NULL, NULL);
}

static void
shield_chain(void)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *p = pk_start(&op);

    for (int i = 0; i < MILLION; i++)
        p = vetch_shield(p);
    p = vetch_then(p, pk_never_value, NULL);
    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(op.canceled, 0);
    pk_resolve_number(&op, 1);
}

VT_TEST(rule_12_million_shields)
{
    in_a_small_stack(shield_chain);
}

/* ---- width ---- */

static void
branch(void)
{
    struct pk_thing thing = { 0 };
    struct pk_op op = { 0 };
    vetch_promise *p = pk_start(&op);

    for (int i = 0; i < MILLION; i++)
        vetch_promise_unref(
            vetch_then(vetch_promise_ref(p), count_value, NULL));
    vetch_promise_unref(p);
    pk_resolve(&op, &thing);
    vt_run_ready();
    ck_assert_uint_eq(n_values, MILLION);
    pk_assert_freed(&thing);
}

VT_TEST(rule_12_million_branches)
{
    in_a_small_stack(branch);
}

/* ---- adoption ---- */

VT_CASE("depth", vt_tcase, .seconds = 120);

static void
follow_row(void)
{
    struct pk_thing thing = { 0 };
    vetch_deferred *d = vetch_deferred_new(NULL, NULL), *next;
    vetch_promise *first = vetch_deferred_promise(d);

    for (int i = 0; i < MILLION; i++) {
        next = vetch_deferred_new(NULL, NULL);
        ck_assert(vetch_deferred_follow(d, vetch_deferred_promise(next)));
        vetch_deferred_unref(d);
        d = next;
    }
    ck_assert(vetch_deferred_resolve(d, &thing, pk_free));
    vetch_deferred_unref(d);
    vt_run_ready();
    pk_assert_value(first, &thing);
    vetch_promise_unref(first);
    pk_assert_freed(&thing);
}

VT_TEST(rule_12_million_followers_are_resolved)
{
    in_a_small_stack(follow_row);
}

static void
cancel_row(void)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    vetch_deferred *d = vetch_deferred_new(NULL, NULL), *next;
    vetch_promise *first = vetch_deferred_promise(d);

    for (int i = 0; i < MILLION; i++) {
        next = vetch_deferred_new(NULL, NULL);
        ck_assert(vetch_deferred_follow(d, vetch_deferred_promise(next)));
        vetch_deferred_unref(d);
        d = next;
    }
    ck_assert(vetch_deferred_follow(d, pk_start(&op)));
    vetch_deferred_unref(d);
    vetch_promise_cancel(first);
    pk_expect_error(first, VETCH_ECANCELED);
    ck_assert_uint_eq(op.canceled, 1);
}

VT_TEST(rule_12_million_followers_are_cancelled)
{
    in_a_small_stack(cancel_row);
}

static struct pk_thing *things;
static unsigned left;

static vetch_promise *
keep_value(void *value, void *ctx)
{
    (void)value;
    if (left == 0)
        return vetch_resolved(pk_int(7), NULL);
    left--;
    return vetch_then(pk_value(&things[left]), keep_value, ctx);
}

/* Each level borrows its value until the one below has settled. */
static void
recurse_with_values(void)
{
    vetch_promise *p;

    left = MILLION;
    p = vetch_then(vetch_resolved(NULL, NULL), keep_value, NULL);
    pk_expect_value(p, 7);
    for (int i = 0; i < MILLION; i++)
        n_ends += things[i].freed == 1;
    ck_assert_uint_eq(n_ends, MILLION);
}

VT_TEST(rule_12_recursion_a_million_deep)
{
    things = calloc(MILLION, sizeof(*things));
    ck_assert_ptr_nonnull(things);
    in_a_small_stack(recurse_with_values);
    free(things);
}

/* A value may own the next promise, and so on. */
static void
release_next(void *next)
{
    n_ends++;
    vetch_promise_unref(next);
}

static void
nest_values(void)
{
    vetch_promise *p = vetch_resolved(pk_int(1), NULL);

    for (int i = 0; i < MILLION; i++)
        p = vetch_resolved(p, release_next);
    vetch_promise_unref(p);
    ck_assert_uint_eq(n_ends, MILLION);
}

VT_TEST(rule_12_value_that_owns_a_promise_a_million_times)
{
    in_a_small_stack(nest_values);
}

/* ---- combinators in combinators ---- */

enum { NESTED = 100000 };

static vetch_promise *
nest(vetch_promise *p)
{
    for (int i = 0; i < NESTED; i += 2) {
        p = vetch_all(&p, 1);
        p = vetch_timeout(p, 1e6);
    }
    return p;
}

static void
resolve_nested(void)
{
    struct pk_thing thing = { 0 };
    struct pk_op op = { 0 };
    vetch_promise *p = nest(pk_start(&op));

    pk_resolve(&op, &thing);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    pk_assert_alive(&thing);
    vetch_promise_unref(p);
    pk_assert_freed(&thing);
}

VT_TEST(rule_12_nested_combinators_are_resolved)
{
    in_a_small_stack(resolve_nested);
}

static void
cancel_nested(void)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    vetch_promise *p = nest(pk_start(&op));

    vetch_promise_cancel(p);
    pk_expect_error(p, VETCH_ECANCELED);
    ck_assert_uint_eq(op.canceled, 1);
}

VT_TEST(rule_12_nested_combinators_are_cancelled)
{
    in_a_small_stack(cancel_nested);
}

static void
reject_nested(void)
{
    struct pk_op op = { 0 };

    vetch_promise_unref(nest(pk_start(&op)));
    pk_reject(&op, VETCH_EUSER);
    vt_run_ready();
    ck_assert_uint_eq(reports, 1);
}

VT_TEST(rule_12_nested_combinators_are_dropped_and_rejected)
{
    in_a_small_stack(reject_nested);
}

/* ---- endless loops ---- */

VT_CASE("loops", vt_tcase, .seconds = 120);

static vetch_promise *
repeat_at_once(void *ctx)
{
    (void)ctx;
    watch_live();
    return --left > 0 ? NULL : vetch_resolved(pk_int(5), NULL);
}

static void
repeat_ready(void)
{
    left = MILLION;
    pk_expect_value(vetch_repeat(repeat_at_once, NULL), 5);
    ck_assert_uint_eq(left, 0);
    ck_assert_uint_lt(most_live, 20);
}

VT_TEST(rule_12_repeat_runs_a_million_times_in_constant_memory)
{
    in_a_small_stack(repeat_ready);
}

static struct pk_op round_op;

static void
end_round(void *ctx)
{
    (void)ctx;
    pk_resolve_number(&round_op, 0);
}

static vetch_promise *
repeat_soon(void *ctx)
{
    (void)ctx;
    watch_live();
    if (--left == 0)
        return pk_error(VETCH_EUSER);
    ck_assert_int_eq(vetch_call_soon(end_round, NULL), 0);
    return vetch_then(pk_start(&round_op), NULL, NULL);
}

static void
repeat_pending(void)
{
    left = MILLION;
    pk_expect_error(vetch_repeat(repeat_soon, NULL), VETCH_EUSER);
    ck_assert_uint_eq(left, 0);
    ck_assert_uint_lt(most_live, 20);
}

VT_TEST(rule_12_repeat_of_operations_takes_constant_memory)
{
    in_a_small_stack(repeat_pending);
}

/* ---- the warning ---- */

static unsigned warnings;
static char warning[256];

static void
keep_warning(vetch_log_level level, const char *line, void *ctx)
{
    (void)ctx;
    if (level != VETCH_LOG_WARNING)
        return;
    warnings++;
    strncpy(warning, line, sizeof(warning) - 1);
}

static void
with_warnings_kept(void (*body)(void))
{
    warnings = 0;
    vetch_log_set_hook(keep_warning, NULL);
    in_a_small_stack(body);
    vetch_log_set_hook(NULL, NULL);
}

static void
recurse_deep(unsigned depth)
{
    struct pk_thing *kept = calloc(depth, sizeof(*kept));

    ck_assert_ptr_nonnull(kept);
    things = kept;
    left = depth;
    pk_expect_value(vetch_then(vetch_resolved(NULL, NULL), keep_value, NULL),
                    7);
    free(kept);
}

static void
recurse_in_debug(void)
{
    vetch_reactor_set_debug(vetch_reactor_current(), true);
    recurse_deep(900);
    ck_assert_uint_eq(warnings, 0);
    recurse_deep(5000);
    ck_assert_uint_eq(warnings, 1);
    ck_assert_ptr_nonnull(strstr(warning, "1000"));
    ck_assert_ptr_nonnull(strstr(warning, "vetch_repeat"));
}

VT_TEST(rule_12_debug_warns_at_a_thousand_adoptions)
{
    with_warnings_kept(recurse_in_debug);
}

static void
recurse_in_silence(void)
{
    recurse_deep(5000);
    ck_assert_uint_eq(warnings, 0);
}

VT_TEST(rule_12_without_debug_there_is_no_warning)
{
    with_warnings_kept(recurse_in_silence);
}
