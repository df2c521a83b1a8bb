/* Plain sockets that talk to a server under test. */

#include "support/http_server_kit.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "http/message/parser-private.h"

vetch_http_server *hsk_server;

/* ---- the server ---- */

static void
start(const char *endpoint, const vetch_http_server_options *options)
{
    hsk_server = vetch_http_server_new(endpoint, options);
    ck_assert_msg(hsk_server != NULL, "%s: %s", endpoint, strerror(errno));
}

void
hsk_start(const vetch_http_server_options *options)
{
    const char *dir = getenv("TMPDIR");
    char endpoint[108];

    snprintf(endpoint, sizeof(endpoint), "unix:%s/vetch-http-%d.sock",
             dir != NULL && strlen(dir) < 60 ? dir : "/tmp", (int)getpid());
    start(endpoint, options);
}

void
hsk_start_tcp(const vetch_http_server_options *options)
{
    start("tcp:127.0.0.1:0", options);
}

void
hsk_end(void)
{
    vetch_promise *p = vetch_http_server_stop(hsk_server, 0);
    int turns;

    for (turns = 0; vetch_promise_state(p) == VETCH_PENDING; turns++) {
        ck_assert_int_lt(turns, 100);
        vt_run_ready();
        vt_advance(0.1);
    }
    ck_assert_int_eq(vetch_promise_state(p), VETCH_FULFILLED);
    vetch_promise_unref(p);
    hsk_server = vetch_http_server_unref(hsk_server);
    vt_run_ready();
}

void
hsk_route(const char *method, const char *path, vetch_http_handler_fn handler,
          void *ctx)
{
    ck_assert_int_eq(
        vetch_http_server_route(hsk_server, method, path, handler, ctx, NULL),
        0);
}

void
hsk_stream_route(const char *method, const char *path,
                 vetch_http_handler_fn handler, void *ctx)
{
    vetch_http_route_options o = VETCH_HTTP_ROUTE_OPTIONS_INIT;

    o.stream = true;
    ck_assert_int_eq(
        vetch_http_server_route(hsk_server, method, path, handler, ctx, &o), 0);
}

int
hsk_reply_end(vetch_http_request *r)
{
    vetch_promise *p = vetch_stream_end(vetch_http_request_stream(r));
    int code = 0;

    ck_assert_int_ne(vetch_promise_state(p), VETCH_PENDING);
    if (vetch_promise_state(p) == VETCH_REJECTED)
        code = vetch_error_code(vetch_promise_error(p));
    vetch_promise_unref(p);
    errno = code;
    return code == 0 ? 0 : -1;
}

/* ---- sockets ---- */

static int
connect_unix(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    strcpy(a.sun_path, path);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static int
connect_tcp(unsigned port)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

void
hsk_connect(struct hsk_client *t)
{
    const char *endpoint = vetch_http_server_endpoint(hsk_server);

    memset(t, 0, sizeof(*t));
    if (strncmp(endpoint, "unix:", 5) == 0)
        t->fd = connect_unix(endpoint + 5);
    else
        t->fd = connect_tcp(vetch_http_server_port(hsk_server));
    vt_run_ready();
}

static size_t
room_for(size_t n)
{
    size_t room = 256;

    while (room < n)
        room *= 2;
    return room;
}

/* The room is a power of two, and so known by the length. */
static void
append(char **to, size_t *n, const char *data, size_t len)
{
    if (*to == NULL || room_for(*n + len) > room_for(*n))
        *to = realloc(*to, room_for(*n + len));
    ck_assert_ptr_nonnull(*to);
    memcpy(*to + *n, data, len);
    *n += len;
}

static void
receive(struct hsk_client *t)
{
    char area[65536];
    ssize_t n;

    if (t->fd < 0 || t->ended)
        return;
    while ((n = recv(t->fd, area, sizeof(area), MSG_DONTWAIT)) > 0)
        append(&t->in, &t->n_in, area, (size_t)n);
    if (n == 0 || errno != EAGAIN) {
        t->ended = true;
        t->error = n == 0 ? 0 : errno;
    }
}

static void
turn(struct hsk_client *t)
{
    struct pollfd p = { .fd = t->fd, .events = POLLIN };

    vt_run_ready();
    receive(t);
    if (!t->ended)
        poll(&p, 1, 1); /* TCP takes its time, even on loopback */
}

void
hsk_say_bytes(struct hsk_client *t, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(t->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN)
            break; /* what the server says or does will be heard */
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
        vt_run_ready();
        receive(t);
    }
    vt_run_ready();
}

void
hsk_say(struct hsk_client *t, const char *text)
{
    hsk_say_bytes(t, text, strlen(text));
}

void
hsk_get(struct hsk_client *t, const char *path)
{
    char text[9000];

    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    hsk_say(t, text);
}

static void
take(struct hsk_client *t, size_t n)
{
    t->n_in -= n;
    if (t->n_in > 0)
        memmove(t->in, t->in + n, t->n_in);
}

/* ---- responses ---- */

/* All that is there. */
static enum vetch__http_verdict
hear_pieces(struct hsk_client *t, struct vetch__http_body *b)
{
    struct vetch__http_piece piece;
    enum vetch__http_verdict verdict;
    size_t at = 0;

    do {
        verdict = vetch__http_body_next(b, t->in + at, t->n_in - at, &piece);
        if (verdict == VETCH__HTTP_PIECE)
            append(&t->body, &t->n_body, piece.data, piece.len);
        at += piece.used;
    } while (verdict == VETCH__HTTP_PIECE);
    take(t, at);
    return verdict;
}

static void
hear_body(struct hsk_client *t, const struct vetch__http_head *h)
{
    struct vetch__http_body b;
    enum vetch__http_verdict verdict;

    free(t->body);
    t->body = NULL;
    t->n_body = 0;
    vetch__http_body_init(&b, h);
    for (;;) {
        verdict = hear_pieces(t, &b);
        ck_assert_msg(verdict != VETCH__HTTP_REFUSED, "%s", b.refusal.why);
        if (verdict == VETCH__HTTP_DONE || t->ended)
            break;
        turn(t);
    }
    if (verdict != VETCH__HTTP_DONE && !vetch__http_body_eof(&b))
        t->status = 0; /* cut off */
}

static unsigned
hear(struct hsk_client *t, bool to_head)
{
    struct vetch__http_field table[100];
    struct vetch__http_head h = { .fields = { table, 0, 100 } };
    struct vetch__http_limits limits = { VETCH_NO_LIMIT,
                                         sizeof(t->head) - 1000 };
    struct vetch__http_gate gate = { 0 };
    struct vetch__http_refusal refusal;
    enum vetch__http_verdict verdict;
    size_t len;

    t->status = 0;
    for (;;) {
        receive(t);
        verdict =
            vetch__http_gate(&gate, &limits, t->in, t->n_in, &len, &refusal);
        if (verdict != VETCH__HTTP_MORE)
            break;
        if (t->ended)
            return 0;
        turn(t);
    }
    ck_assert_int_eq(verdict, VETCH__HTTP_DONE);
    verdict = vetch__http_parse_response(&h, t->in, len, to_head);
    ck_assert_msg(verdict == VETCH__HTTP_DONE, "%s", h.refusal.why);
    memcpy(t->head, t->in, len);
    t->head[len] = '\0';
    t->status = h.status;
    take(t, len);
    hear_body(t, &h);
    return t->status;
}

unsigned
hsk_hear(struct hsk_client *t)
{
    return hear(t, false);
}

unsigned
hsk_hear_head(struct hsk_client *t)
{
    return hear(t, true);
}

const char *
hsk_field(const struct hsk_client *t, const char *name)
{
    static char value[8192];
    const char *line = strstr(t->head, "\r\n");
    size_t len = strlen(name);

    for (; line != NULL; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':') {
            sscanf(line + 2 + len + 1, " %8191[^\r]", value);
            return value;
        }
    }
    return NULL;
}

bool
hsk_body_is(const struct hsk_client *t, const char *text)
{
    return t->n_body == strlen(text) &&
           (t->n_body == 0 || memcmp(t->body, text, t->n_body) == 0);
}

bool
hsk_is_silent(struct hsk_client *t)
{
    vt_run_ready();
    receive(t);
    vt_run_ready();
    receive(t);
    return t->n_in == 0 && !t->ended;
}

bool
hsk_hear_end(struct hsk_client *t)
{
    while (!t->ended)
        turn(t);
    return t->error == 0;
}

void
hsk_hang_up(struct hsk_client *t)
{
    if (t->fd >= 0)
        close(t->fd);
    free(t->in);
    free(t->body);
    t->in = t->body = NULL;
    t->n_in = t->n_body = 0;
    t->fd = -1;
    vt_run_ready();
}

void
hsk_reset(struct hsk_client *t)
{
    struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

    setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    hsk_hang_up(t);
}

unsigned
hsk_exchange(const char *text)
{
    struct hsk_client t;
    unsigned status;

    hsk_connect(&t);
    hsk_say(&t, text);
    status = hsk_hear(&t);
    hsk_hear_end(&t);
    hsk_hang_up(&t);
    return status;
}
