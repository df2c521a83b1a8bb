/* A connection whose calls block, but no longer than until the deadline, or
 * until a signal comes (stop.h). They return why they failed; VETCH_ECANCELED
 * once there was a signal. */
#ifndef FLAGS_CONNECTION_H
#define FLAGS_CONNECTION_H

#include "url.h"

#define INPUT_SIZE 16384

/* Belongs to one thread at a time. */
struct connection {
    struct origin origin;
    double timeout;  /* for one request, in seconds */
    double deadline; /* of the request in hand */
    int fd;          /* -1: not connected */
    char in[INPUT_SIZE];
    size_t begin, end; /* of what was received and not used yet */
    bool heard; /* the server has said something since the request left */
};

void open_connection(struct connection *c, double timeout);
/* Also after a failure, if there is to be another try. */
void hang_up(struct connection *c);

/* Connect to c->origin, by the first of its addresses that answers. */
vetch_error *dial(struct connection *c);
vetch_error *send_all(struct connection *c, const char *data, size_t len);
/* Receive what is there, at least one byte: an end is an error. What was not
 * used is moved to the beginning of c->in, and must leave room. */
vetch_error *receive(struct connection *c);

#endif
