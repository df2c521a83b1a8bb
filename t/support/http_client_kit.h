/* What the tests of the client share: a peer, a client, and requests that end
 * as expected. */
#ifndef T_HTTP_CLIENT_KIT_H
#define T_HTTP_CLIENT_KIT_H

#include "support/http_origin_kit.h"

#define OK(headers, body) "HTTP/1.1 200 OK\r\n" headers "\r\n" body

extern struct hok_origin peer;
extern vetch_http_client *client;

/* A peer with these responses and a client with these options (NULL: the
 * defaults); and their end. */
void hck_begin(const struct peer_response *responses, size_t n,
               const vetch_http_client_options *options);
#define BEGIN(responses)                                                       \
    hck_begin(responses, sizeof(responses) / sizeof((responses)[0]), NULL)
#define BEGIN_WITH(responses, options)                                         \
    hck_begin(responses, sizeof(responses) / sizeof((responses)[0]), options)
void hck_end(void);

/* Runs until the promise fulfils. */
vetch_http_response *hck_run(vetch_promise *p);
vetch_http_response *hck_get(const char *path);
/* A GET whose response does not matter. */
void hck_get_ok(const char *path);
/* A GET that was begun. */
vetch_promise *hck_start(const char *path);
/* Runs until the promise is rejected. */
vetch_error *hck_fail(vetch_promise *p);
/* Runs until it is rejected with this code; if `text` is not NULL, its message
 * is "GET BASE/PATH: TEXT". */
void hck_fails(vetch_promise *p, const char *path, int code, const char *text);
void hck_body(const vetch_http_response *r, const char *want);
vetch_http_client_stats hck_stats(void);

/* The port of a listener that completes no connection. */
unsigned hck_full_listener(void);
void hck_close_full_listener(void);

#endif
