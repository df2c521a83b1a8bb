/* The inside of the HTTP server.
 *
 * A connection reads heads from the transport's buffer and starts a request
 * for each. Requests stand in the connection's list in the order received; the
 * first whose response has not been sent is the *writer*: its response goes to
 * the transport, while those of the others are held in memory.
 *
 * The life of a request is what runs for it:
 *
 *   HEARD     its head has come; perhaps its body has not
 *     |  \
 *     |   `--> OVER      the server replies without a handler
 *     v
 *   RUNNING   its handler is on the stack (or, once more, what follows the
 *     |  \     end of its promise)
 *     |   `--> OVER      the handler returned NULL
 *     v
 *   PENDING   the handler has returned a promise
 *     |
 *     `--(RUNNING)--> OVER   that has settled
 *
 * and, beside that, its response goes NONE, BEGUN, ENDED (complete, but perhaps
 * held), SENT (given to the transport). A request is given back when it is OVER
 * and either SENT or without a connection. One that loses its connection before
 * it is OVER is an *orphan* of the server: its handler is cancelled, unless it
 * was SENT, and it stays in a list of the server until it is OVER.
 *
 * References: the reactor holds the server until it was stopped, and every
 * connection and every request in use holds it too. */
#ifndef VETCH_HTTP_SERVER_PRIVATE_H
#define VETCH_HTTP_SERVER_PRIVATE_H

#include <stdatomic.h>

#include <vetch/http_server.h>
#include <vetch/listener.h>

#include "base/buffer-private.h"
#include "http/message/parser-private.h"
#include "http/server/date-private.h"
#include "http/server/router-private.h"
#include "net/stop-private.h"
#include "net/transport-private.h"
#include "promise/watch-private.h"
#include "stream/stream-private.h"

enum vetch__server_state {
    VETCH__SERVER_RUNNING,
    VETCH__SERVER_STOPPING,
    VETCH__SERVER_OVER
};

struct vetch_http_server {
    struct vetch__object object; /* state: enum vetch__server_state */
    vetch_reactor *reactor;      /* may be gone once the server is over */
    vetch_listener *listener;
    struct vetch__member member;
    struct vetch__router router;
    struct vetch__date date;

    /* The options, ready for use. */
    struct vetch__limits limits; /* of transports */
    struct vetch__http_limits head_limits;
    size_t max_connections, max_body_bytes, max_requests;
    size_t cap_bytes; /* of what waits to be sent, per connection */
    unsigned max_fields, max_pipelined;
    uint64_t head_ns, idle_ns, grace_ns; /* 0: no limit */
    double min_bytes_per_second;
    char keep_alive[48]; /* the field that announces idle_ns, or "" */
    size_t keep_alive_len;

    struct vetch__list connections;
    size_t n_connections;
    struct vetch__list orphans; /* requests PENDING without a connection */
    struct vetch__list leaving; /* those among them that will be cancelled */
    struct vetch__flush leaving_flush;
    vetch_http_request *spare; /* recycled, linked by `next_spare` */
    unsigned n_spare;

    /* The end. */
    struct vetch__stop stop;
    struct vetch__watch_room listener_watch;
    bool listener_over;
    uint64_t hurried_at; /* when handlers were cancelled */
};

/* What a connection waits for, and so which deadline counts. */
enum vetch__conn_phase {
    VETCH__C_IDLE,   /* the first byte of a head */
    VETCH__C_HEAD,   /* the rest of it */
    VETCH__C_BODY,   /* the peer's next bytes of a body */
    VETCH__C_BUSY,   /* a handler */
    VETCH__C_SENDING /* the peer reads */
};

struct vetch__http_conn {
    vetch_protocol protocol;
    vetch_http_server *server;
    vetch_transport *transport; /* valid until lost */
    struct vetch__list link;    /* in the server's list */
    struct vetch__list requests;
    vetch_http_request *reading; /* whose body is being received, or NULL */
    struct vetch__http_gate gate;
    unsigned n_in_flight; /* length of the list */
    size_t n_begun;       /* requests on this connection so far */
    size_t n_last;        /* responses since the server stops */
    size_t left;          /* bytes of input that were not consumed */
    uint64_t queued;      /* bytes given to the transport so far */
    uint64_t since;       /* when the phase began, ns */
    uint64_t mark;        /* how far it had come then */
    uint8_t phase;
    bool receiving; /* `received` runs */
    bool last;      /* no further request is read */
    bool waiting;   /* the next request has to wait until it is alone */
    bool tunnel;    /* it is the stream of its last request */
    bool full;      /* the transport has too much to send */
    bool paused;    /* reading */
};

enum vetch__request_life {
    VETCH__R_HEARD,
    VETCH__R_RUNNING,
    VETCH__R_PENDING,
    VETCH__R_OVER
};

enum vetch__response_state {
    VETCH__RESPONSE_NONE,
    VETCH__RESPONSE_BEGUN,
    VETCH__RESPONSE_ENDED,
    VETCH__RESPONSE_SENT
};

struct vetch_http_request {
    struct vetch__list link; /* in the connection's list */
    vetch_http_request *next_spare;
    struct vetch__http_conn *conn; /* NULL: the client has gone */
    vetch_http_server *server;
    vetch_transport *transport; /* a reference, if it may be asked for names */
    const struct vetch__route *route;
    struct vetch__watch_room watch; /* on the handler's promise */

    uint8_t life;        /* enum vetch__request_life */
    uint8_t response;    /* enum vetch__response_state */
    bool safe;           /* it may run beside others */
    bool close;          /* the connection ends with this response */
    bool chunked;        /* how the response is framed */
    bool bodiless;       /* the response has no body: HEAD, 204, 304 */
    bool own_type;       /* Content-Type */
    bool announces;      /* its length is known before its body: */
    bool measured;       /* and so it is framed */
    bool tunnel;         /* the connection is the handler's now */
    bool peer_ended;     /* whose client has half-closed it */
    bool own_date;       /* the user set Date */
    bool own_upgrade;    /* and Upgrade */
    bool body_done;      /* the whole body was received */
    bool continued;      /* 100 Continue was sent, or is not due */
    bool kept;           /* `base` is our own copy */
    bool path_has_slash; /* one that was encoded */
    bool canceled;       /* the handler was asked to end */

    const char *base; /* where the head's slices point */
    size_t head_len;
    char *own; /* room for a copy of the head, the path and parameters */
    size_t own_size;
    const char *path; /* decoded */
    size_t path_len;
    char *param_text; /* once kept: strings, one after the other */

    struct vetch__http_body body;
    vetch_buffer content; /* of the body, what was received */
    const char *slice;    /* or the whole body in the input */
    size_t slice_len;
    struct vetch__request_stream *stream; /* NULL: not asked for */

    vetch_buffer fields; /* of the response, formatted */
    vetch_buffer held;   /* bytes of the response that wait for their turn */
    int held_fd;         /* then part of a file, or -1 */
    uint64_t held_len;
    uint64_t announced;
    uint64_t body_left; /* of a response that is `measured` */

    struct vetch__match match;
    struct vetch__http_head head; /* fields: in table */
    struct vetch__http_field table[];
};

static inline vetch_http_request *
vetch__http_request_at(struct vetch__list *link)
{
    return vetch__container(link, vetch_http_request, link);
}

/* ---- conn.c ---- */
vetch_protocol *vetch__http_conn_new(void *server);
/* Something has changed outside of `received`: read on if that helps, and look
 * which deadline counts. */
void vetch__http_conn_settle(struct vetch__http_conn *c);
/* All of r's response was given: let the next one write, or close. */
void vetch__http_response_ended(vetch_http_request *r);
/* Flush, then close; requests that were not answered will be cancelled. */
void vetch__http_conn_close(struct vetch__http_conn *c);
void vetch__http_conn_abort(struct vetch__http_conn *c);
/* The first request whose response was not sent, or NULL. */
vetch_http_request *vetch__http_writer(const struct vetch__http_conn *c);

/* ---- life.c ---- */
/* A request begins: it is the connection's last. */
void vetch__http_request_enlist(struct vetch__http_conn *c,
                                vetch_http_request *r);
/* Call the handler and see to what follows; r may be gone afterwards. */
void vetch__http_call_handler(vetch_http_request *r);
/* Ask the handler to stop, once. */
void vetch__http_request_cancel(vetch_http_request *r);
/* It is OVER and not needed any more. */
void vetch__http_request_retire(vetch_http_request *r);
/* The client has gone (for `reason`), or its connection is closing: nothing
 * that r answers can reach it. */
void vetch__http_request_orphan(vetch_http_request *r,
                                const vetch_error *reason);
/* The connection is lost, but the response was sent: the handler may run on. */
void vetch__http_request_run_on(vetch_http_request *r,
                                const vetch_error *reason);
/* At the end of a dispatch. */
void vetch__http_cancel_leaving(struct vetch__flush *f);
/* How much of a path goes into a line of the log, for `%.*s`. */
static inline int
vetch__http_log_len(const vetch_http_request *r)
{
    return (int)(r->path_len < 512 ? r->path_len : 512);
}

/* ---- stop.c ---- */
extern const struct vetch__stop_class vetch__http_stop_class;
/* A handler without connection has ended. */
void vetch__http_server_end_if_idle(vetch_http_server *s);

/* ---- fallback.c ---- */
/* Answer with nothing but this error, after what is due before it, and close.
 * _refuse_request: r is new and not enlisted yet. */
void vetch__http_refuse(struct vetch__http_conn *c, unsigned status,
                        const char *why);
void vetch__http_refuse_request(struct vetch__http_conn *c,
                                vetch_http_request *r, unsigned status,
                                const char *why);
/* No handler will answer r. */
void vetch__http_fall_back(vetch_http_request *r, unsigned status);

/* ---- deadline.c ---- */
void vetch__http_deadline_start(struct vetch__http_conn *c);
/* A request begins: deadlines count anew. */
static inline void
vetch__http_deadline_reset(struct vetch__http_conn *c)
{
    c->phase = VETCH__C_IDLE;
}
/* Look which phase the connection is in. */
void vetch__http_deadline_update(struct vetch__http_conn *c);
/* Close the connection that has been idle for longest. */
void vetch__http_evict(vetch_http_server *s);

/* ---- request.c ---- */
/* A request in use; holds the server. NULL and ENOMEM. */
vetch_http_request *vetch__http_request_take(vetch_http_server *s);
void vetch__http_request_give(vetch_http_request *r);
void vetch__http_request_free_spare(vetch_http_server *s);
/* Find path and route, once the head is parsed (at `data`). 0, or the status
 * of the response that no handler gives. */
unsigned vetch__http_request_locate(vetch_http_request *r, const char *data,
                                    size_t len);
/* Copy what the user may ask for, before the input goes away; -1 and ENOMEM,
 * and it has nothing to say any more. */
int vetch__http_request_keep(vetch_http_request *r);

/* ---- receive.c ---- */
/* Start with the body; its first bytes are in `input`. */
void vetch__http_body_begin(vetch_http_request *r, vetch_buffer *input);
/* Take what there is of the body, or of the tunnel. True: there may be more to
 * do with the input; false: it has to wait. */
bool vetch__http_body_feed(vetch_http_request *r, vetch_buffer *input);
/* Whether the peer's bytes are what is waited for. */
bool vetch__http_body_wanted(const vetch_http_request *r);
/* No more of the body comes. Consumes `error`. */
void vetch__http_body_fail(vetch_http_request *r, vetch_error *error);
/* The client has ended in the middle of it. */
void vetch__http_body_cut_short(vetch_http_request *r);
/* The client is below the minimum rate. */
void vetch__http_body_too_slow(vetch_http_request *r);

/* ---- request_stream.c: all do nothing if there is no stream ---- */
/* Whether it takes bytes of the body; and there they are. */
bool vetch__request_stream_wants(const vetch_http_request *r);
void vetch__request_stream_received(vetch_http_request *r, const void *data,
                                    size_t len);
/* The body, or the client's side of a tunnel, has ended. */
void vetch__request_stream_ended(vetch_http_request *r);
/* No more of the body comes. Consumes `error`. */
void vetch__request_stream_fail(vetch_http_request *r, vetch_error *error);
/* The response was begun. */
void vetch__request_stream_open(vetch_http_request *r);
void vetch__request_stream_drained(vetch_http_request *r);
/* Our side of a tunnel has ended. */
void vetch__request_stream_write_ended(vetch_http_request *r);
/* Whether something of the response was lost. */
bool vetch__request_stream_failed(const vetch_http_request *r);
/* The client has gone, for `reason`, or NULL. */
void vetch__request_stream_gone(vetch_http_request *r,
                                const vetch_error *reason);
/* The handler has ended: whoever still holds the stream has a failed one. */
void vetch__request_stream_leave(vetch_http_request *r);

/* ---- reply.c ---- */
/* Answer with a status and its reason as plain text; `why` may be NULL. Never
 * fails: without memory the connection is aborted. */
void vetch__http_reply_error(vetch_http_request *r, unsigned status,
                             const char *why);
/* Answer with part of a file, whose descriptor is consumed. As
 * vetch_http_reply(). */
int vetch__http_reply_file(vetch_http_request *r, const char *type, int fd,
                           uint64_t len);
/* 100 Continue. */
void vetch__http_reply_continue(vetch_http_request *r);

/* ---- reply_head.c ---- */
enum vetch__framing {
    VETCH__BY_LENGTH,
    VETCH__BY_CHUNKS,
    VETCH__BY_CLOSE, /* HTTP/1.0 and CONNECT */
    VETCH__BODILESS
};

struct vetch__reply_head {
    unsigned status;
    enum vetch__framing framing;
    const char *type; /* or NULL */
    size_t type_len;
    uint64_t len; /* BY_LENGTH */
};

/* Decide how a response is framed. */
void vetch__reply_head_init(struct vetch__reply_head *h, vetch_http_request *r,
                            unsigned status, const char *type,
                            enum vetch__framing wanted, uint64_t len);
/* How many bytes it takes at most. */
size_t vetch__reply_head_bound(const vetch_http_request *r,
                               const struct vetch__reply_head *h);
/* The response can be given: does the connection end with it? */
void vetch__reply_decide_close(vetch_http_request *r,
                               enum vetch__framing framing);
/* Write it; the end of it. */
char *vetch__reply_head_put(char *to, vetch_http_request *r,
                            const struct vetch__reply_head *h);
/* What the user set was for another response than the one that follows. */
void vetch__http_reply_forget_fields(vetch_http_request *r);
/* Whether a response of that status has a body. */
static inline bool
vetch__http_has_body(const vetch_http_request *r, unsigned status)
{
    return status != 204 && status != 304 && r->head.method != VETCH__HTTP_HEAD;
}

/* ---- reply_output.c ---- */
/* Whether `n` more bytes are within the hard cap; else -1 and ENOBUFS. So what
 * is held can always be given to the transport when its turn comes. */
int vetch__reply_check_cap(const vetch_http_request *r, size_t n);
/* Whether what waits already is within the cap; else -1 and ENOBUFS. */
int vetch__reply_check_room(const vetch_http_request *r);
/* Room for `n` bytes, to be committed. */
char *vetch__reply_reserve(vetch_http_request *r, size_t n, bool *ret_direct);
int vetch__reply_commit(vetch_http_request *r, size_t n, bool direct);
int vetch__reply_write(vetch_http_request *r, const struct iovec *iov,
                       size_t n);
/* A write that cannot be taken back has failed. -1 and ENOMEM; or 0 if the
 * transport cannot send any more, because then the client has gone. */
int vetch__reply_write_failed(vetch_http_request *r);
/* Hand what is held to the transport; -1 if the connection was aborted. */
int vetch__http_reply_flush(vetch_http_request *r);

/* ---- files.c ---- */
extern atomic_bool vetch__files_walk; /* do without openat2(2) */
/* The type of a file by the suffix of its name. Static. */
const char *vetch__http_type_of(const char *path);

#endif
