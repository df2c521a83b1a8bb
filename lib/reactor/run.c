/* Running the loop: until it is stopped, until a flag is set, once, or until
 * nothing is left that keeps it going.
 *
 * What keeps it going is looked for only when somebody asks for that, each time
 * a turn is over, and the look ends at the first thing found: nothing is
 * counted meanwhile. */
#include "reactor/reactor-private.h"

#include <errno.h>

#include "base/check-private.h"
#include "reactor/lag-private.h"

struct run {
    const bool *flag; /* until this is true; NULL: until a stop */
    bool until_idle;
};

static int
reactor_check_runnable(const vetch_reactor *r)
{
    if (!vetch__check_thread(&r->owner, "a reactor"))
        return EPERM;
    if (r->running_loop || r->depth > 0)
        return EDEADLK;
    return 0;
}

/* ---- what keeps a loop going ---- */

static bool
has_live_member(const vetch_reactor *r)
{
    for (struct vetch__list *at = r->members.next; at != &r->members;
         at = at->next) {
        const struct vetch__member *m =
            vetch__container(at, struct vetch__member, link);

        if (m->class->is_alive != NULL && m->class->is_alive(m))
            return true;
    }
    return false;
}

static bool
reactor_is_idle(vetch_reactor *r)
{
    return r->ready_first == NULL && vetch__list_empty(&r->flushes) &&
           vetch__mailbox_is_empty(r) && !has_live_member(r) &&
           !vetch__timers_alive(r) && !vetch__promises_alive(r);
}

/* ---- turns ---- */

static bool
reactor_may_go_on(vetch_reactor *r, const struct run *run)
{
    if (r->end_wanted)
        return false;
    if (run->flag != NULL)
        return !*run->flag;
    return !atomic_load(&r->stop_requested) &&
           !(run->until_idle && reactor_is_idle(r));
}

/* By the owner of the libevent loop. */
static bool
was_broken(struct event_base *base)
{
    return event_base_got_break(base) || event_base_got_exit(base);
}

/* libevent gives no errno when its own loop runs already. */
static int
loop_failed(void)
{
    if (errno == 0)
        errno = EDEADLK;
    return -1;
}

static int
reactor_turn(vetch_reactor *r, int flags)
{
    int result;

    vetch__clock_turn(r);
    errno = 0;
    result = event_base_loop(r->base, flags);
    if (vetch__unlikely(r->lag != NULL))
        vetch__lag_turn_over(r);
    return result;
}

static int
reactor_loop(vetch_reactor *r, const struct run *run)
{
    int result = 0;

    /* One turn at a time, because what sets a flag does not break the loop, and
     * because each turn has a time of its own. */
    while (result >= 0 && reactor_may_go_on(r, run)) {
        result = reactor_turn(r, EVLOOP_ONCE);
        if (run->flag == NULL && was_broken(r->base))
            break;
    }
    return result;
}

/* What was begun with the loop is over; `result` as libevent has it. */
static int
reactor_ran(vetch_reactor *r, int result, bool by_stop)
{
    int saved;

    if (vetch__is_inherited(&r->owner)) { /* a callback has forked */
        errno = EPERM;
        result = -1;
    } else if (result < 0) {
        result = loop_failed();
    }
    saved = errno;
    r->running_loop = false;
    vetch__clock_turn(r);
    if (by_stop)
        atomic_store(&r->stop_requested, false);
    if (r->end_wanted)
        vetch__reactor_end(r);
    errno = saved;
    return result < 0 ? -1 : 0;
}

static int
reactor_run(vetch_reactor *r, const struct run *run)
{
    int wrong = reactor_check_runnable(r);

    if (wrong != 0) {
        errno = wrong;
        return -1;
    }
    r->running_loop = true;
    return reactor_ran(r, reactor_loop(r, run), run->flag == NULL);
}

/* ---- the modes ---- */

int
vetch__reactor_run_until(vetch_reactor *r, const bool *flag)
{
    struct run run = { .flag = flag };

    return reactor_run(r, &run);
}

int
vetch_reactor_run(vetch_reactor *r)
{
    struct run run = { .flag = NULL };

    VETCH_CHECK(r != NULL, EINVAL, -1);
    return reactor_run(r, &run);
}

int
vetch_reactor_run_until_idle(vetch_reactor *r)
{
    struct run run = { .until_idle = true };

    VETCH_CHECK(r != NULL, EINVAL, -1);
    return reactor_run(r, &run);
}

static void
waited_enough(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg; /* that the loop wakes up is all that it is for */
}

/* Wait for something to do, for at most `seconds`. A timer of libevent's own,
 * because a virtual clock stands still. */
static int
turn_within(vetch_reactor *r, double seconds)
{
    struct timeval wait = { .tv_sec = (time_t)seconds };
    struct event event;
    int result;

    wait.tv_usec = (suseconds_t)((seconds - (double)wait.tv_sec) * 1e6);
    evtimer_assign(&event, r->base, waited_enough, NULL);
    if (evtimer_add(&event, &wait) < 0) {
        errno = ENOMEM;
        return -1;
    }
    result = reactor_turn(r, EVLOOP_ONCE);
    evtimer_del(&event);
    return result;
}

/* The longest time that libevent can wait for. */
#define LONG_WAIT 1e9

static int
one_turn(vetch_reactor *r, double seconds)
{
    if (atomic_load(&r->stop_requested))
        return 0;
    if (seconds == 0)
        return reactor_turn(r, EVLOOP_NONBLOCK);
    if (seconds >= LONG_WAIT)
        return reactor_turn(r, EVLOOP_ONCE);
    return turn_within(r, seconds);
}

int
vetch_reactor_run_once(vetch_reactor *r, double seconds)
{
    uint64_t before;
    int wrong, result;

    VETCH_CHECK(r != NULL, EINVAL, -1);
    wrong = seconds >= 0 ? reactor_check_runnable(r) : EINVAL;
    if (wrong != 0) {
        errno = wrong;
        return -1;
    }
    before = r->n_entries;
    r->running_loop = true;
    result = one_turn(r, seconds);
    wrong = r->n_entries != before;
    return reactor_ran(r, result, true) < 0 ? -1 : wrong;
}

void
vetch_reactor_stop(vetch_reactor *r)
{
    VETCH_CHECK(r != NULL, EINVAL, );
    if (vetch__is_inherited(&r->owner)) {
        vetch__refuse_thread(&r->owner, "a reactor");
        return;
    }
    atomic_store(&r->stop_requested, true);
    if (vetch__reactor == r && r->running_loop)
        event_base_loopbreak(r->base);
    else
        vetch__mailbox_wake(r);
}
