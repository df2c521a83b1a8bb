/* The server for HTTP benchmarks: GET / says `Hello, World!`, with everything
 * on that protects a real server (router, gate, limits, Date, idle timeout),
 * but for the number of requests per connection.
 *
 *   hello PORT */

#include <stdio.h>
#include <stdlib.h>

#include <vetch.h>

#include "bench/serving.h"

static vetch_promise *
hello(vetch_http_request *request, void *ctx)
{
    (void)ctx;
    vetch_http_reply(request, 200, "text/plain", "Hello, World!", 13);
    return NULL;
}

int
main(int argc, char **argv)
{
    vetch_http_server_options options = VETCH_HTTP_SERVER_OPTIONS_INIT;
    vetch_reactor *reactor;
    vetch_http_server *server;
    char endpoint[64];

    if (argc != 2) {
        fprintf(stderr, "usage: %s PORT\n", argv[0]);
        return 2;
    }
    bench_raise_limit();
    options.max_connections = 20000;
    options.max_requests = VETCH_NO_LIMIT;
    snprintf(endpoint, sizeof(endpoint), "tcp:127.0.0.1:%s", argv[1]);
    reactor = vetch_reactor_new();
    server = reactor != NULL ? vetch_http_server_new(endpoint, &options) : NULL;
    if (server == NULL ||
        vetch_http_server_route(server, "GET", "/", hello, NULL, NULL) < 0) {
        perror(endpoint);
        return 1;
    }
    printf("%s\n", vetch_http_server_endpoint(server));
    fflush(stdout);
    vetch_reactor_run(reactor);
    vetch_http_server_unref(server);
    vetch_reactor_unref(reactor);
    return 0;
}
