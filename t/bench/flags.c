/* flags BASE LIST DEST N: fetch what LIST names from BASE, N at once, and save
 * it below DEST.  A line of LIST is "PATH<tab>FILE"; FILE `-` throws the bytes
 * away.  Exits 0 if every response was 200 and every file was written.
 *
 * Only the public interface is used.  Files are written on the loop: on a
 * tmpfs, where the benchmark puts them, that is cheaper than a thread. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <vetch.h>

struct row {
    const char *path;
    const char *file;
    size_t path_len;
};

enum { URL_MAX = 4096 };

static struct {
    vetch_http_client *client;
    vetch_reactor *reactor;
    const char *base, *dest;
    size_t base_len;
    struct row *rows;
    size_t n_rows, next, running, failures;
} run;

static void start_next(void);

static int
save(const char *file, const char *data, size_t len)
{
    char path[4096];
    int fd;

    if ((size_t)snprintf(path, sizeof(path), "%s/%s", run.dest, file) >=
        sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return -1;
    while (len > 0) {
        ssize_t n = write(fd, data, len);

        if (n < 0) {
            close(fd);
            return -1;
        }
        data += n;
        len -= (size_t)n;
    }
    return close(fd);
}

static void
take(const struct row *row, const vetch_http_response *r)
{
    size_t len;
    const char *body = vetch_http_response_body(r, &len);

    if (vetch_http_response_status(r) != 200) {
        fprintf(stderr, "%s: HTTP status %u\n", row->path,
                vetch_http_response_status(r));
        run.failures++;
    } else if (strcmp(row->file, "-") != 0 && save(row->file, body, len) < 0) {
        fprintf(stderr, "%s: %s\n", row->file, strerror(errno));
        run.failures++;
    }
}

static void
done(const vetch_error *error, void *result, void *ctx)
{
    if (error != NULL) {
        fprintf(stderr, "%s\n", vetch_error_text(error));
        run.failures++;
    } else {
        take(ctx, result);
        vetch_http_response_unref(result);
    }
    run.running--;
    start_next();
    if (run.running == 0)
        vetch_reactor_stop(run.reactor);
}

static void
start_next(void)
{
    struct row *row;
    char url[URL_MAX];

    if (run.next == run.n_rows)
        return;
    row = &run.rows[run.next++];
    run.running++;
    memcpy(url, run.base, run.base_len);
    memcpy(url + run.base_len, row->path, row->path_len + 1);
    vetch_callback(vetch_http_get(run.client, url), done, row);
}

static char *
read_all(const char *path, size_t *ret_len)
{
    FILE *f = fopen(path, "r");
    char *text = NULL;
    long len;

    if (f == NULL)
        return NULL;
    if (fseek(f, 0, SEEK_END) == 0 && (len = ftell(f)) >= 0 &&
        (text = malloc((size_t)len + 1)) != NULL) {
        rewind(f);
        *ret_len = fread(text, 1, (size_t)len, f);
        text[*ret_len] = '\0';
    }
    fclose(f);
    return text;
}

/* Cuts `text` into rows, which point into it. */
static int
parse_list(char *text, size_t len)
{
    size_t n = 0;
    char *line, *save_line = NULL;

    for (size_t i = 0; i < len; i++)
        n += text[i] == '\n';
    run.rows = calloc(n + 1, sizeof(*run.rows));
    if (run.rows == NULL)
        return -1;
    for (line = strtok_r(text, "\n", &save_line); line != NULL;
         line = strtok_r(NULL, "\n", &save_line)) {
        char *tab = strchr(line, '\t');

        if (tab == NULL || run.base_len + (size_t)(tab - line) >= URL_MAX)
            return -1;
        *tab = '\0';
        run.rows[run.n_rows++] =
            (struct row){ line, tab + 1, (size_t)(tab - line) };
    }
    return 0;
}

static void
raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int
main(int argc, char **argv)
{
    vetch_http_client_options options = VETCH_HTTP_CLIENT_OPTIONS_INIT;
    size_t at_once = argc == 5 ? strtoul(argv[4], NULL, 10) : 0, len = 0;
    char *text;

    if (at_once == 0) {
        fprintf(stderr, "usage: flags BASE LIST DEST N\n");
        return 2;
    }
    run.base = argv[1];
    run.base_len = strlen(run.base);
    run.dest = argv[3];
    text = read_all(argv[2], &len);
    if (text == NULL || parse_list(text, len) < 0) {
        fprintf(stderr, "%s: no list of paths and files\n", argv[2]);
        free(text);
        return 2;
    }
    raise_descriptor_limit();
    options.max_connections = options.max_per_host = at_once;
    run.reactor = vetch_reactor_new();
    run.client = vetch_http_client_new(&options);
    if (run.reactor == NULL || run.client == NULL) {
        perror("flags");
        return 1;
    }
    while (run.running < at_once && run.next < run.n_rows)
        start_next();
    if (run.running > 0)
        vetch_reactor_run(run.reactor);
    vetch_http_client_unref(run.client);
    vetch_reactor_unref(run.reactor);
    free(run.rows);
    free(text);
    if (run.failures > 0)
        fprintf(stderr, "%zu of %zu failed\n", run.failures, run.n_rows);
    return run.failures > 0 ? 1 : 0;
}
