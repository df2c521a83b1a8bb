/* What all connections of one reactor share. */
#include "net/net-private.h"

#include <fcntl.h>
#include <unistd.h>

#include <vetch/executor.h>

#include "net/output-private.h"
#include "net/resolver-private.h"
#include "net/tls_hooks-private.h"
#include "promise/executor-private.h"

/* A buffer that grew beyond this is not kept. */
#define SPARE_BUFFER_MAX ((size_t)16384)

static void
free_net(struct vetch__net *net)
{
    while (net->spare_chunks != NULL) {
        struct vetch__chunk *next = net->spare_chunks->next;

        vetch__free(net->spare_chunks);
        net->spare_chunks = next;
    }
    while (net->n_spare_buffers > 0)
        vetch_buffer_free(net->spare_buffers[--net->n_spare_buffers]);
    vetch__conduits_done(net);
    vetch__buffer_done(&net->input);
    vetch__buffer_done(&net->spare_input);
    vetch__free(net->udp_area);
    vetch__free(net->records);
    if (net->usual_client != NULL)
        vetch__tls_hooks->unref(net->usual_client);
    if (net->reserve_fd >= 0)
        close(net->reserve_fd);
    vetch__free(net);
}

static void
net_done(vetch_reactor *r)
{
    vetch__resolver_done(r->net);
    vetch_executor_unref(r->net->files);
    free_net(r->net);
    r->net = NULL;
}

struct vetch__net *
vetch__net_get(vetch_reactor *r)
{
    struct vetch__net *net = r->net;

    if (net != NULL)
        return net;
    net = vetch__calloc(1, sizeof(*net));
    if (net == NULL)
        return NULL;
    net->reserve_fd = -1;
    vetch__list_init(&net->starved);
    vetch__list_init(&net->lookups);
    if (vetch_buffer_reserve(&net->input, VETCH__INPUT_SIZE) == NULL) {
        free_net(net);
        return NULL;
    }
    r->net = net;
    r->net_done = net_done;
    return net;
}

vetch_executor *
vetch__net_files(vetch_reactor *r)
{
    struct vetch__net *net = vetch__net_get(r);

    if (net != NULL && net->files == NULL)
        net->files = vetch__executor_new_inner(NULL);
    return net != NULL ? net->files : NULL;
}

vetch_buffer *
vetch__net_take_buffer(struct vetch__net *net)
{
    if (net->n_spare_buffers > 0)
        return net->spare_buffers[--net->n_spare_buffers];
    return vetch_buffer_new();
}

void
vetch__net_give_buffer(struct vetch__net *net, vetch_buffer *b)
{
    vetch_buffer_clear(b);
    if (net->n_spare_buffers == VETCH__SPARE_BUFFERS ||
        b->capacity > SPARE_BUFFER_MAX)
        vetch_buffer_free(b);
    else
        net->spare_buffers[net->n_spare_buffers++] = b;
}
