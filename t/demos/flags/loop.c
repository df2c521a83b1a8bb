/* The loop of the flags programs, with the test's hand on the crank. */
#include "flags_child.h"

#define vetch_run child_run
#include "../../../demos/flags/loop.c"
