/* Host names, socket addresses and networks as text: no I/O, no memory. */
#ifndef VETCH_SOCKADDR_PRIVATE_H
#define VETCH_SOCKADDR_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

/* The longest host name, RFC 1035, section 2.3.4, as text without final dot. */
#define VETCH__HOST_MAX ((size_t)253)
/* The longest path of a Unix socket, and the longest abstract name. */
#define VETCH__UNIX_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)
/* Enough for every address that vetch__address_format() writes. */
#define VETCH__ADDRESS_TEXT ((size_t)160)
/* The same for vetch__address_endpoint(). */
#define VETCH__ENDPOINT_NAME ((size_t)256)

/* Room for the addresses that this library uses. */
union vetch__address {
    struct sockaddr any;
    struct sockaddr_storage storage;
};

/* The decimal number at `text`, at most `max`; NULL or where it ends. */
const char *vetch__parse_number(const char *text, unsigned max, unsigned *ret);

/* Whether `host` (without brackets) is a numeric address; then it is written
 * to `ret`, with `port`. */
bool vetch__address_parse(union vetch__address *ret, socklen_t *ret_len,
                          const char *host, unsigned port);
/* The address of a Unix socket: of a path, or of an abstract name behind `@`.
 * Neither is longer than VETCH__UNIX_MAX. */
socklen_t vetch__address_unix(union vetch__address *ret, const char *path);
/* "127.0.0.1:80", "[::1]:80", "/run/x", "@x", or "" of an unnamed one. */
void vetch__address_format(char to[VETCH__ADDRESS_TEXT],
                           const struct sockaddr *address, socklen_t len);
/* The same behind `kind` ("tcp:"), as an endpoint string. */
void vetch__address_endpoint(char to[VETCH__ENDPOINT_NAME], const char *kind,
                             const struct sockaddr *address, socklen_t len);
unsigned vetch__address_port(const struct sockaddr *address);

/* The bytes of an IP address, those of IPv4 mapped into IPv6; false: it is
 * none.
 */
bool vetch__address_bytes(uint8_t to[16], const struct sockaddr *address);
/* Whether these are of an IPv4 address. */
bool vetch__address_is_mapped(const uint8_t bytes[16]);

/* Whether a name may be looked up: labels of letters, digits, `-` and `_`, of
 * at most 63 bytes, at most 253 in all, perhaps with a final dot, and the last
 * label is not a number: nothing may read "0x7f.1" as an address after it was
 * compared as a name. */
bool vetch__host_is_name(const char *host);
/* `localhost` and all names below it; RFC 6761, section 6.3. */
bool vetch__host_is_local(const char *host);

/* ---- networks ---- */

/* Addresses that agree in the first bits. An IPv4 network has the bytes of its
 * addresses mapped into IPv6, so that it holds those that came that way. */
struct vetch__network {
    uint8_t bytes[16];
    uint8_t bits;
};

/* "10.0.0.0/8", "fe80::/10", an address alone; false: malformed, or it has bits
 * set behind its length. */
bool vetch__network_parse(struct vetch__network *ret, const char *text);
/* False for addresses of other families, too. */
bool vetch__network_has(const struct vetch__network *n,
                        const struct sockaddr *address);

#endif
