/* A connection as one of its reactor's objects: how it ends with it, whether it
 * keeps a run going, and its line of the dump. */
#include "net/transport-private.h"

#include <errno.h>

#include <vetch/error.h>

#include "base/check-private.h"
#include "reactor/dump-private.h"

static vetch_transport *
transport_of_member(const struct vetch__member *self)
{
    return vetch__container((struct vetch__member *)(uintptr_t)self,
                            vetch_transport, member);
}

static void
transport_end_with_reactor(struct vetch__member *self)
{
    vetch__transport_over(
        transport_of_member(self),
        vetch_error_new(VETCH_ECLOSED, "the reactor has ended"), true);
}

static bool
transport_is_alive(const struct vetch__member *self)
{
    return !self->background;
}

static const char *
state_word(const vetch_transport *t)
{
    static const char *const words[] = {
        [VETCH__T_NEW] = "new",         [VETCH__T_OPEN] = "open",
        [VETCH__T_CLOSING] = "closing", [VETCH__T_LINGERING] = "lingering",
        [VETCH__T_OVER] = "over",       [VETCH__T_LOST] = "lost",
    };

    return words[t->object.state];
}

/* By what is called when bytes come. */
static const char *
protocol_name(const vetch_transport *t, char name[VETCH__FUNCTION_NAME])
{
    if (t->protocol == NULL)
        return "nobody";
    return vetch__function_name(
        (const void *)(uintptr_t)t->protocol->class_->received, name);
}

void
vetch__transport_dump(const struct vetch__member *self, struct vetch__dump *d,
                      size_t depth)
{
    vetch_transport *t = transport_of_member(self);
    char name[VETCH__FUNCTION_NAME];

    vetch__dump_line(d, depth,
                     "connection to %s, %s%s, %llu bytes to be sent, for %s",
                     vetch_transport_peer(t), state_word(t),
                     (t->flags & VETCH__T_PAUSED) != 0 ? ", not read" : "",
                     (unsigned long long)vetch__transport_pending(t),
                     protocol_name(t, name));
}

static void
transport_dump(const struct vetch__member *self, struct vetch__dump *d)
{
    vetch__transport_dump(self, d, 0);
}

const struct vetch__member_class vetch__connection_members = {
    .name = "connection",
    .end = transport_end_with_reactor,
    .is_alive = transport_is_alive,
    .dump = transport_dump,
};

void
vetch_transport_set_background(vetch_transport *t, bool on)
{
    VETCH_CHECK(t != NULL, EINVAL, );
    t->member.background = on;
}
