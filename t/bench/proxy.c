/* The proxy for proxy benchmarks: each client gets a connection to the backend,
 * and the two are joined.
 *
 *   proxy PORT BACKEND_PORT */

#include <stdio.h>
#include <stdlib.h>

#include <vetch.h>

#include "bench/serving.h"

static vetch_promise *
join_backend(void *backend, void *client)
{
    return vetch_stream_join(client, backend);
}

static vetch_promise *
serve_client(vetch_stream *client, void *endpoint)
{
    return vetch_then(vetch_stream_connect(endpoint, NULL), join_backend,
                      client);
}

int
main(int argc, char **argv)
{
    char endpoint[64], backend[64];
    vetch_reactor *reactor;
    vetch_listener *listener;

    if (argc != 3) {
        fprintf(stderr, "usage: %s PORT BACKEND_PORT\n", argv[0]);
        return 2;
    }
    snprintf(endpoint, sizeof(endpoint), "tcp:127.0.0.1:%s", argv[1]);
    snprintf(backend, sizeof(backend), "tcp:127.0.0.1:%s", argv[2]);
    reactor = vetch_reactor_new();
    listener = reactor != NULL
                   ? vetch_stream_serve(endpoint, serve_client, backend, NULL)
                   : NULL;
    return bench_serve(reactor, listener, endpoint);
}
