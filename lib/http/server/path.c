/* Paths of requests: decoded once, then normalised, so that nothing hidden in
 * an escape (`%2e%2e`, `%2F`) comes out after the check. */

#include "http/server/router-private.h"

#include <string.h>

/* The new length, 0 if malformed or with a NUL. */
static size_t
unescape(const char *raw, size_t len, char *to)
{
    size_t i, n = 0;

    for (i = 0; i < len; i++) {
        char c = raw[i];

        if (c == '%') {
            int high = len - i > 2 ? vetch__http_hex(raw[i + 1]) : -1;
            int low = high >= 0 ? vetch__http_hex(raw[i + 2]) : -1;

            if (low < 0)
                return 0;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0')
            return 0;
        to[n++] = c;
    }
    return n;
}

size_t
vetch__path_decode(const char *raw, size_t len, char *to)
{
    size_t end = unescape(raw, len, to);
    size_t i = 0, n = 0; /* read from i, written up to n; n <= i */

    if (end == 0 || to[0] != '/')
        return 0;
    while (i < end) {
        const char *slash;
        size_t segment;

        i++; /* the slash before it */
        slash = memchr(to + i, '/', end - i);
        segment = (slash != NULL ? (size_t)(slash - to) : end) - i;
        if (segment == 2 && to[i] == '.' && to[i + 1] == '.') {
            if (n == 0)
                return 0;
            while (to[--n] != '/')
                ;
        } else if (segment > 0 && !(segment == 1 && to[i] == '.')) {
            to[n] = '/';
            memmove(to + n + 1, to + i, segment);
            n += segment + 1;
            i += segment;
            continue;
        }
        i += segment;
        /* A directory keeps its slash: "/a/.", "/a/..", "/a//". */
        if (i >= end)
            to[n++] = '/';
    }
    return n;
}
