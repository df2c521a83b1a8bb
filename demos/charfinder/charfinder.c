/* charfinder WORD...: the characters in whose names all these words occur. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keep.h"
#include "text.h"

static const char usage_text[] =
    "usage: charfinder [--start N] [--stop N] WORD...\n";

struct page {
    size_t start, stop;
};

static _Noreturn void
bad_usage(const char *what, const char *arg)
{
    fprintf(stderr, "charfinder: %s%s\n%s", what, arg, usage_text);
    exit(2);
}

static size_t
whole_number(const char *text)
{
    char *end;
    unsigned long n;

    errno = 0;
    n = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0)
        bad_usage("not a whole number: ", text);
    return n;
}

static void
read_options(struct page *page, int argc, char **argv)
{
    static const struct option options[] = {
        { "help", no_argument, NULL, 'h' },
        { "start", required_argument, NULL, 'a' },
        { "stop", required_argument, NULL, 'o' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (c) {
        case 'a':
            page->start = whole_number(optarg);
            break;
        case 'o':
            page->stop = whole_number(optarg);
            break;
        case 'h':
            fputs(usage_text, stdout);
            exit(EXIT_SUCCESS);
        default:
            fputs(usage_text, stderr); /* getopt_long() has said why */
            exit(2);
        }
    }
}

/* The words, with a space between them. */
static void
read_words(struct query *query, char **words)
{
    char line[QUERY_SIZE];
    size_t len = 0;

    if (*words == NULL)
        bad_usage("no WORD", "");
    for (; *words != NULL; words++) {
        len += (size_t)snprintf(line + len, sizeof(line) - len, "%s%s",
                                len > 0 ? " " : "", *words);
        if (len >= sizeof(line))
            bad_usage("too many words", "");
    }
    if (read_query(query, line, len) < 0 || query->farewell)
        bad_usage("not a text", "");
}

static int
show(const struct char_index *index, const char *query, struct page page)
{
    struct codes found = { 0 };
    struct codes_walk walk;
    char rows[8192], status[STATUS_SIZE];
    size_t len;

    if (index_search(index, query, &found) < 0)
        return -1;
    walk = codes_page(&found, page.start, page.stop);
    while ((len = print_rows(&walk, "\n", rows, sizeof(rows))) > 0)
        fwrite(rows, 1, len, stdout);
    print_status(query, codes_count(&found), status);
    printf("(%s)\n", status);
    codes_clear(&found);
    return fflush(stdout);
}

static struct char_index *
wait_for_index(void)
{
    vetch_reactor *reactor = vetch_reactor_new();
    struct char_index *index = NULL;
    vetch_error *error;

    if (reactor == NULL) {
        perror("charfinder");
        return NULL;
    }
    index = vetch_run(open_index(), &error);
    vetch_reactor_unref(reactor);
    if (error != NULL)
        fprintf(stderr, "charfinder: %s\n", vetch_error_text(error));
    vetch_error_unref(error);
    return index;
}

int
main(int argc, char **argv)
{
    struct page page = { 0, SIZE_MAX };
    struct char_index *index;
    struct query query;
    int result = -1;

    read_options(&page, argc, argv);
    read_words(&query, argv + optind);
    index = wait_for_index();
    if (index != NULL) {
        result = show(index, query.text, page);
        if (result != 0)
            perror("charfinder");
    }
    index_free(index);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
