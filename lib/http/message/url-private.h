/* URLs as slices: text in, parts out; no sockets, no allocation. There is one
 * way to split and to judge a URL. The objects of vetch_url(3) stand on it, and
 * so does what the client makes of an http URL. */
#ifndef VETCH_HTTP_URL_PRIVATE_H
#define VETCH_HTTP_URL_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

enum {
    VETCH__URL_MAX = 8192,    /* bytes of a whole URL */
    VETCH__URL_HOST_MAX = 253 /* RFC 1035, section 2.3.4, without final dot */
};

/* ---- url_parts.c: any URL ---- */

struct vetch__url_part {
    const char *at; /* NULL: there is none */
    size_t len;
};

/* Slices of the text. The host of an IPv6 address has its brackets. */
struct vetch__url_parts {
    struct vetch__url_part scheme, userinfo, host, port, path, query, fragment;
};

/* Split a URL or a relative reference, which has no scheme. NULL, or what is
 * wrong with it, as a static string. */
const char *vetch__url_split(struct vetch__url_parts *ret, const char *text);
/* NULL, or what is wrong with the parts. `*ret_port` is written in either case;
 * 0: not known. */
const char *vetch__url_judge(const struct vetch__url_parts *p,
                             unsigned *ret_port);
bool vetch__url_scheme_is(const struct vetch__url_parts *p, const char *scheme);

/* Where in an IPv6 address its zone begins (`%25`, RFC 6874), or its end. */
size_t vetch__url_find_zone(const char *address, size_t len);

/* What browsers leave bare in paths, queries and fragments is allowed there,
 * and percent-encoded before it is sent: how many bytes of it there are. */
size_t vetch__url_count_raw(const char *s, size_t len);
/* Write such a part encoded: `len` and twice _count_raw() bytes. Where it
 * ends. */
char *vetch__url_put_encoded(char *to, const char *s, size_t len);
/* Decode well-formed %XX in place; the new length. */
size_t vetch__url_decode(char *text, size_t len);

/* ---- http_url.c: what the client needs to know of an http URL ---- */

/* Slices point into the text that was parsed. */
struct vetch__http_url {
    /* "tcp:HOST:PORT" or "tls:HOST:PORT", in small letters, the port always
     * present: the endpoint to connect to, and the key that equal origins
     * share. */
    char endpoint[4 + VETCH__URL_HOST_MAX + 2 + 6 + 1];
    size_t endpoint_len;
    /* The value of the Host field, a part of `endpoint`: without the port if
     * that is the scheme's. */
    const char *host; /* with its zone, see _put_host() */
    size_t host_len;
    unsigned port;
    bool tls;             /* https */
    const char *userinfo; /* NULL if there is none; still encoded */
    size_t userinfo_len;
    const char *target; /* path and query; may be empty or begin with "?" */
    size_t target_len;
    size_t n_raw;     /* bytes of it to be encoded */
    bool needs_slash; /* the request target is "/" followed by `target` */
    /* Everything from the host on, without fragment: for messages, which must
     * not show credentials. */
    const char *shown;
    size_t shown_len;
};

/* NULL, or what is wrong with it, as a static string. */
const char *vetch__http_url_parse(struct vetch__http_url *ret,
                                  const char *text);
/* Write a host (a part of an endpoint) without the zone of its address, which
 * means something on this machine only (RFC 6874, section 4). */
char *vetch__http_url_put_host(char *to, const char *host, size_t len);

#endif
