/* Whose an object is: a thread's, in one process. And what a fork does to the
 * child: there the reactor counts as one that has ended. It starts nothing,
 * runs nothing that was ready, and its objects are refused, until it is
 * released; the parent's is not touched. */

#include "reactor/owner-private.h"

#include <errno.h>
#include <pthread.h>

#include <vetch/log.h>

#include "base/check-private.h"
#include "reactor/reactor-private.h"

__thread vetch_reactor *vetch__reactor
    __attribute__((tls_model("initial-exec")));

unsigned vetch__n_forks;

bool
vetch__refuse_thread(const struct vetch__owner *owner, const char *what)
{
    vetch_log(VETCH_LOG_ERROR, "%s was used %s", what,
              vetch__is_inherited(owner)
                  ? "in a child process, but belongs to the parent"
                  : "on a thread that is not its own");
    VETCH__ABORT_IN_DEBUG_BUILD();
    errno = EPERM;
    return false;
}

/* In the child, on the only thread that it has. If a callback has forked and
 * returns, so does the loop. */
static void
on_fork(void)
{
    vetch_reactor *r = vetch__reactor;

    vetch__n_forks++;
    if (r == NULL || r->object.refs == 0)
        return;
    r->ending = true;
    r->debug = true; /* so that promises look at their owner */
    r->ready_first = r->ready_last = NULL;
    vetch__list_init(&r->flushes);
    if (r->running_loop || r->depth > 0)
        event_base_loopbreak(r->base);
}

int
vetch__count_forks(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static bool counting;
    int wrong = 0;

    pthread_mutex_lock(&lock);
    if (!counting)
        wrong = pthread_atfork(NULL, NULL, on_fork);
    counting = wrong == 0;
    pthread_mutex_unlock(&lock);
    errno = wrong;
    return wrong == 0 ? 0 : -1;
}
