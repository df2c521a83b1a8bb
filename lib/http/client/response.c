/* What came back.
 *
 * One block holds the object, the table of fields, a copy of the head whose
 * names and values got a NUL each, and, if its length is known and nothing has
 * to be decoded, the body.  Other whole bodies grow, up to their limit.
 *
 * The body of a stream goes on to response_stream.c.
 *
 * References are the user's.  With the last one the body is broken off. */

#include "http/client/client-private.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/check-private.h"
#include "base/error-private.h"

enum { FIRST_ROOM = 4096 };

/* ---- making one ---- */

/* Find what the body is coded with and can be undone: nothing of a part of
 * coded bytes, nor of codings that are not all known. NULL, or why the body is
 * refused. */
static const char *
find_codings(const vetch_http_call *call, const struct vetch__http_head *h,
             const char *data, struct vetch__codings *ret)
{
    const char *why;
    size_t from = 0;
    int i;

    if (!call->client->options.decompress || call->own_coding ||
        h->framing == VETCH__HTTP_NO_BODY || h->status == 206)
        return NULL;
    while ((i = vetch__http_field_find(&h->fields, data, "content-encoding",
                                       from)) >= 0) {
        const struct vetch__slice *v = &h->fields.v[i].value;

        why = vetch__codings_add(ret, data + v->at, v->len);
        if (why != NULL)
            return why;
        from = (size_t)i + 1;
    }
    if (ret->unknown)
        ret->n = 0;
    return NULL;
}

/* No limit still lets sizes be added to it. */
static size_t
response_body_limit(const vetch_http_call *call)
{
    size_t limit = call->client->options.max_body_bytes;

    return limit < SIZE_MAX / 2 ? limit : SIZE_MAX / 2;
}

static vetch_error *
too_large(size_t limit)
{
    return vetch_error_new(VETCH_ETOOLARGE, "the body is larger than %zu bytes",
                           limit);
}

static vetch_error *
check_head(const vetch_http_call *call, const struct vetch__http_head *h,
           const char *data, struct vetch__codings *ret)
{
    size_t limit = response_body_limit(call);
    const char *why = find_codings(call, h, data, ret);

    if (why != NULL)
        return vetch_error_new(VETCH_ECODING, "%s", why);
    /* Refused before any of it is read. */
    if (!call->stream && h->framing == VETCH__HTTP_LENGTH &&
        h->content_length > limit)
        return too_large(limit);
    return NULL;
}

/* The copied head becomes strings. */
static void
cut_fields(vetch_http_response *r, char *head)
{
    for (size_t i = 0; i < r->n_fields; i++) {
        const struct vetch__http_field *f = &r->fields[i];

        head[f->name.at + f->name.len] = '\0';
        head[f->value.at + f->value.len] = '\0';
    }
}

static void
put_label(char *to, const vetch_http_call *call)
{
    char *at = mempcpy(to, call->text, call->method_len);

    at = stpcpy(at, call->tls ? " https://" : " http://");
    at = mempcpy(at, call->shown, call->shown_len);
    *at = '\0';
}

/* What the head says of the length of the body. */
static uint64_t
length_of(const vetch_http_call *call, const struct vetch__http_head *h)
{
    if (h->has_length)
        return h->content_length;
    return h->framing == VETCH__HTTP_NO_BODY && !call->to_head
               ? 0
               : VETCH_HTTP_LENGTH_UNKNOWN;
}

static vetch_http_response *
make_response(const vetch_http_call *call, const struct vetch__http_head *h,
              const char *data, size_t len, bool body_inside)
{
    size_t fields_size = h->fields.n * sizeof(struct vetch__http_field);
    size_t size = sizeof(vetch_http_response) + fields_size + len;
    vetch_http_response *r;
    char *head;

    if (call->stream)
        size += call->method_len + call->shown_len + sizeof(" https://");
    else if (body_inside)
        size += (size_t)h->content_length + 1;
    r = vetch__malloc(size);
    if (r == NULL)
        return NULL;
    memset(r, 0, sizeof(*r));
    r->object =
        (struct vetch__object){ .type = VETCH__HTTP_RESPONSE, .refs = 1 };
    r->status = h->status;
    r->n_fields = h->fields.n;
    r->streamed = call->stream;
    r->length = length_of(call, h);
    memcpy(r->fields, h->fields.v, fields_size);
    head = (char *)r->fields + fields_size;
    memcpy(head, data, len);
    cut_fields(r, head);
    r->head = head;
    if (call->stream) {
        put_label(head + len, call);
        r->label = head + len;
    } else if (body_inside) {
        r->body_inside = true;
        r->body = head + len;
        r->body_room = (size_t)h->content_length;
        r->body[r->body_room] = '\0';
    }
    return r;
}

vetch_http_response *
vetch__http_response_new(const vetch_http_call *call,
                         const struct vetch__http_head *h, const char *data,
                         size_t len, vetch_error **ret_error)
{
    struct vetch__codings codings = { 0 };
    size_t limit = response_body_limit(call);
    vetch_error *error = check_head(call, h, data, &codings);
    vetch_http_response *r;

    if (error != NULL) {
        *ret_error = error;
        return NULL;
    }
    r = make_response(call, h, data, len,
                      h->framing == VETCH__HTTP_LENGTH && codings.n == 0);
    if (r == NULL)
        goto fail;
    r->max_body = limit;
    if (codings.n > 0) {
        r->inflate = vetch__inflate_new(&codings);
        if (r->inflate == NULL)
            goto fail;
        r->length = VETCH_HTTP_LENGTH_UNKNOWN;
    }
    return r;
fail:
    vetch_http_response_unref(r);
    *ret_error = &vetch__error_no_memory;
    return NULL;
}

/* ---- whole bodies ---- */

int
vetch__http_response_grow(vetch_http_response *r, size_t more)
{
    size_t room = r->body_room > 0 ? r->body_room : FIRST_ROOM;
    char *body;

    if (r->body_room - r->body_len >= more)
        return 0;
    while (room - r->body_len < more)
        room *= 2;
    body = vetch__realloc(r->body, room + 1);
    if (body == NULL)
        return -1;
    r->body = body;
    r->body_room = room;
    return 0;
}

static vetch_error *
append_plain(vetch_http_response *r, const char *data, size_t len)
{
    if (len > r->max_body - r->body_len)
        return too_large(r->max_body);
    if (!r->body_inside && vetch__http_response_grow(r, len) < 0)
        return &vetch__error_no_memory;
    memcpy(r->body + r->body_len, data, len);
    r->body_len += len;
    return NULL;
}

vetch_error *
vetch__http_coding_error(enum vetch__inflated result, const char *why)
{
    return result == VETCH__INFLATE_NOMEM
               ? &vetch__error_no_memory
               : vetch_error_new(VETCH_ECODING, "%s", why);
}

static vetch_error *
append_coded(vetch_http_response *r, const char *data, size_t len)
{
    struct vetch__inflate_io io = { .in = data, .in_len = len };
    enum vetch__inflated result;

    do {
        if (vetch__http_response_grow(r, FIRST_ROOM / 4) < 0)
            return &vetch__error_no_memory;
        io.out = r->body + r->body_len;
        io.out_len = r->body_room - r->body_len;
        result = vetch__inflate_run(r->inflate, &io);
        r->body_len = r->body_room - io.out_len;
        if (r->body_len > r->max_body)
            return too_large(r->max_body);
    } while (result == VETCH__INFLATE_FULL);
    return result == VETCH__INFLATE_MORE
               ? NULL
               : vetch__http_coding_error(result, io.why);
}

vetch_error *
vetch__http_response_check(vetch_http_response *r)
{
    if (r->inflate == NULL || vetch__inflate_complete(r->inflate))
        return NULL;
    return vetch_error_new(VETCH_ECODING, "the coded body ends early");
}

/* ---- what comes ---- */

vetch_error *
vetch__http_response_feed(vetch_http_response *r, const char *data, size_t len)
{
    if (r->streamed)
        return vetch__response_stream_feed(r, data, len);
    return r->inflate != NULL ? append_coded(r, data, len)
                              : append_plain(r, data, len);
}

vetch_error *
vetch__http_response_end(vetch_http_response *r)
{
    vetch_error *error;

    if (r->streamed)
        return NULL; /* the last read will see */
    error = vetch__http_response_check(r);
    vetch__inflate_free(r->inflate);
    r->inflate = NULL;
    if (r->body != NULL)
        r->body[r->body_len] = '\0';
    return error;
}

/* ---- looking at it ---- */

unsigned
vetch_http_response_status(const vetch_http_response *r)
{
    VETCH_CHECK(r != NULL, EINVAL, 0);
    return r->status;
}

const char *
vetch_http_response_header(const vetch_http_response *r, const char *name)
{
    size_t len;

    VETCH_CHECK(r != NULL && name != NULL, EINVAL, NULL);
    len = strlen(name);
    for (size_t i = 0; i < r->n_fields; i++) {
        const struct vetch__http_field *f = &r->fields[i];

        if (vetch__http_equal(r->head + f->name.at, f->name.len, name, len))
            return r->head + f->value.at;
    }
    return NULL;
}

bool
vetch_http_response_header_at(const vetch_http_response *r, size_t i,
                              const char **ret_name, const char **ret_value)
{
    VETCH_CHECK(r != NULL && ret_name != NULL && ret_value != NULL, EINVAL,
                false);
    if (i >= r->n_fields)
        return false;
    *ret_name = r->head + r->fields[i].name.at;
    *ret_value = r->head + r->fields[i].value.at;
    return true;
}

uint64_t
vetch_http_response_length(const vetch_http_response *r)
{
    VETCH_CHECK(r != NULL, EINVAL, 0);
    return r->length;
}

const void *
vetch_http_response_body(const vetch_http_response *r, size_t *ret_len)
{
    bool whole = r != NULL && !r->streamed && r->body != NULL;

    VETCH_CHECK(r != NULL, EINVAL, "");
    if (ret_len != NULL)
        *ret_len = whole ? r->body_len : 0;
    return whole ? r->body : "";
}

/* ---- references ---- */

static void
free_response(vetch_http_response *r)
{
    vetch__inflate_free(r->inflate);
    vetch__buffer_done(&r->raw);
    vetch_error_unref(r->error);
    if (!r->body_inside)
        vetch__free(r->body);
    vetch__free(r);
}

/* The user has let go of it: break off what still goes on. */
static void
response_release(vetch_http_response *r)
{
    if (r->conn != NULL) {
        r->conn->response = NULL;
        vetch__client_conn_stop(r->conn, &vetch__error_canceled);
        r->conn = NULL;
    }
    vetch__response_stream_leave(r);
    free_response(r);
}

vetch_http_response *
vetch_http_response_ref(vetch_http_response *r)
{
    if (r != NULL)
        r->object.refs++;
    return r;
}

vetch_http_response *
vetch_http_response_unref(vetch_http_response *r)
{
    if (r == NULL || --r->object.refs > 0 ||
        (r->conn != NULL && vetch__http_client_is_inherited(r->conn->client)))
        return NULL;
    response_release(r);
    return NULL;
}
