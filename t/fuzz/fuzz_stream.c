/* Fuzz target of framing: what reads of all sorts make of bytes that come in
 * pieces of any size, against a model that has all of them before its eyes. The
 * first four bytes of the input choose the reads and the pieces, and which
 * reads are given up before or after they were served. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vetch.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum op { SOME, EXACTLY, UNTIL, LINE, ALL, N_OPS };

struct ask {
    enum op op;
    size_t limit;
    const char *delimiter;
};

struct model {
    const char *data;
    size_t size;
    size_t written, read; /* so far */
    bool ended;
    uint64_t seed;
};

/* What a read has to come to: an error, or so many bytes, followed by some that
 * are left out; NULL if there are none of either. */
struct outcome {
    int code;
    size_t len, strip;
};

static size_t
choose(struct model *m, size_t n)
{
    m->seed ^= m->seed >> 12;
    m->seed ^= m->seed << 25;
    m->seed ^= m->seed >> 27;
    return (size_t)(m->seed * UINT64_C(0x2545f4914f6cdd1d) >> 33) % n;
}

static struct outcome
too_large(void)
{
    return (struct outcome){ .code = VETCH_ETOOLARGE };
}

/* ---- the model ---- */

static struct outcome
expect_rest(const struct ask *a, size_t left)
{
    return left > a->limit ? too_large() : (struct outcome){ .len = left };
}

static struct outcome
expect_line(const struct ask *a, const char *at, size_t left)
{
    const char *lf = memchr(at, '\n', left);
    struct outcome o = { 0 };

    if (lf == NULL)
        return expect_rest(a, left);
    o.len = (size_t)(lf - at);
    o.strip = 1;
    if (o.len > 0 && lf[-1] == '\r') {
        o.len--;
        o.strip = 2;
    }
    return o.len > a->limit ? too_large() : o;
}

static struct outcome
expect_until(const struct ask *a, const char *at, size_t left)
{
    size_t n = strlen(a->delimiter);
    const char *found = memmem(at, left, a->delimiter, n);
    struct outcome o = { 0 };

    if (found == NULL) /* no room for the delimiter either is too much, too */
        return left >= a->limit && left > 0 ? too_large()
                                            : (struct outcome){ .len = left };
    o.len = (size_t)(found - at) + n;
    return o.len > a->limit ? too_large() : o;
}

static struct outcome
expect(const struct model *m, const struct ask *a)
{
    const char *at = m->data + m->read;
    size_t left = m->size - m->read;
    struct outcome o = { 0 };

    switch (a->op) {
    case LINE:
        return expect_line(a, at, left);
    case UNTIL:
        return expect_until(a, at, left);
    case EXACTLY:
        o.len = a->limit;
        o.code = left < a->limit ? VETCH_EEOF : 0;
        return o;
    case ALL:
        return expect_rest(a, left);
    case SOME:
    case N_OPS:
        break;
    }
    o.len = left < a->limit ? left : a->limit; /* at most */
    return o;
}

/* ---- the streams ---- */

static struct ask
choose_ask(struct model *m)
{
    static const char *const delimiters[] = { "\n",  "\r\n", "ab",
                                              "aab", ";",    "--end--" };

    return (struct ask){ .op = (enum op)choose(m, N_OPS),
                         .limit = 1 + choose(m, choose(m, 4) == 0 ? 2000 : 40),
                         .delimiter = delimiters[choose(m, 6)] };
}

static vetch_promise *
start(vetch_stream *s, const struct ask *a)
{
    switch (a->op) {
    case EXACTLY:
        return vetch_stream_read_exactly(s, a->limit);
    case UNTIL:
        return vetch_stream_read_until(s, a->delimiter, a->limit);
    case LINE:
        return vetch_stream_read_line(s, a->limit);
    case ALL:
        return vetch_stream_read_all(s, a->limit);
    case SOME:
    case N_OPS:
        break;
    }
    return vetch_stream_read(s, a->limit);
}

/* Let the next piece come, or the end. */
static void
feed(struct model *m, vetch_stream *s)
{
    size_t left = m->size - m->written, n;

    if (left == 0 && !m->ended) {
        m->ended = true;
        vetch_promise_unref(vetch_stream_end(s));
    } else if (left > 0) {
        n = 1 + choose(m, choose(m, 3) == 0 ? left : (left < 5 ? left : 5));
        if (vetch_stream_write(s, m->data + m->written, n) < 0)
            abort();
        m->written += n;
    }
    vetch_run(vetch_sleep(0), NULL);
}

static _Noreturn void
differ(const struct model *m, const struct ask *a, const char *how)
{
    fprintf(stderr, "at %zu of %zu, read %d, limit %zu, delimiter %s: %s\n",
            m->read, m->size, (int)a->op, a->limit, a->delimiter, how);
    abort();
}

static void
compare_bytes(struct model *m, const struct ask *a, const struct outcome *o,
              const vetch_bytes *got)
{
    size_t len = got != NULL ? vetch_bytes_len(got) : 0;

    if (got == NULL && (o->len + o->strip > 0 || a->op == ALL))
        differ(m, a, "the end came too early");
    if (a->op == SOME ? len > o->len || (len == 0 && o->len > 0)
                      : len != o->len)
        differ(m, a, "another length");
    if (len > 0 && memcmp(vetch_bytes_data(got), m->data + m->read, len) != 0)
        differ(m, a, "other bytes");
    m->read += len + o->strip;
}

/* Read once; false at the end. */
static bool
read_once(struct model *m, vetch_stream *pair[2])
{
    struct ask a = choose_ask(m);
    struct outcome o = expect(m, &a);
    size_t gives_up = choose(m, 8);
    vetch_promise *p = start(pair[0], &a);
    vetch_error *error = NULL;
    vetch_bytes *got;

    for (size_t i = 0; vetch_promise_state(p) == VETCH_PENDING; i++) {
        if (i == gives_up) {
            vetch_promise_cancel(p);
            break;
        }
        feed(m, pair[1]);
    }
    if (gives_up == 7) { /* served, but nobody looks: all goes back */
        if (vetch_promise_state(p) == VETCH_REJECTED)
            vetch_promise_error(p);
        vetch_promise_unref(p);
        return true;
    }
    got = vetch_run(p, &error);
    if (error != NULL && vetch_error_code(error) == VETCH_ECANCELED)
        o.code = VETCH_ECANCELED;
    if ((error != NULL ? vetch_error_code(error) : 0) != o.code)
        differ(m, &a, error != NULL ? vetch_error_text(error) : "no error");
    if (error == NULL)
        compare_bytes(m, &a, &o, got);
    vetch_bytes_unref(got);
    vetch_error_unref(error);
    return !(m->ended && m->read == m->size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct model m = { 0 };
    vetch_reactor *reactor;
    vetch_stream *pair[2];

    if (size < 4 || size > 8192)
        return 0;
    m.data = (const char *)data + 4;
    m.size = size - 4;
    m.seed = 1;
    for (int i = 0; i < 4; i++)
        m.seed = m.seed << 8 | data[i];
    reactor = vetch_reactor_new();
    if (reactor == NULL || vetch_stream_pair(pair) < 0)
        abort();
    while (read_once(&m, pair))
        continue;
    vetch_stream_unref(pair[0]);
    vetch_stream_unref(pair[1]);
    vetch_reactor_unref(reactor);
    return 0;
}
