/* TLS: what to prove and whom to trust, and connections that do; see
 * vetch_tls(3). Thread: reactor. */
#ifndef VETCH_TLS_H
#define VETCH_TLS_H

#include <vetch/error.h>
#include <vetch/promise.h>

typedef enum vetch_tls_version {
    VETCH_TLS_1_2 = 0x0303,
    VETCH_TLS_1_3 = 0x0304
} vetch_tls_version;

/* Files are PEM; strings are copied. */
typedef struct vetch_tls_options {
    size_t size;                  /* set by VETCH_TLS_OPTIONS_INIT */
    const char *certificate_file; /* the certificate, then its chain; a server
                                     needs one */
    const char *key_file;         /* NULL: in certificate_file */
    const char *authorities_file; /* client: instead of the system's; server:
                                     clients are asked for certificates */
    bool require_certificate;     /* server: of each client */
    bool verify;                  /* client: the server's certificate */
    vetch_tls_version min_version;
    const char *alpn;         /* "h2,http/1.1", the favourite first */
    double handshake_seconds; /* INFINITY: any time */
    size_t max_handshakes;    /* at once; others wait, within their time */
    size_t max_sessions;      /* client: kept to be resumed */
    const char *key_log_file; /* for Wireshark: whoever has it can read along */
} vetch_tls_options;
#define VETCH_TLS_OPTIONS_INIT                                                 \
    {                                                                          \
        .size = sizeof(vetch_tls_options), .verify = true,                     \
        .min_version = VETCH_TLS_1_2, .handshake_seconds = 10.0,               \
        .max_handshakes = 1024, .max_sessions = 256                            \
    }

/* What is known of a connection with TLS. */
typedef struct vetch_tls_info {
    size_t size;          /* of what the library knows */
    const char *protocol; /* "TLSv1.3" */
    const char *cipher;   /* "TLS_AES_256_GCM_SHA384" */
    const char *alpn;     /* agreed on, or NULL */
    const char *subject;  /* of the peer's certificate as RFC 2253 writes it,
                             "CN=www.example.org"; NULL: it showed none */
    bool resumed;         /* an earlier session went on */
} vetch_tls_info;

/* A ticket key is a name of 16 bytes and 64 bytes of secret. */
#define VETCH_TLS_TICKET_KEY_BYTES 80

VETCH_BEGIN_DECLS

/* What a client or a server proves and trusts: one for many connections. Reads
 * its files at once: for the start of a program. NULL options: the defaults.
 * A client without options verifies by the authorities of the system.
 *
 * Ownership: new reference.
 * Errors:    NULL and, if asked for, *ret_error: VETCH_ETLS, VETCH_ENOMEM,
 *            EINVAL, that of a file; ENOTSUP, the library has no TLS. */
VETCH_EXPORT VETCH_NODISCARD vetch_tls *
vetch_tls_client_new(const vetch_tls_options *options, vetch_error **ret_error);
VETCH_EXPORT VETCH_NODISCARD vetch_tls *
vetch_tls_server_new(const vetch_tls_options *options, vetch_error **ret_error);

/* A further certificate of a server, for clients that ask for `name`, which may
 * be `*.example.org`: exactly one label in place of the star. Others get the
 * certificate of the options. NULL key_file: it is in certificate_file.
 * Errors: -1 and, if asked for, *ret_error, as above. */
VETCH_EXPORT int vetch_tls_add_certificate(vetch_tls *tls, const char *name,
                                           const char *certificate_file,
                                           const char *key_file,
                                           vetch_error **ret_error);

/* Read the same files again, on a thread of the reactor's executor. Once it has
 * fulfilled, new connections use them; those that stand are not touched.
 * Rejects with the reason, and the old ones stay. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *vetch_tls_reload(vetch_tls *tls);

/* The keys of a server's session tickets: `n` keys of
 * VETCH_TLS_TICKET_KEY_BYTES each, 1 to 16. The first makes new tickets, all of
 * them open tickets. Servers that share them resume each other's sessions.
 * Without this call each vetch_tls has a random key of its own. Errors: -1 and
 * errno EINVAL, no server or no such number; ENOTSUP. */
VETCH_EXPORT int vetch_tls_set_ticket_keys(vetch_tls *tls, const void *keys,
                                           size_t n);

VETCH_EXPORT vetch_tls *vetch_tls_ref(vetch_tls *tls);
VETCH_EXPORT vetch_tls *vetch_tls_unref(vetch_tls *tls);

/* TLS over a transport of any kind that has no protocol yet: fulfils with a
 * transport of its own when the handshake is done. Client or server by `tls`.
 * `name` is the host name or address that a client expects of the server's
 * certificate; a server ignores it. Cancelling aborts.
 *
 * Ownership: keeps references to both. `t` is the library's from now on; it
 *            ends with the transport that comes out.
 * Errors:    VETCH_ECERTIFICATE; VETCH_ETLS; VETCH_ETIMEDOUT; what ended the
 *            connection; EBUSY, `t` has a protocol; ENOTCONN; VETCH_ENOMEM. */
VETCH_EXPORT VETCH_NODISCARD vetch_promise *
vetch_tls_start(vetch_transport *t, vetch_tls *tls, const char *name);

/* What is known of a transport with TLS whose handshake is done; NULL for one
 * without, and once it is over unless it was asked before. Borrowed from it. */
VETCH_EXPORT const vetch_tls_info *vetch_transport_tls(vetch_transport *t);

VETCH_END_DECLS

#endif
