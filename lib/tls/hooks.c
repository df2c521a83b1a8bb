/* What OpenSSL asks in a handshake. None of this calls anything of the user's:
 * freeing a connection inside one of these would be the end. */
#include "tls/tls-private.h"

#include <string.h>
#include <strings.h>
#include <sys/uio.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

static struct vetch__tls_transport *
tls_of_ssl(const SSL *ssl)
{
    return SSL_get_app_data(ssl);
}

/* ---- which certificate ---- */

/* `*.example.org` stands for one label, and not for a name's end alone. */
static bool
name_matches(const char *pattern, const char *name)
{
    const char *dot;

    if (strncmp(pattern, "*.", 2) != 0)
        return strcasecmp(pattern, name) == 0;
    dot = strchr(name, '.');
    return dot != NULL && dot != name && strcasecmp(pattern + 1, dot) == 0;
}

static const struct vetch__tls_identity *
identity_for(const struct vetch__tls_material *m, const char *name)
{
    for (size_t i = 1; i < m->n_identities; i++) {
        if (name_matches(m->identities[i].name, name))
            return &m->identities[i];
    }
    return NULL;
}

static int
choose_certificate(SSL *ssl, void *arg)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const struct vetch__tls_identity *id;

    (void)arg;
    if (name == NULL)
        return 1;
    id = identity_for(tls_of_ssl(ssl)->tls->material, name);
    return id == NULL || SSL_use_cert_and_key(ssl, id->certificate, id->key,
                                              id->chain, 1) == 1;
}

/* ---- which protocol ---- */

static int
choose_alpn(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
            const unsigned char *offered, unsigned len, void *arg)
{
    const struct vetch__tls_source *s = &tls_of_ssl(ssl)->tls->source;
    unsigned char *chosen;

    (void)arg;
    if (SSL_select_next_proto(&chosen, ret_len, s->alpn, (unsigned)s->alpn_len,
                              offered, len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* ---- tickets ---- */

static bool
arm_ticket(const struct vetch__ticket_key *key, unsigned char *iv,
           EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool seal)
{
    char sha256[] = "SHA256";
    unsigned char *hmac = (unsigned char *)(uintptr_t)key->hmac;
    OSSL_PARAM params[] = {
        OSSL_PARAM_octet_string(OSSL_MAC_PARAM_KEY, hmac, sizeof(key->hmac)),
        OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 6), OSSL_PARAM_END
    };

    return EVP_MAC_CTX_set_params(mac, params) == 1 &&
           EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->aes, iv,
                             seal) == 1;
}

static int
seal_ticket(const vetch_tls *tls, unsigned char *name, unsigned char *iv,
            EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    const struct vetch__ticket_key *key = &tls->ticket_keys[0];

    memcpy(name, key->name, sizeof(key->name));
    return RAND_bytes(iv, EVP_MAX_IV_LENGTH) == 1 &&
                   arm_ticket(key, iv, cipher, mac, true)
               ? 1
               : -1;
}

/* 0: a full handshake; 1: resume; 2: resume, and send a new ticket: because the
 * old one was made with a key that is about to go, or is not to be used
 * twice (TLS 1.3). */
static int
open_ticket(const vetch_tls *tls, bool once, const unsigned char *name,
            unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    for (size_t i = 0; i < tls->n_ticket_keys; i++) {
        const struct vetch__ticket_key *key = &tls->ticket_keys[i];

        if (memcmp(name, key->name, sizeof(key->name)) != 0)
            continue;
        if (!arm_ticket(key, iv, cipher, mac, false))
            return -1;
        return i == 0 && !once ? 1 : 2;
    }
    return 0;
}

static int
handle_ticket(SSL *ssl, unsigned char *name, unsigned char *iv,
              EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
    const vetch_tls *tls = tls_of_ssl(ssl)->tls;

    return seal ? seal_ticket(tls, name, iv, cipher, mac)
                : open_ticket(tls, SSL_version(ssl) >= TLS1_3_VERSION, name, iv,
                              cipher, mac);
}

/* ---- the client's sessions, the log of keys ---- */

static int
handle_session(SSL *ssl, SSL_SESSION *session)
{
    return vetch__tls_session_keep(tls_of_ssl(ssl), session);
}

static void
log_key(const SSL *ssl, const char *line)
{
    const struct vetch__tls_transport *t = tls_of_ssl(ssl);
    struct iovec iov[2] = { { (void *)(uintptr_t)line, strlen(line) },
                            { (void *)(uintptr_t) "\n", 1 } };
    ssize_t n;

    if (t == NULL || t->tls->key_log < 0)
        return;
    n = writev(t->tls->key_log, iov, 2); /* it is only a log */
    (void)n;
}

void
vetch__tls_set_hooks(SSL_CTX *ctx, const struct vetch__tls_source *s)
{
    if (s->logs_keys) /* only then: the text alone is dear */
        SSL_CTX_set_keylog_callback(ctx, log_key);
    if (!s->server) {
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT |
                                                SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ctx, handle_session);
        return;
    }
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, handle_ticket);
    SSL_CTX_set_cert_cb(ctx, choose_certificate, NULL);
    if (s->alpn != NULL)
        SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
}
