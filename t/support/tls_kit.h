/* Certificates, made when a test runs, and connections with TLS. */
#ifndef T_TLS_KIT_H
#define T_TLS_KIT_H

#include "support/transport_kit.h"

/* What a certificate says. Times in days from now. */
struct tlk_subject {
    const char *file;   /* its name, and what issuers are called by */
    const char *cn;     /* NULL: the file */
    const char *names;  /* "DNS:localhost,IP:127.0.0.1"; NULL: none */
    const char *usage;  /* "serverAuth"; NULL: any */
    const char *issuer; /* NULL: "ca"; its own file: self-signed */
    int from, until;    /* 0 until: 30 */
    int rsa_bits;       /* 0: an elliptic curve */
    bool authority;
    bool alone; /* the file has no chain */
};

/* A folder with an authority "ca", a server "server" for localhost, 127.0.0.1
 * and *.example.org, and a client "client". For .set_up and .take_down. */
void tlk_open(void);
void tlk_close(void);
/* Certify into FILE: certificate, chain, key. */
void tlk_certify(const struct tlk_subject *subject);
/* Where a file of the folder is, or would be; valid for the next few calls. */
const char *tlk_path(const char *file);

/* A server that shows `file`, a client that trusts "ca"; must succeed. */
vetch_tls *tlk_server(const char *file);
vetch_tls *tlk_client(void);
/* With other options: what is NULL there is filled in as above. */
vetch_tls *tlk_server_with(vetch_tls_options options);
vetch_tls *tlk_client_with(vetch_tls_options options);

/* A handshake over a pair of the kind; the client, who expects `name`, is
 * ends[0]. Where it fails, the end is NULL and its error is in tlk_error. */
void tlk_shake(enum tk_kind kind, vetch_tls *client, const char *name,
               vetch_tls *server, vetch_transport *ends[2]);
extern vetch_error *tlk_error[2];
/* Both ends of a good connection over this kind, or NULL, in a folder of its
 * own; may be short of memory. */
void tlk_pair(enum tk_kind kind, vetch_transport *ends[2]);
/* The same with probes attached and connected; must succeed. "server" and
 * localhost. */
void tlk_connect(enum tk_kind kind, struct tk_probe ends[2]);

#endif
