/* What the servers for benchmarks share. */
#ifndef T_BENCH_SERVING_H
#define T_BENCH_SERVING_H

#include <vetch.h>

/* Ten thousand connections need as many descriptors. */
void bench_raise_limit(void);
/* Say where `listener` listens and serve until SIGTERM; if it is NULL, say that
 * it could not be at `endpoint`. Consumes both objects. The exit status. */
int bench_serve(vetch_reactor *reactor, vetch_listener *listener,
                const char *endpoint);

#endif
