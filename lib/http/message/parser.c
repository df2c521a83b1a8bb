/* Heads. The first line is judged from the raw bytes (first_line.c); llhttp,
 * which knows neither HTTP/1.2 nor a tab in a reason, sees one of ours in its
 * place and splits the fields behind it into slices. What they say about
 * framing is judged here: llhttp is asked to take all of them for fields like
 * others, because its own verdicts are hasty and some are wrong. It sees one
 * whole head and then is forgotten; so each begins as a copy of one that has
 * just seen the line. */

#include "http/message/parser-private.h"

#include <llhttp.h>
#include <string.h>

#include "base/mem-private.h"
#include "http/message/first_line-private.h"

struct parse {
    llhttp_t llhttp; /* first: callbacks get a pointer to it */
    struct vetch__http_head *head;
    const char *data;
    bool complete; /* llhttp has seen all fields */
};

/* What fields say about framing and the connection, before it is judged. */
struct framing {
    unsigned n_length, n_coding, n_host;
    struct vetch__slice length; /* the first one */
    struct vetch__slice coding;
    bool close, keep_alive, expect, expect_other, upgrade;
};

/* ---- llhttp's callbacks ---- */

static struct vetch__slice
slice_of(const struct parse *p, const char *at, size_t len)
{
    return (struct vetch__slice){ (uint32_t)(at - p->data), (uint32_t)len };
}

static int
on_name(llhttp_t *l, const char *at, size_t len)
{
    struct parse *p = (struct parse *)l;
    struct vetch__http_fields *f = &p->head->fields;

    l->header_state = 0; /* a field like others */
    if (f->n == f->cap) {
        vetch__http_refuse_head(p->head, 431, "too many header fields");
        return HPE_USER;
    }
    if (!vetch__http_is_token(at, len)) {
        vetch__http_refuse_head(p->head, 400, "malformed field name");
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
    return 0;
}

static const llhttp_settings_t callbacks = {
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_headers_complete = on_complete,
};

/* Behind a first line, as each thread has it ready. */
static __thread llhttp_t behind_line __attribute__((tls_model("initial-exec")));

static void __attribute__((noinline)) prepare_behind_line(void)
{
    static const char line[] = "GET / HTTP/1.1\r\n";

    llhttp_init(&behind_line, HTTP_REQUEST, &callbacks);
    llhttp_execute(&behind_line, line, sizeof(line) - 1);
}

/* Split the fields, which begin at `from`. All that the gate leaves for llhttp
 * to refuse is a name. */
static enum vetch__http_verdict
split_fields(struct vetch__http_head *h, const char *data, size_t len,
             size_t from)
{
    struct parse p;

    if (vetch__unlikely(behind_line.settings == NULL))
        prepare_behind_line();
    p.llhttp = behind_line;
    p.head = h;
    p.data = data;
    p.complete = false;
    h->fields.n = 0;
    llhttp_execute(&p.llhttp, data + from, len - from);
    if (p.complete)
        return VETCH__HTTP_DONE;
    if (h->refusal.status == 0)
        vetch__http_refuse_head(h, 400, "malformed field name");
    return VETCH__HTTP_REFUSED;
}

/* The length of the first line; the gate has seen to it that it ends. */
static size_t
first_line(const char *data, size_t len)
{
    const char *end = memchr(data, '\r', len);

    return (size_t)(end - data);
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
    case 7:
        if (named(name, 7, "upgrade"))
            fr->upgrade = true;
        break;
    case 10:
        if (named(name, 10, "connection"))
            note_connection(fr, value, len);
        break;
    case 14:
        if (named(name, 14, "content-length")) {
            if (fr->n_length++ == 0)
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

/* RFC 9110, section 7.8: an Upgrade counts if Connection lists it. */
static bool
lists_upgrade(const struct vetch__http_head *h, const char *data)
{
    int i = -1;

    while ((i = vetch__http_field_find(&h->fields, data, "connection",
                                       (size_t)i + 1)) >= 0) {
        const struct vetch__slice *v = &h->fields.v[i].value;

        if (vetch__http_list_has(data + v->at, v->len, "upgrade"))
            return true;
    }
    return false;
}

static struct framing
note_fields(struct vetch__http_head *h, const char *data)
{
    struct framing fr = { 0 };
    size_t i;

    for (i = 0; i < h->fields.n; i++)
        note_field(h, &fr, data, &h->fields.v[i]);
    h->keep_alive = !fr.close && (h->minor == 1 || fr.keep_alive);
    h->upgrade = fr.upgrade && h->minor == 1 && lists_upgrade(h, data);
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

static void
set_length(struct vetch__http_head *h, uint64_t length)
{
    h->content_length = length;
    h->has_length = true;
    if (length > 0)
        h->framing = VETCH__HTTP_LENGTH;
}

/* The next member of a comma separated list, without blanks; empty ones are
 * skipped (RFC 9110, section 5.6.1.2). False: there are no more. */
static bool
next_member(const char **at, const char *end, const char **ret, size_t *ret_len)
{
    const char *start = *at, *stop, *comma;

    while (start < end && (*start == ',' || *start == ' ' || *start == '\t'))
        start++;
    if (start == end)
        return false;
    comma = memchr(start, ',', (size_t)(end - start));
    stop = comma != NULL ? comma : end;
    *at = stop;
    while (stop[-1] == ' ' || stop[-1] == '\t')
        stop--;
    *ret = start;
    *ret_len = (size_t)(stop - start);
    return true;
}

static bool
is_chunked(const char *coding, size_t len)
{
    return vetch__http_equal(coding, len, "chunked", 7);
}

/* ---- requests ---- */

static enum vetch__http_verdict
parser_judge_host(struct vetch__http_head *h, const char *data,
                  const struct framing *fr,
                  const struct vetch__slice *authority)
{
    const char *host = data + h->host.at;

    if (fr->n_host > 1)
        return vetch__http_refuse_head(h, 400, "repeated Host");
    if (fr->n_host == 0 && h->minor == 1)
        return vetch__http_refuse_head(h, 400, "no Host");
    if (fr->n_host == 1 && !vetch__http_is_host(host, h->host.len))
        return vetch__http_refuse_head(h, 400, "malformed Host");
    if (authority->len == 0)
        return VETCH__HTTP_DONE;
    if (fr->n_host == 1 &&
        !vetch__http_host_equal(host, h->host.len, data + authority->at,
                                authority->len))
        return vetch__http_refuse_head(h, 400,
                                       "Host differs from the target's");
    h->host = *authority;
    return VETCH__HTTP_DONE;
}

static enum vetch__http_verdict
judge_request_length(struct vetch__http_head *h, const struct framing *fr,
                     const char *data)
{
    uint64_t length;

    if (fr->n_length == 0)
        return VETCH__HTTP_DONE;
    if (fr->n_coding > 0)
        return vetch__http_refuse_head(h, 400,
                                       "Content-Length with Transfer-Encoding");
    if (fr->n_length > 1)
        return vetch__http_refuse_head(h, 400, "repeated Content-Length");
    if (!parse_length(data + fr->length.at, fr->length.len, &length))
        return vetch__http_refuse_head(h, 400, "malformed Content-Length");
    set_length(h, length);
    return VETCH__HTTP_DONE;
}

/* RFC 9112, sections 6.1 and 6.3: the last coding must be chunked, and chunked
 * nothing else; others we do not undo. */
static enum vetch__http_verdict
judge_request_coding(struct vetch__http_head *h, const struct framing *fr,
                     const char *data)
{
    const char *at = data + fr->coding.at, *end = at + fr->coding.len, *coding;
    unsigned n = 0, n_chunked = 0;
    bool last = false;
    size_t len;

    if (fr->n_coding == 0)
        return VETCH__HTTP_DONE;
    if (fr->n_coding > 1)
        return vetch__http_refuse_head(h, 400, "repeated Transfer-Encoding");
    if (h->minor == 0)
        return vetch__http_refuse_head(h, 400, "Transfer-Encoding in HTTP/1.0");
    for (; next_member(&at, end, &coding, &len); n++) {
        last = is_chunked(coding, len);
        n_chunked += last;
    }
    if (!last)
        return vetch__http_refuse_head(
            h, 400, "the last transfer coding is not chunked");
    if (n_chunked > 1)
        return vetch__http_refuse_head(h, 400, "chunked twice");
    if (n > 1)
        return vetch__http_refuse_head(h, 501, "unknown transfer coding");
    h->framing = VETCH__HTTP_CHUNKED;
    return VETCH__HTTP_DONE;
}

static enum vetch__http_verdict
judge_request(struct vetch__http_head *h, const char *data,
              const struct vetch__slice *authority)
{
    struct framing fr = note_fields(h, data);

    if (parser_judge_host(h, data, &fr, authority) == VETCH__HTTP_REFUSED ||
        judge_request_length(h, &fr, data) == VETCH__HTTP_REFUSED ||
        judge_request_coding(h, &fr, data) == VETCH__HTTP_REFUSED)
        return VETCH__HTTP_REFUSED;
    if (fr.expect_other)
        return vetch__http_refuse_head(h, 417, "unknown expectation");
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
    struct vetch__slice authority = { 0, 0 };
    size_t line = first_line(data, len);

    h->response = false;
    h->refusal = (struct vetch__http_refusal){ 0, NULL };
    h->method = VETCH__HTTP_GET; /* what is refused may have none */
    h->target = h->host = h->query = (struct vetch__slice){ 0, 0 };
    if (vetch__http_request_line(h, data, line, &authority) ==
            VETCH__HTTP_REFUSED ||
        split_fields(h, data, len, line + 2) == VETCH__HTTP_REFUSED)
        return VETCH__HTTP_REFUSED;
    return judge_request(h, data, &authority);
}

/* ---- responses ---- */

/* All lengths that are announced, in one field or several, must be one and the
 * same (RFC 9112, section 6.3). */
static enum vetch__http_verdict
judge_response_length(struct vetch__http_head *h, const struct framing *fr,
                      const char *data)
{
    uint64_t length = 0, other;
    bool any = false;

    if (fr->n_length == 0)
        return VETCH__HTTP_DONE;
    if (fr->n_length == 1 && /* as nearly always, with one number in it */
        parse_length(data + fr->length.at, fr->length.len, &length)) {
        set_length(h, length);
        return VETCH__HTTP_DONE;
    }
    for (size_t i = 0; i < h->fields.n; i++) {
        const struct vetch__http_field *f = &h->fields.v[i];
        const char *at = data + f->value.at, *end = at + f->value.len, *member;
        size_t len;

        if (!vetch__http_equal(data + f->name.at, f->name.len, "content-length",
                               14))
            continue;
        while (next_member(&at, end, &member, &len)) {
            if (!parse_length(member, len, &other))
                return vetch__http_refuse_head(h, 400,
                                               "malformed Content-Length");
            if (any && other != length)
                return vetch__http_refuse_head(h, 400,
                                               "differing Content-Lengths");
            length = other;
            any = true;
        }
    }
    if (!any)
        return vetch__http_refuse_head(h, 400, "malformed Content-Length");
    set_length(h, length);
    return VETCH__HTTP_DONE;
}

static enum vetch__http_verdict
judge_response_coding(struct vetch__http_head *h, const struct framing *fr,
                      const char *data)
{
    const char *at = data + fr->coding.at, *end = at + fr->coding.len, *coding;
    size_t len;

    if (fr->n_length > 0)
        return vetch__http_refuse_head(h, 400,
                                       "Content-Length with Transfer-Encoding");
    if (fr->n_coding > 1)
        return vetch__http_refuse_head(h, 400, "repeated Transfer-Encoding");
    if (!next_member(&at, end, &coding, &len))
        return vetch__http_refuse_head(h, 400, "empty Transfer-Encoding");
    /* Whatever is not understood in full would be handed over as it came. */
    if (!is_chunked(coding, len) || next_member(&at, end, &coding, &len))
        return vetch__http_refuse_head(h, 400, "unknown transfer coding");
    h->framing = VETCH__HTTP_CHUNKED;
    if (h->minor == 0)
        h->keep_alive = false; /* section 6.1 */
    return VETCH__HTTP_DONE;
}

/* RFC 9112, section 6.3. */
static enum vetch__http_verdict
judge_response(struct vetch__http_head *h, const char *data, bool to_head)
{
    struct framing fr = note_fields(h, data);

    if (judge_response_length(h, &fr, data) == VETCH__HTTP_REFUSED)
        return VETCH__HTTP_REFUSED;
    if (to_head || h->status < 200 || h->status == 204 || h->status == 304) {
        h->framing = VETCH__HTTP_NO_BODY; /* so its framing does not matter */
        return VETCH__HTTP_DONE;
    }
    if (fr.n_coding > 0)
        return judge_response_coding(h, &fr, data);
    if (!h->has_length) {
        h->framing = VETCH__HTTP_TO_CLOSE;
        h->keep_alive = false;
    }
    return VETCH__HTTP_DONE;
}

enum vetch__http_verdict
vetch__http_parse_response(struct vetch__http_head *h, const char *data,
                           size_t len, bool to_head)
{
    size_t line = first_line(data, len);

    h->response = true;
    h->refusal = (struct vetch__http_refusal){ 0, NULL };
    h->reason = (struct vetch__slice){ 0, 0 };
    if (vetch__http_status_line(h, data, line) == VETCH__HTTP_REFUSED ||
        split_fields(h, data, len, line + 2) == VETCH__HTTP_REFUSED)
        return VETCH__HTTP_REFUSED;
    return judge_response(h, data, to_head);
}

bool
vetch__http_informational(unsigned *count)
{
    return ++*count <= 20;
}
