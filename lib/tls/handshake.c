/* The handshake: from a transport to one with TLS.
 *
 *   IDLE      a server has put TLS over a transport; nothing is made until the
 *             client's first bytes come, so that who only connects costs little
 *   WAITING   as many handshakes as may are under way
 *   SHAKING
 *   UP        `done` was called
 *
 * The time limit runs from the start, on the transport's own timer. Whatever
 * ends the transport before it is UP ends the handshake, and `done` hears why.
 * The reactor holds the transport meanwhile. */
#include "tls/tls-private.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/check-private.h"
#include "base/error-private.h"
#include "base/mem-private.h"
#include "net/endpoint-private.h"
#include "promise/watch-private.h"

/* ---- whom to expect ---- */

/* The name as certificates have it: without a final dot or a zone. */
static char *
plain_name(const char *name)
{
    size_t len = strcspn(name, "%");

    if (len > 0 && name[len - 1] == '.')
        len--;
    return vetch__strndup(name, len);
}

static bool
is_address(const char *name)
{
    union vetch__address address;
    socklen_t len;

    return vetch__address_parse(&address, &len, name, 0);
}

static int
expect_name(SSL *ssl, const char *name)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

    if (is_address(name))
        return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1 ? 0 : -1;
    X509_VERIFY_PARAM_set_hostflags(param,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                        X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (X509_VERIFY_PARAM_set1_host(param, name, 0) != 1 ||
        SSL_set_tlsext_host_name(ssl, name) != 1)
        return -1;
    return 0;
}

/* ---- the SSL ---- */

static int
set_up_ssl(struct vetch__tls_transport *t)
{
    BIO *bio = BIO_new(t->tls->bio);

    if (bio == NULL)
        return -1;
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_app_data(t->ssl, t);
    if (t->tls->source.server) {
        SSL_set_accept_state(t->ssl);
        return 0;
    }
    SSL_set_connect_state(t->ssl);
    if (t->name != NULL && expect_name(t->ssl, t->name) < 0)
        return -1;
    vetch__tls_session_resume(t);
    return 0;
}

static bool
make_ssl(struct vetch__tls_transport *t)
{
    ERR_clear_error();
    t->ssl = SSL_new(t->tls->material->ctx);
    if (t->ssl != NULL && set_up_ssl(t) == 0)
        return true;
    vetch__tls_fail(t, "TLS handshake");
    return false;
}

/* ---- taking turns ---- */

static bool
take_turn(struct vetch__tls_transport *t)
{
    vetch_tls *tls = t->tls;

    if (tls->n_handshakes >= tls->max_handshakes) {
        t->phase = VETCH__TLS_WAITING;
        vetch__list_append(&tls->waiting, &t->link);
        return false;
    }
    tls->n_handshakes++;
    t->phase = VETCH__TLS_SHAKING;
    return true;
}

/* To the one who has waited longest, who has it from now on. */
static void
pass_turn(vetch_tls *tls)
{
    struct vetch__tls_transport *next;

    if (vetch__list_empty(&tls->waiting)) {
        tls->n_handshakes--;
        return;
    }
    next =
        vetch__container(tls->waiting.next, struct vetch__tls_transport, link);
    vetch__list_remove(&next->link);
    next->phase = VETCH__TLS_SHAKING;
    vetch__flush_later(next->t.reactor, &next->pull);
}

/* ---- going on ---- */

static void
handshake_done(struct vetch__tls_transport *t)
{
    vetch__tls_done_fn done = t->done;
    bool held = vetch__transport_state(&t->t) == VETCH__T_NEW;

    if (vetch__transport_state(&t->t) <= VETCH__T_OPEN)
        vetch__timer_stop(t->t.reactor, &t->t.timer);
    t->phase = VETCH__TLS_UP;
    t->done = NULL;
    pass_turn(t->tls);
    if (t->t.output.first != NULL)
        vetch__transport_writable(&t->t);
    if (t->t.out == VETCH__OUT_TELLING)
        t->t.kind->shut(&t->t);
    vetch__transport_attend_later(&t->t);
    if (held) /* by the reactor, which lets go of what has no protocol */
        t->t.flags &= (uint16_t)~VETCH__T_ACTIVE;
    done(&t->t, NULL, t->ctx);
    if (held)
        vetch_transport_unref(&t->t);
}

bool
vetch__tls_shake(struct vetch__tls_transport *t)
{
    int result;

    if (t->phase == VETCH__TLS_WAITING ||
        (t->phase == VETCH__TLS_IDLE && !take_turn(t)) ||
        (t->ssl == NULL && !make_ssl(t)))
        return false;
    ERR_clear_error();
    result = SSL_do_handshake(t->ssl);
    if (result == 1) {
        handshake_done(t);
        return t->phase == VETCH__TLS_UP &&
               vetch__transport_state(&t->t) < VETCH__T_OVER;
    }
    result = SSL_get_error(t->ssl, result);
    if (result != SSL_ERROR_WANT_READ && result != SSL_ERROR_WANT_WRITE)
        vetch__tls_fail(t, "TLS handshake");
    return false;
}

void
vetch__tls_shaken(struct vetch__tls_transport *t)
{
    vetch__tls_done_fn done = t->done;
    vetch_error *e;

    if (t->phase == VETCH__TLS_WAITING)
        vetch__list_remove(&t->link);
    else if (t->phase == VETCH__TLS_SHAKING)
        pass_turn(t->tls);
    t->phase = VETCH__TLS_BROKEN;
    if (done == NULL)
        return;
    t->done = NULL;
    e = t->t.reason != NULL
            ? vetch_error_ref(t->t.reason)
            : vetch_error_new(VETCH_ECLOSED,
                              "TLS handshake: the connection was closed");
    done(&t->t, e, t->ctx);
    vetch_error_unref(e);
}

static void
handshake_is_late(struct vetch__timer *timer)
{
    vetch_transport *t = vetch__container(timer, vetch_transport, timer);

    vetch__transport_over(t,
                          vetch_error_new(VETCH_ETIMEDOUT,
                                          "TLS handshake with %s: it takes "
                                          "too long",
                                          vetch_transport_peer(t)),
                          true);
}

/* ---- starting ---- */

/* Sessions are kept for a name at an address: another service of the same host
 * would not know them. */
static char *
session_key(const struct vetch__tls_transport *t)
{
    const char *peer = vetch_transport_peer(t->inner);
    size_t size = strlen(t->name) + strlen(peer) + 2;
    char *key = vetch__malloc(size);

    if (key != NULL)
        snprintf(key, size, "%s %s", t->name, peer);
    return key;
}

int
vetch__tls_expect(struct vetch__tls_transport *t, const char *name)
{
    if (t->tls->source.server || name == NULL)
        return 0;
    t->name = plain_name(name);
    if (t->name == NULL)
        return -1;
    t->session_key = session_key(t);
    return t->session_key != NULL ? 0 : -1;
}

int
vetch__tls_limit_handshake(struct vetch__tls_transport *t)
{
    return vetch__timer_start(t->t.reactor, &t->t.timer, t->tls->handshake_ns,
                              handshake_is_late);
}
