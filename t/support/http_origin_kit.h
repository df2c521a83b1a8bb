/* A server for tests of the client: it reads requests and answers what the
 * test says, byte for byte, right or wrong. On loopback, in the same loop. */
#ifndef T_HTTP_ORIGIN_KIT_H
#define T_HTTP_ORIGIN_KIT_H

#include <stddef.h>

#include "support/harness.h"

enum hok_then {
    HOK_KEEP,  /* wait for the next request */
    HOK_CLOSE, /* flush and close */
    HOK_ABORT  /* reset */
};

struct peer_response {
    const char *text; /* NULL: no byte */
    enum hok_then then;
    size_t len; /* 0: that of a string */
};

enum { HOK_CONNECTIONS = 1024 };

struct hok_origin {
    vetch_listener *listener;
    char base[64];    /* "http://127.0.0.1:PORT" */
    const char *host; /* of it, with the port */
    /* The responses, one for each request, whichever connection it comes on;
     * after the last one the peer is silent. */
    const struct peer_response *responses;
    size_t n_responses;
    /* Instead, if set: what to answer to this request. */
    struct peer_response (*pick)(struct hok_origin *peer, const char *request);
    bool deaf; /* new connections are not read, as after hok_pause() */
    size_t n_requests;
    char requests[65536]; /* all heads and bodies, as far as they fit */
    size_t requests_len;
    size_t accepted, open, most_open;
    struct hok_conn *conn[HOK_CONNECTIONS]; /* NULL when lost */
};

void hok_start(struct hok_origin *peer, const struct peer_response *responses,
               size_t n_responses);
#define HOK_START(peer, responses)                                             \
    hok_start(peer, responses, sizeof(responses) / sizeof((responses)[0]))
/* Ends all connections. */
void hok_stop(struct hok_origin *peer);

/* Say something on the n-th connection, without being asked, or end it. */
void hok_send(struct hok_origin *peer, size_t n, const char *text);
void hok_close(struct hok_origin *peer, size_t n);
void hok_abort(struct hok_origin *peer, size_t n);
/* Read no more from it, and again. */
void hok_pause(struct hok_origin *peer, size_t n);
void hok_resume(struct hok_origin *peer, size_t n);
/* How many bytes wait to be taken by the client on the n-th connection. */
size_t hok_unsent(const struct hok_origin *peer, size_t n);

/* base + path; valid until the call after the next 7. */
const char *hok_url(const struct hok_origin *peer, const char *path);

/* Run the loop until the condition holds; a test that waits in vain runs into
 * its time limit. */
#define hok_until(condition)                                                   \
    do {                                                                       \
        vt_run_ready();                                                        \
        while (!(condition))                                                   \
            hok_turn();                                                        \
    } while (0)
void hok_turn(void);
/* One turn that does not wait. */
void hok_poll(void);

#endif
