/* vetch_tls: what one side proves and trusts. What comes from files is one
 * object, which a reload makes on a thread and puts in the place of the old
 * one; connections keep the SSL_CTX that they began with. */
#include "tls/tls-private.h"

#include <assert.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include <openssl/rand.h>

#include <vetch/executor.h>

#include "base/check-private.h"
#include "base/error-private.h"
#include "base/mem-private.h"
#include "base/options-private.h"
#include "promise/watch-private.h"

/* ---- what it is made from ---- */

static void
identity_files_done(struct vetch__tls_identity_files *f)
{
    vetch__free(f->name);
    vetch__free(f->certificate);
    vetch__free(f->key);
}

static void
source_done(struct vetch__tls_source *s)
{
    for (size_t i = 0; i < s->n_identities; i++)
        identity_files_done(&s->identities[i]);
    vetch__free(s->identities);
    vetch__free(s->authorities);
    vetch__free(s->alpn);
}

/* NULL stays NULL; false: no memory. */
static bool
copy_text(char **to, const char *text)
{
    *to = text != NULL ? vetch__strdup(text) : NULL;
    return *to != NULL || text == NULL;
}

static bool
add_identity_files(struct vetch__tls_source *s, const char *name,
                   const char *certificate, const char *key)
{
    struct vetch__tls_identity_files f = { 0 }, *all;

    all = vetch__realloc(s->identities, (s->n_identities + 1) * sizeof(f));
    if (all == NULL)
        return false;
    s->identities = all;
    if (!copy_text(&f.name, name) || !copy_text(&f.certificate, certificate) ||
        !copy_text(&f.key, key)) {
        identity_files_done(&f);
        return false;
    }
    all[s->n_identities++] = f;
    return true;
}

/* "h2,http/1.1" as it is sent: each with its length in front. -1 and errno. */
static int
parse_alpn(struct vetch__tls_source *s, const char *text)
{
    size_t len = strlen(text);
    unsigned char *to = vetch__malloc(len + 1);

    if (to == NULL)
        return -1;
    s->alpn = to;
    s->alpn_len = len + 1;
    for (;;) {
        size_t n = strcspn(text, ",");

        if (n == 0 || n > 255) {
            errno = EINVAL;
            return -1;
        }
        *to++ = (unsigned char)n;
        memcpy(to, text, n);
        to += n;
        text += n;
        if (*text == '\0')
            return 0;
        text++;
    }
}

/* -1 and errno. */
static int
read_source(struct vetch__tls_source *s, const vetch_tls_options *o,
            bool server)
{
    s->server = server;
    s->verify = o->verify;
    s->logs_keys = o->key_log_file != NULL;
    s->require_certificate = o->require_certificate;
    s->min_version = (int)o->min_version;
    if (!copy_text(&s->authorities, o->authorities_file) ||
        (o->certificate_file != NULL &&
         !add_identity_files(s, NULL, o->certificate_file, o->key_file)))
        return -1;
    return o->alpn != NULL ? parse_alpn(s, o->alpn) : 0;
}

static bool
copy_source(struct vetch__tls_source *to, const struct vetch__tls_source *from)
{
    *to = *from;
    to->identities = NULL;
    to->n_identities = 0;
    to->authorities = NULL;
    to->alpn = NULL;
    if (!copy_text(&to->authorities, from->authorities))
        return false;
    if (from->alpn != NULL) {
        to->alpn = vetch__malloc(from->alpn_len);
        if (to->alpn == NULL)
            return false;
        memcpy(to->alpn, from->alpn, from->alpn_len);
    }
    for (size_t i = 0; i < from->n_identities; i++) {
        const struct vetch__tls_identity_files *f = &from->identities[i];

        if (!add_identity_files(to, f->name, f->certificate, f->key))
            return false;
    }
    return true;
}

/* ---- making one ---- */

static const char *
wrong_option(const vetch_tls_options *o, bool server)
{
    if (o->min_version != VETCH_TLS_1_2 && o->min_version != VETCH_TLS_1_3)
        return "min_version";
    if (!(o->handshake_seconds > 0))
        return "handshake_seconds";
    if (o->max_handshakes == 0)
        return "max_handshakes";
    if (o->certificate_file == NULL && (server || o->key_file != NULL))
        return "no certificate_file";
    if (server && o->require_certificate && o->authorities_file == NULL)
        return "require_certificate without authorities_file";
    return NULL;
}

static void
free_tls(vetch_tls *tls)
{
    vetch__tls_sessions_clear(&tls->sessions);
    vetch__tls_material_free(tls->material);
    source_done(&tls->source);
    BIO_meth_free(tls->bio);
    OPENSSL_cleanse(tls->ticket_keys, sizeof(tls->ticket_keys));
    if (tls->key_log >= 0)
        close(tls->key_log);
    vetch__free(tls);
}

static vetch_tls *
bare_tls(const vetch_tls_options *o)
{
    vetch_tls *tls = vetch__calloc(1, sizeof(*tls));

    if (tls == NULL)
        return NULL;
    tls->object = (struct vetch__object){ .type = VETCH__TLS, .refs = 1 };
    tls->handshake_ns = vetch__seconds(o->handshake_seconds);
    tls->max_handshakes = o->max_handshakes;
    tls->sessions.max = o->max_sessions;
    tls->key_log = -1;
    vetch__list_init(&tls->waiting);
    vetch__list_init(&tls->sessions.list);
    return tls;
}

static int
open_key_log(vetch_tls *tls, const char *path, vetch_error **ret_error)
{
    if (path == NULL)
        return 0;
    tls->key_log = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (tls->key_log >= 0)
        return 0;
    *ret_error = vetch_error_from_errno(errno, "key log %s", path);
    return -1;
}

static int
make_random_ticket_key(vetch_tls *tls, vetch_error **ret_error)
{
    tls->n_ticket_keys = 1;
    if (RAND_bytes((unsigned char *)tls->ticket_keys,
                   sizeof(tls->ticket_keys[0])) == 1)
        return 0;
    *ret_error = vetch__tls_error("ticket key", NULL);
    return -1;
}

static int
fill_tls(vetch_tls *tls, const vetch_tls_options *o, bool server,
         vetch_error **ret_error)
{
    if (read_source(&tls->source, o, server) < 0) {
        *ret_error = vetch_error_from_errno(errno, "TLS");
        return -1;
    }
    tls->bio = vetch__tls_bio_method();
    if (tls->bio == NULL) {
        *ret_error = &vetch__error_no_memory;
        return -1;
    }
    tls->material = vetch__tls_load(&tls->source, ret_error);
    if (tls->material == NULL ||
        open_key_log(tls, o->key_log_file, ret_error) < 0)
        return -1;
    return server ? make_random_ticket_key(tls, ret_error) : 0;
}

static vetch_tls *
make_tls(const vetch_tls_options *o, bool server, vetch_error **ret_error)
{
    const char *why = wrong_option(o, server);
    vetch_tls *tls;

    if (why != NULL) {
        *ret_error = vetch_error_new(EINVAL, "TLS: %s", why);
        return NULL;
    }
    tls = bare_tls(o);
    if (tls == NULL) {
        *ret_error = &vetch__error_no_memory;
        return NULL;
    }
    if (fill_tls(tls, o, server, ret_error) == 0)
        return tls;
    free_tls(tls);
    return NULL;
}

/* For those who did not ask for the error. */
static void
give_error(vetch_error **ret_error, vetch_error *e)
{
    if (ret_error != NULL)
        *ret_error = e;
    else
        vetch_error_unref(e);
}

static vetch_tls *
new_tls(const vetch_tls_options *options, bool server, vetch_error **ret_error)
{
    vetch_tls_options o = VETCH_TLS_OPTIONS_INIT;
    vetch_error *e = NULL;
    vetch_tls *tls = NULL;

    if (vetch__options_read(&o, sizeof(o), options))
        tls = make_tls(&o, server, &e);
    else
        e = vetch_error_new(EINVAL, "TLS: options without their size");
    if (tls == NULL) {
        errno = vetch_error_code(e) < VETCH_ETIMEDOUT ? vetch_error_code(e)
                                                      : EINVAL;
        give_error(ret_error, e);
    }
    return tls;
}

vetch_tls *
vetch_tls_client_new(const vetch_tls_options *options, vetch_error **ret_error)
{
    return new_tls(options, false, ret_error);
}

vetch_tls *
vetch_tls_server_new(const vetch_tls_options *options, vetch_error **ret_error)
{
    return new_tls(options, true, ret_error);
}

vetch_tls *
vetch_tls_ref(vetch_tls *tls)
{
    if (tls != NULL)
        tls->object.refs++;
    return tls;
}

vetch_tls *
vetch_tls_unref(vetch_tls *tls)
{
    if (tls != NULL && --tls->object.refs == 0)
        free_tls(tls);
    return NULL;
}

bool
vetch__tls_is_server(const vetch_tls *tls)
{
    return tls->source.server;
}

/* ---- changing it ---- */

int
vetch_tls_add_certificate(vetch_tls *tls, const char *name,
                          const char *certificate_file, const char *key_file,
                          vetch_error **ret_error)
{
    struct vetch__tls_source *s;
    vetch_error *e = NULL;

    VETCH_CHECK(tls != NULL && name != NULL && certificate_file != NULL, EINVAL,
                -1);
    VETCH_CHECK(tls->source.server, EINVAL, -1);
    s = &tls->source;
    if (!add_identity_files(s, name, certificate_file, key_file)) {
        e = &vetch__error_no_memory;
    } else if (vetch__tls_load_identity(tls->material,
                                        &s->identities[s->n_identities - 1],
                                        &e) < 0) {
        identity_files_done(&s->identities[--s->n_identities]);
    } else {
        return 0;
    }
    give_error(ret_error, e);
    return -1;
}

int
vetch_tls_set_ticket_keys(vetch_tls *tls, const void *keys, size_t n)
{
    VETCH_CHECK(tls != NULL && keys != NULL, EINVAL, -1);
    if (!tls->source.server || n == 0 || n > VETCH__TICKET_KEYS_MAX) {
        errno = EINVAL;
        return -1;
    }
    memcpy(tls->ticket_keys, keys, n * sizeof(tls->ticket_keys[0]));
    tls->n_ticket_keys = n;
    return 0;
}

static_assert(sizeof(struct vetch__ticket_key) == VETCH_TLS_TICKET_KEY_BYTES,
              "ticket keys are what the header says");

/* ---- reloading ---- */

static void *
reload_job(void *source, vetch_error **ret_error)
{
    return vetch__tls_load(source, ret_error);
}

static void
free_source(void *source)
{
    source_done(source);
    vetch__free(source);
}

static void
free_material(void *material)
{
    vetch__tls_material_free(material);
}

/* The value stays the promise's: it gets what is not needed any more. */
static void
swap_material(vetch_tls *tls, struct vetch__tls_material *fresh)
{
    struct vetch__tls_material old = *tls->material;

    *tls->material = *fresh;
    *fresh = old;
    vetch__tls_sessions_clear(&tls->sessions);
}

static vetch_promise *
use_material(void *value, void *ctx)
{
    vetch_tls *tls = ctx;
    struct vetch__tls_material *fresh = value;

    /* Certificates that were added meanwhile. */
    for (size_t i = fresh->n_identities; i < tls->source.n_identities; i++) {
        vetch_error *e = NULL;

        if (vetch__tls_load_identity(fresh, &tls->source.identities[i], &e) < 0)
            return vetch_rejected(e);
    }
    swap_material(tls, fresh);
    return NULL;
}

static void
release_tls(void *tls)
{
    vetch_tls_unref(tls);
}

vetch_promise *
vetch_tls_reload(vetch_tls *tls)
{
    struct vetch__tls_source *copy;
    vetch_promise *p;

    VETCH_CHECK(tls != NULL, EINVAL, &vetch__misused);
    copy = vetch__calloc(1, sizeof(*copy));
    if (copy == NULL)
        return &vetch__no_memory;
    if (!copy_source(copy, &tls->source)) {
        free_source(copy);
        return &vetch__no_memory;
    }
    p = vetch_executor_submit_owned(NULL, reload_job, copy, free_source,
                                    free_material);
    return vetch_finally(vetch_then(p, use_material, tls), release_tls,
                         vetch_tls_ref(tls));
}
