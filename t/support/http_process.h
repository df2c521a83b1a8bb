/* A server in a process of its own, for tests in which memory runs out or the
 * reactor ends: what happens to the client does not happen to it. */
#ifndef T_HTTP_PROCESS_H
#define T_HTTP_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

struct http_process {
    pid_t pid;
    unsigned port;
};

struct http_process_response {
    const char *path; /* a request for it gets: */
    const char *text;
    size_t len;
    int close; /* the connection, after that */
};

/* Answers requests without body; for other paths it closes the connection. */
struct http_process http_process_start(const struct http_process_response *a,
                                       size_t n);
void http_process_stop(struct http_process *p);

#endif
