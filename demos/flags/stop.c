/* Ctrl-C for programs that have no loop: the signal handler writes into a pipe,
 * and whoever waits for something waits for that pipe, too. So one signal ends
 * all threads at once. */

#include "stop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "flags.h"

static int stop_pipe[2] = { -1, -1 };
static volatile sig_atomic_t stopped_by;

static void
on_signal(int signum)
{
    int saved = errno;

    stopped_by = signum;
    /* Never read: it stays readable, and so wakes every thread. */
    if (write(stop_pipe[1], "", 1) < 0)
        stopped_by = signum; /* the pipe is full: readable as well */
    errno = saved;
}

void
stop_on_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal };

    if (pipe2(stop_pipe, O_CLOEXEC | O_NONBLOCK) == 0) {
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
    } /* else a signal simply kills */
    let_signals_in();
}

int
stop_signal(void)
{
    return stopped_by;
}

int
stop_descriptor(void)
{
    return stop_pipe[0];
}
