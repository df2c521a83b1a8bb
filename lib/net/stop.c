/* Stopping what several callers may ask to stop. See stop-private.h. */
#include "net/stop-private.h"

#include <errno.h>

#include <vetch/error.h>

#include "base/check-private.h"
#include "base/error-private.h"
#include "promise/watch-private.h"

/* How often what does not end is named. */
#define NAMING_INTERVAL UINT64_C(10000000000)

/* One call, until its promise is settled. */
struct caller {
    struct vetch__list link;
    struct vetch__stop *stop;
    vetch_deferred *deferred;
    bool canceled;
};

/* ---- hurrying ---- */

static void
hurry(struct vetch__stop *s, bool at_once)
{
    s->hurried = true;
    vetch__timer_stop(s->reactor, &s->deadline);
    s->class->hurry(s, at_once);
}

void
vetch__stop_hurried(struct vetch__stop *s)
{
    s->hurried = true;
    vetch__timer_stop(s->reactor, &s->deadline);
}

static void
stop_deadline_passed(struct vetch__timer *timer)
{
    struct vetch__stop *s =
        vetch__container(timer, struct vetch__stop, deadline);

    hurry(s, false);
    s->class->name_left(s);
}

static void name_and_wait(struct vetch__timer *timer);

static void
start_naming(struct vetch__stop *s)
{
    /* Without memory for the timer nothing is named, which is all. */
    vetch__timer_start(s->reactor, &s->naming, NAMING_INTERVAL, name_and_wait);
}

static void
name_and_wait(struct vetch__timer *timer)
{
    struct vetch__stop *s = vetch__container(timer, struct vetch__stop, naming);

    s->class->name_left(s);
    start_naming(s);
}

/* The earliest deadline counts. */
static void
bring_forward(struct vetch__stop *s, double seconds)
{
    uint64_t delay = vetch__seconds(seconds);
    uint64_t now = vetch__clock_fresh(s->reactor);

    if (s->hurried || (vetch__timer_active(&s->deadline) &&
                       s->deadline.deadline <= now + delay))
        return;
    if (delay == 0 || vetch__timer_start(s->reactor, &s->deadline, delay,
                                         stop_deadline_passed) < 0)
        hurry(s, false); /* better at once than never */
}

/* ---- callers ---- */

static void
forget_caller(struct caller *c)
{
    vetch__list_remove(&c->link);
    vetch_deferred_unref(c->deferred);
    vetch__free(c);
}

static void
cancel_caller(vetch_deferred *d, void *ctx)
{
    struct caller *c = ctx;
    struct vetch__stop *s = c->stop;

    if (!c->canceled)
        s->n_patient--;
    c->canceled = true;
    if (s->hurried || s->n_patient > 0) {
        vetch_deferred_reject(d, vetch_error_ref(&vetch__error_canceled));
        forget_caller(c);
        return;
    }
    vetch__deferred_hear_again(d);
    hurry(s, true);
}

static vetch_promise *
add_caller(struct vetch__stop *s)
{
    struct caller *c = vetch__malloc(sizeof(*c));
    vetch_promise *p;

    if (c == NULL)
        return &vetch__no_memory;
    c->stop = s;
    c->canceled = false;
    c->deferred = vetch_deferred_new(cancel_caller, c);
    if (c->deferred == NULL) {
        vetch__free(c);
        return vetch__failed(errno, "stop");
    }
    vetch__list_append(&s->callers, &c->link);
    s->n_patient++;
    p = vetch_deferred_promise(c->deferred);
    VETCH__NAME(p, "stop of %s", s->where);
    return p;
}

vetch_promise *
vetch__stop_ask(struct vetch__stop *s, double seconds)
{
    vetch_promise *p = add_caller(s);

    if (!s->asked)
        start_naming(s);
    s->asked = true;
    bring_forward(s, seconds);
    return p;
}

static void
release_report(void *report)
{
    vetch_stop_report_unref(report);
}

vetch_promise *
vetch__stop_again(const struct vetch__stop *s)
{
    return vetch_resolved(vetch_stop_report_ref(s->report), release_report);
}

void
vetch__stop_settle(struct vetch__stop *s, const vetch_error *error)
{
    vetch__timer_stop(s->reactor, &s->deadline);
    vetch__timer_stop(s->reactor, &s->naming);
    while (!vetch__list_empty(&s->callers)) {
        struct caller *c =
            vetch__container(s->callers.next, struct caller, link);

        if (error != NULL)
            vetch_deferred_reject(c->deferred, vetch_error_ref(error));
        else
            vetch_deferred_resolve(
                c->deferred, vetch_stop_report_ref(s->report), release_report);
        forget_caller(c);
    }
}

/* ---- the beginning and the end ---- */

bool
vetch__stop_is_time(double seconds)
{
    return seconds >= 0; /* not if it is NaN */
}

int
vetch__stop_init(struct vetch__stop *s, vetch_reactor *r,
                 const struct vetch__stop_class *class, const char *where)
{
    *s = (struct vetch__stop){ .class = class, .reactor = r, .where = where };
    vetch__list_init(&s->callers);
    s->report = vetch__calloc(1, sizeof(*s->report));
    if (s->report == NULL)
        return -1;
    s->report->object =
        (struct vetch__object){ .type = VETCH__STOP_REPORT, .refs = 1 };
    return 0;
}

void
vetch__stop_done(struct vetch__stop *s)
{
    s->report = vetch_stop_report_unref(s->report);
}

/* ---- the report ---- */

size_t
vetch_stop_report_ended(const vetch_stop_report *r)
{
    VETCH_CHECK(r != NULL, EINVAL, 0);
    return r->ended;
}

size_t
vetch_stop_report_canceled(const vetch_stop_report *r)
{
    VETCH_CHECK(r != NULL, EINVAL, 0);
    return r->canceled;
}

size_t
vetch_stop_report_cut(const vetch_stop_report *r)
{
    VETCH_CHECK(r != NULL, EINVAL, 0);
    return r->cut;
}

vetch_stop_report *
vetch_stop_report_ref(vetch_stop_report *r)
{
    if (r != NULL)
        r->object.refs++;
    return r;
}

vetch_stop_report *
vetch_stop_report_unref(vetch_stop_report *r)
{
    if (r != NULL && --r->object.refs == 0)
        vetch__free(r);
    return NULL;
}
