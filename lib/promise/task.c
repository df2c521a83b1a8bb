/* Tasks: functions with a stack of their own, that can wait in the middle.
 *
 * A task runs while the ready queue calls into it: vetch_await() leaves a watch
 * (which lies in the task itself) on the promise and switches back to the
 * reactor's stack; the watch's function switches to the task again. So at most
 * one task runs at a time, and what it waits for is an ordinary waiter: order,
 * cancelling and the handing over of values are the promises'.
 *
 * The task's data lies at the top of its stack. A stack that has run a task
 * stays inside task_main(), ready for the next one: starting a task is then one
 * switch, without anything to prepare.
 *
 * vetch_try() ends a task in the middle. Nothing is unwound: the task switches
 * to the reactor's stack for good, which begins the stack anew, below the
 * task's data, to run what was deferred. The same happens to a task that has
 * not ended when its reactor does, and to a deferred function that fails:
 *
 *   NEW --> RUNNING <--> AWAITING
 *             |   ^ \        |
 *             |   |  LEAVING <+ at the end of the reactor
 *             v   +----/ to run what was deferred
 *           ENDED */
#include <vetch/task.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>

#include <vetch/log.h>

#include "base/check-private.h"
#include "base/error-private.h"
#include "promise/context-private.h"
#include "promise/promise-private.h"
#include "promise/sanitizer-private.h"
#include "promise/stack-private.h"

#define DEFAULT_STACK ((size_t)VETCH__SANITIZED_FACTOR * 65536)
#define MIN_STACK     16384
#define MAX_STACK     (1 << 30)
/* How many awaits in a row may find their promise settled before one of them
 * lets the others have a turn. */
#define READY_IN_A_ROW 256
/* So many deferred functions fit without an allocation. */
#define DEFERRALS 6

struct deferral {
    vetch_call_fn fn;
    void *arg;
};

struct deferrals {
    struct deferrals *below;
    size_t n;
    struct deferral entries[DEFERRALS];
};

enum task_state {
    TASK_NEW,
    TASK_RUNNING,
    TASK_AWAITING,
    TASK_LEAVING, /* its frames are given up */
    TASK_ENDED
};

struct task {
    struct vetch__stack stack;
    struct vetch__context context;
    struct vetch__fiber fiber;
    vetch_promise watch;
    struct vetch__list link; /* among the tasks that have not ended */
    struct vetch__joint joint;
    vetch_task_fn body;
    void *ctx;
    const char *name;
    vetch_promise *given;   /* to the await: a settled promise */
    vetch_promise *outcome; /* what the body returned */
    vetch_error *failure;   /* of a try; it takes the place of the outcome */
    struct deferrals first;
    struct deferrals *deferrals; /* NULL: there is nothing to run */
    unsigned n_ready;
    enum task_state state;
    bool cancel_pending; /* to be delivered by the next await */
};

struct vetch__tasks {
    struct vetch__context context; /* of the reactor's stack */
    struct vetch__fiber fiber;
    struct vetch__stacks *stacks;
    struct vetch__list live;
    size_t stack_bytes;
    size_t most_used;
    bool leaked; /* a job that cannot be stopped uses a task's stack */
};

/* ---- switching ---- */

static void
switch_to_task(vetch_reactor *r, struct task *t)
{
    struct vetch__tasks *tasks = r->tasks;

    r->task = t;
    vetch__fiber_leave(&tasks->fiber, &t->fiber);
    vetch__context_switch(&tasks->context, &t->context);
    vetch__fiber_arrive(&tasks->fiber, NULL);
    r->task = NULL;
}

static void
switch_to_reactor(struct vetch__tasks *tasks, struct task *t)
{
    vetch__fiber_leave(&t->fiber, &tasks->fiber);
    vetch__context_switch(&t->context, &tasks->context);
    vetch__fiber_arrive(&t->fiber, &tasks->fiber);
}

/* The frames of this task do not return. */
static void __attribute__((noreturn))
leave_frames(struct vetch__tasks *tasks, struct task *t)
{
    t->state = TASK_LEAVING;
    vetch__fiber_leave_for_good(&t->fiber, &tasks->fiber);
    vetch__context_switch(&t->context, &tasks->context);
    abort();
}

/* ---- deferred functions ---- */

static bool
deferral_push(struct task *t, vetch_call_fn fn, void *arg)
{
    struct deferrals *top = t->deferrals;

    if (top == NULL || top->n == DEFERRALS) {
        struct deferrals *more = &t->first;

        if (top != NULL)
            more = vetch__malloc(sizeof(*more));
        if (more == NULL)
            return false;
        more->below = top;
        more->n = 0;
        t->deferrals = top = more;
    }
    top->entries[top->n++] = (struct deferral){ fn, arg };
    return true;
}

/* There is one. */
static struct deferral
deferral_pop(struct task *t)
{
    struct deferrals *top = t->deferrals;
    struct deferral last = top->entries[--top->n];

    if (top->n == 0) {
        t->deferrals = top->below;
        if (top != &t->first)
            vetch__free(top);
    }
    return last;
}

static vetch_promise *task_wait_for(vetch_reactor *r, struct task *t,
                                    vetch_promise *p);

/* The outcome may still use what the deferred functions release. */
static void
run_deferrals(struct task *t)
{
    vetch_promise *outcome = t->outcome;

    if (outcome != NULL && !vetch__settled(outcome)) {
        t->outcome = NULL; /* the watch has it */
        t->outcome = task_wait_for(vetch__reactor, t, outcome);
    }
    while (t->deferrals != NULL) {
        struct deferral last = deferral_pop(t);

        last.fn(last.arg);
    }
}

/* What runs on every task's stack, one task after the other. */
static void
task_main(void *arg)
{
    struct task *t = arg;

    vetch__fiber_arrive(&t->fiber, &vetch__reactor->tasks->fiber);
    for (;;) {
        if (t->state == TASK_NEW) {
            t->state = TASK_RUNNING;
            t->outcome = t->body(t->ctx);
        }
        if (vetch__unlikely(t->deferrals != NULL))
            run_deferrals(t);
        t->state = TASK_ENDED;
        switch_to_reactor(vetch__reactor->tasks, t);
    }
}

/* ---- the life of a task ---- */

static const char *
task_name(const struct task *t)
{
    Dl_info info;

    if (t->name != NULL)
        return t->name;
    if (dladdr((const void *)(uintptr_t)t->body, &info) != 0 &&
        info.dli_sname != NULL)
        return info.dli_sname;
    return "a task";
}

static void
task_measure(vetch_reactor *r, struct task *t)
{
    struct vetch__tasks *tasks = r->tasks;
    size_t used = vetch__stack_used(&t->stack);

    if (used <= tasks->most_used)
        return;
    tasks->most_used = used;
    vetch_log(VETCH_LOG_DEBUG, "task %s used %zu of %zu bytes of stack",
              task_name(t), used, tasks->stack_bytes);
}

static void
task_end(vetch_reactor *r, struct task *t)
{
    vetch_deferred *d = t->joint.deferred;
    vetch_promise *outcome = t->outcome;
    vetch_error *failure = t->failure;

    if (vetch__unlikely(r->debug))
        task_measure(r, t);
    vetch__list_remove(&t->link);
    vetch__stack_give(r->tasks->stacks, &t->stack);
    if (failure != NULL)
        vetch_deferred_reject(d, failure);
    else if (outcome == NULL)
        vetch_deferred_resolve(d, NULL, NULL);
    else
        vetch_deferred_follow(d, outcome);
    vetch_deferred_unref(d);
}

/* Nothing is on the stack. */
static void
begin_stack(struct task *t)
{
    vetch__fiber_new(&t->fiber, t->stack.low, &t->stack);
    vetch__context_make(&t->context, t->stack.low, &t->stack, task_main, t);
    t->stack.fresh = false;
}

/* Until it awaits or has ended. */
static void
run_task(vetch_reactor *r, struct task *t)
{
    switch_to_task(r, t);
    while (vetch__unlikely(t->state == TASK_LEAVING)) {
        vetch__stack_forget_frames(t->stack.low, &t->stack);
        if (t->deferrals == NULL) {
            t->stack.fresh = true;
            t->state = TASK_ENDED;
            return;
        }
        begin_stack(t);
        switch_to_task(r, t);
    }
}

static void
task_resume(vetch_reactor *r, struct task *t)
{
    uint64_t started = r->debug ? vetch__clock_fresh(r) : 0;

    run_task(r, t);
    if (vetch__unlikely(r->debug))
        vetch__slow_check(r, (const void *)(uintptr_t)t->body, started);
    if (t->state == TASK_ENDED)
        task_end(r, t);
}

static bool
awaited_input(const struct vetch__joint *j, const void **cursor,
              vetch_promise **ret_input)
{
    struct task *t = vetch__container(j, struct task, joint);

    return vetch__only_input(t->state == TASK_AWAITING ? &t->watch : NULL,
                             cursor, ret_input);
}

static void
task_begin(void *ctx, vetch_promise *source)
{
    vetch_reactor *r = vetch__reactor;
    struct task *t = vetch__container(ctx, struct task, joint);

    if (t->cancel_pending || r->finishing) {
        t->outcome = &vetch__canceled;
        task_end(r, t);
        return;
    }
    (void)source; /* an immortal */
    vetch__joint_begin(&t->joint, awaited_input);
    if (t->stack.fresh)
        begin_stack(t);
    else
        vetch__context_renew(&t->context, t->stack.low, &t->stack, task_main,
                             t);
    task_resume(r, t);
}

static void
task_awaited(void *ctx, vetch_promise *source)
{
    vetch_reactor *r = vetch__reactor;
    struct task *t = vetch__container(ctx, struct task, joint);

    if (r->finishing) { /* it had its time: it loses its stack */
        vetch_promise_unref(source);
        return;
    }
    t->state = TASK_RUNNING;
    t->given = source;
    task_resume(r, t);
}

/* The request reaches the await that waits now. If the task refuses it, it is
 * over: what the task returns in the end is not cancelled by it. */
static void
deliver_cancel(vetch_reactor *r, struct task *t)
{
    t->cancel_pending = false;
    vetch__deferred_node(t->joint.deferred)->object.flags &=
        (uint8_t)~VETCH__CANCELING;
    vetch__promise_cancel_node(r, &t->watch);
}

/* Each request is delivered: a task may refuse one and be asked again. */
static void
cancel_task(vetch_deferred *d, void *ctx)
{
    struct task *t = vetch__container(ctx, struct task, joint);

    (void)d;
    if (t->state == TASK_AWAITING)
        deliver_cancel(vetch__reactor, t);
    else
        t->cancel_pending = true;
}

static struct vetch__tasks *
tasks_of(vetch_reactor *r)
{
    struct vetch__tasks *tasks = r->tasks;

    if (tasks != NULL)
        return tasks;
    tasks = vetch__calloc(1, sizeof(*tasks));
    if (tasks == NULL)
        return NULL;
    tasks->stack_bytes = DEFAULT_STACK;
    vetch__list_init(&tasks->live);
    r->tasks = tasks;
    return tasks;
}

static struct task *
task_new(vetch_reactor *r)
{
    struct vetch__tasks *tasks = tasks_of(r);
    struct vetch__stack *stack;
    struct task *t;

    if (tasks == NULL)
        return NULL;
    if (tasks->stacks == NULL)
        tasks->stacks =
            vetch__stacks_new(tasks->stack_bytes, sizeof(struct task));
    if (tasks->stacks == NULL)
        return NULL;
    stack = vetch__stack_take(tasks->stacks);
    if (stack == NULL)
        return NULL;
    t = vetch__container(stack, struct task, stack);
    /* No joint before it has begun: until then it waits for nothing. */
    t->joint.deferred = vetch_deferred_new(cancel_task, &t->joint);
    if (t->joint.deferred == NULL) {
        vetch__stack_give(tasks->stacks, stack);
        return NULL;
    }
    return t;
}

vetch_promise *
vetch_spawn(vetch_task_fn body, void *ctx)
{
    vetch_reactor *r = vetch__reactor;
    struct task *t;
    vetch_promise *p;

    VETCH_CHECK(body != NULL, EINVAL, &vetch__misused);
    if (r == NULL)
        return vetch__failed(EPERM, "spawn");
    t = task_new(r);
    if (t == NULL)
        return vetch__failed(errno, "spawn");
    t->body = body;
    t->ctx = ctx;
    t->name = NULL;
    t->outcome = NULL;
    t->failure = NULL;
    t->deferrals = NULL;
    t->n_ready = 0;
    t->state = TASK_NEW;
    t->cancel_pending = false;
    vetch__list_append(&r->tasks->live, &t->link);
    p = vetch_deferred_promise(t->joint.deferred);
    VETCH__NAME(p, "task %s", task_name(t));
    vetch__join_in(r, &t->watch, &vetch__nothing, task_begin, &t->joint);
    return p;
}

/* ---- inside a task ---- */

static struct task *
current_task(void)
{
    vetch_reactor *r = vetch__reactor;

    return r == NULL ? NULL : r->task;
}

bool
vetch_in_task(void)
{
    return current_task() != NULL;
}

void
vetch_task_set_name(const char *name)
{
    struct task *t = current_task();

    if (t == NULL)
        return;
    t->name = name;
    VETCH__NAME(vetch__deferred_node(t->joint.deferred), "task %s",
                task_name(t));
}

/* Wait in the ready queue or in the promise's list; returns what settled. */
static vetch_promise *
task_suspend(vetch_reactor *r, struct task *t, vetch_promise *p)
{
    t->n_ready = 0;
    p = vetch__unless_cycle(p, &t->joint);
    t->state = TASK_AWAITING;
    vetch__join_in(r, &t->watch, p, task_awaited, &t->joint);
    if (t->cancel_pending)
        deliver_cancel(r, t);
    switch_to_reactor(r->tasks, t);
    vetch__cancel_reopen(vetch__deferred_node(t->joint.deferred));
    return t->given;
}

/* The same, where the reactor may have no time left. Apart, so that an await of
 * what is settled saves no register. */
static vetch_promise *__attribute__((noinline))
task_wait_for(vetch_reactor *r, struct task *t, vetch_promise *p)
{
    if (vetch__likely(!r->finishing))
        return task_suspend(r, t, p);
    if (vetch__settled(p))
        return p;
    vetch_promise_unref(p);
    return &vetch__closed;
}

/* NULL, or the error. `p` may be NULL, as what a handler returns. */
static vetch_error *
await(struct task *t, vetch_promise *p, void **ret_value)
{
    vetch_error *error;

    if (p == NULL)
        p = &vetch__nothing;
    if (!vetch__settled(p) || t->cancel_pending ||
        ++t->n_ready == READY_IN_A_ROW)
        p = task_wait_for(vetch__reactor, t, p);
    if (vetch__unlikely(!vetch__promise_take(p, ret_value, &error)))
        error = vetch_error_ref(&vetch__error_shared);
    return error;
}

void *
vetch_await(vetch_promise *p, vetch_error **ret_error)
{
    struct task *t = current_task();
    vetch_error *error;
    void *value = NULL;

    if (vetch__likely(t != NULL)) {
        error = await(t, p, &value);
    } else {
        vetch_promise_unref(p);
        error = vetch_error_ref(&vetch__error_misuse);
    }
    vetch__error_hand_over(error, ret_error);
    return value;
}

/* The first failure counts; others on the way out are told with it. Consumes
 * `error`. */
static void
fail_task(struct task *t, vetch_error *error)
{
    const vetch_error *others[] = { error };
    vetch_error *first = t->failure;

    if (first == NULL && t->outcome != NULL &&
        vetch_promise_state(t->outcome) == VETCH_REJECTED)
        first = vetch_error_ref(vetch_promise_error(t->outcome));
    if (t->outcome != NULL)
        t->outcome = vetch_promise_unref(t->outcome);
    t->failure = error;
    if (first == NULL)
        return;
    t->failure = vetch_error_aggregate(first, others, 1);
    vetch_error_unref(error);
    vetch_error_unref(first);
}

void *
vetch_try(vetch_promise *p)
{
    struct task *t = current_task();
    vetch_error *error;
    void *value;

    if (vetch__unlikely(t == NULL))
        vetch_promise_unref(p);
    VETCH_CHECK(t != NULL, EPERM, NULL);
    value = vetch_await(p, &error);
    if (vetch__likely(error == NULL))
        return value;
    fail_task(t, error);
    leave_frames(vetch__reactor->tasks, t);
}

void
vetch_defer(vetch_call_fn fn, void *arg)
{
    struct task *t = current_task();

    VETCH_CHECK(t != NULL, EPERM, );
    VETCH_CHECK(fn != NULL, EINVAL, );
    if (vetch__likely(deferral_push(t, fn, arg)))
        return;
    fn(arg);
    fail_task(t, vetch_error_ref(&vetch__error_no_memory));
    leave_frames(vetch__reactor->tasks, t);
}

int
vetch_task_set_stack_size(size_t bytes)
{
    vetch_reactor *r = vetch__reactor;
    struct vetch__tasks *tasks;

    if (r == NULL || bytes < MIN_STACK || bytes > MAX_STACK) {
        errno = r == NULL ? EPERM : EINVAL;
        return -1;
    }
    tasks = tasks_of(r);
    if (tasks == NULL)
        return -1;
    if (tasks->stacks != NULL) {
        errno = EBUSY;
        return -1;
    }
    tasks->stack_bytes = VETCH__SANITIZED_FACTOR * bytes;
    return 0;
}

/* ---- the end of the reactor ---- */

/* A thread may still use what this task owns. */
static bool
waits_for_leaked_job(const struct task *t)
{
    const vetch_promise *p = &t->watch;

    while (p->object.flags & VETCH__WAITING)
        p = vetch__promise_source(p);
    return p->second.state == VETCH__K_PRODUCED &&
           p->second.flags & VETCH__LEAKED;
}

/* What it waits for must not look for a task that has ended. */
static void
stop_awaiting(struct task *t)
{
    if (t->watch.object.flags & VETCH__WAITING)
        vetch__promise_detach(&t->watch);
    else
        t->watch.second.flags &= (uint8_t)~VETCH__PASSED;
}

/* It had its time: all that is left to it is what it deferred. */
static void
abandon_task(vetch_reactor *r, struct task *t)
{
    vetch_log(VETCH_LOG_WARNING, "task %s did not end with its reactor",
              task_name(t));
    if (waits_for_leaked_job(t)) {
        vetch__deferred_leak(t->joint.deferred);
        r->tasks->leaked = true;
        return;
    }
    stop_awaiting(t);
    fail_task(t, vetch_error_ref(&vetch__error_closed));
    vetch__deferred_node(t->joint.deferred)->object.flags |= VETCH__OBSERVED;
    t->state = TASK_ENDED;
    if (t->deferrals != NULL) {
        t->state = TASK_LEAVING;
        vetch__stack_forget_frames(t->stack.low, &t->stack);
        begin_stack(t);
        run_task(r, t);
    }
    task_end(r, t);
}

/* The youngest first: a task is likely to use what an older one owns. */
void
vetch__tasks_abandon(vetch_reactor *r)
{
    struct vetch__tasks *tasks = r->tasks;
    struct vetch__list *at, *before;

    if (tasks == NULL)
        return;
    for (at = tasks->live.prev; at != &tasks->live; at = before) {
        before = at->prev;
        abandon_task(r, vetch__container(at, struct task, link));
    }
}

void
vetch__tasks_done(vetch_reactor *r)
{
    struct vetch__tasks *tasks = r->tasks;

    if (tasks == NULL)
        return;
    if (r->debug && tasks->most_used > 0)
        vetch_log(VETCH_LOG_DEBUG,
                  "tasks used at most %zu of %zu bytes of stack",
                  tasks->most_used, tasks->stack_bytes);
    if (tasks->leaked)
        vetch__stacks_leak(tasks->stacks);
    else if (tasks->stacks != NULL)
        vetch__stacks_free(tasks->stacks);
    vetch__free(tasks);
    r->tasks = NULL;
}
