/* The third series with tasks: image, then metadata, then a file named after
 * the country.
 *
 * Sequential: download_one() is the whole download, from top to bottom, as the
 * blocking program has it.  Awaiting suspends this task; the others, and the
 * loop, go on. */

#include "flags.h"

/* The JSON comes from strangers, and its parser recurses for each level, up to
 * 2048 of them: more than the default stack takes. Pages of a stack that are
 * not touched cost nothing. */
#define STACK_BYTES ((size_t)512 * 1024)

/* The slot is held while the request is in flight, and no longer. */
static vetch_http_response *
get_file(struct flag *flag, const char *file, vetch_error **ret_error)
{
    struct run *run = flag->run;
    vetch_http_response *response;
    void *slot = vetch_await(vetch_semaphore_acquire(run->slots), ret_error);

    if (*ret_error != NULL)
        return NULL;
    response = vetch_await(vetch_http_get(run->client, flag_url(flag, file)),
                           ret_error);
    vetch_unref(slot);
    if (*ret_error == NULL)
        *ret_error = check_status(flag, vetch_http_response_status(response));
    return response;
}

static vetch_error *
read_name(struct flag *flag, const vetch_http_response *metadata)
{
    size_t len;
    const void *json = vetch_http_response_body(metadata, &len);

    return name_by_country(flag, json, len);
}

static vetch_promise *
download_one(void *ctx)
{
    struct flag *flag = ctx;
    vetch_http_response *image, *metadata = NULL;
    vetch_error *error = NULL;

    image = get_file(flag, IMAGE, &error);
    if (error == NULL)
        metadata = get_file(flag, METADATA, &error);
    if (error == NULL)
        error = read_name(flag, metadata);
    if (error == NULL) {
        flag->bytes = vetch_http_response_body(image, &flag->len);
        vetch_await(vetch_executor_submit(NULL, save_image_job, flag, NULL),
                    &error);
    }
    count(flag, error);
    vetch_error_unref(error);
    vetch_http_response_unref(metadata);
    vetch_http_response_unref(image);
    return NULL;
}

static vetch_promise *
spawn_one(size_t i, void *ctx)
{
    struct run *run = ctx;

    return vetch_spawn(download_one, &run->flags[i]);
}

int
main(int argc, char **argv)
{
    struct run run;

    begin_second_series(&run, argc, argv, 5, 1000);
    open_loop(&run);
    vetch_task_set_stack_size(STACK_BYTES);
    run_loop(&run, vetch_map(run.n_flags, VETCH_NO_LIMIT, spawn_one, &run));
    close_loop(&run);
    return end_run(&run);
}
