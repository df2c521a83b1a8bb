/* Servers for the tests of listeners, and clients without vetch. */
#ifndef T_LISTENER_PROBE_H
#define T_LISTENER_PROBE_H

#include "support/net_probe.h"

#define MANY 32

/* A server for a test: its listener and the connections it has seen. */
struct server {
    vetch_listener *l;
    struct probe probes[MANY];
    size_t n_made;
    size_t refuse; /* the first so many are refused */
    int freed;
    void (*on_make)(struct server *s);
    void (*act)(struct probe *p, char event);
    int n_errors, error;
};

/* Serve at this endpoint; lp_stop() ends it and frees what it holds. */
void lp_serve(struct server *s, const char *endpoint);
void lp_stop(struct server *s);
/* For tests that make the listener themselves: `ctx` is the server. */
vetch_protocol *lp_make(void *ctx);
void lp_on_error(vetch_listener *l, const vetch_error *error, void *ctx);
/* How many of its connections have begun, have ended. */
size_t lp_count(const struct server *s, char event);

/* A folder of the test's own, with room for a socket in it: where that is, and
 * the endpoint to listen on it. */
extern char lp_path[64], lp_endpoint[80];
void lp_make_folder(void);
void lp_remove_folder(void);

/* A client without vetch: a socket that connects to a port of 127.0.0.1. */
int lp_raw_socket(void);
void lp_raw_connect(int fd, unsigned port);
int lp_client(const struct server *s);
/* Whether the other side has closed this one. */
bool lp_is_closed(int fd);

#endif
