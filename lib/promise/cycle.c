/* Circular waits: whether a promise that is about to be waited for waits, by
 * whatever way, for the one that is about to wait.
 *
 * Two walks take turns, a step each: one goes up from what is to be waited for,
 * through its sources and the inputs of joints; the other goes down from who is
 * to wait, through waiters and from inputs to their joints. The first that
 * comes to its end without having met the other's start has the answer, so a
 * check costs no more than the smaller of the two regions: a loop by recursion,
 * which hangs on a long tail, asks what it adopts; a long chain, of which many
 * take the end, asks them.
 *
 * Neither allocates. The upward walk marks what it has seen, and takes the
 * marks off by repeating its steps; the downward one needs none, because
 * promises alone make a tree: only joints can be reached twice. */
#include <vetch/error.h>

#include "promise/promise-private.h"

enum step { GO_ON, NOT_FOUND, FOUND };

struct walk {
    const vetch_promise *goal;
    vetch_promise *at;   /* what is looked at next; NULL: this way has ended */
    vetch_promise *root; /* downward: of the tree that is walked */
    struct vetch__joint *joint; /* upward: whose inputs are walked */
    const void *cursor;         /* among them */
    struct vetch__joint *first; /* all that were met */
    struct vetch__joint *last;
    bool mark; /* upward: set marks, or take them off */
};

static void
remember_joint(struct walk *w, struct vetch__joint *j)
{
    j->next = NULL;
    if (w->last == NULL)
        w->first = j;
    else
        w->last->next = j;
    w->last = j;
}

static struct vetch__joint *
joint_of(const vetch_promise *p)
{
    if (p->second.state != VETCH__K_JOINT || vetch__settled(p))
        return NULL;
    return p->u.producer.ctx;
}

/* ---- upward ---- */

static enum step
next_way_up(struct walk *w)
{
    if (w->joint == NULL && (w->joint = w->first) == NULL)
        return NOT_FOUND;
    if (w->joint->next_input(w->joint, &w->cursor, &w->at))
        return GO_ON;
    w->cursor = NULL;
    w->joint = w->joint->next;
    return w->joint == NULL ? NOT_FOUND : GO_ON;
}

/* The source, or the next one in the list at whose end one finds it: a step
 * must not take longer in a long list, nor be taken twice for its members. */
static vetch_promise *
towards_source(const vetch_promise *p)
{
    if (vetch__tagged(p->prev))
        return vetch__untag(p->prev);
    if (vetch__tagged(p->next))
        return vetch__untag(vetch__untag(p->next)->prev);
    return p->next;
}

static enum step
step_up(struct walk *w)
{
    vetch_promise *p = w->at;
    struct vetch__joint *j;
    bool seen;

    if (p == NULL)
        return next_way_up(w);
    w->at = NULL;
    if (p == w->goal)
        return FOUND;
    seen = p->second.flags & VETCH__SEEN;
    if (seen == w->mark || vetch__promise_is_immortal(p))
        return GO_ON;
    p->second.flags ^= VETCH__SEEN;
    if (p->object.flags & VETCH__WAITING) {
        w->at = towards_source(p);
    } else if ((j = joint_of(p)) != NULL) {
        if (j->below)
            return FOUND;
        remember_joint(w, j);
    }
    return GO_ON;
}

static void
take_marks_off(vetch_promise *q, size_t n_steps)
{
    struct walk up = { .at = q };

    while (n_steps-- > 0)
        step_up(&up);
}

/* ---- downward ---- */

static enum step
meet_joint(struct walk *w, const vetch_promise *input)
{
    vetch_promise *p = vetch__deferred_node(vetch__input_owner(input));
    struct vetch__joint *j = joint_of(p);

    if (p == w->goal || p->second.flags & VETCH__SEEN)
        return FOUND;
    if (j != NULL && !j->below) {
        j->below = true;
        remember_joint(w, j);
    }
    return GO_ON;
}

static enum step
next_tree(struct walk *w)
{
    w->joint = w->joint == NULL ? w->first : w->joint->next;
    if (w->joint == NULL)
        return NOT_FOUND;
    w->at = w->root = vetch__deferred_node(w->joint->deferred);
    return GO_ON;
}

/* Down to the first waiter, over to the next, up again. */
static enum step
step_down(struct walk *w)
{
    vetch_promise *p = w->at;

    if (p == w->goal)
        return FOUND;
    if (p->second.state == VETCH__K_INPUT && meet_joint(w, p) == FOUND)
        return FOUND;
    if (p->tail != NULL) {
        w->at = vetch__first_waiter(p);
        return GO_ON;
    }
    while (p != w->root && vetch__next_waiter(p) == NULL)
        p = vetch__promise_source(p);
    if (p == w->root)
        return next_tree(w);
    w->at = vetch__next_waiter(p);
    return GO_ON;
}

/* Most are a chain of a few links on one operation, or on what has settled: a
 * look without marks tells that such a one does not wait for p. */
static bool
is_short_chain(const vetch_promise *q, const vetch_promise *p)
{
    for (int i = 0; i < 8 && q != p; i++) {
        if ((q->object.flags & VETCH__WAITING) == 0)
            return joint_of(q) == NULL;
        q = towards_source(q);
    }
    return false;
}

bool
vetch__waits_by_detour(vetch_promise *q, vetch_promise *p)
{
    struct walk up = { .goal = p, .at = q, .mark = true };
    struct walk down = { .goal = q, .at = p, .root = p };
    enum step step;
    size_t n_up = 0;

    if (is_short_chain(q, p))
        return false;
    do {
        step = step_up(&up);
        n_up++;
        if (step == GO_ON)
            step = step_down(&down);
    } while (step == GO_ON);
    take_marks_off(q, n_up);
    for (struct vetch__joint *j = down.first; j != NULL; j = j->next)
        j->below = false;
    return step == FOUND;
}

vetch_error *
vetch__error_cycle(void)
{
    return vetch_error_new(VETCH_ECYCLE, "a promise waits for itself");
}

/* Not cancelled: what it waits for is told why this ends. */
vetch_promise *
vetch__refuse_cycle(vetch_promise *p)
{
    vetch_promise_unref(p);
    return vetch_rejected(vetch__error_cycle());
}
