/* The flags programs without memory: the nth allocation of vetch, libevent,
 * zlib and the JSON library fails, for n = 1, 2, … until a run has no failure;
 * then everything from the nth on. No run crashes or hangs, each account adds
 * up, and in an instrumented build the leak detector looks at every run. */

#include <check.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "demos/flags/flags_child.h"
#include "support/harness.h"

#define ALLOCATIONS_MAX 20000

/* The leak detector has a status of its own, and so has every signal. */
static void
check_end(const struct child *child, const struct child_end *end)
{
    const char *kind = child->fail_after ? "from allocation" : "allocation";

    ck_assert_msg(WIFEXITED(end->status) && WEXITSTATUS(end->status) <= 1,
                  "%s, %s %llu failed: ended with %#x:\n%s", child->name, kind,
                  (unsigned long long)child->fail_nth, (unsigned)end->status,
                  end->text);
    ck_assert_msg(end->ok + end->not_found + end->errors == 3,
                  "%s, %s %llu failed: %u + %u + %u:\n%s", child->name, kind,
                  (unsigned long long)child->fail_nth, end->ok, end->not_found,
                  end->errors, end->text);
}

static void
sweep(struct child child)
{
    struct child_end end;

    child.steps = -1;
    start_server();
    do {
        child.fail_nth++;
        ck_assert_uint_lt(child.fail_nth, ALLOCATIONS_MAX);
        run_child(&child, &end);
        check_end(&child, &end);
    } while (end.allocations >= child.fail_nth);
    stop_server();
    /* The last run was harmed by nothing; there were some that were. */
    ck_assert_uint_eq(end.ok, 3);
    ck_assert_uint_gt(child.fail_nth, 20);
}

VT_CASE("errors", vt_tcase, .seconds = 300);

VT_TEST(promises_survive_each_failed_allocation)
{
    sweep((struct child){ .name = "flags3_promises",
                          .main = flags3_promises_main });
}

VT_TEST(promises_survive_all_allocations_failing_from_any_on)
{
    sweep((struct child){ .name = "flags3_promises",
                          .main = flags3_promises_main,
                          .fail_after = true });
}

VT_TEST(callbacks_survive_each_failed_allocation)
{
    sweep((struct child){ .name = "flags3_callbacks",
                          .main = flags3_callbacks_main });
}

VT_TEST(callbacks_survive_all_allocations_failing_from_any_on)
{
    sweep((struct child){ .name = "flags3_callbacks",
                          .main = flags3_callbacks_main,
                          .fail_after = true });
}

VT_TEST(tasks_survive_each_failed_allocation)
{
    sweep((struct child){ .name = "flags3_tasks", .main = flags3_tasks_main });
}

VT_TEST(tasks_survive_all_allocations_failing_from_any_on)
{
    sweep((struct child){ .name = "flags3_tasks",
                          .main = flags3_tasks_main,
                          .fail_after = true });
}
