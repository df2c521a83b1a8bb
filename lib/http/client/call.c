/* One request: set up by the user, sent once, settled once.
 *
 * States: being set up (the user's); waiting in the pool; on a connection;
 * over.  A stream's call is settled when the head has come, and lives on until
 * its body has ended, for what errors of the body have to say.
 *
 * What stops a call (a cancel, the limit on its whole time) takes it out of the
 * pool, or stops its connection; in the latter case it is settled when that has
 * stopped. */

#include "http/client/client-private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <vetch/version.h>

#include "base/check-private.h"
#include "base/error-private.h"

enum {
    METHOD_MAX = 32,
    /* Bodies up to this size leave in one block with the head. */
    COPIED_BODY_MAX = 8192,
    HEAD_MARGIN = 224 /* more than all that write_head() adds by itself */
};

/* ---- setting up ---- */

vetch_http_call *
vetch_http_call_new(vetch_http_client *c, const char *method, const char *url)
{
    size_t method_len, url_len;
    vetch_http_call *call;

    VETCH_CHECK(c != NULL && method != NULL && url != NULL, EINVAL, NULL);
    /* What is too long is refused by _send; a byte more is enough for it. */
    method_len = strnlen(method, METHOD_MAX + 1);
    url_len = strnlen(url, VETCH__URL_MAX + 1);
    call = vetch__malloc(sizeof(*call) + method_len + url_len + 2);
    if (call == NULL)
        return NULL;
    memset(call, 0, sizeof(*call));
    call->client = vetch_http_client_ref(c);
    call->method_len = (uint16_t)method_len;
    memcpy(call->text, method, method_len);
    call->text[method_len] = '\0';
    memcpy(call->text + method_len + 1, url, url_len);
    call->text[method_len + 1 + url_len] = '\0';
    return call;
}

static void
free_call(vetch_http_call *call)
{
    vetch__buffer_done(&call->fields);
    vetch_bytes_unref(call->body);
    vetch__upload_free(call->upload);
    vetch_http_client_unref(call->client);
    vetch__free(call);
}

void
vetch_http_call_free(vetch_http_call *call)
{
    if (call != NULL)
        free_call(call);
}

/* Where the line of a field begins in `fields`, or NULL. */
static char *
find_line(const vetch_http_call *call, const char *name, size_t *ret_len)
{
    const char *at = vetch_buffer_data(&call->fields);
    const char *end = at + vetch_buffer_len(&call->fields);
    size_t name_len = strlen(name);

    while (at < end) {
        const char *lf = memchr(at, '\n', (size_t)(end - at));
        const char *colon = memchr(at, ':', (size_t)(end - at));

        *ret_len = (size_t)(lf - at) + 1;
        if (vetch__http_equal(at, (size_t)(colon - at), name, name_len))
            return (char *)(uintptr_t)at;
        at = lf + 1;
    }
    return NULL;
}

static int
add_line(vetch_http_call *call, const char *name, const char *value)
{
    return vetch_buffer_printf(&call->fields, "%s: %s\r\n", name, value);
}

/* Drop all lines of that name among the first `n` bytes. */
static void
drop_lines(vetch_http_call *call, const char *name, size_t n)
{
    size_t len;
    char *line;

    while ((line = find_line(call, name, &len)) != NULL &&
           line < vetch_buffer_data(&call->fields) + n) {
        char *end = call->fields.data + call->fields.end;

        memmove(line, line + len, (size_t)(end - line) - len);
        call->fields.end -= len;
        n -= len;
    }
}

static int
set_line(vetch_http_call *call, const char *name, const char *value)
{
    size_t before = vetch_buffer_len(&call->fields);

    if (add_line(call, name, value) < 0)
        return -1;
    drop_lines(call, name, before);
    return 0;
}

static bool
is_name(const char *name, const char *lower)
{
    return vetch__http_equal(name, strlen(name), lower, strlen(lower));
}

static int
check_call_field(const char *name, const char *value)
{
    /* Expecting 100 means to wait for it, which this client does not. */
    if (is_name(name, "expect") || is_name(name, "proxy-connection")) {
        errno = EINVAL;
        return -1;
    }
    return vetch__http_check_field(name, value);
}

/* What the user sets the client does not. */
static void
note_own_field(vetch_http_call *call, const char *name)
{
    call->own_coding = call->own_coding || is_name(name, "accept-encoding");
    call->own_authorization =
        call->own_authorization || is_name(name, "authorization");
    call->upgrades = call->upgrades || is_name(name, "upgrade");
}

int
vetch_http_call_set_header(vetch_http_call *call, const char *name,
                           const char *value)
{
    VETCH_CHECK(call != NULL && name != NULL && value != NULL, EINVAL, -1);
    if (check_call_field(name, value) < 0 || set_line(call, name, value) < 0)
        return -1;
    note_own_field(call, name);
    return 0;
}

int
vetch_http_call_add_header(vetch_http_call *call, const char *name,
                           const char *value)
{
    size_t len;

    VETCH_CHECK(call != NULL && name != NULL && value != NULL, EINVAL, -1);
    if (check_call_field(name, value) < 0)
        return -1;
    if (vetch__http_is_single_field(name, strlen(name)) &&
        find_line(call, name, &len) != NULL) {
        errno = EEXIST;
        return -1;
    }
    if (add_line(call, name, value) < 0)
        return -1;
    note_own_field(call, name);
    return 0;
}

static int
set_type(vetch_http_call *call, const char *type)
{
    if (type == NULL)
        return 0;
    if (!vetch__http_is_value(type, strlen(type))) {
        errno = EINVAL;
        return -1;
    }
    return set_line(call, "Content-Type", type);
}

/* In place of what it was. */
static void
change_body(vetch_http_call *call, vetch_bytes *body,
            struct vetch__upload *upload)
{
    vetch_bytes_unref(call->body);
    vetch__upload_free(call->upload);
    call->body = body;
    call->upload = upload;
}

int
vetch_http_call_set_body(vetch_http_call *call, const char *type,
                         const void *body, size_t len)
{
    vetch_bytes *bytes;

    VETCH_CHECK(call != NULL && (body != NULL || len == 0), EINVAL, -1);
    bytes = vetch_bytes_new(body, len);
    if (bytes == NULL)
        return -1;
    if (set_type(call, type) < 0) {
        vetch_bytes_unref(bytes);
        return -1;
    }
    change_body(call, bytes, NULL);
    return 0;
}

int
vetch_http_call_set_body_stream(vetch_http_call *call, const char *type,
                                vetch_stream *stream, uint64_t length)
{
    struct vetch__upload *upload;

    VETCH_CHECK(call != NULL && stream != NULL, EINVAL, -1);
    upload = vetch__upload_new(stream, length);
    if (upload == NULL)
        return -1;
    if (set_type(call, type) < 0) {
        vetch__upload_free(upload);
        return -1;
    }
    change_body(call, NULL, upload);
    return 0;
}

/* ---- settling ---- */

/* A malformed URL, without the part that may be a password. */
static const char *
shown_text(const vetch_http_call *call)
{
    const char *url = call->text + call->method_len + 1;
    const char *at = strrchr(url, '@');

    return at != NULL ? at + 1 : url;
}

vetch_error *
vetch__http_call_wrap(const vetch_http_call *call, vetch_error *error)
{
    vetch_error *wrapped;

    /* A cancel needs no words: the caller asked for it. */
    if (vetch_error_code(error) == VETCH_ECANCELED ||
        vetch_error_code(error) == VETCH_ENOMEM)
        return error;
    if (call->shown != NULL)
        wrapped = vetch_error_wrap(error, "%s http%s://%.*s", call->text,
                                   call->tls ? "s" : "", (int)call->shown_len,
                                   call->shown);
    else
        wrapped =
            vetch_error_wrap(error, "%s %s", call->text, shown_text(call));
    vetch_error_unref(error);
    return wrapped;
}

void
vetch__http_call_end(vetch_http_call *call)
{
    if (vetch__timer_active(&call->total))
        vetch__timer_stop(call->client->reactor, &call->total);
    free_call(call);
}

void
vetch__http_call_fail(vetch_http_call *call, vetch_error *error)
{
    vetch_deferred *d = call->deferred;

    if (d != NULL) {
        call->deferred = NULL;
        vetch_deferred_reject(d, vetch__http_call_wrap(call, error));
        vetch_deferred_unref(d);
    } else {
        vetch_error_unref(error);
    }
    vetch__http_call_end(call);
}

static void
call_release_response(void *response)
{
    vetch_http_response_unref(response);
}

void
vetch__http_call_fulfil(vetch_http_call *call, vetch_http_response *r)
{
    vetch_deferred *d = call->deferred;

    call->deferred = NULL;
    vetch_deferred_resolve(d, r, call_release_response);
    vetch_deferred_unref(d);
}

/* Consumes `error`. */
static void
stop_call(vetch_http_call *call, vetch_error *error)
{
    if (call->conn != NULL) {
        vetch__client_conn_stop(call->conn, error);
    } else {
        vetch__http_pool_leave(&call->client->pool, &call->waiter);
        vetch__http_call_fail(call, error);
    }
}

static void
cancel_call(vetch_deferred *d, void *ctx)
{
    (void)d;
    stop_call(ctx, &vetch__error_canceled);
}

static void
took_too_long(struct vetch__timer *timer)
{
    vetch_http_call *call = vetch__container(timer, vetch_http_call, total);

    stop_call(call, vetch_error_new(VETCH_ETIMEDOUT, "not done within %g s",
                                    call->client->options.total_seconds));
}

/* ---- sending ---- */

static bool
is_idempotent(int method)
{
    return method == VETCH__HTTP_GET || method == VETCH__HTTP_HEAD ||
           method == VETCH__HTTP_PUT || method == VETCH__HTTP_DELETE ||
           method == VETCH__HTTP_OPTIONS || method == VETCH__HTTP_TRACE;
}

/* NULL if method and URL are good; then `*ret` is filled in. */
static vetch_error *
examine(vetch_http_call *call, struct vetch__http_url *ret)
{
    const char *why;
    int method;

    if (call->method_len > METHOD_MAX ||
        !vetch__http_is_token(call->text, call->method_len)) {
        memset(call->text, '?', call->method_len); /* not to be shown */
        return vetch_error_from_errno(EINVAL, "invalid method");
    }
    method = vetch__http_method_find(call->text, call->method_len);
    if (method == VETCH__HTTP_CONNECT)
        return vetch_error_from_errno(EINVAL, "no tunnels");
    why = vetch__http_url_parse(ret, call->text + call->method_len + 1);
    if (why != NULL)
        return vetch_error_new(VETCH_EURL, "%s", why);
    call->idempotent = is_idempotent(method);
    call->to_head = method == VETCH__HTTP_HEAD;
    call->tls = ret->tls;
    call->userinfo = ret->userinfo;
    call->userinfo_len = (uint16_t)ret->userinfo_len;
    call->target = ret->target;
    call->target_len = (uint16_t)ret->target_len;
    call->n_raw = (uint16_t)ret->n_raw;
    call->needs_slash = ret->needs_slash;
    call->shown = ret->shown;
    call->shown_len = (uint16_t)ret->shown_len;
    return NULL;
}

static vetch_promise *
refuse_call(vetch_http_call *call, vetch_error *error)
{
    vetch_promise *p = vetch_rejected(vetch__http_call_wrap(call, error));

    free_call(call);
    return p;
}

static vetch_promise *
send_call(vetch_http_call *call)
{
    vetch_http_client *c = call->client;
    struct vetch__http_url url = { .endpoint_len = 0 };
    vetch_error *error = examine(call, &url);
    vetch_promise *p;

    if (error != NULL)
        return refuse_call(call, error);
    if (c->ended || c->reactor != vetch__reactor)
        return refuse_call(call, &vetch__error_closed);
    call->deferred = vetch_deferred_new(cancel_call, call);
    if (call->deferred == NULL)
        return refuse_call(call, errno == ENOMEM ? &vetch__error_no_memory
                                                 : &vetch__error_closed);
    p = vetch_deferred_promise(call->deferred);
    vetch_http_client_ref(c);
    if ((c->total_ns != VETCH__FOREVER &&
         vetch__timer_start(c->reactor, &call->total, c->total_ns,
                            took_too_long) < 0) ||
        vetch__http_pool_acquire(&c->pool, url.endpoint, url.endpoint_len,
                                 &call->waiter) < 0)
        vetch__http_call_fail(call, &vetch__error_no_memory);
    vetch_http_client_unref(c);
    return p;
}

vetch_promise *
vetch_http_call_send(vetch_http_call *call)
{
    return call != NULL ? send_call(call) : vetch_rejected(NULL);
}

vetch_promise *
vetch_http_call_stream(vetch_http_call *call)
{
    if (call == NULL)
        return vetch_rejected(NULL);
    call->stream = true;
    return send_call(call);
}

vetch_promise *
vetch_http_get(vetch_http_client *c, const char *url)
{
    VETCH_CHECK(c != NULL && url != NULL, EINVAL, &vetch__misused);
    return vetch_http_call_send(vetch_http_call_new(c, "GET", url));
}

vetch_promise *
vetch_http_head(vetch_http_client *c, const char *url)
{
    VETCH_CHECK(c != NULL && url != NULL, EINVAL, &vetch__misused);
    return vetch_http_call_send(vetch_http_call_new(c, "HEAD", url));
}

vetch_promise *
vetch_http_post(vetch_http_client *c, const char *url, const char *type,
                const void *body, size_t len)
{
    vetch_http_call *call;

    VETCH_CHECK(c != NULL && url != NULL, EINVAL, &vetch__misused);
    VETCH_CHECK(body != NULL || len == 0, EINVAL, &vetch__misused);
    call = vetch_http_call_new(c, "POST", url);
    if (call != NULL && vetch_http_call_set_body(call, type, body, len) < 0) {
        int saved = errno;

        return refuse_call(
            call, saved == ENOMEM ? &vetch__error_no_memory
                                  : vetch_error_from_errno(saved, "its type"));
    }
    return vetch_http_call_send(call);
}

/* ---- writing ---- */

static char *
call_put_bytes(char *at, const void *data, size_t len)
{
    memcpy(at, data, len);
    return at + len;
}

#define PUT_TEXT(at, text) call_put_bytes(at, text, sizeof(text) - 1)

static char *
put_base64(char *at, const unsigned char *in, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < len; i += 3) {
        uint32_t v = (uint32_t)in[i] << 16;

        if (i + 1 < len)
            v |= (uint32_t)in[i + 1] << 8;
        if (i + 2 < len)
            v |= in[i + 2];
        *at++ = digits[v >> 18];
        *at++ = digits[v >> 12 & 63];
        *at++ = i + 1 < len ? digits[v >> 6 & 63] : '=';
        *at++ = i + 2 < len ? digits[v & 63] : '=';
    }
    return at;
}

/* The credentials of the URL, as RFC 7617 has them. They are decoded where
 * three times the room is, behind what is written. */
static char *
put_authorization(char *at, const vetch_http_call *call)
{
    size_t len = call->userinfo_len;
    char *plain;

    at = PUT_TEXT(at, "Authorization: Basic ");
    plain = at + 2 * len + 8;
    memcpy(plain, call->userinfo, len);
    len = vetch__url_decode(plain, len);
    if (memchr(call->userinfo, ':', call->userinfo_len) == NULL)
        plain[len++] = ':';
    at = put_base64(at, (const unsigned char *)plain, len);
    return PUT_TEXT(at, "\r\n");
}

static char *
put_length(char *at, const vetch_http_call *call)
{
    static const char *const with_body[] = { "POST", "PUT", "PATCH" };

    if (call->upload != NULL)
        return vetch__upload_put_framing(at, call->upload);
    if (call->body != NULL)
        return at + sprintf(at, "Content-Length: %zu\r\n",
                            vetch_bytes_len(call->body));
    for (size_t i = 0; i < sizeof(with_body) / sizeof(with_body[0]); i++)
        if (strcmp(call->text, with_body[i]) == 0)
            return PUT_TEXT(at, "Content-Length: 0\r\n");
    return at;
}

static size_t
head_room(const vetch_http_call *call, size_t host_len)
{
    return HEAD_MARGIN + call->method_len + call->target_len +
           2 * (size_t)call->n_raw + host_len + 4 * (size_t)call->userinfo_len +
           vetch_buffer_len(&call->fields);
}

static size_t
write_head(const vetch_http_call *call, char *to, const char *host,
           size_t host_len)
{
    char *at = call_put_bytes(to, call->text, call->method_len);
    size_t unused;

    *at++ = ' ';
    if (call->needs_slash)
        *at++ = '/';
    if (call->n_raw == 0)
        at = call_put_bytes(at, call->target, call->target_len);
    else
        at = vetch__url_put_encoded(at, call->target, call->target_len);
    at = PUT_TEXT(at, " HTTP/1.1\r\nHost: ");
    at = vetch__http_url_put_host(at, host, host_len);
    at = PUT_TEXT(at, "\r\n");
    /* A part of a coded body could not be decoded. */
    if (call->client->options.decompress && !call->own_coding &&
        find_line(call, "range", &unused) == NULL)
        at = PUT_TEXT(at, "Accept-Encoding: gzip, deflate\r\n");
    if (call->userinfo_len > 0 && !call->own_authorization)
        at = put_authorization(at, call);
    if (find_line(call, "user-agent", &unused) == NULL)
        at = PUT_TEXT(at, "User-Agent: vetch/" VETCH_VERSION "\r\n");
    at = call_put_bytes(at, vetch_buffer_data(&call->fields),
                        vetch_buffer_len(&call->fields));
    if (call->upgrades)
        at = PUT_TEXT(at, "Connection: Upgrade\r\n");
    at = put_length(at, call);
    at = PUT_TEXT(at, "\r\n");
    return (size_t)(at - to);
}

static void
call_release_bytes(void *bytes)
{
    vetch_bytes_unref(bytes);
}

/* A long body stays where it is; it is needed as long as there may be a second
 * try anyway. */
static int
write_body(const vetch_http_call *call, vetch_transport *t)
{
    const void *data = vetch_bytes_data(call->body);
    size_t len = vetch_bytes_len(call->body);

    if (len <= COPIED_BODY_MAX)
        return vetch_transport_write(t, data, len);
    if (vetch_transport_write_owned(t, data, len, call_release_bytes,
                                    vetch_bytes_ref(call->body)) == 0)
        return 0;
    vetch_bytes_unref(call->body); /* the reference that was not taken */
    return -1;
}

static int
write_long_head(const vetch_http_call *call, vetch_transport *t, size_t room,
                const char *host, size_t host_len)
{
    char *head = vetch__malloc(room);
    int result;

    if (head == NULL)
        return -1;
    result =
        vetch_transport_write(t, head, write_head(call, head, host, host_len));
    vetch__free(head);
    return result;
}

int
vetch__http_call_write(vetch_http_call *call, vetch_transport *t,
                       const char *host, size_t host_len)
{
    size_t room = head_room(call, host_len);

    if (room <= VETCH__CHUNK_ROOM) {
        char *head = vetch__transport_reserve(t, room);

        if (head == NULL)
            return -1;
        vetch__transport_commit(t, write_head(call, head, host, host_len));
    } else if (write_long_head(call, t, room, host, host_len) < 0) {
        return -1;
    }
    if (call->body == NULL || vetch_bytes_len(call->body) == 0)
        return 0;
    return write_body(call, t);
}
