/* http URLs (RFC 3986, RFC 9110 section 4.2.1): text in, parts out; no
 * sockets, no allocation. */
#ifndef VETCH_HTTP_URL_PRIVATE_H
#define VETCH_HTTP_URL_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

enum {
    VETCH__URL_MAX = 8192,    /* bytes of a whole URL */
    VETCH__URL_HOST_MAX = 253 /* RFC 1035, section 2.3.4, without final dot */
};

/* Slices point into the text that was parsed. */
struct vetch__url {
    /* "tcp:HOST:PORT", in small letters, the port always present: the endpoint
     * to connect to, and the key that equal origins share. */
    char endpoint[4 + VETCH__URL_HOST_MAX + 2 + 6 + 1];
    size_t endpoint_len;
    /* The value of the Host field, a part of `endpoint`: without the port if
     * that is the scheme's. */
    const char *host; /* with its zone, see _put_host() */
    size_t host_len;
    unsigned port;
    const char *userinfo; /* NULL if there is none; still encoded */
    size_t userinfo_len;
    const char *target; /* path and query; may be empty or begin with "?" */
    size_t target_len;
    size_t n_raw;     /* bytes of it to be encoded, see _put_target() */
    bool needs_slash; /* the request target is "/" followed by `target` */
    /* Everything from the host on, without fragment: for messages, which must
     * not show credentials. */
    const char *shown;
    size_t shown_len;
};

/* NULL, or what is wrong with it, as a static string. */
const char *vetch__url_parse(struct vetch__url *ret, const char *text);

/* Write a target with what must not stand there bare percent-encoded: `len` and
 * twice n_raw bytes. Where it ends. */
char *vetch__url_put_target(char *to, const char *target, size_t len);
/* Write a host (a part of an endpoint) without the zone of its address, which
 * means something on this machine only (RFC 6874, section 4). */
char *vetch__url_put_host(char *to, const char *host, size_t len);

/* Whether all bytes may stand in that part, escapes well-formed; those that
 * _put_target() encodes may. */
bool vetch__url_is_userinfo(const char *s, size_t len);
bool vetch__url_is_path(const char *s, size_t len);
bool vetch__url_is_query(const char *s, size_t len);

/* Decode %XX in place; the new length. Meant for userinfo. */
size_t vetch__url_decode(char *text, size_t len);

#endif
