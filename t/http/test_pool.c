/* The pool's promises, with made-up connections: the limits hold, waiters are
 * served in order, none is lost, nothing is leaked. */

#include "support/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem-private.h"
#include "http/client/pool-private.h"

/* A connection and a request that exist on paper only. */
struct paper {
    struct vetch__http_slot slot;
    struct vetch__list link; /* among all connections of the world */
    struct request *user;    /* NULL: idle or closing */
    bool stale;              /* will turn out unusable */
};

struct request {
    struct vetch__http_waiter w;
    struct paper *connection; /* NULL: waits, or is not running */
    unsigned host;
    uint64_t number; /* in the order of asking */
    bool running;    /* asked, and neither done nor cancelled */
    bool failed;
};

static struct world {
    struct vetch__http_pool pool;
    struct vetch__list connections;
    size_t n_connections;
    size_t opened, served, closed, failed;
    bool cannot_open;
    uint64_t numbers;
} world;

static struct request *
request_of(struct vetch__http_waiter *w)
{
    return vetch__container(w, struct request, w);
}

static struct paper *
paper_of(struct vetch__http_slot *slot)
{
    return vetch__container(slot, struct paper, slot);
}

static struct vetch__http_slot *
paper_open(struct vetch__http_pool *pool, struct vetch__http_origin *origin,
           struct vetch__http_waiter *w)
{
    struct paper *c;

    (void)origin;
    ck_assert_ptr_eq(pool, &world.pool);
    if (world.cannot_open)
        return NULL;
    c = calloc(1, sizeof(*c));
    ck_assert_ptr_nonnull(c);
    vetch__list_append(&world.connections, &c->link);
    world.n_connections++;
    world.opened++;
    c->user = request_of(w);
    c->user->connection = c;
    return &c->slot;
}

static void
paper_fail(struct vetch__http_waiter *w)
{
    request_of(w)->running = false;
    request_of(w)->failed = true;
    world.failed++;
}

static void
paper_serve(struct vetch__http_slot *slot, struct vetch__http_waiter *w)
{
    struct paper *c = paper_of(slot);

    ck_assert_ptr_null(c->user);
    c->user = request_of(w);
    c->user->connection = c;
    world.served++;
}

static void
paper_idle(struct vetch__http_slot *slot)
{
    ck_assert_ptr_null(paper_of(slot)->user);
}

static bool
paper_usable(struct vetch__http_slot *slot)
{
    return !paper_of(slot)->stale;
}

static void
paper_close(struct vetch__http_slot *slot)
{
    ck_assert_ptr_null(paper_of(slot)->user);
    world.closed++;
}

static const struct vetch__http_pool_class paper_class = {
    paper_open, paper_fail, paper_serve, paper_idle, paper_usable, paper_close
};

static void
world_begin(size_t max, size_t per_origin)
{
    memset(&world, 0, sizeof(world));
    vetch__list_init(&world.connections);
    vetch__http_pool_init(&world.pool, &paper_class, max, per_origin);
}

static void
ask(struct request *r, unsigned host)
{
    char key[32];
    int len = snprintf(key, sizeof(key), "tcp:h%u:80", host);

    memset(r, 0, sizeof(*r));
    r->host = host;
    r->running = true;
    r->number = world.numbers++;
    ck_assert_int_eq(
        vetch__http_pool_acquire(&world.pool, key, (size_t)len, &r->w), 0);
}

/* The request has its response; the connection can be used again. */
static void
finish(struct request *r)
{
    struct paper *c = r->connection;

    ck_assert_ptr_nonnull(c);
    r->connection = NULL;
    r->running = false;
    c->user = NULL;
    vetch__http_pool_release(&world.pool, &c->slot);
}

static void
gone(struct paper *c)
{
    vetch__list_remove(&c->link);
    world.n_connections--;
    vetch__http_pool_gone(&world.pool, &c->slot);
    free(c);
}

/* The request ends and its connection with it: an error, a cancel, a body
 * that was not read. */
static void
break_off(struct request *r)
{
    struct paper *c = r->connection;

    r->connection = NULL;
    r->running = false;
    c->user = NULL;
    vetch__http_pool_closing(&world.pool, &c->slot);
}

/* Everything that is being closed has closed. */
static void
settle(void)
{
    struct vetch__list *l = world.connections.next;

    while (l != &world.connections) {
        struct paper *c = vetch__container(l, struct paper, link);

        l = l->next;
        if (c->slot.state == VETCH__SLOT_CLOSING) {
            gone(c);
            l = world.connections.next;
        }
    }
}

static void
world_end(void)
{
    vetch__http_pool_close_idle(&world.pool);
    settle();
    ck_assert_uint_eq(world.n_connections, 0);
    ck_assert_uint_eq(world.pool.n_slots, 0);
    ck_assert_uint_eq(world.pool.n_idle, 0);
    ck_assert_uint_eq(world.pool.n_closing, 0);
    ck_assert_uint_eq(world.pool.n_waiters, 0);
    ck_assert_uint_eq(world.pool.n_origins, 0);
    vetch__http_pool_done(&world.pool);
}

VT_CASE("basics", vt_tcase);

VT_TEST(a_connection_is_used_again)
{
    struct request a, b;
    struct paper *c;

    world_begin(10, 10);
    ask(&a, 1);
    c = a.connection;
    ck_assert_ptr_nonnull(c);
    finish(&a);
    ck_assert_uint_eq(world.pool.n_idle, 1);
    ask(&b, 1);
    ck_assert_ptr_eq(b.connection, c);
    ck_assert_uint_eq(world.opened, 1);
    finish(&b);
    world_end();
}

VT_TEST(the_connection_used_last_is_used_next)
{
    struct request a, b, c;
    struct paper *last;

    world_begin(10, 10);
    ask(&a, 1);
    ask(&b, 1);
    finish(&a);
    last = b.connection;
    finish(&b);
    ask(&c, 1);
    ck_assert_ptr_eq(c.connection, last);
    finish(&c);
    world_end();
}

VT_TEST(another_origin_gets_a_connection_of_its_own)
{
    struct request a, b;

    world_begin(10, 10);
    ask(&a, 1);
    finish(&a);
    ask(&b, 2);
    ck_assert_uint_eq(world.opened, 2);
    finish(&b);
    world_end();
}

VT_TEST(waiters_of_an_origin_are_served_in_order)
{
    struct request r[6];

    world_begin(10, 2);
    for (unsigned i = 0; i < 6; i++)
        ask(&r[i], 1);
    ck_assert_uint_eq(world.opened, 2);
    ck_assert_uint_eq(world.pool.n_waiters, 4);
    for (unsigned i = 0; i < 6; i++) {
        ck_assert_ptr_nonnull(r[i].connection);
        for (unsigned k = i + 2; k < 6; k++)
            ck_assert_ptr_null(r[k].connection);
        finish(&r[i]);
    }
    ck_assert_uint_eq(world.opened, 2);
    world_end();
}

VT_TEST(a_cancelled_waiter_gives_its_turn_to_the_next)
{
    struct request r[4];

    world_begin(10, 1);
    for (unsigned i = 0; i < 4; i++)
        ask(&r[i], 1);
    vetch__http_pool_leave(&world.pool, &r[1].w);
    vetch__http_pool_leave(&world.pool, &r[1].w); /* again: harmless */
    finish(&r[0]);
    ck_assert_ptr_null(r[1].connection);
    ck_assert_ptr_nonnull(r[2].connection);
    finish(&r[2]);
    finish(&r[3]);
    world_end();
}

VT_CASE("errors", vt_tcase);

/* aiohttp #253 #1623 #3296 #4936, node #5699, undici PR #4364: a request that
 * ends badly gives its place to the next one as well. */
VT_TEST(a_broken_connection_makes_room_for_the_next)
{
    struct request a, b;

    world_begin(1, 1);
    ask(&a, 1);
    ask(&b, 1);
    break_off(&a);
    ck_assert_ptr_null(b.connection); /* not before it has stopped */
    settle();
    ck_assert_ptr_nonnull(b.connection);
    ck_assert_uint_eq(world.opened, 2);
    finish(&b);
    world_end();
}

VT_TEST(an_unusable_connection_is_dropped_before_reuse)
{
    struct request a, b;

    world_begin(10, 10);
    ask(&a, 1);
    a.connection->stale = true;
    finish(&a);
    ask(&b, 1);
    ck_assert_uint_eq(world.closed, 1);
    ck_assert_uint_eq(world.opened, 2);
    finish(&b);
    world_end();
}

VT_TEST(an_unusable_connection_still_holds_its_slot)
{
    struct request a, b;

    world_begin(1, 1);
    ask(&a, 1);
    a.connection->stale = true;
    finish(&a);
    ask(&b, 1);
    ck_assert_ptr_null(b.connection);
    settle();
    ck_assert_ptr_nonnull(b.connection);
    finish(&b);
    world_end();
}

VT_CASE("limits", vt_tcase);

VT_TEST(an_idle_connection_gives_way_to_another_origin)
{
    struct request a, b, c;

    world_begin(2, 2);
    ask(&a, 1);
    ask(&b, 2);
    finish(&a); /* idle for longest */
    finish(&b);
    ask(&c, 3);
    ck_assert_uint_eq(world.closed, 1);
    ck_assert_uint_eq(world.pool.n_idle, 1);
    settle();
    ck_assert_ptr_nonnull(c.connection);
    ask(&b, 2); /* its connection was not the one */
    ck_assert_ptr_nonnull(b.connection);
    ck_assert_uint_eq(world.opened, 3);
    finish(&b);
    finish(&c);
    world_end();
}

VT_TEST(no_more_idle_connections_close_than_are_needed)
{
    struct request r[4], a, b;

    world_begin(4, 2);
    for (unsigned i = 0; i < 4; i++)
        ask(&r[i], i / 2);
    for (unsigned i = 0; i < 4; i++)
        finish(&r[i]);
    ask(&a, 7);
    ck_assert_uint_eq(world.closed, 1);
    ask(&b, 7);
    ck_assert_uint_eq(world.closed, 2);
    settle();
    finish(&a);
    finish(&b);
    world_end();
}

/* An origin that never has enough does not keep the others out. */
VT_TEST(the_oldest_waiter_of_all_origins_is_next)
{
    struct request a, b, other, c;

    world_begin(1, 1);
    ask(&a, 1);
    ask(&b, 1);
    ask(&other, 2);
    ask(&c, 1);
    finish(&a); /* b is older than other: same connection */
    ck_assert_ptr_nonnull(b.connection);
    ck_assert_uint_eq(world.closed, 0);
    finish(&b); /* other is older than c */
    ck_assert_uint_eq(world.closed, 1);
    ck_assert_ptr_null(c.connection);
    settle();
    ck_assert_ptr_nonnull(other.connection);
    finish(&other);
    settle();
    ck_assert_ptr_nonnull(c.connection);
    finish(&c);
    world_end();
}

VT_CASE("errors", vt_tcase);

/* LESSONS 7: the second try takes the place of the first. */
VT_TEST(a_retry_keeps_its_slot_and_its_turn)
{
    struct request a, b;
    struct paper *dead;

    world_begin(1, 1);
    ask(&a, 1);
    ask(&b, 1);
    dead = a.connection;
    dead->user = NULL;
    vetch__list_remove(&dead->link);
    world.n_connections--;
    vetch__http_pool_replace(&world.pool, &dead->slot, &a.w);
    free(dead);
    ck_assert_uint_eq(world.opened, 2);
    ck_assert_uint_eq(world.n_connections, 1);
    ck_assert_ptr_null(b.connection);
    finish(&a);
    ck_assert_ptr_nonnull(b.connection);
    finish(&b);
    world_end();
}

VT_TEST(what_cannot_be_opened_fails_and_gives_its_slot_back)
{
    struct request a, b, c;

    world_begin(1, 1);
    world.cannot_open = true;
    ask(&a, 1);
    ck_assert(a.failed);
    ck_assert_uint_eq(world.pool.n_slots, 0);
    ck_assert_uint_eq(world.pool.n_origins, 0);
    world.cannot_open = false;
    ask(&a, 1);
    ask(&b, 1);
    ask(&c, 1);
    world.cannot_open = true;
    break_off(&a);
    settle();
    ck_assert(b.failed);
    ck_assert(c.failed);
    world_end();
}

VT_TEST(the_end_fails_those_who_wait)
{
    struct request r[40];

    world_begin(3, 1);
    for (unsigned i = 0; i < 40; i++)
        ask(&r[i], i / 2);
    vetch__http_pool_end(&world.pool);
    ck_assert_uint_eq(world.failed, 37);
    ck_assert_uint_eq(world.pool.n_waiters, 0);
    for (unsigned i = 0; i < 40; i++)
        if (r[i].connection != NULL)
            finish(&r[i]);
    ck_assert_uint_eq(world.pool.n_idle, 0);
    world_end();
}

VT_CASE("limits", vt_tcase);

VT_TEST(ten_thousand_origins_are_kept_apart)
{
    static struct request r[10000];

    world_begin(10000, 1);
    for (unsigned i = 0; i < 10000; i++)
        ask(&r[i], i);
    ck_assert_uint_eq(world.pool.n_origins, 10000);
    for (unsigned i = 0; i < 10000; i++)
        finish(&r[i]);
    for (unsigned i = 0; i < 10000; i++)
        ask(&r[i], i);
    ck_assert_uint_eq(world.opened, 10000);
    for (unsigned i = 0; i < 10000; i++)
        finish(&r[i]);
    world_end();
}

/* Caches that grow with every name that was ever asked for. */
VT_TEST(cve_2026_34513_an_origin_is_forgotten_with_its_connections)
{
    static struct request r[1000];

    world_begin(4, 1);
    for (unsigned i = 0; i < 1000; i++) {
        ask(&r[i], i);
        settle(); /* an idle one makes room */
        finish(&r[i]);
        ck_assert_uint_le(world.pool.n_origins, 4);
    }
    world_end();
}

/* ---- at random ---- */

VT_CASE("chance", vt_tcase, .seconds = 120);

enum { REQUESTS = 60, HOSTS = 5, STEPS = 50000 };

static struct request requests[REQUESTS];

/* Check tells its parent of each ck_assert() it passes: too slow for millions.
 */
#define must(expression)                                                       \
    do {                                                                       \
        if (!(expression))                                                     \
            ck_abort_msg("%s", #expression);                                   \
    } while (0)

static void
check_counts(void)
{
    size_t held = 0, idle = 0, closing = 0, waiting = 0, of_host[HOSTS] = { 0 };

    for (struct vetch__list *l = world.connections.next;
         l != &world.connections; l = l->next) {
        struct paper *c = vetch__container(l, struct paper, link);

        held += c->slot.state == VETCH__SLOT_HELD;
        idle += c->slot.state == VETCH__SLOT_IDLE;
        closing += c->slot.state == VETCH__SLOT_CLOSING;
        must((c->slot.state == VETCH__SLOT_HELD) == (c->user != NULL));
        of_host[c->slot.origin->endpoint[5] - '0']++;
    }
    for (unsigned i = 0; i < REQUESTS; i++)
        waiting += requests[i].w.origin != NULL;
    must(held + idle + closing == world.pool.n_slots);
    must(world.pool.n_slots <= world.pool.max_slots);
    for (unsigned i = 0; i < HOSTS; i++)
        must(of_host[i] <= world.pool.max_per_origin);
    must(idle == world.pool.n_idle);
    must(closing == world.pool.n_closing);
    must(waiting == world.pool.n_waiters);
}

/* Nobody with a connection is younger than somebody of the same host who still
 * waits; and somebody who waits has a reason to. */
static void
check_turns(void)
{
    uint64_t oldest_waiting[HOSTS];
    size_t of_host[HOSTS] = { 0 };

    memset(oldest_waiting, 0xff, sizeof(oldest_waiting));
    for (unsigned i = 0; i < REQUESTS; i++)
        if (requests[i].w.origin != NULL &&
            requests[i].number < oldest_waiting[requests[i].host])
            oldest_waiting[requests[i].host] = requests[i].number;
    for (struct vetch__list *l = world.connections.next;
         l != &world.connections; l = l->next) {
        struct paper *c = vetch__container(l, struct paper, link);
        unsigned host = (unsigned)(c->slot.origin->endpoint[5] - '0');

        of_host[host]++;
        if (c->user != NULL)
            must(c->user->number < oldest_waiting[host]);
        must(c->slot.state != VETCH__SLOT_IDLE ||
             oldest_waiting[host] == UINT64_MAX);
    }
    for (unsigned i = 0; i < HOSTS; i++)
        must(oldest_waiting[i] == UINT64_MAX ||
             of_host[i] == world.pool.max_per_origin ||
             world.pool.n_slots == world.pool.max_slots);
}

static struct paper *
random_connection(void)
{
    struct vetch__list *l = &world.connections;

    if (world.n_connections == 0)
        return NULL;
    for (long n = 1 + random() % (long)world.n_connections; n > 0; n--)
        l = l->next;
    return vetch__container(l, struct paper, link);
}

/* Dies by itself, whatever it is doing. */
static void
kill_connection(struct paper *c)
{
    struct request *r = c->user;

    if (r != NULL) {
        c->user = NULL;
        r->connection = NULL;
        if (random() % 2 == 0) { /* its request tries again */
            vetch__list_remove(&c->link);
            world.n_connections--;
            vetch__http_pool_replace(&world.pool, &c->slot, &r->w);
            free(c);
            return;
        }
        r->running = false;
    }
    gone(c);
}

static void
random_step(void)
{
    struct request *r = &requests[random() % REQUESTS];
    struct paper *c;

    world.cannot_open = random() % 50 == 0;
    if (!r->running) {
        ask(r, (unsigned)(random() % HOSTS));
    } else if (r->connection == NULL) {
        if (random() % 4 == 0) {
            vetch__http_pool_leave(&world.pool, &r->w);
            r->running = false;
        }
    } else if (random() % 3 == 0) {
        break_off(r);
    } else {
        r->connection->stale = random() % 8 == 0;
        finish(r);
    }
    c = random_connection();
    if (c != NULL &&
        (c->slot.state == VETCH__SLOT_CLOSING || random() % 20 == 0))
        kill_connection(c);
}

static bool
all_done(void)
{
    bool done = true;

    for (unsigned i = 0; i < REQUESTS; i++) {
        if (requests[i].connection != NULL)
            finish(&requests[i]);
        done = done && !requests[i].running;
    }
    settle();
    return done;
}

/* aiohttp #2189 #3845 #6490, node #9530: whatever is cancelled or breaks when,
 * no slot is lost, no waiter is forgotten, nobody jumps the queue. */
VT_TEST(random_cancels_break_no_invariant, .loops = 4)
{
    const char *given = getenv("VETCH_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 0)
                                  : (unsigned)time(NULL) + (unsigned)_i;
    unsigned rounds = 0;

    printf("pool: VETCH_SEED=%u\n", seed);
    srandom(seed);
    world_begin(1 + (size_t)random() % 12, 1 + (size_t)random() % 4);
    memset(requests, 0, sizeof(requests));
    for (unsigned i = 0; i < STEPS; i++) {
        random_step();
        check_counts();
        check_turns();
    }
    world.cannot_open = false;
    while (!all_done())
        ck_assert_uint_lt(rounds++, 10 * REQUESTS);
    world_end();
}
