/* A proxy that makes connections go wrong, to test what stands before it. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control.h"
#include "proxy.h"

/* How long connections may go on once the proxy is to stop. */
#define STOP_SECONDS 1.0

struct settings {
    const char *listen, *control;
    const char *faults[N_FAULTS]; /* as given */
    bool http;
    struct proxy proxy;
};

/* ---- the command line ---- */

static void
print_usage(FILE *to)
{
    fputs("usage: chaosproxy --listen ENDPOINT --backend ENDPOINT\n"
          "                  [--protocol tcp|http] [--control ENDPOINT]\n"
          "                  [--seed N] [--FAULT PERCENT[:VALUE]]...\n",
          to);
}

static void
print_help(void)
{
    char option[64];

    print_usage(stdout);
    puts("\nA fault strikes PERCENT of the connections, with --protocol http of"
         "\nthe requests; which ones depends on the seed alone.\n");
    for (int i = 0; i < N_FAULTS; i++) {
        const struct fault_kind *kind = &fault_kinds[i];

        snprintf(option, sizeof(option), "--%s PERCENT%s%s%s", kind->name,
                 kind->unit ? "[:" : "", kind->unit ? kind->unit : "",
                 kind->unit ? "]" : "");
        printf("  %-32s%s", option, kind->help);
        if (kind->unit != NULL)
            printf(" (%g)", kind->preset);
        puts(kind->http_only ? ", HTTP only" : "");
    }
    puts("\nThe control endpoint takes the lines show, stats, set NAME "
         "PERCENT[:VALUE]\nand set seed N.");
}

static _Noreturn void __attribute__((format(printf, 1, 2)))
bad_argument(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("chaosproxy: ", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    print_usage(stderr);
    exit(2);
}

static bool
is_http(const char *protocol)
{
    if (strcmp(protocol, "http") != 0 && strcmp(protocol, "tcp") != 0)
        bad_argument("--protocol: neither tcp nor http: %s", protocol);
    return *protocol == 'h';
}

enum { LISTEN = N_FAULTS, BACKEND, PROTOCOL, CONTROL, SEED, HELP, N_OPTIONS };

static void
name_options(struct option options[N_OPTIONS + 1])
{
    static const char *const names[] = { "listen",  "backend", "protocol",
                                         "control", "seed",    "help" };

    memset(options, 0, (N_OPTIONS + 1) * sizeof(options[0]));
    for (int i = 0; i < N_OPTIONS; i++)
        options[i] = (struct option){
            i < N_FAULTS ? fault_kinds[i].name : names[i - N_FAULTS],
            i == HELP ? no_argument : required_argument, NULL, i
        };
}

static void
take_option(struct settings *set, int which, uint64_t *seed)
{
    switch (which) {
    case LISTEN:
        set->listen = optarg;
        break;
    case BACKEND:
        set->proxy.backend = optarg;
        break;
    case PROTOCOL:
        set->http = is_http(optarg);
        break;
    case CONTROL:
        set->control = optarg;
        break;
    case SEED:
        if (read_seed(optarg, seed) != NULL)
            bad_argument("--seed: not a whole number: %s", optarg);
        break;
    case HELP:
        print_help();
        exit(EXIT_SUCCESS);
    default:
        set->faults[which] = optarg;
    }
}

static void
read_options(struct settings *set, int argc, char **argv)
{
    struct option options[N_OPTIONS + 1];
    uint64_t seed = (uint64_t)time(NULL);
    int which;

    name_options(options);
    while ((which = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (which == '?') {
            print_usage(stderr); /* getopt_long() has said why */
            exit(2);
        }
        take_option(set, which, &seed);
    }
    if (optind < argc)
        bad_argument("not an option: %s", argv[optind]);
    if (set->listen == NULL || set->proxy.backend == NULL)
        bad_argument("--listen and --backend are needed");
    faults_init(&set->proxy.faults, set->http, seed);
    for (int i = 0; i < N_FAULTS; i++) {
        const char *wrong =
            set->faults[i] != NULL
                ? faults_set(&set->proxy.faults, (enum fault)i, set->faults[i])
                : NULL;

        if (wrong != NULL)
            bad_argument("--%s %s: %s", fault_kinds[i].name, set->faults[i],
                         wrong);
    }
}

/* ---- running ---- */

static int
complain(vetch_error *error)
{
    if (error == NULL)
        return EXIT_SUCCESS;
    fprintf(stderr, "chaosproxy: %s\n", vetch_error_text(error));
    vetch_error_unref(error);
    return EXIT_FAILURE;
}

/* What is broken on purpose is no news. */
static void
note_error(vetch_listener *listener, const vetch_error *error, void *ctx)
{
    (void)listener;
    (void)ctx;
    if (!vetch_error_is(error, ECONNABORTED))
        fprintf(stderr, "chaosproxy: %s\n", vetch_error_text(error));
}

static vetch_listener *
serve(const char *what, const char *endpoint, vetch_stream_fn handler,
      struct proxy *proxy)
{
    vetch_stream_options options = VETCH_STREAM_OPTIONS_INIT;
    vetch_listener *listener;

    options.task = true;
    listener = vetch_stream_serve(endpoint, handler, proxy, &options);
    if (listener == NULL) {
        complain(vetch_error_from_errno(errno, "%s", endpoint));
        return NULL;
    }
    vetch_listener_set_error_fn(listener, note_error, NULL);
    printf("%s on %s\n", what, vetch_listener_endpoint(listener));
    return listener;
}

static int
stop(vetch_listener *listener, double seconds)
{
    vetch_error *error;

    vetch_unref(vetch_run(vetch_listener_stop(listener, seconds), &error));
    vetch_listener_unref(listener);
    return complain(error);
}

static int
wait_for_signal(void)
{
    vetch_promise *signals[] = { vetch_signal(SIGINT), vetch_signal(SIGTERM) };
    vetch_error *error;

    fflush(stdout); /* not before a signal would be noticed */
    vetch_run(vetch_race(signals, 2), &error);
    return complain(error);
}

static int
run(struct settings *set)
{
    vetch_listener *clients, *control = NULL;
    char stats[2048];
    int status = EXIT_FAILURE;

    clients = serve("listening", set->listen, serve_client, &set->proxy);
    if (clients != NULL && set->control != NULL)
        control = serve("control", set->control, serve_control, &set->proxy);
    if (clients != NULL && (control != NULL || set->control == NULL))
        status = wait_for_signal();
    if (clients != NULL)
        status |= stop(clients, STOP_SECONDS);
    if (control != NULL)
        status |= stop(control, 0);
    if (status == EXIT_SUCCESS) {
        print_stats(&set->proxy, stats, sizeof(stats));
        fputs(stats, stdout);
    }
    return status;
}

int
main(int argc, char **argv)
{
    struct settings set = { 0 };
    vetch_reactor *reactor;
    int status;

    read_options(&set, argc, argv);
    reactor = vetch_reactor_new();
    if (reactor == NULL)
        return complain(vetch_error_from_errno(errno, "the loop"));
    status = run(&set);
    vetch_reactor_unref(reactor);
    return status;
}
