/* Fuzz target of PROXY headers. How the bytes are cut makes no difference, no
 * byte behind the header is taken, and what is accepted can be looked at. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/proxy_header-private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(int true_of_it, const char *what)
{
    if (!true_of_it) {
        fprintf(stderr, "not so: %s\n", what);
        abort();
    }
}

/* Feed it in pieces; what is wrong, and how much was taken. */
static const char *
feed(struct vetch__proxy_header *h, const uint8_t *data, size_t size,
     size_t step, size_t *ret_taken)
{
    const char *why = NULL;
    size_t at = 0;

    memset(h, 0, sizeof(*h));
    while (why == NULL && !h->done && at < size) {
        size_t n = step < size - at ? step : size - at, taken;
        uint8_t *piece = malloc(n); /* so that a sanitizer sees its ends */

        if (piece == NULL)
            abort();
        memcpy(piece, data + at, n);
        why = vetch__proxy_header_feed(h, piece, n, &taken);
        free(piece);
        require(taken <= n, "it takes no more than there is");
        require(taken == n || h->done || why != NULL,
                "it takes all until it is done");
        at += taken;
    }
    *ret_taken = at;
    return why;
}

static void
look_at(const struct vetch__proxy_header *h)
{
    char name[VETCH__ENDPOINT_NAME];
    size_t len;

    if (!h->proxied)
        return;
    vetch__address_endpoint(name, "tcp:", &h->source.any, h->source_len);
    vetch__address_endpoint(name, "tcp:", &h->destination.any,
                            h->destination_len);
    for (unsigned type = 0; h->tlvs > 0 && type < 256; type++) {
        const uint8_t *value =
            vetch__proxy_tlv(h->bytes + h->tlvs, h->len - h->tlvs, type, &len);

        require(value == NULL || (value >= h->bytes + h->tlvs &&
                                  value + len <= h->bytes + h->len),
                "values are inside of the header");
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct vetch__proxy_header whole, pieces;
    const char *why, *why_in_pieces;
    size_t taken, taken_in_pieces;

    why = feed(&whole, data, size, size + 1, &taken);
    for (size_t step = 1; step < 20; step += 3) {
        why_in_pieces = feed(&pieces, data, size, step, &taken_in_pieces);
        require(why == why_in_pieces, "cutting does not change the result");
        require(whole.done == pieces.done, "nor whether it is done");
        require(why != NULL || taken == taken_in_pieces, "nor how long it is");
        require(why != NULL ||
                    memcmp(whole.bytes, pieces.bytes, whole.len) == 0,
                "nor its bytes");
    }
    if (why == NULL && whole.done)
        look_at(&whole);
    return 0;
}
