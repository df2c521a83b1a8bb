/* Signals as promises.
 *
 * A handler counts the delivery and wakes the reactor through its mailbox; the
 * reactor then gives it to all that wait for the signal, or, when nobody does,
 * keeps it for later calls. The counts are exact, and signals that other code
 * takes through libevent are not disturbed.
 *
 * Handlers belong to the process, so the first reactor that asks for a signal
 * owns them all until it ends. A signal stays registered from the first call
 * on; that is not an object of the user's, so it does not count as one. */

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

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
    struct sigaction before;
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
/* What happened since the reactor looked last. */
static atomic_uint n_caught[NSIG];
/* Handlers that may be about to wake the owner, on whatever thread. */
static atomic_uint n_handling;

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
    vetch_deferred_cancel(d);
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
deliver(struct source *s)
{
    if (vetch__list_empty(&s->waiters))
        keep(s);
    while (!vetch__list_empty(&s->waiters)) {
        struct waiter *w =
            vetch__container(s->waiters.next, struct waiter, link);
        vetch_deferred *d = leave(w);

        vetch_deferred_resolve(d, (void *)(intptr_t)s->signum, NULL);
        vetch_deferred_unref(d);
    }
}

/* Called by the mailbox, inside a dispatch. */
static void
look(vetch_reactor *r)
{
    struct source *s;

    for (s = r->signals->sources; s != NULL; s = s->next) {
        unsigned n = atomic_exchange(&n_caught[s->signum], 0);

        while (n-- > 0)
            deliver(s);
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
        vetch__free(s);
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
    r->signals_look = look;
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
