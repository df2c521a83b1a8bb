/* What the three servers have in common: one endpoint, until Ctrl-C. */
#ifndef DEMOS_ECHO_SERVING_H
#define DEMOS_ECHO_SERVING_H

#include <vetch.h>

/* The endpoint that the command line names, or the default; the reactor of
 * this thread is there when it returns. Ends the program on misuse. */
const char *endpoint_of(int argc, char **argv);
/* Say where `listener` (NULL: it could not be made, see errno) listens, and
 * serve until SIGINT or SIGTERM. The status for main. */
int serve_until_told(vetch_listener *listener);

#endif
