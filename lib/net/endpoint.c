/* Endpoint strings: a kind, where it is, and options.
 *
 *   tcp:[::]:443,reuseport,backlog=512
 *
 * A comma begins an option; one that belongs to a path or a value is doubled.
 * The string is copied part by part, so that every part ends with a NUL, and
 * what points to a part stays valid as long as the endpoint. */
#include "net/endpoint-private.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <vetch/endpoint.h>
#include <vetch/error.h>

#include "base/check-private.h"
#include "base/error-private.h"

enum {
    TCP = 1 << VETCH__ENDPOINT_TCP,
    UNIX = 1 << VETCH__ENDPOINT_UNIX,
    FD = 1 << VETCH__ENDPOINT_FD,
    SYSTEMD = 1 << VETCH__ENDPOINT_SYSTEMD,
    UDP = 1 << VETCH__ENDPOINT_UDP,
    UNIXGRAM = 1 << VETCH__ENDPOINT_UNIXGRAM,

    STREAMS = TCP | UNIX | FD | SYSTEMD
};

enum {
    CONNECT = VETCH__TO_CONNECT,
    LISTEN = VETCH__TO_LISTEN,
    BOTH = CONNECT | LISTEN
};

/* Compose what is wrong; the text may come from anywhere, and a message is one
 * line. */
__attribute__((format(printf, 2, 3))) static const char *
wrong(struct vetch__endpoint *e, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(e->why, sizeof(e->why), fmt, args);
    va_end(args);
    for (char *at = e->why; *at != '\0'; at++) {
        if ((unsigned char)*at < 32 || *at == 127)
            *at = '?';
    }
    return e->why;
}

/* ---- parts ---- */

/* Copy the part at `*text` to `to`, and return what is behind its copy; `*text`
 * then is behind the comma that ended it, or NULL. */
static char *
copy_endpoint_part(char *to, const char **text)
{
    const char *from = *text;

    for (; *from != '\0'; from++) {
        if (*from == ',' && from[1] != ',')
            break;
        if (*from == ',')
            from++;
        *to++ = *from;
    }
    *to = '\0';
    *text = *from == ',' ? from + 1 : NULL;
    return to + 1;
}

/* ---- where it is ---- */

/* Cut the host at `text` off its port; NULL: there is none. */
static char *
cut_host(char *text, bool bracket)
{
    char *end = bracket ? strchr(text, ']') : strchr(text, ':');

    if (end == NULL)
        return NULL;
    if (bracket) {
        *end++ = '\0';
        if (*end != ':')
            return NULL;
    }
    *end = '\0';
    return end + 1;
}

static const char *
check_host(struct vetch__endpoint *e, bool bracket,
           enum vetch__endpoint_use use)
{
    union vetch__address address;
    socklen_t len;

    if (vetch__address_parse(&address, &len, e->host, 0)) {
        if ((address.any.sa_family == AF_INET6) == bracket)
            return NULL;
        return wrong(e,
                     bracket ? "[%s] is no IPv6 address"
                             : "the IPv6 address %s needs brackets",
                     e->host);
    }
    if (bracket)
        return wrong(e, "[%s] is no IPv6 address", e->host);
    if (strcmp(e->host, "*") == 0)
        return use == VETCH__TO_LISTEN ? NULL
                                       : wrong(e, "host * is for listening");
    if (!vetch__host_is_name(e->host))
        return wrong(e, "\"%s\" is neither a name nor an address", e->host);
    if (use == VETCH__TO_LISTEN && !vetch__host_is_local(e->host))
        return wrong(e, "\"%s\" is a name: to listen takes an address",
                     e->host);
    return NULL;
}

static const char *
parse_inet(struct vetch__endpoint *e, char *text, enum vetch__endpoint_use use)
{
    bool bracket = *text == '[';
    char *host = bracket ? text + 1 : text;
    char *port = cut_host(host, bracket);
    const char *end, *why;

    if (port == NULL)
        return wrong(e, "no port behind \"%s\"", text);
    if (!bracket && strchr(port, ':') != NULL)
        return wrong(e,
                     "\"%s:%s\" is no host and port (an IPv6 address needs "
                     "brackets, an option a comma)",
                     host, port);
    e->host = host;
    why = check_host(e, bracket, use);
    if (why != NULL)
        return why;
    end = vetch__parse_number(port, 65535, &e->port);
    if (end == NULL || *end != '\0')
        return wrong(e, "\"%s\" is no port", port);
    return e->port == 0 && use == VETCH__TO_CONNECT
               ? wrong(e, "port 0 is for listening")
               : NULL;
}

static const char *
parse_tls(struct vetch__endpoint *e, char *text, enum vetch__endpoint_use use)
{
    e->tls = true;
    return parse_inet(e, text, use);
}

static const char *
parse_path(struct vetch__endpoint *e, char *text, enum vetch__endpoint_use use)
{
    (void)use;
    if (*text == '\0')
        return wrong(e, "no path");
    if (strlen(text) > VETCH__UNIX_MAX)
        return wrong(e, "the path is longer than %zu bytes", VETCH__UNIX_MAX);
    if (strcmp(text, "@") == 0)
        return wrong(e, "no name behind @");
    e->path = text;
    return NULL;
}

static const char *
parse_fd(struct vetch__endpoint *e, char *text, enum vetch__endpoint_use use)
{
    unsigned fd;
    const char *end = vetch__parse_number(text, 1u << 24, &fd);

    if (end == NULL || *end != '\0')
        return wrong(e, "\"%s\" is no descriptor", text);
    e->fd = (int)fd;
    return use == VETCH__TO_LISTEN ? NULL : wrong(e, "fd is for listening");
}

static const char *
parse_systemd(struct vetch__endpoint *e, char *text,
              enum vetch__endpoint_use use)
{
    if (*text == '\0' || strlen(text) > 255 || strchr(text, ':') != NULL)
        return wrong(e, "\"%s\" is no name of a descriptor", text);
    e->name = text;
    return use == VETCH__TO_LISTEN ? NULL
                                   : wrong(e, "systemd is for listening");
}

static const struct kind {
    const char *name;
    enum vetch__endpoint_kind kind;
    const char *(*parse)(struct vetch__endpoint *e, char *text,
                         enum vetch__endpoint_use use);
} kinds[] = {
    { "tcp", VETCH__ENDPOINT_TCP, parse_inet },
    { "tls", VETCH__ENDPOINT_TCP, parse_tls },
    { "unix", VETCH__ENDPOINT_UNIX, parse_path },
    { "fd", VETCH__ENDPOINT_FD, parse_fd },
    { "systemd", VETCH__ENDPOINT_SYSTEMD, parse_systemd },
    { "udp", VETCH__ENDPOINT_UDP, parse_inet },
    { "unixgram", VETCH__ENDPOINT_UNIXGRAM, parse_path },
};

static const char *
parse_where(struct vetch__endpoint *e, char *text, enum vetch__endpoint_use use)
{
    char *colon = strchr(text, ':');

    if (colon == NULL)
        return wrong(e, "\"%s\" has no kind, such as tcp: or unix:", text);
    *colon = '\0';
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(text, kinds[i].name) == 0) {
            e->kind = kinds[i].kind;
            return kinds[i].parse(e, colon + 1, use);
        }
    }
    return wrong(e, "unknown kind \"%s\"", text);
}

/* ---- options ---- */

struct option {
    const char *name;
    unsigned kinds;
    unsigned uses;
    bool tls; /* it belongs to TLS */
    enum { FLAG, NUMBER, OCTAL, TEXT, PROTOCOL, NETWORK } takes;
    size_t at; /* in struct vetch__endpoint */
    unsigned max;
};

#define AT(member) offsetof(struct vetch__endpoint, member)

static const struct option options[] = {
    { "alpn", STREAMS, BOTH, true, PROTOCOL, AT(alpn), 0 },
    { "backlog", TCP | UNIX, LISTEN, false, NUMBER, AT(backlog), 65535 },
    { "ca", STREAMS, BOTH, true, TEXT, AT(ca), 0 },
    { "cert", STREAMS, BOTH, true, TEXT, AT(cert), 0 },
    { "keepalive", TCP | FD | SYSTEMD, BOTH, false, NUMBER,
      AT(socket.keepalive), VETCH__SOCKET_SECONDS_MAX },
    { "key", STREAMS, BOTH, true, TEXT, AT(key), 0 },
    { "max_per_address", STREAMS, LISTEN, false, NUMBER, AT(max_per_address),
      1000000 },
    { "mode", UNIX | UNIXGRAM, LISTEN, false, OCTAL, AT(mode), 0777 },
    { "name", STREAMS, CONNECT, true, TEXT, AT(tls_name), 0 },
    { "nodelay", TCP | FD | SYSTEMD, BOTH, false, FLAG, AT(socket.nodelay), 0 },
    { "proxy", STREAMS, LISTEN, false, NETWORK, AT(proxies), 0 },
    { "reuseport", TCP | UDP, LISTEN, false, FLAG, AT(reuseport), 0 },
    { "tls", STREAMS, BOTH, false, FLAG, AT(tls), 0 },
    { "user_timeout", TCP | FD | SYSTEMD, BOTH, false, NUMBER,
      AT(socket.user_timeout), VETCH__SOCKET_SECONDS_MAX },
};

static const char *
option_flag(struct vetch__endpoint *e, const struct option *o,
            const char *value)
{
    bool *flag = (bool *)((char *)e + o->at);

    if (value != NULL && strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
        return wrong(e, "option %s is yes or no, not \"%s\"", o->name, value);
    *flag = value == NULL || *value == 'y';
    return NULL;
}

static const char *
option_number(struct vetch__endpoint *e, const struct option *o,
              const char *value)
{
    unsigned *number = (unsigned *)(void *)((char *)e + o->at);
    const char *end = vetch__parse_number(value, o->max, number);

    if (end == NULL || *end != '\0' || *number == 0)
        return wrong(e, "option %s is a number from 1 to %u, not \"%s\"",
                     o->name, o->max, value);
    return NULL;
}

static const char *
option_octal(struct vetch__endpoint *e, const struct option *o,
             const char *value)
{
    unsigned *number = (unsigned *)(void *)((char *)e + o->at);
    unsigned bits = 0;
    size_t n = strspn(value, "01234567");

    for (size_t i = 0; i < n && bits <= o->max; i++)
        bits = 8 * bits + (unsigned)(value[i] - '0');
    if (n == 0 || value[n] != '\0' || bits == 0 || bits > o->max)
        return wrong(e, "option %s is an octal number up to %o, not \"%s\"",
                     o->name, o->max, value);
    *number = bits;
    return NULL;
}

static const char *
option_text(struct vetch__endpoint *e, const struct option *o,
            const char *value)
{
    *(const char **)(void *)((char *)e + o->at) = value;
    return NULL;
}

static const char *
add_protocol(struct vetch__endpoint *e, const char *value)
{
    size_t n = 0;

    while (e->alpn[n] != NULL)
        n++;
    if (strlen(value) > 255)
        return wrong(e, "option alpn: the name is longer than 255 bytes");
    if (n == VETCH__ENDPOINT_ALPN_MAX)
        return wrong(e, "more than %d options alpn", VETCH__ENDPOINT_ALPN_MAX);
    e->alpn[n] = value;
    return NULL;
}

static const char *
add_proxy(struct vetch__endpoint *e, const char *value)
{
    e->proxy = true;
    if (value == NULL)
        return NULL;
    if (e->n_proxies == VETCH__ENDPOINT_PROXIES_MAX)
        return wrong(e, "more than %d networks of proxies",
                     VETCH__ENDPOINT_PROXIES_MAX);
    if (!vetch__network_parse(&e->proxies[e->n_proxies], value))
        return wrong(e,
                     "option proxy: \"%s\" is no network, such as "
                     "10.0.0.0/8",
                     value);
    e->n_proxies++;
    return NULL;
}

static const char *
set_option(struct vetch__endpoint *e, const struct option *o, const char *value)
{
    if (o->takes == FLAG)
        return option_flag(e, o, value);
    if (o->takes == NETWORK)
        return add_proxy(e, value);
    if (value == NULL || *value == '\0')
        return wrong(e, "option %s has no value", o->name);
    switch (o->takes) {
    case NUMBER:
        return option_number(e, o, value);
    case OCTAL:
        return option_octal(e, o, value);
    case PROTOCOL:
        return add_protocol(e, value);
    default:
        return option_text(e, o, value);
    }
}

static const struct option *
find_option(const char *name)
{
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (strcmp(name, options[i].name) == 0)
            return &options[i];
    }
    return NULL;
}

/* `ret_tls`: the name of an option that belongs to TLS. */
static const char *
parse_option(struct vetch__endpoint *e, char *text,
             enum vetch__endpoint_use use, const char **ret_tls)
{
    char *value = strchr(text, '=');
    const struct option *o;

    if (value != NULL)
        *value++ = '\0';
    o = find_option(text);
    if (o == NULL)
        return *text == '\0' ? wrong(e, "an option is empty")
                             : wrong(e, "unknown option \"%s\"", text);
    if ((o->kinds & (1u << e->kind)) == 0)
        return wrong(e, "option %s is not for this kind", o->name);
    if ((o->uses & (unsigned)use) == 0)
        return wrong(e, "option %s is for %s", o->name,
                     o->uses == LISTEN ? "listening" : "connecting");
    if (o->tls)
        *ret_tls = o->name;
    return set_option(e, o, value);
}

/* ---- the whole ---- */

const char *
vetch__endpoint_parse(struct vetch__endpoint *ret, const char *text,
                      enum vetch__endpoint_use use)
{
    const char *why, *tls = NULL;
    char *part = ret->text;

    memset(ret, 0, offsetof(struct vetch__endpoint, why));
    ret->fd = -1;
    ret->socket.nodelay = true;
    if (strlen(text) >= sizeof(ret->text))
        return wrong(ret, "it is longer than %zu bytes", sizeof(ret->text) - 1);
    for (bool first = true; text != NULL; first = false) {
        char *next = copy_endpoint_part(part, &text);

        why = first ? parse_where(ret, part, use)
                    : parse_option(ret, part, use, &tls);
        if (why != NULL)
            return why;
        part = next;
    }
    if (tls != NULL && !ret->tls)
        return wrong(ret, "option %s is of no use without tls", tls);
    return NULL;
}

void
vetch__endpoint_target(const struct vetch__endpoint *e,
                       char to[VETCH__HOST_MAX + 16])
{
    size_t room = VETCH__HOST_MAX + 16;

    if (e->path != NULL)
        snprintf(to, room, "%s", e->path);
    else if (strchr(e->host, ':') != NULL)
        snprintf(to, room, "[%s]:%u", e->host, e->port);
    else
        snprintf(to, room, "%s:%u", e->host, e->port);
}

vetch_error *
vetch_endpoint_check(const char *endpoint, vetch_endpoint_use use)
{
    struct vetch__endpoint e;
    const char *why;

    VETCH_CHECK(endpoint != NULL && (use == VETCH_ENDPOINT_CONNECT ||
                                     use == VETCH_ENDPOINT_LISTEN),
                EINVAL, vetch_error_ref(&vetch__error_misuse));
    why = vetch__endpoint_parse(&e, endpoint, (enum vetch__endpoint_use)use);
    return why != NULL ? vetch_error_new(VETCH_EENDPOINT, "%s", why) : NULL;
}
