/* The account of a run.  Each flag is entered exactly once, as ok, not found
 * or error, so that the three always add up to what was asked for; only a run
 * that is interrupted has flags left, and says how many. */

#include "flags.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void
show_ok(const struct flag *flag)
{
    if (flag->run->first_series)
        printf("%s ", flag->cc);
    else if (flag->run->verbose)
        printf("%s OK\n", flag->cc);
}

static void
show_failure(const struct flag *flag, const vetch_error *error)
{
    const struct run *run = flag->run;

    if (run->first_series)
        fprintf(stderr, "*** Error for %s: %s\n", flag->cc,
                vetch_error_text(error));
    else if (run->verbose && vetch_error_is(error, VETCH_EHTTP + 404))
        printf("%s not found\n", flag->cc);
    else if (run->verbose)
        printf("*** Error for %s: %s\n", flag->cc, vetch_error_text(error));
}

static bool
was_canceled(const vetch_error *error)
{
    return vetch_error_is(error, VETCH_ECANCELED) ||
           vetch_error_is(error, VETCH_ECLOSED);
}

void
count(struct flag *flag, const vetch_error *error)
{
    struct run *run = flag->run;

    /* A file that was being saved when the cancel came is there: it counts. */
    if (flag->saved)
        error = NULL;
    if (flag->counted || was_canceled(error))
        return;
    flag->counted = true;
    if (error == NULL) {
        run->ok++;
        show_ok(flag);
    } else {
        if (vetch_error_is(error, VETCH_EHTTP + 404))
            run->not_found++;
        else
            run->errors++;
        show_failure(flag, error);
    }
    fflush(stdout);
    show_progress(run);
}

/* What was neither done nor interrupted could not even be begun. */
static void
count_rest_as_errors(struct run *run)
{
    for (size_t i = 0; i < run->n_flags; i++) {
        struct flag *flag = &run->flags[i];

        if (flag->counted)
            continue;
        flag->counted = true;
        run->errors++;
        show_failure(flag, run->error);
    }
}

static void
show_counts(const struct run *run, double elapsed)
{
    size_t left = run->n_flags - run->ok - run->not_found - run->errors;

    printf("--------------------\n");
    printf("%zu flag%s downloaded.\n", run->ok, run->ok == 1 ? "" : "s");
    if (run->not_found > 0)
        printf("%zu not found.\n", run->not_found);
    if (run->errors > 0)
        printf("%zu error%s.\n", run->errors, run->errors == 1 ? "" : "s");
    if (left > 0)
        printf("%zu cancelled.\n", left);
    printf("Elapsed time: %.2fs\n", elapsed);
}

int
end_run(struct run *run)
{
    double elapsed = monotonic_seconds() - run->started;
    int status;

    if (run->interrupted == 0)
        count_rest_as_errors(run);
    end_progress(run);
    if (run->first_series)
        printf("\n%zu flag%s downloaded in %.2fs\n", run->ok,
               run->ok == 1 ? "" : "s", elapsed);
    else
        show_counts(run, elapsed);
    status = run->errors > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    if (run->first_series && run->not_found > 0)
        status = EXIT_FAILURE; /* all twenty are expected to be there */
    if (run->interrupted != 0)
        status = 128 + run->interrupted;
    run->error = vetch_error_unref(run->error);
    free(run->flags);
    close(run->dest);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "%s: the output could not be written\n", run->program);
        status = EXIT_FAILURE;
    }
    return status;
}
