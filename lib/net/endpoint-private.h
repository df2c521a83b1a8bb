/* Endpoint strings and socket addresses as text: no I/O, no memory. */
#ifndef VETCH_ENDPOINT_PRIVATE_H
#define VETCH_ENDPOINT_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

/* The longest host name, RFC 1035, section 2.3.4, as text without final dot. */
#define VETCH__HOST_MAX ((size_t)253)
/* Enough for every address that vetch__address_format() writes. */
#define VETCH__ADDRESS_TEXT ((size_t)160)

enum vetch__endpoint_kind {
    VETCH__ENDPOINT_TCP,
    VETCH__ENDPOINT_UNIX,
    VETCH__ENDPOINT_FD
};

struct vetch__endpoint {
    enum vetch__endpoint_kind kind;
    char host[VETCH__HOST_MAX + 2]; /* TCP: without brackets; or "*" */
    unsigned port;
    bool reuseport;
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)]; /* UNIX */
    int fd;
};

/* NULL, or what is wrong with `text`: static text. */
const char *vetch__endpoint_parse(struct vetch__endpoint *ret,
                                  const char *text);

/* Room for the addresses that this library uses. */
union vetch__address {
    struct sockaddr any;
    struct sockaddr_storage storage;
};

/* Whether `host` (without brackets) is a numeric address; then it is written
 * to `ret`, with `port`. */
bool vetch__address_parse(union vetch__address *ret, socklen_t *ret_len,
                          const char *host, unsigned port);
/* The address of a Unix socket. */
socklen_t vetch__address_unix(union vetch__address *ret, const char *path);
/* "127.0.0.1:80", "[::1]:80", "/run/x", or "" of an unnamed one. */
void vetch__address_format(char to[VETCH__ADDRESS_TEXT],
                           const struct sockaddr *address, socklen_t len);
unsigned vetch__address_port(const struct sockaddr *address);

/* Whether a name may be looked up: labels of letters, digits, `-` and `_`, of
 * at most 63 bytes, at most 253 in all, perhaps with a final dot, and the last
 * label is not a number: nothing may read "0x7f.1" as an address after it was
 * compared as a name. */
bool vetch__host_is_name(const char *host);
/* `localhost` and all names below it; RFC 6761, section 6.3. */
bool vetch__host_is_local(const char *host);

#endif
