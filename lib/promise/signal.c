/* Signals as promises.
 *
 * A handler counts the delivery and wakes the reactor through its mailbox; the
 * reactor then gives it to all that wait for the signal, or, when nobody does,
 * keeps it for later calls. The counts are exact, and signals that other code
 * takes through libevent are not disturbed.
 *
 * A delivery is offered (rule 14) to all that wait. If one of them gets it, it
 * has been heard of; if none does, it is delivered again.
 *
 * Handlers belong to the process, so the first reactor that asks for a signal
 * owns them all until it ends. A signal stays registered from the first call
 * on; that is not an object of the user's, so it does not count as one. */

#include <vetch/signal.h>

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include <vetch/error.h>
#include <vetch/log.h>

#include "base/error-private.h"
#include "promise/promise-private.h"

#define KEPT_MAX 1000

struct source {
    struct source *next;
    int signum;
    bool gone;       /* only what is on its way keeps the memory */
    unsigned kept;   /* deliveries that nobody has heard of yet */
    size_t n_on_way; /* waiters that were offered one */
    struct vetch__list waiters;
    struct sigaction before;
};

/* One who waits; then a share in a delivery. */
struct waiter {
    struct vetch__list link; /* among the waiters, or a ring of the shares */
    struct source *source;
    vetch_deferred *deferred; /* while it waits */
    bool came_back;
    bool heard; /* somebody else got the delivery */
};

struct vetch__signals {
    struct source *sources;
};

/* The reactor that owns the signals of the process. */
static _Atomic(vetch_reactor *) owner;
/* What happened since the reactor looked last. */
static atomic_uint n_caught[NSIG];
/* Handlers that may be about to wake the owner, on whatever thread. */
static atomic_uint n_handling;

static vetch_deferred *
signal_waiter_leave(struct waiter *w)
{
    vetch_deferred *d = w->deferred;

    vetch__list_remove(&w->link);
    vetch__free(w);
    return d;
}

void
vetch__signal_cancel(vetch_deferred *d, void *ctx)
{
    signal_waiter_leave(ctx);
    vetch_deferred_cancel(d);
    vetch_deferred_unref(d);
}

static void signal_deliver(struct source *s);

static void
signal_keep(struct source *s)
{
    if (s->kept < KEPT_MAX)
        s->kept++;
    else
        vetch_log(VETCH_LOG_DEBUG, "signal %d: more than %d kept, one dropped",
                  s->signum, KEPT_MAX);
}

static void
source_free_if_unused(struct source *s)
{
    if (s->gone && s->n_on_way == 0)
        vetch__free(s);
}

static void
share_comes_back(void *value, void *ctx)
{
    struct waiter *w = ctx;

    (void)value;
    w->came_back = true;
}

static void
share_is_over(void *ctx)
{
    struct waiter *w = ctx;
    struct source *s = w->source;
    bool last = vetch__list_empty(&w->link);
    bool again = w->came_back && !w->heard && last && !s->gone;

    if (!w->came_back)
        for (struct vetch__list *at = w->link.next; at != &w->link;
             at = at->next)
            vetch__container(at, struct waiter, link)->heard = true;
    vetch__list_remove(&w->link);
    vetch__free(w);
    if (again)
        signal_deliver(s);
    s->n_on_way--;
    source_free_if_unused(s);
}

static void
offer_share(struct source *s, struct waiter *w)
{
    vetch_deferred *d = w->deferred;

    s->n_on_way++;
    w->deferred = NULL;
    vetch_deferred_offer_owned(d, (void *)(intptr_t)s->signum, NULL,
                               share_comes_back, w, share_is_over);
    vetch_deferred_unref(d);
}

static void
signal_deliver(struct source *s)
{
    struct vetch__list *first = s->waiters.next, *last = s->waiters.prev, *at;

    if (vetch__list_empty(&s->waiters)) {
        signal_keep(s);
        return;
    }
    vetch__list_remove(&s->waiters); /* those that waited are a ring now */
    while (first != last) {
        at = first;
        first = at->next; /* a share may come back, and go, at once */
        offer_share(s, vetch__container(at, struct waiter, link));
    }
    offer_share(s, vetch__container(last, struct waiter, link));
}

/* Called by the mailbox, inside a dispatch. */
static void
signals_look_at_counts(vetch_reactor *r)
{
    struct source *s;

    for (s = r->signals->sources; s != NULL; s = s->next) {
        unsigned n = atomic_exchange(&n_caught[s->signum], 0);

        while (n-- > 0)
            signal_deliver(s);
    }
}

/* Runs on any thread, between any two instructions. */
static void
catch_signal(int signum)
{
    int saved = errno;
    vetch_reactor *r;

    atomic_fetch_add(&n_handling, 1);
    atomic_fetch_add(&n_caught[signum], 1);
    r = atomic_load(&owner);
    if (r != NULL)
        vetch__mailbox_wake(r);
    atomic_fetch_sub(&n_handling, 1);
    errno = saved;
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
    struct sigaction action;

    if (s == NULL)
        return NULL;
    s->signum = signum;
    vetch__list_init(&s->waiters);
    memset(&action, 0, sizeof(action));
    action.sa_handler = catch_signal;
    action.sa_flags = SA_RESTART;
    sigfillset(&action.sa_mask);
    atomic_store(&n_caught[signum], 0);
    if (sigaction(signum, &action, &s->before) < 0) {
        vetch__free(s);
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
    while (r->signals->sources != NULL) {
        struct source *s = r->signals->sources;

        r->signals->sources = s->next;
        sigaction(s->signum, &s->before, NULL);
        s->gone = true;
        source_free_if_unused(s);
    }
    vetch__free(r->signals);
    r->signals = NULL;
    atomic_store(&owner, NULL);
    /* On another thread one may still hold the reactor. A forked child has no
     * other threads, only the count. */
    while (!vetch__is_inherited(&r->owner) && atomic_load(&n_handling) > 0)
        sched_yield();
}

static int
own_signals(vetch_reactor *r)
{
    vetch_reactor *nobody = NULL;

    if (r->signals != NULL)
        return 0;
    r->signals = vetch__calloc(1, sizeof(*r->signals));
    if (r->signals == NULL)
        return -1;
    if (!atomic_compare_exchange_strong(&owner, &nobody, r)) {
        vetch__free(r->signals);
        r->signals = NULL;
        errno = EBUSY;
        return -1;
    }
    r->signals_look = signals_look_at_counts;
    r->signals_done = signals_done;
    return 0;
}

/* The source for a signal, or NULL and errno. */
static struct source *
get_source(vetch_reactor *r, int signum)
{
    struct source *s;

    if (own_signals(r) < 0)
        return NULL;
    s = find_source(r->signals, signum);
    return s != NULL ? s : add_source(r, signum);
}

static vetch_promise *
signal_wait_for(struct source *s)
{
    struct waiter *w = vetch__calloc(1, sizeof(*w));
    vetch_promise *p;

    if (w == NULL)
        return vetch__failed(errno, "signal");
    w->deferred = vetch_deferred_new(vetch__signal_cancel, w);
    if (w->deferred == NULL) {
        vetch__free(w);
        return vetch__failed(errno, "signal");
    }
    w->source = s;
    p = vetch_deferred_promise(w->deferred);
    vetch__list_append(&s->waiters, &w->link);
    if (s->kept > 0) {
        s->kept--;
        signal_deliver(s);
    }
    return p;
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
    return signal_wait_for(s);
}
