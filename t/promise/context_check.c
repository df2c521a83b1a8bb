/* Whether switching stacks keeps what it must: built and run by
 * switch_stacks.sh for each way of switching and each machine at hand. */
#include <fenv.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unwind.h>

#include "promise/context-private.h"

#define N_CONTEXTS 8
#define ROUNDS     1000

static struct vetch__context home, contexts[N_CONTEXTS];
static char stacks[N_CONTEXTS][65536] __attribute__((aligned(16)));
static long sums[N_CONTEXTS];

static void
fail(const char *what)
{
    fprintf(stderr, "context_check: %s\n", what);
    exit(1);
}

/* Keeps more values alive across a switch than there are registers. */
static void
busy(void *arg)
{
    long id = (long)(intptr_t)arg;
    long a = id, b = id + 1, c = id + 2, d = id + 3, e = id + 4, f = id + 5;
    double x = (double)id, y = x + 0.5, z = x + 0.25, w = x * 3;
    char local[128];

    if (((uintptr_t)__builtin_frame_address(0) & 15) != 0)
        fail("the stack is not aligned");
    for (int i = 0;; i++) {
        memset(local, (int)id, sizeof(local));
        sums[id] = a + b + c + d + e + f;
        vetch__context_switch(&contexts[id], &home);
        if (a != id + i || b != id + 1 || c != id + 2 || d != id + 3 ||
            e != id + 4 || f != id + 5)
            fail("an integer was lost");
        if (x != (double)id || y != x + 0.5 || z != x + 0.25 || w != x * 3)
            fail("a floating-point number was lost");
        for (size_t k = 0; k < sizeof(local); k++)
            if (local[k] != (char)id)
                fail("the stack was written to");
        a++;
    }
}

/* ---- floating-point modes ---- */

static int modes[2]; /* as a context finds them, and as it leaves them */

static void
round_up(void *arg)
{
    (void)arg;
    for (;;) {
        modes[0] = fegetround();
        fesetround(FE_UPWARD);
        vetch__context_switch(&contexts[0], &home);
        modes[1] = fegetround();
        vetch__context_switch(&contexts[0], &home);
    }
}

static void
check_modes(void)
{
    for (int round = 0; round < 2; round++) {
        int mine = round == 0 ? FE_DOWNWARD : FE_TOWARDZERO;

        fesetround(mine);
        if (round == 0)
            vetch__context_make(&contexts[0], stacks[0], stacks[1], round_up,
                                NULL);
        else
            vetch__context_renew(&contexts[0], stacks[0], stacks[1], round_up,
                                 NULL);
        vetch__context_switch(&home, &contexts[0]);
        if (modes[0] != mine)
            fail("a context did not begin with its maker's rounding mode");
        if (fegetround() != mine)
            fail("a context changed the rounding mode of another");
        vetch__context_switch(&home, &contexts[0]);
        if (modes[1] != FE_UPWARD)
            fail("a context lost its rounding mode");
    }
    fesetround(FE_TONEAREST);
}

/* ---- unwinding ---- */

static int n_frames, unwound;

static _Unwind_Reason_Code
count_frame(struct _Unwind_Context *context, void *arg)
{
    (void)context;
    (void)arg;
    return ++n_frames > 20 ? _URC_NORMAL_STOP : _URC_NO_REASON;
}

static void
look_back(void *arg)
{
    (void)arg;
    unwound = _Unwind_Backtrace(count_frame, NULL);
    vetch__context_switch(&contexts[0], &home);
}

/* A backtrace goes through what runs there and ends where that began. */
static void
check_unwinding(void)
{
    vetch__context_make(&contexts[0], stacks[0], stacks[1], look_back, NULL);
    vetch__context_switch(&home, &contexts[0]);
    if (unwound != _URC_END_OF_STACK || n_frames < 1)
        fail("a backtrace does not end");
}

int
main(void)
{
    for (long i = 0; i < N_CONTEXTS; i++)
        vetch__context_make(&contexts[i], stacks[i], stacks[i + 1], busy,
                            (void *)(intptr_t)i);
    for (int round = 0; round < ROUNDS; round++)
        for (long i = 0; i < N_CONTEXTS; i++) {
            vetch__context_switch(&home, &contexts[i]);
            if (sums[i] != 6 * i + 15 + round)
                fail("a context did not run");
        }
    check_modes();
    check_unwinding();
    puts("context_check: every value survived");
    return 0;
}
