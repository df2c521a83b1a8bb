/* Tasks and scopes of the randomised test. A task is a handler that takes its
 * time: while it waits, its await is its child. */

#include "promise/model/world.h"

/* ---- tasks ---- */

static void
go_on(void)
{
    MODEL_CHECK(!world.over, "a task ran after the end of its reactor");
    MODEL_CHECK(world.depth++ == 0, "a task ran inside a handler");
}

/* What it waits for may not outlive what waits for the task. */
static struct cursor
awaitable(struct model_node *task)
{
    struct model_chain *parent =
        task->chain != NULL && task->chain->exclusive ? task->chain : NULL;
    struct cursor c = { NULL, NULL };
    unsigned kind = pw_below(100);

    if (kind < 15)
        return pw_new_ready(true);
    if (kind < 30)
        c = pw_another(task);
    if (c.p != NULL)
        return c;
    c = kind < 40 ? pw_new_task(true) : pw_new_op(true);
    if (kind < 40 || kind > 75)
        c = pw_random_chain(c, true, parent);
    return c;
}

static void
use(void *value)
{
    pw_seen(value);
    if (pw_is_ours(value))
        pw_value_free(value);
    else if ((uintptr_t)value > 1000)
        vetch_unref(value);
}

static struct model_outcome
await_something(struct model_node *task)
{
    struct cursor c = awaitable(task);
    struct model_outcome given;
    vetch_error *error;
    void *value;

    model_task_await(task, c.n);
    world.depth--;
    value = vetch_await(c.p, &error);
    go_on();
    given = error == NULL ? model_fulfilled(value)
                          : model_rejected(vetch_error_code(error));
    vetch_error_unref(error);
    if (model_is(given, VETCH_EMISUSE)) /* others hold the value, too */
        given = model_resolve(c.n);
    model_task_resume(task, given);
    use(value);
    return given;
}

static vetch_promise *
end_of(struct model_node *task, struct model_outcome last)
{
    struct model_outcome o;
    struct cursor c;
    int code = pw_random_code();

    switch (pw_below(pw_is_full() || model.ending ? 3 : 4)) {
    case 0:
        model_answer(task, model_fulfilled(NULL));
        return NULL;
    case 1:
        o = model_fulfilled(pw_value_new());
        model_answer(task, o);
        return vetch_resolved(o.value, pw_value_free);
    case 2:
        if (model_is(last, VETCH_ECANCELED))
            code = VETCH_ECANCELED;
        model_answer(task, model_rejected(code));
        return vetch_rejected(pw_error_of(code));
    default:
        c = pw_new_op(task->loose);
        if (task->chain != NULL && task->chain->exclusive)
            c.n->chain = task->chain;
        model_answer_with(task, c.n);
        return c.p;
    }
}

static vetch_promise *
body(void *ctx)
{
    struct model_node *task = ctx;
    struct model_outcome last = model_fulfilled(NULL);
    vetch_promise *p;

    go_on();
    model_task_begin(task);
    for (unsigned n = pw_below(4); n > 0; n--) {
        while (!model.ending && pw_chance(20))
            pw_do_something_inside();
        if (model.ending || pw_is_full())
            break;
        last = await_something(task);
        if (model_is(last, VETCH_ECANCELED) && pw_chance(60))
            break; /* else it refuses */
    }
    p = end_of(task, last);
    world.depth--;
    return p;
}

struct cursor
pw_new_task(bool loose)
{
    struct model_node *n = model_new(M_TASK, loose);

    world.tasks[world.n_tasks++] = n;
    if (!loose)
        n->seq = ++model.seq;
    return (struct cursor){ vetch_spawn(body, n), n };
}

/* ---- scopes ---- */

vetch_promise *
pw_scope_of(struct model_node *g, vetch_promise *const *promises, size_t n)
{
    g->scope = vetch_scope_new();
    MODEL_CHECK(g->scope != NULL, "no memory");
    world.scopes[world.n_scopes++] = g;
    for (size_t i = 0; i < n; i++)
        vetch_scope_add(g->scope, promises[i]);
    return vetch_scope_end(g->scope);
}

void
pw_add_to_scope(void)
{
    struct model_node *g;
    struct cursor c;

    if (world.n_scopes == 0 || pw_is_full() || model.rough)
        return; /* (or it is not known whether the scope has ended) */
    g = world.scopes[pw_below((unsigned)world.n_scopes)];
    if (g->done || g->decided || g->canceled || g->n_children == MAX_CHILDREN)
        return;
    c = pw_chance(50) ? pw_new_task(true) : pw_new_op(true);
    c = pw_random_chain(c, true, NULL);
    model_add_child(g, c.n);
    vetch_scope_add(g->scope, c.p);
}

void
pw_release_scopes(void)
{
    for (size_t i = 0; i < world.n_scopes; i++)
        vetch_scope_unref(world.scopes[i]->scope);
}
