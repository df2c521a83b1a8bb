/* A crowd of clients for the chat server, which holds it to account:
 *
 *     chat_crowd PORT CLIENTS ROOMS ROUNDS
 *
 * In each round everybody says a line, and all in the room have to get it, once
 * and in order. Then somebody floods a room with one who does not read, until
 * that one reads: what it got and what it was told to have missed have to be
 * all. At last "ready" is printed, and everybody waits for a farewell and the
 * end. */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { AREA = 4096, FLOOD = 20000, FLOOD_LINE = 500, PATIENCE_MS = 60000 };

struct person {
    int fd;
    int number, room;
    bool welcome, refused, bid_farewell, ended;
    unsigned long heard, missed;
    int *heard_of; /* by number: rounds */
    size_t len;
    char area[AREA];
};

static struct person *people;
static struct pollfd *polls;
static int n_people, n_rooms, n_awake;

static _Noreturn void
give_up(const char *what, const struct person *p)
{
    fprintf(stderr, "chat_crowd: %s (%d: %.60s): %s\n", what,
            p != NULL ? p->number : -1, p != NULL ? p->area : "",
            strerror(errno));
    exit(1);
}

static void
send_all(struct person *p, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = send(p->fd, text, len, MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN)
            give_up("send", p);
        if (n < 0) {
            struct pollfd one = { p->fd, POLLOUT, 0 };

            poll(&one, 1, PATIENCE_MS);
            continue;
        }
        text += n;
        len -= (size_t)n;
    }
}

static void
meet(int i, unsigned port, int receive_bytes)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port) };
    struct person *p = &people[i];

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->number = i;
    p->room = i % n_rooms;
    p->heard_of = calloc((size_t)n_people, sizeof(int));
    p->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (p->heard_of == NULL || p->fd < 0)
        give_up("socket", NULL);
    if (receive_bytes > 0)
        setsockopt(p->fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes,
                   sizeof(receive_bytes));
    if (connect(p->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        give_up("connect", NULL);
    fcntl(p->fd, F_SETFL, O_NONBLOCK);
    polls[i] = (struct pollfd){ p->fd, POLLIN, 0 };
}

/* ---- what is heard ---- */

static void
hear_speech(struct person *p, int who, int round)
{
    p->heard++;
    if (who < 0 || who >= n_people || people[who].room != p->room)
        give_up("a voice from another room", p);
    if (p->heard_of[who] != round)
        give_up("a line twice, or never", p);
    p->heard_of[who]++;
}

static void
hear_line(struct person *p, const char *line)
{
    unsigned long missed;
    int who, round;

    if (sscanf(line, "c%d: round %d", &who, &round) == 2)
        hear_speech(p, who, round);
    else if (strstr(line, ": flood") != NULL)
        p->heard++;
    else if (sscanf(line, "* you have missed %lu lines", &missed) == 1)
        p->missed += missed;
    else if (strncmp(line, "* you are c", 11) == 0)
        p->welcome = true;
    else if (strstr(line, " is taken") != NULL)
        p->refused = true;
    else if (strstr(line, "farewell to all") != NULL)
        p->bid_farewell = true;
}

static void
hear(struct person *p)
{
    ssize_t n = recv(p->fd, p->area + p->len, AREA - 1 - p->len, 0);
    char *line = p->area, *lf;

    if (n < 0 && errno == EAGAIN)
        return;
    if (n < 0)
        give_up("recv", p);
    if (n == 0) {
        p->ended = true;
        polls[p->number].fd = -1;
        return;
    }
    p->len += (size_t)n;
    p->area[p->len] = '\0';
    while ((lf = strchr(line, '\n')) != NULL) {
        *lf = '\0';
        hear_line(p, line);
        line = lf + 1;
    }
    p->len -= (size_t)(line - p->area);
    memmove(p->area, line, p->len + 1);
}

/* Listen until everybody who is awake has come so far. */
static void
listen_until(bool (*fn)(const struct person *p, unsigned long arg),
             unsigned long arg, const char *what)
{
    int done = 0;

    while (done < n_awake) {
        if (fn(&people[done], arg)) {
            done++;
            continue;
        }
        if (poll(polls, (nfds_t)n_awake, PATIENCE_MS) <= 0)
            give_up(what, &people[done]);
        for (int i = 0; i < n_awake; i++)
            if (polls[i].fd >= 0 && polls[i].revents != 0)
                hear(&people[i]);
    }
}

static bool
is_welcome(const struct person *p, unsigned long arg)
{
    (void)arg;
    return p->welcome && (p->refused || p->number == 0);
}

static bool
has_heard(const struct person *p, unsigned long rounds)
{
    unsigned long others =
        (unsigned long)((n_people - p->room + n_rooms - 1) / n_rooms - 1);

    return p->heard == rounds * others;
}

static bool
has_counted(const struct person *p, unsigned long n)
{
    return p->number != 0 || p->heard + p->missed >= n;
}

static bool
has_ended(const struct person *p, unsigned long arg)
{
    (void)arg;
    return p->ended;
}

/* ---- what is said ---- */

static void
introduce(struct person *p)
{
    char text[128];
    int len =
        snprintf(text, sizeof(text), "/nick c%d\n/nick C0\n/join room%d\n",
                 p->number, p->room);

    if (p->number == 0) /* whom the others try to be */
        len = snprintf(text, sizeof(text), "/nick c0\n/join room0\n");
    p->welcome = p->refused = false;
    send_all(p, text, (size_t)len);
}

static void
say_round(int round)
{
    char text[64];

    for (int i = 0; i < n_people; i++)
        send_all(&people[i], text,
                 (size_t)snprintf(text, sizeof(text), "round %d\n", round));
}

/* The first does not read while the second talks to it alone. */
static void
flood(void)
{
    static char line[FLOOD_LINE + 1];
    struct person *slow = &people[0], *talker = &people[1];

    send_all(slow, "/join flood\n", 12);
    send_all(talker, "/join flood\n", 12);
    slow->heard = slow->missed = 0;
    polls[0].fd = -1;
    talker->welcome = false;
    memset(line, '.', FLOOD_LINE);
    memcpy(line, "flood", 5);
    line[FLOOD_LINE - 1] = '\n';
    listen_until(is_welcome, 0, "not in the flood");
    for (int i = 0; i < FLOOD; i++)
        send_all(talker, line, FLOOD_LINE);
    talker->refused = false; /* the answer tells that all was heard */
    send_all(talker, "/nick guest0\n", 13);
    listen_until(is_welcome, 0, "after the flood");
    polls[0].fd = slow->fd;
    listen_until(has_counted, FLOOD, "to count the flood");
    if (slow->heard + slow->missed != FLOOD)
        give_up("the flood was counted wrongly", slow);
    printf("%s\n", slow->missed > 0 ? "missed some" : "missed nothing");
}

int
main(int argc, char **argv)
{
    struct rlimit limit;
    int rounds;

    if (argc != 5) {
        fprintf(stderr, "usage: %s PORT CLIENTS ROOMS ROUNDS\n", argv[0]);
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    n_people = atoi(argv[2]); /* if the machine allows so many */
    if ((rlim_t)n_people + 50 > limit.rlim_max)
        n_people = (int)limit.rlim_max - 50;
    n_rooms = atoi(argv[3]);
    rounds = atoi(argv[4]);
    people = calloc((size_t)n_people, sizeof(*people));
    polls = calloc((size_t)n_people, sizeof(*polls));
    if (people == NULL || polls == NULL)
        give_up("memory", NULL);
    for (int i = 0; i < n_people; i++) {
        meet(i, (unsigned)atoi(argv[1]), i == 0 ? 4096 : 0);
        introduce(&people[i]);
        n_awake = i + 1;
        if (i % 50 == 0)
            listen_until(is_welcome, 0, "nobody is welcome");
    }
    listen_until(is_welcome, 0, "not welcome");
    for (int round = 0; round < rounds; round++) {
        say_round(round);
        listen_until(has_heard, (unsigned long)round + 1, "a round");
    }
    flood();
    printf("ready\n");
    fflush(stdout);
    listen_until(has_ended, 0, "the end");
    for (int i = 0; i < n_people; i++)
        if (!people[i].bid_farewell)
            give_up("no farewell", &people[i]);
    printf("farewell\n");
    return 0;
}
