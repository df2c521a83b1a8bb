/* The inside of a stream, for its kinds.
 *
 * A stream has two halves that know nothing of one another, and a kind below,
 * which moves bytes:
 *
 *   in   OPEN -> ENDED                 the other side's orderly end
 *        OPEN -> BROKEN                `error` says why
 *   out  OPEN -> ENDING -> ENDED       what is queued, then the end
 *        OPEN|ENDING -> BROKEN
 *
 * and the stream as a whole goes OPEN, CLOSING (vetch_stream_close() or the
 * last release), OVER (the kind has given everything back).
 *
 * Reading is one operation at a time. It takes bytes from `input`, which holds
 * what was received ahead of any read, or straight from where the kind has
 * received them. What it takes is *offered* (rule 14): until somebody has got
 * it the operation counts as pending, and if nobody does it comes back as
 * `returned`, in front of everything else, without needing memory.
 *
 * References: object.refs are the user's. `holds` are the library's: one for a
 * kind that is not OVER, one for an offer, one for each call in progress. The
 * memory goes when both are zero. */
#ifndef VETCH_STREAM_PRIVATE_H
#define VETCH_STREAM_PRIVATE_H

#include <vetch/error.h>
#include <vetch/stream.h>

#include "base/buffer-private.h"
#include "base/list-private.h"
#include "base/object-private.h"
#include "net/transport-private.h"
#include "reactor/reactor-private.h"

enum vetch__stream_state { VETCH__S_OPEN, VETCH__S_CLOSING, VETCH__S_OVER };

enum vetch__stream_half {
    VETCH__HALF_OPEN,
    VETCH__HALF_ENDING, /* of writing only */
    VETCH__HALF_ENDED,
    VETCH__HALF_BROKEN,
    VETCH__HALF_NONE /* there is no such direction */
};

enum vetch__stream_flag {
    VETCH__S_OFFERED = 1,    /* what was read last is on its way to somebody */
    VETCH__S_WANTING = 2,    /* the kind was told to let bytes come */
    VETCH__S_CLOSED = 4,     /* by the user: reads reject with VETCH_ECLOSED */
    VETCH__S_LOST_WRITE = 8, /* a write failed; `error` has the cause */
    VETCH__S_DRAINING = 16,  /* the kind was asked to say when it drained */
    VETCH__S_LAZY = 32,      /* nothing is received before somebody asks */
    VETCH__S_DISCARDS = 64   /* what is written goes nowhere */
};

enum vetch__read_op {
    VETCH__READ_NONE,
    VETCH__READ_SOME,
    VETCH__READ_EXACTLY,
    VETCH__READ_UNTIL,
    VETCH__READ_LINE,
    VETCH__READ_ALL
};

struct vetch__read {
    uint8_t op;
    char few[7];              /* a delimiter, if it fits */
    vetch_deferred *deferred; /* NULL: none is pending */
    size_t limit;
    const char *delimiter; /* of UNTIL: `few`, or a copy */
    size_t scanned;        /* bytes known to hold no delimiter */
};

/* One who takes what comes without asking for each piece: a copy, a filter. It
 * consumes from `in`, as much as it likes, and is called again for what it
 * leaves once vetch__stream_tap_more() was called. With NULL: there is no more,
 * and s->in says why. */
struct vetch__stream_tap {
    void (*fn)(struct vetch__stream_tap *self, vetch_buffer *in);
    /* In place of that, while `direct`: there is input that was not read, and
     * which the tap moves itself. */
    void (*ready)(struct vetch__stream_tap *self);
    bool direct;
    bool blocked; /* nothing shall come */
    /* The stream was closed or released. Consumes `error`. */
    void (*refused)(struct vetch__stream_tap *self, vetch_error *error);
};

/* One who writes and wants to hear when that becomes futile: a copy. */
struct vetch__stream_sink {
    /* Consumes `error`. */
    void (*broken)(struct vetch__stream_sink *self, vetch_error *error);
};

/* From this size on bytes are worth a chunk of their own. */
#define VETCH__STREAM_WORTH_OWNING ((size_t)4096)

/* How bytes move. No call of these calls back. */
struct vetch__stream_kind {
    /* Let bytes come, by vetch__stream_received() and so on; stop. */
    void (*want)(vetch_stream *s);
    void (*enough)(vetch_stream *s);
    /* Queue bytes, all or nothing; -1 and errno. */
    int (*write)(vetch_stream *s, const struct iovec *iov, size_t n,
                 size_t total);
    int (*write_bytes)(vetch_stream *s, vetch_bytes *bytes);
    /* Bytes that wait to go out. */
    uint64_t (*pending)(const vetch_stream *s);
    /* Call vetch__stream_drained() once the low mark is reached. */
    void (*tell_drained)(vetch_stream *s);
    /* After what is queued tell the other side, then call
     * vetch__stream_end_done(). */
    void (*end)(vetch_stream *s);
    /* Flush, then close; at once. Both lead to vetch__stream_over(). */
    void (*close)(vetch_stream *s);
    void (*abort)(vetch_stream *s);
    /* The last reference of a stream that is not OVER goes; it is held. NULL:
     * one that is OPEN is closed, or aborted if bytes wait. */
    void (*release)(vetch_stream *s);
    const char *(*name_of)(const vetch_stream *s, bool peer);
    /* Somebody writes, maybe nothing for long, and wants to hear at once when
     * that becomes futile; or no longer. NULL: only writing tells. */
    void (*heed)(vetch_stream *s, bool on);
    /* Free the memory, stream and all. */
    void (*free)(vetch_stream *s);
};

/* Who waits for the writing half, and for the end. */
enum vetch__stream_wait {
    VETCH__WAIT_DRAIN,
    VETCH__WAIT_END,
    VETCH__WAIT_CLOSE
};

struct vetch__stream_limits {
    size_t read_ahead, high, cap; /* bytes */
};

struct vetch_stream {
    struct vetch__object object; /* state: enum vetch__stream_state */
    uint32_t holds;
    uint8_t flags;
    uint8_t in, out;
    uint8_t stripped; /* bytes of a line's end that an offer left out */
    const struct vetch__stream_kind *kind;
    vetch_reactor *reactor; /* NULL once it is OVER */
    struct vetch__stream_limits limits;
    vetch_buffer *input;
    vetch_bytes *returned;
    struct vetch__stream_tap *tap;
    struct vetch__stream_sink *sink;
    struct vetch__read read;
    struct vetch__list waiters;
    vetch_error *error; /* what broke it first */
    uint64_t bytes_read, bytes_written;
    struct vetch__stream_idle *idle; /* or NULL */
};

/* ---- stream.c ---- */
/* An open stream with one reference and one hold, for the kind. */
void vetch__stream_init(vetch_stream *s, vetch_reactor *r,
                        const struct vetch__stream_kind *kind,
                        const struct vetch__stream_limits *limits);
static inline void
vetch__stream_hold(vetch_stream *s)
{
    s->holds++;
}
/* May free the stream. */
void vetch__stream_let_go(vetch_stream *s);
/* The first cause is kept. Consumes `error`. */
void vetch__stream_set_error(vetch_stream *s, vetch_error *error);
/* End it now, for this reason, which is consumed. What was received can still
 * be read. */
void vetch__stream_break(vetch_stream *s, vetch_error *error);
/* End one direction (VETCH_READABLE or VETCH_WRITABLE), for this reason, which
 * is consumed. What was received can still be read; the kind is not told. */
void vetch__stream_break_half(vetch_stream *s, unsigned direction,
                              vetch_error *error);
/* A new reference to what broke it, or a plain ECONNABORTED. */
vetch_error *vetch__stream_cause(const vetch_stream *s);
bool vetch__stream_check_thread(const vetch_stream *s);

/* For kinds. What they call may run on: the caller keeps its hold meanwhile. */

/* Bytes came; what is left in `in` afterwards is to be forgotten. */
void vetch__stream_received(vetch_stream *s, vetch_buffer *in);
/* The other side ended in good order. */
void vetch__stream_ended(vetch_stream *s);
/* The low mark was reached. */
void vetch__stream_drained(vetch_stream *s);
/* No more can be written, but maybe read. Borrows `reason`. */
void vetch__stream_write_failed(vetch_stream *s, const vetch_error *reason);
/* After end: everything went out, and the other side was told. */
void vetch__stream_end_done(vetch_stream *s);
/* It is over; `reason` NULL: in good order. Borrows `reason`. The kind's hold
 * is the kind's to let go. */
void vetch__stream_over(vetch_stream *s, const vetch_error *reason);

/* ---- no_memory.c ---- */
/* One that has failed with VETCH_ENOMEM; borrowed, for good. */
vetch_stream *vetch__stream_no_memory(void);

/* ---- read.c ---- */
/* Whether a read or a copy is pending. */
bool vetch__stream_is_read(const vetch_stream *s);
/* Let the pending read, or the tap, look at what there is. */
void vetch__stream_try_read(vetch_stream *s, vetch_buffer *in);
/* End the pending read or copy. Consumes `error`. */
void vetch__stream_refuse_read(vetch_stream *s, vetch_error *error);
/* Ask the kind for bytes, or for none, as there is room. */
void vetch__stream_balance(vetch_stream *s);
/* Put a tap on the stream, which is not read; it is called at once, and so on.
 * Or take it off. */
void vetch__stream_set_tap(vetch_stream *s, struct vetch__stream_tap *tap);
void vetch__stream_tap_more(vetch_stream *s);
/* Bytes that can be read without waiting. */
size_t vetch__stream_available(const vetch_stream *s);
void vetch__stream_drop_input(vetch_stream *s);
/* The same, for whoever wants it: there is some. NULL: no memory. */
vetch_buffer *vetch__stream_take_input(vetch_stream *s);
/* Put what can be read from `s` in front of what can be read from `to`. -1 and
 * ENOMEM. */
int vetch__stream_return_input(vetch_stream *s, vetch_stream *to);

/* ---- idle.c ---- */
void vetch__stream_idle_free(vetch_stream *s);
void vetch__stream_moved_now(vetch_stream *s);
/* Something has moved. */
static inline void
vetch__stream_moved(vetch_stream *s)
{
    if (vetch__unlikely(s->idle != NULL))
        vetch__stream_moved_now(s);
}

/* ---- write.c ---- */
/* Queue bytes for one who is no user. -1 and errno; the stream knows. */
int vetch__stream_queue(vetch_stream *s, const struct iovec *iov, size_t n,
                        size_t total);
/* Something could not be queued: remember that, set errno, return -1. */
int vetch__stream_lose_write(vetch_stream *s, int errnum);
vetch_promise *vetch__stream_end(vetch_stream *s);
/* A promise of what `wait` stands for; rejections as vetch__failed(). */
vetch_promise *vetch__stream_wait(vetch_stream *s,
                                  enum vetch__stream_wait wait);
/* Settle all who wait for this; `error` NULL: fulfil. Borrows `error`. */
void vetch__stream_wake(vetch_stream *s, enum vetch__stream_wait wait,
                        const vetch_error *error);

#endif
