/* A response on its way to the client, and what happens to it there. */
#ifndef DEMOS_CHAOS_FLOW_H
#define DEMOS_CHAOS_FLOW_H

#include <vetch.h>

#include "faults.h"

/* For tasks: these await, and end the task if something fails. */
struct flow {
    vetch_stream *from, *to; /* borrowed */
    struct plan plan;
    uint64_t n_sent;
    vetch_bytes *held; /* between reading and sending */
};

/* Send these bytes. False: the response has been cut, nothing more comes. */
bool flow_put(struct flow *flow, const void *data, size_t len);
/* Pass on up to `limit` bytes (UINT64_MAX: all) or to the end. False as above,
 * or if the end came before `limit`. */
bool flow_pass(struct flow *flow, uint64_t limit);

/* Read up to `delimiter` and look before it is sent: borrowed, NULL if the end
 * came first. */
const vetch_bytes *flow_look(struct flow *flow, const char *delimiter,
                             size_t limit_bytes);
/* Send what was looked at. False as in flow_put(). */
bool flow_put_seen(struct flow *flow);
/* Whoever has a flow calls this when its task is over, however it ended. */
void flow_clear(struct flow *flow);

#endif
