/* The dump shows what lives on a reactor: connections, listeners, datagram
 * sockets, descriptors, clients, timers and jobs. Promises are in test_debug.
 */
#include "support/listener_kit.h"
#include "support/udp_kit.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char out[65536];

static void
dump(void)
{
    FILE *f = tmpfile();

    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(vetch_reactor_dump(vt_reactor, fileno(f)), 0);
    rewind(f);
    out[fread(out, 1, sizeof(out) - 1, f)] = '\0';
    fclose(f);
}

/* printf style: this stands in the dump. */
#define expect_in_dump(...)                                                    \
    do {                                                                       \
        char part[256];                                                        \
        snprintf(part, sizeof(part), __VA_ARGS__);                             \
        ck_assert_msg(strstr(out, part) != NULL, "no \"%s\" in:\n%s", part,    \
                      out);                                                    \
    } while (0)

VT_CASE("dump", vt_reactor_tcase);

VT_TEST(the_dump_shows_listeners_with_their_connections)
{
    struct lk_server s;
    int client;

    lk_serve(&s, "tcp:127.0.0.1:0");
    client = lk_client(&s);
    tk_until(lk_count(&s, TK_CONNECTED) == 1);
    ck_assert_int_eq(vetch_transport_write(s.probes[0].t, "x", 1), 0);
    vetch_transport_pause(s.probes[0].t);
    dump();
    expect_in_dump("listener %s, 1 connections\n    connection to %s, open, "
                   "not read, 1 bytes to be sent, for ",
                   vetch_listener_endpoint(s.l),
                   vetch_transport_peer(s.probes[0].t));
    close(client);
    lk_stop(&s);
    dump();
    ck_assert_ptr_null(strstr(out, "listener"));
}

static void
never_ready(vetch_descriptor *d, unsigned events, void *ctx)
{
    (void)d;
    (void)events;
    (void)ctx;
}

VT_TEST(the_dump_shows_sockets_descriptors_and_clients)
{
    vetch_udp *u = uk_bound(UK_UDP, NULL);
    vetch_http_client *c = vetch_http_client_new(NULL);
    vetch_descriptor *d;
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    d = vetch_descriptor_new(fds[0], VETCH_READABLE, never_ready, NULL);
    dump();
    expect_in_dump("3 connections, listeners and the like\n");
    expect_in_dump("  datagram socket %s, 0 read ahead\n",
                   vetch_udp_endpoint(u));
    expect_in_dump("  HTTP client, 0 connections, 0 of them idle, 0 calls");
    expect_in_dump("  descriptor %d, readable, for ", fds[0]);
    vetch_descriptor_cancel(d);
    vetch_descriptor_unref(d);
    vetch_http_client_unref(c);
    vetch_udp_unref(u);
    close(fds[0]);
    close(fds[1]);
}

static void
tick(vetch_timer *t, void *ctx)
{
    (void)t;
    (void)ctx;
}

VT_TEST(the_dump_counts_timers_by_what_they_call)
{
    vetch_timer *timers[100];

    for (int i = 0; i < 100; i++)
        timers[i] = vetch_timer_new(i < 50 ? 7 : 5 + i, tick, NULL);
    dump();
    expect_in_dump("100 timers run\n  100 ");
    expect_in_dump(", the next in 7.000 s\n");
    for (int i = 0; i < 100; i++) {
        vetch_timer_cancel(timers[i]);
        vetch_timer_unref(timers[i]);
    }
    dump();
    ck_assert_ptr_null(strstr(out, "timers run"));
}

static pthread_barrier_t barrier;

static void *
wait_for_the_test(void *arg, vetch_error **ret_error)
{
    (void)ret_error;
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return arg;
}

VT_TEST(the_dump_names_jobs_that_run)
{
    vetch_executor_options options = VETCH_EXECUTOR_OPTIONS_INIT;
    vetch_executor *e;
    vetch_promise *both[2];
    int arg;

    options.n_threads = 1;
    e = vetch_executor_new(&options);
    pthread_barrier_init(&barrier, NULL, 2);
    for (int i = 0; i < 2; i++)
        both[i] = vetch_executor_submit(e, wait_for_the_test, &arg, NULL);
    vt_run_ready(); /* to the threads */
    pthread_barrier_wait(&barrier);
    dump();
    expect_in_dump("jobs on threads\n  2, of which 1 run: ");
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    vetch_results_unref(vetch_run(vetch_all(both, 2), NULL));
    dump();
    ck_assert_ptr_null(strstr(out, "jobs on threads"));
    vetch_run(vetch_executor_close(e, INFINITY), NULL);
    vetch_executor_unref(e);
    pthread_barrier_destroy(&barrier);
}
