/* The header that a proxy puts before a connection, versions 1 and 2 of
 * https://www.haproxy.org/download/1.8/doc/proxy-protocol.txt.
 *
 * Bytes are collected until the header is whole, and never more: whatever comes
 * behind it belongs to the connection. Which version it is shows in the first
 * byte already. Nothing is guessed: what is not a header is an error. */
#include "net/proxy_header-private.h"

#include <netinet/in.h>
#include <string.h>

enum {
    V1_MAX = 107, /* with CR LF */
    V2_HEAD = 16,
    V2_INET = 12, /* bytes of addresses and ports */
    V2_INET6 = 36,
    V2_UNIX = 216,

    TLV_CRC32C = 0x03,
    TLV_SSL = 0x20,
    SSL_HEAD = 5 /* of that: flags and the result of the verification */
};

static const uint8_t v1_begin[] = { 'P', 'R', 'O', 'X', 'Y', ' ' };
static const uint8_t v2_begin[] = { '\r', '\n', '\r', '\n', '\0', '\r',
                                    '\n', 'Q',  'U',  'I',  'T',  '\n' };

static size_t
get_16(const uint8_t *at)
{
    return (size_t)at[0] << 8 | at[1];
}

/* ---- version 1: a line ---- */

/* The next word of a line, which is cut off; NULL: there is none. */
static char *
next_word(char **line)
{
    char *word = *line, *end;

    if (word == NULL || *word == '\0')
        return NULL;
    end = strchr(word, ' ');
    if (end != NULL)
        *end++ = '\0';
    *line = end;
    return *word != '\0' ? word : NULL;
}

/* A port is written in one way only. */
static bool
parse_proxy_port(const char *word, unsigned *ret)
{
    const char *end =
        word != NULL ? vetch__parse_number(word, 65535, ret) : NULL;

    return end != NULL && *end == '\0' && (word[0] != '0' || word[1] == '\0');
}

static bool
parse_proxy_address(union vetch__address *ret, socklen_t *ret_len,
                    const char *host, const char *port, int family)
{
    unsigned number;

    return host != NULL && strchr(host, '%') == NULL &&
           parse_proxy_port(port, &number) &&
           vetch__address_parse(ret, ret_len, host, number) &&
           ret->any.sa_family == family;
}

static const char *
parse_v1_line(struct vetch__proxy_header *h, char *line)
{
    char *protocol = next_word(&line), *words[4];
    int family;

    h->done = true;
    if (protocol != NULL && strcmp(protocol, "UNKNOWN") == 0)
        return NULL;
    if (protocol == NULL ||
        (strcmp(protocol, "TCP4") != 0 && strcmp(protocol, "TCP6") != 0))
        return "unknown protocol in a PROXY header";
    family = protocol[3] == '4' ? AF_INET : AF_INET6;
    for (int i = 0; i < 4; i++)
        words[i] = next_word(&line);
    if (line != NULL ||
        !parse_proxy_address(&h->source, &h->source_len, words[0], words[2],
                             family) ||
        !parse_proxy_address(&h->destination, &h->destination_len, words[1],
                             words[3], family))
        return "malformed addresses in a PROXY header";
    h->proxied = true;
    return NULL;
}

static const char *
finish_v1(struct vetch__proxy_header *h)
{
    char *line = (char *)h->bytes;

    if (h->len < sizeof(v1_begin) + 2 || h->bytes[h->len - 2] != '\r')
        return "a line of a PROXY header does not end with CR LF";
    h->bytes[h->len - 2] = '\0';
    if (strlen(line) != h->len - 2)
        return "NUL in a PROXY header";
    return parse_v1_line(h, line + sizeof(v1_begin));
}

/* ---- version 2: binary ---- */

uint32_t
vetch__crc32c(uint32_t crc, const void *data, size_t len)
{
    const uint8_t *at = data;

    crc = ~crc;
    while (len-- > 0) {
        crc ^= *at++;
        for (int i = 0; i < 8; i++)
            crc = crc >> 1 ^ (UINT32_C(0x82f63b78) & (0 - (crc & 1)));
    }
    return ~crc;
}

/* The length of the TLV at `at`, with its head; 0: it is malformed. */
static size_t
tlv_length(const uint8_t *at, size_t left)
{
    size_t len = left >= 3 ? 3 + get_16(at + 1) : 0;

    return len <= left ? len : 0;
}

static bool
tlvs_are_well_formed(const uint8_t *at, size_t left)
{
    while (left > 0) {
        size_t len = tlv_length(at, left);

        if (len == 0)
            return false;
        if (at[0] == TLV_SSL &&
            (len < 3 + SSL_HEAD ||
             !tlvs_are_well_formed(at + 3 + SSL_HEAD, len - 3 - SSL_HEAD)))
            return false;
        at += len;
        left -= len;
    }
    return true;
}

static const char *
check_sum(const struct vetch__proxy_header *h)
{
    size_t len;
    const uint8_t *at = vetch__proxy_tlv(h->bytes + h->tlvs, h->len - h->tlvs,
                                         TLV_CRC32C, &len);
    static const uint8_t zeroes[4];
    uint32_t crc, told;

    if (at == NULL)
        return NULL;
    if (len != sizeof(zeroes))
        return "malformed checksum in a PROXY header";
    told = (uint32_t)(get_16(at) << 16 | get_16(at + 2));
    /* It is reckoned with zeroes in its own place. */
    crc = vetch__crc32c(0, h->bytes, (size_t)(at - h->bytes));
    crc = vetch__crc32c(crc, zeroes, sizeof(zeroes));
    crc = vetch__crc32c(crc, at + 4, (size_t)(h->bytes + h->len - at - 4));
    return crc == told ? NULL : "wrong checksum of a PROXY header";
}

static void
take_inet(struct vetch__proxy_header *h, const uint8_t *at)
{
    struct sockaddr_in source = { .sin_family = AF_INET };
    struct sockaddr_in destination = { .sin_family = AF_INET };

    memcpy(&source.sin_addr, at, 4);
    memcpy(&destination.sin_addr, at + 4, 4);
    memcpy(&source.sin_port, at + 8, 2);
    memcpy(&destination.sin_port, at + 10, 2);
    memcpy(&h->source, &source, sizeof(source));
    memcpy(&h->destination, &destination, sizeof(destination));
    h->source_len = h->destination_len = sizeof(source);
}

static void
take_inet6(struct vetch__proxy_header *h, const uint8_t *at)
{
    struct sockaddr_in6 source = { .sin6_family = AF_INET6 };
    struct sockaddr_in6 destination = { .sin6_family = AF_INET6 };

    memcpy(&source.sin6_addr, at, 16);
    memcpy(&destination.sin6_addr, at + 16, 16);
    memcpy(&source.sin6_port, at + 32, 2);
    memcpy(&destination.sin6_port, at + 34, 2);
    memcpy(&h->source, &source, sizeof(source));
    memcpy(&h->destination, &destination, sizeof(destination));
    h->source_len = h->destination_len = sizeof(source);
}

/* What is empty has no name. */
static socklen_t
take_unix(union vetch__address *to, const uint8_t *at)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    size_t n = sizeof(un.sun_path);

    memcpy(un.sun_path, at, n);
    memcpy(to, &un, sizeof(un));
    while (n > 0 && at[n - 1] == '\0')
        n--;
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

/* How many bytes of addresses a family has; 0: it is none. */
static size_t
family_size(uint8_t family)
{
    switch (family) {
    case 0x11:
    case 0x12:
        return V2_INET;
    case 0x21:
    case 0x22:
        return V2_INET6;
    case 0x31:
    case 0x32:
        return V2_UNIX;
    default:
        return 0;
    }
}

static void
take_addresses(struct vetch__proxy_header *h, size_t size)
{
    const uint8_t *at = h->bytes + V2_HEAD;

    h->proxied = true;
    if (size == V2_INET) {
        take_inet(h, at);
    } else if (size == V2_INET6) {
        take_inet6(h, at);
    } else {
        h->source_len = take_unix(&h->source, at);
        h->destination_len = take_unix(&h->destination, at + V2_UNIX / 2);
    }
}

static const char *
finish_v2(struct vetch__proxy_header *h)
{
    uint8_t family = h->bytes[13];
    size_t size = family_size(family);

    h->done = true;
    /* LOCAL, or a family that the proxy does not know: the rest is skipped. */
    if (h->bytes[12] == 0x20 || family == 0)
        return NULL;
    if (size == 0)
        return "unknown family in a PROXY header";
    if (h->len < V2_HEAD + size)
        return "a PROXY header is too short for its addresses";
    take_addresses(h, size);
    h->tlvs = V2_HEAD + size;
    if (!tlvs_are_well_formed(h->bytes + h->tlvs, h->len - h->tlvs))
        return "malformed TLVs in a PROXY header";
    return check_sum(h);
}

const uint8_t *
vetch__proxy_tlv(const uint8_t *tlvs, size_t len, unsigned type,
                 size_t *ret_len)
{
    const uint8_t *inside;
    size_t size;

    for (; len > 0; tlvs += size, len -= size) {
        size = tlv_length(tlvs, len);
        if (tlvs[0] == type) {
            *ret_len = size - 3;
            return tlvs + 3;
        }
        inside = tlvs[0] == TLV_SSL
                     ? vetch__proxy_tlv(tlvs + 3 + SSL_HEAD,
                                        size - 3 - SSL_HEAD, type, ret_len)
                     : NULL;
        if (inside != NULL)
            return inside;
    }
    return NULL;
}

/* ---- collecting ---- */

/* What is there begins like that, as far as it goes. */
static bool
begins_like(const struct vetch__proxy_header *h, const uint8_t *begin,
            size_t len)
{
    return memcmp(h->bytes, begin, h->len < len ? h->len : len) == 0;
}

/* How many bytes are needed before more can be said. */
static size_t
wanted(const struct vetch__proxy_header *h)
{
    if (h->bytes[0] == v1_begin[0])
        return h->len + 1;
    if (h->len < V2_HEAD)
        return V2_HEAD;
    return V2_HEAD + get_16(h->bytes + 14);
}

static const char *
check_begin(const struct vetch__proxy_header *h)
{
    if (!begins_like(h, v1_begin, sizeof(v1_begin)) &&
        !begins_like(h, v2_begin, sizeof(v2_begin)))
        return "no PROXY header";
    if (h->bytes[0] == v1_begin[0])
        return NULL;
    if (h->len > 12 && h->bytes[12] != 0x20 && h->bytes[12] != 0x21)
        return "unknown version or command of a PROXY header";
    if (h->len >= V2_HEAD && wanted(h) > VETCH__PROXY_MAX)
        return "a PROXY header is too long";
    return NULL;
}

/* Whether it is whole, and then what is wrong with it. */
static const char *
finish_if_whole(struct vetch__proxy_header *h)
{
    if (h->bytes[0] != v1_begin[0])
        return h->len >= V2_HEAD && h->len == wanted(h) ? finish_v2(h) : NULL;
    if (h->bytes[h->len - 1] == '\n')
        return finish_v1(h);
    return h->len == V1_MAX ? "a line of a PROXY header is too long" : NULL;
}

const char *
vetch__proxy_header_feed(struct vetch__proxy_header *h, const void *bytes,
                         size_t len, size_t *ret_taken)
{
    const uint8_t *at = bytes;
    const char *why = NULL;

    *ret_taken = 0;
    while (why == NULL && !h->done && *ret_taken < len) {
        size_t n = h->len > 0 ? wanted(h) - h->len : 1;

        if (n > len - *ret_taken)
            n = len - *ret_taken;
        memcpy(h->bytes + h->len, at + *ret_taken, n);
        h->len += n;
        *ret_taken += n;
        why = check_begin(h);
        if (why == NULL)
            why = finish_if_whole(h);
    }
    return why;
}
