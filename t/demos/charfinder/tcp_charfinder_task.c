/* The session of tcp_charfinder_task, for tests. */
#include "sessions.h"

#define main tcp_charfinder_task_main
int tcp_charfinder_task_main(int argc, char **argv);
#include "../../../demos/charfinder/tcp_charfinder_task.c"

vetch_promise *
converse_in_task(vetch_stream *client, void *index)
{
    return converse(client, index);
}
