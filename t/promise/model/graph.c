/* The graph of the randomised test: how it is built, and what its handlers do.
 * Each call of a handler is shown to the model first. */

#include "promise/model/world.h"

/* ---- handlers ---- */

static vetch_promise *answer(struct model_node *n, struct model_outcome given);

static void
enter(struct model_node *n)
{
    MODEL_CHECK(!world.over, "a handler ran after the end of its reactor");
    MODEL_CHECK(world.depth++ == 0, "a handler ran inside another one");
    pw_check_ctx(n->chain);
}

static void
leave_handler(void)
{
    world.depth--;
}

/* The waiter whose turn it is. */
static void
check_turn(const struct model_node *acquire)
{
    if (acquire->timed || model.ending || model.rough)
        return; /* it had its slot at once, or that is not known */
    MODEL_CHECK(pw_first(&world.acquirers) == acquire,
                "a waiter was served out of turn");
}

/* Whether what it ends with is not known before. */
static bool
is_observed(const struct model_node *source)
{
    return source->kind >= M_ALL || source->kind == M_ACQUIRE ||
           source->kind == M_GET;
}

/* Who gets a value has got it; who gets results, all that is in them. */
static void
note_seen(const struct model_node *n, const void *value)
{
    bool results = value != NULL && (n->source->kind == M_ALL ||
                                     n->source->kind == M_ALL_SETTLED);

    pw_seen(value);
    for (size_t i = 0; results && i < vetch_results_count(value); i++)
        pw_seen(vetch_results_value(value, i));
}

static void
called(struct model_node *n, struct model_outcome given)
{
    enter(n);
    if (n->source->kind == M_ACQUIRE && given.state == VETCH_FULFILLED)
        check_turn(n->source);
    if (n->source->kind == M_PUT && given.state == VETCH_FULFILLED)
        pw_note_put(n->source->item);
    if (is_observed(n->source))
        model_observe(n->source, given);
    model_call(n, given);
}

static vetch_promise *
on_value(void *value, void *ctx)
{
    struct model_node *n = ctx;
    vetch_promise *p;

    note_seen(n, value);
    called(n, model_fulfilled(value));
    p = answer(n, model_fulfilled(value));
    pw_check_alive(value);
    leave_handler();
    return p;
}

static vetch_promise *
on_error(const vetch_error *error, void *ctx)
{
    struct model_node *n = ctx;
    struct model_outcome given = model_rejected(vetch_error_code(error));
    vetch_promise *p;

    called(n, given);
    p = answer(n, given);
    leave_handler();
    return p;
}

static void
on_end(void *ctx)
{
    struct model_node *n = ctx;
    struct model_outcome o;

    enter(n);
    o = model_call_finally(n);
    if (n->chain->exclusive && !model.ending)
        pw_check_stopped(n->chain);
    *n->chain->ctx = CTX_POISON;
    n->chain->ended++;
    model_answer(n, o);
    leave_handler();
}

static void
on_done(const vetch_error *error, void *result, void *ctx)
{
    struct model_node *n = ctx;
    struct model_outcome given = model_fulfilled(result);

    enter(n);
    if (error != NULL)
        given = model_rejected(vetch_error_code(error));
    if (model_is(given, VETCH_EMISUSE)) /* others hold the value, too */
        given = model_resolve(n->source);
    model_call(n, given);
    pw_seen(result);
    if (pw_is_ours(result))
        pw_value_free(result);
    else if ((uintptr_t)result > 1000)
        vetch_unref(result);
    model_answer(n, given);
    leave_handler();
}

/* ---- building ---- */

struct cursor
pw_new_ready(bool loose)
{
    struct model_node *n = model_new(M_READY, loose);
    unsigned kind = pw_below(3);
    struct cursor c = { NULL, n };
    int code = pw_random_code();

    if (kind == 0) {
        model_settle(n, model_fulfilled(pw_value_new()));
        c.p = vetch_resolved(n->outcome.value, pw_value_free);
    } else if (kind == 1) {
        model_settle(n, model_fulfilled((void *)(uintptr_t)pw_below(1000)));
        c.p = vetch_resolved(n->outcome.value, NULL);
    } else {
        model_settle(n, model_rejected(code));
        c.p = vetch_rejected(pw_error_of(code));
    }
    return c;
}

static bool
is_taken(uint64_t deadline)
{
    for (size_t i = 0; i < model.n_nodes; i++)
        if (model.nodes[i].deadline == deadline && !model.nodes[i].done)
            return true;
    return false;
}

/* One at which nothing else happens: what happens first would be open. */
static uint64_t
random_deadline(void)
{
    uint64_t deadline;

    do
        deadline = world.now + 1 + pw_below(20 * TICKS);
    while (is_taken(deadline));
    return deadline;
}

double
pw_seconds_until(uint64_t deadline)
{
    return (double)(deadline - world.now) / TICKS;
}

static struct cursor
new_sleep(void)
{
    struct model_node *n = model_new(M_SLEEP, false);

    n->deadline = random_deadline();
    return (struct cursor){ vetch_sleep(pw_seconds_until(n->deadline)), n };
}

static struct cursor
new_link(struct cursor c, struct model_chain *chain, bool loose,
         unsigned flavour)
{
    struct model_node *n = model_new(flavour == 7 ? M_SHIELD : M_LINK, loose);

    n->chain = chain;
    n->on_value = flavour == 0 || flavour == 2 || flavour == 3;
    n->on_error = flavour == 1 || flavour == 2 || flavour == 4;
    n->is_catch = flavour == 1 || flavour == 6;
    model_attach(n, c.n);
    c.n = n;
    if (flavour == 7)
        c.p = vetch_shield(c.p);
    else if (flavour == 0 || flavour == 5)
        c.p = vetch_then(c.p, n->on_value ? on_value : NULL, n);
    else if (n->is_catch)
        c.p = vetch_catch(c.p, n->on_error ? on_error : NULL, n);
    else
        c.p = vetch_handle(c.p, n->on_value ? on_value : NULL,
                           n->on_error ? on_error : NULL, n);
    return c;
}

static struct cursor
new_finally(struct cursor c, struct model_chain *chain, bool loose)
{
    struct model_node *n = model_new(M_FINALLY, loose);

    n->chain = chain;
    model_attach(n, c.n);
    return (struct cursor){ vetch_finally(c.p, on_end, n), n };
}

/* What a group waits for belongs to the chain below it. */
static void
own_children(struct model_node *group, struct model_chain *chain)
{
    for (unsigned i = 0; i < group->n_children; i++) {
        struct model_node *child = group->children[i];

        if (child->kind == M_FINALLY && !child->held)
            child->chain->parent = chain;
    }
}

/* Links below c, and a finally. What is not an operation shows the first link
 * what it has ended with. */
struct cursor
pw_random_chain(struct cursor c, bool loose, struct model_chain *parent)
{
    struct model_chain *chain = pw_chain_new(parent);
    bool works = c.n->kind == M_OP || c.n->kind == M_TASK;
    struct model_node *op = works && c.n->held == 0 ? c.n : NULL;
    unsigned n_links = pw_below(4);

    if (c.n->kind >= M_ALL) {
        own_children(c.n, chain);
        c = new_link(c, chain, loose, 2);
    } else if (c.n->kind == M_ACQUIRE) {
        c = new_link(c, chain, loose, 0);
        c.n->holds_slot = true;
    } else if (c.n->kind == M_GET) {
        c = new_link(c, chain, loose, 0);
    }
    for (unsigned i = 0; i < n_links; i++) {
        c = new_link(c, chain, loose, pw_below(loose ? 7 : 8));
        if (c.n->kind == M_SHIELD)
            chain->exclusive = false;
        if (!loose && pw_chance(10)) {
            chain->exclusive = false; /* others may branch off here */
            vetch_promise_ref(c.p);
            pw_hold(c, false);
        }
    }
    if (op != NULL && op->chain == NULL && chain->exclusive)
        op->chain = chain;
    return new_finally(c, chain, loose);
}

struct cursor
pw_another(const struct model_node *for_whom)
{
    struct model_node *other = pw_random_held();

    if (other == NULL || model_depends(other, for_whom))
        return (struct cursor){ NULL, NULL };
    other->pinned = true;
    return (struct cursor){ vetch_promise_ref(other->promise), other };
}

static struct cursor
new_child(struct model_node *for_whom)
{
    struct cursor c = { NULL, NULL };
    unsigned kind = pw_below(100);

    if (kind < 25)
        c = pw_another(for_whom);
    if (c.p != NULL)
        return c;
    if (kind < 35)
        c = pw_new_ready(true);
    else if (kind > 85)
        c = pw_new_get(true);
    else
        c = kind < 50 ? pw_new_task(true) : pw_new_op(true);
    return pw_random_chain(c, true, NULL);
}

/* A combinator; `for_whom` is the link that is to wait for it, if any. */
static struct cursor
new_group(bool loose, struct model_node *for_whom)
{
    static vetch_promise *(*const combine[])(
        vetch_promise *const *p, size_t n) = { vetch_all, vetch_all_settled,
                                               vetch_race, vetch_any };
    unsigned kind = pw_below(5), n_children = 1 + pw_below(3);
    vetch_promise *promises[MAX_CHILDREN];
    struct model_node *children[MAX_CHILDREN];
    struct model_node *g;

    for (unsigned i = 0; i < n_children; i++) {
        struct cursor c = new_child(for_whom);

        promises[i] = c.p;
        children[i] = c.n;
    }
    g = model_new((enum model_kind)(M_ALL + kind), loose);
    for (unsigned i = 0; i < n_children; i++)
        model_add_child(g, children[i]);
    if (g->kind == M_SCOPE)
        return (struct cursor){ pw_scope_of(g, promises, n_children), g };
    return (struct cursor){ combine[kind](promises, n_children), g };
}

static struct cursor
new_timeout(bool loose)
{
    bool get = pw_chance(30);
    struct cursor c = get ? pw_new_get(loose) : pw_new_op(loose);
    struct model_node *t;

    if (get || pw_chance(70))
        c = pw_random_chain(c, loose, NULL);
    t = model_new(M_TIMEOUT, loose);
    t->deadline = random_deadline();
    model_add_child(t, c.n);
    return (struct cursor){ vetch_timeout(c.p, pw_seconds_until(t->deadline)),
                            t };
}

static struct cursor
random_source(void)
{
    unsigned kind = pw_below(100);

    if (kind < 34)
        return pw_new_op(false);
    if (kind < 42)
        return pw_new_ready(false);
    if (kind < 49)
        return new_sleep();
    if (kind < 56)
        return pw_new_acquire();
    if (kind < 63)
        return pw_new_put();
    if (kind < 70)
        return pw_new_get(false);
    if (kind < 73)
        return pw_new_event_wait();
    if (kind < 82)
        return pw_new_task(false);
    if (kind < 92)
        return new_group(false, NULL);
    return new_timeout(false);
}

/* Keep it, forget it, or end it with a callback. */
static void
dispose(struct cursor c)
{
    struct model_chain *chain;
    struct model_node *end;

    if (pw_chance(55)) {
        pw_hold(c, false);
    } else if (pw_chance(80)) {
        vetch_promise_unref(c.p);
    } else {
        chain = pw_chain_new(NULL);
        chain->ended = 1; /* nothing to wait for */
        end = model_new(M_END, false);
        end->chain = chain;
        model_attach(end, c.n);
        vetch_callback(c.p, on_done, end);
    }
}

void
pw_start_something(void)
{
    struct cursor c = random_source();

    if ((c.n->kind == M_OP || c.n->kind == M_TASK) && pw_chance(15)) {
        vetch_promise_ref(c.p);
        pw_hold(c, false);
    }
    dispose(pw_random_chain(c, false, NULL));
}

void
pw_branch_off(void)
{
    struct model_node *n = pw_random_held();
    struct cursor c;

    if (n == NULL)
        return;
    c = (struct cursor){ vetch_promise_ref(n->promise), n };
    dispose(pw_random_chain(c, false, NULL));
}

void
pw_cancel_something(void)
{
    struct model_node *n = pw_random_held();

    if (n == NULL || (model.draining && !model_stable(n)))
        return;
    model_cancel(n);
    vetch_promise_cancel(n->promise);
}

void
pw_release_something(void)
{
    size_t i;

    if (world.n_held == 0)
        return;
    i = pw_below((unsigned)world.n_held);
    if (!world.held[i]->pinned || world.held[i]->held > 1)
        pw_release(i);
}

void
pw_hold_something(void)
{
    struct model_node *n = pw_random_held();

    if (n != NULL)
        pw_hold((struct cursor){ vetch_promise_ref(n->promise), n }, false);
}

/* ---- what handlers do and answer ---- */

void
pw_do_something_inside(void)
{
    unsigned what = pw_below(100);

    if (what < 32)
        pw_settle_random_op();
    else if (what < 35)
        pw_turn_event();
    else if (what < 55)
        pw_release_something();
    else if (what < 75)
        pw_cancel_something();
    else if (pw_is_full())
        return;
    else if (what < 88)
        pw_start_something();
    else
        pw_branch_off();
}

/* The operation which this handler began may use what the handler was given. */
static void
let_use(struct model_node *op, struct model_node *n, struct model_outcome given,
        bool exclusive)
{
    if (given.state == VETCH_FULFILLED && pw_is_ours(given.value))
        op->uses = given.value;
    if (exclusive && n->chain->exclusive && op->chain == NULL)
        op->chain = n->chain;
}

static vetch_promise *
answer_at_once(struct model_node *n, struct model_outcome given)
{
    struct model_outcome o;
    int code = pw_random_code();

    switch (pw_below(n->holds_slot || model.ending ? 3 : 4)) {
    case 0:
        model_answer(n, model_fulfilled(NULL));
        return NULL;
    case 1:
        o = model_fulfilled(pw_value_new());
        model_answer(n, o);
        return vetch_resolved(o.value, pw_value_free);
    case 2:
        model_answer(n, model_rejected(code));
        return vetch_rejected(pw_error_of(code));
    default:
        model_answer(n, given);
        return vetch_same();
    }
}

static struct cursor
pending_answer(struct model_node *n, struct model_outcome given)
{
    struct model_chain *parent = n->chain->exclusive ? n->chain : NULL;
    struct model_node *other = pw_random_held();
    struct cursor c;
    unsigned kind = pw_below(100);

    if (kind < 40 || n->canceled) {
        c = pw_new_op(n->loose);
        let_use(c.n, n, given, true);
    } else if (kind < 50) { /* that others can wait for as well */
        c = pw_new_op(false);
        let_use(c.n, n, given, false);
        vetch_promise_ref(c.p);
        pw_hold(c, n->loose);
    } else if (kind < 65) {
        struct cursor op = pw_new_op(n->loose);

        c = pw_random_chain(op, n->loose, parent);
        if (op.n->chain != NULL)
            let_use(op.n, n, given, false);
    } else if (kind < 75) {
        c = new_timeout(n->loose);
        c = pw_random_chain(c, n->loose, parent);
    } else if (kind < 90) {
        c = pw_random_chain(new_group(n->loose, n), n->loose, parent);
    } else if (other != NULL && !model_depends(other, n)) {
        c = (struct cursor){ vetch_promise_ref(other->promise), other };
        other->pinned = other->pinned || n->loose;
    } else {
        c = pw_new_op(n->loose);
    }
    return c;
}

static vetch_promise *
answer(struct model_node *n, struct model_outcome given)
{
    struct cursor c;

    if (model.ending)
        return answer_at_once(n, given);
    while (pw_chance(20))
        pw_do_something_inside();
    if (pw_is_full() || pw_chance(60))
        return answer_at_once(n, given);
    c = pending_answer(n, given);
    model_answer_with(n, c.n);
    return c.p;
}
