/* The third series with callbacks: image, then metadata, then a file named
 * after the country.
 *
 * The hell, honestly: flat functions with good names, each of which looks at
 * its error, gives back what it holds, and names the next.  Read it from
 * download_one() upwards. */

#include "flags.h"

/* Every path ends here: forget one, and the program waits for ever. */
static void
finish(struct flag *flag, const vetch_error *error)
{
    struct run *run = flag->run;

    count(flag, error);
    flag->image = vetch_http_response_unref(flag->image);
    if (run->ok + run->not_found + run->errors == run->n_flags)
        vetch_reactor_stop(run->reactor);
}

static void
fail(struct flag *flag, vetch_error *error)
{
    finish(flag, error);
    vetch_error_unref(error);
}

static void
saved(const vetch_error *error, void *result, void *ctx)
{
    (void)result;
    finish(ctx, error);
}

static void
got_metadata(const vetch_error *error, void *response, void *ctx)
{
    struct flag *flag = ctx;
    vetch_error *failure;
    const void *json;
    size_t len;

    vetch_unref(flag->slot);
    flag->slot = NULL;
    if (error != NULL) {
        finish(flag, error);
        return;
    }
    failure = check_status(flag, vetch_http_response_status(response));
    if (failure != NULL) {
        vetch_http_response_unref(response);
        fail(flag, failure);
        return;
    }
    json = vetch_http_response_body(response, &len);
    failure = name_by_country(flag, json, len);
    vetch_http_response_unref(response);
    if (failure != NULL) {
        fail(flag, failure);
        return;
    }
    vetch_callback(vetch_executor_submit(NULL, save_image_job, flag, NULL),
                   saved, flag);
}

static void
got_slot_for_metadata(const vetch_error *error, void *slot, void *ctx)
{
    struct flag *flag = ctx;

    if (error != NULL) {
        finish(flag, error);
        return;
    }
    flag->slot = slot;
    vetch_callback(vetch_http_get(flag->run->client, flag_url(flag, METADATA)),
                   got_metadata, flag);
}

static void
got_image(const vetch_error *error, void *response, void *ctx)
{
    struct flag *flag = ctx;
    vetch_error *failure;

    vetch_unref(flag->slot);
    flag->slot = NULL;
    if (error != NULL) {
        finish(flag, error);
        return;
    }
    failure = check_status(flag, vetch_http_response_status(response));
    if (failure != NULL) {
        vetch_http_response_unref(response);
        fail(flag, failure);
        return;
    }
    flag->image = response; /* handed over; finish() gives it back */
    flag->bytes = vetch_http_response_body(response, &flag->len);
    vetch_callback(vetch_semaphore_acquire(flag->run->slots),
                   got_slot_for_metadata, flag);
}

static void
got_slot_for_image(const vetch_error *error, void *slot, void *ctx)
{
    struct flag *flag = ctx;

    if (error != NULL) {
        finish(flag, error);
        return;
    }
    flag->slot = slot;
    vetch_callback(vetch_http_get(flag->run->client, flag_url(flag, IMAGE)),
                   got_image, flag);
}

static void
download_one(struct flag *flag)
{
    vetch_callback(vetch_semaphore_acquire(flag->run->slots),
                   got_slot_for_image, flag);
}

/* A callback has no handle by which its operation could be cancelled: the
 * whole loop is stopped, and close_loop() cancels what is left on it. */
static void
interrupted(const vetch_error *error, void *signum, void *ctx)
{
    struct run *run = ctx;

    if (error != NULL)
        return; /* the loop ended first */
    run->interrupted = (int)(intptr_t)signum;
    vetch_reactor_stop(run->reactor);
}

int
main(int argc, char **argv)
{
    struct run run;

    begin_second_series(&run, argc, argv, 5, 1000);
    open_loop(&run);
    vetch_callback(take_interruption(&run), interrupted, &run);
    for (size_t i = 0; i < run.n_flags; i++)
        download_one(&run.flags[i]);
    vetch_reactor_run(run.reactor);
    close_loop(&run);
    return end_run(&run);
}
