/* Three dependent calls with callbacks.  Read it from main upwards: what
 * happens first stands last.  Every stage looks at the error for itself,
 * frees what it was given for itself, and ends the job for itself; a stage
 * that forgets one of them still compiles. */

#include <stdlib.h>

#include "calls.h"

struct job {
    vetch_reactor *reactor;
    vetch_error *error;
};

static void
end_job(struct job *job, const vetch_error *error)
{
    job->error = vetch_error_ref(error);
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
    struct job job = { .reactor = set_up(argc, argv) };

    vetch_callback(find_customer("Ada"), got_customer, &job);
    vetch_reactor_run(job.reactor);
    return wind_up(job.reactor, job.error);
}
