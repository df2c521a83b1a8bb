/* Setting up an echo server, and stopping it. */
#include "serving.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *program, *endpoint = "tcp:127.0.0.1:7007";

const char *
endpoint_of(int argc, char **argv)
{
    program = argv[0];
    if (argc > 2) {
        fprintf(stderr, "usage: %s [ENDPOINT]\n", program);
        exit(2);
    }
    if (argc > 1)
        endpoint = argv[1];
    if (vetch_reactor_new() == NULL) {
        fprintf(stderr, "%s: %s\n", program, strerror(errno));
        exit(EXIT_FAILURE);
    }
    return endpoint;
}

int
serve_until_told(vetch_listener *listener)
{
    vetch_promise *signals[] = { vetch_signal(SIGINT), vetch_signal(SIGTERM) };
    vetch_error *error = NULL;

    if (listener == NULL) {
        fprintf(stderr, "%s: %s: %s\n", program, endpoint, strerror(errno));
        vetch_promise_unref(signals[0]);
        vetch_promise_unref(signals[1]);
    } else {
        printf("listening on %s\n", vetch_listener_endpoint(listener));
        fflush(stdout);
        vetch_run(vetch_race(signals, 2), &error);
        vetch_unref(vetch_run(vetch_listener_stop(listener, 1), NULL));
        vetch_listener_unref(listener);
    }
    if (error != NULL)
        fprintf(stderr, "%s: %s\n", program, vetch_error_text(error));
    vetch_reactor_unref(vetch_reactor_current());
    vetch_error_unref(error);
    return listener != NULL && error == NULL ? EXIT_SUCCESS : EXIT_FAILURE;
}
