/* Children for tests. (The valgrind of today knows no pidfd_open(2), so these
 * are left out there.) */
#ifndef T_PROCESS_KIT_H
#define T_PROCESS_KIT_H

#include "support/stream_kit.h"

/* The child of a test, released by pp_done(). */
extern vetch_process *pp_child;

/* Options for `sh -c script`, with pipes for all three. */
vetch_process_options pp_script(const char *script);
/* Start that; NULL options: the defaults. */
void pp_start(const char *script);
void pp_start_with(const vetch_process_options *options);
/* Options for a program with up to four arguments, pipes as above. */
vetch_process_options pp_program(const char *const *argv);

/* Run until the child was reaped, and expect this status. */
void pp_expect_status(int status);
/* Run until its output ends, and expect this. */
void pp_expect_output(const char *text);
/* Expect that this process has no child. */
void pp_expect_no_child(void);

/* Run until that is so, without taking a status. */
void pp_until_no_child(void);

/* For .take_down: release the child, let go of it, expect that it was reaped.
 */
void pp_done(void);

#endif
