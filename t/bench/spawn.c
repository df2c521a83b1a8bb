/* What it costs to start a child, by the size of the parent.
 *
 *     t/bench/spawn [CHILDREN [MIB]]
 *
 * Starts /bin/true, and waits for it, CHILDREN times (200) with MIB (1,024) of
 * memory in use: by vetch, by posix_spawn(3) alone, and by fork(2) and
 * execve(2). Prints microseconds: the median, and the 99th percentile, of the
 * call that starts it, which is how long the loop stands still. */
#include <vetch.h>

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *const argv_true[] = { "/bin/true", NULL };

static double
now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void
check(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

/* Each starts one child, waits for it, and returns how long the start took. */

static double
by_vetch(void)
{
    vetch_process_options o = VETCH_PROCESS_OPTIONS_INIT;
    double before = now_us(), took;
    vetch_process *p;

    o.argv = argv_true;
    p = vetch_process_start(&o);
    took = now_us() - before;
    check(p != NULL, "vetch_process_start");
    vetch_run(vetch_process_end(p), NULL);
    vetch_process_unref(p);
    return took;
}

static double
by_posix_spawn(void)
{
    double before = now_us(), took;
    pid_t pid;

    errno = posix_spawn(&pid, argv_true[0], NULL, NULL,
                        (char *const *)(uintptr_t)argv_true, environ);
    took = now_us() - before;
    check(errno == 0, "posix_spawn");
    waitpid(pid, NULL, 0);
    return took;
}

static double
by_fork(void)
{
    double before = now_us(), took;
    pid_t pid = fork();

    if (pid == 0) {
        execve(argv_true[0], (char *const *)(uintptr_t)argv_true, environ);
        _exit(127);
    }
    took = now_us() - before;
    check(pid > 0, "fork");
    waitpid(pid, NULL, 0);
    return took;
}

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void
measure(const char *name, double (*start)(void), size_t n)
{
    double *us = malloc(n * sizeof(*us));

    check(us != NULL, "malloc");
    for (size_t i = 0; i < n; i++)
        us[i] = start();
    qsort(us, n, sizeof(*us), compare);
    printf("%-12s median %7.0f us   p99 %7.0f us\n", name, us[n / 2],
           us[n * 99 / 100]);
    free(us);
}

int
main(int argc, char **argv)
{
    size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 200;
    size_t size = (argc > 2 ? strtoul(argv[2], NULL, 10) : 1024) << 20;
    vetch_reactor *reactor = vetch_reactor_new();
    void *memory = mmap(NULL, size > 0 ? size : 1, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    check(reactor != NULL && memory != MAP_FAILED && n > 0, "spawn");
    madvise(memory, size, MADV_NOHUGEPAGE); /* as a heap mostly has them */
    memset(memory, 1, size);
    printf("%zu children, %zu MiB resident\n", n, size >> 20);
    measure("vetch", by_vetch, n);
    measure("posix_spawn", by_posix_spawn, n);
    measure("fork", by_fork, n);
    vetch_reactor_unref(reactor);
    return 0;
}
