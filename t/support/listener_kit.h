/* Servers for the tests of listeners, and clients without vetch. */
#ifndef T_LISTENER_KIT_H
#define T_LISTENER_KIT_H

#include "support/transport_kit.h"

#define MANY 32

/* A server for a test: its listener and the connections it has seen. */
struct lk_server {
    vetch_listener *l;
    struct tk_probe probes[MANY];
    size_t n_made;
    size_t refuse; /* the first so many are refused */
    int freed;
    void (*on_make)(struct lk_server *s);
    void (*act)(struct tk_probe *p, char event);
    int n_errors, error;
};

/* Serve at this endpoint; lk_stop() ends it and frees what it holds. */
void lk_serve(struct lk_server *s, const char *endpoint);
void lk_stop(struct lk_server *s);
/* The same after vetch_listener_stop() gave `stopped`, which may have run out
 * of memory, but must have settled. Consumes `stopped`. */
void lk_end_short_of_memory(struct lk_server *s, vetch_promise *stopped);
/* For tests that make the listener themselves: `ctx` is the server. */
vetch_protocol *lk_make(void *ctx);
void lk_on_error(vetch_listener *l, const vetch_error *error, void *ctx);
/* How many of its connections have begun, have ended. */
size_t lk_count(const struct lk_server *s, char event);

/* A folder of the test's own, with room for a socket in it: where that is, and
 * the endpoint to listen on it. */
extern char lk_path[64], lk_endpoint[80];
void lk_make_folder(void);
void lk_remove_folder(void);

/* A client without vetch: a socket that connects to a port of 127.0.0.1. */
int lk_raw_socket(void);
void lk_raw_connect(int fd, unsigned port);
int lk_client(const struct lk_server *s);
/* Whether the other side has closed this one. */
bool lk_is_closed(int fd);

#endif
