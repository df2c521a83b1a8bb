/* Starting a program without copying page tables: posix_spawn(3) shares this
 * process's memory with the child until it has executed, and reports what went
 * wrong by then.
 *
 * Descriptors: each of the three has a source, which is above 2 or in its place
 * already, so that putting one into its place never overwrites another. Then
 * everything above 2 is closed, whoever has opened it and forgotten
 * FD_CLOEXEC. */
#include "process/spawn-private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a child is to find at 0, 1 and 2. Of ours it inherits only what does not
 * close on exec: anything else has got the number of one that was closed, and
 * may be the reactor's own. */
struct sources {
    int fd[3];     /* -1: /dev/null */
    bool close[3]; /* ours, until it was started */
};

/* ---- descriptors ---- */

/* The same above 2, where nothing is put over it. Takes fd; -1 and errno. */
static int
lift_descriptor(int fd)
{
    int lifted, saved;

    if (fd > STDERR_FILENO)
        return fd;
    lifted = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    saved = errno;
    close(fd);
    errno = saved;
    return lifted;
}

static int
open_lifted_pipe(int fds[2])
{
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -1;
    fds[0] = lift_descriptor(fds[0]);
    if (fds[0] >= 0)
        fds[1] = lift_descriptor(fds[1]);
    if (fds[0] >= 0 && fds[1] >= 0)
        return 0;
    if (fds[0] >= 0 || fds[1] >= 0)
        close(fds[0] >= 0 ? fds[0] : fds[1]);
    return -1;
}

static int
open_child_pipe(struct sources *s, int i, int *ret_ours)
{
    int fds[2], mine = i == STDIN_FILENO ? 1 : 0;

    if (open_lifted_pipe(fds) < 0)
        return -1;
    s->fd[i] = fds[1 - mine];
    s->close[i] = true;
    *ret_ours = fds[mine];
    return fcntl(fds[mine], F_SETFL, O_NONBLOCK);
}

static int
choose_source(struct sources *s, int i, int what, int *ret_ours)
{
    if (what == VETCH_STDIO_STREAM)
        return open_child_pipe(s, i, ret_ours);
    if (what == VETCH_STDIO_NULL)
        return 0;
    if (what == VETCH_STDIO_INHERIT) {
        s->fd[i] = fcntl(i, F_GETFD) == 0 ? i : -1;
        return 0;
    }
    if (what > STDERR_FILENO || what < 0) {
        s->fd[i] = what;
        return fcntl(what, F_GETFD) < 0 ? -1 : 0;
    }
    s->fd[i] = fcntl(what, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    s->close[i] = true;
    return s->fd[i] < 0 ? -1 : 0;
}

static void
close_sources(struct sources *s)
{
    int saved = errno;

    for (int i = 0; i < 3; i++)
        if (s->close[i] && s->fd[i] >= 0)
            close(s->fd[i]);
    errno = saved;
}

void
vetch__spawn_close(struct vetch__spawned *s)
{
    int saved = errno;

    for (int i = 0; i < 3; i++)
        if (s->ours[i] >= 0)
            close(s->ours[i]);
    if (s->pidfd >= 0)
        close(s->pidfd);
    errno = saved;
}

/* ---- what the child does before it executes ---- */

static int
plan_descriptors(posix_spawn_file_actions_t *plan, const struct sources *s)
{
    int wrong = 0;

    for (int i = 0; i < 3 && wrong == 0; i++)
        wrong = s->fd[i] >= 0
                    ? posix_spawn_file_actions_adddup2(plan, s->fd[i], i)
                    : posix_spawn_file_actions_addopen(
                          plan, i, "/dev/null",
                          i == STDIN_FILENO ? O_RDONLY : O_WRONLY, 0);
    if (wrong == 0)
        wrong =
            posix_spawn_file_actions_addclosefrom_np(plan, STDERR_FILENO + 1);
    return wrong;
}

/* A group of its own (a session would cost 0.4 ms more, for the scheduling
 * group that comes with it); all signals as they are by default, SIGPIPE too,
 * and none blocked. */
static int
plan_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    int wrong;

    sigemptyset(&none);
    sigfillset(&all);
    wrong = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP |
                                                     POSIX_SPAWN_SETSIGMASK |
                                                     POSIX_SPAWN_SETSIGDEF);
    if (wrong == 0)
        wrong = posix_spawnattr_setsigmask(attributes, &none);
    return wrong != 0 ? wrong : posix_spawnattr_setsigdefault(attributes, &all);
}

static int
spawn_as_planned(const vetch_process_options *o, const struct sources *s,
                 posix_spawn_file_actions_t *plan,
                 posix_spawnattr_t *attributes, pid_t *ret_pid)
{
    char *const *argv = (char *const *)(uintptr_t)o->argv;
    char *const *env =
        o->env != NULL ? (char *const *)(uintptr_t)o->env : environ;
    int wrong = plan_descriptors(plan, s);

    if (wrong == 0 && o->directory != NULL)
        wrong = posix_spawn_file_actions_addchdir_np(plan, o->directory);
    if (wrong == 0)
        wrong = plan_attributes(attributes);
    if (wrong == 0)
        wrong = posix_spawnp(ret_pid, argv[0], plan, attributes, argv, env);
    return wrong;
}

/* An errno, or 0. */
static int
spawn_program(const vetch_process_options *o, const struct sources *s,
              pid_t *ret_pid)
{
    posix_spawn_file_actions_t plan;
    posix_spawnattr_t attributes;
    int wrong = posix_spawn_file_actions_init(&plan);

    if (wrong != 0)
        return wrong;
    wrong = posix_spawnattr_init(&attributes);
    if (wrong == 0) {
        wrong = spawn_as_planned(o, s, &plan, &attributes, ret_pid);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&plan);
    return wrong;
}

/* ---- all of it ---- */

/* If it is gone already (SIGCHLD is ignored, or a waitpid(-1) was faster), that
 * is for whoever waits for it to hear. */
static int
open_pidfd(struct vetch__spawned *s)
{
    s->pidfd = (int)syscall(SYS_pidfd_open, s->pid, 0);
    if (s->pidfd < 0)
        return errno == ESRCH ? 0 : -1;
    s->pidfd = lift_descriptor(s->pidfd);
    return s->pidfd < 0 ? -1 : 0;
}

void
vetch__spawn_undo(struct vetch__spawned *s)
{
    int saved = errno;

    kill(-s->pid, SIGKILL);
    while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    vetch__spawn_close(s);
    errno = saved;
}

int
vetch__spawn(const vetch_process_options *options, struct vetch__spawned *ret)
{
    const int what[3] = { options->input, options->output, options->errors };
    struct vetch__spawned s = { .pidfd = -1, .ours = { -1, -1, -1 } };
    struct sources sources = { .fd = { -1, -1, -1 } };
    int wrong = 0;

    for (int i = 0; i < 3 && wrong == 0; i++)
        if (choose_source(&sources, i, what[i], &s.ours[i]) < 0)
            wrong = errno;
    if (wrong == 0)
        wrong = spawn_program(options, &sources, &s.pid);
    close_sources(&sources);
    if (wrong != 0) {
        vetch__spawn_close(&s);
        errno = wrong;
        return -1;
    }
    if (open_pidfd(&s) < 0) {
        vetch__spawn_undo(&s);
        return -1;
    }
    *ret = s;
    return 0;
}
