/* A spinner as two tasks on the one thread there is.  Each is written as if it
 * were alone: a loop that draws and sleeps, and a supervisor that starts it,
 * waits for the slow work, stops it and waits until it has stopped. */

#include <stdio.h>
#include <stdlib.h>

#include <vetch.h>

#include "frame.h"

/* Endless, until its sleep is cancelled; then it cleans up and goes. */
static vetch_promise *
spin(void *ctx)
{
    vetch_error *error = NULL;

    (void)ctx;
    for (unsigned i = 0; error == NULL; i++) {
        draw_frame(i);
        vetch_await(vetch_sleep(FRAME_SECONDS), &error);
    }
    erase_frame();
    return vetch_rejected(error);
}

/* Slow, but it does not block: the loop is free meanwhile. */
static int
slow(double seconds)
{
    vetch_await(vetch_sleep(seconds), NULL);
    return 42;
}

static vetch_promise *
supervise(void *ctx)
{
    double *seconds = ctx;
    vetch_promise *spinner = vetch_spawn(spin, NULL);
    int answer;

    printf("spinner object: <task at %p>\n", (void *)spinner);
    answer = slow(*seconds);
    vetch_promise_cancel(spinner);
    vetch_await(spinner, NULL);
    return vetch_resolved((void *)(intptr_t)answer, NULL);
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
