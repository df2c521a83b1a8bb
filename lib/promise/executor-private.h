/* Executors inside the library, and what tests may change about them. */
#ifndef VETCH_EXECUTOR_PRIVATE_H
#define VETCH_EXECUTOR_PRIVATE_H

#include <vetch/executor.h>

/* An executor that the user does not see. */
vetch_executor *
vetch__executor_new_inner(const vetch_executor_options *options);
/* One for jobs that own all that they use: the end of the reactor waits only a
 * moment for them. */
vetch_executor *
vetch__executor_new_expendable(const vetch_executor_options *options);

/* The section of the dump. */
struct vetch__dump;
void vetch__executors_dump(vetch_reactor *r, struct vetch__dump *d);

/* How long the end of a reactor waits for running jobs. */
extern unsigned vetch__jobs_patience_ms;

#endif
