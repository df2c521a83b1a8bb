/* Looking at bytes: blanks, and hopping from one control byte to the next. */
#ifndef VETCH_HTTP_SCAN_PRIVATE_H
#define VETCH_HTTP_SCAN_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* White space within a line (RFC 9110, 5.6.3). */
static inline bool
vetch__is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The index of the first byte below 0x20 or equal to 0x7f in [from, end), or
 * `end` (`from` if that is beyond it). */
static inline size_t
vetch__scan_control(const char *s, size_t from, size_t end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    size_t i = from;

    while (end > i && end - i >= 8) {
        uint64_t w, del, hits;

        memcpy(&w, s + i, 8);
        /* The lowest hit is exact; those above it may be false, by the borrow
         * of the subtraction. */
        del = w ^ (ones * 0x7f);
        hits =
            (((w - ones * 0x20) & ~w) | ((del - ones) & ~del)) & (ones * 0x80);
        if (hits != 0) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
            return i + (size_t)__builtin_ctzll(hits) / 8;
#else
            break;
#endif
        }
        i += 8;
    }
    for (; i < end; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c < 0x20 || c == 0x7f)
            return i;
    }
    return i;
}

#endif
