/* The character finder over TCP, as a task for each client. */
#include <errno.h>

#include "serving.h"
#include "session.h"

static void
respond(struct session *session)
{
    char rows[PIECE_SIZE];
    size_t len;

    if (search_line(session) < 0)
        vetch_try(vetch_rejected(vetch_error_from_errno(errno, "search")));
    while ((len = take_rows(session, rows)) > 0)
        vetch_try(vetch_stream_send(session->client, rows, len));
    write_status(session);
    vetch_try(vetch_stream_drain(session->client));
    note_sent(session);
}

/* False: the session is over. */
static bool
ask(struct session *session)
{
    vetch_bytes *line;
    bool goes_on;

    vetch_stream_printf(session->client, PROMPT); /* a later drain tells */
    line = vetch_try(vetch_stream_read_line(session->client, QUERY_SIZE - 1));
    goes_on = take_line(session, line);
    vetch_bytes_unref(line);
    return goes_on;
}

static vetch_promise *
converse(vetch_stream *client, void *index)
{
    struct session *session = begin_session(client, index);

    if (session == NULL)
        return vetch_rejected(NULL);
    vetch_defer(end_session, session);
    while (ask(session))
        if (session->query.len > 0)
            respond(session);
    return NULL;
}

int
main(int argc, char **argv)
{
    return serve_characters(argc, argv, converse, true);
}
