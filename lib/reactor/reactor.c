/* The reactor: its making and its end.
 *
 * The loop belongs to us or to another part of the program. The last reference
 * may go inside a callback, where neither the loop nor the reactor can be taken
 * away; then the end waits until that callback has returned to run(), or, in a
 * loop that somebody else runs, until libevent runs the end event.
 *
 * The order of the end is: nothing new starts; posts are dropped; timers and
 * members stop; promises are cancelled and their handlers run; jobs are waited
 * for; what is left is named and finished. */

#include "reactor/reactor-private.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vetch/log.h>

#include "base/check-private.h"
#include "reactor/lag-private.h"

#define SLOW_LIMIT_NS     UINT64_C(100000000)
#define END_CALLBACKS     ((size_t)10000)
#define END_CALLBACK_STEP ((size_t)100)

/* ---- making one ---- */

static void
outlive_sigpipe(int signum)
{
    (void)signum;
}

/* Writing to a connection that the peer has closed must be an error, not the
 * end of the process. A handler that does nothing and not SIG_IGN, because
 * programs that this one executes would inherit that, and most rely on dying.
 */
static void
catch_sigpipe(void)
{
    struct sigaction action;

    if (sigaction(SIGPIPE, NULL, &action) < 0 || action.sa_handler != SIG_DFL)
        return;
    memset(&action, 0, sizeof(action));
    action.sa_handler = outlive_sigpipe;
    action.sa_flags = SA_RESTART;
    sigaction(SIGPIPE, &action, NULL);
}

static bool
debug_wanted(void)
{
    const char *debug = getenv("VETCH_DEBUG");

    return debug != NULL && strcmp(debug, "1") == 0;
}

static void
reactor_on_end(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    vetch__reactor_end(arg);
}

static int
reactor_set_up(vetch_reactor *r)
{
    vetch__list_init(&r->members);
    r->slow_limit = SLOW_LIMIT_NS;
    r->debug = debug_wanted();
    r->owner = vetch__owner_here();
    event_assign(&r->end_event, r->base, -1, 0, reactor_on_end, r);
    if (vetch__ready_init(r) < 0)
        return -1;
    if (vetch__timers_init(r) < 0)
        return -1;
    return vetch__mailbox_init(r);
}

static void
reactor_take_down(vetch_reactor *r)
{
    if (r->signals_done != NULL)
        r->signals_done(r);
    vetch__mailbox_done(r);
    vetch__lag_done(r);
    if (r->net_done != NULL)
        r->net_done(r);
    if (r->timers != NULL)
        vetch__timers_done(r);
    if (r->pool != NULL)
        vetch__ready_done(r);
    event_del(&r->end_event);
    if (r->owns_base)
        event_base_free(r->base);
    vetch__free(r);
}

static vetch_reactor *
reactor_make(struct event_base *base, bool owns_base)
{
    vetch_reactor *r = vetch__calloc(1, sizeof(*r));
    int saved;

    if (r == NULL || vetch__count_forks() < 0) {
        vetch__free(r);
        return NULL;
    }
    r->object = (struct vetch__object){ .type = VETCH__REACTOR, .refs = 1 };
    r->base = base;
    if (reactor_set_up(r) < 0) {
        saved = errno;
        reactor_take_down(r);
        errno = saved;
        return NULL;
    }
    r->owns_base = owns_base;
    catch_sigpipe();
    vetch__reactor = r;
    return r;
}

/* Only our thread touches the base, so it needs no locks. */
static struct event_base *
reactor_make_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;

    if (config != NULL) {
        errno = 0;
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
        base = event_base_new_with_config(config);
        event_config_free(config);
    }
    if (base == NULL && errno == 0)
        errno = ENOMEM;
    return base;
}

vetch_reactor *
vetch_reactor_new(void)
{
    struct event_base *base;
    vetch_reactor *r;
    int saved;

    if (vetch__reactor != NULL) {
        errno = EBUSY;
        return NULL;
    }
    base = reactor_make_base();
    if (base == NULL)
        return NULL;
    r = reactor_make(base, true);
    if (r == NULL) {
        saved = errno;
        event_base_free(base);
        errno = saved;
    }
    return r;
}

vetch_reactor *
vetch_reactor_adopt(struct event_base *base)
{
    VETCH_CHECK(base != NULL, EINVAL, NULL);
    if (vetch__reactor != NULL) {
        errno = EBUSY;
        return NULL;
    }
    return reactor_make(base, false);
}

vetch_reactor *
vetch_reactor_current(void)
{
    return vetch__reactor;
}

struct event_base *
vetch_reactor_event_base(vetch_reactor *r)
{
    VETCH_CHECK(r != NULL, EINVAL, NULL);
    return r->base;
}

void
vetch_reactor_set_debug(vetch_reactor *r, bool on)
{
    VETCH_CHECK(r != NULL, EINVAL, );
    r->debug = on;
}

void
vetch_reactor_set_rejection_hook(vetch_reactor *r, vetch_rejection_fn fn,
                                 void *ctx)
{
    VETCH_CHECK(r != NULL, EINVAL, );
    r->on_rejection = fn;
    r->on_rejection_ctx = ctx;
}

/* ---- its members ---- */

void
vetch__member_add(vetch_reactor *r, struct vetch__member *m,
                  const struct vetch__member_class *class)
{
    m->class = class;
    vetch__list_append(&r->members, &m->link);
    r->n_members++;
}

/* Also of one that is none any more: its reactor may be gone by then. */
void
vetch__member_remove(vetch_reactor *r, struct vetch__member *m)
{
    if (m->link.next == NULL || m->link.next == &m->link)
        return;
    vetch__list_remove(&m->link);
    r->n_members--;
}

size_t
vetch_reactor_live_objects(const vetch_reactor *r)
{
    VETCH_CHECK(r != NULL, EINVAL, 0);
    return r->pool->live + r->n_members + vetch__timers_live(r);
}

/* ---- the end ---- */

vetch_reactor *
vetch_reactor_ref(vetch_reactor *r)
{
    if (r != NULL)
        r->object.refs++;
    return r;
}

/* Run what became ready as long as the budget lasts; true if that was all. */
static bool
drain_some(vetch_reactor *r, size_t *budget)
{
    while (*budget >= END_CALLBACK_STEP) {
        *budget -= END_CALLBACK_STEP;
        if (vetch__ready_settle(r, END_CALLBACK_STEP))
            return true;
    }
    return false;
}

static size_t
count_ready(const vetch_reactor *r)
{
    const struct vetch__ready *node;
    size_t n = 0;

    for (node = r->ready_first; node != NULL; node = node->next)
        n++;
    return n;
}

static void
end_members(vetch_reactor *r, struct vetch__list *ended)
{
    while (!vetch__list_empty(&r->members)) {
        struct vetch__member *m =
            vetch__container(r->members.next, struct vetch__member, link);

        /* On another list, because it may or may not remove itself. */
        vetch__list_remove(&m->link);
        vetch__list_append(ended, &m->link);
        m->class->end(m);
    }
}

/* What is still referenced from outside is an object without reactor. */
static void
name_what_is_left(vetch_reactor *r, struct vetch__list *ended)
{
    while (!vetch__list_empty(ended)) {
        struct vetch__member *m =
            vetch__container(ended->next, struct vetch__member, link);

        vetch_log(VETCH_LOG_DEBUG, "alive after its reactor: %s",
                  m->class->name);
        vetch__member_remove(r, m);
    }
}

/* In a child process the loop is shared with the parent: taking it down would
 * take the parent's descriptors out of it. */
static void
reactor_let_go(vetch_reactor *r)
{
    vetch_log(VETCH_LOG_DEBUG,
              "a reactor is left alone in process %d: it "
              "belongs to the parent",
              (int)getpid());
    if (r->signals_done != NULL) /* handlers are the child's own */
        r->signals_done(r);
    vetch__reactor = NULL;
}

void
vetch__reactor_end(vetch_reactor *r)
{
    struct vetch__list ended;
    size_t budget = END_CALLBACKS;

    vetch__list_init(&ended);
    r->ending = true;
    r->depth++; /* nothing is left to libevent any more */
    vetch__mailbox_close(r);
    end_members(r, &ended);
    vetch__timers_cancel_all(r);
    vetch__promises_cancel_all(r);
    drain_some(r, &budget);
    if (r->jobs_await != NULL)
        r->jobs_await(r);
    end_members(r, &ended); /* those that handlers made before they knew */
    if (!drain_some(r, &budget))
        vetch_log(VETCH_LOG_WARNING,
                  "the reactor ends with %zu callbacks that did not run",
                  count_ready(r));
    vetch__promises_finish(r);
    vetch__ready_settle(r, SIZE_MAX); /* connections tell their end, whatever */
    name_what_is_left(r, &ended);
    r->depth--;
    vetch__reactor = NULL;
    reactor_take_down(r);
}

static void
reactor_end_later(vetch_reactor *r)
{
    r->end_wanted = true;
    if (r->running_loop) {
        event_base_loopbreak(r->base);
        return;
    }
    if (r->owns_base) {
        vetch_log(VETCH_LOG_WARNING, "a reactor ends inside a loop that it "
                                     "does not run: the loop is leaked");
        r->owns_base = false;
    }
    event_active(&r->end_event, EV_TIMEOUT, 0);
}

vetch_reactor *
vetch_reactor_unref(vetch_reactor *r)
{
    if (r == NULL)
        return NULL;
    VETCH_CHECK(vetch__reactor == r, EPERM, NULL);
    if (--r->object.refs > 0)
        return NULL;
    if (vetch__is_inherited(&r->owner))
        reactor_let_go(r);
    else if (r->ending)
        return NULL; /* a callback of the end took a reference */
    else if (r->running_loop || r->depth > 0)
        reactor_end_later(r);
    else
        vetch__reactor_end(r);
    return NULL;
}
