/* A server under test, and plain sockets that talk to it from the same thread:
 * while a client waits for something, the reactor runs. */

#ifndef T_HTTP_TALK_H
#define T_HTTP_TALK_H

#include "support/harness.h"

/* What one client has. */
struct talk {
    int fd; /* -1: closed */
    char *in;
    size_t n_in; /* received, not yet taken */
    bool ended;  /* the server has closed */
    int error;   /* ECONNRESET, if it was not in good order */

    /* The last response, see ht_hear(). */
    unsigned status;
    char head[20000]; /* with its empty line */
    char *body;
    size_t n_body;
};

/* The server; started anew by each test. */
extern vetch_http_server *ht_server;

/* Listen on a Unix socket (bytes and ends arrive at once, so that a test can
 * say what does not happen), or on TCP. NULL: the default options. */
void ht_start(const vetch_http_server_options *options);
void ht_start_tcp(const vetch_http_server_options *options);
/* Stop it and wait for its end. */
void ht_end(void);
/* Routes; they must be added. */
void ht_route(const char *method, const char *path,
              vetch_http_handler_fn handler, void *ctx);
void ht_stream_route(const char *method, const char *path,
                     vetch_http_handler_fn handler, void *ctx);

void ht_connect(struct talk *t);
void ht_say(struct talk *t, const char *text);
void ht_say_bytes(struct talk *t, const char *data, size_t len);
/* `GET path HTTP/1.1` with a Host field. */
void ht_get(struct talk *t, const char *path);
/* Wait for the next response, informational ones too; its status, 0 if the
 * connection ended instead. */
unsigned ht_hear(struct talk *t);
/* The same, for the response to a HEAD request. */
unsigned ht_hear_head(struct talk *t);
/* The value of a field of the last response, or NULL. Valid until the next. */
const char *ht_field(const struct talk *t, const char *name);
/* Whether the last response has that body. */
bool ht_body_is(const struct talk *t, const char *text);
/* Run what is ready: true if no byte and no end has come. */
bool ht_is_silent(struct talk *t);
/* Wait until the server has closed; true if that was in good order. */
bool ht_hear_end(struct talk *t);
/* Close; or so that the server sees a reset (TCP). */
void ht_hang_up(struct talk *t);
void ht_reset(struct talk *t);

/* Say it, hear the status, hear the end: a whole connection. */
unsigned ht_exchange(const char *text);

#endif
