/* Streams over transports of every kind: the stream is the protocol. */
#include "stream/transport-private.h"

#include <errno.h>
#include <math.h>

#include "base/check-private.h"
#include "base/mem-private.h"
#include "base/options-private.h"

static struct transport_stream *
over_transport(const vetch_stream *s)
{
    return (struct transport_stream *)(uintptr_t)s;
}

/* ---- what the stream asks ---- */

static void
transport_want(vetch_stream *s)
{
    vetch_transport_resume(over_transport(s)->t);
}

static void
transport_enough(vetch_stream *s)
{
    vetch_transport_pause(over_transport(s)->t);
}

static int
transport_write(vetch_stream *s, const struct iovec *iov, size_t n,
                size_t total)
{
    (void)total;
    return vetch_transport_writev(over_transport(s)->t, iov, n);
}

static int
transport_write_bytes(vetch_stream *s, vetch_bytes *bytes)
{
    vetch_transport *t = over_transport(s)->t;

    vetch_bytes_ref(bytes);
    if (vetch_transport_write_owned(t, vetch_bytes_data(bytes),
                                    vetch_bytes_len(bytes), vetch_unref,
                                    bytes) == 0)
        return 0;
    vetch_bytes_unref(bytes);
    return -1;
}

static uint64_t
transport_pending(const vetch_stream *s)
{
    return vetch__transport_pending(over_transport(s)->t);
}

static void
transport_tell_drained(vetch_stream *s)
{
    vetch__transport_tell_resumed(over_transport(s)->t);
}

static void
transport_end(vetch_stream *s)
{
    vetch_transport_end(over_transport(s)->t);
}

static void
transport_close(vetch_stream *s)
{
    vetch_transport_close(over_transport(s)->t);
}

static void
transport_abort(vetch_stream *s)
{
    vetch_transport_abort(over_transport(s)->t);
}

static const char *
transport_name_of(const vetch_stream *s, bool peer)
{
    vetch_transport *t = over_transport(s)->t;

    if (t == NULL)
        return "";
    return peer ? vetch_transport_peer(t) : vetch_transport_local(t);
}

static void
transport_heed(vetch_stream *s, bool on)
{
    vetch_transport *t = over_transport(s)->t;

    if (t != NULL)
        vetch__transport_heed(t, on);
}

static void
transport_free(vetch_stream *s)
{
    vetch_transport_unref(over_transport(s)->t);
    vetch__free(s);
}

static const struct vetch__stream_kind transport_kind = {
    .want = transport_want,
    .enough = transport_enough,
    .write = transport_write,
    .write_bytes = transport_write_bytes,
    .pending = transport_pending,
    .tell_drained = transport_tell_drained,
    .end = transport_end,
    .close = transport_close,
    .abort = transport_abort,
    .name_of = transport_name_of,
    .heed = transport_heed,
    .free = transport_free,
};

vetch_transport *
vetch__stream_transport(const vetch_stream *s)
{
    return s->kind == &transport_kind ? over_transport(s)->t : NULL;
}

/* ---- what the transport tells ---- */

static struct transport_stream *
of_protocol(vetch_protocol *p)
{
    return vetch__container(p, struct transport_stream, protocol);
}

static void
stream_received(vetch_protocol *p, vetch_buffer *input)
{
    vetch__stream_received(&of_protocol(p)->s, input);
    vetch_buffer_clear(input);
}

static bool
stream_ended(vetch_protocol *p)
{
    vetch__stream_ended(&of_protocol(p)->s);
    return true; /* the writing half is for the user to end */
}

static void
stream_resumed(vetch_protocol *p)
{
    vetch__stream_drained(&of_protocol(p)->s);
}

static void
stream_write_ended(vetch_protocol *p)
{
    vetch__stream_end_done(&of_protocol(p)->s);
}

static void
note_lost_output(struct transport_stream *s)
{
    if ((s->t->flags & VETCH__T_LOST_OUTPUT) != 0)
        s->s.flags |= VETCH__S_LOST_WRITE;
}

static void
stream_write_failed(vetch_protocol *p, const vetch_error *reason)
{
    note_lost_output(of_protocol(p));
    vetch__stream_write_failed(&of_protocol(p)->s, reason);
}

static void
stream_lost(vetch_protocol *p, const vetch_error *reason)
{
    if (reason != NULL)
        note_lost_output(of_protocol(p));
    vetch__stream_over(&of_protocol(p)->s, reason);
}

static void
stream_done(vetch_protocol *p)
{
    vetch__stream_let_go(&of_protocol(p)->s);
}

static void
stream_connected(vetch_protocol *p, vetch_transport *t)
{
    struct transport_stream *s = of_protocol(p);

    if (s->connected != NULL)
        s->connected(s, t);
}

static const vetch_protocol_class stream_class = {
    .size = sizeof(vetch_protocol_class),
    .connected = stream_connected,
    .received = stream_received,
    .ended = stream_ended,
    .write_resumed = stream_resumed,
    .write_ended = stream_write_ended,
    .write_failed = stream_write_failed,
    .lost = stream_lost,
    .free = stream_done,
};

/* ---- making one ---- */

void
vetch__transport_stream_init(struct transport_stream *s, vetch_reactor *r,
                             const struct vetch__stream_limits *limits)
{
    vetch__stream_init(&s->s, r, &transport_kind, limits);
    s->s.flags |= VETCH__S_WANTING; /* a transport reads until it is paused */
    s->protocol.class_ = &stream_class;
}

static const vetch_stream_options default_options = VETCH_STREAM_OPTIONS_INIT;

int
vetch__stream_options_get(const vetch_stream_options *given,
                          vetch_stream_options *ret)
{
    *ret = default_options;
    if (!vetch__options_read(ret, sizeof(*ret), given))
        return -1;
    if (ret->low_bytes > ret->high_bytes || ret->high_bytes > ret->cap_bytes ||
        ret->read_ahead_bytes == 0 || ret->max_connections == 0 ||
        !(ret->idle_seconds > 0) || !(ret->close_seconds >= 0)) {
        errno = EINVAL;
        return -1;
    }
    return 0;
}

void
vetch__stream_limits_of(const vetch_stream_options *o,
                        struct vetch__stream_limits *ret)
{
    ret->read_ahead = o->read_ahead_bytes;
    ret->high = o->high_bytes;
    ret->cap = o->cap_bytes;
}

static int
set_up_transport(vetch_transport *t, const vetch_stream_options *o)
{
    /* The stream counts what waits; one piece may be as large as it likes. */
    if (vetch_transport_set_write_marks(t, o->low_bytes, o->high_bytes,
                                        SIZE_MAX) < 0)
        return -1;
    return vetch_transport_set_close_timeout(t, o->close_seconds);
}

vetch_stream *
vetch_stream_over(vetch_transport *t, const vetch_stream_options *options)
{
    vetch_stream_options o;
    struct vetch__stream_limits limits;
    struct transport_stream *s;
    int saved;

    VETCH_CHECK(t != NULL, EINVAL, NULL);
    if (!vetch__transport_check_thread(t) ||
        vetch__stream_options_get(options, &o) < 0)
        return NULL;
    s = vetch__calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    vetch__stream_limits_of(&o, &limits);
    vetch__transport_stream_init(s, t->reactor, &limits);
    if (set_up_transport(t, &o) < 0 ||
        vetch_stream_set_idle(&s->s, o.idle_seconds) < 0 ||
        vetch_transport_attach(t, &s->protocol) < 0) {
        saved = errno;
        vetch__stream_idle_free(&s->s);
        vetch__free(s);
        errno = saved;
        return NULL;
    }
    s->t = vetch_transport_ref(t);
    return &s->s;
}

/* A direction that is missing from the start is no direction of the stream. */
vetch_stream *
vetch__stream_over_descriptors(vetch_transport *t,
                               const vetch_stream_options *options)
{
    bool reads, writes;
    vetch_stream *s;

    if (t == NULL)
        return NULL;
    reads = t->in == VETCH__IN_OPEN;
    writes = t->out == VETCH__OUT_OPEN;
    s = vetch_stream_over(t, options);
    if (s == NULL) {
        int saved = errno;

        t->kind->disown(t);
        vetch_transport_unref(t);
        errno = saved;
        return NULL;
    }
    vetch_transport_unref(t);
    if (!reads)
        s->in = VETCH__HALF_NONE;
    if (!writes)
        s->out = VETCH__HALF_NONE;
    return s;
}

vetch_stream *
vetch_stream_from_fds(int in, int out, const vetch_stream_options *options)
{
    return vetch__stream_over_descriptors(vetch_transport_from_fds(in, out),
                                          options);
}

vetch_stream *
vetch_stream_stdio(const vetch_stream_options *options)
{
    return vetch__stream_over_descriptors(vetch_transport_stdio(), options);
}

int
vetch_stream_pair(vetch_stream *ret_pair[2])
{
    vetch_transport *t[2];
    int saved;

    VETCH_CHECK(ret_pair != NULL, EINVAL, -1);
    if (vetch_transport_pair(t) < 0)
        return -1;
    ret_pair[0] = vetch_stream_over(t[0], NULL);
    ret_pair[1] = ret_pair[0] != NULL ? vetch_stream_over(t[1], NULL) : NULL;
    saved = errno;
    vetch_transport_unref(t[0]);
    vetch_transport_unref(t[1]);
    if (ret_pair[1] != NULL)
        return 0;
    vetch_stream_unref(ret_pair[0]);
    errno = saved;
    return -1;
}
