/* A listener behind HAProxy, with each kind of header that it can send. */
#include "support/listener_kit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define HAPROXY "/usr/sbin/haproxy"

extern char **environ;

static struct lk_server s;
static char folder[32], config[64];
static pid_t haproxy;

static bool
has_no_haproxy(void)
{
    return access(HAPROXY, X_OK) < 0 || vt_on_valgrind();
}

/* A socket of HAProxy's, which it inherits: no port can be lost to others. */
static int
listen_for_it(unsigned *ret_port)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof(in);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    ck_assert_int_eq(listen(fd, 10), 0);
    getsockname(fd, (struct sockaddr *)&in, &len);
    *ret_port = ntohs(in.sin_port);
    return fd;
}

static void
write_config(int fd, const char *options)
{
    FILE *f;

    strcpy(folder, "/tmp/vetch-test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(config, sizeof(config), "%s/haproxy.cfg", folder);
    f = fopen(config, "w");
    ck_assert_ptr_nonnull(f);
    fprintf(f,
            "global\n  maxconn 100\n"
            "defaults\n  mode tcp\n  timeout connect 5s\n"
            "  timeout client 20s\n  timeout server 20s\n"
            "listen test\n  bind fd@%d\n"
            "  unique-id-format made-by-%%pid\n"
            "  server vetch 127.0.0.1:%u %s\n",
            fd, vetch_listener_port(s.l), options);
    fclose(f);
}

static unsigned
start_haproxy(const char *options)
{
    static char name[] = "haproxy", quiet[] = "-q", stay[] = "-db";
    static char file[] = "-f";
    char *argv[] = { name, quiet, stay, file, config, NULL };
    posix_spawn_file_actions_t actions;
    unsigned port;
    int fd;

    lk_serve(&s, "tcp:127.0.0.1:0,proxy");
    vetch_listener_set_error_fn(s.l, lk_on_error, &s);
    fd = listen_for_it(&port);
    write_config(fd, options);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", 1, 0);
    ck_assert_int_eq(
        posix_spawn(&haproxy, HAPROXY, &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(fd);
    return port;
}

static void
stop_haproxy(void)
{
    int status;

    kill(haproxy, SIGKILL);
    ck_assert_int_eq(waitpid(haproxy, &status, 0), haproxy);
    unlink(config);
    rmdir(folder);
}

/* Connect to it, and let it pass "hello" on. */
static void
say_hello(unsigned port, char own[64])
{
    struct sockaddr_in in;
    socklen_t len = sizeof(in);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    lk_raw_connect(fd, port);
    getsockname(fd, (struct sockaddr *)&in, &len);
    snprintf(own, 64, "tcp:127.0.0.1:%u", ntohs(in.sin_port));
    ck_assert_int_eq(send(fd, "hello", 5, MSG_NOSIGNAL), 5);
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    tk_until(s.probes[0].n_data == 5);
    close(fd);
}

static const struct {
    const char *options;
    bool has_id;
} kinds[] = {
    { "send-proxy", false },
    { "send-proxy-v2", false },
    { "send-proxy-v2 proxy-v2-options crc32c", false },
    { "send-proxy-v2 proxy-v2-options crc32c,unique-id", true },
    { "send-proxy-v2-ssl-cn", false },
    { "send-proxy-v2-ssl proxy-v2-options ssl,cert-cn,ssl-cipher,crc32c,"
      "unique-id,authority",
      true },
};

VT_CASE("HAProxy", vt_real_reactor_tcase, .unless = has_no_haproxy);

VT_TEST(what_haproxy_tells_is_understood, .loops = VT_COUNT_OF(kinds))
{
    unsigned port = start_haproxy(kinds[_i].options);
    char own[64], proxy[64];
    vetch_transport *t;
    const char *id;
    size_t len = 0;

    snprintf(proxy, sizeof(proxy), "tcp:127.0.0.1:%u", port);
    say_hello(port, own);
    t = s.probes[0].t;
    tk_assert_data(&s.probes[0], "hello");
    ck_assert_str_eq(vetch_transport_peer(t), own);
    ck_assert_str_eq(vetch_transport_local(t), proxy);
    ck_assert_ptr_nonnull(vetch_transport_proxy(t));
    id = vetch_transport_proxy_value(t, VETCH_PROXY_UNIQUE_ID, &len);
    ck_assert_int_eq(id != NULL, kinds[_i].has_id);
    if (id != NULL)
        ck_assert_int_eq(strncmp(id, "made-by-", 8), 0);
    ck_assert_int_eq(s.n_errors, 0);
    tk_until(lk_count(&s, TK_FREED) == 1);
    stop_haproxy();
    lk_stop(&s);
}

/* Its health checks: version 1 says UNKNOWN, version 2 LOCAL. */
VT_TEST(health_checks_are_the_proxys_own, .loops = 2)
{
    static const char *const checks[] = {
        "check inter 50ms send-proxy check-send-proxy",
        "check inter 50ms send-proxy-v2 check-send-proxy",
    };

    start_haproxy(checks[_i]);
    tk_until(lk_count(&s, TK_FREED) >= 2);
    ck_assert_int_eq(s.n_errors, 0);
    stop_haproxy();
    lk_stop(&s);
}
