/* The objects of the client, shared by its files:
 *
 *   client    options and the pool                      client.c, pool.c
 *   call      one request, from its making to its end   call.c
 *   conn      one connection, a protocol object         conn.c, receive.c
 *   response  what came back             response.c, response_stream.c
 *   upload    the body of a call, from a stream         upload.c
 *
 * A call either waits in the pool, or has a connection, or is over. Who
 * settles: the deferred of a call is settled by call.c alone, when its
 * connection is free again or gone (settled means stopped).
 *
 * References: calls hold a reference to their client; a client's memory
 * also waits for its connections. A connection borrows its client and its call.
 * A response that is being received belongs to its connection if it will be
 * whole, and to the user if it is a stream; then both borrow each other until
 * the body has ended, the connection is gone, or the response is freed. */
#ifndef VETCH_HTTP_CLIENT_PRIVATE_H
#define VETCH_HTTP_CLIENT_PRIVATE_H

#include <vetch/error.h>
#include <vetch/http_client.h>
#include <vetch/transport.h>

#include "base/buffer-private.h"
#include "base/object-private.h"
#include "http/client/pool-private.h"
#include "http/message/inflate-private.h"
#include "http/message/parser-private.h"
#include "http/message/url-private.h"
#include "net/transport-private.h"
#include "promise/watch-private.h"
#include "reactor/reactor-private.h"
#include "stream/stream-private.h"

struct vetch_http_client {
    struct vetch__object object;
    vetch_reactor *reactor; /* gone once it has ended */
    struct vetch__member member;
    bool ended; /* with its reactor */
    vetch_http_client_options options;
    /* No limit is VETCH__FOREVER. */
    uint64_t connect_ns, head_ns, body_ns, idle_ns, total_ns;
    struct vetch__http_limits head_limits;
    struct vetch__limits transport_limits;
    struct vetch__http_pool pool;
    size_t n_conns; /* that still refer to it */
    uint64_t opened, requests;
};

static inline bool
vetch__http_client_is_inherited(const vetch_http_client *c)
{
    return !c->ended && vetch__reactor_is_inherited(c->reactor);
}

struct vetch__client_conn;

struct vetch_http_call {
    struct vetch__http_waiter waiter;
    vetch_http_client *client; /* a reference */
    vetch_deferred *deferred;  /* NULL once settled */
    struct vetch__client_conn *conn;
    struct vetch__timer total;
    vetch_buffer fields;          /* lines, as they will be sent */
    vetch_bytes *body;            /* NULL: none */
    struct vetch__upload *upload; /* or from a stream */
    /* Parts of the URL, see url-private.h. */
    const char *userinfo, *target, *shown;
    uint16_t userinfo_len, target_len, shown_len;
    uint16_t n_raw;
    uint16_t method_len;
    bool needs_slash;
    bool tls; /* https */
    bool idempotent;
    bool to_head;
    bool stream;
    bool own_coding; /* the user asks for codings, and undoes them */
    bool own_authorization;
    bool upgrades; /* the user asks for another protocol */
    char text[];   /* the method, then the URL, each with a NUL */
};

enum vetch__client_conn_state {
    VETCH__CLIENT_OPENING,
    VETCH__CLIENT_HEAD, /* a request was sent, its response is due */
    VETCH__CLIENT_BODY,
    VETCH__CLIENT_IDLE,
    VETCH__CLIENT_OVER /* being closed: nothing is expected any more */
};

struct vetch__client_conn {
    vetch_protocol protocol;
    struct vetch__http_slot slot;
    vetch_http_client *client;
    vetch_http_call *call;
    vetch_http_response *response; /* while its body comes */
    vetch_transport *transport;    /* NULL before it is attached, and after */
    vetch_error *why;              /* why we broke it off, or NULL */
    struct vetch__watch_room opening; /* waits for the transport */
    struct vetch__timer timer;        /* of the state */
    uint64_t stamp;                   /* BODY: when something came last */
    uint64_t idle_ns;                 /* how long it may be idle */
    size_t unsent; /* of the request, when the timer fired last */
    uint32_t uses; /* requests sent on it */
    unsigned informational;
    uint8_t state;
    bool heard;      /* something of this response has come */
    bool keep;       /* can be used again after this response */
    bool tunnel;     /* it is the stream of its response */
    bool peer_ended; /* and the server has half-closed it */
    struct vetch__http_gate gate;
    struct vetch__http_body body;
};

struct vetch_http_response {
    struct vetch__object object;
    uint16_t status;
    uint16_t n_fields;
    bool streamed;
    bool tunnel;      /* after 101: the stream is the connection */
    bool ended;       /* streamed: what is left of it is in `raw` */
    bool more_coded;  /* streamed: zlib may hold output */
    bool body_inside; /* the body is in the block of the response */
    uint64_t length;  /* of the body, as far as the head says */
    const char *head; /* in the block */
    char *body;
    size_t body_len, body_room;
    size_t max_body; /* a whole body's limit */
    struct vetch__inflate *inflate;
    /* Streams only. */
    struct vetch__client_conn *conn; /* while its body comes */
    vetch_error *error;              /* how the body ended, if badly */
    const char *label;               /* "GET http://…", in the block */
    vetch_buffer raw; /* received, not yet given to a stream, still coded */
    struct vetch__response_stream *stream; /* NULL: not asked for */
    struct vetch__http_field fields[];
};

/* ---- client.c ---- */

/* Free it if nothing needs it any more. */
void vetch__http_client_settle(vetch_http_client *c);

/* ---- call.c ---- */

static inline vetch_http_call *
vetch__http_call_of(struct vetch__http_waiter *w)
{
    return vetch__container(w, vetch_http_call, waiter);
}
/* "METHOD URL: " in front of an error; consumes it. */
vetch_error *vetch__http_call_wrap(const vetch_http_call *call,
                                   vetch_error *error);
/* Hand over a response (the reference is consumed); the call lives on. */
void vetch__http_call_fulfil(vetch_http_call *call, vetch_http_response *r);
/* The end of a call that is settled; it is freed. */
void vetch__http_call_end(vetch_http_call *call);
/* The same, and if it was not settled it is rejected. Consumes `error`. */
void vetch__http_call_fail(vetch_http_call *call, vetch_error *error);
/* Write the request; -1 and errno. */
int vetch__http_call_write(vetch_http_call *call, vetch_transport *t,
                           const char *host, size_t host_len);

/* ---- conn.c ---- */

extern const struct vetch__http_pool_class vetch__http_pool_class;
/* Stop what the connection does for its call, which then fails with `error`
 * (consumed; the first one counts). */
void vetch__client_conn_stop(struct vetch__client_conn *c, vetch_error *error);
/* The user wants to read on. */
void vetch__client_conn_resume(struct vetch__client_conn *c);
/* Whether both directions of its transport are open, as far as is known. */
bool vetch__client_conn_is_open(const struct vetch__client_conn *c);
/* Close it, when it has no call (any more). */
void vetch__client_conn_close(struct vetch__client_conn *c);
/* Limit the time of the state it is in now. */
void vetch__client_conn_timer_start(struct vetch__client_conn *c, uint64_t ns);
void vetch__client_conn_timer_stop(struct vetch__client_conn *c);

/* ---- receive.c ---- */

/* Something of a response has come. */
void vetch__client_conn_read(struct vetch__client_conn *c, vetch_buffer *input);
/* The response is complete; `clean`: nothing came behind it. */
void vetch__client_conn_finish(struct vetch__client_conn *c, bool clean);

/* ---- response.c ---- */

/* Make the response to `call` from a head; its fields are slices of `data`.
 * NULL and the error, handed over. */
vetch_http_response *vetch__http_response_new(const vetch_http_call *call,
                                              const struct vetch__http_head *h,
                                              const char *data, size_t len,
                                              vetch_error **ret_error);
/* Some of the body has come. NULL, or why it cannot be taken. */
vetch_error *vetch__http_response_feed(vetch_http_response *r, const char *data,
                                       size_t len);
/* The body is complete. NULL, or what was wrong with it. */
vetch_error *vetch__http_response_end(vetch_http_response *r);
/* Room for `more` bytes of the body and a NUL; -1 and ENOMEM. */
int vetch__http_response_grow(vetch_http_response *r, size_t more);
/* NULL, or that the coded body ends early. */
vetch_error *vetch__http_response_check(vetch_http_response *r);
vetch_error *vetch__http_coding_error(enum vetch__inflated result,
                                      const char *why);

/* ---- response_stream.c ---- */

vetch_error *vetch__response_stream_feed(vetch_http_response *r,
                                         const char *data, size_t len);
/* Give the stream what it takes. True: more may come. */
bool vetch__http_response_pump(vetch_http_response *r);
/* The connection is gone or free. Consumes `error`, NULL if the body has ended
 * in good order. */
void vetch__http_response_detach(vetch_http_response *r, vetch_error *error);
/* The tunnel: the server has ended its side; we have; the output has drained.
 */
void vetch__response_stream_ended(vetch_http_response *r);
void vetch__response_stream_write_ended(vetch_http_response *r);
void vetch__response_stream_drained(vetch_http_response *r);
/* The response goes: whoever still holds the stream has a failed one. */
void vetch__response_stream_leave(vetch_http_response *r);

/* ---- upload.c: all take NULL for a call without one ---- */

/* For `length` bytes of the stream, or all of them. NULL and ENOMEM. */
struct vetch__upload *vetch__upload_new(vetch_stream *stream, uint64_t length);
/* Write the field that frames it. */
char *vetch__upload_put_framing(char *to, const struct vetch__upload *u);
/* The head was written: read from the stream, as far as there is room. */
void vetch__upload_start(struct vetch__upload *u, struct vetch__client_conn *c);
/* There is room again. */
void vetch__upload_go_on(struct vetch__upload *u);
/* Leave the stream where it is. */
void vetch__upload_stop(struct vetch__upload *u);
/* Whether it waits for its stream. */
bool vetch__upload_is_waiting(const struct vetch__upload *u);
/* Whether all of it was written; and whether nothing was read. */
bool vetch__upload_is_complete(const struct vetch__upload *u);
bool vetch__upload_is_untouched(const struct vetch__upload *u);
void vetch__upload_free(struct vetch__upload *u);

#endif
