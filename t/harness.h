/* What every test program shares: how it runs, and what must be as it was
 * when a test ends. */

#ifndef T_HARNESS_H
#define T_HARNESS_H

#include <check.h>

/* A test case whose tests fail if they leave a descriptor open or a thread
 * running.  Add more fixtures to it as needed: what the harness added first
 * is checked last. */
TCase *vt_tcase(const char *name);

/* Run the suite; the result is for main to return. */
int vt_main(Suite *suite);

/* What is open or running now, from the kernel. */
unsigned vt_open_fds(void);
unsigned vt_threads(void);

#endif
