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

    for (size_t i = 0; i < url->target_len; i++)
        require(url->target[i] > 32 && url->target[i] < 127,
                "targets are printable");
    require(vetch__http_is_host(url->host, url->host_len), "hosts are hosts");
    require(strlen(url->endpoint) == url->endpoint_len &&
                url->endpoint_len < sizeof(url->endpoint),
            "endpoints are strings");
    snprintf(again, room, "http://%s%s%.*s", url->endpoint + 4,
             url->needs_slash ? "/" : "", (int)url->target_len, url->target);
    require(strlen(again) > VETCH__URL_MAX ||
                vetch__url_parse(&second, again) == NULL,
            "what was accepted is accepted again");
    if (strlen(again) <= VETCH__URL_MAX)
        require(strcmp(url->endpoint, second.endpoint) == 0,
                "it means the same origin");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *again = malloc(size + 512);
    struct vetch__url url;

    if (text != NULL && again != NULL) {
        memcpy(text, data, size);
        text[size] = '\0';
        if (vetch__url_parse(&url, text) == NULL) {
            check(&url, again, size + 512);
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
