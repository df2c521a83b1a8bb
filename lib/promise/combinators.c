/* all, all_settled, race, any and map: one group of children under one
 * deferred.
 *
 * A group watches its children. What decides it differs by kind; what follows
 * is the same: the children that are still pending are cancelled, and the
 * group's promise settles when the last of them has, so that no child outlives
 * it. A map is a group that starts its children as others end. */
#include <vetch/combinators.h>

#include <errno.h>
#include <string.h>

#include "base/check-private.h"
#include "base/error-private.h"
#include "promise/promise-private.h"
#include "promise/results-private.h"

enum kind { ALL, ALL_SETTLED, RACE, ANY };

struct group {
    struct vetch__joint joint;
    enum kind kind;
    bool decided;
    bool canceled;    /* from outside */
    bool starting;    /* a map is calling its function */
    size_t n_started; /* children that were handed to us */
    size_t n_settled;
    size_t limit;       /* of a map: how many may be pending at once */
    vetch_map_fn start; /* of a map; else NULL */
    void *start_ctx;
    vetch_error *error; /* what it was decided by, or */
    vetch_promise *winner;
    vetch_error **late; /* errors of losers that did not just stop */
    size_t n_late, late_room;
    vetch_results *results;   /* children that have settled */
    vetch_promise *watches[]; /* of those that have not */
};

static void group_child_settled(void *ctx, size_t i, vetch_promise *child);
static void start_more(struct group *g);

static void
group_cancel_children(struct group *g)
{
    for (size_t i = 0; i < g->n_started; i++)
        if (g->watches[i] != NULL)
            vetch__promise_cancel_node(vetch__reactor, g->watches[i]);
}

static void
group_decide(struct group *g)
{
    if (g->decided)
        return;
    g->decided = true;
    group_cancel_children(g);
}

static size_t
n_expected(const struct group *g)
{
    return g->decided ? g->n_started : g->results->n;
}

/* All errors of an `any` that failed, in one. */
static vetch_error *
group_aggregate(struct group *g)
{
    size_t n = g->results->n;
    const vetch_error **errors = vetch__calloc(n, sizeof(*errors));
    vetch_error *error;

    if (errors == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++)
        errors[i] = vetch_results_error(g->results, i);
    error = vetch_error_aggregate(NULL, errors, n);
    vetch__free(errors);
    return error;
}

/* ---- losers that fail ---- */

/* A child failed, and not by our cancel, when all was decided. */
static void
keep_late_error(struct group *g, const vetch_error *error)
{
    if (vetch__reactor->finishing || vetch_error_code(error) == VETCH_ECANCELED)
        return;
    if (g->n_late == g->late_room) {
        size_t room = g->late_room == 0 ? 4 : 2 * g->late_room;
        vetch_error **late = vetch__realloc(g->late, room * sizeof(*late));

        if (late == NULL) {
            vetch__error_report(vetch__reactor, error);
            return;
        }
        g->late = late;
        g->late_room = room;
    }
    g->late[g->n_late++] = vetch_error_ref(error);
}

/* The outcome is a value, or a cancel: it cannot carry them. */
static void
report_late_errors(struct group *g)
{
    for (size_t i = 0; i < g->n_late; i++)
        vetch__error_report(vetch__reactor, g->late[i]);
}

static void
drop_late_errors(struct group *g)
{
    for (size_t i = 0; i < g->n_late; i++)
        vetch_error_unref(g->late[i]);
    vetch__free(g->late);
}

/* `error` with the late ones as suppressed ones. */
static vetch_error *
with_late_errors(const struct group *g, const vetch_error *error)
{
    if (g->n_late == 0)
        return vetch_error_ref(error);
    return vetch_error_aggregate(error, (const vetch_error *const *)g->late,
                                 g->n_late);
}

/* ---- how it ends ---- */

static void
take_after_winner(struct group *g)
{
    vetch_deferred *d = g->joint.deferred;

    if (g->n_late > 0 && vetch_promise_state(g->winner) == VETCH_REJECTED) {
        vetch_deferred_reject(
            d, with_late_errors(g, vetch_promise_error(g->winner)));
        return;
    }
    report_late_errors(g);
    /* Alone with the winner, its value can be handed on. */
    g->results = vetch_results_unref(g->results);
    vetch_deferred_follow(d, g->winner);
    g->winner = NULL;
}

static void
group_settle(struct group *g)
{
    vetch_deferred *d = g->joint.deferred;

    if (g->canceled) {
        report_late_errors(g);
        vetch_deferred_cancel(d);
    } else if (g->error != NULL) {
        vetch_deferred_reject(d, with_late_errors(g, g->error));
    } else if (g->winner != NULL) {
        take_after_winner(g);
    } else if (g->kind == ANY) {
        vetch_deferred_reject(d, group_aggregate(g));
    } else {
        vetch__results_give(g->results, d);
        g->results = NULL;
    }
}

static void
group_finish(struct group *g)
{
    vetch_deferred *d = g->joint.deferred;

    group_settle(g);
    vetch_promise_unref(g->winner);
    vetch_error_unref(g->error);
    drop_late_errors(g);
    vetch_results_unref(g->results);
    vetch__free(g);
    vetch_deferred_unref(d);
}

/* What a child's end means for the group. */
static void
group_judge(struct group *g, vetch_promise *child)
{
    bool fulfilled = vetch_promise_state(child) == VETCH_FULFILLED;

    if (g->decided) {
        if (!fulfilled)
            keep_late_error(g, vetch_promise_error(child));
        return;
    }
    if (g->kind == RACE || (g->kind == ANY && fulfilled)) {
        g->winner = vetch_promise_ref(child);
        group_decide(g);
    } else if (g->kind == ALL && !fulfilled) {
        g->error = vetch_error_ref(vetch_promise_error(child));
        group_decide(g);
    }
}

static void
group_child_settled(void *ctx, size_t i, vetch_promise *child)
{
    struct group *g = ctx;

    g->watches[i] = NULL;
    g->results->promises[i] = child;
    g->n_settled++;
    group_judge(g, child);
    if (g->start != NULL && !g->decided)
        start_more(g);
    else if (g->n_settled == n_expected(g))
        group_finish(g);
}

static void
cancel_group(vetch_deferred *d, void *ctx)
{
    struct group *g = ctx;

    (void)d;
    g->canceled = true;
    g->decided = true;
    group_cancel_children(g);
    if (g->n_settled == g->n_started && !g->starting)
        group_finish(g);
}

static bool
next_child(const struct vetch__joint *j, const void **cursor,
           vetch_promise **ret_input)
{
    const struct group *g = vetch__container(j, struct group, joint);

    return vetch__input_at(g->watches, g->n_started, cursor, ret_input);
}

/* Watch one more child. Out of memory the group is decided, and a child that
 * cannot be watched has been told to stop. */
static void
group_add(struct group *g, vetch_promise *p)
{
    vetch_reactor *r = vetch__reactor;
    size_t i = g->n_started;

    p = vetch__unless_cycle(p, &g->joint);
    g->watches[i] = vetch__join_at(r, p, group_child_settled, g, i);
    if (g->watches[i] != NULL) {
        g->n_started++;
        return;
    }
    vetch_promise_cancel(p);
    vetch_promise_unref(p);
    if (g->error == NULL)
        g->error = vetch_error_ref(&vetch__error_no_memory);
    group_decide(g);
}

static struct group *
group_new(enum kind kind, size_t n)
{
    struct group *g;

    if (n > (SIZE_MAX - sizeof(*g)) / sizeof(g->watches[0])) {
        errno = ENOMEM;
        return NULL;
    }
    g = vetch__calloc(1, sizeof(*g) + n * sizeof(g->watches[0]));
    if (g == NULL)
        return NULL;
    g->kind = kind;
    g->results = vetch__results_new(n);
    if (g->results != NULL &&
        vetch__joint_start(&g->joint, cancel_group, next_child) != NULL)
        return g;
    vetch_results_unref(g->results);
    vetch__free(g);
    return NULL;
}

static vetch_promise *
combine(enum kind kind, const char *function, vetch_promise *const *promises,
        size_t n)
{
    struct group *g;
    vetch_promise *p;

    if (vetch__promises_missing(function, promises, n))
        return &vetch__misused;
    g = group_new(kind, n);
    if (g == NULL)
        return vetch__promises_stop(promises, n, errno);
    p = vetch_deferred_promise(g->joint.deferred);
    VETCH__NAME(p, "%s of %zu", function + strlen("vetch_"), n);
    for (size_t i = 0; i < n; i++)
        group_add(g, promises[i] != NULL ? promises[i]
                                         : vetch__promise_missing(function));
    if (g->n_settled == n_expected(g))
        group_finish(g);
    return p;
}

vetch_promise *
vetch_all(vetch_promise *const *promises, size_t n)
{
    return combine(ALL, __func__, promises, n);
}

vetch_promise *
vetch_all_settled(vetch_promise *const *promises, size_t n)
{
    return combine(ALL_SETTLED, __func__, promises, n);
}

vetch_promise *
vetch_race(vetch_promise *const *promises, size_t n)
{
    if (n == 0)
        return vetch__failed(EINVAL, "a race without promises");
    return combine(RACE, __func__, promises, n);
}

vetch_promise *
vetch_any(vetch_promise *const *promises, size_t n)
{
    return combine(ANY, __func__, promises, n);
}

/* ---- map ---- */

/* Called from the ready queue only. */
static void
start_more(struct group *g)
{
    size_t n = g->results->n;

    if (vetch__reactor->finishing)
        g->canceled = g->decided = true;
    g->starting = true;
    while (!g->decided && g->n_started < n &&
           g->n_started - g->n_settled < g->limit) {
        vetch_promise *p = g->start(g->n_started, g->start_ctx);

        group_add(g, p == NULL ? vetch_resolved(NULL, NULL) : p);
    }
    g->starting = false;
    if (g->decided)
        group_cancel_children(g); /* the one that was being started, too */
    if (g->n_settled == n_expected(g))
        group_finish(g);
}

static void
map_begin(void *ctx, vetch_promise *source)
{
    struct group *g = ctx;

    (void)source; /* an immortal */
    start_more(g);
}

vetch_promise *
vetch_map(size_t n, size_t limit, vetch_map_fn fn, void *ctx)
{
    struct group *g;
    vetch_promise *p;

    VETCH_CHECK(fn != NULL, EINVAL, &vetch__misused);
    if (limit == 0)
        return vetch__failed(EINVAL, "a map that may start nothing");
    g = group_new(ALL, n);
    if (g == NULL)
        return vetch__failed(errno, "map");
    g->limit = limit;
    g->start = fn;
    g->start_ctx = ctx;
    g->starting = true; /* until map_begin, which finishes it if cancelled */
    p = vetch_deferred_promise(g->joint.deferred);
    VETCH__NAME(p, "map of %zu", n);
    if (vetch__watch(vetch__reactor, &vetch__nothing, map_begin, g) == NULL) {
        g->error = vetch_error_ref(&vetch__error_no_memory);
        group_finish(g);
    }
    return p;
}
