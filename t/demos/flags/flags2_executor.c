/* flags2_executor as a function. */
#include "flags_child.h"

#define main              flags2_executor_main
#define vetch_reactor_run child_reactor_run
#include "../../../demos/flags/flags2_executor.c"
