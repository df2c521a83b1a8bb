/* The threads behind an executor. They know jobs and nothing of promises or
 * reactors, so that a crew whose job never ends can outlive both. */
#ifndef VETCH_CREW_PRIVATE_H
#define VETCH_CREW_PRIVATE_H

#include <vetch/executor.h>

#include "base/object-private.h"

enum vetch__job_state {
    VETCH__JOB_WAITING, /* with the executor, not handed to the crew yet */
    VETCH__JOB_QUEUED,
    VETCH__JOB_BEGUN
};

/* One cache line, from the reactor's pool. */
struct vetch__job {
    struct vetch__object object; /* state: vetch__job_state */
    struct vetch__job *next;
    union {
        struct vetch__job *prev; /* until it begins */
        void *value;             /* when it has ended… */
        vetch_error *error;      /* … and flags say which of the two */
    } u;
    vetch_job_fn fn;
    void *arg;
    vetch_free_fn free_result;
    vetch_deferred *deferred; /* these two are the reactor's thread's */
    vetch_executor *executor;
};

/* In object.flags. */
#define VETCH__JOB_FAILED 1

struct vetch__jobs {
    struct vetch__job *first, *last;
    size_t n;
};

void vetch__jobs_append(struct vetch__jobs *jobs, struct vetch__job *job);
void vetch__jobs_remove(struct vetch__jobs *jobs, struct vetch__job *job);

struct vetch__crew;

/* A crew of at most n_threads, none started yet. NULL and errno. */
struct vetch__crew *vetch__crew_new(unsigned n_threads);
/* Readable when a job has ended. */
int vetch__crew_fd(const struct vetch__crew *crew);
/* Make sure that there is a thread. -1 and errno. */
int vetch__crew_start(struct vetch__crew *crew);
/* Hand over all jobs of the list, which is empty then. */
void vetch__crew_give(struct vetch__crew *crew, struct vetch__jobs *jobs);
/* Take a job back that has not begun, from the crew or from those that still
 * wait for it; false: it has begun. */
bool vetch__crew_withdraw(struct vetch__crew *crew, struct vetch__jobs *waiting,
                          struct vetch__job *job);
/* The same for all of them. */
struct vetch__jobs vetch__crew_withdraw_all(struct vetch__crew *crew);
/* The jobs that have ended, in that order, as a list through `next`. */
struct vetch__job *vetch__crew_take(struct vetch__crew *crew);
/* How many jobs have begun and not ended; call fn, if not NULL, for each. */
size_t vetch__crew_busy(struct vetch__crew *crew,
                        void (*fn)(struct vetch__job *job, void *ctx),
                        void *ctx);
/* End the threads and wait for them. No job may be left. */
void vetch__crew_free(struct vetch__crew *crew);
/* Leave it to itself: threads whose job never ends keep what they use, jobs and
 * what follows them in this pool among it. */
void vetch__crew_leak(struct vetch__crew *crew, const void *pool);

#endif
