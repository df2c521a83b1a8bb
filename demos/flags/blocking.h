/* A plain blocking HTTP client, for the programs that have no loop: what one
 * writes with sockets when one wants it to be fast all the same. */
#ifndef FLAGS_BLOCKING_H
#define FLAGS_BLOCKING_H

#include "flags.h"

#define HEAD_SIZE 16384

/* One connection, kept alive from request to request. Belongs to one thread
 * at a time. */
struct connection {
    double timeout;  /* for one request, in seconds */
    double deadline; /* of the request in hand */
    int fd;          /* -1: not connected */
    char host[URL_SIZE], port[8];
    char in[HEAD_SIZE]; /* received, and not used yet: */
    size_t begin, end;
    bool heard; /* the server has said something since the request left */
};

struct answer {
    unsigned status;
    char *body;
    size_t len, room;
};

void open_connection(struct connection *c, const struct run *run);
void close_connection(struct connection *c);

/* Get a URL, in `ret` what came back. Returns why that cannot be, the same
 * codes as vetch_http_get(); VETCH_ECANCELED once a signal came. `ret` is to
 * be given to free_answer() in either case. */
vetch_error *blocking_get(struct connection *c, const char *url,
                          struct answer *ret);
void free_answer(struct answer *answer);

/* From now on SIGINT and SIGTERM end waiting, in every thread, for good. */
void stop_on_signals(void);
/* The signal that came, or 0. */
int stop_signal(void);

/* Get the flag's image and save it as CC.gif. */
vetch_error *blocking_download(struct connection *c, struct flag *flag);

#endif
