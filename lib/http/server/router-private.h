/* Which handler a request goes to: patterns of segments in a tree. No I/O. */
#ifndef VETCH_HTTP_ROUTER_PRIVATE_H
#define VETCH_HTTP_ROUTER_PRIVATE_H

#include <vetch/http_server.h>

#include "http/message/parser-private.h"

enum {
    VETCH__ROUTE_PARAMS = 16,   /* of one pattern; more are EINVAL */
    VETCH__ROUTE_SEGMENTS = 64, /* the same */
    VETCH__ROUTE_ANY_METHOD = 255
};

struct vetch__route {
    struct vetch__route *next; /* of the same pattern */
    vetch_http_handler_fn handler;
    void *ctx;
    vetch_free_fn free_ctx;
    size_t max_body_bytes; /* or VETCH_HTTP_SERVER_LIMIT */
    bool stream, cancel_at_half_close;
    uint8_t method; /* or VETCH__ROUTE_ANY_METHOD */
    uint8_t n_params;
    char *names; /* of the parameters, each with its NUL, in order */
};

struct vetch__route_node;

/* All zero: no routes. */
struct vetch__router {
    struct vetch__route_node *root;
};

/* What was found. */
struct vetch__match {
    const struct vetch__route *route; /* NULL: none */
    uint64_t allowed;                 /* then: bits of the methods that would
                                         do, OPTIONS among them; 0: nothing
                                         has this path */
    uint8_t n_params;
    struct vetch__slice params[VETCH__ROUTE_PARAMS]; /* of the path */
};

/* Add a copy of `route` (all but next, method, n_params and names); a
 * failure leaves ctx alone. -1 and errno: EINVAL, EEXIST, ENOMEM. */
int vetch__router_add(struct vetch__router *r, const char *method,
                      const char *pattern, const struct vetch__route *route);
/* What stands before each segment of a path: in one that needed no decoding,
 * and in one that was decoded, where a slash may be part of a segment. */
#define VETCH__PATH_PLAIN   '/'
#define VETCH__PATH_DECODED '\0'

/* `path` is normalised, and has `separator` before each of its segments; one
 * that does not begin with it fits nothing but `*name` at the root. */
void vetch__router_find(const struct vetch__router *r, uint8_t method,
                        const char *path, size_t len, char separator,
                        struct vetch__match *ret);
/* Bits of the methods of all routes, and OPTIONS. */
uint64_t vetch__router_methods(const struct vetch__router *r);
/* The index of a parameter of that name, -1 if there is none. */
int vetch__route_param(const struct vetch__route *route, const char *name);
void vetch__router_done(struct vetch__router *r);

/* Split a path, decode %XX in its segments and take `.` and `..` away. The
 * segments have VETCH__PATH_DECODED before them; *ret_slash tells whether one
 * of them holds a slash. `to` has room for `len` bytes and may be `raw`. The
 * new length; 0 for what is malformed, holds a NUL or leads above the root. */
size_t vetch__path_decode(const char *raw, size_t len, char *to,
                          bool *ret_slash);
/* Write slashes between the segments of a decoded path, for users. */
void vetch__path_show(char *path, size_t len);

#endif
