/* See flags_child.h.  A child is forked per run, so that a crash is one
 * failed run with a name, and so that the leak detector of an instrumented
 * build looks at each run by itself. */

#include "flags_child.h"

#include <check.h>
#include <dirent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vetch/testing.h>

#include "reactor/reactor-private.h"

#define CHILD_SECONDS 60

/* What a child tells its parent. */
struct told {
    uint64_t allocations;
    bool cut;
};

static struct told *told;
static long steps_left;
static pid_t server;
static char base_url[128];
static char scratch[PATH_MAX];

/* What a sanitizer finds has a status that no program has. */
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
    return "exitcode=99";
}

/* ---- in the child: the loop ---- */

/* Until `p` has settled (NULL: until stopped), or no steps are left. */
static bool
turn_loop(vetch_reactor *r, vetch_promise *p)
{
    r->drain_bound = 1;
    while (p != NULL ? vetch_promise_state(p) == VETCH_PENDING
                     : !atomic_load(&r->stop_requested)) {
        if (steps_left-- == 0) {
            told->cut = true;
            return false;
        }
        event_base_loop(vetch_reactor_event_base(r), EVLOOP_ONCE);
    }
    return true;
}

void *
child_run(vetch_promise *p, vetch_error **ret_error)
{
    if (steps_left >= 0 && !turn_loop(vetch_reactor_current(), p)) {
        vetch_promise_unref(p); /* fire and forget: the reactor's end ends it */
        *ret_error = vetch_error_new(VETCH_ECANCELED, "cut");
        return NULL;
    }
    return vetch_run(p, ret_error);
}

int
child_reactor_run(vetch_reactor *r)
{
    if (steps_left < 0)
        return vetch_reactor_run(r);
    turn_loop(r, NULL);
    return 0;
}

/* ---- in the child: the program ---- */

static void
set_allocators(void)
{
    event_set_mem_functions(vetch_testing_malloc, vetch_testing_realloc,
                            vetch_testing_free);
    json_set_alloc_funcs(vetch_testing_malloc, vetch_testing_free);
}

/* The programs may end anywhere. */
static void
tell(void)
{
    told->allocations = vetch_testing_allocations();
    vetch_testing_fail_allocation(0, false);
}

static _Noreturn void
be_child(const struct child *child, int out)
{
    const char *first[] = { child->name, base_url, NULL };
    const char *second[] = { child->name, "-b", base_url, "-t", "20", "-m",
                             "2",         "AD", "AE",     "AF", NULL };
    const char **argv = child->first_series ? first : second;
    int status;

    alarm(CHILD_SECONDS);
    if (chdir(scratch) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
        dup2(out, STDERR_FILENO) < 0)
        _exit(99);
    close(out);
    steps_left = child->steps;
    set_allocators();
    atexit(tell);
    vetch_testing_fail_allocation(
        child->fail_nth != 0 ? child->fail_nth : UINT64_MAX, child->fail_after);
    status =
        child->main(child->first_series ? 2 : 10, (char **)(uintptr_t)argv);
    exit(status);
}

/* ---- in the parent ---- */

static void
empty_scratch(void)
{
    char path[PATH_MAX + 64];
    struct dirent *entry;
    DIR *dir;

    snprintf(path, sizeof(path), "%s/downloaded", scratch);
    dir = opendir(path);
    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
}

static unsigned
files_in_scratch(void)
{
    char path[PATH_MAX + 64];
    struct dirent *entry;
    unsigned n = 0;
    DIR *dir;

    snprintf(path, sizeof(path), "%s/downloaded", scratch);
    dir = opendir(path);
    if (dir == NULL)
        return 0;
    while ((entry = readdir(dir)) != NULL) {
        ck_assert_msg(strstr(entry->d_name, ".part") == NULL,
                      "a temporary file is left: %s", entry->d_name);
        n += entry->d_name[0] != '.';
    }
    closedir(dir);
    return n;
}

/* The number at the beginning of the line that goes on with `rest`. */
static unsigned
number_before(const char *text, const char *rest)
{
    const char *at = strstr(text, rest);

    while (at != NULL && at > text && at[-1] != '\n')
        at--;
    return at != NULL ? (unsigned)strtoul(at, NULL, 10) : 0;
}

static void
read_account(const struct child *child, struct child_end *end)
{
    const char *account = strstr(end->text, "\n-----");

    if (!child->first_series) {
        if (account == NULL)
            return;
        end->ok = number_before(account, " downloaded.\n");
        end->not_found = number_before(account, " not found.\n");
        end->errors = number_before(account, " error");
        return;
    }
    end->ok = number_before(end->text, " downloaded in ");
    for (const char *p = end->text; (p = strstr(p, "*** Error")); p++)
        end->errors++;
}

static void
collect_output(int from, struct child_end *end)
{
    size_t len = 0;
    ssize_t n;

    while ((n = read(from, end->text + len, sizeof(end->text) - 1 - len)) > 0)
        len += (size_t)n;
    end->text[len] = '\0';
    close(from);
}

void
run_child(const struct child *child, struct child_end *ret)
{
    int ends[2];
    pid_t pid;

    memset(ret, 0, sizeof(*ret));
    memset(told, 0, sizeof(*told));
    empty_scratch();
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    fflush(NULL);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        be_child(child, ends[1]);
    close(ends[1]);
    collect_output(ends[0], ret);
    ck_assert_int_eq(waitpid(pid, &ret->status, 0), pid);
    ret->allocations = told->allocations;
    ret->cut = told->cut;
    read_account(child, ret);
    ck_assert_msg(files_in_scratch() == ret->ok,
                  "%s: not as many files as it says:\n%s", child->name,
                  ret->text);
}

void
start_server(void)
{
    const char *build = getenv("top_builddir");
    char program[PATH_MAX];
    int ends[2];
    ssize_t n;

    snprintf(program, sizeof(program), "%s/t/demos/hostile_server",
             build != NULL ? build : ".");
    snprintf(scratch, sizeof(scratch), "%s/vetch-flags.XXXXXX",
             getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(scratch));
    told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(told != MAP_FAILED);
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    server = fork();
    ck_assert_int_ge(server, 0);
    if (server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* also if the test is killed */
        dup2(ends[1], STDOUT_FILENO);
        execl(program, program, (char *)NULL);
        _exit(99);
    }
    close(ends[1]);
    n = read(ends[0], base_url, sizeof(base_url) - 1);
    close(ends[0]);
    ck_assert_msg(n > 0, "%s does not start", program);
    base_url[strcspn(base_url, "\n")] = '\0';
}

void
stop_server(void)
{
    char path[PATH_MAX + 64];

    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    empty_scratch();
    snprintf(path, sizeof(path), "%s/downloaded", scratch);
    rmdir(path);
    rmdir(scratch);
    munmap(told, sizeof(*told));
}
