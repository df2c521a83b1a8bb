/* Name resolution that never blocks the loop: getaddrinfo(3) on threads of its
 * own, so that a slow name server holds up neither the loop nor other jobs.
 *
 * Who asks for a name that is being looked up joins that lookup, and what was
 * found is kept for a while. getaddrinfo() does not tell for how long it is
 * true, so the time is ours.
 *
 * What cannot be interrupted is left behind: a lookup that is cancelled or late
 * settles at once, and its thread comes back when the system has given up. A
 * job owns all that it uses for that reason, and the end of the reactor does
 * not wait for it. */
#include "net/resolver-private.h"

#include <errno.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <vetch/error.h>
#include <vetch/executor.h>

#include "base/check-private.h"
#include "base/error-private.h"
#include "net/name_cache-private.h"
#include "net/net-private.h"
#include "net/sockaddr-private.h"
#include "promise/executor-private.h"
#include "promise/watch-private.h"

/* A lookup takes no longer, whatever the system's resolver thinks. */
#define DEADLINE UINT64_C(10000000000)

enum { THREADS = 4, QUEUE = 256 };

/* What is kept unless the program says otherwise. */
#define CACHE_NAMES        ((size_t)256)
#define CACHE_TTL          UINT64_C(30000000000)
#define CACHE_NEGATIVE_TTL UINT64_C(5000000000)

int (*vetch__getaddrinfo)(const char *, const char *, const struct addrinfo *,
                          struct addrinfo **) = getaddrinfo;

/* Of one name, for everybody who waits for it. Exists until its job has
 * settled: then no thread uses it any more. */
struct lookup {
    struct vetch__list link;    /* while somebody waits */
    struct vetch__list waiters; /* none once it is given up */
    vetch_promise *job;         /* the watch */
    vetch_reactor *reactor;
    struct vetch__timer deadline;
    atomic_bool begun;              /* on a thread */
    char host[VETCH__HOST_MAX + 2]; /* in lower case */
};

struct waiter {
    struct vetch__list link;
    struct lookup *lookup;
    vetch_deferred *deferred;
    unsigned port;
};

static void
release_addresses(void *addresses)
{
    vetch_addresses_unref(addresses);
}

/* ---- on a thread ---- */

static vetch_error *
lookup_error(const char *host, int result, int errnum)
{
    switch (result) {
    case EAI_NONAME:
#ifdef EAI_NODATA
    case EAI_NODATA:
#endif
        return vetch_error_new(VETCH_ENOTFOUND, "resolve %s: no such name",
                               host);
    case EAI_MEMORY:
        return vetch_error_new(VETCH_ENOMEM, "resolve %s: out of memory", host);
    case EAI_SYSTEM:
        return vetch_error_from_errno(errnum, "resolve %s", host);
    default:
        return vetch_error_new(VETCH_ERESOLVE, "resolve %s: %s", host,
                               gai_strerror(result));
    }
}

static void *
look_up(void *arg, vetch_error **ret_error)
{
    static const struct addrinfo hints = { .ai_family = AF_UNSPEC,
                                           .ai_socktype = SOCK_STREAM };
    struct lookup *l = arg;
    struct addrinfo *list = NULL;
    vetch_addresses *found;
    int result;

    atomic_store(&l->begun, true);
    result = vetch__getaddrinfo(l->host, NULL, &hints, &list);

    if (result != 0) {
        *ret_error = lookup_error(l->host, result, errno);
        return NULL;
    }
    found = vetch__addresses_found(list, 0);
    freeaddrinfo(list);
    if (found == NULL) {
        *ret_error = lookup_error(l->host, EAI_MEMORY, 0);
    } else if (found->n == 0) {
        found = vetch_addresses_unref(found);
        *ret_error = lookup_error(l->host, EAI_NONAME, 0);
    }
    return found;
}

/* ---- on the reactor's ---- */

/* Borrows both. */
static void
settle_waiter(struct waiter *w, vetch_addresses *found,
              const vetch_error *error)
{
    vetch_deferred *d = w->deferred;
    unsigned port = w->port;

    vetch__list_remove(&w->link);
    vetch__free(w);
    if (found != NULL)
        found = vetch__addresses_with_port(found, port);
    else if (error == NULL)
        error = &vetch__error_no_memory;
    if (found != NULL)
        vetch_deferred_resolve(d, found, release_addresses);
    else
        vetch_deferred_reject(d, vetch_error_ref(error));
    vetch_deferred_unref(d);
}

/* Nobody waits any more, and nobody is to join. */
static void
leave_lookup(struct lookup *l)
{
    vetch__list_remove(&l->link);
    vetch__timer_stop(l->reactor, &l->deadline);
}

/* All promises settle now; the job may go on. Borrows both. */
static void
settle_lookup(struct lookup *l, vetch_addresses *found,
              const vetch_error *error)
{
    leave_lookup(l);
    while (!vetch__list_empty(&l->waiters))
        settle_waiter(vetch__container(l->waiters.next, struct waiter, link),
                      found, error);
}

/* Nobody waits any more. What has begun may as well end: whoever asks next will
 * find it in the cache. */
static void
give_up_lookup(struct lookup *l)
{
    if (!atomic_load(&l->begun))
        vetch__promise_cancel_node(l->reactor, l->job);
}

static void
lookup_is_late(struct vetch__timer *timer)
{
    struct lookup *l = vetch__container(timer, struct lookup, deadline);
    vetch_error *error = vetch_error_new(
        VETCH_ETIMEDOUT, "resolve %s: no answer in time", l->host);

    settle_lookup(l, NULL, error);
    vetch_error_unref(error);
    give_up_lookup(l);
}

static void
cancel_waiter(vetch_deferred *d, void *ctx)
{
    struct waiter *w = ctx;
    struct lookup *l = w->lookup;

    (void)d;
    settle_waiter(w, NULL, &vetch__error_canceled);
    if (!vetch__list_empty(&l->waiters))
        return;
    leave_lookup(l);
    give_up_lookup(l);
}

/* What is true for a while: addresses, and that there is no such name. */
static void
remember_lookup(const struct lookup *l, vetch_addresses *found,
                vetch_error *error)
{
    struct vetch__net *net = l->reactor->net;

    if (net != NULL && net->names != NULL &&
        (found != NULL || vetch_error_code(error) == VETCH_ENOTFOUND))
        vetch__name_cache_put(net->names, l->host, vetch__clock_now(l->reactor),
                              found, error);
}

static void
lookup_settled(void *ctx, vetch_promise *job)
{
    struct lookup *l = ctx;
    vetch_addresses *found = NULL;
    vetch_error *error = NULL;

    if (vetch_promise_state(job) == VETCH_REJECTED)
        error = vetch_error_ref(vetch_promise_error(job));
    else
        found = vetch_promise_value(job);
    remember_lookup(l, found, error);
    settle_lookup(l, found, error);
    vetch_error_unref(error);
    vetch_promise_unref(job);
    vetch__free(l);
}

static vetch_executor *
resolver_of(struct vetch__net *net)
{
    vetch_executor_options options = VETCH_EXECUTOR_OPTIONS_INIT;

    if (net->resolver == NULL) {
        options.n_threads = THREADS;
        options.queue_limit = QUEUE;
        net->resolver = vetch__executor_new_expendable(&options);
    }
    return net->resolver;
}

static struct vetch__name_cache *
names_of(struct vetch__net *net)
{
    if (net->names == NULL)
        net->names =
            vetch__name_cache_new(CACHE_NAMES, CACHE_TTL, CACHE_NEGATIVE_TTL);
    return net->names;
}

void
vetch__resolver_done(struct vetch__net *net)
{
    while (!vetch__list_empty(&net->lookups))
        vetch__list_remove(net->lookups.next);
    net->resolver = vetch_executor_unref(net->resolver);
    net->names = vetch__name_cache_free(net->names);
}

/* ---- joining a lookup ---- */

static struct lookup *
new_lookup(vetch_reactor *r, const char *host)
{
    struct lookup *l = vetch__calloc(1, sizeof(*l));

    if (l == NULL)
        return NULL;
    l->reactor = r;
    vetch__list_init(&l->link);
    vetch__list_init(&l->waiters);
    memcpy(l->host, host, strlen(host) + 1); /* its length was looked at */
    return l;
}

static struct lookup *
find_lookup(struct vetch__net *net, const char *host)
{
    struct vetch__list *at;

    for (at = net->lookups.next; at != &net->lookups; at = at->next) {
        struct lookup *l = vetch__container(at, struct lookup, link);

        if (strcmp(l->host, host) == 0)
            return l;
    }
    return NULL;
}

/* Submit the job; -1 and errno, if it cannot be watched. */
static int
submit_lookup(struct lookup *l, vetch_executor *executor)
{
    vetch_promise *p =
        vetch_executor_submit(executor, look_up, l, release_addresses);

    l->job = vetch__watch(l->reactor, p, lookup_settled, l);
    if (l->job != NULL)
        return 0;
    vetch_promise_cancel(p); /* it cannot have begun */
    vetch_promise_unref(p);
    return -1;
}

/* A lookup that runs, or waits for a thread. NULL and ENOMEM. */
static struct lookup *
start_lookup(vetch_reactor *r, struct vetch__net *net, const char *host)
{
    vetch_executor *executor = resolver_of(net);
    struct lookup *l = executor != NULL ? new_lookup(r, host) : NULL;

    if (l == NULL)
        return NULL;
    if (submit_lookup(l, executor) < 0) {
        vetch__free(l);
        return NULL;
    }
    vetch__list_append(&net->lookups, &l->link);
    if (vetch__timer_start(r, &l->deadline, DEADLINE, lookup_is_late) == 0)
        return l;
    leave_lookup(l); /* without a deadline it might take for ever */
    vetch__promise_cancel_node(r, l->job);
    return NULL;
}

static struct waiter *
new_waiter(unsigned port)
{
    struct waiter *w = vetch__calloc(1, sizeof(*w));

    if (w == NULL)
        return NULL;
    vetch__list_init(&w->link);
    w->port = port;
    w->deferred = vetch_deferred_new(cancel_waiter, w);
    if (w->deferred == NULL) {
        vetch__free(w);
        return NULL;
    }
    return w;
}

static vetch_promise *
join_lookup(vetch_reactor *r, struct vetch__net *net, const char *host,
            unsigned port)
{
    struct waiter *w = new_waiter(port);
    vetch_promise *p;

    if (w == NULL)
        return &vetch__no_memory;
    p = vetch_deferred_promise(w->deferred);
    w->lookup = find_lookup(net, host);
    if (w->lookup == NULL)
        w->lookup = start_lookup(r, net, host);
    if (w->lookup == NULL)
        settle_waiter(w, NULL, NULL);
    else
        vetch__list_append(&w->lookup->waiters, &w->link);
    return p;
}

static vetch_promise *
resolve_name(vetch_reactor *r, const char *host, unsigned port)
{
    struct vetch__net *net = vetch__net_get(r);
    vetch_addresses *found = NULL;
    vetch_error *error = NULL;

    if (net == NULL || names_of(net) == NULL)
        return &vetch__no_memory;
    if (!vetch__name_cache_find(net->names, host, vetch__clock_now(r), &found,
                                &error))
        return join_lookup(r, net, host, port);
    if (error != NULL)
        return vetch_rejected(vetch_error_ref(error));
    found = vetch__addresses_with_port(found, port);
    return found != NULL ? vetch_resolved(found, release_addresses)
                         : &vetch__no_memory;
}

/* ---- asking ---- */

/* Copy a host in lower case, without its brackets; false if it cannot be one.
 */
static bool
copy_host(char to[VETCH__HOST_MAX + 2], const char *host)
{
    size_t len = strlen(host);
    bool bracketed = len >= 2 && host[0] == '[' && host[len - 1] == ']';

    if (bracketed) {
        host++;
        len -= 2;
    }
    if (len == 0 || len > VETCH__HOST_MAX + 1)
        return false;
    for (size_t i = 0; i < len; i++)
        to[i] =
            (char)(host[i] >= 'A' && host[i] <= 'Z' ? host[i] | 0x20 : host[i]);
    to[len] = '\0';
    return !bracketed || strchr(to, ':') != NULL;
}

vetch_promise *
vetch_resolve(const char *host, unsigned port)
{
    vetch_reactor *r = vetch__reactor;
    char name[VETCH__HOST_MAX + 2];
    vetch_addresses *known;

    VETCH_CHECK(host != NULL, EINVAL, &vetch__misused);
    if (r == NULL || r->ending)
        return vetch__failed(r == NULL ? EPERM : ECANCELED, "resolve");
    if (port > 65535 || !copy_host(name, host))
        return vetch_rejected(
            vetch_error_new(EINVAL, "resolve: not a host and a port"));
    known = vetch__addresses_known(name, port);
    if (known != NULL)
        return vetch_resolved(known, release_addresses);
    if (errno == ENOMEM)
        return &vetch__no_memory;
    if (!vetch__host_is_name(name))
        return vetch_rejected(
            vetch_error_new(EINVAL, "resolve %s: not a host name", name));
    return resolve_name(r, name, port);
}

/* ---- what is known ---- */

/* This thread's reactor, if it may change something; NULL and errno. */
static struct vetch__net *
net_of_thread(void)
{
    vetch_reactor *r = vetch__reactor;

    if (r == NULL || r->ending) {
        errno = r == NULL ? EPERM : ECANCELED;
        return NULL;
    }
    return vetch__net_get(r);
}

static bool
is_span(double seconds)
{
    return seconds >= 0; /* and not NaN */
}

int
vetch_resolver_set_cache(size_t n_names, double seconds,
                         double negative_seconds)
{
    struct vetch__net *net = net_of_thread();
    struct vetch__name_cache *names;

    if (net == NULL)
        return -1;
    if (!is_span(seconds) || !is_span(negative_seconds)) {
        errno = EINVAL;
        return -1;
    }
    names = vetch__name_cache_new(n_names, vetch__seconds(seconds),
                                  vetch__seconds(negative_seconds));
    if (names == NULL)
        return -1;
    vetch__name_cache_free(net->names);
    net->names = names;
    return 0;
}

void
vetch_resolver_forget(void)
{
    vetch_reactor *r = vetch__reactor;

    if (r != NULL && r->net != NULL && r->net->names != NULL)
        vetch__name_cache_clear(r->net->names);
}

/* ---- what is allowed ---- */

bool
vetch__connect_allows(vetch_reactor *r, const char *host,
                      const struct sockaddr *address, socklen_t len)
{
    struct vetch__net *net = r->net;

    return net == NULL || net->filter == NULL ||
           net->filter(host, address, len, net->filter_ctx);
}

int
vetch_connect_set_filter(vetch_connect_filter_fn fn, void *ctx)
{
    struct vetch__net *net = net_of_thread();

    if (net == NULL)
        return -1;
    net->filter = fn;
    net->filter_ctx = ctx;
    return 0;
}
