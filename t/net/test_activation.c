/* Listeners at descriptors that systemd has opened: a program is executed as
 * systemd would execute it. */
#include "support/harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 4 };

/* What is passed on, and how the program is told. */
struct start {
    int fds[MOST]; /* they become 3, 4, … */
    int n;
    const char *names; /* NULL: none */
    const char *count; /* NULL: n */
    bool for_another;  /* LISTEN_PID is somebody else's */
    const char *args[MOST + 1];
};

static char text[2000]; /* what it has printed */
static pid_t child;
static int out;

/* The program stands beside this one. */
static void
path_of_program(char path[4096])
{
    ssize_t len = readlink("/proc/self/exe", path, 4000);
    char *slash;

    ck_assert_int_gt(len, 0);
    path[len] = '\0';
    slash = strstr(path, "/t/net/");
    ck_assert_ptr_nonnull(slash);
    strcpy(slash, "/t/net/activated");
}

static void
become_the_program(const struct start *s)
{
    char path[4096], number[16];
    char *argv[MOST + 2];
    int high[MOST], i;

    path_of_program(path);
    argv[0] = path;
    for (i = 0; s->args[i] != NULL; i++)
        argv[i + 1] = strdup(s->args[i]);
    argv[i + 1] = NULL;
    for (i = 0; i < s->n; i++)
        high[i] = fcntl(s->fds[i], F_DUPFD, 100);
    for (i = 0; i < s->n; i++)
        dup2(high[i], 3 + i);
    for (int fd = 3 + s->n; fd < 200; fd++)
        close(fd);
    snprintf(number, sizeof(number), "%d", s->n);
    setenv("LISTEN_FDS", s->count != NULL ? s->count : number, 1);
    snprintf(number, sizeof(number), "%d", getpid() + s->for_another);
    setenv("LISTEN_PID", number, 1);
    if (s->names != NULL)
        setenv("LISTEN_FDNAMES", s->names, 1);
    execv(path, argv);
    _exit(127);
}

/* Start it; `lines` lines of what it prints are then in `text`. */
static void
start_program(const struct start *s, int lines)
{
    int ends[2];
    size_t len = 0;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        dup2(ends[1], 1);
        become_the_program(s);
    }
    close(ends[1]);
    out = ends[0];
    while (lines > 0 && len < sizeof(text) - 1 && read(out, text + len, 1) == 1)
        lines -= text[len++] == '\n';
    text[len] = '\0';
}

/* It ends by itself; the rest of its output follows in `text`. */
static void
await_its_end(void)
{
    size_t len = strlen(text);
    ssize_t n;
    int status;

    while ((n = read(out, text + len, sizeof(text) - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    close(out);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

static int
listen_at_tcp(unsigned *ret_port)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof(in);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    ck_assert_int_eq(listen(fd, 5), 0);
    getsockname(fd, (struct sockaddr *)&in, &len);
    *ret_port = ntohs(in.sin_port);
    return fd;
}

/* Connect, and read what the program says. */
static void
assert_greeted(int fd, const struct sockaddr *to, socklen_t len)
{
    char said[8] = "";

    ck_assert_int_eq(connect(fd, to, len), 0);
    ck_assert_int_eq(recv(fd, said, sizeof(said), MSG_WAITALL), 5);
    ck_assert_str_eq(said, "hello");
    close(fd);
}

static void
assert_greeted_at(unsigned port)
{
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };

    assert_greeted(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                   (struct sockaddr *)&in, sizeof(in));
}

VT_CASE("activation", vt_tcase, .unless = vt_on_valgrind);

VT_TEST(descriptors_are_found_by_name)
{
    struct start s = { .n = 2,
                       .names = "web:admin",
                       .args = { "systemd:admin", "systemd:web,nodelay" } };
    char expected[200];
    unsigned ports[2];

    s.fds[0] = listen_at_tcp(&ports[0]);
    s.fds[1] = listen_at_tcp(&ports[1]);
    start_program(&s, 2);
    snprintf(expected, sizeof(expected),
             "systemd:admin: tcp:127.0.0.1:%u\n"
             "systemd:web,nodelay: tcp:127.0.0.1:%u\n",
             ports[1], ports[0]);
    assert_greeted_at(ports[0]);
    await_its_end();
    ck_assert_str_eq(text, expected); /* and the environment is clean */
    close(s.fds[0]);
    close(s.fds[1]);
}

VT_TEST(one_name_may_have_several)
{
    struct start s = { .n = 2,
                       .names = "web:web",
                       .args = { "systemd:web", "systemd:web",
                                 "systemd:web" } };
    char expected[200];
    unsigned ports[2];

    s.fds[0] = listen_at_tcp(&ports[0]);
    s.fds[1] = listen_at_tcp(&ports[1]);
    start_program(&s, 3);
    snprintf(expected, sizeof(expected),
             "systemd:web: tcp:127.0.0.1:%u\n"
             "systemd:web: tcp:127.0.0.1:%u\n"
             "systemd:web: %s\n",
             ports[0], ports[1], strerror(EBUSY));
    assert_greeted_at(ports[1]);
    await_its_end();
    ck_assert_str_eq(text, expected);
    close(s.fds[0]);
    close(s.fds[1]);
}

VT_TEST(without_names_they_are_unknown)
{
    struct start s = { .n = 1, .args = { "systemd:web", "systemd:unknown" } };
    char expected[200];
    unsigned port;

    s.fds[0] = listen_at_tcp(&port);
    start_program(&s, 2);
    snprintf(expected, sizeof(expected),
             "systemd:web: %s\nsystemd:unknown: tcp:127.0.0.1:%u\n",
             strerror(ENOENT), port);
    assert_greeted_at(port);
    await_its_end();
    ck_assert_str_eq(text, expected);
    close(s.fds[0]);
}

/* They stay with whoever they were meant for. */
VT_TEST(what_is_for_another_process_is_not_taken)
{
    struct start s = {
        .n = 1, .names = "web", .for_another = true, .args = { "systemd:web" }
    };
    char expected[100];
    unsigned port;

    s.fds[0] = listen_at_tcp(&port);
    start_program(&s, 1);
    await_its_end();
    snprintf(expected, sizeof(expected), "systemd:web: %s\n3 is inherited\n",
             strerror(ENOENT));
    ck_assert_str_eq(text, expected);
    close(s.fds[0]);
}

VT_TEST(a_senseless_environment_is_none)
{
    static const char *const counts[] = { "",  "-1",          "1x",
                                          "0", "99999999999", "2147483647" };

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct start s = { .n = 1,
                           .names = "web",
                           .count = counts[i],
                           .args = { "systemd:web" } };
        unsigned port;

        s.fds[0] = listen_at_tcp(&port);
        start_program(&s, 1);
        await_its_end();
        ck_assert_ptr_nonnull(strstr(text, strerror(ENOENT)));
        close(s.fds[0]);
    }
}

VT_TEST(what_does_not_listen_is_refused_and_stays)
{
    struct start s = { .n = 1,
                       .names = "web",
                       .args = { "systemd:web", "systemd:web" } };
    char expected[200];

    s.fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    start_program(&s, 2);
    await_its_end();
    snprintf(expected, sizeof(expected), "systemd:web: %s\nsystemd:web: %s\n",
             strerror(EINVAL), strerror(EINVAL));
    ck_assert_str_eq(text, expected);
    close(s.fds[0]);
}

/* mosquitto #1482: the file belongs to systemd. */
VT_TEST(a_path_from_systemd_is_never_removed)
{
    struct start s = { .n = 1, .names = "a,b", .args = { "systemd:a,,b" } };
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    char dir[] = "/tmp/vetch-test.XXXXXX", expected[200];
    struct stat st;

    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(un.sun_path, sizeof(un.sun_path), "%s/s", dir);
    s.fds[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(s.fds[0], (struct sockaddr *)&un, sizeof(un)), 0);
    ck_assert_int_eq(listen(s.fds[0], 5), 0);
    start_program(&s, 1);
    snprintf(expected, sizeof(expected), "systemd:a,,b: unix:%s\n",
             un.sun_path);
    assert_greeted(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
                   (struct sockaddr *)&un, sizeof(un));
    await_its_end();
    ck_assert_str_eq(text, expected);
    ck_assert_int_eq(lstat(un.sun_path, &st), 0);
    close(s.fds[0]);
    unlink(un.sun_path);
    rmdir(dir);
}
