/* Reading a response: heads, informational ones and the final one, then the
 * body, piece by piece, into its response; and what becomes of the connection
 * when the response is complete. */

#include "http/client/client-private.h"

#include <string.h>

enum {
    MAX_FIELDS = 256,
    /* A server that closes idle connections after N seconds may do so while
     * our next request is on its way: be this much earlier. */
    KEEP_ALIVE_MARGIN_SECONDS = 1
};

#define NS_PER_SECOND UINT64_C(1000000000)

/* ---- the end of a response ---- */

void
vetch__client_conn_finish(struct vetch__client_conn *c, bool clean)
{
    vetch_http_call *call = c->call;
    vetch_http_response *r = c->response;
    vetch_error *error = vetch__http_response_end(r);
    bool sent = vetch__upload_is_complete(call->upload);

    vetch__upload_stop(call->upload);
    c->call = NULL;
    c->response = NULL;
    if (call->stream) {
        vetch__http_response_detach(r, error);
        vetch__http_call_end(call);
    } else if (error != NULL) {
        vetch_http_response_unref(r);
        vetch__http_call_fail(call, error);
    } else {
        vetch__http_call_fulfil(call, r);
        vetch__http_call_end(call);
    }
    /* What of the request is not sent yet the server does not want. */
    if (c->keep && clean && sent && vetch__client_conn_is_open(c) &&
        vetch_transport_buffered(c->transport) == 0)
        vetch__http_pool_release(&c->client->pool, &c->slot);
    else
        vetch__client_conn_close(c);
}

/* ---- reading ---- */

static vetch_error *
refusal_error(const struct vetch__http_refusal *refusal)
{
    bool large = refusal->status == 414 || refusal->status == 431 ||
                 refusal->status == 413;

    return vetch_error_new(large ? VETCH_ETOOLARGE : VETCH_EPROTO_HTTP, "%s",
                           refusal->why);
}

/* The seconds of `timeout=N` in a Keep-Alive field, -1 if there are none. */
static int
announced_timeout(const char *value, size_t len)
{
    const char *end = value + len, *at = value;
    int seconds = 0;

    for (; (size_t)(end - at) > 8; at++)
        if (vetch__http_equal(at, 8, "timeout=", 8))
            break;
    if ((size_t)(end - at) <= 8 || at[8] < '0' || at[8] > '9')
        return -1;
    for (at += 8; at < end && *at >= '0' && *at <= '9'; at++)
        if (seconds < 1000000)
            seconds = seconds * 10 + (*at - '0');
    return seconds;
}

/* Whether and how long the connection may be kept after this response. */
static void
decide_keeping(struct vetch__client_conn *c, const struct vetch__http_head *h,
               const char *data)
{
    int i = vetch__http_field_find(&h->fields, data, "keep-alive", 0), seconds;
    uint64_t ns;

    c->idle_ns = c->client->idle_ns;
    c->keep =
        h->keep_alive && h->framing != VETCH__HTTP_TO_CLOSE && c->idle_ns > 0;
    if (i < 0)
        return;
    seconds = announced_timeout(data + h->fields.v[i].value.at,
                                h->fields.v[i].value.len);
    if (seconds < 0)
        return;
    if (seconds <= KEEP_ALIVE_MARGIN_SECONDS) {
        c->keep = false;
        return;
    }
    ns = (uint64_t)(seconds - KEEP_ALIVE_MARGIN_SECONDS) * NS_PER_SECOND;
    if (ns < c->idle_ns)
        c->idle_ns = ns;
}

/* Whether the call has asked for another protocol and can use it. */
static bool
may_upgrade(const struct vetch__client_conn *c,
            const struct vetch__http_head *h)
{
    return h->status == 101 && h->upgrade && c->call->upgrades &&
           c->call->stream && vetch__upload_is_complete(c->call->upload);
}

/* Whatever comes is the user's, without limits on time. */
static void
begin_client_tunnel(struct vetch__client_conn *c, struct vetch__http_head *h)
{
    h->framing = VETCH__HTTP_TO_CLOSE;
    c->tunnel = true;
    vetch__client_conn_timer_stop(c);
    if (vetch__timer_active(&c->call->total))
        vetch__timer_stop(c->client->reactor, &c->call->total);
}

/* A final head has come. */
static void
begin_response(struct vetch__client_conn *c, const struct vetch__http_head *h,
               const char *data, size_t len)
{
    vetch_error *error = NULL;
    vetch_http_response *r =
        vetch__http_response_new(c->call, h, data, len, &error);

    if (r == NULL) {
        vetch__client_conn_stop(c, error);
        return;
    }
    decide_keeping(c, h, data);
    c->response = r;
    c->state = VETCH__CLIENT_BODY;
    vetch__http_body_init(&c->body, h);
    if (c->call->stream) {
        r->conn = c;
        r->tunnel = c->tunnel;
        vetch__http_call_fulfil(c->call, r);
    }
}

static void
stop_protocol(struct vetch__client_conn *c, const char *why)
{
    vetch__client_conn_stop(c, vetch_error_new(VETCH_EPROTO_HTTP, "%s", why));
}

/* One head, final or not; true if there is more to do. */
static bool
read_head(struct vetch__client_conn *c, vetch_buffer *input)
{
    char *data = input->data + input->start; /* the gate may unfold */
    struct vetch__http_field fields[MAX_FIELDS];
    struct vetch__http_refusal refusal;
    struct vetch__http_head h = { .fields = { fields, 0, MAX_FIELDS } };
    enum vetch__http_verdict verdict;
    size_t len = 0;

    verdict =
        vetch__http_gate_response(&c->gate, &c->client->head_limits, data,
                                  vetch_buffer_len(input), &len, &refusal);
    if (verdict == VETCH__HTTP_MORE)
        return false;
    if (verdict == VETCH__HTTP_DONE) {
        verdict = vetch__http_parse_response(&h, data, len, c->call->to_head);
        refusal = h.refusal;
    }
    if (verdict == VETCH__HTTP_REFUSED) {
        vetch__client_conn_stop(c, refusal_error(&refusal));
        return false;
    }
    if (may_upgrade(c, &h))
        begin_client_tunnel(c, &h);
    if (h.status >= 200 || c->tunnel)
        begin_response(c, &h, data, len);
    else if (h.status == 101)
        stop_protocol(c, "an upgrade that nobody asked for");
    else if (!vetch__http_informational(&c->informational))
        stop_protocol(c, "too many informational responses");
    else /* the server is at it */
        vetch__client_conn_timer_start(c, c->client->head_ns);
    vetch_buffer_consume(input, len);
    return c->state != VETCH__CLIENT_OVER;
}

/* One piece of the body, or its end; true if there is more to do. */
static bool
read_body(struct vetch__client_conn *c, vetch_buffer *input)
{
    struct vetch__http_piece piece;
    enum vetch__http_verdict verdict = vetch__http_body_next(
        &c->body, vetch_buffer_data(input), vetch_buffer_len(input), &piece);
    vetch_error *error = NULL;

    if (verdict == VETCH__HTTP_PIECE)
        error = vetch__http_response_feed(c->response, piece.data, piece.len);
    else if (verdict == VETCH__HTTP_REFUSED)
        error = refusal_error(&c->body.refusal);
    vetch_buffer_consume(input, piece.used);
    if (error != NULL) {
        vetch__client_conn_stop(c, error);
        return false;
    }
    if (verdict == VETCH__HTTP_DONE)
        vetch__client_conn_finish(c, vetch_buffer_len(input) == 0);
    return verdict == VETCH__HTTP_PIECE;
}

/* All that came is read; how will it go on? */
static void
after_reading(struct vetch__client_conn *c, uint8_t state_before)
{
    bool paused = false;

    if (c->state != VETCH__CLIENT_BODY)
        return;
    if (c->call->stream)
        paused = !vetch__http_response_pump(c->response);
    if (c->state != VETCH__CLIENT_BODY)
        return; /* what was read went wrong, or nobody wants it */
    if (paused) {
        vetch_transport_pause(c->transport);
        vetch__client_conn_timer_stop(c);
    } else if (state_before == VETCH__CLIENT_HEAD && !c->tunnel) {
        vetch__client_conn_timer_start(c, c->client->body_ns);
    }
}

void
vetch__client_conn_read(struct vetch__client_conn *c, vetch_buffer *input)
{
    uint8_t state = c->state;

    c->heard = true;
    c->stamp = vetch__clock_now(c->client->reactor);
    while (c->state == VETCH__CLIENT_HEAD && read_head(c, input))
        ;
    while (c->state == VETCH__CLIENT_BODY && read_body(c, input))
        ;
    after_reading(c, state);
}
