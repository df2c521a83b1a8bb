/* An echo server as a protocol: called for what comes, it writes it back, and
 * lets the peer wait while the way back is full. The fastest of the three. */
#include <stdlib.h>

#include "serving.h"

struct echo {
    vetch_protocol protocol; /* first */
    vetch_transport *transport;
};

static void
connected(vetch_protocol *p, vetch_transport *t)
{
    ((struct echo *)p)->transport = t;
}

static void
received(vetch_protocol *p, vetch_buffer *input)
{
    vetch_transport *t = ((struct echo *)p)->transport;

    if (vetch_transport_write(t, vetch_buffer_data(input),
                              vetch_buffer_len(input)) < 0)
        vetch_transport_abort(t); /* no memory: the peer must not miss it */
    vetch_buffer_clear(input);
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
    return (vetch_protocol *)echo; /* NULL refuses the connection */
}

int
main(int argc, char **argv)
{
    return serve_until_told(
        vetch_listener_new(endpoint_of(argc, argv), make_echo, NULL, NULL));
}
