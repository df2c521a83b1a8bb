/* Whom to trust.
 *
 * The authorities of the system take a megabyte and some milliseconds: all
 * contexts of the process share them, as long as one uses them. */
#include "tls/tls-private.h"

#include <pthread.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>

/* ---- the system's ---- */

static struct {
    pthread_mutex_t lock;
    X509_STORE *store;
    size_t users;
} of_system = { .lock = PTHREAD_MUTEX_INITIALIZER };

static X509_STORE *
load_system_store(void)
{
    X509_STORE *store = X509_STORE_new();

    if (store != NULL && X509_STORE_set_default_paths(store) != 1) {
        X509_STORE_free(store);
        store = NULL;
    }
    ERR_clear_error(); /* that some place is missing is no error */
    return store;
}

static int
trust_system(struct vetch__tls_material *m, vetch_error **ret_error)
{
    pthread_mutex_lock(&of_system.lock);
    if (of_system.users == 0)
        of_system.store = load_system_store();
    if (of_system.store != NULL) {
        of_system.users++;
        m->uses_system = true;
        SSL_CTX_set1_cert_store(m->ctx, of_system.store);
    }
    pthread_mutex_unlock(&of_system.lock);
    if (m->uses_system)
        return 0;
    *ret_error = vetch_error_new(VETCH_ETLS, "the system's authorities");
    return -1;
}

void
vetch__tls_forget_system(void)
{
    pthread_mutex_lock(&of_system.lock);
    if (--of_system.users == 0) {
        X509_STORE_free(of_system.store);
        of_system.store = NULL;
    }
    pthread_mutex_unlock(&of_system.lock);
}

/* ---- a file's ---- */

/* A session is resumed only where its client was asked for the same: the
 * context of sessions is what the authorities' file holds. */
static bool
digest_file(EVP_MD_CTX *digest, const char *path)
{
    BIO *file = BIO_new_file(path, "r");
    char piece[4096];
    int n = 0;

    if (file == NULL)
        return false;
    while ((n = BIO_read(file, piece, sizeof(piece))) > 0)
        EVP_DigestUpdate(digest, piece, (size_t)n);
    BIO_free(file);
    return n == 0;
}

static bool
digest_demands(unsigned char id[EVP_MAX_MD_SIZE], unsigned *ret_len,
               const struct vetch__tls_source *s)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool done;

    if (digest == NULL)
        return false;
    done = EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
           EVP_DigestUpdate(digest, &s->require_certificate,
                            sizeof(s->require_certificate)) == 1 &&
           (s->authorities == NULL || digest_file(digest, s->authorities)) &&
           EVP_DigestFinal_ex(digest, id, ret_len) == 1;
    EVP_MD_CTX_free(digest);
    return done;
}

int
vetch__tls_set_session_context(SSL_CTX *ctx, const struct vetch__tls_source *s)
{
    unsigned char id[EVP_MAX_MD_SIZE];
    unsigned len;

    if (!digest_demands(id, &len, s))
        return -1;
    return SSL_CTX_set_session_id_context(
               ctx, id,
               len < SSL_MAX_SID_CTX_LENGTH ? len : SSL_MAX_SID_CTX_LENGTH) == 1
               ? 0
               : -1;
}

/* Tell clients whose certificates are welcome. */
static bool
name_authorities(SSL_CTX *ctx, const char *path)
{
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);

    if (names == NULL)
        return false;
    SSL_CTX_set_client_CA_list(ctx, names);
    return true;
}

int
vetch__tls_trust(struct vetch__tls_material *m,
                 const struct vetch__tls_source *s, vetch_error **ret_error)
{
    char what[512];

    if (s->authorities == NULL)
        return trust_system(m, ret_error);
    if (SSL_CTX_load_verify_file(m->ctx, s->authorities) == 1 &&
        (!s->server || name_authorities(m->ctx, s->authorities)))
        return 0;
    snprintf(what, sizeof(what), "authorities %s", s->authorities);
    *ret_error = vetch__tls_error(what, NULL);
    return -1;
}
