/* One loop for all: vetch promises in a libevent loop that others own, together
 * with hiredis by its own adapter, and evdns. The peers, a server that speaks
 * Redis's protocol and a name server, run in the same loop. */

#include "support/harness.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/dns.h>
#include <event2/dns_struct.h>
#include <event2/event.h>
#include <hiredis/adapters/libevent.h>
#include <hiredis/async.h>

static struct event_base *base;
static vetch_reactor *reactor;

static void
set_up(void)
{
    base = event_base_new();
    reactor = vetch_reactor_adopt(base);
    ck_assert_ptr_nonnull(reactor);
}

static void
take_down(void)
{
    vetch_reactor_unref(reactor);
    event_base_free(base);
}

/* The owner of the loop runs it; vetch only lives in it. */
static void
dispatch_until_settled(vetch_promise *p)
{
    while (vetch_promise_state(p) == VETCH_PENDING)
        ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
}

/* ---- a server that answers PING, GET and QUIT ---- */

struct session {
    vetch_protocol protocol;
    vetch_transport *transport;
};

static void
session_connected(vetch_protocol *p, vetch_transport *t)
{
    ((struct session *)p)->transport = t;
}

/* Commands come as arrays of strings; their first word is enough here. */
static void
session_received(vetch_protocol *p, vetch_buffer *input)
{
    vetch_transport *t = ((struct session *)p)->transport;
    const char *line;
    size_t len;

    while ((line = vetch_buffer_line(input, &len)) != NULL) {
        if (len == 6 && memcmp(line, "PING\r\n", 6) == 0)
            vetch_transport_write(t, "+PONG\r\n", 7);
        else if (len == 5 && memcmp(line, "GET\r\n", 5) == 0)
            vetch_transport_write(t, "$5\r\nvetch\r\n", 11);
        vetch_buffer_consume(input, len);
    }
}

static void
session_free(vetch_protocol *p)
{
    free(p);
}

static const vetch_protocol_class session_class = {
    .size = sizeof(session_class),
    .connected = session_connected,
    .received = session_received,
    .free = session_free,
};

static vetch_protocol *
make_session(void *ctx)
{
    struct session *s = calloc(1, sizeof(*s));

    (void)ctx;
    if (s == NULL)
        return NULL;
    s->protocol.class_ = &session_class;
    return &s->protocol;
}

/* ---- hiredis: a callback becomes a promise ---- */

VT_CASE("embed", vt_tcase, .set_up = set_up, .take_down = take_down);

static void
on_reply(redisAsyncContext *redis, void *reply, void *ctx)
{
    vetch_deferred *d = ctx;
    redisReply *r = reply;

    if (r == NULL)
        vetch_deferred_reject(
            d, vetch_error_new(VETCH_EUSER, "%s", redis->errstr));
    else
        vetch_deferred_resolve(d, strdup(r->str), free);
    vetch_deferred_unref(d);
}

static vetch_promise *
redis_command(redisAsyncContext *redis, const char *command)
{
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);
    vetch_promise *p = vetch_deferred_promise(d);

    if (redisAsyncCommand(redis, on_reply, d, command) != REDIS_OK) {
        vetch_deferred_reject(d, vetch_error_new(VETCH_EUSER, "refused"));
        vetch_deferred_unref(d);
    }
    return p;
}

static redisAsyncContext *
connect_redis(vetch_listener *l)
{
    redisAsyncContext *redis =
        redisAsyncConnect("127.0.0.1", (int)vetch_listener_port(l));

    ck_assert_ptr_nonnull(redis);
    ck_assert_int_eq(redis->err, 0);
    ck_assert_int_eq(redisLibeventAttach(redis, base), REDIS_OK);
    return redis;
}

static void
stop(vetch_listener *l)
{
    vetch_promise *end = vetch_listener_stop(l, 1);

    dispatch_until_settled(end);
    vetch_promise_unref(end);
    vetch_listener_unref(l);
}

VT_TEST(hiredis_shares_the_loop)
{
    vetch_listener *l =
        vetch_listener_new("tcp:127.0.0.1:0", make_session, NULL, NULL);
    redisAsyncContext *redis = connect_redis(l);
    vetch_promise *replies[] = { redis_command(redis, "PING"),
                                 redis_command(redis, "GET plant") };
    vetch_promise *all = vetch_all(replies, 2);
    vetch_results *results;

    dispatch_until_settled(all);
    ck_assert_int_eq(vetch_promise_state(all), VETCH_FULFILLED);
    results = vetch_promise_value(all);
    ck_assert_str_eq(vetch_results_value(results, 0), "PONG");
    ck_assert_str_eq(vetch_results_value(results, 1), "vetch");
    vetch_promise_unref(all);
    redisAsyncDisconnect(redis);
    stop(l);
}

/* hiredis #252, #468, #835: its context goes away under waiting commands. */
VT_TEST(hiredis_freed_with_commands_waiting_rejects_them)
{
    vetch_listener *l =
        vetch_listener_new("tcp:127.0.0.1:0", make_session, NULL, NULL);
    redisAsyncContext *redis = connect_redis(l);
    vetch_promise *reply = redis_command(redis, "GET plant");

    redisAsyncFree(redis);
    dispatch_until_settled(reply);
    ck_assert_int_eq(vetch_promise_state(reply), VETCH_REJECTED);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(reply)), VETCH_EUSER);
    vetch_promise_unref(reply);
    stop(l);
}

/* ---- evdns ---- */

static void
answer_query(struct evdns_server_request *request, void *ctx)
{
    struct in_addr address = { htonl(0x0a000001) };

    (void)ctx;
    for (int i = 0; i < request->nquestions; i++)
        if (request->questions[i]->type == EVDNS_TYPE_A)
            evdns_server_request_add_a_reply(
                request, request->questions[i]->name, 1, &address, 60);
    evdns_server_request_respond(request, 0);
}

static struct sockaddr_in
bind_name_server(int *ret_fd)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t len = sizeof(at);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *ret_fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(*ret_fd, (struct sockaddr *)&at, sizeof(at)), 0);
    ck_assert_int_eq(getsockname(*ret_fd, (struct sockaddr *)&at, &len), 0);
    return at;
}

static void
on_resolved(int result, char type, int count, int ttl, void *addresses,
            void *ctx)
{
    vetch_deferred *d = ctx;

    (void)ttl;
    if (result == DNS_ERR_NONE && type == DNS_IPv4_A && count > 0)
        vetch_deferred_resolve(
            d, (void *)(uintptr_t)ntohl(*(uint32_t *)addresses), NULL);
    else
        vetch_deferred_reject(d, vetch_error_new(VETCH_ERESOLVE, "%s",
                                                 evdns_err_to_string(result)));
    vetch_deferred_unref(d);
}

VT_TEST(evdns_shares_the_loop)
{
    struct evdns_server_port *port;
    struct evdns_base *dns = evdns_base_new(base, 0);
    vetch_deferred *d = vetch_deferred_new(NULL, NULL);
    vetch_promise *p = vetch_timeout(vetch_deferred_promise(d), 10);
    struct sockaddr_in at;
    int fd;

    at = bind_name_server(&fd);
    port = evdns_add_server_port_with_base(base, fd, 0, answer_query, NULL);
    ck_assert_ptr_nonnull(port);
    ck_assert_int_eq(evdns_base_nameserver_sockaddr_add(
                         dns, (struct sockaddr *)&at, sizeof(at), 0),
                     0);
    ck_assert_ptr_nonnull(evdns_base_resolve_ipv4(
        dns, "vetch.example", DNS_QUERY_NO_SEARCH, on_resolved, d));
    dispatch_until_settled(p);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    ck_assert_uint_eq((uintptr_t)vetch_promise_value(p), 0x0a000001);
    vetch_promise_unref(p);
    evdns_base_free(dns, 0);
    evdns_close_server_port(port);
}

/* The loop's owner goes on after the reactor has ended. */
VT_TEST(the_loop_outlives_the_reactor)
{
    struct timeval soon = { 0, 1000 };
    vetch_promise *p = vetch_sleep(1000);

    vetch_reactor_unref(reactor);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    vetch_promise_unref(p);
    ck_assert_int_eq(event_base_loopexit(base, &soon), 0);
    ck_assert_int_ge(event_base_dispatch(base), 0);
    reactor = vetch_reactor_adopt(base); /* and takes another one */
    ck_assert_ptr_nonnull(reactor);
}
