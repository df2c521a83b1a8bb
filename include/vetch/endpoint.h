/* Endpoint strings, such as `tcp:localhost:80`; see vetch_endpoint(7).
 * Thread: any. */
#ifndef VETCH_ENDPOINT_H
#define VETCH_ENDPOINT_H

#include <vetch/types.h>

/* What an endpoint is to be used for. A datagram socket that is bound counts as
 * listening. */
typedef enum vetch_endpoint_use {
    VETCH_ENDPOINT_CONNECT = 1,
    VETCH_ENDPOINT_LISTEN = 2
} vetch_endpoint_use;

VETCH_BEGIN_DECLS

/* What is wrong with an endpoint string: an error VETCH_EENDPOINT of one line,
 * or NULL. It looks at the text alone, and opens nothing. */
VETCH_EXPORT VETCH_NODISCARD vetch_error *
vetch_endpoint_check(const char *endpoint, vetch_endpoint_use use);

VETCH_END_DECLS

#endif
