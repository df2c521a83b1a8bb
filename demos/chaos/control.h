/* Looking at the proxy, and changing what goes wrong, while it runs. */
#ifndef DEMOS_CHAOS_CONTROL_H
#define DEMOS_CHAOS_CONTROL_H

#include <vetch.h>

#include "proxy.h"

/* For vetch_stream_serve(), as a task; ctx is a proxy. Lines in, lines out:
 *
 *     show                            what may go wrong, and the seed
 *     set NAME PERCENT[:VALUE]
 *     set seed N                      draw from the beginning
 *     stats                           what has happened
 *
 * Each ends with a line "ok" or "error: ...". */
vetch_promise *serve_control(vetch_stream *s, void *ctx);
/* The lines of `stats`. */
void print_stats(const struct proxy *proxy, char *out, size_t size);
/* What is wrong with the number, or NULL. */
const char *read_seed(const char *text, uint64_t *ret_seed);

#endif
