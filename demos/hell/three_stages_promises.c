/* Three dependent calls as a chain.  main reads in the order in which things
 * happen; the answers free themselves; and an error of any stage passes by
 * the rest to the one place that reports it. */

#include <stdio.h>
#include <stdlib.h>

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
    vetch_error *failure = print_label(parcel);

    (void)ctx;
    return failure != NULL ? vetch_rejected(failure) : NULL;
}

int
main(int argc, char **argv)
{
    vetch_reactor *reactor;
    vetch_error *error;
    vetch_promise *p;
    int status = EXIT_SUCCESS;

    choose_failure(argc, argv);
    reactor = vetch_reactor_new();
    if (reactor == NULL) {
        perror("three_stages_promises");
        return EXIT_FAILURE;
    }
    p = find_customer("Ada");
    p = vetch_then(p, with_customer, NULL);
    p = vetch_then(p, with_order, NULL);
    p = vetch_then(p, with_parcel, NULL);
    vetch_run(p, &error);
    if (error != NULL) {
        fprintf(stderr, "failed: %s\n", vetch_error_text(error));
        status = EXIT_FAILURE;
    }
    vetch_error_unref(error);
    vetch_reactor_unref(reactor);
    return status;
}
