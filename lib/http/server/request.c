/* Requests: recycled memory, and what the user may ask of one.
 *
 * While its handler runs for the first time, a request's head lies in the
 * transport's buffer, and nothing has been copied. It is copied when the user
 * asks for a string of it, or when the handler returns a promise: whatever
 * comes first. Strings are ended by a NUL in that copy when they are asked
 * for; each is followed there by a byte that nobody needs (`:`, CR, a blank).
 */

#include "http/server/server-private.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <vetch/error.h>

#include "base/check-private.h"
#include "base/error-private.h"
#include "base/mem-private.h"

/* What is recycled: so many requests, with so much memory each. */
#define MAX_SPARE    64
#define MAX_OWN_SIZE ((size_t)4096)

/* ---- recycling ---- */

static void
init_request(vetch_http_request *r)
{
    vetch__list_init(&r->link);
    r->life = VETCH__R_HEARD;
    r->response = VETCH__RESPONSE_NONE;
    r->safe = r->close = r->chunked = r->bodiless = false;
    r->own_date = r->own_type = r->own_upgrade = r->announces = false;
    r->body_done = r->continued = r->kept = false;
    r->canceled = r->path_has_slash = false;
    r->conn = NULL;
    r->transport = NULL;
    r->route = NULL;
    r->base = r->path = "";
    r->head_len = r->path_len = 0;
    r->param_text = NULL;
    r->slice = NULL;
    r->stream = NULL;
    r->measured = r->tunnel = r->peer_ended = false;
    r->held_fd = -1;
    r->match.n_params = 0;
    r->head.fields.n = 0;
    r->head.method = VETCH__HTTP_GET; /* if it is refused before it has one */
}

static vetch_http_request *
request_new(const vetch_http_server *s)
{
    vetch_http_request *r =
        vetch__malloc(sizeof(*r) + s->max_fields * sizeof(r->table[0]));

    if (r == NULL)
        return NULL;
    memset(r, 0, sizeof(*r));
    r->head.fields.v = r->table;
    r->head.fields.cap = (uint16_t)s->max_fields;
    return r;
}

vetch_http_request *
vetch__http_request_take(vetch_http_server *s)
{
    vetch_http_request *r = s->spare;

    if (vetch__likely(r != NULL)) {
        if (vetch__fault())
            return NULL;
        s->spare = r->next_spare;
        s->n_spare--;
    } else {
        r = request_new(s);
        if (r == NULL)
            return NULL;
    }
    init_request(r);
    r->server = vetch_http_server_ref(s);
    return r;
}

static void
clear_buffer(vetch_buffer *b)
{
    if (b->capacity > MAX_OWN_SIZE)
        vetch__buffer_done(b);
    else
        vetch_buffer_clear(b);
}

static void
request_free(vetch_http_request *r)
{
    vetch__free(r->own);
    vetch__buffer_done(&r->content);
    vetch__buffer_done(&r->fields);
    vetch__buffer_done(&r->held);
    vetch__free(r);
}

/* At the end of the server. */
void
vetch__http_request_free_spare(vetch_http_server *s)
{
    while (s->spare != NULL) {
        vetch_http_request *r = s->spare;

        s->spare = r->next_spare;
        request_free(r);
    }
}

void
vetch__http_request_give(vetch_http_request *r)
{
    vetch_http_server *s = r->server;

    assert(r->stream == NULL);
    if (vetch__unlikely(r->held_fd >= 0))
        close(r->held_fd);
    r->transport = vetch_transport_unref(r->transport);
    if (s->n_spare >= MAX_SPARE) {
        request_free(r);
    } else {
        if (r->own_size > MAX_OWN_SIZE) {
            vetch__free(r->own);
            r->own = NULL;
            r->own_size = 0;
        }
        clear_buffer(&r->content);
        clear_buffer(&r->fields);
        clear_buffer(&r->held);
        r->next_spare = s->spare;
        s->spare = r;
        s->n_spare++;
    }
    vetch_http_server_unref(s);
}

/* ---- the head, ours ---- */

/* Room for the head, the decoded path with its NUL, and parameters. */
static int
make_own_room(vetch_http_request *r)
{
    size_t path = r->head.path.len + 1;
    size_t size = r->head_len + 2 * path + VETCH__ROUTE_PARAMS;
    char *own;

    if (size <= r->own_size)
        return 0;
    own = vetch__malloc(size);
    if (own == NULL)
        return -1;
    vetch__free(r->own);
    r->own = own;
    r->own_size = size;
    return 0;
}

static void
copy_params(vetch_http_request *r)
{
    char *to = r->own + r->head_len + r->head.path.len + 1;
    unsigned i;

    r->param_text = to;
    for (i = 0; i < r->match.n_params; i++) {
        const struct vetch__slice *p = &r->match.params[i];

        memcpy(to, r->path + p->at, p->len);
        to[p->len] = '\0';
        to += p->len + 1;
    }
}

static int
keep_head(vetch_http_request *r)
{
    char *path;

    if (vetch__likely(r->kept))
        return 0;
    if (make_own_room(r) < 0)
        return -1;
    memcpy(r->own, r->base, r->head_len);
    r->base = r->own;
    path = r->own + r->head_len;
    if (r->path != path) /* else it was decoded to this place */
        memcpy(path, r->path, r->path_len);
    path[r->path_len] = '\0';
    r->path = path;
    copy_params(r);
    r->kept = true;
    return 0;
}

static int
keep_body(vetch_http_request *r)
{
    if (r->slice == NULL)
        return 0;
    if (vetch_buffer_append(&r->content, r->slice, r->slice_len) < 0)
        return -1;
    r->slice = NULL;
    return 0;
}

/* What could not be copied is going away: have nothing that points there. */
static void
forget_head(vetch_http_request *r)
{
    r->slice = NULL;
    if (r->kept)
        return;
    r->base = r->path = "";
    r->head_len = r->path_len = 0;
    r->head.fields.n = 0;
    r->head.target.len = r->head.path.len = r->head.query.len = 0;
    r->match.n_params = 0;
}

int
vetch__http_request_keep(vetch_http_request *r)
{
    if (keep_head(r) < 0 || keep_body(r) < 0) {
        forget_head(r);
        return -1;
    }
    if (r->transport == NULL && r->conn != NULL)
        r->transport = vetch_transport_ref(r->conn->transport);
    return 0;
}

static void
find_route(vetch_http_request *r, const char *path, size_t len, char separator)
{
    vetch__router_find(&r->server->router, r->head.method, path, len, separator,
                       &r->match);
    r->path = path;
    r->path_len = len;
}

/* 0, or the status that refuses the path. */
static unsigned
find_decoded(vetch_http_request *r)
{
    const struct vetch__slice *raw = &r->head.path;
    size_t len;
    char *to;

    if (make_own_room(r) < 0)
        return 503;
    to = r->own + r->head_len;
    len =
        vetch__path_decode(r->base + raw->at, raw->len, to, &r->path_has_slash);
    if (len == 0)
        return 400;
    find_route(r, to, len, VETCH__PATH_DECODED);
    vetch__path_show(to, len);
    return 0;
}

unsigned
vetch__http_request_locate(vetch_http_request *r, const char *data, size_t len)
{
    r->base = data;
    r->head_len = len;
    if (vetch__likely(r->head.plain_path)) {
        find_route(r, data + r->head.path.at, r->head.path.len,
                   VETCH__PATH_PLAIN);
    } else {
        unsigned status = find_decoded(r);

        if (status != 0)
            return status;
    }
    r->route = r->match.route;
    if (vetch__likely(r->route != NULL))
        return 0;
    if (r->head.form == VETCH__HTTP_ASTERISK)
        r->match.allowed = vetch__router_methods(&r->server->router);
    if (r->match.allowed != 0 && r->head.method == VETCH__HTTP_OPTIONS)
        return 200;
    return r->match.allowed != 0 ? 405 : 404;
}

/* ---- what the user asks ---- */

/* Accessors are const for their callers: the copy is our own affair. */
static vetch_http_request *
own_copy(const vetch_http_request *r)
{
    vetch_http_request *mine = (vetch_http_request *)(uintptr_t)r;

    return keep_head(mine) < 0 ? NULL : mine;
}

static const char *
text_of(vetch_http_request *r, struct vetch__slice s)
{
    r->own[s.at + s.len] = '\0';
    return r->own + s.at;
}

const char *
vetch_http_request_method(const vetch_http_request *r)
{
    VETCH_CHECK(r != NULL, EINVAL, "");
    return vetch__http_method_name(r->head.method);
}

const char *
vetch_http_request_target(const vetch_http_request *r)
{
    vetch_http_request *mine;

    VETCH_CHECK(r != NULL, EINVAL, "");
    mine = own_copy(r);
    return mine != NULL ? text_of(mine, r->head.target) : "";
}

const char *
vetch_http_request_path(const vetch_http_request *r)
{
    VETCH_CHECK(r != NULL, EINVAL, "");
    return own_copy(r) != NULL ? r->path : "";
}

const char *
vetch_http_request_query(const vetch_http_request *r)
{
    vetch_http_request *mine;

    VETCH_CHECK(r != NULL, EINVAL, "");
    if (r->head.query.len == 0)
        return "";
    mine = own_copy(r);
    return mine != NULL ? text_of(mine, r->head.query) : "";
}

const char *
vetch_http_request_param(const vetch_http_request *r, const char *name)
{
    const char *text;
    int i;

    VETCH_CHECK(r != NULL && name != NULL, EINVAL, NULL);
    i = vetch__route_param(r->route, name);
    if (i < 0 || own_copy(r) == NULL || i >= r->match.n_params)
        return NULL;
    for (text = r->param_text; i > 0; i--)
        text += strlen(text) + 1;
    return text;
}

const char *
vetch_http_request_header(const vetch_http_request *r, const char *name)
{
    vetch_http_request *mine;
    int i;

    VETCH_CHECK(r != NULL && name != NULL, EINVAL, NULL);
    i = vetch__http_field_find(&r->head.fields, r->base, name, 0);
    mine = i >= 0 ? own_copy(r) : NULL;
    return mine != NULL ? text_of(mine, r->table[i].value) : NULL;
}

bool
vetch_http_request_header_at(const vetch_http_request *r, size_t i,
                             const char **ret_name, const char **ret_value)
{
    vetch_http_request *mine;

    VETCH_CHECK(r != NULL && ret_name != NULL && ret_value != NULL, EINVAL,
                false);
    mine = i < r->head.fields.n ? own_copy(r) : NULL;
    if (mine == NULL)
        return false;
    *ret_name = text_of(mine, r->table[i].name);
    *ret_value = text_of(mine, r->table[i].value);
    return true;
}

const char *
vetch_http_request_peer(const vetch_http_request *r)
{
    VETCH_CHECK(r != NULL, EINVAL, "");
    if (r->transport != NULL)
        return vetch_transport_peer(r->transport);
    return r->conn != NULL ? vetch_transport_peer(r->conn->transport) : "";
}

const void *
vetch_http_request_body(const vetch_http_request *r, size_t *ret_len)
{
    VETCH_CHECK(r != NULL && ret_len != NULL, EINVAL, "");
    if (r->slice != NULL)
        keep_body((vetch_http_request *)(uintptr_t)r);
    if (r->slice != NULL) { /* no memory for a copy: good while it is there */
        *ret_len = r->slice_len;
        return r->slice;
    }
    *ret_len = r->route->stream ? 0 : vetch__buffer_len(&r->content);
    return vetch_buffer_data(&r->content);
}
