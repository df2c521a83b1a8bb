/* GET, one response at a time, HTTP/1.1 with keep-alive.
 *
 * Nothing that a server sends is trusted: the head fits the connection's
 * buffer or is refused, a body has a limit, and a length that is not kept is
 * an error. */

#include "blocking.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_BODY          16777216
#define MAX_INFORMATIONAL 20

/* What the head of a response says about the rest. */
struct head {
    unsigned status;
    bool has_length, chunked, keep;
    unsigned long long length;
};

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

    assert(line != NULL);
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
    char *line = NULL;
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
        if (total > INPUT_SIZE)
            error = vetch_error_new(VETCH_ETOOLARGE, "the head is too long");
        else
            error = parse_field(line, head);
    }
    return error;
}

/* ---- the body ---- */

static vetch_error *
check_size(const struct response *response, unsigned long long more)
{
    if (more <= MAX_BODY - response->len)
        return NULL;
    return vetch_error_new(VETCH_ETOOLARGE, "the body is larger than %d bytes",
                           MAX_BODY);
}

static vetch_error *
append(struct response *response, const char *data, size_t len)
{
    vetch_error *error = check_size(response, len);

    if (error != NULL || len == 0)
        return error;
    if (response->len + len > response->room) {
        size_t room = 2 * (response->len + len);
        char *body = realloc(response->body, room);

        if (body == NULL)
            return vetch_error_new(VETCH_ENOMEM, "no memory for the body");
        response->body = body;
        response->room = room;
    }
    memcpy(response->body + response->len, data, len);
    response->len += len;
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

/* Moves `len` bytes from the connection to the response. */
static vetch_error *
read_exactly(struct connection *c, struct response *response,
             unsigned long long len)
{
    vetch_error *error = check_size(response, len);

    if (error != NULL)
        return error;
    while (len > 0) {
        size_t n = c->end - c->begin;

        if (n > len)
            n = (size_t)len;
        error = n > 0 ? append(response, c->in + c->begin, n) : receive(c);
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
        if (total > INPUT_SIZE)
            return vetch_error_new(VETCH_ETOOLARGE, "the trailer is too long");
    }
}

static vetch_error *
read_chunks(struct connection *c, struct response *response)
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
        error = read_exactly(c, response, size);
        if (error == NULL)
            error = next_line(c, &line);
        if (error != NULL)
            return truncated(error);
        if (*line != '\0')
            return vetch_error_new(VETCH_EPROTO_HTTP, "bad end of a chunk");
    }
}

static vetch_error *
read_to_end(struct connection *c, struct response *response)
{
    for (;;) {
        vetch_error *error =
            append(response, c->in + c->begin, c->end - c->begin);

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
read_body(struct connection *c, struct head *head, struct response *response)
{
    if (head->status == 204 || head->status == 304)
        return NULL;
    if (head->chunked)
        return read_chunks(c, response);
    if (head->has_length)
        return read_exactly(c, response, head->length);
    head->keep = false;
    return read_to_end(c, response);
}

/* ---- the request ---- */

static vetch_error *
send_request(struct connection *c, const char *path)
{
    char request[2 * URL_SIZE + 128];
    bool literal = strchr(c->origin.host, ':') != NULL;
    int len;

    len = snprintf(request, sizeof(request),
                   "GET %s HTTP/1.1\r\nHost: %s%s%s:%s\r\n"
                   "User-Agent: flags\r\nAccept: */*\r\n\r\n",
                   path, literal ? "[" : "", c->origin.host, literal ? "]" : "",
                   c->origin.port);
    return send_all(c, request, (size_t)len);
}

static vetch_error *
exchange(struct connection *c, const char *path, struct response *response)
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
                                    "too many informational responses");
    } while (error == NULL && head.status < 200);
    if (error == NULL)
        error = read_body(c, &head, response);
    response->status = head.status;
    /* Nothing more was asked for: the length was wrong. */
    if (error == NULL && c->begin != c->end)
        error = vetch_error_new(VETCH_EPROTO_HTTP,
                                "the response is longer than announced");
    if (error != NULL || !head.keep)
        hang_up(c);
    return error;
}

vetch_error *
blocking_get(struct connection *c, const char *url, struct response *ret)
{
    const char *path;
    vetch_error *error, *cause;
    bool reused = c->fd >= 0;

    memset(ret, 0, sizeof(*ret));
    c->deadline = monotonic_seconds() + c->timeout;
    if (!split_url(url, &c->origin, &path))
        return vetch_error_new(VETCH_EURL, "malformed URL %s", url);
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
free_response(struct response *response)
{
    free(response->body);
    response->body = NULL;
}

vetch_error *
blocking_download(struct connection *c, struct flag *flag)
{
    struct response image;
    vetch_error *error = blocking_get(c, flag_url(flag, IMAGE), &image);

    if (error == NULL)
        error = check_status(flag, image.status);
    if (error == NULL) {
        flag->bytes = image.body;
        flag->len = image.len;
        name_by_code(flag);
        error = save_image(flag);
    }
    free_response(&image);
    return error;
}
