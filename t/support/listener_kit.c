/* Servers for the tests of listeners. */
#include "support/listener_kit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

char lk_path[64], lk_endpoint[80];

static char folder[32];

vetch_protocol *
lk_make(void *ctx)
{
    struct lk_server *s = ctx;
    struct tk_probe *p;

    if (s->on_make != NULL)
        s->on_make(s);
    if (s->refuse > 0) {
        s->refuse--;
        return NULL;
    }
    ck_assert_uint_lt(s->n_made, MANY);
    p = &s->probes[s->n_made++];
    tk_init(p);
    p->act = s->act;
    p->arg = s;
    return &p->protocol;
}

void
lk_on_error(vetch_listener *l, const vetch_error *error, void *ctx)
{
    struct lk_server *s = ctx;

    ck_assert_ptr_eq(l, s->l);
    s->n_errors++;
    s->error = vetch_error_code(error);
}

void
lk_serve(struct lk_server *s, const char *endpoint)
{
    memset(s, 0, sizeof(*s));
    s->l = vetch_listener_new(endpoint, lk_make, s, NULL);
    ck_assert_msg(s->l != NULL, "%s: %s", endpoint, strerror(errno));
}

static void
free_server(struct lk_server *s)
{
    vetch_listener_unref(s->l);
    for (size_t i = 0; i < s->n_made; i++)
        tk_done(&s->probes[i]);
}

void
lk_stop(struct lk_server *s)
{
    vetch_error *error;

    vetch_stop_report_unref(vetch_run(vetch_listener_stop(s->l, 0), &error));
    ck_assert_ptr_null(error);
    free_server(s);
}

void
lk_end_short_of_memory(struct lk_server *s, vetch_promise *stopped)
{
    ck_assert_int_ne(vetch_promise_state(stopped), VETCH_PENDING);
    if (vetch_promise_state(stopped) == VETCH_REJECTED)
        ck_assert_int_eq(vetch_error_code(vetch_promise_error(stopped)),
                         VETCH_ENOMEM);
    vetch_promise_unref(stopped);
    free_server(s);
}

size_t
lk_count(const struct lk_server *s, char event)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_made; i++)
        n += tk_has(&s->probes[i], event);
    return n;
}

void
lk_make_folder(void)
{
    strcpy(folder, "/tmp/vetch-test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(lk_path, sizeof(lk_path), "%s/s", folder);
    snprintf(lk_endpoint, sizeof(lk_endpoint), "unix:%s", lk_path);
}

void
lk_remove_folder(void)
{
    unlink(lk_path);
    ck_assert_int_eq(rmdir(folder), 0);
}

int
lk_raw_socket(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

void
lk_raw_connect(int fd, unsigned port)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };

    if (connect(fd, (struct sockaddr *)&in, sizeof(in)) < 0)
        ck_assert_int_eq(errno, EINPROGRESS);
}

int
lk_client(const struct lk_server *s)
{
    int fd = lk_raw_socket();

    lk_raw_connect(fd, vetch_listener_port(s->l));
    return fd;
}

bool
lk_is_closed(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_PEEK) == 0 ||
           (errno != EAGAIN && errno != ENOTCONN);
}
