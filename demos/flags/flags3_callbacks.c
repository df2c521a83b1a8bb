/* The third series with callbacks: image, then metadata, then a file named
 * after the country.
 *
 * The hell, honestly: flat functions with good names, each of which looks at
 * its error, gives back what it holds, and names the next.  Read it from
 * download_next() upwards. */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "flags.h"

struct download {
    struct flag *flag;
    vetch_http_response *image; /* flag->bytes points into it */
    vetch_slot *slot;           /* while the request is in flight */
    vetch_done_fn next;         /* what waits for the response */
};

static struct download *downloads; /* one per flag */
static size_t n_begun;             /* of them */

static void download_next(struct run *run);

/* Every path ends here: forget one, and the program waits for ever. */
static void
finish(struct download *d, const vetch_error *error)
{
    struct run *run = d->flag->run;

    count(d->flag, error);
    d->image = vetch_http_response_unref(d->image);
    download_next(run);
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
    struct download *d = ctx;
    vetch_error *failure;

    if (error != NULL) {
        finish(d, error);
        return;
    }
    failure = name_by_country(d->flag, response);
    vetch_http_response_unref(response);
    if (failure != NULL) {
        finish(d, failure);
        vetch_error_unref(failure);
        return;
    }
    vetch_callback(save_flag(d->flag), saved, d);
}

/* The slot is held while the request is in flight, and no longer. */
static void
got_response(const vetch_error *error, void *response, void *ctx)
{
    struct download *d = ctx;
    vetch_error *failure;

    vetch_slot_release(d->slot);
    d->slot = NULL;
    if (error != NULL) {
        d->next(error, NULL, d);
        return;
    }
    failure = check_status(d->flag, vetch_http_response_status(response));
    if (failure != NULL) {
        vetch_http_response_unref(response);
        d->next(failure, NULL, d);
        vetch_error_unref(failure);
        return;
    }
    d->next(NULL, response, d); /* handed over */
}

static void
got_slot(const vetch_error *error, void *slot, void *ctx)
{
    struct download *d = ctx;

    if (error != NULL) {
        d->next(error, NULL, d);
        return;
    }
    d->slot = slot;
    vetch_callback(vetch_http_get(d->flag->run->client, d->flag->url),
                   got_response, d);
}

static void
get_file(struct download *d, const char *file, vetch_done_fn next)
{
    flag_url(d->flag, file); /* what got_slot() asks for */
    d->next = next;
    vetch_callback(vetch_semaphore_acquire(d->flag->run->slots), got_slot, d);
}

static void
got_image(const vetch_error *error, void *response, void *ctx)
{
    struct download *d = ctx;

    if (error != NULL) {
        finish(d, error);
        return;
    }
    d->image = response; /* finish() gives it back */
    d->flag->bytes = vetch_http_response_body(response, &d->flag->len);
    get_file(d, METADATA, got_metadata);
}

/* One ends, one begins; main begins the first ones. */
static void
download_next(struct run *run)
{
    struct download *d = &downloads[n_begun];

    if (n_begun == run->n_flags)
        return;
    d->flag = &run->flags[n_begun++];
    get_file(d, IMAGE, got_image);
}

/* A callback has no handle by which its operation could be cancelled: the
 * whole loop is stopped, and end_loop() cancels what is left on it. */
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
    int status;

    begin_third_series(&run, argc, argv);
    downloads = calloc(run.n_flags, sizeof(*downloads));
    if (downloads == NULL) {
        run.error = vetch_error_from_errno(errno, "the list of downloads");
        return end_loop(&run);
    }
    vetch_callback(vetch_signal(SIGINT), interrupted, &run);
    vetch_callback(vetch_signal(SIGTERM), interrupted, &run);
    let_signals_in();
    for (size_t i = 0; i < run.max_downloads; i++)
        download_next(&run);
    vetch_reactor_run(run.reactor);
    status = end_loop(&run);
    free(downloads);
    return status;
}
