#include "bench/serving.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

void
bench_raise_limit(void)
{
    struct rlimit limit = { 200000, 200000 };

    if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
        return;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int
bench_serve(vetch_reactor *reactor, vetch_listener *listener,
            const char *endpoint)
{
    if (listener == NULL) {
        perror(endpoint);
        return 1;
    }
    printf("%s\n", vetch_listener_endpoint(listener));
    fflush(stdout);
    vetch_run(vetch_signal(SIGTERM), NULL);
    vetch_listener_unref(listener);
    vetch_reactor_unref(reactor);
    return 0;
}
