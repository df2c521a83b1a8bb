/* Two transports joined in memory, for tests: what one queues, the other
 * receives, at the end of the dispatch, without a system call and always in the
 * same order. There is nothing in between that could hold bytes: while the
 * other end does not read, they wait in the writer's queue, and its marks and
 * its cap mean exactly what they say. */
#include "net/transport-private.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/check-private.h"

struct memory_transport {
    vetch_transport t;
    struct memory_transport *peer; /* NULL once it is over */
    struct vetch__flush pull;      /* take what the peer has queued */
    bool ended;                    /* the peer sends no more */
    bool reset;                    /* the peer went away in disorder */
};

static struct memory_transport *
memory_of(vetch_transport *t)
{
    return (struct memory_transport *)t;
}

/* Watching is switched on by the transport when its protocol is ready for it,
 * and off again here when the reader turns out not to want to read. */
static bool
is_reading(const struct memory_transport *m)
{
    return (m->t.flags & VETCH__T_READING) != 0 &&
           vetch__transport_wants_input(&m->t);
}

/* Something has changed for the reader of m. One that does not read looks when
 * it does again. */
static void
pull_later(struct memory_transport *m)
{
    if (is_reading(m))
        vetch__flush_later(m->t.reactor, &m->pull);
    else
        m->t.flags &= (uint16_t)~VETCH__T_READING;
}

static size_t
read_file(struct memory_transport *from, char *to, size_t max)
{
    struct vetch__chunk *c = from->t.output.first;
    size_t want = c->len < max ? (size_t)c->len : max;
    ssize_t n = vetch__output_read_file(c, to, want);

    if (n > 0)
        return (size_t)n;
    vetch__transport_file_failed(&from->t, n < 0 ? errno : 0);
    return 0;
}

/* Take at most `max` bytes out of the queue of `from`. */
static size_t
take_output(struct memory_transport *from, char *to, size_t max)
{
    struct vetch__output *q = &from->t.output;
    size_t taken = 0;

    while (q->first != NULL && taken < max) {
        bool is_file = q->first->object.state == VETCH__CHUNK_FILE;
        size_t n = max - taken;

        if (is_file) {
            n = read_file(from, to + taken, n);
            if (n == 0)
                return taken;
        } else {
            n = q->first->len < n ? (size_t)q->first->len : n;
            memcpy(to + taken, q->first->at.data, n);
        }
        vetch__output_consume(from->t.reactor, q, n);
        taken += n;
    }
    return taken;
}

static void
pull_bytes(struct memory_transport *m)
{
    struct memory_transport *peer = m->peer;
    vetch_buffer *input = &m->t.reactor->net->input;
    size_t max = m->t.reactor->faults.write_limit; /* for a test */

    if (max == 0 || max > VETCH__INPUT_SIZE)
        max = VETCH__INPUT_SIZE;
    vetch_transport_ref(&peer->t);
    input->end = take_output(peer, input->data, max);
    if (input->end > 0)
        vetch__transport_received(&m->t);
    if (m->peer == peer)
        vetch__transport_writable(&peer->t);
    vetch_transport_unref(&peer->t);
    pull_later(m);
}

static void
memory_pull(struct vetch__flush *f)
{
    struct memory_transport *m =
        vetch__container(f, struct memory_transport, pull);
    vetch_transport *t = &m->t;

    if (!is_reading(m)) {
        vetch__transport_input_off(t);
        if (m->peer != NULL && m->peer->t.output.first != NULL)
            vetch__flush_later(t->reactor, &m->peer->t.turn); /* blocked now */
        return;
    }
    vetch_transport_ref(t);
    if (m->reset)
        vetch__transport_over(
            t, vetch_error_from_errno(ECONNRESET, "read from memory:"), false);
    else if (m->peer != NULL && m->peer->t.output.first != NULL)
        pull_bytes(m);
    else if (m->ended)
        vetch__transport_ended(t);
    vetch_transport_unref(t);
}

static void
memory_read_on(vetch_transport *t)
{
    struct memory_transport *m = memory_of(t);

    t->flags |= VETCH__T_READING;
    vetch__flush_later(t->reactor, &m->pull);
    if (m->peer != NULL)
        vetch__transport_writable(&m->peer->t);
}

static void
memory_read_off(vetch_transport *t)
{
    t->flags &= (uint16_t)~VETCH__T_READING;
}

static void
memory_send(vetch_transport *t)
{
    struct memory_transport *peer = memory_of(t)->peer;

    if (peer == NULL)
        vetch__transport_write_failed(t, EPIPE);
    else if (is_reading(peer))
        pull_later(peer);
    else {
        peer->t.flags &= (uint16_t)~VETCH__T_READING;
        t->flags |= VETCH__T_BLOCKED;
    }
}

static bool
memory_shut(vetch_transport *t)
{
    struct memory_transport *peer = memory_of(t)->peer;

    if (peer != NULL) {
        peer->ended = true;
        pull_later(peer);
    }
    return true;
}

static void
memory_stop(vetch_transport *t, bool reset)
{
    struct memory_transport *m = memory_of(t), *peer = m->peer;

    vetch__flush_cancel(&m->pull);
    t->flags &= (uint16_t)~VETCH__T_READING;
    m->peer = NULL;
    if (peer == NULL)
        return;
    peer->peer = NULL;
    peer->reset = reset || !peer->ended;
    peer->t.flags &= (uint16_t)~VETCH__T_BLOCKED;
    vetch__flush_later(peer->t.reactor,
                       &peer->pull);         /* though it may not read */
    vetch__transport_attend_later(&peer->t); /* what it waits for is over */
}

static bool
memory_unsent(vetch_transport *t)
{
    (void)t;
    return false;
}

static bool
memory_quiet(vetch_transport *t)
{
    struct memory_transport *m = memory_of(t);

    return m->peer != NULL && m->peer->t.output.first == NULL && !m->ended &&
           !m->reset;
}

static bool
memory_listens(vetch_transport *t)
{
    return memory_of(t)->peer != NULL;
}

static char *
memory_name_of(vetch_transport *t, bool peer)
{
    (void)t;
    (void)peer;
    return NULL;
}

static void
memory_free(vetch_transport *t)
{
    vetch__free(t);
}

static const struct vetch__transport_kind memory_kind = {
    .name = "memory:",
    .read_on = memory_read_on,
    .read_off = memory_read_off,
    .send = memory_send,
    .shut = memory_shut,
    .stop = memory_stop,
    .unsent = memory_unsent,
    .quiet = memory_quiet,
    .listens = memory_listens,
    .name_of = memory_name_of,
    .free = memory_free,
};

static struct memory_transport *
new_end(vetch_reactor *r)
{
    struct memory_transport *m = vetch__calloc(1, sizeof(*m));

    if (m == NULL)
        return NULL;
    m->pull.fn = memory_pull;
    vetch__transport_init(&m->t, r, &memory_kind);
    return m;
}

int
vetch_transport_pair(vetch_transport *ret_pair[2])
{
    vetch_reactor *r = vetch__reactor;
    struct memory_transport *a, *b;

    VETCH_CHECK(ret_pair != NULL, EINVAL, -1);
    if (r == NULL || r->ending) {
        errno = r == NULL ? EPERM : ECANCELED;
        return -1;
    }
    if (vetch__net_get(r) == NULL)
        return -1;
    a = new_end(r);
    b = a != NULL ? new_end(r) : NULL;
    if (b == NULL) {
        if (a != NULL)
            vetch_transport_unref(&a->t);
        errno = ENOMEM;
        return -1;
    }
    a->peer = b;
    b->peer = a;
    ret_pair[0] = &a->t;
    ret_pair[1] = &b->t;
    return 0;
}
