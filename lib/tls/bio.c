/* The way between OpenSSL and the inner transport: a BIO that reads what was
 * received, in place, and writes into the queue of what is to be sent. */
#include "tls/tls-private.h"

#include <string.h>

static int
tls_bio_read(BIO *bio, char *to, int size)
{
    struct vetch__tls_transport *t = BIO_get_data(bio);
    size_t len = t->cipher != NULL ? vetch__buffer_len(t->cipher) : 0;

    BIO_clear_retry_flags(bio);
    if (len == 0 || size <= 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    len = len < (size_t)size ? len : (size_t)size;
    memcpy(to, t->cipher->data + t->cipher->start, len);
    vetch_buffer_consume(t->cipher, len);
    return (int)len;
}

/* What reading writes (a key update, an alert) is bounded, too: a peer that
 * makes us write and does not read is not read from. */
static bool
tls_bio_is_full(const vetch_transport *inner)
{
    return vetch__transport_pending(inner) >
           2 * (uint64_t)inner->limits->high_bytes;
}

static int
tls_bio_write(BIO *bio, const char *data, int len)
{
    struct vetch__tls_transport *t = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (len <= 0)
        return 0;
    if (tls_bio_is_full(t->inner)) {
        BIO_set_retry_write(bio);
        return -1;
    }
    if (vetch_transport_write(t->inner, data, (size_t)len) < 0) {
        t->bio_errnum = errno;
        return -1;
    }
    return len;
}

static long
tls_bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *
vetch__tls_bio_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "vetch");

    if (m == NULL)
        return NULL;
    if (BIO_meth_set_read(m, tls_bio_read) == 1 &&
        BIO_meth_set_write(m, tls_bio_write) == 1 &&
        BIO_meth_set_ctrl(m, tls_bio_ctrl) == 1)
        return m;
    BIO_meth_free(m);
    return NULL;
}
