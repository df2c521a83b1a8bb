/* Datagrams: rule U1, over UDP and, where it is the same there, over Unix
 * sockets. */
#include "support/udp_kit.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/udp-private.h"

/* ---- one by one ---- */

VT_CASE("receive", vt_reactor_tcase);

VT_TEST(u1_a_datagram_and_its_answer, .loops = UK_KINDS)
{
    vetch_udp *server = uk_bound(_i, NULL);
    vetch_udp *client = uk_connected(server, NULL);
    vetch_datagram *d;

    uk_send(client, "question");
    d = uk_receive(server);
    uk_assert_text(d, "question");
    uk_answer(server, d, "answer");
    vetch_datagram_unref(d);
    uk_expect(client, "answer");
    vetch_udp_unref(client);
    vetch_udp_unref(server);
}

VT_TEST(u1_datagrams_keep_their_order_and_borders, .loops = UK_KINDS)
{
    vetch_udp *server = uk_bound(_i, NULL);
    vetch_udp *client = uk_connected(server, NULL);

    uk_send(client, "a");
    uk_send(client, "bc");
    uk_send(client, "def");
    uk_expect(server, "a");
    uk_expect(server, "bc");
    uk_expect(server, "def");
    vetch_udp_unref(client);
    vetch_udp_unref(server);
}

VT_TEST(u1_an_empty_datagram_is_data, .loops = UK_KINDS)
{
    vetch_udp *server = uk_bound(_i, NULL);
    vetch_udp *client = uk_connected(server, NULL);

    uk_send(client, "");
    uk_send(client, "x");
    uk_expect(server, "");
    uk_expect(server, "x");
    vetch_udp_unref(client);
    vetch_udp_unref(server);
}

VT_TEST(u1_what_is_too_long_is_cut_and_says_so, .loops = UK_KINDS)
{
    vetch_udp_options options = VETCH_UDP_OPTIONS_INIT;
    vetch_udp *server, *client;
    vetch_datagram *d;
    size_t len;

    options.max_bytes = 4;
    server = uk_bound(_i, &options);
    client = uk_connected(server, NULL);
    uk_send(client, "12345");
    uk_send(client, "1234");
    d = uk_receive(server);
    ck_assert_mem_eq(vetch_datagram_data(d, &len), "1234", 4);
    ck_assert_uint_eq(len, 4);
    ck_assert(vetch_datagram_is_truncated(d));
    vetch_datagram_unref(d);
    uk_expect(server, "1234");
    vetch_udp_unref(client);
    vetch_udp_unref(server);
}

VT_TEST(u1_the_longest_datagram_arrives_whole)
{
    static const size_t lengths[] = { 65507, 150000 };

    for (int kind = 0; kind < UK_KINDS; kind++) {
        vetch_udp_options options = VETCH_UDP_OPTIONS_INIT;
        vetch_udp_message m = uk_message("");
        vetch_udp *server, *client;
        vetch_datagram *d;
        char *data = calloc(1, lengths[kind]);
        size_t len;

        options.max_bytes = 200000;
        server = uk_bound(kind, &options);
        client = uk_connected(server, NULL);
        m.data = memset(data, 'x', lengths[kind]);
        m.len = lengths[kind];
        ck_assert_uint_eq(vetch_udp_send(client, &m, 1), 1);
        d = uk_receive(server);
        ck_assert_mem_eq(vetch_datagram_data(d, &len), data, m.len);
        ck_assert_uint_eq(len, m.len);
        ck_assert(!vetch_datagram_is_truncated(d));
        vetch_datagram_unref(d);
        free(data);
        vetch_udp_unref(client);
        vetch_udp_unref(server);
    }
}

VT_TEST(u1_both_families_come_to_a_star)
{
    vetch_udp *server = vetch_udp_new("udp:*:0", NULL), *client;
    char endpoint[64];
    vetch_datagram *d;

    ck_assert_ptr_nonnull(server);
    snprintf(endpoint, sizeof(endpoint), "udp:localhost:%u",
             vetch_udp_port(server));
    client = vetch_run(vetch_udp_connect(endpoint, NULL), NULL);
    uk_send(client, "hello");
    d = uk_receive(server);
    uk_answer(server, d, "hello you");
    vetch_datagram_unref(d);
    uk_expect(client, "hello you");
    vetch_udp_unref(client);
    vetch_udp_unref(server);
}

/* ---- many ---- */

VT_TEST(u1_a_batch_is_what_is_there_up_to_a_bound, .loops = UK_KINDS)
{
    vetch_udp *server = uk_bound(_i, NULL);
    vetch_udp *client = uk_connected(server, NULL);
    vetch_datagrams *batch;

    uk_send(client, "1");
    uk_send(client, "2");
    uk_send(client, "3");
    batch = vetch_run(vetch_udp_receive_many(server, 2), NULL);
    ck_assert_uint_eq(vetch_datagrams_count(batch), 2);
    uk_assert_text(vetch_datagrams_get(batch, 0), "1");
    uk_assert_text(vetch_datagrams_get(batch, 1), "2");
    ck_assert_ptr_null(vetch_datagrams_get(batch, 2));
    vetch_datagrams_unref(batch);
    batch = vetch_run(vetch_udp_receive_many(server, 2), NULL);
    ck_assert_uint_eq(vetch_datagrams_count(batch), 1);
    uk_assert_text(vetch_datagrams_get(batch, 0), "3");
    vetch_datagrams_unref(batch);
    vetch_udp_unref(client);
    vetch_udp_unref(server);
}

VT_TEST(u1_a_batch_of_none_is_refused)
{
    vetch_udp *u = uk_bound(UK_UDP, NULL);
    vetch_error *error;

    ck_assert_ptr_null(vetch_run(vetch_udp_receive_many(u, 0), &error));
    ck_assert_int_eq(vetch_error_code(error), EINVAL);
    vetch_error_unref(error);
    vetch_udp_unref(u);
}

/* One turn reads once, whatever waits; the rest of the loop is not starved. */
VT_TEST(u1_a_turn_takes_a_bounded_number)
{
    vetch_udp *server = uk_bound(UK_UDP, NULL);
    vetch_udp *client = uk_connected(server, NULL);
    vetch_datagrams *batch;

    for (int i = 0; i < 100; i++)
        uk_send(client, "x");
    batch = vetch_run(vetch_udp_receive_many(server, 1000), NULL);
    ck_assert_uint_eq(vetch_datagrams_count(batch), VETCH__UDP_SLOTS);
    vetch_datagrams_unref(batch);
    vetch_udp_unref(client);
    vetch_udp_unref(server);
}

VT_TEST(u1_what_there_is_no_room_for_is_counted)
{
    vetch_udp_options options = VETCH_UDP_OPTIONS_INIT;
    vetch_udp *server, *client;
    vetch_datagrams *batch;
    uint64_t dropped;
    size_t n = 0;

    options.receive_buffer_bytes = 4096;
    server = uk_bound(UK_UDP, &options);
    client = uk_connected(server, NULL);
    for (int i = 0; i < 100; i++)
        uk_send(client, "somebody will have to do without this");
    dropped = vetch_udp_dropped(server);
    ck_assert_uint_gt(dropped, 0);
    while (n < 100 - dropped) {
        batch = vetch_run(vetch_udp_receive_many(server, 1000), NULL);
        n += vetch_datagrams_count(batch);
        vetch_datagrams_unref(batch);
    }
    ck_assert_uint_eq(n, 100 - dropped);
    vetch_udp_close(server);
    ck_assert_uint_eq(vetch_udp_dropped(server), dropped);
    vetch_udp_unref(client);
    vetch_udp_unref(server);
}

/* Nobody reads, so nothing is read: no CPU either. */
VT_TEST(u1_a_socket_that_nobody_asks_is_not_watched)
{
    vetch_udp *server = uk_bound(UK_UDP, NULL);
    vetch_udp *client = uk_connected(server, NULL);

    uk_send(client, "1");
    uk_expect(server, "1");
    uk_send(client, "2");
    uk_send(client, "3");
    vt_run_ready();
    ck_assert(!server->watching);
    ck_assert_uint_eq(server->n_queued, 0);
    uk_expect(server, "2");
    uk_expect(server, "3");
    vetch_udp_unref(client);
    vetch_udp_unref(server);
}

/* ---- sending ---- */

VT_CASE("send", vt_reactor_tcase);

VT_TEST(u1_one_call_sends_many, .loops = UK_KINDS)
{
    static const char *const texts[] = { "1", "", "three", "4", "five!" };
    vetch_udp_message messages[5];
    vetch_udp *server = uk_bound(_i, NULL);
    vetch_udp *client = uk_connected(server, NULL);

    for (int i = 0; i < 5; i++)
        messages[i] = uk_message(texts[i]);
    ck_assert_uint_eq(vetch_udp_send(client, messages, 5), 5);
    for (int i = 0; i < 5; i++)
        uk_expect(server, texts[i]);
    ck_assert_uint_eq(vetch_udp_send(client, NULL, 0), 0);
    vetch_udp_unref(client);
    vetch_udp_unref(server);
}

VT_TEST(u1_one_call_sends_to_many)
{
    vetch_udp *sender = uk_bound(UK_UDP, NULL);
    vetch_udp *servers[3];
    vetch_udp_message messages[3];
    struct sockaddr_in to[3];

    for (int i = 0; i < 3; i++) {
        servers[i] = uk_bound(UK_UDP, NULL);
        to[i] = (struct sockaddr_in){ .sin_family = AF_INET,
                                      .sin_port = htons(
                                          (uint16_t)vetch_udp_port(servers[i])),
                                      .sin_addr = { htonl(INADDR_LOOPBACK) } };
        messages[i] = uk_message(i == 1 ? "second" : "xother");
        messages[i].to = (const struct sockaddr *)&to[i];
        messages[i].to_len = sizeof(to[i]);
    }
    ck_assert_uint_eq(vetch_udp_send(sender, messages, 3), 3);
    for (int i = 0; i < 3; i++) {
        uk_expect(servers[i], i == 1 ? "second" : "xother");
        vetch_udp_unref(servers[i]);
    }
    vetch_udp_unref(sender);
}

/* libuv #3129: the reason is of the first that did not go. */
VT_TEST(u1_a_send_says_how_many_went_and_why_the_next_did_not)
{
    vetch_udp *server = uk_bound(UK_UDP, NULL);
    vetch_udp *client = uk_connected(server, NULL);
    vetch_udp_message messages[3];
    char *huge = calloc(1, 70000);

    messages[0] = uk_message("1");
    messages[1] = uk_message("");
    messages[1].data = huge;
    messages[1].len = 70000;
    messages[2] = uk_message("3");
    errno = 0;
    ck_assert_uint_eq(vetch_udp_send(client, messages, 3), 1);
    ck_assert_int_eq(errno, EMSGSIZE);
    ck_assert_uint_eq(vetch_udp_send(client, messages + 2, 1), 1);
    uk_expect(server, "1");
    uk_expect(server, "3");
    free(huge);
    vetch_udp_unref(client);
    vetch_udp_unref(server);
}

VT_TEST(u1_segments_are_put_together_and_taken_apart)
{
    vetch_udp_options options = VETCH_UDP_OPTIONS_INIT;
    vetch_udp *server, *client;
    vetch_udp_message messages[150];
    char data[150][1200];
    vetch_datagrams *batch;
    size_t n = 0, len;

    options.receive_buffer_bytes = 1 << 20; /* room for all */
    server = uk_bound(UK_UDP, &options);
    client = uk_connected(server, NULL);
    for (int i = 0; i < 150; i++) {
        memset(data[i], i, sizeof(data[i]));
        messages[i] = uk_message("");
        messages[i].data = data[i];
        messages[i].len = i == 149 ? 7 : 1200;
    }
    ck_assert_uint_eq(vetch_udp_send(client, messages, 150), 150);
    ck_assert_uint_eq(client->n_routes, 0);
    while (n < 150) {
        batch = vetch_run(vetch_udp_receive_many(server, 1000), NULL);
        for (size_t i = 0; i < vetch_datagrams_count(batch); i++, n++) {
            const char *got =
                vetch_datagram_data(vetch_datagrams_get(batch, i), &len);

            ck_assert_uint_eq(len, n == 149 ? 7 : 1200);
            ck_assert_mem_eq(got, data[n], len);
        }
        vetch_datagrams_unref(batch);
    }
    vetch_udp_unref(client);
    vetch_udp_unref(server);
}

/* It is found out once, and remembered. */
VT_TEST(u1_without_segmentation_offload_all_go_one_by_one)
{
    vetch_udp *server = uk_bound(UK_UDP, NULL);
    vetch_udp *client = uk_connected(server, NULL);
    vetch_udp_message messages[2];
    vetch_datagram *d;
    static char data[1000];
    int no_checksum = 1;

    /* As a card that cannot do it: EIO. */
    ck_assert_int_eq(setsockopt(client->socket.fd, SOL_SOCKET, SO_NO_CHECK,
                                &no_checksum, sizeof(no_checksum)),
                     0);
    for (int i = 0; i < 2; i++) {
        messages[i] = uk_message("");
        messages[i].data = data;
        messages[i].len = 1000;
    }
    ck_assert_uint_eq(vetch_udp_send(client, messages, 2), 2);
    ck_assert_uint_eq(client->n_routes, 1);
    ck_assert_uint_eq(vetch_udp_send(client, messages, 2), 2);
    ck_assert_uint_eq(client->n_routes, 1);
    for (int i = 0; i < 4; i++) {
        size_t len;

        d = uk_receive(server);
        vetch_datagram_data(d, &len);
        ck_assert_uint_eq(len, 1000);
        vetch_datagram_unref(d);
    }
    vetch_udp_unref(client);
    vetch_udp_unref(server);
}

/* A datagram to nobody in particular has nowhere to go. */
VT_TEST(u1_without_a_peer_or_an_address_nothing_goes)
{
    vetch_udp *u = uk_bound(UK_UDP, NULL);
    vetch_udp_message message = uk_message("x");

    ck_assert_uint_eq(vetch_udp_send(u, &message, 1), 0);
    ck_assert_int_eq(errno, EDESTADDRREQ);
    vetch_udp_unref(u);
}

VT_TEST(u1_messages_without_their_size_are_misuse, .misuse = true)
{
    vetch_udp *u = uk_bound(UK_UDP, NULL);
    vetch_udp_message message = { .data = "x", .len = 1 };

    ck_assert_uint_eq(vetch_udp_send(u, &message, 1), 0);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "vetch_udp_send"));
    vetch_udp_unref(u);
}

/* ---- where ---- */

VT_CASE("endpoints", vt_reactor_tcase);

VT_TEST(what_is_not_for_datagrams_is_refused)
{
    static const char *const other[] = { "tcp:127.0.0.1:0", "unix:@x" };
    vetch_error *error;

    for (int i = 0; i < VT_COUNT_OF(other); i++) {
        ck_assert_ptr_null(vetch_udp_new(other[i], NULL));
        ck_assert_int_eq(errno, EPROTONOSUPPORT);
    }
    ck_assert_ptr_null(vetch_udp_new("udp:", NULL));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_ptr_null(
        vetch_run(vetch_udp_connect("tcp:127.0.0.1:1", NULL), &error));
    ck_assert_int_eq(vetch_error_code(error), VETCH_ECONNECT);
    ck_assert(vetch_error_is(error, VETCH_EENDPOINT));
    vetch_error_unref(error);
}

static vetch_protocol *
make_nothing(void *ctx)
{
    (void)ctx;
    return NULL;
}

VT_TEST(a_listener_takes_no_datagrams)
{
    ck_assert_ptr_null(
        vetch_listener_new("udp:127.0.0.1:0", make_nothing, NULL, NULL));
    ck_assert_int_eq(errno, EPROTONOSUPPORT);
}

VT_TEST(an_address_is_one_socket_s_unless_all_share_it)
{
    vetch_udp *first = uk_bound(UK_UDP, NULL), *second;
    char endpoint[64];

    ck_assert_ptr_null(vetch_udp_new(vetch_udp_endpoint(first), NULL));
    ck_assert_int_eq(errno, EADDRINUSE);
    vetch_udp_unref(first);
    first = vetch_udp_new("udp:127.0.0.1:0,reuseport", NULL);
    snprintf(endpoint, sizeof(endpoint), "%s,reuseport",
             vetch_udp_endpoint(first));
    second = vetch_udp_new(endpoint, NULL);
    ck_assert_ptr_nonnull(second);
    vetch_udp_unref(first);
    vetch_udp_unref(second);
}

VT_TEST(a_descriptor_is_taken_over)
{
    char endpoint[32];
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in any = { .sin_family = AF_INET,
                               .sin_addr = { htonl(INADDR_LOOPBACK) } };
    vetch_udp *server, *client;

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
    snprintf(endpoint, sizeof(endpoint), "fd:%d", fd);
    server = vetch_udp_new(endpoint, NULL);
    ck_assert_ptr_nonnull(server);
    client = uk_connected(server, NULL);
    uk_send(client, "hello");
    uk_expect(server, "hello");
    vetch_udp_unref(client);
    vetch_udp_unref(server);
}

VT_TEST(a_name_that_does_not_exist_says_so)
{
    vetch_error *error;

    ck_assert_ptr_null(
        vetch_run(vetch_udp_connect("udp:no.such.invalid:1", NULL), &error));
    ck_assert_int_eq(vetch_error_code(error), VETCH_ECONNECT);
    ck_assert_int_eq(
        strncmp(vetch_error_text(error), "connect no.such.invalid:1: ", 27), 0);
    vetch_error_unref(error);
}

VT_TEST(options_that_make_no_sense_are_refused)
{
    vetch_udp_options bad[4] = { VETCH_UDP_OPTIONS_INIT, VETCH_UDP_OPTIONS_INIT,
                                 VETCH_UDP_OPTIONS_INIT,
                                 VETCH_UDP_OPTIONS_INIT };

    bad[0].max_bytes = 0;
    bad[1].max_bytes = (size_t)1 << 21;
    bad[2].multicast_hops = 256;
    bad[3].max_descriptors = 254;
    for (int i = 0; i < VT_COUNT_OF(bad); i++) {
        ck_assert_ptr_null(vetch_udp_new("udp:127.0.0.1:0", &bad[i]));
        ck_assert_int_eq(errno, EINVAL);
    }
    bad[0] = (vetch_udp_options)VETCH_UDP_OPTIONS_INIT;
    bad[0].multicast_interface = "nosuch0";
    ck_assert_ptr_null(vetch_udp_new("udp:127.0.0.1:0", &bad[0]));
    ck_assert_int_eq(errno, ENODEV);
}

/* ---- multicast ---- */

VT_CASE("multicast", vt_reactor_tcase);

static const char group[] = "239.255.77.7";

/* The sender's address for a group. */
static struct sockaddr_in
group_address(const vetch_udp *server)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)vetch_udp_port(server)),
        .sin_addr = { htonl(0xefff4d07) },
    };
}

VT_TEST(u1_a_group_is_heard_after_joining_and_until_leaving)
{
    vetch_udp_options options = VETCH_UDP_OPTIONS_INIT;
    vetch_udp *server = vetch_udp_new("udp:0.0.0.0:0", NULL), *sender;
    vetch_udp *other; /* of the same machine, and not in the group */
    struct sockaddr_in to = group_address(server);
    vetch_udp_message message = uk_message("to all");
    char endpoint[32];
    vetch_promise *p;

    options.multicast_interface = "lo";
    sender = vetch_udp_new("udp:127.0.0.1:0", &options);
    ck_assert_ptr_nonnull(sender);
    message.to = (const struct sockaddr *)&to;
    message.to_len = sizeof(to);
    ck_assert_int_eq(vetch_udp_join(server, group, "lo"), 0);
    ck_assert_int_eq(vetch_udp_join(server, group, "lo"), -1);
    ck_assert_int_eq(errno, EADDRINUSE);
    snprintf(endpoint, sizeof(endpoint), "udp:%s:0", "0.0.0.0");
    other = vetch_udp_new(endpoint, NULL);
    ck_assert_uint_eq(vetch_udp_send(sender, &message, 1), 1);
    uk_expect(server, "to all");
    ck_assert_int_eq(vetch_udp_leave(server, group, "lo"), 0);
    ck_assert_uint_eq(vetch_udp_send(sender, &message, 1), 1);
    p = vetch_udp_receive(server);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vetch_promise_cancel(p);
    vetch_promise_unref(p);
    vetch_udp_unref(other);
    vetch_udp_unref(sender);
    vetch_udp_unref(server);
}

/* By default Linux gives a socket what others of the machine have joined. */
VT_TEST(u1_a_group_that_others_have_joined_is_not_heard)
{
    vetch_udp_options options = VETCH_UDP_OPTIONS_INIT;
    vetch_udp *member = vetch_udp_new("udp:0.0.0.0:0,reuseport", NULL);
    vetch_udp *other, *sender;
    struct sockaddr_in to = group_address(member);
    vetch_udp_message message = uk_message("members only");
    char endpoint[64];
    vetch_promise *p;

    snprintf(endpoint, sizeof(endpoint), "%s,reuseport",
             vetch_udp_endpoint(member));
    other = vetch_udp_new(endpoint, NULL);
    options.multicast_interface = "lo";
    sender = vetch_udp_new("udp:127.0.0.1:0", &options);
    message.to = (const struct sockaddr *)&to;
    message.to_len = sizeof(to);
    ck_assert_int_eq(vetch_udp_join(member, group, "lo"), 0);
    p = vetch_udp_receive(other);
    ck_assert_uint_eq(vetch_udp_send(sender, &message, 1), 1);
    uk_expect(member, "members only");
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vetch_promise_cancel(p);
    vetch_promise_unref(p);
    vetch_udp_unref(sender);
    vetch_udp_unref(other);
    vetch_udp_unref(member);
}

VT_TEST(u1_what_is_no_group_cannot_be_joined)
{
    vetch_udp *u = uk_bound(UK_UDP, NULL), *local = uk_bound(UK_UNIX, NULL);

    ck_assert_int_eq(vetch_udp_join(u, "localhost", NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(vetch_udp_join(u, "127.0.0.1", NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(vetch_udp_join(u, group, "nosuch0"), -1);
    ck_assert_int_eq(errno, ENODEV);
    ck_assert_int_eq(vetch_udp_leave(u, group, "lo"), -1);
    ck_assert_int_eq(errno, EADDRNOTAVAIL);
    ck_assert_int_eq(vetch_udp_join(local, group, NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
    vetch_udp_unref(local);
    vetch_udp_unref(u);
}

VT_TEST(u1_broadcast_is_a_matter_of_permission)
{
    vetch_udp_options options = VETCH_UDP_OPTIONS_INIT;
    vetch_udp *u = uk_bound(UK_UDP, NULL);
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(9),
                              .sin_addr = { htonl(0x7fffffff) } };
    vetch_udp_message message = uk_message("all");

    message.to = (const struct sockaddr *)&to;
    message.to_len = sizeof(to);
    ck_assert_uint_eq(vetch_udp_send(u, &message, 1), 0);
    ck_assert_int_eq(errno, EACCES);
    vetch_udp_unref(u);
    options.broadcast = true;
    u = uk_bound(UK_UDP, &options);
    ck_assert_uint_eq(vetch_udp_send(u, &message, 1), 1); /* loops back */
    vetch_udp_unref(u);
}
