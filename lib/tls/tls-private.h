/* The inside of TLS.
 *
 * A vetch_tls is what one side proves and trusts: an SSL_CTX made from files,
 * which a reload replaces as a whole. A connection with TLS is a transport of a
 * kind of its own, whose protocol's bytes go as records through an inner
 * transport of any other kind; it is the protocol of that one. OpenSSL reads
 * what the inner transport has received and writes into its queue. */
#ifndef VETCH_TLS_PRIVATE_H
#define VETCH_TLS_PRIVATE_H

#include <openssl/ssl.h>

#include <vetch/tls.h>

#include "base/buffer-private.h"
#include "base/list-private.h"
#include "base/object-private.h"
#include "net/transport-private.h"
#include "tls/start-private.h"

/* ---- files ---- */

struct vetch__tls_identity_files {
    char *name; /* that clients ask for; NULL: of all others */
    char *certificate, *key;
};

/* What a vetch_tls is made from, and made from again by a reload. */
struct vetch__tls_source {
    bool server, verify, require_certificate, logs_keys;
    int min_version;
    char *authorities;
    unsigned char *alpn; /* as it is sent */
    size_t alpn_len;
    struct vetch__tls_identity_files *identities; /* the first is the default */
    size_t n_identities;
};

struct vetch__tls_identity {
    char *name;
    X509 *certificate;
    EVP_PKEY *key;
    STACK_OF(X509) * chain;
};

/* What the files held. */
struct vetch__tls_material {
    SSL_CTX *ctx; /* has the first identity */
    struct vetch__tls_identity *identities;
    size_t n_identities;
    bool uses_system; /* authorities */
};

/* ---- tickets and sessions ---- */

enum { VETCH__TICKET_KEYS_MAX = 16 };

struct vetch__ticket_key {
    unsigned char name[16], hmac[32], aes[32];
};

struct vetch__tls_sessions {
    struct vetch__list list; /* the newest first */
    size_t n, max;
};

/* ---- the object ---- */

struct vetch_tls {
    struct vetch__object object;
    struct vetch__tls_source source;
    struct vetch__tls_material *material;
    BIO_METHOD *bio;
    uint64_t handshake_ns;
    struct vetch__list waiting; /* for one of the handshakes */
    size_t n_handshakes, max_handshakes;
    struct vetch__tls_sessions sessions;
    struct vetch__ticket_key ticket_keys[VETCH__TICKET_KEYS_MAX];
    size_t n_ticket_keys;
    int key_log; /* a descriptor, or -1 */
};

/* ---- a connection ---- */

enum vetch__tls_phase {
    VETCH__TLS_IDLE,    /* nothing has come from the client yet */
    VETCH__TLS_WAITING, /* for its turn */
    VETCH__TLS_SHAKING,
    VETCH__TLS_UP,
    VETCH__TLS_BROKEN /* OpenSSL must not be asked for anything more */
};

struct vetch__tls_transport {
    vetch_transport t;       /* first */
    vetch_protocol protocol; /* of the inner one */
    vetch_transport *inner;  /* NULL once it is over */
    vetch_tls *tls;
    SSL *ssl;             /* NULL before, and once it is over */
    vetch_buffer *cipher; /* what OpenSSL reads from; NULL: nothing */
    char *name;           /* whom a client expects; or NULL */
    char *session_key;    /* under which its sessions are kept; or NULL */
    vetch_tls_info *info; /* made when asked for */
    struct vetch__flush pull;
    struct vetch__timer rest; /* between two turns of sending much */
    struct vetch__list link;  /* among those that wait for their turn */
    vetch__tls_done_fn done;  /* NULL once the handshake is over */
    void *ctx;
    uint8_t phase;
    bool stuck;     /* reading waits until something has gone out */
    int bio_errnum; /* why writing to the inner one has failed */
};

extern const struct vetch__transport_kind vetch__tls_kind;

static inline struct vetch__tls_transport *
vetch__tls_of(vetch_transport *t)
{
    return (struct vetch__tls_transport *)t;
}

/* ---- tls_load.c: any thread ---- */

/* NULL and *ret_error. */
struct vetch__tls_material *vetch__tls_load(const struct vetch__tls_source *s,
                                            vetch_error **ret_error);
/* One more identity; -1 and *ret_error. */
int vetch__tls_load_identity(struct vetch__tls_material *m,
                             const struct vetch__tls_identity_files *files,
                             vetch_error **ret_error);
void vetch__tls_material_free(struct vetch__tls_material *m);

/* ---- authorities.c: any thread ---- */

/* Whom to trust: the file's, or else the system's, which all contexts share. -1
 * and *ret_error. */
int vetch__tls_trust(struct vetch__tls_material *m,
                     const struct vetch__tls_source *s,
                     vetch_error **ret_error);
void vetch__tls_forget_system(void);
/* A server's sessions go on only where as much is asked of clients. -1: see
 * OpenSSL's queue. */
int vetch__tls_set_session_context(SSL_CTX *ctx,
                                   const struct vetch__tls_source *s);

/* ---- hooks.c: what OpenSSL asks in a handshake ---- */

void vetch__tls_set_hooks(SSL_CTX *ctx, const struct vetch__tls_source *s);

/* ---- sessions.c ---- */

void vetch__tls_sessions_clear(struct vetch__tls_sessions *s);
/* Keep a session; false: it was not. */
bool vetch__tls_session_keep(struct vetch__tls_transport *t,
                             SSL_SESSION *session);
/* Take up an earlier session, if there is one. */
void vetch__tls_session_resume(struct vetch__tls_transport *t);

/* ---- tls_error.c ---- */

/* What OpenSSL has to say, in one line, with its own words as the cause: the
 * handshake of `ssl` (or NULL: a file) has failed. Empties the queue. */
vetch_error *vetch__tls_error(const char *what, SSL *ssl);

/* ---- bio.c ---- */

/* The way between OpenSSL and the inner transport. NULL: no memory. */
BIO_METHOD *vetch__tls_bio_method(void);

/* ---- handshake.c ---- */

/* Whom a client expects. -1 and ENOMEM. */
int vetch__tls_expect(struct vetch__tls_transport *t, const char *name);
/* Start the time limit. -1 and ENOMEM. */
int vetch__tls_limit_handshake(struct vetch__tls_transport *t);
/* Go on with the handshake; true: it is done, and the connection is open. */
bool vetch__tls_shake(struct vetch__tls_transport *t);
/* The connection is over: end the handshake, if there still is one. */
void vetch__tls_shaken(struct vetch__tls_transport *t);

/* ---- tls_transport.c ---- */

/* OpenSSL has failed at `what`: the connection is over. */
void vetch__tls_fail(struct vetch__tls_transport *t, const char *what);

#endif
