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
 * switch, without anything to prepare. */
#include <vetch/task.h>

#include <dlfcn.h>
#include <errno.h>

#include <vetch/log.h>

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
    vetch_promise *given; /* to the await: a settled promise; or the outcome */
    unsigned n_ready;
    bool awaiting;
    bool begun;
    bool ended;
    bool cancel_pending; /* to be delivered by the next await */
};

struct vetch__tasks {
    struct vetch__context context; /* of the reactor's stack */
    struct vetch__fiber fiber;
    struct vetch__stacks *stacks;
    struct task *current;
    struct vetch__list live;
    size_t stack_bytes;
    size_t most_used;
};

/* ---- switching ---- */

static void
switch_to_task(struct vetch__tasks *tasks, struct task *t)
{
    tasks->current = t;
    vetch__fiber_leave(&tasks->fiber, &t->fiber);
    vetch__context_switch(&tasks->context, &t->context);
    vetch__fiber_arrive(&tasks->fiber, NULL);
    tasks->current = NULL;
}

static void
switch_to_reactor(struct vetch__tasks *tasks, struct task *t)
{
    vetch__fiber_leave(&t->fiber, &tasks->fiber);
    vetch__context_switch(&t->context, &tasks->context);
    vetch__fiber_arrive(&t->fiber, &tasks->fiber);
}

/* What runs on every task's stack, one task after the other. */
static void
task_main(void *arg)
{
    struct task *t = arg;

    vetch__fiber_arrive(&t->fiber, &vetch__reactor->tasks->fiber);
    for (;;) {
        t->given = t->body(t->ctx);
        t->ended = true;
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
measure(vetch_reactor *r, struct task *t)
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
    vetch_promise *outcome = t->given;

    if (vetch__unlikely(r->debug))
        measure(r, t);
    vetch__list_remove(&t->link);
    vetch__stack_give(r->tasks->stacks, &t->stack);
    if (outcome == NULL)
        vetch_deferred_resolve(d, NULL, NULL);
    else
        vetch_deferred_follow(d, outcome);
    vetch_deferred_unref(d);
}

static void
resume(vetch_reactor *r, struct task *t)
{
    uint64_t started = r->debug ? vetch__clock_fresh(r) : 0;

    switch_to_task(r->tasks, t);
    if (vetch__unlikely(r->debug))
        vetch__slow_check(r, (const void *)(uintptr_t)t->body, started);
    if (t->ended)
        task_end(r, t);
}

static void
begin(void *ctx, size_t index, vetch_promise *source)
{
    vetch_reactor *r = vetch__reactor;
    struct task *t = vetch__container(ctx, struct task, joint);

    (void)index;
    if (t->cancel_pending || r->finishing) {
        t->given = &vetch__canceled;
        task_end(r, t);
        return;
    }
    (void)source; /* an immortal */
    t->begun = true;
    if (t->stack.fresh) {
        vetch__context_make(&t->context, t->stack.low, &t->stack, task_main, t);
        vetch__fiber_new(&t->fiber, t->stack.low, &t->stack);
        t->stack.fresh = false;
    } else {
        vetch__context_renew(&t->context, t->stack.low, &t->stack, task_main,
                             t);
    }
    resume(r, t);
}

static void
awaited(void *ctx, size_t index, vetch_promise *source)
{
    vetch_reactor *r = vetch__reactor;
    struct task *t = vetch__container(ctx, struct task, joint);

    (void)index;
    if (r->finishing) { /* it had its time: it loses its stack */
        vetch_promise_unref(source);
        return;
    }
    t->awaiting = false;
    t->given = source;
    vetch__cancel_reopen(vetch__deferred_node(t->joint.deferred));
    resume(r, t);
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
    if (t->awaiting)
        deliver_cancel(vetch__reactor, t);
    else
        t->cancel_pending = true;
}

static bool
awaited_input(const struct vetch__joint *j, const void **cursor,
              vetch_promise **ret_input)
{
    struct task *t = vetch__container(j, struct task, joint);

    return vetch__only_input(t->awaiting ? &t->watch : NULL, cursor, ret_input);
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
    if (vetch__joint_start(&t->joint, cancel_task, awaited_input) == NULL) {
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

    if (r == NULL)
        return vetch__failed(EPERM, "spawn");
    t = task_new(r);
    if (t == NULL)
        return vetch__failed(errno, "spawn");
    t->body = body;
    t->ctx = ctx;
    t->name = NULL;
    t->given = NULL;
    t->n_ready = 0;
    t->awaiting = t->begun = t->ended = t->cancel_pending = false;
    vetch__list_append(&r->tasks->live, &t->link);
    p = vetch_deferred_promise(t->joint.deferred);
    VETCH__NAME(p, "task %s", task_name(t));
    vetch__join_embedded(r, &t->watch, &vetch__nothing, begin, &t->joint);
    return p;
}

/* ---- inside a task ---- */

static struct task *
current_task(void)
{
    vetch_reactor *r = vetch__reactor;

    return r == NULL || r->tasks == NULL ? NULL : r->tasks->current;
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
suspend(vetch_reactor *r, struct task *t, vetch_promise *p)
{
    t->n_ready = 0;
    p = vetch__unless_cycle(p, &t->joint);
    t->awaiting = true;
    vetch__join_embedded(r, &t->watch, p, awaited, &t->joint);
    if (t->cancel_pending)
        deliver_cancel(r, t);
    switch_to_reactor(r->tasks, t);
    return t->given;
}

void *
vetch_await(vetch_promise *p, vetch_error **ret_error)
{
    struct task *t = current_task();
    vetch_error *error = NULL;
    void *value = NULL;

    if (vetch__unlikely(t == NULL)) {
        vetch_promise_unref(p);
        error = vetch_error_ref(&vetch__error_misuse);
        goto out;
    }
    if (!vetch__settled(p) || t->cancel_pending ||
        ++t->n_ready == READY_IN_A_ROW)
        p = suspend(vetch__reactor, t, p);
    if (vetch__unlikely(!vetch__promise_take(p, &value, &error)))
        error = vetch_error_ref(&vetch__error_shared);
out:
    if (ret_error != NULL)
        *ret_error = error;
    else
        vetch_error_unref(error);
    return value;
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

void
vetch__tasks_done(vetch_reactor *r)
{
    struct vetch__tasks *tasks = r->tasks;

    if (tasks == NULL)
        return;
    while (!vetch__list_empty(&tasks->live)) {
        struct task *t = vetch__container(tasks->live.next, struct task, link);

        vetch_log(VETCH_LOG_WARNING, "task %s did not end with its reactor",
                  task_name(t));
        vetch__list_remove(&t->link);
        vetch_deferred_unref(t->joint.deferred);
    }
    if (r->debug && tasks->most_used > 0)
        vetch_log(VETCH_LOG_DEBUG,
                  "tasks used at most %zu of %zu bytes of stack",
                  tasks->most_used, tasks->stack_bytes);
    if (tasks->stacks != NULL)
        vetch__stacks_free(tasks->stacks);
    vetch__free(tasks);
    r->tasks = NULL;
}
