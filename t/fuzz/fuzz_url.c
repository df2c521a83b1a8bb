/* Fuzz target of the URL parser: what it accepts can be put on a request line
 * and into an endpoint as it stands, and means the same when parsed again. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/message/headers-private.h"
#include "http/message/url-private.h"

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
check(const struct vetch__url *url, char *again, size_t room)
{
    struct vetch__url second;

    char host[sizeof(url->endpoint)];
    char *end_of_host = vetch__url_put_host(host, url->host, url->host_len);
    char *end;

    /* Its port is the scheme's, or there. */
    require(vetch__http_is_host(host, (size_t)(end_of_host - host)),
            "hosts are hosts");
    end = vetch__url_put_target(again, url->target, url->target_len);
    require((size_t)(end - again) == url->target_len + 2 * url->n_raw,
            "raw bytes are counted");
    for (char *at = again; at < end; at++)
        require(*at > 32 && *at < 127 && strchr("\"<>[]{}|^`\\", *at) == NULL,
                "targets may stand in a request line");
    require(strlen(url->endpoint) == url->endpoint_len &&
                url->endpoint_len < sizeof(url->endpoint),
            "endpoints are strings");
    snprintf(again, room, "http://%.*s%s%.*s", (int)(end_of_host - host), host,
             url->needs_slash ? "/" : "", (int)url->target_len, url->target);
    require(strlen(again) > VETCH__URL_MAX ||
                vetch__url_parse(&second, again) == NULL,
            "what was accepted is accepted again");
    if (strlen(again) <= VETCH__URL_MAX)
        require(strchr(url->endpoint, '%') != NULL ||
                    strcmp(url->endpoint, second.endpoint) == 0,
                "it means the same origin");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *again = malloc(3 * size + 512);
    struct vetch__url url;

    if (text != NULL && again != NULL) {
        memcpy(text, data, size);
        text[size] = '\0';
        if (vetch__url_parse(&url, text) == NULL) {
            check(&url, again, 3 * size + 512);
            if (url.userinfo != NULL) {
                memcpy(again, url.userinfo, url.userinfo_len);
                require(vetch__url_decode(again, url.userinfo_len) <=
                            url.userinfo_len,
                        "decoding does not make it longer");
            }
        }
    }
    free(text);
    free(again);
    return 0;
}
