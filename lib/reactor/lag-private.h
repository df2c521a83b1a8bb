/* How long turns of the loop take; see vetch_reactor_get_lag(3). */
#ifndef VETCH_LAG_PRIVATE_H
#define VETCH_LAG_PRIVATE_H

#include "reactor/reactor-private.h"

/* Somebody measures: a dispatch begins, and a turn of the loop (or, in a loop
 * that somebody else runs, a dispatch) is over. */
void vetch__lag_work_begins(vetch_reactor *r);
void vetch__lag_turn_over(vetch_reactor *r);
void vetch__lag_done(vetch_reactor *r);

#endif
