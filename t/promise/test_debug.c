/* Nothing fails silently: sites, names and the dump. */

#include "support/promise_kit.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <vetch/testing.h>

#define HERE_TEXT(line) #line
#define HERE_LINE(line) HERE_TEXT(line)
#define HERE            "test_debug.c:" HERE_LINE(__LINE__)

static char out[65536];

static void
debug_on(void)
{
    vetch_reactor_set_debug(vt_reactor, true);
}

static void
debug_off(void)
{
    if (vt_reactor != NULL)
        vetch_reactor_set_debug(vt_reactor, false);
}

static const char *
dump(void)
{
    FILE *f = tmpfile();
    size_t n;

    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(vetch_reactor_dump(vt_reactor, fileno(f)), 0);
    rewind(f);
    n = fread(out, 1, sizeof(out) - 1, f);
    out[n] = '\0';
    fclose(f);
    return out;
}

static void
expect_in(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "no \"%s\" in:\n%s", part, text);
}

VT_CASE("debug", pk_tcase, .set_up = debug_on, .take_down = debug_off);

VT_TEST(a_rejection_names_the_site_of_the_attach)
{
    vetch_promise *p = pk_error(VETCH_EUSER);
    const char *site;

    vetch_reactor_set_rejection_hook(vt_reactor, NULL, NULL);
    site = HERE, p = vetch_then(p, NULL, NULL);
    vetch_promise_unref(p);
    vt_run_ready();
    expect_in(vt_log_take(), site);
}

VT_TEST(without_debugging_there_is_no_site)
{
    debug_off();
    vetch_reactor_set_rejection_hook(vt_reactor, NULL, NULL);
    vetch_promise_unref(vetch_then(pk_error(VETCH_EUSER), NULL, NULL));
    vt_run_ready();
    ck_assert_ptr_null(strstr(vt_log_take(), "test_debug.c"));
}

VT_TEST(dump_of_nothing_says_so)
{
    ck_assert_str_eq(dump(), "0 promises are pending\n");
}

VT_TEST(dump_shows_who_waits_for_what)
{
    const char *site, *text;
    vetch_promise *p;

    p = vetch_sleep(1.5);
    site = HERE, p = vetch_then(p, pk_pass_value, pk_word("x"));
    text = dump();
    expect_in(text, "2 promises are pending\n  sleep of 1.5 s\n    then ");
    expect_in(text, site);
    vt_advance(2);
    vetch_promise_unref(p);
    ck_assert_str_eq(dump(), "0 promises are pending\n");
    pk_expect_trace("x");
}

static void
finished(const vetch_error *error, void *result, void *ctx)
{
    (void)error;
    (void)result;
    *(bool *)ctx = true;
}

VT_TEST(dump_names_the_callback_that_ends_a_chain)
{
    bool called = false;

    vetch_callback(vetch_sleep(1), finished, &called);
    expect_in(dump(), "  sleep of 1 s\n    callback finished");
    vt_advance(1);
    ck_assert(called);
}

VT_TEST(dump_shows_branches_side_by_side)
{
    struct pk_op op = { .on_cancel = PK_AGREE };
    vetch_promise *p = pk_start(&op), *a, *b;
    const char *text, *first;

    vetch_promise_name(p, "the %s", "operation");
    a = vetch_promise_name(vetch_then(vetch_promise_ref(p), NULL, NULL), "A");
    b = vetch_promise_name(vetch_then(p, NULL, NULL), "B");
    text = dump();
    first = strstr(text, "\n    A at");
    ck_assert_ptr_nonnull(strstr(text, "\n  the operation"));
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_nonnull(strstr(first, "\n    B at"));
    pk_resolve_number(&op, 0);
    pk_expect_value(a, NULL);
    pk_expect_value(b, NULL);
}

VT_TEST(dump_shows_for_whom_a_combinator_waits)
{
    vetch_promise *children[] = { vetch_sleep(1), vetch_sleep(2) };
    vetch_promise *p = vetch_all(children, 2);
    const char *text = dump();

    expect_in(text, "  sleep of 1 s\n    for all of 2 at ");
    expect_in(text, "  sleep of 2 s\n    for all of 2 at ");
    vt_advance(2);
    vetch_promise_unref(p);
}

static vetch_promise *
sleeping_task(void *ctx)
{
    (void)ctx;
    vetch_task_set_name("sleeper");
    vetch_await(vetch_sleep(3), NULL);
    return NULL;
}

VT_TEST(dump_names_tasks)
{
    vetch_promise *p = vetch_spawn(sleeping_task, NULL);

    vt_run_ready();
    expect_in(dump(), "  sleep of 3 s\n    for task sleeper at ");
    vt_advance(3);
    vetch_promise_unref(p);
}

VT_TEST(dump_says_what_was_asked_to_stop)
{
    struct pk_op op = { .on_cancel = PK_NOTE };
    vetch_promise *p = vetch_promise_name(pk_start(&op), "slow");

    vetch_promise_cancel(p);
    expect_in(dump(), "slow at ");
    expect_in(dump(), "(asked to stop)");
    pk_stop(&op);
    pk_expect_error(p, VETCH_ECANCELED);
}

VT_TEST(dump_of_a_long_chain_is_bounded)
{
    vetch_promise *p = vetch_sleep(1);

    for (int i = 0; i < 20000; i++)
        p = vetch_then(p, NULL, NULL);
    dump();
    expect_in(out, "20001 promises are pending\n");
    vt_advance(1);
    vetch_promise_unref(p);
}

VT_TEST(dump_reports_what_write_says)
{
    ck_assert_int_eq(vetch_reactor_dump(vt_reactor, -1), -1);
    ck_assert_int_eq(errno, EBADF);
}

VT_TEST(dump_comes_by_signal)
{
    FILE *f = tmpfile();
    int saved = dup(STDERR_FILENO);
    size_t n;

    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(vetch_reactor_dump_on_signal(vt_reactor, SIGUSR2), 0);
    vt_run_ready();
    fflush(stderr);
    dup2(fileno(f), STDERR_FILENO);
    for (int i = 0; i < 2; i++) {
        raise(SIGUSR2);
        vt_run_ready();
    }
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(f);
    n = fread(out, 1, sizeof(out) - 1, f);
    out[n] = '\0';
    fclose(f);
    expect_in(out, "promises are pending");
    expect_in(strstr(out, "pending") + 1, "promises are pending");
    pk_end_reactor();
}

VT_TEST(dump_by_a_signal_that_cannot_be_had_is_an_error)
{
    ck_assert_int_eq(vetch_reactor_dump_on_signal(vt_reactor, -1), -1);
    ck_assert_int_eq(errno, EINVAL);
}

/* The list is bounded: what has no room is counted. */
VT_TEST(what_the_end_of_the_reactor_does_not_stop_is_named)
{
    struct pk_op op[100] = { 0 };
    const char *said;

    for (int i = 0; i < 100; i++) {
        vetch_promise *p;

        op[i].on_cancel = PK_NOTE;
        p = pk_start(&op[i]);
        if (i < 2)
            vetch_promise_name(p, "upload %d", i);
        vetch_promise_unref(p);
    }
    pk_end_reactor();
    said = vt_log_take();
    expect_in(said, "100 operations that did not stop: ");
    expect_in(said, "upload 0");
    expect_in(said, "upload 1");
    expect_in(said, ", an operation that ");
    for (int i = 0; i < 100; i++)
        pk_drop(&op[i]);
}

static void
dump_inside(void *ctx)
{
    (void)ctx;
    ck_assert_str_ne(dump(), "0 promises are pending\n");
}

/* What waits is on the stack of the one who runs, then. */
VT_TEST(dump_works_while_somebody_runs_a_promise)
{
    vetch_call_soon(dump_inside, NULL);
    vetch_run(vetch_sleep(0), NULL);
    expect_in(out, "sleep of 0 s\n    watched\n");
}

VT_TEST(names_without_memory_are_left_out)
{
    uint64_t n = 0, allocations;

    do {
        vetch_testing_fail_allocation(++n, false);
        vetch_promise_unref(vetch_promise_name(vetch_sleep(1), "x"));
        vt_advance(1);
        allocations = vetch_testing_allocations();
        vetch_testing_fail_allocation(0, false);
    } while (n <= allocations);
    ck_assert_str_eq(dump(), "0 promises are pending\n");
}

/* ---- the wrong thread ---- */
