/* The test harness.  Around each test it compares what the kernel counts for
 * this process and what the reactor counts, so that a leak is a failure of the
 * test that leaks. */

#include "support/harness.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_VALGRIND_VALGRIND_H
#include <valgrind/valgrind.h>
#endif

#include <vetch/testing.h>

#include "reactor/reactor-private.h"

#define LOG_SIZE ((size_t)65536)

/* What a test may take if its case does not say. Check's own 4 seconds are
 * short for an instrumented program on a busy machine. */
#define DEFAULT_SECONDS 60

vetch_reactor *vt_reactor;
int vt_n_run, vt_n_freed;

static unsigned fds_before;
static unsigned threads_before;
static size_t objects_before;

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char log_lines[LOG_SIZE], log_taken[LOG_SIZE];
static size_t log_len;

/* ---- what is open and running ---- */

static unsigned
count_entries(const char *path)
{
    DIR *dir = opendir(path);
    unsigned n = 0;

    if (dir == NULL)
        return 0;
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

bool
vt_on_valgrind(void)
{
#ifdef HAVE_VALGRIND_VALGRIND_H
    return RUNNING_ON_VALGRIND != 0;
#else
    return false;
#endif
}

unsigned
vt_open_fds(void)
{
    return count_entries("/proc/self/fd");
}

unsigned
vt_threads(void)
{
    return count_entries("/proc/self/task");
}

/* A thread that was joined may still be listed for a moment. */
static unsigned
settled_threads(void)
{
    unsigned tries = 1000000;

    while (vt_threads() > threads_before && --tries > 0)
        sched_yield();
    return vt_threads();
}

#if defined(__SANITIZE_THREAD__)
static void *
do_nothing(void *arg)
{
    return arg;
}

/* The sanitizer starts a thread of its own with the first of ours. */
static void
let_sanitizer_start(void)
{
    pthread_t thread;
    unsigned settled = vt_threads() + 1, tries = 1000;

    if (pthread_create(&thread, NULL, do_nothing, NULL) != 0)
        return;
    pthread_join(thread, NULL);
    while (vt_threads() > settled && --tries > 0)
        sched_yield();
}
#else
#define let_sanitizer_start() ((void)0)
#endif

static void
remember(void)
{
    let_sanitizer_start();
    fds_before = vt_open_fds();
    threads_before = vt_threads();
    vt_n_run = vt_n_freed = 0;
}

void
vt_forgive_descriptors(unsigned n)
{
    fds_before += n;
}

static void
compare(void)
{
    ck_assert_msg(vt_open_fds() == fds_before,
                  "descriptors: %u before the test, %u after it", fds_before,
                  vt_open_fds());
    ck_assert_msg(settled_threads() <= threads_before,
                  "threads: %u before the test, %u after it", threads_before,
                  vt_threads());
}

TCase *
vt_tcase(const char *name)
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, remember, compare);
    return tc;
}

/* ---- the log ---- */

static void
keep_line(vetch_log_level level, const char *line, void *ctx)
{
    int n;

    (void)level;
    (void)ctx;
    pthread_mutex_lock(&log_lock);
    n = snprintf(log_lines + log_len, LOG_SIZE - log_len, "%s\n", line);
    if (n > 0 && (size_t)n < LOG_SIZE - log_len)
        log_len += (size_t)n;
    pthread_mutex_unlock(&log_lock);
}

static void
start_log(void)
{
    log_len = 0;
    log_lines[0] = '\0';
    vetch_log_set_level(VETCH_LOG_WARNING);
    vetch_log_set_hook(keep_line, NULL);
}

void
vt_log_from(vetch_log_level level)
{
    vetch_log_set_level(level);
}

const char *
vt_log_take(void)
{
    pthread_mutex_lock(&log_lock);
    memcpy(log_taken, log_lines, log_len);
    log_taken[log_len] = '\0';
    log_len = 0;
    log_lines[0] = '\0';
    pthread_mutex_unlock(&log_lock);
    return log_taken;
}

/* ---- a reactor for each test ---- */

static void
set_up_real_reactor(void)
{
    start_log();
    vt_reactor = vetch_reactor_new();
    ck_assert_ptr_nonnull(vt_reactor);
    objects_before = vetch_reactor_live_objects(vt_reactor);
}

static void
set_up_reactor(void)
{
    set_up_real_reactor();
    ck_assert_int_eq(vetch_testing_virtual_clock(), 0);
}

static void
take_down_reactor(void)
{
    const char *logged;

    if (vt_reactor != NULL) {
        size_t live = vt_live_objects();

        ck_assert_msg(live == 0, "%zu objects are left", live);
        vetch_reactor_unref(vt_reactor);
        vt_reactor = NULL;
    }
    ck_assert_msg(vetch_reactor_current() == NULL, "a reactor is left");
    logged = vt_log_take();
    ck_assert_msg(logged[0] == '\0', "logged: %s", logged);
    vetch_log_set_hook(NULL, NULL);
}

TCase *
vt_reactor_tcase(const char *name)
{
    TCase *tc = vt_tcase(name);

    tcase_add_checked_fixture(tc, set_up_reactor, take_down_reactor);
    return tc;
}

TCase *
vt_real_reactor_tcase(const char *name)
{
    TCase *tc = vt_tcase(name);

    tcase_add_checked_fixture(tc, set_up_real_reactor, take_down_reactor);
    return tc;
}

void
vt_advance(double seconds)
{
    vetch_testing_advance(seconds);
}

void *
vt_value(vetch_promise *p)
{
    vetch_error *error;
    void *value = vetch_run(p, &error);

    ck_assert_msg(error == NULL, "%s", vetch_error_text(error));
    return value;
}

void
vt_expect_error(vetch_promise *p, int code)
{
    vetch_error *error;

    ck_assert_ptr_null(vetch_run(p, &error));
    ck_assert_msg(vetch_error_is(error, code), "%s, not %s",
                  vetch_error_text(error), vetch_error_name(code));
    vetch_error_unref(error);
}

void
vt_run_ready(void)
{
    vetch_testing_run_ready();
}

void
vt_turn(size_t bound)
{
    size_t before = vt_reactor->drain_bound;

    vt_reactor->drain_bound = bound;
    event_base_loop(vt_reactor->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    vt_reactor->drain_bound = before;
}

void
vt_let_time_pass(double seconds)
{
    vt_reactor->now += vetch__seconds(seconds);
    vetch__timers_clock_changed(vt_reactor);
}

size_t
vt_live_objects(void)
{
    return vetch_reactor_live_objects(vt_reactor) - objects_before;
}

/* ---- running out of memory ---- */

static void
sweep(void (*step)(bool unharmed), bool and_after)
{
    uint64_t nth;
    bool unharmed = false;

    for (nth = 1; !unharmed; nth++) {
        ck_assert_uint_lt(nth, 100000);
        vetch_testing_fail_allocation(nth, and_after);
        step(false);
        unharmed = vetch_testing_allocations() < nth;
        vetch_testing_fail_allocation(0, false);
    }
    step(true);
}

void
vt_sweep_allocations(void (*step)(bool unharmed))
{
    sweep(step, false);
    sweep(step, true);
}

/* ---- callbacks that count ---- */

void
vt_count(void *ctx)
{
    ++*(int *)ctx;
}

void
vt_count_freed(void *object)
{
    (void)object;
    vt_n_freed++;
}

void
vt_stop_reactor(void *ctx)
{
    (void)ctx;
    vetch_reactor_stop(vt_reactor);
}

/* ---- the program ---- */

/* libevent speaks up when an allocation fails, as tests make it. */
static void
be_quiet(int severity, const char *message)
{
    vetch_log(VETCH_LOG_DEBUG, "libevent (%d): %s", severity, message);
}

/* What was declared, file by file, in the order of the lines: constructors run
 * in an order that compilers are free to choose. */
static struct vt_entry *declared;

static bool
entry_comes_before(const struct vt_entry *a, const struct vt_entry *b)
{
    int by_file = strcmp(a->file, b->file);

    return by_file != 0 ? by_file < 0 : a->line < b->line;
}

void
vt__declare(struct vt_entry *entry)
{
    struct vt_entry **at = &declared;

    while (*at != NULL && entry_comes_before(*at, entry))
        at = &(*at)->next;
    entry->next = *at;
    *at = entry;
}

/* NULL if the case is to be left out. */
static TCase *
open_case(Suite *suite, const struct vt_case *c)
{
    TCase *tc;

    if (c->unless != NULL && c->unless())
        return NULL;
    tc = c->kind(c->name);
    tcase_add_checked_fixture(tc, c->set_up, c->take_down);
    if (isinf(c->seconds))
        tcase_set_timeout(tc, 0); /* as Check spells it */
    else
        tcase_set_timeout(tc, c->seconds > 0 ? c->seconds : DEFAULT_SECONDS);
    suite_add_tcase(suite, tc);
    return tc;
}

static void
add_test(TCase *tc, const struct vt_case *c, const struct vt_test *t)
{
    int loops = t->loops > 0 ? t->loops : c->loops > 0 ? c->loops : 1;
    int signal = 0;

    if (t->unless != NULL && t->unless())
        return;
#ifdef VETCH_DEBUG_BUILD
    if (t->misuse) {
        const char *fork = getenv("CK_FORK");

        if (fork != NULL && strcmp(fork, "no") == 0)
            return;
        signal = SIGABRT;
    }
#endif
    tcase_add_loop_test_raise_signal(tc, &t->test, signal, 0, loops);
}

/* Consumes the list of declarations. */
static Suite *
make_suite(void)
{
    Suite *suite = suite_create(program_invocation_short_name);
    const struct vt_case *c = NULL;
    TCase *tc = NULL;

    for (; declared != NULL; declared = declared->next) {
        if (declared->opens != NULL) {
            c = declared->opens;
            tc = open_case(suite, c);
        } else if (c == NULL) {
            ck_abort_msg("a test without a case: %s",
                         declared->test->test.name);
        } else if (tc != NULL) {
            add_test(tc, c, declared->test);
        }
    }
    return suite;
}

int
main(void)
{
    SRunner *runner = srunner_create(make_suite());
    int failed;

    event_set_mem_functions(vetch_testing_malloc, vetch_testing_realloc,
                            vetch_testing_free);
    event_set_log_callback(be_quiet);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
