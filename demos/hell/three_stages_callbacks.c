/* Three dependent calls with callbacks.  Read it from main upwards: what
 * happens first stands last.  Every stage looks at the error for itself,
 * frees what it was given for itself, and ends the job for itself; a stage
 * that forgets one of them still compiles. */

#include <stdio.h>
#include <stdlib.h>

#include "calls.h"

struct job {
    vetch_reactor *reactor;
    int status;
};

static void
end_job(struct job *job, const vetch_error *error)
{
    if (error != NULL) {
        fprintf(stderr, "failed: %s\n", vetch_error_text(error));
        job->status = EXIT_FAILURE;
    }
    vetch_reactor_stop(job->reactor);
}

static void
got_parcel(const vetch_error *error, void *parcel, void *ctx)
{
    vetch_error *failure;

    if (error != NULL) {
        end_job(ctx, error);
        return;
    }
    failure = print_label(parcel);
    free(parcel);
    end_job(ctx, failure);
    vetch_error_unref(failure);
}

static void
got_order(const vetch_error *error, void *order, void *ctx)
{
    if (error != NULL) {
        end_job(ctx, error);
        return;
    }
    vetch_callback(find_parcel(order), got_parcel, ctx);
    free(order);
}

static void
got_customer(const vetch_error *error, void *customer, void *ctx)
{
    if (error != NULL) {
        end_job(ctx, error);
        return;
    }
    vetch_callback(find_order(customer), got_order, ctx);
    free(customer);
}

int
main(int argc, char **argv)
{
    struct job job = { .status = EXIT_SUCCESS };

    choose_failure(argc, argv);
    job.reactor = vetch_reactor_new();
    if (job.reactor == NULL) {
        perror("three_stages_callbacks");
        return EXIT_FAILURE;
    }
    vetch_callback(find_customer("Ada"), got_customer, &job);
    vetch_reactor_run(job.reactor);
    vetch_reactor_unref(job.reactor);
    return job.status;
}
