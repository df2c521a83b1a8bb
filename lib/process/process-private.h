/* A child process, as vetch_process_run() sees it. */
#ifndef VETCH_PROCESS_PRIVATE_H
#define VETCH_PROCESS_PRIVATE_H

#include <vetch/error.h>
#include <vetch/process.h>

#include "base/list-private.h"

/* The defaults with what was given; -1 and EINVAL. */
int vetch__process_options_get(const vetch_process_options *given,
                               vetch_process_options *ret);
/* Options that are complete. */
vetch_process *vetch__process_start(const vetch_process_options *o);

/* Who waits for the exit. */
struct vetch__process_waiter {
    struct vetch__list link;
    /* The child was reaped; `errnum` is not 0: `status` is not known. */
    void (*fn)(struct vetch__process_waiter *self, int status, int errnum);
};
/* Let `w` wait, until its fn is called. False: the child was reaped already. */
bool vetch__process_wait(vetch_process *p, struct vetch__process_waiter *w);
/* SIGTERM now, SIGKILL after the grace. */
void vetch__process_stop(vetch_process *p);
/* What `errnum` of a waiter means. */
vetch_error *vetch__process_error(const vetch_process *p, int errnum);

#endif
