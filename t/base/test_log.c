/* The log: levels, the hook, lines that stay lines, many threads. */

#include "support/harness.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS 4
#define LINES   2000

static char last_line[4096];
static vetch_log_level last_level;
static int n_lines;

static void
keep(vetch_log_level level, const char *line, void *ctx)
{
    ck_assert_ptr_eq(ctx, &n_lines);
    last_level = level;
    snprintf(last_line, sizeof(last_line), "%s", line);
    n_lines++;
}

static void
hook(void)
{
    unsetenv("VETCH_DEBUG");
    n_lines = 0;
    vetch_log_set_hook(keep, &n_lines);
}

static void
unhook(void)
{
    vetch_log_set_hook(NULL, NULL);
    vetch_log_set_level(VETCH_LOG_WARNING);
}

/* Send standard error into a pipe and return its reading end. */
static int
catch_stderr(int *ret_saved)
{
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    *ret_saved = dup(STDERR_FILENO);
    dup2(fds[1], STDERR_FILENO);
    close(fds[1]);
    return fds[0];
}

/* Restore it and read what was written. */
static void
read_stderr(int fd, int saved, char *to, size_t size)
{
    ssize_t n;

    dup2(saved, STDERR_FILENO);
    close(saved);
    n = read(fd, to, size - 1);
    ck_assert_int_ge(n, 0);
    to[n] = '\0';
    close(fd);
}

VT_CASE("basics", vt_tcase, .set_up = hook, .take_down = unhook);

VT_TEST(log_hook_gets_level_and_line)
{
    vetch_log(VETCH_LOG_ERROR, "disk %d is %s", 3, "full");
    ck_assert_int_eq(n_lines, 1);
    ck_assert_int_eq(last_level, VETCH_LOG_ERROR);
    ck_assert_str_eq(last_line, "disk 3 is full");
}

VT_TEST(log_is_silent_below_warning_by_default)
{
    ck_assert_int_eq(vetch_log_get_level(), VETCH_LOG_WARNING);
    vetch_log(VETCH_LOG_INFO, "unimportant");
    ck_assert_int_eq(n_lines, 0);
    vetch_log(VETCH_LOG_WARNING, "important");
    ck_assert_int_eq(n_lines, 1);
}

VT_TEST(log_level_chooses_what_is_logged)
{
    vetch_log_set_level(VETCH_LOG_DEBUG);
    vetch_log(VETCH_LOG_DEBUG, "detail");
    ck_assert_int_eq(n_lines, 1);
    vetch_log_set_level(VETCH_LOG_NONE);
    vetch_log(VETCH_LOG_ERROR, "nobody wants to know");
    ck_assert_int_eq(n_lines, 1);
    ck_assert_int_eq(vetch_log_get_level(), VETCH_LOG_NONE);
}

VT_TEST(log_line_stays_one_line)
{
    vetch_log(VETCH_LOG_ERROR, "peer said: %s", "x\r\nvetch: forged\033[2J");
    ck_assert_str_eq(last_line, "peer said: x  vetch: forged [2J");
}

VT_TEST(log_line_of_a_megabyte_is_cut)
{
    size_t len = 1000000;
    char *words = malloc(len + 1);

    memset(words, 'x', len);
    words[len] = '\0';
    vetch_log(VETCH_LOG_ERROR, "%s", words);
    ck_assert_uint_eq(strlen(last_line), 2048);
    ck_assert_str_eq(last_line + 2045, "...");
    free(words);
}

VT_TEST(log_keeps_errno)
{
    errno = EXDEV;
    vetch_log(VETCH_LOG_ERROR, "one");
    vetch_log(VETCH_LOG_DEBUG, "two");
    ck_assert_int_eq(errno, EXDEV);
}

VT_TEST(log_goes_to_stderr_without_hook)
{
    char text[256];
    int saved, fd = catch_stderr(&saved);

    vetch_log_set_hook(NULL, NULL);
    vetch_log(VETCH_LOG_WARNING, "careful");
    vetch_log(VETCH_LOG_ERROR, "too late");
    read_stderr(fd, saved, text, sizeof(text));
    ck_assert_str_eq(text, "vetch: warning: careful\nvetch: error: too late\n");
}

static void
log_again(vetch_log_level level, const char *line, void *ctx)
{
    vetch_log(level, "from the hook: %s", line);
    vetch_log_set_hook(NULL, ctx);
}

/* A hook that waited for itself would hang here. */
VT_TEST(log_hook_may_log_and_replace_itself)
{
    char text[256];
    int saved, fd = catch_stderr(&saved);

    vetch_log_set_hook(log_again, NULL);
    vetch_log(VETCH_LOG_ERROR, "hello");
    vetch_log(VETCH_LOG_ERROR, "again");
    read_stderr(fd, saved, text, sizeof(text));
    ck_assert_str_eq(
        text, "vetch: error: from the hook: hello\nvetch: error: again\n");
}

static void *
log_many(void *arg)
{
    int i;

    for (i = 0; i < LINES; i++)
        vetch_log(VETCH_LOG_ERROR, "thread %d line %d", *(int *)arg, i);
    return NULL;
}

VT_CASE("threads", vt_tcase, .set_up = hook, .take_down = unhook);

/* The hook counts without a lock of its own. */
VT_TEST(log_lines_of_threads_come_one_at_a_time)
{
    pthread_t threads[THREADS];
    int numbers[THREADS], i;

    for (i = 0; i < THREADS; i++) {
        numbers[i] = i;
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL, log_many, &numbers[i]), 0);
    }
    for (i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(n_lines, THREADS * LINES);
}
