/* The scripted server: see http_origin_kit.h. */

#include "support/http_origin_kit.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hok_conn {
    vetch_protocol protocol;
    vetch_transport *t;
    struct hok_origin *peer;
    size_t number;
};

static struct hok_conn *
conn_of(vetch_protocol *p)
{
    return (struct hok_conn *)p;
}

static void
connected(vetch_protocol *p, vetch_transport *t)
{
    conn_of(p)->t = t;
    vetch_transport_set_input_limit(t, (size_t)1 << 26);
    if (conn_of(p)->peer->deaf)
        vetch_transport_pause(t);
}

static struct peer_response
next_response(struct hok_origin *peer, const char *request)
{
    size_t i = peer->n_requests++;

    if (peer->pick != NULL)
        return peer->pick(peer, request);
    if (i < peer->n_responses)
        return peer->responses[i];
    return (struct peer_response){ .then = HOK_KEEP };
}

static void
say(struct hok_conn *c, const struct peer_response *a)
{
    size_t len = a->len;

    if (len == 0 && a->text != NULL)
        len = strlen(a->text);
    if (len > 0)
        /* Out of memory the client sees an end. */
        if (vetch_transport_write(c->t, a->text, len) < 0)
            vetch_transport_abort(c->t);
    if (a->then == HOK_CLOSE)
        vetch_transport_close(c->t);
    else if (a->then == HOK_ABORT)
        vetch_transport_abort(c->t);
}

/* The length of the first request, 0 if it is not whole yet. */
static size_t
request_len(const char *data, size_t len)
{
    const char *end = memmem(data, len, "\r\n\r\n", 4);
    const char *field;
    size_t head, body;

    if (end == NULL)
        return 0;
    head = (size_t)(end - data) + 4;
    field = memmem(data, head, "\r\nContent-Length: ", 18);
    body = field != NULL ? strtoul(field + 18, NULL, 10) : 0;
    return len >= head + body ? head + body : 0;
}

static void
note_request(struct hok_origin *peer, const char *data, size_t len)
{
    size_t room = sizeof(peer->requests) - 1 - peer->requests_len;

    if (len > room)
        len = room;
    memcpy(peer->requests + peer->requests_len, data, len);
    peer->requests_len += len;
    peer->requests[peer->requests_len] = '\0';
}

static void
received(vetch_protocol *p, vetch_buffer *input)
{
    struct hok_conn *c = conn_of(p);
    size_t len;

    while ((len = request_len(vetch_buffer_data(input),
                              vetch_buffer_len(input))) > 0) {
        struct peer_response response;
        char *request = strndup(vetch_buffer_data(input), len);

        note_request(c->peer, vetch_buffer_data(input), len);
        vetch_buffer_consume(input, len);
        response = next_response(c->peer, request);
        free(request);
        say(c, &response);
    }
}

static void
lost(vetch_protocol *p, const vetch_error *reason)
{
    struct hok_conn *c = conn_of(p);

    (void)reason;
    c->peer->open--;
    if (c->number < HOK_CONNECTIONS)
        c->peer->conn[c->number] = NULL;
}

static void
free_conn(vetch_protocol *p)
{
    free(p);
}

static const vetch_protocol_class hok_class = {
    .size = sizeof(hok_class),
    .connected = connected,
    .received = received,
    .lost = lost,
    .free = free_conn,
};

static vetch_protocol *
accept_one(void *ctx)
{
    struct hok_origin *peer = ctx;
    struct hok_conn *c = calloc(1, sizeof(*c));

    c->protocol.class_ = &hok_class;
    c->peer = peer;
    c->number = peer->accepted++;
    if (c->number < HOK_CONNECTIONS)
        peer->conn[c->number] = c;
    if (++peer->open > peer->most_open)
        peer->most_open = peer->open;
    return &c->protocol;
}

void
hok_start(struct hok_origin *peer, const struct peer_response *responses,
          size_t n_responses)
{
    memset(peer, 0, sizeof(*peer));
    peer->responses = responses;
    peer->n_responses = n_responses;
    peer->listener =
        vetch_listener_new("tcp:127.0.0.1:0", accept_one, peer, NULL);
    ck_assert_ptr_nonnull(peer->listener);
    snprintf(peer->base, sizeof(peer->base), "http://127.0.0.1:%u",
             vetch_listener_port(peer->listener));
    peer->host = peer->base + 7;
}

void
hok_stop(struct hok_origin *peer)
{
    vetch_error *error = NULL;

    vetch_stop_report_unref(
        vetch_run(vetch_listener_stop(peer->listener, 0), &error));
    ck_assert_msg(error == NULL, "%s", vetch_error_text(error));
    peer->listener = vetch_listener_unref(peer->listener);
}

static vetch_transport *
transport_of(const struct hok_origin *peer, size_t n)
{
    ck_assert_uint_lt(n, HOK_CONNECTIONS);
    ck_assert_ptr_nonnull(peer->conn[n]);
    return peer->conn[n]->t;
}

void
hok_send(struct hok_origin *peer, size_t n, const char *text)
{
    ck_assert_int_eq(
        vetch_transport_write(transport_of(peer, n), text, strlen(text)), 0);
}

void
hok_close(struct hok_origin *peer, size_t n)
{
    vetch_transport_close(transport_of(peer, n));
}

void
hok_abort(struct hok_origin *peer, size_t n)
{
    vetch_transport_abort(transport_of(peer, n));
}

void
hok_pause(struct hok_origin *p, size_t n)
{
    vetch_transport_pause(transport_of(p, n));
}

void
hok_resume(struct hok_origin *p, size_t n)
{
    vetch_transport_resume(transport_of(p, n));
}

size_t
hok_unsent(const struct hok_origin *peer, size_t n)
{
    return vetch_transport_buffered(transport_of(peer, n));
}

const char *
hok_url(const struct hok_origin *peer, const char *path)
{
    static char urls[8][512];
    static unsigned next;
    char *url = urls[next++ % 8];

    snprintf(url, sizeof(urls[0]), "%s%s", peer->base, path);
    return url;
}

void
hok_turn(void)
{
    event_base_loop(vetch_reactor_event_base(vt_reactor), EVLOOP_ONCE);
}

void
hok_poll(void)
{
    event_base_loop(vetch_reactor_event_base(vt_reactor),
                    EVLOOP_ONCE | EVLOOP_NONBLOCK);
}
