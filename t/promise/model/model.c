/* The model of promises; see the header. */

#include "promise/model/model.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "promise/promise-private.h"

struct model model;

static const struct model_outcome pending = { VETCH_PENDING, NULL, 0 };
static const struct model_outcome canceled = { VETCH_REJECTED, NULL,
                                               VETCH_ECANCELED };

void
model_fail(const char *file, int line, const char *fmt, ...)
{
    char what[256];
    va_list args;

    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    ck_abort_msg("%s:%d: %s (VETCH_SEED=%" PRIu64 " VETCH_STEPS=%d%s)", file,
                 line, what, model.seed, EPOCH_STEPS,
                 model.rough ? " CK_RUN_CASE=rough" : "");
}

/* ---- nodes ---- */

void
model_begin(uint64_t seed, bool rough)
{
    model.rough = rough;
    model.seed = seed;
    model.n_nodes = 0;
    model.seq = model.last_seq = model.n_drains = 0;
    model.draining = model.ending = false;
}

struct model_node *
model_new(enum model_kind kind, bool loose)
{
    struct model_node *n = &model.nodes[model.n_nodes++];

    MODEL_CHECK(model.n_nodes <= MODEL_NODES, "too many");
    memset(n, 0, sizeof(*n));
    n->kind = kind;
    n->loose = loose || model.rough;
    n->born = model.n_drains;
    return n;
}

struct model_outcome
model_fulfilled(void *value)
{
    return (struct model_outcome){ VETCH_FULFILLED, value, 0 };
}

struct model_outcome
model_rejected(int code)
{
    return (struct model_outcome){ VETCH_REJECTED, NULL, code };
}

bool
model_same(struct model_outcome a, struct model_outcome b)
{
    return a.state == b.state && a.value == b.value && a.code == b.code;
}

bool
model_is(struct model_outcome o, int code)
{
    return o.state == VETCH_REJECTED && o.code == code;
}

static bool
is_link(const struct model_node *n)
{
    return n->kind == M_LINK || n->kind == M_FINALLY || n->kind == M_SHIELD ||
           n->kind == M_END;
}

static bool
is_group(const struct model_node *n)
{
    return n->kind >= M_ALL;
}

/* Whether something is called with this outcome. */
static bool
has_handler(const struct model_node *n, struct model_outcome o)
{
    switch (n->kind) {
    case M_FINALLY:
    case M_END:
        return true;
    case M_LINK:
        if (o.state == VETCH_FULFILLED)
            return n->on_value;
        return n->on_error && !(n->is_catch && o.code == VETCH_ECANCELED);
    default:
        return false;
    }
}

/* ---- settling ---- */

static void
put_on_queue(struct model_node *n)
{
    if (!n->loose)
        n->seq = ++model.seq;
}

static void
settle(struct model_node *n, struct model_outcome o, bool timed)
{
    struct model_node *w;

    MODEL_CHECK(!n->done || model.rough, "a promise settled twice");
    n->done = true;
    n->timed = timed;
    n->outcome = o;
    for (w = n->first_waiter; timed && w != NULL; w = w->next_waiter)
        if (!w->left)
            put_on_queue(w);
}

void
model_settle(struct model_node *n, struct model_outcome o)
{
    settle(n, o, true);
}

/* A value does not get past a node that was cancelled. */
static struct model_outcome
past(const struct model_node *n, struct model_outcome o)
{
    return n->canceled && o.state == VETCH_FULFILLED ? canceled : o;
}

/* What a link that has not begun gets. */
static struct model_outcome
coming(struct model_node *n)
{
    if (n->left)
        return canceled;
    return past(n, model_resolve(n->source));
}

struct model_outcome
model_resolve(struct model_node *n)
{
    struct model_outcome o;

    if (n->done)
        return n->outcome;
    if (n->running)
        return pending;
    if (n->adopts != NULL) {
        o = past(n, model_resolve(n->adopts));
    } else if (is_link(n) && !n->begun) {
        o = coming(n);
        if (has_handler(n, o))
            return pending; /* until it is called */
    } else if (n->kind == M_TASK && n->canceled) {
        o = canceled; /* before it began: it never does */
    } else {
        return pending;
    }
    if (o.state != VETCH_PENDING)
        settle(n, o, false);
    return o;
}

void
model_attach(struct model_node *link, struct model_node *source)
{
    link->source = source;
    source->n_consumers++;
    source->ever_consumed = true;
    if (source->last_waiter == NULL)
        source->first_waiter = link;
    else
        source->last_waiter->next_waiter = link;
    source->last_waiter = link;
    if (source->done && (source->timed || !model.draining))
        put_on_queue(link);
}

void
model_add_child(struct model_node *group, struct model_node *child)
{
    group->children[group->n_children++] = child;
    child->was_child = true;
    child->n_consumers++;
    child->ever_consumed = true;
}

/* ---- calls ---- */

/* Handlers of one promise run in the order attached. */
static void
check_place(const struct model_node *n)
{
    struct model_node *w;

    if (n->seq != 0) {
        MODEL_CHECK(n->seq > model.last_seq, "a handler ran out of turn");
        model.last_seq = n->seq;
    }
    for (w = n->source->first_waiter; w != n && !n->left; w = w->next_waiter)
        MODEL_CHECK(w->begun || w->left || w->done || w->loose ||
                        !has_handler(w, past(w, n->source->outcome)),
                    "a handler ran before one that was attached earlier");
}

static void
begin(struct model_node *n)
{
    MODEL_CHECK(!n->begun, "a handler ran twice");
    MODEL_CHECK(!n->done || model.ending || model.rough,
                "a handler ran too late");
    if (!n->loose && !model.ending)
        check_place(n);
    n->begun = true;
    n->running = true;
    n->canceled = false;
    n->done = false; /* at the end, it gets something else than foretold */
}

/* (While the reactor ends nothing is foretold: all is cancelled at once.) */
static bool
acceptable(struct model_node *n, struct model_outcome given)
{
    struct model_outcome due = coming(n);

    if (model.ending || model.rough ||
        (n->loose && model_is(given, VETCH_ECANCELED)))
        return true;
    return due.state != VETCH_PENDING && model_same(due, given);
}

void
model_call(struct model_node *n, struct model_outcome given)
{
    MODEL_CHECK(acceptable(n, given),
                "a handler got state %d, value %p, code %d instead of "
                "state %d, value %p, code %d",
                given.state, given.value, given.code, coming(n).state,
                coming(n).value, coming(n).code);
    MODEL_CHECK(has_handler(n, given), "a handler ran that must not");
    begin(n);
}

struct model_outcome
model_call_finally(struct model_node *n)
{
    struct model_outcome o = coming(n);

    if (o.state == VETCH_PENDING) {
        MODEL_CHECK(n->loose || model.ending, "a finally ran too early");
        o = canceled;
    }
    begin(n);
    return o;
}

void
model_answer(struct model_node *n, struct model_outcome o)
{
    n->running = false;
    settle(n, o, true);
}

void
model_answer_with(struct model_node *n, struct model_node *answer)
{
    n->running = false;
    n->adopts = answer;
    answer->n_consumers++;
    answer->ever_consumed = true;
    if (n->canceled)
        model_cancel(n); /* asked for meanwhile, so it goes on */
}

/* An operation without canceller that was cancelled with its group. */
static void
notice_silent_end(struct model_node *n)
{
    if (n->kind == M_OP && n->loose && !n->done && n->adopts == NULL &&
        n->policy == P_NO_CANCELLER && vetch_deferred_is_canceled(n->deferred))
        settle(n, canceled, false);
}

/* ---- tasks ---- */

void
model_task_begin(struct model_node *task)
{
    MODEL_CHECK(!task->begun, "a task began twice");
    MODEL_CHECK(!task->done && (!task->canceled || model.ending),
                "a task began that had been cancelled before");
    if (task->seq != 0 && !model.ending) {
        MODEL_CHECK(task->seq > model.last_seq, "a task began out of turn");
        model.last_seq = task->seq;
    }
    task->begun = true;
    task->running = true;
}

/* The request reaches the await that waits, and only that one. */
static void
tell_task(struct model_node *task)
{
    task->canceled = false;
    task->told = true;
    model_cancel_child(task, 0);
}

void
model_task_await(struct model_node *task, struct model_node *child)
{
    task->n_children = 0;
    task->child_left[0] = false;
    task->told = false;
    model_add_child(task, child);
    task->awaiting = true;
    if (task->canceled)
        tell_task(task);
}

void
model_task_resume(struct model_node *task, struct model_outcome given)
{
    struct model_node *child = task->children[0];
    struct model_outcome o = canceled;

    MODEL_CHECK(task->awaiting, "a task went on that did not wait");
    task->awaiting = false;
    task->n_children = 0;
    if (!task->child_left[0]) {
        child->n_consumers--;
        notice_silent_end(child);
        o = model_resolve(child);
    }
    if (task->told && o.state == VETCH_FULFILLED)
        o = canceled;
    if (model.ending || model.rough ||
        (task->loose && model_is(given, VETCH_ECANCELED)))
        return;
    MODEL_CHECK(o.state != VETCH_PENDING, "an await came back too early");
    MODEL_CHECK(model_same(o, given),
                "an await gave state %d, code %d instead of state %d, code %d",
                given.state, given.code, o.state, o.code);
}

/* ---- what combinators end with ---- */

/* No child outlives its combinator, unless it is shared. */
static void
check_children_stopped(struct model_node *g)
{
    for (unsigned i = 0; i < g->n_children; i++) {
        struct model_node *child = g->children[i];

        if (g->child_left[i] || child->held > 0)
            continue;
        notice_silent_end(child);
        if (child->loose && child->chain != NULL)
            MODEL_CHECK(child->chain->ended, "a child was not waited for");
        else
            MODEL_CHECK(model_resolve(child).state != VETCH_PENDING,
                        "a child was not waited for");
    }
}

static struct model_outcome
child_outcome(struct model_node *g, unsigned i)
{
    return g->child_left[i] ? canceled : model_resolve(g->children[i]);
}

static bool
is_a_child_s(struct model_node *g, struct model_outcome given)
{
    bool may_be_canceled = false;

    for (unsigned i = 0; i < g->n_children; i++) {
        if (model_same(child_outcome(g, i), given))
            return true;
        may_be_canceled = may_be_canceled || g->children[i]->loose;
    }
    return may_be_canceled && model_is(given, VETCH_ECANCELED);
}

static void
check_results(struct model_node *g, const vetch_results *r)
{
    MODEL_CHECK(vetch_results_count(r) == g->n_children, "too few results");
    for (unsigned i = 0; i < g->n_children; i++) {
        struct model_outcome o = child_outcome(g, i), seen;

        if (g->loose && g->kind == M_ALL_SETTLED)
            continue; /* its children may have been cancelled */
        seen.state = vetch_results_state(r, i);
        seen.value = vetch_results_value(r, i);
        seen.code = vetch_error_code(vetch_results_error(r, i));
        MODEL_CHECK(model_same(seen, o), "a result is not the child's");
    }
}

static void
check_any_failed(struct model_node *g)
{
    for (unsigned i = 0; i < g->n_children; i++)
        MODEL_CHECK(g->children[i]->loose ||
                        child_outcome(g, i).state == VETCH_REJECTED,
                    "a child did not fail");
}

/* A timeout converts its own cancel only. */
static void
check_timeout(struct model_node *t, struct model_outcome given)
{
    struct model_outcome o = child_outcome(t, 0);

    if (o.state == VETCH_FULFILLED && (t->canceled || t->expired))
        o = canceled;
    if (t->expired && !t->canceled && model_is(o, VETCH_ECANCELED))
        o = model_rejected(VETCH_ETIMEDOUT);
    MODEL_CHECK(model_same(o, given) || t->loose,
                "a timeout gave code %d and not %d", given.code, o.code);
}

/* A scope ends with the first error, if there was one, even when it was
 * cancelled as well; what a child does when it is cancelled is no error. */
static void
check_scope(struct model_node *g, struct model_outcome given)
{
    if (model_is(given, VETCH_ECANCELED)) {
        MODEL_CHECK(g->canceled || g->loose, "a cancel from nowhere");
    } else if (given.state == VETCH_REJECTED) {
        MODEL_CHECK(is_a_child_s(g, given), "this is no child's error");
        return;
    } else {
        MODEL_CHECK(!g->canceled, "a cancel was lost");
    }
    for (unsigned i = 0; i < g->n_children; i++) {
        struct model_outcome o = child_outcome(g, i);

        MODEL_CHECK(g->loose || g->children[i]->loose ||
                        o.state != VETCH_REJECTED || o.code == VETCH_ECANCELED,
                    "an error was lost");
    }
}

static void
check_outcome(struct model_node *g, struct model_outcome given)
{
    if (g->kind == M_TIMEOUT)
        check_timeout(g, given);
    else if (g->kind == M_SCOPE)
        check_scope(g, given);
    else if (g->canceled || model_is(given, VETCH_ECANCELED))
        MODEL_CHECK(model_is(given, VETCH_ECANCELED) &&
                        (g->canceled || g->loose || is_a_child_s(g, given)),
                    "a cancel from nowhere, or one that was lost");
    else if (g->kind == M_ANY && model_is(given, VETCH_EAGGREGATE))
        check_any_failed(g);
    else if (g->kind >= M_RACE || given.state == VETCH_REJECTED)
        MODEL_CHECK(is_a_child_s(g, given), "this is no child's outcome");
    else
        check_results(g, given.value);
}

void
model_observe(struct model_node *n, struct model_outcome given)
{
    if (n->done)
        return;
    if (is_group(n) && !model.ending && !model.rough) {
        check_children_stopped(n);
        check_outcome(n, given);
    }
    settle(n, given, false);
}

/* ---- cancelling ---- */

static bool
is_wanted_by_others(const struct model_node *source)
{
    return source->held > 0 || source->n_consumers > 1;
}

/* Whoever was the last to wait no longer sees how it ends. */
static void
stop_consuming(struct model_node *source)
{
    if (--source->n_consumers == 0)
        source->ever_consumed = false;
}

static void
leave(struct model_node *n, struct model_node *source)
{
    stop_consuming(source);
    if (n->begun || !has_handler(n, canceled)) {
        settle(n, canceled, true);
        return;
    }
    n->left = true;
    put_on_queue(n);
}

static void
ask(struct model_node *op)
{
    if (op->expect_asked)
        return;
    op->expect_asked = true;
    if (op->policy == P_NO_CANCELLER)
        settle(op, canceled, true);
}

void
model_cancel_child(struct model_node *group, unsigned i)
{
    struct model_node *child = group->children[i];

    if (model.rough || group->child_left[i] || child->done)
        return;
    if (is_wanted_by_others(child)) {
        group->child_left[i] = true;
        stop_consuming(child);
    } else {
        model_cancel(child);
    }
}

static void
cancel_top(struct model_node *n)
{
    if (n->kind == M_OP)
        ask(n);
    else if (is_group(n))
        for (unsigned i = 0; i < n->n_children; i++)
            model_cancel_child(n, i);
    else
        settle(n, canceled, true); /* what only waits stops at once */
}

void
model_cancel(struct model_node *n)
{
    for (;;) {
        struct model_node *source;

        if (n->done || model.rough)
            return;
        n->canceled = true;
        source = n->adopts;
        if (source == NULL && n->kind == M_TASK) {
            if (n->awaiting)
                tell_task(n);
            return; /* else the next await will hear of it */
        }
        if (source == NULL && !is_link(n)) {
            cancel_top(n);
            return;
        }
        if (source == NULL)
            source = n->source;
        if (n->running || (n->left && !n->begun) || source->done)
            return; /* on its way: the mark is enough */
        if (n->kind == M_SHIELD || is_wanted_by_others(source)) {
            leave(n, source);
            return;
        }
        n = source;
    }
}

bool
model_stable(struct model_node *n)
{
    while (!model.rough && (!n->running || n->awaiting)) {
        if ((n->left && !n->begun) || n->child_left[0])
            return false;
        if (!n->awaiting && model_resolve(n).state != VETCH_PENDING)
            return false;
        if (n->awaiting)
            n = n->children[0];
        else if (n->adopts != NULL)
            n = n->adopts;
        else if (is_link(n) && !n->begun)
            n = n->source;
        else
            return n->kind == M_OP || n->kind == M_SLEEP || n->kind == M_TASK;
    }
    return true;
}

bool
model_depends(const struct model_node *n, const struct model_node *other)
{
    if (n == NULL || n->done)
        return false;
    if (n == other)
        return true;
    if (n->kind == M_ACQUIRE)
        return true; /* on those that have a slot, whoever that will be */
    for (unsigned i = 0; i < n->n_children; i++)
        if (model_depends(n->children[i], other))
            return true;
    return model_depends(n->adopts, other) || model_depends(n->source, other);
}

/* ---- what must hold when nothing is ready ---- */

static void
check_link(struct model_node *n)
{
    struct model_outcome o;

    if (n->loose || n->begun || !is_link(n))
        return;
    o = coming(n);
    MODEL_CHECK(o.state == VETCH_PENDING || !has_handler(n, o),
                "a handler was forgotten");
}

/* Whether a child still runs. Loose ones end with their finally. */
static bool
child_runs(struct model_node *group, unsigned i)
{
    struct model_node *child = group->children[i];

    if (group->child_left[i])
        return false;
    if (child->chain != NULL && child->loose)
        return child->chain->ended == 0;
    return model_resolve(child).state == VETCH_PENDING;
}

static bool
decides(const struct model_node *group, struct model_outcome o)
{
    switch (group->kind) {
    case M_ALL:
        return o.state == VETCH_REJECTED;
    case M_SCOPE:
        return o.state == VETCH_REJECTED && o.code != VETCH_ECANCELED;
    case M_ANY:
        return o.state == VETCH_FULFILLED;
    case M_RACE:
        return o.state != VETCH_PENDING;
    default:
        return false;
    }
}

/* The operation that a decided group waits for was asked to stop. */
static void
check_asked(const struct model_node *n)
{
    while (n->adopts != NULL || is_link(n)) {
        const struct model_node *source =
            n->adopts != NULL ? n->adopts : n->source;

        if (n->done || n->kind == M_SHIELD || is_wanted_by_others(source))
            return;
        n = source;
    }
    if (n->kind == M_OP && !n->done && n->born < model.n_drains)
        MODEL_CHECK(n->asked, "a child was not cancelled");
}

static void
check_group(struct model_node *g)
{
    bool runs = false, decided = g->canceled || g->expired;

    if (!is_group(g) || g->done)
        return;
    for (unsigned i = 0; i < g->n_children; i++) {
        runs = runs || child_runs(g, i);
        decided = decided || decides(g, model_resolve(g->children[i]));
    }
    for (unsigned i = 0; decided && !g->decided && i < g->n_children; i++) {
        if (g->loose || g->children[i]->held > 0)
            continue;

        check_asked(g->children[i]);
    }
    g->decided = decided; /* what is begun to clean up is not cancelled again */
    for (unsigned i = 0; decided && i < g->n_children; i++)
        if (g->children[i]->held > 0 && child_runs(g, i))
            g->child_left[i] = true; /* not waited for any more */
    runs = false;
    for (unsigned i = 0; i < g->n_children; i++)
        runs = runs || child_runs(g, i);
    MODEL_CHECK(runs, "a combinator was forgotten");
}

static void
check_task(struct model_node *t)
{
    if (t->kind != M_TASK || t->loose || t->done || t->adopts != NULL)
        return;
    MODEL_CHECK(t->begun, "a task was not started");
    MODEL_CHECK(t->awaiting && child_runs(t, 0), "a task was forgotten");
}

static void
check_held(struct model_node *n)
{
    struct model_outcome o;

    if (n->held == 0)
        return;
    o = model_resolve(n);
    MODEL_CHECK(vetch_promise_state(n->promise) == o.state,
                "a promise is in state %d and not %d",
                vetch_promise_state(n->promise), o.state);
    if (o.state == VETCH_FULFILLED)
        MODEL_CHECK(vetch__outcome(n->promise)->u.value.data == o.value,
                    "a promise has another value"); /* without getting it */
    if (o.state == VETCH_REJECTED && n->observed)
        MODEL_CHECK(vetch_error_code(vetch_promise_error(n->promise)) == o.code,
                    "a promise has another error");
}

void
model_check_quiet(void)
{
    for (size_t i = 0; i < model.n_nodes; i++)
        notice_silent_end(&model.nodes[i]);
    for (size_t i = 0; !model.rough && i < model.n_nodes; i++) {
        struct model_node *n = &model.nodes[i];

        if (!n->done) {
            (void)model_resolve(n);
            check_link(n);
            check_group(n);
            check_task(n);
            if (n->kind == M_OP && n->expect_asked && !n->done)
                MODEL_CHECK(n->asked || n->adopts != NULL,
                            "an operation was not asked to stop");
        }
        check_held(n);
    }
}

static bool
is_unobserved(const struct model_node *n)
{
    return n->done && n->outcome.state == VETCH_REJECTED &&
           n->outcome.code != VETCH_ECANCELED && !n->ever_consumed &&
           !n->observed && n->kind != M_END;
}

/* When a group decides is open, and so is whether it was still there to see the
 * failure of a child that others hold as well. */
static bool
is_a_child_that_failed(const struct model_node *n, int code)
{
    return (n->loose || n->was_child) && model_is(n->outcome, code);
}

static bool
may_be_reported(int code)
{
    if (code == VETCH_ECYCLE || code == VETCH_EAGGREGATE ||
        code == VETCH_ETIMEDOUT)
        return true; /* of a ring, which the model does not know */
    for (size_t i = 0; i < model.n_nodes; i++)
        if (is_a_child_that_failed(&model.nodes[i], code))
            return true;
    return false;
}

void
model_check_reports(int *codes, size_t n)
{
    if (model.rough)
        return;
    for (size_t i = 0; i < model.n_nodes; i++) {
        size_t at = 0;

        if (!is_unobserved(&model.nodes[i]))
            continue;
        while (at < n && codes[at] != model.nodes[i].outcome.code)
            at++;
        MODEL_CHECK(at < n, "a rejection was not reported: %d",
                    model.nodes[i].outcome.code);
        codes[at] = codes[--n];
    }
    for (size_t i = 0; i < n; i++)
        MODEL_CHECK(may_be_reported(codes[i]), "a report too many: %d",
                    codes[i]);
}
