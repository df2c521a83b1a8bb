/* Moving bytes from one transport to another without looking at them: they go
 * from socket to pipe to socket, in the kernel. A pipe with bytes in it is a
 * piece of output like others: marks, closing and aborting need not know. */
#include "net/transport-private.h"

#include <errno.h>

void
vetch__transport_set_raw(vetch_transport *t, bool on)
{
    t->object.flags = on ? VETCH__T_RAW : 0;
}

bool
vetch__transport_can_splice(const vetch_transport *from,
                            const vetch_transport *to)
{
    return vetch__transport_is_open(from) && from->kind->splice != NULL &&
           from->input == NULL && to->kind->splice != NULL &&
           to->out == VETCH__OUT_OPEN;
}

void
vetch__transport_input_waits(vetch_transport *t)
{
    const vetch_protocol_class *class = t->protocol->class_;
    uint64_t started = vetch__slow_start(t->reactor);

    class->received(t->protocol, &t->reactor->net->input); /* empty */
    VETCH__SLOW_END(t->reactor, class->received, started);
}

/* An error of the connection is told once, and this was it. */
static ssize_t
splice_failed(vetch_transport *from, int errnum)
{
    if (errnum == EINVAL || errnum == ENOMEM)
        return -1;
    if (errnum != EAGAIN)
        vetch__transport_over(
            from,
            vetch_error_from_errno(errnum, "read from %s",
                                   vetch_transport_peer(from)),
            false);
    return 0;
}

/* The piece of output is made first: what has come cannot be put back. */
ssize_t
vetch__transport_splice(vetch_transport *from, vetch_transport *to, size_t max)
{
    struct vetch__conduit *pipe = vetch__conduit_take(from->reactor->net);
    struct vetch__chunk *c =
        pipe != NULL ? vetch__output_pipe_new(to->reactor, pipe) : NULL;
    ssize_t n;
    int errnum;

    if (c == NULL)
        return -1;
    n = from->kind->splice(from, pipe->to,
                           max < pipe->capacity ? max : pipe->capacity);
    errnum = errno;
    if (n <= 0) {
        vetch__output_pipe_free(to->reactor, c);
        return n < 0 ? splice_failed(from, errnum) : -1;
    }
    vetch__output_pipe_append(&to->output, c, (uint64_t)n);
    vetch__transport_send_now(to);
    return n;
}
