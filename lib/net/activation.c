/* Descriptors that systemd has opened for this process.
 *
 * The environment tells of them: LISTEN_PID for whom, LISTEN_FDS how many, from
 * 3 on, and LISTEN_FDNAMES their names, between colons. It is read once, when
 * the first of them is asked for, and cleaned, so that what the process starts
 * does not take them for its own; nor does it inherit them. */
#include "net/activation-private.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem-private.h"
#include "net/sockaddr-private.h"

enum { FIRST = 3, MOST = 4096 };

struct passed {
    char *name;
    bool taken;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool was_read;
static struct passed *passed;
static unsigned n_passed;

/* A number in the environment, 0 if there is none. */
static unsigned
number_in_environment(const char *variable)
{
    const char *text = getenv(variable);
    unsigned number = 0;
    const char *end =
        text != NULL ? vetch__parse_number(text, INT32_MAX, &number) : NULL;

    return end != NULL && *end == '\0' ? number : 0;
}

/* The next of the names, which `*names` is moved behind; what has none is
 * called as sd_listen_fds_with_names(3) does. NULL and ENOMEM. */
static char *
next_passed_name(const char **names)
{
    size_t len;
    char *name;

    if (*names == NULL)
        return vetch__strdup("unknown");
    len = strcspn(*names, ":");
    name = vetch__calloc(len + 1, 1);
    if (name == NULL)
        return NULL;
    memcpy(name, *names, len);
    *names = (*names)[len] == ':' ? *names + len + 1 : NULL;
    return name;
}

static int
list_passed(unsigned n)
{
    const char *names = getenv("LISTEN_FDNAMES");

    passed = vetch__calloc(n, sizeof(*passed));
    if (passed == NULL)
        return -1;
    for (n_passed = 0; n_passed < n; n_passed++) {
        passed[n_passed].name = next_passed_name(&names);
        if (passed[n_passed].name == NULL)
            break;
    }
    if (n_passed == n)
        return 0;
    while (n_passed > 0)
        vetch__free(passed[--n_passed].name);
    vetch__free(passed);
    passed = NULL;
    return -1;
}

static int
read_environment(void)
{
    unsigned n = 0;

    if (was_read)
        return 0;
    if (number_in_environment("LISTEN_PID") == (unsigned)getpid())
        n = number_in_environment("LISTEN_FDS");
    if (n > MOST)
        n = 0;
    if (n > 0 && list_passed(n) < 0)
        return -1;
    for (int fd = FIRST; fd < FIRST + (int)n; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    was_read = true;
    return 0;
}

static int
take_passed(const char *name)
{
    errno = ENOENT;
    for (unsigned i = 0; i < n_passed; i++) {
        if (strcmp(passed[i].name, name) != 0)
            continue;
        if (!passed[i].taken) {
            passed[i].taken = true;
            return FIRST + (int)i;
        }
        errno = EBUSY;
    }
    return -1;
}

int
vetch__activation_take(const char *name)
{
    int fd;

    pthread_mutex_lock(&lock);
    fd = read_environment() == 0 ? take_passed(name) : -1;
    pthread_mutex_unlock(&lock);
    return fd;
}

void
vetch__activation_give_back(int fd)
{
    pthread_mutex_lock(&lock);
    passed[fd - FIRST].taken = false;
    pthread_mutex_unlock(&lock);
}
