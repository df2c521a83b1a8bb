/* Text in and out, without I/O. Characters are ICU's affair: what is a letter,
 * what can be printed, what a character is called. */
#include "text.h"

#include <stdio.h>
#include <string.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

/* ---- words ---- */

static bool
is_word_char(UChar32 c)
{
    return c == '_' || (U_GET_GC_MASK(c) & (U_GC_L_MASK | U_GC_N_MASK)) != 0;
}

bool
next_word(const char **at, char word[WORD_SIZE])
{
    const char *s = *at;
    int32_t i = 0, n = 0, len = (int32_t)strlen(s);
    bool any = false;
    UChar32 c;

    while (i < len) {
        int32_t before = i;

        U8_NEXT(s, i, len, c);
        if (!is_word_char(c)) {
            if (!any)
                continue;
            i = before;
            break;
        }
        any = true;
        c = u_toupper(c);
        if (n + U8_LENGTH(c) < WORD_SIZE)
            U8_APPEND_UNSAFE(word, n, c);
    }
    word[n] = '\0';
    *at = s + i;
    return any;
}

/* ---- queries ---- */

/* One character before `end`; negative for what is not UTF-8. */
static UChar32
last_char(const char *s, int32_t *end)
{
    UChar32 c;

    U8_PREV(s, 0, *end, c);
    return c;
}

static bool
is_farewell(const char *s, int32_t len)
{
    UChar32 c;

    for (int32_t i = 0; i < len;) {
        U8_NEXT(s, i, len, c);
        if (c < 0 || (c < ' ' && c != '\t'))
            return true;
    }
    return false;
}

static const char *
strip(const char *s, int32_t *len)
{
    int32_t start = 0, next = 0, end = *len;
    UChar32 c;

    while (next < *len) {
        U8_NEXT(s, next, *len, c);
        if (c < 0 || !u_isUWhiteSpace(c))
            break;
        start = next;
    }
    for (next = end; next > start; end = next) {
        c = last_char(s, &next);
        if (c < 0 || !u_isUWhiteSpace(c))
            break;
    }
    *len = end - start;
    return s + start;
}

int
read_query(struct query *query, const void *line, size_t len)
{
    const char *bytes = line, *text;
    int32_t n;

    /* A CR by itself is CR NUL in the telnet protocol. */
    if (len >= 2 && bytes[len - 2] == '\r' && bytes[len - 1] == '\0')
        len -= 2;
    if (len >= QUERY_SIZE)
        return -1;
    n = (int32_t)len;
    text = strip(bytes, &n);
    memcpy(query->text, text, (size_t)n);
    query->text[n] = '\0';
    query->len = (size_t)n;
    query->farewell = is_farewell(query->text, n);
    return 0;
}

/* ---- printing ---- */

void
char_name(uint32_t code, char name[NAME_SIZE])
{
    UErrorCode error = U_ZERO_ERROR;

    u_charName((UChar32)code, U_UNICODE_CHAR_NAME, name, NAME_SIZE, &error);
    if (U_FAILURE(error) || error == U_STRING_NOT_TERMINATED_WARNING)
        name[0] = '\0';
}

static size_t
print_row(uint32_t code, const char *eol, char *out)
{
    char name[NAME_SIZE], text[U8_MAX_LENGTH + 1], hex[16];
    int32_t n = 0;

    char_name(code, name);
    U8_APPEND_UNSAFE(text, n, code);
    text[n] = '\0';
    snprintf(hex, sizeof(hex), "U+%04X", (unsigned)code);
    return (size_t)snprintf(out, ROW_SIZE, "%-7s\t%s\t%s%s", hex, text, name,
                            eol);
}

size_t
print_rows(struct codes_walk *walk, const char *eol, char *out, size_t size)
{
    size_t len = 0;
    uint32_t code;

    while (size - len >= ROW_SIZE && codes_next(walk, &code))
        len += print_row(code, eol, out + len);
    return len;
}

static bool
is_printable(UChar32 c)
{
    const uint32_t hidden = U_GC_C_MASK | U_GC_Z_MASK;

    return c == ' ' || (U_GET_GC_MASK(c) & hidden) == 0;
}

/* Not a printable character, or one byte of no character. */
static int
print_escape(char *out, UChar32 c)
{
    switch (c) {
    case '\t':
        return sprintf(out, "\\t");
    case '\n':
        return sprintf(out, "\\n");
    case '\r':
        return sprintf(out, "\\r");
    default:
        break;
    }
    if (c < 0x100)
        return sprintf(out, "\\x%02x", (unsigned)c);
    if (c < 0x10000)
        return sprintf(out, "\\u%04x", (unsigned)c);
    return sprintf(out, "\\U%08x", (unsigned)c);
}

void
print_repr(const char *text, size_t len, char out[REPR_SIZE])
{
    char quote =
        memchr(text, '\'', len) != NULL && memchr(text, '"', len) == NULL
            ? '"'
            : '\'';
    int32_t n = 0, size = (int32_t)len;
    UChar32 c;

    out[n++] = quote;
    for (int32_t i = 0; i < size;) {
        int32_t before = i;

        U8_NEXT(text, i, size, c);
        if (c < 0) {
            i = before + 1;
            n += print_escape(out + n, (unsigned char)text[before]);
        } else if (!is_printable(c)) {
            n += print_escape(out + n, c);
        } else {
            if (c == quote || c == '\\')
                out[n++] = '\\';
            U8_APPEND_UNSAFE(out, n, c);
        }
    }
    out[n++] = quote;
    out[n] = '\0';
}

void
print_status(const char *query, size_t n_found, char out[STATUS_SIZE])
{
    char repr[REPR_SIZE];

    print_repr(query, strlen(query), repr);
    if (n_found == 0)
        snprintf(out, STATUS_SIZE, "No match for %s", repr);
    else
        snprintf(out, STATUS_SIZE, "%zu match%s for %s", n_found,
                 n_found == 1 ? "" : "es", repr);
}
