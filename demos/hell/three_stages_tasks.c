/* Three dependent calls as a task: one function from top to bottom, with local
 * variables for the responses. A call that fails ends the task there, and what
 * was deferred is freed, however it ends. Waiting in the middle suspends the
 * task, not the loop. */

#include <stdlib.h>

#include "calls.h"

static vetch_promise *
send_parcel(void *name)
{
    char *customer, *order, *parcel;

    customer = vetch_try(find_customer(name));
    vetch_defer(free, customer);
    order = vetch_try(find_order(customer));
    vetch_defer(free, order);
    parcel = vetch_try(find_parcel(order));
    vetch_defer(free, parcel);
    return vetch_finish(print_label(parcel));
}

int
main(int argc, char **argv)
{
    vetch_reactor *reactor = set_up(argc, argv);
    char name[] = "Ada";
    vetch_error *error;

    vetch_run(vetch_spawn(send_parcel, name), &error);
    return wind_up(reactor, error);
}
