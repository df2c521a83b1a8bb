/* The server for file benchmarks, on streams: GET /NAME sends the file NAME of
 * a directory. Each connection keeps the last file open. Not a web server: it
 * looks at the first line of a request and no further than its end.
 *
 *   static PORT DIRECTORY */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vetch.h>

#include "bench/serving.h"

struct client {
    vetch_stream *stream, *file; /* the stream is borrowed */
    const char *directory;
    char name[64], head[80];
    size_t head_len;
    vetch_copy_options options;
};

static vetch_promise *
next_request(void *value, void *ctx)
{
    (void)value;
    (void)ctx;
    return NULL;
}

static vetch_promise *
send_file(struct client *c)
{
    vetch_stream_write(c->stream, c->head, c->head_len);
    return vetch_then(vetch_stream_copy(c->file, c->stream, &c->options),
                      next_request, c);
}

static vetch_promise *
file_is_open(void *file, void *ctx)
{
    struct client *c = ctx;
    vetch_file_info info = VETCH_FILE_INFO_INIT;

    vetch_stream_unref(c->file);
    c->file = vetch_stream_ref(file);
    vetch_file_get_info(file, &info);
    c->options.count_bytes = info.length_bytes;
    c->head_len =
        (size_t)snprintf(c->head, sizeof(c->head),
                         "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n",
                         (unsigned long long)info.length_bytes);
    return send_file(c);
}

static vetch_promise *
open_file(struct client *c, const char *name, size_t len)
{
    char path[256];

    if (len >= sizeof(c->name) || memchr(name, '/', len) != NULL)
        return vetch_rejected(vetch_error_new(VETCH_EUSER, "bad name"));
    memcpy(c->name, name, len);
    c->name[len] = '\0';
    snprintf(path, sizeof(path), "%s/%s", c->directory, c->name);
    return vetch_then(vetch_file_open(path, VETCH_FILE_READ, NULL),
                      file_is_open, c);
}

static vetch_promise *
answer(void *head, void *ctx)
{
    struct client *c = ctx;
    const char *text, *end;
    size_t len;

    if (head == NULL)
        return vetch_resolved(c, NULL); /* the end */
    text = vetch_bytes_data(head);
    end = strncmp(text, "GET /", 5) == 0 ? strchr(text + 5, ' ') : NULL;
    if (end == NULL)
        return vetch_rejected(vetch_error_new(VETCH_EUSER, "bad request"));
    len = (size_t)(end - text - 5);
    if (c->file != NULL && strlen(c->name) == len &&
        memcmp(c->name, text + 5, len) == 0 && vetch_file_seek(c->file, 0) == 0)
        return send_file(c);
    return open_file(c, text + 5, len);
}

static vetch_promise *
serve_one(void *ctx)
{
    struct client *c = ctx;

    return vetch_then(vetch_stream_read_until(c->stream, "\r\n\r\n", 16384),
                      answer, c);
}

static void
free_client(void *ctx)
{
    struct client *c = ctx;

    vetch_stream_unref(c->file);
    free(c);
}

static vetch_promise *
serve_client(vetch_stream *s, void *directory)
{
    static const vetch_copy_options options = VETCH_COPY_OPTIONS_INIT;
    struct client *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return vetch_rejected(NULL);
    c->stream = s;
    c->directory = directory;
    c->options = options;
    c->options.keep_open = true;
    return vetch_finally(vetch_repeat(serve_one, c), free_client, c);
}

int
main(int argc, char **argv)
{
    char endpoint[64];
    vetch_reactor *reactor;
    vetch_listener *listener;

    if (argc != 3) {
        fprintf(stderr, "usage: %s PORT DIRECTORY\n", argv[0]);
        return 2;
    }
    snprintf(endpoint, sizeof(endpoint), "tcp:127.0.0.1:%s", argv[1]);
    reactor = vetch_reactor_new();
    listener = reactor != NULL
                   ? vetch_stream_serve(endpoint, serve_client, argv[2], NULL)
                   : NULL;
    return bench_serve(reactor, listener, endpoint);
}
