/* The third series with promises: image, then metadata, then a file named
 * after the country.
 *
 * Flattened: one level deep.  download_one() says the whole of it, in order;
 * there is one path for errors and one for cleaning up, and a handler that
 * starts the next step returns its promise. */

#include "flags.h"

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
    struct flag *flag = ctx;

    flag->image = vetch_http_response_ref(response);
    flag->bytes = vetch_http_response_body(response, &flag->len);
    return get_file(flag, METADATA);
}

static vetch_promise *
save(void *metadata, void *ctx)
{
    struct flag *flag = ctx;
    size_t len;
    const void *json = vetch_http_response_body(metadata, &len);
    vetch_error *error = name_by_country(flag, json, len);

    if (error != NULL)
        return vetch_rejected(error);
    return vetch_executor_submit(NULL, save_image_job, flag, NULL);
}

static void
drop_image(void *ctx)
{
    struct flag *flag = ctx;

    flag->image = vetch_http_response_unref(flag->image);
}

static vetch_promise *
download_one(size_t i, void *ctx)
{
    struct run *run = ctx;
    struct flag *flag = &run->flags[i];
    vetch_promise *p;

    p = get_file(flag, IMAGE);
    p = vetch_then(p, keep_image, flag);
    p = vetch_then(p, save, flag);
    p = vetch_handle(p, count_ok, count_failure, flag);
    return vetch_finally(p, drop_image, flag);
}

int
main(int argc, char **argv)
{
    struct run run;

    begin_second_series(&run, argc, argv, 5, 1000);
    open_loop(&run);
    run_loop(&run, vetch_map(run.n_flags, VETCH_NO_LIMIT, download_one, &run));
    close_loop(&run);
    return end_run(&run);
}
