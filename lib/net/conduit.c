/* Pipes through which bytes pass from kernel to kernel. Each costs two
 * descriptors and, while bytes are in it, memory of the kernel's: there is a
 * limit on how many there are, beyond which bytes are copied. */
#include "net/net-private.h"

#include <fcntl.h>
#include <unistd.h>

enum {
    CONDUITS_MAX = 256,
    SPARE_CONDUITS_MAX = 4,
    WANTED_CAPACITY = 1048576, /* what anybody may have, where it is not less */
    LEAST_CAPACITY = 65536
};

static struct vetch__conduit *
make_conduit(void)
{
    struct vetch__conduit *p = vetch__malloc(sizeof(*p));
    int fd[2], capacity;

    if (p == NULL)
        return NULL;
    if (pipe2(fd, O_NONBLOCK | O_CLOEXEC) < 0) {
        vetch__free(p);
        return NULL;
    }
    capacity = fcntl(fd[1], F_SETPIPE_SZ, WANTED_CAPACITY);
    p->next = NULL;
    p->from = fd[0];
    p->to = fd[1];
    p->capacity = capacity > 0 ? (size_t)capacity : LEAST_CAPACITY;
    return p;
}

struct vetch__conduit *
vetch__conduit_take(struct vetch__net *net)
{
    struct vetch__conduit *p = net->spare_conduits;

    if (p != NULL) {
        net->spare_conduits = p->next;
        net->n_spare_conduits--;
        return p;
    }
    if (net->n_conduits >= CONDUITS_MAX)
        return NULL;
    p = make_conduit();
    net->n_conduits += p != NULL;
    return p;
}

static void
free_conduit(struct vetch__net *net, struct vetch__conduit *p)
{
    close(p->from);
    close(p->to);
    vetch__free(p);
    net->n_conduits--;
}

void
vetch__conduit_give(struct vetch__net *net, struct vetch__conduit *p,
                    bool empty)
{
    if (!empty || net->n_spare_conduits >= SPARE_CONDUITS_MAX) {
        free_conduit(net, p);
        vetch__net_descriptor_closed(net);
        return;
    }
    p->next = net->spare_conduits;
    net->spare_conduits = p;
    net->n_spare_conduits++;
}

void
vetch__conduits_done(struct vetch__net *net)
{
    while (net->spare_conduits != NULL) {
        struct vetch__conduit *p = net->spare_conduits;

        net->spare_conduits = p->next;
        free_conduit(net, p);
    }
}
