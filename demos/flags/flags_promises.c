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
    return vetch_finish(save_image(flag));
}

static vetch_promise *
download_one(size_t i, void *ctx)
{
    struct run *run = ctx;
    struct flag *flag = &run->flags[i];
    vetch_promise *p;

    p = vetch_http_get(run->client, flag_url(flag, IMAGE));
    p = vetch_then(p, save, flag);
    return count_outcome(p, flag);
}

int
main(int argc, char **argv)
{
    struct run run;

    begin_first_series(&run, argc, argv);
    open_loop(&run);
    run_loop(&run, vetch_map(run.n_flags, run.max_req, download_one, &run));
    return end_loop(&run);
}
