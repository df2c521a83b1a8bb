/* Fuzz target of the content codings. The first byte of the input chooses the
 * codings and the pieces; the bytes that come out must be the same as with all
 * of it at once, and no more than the bound on expansion allows. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/message/inflate-private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 4194304 };

struct outcome {
    uint8_t *made;
    size_t len;
    enum vetch__inflated result;
    int complete;
    int is_bomb;
};

static struct outcome
decode(const char *encoding, const uint8_t *data, size_t size, size_t in_step,
       size_t out_step)
{
    struct vetch__codings codings = { 0 };
    struct vetch__inflate_io io = { 0 };
    struct outcome o = { malloc(ROOM), 0, VETCH__INFLATE_MORE, 0, 0 };
    struct vetch__inflate *f;

    vetch__codings_add(&codings, encoding, strlen(encoding));
    f = vetch__inflate_new(&codings);
    if (f == NULL || o.made == NULL)
        abort();
    for (size_t at = 0; at < size && o.result == VETCH__INFLATE_MORE;
         at += in_step) {
        io.in = data + at;
        io.in_len = size - at < in_step ? size - at : in_step;
        do {
            if (ROOM - o.len < out_step)
                abort(); /* the input is at most 64 KiB long */
            io.out = o.made + o.len;
            io.out_len = out_step;
            o.result = vetch__inflate_run(f, &io);
            o.len += out_step - io.out_len;
        } while (o.result == VETCH__INFLATE_FULL);
    }
    o.complete = vetch__inflate_complete(f);
    o.is_bomb =
        o.result == VETCH__INFLATE_BAD && strncmp(io.why, "expands", 7) == 0;
    vetch__inflate_free(f);
    return o;
}

/* How far one gets before an error is noticed depends on the pieces, and so
 * does when a bomb is, which need not stay one to the end. */
static int
same(const struct outcome *a, const struct outcome *b)
{
    size_t len = a->len < b->len ? a->len : b->len;

    if (memcmp(a->made, b->made, len) != 0)
        return 0;
    if (a->is_bomb || b->is_bomb)
        return 1;
    return a->result == b->result &&
           (a->result != VETCH__INFLATE_MORE ||
            (a->len == b->len && a->complete == b->complete));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const encodings[] = { "gzip", "deflate", "gzip, deflate",
                                             "deflate, gzip" };
    struct outcome whole, cut;
    size_t in_step, out_step;

    if (size == 0 || size > 30000)
        return 0;
    in_step = (size_t)1 << (data[0] >> 2 & 7);
    out_step = (size_t)1 << (data[0] >> 5 & 7);
    whole = decode(encodings[data[0] & 3], data + 1, size - 1, size, 65536);
    cut = decode(encodings[data[0] & 3], data + 1, size - 1, in_step, out_step);
    if (!same(&whole, &cut)) {
        fprintf(stderr, "at once: %d, %zu; in steps of %zu and %zu: %d, %zu\n",
                whole.result, whole.len, in_step, out_step, cut.result,
                cut.len);
        abort();
    }
    free(whole.made);
    free(cut.made);
    return 0;
}
