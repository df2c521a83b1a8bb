/* Child processes.
 *
 *   RUNNING   its pidfd is watched
 *   REAPED    `status` or `errnum` says what came of it
 *
 * and, beside that, a stop: SIGTERM to the group, and SIGKILL when the grace is
 * over, unless nobody of the group is left. The child may be reaped in between;
 * as long as others are in its group its number is not given to anybody else.
 *
 * References: object.refs are the user's; the last release stops the child and
 * fails its streams. `live` is the reactor's, as long as the child runs or
 * SIGKILL is armed. The memory goes when both have gone.
 *
 * When the reactor ends, all children get SIGTERM first, as its members in turn
 * are ended; then each is awaited, for its grace or five seconds, killed, and
 * reaped. */
#include "process/process-private.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <vetch/log.h>

#include "base/check-private.h"
#include "base/error-private.h"
#include "base/list-private.h"
#include "base/mem-private.h"
#include "base/options-private.h"
#include "net/pipe-private.h"
#include "process/spawn-private.h"
#include "promise/watch-private.h"
#include "reactor/dump-private.h"
#include "stream/transport-private.h"

/* How often is looked whether anybody of a group is left, so that SIGKILL never
 * goes to another one that got its number. */
#define GROUP_INTERVAL UINT64_C(50000000)

/* How long the end of a reactor waits for a child, before and after SIGKILL. */
#define END_PATIENCE UINT64_C(5000000000)

enum process_state { RUNNING, REAPED };

struct vetch_process {
    struct vetch__object object; /* state: enum process_state */
    vetch_reactor *reactor;      /* while `live` */
    struct vetch__member member;
    struct vetch__timer grace; /* to SIGKILL */
    struct event exited;
    struct vetch__list waiters;
    struct vetch__spawned child;
    uint64_t grace_ns;
    uint64_t kills_at; /* once it is stopping */
    uint64_t ends_by;  /* as the reactor ends: when it is killed */
    vetch_stream *streams[3];
    int status, errnum;
    bool live, stopping;
    char name[32]; /* of the program */
};

/* One call of vetch_process_end(), until it is settled. */
struct process_end {
    struct vetch__process_waiter waiter;
    vetch_process *process;
    vetch_deferred *deferred;
    bool canceled;
};

static bool
process_check_thread(const vetch_process *p)
{
    return p->reactor == NULL ||
           vetch__check_thread(&p->reactor->owner, "a process");
}

/* ---- references ---- */

static void
free_process_if_done(vetch_process *p)
{
    if (p->object.refs == 0 && !p->live)
        vetch__free(p);
}

/* Nothing is to be done for it any more. */
static void
process_is_done(vetch_process *p)
{
    vetch__timer_stop(p->reactor, &p->grace);
    vetch__member_remove(p->reactor, &p->member);
    p->reactor = NULL;
    p->live = false;
    free_process_if_done(p);
}

static void
fail_process_streams(vetch_process *p)
{
    for (int i = 0; i < 3; i++) {
        vetch_stream *s = p->streams[i];

        p->streams[i] = NULL;
        if (s != NULL)
            vetch__stream_break(
                s, vetch_error_new(VETCH_ECLOSED,
                                   "%s: the process was released", p->name));
        vetch_stream_unref(s);
    }
}

/* ---- signals ---- */

static void
kill_group(vetch_process *p)
{
    kill(-p->child.pid, SIGKILL);
    if (p->object.state == REAPED)
        process_is_done(p);
}

static void
grace_is_over(struct vetch__timer *timer)
{
    kill_group(vetch__container(timer, vetch_process, grace));
}

/* A child that is stopped shall hear SIGTERM, too. */
static void
terminate_group(vetch_process *p)
{
    p->stopping = true;
    kill(-p->child.pid, SIGTERM);
    kill(-p->child.pid, SIGCONT);
}

void
vetch__process_stop(vetch_process *p)
{
    if (p->object.state == REAPED || p->stopping)
        return;
    terminate_group(p);
    p->kills_at = vetch__deadline(vetch__clock_fresh(p->reactor), p->grace_ns);
    if (p->grace_ns == 0 || vetch__timer_start(p->reactor, &p->grace,
                                               p->grace_ns, grace_is_over) < 0)
        kill_group(p);
}

/* ---- the end ---- */

vetch_error *
vetch__process_error(const vetch_process *p, int errnum)
{
    if (errnum == ECHILD)
        return vetch_error_from_errno(
            ECHILD, "%s: somebody else took its exit status", p->name);
    return vetch_error_new(errnum, "%s: it could not be reaped", p->name);
}

static void
tell_waiters(vetch_process *p)
{
    while (!vetch__list_empty(&p->waiters)) {
        struct vetch__process_waiter *w = vetch__container(
            p->waiters.next, struct vetch__process_waiter, link);

        vetch__list_remove(&w->link);
        w->fn(w, p->status, p->errnum);
    }
}

bool
vetch__process_wait(vetch_process *p, struct vetch__process_waiter *w)
{
    if (p->object.state == REAPED)
        return false;
    vetch__list_append(&p->waiters, &w->link);
    return true;
}

/* Whether SIGKILL has still somebody to find. */
static bool
group_is_left(const vetch_process *p)
{
    return kill(-p->child.pid, 0) == 0 || errno == EPERM;
}

/* The child has been reaped before its grace was over. */
static void
look_at_group(struct vetch__timer *timer)
{
    vetch_process *p = vetch__container(timer, vetch_process, grace);
    uint64_t now = vetch__clock_fresh(p->reactor);
    uint64_t left = p->kills_at > now ? p->kills_at - now : 0;

    if (!group_is_left(p))
        process_is_done(p);
    else if (left == 0 ||
             vetch__timer_start(p->reactor, timer,
                                left < GROUP_INTERVAL ? left : GROUP_INTERVAL,
                                look_at_group) < 0)
        kill_group(p);
}

static void
process_was_reaped(vetch_process *p)
{
    if (p->child.pidfd >= 0) {
        event_del(&p->exited);
        close(p->child.pidfd);
    }
    p->child.pidfd = -1;
    p->object.state = REAPED;
    tell_waiters(p);
    if (vetch__timer_active(&p->grace))
        look_at_group(&p->grace);
    else
        process_is_done(p);
}

/* Take its status, if it has one. */
static bool
reap_process(vetch_process *p)
{
    siginfo_t info;
    int result;

    memset(&info, 0, sizeof(info));
    do
        result =
            waitid(P_PIDFD, (id_t)p->child.pidfd, &info, WEXITED | WNOHANG);
    while (result < 0 && errno == EINTR);
    if (result < 0)
        p->errnum = ECHILD;
    else if (info.si_pid == 0)
        return false;
    p->status = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
    return true;
}

static void
process_exited(evutil_socket_t fd, short what, void *arg)
{
    vetch_process *p = arg;
    vetch_reactor *r = p->reactor;

    (void)fd;
    (void)what;
    vetch__reactor_enter(r);
    if (reap_process(p))
        process_was_reaped(p);
    vetch__reactor_leave(r);
}

/* ---- the end of the reactor ---- */

static uint64_t
real_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Whether it could be reaped by then. The loop does not run any more. */
static bool
await_process(vetch_process *p, uint64_t until)
{
    struct pollfd fd = { .fd = p->child.pidfd, .events = POLLIN };

    for (;;) {
        uint64_t now = real_now();
        uint64_t left = until > now ? until - now : 0;

        poll(&fd, 1, (int)((left + 999999) / 1000000));
        if (reap_process(p))
            return true;
        if (left == 0)
            return false;
    }
}

static void
end_process_for_good(struct vetch__member *self)
{
    vetch_process *p = vetch__container(self, vetch_process, member);

    if (!await_process(p, p->ends_by)) {
        kill(-p->child.pid, SIGKILL);
        if (!await_process(p, real_now() + END_PATIENCE)) {
            vetch_log(VETCH_LOG_WARNING, "%s (process %d) outlives SIGKILL",
                      p->name, (int)p->child.pid);
            p->errnum = VETCH_ECLOSED;
        }
    }
    kill(-p->child.pid, SIGKILL); /* who is left of its group */
    process_was_reaped(p);
}

static bool
process_is_alive(const struct vetch__member *self)
{
    return vetch__container(self, const vetch_process, member)->object.state !=
           REAPED;
}

static void
process_dump(const struct vetch__member *self, struct vetch__dump *d)
{
    const vetch_process *p =
        vetch__container(self, const vetch_process, member);
    bool runs = p->object.state == RUNNING;

    vetch__dump_line(d, 0, "process %d, %s%s", (int)p->child.pid, p->name,
                     !runs         ? ", ended"
                     : p->stopping ? ", asked to end"
                                   : "");
}

/* At its second turn. */
static const struct vetch__member_class ending_process_members = {
    .name = "process",
    .end = end_process_for_good,
    .is_alive = process_is_alive,
    .dump = process_dump,
};

static void
end_process_with_reactor(struct vetch__member *self)
{
    vetch_process *p = vetch__container(self, vetch_process, member);
    uint64_t grace = p->grace_ns < END_PATIENCE ? p->grace_ns : END_PATIENCE;

    vetch__timer_stop(p->reactor, &p->grace);
    if (p->object.state == REAPED) {
        kill_group(p);
        return;
    }
    if (!p->stopping)
        terminate_group(p);
    p->ends_by = real_now() + grace;
    /* Behind all others, so that none waits before each was told. */
    vetch__member_remove(p->reactor, &p->member);
    vetch__member_add(p->reactor, &p->member, &ending_process_members);
}

static const struct vetch__member_class process_members = {
    .name = "process",
    .end = end_process_with_reactor,
    .is_alive = process_is_alive,
    .dump = process_dump,
};

/* ---- starting ---- */

static const vetch_process_options default_process = VETCH_PROCESS_OPTIONS_INIT;

int
vetch__process_options_get(const vetch_process_options *given,
                           vetch_process_options *ret)
{
    *ret = default_process;
    if (!vetch__options_read(ret, sizeof(*ret), given) || ret->argv == NULL ||
        ret->argv[0] == NULL || !(ret->grace_seconds >= 0) ||
        !(ret->drain_seconds >= 0)) {
        errno = EINVAL;
        return -1;
    }
    return 0;
}

static void
replace_default(int *what, int by)
{
    if (*what == VETCH_STDIO_DEFAULT)
        *what = by;
}

/* The stream over our side of a pipe, which it takes. */
static vetch_stream *
process_stream(vetch_process *p, int fd, bool writes)
{
    static const char *const format = "process:%s";
    char name[sizeof(p->name) + sizeof("process:")];
    vetch_transport *t;

    snprintf(name, sizeof(name), format, p->name);
    t = writes ? vetch__pipe_transport_new(p->reactor, -1, fd, name)
               : vetch__pipe_transport_new(p->reactor, fd, -1, name);
    return vetch__stream_over_descriptors(t, NULL);
}

static int
make_process_streams(vetch_process *p)
{
    for (int i = 0; i < 3; i++) {
        if (p->child.ours[i] < 0)
            continue;
        p->streams[i] = process_stream(p, p->child.ours[i], i == STDIN_FILENO);
        if (p->streams[i] == NULL)
            return -1;
        p->child.ours[i] = -1;
    }
    return 0;
}

/* The child runs: see to it that it is reaped. Without a pidfd it was, by
 * somebody else. */
static int
watch_process(vetch_process *p)
{
    if (p->child.pidfd < 0) {
        p->errnum = ECHILD;
        p->object.state = REAPED;
        return 0;
    }
    event_assign(&p->exited, p->reactor->base, p->child.pidfd,
                 EV_READ | EV_PERSIST, process_exited, p);
    if (event_add(&p->exited, NULL) < 0) {
        errno = ENOMEM;
        return -1;
    }
    p->live = true;
    vetch__member_add(p->reactor, &p->member, &process_members);
    return 0;
}

static vetch_process *
new_process(vetch_reactor *r, const vetch_process_options *o)
{
    vetch_process *p = vetch__calloc(1, sizeof(*p));
    const char *slash = strrchr(o->argv[0], '/');

    if (p == NULL)
        return NULL;
    p->object = (struct vetch__object){ .type = VETCH__PROCESS, .refs = 1 };
    p->reactor = r;
    p->grace_ns = vetch__seconds(o->grace_seconds);
    vetch__list_init(&p->waiters);
    snprintf(p->name, sizeof(p->name), "%s",
             slash != NULL ? slash + 1 : o->argv[0]);
    return p;
}

vetch_process *
vetch__process_start(const vetch_process_options *o)
{
    vetch_reactor *r = vetch__reactor;
    vetch_process *p;
    int saved;

    if (r == NULL || r->ending) {
        errno = r == NULL ? EPERM : ECANCELED;
        return NULL;
    }
    p = new_process(r, o);
    if (p == NULL)
        return NULL;
    if (vetch__spawn(o, &p->child) < 0)
        goto fail;
    if (make_process_streams(p) < 0 || watch_process(p) < 0) {
        vetch__spawn_undo(&p->child);
        goto fail;
    }
    if (!p->live)
        p->reactor = NULL;
    return p;
fail:
    saved = errno;
    fail_process_streams(p);
    vetch__free(p);
    errno = saved;
    return NULL;
}

vetch_process *
vetch_process_start(const vetch_process_options *options)
{
    vetch_process_options o;

    VETCH_CHECK(options != NULL, EINVAL, NULL);
    if (vetch__process_options_get(options, &o) < 0)
        return NULL;
    replace_default(&o.input, VETCH_STDIO_NULL);
    replace_default(&o.output, VETCH_STDIO_INHERIT);
    replace_default(&o.errors, VETCH_STDIO_INHERIT);
    return vetch__process_start(&o);
}

/* ---- what a program calls ---- */

vetch_stream *
vetch_process_input(vetch_process *p)
{
    VETCH_CHECK(p != NULL, EINVAL, NULL);
    return p->streams[STDIN_FILENO];
}

vetch_stream *
vetch_process_output(vetch_process *p)
{
    VETCH_CHECK(p != NULL, EINVAL, NULL);
    return p->streams[STDOUT_FILENO];
}

vetch_stream *
vetch_process_errors(vetch_process *p)
{
    VETCH_CHECK(p != NULL, EINVAL, NULL);
    return p->streams[STDERR_FILENO];
}

static void
settle_process_end(struct vetch__process_waiter *w, int status, int errnum)
{
    struct process_end *e = vetch__container(w, struct process_end, waiter);

    if (e->canceled)
        vetch_deferred_cancel(e->deferred);
    else if (errnum != 0)
        vetch_deferred_reject(e->deferred,
                              vetch__process_error(e->process, errnum));
    else
        vetch_deferred_resolve(e->deferred, (void *)(intptr_t)status, NULL);
    vetch_deferred_unref(e->deferred);
    vetch__free(e);
}

static void
cancel_process_end(vetch_deferred *d, void *ctx)
{
    struct process_end *e = ctx;

    (void)d;
    e->canceled = true;
    vetch__process_stop(e->process);
}

vetch_promise *
vetch_process_end(vetch_process *p)
{
    struct process_end *e;
    vetch_promise *promise;

    VETCH_CHECK(p != NULL, EINVAL, &vetch__misused);
    if (!process_check_thread(p))
        return &vetch__misused;
    if (p->object.state == REAPED)
        return p->errnum != 0
                   ? vetch_rejected(vetch__process_error(p, p->errnum))
                   : vetch_resolved((void *)(intptr_t)p->status, NULL);
    e = vetch__malloc(sizeof(*e));
    if (e == NULL)
        return &vetch__no_memory;
    *e = (struct process_end){ .waiter.fn = settle_process_end, .process = p };
    e->deferred = vetch_deferred_new(cancel_process_end, e);
    if (e->deferred == NULL) {
        vetch__free(e);
        return vetch__failed(errno, "process");
    }
    vetch__process_wait(p, &e->waiter);
    promise = vetch_deferred_promise(e->deferred);
    VETCH__NAME(promise, "the end of %s (process %d)", p->name,
                (int)p->child.pid);
    return promise;
}

int
vetch_process_signal(vetch_process *p, int signum)
{
    VETCH_CHECK(p != NULL, EINVAL, -1);
    if (!process_check_thread(p)) {
        errno = EPERM;
        return -1;
    }
    if (p->object.state == REAPED) {
        errno = ESRCH;
        return -1;
    }
    return kill(-p->child.pid, signum);
}

int
vetch_process_id(const vetch_process *p)
{
    VETCH_CHECK(p != NULL, EINVAL, -1);
    return (int)p->child.pid;
}

vetch_process *
vetch_process_ref(vetch_process *p)
{
    if (p != NULL)
        p->object.refs++;
    return p;
}

/* In a forked child everything is the parent's. */
vetch_process *
vetch_process_unref(vetch_process *p)
{
    if (p == NULL || --p->object.refs > 0 ||
        vetch__reactor_is_inherited(p->reactor))
        return NULL;
    fail_process_streams(p);
    vetch__process_stop(p);
    free_process_if_done(p);
    return NULL;
}
