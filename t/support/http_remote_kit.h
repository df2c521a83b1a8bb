/* A server in a process of its own, for tests in which memory runs out or the
 * reactor ends: what happens to the client does not happen to it. */
#ifndef T_HTTP_REMOTE_KIT_H
#define T_HTTP_REMOTE_KIT_H

#include <stddef.h>
#include <sys/types.h>

struct hrk_remote {
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
struct hrk_remote hrk_start(const struct http_process_response *a, size_t n);
void hrk_stop(struct hrk_remote *p);

#endif
