/* flags3_tasks as a function. */
#include "flags_child.h"

#define main              flags3_tasks_main
#define vetch_reactor_run child_reactor_run
#include "../../../demos/flags/flags3_tasks.c"
