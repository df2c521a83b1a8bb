/* Signals as promises.
 *
 * libevent delivers the signals of a process to one loop only, so the first
 * reactor that asks for one owns them all until it ends. A signal stays
 * registered from the first call on: a delivery goes to all that wait for it,
 * or, when nobody waits, is counted for later calls. That is not an object of
 * the user's, so it does not count as one. */

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>

#include <vetch/combinators.h>
#include <vetch/error.h>
#include <vetch/log.h>

#include "base/error-private.h"
#include "promise/promise-private.h"

#define KEPT_MAX 1000

struct source {
    struct source *next;
    int signum;
    unsigned kept; /* deliveries that nobody has heard of yet */
    struct vetch__list waiters;
    struct event event;
};

struct waiter {
    struct vetch__list link;
    vetch_deferred *deferred;
};

struct vetch__signals {
    struct source *sources;
};

/* The reactor that owns the signals of the process. */
static _Atomic(vetch_reactor *) owner;

static bool
own_signals(vetch_reactor *r)
{
    vetch_reactor *nobody = NULL;

    return atomic_compare_exchange_strong(&owner, &nobody, r) || nobody == r;
}

static vetch_deferred *
leave(struct waiter *w)
{
    vetch_deferred *d = w->deferred;

    vetch__list_remove(&w->link);
    vetch__free(w);
    return d;
}

static void
cancel_waiter(vetch_deferred *d, void *ctx)
{
    leave(ctx);
    vetch_deferred_reject(d, vetch_error_ref(&vetch__error_canceled));
    vetch_deferred_unref(d);
}

static void
keep(struct source *s)
{
    if (s->kept < KEPT_MAX)
        s->kept++;
    else
        vetch_log(VETCH_LOG_DEBUG, "signal %d: more than %d kept, one dropped",
                  s->signum, KEPT_MAX);
}

static void
deliver(evutil_socket_t signum, short what, void *arg)
{
    vetch_reactor *r = vetch__reactor;
    struct source *s = arg;

    (void)what;
    vetch__reactor_enter(r);
    if (vetch__list_empty(&s->waiters))
        keep(s);
    while (!vetch__list_empty(&s->waiters)) {
        struct waiter *w =
            vetch__container(s->waiters.next, struct waiter, link);
        vetch_deferred *d = leave(w);

        vetch_deferred_resolve(d, (void *)(intptr_t)signum, NULL);
        vetch_deferred_unref(d);
    }
    vetch__reactor_leave(r);
}

static struct source *
find_source(const struct vetch__signals *signals, int signum)
{
    struct source *s;

    for (s = signals->sources; s != NULL; s = s->next) {
        if (s->signum == signum)
            return s;
    }
    return NULL;
}

static struct source *
add_source(vetch_reactor *r, int signum)
{
    struct source *s = vetch__calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->signum = signum;
    vetch__list_init(&s->waiters);
    event_assign(&s->event, r->base, signum, EV_SIGNAL | EV_PERSIST, deliver,
                 s);
    errno = 0;
    if (event_add(&s->event, NULL) < 0) {
        vetch__free(s);
        if (errno == 0)
            errno = ENOMEM;
        return NULL;
    }
    s->next = r->signals->sources;
    r->signals->sources = s;
    return s;
}

/* Those that waited have been cancelled. The signals act as they did before
 * the first call. */
static void
signals_done(vetch_reactor *r)
{
    vetch_reactor *me = r;

    while (r->signals != NULL && r->signals->sources != NULL) {
        struct source *s = r->signals->sources;

        r->signals->sources = s->next;
        event_del(&s->event);
        vetch__free(s);
    }
    vetch__free(r->signals);
    r->signals = NULL;
    atomic_compare_exchange_strong(&owner, &me, NULL);
}

/* The source for a signal, or NULL and errno. */
static struct source *
get_source(vetch_reactor *r, int signum)
{
    struct source *s = NULL;

    if (!own_signals(r)) {
        errno = EBUSY;
        return NULL;
    }
    r->signals_done = signals_done;
    if (r->signals == NULL)
        r->signals = vetch__calloc(1, sizeof(*r->signals));
    if (r->signals == NULL)
        return NULL;
    s = find_source(r->signals, signum);
    return s != NULL ? s : add_source(r, signum);
}

static vetch_promise *
take_kept(struct source *s)
{
    vetch_promise *p = vetch_resolved((void *)(intptr_t)s->signum, NULL);

    if (vetch_promise_state(p) == VETCH_FULFILLED)
        s->kept--; /* out of memory it stays for the next call */
    return p;
}

static vetch_promise *
wait_for(struct source *s)
{
    struct waiter *w = vetch__calloc(1, sizeof(*w));

    if (w == NULL)
        return vetch__failed(errno, "signal");
    w->deferred = vetch_deferred_new(cancel_waiter, w);
    if (w->deferred == NULL) {
        vetch__free(w);
        return vetch__failed(errno, "signal");
    }
    vetch__list_append(&s->waiters, &w->link);
    return vetch_deferred_promise(w->deferred);
}

static int
check_signal(const vetch_reactor *r, int signum)
{
    if (r == NULL)
        return EPERM;
    if (r->ending)
        return ECANCELED;
    if (signum < 1 || signum >= NSIG || signum == SIGKILL || signum == SIGSTOP)
        return EINVAL;
    return 0;
}

vetch_promise *
vetch_signal(int signum)
{
    vetch_reactor *r = vetch__reactor;
    struct source *s;
    int wrong = check_signal(r, signum);

    if (wrong != 0)
        return vetch__failed(wrong, "signal");
    s = get_source(r, signum);
    if (s == NULL)
        return vetch__failed(errno, "signal");
    return s->kept > 0 ? take_kept(s) : wait_for(s);
}
