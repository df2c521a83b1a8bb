/* An echo server as a task: each line comes back when it is complete. */
#include "serving.h"

static vetch_promise *
echo(vetch_stream *s, void *ctx)
{
    vetch_bytes *line;

    (void)ctx;
    while ((line = vetch_try(vetch_stream_read_until(s, "\n", 65536))) !=
           NULL) {
        vetch_stream_write_bytes(s, line); /* drain tells if this has failed */
        vetch_bytes_unref(line);
        vetch_try(vetch_stream_drain(s));
    }
    return NULL;
}

int
main(int argc, char **argv)
{
    vetch_stream_options options = VETCH_STREAM_OPTIONS_INIT;

    options.task = true;
    return serve_until_told(
        vetch_stream_serve(endpoint_of(argc, argv), echo, NULL, &options));
}
