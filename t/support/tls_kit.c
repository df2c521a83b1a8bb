/* Certificates, made when a test runs, and connections with TLS. */
#include "support/tls_kit.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

enum { MAX_IDENTITIES = 32 };

struct identity {
    char file[32];
    X509 *certificate;
    EVP_PKEY *key;
    const struct identity *issuer; /* NULL: itself */
    bool root;
};

static struct kit {
    char folder[64];
    struct identity made[MAX_IDENTITIES];
    size_t n;
} kit;

vetch_error *tlk_error[2];

static void
forget_errors(void)
{
    for (int i = 0; i < 2; i++)
        tlk_error[i] = vetch_error_unref(tlk_error[i]);
}

/* ---- certificates ---- */

static const struct identity *
find_identity(const char *file)
{
    for (size_t i = 0; i < kit.n; i++) {
        if (strcmp(kit.made[i].file, file) == 0)
            return &kit.made[i];
    }
    ck_abort_msg("there is no %s", file);
}

static EVP_PKEY *
make_key(int rsa_bits)
{
    EVP_PKEY *key =
        rsa_bits > 0 ? EVP_RSA_gen((unsigned)rsa_bits) : EVP_EC_gen("P-256");

    ck_assert_ptr_nonnull(key);
    return key;
}

static void
extend(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ck_assert_msg(extension != NULL, "%s", value);
    ck_assert_int_eq(X509_add_ext(x, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static void
set_subject(X509 *x, const char *cn)
{
    X509_NAME *name = X509_get_subject_name(x);

    ck_assert_int_eq(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                                (const unsigned char *)cn, -1,
                                                -1, 0),
                     1);
}

static void
set_times(X509 *x, const struct tlk_subject *s)
{
    int until = s->until != 0 ? s->until : 30;

    X509_time_adj_ex(X509_getm_notBefore(x), s->from, -60, NULL);
    X509_time_adj_ex(X509_getm_notAfter(x), until, 0, NULL);
}

static void
make_certificate(struct identity *id, const struct tlk_subject *s)
{
    X509 *x = X509_new(), *issuer;
    static long serial;

    issuer = id->issuer != NULL ? id->issuer->certificate : x;
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
    set_times(x, s);
    set_subject(x, s->cn != NULL ? s->cn : s->file);
    X509_set_issuer_name(x, X509_get_subject_name(issuer));
    X509_set_pubkey(x, id->key);
    extend(x, issuer, NID_basic_constraints,
           s->authority ? "critical,CA:TRUE" : "CA:FALSE");
    if (s->names != NULL)
        extend(x, issuer, NID_subject_alt_name, s->names);
    if (s->usage != NULL)
        extend(x, issuer, NID_ext_key_usage, s->usage);
    ck_assert_int_gt(X509_sign(x,
                               id->issuer != NULL ? id->issuer->key : id->key,
                               EVP_sha256()),
                     0);
    id->certificate = x;
}

static void
write_files(const struct identity *id, bool alone)
{
    FILE *f = fopen(tlk_path(id->file), "w");

    ck_assert_ptr_nonnull(f);
    PEM_write_X509(f, id->certificate);
    for (const struct identity *i = id->issuer; !alone && i != NULL && !i->root;
         i = i->issuer)
        PEM_write_X509(f, i->certificate);
    PEM_write_PrivateKey(f, id->key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
}

void
tlk_certify(const struct tlk_subject *s)
{
    const char *issuer = s->issuer != NULL ? s->issuer : "ca";
    struct identity *id = &kit.made[kit.n];

    ck_assert_uint_lt(kit.n, MAX_IDENTITIES);
    *id = (struct identity){ .key = make_key(s->rsa_bits) };
    snprintf(id->file, sizeof(id->file), "%s", s->file);
    id->root = strcmp(issuer, s->file) == 0;
    id->issuer = id->root ? NULL : find_identity(issuer);
    make_certificate(id, s);
    write_files(id, s->alone);
    kit.n++;
}

/* ---- the folder ---- */

const char *
tlk_path(const char *file)
{
    static char paths[8][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof(paths[0]), "%s/%s", kit.folder, file);
    return path;
}

void
tlk_open(void)
{
    const char *tmp = getenv("TMPDIR");

    memset(&kit, 0, sizeof(kit));
    snprintf(kit.folder, sizeof(kit.folder), "%.40s/vetch-tls-XXXXXX",
             tmp != NULL ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(kit.folder));
    tlk_certify(&(struct tlk_subject){
        .file = "ca", .issuer = "ca", .authority = true });
    tlk_certify(&(struct tlk_subject){
        .file = "server",
        .names = "DNS:localhost,IP:127.0.0.1,DNS:*.example.org" });
    tlk_certify(
        &(struct tlk_subject){ .file = "client", .usage = "clientAuth" });
}

static void
remove_folder(void)
{
    DIR *d = opendir(kit.folder);
    struct dirent *e;

    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] != '.')
            unlink(tlk_path(e->d_name));
    }
    closedir(d);
    rmdir(kit.folder);
}

void
tlk_close(void)
{
    for (size_t i = 0; i < kit.n; i++) {
        X509_free(kit.made[i].certificate);
        EVP_PKEY_free(kit.made[i].key);
    }
    remove_folder();
    forget_errors();
}

/* ---- contexts ---- */

vetch_tls *
tlk_server_with(vetch_tls_options options)
{
    vetch_error *error = NULL;
    vetch_tls *tls;

    if (options.certificate_file == NULL)
        options.certificate_file = tlk_path("server");
    tls = vetch_tls_server_new(&options, &error);
    ck_assert_msg(tls != NULL, "%s", vetch_error_text(error));
    return tls;
}

vetch_tls *
tlk_client_with(vetch_tls_options options)
{
    vetch_error *error = NULL;
    vetch_tls *tls;

    if (options.authorities_file == NULL)
        options.authorities_file = tlk_path("ca");
    tls = vetch_tls_client_new(&options, &error);
    ck_assert_msg(tls != NULL, "%s", vetch_error_text(error));
    return tls;
}

vetch_tls *
tlk_server(const char *file)
{
    vetch_tls_options options = VETCH_TLS_OPTIONS_INIT;

    options.certificate_file = tlk_path(file);
    return tlk_server_with(options);
}

vetch_tls *
tlk_client(void)
{
    return tlk_client_with((vetch_tls_options)VETCH_TLS_OPTIONS_INIT);
}

/* ---- connections ---- */

struct shake {
    vetch_transport *t;
    int *n_done, i;
};

static void
shaken(const vetch_error *error, void *result, void *ctx)
{
    struct shake *s = ctx;

    s->t = result;
    if (error != NULL) {
        vetch_error_unref(tlk_error[s->i]);
        tlk_error[s->i] = vetch_error_ref(error);
    }
    ++*s->n_done;
}

void
tlk_shake(enum tk_kind kind, vetch_tls *client, const char *name,
          vetch_tls *server, vetch_transport *ends[2])
{
    int n_done = 0;
    struct shake shakes[2] = { { .n_done = &n_done, .i = 0 },
                               { .n_done = &n_done, .i = 1 } };
    vetch_transport *pair[2];

    ends[0] = ends[1] = NULL;
    tk_pair(kind, pair);
    if (pair[0] == NULL || pair[1] == NULL) {
        vetch_transport_unref(pair[0]);
        vetch_transport_unref(pair[1]);
        return;
    }
    vetch_callback(vetch_tls_start(pair[0], client, name), shaken, &shakes[0]);
    vetch_callback(vetch_tls_start(pair[1], server, NULL), shaken, &shakes[1]);
    vetch_transport_unref(pair[0]);
    vetch_transport_unref(pair[1]);
    tk_until(n_done == 2);
    ends[0] = shakes[0].t;
    ends[1] = shakes[1].t;
}

/* Nothing here is fatal: memory may be made to run out. */
static vetch_tls *
usual_context(bool is_server)
{
    vetch_tls_options options = VETCH_TLS_OPTIONS_INIT;

    options.authorities_file = is_server ? NULL : tlk_path("ca");
    options.certificate_file = is_server ? tlk_path("server") : NULL;
    return is_server ? vetch_tls_server_new(&options, NULL)
                     : vetch_tls_client_new(&options, NULL);
}

void
tlk_pair(enum tk_kind kind, vetch_transport *ends[2])
{
    struct kit outside = kit; /* of the test, or of TLS inside TLS */
    vetch_tls *client, *server;

    tlk_open();
    client = usual_context(false);
    server = usual_context(true);
    ends[0] = ends[1] = NULL;
    if (client != NULL && server != NULL)
        tlk_shake(kind, client, "localhost", server, ends);
    vetch_tls_unref(client);
    vetch_tls_unref(server);
    tlk_close();
    kit = outside;
}

void
tlk_connect(enum tk_kind kind, struct tk_probe ends[2])
{
    vetch_tls *client = tlk_client(), *server = tlk_server("server");
    vetch_transport *pair[2];

    tlk_shake(kind, client, "localhost", server, pair);
    vetch_tls_unref(client);
    vetch_tls_unref(server);
    for (int i = 0; i < 2; i++) {
        ck_assert_msg(pair[i] != NULL, "%s", vetch_error_text(tlk_error[i]));
        tk_init(&ends[i]);
        ck_assert_int_eq(vetch_transport_attach(pair[i], &ends[i].protocol), 0);
        vetch_transport_unref(pair[i]);
    }
    tk_until(ends[0].t != NULL && ends[1].t != NULL);
}
