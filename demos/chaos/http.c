/* HTTP: what goes wrong is decided for each request. A request has a connection
 * to the backend of its own, so that none of them can be stale; the client's
 * connection persists as both sides want it to. Bytes are passed as they are.
 */
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "proxy.h"

#define HEAD_MAX  65536
#define CHUNK_MAX 4096 /* of its line */

/* The message that was looked at. */
static bool
look_at_head(struct flow *flow, struct message *m)
{
    const vetch_bytes *head = flow_look(flow, "\r\n\r\n", HEAD_MAX);

    return head != NULL &&
           read_message(m, vetch_bytes_data(head), vetch_bytes_len(head));
}

/* A line of the chunked coding: its first number, and whether it is empty. */
static bool
pass_line(struct flow *flow, uint64_t *ret_number, bool *ret_empty)
{
    const vetch_bytes *line = flow_look(flow, "\r\n", CHUNK_MAX);

    if (line == NULL)
        return false;
    /* The CR ends the number. */
    *ret_number = strtoull(vetch_bytes_data(line), NULL, 16);
    *ret_empty = vetch_bytes_len(line) == 2;
    return flow_put_seen(flow);
}

static bool
pass_chunks(struct flow *flow)
{
    uint64_t size;
    bool empty;

    do {
        if (!pass_line(flow, &size, &empty))
            return false;
        if (size >= UINT64_MAX - 2 || (size > 0 && !flow_pass(flow, size + 2)))
            return false;
    } while (size > 0);
    do { /* trailers, and the empty line */
        if (!pass_line(flow, &size, &empty))
            return false;
    } while (!empty);
    return true;
}

static bool
pass_body(struct flow *flow, const struct message *m)
{
    if (m->chunked)
        return pass_chunks(flow);
    return !m->has_length || flow_pass(flow, m->length);
}

/* A task of its own, since the response may come before the body is through. */
static vetch_promise *
send_request(void *ctx)
{
    struct connection *c = ctx;

    if (flow_put_seen(&c->up) && !pass_body(&c->up, &c->request))
        return vetch_rejected(
            vetch_error_new(VETCH_EEOF, "the request breaks off"));
    return NULL;
}

/* Wait until the request has been passed on. */
static void
finish_request(struct connection *c)
{
    vetch_promise *upward = c->upward;

    c->upward = NULL;
    vetch_try(upward);
}

/* False: the connection cannot go on after it. */
static bool
pass_response(struct connection *c)
{
    struct message response;

    do {
        if (!look_at_head(&c->down, &response) || response.status == 0 ||
            !flow_put_seen(&c->down))
            return false;
    } while (response.status < 200 && response.status != 101);
    if (response.status == 101) {
        finish_request(c);
        pass_all(c);
        return false;
    }
    if (!response_has_no_body(&response, &c->request)) {
        if (!response.chunked && !response.has_length) {
            flow_pass(&c->down, UINT64_MAX);
            return false;
        }
        if (!pass_body(&c->down, &response))
            return false;
    }
    return c->request.persistent && response.persistent;
}

static bool
exchange(struct connection *c)
{
    bool goes_on;

    connect_backend(c);
    c->upward = vetch_spawn(send_request, c);
    /* Who is answered before the request is through is not asked again. */
    goes_on =
        pass_response(c) && vetch_promise_state(c->upward) == VETCH_FULFILLED;
    drop_backend(c);
    return goes_on;
}

void
serve_http(struct connection *c)
{
    do {
        c->up.from = c->client;
        if (!look_at_head(&c->up, &c->request))
            return;
        c->down.plan = faults_next(&c->proxy->faults);
        c->down.n_sent = 0;
    } while (meet_misfortune(c) && exchange(c));
}
