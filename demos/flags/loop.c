/* The frame of the programs that have a loop. */

#include "flags.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TICK_SECONDS 0.2

/* The clock of the bar goes on, also while nothing arrives. */
static void
tick(vetch_timer *timer, void *ctx)
{
    (void)timer;
    show_progress(ctx);
}

void
open_loop(struct run *run)
{
    vetch_http_client_options options = VETCH_HTTP_CLIENT_OPTIONS_INIT;

    options.max_connections = run->max_req;
    options.max_per_host = run->max_req;
    options.total_seconds = run->timeout; /* and nothing shorter in between */
    options.connect_seconds = INFINITY;
    options.head_seconds = INFINITY;
    options.body_idle_seconds = INFINITY;

    run->reactor = vetch_reactor_new();
    if (run->reactor != NULL)
        run->client = vetch_http_client_new(&options);
    if (run->client != NULL)
        run->slots = vetch_semaphore_new(run->max_req);
    if (run->slots != NULL) {
        if (run->bar) /* until the loop ends; without memory, it stands still */
            vetch_timer_unref(
                vetch_timer_new_periodic(TICK_SECONDS, tick, run));
        return;
    }
    run->error = vetch_error_from_errno(errno, "the loop");
    exit(end_loop(run));
}

void
begin_third_series(struct run *run, int argc, char **argv)
{
    begin_second_series(run, argc, argv, 5, 1000);
    run->max_downloads = 2 * run->max_req;
    open_loop(run);
}

static vetch_promise *
note_signal(void *signum, void *ctx)
{
    struct run *run = ctx;

    run->interrupted = (int)(intptr_t)signum;
    return NULL;
}

void
run_loop(struct run *run, vetch_promise *downloads)
{
    vetch_promise *first[] = {
        downloads,
        vetch_then(vetch_signal(SIGINT), note_signal, run),
        vetch_then(vetch_signal(SIGTERM), note_signal, run),
    };

    let_signals_in();
    /* If a signal wins the race, the downloads are cancelled, and have
     * stopped, before this returns. */
    vetch_results_unref(vetch_run(vetch_race(first, 3), &run->error));
}

static vetch_promise *
count_ok(void *value, void *ctx)
{
    (void)value;
    count(ctx, NULL);
    return NULL;
}

static vetch_promise *
count_failure(const vetch_error *error, void *ctx)
{
    count(ctx, error);
    return NULL;
}

vetch_promise *
count_outcome(vetch_promise *p, struct flag *flag)
{
    return vetch_handle(p, count_ok, count_failure, flag);
}

static vetch_promise *
flag_is_saved(void *value, void *ctx)
{
    struct flag *flag = ctx;

    (void)value;
    flag->saved = true;
    return NULL;
}

/* A file that was being written when the cancel came may be there. Another one
 * of that name was not made since the run began. */
static vetch_promise *
flag_is_not_saved(const vetch_error *error, void *ctx)
{
    struct flag *flag = ctx;
    struct stat st;

    if (vetch_error_is(error, VETCH_ECANCELED) &&
        fstatat(flag->run->dest, flag->name, &st, 0) == 0)
        flag->saved = st.st_mtime >= flag->run->began;
    return vetch_same();
}

vetch_promise *
save_flag(struct flag *flag)
{
    char *path;
    vetch_promise *p;

    if (asprintf(&path, "%s/%s", flag->run->dest_path, flag->name) < 0)
        return vetch_rejected(NULL);
    p = vetch_file_write(path, flag->bytes, flag->len, 0);
    free(path);
    return vetch_handle(p, flag_is_saved, flag_is_not_saved, flag);
}

int
end_loop(struct run *run)
{
    /* First: what it cancels may look at the others. */
    run->reactor = vetch_reactor_unref(run->reactor);
    run->client = vetch_http_client_unref(run->client);
    run->slots = vetch_semaphore_unref(run->slots);
    return end_run(run);
}
