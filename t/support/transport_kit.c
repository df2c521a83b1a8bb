/* Connections for the tests of lib/net. */
#include "support/transport_kit.h"

#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/transport-private.h"
#include "support/tls_kit.h"

static struct tk_probe *
probe_of(vetch_protocol *p)
{
    return (struct tk_probe *)p;
}

static void
note(struct tk_probe *p, char event)
{
    if (event == TK_RECEIVED && p->n_trace > 0 &&
        p->trace[p->n_trace - 1] == event)
        return;
    ck_assert_uint_lt(p->n_trace, sizeof(p->trace) - 1);
    p->trace[p->n_trace++] = event;
    p->trace[p->n_trace] = '\0';
}

static void
happened(struct tk_probe *p, char event)
{
    note(p, event);
    if (p->act != NULL)
        p->act(p, event);
}

static void
on_connected(vetch_protocol *protocol, vetch_transport *t)
{
    struct tk_probe *p = probe_of(protocol);

    p->t = t;
    happened(p, TK_CONNECTED);
}

static void
on_received(vetch_protocol *protocol, vetch_buffer *input)
{
    struct tk_probe *p = probe_of(protocol);
    size_t n = vetch_buffer_len(input);

    p->n_calls++;
    p->n_left = n;
    if (n > p->keep) {
        n -= p->keep;
        p->data = realloc(p->data, p->n_data + n);
        memcpy(p->data + p->n_data, vetch_buffer_data(input), n);
        p->n_data += n;
        vetch_buffer_consume(input, n);
    }
    happened(p, TK_RECEIVED);
}

static bool
on_ended(vetch_protocol *protocol)
{
    struct tk_probe *p = probe_of(protocol);

    happened(p, TK_ENDED);
    return p->stay_open;
}

static void
on_write_paused(vetch_protocol *protocol)
{
    happened(probe_of(protocol), TK_PAUSED);
}

static void
on_write_resumed(vetch_protocol *protocol)
{
    happened(probe_of(protocol), TK_RESUMED);
}

static void
on_lost(vetch_protocol *protocol, const vetch_error *reason)
{
    struct tk_probe *p = probe_of(protocol);

    p->lost_code = vetch_error_code(reason);
    snprintf(p->lost_text, sizeof(p->lost_text), "%s",
             vetch_error_text(reason));
    happened(p, TK_LOST);
    p->t = NULL;
}

static void
on_free(vetch_protocol *protocol)
{
    happened(probe_of(protocol), TK_FREED);
}

static void
on_write_ended(vetch_protocol *protocol)
{
    if (probe_of(protocol)->hears_sent)
        happened(probe_of(protocol), TK_SENT);
}

static const vetch_protocol_class probe_class = {
    .size = sizeof(probe_class),
    .connected = on_connected,
    .received = on_received,
    .ended = on_ended,
    .write_paused = on_write_paused,
    .write_resumed = on_write_resumed,
    .write_ended = on_write_ended,
    .lost = on_lost,
    .free = on_free,
};

void
tk_init(struct tk_probe *p)
{
    memset(p, 0, sizeof(*p));
    p->protocol.class_ = &probe_class;
    p->lost_code = -1;
}

void
tk_done(struct tk_probe *p)
{
    free(p->data);
    p->data = NULL;
}

bool
tk_has(const struct tk_probe *p, char event)
{
    return strchr(p->trace, event) != NULL;
}

/* Little room in the kernel, so that a slow reader shows soon. */
static void
make_small(int fd)
{
    int size = 32768;

    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
}

void
tk_tcp_fds(int fds[2])
{
    struct sockaddr_in in = { .sin_family = AF_INET };
    socklen_t len = sizeof(in);
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    make_small(listening); /* inherited */
    ck_assert_int_eq(bind(listening, (struct sockaddr *)&in, sizeof(in)), 0);
    ck_assert_int_eq(listen(listening, 1), 0);
    ck_assert_int_eq(getsockname(listening, (struct sockaddr *)&in, &len), 0);
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    make_small(fds[0]);
    ck_assert_int_eq(connect(fds[0], (struct sockaddr *)&in, sizeof(in)), 0);
    fds[1] = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ge(fds[1], 0);
    close(listening);
    evutil_make_socket_nonblocking(fds[0]);
    evutil_make_socket_nonblocking(fds[1]);
}

vetch_transport *
tk_adopt(int fd)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);
    vetch_transport *t;

    memset(&peer, 0, sizeof(peer));
    ck_assert_int_eq(getpeername(fd, (struct sockaddr *)&peer, &len), 0);
    t = vetch__socket_transport_new(vt_reactor, fd, (struct sockaddr *)&peer,
                                    len);
    if (t == NULL)
        close(fd);
    return t;
}

static void
pipe_pair(vetch_transport *ends[2])
{
    int there[2], back[2];

    ck_assert_int_eq(pipe2(there, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(back, O_CLOEXEC), 0);
    ends[0] = vetch_transport_from_fds(back[0], there[1]);
    ends[1] = vetch_transport_from_fds(there[0], back[1]);
    if (ends[0] == NULL) {
        close(back[0]);
        close(there[1]);
    }
    if (ends[1] == NULL) {
        close(there[0]);
        close(back[1]);
    }
}

void
tk_pair(enum tk_kind kind, vetch_transport *ends[2])
{
    int fds[2];

    ends[0] = ends[1] = NULL;
    if (kind == TK_PIPE) {
        pipe_pair(ends);
        return;
    }
#ifdef HAVE_OPENSSL
    if (kind == TK_TLS) {
        tlk_pair(TK_MEMORY, ends);
        return;
    }
#endif
    if (kind == TK_MEMORY) {
        if (vetch_transport_pair(ends) < 0)
            ends[0] = ends[1] = NULL;
        return;
    }
    if (kind == TK_TCP)
        tk_tcp_fds(fds);
    else
        ck_assert_int_eq(socketpair(AF_UNIX,
                                    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                                    0, fds),
                         0);
    make_small(fds[0]);
    make_small(fds[1]);
    ends[0] = tk_adopt(fds[0]);
    ends[1] = tk_adopt(fds[1]);
}

void
tk_connect(enum tk_kind kind, struct tk_probe ends[2])
{
    vetch_transport *pair[2];

    tk_pair(kind, pair);
    for (int i = 0; i < 2; i++) {
        tk_init(&ends[i]);
        ck_assert_int_eq(vetch_transport_attach(pair[i], &ends[i].protocol), 0);
        vetch_transport_unref(pair[i]);
    }
    tk_until(ends[0].t != NULL && ends[1].t != NULL);
}

void
tk_turn(void)
{
    event_base_loop(vetch_reactor_event_base(vt_reactor), EVLOOP_ONCE);
}

char *
tk_pattern(size_t n)
{
    char *data = malloc(n);

    for (size_t i = 0; i < n; i++)
        data[i] = (char)(i * 2654435761u >> 13);
    return data;
}

void
tk_finish(struct tk_probe ends[2])
{
    for (int i = 0; i < 2; i++) {
        if (ends[i].t != NULL)
            vetch_transport_close(ends[i].t);
    }
    tk_until(ends[0].n_trace > 0 && tk_has(&ends[0], TK_FREED) &&
             tk_has(&ends[1], TK_FREED));
    tk_done(&ends[0]);
    tk_done(&ends[1]);
    ck_assert_uint_eq(vt_live_objects(), 0);
}

void
tk_write_all(vetch_transport *t, const char *text)
{
    ck_assert_int_eq(vetch_transport_write(t, text, strlen(text)), 0);
}

void
tk_assert_data(const struct tk_probe *p, const char *text)
{
    ck_assert_uint_eq(p->n_data, strlen(text));
    if (p->n_data > 0)
        ck_assert_int_eq(memcmp(p->data, text, p->n_data), 0);
}
