/* https PORT CERT KEY ROOT: a server for TLS benchmarks: "Hello, World!" at /,
 * and the files of ROOT. */
#include <stdio.h>
#include <stdlib.h>

#include <vetch.h>

static vetch_promise *
hello(vetch_http_request *r, void *ctx)
{
    (void)ctx;
    vetch_http_reply(r, 200, "text/plain", "Hello, World!", 13);
    return NULL;
}

static vetch_tls *
make_context(const char *certificate, const char *key)
{
    vetch_tls_options options = VETCH_TLS_OPTIONS_INIT;
    vetch_error *error = NULL;
    vetch_tls *tls;

    options.certificate_file = certificate;
    options.key_file = key;
    tls = vetch_tls_server_new(&options, &error);
    if (tls == NULL)
        fprintf(stderr, "%s\n", vetch_error_text(error));
    vetch_error_unref(error);
    return tls;
}

int
main(int argc, char **argv)
{
    vetch_http_server_options options = VETCH_HTTP_SERVER_OPTIONS_INIT;
    vetch_reactor *reactor = vetch_reactor_new();
    vetch_http_server *server;
    char endpoint[64];

    if (argc < 5 || (options.tls = make_context(argv[2], argv[3])) == NULL)
        return 1;
    options.max_requests = VETCH_NO_LIMIT;
    options.max_connections = 100000;
    snprintf(endpoint, sizeof(endpoint), "tcp:127.0.0.1:%s", argv[1]);
    server = vetch_http_server_new(endpoint, &options);
    if (server == NULL ||
        vetch_http_server_route(server, "GET", "/", hello, NULL, NULL) < 0 ||
        vetch_http_server_files(server, "/", argv[4]) < 0) {
        perror(endpoint);
        return 1;
    }
    vetch_run(vetch_signal(15), NULL);
    vetch_run(vetch_http_server_stop(server, 1), NULL);
    vetch_http_server_unref(server);
    vetch_tls_unref(options.tls);
    vetch_reactor_unref(reactor);
    return 0;
}
