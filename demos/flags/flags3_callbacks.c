/* The third series with callbacks: image, then metadata, then a file named
 * after the country.
 *
 * The hell, honestly: flat functions with good names, each of which looks at
 * its error, gives back what it holds, and names the next.  Read it from
 * download_one() upwards. */

#include <signal.h>

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

    if (error != NULL) {
        finish(flag, error);
        return;
    }
    json = vetch_http_response_body(response, &len);
    failure = name_by_country(flag, json, len);
    vetch_http_response_unref(response);
    if (failure != NULL) {
        finish(flag, failure);
        vetch_error_unref(failure);
        return;
    }
    vetch_callback(vetch_executor_submit(NULL, save_image_job, flag, NULL),
                   saved, flag);
}

/* The slot is held while the request is in flight, and no longer. */
static void
got_response(const vetch_error *error, void *response, void *ctx)
{
    struct flag *flag = ctx;
    vetch_error *failure;

    vetch_unref(flag->slot);
    flag->slot = NULL;
    if (error != NULL) {
        flag->next(error, NULL, flag);
        return;
    }
    failure = check_status(flag, vetch_http_response_status(response));
    if (failure != NULL) {
        vetch_http_response_unref(response);
        flag->next(failure, NULL, flag);
        vetch_error_unref(failure);
        return;
    }
    flag->next(NULL, response, flag); /* handed over */
}

static void
got_slot(const vetch_error *error, void *slot, void *ctx)
{
    struct flag *flag = ctx;

    if (error != NULL) {
        flag->next(error, NULL, flag);
        return;
    }
    flag->slot = slot;
    vetch_callback(vetch_http_get(flag->run->client, flag->url), got_response,
                   flag);
}

static void
get_file(struct flag *flag, const char *file, vetch_done_fn next)
{
    flag_url(flag, file); /* what got_slot() asks for */
    flag->next = next;
    vetch_callback(vetch_semaphore_acquire(flag->run->slots), got_slot, flag);
}

static void
got_image(const vetch_error *error, void *response, void *ctx)
{
    struct flag *flag = ctx;

    if (error != NULL) {
        finish(flag, error);
        return;
    }
    flag->image = response; /* finish() gives it back */
    flag->bytes = vetch_http_response_body(response, &flag->len);
    get_file(flag, METADATA, got_metadata);
}

static void
download_one(struct flag *flag)
{
    get_file(flag, IMAGE, got_image);
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
    vetch_callback(vetch_signal(SIGINT), interrupted, &run);
    vetch_callback(vetch_signal(SIGTERM), interrupted, &run);
    let_signals_in();
    for (size_t i = 0; i < run.n_flags; i++)
        download_one(&run.flags[i]);
    vetch_reactor_run(run.reactor);
    close_loop(&run);
    return end_run(&run);
}
