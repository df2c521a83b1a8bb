/* A connection of the server: a protocol that turns input into requests and
 * keeps their responses in order.
 *
 * A request begins only when that is safe: beside others if all of them are
 * safe methods without a body (RFC 9112, section 9.3.2), up to a number;
 * else when it is alone. Until then the input is left where it is and reading
 * pauses. The same happens when the output is too full, so that a peer that
 * asks and does not listen costs no more than the marks allow.
 *
 * Nothing here calls the user but through vetch__http_call_handler() and
 * cancelling; both may call back into the request. So after either of them
 * nothing is taken for granted, and lists are emptied from the front. */

#include "http/server/server-private.h"

#include "base/mem-private.h"

static struct vetch__http_conn *
server_conn_of(vetch_protocol *p)
{
    return vetch__container(p, struct vetch__http_conn, protocol);
}

vetch_http_request *
vetch__http_writer(const struct vetch__http_conn *c)
{
    struct vetch__list *link;

    for (link = c->requests.next; link != &c->requests; link = link->next)
        if (vetch__http_request_at(link)->response != VETCH__RESPONSE_SENT)
            return vetch__http_request_at(link);
    return NULL;
}

/* ---- closing ---- */

/* Those whose response was sent keep the connection, until it is lost. */
static void
orphan_waiting(struct vetch__http_conn *c)
{
    vetch_http_request *r;

    while ((r = vetch__http_writer(c)) != NULL)
        vetch__http_request_orphan(r, NULL);
}

static void
read_no_more(struct vetch__http_conn *c)
{
    c->last = true;
    c->reading = NULL;
}

void
vetch__http_conn_close(struct vetch__http_conn *c)
{
    read_no_more(c);
    vetch_transport_close(c->transport);
    orphan_waiting(c);
}

void
vetch__http_conn_abort(struct vetch__http_conn *c)
{
    read_no_more(c);
    vetch_transport_abort(c->transport);
    orphan_waiting(c);
}

/* ---- responses in order ---- */

/* Give to the transport what is due, from the writer on. False: the connection
 * is closing. */
static bool
send_due(struct vetch__http_conn *c)
{
    vetch_http_request *w;

    while ((w = vetch__http_writer(c)) != NULL) {
        if (vetch__http_reply_flush(w) < 0)
            return false;
        if (w->response != VETCH__RESPONSE_ENDED)
            break;
        w->response = VETCH__RESPONSE_SENT;
        if (c->server->object.state != VETCH__SERVER_RUNNING)
            c->n_last++;
        if (w->close) {
            vetch__http_conn_close(c);
            return false;
        }
        if (w->life == VETCH__R_OVER)
            vetch__http_request_retire(w);
    }
    return true;
}

void
vetch__http_response_ended(vetch_http_request *r)
{
    struct vetch__http_conn *c = r->conn;

    r->response = VETCH__RESPONSE_ENDED;
    if (c == NULL)
        return;
    if (c->reading == r && !r->tunnel) { /* the rest goes with the connection */
        c->reading = NULL;
        vetch__request_stream_fail(
            r, vetch_error_new(VETCH_ETRUNCATED, "the response has ended"));
    }
    if (vetch__http_writer(c) == r && send_due(c))
        vetch__http_conn_settle(c);
}

/* ---- input ---- */

static bool
may_begin(const struct vetch__http_conn *c)
{
    if (c->last || c->full)
        return false;
    if (vetch__likely(c->n_in_flight == 0))
        return true;
    return !c->waiting && c->n_in_flight < c->server->max_pipelined &&
           vetch__http_request_at(c->requests.prev)->safe;
}

static bool
is_safe(const struct vetch__http_head *h)
{
    return !h->upgrade && h->framing == VETCH__HTTP_NO_BODY &&
           (h->method == VETCH__HTTP_GET || h->method == VETCH__HTTP_HEAD ||
            h->method == VETCH__HTTP_OPTIONS || h->method == VETCH__HTTP_TRACE);
}

/* The head was parsed and consumed; its bytes are still there. */
static void
begin_request(struct vetch__http_conn *c, vetch_http_request *r,
              const char *data, size_t len, vetch_buffer *input)
{
    vetch_http_server *s = c->server;
    unsigned status = vetch__http_request_locate(r, data, len);

    vetch__http_request_enlist(c, r);
    if (!r->head.keep_alive || c->n_begun == s->max_requests ||
        s->object.state != VETCH__SERVER_RUNNING) {
        r->close = true;
        c->last = true;
    }
    if (vetch__unlikely(status != 0)) {
        vetch__http_fall_back(r, status);
        return;
    }
    vetch__http_body_begin(r, input);
}

static bool
is_alone_or_safe(struct vetch__http_conn *c, const vetch_http_request *r)
{
    if (c->n_in_flight == 0 || r->safe)
        return true;
    c->waiting = true;
    return false;
}

/* A whole head is there. False: it has to wait. */
static bool
take_head(struct vetch__http_conn *c, vetch_buffer *input, size_t len)
{
    const char *data = vetch_buffer_data(input);
    vetch_http_request *r = vetch__http_request_take(c->server);

    if (vetch__unlikely(r == NULL)) {
        vetch__http_conn_abort(c);
        return false;
    }
    if (vetch__http_parse_request(&r->head, data, len) == VETCH__HTTP_REFUSED) {
        vetch__http_refuse_request(c, r, r->head.refusal.status,
                                   r->head.refusal.why);
        return false;
    }
    r->safe = is_safe(&r->head);
    if (!is_alone_or_safe(c, r)) {
        vetch__http_request_give(r);
        return false;
    }
    vetch_buffer_consume(input, len);
    begin_request(c, r, data, len, input);
    return true;
}

/* False: there is nothing to begin with. */
static bool
take_request(struct vetch__http_conn *c, vetch_buffer *input)
{
    struct vetch__http_refusal refusal;
    enum vetch__http_verdict verdict;
    size_t len;

    vetch_buffer_consume(
        input, vetch__http_gate_skip(&c->gate, vetch_buffer_data(input),
                                     vetch__buffer_len(input)));
    verdict = vetch__http_gate(&c->gate, &c->server->head_limits,
                               vetch_buffer_data(input),
                               vetch__buffer_len(input), &len, &refusal);
    if (vetch__likely(verdict == VETCH__HTTP_DONE))
        return take_head(c, input, len);
    if (verdict == VETCH__HTTP_REFUSED)
        vetch__http_refuse(c, refusal.status, refusal.why);
    return false;
}

/* Send what there is if it is much; full, if that does not help. */
static void
check_output(struct vetch__http_conn *c)
{
    vetch_transport *t = c->transport;

    if (vetch__likely(!vetch__transport_is_high(t)))
        return;
    vetch__transport_sent_much(t);
    if (vetch__transport_is_high(t))
        c->full = true;
}

/* Whether what comes behind the last request may be its tunnel's. */
static bool
may_become_tunnel(const struct vetch__http_conn *c)
{
    const vetch_http_request *r;

    if (c->n_in_flight != 1)
        return false;
    r = vetch__http_request_at(c->requests.next);
    return (r->head.upgrade || r->head.method == VETCH__HTTP_CONNECT) &&
           r->response < VETCH__RESPONSE_ENDED;
}

static void
consume_input(struct vetch__http_conn *c, vetch_buffer *input)
{
    while (vetch__buffer_len(input) > 0) {
        if (c->reading != NULL) {
            if (!vetch__http_body_feed(c->reading, input))
                return;
        } else if (c->last) {
            if (may_become_tunnel(c))
                return;
            vetch_buffer_clear(input);
        } else if (!may_begin(c) || !take_request(c, input)) {
            return;
        } else {
            check_output(c);
        }
    }
}

/* Whether what is left, or what may come, can be used now. */
static bool
has_use_for_input(const struct vetch__http_conn *c)
{
    if (c->full && !c->tunnel)
        return false;
    if (c->left == 0)
        return true;
    if (c->reading != NULL)
        return vetch__http_body_wanted(c->reading);
    return c->last ? !may_become_tunnel(c) : may_begin(c);
}

static void
steer_reading(struct vetch__http_conn *c)
{
    bool pause = !has_use_for_input(c);

    if (pause == c->paused)
        return;
    c->paused = pause;
    if (pause)
        vetch_transport_pause(c->transport);
    else
        vetch_transport_resume(c->transport);
}

static void
received(vetch_protocol *p, vetch_buffer *input)
{
    struct vetch__http_conn *c = server_conn_of(p);

    c->receiving = true;
    consume_input(c, input);
    c->receiving = false;
    c->left = vetch__buffer_len(input);
    if (vetch__unlikely(c->left > 0 || c->full || c->paused))
        steer_reading(c);
    vetch__http_deadline_update(c);
}

void
vetch__http_conn_settle(struct vetch__http_conn *c)
{
    if (c->receiving)
        return;
    steer_reading(c);
    vetch__http_deadline_update(c);
}

/* ---- the rest of the protocol ---- */

static void
connected(vetch_protocol *p, vetch_transport *t)
{
    struct vetch__http_conn *c = server_conn_of(p);

    c->transport = t;
    vetch__transport_set_limits(t, &c->server->limits);
    vetch__http_deadline_start(c);
}

/* Handlers that work for nobody if nobody listens. */
static void
cancel_at_half_close(struct vetch__http_conn *c)
{
    struct vetch__list *link = c->requests.next;

    while (link != &c->requests) {
        vetch_http_request *r = vetch__http_request_at(link);

        link = link->next;
        if (r->life != VETCH__R_PENDING || r->canceled ||
            !r->route->cancel_at_half_close)
            continue;
        vetch__http_request_cancel(r); /* the user may answer others */
        link = c->requests.next;
    }
}

/* Half of a tunnel has ended; the other is for the handler to end. */
static bool
tunnel_ended(struct vetch__http_conn *c)
{
    vetch_http_request *r = vetch__http_writer(c);

    c->reading = NULL;
    if (r == NULL)
        return false;
    r->peer_ended = true;
    vetch__request_stream_ended(r);
    return true;
}

/* All that the client sent before its end has begun: that is read first. A
 * client that is merely finished gets its responses (RFC 9112 as amended by
 * http-core 431); one that has gone cannot get them. */
static bool
ended(vetch_protocol *p)
{
    struct vetch__http_conn *c = server_conn_of(p);

    c->last = true;
    if (c->tunnel)
        return tunnel_ended(c);
    if (vetch__http_writer(c) == NULL ||
        !vetch__transport_peer_listens(c->transport)) {
        vetch__http_conn_close(c);
        return false;
    }
    vetch__http_request_at(c->requests.prev)->close = true;
    if (c->reading != NULL)
        vetch__http_body_cut_short(c->reading);
    cancel_at_half_close(c);
    vetch__http_conn_settle(c);
    return vetch__transport_is_open(c->transport);
}

static void
write_paused(vetch_protocol *p)
{
    struct vetch__http_conn *c = server_conn_of(p);

    c->full = true;
    vetch__http_conn_settle(c);
}

static void
write_resumed(vetch_protocol *p)
{
    struct vetch__http_conn *c = server_conn_of(p);
    vetch_http_request *w = vetch__http_writer(c);

    c->full = false;
    if (w != NULL)
        vetch__request_stream_drained(w);
    vetch__http_conn_settle(c);
}

static void
write_ended(vetch_protocol *p)
{
    vetch_http_request *w = vetch__http_writer(server_conn_of(p));

    if (w != NULL && w->tunnel)
        vetch__request_stream_write_ended(w);
}

/* Whether the handler may go on without the connection: it has answered, or
 * both sides have ended its tunnel in good order. */
static bool
may_run_on(const vetch_http_request *r, const vetch_error *reason)
{
    if (r->life == VETCH__R_OVER)
        return false;
    return r->response == VETCH__RESPONSE_SENT || (r->tunnel && reason == NULL);
}

static void
lost(vetch_protocol *p, const vetch_error *reason)
{
    struct vetch__http_conn *c = server_conn_of(p);

    c->last = true;
    if (reason != NULL && c->n_last > 0)
        c->n_last--; /* perhaps not all of it has arrived */
    c->server->stop.report->ended += c->n_last;
    while (!vetch__list_empty(&c->requests)) {
        vetch_http_request *r = vetch__http_request_at(c->requests.next);

        if (may_run_on(r, reason))
            vetch__http_request_run_on(r, reason);
        else
            vetch__http_request_orphan(r, reason);
    }
}

static void
server_conn_free(vetch_protocol *p)
{
    struct vetch__http_conn *c = server_conn_of(p);
    vetch_http_server *s = c->server;

    vetch__list_remove(&c->link);
    s->n_connections--;
    vetch__free(c);
    vetch_http_server_unref(s);
}

static const vetch_protocol_class http_class = {
    .size = sizeof(http_class),
    .connected = connected,
    .received = received,
    .ended = ended,
    .write_paused = write_paused,
    .write_resumed = write_resumed,
    .write_ended = write_ended,
    .lost = lost,
    .free = server_conn_free,
};

vetch_protocol *
vetch__http_conn_new(void *server)
{
    vetch_http_server *s = server;
    struct vetch__http_conn *c = vetch__calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->protocol.class_ = &http_class;
    c->server = vetch_http_server_ref(s);
    vetch__list_init(&c->requests);
    vetch__list_append(&s->connections, &c->link);
    s->n_connections++;
    if (s->n_connections + s->max_connections / 64 >= s->max_connections)
        vetch__http_evict(s);
    return &c->protocol;
}
