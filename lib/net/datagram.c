/* Datagrams that came: one piece of memory with the peer's address and the
 * data, immutable but for the descriptors that are taken from it. */
#include "net/udp-private.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/check-private.h"

static size_t
room_for_peer(size_t peer_len)
{
    return (peer_len + 7) & ~(size_t)7;
}

vetch_datagram *
vetch__datagram_new(const struct sockaddr *peer, socklen_t peer_len,
                    const void *data, size_t len)
{
    size_t peer_room = room_for_peer(peer_len);
    vetch_datagram *d = vetch__malloc(sizeof(*d) + peer_room + len);

    if (d == NULL)
        return NULL;
    memset(d, 0, sizeof(*d));
    d->object = (struct vetch__object){ .type = VETCH__DATAGRAM, .refs = 1 };
    vetch__list_init(&d->link);
    d->len = len;
    d->peer_len = (uint16_t)peer_len;
    memcpy(d->room, peer, peer_len);
    memcpy(d->room + peer_room, data, len);
    return d;
}

struct vetch__datagram_extras *
vetch__datagram_extras_new(size_t n_fds)
{
    struct vetch__datagram_extras *extras =
        vetch__calloc(1, sizeof(*extras) + n_fds * sizeof(int));

    if (extras != NULL)
        extras->n = n_fds;
    return extras;
}

void
vetch__datagram_extras_free(struct vetch__datagram_extras *extras)
{
    if (extras == NULL)
        return;
    while (extras->next < extras->n)
        close(extras->fds[extras->next++]);
    vetch__free(extras);
}

const void *
vetch_datagram_data(const vetch_datagram *d, size_t *ret_len)
{
    VETCH_CHECK(d != NULL, EINVAL, "");
    if (ret_len != NULL)
        *ret_len = d->len;
    return d->room + room_for_peer(d->peer_len);
}

const struct sockaddr *
vetch_datagram_peer(const vetch_datagram *d, socklen_t *ret_len)
{
    VETCH_CHECK(d != NULL, EINVAL, NULL);
    if (ret_len != NULL)
        *ret_len = d->peer_len;
    return d->peer_len > 0 ? (const struct sockaddr *)(const void *)d->room
                           : NULL;
}

bool
vetch_datagram_is_truncated(const vetch_datagram *d)
{
    VETCH_CHECK(d != NULL, EINVAL, false);
    return d->truncated;
}

bool
vetch_datagram_credentials(const vetch_datagram *d, int *ret_pid,
                           unsigned *ret_uid, unsigned *ret_gid)
{
    VETCH_CHECK(d != NULL, EINVAL, false);
    if (d->extras == NULL || !d->extras->has_credentials)
        return false;
    if (ret_pid != NULL)
        *ret_pid = d->extras->pid;
    if (ret_uid != NULL)
        *ret_uid = d->extras->uid;
    if (ret_gid != NULL)
        *ret_gid = d->extras->gid;
    return true;
}

size_t
vetch_datagram_descriptors(const vetch_datagram *d)
{
    VETCH_CHECK(d != NULL, EINVAL, 0);
    return d->extras != NULL ? d->extras->n - d->extras->next : 0;
}

int
vetch_datagram_take_descriptor(vetch_datagram *d)
{
    VETCH_CHECK(d != NULL, EINVAL, -1);
    if (vetch_datagram_descriptors(d) == 0) {
        errno = ENOENT;
        return -1;
    }
    return d->extras->fds[d->extras->next++];
}

bool
vetch_datagram_has_lost_descriptors(const vetch_datagram *d)
{
    VETCH_CHECK(d != NULL, EINVAL, false);
    return d->extras != NULL && d->extras->lost_descriptors;
}

vetch_datagram *
vetch_datagram_ref(vetch_datagram *d)
{
    if (d != NULL)
        d->object.refs++;
    return d;
}

vetch_datagram *
vetch_datagram_unref(vetch_datagram *d)
{
    if (d == NULL || --d->object.refs > 0)
        return NULL;
    vetch__datagram_extras_free(d->extras);
    vetch__free(d);
    return NULL;
}

/* ---- batches ---- */

size_t
vetch_datagrams_count(const vetch_datagrams *batch)
{
    VETCH_CHECK(batch != NULL, EINVAL, 0);
    return batch->n;
}

vetch_datagram *
vetch_datagrams_get(const vetch_datagrams *batch, size_t i)
{
    VETCH_CHECK(batch != NULL, EINVAL, NULL);
    return i < batch->n ? batch->at[i] : NULL;
}

vetch_datagrams *
vetch_datagrams_ref(vetch_datagrams *batch)
{
    if (batch != NULL)
        batch->object.refs++;
    return batch;
}

vetch_datagrams *
vetch_datagrams_unref(vetch_datagrams *batch)
{
    if (batch == NULL || --batch->object.refs > 0)
        return NULL;
    for (size_t i = 0; i < batch->n; i++)
        vetch_datagram_unref(batch->at[i]);
    vetch__free(batch);
    return NULL;
}
