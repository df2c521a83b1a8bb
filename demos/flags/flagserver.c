/* Three servers of the same flags in one program, to try downloaders on:
 *
 *     LOCAL   serves files as they are
 *     DELAY   waits before every response
 *     ERROR   fails a share of the responses, in three ways by turns, and is
 *             late with another share
 *
 * Which responses ERROR fails depends on the seed and on the path alone, so
 * that downloaders which ask in different orders see the same trouble. */

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <vetch.h>

#include "site.h"

/* How long what was sent of a truncated response may travel, and how long
 * requests may go on once the servers are to stop. */
#define TRAVEL_SECONDS 0.02
#define STOP_SECONDS   1.0

enum { LOCAL, DELAY, ERROR, N_SERVERS };

static const char *const labels[] = { "LOCAL", "DELAY", "ERROR" };

struct settings {
    const char *site;
    const char *make_site;
    unsigned ports[N_SERVERS];
    double delay;
    double error_rate, delay_rate;
    uint64_t seed;
    unsigned n_failed;
    vetch_http_server *servers[N_SERVERS];
};

/* ---- responses ---- */

static const char *
type_of(const char *path)
{
    const char *dot = strrchr(path, '.');

    if (dot != NULL && strcmp(dot, ".gif") == 0)
        return "image/gif";
    if (dot != NULL && strcmp(dot, ".json") == 0)
        return "application/json";
    return "application/octet-stream";
}

static void
reply_file(vetch_http_request *request)
{
    static const char sorry[] = "Not found\n";
    const struct file *file =
        find_file(vetch_http_request_param(request, "path"));

    if (file == NULL)
        vetch_http_reply(request, 404, "text/plain", sorry, sizeof(sorry) - 1);
    else
        vetch_http_reply(request, 200, type_of(file->path), file->data,
                         file->len);
}

static vetch_promise *
reply_now(void *value, void *ctx)
{
    (void)value;
    reply_file(ctx);
    return NULL;
}

static vetch_promise *
reply_late(vetch_http_request *request, double seconds)
{
    return vetch_then(vetch_sleep(seconds), reply_now, request);
}

static vetch_promise *
break_off(void *value, void *ctx)
{
    (void)value;
    vetch_stream_abort(vetch_http_request_stream(ctx));
    return NULL;
}

/* Half of the file, as if it were to go on; what was sent is to arrive before
 * the connection breaks. */
static vetch_promise *
truncate_reply(vetch_http_request *request)
{
    const struct file *file =
        find_file(vetch_http_request_param(request, "path"));

    if (file == NULL)
        return break_off(NULL, request);
    vetch_http_reply_begin(request, 200, type_of(file->path));
    vetch_stream_write(vetch_http_request_stream(request), file->data,
                       file->len / 2);
    return vetch_then(vetch_sleep(TRAVEL_SECONDS), break_off, request);
}

static vetch_promise *
fail_reply(vetch_http_request *request, unsigned how)
{
    static const char sorry[] = "Out of order\n";

    switch (how) {
    case 0:
        vetch_http_reply(request, 503, "text/plain", sorry, sizeof(sorry) - 1);
        return NULL;
    case 1:
        return break_off(NULL, request);
    default:
        return truncate_reply(request);
    }
}

/* ---- handlers ---- */

static vetch_promise *
serve_delayed(vetch_http_request *request, void *ctx)
{
    const struct settings *set = ctx;

    return reply_late(request, set->delay);
}

/* A number from 0 to 1, the same each time for the same seed and path. */
static double
draw(uint64_t seed, const char *path)
{
    uint64_t hash = seed ^ 0x9e3779b97f4a7c15u;

    for (; *path != '\0'; path++) {
        hash = (hash ^ (unsigned char)*path) * 0x100000001b3u;
        hash ^= hash >> 29;
    }
    hash *= 0xbf58476d1ce4e5b9u;
    hash ^= hash >> 32;
    return (double)(hash >> 11) / (double)(1ull << 53);
}

static vetch_promise *
serve_badly(vetch_http_request *request, void *ctx)
{
    struct settings *set = ctx;
    double luck = draw(set->seed, vetch_http_request_path(request));

    if (luck < set->error_rate)
        return fail_reply(request, set->n_failed++ % 3);
    if (luck < set->error_rate + set->delay_rate)
        return reply_late(request, set->delay);
    reply_file(request);
    return NULL;
}

/* ---- the servers ---- */

static int
add_files(struct settings *set, unsigned which)
{
    static const vetch_http_handler_fn handlers[] = { NULL, serve_delayed,
                                                      serve_badly };
    vetch_http_route_options options = VETCH_HTTP_ROUTE_OPTIONS_INIT;
    vetch_http_server *server = set->servers[which];
    char *directory;
    int result;

    /* Nobody who has given up shall keep a late response waiting. */
    options.cancel_at_half_close = true;
    if (which != LOCAL)
        return vetch_http_server_route(server, "GET", "/flags/*path",
                                       handlers[which], set, &options);
    if (asprintf(&directory, "%s/flags", set->site) < 0)
        return -1;
    result = vetch_http_server_files(server, "/flags/", directory);
    free(directory);
    return result;
}

static int
start_server(struct settings *set, unsigned which)
{
    char endpoint[64];

    snprintf(endpoint, sizeof(endpoint), "tcp:127.0.0.1:%u", set->ports[which]);
    set->servers[which] = vetch_http_server_new(endpoint, NULL);
    if (set->servers[which] == NULL || add_files(set, which) < 0) {
        fprintf(stderr, "flagserver: %s on %s: %s\n", labels[which], endpoint,
                strerror(errno));
        return -1;
    }
    return 0;
}

static void
say_where(const struct settings *set)
{
    for (unsigned i = 0; i < N_SERVERS; i++)
        printf("%s http://127.0.0.1:%u/flags\n", labels[i],
               vetch_http_server_port(set->servers[i]));
    fflush(stdout);
}

static void
say_what_was_cut(const vetch_results *reports)
{
    for (size_t i = 0; i < N_SERVERS; i++) {
        const vetch_stop_report *report = vetch_results_value(reports, i);

        printf("%s stopped: %zu requests ended, %zu cancelled, "
               "%zu connections cut\n",
               labels[i], vetch_stop_report_ended(report),
               vetch_stop_report_canceled(report),
               vetch_stop_report_cut(report));
    }
}

static int
report_error(vetch_error *error)
{
    if (error == NULL)
        return EXIT_SUCCESS;
    fprintf(stderr, "flagserver: %s\n", vetch_error_text(error));
    vetch_error_unref(error);
    return EXIT_FAILURE;
}

/* Serves until a signal comes, then lets the requests in hand end. */
static int
serve(struct settings *set)
{
    vetch_promise *signals[] = { vetch_signal(SIGINT), vetch_signal(SIGTERM) };
    vetch_promise *stops[N_SERVERS];
    vetch_results *reports;
    vetch_error *error;

    say_where(set); /* not before a signal would be noticed */
    vetch_run(vetch_race(signals, 2), &error);
    if (error != NULL)
        return report_error(error);
    for (unsigned i = 0; i < N_SERVERS; i++)
        stops[i] = vetch_http_server_stop(set->servers[i], STOP_SECONDS);
    reports = vetch_run(vetch_all(stops, N_SERVERS), &error);
    if (reports != NULL)
        say_what_was_cut(reports);
    vetch_results_unref(reports);
    return report_error(error);
}

static int
run_servers(struct settings *set)
{
    vetch_reactor *reactor = vetch_reactor_new();
    int status = EXIT_FAILURE;

    if (reactor == NULL) {
        perror("flagserver");
        return EXIT_FAILURE;
    }
    if (start_server(set, LOCAL) == 0 && start_server(set, DELAY) == 0 &&
        start_server(set, ERROR) == 0) {
        status = serve(set);
    }
    for (unsigned i = 0; i < N_SERVERS; i++)
        vetch_http_server_unref(set->servers[i]);
    vetch_reactor_unref(reactor);
    return status;
}

/* ---- the command line ---- */

static const char usage_text[] =
    "usage: flagserver --site DIR [--port 8001] [--delay-port 8002]\n"
    "                  [--error-port 8003] [--delay 0.5] [--error-rate 0.25]\n"
    "                  [--delay-rate 0.5] [--seed N]\n"
    "       flagserver --make-site DIR\n";

static _Noreturn void __attribute__((format(printf, 1, 2)))
bad_argument(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("flagserver: ", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n%s", usage_text);
    exit(2);
}

/* Seconds, or a share. */
static double
decimal(const char *option, const char *text, double most)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || !(value >= 0.0 && value <= most))
        bad_argument("--%s: not from 0 to %g: %s", option, most, text);
    return value;
}

static uint64_t
whole(const char *option, const char *text, uint64_t most)
{
    uint64_t value;

    errno = 0;
    value = strtoull(text, NULL, 10);
    if (*text == '\0' || text[strspn(text, "0123456789")] != '\0' ||
        errno != 0 || value > most)
        bad_argument("--%s: no whole number from 0 to %" PRIu64 ": %s", option,
                     most, text);
    return value;
}

static void
read_options(struct settings *set, int argc, char **argv)
{
    enum {
        SITE,
        MAKE_SITE,
        PORT,
        DELAY_PORT,
        ERROR_PORT,
        DELAY_SECONDS,
        ERROR_RATE,
        DELAY_RATE,
        SEED,
        HELP
    };
    static const struct option options[] = {
        [SITE] = { "site", required_argument, NULL, SITE },
        [MAKE_SITE] = { "make-site", required_argument, NULL, MAKE_SITE },
        [PORT] = { "port", required_argument, NULL, PORT },
        [DELAY_PORT] = { "delay-port", required_argument, NULL, DELAY_PORT },
        [ERROR_PORT] = { "error-port", required_argument, NULL, ERROR_PORT },
        [DELAY_SECONDS] = { "delay", required_argument, NULL, DELAY_SECONDS },
        [ERROR_RATE] = { "error-rate", required_argument, NULL, ERROR_RATE },
        [DELAY_RATE] = { "delay-rate", required_argument, NULL, DELAY_RATE },
        [SEED] = { "seed", required_argument, NULL, SEED },
        [HELP] = { "help", no_argument, NULL, HELP },
        { NULL, 0, NULL, 0 }
    };
    int which;

    while ((which = getopt_long(argc, argv, "", options, NULL)) != -1) {
        const char *name = which != '?' ? options[which].name : NULL;

        switch (which) {
        case SITE:
            set->site = optarg;
            break;
        case MAKE_SITE:
            set->make_site = optarg;
            break;
        case PORT:
        case DELAY_PORT:
        case ERROR_PORT:
            set->ports[which - PORT] = (unsigned)whole(name, optarg, 65535);
            break;
        case DELAY_SECONDS:
            set->delay = decimal(name, optarg, 3600);
            break;
        case ERROR_RATE:
            set->error_rate = decimal(name, optarg, 1);
            break;
        case DELAY_RATE:
            set->delay_rate = decimal(name, optarg, 1);
            break;
        case SEED:
            set->seed = whole(name, optarg, UINT64_MAX);
            break;
        case HELP:
            fputs(usage_text, stdout);
            exit(EXIT_SUCCESS);
        default:
            fputs(usage_text, stderr); /* getopt_long() has said why */
            exit(2);
        }
    }
    if (optind < argc)
        bad_argument("not an option: %s", argv[optind]);
    if ((set->site == NULL) == (set->make_site == NULL))
        bad_argument("either --site or --make-site is needed");
}

int
main(int argc, char **argv)
{
    struct settings set = { .ports = { 8001, 8002, 8003 },
                            .delay = 0.5,
                            .error_rate = 0.25,
                            .delay_rate = 0.5,
                            .seed = (uint64_t)time(NULL) };
    int status, count;

    read_options(&set, argc, argv);
    if (set.make_site != NULL) {
        count = make_site(set.make_site);
        if (count < 0)
            return EXIT_FAILURE;
        printf("%d flags written to %s/flags\n", count, set.make_site);
        return EXIT_SUCCESS;
    }
    if (load_site(set.site) < 0)
        return EXIT_FAILURE;
    status = run_servers(&set);
    unload_site();
    return status;
}
