/* What a connection knows of its peer and of how it was agreed on. */
#include "tls/tls-private.h"

#include <string.h>

#include <openssl/err.h>

#include "base/check-private.h"
#include "base/mem-private.h"

/* The subject of the peer's certificate, to be freed with OPENSSL_free(); NULL:
 * there is none. */
static char *
peer_subject(const SSL *ssl, size_t *ret_len)
{
    X509 *x = SSL_get0_peer_certificate(ssl);
    BIO *memory = x != NULL ? BIO_new(BIO_s_mem()) : NULL;
    char *data, *text = NULL;
    long len;

    if (memory == NULL)
        return NULL;
    if (X509_NAME_print_ex(memory, X509_get_subject_name(x), 0,
                           XN_FLAG_RFC2253 &
                               ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0) {
        len = BIO_get_mem_data(memory, &data);
        text = OPENSSL_memdup(data, (size_t)len);
        *ret_len = (size_t)len;
    }
    BIO_free(memory);
    return text;
}

/* The strings follow the structure. */
static vetch_tls_info *
make_info(SSL *ssl)
{
    const unsigned char *alpn;
    unsigned alpn_len;
    size_t subject_len = 0;
    char *subject = peer_subject(ssl, &subject_len), *to;
    vetch_tls_info *info;

    SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
    info = vetch__calloc(1, sizeof(*info) + alpn_len + subject_len + 2);
    if (info != NULL) {
        to = (char *)(info + 1);
        info->size = sizeof(*info);
        info->protocol = SSL_get_version(ssl);
        info->cipher = SSL_get_cipher_name(ssl);
        info->resumed = SSL_session_reused(ssl) == 1;
        if (alpn_len > 0)
            info->alpn = memcpy(to, alpn, alpn_len);
        if (subject != NULL)
            info->subject = memcpy(to + alpn_len + 1, subject, subject_len);
    }
    OPENSSL_free(subject);
    ERR_clear_error();
    return info;
}

const vetch_tls_info *
vetch_transport_tls(vetch_transport *transport)
{
    struct vetch__tls_transport *t;

    VETCH_CHECK(transport != NULL, EINVAL, NULL);
    if (transport->kind != &vetch__tls_kind ||
        !vetch__transport_check_thread(transport))
        return NULL;
    t = vetch__tls_of(transport);
    if (t->info == NULL && t->phase == VETCH__TLS_UP)
        t->info = make_info(t->ssl);
    return t->info;
}
