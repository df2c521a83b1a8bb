/* Listeners: how they are made, what they know of their connections, how they
 * end. Accepting is in accept.c.
 *
 * The reactor holds a reference until the listener was stopped and its last
 * connection is lost. */
#include "net/listener-private.h"

#include <errno.h>

#include <vetch/error.h>
#include <vetch/log.h>

#include "base/check-private.h"
#include "base/error-private.h"
#include "base/options-private.h"
#include "promise/watch-private.h"
#include "reactor/dump-private.h"

/* ---- the end ---- */

static void
listener_over(vetch_listener *l)
{
    vetch_free_fn free_ctx = l->free_ctx;

    l->scope = vetch__own_scope_free(l->scope);
    vetch__stop_settle(&l->stop, NULL);
    vetch__member_remove(l->reactor, &l->member);
    l->reactor = NULL;
    l->free_ctx = NULL;
    if (free_ctx != NULL)
        free_ctx(l->ctx);
    vetch_listener_unref(l);
}

static void
listener_scope_ended(void *listener)
{
    listener_over(listener);
}

/* After the last connection, what runs for the listener itself has to stop. */
static void
end_if_idle(vetch_listener *l)
{
    if (!l->stopping || l->n_connections > 0 || l->reactor == NULL)
        return;
    vetch__stop_hurried(&l->stop);
    if (vetch__own_scope_end(l->scope, l->reactor, listener_scope_ended))
        listener_over(l);
}

void
vetch__listener_one_less(vetch_listener *l)
{
    l->n_connections--;
    vetch__accept_watch(l);
    end_if_idle(l);
}

/* ---- the scope ---- */

static void
listener_child_failed(const vetch_error *error, void *ctx)
{
    vetch_listener *l = ctx;

    if (l->on_error != NULL)
        l->on_error(l, error, l->on_error_ctx);
    else
        vetch_log(VETCH_LOG_WARNING, "%s: %s", l->socket.endpoint,
                  vetch_error_text(error));
}

vetch_scope *
vetch_listener_scope(vetch_listener *l)
{
    VETCH_CHECK(l != NULL, EINVAL, NULL);
    if (l->reactor == NULL) {
        errno = ECANCELED;
        return NULL;
    }
    return vetch__own_scope_get(&l->scope, listener_child_failed, l);
}

/* ---- its connections ---- */

/* The connection behind `place`, which is moved behind it; NULL: that was the
 * last. `place` is a member of the list without a class, so that whatever
 * happens to connections meanwhile, the walk does not lose its way. */
static vetch_transport *
next_connection(vetch_listener *l, struct vetch__member *place)
{
    struct vetch__list *at;

    while ((at = place->link.next) != &l->connections) {
        struct vetch__member *m =
            vetch__container(at, struct vetch__member, link);

        vetch__list_remove(&place->link);
        vetch__list_append(at->next, &place->link);
        if (m->class != NULL)
            return vetch__container(m, vetch_transport, member);
    }
    vetch__list_remove(&place->link);
    return NULL;
}

static void
first_place(vetch_listener *l, struct vetch__member *place)
{
    *place = (struct vetch__member){ .class = NULL };
    vetch__list_append(l->connections.next, &place->link);
}

void
vetch_listener_each(vetch_listener *l, vetch_connection_fn fn, void *ctx)
{
    struct vetch__member place;
    vetch_transport *t;

    VETCH_CHECK(l != NULL && fn != NULL, EINVAL, );
    if (l->reactor == NULL ||
        !vetch__check_thread(&l->reactor->owner, "a listener"))
        return;
    vetch_listener_ref(l);
    first_place(l, &place);
    while ((t = next_connection(l, &place)) != NULL) {
        if (vetch__transport_is_open(t))
            fn(t, t->protocol, ctx);
    }
    vetch_listener_unref(l);
}

bool
vetch__listener_is_stopping(const vetch_listener *l)
{
    return l->stopping;
}

void
vetch__listener_canceled(vetch_listener *l, size_t n)
{
    if (l->stopping)
        l->stop.report->canceled += n;
}

void
vetch__listener_lost_one(vetch_listener *l, vetch_transport *t)
{
    t->listener = NULL;
    vetch__accept_uncount(l, t);
    if (l->stopping && (t->flags & VETCH__T_CUT) != 0)
        l->stop.report->cut++;
    else if (l->stopping)
        l->stop.report->ended++;
    vetch__listener_one_less(l);
}

/* ---- how it ends ---- */

static void
stop_accepting(vetch_listener *l)
{
    if (l->stopping)
        return;
    l->stopping = true;
    vetch__accept_stop(l);
    vetch__listen_close(&l->socket);
}

static void
listener_end_with_reactor(struct vetch__member *self)
{
    vetch_listener *l = vetch__container(self, vetch_listener, member);
    struct vetch__member place;
    vetch_transport *t;

    vetch_listener_ref(l);
    stop_accepting(l);
    vetch__stop_settle(&l->stop, &vetch__error_closed);
    first_place(l, &place);
    while ((t = next_connection(l, &place)) != NULL)
        t->member.class->end(&t->member);
    vetch__greetings_drop(l);
    end_if_idle(l);
    vetch_listener_unref(l);
}

/* Whether it accepts, or one of its connections keeps a run going. */
static bool
listener_is_alive(const struct vetch__member *self)
{
    const vetch_listener *l =
        vetch__container(self, const vetch_listener, member);
    const struct vetch__list *at = l->connections.next;

    if (!self->background && !l->stopping)
        return true;
    while (at != &l->connections &&
           vetch__container(at, const struct vetch__member, link)->background)
        at = at->next;
    return at != &l->connections;
}

static void
listener_dump(const struct vetch__member *self, struct vetch__dump *d)
{
    const vetch_listener *l =
        vetch__container(self, const vetch_listener, member);

    vetch__dump_line(d, 0, "listener %s%s, %zu connections", l->socket.endpoint,
                     l->stopping ? ", stopping" : "", l->n_connections);
    for (const struct vetch__list *at = l->connections.next;
         at != &l->connections; at = at->next)
        vetch__transport_dump(
            vetch__container(at, const struct vetch__member, link), d, 1);
}

static const struct vetch__member_class listener_members = {
    .name = "listener",
    .end = listener_end_with_reactor,
    .is_alive = listener_is_alive,
    .dump = listener_dump,
};

void
vetch_listener_set_background(vetch_listener *l, bool on)
{
    VETCH_CHECK(l != NULL, EINVAL, );
    l->member.background = on;
}

static void
cut_connections(struct vetch__stop *stop, bool at_once)
{
    vetch_listener *l = vetch__container(stop, vetch_listener, stop);
    struct vetch__member place;
    vetch_transport *t;

    (void)at_once;
    first_place(l, &place);
    while ((t = next_connection(l, &place)) != NULL)
        vetch__transport_cut(t);
    vetch__greetings_drop(l);
}

static void
name_operations(const vetch_listener *l, const char *whose,
                const struct vetch__own_scope *s)
{
    vetch_log(VETCH_LOG_WARNING,
              "stop of %s: operations of %s have not ended: %zu, such as %s",
              l->socket.endpoint, whose, vetch__own_scope_count(s),
              vetch__own_scope_example(s));
}

/* What runs for connections that are over, and for the listener after its last
 * one, was asked to end. */
static void
name_left(struct vetch__stop *stop)
{
    vetch_listener *l = vetch__container(stop, vetch_listener, stop);
    struct vetch__member place;
    vetch_transport *t;

    first_place(l, &place);
    while ((t = next_connection(l, &place)) != NULL) {
        if (vetch__transport_state(t) == VETCH__T_OVER &&
            vetch__own_scope_count(t->scope) > 0)
            name_operations(l, vetch_transport_peer(t), t->scope);
    }
    if (l->scope != NULL && l->scope->ending)
        name_operations(l, "the listener", l->scope);
}

static const struct vetch__stop_class stop_class = {
    .hurry = cut_connections,
    .name_left = name_left,
};

vetch_promise *
vetch_listener_stop(vetch_listener *l, double seconds)
{
    vetch_promise *p;

    VETCH_CHECK(l != NULL, EINVAL, &vetch__misused);
    if (!vetch__stop_is_time(seconds))
        return vetch__failed(EINVAL, "stop");
    if (l->reactor == NULL)
        return vetch__stop_again(&l->stop);
    if (!vetch__check_thread(&l->reactor->owner, "a listener"))
        return vetch__failed(EPERM, "stop");
    vetch_listener_ref(l);
    stop_accepting(l);
    p = vetch__stop_ask(&l->stop, seconds);
    end_if_idle(l);
    vetch_listener_unref(l);
    return p;
}

/* ---- making one ---- */

vetch_listener *
vetch_listener_new(const char *endpoint, vetch_protocol_fn make, void *ctx,
                   const vetch_listener_options *options)
{
    return vetch_listener_new_owned(endpoint, make, ctx, NULL, options);
}

static vetch_listener *
new_listener(vetch_reactor *r)
{
    vetch_listener *l = vetch__calloc(1, sizeof(*l));

    if (l == NULL)
        return NULL;
    l->object = (struct vetch__object){ .type = VETCH__LISTENER, .refs = 1 };
    l->reactor = r;
    l->socket.fd = -1;
    vetch__list_init(&l->starved);
    vetch__list_init(&l->connections);
    return l;
}

/* 0: there is no limit. -1 and ENOMEM. */
static int
count_addresses(vetch_listener *l, size_t limit)
{
    if (limit == 0)
        return 0;
    l->counts = vetch__address_counts_new(limit);
    return l->counts != NULL ? 0 : -1;
}

static void
free_listener(vetch_listener *l)
{
    vetch__greeter_free(l->greeter);
    vetch__address_counts_free(l->counts);
    vetch__listen_done(&l->socket);
    vetch__stop_done(&l->stop);
    vetch__free(l);
}

vetch_listener *
vetch_listener_new_owned(const char *endpoint, vetch_protocol_fn make,
                         void *ctx, vetch_free_fn free_ctx,
                         const vetch_listener_options *options)
{
    vetch_listener_options o = VETCH_LISTENER_OPTIONS_INIT;
    vetch_reactor *r = vetch__reactor;
    struct vetch__endpoint e;
    size_t per_address;
    vetch_listener *l;

    VETCH_CHECK(endpoint != NULL && make != NULL, EINVAL, NULL);
    VETCH_CHECK(vetch__options_read(&o, sizeof(o), options) &&
                    o.unix_mode <= 0777 && o.max_per_address > 0 &&
                    o.accept_budget > 0 && vetch__tls_fits(o.tls, true),
                EINVAL, NULL);
    if (r == NULL || r->ending) {
        errno = r == NULL ? EPERM : ECANCELED;
        return NULL;
    }
    if (vetch__endpoint_parse(&e, endpoint, VETCH__TO_LISTEN) != NULL) {
        errno = EINVAL;
        return NULL;
    }
    if (o.unix_mode != 0)
        e.mode = o.unix_mode;
    per_address = o.max_per_address != VETCH_NO_LIMIT ? o.max_per_address
                                                      : e.max_per_address;
    e.tls = e.tls || o.tls != NULL;
    if (vetch__accept_prepare(r) == NULL)
        return NULL;
    l = new_listener(r);
    if (l == NULL)
        return NULL;
    if (count_addresses(l, per_address) < 0 ||
        vetch__greeter_new(&l->greeter, &e, o.tls) < 0 ||
        vetch__listen_open(&l->socket, &e, SOCK_STREAM) < 0 ||
        vetch__stop_init(&l->stop, r, &stop_class, l->socket.endpoint) < 0 ||
        vetch__accept_start(l) < 0) {
        free_listener(l);
        return NULL;
    }
    l->socket.lent = false;
    l->object.refs++; /* the reactor's */
    l->make = make;
    l->ctx = ctx;
    l->free_ctx = free_ctx;
    l->limit = o.max_connections;
    l->budget = o.accept_budget;
    if (l->limit == 0)
        vetch__accept_unwatch(l);
    vetch__member_add(r, &l->member, &listener_members);
    return l;
}

/* ---- looking at one, references ---- */

const char *
vetch_listener_endpoint(const vetch_listener *l)
{
    VETCH_CHECK(l != NULL, EINVAL, "");
    return l->socket.endpoint;
}

unsigned
vetch_listener_port(const vetch_listener *l)
{
    VETCH_CHECK(l != NULL, EINVAL, 0);
    return l->socket.port;
}

void
vetch_listener_set_limit(vetch_listener *l, size_t limit)
{
    VETCH_CHECK(l != NULL, EINVAL, );
    if (l->reactor != NULL &&
        !vetch__check_thread(&l->reactor->owner, "a listener"))
        return;
    l->limit = limit;
    if (l->reactor == NULL)
        return;
    if (l->n_connections >= limit)
        vetch__accept_unwatch(l);
    else
        vetch__accept_watch(l);
}

void
vetch_listener_pause(vetch_listener *l)
{
    VETCH_CHECK(l != NULL, EINVAL, );
    if (l->reactor == NULL ||
        !vetch__check_thread(&l->reactor->owner, "a listener"))
        return;
    l->paused = true;
    vetch__accept_unwatch(l);
}

void
vetch_listener_resume(vetch_listener *l)
{
    VETCH_CHECK(l != NULL, EINVAL, );
    if (l->reactor == NULL ||
        !vetch__check_thread(&l->reactor->owner, "a listener"))
        return;
    l->paused = false;
    vetch__accept_watch(l);
}

size_t
vetch_listener_connections(const vetch_listener *l)
{
    VETCH_CHECK(l != NULL, EINVAL, 0);
    return l->n_connections;
}

void
vetch_listener_set_error_fn(vetch_listener *l, vetch_listener_error_fn fn,
                            void *ctx)
{
    VETCH_CHECK(l != NULL, EINVAL, );
    l->on_error = fn;
    l->on_error_ctx = ctx;
}

vetch_listener *
vetch_listener_ref(vetch_listener *l)
{
    if (l != NULL)
        l->object.refs++;
    return l;
}

vetch_listener *
vetch_listener_unref(vetch_listener *l)
{
    if (l != NULL && --l->object.refs == 0 &&
        !vetch__reactor_is_inherited(l->reactor))
        free_listener(l);
    return NULL;
}
