/* flags2_promises as a function. */
#include "flags_child.h"

#define main              flags2_promises_main
#define vetch_reactor_run child_reactor_run
#include "../../../demos/flags/flags2_promises.c"
