/* Deadlines of a connection. They are lazy: what happens often stores the time
 * and nothing else; one timer per connection looks, when it fires, whether the
 * deadline of the phase has passed, and if not is started for the rest. Only a
 * phase that ends sooner than the timer would fire restarts it.
 *
 *   IDLE     the idle time, then a close without a word
 *   HEAD     the head's time, counted from its first byte, then 408
 *   BODY     a minimum of bytes in each interval of grace, then 408
 *   SENDING  the same, then a reset: nobody reads a response there
 *   BUSY     none: handlers take their time */

#include "http/server/server-private.h"

enum { EVICT_TRIES = 4 };

static void check_deadline(struct vetch__timer *timer);

static struct vetch__timer *
timer_of(struct vetch__http_conn *c)
{
    return vetch__transport_timer(c->transport);
}

static enum vetch__conn_phase
phase_of(const struct vetch__http_conn *c)
{
    if (c->tunnel)
        return VETCH__C_BUSY;
    if (c->full)
        return VETCH__C_SENDING;
    if (c->reading != NULL && vetch__http_body_wanted(c->reading))
        return VETCH__C_BODY;
    if (c->n_in_flight > 0)
        return VETCH__C_BUSY;
    return c->left > 0 ? VETCH__C_HEAD : VETCH__C_IDLE;
}

/* How long the phase may last, or until it has to be looked at; 0: for ever. */
static uint64_t
phase_limit(const vetch_http_server *s, uint8_t phase)
{
    switch (phase) {
    case VETCH__C_IDLE:
        return s->idle_ns;
    case VETCH__C_HEAD:
        return s->head_ns;
    case VETCH__C_BUSY:
        return 0;
    default:
        return s->min_bytes_per_second > 0 ? s->grace_ns : 0;
    }
}

/* Bytes that the peer has sent or taken, for phases that have a rate. What the
 * kernel holds counts as not taken: it may be megabytes, and hides for long
 * whether somebody reads. (It counts its own overhead as well, so the number
 * may be below zero; only differences matter.) */
static uint64_t
progress_of(const struct vetch__http_conn *c, uint8_t phase)
{
    if (phase == VETCH__C_BODY)
        return c->reading->body.payload + c->reading->body.overhead;
    if (phase == VETCH__C_SENDING)
        return c->queued - vetch__transport_underway(c->transport);
    return 0;
}

static void
start_deadline(struct vetch__http_conn *c, uint64_t delay)
{
    vetch_reactor *r = c->server->reactor;

    /* Without the timer there would be no deadline at all. */
    if (vetch__timer_start_coarse(r, timer_of(c), delay, check_deadline) < 0)
        vetch__http_conn_abort(c);
}

static void
enter_phase(struct vetch__http_conn *c, uint8_t phase, uint64_t now)
{
    uint64_t limit = phase_limit(c->server, phase);

    c->phase = phase;
    c->since = now;
    c->mark = progress_of(c, phase);
    if (limit > 0 && (!vetch__timer_active(timer_of(c)) ||
                      timer_of(c)->deadline > now + limit))
        start_deadline(c, limit);
}

void
vetch__http_deadline_update(struct vetch__http_conn *c)
{
    enum vetch__conn_phase phase = phase_of(c);

    /* IDLE and still IDLE: responses on the spot have set `since`. Closing has
     * a deadline of its own. */
    if (phase != c->phase && vetch__transport_is_open(c->transport))
        enter_phase(c, phase, vetch__clock_now(c->server->reactor));
}

/* Go on looking from time to time, if there is anything to look for. */
static void
keep_watch(struct vetch__http_conn *c)
{
    const vetch_http_server *s = c->server;
    uint64_t delay =
        s->idle_ns > 0 ? s->idle_ns : phase_limit(s, VETCH__C_SENDING);

    if (delay > 0 && vetch__transport_is_open(c->transport) &&
        !vetch__timer_active(timer_of(c)))
        start_deadline(c, delay);
}

void
vetch__http_deadline_start(struct vetch__http_conn *c)
{
    c->phase = VETCH__C_BUSY; /* anything but IDLE */
    vetch__http_deadline_update(c);
    keep_watch(c);
}

/* ---- when the timer fires ---- */

static bool
is_too_slow(struct vetch__http_conn *c, uint64_t elapsed)
{
    double needed = c->server->min_bytes_per_second * ((double)elapsed / 1e9);

    return (double)(int64_t)(progress_of(c, c->phase) - c->mark) < needed;
}

/* The phase's time is over. */
static void
expire_phase(struct vetch__http_conn *c, uint64_t now, uint64_t elapsed)
{
    switch (c->phase) {
    case VETCH__C_IDLE:
        if (vetch__transport_pending(c->transport) > 0)
            enter_phase(c, VETCH__C_SENDING, now);
        else
            vetch__http_conn_close(c);
        return;
    case VETCH__C_HEAD:
        vetch__http_refuse(c, 408, NULL);
        return;
    case VETCH__C_BODY:
        if (is_too_slow(c, elapsed))
            vetch__http_body_too_slow(c->reading);
        else
            enter_phase(c, VETCH__C_BODY, now);
        return;
    default:
        if (is_too_slow(c, elapsed))
            vetch__http_conn_abort(c);
        else if (vetch__transport_pending(c->transport) > 0)
            enter_phase(c, VETCH__C_SENDING, now);
        else
            enter_phase(c, phase_of(c), now);
        return;
    }
}

static void
check_deadline(struct vetch__timer *timer)
{
    struct vetch__http_conn *c = vetch__container(
        vetch__transport_protocol_of(timer), struct vetch__http_conn, protocol);
    uint64_t now = vetch__clock_now(c->server->reactor);
    uint64_t limit = phase_limit(c->server, c->phase);
    uint64_t elapsed = now - c->since;

    if (limit > 0 && elapsed < limit)
        start_deadline(c, limit - elapsed);
    else if (limit > 0)
        expire_phase(c, now, elapsed);
    else if (vetch__transport_pending(c->transport) > 0) /* though not much */
        enter_phase(c, VETCH__C_SENDING, now);
    keep_watch(c);
}

/* ---- room for others ---- */

/* The connection that has been idle for longest, of those that began to be
 * after `since`. */
static struct vetch__http_conn *
oldest_idle(const vetch_http_server *s, uint64_t since)
{
    struct vetch__http_conn *oldest = NULL;
    struct vetch__list *link;

    for (link = s->connections.next; link != &s->connections;
         link = link->next) {
        struct vetch__http_conn *c =
            vetch__container(link, struct vetch__http_conn, link);

        if (c->transport != NULL && c->phase == VETCH__C_IDLE && !c->last &&
            c->n_in_flight == 0 && c->since > since &&
            (oldest == NULL || c->since < oldest->since))
            oldest = c;
    }
    return oldest;
}

void
vetch__http_evict(vetch_http_server *s)
{
    struct vetch__http_conn *c = oldest_idle(s, 0);
    int tries = EVICT_TRIES;

    /* A request that has come but was not read yet must not go unanswered. */
    while (c != NULL && !vetch__transport_is_quiet(c->transport) && --tries > 0)
        c = oldest_idle(s, c->since);
    if (c != NULL && tries > 0)
        vetch__http_conn_close(c);
}
