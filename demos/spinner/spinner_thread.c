/* A spinner on a thread of its own, while the main thread is blocked in a
 * slow function.  Two threads need what one loop does not: a lock, a
 * condition to say "stop" with, and a join before the answer may be printed. */

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "frame.h"

struct spinner {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
};

/* Waits one frame long, or less if done meanwhile; with the lock held. */
static void
wait_frame(struct spinner *s)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)(FRAME_SECONDS * 1e9);
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    while (!s->done &&
           pthread_cond_timedwait(&s->changed, &s->lock, &until) != ETIMEDOUT)
        ;
}

static void *
spin(void *arg)
{
    struct spinner *s = arg;

    pthread_mutex_lock(&s->lock);
    for (unsigned i = 0; !s->done; i++) {
        draw_frame(i);
        wait_frame(s);
    }
    pthread_mutex_unlock(&s->lock);
    erase_frame();
    return NULL;
}

/* Starts the thread and describes it; 0 or an error number. */
static int
start_spinning(struct spinner *s)
{
    pthread_condattr_t attr;
    int err;

    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &attr);
    pthread_condattr_destroy(&attr);
    s->done = false;
    /* The thread needs the lock to draw: it waits until the line stands. */
    pthread_mutex_lock(&s->lock);
    err = pthread_create(&s->thread, NULL, spin, s);
    if (err == 0)
        printf("spinner object: <thread %#lx, running>\n",
               (unsigned long)s->thread);
    fflush(stdout);
    pthread_mutex_unlock(&s->lock);
    return err;
}

static void
stop_spinning(struct spinner *s)
{
    pthread_mutex_lock(&s->lock);
    s->done = true;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
}

/* Blocks the calling thread, as a slow system call does. */
static int
slow(double seconds)
{
    struct timespec rest;

    rest.tv_sec = (time_t)seconds;
    rest.tv_nsec = (long)((seconds - (double)rest.tv_sec) * 1e9);
    while (nanosleep(&rest, &rest) < 0 && errno == EINTR)
        ;
    return 42;
}

int
main(int argc, char **argv)
{
    double seconds = seconds_argument(argc, argv);
    struct spinner s;
    int err, answer;

    err = start_spinning(&s);
    if (err != 0) {
        fprintf(stderr, "spinner_thread: %s\n", strerror(err));
        return EXIT_FAILURE;
    }
    answer = slow(seconds);
    stop_spinning(&s);
    printf("Answer: %d\n", answer);
    return EXIT_SUCCESS;
}
