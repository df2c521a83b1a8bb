/* The first series with promises: all twenty at once on one thread. */

#include "flags.h"

static vetch_promise *
save(void *response, void *ctx)
{
    struct flag *flag = ctx;
    vetch_error *error;

    error = check_status(flag, vetch_http_response_status(response));
    if (error != NULL)
        return vetch_rejected(error);
    flag->bytes = vetch_http_response_body(response, &flag->len);
    name_by_code(flag);
    error = save_image(flag);
    return error != NULL ? vetch_rejected(error) : NULL;
}

static vetch_promise *
download_one(size_t i, void *ctx)
{
    struct run *run = ctx;
    struct flag *flag = &run->flags[i];
    vetch_promise *p;

    p = vetch_http_get(run->client, flag_url(flag, IMAGE));
    p = vetch_then(p, save, flag);
    return vetch_handle(p, count_ok, count_failure, flag);
}

int
main(int argc, char **argv)
{
    struct run run;

    begin_first_series(&run, argc, argv);
    open_loop(&run);
    run_loop(&run, vetch_map(run.n_flags, run.max_req, download_one, &run));
    close_loop(&run);
    return end_run(&run);
}
