/* The first series with a thread per flag. */

#include "pool.h"

int
main(int argc, char **argv)
{
    struct run run;

    begin_first_series(&run, argc, argv);
    run_pool(&run);
    return end_run(&run);
}
