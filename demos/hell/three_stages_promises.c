/* Three dependent calls as a chain.  main reads in the order in which things
 * happen; the responses free themselves; and an error of any stage passes by
 * the rest to the one place that reports it. */

#include "calls.h"

static vetch_promise *
with_customer(void *customer, void *ctx)
{
    (void)ctx;
    return find_order(customer);
}

static vetch_promise *
with_order(void *order, void *ctx)
{
    (void)ctx;
    return find_parcel(order);
}

static vetch_promise *
with_parcel(void *parcel, void *ctx)
{
    (void)ctx;
    return vetch_finish(print_label(parcel));
}

int
main(int argc, char **argv)
{
    vetch_reactor *reactor = set_up(argc, argv);
    vetch_error *error;
    vetch_promise *p;

    p = find_customer("Ada");
    p = vetch_then(p, with_customer, NULL);
    p = vetch_then(p, with_order, NULL);
    p = vetch_then(p, with_parcel, NULL);
    vetch_run(p, &error);
    return wind_up(reactor, error);
}
