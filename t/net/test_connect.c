/* Outgoing connections: racing addresses, errors, cancelling at every step.
 * An address that does not answer is a listener whose queue is full: the kernel
 * drops what comes then. */
#include "support/listener_kit.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* What became of a promise of vetch_connect(). */
struct outcome {
    vetch_transport *t;
    int code; /* -1: pending */
    char text[512];
    const vetch_error *error; /* a reference */
};

static void
settled(const vetch_error *error, void *result, void *ctx)
{
    struct outcome *o = ctx;

    o->t = result;
    o->code = vetch_error_code(error);
    o->error = vetch_error_ref(error);
    snprintf(o->text, sizeof(o->text), "%s", vetch_error_text(error));
}

static void
start(struct outcome *o, const char *endpoint)
{
    memset(o, 0, sizeof(*o));
    o->code = -1;
    vetch_callback(vetch_connect(endpoint), settled, o);
}

static void
forget(struct outcome *o)
{
    vetch_transport_unref(o->t);
    vetch_error_unref((vetch_error *)(uintptr_t)o->error);
}

/* ---- peers ---- */

/* A listening socket; port 0: any. Returns it and its port. */
static int
listen_at(int family, unsigned port, int backlog, unsigned *ret_port)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
                                .sin6_port = htons((uint16_t)port),
                                .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    struct sockaddr_in6 bound;
    socklen_t len = sizeof(bound);
    int result;

    if (family == AF_INET)
        result = bind(fd, (struct sockaddr *)&in, sizeof(in));
    else
        result = bind(fd, (struct sockaddr *)&in6, sizeof(in6));
    if (result < 0 || listen(fd, backlog) < 0) {
        close(fd);
        return -1;
    }
    getsockname(fd, (struct sockaddr *)&bound, &len);
    *ret_port = ntohs(bound.sin6_port); /* the same place in both */
    return fd;
}

/* Fill the queue of a listener: two fit into one of backlog 0 or 1. */
struct full {
    int listening;
    int waiting[4];
};

static void
fill(struct full *f, int listening)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);

    f->listening = listening;
    getsockname(listening, (struct sockaddr *)&address, &len);
    for (int i = 0; i < 4; i++) {
        f->waiting[i] = socket(address.ss_family,
                               SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)!connect(f->waiting[i], (struct sockaddr *)&address, len);
    }
}

static void
empty(struct full *f)
{
    for (int i = 0; i < 4; i++)
        close(f->waiting[i]);
    close(f->listening);
}

/* Both loopback addresses with one port; the first one is full, the second as
 * asked for. False where there is no IPv6. */
static bool
two_addresses(struct full *first, int *second, int backlog, char *endpoint)
{
    unsigned port, same;
    int fd = listen_at(AF_INET6, 0, 0, &port);

    if (fd < 0)
        return false;
    *second = listen_at(AF_INET, port, backlog, &same);
    if (*second < 0) { /* somebody has it; another one then */
        close(fd);
        return two_addresses(first, second, backlog, endpoint);
    }
    fill(first, fd);
    snprintf(endpoint, 64, "tcp:localhost:%u", port);
    return true;
}

/* ---- basics ---- */

VT_CASE("basics", vt_reactor_tcase);

VT_TEST(connects_and_reads_nothing_until_attached)
{
    struct outcome o;
    struct tk_probe p;
    char endpoint[64];
    unsigned port;
    int listening = listen_at(AF_INET, 0, 5, &port), peer;

    snprintf(endpoint, sizeof(endpoint), "tcp:127.0.0.1:%u", port);
    start(&o, endpoint);
    ck_assert_int_eq(o.code, -1);
    tk_until(o.code != -1);
    ck_assert_ptr_nonnull(o.t);
    ck_assert_str_eq(vetch_transport_peer(o.t), endpoint);
    peer = accept(listening, NULL, NULL);
    ck_assert_int_eq(send(peer, "hello", 5, 0), 5);
    vt_run_ready();
    tk_init(&p);
    ck_assert_int_eq(vetch_transport_attach(o.t, &p.protocol), 0);
    tk_until(p.n_data == 5);
    close(peer);
    tk_until(tk_has(&p, TK_FREED));
    ck_assert_str_eq(p.trace, "crelf");
    ck_assert_int_eq(p.lost_code, 0);
    tk_done(&p);
    forget(&o);
    close(listening);
}

VT_TEST(connects_to_a_unix_socket)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    struct outcome o;
    int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    lk_make_folder();
    strcpy(un.sun_path, lk_path);
    ck_assert_int_eq(bind(listening, (struct sockaddr *)&un, sizeof(un)), 0);
    start(&o, lk_endpoint);
    tk_until(o.code != -1);
    ck_assert_int_eq(o.code, VETCH_ECONNECT);
    ck_assert(vetch_error_is(o.error, ECONNREFUSED));
    ck_assert_ptr_nonnull(strstr(o.text, un.sun_path));
    forget(&o);
    ck_assert_int_eq(listen(listening, 5), 0);
    start(&o, lk_endpoint);
    tk_until(o.code != -1);
    ck_assert_ptr_nonnull(o.t);
    ck_assert_str_eq(vetch_transport_peer(o.t), lk_endpoint);
    forget(&o);
    close(listening);
    lk_remove_folder();
}

VT_TEST(a_transport_that_nobody_takes_is_aborted)
{
    char endpoint[64], byte;
    unsigned port;
    int listening = listen_at(AF_INET, 0, 5, &port), peer;

    snprintf(endpoint, sizeof(endpoint), "tcp:127.0.0.1:%u", port);
    vetch_promise_unref(
        vetch_then(vetch_connect(endpoint), NULL, NULL)); /* forgotten */
    while ((peer = accept(listening, NULL, NULL)) < 0)
        tk_turn();
    tk_until(recv(peer, &byte, 1, MSG_DONTWAIT) < 0 && errno == ECONNRESET);
    close(peer);
    close(listening);
}

/* ---- errors ---- */

VT_CASE("errors", vt_reactor_tcase);

VT_TEST(refused_says_where)
{
    struct outcome o;
    char endpoint[64], expected[128];
    unsigned port;
    int fd = listen_at(AF_INET, 0, 1, &port);

    close(fd);
    snprintf(endpoint, sizeof(endpoint), "tcp:127.0.0.1:%u", port);
    snprintf(expected, sizeof(expected),
             "connect 127.0.0.1:%u: connection refused", port);
    start(&o, endpoint);
    tk_until(o.code != -1);
    ck_assert_int_eq(o.code, VETCH_ECONNECT);
    ck_assert(vetch_error_is(o.error, ECONNREFUSED));
    ck_assert_str_eq(o.text, expected);
    forget(&o);
}

/* node #48145: the error must name every address and its cause. */
VT_TEST(all_addresses_and_causes_are_listed)
{
    struct outcome o;
    char endpoint[64], v6[64], v4[64];
    unsigned port;
    int fd = listen_at(AF_INET, 0, 1, &port);

    close(fd);
    snprintf(endpoint, sizeof(endpoint), "tcp:localhost:%u", port);
    snprintf(v6, sizeof(v6), "[::1]:%u: ", port);
    snprintf(v4, sizeof(v4), "127.0.0.1:%u: connection refused", port);
    start(&o, endpoint);
    tk_until(o.code != -1);
    ck_assert_int_eq(o.code, VETCH_ECONNECT);
    ck_assert(vetch_error_is(o.error, ECONNREFUSED));
    ck_assert_int_eq(strncmp(o.text, "connect localhost:", 18), 0);
    ck_assert_ptr_nonnull(strstr(o.text, v6));
    ck_assert_ptr_nonnull(strstr(o.text, v4));
    ck_assert_ptr_nonnull(vetch_error_suppressed(o.error, 0));
    ck_assert_int_eq(vetch_error_code(vetch_error_suppressed(o.error, 1)),
                     ECONNREFUSED);
    ck_assert_ptr_null(vetch_error_suppressed(o.error, 2));
    forget(&o);
}

VT_TEST(malformed_endpoints_are_refused)
{
    static const char *const bad[] = {
        "",           "tcp:",         "tcp:127.0.0.1", "tcp:127.0.0.1:",
        "tcp:h:0",    "tcp:h:65536",  "tcp:*:80",      "tcp:h:80,reuseport",
        "fd:3",       "unix:",        "http://h/",     "tcp:[::1:80",
        "tcp:::1:80", "tcp:1.2.3:80", "tcp:0x7f.1:80",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct outcome o;

        start(&o, bad[i]);
        vt_run_ready();
        ck_assert_msg(o.code == VETCH_ECONNECT &&
                          vetch_error_is(o.error, VETCH_EENDPOINT),
                      "%s: %s", bad[i], o.text);
        forget(&o);
    }
}

VT_TEST(without_a_reactor_it_is_refused)
{
    vetch_promise *p;

    vt_reactor = vetch_reactor_unref(vt_reactor);
    p = vetch_connect("tcp:127.0.0.1:1");
    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    ck_assert_ptr_nonnull(vetch_promise_error(p));
    vetch_promise_unref(p);
}

/* ---- the race ---- */

VT_CASE("race", vt_reactor_tcase, .seconds = 30);

VT_TEST(the_next_address_follows_a_refused_one_at_once)
{
    struct outcome o;
    char endpoint[64];
    unsigned port;
    int listening = listen_at(AF_INET, 0, 5, &port);

    snprintf(endpoint, sizeof(endpoint), "tcp:localhost:%u", port);
    start(&o, endpoint);
    tk_until(o.code != -1); /* the virtual clock stands still */
    ck_assert_ptr_nonnull(o.t);
    ck_assert_str_eq(vetch_transport_peer(o.t) + 4 + strlen("127.0.0.1:"),
                     endpoint + 4 + strlen("localhost:"));
    forget(&o);
    close(listening);
}

/* node #52216: the next attempt starts after 250 ms, and not before. */
VT_TEST(a_silent_address_delays_by_250_ms)
{
    struct outcome o;
    struct full first;
    char endpoint[64];
    int second;

    if (!two_addresses(&first, &second, 5, endpoint))
        return;
    start(&o, endpoint);
    vt_advance(0.249);
    ck_assert_int_lt(accept(second, NULL, NULL), 0);
    vt_advance(0.001);
    tk_until(o.code != -1);
    ck_assert_ptr_nonnull(o.t);
    ck_assert_ptr_nonnull(strstr(vetch_transport_peer(o.t), "tcp:127.0.0.1:"));
    forget(&o);
    close(second);
    empty(&first);
}

/* Those that wait to be let in try again, too: room has to be made each time.
 */
static void
make_room(struct full *f)
{
    int fd;

    while ((fd = accept(f->listening, NULL, NULL)) >= 0)
        close(fd);
}

/* node #54359: on a slow network the first attempt may still win. The kernel
 * tries again after a second. */
VT_TEST(the_first_attempt_goes_on_beside_the_second)
{
    struct outcome o;
    struct full first, other;
    char endpoint[64];
    int second;

    if (!two_addresses(&first, &second, 0, endpoint))
        return;
    fill(&other, second);
    start(&o, endpoint);
    vt_advance(0.25);
    ck_assert_int_eq(o.code, -1);
    tk_until((make_room(&first), o.code != -1));
    ck_assert_ptr_nonnull(o.t);
    ck_assert_ptr_nonnull(strstr(vetch_transport_peer(o.t), "tcp:[::1]:"));
    forget(&o);
    empty(&first);
    empty(&other);
}

/* On a kernel-given port nobody listens; connecting often enough picks that
 * very port as its own. */
VT_TEST(a_connection_does_not_meet_itself)
{
    char endpoint[64];
    unsigned port;
    int fd = listen_at(AF_INET, 0, 1, &port);

    close(fd);
    /* Ports that connect(2) picks itself are even, those of bind(2) odd. */
    snprintf(endpoint, sizeof(endpoint), "tcp:127.0.0.1:%u", port ^ 1);
    for (int i = 0; i < 15000; i++) {
        struct outcome o;

        start(&o, endpoint);
        tk_until(o.code != -1);
        ck_assert_int_eq(o.code, VETCH_ECONNECT);
        ck_assert(vetch_error_is(o.error, ECONNREFUSED));
        forget(&o);
    }
}

/* ---- cancelling ---- */

VT_CASE("cancel", vt_reactor_tcase);

/* Cancel, see that it has settled, and that every descriptor is closed. */
static void
cancel_and_check(vetch_promise *p, unsigned fds)
{
    const vetch_error *e;

    vetch_promise_cancel(p);
    vt_run_ready();
    ck_assert_uint_eq(vt_open_fds(), fds);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    e = vetch_promise_error(p);
    ck_assert_int_eq(vetch_error_code(e), VETCH_ECANCELED);
    vetch_promise_unref(p);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

VT_TEST(cancelled_at_any_step_it_closes_everything)
{
    struct full first, other;
    char endpoint[64];
    unsigned fds;
    int second;

    if (!two_addresses(&first, &second, 0, endpoint))
        return;
    fill(&other, second);
    fds = vt_open_fds();
    for (int step = 0; step < 4; step++) {
        vetch_promise *p = vetch_connect(endpoint);

        if (step >= 1)
            vt_run_ready();
        if (step >= 2)
            vt_advance(0.2);
        if (step >= 3)
            vt_advance(0.1);
        ck_assert_uint_eq(vt_open_fds(), fds + (step < 3 ? 1 : 2));
        cancel_and_check(p, fds);
    }
    empty(&first);
    empty(&other);
}

VT_TEST(cancelled_when_it_has_just_succeeded)
{
    char endpoint[64];
    unsigned port, fds;
    int listening = listen_at(AF_INET, 0, 5, &port), peer;
    vetch_promise *p;

    fds = vt_open_fds();
    snprintf(endpoint, sizeof(endpoint), "tcp:127.0.0.1:%u", port);
    p = vetch_connect(endpoint);
    while ((peer = accept(listening, NULL, NULL)) < 0)
        continue;
    close(peer); /* it is connected, but the loop has not seen it */
    cancel_and_check(p, fds);
    close(listening);
}

VT_TEST(cancelled_through_a_chain_it_stops_too)
{
    struct full first, other;
    char endpoint[64];
    unsigned fds;
    int second;
    vetch_promise *p;

    if (!two_addresses(&first, &second, 0, endpoint))
        return;
    fill(&other, second);
    fds = vt_open_fds();
    p = vetch_timeout(vetch_connect(endpoint), 10);
    vt_advance(9.9);
    ck_assert_uint_eq(vt_open_fds(), fds + 2);
    vt_advance(0.2);
    ck_assert_uint_eq(vt_open_fds(), fds);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(p)), VETCH_ETIMEDOUT);
    vetch_promise_unref(p);
    empty(&first);
    empty(&other);
}

VT_TEST(the_end_of_the_reactor_stops_it)
{
    struct outcome o;
    struct full first, other;
    char endpoint[64];
    unsigned fds;
    int second;

    if (!two_addresses(&first, &second, 0, endpoint))
        return;
    fill(&other, second);
    fds = vt_open_fds();
    start(&o, endpoint);
    vt_advance(0.25);
    ck_assert_uint_eq(vt_open_fds(), fds + 2);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_ne(o.code, -1);
    ck_assert_ptr_null(o.t);
    forget(&o);
    empty(&first);
    empty(&other);
}

/* ---- out of memory ---- */

VT_CASE("errors", vt_reactor_tcase);

static unsigned swept_port;

static void
connect_once(bool unharmed)
{
    struct outcome o;
    char endpoint[64];

    snprintf(endpoint, sizeof(endpoint), "tcp:localhost:%u", swept_port);
    start(&o, endpoint);
    tk_until(o.code != -1);
    if (unharmed)
        ck_assert_ptr_nonnull(o.t);
    if (o.t == NULL)
        ck_assert_int_ne(o.code, 0);
    forget(&o);
    vt_run_ready();
    ck_assert_uint_eq(vt_live_objects(), 0);
    vt_log_take(); /* a rejection that no callback could be made for */
}

VT_TEST(no_failing_allocation_leaks_or_crashes)
{
    int listening = listen_at(AF_INET, 0, 1000, &swept_port);

    vt_sweep_allocations(connect_once);
    close(listening);
}
