/* Formatting of what people read. A message may quote what a peer sent, so
 * nothing in it may start a new line or steer a terminal. */

#include "base/text-private.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The second control set of ISO 6429, as UTF-8: some terminals obey it. Lone
 * bytes of that range are not UTF-8 and cannot be told from a character's. */
static bool
is_wide_control(const char *text)
{
    return (unsigned char)text[0] == 0xc2 && (unsigned char)text[1] >= 0x80 &&
           (unsigned char)text[1] <= 0x9f;
}

void
vetch__text_clean(char *text, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c < 0x20 || c == 0x7f)
            text[i] = ' ';
        else if (i + 1 < len && is_wide_control(text + i))
            text[i] = text[i + 1] = ' ';
    }
}

/* Where a text with room for `len` bytes at most can be cut without
 * leaving a part of a character. */
static size_t
cut_at(const char *text, size_t len)
{
    size_t at = len;

    while (len - at < 3 && ((unsigned char)text[at] & 0xc0) == 0x80)
        at--;
    return at;
}

size_t
vetch__text_format(char *to, const char *fmt, va_list args)
{
    int saved = errno;
    int n = vsnprintf(to, VETCH__TEXT_MAX + 1, fmt, args);
    size_t len;

    if (n < 0)
        n = snprintf(to, VETCH__TEXT_MAX + 1, "(message does not print)");
    len = (size_t)n;
    if (len > VETCH__TEXT_MAX) {
        len = cut_at(to, VETCH__TEXT_MAX - 3) + 3;
        memcpy(to + len - 3, "...", 4);
    }
    vetch__text_clean(to, len);
    errno = saved;
    return len;
}
