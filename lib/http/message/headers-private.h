/* Header fields as slices of the bytes that were received, and the rules for
 * names and values that both reading and writing obey. No I/O, no memory. */
#ifndef VETCH_HTTP_HEADERS_PRIVATE_H
#define VETCH_HTTP_HEADERS_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where bytes lie, counted from the first byte of the message: offsets stay
 * valid when the buffer moves. */
struct vetch__slice {
    uint32_t at;
    uint32_t len;
};

struct vetch__http_field {
    struct vetch__slice name;
    struct vetch__slice value; /* without the blanks around it */
};

/* The table of fields, in the order received. The caller gives it its room. */
struct vetch__http_fields {
    struct vetch__http_field *v;
    uint16_t n;
    uint16_t cap; /* one field more is 431 */
};

/* The first field of that name at or after index `from`, in any case of
 * letters; -1 if there is none. `base` is where the message begins. */
int vetch__http_field_find(const struct vetch__http_fields *f, const char *base,
                           const char *name, size_t from);

/* Whether a comma separated list has that member, in any case of letters. */
bool vetch__http_list_has(const char *value, size_t len, const char *member);

/* The bytes of a token (RFC 9110, section 5.6.2); empty is none. */
bool vetch__http_is_token(const char *s, size_t len);
/* The bytes of a field value (section 5.5): no control byte but HT. */
bool vetch__http_is_value(const char *s, size_t len);
/* `uri-host [":" port]` as a Host field may carry it; empty is none. */
bool vetch__http_is_host(const char *s, size_t len);
/* Whether two hosts name the same; `:80` counts as no port. */
bool vetch__http_host_equal(const char *a, size_t a_len, const char *b,
                            size_t b_len);
/* Letters in any case. */
bool vetch__http_equal_bytes(const char *a, const char *b, size_t len);
static inline bool
vetch__http_equal(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return a_len == b_len && vetch__http_equal_bytes(a, b, a_len);
}
/* A field that only the library writes: Host, Connection and what frames the
 * message. */
bool vetch__http_is_own_field(const char *name, size_t len);
/* A field that a message has at most once. Both sides follow one rule: setting
 * replaces what was set or added under that name; adding a second one of these
 * is refused with EEXIST. */
bool vetch__http_is_single_field(const char *name, size_t len);
/* Content-Length or Transfer-Encoding. */
bool vetch__http_is_framing_field(const char *name, size_t len);
/* A field that a request must not have in its trailer section (RFC 9110,
 * section 6.5.1): it would frame, route or authenticate. Others are harmless,
 * because they are dropped. */
bool vetch__http_is_forbidden_trailer(const char *name, size_t len);
/* For setters of both sides: 0, or -1 and EINVAL if the name is invalid, the
 * value is none, or the field belongs to the library. */
int vetch__http_check_field(const char *name, const char *value);

/* The value of a hexadecimal digit, -1 for another byte. */
static inline int
vetch__http_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that two of them stand for, -1 unless both are digits. The second is
 * not looked at if the first is none. */
static inline int
vetch__http_hex_pair(const char *digits)
{
    int high = vetch__http_hex(digits[0]);
    int low = high >= 0 ? vetch__http_hex(digits[1]) : -1;

    return low >= 0 ? high << 4 | low : -1;
}

/* Lower-case letter of an ASCII byte. */
static inline unsigned char
vetch__http_lower(char c)
{
    unsigned char u = (unsigned char)c;

    return u >= 'A' && u <= 'Z' ? u | 0x20 : u;
}

#endif
