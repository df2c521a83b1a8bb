/* Run a command on a pseudo terminal and copy what it prints to standard
 * output, for tests of what programs do on a terminal:
 *
 *     pty COLUMNS COMMAND [ARGUMENT...]
 *
 * The exit status is the command's, or 128 + N if signal N ended it. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void
give_up(const char *what)
{
    perror(what);
    exit(127);
}

static int
open_master(unsigned short columns)
{
    struct winsize size = { .ws_row = 24, .ws_col = columns };
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 ||
        ioctl(master, TIOCSWINSZ, &size) < 0)
        give_up("pty");
    return master;
}

/* In the child: the terminal becomes everything the command sees. */
static _Noreturn void
run_command(int slave, char **command)
{
    setsid();
    if (ioctl(slave, TIOCSCTTY, 0) < 0 || dup2(slave, 0) < 0 ||
        dup2(slave, 1) < 0 || dup2(slave, 2) < 0)
        give_up("pty");
    if (slave > 2)
        close(slave);
    execvp(command[0], command);
    give_up(command[0]);
}

/* The master gives EIO once the last slave is closed. */
static void
copy_output(int master)
{
    char data[4096];
    ssize_t n;

    while ((n = read(master, data, sizeof(data))) > 0 ||
           (n < 0 && errno == EINTR))
        if (n > 0 && write(STDOUT_FILENO, data, (size_t)n) != n)
            give_up("pty: write");
}

int
main(int argc, char **argv)
{
    int master, slave, status;
    pid_t child;

    if (argc < 3) {
        fputs("usage: pty COLUMNS COMMAND [ARGUMENT...]\n", stderr);
        return 127;
    }
    master = open_master((unsigned short)atoi(argv[1]));
    slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    if (slave < 0)
        give_up("pty");
    child = fork();
    if (child < 0)
        give_up("pty");
    if (child == 0)
        run_command(slave, argv + 2);
    close(slave);
    copy_output(master);
    if (waitpid(child, &status, 0) < 0)
        give_up("pty");
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
