/* Text for people: error messages and log lines. */
#ifndef VETCH_TEXT_PRIVATE_H
#define VETCH_TEXT_PRIVATE_H

#include <stdarg.h>
#include <stddef.h>

#include <vetch/export.h>

/* The longest message or line, without its NUL; what is longer is cut. */
#define VETCH__TEXT_MAX ((size_t)2048)

/* Format into `to`, which holds VETCH__TEXT_MAX + 1 bytes. The result is one
 * line without control characters; one that was cut ends in "...". Returns its
 * length. Keeps errno. */
size_t vetch__text_format(char *to, const char *fmt, va_list args)
    VETCH_PRINTF(2, 0);
/* Make control characters spaces. */
void vetch__text_clean(char *text, size_t len);

#endif
