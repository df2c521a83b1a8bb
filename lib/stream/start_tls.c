/* TLS in the middle of a connection: the stream goes on over a transport with
 * TLS, which is put over the one that it had. */
#include <vetch/tls.h>

#include <errno.h>

#include "base/check-private.h"
#include "base/mem-private.h"
#include "promise/watch-private.h"
#include "stream/transport-private.h"
#include "tls/start-private.h"

struct starting {
    vetch_deferred *deferred;
    vetch_stream *stream; /* held */
};

static void
cancel_start_tls(vetch_deferred *d, void *ctx)
{
    struct starting *st = ctx;

    (void)d;
    vetch__stream_break(st->stream,
                        vetch_error_new(VETCH_ECANCELED, "start TLS with %s",
                                        vetch_stream_peer(st->stream)));
}

static void
start_tls_done(vetch_transport *t, const vetch_error *error, void *ctx)
{
    struct starting *st = ctx;
    vetch_stream *s = st->stream;
    vetch_deferred *d = st->deferred;

    (void)t;
    vetch__free(st);
    if (error == NULL)
        vetch_deferred_resolve(d, NULL, NULL);
    else if (vetch_deferred_is_canceled(d))
        vetch_deferred_cancel(d);
    else
        vetch_deferred_reject(d, vetch_error_ref(error));
    vetch_deferred_unref(d);
    vetch__stream_let_go(s);
}

/* ---- whether it can be done ---- */

/* NULL, or a rejection; then nothing has happened. */
static vetch_promise *
refuse_start_tls(vetch_stream *s)
{
    if (!vetch__stream_check_thread(s))
        return &vetch__misused;
    if (vetch__stream_transport(s) == NULL)
        return vetch__failed(EBADF, "start TLS: this stream is no connection");
    if (vetch__stream_is_read(s) || s->sink != NULL)
        return vetch_rejected(vetch_error_new(
            VETCH_EMISUSE, "start TLS with %s: a read or copy is pending",
            vetch_stream_peer(s)));
    if (s->error != NULL)
        return vetch_rejected(vetch__stream_cause(s));
    if (s->object.state != VETCH__S_OPEN || s->in != VETCH__HALF_OPEN ||
        s->out != VETCH__HALF_OPEN)
        return vetch_rejected(
            vetch_error_new(VETCH_ECLOSED, "start TLS: the stream has ended"));
    return NULL;
}

/* What came in the clear after what the application took for the last of it
 * may have been put there by anybody, to be taken for what comes with TLS. */
static vetch_promise *
refuse_plain_bytes(vetch_stream *s)
{
    vetch_error *e = vetch_error_new(
        VETCH_ETLS, "start TLS with %s: the peer has sent more in the clear",
        vetch_stream_peer(s));

    vetch__stream_drop_input(s);
    vetch__stream_break(s, vetch_error_ref(e));
    return vetch_rejected(e);
}

/* ---- doing it ---- */

static struct starting *
new_starting(vetch_stream *s)
{
    struct starting *st = vetch__malloc(sizeof(*st));

    if (st == NULL)
        return NULL;
    st->stream = s;
    st->deferred = vetch_deferred_new(cancel_start_tls, st);
    if (st->deferred != NULL)
        return st;
    vetch__free(st);
    return NULL;
}

/* Without a word: it has not begun. */
static void
forget_starting(struct starting *st)
{
    vetch_promise_unref(vetch_deferred_promise(st->deferred));
    vetch_deferred_cancel(st->deferred);
    vetch_deferred_unref(st->deferred);
    vetch__free(st);
}

/* What a server has sent right behind its word belongs to TLS. */
static int
give_input_to_tls(vetch_stream *s, vetch_transport *t)
{
    vetch_buffer *left;

    if (vetch__stream_available(s) == 0)
        return 0;
    left = vetch__stream_take_input(s);
    if (left == NULL)
        return -1;
    vetch__transport_put_back(t, left);
    return 0;
}

vetch_promise *
vetch_stream_start_tls(vetch_stream *s, vetch_tls *tls, const char *name)
{
    struct transport_stream *ts = (struct transport_stream *)s;
    vetch_transport *outer, *inner;
    struct starting *st;
    vetch_promise *p;

    VETCH_CHECK(s != NULL && tls != NULL, EINVAL, &vetch__misused);
    p = refuse_start_tls(s);
    if (p != NULL)
        return p;
    if (vetch__tls_is_server(tls) && vetch__stream_available(s) > 0)
        return refuse_plain_bytes(s);
    inner = ts->t;
    st = new_starting(s);
    if (st == NULL || give_input_to_tls(s, inner) < 0) {
        if (st != NULL)
            forget_starting(st);
        return &vetch__no_memory;
    }
    outer = vetch__tls_put_over(inner, tls, name, start_tls_done, st);
    if (outer == NULL) {
        int errnum = errno;

        forget_starting(st);
        return vetch__failed(errnum, "start TLS: whom to expect is not said");
    }
    vetch__stream_hold(s);
    ts->t = outer;
    vetch_transport_unref(inner);
    p = vetch_deferred_promise(st->deferred);
    VETCH__NAME(p, "start TLS with %s", vetch_stream_peer(s));
    return p;
}

const vetch_tls_info *
vetch_stream_tls(const vetch_stream *s)
{
    VETCH_CHECK(s != NULL, EINVAL, NULL);
    if (vetch__stream_transport(s) == NULL)
        return NULL;
    return vetch_transport_tls(
        ((const struct transport_stream *)(const void *)s)->t);
}
