/* What tests may change about executors. */
#ifndef VETCH_EXECUTOR_PRIVATE_H
#define VETCH_EXECUTOR_PRIVATE_H

/* How long the end of a reactor waits for running jobs. */
extern unsigned vetch__jobs_patience_ms;

#endif
