/* Setting up a server, and stopping it. */
#include "serving.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keep.h"
#include "session.h"

/* For a client, the server holds at most this and what it writes at a time: one
 * piece of rows. */
#define HIGH_BYTES (65536 - PIECE_SIZE)

/* How long clients may go on once the server is to stop. */
#define STOP_SECONDS 1.0

static const char *program;

static _Noreturn void
bad_usage(const char *what, const char *arg)
{
    fprintf(stderr, "%s: %s%s\nusage: %s [ADDRESS [PORT]]\n", program, what,
            arg, program);
    exit(2);
}

static unsigned
read_port(const char *text)
{
    char *end;
    unsigned long port = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || port > 65535)
        bad_usage("not a port: ", text);
    return (unsigned)port;
}

static void
read_arguments(int argc, char **argv, char *endpoint, size_t size)
{
    static const struct option options[] = { { "help", no_argument, NULL, 'h' },
                                             { NULL, 0, NULL, 0 } };
    const char *address = "127.0.0.1";
    unsigned port = 2323;
    int c;

    program =
        strrchr(argv[0], '/') != NULL ? strrchr(argv[0], '/') + 1 : argv[0];
    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (c != 'h')
            exit(2); /* getopt_long() has said why */
        printf("usage: %s [ADDRESS [PORT]]\n", program);
        exit(EXIT_SUCCESS);
    }
    if (argc - optind > 2)
        bad_usage("too many arguments", "");
    if (argc - optind > 0)
        address = argv[optind];
    if (argc - optind > 1)
        port = read_port(argv[optind + 1]);
    snprintf(endpoint, size, strchr(address, ':') ? "tcp:[%s]:%u" : "tcp:%s:%u",
             address, port);
}

static int
complain(vetch_error *error)
{
    if (error == NULL)
        return EXIT_SUCCESS;
    fprintf(stderr, "%s: %s\n", program, vetch_error_text(error));
    vetch_error_unref(error);
    return EXIT_FAILURE;
}

static int
serve(vetch_listener *listener)
{
    vetch_promise *signals[] = { vetch_signal(SIGINT), vetch_signal(SIGTERM) };
    char address[ADDRESS_SIZE];
    vetch_error *error;
    int status;

    print_address(vetch_listener_endpoint(listener), address);
    printf("Serving on %s. Hit CTRL-C to stop.\n", address);
    vetch_run(vetch_race(signals, 2), &error);
    status = complain(error);
    puts("Server shutting down.");
    vetch_unref(vetch_run(vetch_listener_stop(listener, STOP_SECONDS), &error));
    return status == EXIT_SUCCESS ? complain(error) : status;
}

static int
serve_index(const char *endpoint, struct char_index *index,
            vetch_stream_fn converse, bool task)
{
    vetch_stream_options options = VETCH_STREAM_OPTIONS_INIT;
    vetch_listener *listener;
    int status;

    options.task = task;
    options.high_bytes = HIGH_BYTES;
    listener = vetch_stream_serve(endpoint, converse, index, &options);
    if (listener == NULL)
        return complain(vetch_error_from_errno(errno, "%s", endpoint));
    status = serve(listener);
    vetch_listener_unref(listener);
    return status;
}

int
serve_characters(int argc, char **argv, vetch_stream_fn converse, bool task)
{
    vetch_reactor *reactor;
    struct char_index *index;
    vetch_error *error;
    char endpoint[256];
    int status;

    read_arguments(argc, argv, endpoint, sizeof(endpoint));
    setvbuf(stdout, NULL, _IOLBF, 0); /* a log, into files and pipes as well */
    reactor = vetch_reactor_new();
    if (reactor == NULL)
        return complain(vetch_error_from_errno(errno, "the loop"));
    index = vetch_run(open_index(), &error);
    status = index != NULL ? serve_index(endpoint, index, converse, task)
                           : complain(error);
    vetch_reactor_unref(reactor); /* first: sessions that hang use the index */
    index_free(index);
    return status;
}
