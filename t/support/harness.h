/* What every test program shares: how it runs, and what must be as it was
 * when a test ends. */

#ifndef T_HARNESS_H
#define T_HARNESS_H

#include <check.h>
#include <stdbool.h>

#include <vetch.h>

/* A test case whose tests fail if they leave a descriptor open or a thread
 * running.  Add more fixtures to it as needed: what the harness added first
 * is checked last. */
TCase *vt_tcase(const char *name);

/* The same with a reactor on a virtual clock for each test.  A test fails if it
 * leaves an object alive on it, or if something was logged (warnings and
 * errors) that the test did not take with vt_log_take(). */
TCase *vt_reactor_tcase(const char *name);

/* The same on the real clock. */
TCase *vt_real_reactor_tcase(const char *name);

/* Add a test that calls the library as it must not be called: a debug build
 * aborts there, and the test can expect that only in a process of its own. */
void vt_add_misuse_test(TCase *tc, const TTest *test);

/* Run the suite; the result is for main to return. */
int vt_main(Suite *suite);

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

/* Add 1 to the int that ctx points to. */
void vt_count(void *ctx);

#endif
