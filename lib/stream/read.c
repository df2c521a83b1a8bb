/* Reading from a stream: what is there is looked at by whoever reads, one at a
 * time, and is taken only when it is all that was asked for. */
#include "stream/stream-private.h"

#include <errno.h>
#include <string.h>

#include "base/check-private.h"
#include "base/mem-private.h"
#include "promise/watch-private.h"

/* What a look at the bytes says to one who reads. */
enum verdict { WAIT, TAKE, AT_END, TOO_SHORT, TOO_LARGE };

struct look {
    enum verdict verdict;
    size_t len;   /* TAKE: so many bytes */
    size_t strip; /* of them, the last are not handed out */
};

/* ---- what is there ---- */

size_t
vetch__stream_available(const vetch_stream *s)
{
    size_t n = s->input != NULL ? vetch_buffer_len(s->input) : 0;

    return s->returned != NULL ? n + vetch_bytes_len(s->returned) + s->stripped
                               : n;
}

static void
give_input_back(vetch_stream *s)
{
    if (s->input == NULL)
        return;
    if (s->reactor != NULL)
        vetch__net_give_buffer(s->reactor->net, s->input);
    else
        vetch_buffer_free(s->input);
    s->input = NULL;
}

void
vetch__stream_drop_input(vetch_stream *s)
{
    if (s->input != NULL) {
        vetch_buffer_clear(s->input);
        give_input_back(s);
    }
    s->returned = vetch_bytes_unref(s->returned);
}

static int
have_input(vetch_stream *s)
{
    if (s->input == NULL)
        s->input = s->reactor != NULL ? vetch__net_take_buffer(s->reactor->net)
                                      : vetch_buffer_new();
    return s->input != NULL ? 0 : -1;
}

/* Put what was taken back in front of what came after it; -1 and ENOMEM. */
static int
merge_returned(vetch_stream *s)
{
    static const char end[] = "\r\n";

    if (s->returned == NULL)
        return 0;
    if (have_input(s) < 0 ||
        vetch__buffer_put_back(s->input, vetch_bytes_data(s->returned),
                               vetch_bytes_len(s->returned),
                               end + 2 - s->stripped, s->stripped) < 0)
        return -1;
    s->returned = vetch_bytes_unref(s->returned);
    return 0;
}

int
vetch__stream_return_input(vetch_stream *s, vetch_stream *to)
{
    if (merge_returned(s) < 0 || merge_returned(to) < 0 || have_input(to) < 0 ||
        vetch__buffer_put_back(to->input, vetch_buffer_data(s->input),
                               vetch_buffer_len(s->input), "", 0) < 0)
        return -1;
    to->bytes_read -= vetch_buffer_len(s->input);
    return 0;
}

vetch_buffer *
vetch__stream_take_input(vetch_stream *s)
{
    vetch_buffer *input;

    if (merge_returned(s) < 0)
        return NULL;
    input = s->input;
    s->input = NULL;
    return input;
}

/* ---- looking ---- */

static struct look
look_for_line(struct vetch__read *read, const char *data, size_t len)
{
    const char *lf = len > read->scanned ? memchr(data + read->scanned, '\n',
                                                  len - read->scanned)
                                         : NULL;
    struct look l = { .verdict = WAIT };

    if (lf != NULL) {
        l.len = (size_t)(lf - data) + 1;
        l.strip = l.len > 1 && lf[-1] == '\r' ? 2 : 1;
        l.verdict = l.len - l.strip > read->limit ? TOO_LARGE : TAKE;
        return l;
    }
    read->scanned = len;
    /* One more may be the CR of a line that just fits. */
    if (len > read->limit && !(len - 1 == read->limit && data[len - 1] == '\r'))
        l.verdict = TOO_LARGE;
    return l;
}

static struct look
look_for_delimiter(struct vetch__read *read, const char *data, size_t len)
{
    size_t n = strlen(read->delimiter);
    const char *from = data + read->scanned;
    const char *at =
        n == 1 ? memchr(from, read->delimiter[0], len - read->scanned)
               : memmem(from, len - read->scanned, read->delimiter, n);
    struct look l = { .verdict = WAIT };

    if (at != NULL) {
        l.len = (size_t)(at - data) + n;
        l.verdict = l.len > read->limit ? TOO_LARGE : TAKE;
        return l;
    }
    read->scanned = len >= n ? len - n + 1 : 0;
    if (len >= read->limit)
        l.verdict = TOO_LARGE;
    return l;
}

/* No more will come. */
static struct look
look_at_rest(const struct vetch__read *read, size_t len)
{
    struct look l = { .verdict = TAKE, .len = len };

    if (read->op == VETCH__READ_EXACTLY)
        l.verdict = TOO_SHORT;
    else if (len > read->limit)
        l.verdict = TOO_LARGE;
    else if (len == 0 && read->op != VETCH__READ_ALL)
        l.verdict = AT_END;
    return l;
}

static struct look
look_at(struct vetch__read *read, const char *data, size_t len)
{
    struct look l = { .verdict = WAIT };

    switch ((enum vetch__read_op)read->op) {
    case VETCH__READ_SOME:
        l.len = len < read->limit ? len : read->limit;
        l.verdict = len > 0 ? TAKE : WAIT;
        break;
    case VETCH__READ_EXACTLY:
        l.len = read->limit;
        l.verdict = len >= read->limit ? TAKE : WAIT;
        break;
    case VETCH__READ_LINE:
        return look_for_line(read, data, len);
    case VETCH__READ_UNTIL:
        return look_for_delimiter(read, data, len);
    case VETCH__READ_ALL:
        l.verdict = len > read->limit ? TOO_LARGE : WAIT;
        break;
    case VETCH__READ_NONE:
        break;
    }
    return l;
}

static struct look
look(const vetch_stream *s, struct vetch__read *read, const vetch_buffer *in)
{
    size_t len = in != NULL ? vetch_buffer_len(in) : 0;
    const char *data = in != NULL ? vetch_buffer_data(in) : "";
    struct look l = look_at(read, data, len);

    if (l.verdict == WAIT && s->in == VETCH__HALF_ENDED)
        l = look_at_rest(read, len);
    return l;
}

static vetch_error *
read_error(const vetch_stream *s, const struct vetch__read *read,
           enum verdict verdict, size_t len)
{
    if (verdict == TOO_SHORT)
        return vetch_error_new(VETCH_EEOF, "read %s: %zu of %zu bytes",
                               vetch_stream_peer(s), len, read->limit);
    return vetch_error_new(VETCH_ETOOLARGE, "read %s: more than %zu bytes",
                           vetch_stream_peer(s), read->limit);
}

/* ---- taking ---- */

/* Somebody has got what was offered, or it has come back. */
static void
stream_offer_is_over(void *ctx)
{
    vetch_stream *s = ctx;

    s->flags &= (uint8_t)~VETCH__S_OFFERED;
    vetch__stream_let_go(s);
}

static void
take_bytes_back(void *value, void *ctx)
{
    vetch_stream *s = ctx;

    s->returned = value;
    s->bytes_read -= vetch_bytes_len(value) + s->stripped;
}

static struct vetch__offer
offer_of(vetch_stream *s, vetch_bytes *bytes)
{
    return (struct vetch__offer){ .value = bytes,
                                  .free_value = vetch_unref,
                                  .take_back = take_bytes_back,
                                  .ctx = s,
                                  .free_ctx = stream_offer_is_over };
}

/* The bytes are on their way: until they have arrived the read is pending. */
static void
count_taken(vetch_stream *s, size_t len, size_t strip)
{
    s->stripped = (uint8_t)strip;
    s->bytes_read += len;
    s->flags |= VETCH__S_OFFERED;
    vetch__stream_hold(s);
}

static vetch_bytes *
take_bytes(vetch_stream *s, vetch_buffer *in, const struct look *l)
{
    const char *data = in != NULL ? vetch_buffer_data(in) : "";
    vetch_bytes *bytes = vetch_bytes_new(data, l->len - l->strip);

    if (bytes == NULL)
        return NULL;
    if (in != NULL)
        vetch_buffer_consume(in, l->len);
    if (in != NULL && in == s->input && vetch_buffer_len(in) == 0)
        give_input_back(s);
    count_taken(s, l->len, l->strip);
    return bytes;
}

/* ---- the pending read ---- */

static vetch_deferred *
forget_read(vetch_stream *s)
{
    vetch_deferred *d = s->read.deferred;

    if (s->read.delimiter != s->read.few)
        vetch__free((void *)(uintptr_t)s->read.delimiter);
    s->read = (struct vetch__read){ .op = VETCH__READ_NONE };
    return d;
}

void
vetch__stream_refuse_read(vetch_stream *s, vetch_error *error)
{
    vetch_deferred *d;

    if (s->tap != NULL) {
        s->tap->refused(s->tap, error);
        return;
    }
    if (s->read.deferred == NULL) {
        vetch_error_unref(error);
        return;
    }
    d = forget_read(s);
    vetch_deferred_reject(d, error);
    vetch_deferred_unref(d);
}

static void
stream_cancel_read(vetch_deferred *d, void *ctx)
{
    vetch_stream *s = ctx;

    forget_read(s);
    vetch_deferred_cancel(d);
    vetch_deferred_unref(d);
    vetch__stream_balance(s);
}

static void
serve_read(vetch_stream *s, vetch_buffer *in)
{
    struct look l = look(s, &s->read, in);
    struct vetch__offer offer;
    vetch_bytes *bytes;
    vetch_deferred *d;

    if (l.verdict == WAIT) {
        if (s->in == VETCH__HALF_BROKEN)
            vetch__stream_refuse_read(s, vetch__stream_cause(s));
        return;
    }
    if (l.verdict > AT_END) {
        vetch__stream_refuse_read(
            s, read_error(s, &s->read, l.verdict,
                          in != NULL ? vetch_buffer_len(in) : 0));
        return;
    }
    bytes = l.verdict == TAKE ? take_bytes(s, in, &l) : NULL;
    if (l.verdict == TAKE && bytes == NULL) {
        vetch__stream_refuse_read(s, NULL);
        return;
    }
    d = forget_read(s);
    if (bytes == NULL) {
        vetch_deferred_resolve(d, NULL, NULL);
    } else {
        offer = offer_of(s, bytes);
        vetch_deferred_offer_owned(d, offer.value, offer.free_value,
                                   offer.take_back, offer.ctx, offer.free_ctx);
    }
    vetch_deferred_unref(d);
}

void
vetch__stream_try_read(vetch_stream *s, vetch_buffer *in)
{
    if (s->tap != NULL)
        s->tap->fn(s->tap, in);
    else if (s->read.deferred != NULL)
        serve_read(s, in);
}

bool
vetch__stream_is_read(const vetch_stream *s)
{
    return s->tap != NULL || s->read.deferred != NULL ||
           (s->flags & VETCH__S_OFFERED) != 0;
}

/* ---- the flow ---- */

/* How many bytes may lie here. */
static size_t
room_for_input(const vetch_stream *s)
{
    size_t room = s->limits.read_ahead;

    if (s->tap != NULL && s->tap->blocked)
        return 0;
    if ((s->flags & VETCH__S_LAZY) != 0 && s->tap == NULL &&
        s->read.deferred == NULL)
        return 0;
    return s->read.deferred != NULL && s->read.limit >= room
               ? (s->read.limit < SIZE_MAX - 2 ? s->read.limit + 2 : SIZE_MAX)
               : room;
}

void
vetch__stream_balance(vetch_stream *s)
{
    bool wants = s->object.state == VETCH__S_OPEN &&
                 s->in == VETCH__HALF_OPEN &&
                 vetch__stream_available(s) < room_for_input(s);

    if (wants == ((s->flags & VETCH__S_WANTING) != 0))
        return;
    s->flags ^= VETCH__S_WANTING;
    if (wants)
        s->kind->want(s);
    else
        s->kind->enough(s);
}

/* Keep what nobody has taken yet. */
static void
stream_keep_input(vetch_stream *s, vetch_buffer *in)
{
    size_t len = vetch_buffer_len(in);

    if (len == 0 || s->object.state != VETCH__S_OPEN)
        return;
    if (have_input(s) < 0 ||
        vetch_buffer_append(s->input, vetch_buffer_data(in), len) < 0)
        vetch__stream_break(s, vetch_error_new(VETCH_ENOMEM, "input of %s",
                                               vetch_stream_peer(s)));
}

void
vetch__stream_received(vetch_stream *s, vetch_buffer *in)
{
    vetch__stream_moved(s);
    if (vetch__unlikely(s->tap != NULL && s->tap->direct)) {
        s->tap->ready(s->tap);
        return;
    }
    if (s->input == NULL && s->returned == NULL) {
        vetch__stream_try_read(s, in);
        stream_keep_input(s, in);
    } else {
        stream_keep_input(s, in);
        if (merge_returned(s) == 0)
            vetch__stream_try_read(s, s->input);
    }
    vetch__stream_balance(s);
}

void
vetch__stream_set_tap(vetch_stream *s, struct vetch__stream_tap *tap)
{
    vetch__stream_moved(s);
    s->tap = tap;
    vetch__stream_balance(s);
}

void
vetch__stream_tap_more(vetch_stream *s)
{
    vetch__stream_hold(s);
    if (s->tap != NULL && s->tap->direct)
        s->tap->ready(s->tap);
    else if (s->tap != NULL && merge_returned(s) == 0)
        s->tap->fn(s->tap, s->input);
    if (s->input != NULL && vetch_buffer_len(s->input) == 0)
        give_input_back(s);
    vetch__stream_balance(s);
    vetch__stream_let_go(s);
}

/* ---- the calls ---- */

static vetch_promise *
wait_for_input(vetch_stream *s, struct vetch__read *read)
{
    const char *delimiter;
    vetch_promise *p;

    if (s->in == VETCH__HALF_BROKEN)
        return vetch_rejected(vetch__stream_cause(s));
    read->deferred = vetch_deferred_new(stream_cancel_read, s);
    if (read->deferred == NULL)
        return vetch__failed(errno, "read");
    delimiter = read->delimiter;
    if (delimiter != NULL && strlen(delimiter) >= sizeof(read->few)) {
        read->delimiter = vetch__strdup(delimiter);
        if (read->delimiter == NULL) {
            vetch_deferred_unref(read->deferred);
            return &vetch__no_memory;
        }
    }
    vetch__stream_moved(s); /* the wait begins */
    s->read = *read;
    if (delimiter != NULL && read->delimiter == delimiter)
        s->read.delimiter =
            memcpy(s->read.few, delimiter, strlen(delimiter) + 1);
    p = vetch_deferred_promise(read->deferred);
    VETCH__NAME(p, "read %s", vetch_stream_peer(s));
    vetch__stream_balance(s);
    return p;
}

/* What was read before and has come back is what is asked for now. */
static vetch_promise *
give_returned(vetch_stream *s)
{
    vetch_bytes *bytes = s->returned;
    struct vetch__offer offer = offer_of(s, bytes);

    s->returned = NULL;
    count_taken(s, vetch_bytes_len(bytes), 0);
    return vetch__offered(&offer);
}

static vetch_promise *
read_now(vetch_stream *s, struct vetch__read *read)
{
    struct look l;
    struct vetch__offer offer;
    vetch_bytes *bytes;

    if (read->op == VETCH__READ_SOME && s->returned != NULL &&
        s->stripped == 0 && vetch_bytes_len(s->returned) <= read->limit)
        return give_returned(s);
    if (merge_returned(s) < 0)
        return &vetch__no_memory;
    l = look(s, read, s->input);
    if (l.verdict == WAIT)
        return wait_for_input(s, read);
    if (l.verdict == AT_END)
        return vetch_resolved(NULL, NULL);
    if (l.verdict != TAKE)
        return vetch_rejected(
            read_error(s, read, l.verdict, vetch__stream_available(s)));
    bytes = take_bytes(s, s->input, &l);
    if (bytes == NULL)
        return &vetch__no_memory;
    vetch__stream_balance(s);
    offer = offer_of(s, bytes);
    return vetch__offered(&offer);
}

static vetch_promise *
start_read(vetch_stream *s, enum vetch__read_op op, size_t limit,
           const char *delimiter)
{
    struct vetch__read read = { .op = (uint8_t)op,
                                .limit = limit,
                                .delimiter = delimiter };

    if (!vetch__stream_check_thread(s))
        return &vetch__misused;
    if (limit == 0)
        return vetch__failed(EINVAL, "read: a limit of 0 bytes");
    if (s->in == VETCH__HALF_NONE)
        return vetch__failed(EBADF, "read: nothing can be read here");
    if (vetch__stream_is_read(s))
        return vetch_rejected(
            vetch_error_new(VETCH_EMISUSE, "read %s: another read is pending",
                            vetch_stream_peer(s)));
    if (s->flags & VETCH__S_CLOSED)
        return vetch_rejected(
            vetch_error_new(VETCH_ECLOSED, "the stream was closed"));
    return read_now(s, &read);
}

vetch_promise *
vetch_stream_read(vetch_stream *s, size_t max_bytes)
{
    VETCH_CHECK(s != NULL, EINVAL, &vetch__misused);
    return start_read(s, VETCH__READ_SOME, max_bytes, NULL);
}

vetch_promise *
vetch_stream_read_exactly(vetch_stream *s, size_t len)
{
    VETCH_CHECK(s != NULL, EINVAL, &vetch__misused);
    return start_read(s, VETCH__READ_EXACTLY, len, NULL);
}

vetch_promise *
vetch_stream_read_until(vetch_stream *s, const char *delimiter,
                        size_t limit_bytes)
{
    VETCH_CHECK(s != NULL, EINVAL, &vetch__misused);
    if (delimiter == NULL || delimiter[0] == '\0')
        return vetch__failed(EINVAL, "read until nothing");
    return start_read(s, VETCH__READ_UNTIL, limit_bytes, delimiter);
}

vetch_promise *
vetch_stream_read_line(vetch_stream *s, size_t limit_bytes)
{
    VETCH_CHECK(s != NULL, EINVAL, &vetch__misused);
    return start_read(s, VETCH__READ_LINE, limit_bytes, NULL);
}

vetch_promise *
vetch_stream_read_all(vetch_stream *s, size_t limit_bytes)
{
    VETCH_CHECK(s != NULL, EINVAL, &vetch__misused);
    return start_read(s, VETCH__READ_ALL, limit_bytes, NULL);
}
