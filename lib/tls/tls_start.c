/* vetch_tls_start: a handshake as a promise. */
#include "tls/start-private.h"

#include <errno.h>

#include "base/check-private.h"
#include "net/transport-private.h"
#include "promise/watch-private.h"

struct tls_starting {
    vetch_deferred *deferred;
    vetch_transport *t; /* borrowed */
};

static void
cancel_starting(vetch_deferred *d, void *ctx)
{
    struct tls_starting *s = ctx;

    (void)d;
    vetch_transport_abort(s->t);
}

static void
starting_done(vetch_transport *t, const vetch_error *error, void *ctx)
{
    struct tls_starting *s = ctx;
    vetch_deferred *d = s->deferred;

    vetch__free(s);
    if (error == NULL)
        vetch_deferred_resolve(d, vetch_transport_ref(t), vetch_unref);
    else if (vetch_deferred_is_canceled(d))
        vetch_deferred_cancel(d);
    else
        vetch_deferred_reject(d, vetch_error_ref(error));
    vetch_deferred_unref(d);
}

static void
reject_start(struct tls_starting *s, int errnum)
{
    vetch_deferred_reject(
        s->deferred,
        errnum == ENOMEM
            ? NULL
            : vetch_error_from_errno(errnum,
                                     "TLS: the name of the server is needed"));
    vetch_deferred_unref(s->deferred);
    vetch__free(s);
}

static int
check_start(vetch_transport *t)
{
    if (!vetch__transport_check_thread(t))
        return EPERM;
    if (t->protocol != NULL)
        return EBUSY;
    return vetch__transport_state(t) == VETCH__T_NEW ? 0 : ENOTCONN;
}

vetch_promise *
vetch_tls_start(vetch_transport *t, vetch_tls *tls, const char *name)
{
    struct tls_starting *s;
    vetch_promise *p;
    int errnum;

    VETCH_CHECK(t != NULL && tls != NULL, EINVAL, &vetch__misused);
    errnum = check_start(t);
    if (errnum != 0)
        return vetch__failed(errnum, "TLS");
    s = vetch__calloc(1, sizeof(*s));
    if (s == NULL)
        return &vetch__no_memory;
    s->deferred = vetch_deferred_new(cancel_starting, s);
    if (s->deferred == NULL) {
        errnum = errno;
        vetch__free(s);
        return vetch__failed(errnum, "TLS");
    }
    p = vetch_deferred_promise(s->deferred);
    s->t = vetch__tls_put_over(t, tls, name, starting_done, s);
    if (s->t == NULL) {
        reject_start(s, errno);
        return p;
    }
    VETCH__NAME(p, "TLS handshake with %s", vetch_transport_peer(t));
    vetch_transport_unref(s->t); /* the reactor holds it until it is done */
    return p;
}
