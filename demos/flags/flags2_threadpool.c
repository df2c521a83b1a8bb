/* The second series with a pool of threads: 30 of them, or -m. */

#include "pool.h"

int
main(int argc, char **argv)
{
    struct run run;

    begin_second_series(&run, argc, argv, 30, 1000);
    run_pool(&run);
    return end_run(&run);
}
