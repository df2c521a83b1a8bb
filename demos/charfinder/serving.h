/* The frame of the two servers. */
#ifndef DEMOS_CHARFINDER_SERVING_H
#define DEMOS_CHARFINDER_SERVING_H

#include <vetch.h>

/* Get the index, and serve it by `converse`, whose ctx it is, at the address of
 * the command line until SIGINT or SIGTERM. The status for main. */
int serve_characters(int argc, char **argv, vetch_stream_fn converse,
                     bool task);

#endif
