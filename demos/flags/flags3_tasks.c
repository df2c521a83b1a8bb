/* The third series with tasks: image, then metadata, then a file named after
 * the country.
 *
 * Sequential: download_one() is the whole download, from top to bottom, as the
 * blocking program has it.  Awaiting suspends this task; the others, and the
 * loop, go on.  What fails ends the task there; what was deferred is given back
 * however it ends. */

#include "flags.h"

/* The JSON comes from strangers, and its parser recurses for each level, up to
 * 2048 of them: more than the default stack takes. Pages of a stack that are
 * not touched cost nothing. */
#define STACK_BYTES ((size_t)512 * 1024)

/* The slot goes back when the promise returned here has settled: it is held
 * while the request is in flight, and no longer. */
static vetch_promise *
send_get(void *slot, void *ctx)
{
    struct flag *flag = ctx;

    (void)slot;
    return vetch_http_get(flag->run->client, flag->url);
}

static vetch_http_response *
get_file(struct flag *flag, const char *file)
{
    vetch_promise *slot = vetch_semaphore_acquire(flag->run->slots);
    vetch_http_response *response;

    flag_url(flag, file); /* what send_get() asks for */
    response = vetch_try(vetch_then(slot, send_get, flag));
    vetch_defer(vetch_unref, response);
    vetch_try(
        vetch_finish(check_status(flag, vetch_http_response_status(response))));
    return response;
}

static vetch_promise *
download_one(void *ctx)
{
    struct flag *flag = ctx;
    vetch_http_response *image = get_file(flag, IMAGE);
    vetch_http_response *metadata = get_file(flag, METADATA);

    vetch_try(vetch_finish(name_by_country(flag, metadata)));
    flag->bytes = vetch_http_response_body(image, &flag->len);
    return save_flag(flag);
}

static vetch_promise *
spawn_one(size_t i, void *ctx)
{
    struct run *run = ctx;
    struct flag *flag = &run->flags[i];

    return count_outcome(vetch_spawn(download_one, flag), flag);
}

int
main(int argc, char **argv)
{
    struct run run;

    begin_third_series(&run, argc, argv);
    vetch_task_set_stack_size(STACK_BYTES);
    run_loop(&run, vetch_map(run.n_flags, run.max_downloads, spawn_one, &run));
    return end_loop(&run);
}
