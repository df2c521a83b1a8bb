/* The proxy: a task for each connection. */
#ifndef DEMOS_CHAOS_PROXY_H
#define DEMOS_CHAOS_PROXY_H

#include <vetch.h>

#include "faults.h"
#include "flow.h"
#include "message.h"

struct proxy {
    struct faults faults;
    const char *backend;
    uint64_t n_connections;
    size_t n_open;
    uint64_t bytes_up, bytes_down; /* from the clients, to the clients */
};

struct connection {
    struct proxy *proxy;
    vetch_stream *client;  /* borrowed */
    vetch_stream *backend; /* NULL: not yet */
    vetch_promise *upward; /* what passes the other way meanwhile, or NULL */
    struct flow up, down;
    struct message request; /* with HTTP */
};

/* For vetch_stream_serve(), as a task; ctx is a proxy. */
vetch_promise *serve_client(vetch_stream *client, void *ctx);

/* For the protocols' own files. Wait as planned and, if that is the plan, treat
 * the client badly: false, the connection is to end. */
bool meet_misfortune(struct connection *c);
void connect_backend(struct connection *c);
void drop_backend(struct connection *c);
/* Requests, one by one. */
void serve_http(struct connection *c);
/* Bytes both ways, to the end. */
void pass_all(struct connection *c);

#endif
