/* A connection of the server: a protocol that turns input into requests and
 * keeps their answers in order.
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

#include <assert.h>
#include <stdio.h>

#include <vetch/error.h>
#include <vetch/log.h>

#include "base/mem-private.h"

static struct vetch__http_conn *
conn_of(vetch_protocol *p)
{
    return vetch__container(p, struct vetch__http_conn, protocol);
}

static vetch_http_request *
request_of(struct vetch__list *link)
{
    return vetch__container(link, vetch_http_request, link);
}

vetch_http_request *
vetch__http_writer(const struct vetch__http_conn *c)
{
    struct vetch__list *link;

    for (link = c->requests.next; link != &c->requests; link = link->next)
        if (request_of(link)->answer != VETCH__A_SENT)
            return request_of(link);
    return NULL;
}

/* ---- the end of requests ---- */

void
vetch__http_request_cancel(vetch_http_request *r)
{
    if (r->watching)
        vetch_promise_cancel(&r->watch);
}

static bool
is_over(const vetch_http_request *r)
{
    return r->called && !r->running && !r->watching;
}

static void
unlink_request(vetch_http_request *r)
{
    struct vetch__http_conn *c = r->conn;

    assert(c != NULL); /* it is unlinked once */
    vetch__list_remove(&r->link);
    c->n_in_flight--;
    if (c->reading == r)
        c->reading = NULL;
    r->conn = NULL;
}

/* Handlers are cancelled at the end of the dispatch, because the client may
 * have gone in the middle of a call of the user's. */
void
vetch__http_cancel_orphans(struct vetch__flush *f)
{
    vetch_http_server *s = vetch__container(f, vetch_http_server, orphan_flush);

    vetch_http_server_ref(s);
    while (!vetch__list_empty(&s->orphans)) {
        vetch_http_request *r = request_of(s->orphans.next);

        vetch__list_remove(&r->link);
        vetch__http_request_cancel(r);
    }
    vetch_http_server_unref(s);
}

/* The client has gone, or its connection is closing: nothing that r answers
 * can reach it. */
static void
orphan(vetch_http_request *r, const vetch_error *reason)
{
    unlink_request(r);
    if (r->reader != NULL)
        vetch__http_body_fail(
            r, reason != NULL
                   ? vetch_error_wrap(reason, "read the body of a request")
                   : vetch_error_new(VETCH_ETRUNCATED,
                                     "the client ended the connection"));
    vetch__http_reply_drained(r);
    if (r->watching) {
        vetch__list_append(&r->server->orphans, &r->link);
        vetch__flush_later(r->server->reactor, &r->server->orphan_flush);
    } else if (!r->running) {
        vetch__http_request_give(r);
    }
}

/* Those whose answer was sent keep the connection, until it is lost. */
static void
orphan_unanswered(struct vetch__http_conn *c)
{
    vetch_http_request *r;

    while ((r = vetch__http_writer(c)) != NULL)
        orphan(r, NULL);
}

static void
retire(vetch_http_request *r)
{
    if (r->conn != NULL)
        unlink_request(r);
    else
        vetch__list_remove(&r->link); /* perhaps of an orphan */
    vetch__http_request_give(r);
}

/* ---- closing ---- */

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
    orphan_unanswered(c);
}

void
vetch__http_conn_abort(struct vetch__http_conn *c)
{
    read_no_more(c);
    vetch_transport_abort(c->transport);
    orphan_unanswered(c);
}

/* ---- answers in order ---- */

static void
count_answer(struct vetch__http_conn *c)
{
    if (c->server->object.state != VETCH__S_RUNNING)
        c->server->report.requests_ended++;
}

/* Give to the transport what is due, from the writer on. False: the connection
 * is closing. */
static bool
send_due(struct vetch__http_conn *c)
{
    vetch_http_request *w;

    while ((w = vetch__http_writer(c)) != NULL) {
        if (vetch__http_reply_flush(w) < 0)
            return false;
        if (w->answer != VETCH__A_ENDED)
            break;
        w->answer = VETCH__A_SENT;
        count_answer(c);
        if (w->close) {
            vetch__http_conn_close(c);
            return false;
        }
        if (is_over(w))
            retire(w);
    }
    return true;
}

void
vetch__http_answer_ended(vetch_http_request *r)
{
    struct vetch__http_conn *c = r->conn;

    r->answer = VETCH__A_ENDED;
    if (c == NULL)
        return;
    if (!r->body_done && c->reading == r)
        c->reading = NULL; /* the rest is dropped with the connection */
    if (vetch__http_writer(c) == r && send_due(c))
        vetch__http_conn_settle(c);
}

/* ---- handlers ---- */

/* The handler is over. What it has not answered is answered for it. */
static void
handler_is_over(vetch_http_request *r, const vetch_error *error)
{
    /* Without a client a handler fails as it should. */
    if (error != NULL && !vetch_error_is(error, VETCH_ECANCELED))
        vetch_log(r->conn != NULL ? VETCH_LOG_WARNING : VETCH_LOG_DEBUG,
                  "%s %.*s: %s", vetch__http_method_name(r->head.method),
                  (int)(r->path_len < 512 ? r->path_len : 512), r->path,
                  vetch_error_text(error));
    vetch__http_reply_forget_fields(r);
    if (r->conn != NULL && r->answer == VETCH__A_NONE)
        vetch__http_reply_error(r, 500, NULL);
    else if (r->conn != NULL && r->answer == VETCH__A_BEGUN)
        vetch__http_conn_abort(r->conn); /* cut off, and recognisably so */
}

/* Once `called` is set and the handler has ended; r may be gone afterwards. */
static void
end_request(vetch_http_request *r)
{
    struct vetch__http_conn *c = r->conn;

    if (c != NULL && r->answer != VETCH__A_SENT)
        return; /* its answer is held; send_due() retires it */
    retire(r);
    if (c != NULL)
        vetch__http_conn_settle(c);
}

static void
promise_settled(void *ctx, size_t index, vetch_promise *p)
{
    vetch_http_request *r = ctx;
    const vetch_error *error = NULL;

    (void)index;
    r->watching = false;
    r->running = true; /* nobody else ends it meanwhile */
    if (vetch_promise_state(p) == VETCH_REJECTED)
        error = vetch_promise_error(p);
    handler_is_over(r, error);
    vetch_promise_unref(p);
    r->running = false;
    end_request(r);
}

void
vetch__http_call_handler(vetch_http_request *r)
{
    vetch_promise *p;

    r->called = true;
    r->running = true;
    p = r->route->handler(r, r->route->ctx);
    if (vetch__likely(p == NULL)) {
        if (vetch__unlikely(r->answer < VETCH__A_ENDED))
            handler_is_over(r, NULL);
        r->running = false;
        end_request(r);
        return;
    }
    /* Also if the client has gone: its handler may still ask. */
    if (vetch__http_request_keep(r) < 0) {
        vetch_promise_cancel(p);
        if (r->conn != NULL)
            vetch__http_conn_abort(r->conn);
    }
    r->running = false;
    r->watching = true;
    vetch__watch_embedded(vetch__reactor, &r->watch, p, promise_settled, r);
    if (r->conn == NULL) /* it went while its handler ran */
        vetch__http_request_cancel(r);
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
           request_of(c->requests.prev)->safe;
}

static bool
is_safe(const struct vetch__http_head *h)
{
    return h->framing == VETCH__HTTP_NO_BODY &&
           (h->method == VETCH__HTTP_GET || h->method == VETCH__HTTP_HEAD ||
            h->method == VETCH__HTTP_OPTIONS || h->method == VETCH__HTTP_TRACE);
}

static void
enlist(struct vetch__http_conn *c, vetch_http_request *r)
{
    r->conn = c;
    vetch__list_append(&c->requests, &r->link);
    c->n_in_flight++;
    c->n_begun++;
    c->waiting = false;
    vetch__http_deadline_reset(c);
}

/* r has not been enlisted yet. */
static void
refuse(struct vetch__http_conn *c, vetch_http_request *r, unsigned status,
       const char *why)
{
    c->last = true;
    enlist(c, r);
    r->called = true; /* there is no handler to wait for */
    r->close = true;
    r->body_done = true;
    vetch__http_reply_error(r, status, why);
}

void
vetch__http_conn_refuse(struct vetch__http_conn *c, unsigned status,
                        const char *why)
{
    vetch_http_request *r = vetch__http_request_take(c->server);

    if (r != NULL)
        refuse(c, r, status, why);
    else
        vetch__http_conn_abort(c);
}

static void
allow(vetch_http_request *r)
{
    char value[512];
    size_t n = 0;
    unsigned i;

    for (i = 0; i < VETCH__HTTP_METHODS; i++) {
        const char *name = vetch__http_method_name((uint8_t)i);

        if ((r->match.allowed >> i & 1) != 0)
            n += (size_t)snprintf(value + n, sizeof(value) - n, "%s%s",
                                  n > 0 ? ", " : "", name);
    }
    vetch_http_reply_set_header(r, "Allow", value);
}

/* No handler will answer this one. */
static void
answer_by_ourselves(vetch_http_request *r, unsigned status)
{
    r->called = true;
    r->body_done = r->head.framing == VETCH__HTTP_NO_BODY;
    if (status == 400) /* a path that means nothing: trust it no further */
        r->close = true;
    if (status == 405)
        allow(r);
    vetch__http_reply_error(r, status, NULL);
}

/* The head was parsed and consumed; its bytes are still there. */
static void
begin(struct vetch__http_conn *c, vetch_http_request *r, const char *data,
      size_t len, vetch_buffer *input)
{
    vetch_http_server *s = c->server;
    unsigned status = vetch__http_request_locate(r, data, len);

    enlist(c, r);
    if (!r->head.keep_alive || c->n_begun == s->max_requests ||
        s->object.state != VETCH__S_RUNNING) {
        r->close = true;
        c->last = true;
    }
    if (vetch__unlikely(status != 0)) {
        answer_by_ourselves(r, status);
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
        refuse(c, r, r->head.refusal.status, r->head.refusal.why);
        return false;
    }
    r->safe = is_safe(&r->head);
    if (!is_alone_or_safe(c, r)) {
        vetch__http_request_give(r);
        return false;
    }
    vetch_buffer_consume(input, len);
    begin(c, r, data, len, input);
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
        vetch__http_conn_refuse(c, refusal.status, refusal.why);
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

static void
consume(struct vetch__http_conn *c, vetch_buffer *input)
{
    while (vetch__buffer_len(input) > 0) {
        if (c->reading != NULL) {
            if (!vetch__http_body_feed(c->reading, input))
                return;
        } else if (c->last) {
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
    if (c->full)
        return false;
    if (c->left == 0)
        return true;
    if (c->reading != NULL)
        return vetch__http_body_wanted(c->reading);
    return c->last || may_begin(c);
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
    struct vetch__http_conn *c = conn_of(p);

    c->receiving = true;
    consume(c, input);
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
    struct vetch__http_conn *c = conn_of(p);

    c->transport = t;
    vetch__transport_set_limits(t, &c->server->limits);
    vetch__http_deadline_start(c);
}

/* A client that half-closes cannot be told from one that has gone: what it
 * asked for is answered if the answer is there, else cancelled. */
static bool
ended(vetch_protocol *p)
{
    vetch__http_conn_close(conn_of(p));
    return false;
}

static void
write_paused(vetch_protocol *p)
{
    struct vetch__http_conn *c = conn_of(p);

    c->full = true;
    vetch__http_conn_settle(c);
}

static void
write_resumed(vetch_protocol *p)
{
    struct vetch__http_conn *c = conn_of(p);
    vetch_http_request *w = vetch__http_writer(c);

    c->full = false;
    if (w != NULL)
        vetch__http_reply_drained(w);
    vetch__http_conn_settle(c);
}

static void
lost(vetch_protocol *p, const vetch_error *reason)
{
    struct vetch__http_conn *c = conn_of(p);

    c->last = true;
    while (!vetch__list_empty(&c->requests)) {
        vetch_http_request *r = request_of(c->requests.next);

        /* One that was answered may run on, to its own end. */
        if (r->answer == VETCH__A_SENT && !is_over(r))
            unlink_request(r);
        else
            orphan(r, reason);
    }
}

static void
conn_free(vetch_protocol *p)
{
    struct vetch__http_conn *c = conn_of(p);
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
    .lost = lost,
    .free = conn_free,
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
