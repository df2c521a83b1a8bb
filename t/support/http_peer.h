/* A server for tests of the client: it reads requests and answers what the
 * test says, byte for byte, right or wrong. On loopback, in the same loop. */
#ifndef T_HTTP_PEER_H
#define T_HTTP_PEER_H

#include <stddef.h>

#include "support/harness.h"

enum peer_then {
    PEER_KEEP,  /* wait for the next request */
    PEER_CLOSE, /* flush and close */
    PEER_ABORT  /* reset */
};

struct peer_response {
    const char *text; /* NULL: no byte */
    enum peer_then then;
    size_t len; /* 0: that of a string */
};

enum { PEER_CONNECTIONS = 1024 };

struct peer {
    vetch_listener *listener;
    char base[64];    /* "http://127.0.0.1:PORT" */
    const char *host; /* of it, with the port */
    /* The responses, one for each request, whichever connection it comes on;
     * after the last one the peer is silent. */
    const struct peer_response *responses;
    size_t n_responses;
    /* Instead, if set: what to answer to this request. */
    struct peer_response (*pick)(struct peer *peer, const char *request);
    bool deaf; /* new connections are not read, as after peer_pause() */
    size_t n_requests;
    char requests[65536]; /* all heads and bodies, as far as they fit */
    size_t requests_len;
    size_t accepted, open, most_open;
    struct peer_conn *conn[PEER_CONNECTIONS]; /* NULL when lost */
};

void peer_start(struct peer *peer, const struct peer_response *responses,
                size_t n_responses);
#define PEER_START(peer, responses)                                            \
    peer_start(peer, responses, sizeof(responses) / sizeof((responses)[0]))
/* Ends all connections. */
void peer_stop(struct peer *peer);

/* Say something on the n-th connection, without being asked, or end it. */
void peer_send(struct peer *peer, size_t n, const char *text);
void peer_close(struct peer *peer, size_t n);
void peer_abort(struct peer *peer, size_t n);
/* Read no more from it, and again. */
void peer_pause(struct peer *peer, size_t n);
void peer_resume(struct peer *peer, size_t n);
/* How many bytes wait to be taken by the client on the n-th connection. */
size_t peer_unsent(const struct peer *peer, size_t n);

/* base + path; valid until the call after the next 7. */
const char *peer_url(const struct peer *peer, const char *path);

/* Run the loop until the condition holds; a test that waits in vain runs into
 * its time limit. */
#define peer_until(condition)                                                  \
    do {                                                                       \
        vt_run_ready();                                                        \
        while (!(condition))                                                   \
            peer_turn();                                                       \
    } while (0)
void peer_turn(void);
/* One turn that does not wait. */
void peer_poll(void);

#endif
