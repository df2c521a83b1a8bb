/* The ready queue: order, and how much of a turn it may take. */

#include "support/harness.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "reactor/reactor-private.h"

static int order[64], n_order;

static void
note(void *ctx)
{
    order[n_order++] = (int)(intptr_t)ctx;
}

VT_CASE("queue", vt_reactor_tcase);

VT_TEST(call_soon_runs_in_order_and_not_inside_the_call)
{
    int i;

    n_order = 0;
    for (i = 0; i < 50; i++)
        ck_assert_int_eq(vetch_call_soon(note, (void *)(intptr_t)i), 0);
    ck_assert_int_eq(n_order, 0);
    vt_run_ready();
    ck_assert_int_eq(n_order, 50);
    for (i = 0; i < 50; i++)
        ck_assert_int_eq(order[i], i);
}

VT_TEST(call_soon_owned_ctx_is_freed_after_the_call)
{
    vetch_call_soon_owned(vt_count, &vt_n_run, vt_count_freed);
    ck_assert_int_eq(vt_n_freed, 0);
    vt_run_ready();
    ck_assert_int_eq(vt_n_run, 1);
    ck_assert_int_eq(vt_n_freed, 1);
}

VT_CASE("alone", vt_tcase);

VT_TEST(call_soon_needs_a_reactor)
{
    errno = 0;
    ck_assert_int_eq(vetch_call_soon(vt_count, &vt_n_run), -1);
    ck_assert_int_eq(errno, EPERM);
}

static int nesting, deepest;

static void note_nested_timer(vetch_timer *t, void *ctx);

static void
note_nested(void *ctx)
{
    int *left = ctx;

    deepest = ++nesting > deepest ? nesting : deepest;
    if (--*left > 0) {
        vetch_call_soon(note_nested, left);
        vetch_reactor_post(vt_reactor, note_nested, left);
        vetch_timer_unref(vetch_timer_new(0, note_nested_timer, left));
    }
    nesting--;
}

static void
note_nested_timer(vetch_timer *t, void *ctx)
{
    (void)t;
    note_nested(ctx);
}

VT_CASE("queue", vt_reactor_tcase);

/* Threads curl #3537, #5354, libhv #424: the API may be called from each
 * callback, and none runs inside another. (LESSONS 31) */
VT_TEST(callbacks_never_nest)
{
    int left = 1000;

    deepest = 0;
    vetch_call_soon(note_nested, &left);
    vt_run_ready();
    ck_assert_int_le(left, 0);
    ck_assert_int_eq(deepest, 1);
}

struct chain {
    int left;
    int io_calls;
    int io_calls_at_end;
};

static void
chain_on(void *ctx)
{
    struct chain *c = ctx;

    if (--c->left > 0)
        vetch_call_soon(chain_on, c);
    else
        c->io_calls_at_end = c->io_calls;
}

static void
count_io(vetch_descriptor *d, unsigned events, void *ctx)
{
    struct chain *c = ctx;

    (void)events;
    c->io_calls++;
    if (c->left <= 0)
        vetch_descriptor_cancel(d);
}

static void
run_beside_a_descriptor(struct chain *c)
{
    vetch_descriptor *d;
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    d = vetch_descriptor_new(fds[1], VETCH_WRITABLE, count_io, c);
    vt_run_ready();
    vetch_descriptor_unref(d);
    close(fds[0]);
    close(fds[1]);
}

static struct chain
run_chain(int length)
{
    struct chain c = { .left = length };

    vetch_call_soon(chain_on, &c);
    run_beside_a_descriptor(&c);
    return c;
}

VT_TEST(call_soon_chain_does_not_starve_descriptors)
{
    struct chain c = run_chain(100000);

    ck_assert_int_le(c.left, 0);
    ck_assert_int_ge(c.io_calls_at_end, 10);
}

/* A hundred calls, then a flush, which makes the next hundred, and so on. */
struct relay {
    struct vetch__flush flush;
    struct chain chain;
    int in_round;
};

static void
relay_on(void *ctx)
{
    struct relay *relay = ctx;

    if (--relay->chain.left == 0)
        relay->chain.io_calls_at_end = relay->chain.io_calls;
    if (--relay->in_round == 0 && relay->chain.left > 0)
        vetch__flush_later(vt_reactor, &relay->flush);
}

static void
relay_round(struct vetch__flush *flush)
{
    struct relay *relay = vetch__container(flush, struct relay, flush);

    for (relay->in_round = 0; relay->in_round < 100; relay->in_round++)
        vetch_call_soon(relay_on, relay);
}

VT_TEST(flushes_that_make_calls_do_not_starve_descriptors)
{
    struct relay relay = { .flush.fn = relay_round, .chain.left = 100000 };

    vetch__flush_later(vt_reactor, &relay.flush);
    run_beside_a_descriptor(&relay.chain);
    ck_assert_int_eq(relay.chain.left, 0);
    ck_assert_int_ge(relay.chain.io_calls_at_end, 10);
}

/* The descriptor is always ready: each poll would show. */
VT_TEST(call_soon_below_the_bound_costs_no_poll)
{
    struct chain c = run_chain(1000);

    ck_assert_int_le(c.left, 0);
    ck_assert_int_le(c.io_calls_at_end, 1);
}

/* ---- flushes ---- */

static void
fail_flush(struct vetch__flush *self)
{
    (void)self;
    ck_abort_msg("a flush ran that had been taken back");
}

/* With a search for each, this would take minutes. */
VT_TEST(flushes_are_taken_back_at_the_same_cost_wherever_they_stand)
{
    enum { N = 200000 };
    struct vetch__flush *f = calloc(N, sizeof(*f));

    ck_assert_ptr_nonnull(f);
    for (size_t i = 0; i < N; i++) {
        f[i].fn = fail_flush;
        vetch__flush_later(vt_reactor, &f[i]);
    }
    for (size_t i = N; i > 0; i--)
        vetch__flush_cancel(&f[i - 1]);
    vt_run_ready();
    free(f);
}
