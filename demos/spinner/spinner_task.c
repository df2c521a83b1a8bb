/* A spinner as two tasks on the one thread there is.  Each is written as if it
 * were alone: a loop that draws and sleeps, and a supervisor that starts it,
 * waits for the slow work, stops it and waits until it has stopped. */

#include <stdio.h>
#include <stdlib.h>

#include <vetch.h>

#include "frame.h"

static void
stop_drawing(void *ctx)
{
    (void)ctx;
    erase_frame();
}

/* Endless, until its sleep is cancelled: that ends it there. */
static vetch_promise *
spin(void *ctx)
{
    (void)ctx;
    vetch_defer(stop_drawing, NULL);
    for (unsigned i = 0;; i++) {
        draw_frame(i);
        vetch_try(vetch_sleep(FRAME_SECONDS));
    }
    return NULL;
}

/* The cancel is what it is expected to end with; anything else is an error. */
static void
stop_spinner(void *spinner)
{
    vetch_error *error;

    vetch_promise_cancel(spinner);
    vetch_await(spinner, &error);
    if (vetch_error_is(error, VETCH_ECANCELED))
        error = vetch_error_unref(error);
    vetch_try(vetch_finish(error));
}

/* Slow, but it does not block: the loop is free meanwhile. */
static int
slow(double seconds)
{
    vetch_try(vetch_sleep(seconds));
    return 42;
}

static vetch_promise *
supervise(void *ctx)
{
    double *seconds = ctx;
    vetch_promise *spinner = vetch_spawn(spin, NULL);

    vetch_defer(stop_spinner, spinner);
    printf("spinner object: <task at %p>\n", (void *)spinner);
    return vetch_resolved((void *)(intptr_t)slow(*seconds), NULL);
}

int
main(int argc, char **argv)
{
    double seconds = seconds_argument(argc, argv);
    vetch_reactor *reactor = vetch_reactor_new();
    vetch_error *error;
    void *answer;

    if (reactor == NULL) {
        perror("spinner_task");
        return EXIT_FAILURE;
    }
    answer = vetch_run(vetch_spawn(supervise, &seconds), &error);
    vetch_reactor_unref(reactor);
    if (error != NULL) {
        fprintf(stderr, "spinner_task: %s\n", vetch_error_text(error));
        vetch_error_unref(error);
        return EXIT_FAILURE;
    }
    printf("Answer: %d\n", (int)(intptr_t)answer);
    return EXIT_SUCCESS;
}
