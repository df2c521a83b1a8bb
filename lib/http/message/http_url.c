/* What the client makes of an http or https URL (RFC 9110, section 4.2): the
 * endpoint to connect to, the Host field and the request target.
 *
 * Hosts are narrower than in RFC 3986: names that DNS may know, and IPv6
 * addresses, which get the one text form of RFC 5952. */

#include "http/message/url-private.h"

#include <arpa/inet.h>
#include <string.h>

#include "http/message/headers-private.h"

/* Writes "[ADDRESS]" or "[ADDRESS%ZONE]", the address in the one text form of
 * RFC 5952, behind "tcp:". */
static const char *
put_ipv6(struct vetch__http_url *url, const char *text, size_t whole)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr binary;
    char *out = url->endpoint + 4, *start = out;
    size_t len = vetch__url_find_zone(text, whole);
    const char *zone = text + len;

    if (len >= sizeof(address))
        return "malformed IPv6 address";
    memcpy(address, text, len);
    address[len] = '\0';
    if (inet_pton(AF_INET6, address, &binary) != 1 ||
        inet_ntop(AF_INET6, &binary, address, sizeof(address)) == NULL)
        return "malformed IPv6 address";
    len = strlen(address);
    *out++ = '[';
    memcpy(out, address, len);
    out += len;
    if (zone < text + whole) {
        *out++ = '%';
        len = (size_t)(text + whole - zone) - 3;
        memcpy(out, zone + 3, len);
        out += len;
    }
    *out++ = ']';
    url->host_len = (size_t)(out - start);
    return NULL;
}

static bool
is_host_char(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
}

/* Writes the name in small letters behind "tcp:". */
static const char *
put_name(struct vetch__http_url *url, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = vetch__http_lower(text[i]);

        if (!is_host_char(c))
            return "host name with a forbidden character";
        url->endpoint[4 + i] = (char)c;
    }
    url->host_len = len;
    return NULL;
}

/* Writes ":PORT" and a NUL; the length without that. */
static size_t
put_port(char *to, unsigned port)
{
    char digits[5];
    size_t n = 0, len = 0;

    do {
        digits[n++] = (char)('0' + port % 10);
        port /= 10;
    } while (port > 0);
    to[len++] = ':';
    while (n > 0)
        to[len++] = digits[--n];
    to[len] = '\0';
    return len;
}

/* Completes `endpoint` and finds the Host value in it. */
static void
finish_names(struct vetch__http_url *url)
{
    size_t at = 4 + url->host_len;

    memcpy(url->endpoint, url->tls ? "tls:" : "tcp:", 4);
    url->endpoint_len = at + put_port(url->endpoint + at, url->port);
    url->host = url->endpoint + 4;
    if (url->port != (url->tls ? 443 : 80))
        url->host_len = url->endpoint_len - 4;
}

char *
vetch__http_url_put_host(char *to, const char *host, size_t len)
{
    const char *zone = memchr(host, '%', len), *rest = host + len;

    if (zone == NULL)
        zone = rest;
    else
        rest = memchr(zone, ']', (size_t)(rest - zone));
    to = mempcpy(to, host, (size_t)(zone - host));
    return mempcpy(to, rest, (size_t)(host + len - rest));
}

static void
find_target(struct vetch__http_url *url, const struct vetch__url_parts *p)
{
    struct vetch__url_part last = p->query.at != NULL ? p->query : p->path;
    const char *end = last.at + last.len;

    url->target = p->path.at;
    url->target_len = (size_t)(end - p->path.at);
    url->n_raw = vetch__url_count_raw(url->target, url->target_len);
    url->needs_slash = p->path.len == 0;
    url->shown = p->host.at;
    url->shown_len = (size_t)(end - p->host.at);
}

const char *
vetch__http_url_parse(struct vetch__http_url *ret, const char *text)
{
    struct vetch__url_parts p;
    const char *why = vetch__url_split(&p, text);

    if (why != NULL)
        return why;
    ret->tls = vetch__url_scheme_is(&p, "https");
    if (p.scheme.at != NULL && !ret->tls && !vetch__url_scheme_is(&p, "http"))
        return "unsupported scheme, neither http nor https";
    if (p.scheme.at == NULL || p.host.at == NULL)
        return "not an absolute http URL";
    why = vetch__url_judge(&p, &ret->port);
    if (why == NULL)
        why = p.host.at[0] == '[' ? put_ipv6(ret, p.host.at + 1, p.host.len - 2)
                                  : put_name(ret, p.host.at, p.host.len);
    if (why != NULL)
        return why;
    ret->userinfo = p.userinfo.at;
    ret->userinfo_len = p.userinfo.len;
    find_target(ret, &p);
    finish_names(ret);
    return NULL;
}
