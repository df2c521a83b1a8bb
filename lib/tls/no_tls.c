/* The library without OpenSSL: no vetch_tls can be made, so nothing can be done
 * with one. */
#include "tls/start-private.h"

#include <errno.h>

#include <vetch/error.h>

#include "base/check-private.h"
#include "net/tls_hooks-private.h"
#include "promise/watch-private.h"

static vetch_tls *
refuse_tls(vetch_error **ret_error)
{
    if (ret_error != NULL)
        *ret_error = vetch_error_new(
            ENOTSUP, "TLS: the library was built without OpenSSL");
    errno = ENOTSUP;
    return NULL;
}

vetch_tls *
vetch_tls_client_new(const vetch_tls_options *options, vetch_error **ret_error)
{
    (void)options;
    return refuse_tls(ret_error);
}

vetch_tls *
vetch_tls_server_new(const vetch_tls_options *options, vetch_error **ret_error)
{
    (void)options;
    return refuse_tls(ret_error);
}

int
vetch_tls_add_certificate(vetch_tls *tls, const char *name,
                          const char *certificate_file, const char *key_file,
                          vetch_error **ret_error)
{
    VETCH_CHECK(tls != NULL, EINVAL, -1);
    (void)name;
    (void)certificate_file;
    (void)key_file;
    (void)refuse_tls(ret_error);
    return -1;
}

vetch_promise *
vetch_tls_reload(vetch_tls *tls)
{
    VETCH_CHECK(tls != NULL, EINVAL, &vetch__misused);
    return vetch__failed(ENOTSUP, "TLS");
}

int
vetch_tls_set_ticket_keys(vetch_tls *tls, const void *keys, size_t n)
{
    VETCH_CHECK(tls != NULL, EINVAL, -1);
    (void)keys;
    (void)n;
    errno = ENOTSUP;
    return -1;
}

vetch_tls *
vetch_tls_ref(vetch_tls *tls)
{
    return tls;
}

vetch_tls *
vetch_tls_unref(vetch_tls *tls)
{
    (void)tls;
    return NULL;
}

vetch_promise *
vetch_tls_start(vetch_transport *t, vetch_tls *tls, const char *name)
{
    VETCH_CHECK(t != NULL && tls != NULL, EINVAL, &vetch__misused);
    (void)name;
    return vetch__failed(ENOTSUP, "TLS");
}

const vetch_tls_info *
vetch_transport_tls(vetch_transport *t)
{
    VETCH_CHECK(t != NULL, EINVAL, NULL);
    return NULL;
}

vetch_transport *
vetch__tls_put_over(vetch_transport *inner, vetch_tls *tls, const char *name,
                    vetch__tls_done_fn done, void *ctx)
{
    (void)inner;
    (void)tls;
    (void)name;
    (void)done;
    (void)ctx;
    errno = ENOTSUP;
    return NULL;
}

bool
vetch__tls_is_server(const vetch_tls *tls)
{
    (void)tls;
    return false;
}

const struct vetch__tls_hooks *const vetch__tls_hooks = NULL;
