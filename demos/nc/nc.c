/* A small netcat: standard input and output joined with a connection of any
 * kind, both ways, half-closes passed on. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vetch.h>

struct nc {
    vetch_stream *stdio;
    vetch_listener *listener;
    vetch_deferred *over;
};

static vetch_promise *
join_is_over(void *value, void *ctx)
{
    vetch_deferred_resolve(((struct nc *)ctx)->over, value, NULL);
    return NULL;
}

static vetch_promise *
join_has_failed(const vetch_error *error, void *ctx)
{
    vetch_deferred_reject(((struct nc *)ctx)->over, vetch_error_ref(error));
    return NULL;
}

/* The first connection is the only one. */
static vetch_promise *
serve(vetch_stream *s, void *ctx)
{
    struct nc *nc = ctx;

    vetch_listener_set_limit(nc->listener, 0);
    return vetch_handle(vetch_stream_join(nc->stdio, s), join_is_over,
                        join_has_failed, nc);
}

static vetch_error *
listen_at(const char *endpoint, struct nc *nc)
{
    vetch_stream_options options = VETCH_STREAM_OPTIONS_INIT;
    vetch_error *error = vetch_endpoint_check(endpoint, VETCH_ENDPOINT_LISTEN);

    if (error != NULL)
        return error;
    options.max_connections = 1;
    nc->over = vetch_deferred_new(NULL, NULL);
    nc->listener = vetch_stream_serve(endpoint, serve, nc, &options);
    if (nc->listener == NULL)
        error = vetch_error_from_errno(errno, "listen at %s", endpoint);
    else {
        fprintf(stderr, "listening on %s\n",
                vetch_listener_endpoint(nc->listener));
        vetch_run(vetch_deferred_promise(nc->over), &error);
        vetch_unref(vetch_run(vetch_listener_stop(nc->listener, 5), NULL));
    }
    vetch_listener_unref(nc->listener);
    vetch_deferred_unref(nc->over);
    return error;
}

static vetch_error *
connect_to(const char *endpoint, struct nc *nc)
{
    vetch_error *error = NULL;
    vetch_stream *s = vetch_run(vetch_stream_connect(endpoint, NULL), &error);

    if (s != NULL)
        vetch_run(vetch_stream_join(nc->stdio, s), &error);
    vetch_stream_unref(s);
    return error;
}

int
main(int argc, char **argv)
{
    bool listens = argc == 3 && strcmp(argv[1], "-l") == 0;
    vetch_reactor *reactor = vetch_reactor_new();
    struct nc nc = { .stdio = vetch_stream_stdio(NULL) };
    vetch_error *error;
    int status = EXIT_SUCCESS;

    if (nc.stdio == NULL || (argc != 2 && !listens)) {
        fprintf(stderr, "usage: nc [-l] ENDPOINT\n");
        return 2;
    }
    error = (listens ? listen_at : connect_to)(argv[argc - 1], &nc);
    if (error != NULL) {
        fprintf(stderr, "nc: %s\n", vetch_error_text(error));
        status = EXIT_FAILURE;
    }
    vetch_error_unref(error);
    vetch_stream_unref(nc.stdio);
    vetch_reactor_unref(reactor);
    return status;
}
