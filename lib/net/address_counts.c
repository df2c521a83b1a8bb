/* How many connections each address has: a hash table of chains, which grows
 * and shrinks with the number of addresses. The hash is keyed, because peers
 * choose their addresses. */
#include "net/address_counts-private.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/hash-private.h"
#include "base/mem-private.h"

enum { SMALLEST = 16 };

struct count {
    struct count *next;
    uint64_t key[2];
    size_t n;
};

struct vetch__address_counts {
    size_t limit;
    uint64_t seed;
    size_t size; /* chains: a power of 2 */
    size_t used; /* addresses */
    struct count **chains;
};

struct vetch__address_counts *
vetch__address_counts_new(size_t limit)
{
    struct vetch__address_counts *c = vetch__calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->limit = limit;
    c->size = SMALLEST;
    c->chains = vetch__calloc(c->size, sizeof(struct count *));
    if (c->chains == NULL) {
        vetch__free(c);
        return NULL;
    }
    c->seed = vetch__hash_seed();
    return c;
}

struct vetch__address_counts *
vetch__address_counts_free(struct vetch__address_counts *c)
{
    if (c == NULL)
        return NULL;
    for (size_t i = 0; i < c->size; i++) {
        while (c->chains[i] != NULL) {
            struct count *next = c->chains[i]->next;

            vetch__free(c->chains[i]);
            c->chains[i] = next;
        }
    }
    vetch__free(c->chains);
    vetch__free(c);
    return NULL;
}

/* ---- finding ---- */

static bool
key_of(uint64_t key[2], const struct sockaddr *address)
{
    uint8_t bytes[16];

    if (!vetch__address_bytes(bytes, address))
        return false;
    memcpy(key, bytes, sizeof(bytes));
    if (!vetch__address_is_mapped(bytes))
        key[1] = 0; /* the network is enough */
    return true;
}

static struct count **
chain_of(const struct vetch__address_counts *c, const uint64_t key[2])
{
    uint64_t hash = vetch__hash_bytes(c->seed, key, 2 * sizeof(*key));

    return &c->chains[hash & (c->size - 1)];
}

/* The place that points to the count, or where the chain ends. */
static struct count **
find_count(const struct vetch__address_counts *c, const uint64_t key[2])
{
    struct count **at = chain_of(c, key);

    while (*at != NULL && memcmp((*at)->key, key, sizeof((*at)->key)) != 0)
        at = &(*at)->next;
    return at;
}

/* A table of another size; if there is no memory for it, this one will do. */
static void
resize_counts(struct vetch__address_counts *c, size_t size)
{
    struct count **chains = vetch__calloc(size, sizeof(struct count *));
    struct count **old = c->chains;
    size_t old_size = c->size;

    if (chains == NULL)
        return;
    c->chains = chains;
    c->size = size;
    for (size_t i = 0; i < old_size; i++) {
        while (old[i] != NULL) {
            struct count *count = old[i], **to = chain_of(c, count->key);

            old[i] = count->next;
            count->next = *to;
            *to = count;
        }
    }
    vetch__free(old);
}

/* ---- counting ---- */

int
vetch__address_counts_add(struct vetch__address_counts *c,
                          const struct sockaddr *address)
{
    struct count **at, *count;
    uint64_t key[2];

    if (!key_of(key, address))
        return 0;
    at = find_count(c, key);
    if (*at != NULL && (*at)->n >= c->limit) {
        errno = EUSERS;
        return -1;
    }
    if (*at != NULL) {
        (*at)->n++;
        return 0;
    }
    count = vetch__calloc(1, sizeof(*count));
    if (count == NULL)
        return -1;
    memcpy(count->key, key, sizeof(key));
    count->n = 1;
    *at = count;
    if (++c->used > c->size)
        resize_counts(c, 2 * c->size);
    return 0;
}

void
vetch__address_counts_drop(struct vetch__address_counts *c,
                           const struct sockaddr *address)
{
    struct count **at, *count;
    uint64_t key[2];

    if (!key_of(key, address))
        return;
    at = find_count(c, key);
    count = *at;
    assert(count != NULL);
    if (--count->n > 0)
        return;
    *at = count->next;
    vetch__free(count);
    if (--c->used < c->size / 8 && c->size > SMALLEST)
        resize_counts(c, c->size / 2);
}

size_t
vetch__address_counts_size(const struct vetch__address_counts *c)
{
    return c->used;
}
