/* An echo server as a chain: each line comes back when it is complete. */
#include "serving.h"

static vetch_promise *
send_back(void *line, void *ctx)
{
    if (line == NULL) /* the end: a value ends the repetition */
        return vetch_resolved(ctx, NULL);
    vetch_stream_write_bytes(ctx, line); /* drain tells if this has failed */
    return vetch_stream_drain(ctx);
}

static vetch_promise *
echo_line(void *ctx)
{
    return vetch_then(vetch_stream_read_until(ctx, "\n", 65536), send_back,
                      ctx);
}

static vetch_promise *
echo(vetch_stream *s, void *ctx)
{
    (void)ctx;
    return vetch_repeat(echo_line, s);
}

int
main(int argc, char **argv)
{
    return serve_until_told(
        vetch_stream_serve(endpoint_of(argc, argv), echo, NULL, NULL));
}
