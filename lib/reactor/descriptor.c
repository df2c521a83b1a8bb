/* Watching descriptors, level-triggered.
 *
 * Reading and writing are two events of libevent, so that a change of interest
 * in one costs one system call and leaves the other alone; `fn` then hears of
 * each by itself. While something is watched the reactor holds a reference. */

#include <vetch/descriptor.h>

#include <errno.h>
#include <sys/stat.h>

#include "base/check-private.h"
#include "reactor/dump-private.h"

#define EVENTS_KNOWN ((unsigned)(VETCH_READABLE | VETCH_WRITABLE))

struct vetch_descriptor {
    struct vetch__object object;
    struct vetch__member member;
    vetch_reactor *reactor; /* NULL once the watch is cancelled */
    unsigned events;
    vetch_descriptor_fn fn;
    void *ctx;
    vetch_free_fn free_ctx;
    struct event readable, writable;
};

static void
descriptor_dispatch(vetch_descriptor *d, unsigned events)
{
    vetch_reactor *r = d->reactor;
    const void *fn = (const void *)(uintptr_t)d->fn;
    uint64_t started;

    vetch__reactor_enter(r);
    started = r->debug ? vetch__clock_fresh(r) : 0;
    vetch_descriptor_ref(d); /* fn may cancel it and drop the last one */
    d->fn(d, events, d->ctx);
    if (r->debug)
        vetch__slow_check(r, fn, started);
    vetch_descriptor_unref(d);
    vetch__reactor_leave(r);
}

static void
descriptor_on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    descriptor_dispatch(arg, VETCH_READABLE);
}

static void
descriptor_on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    descriptor_dispatch(arg, VETCH_WRITABLE);
}

static int
descriptor_add_event(struct event *event)
{
    errno = 0;
    if (event_add(event, NULL) == 0)
        return 0;
    if (errno == 0) /* libevent's own structures */
        errno = ENOMEM;
    return -1;
}

/* On failure nothing has changed. */
static int
descriptor_watch(vetch_descriptor *d, unsigned events)
{
    unsigned more = events & ~d->events, less = d->events & ~events;
    int saved;

    if ((more & VETCH_READABLE) != 0 && descriptor_add_event(&d->readable) < 0)
        return -1;
    if ((more & VETCH_WRITABLE) != 0 &&
        descriptor_add_event(&d->writable) < 0) {
        saved = errno;
        if ((more & VETCH_READABLE) != 0)
            event_del(&d->readable);
        errno = saved;
        return -1;
    }
    if ((less & VETCH_READABLE) != 0)
        event_del(&d->readable);
    if ((less & VETCH_WRITABLE) != 0)
        event_del(&d->writable);
    return 0;
}

static void
descriptor_end(struct vetch__member *member)
{
    vetch_descriptor_cancel(vetch__container(member, vetch_descriptor, member));
}

static bool
descriptor_is_alive(const struct vetch__member *member)
{
    return !member->background &&
           vetch__container(member, const vetch_descriptor, member)->events !=
               0;
}

static void
descriptor_dump(const struct vetch__member *member, struct vetch__dump *dump)
{
    const vetch_descriptor *d =
        vetch__container(member, const vetch_descriptor, member);
    char name[VETCH__FUNCTION_NAME];

    vetch__dump_line(
        dump, 0, "descriptor %d%s%s, for %s", event_get_fd(&d->readable),
        d->events & VETCH_READABLE ? ", readable" : "",
        d->events & VETCH_WRITABLE ? ", writable" : "",
        vetch__function_name((const void *)(uintptr_t)d->fn, name));
}

static const struct vetch__member_class descriptor_members = {
    .name = "descriptor",
    .end = descriptor_end,
    .is_alive = descriptor_is_alive,
    .dump = descriptor_dump,
};

/* epoll refuses plain files, but libevent prints a warning first. */
static int
descriptor_check_fd(int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return EBADF;
    return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ? EPERM : 0;
}

static int
descriptor_check(const vetch_reactor *r, int fd, unsigned events)
{
    if (r == NULL)
        return EPERM;
    if ((events & ~EVENTS_KNOWN) != 0)
        return EINVAL;
    return r->ending ? ECANCELED : descriptor_check_fd(fd);
}

vetch_descriptor *
vetch_descriptor_new(int fd, unsigned events, vetch_descriptor_fn fn, void *ctx)
{
    return vetch_descriptor_new_owned(fd, events, fn, ctx, NULL);
}

vetch_descriptor *
vetch_descriptor_new_owned(int fd, unsigned events, vetch_descriptor_fn fn,
                           void *ctx, vetch_free_fn free_ctx)
{
    vetch_reactor *r = vetch__reactor;
    vetch_descriptor *d;
    int wrong;

    VETCH_CHECK(fn != NULL, EINVAL, NULL);
    wrong = descriptor_check(r, fd, events);
    if (wrong != 0) {
        errno = wrong;
        return NULL;
    }
    d = vetch__calloc(1, sizeof(*d));
    if (d == NULL)
        return NULL;
    d->object = (struct vetch__object){ .type = VETCH__DESCRIPTOR, .refs = 1 };
    d->reactor = r;
    d->fn = fn;
    d->ctx = ctx;
    event_assign(&d->readable, r->base, fd, EV_READ | EV_PERSIST,
                 descriptor_on_readable, d);
    event_assign(&d->writable, r->base, fd, EV_WRITE | EV_PERSIST,
                 descriptor_on_writable, d);
    if (vetch_descriptor_set_events(d, events) < 0) {
        vetch__free(d);
        return NULL;
    }
    d->free_ctx = free_ctx;
    vetch__member_add(r, &d->member, &descriptor_members);
    return d;
}

int
vetch_descriptor_set_events(vetch_descriptor *d, unsigned events)
{
    unsigned before;

    VETCH_CHECK(d != NULL, EINVAL, -1);
    if (d->reactor == NULL || (events & ~EVENTS_KNOWN) != 0) {
        errno = d->reactor == NULL ? ECANCELED : EINVAL;
        return -1;
    }
    if (!vetch__check_thread(&d->reactor->owner, "a descriptor's watch")) {
        errno = EPERM;
        return -1;
    }
    if (descriptor_watch(d, events) < 0)
        return -1;
    before = d->events;
    d->events = events;
    if (before == 0 && events != 0)
        vetch_descriptor_ref(d);
    else if (before != 0 && events == 0)
        vetch_descriptor_unref(d);
    return 0;
}

void
vetch_descriptor_cancel(vetch_descriptor *d)
{
    unsigned before;

    VETCH_CHECK(d != NULL, EINVAL, );
    if (d->reactor == NULL ||
        !vetch__check_thread(&d->reactor->owner, "a descriptor's watch"))
        return;
    before = d->events;
    descriptor_watch(d, 0); /* takes away only, which cannot fail */
    vetch__member_remove(d->reactor, &d->member);
    d->reactor = NULL;
    d->events = 0;
    if (before != 0)
        vetch_descriptor_unref(d);
}

void
vetch_descriptor_set_background(vetch_descriptor *d, bool on)
{
    VETCH_CHECK(d != NULL, EINVAL, );
    d->member.background = on;
}

vetch_descriptor *
vetch_descriptor_ref(vetch_descriptor *d)
{
    if (d != NULL)
        d->object.refs++;
    return d;
}

vetch_descriptor *
vetch_descriptor_unref(vetch_descriptor *d)
{
    if (d == NULL || --d->object.refs > 0 ||
        vetch__reactor_is_inherited(d->reactor))
        return NULL;
    vetch_descriptor_cancel(
        d); /* only leaves the reactor: nothing is watched */
    if (d->free_ctx != NULL)
        d->free_ctx(d->ctx);
    vetch__free(d);
    return NULL;
}
