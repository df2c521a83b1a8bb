/* Tasks: waiting in the middle of a function. */

#include "support/harness.h"

#include <errno.h>
#include <fenv.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vetch/testing.h>

#include "promise/sanitizer-private.h"
#include "promise/stack-private.h"

#define STACK (VETCH__SANITIZED_FACTOR * 65536)

static char order[64];

static void
note(char c)
{
    size_t len = strlen(order);

    ck_assert_uint_lt(len, sizeof(order) - 1);
    order[len] = c;
    order[len + 1] = '\0';
}

static void *
run(vetch_promise *p)
{
    vetch_error *error;
    void *value = vetch_run(p, &error);

    ck_assert_msg(error == NULL, "%s", vetch_error_text(error));
    return value;
}

static int
run_error(vetch_promise *p)
{
    vetch_error *error;
    int code;

    vetch_run(p, &error);
    code = vetch_error_code(error);
    vetch_error_unref(error);
    return code;
}

static vetch_promise *
number(intptr_t n)
{
    return vetch_resolved((void *)n, NULL);
}

/* ---- basics ---- */

VT_CASE("basics", vt_reactor_tcase);

static vetch_promise *
return_42(void *ctx)
{
    (void)ctx;
    note('b');
    return number(42);
}

VT_TEST(spawn_starts_the_body_later)
{
    vetch_promise *p;

    order[0] = '\0';
    p = vetch_spawn(return_42, NULL);
    ck_assert_str_eq(order, "");
    ck_assert_int_eq((intptr_t)run(p), 42);
    ck_assert_str_eq(order, "b");
}

static vetch_promise *
return_nothing(void *ctx)
{
    *(bool *)ctx = vetch_in_task();
    return NULL;
}

VT_TEST(in_task_is_true_only_inside)
{
    bool inside = false;

    ck_assert(!vetch_in_task());
    ck_assert_ptr_null(run(vetch_spawn(return_nothing, &inside)));
    ck_assert(inside);
    ck_assert(!vetch_in_task());
}

static vetch_promise *
fail_with_user_error(void *ctx)
{
    (void)ctx;
    return vetch_rejected(vetch_error_new(VETCH_EUSER, "no"));
}

VT_TEST(a_body_may_reject)
{
    ck_assert_int_eq(run_error(vetch_spawn(fail_with_user_error, NULL)),
                     VETCH_EUSER);
}

static vetch_promise *
sleep_twice(void *ctx)
{
    vetch_error *error;

    (void)ctx;
    note('1');
    vetch_await(vetch_sleep(1), &error);
    ck_assert_ptr_null(error);
    note('2');
    vetch_await(vetch_sleep(1), &error);
    ck_assert_ptr_null(error);
    note('3');
    return NULL;
}

VT_TEST(await_suspends_the_task_and_not_the_loop)
{
    vetch_promise *p;

    order[0] = '\0';
    p = vetch_spawn(sleep_twice, NULL);
    vt_run_ready();
    note('x');
    vt_advance(1);
    note('y');
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vt_advance(1);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    ck_assert_str_eq(order, "1x2y3");
    vetch_promise_unref(p);
}

/* A stack frame that a neighbour would trample on. */
static intptr_t
deep(int depth)
{
    volatile char frame[256];

    memset((char *)frame, depth, sizeof(frame));
    if (depth == 0)
        return (intptr_t)vetch_await(vetch_then(vetch_sleep(1), NULL, NULL),
                                     NULL);
    deep(depth - 1);
    for (size_t i = 0; i < sizeof(frame); i++)
        ck_assert_int_eq(frame[i], (char)depth);
    return depth;
}

static vetch_promise *
wait_deep(void *ctx)
{
    return number(deep((int)(intptr_t)ctx));
}

VT_TEST(await_works_from_nested_functions)
{
    vetch_promise *tasks[20];

    for (int i = 0; i < 20; i++)
        tasks[i] = vetch_spawn(wait_deep, (void *)(intptr_t)(i + 1));
    vt_advance(1);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq((intptr_t)run(tasks[i]), i + 1);
}

static vetch_promise *
await_others(void *ctx)
{
    vetch_promise **others = ctx;
    intptr_t sum = 0;

    for (int i = 0; i < 3; i++)
        sum += (intptr_t)vetch_await(others[i], NULL);
    return number(sum);
}

VT_TEST(a_task_awaits_several_tasks)
{
    vetch_promise *others[3], *p;

    for (int i = 0; i < 3; i++)
        others[i] = vetch_spawn(wait_deep, (void *)(intptr_t)(i + 1));
    p = vetch_spawn(await_others, others);
    vt_advance(1);
    ck_assert_int_eq((intptr_t)run(p), 6);
}

VT_TEST(a_task_that_ends_early_keeps_its_outcome)
{
    vetch_promise *others[3], *p;

    others[0] = vetch_spawn(wait_deep, (void *)1);
    others[1] = number(10);
    others[2] = vetch_spawn(return_42, NULL);
    vt_run_ready();
    p = vetch_spawn(await_others, others);
    vt_advance(1);
    ck_assert_int_eq((intptr_t)run(p), 53);
}

static vetch_promise *
round_upwards(void *ctx)
{
    (void)ctx;
    ck_assert_int_eq(fegetround(), FE_TONEAREST);
    fesetround(FE_UPWARD);
    vetch_await(vetch_sleep(1), NULL);
    ck_assert_int_eq(fegetround(), FE_UPWARD);
    return NULL;
}

VT_TEST(a_task_has_floating_point_modes_of_its_own)
{
    for (int i = 0; i < 2; i++) { /* the second finds the stack of the first */
        vetch_promise *p = vetch_spawn(round_upwards, NULL);

        vt_run_ready();
        ck_assert_int_eq(fegetround(), FE_TONEAREST);
        vt_advance(1);
        run(p);
    }
}

static vetch_promise *
await_ready_for_ever(void *ctx)
{
    bool *stop = ctx;

    while (!*stop)
        vetch_await(number(1), NULL);
    return NULL;
}

static void
set(void *ctx)
{
    *(bool *)ctx = true;
}

VT_TEST(awaits_that_never_wait_let_others_have_a_turn)
{
    bool stop = false;
    vetch_promise *p = vetch_spawn(await_ready_for_ever, &stop);

    vetch_call_soon(set, &stop);
    run(p);
}

VT_TEST(await_outside_a_task_is_misuse)
{
    vetch_error *error;

    ck_assert_ptr_null(vetch_await(vetch_sleep(1), &error));
    ck_assert_int_eq(vetch_error_code(error), VETCH_EMISUSE);
    vetch_error_unref(error);
    vt_advance(1);
}

static vetch_promise *
await_shared(void *ctx)
{
    vetch_error *error;

    ck_assert_ptr_null(vetch_await(vetch_promise_ref(ctx), &error));
    ck_assert_int_eq(vetch_error_code(error), VETCH_EMISUSE);
    vetch_error_unref(error);
    return NULL;
}

VT_TEST(await_of_a_shared_value_is_misuse)
{
    vetch_promise *shared = vetch_resolved(malloc(1), free);

    run(vetch_spawn(await_shared, shared));
    vetch_promise_unref(shared);
}

static vetch_promise *
await_value(void *ctx)
{
    char *value = vetch_await(ctx, NULL);

    ck_assert_str_eq(value, "mine");
    free(value);
    return NULL;
}

VT_TEST(await_hands_the_value_over)
{
    run(vetch_spawn(await_value, vetch_resolved(strdup("mine"), free)));
}

/* ---- cancelling ---- */

VT_CASE("cancel", vt_reactor_tcase);

static vetch_promise *
clean_up(void *ctx)
{
    vetch_error *error;

    vetch_await(vetch_sleep(10), &error);
    ck_assert_int_eq(vetch_error_code(error), VETCH_ECANCELED);
    note('c');
    vetch_await(vetch_sleep(1), NULL); /* a clean-up that takes time */
    note('d');
    *(int *)ctx += 1;
    return vetch_rejected(error);
}

VT_TEST(cancel_is_delivered_at_the_await)
{
    int cleaned = 0;
    vetch_promise *p = vetch_spawn(clean_up, &cleaned);

    order[0] = '\0';
    vt_run_ready();
    vetch_promise_cancel(p);
    vt_run_ready();
    ck_assert_str_eq(order, "c");
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vt_advance(1);
    ck_assert_str_eq(order, "cd");
    ck_assert_int_eq(cleaned, 1);
    ck_assert_int_eq(run_error(p), VETCH_ECANCELED);
}

static vetch_promise *
carry_on(void *ctx)
{
    int *refused = ctx;

    for (int i = 0; i < 3; i++) {
        vetch_error *error;

        vetch_await(vetch_sleep(10), &error);
        if (vetch_error_code(error) == VETCH_ECANCELED)
            ++*refused;
        vetch_error_unref(error);
    }
    return number(7);
}

VT_TEST(cancel_can_be_refused_and_asked_again)
{
    int refused = 0;
    vetch_promise *p = vetch_spawn(carry_on, &refused);

    vt_run_ready();
    vetch_promise_cancel(p);
    vt_run_ready();
    vetch_promise_cancel(p);
    vt_run_ready();
    ck_assert_int_eq(refused, 2);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vt_advance(10);
    ck_assert_int_eq((intptr_t)run(p), 7);
}

static vetch_promise *
return_8(void *value, void *ctx)
{
    (void)value;
    (void)ctx;
    return number(8);
}

static vetch_promise *
refuse_and_go_on_elsewhere(void *ctx)
{
    vetch_error *error;

    (void)ctx;
    vetch_await(vetch_sleep(10), &error);
    ck_assert_int_eq(vetch_error_code(error), VETCH_ECANCELED);
    vetch_error_unref(error);
    return vetch_then(vetch_sleep(10), return_8, NULL);
}

VT_TEST(cancel_that_was_refused_does_not_reach_what_the_task_returns)
{
    vetch_promise *p = vetch_spawn(refuse_and_go_on_elsewhere, NULL);

    vt_run_ready();
    vetch_promise_cancel(p);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vt_advance(10);
    ck_assert_int_eq((intptr_t)run(p), 8);
}

VT_TEST(cancel_before_the_start_means_never_called)
{
    vetch_promise *p = vetch_spawn(return_42, NULL);

    order[0] = '\0';
    vetch_promise_cancel(p);
    ck_assert_int_eq(run_error(p), VETCH_ECANCELED);
    ck_assert_str_eq(order, "");
}

static vetch_promise *self;

static vetch_promise *
cancel_self(void *ctx)
{
    vetch_error *error;

    (void)ctx;
    vetch_promise_cancel(self);
    vetch_await(number(1), &error);
    return vetch_rejected(error);
}

VT_TEST(cancel_of_itself_is_delivered_by_the_next_await)
{
    self = vetch_spawn(cancel_self, NULL);
    ck_assert_int_eq(run_error(self), VETCH_ECANCELED);
}

static int freed;

static void
count_free(void *value)
{
    freed++;
    free(value);
}

static vetch_promise *
await_given(void *ctx)
{
    vetch_error *error;

    ck_assert_ptr_null(vetch_await(ctx, &error));
    return vetch_rejected(error);
}

static void
ignore_cancel(vetch_deferred *d, void *ctx)
{
    (void)d;
    (void)ctx;
}

VT_TEST(a_value_that_comes_after_the_cancel_is_freed)
{
    vetch_deferred *d = vetch_deferred_new(ignore_cancel, NULL);
    vetch_promise *p = vetch_spawn(await_given, vetch_deferred_promise(d));

    freed = 0;
    vt_run_ready();
    vetch_promise_cancel(p);
    vt_run_ready();
    ck_assert_int_eq(vetch_promise_state(p), VETCH_PENDING);
    vetch_deferred_resolve(d, malloc(1), count_free);
    vetch_deferred_unref(d);
    ck_assert_int_eq(run_error(p), VETCH_ECANCELED);
    ck_assert_int_eq(freed, 1);
}

VT_TEST(cancel_leaves_a_shared_promise_alone)
{
    vetch_promise *shared = vetch_sleep(5);
    vetch_promise *p = vetch_spawn(await_given, vetch_promise_ref(shared));

    vt_run_ready();
    vetch_promise_cancel(p);
    ck_assert_int_eq(run_error(p), VETCH_ECANCELED);
    ck_assert_int_eq(vetch_promise_state(shared), VETCH_PENDING);
    vt_advance(5);
    ck_assert_int_eq(vetch_promise_state(shared), VETCH_FULFILLED);
    vetch_promise_unref(shared);
}

/* ---- lifetime ---- */

VT_CASE("lifetime", vt_reactor_tcase);

static vetch_promise *
wait_long(void *ctx)
{
    vetch_error *error;

    vetch_await(vetch_sleep(1000), &error);
    if (ctx != NULL)
        ++*(int *)ctx;
    return vetch_rejected(error);
}

VT_TEST(dropping_the_promise_lets_the_task_run_on)
{
    int ended = 0;

    vetch_promise_unref(vetch_then(vetch_spawn(carry_on, &ended), NULL, NULL));
    vt_advance(30);
    ck_assert_int_eq(ended, 0);
}

VT_TEST(the_end_of_the_reactor_cancels_tasks)
{
    int ended = 0;
    vetch_promise *p = vetch_spawn(wait_long, &ended);

    vt_run_ready();
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_int_eq(ended, 1);
    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    vetch_promise_unref(p);
}

static vetch_promise *
stubborn(void *ctx)
{
    vetch_task_set_name("the stubborn one");
    for (;;)
        vetch_await(vetch_deferred_promise(ctx), NULL);
    return NULL;
}

VT_TEST(a_task_that_refuses_to_end_is_named)
{
    vetch_deferred *d = vetch_deferred_new(ignore_cancel, NULL);
    vetch_promise *p = vetch_spawn(stubborn, d);

    vt_run_ready();
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "the stubborn one"));
    ck_assert_int_eq(vetch_promise_state(p), VETCH_REJECTED);
    vetch_promise_unref(p);
    vetch_deferred_unref(d);
}

#ifdef VETCH__TSAN
enum { CROWD = 4000 }; /* to the thread sanitizer each is a thread */
#else
enum { CROWD = 100000 };
#endif

VT_TEST(a_hundred_thousand_tasks_sleep_at_once)
{
    enum { N = CROWD };
    vetch_promise **tasks = calloc(N, sizeof(tasks[0]));
    int ended = 0;

    ck_assert_ptr_nonnull(tasks);
    for (size_t i = 0; i < N; i++)
        tasks[i] = vetch_spawn(wait_long, &ended);
    vt_run_ready();
    vt_advance(0);
    vt_advance(1000);
    for (size_t i = 0; i < N; i++) {
        /* Where guard pages are dear, the last ones were refused. */
        if (vetch_promise_state(tasks[i]) == VETCH_REJECTED &&
            vetch_error_code(vetch_promise_error(tasks[i])) == EAGAIN)
            ended++;
        vetch_promise_unref(tasks[i]);
    }
    ck_assert_int_eq(ended, N);
    free(tasks);
}

/* Takes more stack than there is. Called through a pointer and with its frame,
 * so that no compiler makes a loop of it, or does without the frame. */
static int descend(int depth, const char *above);
static int (*volatile deeper)(int depth, const char *above) = descend;

static int
descend(int depth, const char *above)
{
    char frame[512];

    memset(frame, above[0], sizeof(frame));
    return depth == 0 ? frame[0] : deeper(depth - 1, frame) + frame[0];
}

static char *first_frame;

static void
on_overflow(int signum, siginfo_t *info, void *ucontext)
{
    ptrdiff_t below = first_frame - (char *)info->si_addr;

    (void)signum;
    (void)ucontext;
    _exit(below > STACK - 8192 && below < STACK + 8192 ? 0 : 1);
}

static vetch_promise *
overflow(void *ctx)
{
    static char stack[65536];
    stack_t other = { .ss_sp = stack, .ss_size = sizeof(stack) };
    struct sigaction action = { .sa_flags = SA_SIGINFO | SA_ONSTACK };

    (void)ctx;
    first_frame = __builtin_frame_address(0);
    action.sa_sigaction = on_overflow;
    if (sigaltstack(&other, NULL) < 0 || sigaction(SIGSEGV, &action, NULL) < 0)
        _exit(3);
    return number(descend(10 * STACK / 512, ""));
}

/* valgrind has bounds and guards of its own. */
VT_TEST(a_task_that_overflows_its_stack_hits_the_guard,
        .unless = vt_on_valgrind)
{
    pid_t pid = fork();
    int status;

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        vt_reactor = vetch_reactor_unref(vt_reactor);
        vt_reactor = vetch_reactor_new();
        if (vt_reactor != NULL)
            vetch_run(vetch_spawn(overflow, NULL), NULL);
        _exit(2);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}

/* Jumps over a page, or over many, and writes at the far end first. */
static void __attribute__((noinline)) write_far_below(void)
{
    char frame[STACK + 8192];

    memset(frame, 'X', 16);
    __asm__ volatile("" : : "r"(frame) : "memory");
}

static vetch_promise *
have_a_large_frame(void *ctx)
{
    (void)ctx;
    write_far_below();
    return NULL;
}

static vetch_promise *
keep_a_local(void *ctx)
{
    volatile char mine = 'n';

    (void)ctx;
    vetch_await(vetch_sleep(1), NULL);
    _exit(mine == 'n' ? 4 : 5);
    return NULL;
}

VT_TEST(a_large_frame_does_not_reach_beyond_the_guard, .unless = vt_on_valgrind)
{
    pid_t pid = fork();
    int status;

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        vt_reactor = vetch_reactor_unref(vt_reactor);
        vt_reactor = vetch_reactor_new();
        signal(SIGSEGV, SIG_DFL); /* whoever else looks at it */
        for (int i = 0; i < 8; i++)
            vetch_promise_unref(
                vetch_spawn(i == 4 ? have_a_large_frame : keep_a_local, NULL));
        vetch_run(vetch_sleep(2), NULL);
        _exit(6);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGSEGV);
}

VT_TEST(one_task_more_than_an_old_kernel_can_have_is_a_rejection,
        .unless = vt_on_valgrind)
{
    vetch_promise *scope_end, *p = NULL;
    vetch_scope *scope = vetch_scope_new();
    size_t n = 0;

    vetch__stacks_guard_by_mapping = true;
    for (;;) {
        p = vetch_spawn(wait_long, NULL);
        if (vetch_promise_state(p) == VETCH_REJECTED)
            break;
        vetch_scope_add(scope, p);
        n++;
    }
    ck_assert_uint_gt(n, 1000);
    ck_assert_int_eq(run_error(p), EAGAIN);
    vetch_scope_cancel(scope);
    scope_end = vetch_scope_end(scope);
    ck_assert_int_eq(run_error(scope_end), VETCH_ECANCELED);
    order[0] = '\0';
    ck_assert_int_eq((intptr_t)run(vetch_spawn(return_42, NULL)), 42);
    vetch_scope_unref(scope);
    vetch__stacks_guard_by_mapping = false;
}

static vetch_promise *
use_stack(void *ctx)
{
    vetch_task_set_name("the hungry one");
    return number(descend((int)(intptr_t)ctx, ""));
}

VT_TEST(debugging_tells_how_much_stack_was_needed)
{
    const char *log;

    vt_log_from(VETCH_LOG_DEBUG);
    vetch_reactor_set_debug(vt_reactor, true);
    run(vetch_spawn(use_stack, (void *)20));
    log = vt_log_take();
    ck_assert_ptr_nonnull(strstr(log, "the hungry one used"));
    run(vetch_spawn(use_stack, (void *)1));
    ck_assert_ptr_null(strstr(vt_log_take(), "the hungry one used"));
    vt_reactor = vetch_reactor_unref(vt_reactor);
    ck_assert_ptr_nonnull(strstr(vt_log_take(), "tasks used at most"));
}

VT_TEST(the_stack_size_is_set_before_the_first_spawn)
{
    ck_assert_int_eq(vetch_task_set_stack_size(100), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(vetch_task_set_stack_size(1 << 20), 0);
    order[0] = '\0';
    run(vetch_spawn(return_42, NULL));
    ck_assert_int_eq(vetch_task_set_stack_size(1 << 20), -1);
    ck_assert_int_eq(errno, EBUSY);
}

static void
spawn_await_and_look(bool unharmed)
{
    vetch_promise *p = vetch_spawn(return_42, NULL);
    vetch_error *error;
    intptr_t value;

    order[0] = '\0';
    value = (intptr_t)vetch_run(p, &error);
    if (unharmed)
        ck_assert_int_eq(value, 42);
    else if (value != 42)
        ck_assert_int_eq(vetch_error_code(error), VETCH_ENOMEM);
    vetch_error_unref(error);
}

VT_TEST(no_memory_for_a_task_is_a_rejection)
{
    vt_sweep_allocations(spawn_await_and_look);
}
