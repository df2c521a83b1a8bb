/* GET over a plain socket, one answer at a time, HTTP/1.1 with keep-alive.
 *
 * The socket does not block, the functions do: each wait is a poll(2) for the
 * socket, for the deadline, and for the pipe into which the signal handler
 * writes, so that Ctrl-C ends all threads at once.
 *
 * Nothing that a server sends is trusted: the head fits its buffer or is
 * refused, a body has a limit, and a length that is not kept is an error. */

#include "blocking.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_BODY          16777216
#define MAX_INFORMATIONAL 20

/* What the head of an answer says about the rest. */
struct head {
    unsigned status;
    bool has_length, chunked, keep;
    unsigned long long length;
};

/* ---- signals ---- */

static int stop_pipe[2] = { -1, -1 };
static volatile sig_atomic_t stopped_by;

static void
on_signal(int signum)
{
    int saved = errno;

    stopped_by = signum;
    /* Never read: it stays readable, and so wakes every thread. */
    if (write(stop_pipe[1], "", 1) < 0)
        stopped_by = signum; /* the pipe is full: readable as well */
    errno = saved;
}

void
stop_on_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal };

    if (pipe2(stop_pipe, O_CLOEXEC | O_NONBLOCK) == 0) {
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
    } /* else a signal simply kills */
    let_signals_in();
}

int
stop_signal(void)
{
    return stopped_by;
}

/* ---- the socket ---- */

static vetch_error *
wait_for(struct connection *c, short events)
{
    struct pollfd fds[] = { { .fd = c->fd, .events = events },
                            { .fd = stop_pipe[0], .events = POLLIN } };

    for (;;) {
        double left = c->deadline - monotonic_seconds();
        int n;

        if (stopped_by != 0)
            return vetch_error_new(VETCH_ECANCELED, "cancelled");
        if (left <= 0.0)
            return vetch_error_new(VETCH_ETIMEDOUT, "timed out after %g s",
                                   c->timeout);
        n = poll(fds, 2, left > 3600.0 ? 3600000 : (int)(left * 1e3) + 1);
        if (n < 0 && errno != EINTR)
            return vetch_error_from_errno(errno, "poll");
        if (n > 0 && fds[0].revents != 0)
            return NULL;
    }
}

static void
hang_up(struct connection *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->begin = c->end = 0;
}

static vetch_error *
connect_to(struct connection *c, const struct addrinfo *address)
{
    vetch_error *error;
    int failure = 0, on = 1;
    socklen_t size = sizeof(failure);

    c->fd = socket(address->ai_family,
                   SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return vetch_error_from_errno(errno, "socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(c->fd, address->ai_addr, address->ai_addrlen) == 0)
        return NULL;
    if (errno != EINPROGRESS)
        return vetch_error_from_errno(errno, "connect %s:%s", c->host, c->port);
    error = wait_for(c, POLLOUT);
    if (error != NULL)
        return error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &failure, &size);
    if (failure == 0)
        return NULL;
    return vetch_error_from_errno(failure, "connect %s:%s", c->host, c->port);
}

/* Tries one address of the server after the other. */
static vetch_error *
dial(struct connection *c)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
    vetch_error *error = NULL;
    int failure = getaddrinfo(c->host, c->port, &hints, &list);

    if (failure != 0)
        return vetch_error_new(VETCH_ERESOLVE, "resolve %s: %s", c->host,
                               gai_strerror(failure));
    for (struct addrinfo *a = list; a != NULL; a = a->ai_next) {
        vetch_error_unref(error);
        error = connect_to(c, a);
        if (error == NULL)
            break;
        hang_up(c);
        if (vetch_error_is(error, VETCH_ECANCELED))
            break;
    }
    freeaddrinfo(list);
    return error;
}

static vetch_error *
send_all(struct connection *c, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);
        vetch_error *error = NULL;

        if (n >= 0) {
            data += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            error = wait_for(c, POLLOUT);
        } else if (errno != EINTR) {
            error = vetch_error_from_errno(errno, "send");
        }
        if (error != NULL)
            return error;
    }
    return NULL;
}

/* Receives what is there, at least one byte: an end is an error. The buffer
 * is empty, or must have room left. */
static vetch_error *
receive(struct connection *c)
{
    if (c->begin > 0) {
        memmove(c->in, c->in + c->begin, c->end - c->begin);
        c->end -= c->begin;
        c->begin = 0;
    }
    for (;;) {
        ssize_t n = recv(c->fd, c->in + c->end, sizeof(c->in) - c->end, 0);
        vetch_error *error = NULL;

        if (n > 0) {
            c->heard = true;
            c->end += (size_t)n;
            return NULL;
        }
        if (n == 0)
            return vetch_error_new(VETCH_EEOF, "the server hung up");
        if (errno == EAGAIN)
            error = wait_for(c, POLLIN);
        else if (errno != EINTR)
            error = vetch_error_from_errno(errno, "receive");
        if (error != NULL)
            return error;
    }
}

/* ---- the head ---- */

/* Takes the next line; `*ret_line` is without its end, valid until the next
 * call. */
static vetch_error *
next_line(struct connection *c, char **ret_line)
{
    for (;;) {
        char *start = c->in + c->begin;
        char *lf = memchr(start, '\n', c->end - c->begin);
        vetch_error *error;

        if (lf != NULL && lf > start && lf[-1] == '\r') {
            lf[-1] = '\0';
            c->begin = (size_t)(lf + 1 - c->in);
            if (strlen(start) != (size_t)(lf - 1 - start))
                return vetch_error_new(VETCH_EPROTO_HTTP, "a NUL in the head");
            *ret_line = start;
            return NULL;
        }
        if (lf != NULL)
            return vetch_error_new(VETCH_EPROTO_HTTP, "a bare line feed");
        if (c->end - c->begin == sizeof(c->in))
            return vetch_error_new(VETCH_ETOOLARGE, "the head is too long");
        error = receive(c);
        if (error != NULL)
            return error;
    }
}

static vetch_error *
parse_status(const char *line, struct head *head)
{
    const char *digits = line + 9;

    if ((strncmp(line, "HTTP/1.1 ", 9) != 0 &&
         strncmp(line, "HTTP/1.0 ", 9) != 0) ||
        strspn(digits, "0123456789") != 3 || digits[0] < '1' ||
        digits[0] > '5' || (digits[3] != ' ' && digits[3] != '\0'))
        return vetch_error_new(VETCH_EPROTO_HTTP, "no status line");
    head->status = (unsigned)strtoul(digits, NULL, 10);
    head->keep = line[7] == '1';
    return NULL;
}

static vetch_error *
parse_length(const char *value, struct head *head)
{
    size_t digits = strspn(value, "0123456789");
    unsigned long long length;

    if (digits == 0 || digits > 19 || value[digits] != '\0')
        return vetch_error_new(VETCH_EPROTO_HTTP, "bad Content-Length");
    length = strtoull(value, NULL, 10);
    if (head->has_length && head->length != length)
        return vetch_error_new(VETCH_EPROTO_HTTP,
                               "two different Content-Lengths");
    head->has_length = true;
    head->length = length;
    return NULL;
}

static vetch_error *
parse_field(char *line, struct head *head)
{
    char *value = strchr(line, ':');
    size_t len;

    if (value == NULL || value == line ||
        strcspn(line, " \t") < strcspn(line, ":"))
        return vetch_error_new(VETCH_EPROTO_HTTP, "a malformed field");
    *value++ = '\0';
    value += strspn(value, " \t");
    for (len = strlen(value); len > 0 && strchr(" \t", value[len - 1]); len--)
        value[len - 1] = '\0';

    if (strcasecmp(line, "Content-Length") == 0)
        return parse_length(value, head);
    if (strcasecmp(line, "Connection") == 0) {
        head->keep = head->keep && strcasestr(value, "close") == NULL;
    } else if (strcasecmp(line, "Transfer-Encoding") == 0) {
        if (head->chunked || strcasecmp(value, "chunked") != 0)
            return vetch_error_new(VETCH_EPROTO_HTTP,
                                   "unknown Transfer-Encoding");
        head->chunked = true;
    } else if (strcasecmp(line, "Content-Encoding") == 0 &&
               strcasecmp(value, "identity") != 0) {
        return vetch_error_new(VETCH_ECODING, "a coding nobody asked for");
    }
    return NULL;
}

static vetch_error *
read_head(struct connection *c, struct head *head)
{
    size_t total = 0;
    char *line;
    vetch_error *error = next_line(c, &line);

    memset(head, 0, sizeof(*head));
    if (error == NULL)
        error = parse_status(line, head);
    while (error == NULL) {
        error = next_line(c, &line);
        if (error != NULL)
            break;
        if (*line == '\0') {
            if (head->chunked && head->has_length)
                error = vetch_error_new(VETCH_EPROTO_HTTP,
                                        "two lengths of the body");
            break;
        }
        total += strlen(line);
        if (total > HEAD_SIZE)
            error = vetch_error_new(VETCH_ETOOLARGE, "the head is too long");
        else
            error = parse_field(line, head);
    }
    return error;
}

/* ---- the body ---- */

static vetch_error *
check_size(const struct answer *answer, unsigned long long more)
{
    if (more <= MAX_BODY - answer->len)
        return NULL;
    return vetch_error_new(VETCH_ETOOLARGE, "the body is larger than %d bytes",
                           MAX_BODY);
}

static vetch_error *
append(struct answer *answer, const char *data, size_t len)
{
    vetch_error *error = check_size(answer, len);

    if (error != NULL || len == 0)
        return error;
    if (answer->len + len > answer->room) {
        size_t room = 2 * (answer->len + len);
        char *body = realloc(answer->body, room);

        if (body == NULL)
            return vetch_error_new(VETCH_ENOMEM, "no memory for the body");
        answer->body = body;
        answer->room = room;
    }
    memcpy(answer->body + answer->len, data, len);
    answer->len += len;
    return NULL;
}

/* An end in the middle of a body has a name of its own. */
static vetch_error *
truncated(vetch_error *error)
{
    vetch_error *named;

    if (!vetch_error_is(error, VETCH_EEOF))
        return error;
    named = vetch_error_wrap_code(error, VETCH_ETRUNCATED,
                                  "the body is shorter than announced");
    vetch_error_unref(error);
    return named;
}

/* Moves `len` bytes from the connection to the answer. */
static vetch_error *
read_exactly(struct connection *c, struct answer *answer,
             unsigned long long len)
{
    vetch_error *error = check_size(answer, len);

    if (error != NULL)
        return error;
    while (len > 0) {
        size_t n = c->end - c->begin;

        if (n > len)
            n = (size_t)len;
        error = n > 0 ? append(answer, c->in + c->begin, n) : receive(c);
        if (error != NULL)
            return truncated(error);
        c->begin += n;
        len -= n;
    }
    return NULL;
}

static vetch_error *
read_trailer(struct connection *c)
{
    size_t total = 0;

    for (;;) {
        char *line;
        vetch_error *error = next_line(c, &line);

        if (error != NULL)
            return truncated(error);
        if (*line == '\0')
            return NULL;
        total += strlen(line);
        if (total > HEAD_SIZE)
            return vetch_error_new(VETCH_ETOOLARGE, "the trailer is too long");
    }
}

static vetch_error *
read_chunks(struct connection *c, struct answer *answer)
{
    for (;;) {
        char *line;
        vetch_error *error = next_line(c, &line);
        size_t digits;
        unsigned long size;

        if (error != NULL)
            return truncated(error);
        digits = strspn(line, "0123456789abcdefABCDEF");
        if (digits == 0 || digits > 8 ||
            (line[digits] != '\0' && line[digits] != ';'))
            return vetch_error_new(VETCH_EPROTO_HTTP, "bad chunk size");
        size = strtoul(line, NULL, 16);
        if (size == 0)
            return read_trailer(c);
        error = read_exactly(c, answer, size);
        if (error == NULL)
            error = next_line(c, &line);
        if (error != NULL)
            return truncated(error);
        if (*line != '\0')
            return vetch_error_new(VETCH_EPROTO_HTTP, "bad end of a chunk");
    }
}

static vetch_error *
read_to_end(struct connection *c, struct answer *answer)
{
    for (;;) {
        vetch_error *error =
            append(answer, c->in + c->begin, c->end - c->begin);

        c->begin = c->end;
        if (error == NULL)
            error = receive(c);
        if (vetch_error_is(error, VETCH_EEOF)) {
            vetch_error_unref(error);
            return NULL;
        }
        if (error != NULL)
            return error;
    }
}

static vetch_error *
read_body(struct connection *c, struct head *head, struct answer *answer)
{
    if (head->status == 204 || head->status == 304)
        return NULL;
    if (head->chunked)
        return read_chunks(c, answer);
    if (head->has_length)
        return read_exactly(c, answer, head->length);
    head->keep = false;
    return read_to_end(c, answer);
}

/* ---- the request ---- */

/* Takes a URL apart, into c->host, c->port and `*ret_path`, a part of it. */
static vetch_error *
parse_url(struct connection *c, const char *url, const char **ret_path)
{
    const char *host = url + strlen("http://");
    size_t len = strcspn(host, "/?#"), name = len;
    const char *port = "80";
    size_t port_len = 2;
    const char *colon = memchr(host, ':', len);

    *ret_path = host + len;
    if (*host == '[') {
        const char *close = memchr(host, ']', len);

        name = close != NULL ? (size_t)(close - host) - 1 : 0;
        colon = close != NULL && close[1] == ':' ? close + 1 : NULL;
        host++;
    } else if (colon != NULL) {
        name = (size_t)(colon - host);
    }
    if (colon != NULL) {
        port = colon + 1;
        port_len = (size_t)(*ret_path - port);
    }
    if (name == 0 || port_len == 0 || port_len > 5 ||
        strspn(port, "0123456789") < port_len)
        return vetch_error_new(VETCH_EURL, "malformed URL");
    snprintf(c->host, sizeof(c->host), "%.*s", (int)name, host);
    snprintf(c->port, sizeof(c->port), "%.*s", (int)port_len, port);
    return NULL;
}

static vetch_error *
send_request(struct connection *c, const char *path)
{
    char request[2 * URL_SIZE + 128];
    bool literal = strchr(c->host, ':') != NULL;
    int len;

    len = snprintf(request, sizeof(request),
                   "GET %s HTTP/1.1\r\nHost: %s%s%s:%s\r\n"
                   "User-Agent: flags\r\nAccept: */*\r\n\r\n",
                   path, literal ? "[" : "", c->host, literal ? "]" : "",
                   c->port);
    return send_all(c, request, (size_t)len);
}

static vetch_error *
exchange(struct connection *c, const char *path, struct answer *answer)
{
    struct head head = { 0 };
    vetch_error *error = NULL;
    int heads = 0;

    c->heard = false;
    if (c->fd < 0)
        error = dial(c);
    if (error == NULL)
        error = send_request(c, path);
    do {
        if (error == NULL)
            error = read_head(c, &head);
        if (error == NULL && ++heads > MAX_INFORMATIONAL)
            error = vetch_error_new(VETCH_EPROTO_HTTP,
                                    "too many informational answers");
    } while (error == NULL && head.status < 200);
    if (error == NULL)
        error = read_body(c, &head, answer);
    answer->status = head.status;
    /* Nothing more was asked for: the length was wrong. */
    if (error == NULL && c->begin != c->end)
        error = vetch_error_new(VETCH_EPROTO_HTTP,
                                "the answer is longer than announced");
    if (error != NULL || !head.keep)
        hang_up(c);
    return error;
}

vetch_error *
blocking_get(struct connection *c, const char *url, struct answer *ret)
{
    const char *path;
    vetch_error *error, *cause;
    bool reused = c->fd >= 0;

    memset(ret, 0, sizeof(*ret));
    c->deadline = monotonic_seconds() + c->timeout;
    error = parse_url(c, url, &path);
    if (error == NULL)
        error = exchange(c, path, ret);
    /* The server may have closed the idle connection just before. */
    if (error != NULL && reused && !c->heard &&
        (vetch_error_is(error, VETCH_EEOF) ||
         vetch_error_is(error, ECONNRESET) || vetch_error_is(error, EPIPE))) {
        vetch_error_unref(error);
        error = exchange(c, path, ret);
    }
    if (error == NULL)
        return NULL;
    cause = error;
    error = vetch_error_wrap(cause, "GET %s", url);
    vetch_error_unref(cause);
    return error;
}

void
free_answer(struct answer *answer)
{
    free(answer->body);
    answer->body = NULL;
}

void
open_connection(struct connection *c, const struct run *run)
{
    c->timeout = run->timeout;
    c->fd = -1;
    c->begin = c->end = 0;
}

void
close_connection(struct connection *c)
{
    hang_up(c);
}

vetch_error *
blocking_download(struct connection *c, struct flag *flag)
{
    struct answer image;
    vetch_error *error = blocking_get(c, flag_url(flag, IMAGE), &image);

    if (error == NULL)
        error = check_status(flag, image.status);
    if (error == NULL) {
        flag->bytes = image.body;
        flag->len = image.len;
        name_by_code(flag);
        error = save_image(flag);
    }
    free_answer(&image);
    return error;
}
