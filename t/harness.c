/* The test harness.  Around each test it compares what the kernel counts for
 * this process, so that a leak is a failure of the test that leaks. */

#include "harness.h"

#include <dirent.h>
#include <stdlib.h>

static unsigned fds_before;
static unsigned threads_before;

static unsigned
count_entries(const char *path)
{
    DIR *dir = opendir(path);
    unsigned n = 0;

    if (dir == NULL)
        return 0;
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

unsigned
vt_open_fds(void)
{
    return count_entries("/proc/self/fd");
}

unsigned
vt_threads(void)
{
    return count_entries("/proc/self/task");
}

static void
remember(void)
{
    fds_before = vt_open_fds();
    threads_before = vt_threads();
}

static void
compare(void)
{
    ck_assert_msg(vt_open_fds() == fds_before,
                  "descriptors: %u before the test, %u after it", fds_before,
                  vt_open_fds());
    ck_assert_msg(vt_threads() == threads_before,
                  "threads: %u before the test, %u after it", threads_before,
                  vt_threads());
}

TCase *
vt_tcase(const char *name)
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, remember, compare);
    return tc;
}

int
vt_main(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
