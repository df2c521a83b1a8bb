/* Datagrams of 1,200 bytes over loopback, from one socket to another of the
 * same process: one call each and a promise for each, against batches, in which
 * the kernel cuts up and puts together. Prints datagrams per second of CPU,
 * which both ends share.
 *
 *   t/bench/datagrams [SECONDS] */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <vetch.h>

#define LEN   1200
#define BATCH 64 /* what is sent before anything is received */

static vetch_udp *server, *client;
static vetch_udp_message messages[BATCH];
static size_t n_received;

static double
cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- one by one ---- */

static vetch_promise *
count_one(void *datagram, void *ctx)
{
    size_t *n = ctx;

    (void)datagram;
    n_received++;
    return ++*n == BATCH ? vetch_resolved(ctx, NULL) : NULL;
}

static vetch_promise *
receive_one(void *ctx)
{
    return vetch_then(vetch_udp_receive(server), count_one, ctx);
}

static void
one_by_one(void)
{
    size_t n = 0;

    for (size_t i = 0; i < BATCH; i++) {
        if (vetch_udp_send(client, &messages[i], 1) < 1) {
            perror("send");
            exit(1);
        }
    }
    vetch_run(vetch_repeat(receive_one, &n), NULL);
}

/* ---- batches ---- */

static vetch_promise *
count_many(void *batch, void *ctx)
{
    size_t *n = ctx;

    n_received += vetch_datagrams_count(batch);
    *n += vetch_datagrams_count(batch);
    return *n == BATCH ? vetch_resolved(ctx, NULL) : NULL;
}

static vetch_promise *
receive_many(void *ctx)
{
    return vetch_then(vetch_udp_receive_many(server, BATCH), count_many, ctx);
}

static void
in_batches(void)
{
    size_t n = 0;

    if (vetch_udp_send(client, messages, BATCH) < BATCH) {
        perror("send");
        exit(1);
    }
    vetch_run(vetch_repeat(receive_many, &n), NULL);
}

/* ---- both ---- */

static double
measure(const char *name, void (*round)(void), double seconds)
{
    double began = cpu_seconds(), took, rate;

    n_received = 0;
    do {
        for (int i = 0; i < 100; i++)
            round();
        took = cpu_seconds() - began;
    } while (took < seconds);
    rate = (double)n_received / took;
    printf("%s %.0f datagrams per CPU second\n", name, rate);
    return rate;
}

int
main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 1, single, batches;
    vetch_udp_options options = VETCH_UDP_OPTIONS_INIT;
    vetch_reactor *reactor = vetch_reactor_new();
    static char data[LEN];

    options.receive_buffer_bytes = (size_t)1 << 20;
    server = vetch_udp_new("udp:127.0.0.1:0", &options);
    client =
        vetch_run(vetch_udp_connect(vetch_udp_endpoint(server), NULL), NULL);
    for (size_t i = 0; i < BATCH; i++)
        messages[i] = (vetch_udp_message){ .size = sizeof(messages[0]),
                                           .data = data,
                                           .len = sizeof(data) };
    measure("warm-up", one_by_one, seconds / 10);
    single = measure("one-by-one", one_by_one, seconds);
    batches = measure("batches", in_batches, seconds);
    printf("ratio %.2f\n", batches / single);
    vetch_udp_unref(client);
    vetch_udp_unref(server);
    vetch_reactor_unref(reactor);
    return 0;
}
