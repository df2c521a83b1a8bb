/* What was found out about host names, for a while: a hash table of chains, and
 * a list in the order of use, whose first goes when there is no room. What is
 * too old is found out when it is asked for. */
#include "net/name_cache-private.h"

#include <assert.h>
#include <string.h>

#include "base/hash-private.h"
#include "base/list-private.h"
#include "base/mem-private.h"

enum { FEWEST_CHAINS = 16, MOST_CHAINS = 4096 };

struct known {
    struct known *next;      /* in its chain */
    struct vetch__list used; /* the one that waits longest is first */
    uint64_t until;
    vetch_addresses *addresses; /* one of these */
    vetch_error *error;
    char host[];
};

struct vetch__name_cache {
    size_t max, n;
    uint64_t ttl, negative_ttl, seed;
    struct vetch__list used;
    size_t n_chains; /* a power of 2 */
    struct known *chains[];
};

struct vetch__name_cache *
vetch__name_cache_new(size_t max, uint64_t ttl, uint64_t negative_ttl)
{
    struct vetch__name_cache *c;
    size_t n = FEWEST_CHAINS;

    while (n < max && n < MOST_CHAINS)
        n *= 2;
    c = vetch__calloc(1, sizeof(*c) + n * sizeof(struct known *));
    if (c == NULL)
        return NULL;
    c->max = max;
    c->ttl = ttl;
    c->negative_ttl = negative_ttl;
    c->seed = vetch__hash_seed();
    c->n_chains = n;
    vetch__list_init(&c->used);
    return c;
}

/* The place that points to what is known of a host, or where the chain ends. */
static struct known **
find_known(struct vetch__name_cache *c, const char *host)
{
    uint64_t hash = vetch__hash_bytes(c->seed, host, strlen(host));
    struct known **at = &c->chains[hash & (c->n_chains - 1)];

    while (*at != NULL && strcmp((*at)->host, host) != 0)
        at = &(*at)->next;
    return at;
}

static void
forget_known(struct vetch__name_cache *c, struct known **at)
{
    struct known *k = *at;

    assert(k != NULL);
    *at = k->next;
    vetch__list_remove(&k->used);
    c->n--;
    vetch_addresses_unref(k->addresses);
    vetch_error_unref(k->error);
    vetch__free(k);
}

static void
forget_oldest(struct vetch__name_cache *c)
{
    struct known *k = vetch__container(c->used.next, struct known, used);

    forget_known(c, find_known(c, k->host));
}

void
vetch__name_cache_clear(struct vetch__name_cache *c)
{
    while (c->n > 0)
        forget_oldest(c);
}

struct vetch__name_cache *
vetch__name_cache_free(struct vetch__name_cache *c)
{
    if (c == NULL)
        return NULL;
    vetch__name_cache_clear(c);
    vetch__free(c);
    return NULL;
}

bool
vetch__name_cache_find(struct vetch__name_cache *c, const char *host,
                       uint64_t now, vetch_addresses **ret_addresses,
                       vetch_error **ret_error)
{
    struct known **at = find_known(c, host), *k = *at;

    if (k == NULL)
        return false;
    if (now >= k->until) {
        forget_known(c, at);
        return false;
    }
    vetch__list_remove(&k->used);
    vetch__list_append(&c->used, &k->used);
    *ret_addresses = k->addresses;
    *ret_error = k->error;
    return true;
}

void
vetch__name_cache_put(struct vetch__name_cache *c, const char *host,
                      uint64_t now, vetch_addresses *addresses,
                      vetch_error *error)
{
    uint64_t ttl = addresses != NULL ? c->ttl : c->negative_ttl;
    size_t size = strlen(host) + 1;
    struct known **at = find_known(c, host), *k;

    if (*at != NULL)
        forget_known(c, at);
    if (c->max == 0 || ttl == 0)
        return;
    k = vetch__calloc(1, sizeof(*k) + size);
    if (k == NULL)
        return;
    if (c->n == c->max)
        forget_oldest(c);
    memcpy(k->host, host, size);
    k->until = now + ttl < now ? UINT64_MAX : now + ttl;
    k->addresses = vetch_addresses_ref(addresses);
    k->error = vetch_error_ref(error);
    at = find_known(c, host); /* the oldest may have been before it */
    k->next = *at;
    *at = k;
    vetch__list_append(&c->used, &k->used);
    c->n++;
}
