/* The smallest user of the HTTP engine, as tests and fuzzers need it: it holds
 * what was received so far in a block of exactly that size, so that a read
 * beyond it is caught by the sanitizers. */

#include "support/http_parser_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct hpk_feed *f;
    const char *input; /* not yet received */
    size_t input_len;
    char *held; /* received, not yet consumed */
    size_t held_len;
    struct vetch__http_gate gate;
    struct vetch__http_body body;
    bool in_body;
    bool over;
    FILE *out;
};

static void
require(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "the engine gave %s\n", what);
    abort();
}

static char *
exact_copy(const char *a, size_t a_len, const char *b, size_t b_len)
{
    char *copy = malloc(a_len + b_len + (a_len + b_len == 0));

    require(copy != NULL, "no chance: out of memory");
    if (a_len > 0)
        memcpy(copy, a, a_len);
    if (b_len > 0)
        memcpy(copy + a_len, b, b_len);
    return copy;
}

static bool
receive(struct reader *r)
{
    size_t n = r->f->step == 0 ? r->input_len : r->f->step;
    char *held;

    if (r->input_len == 0)
        return false;
    if (n > r->input_len)
        n = r->input_len;
    held = exact_copy(r->held, r->held_len, r->input, n);
    free(r->held);
    r->held = held;
    r->held_len += n;
    r->input += n;
    r->input_len -= n;
    return true;
}

static void
consume(struct reader *r, size_t n)
{
    char *held = exact_copy(r->held + n, r->held_len - n, NULL, 0);

    free(r->held);
    r->held = held;
    r->held_len -= n;
}

static void
refused(struct reader *r, const struct vetch__http_refusal *refusal)
{
    require(refusal->status >= 400 && refusal->status < 600 &&
                refusal->why != NULL,
            "a refusal without reason");
    r->f->why = refusal->why;
    fprintf(r->out, "!%u\n", refusal->status);
    r->over = true;
}

static void
check_slice(const struct reader *r, struct vetch__slice s)
{
    require(s.at <= r->held_len && s.len <= r->held_len - s.at,
            "a slice outside the head");
}

static void
check_head(const struct reader *r, const struct vetch__http_head *h)
{
    size_t i;

    require(h->fields.n <= h->fields.cap, "too many fields");
    for (i = 0; i < h->fields.n; i++) {
        const struct vetch__http_field *f = &h->fields.v[i];

        check_slice(r, f->name);
        check_slice(r, f->value);
        require(vetch__http_is_token(r->held + f->name.at, f->name.len),
                "an invalid name");
        require(vetch__http_is_value(r->held + f->value.at, f->value.len),
                "a value with control bytes");
    }
}

static void
tell_head(struct reader *r, const struct vetch__http_head *h)
{
    const char *keep = h->keep_alive ? "keep" : "close";

    if (r->f->response) {
        check_slice(r, h->reason);
        fprintf(r->out, "%u %s [", h->status, keep);
        return;
    }
    check_slice(r, h->target);
    check_slice(r, h->path);
    check_slice(r, h->query);
    check_slice(r, h->host);
    require(h->path.len > 0, "an empty path");
    fprintf(r->out, "%s %.*s%s%.*s %s [", vetch__http_method_name(h->method),
            (int)h->path.len, r->held + h->path.at, h->query.len > 0 ? "?" : "",
            (int)h->query.len, r->held + h->query.at, keep);
}

/* True if there is more to do with what is held. */
static bool
read_head(struct reader *r)
{
    struct vetch__http_field table[HPK_FIELDS];
    struct vetch__http_head h = { .fields = { table, 0, HPK_FIELDS } };
    struct vetch__http_refusal refusal;
    enum vetch__http_verdict verdict;
    size_t len = 0;

    if (!r->f->response)
        consume(r, vetch__http_gate_skip(&r->gate, r->held, r->held_len));
    if (r->f->response)
        verdict = vetch__http_gate_response(&r->gate, &r->f->limits, r->held,
                                            r->held_len, &len, &refusal);
    else
        verdict = vetch__http_gate(&r->gate, &r->f->limits, r->held,
                                   r->held_len, &len, &refusal);
    if (verdict == VETCH__HTTP_REFUSED)
        refused(r, &refusal);
    if (verdict != VETCH__HTTP_DONE)
        return false;
    require(len > 0 && len <= r->held_len, "a head of impossible length");
    if (r->f->response)
        verdict = vetch__http_parse_response(&h, r->held, len, r->f->to_head);
    else
        verdict = vetch__http_parse_request(&h, r->held, len);
    if (verdict == VETCH__HTTP_REFUSED) {
        refused(r, &h.refusal);
        return false;
    }
    check_head(r, &h);
    tell_head(r, &h);
    consume(r, len);
    vetch__http_body_init(&r->body, &h);
    r->in_body = true;
    return true;
}

static bool
read_body(struct reader *r)
{
    struct vetch__http_piece piece;
    enum vetch__http_verdict verdict =
        vetch__http_body_next(&r->body, r->held, r->held_len, &piece);

    require(piece.used <= r->held_len, "more than there was");
    if (verdict == VETCH__HTTP_PIECE) {
        require(piece.len > 0 && piece.data >= r->held &&
                    piece.data + piece.len <= r->held + r->held_len,
                "a piece outside the input");
        fwrite(piece.data, 1, piece.len, r->out);
    }
    consume(r, piece.used);
    if (verdict == VETCH__HTTP_DONE) {
        fputs("]\n", r->out);
        r->in_body = false;
    } else if (verdict == VETCH__HTTP_REFUSED) {
        require(vetch__http_body_next(&r->body, r->held, r->held_len, &piece) ==
                    VETCH__HTTP_REFUSED,
                "a refusal that does not last");
        refused(r, &r->body.refusal);
    }
    return verdict == VETCH__HTTP_DONE || verdict == VETCH__HTTP_PIECE;
}

static void
finish(struct reader *r)
{
    if (r->over)
        return;
    if (r->in_body && r->f->eof && vetch__http_body_eof(&r->body))
        fputs("]\n", r->out);
    else if (r->in_body || r->held_len > 0)
        fputs("...\n", r->out);
}

char *
hpk_run(struct hpk_feed *f, const char *input, size_t len)
{
    struct reader r = { .f = f, .input = input, .input_len = len };
    char *text = NULL;
    size_t text_len = 0;

    r.out = open_memstream(&text, &text_len);
    require(r.out != NULL, "no chance: out of memory");
    r.held = exact_copy(NULL, 0, NULL, 0);
    f->why = NULL;
    while (!r.over && receive(&r)) {
        while (!r.over &&
               (r.in_body ? read_body(&r) : r.held_len > 0 && read_head(&r)))
            ;
    }
    finish(&r);
    free(r.held);
    fclose(r.out);
    return text;
}

bool
hpk_gives(struct hpk_feed f, const char *input, size_t len, const char *outcome)
{
    static const size_t steps[] = { 0, 1, 2, 3, 7 };
    bool same = true;
    size_t i;

    for (i = 0; same && i < sizeof(steps) / sizeof(steps[0]); i++) {
        char *got;

        f.step = steps[i];
        got = hpk_run(&f, input, len);
        same = strcmp(got, outcome) == 0;
        if (!same)
            fprintf(stderr,
                    "in steps of %zu: %s\n(%s) instead of %s\nfrom %s\n",
                    f.step, got, f.why != NULL ? f.why : "-", outcome, input);
        free(got);
    }
    return same;
}

char *
hpk_repeat(const char *what, size_t n)
{
    size_t len = strlen(what);
    char *s = malloc(len * n + 1);
    size_t i;

    require(s != NULL, "no chance: out of memory");
    for (i = 0; i < n; i++)
        memcpy(s + i * len, what, len);
    s[len * n] = '\0';
    return s;
}

bool
hpk_repeated_gives(struct hpk_feed f, const char *before, const char *what,
                   size_t n, const char *after, const char *outcome)
{
    char *middle = hpk_repeat(what, n);
    char *input;
    bool same;

    require(asprintf(&input, "%s%s%s", before, middle, after) >= 0,
            "no chance: out of memory");
    same = hpk_gives(f, input, strlen(input), outcome);
    free(input);
    free(middle);
    return same;
}
