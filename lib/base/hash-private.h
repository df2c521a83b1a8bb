/* Hashing of what peers choose: keyed, so that they cannot choose collisions.
 */
#ifndef VETCH_HASH_PRIVATE_H
#define VETCH_HASH_PRIVATE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

/* A key for a table. Without entropy it is one all the same. */
static inline uint64_t
vetch__hash_seed(void)
{
    uint64_t seed = UINT64_C(0x2545f4914f6cdd1d);

    (void)!getrandom(&seed, sizeof(seed), GRND_NONBLOCK);
    return seed;
}

/* Multiply and fold. */
static inline uint64_t
vetch__hash_mix(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t
vetch__hash_bytes(uint64_t seed, const void *data, size_t len)
{
    const char *at = data;
    uint64_t hash = seed ^ len, word;

    for (; len > 0; at += sizeof(word)) {
        size_t n = len < sizeof(word) ? len : sizeof(word);

        word = 0;
        memcpy(&word, at, n);
        len -= n;
        hash = vetch__hash_mix(hash ^ word, UINT64_C(0x9e3779b97f4a7c15));
    }
    return vetch__hash_mix(hash ^ seed, UINT64_C(0xd6e8feb86659fd93));
}

#endif
