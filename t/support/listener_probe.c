/* Servers for the tests of listeners. */
#include "support/listener_probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

char lp_path[64], lp_endpoint[80];

static char folder[32];

vetch_protocol *
lp_make(void *ctx)
{
    struct server *s = ctx;
    struct probe *p;

    if (s->on_make != NULL)
        s->on_make(s);
    if (s->refuse > 0) {
        s->refuse--;
        return NULL;
    }
    ck_assert_uint_lt(s->n_made, MANY);
    p = &s->probes[s->n_made++];
    np_init(p);
    p->act = s->act;
    p->arg = s;
    return &p->protocol;
}

void
lp_on_error(vetch_listener *l, const vetch_error *error, void *ctx)
{
    struct server *s = ctx;

    ck_assert_ptr_eq(l, s->l);
    s->n_errors++;
    s->error = vetch_error_code(error);
}

void
lp_serve(struct server *s, const char *endpoint)
{
    memset(s, 0, sizeof(*s));
    s->l = vetch_listener_new(endpoint, lp_make, s, NULL);
    ck_assert_msg(s->l != NULL, "%s: %s", endpoint, strerror(errno));
}

void
lp_stop(struct server *s)
{
    vetch_error *error;

    vetch_stop_report_unref(vetch_run(vetch_listener_stop(s->l, 0), &error));
    ck_assert_ptr_null(error);
    vetch_listener_unref(s->l);
    for (size_t i = 0; i < s->n_made; i++)
        np_done(&s->probes[i]);
}

size_t
lp_count(const struct server *s, char event)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_made; i++)
        n += np_has(&s->probes[i], event);
    return n;
}

void
lp_make_folder(void)
{
    strcpy(folder, "/tmp/vetch-test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(lp_path, sizeof(lp_path), "%s/s", folder);
    snprintf(lp_endpoint, sizeof(lp_endpoint), "unix:%s", lp_path);
}

void
lp_remove_folder(void)
{
    unlink(lp_path);
    ck_assert_int_eq(rmdir(folder), 0);
}

int
lp_raw_socket(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

void
lp_raw_connect(int fd, unsigned port)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };

    if (connect(fd, (struct sockaddr *)&in, sizeof(in)) < 0)
        ck_assert_int_eq(errno, EINPROGRESS);
}

int
lp_client(const struct server *s)
{
    int fd = lp_raw_socket();

    lp_raw_connect(fd, vetch_listener_port(s->l));
    return fd;
}

bool
lp_is_closed(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_PEEK) == 0 ||
           (errno != EAGAIN && errno != ENOTCONN);
}
