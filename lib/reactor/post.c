/* The doors from other threads and from signal handlers: a bounded queue under
 * a mutex, and an eventfd that wakes the loop once per batch.
 *
 * `signalled` is true from the post that wrote to the eventfd until the loop
 * has seen the queue empty, so a burst costs one system call. A dispatch takes
 * a bounded batch; if more is there it writes to the eventfd again, so that the
 * rest waits behind the I/O of the next turn. */

#include "reactor/reactor-private.h"

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check-private.h"

#define QUEUE_LIMIT ((size_t)65536)
#define BATCH       ((size_t)256)

struct letter {
    struct letter *next;
    vetch_call_fn fn;
    void *ctx;
    vetch_free_fn free_ctx;
};

struct vetch__mailbox {
    pthread_mutex_t lock; /* guards the next five */
    struct letter *first, *last;
    size_t n;
    bool signalled;
    bool closed;
    int fd;
    struct event event;
};

/* Safe in a signal handler, too. */
static void
mailbox_ring(const struct vetch__mailbox *box)
{
    uint64_t one = 1;

    /* Fails only when the counter is full: then the loop is awake. */
    if (write(box->fd, &one, sizeof(one)) < 0)
        return;
}

static void
letter_free(struct letter *letter)
{
    vetch_free_fn free_ctx = letter->free_ctx;
    void *ctx = letter->ctx;

    vetch__free(letter);
    if (free_ctx != NULL)
        free_ctx(ctx);
}

/* Take at most `limit` from the front, as a list that ends in NULL. */
static struct letter *
mailbox_take(struct vetch__mailbox *box, size_t limit)
{
    struct letter *first, *last = NULL;
    size_t n = 0;

    pthread_mutex_lock(&box->lock);
    first = box->first;
    while (n < limit && box->first != NULL) {
        last = box->first;
        box->first = last->next;
        n++;
    }
    if (last != NULL)
        last->next = NULL;
    box->n -= n;
    if (box->first == NULL) {
        box->last = NULL;
        box->signalled = false;
    } else {
        mailbox_ring(box);
    }
    pthread_mutex_unlock(&box->lock);
    return first;
}

static void
letter_deliver(vetch_reactor *r, struct letter *letter)
{
    uint64_t started = r->debug ? vetch__clock_fresh(r) : 0;

    letter->fn(letter->ctx);
    if (r->debug)
        vetch__slow_check(r, (const void *)(uintptr_t)letter->fn, started);
    letter_free(letter);
}

static void
mailbox_on_wake(evutil_socket_t fd, short what, void *arg)
{
    vetch_reactor *r = arg;
    struct letter *letter, *next;
    uint64_t count;

    (void)what;
    vetch__reactor_enter(r);
    while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
        ;
    if (r->signals_look != NULL)
        r->signals_look(r);
    for (letter = mailbox_take(r->mailbox, BATCH); letter != NULL;
         letter = next) {
        next = letter->next;
        letter_deliver(r, letter);
    }
    vetch__reactor_leave(r);
    if (r->running_loop && atomic_load(&r->stop_requested))
        event_base_loopbreak(r->base);
}

int
vetch__mailbox_init(vetch_reactor *r)
{
    struct vetch__mailbox *box = vetch__calloc(1, sizeof(*box));
    int saved;

    if (box == NULL)
        return -1;
    box->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (box->fd < 0)
        goto fail;
    event_assign(&box->event, r->base, box->fd, EV_READ | EV_PERSIST,
                 mailbox_on_wake, r);
    errno = ENOMEM;
    if (event_add(&box->event, NULL) < 0)
        goto fail;
    pthread_mutex_init(&box->lock, NULL);
    r->mailbox = box;
    return 0;
fail:
    saved = errno;
    if (box->fd >= 0)
        close(box->fd);
    vetch__free(box);
    errno = saved;
    return -1;
}

void
vetch__mailbox_close(vetch_reactor *r)
{
    struct vetch__mailbox *box = r->mailbox;
    struct letter *letter, *next;

    pthread_mutex_lock(&box->lock);
    box->closed = true;
    pthread_mutex_unlock(&box->lock);
    for (letter = mailbox_take(box, SIZE_MAX); letter != NULL; letter = next) {
        next = letter->next;
        letter_free(letter);
    }
}

void
vetch__mailbox_done(vetch_reactor *r)
{
    struct vetch__mailbox *box = r->mailbox;

    if (box == NULL)
        return;
    event_del(&box->event);
    close(box->fd);
    pthread_mutex_destroy(&box->lock);
    vetch__free(box);
    r->mailbox = NULL;
}

void
vetch__mailbox_wake(vetch_reactor *r)
{
    mailbox_ring(r->mailbox);
}

bool
vetch__mailbox_is_empty(vetch_reactor *r)
{
    bool empty;

    pthread_mutex_lock(&r->mailbox->lock);
    empty = r->mailbox->first == NULL;
    pthread_mutex_unlock(&r->mailbox->lock);
    return empty;
}

/* 0, or what is wrong. */
static int
mailbox_enqueue(struct vetch__mailbox *box, struct letter *letter)
{
    if (box->closed)
        return ECANCELED;
    if (box->n >= QUEUE_LIMIT)
        return EAGAIN;
    if (box->last != NULL)
        box->last->next = letter;
    else
        box->first = letter;
    box->last = letter;
    box->n++;
    if (!box->signalled) {
        box->signalled = true;
        mailbox_ring(box);
    }
    return 0;
}

int
vetch_reactor_post(vetch_reactor *r, vetch_call_fn fn, void *ctx)
{
    return vetch_reactor_post_owned(r, fn, ctx, NULL);
}

int
vetch_reactor_post_owned(vetch_reactor *r, vetch_call_fn fn, void *ctx,
                         vetch_free_fn free_ctx)
{
    struct letter *letter;
    int wrong;

    VETCH_CHECK(r != NULL && fn != NULL, EINVAL, -1);
    if (vetch__is_inherited(
            &r->owner)) { /* the holder of the lock is not here */
        vetch__refuse_thread(&r->owner, "a reactor");
        return -1;
    }
    letter = vetch__malloc(sizeof(*letter));
    if (letter == NULL)
        return -1;
    *letter = (struct letter){ .fn = fn, .ctx = ctx, .free_ctx = free_ctx };
    pthread_mutex_lock(&r->mailbox->lock);
    wrong = mailbox_enqueue(r->mailbox, letter);
    pthread_mutex_unlock(&r->mailbox->lock);
    if (wrong != 0) {
        vetch__free(letter);
        errno = wrong;
        return -1;
    }
    return 0;
}
