/* Heads: llhttp splits a whole head into slices, and what RFC 9112 forbids but
 * llhttp lets through is refused here, from the raw bytes where llhttp hides
 * them. llhttp sees one head and then is forgotten: its own idea of the body
 * and of upgrades is not used. */

#include "http/message/parser-private.h"

#include <llhttp.h>
#include <string.h>

struct parse {
    llhttp_t llhttp; /* first: callbacks get a pointer to it */
    struct vetch__http_head *head;
    const char *data;
    size_t len;
    bool complete; /* llhttp has seen all fields */
};

/* What fields say about framing and the connection, before it is judged. */
struct framing {
    unsigned n_length, n_coding, n_host;
    struct vetch__slice length, coding;
    bool close, keep_alive, expect, expect_other;
};

static enum vetch__http_verdict
refuse(struct vetch__http_head *h, unsigned status, const char *why)
{
    h->refusal.status = (uint16_t)status;
    h->refusal.why = why;
    return VETCH__HTTP_REFUSED;
}

/* ---- llhttp's callbacks ---- */

static struct vetch__slice
slice_of(const struct parse *p, const char *at, size_t len)
{
    return (struct vetch__slice){ (uint32_t)(at - p->data), (uint32_t)len };
}

static int
on_start(llhttp_t *l, const char *at, size_t len)
{
    struct parse *p = (struct parse *)l;

    if (l->type == HTTP_REQUEST)
        p->head->target = slice_of(p, at, len);
    else
        p->head->reason = slice_of(p, at, len);
    return 0;
}

static int
on_name(llhttp_t *l, const char *at, size_t len)
{
    struct parse *p = (struct parse *)l;
    struct vetch__http_fields *f = &p->head->fields;

    if (f->n == f->cap) {
        refuse(p->head, 431, "too many header fields");
        return HPE_USER;
    }
    if (!vetch__http_is_token(at, len)) {
        refuse(p->head, 400, "malformed field name");
        return HPE_USER;
    }
    f->v[f->n].name = slice_of(p, at, len);
    f->v[f->n].value = slice_of(p, at + len, 0);
    f->n++;
    return 0;
}

static int
on_value(llhttp_t *l, const char *at, size_t len)
{
    struct parse *p = (struct parse *)l;
    struct vetch__http_fields *f = &p->head->fields;

    while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
        len--;
    if (f->n > 0 && len > 0) /* an empty one may be said to begin anywhere */
        f->v[f->n - 1].value = slice_of(p, at, len);
    return 0;
}

static int
on_complete(llhttp_t *l)
{
    ((struct parse *)l)->complete = true;
    l->upgrade = 0; /* or it would pause */
    return 0;
}

static const llhttp_settings_t callbacks = {
    .on_url = on_start,
    .on_status = on_start,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_headers_complete = on_complete,
};

/* True if llhttp has split the whole head. What it says of framing after that
 * does not matter: the fields are judged here. */
static bool
split(struct parse *p, llhttp_type_t type)
{
    p->head->fields.n = 0;
    p->head->refusal = (struct vetch__http_refusal){ 0, NULL };
    p->complete = false;
    llhttp_init(&p->llhttp, type, &callbacks);
    llhttp_execute(&p->llhttp, p->data, p->len);
    return p->complete;
}

/* ---- fields that frame the message ---- */

static void
note_connection(struct framing *fr, const char *value, size_t len)
{
    if (vetch__http_list_has(value, len, "close"))
        fr->close = true;
    if (vetch__http_list_has(value, len, "keep-alive"))
        fr->keep_alive = true;
}

/* Whether `len` bytes of a token (or of a list of them) are that name, given
 * in small letters: setting one bit makes letters small, and changes no other
 * byte of a token into one of the names used here. */
static inline bool
named(const char *s, size_t len, const char *name)
{
    unsigned char differ = 0;
    size_t i;

    for (i = 0; i < len; i++)
        differ |= (unsigned char)((s[i] | 0x20) ^ name[i]);
    return differ == 0;
}

static void
note_field(struct vetch__http_head *h, struct framing *fr, const char *data,
           const struct vetch__http_field *field)
{
    const char *name = data + field->name.at;
    const char *value = data + field->value.at;
    size_t len = field->value.len;

    switch (field->name.len) {
    case 4:
        if (named(name, 4, "host")) {
            fr->n_host++;
            h->host = field->value;
        }
        break;
    case 6:
        if (named(name, 6, "expect")) {
            if (vetch__http_equal(value, len, "100-continue", 12))
                fr->expect = true;
            else
                fr->expect_other = true;
        }
        break;
    case 10:
        if (named(name, 10, "connection"))
            note_connection(fr, value, len);
        break;
    case 14:
        if (named(name, 14, "content-length")) {
            fr->n_length++;
            fr->length = field->value;
        }
        break;
    case 17:
        if (named(name, 17, "transfer-encoding")) {
            fr->n_coding++;
            fr->coding = field->value;
        }
        break;
    default:
        break;
    }
}

static struct framing
note_fields(struct vetch__http_head *h, const char *data)
{
    struct framing fr = { 0 };
    size_t i;

    for (i = 0; i < h->fields.n; i++)
        note_field(h, &fr, data, &h->fields.v[i]);
    h->keep_alive = !fr.close && (h->minor == 1 || fr.keep_alive);
    h->framing = VETCH__HTTP_NO_BODY;
    h->has_length = false;
    h->content_length = 0;
    return fr;
}

/* 1*DIGIT, 19 digits at most, so that it fits. */
static bool
parse_length(const char *s, size_t len, uint64_t *ret)
{
    uint64_t n = 0;
    size_t i;

    if (len == 0 || len > 19)
        return false;
    for (i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(s[i] - '0');
    }
    *ret = n;
    return true;
}

static enum vetch__http_verdict
judge_length(struct vetch__http_head *h, const struct framing *fr,
             const char *data)
{
    if (fr->n_length == 0)
        return VETCH__HTTP_DONE;
    if (fr->n_coding > 0)
        return refuse(h, 400, "Content-Length with Transfer-Encoding");
    if (fr->n_length > 1)
        return refuse(h, 400, "repeated Content-Length");
    if (!parse_length(data + fr->length.at, fr->length.len, &h->content_length))
        return refuse(h, 400, "malformed Content-Length");
    h->has_length = true;
    if (h->content_length > 0)
        h->framing = VETCH__HTTP_LENGTH;
    return VETCH__HTTP_DONE;
}

static bool
is_chunked(const struct framing *fr, const char *data)
{
    return vetch__http_equal(data + fr->coding.at, fr->coding.len, "chunked",
                             7);
}

/* ---- the request line ---- */

enum { FRAGMENT = 1, BAD = 2, ENCODED = 4 };

/* Bytes of a target that need attention. Of what RFC 3986 does not allow, some
 * are left alone because browsers send them. */
static unsigned char
target_byte(unsigned char c)
{
    if (c <= ' ' || c >= 0x7f || c == '"' || c == '<' || c == '>')
        return BAD;
    if (c == '#')
        return FRAGMENT;
    return c == '%' ? ENCODED : 0;
}

static const char *
judge_target_bytes(const char *s, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        unsigned char what = target_byte((unsigned char)s[i]);

        if (what == BAD)
            return "forbidden byte in the target";
        if (what == FRAGMENT)
            return "fragment in the target";
    }
    return NULL;
}

/* Split path and query; `at` is where the path begins. */
static void
split_path(struct vetch__http_head *h, const char *data, uint32_t at)
{
    uint32_t end = h->target.at + h->target.len;
    uint32_t i;

    h->plain_path = true;
    for (i = at; i < end && data[i] != '?'; i++) {
        if (data[i] == '%')
            h->plain_path = false;
        if (data[i] == '/' && i + 1 < end &&
            (data[i + 1] == '/' || data[i + 1] == '.'))
            h->plain_path = false;
    }
    h->path = (struct vetch__slice){ at, i - at };
    if (i < end)
        i++;
    h->query = (struct vetch__slice){ i, end - i };
}

static bool
judge_authority_form(struct vetch__http_head *h, const char *data)
{
    const char *s = data + h->target.at;
    size_t len = h->target.len;
    size_t digits = 0;

    h->form = VETCH__HTTP_AUTHORITY;
    h->path = h->target;
    h->plain_path = true;
    while (digits < len && s[len - 1 - digits] >= '0' &&
           s[len - 1 - digits] <= '9')
        digits++;
    return digits > 0 && digits < len && s[len - 1 - digits] == ':' &&
           vetch__http_is_host(s, len);
}

/* `http://host[:port][/path][?query]`: the authority goes into ret. */
static bool
judge_absolute_form(struct vetch__http_head *h, const char *data,
                    struct vetch__slice *ret)
{
    const char *s = data + h->target.at;
    size_t len = h->target.len;
    size_t at, end;

    h->form = VETCH__HTTP_ABSOLUTE;
    if (len > 7 && named(s, 7, "http://"))
        at = 7;
    else if (len > 8 && named(s, 8, "https://"))
        at = 8;
    else
        return false;
    for (end = at; end < len && s[end] != '/' && s[end] != '?'; end++)
        ;
    *ret = (struct vetch__slice){ h->target.at + (uint32_t)at,
                                  (uint32_t)(end - at) };
    if (end < len && s[end] == '/') {
        split_path(h, data, h->target.at + (uint32_t)end);
    } else {
        /* An empty path is "/": there is one before the authority. */
        split_path(h, data, h->target.at + (uint32_t)end);
        h->path = (struct vetch__slice){ h->target.at + (uint32_t)at - 1, 1 };
        h->plain_path = true;
    }
    return vetch__http_is_host(s + at, end - at);
}

/* RFC 9112, section 3.2. `authority` stays empty but for absolute targets. */
static enum vetch__http_verdict
judge_target(struct vetch__http_head *h, const char *data,
             struct vetch__slice *authority)
{
    const char *s = data + h->target.at;
    const char *why = judge_target_bytes(s, h->target.len);

    if (why != NULL)
        return refuse(h, 400, why);
    if (h->method == VETCH__HTTP_CONNECT) {
        if (!judge_authority_form(h, data))
            return refuse(h, 400, "CONNECT needs host:port");
    } else if (s[0] == '/') {
        h->form = VETCH__HTTP_ORIGIN;
        split_path(h, data, h->target.at);
    } else if (h->target.len == 1 && s[0] == '*') {
        if (h->method != VETCH__HTTP_OPTIONS)
            return refuse(h, 400, "target * without OPTIONS");
        h->form = VETCH__HTTP_ASTERISK;
        h->path = h->target;
        h->plain_path = true;
    } else if (!judge_absolute_form(h, data, authority)) {
        return refuse(h, 400, "malformed target");
    }
    return VETCH__HTTP_DONE;
}

/* llhttp knows where method and target are; what stands between and after them
 * it does not tell. True if the line is `method SP target SP HTTP/1.x`. */
static bool
line_is_exact(struct vetch__http_head *h, const char *data, size_t len)
{
    size_t method = strlen(vetch__http_method_name(h->method));
    size_t end = h->target.at + h->target.len;

    if (h->target.at != method + 1 || data[method] != ' ' ||
        h->target.len == 0 || len - end < 11)
        return false;
    if (memcmp(data + end, " HTTP/1.", 8) != 0 || data[end + 9] != '\r' ||
        (data[end + 8] != '0' && data[end + 8] != '1'))
        return false;
    h->minor = (uint8_t)(data[end + 8] - '0');
    return true;
}

/* NAME "/" 1*DIGIT "." 1*DIGIT: a version, though not ours. */
static bool
is_version(const char *s, size_t len)
{
    const char *slash = memchr(s, '/', len);
    size_t i, dots = 0;

    if (slash == NULL || !vetch__http_is_token(s, (size_t)(slash - s)))
        return false;
    for (i = (size_t)(slash - s) + 1; i < len; i++) {
        if (s[i] == '.')
            dots++;
        else if (s[i] < '0' || s[i] > '9')
            return false;
    }
    return dots == 1 && s[len - 1] != '.' && slash[1] != '.';
}

/* Name the field at which llhttp has stopped, the last one in the table. */
static const char *
name_the_fault(const struct vetch__http_head *h, const char *data)
{
    const struct vetch__slice *last;

    if (h->fields.n == 0)
        return "malformed header";
    last = &h->fields.v[h->fields.n - 1].name;
    if (vetch__http_equal(data + last->at, last->len, "content-length", 14))
        return "wrong Content-Length";
    if (vetch__http_equal(data + last->at, last->len, "transfer-encoding", 17))
        return "wrong Transfer-Encoding";
    return "malformed header";
}

/* The line is right, so llhttp has stopped at the last field in the table. It
 * is hasty with transfer codings: those that are merely unknown are 501. */
static enum vetch__http_verdict
blame_fields(struct vetch__http_head *h, const char *data, char minor)
{
    static const char coding[] = "transfer-encoding";
    static const char length[] = "content-length";
    const struct vetch__slice *last;

    if (h->fields.n > 0 && minor == '1') {
        last = &h->fields.v[h->fields.n - 1].name;
        if (vetch__http_equal(data + last->at, last->len, coding,
                              sizeof(coding) - 1) &&
            data[last->at + last->len] == ':' &&
            vetch__http_field_find(&h->fields, data, coding, 0) ==
                h->fields.n - 1 &&
            vetch__http_field_find(&h->fields, data, length, 0) < 0)
            return refuse(h, 501, "unknown transfer coding");
    }
    return refuse(h, 400, name_the_fault(h, data));
}

/* A request line that llhttp or line_is_exact() did not like: say what is
 * wrong with it. Anything that is right is wrong in the fields. */
static enum vetch__http_verdict
blame_line(struct vetch__http_head *h, const char *data, size_t len)
{
    const char *end = memchr(data, '\r', len); /* the gate has found it */
    const char *target = memchr(data, ' ', (size_t)(end - data));
    const char *version;

    if (target == NULL || target == data)
        return refuse(h, 400, "malformed request line");
    if (target - data == 3 && memcmp(data, "PRI", 3) == 0)
        return refuse(h, 400, "HTTP/2 preface");
    version = memchr(target + 1, ' ', (size_t)(end - target - 1));
    if (version == NULL)
        return refuse(h, 400, "request line without version");
    if (version == target + 1 || version + 1 == end ||
        memchr(version + 1, ' ', (size_t)(end - version - 1)) != NULL)
        return refuse(h, 400, "misplaced space in the request line");
    if (!vetch__http_is_token(data, (size_t)(target - data)))
        return refuse(h, 400, "malformed method");
    version++;
    if (end - version != 8 || memcmp(version, "HTTP/1.", 7) != 0 ||
        (version[7] != '0' && version[7] != '1')) {
        if (is_version(version, (size_t)(end - version)))
            return refuse(h, 505, "HTTP version not supported");
        return refuse(h, 400, "malformed HTTP version");
    }
    if (vetch__http_method_find(data, (size_t)(target - data)) < 0)
        return refuse(h, 501, "unknown method");
    if (judge_target_bytes(target + 1, (size_t)(version - target - 2)) != NULL)
        return refuse(h, 400, "forbidden byte in the target");
    return blame_fields(h, data, version[7]);
}

/* ---- whole heads ---- */

static enum vetch__http_verdict
judge_host(struct vetch__http_head *h, const char *data,
           const struct framing *fr, const struct vetch__slice *authority)
{
    const char *host = data + h->host.at;

    if (fr->n_host > 1)
        return refuse(h, 400, "repeated Host");
    if (fr->n_host == 0 && h->minor == 1)
        return refuse(h, 400, "no Host");
    if (fr->n_host == 1 && !vetch__http_is_host(host, h->host.len))
        return refuse(h, 400, "malformed Host");
    if (authority->len == 0)
        return VETCH__HTTP_DONE;
    if (fr->n_host == 1 &&
        !vetch__http_host_equal(host, h->host.len, data + authority->at,
                                authority->len))
        return refuse(h, 400, "Host differs from the target's");
    h->host = *authority;
    return VETCH__HTTP_DONE;
}

static enum vetch__http_verdict
judge_request(struct vetch__http_head *h, const char *data,
              const struct vetch__slice *authority)
{
    struct framing fr = note_fields(h, data);

    if (judge_host(h, data, &fr, authority) == VETCH__HTTP_REFUSED ||
        judge_length(h, &fr, data) == VETCH__HTTP_REFUSED)
        return VETCH__HTTP_REFUSED;
    if (fr.n_coding > 1)
        return refuse(h, 400, "repeated Transfer-Encoding");
    if (fr.n_coding == 1) {
        if (h->minor == 0)
            return refuse(h, 400, "Transfer-Encoding in HTTP/1.0");
        if (!is_chunked(&fr, data))
            return refuse(h, 501, "unknown transfer coding");
        h->framing = VETCH__HTTP_CHUNKED;
    }
    if (fr.expect_other)
        return refuse(h, 417, "unknown expectation");
    /* RFC 9110, section 10.1.1: ignored from HTTP/1.0. */
    h->expect_continue =
        fr.expect && h->minor == 1 && h->framing != VETCH__HTTP_NO_BODY;
    if (h->method == VETCH__HTTP_CONNECT)
        h->keep_alive = false; /* what follows may be a tunnel's bytes */
    return VETCH__HTTP_DONE;
}

enum vetch__http_verdict
vetch__http_parse_request(struct vetch__http_head *h, const char *data,
                          size_t len)
{
    struct parse p;
    struct vetch__slice authority = { 0, 0 };

    p.head = h;
    p.data = data;
    p.len = len;
    h->method = VETCH__HTTP_GET; /* what is refused may have none */
    h->target = h->host = h->query = (struct vetch__slice){ 0, 0 };
    if (!split(&p, HTTP_REQUEST)) {
        if (h->refusal.status != 0)
            return VETCH__HTTP_REFUSED;
        return blame_line(h, data, len);
    }
    if (p.llhttp.method >= VETCH__HTTP_METHODS)
        return blame_line(h, data, len);
    h->method = p.llhttp.method;
    if (!line_is_exact(h, data, len))
        return blame_line(h, data, len);
    if (judge_target(h, data, &authority) == VETCH__HTTP_REFUSED)
        return VETCH__HTTP_REFUSED;
    return judge_request(h, data, &authority);
}

/* `HTTP/1.x SP 3DIGIT`, then a reason or nothing. */
static bool
judge_status_line(struct vetch__http_head *h, const char *data, size_t len)
{
    const char *s = data + 9;

    if (len < 14 || memcmp(data, "HTTP/1.", 7) != 0 || data[8] != ' ' ||
        (data[7] != '0' && data[7] != '1'))
        return false;
    if (s[0] < '1' || s[0] > '5' || s[1] < '0' || s[1] > '9' || s[2] < '0' ||
        s[2] > '9' || (s[3] != ' ' && s[3] != '\r'))
        return false;
    h->minor = (uint8_t)(data[7] - '0');
    h->status = (uint16_t)((s[0] - '0') * 100 + (s[1] - '0') * 10 + s[2] - '0');
    return true;
}

static bool
ends_in_chunked(const char *s, size_t len)
{
    return memchr(s, ',', len) != NULL && len > 7 &&
           named(s + len - 7, 7, "chunked");
}

/* RFC 9112, section 6.3. */
static enum vetch__http_verdict
judge_response(struct vetch__http_head *h, const char *data, bool to_head)
{
    struct framing fr = note_fields(h, data);
    bool bodiless =
        to_head || h->status < 200 || h->status == 204 || h->status == 304;

    if (judge_length(h, &fr, data) == VETCH__HTTP_REFUSED)
        return VETCH__HTTP_REFUSED;
    if (fr.n_coding > 1)
        return refuse(h, 400, "repeated Transfer-Encoding");
    if (bodiless) {
        h->framing = VETCH__HTTP_NO_BODY;
        return VETCH__HTTP_DONE;
    }
    if (fr.n_coding == 0) {
        if (!h->has_length) {
            h->framing = VETCH__HTTP_TO_CLOSE;
            h->keep_alive = false;
        }
        return VETCH__HTTP_DONE;
    }
    if (is_chunked(&fr, data)) {
        h->framing = VETCH__HTTP_CHUNKED;
        if (h->minor == 0)
            h->keep_alive = false;
        return VETCH__HTTP_DONE;
    }
    /* Other codings: with chunked at their end the message could be framed but
     * not decoded; without it only the end of the connection ends it. */
    if (ends_in_chunked(data + fr.coding.at, fr.coding.len))
        return refuse(h, 400, "unknown transfer coding");
    h->keep_alive = false;
    h->framing = VETCH__HTTP_TO_CLOSE;
    return VETCH__HTTP_DONE;
}

enum vetch__http_verdict
vetch__http_parse_response(struct vetch__http_head *h, const char *data,
                           size_t len, bool to_head)
{
    struct parse p;

    p.head = h;
    p.data = data;
    p.len = len;
    h->reason = (struct vetch__slice){ 0, 0 };
    if (!judge_status_line(h, data, len))
        return refuse(h, 400, "malformed status line");
    if (!split(&p, HTTP_RESPONSE)) {
        if (h->refusal.status != 0)
            return VETCH__HTTP_REFUSED;
        return refuse(h, 400, name_the_fault(h, data));
    }
    return judge_response(h, data, to_head);
}

bool
vetch__http_informational(unsigned *count)
{
    return ++*count <= 20;
}

/* ---- methods ---- */

const char *
vetch__http_method_name(uint8_t method)
{
    if (method >= VETCH__HTTP_METHODS)
        return NULL;
    return llhttp_method_name((llhttp_method_t)method);
}

int
vetch__http_method_find(const char *name, size_t len)
{
    unsigned i;

    for (i = 0; i < VETCH__HTTP_METHODS; i++) {
        const char *known = vetch__http_method_name((uint8_t)i);

        if (strlen(known) == len && memcmp(known, name, len) == 0)
            return (int)i;
    }
    return -1;
}
