/* The server under random clients, handlers and times, from a fixed seed that
 * is printed when something is wrong. Whatever happens: each connection's
 * responses come in the order of its requests, one for each; nothing that is
 * begun is left at the end. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/http_server_kit.h"

enum { CLIENTS = 4, PENDING = 64 };

struct client {
    struct hsk_client t;
    bool open;
    bool last; /* the server said close */
    unsigned asked, heard;
    char unsent[400]; /* of the last request */
    size_t at, len;
};

struct handler {
    vetch_http_request *request;
    vetch_deferred *deferred;
    bool begun;
};

static struct client clients[CLIENTS];
static struct handler handlers[PENDING];
static unsigned seed, round_;
static unsigned long heard, canceled, n_pieces;

static unsigned
random_below(unsigned n)
{
    return (unsigned)rand_r(&seed) % n;
}

/* ---- handlers ---- */

static void
end_handler(struct handler *h)
{
    vetch_deferred_unref(h->deferred);
    memset(h, 0, sizeof(*h));
}

static void
on_cancel(vetch_deferred *d, void *ctx)
{
    struct handler *h = ctx;

    canceled++;
    if (random_below(2) == 0)
        return; /* it ends later, by itself */
    vetch_deferred_cancel(d);
    end_handler(h);
}

static void
reply(struct handler *h)
{
    const char *n = vetch_http_request_param(h->request, "n");

    if (n != NULL)
        vetch_http_reply(h->request, 200, NULL, n, strlen(n));
}

static void
got_piece(const vetch_error *error, void *result, void *ctx)
{
    (void)error;
    (void)ctx;
    n_pieces++;
    vetch_bytes_unref(result);
}

static void
step_handler(struct handler *h)
{
    const char *n = vetch_http_request_param(h->request, "n");

    switch (random_below(6)) {
    case 0:
        if (!h->begun && vetch_http_reply_begin(h->request, 200, NULL) == 0) {
            h->begun = true;
            vetch_stream_write(vetch_http_request_stream(h->request), n,
                               strlen(n));
        }
        break;
    case 1:
    case 2:
        vetch_callback(
            vetch_stream_read(vetch_http_request_stream(h->request), 65536),
            got_piece, NULL);
        break;
    case 3:
        if (h->begun)
            hsk_reply_end(h->request);
        else
            reply(h);
        break;
    default:
        if (h->begun)
            hsk_reply_end(h->request);
        else
            reply(h);
        vetch_deferred_resolve(h->deferred, NULL, NULL);
        end_handler(h);
        break;
    }
}

static vetch_promise *
handle(vetch_http_request *r, void *ctx)
{
    struct handler *h = NULL;
    unsigned i;

    (void)ctx;
    for (i = 0; i < PENDING && h == NULL; i++)
        if (handlers[i].request == NULL)
            h = &handlers[i];
    if (h == NULL || random_below(3) == 0) {
        struct handler now = { .request = r };

        reply(&now);
        return NULL;
    }
    h->request = r;
    h->deferred = vetch_deferred_new(on_cancel, h);
    return vetch_deferred_promise(h->deferred);
}

/* ---- clients ---- */

VT_CASE("random", vt_reactor_tcase, .seconds = 120);

static void
next_request(struct client *c)
{
    unsigned n = c->asked++;
    const char *where = random_below(2) == 0 ? "whole" : "stream";

    switch (random_below(4)) {
    case 0:
        c->len = (size_t)snprintf(
            c->unsent, sizeof(c->unsent),
            "POST /%s/%u HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
            where, n);
        break;
    case 1:
        c->len = (size_t)snprintf(
            c->unsent, sizeof(c->unsent),
            "POST /%s/%u HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
            "\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
            where, n);
        break;
    default:
        c->len = (size_t)snprintf(c->unsent, sizeof(c->unsent),
                                  "GET /%s/%u HTTP/1.1\r\nHost: a\r\n\r\n",
                                  where, n);
    }
    c->at = 0;
}

static void
speak(struct client *c)
{
    size_t n;

    if (c->at == c->len) {
        if (c->asked - c->heard > 20)
            return;
        next_request(c);
    }
    n = 1 + random_below((unsigned)(c->len - c->at));
    hsk_say_bytes(&c->t, c->unsent + c->at, n);
    c->at += n;
}

/* Take all whole responses: they carry the numbers of their requests. */
static void
listen_to(struct client *c)
{
    while (!c->last && !hsk_is_silent(&c->t)) {
        unsigned status;

        if (c->t.n_in == 0 || memchr(c->t.in, '\n', c->t.n_in) == NULL ||
            memmem(c->t.in, c->t.n_in, "\r\n\r\n", 4) == NULL)
            return;
        if (memmem(c->t.in, c->t.n_in, "chunked", 7) != NULL &&
            memmem(c->t.in, c->t.n_in, "0\r\n\r\n", 5) == NULL)
            return; /* would wait for its end */
        status = hsk_hear(&c->t);
        if (status == 0)
            return;
        heard++;
        if (status == 200) {
            char number[16];

            snprintf(number, sizeof(number), "%u", c->heard);
            ck_assert_msg(hsk_body_is(&c->t, number),
                          "round %u: %.*s instead of %s", round_,
                          (int)c->t.n_body, c->t.body, number);
        } else {
            ck_assert_msg(status == 408 || status == 500, "status %u", status);
        }
        c->heard++;
        ck_assert_uint_le(c->heard, c->asked);
        if (hsk_field(&c->t, "Connection") != NULL)
            c->last = true;
    }
}

/* Each end may begin the next request of its connection. */
static bool
end_one_handler(void)
{
    unsigned i;

    for (i = 0; i < PENDING; i++) {
        if (handlers[i].request == NULL)
            continue;
        vetch_deferred_resolve(handlers[i].deferred, NULL, NULL);
        end_handler(&handlers[i]);
        return true;
    }
    return false;
}

static void
close_client(struct client *c)
{
    if (c->open)
        hsk_hang_up(&c->t);
    memset(c, 0, sizeof(*c));
}

static void
step(void)
{
    struct client *c = &clients[random_below(CLIENTS)];
    struct handler *h = &handlers[random_below(PENDING)];
    unsigned what = random_below(40);

    if (what < 20) {
        if (!c->open) {
            memset(c, 0, sizeof(*c));
            hsk_connect(&c->t);
            c->open = true;
        }
        if (!c->t.ended && !c->last)
            speak(c);
    } else if (what < 34) {
        if (h->request != NULL)
            step_handler(h);
        vt_run_ready();
    } else if (what < 38) {
        if (c->open)
            listen_to(c);
        if (c->open && (c->last || c->t.ended))
            close_client(c);
    } else if (what == 38) {
        vt_advance(random_below(40) / 10.0);
    } else if (random_below(8) == 0) {
        close_client(c);
    }
}

VT_TEST(responses_keep_their_order_whatever_happens, .loops = 10)
{
    unsigned i;

    seed = round_ = (unsigned)_i + 1;
    hsk_start(NULL);
    hsk_route("*", "/whole/:n", handle, NULL);
    hsk_stream_route("*", "/stream/:n", handle, NULL);
    for (i = 0; i < 30000; i++)
        step();
    for (i = 0; i < CLIENTS; i++)
        close_client(&clients[i]);
    vt_run_ready();
    while (end_one_handler()) /* those that did not obey a cancel */
        vt_run_ready();
    hsk_end();
    ck_assert_uint_gt(heard, 100);
    ck_assert_uint_gt(canceled, 0);
    ck_assert_uint_gt(n_pieces, 0);
}
