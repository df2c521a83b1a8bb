/* Values, contexts, operations and held promises of the randomised test. */

#include "promise/model/world.h"

#include <stdlib.h>
#include <string.h>

struct world world;

/* ---- chance ---- */

static uint64_t
random_bits(void)
{
    world.random ^= world.random << 13;
    world.random ^= world.random >> 7;
    world.random ^= world.random << 17;
    return world.random * UINT64_C(2685821657736338717) >> 16;
}

unsigned
pw_below(unsigned n)
{
    return (unsigned)(random_bits() % n);
}

bool
pw_chance(unsigned percent)
{
    return pw_below(100) < percent;
}

/* ---- values ---- */

struct value *
pw_value_new(void)
{
    struct value *v = &world.values[world.n_values++];

    MODEL_CHECK(world.n_values <= MAX_VALUES, "too many");
    *v = (struct value){ .state = ALIVE };
    return v;
}

void
pw_value_free(void *arg)
{
    struct value *v = arg;

    MODEL_CHECK(v->state == ALIVE, "a value was freed twice");
    MODEL_CHECK(!v->offered || v->seen, "a value was lost that nobody got");
    MODEL_CHECK(!v->put || v->seen || world.closing || model.ending,
                "an item was lost that nobody got");
    v->state = FREED;
}

static void
value_returns(void *arg, void *ctx)
{
    struct value *v = arg;

    MODEL_CHECK(arg == ctx && v->state == ALIVE, "a value came back twice");
    MODEL_CHECK(!v->seen && !v->over, "a value came back that somebody got");
    v->state = RETURNED;
}

static void
offer_is_over(void *ctx)
{
    struct value *v = ctx;

    MODEL_CHECK(!v->over, "an offer was over twice");
    v->over = true;
}

bool
pw_resolve(vetch_deferred *d, struct value *v)
{
    if (pw_chance(50))
        return vetch_deferred_resolve(d, v, pw_value_free);
    v->offered = true;
    return vetch_deferred_offer_owned(d, v, pw_value_free, value_returns, v,
                                      offer_is_over);
}

bool
pw_is_ours(const void *value)
{
    const struct value *v = value;

    return v >= world.values && v < world.values + MAX_VALUES;
}

void
pw_seen(const void *value)
{
    struct value *v;

    if (!pw_is_ours(value))
        return;
    v = &world.values[(const struct value *)value - world.values];
    MODEL_CHECK(v->state == ALIVE, "a value was got that is gone");
    MODEL_CHECK(!v->offered || v->over, "who offered it was not told");
    v->seen = true;
}

void
pw_check_alive(const void *value)
{
    if (pw_is_ours(value))
        MODEL_CHECK(((const struct value *)value)->state == ALIVE,
                    "a value was used after it was freed");
}

/* ---- chains ---- */

struct model_chain *
pw_chain_new(struct model_chain *parent)
{
    struct model_chain *c = &world.chains[world.n_chains++];

    MODEL_CHECK(world.n_chains <= MAX_CHAINS, "too many");
    memset(c, 0, sizeof(*c));
    c->ctx = malloc(sizeof(*c->ctx));
    MODEL_CHECK(c->ctx != NULL, "no memory");
    *c->ctx = CTX_ALIVE;
    c->exclusive = true;
    c->parent = parent;
    return c;
}

/* (Who lets others hold a promise in the middle of a chain must know that its
 * upper part may outlive the rest.) */
void
pw_check_ctx(const struct model_chain *chain)
{
    if (!chain->exclusive)
        return;
    MODEL_CHECK(*chain->ctx == CTX_ALIVE, "a ctx was used after its finally");
}

/* What a chain started for itself alone has ended with it. */
void
pw_check_stopped(const struct model_chain *chain)
{
    for (size_t i = 0; i < world.n_ops; i++) {
        struct model_node *op = world.ops[i];
        bool silent = op->loose && op->policy == P_NO_CANCELLER &&
                      vetch_deferred_is_canceled(op->deferred);

        MODEL_CHECK(op->chain != chain || op->done || silent,
                    "a finally ran while an operation of its chain ran");
    }
    for (size_t i = 0; i < world.n_tasks; i++)
        MODEL_CHECK(world.tasks[i]->chain != chain || !world.tasks[i]->running,
                    "a finally ran while a task of its chain ran");
    for (size_t i = 0; i < world.n_chains; i++) {
        const struct model_chain *c = &world.chains[i];

        MODEL_CHECK(c->parent != chain || !c->exclusive || c->ended,
                    "a finally ran while an inner chain ran");
    }
}

/* ---- holding promises ---- */

void
pw_hold(struct cursor c, bool pin)
{
    if (c.n->held++ == 0)
        world.held[world.n_held++] = c.n;
    c.n->promise = c.p;
    c.n->pinned = c.n->pinned || pin;
}

void
pw_release(size_t i)
{
    struct model_node *n = world.held[i];

    if (--n->held == 0)
        world.held[i] = world.held[--world.n_held];
    vetch_promise_unref(n->promise);
}

struct model_node *
pw_random_held(void)
{
    return world.n_held == 0 ? NULL
                             : world.held[pw_below((unsigned)world.n_held)];
}

bool
pw_is_full(void)
{
    return model.n_nodes > MODEL_NODES - 500 ||
           world.n_chains > MAX_CHAINS - 200 ||
           world.n_values > MAX_VALUES - 500;
}

/* ---- operations ---- */

int
pw_random_code(void)
{
    return VETCH_EUSER + 1 + (int)pw_below(1000);
}

vetch_error *
pw_error_of(int code)
{
    return vetch_error_new(code, "error %d", code);
}

static void
check_use(const struct model_node *op)
{
    if (op->chain != NULL && !model.ending)
        pw_check_ctx(op->chain);
    if (!model.ending)
        pw_check_alive(op->uses);
}

/* Settle it; the producer's end is ours until the list is tidied. */
static void
op_settle(struct model_node *op, struct model_outcome o)
{
    check_use(op);
    model_settle(op, o);
    if (pw_is_ours(o.value))
        MODEL_CHECK(pw_resolve(op->deferred, o.value),
                    "it had settled already");
    else if (o.state == VETCH_FULFILLED)
        MODEL_CHECK(vetch_deferred_resolve(op->deferred, o.value, NULL),
                    "it had settled already");
    else
        MODEL_CHECK(vetch_deferred_reject(op->deferred, pw_error_of(o.code)),
                    "it had settled already");
}

static void
op_fulfil(struct model_node *op)
{
    if (pw_chance(75))
        op_settle(op, model_fulfilled(pw_value_new()));
    else
        op_settle(op, model_fulfilled((void *)(uintptr_t)pw_below(1000)));
}

static void
on_cancel(vetch_deferred *d, void *ctx)
{
    struct model_node *op = ctx;

    MODEL_CHECK(d == op->deferred && vetch_deferred_is_canceled(d),
                "a canceller was called wrongly");
    MODEL_CHECK(!op->asked && !op->done, "a canceller was called twice");
    MODEL_CHECK(op->expect_asked || op->loose || model.ending,
                "a canceller was called that nobody asked for");
    op->asked = op->expect_asked = true;
    check_use(op);
    if (op->policy == P_AGREE)
        op_settle(op, model_rejected(VETCH_ECANCELED));
    else if (op->policy == P_VALUE)
        op_fulfil(op);
    else if (op->policy == P_ERROR)
        op_settle(op, model_rejected(pw_random_code()));
}

struct cursor
pw_new_op(bool loose)
{
    struct model_node *op = model_new(M_OP, loose);

    op->policy = (enum model_policy)pw_below(N_POLICIES);
    op->deferred =
        vetch_deferred_new(op->policy == P_NO_CANCELLER ? NULL : on_cancel, op);
    MODEL_CHECK(op->deferred != NULL, "no memory");
    world.ops[world.n_ops++] = op;
    return (struct cursor){ vetch_deferred_promise(op->deferred), op };
}

/* Those that have ended: what comes too late is refused. */
static void
let_op_go(size_t i)
{
    struct model_node *op = world.ops[i];

    world.ops[i] = world.ops[--world.n_ops];
    if (pw_chance(30) && op->adopts == NULL) {
        struct value *late = pw_value_new();

        MODEL_CHECK(!pw_resolve(op->deferred, late), "it had not settled");
        MODEL_CHECK(late->state == (late->offered ? RETURNED : FREED),
                    "a late value was kept");
    }
    op->deferred = vetch_deferred_unref(op->deferred);
}

static void
op_follow(size_t i)
{
    struct model_node *op = world.ops[i];
    struct cursor c;

    check_use(op);
    c = pw_random_chain(pw_new_op(op->loose), op->loose,
                        op->chain != NULL && op->chain->exclusive ? op->chain
                                                                  : NULL);
    model_answer_with(op, c.n);
    MODEL_CHECK(vetch_deferred_follow(op->deferred, c.p),
                "it had settled already");
    let_op_go(i);
}

static void
op_abandon(size_t i)
{
    struct model_node *op = world.ops[i];
    vetch_deferred *d = op->deferred;

    check_use(op);
    world.ops[i] = world.ops[--world.n_ops];
    model_settle(op, model_rejected(VETCH_EABANDONED));
    op->deferred = NULL;
    vetch_deferred_unref(d);
}

static bool
ended_silently(struct model_node *op)
{
    if (!op->loose || op->policy != P_NO_CANCELLER ||
        !vetch_deferred_is_canceled(op->deferred))
        return false;
    model_observe(op, model_rejected(VETCH_ECANCELED));
    return true;
}

static void
settle_op(size_t i)
{
    struct model_node *op = world.ops[i];

    if (op->done || ended_silently(op)) {
        let_op_go(i);
        return;
    }
    if (pw_chance(10) && !pw_is_full()) {
        op_follow(i);
    } else if (pw_chance(5)) {
        op_abandon(i);
    } else if (op->asked && pw_chance(50)) {
        op_settle(op, model_rejected(VETCH_ECANCELED));
        let_op_go(i);
    } else if (pw_chance(75)) {
        op_fulfil(op);
        let_op_go(i);
    } else {
        op_settle(op, model_rejected(pw_random_code()));
        let_op_go(i);
    }
}

void
pw_settle_random_op(void)
{
    if (world.n_ops > 0)
        settle_op(pw_below((unsigned)world.n_ops));
}
