/* Strict, since what passes here is sent as it is: nothing that could end a
 * line gets through, and no port but the one that is meant. */

#include "url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DIGITS  "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static bool
is_path(const char *path)
{
    if (*path != '/' && *path != '\0')
        return false;
    for (; *path != '\0'; path++)
        if (*path <= ' ' || *path > '~' || *path == '?' || *path == '#')
            return false;
    return true;
}

/* What stands there, or in brackets, up to the port or the path. */
static const char *
split_host(const char *text, struct origin *ret_origin)
{
    bool literal = *text == '[';
    const char *host = text + literal;
    size_t len =
        strspn(host, literal ? DIGITS "abcdefABCDEF:." : DIGITS LETTERS "-._");

    if (len == 0 || (literal && host[len] != ']'))
        return NULL;
    memcpy(ret_origin->host, host, len);
    ret_origin->host[len] = '\0';
    return host + len + literal;
}

static const char *
split_port(const char *text, struct origin *ret_origin)
{
    size_t len;

    if (*text != ':') {
        strcpy(ret_origin->port, "80");
        return text;
    }
    len = strspn(++text, DIGITS);
    if (len == 0 || len > 5)
        return NULL;
    snprintf(ret_origin->port, sizeof(ret_origin->port), "%.*s", (int)len,
             text);
    return atoi(ret_origin->port) <= 65535 ? text + len : NULL;
}

bool
split_url(const char *url, struct origin *ret_origin, const char **ret_path)
{
    static const char scheme[] = "http://";
    const char *rest;

    if (strncasecmp(url, scheme, strlen(scheme)) != 0)
        return false;
    rest = split_host(url + strlen(scheme), ret_origin);
    if (rest != NULL)
        rest = split_port(rest, ret_origin);
    if (rest == NULL || !is_path(rest))
        return false;
    *ret_path = rest;
    return true;
}
