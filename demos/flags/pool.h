/* Threads that share a run: each takes the next flag that nobody has taken. */
#ifndef FLAGS_POOL_H
#define FLAGS_POOL_H

#include "flags.h"

/* Download all flags with run->max_req threads, each with a connection of its
 * own. Returns when all threads have ended. */
void run_pool(struct run *run);

#endif
