/* The codings of a body: one inflater each. Two are joined by a small buffer,
 * so memory does not depend on what is in the data; each watches its expansion,
 * because a chain can hide its bomb in the middle. */

#include "http/message/inflate-private.h"

#include <string.h>
#include <zlib.h>

#include "base/mem-private.h"
#include "http/message/headers-private.h"
#include "http/message/scan-private.h"
#include "stream/inflater-private.h"

enum { MIDDLE_BYTES = 16384 };

struct vetch__inflate {
    unsigned n;
    struct vetch__inflater stage[2]; /* in the order of undoing */
    unsigned char *middle;           /* between the stages, if there are two */
    size_t middle_at, middle_len;
    bool middle_was_full; /* stage 0 may hold more output */
};

static uint8_t
coding_by_name(const char *name, size_t len)
{
    if (vetch__http_equal(name, len, "gzip", 4) ||
        vetch__http_equal(name, len, "x-gzip", 6))
        return VETCH__GZIP;
    if (vetch__http_equal(name, len, "deflate", 7))
        return VETCH__DEFLATE;
    return 0;
}

const char *
vetch__codings_add(struct vetch__codings *c, const char *value, size_t len)
{
    const char *end = value + len;

    while (value < end) {
        const char *comma = memchr(value, ',', (size_t)(end - value));
        const char *stop = comma != NULL ? comma : end, *next = stop + 1;
        uint8_t coding;

        while (value < stop && vetch__is_blank(*value))
            value++;
        while (stop > value && vetch__is_blank(stop[-1]))
            stop--;
        len = (size_t)(stop - value);
        coding = coding_by_name(value, len);
        if (coding != 0 && c->n == 2)
            return "more than two content codings";
        if (coding != 0)
            c->v[c->n++] = coding;
        else if (len > 0 && !vetch__http_equal(value, len, "identity", 8))
            c->unknown = true;
        value = next;
    }
    return NULL;
}

struct vetch__inflate *
vetch__inflate_new(const struct vetch__codings *c)
{
    struct vetch__inflate *f = vetch__calloc(1, sizeof(*f));

    if (f == NULL)
        return NULL;
    for (; f->n < c->n; f->n++)
        if (vetch__inflater_init(&f->stage[f->n], c->v[c->n - 1 - f->n]) < 0)
            goto fail;
    if (f->n == 2) {
        f->middle = vetch__malloc(MIDDLE_BYTES);
        if (f->middle == NULL)
            goto fail;
    }
    return f;
fail:
    vetch__inflate_free(f); /* keeps errno */
    return NULL;
}

void
vetch__inflate_free(struct vetch__inflate *f)
{
    if (f == NULL)
        return;
    while (f->n > 0)
        vetch__inflater_done(&f->stage[--f->n]);
    vetch__free(f->middle);
    vetch__free(f);
}

/* The first of two stages fills the middle, when that is empty. */
static int
fill_middle(struct vetch__inflate *f, struct vetch__inflate_io *io)
{
    void *out = f->middle;
    size_t room = MIDDLE_BYTES;
    int result = vetch__inflater_pass(&f->stage[0], &io->in, &io->in_len, &out,
                                      &room, &io->why);

    f->middle_at = 0;
    f->middle_len = MIDDLE_BYTES - room;
    f->middle_was_full = room == 0;
    return result;
}

static int
run_two(struct vetch__inflate *f, struct vetch__inflate_io *io)
{
    const void *in;
    int result;

    do {
        if (f->middle_len == 0) {
            result = fill_middle(f, io);
            if (result != Z_OK)
                return result;
        }
        in = f->middle + f->middle_at;
        f->middle_at += f->middle_len;
        result = vetch__inflater_pass(&f->stage[1], &in, &f->middle_len,
                                      &io->out, &io->out_len, &io->why);
        f->middle_at -= f->middle_len;
        if (result != Z_OK)
            return result;
    } while (io->out_len > 0 &&
             (f->middle_len > 0 || f->middle_was_full || io->in_len > 0));
    return Z_OK;
}

enum vetch__inflated
vetch__inflate_run(struct vetch__inflate *f, struct vetch__inflate_io *io)
{
    int result;

    if (f->n == 2)
        result = run_two(f, io);
    else
        result = vetch__inflater_pass(&f->stage[0], &io->in, &io->in_len,
                                      &io->out, &io->out_len, &io->why);
    if (result == Z_MEM_ERROR)
        return VETCH__INFLATE_NOMEM;
    if (result != Z_OK)
        return VETCH__INFLATE_BAD;
    return io->out_len == 0 || io->in_len > 0 ? VETCH__INFLATE_FULL
                                              : VETCH__INFLATE_MORE;
}

bool
vetch__inflate_complete(const struct vetch__inflate *f)
{
    const struct vetch__inflater *first = &f->stage[0],
                                 *last = &f->stage[f->n - 1];

    /* No byte at all is what responses without content have. */
    if (!first->begun && first->n_held == 0)
        return true;
    return vetch__inflater_complete(first) && f->middle_len == 0 &&
           vetch__inflater_complete(last);
}
