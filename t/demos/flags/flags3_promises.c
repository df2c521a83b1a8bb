/* flags3_promises as a function. */
#include "flags_child.h"

#define main              flags3_promises_main
#define vetch_reactor_run child_reactor_run
#include "../../../demos/flags/flags3_promises.c"
