/* The reactor is ended at every step of the flags programs: after 0, 1, 2, …
 * callbacks, until a run gets to its end. However far it got, the program ends
 * in good order, its account adds up, and no file is torn. Lines 1 and 18 of
 * what users of such libraries complain about: crashes at tear-down (libuv
 * #2087 #2172 #2544 #3266, libhv #496 #754) and never-ending shutdown (node
 * #2642). */

#include <check.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "demos/flags/flags_child.h"
#include "support/harness.h"

#define STEPS_MAX 20000

static void
check_end(const struct child *child, const struct child_end *end)
{
    unsigned total = child->first_series ? 20 : 3;

    ck_assert_msg(WIFEXITED(end->status) && WEXITSTATUS(end->status) <= 1,
                  "%s, %ld steps: ended with %#x:\n%s", child->name,
                  child->steps, (unsigned)end->status, end->text);
    ck_assert_msg(end->ok + end->not_found + end->errors == total,
                  "%s, %ld steps: %u + %u + %u:\n%s", child->name, child->steps,
                  end->ok, end->not_found, end->errors, end->text);
}

static void
end_at_every_step(struct child child)
{
    struct child_end end;

    start_server();
    do {
        run_child(&child, &end);
        check_end(&child, &end);
        child.steps++;
        ck_assert_int_lt(child.steps, STEPS_MAX);
    } while (end.cut);
    stop_server();
    ck_assert_int_gt(child.steps, 10);
    ck_assert_uint_eq(end.errors, 0);
}

VT_CASE("lifetime", vt_tcase, .seconds = 300);

VT_TEST(first_series_ends_at_every_step)
{
    end_at_every_step((struct child){ .name = "flags_promises",
                                      .main = flags_promises_main,
                                      .first_series = true });
}

VT_TEST(second_series_ends_at_every_step)
{
    end_at_every_step((struct child){ .name = "flags2_promises",
                                      .main = flags2_promises_main });
}

VT_TEST(second_series_with_executor_ends_at_every_step)
{
    end_at_every_step((struct child){ .name = "flags2_executor",
                                      .main = flags2_executor_main });
}

VT_TEST(third_series_with_promises_ends_at_every_step)
{
    end_at_every_step((struct child){ .name = "flags3_promises",
                                      .main = flags3_promises_main });
}

VT_TEST(third_series_with_callbacks_ends_at_every_step)
{
    end_at_every_step((struct child){ .name = "flags3_callbacks",
                                      .main = flags3_callbacks_main });
}

VT_TEST(third_series_with_tasks_ends_at_every_step)
{
    end_at_every_step(
        (struct child){ .name = "flags3_tasks", .main = flags3_tasks_main });
}
