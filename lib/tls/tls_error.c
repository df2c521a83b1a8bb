/* What went wrong, in words: one line that says what, with OpenSSL's own reason
 * as its cause. */
#include "tls/tls-private.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

/* What the verification of a certificate has found. */
static const char *
certificate_words(long result)
{
    switch (result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return "the certificate has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "the certificate is not valid yet";
    case X509_V_ERR_HOSTNAME_MISMATCH:
        return "the certificate is for another host";
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return "the certificate is for another address";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return "the certificate's authority is unknown";
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        return "the certificate's authority is not trusted";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return "the certificate is self-signed";
    case X509_V_ERR_INVALID_PURPOSE:
        return "the certificate is not for this use";
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
        return "the certificate's key is too weak";
    default:
        return X509_verify_cert_error_string(result);
    }
}

/* An alert is what the peer has to say about us. */
static const char *
without_alert(const char *reason, bool *ret_alert)
{
    static const char *const marks[] = { "sslv3 alert ", "tlsv1 alert ",
                                         "tlsv13 alert " };

    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        size_t n = strlen(marks[i]);

        if (strncmp(reason, marks[i], n) == 0) {
            *ret_alert = true;
            return reason + n;
        }
    }
    return reason;
}

static vetch_error *
error_of_queue(const char *what, unsigned long code)
{
    const char *reason = ERR_reason_error_string(code);
    char words[256];
    vetch_error *cause, *e;
    bool alert = false;

    ERR_error_string_n(code, words, sizeof(words));
    cause = vetch_error_new(VETCH_ETLS, "%s", words);
    reason = without_alert(reason != NULL ? reason : "it failed", &alert);
    e = vetch_error_wrap_code(cause, VETCH_ETLS, "%s: %s%s", what,
                              alert ? "the peer says: " : "", reason);
    vetch_error_unref(cause);
    return e;
}

static vetch_error *
error_of_certificate(const char *what, long result, unsigned long code)
{
    char words[256];
    vetch_error *cause, *e;

    if (code != 0)
        ERR_error_string_n(code, words, sizeof(words));
    cause = vetch_error_new(VETCH_ECERTIFICATE, "%s (%s)",
                            code != 0 ? words : "verification",
                            X509_verify_cert_error_string(result));
    e = vetch_error_wrap_code(cause, VETCH_ECERTIFICATE, "%s: %s", what,
                              certificate_words(result));
    vetch_error_unref(cause);
    return e;
}

vetch_error *
vetch__tls_error(const char *what, SSL *ssl)
{
    unsigned long code = ERR_peek_error();
    long result = ssl != NULL ? SSL_get_verify_result(ssl) : X509_V_OK;
    vetch_error *e;

    if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
        e = vetch_error_new(VETCH_ENOMEM, "%s: out of memory", what);
    else if (ssl != NULL && result != X509_V_OK &&
             (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) != 0)
        e = error_of_certificate(what, result, code);
    else if (ERR_SYSTEM_ERROR(code))
        e = vetch_error_from_errno(ERR_GET_REASON(code), "%s", what);
    else if (code != 0)
        e = error_of_queue(what, code);
    else
        e = vetch_error_new(VETCH_ETLS, "%s: it failed", what);
    ERR_clear_error();
    return e;
}
