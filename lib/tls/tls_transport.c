/* A connection with TLS: a transport whose bytes go as records through another
 * one, of which it is the protocol.
 *
 * Reading: the inner transport has received something; it is decoded in place
 * into the shared area, as far as somebody reads, and delivered from there.
 * What is not decoded stays with the inner transport, which is paused.
 *
 * Writing: what is queued is encoded as long as less than the high mark waits
 * in the inner queue. After that the connection is BLOCKED until the inner one
 * tells of its low mark. Nothing is ever half written: a record either is in
 * the inner queue or was not made.
 *
 * The end: close_notify, then the inner transport's end. The peer's end without
 * close_notify is VETCH_ETRUNCATED.
 *
 * References: the connection holds the inner transport until it is over. The
 * inner one does not hold the connection: it loses its protocol first. */
#include "tls/tls-private.h"

#include <string.h>
#include <unistd.h>

#include <openssl/err.h>

#include "base/check-private.h"
#include "base/mem-private.h"

static struct vetch__tls_transport *
tls_of_protocol(vetch_protocol *p)
{
    return vetch__container(p, struct vetch__tls_transport, protocol);
}

static bool
tls_is_up(const struct vetch__tls_transport *t)
{
    return t->phase == VETCH__TLS_UP;
}

static bool
tls_is_over(const struct vetch__tls_transport *t)
{
    return vetch__transport_state(&t->t) >= VETCH__T_OVER;
}

/* ---- what goes wrong ---- */

/* OpenSSL's queue of reasons is one for all connections: this empties it. */
static vetch_error *
take_reason(const struct vetch__tls_transport *t, const char *what)
{
    char words[256];
    vetch_error *e;

    snprintf(words, sizeof(words), "%s with %s%s%s%s", what,
             vetch_transport_peer(t->inner), t->name != NULL ? " (" : "",
             t->name != NULL ? t->name : "", t->name != NULL ? ")" : "");
    if (t->bio_errnum != 0 && ERR_peek_error() == 0)
        e = vetch_error_from_errno(t->bio_errnum, "%s", words);
    else
        e = vetch__tls_error(words, t->ssl);
    return e;
}

static void
tls_fail_for(struct vetch__tls_transport *t, vetch_error *reason)
{
    if (tls_is_up(t))
        t->phase = VETCH__TLS_BROKEN;
    vetch__transport_over(&t->t, reason, false);
}

void
vetch__tls_fail(struct vetch__tls_transport *t, const char *what)
{
    tls_fail_for(t, take_reason(t, what));
}

static void
tls_truncated(struct vetch__tls_transport *t)
{
    if (t->phase < VETCH__TLS_UP)
        vetch__transport_over(
            &t->t,
            vetch_error_new(VETCH_ETLS,
                            "TLS handshake with %s: the peer hung up",
                            vetch_transport_peer(&t->t)),
            false);
    else
        vetch__transport_over(
            &t->t,
            vetch_error_new(VETCH_ETRUNCATED,
                            "read from %s: the peer hung up without telling "
                            "that this is the end",
                            vetch_transport_peer(&t->t)),
            false);
}

/* ---- input ---- */

/* Decode into the shared area what there is, and as much as fits. What OpenSSL
 * says to the first read that gives nothing. */
static int
decode_records(struct vetch__tls_transport *t, vetch_buffer *to)
{
    while (to->end < VETCH__INPUT_SIZE) {
        size_t n = 0;

        ERR_clear_error();
        if (SSL_read_ex(t->ssl, to->data + to->end, VETCH__INPUT_SIZE - to->end,
                        &n) != 1)
            return SSL_get_error(t->ssl, 0);
        to->end += n;
    }
    return SSL_ERROR_NONE;
}

/* The inner transport has ended without that. */
static void
tls_not_notified(struct vetch__tls_transport *t)
{
    if (vetch__transport_state(&t->t) >= VETCH__T_CLOSING)
        vetch__transport_ended(&t->t); /* nobody reads it any more */
    else
        tls_truncated(t);
}

/* The peer has said that this is the end. RFC 5246, section 7.2.1: before TLS
 * 1.3 that is the end of both directions. */
static void
tls_close_notified(struct vetch__tls_transport *t)
{
    vetch__transport_ended(&t->t);
    if (!tls_is_over(t) && SSL_version(t->ssl) < TLS1_3_VERSION)
        vetch_transport_close(&t->t);
}

/* OpenSSL has no more bytes: is that the end, announced or not? It is told only
 * to one who reads, or what was left before it would be lost. */
static void
tls_look_for_end(struct vetch__tls_transport *t, int verdict)
{
    if (verdict == SSL_ERROR_ZERO_RETURN)
        tls_close_notified(t);
    else if (t->inner->in == VETCH__IN_ENDED)
        tls_not_notified(t);
}

/* Reading has to write first: until the peer has taken something. */
static void
tls_is_stuck(struct vetch__tls_transport *t)
{
    t->stuck = true;
    vetch_transport_pause(t->inner);
    vetch__transport_tell_resumed(t->inner);
}

/* Whether OpenSSL can do no more, and has said why. */
static bool
is_failure(int verdict)
{
    return verdict != SSL_ERROR_NONE && verdict != SSL_ERROR_WANT_READ &&
           verdict != SSL_ERROR_WANT_WRITE && verdict != SSL_ERROR_ZERO_RETURN;
}

/* Whether to go on. Why it failed is taken before what came until then is
 * delivered: whoever gets that may use OpenSSL, too. */
static bool
tls_read_once(struct vetch__tls_transport *t)
{
    vetch_buffer *to = &t->t.reactor->net->input;
    vetch_error *reason = NULL;
    int verdict;

    vetch_buffer_clear(to);
    verdict = decode_records(t, to);
    if (vetch__unlikely(is_failure(verdict)))
        reason = take_reason(t, "read");
    if (vetch__buffer_len(to) > 0)
        vetch__transport_received(&t->t);
    if (tls_is_over(t)) {
        vetch_error_unref(reason);
        return false;
    }
    if (verdict == SSL_ERROR_WANT_WRITE)
        tls_is_stuck(t);
    else if (is_failure(verdict))
        tls_fail_for(t, reason);
    else if (verdict != SSL_ERROR_NONE && vetch__transport_wants_input(&t->t))
        tls_look_for_end(t, verdict);
    return verdict == SSL_ERROR_NONE;
}

/* Nobody reads: the peer shall feel it. */
static void
tls_stop_reading(struct vetch__tls_transport *t)
{
    vetch_transport_pause(t->inner);
    vetch__transport_input_off(&t->t);
}

/* Go on with what has come. */
static void
tls_advance(struct vetch__tls_transport *t)
{
    if (t->phase < VETCH__TLS_UP && !vetch__tls_shake(t))
        return;
    while (tls_is_up(t) && !t->stuck && vetch__transport_wants_input(&t->t) &&
           tls_read_once(t))
        continue;
}

/* What comes after the end means nothing. */
static void
tls_settle_input(struct vetch__tls_transport *t)
{
    if (tls_is_over(t))
        return;
    if ((t->t.in == VETCH__IN_ENDED || t->phase == VETCH__TLS_BROKEN) &&
        t->cipher != NULL)
        vetch_buffer_clear(t->cipher);
    else if (t->phase == VETCH__TLS_WAITING)
        vetch_transport_pause(t->inner);
    else if (tls_is_up(t) && !vetch__transport_wants_input(&t->t))
        tls_stop_reading(t);
}

/* `in` lies in the shared area, most of the time, which is where decoded bytes
 * have to go: another takes its place meanwhile. */
static int
make_room_for_decoded(struct vetch__net *net, vetch_buffer *aside)
{
    *aside = net->input;
    net->input = net->spare_input;
    vetch__buffer_init(&net->spare_input);
    if (vetch_buffer_reserve(&net->input, VETCH__INPUT_SIZE) != NULL)
        return 0;
    net->input = *aside;
    return -1;
}

static void
end_room_for_decoded(struct vetch__net *net, vetch_buffer *aside)
{
    vetch__buffer_done(&net->spare_input); /* of TLS inside TLS */
    net->spare_input = net->input;
    net->input = *aside;
}

static void
tls_decode(struct vetch__tls_transport *t, vetch_buffer *in)
{
    struct vetch__net *net = t->t.reactor->net;
    vetch_buffer aside;
    bool shared = in == &net->input;

    if (shared && make_room_for_decoded(net, &aside) < 0) {
        vetch_buffer_clear(in);
        vetch__transport_over(&t->t, vetch_error_new(VETCH_ENOMEM, "input"),
                              true);
        return;
    }
    t->cipher = shared ? &aside : in;
    tls_advance(t);
    tls_settle_input(t);
    t->cipher = NULL;
    if (shared)
        end_room_for_decoded(net, &aside);
}

static void
tls_received(vetch_protocol *p, vetch_buffer *in)
{
    struct vetch__tls_transport *t = tls_of_protocol(p);

    vetch_transport_ref(&t->t);
    tls_decode(t, in);
    vetch_transport_unref(&t->t);
}

/* Something else than fresh bytes lets it go on. What the inner transport has
 * kept is given first, then what OpenSSL has. */
static void
tls_pull(struct vetch__flush *f)
{
    struct vetch__tls_transport *t =
        vetch__container(f, struct vetch__tls_transport, pull);

    vetch_transport_ref(&t->t);
    vetch_transport_resume(t->inner);
    tls_advance(t);
    tls_settle_input(t);
    vetch_transport_unref(&t->t);
}

static bool
tls_ended(vetch_protocol *p)
{
    struct vetch__tls_transport *t = tls_of_protocol(p);

    vetch_transport_ref(&t->t);
    tls_advance(t);
    if (t->t.in == VETCH__IN_OPEN &&
        (!tls_is_up(t) || vetch__transport_state(&t->t) >= VETCH__T_CLOSING))
        tls_not_notified(t);
    vetch_transport_unref(&t->t);
    return true;
}

static void
tls_read_on(vetch_transport *outer)
{
    struct vetch__tls_transport *t = vetch__tls_of(outer);

    outer->flags |= VETCH__T_READING;
    if (!tls_is_up(t))
        return;
    vetch_transport_resume(t->inner);
    if (SSL_has_pending(t->ssl) || t->inner->in == VETCH__IN_ENDED ||
        (SSL_get_shutdown(t->ssl) & SSL_RECEIVED_SHUTDOWN) != 0)
        vetch__flush_later(outer->reactor, &t->pull);
}

/* The inner one goes on reading: a reset shall be noticed, and what comes after
 * the end is dropped. */
static void
tls_read_off(vetch_transport *outer)
{
    outer->flags &= (uint16_t)~VETCH__T_READING;
}

/* ---- output ---- */

/* Until the inner transport has sent what it has. */
static void
tls_wait_for_room(struct vetch__tls_transport *t)
{
    t->t.flags |= VETCH__T_BLOCKED;
    vetch__transport_tell_resumed(t->inner);
}

static void
tls_write_resumed(vetch_protocol *p)
{
    struct vetch__tls_transport *t = tls_of_protocol(p);

    if (t->stuck) {
        t->stuck = false;
        vetch__flush_later(t->t.reactor, &t->pull);
    }
    if ((t->t.flags & VETCH__T_BLOCKED) != 0 && tls_is_up(t))
        vetch__transport_writable(&t->t);
}

/* Where records are put together. NULL: it is over. */
static char *
records_area(struct vetch__tls_transport *t)
{
    struct vetch__net *net = t->t.reactor->net;

    if (net->records == NULL)
        net->records = vetch__malloc(VETCH__RECORDS_SIZE);
    if (net->records == NULL)
        vetch__transport_over(&t->t, vetch_error_new(VETCH_ENOMEM, "output"),
                              true);
    return net->records;
}

/* The next bytes of a file; NULL: it is over. */
static const char *
read_for_records(struct vetch__tls_transport *t, size_t *ret_len)
{
    const struct vetch__chunk *c = t->t.output.first;
    size_t want =
        c->len < VETCH__RECORDS_SIZE ? (size_t)c->len : VETCH__RECORDS_SIZE;
    char *to = records_area(t);
    ssize_t n;

    if (to == NULL)
        return NULL;
    n = vetch__output_read_file(c, to, want);
    if (n > 0) {
        *ret_len = (size_t)n;
        return to;
    }
    vetch__transport_file_failed(&t->t, n < 0 ? errno : 0);
    return NULL;
}

/* From this size on a piece is worth a record of its own. */
#define WORTH_A_RECORD ((size_t)4096)

/* Small pieces go into one record. */
static const char *
join_for_record(struct vetch__tls_transport *t, size_t *ret_len)
{
    const struct vetch__chunk *c = t->t.output.first;
    size_t len = 0;
    char *to;

    if (c->next == NULL || c->len >= WORTH_A_RECORD ||
        c->next->object.state == VETCH__CHUNK_FILE) {
        *ret_len = (size_t)c->len;
        return c->at.data;
    }
    to = records_area(t);
    if (to == NULL)
        return NULL;
    for (; c != NULL && c->object.state != VETCH__CHUNK_FILE &&
           len < VETCH__RECORD_SIZE;
         c = c->next) {
        size_t room = VETCH__RECORD_SIZE - len;
        size_t n = c->len < room ? (size_t)c->len : room;

        memcpy(to + len, c->at.data, n);
        len += n;
    }
    *ret_len = len;
    return to;
}

/* Whether a record can be made now. */
static bool
tls_has_room(struct vetch__tls_transport *t)
{
    vetch_transport *inner = t->inner;

    if (vetch__transport_state(inner) >= VETCH__T_OVER)
        return false; /* which will be told */
    if (inner->out != VETCH__OUT_OPEN) {
        vetch__transport_write_failed(
            &t->t,
            inner->reason != NULL ? vetch_error_code(inner->reason) : EPIPE);
        return false;
    }
    if (vetch__transport_is_high(inner)) {
        tls_wait_for_room(t);
        return false;
    }
    return true;
}

/* Encode a record from `data`, the front of the queue. So many bytes went into
 * it; 0: not to go on. */
static size_t
tls_send_record(struct vetch__tls_transport *t, const char *data, size_t len)
{
    size_t sent = 0;
    int verdict;

    ERR_clear_error();
    if (SSL_write_ex(t->ssl, data,
                     len < VETCH__RECORD_SIZE ? len : VETCH__RECORD_SIZE,
                     &sent) == 1)
        return sent;
    verdict = SSL_get_error(t->ssl, 0);
    if (verdict == SSL_ERROR_WANT_WRITE)
        tls_wait_for_room(t);
    else if (verdict != SSL_ERROR_WANT_READ)
        vetch__tls_fail(t, "write");
    return 0;
}

/* One turn of one connection sends no more: others want to be served too. */
#define TLS_TURN_MAX ((uint64_t)1048576)

static void
tls_has_rested(struct vetch__timer *timer)
{
    vetch__transport_writable(
        &vetch__container(timer, struct vetch__tls_transport, rest)->t);
}

/* Whether it does: else there is no memory for that, and it goes on. */
static bool
tls_rests(struct vetch__tls_transport *t)
{
    if (vetch__timer_start(t->t.reactor, &t->rest, 0, tls_has_rested) < 0)
        return false;
    t->t.flags |= VETCH__T_BLOCKED;
    return true;
}

/* Encode the front of the queue, and take it out when that is done; whether to
 * go on. */
static bool
tls_send_front(struct vetch__tls_transport *t)
{
    bool is_file = t->t.output.first->object.state == VETCH__CHUNK_FILE;
    size_t len = 0, done = 0, sent;
    const char *data =
        is_file ? read_for_records(t, &len) : join_for_record(t, &len);

    if (data == NULL)
        return false;
    do {
        sent = tls_send_record(t, data + done, len - done);
        done += sent;
    } while (sent > 0 && done < len && tls_has_room(t));
    vetch__output_consume(t->t.reactor, &t->t.output, done);
    return done == len;
}

static void
tls_send(vetch_transport *outer)
{
    struct vetch__tls_transport *t = vetch__tls_of(outer);
    uint64_t before = vetch__transport_pending(outer);

    if (!tls_is_up(t)) {
        outer->flags |= VETCH__T_BLOCKED;
        return;
    }
    while (outer->output.first != NULL && tls_has_room(t) &&
           tls_send_front(t)) {
        if (before - vetch__transport_pending(outer) >= TLS_TURN_MAX &&
            outer->output.first != NULL && tls_rests(t))
            return;
    }
}

/* ---- the end ---- */

static bool
tls_shut(vetch_transport *outer)
{
    struct vetch__tls_transport *t = vetch__tls_of(outer);

    if (t->phase < VETCH__TLS_UP && vetch__transport_is_open(outer))
        return false; /* the handshake comes first, and then this */
    if (tls_is_up(t)) {
        ERR_clear_error();
        SSL_shutdown(t->ssl); /* which only writes the alert */
        ERR_clear_error();
    } else {
        vetch__tls_shaken(t);
    }
    if (vetch_transport_end(t->inner) < 0 &&
        vetch__transport_state(t->inner) < VETCH__T_OVER)
        vetch__transport_write_failed(outer, EPIPE);
    return false;
}

static void
tls_write_ended(vetch_protocol *p)
{
    vetch__transport_told(&tls_of_protocol(p)->t);
}

static void
tls_write_failed(vetch_protocol *p, const vetch_error *reason)
{
    struct vetch__tls_transport *t = tls_of_protocol(p);

    if (!tls_is_over(t) && t->t.out != VETCH__OUT_BROKEN)
        vetch__transport_write_failed(&t->t, vetch_error_code(reason));
}

static void
tls_lost(vetch_protocol *p, const vetch_error *reason)
{
    struct vetch__tls_transport *t = tls_of_protocol(p);

    if (reason == NULL && t->t.in == VETCH__IN_OPEN)
        tls_truncated(t);
    else if (reason != NULL && t->phase < VETCH__TLS_UP)
        vetch__transport_over(&t->t, vetch_error_wrap(reason, "TLS handshake"),
                              false);
    else
        vetch__transport_over(&t->t, vetch_error_ref(reason), false);
}

/* Nothing of the connection is left but what the inner transport has queued:
 * that is for it alone to bring to its end. */
static void
let_inner_go(struct vetch__tls_transport *t, bool reset)
{
    vetch_transport *inner = t->inner;

    inner->protocol = NULL;
    if (reset)
        vetch__transport_over(inner, vetch_error_ref(t->t.reason), true);
    else if (vetch__transport_state(inner) < VETCH__T_OVER &&
             vetch__transport_pending(inner) == 0 &&
             inner->out >= VETCH__OUT_ENDED)
        vetch__transport_over(inner, NULL, false);
    else if (vetch__transport_state(inner) < VETCH__T_OVER)
        vetch_transport_close(inner);
}

static void
tls_stop(vetch_transport *outer, bool reset)
{
    struct vetch__tls_transport *t = vetch__tls_of(outer);

    vetch__flush_cancel(&t->pull);
    vetch__timer_stop(outer->reactor, &t->rest);
    if (tls_is_up(t)) /* or its session could not be resumed */
        SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN);
    vetch__tls_shaken(t);
    let_inner_go(t, reset);
    SSL_free(t->ssl);
    t->ssl = NULL;
}

/* ---- the rest ---- */

static bool
tls_unsent(vetch_transport *outer)
{
    vetch_transport *inner = vetch__tls_of(outer)->inner;

    return vetch__transport_state(inner) < VETCH__T_OVER &&
           (vetch__transport_pending(inner) > 0 || inner->kind->unsent(inner));
}

static uint64_t
tls_underway(vetch_transport *outer)
{
    return vetch__transport_underway(vetch__tls_of(outer)->inner);
}

static bool
tls_quiet(vetch_transport *outer)
{
    struct vetch__tls_transport *t = vetch__tls_of(outer);

    return t->inner->input == NULL && !SSL_has_pending(t->ssl) &&
           vetch__transport_is_quiet(t->inner);
}

static bool
tls_listens(vetch_transport *outer)
{
    vetch_transport *inner = vetch__tls_of(outer)->inner;

    return inner->in == VETCH__IN_OPEN || vetch__transport_peer_listens(inner);
}

static vetch_transport *
tls_under(vetch_transport *outer)
{
    return vetch__tls_of(outer)->inner;
}

static char *
tls_name_of(vetch_transport *outer, bool peer)
{
    vetch_transport *inner = vetch__tls_of(outer)->inner;

    return vetch__strdup(peer ? vetch_transport_peer(inner)
                              : vetch_transport_local(inner));
}

static void
tls_free(vetch_transport *outer)
{
    struct vetch__tls_transport *t = vetch__tls_of(outer);

    vetch_transport_unref(t->inner);
    vetch_tls_unref(t->tls);
    vetch__free(t->info);
    vetch__free(t->name);
    vetch__free(t->session_key);
    vetch__free(t);
}

const struct vetch__transport_kind vetch__tls_kind = {
    .name = "tls:",
    .read_on = tls_read_on,
    .read_off = tls_read_off,
    .send = tls_send,
    .shut = tls_shut,
    .stop = tls_stop,
    .unsent = tls_unsent,
    .underway = tls_underway,
    .quiet = tls_quiet,
    .listens = tls_listens,
    .under = tls_under,
    .name_of = tls_name_of,
    .free = tls_free,
};

/* ---- making one ---- */

static const vetch_protocol_class tls_class = {
    .size = sizeof(vetch_protocol_class),
    .received = tls_received,
    .ended = tls_ended,
    .write_resumed = tls_write_resumed,
    .write_ended = tls_write_ended,
    .write_failed = tls_write_failed,
    .lost = tls_lost,
};

/* Of the transport below, whose queue and input are ours to bound. */
static const struct vetch__limits inner_limits = {
    .low_bytes = 16384,
    .high_bytes = 65536,
    .cap_bytes = SIZE_MAX,
    .input_bytes = SIZE_MAX,
    .close_ns = UINT64_C(5000000000),
    .min_rate = 240,
    .linger_ns = UINT64_C(2000000000),
    .linger_bytes = 262144,
};

static struct vetch__tls_transport *
new_tls_transport(vetch_transport *inner, vetch_tls *tls)
{
    struct vetch__tls_transport *t = vetch__calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    t->inner = vetch_transport_ref(inner);
    t->tls = vetch_tls_ref(tls);
    t->protocol.class_ = &tls_class;
    t->pull.fn = tls_pull;
    vetch__list_init(&t->link);
    return t;
}

vetch_transport *
vetch__tls_put_over(vetch_transport *inner, vetch_tls *tls, const char *name,
                    vetch__tls_done_fn done, void *ctx)
{
    struct vetch__tls_transport *t;

    if (!tls->source.server && tls->source.verify && name == NULL) {
        errno = EINVAL; /* nobody would know who answers */
        return NULL;
    }
    t = new_tls_transport(inner, tls);
    if (t == NULL)
        return NULL;
    t->t.reactor = inner->reactor;
    if (vetch__tls_expect(t, name) < 0 || vetch__tls_limit_handshake(t) < 0) {
        tls_free(&t->t);
        errno = ENOMEM;
        return NULL;
    }
    t->done = done;
    t->ctx = ctx;
    vetch__transport_init(&t->t, inner->reactor, &vetch__tls_kind);
    vetch__transport_put_over(&t->t, inner, &t->protocol, &inner_limits);
    if (!tls->source.server)
        vetch__flush_later(t->t.reactor, &t->pull);
    return &t->t;
}
