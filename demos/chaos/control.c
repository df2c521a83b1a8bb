/* The control socket's line protocol. */
#include "control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE 256
#define TEXT_SIZE 2048

const char *
read_seed(const char *text, uint64_t *ret_seed)
{
    errno = 0;
    *ret_seed = strtoull(text, NULL, 10);
    if (*text == '\0' || text[strspn(text, "0123456789")] != '\0' || errno != 0)
        return "not a whole number";
    return NULL;
}

static void __attribute__((format(printf, 3, 4)))
add_text(char *out, size_t size, const char *format, ...)
{
    size_t len = strlen(out);
    va_list args;

    va_start(args, format);
    vsnprintf(out + len, size - len, format, args);
    va_end(args);
}

void
print_stats(const struct proxy *proxy, char *out, size_t size)
{
    const struct faults *f = &proxy->faults;

    out[0] = '\0';
    add_text(out, size,
             "connections %" PRIu64 "\nopen %zu\nbytes_up %" PRIu64
             "\nbytes_down %" PRIu64 "\n%s %" PRIu64 "\n",
             proxy->n_connections, proxy->n_open, proxy->bytes_up,
             proxy->bytes_down, f->http ? "requests" : "units", f->n_units);
    for (int i = 0; i < N_FAULTS; i++)
        add_text(out, size, "%s %" PRIu64 "\n", fault_kinds[i].name,
                 f->n_struck[i]);
}

static void
print_settings(const struct faults *f, char *out, size_t size)
{
    out[0] = '\0';
    add_text(out, size, "seed %" PRIu64 "\n", f->seed);
    for (int i = 0; i < N_FAULTS; i++) {
        const struct fault_setting *s = &f->settings[i];

        add_text(out, size, "%s %g", fault_kinds[i].name, s->percent);
        if (fault_kinds[i].unit != NULL)
            add_text(out, size, ":%g", s->value);
        add_text(out, size, "\n");
    }
}

static const char *
set(struct faults *f, const char *name, const char *text)
{
    enum fault which;
    uint64_t seed;
    const char *wrong;

    if (name == NULL || text == NULL)
        return "set NAME PERCENT[:VALUE], or set seed N";
    if (strcmp(name, "seed") == 0) {
        wrong = read_seed(text, &seed);
        if (wrong == NULL)
            faults_seed(f, seed);
        return wrong;
    }
    which = fault_by_name(name);
    return which < N_FAULTS ? faults_set(f, which, text) : "no such fault";
}

/* What is wrong with the command, or NULL; `out` is what to say first. */
static const char *
obey(struct proxy *proxy, char *line, char *out, size_t size)
{
    char *rest, *verb = strtok_r(line, " \t", &rest),
                *name = strtok_r(NULL, " \t", &rest),
                *text = strtok_r(NULL, " \t", &rest);

    out[0] = '\0';
    if (verb == NULL || strtok_r(NULL, " \t", &rest) != NULL)
        return "show, set or stats";
    if (strcmp(verb, "set") == 0)
        return set(&proxy->faults, name, text);
    if (name != NULL)
        return "too many words";
    if (strcmp(verb, "show") == 0)
        print_settings(&proxy->faults, out, size);
    else if (strcmp(verb, "stats") == 0)
        print_stats(proxy, out, size);
    else
        return "show, set or stats";
    return NULL;
}

vetch_promise *
serve_control(vetch_stream *s, void *ctx)
{
    char line[LINE_SIZE], text[TEXT_SIZE];
    const char *wrong;
    vetch_bytes *bytes;

    while ((bytes = vetch_try(vetch_stream_read_line(s, LINE_SIZE - 1))) !=
           NULL) {
        memcpy(line, vetch_bytes_data(bytes), vetch_bytes_len(bytes));
        line[vetch_bytes_len(bytes)] = '\0';
        vetch_bytes_unref(bytes);
        wrong = obey(ctx, line, text, sizeof(text));
        if (wrong != NULL)
            vetch_stream_printf(s, "error: %s\n", wrong);
        else
            vetch_stream_printf(s, "%sok\n", text);
        vetch_try(vetch_stream_drain(s));
    }
    return NULL;
}
