/* A connection of the client: a protocol object that sends one request after
 * the other and reads the responses.
 *
 *   OPENING -> HEAD -> BODY -> IDLE -> HEAD …      and from all of them: OVER
 *
 * It is over as soon as it must not be used any more; its slot goes back, and
 * its call is settled, only when the transport is lost (or the attempt to
 * connect has ended), because settled means stopped.  `why` says why we broke
 * it off: then the call fails with that, and not with what the transport says.
 *
 * One timer serves all states.  While a body comes it is not touched for each
 * piece: the time of the last one is noted, and looked at when the timer fires.
 *
 * Its memory belongs to the opening, and then to the transport, which frees it
 * after it was lost.  To wait for the opening takes no memory: so nothing can
 * keep us from hearing of its end. */

#include "http/client/client-private.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error-private.h"

static void conn_timeout(struct vetch__timer *timer);

static struct vetch__client_conn *
client_conn_of(vetch_protocol *p)
{
    return vetch__container(p, struct vetch__client_conn, protocol);
}

static struct vetch__client_conn *
conn_of_slot(struct vetch__http_slot *slot)
{
    return vetch__container(slot, struct vetch__client_conn, slot);
}

static vetch_http_client *
client_of(struct vetch__http_pool *pool)
{
    return vetch__container(pool, vetch_http_client, pool);
}

/* ---- timer ---- */

void
vetch__client_conn_timer_stop(struct vetch__client_conn *c)
{
    if (vetch__timer_active(&c->timer))
        vetch__timer_stop(c->client->reactor, &c->timer);
}

void
vetch__client_conn_timer_start(struct vetch__client_conn *c, uint64_t ns)
{
    if (ns == VETCH__FOREVER)
        vetch__client_conn_timer_stop(c);
    else if (vetch__timer_start(c->client->reactor, &c->timer, ns,
                                conn_timeout) < 0)
        vetch__client_conn_stop(c, &vetch__error_no_memory);
}

bool
vetch__client_conn_is_open(const struct vetch__client_conn *c)
{
    return vetch__transport_is_whole(c->transport);
}

/* ---- breaking off ---- */

void
vetch__client_conn_stop(struct vetch__client_conn *c, vetch_error *error)
{
    bool opening;

    if (c->why != NULL || c->state == VETCH__CLIENT_OVER) {
        vetch_error_unref(error);
        return;
    }
    c->why = error;
    if (c->call != NULL)
        vetch__upload_stop(c->call->upload);
    vetch__client_conn_timer_stop(c);
    opening = c->state == VETCH__CLIENT_OPENING;
    vetch__http_pool_closing(&c->client->pool, &c->slot);
    c->state = VETCH__CLIENT_OVER;
    if (c->transport != NULL)
        vetch_transport_abort(c->transport);
    else if (opening)
        vetch__promise_cancel_node(c->client->reactor,
                                   vetch__room_watch(&c->opening));
}

/* Close a connection that has no call (any more). */
void
vetch__client_conn_close(struct vetch__client_conn *c)
{
    vetch__client_conn_timer_stop(c);
    vetch__http_pool_closing(&c->client->pool, &c->slot);
    c->state = VETCH__CLIENT_OVER;
    vetch_transport_close(c->transport);
}

/* ---- what the transport tells ---- */

static void
conn_received(vetch_protocol *p, vetch_buffer *input)
{
    struct vetch__client_conn *c = client_conn_of(p);
    vetch_http_client *client = vetch_http_client_ref(c->client);

    if (c->state == VETCH__CLIENT_IDLE)
        vetch__client_conn_close(c); /* a response to nothing */
    else if (c->call != NULL)
        vetch__client_conn_read(c, input);
    vetch_http_client_unref(client);
}

static bool
conn_ended(vetch_protocol *p)
{
    struct vetch__client_conn *c = client_conn_of(p);
    vetch_http_client *client = vetch_http_client_ref(c->client);

    if (c->tunnel && c->response != NULL) { /* our side is the user's to end */
        c->peer_ended = true;
        vetch__response_stream_ended(c->response);
        vetch_http_client_unref(client);
        return true;
    }
    if (c->state == VETCH__CLIENT_BODY && vetch__http_body_eof(&c->body)) {
        c->keep = false;
        vetch__client_conn_finish(c, true);
    }
    vetch_http_client_unref(client);
    return false;
}

/* ---- writing ---- */

static void
send_request(struct vetch__client_conn *c)
{
    const struct vetch__http_origin *o = c->slot.origin;
    size_t len = o->len - 4;
    const char *own = o->endpoint[1] == 'l' ? ":443" : ":80";
    size_t own_len = strlen(own);

    /* The scheme's own port is not part of the Host. */
    if (len > own_len &&
        memcmp(o->endpoint + o->len - own_len, own, own_len) == 0)
        len -= own_len;
    memset(&c->gate, 0, sizeof(c->gate));
    c->state = VETCH__CLIENT_HEAD;
    c->heard = false;
    c->informational = 0;
    c->uses++;
    c->client->requests++;
    if (vetch__http_call_write(c->call, c->transport, o->endpoint + 4, len) <
        0) {
        vetch__client_conn_stop(c, vetch_error_from_errno(errno, "write"));
        return;
    }
    vetch__upload_start(c->call->upload, c);
    if (c->state == VETCH__CLIENT_OVER)
        return;
    c->unsent = vetch_transport_buffered(c->transport);
    vetch__client_conn_timer_start(c, c->client->head_ns);
}

/* The kernel has taken the last byte of a request that it could not take at
 * once: from now on the server is waited for. */
static void
conn_sent(vetch_protocol *p)
{
    struct vetch__client_conn *c = client_conn_of(p);

    c->stamp = vetch__clock_now(c->client->reactor);
    if (c->tunnel && c->response != NULL)
        vetch__response_stream_drained(c->response);
    else if (c->call != NULL)
        vetch__upload_go_on(c->call->upload);
    if (c->state == VETCH__CLIENT_HEAD)
        vetch__client_conn_timer_start(c, c->client->head_ns);
}

static void
conn_write_ended(vetch_protocol *p)
{
    struct vetch__client_conn *c = client_conn_of(p);

    if (c->tunnel && c->response != NULL)
        vetch__response_stream_write_ended(c->response);
}

/* ---- the beginning and the end ---- */

/* Whether the call may be tried once more, on a fresh connection: this one was
 * used before, and died before it said anything, as happens when a server
 * closes an idle connection while our request is on its way. */
static bool
may_retry(const struct vetch__client_conn *c)
{
    const vetch_http_call *call = c->call;

    return c->why == NULL && c->state == VETCH__CLIENT_HEAD && !c->heard &&
           c->uses > 1 && call->idempotent && c->client->options.retry &&
           vetch__upload_is_untouched(call->upload) && !c->client->ended;
}

static vetch_error *
truncated_body(const struct vetch__client_conn *c, const vetch_error *reason)
{
    char what[96] = "the connection ended in the middle of the body";

    if (c->body.framing == VETCH__HTTP_LENGTH)
        snprintf(what, sizeof(what),
                 "the connection ended, %" PRIu64
                 " bytes of the body are missing",
                 c->body.left);
    return reason != NULL
               ? vetch_error_wrap_code(reason, VETCH_ETRUNCATED, "%s", what)
               : vetch_error_new(VETCH_ETRUNCATED, "%s", what);
}

/* Why the call failed. `reason` is the transport's, or the connecting's. */
static vetch_error *
why_failed(struct vetch__client_conn *c, const vetch_error *reason)
{
    vetch_error *why = c->why;

    c->why = NULL;
    if (why != NULL)
        return why;
    if (c->state == VETCH__CLIENT_OPENING)
        return vetch_error_ref(reason);
    if (c->state == VETCH__CLIENT_BODY)
        return truncated_body(c, reason);
    if (reason != NULL)
        return vetch_error_ref(reason);
    return vetch_error_new(VETCH_EEOF, "the connection ended %s",
                           c->heard ? "in the middle of the head"
                                    : "without a response");
}

/* The call of a connection that is gone: try it again, or let it fail. */
static void
give_up_call(struct vetch__client_conn *c, const vetch_error *reason)
{
    vetch_http_call *call = c->call;
    vetch_http_response *r = c->response;
    vetch_error *error = NULL;

    /* A tunnel that both sides have ended, or that was closed, ends well. */
    if (!c->tunnel || reason != NULL || c->why != NULL)
        error = why_failed(c, reason);
    c->call = NULL;
    c->response = NULL;
    if (call->stream && r != NULL)
        vetch__http_response_detach(r, vetch_error_ref(error));
    else
        vetch_http_response_unref(r);
    vetch__http_call_fail(call, error);
}

/* Nothing of the connection is left but its memory. */
static void
conn_gone(struct vetch__client_conn *c, const vetch_error *reason)
{
    vetch_http_client *client = vetch_http_client_ref(c->client);

    vetch__client_conn_timer_stop(c);
    c->transport = NULL;
    if (c->call != NULL)
        vetch__upload_stop(c->call->upload);
    if (c->call != NULL && may_retry(c)) {
        vetch_http_call *call = c->call;

        c->call = NULL;
        call->conn = NULL;
        c->state = VETCH__CLIENT_OVER;
        vetch__http_pool_replace(&client->pool, &c->slot, &call->waiter);
    } else {
        if (c->call != NULL)
            give_up_call(c, reason);
        c->state = VETCH__CLIENT_OVER;
        vetch__http_pool_gone(&client->pool, &c->slot);
    }
    vetch_error_unref(c->why);
    c->why = NULL;
    client->n_conns--;
    vetch_http_client_unref(client);
}

static void
conn_connected(vetch_protocol *p, vetch_transport *t)
{
    (void)t;
    if (client_conn_of(p)->state == VETCH__CLIENT_OPENING)
        send_request(client_conn_of(p));
}

static void
conn_lost(vetch_protocol *p, const vetch_error *reason)
{
    conn_gone(client_conn_of(p), reason);
}

static void
conn_free(vetch_protocol *p)
{
    vetch__free(client_conn_of(p));
}

static const vetch_protocol_class conn_class = {
    .size = sizeof(conn_class),
    .connected = conn_connected,
    .received = conn_received,
    .ended = conn_ended,
    .write_resumed = conn_sent,
    .write_ended = conn_write_ended,
    .lost = conn_lost,
    .free = conn_free,
};

/* NULL, or why the connection cannot be used. */
static vetch_error *
attach_conn(struct vetch__client_conn *c, vetch_transport *t)
{
    if (c->state != VETCH__CLIENT_OPENING)
        return vetch_error_ref(&vetch__error_canceled); /* it came too late */
    vetch__transport_set_limits(t, &c->client->transport_limits);
    if (vetch_transport_attach(t, &c->protocol) < 0)
        return vetch_error_from_errno(errno, "connect %s",
                                      c->slot.origin->endpoint + 4);
    c->transport = t;
    return NULL;
}

/* The attempt to connect has ended. */
static void
conn_opened(void *ctx, vetch_promise *source)
{
    struct vetch__client_conn *c = ctx;
    vetch_error *error;
    void *transport;

    if (!vetch__promise_take_any(source, &transport, &error))
        error = vetch_error_new(VETCH_EMISUSE, "the connection is shared");
    if (transport != NULL)
        error = attach_conn(c, transport);
    vetch_transport_unref(transport); /* unless it took c: aborted */
    if (error != NULL) {
        conn_gone(c, error);
        vetch_error_unref(error);
        vetch__free(c);
    }
}

/* Without a context of the client's own, TLS is what the endpoint says. */
static vetch_promise *
connect_to(vetch_http_client *client, const char *endpoint)
{
    bool tls = endpoint[1] == 'l';

    return vetch__connect(endpoint, tls ? client->options.tls : NULL, NULL);
}

static struct vetch__http_slot *
conn_open(struct vetch__http_pool *pool, struct vetch__http_origin *origin,
          struct vetch__http_waiter *w)
{
    vetch_http_client *client = client_of(pool);
    struct vetch__client_conn *c = vetch__calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->protocol.class_ = &conn_class;
    c->client = client;
    c->call = vetch__http_call_of(w);
    c->call->conn = c;
    client->n_conns++;
    client->opened++;
    vetch__watch_in(client->reactor, &c->opening,
                    connect_to(client, origin->endpoint), conn_opened, c);
    vetch__client_conn_timer_start(c, client->connect_ns);
    return &c->slot;
}

/* ---- the rest of what the pool asks for ---- */

static void
conn_fail(struct vetch__http_waiter *w)
{
    vetch_http_call *call = vetch__http_call_of(w);

    vetch__http_call_fail(call, call->client->ended ? &vetch__error_closed
                                                    : &vetch__error_no_memory);
}

static void
conn_serve(struct vetch__http_slot *slot, struct vetch__http_waiter *w)
{
    struct vetch__client_conn *c = conn_of_slot(slot);

    c->call = vetch__http_call_of(w);
    c->call->conn = c;
    vetch_transport_set_background(c->transport, false);
    send_request(c);
}

static void
conn_idle(struct vetch__http_slot *slot)
{
    struct vetch__client_conn *c = conn_of_slot(slot);

    c->state = VETCH__CLIENT_IDLE;
    vetch_transport_set_background(c->transport, true);
    vetch__client_conn_timer_start(c, c->idle_ns);
}

/* Bytes that nobody asked for, or the end, may have come without our having
 * been told yet, even with the response before, in the same dispatch. So each
 * reuse costs a look at the socket. */
static bool
conn_usable(struct vetch__http_slot *slot)
{
    struct vetch__client_conn *c = conn_of_slot(slot);

    return c->state != VETCH__CLIENT_OVER &&
           vetch__transport_is_quiet(c->transport);
}

static void
conn_close_idle(struct vetch__http_slot *slot)
{
    vetch__client_conn_close(conn_of_slot(slot));
}

const struct vetch__http_pool_class vetch__http_pool_class = {
    .open = conn_open,
    .fail = conn_fail,
    .serve = conn_serve,
    .idle = conn_idle,
    .usable = conn_usable,
    .close = conn_close_idle,
};

/* ---- time ---- */

/* Whether some of the request has left since the timer fired last: as long as
 * it is on its way, nothing is due from the server. */
static bool
is_sending(struct vetch__client_conn *c)
{
    size_t unsent = vetch_transport_buffered(c->transport);
    bool moved = unsent > 0 && unsent < c->unsent;

    c->unsent = unsent;
    return moved;
}

static void
head_timeout(struct vetch__client_conn *c)
{
    double seconds = c->client->options.head_seconds;
    const char *what;

    if (is_sending(c) ||
        (c->unsent == 0 && vetch__upload_is_waiting(c->call->upload))) {
        vetch__client_conn_timer_start(c, c->client->head_ns);
        return;
    }
    what =
        c->unsent > 0 ? "nothing of the request could be sent" : "no response";
    vetch__client_conn_stop(
        c, vetch_error_new(VETCH_ETIMEDOUT, "%s within %g s", what, seconds));
}

static void
body_timeout(struct vetch__client_conn *c)
{
    vetch_http_client *client = c->client;
    uint64_t quiet = vetch__clock_fresh(client->reactor) - c->stamp;

    if (is_sending(c))
        vetch__client_conn_timer_start(c, client->body_ns);
    else if (quiet < client->body_ns)
        vetch__client_conn_timer_start(c, client->body_ns - quiet);
    else
        vetch__client_conn_stop(
            c,
            vetch_error_new(VETCH_ETIMEDOUT, "no more of the body within %g s",
                            client->options.body_idle_seconds));
}

static vetch_error *
connect_timed_out(const struct vetch__client_conn *c)
{
    vetch_error *cause =
        vetch_error_new(VETCH_ETIMEDOUT, "no connection within %g s",
                        c->client->options.connect_seconds);
    vetch_error *e = vetch_error_wrap_code(cause, VETCH_ECONNECT, "connect %s",
                                           c->slot.origin->endpoint + 4);

    vetch_error_unref(cause);
    return e;
}

static void
conn_timeout(struct vetch__timer *timer)
{
    struct vetch__client_conn *c =
        vetch__container(timer, struct vetch__client_conn, timer);

    switch (c->state) {
    case VETCH__CLIENT_OPENING:
        vetch__client_conn_stop(c, connect_timed_out(c));
        break;
    case VETCH__CLIENT_HEAD:
        head_timeout(c);
        break;
    case VETCH__CLIENT_BODY:
        body_timeout(c);
        break;
    case VETCH__CLIENT_IDLE:
        vetch__client_conn_close(c);
        break;
    default:
        break;
    }
}

void
vetch__client_conn_resume(struct vetch__client_conn *c)
{
    if (c->state != VETCH__CLIENT_BODY)
        return;
    vetch_transport_resume(c->transport);
    if (!c->tunnel && !vetch__timer_active(&c->timer)) {
        c->stamp = vetch__clock_now(c->client->reactor);
        vetch__client_conn_timer_start(c, c->client->body_ns);
    }
}
