/* Executors: jobs on threads, as promises.
 *
 * Everything here runs on the reactor's thread; the threads themselves are a
 * crew (crew.c). A job submitted first stands with the executor, and all that
 * one dispatch submitted go to the crew together when it ends: one lock, one
 * wake-up. Cancelling takes a job out that has not begun; one that has begun
 * keeps its promise pending until it ends, because it uses what it was given.
 *
 * An executor that is closed or that nobody refers to any more goes on until
 * its last job has ended. At the end of the reactor running jobs are waited
 * for; those that still run then are left alone with all that they use: the
 * crew, the job and the chain behind it. */

#include <vetch/executor.h>

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <vetch/error.h>
#include <vetch/log.h>

#include "base/check-private.h"
#include "base/error-private.h"
#include "base/options-private.h"
#include "promise/crew-private.h"
#include "promise/executor-private.h"
#include "promise/promise-private.h"
#include "reactor/dump-private.h"

#define THREADS_MAX 1024
#define NAMES_SIZE  512
/* Long enough for what is about to end anyway. */
#define EXPENDABLE_MS 100

struct vetch_executor {
    struct vetch__object object;
    struct vetch__list link;     /* of the reactor's executors */
    struct vetch__member member; /* if it is the user's */
    struct vetch__flush flush;
    vetch_reactor *reactor; /* NULL when the crew is gone */
    struct vetch__crew *crew;
    struct event ended;
    struct vetch__jobs waiting; /* to be given to the crew */
    size_t n_jobs;              /* submitted and not settled */
    size_t n_jobs_max;
    bool closing;
    bool expendable; /* its jobs own all that they use */
    struct vetch__list closings;
};

/* One call of close, until its promise settles. */
struct closing {
    struct vetch__list link; /* of the executor's; none once it is `late` */
    vetch_executor *executor;
    vetch_deferred *deferred;
    struct vetch__timer deadline;
    double seconds; /* what the deadline was */
    bool late;
};

unsigned vetch__jobs_patience_ms = 5000;

/* An executor whose reactor has ended is nobody's. */
static bool
executor_check_thread(const vetch_executor *e)
{
    return e->reactor == NULL ||
           vetch__check_thread(&e->reactor->owner, "an executor");
}

/* ---- the end of one ---- */

static void
executor_detach(vetch_executor *e)
{
    vetch_reactor *r = e->reactor;

    vetch__flush_cancel(&e->flush);
    event_del(&e->ended);
    vetch__list_remove(&e->link);
    vetch__member_remove(r, &e->member);
    e->reactor = NULL;
    e->crew = NULL;
}

static void
free_if_unused(vetch_executor *e)
{
    if (e->object.refs == 0 && e->reactor == NULL)
        vetch__free(e);
}

/* Consumes `error`; NULL means that it has closed. */
static void
closing_settle(struct closing *c, vetch_error *error)
{
    vetch_deferred *d = c->deferred;

    vetch__timer_stop(vetch__reactor, &c->deadline);
    if (!c->late)
        vetch__list_remove(&c->link);
    vetch__free(c);
    if (error != NULL)
        vetch_deferred_reject(d, error);
    else
        vetch_deferred_resolve(d, NULL, NULL);
    vetch_deferred_unref(d);
}

static void
settle_closings(vetch_executor *e, const vetch_error *error)
{
    while (!vetch__list_empty(&e->closings))
        closing_settle(vetch__container(e->closings.next, struct closing, link),
                       vetch_error_ref(error));
}

/* Its threads have nothing to do, so that joining them takes no time. */
static void
finish_if_done(vetch_executor *e)
{
    struct vetch__crew *crew = e->crew;

    if (!e->closing || e->n_jobs > 0 || e->reactor == NULL)
        return;
    executor_detach(e);
    vetch__crew_free(crew);
    settle_closings(e, NULL);
    free_if_unused(e);
}

/* ---- jobs that have ended ---- */

static vetch_deferred *
job_forget(struct vetch__job *job)
{
    vetch_deferred *d = job->deferred;

    job->executor->n_jobs--;
    vetch__pool_free(job);
    return d;
}

static void
reject_canceled(struct vetch__job *job)
{
    vetch_deferred *d = job_forget(job);

    vetch_deferred_cancel(d);
    vetch_deferred_unref(d);
}

static void
free_outcome(const struct vetch__job *job)
{
    if ((job->object.flags & VETCH__JOB_FAILED) != 0)
        vetch_error_unref(job->u.error);
    else if (job->u.value != NULL && job->free_result != NULL)
        job->free_result(job->u.value);
}

static void
job_settle(struct vetch__job *job)
{
    struct vetch__job ended = *job;
    vetch_deferred *d;

    if (vetch_deferred_is_canceled(job->deferred) &&
        !(ended.object.flags & VETCH__JOB_FAILED)) {
        reject_canceled(job);
        free_outcome(&ended);
        return;
    }
    d = job_forget(job);
    if ((ended.object.flags & VETCH__JOB_FAILED) != 0)
        vetch_deferred_reject(d, ended.u.error);
    else
        vetch_deferred_resolve(
            d, ended.u.value, ended.u.value != NULL ? ended.free_result : NULL);
    vetch_deferred_unref(d);
}

static void
settle_ended(vetch_executor *e)
{
    struct vetch__job *job, *next;

    for (job = vetch__crew_take(e->crew); job != NULL; job = next) {
        next = job->next;
        job_settle(job);
    }
}

static void
on_ended(evutil_socket_t fd, short what, void *arg)
{
    vetch_executor *e = arg;
    vetch_reactor *r = e->reactor;
    uint64_t count;

    (void)what;
    vetch__reactor_enter(r);
    vetch_executor_ref(e); /* freeing a late result may drop the last one */
    while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
        ;
    settle_ended(e);
    finish_if_done(e);
    vetch_executor_unref(e);
    vetch__reactor_leave(r);
}

/* ---- submitting ---- */

static void
give_jobs(struct vetch__flush *flush)
{
    vetch_executor *e = vetch__container(flush, vetch_executor, flush);

    if (e->waiting.n > 0)
        vetch__crew_give(e->crew, &e->waiting);
}

static void
cancel_job(vetch_deferred *d, void *ctx)
{
    struct vetch__job *job = ctx;
    vetch_executor *e = job->executor;

    (void)d;
    if (!vetch__crew_withdraw(e->crew, &e->waiting, job))
        return; /* it has begun, and settles when it has ended */
    reject_canceled(job);
    finish_if_done(e);
}

static struct vetch__job *
make_job(vetch_executor *e, vetch_job_fn fn, void *arg,
         vetch_free_fn free_result)
{
    struct vetch__job *job = vetch__pool_alloc(e->reactor->pool, VETCH__JOB);

    if (job == NULL)
        return NULL;
    job->deferred = vetch_deferred_new(cancel_job, job);
    if (job->deferred == NULL) {
        vetch__pool_free(job);
        return NULL;
    }
    job->object.state = VETCH__JOB_WAITING;
    job->object.flags = 0;
    job->fn = fn;
    job->arg = arg;
    job->free_result = free_result;
    job->executor = e;
    return job;
}

static vetch_executor *
reactor_executor(vetch_reactor *r)
{
    vetch_executor *e;

    if (r->executor != NULL || r->ending)
        return r->executor;
    e = vetch_executor_new(NULL);
    if (e == NULL)
        return NULL;
    vetch__member_remove(r, &e->member); /* nothing that the user made */
    r->executor = e;
    return e;
}

static vetch_promise *
executor_submit(vetch_executor *e, vetch_job_fn fn, void *arg,
                vetch_free_fn free_result)
{
    struct vetch__job *job;

    if (e->n_jobs >= e->n_jobs_max)
        return vetch_rejected(
            vetch_error_from_errno(EAGAIN, "the executor's queue is full"));
    if (vetch__crew_start(e->crew) < 0)
        return vetch__failed(errno, "starting a thread");
    job = make_job(e, fn, arg, free_result);
    if (job == NULL)
        return vetch__failed(errno, "job");
    e->n_jobs++;
    vetch__jobs_append(&e->waiting, job);
    vetch__flush_later(e->reactor, &e->flush);
    return vetch_deferred_promise(job->deferred);
}

vetch_promise *
vetch_executor_submit(vetch_executor *e, vetch_job_fn fn, void *arg,
                      vetch_free_fn free_result)
{
    vetch_reactor *r = vetch__reactor;

    VETCH_CHECK(fn != NULL, EINVAL, &vetch__misused);
    if (r == NULL || (e != NULL && !executor_check_thread(e)))
        return vetch__failed(EPERM, "job");
    if (e == NULL) {
        e = reactor_executor(r);
        if (e == NULL)
            return vetch__failed(r->ending ? ECANCELED : errno, "job");
    }
    if (e->closing || e->reactor == NULL)
        return vetch_rejected(
            vetch_error_new(VETCH_ECLOSED, "the executor is closed"));
    return executor_submit(e, fn, arg, free_result);
}

vetch_promise *
vetch_executor_submit_owned(vetch_executor *e, vetch_job_fn fn, void *arg,
                            vetch_free_fn free_arg, vetch_free_fn free_result)
{
    vetch_promise *p = vetch_executor_submit(e, fn, arg, free_result);

    return free_arg == NULL ? p : vetch_finally(p, free_arg, arg);
}

/* ---- making ---- */

static int
executor_options(const vetch_executor_options *options,
                 vetch_executor_options *ret_read)
{
    vetch_executor_options read = VETCH_EXECUTOR_OPTIONS_INIT;

    if (!vetch__options_read(&read, sizeof(read), options) ||
        read.n_threads == 0 || read.n_threads > THREADS_MAX)
        return EINVAL;
    *ret_read = read;
    return 0;
}

static void
end_with_reactor(struct vetch__member *member)
{
    (void)member; /* running jobs are waited for by await_jobs() */
}

/* vetch__executors_dump() does, with those that are not the user's. */
static void
dump_with_the_jobs(const struct vetch__member *member, struct vetch__dump *d)
{
    (void)member;
    (void)d;
}

static const struct vetch__member_class executor_members = {
    .name = "executor",
    .end = end_with_reactor,
    .dump = dump_with_the_jobs,
};

static int
watch(vetch_executor *e, vetch_reactor *r)
{
    event_assign(&e->ended, r->base, vetch__crew_fd(e->crew),
                 EV_READ | EV_PERSIST, on_ended, e);
    errno = 0;
    if (event_add(&e->ended, NULL) == 0)
        return 0;
    if (errno == 0)
        errno = ENOMEM;
    return -1;
}

static void await_jobs(vetch_reactor *r);

vetch_executor *
vetch_executor_new(const vetch_executor_options *options)
{
    vetch_reactor *r = vetch__reactor;
    vetch_executor_options read;
    vetch_executor *e;
    int saved = r == NULL ? EPERM : executor_options(options, &read);

    if (saved == 0 && r->ending)
        saved = ECANCELED;
    if (saved != 0) {
        errno = saved;
        return NULL;
    }
    e = vetch__calloc(1, sizeof(*e));
    if (e == NULL)
        return NULL;
    e->crew = vetch__crew_new(read.n_threads);
    if (e->crew == NULL || watch(e, r) < 0)
        goto fail;
    e->object = (struct vetch__object){ .type = VETCH__EXECUTOR, .refs = 1 };
    e->reactor = r;
    vetch__list_init(&e->closings);
    e->flush.fn = give_jobs;
    e->n_jobs_max = read.queue_limit < VETCH_NO_LIMIT - read.n_threads
                        ? read.n_threads + read.queue_limit
                        : VETCH_NO_LIMIT;
    if (r->jobs_await == NULL) {
        vetch__list_init(&r->executors);
        r->jobs_await = await_jobs;
    }
    vetch__list_append(&r->executors, &e->link);
    vetch__member_add(r, &e->member, &executor_members);
    return e;
fail:
    saved = errno;
    if (e->crew != NULL)
        vetch__crew_free(e->crew);
    vetch__free(e);
    errno = saved;
    return NULL;
}

vetch_executor *
vetch__executor_new_inner(const vetch_executor_options *options)
{
    vetch_executor *e = vetch_executor_new(options);

    if (e != NULL)
        vetch__member_remove(e->reactor, &e->member);
    return e;
}

vetch_executor *
vetch__executor_new_expendable(const vetch_executor_options *options)
{
    vetch_executor *e = vetch__executor_new_inner(options);

    if (e != NULL)
        e->expendable = true;
    return e;
}

/* ---- closing ---- */

/* Cancel all that has not begun. */
static void
cancel_waiting(vetch_executor *e)
{
    struct vetch__jobs lists[] = { vetch__crew_withdraw_all(e->crew),
                                   e->waiting };
    struct vetch__job *job, *next;
    size_t i;

    e->waiting = (struct vetch__jobs){ NULL, NULL, 0 };
    for (i = 0; i < 2; i++) {
        for (job = lists[i].first; job != NULL; job = next) {
            next = job->next;
            reject_canceled(job);
        }
    }
}

struct names {
    char text[NAMES_SIZE];
    size_t len;
};

static void
add_name(struct vetch__job *job, void *ctx)
{
    struct names *names = ctx;
    char name[VETCH__FUNCTION_NAME];
    int n =
        snprintf(names->text + names->len, NAMES_SIZE - names->len, "%s%s",
                 names->len > 0 ? ", " : "",
                 vetch__function_name((const void *)(uintptr_t)job->fn, name));

    if (n > 0 && (size_t)n < NAMES_SIZE - names->len)
        names->len += (size_t)n;
    else
        names->text[names->len] = '\0'; /* no room for a whole one */
}

static size_t
name_running(vetch_executor *e, struct names *names)
{
    names->text[0] = '\0';
    names->len = 0;
    return vetch__crew_busy(e->crew, add_name, names);
}

/* What runs is named; how many wait is known. */
static void
executor_dump(vetch_executor *e, struct vetch__dump *d)
{
    struct names names;
    size_t n = name_running(e, &names);

    vetch__dump_line(d, 0, "%zu, of which %zu run%s%s", e->n_jobs, n,
                     n > 0 ? ": " : "", names.text);
}

void
vetch__executors_dump(vetch_reactor *r, struct vetch__dump *d)
{
    bool begun = false;

    if (r->jobs_await == NULL) /* there was never an executor */
        return;
    for (struct vetch__list *at = r->executors.next; at != &r->executors;
         at = at->next) {
        vetch_executor *e = vetch__container(at, vetch_executor, link);

        if (e->n_jobs == 0)
            continue;
        if (!begun)
            vetch__dump_section(d, "jobs on threads");
        begun = true;
        executor_dump(e, d);
    }
}

static void
closing_is_late(struct vetch__timer *timer)
{
    struct closing *c = vetch__container(timer, struct closing, deadline);
    vetch_executor *e = c->executor;
    vetch_error *error = NULL;
    struct names names;

    vetch_executor_ref(e);
    vetch__list_remove(&c->link); /* what is called now may cancel it */
    c->late = true;
    cancel_waiting(e);
    settle_ended(e);
    if (e->n_jobs > 0) {
        name_running(e, &names);
        error = vetch_error_new(VETCH_ETIMEDOUT,
                                "%zu jobs still run after %g s: %s", e->n_jobs,
                                c->seconds, names.text);
    }
    closing_settle(c, error);
    finish_if_done(e);
    vetch_executor_unref(e);
}

static void
cancel_closing(vetch_deferred *d, void *ctx)
{
    struct closing *c = ctx;

    (void)d;
    if (!c->late)
        closing_settle(c, vetch_error_ref(&vetch__error_canceled));
}

static vetch_promise *
wait_until_closed(vetch_executor *e, double seconds)
{
    struct closing *c = vetch__calloc(1, sizeof(*c));
    vetch_promise *p;

    if (c == NULL)
        return &vetch__no_memory;
    c->executor = e;
    c->seconds = seconds;
    c->deferred = vetch_deferred_new(cancel_closing, c);
    if (c->deferred == NULL) {
        vetch__free(c);
        return vetch__failed(errno, "closing an executor");
    }
    vetch__list_append(&e->closings, &c->link);
    p = vetch_deferred_promise(c->deferred);
    VETCH__NAME(p, "close of an executor");
    if (!isinf(seconds) &&
        vetch__timer_start(e->reactor, &c->deadline, vetch__seconds(seconds),
                           closing_is_late) < 0)
        closing_settle(c, vetch_error_ref(&vetch__error_no_memory));
    return p;
}

vetch_promise *
vetch_executor_close(vetch_executor *e, double seconds)
{
    vetch_promise *p;

    VETCH_CHECK(e != NULL, EINVAL, &vetch__misused);
    if (!(seconds >= 0)) /* NaN, too */
        return vetch__failed(EINVAL, "closing an executor");
    if (!executor_check_thread(e))
        return vetch__failed(EPERM, "closing an executor");
    if (e->reactor == NULL)
        return &vetch__nothing; /* it is closed */
    p = wait_until_closed(e, seconds);
    e->closing = true;
    finish_if_done(e);
    return p;
}

vetch_executor *
vetch_executor_ref(vetch_executor *e)
{
    if (e != NULL)
        e->object.refs++;
    return e;
}

vetch_executor *
vetch_executor_unref(vetch_executor *e)
{
    if (e == NULL || --e->object.refs > 0 ||
        vetch__reactor_is_inherited(e->reactor)) /* without its threads */
        return NULL;
    e->closing = true;
    if (e->reactor != NULL)
        finish_if_done(e);
    else
        free_if_unused(e);
    return NULL;
}

/* ---- the end of the reactor ---- */

static uint64_t
real_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Wait until a job ends or time is up. A signal may cut it short. */
static void
wait_for_one(vetch_executor *e, uint64_t until)
{
    struct pollfd fd = { .fd = vetch__crew_fd(e->crew), .events = POLLIN };
    uint64_t now = real_ms(), count;

    if (now < until && poll(&fd, 1, (int)(until - now)) > 0 &&
        read(fd.fd, &count, sizeof(count)) < 0)
        return;
}

static void
leak_job(struct vetch__job *job, void *ctx)
{
    (void)ctx;
    vetch__deferred_leak(job->deferred);
}

static void
leave_alone(vetch_executor *e)
{
    struct vetch__crew *crew = e->crew;
    struct vetch__pool *pool;
    struct names names;

    name_running(e, &names);
    vetch_log(e->expendable ? VETCH_LOG_DEBUG : VETCH_LOG_WARNING,
              "the reactor ends while %zu jobs run that use its memory, which "
              "is leaked: %s",
              e->n_jobs, names.text);
    vetch__crew_busy(crew, leak_job, NULL);
    settle_closings(e, &vetch__error_closed);
    pool = e->reactor->pool;
    executor_detach(e);
    vetch__crew_leak(crew, pool);
    free_if_unused(e);
}

static void
await_jobs_of(vetch_executor *e, uint64_t until)
{
    if (e->expendable)
        until = real_ms() + EXPENDABLE_MS;
    vetch_executor_ref(e);
    cancel_waiting(e);
    settle_ended(e);
    while (e->n_jobs > 0 && real_ms() < until) {
        wait_for_one(e, until);
        settle_ended(e);
    }
    e->closing = true;
    if (e->n_jobs > 0)
        leave_alone(e);
    else
        finish_if_done(e);
    vetch_executor_unref(e);
}

/* They all get their time together. */
static void
await_jobs(vetch_reactor *r)
{
    uint64_t until = real_ms() + vetch__jobs_patience_ms;
    vetch_executor *own = r->executor;

    while (!vetch__list_empty(&r->executors))
        await_jobs_of(vetch__container(r->executors.next, vetch_executor, link),
                      until);
    r->executor = NULL;
    vetch_executor_unref(own);
}
