/* Transports, as far as they are all alike: the output with its marks, the
 * input that a protocol leaves, the states of both directions. See
 * transport-private.h for the states, transport_close.c for how one ends.
 *
 * References: the reactor holds one (ACTIVE) from the moment when a protocol is
 * attached (or an unattached transport is closed) until the state is LOST. A
 * transport calls its protocol from two places only: from its kind's dispatch
 * (received, ended) and from its turn, at the end of a dispatch. Both hold a
 * reference meanwhile. Public functions change state and ask for a turn. */
#include "net/transport-private.h"

#include <assert.h>
#include <errno.h>

#include "base/check-private.h"
#include "promise/watch-private.h"

static void transport_turn(struct vetch__flush *f);

void
vetch__transport_init(vetch_transport *t, vetch_reactor *r,
                      const struct vetch__transport_kind *kind)
{
    t->object = (struct vetch__object){ .type = VETCH__TRANSPORT,
                                        .state = VETCH__T_NEW,
                                        .refs = 1 };
    t->turn.fn = transport_turn;
    t->reactor = r;
    t->kind = kind;
    t->limits = &vetch__default_limits;
    vetch__member_add(r, &t->member, &vetch__connection_members);
}

/* ---- input ---- */

void
vetch__transport_give_input_back(vetch_transport *t)
{
    if (t->input == NULL || (t->flags & VETCH__T_DELIVERING) != 0)
        return;
    vetch__net_give_buffer(t->reactor->net, t->input);
    t->input = NULL;
}

void
vetch__transport_put_back(vetch_transport *t, vetch_buffer *input)
{
    assert(t->input == NULL);
    t->input = input;
    t->flags |= VETCH__T_AGAIN;
    vetch__transport_attend_later(t);
}

static void
call_received(vetch_transport *t, vetch_buffer *b)
{
    const vetch_protocol_class *class;
    uint64_t started;

    assert(t->protocol != NULL); /* without one nothing is read */
    class = t->protocol->class_;
    if (class->received == NULL) {
        vetch_buffer_clear(b);
        return;
    }
    started = vetch__slow_start(t->reactor);
    t->flags = (uint16_t)((t->flags | VETCH__T_DELIVERING) & ~VETCH__T_AGAIN);
    class->received(t->protocol, b);
    t->flags &= (uint16_t)~VETCH__T_DELIVERING;
    VETCH__SLOW_END(t->reactor, class->received, started);
}

/* Move what a protocol left in the shared area to a buffer of its own. */
static void
keep_input(vetch_transport *t, vetch_buffer *shared)
{
    vetch_buffer *b = vetch__net_take_buffer(t->reactor->net);
    size_t len = vetch_buffer_len(shared);

    if (b == NULL ||
        vetch_buffer_append(b, vetch_buffer_data(shared), len) < 0) {
        vetch_buffer_free(b);
        vetch__transport_over(t, vetch_error_new(VETCH_ENOMEM, "input"), true);
    } else {
        t->input = b;
    }
    vetch_buffer_clear(shared);
}

static void
deliver_input(vetch_transport *t, vetch_buffer *b)
{
    call_received(t, b);
    if (t->object.state != VETCH__T_OPEN) {
        vetch_buffer_clear(b);
        vetch__transport_give_input_back(t);
        return;
    }
    if (vetch_buffer_len(b) == 0) {
        vetch__transport_give_input_back(t);
        return;
    }
    if (vetch_buffer_len(b) > t->limits->input_bytes) {
        vetch_buffer_clear(b);
        vetch__transport_over(t,
                              vetch_error_new(VETCH_ETOOLARGE,
                                              "more than %zu bytes of input",
                                              t->limits->input_bytes),
                              true);
        return;
    }
    if (b != t->input)
        keep_input(t, b);
}

static void
deliver_again(vetch_transport *t)
{
    t->flags &= (uint16_t)~VETCH__T_AGAIN;
    if (t->input != NULL && vetch__transport_wants_input(t) &&
        vetch__transport_state(t) == VETCH__T_OPEN)
        deliver_input(t, t->input);
}

void
vetch__transport_received(vetch_transport *t)
{
    vetch_buffer *shared = &t->reactor->net->input;

    if (vetch__unlikely(t->object.state != VETCH__T_OPEN)) {
        vetch__transport_drop_input(t, shared);
        return;
    }
    if (vetch__likely(t->input == NULL)) {
        deliver_input(t, shared);
        return;
    }
    if (vetch_buffer_append(t->input, vetch_buffer_data(shared),
                            vetch_buffer_len(shared)) < 0) {
        vetch_buffer_clear(shared);
        vetch__transport_over(t, vetch_error_new(VETCH_ENOMEM, "input"), true);
        return;
    }
    vetch_buffer_clear(shared);
    deliver_input(t, t->input);
}

/* ---- a peer that nobody reads from ---- */

/* Two ends in good order look like a hang-up. If nobody heeds the peer any more
 * and input is left, reading it tells what comes after it. */
void
vetch__transport_hung_up(vetch_transport *t)
{
    if ((t->flags & VETCH__T_HEEDED) != 0)
        vetch__transport_write_failed(t, EPIPE);
    else if (t->in == VETCH__IN_ENDED)
        vetch__transport_over(t,
                              vetch_error_from_errno(ECONNRESET, "read from %s",
                                                     vetch_transport_peer(t)),
                              false);
}

/* While input is watched for, that tells; unless what is written goes another
 * way. */
static void
heed_peer(vetch_transport *t)
{
    if ((t->flags & VETCH__T_HEEDED) != 0 && vetch__transport_is_open(t) &&
        t->out != VETCH__OUT_BROKEN &&
        (t->in == VETCH__IN_ENDED || (t->flags & VETCH__T_READING) == 0 ||
         t->kind->parts) &&
        !vetch__transport_peer_listens(t))
        vetch__transport_hung_up(t);
}

void
vetch__transport_heed(vetch_transport *t, bool on)
{
    if (t->kind->under != NULL)
        vetch__transport_heed(t->kind->under(t), on);
    t->flags &= (uint16_t)~VETCH__T_HEEDED;
    if (!on)
        return;
    t->flags |= VETCH__T_HEEDED;
    heed_peer(t);
}

void
vetch__transport_input_off(vetch_transport *t)
{
    t->flags &= (uint16_t)~VETCH__T_READING;
    heed_peer(t);
}

/* What the protocol says to the peer's end: whether it goes on. */
static bool
call_ended(vetch_transport *t)
{
    const vetch_protocol_class *class = t->protocol->class_;
    uint64_t started;
    bool stays_open;

    if (class->ended == NULL)
        return false;
    started = vetch__slow_start(t->reactor);
    stays_open = class->ended(t->protocol);
    VETCH__SLOW_END(t->reactor, class->ended, started);
    return stays_open;
}

static void
tell_ended(vetch_transport *t)
{
    if (t->out == VETCH__OUT_BROKEN) {
        if (t->protocol->class_->write_failed != NULL)
            call_ended(t); /* which knows that it is half of the truth */
        vetch__transport_over(t, NULL, false);
        return;
    }
    if (!call_ended(t))
        vetch_transport_close(t);
    heed_peer(t);
    if (vetch__transport_state(t) < VETCH__T_OVER)
        vetch__transport_attend_later(t);
}

void
vetch__transport_ended(vetch_transport *t)
{
    if (t->flags & VETCH__T_AGAIN) {
        deliver_again(t);
        if (!vetch__transport_wants_input(t))
            return; /* over, or it is not read before it is resumed */
    }
    t->in = VETCH__IN_ENDED;
    t->kind->read_off(t);
    vetch__transport_give_input_back(t);
    if (vetch__transport_state(t) == VETCH__T_LINGERING)
        vetch__transport_over(t, NULL, false);
    else if (vetch__transport_state(t) == VETCH__T_CLOSING)
        vetch__transport_attend_later(t);
    else
        tell_ended(t);
}

/* ---- the last word ---- */

static void
call_lost(vetch_transport *t, vetch_protocol *p)
{
    const vetch_protocol_class *class = p->class_;
    uint64_t started = vetch__slow_start(t->reactor);

    if (class->lost != NULL)
        class->lost(p, t->reason);
    VETCH__SLOW_END(t->reactor, class->lost, started);
    t->protocol = NULL;
    if (class->free != NULL)
        class->free(p);
}

static void
tell_lost(vetch_transport *t)
{
    vetch_reactor *r = t->reactor;

    t->object.state = VETCH__T_LOST;
    t->scope = vetch__own_scope_free(t->scope);
    vetch__flush_cancel(&t->turn);
    vetch__transport_give_input_back(t);
    vetch__member_remove(r, &t->member);
    if (t->protocol != NULL)
        call_lost(t, t->protocol);
    if (t->listener != NULL)
        vetch__listener_lost_one(t->listener, t);
    t->reactor = NULL;
    if ((t->flags & VETCH__T_ACTIVE) != 0) {
        t->flags &= (uint16_t)~VETCH__T_ACTIVE;
        vetch_transport_unref(t);
    }
}

/* ---- the turn ---- */

static void
call_mark(vetch_transport *t, void (*fn)(vetch_protocol *p))
{
    uint64_t started = vetch__slow_start(t->reactor);

    if (fn != NULL)
        fn(t->protocol);
    VETCH__SLOW_END(t->reactor, fn, started);
}

static void
tell_marks(vetch_transport *t)
{
    const vetch_protocol_class *class;
    uint64_t pending = vetch__transport_pending(t);

    assert(t->protocol != NULL);
    class = t->protocol->class_;
    if (t->out != VETCH__OUT_OPEN)
        return;
    if ((t->flags & VETCH__T_WRITE_PAUSED) == 0) {
        if (pending <= t->limits->high_bytes ||
            (t->flags & VETCH__T_BLOCKED) == 0)
            return;
        t->flags |= VETCH__T_WRITE_PAUSED;
        call_mark(t, class->write_paused);
    } else if (pending <= t->limits->low_bytes) {
        t->flags &= (uint16_t)~VETCH__T_WRITE_PAUSED;
        call_mark(t, class->write_resumed);
    }
}

static void
tell_connected(vetch_transport *t)
{
    const vetch_protocol_class *class = t->protocol->class_;
    uint64_t started = vetch__slow_start(t->reactor);

    t->flags |= VETCH__T_CONNECTED;
    if (class->connected != NULL)
        class->connected(t->protocol, t);
    VETCH__SLOW_END(t->reactor, class->connected, started);
}

static void
output_has_ended(vetch_transport *t)
{
    t->out = VETCH__OUT_ENDED;
    if (t->protocol != NULL)
        call_mark(t, t->protocol->class_->write_ended);
}

void
vetch__transport_told(vetch_transport *t)
{
    if (t->out != VETCH__OUT_TELLING)
        return;
    vetch__transport_attend_later(t);
    output_has_ended(t);
}

static void
tell_write_failed(vetch_transport *t)
{
    const vetch_protocol_class *class = t->protocol->class_;
    uint64_t started = vetch__slow_start(t->reactor);

    t->flags &= (uint16_t)~VETCH__T_TELL_BROKEN;
    class->write_failed(t->protocol, t->reason);
    VETCH__SLOW_END(t->reactor, class->write_failed, started);
}

static void
advance_transport(vetch_transport *t)
{
    if ((t->flags & VETCH__T_TELL_BROKEN) != 0)
        tell_write_failed(t);
    if (t->out == VETCH__OUT_ENDING && t->output.first == NULL) {
        t->out = VETCH__OUT_TELLING;
        if (t->kind->shut(t))
            output_has_ended(t);
    }
    if (vetch__transport_state(t) == VETCH__T_OPEN) {
        if (t->in == VETCH__IN_ENDED && t->out >= VETCH__OUT_ENDED)
            vetch__transport_over(t, NULL, false);
        else
            tell_marks(t);
    } else if (vetch__transport_state(t) == VETCH__T_CLOSING) {
        vetch__transport_close_goes_on(t);
    }
}

/* ---- the scope ---- */

static void
transport_child_failed(const vetch_error *error, void *ctx)
{
    vetch_transport *t = ctx;

    vetch__transport_over(
        t, vetch_error_wrap(error, "%s", vetch_transport_peer(t)), true);
}

static void
transport_scope_ended(void *transport)
{
    vetch_transport *t = transport;

    vetch__transport_attend_later(t);
    vetch_transport_unref(t);
}

/* What runs for the connection may use its protocol: `lost` has to wait until
 * all of that has stopped. */
static bool
transport_scope_is_over(vetch_transport *t)
{
    if (t->scope != NULL && !t->scope->ending) {
        if (t->listener != NULL)
            vetch__listener_canceled(t->listener,
                                     vetch__own_scope_count(t->scope));
        vetch_transport_ref(t); /* until scope_ended() */
    }
    return vetch__own_scope_end(t->scope, t->reactor, transport_scope_ended);
}

vetch_scope *
vetch_transport_scope(vetch_transport *t)
{
    VETCH_CHECK(t != NULL, EINVAL, NULL);
    if (!vetch__transport_check_thread(t))
        return NULL;
    if (vetch__transport_state(t) >= VETCH__T_OVER) {
        errno = ENOTCONN;
        return NULL;
    }
    return vetch__own_scope_get(&t->scope, transport_child_failed, t);
}

/* What is due besides sending. Each step may change the state for the next. */
static void
attend_transport(vetch_transport *t)
{
    t->flags &= (uint16_t)~VETCH__T_DUE;
    if (t->protocol != NULL && (t->flags & VETCH__T_CONNECTED) == 0)
        tell_connected(t);
    if ((t->flags & VETCH__T_AGAIN) != 0)
        deliver_again(t);
    if ((t->flags & VETCH__T_READING) == 0 && vetch__transport_wants_input(t))
        t->kind->read_on(t);
    advance_transport(t);
    if (vetch__transport_state(t) == VETCH__T_OVER &&
        transport_scope_is_over(t))
        tell_lost(t);
}

static void
transport_turn(struct vetch__flush *f)
{
    vetch_transport *t = vetch__container(f, vetch_transport, turn);

    vetch_transport_ref(t);
    if (t->output.first != NULL && (t->flags & VETCH__T_BLOCKED) == 0)
        t->kind->send(t);
    if (vetch__unlikely((t->flags & (VETCH__T_DUE | VETCH__T_WRITE_PAUSED)) !=
                            0 ||
                        vetch__transport_pending(t) > t->limits->high_bytes)) {
        if (vetch__transport_state(t) == VETCH__T_NEW)
            advance_transport(
                t); /* its user may have written and ended already */
        else
            attend_transport(t);
    }
    vetch_transport_unref(t);
}

void
vetch__transport_writable(vetch_transport *t)
{
    t->flags &= (uint16_t)~VETCH__T_BLOCKED;
    vetch__transport_attend_later(t);
}

static int
attach_protocol(vetch_transport *t, vetch_protocol *p)
{
    if (!vetch__transport_check_thread(t))
        return -1;
    if (t->protocol != NULL || vetch__transport_state(t) != VETCH__T_NEW) {
        errno = t->protocol != NULL ? EBUSY : ENOTCONN;
        return -1;
    }
    t->protocol = p;
    t->object.state = VETCH__T_OPEN;
    t->flags |= VETCH__T_ACTIVE;
    vetch_transport_ref(t);
    return 0;
}

int
vetch_transport_attach(vetch_transport *t, vetch_protocol *p)
{
    VETCH_CHECK(t != NULL && p != NULL && p->class_ != NULL, EINVAL, -1);
    if (attach_protocol(t, p) < 0)
        return -1;
    vetch__transport_attend_later(t);
    return 0;
}

int
vetch__transport_attach_now(vetch_transport *t, vetch_protocol *p)
{
    VETCH_CHECK(p->class_ != NULL, EINVAL, -1);
    if (attach_protocol(t, p) < 0)
        return -1;
    attend_transport(t);
    return 0;
}

/* ---- one over the other ---- */

/* `over` takes the place of `t` among the connections of its listener. */
static void
take_over_listener(vetch_transport *over, vetch_transport *t)
{
    if (t->listener == NULL)
        return;
    over->listener = t->listener;
    t->listener = NULL;
    vetch__list_remove(&over->member.link);
    vetch__list_append(&t->member.link, &over->member.link);
    vetch__member_remove(t->reactor, &t->member);
    vetch__member_add(t->reactor, &t->member, &vetch__connection_members);
}

void
vetch__transport_put_over(vetch_transport *over, vetch_transport *t,
                          vetch_protocol *between,
                          const struct vetch__limits *limits)
{
    uint16_t moving = VETCH__T_OWN_LIMITS | VETCH__T_CONNECTED |
                      VETCH__T_PAUSED | VETCH__T_WRITE_PAUSED;

    assert(vetch__transport_state(over) == VETCH__T_NEW);
    take_over_listener(over, t);
    over->limits = t->limits;
    t->limits = limits;
    over->flags |= t->flags & moving;
    t->flags &= (uint16_t)~moving;
    over->protocol = t->protocol;
    t->protocol = between;
    over->flags |= VETCH__T_ACTIVE;
    vetch_transport_ref(over);
    if ((t->flags & VETCH__T_ACTIVE) == 0) {
        t->flags |= VETCH__T_ACTIVE;
        vetch_transport_ref(t);
    }
    over->object.state = t->object.state;
    t->object.state = VETCH__T_OPEN;
    vetch__transport_attend_later(over);
    vetch__transport_attend_later(t);
}

/* ---- reading ---- */

void
vetch_transport_pause(vetch_transport *t)
{
    VETCH_CHECK(t != NULL, EINVAL, );
    if (vetch__transport_check_thread(t) &&
        vetch__transport_state(t) <= VETCH__T_OPEN)
        t->flags |= VETCH__T_PAUSED;
}

void
vetch_transport_resume(vetch_transport *t)
{
    VETCH_CHECK(t != NULL, EINVAL, );
    if (!vetch__transport_check_thread(t) ||
        vetch__transport_state(t) > VETCH__T_OPEN ||
        (t->flags & VETCH__T_PAUSED) == 0)
        return;
    t->flags &= (uint16_t)~VETCH__T_PAUSED;
    if (vetch__transport_state(t) == VETCH__T_NEW)
        return;
    if (t->input != NULL && (t->flags & VETCH__T_DELIVERING) == 0)
        t->flags |= VETCH__T_AGAIN;
    vetch__transport_attend_later(t);
}

bool
vetch__transport_is_quiet(vetch_transport *t)
{
    return vetch__transport_state(t) <= VETCH__T_OPEN &&
           t->in == VETCH__IN_OPEN && t->out == VETCH__OUT_OPEN &&
           t->kind->quiet(t);
}

/* ---- references ---- */

vetch_transport *
vetch_transport_ref(vetch_transport *t)
{
    if (t != NULL)
        t->object.refs++;
    return t;
}

/* Nobody holds it: what has no protocol is aborted. With a scope it ends like
 * one that has a protocol: what runs there may use it until it has stopped. */
static void
free_transport(vetch_transport *t)
{
    vetch_reactor *r = t->reactor;

    if (r != NULL) {
        t->object.refs = 1; /* free functions of queued bytes may look at it */
        vetch__transport_over(t, NULL, true);
        if (t->scope != NULL) {
            t->flags |= VETCH__T_ACTIVE;
            return;
        }
        vetch__flush_cancel(&t->turn);
        vetch__member_remove(r, &t->member);
    }
    if ((t->flags & VETCH__T_OWN_LIMITS) != 0)
        vetch__free((void *)(uintptr_t)t->limits);
    vetch_error_unref(t->reason);
    vetch__free(t->peer_name);
    vetch__free(t->local_name);
    t->kind->free(t);
}

vetch_transport *
vetch_transport_unref(vetch_transport *t)
{
    if (t != NULL && --t->object.refs == 0 &&
        !vetch__reactor_is_inherited(t->reactor))
        free_transport(t);
    return NULL;
}
