/* Formatting of what people read. A message may quote what a peer sent, so
 * nothing in it may start a new line or steer a terminal. */

#include "base/text-private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void
vetch__text_clean(char *text, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c < 0x20 || c == 0x7f)
            text[i] = ' ';
    }
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
        len = VETCH__TEXT_MAX;
        memcpy(to + len - 3, "...", 3);
    }
    vetch__text_clean(to, len);
    errno = saved;
    return len;
}
