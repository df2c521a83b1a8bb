/* A spinner on the one thread there is.  The slow work and the animation are
 * two promises; whichever settles first cancels the other, and the race ends
 * only when both have stopped, so the line is clean when the answer is
 * printed. */

#include <stdio.h>
#include <stdlib.h>

#include <vetch.h>

#include "frame.h"

static vetch_promise *
next_frame(void *ctx)
{
    unsigned *frame = ctx;

    draw_frame((*frame)++);
    return vetch_sleep(FRAME_SECONDS);
}

static void
stop_spinning(void *ctx)
{
    (void)ctx;
    erase_frame();
}

/* Endless: it never fulfils, it can only be cancelled. */
static vetch_promise *
spin(unsigned *frame)
{
    return vetch_finally(vetch_repeat(next_frame, frame), stop_spinning, NULL);
}

static vetch_promise *
give_answer(void *value, void *ctx)
{
    (void)value;
    (void)ctx;
    return vetch_resolved((void *)(intptr_t)42, NULL);
}

/* Slow, but it does not block: the loop is free meanwhile. */
static vetch_promise *
slow(double seconds)
{
    return vetch_then(vetch_sleep(seconds), give_answer, NULL);
}

static const char *
state_name(const vetch_promise *p)
{
    switch (vetch_promise_state(p)) {
    case VETCH_PENDING:
        return "pending";
    case VETCH_FULFILLED:
        return "fulfilled";
    case VETCH_REJECTED:
        return "rejected";
    }
    return "lost";
}

int
main(int argc, char **argv)
{
    double seconds = seconds_argument(argc, argv);
    vetch_reactor *reactor = vetch_reactor_new();
    vetch_promise *both[2];
    vetch_error *error;
    unsigned frame = 0;
    void *answer;

    if (reactor == NULL) {
        perror("spinner_promises");
        return EXIT_FAILURE;
    }
    both[0] = spin(&frame);
    both[1] = slow(seconds);
    printf("spinner object: <promise at %p, %s>\n", (void *)both[0],
           state_name(both[0]));
    answer = vetch_run(vetch_race(both, 2), &error);
    vetch_reactor_unref(reactor);
    if (error != NULL) {
        fprintf(stderr, "spinner_promises: %s\n", vetch_error_text(error));
        vetch_error_unref(error);
        return EXIT_FAILURE;
    }
    printf("Answer: %d\n", (int)(intptr_t)answer);
    return EXIT_SUCCESS;
}
