/* Datagrams over Unix sockets: their names, who sent them, and descriptors that
 * come along. Rule U1. */
#include "support/listener_kit.h"
#include "support/udp_kit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- names ---- */

static char endpoint[96]; /* at lk_path */

static void
make_folder(void)
{
    lk_make_folder();
    snprintf(endpoint, sizeof(endpoint), "unixgram:%s", lk_path);
}

VT_CASE("names", vt_reactor_tcase, .set_up = make_folder,
        .take_down = lk_remove_folder);

VT_TEST(a_file_is_made_and_removed)
{
    vetch_udp *server, *client;
    struct stat st;

    strcat(endpoint, ",mode=600");
    server = vetch_udp_new(endpoint, NULL);
    ck_assert_ptr_nonnull(server);
    ck_assert_int_eq(lstat(lk_path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    client = uk_connected(server, NULL);
    uk_send(client, "hello");
    uk_expect(server, "hello");
    vetch_udp_unref(client);
    vetch_udp_unref(server);
    ck_assert_int_lt(lstat(lk_path, &st), 0);
}

VT_TEST(a_file_that_nobody_uses_is_replaced)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    vetch_udp *u;

    strcpy(un.sun_path, lk_path);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    ck_assert_ptr_null(vetch_udp_new(endpoint, NULL));
    ck_assert_int_eq(errno, EADDRINUSE);
    close(fd);
    u = vetch_udp_new(endpoint, NULL);
    ck_assert_ptr_nonnull(u);
    vetch_udp_unref(u);
}

/* A stream's listener uses the file in another way, but it does. */
VT_TEST(a_listener_s_file_is_not_replaced)
{
    struct lk_server s;

    lk_serve(&s, lk_endpoint);
    ck_assert_ptr_null(vetch_udp_new(endpoint, NULL));
    ck_assert_int_eq(errno, EADDRINUSE);
    lk_stop(&s);
}

VT_TEST(who_has_no_name_has_no_address)
{
    vetch_udp *server = uk_bound(UK_UNIX, NULL);
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const char *name = strchr(vetch_udp_endpoint(server), '@') + 1;
    vetch_datagram *d;
    socklen_t len = 1;

    memcpy(un.sun_path + 1, name, strlen(name));
    ck_assert_int_eq(sendto(fd, "x", 1, 0, (struct sockaddr *)&un,
                            (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
                                        1 + strlen(name))),
                     1);
    d = uk_receive(server);
    ck_assert_ptr_null(vetch_datagram_peer(d, &len));
    ck_assert_int_eq(len, 0);
    vetch_datagram_unref(d);
    close(fd);
    vetch_udp_unref(server);
}

VT_TEST(where_nobody_is_nothing_can_be_sent)
{
    vetch_error *error;

    ck_assert_ptr_null(
        vetch_run(vetch_udp_connect("unixgram:@vetch-nobody", NULL), &error));
    ck_assert_int_eq(vetch_error_code(error), VETCH_ECONNECT);
    ck_assert(vetch_error_is(error, ECONNREFUSED));
    ck_assert_str_eq(vetch_error_text(error),
                     "connect @vetch-nobody: connection refused");
    vetch_error_unref(error);
}

/* A peer that has gone is found out by sending, as with UDP. */
VT_TEST(u1_a_peer_that_has_gone_refuses)
{
    vetch_udp *server = uk_bound(UK_UNIX, NULL);
    vetch_udp *client = uk_connected(server, NULL);
    vetch_udp_message message = uk_message("anybody?");

    vetch_udp_unref(server);
    ck_assert_uint_eq(vetch_udp_send(client, &message, 1), 0);
    ck_assert_int_eq(errno, ECONNREFUSED);
    vetch_udp_unref(client);
}

/* ---- who sent it ---- */

VT_CASE("credentials", vt_reactor_tcase);

VT_TEST(u1_credentials_are_those_of_the_sender)
{
    vetch_udp_options options = VETCH_UDP_OPTIONS_INIT;
    vetch_udp *server, *client;
    vetch_datagram *d;
    unsigned uid, gid;
    int pid;

    options.credentials = true;
    server = uk_bound(UK_UNIX, &options);
    client = uk_connected(server, NULL);
    uk_send(client, "it is me");
    d = uk_receive(server);
    ck_assert(vetch_datagram_credentials(d, &pid, &uid, &gid));
    ck_assert_int_eq(pid, getpid());
    ck_assert_uint_eq(uid, getuid());
    ck_assert_uint_eq(gid, getgid());
    ck_assert(vetch_datagram_credentials(d, NULL, NULL, NULL));
    ck_assert_uint_eq(vetch_datagram_descriptors(d), 0);
    ck_assert(!vetch_datagram_has_lost_descriptors(d));
    vetch_datagram_unref(d);
    vetch_udp_unref(client);
    vetch_udp_unref(server);
}

VT_TEST(u1_credentials_nobody_asked_for_are_not_there)
{
    vetch_udp *server = uk_bound(UK_UNIX, NULL);
    vetch_udp *client = uk_connected(server, NULL);
    vetch_datagram *d;

    uk_send(client, "x");
    d = uk_receive(server);
    ck_assert(!vetch_datagram_credentials(d, NULL, NULL, NULL));
    vetch_datagram_unref(d);
    vetch_udp_unref(client);
    vetch_udp_unref(server);
}

/* ---- descriptors ---- */

static vetch_udp *receiver, *sender;
static int pipe_fds[2];

static void
open_sockets(size_t max_descriptors)
{
    vetch_udp_options options = VETCH_UDP_OPTIONS_INIT;

    options.max_descriptors = max_descriptors;
    options.credentials = max_descriptors > 0; /* both come along */
    receiver = uk_bound(UK_UNIX, &options);
    sender = uk_connected(receiver, NULL);
    ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
}

static void
close_sockets(void)
{
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    vetch_udp_unref(sender);
    vetch_udp_unref(receiver);
}

static void
send_descriptors(const int *fds, size_t n)
{
    vetch_udp_message message = uk_message("take these");

    message.descriptors = fds;
    message.n_descriptors = n;
    ck_assert_msg(vetch_udp_send(sender, &message, 1) == 1, "%s",
                  strerror(errno));
}

VT_CASE("descriptors", vt_reactor_tcase, .take_down = close_sockets);

VT_TEST(u1_descriptors_come_along_and_are_taken)
{
    vetch_datagram *d;
    int in, out;
    char c;

    open_sockets(4);
    send_descriptors(pipe_fds, 2);
    d = uk_receive(receiver);
    uk_assert_text(d, "take these");
    ck_assert_uint_eq(vetch_datagram_descriptors(d), 2);
    in = vetch_datagram_take_descriptor(d);
    out = vetch_datagram_take_descriptor(d);
    ck_assert_int_eq(vetch_datagram_take_descriptor(d), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert(!vetch_datagram_has_lost_descriptors(d));
    vetch_datagram_unref(d);
    ck_assert_int_eq(fcntl(in, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(write(out, "x", 1), 1);
    ck_assert_int_eq(read(in, &c, 1), 1);
    close(in);
    close(out);
}

/* The harness counts descriptors. */
VT_TEST(u1_descriptors_that_nobody_takes_are_closed)
{
    vetch_datagram *d;

    open_sockets(4);
    send_descriptors(pipe_fds, 2);
    d = uk_receive(receiver);
    close(vetch_datagram_take_descriptor(d));
    vetch_datagram_unref(d); /* one was left */
    send_descriptors(pipe_fds, 2);
    uk_expect(receiver, "take these");
    send_descriptors(pipe_fds, 2);
    send_descriptors(pipe_fds, 2);
    uk_expect(receiver, "take these"); /* one stays in the queue to the end */
}

VT_TEST(u1_descriptors_without_room_are_lost_and_that_is_said)
{
    int fds[3];
    vetch_datagram *d;

    open_sockets(2);
    fds[0] = fds[1] = fds[2] = pipe_fds[0];
    send_descriptors(fds, 3);
    d = uk_receive(receiver);
    uk_assert_text(d, "take these"); /* the data is there */
    ck_assert_uint_eq(vetch_datagram_descriptors(d), 2);
    ck_assert(vetch_datagram_has_lost_descriptors(d));
    vetch_datagram_unref(d);
}

VT_TEST(u1_descriptors_that_were_not_asked_for_are_lost)
{
    vetch_datagram *d;

    open_sockets(0);
    send_descriptors(pipe_fds, 2);
    d = uk_receive(receiver);
    uk_assert_text(d, "take these");
    ck_assert_uint_eq(vetch_datagram_descriptors(d), 0);
    ck_assert(vetch_datagram_has_lost_descriptors(d));
    vetch_datagram_unref(d);
}

/* rr #3870: so they are when the process may have no more. */
VT_TEST(u1_descriptors_beyond_the_limit_of_the_process_are_lost,
        .unless = vt_on_valgrind) /* it keeps the limit to itself */
{
    struct rlimit before, less;
    vetch_datagram *d;

    open_sockets(4);
    send_descriptors(pipe_fds, 2);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    less = before;
    less.rlim_cur = (rlim_t)pipe_fds[1] + 1;
    if (pipe_fds[0] > pipe_fds[1])
        less.rlim_cur = (rlim_t)pipe_fds[0] + 1;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &less), 0);
    d = uk_receive(receiver);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    uk_assert_text(d, "take these");
    ck_assert_uint_lt(vetch_datagram_descriptors(d), 2);
    ck_assert(vetch_datagram_has_lost_descriptors(d));
    vetch_datagram_unref(d);
}

VT_TEST(u1_more_descriptors_than_a_datagram_carries_are_refused)
{
    vetch_udp_message messages[2];
    int fds[254];

    open_sockets(253);
    for (int i = 0; i < 254; i++)
        fds[i] = pipe_fds[0];
    messages[0] = messages[1] = uk_message("take these");
    messages[1].descriptors = fds;
    messages[1].n_descriptors = 254;
    ck_assert_uint_eq(vetch_udp_send(sender, messages, 2), 1);
    ck_assert_int_eq(errno, EINVAL);
    uk_expect(receiver, "take these");
    send_descriptors(fds, 253);
    uk_expect(receiver, "take these");
}
