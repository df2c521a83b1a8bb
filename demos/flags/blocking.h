/* A plain blocking HTTP client, for the programs that have no loop: what one
 * writes with sockets when one wants it to be fast all the same. */
#ifndef FLAGS_BLOCKING_H
#define FLAGS_BLOCKING_H

#include "connection.h"
#include "flags.h"

struct response {
    unsigned status;
    char *body;
    size_t len, room;
};

/* Get a URL, in `ret` what came back. Returns why that cannot be, the same
 * codes as vetch_http_get(); VETCH_ECANCELED once a signal came. `ret` is to
 * be given to free_response() in either case. */
vetch_error *blocking_get(struct connection *c, const char *url,
                          struct response *ret);
void free_response(struct response *response);

/* Get the flag's image and save it as CC.gif. */
vetch_error *blocking_download(struct connection *c, struct flag *flag);

#endif
