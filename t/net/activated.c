/* A program for systemd to start: listens at the endpoints that are its
 * arguments, tells for each where that is, or why not, then what is left of the
 * environment and which descriptors others would inherit, and greets one
 * client. */
#include <vetch.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 8 };

static void
greet(vetch_protocol *p, vetch_transport *t)
{
    (void)p;
    vetch_transport_write(t, "hello", 5);
    vetch_transport_close(t);
}

static void
stop(vetch_protocol *p, const vetch_error *reason)
{
    (void)p;
    (void)reason;
    vetch_reactor_stop(vetch_reactor_current());
}

static const vetch_protocol_class greeter = {
    .size = sizeof(greeter),
    .connected = greet,
    .lost = stop,
};

static vetch_protocol *
make(void *ctx)
{
    return ctx;
}

static void
print_what_is_left(void)
{
    static const char *const variables[] = { "LISTEN_PID", "LISTEN_FDS",
                                             "LISTEN_FDNAMES" };

    for (int i = 0; i < 3; i++) {
        if (getenv(variables[i]) != NULL)
            printf("%s is left\n", variables[i]);
    }
    for (int fd = 3; fd < 8; fd++) {
        int flags = fcntl(fd, F_GETFD);

        if (flags >= 0 && (flags & FD_CLOEXEC) == 0)
            printf("%d is inherited\n", fd);
    }
}

int
main(int argc, char **argv)
{
    vetch_reactor *reactor = vetch_reactor_new();
    vetch_protocol protocol = { &greeter };
    vetch_listener *listeners[MOST] = { NULL };
    int n = 0;

    for (int i = 1; i < argc && i <= MOST; i++) {
        vetch_listener *l = vetch_listener_new(argv[i], make, &protocol, NULL);

        printf("%s: %s\n", argv[i],
               l != NULL ? vetch_listener_endpoint(l) : strerror(errno));
        if (l != NULL)
            listeners[n++] = l;
    }
    print_what_is_left();
    fflush(stdout);
    if (n > 0)
        vetch_reactor_run(reactor);
    while (n > 0) {
        vetch_stop_report_unref(
            vetch_run(vetch_listener_stop(listeners[--n], 1), NULL));
        vetch_listener_unref(listeners[n]);
    }
    vetch_reactor_unref(reactor);
    return 0;
}
