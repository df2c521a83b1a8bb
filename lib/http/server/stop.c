/* How a server stops.
 *
 *   RUNNING -> STOPPING   vetch_http_server_stop(): nothing is accepted, idle
 *                         connections close, every response says `close`
 *           -> OVER       the listener has stopped, and every handler has
 *                         ended, those of clients that left included
 *
 * At the deadline handlers are cancelled; a second later the listener aborts
 * what is left. A handler that does not end then keeps the stop waiting, since
 * it may still use what the program will free, and is named. */

#include "http/server/server-private.h"

#include <errno.h>
#include <math.h>

#include <vetch/error.h>
#include <vetch/log.h>

#include "base/check-private.h"
#include "base/error-private.h"

/* From cancelling to aborting. */
#define LAST_SECONDS 1.0

static struct vetch__http_conn *
conn_at(struct vetch__list *link)
{
    return vetch__container(link, struct vetch__http_conn, link);
}

/* ---- the end ---- */

static void
server_is_over(vetch_http_server *s, const vetch_error *error)
{
    s->object.state = VETCH__SERVER_OVER;
    vetch__stop_settle(&s->stop, error);
    vetch__member_remove(s->reactor, &s->member);
    vetch_http_server_unref(s);
}

void
vetch__http_server_end_if_idle(vetch_http_server *s)
{
    if (s->listener_over && s->object.state == VETCH__SERVER_STOPPING &&
        vetch__list_empty(&s->orphans) && vetch__list_empty(&s->leaving))
        server_is_over(s, NULL);
}

static void
listener_is_over(void *ctx, vetch_promise *p)
{
    vetch_http_server *s = ctx;

    s->listener_over = true;
    if (vetch_promise_state(p) == VETCH_FULFILLED) {
        const vetch_stop_report *report = vetch_promise_value(p);

        s->stop.report->cut = vetch_stop_report_cut(report);
        s->stop.report->canceled += vetch_stop_report_canceled(report);
        vetch__http_server_end_if_idle(s);
    } else { /* the reactor ends: handlers get no more time */
        server_is_over(s, vetch_promise_error(p));
    }
    vetch_promise_unref(p);
}

/* ---- hurrying ---- */

/* A request whose handler runs and was not cancelled yet, or NULL. */
static vetch_http_request *
next_to_cancel(struct vetch__http_conn *c)
{
    struct vetch__list *link;

    for (link = c->requests.next; link != &c->requests; link = link->next) {
        vetch_http_request *r = vetch__http_request_at(link);

        if (r->life == VETCH__R_PENDING && !r->canceled)
            return r;
    }
    return NULL;
}

/* Cancelling calls the program, which may answer other requests meanwhile: look
 * from the start each time. Connections stay until the next turn. */
static void
cancel_on_connections(vetch_http_server *s)
{
    struct vetch__list *link;

    for (link = s->connections.next; link != &s->connections;
         link = link->next) {
        vetch_http_request *r;

        while ((r = next_to_cancel(conn_at(link))) != NULL)
            vetch__http_request_cancel(r);
    }
}

/* Those whose response was sent were left alone until now. */
static void
cancel_orphans(vetch_http_server *s)
{
    struct vetch__list all;

    vetch__list_init(&all);
    vetch__list_append(&s->orphans, &all);
    vetch__list_remove(&s->orphans); /* its elements stay with the other */
    while (!vetch__list_empty(&all)) {
        vetch_http_request *r = vetch__http_request_at(all.next);

        vetch__list_remove(&r->link);
        vetch__list_append(&s->orphans, &r->link);
        vetch__http_request_cancel(r);
    }
}

static void
hurry_server(struct vetch__stop *stop, bool at_once)
{
    vetch_http_server *s = vetch__container(stop, vetch_http_server, stop);

    s->hurried_at = vetch__clock_now(s->reactor);
    cancel_on_connections(s);
    cancel_orphans(s);
    vetch_promise_unref(
        vetch_listener_stop(s->listener, at_once ? 0 : LAST_SECONDS));
}

static void
count_left(vetch_http_request *r, size_t *n, vetch_http_request **example)
{
    if (r->life != VETCH__R_PENDING || !r->canceled)
        return;
    *example = r;
    ++*n;
}

/* At the deadline nobody has had time to end, but what was still at work then
 * is worth knowing. */
static void
name_handlers(struct vetch__stop *stop)
{
    vetch_http_server *s = vetch__container(stop, vetch_http_server, stop);
    vetch_http_request *r = NULL;
    struct vetch__list *at, *link;
    size_t n = 0;

    for (at = s->orphans.next; at != &s->orphans; at = at->next)
        count_left(vetch__http_request_at(at), &n, &r);
    for (at = s->connections.next; at != &s->connections; at = at->next)
        for (link = conn_at(at)->requests.next; link != &conn_at(at)->requests;
             link = link->next)
            count_left(vetch__http_request_at(link), &n, &r);
    if (n > 0)
        vetch_log(VETCH_LOG_WARNING,
                  "stop of %s: handlers %s: %zu, such as that of %s %.*s",
                  stop->where,
                  s->hurried_at == vetch__clock_now(s->reactor)
                      ? "had to be cancelled"
                      : "have not ended",
                  n, vetch__http_method_name(r->head.method),
                  vetch__http_log_len(r), r->path);
}

const struct vetch__stop_class vetch__http_stop_class = {
    .hurry = hurry_server,
    .name_left = name_handlers,
};

/* ---- the beginning ---- */

static void
close_idle_connections(vetch_http_server *s)
{
    struct vetch__list *link;

    for (link = s->connections.next; link != &s->connections;
         link = link->next) {
        struct vetch__http_conn *c = conn_at(link);

        if (c->transport != NULL && c->n_in_flight == 0 && c->left == 0)
            vetch__http_conn_close(c);
    }
}

static void
start_stopping(vetch_http_server *s, double seconds)
{
    s->object.state = VETCH__SERVER_STOPPING;
    if (vetch__seconds(seconds) < s->limits.linger_ns)
        s->limits.linger_ns = vetch__seconds(seconds);
    vetch__watch_in(s->reactor, &s->listener_watch,
                    vetch_listener_stop(s->listener, INFINITY),
                    listener_is_over, s);
    close_idle_connections(s);
}

vetch_promise *
vetch_http_server_stop(vetch_http_server *s, double seconds)
{
    VETCH_CHECK(s != NULL, EINVAL, &vetch__misused);
    if (!vetch__stop_is_time(seconds))
        return vetch__failed(EINVAL, "stop");
    if (s->object.state == VETCH__SERVER_OVER)
        return vetch__stop_again(&s->stop);
    if (!vetch__check_thread(&s->reactor->owner, "an HTTP server"))
        return vetch__failed(EPERM, "stop");
    if (s->object.state == VETCH__SERVER_RUNNING)
        start_stopping(s, seconds);
    return vetch__stop_ask(&s->stop, seconds);
}
