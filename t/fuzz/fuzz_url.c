/* Fuzz target of URLs. What is accepted means the same when parsed or joined
 * again; and what the client makes of it can be put on a request line and into
 * an endpoint as it stands. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vetch.h>

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

/* ---- objects ---- */

/* Its text is as it shall be. Consumes `u`. */
static void
check_object(vetch_url *u)
{
    const char *text = vetch_url_text(u);
    vetch_url *again = vetch_url_parse(text, NULL);

    require(again != NULL, "what was accepted is accepted again");
    require(strcmp(vetch_url_text(again), text) == 0,
            "parsing again changes nothing");
    require(vetch_url_equal(u, again), "a URL equals itself");
    vetch_url_unref(again);
    vetch_url_unref(u);
}

/* What dots there were are gone: joining again changes nothing. */
static void
check_joined(const vetch_url *base, const char *reference)
{
    vetch_url *u = vetch_url_join(base, reference, NULL), *self;

    if (u == NULL)
        return;
    self = vetch_url_join(u, vetch_url_text(u), NULL);
    require(self != NULL, "a URL can be joined with itself");
    if (strcmp(reference, vetch_url_text(base)) == 0)
        require(strcmp(vetch_url_text(self), vetch_url_text(u)) == 0,
                "joining with itself again changes nothing");
    check_object(self);
    check_object(u);
}

static void
check_parts(const vetch_url *u)
{
    const char *host = vetch_url_host(u), *path = vetch_url_path(u);

    require(vetch_url_scheme(u) != NULL && path != NULL,
            "scheme and path are there");
    require(host == NULL || *path == '/' || *path == '\0',
            "a path behind a host is absolute");
    require(host != NULL || strncmp(path, "//", 2) != 0, "a path is no host");
    for (const char *at = vetch_url_text(u); *at != '\0'; at++)
        require(*at > 32 && *at < 127 && strchr("\"<>{}|^`\\", *at) == NULL,
                "nothing in it needs to be encoded");
}

/* ---- the client's view ---- */

static void
check_request(const struct vetch__http_url *url, char *again, size_t room)
{
    struct vetch__http_url second;
    char host[sizeof(url->endpoint)];
    char *end_of_host =
        vetch__http_url_put_host(host, url->host, url->host_len);
    char *end;

    /* Its port is the scheme's, or there. */
    require(vetch__http_is_host(host, (size_t)(end_of_host - host)),
            "hosts are hosts");
    end = vetch__url_put_encoded(again, url->target, url->target_len);
    require((size_t)(end - again) == url->target_len + 2 * url->n_raw,
            "raw bytes are counted");
    for (char *at = again; at < end; at++)
        require(*at > 32 && *at < 127 && strchr("\"<>[]{}|^`\\", *at) == NULL,
                "targets may stand in a request line");
    require(strlen(url->endpoint) == url->endpoint_len &&
                url->endpoint_len < sizeof(url->endpoint),
            "endpoints are strings");
    snprintf(again, room, "%s://%.*s%s%.*s", url->tls ? "https" : "http",
             (int)(end_of_host - host), host, url->needs_slash ? "/" : "",
             (int)url->target_len, url->target);
    if (strlen(again) > VETCH__URL_MAX)
        return;
    require(vetch__http_url_parse(&second, again) == NULL,
            "what the client accepted it accepts again");
    require(strchr(url->endpoint, '%') != NULL ||
                strcmp(url->endpoint, second.endpoint) == 0,
            "it means the same origin");
}

static void
check_client(const char *text, const vetch_url *u, char *room, size_t size)
{
    struct vetch__http_url url;

    if (vetch__http_url_parse(&url, text) != NULL)
        return;
    require(u != NULL || strlen(text) + 2 * url.n_raw > VETCH__URL_MAX / 3,
            "what the client accepts is a URL");
    require(u == NULL || vetch_url_port(u) == url.port, "the ports agree");
    check_request(&url, room, size);
    if (url.userinfo == NULL)
        return;
    memcpy(room, url.userinfo, url.userinfo_len);
    require(vetch__url_decode(room, url.userinfo_len) <= url.userinfo_len,
            "decoding does not make it longer");
}

/* ---- both ---- */

/* A URL, or a URL and, behind a line feed, a reference to join with it. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *room = malloc(3 * size + 512), *reference;
    vetch_url *u;

    if (text == NULL || room == NULL)
        abort();
    memcpy(text, data, size);
    text[size] = '\0';
    reference = strchr(text, '\n');
    if (reference != NULL)
        *reference++ = '\0';
    u = vetch_url_parse(text, NULL);
    check_client(text, u, room, 3 * size + 512);
    if (u != NULL) {
        check_parts(u);
        check_joined(u, vetch_url_text(u));
        if (reference != NULL)
            check_joined(u, reference);
        check_object(u);
    }
    free(text);
    free(room);
    return 0;
}
