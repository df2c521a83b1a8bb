/* A server under test, and plain sockets that talk to it from the same thread:
 * while a client waits for something, the reactor runs. */

#ifndef T_HTTP_SERVER_KIT_H
#define T_HTTP_SERVER_KIT_H

#include "support/harness.h"

/* What one client has. */
struct hsk_client {
    int fd; /* -1: closed */
    char *in;
    size_t n_in; /* received, not yet taken */
    bool ended;  /* the server has closed */
    int error;   /* ECONNRESET, if it was not in good order */

    /* The last response, see hsk_hear(). */
    unsigned status;
    char head[20000]; /* with its empty line */
    char *body;
    size_t n_body;
};

/* The server; started anew by each test. */
extern vetch_http_server *hsk_server;

/* Listen on a Unix socket (bytes and ends arrive at once, so that a test can
 * say what does not happen), or on TCP. NULL: the default options. */
void hsk_start(const vetch_http_server_options *options);
void hsk_start_tcp(const vetch_http_server_options *options);
/* Stop it and wait for its end. */
void hsk_end(void);
/* Routes; they must be added. */
void hsk_route(const char *method, const char *path,
               vetch_http_handler_fn handler, void *ctx);
void hsk_stream_route(const char *method, const char *path,
                      vetch_http_handler_fn handler, void *ctx);

/* End a response that was begun: 0, or -1 and errno, as the stream says. */
int hsk_reply_end(vetch_http_request *r);

void hsk_connect(struct hsk_client *t);
void hsk_say(struct hsk_client *t, const char *text);
void hsk_say_bytes(struct hsk_client *t, const char *data, size_t len);
/* `GET path HTTP/1.1` with a Host field. */
void hsk_get(struct hsk_client *t, const char *path);
/* Wait for the next response, informational ones too; its status, 0 if the
 * connection ended instead. */
unsigned hsk_hear(struct hsk_client *t);
/* The same, for the response to a HEAD request. */
unsigned hsk_hear_head(struct hsk_client *t);
/* The value of a field of the last response, or NULL. Valid until the next. */
const char *hsk_field(const struct hsk_client *t, const char *name);
/* Whether the last response has that body. */
bool hsk_body_is(const struct hsk_client *t, const char *text);
/* Run what is ready: true if no byte and no end has come. */
bool hsk_is_silent(struct hsk_client *t);
/* Wait until the server has closed; true if that was in good order. */
bool hsk_hear_end(struct hsk_client *t);
/* Close; or so that the server sees a reset (TCP). */
void hsk_hang_up(struct hsk_client *t);
void hsk_reset(struct hsk_client *t);

/* Say it, hear the status, hear the end: a whole connection. */
unsigned hsk_exchange(const char *text);

#endif
