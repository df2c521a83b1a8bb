/* The header that a proxy puts before a connection: HAProxy's PROXY protocol,
 * versions 1 and 2. No I/O: bytes in, addresses out. */
#ifndef VETCH_PROXY_HEADER_PRIVATE_H
#define VETCH_PROXY_HEADER_PRIVATE_H

#include "net/sockaddr-private.h"

/* The longest header that is taken. Addresses need at most 232 bytes of it. */
#define VETCH__PROXY_MAX ((size_t)4096)

/* Begins as zeroes. */
struct vetch__proxy_header {
    bool done;
    bool proxied; /* done: it says for whom; else the proxy speaks for itself */
    union vetch__address source, destination;
    socklen_t source_len, destination_len;
    size_t tlvs; /* where they begin, up to `len`; 0: there are none */
    size_t len;
    uint8_t bytes[VETCH__PROXY_MAX];
};

/* Look at the next bytes. Sets *ret_taken to how many of them belong to the
 * header: all, unless it is done. NULL, or what is wrong: static text. */
const char *vetch__proxy_header_feed(struct vetch__proxy_header *h,
                                     const void *bytes, size_t len,
                                     size_t *ret_taken);

/* The value of the first TLV of this type among `tlvs` (well-formed), also
 * inside of the one for TLS; NULL: there is none. */
const uint8_t *vetch__proxy_tlv(const uint8_t *tlvs, size_t len, unsigned type,
                                size_t *ret_len);

/* CRC-32C (Castagnoli) of more bytes; begin with 0. */
uint32_t vetch__crc32c(uint32_t crc, const void *data, size_t len);

#endif
