/* Name resolution that never blocks the loop: getaddrinfo(3) on threads of its
 * own, so that a slow name server holds up neither the loop nor other jobs.
 *
 * What cannot be interrupted is left behind: a lookup that is cancelled or late
 * settles at once, and its thread comes back when the system has given up. A
 * job owns all that it uses for that reason, and the end of the reactor does
 * not wait for it. */
#include "net/resolver-private.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include <vetch/error.h>
#include <vetch/executor.h>

#include "base/check-private.h"
#include "base/error-private.h"
#include "net/endpoint-private.h"
#include "net/net-private.h"
#include "promise/executor-private.h"
#include "promise/watch-private.h"

/* A lookup takes no longer, whatever the system's resolver thinks. */
#define DEADLINE UINT64_C(10000000000)

enum { THREADS = 4, QUEUE = 256 };

int (*vetch__getaddrinfo)(const char *, const char *, const struct addrinfo *,
                          struct addrinfo **) = getaddrinfo;

/* Exists until its job has settled: then no thread uses it any more. */
struct lookup {
    vetch_deferred *deferred; /* NULL once it is settled */
    vetch_promise *job;       /* the watch */
    vetch_reactor *reactor;
    struct vetch__timer deadline;
    unsigned port;
    char host[VETCH__HOST_MAX + 2];
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
    const struct lookup *l = arg;
    struct addrinfo *list = NULL;
    int result = vetch__getaddrinfo(l->host, NULL, &hints, &list);
    vetch_addresses *found;

    if (result != 0) {
        *ret_error = lookup_error(l->host, result, errno);
        return NULL;
    }
    found = vetch__addresses_found(list, l->port);
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

/* The promise settles now; the job may go on. */
static void
settle_lookup(struct lookup *l, vetch_addresses *found, vetch_error *error)
{
    vetch_deferred *d = l->deferred;

    l->deferred = NULL;
    vetch__timer_stop(l->reactor, &l->deadline);
    if (found != NULL)
        vetch_deferred_resolve(d, found, release_addresses);
    else
        vetch_deferred_reject(d, error);
    vetch_deferred_unref(d);
}

static void
give_up_lookup(struct lookup *l, vetch_error *error)
{
    settle_lookup(l, NULL, error);
    vetch__promise_cancel_node(l->reactor, l->job);
}

static void
lookup_is_late(struct vetch__timer *timer)
{
    struct lookup *l = vetch__container(timer, struct lookup, deadline);

    give_up_lookup(l,
                   vetch_error_new(VETCH_ETIMEDOUT,
                                   "resolve %s: no answer in time", l->host));
}

static void
cancel_lookup(vetch_deferred *d, void *ctx)
{
    (void)d;
    give_up_lookup(ctx, vetch_error_ref(&vetch__error_canceled));
}

static void
lookup_settled(void *ctx, vetch_promise *job)
{
    struct lookup *l = ctx;
    const vetch_error *error = NULL;

    if (vetch_promise_state(job) == VETCH_REJECTED)
        error = vetch_promise_error(job);
    if (l->deferred != NULL && error == NULL)
        settle_lookup(l, vetch_addresses_ref(vetch_promise_value(job)), NULL);
    else if (l->deferred != NULL)
        settle_lookup(l, NULL, vetch_error_ref(error));
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

void
vetch__resolver_done(struct vetch__net *net)
{
    net->resolver = vetch_executor_unref(net->resolver);
}

static struct lookup *
new_lookup(vetch_reactor *r, const char *host, unsigned port)
{
    struct lookup *l = vetch__calloc(1, sizeof(*l));

    if (l == NULL)
        return NULL;
    l->reactor = r;
    l->port = port;
    memcpy(l->host, host, strlen(host) + 1); /* its length was looked at */
    l->deferred = vetch_deferred_new(cancel_lookup, l);
    if (l->deferred == NULL) {
        vetch__free(l);
        return NULL;
    }
    return l;
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

static vetch_promise *
start_lookup(vetch_reactor *r, const char *host, unsigned port)
{
    struct vetch__net *net = vetch__net_get(r);
    vetch_executor *executor = net != NULL ? resolver_of(net) : NULL;
    struct lookup *l;
    vetch_promise *p;

    if (executor == NULL)
        return vetch__failed(errno, "resolve");
    l = new_lookup(r, host, port);
    if (l == NULL)
        return &vetch__no_memory;
    p = vetch_deferred_promise(l->deferred);
    if (submit_lookup(l, executor) < 0) {
        settle_lookup(l, NULL, NULL);
        vetch__free(l);
        return p;
    }
    if (vetch__timer_start(r, &l->deadline, DEADLINE, lookup_is_late) < 0)
        give_up_lookup(l, NULL); /* without a deadline it might take for ever */
    return p;
}

/* Copy a host without its brackets; false if it cannot be one. */
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
    memcpy(to, host, len);
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
    return start_lookup(r, name, port);
}
