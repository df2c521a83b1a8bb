/* A session's state, and the lines that it logs. */
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct session *
begin_session(vetch_stream *client, const struct char_index *index)
{
    struct session *session = calloc(1, sizeof(*session));

    if (session != NULL) {
        session->client = client;
        session->index = index;
    }
    return session;
}

void
end_session(void *ctx)
{
    struct session *session = ctx;

    puts("Close the client socket");
    codes_clear(&session->found);
    free(session);
}

void
print_address(const char *endpoint, char out[ADDRESS_SIZE])
{
    const char *host = strchr(endpoint, ':'), *port = strrchr(endpoint, ':');
    int len;

    if (host == NULL || host == port) {
        snprintf(out, ADDRESS_SIZE, "'%s'", endpoint);
        return;
    }
    host++;
    len = (int)(port - host);
    if (*host == '[')
        snprintf(out, ADDRESS_SIZE, "('%.*s', %s, 0, 0)", len - 2, host + 1,
                 port + 1);
    else
        snprintf(out, ADDRESS_SIZE, "('%.*s', %s)", len, host, port + 1);
}

static void
note_received(const struct session *session)
{
    char client[ADDRESS_SIZE], repr[REPR_SIZE];

    print_address(vetch_stream_peer(session->client), client);
    print_repr(session->query.text, session->query.len, repr);
    printf("Received from %s: %s\n", client, repr);
}

bool
take_line(struct session *session, const vetch_bytes *line)
{
    if (line == NULL || read_query(&session->query, vetch_bytes_data(line),
                                   vetch_bytes_len(line)) < 0)
        return false;
    note_received(session);
    return !session->query.farewell;
}

int
search_line(struct session *session)
{
    codes_clear(&session->found);
    if (index_search(session->index, session->query.text, &session->found) < 0)
        return -1;
    session->rows = codes_page(&session->found, 0, SIZE_MAX);
    return 0;
}

size_t
take_rows(struct session *session, char rows[PIECE_SIZE])
{
    return print_rows(&session->rows, "\r\n", rows, PIECE_SIZE);
}

void
write_status(struct session *session)
{
    char status[STATUS_SIZE];

    print_status(session->query.text, codes_count(&session->found), status);
    vetch_stream_printf(session->client, "%s\r\n", status);
}

void
note_sent(const struct session *session)
{
    printf("Sent %zu results\n", codes_count(&session->found));
}
