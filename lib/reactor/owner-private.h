/* Who may use an object: the thread that made it, and no copy of that thread in
 * a child process.  Every object that is confined to a thread has an owner, by
 * itself or through its reactor, and its functions ask vetch__check_thread().
 *
 * A thread is told by the address of one of its thread-local variables, a
 * process by how many forks lead to it: so asking takes no call. */
#ifndef VETCH_OWNER_PRIVATE_H
#define VETCH_OWNER_PRIVATE_H

#include "base/mem-private.h"

/* The calling thread's reactor, or NULL. */
extern __thread struct vetch_reactor *vetch__reactor
    __attribute__((tls_model("initial-exec")));

/* Forks between the first process that had a reactor and this one. */
extern unsigned vetch__n_forks;

struct vetch__owner {
    const void *thread;
    unsigned n_forks;
};

static inline struct vetch__owner
vetch__owner_here(void)
{
    return (struct vetch__owner){ &vetch__reactor, vetch__n_forks };
}

/* Name a use from a wrong thread or process: false, and EPERM. */
bool vetch__refuse_thread(const struct vetch__owner *owner, const char *what);

/* Whether the caller may use what is `owner`'s: "a timer". If not, that is
 * misuse and has been named; errno is EPERM. */
static inline bool
vetch__check_thread(const struct vetch__owner *owner, const char *what)
{
    return vetch__likely(owner->thread == &vetch__reactor &&
                         owner->n_forks == vetch__n_forks) ||
           vetch__refuse_thread(owner, what);
}

/* Whether it was made in the process that forked this one. What it shares with
 * the parent, such as an entry in an epoll set, is not touched then. */
static inline bool
vetch__is_inherited(const struct vetch__owner *owner)
{
    return vetch__unlikely(owner->n_forks != vetch__n_forks);
}

/* Count forks from now on. -1 and ENOMEM. */
int vetch__count_forks(void);

#endif
