/* Run a command, copy what it prints, and send a signal once it has printed a
 * number of lines: so that tests hit the middle of a run without guessing how
 * long something takes.
 *
 *     signal_after LINES SIGNUM PID COMMAND [ARGUMENT...]
 *
 * PID 0 means the command itself. The exit status is the command's, or
 * 128 + N if signal N ended it. */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void
give_up(const char *what)
{
    perror(what);
    exit(127);
}

/* The shell lets commands in the background ignore SIGINT; a user does not. */
static _Noreturn void
run_command(int out, char **command)
{
    signal(SIGINT, SIG_DFL);
    if (dup2(out, STDOUT_FILENO) < 0)
        give_up("signal_after");
    execvp(command[0], command);
    give_up(command[0]);
}

static void
copy_lines(FILE *from, long lines, int signum, pid_t target)
{
    int c;

    while ((c = getc(from)) != EOF) {
        putchar(c);
        if (c != '\n')
            continue;
        fflush(stdout);
        if (--lines == 0 && kill(target, signum) < 0)
            give_up("signal_after: kill");
    }
    fflush(stdout);
}

int
main(int argc, char **argv)
{
    int ends[2], status;
    pid_t child, target;
    FILE *from;

    if (argc < 5) {
        fputs("usage: signal_after LINES SIGNUM PID COMMAND...\n", stderr);
        return 127;
    }
    if (pipe(ends) < 0)
        give_up("pipe");
    child = fork();
    if (child < 0)
        give_up("fork");
    if (child == 0) {
        close(ends[0]);
        run_command(ends[1], argv + 4);
    }
    close(ends[1]);
    from = fdopen(ends[0], "r");
    if (from == NULL)
        give_up("fdopen");
    target = atoi(argv[3]);
    copy_lines(from, atol(argv[1]), atoi(argv[2]),
               target != 0 ? target : child);
    fclose(from);
    if (waitpid(child, &status, 0) < 0)
        give_up("waitpid");
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
