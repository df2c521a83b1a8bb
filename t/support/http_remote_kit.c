/* A blocking server with a thread for each connection: see http_remote_kit.h.
 */

#include "support/http_remote_kit.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct http_process_response *responses;
static size_t n_responses;

static const struct http_process_response *
find_response(const char *request)
{
    size_t len = strcspn(request + 4, " ");

    for (size_t i = 0; i < n_responses; i++)
        if (strlen(responses[i].path) == len &&
            memcmp(responses[i].path, request + 4, len) == 0)
            return &responses[i];
    return NULL;
}

static int
send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

        if (n <= 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* A client sends its next request after our response, so each read that
 * completes a request holds nothing else. */
static void *
serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char request[8192];
    size_t len = 0;
    ssize_t n;

    while ((n = read(fd, request + len, sizeof(request) - 1 - len)) > 0) {
        const struct http_process_response *a;

        len += (size_t)n;
        request[len] = '\0';
        if (strstr(request, "\r\n\r\n") == NULL)
            continue;
        a = find_response(request);
        if (a == NULL || send_all(fd, a->text, a->len) < 0 || a->close)
            break;
        len = 0;
    }
    close(fd);
    return NULL;
}

static void
serve_all(int listener)
{
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        pthread_t thread;

        if (fd < 0)
            continue;
        if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) != 0)
            close(fd);
        else
            pthread_detach(thread);
    }
}

struct hrk_remote
hrk_start(const struct http_process_response *a, size_t n)
{
    struct sockaddr_in sa = { .sin_family = AF_INET };
    socklen_t len = sizeof(sa);
    struct hrk_remote p;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, len), 0);
    ck_assert_int_eq(listen(fd, 128), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    p.port = ntohs(sa.sin_port);
    responses = a;
    n_responses = n;
    p.pid = fork();
    ck_assert_int_ge(p.pid, 0);
    if (p.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve_all(fd);
        _exit(0);
    }
    close(fd);
    return p;
}

void
hrk_stop(struct hrk_remote *p)
{
    kill(p->pid, SIGKILL);
    while (waitpid(p->pid, NULL, 0) < 0)
        ;
}
