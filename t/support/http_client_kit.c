/* See http_client_kit.h. */

#include "support/http_client_kit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct hok_origin peer;
vetch_http_client *client;

void
hck_begin(const struct peer_response *responses, size_t n,
          const vetch_http_client_options *options)
{
    hok_start(&peer, responses, n);
    client = vetch_http_client_new(options);
    ck_assert_ptr_nonnull(client);
}

void
hck_end(void)
{
    client = vetch_http_client_unref(client);
    hok_stop(&peer);
}

vetch_http_response *
hck_run(vetch_promise *p)
{
    vetch_error *error = NULL;
    vetch_http_response *r = vetch_run(p, &error);

    ck_assert_msg(error == NULL, "%s", vetch_error_text(error));
    ck_assert_ptr_nonnull(r);
    return r;
}

vetch_http_response *
hck_get(const char *path)
{
    return hck_run(hck_start(path));
}

void
hck_get_ok(const char *path)
{
    vetch_http_response *r = hck_get(path);

    ck_assert_uint_eq(vetch_http_response_status(r), 200);
    vetch_http_response_unref(r);
}

vetch_promise *
hck_start(const char *path)
{
    return vetch_http_get(client, hok_url(&peer, path));
}

vetch_error *
hck_fail(vetch_promise *p)
{
    vetch_error *error = NULL;
    void *value = vetch_run(p, &error);

    ck_assert_ptr_null(value);
    ck_assert_ptr_nonnull(error);
    return error;
}

void
hck_fails(vetch_promise *p, const char *path, int code, const char *text)
{
    vetch_error *error = hck_fail(p);
    char want[1024];

    ck_assert_int_eq(vetch_error_code(error), code);
    snprintf(want, sizeof(want), "GET %s%s: %s", peer.base, path,
             text != NULL ? text : "");
    if (text != NULL)
        ck_assert_str_eq(vetch_error_text(error), want);
    vetch_error_unref(error);
}

void
hck_body(const vetch_http_response *r, const char *want)
{
    size_t len;
    const char *body = vetch_http_response_body(r, &len);

    ck_assert_uint_eq(len, strlen(want));
    ck_assert_str_eq(body, want);
}

vetch_http_client_stats
hck_stats(void)
{
    vetch_http_client_stats stats = VETCH_HTTP_CLIENT_STATS_INIT;

    vetch_http_client_get_stats(client, &stats);
    return stats;
}

enum { FILLERS = 4 };

static int full_fd, filler_fd[FILLERS];

unsigned
hck_full_listener(void)
{
    struct sockaddr_in sa = { .sin_family = AF_INET };
    socklen_t len = sizeof(sa);

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    full_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(full_fd, 0);
    ck_assert_int_eq(bind(full_fd, (struct sockaddr *)&sa, len), 0);
    ck_assert_int_eq(listen(full_fd, 0), 0);
    ck_assert_int_eq(getsockname(full_fd, (struct sockaddr *)&sa, &len), 0);
    /* The kernel drops what comes when nobody accepts these. */
    for (int i = 0; i < FILLERS; i++) {
        filler_fd[i] =
            socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        ck_assert_int_ge(filler_fd[i], 0);
        if (connect(filler_fd[i], (struct sockaddr *)&sa, len) < 0)
            ck_assert_int_eq(errno, EINPROGRESS);
    }
    return ntohs(sa.sin_port);
}

void
hck_close_full_listener(void)
{
    for (int i = 0; i < FILLERS; i++)
        close(filler_fd[i]);
    close(full_fd);
}
