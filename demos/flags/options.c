/* The command line of the downloaders, and the start of a run. */

#include "flags.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LETTERS         26
#define DEFAULT_TIMEOUT 30.0
#define MAX_REQ         1000
#define DESCRIPTORS     4096 /* for a thousand connections and the rest */
/* Leaves room in a URL for "/cc/metadata.json". */
#define MAX_BASE (URL_SIZE - 32)

static const char most_populous[] = "CN IN US ID BR PK NG BD RU JP "
                                    "MX PH VN ET EG DE IR TR CD FR";

static const struct site {
    const char *label, *base;
} sites[] = { { "LOCAL", "http://localhost:8001/flags" },
              { "REMOTE", "http://flupy.org/data/flags" },
              { "DELAY", "http://localhost:8002/flags" },
              { "ERROR", "http://localhost:8003/flags" } };

/* Which codes were asked for: a set, so that the order and repetitions do not
 * matter. */
struct selection {
    bool wanted[LETTERS][LETTERS];
    size_t limit;
};

static const char usage_line[] =
    "usage: %s [-a] [-e] [-l N] [-m N] [-s LOCAL|REMOTE|DELAY|ERROR] [-v]\n"
    "       [-b URL] [-d DIR] [-t SECONDS] [-h] [CC...]\n";

static const char help_text[] =
    "\n"
    "Download flags of countries. CC is a country code, or its first letter:\n"
    "B means BA...BZ. Default: the 20 most populous countries.\n"
    "\n"
    "  -a, --all              all 194 country codes\n"
    "  -e, --every            every code there could be, AA...ZZ\n"
    "  -l, --limit N          only the first N of them\n"
    "  -m, --max_req N        at most N requests at once (1 to 1000)\n"
    "  -s, --server LABEL     LOCAL (default), REMOTE, DELAY or ERROR\n"
    "  -b, --base-url URL     ask there instead of at the server's usual URL\n"
    "  -d, --dest DIR         save there, and make it (default: downloaded)\n"
    "  -t, --timeout SECONDS  for one request (default: 30)\n"
    "  -v, --verbose          a line per flag instead of a progress bar\n"
    "  -h, --help             this text\n";

static const struct option long_options[] = {
    { "all", no_argument, NULL, 'a' },
    { "every", no_argument, NULL, 'e' },
    { "limit", required_argument, NULL, 'l' },
    { "max_req", required_argument, NULL, 'm' },
    { "server", required_argument, NULL, 's' },
    { "verbose", no_argument, NULL, 'v' },
    { "base-url", required_argument, NULL, 'b' },
    { "dest", required_argument, NULL, 'd' },
    { "timeout", required_argument, NULL, 't' },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 }
};

double
monotonic_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void
bad_argument(const struct run *run, const char *what, const char *arg)
{
    fprintf(stderr, "%s: %s: %s\n", run->program, what, arg);
    if (run->first_series)
        fprintf(stderr, "usage: %s [BASE_URL]\n", run->program);
    else
        fprintf(stderr, usage_line, run->program);
    exit(2);
}

static void
give_up(const struct run *run, const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", run->program, what, strerror(errno));
    exit(EXIT_FAILURE);
}

static size_t
number_argument(const struct run *run, const char *what, const char *arg,
                size_t most)
{
    char *end;
    unsigned long n;

    errno = 0;
    n = strtoul(arg, &end, 10);
    if (arg[0] < '0' || arg[0] > '9' || *end != '\0' || errno != 0 || n < 1 ||
        n > most)
        bad_argument(run, what, arg);
    return n;
}

static double
seconds_argument(const struct run *run, const char *arg)
{
    char *end;
    double seconds = strtod(arg, &end);

    if (end == arg || *end != '\0' || !isfinite(seconds) || seconds <= 0.0 ||
        seconds > 1e6)
        bad_argument(run, "not a time in seconds", arg);
    return seconds;
}

static void
set_base(struct run *run, const char *url)
{
    size_t len = strlen(url);
    struct origin origin;
    const char *path;

    if (len > MAX_BASE)
        bad_argument(run, "the URL is too long", url);
    if (!split_url(url, &origin, &path))
        bad_argument(run, "not a plain URL of http", url);
    memcpy(run->base, url, len + 1);
    while (run->base[len - 1] == '/')
        run->base[--len] = '\0';
}

static void
set_site(struct run *run, const char *label)
{
    for (size_t i = 0; i < sizeof(sites) / sizeof(sites[0]); i++) {
        if (strcasecmp(sites[i].label, label) != 0)
            continue;
        run->label = sites[i].label;
        set_base(run, sites[i].base);
        return;
    }
    bad_argument(run, "unknown server", label);
}

/* 0…25 for a letter of either case, else -1. */
static int
letter(char c)
{
    if (c >= 'a' && c <= 'z')
        return c - 'a';
    return c >= 'A' && c <= 'Z' ? c - 'A' : -1;
}

static bool
select_code(struct selection *s, const char *code, size_t len)
{
    int first = len >= 1 ? letter(code[0]) : -1;
    int second = len == 2 ? letter(code[1]) : -1;

    if (first < 0 || len > 2 || (len == 2 && second < 0))
        return false;
    for (int i = 0; i < LETTERS; i++)
        if (len == 1 || i == second)
            s->wanted[first][i] = true;
    return true;
}

static void
select_codes(struct selection *s, const char *codes)
{
    for (; *codes != '\0'; codes += strspn(codes, " ")) {
        size_t len = strcspn(codes, " ");

        select_code(s, codes, len);
        codes += len;
    }
}

static void
select_every(struct selection *s)
{
    for (const char *c = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"; *c != '\0'; c++)
        select_code(s, c, 1);
}

/* Makes the array of flags of what was selected. */
static void
list_flags(struct run *run, const struct selection *s)
{
    run->flags = calloc((size_t)LETTERS * LETTERS, sizeof(*run->flags));
    if (run->flags == NULL)
        give_up(run, "the list of flags");
    for (int i = 0; i < LETTERS * LETTERS && run->n_flags < s->limit; i++) {
        struct flag *flag = &run->flags[run->n_flags];

        if (!s->wanted[i / LETTERS][i % LETTERS])
            continue;
        flag->run = run;
        flag->cc[0] = (char)('A' + i / LETTERS);
        flag->cc[1] = (char)('A' + i % LETTERS);
        run->n_flags++;
    }
}

/* Make `dir` and those above it that are missing; the one that cannot be made
 * is named. */
static void
make_directories(const struct run *run, const char *dir)
{
    char *path = strdup(dir);

    if (path == NULL)
        give_up(run, dir);
    for (size_t len = 1; len <= strlen(dir); len++) {
        if (dir[len] != '/' && dir[len] != '\0')
            continue;
        path[len] = '\0';
        if (mkdir(path, 0777) < 0 && errno != EEXIST)
            give_up(run, path);
        path[len] = dir[len];
    }
    free(path);
}

static void
open_dest(struct run *run, const char *dir)
{
    make_directories(run, dir);
    run->dest_path = dir;
    run->dest = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (run->dest < 0)
        give_up(run, dir);
}

/* A thousand connections need more descriptors than the usual soft limit. */
static void
raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= DESCRIPTORS)
        return;
    limit.rlim_cur =
        limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void
change_signal_mask(int how)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(how, &set, NULL);
}

void
let_signals_in(void)
{
    change_signal_mask(SIG_UNBLOCK);
}

static void
init_run(struct run *run, char **argv)
{
    const char *slash = strrchr(argv[0], '/');

    change_signal_mask(SIG_BLOCK);
    /* Whoever reads the output may go: the files are wanted all the same. */
    signal(SIGPIPE, SIG_IGN);
    memset(run, 0, sizeof(*run));
    run->program = slash != NULL ? slash + 1 : argv[0];
    run->timeout = DEFAULT_TIMEOUT;
    set_site(run, "LOCAL");
}

static void
read_options(struct run *run, struct selection *s, int argc, char **argv,
             const char **ret_dest)
{
    const char *base = NULL;
    int c;

    while ((c = getopt_long(argc, argv, "ael:m:s:vb:d:t:h", long_options,
                            NULL)) != -1) {
        switch (c) {
        case 'a':
            select_codes(s, country_codes);
            break;
        case 'e':
            select_every(s);
            break;
        case 'l':
            s->limit = number_argument(run, "not a limit", optarg, SIZE_MAX);
            break;
        case 'm':
            run->max_req =
                number_argument(run, "not from 1 to 1000", optarg, MAX_REQ);
            break;
        case 's':
            set_site(run, optarg);
            break;
        case 'v':
            run->verbose = true;
            break;
        case 'b':
            base = optarg;
            break;
        case 'd':
            *ret_dest = optarg;
            break;
        case 't':
            run->timeout = seconds_argument(run, optarg);
            break;
        case 'h':
            printf(usage_line, run->program);
            fputs(help_text, stdout);
            exit(EXIT_SUCCESS);
        default: /* getopt has said what is wrong */
            fprintf(stderr, usage_line, run->program);
            exit(2);
        }
    }
    if (base != NULL)
        set_base(run, base);
    for (; optind < argc; optind++)
        if (!select_code(s, argv[optind], strlen(argv[optind])))
            bad_argument(run, "neither A to Z nor AA to ZZ", argv[optind]);
}

static bool
selects_nothing(const struct selection *s)
{
    const bool *wanted = &s->wanted[0][0];

    for (int i = 0; i < LETTERS * LETTERS; i++)
        if (wanted[i])
            return false;
    return true;
}

static void
announce(const struct run *run)
{
    const char *comma = "";

    printf("%s site: %s\n", run->label, run->base);
    printf("Searching for %zu flag%s: ", run->n_flags,
           run->n_flags == 1 ? "" : "s");
    if (run->n_flags > 10)
        printf("from %s to %s", run->flags[0].cc,
               run->flags[run->n_flags - 1].cc);
    for (size_t i = 0; run->n_flags <= 10 && i < run->n_flags; i++) {
        printf("%s%s", comma, run->flags[i].cc);
        comma = ", ";
    }
    printf("\n%zu concurrent connection%s will be used.\n", run->max_req,
           run->max_req == 1 ? "" : "s");
    fflush(stdout);
}

void
begin_first_series(struct run *run, int argc, char **argv)
{
    struct selection s = { .limit = SIZE_MAX };

    init_run(run, argv);
    run->first_series = true;
    if (argc > 2)
        bad_argument(run, "one argument at most", argv[2]);
    if (argc == 2)
        set_base(run, argv[1]);
    select_codes(&s, most_populous);
    open_dest(run, "downloaded");
    list_flags(run, &s);
    run->max_req = run->n_flags;
    run->started = monotonic_seconds();
    run->began = time(NULL);
}

void
begin_second_series(struct run *run, int argc, char **argv, size_t default_req,
                    size_t most_req)
{
    struct selection s = { .limit = SIZE_MAX };
    const char *dest = "downloaded";

    init_run(run, argv);
    run->max_req = default_req;
    read_options(run, &s, argc, argv, &dest);
    if (selects_nothing(&s))
        select_codes(&s, most_populous);
    open_dest(run, dest);
    list_flags(run, &s);
    if (run->max_req > most_req)
        run->max_req = most_req;
    if (run->max_req > run->n_flags)
        run->max_req = run->n_flags;
    run->bar = !run->verbose && isatty(STDOUT_FILENO);
    raise_descriptor_limit();
    announce(run);
    run->started = monotonic_seconds();
    run->began = time(NULL);
    show_progress(run);
}
