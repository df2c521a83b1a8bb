/* The server for echo benchmarks: every byte comes back, or every line when it
 * is complete.
 *
 *   echo PORT bytes|line protocol|promises|task|copy */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vetch.h>

#include "bench/serving.h"

enum { PIECE = 65536 };

static bool by_line;

/* ---- as a protocol ---- */

struct echo {
    vetch_protocol protocol; /* first */
    vetch_transport *transport;
};

static void
connected(vetch_protocol *p, vetch_transport *t)
{
    ((struct echo *)p)->transport = t;
}

/* Whole lines, as far as there are any. */
static size_t
length_to_send(const char *data, size_t len)
{
    const char *lf = by_line ? memrchr(data, '\n', len) : data + len - 1;

    return lf != NULL ? (size_t)(lf - data) + 1 : 0;
}

static void
received(vetch_protocol *p, vetch_buffer *input)
{
    vetch_transport *t = ((struct echo *)p)->transport;
    const char *data = vetch_buffer_data(input);
    size_t len = length_to_send(data, vetch_buffer_len(input));

    if (vetch_transport_write(t, data, len) < 0)
        vetch_transport_abort(t);
    vetch_buffer_consume(input, len);
}

static void
write_paused(vetch_protocol *p)
{
    vetch_transport_pause(((struct echo *)p)->transport);
}

static void
write_resumed(vetch_protocol *p)
{
    vetch_transport_resume(((struct echo *)p)->transport);
}

static void
free_echo(vetch_protocol *p)
{
    free(p);
}

static const vetch_protocol_class echo_class = {
    .size = sizeof(echo_class),
    .connected = connected,
    .received = received,
    .write_paused = write_paused,
    .write_resumed = write_resumed,
    .free = free_echo,
};

static vetch_protocol *
make_echo(void *ctx)
{
    struct echo *echo = calloc(1, sizeof(*echo));

    (void)ctx;
    if (echo != NULL)
        echo->protocol.class_ = &echo_class;
    return (vetch_protocol *)echo;
}

/* ---- as a stream ---- */

static vetch_promise *
next_piece(vetch_stream *s)
{
    return by_line ? vetch_stream_read_until(s, "\n", PIECE)
                   : vetch_stream_read(s, PIECE);
}

static vetch_promise *
send_back(void *piece, void *ctx)
{
    if (piece == NULL)
        return vetch_resolved(ctx, NULL);
    vetch_stream_write_bytes(ctx, piece);
    return vetch_stream_drain(ctx);
}

static vetch_promise *
echo_piece(void *ctx)
{
    return vetch_then(next_piece(ctx), send_back, ctx);
}

static vetch_promise *
echo_by_promises(vetch_stream *s, void *ctx)
{
    (void)ctx;
    return vetch_repeat(echo_piece, s);
}

static vetch_promise *
echo_as_task(vetch_stream *s, void *ctx)
{
    vetch_bytes *piece;

    (void)ctx;
    while ((piece = vetch_try(next_piece(s))) != NULL) {
        vetch_stream_write_bytes(s, piece);
        vetch_bytes_unref(piece);
        vetch_try(vetch_stream_drain(s));
    }
    return NULL;
}

static vetch_promise *
echo_by_copy(vetch_stream *s, void *ctx)
{
    (void)ctx;
    return vetch_stream_copy(s, s, NULL);
}

/* ---- serving ---- */

static vetch_listener *
serve(const char *endpoint, const char *kind)
{
    vetch_stream_options options = VETCH_STREAM_OPTIONS_INIT;
    vetch_listener_options listening = VETCH_LISTENER_OPTIONS_INIT;
    vetch_stream_fn handler;

    options.max_connections = listening.max_connections = 20000;
    if (strcmp(kind, "protocol") == 0)
        return vetch_listener_new(endpoint, make_echo, NULL, &listening);
    options.task = strcmp(kind, "task") == 0;
    handler = strcmp(kind, "copy") == 0 ? echo_by_copy : echo_by_promises;
    return vetch_stream_serve(endpoint, options.task ? echo_as_task : handler,
                              NULL, &options);
}

int
main(int argc, char **argv)
{
    vetch_reactor *reactor;
    vetch_listener *listener;
    char endpoint[64];

    if (argc != 4) {
        fprintf(stderr,
                "usage: %s PORT bytes|line protocol|promises|task|copy\n",
                argv[0]);
        return 2;
    }
    bench_raise_limit();
    by_line = strcmp(argv[2], "line") == 0;
    snprintf(endpoint, sizeof(endpoint), "tcp:127.0.0.1:%s", argv[1]);
    reactor = vetch_reactor_new();
    listener = reactor != NULL ? serve(endpoint, argv[3]) : NULL;
    return bench_serve(reactor, listener, endpoint);
}
