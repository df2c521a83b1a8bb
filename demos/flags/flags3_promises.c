/* The third series with promises: image, then metadata, then a file named
 * after the country.
 *
 * Flattened: one level deep.  download_one() says the whole of it, in order;
 * there is one path for errors and one for cleaning up, and a handler that
 * starts the next step returns its promise. */

#include <stdlib.h>

#include "flags.h"

struct download {
    struct flag *flag;
    vetch_http_response *image; /* flag->bytes points into it */
};

static vetch_promise *
check_response(void *response, void *ctx)
{
    unsigned status = vetch_http_response_status(response);
    vetch_error *error = check_status(ctx, status);

    return error != NULL ? vetch_rejected(error) : vetch_same();
}

/* The slot goes back when the promise returned here has settled: it is held
 * while the request is in flight, and no longer. */
static vetch_promise *
send_get(void *slot, void *ctx)
{
    struct flag *flag = ctx;

    (void)slot;
    return vetch_http_get(flag->run->client, flag->url);
}

static vetch_promise *
get_file(struct flag *flag, const char *file)
{
    vetch_promise *p = vetch_semaphore_acquire(flag->run->slots);

    flag_url(flag, file); /* what send_get() asks for */
    p = vetch_then(p, send_get, flag);
    return vetch_then(p, check_response, flag);
}

static vetch_promise *
keep_image(void *response, void *ctx)
{
    struct download *d = ctx;

    d->image = vetch_http_response_ref(response);
    d->flag->bytes = vetch_http_response_body(response, &d->flag->len);
    return get_file(d->flag, METADATA);
}

static vetch_promise *
save(void *metadata, void *ctx)
{
    struct download *d = ctx;
    vetch_error *error = name_by_country(d->flag, metadata);

    if (error != NULL)
        return vetch_rejected(error);
    return save_flag(d->flag);
}

static void
drop_download(void *ctx)
{
    struct download *d = ctx;

    vetch_http_response_unref(d->image);
    free(d);
}

static vetch_promise *
download_one(size_t i, void *ctx)
{
    struct run *run = ctx;
    struct download *d = calloc(1, sizeof(*d));
    vetch_promise *p;

    if (d == NULL)
        return count_outcome(vetch_rejected(NULL), &run->flags[i]);
    d->flag = &run->flags[i];
    p = get_file(d->flag, IMAGE);
    p = vetch_then(p, keep_image, d);
    p = vetch_then(p, save, d);
    p = count_outcome(p, d->flag);
    return vetch_finally(p, drop_download, d);
}

int
main(int argc, char **argv)
{
    struct run run;

    begin_third_series(&run, argc, argv);
    run_loop(&run,
             vetch_map(run.n_flags, run.max_downloads, download_one, &run));
    return end_loop(&run);
}
