/* URLs of the kind that the downloaders ask for. */
#ifndef FLAGS_URL_H
#define FLAGS_URL_H

#include <stdbool.h>
#include <stddef.h>

#include <vetch.h>

#define URL_SIZE 512

/* Where a URL leads. */
struct origin {
    char host[URL_SIZE]; /* an IPv6 address is without its brackets */
    char port[8];
};

/* Take a URL apart; `*ret_path` is a part of it. False if it is none: other
 * than http, with a user, a query or a fragment, or with what needs encoding.
 * The URL is shorter than URL_SIZE. */
bool split_url(const char *url, struct origin *ret_origin,
               const char **ret_path);

#endif
