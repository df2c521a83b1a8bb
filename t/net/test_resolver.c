/* Name resolution, with a resolver of the test's own behind it: it knows a few
 * names, and one that keeps its thread until the gate is opened. */
#include "support/transport_kit.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vetch/testing.h>

#include "net/resolver-private.h"
#include "net/sockaddr-private.h"

/* ---- the resolver ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool gate_open;
static int n_stuck;         /* behind the gate now */
static atomic_int n_called; /* lookups that reached a thread */

static void
wait_behind_gate(void)
{
    pthread_mutex_lock(&lock);
    n_stuck++;
    pthread_cond_broadcast(&changed);
    while (!gate_open)
        pthread_cond_wait(&changed, &lock);
    n_stuck--;
    pthread_mutex_unlock(&lock);
}

static void
open_gate(void)
{
    pthread_mutex_lock(&lock);
    gate_open = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void
await_stuck(int n)
{
    pthread_mutex_lock(&lock);
    while (n_stuck < n)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

/* Prepend an address, as the C library would have allocated it. */
static void
prepend(const char *address, struct addrinfo **list)
{
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST,
                              .ai_socktype = SOCK_STREAM };
    struct addrinfo *one;

    ck_assert_int_eq(getaddrinfo(address, NULL, &hints, &one), 0);
    one->ai_next = *list;
    *list = one;
}

static int
fake(const char *host, const char *service, const struct addrinfo *hints,
     struct addrinfo **ret_list)
{
    ck_assert_ptr_null(service);
    ck_assert_int_eq(hints->ai_socktype, SOCK_STREAM);
    n_called++;
    if (strncmp(host, "stuck", 5) == 0) {
        wait_behind_gate();
        prepend("127.0.0.1", ret_list);
        return 0;
    }
    if (strcmp(host, "both.test") == 0) {
        prepend("127.0.0.1", ret_list);
        prepend("::2", ret_list);
        prepend("::1", ret_list);
        return 0;
    }
    if (strcmp(host, "four.test") == 0) {
        prepend("127.0.0.1", ret_list);
        return 0;
    }
    if (strcmp(host, "broken.test") == 0) {
        errno = EIO;
        return EAI_SYSTEM;
    }
    if (strcmp(host, "later.test") == 0)
        return EAI_AGAIN;
    if (strcmp(host, "poor.test") == 0)
        return EAI_MEMORY;
    return EAI_NONAME;
}

/* Let the threads come back. */
static void
release_threads(void)
{
    open_gate();
    tk_until(vt_live_objects() == 0);
}

static void
set_up(void)
{
    vetch__getaddrinfo = fake;
    gate_open = false;
    n_stuck = 0;
    n_called = 0;
}

/* ---- outcomes ---- */

struct outcome {
    bool settled;
    int code;
    char text[200];
    void *value;
};

static void
settled(const vetch_error *error, void *value, void *ctx)
{
    struct outcome *o = ctx;

    o->settled = true;
    o->value = value;
    o->code = vetch_error_code(error);
    snprintf(o->text, sizeof(o->text), "%s", vetch_error_text(error));
}

static void
start(struct outcome *o, const char *host)
{
    memset(o, 0, sizeof(*o));
    vetch_callback(vetch_resolve(host, 80), settled, o);
}

/* One of many, each of another name. */
static void
start_stuck(struct outcome *o, int i)
{
    char host[32];

    snprintf(host, sizeof(host), "stuck%d.test", i);
    start(o, host);
}

static void
resolve(struct outcome *o, const char *host)
{
    start(o, host);
    tk_until(o->settled);
}

/* "6[::1] 4[127.0.0.1]" without the noise: the families in order. */
static void
assert_families(const struct outcome *o, const char *families)
{
    vetch_addresses *a = o->value;

    ck_assert_msg(a != NULL, "%s", o->text);
    ck_assert_uint_eq(vetch_addresses_count(a), strlen(families));
    for (size_t i = 0; i < strlen(families); i++) {
        socklen_t len;
        const struct sockaddr *any = vetch_addresses_get(a, i, &len);
        const struct sockaddr_in *in = (const void *)any;

        ck_assert_int_eq(any->sa_family,
                         families[i] == '4' ? AF_INET : AF_INET6);
        ck_assert_uint_eq(ntohs(in->sin_port), 80);
    }
    vetch_addresses_unref(a);
}

/* Of the first address. */
static unsigned
port_of(const vetch_addresses *a)
{
    socklen_t len;

    return vetch__address_port(vetch_addresses_get(a, 0, &len));
}

/* ---- basics ---- */

VT_CASE("basics", vt_reactor_tcase, .set_up = set_up);

VT_TEST(numbers_and_localhost_need_no_lookup)
{
    static const struct {
        const char *host, *families;
    } known[] = {
        { "127.0.0.1", "4" },      { "::1", "6" },
        { "[::1]", "6" },          { "[fe80::1%1]", "6" },
        { "localhost", "64" },     { "LOCALHOST.", "64" },
        { "x.y.localhost", "64" },
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        vetch_promise *p = vetch_resolve(known[i].host, 80);
        struct outcome o = { 0 };

        ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
        vetch_callback(p, settled, &o);
        vt_run_ready();
        assert_families(&o, known[i].families);
    }
    ck_assert_int_eq(n_called, 0);
}

VT_TEST(names_are_looked_up_and_ordered)
{
    struct outcome o;

    resolve(&o, "both.test");
    assert_families(&o, "646");
    resolve(&o, "four.test");
    assert_families(&o, "4");
    ck_assert_int_eq(n_called, 2);
}

VT_CASE("errors", vt_reactor_tcase, .set_up = set_up);

/* CVE-2024-24806, CVE-2021-22918: what is no host name gets nowhere. */
VT_TEST(what_is_no_name_is_not_looked_up)
{
    static const char *const bad[] = { "",
                                       "[localhost]",
                                       "[four.test]",
                                       "a b",
                                       "a..b",
                                       "-a.test",
                                       "127.1",
                                       "0x7f000001",
                                       "1.2.3.4.5",
                                       "four.test\n",
                                       "b\303\274cher.test",
                                       "[127.0.0.1]" };
    char long_name[300];
    struct outcome o;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        resolve(&o, bad[i]);
        ck_assert_msg(o.code == EINVAL, "%s: %s", bad[i], o.text);
    }
    for (size_t len = 254; len < sizeof(long_name); len++) {
        memset(long_name, 'a', len);
        for (size_t i = 50; i < len - 1; i += 50)
            long_name[i] = '.';
        long_name[len] = '\0';
        resolve(&o, long_name);
        ck_assert_int_eq(o.code, EINVAL);
    }
    vetch_callback(vetch_resolve("four.test", 65536), settled, &o);
    vt_run_ready();
    ck_assert_int_eq(o.code, EINVAL);
    ck_assert_int_eq(n_called, 0);
}

VT_TEST(errors_say_what_went_wrong)
{
    static const struct {
        const char *host;
        int code;
    } cases[] = {
        { "no.test", VETCH_ENOTFOUND },
        { "later.test", VETCH_ERESOLVE },
        { "broken.test", EIO },
        { "poor.test", VETCH_ENOMEM },
    };
    struct outcome o;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        resolve(&o, cases[i].host);
        ck_assert_int_eq(o.code, cases[i].code);
        ck_assert_ptr_nonnull(strstr(o.text, cases[i].host));
        ck_assert_int_eq(strncmp(o.text, "resolve ", 8), 0);
    }
}

/* ---- slow name servers ---- */

VT_CASE("slow", vt_reactor_tcase, .set_up = set_up);

/* libuv #28 #267 #1959, node #8436: slow lookups stopped the loop, or all else
 * that used the thread pool. */
static void *
one(void *arg, vetch_error **ret_error)
{
    (void)ret_error;
    return arg;
}

VT_TEST(stuck_lookups_stop_neither_the_loop_nor_other_jobs)
{
    struct outcome stuck[4], job = { 0 };
    int ticks = 0;

    for (int i = 0; i < 4; i++)
        start_stuck(&stuck[i], i);
    vt_run_ready();
    await_stuck(4);
    ck_assert_int_eq(vetch_call_soon(vt_count, &ticks), 0);
    vetch_callback(vetch_executor_submit(NULL, one, &job, NULL), settled, &job);
    tk_until(job.settled);
    ck_assert_int_eq(ticks, 1);
    open_gate();
    for (int i = 0; i < 4; i++) {
        tk_until(stuck[i].settled);
        assert_families(&stuck[i], "4");
    }
}

/* libevent #106 #602 #1130: a lookup that never came back. */
VT_TEST(a_lookup_takes_ten_seconds_at_most)
{
    struct outcome o;

    start(&o, "stuck.test");
    vt_run_ready();
    await_stuck(1);
    vt_advance(9.99);
    ck_assert(!o.settled);
    vt_advance(0.01);
    ck_assert(o.settled);
    ck_assert_int_eq(o.code, VETCH_ETIMEDOUT);
    ck_assert_ptr_nonnull(strstr(o.text, "stuck.test"));
    release_threads();
}

VT_TEST(cancelled_while_it_runs_it_settles_at_once)
{
    vetch_promise *p = vetch_resolve("stuck.test", 80);

    vt_run_ready();
    await_stuck(1);
    vetch_promise_cancel(p);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(p)), VETCH_ECANCELED);
    vetch_promise_unref(p);
    release_threads();
}

VT_TEST(cancelled_before_it_began_it_never_begins)
{
    struct outcome stuck[4];
    vetch_promise *p;

    for (int i = 0; i < 4; i++)
        start_stuck(&stuck[i], i);
    vt_run_ready();
    await_stuck(4);
    p = vetch_resolve("four.test", 80);
    vt_run_ready();
    vetch_promise_cancel(p);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    vetch_promise_unref(p);
    open_gate();
    for (int i = 0; i < 4; i++) {
        tk_until(stuck[i].settled);
        vetch_addresses_unref(stuck[i].value);
    }
    ck_assert_int_eq(n_called, 4);
}

VT_TEST(the_queue_is_bounded)
{
    enum { MANY = 4 + 256 + 1 };
    struct outcome *o = calloc(MANY, sizeof(*o));

    for (int i = 0; i < MANY; i++)
        start_stuck(&o[i], i);
    tk_until(o[MANY - 1].settled);
    ck_assert_int_eq(o[MANY - 1].code, EAGAIN);
    ck_assert(!o[MANY - 2].settled);
    open_gate();
    for (int i = 0; i < MANY - 1; i++) {
        tk_until(o[i].settled);
        assert_families(&o[i], "4");
    }
    free(o);
}

VT_TEST(the_end_of_the_reactor_does_not_wait_for_a_stuck_one)
{
    unsigned before = vt_threads();
    struct outcome running, queued[4];

    vt_forgive_descriptors(1); /* that the stuck thread will write to */
    start(&running, "stuck.test");
    vt_run_ready();
    await_stuck(1);
    for (int i = 0; i < 4; i++)
        start_stuck(&queued[i], i);
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert(running.settled);
    ck_assert_int_eq(running.code, VETCH_ECANCELED);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(queued[i].code, VETCH_ECANCELED);
    open_gate(); /* it ends after all, and touches nothing that is gone */
    while (vt_threads() > before)
        sched_yield();
}

VT_CASE("errors", vt_reactor_tcase, .set_up = set_up);

VT_TEST(without_a_reactor_it_is_refused)
{
    vetch_promise *p;

    vt_reactor = vetch_reactor_unref(vt_reactor);
    p = vetch_resolve("four.test", 80);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    ck_assert_ptr_nonnull(vetch_promise_error(p));
    vetch_promise_unref(p);
}

/* ---- joining and keeping ---- */

VT_CASE("cache", vt_reactor_tcase, .set_up = set_up);

VT_TEST(who_asks_for_the_same_name_joins_the_lookup)
{
    struct outcome o[3];

    start(&o[0], "stuck.test");
    vt_run_ready();
    await_stuck(1);
    start(&o[1], "STUCK.test");
    vetch_callback(vetch_resolve("stuck.test", 443), settled,
                   memset(&o[2], 0, sizeof(o[2])));
    vt_run_ready();
    open_gate();
    for (int i = 0; i < 3; i++)
        tk_until(o[i].settled);
    ck_assert_int_eq(n_called, 1);
    assert_families(&o[0], "4");
    assert_families(&o[1], "4");
    ck_assert_uint_eq(port_of(o[2].value), 443);
    vetch_addresses_unref(o[2].value);
}

VT_TEST(one_that_is_cancelled_leaves_the_others_waiting)
{
    vetch_promise *p;
    struct outcome o;

    start(&o, "stuck.test");
    p = vetch_resolve("stuck.test", 80);
    vt_run_ready();
    await_stuck(1);
    vetch_promise_cancel(p);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    vetch_promise_unref(p);
    vt_run_ready();
    ck_assert(!o.settled);
    open_gate();
    tk_until(o.settled);
    assert_families(&o, "4");
    ck_assert_int_eq(n_called, 1);
}

VT_TEST(nobody_joins_a_lookup_that_was_given_up)
{
    struct outcome late, next;

    start(&late, "stuck.test");
    vt_run_ready();
    await_stuck(1);
    vt_advance(10);
    ck_assert_int_eq(late.code, VETCH_ETIMEDOUT);
    start(&next, "stuck.test");
    vt_run_ready();
    await_stuck(2);
    ck_assert(!next.settled);
    open_gate();
    tk_until(next.settled);
    assert_families(&next, "4");
    release_threads();
}

VT_TEST(what_was_found_is_kept_for_a_while)
{
    vetch_promise *p;
    struct outcome o;

    resolve(&o, "both.test");
    assert_families(&o, "646");
    vt_let_time_pass(29.9);
    p = vetch_resolve("Both.Test", 443);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED); /* at once */
    ck_assert_uint_eq(port_of(vetch_promise_value(p)), 443);
    vetch_promise_unref(p);
    ck_assert_int_eq(n_called, 1);
    vt_let_time_pass(0.2);
    resolve(&o, "both.test");
    assert_families(&o, "646");
    ck_assert_int_eq(n_called, 2);
}

VT_TEST(that_there_is_no_such_name_is_kept_for_less)
{
    struct outcome o;

    resolve(&o, "no.test");
    vt_let_time_pass(4.9);
    resolve(&o, "no.test");
    ck_assert_int_eq(o.code, VETCH_ENOTFOUND);
    ck_assert_int_eq(n_called, 1);
    vt_let_time_pass(0.2);
    resolve(&o, "no.test");
    ck_assert_int_eq(n_called, 2);
}

VT_TEST(trouble_is_not_kept)
{
    static const char *const hosts[] = { "later.test", "broken.test",
                                         "poor.test" };
    struct outcome o;

    for (int i = 0; i < 3; i++) {
        resolve(&o, hosts[i]);
        resolve(&o, hosts[i]);
        ck_assert_int_eq(n_called, 2 * (i + 1));
    }
}

/* The answer of a name server that is slow is there for the next one. */
VT_TEST(what_comes_too_late_is_kept)
{
    struct outcome o;

    start(&o, "stuck.test");
    vt_run_ready();
    await_stuck(1);
    vt_advance(10);
    ck_assert_int_eq(o.code, VETCH_ETIMEDOUT);
    release_threads();
    resolve(&o, "stuck.test");
    assert_families(&o, "4");
    ck_assert_int_eq(n_called, 1);
}

VT_TEST(a_program_sets_what_is_kept)
{
    struct outcome o;

    ck_assert_int_eq(vetch_resolver_set_cache(10, 100, 0), 0);
    resolve(&o, "four.test");
    assert_families(&o, "4");
    resolve(&o, "no.test");
    vt_let_time_pass(99);
    resolve(&o, "four.test");
    assert_families(&o, "4");
    ck_assert_int_eq(n_called, 2);
    resolve(&o, "no.test");
    ck_assert_int_eq(n_called, 3);
    ck_assert_int_eq(vetch_resolver_set_cache(0, 100, 100), 0);
    for (int i = 0; i < 2; i++) {
        resolve(&o, "four.test");
        assert_families(&o, "4");
    }
    ck_assert_int_eq(n_called, 5);
    ck_assert_int_eq(vetch_resolver_set_cache(1, INFINITY, 0), 0);
    resolve(&o, "four.test");
    assert_families(&o, "4");
    vt_let_time_pass(1e9);
    resolve(&o, "four.test");
    assert_families(&o, "4");
    ck_assert_int_eq(n_called, 6);
}

VT_TEST(a_program_can_forget_everything)
{
    struct outcome o;

    vetch_resolver_forget(); /* nothing is kept yet */
    resolve(&o, "four.test");
    assert_families(&o, "4");
    vetch_resolver_forget();
    resolve(&o, "four.test");
    assert_families(&o, "4");
    ck_assert_int_eq(n_called, 2);
}

VT_TEST(senseless_times_are_refused)
{
    static const double bad[] = { -1, NAN, -INFINITY };

    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(vetch_resolver_set_cache(1, bad[i], 1), -1);
        ck_assert_int_eq(errno, EINVAL);
        ck_assert_int_eq(vetch_resolver_set_cache(1, 1, bad[i]), -1);
        ck_assert_int_eq(errno, EINVAL);
    }
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_eq(vetch_resolver_set_cache(1, 1, 1), -1);
    ck_assert_int_eq(errno, EPERM);
    vetch_resolver_forget();
}

/* ---- connecting by name ---- */

VT_CASE("basics", vt_reactor_tcase, .set_up = set_up);

static vetch_protocol *
make_nothing(void *ctx)
{
    static const vetch_protocol_class nothing = { .size = sizeof(nothing) };
    static vetch_protocol p = { &nothing };

    (void)ctx;
    return &p;
}

VT_TEST(connect_resolves_names)
{
    vetch_listener *l =
        vetch_listener_new("tcp:127.0.0.1:0", make_nothing, NULL, NULL);
    struct outcome o = { 0 };
    char endpoint[64];

    snprintf(endpoint, sizeof(endpoint), "tcp:both.test:%u",
             vetch_listener_port(l));
    vetch_callback(vetch_connect(endpoint), settled, &o);
    tk_until(o.settled);
    ck_assert_msg(o.value != NULL, "%s", o.text);
    ck_assert_ptr_nonnull(
        strstr(vetch_transport_peer(o.value), "tcp:127.0.0.1:"));
    vetch_transport_unref(o.value);
    vetch_promise_unref(vetch_listener_stop(l, 0));
    vetch_listener_unref(l);
    vt_run_ready();
}

VT_CASE("errors", vt_reactor_tcase, .set_up = set_up);

VT_TEST(connect_says_that_the_name_was_the_trouble)
{
    struct outcome o = { 0 };

    vetch_callback(vetch_connect("tcp:no.test:80"), settled, &o);
    tk_until(o.settled);
    ck_assert_int_eq(o.code, VETCH_ECONNECT);
    ck_assert_str_eq(o.text,
                     "connect no.test:80: resolve no.test: no such name");
}

VT_CASE("slow", vt_reactor_tcase, .set_up = set_up);

VT_TEST(connect_can_be_cancelled_while_it_resolves)
{
    vetch_promise *p = vetch_connect("tcp:stuck.test:80");

    vt_run_ready();
    await_stuck(1);
    vetch_promise_cancel(p);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    ck_assert_int_eq(vetch_error_code(vetch_promise_error(p)), VETCH_ECANCELED);
    vetch_promise_unref(p);
    release_threads();
}

/* ---- out of memory ---- */

VT_CASE("errors", vt_reactor_tcase, .set_up = set_up);

static void
resolve_once(bool unharmed)
{
    struct outcome named, local;

    vetch_resolver_forget();
    start(&named, "both.test");
    start(&local, "localhost");
    tk_until(named.settled && local.settled);
    if (unharmed) {
        ck_assert_ptr_nonnull(named.value);
        ck_assert_ptr_nonnull(local.value);
    }
    vetch_addresses_unref(named.value);
    vetch_addresses_unref(local.value);
    vt_run_ready();
    vt_log_take(); /* a rejection that no callback could be made for */
}

VT_TEST(no_failing_allocation_leaks_or_crashes)
{
    vt_sweep_allocations(resolve_once);
}
