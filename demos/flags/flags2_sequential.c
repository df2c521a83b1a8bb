/* The second series, one flag after the other over one connection: no threads,
 * no loop, and most of the time spent waiting. */

#include "blocking.h"
#include "stop.h"

int
main(int argc, char **argv)
{
    struct run run;
    struct connection connection;

    begin_second_series(&run, argc, argv, 1, 1);
    stop_on_signals();
    open_connection(&connection, run.timeout);
    for (size_t i = 0; i < run.n_flags && stop_signal() == 0; i++) {
        vetch_error *error = blocking_download(&connection, &run.flags[i]);

        count(&run.flags[i], error);
        vetch_error_unref(error);
    }
    hang_up(&connection);
    run.interrupted = stop_signal();
    return end_run(&run);
}
