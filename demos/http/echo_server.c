/* Answers every request with the body that it was sent, until SIGTERM or
 * SIGINT; then it lets requests end and says what it had to cut.
 *
 *   echo_server [ENDPOINT] */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vetch.h>

static vetch_promise *
echo(vetch_http_request *request, void *ctx)
{
    const char *type = vetch_http_request_header(request, "Content-Type");
    size_t len;
    const void *body = vetch_http_request_body(request, &len);

    (void)ctx;
    if (type == NULL)
        type = "application/octet-stream";
    vetch_http_reply(request, 200, type, body, len);
    return NULL;
}

static vetch_http_server *
start(const char *endpoint)
{
    vetch_http_server *server = vetch_http_server_new(endpoint, NULL);

    if (server == NULL)
        return NULL;
    if (vetch_http_server_route(server, "*", "/*path", echo, NULL, NULL) < 0)
        return vetch_http_server_unref(server);
    return server;
}

/* Run until a signal comes, then stop within five seconds. */
static int
serve(vetch_http_server *server)
{
    vetch_promise *signals[] = { vetch_signal(SIGTERM), vetch_signal(SIGINT) };
    vetch_stop_report *report;
    vetch_error *error = NULL;

    /* Not said before a signal would be noticed. */
    printf("listening on %s\n", vetch_http_server_endpoint(server));
    fflush(stdout);
    vetch_run(vetch_race(signals, 2), &error);
    if (error == NULL) {
        report = vetch_run(vetch_http_server_stop(server, 5.0), &error);
        if (report != NULL)
            printf("stopped: %zu requests ended, %zu cancelled, "
                   "%zu connections cut\n",
                   vetch_stop_report_ended(report),
                   vetch_stop_report_canceled(report),
                   vetch_stop_report_cut(report));
        vetch_stop_report_unref(report);
    }
    if (error == NULL)
        return EXIT_SUCCESS;
    fprintf(stderr, "echo_server: %s\n", vetch_error_text(error));
    vetch_error_unref(error);
    return EXIT_FAILURE;
}

int
main(int argc, char **argv)
{
    const char *endpoint = argc > 1 ? argv[1] : "tcp:127.0.0.1:8080";
    vetch_reactor *reactor;
    vetch_http_server *server;
    int status = EXIT_FAILURE;

    if (argc > 2) {
        fprintf(stderr, "usage: echo_server [ENDPOINT]\n");
        return 2;
    }
    reactor = vetch_reactor_new();
    server = reactor != NULL ? start(endpoint) : NULL;
    if (server == NULL)
        fprintf(stderr, "echo_server: %s: %s\n", endpoint, strerror(errno));
    else
        status = serve(server);
    vetch_http_server_unref(server);
    vetch_reactor_unref(reactor);
    return status;
}
