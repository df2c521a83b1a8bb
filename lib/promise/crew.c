/* The threads of an executor.
 *
 * Waiting jobs stand in a queue under a mutex; jobs that have ended are pushed
 * to a stack without one, and the one that finds the stack empty rings the
 * eventfd, so that the reactor is woken once for all jobs that end before it
 * looks.
 *
 * A thread without work waits on a condition of its own, in a list, last in
 * first out: the thread used last has the warmest cache, and those at the
 * bottom sleep undisturbed. A new job wakes one thread; each thread
 * that takes a job and leaves others behind wakes the next one first, so that
 * the reactor's thread never pays for more than one. */

#include "promise/crew-private.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <vetch/error.h>

#include "base/mem-private.h"

struct worker {
    struct worker *next;      /* of all */
    struct worker *next_idle; /* of those without work */
    struct vetch__crew *crew;
    _Atomic(struct vetch__job *) job; /* that it works on, or NULL */
    pthread_t thread;
    pthread_cond_t wake;
    bool idle;
};

struct vetch__crew {
    struct vetch__crew *next; /* among those left alone, */
    const void *pool;         /* where their jobs are */
    _Atomic(struct vetch__job *) ended;
    int fd;
    struct worker *workers; /* these three are the reactor's thread's */
    unsigned n_workers;
    unsigned n_max;
    atomic_uint n_working;
    pthread_mutex_t lock; /* guards the rest */
    struct vetch__jobs queue;
    struct worker *idle;
    bool quit;
};

/* Crews left alone, and with them what their jobs use, stay reachable: a leak
 * that is meant is not to be mistaken for another. */
static _Atomic(struct vetch__crew *) left_alone;

/* ---- the queue ---- */

void
vetch__jobs_append(struct vetch__jobs *jobs, struct vetch__job *job)
{
    job->next = NULL;
    job->u.prev = jobs->last;
    if (jobs->last != NULL)
        jobs->last->next = job;
    else
        jobs->first = job;
    jobs->last = job;
    jobs->n++;
}

void
vetch__jobs_remove(struct vetch__jobs *jobs, struct vetch__job *job)
{
    if (job->u.prev != NULL)
        job->u.prev->next = job->next;
    else
        jobs->first = job->next;
    if (job->next != NULL)
        job->next->u.prev = job->u.prev;
    else
        jobs->last = job->u.prev;
    jobs->n--;
}

/* ---- a thread's life ---- */

static struct worker *
pop_idle(struct vetch__crew *crew)
{
    struct worker *w = crew->idle;

    if (w == NULL)
        return NULL;
    crew->idle = w->next_idle;
    w->idle = false;
    return w;
}

static void
wait_for_work(struct worker *w)
{
    struct vetch__crew *crew = w->crew;

    w->idle = true;
    w->next_idle = crew->idle;
    crew->idle = w;
    while (w->idle)
        pthread_cond_wait(&w->wake, &crew->lock);
}

static void
push_ended(struct vetch__crew *crew, struct vetch__job *job)
{
    struct vetch__job *top =
        atomic_load_explicit(&crew->ended, memory_order_relaxed);
    uint64_t one = 1;

    do {
        job->next = top;
    } while (!atomic_compare_exchange_weak_explicit(
        &crew->ended, &top, job, memory_order_release, memory_order_relaxed));
    /* It fails only when the counter is full: then the reactor is awake. */
    if (top == NULL && write(crew->fd, &one, sizeof(one)) < 0)
        return;
}

static void
crew_run_job(struct vetch__job *job)
{
    vetch_error *error = NULL;
    void *value = job->fn(job->arg, &error);

    if (error == NULL) {
        job->u.value = value;
        return;
    }
    if (value != NULL && job->free_result != NULL)
        job->free_result(value);
    job->u.error = error;
    job->object.flags = VETCH__JOB_FAILED;
}

static void *
crew_work(void *arg)
{
    struct worker *w = arg, *next;
    struct vetch__crew *crew = w->crew;
    struct vetch__job *job;

    pthread_mutex_lock(&crew->lock);
    for (;;) {
        while (crew->queue.first == NULL && !crew->quit)
            wait_for_work(w);
        job = crew->queue.first;
        if (job == NULL)
            break;
        vetch__jobs_remove(&crew->queue, job);
        job->object.state = VETCH__JOB_BEGUN;
        atomic_store_explicit(&w->job, job, memory_order_relaxed);
        atomic_fetch_add(&crew->n_working, 1);
        next = crew->queue.first != NULL ? pop_idle(crew) : NULL;
        pthread_mutex_unlock(&crew->lock);
        if (next != NULL)
            pthread_cond_signal(&next->wake);
        crew_run_job(job);
        /* Before the reactor's thread, which alone looks, may free it. */
        atomic_store_explicit(&w->job, NULL, memory_order_relaxed);
        atomic_fetch_sub(&crew->n_working, 1);
        push_ended(crew, job);
        pthread_mutex_lock(&crew->lock);
    }
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

/* Signals are the business of the threads that know about them. Those that a
 * fault in the thread itself raises cannot wait. */
static void
block_signals(sigset_t *before)
{
    static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
    sigset_t set;
    size_t i;

    sigfillset(&set);
    for (i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        sigdelset(&set, own[i]);
    pthread_sigmask(SIG_SETMASK, &set, before);
}

static int
start_worker(struct vetch__crew *crew)
{
    struct worker *w = vetch__calloc(1, sizeof(*w));
    sigset_t before;
    int failed;

    if (w == NULL)
        return -1;
    w->crew = crew;
    pthread_cond_init(&w->wake, NULL);
    block_signals(&before);
    failed = vetch__fault() ? EAGAIN
                            : pthread_create(&w->thread, NULL, crew_work, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0) {
        pthread_cond_destroy(&w->wake);
        vetch__free(w);
        errno = failed;
        return -1;
    }
    w->next = crew->workers;
    crew->workers = w;
    crew->n_workers++;
    return 0;
}

/* ---- for the executor, on the reactor's thread ---- */

struct vetch__crew *
vetch__crew_new(unsigned n_threads)
{
    struct vetch__crew *crew = vetch__calloc(1, sizeof(*crew));
    int saved;

    if (crew == NULL)
        return NULL;
    crew->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (crew->fd < 0) {
        saved = errno;
        vetch__free(crew);
        errno = saved;
        return NULL;
    }
    pthread_mutex_init(&crew->lock, NULL);
    crew->n_max = n_threads;
    return crew;
}

int
vetch__crew_fd(const struct vetch__crew *crew)
{
    return crew->fd;
}

int
vetch__crew_start(struct vetch__crew *crew)
{
    return crew->n_workers > 0 ? 0 : start_worker(crew);
}

void
vetch__crew_give(struct vetch__crew *crew, struct vetch__jobs *jobs)
{
    struct vetch__job *job;
    struct worker *w;
    size_t unserved, n_free;

    pthread_mutex_lock(&crew->lock);
    while ((job = jobs->first) != NULL) {
        vetch__jobs_remove(jobs, job);
        job->object.state = VETCH__JOB_QUEUED;
        vetch__jobs_append(&crew->queue, job);
    }
    n_free = crew->n_workers - atomic_load(&crew->n_working);
    unserved = crew->queue.n > n_free ? crew->queue.n - n_free : 0;
    w = pop_idle(crew);
    pthread_mutex_unlock(&crew->lock);
    if (w != NULL)
        pthread_cond_signal(&w->wake);
    /* If no more can be had, those that there are do the work. */
    while (unserved-- > 0 && crew->n_workers < crew->n_max) {
        if (start_worker(crew) < 0)
            return;
    }
}

bool
vetch__crew_withdraw(struct vetch__crew *crew, struct vetch__jobs *waiting,
                     struct vetch__job *job)
{
    bool begun;

    pthread_mutex_lock(&crew->lock); /* a thread may be about to begin it */
    begun = job->object.state == VETCH__JOB_BEGUN;
    if (!begun)
        vetch__jobs_remove(
            job->object.state == VETCH__JOB_WAITING ? waiting : &crew->queue,
            job);
    pthread_mutex_unlock(&crew->lock);
    return !begun;
}

struct vetch__jobs
vetch__crew_withdraw_all(struct vetch__crew *crew)
{
    struct vetch__jobs jobs;

    pthread_mutex_lock(&crew->lock);
    jobs = crew->queue;
    crew->queue = (struct vetch__jobs){ NULL, NULL, 0 };
    pthread_mutex_unlock(&crew->lock);
    return jobs;
}

struct vetch__job *
vetch__crew_take(struct vetch__crew *crew)
{
    struct vetch__job *job, *next, *first = NULL;

    for (job =
             atomic_exchange_explicit(&crew->ended, NULL, memory_order_acquire);
         job != NULL; job = next) {
        next = job->next;
        job->next = first;
        first = job;
    }
    return first;
}

size_t
vetch__crew_busy(struct vetch__crew *crew,
                 void (*fn)(struct vetch__job *job, void *ctx), void *ctx)
{
    struct worker *w;
    size_t n = 0;

    for (w = crew->workers; w != NULL; w = w->next) {
        struct vetch__job *job =
            atomic_load_explicit(&w->job, memory_order_relaxed);

        if (job == NULL)
            continue;
        n++;
        if (fn != NULL)
            fn(job, ctx);
    }
    return n;
}

static void
tell_to_quit(struct vetch__crew *crew)
{
    struct worker *w;

    pthread_mutex_lock(&crew->lock);
    crew->quit = true;
    while ((w = pop_idle(crew)) != NULL)
        pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&crew->lock);
}

void
vetch__crew_free(struct vetch__crew *crew)
{
    struct worker *w, *next;

    tell_to_quit(crew);
    for (w = crew->workers; w != NULL; w = next) {
        next = w->next;
        pthread_join(w->thread, NULL);
        pthread_cond_destroy(&w->wake);
        vetch__free(w);
    }
    pthread_mutex_destroy(&crew->lock);
    close(crew->fd);
    vetch__free(crew);
}

void
vetch__crew_leak(struct vetch__crew *crew, const void *pool)
{
    struct worker *w;

    tell_to_quit(crew);
    for (w = crew->workers; w != NULL; w = w->next)
        pthread_detach(w->thread);
    crew->pool = pool;
    crew->next = atomic_load(&left_alone);
    while (!atomic_compare_exchange_weak(&left_alone, &crew->next, crew))
        ;
}
