/* The inside of a listener: listener.c makes and ends it, accept.c accepts. */
#ifndef VETCH_LISTENER_PRIVATE_H
#define VETCH_LISTENER_PRIVATE_H

#include <event2/event_struct.h>

#include <vetch/listener.h>
#include <vetch/log.h>

#include "net/address_counts-private.h"
#include "net/greeting-private.h"
#include "net/listen-private.h"
#include "net/own_scope-private.h"
#include "net/stop-private.h"
#include "net/transport-private.h"

struct vetch_listener {
    struct vetch__object object;
    vetch_reactor *reactor; /* NULL once it has ended */
    struct vetch__member member;
    struct vetch__listen_socket socket;
    struct event event;
    bool watching;
    bool stopping;
    bool paused;
    struct vetch__address_counts *counts; /* NULL: no address has a limit */
    struct vetch__greeter *greeter; /* NULL: connections are served at once */

    vetch_protocol_fn make;
    void *ctx;
    vetch_free_fn free_ctx;
    vetch_listener_error_fn on_error;
    void *on_error_ctx;
    uint64_t logged; /* when, for one line a second */

    struct vetch__list connections; /* by transport's member */
    size_t n_connections, limit;
    unsigned budget;            /* of what is accepted in a turn */
    struct vetch__list starved; /* among those without descriptors */
    struct vetch__timer backoff_timer;
    uint64_t backoff; /* ns; 0: none */

    struct vetch__stop stop;
    struct vetch__own_scope *scope;
};

/* ---- accept.c ---- */
/* What all listeners of a reactor share; NULL and ENOMEM. */
struct vetch__net *vetch__accept_prepare(vetch_reactor *r);
/* Begin, with the socket open; -1 and errno. */
int vetch__accept_start(vetch_listener *l);
/* Accept, if nothing speaks against it; accept nothing. */
void vetch__accept_watch(vetch_listener *l);
void vetch__accept_unwatch(vetch_listener *l);
/* For good. */
void vetch__accept_stop(vetch_listener *l);

/* Count a connection of this address. -1 and errno: EUSERS, it has too many,
 * which was told; ENOMEM. */
int vetch__accept_count(vetch_listener *l, const struct sockaddr *client,
                        socklen_t len);
/* The transport of such a connection is over. */
void vetch__accept_uncount(vetch_listener *l, vetch_transport *t);
/* A connection that was counted gets its protocol. */
void vetch__accept_serve(vetch_listener *l, vetch_transport *t);
/* It has failed before. Consumes `error`; NULL: nothing worth telling. */
void vetch__accept_lost(vetch_listener *l, vetch_log_level level,
                        vetch_error *error);

/* ---- listener.c ---- */
/* A connection that was counted is no more. */
void vetch__listener_one_less(vetch_listener *l);

#endif
