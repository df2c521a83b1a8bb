/* Send standard input to a port of this machine and copy to standard output
 * what comes back, until the other side closes; with -e tell it that no more
 * comes:
 *
 *     tcp_say [-e] PORT */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static _Noreturn void
give_up(const char *what)
{
    perror(what);
    exit(1);
}

static void
write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);

        if (n < 0)
            give_up("write");
        data += n;
        len -= (size_t)n;
    }
}

int
main(int argc, char **argv)
{
    struct sockaddr_in to = { .sin_family = AF_INET };
    char area[65536];
    ssize_t n;
    int fd;
    bool ends = argc == 3 && strcmp(argv[1], "-e") == 0;

    if (argc != 2 && !ends) {
        fprintf(stderr, "usage: %s [-e] PORT\n", argv[0]);
        return 2;
    }
    to.sin_port = htons((uint16_t)atoi(argv[argc - 1]));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        give_up("connect");
    while ((n = read(STDIN_FILENO, area, sizeof(area))) > 0)
        write_all(fd, area, (size_t)n);
    if (ends)
        shutdown(fd, SHUT_WR);
    while ((n = read(fd, area, sizeof(area))) > 0)
        write_all(STDOUT_FILENO, area, (size_t)n);
    if (n < 0)
        give_up("read");
    return 0;
}
