/* Stacks of tasks: guards, bounds, the pool. */

#include "support/harness.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise/stack-private.h"

#define STACK_BYTES 65536
#define GUARD_BYTES (UINTPTR_MAX > UINT32_MAX ? 1048576 : 65536)

static struct vetch__stacks *
new_stacks(void)
{
    struct vetch__stacks *s =
        vetch__stacks_new(STACK_BYTES, sizeof(struct vetch__stack));

    ck_assert_ptr_nonnull(s);
    return s;
}

static struct vetch__stack *
take(struct vetch__stacks *s)
{
    struct vetch__stack *stack = vetch__stack_take(s);

    ck_assert_ptr_nonnull(stack);
    return stack;
}

/* ---- guards ---- */

static volatile const char *expected;

static void
on_fault(int signum, siginfo_t *info, void *ucontext)
{
    (void)signum;
    (void)ucontext;
    _exit(info->si_addr == (const void *)(uintptr_t)expected ? 0 : 1);
}

/* Whether touching that is a fault; found out by another process. */
static bool
faults(volatile char *at)
{
    struct sigaction action = { .sa_flags = SA_SIGINFO };
    pid_t pid = fork();
    int status;

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        action.sa_sigaction = on_fault;
        expected = at;
        sigaction(SIGSEGV, &action, NULL);
        *at = *at;
        _exit(2);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_ne(WEXITSTATUS(status), 1);
    return WEXITSTATUS(status) == 0;
}

static void
look_at_guards(void)
{
    struct vetch__stacks *s = new_stacks();

    for (int i = 0; i < 3; i++) {
        struct vetch__stack *stack = take(s);

        ck_assert(!faults(stack->low));
        ck_assert(faults(stack->low - 1));
        ck_assert(faults(stack->low - sysconf(_SC_PAGESIZE)));
        ck_assert(faults(stack->low - GUARD_BYTES));
    }
    vetch__stacks_free(s);
}

static void
forget_the_kernel(void)
{
    vetch__stacks_guard_by_mapping = false;
}

/* A child that a guard has stopped cannot give back what it inherited. */
VT_CASE("guards", vt_tcase, .take_down = forget_the_kernel,
        .unless = vt_on_valgrind);

VT_TEST(a_guard_is_below_each_stack)
{
    look_at_guards();
}

VT_TEST(a_guard_is_below_each_stack_on_an_old_kernel)
{
    vetch__stacks_guard_by_mapping = true;
    look_at_guards();
}

/* valgrind looks through its list of stacks for each. */
VT_TEST(where_there_are_thousands_their_guards_are_a_quarter_as_large,
        .unless = vt_on_valgrind)
{
    struct vetch__stacks *s = new_stacks();
    struct vetch__stack *stack;

    for (int i = 0; i < 4096; i++)
        stack = take(s);
    ck_assert(faults(stack->low - GUARD_BYTES));
    stack = take(s);
    ck_assert(faults(stack->low - 1));
    ck_assert(faults(stack->low - GUARD_BYTES / 4));
    vetch__stacks_free(s);
}

/* ---- bounds ---- */

static size_t
count_mappings(void)
{
    FILE *f = fopen("/proc/self/maps", "re");
    size_t n = 0;
    int c;

    ck_assert_ptr_nonnull(f);
    while ((c = getc(f)) != EOF)
        n += c == '\n';
    fclose(f);
    return n;
}

static bool
can_guard_without_mapping(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool can = madvise(page, 4096, 102) == 0; /* MADV_GUARD_INSTALL */

    munmap(page, 4096);
    return can;
}

VT_CASE("limits", vt_tcase, .take_down = forget_the_kernel);

VT_TEST(guards_cost_no_mappings_where_the_kernel_can_do_without,
        .unless = vt_on_valgrind)
{
    enum { N = 6400 };
    struct vetch__stacks *s = new_stacks();
    size_t before = count_mappings();

    for (int i = 0; i < N; i++)
        take(s);
    if (can_guard_without_mapping())
        ck_assert_uint_le(count_mappings() - before, N / 64 + 10);
    vetch__stacks_free(s);
}

/* Takes stacks until there are no more; returns how many there were. */
static size_t
take_all(struct vetch__stacks *s)
{
    size_t n = 0;

    errno = 0;
    while (vetch__stack_take(s) != NULL)
        n++;
    ck_assert_int_eq(errno, EAGAIN);
    return n;
}

/* valgrind knows 30,000 mappings at most. */
VT_TEST(on_an_old_kernel_stacks_end_before_the_mappings,
        .unless = vt_on_valgrind)
{
    struct vetch__stacks *s;
    void *still;
    size_t n;

    vetch__stacks_guard_by_mapping = true;
    s = new_stacks();
    n = take_all(s);
    ck_assert_uint_gt(n, 1000);
    /* The rest of the program still has room. */
    for (int i = 0; i < 1000; i++) {
        still = mmap(NULL, 4096, i % 2 == 0 ? PROT_READ : PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ck_assert_ptr_ne(still, MAP_FAILED);
    }
    vetch__stacks_free(s);
    s = new_stacks();
    ck_assert_uint_eq(take_all(s), n);
    vetch__stacks_free(s);
}

VT_TEST(on_an_old_kernel_all_reactors_share_the_bound, .unless = vt_on_valgrind)
{
    struct vetch__stacks *one, *other;
    struct vetch__stack *stack;

    vetch__stacks_guard_by_mapping = true;
    one = new_stacks();
    other = new_stacks();
    take_all(one);
    ck_assert_ptr_null(vetch__stack_take(other));
    ck_assert_int_eq(errno, EAGAIN);
    vetch__stacks_free(one);
    stack = take(other);
    vetch__stack_give(other, stack);
    vetch__stacks_free(other);
}

/* ---- the pool ---- */

VT_CASE("pool", vt_tcase);

VT_TEST(the_stack_used_last_is_taken_first)
{
    struct vetch__stacks *s = new_stacks();
    struct vetch__stack *a = take(s), *b = take(s);

    vetch__stack_give(s, a);
    vetch__stack_give(s, b);
    ck_assert_ptr_eq(take(s), b);
    ck_assert_ptr_eq(take(s), a);
    vetch__stacks_free(s);
}

static bool
is_resident(char *page)
{
    unsigned char vec = 0;

    ck_assert_int_eq(mincore(page, 1, &vec), 0);
    return vec & 1;
}

VT_TEST(free_stacks_beyond_the_cap_give_their_pages_back)
{
    enum { N = VETCH__WARM_STACKS + 500 };
    struct vetch__stacks *s = new_stacks();
    struct vetch__stack **taken = calloc(N, sizeof(struct vetch__stack *));
    size_t n_fresh = 0, n_resident = 0;

    ck_assert_ptr_nonnull(taken);
    for (size_t i = 0; i < N; i++) {
        taken[i] = take(s);
        taken[i]->low[0] = 1;
        taken[i]->fresh = false; /* as its user says */
    }
    for (size_t i = 0; i < N; i++)
        vetch__stack_give(s, taken[i]);
    for (size_t i = 0; i < N; i++) {
        n_resident += is_resident(taken[i]->low);
        n_fresh += taken[i]->fresh;
    }
    ck_assert_uint_ge(n_resident, VETCH__WARM_STACKS - 64);
    ck_assert_uint_le(n_resident, VETCH__WARM_STACKS);
    ck_assert_uint_eq(n_fresh + n_resident, N);
    vetch__stacks_free(s);
    free(taken);
}

VT_TEST(the_high_water_mark_is_where_the_stack_was_touched)
{
    struct vetch__stacks *s = new_stacks();
    struct vetch__stack *stack = take(s);

    ck_assert_uint_eq(vetch__stack_used(stack), 0);
    ((char *)stack)[-1000] = 1;
    ck_assert_uint_eq(vetch__stack_used(stack), 1000);
    stack->low[0] = 1;
    ck_assert_uint_gt(vetch__stack_used(stack), STACK_BYTES - 8192);
    vetch__stacks_free(s);
}
