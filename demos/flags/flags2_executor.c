/* As flags2_promises, but the files are written by an executor's threads:
 * save() returns the promise of that, and the loop is free meanwhile.  The
 * response stays until then, because a handler's value lives until the promise
 * that the handler returned has settled. */

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
    return vetch_executor_submit(NULL, save_image_job, flag, NULL);
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

    begin_second_series(&run, argc, argv, 5, 1000);
    open_loop(&run);
    run_loop(&run, vetch_map(run.n_flags, run.max_req, download_one, &run));
    return end_loop(&run);
}
