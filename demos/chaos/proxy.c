/* A connection is a task: it decides what will go wrong, waits, and either goes
 * wrong or passes bytes. Whatever ends it, end_connection() runs. */
#include "proxy.h"

#include <errno.h>
#include <stdlib.h>

/* ---- what takes the place of a response ---- */

static void
send_noise(struct connection *c)
{
    uint64_t noise = c->down.plan.noise;
    unsigned char bytes[256];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = next_noise(&noise);
    vetch_try(vetch_stream_send(c->client, bytes, sizeof(bytes)));
}

static void
send_status(struct connection *c)
{
    static const char body[] = "chaos\n";

    vetch_stream_printf(c->client,
                        "HTTP/1.1 %u Chaos\r\nContent-Type: text/plain\r\n"
                        "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                        c->down.plan.status, sizeof(body) - 1, body);
    vetch_try(vetch_stream_drain(c->client));
}

static void
swallow(vetch_stream *client)
{
    vetch_bytes *bytes;

    while ((bytes = vetch_try(vetch_stream_read(client, 65536))) != NULL)
        vetch_bytes_unref(bytes);
}

bool
meet_misfortune(struct connection *c)
{
    const struct plan *plan = &c->down.plan;

    if (plan->delay_seconds > 0)
        vetch_try(vetch_sleep(plan->delay_seconds));
    if (plan->strikes[FAULT_GARBAGE]) {
        send_noise(c);
    } else if (plan->strikes[FAULT_STATUS]) {
        send_status(c);
    } else if (plan->strikes[FAULT_BLACKHOLE]) {
        swallow(c->client);
    } else if (plan->strikes[FAULT_HANG] || plan->strikes[FAULT_RESET]) {
        if (plan->strikes[FAULT_HANG])
            vetch_try(vetch_sleep(plan->hang_seconds));
        vetch_stream_abort(c->client);
    } else {
        return true;
    }
    return false;
}

/* ---- passing on ---- */

void
connect_backend(struct connection *c)
{
    c->backend = vetch_try(vetch_stream_connect(c->proxy->backend, NULL));
    c->up.from = c->down.to = c->client;
    c->up.to = c->down.from = c->backend;
}

void
drop_backend(struct connection *c)
{
    vetch_error *error;

    if (c->upward != NULL) {
        vetch_promise_cancel(c->upward);
        vetch_await(c->upward, &error);
        vetch_error_unref(error); /* the client's response matters */
        c->upward = NULL;
    }
    flow_clear(&c->up);
    flow_clear(&c->down);
    c->backend = vetch_stream_unref(c->backend);
}

static bool
is_shaped(const struct plan *plan)
{
    return plan->strikes[FAULT_TRUNCATE] || plan->strikes[FAULT_DUPLICATE] ||
           plan->strikes[FAULT_BANDWIDTH];
}

/* The client has gone: so goes the backend, and the reading of it ends. */
static vetch_promise *
abort_backend(const vetch_error *error, void *ctx)
{
    struct connection *c = ctx;

    (void)error;
    vetch_stream_abort(c->backend);
    return vetch_same();
}

void
pass_all(struct connection *c)
{
    vetch_promise *upward;

    if (!is_shaped(&c->down.plan)) {
        vetch_try(vetch_stream_join(c->client, c->backend));
        return;
    }
    c->upward = vetch_catch(vetch_stream_copy(c->client, c->backend, NULL),
                            abort_backend, c);
    if (!flow_pass(&c->down, UINT64_MAX))
        return; /* cut */
    vetch_try(vetch_stream_end(c->client));
    upward = c->upward;
    c->upward = NULL;
    vetch_try(upward);
}

/* ---- a connection ---- */

static void
end_connection(void *ctx)
{
    struct connection *c = ctx;

    drop_backend(c);
    c->proxy->n_open--;
    c->proxy->bytes_up += vetch_stream_bytes_read(c->client);
    c->proxy->bytes_down += vetch_stream_bytes_written(c->client);
    free(c);
}

vetch_promise *
serve_client(vetch_stream *client, void *ctx)
{
    struct connection *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return vetch_rejected(NULL);
    c->proxy = ctx;
    c->client = client;
    c->up.plan.truncate_bytes = UINT64_MAX;
    c->proxy->n_connections++;
    c->proxy->n_open++;
    vetch_defer(end_connection, c);
    if (c->proxy->faults.http) {
        serve_http(c);
        return NULL;
    }
    c->down.plan = faults_next(&c->proxy->faults);
    if (meet_misfortune(c)) {
        connect_backend(c);
        pass_all(c);
    }
    return NULL;
}
