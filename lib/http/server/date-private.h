/* Dates of HTTP (RFC 9110, section 5.6.7), and the Date field, which is made
 * once a second. */
#ifndef VETCH_HTTP_DATE_PRIVATE_H
#define VETCH_HTTP_DATE_PRIVATE_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define VETCH__DATE_LEN ((size_t)29) /* "Sun, 06 Nov 1994 08:49:37 GMT" */

/* Write a date and its NUL. */
void vetch__date_format(time_t when, char to[VETCH__DATE_LEN + 1]);

/* All zero: not made yet. */
struct vetch__date {
    uint64_t until;                       /* good before this, ns */
    char line[sizeof("Date: \r\n") + 29]; /* as it is sent */
};
#define VETCH__DATE_LINE_LEN (sizeof("Date: \r\n") - 1 + VETCH__DATE_LEN)

void vetch__date_refresh(struct vetch__date *d, uint64_t now);

/* The line, VETCH__DATE_LINE_LEN bytes; `now` is the reactor's clock. */
static inline const char *
vetch__date_line(struct vetch__date *d, uint64_t now)
{
    if (__builtin_expect(now >= d->until, 0))
        vetch__date_refresh(d, now);
    return d->line;
}

#endif
