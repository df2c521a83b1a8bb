/* Paths of requests. RFC 3986, section 2.4: a path is split at its slashes
 * first, and its segments are decoded afterwards. So `%2F` is a byte like
 * others, in a segment that it cannot end, and `..%2F` climbs nowhere; what
 * hides behind an escape (`%2e%2e`) is seen, because dot segments are looked
 * for in what was decoded. */

#include "http/server/router-private.h"

#include <string.h>

/* False: malformed, or with a NUL. */
static bool
decode_segment(const char *raw, size_t len, char *to, size_t *ret_len,
               bool *ret_slash)
{
    size_t i, n = 0;

    for (i = 0; i < len; i++) {
        char c = raw[i];

        if (c == '%') {
            int value = len - i > 2 ? vetch__http_hex_pair(raw + i + 1) : -1;

            if (value < 0)
                return false;
            c = (char)value;
            i += 2;
            if (c == '/')
                *ret_slash = true;
        }
        if (c == '\0')
            return false;
        to[n++] = c;
    }
    *ret_len = n;
    return true;
}

static bool
is_dots(const char *segment, size_t len, size_t n)
{
    return len == n && memcmp(segment, "..", n) == 0;
}

size_t
vetch__path_decode(const char *raw, size_t len, char *to, bool *ret_slash)
{
    size_t i = 0, n = 0; /* read from i, written up to n; n <= i */

    *ret_slash = false;
    if (len == 0 || raw[0] != '/')
        return 0;
    while (i < len) {
        const char *slash = memchr(raw + i + 1, '/', len - i - 1);
        size_t end = slash != NULL ? (size_t)(slash - raw) : len;
        size_t segment;

        if (!decode_segment(raw + i + 1, end - i - 1, to + n + 1, &segment,
                            ret_slash))
            return 0;
        to[n] = VETCH__PATH_DECODED;
        i = end;
        if (is_dots(to + n + 1, segment, 2)) {
            if (n == 0)
                return 0;
            while (to[--n] != VETCH__PATH_DECODED)
                ;
        } else if (!is_dots(to + n + 1, segment, 1)) {
            n += 1 + segment;
            continue;
        }
        if (i == len) /* a directory keeps its slash: "/a/.", "/a/.." */
            to[n++] = VETCH__PATH_DECODED;
    }
    return n;
}

void
vetch__path_show(char *path, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++)
        if (path[i] == VETCH__PATH_DECODED)
            path[i] = '/';
}
