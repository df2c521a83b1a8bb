/* Three dependent calls as a task: one function from top to bottom, with local
 * variables for the answers and one place that frees them.  Waiting in the
 * middle suspends the task, not the loop. */

#include <stdio.h>
#include <stdlib.h>

#include "calls.h"

static vetch_promise *
send_parcel(void *ctx)
{
    char *customer = NULL, *order = NULL, *parcel = NULL;
    vetch_error *error;

    customer = vetch_await(find_customer(ctx), &error);
    if (error == NULL)
        order = vetch_await(find_order(customer), &error);
    if (error == NULL)
        parcel = vetch_await(find_parcel(order), &error);
    if (error == NULL)
        error = print_label(parcel);
    free(customer);
    free(order);
    free(parcel);
    return error != NULL ? vetch_rejected(error) : NULL;
}

int
main(int argc, char **argv)
{
    vetch_reactor *reactor;
    vetch_error *error;
    char name[] = "Ada";
    int status = EXIT_SUCCESS;

    choose_failure(argc, argv);
    reactor = vetch_reactor_new();
    if (reactor == NULL) {
        perror("three_stages_tasks");
        return EXIT_FAILURE;
    }
    vetch_run(vetch_spawn(send_parcel, name), &error);
    if (error != NULL) {
        fprintf(stderr, "failed: %s\n", vetch_error_text(error));
        status = EXIT_FAILURE;
    }
    vetch_error_unref(error);
    vetch_reactor_unref(reactor);
    return status;
}
