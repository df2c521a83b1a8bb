/* TLS as endpoint strings ask for it: what lib/net is given. */
#include "net/tls_hooks-private.h"

#include <string.h>

#include "net/endpoint-private.h"
#include "net/net-private.h"
#include "tls/tls-private.h"

/* A client that is given nothing but the name of a server is always the same:
 * made once for a reactor, it resumes sessions, too. */
static vetch_tls *
usual_client(vetch_error **ret_error)
{
    struct vetch__net *net = vetch__reactor->net;

    if (net->usual_client == NULL)
        net->usual_client = vetch_tls_client_new(NULL, ret_error);
    return vetch_tls_ref(net->usual_client);
}

/* "h2,http/1.1" of the endpoint's list. */
static const char *
join_alpn(const struct vetch__endpoint *e, char *to, size_t size)
{
    size_t len = 0;

    for (size_t i = 0; e->alpn[i] != NULL; i++)
        len += (size_t)snprintf(to + len, len < size ? size - len : 0, "%s%s",
                                i > 0 ? "," : "", e->alpn[i]);
    return len > 0 ? to : NULL;
}

static vetch_tls *
context_of_endpoint(const struct vetch__endpoint *e, bool server,
                    vetch_error **ret_error)
{
    vetch_tls_options o = VETCH_TLS_OPTIONS_INIT;
    char alpn[VETCH__ENDPOINT_TEXT];

    if (!server && e->ca == NULL) {
        vetch_tls *usual = usual_client(ret_error);

        if (usual == NULL || (e->cert == NULL && e->alpn[0] == NULL))
            return usual;
        vetch_tls_unref(usual); /* which keeps the system's authorities */
    }
    o.certificate_file = e->cert;
    o.key_file = e->key;
    o.authorities_file = e->ca;
    o.require_certificate = server && e->ca != NULL;
    o.alpn = join_alpn(e, alpn, sizeof(alpn));
    return server ? vetch_tls_server_new(&o, ret_error)
                  : vetch_tls_client_new(&o, ret_error);
}

/* Consumes `inner`. */
static vetch_promise *
handshake_over(vetch_tls *tls, vetch_transport *inner, const char *name)
{
    vetch_promise *p = vetch_tls_start(
        inner, tls, name != NULL && name[0] != '\0' ? name : NULL);

    vetch_transport_unref(inner);
    return p;
}

static const struct vetch__tls_hooks hooks = {
    .context = context_of_endpoint,
    .ref = vetch_tls_ref,
    .unref = vetch_tls_unref,
    .is_server = vetch__tls_is_server,
    .handshake = handshake_over,
};

const struct vetch__tls_hooks *const vetch__tls_hooks = &hooks;
