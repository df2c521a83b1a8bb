/* Streams that a program makes itself, from a class of functions.
 *
 * The class is asked for one piece at a time in each direction. It is called
 * from the stream's turn only, at the end of a dispatch, so that no call into
 * the stream calls back. What it returns is watched; an abort cancels that, and
 * the object lives until nothing of it is pending. */
#include "stream/own-private.h"

#include <errno.h>
#include <string.h>

#include "base/check-private.h"
#include "base/mem-private.h"
#include "promise/watch-private.h"
#include "stream/transport-private.h"

enum { PIECE_BYTES = 65536, JOINED_MAX = 64 };

struct piece {
    struct piece *next;
    vetch_bytes *bytes;
};

struct own_stream {
    vetch_stream s; /* first */
    const vetch_stream_class *class;
    void *self;
    vetch_reactor *reactor; /* also once it is OVER */
    struct vetch__flush turn;
    struct vetch__member member;
    struct piece *first, *last; /* to be written; `first` may be under way */
    size_t pending_bytes, low_bytes;
    char *name;                       /* or NULL */
    vetch_promise *reading, *writing; /* watches; writing: end and close, too */
    bool closing, aborting;
    bool end_asked;  /* by the user */
    bool stale;      /* what is being read is not wanted any more */
    bool told_abort; /* the class was */
};

static struct own_stream *
own_of(const vetch_stream *s)
{
    return (struct own_stream *)(uintptr_t)s;
}

static void
attend_own_later(struct own_stream *o)
{
    vetch__flush_later(o->reactor, &o->turn);
}

/* ---- what the stream asks ---- */

static void
own_want(vetch_stream *s)
{
    attend_own_later(own_of(s));
}

static void
own_enough(vetch_stream *s)
{
    (void)s; /* it is asked for each piece */
}

static int
queue_piece(struct own_stream *o, vetch_bytes *bytes)
{
    struct piece *p = vetch__malloc(sizeof(*p));

    if (p == NULL)
        return -1;
    p->next = NULL;
    p->bytes = bytes;
    if (o->first == NULL)
        o->first = p;
    else
        o->last->next = p;
    o->last = p;
    o->pending_bytes += vetch_bytes_len(bytes);
    attend_own_later(o);
    return 0;
}

static int
own_write_bytes(vetch_stream *s, vetch_bytes *bytes)
{
    vetch_bytes_ref(bytes);
    if (queue_piece(own_of(s), bytes) == 0)
        return 0;
    vetch_bytes_unref(bytes);
    return -1;
}

static int
own_write(vetch_stream *s, const struct iovec *iov, size_t n, size_t total)
{
    vetch_bytes *bytes = vetch__bytes_of_vectors(iov, n, total);
    int result;

    if (bytes == NULL)
        return -1;
    result = own_write_bytes(s, bytes);
    vetch_bytes_unref(bytes);
    return result;
}

static uint64_t
own_pending(const vetch_stream *s)
{
    return own_of(s)->pending_bytes;
}

static void
own_tell_drained(vetch_stream *s)
{
    (void)s; /* each piece that has gone is looked at */
}

static void
own_end(vetch_stream *s)
{
    own_of(s)->end_asked = true;
    attend_own_later(own_of(s));
}

static void
own_close(vetch_stream *s)
{
    own_of(s)->closing = true;
    attend_own_later(own_of(s));
}

static void
own_abort(vetch_stream *s)
{
    own_of(s)->aborting = true;
    attend_own_later(own_of(s));
}

static const char *
own_name_of(const vetch_stream *s, bool peer)
{
    const char *name = own_of(s)->name;

    return peer && name != NULL ? name : "";
}

static void
own_free(vetch_stream *s)
{
    vetch__free(own_of(s)->name);
    vetch__free(own_of(s));
}

static const struct vetch__stream_kind own_kind = {
    .want = own_want,
    .enough = own_enough,
    .write = own_write,
    .write_bytes = own_write_bytes,
    .pending = own_pending,
    .tell_drained = own_tell_drained,
    .end = own_end,
    .close = own_close,
    .abort = own_abort,
    .name_of = own_name_of,
    .free = own_free,
};

/* ---- what comes back from the class ---- */

static void
break_own(struct own_stream *o, vetch_error *error)
{
    vetch__stream_break(&o->s, error);
}

/* Wait for what the class returned; a NULL promise is one that is fulfilled. */
static void
watch_class(struct own_stream *o, vetch_promise **at, vetch_promise *p,
            vetch__watch_fn fn)
{
    if (p == NULL)
        p = vetch_resolved(NULL, NULL);
    vetch__stream_hold(&o->s);
    *at = vetch__watch(o->reactor, p, fn, o);
    if (*at != NULL)
        return;
    vetch_promise_cancel(p);
    vetch_promise_unref(p);
    vetch__stream_let_go(&o->s);
    break_own(o, vetch_error_new(VETCH_ENOMEM, "stream"));
}

static void
drop_first_piece(struct own_stream *o)
{
    struct piece *p = o->first;

    o->first = p->next;
    o->pending_bytes -= vetch_bytes_len(p->bytes);
    vetch_bytes_unref(p->bytes);
    vetch__free(p);
}

static void
receive_bytes(struct own_stream *o, vetch_bytes *bytes)
{
    /* Bytes look like a buffer to those who only consume. */
    vetch_buffer view = { .data = (char *)(uintptr_t)vetch_bytes_data(bytes),
                          .end = vetch_bytes_len(bytes) };

    if (o->s.object.state == VETCH__S_OPEN)
        vetch__stream_received(&o->s, &view);
    vetch_bytes_unref(bytes);
}

static void
class_has_read(void *ctx, vetch_promise *p)
{
    struct own_stream *o = ctx;
    vetch_error *error;
    void *bytes;

    o->reading = NULL;
    if (o->closing || o->stale) /* nobody wants it any more */
        vetch_promise_unref(p);
    else if (!vetch__promise_take_any(p, &bytes, &error))
        break_own(o, vetch_error_new(VETCH_EMISUSE,
                                     "what a stream reads is held elsewhere"));
    else if (error != NULL)
        break_own(o, error);
    else if (bytes != NULL)
        receive_bytes(o, bytes);
    else
        vetch__stream_ended(&o->s);
    o->stale = false;
    attend_own_later(o);
    vetch__stream_let_go(&o->s);
}

/* The outcome of something that has no value; false: the stream is broken. */
static bool
class_did(struct own_stream *o, vetch_promise *p)
{
    const vetch_error *error = vetch_promise_error(p);
    bool good = error == NULL;

    o->writing = NULL;
    if (!good)
        break_own(o, vetch_error_ref(error));
    vetch_promise_unref(p);
    attend_own_later(o);
    return good;
}

static void
class_has_written(void *ctx, vetch_promise *p)
{
    struct own_stream *o = ctx;

    drop_first_piece(o);
    if (class_did(o, p) && o->pending_bytes <= o->low_bytes)
        vetch__stream_drained(&o->s);
    vetch__stream_let_go(&o->s);
}

static void
class_has_ended(void *ctx, vetch_promise *p)
{
    struct own_stream *o = ctx;

    if (class_did(o, p))
        vetch__stream_end_done(&o->s);
    vetch__stream_let_go(&o->s);
}

static void
own_is_over(struct own_stream *o)
{
    while (o->first != NULL)
        drop_first_piece(o);
    vetch__member_remove(o->reactor, &o->member);
    vetch__flush_cancel(&o->turn);
    if (o->class->free != NULL)
        o->class->free(o->self);
    vetch__stream_let_go(&o->s);
}

static void
class_has_closed(void *ctx, vetch_promise *p)
{
    struct own_stream *o = ctx;

    if (class_did(o, p)) {
        vetch__stream_over(&o->s, NULL);
        own_is_over(o);
    }
    vetch__stream_let_go(&o->s);
}

/* ---- the turn ---- */

/* The class is told, what is pending cancelled; it is over when that has
 * stopped. */
static void
turn_to_abort(struct own_stream *o)
{
    if (!o->told_abort) {
        o->told_abort = true;
        vetch__stream_over(&o->s, o->s.error);
        if (o->class->abort != NULL)
            o->class->abort(o->self);
        if (o->reading != NULL)
            vetch__promise_cancel_node(o->reactor, o->reading);
        if (o->writing != NULL)
            vetch__promise_cancel_node(o->reactor, o->writing);
    }
    if (o->reading == NULL && o->writing == NULL)
        own_is_over(o);
}

static vetch_promise *
call_class(vetch_promise *(*fn)(void *self), void *self)
{
    return fn != NULL ? fn(self) : NULL;
}

/* How many of the first pieces make no more than one large one. */
static size_t
count_small_pieces(const struct own_stream *o, struct iovec iov[JOINED_MAX],
                   size_t *ret_total)
{
    size_t n = 0, total = 0;

    for (const struct piece *p = o->first; p != NULL && n < JOINED_MAX;
         p = p->next) {
        size_t len = vetch_bytes_len(p->bytes);

        if (len > PIECE_BYTES - total)
            break;
        iov[n].iov_base = (void *)(uintptr_t)vetch_bytes_data(p->bytes);
        iov[n++].iov_len = len;
        total += len;
    }
    *ret_total = total;
    return n;
}

/* Each call of the class may be dear: small pieces go together. Without memory
 * they go one by one. */
static void
join_small_pieces(struct own_stream *o)
{
    struct iovec iov[JOINED_MAX];
    vetch_bytes *joined;
    size_t total, n = count_small_pieces(o, iov, &total);

    if (n < 2)
        return;
    joined = vetch__bytes_of_vectors(iov, n, total);
    if (joined == NULL)
        return;
    while (--n > 0)
        drop_first_piece(o);
    o->pending_bytes += total - vetch_bytes_len(o->first->bytes);
    vetch_bytes_unref(o->first->bytes);
    o->first->bytes = joined;
}

static void
turn_to_write(struct own_stream *o)
{
    if (o->writing != NULL)
        return;
    join_small_pieces(o);
    if (o->first != NULL)
        watch_class(o, &o->writing, o->class->write(o->self, o->first->bytes),
                    class_has_written);
    else if (o->s.out == VETCH__HALF_ENDING)
        watch_class(o, &o->writing, call_class(o->class->end, o->self),
                    class_has_ended);
    else if (o->closing && o->reading == NULL)
        watch_class(o, &o->writing, call_class(o->class->close, o->self),
                    class_has_closed);
    else if (o->closing)
        vetch__promise_cancel_node(o->reactor, o->reading);
}

static void
own_turn(struct vetch__flush *f)
{
    struct own_stream *o = vetch__container(f, struct own_stream, turn);

    vetch__stream_hold(&o->s);
    if (o->aborting) {
        turn_to_abort(o);
    } else {
        turn_to_write(o);
        if (!o->aborting && o->reading == NULL && !o->closing &&
            (o->s.flags & VETCH__S_WANTING) != 0 && o->s.in == VETCH__HALF_OPEN)
            watch_class(o, &o->reading, o->class->read(o->self, PIECE_BYTES),
                        class_has_read);
    }
    vetch__stream_let_go(&o->s);
}

static void
end_own_with_reactor(struct vetch__member *self)
{
    struct own_stream *o = vetch__container(self, struct own_stream, member);

    break_own(o, vetch_error_new(VETCH_ECLOSED, "the reactor has ended"));
}

static const struct vetch__member_class own_members = {
    .name = "stream",
    .end = end_own_with_reactor,
};

/* ---- making one ---- */

vetch_stream *
vetch__own_stream_new(const vetch_stream_class *class, void *self,
                      const vetch_stream_options *options, const char *name)
{
    vetch_reactor *r = vetch__reactor;
    vetch_stream_options chosen;
    struct vetch__stream_limits limits;
    struct own_stream *o;

    if (r == NULL || r->ending) {
        errno = r == NULL ? EPERM : ECANCELED;
        return NULL;
    }
    if (vetch__stream_options_get(options, &chosen) < 0 ||
        vetch__net_get(r) == NULL)
        return NULL;
    o = vetch__calloc(1, sizeof(*o));
    if (o == NULL)
        return NULL;
    o->name = name != NULL ? vetch__strdup(name) : NULL;
    vetch__stream_limits_of(&chosen, &limits);
    vetch__stream_init(&o->s, r, &own_kind, &limits);
    if ((name != NULL && o->name == NULL) ||
        vetch_stream_set_idle(&o->s, chosen.idle_seconds) < 0) {
        own_free(&o->s);
        return NULL;
    }
    o->s.flags |= VETCH__S_LAZY;
    o->s.in = class->read != NULL ? VETCH__HALF_OPEN : VETCH__HALF_NONE;
    o->s.out = class->write != NULL ? VETCH__HALF_OPEN : VETCH__HALF_NONE;
    o->reactor = r;
    o->class = class;
    o->self = self;
    o->low_bytes = chosen.low_bytes;
    o->turn.fn = own_turn;
    vetch__member_add(r, &o->member, &own_members);
    return &o->s;
}

vetch_stream *
vetch_stream_new(const vetch_stream_class *class, void *self,
                 const vetch_stream_options *options)
{
    VETCH_CHECK(class != NULL && class->size >= sizeof(*class), EINVAL, NULL);
    return vetch__own_stream_new(class, self, options, NULL);
}

void *
vetch__own_stream_self(const vetch_stream *s, const vetch_stream_class *class)
{
    const struct own_stream *o = own_of(s);

    if (s->kind != &own_kind || o->class != class ||
        s->object.state == VETCH__S_OVER)
        return NULL;
    return o->self;
}

bool
vetch__own_stream_was_ended(const vetch_stream *s)
{
    return own_of(s)->end_asked;
}

void
vetch__own_stream_restart(vetch_stream *s)
{
    struct own_stream *o = own_of(s);

    vetch__stream_drop_input(s);
    s->in = VETCH__HALF_OPEN;
    o->stale = o->reading != NULL;
    vetch__stream_balance(s);
}
