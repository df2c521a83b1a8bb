/* The inside of a transport, for its kinds and for protocols of the library.
 *
 * A transport is written to by the protocol above it and read by its kind
 * below. Both directions have a state of their own, so that the end of one
 * says nothing about the other:
 *
 *   in   OPEN -> ENDED                     the peer's end, or ours: no more
 *   out  OPEN -> ENDING -> TELLING -> ENDED
 *                                          flush, then tell the peer
 *        OPEN|ENDING|TELLING -> BROKEN     a write failed; input may still come
 *
 * and the connection as a whole goes through:
 *
 *   NEW        has no protocol; nothing is read
 *   OPEN
 *   CLOSING    vetch_transport_close(): input is dropped, output flushed
 *   LINGERING  all is sent; waits for the peer's end, so that input which
 *              nobody reads does not turn the close into a reset
 *   OVER       nothing happens any more; `lost` is due
 *   LOST       the protocol is gone, the transport is mere memory
 *
 * Whatever has to be told waits for the transport's turn: at the end of the
 * dispatch, with no call of the user's on the stack. */
#ifndef VETCH_TRANSPORT_PRIVATE_H
#define VETCH_TRANSPORT_PRIVATE_H

#include <errno.h>

#include <vetch/error.h>
#include <vetch/transport.h>

#include "net/output-private.h"
#include "net/own_scope-private.h"
#include "net/sockaddr-private.h"
#include "reactor/reactor-private.h"

enum vetch__transport_state {
    VETCH__T_NEW,
    VETCH__T_OPEN,
    VETCH__T_CLOSING,
    VETCH__T_LINGERING,
    VETCH__T_OVER,
    VETCH__T_LOST
};

enum vetch__in_state { VETCH__IN_OPEN, VETCH__IN_ENDED };

enum vetch__out_state {
    VETCH__OUT_OPEN,
    VETCH__OUT_ENDING,
    VETCH__OUT_TELLING,
    VETCH__OUT_ENDED,
    VETCH__OUT_BROKEN
};

enum vetch__transport_flag {
    VETCH__T_ACTIVE = 1,        /* the reactor holds a reference */
    VETCH__T_CONNECTED = 2,     /* `connected` was called */
    VETCH__T_PAUSED = 4,        /* by the user */
    VETCH__T_BLOCKED = 8,       /* the kind cannot take more output now */
    VETCH__T_WRITE_PAUSED = 16, /* the protocol was told so */
    VETCH__T_AGAIN = 32,        /* input that was left has to come again */
    VETCH__T_DUE = 64,          /* the turn has more to do than to send */
    VETCH__T_DELIVERING = 128,  /* `received` runs: its buffer must stay */
    VETCH__T_OWN_LIMITS = 256,
    VETCH__T_READING = 512, /* the kind's: it watches for input */
    VETCH__T_CUT = 1024,    /* it was over too early, as its listener stopped */
    VETCH__T_WATCHED = 2048, /* LINGERING: the peer has not confirmed all */
    VETCH__T_PROXIED = 4096, /* the kind's: see vetch__transport_proxied() */
    VETCH__T_HEEDED = 8192, /* tell if the peer hangs up, though nobody reads */
    VETCH__T_TELL_BROKEN = 16384, /* `write_failed` is due */
    VETCH__T_LOST_OUTPUT = 32768  /* output was dropped */
};

/* In object.flags: input is only told of, not read. */
enum { VETCH__T_RAW = 1 };

/* Shared by all connections of a server; borrowed. */
struct vetch__limits {
    size_t low_bytes, high_bytes, cap_bytes; /* of what waits to be written */
    size_t input_bytes;
    uint64_t close_ns;     /* once closed: between two looks at the peer */
    double min_rate;       /* bytes per second it has to take meanwhile */
    uint64_t linger_ns;    /* then, until the peer has ended */
    uint32_t linger_bytes; /* of input, dropped meanwhile */
};
extern const struct vetch__limits vetch__default_limits;

/* How bytes move. Functions get a transport that is not OVER, unless said. */
struct vetch__transport_kind {
    const char *name; /* "tcp:" */
    /* The two directions are separate things, and what was sent stays sent: a
     * close need not wait for the peer. */
    bool parts;
    /* Watch for input; call vetch__transport_received() and so on while
     * vetch__transport_wants_input(). May be called when it is on already.
     * Failure is reported with vetch__transport_over(). */
    void (*read_on)(vetch_transport *t);
    /* Watch for nothing: it was asked for by the kind itself (see
     * vetch__transport_wants_input()) or input has ended. */
    void (*read_off)(vetch_transport *t);
    /* Send what can be sent; set BLOCKED if some is left, and call
     * vetch__transport_writable() when there is room. */
    void (*send)(vetch_transport *t);
    /* All is sent: tell the peer that no more comes. True: the peer was told;
     * false: vetch__transport_told() will be called when it has been. */
    bool (*shut)(vetch_transport *t);
    /* Give everything back but the memory; `reset`: the peer shall notice. */
    void (*stop)(vetch_transport *t, bool reset);
    /* After shut: whether bytes have not arrived yet, as far as one knows. */
    bool (*unsent)(vetch_transport *t);
    /* Bytes that were sent, but have not reached the peer, for measuring; NULL:
     * there are never any. */
    uint64_t (*underway)(vetch_transport *t);
    /* Whether nothing has come that waits to be read. */
    bool (*quiet)(vetch_transport *t);
    /* After the peer's end: false if it has hung up altogether; else watch for
     * that. NULL: it cannot be told. */
    bool (*listens)(vetch_transport *t);
    /* Move at most `max` bytes of input to a pipe: so many; 0 at the end; -1
     * and errno. One that can do this can write out of pipes, too. NULL: it
     * can do neither. */
    ssize_t (*splice)(vetch_transport *t, int to, size_t max);
    /* A name to be freed, or NULL; also called when OVER. */
    char *(*name_of)(vetch_transport *t, bool peer);
    /* Its descriptors stay open: they are the caller's again. In state NEW, of
     * one that was made of descriptors. */
    void (*disown)(vetch_transport *t);
    /* Free the memory. */
    void (*free)(vetch_transport *t);
    /* The transport that this one runs over; NULL: it is the lowest. */
    vetch_transport *(*under)(vetch_transport *t);
};

struct vetch_transport {
    struct vetch__object object; /* state: enum vetch__transport_state */
    struct vetch__flush turn;
    vetch_reactor *reactor; /* NULL once LOST */
    const struct vetch__transport_kind *kind;
    vetch_protocol *protocol;
    const struct vetch__limits *limits;
    struct vetch__output output;
    vetch_buffer *input; /* what the protocol left, or NULL */
    vetch_error *reason; /* the first thing that went wrong */
    vetch_listener *listener;
    struct vetch__own_scope *scope; /* made on first use */
    char *peer_name, *local_name;
    struct vetch__member member; /* in its listener's list, if it has one */
    struct vetch__timer timer;   /* until closed; before, the protocol's */
    uint16_t flags;
    uint8_t in, out;
    uint32_t dropped; /* bytes of input since it was closed */
    uint64_t mark;    /* once closed: what was underway at the last look */
};

static inline enum vetch__transport_state
vetch__transport_state(const vetch_transport *t)
{
    return (enum vetch__transport_state)t->object.state;
}

static inline bool
vetch__transport_check_thread(const vetch_transport *t)
{
    return t->reactor == NULL ||
           vetch__check_thread(&t->reactor->owner, "a transport");
}

/* Let the turn look at everything, not only at the output. */
static inline void
vetch__transport_attend_later(vetch_transport *t)
{
    t->flags |= VETCH__T_DUE;
    vetch__flush_later(t->reactor, &t->turn);
}

/* What the protocol has received is to come again, before anything else: from a
 * transport that has kept nothing itself. Consumes `input`. */
void vetch__transport_put_back(vetch_transport *t, vetch_buffer *input);
/* What the protocol left of the input is not wanted any more. */
void vetch__transport_give_input_back(vetch_transport *t);

/* ---- for kinds ---- */

/* Prepare a transport in state NEW, with one reference; net state has to
 * exist. */
void vetch__transport_init(vetch_transport *t, vetch_reactor *r,
                           const struct vetch__transport_kind *kind);
/* Whether input is to be read now; a kind that finds it is not stops watching
 * until read_on. (So pausing costs nothing unless input comes.) */
static inline bool
vetch__transport_wants_input(const vetch_transport *t)
{
    return t->in == VETCH__IN_OPEN && !(t->flags & VETCH__T_PAUSED) &&
           t->object.state >= VETCH__T_OPEN &&
           t->object.state <= VETCH__T_LINGERING;
}
/* Bytes came: they are in net->input, which is empty afterwards. The caller
 * holds a reference to t. */
void vetch__transport_received(vetch_transport *t);
/* The peer ended its side in good order. As above. */
void vetch__transport_ended(vetch_transport *t);
/* A write failed, but the input may hold more, and will end. */
void vetch__transport_write_failed(vetch_transport *t, int errnum);
/* A file that was to be sent could not be read: for this reason or, 0, because
 * it has become shorter. It is over, with a reset. */
void vetch__transport_file_failed(vetch_transport *t, int errnum);
/* The kind has stopped watching for input, because nobody wants any now. */
void vetch__transport_input_off(vetch_transport *t);
/* The peer has hung up altogether. */
void vetch__transport_hung_up(vetch_transport *t);
/* BLOCKED no longer. */
void vetch__transport_writable(vetch_transport *t);
/* After shut: all has gone out, and the peer was told. For a dispatch. */
void vetch__transport_told(vetch_transport *t);
/* It is over, for `reason` (consumed; NULL: in good order). Calls nobody back;
 * does nothing if it is over already. */
void vetch__transport_over(vetch_transport *t, vetch_error *reason, bool reset);

/* ---- for those who make transports ---- */

/* Takes fd, a connected stream socket, non-blocking; `peer` as accept(2) or
 * connect(2) know it. NULL and ENOMEM. */
vetch_transport *vetch__socket_transport_new(vetch_reactor *r, int fd,
                                             const struct sockaddr *peer,
                                             socklen_t peer_len);
/* The same; with a header that told for whom, the names are those. NULL: there
 * was none. */
struct vetch__proxy_header;
vetch_transport *
vetch__socket_transport_new_for(vetch_reactor *r, int fd,
                                const struct sockaddr *peer, socklen_t peer_len,
                                const struct vetch__proxy_header *header);
/* As vetch_connect(), with TLS as `tls` says it, whatever the endpoint does
 * (NULL: as the endpoint says), and with whom `name` says (NULL: likewise). */
vetch_promise *vetch__connect(const char *endpoint, struct vetch_tls *tls,
                              const char *name);
/* As vetch_transport_attach(), but `connected` is called here and now: for a
 * dispatch of one's own. The caller holds a reference to t. */
int vetch__transport_attach_now(vetch_transport *t, vetch_protocol *p);
/* What a proxy told of the connection. */
struct vetch__proxied {
    char *proxy; /* its name, once asked for */
    union vetch__address client;
    size_t n_tlvs; /* bytes */
    uint8_t tlvs[];
};
/* Down to the transport that runs over no other. */
static inline vetch_transport *
vetch__transport_lowest(vetch_transport *t)
{
    while (t->kind->under != NULL)
        t = t->kind->under(t);
    return t;
}
/* Of the transport, or of the one that it runs over; NULL: nothing. */
struct vetch__proxied *vetch__transport_proxied(vetch_transport *t);
/* The client's IP address: what a proxy told, or the socket's. Of family
 * AF_UNSPEC if there is none. */
const struct sockaddr *vetch__transport_client(vetch_transport *t);
/* The TCP socket that it comes down to; -1 and errno: EOPNOTSUPP, ENOTCONN. */
int vetch__transport_tcp_socket(vetch_transport *t);

/* Put `over`, a new transport that moves its bytes through `t`, between `t` and
 * its protocol, which may be NULL: from now on protocol, listener and limits
 * are those of `over`, and `t`, which is NEW or OPEN, has `between` and
 * `limits`. Both are ACTIVE. */
void vetch__transport_put_over(vetch_transport *over, vetch_transport *t,
                               vetch_protocol *between,
                               const struct vetch__limits *limits);
/* ---- transport_close.c ---- */
/* CLOSING: something has been sent. */
void vetch__transport_close_goes_on(vetch_transport *t);
/* Input after the close is read, up to a limit, so that the peer can finish and
 * hear us out instead of being reset. */
void vetch__transport_drop_input(vetch_transport *t, vetch_buffer *shared);
/* The time that a stop gives its connections is over. */
void vetch__transport_cut(vetch_transport *t);

/* ---- transport_member.c ---- */
extern const struct vetch__member_class vetch__connection_members;
void vetch__transport_dump(const struct vetch__member *self,
                           struct vetch__dump *d, size_t depth);

/* ---- splice.c ---- */
/* From now on `received` is called with nothing when there is input, which
 * waits where it is; or no longer. */
void vetch__transport_set_raw(vetch_transport *t, bool on);
/* There is input, and the transport is raw. As for _received(). */
void vetch__transport_input_waits(vetch_transport *t);
/* Whether bytes can go from one to the other through the kernel alone. */
bool vetch__transport_can_splice(const vetch_transport *from,
                                 const vetch_transport *to);
/* Queue at most `max` bytes of input for output that way, and send what can be
 * sent. How many; 0: none has come; -1: reading it would tell why not. */
ssize_t vetch__transport_splice(vetch_transport *from, vetch_transport *to,
                                size_t max);

/* ---- listener.c ---- */
/* Whether it counts how its connections end. */
bool vetch__listener_is_stopping(const vetch_listener *l);
/* One of its connections has ended, and `n` operations that ran for it were
 * cancelled; that connection is lost. */
void vetch__listener_canceled(vetch_listener *l, size_t n);
void vetch__listener_lost_one(vetch_listener *l, vetch_transport *t);

/* ---- for protocols of the library ---- */

/* Use these limits, borrowed until the transport is freed. */
void vetch__transport_set_limits(vetch_transport *t,
                                 const struct vetch__limits *limits);

/* Write without copying: room for `len` bytes (at most VETCH__CHUNK_ROOM), to
 * be filled and committed before any other call. NULL and errno, as
 * vetch_transport_write(). */
char *vetch__transport_reserve_slowly(vetch_transport *t, size_t len);
static inline char *
vetch__transport_reserve(vetch_transport *t, size_t len)
{
    struct vetch__chunk *c = t->output.last;

    if (vetch__likely(c != NULL && c->room >= len &&
                      t->out == VETCH__OUT_OPEN &&
                      t->output.buffered + len <= t->limits->cap_bytes))
        return c->at.data + c->len;
    return vetch__transport_reserve_slowly(t, len);
}
/* Whether it was neither closed nor lost. */
static inline bool
vetch__transport_is_open(const vetch_transport *t)
{
    return t->object.state == VETCH__T_OPEN;
}
/* The same, and neither side has ended its direction. */
static inline bool
vetch__transport_is_whole(const vetch_transport *t)
{
    return vetch__transport_is_open(t) && t->in == VETCH__IN_OPEN &&
           t->out == VETCH__OUT_OPEN;
}
/* The timer of the connection, which is its protocol's until it is closed; and
 * the protocol for the function of that timer. */
static inline struct vetch__timer *
vetch__transport_timer(vetch_transport *t)
{
    return &t->timer;
}
static inline vetch_protocol *
vetch__transport_protocol_of(struct vetch__timer *timer)
{
    return vetch__container(timer, vetch_transport, timer)->protocol;
}

/* Bytes that wait to be written, those of files too. */
static inline uint64_t
vetch__transport_pending(const vetch_transport *t)
{
    return t->output.buffered + t->output.files;
}
/* The same, with what the kernel still holds: how far the peer has read is this
 * much behind. One system call. */
static inline uint64_t
vetch__transport_underway(vetch_transport *t)
{
    uint64_t kernel = 0;

    if (t->kind->underway != NULL && t->object.state < VETCH__T_OVER)
        kernel = t->kind->underway(t);
    return vetch__transport_pending(t) + kernel;
}
/* Whether more waits than the high mark allows. */
static inline bool
vetch__transport_is_high(const vetch_transport *t)
{
    return vetch__transport_pending(t) > t->limits->high_bytes;
}
/* Whether a writer should wait: the peer takes less than it is sent. */
static inline bool
vetch__transport_is_full(const vetch_transport *t)
{
    return (t->flags & VETCH__T_WRITE_PAUSED) != 0 ||
           ((t->flags & VETCH__T_BLOCKED) != 0 &&
            t->output.buffered > t->limits->high_bytes);
}
/* Call write_resumed once the low mark is reached, also if write_paused was
 * never called. */
static inline void
vetch__transport_tell_resumed(vetch_transport *t)
{
    t->flags |= VETCH__T_WRITE_PAUSED;
    vetch__transport_attend_later(t);
}
/* Send now what can be sent. If more than the high mark stays behind, the
 * protocol will be told, and told again at the low mark. */
void vetch__transport_sent_much(vetch_transport *t);
/* As vetch_transport_sendfile(), but sent at once, and `fd` is not closed:
 * free_fn(free_arg) is called when it is not needed any more. `len` is above 0.
 */
int vetch__transport_send_part(vetch_transport *t, int fd, uint64_t offset,
                               uint64_t len, vetch_free_fn free_fn,
                               void *free_arg);
/* Something was queued that shall not wait for the end of the dispatch. */
void vetch__transport_send_now(vetch_transport *t);
static inline void
vetch__transport_commit(vetch_transport *t, size_t len)
{
    vetch__output_commit(&t->output, len);
    vetch__flush_later(t->reactor, &t->turn);
    if (vetch__unlikely(t->output.buffered > t->limits->high_bytes))
        vetch__transport_sent_much(t);
}

/* For a protocol that is told of the peer's end: whether the peer may still
 * want what is written. If so, it will be over when the peer hangs up or
 * resets. (On TCP nothing but a reset tells the two apart, and that comes when
 * something is sent.) */
static inline bool
vetch__transport_peer_listens(vetch_transport *t)
{
    return t->kind->listens == NULL || t->kind->listens(t);
}

/* Somebody writes, maybe nothing for long: let writing fail when the peer hangs
 * up, also if nobody reads from it. What it sent before can be read then. (On
 * TCP that is a reset: a peer that only ends may still be listening.) */
void vetch__transport_heed(vetch_transport *t, bool on);

/* Whether an idle connection is still as good as it looks: nothing came, not
 * even the end. One system call. */
bool vetch__transport_is_quiet(vetch_transport *t);

#endif
