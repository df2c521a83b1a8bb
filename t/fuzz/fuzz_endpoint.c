/* Fuzz target of endpoint strings. What is refused has a reason of one line;
 * what is accepted has all its parts, and its address can be named, and parsed
 * again. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/endpoint-private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(int true_of_it, const char *what)
{
    if (!true_of_it) {
        fprintf(stderr, "not so: %s\n", what);
        abort();
    }
}

static void
check_reason(const char *why)
{
    require(*why != '\0', "there is a reason");
    for (; *why != '\0'; why++)
        require((unsigned char)*why >= 32 && *why != 127,
                "a reason is one line");
}

static void
check_unix(const struct vetch__endpoint *e)
{
    static struct vetch__endpoint again;
    char text[VETCH__ENDPOINT_NAME];
    union vetch__address address;
    socklen_t len;

    require(strlen(e->path) <= VETCH__UNIX_MAX, "paths fit");
    len = vetch__address_unix(&address, e->path);
    vetch__address_endpoint(text, "unix:", &address.any, len);
    require(vetch__endpoint_parse(&again, text, VETCH__TO_CONNECT) == NULL,
            "an address is an endpoint");
    require(strcmp(again.path, e->path) == 0, "it is the same");
}

static void
check_inet(const struct vetch__endpoint *e)
{
    union vetch__address address;
    socklen_t len;

    require(e->port <= 65535, "ports are ports");
    require(strcmp(e->host, "*") == 0 || vetch__host_is_name(e->host) ||
                vetch__address_parse(&address, &len, e->host, e->port),
            "hosts are names or addresses");
}

static void
check(const char *text, enum vetch__endpoint_use use)
{
    static struct vetch__endpoint e;
    char target[VETCH__HOST_MAX + 16];
    const char *why = vetch__endpoint_parse(&e, text, use);

    if (why != NULL) {
        check_reason(why);
        return;
    }
    switch (e.kind) {
    case VETCH__ENDPOINT_UNIX:
    case VETCH__ENDPOINT_UNIXGRAM:
        check_unix(&e);
        break;
    case VETCH__ENDPOINT_TCP:
    case VETCH__ENDPOINT_UDP:
        check_inet(&e);
        break;
    case VETCH__ENDPOINT_SYSTEMD:
        require(e.name != NULL && *e.name != '\0', "it has a name");
        return;
    case VETCH__ENDPOINT_FD:
        require(e.fd >= 0, "it has a descriptor");
        return;
    }
    vetch__endpoint_target(&e, target);
    require(e.tls || (e.cert == NULL && e.alpn[0] == NULL),
            "options of TLS need it");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    if (text == NULL)
        abort();
    memcpy(text, data, size);
    text[size] = '\0';
    check(text, VETCH__TO_CONNECT);
    check(text, VETCH__TO_LISTEN);
    free(text);
    return 0;
}
