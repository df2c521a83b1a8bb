/* From files to what OpenSSL works with. Runs on any thread: a reload must not
 * hold the loop. */
#include "tls/tls-private.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/error-private.h"
#include "base/mem-private.h"

/* A key that asks for a password must not ask the terminal. */
static int
no_password(char *to, int size, int writing, void *arg)
{
    (void)to;
    (void)size;
    (void)writing;
    (void)arg;
    return 0;
}

static int
load_failed(vetch_error **ret_error, const char *what, const char *path)
{
    char words[512];

    snprintf(words, sizeof(words), "%s %s", what, path);
    *ret_error = vetch__tls_error(words, NULL);
    return -1;
}

static int
load_lacks(vetch_error **ret_error, const char *what, const char *path)
{
    ERR_clear_error();
    *ret_error =
        vetch_error_new(VETCH_ETLS, "%s %s: there is none in it", what, path);
    return -1;
}

/* After the first certificate: nothing more, or trouble? */
static bool
is_end_of_pem(void)
{
    unsigned long code = ERR_peek_last_error();

    return (ERR_GET_LIB(code) == ERR_LIB_PEM &&
            ERR_GET_REASON(code) == PEM_R_NO_START_LINE) ||
           (ERR_GET_LIB(code) == ERR_LIB_OSSL_DECODER &&
            ERR_GET_REASON(code) == ERR_R_UNSUPPORTED);
}

static int
read_chain(struct vetch__tls_identity *id, BIO *file)
{
    X509 *x;

    id->chain = sk_X509_new_null();
    if (id->chain == NULL)
        return -1;
    while ((x = PEM_read_bio_X509(file, NULL, no_password, NULL)) != NULL) {
        if (sk_X509_push(id->chain, x) <= 0) {
            X509_free(x);
            return -1;
        }
    }
    if (!is_end_of_pem())
        return -1;
    ERR_clear_error();
    return 0;
}

static int
read_certificates(struct vetch__tls_identity *id, const char *path,
                  vetch_error **ret_error)
{
    BIO *file = BIO_new_file(path, "r");
    int result = -1;

    if (file == NULL)
        return load_failed(ret_error, "certificate", path);
    id->certificate = PEM_read_bio_X509(file, NULL, no_password, NULL);
    if (id->certificate == NULL && is_end_of_pem())
        load_lacks(ret_error, "certificate", path);
    else if (id->certificate == NULL || read_chain(id, file) < 0)
        load_failed(ret_error, "certificate", path);
    else
        result = 0;
    BIO_free(file);
    return result;
}

static int
read_key(struct vetch__tls_identity *id, const char *path,
         vetch_error **ret_error)
{
    BIO *file = BIO_new_file(path, "r");

    if (file == NULL)
        return load_failed(ret_error, "key", path);
    id->key = PEM_read_bio_PrivateKey(file, NULL, no_password, NULL);
    BIO_free(file);
    if (id->key != NULL)
        return 0;
    return is_end_of_pem() ? load_lacks(ret_error, "key", path)
                           : load_failed(ret_error, "key", path);
}

static int
check_key(const struct vetch__tls_identity *id, const char *path,
          vetch_error **ret_error)
{
    if (X509_check_private_key(id->certificate, id->key) == 1)
        return 0;
    ERR_clear_error();
    *ret_error = vetch_error_new(
        VETCH_ETLS, "key %s: it does not fit the certificate", path);
    return -1;
}

static void
identity_done(struct vetch__tls_identity *id)
{
    vetch__free(id->name);
    X509_free(id->certificate);
    EVP_PKEY_free(id->key);
    sk_X509_pop_free(id->chain, X509_free);
}

static int
read_identity(struct vetch__tls_identity *id,
              const struct vetch__tls_identity_files *files,
              vetch_error **ret_error)
{
    const char *key = files->key != NULL ? files->key : files->certificate;

    if (files->name != NULL) {
        id->name = vetch__strdup(files->name);
        if (id->name == NULL) {
            *ret_error = &vetch__error_no_memory;
            return -1;
        }
    }
    if (read_certificates(id, files->certificate, ret_error) < 0 ||
        read_key(id, key, ret_error) < 0)
        return -1;
    return check_key(id, key, ret_error);
}

int
vetch__tls_load_identity(struct vetch__tls_material *m,
                         const struct vetch__tls_identity_files *files,
                         vetch_error **ret_error)
{
    struct vetch__tls_identity id = { 0 }, *all;

    if (read_identity(&id, files, ret_error) < 0) {
        identity_done(&id);
        return -1;
    }
    all = vetch__realloc(m->identities,
                         (m->n_identities + 1) * sizeof(*m->identities));
    if (all == NULL) {
        identity_done(&id);
        *ret_error = &vetch__error_no_memory;
        return -1;
    }
    m->identities = all;
    all[m->n_identities++] = id;
    return 0;
}

/* ---- the SSL_CTX ---- */

static int
show_identity(SSL_CTX *ctx, const struct vetch__tls_identity *id,
              const char *path, vetch_error **ret_error)
{
    if (SSL_CTX_use_cert_and_key(ctx, id->certificate, id->key, id->chain, 1) ==
        1)
        return 0;
    return load_failed(ret_error, "certificate", path);
}

static int
settle_alpn(SSL_CTX *ctx, const struct vetch__tls_source *s)
{
    if (s->alpn == NULL || s->server)
        return 0; /* a server is asked when a client has offered */
    return SSL_CTX_set_alpn_protos(ctx, s->alpn, (unsigned)s->alpn_len) == 0
               ? 0
               : -1;
}

static int
settle_verify(struct vetch__tls_material *m, const struct vetch__tls_source *s,
              vetch_error **ret_error)
{
    int mode = SSL_VERIFY_NONE;

    if (s->server && s->authorities != NULL)
        mode = SSL_VERIFY_PEER;
    if (s->server && s->require_certificate)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    if (!s->server && s->verify)
        mode = SSL_VERIFY_PEER;
    SSL_CTX_set_verify(m->ctx, mode, NULL);
    if (mode != SSL_VERIFY_NONE && vetch__tls_trust(m, s, ret_error) < 0)
        return -1;
    if (!s->server || vetch__tls_set_session_context(m->ctx, s) == 0)
        return 0;
    *ret_error = vetch__tls_error("TLS", NULL);
    return -1;
}

/* Release the buffers of idle connections. A record that waits to be written
 * may have moved when it is tried again. */
#define TLS_MODES                                                              \
    (SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |                \
     SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN)

static int
settle_context(SSL_CTX *ctx, const struct vetch__tls_source *s)
{
    SSL_CTX_set_mode(ctx, TLS_MODES);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    /* One: it is written when the handshake is over, and a client that leaves
     * early would meet a reset. */
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_default_passwd_cb(ctx, no_password);
    vetch__tls_set_hooks(ctx, s);
    if (SSL_CTX_set_min_proto_version(ctx, s->min_version) != 1)
        return -1;
    return settle_alpn(ctx, s);
}

static int
load_identities(struct vetch__tls_material *m,
                const struct vetch__tls_source *s, vetch_error **ret_error)
{
    for (size_t i = 0; i < s->n_identities; i++) {
        if (vetch__tls_load_identity(m, &s->identities[i], ret_error) < 0)
            return -1;
    }
    if (m->n_identities == 0)
        return 0;
    return show_identity(m->ctx, &m->identities[0],
                         s->identities[0].certificate, ret_error);
}

static int
load_material(struct vetch__tls_material *m, const struct vetch__tls_source *s,
              vetch_error **ret_error)
{
    m->ctx = SSL_CTX_new(s->server ? TLS_server_method() : TLS_client_method());
    if (m->ctx == NULL || settle_context(m->ctx, s) < 0) {
        *ret_error = vetch__tls_error("TLS", NULL);
        return -1;
    }
    if (load_identities(m, s, ret_error) < 0)
        return -1;
    return settle_verify(m, s, ret_error);
}

struct vetch__tls_material *
vetch__tls_load(const struct vetch__tls_source *s, vetch_error **ret_error)
{
    struct vetch__tls_material *m = vetch__calloc(1, sizeof(*m));

    ERR_clear_error();
    if (m == NULL) {
        *ret_error = &vetch__error_no_memory;
        return NULL;
    }
    if (load_material(m, s, ret_error) == 0)
        return m;
    vetch__tls_material_free(m);
    return NULL;
}

void
vetch__tls_material_free(struct vetch__tls_material *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->n_identities; i++)
        identity_done(&m->identities[i]);
    vetch__free(m->identities);
    SSL_CTX_free(m->ctx);
    if (m->uses_system)
        vetch__tls_forget_system();
    vetch__free(m);
}
