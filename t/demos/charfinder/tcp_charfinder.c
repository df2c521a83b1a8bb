/* The session of tcp_charfinder, for tests. */
#include "sessions.h"

#define main tcp_charfinder_main
int tcp_charfinder_main(int argc, char **argv);
#include "../../../demos/charfinder/tcp_charfinder.c"

vetch_promise *
converse_by_promises(vetch_stream *client, void *index)
{
    return converse(client, index);
}
