/* The life of a request from the moment when it begins; server-private.h draws
 * it.
 *
 * A handler may take any time, and outlive its client. Then its request is an
 * orphan, and what it answers goes nowhere. Handlers are cancelled at the end
 * of the dispatch, because the client may have gone in the middle of a call of
 * the user's. */

#include "http/server/server-private.h"

#include <assert.h>

#include <vetch/error.h>
#include <vetch/log.h>

/* ---- on its connection, and without ---- */

void
vetch__http_request_enlist(struct vetch__http_conn *c, vetch_http_request *r)
{
    r->conn = c;
    vetch__list_append(&c->requests, &r->link);
    c->n_in_flight++;
    c->n_begun++;
    c->waiting = false;
    vetch__http_deadline_reset(c);
}

static void
leave_connection(vetch_http_request *r)
{
    struct vetch__http_conn *c = r->conn;

    assert(c != NULL); /* it leaves once */
    vetch__list_remove(&r->link);
    c->n_in_flight--;
    if (c->reading == r)
        c->reading = NULL;
    r->conn = NULL;
}

void
vetch__http_request_retire(vetch_http_request *r)
{
    if (r->conn != NULL)
        leave_connection(r);
    else
        vetch__list_remove(&r->link); /* perhaps of an orphan */
    vetch__http_request_give(r);
}

void
vetch__http_request_orphan(vetch_http_request *r, const vetch_error *reason)
{
    vetch_http_server *s = r->server;

    leave_connection(r);
    vetch__request_stream_gone(r, reason);
    if (r->life == VETCH__R_PENDING) {
        vetch__list_append(&s->leaving, &r->link);
        vetch__flush_later(s->reactor, &s->leaving_flush);
    } else if (r->life != VETCH__R_RUNNING) {
        vetch__http_request_give(r);
    }
}

void
vetch__http_request_run_on(vetch_http_request *r, const vetch_error *reason)
{
    leave_connection(r);
    vetch__request_stream_gone(r, reason);
    vetch__list_append(&r->server->orphans, &r->link);
}

void
vetch__http_request_cancel(vetch_http_request *r)
{
    if (r->life != VETCH__R_PENDING || r->canceled)
        return;
    r->canceled = true;
    if (r->server->object.state != VETCH__SERVER_RUNNING)
        r->server->stop.report->canceled++;
    vetch__promise_cancel_node(vetch__reactor, vetch__room_watch(&r->watch));
}

void
vetch__http_cancel_leaving(struct vetch__flush *f)
{
    vetch_http_server *s =
        vetch__container(f, vetch_http_server, leaving_flush);

    vetch_http_server_ref(s);
    while (!vetch__list_empty(&s->leaving)) {
        vetch_http_request *r = vetch__http_request_at(s->leaving.next);

        vetch__list_remove(&r->link);
        vetch__list_append(&s->orphans, &r->link);
        vetch__http_request_cancel(r);
    }
    vetch_http_server_unref(s);
}

/* ---- the handler ---- */

static void
log_failure(const vetch_http_request *r, const vetch_error *error)
{
    /* Without a client a handler fails as it should. */
    vetch_log(r->conn != NULL ? VETCH_LOG_WARNING : VETCH_LOG_DEBUG,
              "%s %.*s: %s", vetch__http_method_name(r->head.method),
              vetch__http_log_len(r), r->path, vetch_error_text(error));
}

/* What the handler has not answered is answered for it. */
static void
complete_response(vetch_http_request *r, const vetch_error *error)
{
    bool lost = vetch__request_stream_failed(r);

    vetch__request_stream_leave(r);
    if (error != NULL && !vetch_error_is(error, VETCH_ECANCELED))
        log_failure(r, error);
    vetch__http_reply_forget_fields(r);
    if (r->conn != NULL && r->response == VETCH__RESPONSE_NONE)
        vetch__http_reply_error(r, 500, NULL);
    else if (r->conn != NULL && r->response == VETCH__RESPONSE_BEGUN &&
             r->tunnel && error == NULL && !lost)
        vetch__http_response_ended(r); /* the tunnel ends with its handler */
    else if (r->conn != NULL && r->response == VETCH__RESPONSE_BEGUN)
        vetch__http_conn_abort(r->conn); /* cut off, and recognisably so */
}

/* Nothing runs for it any more; r may be gone afterwards. */
static void
end_life(vetch_http_request *r)
{
    struct vetch__http_conn *c = r->conn;
    vetch_http_server *s = r->server;

    if (vetch__unlikely(r->stream != NULL))
        vetch__request_stream_leave(r);
    r->life = VETCH__R_OVER;
    if (c != NULL && r->response != VETCH__RESPONSE_SENT)
        return; /* its response is held; it is retired when that was sent */
    if (c != NULL) {
        vetch__http_request_retire(r);
        vetch__http_conn_settle(c);
        return;
    }
    vetch_http_server_ref(s);
    vetch__http_request_retire(r);
    vetch__http_server_end_if_idle(s);
    vetch_http_server_unref(s);
}

static void
promise_settled(void *ctx, vetch_promise *p)
{
    vetch_http_request *r = ctx;
    const vetch_error *error = NULL;

    r->life = VETCH__R_RUNNING; /* nobody else ends it meanwhile */
    if (vetch_promise_state(p) == VETCH_REJECTED)
        error = vetch_promise_error(p);
    complete_response(r, error);
    vetch_promise_unref(p);
    end_life(r);
}

static void
wait_for_handler(vetch_http_request *r, vetch_promise *p)
{
    /* Also if the client has gone: its handler may still ask. */
    if (vetch__http_request_keep(r) < 0) {
        vetch_promise_cancel(p);
        if (r->conn != NULL)
            vetch__http_conn_abort(r->conn);
    }
    r->life = VETCH__R_PENDING;
    vetch__watch_in(vetch__reactor, &r->watch, p, promise_settled, r);
    if (r->conn == NULL) { /* it went while its handler ran */
        vetch__list_append(&r->server->orphans, &r->link);
        vetch__http_request_cancel(r);
    }
}

void
vetch__http_call_handler(vetch_http_request *r)
{
    vetch_promise *p;

    r->life = VETCH__R_RUNNING;
    p = r->route->handler(r, r->route->ctx);
    if (vetch__unlikely(p != NULL)) {
        wait_for_handler(r, p);
        return;
    }
    if (vetch__unlikely(r->response < VETCH__RESPONSE_ENDED))
        complete_response(r, NULL);
    end_life(r);
}
