/* What every test program shares: how it runs, and what must be as it was
 * when a test ends. */

#ifndef T_HARNESS_H
#define T_HARNESS_H

#include <check.h>
#include <math.h>
#include <stdbool.h>

#include <vetch.h>

/* ---- declaring tests ----
 *
 * A test file is a list of cases and of the tests that belong to them. There is
 * no other list: what is declared runs, in the order of the file.
 *
 *     VT_CASE("limits", vt_reactor_tcase, .set_up = open_pair, .seconds = 120);
 *
 *     VT_TEST(a_long_line_is_refused)
 *     {
 *         ...
 *     }
 *
 *     VT_TEST(each_line_is_bounded, .loops = 3)
 *     {
 *         ... _i is 0, 1, 2 in turn ...
 *     }
 */

/* Begin a case: its name (for CK_RUN_CASE), its kind (see below), and what else
 * struct vt_case has, by name. */
#define VT_CASE(case_name, case_kind, ...)                                     \
    VT__DECLARE(VT__AT(__LINE__),                                              \
                .opens = &(const struct vt_case){                              \
                    .name = case_name, .kind = case_kind, __VA_ARGS__ })

/* A test of the case that began last; options are those of struct vt_test. */
#define VT_TEST(test_name, ...)                                                \
    static void test_name(int _i);                                             \
    VT__DECLARE(test_name##_entry,                                             \
                .test = &(const struct vt_test){                               \
                    .test = { #test_name, test_name, __FILE__, __LINE__ },     \
                    __VA_ARGS__ });                                            \
    static void test_name(int _i __attribute__((unused)))

/* For .loops: how many elements an array has. */
#define VT_COUNT_OF(array) ((int)(sizeof(array) / sizeof((array)[0])))

struct vt_case {
    const char *name;
    TCase *(*kind)(const char *name);
    /* Around each test, inside what the kind does. */
    void (*set_up)(void), (*take_down)(void);
    int loops;            /* of each test that does not say otherwise */
    double seconds;       /* that a test may take; 0: 60; INFINITY: any time */
    bool (*unless)(void); /* if true, the case is left out */
};

struct vt_test {
    TTest test;
    int loops; /* run it for _i from 0 to here; 0: once */
    /* It calls the library as it must not be called: a debug build aborts
     * there, and the test can expect that only in a process of its own. */
    bool misuse;
    bool (*unless)(void); /* if true, the test is left out */
};

/* ---- kinds of cases ---- */

/* A test fails if it leaves a descriptor open or a thread running. */
TCase *vt_tcase(const char *name);

/* The same with a reactor on a virtual clock for each test.  A test fails if it
 * leaves an object alive on it, or if something was logged (warnings and
 * errors) that the test did not take with vt_log_take(). */
TCase *vt_reactor_tcase(const char *name);

/* The same on the real clock. */
TCase *vt_real_reactor_tcase(const char *name);

/* ---- the process ---- */

/* Whether valgrind runs this program. */
bool vt_on_valgrind(void);

/* What is open or running now, from the kernel. */
unsigned vt_open_fds(void);
unsigned vt_threads(void);
/* The test leaves this many descriptors open on purpose. */
void vt_forgive_descriptors(unsigned n);

/* ---- in the tests of vt_reactor_tcase ---- */

/* The reactor.  A test that ends it itself sets this to NULL. */
extern vetch_reactor *vt_reactor;

void vt_advance(double seconds);
void vt_run_ready(void);
/* Run until `p` has settled, and expect a value, which is handed over, or an
 * error that is, or was caused by, one of this code. Both consume it. */
void *vt_value(vetch_promise *p);
void vt_expect_error(vetch_promise *p, int code);
/* One turn of the loop, in which at most `bound` of what is ready runs: the
 * rest waits, as it does past the bound of the ready queue. */
void vt_turn(size_t bound);
/* Let time go by. Timers that are due expire in the next turn. */
void vt_let_time_pass(double seconds);
/* Objects alive that were not when the test began. */
size_t vt_live_objects(void);

/* ---- the log ---- */

/* Keep lines of at least this level instead of letting them fail the test. */
void vt_log_from(vetch_log_level level);
/* The lines since the last call, each with its newline.  Valid until the next
 * line is logged. */
const char *vt_log_take(void);

/* ---- running out of memory ---- */

/* Call `step` with the 1st, 2nd, … allocation failing until a run has no
 * failure, then with all from the 1st, 2nd, … on.  Allocations of libevent
 * count.  `step` gets true if nothing could fail. */
void vt_sweep_allocations(void (*step)(bool unharmed));

/* ---- callbacks that count ---- */

/* Both are 0 when a test begins. */
extern int vt_n_run, vt_n_freed;
/* A vetch_free_fn that adds 1 to vt_n_freed. */
void vt_count_freed(void *object);
/* Ends the run of the reactor. */
void vt_stop_reactor(void *ctx);
/* Add 1 to the int that ctx points to. */
void vt_count(void *ctx);

/* ---- how declarations become a list ---- */

/* A declaration, which a constructor hands over before main begins. */
struct vt_entry {
    const char *file;
    int line;
    const struct vt_case *opens; /* one of these two */
    const struct vt_test *test;
    struct vt_entry *next;
};
void vt__declare(struct vt_entry *entry);

#define VT__DECLARE(...) VT__DECLARE_AS(__VA_ARGS__)
#define VT__DECLARE_AS(entry, ...)                                             \
    static struct vt_entry entry;                                              \
    __attribute__((constructor)) static void entry##_declare(void)             \
    {                                                                          \
        vt__declare(&entry);                                                   \
    }                                                                          \
    static struct vt_entry entry = { .file = __FILE__,                         \
                                     .line = __LINE__,                         \
                                     __VA_ARGS__ }
#define VT__AT(line)  VT__AT_(line)
#define VT__AT_(line) case_at_line_##line

#endif
