/* Shaping: everything that the client gets goes through flow_put(). */
#include "flow.h"

#include <string.h>

#define PIECE_MAX         16384
#define PIECES_PER_SECOND 20

/* With a bandwidth, pieces are small enough to look like one. */
static size_t
piece_size(const struct flow *flow)
{
    double size = flow->plan.bytes_per_second / PIECES_PER_SECOND;

    if (flow->plan.bytes_per_second <= 0 || size > PIECE_MAX)
        return PIECE_MAX;
    return size < 1 ? 1 : (size_t)size;
}

static void
send_piece(struct flow *flow, const void *data, size_t len)
{
    if (flow->plan.strikes[FAULT_DUPLICATE]) {
        flow->plan.strikes[FAULT_DUPLICATE] = false;
        vetch_try(vetch_stream_send(flow->to, data, len));
    }
    vetch_try(vetch_stream_send(flow->to, data, len));
    flow->n_sent += len;
    if (flow->plan.bytes_per_second > 0)
        vetch_try(vetch_sleep((double)len / flow->plan.bytes_per_second));
}

bool
flow_put(struct flow *flow, const void *data, size_t len)
{
    uint64_t room = flow->plan.truncate_bytes - flow->n_sent;
    bool whole = len <= room;
    size_t piece = piece_size(flow), n;
    const char *at = data;

    if (!whole)
        len = (size_t)room;
    for (; len > 0; at += n, len -= n) {
        n = len < piece ? len : piece;
        send_piece(flow, at, n);
    }
    return whole;
}

bool
flow_put_seen(struct flow *flow)
{
    bool whole = flow_put(flow, vetch_bytes_data(flow->held),
                          vetch_bytes_len(flow->held));

    flow_clear(flow);
    return whole;
}

bool
flow_pass(struct flow *flow, uint64_t limit)
{
    size_t piece = piece_size(flow);

    while (limit > 0) {
        size_t most = limit < piece ? (size_t)limit : piece;

        flow->held = vetch_try(vetch_stream_read(flow->from, most));
        if (flow->held == NULL)
            return limit == UINT64_MAX;
        if (limit != UINT64_MAX)
            limit -= vetch_bytes_len(flow->held);
        if (!flow_put_seen(flow))
            return false;
    }
    return true;
}

const vetch_bytes *
flow_look(struct flow *flow, const char *delimiter, size_t limit_bytes)
{
    size_t len = strlen(delimiter);
    const char *end;

    flow_clear(flow);
    flow->held =
        vetch_try(vetch_stream_read_until(flow->from, delimiter, limit_bytes));
    if (flow->held == NULL || vetch_bytes_len(flow->held) < len)
        return NULL;
    end = (const char *)vetch_bytes_data(flow->held) +
          vetch_bytes_len(flow->held) - len;
    return memcmp(end, delimiter, len) == 0 ? flow->held : NULL;
}

void
flow_clear(struct flow *flow)
{
    flow->held = vetch_bytes_unref(flow->held);
}
