/* The client: its options, its lifetime, its statistics.
 *
 * References are the user's and the calls'. With the last one the idle
 * connections close; the memory goes when they have closed. With its reactor a
 * client ends: waiters for a connection are told, and nothing new begins. */

#include "http/client/client-private.h"

#include <errno.h>
#include <string.h>

#include "base/check-private.h"
#include "base/options-private.h"
#include "net/tls_hooks-private.h"
#include "reactor/dump-private.h"

enum {
    STATUS_LINE_BYTES = 8192,
    /* Such a request leaves at once, or the peer's window is closed. */
    SMALL_REQUEST = 16384,
    /* What the transport may hold beside a head of the greatest size. */
    INPUT_MARGIN = 65536,
    DEFAULT_INPUT = 1048576,
    /* Offsets in a head have 32 bits. */
    MAX_HEAD = 1 << 30
};

/* NaN is neither more nor less than anything. */
static bool
client_options_are_valid(const vetch_http_client_options *o)
{
    return o->idle_seconds >= 0 && o->connect_seconds > 0 &&
           o->head_seconds > 0 && o->body_idle_seconds > 0 &&
           o->total_seconds > 0 && o->max_connections > 0 &&
           o->max_per_host > 0 && o->max_head_bytes > 0;
}

static void
set_limits(vetch_http_client *c)
{
    const vetch_http_client_options *o = &c->options;
    size_t head = o->max_head_bytes < MAX_HEAD ? o->max_head_bytes : MAX_HEAD;

    c->head_limits.line_bytes = STATUS_LINE_BYTES;
    c->head_limits.head_bytes = head;
    c->transport_limits = vetch__default_limits;
    if (head > DEFAULT_INPUT - INPUT_MARGIN)
        c->transport_limits.input_bytes = head + INPUT_MARGIN;
    /* What a request holds is in memory already; its connection is told when
     * the kernel has taken the last byte. */
    c->transport_limits.cap_bytes = SIZE_MAX / 2;
    c->transport_limits.low_bytes = 0;
    c->transport_limits.high_bytes = SMALL_REQUEST;
    /* Nothing that a closed connection of ours could still bring matters, and
     * its slot is waited for. */
    c->transport_limits.linger_ns = 0;
    c->connect_ns = vetch__seconds(o->connect_seconds);
    c->head_ns = vetch__seconds(o->head_seconds);
    c->body_ns = vetch__seconds(o->body_idle_seconds);
    c->idle_ns = vetch__seconds(o->idle_seconds);
    c->total_ns = vetch__seconds(o->total_seconds);
}

static void
client_end_with_reactor(struct vetch__member *m)
{
    vetch_http_client *c = vetch__container(m, vetch_http_client, member);

    vetch_http_client_ref(c);
    c->ended = true;
    vetch__member_remove(c->reactor, m);
    vetch__http_pool_end(&c->pool);
    vetch_http_client_unref(c);
}

static void
client_dump(const struct vetch__member *m, struct vetch__dump *d)
{
    const vetch_http_client *c =
        vetch__container(m, const vetch_http_client, member);

    vetch__dump_line(d, 0,
                     "HTTP client, %zu connections, %zu of them idle, %zu "
                     "calls wait for one",
                     c->pool.n_slots, c->pool.n_idle, c->pool.n_waiters);
}

static const struct vetch__member_class client_members = {
    .name = "HTTP client",
    .end = client_end_with_reactor,
    .dump = client_dump,
};

vetch_http_client *
vetch_http_client_new(const vetch_http_client_options *options)
{
    vetch_http_client_options o = VETCH_HTTP_CLIENT_OPTIONS_INIT;
    vetch_reactor *reactor = vetch__reactor;
    vetch_http_client *c;

    VETCH_CHECK(vetch__options_read(&o, sizeof(o), options) &&
                    client_options_are_valid(&o) &&
                    vetch__tls_fits(o.tls, false),
                EINVAL, NULL);
    if (reactor == NULL || reactor->ending) {
        errno = reactor == NULL ? EPERM : ECANCELED;
        return NULL;
    }
    c = vetch__calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    c->object = (struct vetch__object){ .type = VETCH__HTTP_CLIENT, .refs = 1 };
    c->reactor = reactor;
    c->options = o;
    vetch_tls_ref(o.tls);
    set_limits(c);
    vetch__http_pool_init(&c->pool, &vetch__http_pool_class,
                          c->options.max_connections, c->options.max_per_host);
    vetch__member_add(reactor, &c->member, &client_members);
    return c;
}

vetch_http_client *
vetch_http_client_ref(vetch_http_client *c)
{
    if (c != NULL)
        c->object.refs++;
    return c;
}

void
vetch__http_client_settle(vetch_http_client *c)
{
    if (c->object.refs > 0 || c->n_conns > 0)
        return;
    if (!c->ended)
        vetch__member_remove(c->reactor, &c->member);
    vetch__http_pool_done(&c->pool);
    vetch_tls_unref(c->options.tls);
    vetch__free(c);
}

vetch_http_client *
vetch_http_client_unref(vetch_http_client *c)
{
    if (c == NULL || --c->object.refs > 0 || vetch__http_client_is_inherited(c))
        return NULL;
    vetch__http_pool_close_idle(&c->pool);
    vetch__http_client_settle(c);
    return NULL;
}

void
vetch_http_client_get_stats(const vetch_http_client *c,
                            vetch_http_client_stats *ret)
{
    vetch_http_client_stats stats = VETCH_HTTP_CLIENT_STATS_INIT;

    VETCH_CHECK(c != NULL && ret != NULL && ret->size >= sizeof(size_t),
                EINVAL, );
    if (ret->size < stats.size)
        stats.size = ret->size; /* an older program knows fewer of them */
    stats.connections = c->pool.n_slots;
    stats.idle = c->pool.n_idle;
    stats.waiting = c->pool.n_waiters;
    stats.opened = c->opened;
    stats.requests = c->requests;
    memcpy(ret, &stats, stats.size);
}
