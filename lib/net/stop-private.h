/* Stopping what several callers may ask to stop: listeners, servers.
 *
 * Each call has a promise of its own, and the earliest deadline counts. The
 * owner stops accepting work, calls vetch__stop_ask(), and vetch__stop_settle()
 * when all it had to wait for has ended. In between it is called back:
 *
 *   hurry      the deadline has passed, or every caller has cancelled (then
 *              `at_once`): end by force what is left
 *   name_left  every ten seconds, and at the deadline: log what was asked to
 *              end and has not
 *
 * A caller that cancels while others wait is rejected at once. The last one
 * hurries the stop instead and goes on waiting, because settled means stopped.
 * Once a stop is hurried there is nothing left to ask for: a caller that
 * cancels then stops waiting. So an operation that waits for the stop of what
 * waits for the operation comes to an end when it is cancelled. */
#ifndef VETCH_STOP_PRIVATE_H
#define VETCH_STOP_PRIVATE_H

#include <vetch/listener.h>

#include "reactor/reactor-private.h"

struct vetch_stop_report {
    struct vetch__object object;
    size_t ended, canceled, cut;
};

struct vetch__stop;

struct vetch__stop_class {
    void (*hurry)(struct vetch__stop *s, bool at_once);
    void (*name_left)(struct vetch__stop *s);
};

struct vetch__stop {
    const struct vetch__stop_class *class;
    vetch_reactor *reactor;
    const char *where;         /* for messages */
    vetch_stop_report *report; /* the owner counts in it */
    struct vetch__list callers;
    size_t n_patient; /* callers that have not cancelled */
    struct vetch__timer deadline, naming;
    bool asked, hurried;
};

/* Prepare for a stop, so that nothing can keep it from being counted; borrows
 * `where`. -1 and ENOMEM. */
int vetch__stop_init(struct vetch__stop *s, vetch_reactor *r,
                     const struct vetch__stop_class *class, const char *where);
/* Somebody asks for the stop, and waits `seconds` before it is hurried (0: it
 * is hurried now). Even if the promise is a rejection, the stop goes on. May
 * hurry, but never settles. */
vetch_promise *vetch__stop_ask(struct vetch__stop *s, double seconds);
/* All that is left was asked to end, before the deadline. */
void vetch__stop_hurried(struct vetch__stop *s);
/* Everything has ended: everybody gets the report, or `error` (borrowed). */
void vetch__stop_settle(struct vetch__stop *s, const vetch_error *error);
/* What a call after that returns. */
vetch_promise *vetch__stop_again(const struct vetch__stop *s);
/* Give the memory back. */
void vetch__stop_done(struct vetch__stop *s);

/* Whether `seconds` can be a deadline. */
bool vetch__stop_is_time(double seconds);

#endif
